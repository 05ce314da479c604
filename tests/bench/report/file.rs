//! A run as JSON: written for programs, and read again to be shown anew.

use std::io;

use serde::{Deserialize, Serialize};

use super::machine::About;
use super::statistics::{Spread, Statistic, Summary};
use crate::figures::FIGURES;
use crate::samples::{Better, Figure, Sample, Samples, Scenario, Unit};

/// What is read again.
#[derive(Serialize, Deserialize)]
struct Run {
    #[serde(flatten)]
    about: About,
    samples: Vec<SampleRow>,
}

/// What else is written, for who has nothing but the file.
#[derive(Serialize)]
struct Whole {
    #[serde(flatten)]
    run: Run,
    figures: Vec<FigureRow>,
    summary: Vec<StatisticRow>,
}

#[derive(Serialize, Deserialize)]
struct SampleRow {
    #[serde(deserialize_with = "ScenarioName::deserialize")]
    scenario: Scenario,
    figure: String,
    load: u32,
    contestant: String,
    round: u32,
    /// None for what is not a finite number, which JSON has no word for.
    value: Option<f64>,
}

/// How a scenario is read.
#[derive(Deserialize)]
#[serde(remote = "Scenario", rename_all = "lowercase")]
enum ScenarioName {
    Expose,
    Connect,
    Relay,
    Program,
}

#[derive(Serialize)]
struct FigureRow {
    key: &'static str,
    title: &'static str,
    unit: Unit,
    better: Better,
    load: Option<&'static str>,
}

#[derive(Serialize)]
struct StatisticRow {
    scenario: Scenario,
    figure: &'static str,
    load: u32,
    contestant: &'static str,
    #[serde(flatten)]
    value: Spread,
    ratio: Option<Spread>,
    #[serde(skip_serializing_if = "Option::is_none")]
    to_before: Option<Spread>,
}

/// The file's text.
///
/// # Errors
///
/// None that is known: nothing in it has no form in JSON.
pub(super) fn json(samples: &Samples, about: &About, summary: &Summary) -> io::Result<String> {
    let mut figures: Vec<FigureRow> = Vec::new();
    for group in summary.groups() {
        if figures.iter().all(|row| row.key != group.figure.key) {
            figures.push(figure_row(group.figure));
        }
    }
    let whole = Whole {
        run: Run {
            about: about.clone(),
            samples: samples.0.iter().map(sample_row).collect(),
        },
        figures,
        summary: summary.statistics.iter().map(statistic_row).collect(),
    };
    Ok(serde_json::to_string_pretty(&whole)? + "\n")
}

/// What [`json`] wrote.
///
/// # Errors
///
/// `InvalidData` for what it did not write, and for a figure that is no longer known.
pub(super) fn parse(text: &str) -> io::Result<(Samples, About)> {
    let run: Run = serde_json::from_str(text).map_err(invalid)?;
    let mut names = Vec::new();
    let samples: io::Result<Vec<Sample>> = run
        .samples
        .into_iter()
        .map(|row| {
            Ok(Sample {
                scenario: row.scenario,
                figure: figure(&row.figure)?,
                load: row.load,
                contestant: kept(row.contestant, &mut names),
                round: row.round,
                value: row.value.unwrap_or(f64::NAN),
            })
        })
        .collect();
    Ok((Samples(samples?), run.about))
}

fn sample_row(sample: &Sample) -> SampleRow {
    SampleRow {
        scenario: sample.scenario,
        figure: sample.figure.key.to_owned(),
        load: sample.load,
        contestant: sample.contestant.to_owned(),
        round: sample.round,
        value: Some(sample.value).filter(|value| value.is_finite()),
    }
}

fn figure_row(figure: &'static Figure) -> FigureRow {
    FigureRow {
        key: figure.key,
        title: figure.title,
        unit: figure.unit,
        better: figure.better,
        load: figure.load,
    }
}

fn statistic_row(statistic: &Statistic) -> StatisticRow {
    StatisticRow {
        scenario: statistic.scenario,
        figure: statistic.figure.key,
        load: statistic.load,
        contestant: statistic.contestant,
        value: statistic.value,
        ratio: statistic.ratio,
        to_before: statistic.to_before,
    }
}

/// The figure of that key.
fn figure(key: &str) -> io::Result<&'static Figure> {
    FIGURES
        .iter()
        .copied()
        .find(|figure| figure.key == key)
        .ok_or_else(|| invalid(format!("no figure is called {key}")))
}

/// The name for as long as the program runs, each kept once.
fn kept(name: String, names: &mut Vec<&'static str>) -> &'static str {
    if let Some(known) = names.iter().find(|known| **known == name) {
        return known;
    }
    let name: &'static str = name.leak();
    names.push(name);
    name
}

fn invalid(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}
