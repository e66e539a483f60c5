//! Issuing notes: blinded nonces out, signature shares in, checked signatures kept.

use rekindle_protocol::{
    bls::{self, BlsError, PublicKey},
    bytes::{G2Bytes, SchnorrKey, Tweak},
    modules::mint::{Denomination, MintOutput, note_message},
    transaction::Output,
};
use thiserror::Error;

use crate::context::WalletContext;

/// Why signature shares did not become a note's signature.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ShareError {
    /// The federation has no such denomination.
    #[error("the federation has no notes of this denomination")]
    NoSuchDenomination,
    /// These guardians' shares are wrong; without them there are too few.
    #[error("signature shares of guardians {0:?} are wrong")]
    WrongShares(Vec<u16>),
    /// Fewer than f+1 shares.
    #[error("there are too few signature shares")]
    TooFew,
    /// A key of the config is broken.
    #[error("the config holds a broken key")]
    BrokenKey,
}

impl From<BlsError> for ShareError {
    fn from(_: BlsError) -> Self {
        Self::BrokenKey
    }
}

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

/// Turns the shares of distinct guardians into the federation's signature on a note's nonce.
///
/// Optimistic: the combined signature is checked first, two pairings; only if it is wrong are the shares checked one
/// by one, so that the guardian at fault gets named and the others' shares are used without it.
///
/// # Errors
/// [`ShareError`].
pub fn combine_shares(
    context: &WalletContext,
    tweak: &Tweak,
    number: u8,
    denomination: Denomination,
    shares: &[(u16, G2Bytes)],
) -> Result<G2Bytes, ShareError> {
    let keys = context.mint.keys(denomination).ok_or(ShareError::NoSuchDenomination)?;
    let threshold = context.config.max_faulty();
    let secret = context.secret.output(context.mint_id, tweak, number);
    let nonce = note_message(&secret.public_key());
    let public_key = keys.public_key()?;
    let finish = |shares: &[(u16, G2Bytes)]| -> Option<G2Bytes> {
        let signature = bls::unblind(&bls::combine(threshold, shares).ok()?, &secret.blinding).ok()?;
        public_key.verify(&nonce, &signature).then_some(signature)
    };
    if shares.len() <= threshold {
        return Err(ShareError::TooFew);
    }
    if let Some(signature) = finish(shares) {
        return Ok(signature);
    }
    let blinded = bls::Message::from_bytes(&bls::blind(&nonce, &secret.blinding))?;
    let (mut valid, mut wrong) = (Vec::new(), Vec::new());
    for (id, share) in shares {
        if keys.share_key(*id).is_ok_and(|key: PublicKey| key.verify(&blinded, share)) {
            valid.push((*id, *share));
        } else {
            wrong.push(*id);
        }
    }
    if valid.len() <= threshold {
        return Err(ShareError::WrongShares(wrong));
    }
    finish(&valid).ok_or(ShareError::BrokenKey)
}

/// Whether a note is the federation's money: two pairings.
pub fn verify_note(
    context: &WalletContext,
    denomination: Denomination,
    nonce: &SchnorrKey,
    signature: &G2Bytes,
) -> bool {
    context
        .mint
        .keys(denomination)
        .and_then(|keys| keys.public_key().ok())
        .is_some_and(|key| key.verify(&note_message(nonce), signature))
}
