//! What each endpoint answers.

use axum::http::header;
use rekindle_protocol::{
    api::{MAX_WAIT_SECONDS, RejectionReason, StatusV1, TransactionStatus, paths},
    bytes::TxId,
    config::ConfigDocument,
    encoding::Canonical,
    modules::{
        deposit::CreditRequest,
        mint::{MAX_SHARES_REQUEST, SharesAnswer, SharesRequest},
    },
    session::{Item, SessionStatus},
    transaction::{MAX_TRANSACTION_BYTES, OutPoint, Transaction},
};
use serde_json::{Value, json};

use super::fixture::{Answer, BINARY, Fixture, JSON};

#[tokio::test]
async fn config_status_count_and_health() {
    let fixture = Fixture::new();
    let binary: ConfigDocument = fixture.get(paths::CONFIG, BINARY).await.binary();
    assert_eq!(binary.config.federation_id(), fixture.place.federation);
    assert!(binary.urls.len() == 1 && binary.urls[0].verify(&fixture.place.federation, &binary.config));
    assert_eq!(fixture.get(paths::CONFIG, JSON).await.json::<ConfigDocument>(), binary);

    let status: StatusV1 = fixture.get(paths::STATUS, BINARY).await.binary();
    assert_eq!((status.guardian, status.session_count, status.api_versions.as_slice()), (0, 0, &[1, 2][..]));
    assert_eq!(fixture.get(paths::STATUS, JSON).await.json::<StatusV1>(), status);

    assert_eq!(fixture.get(paths::SESSION_COUNT, BINARY).await.binary::<u64>(), 0);
    assert_eq!(fixture.get(paths::SESSION_COUNT, JSON).await.json::<u64>(), 0);
    assert_eq!(fixture.attested::<u64>(paths::SESSION_COUNT, "").await, 0);

    let health = fixture.get(paths::HEALTH, "*/*").await;
    assert_eq!((health.status.as_u16(), &health.body[..]), (200, &b"ok\n"[..]));
}

