//! A forged history is what it says it is.

use std::{collections::HashMap, path::Path, sync::Arc, time::Duration};

use redb::{Database, ReadableDatabase, backends::InMemoryBackend};
use rekindle_protocol::{
    amount::Amount,
    api::TransactionStatus,
    bls::Interpolation,
    bytes::{G2Bytes, Hash, TxId},
    chain::{ChainPosition, check_signature},
    encoding::Canonical,
    modules::mint::{MintInput, MintOutput, note_message},
    ownership::{MemoContent, OperationKind, SeedWords, WalletSecret},
    recovery_index,
    session::HashedSession,
    transaction::{OutPoint, Transaction},
};

use super::*;
use crate::{
    db::{self, Db},
    dealer::{Deal, Dealt},
    ledger::{Audit, Ledger, ShareSigner, issued_at},
    network::{Hub, OutboxLimits},
    node::{self, NodeSetup, Settings, StateMachine},
};

const OPTIONS: Options = Options {
    sessions: 60,
    transactions_per_session: 4,
    parts: 2,
    seed: 3,
    wallet_every: 200,
    wallet_notes: 50,
};

fn words() -> SeedWords {
    SeedWords::from_entropy(&[9; 16])
}

fn forge_at(dir: &Path, guardians: u16, options: &Options) -> (Dealt, Summary) {
    let dealt = Deal::new(guardians, String::new()).deal(&dealer_seed(options.seed));
    let summary = forge(&dealt, &words(), options, &dir.join("0"), |_| {}).unwrap();
    share(&dealt.config, |id| dir.join(id.to_string())).unwrap();
    (dealt, summary)
}

fn read_sessions(db: &Db) -> Vec<HashedSession> {
    let mut sessions = Vec::new();
    db::sessions_from(&db.read().unwrap(), 0, |_, bytes| {
        sessions.push(HashedSession::from_bytes(bytes).unwrap());
        true
    })
    .unwrap();
    sessions
}

/// What a wallet finds that reads everything: a much simpler recovery than a real one.
#[derive(Default)]
struct Found {
    expected: Expected,
    notes: HashMap<Hash, (OutPoint, MintOutput)>,
}

fn recover(sessions: &[HashedSession], wallet: &WalletSecret, place: &Place) -> Found {
    let mut found = Found::default();
    let mut tokens: Vec<(u64, Vec<Hash>)> = Vec::new();
    let mut spent = std::collections::HashSet::new();
    for session in sessions {
        for (txid, transaction) in session.content.transactions() {
            spent.extend(transaction.inputs.iter().map(|input| input.nonce));
            if wallet.tag(&transaction.tweak) != transaction.tag {
                continue;
            }
            let Some(memo) = MemoContent::open(wallet, &place.federation, transaction) else { continue };
            found.expected.operations += 1;
            let mut token = Vec::new();
            for (output, part) in
                (0..).zip(&transaction.outputs).filter(|(_, part)| part.module == place.mint)
            {
                let note = MintOutput::from_bytes(&part.body).unwrap();
                let nonce = Hash(wallet.output(place.mint, &transaction.tweak, output).public_key().0);
                if output < memo.token_outputs {
                    token.push(nonce);
                } else {
                    found.notes.insert(nonce, (OutPoint { txid: *txid, output }, note));
                }
            }
            if memo.kind == OperationKind::Send {
                tokens.push((memo.amount.0, token));
            }
        }
    }
    found.notes.retain(|nonce, _| !spent.contains(nonce));
    for (sats, _) in tokens.iter().filter(|(_, notes)| notes.iter().all(|nonce| !spent.contains(nonce))) {
        found.expected.outstanding_tokens += 1;
        found.expected.outstanding_sats += sats;
    }
    found.expected.unspent_notes = found.notes.len();
    found.expected.balance_sats =
        found.notes.values().map(|(_, note)| note.denomination.amount().unwrap().0).sum();
    found
}

#[test]
fn history_is_chained_signed_and_indexed() {
    let dir = tempfile::tempdir().unwrap();
    let (dealt, summary) = forge_at(dir.path(), 4, &OPTIONS);
    assert_eq!((summary.sessions, summary.transactions), (60, 240));
    let federation = dealt.config.federation_id();
    let key = dealt.config.session_key().unwrap();
    for id in 0..4 {
        let db = Db::open(&dir.path().join(id.to_string()), &federation, id).unwrap();
        let sessions = read_sessions(&db);
        assert_eq!(sessions.len(), 60);
        let mut position = ChainPosition::GENESIS;
        for session in &sessions {
            position.extend(&federation, session).unwrap();
            check_signature(&federation, &key, &session.header, &session.signature.unwrap()).unwrap();
        }
        let mut running = Hash([0; 32]);
        db::recovery_from(&db.read().unwrap(), 0, |index, record| {
            let (header, entries) = db::recovery_entries(record).unwrap();
            running = recovery_index::extend(&running, &header.items, entries);
            assert_eq!((header.index, header.recovery), (index, running));
            true
        })
        .unwrap();
        assert_eq!(running, position.recovery);
    }
}

