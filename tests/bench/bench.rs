//! The program beside others that do the same: `make bench`.
//!
//! ```text
//! cargo bench --bench bench -- [WHAT …] [--only LOAD:N,…] [--rounds N] [--seconds S] [--out DIR]
//! cargo bench --bench bench -- --report FILE.json
//! ```
//!
//! | file | its one idea |
//! |---|---|
//! | `arguments` | what is to be measured, and where it goes |
//! | `options`, `part` | how much is measured, and which loads |
//! | `arena` | expose and connect, over a private tailnet |
//! | `load` | who makes that load and serves it |
//! | `contestant`, `kind` | the programs that are compared there |
//! | `program` | start, rest and size of the programs |
//! | `relay_alone` | the relay, from loopback to loopback |
//! | `rehearsal` | each program once, before anything is measured |
//! | `figures`, `way` | what is measured |
//! | `samples`, `record` | what was found |
//! | `most` | how many connections a process has descriptors for |
//! | `versions` | what is compared, by version |
//! | `report`, `goals` | what people read of it |

mod arena;
mod arguments;
mod contestant;
mod figures;
mod goals;
mod kind;
mod load;
mod most;
mod options;
mod part;
mod program;
mod record;
mod rehearsal;
mod relay_alone;
mod report;
mod samples;
mod versions;
mod way;

#[path = "../support/mod.rs"]
mod support;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use clap::Parser;

use arguments::{Arguments, What};
use report::{About, Machine};
use samples::{Samples, Scenario};

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if relay_alone::process::run(&words) {
        return ExitCode::SUCCESS;
    }
    let arguments = Arguments::parse();
    let shown = match &arguments.report {
        Some(file) => report::again(file).map(|()| true),
        None => run(&arguments),
    };
    match shown {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Measures and reports; false when a part failed, the others are reported then.
fn run(arguments: &Arguments) -> std::io::Result<bool> {
    support::process::raise_descriptor_limit();
    let about = About::now(Machine::here(versions::all()), arguments.options);
    let mut samples = Samples::default();
    let mut whole = true;
    for part in arguments.parts() {
        // What breaks in a part has said so.
        let ran = catch_unwind(AssertUnwindSafe(|| {
            measure(part, arguments, &mut samples);
        }));
        whole &= ran.is_ok();
    }
    if !samples.0.is_empty() {
        report::print(&samples, &about);
        report::write(&samples, &about, &arguments.out())?;
    }
    Ok(whole)
}

fn measure(what: What, arguments: &Arguments, samples: &mut Samples) {
    let Arguments { options, only, .. } = arguments;
    let options = *options;
    match what {
        What::Expose => arena::run(Scenario::Expose, options, only, samples),
        What::Connect => arena::run(Scenario::Connect, options, only, samples),
        What::Relay => relay_alone::run(samples, options, only),
        What::Program => program::run(options, samples),
        What::Others => rehearsal::run(),
    }
}
