//! What the built program keeps to itself: no key comes out of it, however it is given and however
//! it ends; what it writes is for its user alone; and no link of another user leads it astray.

#![allow(clippy::unwrap_used)]

mod support;

#[path = "secrets/endings.rs"]
mod endings;
#[path = "secrets/misplaced.rs"]
mod misplaced;
#[path = "secrets/modes.rs"]
mod modes;
#[path = "secrets/planted.rs"]
mod planted;
#[path = "secrets/search.rs"]
mod search;
