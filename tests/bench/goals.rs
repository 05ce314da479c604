//! What the program is to reach beside the reference, and whether it did.
//!
//! A goal that is missed is said, and fails nothing.

use std::fmt::Write;

use super::figures;
use super::report::OURS;
use super::report::statistics::{Statistic, Summary};
use super::report::units;
use super::samples::{Better, Figure, Scenario, Unit};

/// How far a figure is to get, in the direction in which it is better.
enum Bound {
    /// Of the reference's.
    Ratio(f64),
    /// In the figure's own unit.
    Value(f64),
}

struct Goal {
    scenario: Scenario,
    figure: &'static Figure,
    /// The loads it holds for; all that were measured when empty.
    loads: &'static [u32],
    /// The loads that are shown beside, without a bound.
    beside: &'static [u32],
    bound: Bound,
}

const fn goal(
    scenario: Scenario,
    figure: &'static Figure,
    loads: &'static [u32],
    bound: Bound,
) -> Goal {
    Goal {
        scenario,
        figure,
        loads,
        beside: &[],
        bound,
    }
}

const fn beside(goal: Goal, loads: &'static [u32]) -> Goal {
    Goal {
        beside: loads,
        ..goal
    }
}

/// Of a figure without a load.
const NO_LOAD: &[u32] = &[0];

const ALL_LOADS: &[u32] = &[];

static GOALS: &[Goal] = {
    use Bound::{Ratio, Value};
    use Scenario::{Expose, Program, Relay};
    &[
        goal(Expose, &figures::TO_TARGET, &[1], Ratio(1.10)),
        goal(Expose, &figures::TO_TARGET, &[8, 64], Ratio(1.0)),
        goal(Expose, &figures::TO_CLIENT, &[1], Ratio(1.10)),
        goal(Expose, &figures::TO_CLIENT, &[8, 64], Ratio(1.0)),
        beside(
            goal(Expose, &figures::TO_TARGET_CPU, &[1], Ratio(0.90)),
            &[8, 64],
        ),
        beside(
            goal(Expose, &figures::TO_CLIENT_CPU, &[1], Ratio(0.90)),
            &[8, 64],
        ),
        goal(Expose, &figures::PEAK_MEMORY, &[8], Ratio(0.25)),
        goal(Expose, &figures::LATENCY_P50, &[1, 16], Ratio(1.05)),
        goal(Expose, &figures::LATENCY_P99, &[1, 16], Ratio(1.05)),
        goal(Expose, &figures::CONNECTS, ALL_LOADS, Ratio(1.0)),
        goal(Expose, &figures::CONNECTS_CPU, ALL_LOADS, Ratio(1.0)),
        goal(Expose, &figures::HELD_THREADS, &[10_000], Value(16.0)),
        goal(Program, &figures::READY, NO_LOAD, Ratio(1.0)),
        goal(Program, &figures::BINARY, NO_LOAD, Value(25_000_000.0)),
        goal(Relay, &figures::TO_TARGET, &[1], Ratio(0.9)),
        goal(Relay, &figures::TO_TARGET_CPU, &[1], Ratio(1.1)),
    ]
};

/// A line a goal and load.
pub(crate) fn text(summary: &Summary) -> String {
    let mut text = String::new();
    for goal in GOALS {
        let loads = goal.loads(summary);
        if loads.is_empty() {
            let _ = writeln!(text, "goal {}: {}", goal.subject(None), goal.missing());
        }
        for load in loads {
            let subject = goal.subject(Some(load));
            let _ = match goal.reached(summary, load) {
                Some(reached) => writeln!(text, "goal {subject}: {}", goal.verdict(reached)),
                None => writeln!(text, "goal {subject}: {}", goal.missing()),
            };
        }
        for load in goal.beside {
            if let Some(reached) = goal.reached(summary, *load) {
                let subject = goal.subject(Some(*load));
                let reached = goal.number(reached, 2);
                let _ = writeln!(text, "     {subject}: reached {reached} (no goal)");
            }
        }
    }
    text
}

impl Goal {
    fn loads(&self, summary: &Summary) -> Vec<u32> {
        if !self.loads.is_empty() {
            return self.loads.to_vec();
        }
        let ours = |statistic: &&Statistic| {
            statistic.scenario == self.scenario
                && statistic.figure == self.figure
                && statistic.contestant == OURS
        };
        let mut loads: Vec<u32> = summary
            .statistics
            .iter()
            .filter(ours)
            .map(|statistic| statistic.load)
            .collect();
        loads.sort_unstable();
        loads
    }

    fn reached(&self, summary: &Summary, load: u32) -> Option<f64> {
        let statistic = summary.find(self.scenario, self.figure, load, OURS)?;
        match self.bound {
            Bound::Ratio(_) => statistic.ratio.map(|ratio| ratio.median),
            Bound::Value(_) => Some(statistic.value.median),
        }
    }

    fn bound(&self) -> f64 {
        match self.bound {
            Bound::Ratio(bound) | Bound::Value(bound) => bound,
        }
    }

    fn holds(&self, reached: f64) -> bool {
        match self.figure.better {
            Better::Higher => reached >= self.bound(),
            Better::Lower => reached <= self.bound(),
        }
    }

    /// What it is about, and against whom.
    fn subject(&self, load: Option<u32>) -> String {
        let mut subject = format!("{}, {}", self.scenario.name(), self.figure.title);
        if let (Some(counted), Some(load)) = (self.figure.load, load) {
            let counted = match load {
                1 => counted.trim_end_matches('s'),
                _ => counted,
            };
            let _ = write!(subject, ", {} {counted}", units::grouped(load.into(), 0));
        }
        if let Bound::Ratio(_) = self.bound {
            let _ = write!(subject, ", to {}", self.scenario.reference());
        }
        subject
    }

    fn verdict(&self, reached: f64) -> String {
        let holds = self.holds(reached);
        // As many decimals as it takes for the numbers not to contradict the verdict.
        let number = (2..9)
            .map(|decimals| self.number(reached, decimals))
            .find(|number| self.holds_as_printed(number) == holds)
            .unwrap_or_else(|| self.number(reached, 9));
        let word = if holds { "yes" } else { "NO" };
        format!("reached {number} ({}): {word}", self.wanted())
    }

    fn missing(&self) -> String {
        format!("not measured ({})", self.wanted())
    }

    fn wanted(&self) -> String {
        let sign = match self.figure.better {
            Better::Higher => '≥',
            Better::Lower => '≤',
        };
        format!("goal {sign} {}", self.number(self.bound(), 2))
    }

    /// Ratios as they are, sizes in MB, counts without decimals that say nothing.
    fn number(&self, value: f64, decimals: usize) -> String {
        match (&self.bound, self.figure.unit) {
            (Bound::Value(_), Unit::Bytes) => format!("{:.decimals$} MB", value / 1e6),
            (Bound::Value(_), Unit::Count) if value.fract() == 0.0 => format!("{value}"),
            _ => format!("{value:.decimals$}"),
        }
    }

    fn holds_as_printed(&self, number: &str) -> bool {
        let (number, one) = match number.strip_suffix(" MB") {
            Some(number) => (number, 1e6),
            None => (number, 1.0),
        };
        number
            .parse()
            .is_ok_and(|number: f64| self.holds(number * one))
    }
}
