//! The faults of an upstream under load: fifty requests at a time meet each of them, in both dialects, streamed and not,
//! with a healthy upstream behind. None is lost; a total failure stays cheap; what has healed is used again.
//!
//! A request is lost when it has neither a whole answer nor, after its content has begun, its dialect's own error, in time.
//! [`FAULTS`] is the table. `faults` meets more of them one by one, where nothing of one request is known to the next.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::gateway::{Gateway, until};
use crate::http::Whole;
use crate::replies::{Speaks, text};
use crate::tls;
use crate::upstream::{Act, Answer, Seen, Upstream};

const BOTH: [Speaks; 2] = [Speaks::Anthropic, Speaks::Chat];
/// Requests that meet each fault, at a time.
const REQUESTS: usize = 50;
/// Longer than the limits of [`LIMITS`] add up to, with room for a busy machine.
const IN_TIME: Duration = Duration::from_secs(25);
/// Longer than that.
const NEVER: Duration = Duration::from_secs(60);

const LIMITS: &str = "limits: { connect_s: 2, first_byte_s: 2, first_byte_whole_s: 2, first_content_s: 3, stream_idle_s: 2, \
                      keep_alive_s: 1, pace_bytes_per_s: 40, pace_over_s: 2, frame_mb: 1 }\n\
                      retry: { key_rest_s: 1 }";

/// What an upstream does wrong.
struct Fault {
    name: &'static str,
    /// Where it is met.
    at: At,
    answer: fn(Speaks, &Seen) -> Answer,
}

#[derive(Clone, Copy, PartialEq)]
enum At {
    /// Before any content.
    Start,
    /// A stream breaks after its content has begun.
    Middle,
    /// Nobody listens.
    Shut,
    /// Nobody takes the connection.
    BlackHole,
    /// The certificate has expired.
    Certificate,
    /// The host's name has no address. Of all of them this one alone does not heal here: names are the system's. That a name is
    /// looked up anew for each connection is shown by a test of the client itself.
    Name,
}

const fn fault(name: &'static str, answer: fn(Speaks, &Seen) -> Answer) -> Fault {
    Fault { name, at: At::Start, answer }
}

const fn middle(name: &'static str, answer: fn(Speaks, &Seen) -> Answer) -> Fault {
    Fault { name, at: At::Middle, answer }
}

const fn unreachable(name: &'static str, at: At) -> Fault {
    Fault { name, at, answer: |_, _| Answer::dead() }
}

static FAULTS: &[Fault] = &[
    unreachable("refused", At::Shut),
    fault("reset", |_, _| Answer { acts: vec![Act::Reset], ..Answer::raw("") }),
    unreachable("black hole", At::BlackHole),
    fault("empty", |_, _| Answer::json(200, "")),
    fault("garbage", |_, _| Answer::raw("\x00\x01 what is this\r\n\r\n")),
    fault("HTML", |_, _| html(200)),
    middle("half a body", |speaks, seen| if seen.is_stream() { healthy(speaks, seen).after(5, Act::Cut) } else { half(speaks, seen) }),
    fault("trickled", |speaks, seen| trickled(healthy(speaks, seen))),
    fault("500", |speaks, _| speaks.refusal(500, "zebra")),
    fault("502", |_, _| html(502)),
    fault("503", |speaks, _| speaks.refusal(503, "zebra")),
    fault("529", |speaks, _| speaks.refusal(529, "zebra")),
    fault("429 with Retry-After", |speaks, _| speaks.refusal(429, "zebra").header("retry-after", "2")),
    fault("429 without Retry-After", |speaks, _| speaks.refusal(429, "zebra")),
    fault("401", |speaks, _| speaks.refusal(401, "zebra")),
    fault("403", |speaks, _| speaks.refusal(403, "zebra")),
    fault("402", |speaks, _| speaks.refusal(402, "zebra")),
    unreachable("bad TLS", At::Certificate),
    unreachable("no DNS", At::Name),
    fault("error inside 200", error_inside),
    middle("truncated stream", |speaks, seen| {
        if seen.is_stream() { healthy(speaks, seen).after(5, Act::Bytes(b": end\n\n".to_vec())) } else { half(speaks, seen) }
    }),
    middle(
        "endless line",
        |speaks, seen| {
            if seen.is_stream() { healthy(speaks, seen).after(5, Act::Bytes(endless())) } else { endless_body() }
        },
    ),
    fault("wrong content type", |speaks, seen| Answer {
        headers: vec![("content-type".to_owned(), "text/html".to_owned())],
        ..error_inside(speaks, seen)
    }),
    fault("slow first byte", |speaks, seen| healthy(speaks, seen).late(NEVER)),
    middle(
        "stall in mid-stream",
        |speaks, seen| if seen.is_stream() { healthy(speaks, seen).pause(5, NEVER) } else { stalled(speaks, seen) },
    ),
];

