//! The demonstration: a throw-away exchange on this machine.
