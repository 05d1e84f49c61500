//! What an answer rests on, between dialects: read by the client, kept through the client's history, or named as lost.

use serde_json::{Value, json};

use crate::gateway::{Gateway, until};
use crate::replies::Speaks;
use crate::upstream::{Answer, Upstream};

const ANTHROPIC_STREAM: &str = include_str!("../fixtures/anthropic/web_search.sse");
const CHAT_STREAM: &str = include_str!("../fixtures/openai_chat/web_search.sse");

/// The frames of a recorded stream.
fn frames(stream: &str) -> Vec<String> {
    stream.split_inclusive("\n\n").map(str::to_owned).collect()
}

/// The answer of [`ANTHROPIC_STREAM`], whole.
fn anthropic_whole() -> Value {
    let page = |url: &str, title: Value, words: &str, index: &str| json!({"type": "web_search_result_location", "cited_text": words, "url": url, "title": title, "encrypted_index": index});
    json!({"id": "msg_w", "type": "message", "role": "assistant", "model": "up-model", "stop_reason": "end_turn", "stop_sequence": null,
        "usage": {"input_tokens": 9, "output_tokens": 40}, "content": [
            {"type": "text", "text": "I look it up. "},
            {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "Łódź"}},
            {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []},
            {"type": "text", "text": "Grüße: 🌍 ", "citations": null},
            {"type": "text", "text": "Łódź is from 1423", "citations": [
                page("https://a.example/1", json!("A"), "Łódź was founded in 1423.", "Eo8B+/="),
                page("https://b.example/2", Value::Null, "In 1423 \"Łódź\" …", "EpAB")]},
            {"type": "text", "text": ".", "citations": [{"type": "page_location", "cited_text": "p", "document_index": 0,
                "document_title": "D", "start_page_number": 1, "end_page_number": 2}]}]})
}

fn ask(client: Speaks, is_stream: bool) -> Value {
    let mut body = json!({"model": "m", "max_tokens": 100, "stream": is_stream, "messages": [{"role": "user", "content": "Łódź?"}]});
    if client == Speaks::Chat {
        body.as_object_mut().unwrap().remove("max_tokens");
    }
    body
}

/// The characters of `text` that an annotation covers.
fn covered(text: &str, annotation: &Value) -> String {
    let at = |name: &str| usize::try_from(annotation["url_citation"][name].as_u64().unwrap()).unwrap();
    text.chars().skip(at("start_index")).take(at("end_index") - at("start_index")).collect()
}

/// What a Chat client has in the end: the message, put together from the deltas of a stream.
fn message_of(events: &[crate::http::Event]) -> Value {
    let deltas: Vec<&Value> = events.iter().map(|event| &event.data["choices"][0]["delta"]).collect();
    let content: String = deltas.iter().filter_map(|delta| delta["content"].as_str()).collect();
    let lists: Vec<&Value> = deltas.iter().map(|delta| &delta["annotations"]).filter(|list| !list.is_null()).collect();
    // Without an `index` in each item, openai-python's stream helper takes one list, not two.
    assert_eq!(lists.len(), 1, "{deltas:?}");
    json!({"role": "assistant", "content": content, "annotations": lists[0]})
}

