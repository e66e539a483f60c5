//! One guardian of a federation: consensus, peer network, storage, modules and the session API.

pub mod consensus;
pub mod network;
