//! The connection to the center: connect, keep, back off.
