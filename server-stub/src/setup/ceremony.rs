//! The ceremony itself: what is said in which step.

use std::{collections::BTreeMap, num::NonZeroUsize, thread, time::Duration};

use rand::{SeedableRng, rngs::StdRng};
use rekindle_protocol::{
    bls::{KeySet, Message, SecretShare, combine},
    bytes::{FederationId, G1Bytes, G2Bytes, Hash, SchnorrSignature},
    config::{ClientConfig, UrlAnnouncement},
    encoding::{Canonical, Decode, Encode},
    schnorr,
};

use super::{
    Participants, SetupError, Terms,
    exchange::{Exchange, Wire},
};
use crate::{
    consensus::{ConsensusKeys, DealingKey, GeneratedKey, GuardianId, KeyGenError, KeyGeneration},
    guardian::Members,
    ledger::Ledger,
    node::{GuardianKeys, Settings},
};

/// What a test signature signs: nothing that any key of the federation ever signs otherwise.
const SETUP_DST: &[u8] = b"REKINDLE-SETUP-V01-BLS12381G2_XMD:SHA-256_SSWU_RO_";

/// How a participant takes part.
pub struct Part<'a> {
    /// Everybody.
    pub participants: &'a Participants,
    /// The key with which this one signs.
    pub identity: &'a schnorr::SecretKey,
    /// What it wants the federation to be; `None` leaves that to others.
    pub terms: Option<Terms>,
    /// The time, seconds since 1970: the number of its URL's announcement.
    pub now: u64,
    /// How long each step may take.
    pub patience: Duration,
}

/// What comes of a ceremony.
pub struct Founded {
    /// What wallets know of the federation.
    pub config: ClientConfig,
    /// This guardian's secrets.
    pub keys: GuardianKeys,
    /// The guardians.
    pub members: Members,
    /// Where wallets reach them.
    pub urls: Vec<UrlAnnouncement>,
}

/// Step 1: what a participant begins with.
#[derive(Encode, Decode)]
struct Opening {
    terms: Option<Terms>,
    dealing_key: G1Bytes,
}

/// Step 3: the parts of all keys.
#[derive(Encode, Decode)]
struct Parts(Vec<Vec<u8>>);

/// Step 4: for each key, the acks of everybody's parts.
#[derive(Encode, Decode)]
struct Acks(Vec<Vec<Vec<u8>>>);

/// Step 5: what a participant has come to.
#[derive(Encode, Decode)]
struct Confirmation {
    federation: FederationId,
    /// Hash of the guardians' config, which covers the engine's key.
    config: Hash,
    /// The participant's signature on both.
    signature: SchnorrSignature,
    /// Its share of a test signature under each key.
    shares: Vec<G2Bytes>,
    /// Where wallets reach it.
    url: UrlAnnouncement,
}

/// Step 6: the participant has written down its keys.
#[derive(Encode, Decode)]
struct Stored;

const OPENING: &str = "opening";
const COMMITMENTS: &str = "commitments";
const PARTS: &str = "parts of keys";
const ACKS: &str = "acknowledgements of parts";
const CONFIRMATION: &str = "confirmation";
const STORED: &str = "keys stored";

