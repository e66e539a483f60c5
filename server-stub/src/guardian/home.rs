//! A guardian's data directory.
//!
//! ```text
//! guardian.json    its name and addresses; its operator may change it
//! secrets.sealed   its secrets, under a password (see `crate::secrets`)
//! members.json     where the guardians reach each other, and their certificates
//! urls.json        where wallets reach them: signed announcements
//! config.bin       the encoded client config; written last, so that its presence means that setup is complete
//! guardian.redb    the database
//! backups.redb     wallets' backups
//! ```

use std::{
    io,
    path::{Path, PathBuf},
};

use rand::rngs::OsRng;
use rekindle_protocol::{
    config::{ClientConfig, MAX_CONFIG_BYTES, UrlAnnouncement},
    encoding::Canonical,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{HomeError, Members, Secrets};
use crate::{
    consensus::GuardianId,
    files::{self, Readers},
    secrets::{self, KeyDerivation, Password},
};

/// Most bytes of any other file than the config.
pub(super) const MAX_FILE_BYTES: u64 = 1 << 20;

/// What an operator decides: the file `guardian.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// A name for people.
    pub name: String,
    /// Host and port to listen on for other guardians.
    pub listen: String,
    /// Host and port at which they reach it, as it was when the federation was founded.
    pub address: String,
    /// Host and port to listen on for wallets.
    pub api_listen: String,
    /// Base URL at which wallets reach it, without a slash at the end.
    pub public_url: String,
}

/// A data directory.
#[derive(Clone, Debug)]
pub struct Home(PathBuf);

/// A guardian that belongs to a federation: everything in its data directory but the database.
pub struct Membership {
    /// What its operator decided.
    pub profile: Profile,
    /// Its secrets, with the keys.
    pub secrets: Secrets,
    /// The federation's guardians.
    pub members: Members,
    /// Where wallets reach them.
    pub urls: Vec<UrlAnnouncement>,
    /// What wallets know.
    pub config: ClientConfig,
}

