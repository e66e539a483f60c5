//! What guardians and wallets of a federation agree on.
