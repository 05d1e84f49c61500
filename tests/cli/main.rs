//! The commands, as their users run them: exit codes, and every word that they read.
//!
//! `config` compares whole outputs with files beside it; `keys` opens what aimux wrote with the `age` program and the other way round.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod audit;
mod authority;
mod bench;
mod completions;
mod config;
mod config_files;
mod config_show;
mod doctor;
mod env;
mod generate;
mod install;
mod key_commands;
mod key_identities;
mod key_mistakes;
mod key_plugins;
mod keys;
mod keys_scan;
mod keys_share;
mod keys_test;
mod ledger;
mod login;
mod logs;
mod models;
mod operator;
mod packaging;
mod pages;
mod provider;
mod real_clients;
mod rotate;
mod route;
mod service;
#[path = "../gateway/terminal.rs"]
#[allow(dead_code, reason = "what the screen's tests need more stands there")]
mod terminal;
mod usage;
mod validate;

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// The program in a home of its own, with nothing of this machine's environment.
fn aimux(home: &Path) -> Command {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin("aimux"));
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", home).current_dir(home).stdin(Stdio::null());
    command
}

/// Runs a command with `input` on standard input.
fn feed(mut command: Command, input: &str) -> Output {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // A command that wants no input may have ended already.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Fails unless the command ended with `code`.
fn assert_exit(output: &Output, code: i32) {
    assert_eq!(output.status.code(), Some(code), "stdout: {}\nstderr: {}", stdout(output), stderr(output));
}