#[tokio::test]
async fn a_transaction_from_submission_to_signature_shares() {
    let fixture = Fixture::new();
    // The issuer's side, in JSON.
    let (credit, claim) = fixture.credit(5, 1);
    let request = CreditRequest::sign(
        &fixture.place.federation,
        fixture.place.deposit,
        0,
        &fixture.secrets.issuer,
        &fixture.wallet.deposit_address(&fixture.place.federation, fixture.place.deposit, credit.tweak),
        rekindle_protocol::amount::Amount(5),
        rekindle_protocol::bytes::Hash([1; 32]),
    );
    let answer = fixture.post(paths::ISSUER_CREDITS, JSON, serde_json::to_vec(&request).unwrap()).await;
    assert_eq!(answer.header(header::LOCATION), paths::transaction(&credit.id()));
    assert_taken_up(&answer.json());
    fixture.settle(&credit.id()).await;
    let again = fixture.post(paths::ISSUER_CREDITS, BINARY, request.to_bytes()).await;
    assert!(matches!(again.binary(), TransactionStatus::Accepted { .. }));

    // The wallet's side, in canonical bytes.
    let transaction = fixture.claim(claim, 5, 2);
    let path = paths::transaction(&transaction.id());
    assert_eq!(fixture.attested::<TransactionStatus>(&path, "").await, TransactionStatus::Unknown);
    let answer = fixture.post(paths::TRANSACTIONS, BINARY, transaction.to_bytes()).await;
    assert_taken_up(&answer.binary());
    let waited: TransactionStatus = fixture.get(&format!("{path}?wait=60"), BINARY).await.binary();
    let TransactionStatus::Accepted { session } = waited else { panic!("{waited:?}") };
    assert_eq!(fixture.get(&path, JSON).await.json::<TransactionStatus>(), waited);
    assert_eq!(fixture.attested::<TransactionStatus>(&path, "&wait=1").await, waited);
    let resubmitted =
        fixture.post(paths::TRANSACTIONS, JSON, serde_json::to_vec(&transaction).unwrap()).await;
    assert_eq!(resubmitted.json::<TransactionStatus>(), waited);

    // Another one of the same credit is refused for a reason that history gives.
    let Fixture { wallet, .. } = &fixture;
    let spent = fixture.claim(
        crate::forge::Spendable::Credit {
            at: OutPoint { txid: credit.id(), output: 0 },
            key: wallet.output(fixture.place.deposit, &credit.tweak, 0).key,
        },
        5,
        3,
    );
    let answer = fixture.post(paths::TRANSACTIONS, BINARY, spent.to_bytes()).await;
    let TransactionStatus::Rejected(rejection) = answer.binary() else { panic!("accepted twice") };
    assert_eq!(rejection.reason, RejectionReason::AlreadySpent { input: 0, session });
    let path = paths::transaction(&spent.id());
    assert_eq!(
        fixture.attested::<TransactionStatus>(&path, "&wait=9").await,
        TransactionStatus::Rejected(rejection)
    );

    // The session, as it is and as it was.
    fixture.settle(&transaction.id()).await;
    let path = paths::session(session);
    let complete: SessionStatus = fixture.get(&format!("{path}?wait=60"), BINARY).await.binary();
    let SessionStatus::Complete(signed) = &complete else { panic!("{complete:?}") };
    assert!(signed.items.contains(&Item::Transaction(transaction.clone())));
    let key = fixture.dealt.config.session_key().unwrap();
    assert!(signed.header.verify(&fixture.place.federation, &key, &signed.signature));
    assert_eq!(fixture.get(&path, JSON).await.json::<SessionStatus>(), complete);
    assert_eq!(fixture.attested::<SessionStatus>(&path, "").await, complete);
    let count = fixture.attested::<u64>(paths::SESSION_COUNT, "").await;
    let open = paths::session(count);
    assert_eq!(fixture.attested::<SessionStatus>(&open, "").await, SessionStatus::Pending(vec![]));
    assert_eq!(
        fixture.get(&paths::session(u64::MAX), JSON).await.json::<SessionStatus>(),
        SessionStatus::Initial
    );

    // The shares for what it issued: 5 = 1 + 4 sats.
    let at = |output| OutPoint { txid: transaction.id(), output };
    let nowhere = OutPoint { txid: TxId([0; 32]), output: 0 };
    let request = SharesRequest { out_points: vec![at(1), nowhere, at(0)] };
    let shares: SharesAnswer =
        fixture.post(paths::MINT_SIGNATURES, BINARY, request.to_bytes()).await.binary();
    let json = fixture.post(paths::MINT_SIGNATURES, JSON, serde_json::to_vec(&request).unwrap()).await;
    assert_eq!(json.json::<SharesAnswer>(), shares);
    assert_eq!(shares.shares[1], (nowhere, None));
    let path = paths::session_signatures(session);
    let of_session: SharesAnswer = fixture.get(&path, BINARY).await.binary();
    assert_eq!(fixture.get(&path, JSON).await.json::<SharesAnswer>(), of_session);
    for share in [shares.shares[0], shares.shares[2]] {
        assert!(share.1.is_some() && of_session.shares.contains(&share));
    }
    assert_eq!(of_session.shares.len(), 2);
    assert_eq!(
        fixture.get(&paths::session_signatures(u64::MAX), BINARY).await.problem(404).code,
        "not_found"
    );
}

fn assert_taken_up(status: &TransactionStatus) {
    assert!(matches!(status, TransactionStatus::Pending | TransactionStatus::Accepted { .. }), "{status:?}");
}

#[tokio::test]
async fn waiting_ends_when_it_is_over() {
    let fixture = Fixture::new();
    let started = std::time::Instant::now();
    let path = format!("{}?wait=1", paths::session(0));
    assert_eq!(fixture.get(&path, BINARY).await.binary::<SessionStatus>(), SessionStatus::Pending(vec![]));
    assert!(started.elapsed().as_secs() < MAX_WAIT_SECONDS);
}

