//! The page of small plots: a row of panels after the other for each scenario.

use std::io;

use plotters::backend::SVGBackend;
use plotters::coord::Shift;
use plotters::drawing::{DrawingArea, DrawingAreaErrorKind, IntoDrawingArea};
use plotters::element::{PathElement, Text};
use plotters::style::colors::WHITE;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{IntoFont, RGBColor, TextStyle};

use super::machine::About;
use super::mark::Mark;
use super::statistics::{Group, Summary, in_order};
use super::{OURS, table};

/// Where is drawn: all of the page, or a panel of it.
pub(super) type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// What drawing says.
pub(super) type Drawn = Result<(), DrawingAreaErrorKind<io::Error>>;

pub(super) const FONT: &str = "sans-serif";

const COLUMNS: usize = 3;
/// Of a panel, in pixels.
const PANEL: (i32, i32) = (500, 320);
/// Above a scenario's panels: its title, the legend.
const HEADING: i32 = 72;
/// Above all: the title, the machine, the versions.
const HEAD: i32 = 92;
const LEFT: i32 = 16;

/// The page as text.
///
/// # Errors
///
/// What drawing says.
pub(super) fn svg(summary: &Summary, about: &About) -> io::Result<String> {
    let groups = summary.groups();
    let scenarios: Vec<&[Group<'_>]> = groups
        .chunk_by(|one, next| one.scenario == next.scenario)
        .collect();
    let heights = scenarios.iter().map(|groups| height(groups));
    let size = (PANEL.0 * COLUMNS as i32, HEAD + heights.sum::<i32>());
    let mut text = String::new();
    {
        let backend = SVGBackend::with_string(&mut text, (size.0 as u32, size.1 as u32));
        let page = backend.into_drawing_area();
        draw(&page, &scenarios, about).map_err(io::Error::other)?;
    }
    Ok(text)
}

fn draw(page: &Area<'_>, scenarios: &[&[Group<'_>]], about: &About) -> Drawn {
    page.fill(&WHITE)?;
    let title = "tailport beside others: median, minimum and maximum over the rounds";
    write(page, title, (LEFT, 24), 24)?;
    write(page, &about.line(), (LEFT, 52), 14)?;
    write(page, &about.machine.versions_line(), (LEFT, 72), 14)?;
    let mut top = HEAD;
    for groups in scenarios {
        let contestants = contestants(groups);
        heading(page, groups, &contestants, top)?;
        for (index, group) in groups.iter().enumerate() {
            let (row, column) = (index / COLUMNS, index % COLUMNS);
            let at = (
                PANEL.0 * column as i32,
                top + HEADING + PANEL.1 * row as i32,
            );
            let panel = page.clone().shrink(at, PANEL);
            super::panel::draw(&panel, group, &contestants)?;
        }
        top += height(groups);
    }
    page.present()
}

/// A scenario's title and legend, below a line across the page.
fn heading(page: &Area<'_>, groups: &[Group<'_>], contestants: &[&str], top: i32) -> Drawn {
    let rule = vec![(LEFT, top), (PANEL.0 * COLUMNS as i32 - LEFT, top)];
    page.draw(&PathElement::new(rule, RGBColor(150, 150, 150)))?;
    let title = groups
        .first()
        .map_or("", |group| table::title(group.scenario));
    write(page, title, (LEFT, top + 22), 20)?;
    let y = top + 52;
    let mut left = LEFT;
    for name in contestants {
        let mark = Mark::of(name, contestants);
        page.draw(&PathElement::new(
            vec![(left, y), (left + 36, y)],
            mark.line(),
        ))?;
        mark.draw(page, (left + 18, y))?;
        write(page, name, (left + 44, y), 16)?;
        // The text's width is the viewer's affair: room for a broad font.
        left += 70 + 10 * name.chars().count() as i32;
    }
    Ok(())
}

/// All of a scenario, ours first, then the reference: each has one mark in all its panels.
fn contestants(groups: &[Group<'_>]) -> Vec<&'static str> {
    let names = groups.iter().flat_map(|group| group.contestants.clone());
    let mut names = in_order(names);
    let reference = groups.first().map(|group| group.scenario.reference());
    names.sort_by_key(|name| (*name != OURS, Some(*name) != reference));
    names
}

/// Writes the text, its left end's middle at the point.
fn write(page: &Area<'_>, text: &str, at: (i32, i32), size: i32) -> Drawn {
    let style = TextStyle::from((FONT, size).into_font()).pos(Pos::new(HPos::Left, VPos::Center));
    page.draw(&Text::new(text, at, style))
}

/// Of a scenario, its heading included.
fn height(groups: &[Group<'_>]) -> i32 {
    HEADING + PANEL.1 * groups.len().div_ceil(COLUMNS) as i32
}
