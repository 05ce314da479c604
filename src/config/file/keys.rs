//! Tables of the file: keys with their lines, values as texts, and what is wrong with them.

use std::fmt::Display;
use std::str::FromStr;

use toml::de::{DeTable, DeValue};

use crate::config::nearest::nearest;
use crate::config::problems::Mistake;
use crate::config::secret::{has_key, redact};
use crate::config::settings::KEY_HERE;

/// How the parser calls a key that is there twice. It goes on after it, and so can we.
const DUPLICATE: &str = "duplicate key";

/// What a value may be.
const SCALAR: &str = "is no text, whole number, true or false";

/// What is wrong so far, and where the file's lines begin.
pub(super) struct Notes<'a> {
    name: &'a str,
    lines: Vec<usize>,
    mistakes: Vec<(usize, Mistake)>,
}

impl<'a> Notes<'a> {
    /// No notes about the file of this name with this text.
    pub(super) fn new(name: &'a str, text: &str) -> Self {
        Notes {
            name,
            lines: text.match_indices('\n').map(|(at, _)| at).collect(),
            mistakes: Vec::new(),
        }
    }

    /// The line, from 1, that this byte is in.
    pub(super) fn line(&self, at: usize) -> usize {
        self.lines.partition_point(|end| *end < at) + 1
    }

    /// Notes a mistake of a key.
    pub(super) fn note(&mut self, line: usize, key: &str, why: impl Display) {
        let mistake = self.mistake(line, key, why);
        self.push(line, mistake);
    }

    /// Notes a mistake of a key that has a rule.
    pub(super) fn refuse(&mut self, line: usize, key: &str, why: impl Display, rule: &str) {
        let mistake = self.mistake(line, key, why).allowed(rule);
        self.push(line, mistake);
    }

    /// Notes a mistake of a key that has a rule, with the text that was given.
    fn refuse_text(&mut self, line: usize, key: &str, text: &str, why: impl Display, rule: &str) {
        let mistake = self.mistake(line, key, why).allowed(rule).given(text);
        self.push(line, mistake);
    }

    /// Notes a key that is not known, with the one that was probably meant.
    pub(super) fn unknown<'k>(
        &mut self,
        line: usize,
        key: &str,
        known: impl Iterator<Item = &'k str>,
    ) {
        let (table, name) = key
            .rsplit_once('.')
            .map_or(("", key), |(t, name)| (t, name));
        let lower = name.to_lowercase();
        let bare = lower.strip_prefix("ts_").unwrap_or(&lower);
        let why = match nearest(bare, known) {
            Some(meant) => format!("is unknown; did you mean {meant}?"),
            None if table.is_empty() => "is unknown".to_owned(),
            None if table == super::SOCKS5 => format!("is unknown in [{table}]"),
            None => format!("is unknown in [[{table}]]"),
        };
        self.note(line, key, why);
    }

    /// Notes what the parser found, and says whether the file is of no use after that.
    pub(super) fn syntax(&mut self, text: &str, error: &toml::de::Error) -> bool {
        let span = error.span().unwrap_or_default();
        let line = self.line(span.start);
        if error.message() == DUPLICATE {
            let key = text.get(span).unwrap_or_default();
            self.note(line, key, "is there twice");
            return false;
        }
        let subject = format!("{}:{line}", self.name);
        let why = format!("is no TOML: {}", error.message().escape_debug());
        self.push(line, Mistake::new(subject, why));
        true
    }

    /// All mistakes by their lines.
    pub(super) fn into_mistakes(mut self) -> Vec<Mistake> {
        self.mistakes.sort_by_key(|(line, _)| *line);
        let mistakes = self.mistakes.into_iter();
        mistakes.map(|(_, mistake)| mistake).collect()
    }

    fn mistake(&self, line: usize, key: &str, why: impl Display) -> Mistake {
        // A key of the file may be anything, a secret in the wrong place too.
        let key: String = redact(key).chars().take(80).collect();
        let key = key.escape_debug();
        Mistake::new(format!("{}:{line}: {key}", self.name), why)
    }

    fn push(&mut self, line: usize, mistake: Mistake) {
        self.mistakes.push((line, mistake));
    }
}

/// The keys of one table.
pub(super) struct Keys<'a, 'i> {
    table: &'a DeTable<'i>,
    /// What the table is called; the root is not.
    pub(super) name: &'static str,
    /// The line that it begins in.
    pub(super) line: usize,
}

impl<'a, 'i> Keys<'a, 'i> {
    /// A table that begins in this line.
    pub(super) fn new(table: &'a DeTable<'i>, name: &'static str, line: usize) -> Self {
        Keys { table, name, line }
    }

    /// Every key with its line.
    pub(super) fn each(&self, notes: &Notes<'_>) -> Vec<(&'a str, usize)> {
        let keys = self.table.keys();
        let keys = keys.map(|key| (key.get_ref().as_ref(), notes.line(key.span().start)));
        keys.collect()
    }

