#![no_main]
#[path = "../targets/di.rs"]
mod di;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| di::subset(bytes));
