//! Other forwards while the program runs: what is new is opened first, what stays is
//! switched, what has gone accepts no more.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use super::listener::{self, NOT_BOUND};
use super::{Bound, ExposeGate, Forwards, Open, Opened, Running, Switch, gate, route};
use crate::app::failure::Failure;
use crate::config::{Config, Forward};
use crate::tailnet::Node;

/// How long a listener that has been told to end may take until its place is free.
const FREE: Duration = Duration::from_secs(5);

/// How often it is looked whether a port of the tailnet is free again: nobody says so.
const LOOK: Duration = Duration::from_millis(20);

impl Forwards {
    /// Makes the forwards those of another configuration; the node's own settings are
    /// those of `config`. Connections that are there go on as they are; flows of
    /// datagrams end with their forward. Returns a line for each forward that was
    /// touched.
    ///
    /// # Errors
    /// What could not be listened on; nothing has been changed then. Where a new forward
    /// needs the place of one that has to go there is no way back: what cannot be
    /// listened on after that has a line among the others.
    pub(in crate::app) async fn change(
        &mut self,
        new: &[Forward],
        config: &Config,
        node: &Node,
    ) -> Result<Vec<String>, Failure> {
        self.shared.sockets.check(new)?;
        let heirs = self.heirs(new);
        let added = (0..new.len()).filter(|at| !heirs.contains(&Some(*at)));
        let (waiting, free): (Vec<&Forward>, Vec<&Forward>) = added
            .map(|at| &new[at])
            .partition(|new| self.running.iter().any(|old| old.is_in_the_way_of(new)));
        for forward in &waiting {
            listener::check(forward)?;
            self.certify(forward, node).await?;
        }
        let mut open = Vec::with_capacity(free.len() + waiting.len());
        for forward in free {
            let bound = Bound::new(forward, config, &self.shared.sockets).await?;
            open.push(self.open(bound, node).await?);
        }

        let mut done = Vec::new();
        let mut gone = Vec::new();
        for (mut running, heir) in std::mem::take(&mut self.running).into_iter().zip(heirs) {
            match heir {
                Some(at) => {
                    done.extend(self.switch(&mut running, &new[at], config, node));
                    self.running.push(running);
                }
                None => {
                    running.stop.cancel();
                    if matches!(
                        running.switch,
                        Switch::UdpToMachine(..) | Switch::UdpToTailnet(_)
                    ) {
                        // They would keep the place for as long as they last.
                        running.abort.cancel();
                    }
                    done.push(format!("removed: {}", running.description));
                    gone.push(running);
                }
            }
        }
        for old in gone {
            let _ = timeout(FREE, old.ended.cancelled()).await;
        }
        for forward in waiting {
            match self.open_in_place(forward, config, node).await {
                Ok(opened) => open.push(opened),
                Err(failure) => {
                    done.push(format!("failed: {} {forward}: {failure}", forward.kind()))
                }
            }
        }
        for opened in open {
            let running = self.serve(opened, config, node);
            done.push(format!("added: {}", running.description));
            self.running.push(running);
        }
        Ok(done)
    }

    /// For each forward that runs, which of the new ones it goes on for. The same ones
    /// come first, because several may listen on a port that the system chooses.
    fn heirs(&self, new: &[Forward]) -> Vec<Option<usize>> {
        let mut heirs = vec![None; self.running.len()];
        let mut taken = vec![false; new.len()];
        for same in [true, false] {
            for (one, heir) in self.running.iter().zip(&mut heirs) {
                if heir.is_none() {
                    let fits = |new: &Forward| match same {
                        true => one.configured == *new,
                        false => one.stays_for(new),
                    };
                    *heir = (0..new.len()).find(|at| !taken[*at] && fits(&new[*at]));
                    heir.inspect(|at| taken[*at] = true);
                }
            }
        }
        heirs
    }

    /// Opens a listener in the place of one that has ended. The tailnet's side of that
    /// one is closed a moment later.
    async fn open_in_place(
        &mut self,
        forward: &Forward,
        config: &Config,
        node: &Node,
    ) -> Result<Opened, Failure> {
        let until = Instant::now() + FREE;
        loop {
            let opened = match Bound::new(forward, config, &self.shared.sockets).await {
                Ok(bound) => self.open(bound, node).await,
                Err(failure) => Err(failure),
            };
            match opened {
                Err(failure) if failure.kind() == NOT_BOUND && Instant::now() < until => {
                    sleep(LOOK).await;
                }
                opened => return opened,
            }
        }
    }

    /// Gives a forward that stays its target and its times; tells it if they are others.
    fn switch(
        &self,
        running: &mut Running,
        forward: &Forward,
        config: &Config,
        node: &Node,
    ) -> Option<String> {
        if *forward == running.configured {
            return None;
        }
        running.configured = forward.clone();
        running.description.target = forward.target();
        let description = &running.description;
        let name = description.name();
        self.shared.registry.forward(&name, &description.target);
        let settings = route::settings(&forward.options, config);
        let udp_settings = route::udp_settings(&forward.options, config);
        match &mut running.switch {
            Switch::ToMachine(switch, gate) => {
                let target = route::to_machine(forward, config, &self.resolver);
                *gate = self.gate_after(gate, forward);
                switch.turn(Arc::clone(gate), target, settings);
            }
            Switch::ToTailnet(switch) => {
                let target = route::to_tailnet(forward, node.dialer());
                switch.turn(Open, target, settings);
            }
            Switch::UdpToMachine(switch, gate) => {
                let target = route::udp_to_machine(forward, &self.resolver);
                *gate = self.gate_after(gate, forward);
                switch.turn(Arc::clone(gate), target, udp_settings);
            }
            Switch::UdpToTailnet(switch) => {
                let target = route::udp_to_tailnet(forward, node.dialer());
                switch.turn(Open, target, udp_settings);
            }
        }
        Some(format!("changed: {description}"))
    }

    /// The gate of a forward that was another one, with the peers that it knows.
    fn gate_after(&self, old: &ExposeGate, forward: &Forward) -> ExposeGate {
        let (inner, limits) = (self.shared.gate(forward), gate::limits(forward));
        Arc::new(old.succeeded_by(inner, limits))
    }
}

impl Running {
    /// Whether it can go on listening for another forward. Its name, its cap and its
    /// socket's owner are the listener's for good.
    fn stays_for(&self, new: &Forward) -> bool {
        let (old, own) = (&self.configured.options, &new.options);
        self.configured.listen == new.listen
            && self.configured.name == new.name
            && old.socket == own.socket
            && old.max_connections == own.max_connections
    }

    /// Whether another forward can listen only when this one does no more.
    fn is_in_the_way_of(&self, new: &Forward) -> bool {
        !self.stays_for(new) && self.configured.collides_with(new)
    }
}
