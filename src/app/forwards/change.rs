//! Other forwards while the program runs: what is new is opened first, what stays is
//! switched, what has gone accepts no more.

use std::time::Duration;

use tokio::time::timeout;

use super::{Bound, Forwards, Open, Running, Switch, route};
use crate::app::failure::Failure;
use crate::config::{Config, Forward};
use crate::tailnet::Node;

/// How long a listener that has been told to end may take until its place is free.
const FREE: Duration = Duration::from_secs(5);

impl Forwards {
    /// Makes the forwards those of another configuration. Connections that are there
    /// go on as they are. Returns a line for each forward that was touched.
    ///
    /// # Errors
    /// What could not be listened on. Nothing has been changed then, except when the
    /// place was still held by a forward that had to make way: that one is gone.
    pub(in crate::app) async fn change(
        &mut self,
        config: &Config,
        node: &Node,
    ) -> Result<Vec<String>, Failure> {
        let new = |forward: &&Forward| !self.running.iter().any(|one| one.stays_for(forward));
        let (waiting, free): (Vec<_>, Vec<_>) = config
            .forwards
            .iter()
            .filter(new)
            .cloned()
            .partition(|new| self.running.iter().any(|old| old.is_in_the_way_of(new)));
        let mut open = Vec::with_capacity(free.len() + waiting.len());
        for forward in &free {
            let bound = Bound::new(forward, config).await?;
            open.push(self.open(bound, node).await?);
        }

        let mut done = Vec::new();
        let stays = |one: &Running| config.forwards.iter().any(|new| one.stays_for(new));
        let (stay, go) = std::mem::take(&mut self.running)
            .into_iter()
            .partition::<Vec<_>, _>(stays);
        self.running = stay;
        for old in &go {
            old.stop.cancel();
            done.push(format!("removed: {}", old.description));
        }
        for old in go {
            let _ = timeout(FREE, old.ended.cancelled()).await;
        }
        self.switch(config, node, &mut done);
        for forward in &waiting {
            let bound = Bound::new(forward, config).await?;
            open.push(self.open(bound, node).await?);
        }
        for opened in open {
            let running = self.serve(opened, config, node);
            done.push(format!("added: {}", running.description));
            self.running.push(running);
        }
        Ok(done)
    }

    /// Gives every forward that stays its target and its times.
    fn switch(&mut self, config: &Config, node: &Node, done: &mut Vec<String>) {
        for running in &mut self.running {
            let mut same = config.forwards.iter();
            let Some(forward) = same.find(|new| running.stays_for(new)) else {
                continue;
            };
            let settings = route::settings(forward, config);
            if *forward == running.configured && settings == running.settings {
                continue;
            }
            running.configured = forward.clone();
            running.settings = settings;
            running.description.target = forward.target();
            let description = &running.description;
            let name = description.name();
            self.shared.registry.forward(&name, &description.target);
            match &running.switch {
                Switch::ToMachine(switch) => {
                    let target = route::to_machine(forward, config, &self.resolver);
                    switch.turn(self.shared.gate(forward), target, settings);
                }
                Switch::UdpToMachine(switch) => {
                    let target = route::udp_to_machine(forward, &self.resolver);
                    let settings = route::udp_settings(forward, config);
                    switch.turn(self.shared.gate(forward), target, settings);
                }
                Switch::UdpToTailnet(switch) => {
                    let target = route::udp_to_tailnet(forward, node.dialer());
                    switch.turn(Open, target, route::udp_settings(forward, config));
                }
                Switch::ToTailnet(switch) => {
                    let target = route::to_tailnet(forward, node.dialer());
                    switch.turn(Open, target, settings);
                }
            }
            done.push(format!("changed: {description}"));
        }
    }
}

impl Running {
    /// Whether it can go on listening for another forward. Its cap and its socket's
    /// owner are the listener's for good.
    fn stays_for(&self, new: &Forward) -> bool {
        let (old, own) = (&self.configured.options, &new.options);
        self.configured.listen == new.listen
            && old.socket == own.socket
            && old.max_connections == own.max_connections
    }

    /// Whether another forward can listen only when this one does no more.
    fn is_in_the_way_of(&self, new: &Forward) -> bool {
        !self.stays_for(new) && self.configured.collides_with(new)
    }
}
