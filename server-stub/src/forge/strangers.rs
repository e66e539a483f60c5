//! Everybody else: transactions that look right and cost no curve arithmetic.
//!
//! Nonces are random bytes. Points and signatures come from a small pool of real ones, so that whoever decodes
//! them finds points. They are not valid transactions: no guardian would have accepted them.

use rekindle_protocol::{
    amount::Amount,
    bls::{BlindingFactor, blind},
    bytes::{G2Bytes, Hash, Memo, SchnorrKey, SchnorrSignature, Tag},
    modules::mint::{Denomination, MintInput, MintOutput, note_message},
    transaction::{ModuleId, Transaction},
};

use super::{FederationSecrets, stream::Stream};

/// How many real points and signatures there are to draw from.
const POOL: usize = 32;

/// Draws transactions.
pub struct Strangers {
    stream: Stream,
    mint: ModuleId,
    parts: usize,
    points: Vec<G2Bytes>,
    notes: Vec<(Denomination, G2Bytes)>,
    spends: Vec<SchnorrSignature>,
}

impl Strangers {
    /// Strangers whose transactions have `parts` inputs and as many outputs.
    pub fn new(seed: u64, mint: ModuleId, parts: usize, secrets: &FederationSecrets) -> Self {
        let mut pool = Stream::new(seed, "pool");
        let denominations = secrets.mint.len();
        let mut drawn = Self {
            stream: Stream::new(seed, "strangers"),
            mint,
            parts,
            points: Vec::new(),
            notes: Vec::new(),
            spends: Vec::new(),
        };
        for number in 0..POOL {
            let message = note_message(&SchnorrKey(pool.bytes()));
            drawn.points.push(blind(&message, &BlindingFactor::from_wide_bytes(&pool.bytes())));
            let denomination = number % denominations.max(1);
            if let (Some(secret), Ok(k)) = (secrets.mint.get(denomination), u8::try_from(denomination)) {
                drawn.notes.push((Denomination(k), secret.sign(&message)));
            }
            drawn.spends.push(pool.key().sign(&Hash(pool.bytes())));
        }
        drawn
    }

    /// The next transaction. What goes in comes out.
    pub fn transaction(&mut self) -> Transaction {
        let mut inputs = Vec::with_capacity(self.parts);
        let mut outputs = Vec::with_capacity(self.parts);
        for _ in 0..self.parts {
            let (denomination, signature) = self.notes[self.stream.below(self.notes.len())];
            let nonce = SchnorrKey(self.stream.bytes());
            inputs.push(MintInput { denomination, signature }.into_input(self.mint, &nonce));
            outputs.push(self.output(denomination));
        }
        Transaction {
            tweak: self.stream.tweak(),
            tag: Tag(self.stream.bytes()),
            memo: Memo(self.stream.bytes()),
            fee: Amount::ZERO,
            inputs,
            outputs,
            signatures: (0..self.parts).map(|_| self.spends[self.stream.below(POOL)]).collect(),
        }
    }

    /// An output that issues a note which nobody can spend.
    pub fn output(&mut self, denomination: Denomination) -> rekindle_protocol::transaction::Output {
        let blinded_nonce = self.points[self.stream.below(POOL)];
        MintOutput { denomination, blinded_nonce }.into_output(self.mint)
    }
}
