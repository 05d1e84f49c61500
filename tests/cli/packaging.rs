//! What packages are made of: the Debian one is built of the program under test and unpacked; the others, which nothing here can
//! build, are held against the tree.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use aimux::config::DEFAULT_PORT;

use super::{assert_exit, stderr, stdout};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(name: &str) -> String {
    std::fs::read_to_string(root().join(name)).unwrap()
}

#[test]
fn the_debian_package_has_what_is_needed_and_runs() {
    let folder = tempfile::tempdir().unwrap();
    let made = Command::new(root().join("packaging/deb")).arg(assert_cmd::cargo::cargo_bin("aimux")).arg(folder.path()).output().unwrap();
    assert_exit(&made, 0);
    let package = stdout(&made).trim().to_owned();
    let dpkg = |args: &[&str]| {
        let output = Command::new("dpkg-deb").args(args).output().unwrap();
        assert_exit(&output, 0);
        stdout(&output)
    };
    assert_eq!(dpkg(&["--field", &package, "Package"]).trim(), "aimux");
    assert_eq!(dpkg(&["--field", &package, "Version"]).trim(), env!("CARGO_PKG_VERSION"));
    let listed = dpkg(&["--contents", &package]);
    for (mode, path) in [
        ("-rwxr-xr-x root/root", "./usr/bin/aimux"),
        ("-rw-r--r-- root/root", "./usr/share/man/man1/aimux.1.gz"),
        ("-rw-r--r-- root/root", "./usr/share/man/man1/aimux-keys-rotate.1.gz"),
        ("-rw-r--r-- root/root", "./usr/share/bash-completion/completions/aimux"),
        ("-rw-r--r-- root/root", "./usr/share/zsh/vendor-completions/_aimux"),
        ("-rw-r--r-- root/root", "./usr/share/fish/vendor_completions.d/aimux.fish"),
        ("-rw-r--r-- root/root", "./usr/share/doc/aimux/copyright"),
    ] {
        assert!(listed.lines().any(|line| line.starts_with(mode) && line.ends_with(path)), "{mode} {path}: {listed}");
    }
    assert!(listed.lines().all(|line| line.contains(" root/root ")), "{listed}");
    let unpacked = folder.path().join("unpacked");
    dpkg(&["--extract", &package, unpacked.to_str().unwrap()]);
    let output =
        Command::new(unpacked.join("usr/bin/aimux")).env("HOME", folder.path()).args(["route", "--demo", "hello"]).output().unwrap();
    assert_exit(&output, 0);
    assert!(stdout(&output).contains("You said: hello"));
    let wrong = Command::new(root().join("packaging/deb")).output().unwrap();
    assert_exit(&wrong, 64);
    assert!(stderr(&wrong).contains("usage:"));
}

#[test]
fn the_container_file_and_the_formula_name_what_there_is() {
    let container = read("packaging/Dockerfile");
    let rust = read("Cargo.toml").lines().find_map(|line| Some(line.strip_prefix("rust-version = \"")?.trim_end_matches('"').to_owned()));
    assert!(container.contains(&format!("/rust:{}-slim", rust.unwrap())), "the Rust that Cargo.toml asks for");
    let last = container.split("\nFROM ").last().unwrap();
    let at = |words: &str| last.find(words).unwrap_or_else(|| panic!("no {words}"));
    assert!(at("useradd") < at("\nUSER aimux") && at("\nUSER aimux") < at("\nENTRYPOINT [\"aimux\"]"), "it serves as no root");
    for words in
        ["EXPOSE PORT", "LISTEN=0.0.0.0:PORT", "http://127.0.0.1:PORT/readyz"].map(|words| words.replace("PORT", &DEFAULT_PORT.to_string()))
    {
        assert!(last.contains(&words), "{words}");
    }
    let variables = last.lines().find_map(|line| line.strip_prefix("ENV ")).unwrap().split(' ').filter_map(|pair| pair.split_once('='));
    let home = tempfile::tempdir().unwrap();
    let mut server = super::aimux(home.path());
    server.arg("serve").envs(variables).env("AIMUX_SERVER__LISTEN", "0.0.0.0:0").env("ANTHROPIC_API_KEY", "k");
    let mut server = server.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut said = String::new();
    BufReader::new(server.stdout.as_mut().unwrap()).read_line(&mut said).unwrap();
    let port = said.trim().rsplit(':').next().unwrap_or_default().to_owned();
    let health = last.split("CMD [").nth(1).and_then(|rest| rest.split(']').next()).unwrap().replace(&DEFAULT_PORT.to_string(), &port);
    let words: Vec<&str> = health.split('"').filter(|word| !word.trim().is_empty() && word.trim() != ",").collect();
    let asked = Command::new(words[0]).args(&words[1..]).output();
    server.kill().unwrap();
    server.wait().unwrap();
    assert!(asked.unwrap().status.success(), "{health}: {said}");
    let formula = read("packaging/aimux.rb");
    for place in formula.split('"').filter(|text| text.starts_with("completions/")) {
        assert!(root().join(place).is_file(), "{place}");
    }
    assert_eq!(formula.matches("completions/").count(), 3);
    let license = read("Cargo.toml").contains("license = \"MIT OR Apache-2.0\"");
    assert!(license && formula.contains(r#"license any_of: ["MIT", "Apache-2.0"]"#));
    assert!(formula.contains(&format!("desc \"{}\"", env!("CARGO_PKG_DESCRIPTION"))));
}
