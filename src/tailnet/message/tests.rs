//! The table of messages and the enums say the same.

use serde_json::{Map, Value, json};

use super::super::error::{Error, ErrorKind};
use super::super::mailbox::decode;
use super::super::protocol::ProtocolError;
use super::*;

const TABLES: &str = include_str!("../../../vendor/libtailscale/MESSAGES.md");

/// The cells of a table's rows, found by its first column's title.
fn rows(title: &str) -> Vec<Vec<&'static str>> {
    let cells = |line: &'static str| -> Vec<&'static str> {
        line.trim_matches('|').split('|').map(str::trim).collect()
    };
    TABLES
        .lines()
        .map(cells)
        .skip_while(|row| row[0] != title)
        .skip(2)
        .take_while(|row| row.len() > 1)
        .collect()
}

/// The words in backticks that look like a key.
fn quoted(cell: &'static str) -> Vec<&'static str> {
    let is_key = |word: &&str| word.chars().all(|c| c.is_ascii_lowercase() || c == '_');
    cell.split('`').skip(1).step_by(2).filter(is_key).collect()
}

fn sample(key: &str) -> Value {
    match key {
        "state" => json!("NeedsLogin"),
        "url" => json!("https://login.example/a/1"),
        "kind" => json!("refused"),
        "detail" | "text" | "abandoned" | "name" | "dns_name" | "login" | "display_name"
        | "tailnet" | "user" | "relay" | "peer_relay" => json!("a text"),
        "chain" => json!("-----BEGIN CERTIFICATE-----"),
        "key" => json!("-----BEGIN PRIVATE KEY-----"),
        "tags" => json!(["tag:server"]),
        "addresses" => json!(["100.64.0.1", "fd7a:115c:a1e0::1"]),
        "capabilities" => json!({ "example.com/cap": [{ "a": 1 }, "b"], "none": [] }),
        "last_seen" => json!("2027-01-02T03:04:05Z"),
        "direct" => json!("192.0.2.1:41641"),
        "address" => json!(":22"),
        "id" => json!((1_u64 << 53) - 1),
        "remote" => json!("100.64.0.1:4711"),
        "local" => json!("[fd7a:115c:a1e0::1]:22"),
        "connections" | "bytes" | "dropped" | "peers" | "rx_bytes" | "tx_bytes" | "latency_us"
        | "reading" | "writing" | "incoming" | "outgoing" => json!(3),
        "ended" => json!(["outgoing", "incoming"]),
        "logged_out" | "online" | "active" | "expired" => json!(true),
        "warnings" => json!([{ "code": "a-code", "text": "a text", "more": 1 }]),
        "node" => json!({
            "hostname": "here", "dns_name": "here.example.ts.net", "expired": false,
            "addresses": ["100.64.0.1", "fd7a:115c:a1e0::1"],
            "key_expiry": "2027-01-02T03:04:05.678Z", "cert_domains": ["here.example.ts.net"],
            "services": { "svc:web": ["100.127.0.1"], "svc:db": [] }, "more": null,
        }),
        _ => panic!("the table has a key `{key}` that this test does not know"),
    }
}

fn read(mailbox: &str, message: &Value) -> Result<String, ProtocolError> {
    fn text<M: Message + std::fmt::Debug>(payload: &[u8]) -> Result<String, ProtocolError> {
        decode::<M>(payload).map(|message| format!("{message:?}"))
    }
    let payload = serde_json::to_vec(message).unwrap();
    match mailbox {
        Start::MAILBOX => text::<Start>(&payload),
        Watch::MAILBOX => text::<Watch>(&payload),
        Listen::MAILBOX => text::<Listen>(&payload),
        Partings::MAILBOX => text::<Partings>(&payload),
        Dial::MAILBOX => text::<Dial>(&payload),
        WhoIsAnswer::MAILBOX => text::<WhoIsAnswer>(&payload),
        StatusAnswer::MAILBOX => text::<StatusAnswer>(&payload),
        Ping::MAILBOX => text::<Ping>(&payload),
        Flush::MAILBOX => text::<Flush>(&payload),
        CertificateAnswer::MAILBOX => text::<CertificateAnswer>(&payload),
        Logout::MAILBOX => text::<Logout>(&payload),
        Close::MAILBOX => text::<Close>(&payload),
        Log::MAILBOX => text::<Log>(&payload),
        _ => panic!("the table has a mailbox `{mailbox}` that nobody reads"),
    }
}

#[test]
fn every_row_of_the_table_is_read_with_all_its_keys() {
    let rows = rows("mailbox");
    assert!(rows.len() >= 18, "{rows:?}");
    for row in rows {
        let (mailbox, kind, keys) = (row[0], row[1].trim_matches('`'), quoted(row[2]));
        assert!(!keys.is_empty() || row[2].starts_with("none:"), "{row:?}");
        let mut message: Map<_, _> = keys
            .iter()
            .map(|&key| (key.to_owned(), sample(key)))
            .collect();
        message.insert("type".into(), json!(kind));
        message.insert("a_key_of_later".into(), json!([{}]));
        read(mailbox, &Value::Object(message.clone())).unwrap();
        for key in keys {
            let mut short = message.clone();
            short.remove(key);
            let error = read(mailbox, &Value::Object(short)).unwrap_err();
            assert!(
                matches!(error, ProtocolError::Malformed { .. }),
                "{kind} without {key}"
            );
        }
    }
}

#[test]
fn the_table_has_exactly_the_types_that_are_read() {
    let types = |mailbox: &str| -> Vec<&str> {
        rows("mailbox")
            .iter()
            .filter(|row| row[0] == mailbox)
            .map(|row| row[1].trim_matches('`'))
            .collect()
    };
    assert_eq!(types(Start::MAILBOX), Start::TYPES);
    assert_eq!(types(Watch::MAILBOX), Watch::TYPES);
    assert_eq!(types(Listen::MAILBOX), Listen::TYPES);
    assert_eq!(types(Partings::MAILBOX), Partings::TYPES);
    assert_eq!(types(Dial::MAILBOX), Dial::TYPES);
    assert_eq!(types(WhoIsAnswer::MAILBOX), WhoIsAnswer::TYPES);
    assert_eq!(types(StatusAnswer::MAILBOX), StatusAnswer::TYPES);
    assert_eq!(types(Ping::MAILBOX), Ping::TYPES);
    assert_eq!(types(Flush::MAILBOX), Flush::TYPES);
    assert_eq!(types(CertificateAnswer::MAILBOX), CertificateAnswer::TYPES);
    assert_eq!(types(Logout::MAILBOX), Logout::TYPES);
    assert_eq!(types(Close::MAILBOX), Close::TYPES);
    assert_eq!(types(Log::MAILBOX), Log::TYPES);
}

#[test]
fn the_table_has_exactly_the_error_kinds_and_their_retry() {
    let table: Vec<(&str, bool)> = rows("kind")
        .iter()
        .map(|row| (row[0].trim_matches('`'), row[2] == "yes"))
        .collect();
    let known: Vec<_> = ErrorKind::ALL
        .iter()
        .map(|kind| (kind.name(), kind.retry()))
        .collect();
    assert!(!table.is_empty());
    assert_eq!(table, known);
}

#[test]
fn a_kind_outside_the_list_is_internal_and_keeps_its_text() {
    let payload = br#"{"type":"error","kind":"novel","detail":"what happened"}"#;
    let Dial::Error(failure) = decode::<Dial>(payload).unwrap() else {
        panic!("no error")
    };
    let error = Error::from(failure);
    assert_eq!(error.kind(), ErrorKind::Internal);
    assert!(!error.retry());
    assert_eq!(error.to_string(), "novel: what happened");
}

#[test]
fn empty_texts_of_a_node_are_none() {
    let payload = br#"{"type":"running","node":{"hostname":"h","dns_name":"","addresses":[],
        "key_expiry":"","expired":true,"cert_domains":[],"services":{}}}"#;
    let Start::Running { node } = decode(payload).unwrap() else {
        panic!("not running")
    };
    assert_eq!(
        (node.dns_name, node.key_expiry, node.expired),
        (None, None, true)
    );
}

#[test]
fn a_type_of_another_mailbox_is_unknown() {
    let error = decode::<Flush>(br#"{"type":"dialed","id":1}"#).unwrap_err();
    let ProtocolError::UnknownType {
        mailbox: "flush",
        kind,
    } = error
    else {
        panic!("{error}")
    };
    assert_eq!(kind, "dialed");
}
