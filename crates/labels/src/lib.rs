//! Labels, flags and environment into one tree, and the tree into configuration.
//!
//! Nothing here does I/O. Every fault is a coded diagnostic, and the smallest object that the fault can belong to fails,
//! closed: [`container::decode_container`] never gives a router that lost a middleware through a mistyped label.

pub mod compose;
pub mod constraints;
pub mod container;
pub mod default_rule;
pub mod document;
pub mod dynamic;
mod gather;
mod literal;
mod names;
mod overlay;
pub mod statics;
mod tokens;

pub use container::{Decoded, decode_container};
pub use dynamic::{Dynamic, FileService, decode_dynamic, read_dynamic};
