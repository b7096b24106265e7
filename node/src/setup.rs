//! A first configuration from keys and center.
