//! See `imbridge_fuzz::journal::segment`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| imbridge_fuzz::journal::segment(bytes));
