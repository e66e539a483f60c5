//! An open wallet.

use std::cell::RefCell;
use std::future::Future;
use std::rc::Rc;

use js_sys::Function;
use rekindle_client::wallet::{Platform, Wallet, WalletError};
use rekindle_protocol::amount::Amount;
use rekindle_protocol::bytes::TxId;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use web_sys::AbortSignal;

use super::abort::unless_aborted;
use super::background::Background;
use super::failure::Failure;
use super::progress::JsProgress;
use super::storage::platform;
use super::value::{
    JsBalance, JsFederation, JsOperation, JsOutstandingToken, JsReceived, JsSentToken, list_to_js, to_js,
};

/// An open wallet and its background. Calls may overlap.
#[wasm_bindgen]
pub struct WasmWallet {
    open: RefCell<Option<Open>>,
}

struct Open {
    wallet: Wallet,
    /// Runs while it is here.
    _background: Background,
}

#[wasm_bindgen]
impl WasmWallet {
    /// Makes a wallet with fresh words.
    ///
    /// # Errors
    /// [`WalletError`]'s codes, as for every call here.
    pub async fn create(
        name: String,
        on_change: Function,
        on_recovery: Function,
        signal: AbortSignal,
    ) -> Result<WasmWallet, Failure> {
        Self::start(&name, on_change, on_recovery, &signal, Wallet::create).await
    }

    /// Opens the stored wallet.
    ///
    /// # Errors
    /// See [`WasmWallet::create`].
    pub async fn open(
        name: String,
        on_change: Function,
        on_recovery: Function,
        signal: AbortSignal,
    ) -> Result<WasmWallet, Failure> {
        Self::start(&name, on_change, on_recovery, &signal, Wallet::open).await
    }

    /// Makes a wallet from the words of a lost one and starts to recover it.
    ///
    /// # Errors
    /// See [`WasmWallet::create`].
    pub async fn recover(
        name: String,
        words: String,
        invite: String,
        on_change: Function,
        on_recovery: Function,
        signal: AbortSignal,
    ) -> Result<WasmWallet, Failure> {
        let words = zeroize::Zeroizing::new(words);
        Self::start(&name, on_change, on_recovery, &signal, |platform| async move {
            Wallet::recover(platform, &words, &invite).await
        })
        .await
    }

    /// Joins the federation of an invite code.
    ///
    /// # Errors
    /// See [`WasmWallet::create`].
    pub async fn join(&self, invite: String, signal: AbortSignal) -> Result<JsValue, Failure> {
        let wallet = self.wallet()?;
        to_js(&JsFederation::from(unless_aborted(&signal, wallet.join(&invite)).await?))
    }

    /// The federation joined, or undefined.
    ///
    /// # Errors
    /// See [`WasmWallet::create`].
    pub fn federation(&self) -> Result<JsValue, Failure> {
        to_js(&self.wallet()?.federation().map(JsFederation::from))
    }

    /// What the wallet holds.
    ///
    /// # Errors
    /// See [`WasmWallet::create`].
    pub fn balance(&self) -> Result<JsValue, Failure> {
        to_js(&JsBalance::from(self.wallet()?.balance()))
    }

    /// A fresh deposit address.
    ///
    /// # Errors
    /// See [`WasmWallet::create`].
    #[wasm_bindgen(js_name = depositAddress)]
    pub fn deposit_address(&self) -> Result<String, Failure> {
        Ok(self.wallet()?.deposit_address()?)
    }

    /// Claims credited deposits.
    ///
    /// # Errors
    /// See [`WasmWallet::create`].
    #[wasm_bindgen(js_name = claimDeposits)]
    pub async fn claim_deposits(&self, signal: AbortSignal) -> Result<JsValue, Failure> {
        let wallet = self.wallet()?;
        list_to_js::<_, JsReceived>(unless_aborted(&signal, wallet.claim_deposits()).await?)
    }

    /// Makes a token.
    ///
    /// # Errors
    /// See [`WasmWallet::create`].
    pub async fn send(&self, amount_sats: u64, signal: AbortSignal) -> Result<JsValue, Failure> {
        let wallet = self.wallet()?;
        to_js(&JsSentToken::from(unless_aborted(&signal, wallet.send(Amount(amount_sats))).await?))
    }

