//! What holds for every transaction, whatever its modules.

use std::collections::HashSet;

use rekindle_protocol::{
    amount::Amount,
    api::RejectionReason,
    encoding::Canonical,
    transaction::{MAX_BODY_BYTES, MAX_INPUTS, MAX_OUTPUTS, MAX_TRANSACTION_BYTES, Transaction},
};

use super::{judge::Verdict, refusal::Refusal};

/// Counts, sizes, and that nothing is spent twice within the transaction.
pub(super) fn check_shape(transaction: &Transaction) -> Result<(), Refusal> {
    let Transaction { inputs, outputs, signatures, .. } = transaction;
    if inputs.is_empty() {
        return Err(Refusal::malformed("there is no input"));
    }
    if signatures.len() != inputs.len() {
        return Err(Refusal::malformed("there is not one signature for each input"));
    }
    // Decoded transactions keep these limits already; those from JSON do not.
    let bodies = inputs.iter().map(|input| &input.body).chain(outputs.iter().map(|output| &output.body));
    if inputs.len() > MAX_INPUTS
        || outputs.len() > MAX_OUTPUTS
        || bodies.into_iter().any(|body| body.len() > MAX_BODY_BYTES)
        || transaction.to_bytes().len() > MAX_TRANSACTION_BYTES
    {
        return Err(Refusal::malformed("the transaction is too large"));
    }
    let mut nonces = HashSet::with_capacity(inputs.len());
    if !inputs.iter().all(|input| nonces.insert((input.module, input.nonce))) {
        return Err(Refusal::malformed("two inputs spend the same thing"));
    }
    Ok(())
}

/// Inputs are outputs plus the fee, and the fee is what the modules ask for or more.
pub(super) fn check_balance(transaction: &Transaction, verdict: &Verdict) -> Result<(), Refusal> {
    let unbalanced = |detail: String| Refusal::new(RejectionReason::Unbalanced, detail);
    let sum = |amounts: &mut dyn Iterator<Item = Amount>| {
        Amount::checked_sum(amounts).ok_or_else(|| unbalanced("the amounts overflow".into()))
    };
    let fee = transaction.fee;
    let inputs = sum(&mut verdict.inputs.iter().map(|terms| terms.amount))?;
    let outputs = sum(&mut verdict.outputs.iter().map(|terms| terms.amount))?;
    let asked = sum(&mut verdict
        .inputs
        .iter()
        .map(|terms| terms.fee)
        .chain(verdict.outputs.iter().map(|terms| terms.fee)))?;
    if outputs.checked_add(fee) != Some(inputs) {
        return Err(unbalanced(format!("inputs of {inputs} for outputs of {outputs} and a fee of {fee}")));
    }
    if fee < asked {
        return Err(unbalanced(format!("a fee of {fee} where {asked} are asked for")));
    }
    Ok(())
}
