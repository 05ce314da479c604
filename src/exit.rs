//! The exit codes: what a supervisor or a script learns from how the program ended.

use std::process::ExitCode;

/// How the program ended. The numbers follow sysexits where one fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// 0: ended as asked, by a signal or after `check`, `--help` and the like.
    Success,
    /// 64: bad configuration or usage; starting again without a change does not help.
    Usage,
    /// 69: the control plane or the tailnet was not reachable in time; worth a retry.
    Unreachable,
    /// 77: the login was refused, or a person must log in; worth a retry only with a new key.
    Login,
    /// 70: a fault of the program itself.
    Internal,
    /// 1: anything else, such as a full disk or a state directory in use.
    Other,
}

impl Exit {
    /// Every exit code, in the order in which help and README list them.
    pub const ALL: [Exit; 6] = [
        Exit::Success,
        Exit::Usage,
        Exit::Unreachable,
        Exit::Login,
        Exit::Internal,
        Exit::Other,
    ];

    /// The number that the process ends with.
    pub fn code(self) -> u8 {
        match self {
            Exit::Success => 0,
            Exit::Usage => 64,
            Exit::Unreachable => 69,
            Exit::Login => 77,
            Exit::Internal => 70,
            Exit::Other => 1,
        }
    }

    /// What the code means, in a few words.
    pub fn meaning(self) -> &'static str {
        match self {
            Exit::Success => "ended as asked",
            Exit::Usage => "bad configuration or usage",
            Exit::Unreachable => "control plane or tailnet not reachable in time",
            Exit::Login => "login refused or needed",
            Exit::Internal => "internal error",
            Exit::Other => "anything else",
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit.code())
    }
}

/// The README's table of exit codes, one row a line.
pub fn markdown_table() -> String {
    let mut table = String::from("| Code | Meaning |\n|---|---|\n");
    for exit in Exit::ALL {
        table.push_str(&format!("| {} | {} |\n", exit.code(), exit.meaning()));
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_the_documented_ones() {
        assert_eq!(Exit::ALL.map(Exit::code), [0, 64, 69, 77, 70, 1]);
    }

    #[test]
    fn the_table_has_a_row_for_each_code() {
        let table = markdown_table();
        for exit in Exit::ALL {
            assert!(table.contains(&format!("| {} | {} |", exit.code(), exit.meaning())));
        }
    }
}
