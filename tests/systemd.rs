//! The program under a service manager: what systemd gives it and what it is told, played by
//! the test, and the unit files of `deploy/systemd`.
//!
//! No systemd runs here, and none is needed. Its own tools judge the units where they are
//! installed.

#![allow(clippy::unwrap_used, reason = "the helpers of tests are tests")]

mod support;

#[path = "systemd/activation.rs"]
mod activation;
#[path = "snippets/documents.rs"]
#[allow(dead_code, reason = "shared, and each user has its own part")]
mod documents;
#[path = "systemd/life.rs"]
mod life;
#[path = "systemd/login.rs"]
mod login;
#[path = "systemd/machine.rs"]
mod machine;
#[path = "systemd/manager.rs"]
mod manager;
#[path = "systemd/pasted.rs"]
mod pasted;
#[path = "systemd/units.rs"]
mod units;
#[path = "systemd/watchdog.rs"]
mod watchdog;
