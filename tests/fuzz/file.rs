//! Configuration files: any text is a configuration or its mistakes.

use std::ffi::OsString;
use std::fs;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use tailport::config::{self, Arguments};

use crate::environment::judge;
use crate::{hold, input};

const LINES: &[&str] = &[
    "hostname = 'web'",
    "max_connections = 7",
    "log = ['info', 'tailport=debug']",
    "ephemeral = true",
    "idle_timeout = 0",
    "authkey_file = '/nonexistent/key'",
    "authkey = 'x'",
    "[[expose]]",
    "[[connect]]",
    "[expose]",
    "name = 'one'",
    "listen = 22",
    "listen = '53/udp'",
    "listen = '9000-9010'",
    "listen = 'unix:/run/a.sock'",
    "target = '127.0.0.1:22'",
    "target = ['a:80', 'unix:/run/b.sock']",
    "target = 'host:9000-9010'",
    "protocol = 'tls'",
    "allow = ['alice@example.com', 'tag:a', '100.64.0.0/10']",
    "proxy_protocol = 'v2'",
    "mode = '0660'",
    "owner = 'app'",
    "# words",
    "expose = [{ target = 'a:1' }, { listen = 2, target = 'b:2' }]",
    "a.b.c = \"\"\"",
];

#[test]
fn any_file_is_a_configuration_or_its_mistakes() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("tailport.toml");
    let line = prop_oneof![
        8 => select(LINES).prop_map(OsString::from),
        3 => input::value(LINES),
    ];
    let end = prop_oneof![9 => Just("\n"), 1 => Just("\r\n"), 1 => Just(" ")];
    hold("files", 10, vec((line, end), 0..12), |lines| {
        let mut text = OsString::new();
        for (line, end) in lines {
            text.push(line);
            text.push(end);
        }
        fs::write(&path, text.as_encoded_bytes()).unwrap();
        let environment = [
            ("TS_CONFIG".into(), path.clone().into()),
            ("HOME".into(), "/home/someone".into()),
        ];
        judge(&config::parse(&Arguments::default(), environment))
    });
}
