//! `aimux config validate` as CI runs it: several files, five formats, keys of a machine that has some, `--fix`.
//!
//! The formats are taken apart here by the published rules; `real_clients` holds SARIF and JUnit against their schemas.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use super::{aimux, assert_exit, feed, stderr, stdout};

const LOCAL: &str = "version: 1\nproviders: { ollama: {} }\n";
const FORMATS: [&str; 5] = ["text", "json", "github", "sarif", "junit"];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// A home with files in it.
fn home(files: &[(&str, &str)]) -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(home.path().join(name), text).unwrap();
    }
    home
}

fn command(home: &Path, words: &str) -> Command {
    let mut command = aimux(home);
    command.args(["config", "validate"]).args(words.split_whitespace());
    command
}

fn validate(home: &Path, words: &str) -> Output {
    command(home, words).output().unwrap()
}

fn json(output: &Output) -> serde_json::Value {
    serde_json::from_str(&stdout(output)).unwrap()
}

fn codes(output: &Output) -> Vec<String> {
    json(output)["findings"].as_array().unwrap().iter().map(|found| found["code"].as_str().unwrap()[6..].to_owned()).collect()
}

/// What a format says of one finding: code, severity, file, line, column.
type Told = (String, String, String, u64, u64);

fn told(format: &str, output: &Output) -> Vec<Told> {
    let text = stdout(output);
    match format {
        "text" => told_by_text(&text),
        "json" => json(output)["findings"]
            .as_array()
            .unwrap()
            .iter()
            .map(|found| {
                let word = |name: &str| found[name].as_str().unwrap().to_owned();
                let number = |name: &str| found[name].as_u64().unwrap();
                assert!(!word("message").is_empty() && !word("help").is_empty() && !word("title").is_empty());
                assert!((number("end_line"), number("end_column")) > (number("line"), number("column")), "{found}");
                (word("code"), word("severity"), word("file"), number("line"), number("column"))
            })
            .collect(),
        "github" => text.lines().map(told_by_command).collect(),
        "sarif" => told_by_sarif(&text),
        "junit" => told_by_junit(&text),
        other => panic!("{other}"),
    }
}

/// A file that cannot be read has no line, and is left out here.
fn told_by_text(text: &str) -> Vec<Told> {
    let lines: Vec<&str> = text.lines().collect();
    let heads = lines.windows(2).filter(|pair| pair[1].trim_start().starts_with("--> "));
    heads
        .filter_map(|pair| {
            let (severity, rest) = pair[0].split_once('[').unwrap();
            let place = pair[1].trim_start().trim_start_matches("--> ").split(" (").next().unwrap();
            let mut parts = place.rsplitn(3, ':');
            let (column, line) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
            Some((rest.split(']').next()?.to_owned(), severity.to_owned(), parts.next()?.to_owned(), line, column))
        })
        .collect()
}

/// A line as GitHub's runner takes it apart.
fn told_by_command(line: &str) -> Told {
    let (head, message) = line.strip_prefix("::").unwrap().split_once("::").unwrap();
    let (severity, properties) = head.split_once(' ').unwrap();
    let unescaped = |text: &str| text.replace("%0D", "\r").replace("%0A", "\n").replace("%3A", ":").replace("%2C", ",").replace("%25", "%");
    let pairs: Vec<(&str, String)> =
        properties.split(',').map(|pair| pair.split_once('=').unwrap()).map(|(name, value)| (name, unescaped(value))).collect();
    let get = |wanted: &str| pairs.iter().find(|(name, _)| *name == wanted).map(|(_, value)| value.clone()).unwrap_or_default();
    let known = ["file", "line", "col", "endLine", "endColumn", "title"];
    assert!(
        pairs.iter().all(|(name, _)| known.contains(name)) && !message.is_empty() && ["error", "warning"].contains(&severity),
        "{line}"
    );
    // The runner refuses columns where the lines differ.
    assert!(get("line") == get("endLine") || get("col").is_empty(), "{line}");
    let column = get("col").parse().unwrap_or(1);
    (get("title").split(':').next().unwrap().to_owned(), severity.to_owned(), get("file"), get("line").parse().unwrap(), column)
}

