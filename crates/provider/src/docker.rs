//! The Docker provider: containers and their labels into configuration.

pub mod container;

pub use container::{Attachment, Binding, Container, Protocol};
