//! Random histories: whatever is tried, value is neither made nor lost.

use proptest::{collection::vec, prelude::*, sample::Index};
use rekindle_protocol::{amount::Amount, bytes::Hash, config::Fees, modules::deposit::DepositOutput};

use super::testing::TestFederation;
use crate::forge::{Draft, OwnedNote, Spendable};

#[derive(Clone, Debug)]
enum Step {
    /// An issuer credits so many sats.
    Credit(u8),
    /// Claims a credit, or one that was claimed before.
    Claim(Index),
    /// Spends some notes, perhaps spent before; keeps a fee and withdraws some of the rest.
    Spend { notes: Vec<Index>, fee: u8, withdraw: u8 },
    /// The same with one sat too much.
    Inflate(Index),
}

fn any_step() -> impl Strategy<Value = Step> {
    let spend = (vec(any::<Index>(), 1..4), 0u8..4, 0u8..8).prop_map(|(notes, fee, withdraw)| Step::Spend {
        notes,
        fee,
        withdraw,
    });
    prop_oneof![
        (0u8..=255).prop_map(Step::Credit),
        any::<Index>().prop_map(Step::Claim),
        spend,
        any::<Index>().prop_map(Step::Inflate)
    ]
}

/// What a wallet believes; spent things stay in the lists and are tried again.
#[derive(Default)]
struct Belief {
    credits: Vec<(Spendable, u64, bool)>,
    notes: Vec<(OwnedNote, bool)>,
    owned: u64,
    unclaimed: u64,
}

fn again(spendable: &Spendable) -> Spendable {
    match spendable {
        Spendable::Note(note) => Spendable::Note(note.clone()),
        Spendable::Credit { at, key } => Spendable::Credit { at: *at, key: key.clone() },
    }
}

fn small_notes(sats: u64) -> Vec<u8> {
    (0..8).filter(|k| sats >> k & 1 == 1).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn value_is_neither_made_nor_lost(steps in vec(any_step(), 1..25)) {
        let mut federation = TestFederation::new(Fees::default());
        let mut belief = Belief::default();
        for step in steps {
            match step {
                Step::Credit(sats) => {
                    let (credit, claim) = federation.credit(sats.into());
                    let accepted = federation.apply(&credit).is_ok();
                    prop_assert_eq!(accepted, sats > 0);
                    if accepted {
                        belief.credits.push((claim, sats.into(), false));
                        belief.unclaimed += u64::from(sats);
                    }
                }
                Step::Claim(which) if !belief.credits.is_empty() => {
                    let which = which.index(belief.credits.len());
                    let (claim, sats, claimed) = &mut belief.credits[which];
                    let draft = TestFederation::draft(vec![again(claim)], &small_notes(*sats), 0);
                    let (transaction, notes) = federation.write(draft);
                    prop_assert_eq!(federation.apply(&transaction).is_ok(), !*claimed);
                    if !*claimed {
                        *claimed = true;
                        belief.unclaimed -= *sats;
                        belief.owned += *sats;
                        belief.notes.extend(notes.into_iter().map(|note| (note, false)));
                    }
                }
                Step::Spend { notes, fee, withdraw } if !belief.notes.is_empty() => {
                    let which: Vec<usize> = notes.iter().map(|at| at.index(belief.notes.len())).collect();
                    let chosen: Vec<OwnedNote> = which.iter().map(|at| belief.notes[*at].0.clone()).collect();
                    let total: u64 = chosen.iter().map(|note| note.amount().0).sum();
                    let fee = u64::from(fee).min(total);
                    let withdraw = u64::from(withdraw).min(total - fee);
                    let rest = total - fee - withdraw;
                    if rest > 255 { continue; }
                    let draft = Draft {
                        withdrawal: (withdraw > 0).then_some(DepositOutput::Withdrawal {
                            issuer: 0, amount: Amount(withdraw), reference: Hash([0; 32]),
                        }),
                        ..TestFederation::draft(chosen.into_iter().map(Spendable::Note).collect(), &small_notes(rest), fee)
                    };
                    let (transaction, fresh) = federation.write(draft);
                    let mut distinct = which.clone();
                    distinct.sort_unstable();
                    distinct.dedup();
                    let valid = distinct.len() == which.len() && which.iter().all(|at| !belief.notes[*at].1);
                    prop_assert_eq!(federation.apply(&transaction).is_ok(), valid);
                    if valid {
                        which.iter().for_each(|at| belief.notes[*at].1 = true);
                        belief.owned = belief.owned - total + rest;
                        belief.notes.extend(fresh.into_iter().map(|note| (note, false)));
                    }
                }
                Step::Inflate(which) if !belief.notes.is_empty() => {
                    let note = belief.notes[which.index(belief.notes.len())].0.clone();
                    let more = small_notes(note.amount().0 + 1);
                    let (transaction, _) =
                        federation.write(TestFederation::draft(vec![Spendable::Note(note)], &more, 0));
                    prop_assert!(federation.apply(&transaction).is_err());
                }
                Step::Claim(_) | Step::Spend { .. } | Step::Inflate(_) => {}
            }
            let audit = federation.audit();
            prop_assert!(audit.is_balanced(), "{:?}", audit);
            prop_assert_eq!(audit.liabilities(), Some(u128::from(belief.owned + belief.unclaimed)));
        }
    }
}
