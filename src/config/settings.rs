//! The texts of all settings before they are understood: defaults, then the file, then the
//! environment, then flags, the later ones winning. Of the environment only our own names are looked
//! at, so what other variables hold never matters.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::Path;

use super::file::{File, Setting, Socks5Table};
use super::foreign;
use super::forward::Forward;
use super::origin::{FileName, Origin, Origins};
use super::problems::{Mistake, chain};
use super::secret::has_key;
use super::variable::{DefaultValue, Variable};
use super::variables::{self, Readings, VARIABLES};

/// Variables that are not ours and say where things are.
const SURROUNDINGS: [&str; 4] = [
    "STATE_DIRECTORY",
    "XDG_STATE_HOME",
    "HOME",
    "CREDENTIALS_DIRECTORY",
];

/// Why a text is refused that would carry a key into names, logs and directories.
pub(super) const KEY_HERE: &str =
    "holds an auth key: it belongs into a file that TS_AUTHKEY_FILE names";

/// The variable that names the file.
const CONFIG: &str = "TS_CONFIG";

/// The variables that log the node in, of which one is enough.
pub(super) const LOGINS: [&str; 4] = [
    "TS_AUTHKEY",
    "TS_AUTHKEY_FILE",
    "TS_CLIENT_SECRET",
    "TS_CLIENT_SECRET_FILE",
];

/// Whether a key is expected in this variable, or allowed as part of a path that is never made.
fn may_hold_key(variable: &Variable) -> bool {
    variable.secret || LOGINS.contains(&variable.name)
}

/// Every text that a setting may come from.
#[derive(Debug, Default)]
pub(super) struct Settings {
    texts: BTreeMap<&'static str, String>,
    /// Where the text of each setting comes from that is not left to its default.
    given: BTreeMap<&'static str, Origin>,
    /// The file, when one is configured, well or badly.
    pub(super) file: Option<FileName>,
    surroundings: BTreeMap<&'static str, OsString>,
    /// The file's table of the SOCKS5 proxy.
    pub(super) socks5: Option<Socks5Table>,
    /// What is wrong so far.
    pub(super) mistakes: Vec<Mistake>,
    /// What is odd so far.
    pub(super) warnings: Vec<String>,
}

