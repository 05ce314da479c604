//! The command line: verbs, flags made from the one list of variables, help with variables and exit
//! codes.
//!
//! | file | its one idea |
//! |---|---|
//! | `request` | what a command line asks for |
//! | `ask` | questions to the program that runs, and how their answers end this one |
//! | `show` | answers for people, in 80 columns |
//! | `paint` | colours, on a terminal alone |
//! | `generate` | completions and the manual page, from the same definitions as the help |

mod ask;
mod generate;
mod paint;
mod request;
mod show;

use std::ffi::OsString;
use std::io::{self, Write};

use clap::{ArgMatches, Args, Command, FromArgMatches, Parser, Subcommand};

use crate::config::variables::{self, VARIABLES, Variable};
use crate::config::{self, Arguments, ForwardArguments, Parsed, Problems};
use crate::exit::Exit;
use crate::state_dir;

pub use ask::ask;
pub use generate::generate;
pub use request::{Action, Document, Question, Request, Shell};

/// A command line that is answered with a text at once: help, the version, or what is wrong with
/// it.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The text, with its line break.
    pub text: String,
    /// [`Exit::Success`] for help and version, whose text goes to stdout; else [`Exit::Usage`], to
    /// stderr.
    pub exit: Exit,
}

/// Reads a command line, the program's name first.
///
/// # Errors
/// The text to print and the exit code, for help and version as well.
pub fn read(arguments: impl IntoIterator<Item = OsString>) -> Result<Request, Answer> {
    let cli = Cli::try_parse_from(arguments).map_err(|error| Answer {
        // A key in the wrong place must not come back in the error.
        text: config::redact(&error.to_string()),
        exit: if error.use_stderr() {
            Exit::Usage
        } else {
            Exit::Success
        },
    })?;
    let (action, forwards) = match cli.verb.unwrap_or(Verb::Run) {
        Verb::Expose { forwards } => (Action::Run, ForwardArguments::Expose(forwards)),
        Verb::Connect { forwards } => (Action::Run, ForwardArguments::Connect(forwards)),
        other => (other.without_forwards(), ForwardArguments::None),
    };
    Ok(Request {
        action,
        arguments: Arguments {
            flags: cli.flags.0,
            forwards,
        },
    })
}

/// `tailport check`: prints the settings in effect to `out`, or every mistake to `err`; warnings to
/// `err`. A reader that went away changes nothing about the answer.
pub fn check(
    parsed: &Result<Parsed, Problems>,
    out: &mut impl Write,
    err: &mut impl Write,
) -> Exit {
    let (Ok(Parsed { warnings, .. }) | Err(Problems { warnings, .. })) = parsed;
    for warning in warnings {
        let _ = writeln!(err, "warning: {warning}");
    }
    match parsed {
        Ok(parsed) => {
            // Only a warning: the service may run as another user, for whom the directory is right.
            if let Err(error) = state_dir::examine(&parsed.config.node.state_dir) {
                let _ = writeln!(err, "warning: {}", config::chain(&error));
            }
            let _ = write!(out, "{}", parsed.summary());
            Exit::Success
        }
        Err(problems) => {
            let _ = writeln!(err, "{problems}");
            Exit::Usage
        }
    }
}

impl Answer {
    /// Prints the text where it belongs. A reader that went away changes nothing.
    pub fn print(&self) {
        let _ = match self.exit {
            Exit::Success => io::stdout().write_all(self.text.as_bytes()),
            _ => io::stderr().write_all(self.text.as_bytes()),
        };
    }
}

