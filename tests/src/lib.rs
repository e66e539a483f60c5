//! End-to-end tests and benches over the whole project.

pub mod load;
pub mod native;
