//! From samples to what people read: tables, goals, a JSON file, a plot.
//!
//! | file | its one idea |
//! |---|---|
//! | `machine` | where it was measured, and when, and how |
//! | `statistics` | median and spread over the rounds, and the ratio to the reference |
//! | `units` | values as people say them |
//! | `table` | the tables on stdout |
//! | `file` | the run as JSON, written and read |
//! | `plot` | the page of small plots |
//! | `panel` | one of them |
//! | `axis` | from values to heights, and the ticks beside |
//! | `mark` | by what contestants are told apart |

mod axis;
mod file;
mod machine;
mod mark;
mod panel;
mod plot;
pub(crate) mod statistics;
mod table;
pub(crate) mod units;

use std::fs;
use std::io;
use std::path::Path;

use self::statistics::Summary;
use super::goals;
use super::samples::Samples;

pub(crate) use self::machine::{About, Machine};

/// Whose ratios are shown, and whom the goals are for.
pub(crate) const OURS: &str = "tailport";

/// Writes `bench.json` and `bench.svg` into `directory`, which is made if it is missing.
///
/// # Errors
///
/// What writing them says, with the path.
pub(crate) fn write(samples: &Samples, about: &About, directory: &Path) -> io::Result<()> {
    let summary = Summary::of(samples);
    let json = file::json(samples, about, &summary)?;
    let svg = plot::svg(&summary, about)?;
    fs::create_dir_all(directory).map_err(|error| at(directory, &error))?;
    put(&directory.join("bench.json"), &json)?;
    put(&directory.join("bench.svg"), &svg)
}

/// Prints the tables, then the goals.
pub(crate) fn print(samples: &Samples, about: &About) {
    let summary = Summary::of(samples);
    let mut text = about.text();
    text.push_str(&table::text(&summary));
    text.push('\n');
    text.push_str(&goals::text(&summary));
    print!("{text}");
}

/// Makes the tables and the plot of an earlier run anew, from the JSON file that
/// [`write`] left; the plot gets that file's name, with `.svg`.
///
/// # Errors
///
/// What reading and writing them says, with the path.
pub(crate) fn again(path: &Path) -> io::Result<()> {
    let text = fs::read_to_string(path).map_err(|error| at(path, &error))?;
    let (samples, about) = file::parse(&text).map_err(|error| at(path, &error))?;
    print(&samples, &about);
    let svg = plot::svg(&Summary::of(&samples), &about)?;
    put(&path.with_extension("svg"), &svg)
}

fn put(path: &Path, text: &str) -> io::Result<()> {
    fs::write(path, text).map_err(|error| at(path, &error))
}

fn at(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}
