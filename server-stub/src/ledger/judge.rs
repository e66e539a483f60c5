//! The verdict on one transaction, cheap checks first.

use rekindle_protocol::{
    api::RejectionReason,
    bytes::TxId,
    schnorr,
    transaction::{ModuleId, Transaction},
};

use super::{
    Ledger, envelope,
    module::{InputTerms, Module, OutputTerms},
    refusal::Refusal,
    tables::State,
};
use crate::{cpu::SIGNATURES, node::Proposals};

/// What a valid transaction's parts are worth, in their order.
#[derive(Debug)]
pub(super) struct Verdict {
    pub inputs: Vec<InputTerms>,
    pub outputs: Vec<OutputTerms>,
}

impl Ledger {
    /// Judges a transaction whose id is `txid`.
    pub(super) fn judge(
        &self,
        state: &dyn State,
        proposals: &Proposals,
        transaction: &Transaction,
        txid: &TxId,
    ) -> Result<Verdict, Refusal> {
        envelope::check_shape(transaction)?;
        for module in [&self.mint as &dyn Module, &self.deposit] {
            module.check_whole(transaction)?;
        }
        for (number, input) in (0..).zip(&transaction.inputs) {
            self.module(input.module)?;
            if let Some(spend) = state.spend(input)? {
                let reason = RejectionReason::AlreadySpent { input: number, session: spend.session };
                let detail = format!("input {number} was spent in session {}", spend.session);
                return Err(Refusal::new(reason, detail));
            }
        }
        let verdict = Verdict {
            inputs: transaction
                .inputs
                .iter()
                .map(|input| self.module(input.module)?.input_terms(state, input))
                .collect::<Result<_, _>>()?,
            outputs: transaction
                .outputs
                .iter()
                .map(|output| self.module(output.module)?.output_terms(output))
                .collect::<Result<_, _>>()?,
        };
        envelope::check_balance(transaction, &verdict)?;
        if !proposals.is_empty() {
            self.deposit.check_suspended(proposals, transaction)?;
        }
        if !self.is_correctly_signed(txid) {
            SIGNATURES.measure(|| self.verify(transaction, &verdict))?;
            self.remember_correctly_signed(*txid);
        }
        Ok(verdict)
    }

    /// All curve arithmetic. It depends on nothing but the transaction and its terms, which never change.
    fn verify(&self, transaction: &Transaction, verdict: &Verdict) -> Result<(), Refusal> {
        let digest = transaction.spend_digest(&self.federation);
        for (number, (terms, signature)) in verdict.inputs.iter().zip(&transaction.signatures).enumerate() {
            if !schnorr::verify(&terms.owner, &digest, signature) {
                return Err(Refusal::invalid_signature(format!("input {number} is not signed by its owner")));
            }
        }
        for (number, input) in transaction.inputs.iter().enumerate() {
            self.module(input.module)?.verify_input(number, input)?;
        }
        for (number, output) in transaction.outputs.iter().enumerate() {
            self.module(output.module)?.verify_output(number, output)?;
        }
        Ok(())
    }

    fn module(&self, id: ModuleId) -> Result<&dyn Module, Refusal> {
        [&self.mint as &dyn Module, &self.deposit].into_iter().find(|module| module.id() == id).ok_or_else(
            || Refusal::new(RejectionReason::UnknownModule, format!("the federation has no module {id}")),
        )
    }

    fn is_correctly_signed(&self, txid: &TxId) -> bool {
        // A panic elsewhere leaves the cache whole: its values are empty.
        let mut cache = self.correctly_signed.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        cache.get(txid).is_some()
    }

    pub(super) fn remember_correctly_signed(&self, txid: TxId) {
        let mut cache = self.correctly_signed.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        cache.put(txid, ());
    }
}
