//! See `imbridge_fuzz::journal::checkpoint`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| imbridge_fuzz::journal::checkpoint(bytes));
