//! What is accepted, and every way of being refused.

use redb::ReadableDatabase;
use rekindle_protocol::{
    amount::Amount,
    api::RejectionReason,
    bls::check_g2,
    bytes::{G2Bytes, Hash, SchnorrKey, TxId},
    config::{Fees, ModuleInstance},
    encoding::Canonical,
    modules::{
        deposit::{DepositInput, DepositOutput, MAX_ISSUERS},
        mint::{Denomination, MintInput, MintOutput},
    },
    transaction::{OutPoint, Transaction},
};

use super::{
    Ledger, LedgerError, ShareSigner, issued_at, issued_by, suspend, suspended, suspended_here, suspenders,
    suspension, testing::TestFederation,
};
use crate::{
    forge::{Draft, OwnedNote, Spendable, sign},
    node::{MAX_PROPOSAL_BYTES, Proposals, StateMachine},
};

/// A change to a valid transaction and why it is then refused.
type Case<'a> = (&'a dyn Fn(&mut Transaction), RejectionReason);

fn free() -> TestFederation {
    TestFederation::new(Fees::default())
}

fn keys(notes: &[OwnedNote]) -> Vec<rekindle_protocol::schnorr::SecretKey> {
    notes.iter().map(|note| note.key.clone()).collect()
}

fn spend(notes: &[OwnedNote]) -> Vec<Spendable> {
    notes.iter().cloned().map(Spendable::Note).collect()
}

/// A valid transaction that turns 5 sats into 5 sats, and the keys that sign it.
fn reissue(federation: &mut TestFederation) -> (Transaction, Vec<rekindle_protocol::schnorr::SecretKey>) {
    let notes = federation.fund(5);
    let (transaction, _) = federation.write(TestFederation::draft(spend(&notes), &[0, 1, 1], 0));
    (transaction, keys(&notes))
}

#[test]
fn value_enters_circulates_and_leaves() {
    let mut federation = free();
    let notes = federation.fund(200);
    assert_eq!(notes.len(), 3, "128 + 64 + 8");
    let withdrawal = DepositOutput::Withdrawal { issuer: 1, amount: Amount(30), reference: Hash([1; 32]) };
    let draft = TestFederation::draft(spend(&notes), &[5, 7, 1, 3], 0);
    let (transaction, notes) = federation.write(Draft { withdrawal: Some(withdrawal), ..draft });
    federation.check(&transaction).unwrap();
    federation.apply(&transaction).unwrap();
    assert_eq!(notes.iter().map(|note| note.amount().0).sum::<u64>(), 170);
    let audit = federation.audit();
    assert_eq!((audit.credited, audit.withdrawn, audit.liabilities()), (200, 30, Some(170)));
    assert!(audit.is_balanced());
}

#[test]
fn a_note_is_spent_once_and_the_refusal_names_the_session() {
    let mut federation = free();
    let notes = federation.fund(5);
    let (first, _) = federation.write(TestFederation::draft(spend(&notes), &[0, 2], 0));
    let (second, _) = federation.write(TestFederation::draft(spend(&notes[1..]), &[2], 0));
    federation.apply(&first).unwrap();
    let spent = |input| RejectionReason::AlreadySpent { input, session: 5 };
    federation.assert_refused(&second, spent(0));
    federation.assert_refused(&first, spent(0));
}

#[test]
fn a_credit_is_accepted_once_and_claimed_once() {
    let mut federation = free();
    let (credit, claim) = federation.credit(4);
    let Spendable::Credit { at, key } = claim else { unreachable!("a credit is claimed") };
    let claim = || Spendable::Credit { at, key: key.clone() };
    let (early, _) = federation.write(TestFederation::draft(vec![claim()], &[2], 0));
    federation.assert_refused(&early, RejectionReason::NoSuchCredit);
    federation.apply(&credit).unwrap();
    federation.assert_refused(&credit, RejectionReason::AlreadySpent { input: 0, session: 5 });
    let other = rekindle_protocol::schnorr::SecretKey::from_bytes(&[9; 32]).unwrap();
    let (stolen, _) =
        federation.write(TestFederation::draft(vec![Spendable::Credit { at, key: other }], &[2], 0));
    federation.assert_refused(&stolen, RejectionReason::InvalidSignature);
    federation.apply(&early).unwrap();
    let (again, _) = federation.write(TestFederation::draft(vec![claim()], &[1, 1], 0));
    federation.assert_refused(&again, RejectionReason::AlreadySpent { input: 0, session: 5 });
    let nowhere = OutPoint { txid: TxId([1; 32]), output: 0 };
    let (lost, _) = federation.write(TestFederation::draft(
        vec![Spendable::Credit { at: nowhere, key: key.clone() }],
        &[2],
        0,
    ));
    federation.assert_refused(&lost, RejectionReason::NoSuchCredit);
}