impl Part<'_> {
    /// Runs the ceremony over `wire`. `store` writes down what came of it, once all have confirmed it; who has not
    /// confirmed that it did so too is returned.
    ///
    /// # Errors
    /// [`SetupError`]; everybody else is told why.
    pub async fn perform<E: Into<SetupError>>(
        &self,
        wire: &mut Wire,
        store: impl FnOnce(&Founded) -> Result<(), E>,
    ) -> Result<(Founded, Option<SetupError>), SetupError> {
        let mut exchange = Exchange::new(self.participants, self.identity, wire, self.patience);
        let founded = async {
            let founded = self.agree(&mut exchange).await?;
            store(&founded).map_err(Into::into)?;
            Ok(founded)
        };
        match founded.await {
            Ok(founded) => Ok((founded, exchange.step(STORED, &Stored).await.err())),
            Err(error) => {
                exchange.give_up(&error).await;
                Err(error)
            }
        }
    }

    async fn agree(&self, exchange: &mut Exchange<'_>) -> Result<Founded, SetupError> {
        let dealing_key = DealingKey::random(&mut StdRng::from_entropy());
        let opening = Opening { terms: self.terms.clone(), dealing_key: dealing_key.public_key() };
        let openings = exchange.step(OPENING, &opening).await?;
        let terms = self.terms(&openings)?;
        let readers: Vec<G1Bytes> = openings.iter().map(|opening| opening.dealing_key).collect();

        // The engine's key, the sessions', and one for each denomination.
        let count = 2 + usize::from(terms.denominations);
        let own = self.participants.own();
        let dealt = blocking(move || {
            let seeds = (0..count).map(|_| StdRng::from_entropy()).collect();
            in_parallel(seeds, |mut rng| KeyGeneration::new(own, &dealing_key, &readers, &mut rng))
        });
        let (generations, parts): (Vec<_>, Vec<_>) =
            dealt.await?.map_err(|error| self.blame(error, OPENING))?.into_iter().unzip();
        let parts = Parts(parts);

        // Nobody's part may depend on another's: all commit to theirs before they show them.
        let commitments = exchange.step(COMMITMENTS, &commitment(own, &parts.to_bytes())).await?;
        let parts = exchange.step(PARTS, &parts).await?;
        for (id, (part, committed)) in (0..).zip(parts.iter().zip(&commitments)) {
            if commitment(id, &part.to_bytes()) != *committed {
                return Err(exchange.misbehaved(id, "other parts than it committed to", PARTS));
            }
            if part.0.len() != count {
                return Err(exchange.misbehaved(id, "parts of another number of keys", PARTS));
            }
        }
        let answered = blocking(move || {
            let parts = &parts;
            in_parallel(generations.into_iter().enumerate().collect(), |(key, mut generation)| {
                let parts: Vec<&[u8]> = parts.iter().map(|part| part.0[key].as_slice()).collect();
                let acks = generation.handle_parts(&parts, &mut StdRng::from_entropy())?;
                Ok((generation, acks))
            })
        });
        let (generations, acks): (Vec<_>, Vec<_>) =
            answered.await?.map_err(|error| self.blame(error, PARTS))?.into_iter().unzip();

        let acks = exchange.step(ACKS, &Acks(acks)).await?;
        if let Some((id, _)) = (0..).zip(&acks).find(|(_, acks)| acks.0.len() != count) {
            return Err(exchange.misbehaved(id, "acks of another number of keys", ACKS));
        }
        let generated = blocking(move || {
            let acks = &acks;
            in_parallel(generations.into_iter().enumerate().collect(), |(key, generation)| {
                let acks: Vec<_> = acks.iter().map(|acks| acks.0[key].clone()).collect();
                generation.handle_acks(&acks)
            })
        });
        let generated = generated.await?.map_err(|error| self.blame(error, ACKS))?;
        self.confirm(exchange, &terms, generated).await
    }

    /// The terms that were proposed, if all that were are the same.
    fn terms(&self, openings: &[Opening]) -> Result<Terms, SetupError> {
        let mut proposed = (0..).zip(openings).filter_map(|(id, opening)| Some((id, opening.terms.clone()?)));
        let (first, terms) = proposed.next().ok_or(SetupError::NoTerms)?;
        let who = |id| self.participants.who(id);
        if let Some((other, _)) = proposed.find(|(_, other)| *other != terms) {
            return Err(SetupError::DifferentTerms(who(first), who(other)));
        }
        if terms.are_possible() { Ok(terms) } else { Err(SetupError::ImpossibleTerms(who(first))) }
    }

    /// Step 5: everybody shows with a test signature that it holds its shares, and signs the config.
    async fn confirm(
        &self,
        exchange: &mut Exchange<'_>,
        terms: &Terms,
        generated: Vec<GeneratedKey>,
    ) -> Result<Founded, SetupError> {
        let key_sets: Vec<KeySet> = generated.iter().map(key_set).collect();
        let (consensus_keys, shares) = split(generated)?;
        let [_, session_keys, denominations @ ..] = key_sets.as_slice() else {
            return Err(SetupError::KeyGeneration);
        };
        let config = terms.config(self.participants, session_keys.clone(), denominations.to_vec());
        // What no guardian could run must not be founded.
        Ledger::new(&config)?;
        let members = self.participants.members();
        let federation = config.federation_id();
        let guardians_config = members.config_hash(&config, &consensus_keys, &Settings::default());
        let agreed = confirmed(&self.participants.ceremony(), &federation, &guardians_config);
        let test = Message::hash(&agreed.0, SETUP_DST);
        let own = self.participants.own();
        let url = self.participants.info(own).public_url.clone();
        let confirmation = Confirmation {
            federation,
            config: guardians_config,
            signature: self.identity.sign(&agreed),
            shares: shares.iter().map(|share| share.sign(&test)).collect(),
            url: UrlAnnouncement::sign(&federation, own, self.now, url, self.identity),
        };
        let confirmations = exchange.step(CONFIRMATION, &confirmation).await?;
        let misbehaved = |id, what: &str| exchange.misbehaved(id, what, CONFIRMATION);
        let mut urls = Vec::new();
        for (id, confirmation) in (0..).zip(&confirmations) {
            if confirmation.federation != federation || confirmation.config != guardians_config {
                return Err(misbehaved(id, "another config than this guardian came to"));
            }
            let info = self.participants.info(id);
            if !schnorr::verify(&info.identity, &agreed, &confirmation.signature) {
                return Err(misbehaved(id, "a config that it did not sign"));
            }
            let url = &confirmation.url;
            if url.guardian != id || url.url != info.public_url || !url.verify(&federation, &config) {
                return Err(misbehaved(id, "another URL than its connection info has"));
            }
            urls.push(url.clone());
            if confirmation.shares.len() != key_sets.len() {
                return Err(misbehaved(id, "test signatures under another number of keys"));
            }
        }
        let threshold = self.participants.max_faulty();
        let count = self.participants.count();
        let tested = blocking(move || {
            in_parallel(key_sets.into_iter().enumerate().collect(), |(key, set)| {
                let shares = (0..count).zip(confirmations.iter().map(|each| each.shares[key])).collect();
                test_key(&set, threshold, &test, &shares)
            })
        });
        tested.await?.map_err(|error| self.blame(error, CONFIRMATION))?;

        let mut shares = shares.into_iter().skip(1);
        let keys = GuardianKeys {
            consensus: consensus_keys,
            session: shares.next().ok_or(SetupError::KeyGeneration)?,
            mint: shares.collect(),
            identity: self.identity.clone(),
        };
        Ok(Founded { config, keys, members, urls })
    }

    fn blame(&self, error: KeyGenError, step: &'static str) -> SetupError {
        match error {
            KeyGenError::Fault { culprit, what } => {
                SetupError::Misbehaved { who: self.participants.who(culprit), what: what.into(), step }
            }
            KeyGenError::Internal => SetupError::KeyGeneration,
        }
    }
}

