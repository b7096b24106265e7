//! Performs one step: the only composer of formats, envelope, wire, link and store.
