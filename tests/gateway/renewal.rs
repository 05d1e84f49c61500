//! Keys that expire: refreshed once for all who wait, on the disk before they are used, and never spent twice.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use aimux::keys::oauth::Grant;
use aimux::keys::{Existing, Store};
use aimux::secret::Secret;
use serde_json::json;

use crate::gateway::{Gateway, TOKEN, aimux, until};
use crate::http::{self, Whole};
use crate::replies::{Speaks, text};
use crate::upstream::{Answer, Upstream};

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn keys_of(home: &Path) -> Store {
    Store::new(&home.join(".config/aimux"), None)
}

/// Puts a key into a home's store that was fetched an hour ago and expires at `expires`, in seconds since 1970.
pub(crate) fn store(home: &Path, name: &str, secret: &str, expires: u64) {
    let secret_of = |text: &str| Secret::new(text.to_owned());
    let refresh = Some(secret_of(&secret.replace("access", "refresh")));
    let grant = Grant { secret: secret_of(secret), refresh, expires: Some(expires) };
    keys_of(home).add_grant(name, &grant, Existing::Retire, now() - 3600, &mut || panic!("nobody should be asked")).unwrap();
}

/// The key of a home's store: the secret and the refresh token.
fn kept(home: &Path) -> (String, String) {
    let store = keys_of(home);
    let key = store.opener(&mut || panic!("nobody should be asked")).unwrap().read("corp").unwrap();
    (key.secret.expose().to_owned(), key.refresh.unwrap().expose().to_owned())
}

/// A provider whose tokens are `access-0`, `access-1` …, each good from when it was given, and its login. A refresh token is
/// good once.
struct Login {
    upstream: Upstream,
    /// The number of the token that is good.
    good: Arc<AtomicUsize>,
    refreshes: Arc<AtomicUsize>,
    /// Put before an exchange of tokens is answered: another answer, and how late it is.
    fault: Arc<Mutex<(Option<Answer>, Duration)>>,
}