impl Settings {
    /// Collects the texts. Of a variable that is there twice the first counts, as for the C
    /// library.
    pub(super) fn collect(
        flags: &[(&'static str, OsString)],
        environment: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Settings {
        let mut settings = Settings::default();
        for variable in VARIABLES {
            if let DefaultValue::Text(text) = variable.default {
                settings.texts.insert(variable.name, text.to_owned());
            }
        }
        let mut texts: BTreeMap<&'static str, OsString> = BTreeMap::new();
        for (name, text) in environment {
            let Some(name) = name.to_str() else { continue };
            if let Some(variable) = variables::find(name) {
                texts.entry(variable.name).or_insert(text);
            } else if let Some(known) = SURROUNDINGS.into_iter().find(|known| *known == name) {
                settings.surroundings.entry(known).or_insert(text);
            } else {
                settings.warnings.extend(foreign::warning(name));
            }
        }
        let mut origins = BTreeMap::new();
        for (name, text) in flags {
            origins.insert(*name, Origin::Flag);
            texts.insert(name, text.clone());
        }
        for variable in VARIABLES {
            if let Some(text) = texts.get(variable.name) {
                let origin = origins.remove(variable.name);
                settings.take(variable, text, origin.unwrap_or(Origin::Environment));
            }
        }
        settings
    }

    /// Reads the file that TS_CONFIG names and takes what nothing else has given, and its forwards
    /// with the lines of their tables. Without `forwards` their tables are left alone. What is
    /// wrong is noted.
    pub(super) fn read_file(&mut self, forwards: bool) -> Vec<(usize, Forward)> {
        if !self.is_given(CONFIG) {
            return Vec::new();
        }
        let path = self.texts.get(CONFIG).cloned().unwrap_or_default();
        let name = FileName::new(&path);
        // What cannot be read may well say what is forwarded.
        self.file = Some(name.clone().with_forwards(true));
        if path.is_empty() {
            return Vec::new();
        }
        let file = match File::read(Path::new(&path), &name.full, forwards) {
            Ok(file) => file,
            Err(error) => {
                self.refuse(CONFIG, chain(&error));
                return Vec::new();
            }
        };
        // One login at a time: that of the environment takes the place of the file's.
        let has_login = LOGINS.iter().any(|login| self.is_given(login));
        for Setting {
            variable,
            line,
            text,
        } in file.settings
        {
            let replaced = has_login && LOGINS.contains(&variable.name);
            if !replaced && !self.is_given(variable.name) {
                self.take(variable, text.as_ref(), Origin::File(line));
            }
        }
        self.mistakes.extend(file.mistakes);
        self.socks5 = file.socks5;
        self.file = Some(name.with_forwards(file.has_forwards));
        file.forwards
    }

    fn take(&mut self, variable: &'static Variable, text: &OsStr, origin: Origin) {
        self.given.insert(variable.name, origin);
        self.texts.remove(variable.name);
        match text.to_str() {
            Some("") => {
                self.refuse(variable.name, "is empty: give it a value or unset it");
            }
            Some(text) if has_key(text) && !may_hold_key(variable) => {
                self.refuse(variable.name, KEY_HERE);
            }
            Some(text) => {
                self.texts.insert(variable.name, text.to_owned());
            }
            None => {
                self.refuse(variable.name, "is not valid UTF-8");
            }
        }
    }

    /// Understands every text and notes each mistake.
    pub(super) fn read(&mut self) -> Readings {
        let pairs = self
            .texts
            .iter()
            .map(|(name, text)| ((*name).to_owned(), text.clone()));
        let readings: Readings = match envy::from_iter(pairs) {
            Ok(readings) => readings,
            Err(error) => {
                self.mistakes.push(Mistake::new("environment", error));
                return Readings::default();
            }
        };
        for (name, why) in readings.wrong() {
            self.refuse(name, why);
        }
        readings
    }

    /// Notes a mistake of this variable, in the words of [`Settings::mistake`].
    pub(super) fn refuse(&mut self, name: &'static str, why: impl std::fmt::Display) {
        let mistake = self.mistake(name, why);
        self.mistakes.push(mistake);
    }

    /// A mistake of this variable: with its flag when that gave the text, the text unless it is
    /// secret, and the rule.
    fn mistake(&self, name: &'static str, why: impl std::fmt::Display) -> Mistake {
        let Some(variable) = variables::find(name) else {
            return Mistake::new(name, why);
        };
        let mistake = Mistake::new(self.label(name), why).allowed(variable.rule);
        match self.texts.get(name) {
            Some(text) if !variable.secret => mistake.given(text),
            _ => mistake,
        }
    }

    /// How the user knows this setting: its variable, the flag with its variable, or the file with
    /// line and key.
    pub(super) fn label(&self, name: &str) -> String {
        let Some(variable) = variables::find(name) else {
            return name.to_owned();
        };
        match (self.given.get(name), variable.flag, &self.file) {
            (Some(Origin::Flag), Some(flag), _) => format!("--{flag} ({name})"),
            (Some(Origin::File(line)), _, Some(file)) => {
                format!("{}:{line}: {}", file.full, variable.key())
            }
            _ => name.to_owned(),
        }
    }

    /// Where this setting comes from, in a word, when it is not left to its default.
    fn origin(&self, name: &str) -> Option<String> {
        let variable = variables::find(name)?;
        Some(match (self.given.get(name)?, variable.flag, &self.file) {
            (Origin::Flag, Some(flag), _) => format!("--{flag}"),
            (Origin::File(line), _, Some(file)) => format!("{}:{line}", file.short),
            (Origin::Credential, ..) => "credential".to_owned(),
            _ => "environment".to_owned(),
        })
    }

    /// Notes that this setting has been found where nobody had to name it.
    pub(super) fn found(&mut self, name: &'static str, origin: Origin) {
        self.given.insert(name, origin);
    }

    /// Where everything comes from; the forwards' own origins are known already.
    pub(super) fn origins(&self, forwards: Vec<String>) -> Origins {
        let settings = VARIABLES.iter().filter_map(|variable| {
            let file = format!("{}_FILE", variable.name);
            let origin = self.origin(variable.name).or_else(|| self.origin(&file));
            Some((variable.name, origin?))
        });
        Origins::new(settings, forwards)
    }

    /// Whether the file, the environment or a flag gave this variable, well or badly.
    pub(super) fn is_given(&self, name: &str) -> bool {
        self.given.contains_key(name)
    }

    /// One of the variables that say where things are, when it is set and not empty.
    pub(super) fn surrounding(&self, name: &str) -> Option<&OsStr> {
        self.surroundings
            .get(name)
            .map(OsString::as_os_str)
            .filter(|text| !text.is_empty())
    }

    /// Takes variables out that the command line stands in for, with a warning for each that was
    /// set.
    pub(super) fn set_aside(&mut self, names: &[&'static str], verb: &str) {
        for name in names {
            self.texts.remove(name);
            if self.given.remove(name).is_some() {
                self.mistakes.retain(|mistake| mistake.subject() != *name);
                self.warnings.push(format!(
                    "{name} is not used: {verb} forwards only what its arguments say"
                ));
            }
        }
        if let Some(file) = self.file.as_ref().filter(|file| file.has_forwards) {
            self.warnings.push(format!(
                "the forwards of {} are not used: {verb} forwards only what its arguments say",
                file.full
            ));
        }
    }
}
