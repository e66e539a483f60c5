//! An open wallet.

use std::cell::RefCell;
use std::rc::Rc;

use js_sys::{Function, Promise};
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
    /// Makes a wallet with fresh words. Every promise here rejects with a [`Failure`].
    pub fn create(name: String, on_change: Function, on_recovery: Function, signal: AbortSignal) -> Promise {
        promise(signal, async move {
            let wallet = Wallet::create(platform(&name).await?).await?;
            Ok(Self::start(wallet, on_change, on_recovery))
        })
    }

    /// Opens the stored wallet.
    pub fn open(name: String, on_change: Function, on_recovery: Function, signal: AbortSignal) -> Promise {
        promise(signal, async move {
            let wallet = Wallet::open(platform(&name).await?).await?;
            Ok(Self::start(wallet, on_change, on_recovery))
        })
    }

    /// Makes a wallet from the words of a lost one and starts to recover it, by whole sessions if `every_session`.
    pub fn recover(
        name: String,
        words: String,
        invite: String,
        every_session: bool,
        on_change: Function,
        on_recovery: Function,
        signal: AbortSignal,
    ) -> Promise {
        let words = Zeroizing::new(words);
        promise(signal, async move {
            let wallet = Wallet::recover(platform(&name).await?, &words, &invite).await?;
            if every_session {
                wallet.read_every_session();
            }
            Ok(Self::start(wallet, on_change, on_recovery))
        })
    }

    /// Joins the federation of an invite code.
    pub fn join(&self, invite: String, signal: AbortSignal) -> Promise {
        let wallet = self.wallet();
        promise(signal, async move { to_js(&JsFederation::from(wallet?.join(&invite).await?)) })
    }

    /// The federation joined, or undefined.
    pub fn federation(&self) -> Result<JsValue, Failure> {
        to_js(&self.wallet()?.federation().map(JsFederation::from))
    }

    /// What the wallet holds.
    pub fn balance(&self) -> Result<JsValue, Failure> {
        to_js(&JsBalance::from(self.wallet()?.balance()))
    }

    /// A fresh deposit address.
    #[wasm_bindgen(js_name = depositAddress)]
    pub fn deposit_address(&self) -> Result<String, Failure> {
        Ok(self.wallet()?.deposit_address()?)
    }

    /// Claims credited deposits.
    #[wasm_bindgen(js_name = claimDeposits)]
    pub fn claim_deposits(&self, signal: AbortSignal) -> Promise {
        let wallet = self.wallet();
        promise(signal, async move { list_to_js::<_, JsReceived>(wallet?.claim_deposits().await?) })
    }

    /// Makes a token.
    pub fn send(&self, amount_sats: u64, signal: AbortSignal) -> Promise {
        let wallet = self.wallet();
        promise(signal, async move { to_js(&JsSentToken::from(wallet?.send(Amount(amount_sats)).await?)) })
    }

    /// Redeems a token.
    pub fn redeem(&self, token: String, signal: AbortSignal) -> Promise {
        let wallet = self.wallet();
        let token = Zeroizing::new(token);
        promise(signal, async move { to_js(&JsReceived::from(wallet?.redeem(&token).await?)) })
    }

    /// Sent tokens that nobody has redeemed yet.
    pub fn outstanding(&self) -> Result<JsValue, Failure> {
        list_to_js::<_, JsOutstandingToken>(self.wallet()?.outstanding())
    }

    /// Takes an outstanding token back.
    pub fn reclaim(&self, operation_id: String, signal: AbortSignal) -> Promise {
        let wallet = self.wallet();
        promise(signal, async move {
            let txid = parse_operation(&operation_id)?;
            to_js(&JsReceived::from(wallet?.reclaim(&txid).await?))
        })
    }

    /// At most `limit` operations older than `before`, newest first.
    pub fn history(&self, limit: u32, before: Option<String>) -> Result<JsValue, Failure> {
        let before = before.as_deref().map(parse_operation).transpose()?;
        list_to_js::<_, JsOperation>(self.wallet()?.history(limit as usize, before)?)
    }

    /// The twelve words.
    #[wasm_bindgen(js_name = seedWords)]
    pub fn seed_words(&self) -> Result<JsValue, Failure> {
        to_js(&self.wallet()?.seed_words().split(' ').collect::<Vec<_>>())
    }

    /// Where the recovery stands, or undefined.
    pub fn recovery(&self) -> Result<JsValue, Failure> {
        to_js(&self.wallet()?.recovery().map(JsProgress::from))
    }

    /// Steers the recovery: `pause`, `resume`, `cancel` or `restart`.
    #[wasm_bindgen(js_name = steerRecovery)]
    pub fn steer_recovery(&self, how: String, signal: AbortSignal) -> Promise {
        let wallet = self.wallet();
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

    /// Ends the background and lets the database go. Later calls fail with `wallet_closed`.
    pub fn close(&self) {
        self.open.take();
    }
}

impl WasmWallet {
    fn start(wallet: Wallet, on_change: Function, on_recovery: Function) -> JsValue {
        // What a listener throws is for the worker to deal with; it posts a message and throws nothing.
        wallet.on_change(Rc::new(move || drop(on_change.call0(&JsValue::UNDEFINED))));
        wallet.on_recovery(Rc::new(move |progress| {
            if let Ok(progress) = to_js(&JsProgress::from(progress)) {
                drop(on_recovery.call1(&JsValue::UNDEFINED, &progress));
            }
        }));
        let _background = Background::start(&wallet);
        WasmWallet { open: RefCell::new(Some(Open { wallet, _background })) }.into()
    }

    fn wallet(&self) -> Result<Wallet, Failure> {
        self.open.borrow().as_ref().map(|open| open.wallet.clone()).ok_or_else(Failure::closed)
    }
}

fn parse_operation(id: &str) -> Result<TxId, Failure> {
    id.parse().map_err(|_| WalletError::OperationNotFound.into())
}
