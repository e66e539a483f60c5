//! The faucet of a dev federation.

use axum::{
    Router,
    body::Body,
    http::{Request, header},
};
use http_body_util::BodyExt;
use rekindle_protocol::{
    api::Problem, bytes::Tweak, bytes::TxId, modules::deposit::DepositAddress, session::Item,
    session::SessionStatus,
};
use serde_json::{Value, json};
use tower::ServiceExt;

use super::fixture::{BINARY, Fixture};
use crate::faucet::{self, Faucet, MAX_SATS};

fn faucet(fixture: &Fixture, running: bool) -> Router {
    let node = fixture.node().clone();
    faucet::router(Faucet {
        federation: fixture.place.federation,
        deposit: fixture.place.deposit,
        key: fixture.secrets.issuer.clone(),
        guardians: Box::new(move || running.then(|| node.clone()).into_iter().collect()),
    })
}

async fn ask(router: &Router, body: String) -> (u16, Value) {
    let request = Request::post(faucet::PATH)
        .header(header::ORIGIN, "http://localhost:4173")
        .header(header::CONTENT_TYPE, "application/json")
        .body(Body::from(body));
    let response = router.clone().oneshot(request.unwrap()).await.unwrap();
    assert_eq!(response.headers()[header::ACCESS_CONTROL_ALLOW_ORIGIN], "*");
    let status = response.status().as_u16();
    (status, serde_json::from_slice(&response.into_body().collect().await.unwrap().to_bytes()).unwrap())
}

fn address(fixture: &Fixture) -> DepositAddress {
    fixture.wallet.deposit_address(&fixture.place.federation, fixture.place.deposit, Tweak([1; 16]))
}

#[tokio::test]
async fn gives_what_is_asked_for_and_twice_if_asked_twice() {
    let fixture = Fixture::new();
    let router = faucet(&fixture, true);
    let wish = json!({"address": address(&fixture).to_string(), "amount_sats": 1_000}).to_string();
    let mut txids = Vec::new();
    for _ in 0..2 {
        let (status, grant) = ask(&router, wish.clone()).await;
        assert_eq!(status, 200, "{grant}");
        assert!(["pending", "accepted"].contains(&grant["status"].as_str().unwrap()));
        let txid: TxId = grant["txid"].as_str().unwrap().parse().unwrap();
        let session = fixture.settle(&txid).await;
        let path = rekindle_protocol::api::paths::session(session);
        let SessionStatus::Complete(session) = fixture.get(&path, BINARY).await.binary() else {
            panic!("not complete");
        };
        let mut transactions = session.items.iter().filter_map(Item::transaction);
        let credit = transactions.find(|transaction| transaction.id() == txid).unwrap();
        assert_eq!(credit.tag, address(&fixture).tag);
        txids.push(txid);
    }
    assert_ne!(txids[0], txids[1]);
}

#[tokio::test]
async fn refuses_what_makes_no_sense() {
    let fixture = Fixture::new();
    let router = faucet(&fixture, true);
    let valid = address(&fixture).to_string();
    let elsewhere = DepositAddress { federation: [0; 8], ..address(&fixture) }.to_string();
    let wish = |address: &str, sats: Value| json!({"address": address, "amount_sats": sats}).to_string();
    for (body, status, code) in [
        ("hello".to_owned(), 400, "bad_request"),
        (wish(&valid, json!("many")), 422, "unprocessable"),
        (wish(&valid, json!(0)), 422, "invalid_amount"),
        (wish(&valid, json!(MAX_SATS + 1)), 422, "invalid_amount"),
        (wish("rkdeposit1x", json!(1)), 422, "invalid_address"),
        (wish(&elsewhere, json!(1)), 422, "wrong_federation"),
        (" ".repeat(5_000), 413, "too_large"),
    ] {
        let (got, problem) = ask(&router, body).await;
        let problem: Problem = serde_json::from_value(problem).unwrap();
        assert_eq!((got, problem.status, problem.code.as_str()), (status, status, code));
    }
    let (status, problem) = ask(&faucet(&fixture, false), wish(&valid, json!(1))).await;
    assert_eq!((status, problem["code"].as_str().unwrap()), (503, "no_guardian"));
}
