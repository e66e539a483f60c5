//! A copy of a guardian's data directory without the database, in one sealed file.
//!
//! History comes back from the other guardians; what is lost with the disk for ever is who this guardian is.

use rand::rngs::OsRng;
use rekindle_protocol::encoding::{Canonical, Decode, Encode};
use zeroize::Zeroizing;

use super::{
    Home, HomeError,
    home::{CONFIG, MAX_FILE_BYTES, MEMBERS, PROFILE, SECRETS, URLS},
};
use crate::{
    files::{self, Readers},
    secrets::{self, KeyDerivation, Password},
};

/// The files, in the order in which they are restored: the config last, which says that all is there.
const FILES: [&str; 5] = [PROFILE, SECRETS, MEMBERS, URLS, CONFIG];

const VERSION: u8 = 1;

/// The content of a backup before it is sealed: the files in the order of [`FILES`].
#[derive(Encode, Decode)]
struct Backup {
    version: u8,
    files: Vec<Vec<u8>>,
}

impl Home {
    /// Everything but the database, sealed under `password`.
    ///
    /// # Errors
    /// [`HomeError`], also if setup is not complete.
    pub fn backup(&self, password: &Password, derivation: KeyDerivation) -> Result<Vec<u8>, HomeError> {
        let missing = || HomeError::NotSetUp(self.path().into());
        let files = FILES.iter().map(|name| self.read(name, MAX_FILE_BYTES)?.ok_or_else(missing));
        let backup = Backup { version: VERSION, files: files.collect::<Result<_, _>>()? };
        let bytes = Zeroizing::new(backup.to_bytes());
        secrets::seal(&bytes, password, derivation, &mut OsRng)
            .map_err(|error| HomeError::Sealed { path: self.path().into(), error })
    }

    /// Writes a backup's files to this data directory, which must not hold a guardian. Safe to repeat after a crash.
    ///
    /// # Errors
    /// [`HomeError`].
    pub fn restore(&self, backup: &[u8], password: &Password) -> Result<(), HomeError> {
        if self.is_set_up()? {
            return Err(HomeError::Occupied(self.path().into()));
        }
        let bytes = secrets::open(backup, password)
            .map_err(|error| HomeError::Sealed { path: "the backup".into(), error })?;
        let unreadable =
            |reason: &str| HomeError::Unreadable { path: "the backup".into(), reason: reason.into() };
        let Backup { version, files } =
            Backup::from_bytes(&bytes).map_err(|_| unreadable("it is sealed, but it is no backup"))?;
        if version != VERSION || files.len() != FILES.len() {
            return Err(unreadable("it is of another version of this software"));
        }
        files::private_folder(self.path())
            .map_err(|error| HomeError::Io { path: self.path().into(), error })?;
        for (name, content) in FILES.iter().zip(&files) {
            let readers = if *name == SECRETS { Readers::Owner } else { Readers::Anyone };
            self.write(name, content, readers)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt};

    use super::*;
    use crate::guardian::deal;

    #[test]
    fn a_guardian_comes_back_from_its_backup() {
        let temp = tempfile::tempdir().unwrap();
        let password = |text: &str| Password::new(text.to_owned().into()).unwrap();
        let deal = deal::Deal {
            guardians: 1,
            denominations: 1,
            data: temp.path().join("dealt"),
            password: password("secret"),
            derivation: KeyDerivation::CHEAPEST,
        };
        let home = deal.run().unwrap().homes.remove(0);
        let sealed = home.backup(&password("secret"), KeyDerivation::CHEAPEST).unwrap();
        let restored = Home::at(&temp.path().join("restored"));
        assert!(matches!(restored.restore(&sealed, &password("other")), Err(HomeError::Sealed { .. })));
        assert!(!restored.is_set_up().unwrap());
        restored.restore(&sealed, &password("secret")).unwrap();
        let (before, after) = [&home, &restored].map(|home| home.member(&password("secret")).unwrap()).into();
        assert_eq!(before.config, after.config);
        assert_eq!(before.members, after.members);
        assert_eq!(before.urls, after.urls);
        assert_eq!(*before.secrets.to_bytes(), *after.secrets.to_bytes());
        let mode = fs::metadata(restored.path().join(SECRETS)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(matches!(restored.restore(&sealed, &password("secret")), Err(HomeError::Occupied(_))));
        let other = secrets::seal(b"x", &password("secret"), KeyDerivation::CHEAPEST, &mut OsRng).unwrap();
        let empty = Home::at(&temp.path().join("empty"));
        assert!(matches!(empty.restore(&other, &password("secret")), Err(HomeError::Unreadable { .. })));
    }
}
