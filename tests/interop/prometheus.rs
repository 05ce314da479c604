//! Prometheus scrapes a node as docs/operations.md says, with the rules of deploy/prometheus:
//! it takes the metrics, and what it stores is what happened. Its checker runs the rules' own
//! tests.

use std::fs;
use std::net::SocketAddr;
use std::process::Output;

use serde_json::Value;

use crate::support::child::Child;
use crate::support::home::Home;
use crate::support::http;
use crate::support::patience::{PATIENCE, eventually, eventually_some};
use crate::support::server::Server;
use crate::support::settings::Settings;
use crate::support::shared::{peer, tailnet};
use crate::support::unpacked;

/// The alert rules and their tests.
const RULES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/prometheus/alerts.yaml");
const RULE_TESTS: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/deploy/prometheus/alerts_test.yaml"
);

/// The example's address of the admin endpoint.
const EXAMPLE: &str = "127.0.0.1:9100";

/// Its web port is a free one of loopback; it ends with the value.
struct Prometheus {
    server: Child,
    at: SocketAddr,
    _home: Home,
}

impl Prometheus {
    /// Has it scrape an endpoint, with the document's configuration and the rules.
    #[track_caller]
    fn scraping(endpoint: SocketAddr) -> Self {
        let home = Home::new();
        let scrapes = example();
        assert!(scrapes.contains(EXAMPLE), "{scrapes}");
        let scrapes = scrapes.replace(EXAMPLE, &endpoint.to_string());
        let often = "global: {scrape_interval: 1s, evaluation_interval: 1s}\n";
        let config = home.path().join("prometheus.yml");
        fs::write(&config, format!("{often}rule_files: [{RULES}]\n{scrapes}")).unwrap();
        accepted(
            &unpacked::program("usr/bin/promtool")
                .args(["check", "config"])
                .arg(&config)
                .output()
                .unwrap(),
        );
        let mut command = unpacked::program("usr/bin/prometheus");
        let path = |key: &str, name: &str| format!("{key}={}", home.path().join(name).display());
        command
            .arg(path("--config.file", "prometheus.yml"))
            .arg(path("--storage.tsdb.path", "data"))
            .arg("--web.listen-address=127.0.0.1:0");
        let server = Child::start("prometheus", &mut command);
        let at = unpacked::told(&server, "Listening on", "address=");
        server
            .stderr
            .wait(PATIENCE, |line| line.contains("Server is ready"))
            .expect("prometheus is ready");
        Self {
            server,
            at: at.parse().expect("an address"),
            _home: home,
        }
    }

    /// What its API answers, below `data`.
    #[track_caller]
    fn data(&mut self, path: &str) -> Value {
        assert_eq!(self.server.has_ended(), None, "prometheus has ended");
        let answer = http::request(self.at, "GET", &format!("/api/v1/{path}"));
        assert_eq!(answer.status, 200, "{}", answer.body);
        let mut answer: Value = serde_json::from_str(&answer.body).expect("JSON");
        answer["data"].take()
    }

    /// The value of an expression that is one series, or none.
    #[track_caller]
    fn value(&mut self, expression: &str) -> Option<f64> {
        let found = self.data(&format!("query?query={}", http::escaped(expression)));
        let series = found["result"].as_array().expect("a list");
        assert!(series.len() < 2, "{expression}: {found}");
        let text = series.first()?["value"][1].as_str()?;
        Some(text.parse().expect("a number"))
    }

    /// Waits until an expression has a value.
    #[track_caller]
    fn wait(&mut self, expression: &str, expected: f64) {
        let what = format!("{expression} is {expected}");
        eventually(&what, PATIENCE, || self.value(expression) == Some(expected));
    }
}

/// The scrape configuration of the document.
fn example() -> &'static str {
    let document = include_str!("../../docs/operations.md");
    let block = document.split("```yaml\n").nth(1);
    let block = block.and_then(|block| block.split("```").next());
    let block = block.expect("an example");
    assert!(block.starts_with("scrape_configs:"), "{block}");
    block
}

#[track_caller]
fn accepted(said: &Output) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&said.stdout), text(&said.stderr));
    assert!(said.status.success(), "{out}{err}");
    assert!(err.is_empty(), "{err}");
}

#[test]
#[ignore = "needs prometheus: make interop"]
fn prometheus_stores_what_happened() {
    let echo = Server::echo();
    peer();
    let settings = Settings::on(tailnet()).set("TS_ADMIN_ADDR", "127.0.0.1:0");
    let node = settings.expose(7000, echo.address()).start(tailnet());
    peer().greet(node.address());
    let line = node.wait_for_text("the admin endpoint listens");
    let (_, at) = line.split_once("address=").expect("an address");
    let at: SocketAddr = at.split_whitespace().next().unwrap().parse().unwrap();

    let mut prometheus = Prometheus::scraping(at);
    let target = eventually_some("the target is up", PATIENCE, || {
        let target = prometheus.data("targets")["activeTargets"][0].clone();
        (target["health"] == "up").then_some(target)
    });
    assert_eq!(target["lastError"], "", "{target}");
    prometheus.wait("tailport_ready", 1.0);
    prometheus.wait("sum(tailport_connections_accepted_total)", 0.0);

    let held = peer().dial(node.at(7000));
    for _ in 0..3 {
        peer().converse(node.at(7000));
    }
    let forward = r#"{forward="expose 7000/tcp"}"#;
    prometheus.wait(
        &format!("tailport_connections_accepted_total{forward}"),
        4.0,
    );
    prometheus.wait(&format!("tailport_connections_active{forward}"), 1.0);
    let ended = r#"tailport_connections_ended_total{forward="expose 7000/tcp",how="clean"}"#;
    prometheus.wait(ended, 3.0);
    let bytes = r#"tailport_transferred_bytes_total{direction="to_peer"}"#;
    prometheus.wait(bytes, 3.0 * 15.0);
    let lasted = "histogram_quantile(0.9, tailport_connection_duration_seconds_bucket) < bool 3600";
    prometheus.wait(lasted, 1.0);
    let in_use = r#"sum(tailport_peers{path!="idle"}) > bool 0"#;
    prometheus.wait(in_use, 1.0);
    drop(held);
    prometheus.wait(&format!("tailport_connections_active{forward}"), 0.0);

    let groups = prometheus.data("rules");
    let rules = groups["groups"][0]["rules"].as_array().expect("rules");
    assert!(rules.len() > 10, "{groups}");
    eventually("all rules can be evaluated", PATIENCE, || {
        let groups = prometheus.data("rules");
        let rules = groups["groups"][0]["rules"].as_array().expect("rules");
        rules.iter().all(|rule| rule["health"] == "ok")
    });

    let text = http::request(at, "GET", "/metrics").body;
    let mut promtool = unpacked::program("usr/bin/promtool");
    accepted(&unpacked::judge(promtool.args(["check", "metrics"]), &text));
}

#[test]
#[ignore = "needs prometheus: make interop"]
fn the_rules_speak_when_they_must_and_not_before() {
    let promtool = |what: [&str; 3]| {
        let said = unpacked::program("usr/bin/promtool").args(what).output();
        let said = said.unwrap();
        let text = String::from_utf8_lossy(&said.stdout).into_owned();
        assert!(said.status.success(), "{text}{said:?}");
        text
    };
    let said = promtool(["check", "rules", RULES]);
    assert!(said.contains("SUCCESS"), "{said}");
    let said = promtool(["test", "rules", RULE_TESTS]);
    assert!(said.contains("SUCCESS"), "{said}");
}
