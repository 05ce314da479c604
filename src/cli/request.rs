//! What a command line asks for.

use clap::ValueEnum;

use crate::config::Arguments;

/// What the user asked for.
#[derive(Clone, Debug)]
pub struct Request {
    /// What to do with the configuration.
    pub action: Action,
    /// The part of the configuration that the command line holds.
    pub arguments: Arguments,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Forward until told to stop.
    Run,
    /// Say what is in effect or what is wrong, and end.
    Check,
    /// Ask the program that runs. Only the state directory is needed.
    Ask(Question),
    /// Print a document. No configuration is needed.
    Print(Document),
}

/// What the program that runs is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// How it is.
    Status {
        /// For programs.
        json: bool,
    },
    /// Who is on the tailnet.
    Peers {
        /// For programs.
        json: bool,
    },
    /// Whether a peer answers.
    Ping {
        /// Its name or address.
        host: String,
    },
    /// To read its configuration again.
    Reload,
    /// To leave the tailnet.
    Logout,
}

/// A document made from the definitions of the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Document {
    /// A shell's completions.
    Completions(Shell),
    /// The manual page.
    Man,
}

/// A shell that completions are made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Shell {
    /// bash
    Bash,
    /// zsh
    Zsh,
    /// fish
    Fish,
}
