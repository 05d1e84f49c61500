//! Every decoder against inputs that nobody would send: seeds, mutated and spliced.
//!
//! The same inputs each time. `AIMUX_FUZZ_SEED` and `AIMUX_FUZZ_ROUNDS` choose others, or more; a failure names the seed
//! that replays it in one round. The targets are in [`targets`], the inputs in [`seeds`].
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod mutate;
mod seeds;
mod targets;

use std::panic::{AssertUnwindSafe, catch_unwind};

use mutate::Random;

/// Runs `target` on `seeds` as they are, then on mutations of them.
fn run(target: fn(&[u8]), seeds: &[&str]) {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().expect("a number"));
    let first = number("AIMUX_FUZZ_SEED").unwrap_or(1);
    let rounds = number("AIMUX_FUZZ_ROUNDS").unwrap_or(1500);
    for seed in seeds {
        target(seed.as_bytes());
    }
    for seed in first..first + rounds {
        let input = mutate::mutated(seeds, &mut Random::new(seed));
        if catch_unwind(AssertUnwindSafe(|| target(&input))).is_err() {
            panic!("AIMUX_FUZZ_SEED={seed} AIMUX_FUZZ_ROUNDS=1 replays it; the input:\n{}", String::from_utf8_lossy(&input));
        }
    }
}

#[test]
fn event_streams_split_anywhere_give_the_same_frames() {
    run(targets::fuzz_sse, &[seeds::ANTHROPIC_STREAMS, seeds::CHAT_STREAMS, seeds::ODD_STREAMS].concat());
}

#[test]
fn the_scanner_agrees_with_a_json_parser() {
    run(targets::fuzz_peek, &[seeds::ANTHROPIC_REQUESTS, seeds::CHAT_REQUESTS, seeds::WHOLE_ANSWERS].concat());
}

#[test]
fn anthropic_requests_become_json_or_an_error() {
    run(targets::fuzz_anthropic_decode, seeds::ANTHROPIC_REQUESTS);
}

#[test]
fn chat_requests_become_json_or_an_error() {
    run(targets::fuzz_chat_decode, seeds::CHAT_REQUESTS);
}

#[test]
fn whole_answers_and_errors_of_any_shape_are_read() {
    run(targets::fuzz_answer, seeds::WHOLE_ANSWERS);
}

#[test]
fn anthropic_streams_end_once_and_leave_no_block_open() {
    run(targets::fuzz_anthropic_stream, seeds::ANTHROPIC_STREAMS);
}

#[test]
fn chat_streams_end_once_and_leave_no_block_open() {
    run(targets::fuzz_chat_stream, seeds::CHAT_STREAMS);
}

#[test]
fn configs_of_any_shape_are_read_or_refused() {
    run(targets::fuzz_config, seeds::CONFIGS);
}

#[test]
fn key_files_identities_and_recipients_of_any_content_are_read_or_refused() {
    run(targets::fuzz_key_file, seeds::KEY_FILES);
}
