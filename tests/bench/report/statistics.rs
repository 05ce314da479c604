//! What the rounds say together: median and spread, and the ratio to the reference.

use std::collections::BTreeSet;

use serde::Serialize;

use super::OURS;
use crate::kind::BEFORE;
use crate::samples::{Figure, Sample, Samples, Scenario};

/// Values by their middle and their ends.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) minimum: f64,
    pub(crate) maximum: f64,
}

impl Spread {
    /// None without a value; what is not a finite number is left out.
    fn of(values: impl Iterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.filter(|value| value.is_finite()).collect();
        values.sort_by(f64::total_cmp);
        let middle = values.len() / 2;
        let upper = *values.get(middle)?;
        let median = if values.len() % 2 == 1 {
            upper
        } else {
            f64::midpoint(values[middle - 1], upper)
        };
        Some(Self {
            median,
            minimum: values[0],
            maximum: values[values.len() - 1],
        })
    }
}

/// A figure of a contestant under one load, over all rounds.
#[derive(Clone, Debug)]
pub(crate) struct Statistic {
    pub(crate) scenario: Scenario,
    pub(crate) figure: &'static Figure,
    pub(crate) load: u32,
    pub(crate) contestant: &'static str,
    pub(crate) value: Spread,
    /// Over the ratios to the reference, each of one round: rounds alternate between
    /// the contestants, so what disturbs a whole round drops out of its ratio. None
    /// without the reference in the same round, or where that is zero.
    pub(crate) ratio: Option<Spread>,
    /// The same to another build of ours.
    pub(crate) to_before: Option<Spread>,
}

/// The statistics of a run.
#[derive(Debug)]
pub(crate) struct Summary {
    /// In the order in which their first samples came.
    pub(crate) statistics: Vec<Statistic>,
}

impl Summary {
    /// Over all rounds of the samples.
    pub(crate) fn of(samples: &Samples) -> Self {
        let mut statistics: Vec<Statistic> = Vec::new();
        let mut seen = BTreeSet::new();
        for first in &samples.0 {
            if !seen.insert(key(first)) {
                continue;
            }
            let same = || samples.0.iter().filter(|sample| key(sample) == key(first));
            let Some(value) = Spread::of(same().map(|sample| sample.value)) else {
                continue;
            };
            let ratio_to =
                |other| Spread::of(same().filter_map(|sample| ratio(sample, other, samples)));
            statistics.push(Statistic {
                scenario: first.scenario,
                figure: first.figure,
                load: first.load,
                contestant: first.contestant,
                value,
                ratio: ratio_to(first.scenario.reference()),
                to_before: ratio_to(BEFORE),
            });
        }
        Self { statistics }
    }

    /// What was measured of this, if it was.
    pub(crate) fn find(
        &self,
        scenario: Scenario,
        figure: &Figure,
        load: u32,
        contestant: &str,
    ) -> Option<&Statistic> {
        self.statistics.iter().find(|statistic| {
            statistic.scenario == scenario
                && statistic.figure == figure
                && statistic.load == load
                && statistic.contestant == contestant
        })
    }

    /// All that is shown together, by scenario, then in the order of measuring.
    pub(crate) fn groups(&self) -> Vec<Group<'_>> {
        let mut pairs: Vec<(Scenario, &'static Figure)> = Vec::new();
        for statistic in &self.statistics {
            let pair = (statistic.scenario, statistic.figure);
            if !pairs.contains(&pair) {
                pairs.push(pair);
            }
        }
        pairs.sort_by_key(|(scenario, _)| *scenario);
        pairs
            .into_iter()
            .map(|(scenario, figure)| Group::of(self, scenario, figure))
            .collect()
    }
}

/// A figure in a scenario.
pub(crate) struct Group<'a> {
    pub(crate) scenario: Scenario,
    pub(crate) figure: &'static Figure,
    /// From light to heavy.
    pub(crate) loads: Vec<u32>,
    /// Ours first, then the reference.
    pub(crate) contestants: Vec<&'static str>,
    pub(crate) statistics: Vec<&'a Statistic>,
}

impl<'a> Group<'a> {
    fn of(summary: &'a Summary, scenario: Scenario, figure: &'static Figure) -> Self {
        let statistics: Vec<&Statistic> = summary
            .statistics
            .iter()
            .filter(|statistic| statistic.scenario == scenario && statistic.figure == figure)
            .collect();
        let mut loads = in_order(statistics.iter().map(|statistic| statistic.load));
        loads.sort_unstable();
        let mut contestants = in_order(statistics.iter().map(|statistic| statistic.contestant));
        contestants.sort_by_key(|name| (*name != OURS, *name != scenario.reference()));
        Self {
            scenario,
            figure,
            loads,
            contestants,
            statistics,
        }
    }

    /// What the contestant reached under the load, if that was measured.
    pub(crate) fn at(&self, load: u32, contestant: &str) -> Option<&'a Statistic> {
        self.statistics
            .iter()
            .copied()
            .find(|statistic| statistic.load == load && statistic.contestant == contestant)
    }
}

/// What two samples share when they differ in the round alone.
fn key(sample: &Sample) -> (Scenario, &'static str, u32, &'static str) {
    (
        sample.scenario,
        sample.figure.key,
        sample.load,
        sample.contestant,
    )
}

/// The sample over another contestant's of the same round.
fn ratio(sample: &Sample, contestant: &str, samples: &Samples) -> Option<f64> {
    let reference = samples.0.iter().find(|other| {
        other.scenario == sample.scenario
            && other.figure == sample.figure
            && other.load == sample.load
            && other.round == sample.round
            && other.contestant == contestant
    })?;
    (reference.value != 0.0).then(|| sample.value / reference.value)
}

/// Each once, where it came first.
pub(super) fn in_order<T: PartialEq>(items: impl Iterator<Item = T>) -> Vec<T> {
    let mut once = Vec::new();
    for item in items {
        if !once.contains(&item) {
            once.push(item);
        }
    }
    once
}
