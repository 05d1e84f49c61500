//! Repairs of a history that real providers refuse: results that answer nothing, calls without result, ids that are
//! empty or stand twice. Only on the way to another dialect; a client's own dialect keeps its history as it is.
//!
//! Afterwards every call has an id of its own and exactly one result, and the results of a turn's calls lead the user
//! turn directly after it. Start with [`repair`].

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use crate::chat::request::{Block, BlockKind, Role, ToolCall, ToolResult, Turn};
use crate::chat::{Loss, lose};

/// What stands before a result whose call is gone.
const ORPHAN: &str = "[result of an earlier tool call] ";
/// What a call gets that was never answered.
const UNANSWERED: &str = "[no result: interrupted]";

/// The turns with every call answered once, and the answers where they belong. Borrowed where all was in order.
pub(crate) fn repair<'t, 'a>(turns: &'t [Turn<'a>], losses: &mut Vec<Loss>) -> Cow<'t, [Turn<'a>]> {
    if is_in_order(turns) { Cow::Borrowed(turns) } else { Cow::Owned(rebuild(turns, losses)) }
}

fn calls<'t, 'a>(turn: &'t Turn<'a>) -> impl Iterator<Item = &'t ToolCall<'a>> {
    turn.blocks.iter().filter_map(|block| match &block.kind {
        BlockKind::ToolCall(call) => Some(call),
        _ => None,
    })
}

fn result<'t, 'a>(block: &'t Block<'a>) -> Option<&'t ToolResult<'a>> {
    match &block.kind {
        BlockKind::ToolResult(result) => Some(result),
        _ => None,
    }
}

fn is_in_order(turns: &[Turn<'_>]) -> bool {
    let mut seen = HashSet::new();
    let mut open: Vec<&str> = Vec::new();
    for turn in turns {
        let leading = if turn.role == Role::User { turn.blocks.iter().map_while(result).count() } else { 0 };
        let results = turn.blocks.iter().filter_map(result);
        if results.clone().count() != leading || leading != open.len() {
            return false;
        }
        for result in results {
            let Some(at) = open.iter().position(|id| *id == result.call_id) else { return false };
            open.swap_remove(at);
        }
        for call in calls(turn) {
            if call.id.is_empty() || turn.role != Role::Assistant || !seen.insert(&*call.id) {
                return false;
            }
            open.push(&call.id);
        }
    }
    open.is_empty()
}

/// A call with the result that it gets.
struct Pair<'t, 'a> {
    turn: usize,
    id: String,
    result: Option<(&'t ToolResult<'a>, &'t Block<'a>)>,
}

/// Which call each result answers.
struct Pairs<'t, 'a> {
    /// In the order of the calls.
    pairs: Vec<Pair<'t, 'a>>,
    /// Turn and block of each result that found its call.
    placed: HashSet<(usize, usize)>,
}

fn pair_up<'t, 'a>(turns: &'t [Turn<'a>], losses: &mut Vec<Loss>) -> Pairs<'t, 'a> {
    let mut used = HashSet::new();
    let mut by_id: HashMap<&str, Vec<usize>> = HashMap::new();
    let mut found = Pairs { pairs: Vec::new(), placed: HashSet::new() };
    for (at, turn) in turns.iter().enumerate() {
        for (nth, block) in turn.blocks.iter().enumerate() {
            match &block.kind {
                BlockKind::ToolCall(call) => {
                    by_id.entry(&call.id).or_default().push(found.pairs.len());
                    let id = unused_id(&call.id, &mut used, losses);
                    found.pairs.push(Pair { turn: at, id, result: None });
                }
                BlockKind::ToolResult(result) => {
                    let same = by_id.get(&*result.call_id).map(Vec::as_slice).unwrap_or_default();
                    if let Some(pair) = answered_by(same, &found.pairs).and_then(|n| found.pairs.get_mut(n)) {
                        pair.result = Some((result, block));
                        found.placed.insert((at, nth));
                    }
                }
                _ => {}
            }
        }
    }
    found
}

