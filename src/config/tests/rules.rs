//! What is found of rules and policies, at the edge of each reason, and when the tests of a config hold.

use super::super::diagnostic::Finding::{self, PolicyBlind, RuleContext, RuleImages, RuleTools, RuleUnreached, TestFailed};
use super::{findings, report};

/// A config whose `p/blind` can nothing, whose `p/able` all, and whose `p/dark` nobody knows; `q` says where it is and what for.
fn with(sections: &str) -> String {
    let base = "dialect: openai-chat, base_url: \"http://127.0.0.1:1/v1\"";
    let blind = "blind: { tools: false, images: false, documents: false, context: 5000, price_input: 1, price_output: 1 }";
    let able = "able: { tools: true, images: true, documents: true, context: 5000, price_input: 1, price_output: 1 }";
    format!(
        "version: 1\nproviders:\n  p: {{ {base}, models: {{ {blind}, {able} }} }}\n  q: {{ {base}, region: eu, data: [public] }}\n{sections}\n"
    )
}

/// What is found of rules with these conditions, in their order, each for `p/able`.
fn of_rules(conditions: &[&str]) -> Vec<Finding> {
    let rules = conditions.iter().enumerate().map(|(n, when)| format!("  - {{ name: r{n}, when: {{ {when} }}, use: [p/able] }}\n"));
    findings(&with(&format!("routes:\n{}", rules.collect::<String>())))
}

#[test]
fn a_rule_is_unreached_only_where_an_earlier_one_takes_all_of_it() {
    for (first, second) in [
        ("model: \"*\"", "tools: \">0\""),
        ("role: main", "role: main, tools: \">0\""),
        ("model: claude-*", "model: claude-opus-*"),
        ("model: [claude-*, gpt-*]", "model: [gpt-5, claude-x]"),
        ("images: \">0\"", "images_now: \">0\""),
        ("documents: \">0\"", "documents_now: \">1\""),
        ("input_tokens: \">100\"", "input_tokens: \">=102\""),
        ("stream: true", "stream: true, turns: \">3\""),
        ("turns: \">=0\"", "stream: true"),
    ] {
        assert_eq!(of_rules(&[first, second]), [RuleUnreached], "{first} before {second}");
        if first != "role: main" {
            assert_eq!(of_rules(&[second, first]), [], "{second} before {first}");
        }
    }
    for (first, second) in [
        // A project may be unknown.
        ("project: \"*\"", "tools: \">0\""),
        ("stream: true", "stream: false"),
        ("input_tokens: \">100\"", "input_tokens: \">99\""),
        // More images may have been shown before.
        ("images: \"<=1\"", "images_now: \"<=1\""),
        ("tools: \">0\"", "images: \">0\""),
    ] {
        assert_eq!(of_rules(&[first, second]), [], "{first} before {second}");
    }
}

#[test]
fn a_target_that_lacks_what_its_rule_is_for_is_found_and_no_other() {
    let of = |when: &str, target: &str| findings(&with(&format!("routes: [{{ name: r, when: {{ {when} }}, use: [{target}, q/dark] }}]")));
    for (when, found) in [
        ("tools: \">0\"", Some(RuleTools)),
        ("tools: \">=0\"", None),
        ("images: \">0\"", Some(RuleImages)),
        ("images_now: \">0\"", Some(RuleImages)),
        ("documents: \">0\"", Some(RuleImages)),
        ("documents_now: 1", Some(RuleImages)),
        ("images: \"<3\"", None),
    ] {
        assert_eq!(of(when, "p/blind"), found.into_iter().collect::<Vec<_>>(), "{when}");
        assert_eq!(of(when, "p/able"), [], "{when}");
    }
    for (when, is_found) in [
        ("input_tokens: \">=5000\"", false),
        ("input_tokens: \">5000\"", true),
        ("input_tokens: \"<=5000\"", false),
        ("input_tokens: \"<=5001\"", true),
        ("input_tokens: [\"<=6000\", \"<=100\"]", true),
        ("input_tokens: [\"<=100\", \">7000\"]", true),
    ] {
        assert_eq!(of(when, "p/able"), if is_found { vec![RuleContext] } else { vec![] }, "{when}");
    }
}

#[test]
fn a_policy_that_goes_by_what_nobody_said_is_found() {
    let of = |deny: &str, target: &str| {
        findings(&with(&format!("models: {{ m: [{target}] }}\npolicies: [{{ name: one, deny: {{ {deny} }} }}]")))
    };
    for deny in ["price_input_max: 5", "price_output_min: 5", "context_max: 5000"] {
        assert_eq!((of(deny, "p/able"), of(deny, "q/dark")), (vec![], vec![PolicyBlind]), "{deny}");
    }
    // Of a provider it must be said, whether it is used or not.
    for deny in ["region: cn", "data: secret"] {
        let report = report(&with(&format!("policies: [{{ name: one, deny: {{ {deny} }} }}]")));
        let told: Vec<&str> = report.diagnostics.iter().map(|found| found.message.as_str()).collect();
        assert!(told.len() == 1 && told[0].ends_with("which is not known of p"), "{deny}: {told:?}");
    }
    assert_eq!(of("provider: q", "q/dark"), []);
    let twice = report(&with("models: { m: [q/dark, p/able], n: [q/dark] }\npolicies: [{ name: one, deny: { context_max: 9 } }]"));
    let told: Vec<&str> = twice.diagnostics.iter().map(|found| found.message.as_str()).collect();
    assert!(told.len() == 1 && told[0].ends_with("which is not known of q/dark"), "{told:?}");
}

#[test]
fn a_test_holds_only_where_the_request_goes_as_it_says() {
    let config = "models: { m: [q/dark, p/able], n: [p/able] }\nroutes: [{ name: long, when: { input_tokens: \">4000\" }, use: n }]\n\
                  policies: [{ name: home, when: { project: acme }, deny: { provider: q } }, { name: idle, deny: { provider: nobody } }, \
                  { name: shut, when: { project: shut }, deny: { provider: [p, q] } }]\ntests: [";
    for (test, holds) in [
        ("request: { model: m }, expect: q/dark", true),
        ("request: { model: m }, expect: p/able", false),
        ("request: { model: m }, expect: m", true),
        ("request: { model: m }, expect: q/dark, because: m", true),
        ("request: { model: m }, expect: q/dark, because: long", false),
        ("request: { model: m, input_tokens: 4001 }, expect: p/able, because: long", true),
        ("request: { model: m, input_tokens: 4000 }, expect: p/able", false),
        ("request: { model: m, project: acme }, expect: p/able, because: home", true),
        ("request: { model: m, project: acme }, expect: p/able, because: idle", false),
        ("request: { model: m }, expect: q/dark, because: home", false),
        ("request: { model: nobody }, expect: refused", true),
        ("request: { model: m }, expect: refused", false),
        // Who is refused is not served, though an entry has the name.
        ("request: { model: m, project: shut }, expect: m", false),
        ("request: { model: m, project: shut }, expect: refused, because: shut", true),
        ("request: { model: m, project: shut }, expect: refused, because: home", false),
    ] {
        let found: Vec<Finding> = findings(&with(&format!("{config}{{ {test} }}]")));
        assert_eq!(found.contains(&TestFailed), !holds, "{test}: {found:?}");
    }
}
