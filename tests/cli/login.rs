//! `aimux keys login` and `keys rotate --login`, against a login server of this machine.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::Mutex;
use std::sync::mpsc;

use super::authority::{Authority, browser, pairs, sent_to, visit, visit_as};
use super::{aimux, assert_exit, feed, stderr, stdout};

const KEY: &str = "sk-or-v1-fresh-0123456789";
const CODE: &str = "code-0123456789-of-a-login";

/// A home whose config has OpenRouter's login at the authority.
fn home(authority: &Authority) -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    let url = &authority.url;
    let config = format!(
        "version: 1\nproviders:\n  openrouter: {{ oauth: {{ auth_url: \"{url}/auth\", token_url: \"{url}/token\" }} }}\n  \
         corp:\n    dialect: openai-chat\n    base_url: \"http://127.0.0.1:1/v1\"\n    key: corp-key\n    oauth:\n      client_id: aimux-cli\n      \
         auth_url: {url}/auth\n      token_url: {url}/token\n      scopes: [llm, offline_access]\n  zai: {{ key: zai }}\n"
    );
    std::fs::create_dir_all(home.path().join(".config/aimux")).unwrap();
    std::fs::write(home.path().join(".config/aimux/config.yaml"), config).unwrap();
    home
}

fn command(home: &Path, words: &str) -> Command {
    let mut command = aimux(home);
    command.arg("keys").args(words.split_whitespace()).env("BROWSER", browser(home));
    command
}