fn told_by_sarif(text: &str) -> Vec<Told> {
    let log: serde_json::Value = serde_json::from_str(text).unwrap();
    assert_eq!(log["version"], "2.1.0");
    let run = &log["runs"][0];
    let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
    for rule in rules {
        assert!(!rule["help"]["text"].as_str().unwrap().is_empty() && rule["help"]["markdown"].as_str().unwrap().starts_with("# AIMUX-"));
    }
    let results = run["results"].as_array().unwrap();
    results
        .iter()
        .map(|result| {
            assert_eq!(rules[result["ruleIndex"].as_u64().unwrap() as usize]["id"], result["ruleId"]);
            let place = &result["locations"][0]["physicalLocation"];
            let (file, region) = (place["artifactLocation"]["uri"].as_str().unwrap(), &place["region"]);
            let word = |name: &str| result[name].as_str().unwrap().to_owned();
            assert!(region["endColumn"].as_u64().unwrap() > 0 && !result["message"]["text"].as_str().unwrap().is_empty());
            (word("ruleId"), word("level"), file.to_owned(), region["startLine"].as_u64().unwrap(), region["startColumn"].as_u64().unwrap())
        })
        .collect()
}

fn told_by_junit(text: &str) -> Vec<Told> {
    let open = text.matches('<').count();
    assert_eq!(open, text.matches('>').count(), "a bracket is not escaped");
    let attribute = |line: &str, name: &str| line.split_once(&format!(" {name}=\"")).unwrap().1.split('"').next().unwrap().to_owned();
    let cases = text.split("<testcase ").skip(1).filter(|case| !case.starts_with("name=\"valid\""));
    let told: Vec<Told> = cases
        .map(|case| {
            let name = attribute(&format!(" {case}"), "name");
            let (code, place) = name.split_once(' ').unwrap();
            let mut parts = place.rsplitn(3, ':');
            let (column, line) = (parts.next().unwrap().parse().unwrap(), parts.next().unwrap().parse().unwrap());
            let severity = if case.contains("<failure ") { "error" } else { "warning" };
            assert!(severity == "error" || case.contains("<system-out>warning: "), "{case}");
            (code.to_owned(), severity.to_owned(), parts.next().unwrap().to_owned(), line, column)
        })
        .collect();
    let head = text.lines().nth(1).unwrap();
    assert_eq!(attribute(head, "tests").parse::<usize>().unwrap(), text.matches("<testcase ").count());
    assert_eq!(attribute(head, "failures").parse::<usize>().unwrap(), text.matches("<failure ").count());
    told
}

#[test]
fn twenty_five_mistakes_are_told_alike_and_with_their_places_in_each_format() {
    let text = std::fs::read_to_string(root().join("tests/cli/config/twenty_five.yaml")).unwrap();
    let home = home(&[("c.yaml", &text)]);
    let run = |format: &str| command(home.path(), &format!("--format {format} c.yaml")).env("SET_KEY", "sk-0123456789").output().unwrap();
    let expected = told("json", &run("json"));
    let different: BTreeSet<&String> = expected.iter().map(|found| &found.0).collect();
    assert!(different.len() >= 25, "{different:?}");
    let lines: Vec<&str> = text.lines().collect();
    for format in FORMATS {
        let output = run(format);
        assert_exit(&output, 78);
        assert_eq!(told(format, &output), expected, "{format}");
        assert!(!stdout(&output).contains("sk-ant-api03-0123456789abcdef"), "{format} repeats a key");
        for (_, _, file, line, column) in told(format, &output) {
            let width = lines.get(line as usize - 1).map_or(0, |line| line.chars().count());
            assert!(file == "c.yaml" && (column as usize) <= width, "{format}: {line}:{column}");
        }
    }
}

