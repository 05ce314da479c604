//! The alert rules and the dashboard below deploy/ ask for nothing that the program does not
//! tell: every metric, label and word in them is one of `/metrics`.

#![allow(clippy::unwrap_used, reason = "the helpers of tests are tests")]

#[path = "watching/exported.rs"]
mod exported;
#[path = "watching/expression.rs"]
mod expression;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use exported::Exported;
use expression::Expression;

#[derive(Deserialize)]
struct Rules {
    groups: Vec<Group>,
}

#[derive(Deserialize)]
struct Group {
    rules: Vec<Rule>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    alert: String,
    expr: String,
    #[serde(default, rename = "for")]
    _for: String,
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
}

/// What is read of the rules' unit tests; `promtool` reads all of it.
#[derive(Deserialize)]
struct RuleTests {
    tests: Vec<RuleTest>,
}

#[derive(Deserialize)]
struct RuleTest {
    alert_rule_test: Vec<Expectation>,
}

#[derive(Deserialize)]
struct Expectation {
    alertname: String,
    exp_alerts: Vec<Value>,
}

fn file(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("deploy")
        .join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn rules() -> Vec<Rule> {
    let rules: Rules = serde_saphyr::from_str(&file("prometheus/alerts.yaml")).unwrap();
    let rules: Vec<_> = rules.groups.into_iter().flat_map(|g| g.rules).collect();
    assert!(rules.len() > 10, "only {} rules", rules.len());
    rules
}

/// Every object below a value that has this key.
fn with_key<'a>(value: &'a Value, key: &str) -> Vec<&'a Value> {
    let mut found = Vec::new();
    match value {
        Value::Array(all) => found.extend(all.iter().flat_map(|below| with_key(below, key))),
        Value::Object(all) => {
            found.extend(all.contains_key(key).then_some(value));
            found.extend(all.values().flat_map(|below| with_key(below, key)));
        }
        _ => {}
    }
    found
}

/// The labels that a text such as `{{instance}} {{forward}}` shows.
fn shown(text: &str) -> BTreeSet<String> {
    let parts = text.split("{{").skip(1);
    let names = parts.filter_map(|part| part.split("}}").next());
    let names = names.map(|name| name.trim().trim_start_matches("$labels."));
    let labels = names.filter(|name| !name.starts_with("$value"));
    labels.map(str::to_owned).collect()
}

#[test]
fn alerts_ask_for_what_is_told() {
    let exported = Exported::now();
    let document = include_str!("../docs/operations.md");
    for rule in rules() {
        let named = document.contains(&format!("`{}`", rule.alert));
        assert!(named, "docs/operations.md does not name {}", rule.alert);
        let expression = Expression::parse(&rule.expr);
        exported.check(&rule.alert, &expression);
        let texts = ["summary", "description"].map(|key| rule.annotations[key].clone());
        exported.check_shown(&rule.alert, &expression, &shown(&texts.join(" ")));
        assert!(
            ["critical", "warning", "info"].contains(&rule.labels["severity"].as_str()),
            "{}",
            rule.alert
        );
    }
}

#[test]
fn every_alert_is_tested_both_ways() {
    let tests: RuleTests = serde_saphyr::from_str(&file("prometheus/alerts_test.yaml")).unwrap();
    let tests = tests
        .tests
        .into_iter()
        .flat_map(|test| test.alert_rule_test);
    let mut seen = BTreeSet::new();
    for expectation in tests {
        seen.insert((expectation.alertname, expectation.exp_alerts.is_empty()));
    }
    for rule in rules() {
        for silent in [true, false] {
            let both = seen.contains(&(rule.alert.clone(), silent));
            assert!(both, "{} is not tested with silent={silent}", rule.alert);
        }
    }
}

#[test]
fn the_dashboard_asks_for_what_is_told() {
    let exported = Exported::now();
    let dashboard: Value = serde_json::from_str(&file("grafana/tailport.json")).unwrap();
    let mut asked = BTreeSet::new();
    let queries = with_key(&dashboard["panels"], "expr");
    assert!(queries.len() > 20, "only {} queries", queries.len());
    for query in queries {
        let text = query["expr"].as_str().unwrap();
        let expression = Expression::parse(text);
        exported.check(text, &expression);
        let legend = query["legendFormat"].as_str().unwrap();
        exported.check_shown(text, &expression, &shown(legend));
        asked.extend(
            expression
                .selectors
                .into_iter()
                .map(|selector| selector.name),
        );
    }
    // Of its own metrics the program tells none in vain, but for what histograms add.
    let own = exported.names().filter(|name| {
        let added = name.ends_with("_sum") || name.ends_with("_count");
        name.starts_with("tailport_") && !added
    });
    let left_out: Vec<_> = own.filter(|name| !asked.contains(*name)).collect();
    assert!(left_out.is_empty(), "not on the dashboard: {left_out:?}");
}

#[test]
fn the_dashboard_chooses_among_what_is_told() {
    let exported = Exported::now();
    let dashboard: Value = serde_json::from_str(&file("grafana/tailport.json")).unwrap();
    let mut names = BTreeSet::new();
    for variable in dashboard["templating"]["list"].as_array().unwrap() {
        names.insert(format!("${}", variable["name"].as_str().unwrap()));
        let Some(query) = variable["query"]["query"].as_str() else {
            continue;
        };
        let inside = query.strip_prefix("label_values(").unwrap();
        let (metric, label) = inside.strip_suffix(')').unwrap().rsplit_once(", ").unwrap();
        let expression = Expression::parse(metric);
        exported.check(query, &expression);
        exported.check_shown(query, &expression, &BTreeSet::from([label.to_owned()]));
    }
    for query in with_key(&dashboard["panels"], "expr") {
        let text = query["expr"].as_str().unwrap();
        for selector in Expression::parse(text).selectors {
            for (label, _, value) in selector.matchers {
                let known = !value.starts_with('$') || names.contains(&value);
                assert!(known, "{text}: no variable {value} for {label}");
            }
        }
    }
}

#[test]
fn panels_do_not_cover_each_other() {
    let dashboard: Value = serde_json::from_str(&file("grafana/tailport.json")).unwrap();
    let mut ids = BTreeSet::new();
    let mut taken = BTreeSet::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{panel}");
        let side = |key: &str| panel["gridPos"][key].as_u64().unwrap();
        assert!(side("x") + side("w") <= 24, "{panel}");
        for x in side("x")..side("x") + side("w") {
            for y in side("y")..side("y") + side("h") {
                assert!(taken.insert((x, y)), "{panel}");
            }
        }
    }
}
