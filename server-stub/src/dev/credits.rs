//! Transactions for guardians to order, as cheap as they come: an issuer's credits to nobody.

use std::path::Path;

use rekindle_protocol::{
    amount::Amount,
    bytes::{FederationId, Hash, Tag, Tweak},
    config::{ClientConfig, ConfigError},
    modules::deposit::{CreditRequest, DepositAddress},
    schnorr,
    transaction::{ModuleId, Transaction},
};

use super::{DataDir, DevError};

/// Writes credits of a federation's first issuer, to test and measure guardians with.
#[derive(Clone)]
pub struct Credits {
    federation: FederationId,
    deposit: ModuleId,
    key: schnorr::SecretKey,
}

impl Credits {
    /// The issuer of a federation whose key is `key`.
    ///
    /// # Errors
    /// [`ConfigError`] if the federation has no deposits.
    pub fn new(config: &ClientConfig, key: schnorr::SecretKey) -> Result<Self, ConfigError> {
        Ok(Self { federation: config.federation_id(), deposit: config.deposit()?.0, key })
    }

    /// The issuer of the development federation in `data`, which must have been dealt.
    ///
    /// # Errors
    /// [`DevError`] if there is none.
    pub fn of(data: &Path) -> Result<Self, DevError> {
        let absent = || std::io::Error::from(std::io::ErrorKind::NotFound);
        let data = DataDir::open(data)?.ok_or_else(absent)?;
        Self::new(data.config(), data.issuer()?).map_err(|error| DevError::Config(error.to_string()))
    }

    /// A credit of one sat; each number gives another.
    ///
    /// # Panics
    /// Never: the address is well-formed.
    pub fn credit(&self, number: u64) -> Transaction {
        let mut reference = Hash([0; 32]);
        reference.0[..8].copy_from_slice(&number.to_le_bytes());
        let address = DepositAddress {
            federation: DepositAddress::federation_prefix(&self.federation),
            tweak: Tweak([0; 16]),
            tag: Tag([0; 2]),
            claim_key: self.key.public_key(),
        };
        CreditRequest::sign(&self.federation, self.deposit, 0, &self.key, &address, Amount(1), reference)
            .transaction(self.deposit)
            .expect("the address is well-formed")
    }
}
