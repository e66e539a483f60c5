//! An open wallet.

use std::cell::RefCell;
use std::rc::Rc;

use js_sys::{Array, Function, JsString, Promise};
use rekindle_client::backup::SeenBefore;
use rekindle_client::store::{Costs, SealedStore};
use rekindle_client::wallet::{Steer, Wallet, WalletError};
use rekindle_protocol::amount::Amount;
use rekindle_protocol::bytes::TxId;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use web_sys::AbortSignal;
use zeroize::Zeroizing;

use super::abort::promise;
use super::background::Background;
use super::failure::Failure;
use super::progress::progress;
use super::storage::{self, Opened};
use super::value::{self, Value, list, to_js};
use crate::platform::{BrowserRuntime, FetchTransport};

/// An open wallet and its background. Calls may overlap.
#[wasm_bindgen]
pub struct WasmWallet {
    open: RefCell<Option<Open>>,
}

struct Open {
    wallet: Wallet,
    store: Rc<SealedStore>,
    /// Runs while it is here.
    _background: Background,
}

#[wasm_bindgen]
impl WasmWallet {
    /// Makes a wallet with fresh words, sealed if there is a passphrase. Every promise here rejects with a [`Failure`].
    ///
    /// `notify` is called with the progress of a recovery, or with nothing after any other change.
    pub fn create(
        name: JsString,
        passphrase: Option<JsString>,
        notify: Function,
        signal: AbortSignal,
    ) -> Promise {
        let (name, passphrase) = (String::from(name), secret(passphrase));
        promise(signal, async move {
            let Opened { platform, store } = storage::create(&name, text(&passphrase)).await?;
            Ok(Self::start(Wallet::create(platform).await?, store, notify))
        })
    }

    /// Opens the stored wallet.
    pub fn open(
        name: JsString,
        passphrase: Option<JsString>,
        notify: Function,
        signal: AbortSignal,
    ) -> Promise {
        let (name, passphrase) = (String::from(name), secret(passphrase));
        promise(signal, async move {
            let Opened { platform, store } = storage::open(&name, text(&passphrase)).await?;
            Ok(Self::start(Wallet::open(platform).await?, store, notify))
        })
    }

    /// Makes a wallet from the words of a lost one and starts to recover it, by whole sessions if `every_session`.
    pub fn recover(
        name: JsString,
        words: JsString,
        invite: JsString,
        passphrase: Option<JsString>,
        every_session: bool,
        notify: Function,
        signal: AbortSignal,
    ) -> Promise {
        let (words, invite) = (Zeroizing::new(String::from(words)), String::from(invite));
        let (name, passphrase) = (String::from(name), secret(passphrase));
        promise(signal, async move {
            let Opened { platform, store } = storage::create(&name, text(&passphrase)).await?;
            let wallet = Wallet::recover(platform, &words, &invite).await?;
            if every_session {
                wallet.read_every_session();
            }
            Ok(Self::start(wallet, store, notify))
        })
    }

    /// Whether the words were used in a federation before: `seen`, `never` or `unknown`.
    #[wasm_bindgen(js_name = seenBefore)]
    pub fn seen_before(words: JsString, invite: JsString, signal: AbortSignal) -> Promise {
        let (words, invite) = (Zeroizing::new(String::from(words)), String::from(invite));
        promise(signal, async move {
            let (transport, runtime) = (Rc::new(FetchTransport), Rc::new(BrowserRuntime));
            let seen = Wallet::seen_before(transport, runtime, &words, &invite).await?;
            Ok(JsValue::from_str(match seen {
                SeenBefore::Seen => "seen",
                SeenBefore::Never => "never",
                SeenBefore::Unknown => "unknown",
            }))
        })
    }

    /// Whether what is stored is sealed under a passphrase.
    #[wasm_bindgen(js_name = hasPassphrase)]
    pub fn has_passphrase(&self, signal: AbortSignal) -> Promise {
        let store = self.store();
        promise(signal, async move { Ok(store?.is_sealed().await.into()) })
    }

    /// Seals what is stored under another passphrase, or under none.
    #[wasm_bindgen(js_name = changePassphrase)]
    pub fn change_passphrase(
        &self,
        current: Option<JsString>,
        next: Option<JsString>,
        signal: AbortSignal,
    ) -> Promise {
        let store = self.store();
        let (current, next) = (secret(current), secret(next));
        promise(signal, async move {
            store?.change_passphrase(text(&current), text(&next), Costs::default()).await?;
            Ok(JsValue::UNDEFINED)
        })
    }

    /// Has a running recovery save what it has read.
    #[wasm_bindgen(js_name = saveSoon)]
    pub fn save_soon(&self) {
        if let Ok(wallet) = self.wallet() {
            wallet.save_soon();
        }
    }

    /// Joins the federation of an invite code.
    pub fn join(&self, invite: JsString, signal: AbortSignal) -> Promise {
        let wallet = self.wallet();
        let invite = String::from(invite);
        promise(signal, async move { to_js(value::federation(wallet?.join(&invite).await?)) })
    }

    /// The federation joined, or undefined.
    pub fn federation(&self) -> Result<JsValue, Failure> {
        to_js(self.wallet()?.federation().map(value::federation).into())
    }

    /// What the wallet holds.
    pub fn balance(&self) -> Result<JsValue, Failure> {
        to_js(value::balance(self.wallet()?.balance()))
    }

    /// A fresh deposit address.
    #[wasm_bindgen(js_name = depositAddress)]
    pub fn deposit_address(&self) -> Result<JsString, Failure> {
        Ok(self.wallet()?.deposit_address()?.into())
    }