#[test]
fn names_and_messages_that_mean_something_to_a_format_come_through_whole() {
    let name = "a,b:c%0A é<&\">.yaml";
    let home = home(&[(name, "version: 1\nproviders: { ollama: {} }\n\"x<&>,:%25\\u0007\": 1\n")]);
    for format in FORMATS {
        let output = aimux(home.path()).args(["config", "validate", "--format", format, name]).output().unwrap();
        assert_exit(&output, 78);
        let text = stdout(&output);
        assert!(!text.contains('\u{7}'), "{format}: {text:?}");
        let expected = match format {
            "sarif" => "a%2Cb%3Ac%250A%20%C3%A9%3C%26%22%3E.yaml",
            "junit" => "a,b:c%0A é&lt;&amp;&quot;&gt;.yaml",
            _ => name,
        };
        let found = told(format, &output);
        assert_eq!((found.len(), found[0].2.as_str(), found[0].3), (1, expected, 3), "{text}");
    }
}

#[test]
fn several_files_are_checked_in_the_order_given_and_counted_in_one_line() {
    let home = home(&[("b.yaml", "version: 2\n"), ("a.yaml", LOCAL), ("w.yaml", "version: 1\nproviders: { zai: { key: nowhere } }\n")]);
    let output = validate(home.path(), "w.yaml b.yaml absent.yaml a.yaml");
    assert_exit(&output, 78);
    let files: Vec<String> = told("text", &output).into_iter().map(|found| found.2).collect();
    assert_eq!(files, ["w.yaml", "b.yaml", "b.yaml"]);
    assert!(stdout(&output).contains("error[AIMUX-E0104]: config absent.yaml: cannot be opened"), "{}", stdout(&output));
    assert!(stdout(&output).ends_with("\n3 of 4 files: 3 errors, 1 warning\n"), "{}", stdout(&output));
    let document = json(&validate(home.path(), "--format json w.yaml b.yaml absent.yaml a.yaml"));
    let names: Vec<&str> = document["files"].as_array().unwrap().iter().map(|file| file["file"].as_str().unwrap()).collect();
    assert_eq!(names, ["w.yaml", "b.yaml", "absent.yaml", "a.yaml"]);
    for format in ["github", "sarif", "junit"] {
        let found = told(format, &validate(home.path(), &format!("--format {format} w.yaml b.yaml absent.yaml a.yaml")));
        let files: Vec<&str> = found.iter().map(|found| found.2.as_str()).collect();
        assert_eq!(files, ["w.yaml", "b.yaml", "b.yaml", "absent.yaml"], "{format}");
    }
}

#[test]
fn standard_input_is_a_file_among_others() {
    let home = home(&[("a.yaml", "version: 2\n")]);
    let output = feed(command(home.path(), "a.yaml - --format json"), "version: 3\nproviders: { ollama: {} }\n");
    assert_exit(&output, 78);
    let files: BTreeSet<String> = told("json", &output).into_iter().map(|found| found.2).collect();
    assert_eq!(files, BTreeSet::from(["a.yaml".to_owned(), "stdin".to_owned()]));
    assert_exit(&feed(command(home.path(), "-"), LOCAL), 0);
    assert_exit(&feed(command(home.path(), "-"), &"#".repeat((1 << 20) + 1)), 78);
    assert_exit(&feed(command(home.path(), "- --fix"), LOCAL), 64);
}

#[test]
fn the_examples_are_silent() {
    let home = tempfile::tempdir().unwrap();
    let mut command = aimux(home.path());
    let examples = std::fs::read_dir(root().join("examples")).unwrap().map(|entry| entry.unwrap().path());
    let output = command.args(["config", "validate"]).args(examples).output().unwrap();
    assert_exit(&output, 0);
    assert_eq!(stdout(&output) + &stderr(&output), "");
}

