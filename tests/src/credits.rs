//! Transactions for guardians to order, as cheap as they come: an issuer's credits to nobody.

use std::path::Path;

use rekindle_guardian::dev::DataDir;
use rekindle_protocol::{
    amount::Amount,
    bytes::{FederationId, Hash, Tag, Tweak},
    modules::deposit::{CreditRequest, DepositAddress},
    schnorr,
    transaction::{ModuleId, Transaction},
};

/// Writes credits of a development federation's issuer.
#[derive(Clone)]
pub struct Credits {
    federation: FederationId,
    deposit: ModuleId,
    key: schnorr::SecretKey,
}

impl Credits {
    /// The issuer of the federation in `data`, which must have been dealt.
    ///
    /// # Errors
    /// If there is none.
    pub fn of(data: &Path) -> Result<Self, Box<dyn std::error::Error>> {
        let data = DataDir::open(data)?.ok_or("there is no federation")?;
        let config = data.config();
        Ok(Self { federation: config.federation_id(), deposit: config.deposit()?.0, key: data.issuer()? })
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
