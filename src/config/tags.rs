//! Tags of a node, such as `tag:web`.

use std::fmt;
use std::str::FromStr;

/// The rule text.
pub(super) const RULE: &str =
    "tag:NAME, separated by commas; NAME is a letter, then letters, digits and hyphens";

/// A tag, with `tag:` in front.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tag(String);

/// At least one tag, none twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tags(pub(super) Vec<Tag>);

/// Why a text is no list of tags.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TagError {
    /// No `tag:` in front.
    #[error("{0:?} does not begin with tag:")]
    NoPrefix(String),
    /// A name that the control server would refuse.
    #[error("{0:?} is no name of a tag")]
    Name(String),
    /// The same one again.
    #[error("{0} is there twice")]
    Twice(Tag),
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

impl FromStr for Tags {
    type Err = TagError;

    fn from_str(text: &str) -> Result<Self, TagError> {
        let mut tags: Vec<Tag> = Vec::new();
        for item in text.split(',') {
            let tag = item.trim().parse()?;
            if tags.contains(&tag) {
                return Err(TagError::Twice(tag));
            }
            tags.push(tag);
        }
        Ok(Tags(tags))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_have_their_prefix_and_a_plain_name() {
        let read = |text: &str| text.parse::<Tags>().map(|tags| tags.0.len());
        assert_eq!(read("tag:web"), Ok(1));
        assert_eq!(read("tag:a, tag:B-2"), Ok(2));
        assert!(matches!(read("web"), Err(TagError::NoPrefix(_))));
        assert!(matches!(read("tag:a,"), Err(TagError::NoPrefix(_))));
        assert!(matches!(read("tag:a,tag:a"), Err(TagError::Twice(_))));
        for text in ["tag:", "tag:1a", "tag:a b", "tag:a_b", "tag:é", "tag:-a"] {
            assert!(matches!(read(text), Err(TagError::Name(_))), "{text:?}");
        }
    }
}
