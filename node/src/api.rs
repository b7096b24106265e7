//! The local HTTP API: a Unix socket between command line and service.
