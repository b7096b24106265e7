//! The drop folder: waits until a unit is whole and claims it.
