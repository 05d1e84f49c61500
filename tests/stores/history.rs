//! Conversations as who writes and reads them meets them, whatever they are kept in: whole exchanges, time, search, several at once.

use aimux::chat::Usage;
use aimux::error::Code;
use aimux::history::*;

use crate::store::{Store, now_ms, over_each, until};

const DAY_MS: u64 = 86_400_000;

over_each! {
    an_exchange_is_kept_whole
    content_is_kept_once_and_only_where_it_may_be
    conversations_are_found_by_time_model_cost_and_text
    an_id_may_be_cut_short_where_it_is_the_only_one
    the_latest_is_one_with_an_answer
    old_conversations_are_forgotten_and_the_current_one_never
    the_oldest_make_way_where_it_is_too_much
    several_writers_at_once_lose_nothing
    what_is_taken_over_twice_is_there_once
    a_word_is_found_wherever_it_stands
    conversations_of_a_newer_aimux_are_left_alone
}

fn settings(store: &Store) -> Settings {
    Settings { place: store.place(), ..Settings::usual(std::path::Path::new("/nowhere")) }
}

fn exchange(prompt: &str, answer: &str) -> Exchange {
    Exchange { time_ms: now_ms(), prompt: prompt.to_owned(), answer: answer.to_owned(), ending: Ending::Whole, ..Exchange::default() }
}

fn ids(history: &History, filter: &Filter) -> Vec<String> {
    history.conversations(filter, 100).unwrap().into_iter().map(|conversation| conversation.id).collect()
}

fn an_exchange_is_kept_whole(store: &Store) {
    let settings = settings(store);
    assert!(History::read(&settings).unwrap().is_none());
    let mut history = History::open(&settings).unwrap();
    let full = Exchange {
        request_id: "req_1".to_owned(),
        system: "be brief".to_owned(),
        attachments: vec![
            Attachment::new("cat.png", "image/png", vec![0, 159, 146, 150]),
            Attachment { content: None, ..Attachment::new("https://a/b.pdf", "application/pdf", Vec::new()) },
        ],
        reasoning: "hmm".to_owned(),
        asked: "default".to_owned(),
        provider: "zai".to_owned(),
        model: "glm-5.1".to_owned(),
        route: "default".to_owned(),
        options: r#"{"temperature":0.5}"#.to_owned(),
        ending: Ending::Partial,
        code: Some("E0505".to_owned()),
        attempts: 2,
        usage: Usage {
            input: Some(1),
            output: Some(2),
            cache_read: Some(3),
            cache_write: Some(4),
            cache_write_1h: None,
            reasoning: Some(5),
        },
        is_estimated: true,
        cost: Some(77),
        content_ms: Some(8),
        total_ms: 9,
        ..exchange("\n  what is it?\nsay", "a \0 cat \u{1b}[31m")
    };
    let id = history.put(None, &full).unwrap();
    let second = Exchange { time_ms: full.time_ms + 1, ..exchange("and now?", "") };
    assert_eq!(history.put(Some(&id), &second).unwrap(), id);
    let read = History::read(&settings).unwrap().unwrap();
    let kept = match store {
        Store::Sqlite(_) => full.clone(),
        // The one character that it has no place for.
        Store::Postgres(_) => Exchange { answer: full.answer.replace('\0', "\u{fffd}"), ..full.clone() },
    };
    assert_eq!(read.exchanges(&id).unwrap(), [kept, second]);
    assert_eq!(
        read.conversations(&Filter::default(), 10).unwrap(),
        [Conversation {
            id: id.clone(),
            name: "what is it?".to_owned(),
            created_ms: full.time_ms,
            updated_ms: full.time_ms + 1,
            exchanges: 2,
            unfinished: 1,
            targets: vec!["zai/glm-5.1".to_owned()],
            cost_micro_usd: 77,
            unpriced: 1,
        }]
    );
}