impl Login {
    /// The tokens are good for `life_s` seconds.
    fn new(life_s: u64) -> Self {
        let (good, refreshes, fault) =
            (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new((None, Duration::ZERO))));
        let (valid, count, broken) = (Arc::clone(&good), Arc::clone(&refreshes), Arc::clone(&fault));
        let upstream = Upstream::start(move |seen, _| {
            let number = valid.load(Ordering::SeqCst);
            if seen.path == "/token" {
                count.fetch_add(1, Ordering::SeqCst);
                let (answer, late) = broken.lock().unwrap().clone();
                std::thread::sleep(late);
                if let Some(answer) = answer {
                    return answer;
                }
                if !seen.text().contains(&format!("grant_type=refresh_token&refresh_token=refresh-{number}-0123456789&client_id=aimux")) {
                    return Answer::json(400, r#"{"error":"invalid_grant","error_description":"it was used before"}"#);
                }
                valid.store(number + 1, Ordering::SeqCst);
                let (access, refresh) = (format!("access-{}-0123456789", number + 1), format!("refresh-{}-0123456789", number + 1));
                let body = json!({ "access_token": access, "token_type": "Bearer", "expires_in": life_s, "refresh_token": refresh });
                return Answer::json(200, body.to_string());
            }
            match seen.header("authorization") {
                Some(bearer) if bearer == format!("Bearer access-{number}-0123456789") && seen.path.ends_with("/count_tokens") => {
                    Answer::json(200, r#"{"input_tokens":7}"#)
                }
                Some(bearer) if bearer == format!("Bearer access-{number}-0123456789") => Speaks::Anthropic.answer(seen, &[text("fine")]),
                other => Speaks::Anthropic.refusal(401, &format!("{other:?} has expired")),
            }
        });
        Self { upstream, good, refreshes, fault }
    }

    fn refreshes(&self) -> usize {
        self.refreshes.load(Ordering::SeqCst)
    }

    fn faulty(&self, answer: Option<Answer>, late: Duration) {
        *self.fault.lock().unwrap() = (answer, late);
    }

    fn config(&self, more: &str) -> String {
        let url = self.upstream.url();
        let oauth = format!("{{ client_id: aimux, auth_url: \"{url}/auth\", token_url: \"{url}/token\" }}");
        format!(
            "version: 1\nserver: {{ listen: \"127.0.0.1:0\", token: {{ env: AIMUX_CLIENT_TOKEN }}, watch: false }}\nproviders:\n  \
             corp: {{ dialect: anthropic, base_url: \"{url}\", key: corp, oauth: {oauth} }}\n{more}"
        )
    }

    /// A server whose key is `access-0`, fetched an hour ago, and expires in so many seconds.
    fn serve(&self, expires_in_s: i64) -> Gateway {
        let home = tempfile::tempdir().unwrap();
        store(home.path(), "corp", "access-0-0123456789", now().saturating_add_signed(expires_in_s));
        Gateway::start_in(home, &self.config("models: { \"*\": [corp/m] }\n"), &[])
    }
}

fn ask(gateway: &Gateway) -> Whole {
    let body = json!({"model": "claude-x", "max_tokens": 9, "stream": true, "messages": [{"role": "user", "content": "hi"}]});
    gateway.call("POST", "/v1/messages", body.to_string().as_bytes())
}

#[test]
fn one_refresh_serves_all_requests_that_wait_for_it() {
    let login = Login::new(3600);
    login.faulty(None, Duration::from_millis(500));
    let gateway = login.serve(-60);
    std::thread::scope(|scope| {
        for reply in (0..8).map(|_| scope.spawn(|| ask(&gateway))).collect::<Vec<_>>() {
            let reply = reply.join().unwrap();
            assert!(reply.status == 200 && reply.text().contains("message_stop"), "{}", reply.text());
        }
    });
    assert_eq!(login.refreshes(), 1);
    assert_eq!(kept(&gateway.home()), ("access-1-0123456789".to_owned(), "refresh-1-0123456789".to_owned()));
    let audit = std::fs::read_to_string(gateway.home().join(".local/state/aimux/audit.jsonl")).unwrap();
    assert_eq!(audit.matches("key.refreshed").count(), 1, "{audit}");
    assert!(!(audit + &gateway.log()).contains("-0123456789"), "a token is in the logs");
    let verified = aimux(&gateway.home()).args(["keys", "audit", "verify"]).output().unwrap();
    assert!(verified.status.success());
}

#[test]
fn two_servers_spend_a_refresh_token_once() {
    let login = Login::new(3600);
    login.faulty(None, Duration::from_millis(300));
    let first = login.serve(-60);
    let config = first.home().join("other.yaml");
    std::fs::write(&config, login.config("models: { \"*\": [corp/m] }\n")).unwrap();
    let mut second = std::process::Command::new(assert_cmd::cargo::cargo_bin("aimux"));
    second.env_clear().env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", first.home()).env("AIMUX_CLIENT_TOKEN", TOKEN);
    let mut second = second.args(["serve", "--config"]).arg(&config).stdout(std::process::Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(second.stdout.take().unwrap()), &mut line).unwrap();
    let port: u16 = line.trim().rsplit(':').next().unwrap().parse().unwrap();
    let bearer = format!("Bearer {TOKEN}");
    let body = json!({"model": "claude-x", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}).to_string();
    let there = || http::send(port, "POST", "/v1/messages", &[("authorization", &bearer)], body.as_bytes()).whole().status;
    std::thread::scope(|scope| {
        let (one, two) = (scope.spawn(|| ask(&first).status), scope.spawn(there));
        assert_eq!((one.join().unwrap(), two.join().unwrap()), (200, 200));
    });
    second.kill().unwrap();
    second.wait().unwrap();
    assert_eq!(login.refreshes(), 1);
}

#[test]
fn a_key_is_refreshed_ahead_of_time_and_nobody_waits_for_it() {
    let login = Login::new(3600);
    login.faulty(None, Duration::from_secs(2));
    // Within the last quarter of its life: due, and good.
    let gateway = login.serve(200);
    until("it is refreshed without any request", Duration::from_secs(10), || login.refreshes() == 1);
    let begun = Instant::now();
    assert_eq!(ask(&gateway).status, 200, "the old one is good for as long as that takes");
    assert!(begun.elapsed() < Duration::from_millis(1500), "{:?}", begun.elapsed());
    until("it is kept", Duration::from_secs(10), || kept(&gateway.home()).0 == "access-1-0123456789");
    assert_eq!(ask(&gateway).status, 200);
    assert_eq!(login.refreshes(), 1);
}

#[test]
fn a_short_life_is_followed_by_the_next_for_as_long_as_the_server_runs() {
    let login = Login::new(4);
    let gateway = login.serve(-1);
    let end = Instant::now() + Duration::from_secs(10);
    while Instant::now() < end {
        let reply = ask(&gateway);
        assert_eq!(reply.status, 200, "{}", reply.text());
        std::thread::sleep(Duration::from_millis(50));
    }
    let count = login.refreshes();
    assert!((3..=6).contains(&count), "{count} refreshes in ten seconds");
}

#[test]
fn a_key_that_the_provider_refuses_before_its_time_is_refreshed_once() {
    let login = Login::new(3600);
    let gateway = login.serve(3600);
    // Revoked: the refresh token is the next one, the access token is not.
    assert_eq!(ask(&gateway).status, 200);
    login.upstream.seen();
    let revoked = Arc::clone(&login.good);
    store(&gateway.home(), "corp", "access-7-0123456789", now() + 3600);
    assert!(reload(&gateway));
    revoked.store(8, Ordering::SeqCst);
    let reply = ask(&gateway);
    assert_eq!(reply.status, 401, "its refresh token is spent, too: {}", reply.text());
    assert!(reply.text().contains("refused the key"), "{}", reply.text());
    assert_eq!(login.refreshes(), 1);
}

/// Whether the server took on what is on the disk.
fn reload(gateway: &Gateway) -> bool {
    let config = gateway.home().join("aimux.yaml");
    aimux(&gateway.home()).args(["config", "reload", "--config"]).arg(config).output().unwrap().status.success()
}

#[test]
fn a_key_that_was_revoked_early_is_replaced_under_the_request() {
    let login = Login::new(3600);
    let home = tempfile::tempdir().unwrap();
    // The provider says that it is over, an hour before its time.
    store(home.path(), "corp", "access-00-123456789", now() + 3600);
    let grant = Grant {
        secret: Secret::new("access-old-0123456789".to_owned()),
        refresh: Some(Secret::new("refresh-0-0123456789".to_owned())),
        expires: Some(now() + 3600),
    };
    keys_of(home.path()).add_grant("corp", &grant, Existing::Retire, now() - 3600, &mut || panic!("nobody")).unwrap();
    let gateway = Gateway::start_in(home, &login.config("models: { \"*\": [corp/m] }\n"), &[]);
    let reply = ask(&gateway);
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(reply.header("x-aimux-attempts"), Some("1"));
    // What is fresh is refused for another reason: a refresh would not help, and is not tried.
    login.good.store(9, Ordering::SeqCst);
    assert_eq!((ask(&gateway).status, login.refreshes()), (401, 1));
}

#[test]
fn a_refused_refresh_rests_the_key_until_somebody_logs_in_again() {
    let login = Login::new(3600);
    login.faulty(
        Some(Answer::json(400, r#"{"error":"invalid_grant","error_description":"refresh-0-0123456789 has expired"}"#)),
        Duration::ZERO,
    );
    let gateway = login.serve(-60);
    let reply = ask(&gateway);
    assert_eq!((reply.status, reply.header("x-aimux-error")), (401, Some("AIMUX-E0509")), "{}", reply.text());
    let said = "the key \\\"corp\\\" of provider \\\"corp\\\" has expired and cannot be refreshed: it answered with 400 (invalid_grant: [redacted] has expired); \
                log in again: `aimux keys rotate corp --login`";
    assert!(reply.text().contains(said), "{}", reply.text());
    (0..3).for_each(|_| assert_ne!(ask(&gateway).status, 200));
    assert_eq!(login.refreshes(), 1, "it is not asked again");
    assert!(!gateway.log().contains("0123456789"));
    assert_eq!(kept(&gateway.home()).1, "refresh-0-0123456789", "what was there stays");
    login.faulty(None, Duration::ZERO);
    store(&gateway.home(), "corp", "access-0-0123456789", now() + 3600);
    login.good.store(0, Ordering::SeqCst);
    store(&gateway.home(), "corp", "access-5-0123456789", now() + 3600);
    login.good.store(5, Ordering::SeqCst);
    assert!(reload(&gateway));
    assert_eq!(ask(&gateway).status, 200);
}

#[test]
fn a_login_that_fails_for_a_while_rests_the_key_shortly_and_others_answer() {
    let login = Login::new(3600);
    login.faulty(Some(Answer::json(500, "<html>")), Duration::ZERO);
    let other = Upstream::start(|seen, _| Speaks::Anthropic.answer(seen, &[text("other")]));
    let home = tempfile::tempdir().unwrap();
    store(home.path(), "corp", "access-0-0123456789", now() - 60);
    let more = format!(
        "  other: {{ dialect: anthropic, base_url: \"{}\" }}\nmodels: {{ \"alone\": [corp/m], \"*\": [corp/m, other/m] }}\n",
        other.url()
    );
    let gateway = Gateway::start_in(home, &login.config(&more), &[]);
    for _ in 0..5 {
        let reply = ask(&gateway);
        assert!(reply.status == 200 && reply.header("x-aimux-provider") == Some("other"), "{}", reply.text());
    }
    assert_eq!(login.refreshes(), 1, "it is left alone for a while");
    let body = json!({"model": "alone", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]});
    let reply = gateway.call("POST", "/v1/messages", body.to_string().as_bytes());
    assert!(reply.status == 429 && reply.header("retry-after").is_some(), "{}", reply.text());
}

#[test]
fn a_client_that_goes_leaves_a_refresh_to_its_end() {
    let login = Login::new(3600);
    login.faulty(None, Duration::from_secs(1));
    let gateway = login.serve(-60);
    let body = json!({"model": "claude-x", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}).to_string();
    let gone = gateway.send("POST", "/v1/messages", body.as_bytes());
    until("the refresh is under way", Duration::from_secs(5), || login.refreshes() == 1);
    drop(gone);
    until("it is kept all the same", Duration::from_secs(5), || kept(&gateway.home()).0 == "access-1-0123456789");
    assert_eq!((ask(&gateway).status, login.refreshes()), (200, 1));
}

#[test]
fn a_refresh_that_cannot_be_kept_is_not_asked_for() {
    let login = Login::new(3600);
    let home = tempfile::tempdir().unwrap();
    store(home.path(), "corp", "access-0-0123456789", now() - 60);
    // Nobody could open what would be written.
    let recipients = home.path().join(".config/aimux/keys/.age-recipients");
    let own = std::fs::read_to_string(&recipients).unwrap();
    std::fs::write(&recipients, "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p\n").unwrap();
    let gateway = Gateway::start_in(home, &login.config("models: { \"*\": [corp/m] }\n"), &[]);
    let reply = ask(&gateway);
    assert!(reply.status == 429 && reply.text().contains("cannot be refreshed"), "{}", reply.text());
    assert_eq!(login.refreshes(), 0, "the refresh token is as good as before");
    std::fs::write(&recipients, own).unwrap();
    assert_eq!(kept(&gateway.home()).1, "refresh-0-0123456789");
}

#[test]
fn a_count_of_tokens_uses_no_spent_key() {
    let login = Login::new(3600);
    let gateway = login.serve(-60);
    let body = json!({"model": "claude-x", "messages": [{"role": "user", "content": "hi"}]}).to_string();
    let reply = gateway.call("POST", "/v1/messages/count_tokens", body.as_bytes());
    assert_eq!((reply.status, reply.text().as_ref()), (200, r#"{"input_tokens":7}"#));
    assert_eq!(login.refreshes(), 1);
    let counted = login.upstream.seen().into_iter().filter(|seen| seen.path.ends_with("/count_tokens")).count();
    assert_eq!(counted, 1, "the spent one was not tried first");
}

/// Runs `aimux keys` with the config of a gateway's home.
fn keys(home: &Path, args: &[&str]) -> std::process::Output {
    aimux(home).args(["--config"]).arg(home.join("aimux.yaml")).arg("keys").args(args).output().unwrap()
}

/// The lines of the audit log that say so, by which part of aimux.
fn audited(home: &Path, action: &str) -> Vec<String> {
    let log = std::fs::read_to_string(home.join(".local/state/aimux/audit.jsonl")).unwrap_or_default();
    let lines = log.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    lines.filter(|line| line["action"] == action).map(|line| line["by"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn commands_have_the_running_server_refresh_a_spent_key() {
    let login = Login::new(3600);
    login.faulty(None, Duration::from_secs(1));
    let gateway = login.serve(-60);
    let home = gateway.home();
    // At once: one refresh serves them all, and the server's own requests.
    std::thread::scope(|scope| {
        let exec = scope.spawn(|| keys(&home, &["exec", "corp=TOKEN", "--", "sh", "-c", "printf %s \"$TOKEN\""]));
        let test = scope.spawn(|| keys(&home, &["test", "corp"]));
        let request = scope.spawn(|| ask(&gateway).status);
        let (exec, test) = (exec.join().unwrap(), test.join().unwrap());
        assert_eq!(String::from_utf8_lossy(&exec.stdout), "access-1-0123456789", "{}", String::from_utf8_lossy(&exec.stderr));
        assert!(test.status.success(), "{}", String::from_utf8_lossy(&test.stdout));
        assert_eq!(request.join().unwrap(), 200);
    });
    assert_eq!(login.refreshes(), 1);
    assert_eq!(audited(&home, "key.refreshed"), ["serve"]);
    until("the ledger has the request", Duration::from_secs(10), || {
        String::from_utf8_lossy(&keys(&home, &["list"]).stdout).contains("; used ")
    });
    let list = keys(&home, &["list"]);
    let list = String::from_utf8_lossy(&list.stdout);
    assert!(list.contains("corp  acce…89     0 days; expires in 59 min, refreshed ") && !list.contains("last error"), "{list}");
    let told = |args: &[&str]| serde_json::from_slice::<serde_json::Value>(&keys(&home, args).stdout).unwrap();
    let (list, show) = (told(&["list", "--json"]), told(&["show", "corp", "--json"]));
    for told in [&list["keys"][0], &show] {
        let is_moment = |field: &str| told[field].as_str().is_some_and(|moment| moment.len() == 20);
        assert!(is_moment("expires") && is_moment("refreshed") && told["renews"] == true, "{told}");
        assert_ne!(told["created"].as_str(), told["refreshed"].as_str(), "the login is older");
    }
    assert!(list["keys"][0]["last_used"].is_string() && list["keys"][0]["last_error"].is_null(), "{list}");
    assert!(String::from_utf8_lossy(&keys(&home, &["show", "corp"]).stdout).contains("\nlasts     expires in 59 min, refreshed "));
}

#[test]
fn a_list_tells_how_a_key_last_failed() {
    let login = Login::new(3600);
    let home = tempfile::tempdir().unwrap();
    store(home.path(), "corp", "access-8-0123456789", now() + 3600);
    login.faulty(Some(Answer::json(500, "")), Duration::ZERO);
    let gateway = Gateway::start_in(home, &login.config("models: { \"*\": [corp/m] }\n"), &[]);
    assert_eq!(ask(&gateway).status, 401);
    let home = gateway.home();
    until("the ledger has it", Duration::from_secs(10), || {
        let list = String::from_utf8_lossy(&keys(&home, &["list"]).stdout).into_owned();
        list.contains("; used ") && list.contains("; last error 401 (AIMUX-E0507) ")
    });
}

#[test]
fn commands_refresh_a_spent_key_by_themselves_where_no_server_runs() {
    let login = Login::new(3600);
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    std::fs::write(home.join("aimux.yaml"), login.config("models: { \"*\": [corp/m] }\n")).unwrap();
    store(home, "corp", "access-0-0123456789", now() - 5);
    let test = keys(home, &["test", "corp"]);
    assert!(test.status.success(), "{}", String::from_utf8_lossy(&test.stdout));
    let exec = keys(home, &["exec", "corp=TOKEN", "--", "sh", "-c", "printf %s \"$TOKEN\""]);
    assert_eq!(String::from_utf8_lossy(&exec.stdout), "access-1-0123456789");
    assert_eq!((login.refreshes(), audited(home, "key.refreshed")), (1, vec!["keys".to_owned()]));
    store(home, "corp", "access-1-0123456789", now() - 5);
    let before = login.upstream.seen().len();
    let _ = aimux(home).arg("--config").arg(home.join("aimux.yaml")).args(["models", "--refresh"]).output().unwrap();
    let seen = login.upstream.seen().split_off(before);
    let listed: Vec<_> = seen.iter().filter(|seen| seen.path.contains("/models")).map(|seen| seen.header("authorization")).collect();
    assert_eq!(listed, [Some("Bearer access-2-0123456789")]);
    assert_eq!(audited(home, "key.refreshed"), ["keys", "models"]);
    // What cannot be refreshed is not lent, and its provider is not asked.
    store(home, "corp", "access-0-0123456789", now() - 5);
    let before = login.upstream.seen().len();
    let exec = keys(home, &["exec", "corp=TOKEN", "--", "sh", "-c", "printf lent"]);
    assert_eq!((exec.status.code(), exec.stdout.as_slice()), (Some(77), &b""[..]));
    let said = String::from_utf8_lossy(&exec.stderr).into_owned();
    assert!(said.contains("key \"corp\" has expired and cannot be refreshed: it answered with 400 (invalid_grant"), "{said}");
    assert!(said.contains("aimux keys rotate corp --login"), "{said}");
    let test = keys(home, &["test", "corp"]);
    assert_eq!(test.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&test.stdout).contains("unopened: key \"corp\" has expired"), "{test:?}");
    assert!(login.upstream.seen().iter().skip(before).all(|seen| seen.path == "/token"), "a spent key was sent");
}

#[test]
fn a_prompt_from_the_shell_refreshes_a_spent_key_once_and_keeps_it() {
    let login = Login::new(3600);
    let prompt = |home: &Path| {
        let mut command = aimux(home);
        let output = command.args(["route", "hi"]).stdin(std::process::Stdio::null()).output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr))
    };
    let homed = |secret: &str, refresh: &str, expires: u64| {
        let home = tempfile::tempdir().unwrap();
        store(home.path(), "corp", "access-0-0123456789", expires);
        let secret_of = |text: &str| Secret::new(text.to_owned());
        let grant = Grant { secret: secret_of(secret), refresh: Some(secret_of(refresh)), expires: Some(expires) };
        keys_of(home.path()).add_grant("corp", &grant, Existing::Retire, now() - 3600, &mut || panic!("nobody")).unwrap();
        std::fs::write(home.path().join(".config/aimux/config.yaml"), login.config("models: { \"*\": [corp/m] }\n")).unwrap();
        home
    };
    // It has expired.
    let home = homed("access-0-0123456789", "refresh-0-0123456789", now() - 10);
    assert_eq!(prompt(home.path()), (Some(0), "fine\n".to_owned()));
    assert_eq!((login.refreshes(), kept(home.path())), (1, ("access-1-0123456789".to_owned(), "refresh-1-0123456789".to_owned())));
    assert_eq!(prompt(home.path()), (Some(0), "fine\n".to_owned()), "the next prompt finds it good");
    assert_eq!(login.refreshes(), 1);
    // The provider says that it is over, an hour before its time: it is replaced under the prompt.
    let home = homed("access-old-0123456789", "refresh-1-0123456789", now() + 3600);
    assert_eq!(prompt(home.path()), (Some(0), "fine\n".to_owned()));
    assert_eq!((login.refreshes(), kept(home.path()).0.as_str()), (2, "access-2-0123456789"));
    // What is fresh is refused for another reason: a refresh would not help, and is not tried.
    login.good.store(9, Ordering::SeqCst);
    let (code, told) = prompt(home.path());
    assert!(code == Some(77) && told.contains("refused the key") && login.refreshes() == 2, "{told}");
}

#[test]
fn a_refresh_is_one_line_of_the_audit_log_and_no_reload() {
    let login = Login::new(3600);
    let home = tempfile::tempdir().unwrap();
    store(home.path(), "corp", "access-0-0123456789", now() - 60);
    let config = login.config("models: { \"*\": [corp/m] }\n").replace("watch: false", "watch: true");
    let gateway = Gateway::start_in(home, &config, &[]);
    assert_eq!(ask(&gateway).status, 200);
    // Another process's refresh is seen by the watch and used, and is no change of the config either.
    login.good.store(7, Ordering::SeqCst);
    let keeping = keys_of(&gateway.home());
    let spent = Secret::new("access-1-0123456789".to_owned());
    let far = now() + 10_000;
    let aimux::keys::Renewal::Due(due) = keeping.renewal("corp", &spent, far, &mut || panic!("nobody")).unwrap() else {
        panic!("it is due")
    };
    let secret_of = |text: &str| Secret::new(text.to_owned());
    let grant =
        Grant { secret: secret_of("access-7-0123456789"), refresh: Some(secret_of("refresh-7-0123456789")), expires: Some(far + 3600) };
    due.keep(&grant, now(), &mut || panic!("nobody")).unwrap();
    drop(due);
    until("the watch takes it on", Duration::from_secs(10), || ask(&gateway).status == 200);
    assert_eq!(login.refreshes(), 1);
    let home = gateway.home();
    assert_eq!((audited(&home, "key.refreshed").len(), audited(&home, "config.reloaded").len()), (1, 0));
    // A login is one, though it is the same file.
    store(&home, "corp", "access-9-0123456789", now() + 3600);
    until("a login is a change", Duration::from_secs(10), || audited(&home, "config.reloaded").len() == 1);
}
