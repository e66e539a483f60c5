//! One guardian of a federation.
