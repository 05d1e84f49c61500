//! A provider that really keeps prompt caches, as Anthropic's page describes them: whole prefixes up to a marker, looked for up to
//! twenty blocks before each marker, per account. It knows what each session lost, and keeps that from the program under test.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::replies::{Speaks, text};
use crate::upstream::{Act, Answer, Seen, Upstream};

/// What a fake does with a request instead of answering it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    Status(u16),
    /// The answer breaks off after its content has begun: the cache is written all the same.
    Cut,
}

/// What several fakes know together.
#[derive(Debug, Default)]
pub(crate) struct World {
    /// What the last answered request of each session left in a cache, in tokens.
    left: HashMap<String, u64>,
    /// Each answered request that read less than that: session and lost tokens, in order.
    pub(crate) broken: Vec<(String, u64)>,
    /// What is done with the next requests, by the fake's name.
    pub(crate) faults: HashMap<String, Fault>,
    /// The fakes that forget everything before they next answer.
    pub(crate) evict: HashSet<String>,
    /// Who answered, in order.
    pub(crate) answered: Vec<String>,
}

/// A loss that providers' granularity explains.
const NOISE: u64 = 128;

/// A block of a prompt: its content without markers, and whether it has one.
fn blocks(body: &Value) -> Vec<(String, bool)> {
    let mut all = Vec::new();
    let mut add = |head: &str, block: &Value| {
        let mut block = block.clone();
        let marker = block.as_object_mut().and_then(|block| block.remove("cache_control"));
        all.push((format!("{head}{block}"), marker.is_some_and(|marker| marker.is_object())));
    };
    let listed = |value: &Value| match value {
        Value::Array(list) => list.clone(),
        Value::String(text) => vec![json!({"type": "text", "text": text})],
        _ => Vec::new(),
    };
    listed(&body["tools"]).iter().for_each(|tool| add("tool ", tool));
    listed(&body["system"]).iter().for_each(|block| add("system ", block));
    for (index, message) in body["messages"].as_array().into_iter().flatten().enumerate() {
        let head = format!("{index} {} ", message["role"]);
        listed(&message["content"]).iter().for_each(|block| add(&head, block));
    }
    all
}

/// A fake provider by this name.
pub(crate) fn start(name: &'static str, world: &Arc<Mutex<World>>) -> Upstream {
    let (world, kept) = (Arc::clone(world), Mutex::new(HashSet::<String>::new()));
    Upstream::start(move |seen, _| {
        let mut world = world.lock().unwrap();
        let fault = world.faults.remove(name);
        match fault {
            Some(Fault::Status(status)) => return Speaks::Anthropic.refusal(status, "a fault of the test"),
            Some(Fault::Cut) | None => {}
        }
        let mut kept = kept.lock().unwrap();
        if world.evict.remove(name) {
            kept.clear();
        }
        let usage = usage(seen, &mut kept, &mut world);
        world.answered.push(name.to_owned());
        let answer = answer(seen, usage);
        // Behind the first piece of text.
        if fault == Some(Fault::Cut) { answer.after(4, Act::Cut) } else { answer }
    })
}

/// Reads and writes the cache, and notes what the session lost: input, read, written.
fn usage(seen: &Seen, kept: &mut HashSet<String>, world: &mut World) -> [u64; 3] {
    let body = seen.json();
    let account = seen.header("x-api-key").unwrap_or_default();
    let session = ["x-claude-code-session-id", "x-claude-code-agent-id"].map(|name| seen.header(name).unwrap_or_default()).join(" ");
    let blocks = blocks(&body);
    let tokens = |to: usize| blocks[..to].iter().map(|(block, _)| block.len() as u64 / 4).sum::<u64>();
    let prefix = |to: usize| blocks[..to].iter().fold(format!("{account} {}", body["model"]), |all, (block, _)| all + "\n" + block);
    let marks: Vec<usize> = (1..=blocks.len()).filter(|to| blocks[to - 1].1).collect();
    let found = marks.iter().flat_map(|mark| (mark.saturating_sub(20) + 1..=*mark).rev()).filter(|to| kept.contains(&prefix(*to))).max();
    let read = found.map_or(0, tokens);
    let written = marks.last().map_or(0, |mark| tokens(*mark)).saturating_sub(read);
    kept.extend(marks.iter().map(|mark| prefix(*mark)));
    let total = tokens(blocks.len());
    let role = body["tools"].as_array().map_or("aside", |_| "main");
    let line = format!("{session} {role}");
    let lost = world.left.insert(line.clone(), read + written).unwrap_or(0).min(total).saturating_sub(read);
    if lost >= NOISE {
        world.broken.push((line, lost));
    }
    [total - read - written, read, written]
}

/// The usual answer with other figures at its start, and at its end as Anthropic's API repeats them.
fn answer(seen: &Seen, [input, read, written]: [u64; 3]) -> Answer {
    let mut answer = Speaks::Anthropic.answer(seen, &[text("a fine answer of the model")]);
    for act in &mut answer.acts {
        if let Act::Bytes(bytes) = act {
            let frame = String::from_utf8(std::mem::take(bytes)).unwrap();
            *bytes = frame
                .replace("\"input_tokens\":1234", &format!("\"input_tokens\":{input}"))
                .replace("\"cache_read_input_tokens\":789", &format!("\"cache_read_input_tokens\":{read}"))
                .replace("\"cache_creation_input_tokens\":12", &format!("\"cache_creation_input_tokens\":{written}"))
                .into_bytes();
        }
    }
    answer
}

/// A client's session that grows turn by turn, as Claude Code sends it: a marker at the system prompt, and one at the last block.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    pub(crate) id: String,
    pub(crate) agent: Option<&'static str>,
    pub(crate) tools: Value,
    pub(crate) system: Vec<String>,
    pub(crate) messages: Vec<Value>,
    pub(crate) is_marked: bool,
}

impl Session {
    pub(crate) fn new(id: &str, agent: Option<&'static str>) -> Self {
        let about = |what: &str| format!("{what} of {id} {agent:?}. ").repeat(60);
        Self {
            id: id.to_owned(),
            agent,
            tools: json!([{"name": "read", "description": about("Reads a file"), "input_schema": {"type": "object"}}]),
            system: vec!["a short head".to_owned(), about("The instructions")],
            messages: Vec::new(),
            is_marked: true,
        }
    }

    /// The user speaks.
    pub(crate) fn says(&mut self, words: &str) {
        self.messages.push(json!({"role": "user", "content": [{"type": "text", "text": format!("{words}. ").repeat(80)}]}));
    }

    /// The body of the request.
    pub(crate) fn body(&self, stream: bool) -> Value {
        let marker = json!({"type": "ephemeral"});
        let mut system: Vec<Value> = self.system.iter().map(|text| json!({"type": "text", "text": text})).collect();
        let mut messages = self.messages.clone();
        if self.is_marked {
            system.last_mut().unwrap()["cache_control"] = marker.clone();
            messages.last_mut().unwrap()["content"][0]["cache_control"] = marker;
        }
        json!({"model": "claude-x", "max_tokens": 99, "stream": stream, "tools": self.tools, "system": system, "messages": messages})
    }

    /// The model has answered.
    pub(crate) fn hears(&mut self) {
        self.messages.push(json!({"role": "assistant", "content": [{"type": "text", "text": "a fine answer of the model"}]}));
    }
}
