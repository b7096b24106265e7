#![no_main]
#[path = "../targets/di.rs"]
mod targets;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| targets::roster(bytes));
