//! The rules about the shape of the source that the compiler does not check.
//!
//! Each rule reads `src/` as text with comments, strings and test modules blanked out. Start at [`FLOORS`].
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod source;

use source::{Source, all_sources, tracked_texts};
use std::collections::BTreeSet;

/// The floors of the top-level modules. A module imports from strictly lower floors, and those at the bottom from nothing.
const FLOORS: &[(usize, &[&str])] = &[
    (0, &["error", "secret", "date", "random", "trust", "wire"]),
    (1, &["chat", "database"]),
    (2, &["dialect"]),
    (3, &["provider", "keys", "ledger", "history", "audit", "telemetry"]),
    (4, &["route"]),
    (5, &["config"]),
    (6, &["upstream", "demo"]),
    (7, &["server", "mcp"]),
    (8, &["cli"]),
    (9, &["main"]),
];

/// A file of `src/` is split before it gets longer.
const LINES_MAX: usize = 900;

fn floor(module: &str) -> Option<usize> {
    FLOORS.iter().find(|(_, names)| names.contains(&module)).map(|(floor, _)| *floor)
}

fn report(rule: &str, faults: &[String]) {
    assert!(faults.is_empty(), "{rule}:\n  {}", faults.join("\n  "));
}

/// What in `source` breaks the order of the floors.
fn floor_faults(source: &Source) -> Vec<String> {
    let Some(module) = source.top_module() else { return Vec::new() };
    let Some(own) = floor(&module) else { return vec![format!("{}: `{module}` stands on no floor", source.name)] };
    let wrong = |target: &str| target != module && floor(target).is_some_and(|other| other >= own);
    source
        .crate_paths()
        .into_iter()
        .filter(|(_, target)| wrong(target))
        .map(|(line, target)| format!("{}:{line}: `{module}` [{own}] imports `{target}`, which is not below it", source.name))
        .collect()
}

/// Where `source`, outside its tests, holds one of `words`.
fn word_faults(source: &Source, words: &[&str]) -> Vec<String> {
    let mut faults = Vec::new();
    for (index, line) in source.code.lines().enumerate() {
        for word in words.iter().filter(|word| source::has_word(line, word)) {
            faults.push(format!("{}:{}: `{word}`", source.name, index + 1));
        }
    }
    faults
}

#[test]
fn modules_import_only_from_lower_floors() {
    let faults: Vec<String> = all_sources().iter().flat_map(floor_faults).collect();
    report("a module imports only from lower floors (docs/architecture.md)", &faults);
}

#[test]
fn only_the_cli_prints_reads_the_environment_and_exits() {
    let words = [
        "println!",
        "eprintln!",
        "print!",
        "eprint!",
        "io::stdout(",
        "io::stderr(",
        "std::env::",
        "env::var",
        "env::args",
        "process::exit",
    ];
    let faults: Vec<String> =
        all_sources().iter().filter(|source| !source.is_cli()).flat_map(|source| word_faults(source, &words)).collect();
    report("only `cli` prints, reads argv or the environment, and exits", &faults);
}

#[test]
fn nothing_outside_tests_panics_on_purpose() {
    let words = [".unwrap()", ".expect(", ".unwrap_err()", ".expect_err(", "panic!", "todo!", "unimplemented!", "dbg!"];
    let faults: Vec<String> = all_sources().iter().flat_map(|source| word_faults(source, &words)).collect();
    report("errors are values", &faults);
}

/// The files of the asynchronous floors that may wait in the kernel, and why.
const BLOCKING: &[(&str, &str)] = &[
    ("upstream/reach.rs", "`aimux doctor` asks by it, without a runtime; the name is looked up in a thread of its own"),
    ("upstream/certificate.rs", "the same, for a handshake of its own"),
    ("server/control/client.rs", "the command line's half"),
    ("server/control/place.rs", "the command line's half, and what happens once before the server runs"),
    ("server/control/mod.rs", "what happens once before the server runs, and when it ends"),
    ("server/port_owner.rs", "only where the address cannot be bound"),
    ("server/token.rs", "read before the server runs"),
    ("server/redirect.rs", "a table of the kernel's, in the command that logs in; `serve` has no such address"),
    ("server/memory.rs", "before the server runs, and under `spawn_blocking`"),
    ("server/workers.rs", "the threads wait for nothing but their own runtime's work"),
    ("server/handover.rs", "before the new server runs, and under `spawn_blocking` in the old one"),
    ("server/sockets.rs", "once, before the server runs"),
    ("upstream/renew.rs", "a command's own refresh; the server's runs on a blocking thread"),
];

