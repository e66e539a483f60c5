//! Guardians suspend an issuer while a wallet withdraws toward it.

use std::collections::BTreeSet;

use rekindle_client::wallet::{OperationStatus, WalletError};
use rekindle_guardian::{dev::DevFederation, ledger};
use rekindle_protocol::{amount::Amount, bytes::Hash, ownership::OperationKind};

use super::{versions::Forged, *};

/// Has all operators want these issuers suspended, and waits until every guardian has heard it of every one.
async fn suspend(federation: &DevFederation, issuers: BTreeSet<u16>) {
    let guardians: Vec<_> = (0..4).map(|id| federation.guardian(id).unwrap()).collect();
    for guardian in &guardians {
        let issuers = issuers.clone();
        guardian.change(move |txn| ledger::suspend(txn, &issuers)).await.unwrap();
    }
    for guardian in guardians {
        let mut progress = guardian.progress();
        let heard = progress.wait_for(|progress| {
            let suspenders = ledger::suspenders(&progress.proposals);
            suspenders.len() == issuers.len() && suspenders.values().all(|guardians| guardians.len() == 4)
        });
        drop(timeout(PATIENCE, heard).await.expect("nobody proposes it").unwrap());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_withdrawal_is_refused_while_its_issuer_is_suspended_and_carried_out_after() {
    let forged = Forged::new();
    let federation = forged.serve([].into(), [].into()).await;
    let wallet = Wallet::recover(platform(), WORDS, &federation.description().invite).await.unwrap();
    let (changed, mut changes) = futures::channel::mpsc::unbounded();
    wallet.on_change(Rc::new(move || drop(changed.unbounded_send(()))));
    let complete = async {
        while wallet.balance().spendable < forged.balance_sats {
            futures::StreamExt::next(&mut changes).await;
        }
    };
    run_until(&wallet, complete).await;

    suspend(&federation, [0].into()).await;
    let refused = wallet.withdraw(0, Amount(3), Hash([7; 32])).await;
    let WalletError::Rejected { txid, code } = *refused.unwrap_err() else {
        panic!("the payment was not rejected")
    };
    assert_eq!(code, "issuer_suspended");

    // Nothing is lost: the very transaction is carried out once the issuer is trusted again.
    suspend(&federation, [].into()).await;
    let settled = async {
        let withdrawal = |wallet: &Wallet| {
            wallet.history(usize::MAX, None).unwrap().into_iter().find(|entry| entry.txid == txid)
        };
        while withdrawal(&wallet).is_none_or(|entry| entry.status == OperationStatus::Pending)
            || wallet.balance().pending > 0
        {
            futures::StreamExt::next(&mut changes).await;
        }
        withdrawal(&wallet).unwrap()
    };
    let withdrawal = run_until(&wallet, settled).await;
    assert_eq!((withdrawal.kind, withdrawal.sats), (OperationKind::Withdrawal, 3));
    assert_eq!(wallet.balance().spendable, forged.balance_sats - 3);
    drop(wallet);
    federation.stop().await.unwrap();
}
