//! How a mailbox can break the contract.

use std::io;

use super::sys;

/// What a mailbox may not say. Any of these ends it.
#[derive(Debug, thiserror::Error)]
pub enum ProtocolError {
    /// A frame longer than the contract allows.
    #[error("a frame is longer than {} bytes", sys::FRAME_MAX)]
    TooLong,
    /// The mailbox ended inside a frame.
    #[error("the mailbox ended inside a frame")]
    Truncated,
    /// The mailbox, or a dial, ended before its last message.
    #[error("the {mailbox} mailbox ended without an answer")]
    Unanswered {
        /// Which mailbox.
        mailbox: &'static str,
    },
    /// A message that may not come at this place, or says nothing.
    #[error("the {mailbox} mailbox says `{kind}` out of turn")]
    OutOfTurn {
        /// Which mailbox.
        mailbox: &'static str,
        /// The message's type.
        kind: &'static str,
    },
    /// A message whose type the mailbox does not have.
    #[error("the {mailbox} mailbox has no message `{kind}`")]
    UnknownType {
        /// Which mailbox.
        mailbox: &'static str,
        /// The type it named.
        kind: String,
    },
    /// A frame that is no message: no JSON, or keys missing or of another type.
    #[error("a message of the {mailbox} mailbox cannot be read")]
    Malformed {
        /// Which mailbox.
        mailbox: &'static str,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// The descriptor could not be read.
    #[error("the mailbox cannot be read")]
    Io(#[from] io::Error),
}