impl Home {
    /// The data directory at a path, whatever is there.
    pub fn at(root: &Path) -> Self {
        Self(root.into())
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The database.
    pub fn database(&self) -> PathBuf {
        self.0.join("guardian.redb")
    }

    /// The database of wallets' backups.
    pub fn backups(&self) -> PathBuf {
        self.0.join("backups.redb")
    }

    /// Makes a data directory for a guardian that belongs to no federation yet.
    ///
    /// # Errors
    /// [`HomeError::Occupied`] if there is one; [`HomeError::Io`].
    pub fn create(
        &self,
        profile: &Profile,
        secrets: &Secrets,
        password: &Password,
        derivation: KeyDerivation,
    ) -> Result<(), HomeError> {
        if self.read(PROFILE, MAX_FILE_BYTES)?.is_some() {
            return Err(HomeError::Occupied(self.0.clone()));
        }
        files::private_folder(&self.0).map_err(|error| HomeError::Io { path: self.0.clone(), error })?;
        self.seal(secrets, password, derivation)?;
        self.write_json(PROFILE, profile)
    }

    /// Makes a guardian a member of a federation: the end of setup. Safe to repeat.
    ///
    /// # Errors
    /// [`HomeError::Io`], [`HomeError::Sealed`].
    pub fn join(
        &self,
        member: &Membership,
        password: &Password,
        derivation: KeyDerivation,
    ) -> Result<(), HomeError> {
        self.seal(&member.secrets, password, derivation)?;
        self.write_json(MEMBERS, &member.members)?;
        self.write_json(URLS, &member.urls)?;
        self.write(CONFIG, &member.config.to_bytes(), Readers::Anyone)
    }

    /// What the operator decided.
    ///
    /// # Errors
    /// [`HomeError`].
    pub fn profile(&self) -> Result<Profile, HomeError> {
        self.read_json(PROFILE)?.ok_or_else(|| HomeError::Empty(self.0.clone()))
    }

    /// Whether setup is complete.
    ///
    /// # Errors
    /// [`HomeError::Io`].
    pub fn is_set_up(&self) -> Result<bool, HomeError> {
        Ok(self.read(CONFIG, MAX_CONFIG_BYTES as u64)?.is_some())
    }

    /// Opens the secrets.
    ///
    /// # Errors
    /// [`HomeError`].
    pub fn secrets(&self, password: &Password) -> Result<Secrets, HomeError> {
        let path = self.0.join(SECRETS);
        let sealed = self.read(SECRETS, MAX_FILE_BYTES)?.ok_or_else(|| HomeError::Empty(self.0.clone()))?;
        let bytes = secrets::open(&sealed, password)
            .map_err(|error| HomeError::Sealed { path: path.clone(), error })?;
        Secrets::from_bytes(&bytes).map_err(|reason| HomeError::Unreadable { path, reason: reason.into() })
    }

    /// Everything of a guardian that belongs to a federation.
    ///
    /// # Errors
    /// [`HomeError`].
    pub fn member(&self, password: &Password) -> Result<Membership, HomeError> {
        let profile = self.profile()?;
        let not_set_up = || HomeError::NotSetUp(self.0.clone());
        let config = self.read(CONFIG, MAX_CONFIG_BYTES as u64)?.ok_or_else(not_set_up)?;
        let config = ClientConfig::from_bytes(&config).map_err(|error| self.unreadable(CONFIG, &error))?;
        let members: Members = self.read_json(MEMBERS)?.ok_or_else(not_set_up)?;
        let urls: Vec<UrlAnnouncement> = self.read_json(URLS)?.ok_or_else(not_set_up)?;
        let secrets = self.secrets(password)?;
        let own = config.guardians.get(usize::from(members.own));
        if members.guardians.len() != config.guardians.len() {
            return Err(HomeError::Mixed("members.json has another number of guardians than config.bin"));
        }
        if own.is_none_or(|own| own.key != secrets.identity.public_key()) {
            return Err(HomeError::Mixed(
                "the secrets are not those of the guardian that members.json names",
            ));
        }
        if members.guardians[usize::from(members.own)].certificate != secrets.tls.fingerprint() {
            return Err(HomeError::Mixed("members.json has another certificate than the secrets"));
        }
        Ok(Membership { profile, secrets, members, urls, config })
    }

    /// Replaces the announcements. The own one is what the profile says from then on.
    ///
    /// # Errors
    /// [`HomeError`].
    pub fn save_urls(&self, own: GuardianId, urls: &[UrlAnnouncement]) -> Result<(), HomeError> {
        let profile = self.profile()?;
        // The profile first: whoever starts between the two announces what it says.
        if let Some(announced) = urls.iter().find(|announced| announced.guardian == own)
            && announced.url != profile.public_url
        {
            self.write_json(PROFILE, &Profile { public_url: announced.url.clone(), ..profile })?;
        }
        self.write_json(URLS, &urls)
    }

    fn seal(
        &self,
        secrets: &Secrets,
        password: &Password,
        derivation: KeyDerivation,
    ) -> Result<(), HomeError> {
        let sealed = secrets::seal(&secrets.to_bytes(), password, derivation, &mut OsRng)
            .map_err(|error| HomeError::Sealed { path: self.0.join(SECRETS), error })?;
        self.write(SECRETS, &sealed, Readers::Owner)
    }

    pub(super) fn read(&self, name: &str, limit: u64) -> Result<Option<Vec<u8>>, HomeError> {
        let path = self.0.join(name);
        files::read_if_there(&path, limit).map_err(|error| HomeError::Io { path, error })
    }

    fn read_json<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, HomeError> {
        let bytes = self.read(name, MAX_FILE_BYTES)?;
        bytes
            .map(|bytes| serde_json::from_slice(&bytes).map_err(|error| self.unreadable(name, &error)))
            .transpose()
    }

    pub(super) fn write(&self, name: &str, bytes: &[u8], readers: Readers) -> Result<(), HomeError> {
        let path = self.0.join(name);
        files::replace(&path, bytes, readers).map_err(|error| HomeError::Io { path, error })
    }

    fn write_json(&self, name: &str, value: &impl Serialize) -> Result<(), HomeError> {
        let bytes = serde_json::to_vec_pretty(value)
            .map_err(|error| HomeError::Io { path: self.0.join(name), error: io::Error::other(error) })?;
        self.write(name, &bytes, Readers::Anyone)
    }

    fn unreadable(&self, name: &str, reason: &impl ToString) -> HomeError {
        HomeError::Unreadable { path: self.0.join(name), reason: reason.to_string() }
    }
}

pub(super) const PROFILE: &str = "guardian.json";
pub(super) const SECRETS: &str = "secrets.sealed";
pub(super) const MEMBERS: &str = "members.json";
pub(super) const URLS: &str = "urls.json";
pub(super) const CONFIG: &str = "config.bin";

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt};

    use super::*;
    use crate::{guardian::deal, secrets::SealError};

    fn password(text: &str) -> Password {
        Password::new(text.to_owned().into()).unwrap()
    }

    fn dealt(root: &Path) -> Vec<Home> {
        let deal = deal::Deal {
            guardians: 4,
            denominations: 1,
            data: root.into(),
            password: password("secret"),
            derivation: KeyDerivation::CHEAPEST,
        };
        deal.run().unwrap().homes
    }

    #[test]
    fn what_was_written_is_read_with_the_password() {
        let temp = tempfile::tempdir().unwrap();
        let homes = dealt(temp.path());
        let member = homes[1].member(&password("secret")).unwrap();
        assert_eq!(member.members.own, 1);
        assert!(member.urls.iter().all(|url| url.verify(&member.config.federation_id(), &member.config)));
        assert!(matches!(
            homes[1].member(&password("other")),
            Err(HomeError::Sealed { error: SealError::WrongPassword, .. })
        ));
        let secrets = homes[1].path().join(SECRETS);
        assert_eq!(fs::metadata(secrets).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn files_of_different_guardians_do_not_mix() {
        let temp = tempfile::tempdir().unwrap();
        let homes = dealt(temp.path());
        fs::copy(homes[0].path().join(MEMBERS), homes[1].path().join(MEMBERS)).unwrap();
        assert!(matches!(homes[1].member(&password("secret")), Err(HomeError::Mixed(_))));
        let other = tempfile::tempdir().unwrap();
        let others = dealt(other.path());
        fs::copy(others[2].path().join(CONFIG), homes[2].path().join(CONFIG)).unwrap();
        assert!(matches!(homes[2].member(&password("secret")), Err(HomeError::Mixed(_))));
        fs::copy(others[3].path().join(MEMBERS), homes[3].path().join(MEMBERS)).unwrap();
        assert!(matches!(homes[3].member(&password("secret")), Err(HomeError::Mixed(_))));
    }

    #[test]
    fn every_stage_has_its_error() {
        let temp = tempfile::tempdir().unwrap();
        let home = Home::at(&temp.path().join("new"));
        assert!(matches!(home.member(&password("x")), Err(HomeError::Empty(_))));
        let profile = Profile {
            name: "A".into(),
            listen: "127.0.0.1:1".into(),
            address: "127.0.0.1:1".into(),
            api_listen: "127.0.0.1:2".into(),
            public_url: "http://a".into(),
        };
        let member = dealt(&temp.path().join("dealt"))[0].member(&password("secret")).unwrap();
        let secrets = Secrets { keys: None, ..member.secrets };
        let create = || home.create(&profile, &secrets, &password("x"), KeyDerivation::CHEAPEST);
        create().unwrap();
        assert!(matches!(create(), Err(HomeError::Occupied(_))));
        assert_eq!(home.profile().unwrap(), profile);
        assert!(home.secrets(&password("x")).unwrap().keys.is_none());
        assert!(!home.is_set_up().unwrap());
        assert!(matches!(home.member(&password("x")), Err(HomeError::NotSetUp(_))));
        fs::write(home.path().join(PROFILE), b"{}").unwrap();
        assert!(matches!(home.profile(), Err(HomeError::Unreadable { .. })));
    }
}
