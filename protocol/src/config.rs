//! What a federation is: its guardians, keys and modules. The hash of it is the federation's id.

use serde::{Deserialize, Serialize};

use crate::{
    amount::Amount,
    bls::{KeySet, MAX_GUARDIANS, PublicKey},
    bytes::{FederationId, Hash, SchnorrKey, SchnorrSignature},
    encoding::{Canonical, Decode, DecodeError, Encode},
    hash::Context,
    modules::{deposit::DepositConfig, mint::MintConfig},
    schnorr,
    transaction::ModuleId,
};

/// Most bytes of a name.
pub const MAX_NAME_BYTES: usize = 100;
/// Most bytes of a URL.
pub const MAX_URL_BYTES: usize = 500;
/// Most modules of a federation.
pub const MAX_MODULES: usize = 32;
/// Most bytes of a module's config.
pub const MAX_MODULE_CONFIG_BYTES: usize = 1 << 20;
/// Most bytes of an encoded config document.
pub const MAX_CONFIG_BYTES: usize = 2 << 20;

/// A guardian as the config knows it. Its id is its place in the list.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub struct Guardian {
    /// A name for people.
    #[encoding(text = MAX_NAME_BYTES)]
    pub name: String,
    /// The key with which it signs its answers.
    pub key: SchnorrKey,
}

/// One module instance.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub struct ModuleInstance {
    /// What kind of module it is: `mint` or `deposit` here; a wallet skips kinds that it does not know.
    #[encoding(text = MAX_NAME_BYTES)]
    pub kind: String,
    /// The module's own config, encoded.
    #[encoding(bytes = MAX_MODULE_CONFIG_BYTES)]
    #[serde(with = "hex::serde")]
    pub config: Vec<u8>,
}

/// What a module keeps of each input and output, in sats.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub struct Fees {
    /// For each input.
    pub input: Amount,
    /// For each output.
    pub output: Amount,
}

/// Everything that a wallet must know and trust of a federation.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub struct ClientConfig {
    /// A name for people.
    #[encoding(text = MAX_NAME_BYTES)]
    pub name: String,
    /// The guardians, at most [`MAX_GUARDIANS`].
    #[encoding(list = MAX_GUARDIANS)]
    pub guardians: Vec<Guardian>,
    /// The key that signs sessions, threshold f.
    pub session_keys: KeySet,
    /// The modules; an instance's id is its place in the list.
    #[encoding(list = MAX_MODULES)]
    pub modules: Vec<ModuleInstance>,
}

/// Why a config can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The number of guardians is neither 1 nor at least 4, or the keys are not one for each.
    #[error("the config's number of guardians or keys is impossible")]
    Guardians,
    /// A key is no point of its curve.
    #[error("the config holds a broken key")]
    Key,
    /// A module that every federation has is missing.
    #[error("the config has no {0} module")]
    MissingModule(&'static str),
    /// A module's config does not decode.
    #[error("a module's config can't be read: {0}")]
    Module(#[from] DecodeError),
}

impl ClientConfig {
    /// The hash of the config.
    pub fn federation_id(&self) -> FederationId {
        FederationId(Context::Federation.hash(&[&self.to_bytes()]).0)
    }

    /// The number of guardians, n.
    pub fn guardian_count(&self) -> usize {
        self.guardians.len()
    }

    /// How many guardians may be faulty: f = (n-1)/3, rounded down. f+1 identical answers hold at least one honest one.
    pub fn max_faulty(&self) -> usize {
        max_faulty(self.guardians.len())
    }

    /// The checked key of session signatures.
    ///
    /// # Errors
    /// [`ConfigError::Key`].
    pub fn session_key(&self) -> Result<PublicKey, ConfigError> {
        self.session_keys.public_key().map_err(|_| ConfigError::Key)
    }

    /// The mint module's id and config.
    ///
    /// # Errors
    /// [`ConfigError::MissingModule`], [`ConfigError::Module`].
    pub fn mint(&self) -> Result<(ModuleId, MintConfig), ConfigError> {
        self.module(MintConfig::KIND)
    }

    /// The deposit module's id and config.
    ///
    /// # Errors
    /// [`ConfigError::MissingModule`], [`ConfigError::Module`].
    pub fn deposit(&self) -> Result<(ModuleId, DepositConfig), ConfigError> {
        self.module(DepositConfig::KIND)
    }

    fn module<T: Canonical>(&self, kind: &'static str) -> Result<(ModuleId, T), ConfigError> {
        let (id, module) = (0..)
            .zip(&self.modules)
            .find(|(_, module)| module.kind == kind)
            .ok_or(ConfigError::MissingModule(kind))?;
        Ok((id, T::from_bytes(&module.config)?))
    }

    /// Checks everything that decoding alone does not: counts and keys.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn validate(&self) -> Result<(), ConfigError> {
        let n = self.guardians.len();
        if n != 1 && n < 4 {
            return Err(ConfigError::Guardians);
        }
        let (_, mint) = self.mint()?;
        self.deposit()?;
        if mint.denominations.is_empty() || mint.denominations.len() > MintConfig::MAX_DENOMINATIONS {
            return Err(ConfigError::Key);
        }
        for keys in mint.denominations.iter().chain([&self.session_keys]) {
            if keys.shares.len() != n {
                return Err(ConfigError::Guardians);
            }
            keys.public_key().map_err(|_| ConfigError::Key)?;
        }
        Ok(())
    }
}

