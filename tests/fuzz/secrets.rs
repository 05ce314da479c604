//! A key in a text does not come out of it, wherever it stands.

use proptest::prelude::*;
use tailport::config::{Secret, redact};

use crate::{hold, input};

#[test]
fn a_key_is_redacted_wherever_it_stands() {
    let text = (input::text(), input::text());
    hold("keys in texts", 1, text, |(before, after)| {
        let shown = redact(&format!("{before}{}{after}", input::KEY));
        prop_assert!(!shown.contains(input::MARK), "{}", shown);
        Ok(())
    });
}

#[test]
fn a_secret_is_any_printable_word_and_never_shown() {
    hold("secrets", 1, input::text(), |text| {
        let printable = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
        match text.parse::<Secret>() {
            Ok(secret) => {
                prop_assert!(printable);
                prop_assert_eq!(secret.expose(), &text);
                prop_assert_eq!(format!("{secret} {secret:?}"), "REDACTED REDACTED");
            }
            Err(_) => prop_assert!(!printable),
        }
        Ok(())
    });
}