/// Of the calls that share an id, the one that the next result answers: the first open one of the latest turn.
fn answered_by(same: &[usize], pairs: &[Pair<'_, '_>]) -> Option<usize> {
    let open = |n: &&usize| pairs.get(**n).is_some_and(|pair| pair.result.is_none());
    let turn = pairs.get(*same.iter().rev().find(open)?)?.turn;
    same.iter().filter(open).find(|n| pairs.get(**n).is_some_and(|pair| pair.turn == turn)).copied()
}

fn unused_id(id: &str, used: &mut HashSet<String>, losses: &mut Vec<Loss>) -> String {
    let base = if id.is_empty() { "call" } else { id };
    let numbered = (2..).map(|n| format!("{base}_{n}"));
    let first = (!id.is_empty()).then(|| id.to_owned()).into_iter();
    let unused = first.chain(numbered).find(|id| !used.contains(id)).unwrap_or_default();
    if unused != id {
        lose(losses, Loss::normalised("messages[].tool_call.id"));
    }
    used.insert(unused.clone());
    unused
}

fn rebuild<'a>(turns: &[Turn<'a>], losses: &mut Vec<Loss>) -> Vec<Turn<'a>> {
    let Pairs { pairs, placed } = pair_up(turns, losses);
    let mut pairs = pairs.into_iter().peekable();
    let mut rebuilt: Vec<Turn<'a>> = Vec::with_capacity(turns.len() + 1);
    let mut open_results = false;
    for (at, turn) in turns.iter().enumerate() {
        let mut blocks = Vec::with_capacity(turn.blocks.len());
        let mut results = Vec::new();
        for (nth, block) in turn.blocks.iter().enumerate() {
            match &block.kind {
                BlockKind::ToolCall(call) => {
                    let Some(pair) = pairs.next_if(|pair| pair.turn == at) else { continue };
                    results.push(answer(&pair, losses));
                    let kind = BlockKind::ToolCall(ToolCall { id: Cow::Owned(pair.id), ..call.clone() });
                    blocks.push(Block { kind, ..block.clone() });
                }
                BlockKind::ToolResult(_) if placed.contains(&(at, nth)) => {}
                BlockKind::ToolResult(orphan) => orphaned(orphan, &mut blocks, losses),
                _ => blocks.push(block.clone()),
            }
        }
        match rebuilt.last_mut() {
            // What the user said beside the results follows them in the same turn.
            Some(last) if open_results && turn.role == Role::User => last.blocks.append(&mut blocks),
            _ if blocks.is_empty() && !turn.blocks.is_empty() => {}
            _ => rebuilt.push(Turn { blocks, ..turn.clone() }),
        }
        open_results = open_results && turn.role == Role::User || !results.is_empty();
        if !results.is_empty() {
            rebuilt.push(Turn { role: Role::User, name: None, blocks: results });
        }
    }
    rebuilt
}

fn answer<'a>(pair: &Pair<'_, 'a>, losses: &mut Vec<Loss>) -> Block<'a> {
    let call_id = Cow::Owned(pair.id.clone());
    if let Some((result, block)) = pair.result {
        return Block { kind: BlockKind::ToolResult(ToolResult { call_id, ..result.clone() }), ..block.clone() };
    }
    lose(losses, Loss::emulated("messages[].tool_result"));
    let content = vec![BlockKind::Text(UNANSWERED.into()).into()];
    BlockKind::ToolResult(ToolResult { call_id, content, is_error: true }).into()
}