    /// Claims credited deposits.
    #[wasm_bindgen(js_name = claimDeposits)]
    pub fn claim_deposits(&self, signal: AbortSignal) -> Promise {
        let wallet = self.wallet();
        promise(signal, async move { to_js(list(wallet?.claim_deposits().await?, value::received)) })
    }

    /// Makes a token.
    pub fn send(&self, amount_sats: u64, signal: AbortSignal) -> Promise {
        let wallet = self.wallet();
        promise(signal, async move { to_js(value::sent(wallet?.send(Amount(amount_sats)).await?)) })
    }

    /// Redeems a token.
    pub fn redeem(&self, token: JsString, signal: AbortSignal) -> Promise {
        let wallet = self.wallet();
        let token = Zeroizing::new(String::from(token));
        promise(signal, async move { to_js(value::received(wallet?.redeem(&token).await?)) })
    }

    /// Sent tokens that nobody has redeemed yet.
    pub fn outstanding(&self) -> Result<JsValue, Failure> {
        to_js(list(self.wallet()?.outstanding(), value::outstanding))
    }

    /// Takes an outstanding token back.
    pub fn reclaim(&self, operation_id: JsString, signal: AbortSignal) -> Promise {
        let wallet = self.wallet();
        promise(signal, async move {
            let txid = parse_operation(&operation_id)?;
            to_js(value::received(wallet?.reclaim(&txid).await?))
        })
    }

    /// At most `limit` operations older than `before`, newest first.
    pub fn history(&self, limit: u32, before: Option<JsString>) -> Result<JsValue, Failure> {
        let before = before.as_ref().map(parse_operation).transpose()?;
        to_js(list(self.wallet()?.history(limit as usize, before)?, value::operation))
    }

    /// The twelve words.
    #[wasm_bindgen(js_name = seedWords)]
    pub fn seed_words(&self) -> Result<JsValue, Failure> {
        // No copies besides those of JavaScript.
        Ok(self.wallet()?.seed_words().split_whitespace().map(JsValue::from).collect::<Array>().into())
    }

    /// Where the recovery stands, or undefined.
    pub fn recovery(&self) -> Result<JsValue, Failure> {
        to_js(self.wallet()?.recovery().map(progress).into())
    }

    /// Steers the recovery: `pause`, `resume`, `cancel` or `restart`.
    #[wasm_bindgen(js_name = steerRecovery)]
    pub fn steer_recovery(&self, how: JsString, signal: AbortSignal) -> Promise {
        let wallet = self.wallet();
        let how = String::from(how);
        promise(signal, async move {
            let how = match &*how {
                "pause" => Steer::Pause,
                "resume" => Steer::Resume,
                "cancel" => Steer::Cancel,
                _ => Steer::Restart,
            };
            wallet?.steer_recovery(how).await?;
            Ok(JsValue::UNDEFINED)
        })
    }

    /// When guardians were last given a backup, milliseconds since 1970, or undefined.
    #[wasm_bindgen(js_name = backedUpAt)]
    pub fn backed_up_at(&self) -> Result<Option<f64>, Failure> {
        Ok(self.wallet()?.backed_up_at().map(|ms| ms as f64))
    }

    /// Invite codes of the federations that the words are known to be used in.
    #[wasm_bindgen(js_name = knownFederations)]
    pub fn known_federations(&self) -> Result<JsValue, Failure> {
        to_js(list(self.wallet()?.known_federations(), Value::from))
    }

    /// Has the backup name another one.
    #[wasm_bindgen(js_name = rememberFederation)]
    pub fn remember_federation(&self, invite: JsString, signal: AbortSignal) -> Promise {
        let wallet = self.wallet();
        let invite = String::from(invite);
        promise(signal, async move {
            wallet?.remember_federation(&invite).await?;
            Ok(JsValue::UNDEFINED)
        })
    }

    /// Figures, and what guardians served that only a lie or a broken program explains.
    pub fn diagnostics(&self) -> Result<JsValue, Failure> {
        to_js(value::diagnostics(&self.wallet()?))
    }

    /// Ends the background and lets the database go. Later calls fail with `wallet_closed`.
    pub fn close(&self) {
        self.open.take();
    }
}

impl WasmWallet {
    fn start(wallet: Wallet, store: Rc<SealedStore>, notify: Function) -> JsValue {
        // What a listener throws is for the worker to deal with; it posts a message and throws nothing.
        let changed = notify.clone();
        wallet.on_change(Rc::new(move || drop(changed.call0(&JsValue::UNDEFINED))));
        wallet.on_recovery(Rc::new(move |step| {
            if let Ok(step) = to_js(progress(step)) {
                drop(notify.call1(&JsValue::UNDEFINED, &step));
            }
        }));
        let _background = Background::start(&wallet);
        WasmWallet { open: RefCell::new(Some(Open { wallet, store, _background })) }.into()
    }

    fn wallet(&self) -> Result<Wallet, Failure> {
        self.open.borrow().as_ref().map(|open| open.wallet.clone()).ok_or_else(Failure::closed)
    }

    fn store(&self) -> Result<Rc<SealedStore>, Failure> {
        self.open.borrow().as_ref().map(|open| open.store.clone()).ok_or_else(Failure::closed)
    }
}

fn secret(passphrase: Option<JsString>) -> Option<Zeroizing<String>> {
    passphrase.map(|passphrase| Zeroizing::new(passphrase.into()))
}

fn text(passphrase: &Option<Zeroizing<String>>) -> Option<&str> {
    passphrase.as_ref().map(|passphrase| passphrase.as_str())
}

fn parse_operation(id: &JsString) -> Result<TxId, Failure> {
    String::from(id).parse().map_err(|_| WalletError::OperationNotFound.into())
}
