//! `aimux bench`: aimux against its own pass-through, providers against aimux.

use super::{aimux, assert_exit, stderr, stdout};

#[test]
fn self_needs_no_config_and_tells_each_work_on_each_path_with_its_ratio() {
    let home = tempfile::tempdir().unwrap();
    let output = aimux(home.path()).args(["bench", "--self", "works", "ready", "-n", "32", "--json"]).output().unwrap();
    assert_exit(&output, 0);
    let told: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
    let works = told["works"].as_array().unwrap();
    assert_eq!(works.len(), 9, "{told}");
    for row in works {
        let number = |name: &str| row[name].as_f64().unwrap_or_else(|| panic!("{name} of {row}"));
        assert!(number("cpu_ms") > 0.0 && number("ratio") > 0.0 && number("rss_mib") > 1.0 && number("fds") > 3.0, "{row}");
        let added = &row["added_ms"];
        assert!(added["low"].as_f64() <= added["estimate"].as_f64() && added["estimate"].as_f64() <= added["high"].as_f64(), "{row}");
        assert_eq!(row["path"] == "bare pass-through", row["ratio"] == 1.0, "{row}");
    }
    let figures: Vec<&str> = told["figures"].as_array().unwrap().iter().filter_map(|figure| figure["name"].as_str()).collect();
    assert_eq!(figures, ["ready after", "memory at rest"]);
    assert!(home.path().read_dir().unwrap().next().is_none(), "nothing is left behind");
}

#[test]
fn memory_with_bodies_and_streams_is_measured() {
    let home = tempfile::tempdir().unwrap();
    let output = aimux(home.path()).args(["bench", "--self", "bodies", "streams", "-n", "12"]).output().unwrap();
    assert_exit(&output, 0);
    let told = stdout(&output);
    for name in ["| memory after bodies of 130 KB | ", "| memory with streams open      | "] {
        let value = told.split(name).nth(1).and_then(|rest| rest.split(" MiB").next()).unwrap_or_else(|| panic!("{told}"));
        assert!(value.parse::<f64>().unwrap() > 5.0, "{told}");
    }
    assert!(!told.contains("ready after"), "{told}");
}

#[test]
fn a_part_that_there_is_not_is_named() {
    let home = tempfile::tempdir().unwrap();
    let output = aimux(home.path()).args(["bench", "--self", "work"]).output().unwrap();
    assert_exit(&output, 64);
    assert!(
        stderr(&output).contains("has no part \"work\"") && stderr(&output).contains("works, ready, bodies, streams"),
        "{}",
        stderr(&output)
    );
}
