//! Seaway, the program.
fn main() {}
