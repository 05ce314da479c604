//! The `tailport` program.
fn main() {}
