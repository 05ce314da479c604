//! What `/metrics` tells when there is something of everything, by the code that tells it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tailport::admin::{Answer, LibraryCounts, NodeStatus, Operations, PathCounts, View};
use tailport::telemetry::metrics::Ended;
use tailport::telemetry::registry::Registry;
use tokio::sync::watch;

use super::expression::Expression;

/// Labels that Prometheus adds to everything that it scrapes.
const ADDED: [&str; 2] = ["job", "instance"];

/// Labels whose values are words of the program, all of them told from the start.
const WORDS: [&str; 4] = ["direction", "how", "path", "state"];

/// Every metric with its labels and their values.
pub(crate) struct Exported(BTreeMap<String, BTreeMap<String, BTreeSet<String>>>);

/// A Go half that answers.
struct Library;

impl Operations for Library {
    fn library(&self) -> Option<LibraryCounts> {
        Some(LibraryCounts::default())
    }

    fn paths(&self) -> Answer<'_, PathCounts> {
        Box::pin(async { Ok(PathCounts::default()) })
    }
}

impl Exported {
    /// Has every metric told once.
    pub(crate) fn now() -> Self {
        let registry = Arc::new(Registry::default());
        let forward = registry.forward("expose 22/tcp", "127.0.0.1:22");
        forward.begin_flow().end(Ended::DialFailed);
        forward.dialed(Duration::from_secs(1), Some("timed_out"));
        let status = NodeStatus {
            key_expiry: Some(SystemTime::now()),
            ..NodeStatus::default()
        };
        let (_node, node) = watch::channel(status);
        let view = View::new(node, registry, 1000, Arc::new(Library));
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        let text = runtime.unwrap().block_on(view.metrics());
        let samples = text.lines().filter(|line| !line.starts_with('#'));
        let mut exported = Self(BTreeMap::new());
        // A sample is an expression with a number behind it.
        for sample in samples {
            for selector in Expression::parse(sample).selectors {
                let labels = exported.0.entry(selector.name).or_default();
                for (label, _, value) in selector.matchers {
                    labels.entry(label).or_default().insert(value);
                }
            }
        }
        // Prometheus' own word on each scrape.
        exported.0.insert("up".to_owned(), BTreeMap::new());
        assert!(exported.0.len() > 30, "{text}");
        exported
    }

    /// The program's own metrics.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        let names = self.0.keys().map(String::as_str);
        names.filter(|name| *name != "up")
    }

    /// Every metric, label and word of the expression is told.
    #[track_caller]
    pub(crate) fn check(&self, what: &str, expression: &Expression) {
        for selector in &expression.selectors {
            let Some(labels) = self.0.get(&selector.name) else {
                // Those of the process are told on Linux only.
                let elsewhere = selector.name.starts_with("process_") && !cfg!(target_os = "linux");
                assert!(elsewhere, "{what}: there is no metric {}", selector.name);
                continue;
            };
            for (label, _, value) in &selector.matchers {
                let here = labels.contains_key(label) || ADDED.contains(&label.as_str());
                assert!(here, "{what}: {} has no label {label}", selector.name);
                for word in value.split('|').filter(|_| WORDS.contains(&label.as_str())) {
                    let known = labels[label].contains(word);
                    assert!(known, "{what}: {label} is never {word}");
                }
            }
        }
        self.check_shown(
            what,
            expression,
            &expression.labels.iter().cloned().collect(),
        );
    }

    /// Every one of these labels is one of the expression's metrics.
    #[track_caller]
    pub(crate) fn check_shown(
        &self,
        what: &str,
        expression: &Expression,
        shown: &BTreeSet<String>,
    ) {
        let names = expression.selectors.iter().map(|selector| &selector.name);
        let labels = names.filter_map(|name| self.0.get(name));
        let labels: BTreeSet<&str> = labels.flat_map(|l| l.keys().map(String::as_str)).collect();
        for label in shown {
            let here = labels.contains(label.as_str()) || ADDED.contains(&label.as_str());
            assert!(here, "{what}: no metric of it has a label {label}");
        }
    }
}
