//! The doors for those who run the program, in this process: who is answered what, and the
//! bounds that hold.

#![allow(clippy::unwrap_used, reason = "the helpers of tests are tests")]

mod bounds;
mod control;
mod page;
mod public;
mod support;
