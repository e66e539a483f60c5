//! What operators and issuers ask for, and what others get instead.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::{
    body::Body,
    http::{Request, header},
};
use rekindle_protocol::{
    amount::Amount,
    api::{
        API_VERSION, Connection, PREVIOUS_API_VERSION, RejectionReason, Status, StatusV1, TransactionStatus,
        UNKNOWN_VERSION, paths,
    },
    bytes::Hash,
    config::{ConfigDocument, UrlAnnouncement},
    encoding::Canonical,
    modules::{
        deposit::DepositOutput,
        withdrawals::{IssuerAuthorization, MAX_CLOCK_SKEW, Withdrawals},
    },
    ownership::OperationKind,
    schnorr,
    session::SessionStatus,
};

use super::fixture::{Answer, BINARY, Fixture, JSON};
use crate::{
    api::{AdminToken, Limits, Setup},
    forge::{Draft, plain_memo},
};

const TOKEN: &str = "a token that is long enough";

fn with_admin() -> Fixture {
    let token = AdminToken::new(&TOKEN.replace(' ', "-")).unwrap();
    Fixture::with_setup(&[], |urls| Setup { admin: Some(token), ..Setup::new(urls) })
}

async fn ask(fixture: &Fixture, path: &str, authorization: &str) -> Answer {
    let request =
        Request::get(path).header(header::ACCEPT, JSON).header(header::AUTHORIZATION, authorization);
    fixture.send(request.body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn only_the_operator_sees_what_is_the_operators() {
    let fixture = with_admin();
    let bearer = format!("Bearer {}", TOKEN.replace(' ', "-"));
    let answer = ask(&fixture, paths::ADMIN_AUDIT, &bearer).await;
    let audit: serde_json::Value = answer.json();
    assert_eq!((&audit["liabilities"], &audit["balanced"]), (&0.into(), &true.into()));
    assert_eq!(ask(&fixture, paths::ADMIN_BACKUP, &bearer).await.problem(404).code, "not_found");
    for path in [paths::ADMIN_AUDIT, paths::ADMIN_BACKUP] {
        for wrong in ["", "Bearer", "Bearer ", "Bearer x", &bearer.to_lowercase(), &format!("{bearer}x")] {
            assert_eq!(ask(&fixture, path, wrong).await.problem(401).code, "unauthorized", "{wrong:?}");
        }
    }
    assert_eq!(fixture.post(paths::ADMIN_URL, JSON, "{}").await.problem(401).code, "unauthorized");
    let without = Fixture::new();
    assert_eq!(ask(&without, paths::ADMIN_AUDIT, &bearer).await.problem(403).code, "admin_disabled");
}

#[tokio::test]
async fn an_operator_signals_upgrades_and_hands_over_sessions() {
    let fixture = with_admin();
    let post = async |path: &str, body: Vec<u8>| {
        let request = Request::post(path)
            .header(header::AUTHORIZATION, format!("Bearer {}", TOKEN.replace(' ', "-")))
            .header(header::CONTENT_TYPE, BINARY);
        fixture.send(request.body(Body::from(body)).unwrap()).await
    };
    let (credit, _) = fixture.credit(5, 1);
    let session = fixture.settle(&fixture.node().submit(credit).await.unwrap()).await;
    let signed = fixture.get(&paths::session(session), BINARY).await.body.to_vec();
    assert_eq!(post(paths::ADMIN_SESSIONS, signed.clone()).await.status, 204, "it is here already");
    let SessionStatus::Complete(mut later) = SessionStatus::from_bytes(&signed).unwrap() else { panic!() };
    later.header.index += 10;
    let forged = SessionStatus::Complete(later).to_bytes();
    assert_eq!(post(paths::ADMIN_SESSIONS, forged).await.problem(422).code, "invalid_session");
    let open = SessionStatus::Pending(vec![]).to_bytes();
    assert_eq!(post(paths::ADMIN_SESSIONS, open).await.problem(422).code, "not_signed");
    assert_eq!(post(paths::ADMIN_SESSIONS, vec![9]).await.problem(400).code, "bad_request");

    assert_eq!(post(paths::ADMIN_UPGRADE, b"{}".to_vec()).await.problem(422).code, "unprocessable");
    assert_eq!(post(paths::ADMIN_UPGRADE, br#"{"version": 1}"#.to_vec()).await.status, 204);
    let (another, _) = fixture.credit(5, 2);
    fixture.settle(&fixture.node().submit(another).await.unwrap()).await;
    for path in [paths::ADMIN_UPGRADE, paths::ADMIN_SESSIONS] {
        assert_eq!(fixture.post(path, JSON, "{}").await.problem(401).code, "unauthorized");
    }
}

#[tokio::test]
async fn an_operator_suspends_an_issuer() {
    let fixture = with_admin();
    let bearer = format!("Bearer {}", TOKEN.replace(' ', "-"));
    let put = async |body: &'static str| {
        let request = Request::put(paths::ADMIN_SUSPENSIONS)
            .header(header::AUTHORIZATION, &bearer)
            .header(header::CONTENT_TYPE, JSON);
        fixture.send(request.body(Body::from(body)).unwrap()).await
    };
    let list = async || ask(&fixture, paths::ADMIN_SUSPENSIONS, &bearer).await.json::<serde_json::Value>();
    assert_eq!(list().await, serde_json::json!({ "issuers": [], "wanted": [] }));
    assert_eq!(put(r#"{"issuers": [9]}"#).await.problem(422).code, "unknown_issuer");
    assert_eq!(put("{}").await.problem(422).code, "unprocessable");
    assert_eq!(ask(&fixture, paths::ADMIN_SUSPENSIONS, "").await.problem(401).code, "unauthorized");

    assert_eq!(put(r#"{"issuers": [0]}"#).await.status, 204);
    let (credit, _) = fixture.credit(5, 1);
    let txid = fixture.node().submit(credit.clone()).await.unwrap();
    let TransactionStatus::Rejected(rejection) =
        fixture.node().wait_transaction(&txid, Duration::from_secs(60)).await.unwrap()
    else {
        panic!("a suspended issuer's credit is accepted")
    };
    assert_eq!(rejection.reason, RejectionReason::IssuerSuspended);
    let wanted = serde_json::json!([{ "issuer": 0, "guardians": [0], "suspended": true }]);
    assert_eq!(list().await, serde_json::json!({ "issuers": [0], "wanted": wanted }));
    let metrics = fixture.get(paths::METRICS, "text/plain").await;
    let metrics = String::from_utf8(metrics.body.to_vec()).unwrap();
    assert!(metrics.lines().any(|line| line == "guardian_issuers_suspended 1"), "{metrics}");

    assert_eq!(put(r#"{"issuers": []}"#).await.status, 204);
    fixture.settle(&fixture.node().submit(credit).await.unwrap()).await;
    assert_eq!(list().await, serde_json::json!({ "issuers": [], "wanted": [] }));
}

#[tokio::test]
async fn a_backup_is_what_the_guardian_makes() {
    let token = AdminToken::new(&TOKEN.replace(' ', "-")).unwrap();
    let fixture = Fixture::with_setup(&[], |urls| Setup {
        admin: Some(token),
        backup: Some(Box::new(|| Ok(b"sealed".to_vec()))),
        ..Setup::new(urls)
    });
    let answer = ask(&fixture, paths::ADMIN_BACKUP, &format!("Bearer {}", TOKEN.replace(' ', "-"))).await;
    assert_eq!((answer.status.as_u16(), &answer.body[..]), (200, b"sealed".as_slice()));
    assert_eq!(answer.header(header::CACHE_CONTROL), "no-store");
}

#[tokio::test]
async fn the_newest_announcement_of_a_guardian_counts() {
    let fixture = with_admin();
    let federation = fixture.place.federation;
    let key = &fixture.dealt.guardians[0].identity;
    let known = async || fixture.get(paths::CONFIG, BINARY).await.binary::<ConfigDocument>().urls;
    let first = known().await.remove(0);

    let newer = UrlAnnouncement::sign(&federation, 0, first.number + 1, "https://new.example".into(), key);
    for body in [newer.to_bytes(), newer.to_bytes()] {
        assert_eq!(fixture.post(paths::ANNOUNCEMENTS, BINARY, body).await.status, 204);
    }
    assert_eq!(known().await, std::slice::from_ref(&newer));
    // Older ones change nothing, others' are refused.
    assert_eq!(fixture.post(paths::ANNOUNCEMENTS, BINARY, first.to_bytes()).await.status, 204);
    let stranger = schnorr::SecretKey::from_bytes(&[9; 32]).unwrap();
    for (announcement, code) in [
        (
            UrlAnnouncement::sign(&federation, 0, 9, "https://evil.example".into(), &stranger),
            "invalid_signature",
        ),
        (UrlAnnouncement::sign(&federation, 1, 9, "https://evil.example".into(), key), "invalid_signature"),
        (UrlAnnouncement::sign(&federation, 0, 9, "javascript:alert(1)".into(), key), "invalid_url"),
        (UrlAnnouncement::sign(&federation, 0, 9, "https://a.example/".into(), key), "invalid_url"),
    ] {
        let body = serde_json::to_vec(&announcement).unwrap();
        assert_eq!(fixture.post(paths::ANNOUNCEMENTS, JSON, body).await.problem(422).code, code);
    }
    assert_eq!(known().await, std::slice::from_ref(&newer));

    let request = Request::post(paths::ADMIN_URL)
        .header(header::AUTHORIZATION, format!("Bearer {}", TOKEN.replace(' ', "-")))
        .body(Body::from(r#"{"url": "https://operator.example"}"#));
    let announced: UrlAnnouncement = fixture.send(request.unwrap()).await.json();
    assert!(announced.number > newer.number && announced.verify(&federation, fixture.node().config()));
    assert_eq!(known().await, std::slice::from_ref(&announced));
    let all: Vec<UrlAnnouncement> = fixture.get(paths::ANNOUNCEMENTS, BINARY).await.binary();
    assert_eq!(all, [announced]);
}

#[tokio::test]
async fn an_issuer_follows_what_it_has_to_pay() {
    let fixture = Fixture::new();
    let (credit, claim) = fixture.credit(100, 1);
    let session = fixture.settle(&fixture.node().submit(credit).await.unwrap()).await;
    let reference = Hash([8; 32]);
    let withdrawal = DepositOutput::Withdrawal { issuer: 0, amount: Amount(100), reference };
    let draft = Draft {
        inputs: vec![claim],
        notes: vec![],
        withdrawal: Some(withdrawal),
        fee: Amount::ZERO,
        memo: plain_memo(OperationKind::Withdrawal, Amount(100)),
    };
    let burned = fixture.author().write(rekindle_protocol::bytes::Tweak([2; 16]), draft);
    let txid = burned.id();
    let later = fixture.settle(&fixture.node().submit(burned).await.unwrap()).await;

    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let sign = |target: &str, issuer, time| {
        let key = &fixture.dealt.issuer;
        IssuerAuthorization::sign(&fixture.place.federation, issuer, time, target, key).header()
    };
    let all = format!("{}?from=0", paths::ISSUER_WITHDRAWALS);
    let answer: Withdrawals = ask(&fixture, &all, &sign(&all, 0, now)).await.json();
    assert_eq!(answer.next, later + 1);
    let [found] = &answer.withdrawals[..] else { panic!("{answer:?}") };
    assert_eq!((found.session, found.amount, found.reference), (later, Amount(100), reference));
    assert_eq!((found.output.txid, found.output.output), (txid, 0));
    let before: Withdrawals = ask(&fixture, &all, &sign(&all, 0, now)).await.json();
    assert!(before.withdrawals.iter().all(|found| found.session > session));
    let rest = format!("{}?from={}&wait=1", paths::ISSUER_WITHDRAWALS, answer.next);
    let rest: Withdrawals = ask(&fixture, &rest, &sign(&rest, 0, now)).await.json();
    assert_eq!(rest, Withdrawals { withdrawals: vec![], next: answer.next });

    for wrong in [
        String::new(),
        sign("/elsewhere", 0, now),
        sign(&all, 1, now),
        sign(&all, 0, now - 2 * MAX_CLOCK_SKEW),
        sign(&all, 0, now).replace("Issuer 0", "Issuer 1"),
    ] {
        assert_eq!(ask(&fixture, &all, &wrong).await.problem(401).code, "unauthorized", "{wrong}");
    }
}

#[tokio::test]
async fn metrics_count_what_happens() {
    let fixture = Fixture::with_history(&[2], &Limits::default());
    fixture.get(paths::STATUS, JSON).await;
    fixture.get("/v1/sessions/x", JSON).await;
    fixture.get("/nowhere", JSON).await;
    let answer = fixture.get(paths::METRICS, "text/plain").await;
    assert!(answer.header(header::CONTENT_TYPE).starts_with("application/openmetrics-text"));
    let text = String::from_utf8(answer.body.to_vec()).unwrap();
    for line in [
        "guardian_sessions 1",
        "guardian_sessions_signed 1",
        "guardian_pending_transactions 0",
        "guardian_audit_liabilities_sats 0",
        "guardian_audit_balanced 1",
        r#"guardian_http_requests_total{path="/v1/status",status="200"} 1"#,
        r#"guardian_http_requests_total{path="/v1/sessions/{index}",status="400"} 1"#,
        r#"guardian_http_requests_total{path="other",status="404"} 1"#,
        "# EOF",
    ] {
        assert!(text.lines().any(|it| it == line), "{line}\n{text}");
    }
    for name in [
        "guardian_cpu_seconds_total",
        "guardian_cpu_engine_seconds_total",
        "guardian_http_request_duration_seconds_bucket",
    ] {
        assert!(text.contains(name), "{name}\n{text}");
    }
    assert_eq!(text.matches("# EOF").count(), 1);
}

#[tokio::test]
async fn status_page_and_versions() {
    let fixture = Fixture::new();
    let status: Status = fixture.get("/v2/status", BINARY).await.binary();
    assert_eq!(status.connections, [Connection::Own]);
    assert_eq!(status.api_versions, [PREVIOUS_API_VERSION, API_VERSION]);
    assert!(status.audit.balanced && status.audit.liabilities == Some(0));
    let before: StatusV1 = fixture.get(paths::STATUS, BINARY).await.binary();
    assert_eq!(before, StatusV1::from(status));
    assert_eq!(
        fixture.get("/v2/config", BINARY).await.body,
        fixture.get(paths::CONFIG, BINARY).await.body,
        "nothing else differs"
    );
    for path in ["/v0/config", "/v3/status", "/v99", "/v3/sessions/1"] {
        assert_eq!(fixture.get(path, JSON).await.problem(404).code, UNKNOWN_VERSION, "{path}");
    }
    for path in ["/v1/nowhere", "/v2/nowhere", "/version", "/vx/status"] {
        assert_eq!(fixture.get(path, JSON).await.problem(404).code, "not_found", "{path}");
    }
    let page = fixture.get("/", "text/html").await;
    let text = String::from_utf8(page.body.to_vec()).unwrap();
    assert!(page.header(header::CONTENT_TYPE).starts_with("text/html"));
    assert!(page.header(header::CONTENT_SECURITY_POLICY).contains("default-src 'none'"));
    assert!(
        !text.contains("http:") && !text.contains("https:") && !text.contains("src="),
        "nothing is loaded"
    );
}
