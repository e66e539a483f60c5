//! What a wallet remembers about its backup.

use rekindle_protocol::{
    encoding::{Decode, Encode},
    invite::InviteCode,
};

use super::Schedule;
use crate::modules::versioned;

/// The stored record about the backup.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
pub struct BackupState {
    /// When to write.
    pub schedule: Schedule,
    /// Other federations that the seed is known to be used in.
    pub federations: Vec<InviteCode>,
}

const VERSION: u8 = 1;

/// Most federations that are remembered.
const MAX_FEDERATIONS: usize = 100;

impl BackupState {
    /// Its encoding.
    pub fn write(&self) -> Vec<u8> {
        versioned::write(VERSION, self)
    }

    /// Reads what [`BackupState::write`] wrote; anything else is as good as nothing.
    pub fn read(bytes: &[u8]) -> Self {
        versioned::read(VERSION, bytes).unwrap_or_default()
    }

    /// Remembers a federation. What is known of it already is replaced.
    pub fn remember(&mut self, invite: InviteCode) {
        self.federations.retain(|known| known.federation != invite.federation);
        if self.federations.len() < MAX_FEDERATIONS {
            self.federations.push(invite);
        }
    }

    /// Takes in federations that a backup names and that are not known yet.
    pub fn learn(&mut self, federations: Vec<InviteCode>) {
        for invite in federations {
            if self.federations.iter().all(|known| known.federation != invite.federation) {
                self.remember(invite);
            }
        }
    }
}
