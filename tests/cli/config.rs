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
        assert!(!said.contains("panicked"), "{name}: {said}");
        assert_eq!(output.status.code(), Some(if name.starts_with("fine") || name.starts_with("warn") { 0 } else { 78 }), "{name}: {said}");
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

/// Each finding with its place, as a program reads it.
fn findings(text: &str) -> Vec<(u64, u64, String)> {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("c.yaml"), text).unwrap();
    let output = aimux(home.path()).args(["config", "validate", "--json", "c.yaml"]).output().unwrap();
    let findings: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
    let number = |value: &serde_json::Value| value.as_u64().unwrap();
    let one = |found: &serde_json::Value| (number(&found["line"]), number(&found["column"]), found["code"].as_str().unwrap().to_owned());
    findings["findings"].as_array().unwrap().iter().map(one).collect()
}

#[test]
fn findings_are_sorted_by_place_and_none_stands_twice() {
    let found = findings(&std::fs::read_to_string(folder().join("two_dozen.yaml")).unwrap());
    assert!(found.len() > 25, "{found:?}");
    assert!(found.windows(2).all(|pair| pair[0] < pair[1]), "{found:?}");
}

#[test]
fn a_variable_that_is_not_set_is_one_finding_wherever_it_stands() {
    let places = [
        "providers: { x: { dialect: openai-chat, base_url: \"${NOPE}/v1\" } }",
        "providers: { x: { dialect: openai-chat, base_url: \"http://${NOPE}:80/v1\" } }",
        "providers: { x: { preset: ollama, base_url: \"${NOPE}\" } }",
        "providers: { x: { preset: \"${NOPE}\" } }",
        "providers: { ollama: { models: [\"${NOPE}\"] } }",
        "providers: { ollama: {} }\nmodels: { a: \"${NOPE}\" }",
        "providers: { ollama: {} }\nserver: { listen: \"${NOPE}\" }",
        "providers: { ollama: {} }\nlimits: { body_mb: \"${NOPE}\" }",
        "providers: { ollama: {} }\nbreaker: ${NOPE}",
    ];
    for place in places {
        let codes: Vec<String> = findings(&format!("version: 1\n{place}\n")).into_iter().map(|found| found.2).collect();
        assert_eq!(codes, ["AIMUX-E0135"], "{place}");
    }
}

/// Exit 78 in a moment, with a word about what is wrong.
fn refused(bytes: &[u8], word: &str) {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("c.yaml"), bytes).unwrap();
    let output = aimux(home.path()).args(["config", "validate", "c.yaml"]).output().unwrap();
    assert_exit(&output, 78);
    let said = stdout(&output) + &stderr(&output);
    assert!(said.contains(word) && said.contains("= help: ") && !said.contains("panicked"), "{word}: {said}");
    assert!(said.lines().all(|line| line.chars().count() < 400) && !said.contains('\u{1b}') && !said.contains('\u{0}'), "{said:?}");
}

#[test]
fn files_that_are_no_configs_are_refused_in_a_few_clear_lines() {
    refused(&[b'a'; 10 << 20], "is larger than 1048576 bytes");
    refused(&(0..=255).collect::<Vec<u8>>(), "is not UTF-8");
    refused(b"\xff\xfev\0e\0r\0", "is not UTF-8");
    refused(b"\x7fELF\x02\x01\x01\0\0\0", "AIMUX-E01");
    refused(b"\x1b[31mred", "AIMUX-E01");
    refused(format!("version: 1\nproviders: {}{}", "[".repeat(5000), "]".repeat(5000)).as_bytes(), "recursion limit");
    let steps: String = (0..900).map(|depth| format!("{}a:\n", " ".repeat(depth + 1))).collect();
    refused(format!("version: 1\nproviders:\n{steps}").as_bytes(), "AIMUX-E01");
    let mut laughs = "version: 1\na: &a [x,x,x,x,x,x,x,x,x]\n".to_owned();
    for (name, of) in ["b", "c", "d", "e", "f", "g"].iter().zip(["a", "b", "c", "d", "e", "f"]) {
        laughs += &format!("{name}: &{name} [*{of},*{of},*{of},*{of},*{of},*{of},*{of},*{of},*{of}]\n");
    }
    refused(laughs.as_bytes(), "more than 50000 values");
    refused(b"version: 1\na: &a [*a]\n", "an alias inside of its own anchor");
    refused(format!("version: 1\n{}: 1\n", "k".repeat(900)).as_bytes(), "unknown key");
    refused(format!("version: 1\nproviders: {{ x: {{ preset: {} }} }}\n", "ä".repeat(100_000)).as_bytes(), "AIMUX-E0128");
}

#[test]
fn places_that_hold_no_config_are_named_with_the_reason() {
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir(home.path().join("folder")).unwrap();
    std::os::unix::fs::symlink("nowhere", home.path().join("dangling")).unwrap();
    for (name, word) in [("folder", "is a folder"), ("dangling", "No such file"), ("absent", "No such file"), ("folder/", "is a folder")] {
        let output = aimux(home.path()).args(["config", "validate", name]).output().unwrap();
        assert_exit(&output, 78);
        let said = stdout(&output);
        assert!(said.contains(name) && said.contains(word) && said.contains("= help: "), "{said}");
    }
}

#[test]
fn a_dash_is_standard_input() {
    let home = tempfile::tempdir().unwrap();
    let validate = |text: &str| {
        let mut command = aimux(home.path());
        command.args(["config", "validate", "-"]);
        super::feed(command, text)
    };
    assert_exit(&validate("version: 1\nproviders: { ollama: {} }\n"), 0);
    assert_exit(&validate("version: 2\n"), 78);
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let home = tempfile::tempdir().unwrap();
    let output = aimux(home.path()).args(["config", "validate", "absent.yaml"]).output().unwrap();
    assert_exit(&output, 78);
    assert!(stdout(&output).contains("absent.yaml") && stdout(&output).contains("AIMUX-E0104"), "{}", stdout(&output));
}

#[test]
fn the_configs_in_the_docs_and_examples_are_fine() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let mut configs = Vec::new();
    for page in ["README.md", "docs/config.md", "docs/ci.md", "docs/recipes.md", "docs/routing.md"] {
        let text = std::fs::read_to_string(root.join(page)).unwrap();
        let blocks = text.split("```yaml\n").skip(1).map(|block| block.split("```").next().unwrap().to_owned());
        configs.extend(blocks.map(|block| (page.to_owned(), block)));
    }
    for entry in std::fs::read_dir(root.join("examples")).unwrap() {
        let path = entry.unwrap().path();
        configs.push((path.display().to_string(), std::fs::read_to_string(path).unwrap()));
    }
    assert!(configs.len() >= 6, "{configs:?}");
    for (name, config) in configs {
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join("config.yaml"), config).unwrap();
        let output = aimux(home.path()).args(["config", "validate", "config.yaml"]).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{name}: {}", stdout(&output));
    }
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
