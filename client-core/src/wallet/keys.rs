//! Where a wallet's records lie in its store. Modules keep theirs under `module/` and `recovery/`.

use rekindle_protocol::bytes::{Hash, TxId};

/// Version of the layout, one byte. Its presence means that there is a wallet.
pub const FORMAT: &str = "wallet/format";
/// The seed's entropy, 16 bytes.
pub const SEED: &str = "wallet/seed";
/// The federation's config document.
pub const FEDERATION: &str = "wallet/federation";
/// Announcements of guardians' URLs that were learned since.
pub const URLS: &str = "wallet/urls";
/// The latest lie of each guardian that was found out.
pub const EVIDENCE: &str = "wallet/evidence";
/// The position in history, and the transactions applied ahead of it.
pub const POSITION: &str = "wallet/position";
/// The lifecycle of the recovery; absent in a wallet that was created.
pub const RECOVERY: &str = "recovery/state";
/// What is remembered about the backup at the guardians.
pub const BACKUP: &str = "backup/state";
/// Pending transactions, by id.
pub const PENDING_PREFIX: &str = "pending/";
/// Received tokens that are not redeemed yet, by hash.
pub const RECEIVED_PREFIX: &str = "received/";

/// The layout that this version writes.
pub const FORMAT_VERSION: u8 = 1;

/// Key of a pending transaction.
pub fn pending(txid: &TxId) -> String {
    format!("{PENDING_PREFIX}{txid}")
}

/// Key of a received token.
pub fn received(id: &Hash) -> String {
    format!("{RECEIVED_PREFIX}{id}")
}
