//! Deposits: credits to the wallet's addresses that it has not claimed yet.
//!
//! Addresses are not stored. A credit carries its address's tweak and tag, so that history shows it to its owner;
//! the key that the tweak derives proves that it is the wallet's.

use std::rc::Rc;

use async_trait::async_trait;
use rekindle_protocol::{
    amount::Amount,
    bytes::{Hash, Tweak},
    encoding::{Decode, Encode},
    modules::deposit::{DepositOutput, claim_nonce},
    transaction::{Input, OutPoint, Output},
};

use super::versioned;
use crate::{
    context::WalletContext,
    recovery::{Findings, ModuleError, Ownership, RecoveryFromHistory, TransactionView},
    sorted::SortedMap,
};

/// A credit waiting to be claimed.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Credit {
    /// The output that holds it.
    pub out_point: OutPoint,
    /// How much, in sats.
    pub amount: Amount,
    /// The tweak of the deposit address, from which the claim key derives.
    pub tweak: Tweak,
}

/// The wallet's unclaimed credits, by the nonce that claiming them spends.
#[derive(Clone)]
pub struct Deposits {
    context: Rc<WalletContext>,
    credits: SortedMap<Hash, Credit>,
}

const VERSION: u8 = 1;

impl Deposits {
    /// The module's name in the store.
    pub const KIND: &'static str = "deposit";

    /// The unclaimed credits.
    pub fn credits(&self) -> impl Iterator<Item = &Credit> {
        self.credits.values()
    }
}

#[async_trait(?Send)]
impl RecoveryFromHistory for Deposits {
    fn kind(&self) -> &'static str {
        Self::KIND
    }

    fn new(context: Rc<WalletContext>, snapshot: Option<&[u8]>) -> Result<Self, ModuleError> {
        let credits = snapshot.map_or(Ok(SortedMap::new()), |bytes| versioned::read(VERSION, bytes))?;
        Ok(Self { context, credits })
    }

    fn snapshot(&self) -> Vec<u8> {
        versioned::write(VERSION, &self.credits)
    }

    fn findings(&self) -> Findings {
        let sats = self.credits.values().map(|credit| credit.amount.sats()).fold(0, u64::saturating_add);
        Findings { sats, ..Findings::default() }
    }

    fn handle_input(&mut self, _view: &TransactionView<'_>, input: &Input) -> Result<(), ModuleError> {
        if input.module == self.context.deposit_id {
            self.credits.remove(&input.nonce);
        }
        Ok(())
    }

    fn handle_output(
        &mut self,
        view: &TransactionView<'_>,
        number: u8,
        output: &Output,
    ) -> Result<(), ModuleError> {
        if view.ownership == Ownership::Stranger || output.module != self.context.deposit_id {
            return Ok(());
        }
        let Ok(DepositOutput::Credit { claim_key, amount }) = DepositOutput::from_output(output) else {
            return Ok(());
        };
        let tweak = view.transaction.tweak;
        if self.context.secret.output(self.context.deposit_id, &tweak, 0).public_key() == claim_key {
            let out_point = OutPoint { txid: view.txid, output: number };
            self.credits.insert(claim_nonce(&out_point), Credit { out_point, amount, tweak });
        }
        Ok(())
    }
}
