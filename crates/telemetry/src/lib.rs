//! What is told of exchanges: the access log, and [`metrics`].
//!
//! The access log: what is known about an exchange, how it is written down, and how the lines reach their file.
//!
//! ```text
//! worker 0: Lane ─┐  bounded channel              ┌─► stdout
//! worker 1: Lane ─┼──────────────► writer thread ─┴─► file
//! …               ┘ ◄── empty buffers come back
//! ```
//!
//! Nothing here passes through `tracing`: a [`Record`] borrows what the exchange has at hand, a [`Lane`] formats it at
//! once into its own buffer, and a few times a second the whole buffer goes to the one thread that may block. A lane
//! never does: what does not fit is dropped and counted.

pub mod calendar;
mod fields;
mod filter;
mod format;
mod lane;
pub mod metrics;
mod record;
mod text;
mod unrouted;
mod writer;

pub use fields::{Fields, KeptHeaders};
pub use filter::Filters;
pub use format::Format;
pub use lane::Lane;
pub use record::Record;
pub use unrouted::{Unrouted, UnroutedHost};
pub use writer::{Counts, Sink, Writer};
