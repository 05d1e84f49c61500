//! The JSON Schema, and reports against the published schemas of SARIF and JUnit, judged by validators that are not ours:
//! Python's `jsonschema` and npm's, which `tests/run` installs.

use std::path::Path;
use std::process::Command;

use super::{aimux, assert_exit, stdout};

/// Checks the schema itself, then that each document passes or fails as its name says.
const JUDGE: &str = r#"
import glob, json, sys
from jsonschema import Draft202012Validator
schema = json.load(open("schema.json"))
assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
Draft202012Validator.check_schema(schema)
judge = Draft202012Validator(schema)
for name in sorted(glob.glob("*.doc")):
    faults = ["/".join(map(str, fault.path)) + ": " + fault.message[:200] for fault in judge.iter_errors(json.load(open(name)))]
    if bool(faults) != name.startswith("bad"):
        sys.exit(name + ": " + "; ".join(faults or ["it passes"]))
undocumented = [name for name, field in schema["properties"].items() if not field.get("description")]
assert not undocumented, undocumented
print("judged", len(glob.glob("*.doc")))
"#;

#[test]
fn the_schema_is_one_and_the_examples_pass_it() {
    let python = std::env::var_os("AIMUX_TEST_PY").expect("AIMUX_TEST_PY is set by tests/run");
    let home = tempfile::tempdir().unwrap();
    let put = |name: &str, text: &str| std::fs::write(home.path().join(name), text).unwrap();
    put("schema.json", &stdout(&aimux(home.path()).args(["config", "schema"]).output().unwrap()));
    let document = |name: &str, yaml: &str| {
        let value: serde_json::Value = serde_yaml::from_str(yaml).unwrap_or_else(|error| panic!("{name}: {error}"));
        put(&format!("{name}.doc"), &value.to_string());
    };
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for entry in std::fs::read_dir(root.join("examples")).unwrap() {
        let path = entry.unwrap().path();
        document(path.file_stem().unwrap().to_str().unwrap(), &std::fs::read_to_string(&path).unwrap());
    }
    let made = aimux(home.path()).env("ANTHROPIC_API_KEY", "sk-0").args(["config", "init", "--yes", "--dry-run"]).output().unwrap();
    document("init", &stdout(&made));
    for (name, yaml) in [
        ("bad_version", "version: 2\nproviders: { ollama: {} }"),
        ("bad_key", "version: 1\nproviders: { ollama: {} }\nserver: { lisen: x }"),
        ("bad_number", "version: 1\nproviders: { ollama: {} }\nlimits: { body_mb: 0 }"),
        ("bad_providers", "version: 1\nproviders: {}"),
        ("bad_target", "version: 1\nproviders: { ollama: {} }\nmodels: { a: [] }"),
    ] {
        document(name, yaml);
    }
    let judged = Command::new(python).args(["-c", JUDGE]).current_dir(home.path()).output().unwrap();
    assert!(judged.status.success(), "{}{}", stdout(&judged), String::from_utf8_lossy(&judged.stderr));
    assert!(stdout(&judged).starts_with("judged 1"), "{}", stdout(&judged));
}

#[test]
fn sarif_and_junit_are_what_their_schemas_ask_for() {
    let packages = std::env::var_os("AIMUX_TEST_SCHEMAS").expect("AIMUX_TEST_SCHEMAS, which tests/run sets");
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let home = tempfile::tempdir().unwrap();
    let report = |format: &str, words: &[&str]| {
        let mut command = aimux(home.path());
        command.args(["config", "validate", "--format", format]).args(words).env("SET_KEY", "sk-0123456789");
        let output = command.env("AIMUX_SERVER__LISTEN", "nowhere").current_dir(root.join("tests/cli/config")).output().unwrap();
        let path = home.path().join(format);
        std::fs::write(&path, stdout(&output)).unwrap();
        path
    };
    let check = |sarif: &Path, junit: &Path| {
        let mut node = Command::new("node");
        node.arg(root.join("tests/cli/schemas.mjs")).arg(&packages).arg(sarif).arg(junit).output().unwrap()
    };
    let all: Vec<String> = std::fs::read_dir(root.join("tests/cli/config"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".yaml"))
        .collect();
    let all: Vec<&str> = all.iter().map(String::as_str).chain(["absent file.yaml"]).collect();
    for words in [&all[..], &["fine_small.yaml"], &["twenty_five.yaml"]] {
        let (sarif, junit) = (report("sarif", words), report("junit", words));
        assert_exit(&check(&sarif, &junit), 0);
    }
    // The check itself can fail.
    let (sarif, junit) = (report("sarif", &["twenty_five.yaml"]), report("junit", &["twenty_five.yaml"]));
    for (path, from, to) in [(&sarif, "\"startLine\"", "\"beginLine\""), (&junit, " tests=", " test=")] {
        let text = std::fs::read_to_string(path).unwrap();
        std::fs::write(path, text.replace(from, to)).unwrap();
        assert_exit(&check(&sarif, &junit), 1);
        std::fs::write(path, text).unwrap();
    }
}