fn healthy(speaks: Speaks, seen: &Seen) -> Answer {
    speaks.answer(seen, &[text("a long answer, from the first, that is cut somewhere")])
}

fn html(status: u16) -> Answer {
    Answer::json(status, "<html><h1>zebra</h1></html>")
}

fn half(speaks: Speaks, seen: &Seen) -> Answer {
    halved(speaks, seen, Act::Cut)
}

fn stalled(speaks: Speaks, seen: &Seen) -> Answer {
    halved(speaks, seen, Act::Pause(NEVER))
}

/// A whole answer of which the second half never comes.
fn halved(speaks: Speaks, seen: &Seen, then: Act) -> Answer {
    let body = bytes(&healthy(speaks, seen));
    let mut raw = format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n", body.len()).into_bytes();
    raw.extend_from_slice(&body[..body.len() / 2]);
    let mut answer = Answer::raw(raw);
    answer.acts.push(then);
    answer
}

fn bytes(answer: &Answer) -> Vec<u8> {
    answer.acts.iter().flat_map(|act| if let Act::Bytes(bytes) = act { bytes.clone() } else { Vec::new() }).collect()
}

/// The same, a byte at a time: it is never silent, and takes minutes.
fn trickled(answer: Answer) -> Answer {
    let drops = bytes(&answer).into_iter().flat_map(|byte| [Act::Bytes(vec![byte]), Act::Pause(Duration::from_millis(100))]);
    Answer { acts: drops.collect(), ..answer }
}

/// A stream's error event, or an error's body with a status that says it is none.
fn error_inside(speaks: Speaks, seen: &Seen) -> Answer {
    let refusal = speaks.refusal(529, "zebra");
    if !seen.is_stream() {
        return Answer { status: 200, ..refusal };
    }
    let name = if speaks == Speaks::Anthropic { "event: error\n" } else { "" };
    let event = format!("{name}data: {}\n\n", String::from_utf8(bytes(&refusal)).unwrap());
    healthy(speaks, seen).after(1, Act::Bytes(event.into_bytes()))
}

/// More than a mebibyte without an end of the line.
fn endless() -> Vec<u8> {
    [b"data: ".as_slice(), &[b'x'; (1 << 20) + 1]].concat()
}

/// The same to a request that was not to be streamed.
fn endless_body() -> Answer {
    let mut raw = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n".to_vec();
    raw.extend(endless());
    Answer::raw(raw)
}

/// A port before an upstream that lets nobody through until it is opened.
struct Door {
    address: SocketAddr,
    behind: SocketAddr,
    closed: Mutex<Option<Closed>>,
}

/// Why a door lets nobody through.
enum Closed {
    /// Nobody listens: who knocks is refused.
    Shut(tokio::net::TcpSocket),
    /// The queue of connections is full: who knocks hears nothing.
    Full(TcpListener, Vec<TcpStream>),
}

impl Door {
    fn shut(upstream: &Upstream) -> Self {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        Self { address: socket.local_addr().unwrap(), behind: upstream.address(), closed: Mutex::new(Some(Closed::Shut(socket))) }
    }