#[test]
fn the_wallet_finds_what_it_must_and_nothing_of_it_is_forged() {
    let dir = tempfile::tempdir().unwrap();
    let (dealt, summary) = forge_at(dir.path(), 4, &OPTIONS);
    let place = Place::of(&dealt.config).unwrap();
    let wallet = words().wallet_secret(&place.federation);
    let db = Db::open(&dir.path().join("2"), &place.federation, 2).unwrap();
    let sessions = read_sessions(&db);
    let found = recover(&sessions, &wallet, &place);
    assert_eq!(found.expected, summary.expected);
    assert!(found.expected.operations >= 10 && found.expected.balance_sats > 0, "{found:?}", found = summary);

    // The f + 1 guardians' shares make real notes of what is left.
    let (_, mint) = dealt.config.mint().unwrap();
    let signers = [1, 3].map(|id: u16| (id, ShareSigner::new(dealt.guardians[usize::from(id)].mint.clone())));
    for (at, note) in found.notes.values().take(3) {
        let issued = issued_at(&db.read().unwrap(), &[*at]).unwrap();
        assert_eq!(issued[0].1.as_ref(), Some(note));
        let shares: Vec<G2Bytes> = signers.iter().map(|(_, signer)| signer.sign(note).unwrap()).collect();
        let mut transactions = sessions.iter().flat_map(|session| session.content.transactions());
        let (_, transaction) = transactions.find(|(txid, _)| **txid == at.txid).unwrap();
        let secret = wallet.output(place.mint, &transaction.tweak, at.output);
        let interpolation = Interpolation::new(&signers.each_ref().map(|(id, _)| *id)).unwrap();
        let signature = interpolation.unblind(&shares, &secret.blinding).unwrap().to_bytes();
        let key = mint.keys(note.denomination).unwrap().public_key().unwrap();
        assert!(key.verify(&note_message(&secret.public_key()), &signature));
    }

    // A ledger that trusts nothing accepts all that was recorded as accepted, and only that.
    let ledger = Ledger::new(&dealt.config).unwrap();
    let fresh = Database::builder().create_with_backend(InMemoryBackend::new()).unwrap();
    let mut accepted = 0;
    let mut strangers = 0;
    for session in &sessions {
        for (_, transaction) in session.content.transactions() {
            let recorded = db::accepted_in(&db.read().unwrap(), &transaction.id()).unwrap();
            let txn = fresh.begin_write().unwrap();
            let verdict = ledger
                .apply(&txn, session.header.index, &crate::node::Proposals::new(), transaction)
                .unwrap();
            txn.commit().unwrap();
            match recorded {
                Some(index) => {
                    assert_eq!((verdict, index), (Ok(()), session.header.index));
                    accepted += 1;
                }
                None => {
                    assert!(verdict.is_err());
                    strangers += 1;
                }
            }
        }
    }
    assert!(accepted >= found.expected.operations && strangers > accepted);
    let audit = Audit::read(&db.read().unwrap()).unwrap();
    assert_eq!(audit, Audit::read(&fresh.begin_read().unwrap()).unwrap());
    assert!(audit.is_balanced());
}

#[test]
fn nothing_is_left_half_done_at_the_end() {
    for (seed, sessions) in [(5, 7), (6, 23), (7, 100)] {
        let dir = tempfile::tempdir().unwrap();
        let options =
            Options { sessions, seed, transactions_per_session: 3, wallet_every: 3, parts: 1, ..OPTIONS };
        let (dealt, summary) = forge_at(dir.path(), 1, &options);
        let place = Place::of(&dealt.config).unwrap();
        let wallet = words().wallet_secret(&place.federation);
        let db = Db::open(&dir.path().join("0"), &place.federation, 0).unwrap();
        assert_eq!(recover(&read_sessions(&db), &wallet, &place).expected, summary.expected);
        let audit = Audit::read(&db.read().unwrap()).unwrap();
        assert!(audit.is_balanced() && audit.credited == audit.claimed, "{audit:?}");
    }
}

#[test]
fn the_wallet_holds_about_as_many_notes_as_are_asked_for() {
    for notes in [50, 200] {
        let dir = tempfile::tempdir().unwrap();
        let options = Options { sessions: 200, wallet_every: 4, parts: 1, wallet_notes: notes, ..OPTIONS };
        let held = forge_at(dir.path(), 1, &options).1.expected.unspent_notes;
        assert!((notes..notes + 60).contains(&held), "{held} instead of {notes}");
    }
}

#[test]
fn a_seed_decides_everything_and_nothing_is_overwritten() {
    let small = Options { sessions: 10, ..OPTIONS };
    let last = |options: &Options| {
        let dir = tempfile::tempdir().unwrap();
        let (dealt, _) = forge_at(dir.path(), 1, options);
        assert!(matches!(
            forge(&dealt, &words(), options, &dir.path().join("0"), |_| {}),
            Err(ForgeError::Exists(_))
        ));
        let db = Db::open(&dir.path().join("0"), &dealt.config.federation_id(), 0).unwrap();
        read_sessions(&db).pop().unwrap().header
    };
    assert_eq!(last(&small), last(&small));
    assert_ne!(last(&small), last(&Options { seed: 4, ..small }));
}

