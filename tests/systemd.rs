//! The program under a service manager: what systemd gives it and what it is told, played by
//! the test. No systemd runs here, and none is needed.

#![allow(clippy::unwrap_used, reason = "the helpers of tests are tests")]

mod support;

#[path = "systemd/activation.rs"]
mod activation;
#[path = "systemd/life.rs"]
mod life;
#[path = "systemd/login.rs"]
mod login;
#[path = "systemd/manager.rs"]
mod manager;
#[path = "systemd/watchdog.rs"]
mod watchdog;
