//! Asking a federation.

pub mod query;
