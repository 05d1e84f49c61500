//! The ledger as its writers and readers meet it, whatever it is kept in: whole rows, sums, time, several at once.

use std::collections::HashMap;
use std::time::Duration;

use aimux::chat::Usage;
use aimux::error::Code;
use aimux::ledger::*;

use crate::store::{Store, now_ms, over_each, until};

const DAY_MS: u64 = 86_400_000;

over_each! {
    a_request_and_its_attempts_are_written_whole
    a_key_is_told_when_it_was_used_and_how_it_last_failed
    several_writers_of_one_store_lose_nothing
    the_last_holders_drop_writes_what_waits
    requests_are_forgotten_when_they_are_older_than_the_days_kept
    many_old_requests_go_in_several_steps
    usage_is_summed_by_group_and_told_apart_from_unknown
    what_each_attempt_took_is_told_of_whom_it_was_taken_by
    the_nearest_rank_is_the_wait_that_so_many_stayed_at_or_below
    a_store_of_a_newer_aimux_is_left_alone
    what_went_wrong_is_told_by_code
    a_session_is_summed
    requests_are_found_by_words_the_latest_first
    a_search_goes_back_as_far_as_it_must
}

pub(crate) fn settings(store: &Store) -> Settings {
    Settings { enabled: true, place: store.place(), keep_days: 90 }
}

pub(crate) fn entry(id: &str) -> Box<Entry> {
    Box::new(Entry { time_ms: now_ms(), request_id: id.to_owned(), dialect: "anthropic", status: 200, ..Entry::default() })
}

pub(crate) fn flushed(ledger: &Ledger) {
    assert!(ledger.flush(Duration::from_secs(20)), "{:?}", ledger.counters());
}

fn a_request_and_its_attempts_are_written_whole(store: &Store) {
    let ledger = Ledger::start(&settings(store)).unwrap();
    let went = |start_ms, ms, status, code, is_reused| Attempt { start_ms, ms, status, code, is_reused };
    let full = Entry {
        time_ms: 1_795_000_000_123,
        request_id: "req_1".to_owned(),
        dialect: "anthropic",
        program: "claude-cli".to_owned(),
        role: "subagent",
        session: "s1".to_owned(),
        agent: "a1".to_owned(),
        project: "p1".to_owned(),
        asked: "claude-opus-4-8".to_owned(),
        route: "claude-*".to_owned(),
        stream: true,
        provider: "zai".to_owned(),
        model: "glm-5.1".to_owned(),
        key: "zai-a".to_owned(),
        status: 502,
        code: Some(Code::UpstreamBroken),
        ending: Ending::Failed,
        usage: Usage {
            input: Some(11),
            cache_read: Some(22),
            cache_write: Some(33),
            cache_write_1h: Some(3),
            output: Some(44),
            reasoning: Some(5),
        },
        is_estimated: true,
        cost: Some(66),
        content_ms: Some(77),
        total_ms: 88,
        losses: 9,
        earlier: vec![Earlier {
            provider: "cerebras".to_owned(),
            model: "gpt".to_owned(),
            key: "c".to_owned(),
            went: went(1, 2, Some(429), Some(Code::UpstreamLimited), Some(true)),
            ..Earlier::default()
        }],
        hedge: None,
        last: Some(went(4, 84, Some(200), Some(Code::UpstreamBroken), Some(false))),
        cache_break: Some(CacheBreak { cause: "messages", detail: "messages[3] changed".to_owned(), tokens: 99, cost: Some(98) }),
    };
    ledger.put(Box::new(full));
    ledger.put(entry("req_2"));
    flushed(&ledger);
    let requests = store.rows("requests");
    assert_eq!(
        requests[0],
        "id=1 time=1795000000123 request_id=req_1 dialect=anthropic program=claude-cli role=subagent session=s1 agent=a1 project=p1 \
         asked=claude-opus-4-8 route=claude-* stream=1 provider=zai model=glm-5.1 key=zai-a status=502 code=E0505 ending=failed \
         attempts=2 input=11 output=44 cache_read=22 cache_write=33 thinking=5 estimated=1 cost=66 content_ms=77 total_ms=88 losses=9 \
         break_cause=messages break_detail=messages[3] changed break_tokens=99 break_cost=98"
    );
    let unknown = "attempts=0 input=NULL output=NULL cache_read=NULL cache_write=NULL thinking=NULL estimated=0 cost=NULL content_ms=NULL";
    assert!(requests[1].contains(unknown) && requests[1].contains("code=NULL ending=client_gone"), "{}", requests[1]);
    assert_eq!(
        store.rows("attempts"),
        [
            "request=1 number=1 provider=cerebras model=gpt key=c start_ms=1 ms=2 status=429 code=E0503 reused=1 ending=NULL cost=NULL input=NULL output=NULL \
             cache_read=NULL cache_write=NULL thinking=NULL",
            "request=1 number=2 provider=zai model=glm-5.1 key=zai-a start_ms=4 ms=84 status=200 code=E0505 reused=0 ending=NULL cost=66 input=11 output=44 \
             cache_read=22 cache_write=33 thinking=5",
        ]
    );
    assert_eq!(ledger.counters(), Counters { written: 2, dropped: 0, queued: 0 });
}

