//! Certificates: what f+1 guardians say about a batch, so that one that was away need not run its epoch.

use std::collections::BTreeMap;

use rekindle_protocol::{
    bytes::{Hash, SchnorrKey, SchnorrSignature},
    encoding::{Decode, Encode},
    schnorr,
};

use super::{Batch, Fault, FaultKind, GuardianId};

/// For how many epochs from the newest certified one signatures are kept.
const WINDOW: u64 = 64;

/// A guardian's word that an epoch had this batch: BIP-340 with its identity key over the batch's hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct BatchSignature {
    /// The epoch.
    pub epoch: u64,
    /// The batch's hash (see [`Batch::hash`]).
    pub hash: Hash,
    /// The signature on it.
    pub signature: SchnorrSignature,
}

/// Signatures of f+1 guardians on one batch.
pub type Certificate = Vec<(GuardianId, SchnorrSignature)>;

/// A batch as it is served to a guardian that is behind.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct CertifiedBatch {
    /// The batch.
    pub batch: Batch,
    /// Signatures on its hash; fewer than f+1 if the sender has no more.
    pub signatures: Certificate,
}

/// Collects signatures until there are enough of them. Peers' signatures are verified only when they count.
pub struct Certificates {
    own: GuardianId,
    keys: Vec<SchnorrKey>,
    needed: usize,
    epochs: BTreeMap<u64, Claims>,
    newest: Option<u64>,
}

#[derive(Default)]
struct Claims {
    /// The hash of this guardian's own batch.
    own: Option<Hash>,
    signed: BTreeMap<GuardianId, Claim>,
}

struct Claim {
    hash: Hash,
    signature: SchnorrSignature,
    verified: bool,
}

/// What a signature led to.
#[derive(Debug, Default)]
pub struct Settled {
    /// The certificate for this guardian's own batch, when it is first complete.
    pub certificate: Option<Certificate>,
    /// A batch that is not this guardian's own and that f+1 guardians signed: a fork.
    pub fork: Option<Hash>,
    /// What peers did wrong.
    pub faults: Vec<Fault>,
}

impl Certificates {
    /// Nothing signed yet. `keys` are the guardians' identity keys, by id.
    pub fn new(own: GuardianId, keys: Vec<SchnorrKey>, max_faulty: usize) -> Self {
        Self { own, keys, needed: max_faulty + 1, epochs: BTreeMap::new(), newest: None }
    }

    /// The newest epoch known to be certified, of those that this guardian has the batch of.
    pub fn newest(&self) -> Option<u64> {
        self.newest
    }

    /// Notes that this guardian holds the batch of an epoch, with its signature on the batch's hash.
    pub fn insert_own(&mut self, signed: BatchSignature) -> Settled {
        if self.is_old(signed.epoch) {
            return Settled::default();
        }
        let claims = self.epochs.entry(signed.epoch).or_default();
        claims.own = Some(signed.hash);
        let claim = Claim { hash: signed.hash, signature: signed.signature, verified: true };
        claims.signed.insert(self.own, claim);
        self.settle(signed.epoch)
    }

    /// A peer's signature from itself. Its first for an epoch counts.
    pub fn insert(&mut self, from: GuardianId, signed: BatchSignature) -> Settled {
        let first = self.newest.unwrap_or(0);
        if self.is_old(signed.epoch) || signed.epoch - first >= WINDOW {
            return Settled::default();
        }
        let claim = Claim { hash: signed.hash, signature: signed.signature, verified: false };
        self.epochs.entry(signed.epoch).or_default().signed.entry(from).or_insert(claim);
        self.settle(signed.epoch)
    }

    /// f+1 valid signatures on a batch's hash, out of those that a peer sent along with it and those that came
    /// before; `None` if there are too few.
    pub fn prove(&mut self, epoch: u64, hash: Hash, sent: &Certificate) -> Option<Certificate> {
        let mut proof: BTreeMap<GuardianId, SchnorrSignature> = BTreeMap::new();
        let claims = self.epochs.get(&epoch).into_iter().flat_map(|claims| &claims.signed);
        let received =
            claims.filter(|(_, claim)| claim.hash == hash).map(|(id, claim)| (*id, claim.signature));
        for (id, signature) in sent.iter().copied().chain(received) {
            if proof.len() >= self.needed {
                break;
            }
            let key = self.keys.get(usize::from(id)).filter(|_| !proof.contains_key(&id));
            if key.is_some_and(|key| schnorr::verify(key, &hash, &signature)) {
                proof.insert(id, signature);
            }
        }
        // Signatures without the rest are kept, so that several peers can each give theirs.
        if proof.len() < self.needed {
            let claims = &mut self.epochs.entry(epoch).or_default().signed;
            for (id, signature) in proof {
                claims.insert(id, Claim { hash, signature, verified: true });
            }
            return None;
        }
        Some(proof.into_iter().collect())
    }

    /// Notes that all epochs before `epoch` are decided and known here. Signatures on them are not needed any more.
    pub fn advance(&mut self, epoch: u64) {
        if let Some(last) = epoch.checked_sub(1) {
            self.newest = self.newest.max(Some(last));
            self.forget_old();
        }
    }

    fn is_old(&self, epoch: u64) -> bool {
        self.newest.is_some_and(|newest| epoch <= newest)
    }

