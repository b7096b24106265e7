//! Real files, real writers in other processes, and the real store.
