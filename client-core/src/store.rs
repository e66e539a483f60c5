//! Stores that need no platform.

mod memory;

pub use memory::MemoryStore;
