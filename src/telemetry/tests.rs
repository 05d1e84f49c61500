//! Counts that are exact, and labels that are bounded.

use std::time::{Duration, Instant};

use super::metrics::{Kind, Metric, reference};
use super::*;
use crate::chat::Usage;
use crate::error::Code;

fn counts(models: &[(&str, &[&str])], routes: &[&str]) -> Counts {
    let counts = Counts::default();
    let models = models.iter().map(|(provider, models)| ((*provider).to_owned(), models.iter().map(|model| (*model).to_owned()).collect()));
    counts.name(Names { models: models.collect(), routes: routes.iter().map(|route| (*route).to_owned()).collect() });
    counts
}

const NOTHING: Usage = Usage { input: None, cache_read: None, cache_write: None, cache_write_1h: None, output: None, reasoning: None };

fn exchange<'a>(target: Option<[&'a str; 2]>, usage: &'a Usage) -> Exchange<'a> {
    Exchange {
        target,
        route: "claude-*",
        status: 200,
        ending: "complete",
        code: None,
        usage,
        is_answered: true,
        is_estimated: false,
        cost: Some(0),
        hedge: None,
        content_ms: None,
        total_ms: 15,
        losses: 0,
        cache_break: None,
    }
}

/// The samples of a metric, without its name.
fn samples(counts: &Counts, metric: Metric) -> Vec<String> {
    let page = counts.page(&Gauges::default());
    let name = metric.row().name;
    page.lines().filter_map(|line| line.strip_prefix(name)).filter(|rest| rest.starts_with(['{', ' ', '_'])).map(str::to_owned).collect()
}

