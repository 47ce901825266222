//! The rule language: which requests a router takes.
//!
//! ```text
//! expr   := and { "||" and }
//! and    := unary { "&&" unary }
//! unary  := "!" unary | "(" expr ")" | call
//! call   := Name "(" [ string { "," string } ] ")"
//! string := `as it is` | "with Go's escapes"
//! ```
//!
//! [`parse`] is pure and total: any text gives either an [`Expr`] or a [`ParseError`] that says where, what and how to
//! mend it. Its time is linear in the text, its recursion bounded by [`MAX_NESTING`]. Regular expressions are kept as
//! text; whoever matches requests compiles them.

mod ast;
mod build;
mod error;
mod hint;
mod lexer;
mod parser;
#[cfg(test)]
mod properties;

pub use ast::{Expr, HostPattern, Matcher};
pub use error::ParseError;
pub use parser::{MAX_BYTES, MAX_MATCHERS, MAX_NESTING, parse};
