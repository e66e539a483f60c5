//! One guardian of a federation: consensus, peer network, storage, modules and the session API.

pub mod announcements;
pub mod api;
pub mod backups;
pub mod consensus;
pub mod cpu;
pub mod db;
pub mod dealer;
pub mod dev;
pub mod faucet;
pub mod files;
pub mod forge;
pub mod guardian;
pub mod ledger;
pub mod network;
pub mod node;
pub mod secrets;
pub mod setup;
