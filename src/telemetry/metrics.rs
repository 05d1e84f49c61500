//! The one table of metrics: `docs/metrics.md` is generated from it, and the exposition walks it.

/// What a metric is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It only rises, from the start of the server on.
    Counter,
    /// It rises and falls.
    Gauge,
    /// Counts by size.
    Histogram,
}

impl Kind {
    /// The word of the exposition.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// One row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// Its name.
    pub name: &'static str,
    /// What it is.
    pub kind: Kind,
    /// What it counts in.
    pub unit: &'static str,
    /// Its labels, in order.
    pub labels: &'static [&'static str],
    /// What it tells, in a sentence.
    pub help: &'static str,
}

macro_rules! metrics {
    ($($variant:ident: $name:literal, $kind:ident, $unit:literal, $labels:expr, $help:literal;)*) => {
        /// The metrics.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Metric { $(
            #[doc = $help]
            $variant,
        )* }

        impl Metric {
            /// Every metric, in the table's order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The metric's row.
            #[must_use]
            pub fn row(self) -> Row {
                match self { $(Self::$variant => Row { name: $name, kind: Kind::$kind, unit: $unit, labels: $labels, help: $help },)* }
            }
        }
    };
}

/// Who answered, or was asked last.
const TARGET: &[&str] = &["provider", "model"];
/// The same in OpenTelemetry's words for generative models.
const GEN_AI: &[&str] = &["gen_ai_operation_name", "gen_ai_provider_name", "gen_ai_request_model"];

metrics! {
    Build: "aimux_build_info", Gauge, "", &["version"], "1, with the version as a label.";
    Requests: "aimux_requests_total", Counter, "requests", &["provider", "model", "route", "status"], "Requests that were routed, when they have ended: who answered or was asked last (`none`: nobody), what decided that, the class of the status that the client got.";
    Endings: "aimux_endings_total", Counter, "requests", &["ending"], "How they ended: whole (`complete`), with an error (`failed`), or left by the client (`client_gone`).";
    Errors: "aimux_errors_total", Counter, "requests", &["code"], "Requests that ended with an error, by its code; those that were refused before they were routed too.";
    Attempts: "aimux_attempts_total", Counter, "attempts", &["provider", "model", "status"], "Attempts, by the class of the provider's status; `none`: no answer came.";
    Failovers: "aimux_failovers_total", Counter, "requests", &["provider", "model"], "Failed attempts after which another target was tried.";
    Continued: "aimux_continued_total", Counter, "answers", &["provider", "model"], "Answers that broke off in their text and that another target was asked to go on with, by whose answer broke off.";
    Hedges: "aimux_hedges_total", Counter, "requests", &["outcome"], "Requests for which a second target was asked beside the first: its content came first (`won`), the first one's did or the client left (`lost`), or it failed.";
    Tokens: "aimux_tokens_total", Counter, "tokens", &["provider", "model", "kind"], "Tokens: `input` that no cache had, `output`, `cache_read`, `cache_write`, and `thinking`, which is part of the output.";
    Cost: "aimux_cost_dollars_total", Counter, "US dollars", TARGET, "What was spent, by the price table; the input of attempts that were cancelled included, by estimate.";
    Unpriced: "aimux_unpriced_requests_total", Counter, "requests", TARGET, "Requests whose price is unknown; they are not in the cost.";
    Estimated: "aimux_estimated_requests_total", Counter, "requests", TARGET, "Requests whose tokens are an estimate in part: they ended before the provider said what was used.";
    Losses: "aimux_losses_total", Counter, "fields", TARGET, "Fields that a target could not carry.";
    Breaks: "aimux_cache_breaks_total", Counter, "requests", &["provider", "model", "cause"], "Requests of a session that read less from the provider's cache than the one before had left there, by why: another target (`moved`) or `key` answered; the client changed `tools`, `system`, `messages` or `settings`, or set no `markers`; it was `idle` for longer than caches keep; or the provider `dropped` it.";
    BreakTokens: "aimux_cache_break_tokens_total", Counter, "tokens", TARGET, "Tokens that these would have read from the cache.";
    BreakCost: "aimux_cache_break_cost_dollars_total", Counter, "US dollars", TARGET, "What that cost, by the price table; it is part of the cost.";
    Duration: "gen_ai_client_operation_duration_seconds", Histogram, "seconds", GEN_AI, "From a request's arrival to the end of its answer, failed attempts included.";
    FirstContent: "gen_ai_client_operation_time_to_first_chunk_seconds", Histogram, "seconds", GEN_AI, "From a streamed request's arrival to its first content, failed attempts included.";
    TokenUsage: "gen_ai_client_token_usage", Histogram, "tokens", &["gen_ai_operation_name", "gen_ai_provider_name", "gen_ai_request_model", "gen_ai_token_type"], "Tokens of an answered request: `input`, cached ones included, and `output`.";
    InFlight: "aimux_requests_in_flight", Gauge, "requests", &[], "Requests in flight.";
    Streams: "aimux_streams_in_flight", Gauge, "requests", &[], "Streams among them.";
    Oldest: "aimux_oldest_request_seconds", Gauge, "seconds", &[], "The age of the oldest request in flight; 0: there is none. One well beyond `retry.deadline_s` is stuck.";
    Stuck: "aimux_stuck_requests", Gauge, "requests", &[], "Requests that have outlived their deadline by half a minute.";
    InLine: "aimux_requests_in_line", Gauge, "requests", &[], "Places in lines for a provider that is full.";
    ClientConnections: "aimux_client_connections", Gauge, "connections", &[], "Open connections of clients.";
    Connections: "aimux_upstream_connections_total", Counter, "requests", &["connection"], "Requests sent to providers over a `new` connection, or a `reused` one.";
    Breaker: "aimux_breaker_open", Gauge, "", TARGET, "1 while a target's breaker is open; a closed one is not listed.";
    Rests: "aimux_rest_seconds", Gauge, "seconds", &["provider", "model", "key", "why"], "How long a target (`breaker`) or a key (`refused`, `limited`, `used_up`) still rests.";
    LedgerWritten: "aimux_ledger_written_total", Counter, "requests", &[], "Requests that are in the ledger.";
    LedgerDropped: "aimux_ledger_dropped_total", Counter, "requests", &[], "Requests that the ledger lacks: it could not be written for too long.";
    LedgerQueued: "aimux_ledger_queued", Gauge, "requests", &[], "Requests that wait to be written to the ledger.";
    Tasks: "aimux_tasks", Gauge, "tasks", &[], "Live tasks of the runtime. More than connections and requests account for, and rising, is a leak.";
    Stall: "aimux_runtime_stall_seconds", Gauge, "seconds", &[], "The longest that the runtime stood still: something blocked it, or the machine slept.";
    ProcessCpu: "process_cpu_seconds_total", Counter, "seconds", &[], "CPU time of the process.";
    ProcessMemory: "process_resident_memory_bytes", Gauge, "bytes", &[], "Resident memory of the process.";
    ProcessFds: "process_open_fds", Gauge, "descriptors", &[], "Open file descriptors of the process.";
    ProcessFdsMax: "process_max_fds", Gauge, "descriptors", &[], "File descriptors that the process may open.";
    ProcessThreads: "process_threads", Gauge, "threads", &[], "Threads of the process.";
    ProcessStart: "process_start_time_seconds", Gauge, "seconds", &[], "When the process began, in seconds since 1970.";
}

