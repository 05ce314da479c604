//! The `[socks5]` table of the file: where the proxy listens, who may use it, where it leads.

use std::path::PathBuf;

use super::keys::{Keys, Notes};
use crate::config::destination::Destination;
use crate::config::socks5::LONGEST;

const KEYS: [&str; 4] = ["listen", "user", "password_file", "allow"];

/// The most entries of the list of destinations: each is compared for each connection.
const MOST_ALLOWED: usize = 1024;

const USER_RULE: &str = "1 to 255 bytes";
const PASSWORD_RULE: &str = "a file that other users may not read";

/// What the table says beside where the proxy listens, which is a setting.
#[derive(Debug)]
pub(in crate::config) struct Socks5Table {
    /// The line that it begins in.
    pub(in crate::config) line: usize,
    pub(in crate::config) user: Option<String>,
    pub(in crate::config) password_file: Option<PathBuf>,
    pub(in crate::config) allow: Option<Vec<Destination>>,
}

/// Reads the table. What is wrong is noted.
pub(super) fn table(keys: &Keys<'_, '_>, notes: &mut Notes<'_>) -> Socks5Table {
    keys.only(&KEYS, notes);
    let user = |text: &str| match text.len() <= LONGEST {
        true => Ok(text.to_owned()),
        false => Err("is longer than a client can say"),
    };
    let allow: Option<Vec<Destination>> = keys.list("allow", Destination::RULE, notes, str::parse);
    if let Some((line, _)) = keys.find("allow", notes)
        && allow
            .as_ref()
            .is_some_and(|allow| allow.len() > MOST_ALLOWED)
    {
        let why = format!("has more than {MOST_ALLOWED} entries: allow a suffix or a range");
        notes.note(line, &keys.path("allow"), why);
    }
    Socks5Table {
        line: keys.line,
        user: keys.read_with("user", USER_RULE, notes, user),
        password_file: keys.read("password_file", PASSWORD_RULE, notes),
        allow,
    }
}
