//! Log lines: tracing to stderr as text or JSON, and never the reason that the program ends.
//!
//! A terminal or a log pipe can go away while connections flow. A write error is therefore
//! swallowed here, where the library would print it to the same stderr and panic. What is lost is
//! the line; so it is when there is somebody who does not read.

use std::io::{self, IsTerminal, Stderr, Write};
use std::sync::OnceLock;

use tracing::{Level, Metadata};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use super::gathered::Gathered;
pub use super::unblocked::is_held_up;
use crate::config::{LogConfig, LogFormat};

/// Why logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum LoggingError {
    /// The filter does not parse. A filter that came through the configuration always does.
    #[error("reading the log filter")]
    Filter(#[from] tracing_subscriber::filter::ParseError),
    /// Logging was set up before.
    #[error("logging is already set up")]
    AlreadySetUp,
}

static LOG: OnceLock<Gathered<Stderr>> = OnceLock::new();

/// Sends every log line of the process to stderr from now on. Call it once, from `main`, and
/// [`flush`] before its end.
///
/// # Errors
/// When the filter does not parse or when logging was set up before.
pub fn init(config: &LogConfig) -> Result<(), LoggingError> {
    let colour = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let log = LOG.get_or_init(|| Gathered::new(io::stderr()));
    let subscriber = subscriber(config, colour, Lossy(|level: &Level| log.at(level)))?;
    tracing::subscriber::set_global_default(subscriber).map_err(|_| LoggingError::AlreadySetUp)
}

/// Writes the lines that wait for others still.
pub fn flush() {
    if let Some(log) = LOG.get() {
        let _ = log.flush();
    }
}

fn subscriber<M, W>(
    config: &LogConfig,
    colour: bool,
    writer: Lossy<M>,
) -> Result<Box<dyn tracing::Subscriber + Send + Sync>, LoggingError>
where
    M: Fn(&Level) -> W + Send + Sync + 'static,
    W: Write + 'static,
{
    let filter = EnvFilter::builder()
        .with_regex(false)
        .parse(config.filter.as_str())?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(writer)
        .log_internal_errors(false);
    Ok(match config.format {
        LogFormat::Text => Box::new(builder.with_ansi(colour).finish()),
        // Flattened, the module's name would take the place of a field named `target`.
        LogFormat::Json => Box::new(
            builder
                .json()
                .flatten_event(true)
                .with_target(false)
                .with_ansi(false)
                .finish(),
        ),
    })
}

/// A writer that reports success whatever happens to the bytes.
struct Lossy<W>(W);

impl<'a, M: Fn(&Level) -> W, W: Write + 'a> MakeWriter<'a> for Lossy<M> {
    type Writer = Lossy<W>;

    fn make_writer(&'a self) -> Self::Writer {
        Lossy(self.0(&Level::ERROR))
    }

    fn make_writer_for(&'a self, meta: &Metadata<'_>) -> Self::Writer {
        Lossy(self.0(meta.level()))
    }
}

impl<W: Write> Write for Lossy<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let _ = self.0.write_all(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let _ = self.0.flush();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    struct Gone;

    impl Write for Gone {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
    }

    fn logged(filter: &str, format: LogFormat) -> String {
        let shared = Shared::default();
        let sink = shared.clone();
        let config = LogConfig {
            filter: filter.parse().unwrap(),
            format,
            upload: false,
        };
        let subscriber = subscriber(&config, false, Lossy(move |_: &Level| sink.clone())).unwrap();
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!(port = 22, "connection ended");
            tracing::debug!("details");
        });
        let bytes = shared.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn text_has_one_line_an_event_at_or_above_the_filter() {
        let text = logged("info", LogFormat::Text);
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(
            text.contains("connection ended") && text.contains("port=22"),
            "{text}"
        );
    }

    #[test]
    fn json_has_one_object_a_line_with_the_fields_on_top() {
        let text = logged("debug", LogFormat::Json);
        assert_eq!(text.lines().count(), 2, "{text}");
        let first: serde_json::Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
        assert_eq!(first["message"], "connection ended");
        assert_eq!(first["port"], 22);
        assert_eq!(first["level"], "INFO");
    }

    #[test]
    fn a_log_pipe_that_is_gone_changes_nothing() {
        for format in [LogFormat::Text, LogFormat::Json] {
            let config = LogConfig {
                filter: "trace".parse().unwrap(),
                format,
                upload: false,
            };
            let subscriber = subscriber(&config, false, Lossy(|_: &Level| Gone)).unwrap();
            tracing::subscriber::with_default(subscriber, || tracing::error!("nobody reads this"));
        }
    }
}