#[test]
fn what_serves_requests_never_waits_in_the_kernel() {
    let words = [
        "std::fs",
        "fs::read",
        "File::open",
        "std::net::TcpStream",
        "UnixStream::connect",
        "thread::sleep",
        "block_on(",
        "to_socket_addrs",
        "Command::new",
    ];
    let is_async = |name: &str| ["server/", "upstream/", "demo/"].iter().any(|floor| name.starts_with(floor));
    let sources = all_sources();
    let watched = sources.iter().filter(|source| is_async(&source.name) && !source.name.contains("tests"));
    let faults: Vec<String> = watched
        .filter(|source| BLOCKING.iter().all(|(name, _)| *name != source.name))
        .flat_map(|source| word_faults(source, &words))
        .collect();
    report("no blocking call on the runtime (`spawn_blocking`, or before the server runs)", &faults);
    for (name, reason) in BLOCKING {
        assert!(sources.iter().any(|source| source.name == *name) && !reason.is_empty(), "{name} is gone from the source");
    }
}

/// The encoders.
const ENCODERS: &[&str] = &[
    "anthropic/citation.rs",
    "anthropic/history.rs",
    "anthropic/media.rs",
    "anthropic/messages_out.rs",
    "anthropic/request_out.rs",
    "anthropic/response_out.rs",
    "anthropic/stream_out.rs",
    "anthropic/thinking.rs",
    "anthropic/tools_out.rs",
    "openai_chat/annotation.rs",
    "openai_chat/messages_out.rs",
    "openai_chat/request_out.rs",
    "openai_chat/response_out.rs",
    "openai_chat/stream_out.rs",
    "openai_chat/thinking_out.rs",
    "openai_chat/tools_out.rs",
];

#[test]
fn encoders_name_every_field_that_they_take_apart() {
    let sources = all_sources();
    let found: Vec<_> = ENCODERS.iter().filter_map(|name| sources.iter().find(|source| source.name == format!("dialect/{name}"))).collect();
    assert_eq!(found.len(), ENCODERS.len(), "an encoder is gone from the source");
    let mut faults = Vec::new();
    for source in found {
        // A struct update has a value behind the dots; a pattern that leaves fields out has the brace.
        for (at, _) in source.code.match_indices("..").filter(|(at, _)| source.code[at + 2..].trim_start().starts_with('}')) {
            faults.push(format!("{}:{}", source.name, source.code[..at].lines().count()));
        }
        // A field that is read where it stands does not stop the build when another comes.
        faults.extend(word_faults(source, &["request.", "turn.", "sampling."]));
    }
    report("an encoder takes apart without `..`: a new field must stop the build", &faults);
}

#[test]
fn every_relaxed_lint_has_a_reason() {
    let faults: Vec<String> = all_sources().iter().flat_map(Source::relaxations_without_reason).collect();
    report("`#[allow]` and `#[expect]` say why", &faults);
}

#[test]
fn every_file_is_reached_from_the_root() {
    let sources = all_sources();
    let mut reached: BTreeSet<String> = ["lib.rs", "main.rs"].map(str::to_owned).into();
    let mut queue: Vec<String> = reached.iter().cloned().collect();
    while let Some(name) = queue.pop() {
        let Some(source) = sources.iter().find(|source| source.name == name) else { continue };
        for child in source.child_candidates() {
            if sources.iter().any(|other| other.name == child) && reached.insert(child.clone()) {
                queue.push(child);
            }
        }
    }
    let lost: Vec<String> = sources.iter().map(|source| source.name.clone()).filter(|name| !reached.contains(name)).collect();
    report("a `mod` line leads to every file", &lost);
}

#[test]
fn no_file_is_too_long() {
    let long = |source: &Source| source.text.lines().count() > LINES_MAX;
    let faults: Vec<String> = all_sources().iter().filter(|source| long(source)).map(|source| source.name.clone()).collect();
    report("a file over 900 lines is two files", &faults);
}

#[test]
fn every_file_says_first_what_it_is_for() {
    let silent = |source: &Source| !source.text.starts_with("//!");
    let faults: Vec<String> = all_sources().iter().filter(|source| silent(source)).map(|source| source.name.clone()).collect();
    report("a file begins with `//!`", &faults);
}

