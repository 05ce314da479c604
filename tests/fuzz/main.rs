//! Bad input at scale: whatever comes in by the environment, the command line or a path, nothing
//! panics, nothing is invented from it, and no key comes out again.
//!
//! FUZZ_CASES says how many cases a cheap property is tried with; a dear one takes a part of them.
//! Without it a few hundred keep these tests quick. `tests/fuzz.sh` runs the long form of these and
//! of all other such tests.

#![allow(clippy::unwrap_used, reason = "the helpers of tests are tests")]

mod command_line;
mod durations;
mod environment;
mod file;
mod forwards;
mod input;
mod paths;
mod secrets;

use proptest::strategy::Strategy;
use proptest::test_runner::{Config, TestCaseError, TestRunner};

/// Cases of a cheap property when FUZZ_CASES does not say.
const SHORT: u32 = 500;

/// What a property says about one case.
type Verdict = Result<(), TestCaseError>;

/// Tries a property with one in `part` of the cases asked for, and says how many that were.
#[track_caller]
fn hold<S: Strategy>(name: &str, part: u32, input: S, property: impl Fn(S::Value) -> Verdict) {
    let asked = std::env::var("FUZZ_CASES").ok();
    let asked = asked.map_or(SHORT, |text| text.parse().expect("FUZZ_CASES is a number"));
    let cases = (asked / part).max(1);
    let mut runner = TestRunner::new(Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    });
    if let Err(error) = runner.run(&input, property) {
        panic!("{name}: {error}");
    }
    println!("fuzz: {name}: {cases} cases");
}
