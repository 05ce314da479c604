//! The built program from outside: real nodes on a private tailnet, real sockets
//! at both ends. Nothing here leaves loopback.

mod support;

#[path = "e2e/admin.rs"]
mod admin;
#[path = "e2e/allow.rs"]
mod allow;
#[path = "e2e/bulk.rs"]
mod bulk;
#[path = "e2e/cap.rs"]
mod cap;
#[path = "e2e/configuration.rs"]
mod configuration;
#[path = "e2e/dial.rs"]
mod dial;
#[path = "e2e/dns.rs"]
mod dns;
#[path = "e2e/half_close.rs"]
mod half_close;
#[path = "e2e/login_code.rs"]
mod login_code;
#[path = "e2e/logout.rs"]
mod logout;
#[path = "e2e/oauth.rs"]
mod oauth;
#[path = "e2e/operations.rs"]
mod operations;
#[path = "e2e/peer_limits.rs"]
mod peer_limits;
#[path = "e2e/proxy_protocol.rs"]
mod proxy_protocol;
#[path = "e2e/reload.rs"]
mod reload;
#[path = "e2e/reload_udp.rs"]
mod reload_udp;
#[path = "e2e/report.rs"]
mod report;
#[path = "e2e/reset.rs"]
mod reset;
#[path = "e2e/service.rs"]
mod service;
#[path = "e2e/signals.rs"]
mod signals;
#[path = "e2e/socks5.rs"]
mod socks5;
#[path = "e2e/socks5_clients.rs"]
mod socks5_clients;
#[path = "e2e/socks5_rules.rs"]
mod socks5_rules;
#[path = "e2e/ssh.rs"]
mod ssh;
#[path = "e2e/stage.rs"]
mod stage;
#[path = "e2e/start.rs"]
mod start;
#[path = "e2e/state.rs"]
mod state;
#[path = "e2e/stop.rs"]
mod stop;
#[path = "e2e/tls.rs"]
mod tls;
#[path = "e2e/udp.rs"]
mod udp;
#[path = "e2e/unix.rs"]
mod unix;
