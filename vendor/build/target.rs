//! The table of targets: what Go calls each of them and what it links.

use crate::{Step, variable};

/// One row of the table.
pub(crate) struct Target {
    /// `CARGO_CFG_TARGET_OS`.
    os: &'static str,
    /// `CARGO_CFG_TARGET_ARCH`.
    arch: &'static str,
    /// `CARGO_CFG_TARGET_ENV`.
    env: &'static str,
    /// Go's name of the system.
    pub(crate) goos: &'static str,
    /// Go's name of the processor.
    pub(crate) goarch: &'static str,
    /// System libraries the archive needs.
    libraries: &'static [&'static str],
    /// Frameworks the archive needs: Go's runtime reads the trust store with the
    /// first two, tsnet the machine's serial number with the last.
    frameworks: &'static [&'static str],
}

const LINUX: &[&str] = &["pthread"];
const MACOS: &[&str] = &["resolv"];
const MACOS_FRAMEWORKS: &[&str] = &["CoreFoundation", "Security", "IOKit"];

#[rustfmt::skip]
const TARGETS: &[Target] = &[
    Target { os: "linux", arch: "x86_64",  env: "gnu", goos: "linux",  goarch: "amd64", libraries: LINUX, frameworks: &[] },
    Target { os: "linux", arch: "aarch64", env: "gnu", goos: "linux",  goarch: "arm64", libraries: LINUX, frameworks: &[] },
    Target { os: "macos", arch: "x86_64",  env: "",    goos: "darwin", goarch: "amd64", libraries: MACOS, frameworks: MACOS_FRAMEWORKS },
    Target { os: "macos", arch: "aarch64", env: "",    goos: "darwin", goarch: "arm64", libraries: MACOS, frameworks: MACOS_FRAMEWORKS },
];

/// The row of the target that cargo builds for.
pub(crate) fn current() -> Step<&'static Target> {
    let os = variable("CARGO_CFG_TARGET_OS")?;
    let arch = variable("CARGO_CFG_TARGET_ARCH")?;
    // Absent or empty where a system has one environment only.
    let env = variable("CARGO_CFG_TARGET_ENV").unwrap_or_default();
    if env == "musl" {
        return Err(format!(
            "{arch}-{os}-musl cannot be built: a Go c-archive crashes on musl; \
             build for {arch}-unknown-linux-gnu, statically with -C target-feature=+crt-static"
        ));
    }
    TARGETS
        .iter()
        .find(|row| row.os == os && row.arch == arch && row.env == env)
        .ok_or_else(|| {
            let known: Vec<String> = TARGETS
                .iter()
                .map(|row| format!("{} on {}", row.os, row.arch))
                .collect();
            format!(
                "{os} on {arch} ({env}) is not supported; supported are {}",
                known.join(", ")
            )
        })
}

impl Target {
    /// Links the archive first: what follows resolves what it leaves open.
    pub(crate) fn print_link_line(&self) {
        println!("cargo::rustc-link-lib=static:-bundle=tailscale");
        if self.is_static() {
            // Go's tables hold a hundred thousand addresses: 3 MB of relocations, or
            // 40 KB in this form. Only a static program brings a C library that reads
            // it for certain (glibc 2.36).
            println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
        }
        for library in self.libraries {
            println!("cargo::rustc-link-lib=dylib={library}");
        }
        for framework in self.frameworks {
            println!("cargo::rustc-link-lib=framework={framework}");
        }
    }

    /// Whether the C library is linked in, with `-C target-feature=+crt-static`.
    fn is_static(&self) -> bool {
        let features = variable("CARGO_CFG_TARGET_FEATURE").unwrap_or_default();
        self.os == "linux" && features.split(',').any(|feature| feature == "crt-static")
    }
}
