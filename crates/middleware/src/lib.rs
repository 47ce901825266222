//! Every middleware: its compiled form and its hooks.
