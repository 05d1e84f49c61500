//! The pages that people read: their links, their commands, and the tests that they name.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use aimux::cli::Cli;
use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};
use pulldown_cmark::{CodeBlockKind, Event, Tag, TagEnd};

use super::{aimux, assert_exit, stdout};

/// Pages whose commands are all run, in the order in which they stand there, and by which test.
const RUN: &[(&str, &str, &str)] = &[
    ("README.md", "tests/gateway/readme.rs", "every_command_of_the_readme_does_what_is_said_there"),
    ("docs/bench.md", "tests/cli/bench.rs", "every_command_of_the_page_does_what_is_said_there"),
    ("docs/chat.md", "tests/gateway/chat.rs", "every_command_of_the_page_works"),
    ("docs/ci.md", "tests/cli/validate.rs", "the_jobs_in_the_docs_do_what_they_say"),
    ("docs/deployment.md", "tests/gateway/handover.rs", "every_command_of_the_page_on_deployment_runs"),
    ("docs/getting-started.md", "tests/gateway/readme.rs", "every_command_of_the_page_for_beginners_does_what_is_said_there"),
    ("docs/logs.md", "tests/cli/logs.rs", "every_command_of_the_page_runs"),
    ("docs/models.md", "tests/cli/models.rs", "every_command_of_the_page_runs"),
    ("docs/recipes.md", "tests/gateway/readme.rs", "each_recipe_is_a_config_and_its_requests_go_where_it_says"),
    ("docs/route.md", "tests/gateway/oneshot.rs", "every_command_of_the_page_answers"),
    ("docs/tools.md", "tests/gateway/tools.rs", "every_command_of_the_page_does_what_it_says"),
    ("docs/troubleshooting.md", "tests/cli/pages.rs", "what_the_pages_on_trouble_and_usage_say_runs"),
    ("docs/usage.md", "tests/cli/pages.rs", "what_the_pages_on_trouble_and_usage_say_runs"),
];

/// Commands that nothing here can run: the program must understand them, and why they are not run.
const UNDERSTOOD: &[(&str, &str, &str)] = &[
    (
        "docs/routing.md",
        "aimux route --explain \"hello\" -m claude-sonnet-5 --header \"x-aimux-project: acme-web\"",
        "it is of a config that the page shows in parts; tests/cli/route.rs compares such words line by line",
    ),
    ("packaging/README.md", "cargo build --release --locked", "it takes minutes; tests/cli/packaging.rs packs the program that is tested"),
    ("packaging/README.md", "packaging/deb target/release/aimux .", "tests/cli/packaging.rs runs it with another program"),
    ("packaging/README.md", "docker build -f packaging/Dockerfile -t aimux .", "no container is built where the tests run"),
    (
        "packaging/README.md",
        "docker run -d -p 127.0.0.1:24689:24689 -e ANTHROPIC_API_KEY -e AIMUX_CLIENT_TOKEN -v ./config.yaml:/home/aimux/.config/aimux/config.yaml:ro aimux",
        "the same; tests/cli/packaging.rs starts the server with the image's variables",
    ),
    (
        "docs/troubleshooting.md",
        "aimux doctor --live zai/glm-5.2",
        "it asks a provider, for money; tests/gateway/live.rs has one of its own",
    ),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every page, by its path from the root.
fn pages() -> Vec<(String, String)> {
    let mut found = Vec::new();
    for folder in ["", "docs", "docs/codes", "packaging"] {
        for entry in std::fs::read_dir(root().join(folder)).into_iter().flatten().flatten() {
            let path = PathBuf::from(folder).join(entry.file_name());
            if path.extension().is_some_and(|end| end == "md") {
                found.push((path.display().to_string(), std::fs::read_to_string(root().join(&path)).unwrap()));
            }
        }
    }
    assert!(found.len() > 100, "{}", found.len());
    found
}

fn events(text: &str) -> impl Iterator<Item = Event<'_>> {
    pulldown_cmark::Parser::new_ext(text, pulldown_cmark::Options::ENABLE_TABLES)
}