fn key_set(key: &GeneratedKey) -> KeySet {
    // The constant term; a generated key has f + 1 coefficients.
    let public_key = key.coefficients.first().copied().unwrap_or(G1Bytes([0; 48]));
    KeySet { public_key, shares: key.shares.clone() }
}

/// The engine's key from the first of the generated ones, and this guardian's share of each.
fn split(generated: Vec<GeneratedKey>) -> Result<(ConsensusKeys, Vec<SecretShare>), SetupError> {
    let shares = generated
        .iter()
        .map(|key| SecretShare::from_bytes(&key.secret.0))
        .collect::<Result<_, _>>()
        .map_err(|_| SetupError::KeyGeneration)?;
    let first = generated.into_iter().next().ok_or(SetupError::KeyGeneration)?;
    Ok((first.into_consensus_keys(), shares))
}

/// What a participant commits to before it shows its parts.
pub(super) fn commitment(own: GuardianId, parts: &[u8]) -> Hash {
    let mut hasher = blake3::Hasher::new_derive_key("rekindle 2026-11 setup commitment");
    hasher.update(&own.to_le_bytes());
    hasher.update(parts);
    Hash(*hasher.finalize().as_bytes())
}

/// What all sign in the end.
fn confirmed(ceremony: &Hash, federation: &FederationId, config: &Hash) -> Hash {
    let mut hasher = blake3::Hasher::new_derive_key("rekindle 2026-11 setup confirmation");
    hasher.update(&ceremony.0);
    hasher.update(&federation.0);
    hasher.update(&config.0);
    Hash(*hasher.finalize().as_bytes())
}

