//! The mint's rules: a note is real if the federation signed its nonce under its denomination's key.

use rekindle_protocol::{
    amount::Amount,
    bls::{PublicKey, check_g2},
    bytes::TxId,
    config::{ConfigError, Fees},
    encoding::Canonical,
    modules::mint::{Denomination, MintConfig, MintInput, MintOutput, note_message},
    transaction::{Input, ModuleId, Output, Transaction},
};

use super::{
    judge::Verdict,
    module::{InputTerms, Module, OutputTerms, unreadable},
    refusal::Refusal,
    tables::{State, Total, Writer},
};

/// The mint of a federation.
pub(super) struct Mint {
    id: ModuleId,
    /// By denomination, checked once.
    keys: Vec<PublicKey>,
    fees: Fees,
}

impl Mint {
    pub fn new(id: ModuleId, config: &MintConfig) -> Result<Self, ConfigError> {
        let keys = config
            .denominations
            .iter()
            .map(|keys| keys.public_key().map_err(|_| ConfigError::Key))
            .collect::<Result<_, _>>()?;
        Ok(Self { id, keys, fees: config.fees })
    }

    fn amount(&self, denomination: Denomination) -> Result<Amount, Refusal> {
        denomination
            .amount()
            .filter(|_| usize::from(denomination.0) < self.keys.len())
            .ok_or_else(|| Refusal::malformed("the federation has no notes of this denomination"))
    }
}

impl Module for Mint {
    fn id(&self) -> ModuleId {
        self.id
    }

    fn input_terms(&self, _state: &dyn State, input: &Input) -> Result<InputTerms, Refusal> {
        let (nonce, note) = MintInput::from_input(input).map_err(|error| unreadable(&error))?;
        Ok(InputTerms { amount: self.amount(note.denomination)?, fee: self.fees.input, owner: nonce })
    }

    fn output_terms(&self, output: &Output) -> Result<OutputTerms, Refusal> {
        let note = MintOutput::from_bytes(&output.body).map_err(|error| unreadable(&error))?;
        Ok(OutputTerms { amount: self.amount(note.denomination)?, fee: self.fees.output })
    }

    fn verify_input(&self, number: usize, input: &Input) -> Result<(), Refusal> {
        let (nonce, note) = MintInput::from_input(input).map_err(|error| unreadable(&error))?;
        let key = self.keys.get(usize::from(note.denomination.0));
        if key.is_some_and(|key| key.verify(&note_message(&nonce), &note.signature)) {
            Ok(())
        } else {
            Err(Refusal::invalid_signature(format!("the note of input {number} is not the federation's")))
        }
    }

    fn verify_output(&self, number: usize, output: &Output) -> Result<(), Refusal> {
        let note = MintOutput::from_bytes(&output.body).map_err(|error| unreadable(&error))?;
        match check_g2(&note.blinded_nonce) {
            Ok(_) => Ok(()),
            Err(error) => Err(Refusal::malformed(format!("the blinded nonce of output {number}: {error}"))),
        }
    }

    fn record(
        &self,
        writer: &mut Writer<'_>,
        transaction: &Transaction,
        txid: &TxId,
        verdict: &Verdict,
    ) -> Result<(), redb::Error> {
        let redeemed =
            transaction.inputs.iter().zip(&verdict.inputs).filter(|(input, _)| input.module == self.id);
        writer.add(Total::Redeemed, redeemed.map(|(_, terms)| terms.amount))?;
        let (mut issued, mut amounts) = (Vec::new(), Vec::new());
        for ((number, output), terms) in (0..).zip(&transaction.outputs).zip(&verdict.outputs) {
            if output.module == self.id
                && let Ok(note) = MintOutput::from_bytes(&output.body)
            {
                issued.push((number, note));
                amounts.push(terms.amount);
            }
        }
        writer.add(Total::Issued, amounts)?;
        if issued.is_empty() { Ok(()) } else { writer.record_issued(txid, &issued) }
    }
}
