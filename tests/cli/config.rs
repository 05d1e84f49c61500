//! `aimux config validate`: one file per mistake under `config/`, its whole output beside it.

use std::path::PathBuf;

use super::{aimux, assert_exit, stderr, stdout};

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/cli/config")
}

/// The files with a config, by name.
fn cases() -> Vec<String> {
    let entries = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    let mut names: Vec<String> = entries
        .filter(|path| path.extension().is_some_and(|end| end == "yaml"))
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn each_mistake_is_explained_as_it_stands_beside_it() {
    let names = cases();
    assert!(names.len() > 8, "{names:?}");
    let mut differing = Vec::new();
    for name in names {
        let home = tempfile::tempdir().unwrap();
        std::fs::copy(folder().join(format!("{name}.yaml")), home.path().join("config.yaml")).unwrap();
        let output = aimux(home.path()).env("SET_KEY", "sk-0123456789").args(["config", "validate", "config.yaml"]).output().unwrap();
        let said = format!("exit {}\n{}{}", output.status.code().unwrap(), stdout(&output), stderr(&output));
        let path = folder().join(format!("{name}.out"));
        if std::env::var_os("AIMUX_TEST_BLESS").is_some() {
            std::fs::write(&path, &said).unwrap();
        }
        let expected = std::fs::read_to_string(&path).unwrap_or_default();
        if said != expected {
            differing.push(format!("{name}:\n{said}\n--- expected:\n{expected}"));
        }
        assert!(!said.contains("sk-ant-api03-0123456789abcdef"), "{name}: the output repeats a key");
        assert_eq!(output.status.code(), Some(if name.starts_with("fine") { 0 } else { 78 }), "{name}: {said}");
    }
    assert!(differing.is_empty(), "read, then accept with AIMUX_TEST_BLESS=1:\n{}", differing.join("\n"));
}

#[test]
fn json_has_a_place_and_a_code_for_each_finding() {
    let home = tempfile::tempdir().unwrap();
    std::fs::copy(folder().join("several.yaml"), home.path().join("config.yaml")).unwrap();
    let output = aimux(home.path()).args(["config", "validate", "--json", "config.yaml"]).output().unwrap();
    assert_exit(&output, 78);
    let findings: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert!(findings.to_string().contains("\"line\""), "{findings}");
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let home = tempfile::tempdir().unwrap();
    let output = aimux(home.path()).args(["config", "validate", "absent.yaml"]).output().unwrap();
    assert_exit(&output, 78);
    assert!(stderr(&output).contains("absent.yaml") && stderr(&output).contains("AIMUX-E0104"), "{}", stderr(&output));
}

#[test]
fn the_config_in_the_readme_is_fine() {
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    let config = readme.split("```yaml\n").nth(1).unwrap().split("```").next().unwrap();
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("config.yaml"), config).unwrap();
    assert_exit(&aimux(home.path()).args(["config", "validate", "config.yaml"]).output().unwrap(), 0);
}

#[test]
fn no_file_makes_it_panic() {
    let base = std::fs::read(folder().join("fine_full.yaml")).unwrap();
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("config.yaml");
    let mut seed = 0x9E37_79B9_7F4A_7C15_u64;
    let mut next = |limit: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as usize % limit
    };
    for round in 0..120 {
        let mut bytes = base.clone();
        for _ in 0..=round % 4 {
            let place = next(bytes.len());
            match next(3) {
                0 => bytes[place] = next(256) as u8,
                1 => bytes.truncate(place.max(1)),
                _ => bytes.insert(place, b"{}[]:,#&*!|>'\"%@`-\t\n"[next(20)]),
            }
        }
        std::fs::write(&path, &bytes).unwrap();
        let output = aimux(home.path()).args(["config", "validate", "config.yaml"]).output().unwrap();
        assert!(matches!(output.status.code(), Some(0 | 78)), "round {round}: {:?} {}", output.status, stderr(&output));
    }
}
