//! The demo application as a program.
fn main() {}
