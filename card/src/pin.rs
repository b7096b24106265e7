//! Where a PIN comes from.
