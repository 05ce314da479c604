//! Values as people say them: `512 MiB/s`, `1.20 ms`.

use super::statistics::Spread;
use crate::samples::Unit;

/// A unit of a size that suits a value.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scale {
    /// How much one of it is.
    pub(crate) one: f64,
    /// Empty for what is just counted.
    pub(crate) name: &'static str,
    whole: bool,
}

impl Scale {
    /// The largest one that the value has at least one of, or the smallest one.
    pub(crate) fn of(unit: Unit, value: f64) -> Self {
        const KIB: f64 = 1024.0;
        let names: &[(f64, &'static str)] = match unit {
            Unit::BytesPerSecond => &[
                (KIB * KIB * KIB, "GiB/s"),
                (KIB * KIB, "MiB/s"),
                (KIB, "KiB/s"),
                (1.0, "B/s"),
            ],
            Unit::Bytes => &[
                (KIB * KIB * KIB, "GiB"),
                (KIB * KIB, "MiB"),
                (KIB, "KiB"),
                (1.0, "B"),
            ],
            Unit::Seconds => &[(1.0, "s"), (1e-3, "ms"), (1e-6, "µs")],
            Unit::PerSecond => &[(1.0, "1/s")],
            Unit::Count => &[(1.0, "")],
            Unit::Share => &[(0.01, "%")],
        };
        let (one, name) = names
            .iter()
            .copied()
            .find(|(one, _)| value.abs() >= *one)
            .unwrap_or(names[names.len() - 1]);
        let whole = unit == Unit::Count;
        Self { one, name, whole }
    }

    /// The value's number in this unit, with three digits that count.
    pub(crate) fn number(&self, value: f64) -> String {
        let number = value / self.one;
        if number == 0.0 || self.whole && number.fract() == 0.0 {
            return grouped(number, 0);
        }
        // A number that rounds up to the next power of ten has a digit more.
        let rounded = format!("{:.2e}", number.abs());
        let power: i32 = rounded
            .split_once('e')
            .and_then(|(_, power)| power.parse().ok())
            .unwrap_or(0);
        grouped(number, usize::try_from(2 - power).unwrap_or(0).min(9))
    }

    fn with_name(&self, number: &str) -> String {
        match self.name {
            "" => number.to_owned(),
            "%" => format!("{number}%"),
            name => format!("{number} {name}"),
        }
    }
}

/// The value with its unit.
pub(crate) fn text(unit: Unit, value: f64) -> String {
    let scale = Scale::of(unit, value);
    scale.with_name(&scale.number(value))
}

/// The median with its unit, and its ends in the same.
pub(crate) fn spread(unit: Unit, spread: &Spread) -> String {
    let scale = match spread.median {
        0.0 => Scale::of(unit, spread.maximum),
        median => Scale::of(unit, median),
    };
    let median = scale.with_name(&scale.number(spread.median));
    if spread.minimum == spread.maximum {
        return median;
    }
    let (minimum, maximum) = (scale.number(spread.minimum), scale.number(spread.maximum));
    format!("{median} ({minimum}-{maximum})")
}

/// A ratio with its ends.
pub(crate) fn ratio(ratio: &Spread) -> String {
    let decimals = if ratio.median < 0.1 { 3 } else { 2 };
    let number = |value: f64| format!("{value:.decimals$}");
    let median = number(ratio.median);
    if ratio.minimum == ratio.maximum {
        return median;
    }
    format!(
        "{median} ({}-{})",
        number(ratio.minimum),
        number(ratio.maximum)
    )
}

/// With so many decimals, and a comma between thousands.
pub(crate) fn grouped(number: f64, decimals: usize) -> String {
    let text = format!("{number:.decimals$}");
    let (whole, rest) = match text.find('.') {
        Some(point) => text.split_at(point),
        None => (text.as_str(), ""),
    };
    let mut out = String::new();
    for (index, digit) in whole.chars().enumerate() {
        let left = whole.len() - index;
        if left % 3 == 0 && out.ends_with(|last: char| last.is_ascii_digit()) {
            out.push(',');
        }
        out.push(digit);
    }
    out + rest
}