    fn full(upstream: &Upstream) -> Self {
        let Self { address, behind, closed } = Self::shut(upstream);
        let Some(Closed::Shut(socket)) = closed.into_inner().unwrap() else { unreachable!() };
        let listener = listening(socket, 1);
        let mut knocking = Vec::new();
        while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(200)) {
            assert!(knocking.len() < 16, "the queue has no end");
            knocking.push(stream);
        }
        Self { address, behind, closed: Mutex::new(Some(Closed::Full(listener, knocking))) }
    }

    /// Lets everybody through from now on.
    fn open(&self) {
        let listener = match self.closed.lock().unwrap().take().expect("a door is opened once") {
            Closed::Shut(socket) => listening(socket, 1024),
            Closed::Full(listener, knocking) => {
                drop(knocking);
                listener
            }
        };
        let behind = self.behind;
        std::thread::spawn(move || {
            for outside in listener.incoming().flatten() {
                let inside = TcpStream::connect(behind).unwrap();
                for (mut from, mut to) in [(&outside, &inside), (&inside, &outside)].map(|(from, to)| (copy(from), copy(to))) {
                    std::thread::spawn(move || {
                        let _ = std::io::copy(&mut from, &mut to);
                        let _ = to.shutdown(std::net::Shutdown::Write);
                    });
                }
            }
        });
    }
}

fn copy(stream: &TcpStream) -> TcpStream {
    stream.set_nodelay(true).unwrap();
    stream.try_clone().unwrap()
}

fn listening(socket: tokio::net::TcpSocket, backlog: u32) -> TcpListener {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
    let _guard = runtime.enter();
    let listener = socket.listen(backlog).unwrap().into_std().unwrap();
    listener.set_nonblocking(false).unwrap();
    listener
}

/// Of each dialect an upstream that has a fault until it is told to heal, and never has one for who asks so; before it, where the
/// fault is on the way to it, what is opened or mended then.
struct Scene {
    upstreams: [Upstream; 2],
    is_healed: Arc<AtomicBool>,
    shut: [Door; 2],
    holes: [Door; 2],
    certified: [SocketAddr; 2],
}

impl Scene {
    fn new() -> Self {
        let is_healed = Arc::new(AtomicBool::new(false));
        let upstreams = BOTH.map(|speaks| {
            let is_healed = Arc::clone(&is_healed);
            Upstream::start(move |seen, _| {
                let model = seen.json()["model"].as_str().unwrap_or_default().to_owned();
                match model.strip_prefix("fault-").filter(|_| !is_healed.load(Ordering::Relaxed)) {
                    Some(index) => (FAULTS[index.parse::<usize>().unwrap()].answer)(speaks, seen),
                    None => speaks.answer(seen, &[text("from the second")]),
                }
            })
        });
        let each = |make: &dyn Fn(&Upstream) -> Door| [make(&upstreams[0]), make(&upstreams[1])];
        let (shut, holes) = (each(&Door::shut), each(&Door::full));
        let certified = [0, 1].map(|index| {
            let is_healed = Arc::clone(&is_healed);
            let certificate = move || if is_healed.load(Ordering::Relaxed) { "good.pem" } else { "expired.pem" };
            tls::front(certificate, &rustls::version::TLS13, &upstreams[index])
        });
        Self { upstreams, is_healed, shut, holes, certified }
    }

    /// A gateway that knows who signed the certificates.
    fn gateway(&self, breaker: &str) -> Gateway {
        Gateway::start_with(&self.config(breaker), &[("SSL_CERT_FILE", &tls::fixture("ca.pem"))])
    }

    /// Nothing has a fault any more.
    fn heal(&self) {
        self.is_healed.store(true, Ordering::Relaxed);
        self.shut.iter().chain(&self.holes).for_each(Door::open);
    }

    /// Where a fault is met.
    fn url(&self, speaks: Speaks, at: At) -> String {
        let index = usize::from(speaks == Speaks::Chat);
        match at {
            At::Start | At::Middle => self.upstreams[index].url(),
            At::Shut => format!("http://{}", self.shut[index].address),
            At::BlackHole => format!("http://{}", self.holes[index].address),
            At::Certificate => format!("https://{}", self.certified[index]),
            At::Name => "http://nowhere.invalid".to_owned(),
        }
    }

