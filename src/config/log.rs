//! What is logged, and in which form.

use std::str::FromStr;

use tracing_subscriber::EnvFilter;

/// The rule text of the filter.
pub(super) const FILTER_RULE: &str =
    "off, error, warn, info, debug or trace, then target=level after commas";
/// The rule text of the form.
pub(super) const FORMAT_RULE: &str = "text or json";

/// How the program logs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogConfig {
    /// Which events are logged.
    pub filter: LogFilter,
    /// The form of a line.
    pub format: LogFormat,
    /// Whether the Go half may upload its log to the vendor.
    pub upload: bool,
}

/// A tracing filter that parses, such as `info` or `warn,tailport=debug`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogFilter(String);

/// The form of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Why a text is no log setting.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LogError {
    /// A word that stands alone and is no level. The library would take it for a target and log
    /// nothing else.
    #[error("{0:?} is not a level")]
    UnknownWord(String),
    /// A character outside printable ASCII. The library's parser can panic on one.
    #[error("has a character outside ASCII")]
    NotAscii,
    /// The filter does not parse.
    #[error("is not a log filter")]
    Malformed,
    /// Neither text nor json.
    #[error("is not a log format")]
    UnknownFormat,
}

impl LogFilter {
    /// The filter in the syntax of the tracing library.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for LogFilter {
    type Err = LogError;

    fn from_str(text: &str) -> Result<Self, LogError> {
        if !text.bytes().all(|b| b == b' ' || b.is_ascii_graphic()) {
            return Err(LogError::NotAscii);
        }
        let levels = ["off", "error", "warn", "info", "debug", "trace"];
        // A comma inside a span's braces separates fields, not directives.
        let simple = !text.contains(['[', '{']);
        if simple {
            for directive in text.split(',').map(str::trim) {
                let alone = !directive.contains('=');
                if alone
                    && !levels
                        .iter()
                        .any(|level| directive.eq_ignore_ascii_case(level))
                {
                    return Err(LogError::UnknownWord(directive.to_owned()));
                }
            }
        }
        match EnvFilter::builder().with_regex(false).parse(text) {
            Ok(_) => Ok(LogFilter(text.to_owned())),
            Err(_) => Err(LogError::Malformed),
        }
    }
}

impl FromStr for LogFormat {
    type Err = LogError;

    fn from_str(text: &str) -> Result<Self, LogError> {
        match text {
            "text" => Ok(LogFormat::Text),
            "json" => Ok(LogFormat::Json),
            _ => Err(LogError::UnknownFormat),
        }
    }
}

impl LogFormat {
    /// `text` or `json`.
    pub fn as_str(self) -> &'static str {
        match self {
            LogFormat::Text => "text",
            LogFormat::Json => "json",
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn filters_of_the_tracing_library_parse() {
        for text in [
            "info",
            "WARN",
            "off",
            "warn,tailport=debug",
            "tailport::proxy=trace",
            "[conn{port=22}]=debug",
        ] {
            assert_eq!(text.parse::<LogFilter>().unwrap().as_str(), text);
        }
    }

    #[test]
    fn a_word_that_is_no_level_is_refused() {
        for text in ["verbose", "tailport", "", "info,", "3", "info,loud"] {
            assert!(
                matches!(text.parse::<LogFilter>(), Err(LogError::UnknownWord(_))),
                "{text:?}"
            );
        }
        assert_eq!(
            "tailport=loud".parse::<LogFilter>(),
            Err(LogError::Malformed)
        );
    }

    #[test]
    fn a_filter_is_ascii() {
        for text in ["Ⱥ=info", "[Ⱥ]=info", "a\n=info"] {
            assert_eq!(
                text.parse::<LogFilter>(),
                Err(LogError::NotAscii),
                "{text:?}"
            );
        }
    }

    #[test]
    fn the_format_is_text_or_json() {
        assert_eq!("text".parse(), Ok(LogFormat::Text));
        assert_eq!("json".parse(), Ok(LogFormat::Json));
        assert_eq!("xml".parse::<LogFormat>(), Err(LogError::UnknownFormat));
    }

    proptest! {
        #[test]
        fn arbitrary_text_never_panics(text in "[ -~]{0,40}|[\\[\\]{}=,:\"a-z0-9]{0,40}|.*") {
            let _ = text.parse::<LogFilter>();
        }
    }
}