#[test]
fn web_citations_of_a_messages_upstream_are_a_chat_clients_annotations() {
    for is_stream in [true, false] {
        let upstream = Upstream::start(move |_, _| {
            if is_stream { Answer::stream(frames(ANTHROPIC_STREAM)) } else { Answer::json(200, anthropic_whole().to_string()) }
        });
        let gateway = Gateway::before(Speaks::Anthropic, &upstream);
        let reply = gateway.chat(&ask(Speaks::Chat, is_stream));
        let message = if is_stream { message_of(&reply.events()) } else { reply.json()["choices"][0]["message"].clone() };
        let text = message["content"].as_str().unwrap();
        assert_eq!(text, "I look it up. Grüße: 🌍 Łódź is from 1423.");
        let annotations = message["annotations"].as_array().unwrap();
        assert_eq!(annotations.len(), 2, "{annotations:?}");
        for (annotation, (url, title)) in annotations.iter().zip([("https://a.example/1", "A"), ("https://b.example/2", "")]) {
            assert_eq!(covered(text, annotation), "Łódź is from 1423");
            let page = &annotation["url_citation"];
            assert_eq!((&annotation["type"], &page["url"], &page["title"]), (&json!("url_citation"), &json!(url), &json!(title)));
        }
        assert_eq!(annotations[0]["url_citation"]["content"], "Łódź was founded in 1423.");
        let envelope = annotations[0]["url_citation"]["encrypted_index"].as_str().unwrap();
        assert!(envelope.starts_with("aimux1.other."), "{envelope}");
        // A page of a document in the request has no like; the provider's own tool works for the model alone.
        let lost = ["answer.content[].server_tool_use", "answer.content[].web_search_tool_result", "answer.citations.page_location"];
        let header = reply.header("x-aimux-loss").unwrap_or_default().to_owned();
        if is_stream {
            let named = lost.map(|field| format!("{field};dropped")).join(", ");
            until("the log names what a stream lost", std::time::Duration::from_secs(5), || {
                gateway.log().contains(&format!("lost=\"{named}\""))
            });
            assert!(gateway.log().contains("losses=3"));
        } else {
            assert!(lost.iter().all(|field| header.contains(&format!("{field};dropped"))), "{header}");
        }
    }
}