#[test]
fn warnings_fail_only_when_strict() {
    let folder = root().join("tests/cli/config");
    let names = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let warned: Vec<String> = names.filter(|name| name.starts_with("warn_") && name.ends_with(".yaml")).collect();
    assert!(warned.len() >= 8, "{warned:?}");
    let home = tempfile::tempdir().unwrap();
    let run = |words: &str| command(home.path(), words).env("SET_KEY", "sk-0123456789").current_dir(&folder).output().unwrap();
    assert_exit(&run(&warned.join(" ")), 0);
    for name in &warned {
        let output = run(&format!("--strict --json {name}"));
        assert_exit(&output, 78);
        assert_eq!(json(&output)["warnings"], 0, "{name}");
    }
    // What the file allows stays allowed, but for keys: `serve` would not start.
    assert_eq!(codes(&run("--strict --json fine_allowed.yaml")), ["E0136"]);
}

#[test]
fn what_a_variable_overrides_is_told_by_its_name() {
    let home = home(&[("c.yaml", LOCAL)]);
    for format in FORMATS {
        let output = command(home.path(), &format!("c.yaml --format {format}")).env("AIMUX_SERVER__LISTEN", "nowhere").output().unwrap();
        assert_exit(&output, 78);
        assert!(stdout(&output).contains("AIMUX_SERVER__LISTEN"), "{format}: {}", stdout(&output));
        assert!(format != "github" || !stdout(&output).contains("file="), "{}", stdout(&output));
    }
}

/// A home whose store holds the key `zai`, and a config that names it.
fn home_with_key() -> tempfile::TempDir {
    let home = home(&[("c.yaml", "version: 1\nproviders: { zai: { key: zai } }\n")]);
    let mut add = aimux(home.path());
    add.args(["keys", "add", "zai"]);
    assert_exit(&feed(add, "sk-0123456789abcdef\n"), 0);
    home
}

#[test]
fn keys_are_opened_but_not_offline() {
    let home = home_with_key();
    let silent = |words: &str| assert_eq!(codes(&validate(home.path(), words)), Vec::<String>::new(), "{words}");
    silent("--json --strict c.yaml");
    let identity = home.path().join(".config/aimux/identity.txt");
    let key = home.path().join(".config/aimux/keys/zai.age");

    // Another identity does not open it.
    let other = tempfile::tempdir().unwrap();
    assert_exit(&aimux(other.path()).args(["keys", "init"]).output().unwrap(), 0);
    std::fs::copy(other.path().join(".config/aimux/identity.txt"), &identity).unwrap();
    let output = validate(home.path(), "c.yaml");
    assert_exit(&output, 0);
    assert!(
        stdout(&output).contains("warning[AIMUX-E0142]: key file \"zai\" cannot be opened: key \"zai\" is encrypted for another identity")
    );
    assert_exit(&validate(home.path(), "--strict c.yaml"), 78);
    silent("--json --strict --offline c.yaml");

    // Nor one that is not there, nor is a file read that others can read.
    std::fs::remove_file(&identity).unwrap();
    assert_eq!(codes(&validate(home.path(), "--json c.yaml")), ["E0142"]);
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(codes(&validate(home.path(), "--json c.yaml")), ["E0142"]);
    silent("--json --offline c.yaml");
}

#[test]
fn nobody_is_asked_for_a_passphrase() {
    let home = home_with_key();
    let identity = home.path().join(".config/aimux/identity.txt");
    std::fs::copy(root().join("tests/fixtures/age/protected.txt"), &identity).unwrap();
    std::fs::set_permissions(&identity, std::fs::Permissions::from_mode(0o600)).unwrap();
    // On a terminal too: `script` gives it one, and what is not asked for is not waited for.
    let script = format!("{} config validate c.yaml", assert_cmd::cargo::cargo_bin("aimux").display());
    let output = Command::new("script")
        .args(["--quiet", "--return", "--command", &script, "/dev/null"])
        .env("HOME", home.path())
        .env_remove("XDG_CONFIG_HOME")
        .current_dir(home.path())
        .stdin(std::process::Stdio::null())
        .output()
        .unwrap();
    assert_exit(&output, 0);
    assert!(stdout(&output).contains("note: the key files were not opened"), "{}", stdout(&output));
    assert!(!stdout(&output).to_lowercase().contains("passphrase:"), "{}", stdout(&output));
    // What needs no passphrase is seen all the same.
    let key = home.path().join(".config/aimux/keys/zai.age");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(codes(&validate(home.path(), "--json c.yaml")), ["E0142"]);
}

