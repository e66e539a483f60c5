//! What guardians know of each other beyond what wallets know: where they listen and which certificates they show.

use rekindle_protocol::{bytes::Hash, config::ClientConfig, encoding::Canonical};
use serde::{Deserialize, Serialize};

use crate::{
    consensus::{ConsensusKeys, GuardianId},
    network::tcp::{Fingerprint, PeerAddress},
    node::Settings,
};

/// All guardians of a federation, as one of them sees them: the file `members.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Members {
    /// Which of them this guardian is.
    pub own: GuardianId,
    /// All of them, by id.
    pub guardians: Vec<Member>,
}

/// One guardian.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Host and port at which other guardians reach it. It may be changed by hand when a guardian moves.
    pub address: String,
    /// SHA-256 of its certificate in hex. All guardians must have the same.
    pub certificate: Fingerprint,
}

impl Members {
    /// The guardians as the network knows them.
    pub fn addresses(&self) -> Vec<PeerAddress> {
        self.guardians
            .iter()
            .map(|member| PeerAddress { address: member.address.clone(), certificate: member.certificate })
            .collect()
    }

    /// The hash of everything that guardians must agree on before they talk: what wallets know, the engine's public
    /// key, everybody's certificate, and the limits that decide what history looks like. Addresses may differ.
    pub fn config_hash(&self, config: &ClientConfig, keys: &ConsensusKeys, settings: &Settings) -> Hash {
        let mut hasher = blake3::Hasher::new_derive_key("rekindle 2026-11 guardians' config");
        hasher.update(&config.federation_id().0);
        for coefficient in &keys.coefficients {
            hasher.update(&coefficient.0);
        }
        for member in &self.guardians {
            hasher.update(&member.certificate.0);
        }
        let limits = [
            settings.session_items as u64,
            settings.session_bytes as u64,
            settings.session_epochs,
            settings.contribution_bytes as u64,
        ];
        hasher.update(&limits.to_vec().to_bytes());
        Hash(*hasher.finalize().as_bytes())
    }
}