    /// Each fault has a provider of each dialect; the model `one-N-dialect` goes there first and to the healthy one then,
    /// `all-N-dialect` to two of the faulty ones.
    fn config(&self, breaker: &str) -> String {
        let mut providers = String::new();
        let mut models = String::new();
        let mut provider = |name: &str, speaks: Speaks, url: &str| {
            let path = if speaks == Speaks::Chat { "/v1" } else { "" };
            let more = if url.contains("invalid") { ", plain_http: true" } else { "" };
            let dialect = speaks.dialect();
            providers += &format!("  {name}: {{ dialect: {dialect}, base_url: \"{url}{path}\", key: {{ env: UPSTREAM_KEY }}{more} }}\n");
        };
        for speaks in BOTH {
            provider(&format!("healthy-{}", speaks.dialect()), speaks, &self.url(speaks, At::Start));
        }
        for (index, fault) in FAULTS.iter().enumerate() {
            for (speaks, other) in [(BOTH[0], BOTH[1]), (BOTH[1], BOTH[0])] {
                let url = self.url(speaks, fault.at);
                let (name, second) = (speaks.dialect(), other.dialect());
                for place in ["one", "all"] {
                    provider(&format!("{place}-{index}-{name}"), speaks, &url);
                }
                models += &format!("  one-{index}-{name}: [one-{index}-{name}/fault-{index}, healthy-{second}/healthy]\n");
                models += &format!("  all-{index}-{name}: [all-{index}-{name}/fault-{index}, all-{index}-{second}/fault-{index}]\n");
            }
        }
        let server = "server: { listen: \"127.0.0.1:0\", token: { env: AIMUX_CLIENT_TOKEN } }";
        format!("version: 1\n{server}\nproviders:\n{providers}models:\n{models}{LIMITS}\nbreaker: {breaker}\n")
    }
}

/// One of the ways to ask: the upstream's dialect, the client's, streamed or not.
fn way(number: usize) -> (Speaks, Speaks, bool) {
    (BOTH[number % 2], BOTH[number / 2 % 2], (number / 4).is_multiple_of(2))
}

fn ask(gateway: &Gateway, client: Speaks, model: &str, is_stream: bool) -> (Whole, Duration) {
    let body = json!({"model": model, "max_tokens": 9, "stream": is_stream, "messages": [{"role": "user", "content": "hi"}]});
    let began = Instant::now();
    let reply = if client == Speaks::Anthropic { gateway.messages(&body) } else { gateway.chat(&body) };
    (reply, began.elapsed())
}

/// Runs `work` for each fault, `side_by_side` at a time.
fn for_each_fault(side_by_side: usize, work: impl Fn(usize, &Fault) + Sync) {
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..side_by_side {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(fault) = FAULTS.get(index) else { return };
                    work(index, fault);
                }
            });
        }
    });
}

