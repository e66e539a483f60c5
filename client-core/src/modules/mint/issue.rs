//! Issuing notes: blinded nonces out, signature shares in.

use rekindle_protocol::{
    bls::{self, BlsError, Interpolation, MessageHash, NOTE_DST, Signature},
    bytes::{G2Bytes, SchnorrKey, Tweak},
    modules::mint::{Denomination, MintOutput, note_message},
    transaction::Output,
};

use super::Note;
use crate::context::WalletContext;

/// The output that issues note `number` of the transaction with this tweak.
pub fn blind_output(
    context: &WalletContext,
    tweak: &Tweak,
    number: u8,
    denomination: Denomination,
) -> Output {
    let secret = context.secret.output(context.mint_id, tweak, number);
    let blinded_nonce = bls::blind(&note_message(&secret.public_key()), &secret.blinding);
    MintOutput { denomination, blinded_nonce }.into_output(context.mint_id)
}

/// What is said to be a note's signature, to be verified together with others.
#[derive(Clone, Copy)]
pub struct Claim {
    /// What the note is worth: the key that the signature is said to be of.
    pub denomination: Denomination,
    /// The nonce that it is said to be on.
    pub nonce: MessageHash,
    /// The signature.
    pub signature: Signature,
}

impl Claim {
    /// A signature that came with its nonce.
    ///
    /// # Errors
    /// [`BlsError::NotAPoint`].
    pub fn new(
        denomination: Denomination,
        nonce: &SchnorrKey,
        signature: &G2Bytes,
    ) -> Result<Self, BlsError> {
        let signature = Signature::from_bytes(signature)?;
        Ok(Self { denomination, nonce: MessageHash::new(&nonce.0, NOTE_DST), signature })
    }

    /// A signature combined from the shares of the guardians of `interpolation`, in their order.
    ///
    /// # Errors
    /// [`BlsError`] if the shares are no points of the curve's subgroup.
    pub fn combine(
        context: &WalletContext,
        nonce: &SchnorrKey,
        note: &Note,
        interpolation: &Interpolation,
        shares: &[G2Bytes],
    ) -> Result<Self, BlsError> {
        let secret = context.secret.output(context.mint_id, &note.tweak, note.out_point.output);
        let signature = interpolation.unblind(shares, &secret.blinding)?;
        Ok(Self { denomination: note.denomination, nonce: MessageHash::new(&nonce.0, NOTE_DST), signature })
    }
}

/// The guardians among `shares` whose share of a note's blind signature is wrong: two pairings for each.
pub fn wrong_shares(
    context: &WalletContext,
    nonce: &SchnorrKey,
    note: &Note,
    shares: &[(u16, G2Bytes)],
) -> Result<Vec<u16>, BlsError> {
    let secret = context.secret.output(context.mint_id, &note.tweak, note.out_point.output);
    let blinded = bls::Message::from_bytes(&bls::blind(&note_message(nonce), &secret.blinding))?;
    let keys = context.mint.keys(note.denomination);
    let is_right = |id: u16, share: &G2Bytes| {
        keys.and_then(|keys| keys.share_key(id).ok()).is_some_and(|key| key.verify(&blinded, share))
    };
    Ok(shares.iter().filter(|(id, share)| !is_right(*id, share)).map(|(id, _)| *id).collect())
}
