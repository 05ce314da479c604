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

/// The variable of the proxy, which is something to do without any forward.
const SOCKS5: &str = "TS_SOCKS5_ADDR";

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

/// Every forward, and where each comes from in a word. What is wrong is noted in the settings, and
/// then the list may be short of some.
pub(super) fn collect(
    arguments: &ForwardArguments,
    sources: Sources,
    settings: &mut Settings,
) -> (Vec<Forward>, Vec<String>) {
    let mut list = List::default();
    match arguments {
        ForwardArguments::None => {
            let file = settings.file.clone().unwrap_or_default();
            for (line, forward) in sources.file {
                let whose = Whose {
                    full: format!("{}:{line}: {}", file.full, forward.kind()),
                    short: format!("{}:{line}", file.short),
                };
                list.add(&whose, forward);
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
                list.add(&Whose::variable("TS_TARGET"), forward);
            }
            let none_is_given = !VARIABLES.iter().any(|name| settings.is_given(name));
            let socks5 = sources.services.iter().any(|(name, _)| *name == SOCKS5);
            if none_is_given && !file.has_forwards && !socks5 {
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
            .map(|(whose, forward)| (whose.full.as_str(), &forward.listen));
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
    let forwards = list.forwards.into_iter();
    forwards
        .map(|(whose, forward)| (forward, whose.short))
        .unzip()
}

fn nothing_to_forward() -> Mistake {
    let why = "none is set, so there is nothing to forward";
    Mistake::new("TS_EXPOSE, TS_CONNECT, TS_TARGET", why).allowed(
        "at least one of them, TS_SOCKS5_ADDR, [[expose]] or [[connect]] in a file, or the arguments \
         of `tailport expose` or `tailport connect`",
    )
}

type Read = fn(&str) -> Result<Vec<Forward>, ForwardError>;

/// Who said a forward.
#[derive(Clone)]
struct Whose {
    /// For mistakes.
    full: String,
    /// In a word.
    short: String,
}

impl Whose {
    fn variable(name: &str) -> Whose {
        Whose {
            full: name.to_owned(),
            short: name.to_owned(),
        }
    }
}

/// Forwards so far, each with who said it.
#[derive(Default)]
struct List {
    forwards: Vec<(Whose, Forward)>,
    mistakes: Vec<Mistake>,
    full: bool,
}

impl List {
    fn add_items(&mut self, name: &str, items: Option<&str>, read: Read, rule: &str) {
        let whose = Whose::variable(name);
        for item in items.into_iter().flat_map(|items| items.split(',')) {
            self.add_read(&whose, item, read, rule);
        }
    }

    fn add_arguments(&mut self, verb: &str, items: &[OsString], read: Read, rule: &str) {
        let whose = Whose {
            full: format!("argument of {verb}"),
            short: "argument".to_owned(),
        };
        if items.is_empty() {
            let mistake = Mistake::new(&whose.full, "is missing").allowed(rule);
            self.mistakes.push(mistake);
        }
        for item in items {
            let lossy = item.to_string_lossy();
            match item.to_str() {
                Some(item) if has_key(item) => self.wrong(&whose, item, KEY_HERE, rule),
                Some(item) => self.add_read(&whose, item, read, rule),
                None => self.wrong(&whose, &lossy, "is not valid UTF-8", rule),
            }
        }
    }

    fn add_read(&mut self, whose: &Whose, item: &str, read: Read, rule: &str) {
        match read(item) {
            Ok(forwards) => forwards
                .into_iter()
                .for_each(|forward| self.add(whose, forward)),
            Err(error) => self.wrong(whose, item, error, rule),
        }
    }

    fn add(&mut self, whose: &Whose, forward: Forward) {
        let mut named = self.forwards.iter().filter(|_| forward.name.is_some());
        if let Some((first, _)) = named.find(|(_, other)| other.name == forward.name) {
            let why = format!("has the name of {}", first.full);
            let name = forward.name.as_deref().unwrap_or_default();
            self.wrong(whose, name, why, "a name for each, or none");
            return;
        }
        if self.forwards.len() == Forward::MOST {
            self.too_many(whose);
            return;
        }
        let mut taken = self.forwards.iter();
        match taken.find(|(_, other)| other.collides_with(&forward)) {
            Some((first, other)) => {
                let other = shown(&other.to_string());
                let why = format!(
                    "listens on {} like {other} of {}",
                    forward.listen, first.full
                );
                let rule = "one forward for each listening port";
                self.wrong(whose, &forward.to_string(), why, rule);
            }
            None => self.forwards.push((whose.clone(), forward)),
        }
    }

    /// Notes once that there are too many.
    fn too_many(&mut self, whose: &Whose) {
        if !self.full {
            self.full = true;
            let why = format!("brings more than {} forwards together", Forward::MOST);
            let rule = "fewer, or several nodes that share them";
            self.mistakes
                .push(Mistake::new(&whose.full, why).allowed(rule));
        }
    }

    fn wrong(&mut self, whose: &Whose, item: &str, why: impl Display, rule: &str) {
        self.mistakes
            .push(Mistake::new(&whose.full, why).given(item).allowed(rule));
    }
}
