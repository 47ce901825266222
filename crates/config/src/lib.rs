//! The model of all that can be configured, and the option catalogue.
//!
//! Everything here is plain data: no I/O, no clock. The structs of [`model`] and [`statics`] are written once, inside
//! the `options!` macro; the macro derives from that single place the struct itself, its defaults, its entry in the
//! catalogue (name, kind, default, one-line doc) and its decoder from a [`tree::Node`]. Whoever adds an option adds one
//! line here and nowhere else.

pub mod catalogue;
pub mod decode;
pub mod diagnostic;
pub mod files;
pub mod model;
pub mod regexp;
pub mod secret;
pub mod shared_map;
pub mod statics;
pub mod suggest;
pub mod tree;
mod wire;

pub use diagnostic::{Code, Diagnostic, Origin, Severity};
pub use files::Files;
pub use model::{Config, Declared, Middleware, Name, Router, Server, Service};
pub use secret::Secret;
pub use shared_map::SharedMap;
pub use wire::show_duration;
