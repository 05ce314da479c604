//! TS_TARGET with TS_LISTEN or TS_LOCAL_ADDR: one forward in three plain variables.

use super::address::{LocalAddress, TailnetPort, Target};
use super::forward::Forward;
use super::problems::Mistake;
use super::settings::Settings;

/// The three variables as read; `None` is absent or wrong.
pub(super) struct ShortForm {
    /// TS_TARGET.
    pub(super) target: Option<Target>,
    /// TS_LISTEN.
    pub(super) listen: Option<TailnetPort>,
    /// TS_LOCAL_ADDR.
    pub(super) local: Option<LocalAddress>,
}

impl ShortForm {
    /// The forward that the variables say. What is wrong is noted in the settings.
    pub(super) fn forward(self, settings: &mut Settings) -> Option<Forward> {
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
        let target = self.target?;
        match (self.listen, self.local) {
            (Some(TailnetPort(listen_port)), None) if !connects => Some(Forward::Expose {
                listen_port,
                target,
            }),
            (None, Some(LocalAddress(listen))) if !exposes => {
                Some(Forward::Connect { listen, target })
            }
            (None, None) if !exposes && !connects => {
                if target.is_loopback() {
                    return Some(Forward::Expose {
                        listen_port: target.port(),
                        target,
                    });
                }
                let why = "is not on this machine: set TS_LISTEN to expose it on the tailnet, \
                           or TS_LOCAL_ADDR to connect to it over the tailnet";
                settings.refuse("TS_TARGET", why);
                None
            }
            _ => None,
        }
    }
}
