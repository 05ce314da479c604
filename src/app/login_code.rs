//! The login URL as a QR code, for a terminal that has room for it: a phone is where people
//! are logged in already.

use std::io::{self, IsTerminal};

use qrcode::render::unicode::Dense1x2;
use qrcode::{EcLevel, QrCode};
use rustix::termios::tcgetwinsize;

/// Black on white, whatever the terminal's own colours are.
const INK: &str = "\x1b[0;30;47m";
const END: &str = "\x1b[0m";

/// The code for the terminal on stderr, line by line; `None` without a terminal, in one that
/// is too narrow or knows nothing but text, and for a URL that is too long.
pub(super) fn for_stderr(url: &str) -> Option<String> {
    let stderr = io::stderr();
    let set = |name: &str| std::env::var_os(name);
    if !stderr.is_terminal() || set("TERM").is_some_and(|term| term == "dumb") {
        return None;
    }
    let columns = tcgetwinsize(&stderr).ok()?.ws_col;
    let colour = set("NO_COLOR").is_none_or(|value| value.is_empty());
    code(url, usize::from(columns), colour)
}

/// Without colours the ink is left out of the dark modules: most terminals are dark.
fn code(url: &str, columns: usize, colour: bool) -> Option<String> {
    let code = QrCode::with_error_correction_level(url, EcLevel::L).ok()?;
    let mut image = code.render::<Dense1x2>();
    if !colour {
        image
            .dark_color(Dense1x2::Light)
            .light_color(Dense1x2::Dark);
    }
    let image = image.build();
    if image.lines().any(|line| line.chars().count() > columns) {
        return None;
    }
    let line = |line| match colour {
        true => format!("{INK}{line}{END}\n"),
        false => format!("{line}\n"),
    };
    Some(image.lines().map(line).collect())
}

#[cfg(test)]
mod tests {
    use qrcode::Color;

    use super::*;

    const URL: &str = "https://login.tailscale.com/a/1a2b3c4d5e6f";
    /// Light modules around a code.
    const QUIET: usize = 4;

    /// Every module of a picture in half blocks, whether it is inked.
    fn modules(picture: &str) -> Vec<Vec<bool>> {
        let half = |line: &str, full: char| {
            line.chars()
                .map(|block| block == full || block == '█')
                .collect()
        };
        picture
            .lines()
            .flat_map(|line| [half(line, '▀'), half(line, '▄')])
            .collect()
    }

    #[test]
    fn the_picture_is_the_code_and_fits_an_ordinary_terminal() {
        let expected = QrCode::with_error_correction_level(URL, EcLevel::L).unwrap();
        let width = expected.width();
        let coloured = code(URL, 80, true).unwrap();
        let plain: String = coloured.replace(INK, "").replace(END, "");
        let inverted = modules(&code(URL, 80, false).unwrap());
        let modules = modules(&plain);
        for (place, colour) in expected.to_colors().into_iter().enumerate() {
            let (x, y) = (place % width + QUIET, place / width + QUIET);
            assert_eq!(modules[y][x], colour == Color::Dark, "{x} {y}");
            assert_eq!(inverted[y][x], colour == Color::Light, "{x} {y}");
        }
        assert!(
            coloured
                .lines()
                .all(|line| line.starts_with(INK) && line.ends_with(END))
        );
        assert!(plain.lines().count() <= 24, "{}", plain.lines().count());
    }

    #[test]
    fn there_is_none_in_a_narrow_terminal_or_for_an_endless_url() {
        assert_eq!(code(URL, 30, true), None);
        assert_eq!(code(&"x".repeat(5000), 1000, true), None);
    }
}
