//! A connection that must not notice what happens around it, and the log lines
//! that a test waits for.

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::Value;

use crate::support::pair::Lane;
use crate::support::patience::PATIENCE;
use crate::support::tailport::Tailport;

/// Both ends of a connection, in the hands of one test.
pub(crate) struct Flow {
    /// The end that has connected.
    pub(crate) client: TcpStream,
    /// The end that has accepted.
    pub(crate) served: TcpStream,
    words: u64,
}

impl Flow {
    /// Two ends that belong together.
    pub(crate) fn of((client, served): (TcpStream, TcpStream)) -> Self {
        Self {
            client,
            served,
            words: 0,
        }
    }

    /// A new connection by a lane. Something has been said both ways by it.
    #[track_caller]
    pub(crate) fn open(lane: &Lane<'_>) -> Self {
        let mut flow = Self::of(lane.open());
        flow.talks();
        flow
    }

    /// A word goes each way, within the test's patience.
    #[track_caller]
    pub(crate) fn talks(&mut self) {
        self.words += 1;
        let word = self.words.to_be_bytes();
        say(&mut self.client, &mut self.served, &word);
        say(&mut self.served, &mut self.client, &word);
    }
}

#[track_caller]
fn say(from: &mut TcpStream, to: &mut TcpStream, word: &[u8; 8]) {
    from.write_all(word).expect("saying a word");
    let mut heard = [0; 8];
    to.read_exact(&mut heard).expect("hearing a word");
    assert_eq!(heard, *word, "not the word that was said");
}

/// The next closing line of a forward after a mark. The log must be in JSON.
#[track_caller]
pub(crate) fn closing_of(node: &Tailport, mark: usize, forward: &str) -> Value {
    logged(node, mark, "a closing line", |line| {
        line["message"] == "connection ended" && line["forward"] == forward
    })
}

/// The next log line after a mark of which `wanted` is true. The log must be in
/// JSON.
#[track_caller]
pub(crate) fn logged(
    node: &Tailport,
    mark: usize,
    what: &str,
    wanted: impl Fn(&Value) -> bool,
) -> Value {
    let parsed = |line: &str| serde_json::from_str(line).ok().filter(&wanted);
    let line = node
        .stderr()
        .wait_from(mark, PATIENCE, |line| parsed(line).is_some())
        .unwrap_or_else(|| panic!("{what}: not in the log of {}", node.ready().hostname));
    parsed(&line).expect("it was just found")
}
