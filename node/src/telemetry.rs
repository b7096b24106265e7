//! Logs: set-up, and the list of span and field names.
