//! The bindings: bindgen over our own header.

use std::panic;
use std::path::Path;

use crate::Step;

/// How to get libclang, for every message that misses it.
const INSTALL: &str = "Debian: apt install libclang-dev; macOS: brew install llvm \
                       (then set LIBCLANG_PATH to its lib folder)";

/// Loads libclang the way bindgen will, which panics when there is none.
pub(crate) fn find_libclang() -> Step<()> {
    let hook = panic::take_hook();
    panic::set_hook(Box::new(|_| {}));
    let loaded = panic::catch_unwind(bindgen::clang_version);
    panic::set_hook(hook);
    match loaded {
        Ok(_) => Ok(()),
        Err(panic) => {
            let why = panic.downcast_ref::<String>().map_or("", String::as_str);
            Err(format!(
                "libclang is needed to bind tailscale.h\n{why}\n{INSTALL}"
            ))
        }
    }
}

/// Writes `tailscale.rs`: the seam's own names and nothing of the system's.
pub(crate) fn generate(header: &Path, out: &Path) -> Step<()> {
    let bindings = bindgen::Builder::default()
        .header(header.to_string_lossy())
        // The header needs stdint.h and stddef.h only, which clang brings along:
        // a cross build then needs no headers of the target.
        .clang_arg("-ffreestanding")
        .allowlist_function("tailport_.*")
        .allowlist_type("tailport_.*")
        .allowlist_var("TAILPORT_.*")
        .prepend_enum_name(false)
        .derive_default(true)
        .rust_edition(bindgen::RustEdition::Edition2024)
        .parse_callbacks(Box::new(bindgen::CargoCallbacks::new()))
        .generate()
        .map_err(|error| format!("binding {}: {error}\n{INSTALL}", header.display()))?;
    let path = out.join("tailscale.rs");
    bindings
        .write_to_file(&path)
        .map_err(|error| format!("writing {}: {error}", path.display()))
}