/// The table as a page of Markdown, `docs/metrics.md`.
#[must_use]
pub fn reference() -> String {
    let mut page = String::from(concat!(
        "# Metrics\n\n",
        "Generated from `src/telemetry/metrics.rs`. `GET /metrics` gives them in Prometheus' text format, to who has the client token:\n\n",
        "```yaml\n",
        "scrape_configs:\n",
        "  - job_name: aimux\n",
        "    authorization: { credentials_file: /etc/prometheus/aimux-token }\n",
        "    static_configs: [{ targets: [\"127.0.0.1:24689\"] }]\n",
        "```\n\n",
        "Counters begin at 0 when the server starts. Where OpenTelemetry has a name for generative models, it is that one. Labels come from\n",
        "the config and from the catalog of its providers; any other model is `other`, and so is what comes after the first 2,000 targets, so that\n",
        "no client makes more of them. What each single request took is in the ledger: [usage.md](usage.md). The figures of the process are\n",
        "Linux' own and are left out elsewhere.\n\n",
        "| metric | kind | unit | labels | |\n|---|---|---|---|---|\n",
    ));
    for metric in Metric::ALL {
        let Row { name, kind, unit, labels, help } = metric.row();
        let labels: Vec<String> = labels.iter().map(|label| format!("`{label}`")).collect();
        page += &format!("| `{name}` | {} | {unit} | {} | {help} |\n", kind.name(), labels.join(", "));
    }
    page += concat!(
        "\n## Questions\n\n",
        "| question | query |\n|---|---|\n",
        "| errors of a provider, as a share | `sum by (provider) (rate(aimux_requests_total{status!=\"2xx\"}[5m])) / sum by (provider) (rate(aimux_requests_total[5m]))` |\n",
        "| dollars in the last hour | `sum(increase(aimux_cost_dollars_total[1h]))` |\n",
        "| share of the input that caches had | `sum(rate(aimux_tokens_total{kind=\"cache_read\"}[1h])) / sum(rate(aimux_tokens_total{kind=~\"input\\|cache_read\\|cache_write\"}[1h]))` |\n",
        "| first content, 95 of 100 | `histogram_quantile(0.95, sum by (le, gen_ai_request_model) (rate(gen_ai_client_operation_time_to_first_chunk_seconds_bucket[5m])))` |\n",
        "| attempts per request | `sum(rate(aimux_attempts_total[5m])) / sum(rate(aimux_requests_total[5m]))` |\n",
        "| connections that were reused | `rate(aimux_upstream_connections_total{connection=\"reused\"}[5m]) / ignoring(connection) sum(rate(aimux_upstream_connections_total[5m]))` |\n",
        "| something is stuck | `aimux_oldest_request_seconds > 3600` |\n",
    );
    page
}
