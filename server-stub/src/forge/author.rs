//! Writing transactions as a wallet does, with all secrets at hand.

use rekindle_protocol::{
    amount::Amount,
    bls::blind,
    bytes::{FederationId, Hash, Memo, SchnorrKey, Tag, Tweak},
    config::{ClientConfig, ConfigError},
    modules::{
        deposit::{CreditRequest, DepositInput, DepositOutput},
        mint::{Denomination, MintInput, MintOutput, note_message},
    },
    ownership::{MemoContent, OperationKind, WalletSecret},
    schnorr,
    transaction::{Input, ModuleId, OutPoint, Output, Transaction},
};

use super::FederationSecrets;

/// What an author needs to know of the federation it writes for.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// Its id.
    pub federation: FederationId,
    /// The mint's number.
    pub mint: ModuleId,
    /// The deposit module's number.
    pub deposit: ModuleId,
}

impl Place {
    /// The place that a config describes.
    ///
    /// # Errors
    /// [`ConfigError`] if a module is missing.
    pub fn of(config: &ClientConfig) -> Result<Self, ConfigError> {
        Ok(Self { federation: config.federation_id(), mint: config.mint()?.0, deposit: config.deposit()?.0 })
    }
}

/// A note with the key that spends it.
#[derive(Clone)]
pub struct OwnedNote {
    /// What it is worth.
    pub denomination: Denomination,
    /// Spends it; its public key is the nonce.
    pub key: schnorr::SecretKey,
}

impl OwnedNote {
    /// Its value in sats; no note of a denomination that does not exist is ever made here.
    pub fn amount(&self) -> Amount {
        self.denomination.amount().unwrap_or_default()
    }
}

/// Something to be spent, with the key that signs for it.
pub enum Spendable {
    /// A note.
    Note(OwnedNote),
    /// A credit at a deposit address.
    Credit {
        /// Where the credit is.
        at: OutPoint,
        /// The claim key.
        key: schnorr::SecretKey,
    },
}

/// What is to become a transaction.
pub struct Draft {
    /// What goes in.
    pub inputs: Vec<Spendable>,
    /// The notes that come out, in this order.
    pub notes: Vec<Denomination>,
    /// What leaves toward an issuer, after the notes.
    pub withdrawal: Option<DepositOutput>,
    /// What the federation keeps.
    pub fee: Amount,
    /// What the owner will remember.
    pub memo: MemoContent,
}

/// A wallet that writes transactions without asking anybody.
pub struct Author<'a> {
    /// Where.
    pub place: Place,
    /// The wallet.
    pub wallet: &'a WalletSecret,
    /// What signs notes.
    pub secrets: &'a FederationSecrets,
}

impl Author<'_> {
    /// The finished transaction: derived outputs, sealed memo, all signatures. `tweak` must be fresh.
    pub fn write(&self, tweak: Tweak, draft: Draft) -> Transaction {
        let Draft { inputs: spendables, notes, withdrawal, fee, memo } = draft;
        let (inputs, keys): (Vec<Input>, Vec<schnorr::SecretKey>) =
            spendables.into_iter().map(|spendable| self.input(spendable)).unzip();
        let mut outputs: Vec<Output> = (0..)
            .zip(&notes)
            .map(|(number, denomination)| {
                let secret = self.wallet.output(self.place.mint, &tweak, number);
                let blinded_nonce = blind(&note_message(&secret.public_key()), &secret.blinding);
                MintOutput { denomination: *denomination, blinded_nonce }.into_output(self.place.mint)
            })
            .collect();
        outputs.extend(withdrawal.map(|output| output.into_output(self.place.deposit)));
        let tag = self.wallet.tag(&tweak);
        let mut transaction = unsigned(tweak, tag, fee, inputs, outputs);
        memo.seal(self.wallet, &self.place.federation, &mut transaction);
        sign(&mut transaction, &self.place.federation, &keys);
        transaction
    }

    /// The notes that a transaction of this wallet gives it.
    pub fn notes<'t>(
        &'t self,
        tweak: &'t Tweak,
        denominations: &'t [Denomination],
    ) -> impl Iterator<Item = OwnedNote> + 't {
        (0..).zip(denominations).map(move |(number, denomination)| OwnedNote {
            denomination: *denomination,
            key: self.wallet.output(self.place.mint, tweak, number).key,
        })
    }

    /// Issuer 0's credit of `amount` to this wallet's deposit address with this tweak, and how to claim it.
    pub fn credit(&self, tweak: Tweak, amount: Amount, reference: Hash) -> (Transaction, Spendable) {
        let Place { federation, deposit, .. } = self.place;
        let address = self.wallet.deposit_address(&federation, deposit, tweak);
        let request =
            CreditRequest::sign(&federation, deposit, 0, &self.secrets.issuer, &address, amount, reference);
        let transaction = request.transaction(deposit).expect("the address was just written");
        let at = OutPoint { txid: transaction.id(), output: 0 };
        let key = self.wallet.output(deposit, &tweak, 0).key;
        (transaction, Spendable::Credit { at, key })
    }

    /// Anyone's input for something spendable, and the key that must sign.
    pub fn input(&self, spendable: Spendable) -> (Input, schnorr::SecretKey) {
        match spendable {
            Spendable::Note(OwnedNote { denomination, key }) => {
                let nonce: SchnorrKey = key.public_key();
                let secret = &self.secrets.mint[usize::from(denomination.0)];
                let signature = secret.sign(&note_message(&nonce));
                let input = MintInput { denomination, signature }.into_input(self.place.mint, &nonce);
                (input, key)
            }
            Spendable::Credit { at, key } => {
                (DepositInput::Claim { credit: at }.into_input(self.place.deposit), key)
            }
        }
    }
}

/// A transaction without memo and signatures.
pub fn unsigned(
    tweak: Tweak,
    tag: Tag,
    fee: Amount,
    inputs: Vec<Input>,
    outputs: Vec<Output>,
) -> Transaction {
    Transaction { tweak, tag, memo: Memo([0; Memo::LEN]), fee, inputs, outputs, signatures: Vec::new() }
}

/// Signs for each input in order.
pub fn sign(transaction: &mut Transaction, federation: &FederationId, keys: &[schnorr::SecretKey]) {
    let digest = transaction.spend_digest(federation);
    transaction.signatures = keys.iter().map(|key| key.sign(&digest)).collect();
}

/// The fewest notes that are worth `amount` together, from small to large, with denominations below `count`.
pub fn split(amount: Amount, count: usize) -> Vec<Denomination> {
    let Some(largest) = u8::try_from(count).ok().and_then(|count| count.checked_sub(1)) else {
        return Vec::new();
    };
    let mut notes: Vec<Denomination> =
        (0..largest).filter(|k| amount.0 >> k & 1 == 1).map(Denomination).collect();
    let of_largest = usize::try_from(amount.0 >> largest).unwrap_or(usize::MAX);
    notes.extend(std::iter::repeat_n(Denomination(largest), of_largest));
    notes
}

/// A memo without reference and token.
pub fn plain_memo(kind: OperationKind, amount: Amount) -> MemoContent {
    MemoContent { kind, amount, token_outputs: 0, reference: Hash([0; 32]) }
}