#[test]
fn the_envelope_is_checked() {
    let mut federation = free();
    let (valid, keys) = reissue(&mut federation);
    let place = federation.place;
    let changed = |change: &dyn Fn(&mut Transaction)| {
        let mut transaction = valid.clone();
        change(&mut transaction);
        sign(&mut transaction, &place.federation, &keys);
        transaction
    };
    use RejectionReason::{InvalidSignature, Malformed, Unbalanced, UnknownModule};
    let cases: [Case<'_>; 12] = [
        (&|t| t.inputs.clear(), Malformed),
        (&|t| t.inputs[1] = t.inputs[0].clone(), Malformed),
        (&|t| t.outputs[0].body = vec![0; 1025], Malformed),
        (&|t| t.outputs = vec![t.outputs[0].clone(); 256], Malformed),
        (&|t| t.inputs[0].body.push(0), Malformed),
        (&|t| t.outputs[0].body.clear(), Malformed),
        (&|t| t.inputs[0].module = 2, UnknownModule),
        (&|t| t.outputs[0].module = 9, UnknownModule),
        (&|t| t.outputs.truncate(2), Unbalanced),
        (&|t| t.fee = Amount(1), Unbalanced),
        (&|t| t.fee = Amount(u64::MAX), Unbalanced),
        (&|t| t.inputs[0].nonce = Hash([7; 32]), InvalidSignature),
    ];
    for (number, (change, reason)) in cases.into_iter().enumerate() {
        println!("case {number}");
        federation.assert_refused(&changed(change), reason);
    }
    let mut unsigned = valid.clone();
    unsigned.signatures.pop();
    federation.assert_refused(&unsigned, Malformed);
    let mut swapped = valid.clone();
    swapped.signatures.swap(0, 1);
    federation.assert_refused(&swapped, InvalidSignature);
    let mut resealed = valid.clone();
    resealed.memo.0[0] ^= 1;
    federation.assert_refused(&resealed, InvalidSignature);
    federation.apply(&valid).unwrap();
}

#[test]
fn the_mint_is_checked() {
    let mut federation = free();
    let (valid, keys) = reissue(&mut federation);
    let place = federation.place;
    let with_output = |blinded_nonce| {
        let mut transaction = valid.clone();
        transaction.outputs[0] = MintOutput { denomination: Denomination(0), blinded_nonce }.into_output(0);
        sign(&mut transaction, &place.federation, &keys);
        transaction
    };
    let mut identity = G2Bytes([0; 96]);
    identity.0[0] = 0xc0;
    for point in [identity, G2Bytes([0; 96]), G2Bytes([0xff; 96])] {
        federation.assert_refused(&with_output(point), RejectionReason::Malformed);
    }
    // A point of the curve outside the subgroup: found by trying x-coordinates, of which almost none is inside.
    let outside = (0..=255)
        .map(|byte| {
            let mut bytes = [0; 96];
            (bytes[0], bytes[95]) = (0x80, byte);
            G2Bytes(bytes)
        })
        .find(|point| {
            check_g2(point).is_err()
                && bool::from(bls12_381::G2Affine::from_compressed_unchecked(&point.0).is_some())
        })
        .unwrap();
    federation.assert_refused(&with_output(outside), RejectionReason::Malformed);

    let note = |transaction: &Transaction| MintInput::from_input(&transaction.inputs[0]).unwrap();
    let (nonce, real) = note(&valid);
    for signature in [note(&valid).1.signature, outside, identity] {
        let denomination = Denomination(1);
        let mut transaction = valid.clone();
        transaction.inputs[0] = MintInput { denomination, signature }.into_input(0, &nonce);
        transaction.outputs[0] =
            MintOutput { denomination, ..MintOutput::from_bytes(&transaction.outputs[0].body).unwrap() }
                .into_output(0);
        sign(&mut transaction, &place.federation, &keys);
        federation.assert_refused(&transaction, RejectionReason::InvalidSignature);
    }
    for denomination in [Denomination(8), Denomination(27), Denomination(255)] {
        let mut transaction = valid.clone();
        transaction.inputs[0] = MintInput { denomination, ..real.clone() }.into_input(0, &nonce);
        sign(&mut transaction, &place.federation, &keys);
        federation.assert_refused(&transaction, RejectionReason::Malformed);
    }
}

