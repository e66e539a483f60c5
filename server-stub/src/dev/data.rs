//! The data directory of a development federation.
//!
//! ```text
//! config.bin             the encoded client config; written last, so that its presence means that all is dealt
//! issuer.key             the faucet's key
//! ports.json             the ports of the last run
//! guardian-N/keys.bin    a guardian's secrets
//! guardian-N/guardian.redb
//! ```
//!
//! Files with secrets can be read by their owner alone. They are in clear: this is for development.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use rand::{RngCore, rngs::OsRng};
use rekindle_protocol::{
    config::{ClientConfig, ConfigError, MAX_CONFIG_BYTES},
    encoding::{Canonical, DecodeError},
    schnorr,
};
use zeroize::Zeroizing;

use crate::{
    dealer::{Deal, Dealt},
    files::{self, Readers},
    node::GuardianKeys,
};

/// Why a data directory is not usable.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// Neither 1 nor at least 4 guardians: with 2 or 3 not a single one may fail.
    #[error("a federation has 1 guardian, or 4 or more")]
    Guardians,
    /// Another number of guardians than asked for.
    #[error("the directory holds a federation of {found} guardians, not of {wanted}")]
    OtherFederation {
        /// How many it has.
        found: usize,
        /// How many were asked for.
        wanted: u16,
    },
    /// The config does not decode.
    #[error("the config can't be read: {0}")]
    Unreadable(#[from] DecodeError),
    /// The config breaks the rules.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A key file is damaged.
    #[error("{} is damaged: {reason}", .path.display())]
    Key {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// Reading or writing failed.
    #[error("{}: {error}", .path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// What the operating system says.
        error: io::Error,
    },
}

/// The data directory of a federation that is dealt.
#[derive(Clone, Debug)]
pub struct DataDir {
    root: PathBuf,
    config: ClientConfig,
}

impl DataDir {
    /// Opens the directory of a federation of `guardians`; deals one into it if there is none yet.
    ///
    /// # Errors
    /// [`DataError`].
    pub fn open_or_deal(root: &Path, guardians: u16, faucet_url: &str) -> Result<Self, DataError> {
        if guardians != 1 && guardians < 4 {
            return Err(DataError::Guardians);
        }
        match Self::open(root)? {
            Some(dir) if dir.config.guardian_count() == usize::from(guardians) => Ok(dir),
            Some(dir) => {
                let found = dir.config.guardian_count();
                Err(DataError::OtherFederation { found, wanted: guardians })
            }
            None => {
                let mut seed = Zeroizing::new([0; 32]);
                OsRng.fill_bytes(&mut *seed);
                Self::create(root, Deal::new(guardians, faucet_url.into()).deal(&seed))
            }
        }
    }

    /// Opens the directory; `None` if no federation is dealt into it.
    ///
    /// # Errors
    /// [`DataError`].
    pub fn open(root: &Path) -> Result<Option<Self>, DataError> {
        let path = root.join(CONFIG);
        let bytes = files::read_if_there(&path, MAX_CONFIG_BYTES as u64).map_err(at(&path))?;
        let Some(bytes) = bytes else { return Ok(None) };
        let config = ClientConfig::from_bytes(&bytes)?;
        config.validate()?;
        Ok(Some(Self { root: root.into(), config }))
    }

    /// Writes a federation that was dealt.
    ///
    /// # Errors
    /// [`DataError`].
    pub fn create(root: &Path, dealt: Dealt) -> Result<Self, DataError> {
        fs::create_dir_all(root).map_err(at(root))?;
        let dir = Self { root: root.into(), config: dealt.config };
        for (id, keys) in (0..).zip(&dealt.guardians) {
            let path = dir.guardian(id);
            files::private_folder(&path).map_err(at(&path))?;
            write_secret(&dir.keys_path(id), &keys.to_bytes())?;
        }
        write_secret(&root.join(ISSUER), &*dealt.issuer.to_bytes())?;
        let config = root.join(CONFIG);
        files::replace(&config, &dir.config.to_bytes(), Readers::Anyone).map_err(at(&config))?;
        Ok(dir)
    }

    /// The federation's config.
    pub fn config(&self) -> &ClientConfig {
        &self.config
    }

    /// The folder of a guardian.
    pub fn guardian(&self, id: u16) -> PathBuf {
        self.root.join(format!("guardian-{id}"))
    }

    /// The database of a guardian.
    pub fn database(&self, id: u16) -> PathBuf {
        self.guardian(id).join("guardian.redb")
    }

    /// A guardian's database of wallets' backups.
    pub fn backups(&self, id: u16) -> PathBuf {
        self.guardian(id).join("backups.redb")
    }