#[test]
fn annotations_of_a_chat_upstream_are_a_messages_clients_web_citations() {
    let text = "Grüße 🌍: Łódź is from 1423 ([a](https://a.example/1)), they say.";
    for is_stream in [true, false] {
        let page = |url: &str, title: &str, from: u32, to: u32| json!({"type": "url_citation", "url_citation": {"url": url, "title": title, "start_index": from, "end_index": to}});
        let annotations = json!([page("https://early.example/", "E", 0, 5), page("https://a.example/1", "A", 27, 53),
            {"type": "url_citation", "url_citation": {"url": "https://b.example/2", "title": "", "start_index": 0, "end_index": 7, "content": "Founded \"1423\""}},
            {"type": "file_citation", "file_citation": {"file_id": "f1", "index": 3}}]);
        let message = json!({"role": "assistant", "content": text, "refusal": null, "annotations": annotations});
        let whole = json!({"id": "s", "object": "chat.completion", "created": 1, "model": "q", "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]});
        let upstream =
            Upstream::start(move |_, _| if is_stream { Answer::stream(frames(CHAT_STREAM)) } else { Answer::json(200, whole.to_string()) });
        let gateway = Gateway::before(Speaks::Chat, &upstream);
        let reply = gateway.messages(&ask(Speaks::Anthropic, is_stream));
        let (said, citations) = if is_stream {
            let deltas: Vec<Value> = reply.events().into_iter().map(|event| event.data["delta"].clone()).collect();
            let said: String = deltas.iter().filter_map(|delta| delta["text"].as_str()).collect();
            (said, deltas.into_iter().filter(|delta| delta["type"] == "citations_delta").map(|delta| delta["citation"].clone()).collect())
        } else {
            let block = reply.json()["content"][0].clone();
            (block["text"].as_str().unwrap().to_owned(), block["citations"].as_array().unwrap().clone())
        };
        assert_eq!(said, text);
        let pages: Vec<[&Value; 4]> = citations.iter().map(|c: &Value| [&c["type"], &c["url"], &c["title"], &c["cited_text"]]).collect();
        let kind = json!("web_search_result_location");
        let expected = [
            [&kind, &json!("https://early.example/"), &json!("E"), &json!("")],
            [&kind, &json!("https://a.example/1"), &json!("A"), &json!("")],
            [&kind, &json!("https://b.example/2"), &Value::Null, &json!("Founded \"1423\"")],
        ];
        assert_eq!(pages, expected);
        assert!(citations.iter().all(|c| c["encrypted_index"].as_str().is_some_and(|index| index.starts_with("aimux1."))));
        let lost = "answer.citations.file_citation;dropped";
        if is_stream {
            until("the log names what a stream lost", std::time::Duration::from_secs(5), || {
                gateway.log().contains(&format!("lost=\"{lost}\""))
            });
        } else {
            assert_eq!(reply.header("x-aimux-loss"), Some(lost));
        }
    }
}

/// What a client that has read `answer` asks next.
fn ask_on(client: Speaks, answer: &Value) -> Value {
    let mut body = ask(client, false);
    let more = [answer.clone(), json!({"role": "user", "content": "And?"})];
    body["messages"].as_array_mut().unwrap().extend(more);
    body
}

/// What an upstream of `preset` gets as the answer before, and the reply's losses.
fn sent_back(preset: &str, client: Speaks, speaks: Speaks, answer: &Value) -> (Value, String) {
    let upstream = Upstream::start(move |seen, _| speaks.answer(seen, &[crate::replies::text("fine")]));
    let preset = if preset.is_empty() { String::new() } else { format!("preset: {preset}, ") };
    let base = upstream.url() + if speaks == Speaks::Chat { "/v1" } else { "" };
    let gateway = Gateway::start(&format!(
        "version: 1\nserver: {{ listen: \"127.0.0.1:0\", token: {{ env: AIMUX_CLIENT_TOKEN }} }}\nproviders:\n  up0: {{ {preset}dialect: {}, base_url: \"{base}\", key: {{ env: UPSTREAM_KEY }} }}\nmodels:\n  \"*\": [up0/up-model]\n",
        speaks.dialect()
    ));
    let body = ask_on(client, answer);
    let reply = if client == Speaks::Chat { gateway.chat(&body) } else { gateway.messages(&body) };
    assert_eq!(reply.status, 200, "{}", reply.text());
    let messages = upstream.only().json()["messages"].clone();
    let answer = messages.as_array().unwrap().iter().find(|message| message["role"] == "assistant").unwrap().clone();
    (answer, reply.header("x-aimux-loss").unwrap_or_default().to_owned())
}

/// The answer of [`anthropic_whole`] from a provider that is the preset, as a Chat client has it.
fn chat_message() -> Value {
    let upstream = Upstream::start(|_, _| Answer::json(200, anthropic_whole().to_string()));
    let gateway = Gateway::before(Speaks::Anthropic, &upstream);
    gateway.chat(&ask(Speaks::Chat, false)).json()["choices"][0]["message"].clone()
}

#[test]
fn citations_go_back_through_a_chat_client_to_the_family_that_made_them() {
    let message = chat_message();
    let (answer, losses) = sent_back("", Speaks::Chat, Speaks::Anthropic, &message);
    let cited = &anthropic_whole()["content"][4];
    assert_eq!(
        answer["content"],
        json!([{"type": "text", "text": "I look it up. Grüße: 🌍 "}, cited, {"type": "text", "text": "."}]),
        "the cited block is parted out again, with its state"
    );
    assert_eq!(losses, "");
    // Another family could not check them, and would refuse them.
    let (answer, losses) = sent_back("anthropic", Speaks::Chat, Speaks::Anthropic, &message);
    assert!(!answer.to_string().contains("citations") && !answer.to_string().contains("aimux1."), "{answer}");
    assert_eq!(losses, "messages[].annotations;dropped");
    // A client that drops what it does not know has nothing that can go back.
    let mut plain = message;
    for annotation in plain["annotations"].as_array_mut().unwrap() {
        annotation["url_citation"].as_object_mut().unwrap().remove("encrypted_index");
    }
    let (answer, losses) = sent_back("", Speaks::Chat, Speaks::Anthropic, &plain);
    assert_eq!(answer["content"], "I look it up. Grüße: 🌍 Łódź is from 1423.");
    assert_eq!(losses, "messages[].annotations;dropped");
}

#[test]
fn a_chat_relay_keeps_annotations_and_cuts_out_our_envelopes() {
    let message = chat_message();
    assert!(message.to_string().contains("aimux1."));
    let (answer, _) = sent_back("", Speaks::Chat, Speaks::Chat, &message);
    let mut expected = message;
    for annotation in expected["annotations"].as_array_mut().unwrap() {
        annotation["url_citation"].as_object_mut().unwrap().remove("encrypted_index");
    }
    assert_eq!(answer, expected);
}

#[test]
fn a_messages_relay_cuts_citations_that_anthropic_did_not_make() {
    let upstream = Upstream::start(|_, _| Answer::stream(frames(CHAT_STREAM)));
    let gateway = Gateway::before(Speaks::Chat, &upstream);
    let events = gateway.messages(&ask(Speaks::Anthropic, true)).events();
    let deltas = events.iter().map(|event| &event.data["delta"]);
    let citations: Vec<&Value> = deltas.filter(|delta| delta["type"] == "citations_delta").map(|delta| &delta["citation"]).collect();
    assert_eq!(citations.len(), 3);
    let text = "Grüße 🌍: Łódź is from 1423 ([a](https://a.example/1)), they say.";
    let answer = json!({"role": "assistant", "content": [{"type": "text", "text": text, "citations": citations}]});
    let (relayed, _) = sent_back("", Speaks::Anthropic, Speaks::Anthropic, &answer);
    assert_eq!(relayed, json!({"role": "assistant", "content": [{"type": "text", "text": text}]}));
    // Back to a Chat upstream they are what they were.
    let (message, losses) = sent_back("openai", Speaks::Anthropic, Speaks::Chat, &answer);
    assert_eq!(message["content"], text);
    let annotations = message["annotations"].as_array().unwrap();
    let covered: Vec<String> = annotations.iter().map(|annotation| covered(text, annotation)).collect();
    assert_eq!(covered, ["Grüße", "([a](https://a.example/1))", "Grüße 🌍"]);
    assert_eq!(
        annotations[1],
        json!({"type": "url_citation", "url_citation": {"url": "https://a.example/1", "title": "A", "start_index": 27, "end_index": 53}})
    );
    assert_eq!(losses, "messages[].content[].citations[].cited_text;dropped");
}

#[test]
fn citations_in_a_messages_clients_history_become_annotations_where_they_may() {
    let content =
        anthropic_whole()["content"].as_array().unwrap().iter().filter(|block| block["type"] == "text").cloned().collect::<Vec<_>>();
    let answer = json!({"role": "assistant", "content": content});
    let (message, losses) = sent_back("openai", Speaks::Anthropic, Speaks::Chat, &answer);
    let text = message["content"].as_str().unwrap();
    assert_eq!(text, "I look it up. Grüße: 🌍 Łódź is from 1423.");
    let annotations = message["annotations"].as_array().unwrap();
    assert!(annotations.len() == 2 && annotations.iter().all(|annotation| covered(text, annotation) == "Łódź is from 1423"), "{message}");
    let members = |annotation: &Value| annotation["url_citation"].as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    let openais = ["end_index", "start_index", "title", "url"];
    assert!(annotations.iter().all(|annotation| members(annotation) == openais), "Anthropic's state is Anthropic's: {message}");
    let path = "messages[].content[].citations";
    assert_eq!(
        losses,
        format!("{path}[].cited_text;dropped, {path}[].encrypted_index;dropped, {path};dropped"),
        "the page of a document has no like"
    );
    // Some refuse members that they do not know.
    for strict in ["groq", "mistral", "cerebras"] {
        let (message, losses) = sent_back(strict, Speaks::Anthropic, Speaks::Chat, &answer);
        assert!(message.get("annotations").is_none(), "{message}");
        assert_eq!(losses, format!("{path};dropped"));
    }
}
