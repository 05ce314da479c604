//! The Go half's environment, set once before anything else.

use std::collections::BTreeMap;
use std::ffi::CString;

use serde::Serialize;

use super::error::Error;
use super::sys;

/// What the Go half shall find in its environment.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Environment<'a> {
    /// Variables to remove on both sides, so that none of the library's own
    /// fallbacks takes effect behind the configuration's back.
    pub unset: &'a [&'a str],
    /// Variables to set.
    pub set: BTreeMap<&'a str, String>,
    /// Whether the library may upload its log to its vendor.
    pub log_upload: bool,
    /// The soft memory limit of the Go half in bytes; 0 for none.
    pub memory_limit: u64,
}

/// Gives the Go half its environment.
///
/// Call it once, before any other function of this module and before the async
/// runtime exists: it changes the C environment too, which is safe only while
/// the process has a single thread of its own.
///
/// # Errors
///
/// [`Error::Call`] with `EINVAL` when a name or value cannot be in an environment.
pub fn init(environment: &Environment<'_>) -> Result<(), Error> {
    let failed = || Error::call("setting up the environment of the tailnet");
    let json = serde_json::to_string(environment).map_err(|error| failed()(error.into()))?;
    let json = CString::new(json).map_err(|error| failed()(error.into()))?;
    sys::env(&json).map_err(failed())
}
