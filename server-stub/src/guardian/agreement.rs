//! Whether guardians enough mean the same federation before consensus starts.

use tokio::sync::watch;

use crate::{
    consensus::{GuardianId, max_faulty},
    network::tcp::PeerStatus,
};

/// What peers have said so far.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    /// With this guardian, enough for consensus mean the same.
    Agreed,
    /// More than can be faulty mean something else: these.
    Disagreed(Vec<GuardianId>),
    /// Neither, yet.
    Open,
}

fn verdict(peers: &[PeerStatus]) -> Verdict {
    let faulty = max_faulty(u16::try_from(peers.len()).unwrap_or(u16::MAX));
    // The entry of this guardian itself says nothing.
    let agreeing = peers.iter().filter(|peer| peer.agrees == Some(true)).count() + 1;
    let disagreeing: Vec<GuardianId> =
        (0..).zip(peers).filter(|(_, peer)| peer.agrees == Some(false)).map(|(id, _)| id).collect();
    if agreeing >= peers.len() - faulty {
        Verdict::Agreed
    } else if disagreeing.len() > faulty {
        Verdict::Disagreed(disagreeing)
    } else {
        Verdict::Open
    }
}

/// Waits for peers until enough agree.
///
/// # Errors
/// Who disagrees, if more do than can be faulty.
pub async fn agreement(mut peers: watch::Receiver<Vec<PeerStatus>>) -> Result<(), Vec<GuardianId>> {
    loop {
        match verdict(&peers.borrow_and_update()) {
            Verdict::Agreed => return Ok(()),
            Verdict::Disagreed(by) => return Err(by),
            Verdict::Open => {}
        }
        if peers.changed().await.is_err() {
            // The network is gone, and with it the node.
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(agrees: &[Option<bool>]) -> Verdict {
        let peers: Vec<_> =
            agrees.iter().map(|agrees| PeerStatus { agrees: *agrees, ..PeerStatus::default() }).collect();
        verdict(&peers)
    }

    #[test]
    fn waits_until_one_side_has_enough() {
        let (yes, no) = (Some(true), Some(false));
        assert_eq!(of(&[None]), Verdict::Agreed, "a guardian alone asks nobody");
        assert_eq!(of(&[None; 4]), Verdict::Open);
        assert_eq!(of(&[yes, None, None, None]), Verdict::Open);
        assert_eq!(of(&[yes, None, None, yes]), Verdict::Agreed);
        assert_eq!(of(&[no, None, None, yes]), Verdict::Open, "one may be faulty");
        assert_eq!(of(&[no, None, None, no]), Verdict::Disagreed(vec![0, 3]));
        assert_eq!(of(&[no, None, no, no]), Verdict::Disagreed(vec![0, 2, 3]));
        assert_eq!(of(&[no, yes, None, yes]), Verdict::Agreed);
        assert_eq!(of(&[None, no, no, yes, yes, yes, None]), Verdict::Open);
        assert_eq!(of(&[None, no, no, yes, yes, yes, yes]), Verdict::Agreed);
    }
}
