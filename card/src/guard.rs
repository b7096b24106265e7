//! The write-ahead guard of the PIN (DESIGN §5).
