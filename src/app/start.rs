//! From a configuration to a node that runs, or the reason why it cannot.

use std::time::Duration;

use tokio::sync::watch::Sender;
use tokio::time::{Instant, sleep_until};

use super::failure::Failure;
use super::{report, stop, watch};
use crate::admin::{NEEDS_APPROVAL, NodeStatus, RUNNING};
use crate::config::Config;
use crate::config::duration::AnyDuration;
use crate::exit::Exit;
use crate::shutdown::Shutdown;
use crate::tailnet::{self, ErrorKind, Node, NodeInfo, NodeOptions, StartEvent, Starting};

/// Starts the node and waits until it runs, at most TS_TIMEOUT, and at most
/// TS_LOGIN_TIMEOUT more while a person is asked. `None`: told to stop meanwhile.
///
/// # Errors
/// The control plane was not reached in time, the login was refused or not made.
pub(super) async fn node(
    config: &Config,
    shutdown: &Shutdown,
    status: &Sender<NodeStatus>,
) -> Result<Option<(Node, NodeInfo)>, Failure> {
    let (node, mut starting) = Node::start(&options(config))?;
    let outcome = tokio::select! {
        biased;
        () = shutdown.drain.cancelled() => None,
        outcome = follow(config, &mut starting, status) => Some(outcome),
    };
    match outcome {
        Some(Ok(info)) => {
            tracing::info!(hostname = info.hostname, addresses = ?info.addresses, "the node runs");
            status.send_modify(|status| {
                status.enter(RUNNING);
                watch::describe(status, &info);
            });
            Ok(Some((node, info)))
        }
        Some(Err(failure)) => {
            stop::close(node, stop::CLOSE_AFTER_FAILED_START).await;
            Err(failure)
        }
        None => {
            stop::close(node, stop::close_bound(config)).await;
            Ok(None)
        }
    }
}

fn options(config: &Config) -> NodeOptions {
    let node = &config.node;
    NodeOptions {
        dir: node.state_dir.clone(),
        hostname: node.hostname.clone(),
        control_url: node.control_url.as_ref().map(ToString::to_string),
        auth_key: node.auth_key.as_ref().map(|key| key.expose().into()),
        client_secret: node
            .client_secret
            .as_ref()
            .map(|secret| secret.expose().into()),
        tags: node.tags.iter().map(ToString::to_string).collect(),
        ephemeral: node.ephemeral,
        keepalive: config.timeouts.keepalive.unwrap_or_default(),
    }
}

/// Follows the start's events against the clock.
async fn follow(
    config: &Config,
    starting: &mut Starting,
    status: &Sender<NodeStatus>,
) -> Result<NodeInfo, Failure> {
    let mut progress = Progress::new(config, status);
    loop {
        let event = tokio::select! {
            biased;
            event = starting.next() => event,
            () = sleep_until(progress.deadline) => return Err(progress.overdue()),
        };
        match event {
            Ok(StartEvent::Running(info)) => return Ok(info),
            Ok(event) => progress.note(event)?,
            Err(error) => return Err(refused(config, error)),
        }
    }
}

/// What has been heard so far, and until when to wait.
struct Progress<'a> {
    config: &'a Config,
    status: &'a Sender<NodeStatus>,
    deadline: Instant,
    waiting_for: Option<String>,
    asked: Option<String>,
}

impl<'a> Progress<'a> {
    fn new(config: &'a Config, status: &'a Sender<NodeStatus>) -> Self {
        Self {
            config,
            status,
            deadline: Instant::now() + config.timeouts.start,
            waiting_for: None,
            asked: None,
        }
    }

    fn note(&mut self, event: StartEvent) -> Result<(), Failure> {
        match event {
            StartEvent::Login { url } => {
                if self.asked.as_ref() != Some(&url) {
                    self.status.send_modify(|status| status.ask_for_login(&url));
                    report::login(&url);
                }
                self.ask(url)
            }
            StartEvent::State(state) if state == NEEDS_APPROVAL => {
                tracing::warn!("an admin must approve this node");
                self.status.send_modify(|status| status.enter(&state));
                self.ask("an admin's approval of this node".to_owned())
            }
            StartEvent::State(state) => {
                tracing::debug!(state, "starting");
                self.status.send_modify(|status| status.enter(&state));
                Ok(())
            }
            StartEvent::Waiting { detail } => {
                tracing::warn!(reason = detail, "the control server cannot be asked yet");
                self.status
                    .send_modify(|status| status.waiting = Some(detail.clone()));
                self.waiting_for = Some(detail);
                Ok(())
            }
            StartEvent::Running(_) => Ok(()),
        }
    }

    /// From now on a person's time counts.
    fn ask(&mut self, what: String) -> Result<(), Failure> {
        let first = self.asked.replace(what).is_none();
        if self.config.timeouts.login.is_zero() {
            return Err(self.overdue());
        }
        if first {
            self.deadline = Instant::now() + self.config.timeouts.login;
        }
        Ok(())
    }

    fn overdue(&self) -> Failure {
        let timeouts = &self.config.timeouts;
        match (&self.asked, &self.waiting_for) {
            (Some(asked), _) => Failure::new(
                Exit::Login,
                ErrorKind::LoginNeeded.name(),
                format!(
                    "nobody logged this node in within TS_LOGIN_TIMEOUT ({}): set TS_AUTHKEY_FILE, \
                     or start again and visit the login page; waited for {asked}",
                    shown(timeouts.login)
                ),
            ),
            (None, Some(reason)) => self.unreachable(&format!(": {reason}")),
            (None, None) => self.unreachable(""),
        }
    }

    fn unreachable(&self, reason: &str) -> Failure {
        let server = match &self.config.node.control_url {
            Some(url) => url.to_string(),
            None => "the control server".to_owned(),
        };
        Failure::new(
            Exit::Unreachable,
            ErrorKind::TimedOut.name(),
            format!(
                "the node did not come up through {server} within TS_TIMEOUT ({}){reason}",
                shown(self.config.timeouts.start)
            ),
        )
    }
}

/// A duration in the form in which it is configured.
fn shown(duration: Duration) -> AnyDuration {
    AnyDuration(duration)
}

/// A start that the control server or this machine ended, with what to do.
fn refused(config: &Config, error: tailnet::Error) -> Failure {
    if error.kind() != ErrorKind::LoginRefused {
        return error.into();
    }
    let advice = if config.node.auth_key.is_some() {
        "make a new key for TS_AUTHKEY_FILE or TS_AUTHKEY, or set neither to log in by hand"
    } else {
        "make a key and set TS_AUTHKEY_FILE or TS_AUTHKEY"
    };
    Failure::new(
        Exit::Login,
        error.kind().name(),
        format!("the control server refused the login: {error}; {advice}"),
    )
}