const SLIPS: &str = "# mine\nversion: \"1\"   # quoted\nproviders:\n  ollama: { plain_http: no }\nlimts:\n  body_bm: '64' # misspelt\n";
const MENDED: &str = "# mine\nversion: 1   # quoted\nproviders:\n  ollama: { plain_http: false }\nlimits:\n  body_mb: 64 # misspelt\n";

#[test]
fn fix_changes_the_mistakes_and_nothing_else() {
    let home = home(&[("c.yaml", SLIPS), ("bad.yaml", "version: 2\n"), ("good.yaml", LOCAL)]);
    let path = home.path().join("c.yaml");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
    let output = validate(home.path(), "--fix c.yaml good.yaml bad.yaml");
    assert_exit(&output, 78);
    assert_eq!(
        stderr(&output),
        "fixed: c.yaml:2: AIMUX-E0115: \"1\" → 1\nfixed: c.yaml:4: AIMUX-E0115: no → false\n\
         fixed: c.yaml:5: AIMUX-E0114: limts → limits\nfixed: c.yaml:6: AIMUX-E0114: body_bm → body_mb\n\
         fixed: c.yaml:6: AIMUX-E0115: '64' → 64\n"
    );
    assert_eq!(std::fs::read_to_string(&path).unwrap(), MENDED);
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o640);
    for (name, text) in [("bad.yaml", "version: 2\n"), ("good.yaml", LOCAL)] {
        assert_eq!(std::fs::read_to_string(home.path().join(name)).unwrap(), text);
    }
    // Twice is once, and nothing lies about.
    let before = path.metadata().unwrap().modified().unwrap();
    let output = validate(home.path(), "--fix c.yaml");
    assert_exit(&output, 0);
    assert_eq!(stderr(&output) + &stdout(&output), "");
    assert_eq!(path.metadata().unwrap().modified().unwrap(), before);
    assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 3);
}

#[test]
fn fix_touches_no_link_and_no_second_name() {
    let home = home(&[("real.yaml", SLIPS)]);
    let at = |name: &str| home.path().join(name);
    std::os::unix::fs::symlink("real.yaml", at("link.yaml")).unwrap();
    let output = validate(home.path(), "--fix link.yaml");
    assert_exit(&output, 78);
    assert!(stderr(&output).contains("is not mended: it is a link to real.yaml"), "{}", stderr(&output));
    std::fs::hard_link(at("real.yaml"), at("second.yaml")).unwrap();
    let output = validate(home.path(), "--fix second.yaml");
    assert!(stderr(&output).contains("is not mended: it has 2 names"), "{}", stderr(&output));
    assert_eq!(std::fs::read_to_string(at("real.yaml")).unwrap(), SLIPS);
    assert!(at("link.yaml").symlink_metadata().unwrap().is_symlink());
}

#[test]
fn the_keys_of_the_json_document_are_those_of_the_docs() {
    let page = std::fs::read_to_string(root().join("docs/ci.md")).unwrap();
    let home = home(&[("c.yaml", "version: 2\n")]);
    let document = json(&validate(home.path(), "--format json c.yaml"));
    let names = |value: &serde_json::Value| value.as_object().unwrap().keys().cloned().collect::<BTreeSet<String>>();
    for (place, value) in [("", &document), ("files[].", &document["files"][0]), ("findings[].", &document["findings"][0])] {
        for name in names(value) {
            assert!(page.contains(&format!("| `{place}{name}` |")), "{place}{name} is not in docs/ci.md");
        }
    }
    let rows = page.lines().filter(|line| line.starts_with("| `") && !line.contains("--")).count();
    let all = names(&document).len() + names(&document["files"][0]).len() + names(&document["findings"][0]).len();
    assert_eq!(rows, all, "docs/ci.md has a row for each key, and no other");
}

