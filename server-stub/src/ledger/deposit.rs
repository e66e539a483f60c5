//! The deposit module's rules: credits are the issuers' word, claims take them, withdrawals burn.

use rekindle_protocol::{
    amount::Amount,
    api::RejectionReason,
    bytes::TxId,
    encoding::Canonical,
    modules::deposit::{DepositConfig, DepositInput, DepositOutput, Issuer},
    transaction::{Input, ModuleId, OutPoint, Output, Transaction},
};

use super::{
    judge::Verdict,
    module::{InputTerms, Module, OutputTerms, unreadable},
    refusal::Refusal,
    suspension::suspended,
    tables::{Credit, State, Total, Writer},
};
use crate::node::Proposals;

/// The deposit module of a federation.
pub(super) struct Deposit {
    id: ModuleId,
    config: DepositConfig,
    max_faulty: usize,
}

impl Deposit {
    pub fn new(id: ModuleId, config: DepositConfig, max_faulty: usize) -> Self {
        Self { id, config, max_faulty }
    }

    /// Refuses what an issuer credits, and withdrawals toward it, while more than f guardians propose to suspend it.
    pub fn check_suspended(&self, proposals: &Proposals, transaction: &Transaction) -> Result<(), Refusal> {
        let suspended = suspended(proposals, self.max_faulty);
        let inputs = transaction.inputs.iter().filter(|input| input.module == self.id);
        let credits = inputs.filter_map(|input| match DepositInput::from_bytes(&input.body) {
            Ok(DepositInput::Credit { issuer, .. }) => Some(issuer),
            _ => None,
        });
        let outputs = transaction.outputs.iter().filter(|output| output.module == self.id);
        let withdrawals = outputs.filter_map(|output| match DepositOutput::from_output(output) {
            Ok(DepositOutput::Withdrawal { issuer, .. }) => Some(issuer),
            _ => None,
        });
        match credits.chain(withdrawals).find(|issuer| suspended.contains(issuer)) {
            None => Ok(()),
            Some(issuer) => Err(Refusal::new(
                RejectionReason::IssuerSuspended,
                format!("the guardians have suspended issuer {issuer}"),
            )),
        }
    }

    fn issuer(&self, id: u16) -> Result<&Issuer, Refusal> {
        let issuer = self.config.issuers.get(usize::from(id));
        issuer.ok_or_else(|| Refusal::malformed(format!("the federation has no issuer {id}")))
    }

    fn read_input(&self, input: &Input) -> Result<DepositInput, Refusal> {
        let read = DepositInput::from_bytes(&input.body).map_err(|error| unreadable(&error))?;
        if read.nonce() == input.nonce {
            Ok(read)
        } else {
            Err(Refusal::malformed("a deposit input's nonce is not that of what it spends"))
        }
    }

    fn is_credit(&self, input: &Input) -> bool {
        input.module == self.id
            && matches!(DepositInput::from_bytes(&input.body), Ok(DepositInput::Credit { .. }))
    }

    fn credited(&self, output: &Output) -> Option<Credit> {
        match (output.module == self.id).then(|| DepositOutput::from_output(output))? {
            Ok(DepositOutput::Credit { claim_key, amount }) => Some(Credit { claim_key, amount }),
            _ => None,
        }
    }
}

fn not_nothing(amount: Amount) -> Result<Amount, Refusal> {
    if amount == Amount::ZERO { Err(Refusal::malformed("an amount is zero")) } else { Ok(amount) }
}

impl Module for Deposit {
    fn id(&self) -> ModuleId {
        self.id
    }

    /// An issuer's credit stands alone: its transaction holds it and the one output that it pays for, so that a
    /// credit can be found by the address's tag and nothing else is paid to an address.
    fn check_whole(&self, transaction: &Transaction) -> Result<(), Refusal> {
        let promised = transaction.inputs.iter().any(|input| self.is_credit(input));
        let credited = transaction.outputs.iter().any(|output| self.credited(output).is_some());
        if promised != credited
            || promised && (transaction.inputs.len() != 1 || transaction.outputs.len() != 1)
        {
            return Err(Refusal::malformed("a credit is not alone with its output"));
        }
        Ok(())
    }

    fn input_terms(&self, state: &dyn State, input: &Input) -> Result<InputTerms, Refusal> {
        match self.read_input(input)? {
            DepositInput::Credit { issuer, amount, .. } => Ok(InputTerms {
                amount: not_nothing(amount)?,
                // What arrives is what the issuer promised; the module keeps its part when it is claimed.
                fee: Amount::ZERO,
                owner: self.issuer(issuer)?.key,
            }),
            DepositInput::Claim { credit } => match state.credit(self.id, &credit)? {
                Some(Credit { claim_key, amount }) => {
                    Ok(InputTerms { amount, fee: self.config.fees.input, owner: claim_key })
                }
                None => Err(Refusal::new(
                    RejectionReason::NoSuchCredit,
                    format!("output {} of {} is no credit", credit.output, credit.txid),
                )),
            },
        }
    }

    fn output_terms(&self, output: &Output) -> Result<OutputTerms, Refusal> {
        match DepositOutput::from_output(output).map_err(|error| unreadable(&error))? {
            DepositOutput::Credit { amount, .. } => Ok(OutputTerms { amount, fee: Amount::ZERO }),
            DepositOutput::Withdrawal { issuer, amount, .. } => {
                self.issuer(issuer)?;
                Ok(OutputTerms { amount: not_nothing(amount)?, fee: self.config.fees.output })
            }
        }
    }

    fn record(
        &self,
        writer: &mut Writer<'_>,
        transaction: &Transaction,
        txid: &TxId,
        verdict: &Verdict,
    ) -> Result<(), redb::Error> {
        for (input, terms) in transaction.inputs.iter().zip(&verdict.inputs) {
            if input.module == self.id {
                let total = if self.is_credit(input) { Total::Credited } else { Total::Claimed };
                writer.add(total, [terms.amount])?;
            }
        }
        for ((number, output), terms) in (0..).zip(&transaction.outputs).zip(&verdict.outputs) {
            if output.module != self.id {
                continue;
            }
            match self.credited(output) {
                Some(credit) => {
                    writer.record_credit(self.id, &OutPoint { txid: *txid, output: number }, &credit)?;
                }
                None => writer.add(Total::Withdrawn, [terms.amount])?,
            }
        }
        Ok(())
    }
}
