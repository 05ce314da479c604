//! The control server's address: an http or https URL.

use std::fmt;
use std::str::FromStr;

use url::Url;

/// The rule text.
pub(super) const RULE: &str = "an http or https URL without user, query or fragment";

/// The URL of a control server. Shown without a slash at its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControlUrl(Url);

/// Why a text is no control URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ControlUrlError {
    /// No `http://` or `https://` in front.
    #[error("has no http:// or https:// in front")]
    Scheme,
    /// A user or password: it would be a secret in a place that is shown.
    #[error("has a user or password")]
    Credentials,
    /// A query or fragment, which the control protocol has no use for.
    #[error("has a query or fragment")]
    Extra,
    /// Anything else that is wrong with it.
    #[error("is not a URL ({0})")]
    Malformed(url::ParseError),
}

impl ControlUrl {
    /// The URL as the Go half wants it.
    pub fn as_str(&self) -> &str {
        self.0.as_str().trim_end_matches('/')
    }
}

impl fmt::Display for ControlUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for ControlUrl {
    type Err = ControlUrlError;

    fn from_str(text: &str) -> Result<Self, ControlUrlError> {
        let scheme = text
            .split_once("://")
            .map(|(scheme, _)| scheme.to_ascii_lowercase());
        if !matches!(scheme.as_deref(), Some("http" | "https")) {
            return Err(ControlUrlError::Scheme);
        }
        let url = Url::parse(text).map_err(ControlUrlError::Malformed)?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(ControlUrlError::Credentials);
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(ControlUrlError::Extra);
        }
        Ok(ControlUrl(url))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn http_and_https_urls_are_shown_without_the_last_slash() {
        for (text, shown) in [
            ("https://headscale.example", "https://headscale.example"),
            ("http://127.0.0.1:8080/", "http://127.0.0.1:8080"),
            (
                "HTTPS://[fd7a::1]:8443/control/",
                "https://[fd7a::1]:8443/control",
            ),
        ] {
            assert_eq!(text.parse::<ControlUrl>().unwrap().to_string(), shown);
        }
    }

    #[test]
    fn malformed_urls_have_their_reasons() {
        let error = |text: &str| text.parse::<ControlUrl>().unwrap_err();
        for text in [
            "",
            "headscale.example",
            "ftp://a",
            "127.0.0.1:8080",
            "//a",
            "file:///a",
            "https:a",
        ] {
            assert_eq!(error(text), ControlUrlError::Scheme, "{text:?}");
        }
        for text in ["http://", "https://a b", "http://a:99999", "http://[::1"] {
            assert!(
                matches!(error(text), ControlUrlError::Malformed(_)),
                "{text:?}"
            );
        }
        assert_eq!(error("https://u:p@a"), ControlUrlError::Credentials);
        assert_eq!(error("https://u@a"), ControlUrlError::Credentials);
        assert_eq!(error("https://a?x=1"), ControlUrlError::Extra);
        assert_eq!(error("https://a#x"), ControlUrlError::Extra);
    }
}