#[test]
fn what_has_ended_is_counted_once_under_its_names() {
    let counts = counts(&[("zai", &["glm"])], &["claude-*", "plain"]);
    let usage =
        Usage { input: Some(100), output: Some(20), cache_read: Some(3), cache_write: Some(4), cache_write_1h: None, reasoning: Some(5) };
    let fine = Exchange { cost: Some(1_500_001), content_ms: Some(250), losses: 2, ..exchange(Some(["zai", "glm"]), &usage) };
    counts.settle(&fine);
    counts.settle(&Exchange { cost: None, is_estimated: true, ending: "client_gone", route: "plain", content_ms: Some(251), ..fine });
    let failed =
        Exchange { status: 502, ending: "failed", code: Some(Code::UpstreamFailed), is_answered: false, ..exchange(None, &NOTHING) };
    counts.settle(&failed);
    counts.refused(Code::Unauthorized);
    counts.refused(Code::Unauthorized);
    for (metric, expected) in [
        (
            Metric::Requests,
            &[
                r#"{provider="none",model="none",route="claude-*",status="5xx"} 1"#,
                r#"{provider="zai",model="glm",route="claude-*",status="2xx"} 1"#,
                r#"{provider="zai",model="glm",route="plain",status="2xx"} 1"#,
            ][..],
        ),
        (Metric::Endings, &[r#"{ending="complete"} 1"#, r#"{ending="failed"} 1"#, r#"{ending="client_gone"} 1"#]),
        (Metric::Errors, &[r#"{code="E0301"} 2"#, r#"{code="E0502"} 1"#]),
        (
            Metric::Tokens,
            &[
                r#"{provider="zai",model="glm",kind="input"} 200"#,
                r#"{provider="zai",model="glm",kind="output"} 40"#,
                r#"{provider="zai",model="glm",kind="cache_read"} 6"#,
                r#"{provider="zai",model="glm",kind="cache_write"} 8"#,
                r#"{provider="zai",model="glm",kind="thinking"} 10"#,
            ],
        ),
        (Metric::Cost, &[r#"{provider="none",model="none"} 0.000000"#, r#"{provider="zai",model="glm"} 1.500001"#]),
        (Metric::Unpriced, &[r#"{provider="zai",model="glm"} 1"#]),
        (Metric::Estimated, &[r#"{provider="zai",model="glm"} 1"#]),
        (Metric::Losses, &[r#"{provider="zai",model="glm"} 4"#]),
    ] {
        assert_eq!(samples(&counts, metric), expected, "{metric:?}");
    }
    let first = samples(&counts, Metric::FirstContent);
    assert!(first.contains(
        &r#"_bucket{gen_ai_operation_name="chat",gen_ai_provider_name="zai",gen_ai_request_model="glm",le="0.25"} 1"#.to_owned()
    ));
    assert!(
        first.contains(
            &r#"_bucket{gen_ai_operation_name="chat",gen_ai_provider_name="zai",gen_ai_request_model="glm",le="0.5"} 2"#.to_owned()
        )
    );
    assert!(
        first.contains(&r#"_sum{gen_ai_operation_name="chat",gen_ai_provider_name="zai",gen_ai_request_model="glm"} 0.501"#.to_owned())
    );
    let usage = samples(&counts, Metric::TokenUsage);
    assert_eq!(usage.iter().filter(|line| line.ends_with(" 214") && line.starts_with("_sum")).count(), 1, "(100 + 3 + 4) × 2: {usage:?}");
    let counted: Vec<&String> = usage.iter().filter(|line| line.starts_with("_count")).collect();
    assert!(counted.len() == 2 && counted.iter().all(|line| line.ends_with(" 2")), "not of what failed: {usage:?}");
}

#[test]
fn attempts_are_counted_by_target_and_another_keys_is_no_failover() {
    let counts = counts(&[("a", &["m"]), ("b", &["m"])], &[]);
    let asked = |provider, status| Asked { target: [provider, "m"], status, cancelled: None };
    counts.asked([asked("a", Some(401)), asked("a", Some(529)), asked("b", None), asked("a", Some(200))].into_iter());
    counts.asked([asked("b", Some(200))].into_iter());
    counts.asked([].into_iter());
    assert_eq!(
        samples(&counts, Metric::Attempts),
        [
            r#"{provider="a",model="m",status="2xx"} 1"#,
            r#"{provider="a",model="m",status="4xx"} 1"#,
            r#"{provider="a",model="m",status="5xx"} 1"#,
            r#"{provider="b",model="m",status="2xx"} 1"#,
            r#"{provider="b",model="m",status="none"} 1"#,
        ]
    );
    assert_eq!(samples(&counts, Metric::Failovers), [r#"{provider="a",model="m"} 1"#, r#"{provider="b",model="m"} 1"#]);
}

#[test]
fn names_that_no_config_has_are_other_and_make_no_more_series() {
    let counts = counts(&[("zai", &["glm"])], &["claude-*"]);
    let usage = Usage { input: Some(1), ..NOTHING };
    for number in 0..500 {
        let strange = format!("m{number}");
        counts.settle(&exchange(Some(["zai", &strange]), &usage));
        counts.settle(&exchange(Some([&strange, "glm"]), &usage));
        counts.settle(&Exchange { route: &strange, ..exchange(Some(["zai", "glm"]), &usage) });
    }
    assert_eq!(
        samples(&counts, Metric::Requests),
        [
            r#"{provider="other",model="other",route="claude-*",status="2xx"} 500"#,
            r#"{provider="zai",model="glm",route="other",status="2xx"} 500"#,
            r#"{provider="zai",model="other",route="claude-*",status="2xx"} 500"#,
        ]
    );
    let rest = |provider: &str, model: &str, rest_ms| Rest {
        provider: provider.to_owned(),
        model: model.to_owned(),
        key: String::new(),
        why: "breaker",
        rest_ms,
    };
    let rests = vec![rest("zai", "x", 1000), rest("zai", "glm", 1500), rest("zai", "y", 2000), rest("gone", "glm", 1)];
    let page = counts.page(&Gauges { rests, ..Gauges::default() });
    let of = |name: &str| page.lines().filter(|line| line.starts_with(name)).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(
        of("aimux_rest_seconds{"),
        [
            r#"aimux_rest_seconds{provider="other",model="other",key="",why="breaker"} 0.001"#,
            r#"aimux_rest_seconds{provider="zai",model="glm",key="",why="breaker"} 1.500"#,
            r#"aimux_rest_seconds{provider="zai",model="other",key="",why="breaker"} 2.000"#,
        ]
    );
    assert_eq!(of("aimux_breaker_open{").len(), 3);
}

#[test]
fn many_reloads_with_other_names_do_not_fill_the_memory() {
    let counts = Counts::default();
    for number in 0..3000 {
        let (model, route) = (format!("m{number}"), format!("r{number}"));
        let models = [("zai".to_owned(), [model.clone(), "glm".to_owned()].into())].into();
        counts.name(Names { models, routes: [route.clone()].into() });
        counts.settle(&exchange(Some(["zai", &model]), &NOTHING));
        counts.settle(&Exchange { route: &route, ..exchange(Some(["zai", "glm"]), &NOTHING) });
    }
    let requests = samples(&counts, Metric::Requests);
    let total: u64 = requests.iter().map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum();
    assert_eq!(total, 6000, "none is lost");
    assert!((2000..2400).contains(&requests.len()), "{} series", requests.len());
}

#[test]
fn counts_of_many_threads_are_exact() {
    let counts = counts(&[("zai", &["glm"])], &["claude-*"]);
    let usage = Usage { input: Some(2), output: Some(3), ..NOTHING };
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| (0..5000).for_each(|_| counts.settle(&Exchange { cost: Some(7), ..exchange(Some(["zai", "glm"]), &usage) })));
        }
    });
    assert_eq!(samples(&counts, Metric::Requests), [r#"{provider="zai",model="glm",route="claude-*",status="2xx"} 40000"#]);
    assert_eq!(samples(&counts, Metric::Cost), [r#"{provider="zai",model="glm"} 0.280000"#]);
    assert_eq!(samples(&counts, Metric::Duration).last().unwrap().rsplit(' ').next(), Some("40000"));
}

#[test]
fn names_of_metrics_follow_prometheus_rules() {
    let mut names = std::collections::HashSet::new();
    for row in Metric::ALL.iter().map(|metric| metric.row()) {
        assert!(names.insert(row.name), "{} twice", row.name);
        assert!(row.name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_'), "{}", row.name);
        assert_eq!(row.name.ends_with("_total"), row.kind == Kind::Counter, "{}", row.name);
        assert!(!row.help.contains(['\n', '\\']) && row.help.ends_with('.'), "{}", row.name);
        if row.unit == "seconds" || row.unit == "bytes" {
            assert!(row.name.contains(row.unit), "{} is in {}", row.name, row.unit);
        }
        assert!(reference().contains(&format!("| `{}` |", row.name)));
    }
}

#[cfg(target_os = "linux")]
#[test]
fn the_system_tells_of_this_process() {
    let before = Process::read().unwrap();
    // More than other tests of this process open and close meanwhile.
    let files: Vec<_> = (0..400).map(|_| std::fs::File::open("/dev/null").unwrap()).collect();
    let mut sum = 0_u64;
    let end = Instant::now() + Duration::from_secs(20);
    let mut after = Process::read().unwrap();
    while after.cpu_cs == before.cpu_cs && Instant::now() < end {
        sum = (0..1_000_000_u64).fold(sum, |sum, number| sum.wrapping_add(number ^ sum));
        after = Process::read().unwrap();
    }
    assert!(after.fds.abs_diff(before.fds + files.len() as u64) < 200, "{before:?} {after:?}");
    assert!(sum != 1 && after.cpu_cs > before.cpu_cs, "{before:?} {after:?}");
    assert!(after.memory > 1 << 20 && after.threads >= 1 && after.fds_max.is_none_or(|max| max > after.fds), "{after:?}");
}

#[test]
fn every_outcome_of_a_second_target_is_counted() {
    assert_eq!(super::count::HEDGES, crate::ledger::Hedged::ALL.map(crate::ledger::Hedged::name));
}
