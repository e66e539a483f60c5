//! The browser platform of the wallet.
