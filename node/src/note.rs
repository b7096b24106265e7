//! What people find in sent/ and failed/.