fn a_key_is_told_when_it_was_used_and_how_it_last_failed(store: &Store) {
    let place = store.place();
    assert_eq!(key_records(&place).unwrap(), HashMap::new(), "nobody wrote one yet");
    let ledger = Ledger::start(&settings(store)).unwrap();
    let fine = Attempt { status: Some(200), ..Attempt::default() };
    let bad = |status, code, start_ms| Attempt { status, code: Some(code), start_ms, ..Attempt::default() };
    let earlier = |key: &str, went| Earlier { key: key.to_owned(), went, ..Earlier::default() };
    let put = |time_ms, earlier, key: &str, last| {
        ledger.put(Box::new(Entry { time_ms, earlier, key: key.to_owned(), last: Some(last), ..*entry("r") }));
    };
    put(now_ms() - 9_000, vec![], "a", bad(Some(401), Code::UpstreamAuth, 0));
    put(
        now_ms() - 5_000,
        vec![earlier("a", bad(Some(429), Code::UpstreamLimited, 5)), earlier("a", bad(None, Code::UpstreamTimeout, 50))],
        "b",
        fine,
    );
    let used_ms = now_ms();
    put(used_ms, vec![], "a", fine);
    put(used_ms, vec![], "", fine);
    flushed(&ledger);
    let records = key_records(&place).unwrap();
    assert_eq!(records.len(), 2);
    assert_eq!((records["a"].used_ms, &records["b"].error), (used_ms, &None));
    let error = records["a"].error.clone().unwrap();
    assert_eq!(
        (error.status, error.code.as_str()),
        (None, Code::UpstreamTimeout.row().id),
        "the last attempt, not the first of its request"
    );
    assert!(error.time_ms < used_ms - 4_000, "{error:?}");
}

fn several_writers_of_one_store_lose_nothing(store: &Store) {
    let ledgers: Vec<Ledger> = (0..8).filter_map(|_| Ledger::start(&settings(store))).collect();
    for id in 0..200 {
        ledgers.iter().for_each(|ledger| ledger.put(entry(&id.to_string())));
    }
    ledgers.iter().for_each(|ledger| until("all are written", || ledger.counters().written == 200));
    assert_eq!(store.count("requests"), 1600);
    assert_eq!(ledgers.iter().map(|ledger| ledger.counters().dropped).sum::<u64>(), 0);
}

fn the_last_holders_drop_writes_what_waits(store: &Store) {
    let place = store.place();
    let ledger = Ledger::start(&settings(store)).unwrap();
    ledger.put(entry("1"));
    drop(ledger);
    until("it is written", || usage(&place, By::Day, Span::default()).is_ok_and(|told| told.is_some_and(|told| told.total.requests == 1)));
}

