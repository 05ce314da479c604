//! Builds and binds the Go archive.
fn main() {}
