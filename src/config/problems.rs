//! What is wrong with a configuration, all of it at once.

use std::fmt;

use super::secret::redact;

/// One mistake: whose, what was given, why it is refused and what is allowed.
///
/// Shown as `TS_DIAL_TIMEOUT: "0s": must be more than 0; allowed: a duration from …`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    subject: String,
    given: Option<String>,
    why: String,
    allowed: Option<String>,
}

impl Mistake {
    /// A mistake of a variable or argument. What looks like a key is redacted in all parts.
    pub(crate) fn new(subject: impl Into<String>, why: impl fmt::Display) -> Self {
        let why = redact(&why.to_string());
        Mistake {
            subject: subject.into(),
            given: None,
            why,
            allowed: None,
        }
    }

    /// With the text that was given. Never call it with a secret.
    pub(crate) fn given(mut self, text: &str) -> Self {
        self.given = Some(shown(text));
        self
    }

    /// With what would be right.
    pub(crate) fn allowed(mut self, rule: impl Into<String>) -> Self {
        self.allowed = Some(rule.into());
        self
    }

    /// The variable, the flag with its variable, the argument, or the file with line and key.
    pub fn subject(&self) -> &str {
        &self.subject
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.subject)?;
        if let Some(given) = &self.given {
            write!(f, " {given}:")?;
        }
        write!(f, " {}", self.why)?;
        if let Some(allowed) = &self.allowed {
            write!(f, "; allowed: {allowed}")?;
        }
        Ok(())
    }
}

/// Every mistake of one configuration, and its warnings, which often name the cause.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Problems {
    /// At least one.
    pub mistakes: Vec<Mistake>,
    /// Things that are odd but not wrong, such as an unknown variable.
    pub warnings: Vec<String>,
}

impl Problems {
    /// More than anyone reads at one time; a file of another kind has a mistake on each line.
    const MOST: usize = 100;

    /// These mistakes, of very many the first ones and their number.
    pub(super) fn new(mut mistakes: Vec<Mistake>, warnings: Vec<String>) -> Problems {
        let more = mistakes.len().saturating_sub(Problems::MOST);
        if more > 0 {
            mistakes.truncate(Problems::MOST);
            let why = format!("has {more} more mistakes");
            mistakes.push(Mistake::new("configuration", why));
        }
        Problems { mistakes, warnings }
    }
}

/// One line a mistake, without a line break at the end. Warnings are not shown.
impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, mistake) in self.mistakes.iter().enumerate() {
            if i > 0 {
                writeln!(f)?;
            }
            write!(f, "{mistake}")?;
        }
        Ok(())
    }
}

/// An error with all its causes in one text, as the mistakes and the last line of a program show
/// it.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

/// A given text in quotes: escaped, redacted, and cut when it is very long.
pub(crate) fn shown(text: &str) -> String {
    const LONGEST: usize = 120;
    let text = redact(text);
    if text.chars().count() <= LONGEST {
        return format!("{text:?}");
    }
    let start: String = text.chars().take(LONGEST).collect();
    format!("{:?}", start + "…")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistake_names_subject_text_reason_and_rule() {
        let mistake = Mistake::new("TS_X", "is odd")
            .given("a\nb")
            .allowed("even numbers");
        assert_eq!(
            mistake.to_string(),
            r#"TS_X: "a\nb": is odd; allowed: even numbers"#
        );
    }

    #[test]
    fn keys_are_hidden_and_long_texts_cut() {
        assert_eq!(shown("tskey-auth-1"), "\"REDACTED\"");
        assert!(shown(&"é".repeat(10_000)).chars().count() < 130);
        let mistake = Mistake::new("TS_X", "opening tskey-auth-1: no such file");
        assert!(!mistake.to_string().contains("tskey"));
    }

    #[test]
    fn of_very_many_mistakes_the_first_are_told_and_their_number() {
        let many = vec![Mistake::new("A", "is wrong"); 1000];
        let problems = Problems::new(many, Vec::new());
        assert_eq!(problems.mistakes.len(), Problems::MOST + 1);
        assert!(problems.to_string().ends_with("has 900 more mistakes"));
    }

    #[test]
    fn all_mistakes_are_shown_one_a_line() {
        let mistakes = vec![Mistake::new("A", "is wrong"), Mistake::new("B", "is wrong")];
        let problems = Problems {
            mistakes,
            warnings: vec![],
        };
        assert_eq!(problems.to_string(), "A: is wrong\nB: is wrong");
    }
}
