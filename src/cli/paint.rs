//! Colours, where they help: on a terminal, unless NO_COLOR is set or the terminal has none.

use std::ffi::OsStr;
use std::fmt::{self, Display};
use std::io::{self, IsTerminal};

/// Paints, or leaves everything as it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Paint(bool);

/// What a colour says.
#[derive(Clone, Copy, Debug)]
pub(super) enum Tone {
    Good,
    Bad,
    Heading,
    Quiet,
}

impl Paint {
    /// For what goes to stdout.
    pub(super) fn for_stdout() -> Self {
        let set = |name: &str| std::env::var_os(name);
        Self(wanted(
            io::stdout().is_terminal(),
            set("NO_COLOR").as_deref(),
            set("TERM").as_deref(),
        ))
    }

    /// For a file or a pipe.
    #[cfg(test)]
    pub(super) fn none() -> Self {
        Self(false)
    }

    pub(super) fn text<T: Display>(self, tone: Tone, text: T) -> Painted<T> {
        Painted {
            tone: self.0.then_some(tone),
            text,
        }
    }
}

fn wanted(terminal: bool, no_color: Option<&OsStr>, term: Option<&OsStr>) -> bool {
    terminal && no_color.is_none_or(OsStr::is_empty) && term.is_none_or(|term| term != "dumb")
}

/// A text in its colour.
#[derive(Debug)]
pub(super) struct Painted<T> {
    tone: Option<Tone>,
    text: T,
}

impl<T: Display> Display for Painted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(tone) = self.tone else {
            return write!(f, "{}", self.text);
        };
        let code = match tone {
            Tone::Good => "32",
            Tone::Bad => "31",
            Tone::Heading => "1",
            Tone::Quiet => "2",
        };
        write!(f, "\x1b[{code}m{}\x1b[0m", self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_for_terminals_whose_user_does_not_object() {
        let word = OsStr::new;
        assert!(wanted(true, None, Some(word("xterm"))));
        assert!(wanted(true, Some(word("")), None));
        assert!(!wanted(false, None, Some(word("xterm"))));
        assert!(!wanted(true, Some(word("1")), Some(word("xterm"))));
        assert!(!wanted(true, None, Some(word("dumb"))));
    }

    #[test]
    fn a_painted_text_ends_as_it_began() {
        assert_eq!(
            Paint(true).text(Tone::Good, "up").to_string(),
            "\x1b[32mup\x1b[0m"
        );
        assert_eq!(Paint::none().text(Tone::Good, "up").to_string(), "up");
    }
}
