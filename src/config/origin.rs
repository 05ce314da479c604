//! Where a setting's text comes from.

use std::collections::BTreeMap;

use super::secret::redact;

/// Who said a setting that is not left to its default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// The file, in this line.
    File(usize),
    /// A variable of the environment.
    Environment,
    /// A flag.
    Flag,
    /// A systemd credential.
    Credential,
}

/// How the configuration file is called in what people read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct FileName {
    /// As it was given.
    pub(super) full: String,
    /// Its last part, for a table.
    pub(super) short: String,
    /// Whether the file says, or may say, what is forwarded.
    pub(super) has_forwards: bool,
}

impl FileName {
    /// The names of the file with this path, which may have anything in it.
    pub(super) fn new(path: &str) -> FileName {
        let short = path.rsplit('/').find(|part| !part.is_empty());
        let plain = |text: &str| redact(text).escape_debug().to_string();
        FileName {
            full: plain(path),
            short: plain(short.unwrap_or(path)),
            has_forwards: false,
        }
    }

    /// The same, of a file that does or does not say what is forwarded.
    pub(super) fn with_forwards(self, has_forwards: bool) -> FileName {
        FileName {
            has_forwards,
            ..self
        }
    }
}

/// Where everything in a configuration comes from, in a word each: `default`, `environment`,
/// `credential`, a flag, or the file with its line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origins {
    settings: BTreeMap<&'static str, String>,
    forwards: Vec<String>,
}

impl Origins {
    /// Those of settings that are not left to their defaults, and of the forwards in their order.
    pub(super) fn new(
        settings: impl Iterator<Item = (&'static str, String)>,
        forwards: Vec<String>,
    ) -> Origins {
        Origins {
            settings: settings.collect(),
            forwards,
        }
    }

    /// That of a variable.
    pub fn of(&self, name: &str) -> &str {
        self.settings.get(name).map_or("default", String::as_str)
    }

    /// That of a forward, by its place in the configuration.
    pub fn of_forward(&self, index: usize) -> &str {
        self.forwards.get(index).map_or("", String::as_str)
    }
}
