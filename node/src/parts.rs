//! Keys and other parts of a node, made from its configuration.
