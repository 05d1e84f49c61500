//! `fuzz_key_file` of `tests/fuzz/targets.rs`, with libFuzzer's inputs.
#![no_main]
#![allow(dead_code, reason = "each program runs one of the targets")]

#[path = "../../tests/fuzz/seeds.rs"]
mod seeds;
#[path = "../../tests/fuzz/targets.rs"]
mod targets;

libfuzzer_sys::fuzz_target!(|input: &[u8]| targets::fuzz_key_file(input));
