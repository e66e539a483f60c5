//! Which path is answered by what.

use std::sync::Arc;

use axum::{
    Router,
    extract::DefaultBodyLimit,
    middleware::from_fn_with_state,
    routing::{MethodRouter, get, post},
};
use rekindle_protocol::{
    api::paths, backup::MAX_SEALED_BYTES, config::ConfigError, session::MAX_SESSION_BYTES,
    transaction::MAX_TRANSACTION_BYTES,
};

use super::{
    Api, Setup, admin, announcements, backups, metrics, middleware, page, ranges, sessions, shares, status,
    suspensions, transactions, withdrawals,
};
use crate::node::NodeHandle;

/// JSON writes a byte as two digits and adds names.
const MAX_JSON_TRANSACTION_BYTES: usize = 4 * MAX_TRANSACTION_BYTES;
/// 256 out points as JSON take 30 KB.
const MAX_SHARES_REQUEST_BYTES: usize = 64 << 10;
/// A credit takes a few hundred bytes.
const MAX_CREDIT_BYTES: usize = 4 << 10;

/// A URL and a signature, as JSON.
const MAX_ANNOUNCEMENT_BYTES: usize = 4 << 10;

/// JSON writes a byte as two digits.
const MAX_BACKUP_BYTES: usize = 2 * MAX_SEALED_BYTES + (4 << 10);

/// A hundred small numbers.
const MAX_SUSPENSIONS_BYTES: usize = 1 << 10;

/// A number.
const MAX_UPGRADE_BYTES: usize = 1 << 10;

/// Every endpoint of a version of the API, at its path in version 1. `{}` marks the variable part of a path.
pub fn endpoints(version: u32) -> Vec<(&'static str, MethodRouter<Arc<Api>>)> {
    let limit = DefaultBodyLimit::max;
    // All that versions differ in.
    let status = if version == 1 { get(status::status_v1) } else { get(status::status) };
    vec![
        (paths::CONFIG, get(status::config)),
        (paths::STATUS, status),
        (paths::SESSION_COUNT, get(status::session_count)),
        (paths::SESSIONS, get(ranges::sessions)),
        (paths::SELECTED_SESSIONS, get(ranges::selected)),
        (paths::RECOVERY, get(ranges::recovery)),
        ("/v1/sessions/{index}", get(sessions::session)),
        ("/v1/sessions/{index}/signatures", get(shares::for_session)),
        (paths::MINT_SIGNATURES, post(shares::for_out_points).layer(limit(MAX_SHARES_REQUEST_BYTES))),
        (paths::TRANSACTIONS, post(transactions::submit).layer(limit(MAX_JSON_TRANSACTION_BYTES))),
        ("/v1/transactions/{txid}", get(transactions::status)),
        ("/v1/backups/{key}", get(backups::read).put(backups::write).layer(limit(MAX_BACKUP_BYTES))),
        (paths::ISSUER_CREDITS, post(transactions::credit).layer(limit(MAX_CREDIT_BYTES))),
        (paths::ISSUER_WITHDRAWALS, get(withdrawals::withdrawals)),
        (
            paths::ANNOUNCEMENTS,
            get(announcements::list).post(announcements::announce).layer(limit(MAX_ANNOUNCEMENT_BYTES)),
        ),
        (paths::ADMIN_AUDIT, get(admin::audit)),
        (paths::ADMIN_BACKUP, get(admin::backup)),
        (paths::ADMIN_URL, post(admin::url).layer(limit(MAX_ANNOUNCEMENT_BYTES))),
        (paths::ADMIN_UPGRADE, post(admin::upgrade).layer(limit(MAX_UPGRADE_BYTES))),
        (
            paths::ADMIN_SUSPENSIONS,
            get(suspensions::list).put(suspensions::replace).layer(limit(MAX_SUSPENSIONS_BYTES)),
        ),
        (paths::ADMIN_SESSIONS, post(admin::adopt).layer(limit(MAX_SESSION_BYTES + 1))),
    ]
}

/// Every endpoint that has no version.
pub fn unversioned() -> Vec<(&'static str, MethodRouter<Arc<Api>>)> {
    vec![(paths::METRICS, get(metrics::metrics)), ("/", get(page::page))]
}

/// The session API of a node.
///
/// # Errors
/// [`ConfigError`] if the node's config lacks a module.
pub fn router(node: NodeHandle, setup: Setup) -> Result<Router, ConfigError> {
    let api = Api::new(node, setup)?;
    let versioned = api.versions.clone().flat_map(|version| {
        endpoints(version).into_iter().map(move |(path, methods)| (paths::in_version(path, version), methods))
    });
    let limited = unversioned()
        .into_iter()
        .map(|(path, methods)| (path.to_owned(), methods))
        .chain(versioned)
        .fold(Router::new(), |router, (path, methods)| router.route(&path, methods))
        .layer(from_fn_with_state(api.clone(), middleware::limit))
        .with_state(api.clone());
    let all =
        middleware::for_browsers(limited.route(paths::HEALTH, get(status::health)), api.versions.clone());
    Ok(all.layer(from_fn_with_state(api, metrics::count)))
}
