//! TS_TARGET with TS_LISTEN or TS_LOCAL_ADDR: one forward in three plain variables.

use super::address::TargetText;
use super::forward::Forward;
use super::forward_text::{Targets, forwards};
use super::listen::{ListenText, LocalText, TailnetText};
use super::problems::Mistake;
use super::settings::Settings;

/// The three variables as read; `None` is absent or wrong.
pub(super) struct ShortForm {
    /// TS_TARGET.
    pub(super) target: Option<Targets>,
    /// TS_LISTEN.
    pub(super) listen: Option<TailnetText>,
    /// TS_LOCAL_ADDR.
    pub(super) local: Option<LocalText>,
}

impl ShortForm {
    /// What the variables forward: one, or one for each port of a range. What is wrong is noted in
    /// the settings.
    pub(super) fn forwards(self, settings: &mut Settings) -> Vec<Forward> {
        let exposes = settings.is_given("TS_LISTEN");
        let connects = settings.is_given("TS_LOCAL_ADDR");
        if exposes && connects {
            let mistake = Mistake::new("TS_LISTEN and TS_LOCAL_ADDR", "are both set").allowed(
                "TS_LISTEN to expose TS_TARGET on the tailnet, or TS_LOCAL_ADDR to connect to it",
            );
            settings.mistakes.push(mistake);
        }
        if !settings.is_given("TS_TARGET") {
            for name in ["TS_LISTEN", "TS_LOCAL_ADDR"] {
                if settings.is_given(name) {
                    settings.refuse(name, "needs TS_TARGET");
                }
            }
        }
        let Some(targets) = self.target else {
            return Vec::new();
        };
        let listen = match (self.listen, self.local) {
            (Some(TailnetText(listen)), None) if !connects => listen,
            (None, Some(LocalText(listen))) if !exposes => listen,
            (None, None) if !exposes && !connects => match own_ports(&targets) {
                Ok(listen) => listen,
                Err(why) => {
                    settings.refuse("TS_TARGET", why);
                    return Vec::new();
                }
            },
            _ => return Vec::new(),
        };
        forwards(listen, None, targets).unwrap_or_else(|error| {
            settings.refuse("TS_TARGET", error);
            Vec::new()
        })
    }
}

/// Where targets alone are exposed: on their own ports, when they are on this machine for certain.
fn own_ports(targets: &Targets) -> Result<ListenText, &'static str> {
    let local = |target: &TargetText| match target {
        TargetText::Network(host, _) => host.is_loopback(),
        TargetText::Unix(_) => true,
    };
    if !targets.0.iter().all(local) {
        return Err(
            "is not on this machine: set TS_LISTEN to expose it on the tailnet, or TS_LOCAL_ADDR \
             to connect to it over the tailnet",
        );
    }
    targets
        .own_ports()
        .map_err(|_| "does not tell the port to listen on: set TS_LISTEN")
}
