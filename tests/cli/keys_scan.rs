//! `aimux keys scan`: keys in files and in git's history.

use std::path::Path;
use std::process::{Command, Output};

use super::{aimux, assert_exit, stderr, stdout};

/// Made up, in the form of OpenRouter's and of Groq's keys; in halves, so that this file is clean.
fn keys() -> (String, String) {
    let hex = "0f1e2d3c4b5a69788796a5b4c3d2e1f0";
    let body = "9aZbY8cXdW7eVfU6gTh5SiRj4QkPl3OmNn2MoLp1KqJr0IsHtGuF";
    (["sk-or", "-v1-", hex, &hex.chars().rev().collect::<String>()].concat(), ["gsk", "_", body].concat())
}

fn scan(folder: &Path, args: &[&str]) -> Output {
    aimux(folder).args(["keys", "scan"]).args(args).output().unwrap()
}

fn git(folder: &Path, args: &[&str]) {
    let mut git = Command::new("git");
    git.args(["-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "init.defaultBranch=main"]).args(args);
    let output = git.current_dir(folder).env("HOME", folder).env("GIT_CONFIG_NOSYSTEM", "1").output().unwrap();
    assert!(output.status.success(), "git {args:?}: {}", stderr(&output));
}

fn write(folder: &Path, name: &str, text: &str) {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

/// A repository with a key in a file, one in an ignored file, and one that a commit brought and another took away.
pub(super) fn repository() -> tempfile::TempDir {
    let (router, groq) = keys();
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    git(root, &["init", "-q"]);
    write(root, ".gitignore", ".env\n");
    write(root, "old.py", "one\n");
    git(root, &["add", "."]);
    git(root, &["commit", "-qm", "first"]);
    write(root, "old.py", &format!("one\n++ two\nKEY = '{groq}'\n"));
    git(root, &["commit", "-qam", "oops"]);
    write(root, "old.py", "one\n");
    git(root, &["commit", "-qam", "clean"]);
    write(root, ".env", &format!("A={router}\n"));
    write(root, "src/a b.js", &format!("let x = 1;\nlet ü = \"{router}\"; // {router}\n"));
    write(root, "src/allowed.js", &format!("let y = \"{router}\"; // aimux:allow\n"));
    write(root, "src/allowed.py", &format!("y = \"{router}\"  # aimux: allow\n"));
    write(root, "binary", &format!("\0{router}\n"));
    folder
}

#[test]
fn keys_of_files_and_of_history_are_found_and_masked() {
    let folder = repository();
    let (router, groq) = keys();
    let output = scan(folder.path(), &[]);
    assert_exit(&output, 1);
    let said = stdout(&output);
    assert!(!said.contains(&router) && !said.contains(&groq), "{said}");
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines[0], "src/a b.js:2:10: openrouter key sk-o…f0".replace("f0", &router[router.len() - 2..]));
    assert!(lines[1].starts_with("old.py:3:8: groq key gsk_…uF (commit "), "{said}");
    assert_eq!(lines[2], "2 keys in 6 files and 3 commits");
    assert_exit(&scan(folder.path(), &["--no-history", "old.py"]), 0);
    let output = scan(folder.path(), &["--no-history"]);
    assert!(stdout(&output).contains("1 key in 6 files and 0 commits"), "{}", stdout(&output));
    let output = scan(folder.path(), &["src"]);
    assert!(stdout(&output).starts_with("a b.js:2:10: openrouter"), "{}", stdout(&output));
}

#[test]
fn programs_read_json_and_sarif() {
    let folder = repository();
    let (router, groq) = keys();
    for args in [&["--json"][..], &["--format", "json"], &["--format", "sarif"]] {
        let output = scan(folder.path(), args);
        assert_exit(&output, 1);
        let text = stdout(&output);
        assert!(!text.contains(&router) && !text.contains(&groq) && stderr(&output).is_empty(), "{text}");
        let told: serde_json::Value = serde_json::from_str(&text).unwrap();
        if args.contains(&"sarif") {
            let run = &told["runs"][0];
            assert_eq!((told["version"].as_str(), run["results"].as_array().unwrap().len()), (Some("2.1.0"), 2));
            let place = &run["results"][0]["locations"][0]["physicalLocation"];
            assert_eq!(place["artifactLocation"]["uri"], "src/a%20b.js");
            assert_eq!(place["region"], serde_json::json!({ "startLine": 2, "startColumn": 10 }));
            let rules: Vec<&str> =
                run["tool"]["driver"]["rules"].as_array().unwrap().iter().filter_map(|rule| rule["id"].as_str()).collect();
            assert_eq!(rules, ["key/groq", "key/openrouter"]);
        } else {
            assert_eq!(told["findings"][0]["path"], "src/a b.js");
            assert_eq!(told["findings"][1]["commit"].as_str().unwrap().len(), 40);
        }
    }
}

#[test]
fn a_clean_tree_is_silent_but_for_what_was_looked_at() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "a.txt", "nothing\n");
    let output = scan(folder.path(), &[]);
    assert_exit(&output, 0);
    assert_eq!(stdout(&output), "0 keys in 1 files and 0 commits\nnote: no git repository: all files were looked at, and no history\n");
    assert_exit(&scan(folder.path(), &["nowhere"]), 64);
}

