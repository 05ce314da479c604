//! The `tailport` program: arguments, configuration, logging, runtime, run, exit code.

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use tailport::app::{self, Failure};
use tailport::cli::{self, Action};
use tailport::config::{self, Config};
use tailport::exit::Exit;
use tailport::telemetry::logging;

/// What tasks get to end after everything is closed.
const RUNTIME_END: Duration = Duration::from_millis(500);

fn main() -> ExitCode {
    let request = match cli::read(std::env::args_os()) {
        Ok(request) => request,
        Err(answer) => {
            answer.print();
            return answer.exit.into();
        }
    };
    // Kept as it was at the start: the Go half's own variables are taken out later.
    let environment: Vec<_> = std::env::vars_os().collect();
    match &request.action {
        Action::Run | Action::Check => {}
        Action::Print(document) => return cli::generate(*document, &mut io::stdout()).into(),
        Action::Ask(question) => {
            let state_dir = config::state_dir(&request.arguments, environment);
            return cli::ask(question, state_dir).into();
        }
    }
    let parsed = config::parse(&request.arguments, environment.iter().cloned());
    if request.action == Action::Check {
        return cli::check(&parsed, &mut io::stdout(), &mut io::stderr()).into();
    }
    let parsed = match parsed {
        Ok(parsed) => parsed,
        Err(problems) => {
            let _ = writeln!(io::stderr(), "{problems}");
            app::error_line("usage", &problems.to_string());
            return Exit::Usage.into();
        }
    };
    if let Err(error) = logging::init(&parsed.config.log) {
        app::error_line("internal", &error.to_string());
        return Exit::Internal.into();
    }
    for warning in &parsed.warnings {
        tracing::warn!("{warning}");
    }
    let arguments = request.arguments;
    let result = app::prepare(&parsed.config, &environment).and_then(|prepared| {
        let again = move || config::parse(&arguments, environment.iter().cloned());
        run(parsed.config, Box::new(again), prepared)
    });
    let exit = match result {
        Ok(()) => Exit::Success,
        Err(failure) => {
            tracing::error!(kind = failure.kind(), "{failure}");
            app::error_line(failure.kind(), &failure.to_string());
            failure.exit()
        }
    };
    logging::flush();
    exit.into()
}

fn run(config: Config, again: app::Source, prepared: app::Prepared) -> Result<(), Failure> {
    let runtime = app::runtime().map_err(|error| Failure::runtime(&error))?;
    let result = runtime.block_on(app::run(config, again, prepared));
    runtime.shutdown_timeout(RUNTIME_END);
    result
}
