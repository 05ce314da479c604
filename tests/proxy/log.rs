//! The log of the whole test process, kept in memory. Tests share it; a peer's
//! address tells whose line it is.

use std::{
    io,
    sync::{Arc, LazyLock, Mutex},
};

use serde_json::Value;

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

static LOG: LazyLock<Log> = LazyLock::new(|| {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_target(false)
        .with_writer(move || writer.clone())
        .finish();
    tracing::subscriber::set_global_default(subscriber).unwrap();
    log
});

/// Starts to keep the log. Every forward of a test calls it first.
pub(crate) fn keep() {
    LazyLock::force(&LOG);
}

/// The line that speaks of a peer: that its connection or flow ended. The newest one: the
/// peer of an earlier test may have had the same port.
pub(crate) fn closing(peer: &str) -> Value {
    let text = String::from_utf8(LOG.0.lock().unwrap().clone()).unwrap();
    let lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .filter(|line: &Value| line["peer"] == peer)
        .collect();
    let line = lines.last().unwrap_or_else(|| panic!("no line of {peer}"));
    let message = &line["message"];
    assert!(
        *message == "connection ended" || *message == "flow ended",
        "{line}"
    );
    line.clone()
}

/// Whether a text is anywhere in the log.
pub(crate) fn has(text: &str) -> bool {
    String::from_utf8(LOG.0.lock().unwrap().clone())
        .unwrap()
        .contains(text)
}
