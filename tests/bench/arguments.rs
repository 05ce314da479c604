//! The command line.

use std::path::{Path, PathBuf};

use clap::{Parser, ValueEnum};

use super::options::Options;
use super::part::Part;

#[derive(Parser)]
#[command(about = "Measures tailport beside others that do the same")]
pub(crate) struct Arguments {
    /// What to measure [default: all but the rehearsal]
    what: Vec<What>,
    #[command(flatten)]
    pub(crate) options: Options,
    /// Of expose, connect and relay these loads alone, as in bulk:8,exchange:1,requests:4;
    /// requests use up the client's ports, for a minute: put other loads between
    #[arg(long, value_name = "LOAD:N,…", value_delimiter = ',')]
    pub(crate) only: Vec<Part>,
    /// Where the file and the plot go [default: target/bench/results]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Measures nothing: shows an earlier run anew, and plots it beside its file
    #[arg(long, value_name = "FILE.json", conflicts_with_all = ["what", "only", "out", "rounds", "seconds"])]
    pub(crate) report: Option<PathBuf>,
    /// Given by cargo
    #[arg(long, hide = true)]
    bench: bool,
}

/// A part of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum What {
    /// From the tailnet to a target of this machine
    Expose,
    /// From a client of this machine to the tailnet
    Connect,
    /// The relay alone, from loopback to loopback
    Relay,
    /// Start, rest and size of the programs
    Program,
    /// The rehearsal: each program once, with bytes there and back
    Others,
}

impl Arguments {
    /// The parts to run, each once, in their order.
    pub(crate) fn parts(&self) -> Vec<What> {
        let wanted = |part: &What| match self.what.as_slice() {
            [] => *part != What::Others,
            what => what.contains(part),
        };
        let all = What::value_variants().iter().copied();
        all.filter(wanted).collect()
    }

    /// Where results go.
    pub(crate) fn out(&self) -> PathBuf {
        let usual = || Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("bench/results");
        self.out.clone().unwrap_or_else(usual)
    }
}
