//! Setup as an operator runs it: from an empty data directory to a member of a federation.

use std::{path::Path, time::Duration};

use rand::{RngCore, rngs::OsRng};
use rekindle_protocol::{
    bytes::FederationId,
    invite::{InviteCode, InvitedGuardian},
    schnorr,
};
use tokio::{net::TcpListener, time::Instant};
use zeroize::Zeroizing;

use super::{ConnectionInfo, Participants, SetupError, Terms, ceremony::Part, connect::Connections};
use crate::{
    consensus::GuardianId,
    guardian::{Home, HomeError, Membership, Profile, Secrets},
    network::tcp::TlsIdentity,
    secrets::{KeyDerivation, Password},
};

/// Makes a data directory for a guardian that will take part in a ceremony.
///
/// # Errors
/// [`SetupError`].
pub fn begin(
    data: &Path,
    profile: &Profile,
    password: &Password,
    derivation: KeyDerivation,
) -> Result<ConnectionInfo, SetupError> {
    let secrets = Secrets { tls: TlsIdentity::generate()?, identity: identity(), keys: None };
    Home::at(data).create(profile, &secrets, password, derivation)?;
    Ok(info(profile, &secrets))
}

fn identity() -> schnorr::SecretKey {
    let mut bytes = Zeroizing::new([0; 32]);
    loop {
        OsRng.fill_bytes(&mut *bytes);
        // Random bytes that are no key are met once in 2^128.
        if let Ok(key) = schnorr::SecretKey::from_bytes(&bytes) {
            return key;
        }
    }
}

/// The connection info of a guardian that [`begin`] has made.
///
/// # Errors
/// [`SetupError::Home`].
pub fn connection_info(home: &Home, password: &Password) -> Result<ConnectionInfo, SetupError> {
    Ok(info(&home.profile()?, &home.secrets(password)?))
}

fn info(profile: &Profile, secrets: &Secrets) -> ConnectionInfo {
    ConnectionInfo {
        identity: secrets.identity.public_key(),
        certificate: secrets.tls.fingerprint(),
        name: profile.name.clone(),
        address: profile.address.clone(),
        public_url: profile.public_url.clone(),
    }
}

/// How to take part in a ceremony.
pub struct Found {
    /// The data directory that [`begin`] has made.
    pub home: Home,
    /// Its password.
    pub password: Password,
    /// What it costs to derive a key from it.
    pub derivation: KeyDerivation,
    /// The connection infos of all guardians; this one's own may be among them.
    pub guardians: Vec<ConnectionInfo>,
    /// What the federation is to be; `None` leaves that to others.
    pub terms: Option<Terms>,
    /// How long to wait for the others to connect, and then for each step.
    pub patience: Duration,
    /// The time, seconds since 1970.
    pub now: u64,
}

/// A federation that was founded.
#[derive(Debug)]
pub struct Federation {
    /// Which guardian this one is.
    pub guardian: GuardianId,
    /// The federation's id.
    pub id: FederationId,
    /// Its invite code.
    pub invite: InviteCode,
    /// Why it is not known that all others have stored their keys, if it is not.
    pub unconfirmed: Option<SetupError>,
}

impl Found {
    /// Takes part in the ceremony; at its end the guardian belongs to a federation.
    ///
    /// # Errors
    /// [`SetupError`]; nothing was changed then.
    pub async fn run(self) -> Result<Federation, SetupError> {
        let profile = self.home.profile()?;
        if self.home.is_set_up()? {
            return Err(HomeError::Occupied(self.home.path().into()).into());
        }
        let secrets = self.home.secrets(&self.password)?;
        let participants = Participants::new(&info(&profile, &secrets), self.guardians)?;
        let listener = TcpListener::bind(&profile.listen)
            .await
            .map_err(|error| SetupError::Listen { address: profile.listen.clone(), error })?;
        let deadline = Instant::now() + self.patience;
        let (connections, mut wire) =
            Connections::open(&participants, &secrets.tls, listener, deadline).await?;
        let part = Part {
            participants: &participants,
            identity: &secrets.identity,
            terms: self.terms,
            now: self.now,
            patience: self.patience,
        };
        let store = |founded: &super::Founded| {
            let member = Membership {
                profile: profile.clone(),
                secrets: Secrets { keys: Some(founded.keys.clone()), ..secrets.clone() },
                members: founded.members.clone(),
                urls: founded.urls.clone(),
                config: founded.config.clone(),
            };
            self.home.join(&member, &self.password, self.derivation)
        };
        let result = part.perform(&mut wire, store).await;
        connections.close(wire).await;
        let (founded, unconfirmed) = result?;
        let id = founded.config.federation_id();
        let guardians = founded
            .urls
            .iter()
            .map(|announced| InvitedGuardian { id: announced.guardian, url: announced.url.clone() })
            .collect();
        let invite = InviteCode { federation: id, guardians };
        Ok(Federation { guardian: participants.own(), id, invite, unconfirmed })
    }
}
