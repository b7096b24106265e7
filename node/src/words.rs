//! What people read: Chinese sentences and remedies by stable label.
