//! Who takes part in a ceremony, and in which order.

use std::fmt;

use rekindle_protocol::{bls::MAX_GUARDIANS, bytes::Hash, encoding::Canonical};

use super::ConnectionInfo;
use crate::{
    consensus::{GuardianId, max_faulty},
    guardian::{Member, Members},
};

/// A participant as people know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Who {
    /// Its number in the federation to be.
    pub id: GuardianId,
    /// Its name.
    pub name: String,
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "guardian {} ({})", self.id, self.name)
    }
}

/// Why these participants make no federation.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParticipantsError {
    /// Neither 1 nor at least 4: with 2 or 3 not a single one may fail.
    #[error("a federation has 1 guardian, or 4 to {MAX_GUARDIANS}; these are {0}")]
    Count(usize),
    /// Two share what must be each one's own.
    #[error("{0} and {1} have the same {2}")]
    Same(String, String, &'static str),
}

/// The participants in the order of their identity keys, which is the same whoever was told of whom first.
#[derive(Clone, Debug)]
pub struct Participants {
    infos: Vec<ConnectionInfo>,
    own: GuardianId,
    ceremony: Hash,
}

impl Participants {
    /// This guardian and all others. Its own info among the others is ignored.
    ///
    /// # Errors
    /// [`ParticipantsError`].
    pub fn new(own: &ConnectionInfo, others: Vec<ConnectionInfo>) -> Result<Self, ParticipantsError> {
        let mut infos = others;
        infos.retain(|info| info != own);
        infos.push(own.clone());
        infos.sort();
        let count = infos.len();
        if (count != 1 && count < 4) || count > MAX_GUARDIANS {
            return Err(ParticipantsError::Count(count));
        }
        for (at, a) in infos.iter().enumerate() {
            for b in &infos[at + 1..] {
                let same = |what| Err(ParticipantsError::Same(a.name.clone(), b.name.clone(), what));
                if a.identity == b.identity {
                    return same("identity key");
                }
                if a.certificate == b.certificate {
                    return same("certificate");
                }
                if a.address == b.address {
                    return same("address");
                }
            }
        }
        let position = infos.iter().position(|info| info == own);
        // It was put there, and there are at most 100.
        let own = position.and_then(|at| u16::try_from(at).ok()).unwrap_or_default();
        let mut hasher = blake3::Hasher::new_derive_key("rekindle 2026-11 setup participants");
        hasher.update(&infos.to_bytes());
        let ceremony = Hash(*hasher.finalize().as_bytes());
        Ok(Self { infos, own, ceremony })
    }

    /// This guardian's number.
    pub fn own(&self) -> GuardianId {
        self.own
    }

    /// How many they are.
    pub fn count(&self) -> u16 {
        u16::try_from(self.infos.len()).unwrap_or(u16::MAX)
    }

    /// How many of them may be faulty, f: the threshold of all keys.
    pub fn max_faulty(&self) -> usize {
        max_faulty(self.count())
    }

    /// All numbers.
    pub fn ids(&self) -> impl Iterator<Item = GuardianId> + use<> {
        0..self.count()
    }

    /// The numbers of all others.
    pub fn others(&self) -> impl Iterator<Item = GuardianId> + use<> {
        let own = self.own;
        self.ids().filter(move |id| *id != own)
    }

    /// All infos, by number.
    pub fn infos(&self) -> &[ConnectionInfo] {
        &self.infos
    }

    /// A participant's info.
    pub fn info(&self, id: GuardianId) -> &ConnectionInfo {
        &self.infos[usize::from(id)]
    }

    /// A participant as people know it.
    pub fn who(&self, id: GuardianId) -> Who {
        let name = self.infos.get(usize::from(id)).map(|info| info.name.clone()).unwrap_or_default();
        Who { id, name }
    }

    /// The hash of them all: what makes this ceremony this one.
    pub fn ceremony(&self) -> Hash {
        self.ceremony
    }

    /// The guardians as they will know each other.
    pub fn members(&self) -> Members {
        let member =
            |info: &ConnectionInfo| Member { address: info.address.clone(), certificate: info.certificate };
        Members { own: self.own, guardians: self.infos.iter().map(member).collect() }
    }
}

#[cfg(test)]
mod tests {
    use rekindle_protocol::bytes::SchnorrKey;

    use super::*;
    use crate::network::tcp::Fingerprint;

    fn info(number: u8) -> ConnectionInfo {
        ConnectionInfo {
            identity: SchnorrKey([number; 32]),
            certificate: Fingerprint([number; 32]),
            name: format!("G{number}"),
            address: format!("host{number}:1"),
            public_url: String::new(),
        }
    }

    #[test]
    fn everybody_has_the_same_order_whoever_they_heard_of_first() {
        let first = Participants::new(&info(2), vec![info(9), info(1), info(4)]).unwrap();
        let second = Participants::new(&info(9), vec![info(4), info(2), info(9), info(1)]).unwrap();
        assert_eq!(first.infos(), second.infos());
        assert_eq!(first.ceremony(), second.ceremony());
        assert_eq!((first.own(), second.own()), (1, 3));
        assert_eq!(first.others().collect::<Vec<_>>(), [0, 2, 3]);
        assert_eq!(first.who(3).to_string(), "guardian 3 (G9)");
        let mut moved = info(4);
        moved.address = "elsewhere:1".into();
        let third = Participants::new(&info(2), vec![info(9), info(1), moved]).unwrap();
        assert_ne!(first.ceremony(), third.ceremony());
    }

    #[test]
    fn impossible_federations_are_refused() {
        let of = |own: u8, others: &[u8]| {
            Participants::new(&info(own), others.iter().copied().map(info).collect()).map(|all| all.count())
        };
        assert_eq!(of(1, &[]), Ok(1));
        assert_eq!(of(1, &[2, 3]), Err(ParticipantsError::Count(3)));
        assert_eq!(of(1, &[2, 3, 4]), Ok(4));
        assert!(matches!(of(1, &[2, 3, 3, 4]), Err(ParticipantsError::Same(_, _, "identity key"))));
        for (change, what) in [(0, "certificate"), (1, "address")] {
            let mut twin = info(4);
            if change == 0 {
                twin.certificate = info(2).certificate;
            } else {
                twin.address = info(2).address;
            }
            let error = Participants::new(&info(1), vec![info(2), info(3), twin]).unwrap_err();
            assert_eq!(error, ParticipantsError::Same("G2".into(), "G4".into(), what));
        }
    }
}
