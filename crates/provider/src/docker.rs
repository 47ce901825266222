//! The Docker provider: containers and their labels into configuration.

pub mod build;
pub mod container;
pub mod network;
pub mod port;

pub use build::{BuildOptions, Builder, Built, Owner, Partial};
pub use container::{Attachment, Binding, Container, Protocol};
pub use network::{OwnContainer, own_container_id};
