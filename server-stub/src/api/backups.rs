//! Wallets' backups.

use std::{sync::Arc, time::Instant};

use axum::{
    Extension,
    extract::State,
    http::{StatusCode, Uri},
    response::Response,
};
use rekindle_protocol::{backup::Backup, bytes::SchnorrKey};

use super::{
    Api, ApiError,
    answer::Encoding,
    extract::{Asking, Body, Parameters, Segment},
    limits::ClientAddress,
};
use crate::backups::{BackupError, Backups};

/// Writes that wait for the disk, of all clients.
pub const WRITES: usize = 32;
/// Bytes of backups that cost a client one token.
const TOKEN_BYTES: f64 = 4096.0;
/// Tokens of each client address: a backup of the largest size at once.
pub const BURST: f64 = 256.0;
/// Tokens that it gets back each second: 8 KiB.
pub const PER_SECOND: f64 = 2.0;

pub async fn read(
    State(api): State<Arc<Api>>,
    encoding: Encoding,
    uri: Uri,
    Segment(key): Segment<SchnorrKey>,
    Parameters(asking): Parameters<Asking>,
) -> Result<Response, ApiError> {
    let backup = kept(&api)?.read(&key)?;
    api.answer(encoding, uri.path(), asking.challenge, &backup)
}

pub async fn write(
    State(api): State<Arc<Api>>,
    address: Option<Extension<ClientAddress>>,
    encoding: Encoding,
    uri: Uri,
    Segment(key): Segment<SchnorrKey>,
    Parameters(asking): Parameters<Asking>,
    Body(backup): Body<Backup>,
) -> Result<Response, ApiError> {
    kept(&api)?;
    let Extension(ClientAddress(address)) = address.unwrap_or_default();
    let tokens = backup.sealed.len() as f64 / TOKEN_BYTES;
    api.backup_writes.take(address, tokens, Instant::now()).map_err(ApiError::too_soon)?;
    if !backup.verify(&api.node.federation(), &key) {
        let detail = "the backup is not signed by its key, or not of a length that backups have";
        return Err(ApiError::unprocessable("invalid_signature", detail));
    }
    let places = api.backup_places.clone();
    let place = places.try_acquire_owned().map_err(|_| ApiError::too_many_requests(5))?;
    let worker = api.clone();
    // Waits for the disk, and holds its place until then even if the client has hung up.
    let written = tokio::task::spawn_blocking(move || {
        let _place = place;
        match kept(&worker)?.write(&key, &backup) {
            Ok(version) => Ok(version),
            Err(error @ BackupError::Full) => {
                Err(ApiError::new(StatusCode::FORBIDDEN, "backups_full", error.to_string()))
            }
            Err(BackupError::Db(error)) => Err(error.into()),
        }
    });
    let version = written.await.map_err(|error| ApiError::internal(&error))??;
    api.answer(encoding, uri.path(), asking.challenge, &version)
}

fn kept(api: &Api) -> Result<&Backups, ApiError> {
    api.backups.as_ref().ok_or_else(|| ApiError::not_found("this guardian keeps no backups"))
}
