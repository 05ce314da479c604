//! Tests of the list of variables.

use super::*;

fn read(pairs: &[(&str, &str)]) -> Readings {
    envy::from_iter(
        pairs
            .iter()
            .map(|(name, text)| (name.to_string(), text.to_string())),
    )
    .unwrap()
}

#[test]
fn a_field_is_named_like_its_variable() {
    assert_eq!(FIELDS.len(), VARIABLES.len());
    for (field, variable) in FIELDS.iter().zip(VARIABLES) {
        assert_eq!(field.to_uppercase(), variable.name);
    }
}

#[test]
fn every_default_is_a_good_value() {
    for variable in VARIABLES {
        if let DefaultValue::Text(text) = variable.default {
            let readings = read(&[(variable.name, text)]);
            assert_eq!(readings.wrong(), [], "{}", variable.name);
        }
    }
}

#[test]
fn every_variable_says_what_it_is_and_what_is_allowed() {
    for variable in VARIABLES {
        assert!(
            !variable.help.is_empty() && !variable.rule.is_empty(),
            "{}",
            variable.name
        );
        assert!(variable.name.starts_with("TS_"), "{}", variable.name);
        assert!(
            !(variable.secret && variable.flag.is_some()),
            "{} is a secret with a flag",
            variable.name
        );
    }
}

#[test]
fn every_mistake_is_found_in_one_pass_under_its_own_name() {
    let readings = read(&[
        ("TS_TIMEOUT", "5"),
        ("TS_HOSTNAME", "a b"),
        ("TS_LISTEN", "x"),
    ]);
    let names: Vec<_> = readings.wrong().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["TS_HOSTNAME", "TS_LISTEN", "TS_TIMEOUT"]);
}
