//! A wallet for federated e-cash, on any platform.