fn orphaned<'a>(orphan: &ToolResult<'a>, blocks: &mut Vec<Block<'a>>, losses: &mut Vec<Loss>) {
    lose(losses, Loss::emulated("messages[].tool_result"));
    let mut text = ORPHAN.to_owned();
    let mut others = Vec::new();
    for block in &orphan.content {
        match &block.kind {
            BlockKind::Text(more) if text.len() > ORPHAN.len() => text.extend(["\n", &more.read()]),
            BlockKind::Text(more) => text.push_str(&more.read()),
            _ => others.push(block.clone()),
        }
    }
    blocks.push(BlockKind::Text(text.trim_end().to_owned().into()).into());
    blocks.append(&mut others);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::request::Arguments;

    fn call(id: &str) -> Block<'_> {
        let call = ToolCall { id: id.into(), name: "run".into(), arguments: Arguments::Encoded("{}".into()), opaque: None };
        BlockKind::ToolCall(call).into()
    }

    fn result_of<'a>(id: &'a str, text: &'a str) -> Block<'a> {
        let content = vec![text_of(text)];
        BlockKind::ToolResult(ToolResult { call_id: id.into(), content, is_error: false }).into()
    }

    fn text_of(text: &str) -> Block<'_> {
        BlockKind::Text(text.into()).into()
    }

    fn turn<'a>(role: Role, blocks: Vec<Block<'a>>) -> Turn<'a> {
        Turn { role, name: None, blocks }
    }

    fn sketch(turns: &[Turn<'_>]) -> String {
        let block = |block: &Block<'_>| match &block.kind {
            BlockKind::Text(text) => format!("'{}'", text.read()),
            BlockKind::ToolCall(call) => format!("call {}", call.id),
            BlockKind::ToolResult(result) => match &result.content[0].kind {
                BlockKind::Text(text) => format!("{}={}", result.call_id, text.read()),
                _ => "?".to_owned(),
            },
            _ => "?".to_owned(),
        };
        let turn = |turn: &Turn<'_>| format!("{:?}: {}", turn.role, turn.blocks.iter().map(block).collect::<Vec<_>>().join(", "));
        turns.iter().map(turn).collect::<Vec<_>>().join("\n")
    }

    fn repaired(turns: &[Turn<'_>]) -> (String, usize) {
        let mut losses = Vec::new();
        let text = sketch(&repair(turns, &mut losses));
        (text, losses.len())
    }

    #[test]
    fn a_history_in_order_is_not_touched() {
        let turns = [
            turn(Role::User, vec![text_of("hi")]),
            turn(Role::Assistant, vec![call("a"), call("b")]),
            turn(Role::User, vec![result_of("b", "2"), result_of("a", "1"), text_of("and?")]),
        ];
        let mut losses = Vec::new();
        assert!(matches!(repair(&turns, &mut losses), Cow::Borrowed(_)));
        assert!(losses.is_empty());
    }

    #[test]
    fn results_are_led_back_to_their_calls() {
        let turns = [
            turn(Role::Assistant, vec![call("a"), call("b")]),
            turn(Role::System, vec![text_of("note")]),
            turn(Role::User, vec![text_of("so"), result_of("b", "2")]),
            turn(Role::User, vec![result_of("a", "1"), text_of("then")]),
        ];
        let expected = "Assistant: call a, call b\nUser: a=1, b=2\nSystem: 'note'\nUser: 'so'\nUser: 'then'";
        assert_eq!(repaired(&turns), (expected.to_owned(), 0));
    }

    #[test]
    fn a_result_without_call_becomes_text_and_a_call_without_result_gets_one() {
        let turns = [
            turn(Role::User, vec![result_of("gone", "42"), text_of("go on")]),
            turn(Role::Assistant, vec![call("a"), call("b")]),
            turn(Role::User, vec![text_of("stop"), result_of("a", "1")]),
        ];
        let expected = "User: '[result of an earlier tool call] 42', 'go on'\nAssistant: call a, call b\n\
                        User: a=1, b=[no result: interrupted], 'stop'";
        assert_eq!(repaired(&turns), (expected.to_owned(), 1));
    }

    #[test]
    fn doubled_and_empty_ids_are_renumbered_with_their_results() {
        let turns = [
            turn(Role::Assistant, vec![call("x"), call("x"), call("")]),
            turn(Role::User, vec![result_of("x", "1"), result_of("x", "2"), result_of("", "3")]),
            turn(Role::Assistant, vec![call("x")]),
            turn(Role::User, vec![result_of("x", "4")]),
        ];
        let expected = "Assistant: call x, call x_2, call call_2\nUser: x=1, x_2=2, call_2=3\nAssistant: call x_3\nUser: x_3=4";
        assert_eq!(repaired(&turns), (expected.to_owned(), 1));
    }
}
