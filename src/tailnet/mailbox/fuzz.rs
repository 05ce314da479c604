//! Bytes of all kinds in a mailbox, in pieces of all sizes: what comes out is what a slow and plain
//! reading of the same bytes gives, and then the end.
//!
//! FUZZ_CASES as in `tests/fuzz`.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::{Config, TestRunner};
use tokio::io::AsyncWriteExt;
use tokio::runtime;

use super::super::message::{
    CertificateAnswer, Close, Dial, Flush, Listen, Log, Logout, Ping, Start, StatusAnswer, Watch,
    WhoIsAnswer,
};
use super::tests::pair;
use super::*;

const SHORT: u32 = 300;

/// Good payloads of every mailbox, and some of none.
const PAYLOADS: &[&str] = &[
    r#"{"type":"log","text":"one","dropped":0}"#,
    r#"{"type":"state","state":"Running"}"#,
    r#"{"type":"login","url":"https://a"}"#,
    r#"{"type":"waiting","detail":"x"}"#,
    r#"{"type":"running","node":{"hostname":"a","dns_name":"","addresses":["100.64.0.1"],"key_expiry":"2030-01-02T03:04:05Z","expired":false,"cert_domains":["a.b"],"services":{"svc:a":["100.127.0.1"],"svc:b":[]}}}"#,
    r#"{"type":"error","kind":"refused","detail":""}"#,
    r#"{"type":"error","kind":"no such kind","detail":"d"}"#,
    r#"{"type":"accepted","id":7,"remote":"[fd7a::1]:9","local":"100.64.0.1:22"}"#,
    r#"{"type":"dialed","id":18446744073709551615,"remote":"1.2.3.4:5","local":"1.2.3.4:6"}"#,
    r#"{"type":"listening","address":":22"}"#,
    r#"{"type":"peers"}"#,
    r#"{"type":"certificate","chain":"c","key":"k"}"#,
    r#"{"type":"logged_out"}"#,
    r#"{"type":"whois","name":"a","dns_name":"a.b","login":"","display_name":"","tags":["tag:a"],"addresses":["fd7a::1"],"capabilities":{"c":[1,{}]}}"#,
    r#"{"type":"own","state":"Running","node":{"hostname":"a","dns_name":"","addresses":[],"key_expiry":"","expired":true,"cert_domains":[],"services":{}},"tailnet":"","user":"u","tags":[],"relay":""}"#,
    r#"{"type":"peer","name":"a","dns_name":"","addresses":[],"online":true,"user":"","last_seen":"","relay":"","direct":"1.2.3.4:5","peer_relay":"","active":true,"tags":[],"expired":false,"rx_bytes":1,"tx_bytes":2}"#,
    r#"{"type":"complete","peers":1}"#,
    r#"{"type":"pong","latency_us":7,"direct":"","relay":"x","peer_relay":""}"#,
    r#"{"type":"health","warnings":[{"code":"c","text":"t"}]}"#,
    r#"{"type":"flushed","connections":1,"bytes":2}"#,
    r#"{"type":"closed","logged_out":true,"abandoned":"x"}"#,
    r#"{"type":"unheard of"}"#,
    r#"{"type":7}"#,
    r#"["log"]"#,
    "{}",
    "",
    "null",
];

/// A frame: almost right, or with a length that its payload does not have.
fn frame() -> impl Strategy<Value = Vec<u8>> {
    let slip = vec((any::<Index>(), any::<u8>()), 0..3);
    let payload = prop_oneof![
        8 => (select(PAYLOADS), any::<bool>(), slip).prop_map(|(text, slips, slip)| {
            let mut bytes = text.as_bytes().to_vec();
            if slips && !bytes.is_empty() {
                for (at, byte) in slip {
                    let at = at.index(bytes.len());
                    bytes[at] = byte;
                }
            }
            bytes
        }),
        1 => vec(any::<u8>(), 0..40),
        1 => (1..60_usize).prop_map(|n| "[".repeat(n * 10).into_bytes()),
    ];
    let over = select(
        &[
            0_i64,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            1,
            -1,
            5,
            1 << 20,
            (1 << 20) + 1,
            u32::MAX as i64,
        ][..],
    );
    (payload, over).prop_map(|(payload, over)| {
        let length = (payload.len() as i64 + over).clamp(0, u32::MAX.into());
        let length = u32::try_from(length).unwrap();
        [&length.to_be_bytes()[..], &payload].concat()
    })
}