#[test]
fn without_git_it_says_so_and_looks_at_the_files() {
    let folder = repository();
    let output = aimux(folder.path()).args(["keys", "scan"]).env("PATH", "").output().unwrap();
    assert_exit(&output, 1);
    let said = stdout(&output);
    assert!(said.contains("note: git could not be run") && said.contains(".env:1:3: openrouter"), "{said}");
}

#[test]
fn a_repository_cannot_make_the_scan_run_its_programs() {
    let folder = repository();
    let trap = "sh -c 'touch trapped'";
    let config = format!(
        "[core]\n\trepositoryformatversion = 0\n\tfsmonitor = \"{trap}\"\n\tpager = \"{trap}\"\n[diff]\n\texternal = \"{trap}\"\n[diff \"trap\"]\n\ttextconv = \"{trap}\"\n\tcommand = \"{trap}\"\n[log]\n\tshowSignature = true\n[gpg]\n\tprogram = \"{trap}\"\n"
    );
    write(folder.path(), ".git/config", &config);
    write(folder.path(), ".gitattributes", "* diff=trap\n");
    let output = scan(folder.path(), &[]);
    assert_exit(&output, 1);
    assert!(stdout(&output).contains("2 keys in"), "{}", stdout(&output));
    assert!(!folder.path().join("trapped").exists());
}

#[test]
fn a_baseline_accepts_what_is_known_and_nothing_else() {
    let folder = repository();
    let (router, groq) = keys();
    let written = scan(folder.path(), &["--write-baseline", "known"]);
    assert_exit(&written, 0);
    assert!(stdout(&written).starts_with("wrote known: it accepts 2 keys"), "{}", stdout(&written));
    let text = std::fs::read_to_string(folder.path().join("known")).unwrap();
    assert!(!text.contains(&router) && !text.contains(&groq) && text.contains("src/a b.js  openrouter sk-o"), "{text}");
    let output = scan(folder.path(), &["--baseline", "known"]);
    assert_exit(&output, 0);
    assert_eq!(stdout(&output), "0 keys in 7 files and 3 commits, besides 2 that are accepted\n");
    // A line that moves is the same finding; the key in another file is not, nor is another key there.
    write(folder.path(), "src/a b.js", &format!("\n\nlet y = 2;\nlet ü = \"{router}\";\n"));
    assert_exit(&scan(folder.path(), &["--baseline", "known"]), 0);
    write(folder.path(), "src/c.js", &format!("let z = \"{router}\";\n"));
    let output = scan(folder.path(), &["--baseline", "known"]);
    assert_exit(&output, 1);
    assert!(stdout(&output).starts_with("src/c.js:1:10: openrouter key"), "{}", stdout(&output));
    std::fs::remove_file(folder.path().join("src/c.js")).unwrap();
    write(folder.path(), "src/a b.js", "let x = 1;\n");
    let output = scan(folder.path(), &["--baseline", "known", "--json"]);
    assert_exit(&output, 0);
    assert_eq!(stderr(&output), "note: 1 lines of the baseline fit nothing any more\n");
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&json["accepted"], &json["findings"]), (&1.into(), &serde_json::json!([])));
    write(folder.path(), "known", "nonsense\n");
    let output = scan(folder.path(), &["--baseline", "known"]);
    assert_exit(&output, 64);
    assert!(stderr(&output).contains("line 1 of known begins with no fingerprint"), "{}", stderr(&output));
}

/// What CI would say of this repository.
#[test]
fn this_repository_holds_no_key_but_known_test_data() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let home = tempfile::tempdir().unwrap();
    let output =
        aimux(home.path()).args(["keys", "scan", "--baseline", "tests/fixtures/scan-baseline"]).current_dir(root).output().unwrap();
    assert_exit(&output, 0);
}