/// How many of n guardians may be faulty: (n-1)/3, rounded down.
pub const fn max_faulty(guardians: usize) -> usize {
    guardians.saturating_sub(1) / 3
}

/// A guardian's statement of where it is reached. Outside the config's hash, because URLs change.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub struct UrlAnnouncement {
    /// Which guardian.
    pub guardian: u16,
    /// Rises with every announcement; the highest one counts.
    pub number: u64,
    /// Base URL of its API, without a slash at the end.
    #[encoding(text = MAX_URL_BYTES)]
    pub url: String,
    /// The guardian's signature on [`UrlAnnouncement::digest`].
    pub signature: SchnorrSignature,
}

impl UrlAnnouncement {
    /// Announces `url`.
    pub fn sign(
        federation: &FederationId,
        guardian: u16,
        number: u64,
        url: String,
        key: &schnorr::SecretKey,
    ) -> Self {
        let signature = key.sign(&Self::digest(federation, guardian, number, &url));
        Self { guardian, number, url, signature }
    }

    /// Whether the config's guardian of that number signed it.
    pub fn verify(&self, federation: &FederationId, config: &ClientConfig) -> bool {
        let digest = Self::digest(federation, self.guardian, self.number, &self.url);
        config
            .guardians
            .get(usize::from(self.guardian))
            .is_some_and(|guardian| schnorr::verify(&guardian.key, &digest, &self.signature))
    }

    fn digest(federation: &FederationId, guardian: u16, number: u64, url: &str) -> Hash {
        Context::UrlAnnouncement.hash(&[
            &federation.0,
            &guardian.to_le_bytes(),
            &number.to_le_bytes(),
            url.as_bytes(),
        ])
    }
}

/// The answer to `GET /v1/config`.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub struct ConfigDocument {
    /// The config; its hash is the federation id.
    pub config: ClientConfig,
    /// The newest announcement of each guardian that this guardian knows.
    #[encoding(list = MAX_GUARDIANS)]
    pub urls: Vec<UrlAnnouncement>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        bytes::G1Bytes,
        encoding::testing::{assert_round_trip, assert_strict, hostile_bytes},
    };
    use proptest::{collection::vec, prelude::*};

    fn any_config() -> impl Strategy<Value = ConfigDocument> {
        (".{0,20}", vec((".{0,9}", any::<[u8; 32]>(), ".{0,30}"), 0..4), vec(any::<u8>(), 0..40)).prop_map(
            |(name, guardians, module)| ConfigDocument {
                urls: (0..)
                    .zip(&guardians)
                    .map(|(guardian, (_, _, url))| UrlAnnouncement {
                        guardian,
                        number: 7,
                        url: url.clone(),
                        signature: SchnorrSignature([1; 64]),
                    })
                    .collect(),
                config: ClientConfig {
                    name,
                    session_keys: KeySet { public_key: G1Bytes([2; 48]), shares: vec![G1Bytes([3; 48]); 2] },
                    guardians: guardians
                        .into_iter()
                        .map(|(name, key, _)| Guardian { name, key: SchnorrKey(key) })
                        .collect(),
                    modules: vec![ModuleInstance { kind: "future".into(), config: module }],
                },
            },
        )
    }

    proptest! {
        #[test]
        fn round_trips(document in any_config()) {
            assert_round_trip(&document);
            let json = serde_json::to_string(&document).unwrap();
            prop_assert_eq!(serde_json::from_str::<ConfigDocument>(&json).unwrap(), document);
        }

        #[test]
        fn decoder_is_strict(bytes in hostile_bytes(any_config())) {
            assert_strict::<ConfigDocument>(&bytes);
        }
    }

    #[test]
    fn counts_of_faulty_guardians() {
        assert_eq!([1, 4, 6, 7, 10].map(max_faulty), [0, 1, 1, 2, 3]);
    }

    #[test]
    fn announcements_bind_guardian_number_and_url() {
        let key = schnorr::SecretKey::from_bytes(&[5; 32]).unwrap();
        let mut config = ClientConfig {
            name: String::new(),
            guardians: vec![Guardian { name: String::new(), key: key.public_key() }],
            session_keys: KeySet { public_key: G1Bytes([0; 48]), shares: vec![] },
            modules: vec![],
        };
        let federation = FederationId([1; 32]);
        let announcement = UrlAnnouncement::sign(&federation, 0, 3, "https://a.example".into(), &key);
        assert!(announcement.verify(&federation, &config));
        assert!(!announcement.verify(&FederationId([2; 32]), &config));
        assert!(!UrlAnnouncement { number: 4, ..announcement.clone() }.verify(&federation, &config));
        assert!(!UrlAnnouncement { guardian: 1, ..announcement.clone() }.verify(&federation, &config));
        config.guardians.clear();
        assert!(!announcement.verify(&federation, &config));
    }
}