/// Checks that every share signs, and that shares of any threshold + 1 guardians make the key's one signature.
fn test_key(
    set: &KeySet,
    threshold: usize,
    test: &Message,
    shares: &BTreeMap<GuardianId, G2Bytes>,
) -> Result<(), KeyGenError> {
    for (id, share) in shares {
        let fault = KeyGenError::Fault { culprit: *id, what: "a test signature that does not verify" };
        if !set.share_key(*id).map_err(|_| fault)?.verify(test, share) {
            return Err(fault);
        }
    }
    let quorum = threshold + 1;
    let of = |ids: &mut dyn Iterator<Item = (&GuardianId, &G2Bytes)>| {
        let chosen: Vec<_> = ids.take(quorum).map(|(id, share)| (*id, *share)).collect();
        combine(threshold, &chosen).map_err(|_| KeyGenError::Internal)
    };
    let (first, last) = (of(&mut shares.iter())?, of(&mut shares.iter().rev())?);
    let key = set.public_key().map_err(|_| KeyGenError::Internal)?;
    // Shares on a polynomial of a higher degree would make different signatures.
    if first == last && key.verify(test, &first) { Ok(()) } else { Err(KeyGenError::Internal) }
}

/// Runs what takes long on a thread where it holds up nobody.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, SetupError> {
    Ok(tokio::task::spawn_blocking(work).await.map_err(std::io::Error::other)?)
}

/// Does the same to all items, on as many threads as there are processors. The results have the items' order.
fn in_parallel<T: Send, R: Send>(
    mut items: Vec<T>,
    work: impl Fn(T) -> Result<R, KeyGenError> + Sync,
) -> Result<Vec<R>, KeyGenError> {
    let threads = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let share = items.len().div_ceil(threads).max(1);
    thread::scope(|scope| {
        let mut running = Vec::new();
        while !items.is_empty() {
            let rest = items.split_off(share.min(items.len()));
            let mine = std::mem::replace(&mut items, rest);
            let work = &work;
            running.push(scope.spawn(move || mine.into_iter().map(work).collect::<Result<Vec<R>, _>>()));
        }
        let mut results = Vec::new();
        for thread in running {
            results.extend(thread.join().unwrap_or(Err(KeyGenError::Internal))?);
        }
        Ok(results)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_in_parallel_keeps_its_order_and_its_errors() {
        for count in [0, 1, 2, 7, 30] {
            let squares = in_parallel((0..count).collect(), |number: u32| Ok(number * number)).unwrap();
            assert_eq!(squares, (0..count).map(|number| number * number).collect::<Vec<_>>());
        }
        let fault = KeyGenError::Fault { culprit: 3, what: "" };
        let result =
            in_parallel((0..10).collect(), |number: u32| if number == 8 { Err(fault) } else { Ok(()) });
        assert_eq!(result, Err(fault));
    }

    #[test]
    fn keys_of_a_higher_degree_fail_the_test() {
        let test = Message::hash(b"test", SETUP_DST);
        let mut rng = rand_07::SeedableRng::seed_from_u64(1);
        let of = |degree, rng: &mut rand_07::rngs::StdRng| {
            let (set, secrets) = KeySet::deal(degree, 4, rng);
            let shares: BTreeMap<_, _> = (0..).zip(secrets.iter().map(|secret| secret.sign(&test))).collect();
            (set, shares)
        };
        let (set, mut shares) = of(1, &mut rng);
        assert_eq!(test_key(&set, 1, &test, &shares), Ok(()));
        shares.insert(2, shares[&3]);
        assert!(matches!(test_key(&set, 1, &test, &shares), Err(KeyGenError::Fault { culprit: 2, .. })));
        let (set, shares) = of(2, &mut rng);
        assert_eq!(test_key(&set, 1, &test, &shares), Err(KeyGenError::Internal));
    }
}