#[tokio::test]
async fn bad_requests_get_problem_documents() {
    let fixture = Fixture::new();
    let code = |answer: Answer, status| answer.problem(status).code;
    for path in [
        "/v1/sessions/x",
        "/v1/sessions/-1",
        "/v1/sessions/99999999999999999999",
        "/v1/sessions/%ff",
        "/v1/sessions/1?wait=soon",
        "/v1/sessions/1?challenge=zz",
        "/v1/sessions/count?challenge=00",
        "/v1/sessions?from=-1",
        "/v1/recovery?max_bytes=all",
        "/v1/transactions/abc",
        "/v1/sessions/x/signatures",
    ] {
        assert_eq!(code(fixture.get(path, BINARY).await, 400), "bad_request", "{path}");
    }
    for path in ["/index.html", "/v1", "/v1/sessions/1/2", "/v1/config/"] {
        assert_eq!(code(fixture.get(path, BINARY).await, 404), "not_found", "{path}");
    }
    assert_eq!(code(fixture.post(paths::CONFIG, BINARY, "").await, 405), "method_not_allowed");
    assert_eq!(code(fixture.get(paths::TRANSACTIONS, BINARY).await, 405), "method_not_allowed");

    for path in [paths::TRANSACTIONS, paths::MINT_SIGNATURES, paths::ISSUER_CREDITS] {
        assert_eq!(code(fixture.post(path, BINARY, "garbage").await, 400), "bad_request");
        assert_eq!(code(fixture.post(path, JSON, "{").await, 400), "bad_request");
        assert_eq!(code(fixture.post(path, JSON, "{}").await, 422), "unprocessable");
        assert_eq!(code(fixture.post(path, BINARY, vec![0; 1 << 20]).await, 413), "too_large");
    }
}

#[tokio::test]
async fn senseless_requests_are_unprocessable() {
    let fixture = Fixture::new();
    let code = |answer: Answer, status| answer.problem(status).code;
    let (_, claim) = fixture.credit(5, 1);
    let mut empty: Transaction = fixture.claim(claim, 5, 1);
    (empty.inputs, empty.signatures) = (vec![], vec![]);
    assert_eq!(code(fixture.post(paths::TRANSACTIONS, BINARY, empty.to_bytes()).await, 422), "malformed");
    let mut json = serde_json::to_value(&empty).unwrap();
    json["outputs"] = Value::Array(vec![json!({"module": 0, "body": "00".repeat(MAX_TRANSACTION_BYTES)})]);
    assert_eq!(code(fixture.post(paths::TRANSACTIONS, JSON, json.to_string()).await, 413), "too_large");
    let (mut credit, _) = fixture.credit(5, 1);
    credit.signatures[0].0[0] ^= 1;
    let answer = fixture.post(paths::TRANSACTIONS, BINARY, credit.to_bytes()).await;
    assert_eq!(code(answer, 422), "invalid_signature");

    let out_points = vec![OutPoint { txid: TxId([0; 32]), output: 0 }; MAX_SHARES_REQUEST + 1];
    let many = SharesRequest { out_points };
    let answer = fixture.post(paths::MINT_SIGNATURES, JSON, serde_json::to_vec(&many).unwrap()).await;
    assert_eq!(code(answer, 422), "too_many_out_points");
    assert_eq!(code(fixture.post(paths::MINT_SIGNATURES, BINARY, many.to_bytes()).await, 400), "bad_request");

    let place = fixture.place;
    let address = fixture.wallet.deposit_address(&place.federation, place.deposit, credit.tweak);
    let sign = |address| {
        let (amount, reference) =
            (rekindle_protocol::amount::Amount(1), rekindle_protocol::bytes::Hash([0; 32]));
        CreditRequest::sign(
            &place.federation,
            place.deposit,
            0,
            &fixture.secrets.issuer,
            address,
            amount,
            reference,
        )
    };
    let mut lost = sign(&address);
    lost.address.push('x');
    assert_eq!(
        code(fixture.post(paths::ISSUER_CREDITS, BINARY, lost.to_bytes()).await, 422),
        "invalid_address"
    );
    let elsewhere = rekindle_protocol::modules::deposit::DepositAddress { federation: [0; 8], ..address };
    let answer = fixture.post(paths::ISSUER_CREDITS, BINARY, sign(&elsewhere).to_bytes()).await;
    assert_eq!(code(answer, 422), "wrong_federation");
}
