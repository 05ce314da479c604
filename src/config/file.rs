//! The configuration file: TOML, to texts of settings and to forwards, each with its line.
//!
//! ```text
//! source (safe reading) ─► toml ─► keys (tables with lines, unknown keys) ─► settings, entry ─► File
//! ```
//!
//! Reading it never stops at a mistake, so that one run names them all.

mod entry;
mod keys;
mod socks5;
mod source;

use std::collections::BTreeMap;
use std::path::Path;

use toml::de::{DeTable, DeValue};

use super::forward::Forward;
use super::problems::Mistake;
use super::variable::{Group, Variable};
use super::variables::{self, VARIABLES};
use keys::{Keys, Notes};

pub(super) use socks5::Socks5Table;
pub(super) use source::SourceError;

/// What the key of a forward's table is.
const EXPOSE: &str = "expose";
const CONNECT: &str = "connect";

/// The key of the proxy's table, and the variable that says where it listens.
const SOCKS5: &str = "socks5";
const SOCKS5_ADDR: &str = "TS_SOCKS5_ADDR";

/// What a configuration file says.
#[derive(Debug, Default)]
pub(super) struct File {
    /// The settings in it, each as a text that a variable could hold.
    pub(super) settings: Vec<Setting>,
    /// The forwards in it, each with the line of its table.
    pub(super) forwards: Vec<(usize, Forward)>,
    /// Its table of the SOCKS5 proxy.
    pub(super) socks5: Option<Socks5Table>,
    /// Whether it has tables of forwards, good or bad.
    pub(super) has_forwards: bool,
    /// What is wrong with it, by line.
    pub(super) mistakes: Vec<Mistake>,
}

/// One setting of a file.
#[derive(Debug)]
pub(super) struct Setting {
    /// Whose text it is.
    pub(super) variable: &'static Variable,
    /// The line of its key.
    pub(super) line: usize,
    /// The text.
    pub(super) text: String,
}

impl File {
    /// Reads the file. Without `forwards` their tables are left alone.
    ///
    /// # Errors
    /// When it cannot be read, others may write it, or it is too large or no text.
    pub(super) fn read(path: &Path, name: &str, forwards: bool) -> Result<File, SourceError> {
        Ok(File::parse(&source::read(path)?, name, forwards))
    }

    /// What this text says as the file of this name.
    fn parse(text: &str, name: &str, forwards: bool) -> File {
        let mut notes = Notes::new(name, text);
        let (root, errors) = DeTable::parse_recoverable(text);
        let mut broken = false;
        for error in &errors {
            broken |= notes.syntax(text, error);
        }
        let mut file = File::default();
        // What is missing in a table that could not be read would be invented.
        if !broken {
            file.take(root.get_ref(), forwards, &mut notes);
        }
        file.has_forwards |= broken;
        file.mistakes = notes.into_mistakes();
        file
    }

    fn take(&mut self, root: &DeTable<'_>, forwards: bool, notes: &mut Notes<'_>) {
        let root = Keys::new(root, "", 0);
        self.take_settings(&root, notes);
        self.take_socks5(&root, notes);
        for key in [EXPOSE, CONNECT] {
            self.has_forwards |= root.find(key, notes).is_some();
            let tables = tables(&root, key, notes);
            if forwards {
                self.take_forwards(&tables, notes);
            }
        }
        self.forwards.sort_by_key(|(line, _)| *line);
    }

    fn take_settings(&mut self, root: &Keys<'_, '_>, notes: &mut Notes<'_>) {
        let variables = VARIABLES
            .iter()
            .filter_map(|variable| Some((variable.file_key()?, variable)));
        let variables: BTreeMap<String, &'static Variable> = variables.collect();
        let known = || {
            variables
                .keys()
                .map(String::as_str)
                .chain([EXPOSE, CONNECT, SOCKS5])
        };
        for (key, line) in root.each(notes) {
            if [EXPOSE, CONNECT, SOCKS5].contains(&key) {
                continue;
            }
            if let Some(variable) = variables.get(key) {
                let text = root.joined(key, variable.rule, notes);
                self.settings.extend(text.map(|text| Setting {
                    variable,
                    line,
                    text,
                }));
            } else if let Some(why) = misplaced(key) {
                notes.note(line, key, why);
            } else {
                notes.unknown(line, key, known());
            }
        }
    }

    fn take_socks5(&mut self, root: &Keys<'_, '_>, notes: &mut Notes<'_>) {
        let Some((line, value)) = root.find(SOCKS5, notes) else {
            return;
        };
        let DeValue::Table(table) = value else {
            notes.note(line, SOCKS5, "is no table: write [socks5]");
            return;
        };
        let keys = Keys::new(table, SOCKS5, line);
        if let (Some((line, _)), Some(variable)) =
            (keys.find("listen", notes), variables::find(SOCKS5_ADDR))
        {
            if self
                .settings
                .iter()
                .any(|other| other.variable.name == SOCKS5_ADDR)
            {
                notes.note(line, "socks5.listen", "is set by socks5_addr already");
            } else if let Some(text) = keys.joined("listen", variable.rule, notes) {
                self.settings.push(Setting {
                    variable,
                    line,
                    text,
                });
            }
        }
        self.socks5 = Some(socks5::table(&keys, notes));
    }

    fn take_forwards(&mut self, tables: &[Keys<'_, '_>], notes: &mut Notes<'_>) {
        for table in tables {
            // One more than there may be is enough to refuse them all.
            let room = (Forward::MOST + 1).saturating_sub(self.forwards.len());
            let made = entry::forwards(table, notes).into_iter().take(room);
            self.forwards
                .extend(made.map(|forward| (table.line, forward)));
        }
    }
}

/// Why a key that has a variable of its own may not stand in the file.
fn misplaced(key: &str) -> Option<String> {
    let is = |variable: &&Variable| variable.key() == key;
    let variable = VARIABLES.iter().find(is)?;
    Some(if variable.secret {
        format!("is a secret, and this file is none: set {key}_file to a file that holds it")
    } else if variable.group == Group::Forwards {
        "stands in a table of its forward: [[expose]] or [[connect]]".to_owned()
    } else {
        format!("cannot be set in the file: set {}", variable.name)
    })
}

/// The tables of an array of tables.
fn tables<'a, 'i>(
    root: &Keys<'a, 'i>,
    key: &'static str,
    notes: &mut Notes<'_>,
) -> Vec<Keys<'a, 'i>> {
    let Some((line, value)) = root.find(key, notes) else {
        return Vec::new();
    };
    let DeValue::Array(items) = value else {
        notes.note(line, key, format!("is no list of tables: write [[{key}]]"));
        return Vec::new();
    };
    let mut found = Vec::new();
    for item in items.iter() {
        let line = notes.line(item.span().start);
        match item.get_ref() {
            DeValue::Table(table) => found.push(Keys::new(table, key, line)),
            _ => notes.note(line, key, format!("is no table: write [[{key}]]")),
        }
    }
    found
}

#[cfg(test)]
mod tests;
