//! A trusted dealer: makes all keys of a federation in one place, for development and forged histories.
//!
//! Whoever deals knows every secret and could print money. A federation that means it generates its keys together.

use rand::SeedableRng as _;
use rand_07::SeedableRng as _;
use rekindle_protocol::{
    amount::Amount,
    bls::{KeySet, SecretShare},
    config::{ClientConfig, Fees, Guardian, ModuleInstance, max_faulty},
    encoding::Canonical,
    modules::{
        deposit::{DepositConfig, Issuer},
        mint::MintConfig,
    },
    schnorr,
};

use crate::{consensus::ConsensusKeys, node::GuardianKeys};

/// A federation's config and every secret of it. It has no `Debug`.
pub struct Dealt {
    /// What wallets know.
    pub config: ClientConfig,
    /// Each guardian's secrets.
    pub guardians: Vec<GuardianKeys>,
    /// The key of the one issuer, a faucet.
    pub issuer: schnorr::SecretKey,
}

/// What to deal.
#[derive(Clone, Debug)]
pub struct Deal {
    /// The federation's name.
    pub name: String,
    /// How many guardians: 1, or 4 and more.
    pub guardians: u16,
    /// How many denominations of notes, from 1 sat up; at most [`MintConfig::MAX_DENOMINATIONS`].
    pub denominations: usize,
    /// Where the faucet is reached.
    pub faucet_url: String,
    /// What modules keep of inputs and outputs.
    pub fees: Fees,
}

impl Deal {
    /// A federation with all denominations and without fees.
    pub fn new(guardians: u16, faucet_url: String) -> Self {
        Self {
            name: "Development federation".into(),
            guardians,
            denominations: MintConfig::MAX_DENOMINATIONS,
            faucet_url,
            fees: Fees { input: Amount(0), output: Amount(0) },
        }
    }

    /// Deals all keys. The seed decides everything: it must be random and secret, except in tests.
    pub fn deal(&self, seed: &[u8; 32]) -> Dealt {
        let mut rng = rand_07::rngs::StdRng::from_seed(derive(seed, "dealer 1"));
        let mut engine_rng = rand::rngs::StdRng::from_seed(derive(seed, "dealer 2"));
        let n = self.guardians;
        let threshold = max_faulty(usize::from(n));
        let (session_keys, session) = KeySet::deal(threshold, n, &mut rng);
        let (denominations, mint): (Vec<KeySet>, Vec<Vec<SecretShare>>) =
            (0..self.denominations).map(|_| KeySet::deal(threshold, n, &mut rng)).unzip();
        let consensus = ConsensusKeys::deal(n, &mut engine_rng);
        let guardians: Vec<GuardianKeys> = consensus
            .into_iter()
            .zip(session)
            .enumerate()
            .map(|(id, (consensus, session))| GuardianKeys {
                consensus,
                session,
                mint: mint.iter().map(|shares| shares[id].clone()).collect(),
                identity: schnorr_key(seed, &format!("guardian {id}")),
            })
            .collect();
        let issuer = schnorr_key(seed, "issuer");
        let faucet = Issuer {
            name: "Test faucet".into(),
            key: issuer.public_key(),
            faucet: true,
            url: self.faucet_url.clone(),
        };
        let mint = MintConfig { denominations, fees: self.fees };
        let deposit = DepositConfig { issuers: vec![faucet], fees: self.fees };
        let config = ClientConfig {
            name: self.name.clone(),
            guardians: guardians
                .iter()
                .enumerate()
                .map(|(id, keys)| Guardian {
                    name: format!("Guardian {id}"),
                    key: keys.identity.public_key(),
                })
                .collect(),
            session_keys,
            modules: vec![
                ModuleInstance { kind: MintConfig::KIND.into(), config: mint.to_bytes() },
                ModuleInstance { kind: DepositConfig::KIND.into(), config: deposit.to_bytes() },
            ],
        };
        Dealt { config, guardians, issuer }
    }
}

fn derive(seed: &[u8; 32], purpose: &str) -> [u8; 32] {
    *blake3::Hasher::new_keyed(seed).update(purpose.as_bytes()).finalize().as_bytes()
}

/// The first secret key of a chain of hashes; the second is needed once in 2^128.
fn schnorr_key(seed: &[u8; 32], purpose: &str) -> schnorr::SecretKey {
    let mut bytes = derive(seed, purpose);
    loop {
        match schnorr::SecretKey::from_bytes(&bytes) {
            Ok(key) => return key,
            Err(_) => bytes = derive(&bytes, purpose),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deals_what_belongs_together() {
        let dealt = Deal { denominations: 2, ..Deal::new(4, String::new()) }.deal(&[1; 32]);
        dealt.config.validate().unwrap();
        let (_, mint) = dealt.config.mint().unwrap();
        for (id, keys) in dealt.guardians.iter().enumerate() {
            assert_eq!(keys.session.public_key(), dealt.config.session_keys.shares[id]);
            assert_eq!(keys.mint[1].public_key(), mint.denominations[1].shares[id]);
            assert_eq!(keys.identity.public_key(), dealt.config.guardians[id].key);
            let stored = GuardianKeys::from_bytes(&keys.to_bytes()).unwrap();
            assert_eq!(stored.session.public_key(), keys.session.public_key());
            assert_eq!(stored.identity.public_key(), keys.identity.public_key());
            assert_eq!(*stored.to_bytes(), *keys.to_bytes());
        }
        assert!(GuardianKeys::from_bytes(b"garbage").is_err());
        let again = Deal { denominations: 2, ..Deal::new(4, String::new()) }.deal(&[1; 32]);
        assert_eq!(again.config, dealt.config);
        let other = Deal { denominations: 2, ..Deal::new(4, String::new()) }.deal(&[2; 32]);
        assert_ne!(other.config.federation_id(), dealt.config.federation_id());
    }
}
