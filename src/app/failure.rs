//! Why the program ends otherwise than asked, with its exit code.

use std::error::Error;
use std::fmt;
use std::io;

use crate::config::chain;
use crate::exit::Exit;
use crate::state_dir::StateDirError;
use crate::tailnet::{self, ErrorKind};

/// A failure that ends the program.
#[derive(Debug)]
pub struct Failure {
    exit: Exit,
    kind: String,
    detail: String,
}

impl Failure {
    /// A failure with the word that programs know it by and the text for people.
    pub(super) fn new(exit: Exit, kind: &str, detail: impl Into<String>) -> Self {
        Self {
            exit,
            kind: kind.to_owned(),
            detail: detail.into(),
        }
    }

    /// The signal handlers cannot be set.
    pub(super) fn signals(error: io::Error) -> Self {
        Self::new(
            Exit::Internal,
            "internal",
            format!("taking over the stop signals: {error}"),
        )
    }

    /// The async runtime cannot be made.
    pub fn runtime(error: &io::Error) -> Self {
        Self::new(
            Exit::Other,
            "runtime",
            format!("starting the async runtime: {error}"),
        )
    }

    /// The exit code.
    pub fn exit(&self) -> Exit {
        self.exit
    }

    /// One word for programs; a kind of the seam's table where one fits.
    pub fn kind(&self) -> &str {
        &self.kind
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

impl Error for Failure {}

impl From<StateDirError> for Failure {
    fn from(error: StateDirError) -> Self {
        Self::new(error.exit(), "state_unusable", chain(&error))
    }
}

impl From<tailnet::Error> for Failure {
    fn from(error: tailnet::Error) -> Self {
        let kind = error.kind();
        Self::new(exit_of(kind), kind.name(), chain(&error))
    }
}

fn exit_of(kind: ErrorKind) -> Exit {
    match kind {
        ErrorKind::LoginRefused | ErrorKind::LoginNeeded => Exit::Login,
        ErrorKind::TimedOut | ErrorKind::Unreachable | ErrorKind::NotRunning => Exit::Unreachable,
        ErrorKind::Internal | ErrorKind::Closed | ErrorKind::Canceled => Exit::Internal,
        _ => Exit::Other,
    }
}
