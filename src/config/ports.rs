//! Ports as forwards name them: one, `22`, or a range, `9000-9010`.

use std::fmt;
use std::str::FromStr;

use super::address::AddressError;

/// One port or several that follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ports {
    first: u16,
    last: u16,
}

impl Ports {
    /// Port 0: the system chooses one.
    pub(super) const CHOSEN: Ports = Ports { first: 0, last: 0 };

    /// The ports from one to another, both included.
    pub(super) fn new(first: u16, last: u16) -> Result<Ports, AddressError> {
        if last < first {
            return Err(AddressError::Backwards(format!("{first}-{last}")));
        }
        Ok(Ports { first, last })
    }

    /// How many there are: 1 to 65536.
    pub(super) fn count(self) -> usize {
        usize::from(self.last - self.first) + 1
    }

    /// Each of them, in order.
    pub(super) fn each(self) -> impl Iterator<Item = u16> {
        self.first..=self.last
    }
}

impl FromStr for Ports {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        match text.split_once('-') {
            // A minus sign is no range.
            Some((first, last)) if !first.is_empty() => Ports::new(port_of(first)?, port_of(last)?),
            _ => port_of(text).and_then(|port| Ports::new(port, port)),
        }
    }
}

impl fmt::Display for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.count() {
            1 => self.first.fmt(f),
            _ => write!(f, "{}-{}", self.first, self.last),
        }
    }
}

fn port_of(text: &str) -> Result<u16, AddressError> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(AddressError::PortNotANumber(text.to_owned()));
    }
    match text.parse() {
        Ok(port) if port > 0 => Ok(port),
        _ => Err(AddressError::PortOutOfRange(text.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_port_or_a_range_in_order() {
        let read = |text: &str| text.parse::<Ports>();
        assert_eq!(read("22").unwrap().each().collect::<Vec<_>>(), [22]);
        let range = read("9000-9002").unwrap();
        assert_eq!(range.each().collect::<Vec<_>>(), [9000, 9001, 9002]);
        assert_eq!(range.to_string(), "9000-9002");
        assert_eq!(read("1-65535").unwrap().count(), 65535);
        assert_eq!(read("65535-65535").unwrap().count(), 1);
        assert!(matches!(read("2-1"), Err(AddressError::Backwards(_))));
        for text in ["", "-", "1-", "-1", "1-2-3", "a-b", "1 - 2", "+1"] {
            assert!(
                matches!(read(text), Err(AddressError::PortNotANumber(_))),
                "{text:?}"
            );
        }
        for text in ["0", "0-3", "65536", "1-65536"] {
            assert!(
                matches!(read(text), Err(AddressError::PortOutOfRange(_))),
                "{text:?}"
            );
        }
    }
}
