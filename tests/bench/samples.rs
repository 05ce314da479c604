//! What a run found: numbers, each of one figure under one load, of one contestant
//! in one round.

use serde::Serialize;

use super::report::units;

/// What is compared with each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Scenario {
    /// From the tailnet to a target of this machine.
    Expose,
    /// From a client of this machine to the tailnet.
    Connect,
    /// From loopback to loopback: the relay alone.
    Relay,
    /// The program itself: its start, its rest, its size.
    Program,
}

impl Scenario {
    /// Its name in a word.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Expose => "expose",
            Self::Connect => "connect",
            Self::Relay => "relay",
            Self::Program => "program",
        }
    }

    /// Whom the others are compared with.
    pub(crate) fn reference(self) -> &'static str {
        match self {
            Self::Expose | Self::Program => "tsnet-proxy",
            Self::Connect => "tsnet-connect",
            Self::Relay => "splice",
        }
    }
}

/// Something that is measured.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Figure {
    /// Its name in files.
    pub(crate) key: &'static str,
    /// Its name for people.
    pub(crate) title: &'static str,
    pub(crate) unit: Unit,
    pub(crate) better: Better,
    /// What the load counts: `streams`, `connections`; none when there is no load.
    pub(crate) load: Option<&'static str>,
}

/// What a value is counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Unit {
    BytesPerSecond,
    Seconds,
    PerSecond,
    Bytes,
    Count,
    /// Of one processor.
    Share,
}

/// Which way a figure is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Better {
    Higher,
    Lower,
}

/// A number.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    pub(crate) scenario: Scenario,
    pub(crate) figure: &'static Figure,
    /// How many of what the figure's load counts; 0 without a load.
    pub(crate) load: u32,
    pub(crate) contestant: &'static str,
    pub(crate) round: u32,
    pub(crate) value: f64,
}

impl Sample {
    /// It in a line.
    fn line(&self) -> String {
        let scenario = self.scenario.name();
        let load = match self.figure.load {
            Some(counted) => format!("{} {counted}", self.load),
            None => String::new(),
        };
        format!(
            "{scenario:<7}  round {}  {:<18}  {load:<17}  {:<18}  {}",
            self.round,
            self.figure.key,
            self.contestant,
            units::text(self.figure.unit, self.value)
        )
    }

    /// Whether nothing but the value differs.
    fn repeats(&self, other: &Self) -> bool {
        let what = |sample: &Self| {
            let Self { scenario, load, .. } = *sample;
            (
                scenario,
                sample.figure.key,
                load,
                sample.contestant,
                sample.round,
            )
        };
        what(self) == what(other)
    }
}

/// All that was measured, in the order in which it was.
#[derive(Debug, Default)]
pub(crate) struct Samples(pub(crate) Vec<Sample>);

impl Samples {
    /// Keeps a sample and prints it on stderr.
    pub(crate) fn put(&mut self, sample: Sample) {
        eprintln!("{}", sample.line());
        self.0.push(sample);
    }

    /// The same, but where there is such a sample already, the greater one is kept.
    pub(crate) fn put_greatest(&mut self, sample: Sample) {
        let before = self.0.iter().rposition(|before| before.repeats(&sample));
        let Some(before) = before.map(|at| &mut self.0[at]) else {
            return self.put(sample);
        };
        if before.value < sample.value {
            eprintln!("{}", sample.line());
            *before = sample;
        }
    }
}
