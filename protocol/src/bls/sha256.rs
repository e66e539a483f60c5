//! SHA-256 for hashing to the curve: the one that the rest of the crate uses, by the older traits that `bls12_381` asks
//! for. A page would otherwise download the function twice.

use digest::{
    FixedOutput, Output, OutputSizeUser, Update,
    consts::{U32, U64},
    core_api::BlockSizeUser,
};
use pbkdf2::sha2::{self, Digest};

/// SHA-256.
#[derive(Default)]
pub struct Sha256(sha2::Sha256);

impl OutputSizeUser for Sha256 {
    type OutputSize = U32;
}

impl BlockSizeUser for Sha256 {
    type BlockSize = U64;
}

impl Update for Sha256 {
    fn update(&mut self, data: &[u8]) {
        Digest::update(&mut self.0, data);
    }
}

impl FixedOutput for Sha256 {
    fn finalize_into(self, hash: &mut Output<Self>) {
        hash.copy_from_slice(&self.0.finalize());
    }
}
