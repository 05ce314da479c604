//! A secret: never shown, its memory wiped when dropped, the clear text taken by name.

use std::fmt;
use std::str::FromStr;

use secrecy::{ExposeSecret, SecretString};

/// What stands where a secret would be shown.
pub const REDACTED: &str = "REDACTED";

/// An auth key. Prints as `REDACTED`.
#[derive(Clone)]
pub struct Secret(SecretString);

/// Why a text is no secret. Never holds the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// Nothing in it.
    #[error("is empty")]
    Empty,
    /// A space, a line break, a control character or one outside ASCII: a sign of a bad copy.
    #[error("has white space or a character that no key has")]
    BadCharacter,
}

impl Secret {
    /// The clear text. For the one call that hands it to the Go half.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl FromStr for Secret {
    type Err = SecretError;

    fn from_str(text: &str) -> Result<Self, SecretError> {
        if text.is_empty() {
            return Err(SecretError::Empty);
        }
        if !text.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(SecretError::BadCharacter);
        }
        Ok(Secret(text.to_owned().into()))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

/// The text with everything that looks like a key or a URL's login replaced: a key often lands in
/// the wrong variable or argument.
pub fn redact(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = PREFIXES.iter().filter_map(|prefix| rest.find(prefix)).min() {
        shown.push_str(&rest[..start]);
        shown.push_str(REDACTED);
        let key = &rest[start..];
        let end = key
            .find(|c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '_'))
            .unwrap_or(key.len());
        rest = &key[end..];
    }
    shown.push_str(rest);
    shown
        .split_inclusive(char::is_whitespace)
        .map(without_login)
        .collect()
}

/// Whether something in the text looks like a key.
pub(super) fn has_key(text: &str) -> bool {
    PREFIXES.iter().any(|prefix| text.contains(prefix))
}

/// The word without the user and password of a URL, or of what was meant to be one.
fn without_login(word: &str) -> String {
    let Some((login, rest)) = word.rsplit_once('@') else {
        return word.to_owned();
    };
    match login.split_once("://") {
        Some((scheme, _)) => format!("{scheme}://{REDACTED}@{rest}"),
        None if login.contains(':') && !login.contains('/') => format!("{REDACTED}@{rest}"),
        None => match login.split_once(':') {
            Some((before, _)) => format!("{before}:{REDACTED}@{rest}"),
            None => word.to_owned(),
        },
    }
}

/// How keys of Tailscale and of headscale begin.
const PREFIXES: [&str; 2] = ["tskey-", "hskey-"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_prints_redacted_only() {
        let secret: Secret = "tskey-auth-abc".parse().unwrap();
        assert_eq!(format!("{secret} {secret:?}"), "REDACTED REDACTED");
        assert_eq!(secret.expose(), "tskey-auth-abc");
    }

    #[test]
    fn a_damaged_copy_is_refused() {
        assert_eq!("".parse::<Secret>().unwrap_err(), SecretError::Empty);
        for text in [" tskey", "tskey\n", "ts key", "tskéy", "a\0"] {
            assert_eq!(
                text.parse::<Secret>().unwrap_err(),
                SecretError::BadCharacter,
                "{text:?}"
            );
        }
    }

    #[test]
    fn keys_in_the_wrong_place_are_hidden() {
        assert_eq!(redact("x=tskey-auth-aB1-_2,y"), "x=REDACTED,y");
        assert_eq!(
            redact("/run/hskey-auth-1 tskey-client-2"),
            "/run/REDACTED REDACTED"
        );
        assert_eq!(redact("nothing here"), "nothing here");
    }

    #[test]
    fn logins_in_urls_are_hidden() {
        assert_eq!(redact("a https://u:p@b/c d"), "a https://REDACTED@b/c d");
        assert_eq!(redact("https://u:p/x@y@b"), "https://REDACTED@b");
        assert_eq!(redact("u:p@b"), "REDACTED@b");
        assert_eq!(redact("//u:p@b"), "//u:REDACTED@b");
        assert_eq!(
            redact("/run/credentials/tailport@1"),
            "/run/credentials/tailport@1"
        );
    }
}
