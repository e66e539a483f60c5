//! Whole guardians over real sockets, in one process.

use std::{path::Path, time::Duration};

use tokio::{sync::mpsc, time::timeout};

use super::{deal::Deal, *};
use crate::{
    api, ledger,
    node::Settings,
    secrets::{KeyDerivation, Password},
};

const PATIENCE: Duration = Duration::from_secs(30);

fn password() -> Password {
    Password::new("secret".to_owned().into()).unwrap()
}

fn deal(root: &Path, guardians: u16) -> Vec<Home> {
    let deal = Deal {
        guardians,
        denominations: 1,
        data: root.into(),
        password: password(),
        derivation: KeyDerivation::CHEAPEST,
    };
    deal.run().unwrap().homes
}

fn options(home: &Home) -> RunOptions {
    RunOptions {
        data: home.path().into(),
        password: password(),
        settings: Settings { session_time: Duration::from_millis(50), ..Settings::default() },
        limits: api::Limits::default(),
        backup_bytes: 1 << 20,
        server: api::Server::default(),
        admin: None,
    }
}

/// Waits until every guardian is connected to so many others.
async fn connected(guardians: &[RunningGuardian], others: usize) {
    for guardian in guardians {
        let mut peers = guardian.peers();
        let enough = peers
            .wait_for(|peers| peers.iter().filter(|peer| peer.connected_since.is_some()).count() >= others);
        timeout(PATIENCE, enough).await.expect("not connected").unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn guardians_find_each_other_and_stop_at_once() {
    let temp = tempfile::tempdir().unwrap();
    let homes = deal(temp.path(), 4);
    let mut guardians = Vec::new();
    for home in &homes {
        guardians.push(RunningGuardian::start(options(home)).await.unwrap());
    }
    connected(&guardians, 3).await;
    let invite = &guardians[0].description().invite;
    assert!(guardians.iter().all(|guardian| guardian.description().invite == *invite));
    for guardian in guardians {
        timeout(Duration::from_secs(5), guardian.stop()).await.expect("too slow").unwrap();
    }
}

#[tokio::test]
async fn run_says_ready_and_obeys_the_stop() {
    let temp = tempfile::tempdir().unwrap();
    let homes = deal(temp.path(), 1);
    let (said, mut heard) = mpsc::unbounded_channel();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let options = options(&homes[0]);
    let running = tokio::spawn(async move {
        let stopped = async { drop(stopped.await) };
        run(options, stopped, |line| said.send(line.to_owned()).unwrap()).await
    });
    let ready = timeout(PATIENCE, heard.recv()).await.unwrap().unwrap();
    let description: serde_json::Value = serde_json::from_str(ready.strip_prefix("ready ").unwrap()).unwrap();
    assert_eq!(description["guardian"], 0);
    assert!(description["api"].as_str().unwrap().starts_with("127."));
    stop.send(()).unwrap();
    timeout(Duration::from_secs(5), running).await.expect("too slow").unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_guardian_with_another_config_than_the_others_stops_and_names_them() {
    let temp = tempfile::tempdir().unwrap();
    let homes = deal(temp.path(), 4);
    // A limit that decides what history looks like counts as config.
    let odd =
        RunOptions { settings: Settings { session_items: 17, ..Settings::default() }, ..options(&homes[1]) };
    let mut odd = RunningGuardian::start(odd).await.unwrap();
    let mut others = Vec::new();
    for home in [&homes[0], &homes[2], &homes[3]] {
        others.push(RunningGuardian::start(options(home)).await.unwrap());
    }
    let error = timeout(PATIENCE, odd.ended()).await.expect("it goes on").unwrap_err();
    assert!(matches!(&error, GuardianError::Disagreement(by) if by.len() >= 2), "{error}");
    assert!(error.to_string().contains("have another config"), "{error}");
    connected(&others, 2).await;
    odd.stop().await.unwrap();
    for other in &mut others {
        let on = timeout(Duration::from_millis(1), other.ended()).await;
        assert!(on.is_err(), "one guardian with another config stops nobody else");
    }
    for other in others {
        other.stop().await.unwrap();
    }
}

#[tokio::test]
async fn unknown_modules_are_refused_by_name() {
    let temp = tempfile::tempdir().unwrap();
    let homes = deal(temp.path(), 1);
    let mut member = homes[0].member(&password()).unwrap();
    member
        .config
        .modules
        .push(rekindle_protocol::config::ModuleInstance { kind: "lottery".into(), config: vec![] });
    homes[0].join(&member, &password(), KeyDerivation::CHEAPEST).unwrap();
    let error = RunningGuardian::start(options(&homes[0])).await.err().unwrap();
    assert!(
        matches!(&error, GuardianError::Ledger(ledger::LedgerError::UnknownKind(kind)) if kind == "lottery")
    );
    assert!(error.to_string().contains("lottery"));
}

#[tokio::test]
async fn a_database_of_a_newer_version_is_refused_whichever_part_is_newer() {
    const META: redb::TableDefinition<'_, &str, &[u8]> = redb::TableDefinition::new("meta");
    let temp = tempfile::tempdir().unwrap();
    let homes = deal(temp.path(), 1);
    RunningGuardian::start(options(&homes[0])).await.unwrap().stop().await.unwrap();
    for group in ledger::Ledger::TABLES {
        let set = |version: u32| {
            let database = redb::Database::open(homes[0].database()).unwrap();
            let txn = database.begin_write().unwrap();
            let mut meta = txn.open_table(META).unwrap();
            let before = meta.insert(group.key, version.to_le_bytes().as_slice()).unwrap();
            assert!(before.is_some(), "{} has a version", group.name);
            drop(before);
            drop(meta);
            txn.commit().unwrap();
        };
        set(u32::MAX);
        let error = RunningGuardian::start(options(&homes[0])).await.err().unwrap().to_string();
        assert!(error.contains("newer version") && error.contains(group.name), "{error}");
        set(1);
    }
    RunningGuardian::start(options(&homes[0])).await.unwrap().stop().await.unwrap();
}

#[tokio::test]
async fn a_new_url_is_announced_with_a_higher_number() {
    let temp = tempfile::tempdir().unwrap();
    let homes = deal(temp.path(), 1);
    let before = homes[0].member(&password()).unwrap();
    let mut profile = before.profile.clone();
    profile.public_url = "https://new.example".into();
    std::fs::write(homes[0].path().join("guardian.json"), serde_json::to_vec(&profile).unwrap()).unwrap();
    for _ in 0..2 {
        let guardian = RunningGuardian::start(options(&homes[0])).await.unwrap();
        let invite = guardian.description().invite.clone();
        let invite = rekindle_protocol::invite::InviteCode::parse(&invite).unwrap();
        assert_eq!(invite.guardians[0].url, "https://new.example");
        guardian.stop().await.unwrap();
    }
    let after = homes[0].member(&password()).unwrap();
    assert!(after.urls[0].number > before.urls[0].number);
    assert!(after.urls[0].verify(&after.config.federation_id(), &after.config));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_url_spreads_to_all_guardians_and_survives_their_restart() {
    const NEW: &str = "https://new.example";
    let temp = tempfile::tempdir().unwrap();
    let homes = deal(temp.path(), 4);
    let mut guardians = Vec::new();
    for home in &homes[..3] {
        guardians.push(RunningGuardian::start(options(home)).await.unwrap());
    }
    // The fourth has moved while it was down.
    let profile = Profile { public_url: NEW.into(), ..homes[3].profile().unwrap() };
    std::fs::write(homes[3].path().join("guardian.json"), serde_json::to_vec(&profile).unwrap()).unwrap();
    guardians.push(RunningGuardian::start(options(&homes[3])).await.unwrap());
    for guardian in &guardians {
        let mut known = guardian.announcements().watch();
        let learned = known.wait_for(|known| known.iter().any(|one| one.guardian == 3 && one.url == NEW));
        timeout(PATIENCE, learned).await.expect("it does not learn of it").unwrap();
    }
    for guardian in guardians {
        guardian.stop().await.unwrap();
    }
    for home in &homes {
        let member = home.member(&password()).unwrap();
        assert_eq!(member.urls.iter().map(|known| known.guardian).collect::<Vec<_>>(), [0, 1, 2, 3]);
        assert_eq!(member.urls[3].url, NEW);
    }
}
