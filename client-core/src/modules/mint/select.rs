//! Which notes to spend and which to make.

use core::cmp::Reverse;

use rekindle_protocol::{
    amount::Amount,
    modules::mint::{Denomination, MintConfig},
};

use crate::sorted::SortedSet;

/// The fewest notes that are worth exactly `amount`, largest first.
pub fn decompose(amount: Amount, config: &MintConfig) -> Vec<Denomination> {
    decompose_after_fees(amount, Amount::ZERO, config).0
}

/// The most valuable notes that `amount` pays for at `fee` sats each, largest first, and what is left over.
///
/// What is left over is too little for another note and goes to the federation. Without fees nothing is.
pub fn decompose_after_fees(amount: Amount, fee: Amount, config: &MintConfig) -> (Vec<Denomination>, Amount) {
    let mut rest = amount.sats();
    let mut notes = Vec::new();
    for denomination in (0..config.denominations.len().min(MintConfig::MAX_DENOMINATIONS) as u8).rev() {
        let cost = (1 << denomination) as u64 + fee.sats();
        while rest >= cost {
            rest -= cost;
            notes.push(Denomination(denomination));
        }
    }
    (notes, Amount(rest))
}

/// Chooses from `notes` (amounts in any order) the indices of some that are worth at least `target` after `fee` for
/// each, or `None` if all of them are not.
///
/// Takes the largest that still fit, then, for what is missing, the smallest that covers it, so that few notes are
/// spent and little change comes back.
pub fn select(notes: &[Amount], target: Amount, fee: Amount) -> Option<Vec<usize>> {
    let worth = |at: usize| notes[at].sats().saturating_sub(fee.sats());
    let usable = (0..notes.len()).filter(|at| worth(*at) > 0);
    let order: SortedSet<(Reverse<u64>, usize)> = usable.map(|at| (Reverse(worth(at)), at)).collect();
    let (mut chosen, mut left, mut missing) = (Vec::new(), Vec::new(), target.sats());
    for &(_, at) in order.iter() {
        if worth(at) <= missing {
            missing -= worth(at);
            chosen.push(at);
        } else {
            left.push(at);
        }
    }
    if missing > 0 {
        // Everything left is larger than what was missing when it was passed over, so one note suffices.
        chosen.push(*left.iter().rev().find(|at| worth(**at) >= missing)?);
    }
    Some(chosen)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{collection::vec, prelude::*};
    use rekindle_protocol::{bls::KeySet, bytes::G1Bytes, config::Fees};

    fn config() -> MintConfig {
        let keys = KeySet { public_key: G1Bytes([0; 48]), shares: vec![] };
        MintConfig { denominations: vec![keys; 28], fees: Fees::default() }
    }

    fn sum(notes: &[Denomination]) -> u64 {
        notes.iter().map(|d| d.amount().unwrap().sats()).sum()
    }

    proptest! {
        #[test]
        fn decomposing_loses_nothing(amount in 0u64..1 << 34, fee in 0u64..5) {
            prop_assert_eq!(sum(&decompose(Amount(amount), &config())), amount);
            let (notes, rest) = decompose_after_fees(Amount(amount), Amount(fee), &config());
            prop_assert_eq!(sum(&notes) + fee * notes.len() as u64 + rest.sats(), amount);
            prop_assert!(rest.sats() <= fee);
        }

        #[test]
        fn selection_covers_the_target_whenever_the_notes_do(
            notes in vec(0u8..20, 0..40), target in 1u64..2_000_000, fee in 0u64..5,
        ) {
            let notes: Vec<Amount> = notes.into_iter().map(|k| Amount(1 << k)).collect();
            let all: u64 = notes.iter().map(|n| n.sats().saturating_sub(fee)).sum();
            match select(&notes, Amount(target), Amount(fee)) {
                Some(chosen) => {
                    let mut distinct = chosen.clone();
                    distinct.sort_unstable();
                    distinct.dedup();
                    prop_assert_eq!(distinct.len(), chosen.len());
                    let worth: u64 = chosen.iter().map(|at| notes[*at].sats() - fee).sum();
                    prop_assert!(worth >= target);
                }
                None => prop_assert!(all < target),
            }
        }
    }
}
