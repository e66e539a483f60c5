//! Stores that need no platform.

mod memory;
mod sealed;

pub use memory::MemoryStore;
pub use sealed::{Costs, SealError, SealedStore};