fn content_is_kept_once_and_only_where_it_may_be(store: &Store) {
    let settings = settings(store);
    let with = |name: &str| Exchange { attachments: vec![Attachment::new(name, "text/plain", b"the same".to_vec())], ..exchange("x", "y") };
    let mut history = History::open(&settings).unwrap();
    let ids = ["a", "b"].map(|name| history.put(None, &with(name)).unwrap());
    assert_eq!(store.count("contents"), 1);
    history.delete(&ids[..1]).unwrap();
    assert_eq!(store.count("contents"), 1, "the other one needs it");
    assert_eq!(history.exchanges(&ids[1]).unwrap()[0].attachments[0].content.as_deref(), Some(b"the same".as_slice()));
    history.delete(&ids[1..]).unwrap();
    assert_eq!(store.count("contents"), 0);
    let mut history = History::open(&Settings { attachments: false, ..settings.clone() }).unwrap();
    let id = history.put(None, &with("c")).unwrap();
    let kept = history.exchanges(&id).unwrap().remove(0).attachments.remove(0);
    assert_eq!((kept.name.as_str(), kept.size, kept.sha256.len(), kept.content), ("c", 8, 64, None));
}

fn conversations_are_found_by_time_model_cost_and_text(store: &Store) {
    let mut history = History::open(&settings(store)).unwrap();
    let base = now_ms() - 10 * DAY_MS;
    let mut put = |days: u64, target: [&str; 2], cost: Option<u64>, prompt: &str, answer: &str| {
        let [provider, model] = target.map(str::to_owned);
        history
            .put(
                None,
                &Exchange { time_ms: base + days * DAY_MS, asked: "default".to_owned(), provider, model, cost, ..exchange(prompt, answer) },
            )
            .unwrap()
    };
    let a = put(0, ["zai", "glm-5.1"], Some(900), "Explain borrow checking", "The borrow checker …");
    let b = put(1, ["zai", "GLM-5.2"], None, "Wie heißt das Café?", "Café Müller");
    let c = put(2, ["anthropic", "claude-opus-4-8"], Some(5_000), "checking the borrow", "no");
    let found = |filter: Filter| ids(&history, &filter);
    let all = Filter::default;
    assert_eq!(found(all()), [c.clone(), b.clone(), a.clone()], "the latest first");
    assert_eq!(found(Filter { since_ms: Some(base + DAY_MS), ..all() }), [c.clone(), b.clone()]);
    assert_eq!(found(Filter { until_ms: Some(base + DAY_MS), ..all() }), std::slice::from_ref(&a));
    assert_eq!(found(Filter { model: Some("glm".to_owned()), ..all() }), [b.clone(), a.clone()]);
    assert_eq!(found(Filter { model: Some("DEFAULT".to_owned()), ..all() }).len(), 3);
    assert_eq!(found(Filter { cost_min: Some(1000), ..all() }), std::slice::from_ref(&c));
    assert_eq!(found(Filter { cost_min: Some(900), since_ms: Some(base), ..all() }), [c.clone(), a.clone()]);
    let text = |text: &str| Filter { text: Some(text.to_owned()), ..all() };
    assert_eq!(found(text("cafe muller")), std::slice::from_ref(&b), "without accents");
    assert_eq!(found(text("borrow check*")), [c.clone(), a.clone()]);
    assert_eq!(found(text("\"borrow checking\"")), std::slice::from_ref(&a));
    for nothing in ["absent", "", "\"", "*", "AND", "prompt:borrow NOT", "(((", "' OR 1=1 --"] {
        assert_eq!(found(text(nothing)), Vec::<String>::new(), "{nothing}");
        assert_eq!(history.search(nothing, &all(), 9).unwrap(), [], "{nothing}");
    }
    let hits = history.search("borrow", &all(), 9).unwrap();
    assert_eq!(hits.len(), 2);
    let hit = hits.iter().find(|hit| hit.conversation == c).unwrap();
    assert_eq!((hit.prompt.as_str(), hit.target.as_str(), hit.number), ("checking the \u{1}borrow\u{2}", "anthropic/claude-opus-4-8", 1));
    assert_eq!(history.search("borrow", &Filter { model: Some("opus".to_owned()), ..all() }, 9).unwrap().len(), 1);
    assert_eq!(history.search("borrow", &all(), 1).unwrap().len(), 1);
    assert_eq!(history.conversations(&all(), 2).unwrap().len(), 2);
}

