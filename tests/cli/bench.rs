//! `aimux bench`: aimux against its own pass-through, providers against aimux.

use super::{aimux, assert_exit, stderr, stdout};

#[test]
fn self_needs_no_config_and_tells_each_work_on_each_path_with_its_ratio() {
    let home = tempfile::tempdir().unwrap();
    let output = aimux(home.path()).args(["bench", "--self", "works", "ready", "-n", "32", "--json"]).output().unwrap();
    assert_exit(&output, 0);
    let told: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
    let works = told["self"]["works"].as_array().unwrap();
    assert_eq!(works.len(), 9, "{told}");
    for row in works {
        let number = |name: &str| row[name].as_f64().unwrap_or_else(|| panic!("{name} of {row}"));
        assert!(number("cpu_ms") > 0.0 && number("ratio") > 0.0 && number("rss_mib") > 1.0 && number("fds") > 3.0, "{row}");
        let added = &row["added_ms"];
        assert!(added["low"].as_f64() <= added["estimate"].as_f64() && added["estimate"].as_f64() <= added["high"].as_f64(), "{row}");
        assert_eq!(row["path"] == "bare pass-through", row["ratio"] == 1.0, "{row}");
    }
    let figures: Vec<&str> = told["self"]["figures"].as_array().unwrap().iter().filter_map(|figure| figure["name"].as_str()).collect();
    assert_eq!(figures, ["ready after", "memory at rest"]);
    assert!(home.path().read_dir().unwrap().next().is_none(), "nothing is left behind");
}

#[test]
fn self_is_compared_with_an_earlier_self() {
    let home = tempfile::tempdir().unwrap();
    let bench = |args: &[&str]| {
        let args = [&["bench", "--self", "works", "bodies", "-n", "40"], args].concat();
        aimux(home.path()).args(args).output().unwrap()
    };
    let mut before = json(&bench(&["--json"]));
    // As if its CPU had been a tenth, and its answers a second slower.
    for row in before["self"]["works"].as_array_mut().unwrap() {
        for (series, change) in [("cpu_blocks", 0.1), ("added_blocks", 1000.0)] {
            for value in row[series].as_array_mut().unwrap() {
                let number = value.as_f64().unwrap();
                *value = if series == "cpu_blocks" { number * change } else { number + change }.into();
            }
        }
    }
    std::fs::write(home.path().join("before.json"), before.to_string()).unwrap();
    let worse = bench(&["--baseline", "before.json"]);
    assert_exit(&worse, 1);
    let told = stdout(&worse);
    assert_eq!(told.matches("WORSE").count(), 9, "{told}");
    assert_eq!(told.matches("| better").count(), 9, "{told}");
    // Memory after bodies is measured once.
    assert!(told.contains("too few blocks to tell") && told.contains("Fewer than 6 blocks give no interval"), "{told}");
    let other = aimux(home.path()).args(["bench", "--demo", "-n", "2", "--baseline", "before.json"]).output().unwrap();
    assert_exit(&other, 64);
    assert!(stderr(&other).contains("it measured no target"), "{}", stderr(&other));
}

#[test]
fn few_pairs_give_no_interval_and_that_is_said() {
    let output = demo(&["-n", "3"]);
    assert_exit(&output, 0);
    let told = stdout(&output);
    assert!(told.contains("too few pairs") && told.contains("Fewer than 6 blocks give no interval"), "{told}");
    let enough = stdout(&demo(&["-n", "12"]));
    assert!(!enough.contains("too few pairs") && !enough.contains("Fewer than 6"), "{enough}");
}

/// The processes whose parent is this one.
#[cfg(target_os = "linux")]
fn children(pid: u32) -> Vec<u32> {
    let listed = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    listed.split_whitespace().map(|child| child.parse().unwrap()).collect()
}

