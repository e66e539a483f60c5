//! What the ledger asks of a module.

use rekindle_protocol::{
    amount::Amount,
    bytes::{SchnorrKey, TxId},
    transaction::{Input, ModuleId, Output, Transaction},
};

use super::{
    judge::Verdict,
    refusal::Refusal,
    tables::{State, Writer},
};

/// What an input brings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct InputTerms {
    /// What it is worth.
    pub amount: Amount,
    /// What the module keeps of it.
    pub fee: Amount,
    /// Who must sign the transaction for it.
    pub owner: SchnorrKey,
}

/// What an output takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct OutputTerms {
    /// What it is worth.
    pub amount: Amount,
    /// What the module keeps of it.
    pub fee: Amount,
}

/// A kind of input and output.
pub(super) trait Module: Send + Sync {
    /// Its number in the config.
    fn id(&self) -> ModuleId;

    /// Checks what concerns the transaction as a whole.
    fn check_whole(&self, _transaction: &Transaction) -> Result<(), Refusal> {
        Ok(())
    }

    /// Reads an input of this module. Cheap; what it says of an input never changes once it is not a refusal.
    fn input_terms(&self, state: &dyn State, input: &Input) -> Result<InputTerms, Refusal>;

    /// Reads an output of this module. Cheap, and the same always.
    fn output_terms(&self, output: &Output) -> Result<OutputTerms, Refusal>;

    /// Curve arithmetic for an input whose terms are known, but for its owner's signature.
    fn verify_input(&self, _number: usize, _input: &Input) -> Result<(), Refusal> {
        Ok(())
    }

    /// Curve arithmetic for an output whose terms are known.
    fn verify_output(&self, _number: usize, _output: &Output) -> Result<(), Refusal> {
        Ok(())
    }

    /// Writes what this module's parts of a valid transaction change.
    fn record(
        &self,
        writer: &mut Writer<'_>,
        transaction: &Transaction,
        txid: &TxId,
        verdict: &Verdict,
    ) -> Result<(), redb::Error>;
}

/// A part that does not decode, in words.
pub(super) fn unreadable(error: &impl ToString) -> Refusal {
    let mut detail = error.to_string();
    // Far below the limit of a rejection's explanation.
    detail.truncate(detail.floor_char_boundary(200));
    Refusal::malformed(detail)
}