    /// The file that describes the running federation to tools: `{"invite", "guardians": [URL], "faucet": URL}`.
    pub fn dev_json(&self) -> PathBuf {
        self.root.join("dev.json")
    }

    /// A guardian's secrets.
    ///
    /// # Errors
    /// [`DataError`].
    pub fn keys(&self, id: u16) -> Result<GuardianKeys, DataError> {
        let path = self.keys_path(id);
        let bytes = Zeroizing::new(fs::read(&path).map_err(at(&path))?);
        GuardianKeys::from_bytes(&bytes).map_err(|error| DataError::Key { path, reason: error.to_string() })
    }

    /// The faucet's key.
    ///
    /// # Errors
    /// [`DataError`].
    pub fn issuer(&self) -> Result<schnorr::SecretKey, DataError> {
        let path = self.root.join(ISSUER);
        let bytes = Zeroizing::new(fs::read(&path).map_err(at(&path))?);
        let damaged = |reason: &str| DataError::Key { path: path.clone(), reason: reason.into() };
        let bytes =
            bytes.first_chunk().filter(|_| bytes.len() == 32).ok_or_else(|| damaged("not 32 bytes"))?;
        schnorr::SecretKey::from_bytes(bytes).map_err(|error| damaged(&error.to_string()))
    }

    /// The ports of the last run of a federation in `root`, the faucet's last. Empty if there was none.
    pub fn last_ports(root: &Path) -> Vec<u16> {
        let bytes = fs::read(root.join(PORTS)).unwrap_or_default();
        serde_json::from_slice(&bytes).unwrap_or_default()
    }

    /// Remembers the ports of this run.
    ///
    /// # Errors
    /// [`DataError`].
    pub fn save_ports(&self, ports: &[u16]) -> Result<(), DataError> {
        let path = self.root.join(PORTS);
        fs::write(&path, serde_json::json!(ports).to_string()).map_err(at(&path))
    }

    fn keys_path(&self, id: u16) -> PathBuf {
        self.guardian(id).join("keys.bin")
    }
}

const CONFIG: &str = "config.bin";
const ISSUER: &str = "issuer.key";
const PORTS: &str = "ports.json";

fn at(path: &Path) -> impl FnOnce(io::Error) -> DataError {
    let path = path.to_path_buf();
    |error| DataError::Io { path, error }
}

/// Writes a file that its owner alone can read.
fn write_secret(path: &Path, bytes: &[u8]) -> Result<(), DataError> {
    files::replace(path, bytes, Readers::Owner).map_err(at(path))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn dealt_once_and_continued() {
        let temp = tempfile::tempdir().unwrap();
        let root = temp.path().join("new");
        assert!(DataDir::open(&root).unwrap().is_none());
        let first = DataDir::open_or_deal(&root, 1, "http://faucet").unwrap();
        let second = DataDir::open_or_deal(&root, 1, "http://elsewhere").unwrap();
        assert_eq!(first.config(), second.config());
        assert_eq!(
            second.keys(0).unwrap().identity.public_key(),
            first.config().guardians[0].key,
            "keys and config belong together"
        );
        assert_eq!(second.issuer().unwrap().public_key(), first.config().deposit().unwrap().1.issuers[0].key);
        assert!(matches!(
            DataDir::open_or_deal(&root, 4, ""),
            Err(DataError::OtherFederation { found: 1, wanted: 4 })
        ));
        assert!(matches!(DataDir::open_or_deal(&root, 3, ""), Err(DataError::Guardians)));
        for secret in [root.join("issuer.key"), root.join("guardian-0/keys.bin")] {
            assert_eq!(fs::metadata(secret).unwrap().permissions().mode() & 0o777, 0o600);
        }
        assert!(DataDir::last_ports(&root).is_empty());
        first.save_ports(&[1, 2]).unwrap();
        assert_eq!(DataDir::last_ports(&root), [1, 2]);
    }

    #[test]
    fn damage_is_an_error() {
        let temp = tempfile::tempdir().unwrap();
        let dir = DataDir::open_or_deal(temp.path(), 1, "").unwrap();
        fs::write(temp.path().join("issuer.key"), b"short").unwrap();
        assert!(matches!(dir.issuer(), Err(DataError::Key { .. })));
        fs::write(dir.guardian(0).join("keys.bin"), b"short").unwrap();
        assert!(matches!(dir.keys(0), Err(DataError::Key { .. })));
        fs::write(temp.path().join("config.bin"), b"short").unwrap();
        assert!(matches!(DataDir::open(temp.path()), Err(DataError::Unreadable(_))));
    }
}
