//! What a federation is to be: its name, its issuers, its fees.

use rekindle_protocol::{
    bls::KeySet,
    config::{ClientConfig, Fees, Guardian, MAX_NAME_BYTES, ModuleInstance},
    encoding::{Canonical, Decode, Encode},
    modules::{
        deposit::{DepositConfig, Issuer, MAX_ISSUERS},
        mint::MintConfig,
    },
};

use super::Participants;

/// The terms of a federation, on which all guardians agree in the ceremony.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Terms {
    /// The federation's name.
    #[encoding(text = MAX_NAME_BYTES)]
    pub name: String,
    /// How many denominations of notes, from 1 sat up; at most [`MintConfig::MAX_DENOMINATIONS`].
    pub denominations: u8,
    /// Who may credit deposits and pays withdrawals.
    #[encoding(list = MAX_ISSUERS)]
    pub issuers: Vec<Issuer>,
    /// What modules keep of inputs and outputs.
    pub fees: Fees,
}

impl Terms {
    /// Whether a federation can have them.
    pub fn are_possible(&self) -> bool {
        (1..=MintConfig::MAX_DENOMINATIONS).contains(&usize::from(self.denominations))
    }

    /// The config of a federation with these terms and keys.
    pub fn config(
        &self,
        participants: &Participants,
        session_keys: KeySet,
        denominations: Vec<KeySet>,
    ) -> ClientConfig {
        let mint = MintConfig { denominations, fees: self.fees };
        let deposit = DepositConfig { issuers: self.issuers.clone(), fees: self.fees };
        ClientConfig {
            name: self.name.clone(),
            guardians: participants
                .infos()
                .iter()
                .map(|info| Guardian { name: info.name.clone(), key: info.identity })
                .collect(),
            session_keys,
            modules: vec![
                ModuleInstance { kind: MintConfig::KIND.into(), config: mint.to_bytes() },
                ModuleInstance { kind: DepositConfig::KIND.into(), config: deposit.to_bytes() },
            ],
        }
    }
}