/// The anchors of a page's headings, as the usual hosts make them.
fn anchors(text: &str) -> Vec<String> {
    let (mut found, mut open): (Vec<String>, Option<String>) = (Vec::new(), None);
    let mut seen: HashMap<String, usize> = HashMap::new();
    for event in events(text) {
        match event {
            Event::Start(Tag::Heading { .. }) => open = Some(String::new()),
            Event::Text(words) | Event::Code(words) => drop(open.as_mut().map(|open| open.push_str(&words))),
            Event::End(TagEnd::Heading(_)) => {
                let words = open.take().unwrap().to_lowercase();
                let kept = words.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
                let anchor: String = kept.map(|c| if c == ' ' { '-' } else { c }).collect();
                let before = seen.entry(anchor.clone()).or_default();
                found.push(if *before == 0 { anchor } else { format!("{anchor}-{before}") });
                *before += 1;
            }
            _ => {}
        }
    }
    found
}

/// Where a link leads, and the code that it is on.
type Link = (String, Vec<String>);

/// The links of a page.
fn links(text: &str) -> Vec<Link> {
    let (mut found, mut open): (Vec<Link>, Option<Link>) = (Vec::new(), None);
    for event in events(text) {
        match event {
            Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => open = Some((dest_url.into_string(), Vec::new())),
            Event::Code(words) => drop(open.as_mut().map(|(_, code)| code.push(words.into_string()))),
            Event::End(TagEnd::Link | TagEnd::Image) => found.extend(open.take()),
            _ => {}
        }
    }
    found
}

#[test]
fn every_link_of_the_pages_leads_somewhere() {
    let mut count = 0;
    for (name, text) in pages() {
        let own = root().join(&name);
        for (target, _) in links(&text) {
            if target.starts_with("https://") {
                continue;
            }
            let (file, anchor) = target.split_once('#').map_or((target.as_str(), None), |(file, anchor)| (file, Some(anchor)));
            let path = if file.is_empty() { own.clone() } else { own.parent().unwrap().join(file) };
            assert!(path.exists(), "{name}: there is no {target}");
            if let Some(anchor) = anchor {
                let known = anchors(&std::fs::read_to_string(&path).unwrap());
                assert!(known.iter().any(|known| known == anchor), "{name}: {target} is none of {known:?}");
            }
            count += 1;
        }
    }
    assert!(count > 150, "{count} links were found");
}

fn has_test(file: &Path, name: &str) -> bool {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    text.split("#[test]\n").skip(1).any(|after| after.trim_start().starts_with(&format!("fn {name}()")))
}

#[test]
fn every_test_that_a_page_names_is_there() {
    let mut count = 0;
    for (name, text) in pages() {
        for (target, code) in links(&text).into_iter().filter(|(target, _)| target.ends_with(".rs")) {
            let file = root().join(&name).parent().unwrap().join(&target);
            for test in code.iter().filter(|code| !code.contains(['/', '.'])) {
                assert!(has_test(&file, test), "{name}: {target} has no test {test}");
                count += 1;
            }
        }
    }
    assert!(count > 50, "{count} tests were found");
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    let table = readme.split("## What it does, and what shows it").nth(1).and_then(|rest| rest.split("\n## ").next()).unwrap();
    for row in table.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| feature")) {
        assert!(row.contains(".rs)"), "no test: {row}");
    }
}

#[test]
fn every_command_that_there_is_stands_in_the_readme() {
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    for command in Cli::command().get_subcommands().filter(|command| !command.is_hide_set()) {
        assert!(readme.contains(&format!("aimux {}", command.get_name())), "aimux {} is not in README.md", command.get_name());
    }
}

/// The commands of a page, in `sh` blocks and behind the prompts of `console` ones.
fn commands(text: &str) -> Vec<String> {
    let (mut found, mut language) = (Vec::new(), String::new());
    for event in events(text) {
        match event {
            Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(kind))) => language = kind.into_string(),
            Event::End(TagEnd::CodeBlock) => language.clear(),
            Event::Text(block) if language == "sh" || language == "console" => {
                for line in block.replace("\\\n", " ").lines() {
                    let line = if language == "console" { line.strip_prefix("$ ") } else { Some(line) };
                    let line = line.and_then(|line| line.split("  #").next()).unwrap_or_default().trim();
                    if !line.is_empty() && !line.starts_with('#') {
                        found.push(line.to_owned());
                    }
                }
            }
            _ => {}
        }
    }
    found
}

