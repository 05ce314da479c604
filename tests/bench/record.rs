//! Where the samples of one contestant in one round go.

use super::samples::{Figure, Sample, Samples, Scenario};

/// What the samples of one contestant in one round have in common.
pub(crate) struct Record<'a> {
    samples: &'a mut Samples,
    scenario: Scenario,
    contestant: &'static str,
    round: u32,
    load: u32,
}

impl<'a> Record<'a> {
    /// No load is counted yet.
    pub(crate) fn new(
        samples: &'a mut Samples,
        scenario: Scenario,
        contestant: &'static str,
        round: u32,
    ) -> Self {
        Self {
            samples,
            scenario,
            contestant,
            round,
            load: 0,
        }
    }

    /// What is added from now on was found under so much load.
    pub(crate) fn under(self, load: u32) -> Self {
        Self { load, ..self }
    }

    /// The round, from 0.
    pub(crate) fn round(&self) -> u32 {
        self.round
    }

    /// How many of what its figures count there are.
    pub(crate) fn load(&self) -> u32 {
        self.load
    }

    /// Keeps a value and prints it.
    pub(crate) fn add(&mut self, figure: &'static Figure, value: f64) {
        let sample = self.sample(figure, value);
        self.samples.put(sample);
    }

    /// The same for a figure of which the greatest value is kept.
    pub(crate) fn add_greatest(&mut self, figure: &'static Figure, value: f64) {
        let sample = self.sample(figure, value);
        self.samples.put_greatest(sample);
    }

    fn sample(&self, figure: &'static Figure, value: f64) -> Sample {
        Sample {
            scenario: self.scenario,
            figure,
            load: self.load,
            contestant: self.contestant,
            round: self.round,
            value,
        }
    }
}