fn requests_are_forgotten_when_they_are_older_than_the_days_kept(store: &Store) {
    let now = now_ms();
    // A minute on either side of the edge, which moves while the test runs.
    let ages = [("old", 2 * DAY_MS + 60_000), ("young", 2 * DAY_MS - 60_000), ("new", 0)];
    let ledger = Ledger::start(&settings(store)).unwrap();
    for (id, age) in ages {
        let last = Some(Attempt::default());
        ledger.put(Box::new(Entry { time_ms: now - age, last, ..*entry(id) }));
    }
    flushed(&ledger);
    drop(ledger);
    let ids = || store.rows("requests").iter().map(|row| row.split(' ').nth(2).unwrap().to_owned()).collect::<Vec<_>>();
    assert_eq!(ids(), ["request_id=old", "request_id=young", "request_id=new"]);

    flushed(&Ledger::start(&Settings { keep_days: 2, ..settings(store) }).unwrap());
    assert_eq!(ids(), ["request_id=young", "request_id=new"]);
    assert_eq!(store.rows("attempts").len(), 2, "the attempts go with their requests");
    flushed(&Ledger::start(&Settings { keep_days: 1, ..settings(store) }).unwrap());
    assert_eq!(ids(), ["request_id=new"]);
    flushed(&Ledger::start(&Settings { keep_days: 36_500, ..settings(store) }).unwrap());
    assert_eq!(ids(), ["request_id=new"], "a hundred years before now is not before 1970's begin, or all would go");
}

fn many_old_requests_go_in_several_steps(store: &Store) {
    let ledger = Ledger::start(&settings(store)).unwrap();
    for id in 0..4500 {
        ledger.put(Box::new(Entry { time_ms: 1000 + id, ..*entry("old") }));
    }
    ledger.put(entry("new"));
    until("all are written", || ledger.counters().written == 4501);
    drop(ledger);
    flushed(&Ledger::start(&settings(store)).unwrap());
    assert_eq!(store.count("requests"), 1);
}

fn usage_is_summed_by_group_and_told_apart_from_unknown(store: &Store) {
    let place = store.place();
    assert_eq!(usage(&place, By::Model, Span::default()).unwrap(), None);
    assert_eq!(today(&place), None);
    let ledger = Ledger::start(&settings(store)).unwrap();
    let base = 1_795_000_000_000;
    let put = |time_ms: u64, model: &str, tokens: [u64; 4], cost: Option<u64>, content_ms: Option<u64>, ending: Ending| {
        let [input, output, cache_read, cache_write] = tokens.map(Some);
        let usage = Usage { input, output, cache_read, cache_write, reasoning: Some(1), ..Usage::default() };
        let (provider, model, key) = ("zai".to_owned(), model.to_owned(), "k".to_owned());
        let project = if time_ms > base { "late" } else { "" }.to_owned();
        ledger.put(Box::new(Entry { time_ms, provider, model, key, project, usage, cost, content_ms, ending, ..*entry("x") }));
    };
    put(base, "a", [10, 20, 30, 40], Some(500), Some(100), Ending::Complete);
    put(base, "a", [0, 0, 20, 0], Some(250), Some(300), Ending::Complete);
    put(base + 1000, "a", [0, 0, 0, 0], Some(0), None, Ending::Failed);
    put(base + 2000, "b", [1, 2, 0, 0], None, Some(50), Ending::ClientGone);
    flushed(&ledger);
    let told = |by, span| usage(&place, by, span).unwrap().unwrap();
    let by_model = told(By::Model, Span::default());
    let a = Row {
        name: "zai/a".to_owned(),
        requests: 3,
        errors: 1,
        input_tokens: 10,
        output_tokens: 20,
        cache_read_tokens: 50,
        cache_write_tokens: 40,
        thinking_tokens: 3,
        cost_micro_usd: 750,
        cache_share: Some(0.5),
        first_content_p50_ms: Some(100),
        first_content_p95_ms: Some(300),
        ..Row::default()
    };
    assert_eq!(by_model.groups[0], a);
    let b = &by_model.groups[1];
    assert_eq!((b.name.as_str(), b.requests, b.errors, b.cost_micro_usd, b.unpriced), ("zai/b", 1, 0, 0, 1));
    assert_eq!((by_model.total.requests, by_model.total.cost_micro_usd, by_model.total.unpriced), (4, 750, 1));
    assert_eq!(by_model.total.first_content_p50_ms, Some(100), "of 50, 100 and 300");
    assert_eq!(by_model.unpriced, [Unpriced { target: "zai/b".to_owned(), requests: 1 }]);

    let names = |by| told(by, Span::default()).groups.iter().map(|row| (row.name.clone(), row.requests)).collect::<Vec<_>>();
    let one = |name: &str| vec![(name.to_owned(), 4)];
    assert_eq!((names(By::Provider), names(By::Key), names(By::Client)), (one("zai"), one("zai k"), one("anthropic")));
    assert_eq!((names(By::Route), names(By::Session), names(By::Agent)), (one(""), one(""), one("")));
    assert_eq!(names(By::Project), [(String::new(), 2), ("late".to_owned(), 2)]);
    let [day, hour] = [By::Day, By::Hour].map(|by| names(by).remove(0).0);
    assert!(hour.starts_with(&day) && day.starts_with("2026-11-1") && hour.ends_with(":00"), "{hour}");

    let within = |since_ms, until_ms| told(By::Model, Span { since_ms, until_ms }).total.requests;
    assert_eq!(within(Some(base), Some(base + 2000)), 3, "the begin is in it, the end is not");
    assert_eq!(within(Some(base + 1), None), 2);
    assert_eq!(within(None, Some(base)), 0);
    assert_eq!(told(By::Model, Span { since_ms: Some(base + 9000), until_ms: None }), Report::default());
}

