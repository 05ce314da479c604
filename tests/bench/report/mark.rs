//! By what contestants are told apart: a colour, and a shape for who does not see it.

use plotters::element::{Circle, Polygon, Rectangle, TriangleMarker};
use plotters::style::{Color, RGBColor, ShapeStyle};

use super::plot::{Area, Drawn};

/// Okabe and Ito's, that differ in lightness too; yellow, too light on white, is left out.
const COLOURS: [RGBColor; 7] = [
    RGBColor(213, 94, 0),
    RGBColor(0, 114, 178),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(86, 180, 233),
    RGBColor(230, 159, 0),
    RGBColor(60, 60, 60),
];

/// What stands for a contestant.
#[derive(Clone, Copy)]
pub(super) struct Mark(usize);

impl Mark {
    /// Of the contestant at that place; ours, the first, has the broader line.
    pub(super) fn of(name: &str, contestants: &[&str]) -> Self {
        Self(
            contestants
                .iter()
                .position(|contestant| *contestant == name)
                .unwrap_or(contestants.len()),
        )
    }

    pub(super) fn colour(self) -> RGBColor {
        COLOURS[self.0 % COLOURS.len()]
    }

    pub(super) fn line(self) -> ShapeStyle {
        self.colour().stroke_width(if self.0 == 0 { 3 } else { 2 })
    }

    /// Of the spread.
    pub(super) fn thin(self) -> ShapeStyle {
        self.colour().stroke_width(1)
    }

    /// Draws the shape, of four, so that with seven colours 28 pairs differ, at a
    /// point of the whole page.
    pub(super) fn draw(self, area: &Area<'_>, (x, y): (i32, i32)) -> Drawn {
        let (columns, rows) = area.get_pixel_range();
        let (x, y) = (x - columns.start, y - rows.start);
        let style = self.colour().filled();
        match self.0 % 4 {
            0 => area.draw(&Circle::new((x, y), 4, style)),
            1 => area.draw(&Rectangle::new([(x - 4, y - 4), (x + 4, y + 4)], style)),
            2 => area.draw(&TriangleMarker::new((x, y), 6, style)),
            _ => {
                let corners = vec![(x, y - 6), (x + 6, y), (x, y + 6), (x - 6, y)];
                area.draw(&Polygon::new(corners, style))
            }
        }
    }
}
