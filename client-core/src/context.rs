//! What every part of a wallet knows of its federation and of itself.

use std::cell::Cell;

use rekindle_protocol::{
    bls::PublicKey,
    bytes::FederationId,
    config::{ClientConfig, ConfigError},
    modules::{deposit::DepositConfig, mint::MintConfig},
    ownership::WalletSecret,
    transaction::ModuleId,
};

/// A federation's checked config and the wallet's secrets within it. Shared, and never changed but for one wish.
pub struct WalletContext {
    /// The hash of the config.
    pub federation: FederationId,
    /// The config.
    pub config: ClientConfig,
    /// The key that sessions are signed with.
    pub session_key: PublicKey,
    /// Number of the mint module.
    pub mint_id: ModuleId,
    /// The mint's denominations, keys and fees.
    pub mint: MintConfig,
    /// Number of the deposit module.
    pub deposit_id: ModuleId,
    /// The issuers and fees.
    pub deposit: DepositConfig,
    /// The wallet's secrets in this federation.
    pub secret: WalletSecret,
    /// Whether what was read is to be saved as soon as a signature vouches for it. The next portion of history fulfils it.
    pub save_soon: Cell<bool>,
}

impl WalletContext {
    /// Puts the parts of a config where they are used. It was validated when the wallet joined: checking the points of
    /// all keys again would block a page for a tenth of a second whenever the wallet is opened.
    ///
    /// # Errors
    /// [`ConfigError`] for a config that no wallet can work with.
    pub fn new(config: ClientConfig, secret: WalletSecret) -> Result<Self, ConfigError> {
        let (mint_id, mint) = config.mint()?;
        let (deposit_id, deposit) = config.deposit()?;
        Ok(Self {
            federation: config.federation_id(),
            session_key: config.session_key()?,
            mint_id,
            mint,
            deposit_id,
            deposit,
            config,
            secret,
            save_soon: Cell::new(false),
        })
    }
}
