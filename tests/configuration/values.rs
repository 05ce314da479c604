//! What is in effect: the defaults, and every setting.

use std::path::Path;
use std::time::Duration;

use tailport::config::variables::{DefaultValue, VARIABLES};
use tailport::config::{self, MemoryLimit};

use crate::good;

#[test]
fn defaults_are_the_documented_ones() {
    let config = good(&[]);
    assert_eq!(config.node.hostname, "tailport");
    assert_eq!(config.node.control_url, None);
    assert_eq!(
        config.node.state_dir,
        Path::new("/home/someone/.local/state/tailport")
    );
    assert!(config.node.auth_key.is_none());
    assert!(!config.node.ephemeral);
    assert!(config.node.client_secret.is_none() && config.node.tags.is_empty());
    assert_eq!(
        (config.admin, config.socks5, config.file),
        (None, None, None)
    );
    assert_eq!(config.timeouts.start, Duration::from_secs(30));
    assert_eq!(config.timeouts.login, Duration::from_secs(600));
    assert_eq!(config.timeouts.dial, Duration::from_secs(5));
    assert_eq!(config.timeouts.idle, None);
    assert_eq!(config.timeouts.drain, Duration::from_secs(15));
    assert_eq!(config.timeouts.keepalive, Some(Duration::from_secs(60)));
    assert_eq!(config.max_connections.get(), 1000);
    assert_eq!(config.memory_limit, MemoryLimit::Auto);
    assert_eq!(config.log.filter.as_str(), "info");
    assert_eq!(config.log.format, config::LogFormat::Text);
    assert!(!config.log.upload);
}

#[test]
fn every_setting_takes_effect() {
    let config = good(&[
        ("TS_AUTHKEY", "tskey-auth-1"),
        ("TS_CONTROL_URL", "http://127.0.0.1:8080/"),
        ("TS_HOSTNAME", "web-1"),
        ("TS_STATE_DIR", "/var/lib/tailport"),
        ("TS_EPHEMERAL", "true"),
        ("TS_TIMEOUT", "1m30s"),
        ("TS_LOGIN_TIMEOUT", "0"),
        ("TS_DIAL_TIMEOUT", "500ms"),
        ("TS_IDLE_TIMEOUT", "1h"),
        ("TS_DRAIN_TIMEOUT", "0s"),
        ("TS_KEEPALIVE", "0"),
        ("TS_MAX_CONNECTIONS", "50"),
        ("TS_MEMORY_LIMIT", "384MiB"),
        ("TS_LOG", "warn,tailport=debug"),
        ("TS_LOG_FORMAT", "json"),
        ("TS_LOG_UPLOAD", "1"),
        ("TS_TAGS", "tag:web"),
        ("TS_ADMIN_ADDR", "tailnet:9090"),
        ("TS_SOCKS5_ADDR", "1080"),
    ]);
    assert_eq!(config.node.tags[0].as_str(), "tag:web");
    assert_eq!(config.admin.unwrap().to_string(), "tailnet:9090");
    assert_eq!(config.socks5.unwrap().to_string(), "127.0.0.1:1080");
    assert_eq!(config.node.auth_key.unwrap().expose(), "tskey-auth-1");
    assert_eq!(
        config.node.control_url.unwrap().as_str(),
        "http://127.0.0.1:8080"
    );
    assert_eq!(config.node.hostname, "web-1");
    assert_eq!(config.node.state_dir, Path::new("/var/lib/tailport"));
    assert!(config.node.ephemeral);
    assert_eq!(config.timeouts.start, Duration::from_secs(90));
    assert_eq!(config.timeouts.login, Duration::ZERO);
    assert_eq!(config.timeouts.dial, Duration::from_millis(500));
    assert_eq!(config.timeouts.idle, Some(Duration::from_secs(3600)));
    assert_eq!(config.timeouts.drain, Duration::ZERO);
    assert_eq!(config.timeouts.keepalive, None);
    assert_eq!(config.max_connections.get(), 50);
    assert_eq!(config.memory_limit, MemoryLimit::Bytes(384 << 20));
    assert_eq!(config.log.filter.as_str(), "warn,tailport=debug");
    assert_eq!(config.log.format, config::LogFormat::Json);
    assert!(config.log.upload);
}

#[test]
fn every_documented_default_is_the_value_in_effect() {
    let plain = good(&[]).summary().to_string();
    let mut seen = 0;
    for variable in VARIABLES {
        if let DefaultValue::Text(text) = variable.default {
            assert_eq!(
                good(&[(variable.name, text)]).summary().to_string(),
                plain,
                "{}",
                variable.name
            );
            seen += 1;
        }
    }
    assert!(seen > 10);
}
