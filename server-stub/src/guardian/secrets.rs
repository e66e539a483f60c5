//! Everything secret of one guardian.

use rekindle_protocol::{
    encoding::{Canonical, Decode, Encode},
    schnorr,
};
use zeroize::Zeroizing;

use crate::{consensus::SecretScalar, network::tcp::TlsIdentity, node::GuardianKeys};

/// A guardian's secrets. They have no `Debug`; the parts are erased when dropped.
#[derive(Clone)]
pub struct Secrets {
    /// Its certificate and the key of it.
    pub tls: TlsIdentity,
    /// Signs its answers to wallets and its part in the ceremony.
    pub identity: schnorr::SecretKey,
    /// Its shares of the federation's keys, once it has joined one.
    pub keys: Option<GuardianKeys>,
}

/// The form on disk, before it is sealed.
#[derive(Encode, Decode)]
struct Stored {
    version: u8,
    tls: TlsIdentity,
    identity: SecretScalar,
    keys: Option<Vec<u8>>,
}

impl Drop for Stored {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.keys);
    }
}

const VERSION: u8 = 1;

impl Secrets {
    /// The secrets in clear, to be sealed.
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let stored = Stored {
            version: VERSION,
            tls: self.tls.clone(),
            identity: SecretScalar(*self.identity.to_bytes()),
            keys: self.keys.as_ref().map(|keys| keys.to_bytes().to_vec()),
        };
        Zeroizing::new(Canonical::to_bytes(&stored))
    }

    /// Reads secrets that were sealed.
    ///
    /// # Errors
    /// What is wrong, without any of the content.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, &'static str> {
        let stored = <Stored as Canonical>::from_bytes(bytes).map_err(|_| "not a guardian's secrets")?;
        if stored.version != VERSION {
            return Err("the secrets are of another version of this software");
        }
        let identity =
            schnorr::SecretKey::from_bytes(&stored.identity.0).map_err(|_| "a broken identity key")?;
        let keys = stored
            .keys
            .as_deref()
            .map(GuardianKeys::from_bytes)
            .transpose()
            .map_err(|_| "broken key shares")?;
        Ok(Self { tls: stored.tls.clone(), identity, keys })
    }
}
