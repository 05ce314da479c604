//! From values to heights, and the ticks beside them.

use std::ops::Range;

use plotters::coord::ranged1d::{DefaultFormatting, KeyPointHint, Ranged};

use super::units::{self, Scale};
use crate::samples::Unit;

/// From this factor on between values, heights are logarithmic.
const WIDE: f64 = 30.0;

/// An axis of values; its positions are numbers of its unit, or their logarithms.
pub(super) struct Axis {
    scale: Scale,
    logarithmic: bool,
    /// In positions.
    range: Range<f64>,
    /// In positions.
    ticks: Vec<f64>,
    decimals: usize,
}

impl Axis {
    /// From zero to a little above the values, or over their powers of ten where
    /// they are far apart.
    pub(super) fn of(unit: Unit, values: &[f64]) -> Self {
        let (low, high) = ends(values);
        if low > 0.0 && high / low > WIDE {
            return Self::logarithmic(unit, low, high);
        }
        Self::from_zero(unit, high)
    }

    /// From zero, however far apart the values are.
    pub(super) fn from_zero(unit: Unit, high: f64) -> Self {
        let scale = Scale::of(unit, high);
        let top = if high > 0.0 { high / scale.one } else { 1.0 };
        let step = match unit {
            Unit::Count => step(top / 6.0).max(1.0),
            _ => step(top / 6.0),
        };
        let end = (top * 1.05 / step).ceil();
        let decimals = (-step.log10().floor()).max(0.0) as usize;
        Self {
            scale,
            logarithmic: false,
            range: 0.0..end * step,
            ticks: (0..=end as u32)
                .map(|tick| f64::from(tick) * step)
                .collect(),
            decimals,
        }
    }

    fn logarithmic(unit: Unit, low: f64, high: f64) -> Self {
        let scale = Scale::of(unit, (low * high).sqrt());
        let (low, high) = (low / scale.one, high / scale.one);
        let powers = low.log10().floor() as i32..=high.log10().floor() as i32;
        let steps: &[f64] = if high / low < 3000.0 {
            &[1.0, 2.0, 5.0]
        } else {
            &[1.0]
        };
        let mut numbers: Vec<f64> = powers
            .flat_map(|power| steps.iter().map(move |step| step * 10_f64.powi(power)))
            .collect();
        numbers.push(10_f64.powf(high.log10().floor() + 1.0));
        // From the last tick at or below the values to the first one at or above them.
        let first = numbers.iter().rposition(|number| *number <= low);
        let last = numbers.iter().position(|number| *number >= high);
        let ticks: Vec<f64> = numbers[first.unwrap_or(0)..=last.unwrap_or(numbers.len() - 1)]
            .iter()
            .map(|number| number.log10())
            .collect();
        Self {
            scale,
            logarithmic: true,
            range: ticks[0]..ticks[ticks.len() - 1],
            ticks,
            decimals: 0,
        }
    }

    /// For a chart.
    pub(super) fn ticked(&self) -> Ticked {
        self.with_room(0.0)
    }

    /// For a chart, with room behind the last tick for a share of the range.
    pub(super) fn with_room(&self, share: f64) -> Ticked {
        let room = (self.range.end - self.range.start) * share;
        Ticked {
            range: self.range.start..self.range.end + room,
            ticks: self.ticks.clone(),
        }
    }

    /// How long the axis is, in positions.
    pub(super) fn length(&self) -> f64 {
        self.range.end - self.range.start
    }

    /// Where the value stands.
    pub(super) fn position(&self, value: f64) -> f64 {
        let number = value / self.scale.one;
        if self.logarithmic {
            number.log10()
        } else {
            number
        }
    }

    /// What stands at a tick.
    pub(super) fn label(&self, tick: f64) -> String {
        if !self.logarithmic {
            return units::grouped(tick, self.decimals);
        }
        let decimals = (-(tick + 1e-9).floor()).max(0.0) as usize;
        units::grouped(10_f64.powf(tick), decimals)
    }

    /// What stands beside it: the unit, or what is counted when it has none.
    pub(super) fn name(&self) -> &'static str {
        match self.scale.name {
            "" => "count",
            name => name,
        }
    }
}

/// A range of positions with a line at each tick, and nowhere else.
pub(super) struct Ticked {
    pub(super) range: Range<f64>,
    pub(super) ticks: Vec<f64>,
}

impl Ranged for Ticked {
    type FormatOption = DefaultFormatting;
    type ValueType = f64;

    fn map(&self, position: &f64, (first, last): (i32, i32)) -> i32 {
        let share = (position - self.range.start) / (self.range.end - self.range.start);
        first + (share * f64::from(last - first)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        if hint.weight().allow_light_points() {
            return Vec::new();
        }
        self.ticks.clone()
    }

    fn range(&self) -> Range<f64> {
        self.range.clone()
    }
}

/// The smallest and the largest.
fn ends(values: &[f64]) -> (f64, f64) {
    let low = values.iter().copied().fold(f64::INFINITY, f64::min);
    let high = values.iter().copied().fold(0.0, f64::max);
    (low, high)
}

/// The first of 1, 2, 5, 10, ... and their tenths that is not below.
fn step(least: f64) -> f64 {
    let power = 10_f64.powf(least.log10().floor());
    [1.0, 2.0, 5.0]
        .iter()
        .map(|step| step * power)
        .find(|step| *step >= least * 0.999)
        .unwrap_or(10.0 * power)
}
