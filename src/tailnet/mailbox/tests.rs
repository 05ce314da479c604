//! Frames whole, split, cut, too long and senseless.

use std::os::fd::OwnedFd;

use proptest::prelude::*;
use tokio::io::AsyncWriteExt;

use super::super::message::{Close, Dial, Flush, Log, Start, Watch};
use super::*;

pub(super) fn pair<M: Message>() -> (UnixStream, Mailbox<M>) {
    let (there, here) = StdUnixStream::pair().unwrap();
    there.set_nonblocking(true).unwrap();
    here.set_nonblocking(true).unwrap();
    (
        UnixStream::from_std(there).unwrap(),
        Mailbox::new(OwnedFd::from(here)).unwrap(),
    )
}

fn frame(payload: &str) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap();
    [&length.to_be_bytes(), payload.as_bytes()].concat()
}

/// What a mailbox says when these bytes are all that ever comes.
async fn only(bytes: &[u8]) -> Result<Log, ProtocolError> {
    let (mut there, mut here) = pair();
    there.write_all(bytes).await.unwrap();
    drop(there);
    let answer = here.answer().await;
    if answer.is_err() {
        assert!(here.next().await.is_none(), "an error ends a mailbox");
    }
    answer
}

fn text(message: Option<Result<Log, ProtocolError>>) -> String {
    let Log::Log(line) = message.unwrap().unwrap();
    line.text
}

#[tokio::test]
async fn messages_come_in_order_and_then_the_end() {
    let (mut there, mut here) = pair();
    for text in ["one", "two"] {
        let message = format!(r#"{{"type":"log","text":"{text}","dropped":0}}"#);
        there.write_all(&frame(&message)).await.unwrap();
    }
    drop(there);
    assert_eq!(text(here.next().await), "one");
    assert_eq!(text(here.next().await), "two");
    assert!(here.next().await.is_none());
    assert!(here.next().await.is_none());
}

#[tokio::test]
async fn a_frame_split_anywhere_survives_a_cancelled_wait_at_every_byte() {
    let (mut there, mut here) = pair();
    let bytes = frame(r#"{"type":"log","text":"whole","dropped":7}"#);
    for byte in &bytes[..bytes.len() - 1] {
        there.write_all(std::slice::from_ref(byte)).await.unwrap();
        tokio::select! {
            biased;
            message = here.next() => panic!("{message:?} before its end"),
            () = tokio::task::yield_now() => {}
        }
    }
    there.write_all(&bytes[bytes.len() - 1..]).await.unwrap();
    assert_eq!(text(here.next().await), "whole");
}

#[tokio::test]
async fn the_end_inside_a_frame_is_truncated_wherever_it_comes() {
    let bytes = frame(r#"{"type":"log","text":"cut","dropped":0}"#);
    for length in 1..bytes.len() {
        let error = only(&bytes[..length]).await.unwrap_err();
        assert!(
            matches!(error, ProtocolError::Truncated),
            "after {length}: {error}"
        );
    }
}

#[tokio::test]
async fn the_end_before_an_answer_is_unanswered() {
    let error = only(b"").await.unwrap_err();
    assert!(
        matches!(error, ProtocolError::Unanswered { mailbox: "logs" }),
        "{error}"
    );
}

#[tokio::test]
async fn the_longest_frame_is_read_and_a_longer_one_is_not() {
    let empty = r#"{"type":"log","dropped":0,"text":""}"#;
    let longest = "x".repeat(sys::FRAME_MAX - empty.len());
    let message = format!(r#"{{"type":"log","dropped":0,"text":"{longest}"}}"#);
    let (mut there, mut here) = pair();
    let writer = async { there.write_all(&frame(&message)).await.unwrap() };
    let (message, ()) = tokio::join!(here.next(), writer);
    assert_eq!(text(message).len(), longest.len());

    let length = u32::try_from(sys::FRAME_MAX + 1).unwrap();
    let error = only(&length.to_be_bytes()).await.unwrap_err();
    assert!(matches!(error, ProtocolError::TooLong), "{error}");
}

#[tokio::test]
async fn what_is_no_message_is_malformed() {
    let payloads = [
        "",
        "null",
        "no json",
        "[]",
        r#"{"text":"no type"}"#,
        r#"{"type":7}"#,
        r#"{"type":"log","text":"no count"}"#,
        r#"{"type":"log","text":1,"dropped":0}"#,
        r#"{"type":"log","text":"below zero","dropped":-1}"#,
    ];
    for payload in payloads {
        let error = only(&frame(payload)).await.unwrap_err();
        assert!(
            matches!(error, ProtocolError::Malformed { .. }),
            "{payload}: {error}"
        );
    }
}

#[tokio::test]
async fn an_unknown_type_is_named() {
    let error = only(&frame(r#"{"type":"novelty"}"#)).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the logs mailbox has no message `novelty`"
    );
}

proptest! {
    #[test]
    fn arbitrary_payloads_never_panic(payload in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = decode::<Start>(&payload);
        let _ = decode::<Watch>(&payload);
        let _ = decode::<Dial>(&payload);
        let _ = decode::<Flush>(&payload);
        let _ = decode::<Close>(&payload);
    }

    #[test]
    fn arbitrary_bytes_end_in_an_answer(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
        prop_assert!(runtime.block_on(only(&bytes)).is_err());
    }

    #[test]
    fn frames_survive_any_split(texts in prop::collection::vec("[a-z]{0,40}", 1..8), step in 1_usize..64) {
        let message = |text: &String| frame(&format!(r#"{{"type":"log","text":"{text}","dropped":0}}"#));
        let bytes: Vec<u8> = texts.iter().flat_map(message).collect();
        let mut frames = Frames::new();
        let mut buffer = BytesMut::new();
        let mut found = Vec::new();
        for piece in bytes.chunks(step) {
            buffer.extend_from_slice(piece);
            while let Some(frame) = frames.decode(&mut buffer).unwrap() {
                found.push(text(Some(decode(&frame))));
            }
        }
        prop_assert!(frames.decode_eof(&mut buffer).unwrap().is_none());
        prop_assert_eq!(found, texts);
    }
}