fn an_id_may_be_cut_short_where_it_is_the_only_one(store: &Store) {
    let mut history = History::open(&Settings { keep_days: 36_500, ..settings(store) }).unwrap();
    let at = |time_ms| Exchange { time_ms, ..exchange("x", "y") };
    let early = history.put(None, &at(1_000)).unwrap();
    let (a, b) = (history.put(None, &at(now_ms())).unwrap(), history.put(None, &at(now_ms())).unwrap());
    assert_eq!(history.find(&early[..9]).unwrap(), early);
    assert_eq!(history.find(&a.to_uppercase()).unwrap(), a);
    let error = history.find(&a[..4]).unwrap_err();
    assert!(error.code == Code::Usage && error.message.contains(&a) && error.message.contains(&b), "{}", error.message);
    for absent in ["zzzz", "", "%", "0' OR 1", "\u{1b}[31m"] {
        assert!(history.find(absent).unwrap_err().message.starts_with("there is no conversation"), "{absent}");
    }
}

fn the_latest_is_one_with_an_answer(store: &Store) {
    let mut history = History::open(&settings(store)).unwrap();
    assert_eq!(history.latest().unwrap(), None);
    let now = now_ms();
    let at = |time_ms, answer: &str| Exchange { time_ms, ..exchange("x", answer) };
    let first = history.put(None, &at(now - 9, "yes")).unwrap();
    let second = history.put(None, &at(now - 8, "yes")).unwrap();
    assert_eq!(history.latest().unwrap().as_ref(), Some(&second));
    history.put(None, &at(now - 7, "")).unwrap();
    assert_eq!(history.latest().unwrap(), Some(second), "nobody answered that one");
    history.put(Some(&first), &at(now, "more")).unwrap();
    assert_eq!(history.latest().unwrap(), Some(first));
}

fn old_conversations_are_forgotten_and_the_current_one_never(store: &Store) {
    let settings = Settings { keep_days: 2, ..settings(store) };
    let all = Settings { keep_days: 36_500, ..settings.clone() };
    let mut history = History::open(&all).unwrap();
    let at = |age| Exchange { time_ms: now_ms() - age, ..exchange("x", "y") };
    let old = history.put(None, &at(2 * DAY_MS + 60_000)).unwrap();
    let young = history.put(None, &at(2 * DAY_MS - 60_000)).unwrap();
    let went_on = history.put(None, &at(9 * DAY_MS)).unwrap();
    history.put(Some(&went_on), &at(DAY_MS)).unwrap();
    assert_eq!(ids(&history, &Filter::default()), [went_on.clone(), young.clone(), old]);
    let mut history = History::open(&settings).unwrap();
    let new = history.put(None, &at(5 * DAY_MS)).unwrap();
    assert_eq!(ids(&history, &Filter::default()), [went_on, young, new]);
}

fn the_oldest_make_way_where_it_is_too_much(store: &Store) {
    let settings = Settings { keep_mb: 1, ..settings(store) };
    let mut history = History::open(&settings).unwrap();
    let large = |n: u64| Exchange { time_ms: now_ms() - 1000 + n, ..exchange("x", &"z".repeat(200 << 10)) };
    let put: Vec<String> = (0..12).map(|n| history.put(None, &large(n)).unwrap()).collect();
    let left = ids(&history, &Filter::default());
    assert!((2..6).contains(&left.len()), "{left:?}");
    assert_eq!(left, put.iter().rev().take(left.len()).cloned().collect::<Vec<_>>(), "the latest stay");
    assert!(store.place().file().is_none_or(|path| std::fs::metadata(path).unwrap().len() < 2 << 20), "the room is given back");
    let huge = history.put(None, &exchange("x", &"y".repeat(3 << 20))).unwrap();
    assert_eq!(ids(&history, &Filter::default()), [huge], "one that is larger by itself stays alone");
}

