//! See `imbridge_fuzz::tencent`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| imbridge_fuzz::tencent(bytes));
