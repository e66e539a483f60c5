//! A federation of one with small notes, whose every secret the tests hold.

use rand_07::{SeedableRng, rngs::StdRng};
use redb::{Database, ReadableDatabase, backends::InMemoryBackend};
use rekindle_protocol::{
    amount::Amount,
    api::{Rejection, RejectionReason},
    bls::KeySet,
    bytes::{Hash, Tweak},
    config::{ClientConfig, Fees, Guardian, ModuleInstance},
    encoding::Canonical,
    modules::{
        deposit::{DepositConfig, Issuer},
        mint::{Denomination, MintConfig},
    },
    ownership::{OperationKind, SeedWords, WalletSecret},
    schnorr,
    transaction::Transaction,
};

use super::{Audit, Ledger};
use crate::{
    db::record_accepted,
    forge::{Author, Draft, FederationSecrets, OwnedNote, Place, Spendable, plain_memo, split},
    node::{Proposals, StateMachine},
};

/// Notes of 1 to 128 sats.
const DENOMINATIONS: usize = 8;

pub struct TestFederation {
    pub config: ClientConfig,
    pub place: Place,
    pub secrets: FederationSecrets,
    pub wallet: WalletSecret,
    pub ledger: Ledger,
    pub database: Database,
    tweaks: u64,
}

impl TestFederation {
    pub fn new(fees: Fees) -> Self {
        let mut rng = StdRng::seed_from_u64(7);
        let (session_keys, session) = KeySet::deal(0, 1, &mut rng);
        let session = session.into_iter().next().unwrap();
        let (denominations, mint): (Vec<_>, Vec<_>) = (0..DENOMINATIONS)
            .map(|_| {
                let (keys, secrets) = KeySet::deal(0, 1, &mut rng);
                (keys, secrets.into_iter().next().unwrap())
            })
            .unzip();
        let key = |byte| schnorr::SecretKey::from_bytes(&[byte; 32]).unwrap();
        let issuer = |byte| Issuer {
            name: "test".into(),
            key: key(byte).public_key(),
            faucet: true,
            url: String::new(),
        };
        let mint_config = MintConfig { denominations, fees };
        let deposit_config = DepositConfig { issuers: vec![issuer(3), issuer(4)], fees };
        let config = ClientConfig {
            name: "test".into(),
            guardians: vec![Guardian { name: "alone".into(), key: key(5).public_key() }],
            session_keys,
            modules: vec![
                ModuleInstance { kind: MintConfig::KIND.into(), config: mint_config.to_bytes() },
                ModuleInstance { kind: DepositConfig::KIND.into(), config: deposit_config.to_bytes() },
            ],
        };
        let place = Place::of(&config).unwrap();
        let database = Database::builder().create_with_backend(InMemoryBackend::new()).unwrap();
        Self {
            ledger: Ledger::new(&config).unwrap(),
            wallet: SeedWords::from_entropy(&[1; 16]).wallet_secret(&place.federation),
            secrets: FederationSecrets { session, mint, issuer: key(3) },
            place,
            config,
            database,
            tweaks: 0,
        }
    }

    pub fn author(&self) -> Author<'_> {
        Author { place: self.place, wallet: &self.wallet, secrets: &self.secrets }
    }

    pub fn fresh_tweak(&mut self) -> Tweak {
        self.tweaks += 1;
        let mut tweak = Tweak([0; 16]);
        tweak.0[..8].copy_from_slice(&self.tweaks.to_le_bytes());
        tweak
    }

    /// A credit that nobody has submitted.
    pub fn credit(&mut self, sats: u64) -> (Transaction, Spendable) {
        let tweak = self.fresh_tweak();
        self.author().credit(tweak, Amount(sats), Hash([tweak.0[0]; 32]))
    }

    /// A transaction of the wallet that no memo reader will look at.
    pub fn draft(inputs: Vec<Spendable>, notes: &[u8], fee: u64) -> Draft {
        Draft {
            inputs,
            notes: notes.iter().copied().map(Denomination).collect(),
            withdrawal: None,
            fee: Amount(fee),
            memo: plain_memo(OperationKind::Redeem, Amount::ZERO),
        }
    }

    pub fn write(&mut self, draft: Draft) -> (Transaction, Vec<OwnedNote>) {
        let tweak = self.fresh_tweak();
        let denominations = draft.notes.clone();
        let transaction = self.author().write(tweak, draft);
        let notes = self.author().notes(&tweak, &denominations).collect();
        (transaction, notes)
    }

    /// Credits and claims `sats` without fees.
    pub fn fund(&mut self, sats: u64) -> Vec<OwnedNote> {
        let (credit, claim) = self.credit(sats);
        self.apply(&credit).unwrap();
        let notes: Vec<u8> = split(Amount(sats), DENOMINATIONS).iter().map(|note| note.0).collect();
        let (transaction, notes) = self.write(Self::draft(vec![claim], &notes, 0));
        self.apply(&transaction).unwrap();
        notes
    }

    /// Applies in session 5, committed.
    pub fn apply(&self, transaction: &Transaction) -> Result<(), Rejection> {
        self.apply_with(&Proposals::new(), transaction)
    }

    /// Applies after these proposals in session 5, committed.
    pub fn apply_with(&self, proposals: &Proposals, transaction: &Transaction) -> Result<(), Rejection> {
        let txn = self.database.begin_write().unwrap();
        let verdict = self.ledger.apply(&txn, 5, proposals, transaction).unwrap();
        if verdict.is_ok() {
            record_accepted(&txn, &transaction.id(), 5).unwrap();
        }
        txn.commit().unwrap();
        verdict
    }

    pub fn check(&self, transaction: &Transaction) -> Result<(), Rejection> {
        self.ledger.check(&self.database.begin_read().unwrap(), transaction).unwrap()
    }

    /// Asserts that submission and processing refuse it for this reason, and that nothing changed.
    pub fn assert_refused(&self, transaction: &Transaction, reason: RejectionReason) {
        let before = self.contents();
        let checked = self.check(transaction).unwrap_err();
        assert_eq!(checked.reason, reason, "{}", checked.detail);
        assert!(checked.detail.len() <= rekindle_protocol::api::MAX_REASON_BYTES);
        assert_eq!(self.apply(transaction), Err(checked));
        assert_eq!(self.contents(), before, "a refused transaction left a trace");
    }

    pub fn audit(&self) -> Audit {
        Audit::read(&self.database.begin_read().unwrap()).unwrap()
    }

    pub fn contents(&self) -> Vec<String> {
        super::tables::dump(&self.database.begin_read().unwrap())
    }
}
