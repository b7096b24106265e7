//! Where received documents are kept and delivered.
