//! The child process: loads the vendor's module and does what its parent asks, one request at a time.
