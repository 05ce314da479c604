//! The C compiler that cgo uses.

use std::env;
use std::ffi::OsString;

use crate::target::Target;
use crate::{Step, variable};

/// The value of `CC` for Go: what the environment asks for, word for word, else
/// the compiler that `cc` knows for the target.
pub(crate) fn find(target: &Target) -> Step<OsString> {
    let triple = variable("TARGET")?;
    let cross = triple != variable("HOST")?;
    let asked = [
        format!("CC_{triple}"),
        format!("CC_{}", triple.replace('-', "_")),
        if cross { "TARGET_CC" } else { "HOST_CC" }.to_owned(),
        "CC".to_owned(),
    ];
    for name in &asked {
        println!("cargo::rerun-if-env-changed={name}");
    }
    if let Some(command) = asked
        .iter()
        .filter_map(env::var_os)
        .find(|value| !value.is_empty())
    {
        return Ok(command);
    }
    let tool = cc::Build::new().try_get_compiler().map_err(|error| {
        format!(
            "no C compiler for {} on {}: {error}\n\
             Debian: apt install gcc (for a cross build gcc-aarch64-linux-gnu or \
             gcc-x86-64-linux-gnu); macOS: xcode-select --install; or set CC",
            target.goos, target.goarch
        )
    })?;
    let wrapped = tool.cc_env();
    Ok(if wrapped.is_empty() {
        tool.path().into()
    } else {
        wrapped
    })
}
