//! See `imbridge_fuzz::openim`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| imbridge_fuzz::openim(bytes));