#[test]
fn a_scans_sarif_is_what_its_schema_asks_for() {
    let packages = std::env::var_os("AIMUX_TEST_SCHEMAS").expect("AIMUX_TEST_SCHEMAS, which tests/run sets");
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let check = |sarif: &Path| Command::new("node").arg(root.join("tests/cli/schemas.mjs")).arg(&packages).arg(sarif).output().unwrap();
    let folder = super::keys_scan::repository();
    let sarif = folder.path().with_extension("sarif");
    for (args, findings) in [(&["--format", "sarif"][..], 2), (&["--format", "sarif", "--no-history", "old.py"], 0)] {
        let output = aimux(folder.path()).args(["keys", "scan"]).args(args).output().unwrap();
        assert_eq!(stdout(&output).matches("\"ruleId\"").count(), findings, "{}", stdout(&output));
        std::fs::write(&sarif, stdout(&output)).unwrap();
        assert_exit(&check(&sarif), 0);
    }
    // The check itself can fail.
    std::fs::write(&sarif, std::fs::read_to_string(&sarif).unwrap().replace("\"results\"", "\"result\"")).unwrap();
    assert_exit(&check(&sarif), 1);
    std::fs::remove_file(sarif).unwrap();
}

/// What a stranger does first, from beginning to end: installs, looks what is missing, lets the unmodified Claude Code ask the built-in
/// model, and takes it all away again.
#[test]
fn in_an_empty_root_claude_code_asks_the_demo_of_an_installed_aimux() {
    let claude = std::env::var("AIMUX_TEST_CLAUDE").expect("AIMUX_TEST_CLAUDE, which tests/run sets");
    let claude = std::fs::canonicalize(claude).unwrap();
    let script = r#"
        /checkout/install.sh --from /program --sha256 "$SUM"
        PATH=$HOME/.local/bin:/claude:$PATH
        aimux doctor --json || [ $? = 2 ] || exit 9
        echo "== claude"
        aimux run --demo claude -- -p 'Good morning, who are you?' --output-format json
        echo "== left"
        ps -A -o comm= 2>/dev/null | grep -x aimux || echo "no aimux runs"
        /checkout/install.sh --uninstall
        find "$HOME/.local" "$HOME/.config" | grep -v /state/
    "#;
    let more = ["--ro-bind", claude.to_str().unwrap(), "/claude/claude", "--setenv", "DISABLE_AUTOUPDATER", "1"];
    let output =
        super::install::in_an_empty_root(script, &[&more[..], &["--setenv", "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1"]].concat());
    let (said, complained) = (stdout(&output), super::stderr(&output));
    assert!(output.status.success(), "{said}{complained}");
    let (doctor, rest) = said.split_once("== claude\n").unwrap();
    let (asked, left) = rest.split_once("== left\n").unwrap();
    let json: serde_json::Value = serde_json::from_str(&doctor[doctor.find('{').unwrap()..]).unwrap();
    let red: Vec<&serde_json::Value> = json["findings"].as_array().unwrap().iter().filter(|finding| finding["level"] == "error").collect();
    assert!(red.len() == 1 && red[0].to_string().contains("no provider's key at hand"), "{json:#}");
    let answer: serde_json::Value = serde_json::from_str(asked.trim()).unwrap_or_else(|_| panic!("{asked}{complained}"));
    assert!(answer["is_error"] == false && answer["result"].as_str().unwrap().contains("Good morning"), "{answer:#}");
    assert!(left.contains("no aimux runs") && left.contains("aimux is gone from"), "{left}");
    assert!(!left.contains("bin") && !left.contains("share"), "{left}");
}

#[test]
fn a_benchs_junit_is_what_its_schema_asks_for() {
    let packages = std::env::var_os("AIMUX_TEST_SCHEMAS").expect("AIMUX_TEST_SCHEMAS, which tests/run sets");
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let home = tempfile::tempdir().unwrap();
    let junit = home.path().join("out.xml");
    let check = || {
        let mut node = Command::new("node");
        node.arg(root.join("tests/cli/schemas.mjs")).arg(&packages).arg("-").arg(&junit).output().unwrap()
    };
    let bench = |args: &[&str]| {
        let args = [&["bench", "-n", "8", "--junit", "out.xml", "--json"], args].concat();
        let output = aimux(home.path()).args(args).output().unwrap();
        assert_exit(&check(), 0);
        output
    };
    let first = bench(&["--demo"]);
    std::fs::write(home.path().join("before.json"), stdout(&first)).unwrap();
    // With a threshold that is met, one that is not, and a comparison.
    let all = ["--demo", "--baseline", "before.json", "--threshold", "ttft.p99<60s", "--threshold", "ttft.p50<1us"];
    assert_exit(&bench(&all), 1);
    assert!(std::fs::read_to_string(&junit).unwrap().contains("<failure "));
    assert_exit(&bench(&["--self", "ready"]), 0);
    // The check itself can fail.
    std::fs::write(&junit, std::fs::read_to_string(&junit).unwrap().replace(" tests=", " test=")).unwrap();
    assert_exit(&check(), 1);
}
