//! The mint: the wallet's notes.
//!
//! A note's secrets are never stored: they derive from the seed, the tweak of the transaction that issued the note
//! and the number of its output. What is stored is where the note comes from and, once the guardians gave it, the
//! federation's signature that makes it money.

mod issue;
mod select;
mod token;

use std::rc::Rc;

use async_trait::async_trait;
use rekindle_protocol::{
    amount::Amount,
    bytes::{G2Bytes, SchnorrKey, Tweak, TxId},
    encoding::{Canonical, Decode, Encode},
    modules::mint::{Denomination, MintOutput},
    ownership::OperationKind,
    transaction::{Input, OutPoint, Output},
};

use super::versioned;
use crate::{
    context::WalletContext,
    recovery::{Findings, ModuleError, Ownership, RecoveryFromHistory, TransactionView},
    sorted::SortedMap,
};

pub use issue::{Claim, blind_output, wrong_shares};
pub use select::{decompose, decompose_after_fees, select};
pub use token::{Token, TokenError, TokenNote};

/// An unspent note of the wallet. It has no `Debug`: notes are money.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
pub struct Note {
    /// What it is worth.
    pub denomination: Denomination,
    /// The output that issued it.
    pub out_point: OutPoint,
    /// The session that holds that transaction.
    pub session: u64,
    /// The tweak of that transaction, from which the note's secrets derive.
    pub tweak: Tweak,
    /// Whether it left the wallet as part of a token and is still unspent.
    pub in_token: bool,
    /// The federation's signature on the nonce, once it is known.
    pub signature: Option<G2Bytes>,
}

impl Note {
    /// What it is worth, in sats.
    pub fn amount(&self) -> Amount {
        self.denomination.amount().unwrap_or(Amount::ZERO)
    }
}

/// The wallet's unspent notes, by nonce.
#[derive(Clone)]
pub struct Mint {
    context: Rc<WalletContext>,
    notes: SortedMap<SchnorrKey, Note>,
}

const VERSION: u8 = 1;

impl Mint {
    /// The module's name in the store.
    pub const KIND: &'static str = "mint";

    /// All unspent notes, those in tokens included.
    pub fn notes(&self) -> impl Iterator<Item = (&SchnorrKey, &Note)> {
        self.notes.iter()
    }

    /// Whether an unspent note has this nonce.
    pub fn holds(&self, nonce: &SchnorrKey) -> bool {
        self.notes.contains_key(nonce)
    }

    /// The unspent notes of the token that the transaction `send` made.
    pub fn token_notes(&self, send: TxId) -> impl Iterator<Item = (&SchnorrKey, &Note)> {
        self.notes.iter().filter(move |(_, note)| note.in_token && note.out_point.txid == send)
    }

    /// Takes in the federation's signature on a note. It must have been verified.
    pub fn complete(&mut self, nonce: &SchnorrKey, signature: G2Bytes) {
        if let Some(note) = self.notes.get_mut(nonce) {
            note.signature = Some(signature);
        }
    }
}

#[async_trait(?Send)]
impl RecoveryFromHistory for Mint {
    fn kind(&self) -> &'static str {
        Self::KIND
    }

    fn new(context: Rc<WalletContext>, snapshot: Option<&[u8]>) -> Result<Self, ModuleError> {
        let notes = snapshot.map_or(Ok(SortedMap::new()), |bytes| versioned::read(VERSION, bytes))?;
        Ok(Self { context, notes })
    }

    fn snapshot(&self) -> Vec<u8> {
        versioned::write(VERSION, &self.notes)
    }

    fn findings(&self) -> Findings {
        let kept = self.notes.values().filter(|note| !note.in_token);
        kept.fold(Findings::default(), |sum, note| Findings {
            notes: sum.notes + 1,
            sats: sum.sats.saturating_add(note.amount().sats()),
            operations: 0,
        })
    }

    fn handle_input(&mut self, _view: &TransactionView<'_>, input: &Input) -> Result<(), ModuleError> {
        if input.module == self.context.mint_id {
            self.notes.remove(&SchnorrKey(input.nonce.0));
        }
        Ok(())
    }

    fn handle_output(
        &mut self,
        view: &TransactionView<'_>,
        number: u8,
        output: &Output,
    ) -> Result<(), ModuleError> {
        let Ownership::Own(memo) = &view.ownership else { return Ok(()) };
        if output.module != self.context.mint_id {
            return Ok(());
        }
        let MintOutput { denomination, .. } = MintOutput::from_bytes(&output.body)?;
        let tweak = view.transaction.tweak;
        // The memo authenticates the outputs, so the blinded nonce need not be computed to be believed.
        let nonce = self.context.nonce(&tweak, number);
        self.notes.entry(nonce).or_insert(Note {
            denomination,
            out_point: OutPoint { txid: view.txid, output: number },
            session: view.session,
            tweak,
            in_token: memo.kind == OperationKind::Send && number < memo.token_outputs,
            signature: None,
        });
        Ok(())
    }
}
