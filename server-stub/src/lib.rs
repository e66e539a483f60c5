//! One guardian of a federation: consensus, peer network, storage, modules and the session API.

pub mod consensus;
pub mod db;
pub mod ledger;
pub mod network;
pub mod node;