fn what_each_attempt_took_is_told_of_whom_it_was_taken_by(store: &Store) {
    let place = store.place();
    let ledger = Ledger::start(&settings(store)).unwrap();
    let tokens = |input, output| Usage { input: Some(input), output: Some(output), ..Usage::default() };
    let by = |provider: &str| Earlier { provider: provider.to_owned(), model: "m".to_owned(), key: "k".to_owned(), ..Earlier::default() };
    let cancelled = |provider, cost| Earlier { cost: Some(0), cancelled: Some(Cancelled { cost }), ..by(provider) };
    let broke = |provider, cost| Earlier { took: tokens(5, 7), cost, ..by(provider) };
    let put = |usage, cost, earlier| {
        let (provider, model, key) = ("b".to_owned(), "m".to_owned(), "k".to_owned());
        let last = Some(Attempt { status: Some(200), ..Attempt::default() });
        ledger.put(Box::new(Entry { provider, model, key, usage, cost, earlier, last, ..*entry("x") }));
    };
    // Of 130 the first half took 30; the one that was refused took nothing.
    put(tokens(15, 17), Some(130), vec![Earlier { cost: Some(0), ..by("c") }, broke("a", Some(30))]);
    // Beside what the request cost itself.
    put(tokens(1, 1), Some(40), vec![cancelled("a", Some(2))]);
    // The price of the one that was late is not known, so that the request's is not.
    put(tokens(1, 1), Some(1000), vec![cancelled("u", None)]);
    flushed(&ledger);
    let told = |by| usage(&place, by, Span::default()).unwrap().unwrap();
    for (by, names) in [(By::Provider, ["b", "a", "u"]), (By::Model, ["b/m", "a/m", "u/m"]), (By::Key, ["b k", "a k", "u k"])] {
        let Report { groups, total, unpriced, .. } = told(by);
        let rows: Vec<_> = groups
            .iter()
            .map(|row| (row.name.as_str(), row.requests, row.input_tokens, row.output_tokens, row.cost_micro_usd, row.unpriced))
            .collect();
        assert_eq!(rows, [(names[0], 3, 12, 12, 1140, 0), (names[1], 0, 5, 7, 32, 0), (names[2], 0, 0, 0, 0, 1)]);
        assert_eq!((total.requests, total.input_tokens, total.cost_micro_usd, total.unpriced), (3, 17, 1172, 1));
        assert_eq!(unpriced, [Unpriced { target: "u/m".to_owned(), requests: 1 }]);
    }
    let all = told(By::Session).groups.remove(0);
    assert_eq!((all.requests, all.input_tokens, all.cost_micro_usd, all.unpriced, all.estimated), (3, 17, 1172, 1, 2));
    let failovers = session(&place, "").unwrap().unwrap().failovers;
    assert_eq!(failovers, 1, "one that was late has not failed");
}

fn the_nearest_rank_is_the_wait_that_so_many_stayed_at_or_below(store: &Store) {
    let place = store.place();
    let ledger = Ledger::start(&settings(store)).unwrap();
    for wait in (1..=100).rev() {
        ledger.put(Box::new(Entry { content_ms: Some(wait), ..*entry("x") }));
    }
    flushed(&ledger);
    let total = usage(&place, By::Model, Span::default()).unwrap().unwrap().total;
    assert_eq!((total.first_content_p50_ms, total.first_content_p95_ms, total.cache_share), (Some(50), Some(95), None));
}