/// Fifty requests for the models of a name, at once.
fn at_once<T: Send>(ask: impl Fn(usize) -> T + Sync) -> Vec<T> {
    std::thread::scope(|scope| {
        let ask = &ask;
        let asked: Vec<_> = (0..REQUESTS).map(|number| scope.spawn(move || ask(number))).collect();
        asked.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

#[derive(Debug, PartialEq, Eq)]
enum Fate {
    Answered,
    /// Its content had begun; the dialect's own error ended it.
    Broken,
}

fn fate(what: &str, client: Speaks, is_stream: bool, reply: &Whole, took: Duration) -> Fate {
    let text = reply.text();
    assert!(took < IN_TIME, "{what}: {took:?}");
    assert_eq!((reply.status, reply.is_complete), (200, true), "{what}: {text}");
    if !is_stream {
        assert!(text.contains("from the second") && reply.json()["error"].is_null(), "{what}: {text}");
        return Fate::Answered;
    }
    let events = reply.events();
    let last = events.last().unwrap_or_else(|| panic!("{what}: empty"));
    let has_ended = last.name == "message_stop" || last.data == "[DONE]";
    if has_ended {
        let said: String = events
            .iter()
            .filter_map(|event| event.data["delta"]["text"].as_str().or(event.data["choices"][0]["delta"]["content"].as_str()))
            .collect();
        assert_eq!(said, "from the second", "{what}: {text}");
        return Fate::Answered;
    }
    let is_error = last.data["error"]["message"].as_str().is_some_and(|message| message.contains("AIMUX-E05"));
    assert!(is_error && (client == Speaks::Chat || last.name == "error"), "{what}: {text}");
    assert!(text.contains("a long answe"), "{what}: an error before any content: {text}");
    Fate::Broken
}

#[test]
fn none_of_fifty_requests_is_lost_to_any_fault_and_what_heals_is_used_again() {
    let scene = Scene::new();
    let gateway = scene.gateway("{ rest_s: 1, rest_max_s: 2 }");
    for_each_fault(3, |index, fault| {
        let fates = at_once(|number| {
            let (upstream, client, is_stream) = way(number);
            let what = format!("{} at {upstream:?} for {client:?}, stream {is_stream}, request {number}", fault.name);
            let (reply, took) = ask(&gateway, client, &format!("one-{index}-{}", upstream.dialect()), is_stream);
            fate(&what, client, is_stream, &reply, took)
        });
        let broken = fates.iter().filter(|fate| **fate == Fate::Broken).count();
        assert!(broken == 0 || fault.at == At::Middle, "{}: {broken} were broken off", fault.name);
    });
    scene.heal();
    let healed = Instant::now();
    for (index, fault) in FAULTS.iter().enumerate().filter(|(_, fault)| fault.at != At::Name) {
        for speaks in BOTH {
            let name = format!("one-{index}-{}", speaks.dialect());
            until(&format!("{} is asked again", fault.name), Duration::from_secs(8), || {
                let (reply, _) = ask(&gateway, Speaks::Chat, &name, true);
                reply.header("x-aimux-provider") == Some(&name)
            });
        }
    }
    // All of them rest at most two seconds; the rest is what the requests themselves take.
    assert!(healed.elapsed() < Duration::from_secs(20), "{:?}", healed.elapsed());
}

#[test]
fn a_total_failure_costs_at_most_two_point_four_attempts_a_request_whatever_the_fault() {
    let scene = Scene::new();
    let gateway = scene.gateway("{}");
    for_each_fault(3, |index, fault| {
        at_once(|number| {
            let (upstream, client, is_stream) = way(number);
            let what = format!("{} everywhere, request {number}", fault.name);
            let (reply, took) = ask(&gateway, client, &format!("all-{index}-{}", upstream.dialect()), is_stream);
            assert!(took < IN_TIME, "{what}: {took:?}");
            let text = reply.text();
            assert!(
                reply.is_complete && text.contains("rror") && !text.contains("message_stop") && !text.contains("[DONE]"),
                "{what}: {text}"
            );
        });
        let told = || told_attempts(&gateway.log(), &format!(" asked=all-{index}-"));
        until("every request is in the log", Duration::from_secs(5), || told().len() == REQUESTS);
        let attempts: usize = told().into_iter().sum();
        assert!(attempts * 10 <= REQUESTS * 24, "{}: {attempts} attempts for {REQUESTS} requests", fault.name);
        assert!(attempts > 0, "{}: nobody was asked", fault.name);
    });
}

/// The file of what is known of providers.
pub(crate) fn memory(home: &std::path::Path) -> std::path::PathBuf {
    let folder = home.join(".local/state/aimux");
    let files = std::fs::read_dir(&folder).unwrap().map(|file| file.unwrap().path());
    files.into_iter().find(|path| path.file_name().unwrap().to_str().unwrap().starts_with("health-")).expect("a file is kept")
}

#[test]
fn breakers_rests_and_windows_survive_a_restart_and_a_damaged_file_is_left_out() {
    let failing = Upstream::start(|_, _| Speaks::Chat.refusal(500, "zebra"));
    let healthy = Upstream::start(|seen, _| Speaks::Chat.answer(seen, &[text("fine")]));
    let pair = [(Speaks::Chat, &failing), (Speaks::Chat, &healthy)];
    let mut gateway =
        Gateway::start(&crate::gateway::config(&pair, "\"*\": [up0/one, up1/two]", "breaker: { rest_s: 600, rest_max_s: 600 }"));
    let ask = |gateway: &Gateway| assert_eq!(ask(gateway, Speaks::Chat, "x", false).0.status, 200);
    (0..6).for_each(|_| ask(&gateway));
    assert_eq!(failing.seen().len(), 5, "open");
    gateway.restart(|_| {});
    ask(&gateway);
    assert_eq!(failing.seen().len(), 5, "open still");
    for (round, (damage, word)) in
        [("{\"version\": 1, \"saved", "damaged"), ("{\"version\":7,\"saved_ms\":0,\"providers\":[]}", "form")].into_iter().enumerate()
    {
        gateway.restart(|home| std::fs::write(memory(home), damage).unwrap());
        assert!(gateway.log().contains(word), "{}", gateway.log());
        ask(&gateway);
        assert_eq!(failing.seen().len(), 6 + round, "nothing is known");
    }
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(memory(&gateway.home())).unwrap().permissions());
    assert_eq!(mode & 0o077, 0);
}

#[test]
fn a_thousand_clients_that_leave_in_mid_stream_leave_nothing_behind() {
    let upstream = Upstream::start(|seen, _| match seen.is_stream() {
        true => healthy(Speaks::Anthropic, seen).pause(5, NEVER),
        false => healthy(Speaks::Anthropic, seen),
    });
    let text = crate::gateway::config(&[(Speaks::Anthropic, &upstream)], "\"*\": [up0/m]", "");
    let gateway = Gateway::start(&text.replace("key: {", "limits: { concurrent: 50 }, key: {"));
    let ask_whole = || assert_eq!(ask(&gateway, Speaks::Chat, "x", false).0.status, 200);
    ask_whole();
    let (descriptors, tasks) = (gateway.descriptors(), gateway.tasks());
    let body = json!({"model": "x", "max_tokens": 9, "stream": true, "messages": [{"role": "user", "content": "hi"}]}).to_string();
    for _ in 0..20 {
        let mut replies: Vec<_> = (0..50).map(|_| gateway.send("POST", "/v1/messages", body.as_bytes())).collect();
        replies.iter_mut().for_each(|reply| assert!(reply.piece().is_some()));
        drop(replies);
        // Only who gives every place back lets the next fifty in.
        until("all have ended", Duration::from_secs(10), || gateway.tasks()["requests"] == 0);
    }
    until("descriptors and tasks are as before", Duration::from_secs(10), || {
        let now = gateway.tasks();
        gateway.descriptors() <= descriptors && now["alive"].as_u64() <= tasks["alive"].as_u64() && now["in_line"] == 0
    });
    assert!(upstream.seen().len() >= 1000);
    ask_whole();
}

#[test]
fn requests_and_lines_are_told_by_the_status() {
    let upstream = Upstream::start(|seen, _| healthy(Speaks::Anthropic, seen).late(Duration::from_secs(3)));
    let text = crate::gateway::config(&[(Speaks::Anthropic, &upstream)], "\"*\": [up0/m]", "limits: { queue_wait_s: 30 }");
    let gateway = Gateway::start(&text.replace("key: {", "limits: { concurrent: 1 }, key: {"));
    std::thread::scope(|scope| {
        let asked = [0, 1].map(|_| scope.spawn(|| ask(&gateway, Speaks::Anthropic, "x", false)));
        until("one is asked and one stands in line", Duration::from_secs(10), || {
            let tasks = gateway.tasks();
            tasks["requests"] == 2 && tasks["in_line"] == 1 && tasks["stuck"] == 0 && tasks["oldest_ms"].as_u64() > Some(0)
        });
        asked.into_iter().for_each(|thread| assert_eq!(thread.join().unwrap().0.status, 200));
    });
    assert_eq!(gateway.tasks()["requests"], 0);
}

/// The attempts of each request whose line in the log has the words.
fn told_attempts(log: &str, words: &str) -> Vec<usize> {
    let lines = log.lines().filter(|line| line.contains(words));
    lines.filter_map(|line| line.split_once(" attempts=")?.1.split(' ').next()?.parse().ok()).collect()
}