#[test]
fn no_committed_text_names_a_machine() {
    // Written in two halves so that this file passes its own test.
    let words = [concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/home/", "user"), concat!("/Us", "ers/")];
    let mut faults = Vec::new();
    for (name, text) in tracked_texts() {
        for (index, line) in text.lines().enumerate() {
            if words.iter().any(|word| line.contains(word)) {
                faults.push(format!("{name}:{}: {}", index + 1, line.trim()));
            }
        }
    }
    report("a committed file names no path of one machine", &faults);
}

#[test]
fn the_page_of_metrics_is_the_table() {
    let path = source::root().join("docs/metrics.md");
    let page = aimux::telemetry::metrics::reference();
    if std::env::var_os("AIMUX_TEST_BLESS").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let stored = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(stored == page, "docs/metrics.md is stale: run the test once with AIMUX_TEST_BLESS=1");
}

#[test]
fn the_page_of_error_codes_is_the_table() {
    let path = source::root().join("docs/error-codes.md");
    let page = aimux::error::reference();
    if std::env::var_os("AIMUX_TEST_BLESS").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let stored = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(stored == page, "docs/error-codes.md is stale: run the test once with AIMUX_TEST_BLESS=1");
}

/// What a fuzz target lacks: a program for cargo-fuzz, its entry in the manifest, or the test that runs it on stable.
fn fuzz_faults(targets: &str, manifest: &str, tests: &str, program: impl Fn(&str) -> String) -> Vec<String> {
    let names = targets.lines().filter_map(|line| line.strip_prefix("pub(crate) fn fuzz_")?.split('(').next());
    let mut faults = Vec::new();
    for name in names {
        if !program(name).contains(&format!("targets::fuzz_{name}(input)")) {
            faults.push(format!("fuzz/targets/{name}.rs does not call fuzz_{name}"));
        }
        if !manifest.contains(&format!("name = \"{name}\"\npath = \"targets/{name}.rs\"\n")) {
            faults.push(format!("fuzz/Cargo.toml has no program {name}"));
        }
        if !tests.contains(&format!("run(targets::fuzz_{name}, ")) {
            faults.push(format!("tests/fuzz/main.rs does not run fuzz_{name}"));
        }
    }
    faults
}

#[test]
fn every_fuzz_target_is_run_by_a_test_and_by_cargo_fuzz() {
    let read = |name: &str| std::fs::read_to_string(source::root().join(name)).unwrap_or_default();
    let (targets, manifest, tests) = (read("tests/fuzz/targets.rs"), read("fuzz/Cargo.toml"), read("tests/fuzz/main.rs"));
    report("a fuzz target has its wrappers", &fuzz_faults(&targets, &manifest, &tests, |name| read(&format!("fuzz/targets/{name}.rs"))));
    let programs = std::fs::read_dir(source::root().join("fuzz/targets")).unwrap().count();
    assert_eq!(programs, targets.matches("pub(crate) fn fuzz_").count(), "a program in fuzz/targets has lost its target");
    assert_eq!(fuzz_faults("pub(crate) fn fuzz_new(input: &[u8]) {", &manifest, &tests, |_| String::new()).len(), 3);
}

#[test]
fn the_rules_catch_what_they_forbid() {
    let bad = Source::new(
        "wire/bad.rs",
        "//! x\nuse crate::{error::Code, config::{self, Environment}};\nfn f() { let _ = \"crate::server\"; crate::route::plan(); super::super::chat::x(); a.unwrap() }\n",
    );
    let targets: Vec<String> = bad.crate_paths().into_iter().map(|(_, target)| target).collect();
    assert_eq!(targets, ["error", "config", "route", "chat"]);
    assert_eq!(floor_faults(&bad).len(), 4, "wire imports nothing, not even error");
    assert_eq!(word_faults(&bad, &[".unwrap()"]).len(), 1);

    let good = Source::new(
        "server/good.rs",
        "//! x\nuse crate::config;\n// crate::cli\n#[cfg(test)]\nmod tests { use crate::cli; fn f() { a.unwrap() } }\n",
    );
    assert!(floor_faults(&good).is_empty());
    assert!(word_faults(&good, &[".unwrap()"]).is_empty());
    assert_eq!(Source::new("a.rs", "#[allow(dead_code)]\nfn f() {}").relaxations_without_reason().len(), 1);
    assert!(Source::new("a.rs", "#[allow(dead_code, reason = \"x\")]\nfn f() {}").relaxations_without_reason().is_empty());
}
