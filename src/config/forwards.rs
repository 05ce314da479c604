//! All forwards of a configuration, from arguments or from variables, no two in one place.

use std::ffi::OsString;
use std::fmt::Display;

use super::forward::Forward;
use super::forward_text::ForwardError;
use super::listen::Listen;
use super::problems::{Mistake, shown};
use super::secret::has_key;
use super::settings::{KEY_HERE, Settings};
use super::short_form::ShortForm;

/// The variables that arguments of `expose` and `connect` stand in for.
const VARIABLES: [&str; 5] = [
    "TS_EXPOSE",
    "TS_CONNECT",
    "TS_TARGET",
    "TS_LISTEN",
    "TS_LOCAL_ADDR",
];

/// Where the forwards are said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ForwardArguments {
    /// In the variables: `run` and `check`.
    #[default]
    None,
    /// In the arguments of `expose`. The variables of forwards are not used then.
    Expose(Vec<OsString>),
    /// In the arguments of `connect`. The variables of forwards are not used then.
    Connect(Vec<OsString>),
}

/// What is read before forwards are put together.
pub(super) struct Sources {
    /// Those of the file, with the lines of their tables.
    pub(super) file: Vec<(usize, Forward)>,
    /// TS_EXPOSE.
    pub(super) expose: Option<String>,
    /// TS_CONNECT.
    pub(super) connect: Option<String>,
    /// TS_TARGET and its companions.
    pub(super) short: ShortForm,
    /// What listens beside the forwards, each with its variable.
    pub(super) services: Vec<(&'static str, Listen)>,
}

/// Takes the variables of forwards out when arguments stand in for them.
pub(super) fn prefer_arguments(arguments: &ForwardArguments, settings: &mut Settings) {
    match arguments {
        ForwardArguments::None => {}
        ForwardArguments::Expose(_) => settings.set_aside(&VARIABLES, "expose"),
        ForwardArguments::Connect(_) => settings.set_aside(&VARIABLES, "connect"),
    }
}

/// Every forward. What is wrong is noted in the settings, and then the list may be short of some.
pub(super) fn collect(
    arguments: &ForwardArguments,
    sources: Sources,
    settings: &mut Settings,
) -> Vec<Forward> {
    let mut list = List::default();
    match arguments {
        ForwardArguments::None => {
            let file = settings.file.clone().unwrap_or_default();
            for (line, forward) in sources.file {
                let subject = format!("{}:{line}: {}", file.full, forward.kind());
                list.add(subject, forward);
            }
            list.add_items(
                "TS_EXPOSE",
                sources.expose.as_deref(),
                Forward::expose,
                Forward::EXPOSE_RULE,
            );
            list.add_items(
                "TS_CONNECT",
                sources.connect.as_deref(),
                Forward::connect,
                Forward::CONNECT_RULE,
            );
            for forward in sources.short.forwards(settings) {
                list.add("TS_TARGET".to_owned(), forward);
            }
            let none_is_given = !VARIABLES.iter().any(|name| settings.is_given(name));
            if none_is_given && !file.has_forwards {
                list.mistakes.push(nothing_to_forward());
            }
        }
        ForwardArguments::Expose(items) => {
            list.add_arguments("expose", items, Forward::expose, Forward::EXPOSE_RULE);
        }
        ForwardArguments::Connect(items) => {
            list.add_arguments("connect", items, Forward::connect, Forward::CONNECT_RULE);
        }
    }
    for (name, listen) in &sources.services {
        let forwards = list
            .forwards
            .iter()
            .map(|(whose, forward)| (whose.as_str(), &forward.listen));
        let before = sources
            .services
            .iter()
            .map(|(name, listen)| (*name, listen));
        let mut others = forwards.chain(before.take_while(|(before, _)| before != name));
        if let Some((whose, other)) = others.find(|(_, other)| other.collides_with(listen)) {
            settings.refuse(name, format_args!("is in the place {other} of {whose}"));
        }
    }
    settings.mistakes.append(&mut list.mistakes);
    list.forwards
        .into_iter()
        .map(|(_, forward)| forward)
        .collect()
}

fn nothing_to_forward() -> Mistake {
    let why = "none is set, so there is nothing to forward";
    Mistake::new("TS_EXPOSE, TS_CONNECT, TS_TARGET", why).allowed(
        "at least one of them, [[expose]] or [[connect]] in a file, or the arguments of `tailport \
         expose` or `tailport connect`",
    )
}

type Read = fn(&str) -> Result<Vec<Forward>, ForwardError>;

/// Forwards so far, each with who said it.
#[derive(Default)]
struct List {
    forwards: Vec<(String, Forward)>,
    mistakes: Vec<Mistake>,
    full: bool,
}

impl List {
    fn add_items(&mut self, name: &str, items: Option<&str>, read: Read, rule: &str) {
        for item in items.into_iter().flat_map(|items| items.split(',')) {
            self.add_read(name, item, read, rule);
        }
    }

    fn add_arguments(&mut self, verb: &str, items: &[OsString], read: Read, rule: &str) {
        let subject = format!("argument of {verb}");
        if items.is_empty() {
            self.mistakes
                .push(Mistake::new(&subject, "is missing").allowed(rule));
        }
        for item in items {
            match item.to_str() {
                Some(item) if has_key(item) => self.wrong(&subject, item, KEY_HERE, rule),
                Some(item) => self.add_read(&subject, item, read, rule),
                None => self.wrong(
                    &subject,
                    &item.to_string_lossy(),
                    "is not valid UTF-8",
                    rule,
                ),
            }
        }
    }

    fn add_read(&mut self, subject: &str, item: &str, read: Read, rule: &str) {
        match read(item) {
            Ok(forwards) => forwards
                .into_iter()
                .for_each(|forward| self.add(subject.to_owned(), forward)),
            Err(error) => self.wrong(subject, item, error, rule),
        }
    }

    fn add(&mut self, subject: String, forward: Forward) {
        let mut named = self.forwards.iter().filter(|_| forward.name.is_some());
        if let Some((first, _)) = named.find(|(_, other)| other.name == forward.name) {
            let why = format!("has the name of {first}");
            let name = forward.name.as_deref().unwrap_or_default();
            self.wrong(&subject, name, why, "a name for each, or none");
            return;
        }
        if self.forwards.len() == Forward::MOST {
            self.too_many(&subject);
            return;
        }
        let mut taken = self.forwards.iter();
        match taken.find(|(_, other)| other.collides_with(&forward)) {
            Some((first, other)) => {
                let why = format!(
                    "listens on {} like {} of {first}",
                    forward.listen,
                    shown(&other.to_string())
                );
                let rule = "one forward for each listening port";
                self.wrong(&subject, &forward.to_string(), why, rule);
            }
            None => self.forwards.push((subject, forward)),
        }
    }

    /// Notes once that there are too many.
    fn too_many(&mut self, subject: &str) {
        if !self.full {
            self.full = true;
            let why = format!("brings more than {} forwards together", Forward::MOST);
            self.mistakes.push(
                Mistake::new(subject, why).allowed("fewer, or several nodes that share them"),
            );
        }
    }

    fn wrong(&mut self, subject: &str, item: &str, why: impl Display, rule: &str) {
        self.mistakes
            .push(Mistake::new(subject, why).given(item).allowed(rule));
    }
}
