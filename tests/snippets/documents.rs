//! The documents as Markdown: their blocks, their tables, and what stands in them as code.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};

/// The folders whose Markdown files are read.
const FOLDERS: [&str; 3] = ["", "docs", "vendor/libtailscale"];

/// A block of code.
#[derive(Clone, Debug)]
pub(crate) struct Block {
    /// The file it stands in.
    pub(crate) document: String,
    /// Its line there, from 1.
    line: usize,
    /// What follows the fence: `sh`, `toml`, … Empty without a fence or a word after it.
    pub(crate) language: String,
    /// What is in it.
    pub(crate) text: String,
}

impl fmt::Display for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let first = self.text.lines().next().unwrap_or_default();
        write!(f, "{}:{}: {first}", self.document, self.line)
    }
}

/// The top of the repository.
pub(crate) fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A file of the repository.
#[track_caller]
pub(crate) fn file(name: &str) -> String {
    fs::read_to_string(top().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Every document.
pub(crate) fn documents() -> Vec<String> {
    let mut found = Vec::new();
    for folder in FOLDERS {
        for entry in fs::read_dir(top().join(folder)).expect("a folder") {
            let name = PathBuf::from(folder).join(entry.expect("an entry").file_name());
            if name.extension().is_some_and(|extension| extension == "md") {
                found.push(name.into_os_string().into_string().expect("a text"));
            }
        }
    }
    found.sort();
    found
}

/// Every block of a document.
pub(crate) fn blocks(document: &str) -> Vec<Block> {
    let text = file(document);
    let mut found: Vec<Block> = Vec::new();
    let mut inside = false;
    for (event, place) in parser(&text).into_offset_iter() {
        match event {
            Event::Start(Tag::CodeBlock(kind)) => {
                let language = match kind {
                    CodeBlockKind::Fenced(language) => language.into_string(),
                    CodeBlockKind::Indented => String::new(),
                };
                found.push(Block {
                    document: document.to_owned(),
                    line: text[..place.start].matches('\n').count() + 1,
                    language,
                    text: String::new(),
                });
                inside = true;
            }
            Event::End(TagEnd::CodeBlock) => inside = false,
            Event::Text(line) if inside => {
                found.last_mut().expect("a block").text.push_str(&line);
            }
            _ => {}
        }
    }
    found
}

/// The only block of a document that begins with these words.
#[track_caller]
pub(crate) fn block(document: &str, begins: &str) -> String {
    let all = blocks(document).into_iter();
    let mut found = all.filter(|block| block.text.starts_with(begins));
    let block = found.next();
    let block = block.unwrap_or_else(|| panic!("{document} has no block {begins:?}"));
    assert!(found.next().is_none(), "{document}: two begin so: {block}");
    block.text
}

/// What stands in a document as code within a line.
pub(crate) fn codes(document: &str) -> Vec<String> {
    let code = |event| match event {
        Event::Code(code) => Some(code.into_string()),
        _ => None,
    };
    parser(&file(document)).filter_map(code).collect()
}

/// Where a document's links lead.
pub(crate) fn links(document: &str) -> Vec<String> {
    let link = |event| match event {
        Event::Start(Tag::Link { dest_url, .. }) => Some(dest_url.into_string()),
        _ => None,
    };
    parser(&file(document)).filter_map(link).collect()
}

/// A document's headings, without their marks.
pub(crate) fn headings(document: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut inside = false;
    for event in parser(&file(document)) {
        match event {
            Event::Start(Tag::Heading { .. }) => {
                found.push(String::new());
                inside = true;
            }
            Event::End(TagEnd::Heading(_)) => inside = false,
            Event::Text(text) | Event::Code(text) if inside => {
                found.last_mut().expect("a heading").push_str(&text);
            }
            _ => {}
        }
    }
    found
}

/// The rows of the table whose first column has this head, without their marks.
#[track_caller]
pub(crate) fn table(document: &str, head: &str) -> Vec<Vec<String>> {
    let mut rows: Vec<Vec<String>> = Vec::new();
    for event in parser(&file(document)) {
        match event {
            Event::Start(Tag::Table(_)) => rows.clear(),
            Event::Start(Tag::TableHead | Tag::TableRow) => rows.push(Vec::new()),
            Event::Start(Tag::TableCell) => rows.last_mut().expect("a row").push(String::new()),
            Event::Text(text) | Event::Code(text) => {
                let cell = rows.last_mut().and_then(|row| row.last_mut());
                cell.into_iter().for_each(|cell| cell.push_str(&text));
            }
            Event::End(TagEnd::Table) if rows[0][0] == head => return rows.split_off(1),
            _ => {}
        }
    }
    panic!("{document} has no table of {head:?}");
}

fn parser(text: &str) -> Parser<'_> {
    Parser::new_ext(text, Options::ENABLE_TABLES)
}
