//! Who may open a Unix socket that this program makes: its mode, owner and group.

use std::fmt;
use std::str::FromStr;

/// The rule text of a mode.
pub(super) const MODE_RULE: &str = "an octal number from 0 to 0777 in quotes, such as \"0660\"";
/// The rule text of an owner or group.
pub(super) const ACCOUNT_RULE: &str = "a name or a number of the system's";

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

/// The permission bits that the text says in octal.
pub(super) fn mode(text: &str) -> Result<u32, &'static str> {
    let digits = text.strip_prefix("0o").unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err("is not an octal number");
    }
    match u32::from_str_radix(digits, 8) {
        Ok(mode) if mode <= 0o777 => Ok(mode),
        Ok(_) => Err("has more than the bits of user, group and others"),
        Err(_) => Err("is not an octal number"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mode_is_octal() {
        assert_eq!(mode("0660"), Ok(0o660));
        assert_eq!(mode("600"), Ok(0o600));
        assert_eq!(mode("0o777"), Ok(0o777));
        for text in [
            "",
            "0",
            "8",
            "0o",
            "0690",
            "rw",
            "-1",
            "+7",
            "1777",
            "77777777777777",
        ] {
            assert_eq!(mode(text).is_ok(), text == "0", "{text:?}");
        }
    }

    #[test]
    fn an_account_is_a_name_or_a_number() {
        assert_eq!("0".parse(), Ok(Account::Id(0)));
        assert_eq!("www-data".parse(), Ok(Account::Name("www-data".into())));
        for text in ["", "-x", "a b", "4294967295", "99999999999", "a:b", "é"] {
            assert_eq!(text.parse::<Account>(), Err(AccountError), "{text:?}");
        }
    }
}