fn several_writers_at_once_lose_nothing(store: &Store) {
    let settings = settings(store);
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let settings = &settings;
            scope.spawn(move || {
                let mut history = History::open(settings).unwrap();
                for n in 0..25 {
                    history.put(None, &exchange(&format!("writer{writer} prompt{n}"), "y")).unwrap();
                }
            });
        }
    });
    let history = History::read(&settings).unwrap().unwrap();
    assert_eq!(history.conversations(&Filter::default(), 1000).unwrap().len(), 100);
    assert_eq!(history.search("writer3", &Filter::default(), 1000).unwrap().len(), 25);
}

fn what_is_taken_over_twice_is_there_once(store: &Store) {
    let settings = settings(store);
    let one = |id: &str| Exchange { request_id: id.to_owned(), ..exchange("x", "y") };
    let theirs = [(History::id_of(now_ms(), "theirs"), vec![one("1"), one("2")])];
    assert_eq!(History::would_take(&settings, &theirs).unwrap(), Taken { conversations: 1, exchanges: 2, there: 0 });
    let mut history = History::open(&settings).unwrap();
    assert_eq!(history.take(&theirs).unwrap(), Taken { conversations: 1, exchanges: 2, there: 0 });
    let more = [(theirs[0].0.clone(), vec![one("1"), one("2"), one("3")])];
    assert_eq!(History::would_take(&settings, &more).unwrap(), Taken { conversations: 1, exchanges: 1, there: 2 });
    assert_eq!(history.take(&more).unwrap(), Taken { conversations: 1, exchanges: 1, there: 2 });
    assert_eq!(history.exchanges(&theirs[0].0).unwrap().len(), 3);
}

fn a_word_is_found_wherever_it_stands(store: &Store) {
    let mut history = History::open(&settings(store)).unwrap();
    let id = history
        .put(None, &exchange("look at src/ledger/mod.rs and https://a.example/x-ray?q=1", "the e-mail of foo_bar@b.example, 3.5 'quoted'"))
        .unwrap();
    for sought in [
        "ledger",
        "rs",
        "\"ledger mod\"",
        "x-ray",
        "ray",
        "e-mail",
        "mail",
        "foo_bar",
        "bar",
        "b.example",
        "3.5",
        "quoted",
        "'quoted'",
        "LOOK",
        "led* quo*",
    ] {
        let hits = history.search(sought, &Filter::default(), 9).unwrap();
        assert!(hits.len() == 1 && hits[0].conversation == id, "{sought}");
        assert!(format!("{}{}", hits[0].prompt, hits[0].answer).contains(MARKS[0]), "{sought}: {hits:?}");
    }
    for absent in ["edger", "\"mod ledger\"", "look absent", "example*z"] {
        assert_eq!(history.search(absent, &Filter::default(), 9).unwrap(), [], "{absent}");
    }
    let long = format!("{} needle", "word ".repeat(5000));
    history.put(None, &exchange(&long, &"y".repeat(3 << 20))).unwrap();
    let hit = history.search("needle", &Filter::default(), 9).unwrap().remove(0);
    assert!(hit.prompt.starts_with('…') && hit.prompt.contains("\u{1}needle\u{2}") && hit.prompt.len() < 200, "{}", hit.prompt);
}

fn conversations_of_a_newer_aimux_are_left_alone(store: &Store) {
    let settings = settings(store);
    let mut history = History::open(&settings).unwrap();
    history.put(None, &exchange("x", "y")).unwrap();
    drop(history);
    until("the first writer is gone", || store.count("exchanges") == 1);
    store.is_newer_now("history");
    for error in [History::open(&settings).unwrap_err(), History::read(&settings).unwrap_err()] {
        assert!(error.code == Code::History && error.message.contains("newer aimux"), "{}", error.message);
    }
    assert_eq!(store.count("exchanges"), 1);
}
