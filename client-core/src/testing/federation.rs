//! A federation without servers: real keys, real signatures, sessions made by hand.

use std::rc::Rc;

use rand::{RngCore, SeedableRng, rngs::StdRng};
use rekindle_protocol::{
    amount::Amount,
    bls::{KeySet, Message, SecretShare, combine},
    bytes::{FederationId, G2Bytes, Hash, Tweak},
    config::{ClientConfig, ConfigDocument, Fees, Guardian, ModuleInstance, UrlAnnouncement, max_faulty},
    encoding::Canonical,
    modules::{
        deposit::{CreditRequest, DepositAddress, DepositConfig, Issuer},
        mint::{Denomination, MintConfig},
    },
    ownership::SeedWords,
    schnorr::SecretKey,
    session::{HashedItems, Item, SessionHeader, SignedSession},
    transaction::Transaction,
};

use crate::context::WalletContext;

/// Everything that a federation's guardians hold together, and the history they would have signed.
pub struct TestFederation {
    /// The config and the guardians' URLs, `http://guardian-0` and so on.
    pub document: ConfigDocument,
    /// The keys with which guardians sign answers.
    pub guardian_keys: Vec<SecretKey>,
    /// The signed sessions.
    pub sessions: Vec<SignedSession>,
    federation: FederationId,
    session_shares: Vec<SecretShare>,
    mint_shares: Vec<Vec<SecretShare>>,
    issuer: SecretKey,
    rng: StdRng,
}

impl TestFederation {
    /// Deals keys from a seed.
    pub fn new(seed: u64, guardians: u16) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let threshold = max_faulty(usize::from(guardians));
        let mut secret = || loop {
            let mut bytes = [0; 32];
            rng.fill_bytes(&mut bytes);
            if let Ok(key) = SecretKey::from_bytes(&bytes) {
                return key;
            }
        };
        let guardian_keys: Vec<SecretKey> = (0..guardians).map(|_| secret()).collect();
        let issuer = secret();
        let (session_keys, session_shares) = KeySet::deal(threshold, guardians, &mut rng);
        let (denominations, mint_shares) =
            (0..MintConfig::MAX_DENOMINATIONS).map(|_| KeySet::deal(threshold, guardians, &mut rng)).unzip();
        let mint = MintConfig { denominations, fees: Fees::default() };
        let issuers = vec![Issuer {
            name: "faucet".into(),
            key: issuer.public_key(),
            faucet: true,
            url: String::new(),
        }];
        let deposit = DepositConfig { issuers, fees: Fees::default() };
        let config = ClientConfig {
            name: "test".into(),
            guardians: guardian_keys
                .iter()
                .enumerate()
                .map(|(id, key)| Guardian { name: format!("guardian {id}"), key: key.public_key() })
                .collect(),
            session_keys,
            modules: vec![
                ModuleInstance { kind: MintConfig::KIND.into(), config: mint.to_bytes() },
                ModuleInstance { kind: DepositConfig::KIND.into(), config: deposit.to_bytes() },
            ],
        };
        let federation = config.federation_id();
        let urls = (0..guardians)
            .zip(&guardian_keys)
            .map(|(id, key)| UrlAnnouncement::sign(&federation, id, 0, format!("http://guardian-{id}"), key))
            .collect();
        let document = ConfigDocument { config, urls };
        Self {
            document,
            guardian_keys,
            sessions: Vec::new(),
            federation,
            session_shares,
            mint_shares,
            issuer,
            rng,
        }
    }

    /// The federation's id.
    pub fn id(&self) -> FederationId {
        self.federation
    }

    /// A wallet's context, from the entropy of its words.
    pub fn context(&self, entropy: &[u8; 16]) -> Rc<WalletContext> {
        let secret = SeedWords::from_entropy(entropy).wallet_secret(&self.federation);
        Rc::new(WalletContext::new(self.document.config.clone(), secret).expect("the dealt config is sound"))
    }

    /// Closes and signs a session of these transactions.
    pub fn close(&mut self, transactions: Vec<Transaction>) -> &SignedSession {
        let content = HashedItems::new(transactions.into_iter().map(Item::Transaction).collect());
        let previous: Option<SessionHeader> = self.sessions.last().map(|session| session.header);
        let number = self.sessions.len() as u64;
        let header =
            content.header(&self.federation, previous.as_ref(), 10 * number, 1_000_000 + 1_000 * number);
        let signature = self.combine(&self.session_shares, &header.message(&self.federation));
        self.sessions.push(SignedSession { header, signature, items: content.items });
        self.sessions.last().expect("just pushed")
    }

    /// One guardian's blind signature share.
    pub fn share(
        &self,
        guardian: u16,
        denomination: Denomination,
        blinded_nonce: &G2Bytes,
    ) -> Option<G2Bytes> {
        let message = Message::from_bytes(blinded_nonce).ok()?;
        Some(self.mint_shares.get(usize::from(denomination.0))?.get(usize::from(guardian))?.sign(&message))
    }

    /// The federation's blind signature.
    pub fn blind_signature(&self, denomination: Denomination, blinded_nonce: &G2Bytes) -> Option<G2Bytes> {
        let message = Message::from_bytes(blinded_nonce).ok()?;
        Some(self.combine(self.mint_shares.get(usize::from(denomination.0))?, &message))
    }

    fn combine(&self, secrets: &[SecretShare], message: &Message) -> G2Bytes {
        let threshold = self.document.config.max_faulty();
        let shares: Vec<(u16, G2Bytes)> =
            (0..).zip(secrets).take(threshold + 1).map(|(id, secret)| (id, secret.sign(message))).collect();
        combine(threshold, &shares).expect("there are enough shares")
    }

    /// The issuer's credit of a deposit address.
    pub fn credit(&mut self, address: &DepositAddress, sats: u64) -> Transaction {
        let mut reference = Hash([0; 32]);
        self.rng.fill_bytes(&mut reference.0);
        CreditRequest::sign(&self.federation, 1, 0, &self.issuer, address, Amount(sats), reference)
            .transaction(1)
            .expect("the address is sound")
    }

    /// A fresh tweak.
    pub fn tweak(&mut self) -> Tweak {
        let mut tweak = Tweak([0; Tweak::LEN]);
        self.rng.fill_bytes(&mut tweak.0);
        tweak
    }
}
