//! The status page in a browser, where Chromium is installed: it runs under its own policy and
//! shows what `/status` tells.

use std::process::Command;

use tailport::admin::Remark;
use tailport::telemetry::metrics::Ended;
use tailport::telemetry::recent::Past;
use tokio::task::spawn_blocking;

use crate::support::Program;

/// Chromium without a screen, that can reach this machine alone.
fn browser(profile: &std::path::Path) -> Command {
    let mut command = Command::new("chromium");
    command
        .args([
            "--headless",
            "--enable-logging=stderr",
            "--no-sandbox",
            "--disable-gpu",
            "--no-first-run",
        ])
        .args([
            "--disable-background-networking",
            "--disable-component-update",
        ])
        .args([
            "--disable-default-apps",
            "--disable-sync",
            "--disable-dev-shm-usage",
        ])
        .arg("--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1")
        .arg("--virtual-time-budget=5000")
        .arg(format!("--user-data-dir={}", profile.display()));
    command
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_shows_the_status_under_its_own_policy() {
    let program = Program::start().await;
    program.node.send_modify(|node| {
        node.hostname = "office-pc".to_owned();
        node.health = vec![Remark {
            code: "markup".to_owned(),
            text: "<b id=injected>not markup</b>".to_owned(),
        }];
    });
    program.ssh.recent().remember(Past {
        at: std::time::SystemTime::now(),
        forward: "expose 22/tcp".to_owned(),
        peer: "100.64.0.9:50000".to_owned(),
        who: Some("alice@example.com".to_owned()),
        target: "127.0.0.1:22".to_owned(),
        to_target: 1536,
        to_peer: 7,
        duration: std::time::Duration::from_millis(1500),
        ended: Ended::TimedOut,
    });
    let profile = tempfile::tempdir().unwrap();
    let mut command = browser(profile.path());
    command
        .arg("--dump-dom")
        .arg(format!("http://{}/", program.address));
    let Ok(seen) = spawn_blocking(move || command.output()).await.unwrap() else {
        eprintln!("chromium is not installed: the page is not looked at");
        return;
    };
    let page = String::from_utf8_lossy(&seen.stdout);
    let said = String::from_utf8_lossy(&seen.stderr);
    for text in [
        ">office-pc</h1>",
        ">Ready</span>",
        ">expose 22/tcp</th>",
        ">alice@example.com (100.64.0.9:50000)</td>",
        ">1.5 KiB</td>",
        ">timed out</td>",
        "&lt;b id=injected&gt;not markup",
    ] {
        assert!(page.contains(text), "{text:?} is not in\n{page}\n{said}");
    }
    assert!(!page.contains("<b id="), "markup got through");
    assert!(!said.contains("CONSOLE"), "the browser complains: {said}");
}
