//! Compared with a parser of whole documents: the same signs are strong, emphasised, struck out, code and links.

use proptest::prelude::*;
use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

use super::*;

/// What a sign is, in both parsers' words: a letter for each of strong, emphasised, struck out, code, link.
type Sign = (char, String);

fn ours(text: &str) -> Vec<Sign> {
    let kinds = [(Kind::STRONG, 's'), (Kind::EMPHASIS, 'e'), (Kind::STRIKE, 'd'), (Kind::CODE, 'c'), (Kind::LINK, 'l')];
    let mut inline = Inline::new(Keep::Text);
    let mut runs = inline.push(text);
    runs.extend(inline.finish());
    let shown = runs.iter().filter(|run| !run.kind.has(Kind::ADDRESS));
    let signs = shown.flat_map(|run| {
        let kind: String = kinds.iter().filter(|(kind, _)| run.kind.has(*kind)).map(|(_, letter)| *letter).collect();
        run.text.chars().map(move |c| (c, kind.clone()))
    });
    signs.filter(|(c, _)| !c.is_whitespace()).collect()
}

fn theirs(text: &str) -> Vec<Sign> {
    let mut counts = [0_usize; 5];
    let mut signs = Vec::new();
    for event in Parser::new_ext(text, Options::ENABLE_STRIKETHROUGH) {
        let place = |strong, emphasis, strike, link| {
            if strong {
                Some(0)
            } else if emphasis {
                Some(1)
            } else if strike {
                Some(2)
            } else if link {
                Some(4)
            } else {
                None
            }
        };
        let (text, extra) = match &event {
            Event::Start(tag) => {
                let at = place(*tag == Tag::Strong, *tag == Tag::Emphasis, *tag == Tag::Strikethrough, matches!(tag, Tag::Link { .. }));
                at.into_iter().for_each(|at| counts[at] += 1);
                continue;
            }
            Event::End(tag) => {
                let at = place(*tag == TagEnd::Strong, *tag == TagEnd::Emphasis, *tag == TagEnd::Strikethrough, *tag == TagEnd::Link);
                at.into_iter().for_each(|at| counts[at] -= 1);
                continue;
            }
            Event::Code(text) => (text, 1),
            Event::Text(text) | Event::InlineHtml(text) => (text, 0),
            _ => continue,
        };
        let count = |at: usize| counts[at] + if at == 3 { extra } else { 0 };
        let kind: String = "sedcl".chars().enumerate().filter(|(at, _)| count(*at) > 0).map(|(_, letter)| letter).collect();
        signs.extend(text.chars().filter(|c| !c.is_whitespace()).map(|c| (c, kind.clone())));
    }
    signs
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    #[test]
    fn emphasis_code_and_links_are_where_the_standard_has_them(
        parts in prop::collection::vec(prop::sample::select(vec![
            "*", "**", "***", "_", "__", "`", "``", "a", "b c", " ", ".", "(", "é", "[", "](u)", "]", "x_y", "\\*", "&lt;", "5",
        ]), 0..24)
    ) {
        // Begun with a letter: no list, rule or code by indentation.
        let text = format!("T{}", parts.concat());
        prop_assert_eq!(ours(&text), theirs(&text), "{}", text);
    }
}

#[test]
fn the_documents_say_the_same() {
    for text in [
        "**a *b* c**",
        "*a **b***",
        "a * b * c",
        "`a *b*`",
        "[a *b*](c) d",
        "![a](b)c",
        "<b>x</b>",
        "2*3*4",
        "snake_case_name",
        "~~a~~ ~b~",
        "***a** b*",
        "**a*b**",
    ] {
        assert_eq!(ours(text), theirs(text), "{text}");
    }
}
