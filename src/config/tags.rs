//! A tag of a node, such as `tag:web`.

use std::fmt;
use std::str::FromStr;

/// A tag, with `tag:` in front.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tag(String);

/// Why a text is no tag.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TagError {
    /// No `tag:` in front.
    #[error("{0:?} does not begin with tag:")]
    NoPrefix(String),
    /// A name that the control server would refuse.
    #[error("{0:?} is no name of a tag")]
    Name(String),
}

impl Tag {
    /// The tag with `tag:` in front.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Tag {
    type Err = TagError;

    fn from_str(text: &str) -> Result<Self, TagError> {
        let name = text
            .strip_prefix("tag:")
            .ok_or_else(|| TagError::NoPrefix(text.to_owned()))?;
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
        let begins = name.starts_with(|c: char| c.is_ascii_alphabetic());
        match begins && name.len() <= 63 && name.chars().all(plain) {
            true => Ok(Tag(text.to_owned())),
            false => Err(TagError::Name(name.to_owned())),
        }
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_have_their_prefix_and_a_plain_name() {
        let read = |text: &str| text.parse::<Tag>();
        assert_eq!(read("tag:B-2").unwrap().as_str(), "tag:B-2");
        assert!(matches!(read("web"), Err(TagError::NoPrefix(_))));
        for text in ["tag:", "tag:1a", "tag:a b", "tag:a_b", "tag:é", "tag:-a"] {
            assert!(matches!(read(text), Err(TagError::Name(_))), "{text:?}");
        }
    }
}
