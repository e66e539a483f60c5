//! Batches of the sessions that are not signed yet, for guardians that are behind.

use redb::{ReadTransaction, WriteTransaction};
use rekindle_protocol::encoding::Canonical;

use super::{
    DbError,
    tables::{BATCHES, CERTIFICATES},
};
use crate::consensus::{Batch, Certificate, CertifiedBatch};

/// Keeps a batch that is applied.
pub(crate) fn store_batch(txn: &WriteTransaction, batch: &Batch) -> Result<(), DbError> {
    txn.open_table(BATCHES)?.insert(batch.epoch, batch.to_bytes().as_slice())?;
    Ok(())
}

/// Keeps f+1 signatures on an epoch's batch.
pub(crate) fn store_certificate(
    txn: &WriteTransaction,
    epoch: u64,
    certificate: &Certificate,
) -> Result<(), DbError> {
    txn.open_table(CERTIFICATES)?.insert(epoch, certificate.to_bytes().as_slice())?;
    Ok(())
}

/// Batches from `first` on with what signatures are kept on them, without gaps; at most `count`, and none more once
/// they take `bytes` or more.
pub(crate) fn read_batches(
    txn: &ReadTransaction,
    first: u64,
    count: usize,
    bytes: usize,
) -> Result<Vec<CertifiedBatch>, DbError> {
    let certificates = txn.open_table(CERTIFICATES)?;
    let mut batches = Vec::new();
    let mut size = 0;
    for (row, expected) in txn.open_table(BATCHES)?.range(first..)?.zip(first..).take(count) {
        let (epoch, encoded) = row?;
        if epoch.value() != expected || size >= bytes {
            break;
        }
        size += encoded.value().len();
        let batch = Batch::from_bytes(encoded.value()).map_err(|_| DbError::Damaged("batch"))?;
        let signatures = certificates
            .get(expected)?
            .map(|encoded| Certificate::from_bytes(encoded.value()))
            .transpose()
            .map_err(|_| DbError::Damaged("certificate"))?;
        batches.push(CertifiedBatch { batch, signatures: signatures.unwrap_or_default() });
    }
    Ok(batches)
}

/// Deletes what is known of epochs before `epoch`: their sessions are signed.
pub(crate) fn release_batches(txn: &WriteTransaction, epoch: u64) -> Result<(), DbError> {
    txn.open_table(BATCHES)?.retain_in(..epoch, |_, _| false)?;
    txn.open_table(CERTIFICATES)?.retain_in(..epoch, |_, _| false)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use rekindle_protocol::bytes::{FederationId, SchnorrSignature};

    use super::*;
    use crate::db::Db;

    fn batch(epoch: u64) -> Batch {
        Batch { epoch, contributions: BTreeMap::from([(1, vec![7; 100])]) }
    }

    #[test]
    fn serves_without_gaps_and_within_limits() {
        let dir = tempfile::tempdir().unwrap();
        let db = Db::open(&dir.path().join("db"), &FederationId([1; 32]), 0).unwrap();
        let txn = db.write().unwrap();
        for epoch in [3, 4, 5, 6, 8] {
            store_batch(&txn, &batch(epoch)).unwrap();
        }
        let certificate = vec![(2, SchnorrSignature([1; 64]))];
        store_certificate(&txn, 4, &certificate).unwrap();
        release_batches(&txn, 4).unwrap();
        txn.commit().unwrap();
        let txn = db.read().unwrap();
        let epochs = |first, count, bytes| -> Vec<u64> {
            let batches = read_batches(&txn, first, count, bytes).unwrap();
            batches.into_iter().map(|served| served.batch.epoch).collect()
        };
        assert_eq!(epochs(4, 10, 10_000), [4, 5, 6]);
        assert_eq!(epochs(4, 2, 10_000), [4, 5]);
        assert_eq!(epochs(4, 10, 1), [4]);
        assert_eq!(epochs(3, 10, 1), [] as [u64; 0]);
        let served = read_batches(&txn, 4, 2, 10_000).unwrap();
        assert_eq!(served[0], CertifiedBatch { batch: batch(4), signatures: certificate });
        assert!(served[1].signatures.is_empty());
    }
}
