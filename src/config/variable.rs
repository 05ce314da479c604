//! What is known of one environment variable.

/// One environment variable, as help and README show it.
#[derive(Clone, Copy, Debug)]
pub struct Variable {
    /// Its name.
    pub name: &'static str,
    /// The heading that it stands under.
    pub group: Group,
    /// The long flag that sets the same, without dashes. A secret has none.
    pub flag: Option<&'static str>,
    /// What it holds when it is not set.
    pub default: DefaultValue,
    /// What it is for.
    pub help: &'static str,
    /// What is allowed.
    pub rule: &'static str,
    /// Whether its value must never be shown.
    pub secret: bool,
    /// Whether it is on or off, so that its flag can stand without a value.
    pub switch: bool,
    /// Whether the configuration file may set it; secrets and forwards have their own ways.
    pub in_file: bool,
}

/// The value of a variable that is not set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DefaultValue {
    /// There is none.
    None,
    /// This text, read like one that was given.
    Text(&'static str),
    /// Depends on the surroundings, in these words.
    Described(&'static str),
}

/// The headings of help and README.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// Who the node is and where it logs in.
    Node,
    /// What is forwarded.
    Forwards,
    /// How long and how much.
    Limits,
    /// What the program itself offers.
    Services,
    /// What is logged.
    Logs,
}

impl Group {
    /// Every group, in the order shown.
    pub const ALL: [Group; 5] = [
        Group::Node,
        Group::Forwards,
        Group::Limits,
        Group::Services,
        Group::Logs,
    ];

    /// The heading.
    pub fn title(self) -> &'static str {
        match self {
            Group::Node => "Node and login",
            Group::Forwards => "Forwards",
            Group::Limits => "Timeouts and limits",
            Group::Services => "Services",
            Group::Logs => "Logs",
        }
    }
}

impl Variable {
    /// The name without `TS_`, in lower case.
    pub(super) fn key(&self) -> String {
        let bare = self.name.strip_prefix("TS_").unwrap_or(self.name);
        bare.to_lowercase()
    }

    /// What the setting is called in the configuration file, when it may stand there.
    pub(super) fn file_key(&self) -> Option<String> {
        (self.in_file && !self.secret && self.group != Group::Forwards).then(|| self.key())
    }
}

impl DefaultValue {
    /// What the tables show.
    pub fn shown(self) -> &'static str {
        match self {
            DefaultValue::None => "none",
            DefaultValue::Text(text) | DefaultValue::Described(text) => text,
        }
    }
}

/// What an entry need not say.
pub(super) const PLAIN: Variable = Variable {
    name: "",
    group: Group::Node,
    flag: None,
    default: DefaultValue::None,
    help: "",
    rule: "",
    secret: false,
    switch: false,
    in_file: true,
};