/// The words of each simple command of a line: quotes are taken off, and what is redirected is left out.
fn simple(line: &str) -> Vec<Vec<String>> {
    let (mut all, mut words, mut word): (Vec<Vec<String>>, Vec<String>, Option<String>) = (Vec::new(), Vec::new(), None);
    let (mut quote, mut redirects) = (None, false);
    let mut rest = line.chars().peekable();
    let end_word = |word: &mut Option<String>, words: &mut Vec<String>, redirects: &mut bool| {
        if let Some(word) = word.take()
            && !std::mem::take(redirects)
        {
            words.push(word);
        }
    };
    while let Some(c) = rest.next() {
        match (quote, c) {
            // What is in it is a line of its own, and its place is taken by a word.
            (None | Some('"'), '$') if rest.next_if_eq(&'(').is_some() => {
                let inner: String = rest.by_ref().take_while(|c| *c != ')').collect();
                all.extend(simple(&inner));
                word.get_or_insert_default().push('x');
            }
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (Some(open), c) if open == c => quote = None,
            (None, ' ') => end_word(&mut word, &mut words, &mut redirects),
            (None, '|' | '&' | ';') => {
                end_word(&mut word, &mut words, &mut redirects);
                all.push(std::mem::take(&mut words));
            }
            (None, '<' | '>') => {
                end_word(&mut word, &mut words, &mut redirects);
                redirects = true;
            }
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    end_word(&mut word, &mut words, &mut redirects);
    all.push(words);
    all.retain(|words| !words.is_empty());
    all
}

/// Whether the program takes these words; why not.
fn understood(words: &[String]) -> Result<(), String> {
    match Cli::try_parse_from(words) {
        Err(error) if !matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => Err(error.to_string()),
        _ => Ok(()),
    }
}

#[test]
fn every_command_of_the_pages_is_run_or_at_least_understood() {
    for (page, file, test) in RUN {
        assert!(has_test(&root().join(file), test), "{page}: {file} has no test {test}");
    }
    let mut count = 0;
    for (name, text) in pages() {
        let is_run = RUN.iter().any(|(page, ..)| *page == name);
        for command in commands(&text) {
            for words in simple(&command) {
                let words: Vec<String> = words.into_iter().skip_while(|word| word.contains('=') && !word.starts_with('-')).collect();
                if words.first().is_some_and(|first| first == "aimux") {
                    understood(&words).unwrap_or_else(|why| panic!("{name}: {command}: {why}"));
                    count += 1;
                }
            }
            let reason = UNDERSTOOD.iter().find(|(page, known, _)| *page == name && *known == command);
            assert!(is_run || reason.is_some_and(|(.., why)| !why.is_empty()), "{name}: nothing runs {command}");
        }
    }
    assert!(count > 90, "{count} commands were found");
    for (page, command, _) in UNDERSTOOD {
        assert!(
            pages().iter().any(|(name, text)| name == page && commands(text).iter().any(|known| known == command)),
            "{page}: {command}"
        );
    }
    for wrong in ["aimux rout hello", "aimux keys add", "aimux doctor --onlin", "x | aimux logs shw 1 2 3", "aimux env --shell csh"] {
        let words = simple(wrong).pop().unwrap();
        assert!(understood(&words).is_err(), "{wrong}");
    }
}

/// In a home without config and keys: the doctor has something to say, the ledger's questions have an answer of no rows.
#[test]
fn what_the_pages_on_trouble_and_usage_say_runs() {
    let home = tempfile::tempdir().unwrap();
    let read = |page: &str| commands(&std::fs::read_to_string(root().join(page)).unwrap());
    for command in read("docs/troubleshooting.md").iter().filter(|command| UNDERSTOOD.iter().all(|(_, known, _)| known != command)) {
        let words = simple(command).remove(0);
        let output = aimux(home.path()).args(&words[1..]).output().unwrap();
        assert_exit(&output, 2);
    }
    assert!(home.path().join("report.json").exists());
    let ledger = home.path().join("ledger.sqlite");
    let settings =
        aimux::ledger::Settings { place: aimux::ledger::Place::File(ledger.clone()), ..aimux::ledger::Settings::usual(home.path()) };
    let open = aimux::ledger::Ledger::start(&settings).unwrap();
    open.put(Box::default());
    assert!(open.flush(std::time::Duration::from_secs(10)));
    let mut questions = 0;
    for command in read("docs/usage.md") {
        let words = simple(&command).remove(0);
        if words[0] == "sqlite3" {
            let connection = rusqlite::Connection::open(&ledger).unwrap();
            connection.prepare(words.last().unwrap()).and_then(|mut question| question.query([])?.next().map(drop)).unwrap();
            questions += 1;
        } else {
            let output = aimux(home.path()).args(&words[1..]).output().unwrap();
            assert_exit(&output, 0);
            assert!(!stdout(&output).is_empty(), "{command}");
        }
    }
    assert_eq!(questions, 2);
}