#[test]
fn credits_and_withdrawals_are_checked() {
    let mut federation = free();
    let place = federation.place;
    let issuer = federation.secrets.issuer.clone();
    let notes = federation.fund(4);
    let (credit, _) = federation.credit(4);
    let note_output = federation.write(TestFederation::draft(vec![], &[2], 0)).0.outputs.remove(0);
    let note_input = federation.author().input(Spendable::Note(notes[0].clone()));
    let changed = |change: &dyn Fn(&mut Transaction), keys: &[_]| {
        let mut transaction = credit.clone();
        change(&mut transaction);
        sign(&mut transaction, &place.federation, keys);
        transaction
    };
    let promise = |issuer, sats| {
        DepositInput::Credit { issuer, reference: Hash([8; 32]), amount: Amount(sats) }.into_input(1)
    };
    let credited =
        |sats| DepositOutput::Credit { claim_key: SchnorrKey([1; 32]), amount: Amount(sats) }.into_output(1);
    use RejectionReason::{InvalidSignature, Malformed, Unbalanced};
    let one = [issuer.clone()];
    let cases: [Case<'_>; 8] = [
        (&|t| t.inputs[0] = promise(1, 4), InvalidSignature),
        (&|t| t.inputs[0] = promise(2, 4), Malformed),
        (&|t| t.inputs[0] = promise(0, 5), Unbalanced),
        (&|t| (t.inputs[0], t.outputs[0]) = (promise(0, 0), credited(0)), Malformed),
        (&|t| t.inputs[0].nonce = Hash([0; 32]), Malformed),
        (&|t| t.outputs.push(t.outputs[0].clone()), Malformed),
        (&|t| t.outputs[0] = note_output.clone(), Malformed),
        (&|t| t.outputs.clear(), Malformed),
    ];
    for (number, (change, reason)) in cases.into_iter().enumerate() {
        println!("case {number}");
        federation.assert_refused(&changed(change, &one), reason);
    }
    let both = [issuer, note_input.1.clone()];
    federation.assert_refused(&changed(&|t| t.inputs.push(note_input.0.clone()), &both), Malformed);
    // Notes can't be paid to a deposit address.
    federation.assert_refused(&changed(&|t| t.inputs[0] = note_input.0.clone(), &both[1..]), Malformed);
    federation.apply(&credit).unwrap();

    for (issuer, amount, reason) in [(2, 4, Malformed), (0, 0, Malformed), (0, 5, Unbalanced)] {
        let withdrawal =
            DepositOutput::Withdrawal { issuer, amount: Amount(amount), reference: Hash([0; 32]) };
        let draft = TestFederation::draft(spend(&notes), if amount == 0 { &[2] } else { &[] }, 0);
        let (transaction, _) = federation.write(Draft { withdrawal: Some(withdrawal), ..draft });
        federation.assert_refused(&transaction, reason);
    }
}

#[test]
fn fees_are_asked_for() {
    let mut federation = TestFederation::new(Fees { input: Amount(2), output: Amount(1) });
    let (credit, claim) = federation.credit(10);
    federation.apply(&credit).unwrap();
    let Spendable::Credit { at, key } = claim else { unreachable!("a credit is claimed") };
    let claim = |notes: &[u8], fee| {
        TestFederation::draft(vec![Spendable::Credit { at, key: key.clone() }], notes, fee)
    };
    // Two for the claim, one for each note.
    let (cheap, _) = federation.write(claim(&[1, 1, 2], 2));
    federation.assert_refused(&cheap, RejectionReason::Unbalanced);
    let (short, _) = federation.write(claim(&[1, 2], 3));
    federation.assert_refused(&short, RejectionReason::Unbalanced);
    let (fair, _) = federation.write(claim(&[1, 2], 4));
    federation.apply(&fair).unwrap();
    let audit = federation.audit();
    assert_eq!((audit.fees, audit.liabilities()), (4, Some(6)));
    assert!(audit.is_balanced());
}