#[test]
fn the_jobs_in_the_docs_do_what_they_say() {
    let page = std::fs::read_to_string(root().join("docs/ci.md")).unwrap();
    let installs: Vec<&str> = page.lines().filter(|line| line.contains("cargo install")).collect();
    assert!(!installs.is_empty() && installs.iter().all(|line| line.contains("--locked") && line.contains(env!("CARGO_PKG_VERSION"))));
    let commands: Vec<&str> =
        page.lines().filter_map(|line| line.trim().trim_start_matches("- run: ").strip_prefix("aimux config validate ")).collect();
    assert!(commands.len() >= 4, "{commands:?}");
    for words in commands {
        let home = home(&[]);
        std::fs::create_dir(home.path().join("config")).unwrap();
        std::fs::write(home.path().join("config/aimux.yaml"), "version: 1\nproviders: { ollama: {} }\nmodel: {}\n").unwrap();
        let script = format!("\"$AIMUX\" config validate {words}");
        let output = Command::new("sh")
            .args(["-c", &script])
            .env("AIMUX", assert_cmd::cargo::cargo_bin("aimux"))
            .env("HOME", home.path())
            .current_dir(home.path())
            .output()
            .unwrap();
        assert_exit(&output, if words.contains("--explain") { 0 } else { 78 });
    }
}

/// 2,000 lines: two hundred providers and a name in each further line, some with a mistake.
fn large(mistakes: usize) -> String {
    let mut text = "version: 1\nproviders:\n".to_owned();
    for index in 0..200 {
        text += &format!(
            "  p{index}:\n    dialect: openai-chat\n    base_url: \"http://127.0.0.1:{}/v1\"\n    limits: {{ concurrent: 8 }}\n",
            10_000 + index
        );
    }
    text += "models:\n";
    for index in 0..1197 {
        let provider = if index < mistakes { "q" } else { "p" };
        text +=
            &format!("  \"alias-{index}-*\": [{provider}{}/model-{index}, p{}/other-{index}]  # {index}\n", index % 200, (index + 7) % 200);
    }
    text
}

/// CPU milliseconds of a check, user and system, the mean of some runs.
fn cpu_ms(home: &Path, file: &str) -> f64 {
    let script = format!("for i in 1 2 3 4 5 6 7 8; do \"$AIMUX\" config validate {file} > /dev/null; done; times");
    let output = Command::new("bash")
        .args(["-c", &script])
        .env("AIMUX", assert_cmd::cargo::cargo_bin("aimux"))
        .env("HOME", home)
        .env("LC_ALL", "C")
        .current_dir(home)
        .output()
        .unwrap();
    let text = stdout(&output);
    let seconds = |text: &str| {
        let (minutes, seconds) = text.trim_end_matches('s').split_once('m').unwrap();
        minutes.parse::<f64>().unwrap() * 60.0 + seconds.parse::<f64>().unwrap()
    };
    text.lines().last().unwrap().split(' ').map(seconds).sum::<f64>() * 1000.0 / 8.0
}

#[test]
fn two_thousand_lines_cost_a_moment() {
    let home = home(&[("large.yaml", &large(0)), ("wrong.yaml", &large(1197))]);
    assert_eq!(large(0).lines().count(), 2000);
    assert_exit(&validate(home.path(), "large.yaml"), 0);
    // 20 ms as released (docs/performance.md); without optimisation a program is some ten times slower.
    let (most, most_wrong) = if cfg!(debug_assertions) { (200.0, 2000.0) } else { (20.0, 200.0) };
    let (large, wrong) = (cpu_ms(home.path(), "large.yaml"), cpu_ms(home.path(), "wrong.yaml"));
    assert!(large < most && wrong < most_wrong, "{large} ms, {wrong} ms");
}
