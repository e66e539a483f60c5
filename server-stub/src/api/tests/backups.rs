//! Wallets' backups at a guardian.

use axum::{
    body::Body,
    http::{Method, Request, header},
};
use rekindle_protocol::{
    api::{Attested, paths},
    backup::{Backup, MAX_SEALED_BYTES},
    bytes::{Challenge, FederationId},
    encoding::Canonical,
    ownership::{SeedWords, WalletSecret},
};
use tempfile::TempDir;

use super::fixture::{Answer, BINARY, Fixture, JSON};
use crate::{api::Setup, backups::Backups};

fn keeping(quota: u64) -> (Fixture, TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let backups = Backups::open(&dir.path().join("backups.redb"), quota).unwrap();
    let fixture = Fixture::with_setup(&[], |urls| Setup { backups: Some(backups), ..Setup::new(urls) });
    (fixture, dir)
}

fn wallet(fixture: &Fixture, entropy: u8) -> (WalletSecret, String) {
    let secret = SeedWords::from_entropy(&[entropy; 16]).wallet_secret(&fixture.place.federation);
    let path = paths::backup(&secret.backup_key().public_key());
    (secret, path)
}

fn sealed(fixture: &Fixture, wallet: &WalletSecret, version: u64, content: usize) -> Backup {
    wallet.seal_backup(&fixture.place.federation, version, [version as u8; 16], &vec![1; content]).unwrap()
}

async fn put(fixture: &Fixture, path: &str, content_type: &str, body: impl Into<Body>) -> Answer {
    let request = Request::builder()
        .method(Method::PUT)
        .uri(path)
        .header(header::ACCEPT, content_type)
        .header(header::CONTENT_TYPE, content_type);
    fixture.send(request.body(body.into()).unwrap()).await
}

#[tokio::test]
async fn the_newest_is_kept_and_given_to_whoever_knows_the_key() {
    let (fixture, _dir) = keeping(1 << 30);
    let (secret, path) = wallet(&fixture, 1);
    let (_, others_path) = wallet(&fixture, 2);
    assert_eq!(fixture.attested::<Option<Backup>>(&path, "").await, None, "a signed never");

    let first = sealed(&fixture, &secret, 3, 100);
    // The guardian signs that it has stored it.
    let challenge = Challenge([4; 16]);
    let answer = put(&fixture, &format!("{path}?challenge={challenge}"), BINARY, first.to_bytes()).await;
    let key = &fixture.dealt.config.guardians[0].key;
    let stored = answer.binary::<Attested>().verify(&fixture.place.federation, &path, &challenge, key);
    assert_eq!(stored, Ok(3u64));
    assert_eq!(fixture.attested::<Option<Backup>>(&path, "").await, Some(first.clone()));
    assert_eq!(fixture.attested::<Option<Backup>>(&others_path, "").await, None);

    let second = sealed(&fixture, &secret, 4, 10_000);
    let answer = put(&fixture, &path, JSON, serde_json::to_vec(&second).unwrap()).await;
    assert_eq!(answer.json::<u64>(), 4);
    // The older one again, replayed by whoever has seen it, changes nothing.
    assert_eq!(put(&fixture, &path, BINARY, first.to_bytes()).await.binary::<u64>(), 4);
    assert_eq!(fixture.get(&path, BINARY).await.binary::<Option<Backup>>(), Some(second.clone()));
    let answer = fixture.get(&path, JSON).await;
    assert!(!answer.is_immutable());
    assert_eq!(answer.json::<Option<Backup>>(), Some(second));
    let metrics = fixture.get(paths::METRICS, "*/*").await;
    assert!(String::from_utf8_lossy(&metrics.body).contains("guardian_backups 1\n"));
}

#[tokio::test]
async fn only_the_owner_of_the_key_writes() {
    let (fixture, _dir) = keeping(1 << 30);
    let (secret, path) = wallet(&fixture, 1);
    let (stranger, _) = wallet(&fixture, 2);
    let good = sealed(&fixture, &secret, 1, 10);
    let elsewhere = FederationId([9; 32]);
    let abroad = WalletSecret::new(&[1; 32], &elsewhere).seal_backup(&elsewhere, 1, [0; 16], b"").unwrap();
    let stands_out = Backup::sign(&fixture.place.federation, &secret.backup_key(), 1, vec![0; 5000]);
    for refused in
        [sealed(&fixture, &stranger, 1, 10), Backup { version: 2, ..good.clone() }, abroad, stands_out]
    {
        let answer = put(&fixture, &path, BINARY, refused.to_bytes()).await;
        assert_eq!(answer.problem(422).code, "invalid_signature");
    }
    let too_large = vec![0; 2 * MAX_SEALED_BYTES + (5 << 10)];
    assert_eq!(put(&fixture, &path, BINARY, too_large).await.problem(413).code, "too_large");
    let bytes = good.to_bytes();
    assert_eq!(put(&fixture, &path, BINARY, bytes[1..].to_vec()).await.problem(400).code, "bad_request");
    assert_eq!(put(&fixture, "/v1/backups/xyz", BINARY, bytes).await.problem(400).code, "bad_request");
    assert_eq!(fixture.attested::<Option<Backup>>(&path, "").await, None);
}

#[tokio::test]
async fn space_and_writes_are_limited() {
    let (fixture, _dir) = keeping(6000);
    let (secret, path) = wallet(&fixture, 1);
    let (other, others_path) = wallet(&fixture, 2);
    put(&fixture, &path, BINARY, sealed(&fixture, &secret, 1, 10).to_bytes()).await.binary::<u64>();
    let answer = put(&fixture, &others_path, BINARY, sealed(&fixture, &other, 1, 10).to_bytes()).await;
    assert_eq!(answer.problem(403).code, "backups_full");

    // A megabyte at once, and then it takes a while.
    let quarter = sealed(&fixture, &other, 1, 200_000).to_bytes();
    for _ in 0..3 {
        let answer = put(&fixture, &others_path, BINARY, quarter.clone()).await;
        assert_eq!(answer.problem(403).code, "backups_full");
    }
    let limited = put(&fixture, &others_path, BINARY, quarter).await;
    assert_eq!(limited.problem(429).code, "too_many_requests");
    assert!(limited.header(header::RETRY_AFTER).parse::<u64>().unwrap() >= 1);
    // Reading is not.
    assert!(fixture.attested::<Option<Backup>>(&path, "").await.is_some());
}

#[tokio::test]
async fn a_guardian_without_room_for_any_says_so() {
    let fixture = Fixture::new();
    let (secret, path) = wallet(&fixture, 1);
    assert_eq!(fixture.get(&path, BINARY).await.problem(404).code, "not_found");
    let answer = put(&fixture, &path, BINARY, sealed(&fixture, &secret, 1, 10).to_bytes()).await;
    assert_eq!(answer.problem(404).code, "not_found");
}
