//! Names of environment variables that begin with `TS_` and are not this program's: those that the
//! Go library reads behind the caller's back, and those that are set for other programs.

use super::nearest::nearest;
use super::variables::VARIABLES;

/// What must be gone from the environment before the Go half runs: the secrets, and every variable
/// that its library falls back to when a setting is empty. The program's own values go over the
/// seam instead.
pub const UNSET: &[&str] = &[
    "TS_AUTHKEY",
    "TS_AUTHKEY_FILE",
    "TS_AUTH_KEY",
    "TS_CLIENT_SECRET",
    "TS_CLIENT_SECRET_FILE",
    "TS_CLIENT_ID",
    "TS_ID_TOKEN",
    "TS_AUDIENCE",
    "TS_API_KEY",
    "TS_API_CLIENT_ID",
    "TS_API_CLIENT_SECRET",
    "TS_OAUTH_ID",
    "TS_OAUTH_SECRET",
    "TS_CONTROL_URL",
    "TSNET_FORCE_LOGIN",
];

/// How knobs of the Go library begin. They work, and are no mistake.
const LIBRARY_PREFIXES: &[&str] = &[
    "TS_ALLOW_",
    "TS_BIND_",
    "TS_DEBUG_",
    "TS_DERP_",
    "TS_DISABLE_",
    "TS_DISCO_",
    "TS_DNS_FORWARD_",
    "TS_ENABLE_RAW_",
    "TS_EXPERIMENTAL_",
    "TS_FORCE_",
    "TS_LOGS_DIR",
    "TS_LOG_TARGET",
    "TS_LOG_VERBOSITY",
    "TS_NETSTACK_",
    "TS_NO_LOGS_NO_SUPPORT",
    "TS_PANIC_IF_HIT_MAIN_CONTROL",
    "TS_PORTLIST",
    "TS_SSH_",
    "TS_TUN_",
    "TS_USE_",
];

/// A warning for a variable that looks like one of ours and is none, with the name that was
/// probably meant.
pub(super) fn warning(name: &str) -> Option<String> {
    if !name.starts_with("TS_")
        || LIBRARY_PREFIXES
            .iter()
            .any(|prefix| name.starts_with(prefix))
    {
        return None;
    }
    let known = VARIABLES.iter().map(|variable| variable.name);
    let meant =
        nearest(name, known).map_or_else(String::new, |known| format!(": did you mean {known}?"));
    let shown: String = super::secret::redact(name).chars().take(80).collect();
    Some(format!(
        "unknown variable {} has no effect{meant}",
        shown.escape_debug()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_pen_is_named() {
        assert_eq!(
            warning("TS_AUTH_KEY").as_deref(),
            Some("unknown variable TS_AUTH_KEY has no effect: did you mean TS_AUTHKEY?")
        );
        assert!(
            warning("TS_EXPSOE")
                .unwrap()
                .ends_with("did you mean TS_EXPOSE?")
        );
        assert!(
            warning("TS_EXPOSES")
                .unwrap()
                .ends_with("did you mean TS_EXPOSE?")
        );
        assert_eq!(
            warning("TS_ACCEPT_DNS").as_deref(),
            Some("unknown variable TS_ACCEPT_DNS has no effect")
        );
    }

    #[test]
    fn the_librarys_own_and_foreign_names_are_left_alone() {
        for name in [
            "TS_NO_LOGS_NO_SUPPORT",
            "TS_DEBUG_DISABLE_UDP_GSO",
            "TS_NETSTACK_KEEPALIVE_IDLE",
            "PATH",
            "TS",
        ] {
            assert_eq!(warning(name), None, "{name}");
        }
    }

    #[test]
    fn every_secret_variable_is_unset_for_the_go_half() {
        let mut secrets = VARIABLES
            .iter()
            .filter(|variable| variable.secret)
            .peekable();
        assert!(secrets.peek().is_some());
        assert!(secrets.all(|variable| UNSET.contains(&variable.name)));
    }
}
