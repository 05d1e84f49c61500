//! What of a request counts for a cache, and that what was known before changes no result.

use super::pass::hash;
use super::*;

const MARK: &str = r#","cache_control":{"type":"ephemeral"}"#;

fn prefix(system: &str, messages: &[&str]) -> Prefix {
    let body = format!(
        r#"{{"model":"m","messages":[{}],"system":{system},"tools":[{{"name":"a"}},{{"name":"b"}}],"stream":true}}"#,
        messages.join(",")
    );
    Prefix::of(body.as_bytes())
}

fn user(text: &str, mark: &str) -> String {
    format!(r#"{{"role":"user","content":[{{"type":"text","text":"{text}"{mark}}}]}}"#)
}

const SYSTEM: &str = r#"[{"type":"text","text":"be good"},{"type":"text","text":"and quick","cache_control":{"type":"ephemeral"}}]"#;

#[test]
fn a_session_that_goes_on_changes_nothing_before_its_end_though_its_markers_move() {
    let first = prefix(SYSTEM, &[&user("hi", MARK)]);
    let answer = r#"{"role":"assistant","content":[{"type":"text","text":"ho"}]}"#;
    let second = prefix(SYSTEM, &[&user("hi", ""), answer, &user("more", MARK)]);
    assert_eq!(first.change(&second), None);
    assert_eq!(second.change(&first), None, "who takes words back changes nothing either");
    assert_eq!((first.marks.clone(), second.marks.clone()), (vec![4, 5], vec![4, 7]));
    assert!(first.is_reached_by(&second));
}

#[test]
fn text_alone_is_a_list_of_one_text() {
    let listed = prefix(SYSTEM, &[&user("hi", MARK)]);
    let alone = prefix(SYSTEM, &[r#"{"content":"hi","role":"user"}"#]);
    assert_eq!((listed.change(&alone), listed.messages.len()), (None, 1));
    assert_eq!(prefix("\"be good\"", &[]).system, prefix(r#"[{"text":"be good","type":"text"}]"#, &[]).system);
    assert_ne!(prefix("\"be good\"", &[]).system, prefix("\"be bad\"", &[]).system);
}

#[test]
fn the_first_block_that_differs_is_told() {
    let user = |text: &str| user(text, "");
    let old = prefix(SYSTEM, &[&user("a"), &user("b"), &user("c")]);
    for (later, place) in [
        (prefix(SYSTEM, &[&user("a"), &user("x"), &user("c")]), Place::Message(1)),
        (prefix(&SYSTEM.replace("quick", "slow"), &[&user("x")]), Place::System(1)),
        (prefix(r#""be good""#, &[&user("a")]), Place::System(1)),
        (prefix(r#""be bad""#, &[&user("a")]), Place::System(0)),
        (Prefix { tools: 7, ..prefix("\"x\"", &[]) }, Place::Tools),
        (Prefix { settings: 7, ..old.clone() }, Place::Settings),
    ] {
        assert_eq!(old.change(&later), Some(place));
    }
    let shown = [Place::Tools, Place::System(2), Place::Message(14)].map(|place| place.to_string());
    assert_eq!(shown, ["tools", "system[2]", "messages[14]"]);
    let thinks = |rest: &str| Prefix::of(format!(r#"{{"messages":["a"]{rest}}}"#).as_bytes());
    assert_eq!(thinks("").change(&thinks(r#","thinking":{"type":"adaptive"}"#)), Some(Place::Settings));
    assert_eq!(thinks("").change(&thinks(r#","max_tokens":7"#)), None);
}

#[test]
fn a_conversation_without_a_common_message_is_another() {
    let chat = |messages: &[(&str, &str)]| {
        let messages: Vec<String> = messages.iter().map(|(role, text)| format!(r#"{{"role":"{role}","content":"{text}"}}"#)).collect();
        Prefix::of(format!(r#"{{"messages":[{}],"tools":[{{"role":"system"}}]}}"#, messages.join(",")).as_bytes())
    };
    let old = chat(&[("system", "be good"), ("user", "a"), ("assistant", "b"), ("system", "c")]);
    assert_eq!(old.lead, 1);
    for (later, is_other) in [
        (chat(&[("system", "be good"), ("user", "x"), ("assistant", "y")]), true),
        (chat(&[("system", "be bad"), ("user", "x")]), true),
        (chat(&[("system", "be bad"), ("user", "a")]), false),
        (chat(&[("system", "be good"), ("user", "x"), ("assistant", "b")]), false),
        (chat(&[("developer", "1"), ("system", "2"), ("user", "a")]), false),
        (chat(&[]), false),
        (old.clone(), false),
    ] {
        assert_eq!(old.is_other(&later), is_other, "{later:?}");
    }
}

#[test]
fn each_tool_counts_the_only_one_too() {
    let with = |tools: &[&str]| Prefix::of(format!(r#"{{"tools":[{}]}}"#, tools.join(",")).as_bytes()).tools;
    let all = [with(&[]), with(&["{}"]), with(&[r#"{"name":"a"}"#]), with(&[r#"{"name":"b"}"#]), with(&["{}", "{}"]), with(&["{}", "1"])];
    let different: std::collections::HashSet<u32> = all.into_iter().collect();
    assert_eq!(different.len(), all.len(), "{all:?}");
}

#[test]
fn what_is_deep_in_a_block_counts_and_its_markers_do_not() {
    let result = |text: &str, mark: &str| {
        format!(
            r#"{{"role":"user","content":[{{"type":"tool_result","tool_use_id":"t","content":[{{"type":"text","text":"{text}"{mark}}}]}}]}}"#
        )
    };
    let old = prefix(SYSTEM, &[&result("1", MARK)]);
    assert_eq!(old.change(&prefix(SYSTEM, &[&result("1", "")])), None);
    assert_eq!(old.change(&prefix(SYSTEM, &[&result("2", "")])), Some(Place::Message(0)));
    let call = |input: &str| format!(r#"{{"role":"assistant","content":[{{"type":"tool_use","input":{input}}}]}}"#);
    let old = prefix(SYSTEM, &[&call(r#"{"cache_control":1,"a":["]}",{"b":-1.5e3}]}"#)]);
    assert_eq!(old.change(&prefix(SYSTEM, &[&call(r#"{"cache_control":2,"a":["]}",{"b":-1.5e3}]}"#)])), Some(Place::Message(0)));
}

#[test]
fn an_hour_and_a_marker_too_far_on_are_seen() {
    let hour = user("hi", r#","cache_control":{"type":"ephemeral","ttl":"1h"}"#);
    assert!(prefix(SYSTEM, &[&hour]).is_long && !prefix(SYSTEM, &[&user("hi", MARK)]).is_long);
    assert!(!prefix(SYSTEM, &[&user("hi", r#","cache_control":null"#)]).marks.contains(&5));
    let old = Prefix { marks: vec![3, 10], ..Prefix::default() };
    for (marks, is_reached) in [(vec![3, 10], true), (vec![3, 29], true), (vec![3, 30], false), (vec![], false)] {
        assert_eq!(old.is_reached_by(&Prefix { marks, ..Prefix::default() }), is_reached);
    }
    assert!(Prefix::default().is_reached_by(&old), "nothing was marked");
}

#[test]
fn any_bytes_are_borne_and_long_lists_are_bounded() {
    for body in [
        "",
        "{",
        "[]",
        "{\"messages\":[",
        "{\"messages\":[{\"content\":[}",
        "{\"messages\":7,\"tools\":{}}",
        "{\"system\":\"x",
        "{\"a\":,}",
        "{\"a\":]",
    ] {
        let _ = Prefix::of(body.as_bytes());
    }
    let many = |last: &str| {
        let mut all = vec!["1"; MESSAGES_MAX + 9];
        all.push(last);
        Prefix::of(format!("{{\"messages\":[{}]}}", all.join(",")).as_bytes())
    };
    assert_eq!(many("1").messages.len(), MESSAGES_MAX + 1);
    assert_eq!(many("1").change(&many("2")), None, "beyond what is told apart");
    assert_ne!(many("1").messages, many("2").messages);
}

#[test]
fn a_request_is_the_same_whatever_was_known_before() {
    let instruction = r#"{"role":"system","content":"be quick"}"#;
    let answer = r#"{"role":"assistant","content":[{"type":"text","text":"ho"}]}"#;
    let hour = user("hi", r#","cache_control":{"type":"ephemeral","ttl":"1h"}"#);
    let twice = format!(r#"{{"role":"user","content":[{{"type":"text","text":"a"{MARK}}},{{"type":"text","text":"b"}}]}}"#);
    let system = SYSTEM.replace("quick", "slow");
    let tools = |tools: &str| format!(r#"{{"tools":[{tools}],"messages":[{hour}]}}"#);
    let parts: [&[&str]; 6] = [
        &[&hour, answer, "7", "\"x\"", "{}"],
        &[&hour, answer, &user("more", MARK)],
        &[instruction, &hour, answer],
        &[instruction, &user("hi", ""), &twice, "77"],
        &[&twice, answer, &user("more", "")],
        &[],
    ];
    let mut bodies: Vec<String> =
        vec![tools(""), tools(r#"{"name":"a"}"#), tools(&format!(r#"{{"name":"a"{MARK}}}"#)), tools("1"), "{".into()];
    for messages in parts {
        for system in [SYSTEM, &system, "\"be good\""] {
            bodies.push(format!(r#"{{"system":{system},"tools":[{{"name":"a"}}],"messages":[{}]}}"#, messages.join(",")));
        }
    }
    for earlier in &bodies {
        for later in &bodies {
            let (earlier, alone) = (Prefix::of(earlier.as_bytes()), Prefix::of(later.as_bytes()));
            assert_eq!(Prefix::after(later.as_bytes(), &earlier), alone, "{later}");
        }
    }
}

#[test]
fn what_a_request_repeats_is_not_looked_into() {
    let body = format!(r#"{{"system":{SYSTEM},"tools":[{{"name":"a"}}],"messages":[{}]}}"#, user("hi", MARK));
    let mut known = Prefix::of(body.as_bytes());
    (known.tools, known.system, known.messages) = (1, vec![2, 3], vec![4]);
    let again = Prefix::after(body.as_bytes(), &known);
    assert_eq!((again.tools, again.system, again.messages, again.marks), (1, vec![2, 3], vec![4], vec![3, 4]));
    let changed = body.replace("hi", "ho");
    assert_ne!(Prefix::after(changed.as_bytes(), &known).messages, vec![4]);
}

#[test]
fn each_byte_of_a_text_counts() {
    let text: Vec<u8> = (0..=255).collect();
    for length in 0..text.len() {
        let mut other = text[..length].to_vec();
        for at in 0..length {
            other[at] ^= 1;
            assert_ne!(hash(&text[..length]), hash(&other), "{at} of {length}");
            other[at] ^= 1;
        }
        assert_ne!(hash(&text[..length]), hash(&text[..=length]));
    }
}
