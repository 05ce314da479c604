//! The status page: one document that holds all it needs and asks `/status` alone.

use hyper::header::{self, HeaderValue};

use super::routes::{self, Reply};

const PAGE: &str = include_str!("page.html");

/// What the page may do: run its own script and style, known by their hashes, and ask where it
/// came from. No other page may frame it.
const POLICY: &str = concat!(
    "default-src 'none'; connect-src 'self'; base-uri 'none'; form-action 'none'; ",
    "frame-ancestors 'none'; ",
    "script-src 'sha256-ljIaqOQLGO3OGob9X4PeQdWPy2NnlWg2L9Rr+g5vGpM='; ",
    "style-src 'sha256-6tsehHpX+jA8hlPI2PQmSFt4n7i3L88O9StOxv+yd+0='",
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

#[cfg(test)]
mod tests {
    use sha2::{Digest, Sha256};

    use super::*;

    /// The only element of this name: what is in it, as a policy names it.
    fn source(element: &str) -> String {
        let (open, close) = (format!("<{element}>"), format!("</{element}>"));
        assert_eq!(PAGE.matches(&open).count(), 1, "{element}");
        let (_, rest) = PAGE.split_once(&open).unwrap();
        let (content, _) = rest.split_once(&close).unwrap();
        format!("'sha256-{}'", base64(&Sha256::digest(content)))
    }

    fn base64(bytes: &[u8]) -> String {
        const DIGITS: &[u8; 64] =
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let mut text = String::new();
        for three in bytes.chunks(3) {
            let number = three
                .iter()
                .fold(0, |number, byte| number << 8 | u32::from(*byte));
            let number = number << (8 * (3 - three.len()));
            for digit in 0..4 {
                let place = (number >> (18 - 6 * digit)) as usize & 63;
                text.push(if digit <= three.len() {
                    char::from(DIGITS[place])
                } else {
                    '='
                });
            }
        }
        text
    }

    #[test]
    fn the_policy_knows_the_page_s_own_script_and_style_and_no_other() {
        for (directive, element) in [("script-src", "script"), ("style-src", "style")] {
            let expected = format!("{directive} {}", source(element));
            let found = POLICY.split("; ").find(|part| part.starts_with(directive));
            assert_eq!(found, Some(expected.as_str()), "the page has changed");
        }
        for needs_more in [
            " style=",
            " onclick=",
            "<script ",
            "innerHTML",
            "eval(",
            "http://",
            "https://",
        ] {
            assert!(!PAGE.contains(needs_more), "{needs_more}");
        }
    }

    #[test]
    fn base64_is_as_it_should_be() {
        for (bytes, text) in [
            ("M", "TQ=="),
            ("Ma", "TWE="),
            ("Man", "TWFu"),
            ("Many", "TWFueQ=="),
        ] {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }
}
