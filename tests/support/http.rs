//! Requests to a server on loopback: one connection each, answers in one piece.

use std::io::{Read, Write};
use std::net::SocketAddr;

use super::socket;

/// A server's answer.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The status code.
    pub(crate) status: u16,
    /// The header lines.
    pub(crate) head: String,
    /// What follows them.
    pub(crate) body: String,
}

/// Sends one request without a body; `path` begins with `/`.
#[track_caller]
pub(crate) fn request(server: SocketAddr, method: &str, path: &str) -> Answer {
    let mut stream = socket::connect(server);
    // Version 1.0 keeps the answer in one piece, ended by the connection's end.
    write!(stream, "{method} {path} HTTP/1.0\r\nHost: {server}\r\n\r\n").expect("asking");
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("being answered");
    let (head, body) = text.split_once("\r\n\r\n").expect("an answer has a head");
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
    Answer {
        status: status.unwrap_or_else(|| panic!("no status in {head:?}")),
        head: head.to_owned(),
        body: body.to_owned(),
    }
}

/// A text as the value of a query.
pub(crate) fn escaped(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes()
        .map(|byte| match plain(byte) {
            true => char::from(byte).to_string(),
            false => format!("%{byte:02X}"),
        })
        .collect()
}

/// The address in a URL such as `http://127.0.0.1:80`.
pub(crate) fn address(url: &str) -> SocketAddr {
    url.strip_prefix("http://")
        .and_then(|rest| rest.trim_end_matches('/').parse().ok())
        .unwrap_or_else(|| panic!("{url:?} is not http://ADDRESS:PORT"))
}
