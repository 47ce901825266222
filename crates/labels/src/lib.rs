//! Labels, flags and environment into one tree, and the tree into configuration.