fn a_store_of_a_newer_aimux_is_left_alone(store: &Store) {
    let ledger = Ledger::start(&settings(store)).unwrap();
    ledger.put(entry("1"));
    flushed(&ledger);
    drop(ledger);
    until("the first writer is gone", || store.place().file().is_none_or(|path| !path.with_extension("sqlite-wal").exists()));
    store.is_newer_now("ledger");
    let ledger = Ledger::start(&settings(store)).unwrap();
    ledger.put(entry("2"));
    assert!(!ledger.flush(Duration::from_secs(5)) && ledger.counters().written == 0);
    assert_eq!(store.count("requests"), 1);
    let error = usage(&store.place(), By::Model, Span::default()).unwrap_err();
    assert!(error.code == Code::Ledger && error.message.contains("newer aimux"), "{}", error.message);
}

fn what_went_wrong_is_told_by_code(store: &Store) {
    assert_eq!(recent_errors(&store.place(), 0).unwrap(), [], "nobody wrote one yet");
    let ledger = Ledger::start(&settings(store)).unwrap();
    let now = now_ms();
    let put = |time_ms, code, provider: &str, ending| {
        let (provider, model) = (provider.to_owned(), "m".to_owned());
        ledger.put(Box::new(Entry { time_ms, code, provider, model, ending, ..*entry("x") }));
    };
    put(now - 50, Some(Code::UpstreamLimited), "b", Ending::Failed);
    put(now - 40, Some(Code::UpstreamLimited), "a", Ending::Failed);
    put(now - 30, None, "", Ending::Failed);
    put(now - 20, Some(Code::UpstreamAuth), "a", Ending::Complete);
    put(now - 9_000, Some(Code::UpstreamLimited), "old", Ending::Failed);
    flushed(&ledger);
    let told = |code: &str, requests, last_ms, target: &str| {
        let (code, target) = (code.to_owned(), target.to_owned());
        RecentError { code, requests, last_ms, target }
    };
    assert_eq!(recent_errors(&store.place(), now - 1000).unwrap(), [told("E0503", 2, now - 40, "a/m"), told("", 1, now - 30, "")]);
}

fn a_session_is_summed(store: &Store) {
    assert_eq!(session(&store.place(), "s").unwrap(), None);
    let ledger = Ledger::start(&settings(store)).unwrap();
    let put = |time_ms, role, model: &str, cost, earlier: usize| {
        let usage = Usage { input: Some(10), cache_read: Some(30), ..Usage::default() };
        let earlier =
            vec![Earlier { went: Attempt { code: Some(Code::UpstreamFailed), ..Attempt::default() }, ..Earlier::default() }; earlier];
        let (session, provider, model, last) = ("s".to_owned(), "p".to_owned(), model.to_owned(), Some(Attempt::default()));
        let ending = Ending::Complete;
        ledger.put(Box::new(Entry { time_ms, role, session, provider, model, usage, cost, earlier, last, ending, ..*entry("x") }));
    };
    put(now_ms() - 30, "main", "large", Some(7), 1);
    put(now_ms() - 20, "background", "small", Some(1), 0);
    put(now_ms() - 10, "background", "small", None, 0);
    flushed(&ledger);
    let sum = session(&store.place(), "s").unwrap().unwrap();
    let told = (sum.provider.as_str(), sum.model.as_str(), sum.requests, sum.cost_micro_usd, sum.unpriced, sum.failovers, sum.cache_share);
    assert_eq!(told, ("p", "large", 3, 8, 1, 1, Some(0.75)));
    assert_eq!(session(&store.place(), "another").unwrap(), None);
}

