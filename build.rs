//! Builds the Go archive, binds its header and tells rustc how to link it.
//!
//! The steps, in order: look the target up in a table, find the tools, build
//! `vendor/libtailscale` into `libtailscale.a`, generate the bindings, print the
//! link line. Nothing is downloaded by the script itself: Go takes its modules
//! from its cache, and asks its proxy only for what the cache lacks.
//!
//! Honoured from the environment: `GO` (the Go command, else `go` on the path),
//! `CC` and its target forms, `GOFLAGS`, `GOTOOLCHAIN`, `LIBCLANG_PATH`.

#[path = "vendor/build/archive.rs"]
mod archive;
#[path = "vendor/build/bindings.rs"]
mod bindings;
#[path = "vendor/build/compiler.rs"]
mod compiler;
#[path = "vendor/build/go.rs"]
mod go;
#[path = "vendor/build/target.rs"]
mod target;

use std::env;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// What a step answers; the text says what to do.
type Step<T> = Result<T, String>;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(what) => {
            eprintln!("error: {what}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Step<()> {
    let module = PathBuf::from(variable("CARGO_MANIFEST_DIR")?).join("vendor/libtailscale");
    let out = PathBuf::from(variable("OUT_DIR")?);
    watch(&module);

    let target = target::current()?;
    bindings::find_libclang()?;
    let go = go::find(&module)?;
    let compiler = compiler::find(target)?;

    archive::build(&go, target, &compiler, &module, &out)?;
    bindings::generate(&module.join("tailscale.h"), &out)?;

    println!("cargo::rustc-link-search=native={}", out.display());
    target.print_link_line();
    Ok(())
}

/// Names what the result depends on; the steps that find the compiler and read
/// the header add theirs, and cargo knows this script's own files.
fn watch(module: &Path) {
    println!("cargo::rerun-if-changed={}", module.display());
    for name in [
        "CGO_CFLAGS",
        "CGO_LDFLAGS",
        "GO",
        "GOFLAGS",
        "GOTOOLCHAIN",
        "LIBCLANG_PATH",
    ] {
        println!("cargo::rerun-if-env-changed={name}");
    }
}

/// A variable that cargo sets for every build script.
fn variable(name: &str) -> Step<String> {
    env::var(name).map_err(|_| format!("{name} is not set; run this script through cargo"))
}
