//! Readers and cards through PC/SC: a source of hints, never required.