fn start(mut command: Command) -> Child {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn key(home: &Path, name: &str) -> String {
    let store = aimux::keys::Store::new(&home.join(".config/aimux"), None);
    store.read(name, &mut || panic!("nobody should be asked")).unwrap().expose().to_owned()
}

/// Everything that a login wrote but the age files, and what it was answered.
fn said(home: &Path, output: &Output) -> String {
    let log = std::fs::read_to_string(home.join(".local/state/aimux/audit.jsonl")).unwrap_or_default();
    stdout(output) + &stderr(output) + &log
}

#[test]
fn a_login_ends_with_a_key_in_an_age_file_and_no_word_of_it_anywhere_else() {
    let authority = Authority::giving(&format!(r#"{{"key":"{KEY}","user_id":"u"}}"#));
    let home = home(&authority);
    let child = start(command(home.path(), "login openrouter"));
    let url = sent_to(home.path());
    let query = pairs(url.split_once('?').unwrap().1);
    assert!(url.starts_with(&format!("{}/auth?", authority.url)) && query.len() == 3, "{url}");
    assert!(query["callback_url"].starts_with("http://localhost:"), "{url}");
    let (status, page) = visit(&authority.agree(&url, CODE));
    assert_eq!(status, 200, "{page}");
    assert!(page.contains("You are logged in") && !page.contains(CODE) && !page.contains(KEY), "{page}");
    for header in ["referrer-policy: no-referrer", "cache-control: no-store", "content-security-policy: default-src 'none'"] {
        assert!(page.contains(header), "{page}");
    }
    let output = child.wait_with_output().unwrap();
    assert_exit(&output, 0);
    assert!(stdout(&output).ends_with("logged in to openrouter: added key \"openrouter\" (sk-o…89)\n"), "{}", stdout(&output));
    assert_eq!(key(home.path(), "openrouter"), KEY);
    let said = said(home.path(), &output);
    assert!(said.contains("key.added") && said.contains("by login to openrouter"), "{said}");
    let exchange: serde_json::Value = serde_json::from_str(&authority.asked.lock().unwrap()[0]).unwrap();
    let verifier = exchange["code_verifier"].as_str().unwrap();
    for secret in [CODE, KEY, verifier] {
        assert!(!said.contains(secret), "{said}");
    }
}

#[test]
fn what_is_not_of_the_login_is_refused_and_does_not_end_it() {
    let authority = Authority::giving(&format!(r#"{{"key":"{KEY}"}}"#));
    let home = home(&authority);
    let child = start(command(home.path(), "login openrouter"));
    let url = sent_to(home.path());
    let back = authority.agree(&url, CODE);
    let (before, query) = back.split_once('?').unwrap();
    let (path, state) = before.rsplit_once('/').unwrap();
    let other = format!("{}{}", &state[1..], &state[..1]);
    assert_eq!(visit(&format!("{path}/{other}?code=theirs")).0, 400);
    assert_eq!(visit(&format!("{path}/?{query}")).0, 400);
    assert_eq!(visit(&format!("{path}?{query}")).0, 404);
    assert_eq!(visit(&format!("{path}/{state}/x?{query}")).0, 400);
    assert_eq!(visit(&format!("{before}?code=")).0, 400);
    assert_eq!(visit(&format!("{before}?code=a&code=b")).0, 400);
    let host = back.split('/').nth(2).unwrap();
    assert_eq!(visit(&format!("http://{host}/favicon.ico")).0, 404);
    assert_eq!(visit_as("POST", &back, host).0, 405);
    for foreign in
        ["evil.example", "localhost", &host.replace("localhost", "127.0.0.1"), &host.replace("localhost", "localhost.evil.example")]
    {
        assert_eq!(visit_as("GET", &back, foreign).0, 421, "{foreign}");
    }
    assert!(authority.asked.lock().unwrap().is_empty(), "none of them brought a code");
    assert_eq!(visit(&back).0, 200);
    assert_exit(&child.wait_with_output().unwrap(), 0);
    assert_eq!(key(home.path(), "openrouter"), KEY);
}

#[test]
fn a_second_return_is_told_that_the_login_is_over() {
    let (go, gone) = mpsc::channel::<()>();
    let gone = Mutex::new(gone);
    let answer = move || {
        gone.lock().unwrap().recv().unwrap();
        ("200 OK", format!(r#"{{"key":"{KEY}"}}"#))
    };
    let authority = Authority::answering(Box::new(answer));
    let home = home(&authority);
    let child = start(command(home.path(), "login openrouter"));
    let back = authority.agree(&sent_to(home.path()), CODE);
    std::thread::scope(|scope| {
        let first = scope.spawn(|| visit(&back).0);
        while !authority.has_asked() {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        assert_eq!(visit(&back).0, 410);
        go.send(()).unwrap();
        assert_eq!(first.join().unwrap(), 200);
    });
    assert_exit(&child.wait_with_output().unwrap(), 0);
    assert_eq!(authority.asked.lock().unwrap().len(), 1, "a code is exchanged once");
}

#[test]
fn a_refused_login_says_why_and_changes_nothing() {
    let authority = Authority::giving("{}");
    let home = home(&authority);
    let child = start(command(home.path(), "login openrouter"));
    let back = authority.agree(&sent_to(home.path()), CODE);
    let (status, page) = visit(&back.replace("code=", "error=access_denied&error_description=%1b%5b31mnot+you&x="));
    assert!(status == 200 && page.contains("was refused") && !page.contains("not you"), "{page}");
    let output = child.wait_with_output().unwrap();
    assert_exit(&output, 77);
    assert!(
        stderr(&output).contains("error[AIMUX-E0180]: openrouter did not let you in: access_denied:  [31mnot you"),
        "{}",
        stderr(&output)
    );
    assert!(!home.path().join(".config/aimux/keys").exists());
}

#[test]
fn each_answer_that_is_no_key_is_told_and_changes_nothing() {
    for (answer, words) in [
        (("403 Forbidden", r#"{"error":{"message":"no more keys"}}"#), "it answered with 403 (no more keys)"),
        (("500 Internal Server Error", "<html>"), "it answered with 500"),
        (("200 OK", "<html>"), "it answered with 200, but without a token"),
        (("200 OK", r#"{"key":"a b"}"#), "the answer makes no sense"),
        (("200 OK", r#"{"access_token":"a"}"#), "it answered with 200, but without a token"),
        (("302 Found\r\nlocation: http://127.0.0.1:1/steal", ""), "it answered with 302, a redirect, which is not followed"),
    ] {
        let (status, body) = (answer.0, answer.1.to_owned());
        let authority = Authority::answering(Box::new(move || (status, body.clone())));
        let home = home(&authority);
        let child = start(command(home.path(), "login openrouter"));
        let (_, page) = visit(&authority.agree(&sent_to(home.path()), CODE));
        assert!(page.contains("did not succeed"), "{page}");
        let output = child.wait_with_output().unwrap();
        assert_exit(&output, 77);
        assert!(stderr(&output).contains(words), "{}", stderr(&output));
        assert!(!said(home.path(), &output).contains(CODE) && !home.path().join(".config/aimux/keys").exists());
    }
}

#[test]
fn a_code_of_another_login_is_refused_by_the_provider() {
    let authority = Authority::giving(&format!(r#"{{"key":"{KEY}"}}"#));
    let home = home(&authority);
    let theirs = format!("{}/auth?callback_url=x&code_challenge=theirs&code_challenge_method=S256", authority.url);
    authority.agree(&theirs, "stolen");
    let output = feed(command(home.path(), "login openrouter --no-browser"), "stolen\n");
    assert_exit(&output, 77);
    assert!(stderr(&output).contains("it answered with 403 (Invalid code or code_verifier)"), "{}", stderr(&output));
}

/// The address that a command shows on standard error.
fn shown(child: &mut Child) -> String {
    let lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let url = lines.map(Result::unwrap).find(|line| line.trim().starts_with("http")).unwrap();
    url.trim().to_owned()
}

#[test]
fn without_a_browser_the_address_is_pasted() {
    let authority = Authority::giving(&format!(r#"{{"key":"{KEY}"}}"#));
    for whole in [true, false] {
        let home = home(&authority);
        let mut child = start(command(home.path(), "login openrouter --no-browser"));
        let mut errors = BufReader::new(child.stderr.take().unwrap());
        let mut next = |wanted: &str| loop {
            let mut line = String::new();
            assert!(errors.read_line(&mut line).unwrap() > 0, "no {wanted}");
            if line.contains(wanted) {
                return line.trim().to_owned();
            }
        };
        let back = authority.agree(&next("http://"), CODE);
        next("paste that address here");
        let mut input = child.stdin.take().unwrap();
        let (before, state) = back.split_once('?').unwrap().0.rsplit_once('/').unwrap();
        writeln!(input, "\n  \n{before}/{}?code={CODE}", state.to_lowercase()).unwrap();
        next("this belongs to another login");
        writeln!(input, "two words").unwrap();
        next("there is no code in this");
        writeln!(input, "{}", if whole { back } else { CODE.to_owned() }).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_exit(&output, 0);
        assert_eq!(key(home.path(), "openrouter"), KEY);
        assert!(!home.path().join("url").exists(), "a browser was opened");
    }
}

#[test]
fn where_no_browser_can_be_opened_the_address_is_shown() {
    let authority = Authority::giving(&format!(r#"{{"key":"{KEY}"}}"#));
    for program in ["/bin/false", "/nonexistent"] {
        let home = home(&authority);
        let mut command = command(home.path(), "login openrouter");
        command.env("BROWSER", program);
        let mut child = start(command);
        let back = authority.agree(&shown(&mut child), CODE);
        // Nobody pastes anything: the browser of this machine comes back by itself.
        drop(child.stdin.take());
        assert_eq!(visit(&back).0, 200);
        assert_exit(&child.wait_with_output().unwrap(), 0);
    }
}

#[test]
fn a_login_that_nobody_ends_is_given_up() {
    let authority = Authority::giving("{}");
    let home = home(&authority);
    let output = command(home.path(), "login openrouter --login-timeout 1").output().unwrap();
    assert_exit(&output, 77);
    assert!(stderr(&output).contains("nobody logged in to openrouter within 1 seconds"), "{}", stderr(&output));
}

#[test]
fn mistakes_are_told_before_a_browser_opens() {
    let authority = Authority::giving("{}");
    let home = home(&authority);
    for (words, code, message) in [
        ("login zai", 64, "zai has no login that aimux knows"),
        ("login anthropic", 64, "anthropic has no login that aimux knows"),
        ("login sk-ant-api03-0123456789", 64, "no provider of this name is in the config or built in"),
        ("login openrouter --key Open_Router", 64, "a key's name is"),
        ("login openrouter --key sk-ant-api03-0123456789", 64, "the name looks like a key itself"),
        ("rotate openrouter --login", 78, "key \"openrouter\" does not exist"),
        ("rotate openrouter --no-browser", 64, "belongs to --login"),
        ("rotate --identity --login", 64, "cannot be used with"),
    ] {
        let output = command(home.path(), words).output().unwrap();
        assert_exit(&output, code);
        assert!(stderr(&output).contains(message), "{words}: {}", stderr(&output));
        assert!(!stderr(&output).contains("sk-ant-api03-0123456789"), "{}", stderr(&output));
    }
    assert_exit(&feed(command(home.path(), "add openrouter"), "sk-or-v1-former-0123456789"), 0);
    assert_exit(&feed(command(home.path(), "add zai"), "sk-zai-0123456789"), 0);
    let output = command(home.path(), "login openrouter").output().unwrap();
    assert_exit(&output, 74);
    assert!(stderr(&output).contains("there is a key \"openrouter\" already"), "{}", stderr(&output));
    assert!(stderr(&output).contains("`aimux keys rotate openrouter --login`"), "{}", stderr(&output));
    let output = command(home.path(), "rotate zai --login").output().unwrap();
    assert_exit(&output, 64);
    assert!(!home.path().join("url").exists(), "a browser was opened");
}

#[test]
fn a_key_is_rotated_by_a_login() {
    let authority = Authority::giving(&format!(r#"{{"key":"{KEY}"}}"#));
    let home = home(&authority);
    assert_exit(&feed(command(home.path(), "add openrouter"), "sk-or-v1-former-0123456789"), 0);
    let child = start(command(home.path(), "rotate openrouter --login --no-probe"));
    assert_eq!(visit(&authority.agree(&sent_to(home.path()), CODE)).0, 200);
    let output = child.wait_with_output().unwrap();
    assert_exit(&output, 0);
    assert!(stdout(&output).starts_with("rotated key \"openrouter\" (sk-o…89)\nno provider was asked about it\n"), "{}", stdout(&output));
    assert!(stdout(&output).contains("the former one is "), "{}", stdout(&output));
    assert_eq!(key(home.path(), "openrouter"), KEY);
}

#[test]
fn a_provider_of_the_config_gives_tokens_which_the_age_program_reads() {
    let authority = Authority::giving(&format!(
        r#"{{"access_token":"{KEY}","token_type":"Bearer","expires_in":3600,"refresh_token":"refresh-0123456789"}}"#
    ));
    let home = home(&authority);
    let child = start(command(home.path(), "login corp"));
    let url = sent_to(home.path());
    let query = pairs(url.split_once('?').unwrap().1);
    assert_eq!(
        (query["client_id"].as_str(), query["scope"].as_str(), query["response_type"].as_str()),
        ("aimux-cli", "llm offline_access", "code")
    );
    let back = authority.agree(&url, CODE);
    assert!(back.starts_with("http://127.0.0.1:") && back.contains("/callback?state="), "{back}");
    assert_eq!(visit(&back.replace("state=", "state=x")).0, 400);
    assert_eq!(visit(&back).0, 200);
    let output = child.wait_with_output().unwrap();
    assert_exit(&output, 0);
    assert!(stdout(&output).contains("added key \"corp-key\"") && stdout(&output).contains("it expires at 2"), "{}", stdout(&output));
    assert!(!said(home.path(), &output).contains("refresh-0123456789"));
    let body = pairs(&authority.asked.lock().unwrap()[0]);
    assert_eq!((body["grant_type"].as_str(), body["client_id"].as_str()), ("authorization_code", "aimux-cli"));
    assert_eq!(body["redirect_uri"], query["redirect_uri"]);
    let folder = home.path().join(".config/aimux");
    let opened =
        Command::new("age").arg("-d").arg("-i").arg(folder.join("identity.txt")).arg(folder.join("keys/corp-key.age")).output().unwrap();
    let lines: Vec<String> = stdout(&opened).lines().map(str::to_owned).collect();
    assert_eq!(lines.len(), 4, "{lines:?}");
    assert!(
        lines[0] == KEY
            && lines[1].starts_with("created: 2")
            && lines[2] == "refresh: refresh-0123456789"
            && lines[3].starts_with("expires: 2")
    );
    // Who it is handed to must not spend the refresh token.
    let exported = command(home.path(), "export corp-key --plaintext").output().unwrap();
    assert!(!stdout(&exported).contains("refresh-0123456789"), "{}", stdout(&exported));
}

#[test]
fn a_client_that_has_a_secret_proves_itself_by_its_variable() {
    let authority = Authority::giving(&format!(r#"{{"access_token":"{KEY}","expires_in":3600}}"#));
    let home = home(&authority);
    let path = home.path().join(".config/aimux/config.yaml");
    let config = std::fs::read_to_string(&path).unwrap();
    let proof = "client_id: aimux-cli\n      client_secret: { env: CORP_SECRET }\n      client_proof: post";
    std::fs::write(&path, config.replace("client_id: aimux-cli", proof)).unwrap();
    let mut command = command(home.path(), "login corp");
    command.env("CORP_SECRET", "corp-secret-0123456789");
    let child = start(command);
    assert_eq!(visit(&authority.agree(&sent_to(home.path()), CODE)).0, 200);
    let output = child.wait_with_output().unwrap();
    assert_exit(&output, 0);
    let body = pairs(&authority.asked.lock().unwrap()[0]);
    assert_eq!((body["client_id"].as_str(), body["client_secret"].as_str()), ("aimux-cli", "corp-secret-0123456789"));
    assert!(!said(home.path(), &output).contains("corp-secret"));
    // One in the config itself is an error, and hidden; one that is not set is noted.
    std::fs::write(&path, config.replace("client_id: aimux-cli", "client_id: aimux-cli\n      client_secret: corp-secret-0123456789"))
        .unwrap();
    let output = aimux(home.path()).args(["config", "validate", "--offline"]).output().unwrap();
    assert_exit(&output, 78);
    assert!(stdout(&output).contains("client_secret holds a secret in clear text"), "{}", stdout(&output));
    assert!(!(stdout(&output) + &stderr(&output)).contains("corp-secret"), "{}", stderr(&output));
    std::fs::write(&path, config.replace("client_id: aimux-cli", proof)).unwrap();
    let output = aimux(home.path()).args(["config", "validate", "--offline"]).output().unwrap();
    assert!(stdout(&output).contains("the variable CORP_SECRET is not set"), "{}", stdout(&output));
}