    fn forget_old(&mut self) {
        if let Some(newest) = self.newest {
            self.epochs = self.epochs.split_off(&(newest + 1));
        }
    }

    /// Compares what peers signed with the own batch, if that is known.
    fn settle(&mut self, epoch: u64) -> Settled {
        let mut settled = Settled::default();
        let Some(claims) = self.epochs.get_mut(&epoch) else { return settled };
        let Some(own) = claims.own else { return settled };
        let keys = &self.keys;
        let mut verify = |id: GuardianId, claim: &mut Claim| {
            let valid = claim.verified
                || keys
                    .get(usize::from(id))
                    .is_some_and(|key| schnorr::verify(key, &claim.hash, &claim.signature));
            if valid && claim.hash != own && !claim.verified {
                settled.faults.push(Fault::new(id, FaultKind::OtherBatch(epoch)));
            } else if !valid {
                settled.faults.push(Fault::new(id, FaultKind::InvalidShare));
            }
            claim.verified = valid;
            valid
        };
        // Whoever signed something else is looked at always; of the rest only as many as are needed.
        let agreeing = claims.signed.values().filter(|claim| claim.hash == own).count();
        let enough = agreeing >= self.needed;
        let mut proof = Certificate::new();
        let mut others: BTreeMap<Hash, usize> = BTreeMap::new();
        claims.signed.retain(|id, claim| {
            if claim.hash != own {
                let valid = verify(*id, claim);
                if valid {
                    *others.entry(claim.hash).or_default() += 1;
                }
                return valid;
            }
            if !enough || proof.len() >= self.needed {
                return true;
            }
            let valid = verify(*id, claim);
            if valid {
                proof.push((*id, claim.signature));
            }
            valid
        });
        settled.fork = others.into_iter().find(|(_, count)| *count >= self.needed).map(|(hash, _)| hash);
        if proof.len() >= self.needed {
            settled.certificate = Some(proof);
            self.newest = Some(epoch);
            self.forget_old();
        }
        settled
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(id: GuardianId) -> schnorr::SecretKey {
        schnorr::SecretKey::from_bytes(&[u8::try_from(id).unwrap() + 1; 32]).unwrap()
    }

    fn certificates() -> Certificates {
        Certificates::new(0, (0..4).map(|id| secret(id).public_key()).collect(), 1)
    }

    fn signed(id: GuardianId, epoch: u64, hash: u8) -> BatchSignature {
        let hash = Hash([hash; 32]);
        BatchSignature { epoch, hash, signature: secret(id).sign(&hash) }
    }

    #[test]
    fn two_of_four_certify_in_any_order() {
        let mut certificates = certificates();
        assert!(certificates.insert(3, signed(3, 5, 1)).certificate.is_none());
        let certificate = certificates.insert_own(signed(0, 5, 1)).certificate.unwrap();
        assert_eq!(certificate.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [0, 3]);
        assert_eq!(certificates.newest(), Some(5));
        assert!(certificates.insert(1, signed(1, 5, 1)).certificate.is_none(), "once is enough");
        assert!(certificates.insert_own(signed(0, 6, 2)).certificate.is_none());
        assert!(certificates.insert(1, signed(1, 6, 2)).certificate.is_some());
    }

    #[test]
    fn what_is_not_signed_counts_for_nothing_and_is_pinned_on_its_sender() {
        let mut certificates = certificates();
        let _ = certificates.insert_own(signed(0, 5, 1));
        let stolen = BatchSignature { signature: signed(2, 5, 1).signature, ..signed(1, 5, 1) };
        let settled = certificates.insert(1, stolen);
        assert!(settled.certificate.is_none());
        assert_eq!(settled.faults, [Fault::new(1, FaultKind::InvalidShare)]);
        // Its place is free for the truth.
        assert!(certificates.insert(1, signed(1, 5, 1)).certificate.is_some());
    }

    #[test]
    fn one_other_batch_is_evidence_and_two_are_a_fork() {
        let mut certificates = certificates();
        let _ = certificates.insert_own(signed(0, 5, 1));
        let settled = certificates.insert(1, signed(1, 5, 9));
        assert_eq!(settled.faults, [Fault::new(1, FaultKind::OtherBatch(5))]);
        assert_eq!(settled.fork, None);
        let settled = certificates.insert(2, signed(2, 5, 9));
        assert_eq!(settled.fork, Some(Hash([9; 32])));
    }

    #[test]
    fn a_batch_is_proved_by_what_several_peers_send() {
        let mut certificates = certificates();
        let hash = Hash([1; 32]);
        let of = |id| (id, signed(id, 7, 1).signature);
        assert_eq!(certificates.prove(7, hash, &vec![of(1), of(1), (2, of(1).1), (9, of(1).1)]), None);
        assert_eq!(certificates.prove(7, Hash([2; 32]), &vec![of(3)]), None);
        assert_eq!(certificates.prove(7, hash, &vec![of(3)]), Some(vec![of(1), of(3)]));
    }

    #[test]
    fn keeps_a_window_of_epochs() {
        let mut certificates = certificates();
        for epoch in 0..10_000 {
            let _ = certificates.insert(1, signed(1, epoch, 1));
        }
        assert_eq!(certificates.epochs.len() as u64, WINDOW);
        certificates.advance(60);
        assert_eq!(certificates.epochs.len(), 4);
        assert_eq!(certificates.newest(), Some(59));
    }
}
