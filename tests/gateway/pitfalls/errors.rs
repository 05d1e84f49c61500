//! Errors in places where nobody looks for them. The numbers are those of the list of pitfalls.

use std::time::Duration;

use serde_json::{Value, json};

use super::{CLIENTS, ask, call, chunk, done, event, finish, gateway_for, hear_answer};
use crate::http::Whole;
use crate::replies::{Speaks, anthropic_frames, chat_frames, text};
use crate::upstream::{Act, Answer, Upstream};

/// Long enough for what came before to be with the client. What comes with a failure in one piece is never shown.
const SENT: Duration = Duration::from_millis(150);

/// The reply to a request whose upstream answers so.
fn reply(client: Speaks, speaks: Speaks, is_stream: bool, answer: &Answer) -> Whole {
    let script = answer.clone();
    let upstream = Upstream::start(move |_, _| script.clone());
    call(&gateway_for("", speaks, &upstream), client, &ask(client, is_stream))
}

/// What makes an error an error in the client's dialect.
fn assert_error(client: Speaks, error: &Value) {
    assert!(error["message"].as_str().is_some_and(|message| !message.is_empty()), "{error}");
    assert!(error["type"].as_str().is_some_and(|kind| !kind.is_empty()), "{error}");
    assert!(client == Speaks::Anthropic || error.get("code").is_some(), "{error}");
}

/// Pitfall 72.
#[test]
fn an_error_inside_a_stream_ends_it_as_an_error() {
    let chat_head = chat_frames(&[text("half of it, no more")])[..2].to_vec();
    let messages_head = anthropic_frames(&[text("half of it, no more")])[..4].to_vec();
    let busy = json!({"error": {"message": "busy", "type": "server_error", "code": 503}});
    let cases = [
        (Speaks::Chat, &chat_head, format!("data: {busy}\n\n")),
        (Speaks::Chat, &chat_head, format!("event: error\ndata: {busy}\n\n")),
        (Speaks::Chat, &chat_head, "data: {\"error\":\"busy\"}\n\n".to_owned()),
        (Speaks::Chat, &chat_head, "data: {\"object\":\"error\",\"message\":\"busy\",\"code\":503}\n\n".to_owned()),
        (
            Speaks::Chat,
            &chat_head,
            chunk(&json!({"index": 0, "delta": {"content": ""}, "finish_reason": "error", "error": {"code": 502, "message": "busy"}})),
        ),
        (Speaks::Anthropic, &messages_head, event(json!({"type": "error", "error": {"type": "overloaded_error", "message": "busy"}}))),
        (
            Speaks::Anthropic,
            &messages_head,
            format!("data: {}\n\n", json!({"type": "error", "error": {"type": "overloaded_error", "message": "busy"}})),
        ),
        (Speaks::Anthropic, &messages_head, format!("data: {busy}\n\n")),
    ];
    for (speaks, head, fault) in cases {
        for client in CLIENTS {
            // What follows the error must not make a polite end of it.
            let tail = if speaks == Speaks::Chat { vec![finish("stop"), done()] } else { anthropic_frames(&[])[2..].to_vec() };
            let frames: Vec<String> = head.iter().cloned().chain([fault.clone()]).chain(tail).collect();
            let said = hear_answer("", client, speaks, &Answer::stream(frames).pause(head.len(), SENT));
            assert!(said.text.starts_with("half") && !said.is_ended, "{client:?} {fault}: {said:?}");
            assert!(said.error["message"].as_str().unwrap().contains("busy"), "{client:?} {fault}: {said:?}");
            assert_error(client, &said.error);
        }
    }
}

/// Pitfall 73.
#[test]
fn an_error_under_status_200_is_an_error_with_a_status() {
    for (body, status) in [
        (json!({"error": {"message": "busy", "code": 429}}).to_string(), 429),
        (json!({"error": {"message": "busy", "type": "overloaded_error"}, "type": "error"}).to_string(), 529),
        (json!({"id": "c", "choices": null, "base_resp": {"status_code": 1000, "status_msg": "busy"}}).to_string(), 502),
        (json!({"id": "c", "choices": []}).to_string(), 502),
        (json!({"id": "c", "choices": null}).to_string(), 502),
        ("<html><title>busy</title></html>".to_owned(), 502),
        ("busy".to_owned(), 502),
        (String::new(), 502),
    ] {
        for speaks in CLIENTS {
            for client in CLIENTS {
                for is_stream in [false, true] {
                    let reply = reply(client, speaks, is_stream, &Answer::json(200, body.clone()));
                    let expected = if status == 529 && client == Speaks::Chat { 503 } else { status };
                    let what = format!("{client:?} {speaks:?} stream {is_stream} {body:?}: {} {}", reply.status, reply.text());
                    assert_eq!(reply.status, expected, "{what}");
                    assert_eq!(reply.json()["type"] == "error", client == Speaks::Anthropic, "{what}");
                    assert_error(client, &reply.json()["error"]);
                }
            }
        }
    }
}

/// Pitfall 74.
#[test]
fn raw_text_in_a_stream_and_a_death_end_in_the_clients_own_words() {
    for speaks in CLIENTS {
        let (head, count) = if speaks == Speaks::Chat {
            (chat_frames(&[text("half of it, no more")]), 2)
        } else {
            (anthropic_frames(&[text("half of it, no more")]), 4)
        };
        for (how, act) in [
            ("text in a frame", Act::Bytes(b"data: Internal Server Error\n\n".to_vec())),
            ("text in an error frame", Act::Bytes(b"event: error\ndata: upstream exploded\n\n".to_vec())),
            ("half a frame", Act::Bytes(b"data: {\"id\":\"c1\",\"choi".to_vec())),
            ("half a frame of text", Act::Bytes(head[1].trim_end_matches(['\n', '}', ']']).as_bytes().to_vec())),
            ("a cut", Act::Cut),
            ("a reset", Act::Reset),
        ] {
            for client in CLIENTS {
                let said = hear_answer("", client, speaks, &Answer::stream(head.clone()).after(count, act.clone()).pause(count, SENT));
                assert!(said.text.starts_with("half") && !said.is_ended, "{how} {client:?} {speaks:?}: {said:?}");
                assert_error(client, &said.error);
            }
        }
    }
}

/// Pitfall 75.
#[test]
fn retry_after_survives_every_pair() {
    for speaks in CLIENTS {
        for client in CLIENTS {
            for is_stream in [false, true] {
                for status in [429, 503, 529] {
                    let answer = speaks.refusal(status, "slow down").header("retry-after", "7");
                    let reply = reply(client, speaks, is_stream, &answer);
                    assert_eq!(reply.header("retry-after"), Some("7"), "{client:?} {speaks:?} {status}: {}", reply.text());
                    assert!(reply.status == status || (status == 529 && reply.status == 503), "{}", reply.status);
                }
            }
        }
    }
    // A date stays a date, and what stands in a member alone becomes the header.
    let date = "Wed, 21 Oct 2099 07:28:00 GMT";
    let answer = Speaks::Chat.refusal(429, "slow down").header("retry-after", date);
    assert_eq!(reply(Speaks::Anthropic, Speaks::Chat, false, &answer).header("retry-after"), Some(date));
    let answer = Answer::json(
        429,
        r#"{"error":{"message":"Rate limit reached. Please try again in 20.5s.","type":"tokens","code":"rate_limit_exceeded"}}"#,
    );
    assert_eq!(reply(Speaks::Anthropic, Speaks::Chat, false, &answer).header("retry-after"), Some("21"));
}