#[test]
fn issued_notes_are_signed_on_request_and_others_are_not() {
    let mut federation = free();
    let notes = federation.fund(5);
    let (transaction, fresh) = federation.write(TestFederation::draft(spend(&notes), &[0, 2], 0));
    let (refused, _) = federation.write(TestFederation::draft(spend(&notes), &[0, 3], 0));
    federation.apply(&transaction).unwrap();
    federation.apply(&refused).unwrap_err();
    let at = |transaction: &Transaction, output| OutPoint { txid: transaction.id(), output };
    let wanted = [at(&transaction, 1), at(&transaction, 2), at(&refused, 0), at(&transaction, 0)];
    let issued = issued_at(&federation.database.begin_read().unwrap(), &wanted).unwrap();
    let signer = ShareSigner::new(federation.secrets.mint.clone());
    let answer = signer.sign_all(issued.clone(), || true).unwrap();
    assert_eq!(answer.shares.iter().map(|(at, _)| *at).collect::<Vec<_>>(), wanted);
    let signed: Vec<bool> = answer.shares.iter().map(|(_, share)| share.is_some()).collect();
    assert_eq!(signed, [true, false, false, true]);
    assert_eq!(signer.sign_all(issued, || false), None);

    // With one guardian the share is the signature: unblinded, it makes the note that an author would spend.
    let secret = federation.wallet.output(0, &transaction.tweak, 1);
    let interpolation = rekindle_protocol::bls::Interpolation::new(&[0]).unwrap();
    let unblinded =
        interpolation.unblind(&[answer.shares[0].1.unwrap()], &secret.blinding).unwrap().to_bytes();
    let (input, _) = federation.author().input(Spendable::Note(fresh[1].clone()));
    assert_eq!(MintInput::from_input(&input).unwrap().1.signature, unblinded);

    let items = [rekindle_protocol::session::Item::Transaction(transaction.clone())];
    let of_session: Vec<OutPoint> = issued_by(0, &items).into_iter().map(|(at, _)| at).collect();
    assert_eq!(of_session, [at(&transaction, 0), at(&transaction, 1)]);
}

#[test]
fn a_config_that_cannot_be_judged_is_refused() {
    let config = free().config;
    let mut strange = config.clone();
    strange.modules.push(ModuleInstance { kind: "lottery".into(), config: vec![] });
    assert_eq!(Ledger::new(&strange).err(), Some(LedgerError::UnknownKind("lottery".into())));
    let mut twice = config.clone();
    twice.modules.push(config.modules[0].clone());
    assert_eq!(Ledger::new(&twice).err(), Some(LedgerError::Repeated("mint".into())));
    let mut lacking = config;
    lacking.modules.pop();
    assert!(matches!(Ledger::new(&lacking), Err(LedgerError::Config(_))));
}

#[test]
fn an_issuer_is_suspended_while_more_than_f_guardians_want_it() {
    let mut federation = free();
    let notes = federation.fund(4);
    let (before, claim) = federation.credit(2);
    federation.apply(&before).unwrap();
    let (after, _) = federation.credit(2);
    let toward = |issuer| DepositOutput::Withdrawal { issuer, amount: Amount(4), reference: Hash([0; 32]) };
    let draft =
        |issuer| Draft { withdrawal: Some(toward(issuer)), ..TestFederation::draft(spend(&notes), &[], 0) };
    let (withdrawal, _) = federation.write(draft(0));
    let (elsewhere, _) = federation.write(draft(1));
    let (claiming, _) = federation.write(TestFederation::draft(vec![claim], &[1], 0));

    let proposing = |issuers: &[u16]| {
        let txn = federation.database.begin_write().unwrap();
        suspend(&txn, &issuers.iter().copied().collect()).unwrap();
        txn.commit().unwrap();
        let txn = federation.database.begin_read().unwrap();
        assert_eq!(suspended_here(&txn).unwrap(), issuers.iter().copied().collect());
        federation.ledger.proposal(&txn).unwrap()
    };
    assert!(proposing(&[]).is_empty());
    let everybody: Vec<u16> = (0..u16::try_from(MAX_ISSUERS).unwrap()).collect();
    assert!(proposing(&everybody).len() <= MAX_PROPOSAL_BYTES);
    let proposals = Proposals::from([(0, proposing(&[0, 7]))]);
    for refused in [&after, &withdrawal] {
        let rejection = federation.apply_with(&proposals, refused).unwrap_err();
        assert_eq!(rejection.reason, RejectionReason::IssuerSuspended);
    }
    // What was credited before is its owner's, and other issuers go on.
    federation.apply_with(&proposals, &claiming).unwrap();
    federation.apply_with(&proposals, &elsewhere).unwrap();
    // Garbage of a faulty guardian is nobody's wish.
    federation.apply_with(&Proposals::from([(0, vec![9; 40])]), &after).unwrap();
}

#[test]
fn f_guardians_suspend_nobody() {
    let bytes = |issuers: &[u16]| suspension::Proposal { suspend: issuers.to_vec() }.to_bytes();
    let proposals = Proposals::from([(0, bytes(&[1, 2, 2])), (1, bytes(&[1])), (2, vec![0xff; 9])]);
    assert_eq!(suspenders(&proposals), [(1, [0, 1].into()), (2, [0].into())].into());
    assert_eq!(suspended(&proposals, 1), [1].into());
    assert_eq!(suspended(&proposals, 2), [].into());
}
