//! The lines of Prometheus' text format: families, samples, histograms.

use std::fmt::{Display, Write};

use crate::telemetry::histogram::Buckets;

/// The text under way. Writing to a string cannot fail, so nothing here does.
#[derive(Debug, Default)]
pub(super) struct Text {
    lines: String,
    /// The family that was opened last.
    name: &'static str,
}

impl Text {
    pub(super) fn counter(&mut self, name: &'static str, help: &str) {
        self.family(name, "counter", help);
    }

    pub(super) fn gauge(&mut self, name: &'static str, help: &str) {
        self.family(name, "gauge", help);
    }

    pub(super) fn histogram(&mut self, name: &'static str, help: &str) {
        self.family(name, "histogram", help);
    }

    /// One line of the family that was opened last.
    pub(super) fn sample(&mut self, labels: &[(&str, &str)], value: impl Display) {
        self.line("", labels, value);
    }

    /// One forward's lines of the histogram that was opened last.
    pub(super) fn buckets(&mut self, forward: &str, buckets: &Buckets) {
        for (bound, count) in &buckets.below {
            let labels = [("forward", forward), ("le", &bound.to_string())];
            self.line("_bucket", &labels, count);
        }
        let labels = [("forward", forward), ("le", "+Inf")];
        self.line("_bucket", &labels, buckets.count);
        self.line("_sum", &labels[..1], buckets.sum.as_secs_f64());
        self.line("_count", &labels[..1], buckets.count);
    }

    pub(super) fn finish(self) -> String {
        self.lines
    }

    fn family(&mut self, name: &'static str, kind: &str, help: &str) {
        self.name = name;
        let _ = writeln!(self.lines, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn line(&mut self, suffix: &str, labels: &[(&str, &str)], value: impl Display) {
        let _ = write!(self.lines, "{}{suffix}", self.name);
        for (index, (label, text)) in labels.iter().enumerate() {
            let open = if index == 0 { '{' } else { ',' };
            let _ = write!(self.lines, "{open}{label}=\"{}\"", escaped(text));
        }
        let close = if labels.is_empty() { "" } else { "}" };
        let _ = writeln!(self.lines, "{close} {value}");
    }
}

/// A label's value as it stands between quotes.
fn escaped(text: &str) -> String {
    text.replace('\\', r"\\")
        .replace('"', "\\\"")
        .replace('\n', r"\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_cannot_break_a_line() {
        let mut text = Text::default();
        text.gauge("a", "Help.");
        text.sample(&[("one", "x\"y\\z\nw"), ("two", "")], 1.5);
        let expected = "# HELP a Help.\n# TYPE a gauge\na{one=\"x\\\"y\\\\z\\nw\",two=\"\"} 1.5\n";
        assert_eq!(text.finish(), expected);
    }
}
