//! The Docker provider: containers and their labels into configuration.

pub mod build;
pub mod client;
pub mod container;
pub mod engine;
mod events;
pub mod network;
pub mod port;
pub mod watch;

pub(crate) use build::server::url_server;
pub use build::{BuildOptions, Builder, Built, Owner, Partial, Seen};
pub use container::{Attachment, Binding, Container, Protocol};
pub use network::{OwnContainer, own_container_id};
