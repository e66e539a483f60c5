//! The description in `docs/openapi.yaml` names every endpoint, and nothing else.

use std::collections::BTreeSet;

use crate::api::routes::{endpoints, unversioned};

const DESCRIPTION: &str = include_str!("../../../../docs/openapi.yaml");

#[test]
fn every_route_is_described() {
    let described: BTreeSet<&str> = DESCRIPTION
        .lines()
        .skip_while(|line| *line != "paths:")
        .skip(1)
        .take_while(|line| line.is_empty() || line.starts_with(' '))
        .filter(|line| line.starts_with("  /"))
        .map(|line| line.trim().trim_end_matches(':'))
        .collect();
    // Version 2 has the same endpoints, and another status.
    let paths = |version| endpoints(version).into_iter().map(|(path, _)| path).collect::<BTreeSet<_>>();
    assert_eq!(paths(1), paths(2));
    let mut served = paths(1);
    served.extend(unversioned().into_iter().map(|(path, _)| path));
    served.extend(["/v2/status", "/health", "/faucet"]);
    assert_eq!(described, served);
}

#[test]
fn every_problem_code_is_described() {
    for code in [
        "bad_request",
        "unauthorized",
        "admin_disabled",
        "not_found",
        "unknown_version",
        "invalid_url",
        "invalid_session",
        "not_signed",
        "not_next",
        "method_not_allowed",
        "too_slow",
        "too_large",
        "unprocessable",
        "too_many_requests",
        "busy",
        "stopping",
        "internal",
        "malformed",
        "unknown_module",
        "invalid_signature",
        "unbalanced",
        "invalid_address",
        "wrong_federation",
        "too_many_out_points",
        "invalid_amount",
        "no_guardian",
        "backups_full",
    ] {
        assert!(DESCRIPTION.contains(&format!("`{code}`")), "{code}");
    }
}
