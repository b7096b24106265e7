//! The module's libraries leave destructors with the threads that called it, so it must stay when it is closed.

fn main() {
    println!("cargo::rustc-link-arg-cdylib=-Wl,-z,nodelete");
    println!("cargo::rerun-if-changed=build.rs");
}