    /// Redeems a token.
    ///
    /// # Errors
    /// See [`WasmWallet::create`].
    pub async fn redeem(&self, token: String, signal: AbortSignal) -> Result<JsValue, Failure> {
        let wallet = self.wallet()?;
        let token = zeroize::Zeroizing::new(token);
        to_js(&JsReceived::from(unless_aborted(&signal, wallet.redeem(&token)).await?))
    }

    /// Sent tokens that nobody has redeemed yet.
    ///
    /// # Errors
    /// See [`WasmWallet::create`].
    pub fn outstanding(&self) -> Result<JsValue, Failure> {
        list_to_js::<_, JsOutstandingToken>(self.wallet()?.outstanding())
    }

    /// Takes an outstanding token back.
    ///
    /// # Errors
    /// See [`WasmWallet::create`].
    pub async fn reclaim(&self, operation_id: String, signal: AbortSignal) -> Result<JsValue, Failure> {
        let wallet = self.wallet()?;
        let txid = parse_operation(&operation_id)?;
        to_js(&JsReceived::from(unless_aborted(&signal, wallet.reclaim(&txid)).await?))
    }

    /// At most `limit` operations older than `before`, newest first.
    ///
    /// # Errors
    /// See [`WasmWallet::create`].
    pub fn history(&self, limit: u32, before: Option<String>) -> Result<JsValue, Failure> {
        let before = before.as_deref().map(parse_operation).transpose()?;
        list_to_js::<_, JsOperation>(self.wallet()?.history(limit as usize, before)?)
    }

    /// The twelve words.
    ///
    /// # Errors
    /// See [`WasmWallet::create`].
    #[wasm_bindgen(js_name = seedWords)]
    pub fn seed_words(&self) -> Result<JsValue, Failure> {
        to_js(&self.wallet()?.seed_words().split(' ').collect::<Vec<_>>())
    }

    /// Where the recovery stands, or undefined.
    ///
    /// # Errors
    /// See [`WasmWallet::create`].
    pub fn recovery(&self) -> Result<JsValue, Failure> {
        to_js(&self.wallet()?.recovery().map(JsProgress::from))
    }

    /// Pauses the recovery.
    ///
    /// # Errors
    /// See [`WasmWallet::create`].
    #[wasm_bindgen(js_name = pauseRecovery)]
    pub async fn pause_recovery(&self, signal: AbortSignal) -> Result<(), Failure> {
        let wallet = self.wallet()?;
        unless_aborted(&signal, wallet.pause_recovery()).await
    }

    /// Goes on with a paused recovery, or tries a failed one again.
    ///
    /// # Errors
    /// See [`WasmWallet::create`].
    #[wasm_bindgen(js_name = resumeRecovery)]
    pub async fn resume_recovery(&self, signal: AbortSignal) -> Result<(), Failure> {
        let wallet = self.wallet()?;
        unless_aborted(&signal, wallet.resume_recovery()).await
    }

    /// Ends the background and lets the database go. Later calls fail with `wallet_closed`.
    pub fn close(&self) {
        self.open.take();
    }
}

impl WasmWallet {
    async fn start<F: Future<Output = Result<Wallet, WalletError>>>(
        name: &str,
        on_change: Function,
        on_recovery: Function,
        signal: &AbortSignal,
        begin: impl FnOnce(Platform) -> F,
    ) -> Result<WasmWallet, Failure> {
        let wallet =
            unless_aborted(signal, async { Ok::<_, Failure>(begin(platform(name).await?).await?) }).await?;
        // What a listener throws is for the worker to deal with; it posts a message and throws nothing.
        wallet.on_change(Rc::new(move || drop(on_change.call0(&JsValue::UNDEFINED))));
        wallet.on_recovery(Rc::new(move |progress| {
            if let Ok(progress) = to_js(&JsProgress::from(progress)) {
                drop(on_recovery.call1(&JsValue::UNDEFINED, &progress));
            }
        }));
        let _background = Background::start(&wallet);
        Ok(WasmWallet { open: RefCell::new(Some(Open { wallet, _background })) })
    }

    fn wallet(&self) -> Result<Wallet, Failure> {
        self.open.borrow().as_ref().map(|open| open.wallet.clone()).ok_or_else(Failure::closed)
    }
}

fn parse_operation(id: &str) -> Result<TxId, Failure> {
    id.parse().map_err(|_| WalletError::OperationNotFound.into())
}
