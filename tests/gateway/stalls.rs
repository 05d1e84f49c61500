//! Nothing blocks the runtime: the server on a single thread, beside a heartbeat that must not miss its beats.
//!
//! A beat comes late for three reasons: work on the thread, other processes on the machine, or a call that sleeps in the
//! kernel. Linux counts the first two for each thread; what is left is the fault that this test looks for.

use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use aimux::config::{self, Environment, Options};
use aimux::keys::Store;
use aimux::secret::Secret;
use aimux::server::Server;
use serde_json::json;

use crate::gateway::{KEY, TOKEN};
use crate::http;
use crate::replies::{Speaks, text};
use crate::upstream::Upstream;

const BEAT: Duration = Duration::from_millis(5);
/// The longest sleep in the kernel that is taken for the clock's own inaccuracy.
const ASLEEP_MAX: Duration = Duration::from_millis(60);
/// The longest piece of work on one body of 2 MB, without optimisation.
const AT_WORK_MAX: Duration = Duration::from_secs(3);

/// The worst of what was seen between two beats.
#[derive(Debug, Default, Clone, Copy)]
struct Worst {
    asleep: Duration,
    at_work: Duration,
}

/// This thread's time on a processor, and in wait for one.
fn accounts() -> (Duration, Duration) {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux counts each thread's time");
    let mut numbers = text.split_whitespace().map(|number| Duration::from_nanos(number.parse().unwrap()));
    (numbers.next().unwrap(), numbers.next().unwrap())
}

async fn heartbeat(worst: Arc<Mutex<Worst>>) {
    let mut last = (Instant::now(), accounts());
    loop {
        tokio::time::sleep(BEAT).await;
        let now = (Instant::now(), accounts());
        let at_work = now.1.0 - last.1.0;
        let accounted = at_work + (now.1.1 - last.1.1) + BEAT;
        let mut worst = worst.lock().unwrap();
        worst.asleep = worst.asleep.max((now.0 - last.0).saturating_sub(accounted));
        worst.at_work = worst.at_work.max(at_work);
        last = now;
    }
}

/// Runs a server with this config's text on one thread while `load` runs beside it with its port.
fn worst_under(config: &str, load: impl FnOnce(u16) + Send + 'static) -> Worst {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("aimux.yaml");
    std::fs::write(&path, config).unwrap();
    let variables = [("AIMUX_CLIENT_TOKEN", TOKEN), ("UPSTREAM_KEY", KEY)].map(|(name, value)| (name.to_owned(), value.to_owned()));
    let options = Options { path: Some(path), listen: None };
    let ready = config::ready(&options, &Environment::new(variables), &Store::new(home.path(), None), &mut || unreachable!("no key file"));
    let worst = Arc::new(Mutex::new(Worst::default()));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let server = Server::bind(ready.unwrap(), Secret::new(TOKEN.to_owned())).await.unwrap();
        let port = server.address().unwrap().port();
        let beats = tokio::spawn(heartbeat(Arc::clone(&worst)));
        let (done, is_done) = tokio::sync::oneshot::channel();
        let load = thread::spawn(move || {
            load(port);
            let _ = done.send(());
        });
        server
            .run(async {
                is_done.await.unwrap();
                aimux::server::Leave::Stop
            })
            .await;
        beats.abort();
        load.join().unwrap();
    });
    *worst.lock().unwrap()
}

fn ask(port: u16, model: &str, content: &str, is_stream: bool) -> u16 {
    let body = json!({"model": model, "max_tokens": 9, "stream": is_stream, "messages": [{"role": "user", "content": content}]});
    let token = format!("Bearer {TOKEN}");
    http::send(port, "POST", "/v1/messages", &[("authorization", &token)], body.to_string().as_bytes()).whole().status
}

#[test]
fn big_bodies_slow_peers_names_and_certificates_stall_nobody() {
    let same = Upstream::start(|seen, _| Speaks::Anthropic.answer(seen, &[text("fine")]));
    let other = Upstream::start(|seen, _| Speaks::Chat.answer(seen, &[text("fine")]));
    let slow = Upstream::start(|seen, _| Speaks::Chat.answer(seen, &[text("fine, but late")]).pause(1, Duration::from_millis(600)));
    let providers = [
        ("same", format!("dialect: anthropic, base_url: \"{}\"", same.url())),
        ("other", format!("dialect: openai-chat, base_url: \"{}/v1\"", other.url())),
        ("slow", format!("dialect: openai-chat, base_url: \"{}/v1\"", slow.url())),
        ("nameless", "dialect: openai-chat, plain_http: true, base_url: \"http://nowhere.invalid/v1\"".to_owned()),
        ("refused", "dialect: openai-chat, base_url: \"https://127.0.0.1:1/v1\"".to_owned()),
    ];
    let mut config = "version: 1\nserver: { listen: \"127.0.0.1:0\" }\nproviders:\n".to_owned();
    for (name, fields) in &providers {
        config += &format!("  {name}: {{ {fields}, key: {{ env: UPSTREAM_KEY }} }}\n");
    }
    let worst = worst_under(&config, |port| {
        let long = "a word, and \\ another\n".repeat(100_000);
        // A client that says half a request and no more, for as long as the others are served.
        let half = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
        std::io::Write::write_all(&mut &half, b"POST /v1/messages HTTP/1.1\r\nhost: localhost\r\ncontent-length: 99\r\n\r\n{").unwrap();
        let asks = [
            ("same/m", long.as_str(), true, 200),
            ("other/m", &long, true, 200),
            ("other/m", &long, false, 200),
            ("slow/m", "short", true, 200),
            ("nameless/m", "short", false, 502),
            ("refused/m", "short", false, 502),
        ];
        thread::scope(|scope| {
            for (model, content, is_stream, status) in asks {
                scope.spawn(move || {
                    for _ in 0..3 {
                        assert_eq!(ask(port, model, content, is_stream), status, "{model}");
                    }
                });
            }
        });
        drop(half);
    });
    assert!(worst.asleep < ASLEEP_MAX && worst.at_work < AT_WORK_MAX, "{worst:?}");
}

#[test]
fn a_call_that_sleeps_is_noticed() {
    let worst = Arc::new(Mutex::new(Worst::default()));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let beats = tokio::spawn(heartbeat(Arc::clone(&worst)));
        tokio::time::sleep(BEAT * 4).await;
        thread::sleep(ASLEEP_MAX * 3);
        tokio::time::sleep(BEAT * 4).await;
        beats.abort();
    });
    assert!(worst.lock().unwrap().asleep > ASLEEP_MAX, "{worst:?}");
}
