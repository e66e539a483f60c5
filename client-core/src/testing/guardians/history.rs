//! Ranges of signed history, as guardians serve them.

use rekindle_protocol::{
    bytes::Hash,
    encoding::Canonical,
    ranges::{RecoveryRecord, SessionRecord, write_record},
    recovery_index,
    session::{HashedItems, SessionStatus, SignedSession},
};

use super::TestGuardians;

/// What a request for a range asks for.
pub(super) struct Range {
    pub from: usize,
    pub to: usize,
    pub max_bytes: usize,
}

impl TestGuardians {
    /// Records of sessions from `from` to `to`, as far as they fit, and the last of those sessions.
    fn records(
        &self,
        range: &Range,
        mut record: impl FnMut(SignedSession) -> Vec<u8>,
    ) -> Option<(Vec<u8>, SignedSession)> {
        let state = self.state.borrow();
        let (mut body, mut last) = (Vec::new(), None);
        let to = range.to.min(state.federation.sessions.len()).min(range.from.saturating_add(state.at_once));
        for session in state.federation.sessions.get(range.from..to)? {
            let mut framed = Vec::new();
            write_record(&record(session.clone()), &mut framed);
            if last.is_some() && body.len() + framed.len() > range.max_bytes {
                break;
            }
            body.append(&mut framed);
            last = Some(session.clone());
        }
        Some((body, last?))
    }

    pub(super) fn sessions(&self, range: &Range, forge: bool) -> Option<Vec<u8>> {
        let record = |mut session: SignedSession| {
            if forge {
                session.header.time ^= 1;
            }
            SessionRecord::Session(session).to_bytes()
        };
        Some(self.records(range, record)?.0)
    }

    /// Sessions by number, as far as there are any and they fit.
    pub(super) fn selected(&self, numbers: &[u64], max_bytes: usize, forge: bool) -> Vec<u8> {
        let state = self.state.borrow();
        let mut body = Vec::new();
        for number in numbers {
            let Some(session) =
                usize::try_from(*number).ok().and_then(|at| state.federation.sessions.get(at))
            else {
                break;
            };
            let mut session = session.clone();
            if forge {
                session.items.pop();
            }
            let mut framed = Vec::new();
            write_record(&SessionRecord::Session(session).to_bytes(), &mut framed);
            if !body.is_empty() && body.len() + framed.len() > max_bytes {
                break;
            }
            body.append(&mut framed);
        }
        body
    }

    pub(super) fn recovery(&self, range: &Range, forge: bool) -> Option<Vec<u8>> {
        let before = range.from.checked_sub(1).map(|before| self.session(0, before as u64));
        let mut running = match before {
            Some(SessionStatus::Complete(session)) => session.header.recovery,
            _ => Hash([0; 32]),
        };
        let record = |session: SignedSession| {
            let items = session.header.items;
            let mut entries = HashedItems::new(session.items).recovery_entries();
            if let Some(byte) = entries.first_mut().filter(|_| forge) {
                *byte ^= 1;
            }
            running = recovery_index::extend(&running, &items, &entries);
            if entries.is_empty() {
                RecoveryRecord::Empty(1).to_bytes()
            } else {
                RecoveryRecord::Session { items, entries }.to_bytes()
            }
        };
        let (mut body, SignedSession { mut header, signature, .. }) = self.records(range, record)?;
        header.recovery = running;
        write_record(&RecoveryRecord::Signed { header, signature }.to_bytes(), &mut body);
        Some(body)
    }
}
