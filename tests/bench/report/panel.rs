//! A small plot: a figure in a scenario, lines over its loads, or bars without them.

use plotters::chart::ChartBuilder;
use plotters::element::{PathElement, Rectangle, Text};
use plotters::series::LineSeries;
use plotters::style::colors::{BLACK, TRANSPARENT};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, IntoFont, RGBColor, TextStyle};

use super::axis::{Axis, Ticked};
use super::mark::Mark;
use super::plot::{Area, Drawn, FONT};
use super::statistics::{Group, Spread};
use super::{table, units};

const GRID: RGBColor = RGBColor(225, 225, 225);

/// Of the width, between two contestants at the same load, so that none hides another.
const APART: f64 = 0.012;

/// Draws the group into the area; the contestants give the marks.
pub(super) fn draw(area: &Area<'_>, group: &Group<'_>, contestants: &[&str]) -> Drawn {
    if group.loads.len() > 1 {
        lines(area, group, contestants)
    } else {
        bars(area, group, contestants)
    }
}

fn lines(area: &Area<'_>, group: &Group<'_>, contestants: &[&str]) -> Drawn {
    let values: Vec<f64> = group
        .statistics
        .iter()
        .flat_map(|s| ends(&s.value))
        .collect();
    let y = Axis::of(group.figure.unit, &values);
    let loads: Vec<f64> = group.loads.iter().map(|load| place(*load)).collect();
    let (first, last) = (loads[0], loads[loads.len() - 1]);
    let margin = (last - first) * 0.08;
    let x = Ticked {
        range: first - margin..last + margin,
        ticks: loads,
    };
    let width = x.range.end - x.range.start;

    let mut chart = ChartBuilder::on(area)
        .margin(10)
        .caption(title(group), caption())
        .x_label_area_size(44)
        .y_label_area_size(66)
        .build_cartesian_2d(x, y.ticked())?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .bold_line_style(GRID)
        .light_line_style(TRANSPARENT)
        .x_desc(group.figure.load.unwrap_or_default())
        .y_desc(y.name())
        .label_style(small())
        .x_label_formatter(&|x| units::grouped(x.exp2(), 0))
        .y_label_formatter(&|tick| y.label(*tick))
        .draw()?;

    let middle = (group.contestants.len() as f64 - 1.0) / 2.0;
    // Ours comes last, above the others.
    for (index, name) in group.contestants.iter().enumerate().rev() {
        let mark = Mark::of(name, contestants);
        let shift = (index as f64 - middle) * APART * width;
        let points: Vec<(f64, Spread)> = group
            .loads
            .iter()
            .filter_map(|load| Some((place(*load) + shift, group.at(*load, name)?.value)))
            .collect();
        let at = |(x, spread): &(f64, Spread)| (*x, y.position(spread.median));
        chart.draw_series(LineSeries::new(points.iter().map(at), mark.line()))?;
        for (x, spread) in &points {
            let (low, high) = (y.position(spread.minimum), y.position(spread.maximum));
            let half = APART * width / 3.0;
            let cap = |y: f64| vec![(x - half, y), (x + half, y)];
            let parts = [vec![(*x, low), (*x, high)], cap(low), cap(high)];
            chart.draw_series(parts.map(|part| PathElement::new(part, mark.thin())))?;
        }
        for point in &points {
            mark.draw(area, chart.backend_coord(&at(point)))?;
        }
    }
    Ok(())
}

fn bars(area: &Area<'_>, group: &Group<'_>, contestants: &[&str]) -> Drawn {
    let highest = group
        .statistics
        .iter()
        .map(|s| s.value.maximum)
        .fold(0.0, f64::max);
    let x = Axis::from_zero(group.figure.unit, highest);
    let count = group.contestants.len() as f64;
    // What a bar is called stands at its height, from the top downwards.
    let names = (0..group.contestants.len()).map(|index| height(index, count));
    let y = Ticked {
        range: 0.0..count,
        ticks: names.collect(),
    };

    let mut chart = ChartBuilder::on(area)
        .margin(10)
        .caption(title(group), caption())
        .x_label_area_size(44)
        .y_label_area_size(130)
        .build_cartesian_2d(
            // With room for the values beside the bars.
            x.with_room(0.45),
            y,
        )?;
    chart
        .configure_mesh()
        .disable_y_mesh()
        .bold_line_style(GRID)
        .light_line_style(TRANSPARENT)
        .x_desc(x.name())
        .label_style(small())
        .x_label_formatter(&|tick| x.label(*tick))
        .y_label_formatter(&|height| {
            let index = (count - height).floor() as usize;
            group
                .contestants
                .get(index)
                .map_or_else(String::new, |name| (*name).to_owned())
        })
        .draw()?;

    for (index, name) in group.contestants.iter().enumerate() {
        let load = group.loads.first().copied().unwrap_or_default();
        let Some(statistic) = group.at(load, name) else {
            continue;
        };
        let value = statistic.value;
        let mark = Mark::of(name, contestants);
        let y = height(index, count);
        let bar = [(0.0, y - 0.3), (x.position(value.median), y + 0.3)];
        chart.draw_series([Rectangle::new(bar, mark.colour().filled())])?;
        let spread = vec![
            (x.position(value.minimum), y),
            (x.position(value.maximum), y),
        ];
        chart.draw_series([PathElement::new(spread, BLACK.stroke_width(1))])?;
        let end = x.position(value.maximum) + x.length() * 0.02;
        let style = TextStyle::from(small().into_font()).pos(Pos::new(HPos::Left, VPos::Center));
        let text = units::spread(group.figure.unit, &value);
        chart.draw_series([Text::new(text, (end, y), style)])?;
    }
    Ok(())
}

/// Where a load stands: at its logarithm.
fn place(load: u32) -> f64 {
    f64::from(load.max(1)).log2()
}

/// Where a bar stands.
fn height(index: usize, count: f64) -> f64 {
    count - index as f64 - 0.5
}

fn ends(spread: &Spread) -> [f64; 2] {
    [spread.minimum, spread.maximum]
}

fn title(group: &Group<'_>) -> String {
    let better = table::better(group.figure.better);
    match (group.figure.load, group.loads.as_slice()) {
        (Some(counted), [load]) => {
            let load = units::grouped((*load).into(), 0);
            format!("{}, {load} {counted} ({better})", group.figure.title)
        }
        _ => format!("{} ({better})", group.figure.title),
    }
}

fn caption() -> (&'static str, i32) {
    (FONT, 16)
}

fn small() -> (&'static str, i32) {
    (FONT, 13)
}
