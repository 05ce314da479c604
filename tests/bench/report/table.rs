//! The tables on stdout: a block a scenario, in it one a figure.

use std::fmt::Write;

use super::statistics::{Group, Spread, Statistic, Summary};
use super::{OURS, units};
use crate::kind::BEFORE;
use crate::samples::{Better, Scenario};

/// How wide a line may be.
const WIDTH: usize = 140;

/// Between two columns.
const GAP: &str = "  ";

/// All of them.
pub(super) fn text(summary: &Summary) -> String {
    let mut text = String::new();
    let mut scenario = None;
    for group in summary.groups() {
        if scenario.replace(group.scenario) != Some(group.scenario) {
            let _ = writeln!(text, "\n{}", title(group.scenario));
        }
        let better = better(group.figure.better);
        let _ = writeln!(text, "\n  {} ({better})", group.figure.title);
        block(&group, &mut text);
    }
    text
}

/// The scenario for people.
pub(super) fn title(scenario: Scenario) -> &'static str {
    match scenario {
        Scenario::Expose => "expose: from the tailnet to a target of this machine",
        Scenario::Connect => "connect: from a client of this machine to the tailnet",
        Scenario::Relay => "relay: from loopback to loopback",
        Scenario::Program => "program: its start, its rest, its size",
    }
}

/// Which way is good, for people.
pub(super) fn better(better: Better) -> &'static str {
    match better {
        Better::Higher => "higher is better",
        Better::Lower => "lower is better",
    }
}

/// A column with its heading on top.
struct Column(Vec<String>);

impl Column {
    fn width(&self) -> usize {
        self.0
            .iter()
            .map(|cell| cell.chars().count())
            .max()
            .unwrap_or(0)
    }
}

/// A figure's rows; contestants for whom a line has no room come in a block below.
fn block(group: &Group<'_>, text: &mut String) {
    let loads = loads(group);
    let mut left = GAP.len() + loads.width();
    let mut line: Vec<Column> = Vec::new();
    for column in columns(group) {
        let width = GAP.len() + column.width();
        if left + width > WIDTH && !line.is_empty() {
            lines(&loads, &line, text);
            line.clear();
            left = GAP.len() + loads.width();
        }
        left += width;
        line.push(column);
    }
    lines(&loads, &line, text);
}

fn lines(loads: &Column, columns: &[Column], text: &mut String) {
    for (row, load) in loads.0.iter().enumerate() {
        let mut line = format!("{GAP}{load:>width$}", width = loads.width());
        for column in columns {
            let width = column.width();
            let _ = write!(line, "{GAP}{:<width$}", column.0[row]);
        }
        let _ = writeln!(text, "{}", line.trim_end());
    }
}

fn loads(group: &Group<'_>) -> Column {
    let mut cells = vec![group.figure.load.unwrap_or_default().to_owned()];
    cells.extend(group.loads.iter().map(|load| match group.figure.load {
        Some(_) => units::grouped(f64::from(*load), 0),
        None => String::new(),
    }));
    Column(cells)
}

/// The contestants, then the ratios of ours to the reference and to another build of it.
fn columns(group: &Group<'_>) -> Vec<Column> {
    let reference = group.scenario.reference();
    let mut columns = Vec::new();
    for name in &group.contestants {
        let mut cells = vec![(*name).to_owned()];
        cells.extend(group.loads.iter().map(|load| {
            group.at(*load, name).map_or_else(missing, |statistic| {
                units::spread(group.figure.unit, &statistic.value)
            })
        }));
        columns.push(Column(cells));
    }
    type Ratio = fn(&Statistic) -> Option<Spread>;
    let ratios: [(&str, Ratio); 2] = [(reference, |it| it.ratio), (BEFORE, |it| it.to_before)];
    for (other, ratio) in ratios {
        if !group.contestants.contains(&OURS) || !group.contestants.contains(&other) {
            continue;
        }
        let mut cells = vec![format!("{OURS} / {other}")];
        cells.extend(group.loads.iter().map(|load| {
            group
                .at(*load, OURS)
                .and_then(ratio)
                .map_or_else(missing, |ratio| units::ratio(&ratio))
        }));
        columns.push(Column(cells));
    }
    columns
}

fn missing() -> String {
    "-".to_owned()
}
