//! Durations: what is accepted is what was written, within its bounds.

use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use tailport::config::duration::{AnyDuration, LONGEST, PositiveDuration};

use crate::{hold, input};

const GOOD: &[&str] = &["0", "500ms", "5s", "1m30s", "10m", "30d", "1h 1m", "2days"];

/// Units with their milliseconds.
const UNITS: &[(&str, u64)] = &[
    ("ms", 1),
    ("s", 1000),
    ("m", 60_000),
    ("h", 3_600_000),
    ("d", 86_400_000),
];

#[test]
fn what_is_accepted_is_within_the_bounds_and_reads_back() {
    let text = prop_oneof![3 => input::almost(GOOD), 1 => input::text()];
    hold("durations", 1, text, |text| {
        let positive = text.parse::<PositiveDuration>();
        let Ok(AnyDuration(duration)) = text.parse() else {
            prop_assert!(positive.is_err());
            return Ok(());
        };
        prop_assert!(duration <= LONGEST);
        prop_assert!(duration.subsec_nanos().is_multiple_of(1_000_000));
        let shown = AnyDuration(duration).to_string();
        prop_assert_eq!(shown.parse(), Ok(AnyDuration(duration)));
        prop_assert_eq!(
            positive.ok(),
            Some(PositiveDuration(duration)).filter(|_| !duration.is_zero())
        );
        Ok(())
    });
}

#[test]
fn a_sum_of_parts_is_their_sum_or_too_long() {
    let part = (prop_oneof![0..1000_u64, any::<u64>()], select(UNITS));
    hold("sums of durations", 1, vec(part, 1..5), |parts| {
        let text: String = parts
            .iter()
            .map(|(n, (unit, _))| format!("{n}{unit}"))
            .collect();
        let millis: u128 = parts
            .iter()
            .map(|(n, (_, ms))| u128::from(*n) * u128::from(*ms))
            .sum();
        let expected = u64::try_from(millis).map(Duration::from_millis);
        let expected = expected.ok().filter(|duration| *duration <= LONGEST);
        prop_assert_eq!(text.parse().ok(), expected.map(AnyDuration), "{}", text);
        Ok(())
    });
}
