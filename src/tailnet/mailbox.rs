//! A mailbox: frames of JSON from the Go half, decoded into typed messages.
//!
//! Dropping a mailbox closes its descriptor, which cancels what it stands for.

use std::future::poll_fn;
use std::io;
use std::marker::PhantomData;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::task::{Context, Poll, ready};

use bytes::BytesMut;
use futures_util::StreamExt;
use serde::Deserialize;
use tokio::net::UnixStream;
use tokio_util::codec::length_delimited::{LengthDelimitedCodec, LengthDelimitedCodecError};
use tokio_util::codec::{Decoder, FramedRead};

use super::message::Message;
use super::protocol::ProtocolError;
use super::sys;

/// The receiving end of a mailbox.
#[derive(Debug)]
pub(crate) struct Mailbox<M> {
    frames: FramedRead<UnixStream, Frames>,
    ended: bool,
    messages: PhantomData<fn() -> M>,
}

impl<M: Message> Mailbox<M> {
    /// Takes the descriptor of a mailbox; needs a tokio runtime.
    pub(crate) fn new(fd: OwnedFd) -> io::Result<Self> {
        let socket = StdUnixStream::from(fd);
        Ok(Self {
            frames: FramedRead::new(UnixStream::from_std(socket)?, Frames::new()),
            ended: false,
            messages: PhantomData,
        })
    }

    /// The next message; `None` at the end and forever after an error.
    ///
    /// # Cancel safety
    ///
    /// Safe: a frame that has arrived in part is kept for the next call.
    pub(crate) async fn next(&mut self) -> Option<Result<M, ProtocolError>> {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    /// [`Mailbox::next`] for who waits for something else too.
    pub(super) fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<M, ProtocolError>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let frame = ready!(self.frames.poll_next_unpin(cx));
        let message = frame.map(|frame| frame.and_then(|frame| decode(&frame)));
        self.ended = !matches!(message, Some(Ok(_)));
        Poll::Ready(message)
    }

    /// The next message of a mailbox that owes one.
    ///
    /// # Cancel safety
    ///
    /// Safe, as [`Mailbox::next`].
    pub(crate) async fn answer(&mut self) -> Result<M, ProtocolError> {
        self.next().await.unwrap_or(Err(ProtocolError::Unanswered {
            mailbox: M::MAILBOX,
        }))
    }
}

/// Decodes one frame's payload.
pub(super) fn decode<M: Message>(payload: &[u8]) -> Result<M, ProtocolError> {
    #[derive(Deserialize)]
    struct Head {
        #[serde(rename = "type")]
        kind: String,
    }
    let mailbox = M::MAILBOX;
    serde_json::from_slice(payload).map_err(|source| match serde_json::from_slice(payload) {
        Ok(Head { kind }) if !M::TYPES.contains(&kind.as_str()) => {
            ProtocolError::UnknownType { mailbox, kind }
        }
        _ => ProtocolError::Malformed { mailbox, source },
    })
}

/// The framing, with errors that tell a long frame from a cut one.
#[derive(Debug)]
struct Frames {
    codec: LengthDelimitedCodec,
    /// Whether the codec has taken a length whose payload has not come yet.
    inside: bool,
}

impl Frames {
    fn new() -> Self {
        let codec = LengthDelimitedCodec::builder()
            .length_field_type::<u32>()
            .big_endian()
            .max_frame_length(sys::FRAME_MAX)
            .new_codec();
        Self {
            codec,
            inside: false,
        }
    }
}

impl Decoder for Frames {
    type Item = BytesMut;
    type Error = ProtocolError;

    fn decode(&mut self, buffer: &mut BytesMut) -> Result<Option<BytesMut>, ProtocolError> {
        let before = buffer.len();
        match self.codec.decode(buffer) {
            Ok(Some(frame)) => {
                self.inside = false;
                Ok(Some(frame))
            }
            Ok(None) => {
                self.inside |= buffer.len() < before;
                Ok(None)
            }
            Err(error) if too_long(&error) => Err(ProtocolError::TooLong),
            Err(error) => Err(ProtocolError::Io(error)),
        }
    }

    fn decode_eof(&mut self, buffer: &mut BytesMut) -> Result<Option<BytesMut>, ProtocolError> {
        match self.decode(buffer)? {
            None if self.inside || !buffer.is_empty() => Err(ProtocolError::Truncated),
            other => Ok(other),
        }
    }
}

fn too_long(error: &io::Error) -> bool {
    error
        .get_ref()
        .is_some_and(|inner| inner.is::<LengthDelimitedCodecError>())
}

#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod tests;