#[tokio::test]
async fn a_guardian_goes_on_from_forged_history_and_the_wallet_spends() {
    let dir = tempfile::tempdir().unwrap();
    let (dealt, _) = forge_at(dir.path(), 1, &OPTIONS);
    let place = Place::of(&dealt.config).unwrap();
    let wallet = words().wallet_secret(&place.federation);
    let path = dir.path().join("0");
    let (found, tweaks) = {
        let db = Db::open(&path, &place.federation, 0).unwrap();
        let sessions = read_sessions(&db);
        let tweaks: HashMap<TxId, Transaction> = sessions
            .iter()
            .flat_map(|session| session.content.transactions())
            .map(|(txid, transaction)| (*txid, transaction.clone()))
            .collect();
        (recover(&sessions, &wallet, &place), tweaks)
    };
    let hub = Hub::new(1, OutboxLimits::default());
    let setup = NodeSetup {
        id: 0,
        machine: Arc::new(Ledger::new(&dealt.config).unwrap()),
        config: Arc::new(dealt.config.clone()),
        keys: dealt.guardians[0].clone(),
        settings: Settings { session_time: Duration::ZERO, ..Settings::default() },
    };
    let running = node::start(setup, &path, hub.connect(0).unwrap()).unwrap();
    let node = running.handle();
    assert_eq!((node.session_count(), node.signed_count()), (60, 60));

    let secrets = FederationSecrets::of(&dealt).unwrap();
    let author = Author { place, wallet: &wallet, secrets: &secrets };
    let (at, note) = found.notes.values().next().unwrap();
    let key = wallet.output(place.mint, &tweaks[&at.txid].tweak, at.output).key;
    let spend = |tweak| {
        let note = OwnedNote { denomination: note.denomination, key: key.clone() };
        let memo = plain_memo(OperationKind::Redeem, Amount::ZERO);
        let draft = Draft {
            notes: vec![note.denomination],
            inputs: vec![Spendable::Note(note)],
            withdrawal: None,
            fee: Amount::ZERO,
            memo,
        };
        author.write(rekindle_protocol::bytes::Tweak([tweak; 16]), draft)
    };
    let transaction = spend(1);
    assert!(MintInput::from_input(&transaction.inputs[0]).is_ok());
    let txid = node.submit(transaction).await.unwrap();
    let patience = Duration::from_secs(60);
    let status = node.wait_transaction(&txid, patience).await.unwrap();
    assert_eq!(status, TransactionStatus::Accepted { session: 60 });
    assert!(matches!(node.wait_session(60, patience).await.unwrap(), node::SessionState::Complete(_)));
    assert!(node.submit(spend(2)).await.is_err(), "spent in the meantime");
    running.stop().await.unwrap();
}

#[test]
fn an_order_is_carried_out_once_and_bad_ones_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let wallet = dir.path().join("words");
    std::fs::write(&wallet, format!("{}\n", words().reveal().as_str())).unwrap();
    let order = Order {
        options: Options { sessions: 3, ..OPTIONS },
        guardians: 4,
        wallet: wallet.clone(),
        data: dir.path().join("data"),
    };
    let mut reported = 0;
    let summary = run(&order, |done| reported = done).unwrap();
    assert_eq!(reported, 3);
    let text = std::fs::read_to_string(order.data.join("forge.json")).unwrap();
    assert_eq!(serde_json::from_str::<Summary>(&text).unwrap(), summary);
    let data = crate::dev::DataDir::open_or_deal(&order.data, 4, "").unwrap();
    let db = Db::open(&data.database(3), &data.config().federation_id(), 3).unwrap();
    assert_eq!(read_sessions(&db).len(), 3);

    assert!(matches!(run(&order, |_| {}), Err(OrderError::Taken(_))));
    let elsewhere = Order { data: dir.path().join("other"), ..order };
    for options in [
        Options { sessions: 0, ..OPTIONS },
        Options { transactions_per_session: 0, ..OPTIONS },
        Options { parts: 256, ..OPTIONS },
        Options { transactions_per_session: 2_000, parts: 255, ..OPTIONS },
    ] {
        assert!(matches!(run(&Order { options, ..elsewhere.clone() }, |_| {}), Err(OrderError::Nothing)));
    }
    assert!(matches!(run(&Order { guardians: 3, ..elsewhere.clone() }, |_| {}), Err(OrderError::Data(_))));
    std::fs::write(&wallet, "abandon secretive").unwrap();
    let error = run(&elsewhere, |_| {}).unwrap_err();
    assert!(matches!(error, OrderError::Words(..)) && !error.to_string().contains("secretive"));
    assert!(!elsewhere.data.exists(), "nothing is written for a bad order");
}
