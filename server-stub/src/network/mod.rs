//! Messages between guardians.
//!
//! Every ordered pair of guardians has a *link*. Messages on a link are numbered by the sender, who keeps each
//! one until the receiver acknowledges it, which the receiver does only after it has written down what the
//! message means to it. So a message is lost only if both ends agree that it may be. A receiver that stops and
//! starts again gets everything that it has not acknowledged once more, in order. What a sender that stopped
//! had not delivered, it makes again from its write-ahead log (see [`crate::consensus`]), under new numbers.

mod outbox;

pub use outbox::{Outbox, OutboxLimits};
