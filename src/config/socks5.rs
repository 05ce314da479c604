//! Who may use the SOCKS5 proxy, and where it leads: what the file's `[socks5]` table says.

use super::destination::Destination;
use super::file::Socks5Table;
use super::key_file;
use super::login::exempt;
use super::problems::{Mistake, chain};
use super::secret::Secret;
use super::settings::Settings;

/// The most bytes of a user or a password: SOCKS5 has one for the length.
pub(super) const LONGEST: usize = 255;

/// What the SOCKS5 proxy asks of its clients. By default nothing.
#[derive(Clone, Debug, Default)]
pub struct Socks5Rules {
    /// Who may use it; `None` is everyone who reaches it.
    pub login: Option<Socks5Login>,
    /// Where it leads, at least one; `None` is everywhere on the tailnet.
    pub allow: Option<Vec<Destination>>,
}

/// A user and a password, of 1 to 255 bytes each.
#[derive(Clone, Debug)]
pub struct Socks5Login {
    /// The user.
    pub user: String,
    /// The password.
    pub password: Secret,
}

impl Socks5Rules {
    /// Whether both ask the same.
    pub(super) fn is(&self, other: &Socks5Rules) -> bool {
        let login = |rules: &Socks5Rules| {
            let login = rules.login.as_ref();
            login.map(|login| (login.user.clone(), login.password.expose().to_owned()))
        };
        self.allow == other.allow && login(self) == login(other)
    }
}

/// The rules of the table. What is wrong is noted in the settings.
pub(super) fn rules(table: Option<Socks5Table>, settings: &mut Settings) -> Socks5Rules {
    let Some(table) = table else {
        return Socks5Rules::default();
    };
    let file = settings.file.clone().unwrap_or_default();
    let wrong = |key: &str, why: &str| {
        let subject = format!("{}:{}: socks5{key}", file.full, table.line);
        Mistake::new(subject, why)
    };
    if !settings.is_given("TS_SOCKS5_ADDR") {
        let why = "is missing, so there is no proxy";
        settings.mistakes.push(wrong(".listen", why));
    }
    let login = match (table.user, table.password_file) {
        (None, None) => None,
        (Some(_), None) => {
            let why = "is missing, and a user without a password keeps nobody out";
            settings.mistakes.push(wrong(".password_file", why));
            None
        }
        (None, Some(_)) => {
            let why = "is missing, and a client cannot say a password without one";
            settings.mistakes.push(wrong(".user", why));
            None
        }
        (Some(user), Some(path)) => match key_file::read(&path, &exempt(settings)) {
            Ok(password) if password.expose().len() <= LONGEST => {
                Some(Socks5Login { user, password })
            }
            Ok(_) => {
                let why = "holds more than the 255 bytes that a client can say";
                settings.mistakes.push(wrong(".password_file", why));
                None
            }
            Err(error) => {
                let mistake = wrong(".password_file", &chain(&error));
                settings.mistakes.push(mistake);
                None
            }
        },
    };
    Socks5Rules {
        login,
        allow: table.allow,
    }
}