fn requests_are_found_by_words_the_latest_first(store: &Store) {
    let place = store.place();
    assert_eq!(search(&place, &Sought { terms: vec![("a".to_owned(), false)], ..Sought::default() }, 9).unwrap(), []);
    let ledger = Ledger::start(&settings(store)).unwrap();
    let now = now_ms();
    let failed = Earlier {
        provider: "zai".to_owned(),
        model: "glm-5.1".to_owned(),
        key: "spare".to_owned(),
        went: Attempt { code: Some(Code::ALL[0]), ..Attempt::default() },
        ..Earlier::default()
    };
    let of = |id: &str, days: u64, cost: Option<u64>| Entry {
        time_ms: now - days * DAY_MS,
        program: "claude-cli".to_owned(),
        session: format!("11-{id}"),
        project: "Größe".to_owned(),
        asked: "claude-opus-4-8".to_owned(),
        provider: "anthropic".to_owned(),
        model: "opus".to_owned(),
        cost,
        ending: Ending::Complete,
        last: Some(Attempt::default()),
        ..*entry(id)
    };
    ledger.put(Box::new(of("req_a", 2, Some(10))));
    ledger.put(Box::new(Entry { earlier: vec![failed], ..of("req_b", 1, Some(5_000)) }));
    let refused =
        Entry { status: 503, code: Some(Code::ToolSteps), ending: Ending::Failed, provider: String::new(), ..of("req_c", 0, None) };
    ledger.put(Box::new(refused));
    flushed(&ledger);
    let found = |terms: &[(&str, bool)], sought: &Sought, limit: usize| -> Vec<String> {
        let terms = terms.iter().map(|(text, is_begin)| ((*text).to_owned(), *is_begin)).collect();
        let found = search(&place, &Sought { terms, ..sought.clone() }, limit).unwrap();
        found.into_iter().map(|request| request.request_id).collect()
    };
    let all = Sought::default();
    for (term, ids) in [
        ("claude-opus-4-8", &["req_c", "req_b", "req_a"][..]),
        ("Claude CLI", &["req_c", "req_b", "req_a"]),
        ("grösse", &[]),
        ("GRÖßE", &["req_c", "req_b", "req_a"]),
        ("11-req_b", &["req_b"]),
        ("503", &["req_c"]),
        ("AIMUX-E0802", &["req_c"]),
        ("e0802", &["req_c"]),
        ("failed", &["req_c"]),
        ("zai/glm-5.1", &["req_b"]),
        ("spare", &["req_b"]),
        (Code::ALL[0].row().id, &["req_b"]),
        // A part of a word is none.
        ("opu", &[]),
        ("--", &[]),
    ] {
        assert_eq!(found(&[(term, false)], &all, 9), ids, "{term}");
    }
    assert_eq!(found(&[("opu", true)], &all, 2), ["req_c", "req_b"]);
    assert_eq!(found(&[("opus", false), ("503", false)], &all, 9), ["req_c"]);
    assert_eq!(found(&[], &all, 9), [""; 0]);
    let span = Span { since_ms: Some(now - DAY_MS - 1), until_ms: Some(now) };
    for (sought, ids) in [
        (Sought { span, ..all.clone() }, &["req_b"][..]),
        (Sought { model: Some("ANTHROPIC/op".to_owned()), ..all.clone() }, &["req_b", "req_a"]),
        (Sought { cost_min: Some(11), ..all.clone() }, &["req_b"]),
        (Sought { cost_min: Some(0), ..all.clone() }, &["req_c", "req_b", "req_a"]),
    ] {
        assert_eq!(found(&[("claude", false)], &sought, 9), ids, "{sought:?}");
    }
    let request = search(&place, &Sought { terms: vec![("spare".to_owned(), false)], ..all.clone() }, 9).unwrap().remove(0);
    assert_eq!((request.target.as_str(), request.cost, request.earlier.len()), ("anthropic/opus", Some(5_000), 1));
}

fn a_search_goes_back_as_far_as_it_must(store: &Store) {
    let ledger = Ledger::start(&settings(store)).unwrap();
    let now = now_ms();
    // Word for word only one in a hundred is what is sought, though all look like it; some came at the same moment.
    for n in 0..3000_u64 {
        let project = if n % 100 == 7 { "needle".to_owned() } else { "needles".to_owned() };
        ledger.put(Box::new(Entry { time_ms: now - n / 3, project, ..*entry(&n.to_string()) }));
    }
    until("it is written", || ledger.counters().queued == 0);
    let sought = Sought { terms: vec![("needle".to_owned(), false)], ..Sought::default() };
    let found =
        |limit| -> Vec<String> { search(&store.place(), &sought, limit).unwrap().into_iter().map(|request| request.request_id).collect() };
    let all: Vec<String> = (0..30).map(|n| (n * 100 + 7).to_string()).collect();
    assert_eq!(found(100), all);
    assert_eq!(found(12), all[..12]);
}
