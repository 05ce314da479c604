//! Who may open a Unix socket that this program makes: its mode, owner and group.

use std::fmt;
use std::str::FromStr;

/// Mode, owner and group of a Unix socket. By default only this process's user may open it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SocketAccess {
    /// The permission bits, at most 0o777.
    pub mode: u32,
    /// Its owner, when it is not this process's user.
    pub owner: Option<Account>,
    /// Its group, when it is not this process's.
    pub group: Option<Account>,
}

impl Default for SocketAccess {
    fn default() -> Self {
        SocketAccess {
            mode: 0o600,
            owner: None,
            group: None,
        }
    }
}

/// A user or a group of the system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Account {
    /// By its number.
    Id(u32),
    /// By its name, to be looked up when the socket is made.
    Name(String),
}

/// The text is neither a name nor a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is neither a name nor a number of the system's")]
pub struct AccountError;

impl FromStr for Account {
    type Err = AccountError;

    fn from_str(text: &str) -> Result<Self, AccountError> {
        if text.bytes().all(|b| b.is_ascii_digit()) {
            // The highest number means "leave it" to the system.
            let id = text.parse().ok().filter(|id| *id != u32::MAX);
            return id.map(Account::Id).ok_or(AccountError);
        }
        let plain = |c: char| c.is_ascii_alphanumeric() || "._-$".contains(c);
        if text.len() > 64 || text.starts_with('-') || !text.chars().all(plain) {
            return Err(AccountError);
        }
        Ok(Account::Name(text.to_owned()))
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Account::Id(id) => id.fmt(f),
            Account::Name(name) => f.write_str(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_a_name_or_a_number() {
        assert_eq!("0".parse(), Ok(Account::Id(0)));
        assert_eq!("www-data".parse(), Ok(Account::Name("www-data".into())));
        for text in ["", "-x", "a b", "4294967295", "99999999999", "a:b", "é"] {
            assert_eq!(text.parse::<Account>(), Err(AccountError), "{text:?}");
        }
    }
}