/// Puts a machine's port on your tailnet, and a tailnet host's port on your machine, without
/// tailscaled.
#[derive(Debug, Parser)]
#[command(
    name = "tailport",
    version,
    after_help = "--help lists the environment variables and exit codes",
    after_long_help = after_help()
)]
struct Cli {
    #[command(flatten)]
    flags: Flags,
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Forward what the file, TS_EXPOSE, TS_CONNECT and TS_TARGET say (the default)
    Run,
    /// Lead ports of the tailnet to this machine or its network
    Expose {
        /// 22=127.0.0.1:22, or only 22, or 10.0.0.5:3389; also 53/udp=HOST:53, 443/tls=HOST:80,
        /// 80=unix:/PATH, ranges 90-99=HOST:90-99, and several targets with | between them
        #[arg(value_name = "[PORT=]HOST:PORT", required = true)]
        forwards: Vec<OsString>,
    },
    /// Lead ports of this machine to hosts of the tailnet
    Connect {
        /// 33389=rdp-host:3389; LOCAL is a port on 127.0.0.1, ADDRESS:PORT, either with /udp, or
        /// unix:/PATH; ranges and several targets as with expose
        #[arg(value_name = "LOCAL=HOST:PORT", required = true)]
        forwards: Vec<OsString>,
    },
    /// Say what is in effect, or every mistake, and end
    Check,
    /// Say how the program that runs is; ends with 0 when it is ready, else with 69
    Status {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// List the hosts of the tailnet
    Peers {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Ask a host of the tailnet whether it answers, and how it is reached
    Ping {
        /// Its name or address
        #[arg(value_name = "HOST")]
        host: String,
    },
    /// Have the program that runs read its configuration again
    Reload,
    /// Take the node off the tailnet; the program that runs ends
    Logout,
    /// Print completions for a shell
    Completions {
        /// The shell
        #[arg(value_name = "SHELL")]
        shell: Shell,
    },
    /// Print the manual page
    Man,
}

impl Verb {
    /// The action of a verb that names no forwards.
    fn without_forwards(self) -> Action {
        match self {
            Verb::Run | Verb::Expose { .. } | Verb::Connect { .. } => Action::Run,
            Verb::Check => Action::Check,
            Verb::Status { json } => Action::Ask(Question::Status { json }),
            Verb::Peers { json } => Action::Ask(Question::Peers { json }),
            Verb::Ping { host } => Action::Ask(Question::Ping { host }),
            Verb::Reload => Action::Ask(Question::Reload),
            Verb::Logout => Action::Ask(Question::Logout),
            Verb::Completions { shell } => Action::Print(Document::Completions(shell)),
            Verb::Man => Action::Print(Document::Man),
        }
    }
}

/// The flags of all variables that have one, as variable and text.
#[derive(Debug)]
struct Flags(Vec<(&'static str, OsString)>);

impl Args for Flags {
    fn augment_args(command: Command) -> Command {
        let flags = VARIABLES
            .iter()
            .filter_map(|variable| Some(flag(variable, variable.flag?)));
        command.args(flags)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Flags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let given = VARIABLES
            .iter()
            .filter(|variable| variable.flag.is_some())
            .filter_map(|variable| {
                let text = matches.get_one::<OsString>(variable.name)?;
                Some((variable.name, text.clone()))
            });
        Ok(Flags(given.collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

fn flag(variable: &'static Variable, name: &'static str) -> clap::Arg {
    let arg = clap::Arg::new(variable.name)
        .long(name)
        .global(true)
        .value_parser(clap::value_parser!(OsString))
        .help_heading(variable.group.title())
        .help(format!(
            "{} [{}, default: {}]",
            variable.help,
            variable.name,
            variable.default.shown()
        ));
    match variable.switch {
        // `--ephemeral` alone is yes; `--ephemeral=false` overrides the environment.
        true => arg
            .num_args(0..=1)
            .require_equals(true)
            .default_missing_value("true")
            .value_name("BOOL"),
        // `--timeout -5s` is a value to refuse by name, not an unknown flag.
        false => arg.allow_hyphen_values(true).value_name("VALUE"),
    }
}

fn after_help() -> String {
    let mut text = variables::help_text();
    text.push_str("\nExit codes:\n");
    for exit in Exit::ALL {
        text.push_str(&format!("  {:>2}  {}\n", exit.code(), exit.meaning()));
    }
    text
}

#[cfg(test)]
mod tests;