#[cfg(target_os = "linux")]
#[test]
fn what_a_bench_started_ends_when_it_is_killed() {
    let home = tempfile::tempdir().unwrap();
    let mut command = aimux(home.path());
    command.args(["bench", "--self", "works", "-n", "100000"]).stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
    let mut bench = command.spawn().unwrap();
    let wait = |what: &str, holds: &dyn Fn() -> bool| {
        let end = std::time::Instant::now() + std::time::Duration::from_secs(20);
        while !holds() {
            assert!(std::time::Instant::now() < end, "{what}");
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    };
    wait("upstream, pass-through and aimux are started", &|| children(bench.id()).len() == 3);
    let started = children(bench.id());
    // Busy, and long past their start.
    std::thread::sleep(std::time::Duration::from_millis(300));
    bench.kill().unwrap();
    bench.wait().unwrap();
    let is_gone = |pid: &u32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // Whoever ended and is waited for by nobody is as good as gone.
        stat.rsplit_once(')').is_none_or(|(_, rest)| rest.trim_start().starts_with('Z'))
    };
    wait("they have ended", &|| started.iter().all(is_gone));
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

/// `aimux bench --demo` with more arguments.
fn demo(args: &[&str]) -> std::process::Output {
    let home = tempfile::tempdir().unwrap();
    aimux(home.path()).args(["bench", "--demo"]).args(args).output().unwrap()
}

fn json(output: &std::process::Output) -> serde_json::Value {
    serde_json::from_str(&stdout(output)).unwrap_or_else(|error| panic!("{error}: {}{}", stdout(output), stderr(output)))
}

#[test]
fn the_demo_is_measured_directly_and_through_aimux_in_pairs() {
    let output = demo(&["-n", "8", "--json"]);
    assert_exit(&output, 0);
    let told = json(&output);
    let target = &told["targets"][0];
    assert_eq!(
        (target["target"].as_str(), target["pairs"].as_u64(), &told["complete"]),
        (Some("demo/demo"), Some(8), &true.into()),
        "{told}"
    );
    let [direct, through] = target["sides"].as_array().unwrap().as_slice() else { panic!("{told}") };
    assert_eq!((&direct["via"], &through["via"]), (&"direct".into(), &"aimux".into()));
    for side in [direct, through] {
        assert_eq!((side["requests"].as_u64(), side["errors"].as_array().map(Vec::len)), (Some(8), Some(0)), "{side}");
        assert!(side["ttft"]["ranks"][0].as_f64() >= side["ttfb"]["ranks"][0].as_f64(), "{side}");
        assert!(side["tps"]["mean"].as_f64() > Some(0.0) && side["gap"]["count"].as_u64() > Some(8), "{side}");
        assert!(side["output_tokens"].as_u64() > Some(0), "{side}");
    }
    let added = target["overhead"].as_array().unwrap();
    assert_eq!(added.len(), 3);
    assert!(added[1]["added_ms"]["high"].is_f64() && added[1]["blocks"].as_array().unwrap().len() == 8, "{target}");
}

#[test]
fn an_agents_calls_are_held_against_their_tools() {
    let output = demo(&["-n", "2", "--scenario", "agent", "--json", "--threshold", "tools.valid>=100%"]);
    assert_exit(&output, 0);
    let told = json(&output);
    for side in told["targets"][0]["sides"].as_array().unwrap() {
        assert_eq!((side["calls_valid"].as_u64(), side["calls_invalid"].as_u64()), (Some(2), Some(0)), "{side}");
    }
}

#[test]
fn thresholds_end_with_one_where_they_are_not_met_and_are_told_in_junit() {
    let home = tempfile::tempdir().unwrap();
    let bench = |threshold: &str| {
        aimux(home.path())
            .args(["bench", "--demo", "-n", "2", "--via", "direct", "--junit", "out.xml", "--threshold", threshold])
            .output()
            .unwrap()
    };
    let junit = || std::fs::read_to_string(home.path().join("out.xml")).unwrap();
    let met = bench("ttft.p99<60s");
    assert_exit(&met, 0);
    assert!(stdout(&met).contains("| met "), "{}", stdout(&met));
    assert!(junit().contains("tests=\"2\" failures=\"0\""), "{}", junit());
    let not_met = bench("ttft.p50<1us");
    assert_exit(&not_met, 1);
    assert!(stdout(&not_met).contains("NOT MET"), "{}", stdout(&not_met));
    assert!(junit().contains("failures=\"1\"") && junit().contains("name=\"ttft.p50&lt;1us of demo/demo\""), "{}", junit());
    let wrong = bench("ttft.p98<1ms");
    assert_exit(&wrong, 64);
    assert!(stderr(&wrong).contains("no figure is called \"ttft.p98\""), "{}", stderr(&wrong));
}

#[test]
fn the_page_with_charts_names_no_other_place() {
    let home = tempfile::tempdir().unwrap();
    let output = aimux(home.path()).args(["bench", "--demo", "-n", "12", "--html", "out.html"]).output().unwrap();
    assert_exit(&output, 0);
    let page = std::fs::read_to_string(home.path().join("out.html")).unwrap();
    for outside in ["http:", "https:", "//", "src=", "href=", "url(", "@import", "<script"] {
        assert!(!page.contains(outside), "{outside} in {page}");
    }
    assert_eq!(page.matches("<svg").count(), page.matches("</svg>").count());
    assert!(page.matches("<svg").count() >= 3 && page.contains("<path class=\"l1\"") && page.ends_with("</html>\n"), "{page}");
    // Every element that is opened is closed, in order.
    let mut open = Vec::new();
    for tag in page.split('<').skip(1).map(|rest| rest.split('>').next().unwrap()) {
        let name = tag.split([' ', '\n']).next().unwrap();
        if let Some(closed) = name.strip_prefix('/') {
            assert_eq!(open.pop(), Some(closed), "{tag}");
        } else if !tag.ends_with('/') && !["!DOCTYPE", "meta"].contains(&name) {
            open.push(name);
        }
    }
    assert!(open.is_empty(), "{open:?}");
}

#[test]
fn a_run_is_compared_with_an_earlier_one() {
    let home = tempfile::tempdir().unwrap();
    let bench = |args: &[&str]| aimux(home.path()).args(["bench", "--demo", "-n", "10", "--json"]).args(args).output().unwrap();
    let first = bench(&[]);
    assert_exit(&first, 0);
    let mut before = json(&first);
    std::fs::write(home.path().join("same.json"), before.to_string()).unwrap();
    // As if it had been much faster once.
    for side in before["targets"][0]["sides"].as_array_mut().unwrap() {
        for value in side["blocks"].as_array_mut().unwrap().iter_mut().flat_map(|series| series.as_array_mut().unwrap()) {
            *value = (value.as_f64().unwrap() / 10.0).into();
        }
    }
    std::fs::write(home.path().join("faster.json"), before.to_string()).unwrap();
    std::fs::write(home.path().join("none.json"), "{}").unwrap();
    let told = json(&bench(&["--baseline", "same.json"]));
    assert_eq!(told["changes"].as_array().map(Vec::len), Some(9), "{told}");
    let worse = bench(&["--baseline", "faster.json"]);
    assert_exit(&worse, 1);
    let change = json(&worse)["changes"][1].clone();
    assert_eq!((&change["via"], &change["figure"]), (&"direct".into(), &"ttft".into()));
    assert!(change["by"]["low"].as_f64() > Some(1.0), "{change}");
    let none = bench(&["--baseline", "none.json"]);
    assert_exit(&none, 64);
    assert!(stderr(&none).contains("it is no report"), "{}", stderr(&none));
}

#[test]
fn a_soak_watches_memory_and_descriptors_of_the_aimux_that_is_asked() {
    let output = demo(&["--soak", "3s", "--via", "aimux", "--json", "--threshold", "rss.max<2GiB", "--threshold", "fds.max<500"]);
    assert_exit(&output, 0);
    let told = json(&output);
    let soak = &told["soak"];
    assert!(soak["looks"].as_u64() > Some(8) && soak["rss_max_mib"].as_f64() > Some(5.0), "{soak}");
    assert!(soak["rss_mib_per_hour"].is_f64() && soak["fds_per_hour"].is_f64() && soak["fds_max"].as_f64() > Some(5.0), "{soak}");
    assert!(told["targets"][0]["seconds"].as_f64() >= Some(2.9), "{told}");
}

#[test]
fn an_interrupt_prints_what_was_measured_so_far() {
    let home = tempfile::tempdir().unwrap();
    let command = aimux(home.path()).args(["bench", "--demo", "--duration", "60s", "--json"]).stdout(std::process::Stdio::piped()).spawn();
    let child = command.unwrap();
    std::thread::sleep(std::time::Duration::from_secs(6));
    rustix::process::kill_process(rustix::process::Pid::from_child(&child), rustix::process::Signal::INT).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_exit(&output, 130);
    let told = json(&output);
    assert_eq!(told["complete"], false);
    assert_eq!(told["targets"][0]["cut"], "it was interrupted");
    assert!(told["targets"][0]["sides"][0]["requests"].as_u64() > Some(0), "{told}");
}

#[test]
fn every_command_of_the_page_does_what_is_said_there() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/bench.md")).unwrap();
    let block = page.split("```sh\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let home = tempfile::tempdir().unwrap();
    for line in block.lines() {
        let command = line.split("  #").next().unwrap().trim();
        let words: Vec<&str> = command.split_whitespace().map(|word| word.trim_matches('\'')).collect();
        assert_eq!(words.first(), Some(&"aimux"), "{line}");
        let output = aimux(home.path()).args(&words[1..]).output().unwrap();
        assert_exit(&output, 0);
    }
    assert!(home.path().join("report.html").exists() && home.path().join("report.xml").exists());
}
