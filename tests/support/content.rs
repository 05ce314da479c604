//! Bytes by length and seed, made on the way and told apart by their hash.

use std::fmt::Write as _;
use std::io::{self, ErrorKind, Read, Write};
use std::thread;
use std::time::Duration;

use sha2::{Digest, Sha256};

/// A mebibyte.
pub(crate) const MIB: u64 = 1024 * 1024;

const BLOCK: usize = 64 * 1024;

/// A run of bytes as its length and SHA-256.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Content {
    /// How many bytes.
    pub(crate) length: u64,
    /// Their SHA-256 in hexadecimal digits.
    pub(crate) hash: String,
}

/// Random bytes are made so many at a time; a prime, so that no buffer is in step.
const PERIOD: u64 = 1_000_003;

/// Writes `length` bytes that follow from `seed`; says what they were.
pub(crate) fn send(to: &mut impl Write, length: u64, seed: u64) -> io::Result<Content> {
    let mut hasher = Hasher::default();
    let mut bytes = vec![0; usize::try_from(length.min(PERIOD)).unwrap_or_default()];
    fastrand::Rng::with_seed(seed).fill(&mut bytes);
    let mut left = length;
    for block in bytes.chunks(BLOCK).cycle() {
        let block = &block[..block.len().min(usize::try_from(left).unwrap_or(BLOCK))];
        if block.is_empty() {
            break;
        }
        to.write_all(block)?;
        hasher.add(block);
        left -= block.len() as u64;
    }
    Ok(hasher.content())
}

/// What [`send`] writes, without writing it anywhere.
pub(crate) fn expected(length: u64, seed: u64) -> Content {
    send(&mut io::sink(), length, seed).expect("a sink takes everything")
}

/// Reads to the end of stream.
pub(crate) fn receive(from: &mut impl Read) -> io::Result<Content> {
    receive_slowly(from, u64::MAX)
}

/// Reads to the end of stream at about `rate` bytes a second.
pub(crate) fn receive_slowly(from: &mut impl Read, rate: u64) -> io::Result<Content> {
    let mut hasher = Hasher::default();
    let mut block = vec![0; BLOCK];
    loop {
        match from.read(&mut block) {
            Ok(0) => return Ok(hasher.content()),
            Ok(read) => {
                hasher.add(&block[..read]);
                if rate < u64::MAX {
                    thread::sleep(Duration::from_secs_f64(read as f64 / rate as f64));
                }
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[derive(Default)]
struct Hasher {
    sha256: Sha256,
    length: u64,
}

impl Hasher {
    fn add(&mut self, bytes: &[u8]) {
        self.sha256.update(bytes);
        self.length += bytes.len() as u64;
    }

    fn content(self) -> Content {
        let mut hash = String::new();
        for byte in self.sha256.finalize() {
            let _ = write!(hash, "{byte:02x}");
        }
        Content {
            length: self.length,
            hash,
        }
    }
}
