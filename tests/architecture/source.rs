//! A Rust file as the house rules read it: text, names and paths.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// A Rust file below `src`.
pub(crate) struct Source {
    /// Its path below `src`, with `/`.
    pub(crate) name: String,
    /// What is in it.
    pub(crate) text: String,
}

impl Source {
    /// The lines of code with their numbers, without comments.
    pub(crate) fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text
            .lines()
            .map(|line| line.split("//").next().unwrap_or_default())
            .enumerate()
            .map(|(index, line)| (index + 1, line))
    }

    /// The lines of code before the file's own tests; none when it is all tests.
    pub(crate) fn product_code(&self) -> impl Iterator<Item = (usize, &str)> {
        let tests = self.name.ends_with("tests.rs") || self.name.contains("/tests/");
        self.code()
            .take_while(move |(_, line)| !tests && line.trim() != "#[cfg(test)]")
    }

    /// Whether the file is `entry`, or belongs to the module `entry`.
    pub(crate) fn is_in(&self, entry: &str) -> bool {
        let rest = self.name.strip_prefix(entry);
        rest.is_some_and(|rest| ["", ".rs", "_tests.rs"].contains(&rest) || rest.starts_with('/'))
    }

    /// The top module that the file belongs to.
    pub(crate) fn module(&self) -> &str {
        let first = self.name.split('/').next().unwrap_or_default();
        let first = first.strip_suffix(".rs").unwrap_or(first);
        first.strip_suffix("_tests").unwrap_or(first)
    }

    /// The modules of the crate that the file names by path, itself left out.
    pub(crate) fn imports(&self) -> BTreeSet<String> {
        let root = if self.name == "main.rs" {
            "tailport::"
        } else {
            "crate::"
        };
        let code: Vec<&str> = self.code().map(|(_, line)| line).collect();
        let code = code.join("\n");
        let mut found = BTreeSet::new();
        for (start, _) in code.match_indices(root) {
            let path = code[start + root.len()..].trim_start();
            match path.strip_prefix('{') {
                Some(group) => found.extend(first_names(group)),
                None => found.extend(name(path)),
            }
        }
        found.remove(self.module());
        found
    }
}

/// The identifier that a text begins with.
fn name(text: &str) -> Option<String> {
    let name: String = text
        .chars()
        .take_while(|c| c.is_alphanumeric() || *c == '_')
        .collect();
    Some(name).filter(|name| !name.is_empty())
}

/// The first identifier of each path in a group, up to its closing brace.
fn first_names(group: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut depth = 0;
    let mut expected = true;
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => expected = true,
            c if expected && !c.is_whitespace() => {
                names.extend(name(&group[at..]));
                expected = false;
            }
            _ => {}
        }
    }
    names
}

/// Whether the word stands in the line by itself.
pub(crate) fn has_word(line: &str, word: &str) -> bool {
    line.split(|c: char| !c.is_alphanumeric() && c != '_')
        .any(|part| part == word)
}

/// Every Rust file below `src`, by name.
pub(crate) fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut sources: Vec<Source> = rust_files(&root)
        .into_iter()
        .map(|path| {
            let name = path
                .strip_prefix(&root)
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned();
            Source {
                name,
                text: fs::read_to_string(&path).unwrap(),
            }
        })
        .collect();
    sources.sort_by(|one, other| one.name.cmp(&other.name));
    assert!(
        sources.len() > 10,
        "only {} files below {}",
        sources.len(),
        root.display()
    );
    sources
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

#[test]
fn the_checks_read_imports_of_every_form() {
    let source = |text: &str| Source {
        name: "proxy/relay.rs".into(),
        text: text.into(),
    };
    let read = |text: &str| Vec::from_iter(source(text).imports());
    assert_eq!(read("use crate::config::Config;"), ["config"]);
    assert_eq!(
        read("use crate::{app, proxy::dial, tailnet::{Node, Stream}};"),
        ["app", "tailnet"]
    );
    assert_eq!(
        read("use crate::{\n    exit,\n    shutdown::Stop,\n};"),
        ["exit", "shutdown"]
    );
    assert_eq!(read("fn f(x: crate::tailnet::Node) {}"), ["tailnet"]);
    assert!(read("// crate::tailnet\nuse crate::proxy::slots;").is_empty());
}