    /// The value of a key with the key's line.
    pub(super) fn find(&self, key: &str, notes: &Notes<'_>) -> Option<(usize, &'a DeValue<'i>)> {
        let mut entries = self.table.iter();
        let (key, value) = entries.find(|(found, _)| found.get_ref() == key)?;
        Some((notes.line(key.span().start), value.get_ref()))
    }

    /// How a key of this table is called in a mistake.
    pub(super) fn path(&self, key: &str) -> String {
        match self.name {
            "" => key.to_owned(),
            name => format!("{name}.{key}"),
        }
    }

    /// Notes every key that is not one of these.
    pub(super) fn only(&self, known: &[&str], notes: &mut Notes<'_>) {
        for (key, line) in self.each(notes) {
            if !known.contains(&key) {
                notes.unknown(line, &self.path(key), known.iter().copied());
            }
        }
    }

    /// The value of a key as a text, when it is one that may be shown; a list as its items with
    /// commas. What is wrong is noted.
    pub(super) fn joined(&self, key: &str, rule: &str, notes: &mut Notes<'_>) -> Option<String> {
        let (line, value) = self.find(key, notes)?;
        match texts(value) {
            Ok(texts) => self.checked(line, key, texts.join(","), rule, notes),
            Err(why) => {
                notes.refuse(line, &self.path(key), why, rule);
                None
            }
        }
    }

    /// The value of a key, understood. What is wrong is noted.
    pub(super) fn read<T: FromStr<Err: Display>>(
        &self,
        key: &str,
        rule: &str,
        notes: &mut Notes<'_>,
    ) -> Option<T> {
        self.read_with(key, rule, notes, str::parse::<T>)
    }

    /// The value of a key, understood by this function. What is wrong is noted.
    pub(super) fn read_with<T, E: Display>(
        &self,
        key: &str,
        rule: &str,
        notes: &mut Notes<'_>,
        understand: impl Fn(&str) -> Result<T, E>,
    ) -> Option<T> {
        let (line, value) = self.find(key, notes)?;
        match scalar(value) {
            Ok(text) => self.understood(line, key, text, rule, notes, understand),
            Err(why) => {
                notes.refuse(line, &self.path(key), why, rule);
                None
            }
        }
    }

    /// The value of a key that is one text or a list of them, each understood. What is wrong is
    /// noted, an empty list too; then the list is short of it.
    pub(super) fn list<T, E: Display>(
        &self,
        key: &str,
        rule: &str,
        notes: &mut Notes<'_>,
        understand: impl Fn(&str) -> Result<T, E>,
    ) -> Option<Vec<T>> {
        let (line, value) = self.find(key, notes)?;
        let texts = texts(value).unwrap_or_else(|why| {
            notes.refuse(line, &self.path(key), why, rule);
            Vec::new()
        });
        let read = texts.into_iter();
        let read =
            read.filter_map(|text| self.understood(line, key, text, rule, notes, &understand));
        Some(read.collect())
    }

    fn understood<T, E: Display>(
        &self,
        line: usize,
        key: &str,
        text: String,
        rule: &str,
        notes: &mut Notes<'_>,
        understand: impl Fn(&str) -> Result<T, E>,
    ) -> Option<T> {
        let text = self.checked(line, key, text, rule, notes)?;
        match understand(&text) {
            Ok(value) => Some(value),
            Err(why) => {
                notes.refuse_text(line, &self.path(key), &text, why, rule);
                None
            }
        }
    }

    fn checked(
        &self,
        line: usize,
        key: &str,
        text: String,
        rule: &str,
        notes: &mut Notes<'_>,
    ) -> Option<String> {
        let why = match text.as_str() {
            "" => "is empty: give it a value or leave it out",
            text if has_key(text) => KEY_HERE,
            _ => return Some(text),
        };
        notes.refuse(line, &self.path(key), why, rule);
        None
    }
}

/// The texts of a list, or of a single value.
fn texts(value: &DeValue<'_>) -> Result<Vec<String>, &'static str> {
    match value {
        DeValue::Array(items) if items.iter().next().is_none() => Err("is an empty list"),
        DeValue::Array(items) => items.iter().map(|item| scalar(item.get_ref())).collect(),
        value => scalar(value).map(|text| vec![text]),
    }
}

/// A value as the text that a variable would hold.
fn scalar(value: &DeValue<'_>) -> Result<String, &'static str> {
    match value {
        DeValue::String(text) => Ok(text.to_string()),
        DeValue::Boolean(value) => Ok(value.to_string()),
        DeValue::Integer(number) => match (number.radix(), number.as_str().parse::<i64>()) {
            (10, Ok(number)) => Ok(number.to_string()),
            // The digits alone are another number.
            (8, _) => Ok(format!("0o{}", number.as_str())),
            _ => Err("is no plain number"),
        },
        _ => Err(SCALAR),
    }
}