/// What ends a mailbox, without the detail.
#[derive(Debug, PartialEq)]
enum End {
    Eof,
    TooLong,
    Truncated,
    UnknownType,
    Malformed,
    Io,
}

fn end(error: &ProtocolError) -> End {
    match error {
        ProtocolError::TooLong => End::TooLong,
        ProtocolError::Truncated => End::Truncated,
        ProtocolError::UnknownType { .. } => End::UnknownType,
        ProtocolError::Malformed { .. } => End::Malformed,
        ProtocolError::Unanswered { .. }
        | ProtocolError::OutOfTurn { .. }
        | ProtocolError::Io(_) => End::Io,
    }
}

/// The plain reading: all bytes at hand, one frame after the other.
fn expected<M: Message>(mut bytes: &[u8]) -> (Vec<M>, End) {
    let mut messages = Vec::new();
    loop {
        if bytes.is_empty() {
            return (messages, End::Eof);
        }
        let Some((length, rest)) = bytes.split_first_chunk() else {
            return (messages, End::Truncated);
        };
        let length = u32::from_be_bytes(*length) as usize;
        if length > sys::FRAME_MAX {
            return (messages, End::TooLong);
        }
        let Some((payload, rest)) = rest.split_at_checked(length) else {
            return (messages, End::Truncated);
        };
        match decode(payload) {
            Ok(message) => messages.push(message),
            Err(error) => return (messages, end(&error)),
        }
        bytes = rest;
    }
}

async fn received<M: Message>(bytes: &[u8], piece: usize) -> (Vec<M>, End) {
    let (mut there, mut here) = pair::<M>();
    let writing = async move {
        for piece in bytes.chunks(piece) {
            // The mailbox ends at its first error, whatever else comes.
            if there.write_all(piece).await.is_err() {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    let reading = async move {
        let mut messages = Vec::new();
        loop {
            match here.next().await {
                Some(Ok(message)) => messages.push(message),
                Some(Err(error)) => {
                    assert!(here.next().await.is_none(), "an error ends a mailbox");
                    return (messages, end(&error));
                }
                None => return (messages, End::Eof),
            }
        }
    };
    let ((), received) = tokio::join!(writing, reading);
    received
}

fn both_readings_agree<M: Message + PartialEq + std::fmt::Debug>() {
    let asked = std::env::var("FUZZ_CASES").ok();
    let asked = asked.map_or(SHORT, |text| text.parse().expect("FUZZ_CASES is a number"));
    let cases = (asked / 10).max(SHORT / 3);
    let mut runner = TestRunner::new(Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    });
    let runtime = runtime::Builder::new_current_thread()
        .enable_io()
        .build()
        .unwrap();
    let input = (vec(frame(), 0..5), 0..6_usize, 1..80_usize);
    let result = runner.run(&input, |(frames, cut, piece)| {
        let mut bytes = frames.concat();
        bytes.truncate(bytes.len().saturating_sub(cut));
        let received = runtime.block_on(received::<M>(&bytes, piece));
        prop_assert_eq!(received, expected::<M>(&bytes));
        Ok(())
    });
    if let Err(error) = result {
        panic!("{}: {error}", M::MAILBOX);
    }
    println!("fuzz: frames of the {} mailbox: {cases} cases", M::MAILBOX);
}

#[test]
fn any_bytes_are_messages_and_then_an_end() {
    both_readings_agree::<Start>();
    both_readings_agree::<Watch>();
    both_readings_agree::<Listen>();
    both_readings_agree::<Dial>();
    both_readings_agree::<WhoIsAnswer>();
    both_readings_agree::<StatusAnswer>();
    both_readings_agree::<Ping>();
    both_readings_agree::<Flush>();
    both_readings_agree::<CertificateAnswer>();
    both_readings_agree::<Logout>();
    both_readings_agree::<Close>();
    both_readings_agree::<Log>();
}
