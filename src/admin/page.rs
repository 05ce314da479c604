//! The status page: one document that holds all it needs and asks `/status` alone.

use hyper::header::{self, HeaderValue};

use super::routes::{self, Reply};

const PAGE: &str = include_str!("page.html");

/// What the page may do: run its own script and style, known by their hashes, and ask where it
/// came from. No other page may frame it.
const POLICY: &str = concat!(
    "default-src 'none'; connect-src 'self'; base-uri 'none'; form-action 'none'; ",
    "frame-ancestors 'none'; ",
    "script-src 'sha256-SCRIPT'; ",
    "style-src 'sha256-STYLE'",
);

/// The page with its policy.
pub(super) fn page() -> Reply {
    let mut reply = routes::text("text/html; charset=utf-8", PAGE);
    let headers = reply.headers_mut();
    let policy = HeaderValue::from_static(POLICY);
    headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    headers.insert(
        header::REFERRER_POLICY,
        HeaderValue::from_static("no-referrer"),
    );
    reply
}
