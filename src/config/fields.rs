//! The fields of the config: one row each, from which the reader takes types and ranges, and `docs/config.md` its tables.

/// One field.
#[derive(Debug)]
pub(crate) struct Field {
    /// Its key.
    pub(crate) name: &'static str,
    /// What it takes.
    pub(crate) kind: Kind,
    /// What holds without it; empty: nothing, or it is mandatory.
    pub(crate) default: &'static str,
    /// What it is for.
    pub(crate) doc: &'static str,
}

/// What a field takes.
#[derive(Debug)]
pub(crate) enum Kind {
    /// A whole number within a range, both ends included.
    Integer {
        /// The lowest.
        min: u64,
        /// The highest.
        max: u64,
    },
    /// A list of whole numbers within a range.
    Integers {
        /// The lowest.
        min: u64,
        /// The highest.
        max: u64,
    },
    /// `true` or `false`.
    Flag,
    /// Text, of the form that the words name.
    Text(&'static str),
    /// One of some words.
    Choice(&'static [&'static str]),
    /// `{ env: NAME }`.
    Variable,
    /// The name of a key file, `{ env: NAME }` or `{ cmd: [PROGRAM, …] }`.
    Key,
    /// Several of [`Kind::Key`].
    Keys,
    /// A list of texts.
    List(&'static str),
    /// A mapping of fields.
    Section(&'static [Field]),
    /// The same, whose fields mean nothing where it is not given.
    SectionOrNone(&'static [Field]),
    /// The same, or `off`.
    SectionOrOff(&'static [Field]),
    /// Names, each with a mapping of fields.
    Named(&'static [Field]),
    /// Names, each with text.
    Texts(&'static str),
    /// Names, each with a target, a list of targets or a mapping of fields.
    Models(&'static [Field]),
    /// A list of mappings of fields.
    Items(&'static [Field]),
    /// A text with `*` for anything, or a list of them.
    Words(&'static str),
    /// One of some words, or a list of them.
    Choices(&'static [&'static str]),
    /// A list of texts, or names, each with a mapping of fields.
    ListOrNamed(&'static str, &'static [Field]),
    /// An amount of US dollars.
    Amount,
    /// `p95`, or a number of seconds.
    Patience,
    /// A number, a comparison with one, `true` for any but 0, or a list of them.
    Numbers,
}

impl Kind {
    /// What it takes, in words, for messages and the reference.
    pub(crate) fn describe(&self) -> String {
        match self {
            Self::Integer { min, max } if min == max => format!("the number {min}"),
            Self::Integer { min, max } => format!("a whole number from {min} to {max}"),
            Self::Integers { min, max } => format!("a list of whole numbers from {min} to {max}"),
            Self::Flag => "`true` or `false`".to_owned(),
            Self::Text(what) => (*what).to_owned(),
            Self::Choice(words) => words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(" or "),
            Self::Variable => "a variable, `{ env: NAME }`".to_owned(),
            Self::Key => "the name of a key file, `{ env: NAME }` or `{ cmd: [PROGRAM, …] }`".to_owned(),
            Self::Keys => "a list of key names, `{ env: NAME }` or `{ cmd: [PROGRAM, …] }`".to_owned(),
            Self::List(what) => format!("a list of {what}"),
            Self::Section(_) | Self::SectionOrNone(_) | Self::Named(_) => "a mapping".to_owned(),
            Self::SectionOrOff(_) => "a mapping, or `off`".to_owned(),
            Self::Texts(what) => format!("a mapping of {what}"),
            Self::Models(_) => "a mapping of names to targets".to_owned(),
            Self::Items(_) => "a list of mappings".to_owned(),
            Self::ListOrNamed(what, _) => format!("a list of {what}, or a mapping of them to what is known of each"),
            Self::Amount => "a number from 0 to 100000".to_owned(),
            Self::Patience => "`p95`, or a number of seconds from 0.1 to 600".to_owned(),
            Self::Words(what) => format!("{what}, or a list of them; `*` stands for anything"),
            Self::Choices(words) => {
                let words = words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>();
                format!("{}, or a list of them", words.join(", "))
            }
            Self::Numbers => "a number, a comparison like `\">150k\"`, `true` for more than 0, or a list of them".to_owned(),
        }
    }

    /// The fields inside.
    pub(crate) fn fields(&self) -> Option<&'static [Field]> {
        match self {
            Self::Section(fields)
            | Self::SectionOrNone(fields)
            | Self::SectionOrOff(fields)
            | Self::Named(fields)
            | Self::Models(fields)
            | Self::ListOrNamed(_, fields)
            | Self::Items(fields) => Some(fields),
            _ => None,
        }
    }
}

const fn field(name: &'static str, kind: Kind, default: &'static str, doc: &'static str) -> Field {
    Field { name, kind, default, doc }
}

const fn integer(name: &'static str, min: u64, max: u64, default: &'static str, doc: &'static str) -> Field {
    Field { name, kind: Kind::Integer { min, max }, default, doc }
}

/// The whole file.
pub(crate) static ROOT: &[Field] = &[
    integer("version", 1, 1, "", "The version of the format; mandatory."),
    field("server", Kind::Section(SERVER), "", "Where clients reach aimux."),
    field(
        "providers",
        Kind::Named(PROVIDER),
        "",
        "Who answers; mandatory. A known name is its own preset and needs no field: `anthropic: {}`.",
    ),
    field(
        "routes",
        Kind::Items(ROUTE),
        "",
        "Where a request goes by what it is: the first rule that fits, before `models`. [routing.md](routing.md) has recipes.",
    ),
    field(
        "models",
        Kind::Models(MODEL),
        "",
        "What clients ask for (`*` stands for anything) and what serves it, in order. A plain `provider/model` from a client needs no entry.",
    ),
    field(
        "policies",
        Kind::Items(POLICY),
        "",
        "Where a request must not go, asked of each target before anything is sent: each must let it pass.",
    ),
    field(
        "tests",
        Kind::Items(TEST),
        "",
        "Requests and where they must go: tried by `config validate` and whenever the config is read. Nobody is called.",
    ),
    field("limits", Kind::Section(LIMITS), "", "The server's limits."),
    field("retry", Kind::Section(RETRY), "", "How often and how long is tried."),
    field("breaker", Kind::SectionOrOff(BREAKER), "", "When a target that fails is left out for a while; `off` or `false`: never."),
    field(
        "sticky",
        Kind::Section(STICKY),
        "",
        "Whether a session stays with the target that answered it, so that its prompt cache is met again: [routing.md](routing.md).",
    ),
    field("ledger", Kind::Section(LEDGER), "", "What is remembered of each request: who, when, tokens, cost; never what was said."),
    field(
        "history",
        Kind::Section(HISTORY),
        "",
        "What is kept of the conversations of `aimux route`, prompts and answers included; of a server's clients never. [logs.md](logs.md)",
    ),
    field(
        "postgres",
        Kind::SectionOrNone(POSTGRES),
        "",
        "A database that several instances share; `ledger` and `history` say whether they are kept in it. [deployment.md](deployment.md#several-instances)",
    ),
    field(
        "mcp",
        Kind::Named(MCP),
        "",
        "Servers of tools for `aimux route --tool`, by names of 32 characters at most. `serve` does not start them. [tools.md](tools.md)",
    ),
];

/// `server`.
pub(crate) static SERVER: &[Field] = &[
    field("listen", Kind::Text("an address with a port"), "127.0.0.1:24689", "The address to listen on. Off loopback it needs `tls`."),
    field("token", Kind::Variable, "made at first start", "Where the client token stands."),
    field("hosts", Kind::List("host names"), "[]", "Further names in the `Host` header under which clients reach the server."),
    field("tls", Kind::Choice(&["terminated"]), "", "`terminated`: a proxy in front ends TLS, and nobody else reaches the port."),
    field(
        "watch",
        Kind::Flag,
        "true",
        "Takes on this file and the key files by itself, a second after they have changed. `aimux config reload` and SIGHUP always do.",
    ),
    integer(
        "idle_exit_s",
        0,
        604_800,
        "1800 where a service manager keeps the socket, else 0",
        "Seconds without a connection after which the server ends; 0: never. A service manager starts it again at the next one.",
    ),
];

/// `providers.NAME`.
pub(crate) static PROVIDER: &[Field] = &[
    field(
        "preset",
        Kind::Text("the name of a known provider"),
        "the provider's own name, if known",
        "Whose addresses, dialects and peculiarities hold.",
    ),
    field("dialect", Kind::Choice(&["anthropic", "openai-chat"]), "the preset's", "The protocol; only this one is then spoken."),
    field(
        "base_url",
        Kind::Text("a URL"),
        "the preset's",
        "What the provider's own SDK takes: with `/v1` for OpenAI's dialects, without for Anthropic's.",
    ),
    field("key", Kind::Key, "the file `<preset>`, else the preset's variables", "The key."),
    field("keys", Kind::Keys, "", "Several keys, used in turn; instead of `key`."),
    field(
        "models",
        Kind::ListOrNamed("model names", MODEL_FACTS),
        "any",
        "A list: the models that it serves; a target outside of it is an error. A mapping: what is known of some of them, where the \
         catalog is silent or wrong.",
    ),
    field("headers", Kind::Texts("header names to text"), "{}", "Headers sent with each request. Credentials do not belong here."),
    field(
        "query",
        Kind::Texts("names to text"),
        "{}",
        "Added to each request's URL: MiniMax's `GroupId` for old accounts, an `api-version`.",
    ),
    field(
        "oauth",
        Kind::Section(OAUTH),
        "the preset's",
        "How `aimux keys login` gets a key in a browser, and where a token that expires is refreshed. Its `key` is a file.",
    ),
    field("limits", Kind::Section(PROVIDER_LIMITS), "", "Its limits, for all its keys together."),
    field("key_limits", Kind::Section(PROVIDER_LIMITS), "", "The limits of each of its keys."),
    field("region", Kind::Text("a word"), "", "Where it is, `eu` say: a word of your own, for policies."),
    field("data", Kind::List("words"), "[]", "Classes of data that it may be given, `public` say: words of your own, for policies."),
    field("plain_http", Kind::Flag, "false", "Allows `http://` to another machine."),
    field("http2", Kind::Flag, "false", "Offers HTTP/2: over TLS the provider chooses; plain http on this machine must speak it."),
];

/// Where a browser comes back to.
pub(crate) const REDIRECT: &str = "http://127.0.0.1/callback";

/// `providers.NAME.oauth`: OAuth 2.0's authorisation code with PKCE.
pub(crate) static OAUTH: &[Field] = &[
    field("client_id", Kind::Text("text"), "", "The name under which the provider knows this client; mandatory but for OpenRouter."),
    field("client_secret", Kind::Variable, "", "The client's secret, where the provider gave one with its name."),
    field(
        "client_proof",
        Kind::Choice(&["basic", "post"]),
        "",
        "How that is sent: as basic authorization, which is the default, or in the body where the provider wants `client_secret_post`.",
    ),
    field("auth_url", Kind::Text("a URL"), "the preset's", "Where the browser goes; https, but on this machine."),
    field("token_url", Kind::Text("a URL"), "the preset's", "Where a code or a refresh token is exchanged; https, but on this machine."),
    field("scopes", Kind::List("scopes"), "", "What is asked for. Many providers give a refresh token only for `offline_access`."),
    field(
        "redirect",
        Kind::Text("an address of this machine"),
        "",
        "Where the browser comes back to, as the provider knows it; without it `http://127.0.0.1/callback`, on any free port.",
    ),
];

/// `providers.NAME.limits`.
pub(crate) static PROVIDER_LIMITS: &[Field] = &[
    integer("requests_per_minute", 1, 1_000_000, "no limit", "Requests started in a minute."),
    integer("requests_per_5h", 1, 1_000_000_000, "no limit", "The same in five hours, as coding plans count."),
    integer("requests_per_week", 1, 1_000_000_000, "no limit", "The same in seven days."),
    integer(
        "tokens_per_minute",
        1,
        10_000_000_000,
        "no limit",
        "Tokens in a minute, input and output, cached ones included. Estimated when a request is sent, settled by its usage.",
    ),
    integer("tokens_per_5h", 1, 1_000_000_000_000, "no limit", "The same in five hours."),
    integer("tokens_per_week", 1, 1_000_000_000_000, "no limit", "The same in seven days."),
    integer("concurrent", 1, 100_000, "no limit", "Requests at a time."),
];

/// `providers.NAME.models.NAME`.
pub(crate) static MODEL_FACTS: &[Field] = &[
    integer("context", 1, 1_000_000_000, "the catalog's", "Tokens of input and output together."),
    integer("output_max", 1, 1_000_000_000, "the catalog's", "The most output tokens."),
    field("tools", Kind::Flag, "the catalog's", "Whether it takes tools."),
    field("images", Kind::Flag, "the catalog's", "Whether it sees images."),
    field("documents", Kind::Flag, "the catalog's", "Whether it reads PDF."),
    field("structured", Kind::Flag, "the catalog's", "Whether it enforces schemas of answers."),
    field("thinking", Kind::Flag, "the catalog's", "Whether it thinks."),
    field("price_input", Kind::Amount, "the catalog's", "US dollars per million tokens of fresh input."),
    field("price_output", Kind::Amount, "the catalog's", "US dollars per million tokens of output."),
    field("price_cache_read", Kind::Amount, "the catalog's", "US dollars per million tokens read from a cache."),
    field("price_cache_write", Kind::Amount, "the catalog's", "US dollars per million tokens written to a cache."),
];

/// `models.NAME` in its long form.
pub(crate) static MODEL: &[Field] = &[
    field("use", Kind::List("targets"), "", "Targets, in order: `provider/model`, or the name of another entry; mandatory."),
    STRATEGY,
    WEIGHTS,
    STICK,
    CONTINUE,
    ON_CONTEXT,
    HEDGE_FIELD,
];

/// `hedge` of a rule or an entry.
pub(crate) static HEDGE: &[Field] = &[
    field(
        "after",
        Kind::Patience,
        "p95",
        "How long: `p95` is what 19 of 20 of its own answers stayed under; it is not known before 20 of the last half-hour.",
    ),
    field(
        "max_cost",
        Kind::Amount,
        "0.05",
        "What the second one may cost, in US dollars, by estimate. Without a known price it is not asked.",
    ),
];

// What a rule and an entry have in common.
const STRATEGY: Field = field(
    "strategy",
    Kind::Choice(&["order", "weighted", "round_robin", "least_busy", "latency", "cost"]),
    "order; where `use` is one name, that entry's",
    "Which target goes first ([routing](routing.md#strategies)).",
);
const WEIGHTS: Field = field(
    "weights",
    Kind::Integers { min: 1, max: 1000 },
    "as many each",
    "With `weighted`: how many of the requests each target gets, in the order of the targets.",
);
const STICK: Field = field(
    "stick",
    Kind::Flag,
    "true; where `use` is one name, that entry's",
    "Whether a session stays with the target that answered it ([routing](routing.md#sessions)).",
);
const CONTINUE: Field = field(
    "continue",
    Kind::Choice(&["off", "text"]),
    "off; where `use` is one name, that entry's",
    "`text`: a stream that breaks off while it has only said text is gone on with at the next target \
     ([routing](routing.md#answers-that-break-off)).",
);
const ON_CONTEXT: Field = field(
    "on_context",
    Kind::Choice(&["refuse", "larger"]),
    "refuse; where `use` is one name, that entry's",
    "What is done where a provider finds the prompt too long: `larger` asks a target with a larger window, where there is one.",
);
const HEDGE_FIELD: Field = field(
    "hedge",
    Kind::Section(HEDGE),
    "never",
    "Asks a second target where the first has brought no content for so long, and takes whose comes first ([routing](routing.md#hedging)).",
);

/// `routes[]`.
pub(crate) static ROUTE: &[Field] = &[
    field("name", Kind::Text("a name"), "", "The rule's name, in headers, logs and explanations; mandatory."),
    field("when", Kind::Section(WHEN), "every request", "What must hold, all of it."),
    field("use", Kind::List("targets"), "", "Targets, in order: `provider/model`, or a name of `models`; mandatory."),
    STRATEGY,
    WEIGHTS,
    STICK,
    CONTINUE,
    ON_CONTEXT,
    HEDGE_FIELD,
];

/// `policies[]`.
pub(crate) static POLICY: &[Field] = &[
    field("name", Kind::Text("a name"), "", "The policy's name, which a refused client is told; mandatory."),
    field("when", Kind::Section(WHEN), "every request", "For which requests it is, as in a rule."),
    field("deny", Kind::Section(TRAITS), "", "Targets that may not be used; all of it must hold."),
    field("allow", Kind::Section(TRAITS), "", "Targets that alone may be used; instead of `deny`."),
];

/// `tests[]`.
pub(crate) static TEST: &[Field] = &[
    field(
        "request",
        Kind::Section(WHEN),
        "",
        "What the request is; what is not said is as in a request that asks for nothing in particular. Mandatory.",
    ),
    field(
        "expect",
        Kind::Text("a target"),
        "",
        "The first target, `provider/model`; or the rule or entry that decides; or `refused`. Mandatory.",
    ),
    field("because", Kind::Text("a name"), "", "The rule or entry that must decide, or a policy that must deny a target."),
];

/// What a policy may ask of a target.
pub(crate) static TRAITS: &[Field] = &[
    field("provider", Kind::Words("a provider's name"), "", "The provider."),
    field("model", Kind::Words("a model, or `provider/model`"), "", "The model."),
    field("region", Kind::Words("a region"), "", "The provider's `region`; one without any may be anywhere."),
    field("data", Kind::Words("a class of data"), "", "One of the provider's `data`."),
    field("price_input_min", Kind::Amount, "", "US dollars per million tokens of input, at least."),
    field("price_input_max", Kind::Amount, "", "The same, at most."),
    field("price_output_min", Kind::Amount, "", "US dollars per million tokens of output, at least."),
    field("price_output_max", Kind::Amount, "", "The same, at most."),
    integer("context_min", 1, 1_000_000_000, "", "Tokens of the model's window, at least."),
    integer("context_max", 1, 1_000_000_000, "", "The same, at most."),
];

/// What a rule may ask, one field per fact of a request.
pub(crate) static WHEN: &[Field] = &[
    field(
        "role",
        Kind::Choices(&["main", "background", "subagent", "plan", "web_search"]),
        "",
        "What the request is for: titles and counts are `background`. `plan` is known by the header `x-aimux-role` alone.",
    ),
    field("client", Kind::Words("a program"), "", "Who asks, by its `user-agent`: `claude-code`, `codex`, `opencode`, `gemini-cli`, …"),
    field("dialect", Kind::Choices(&["anthropic", "openai-chat"]), "", "The client's protocol."),
    field("model", Kind::Words("a model's name"), "", "The model asked for."),
    field("project", Kind::Words("a project"), "", "The header `x-aimux-project`."),
    field("session", Kind::Words("an id"), "", "The session's id; `\"*\"`: there is one."),
    field("agent", Kind::Words("an id"), "", "The agent's id within the session; `\"*\"`: it is a subagent's."),
    field("stream", Kind::Flag, "", "Whether the answer is streamed."),
    field("tools", Kind::Numbers, "", "How many tools the request brings."),
    field("web_search", Kind::Flag, "", "Whether the provider is to search the web."),
    field("images", Kind::Numbers, "", "Images in the whole conversation."),
    field("images_now", Kind::Numbers, "", "Images since the user last spoke."),
    field("documents", Kind::Numbers, "", "PDF and other documents in the whole conversation, plain text aside."),
    field("documents_now", Kind::Numbers, "", "Documents since the user last spoke."),
    field("input_tokens", Kind::Numbers, "", "Tokens of input, estimated within some 15 %."),
    field("output_tokens", Kind::Numbers, "", "The most tokens of output asked for; 0 where the request does not say."),
    field("thinking", Kind::Flag, "", "Whether the model is asked to think."),
    field("structured", Kind::Flag, "", "Whether an answer by a schema, or in JSON, is asked for."),
    field("turns", Kind::Numbers, "", "Answers in the conversation so far."),
];

/// `limits`.
pub(crate) static LIMITS: &[Field] = &[
    integer("body_mb", 1, 1024, "32", "MiB of a request's body."),
    integer("header_kb", 8, 1024, "64", "KiB of a request's headers."),
    integer("json_depth", 8, 1024, "64", "Nesting of a request's JSON."),
    integer("header_read_s", 1, 300, "10", "Seconds for a request's headers."),
    integer("body_read_s", 1, 3600, "60", "Seconds for a request's body."),
    integer("connect_s", 1, 300, "5", "Seconds to connect to a provider."),
    integer("first_byte_s", 1, 3600, "120", "Seconds to the first byte of a streamed answer."),
    integer("first_byte_whole_s", 1, 7200, "600", "Seconds to the first byte of an answer that is not streamed, and again to its last."),
    integer(
        "first_content_s",
        1,
        7200,
        "300",
        "Seconds to the first content of a streamed answer; pings are none. At least `first_byte_s` without being told.",
    ),
    integer("stream_idle_s", 1, 3600, "120", "Seconds of silence after which a stream is given up."),
    integer("pace_bytes_per_s", 0, 1_000_000, "0", "Bytes per second under which a stream that has begun is given up; 0: never."),
    integer("pace_over_s", 1, 3600, "30", "Seconds over which they are counted."),
    integer("keep_alive_s", 1, 300, "20", "Seconds of silence after which the client is sent an empty piece."),
    integer("frame_mb", 1, 256, "16", "MiB of one server-sent event."),
    integer("answer_mb", 1, 1024, "64", "MiB of an answer that is not streamed."),
    integer("buffered_mb", 1, 65536, "256", "MiB of request bodies held at a time; at least `body_mb`."),
    integer("requests_in_flight", 1, 100_000, "2048", "Requests at a time."),
    integer("queue_wait_s", 0, 60, "1", "Seconds that a request waits for a place among them, and for one at a provider that is full."),
    integer("queue_length", 0, 100_000, "256", "Requests that wait in line for a place at one provider."),
    integer("connections", 1, 100_000, "4096", "Open client connections."),
    integer("drain_s", 0, 3600, "30", "Seconds that requests in flight get when the server stops."),
    integer("drain_stream_s", 0, 86_400, "600", "The same for streams; at least `drain_s` in effect."),
];

/// `retry`.
pub(crate) static RETRY: &[Field] = &[
    integer("attempts_per_target", 1, 10, "2", "Attempts per target, the first one included."),
    integer("budget_percent", 0, 100, "20", "Share of the traffic that may be repeats."),
    integer("budget_per_s", 0, 10_000, "10", "Repeats per second that are always allowed."),
    integer("deadline_s", 1, 86_400, "3600", "Seconds for a whole request."),
    integer("wait_max_s", 0, 60, "2", "The longest `Retry-After` that is waited for inside, in seconds."),
    integer("key_rest_s", 1, 86_400, "300", "Seconds that a refused key rests."),
    integer(
        "continuations",
        0,
        10,
        "2",
        "How often an answer that broke off is gone on with, where a rule or entry says `continue: text`.",
    ),
];

/// `breaker`.
pub(crate) static BREAKER: &[Field] = &[
    integer("failures", 1, 1000, "5", "Failures in a row that take a target out."),
    integer("rest_s", 1, 3600, "30", "Seconds of the first rest; it grows with each further one."),
    integer("rest_max_s", 1, 86_400, "300", "Seconds of the longest rest; at least `rest_s`."),
];

/// `sticky`.
pub(crate) static STICKY: &[Field] = &[
    field("enabled", Kind::Flag, "true", "Whether sessions stay."),
    integer(
        "idle_s",
        10,
        604_800,
        "3600",
        "Seconds after which a session that asks nothing is forgotten. Caches keep for 5 minutes to an hour.",
    ),
    integer("sessions_max", 1, 100_000, "4096", "Sessions that are remembered; the one that was quiet for longest is forgotten first."),
];

/// `ledger`.
pub(crate) static LEDGER: &[Field] = &[
    field("enabled", Kind::Flag, "true", "Whether requests are remembered."),
    field("store", Kind::Choice(STORES), "sqlite", "What they are kept in: a file, or the database of `postgres`."),
    field("path", Kind::Text("an absolute path"), "`ledger.sqlite` in the state folder", "The file."),
    integer("keep_days", 1, 36_500, "90", "Days after which a request is forgotten."),
];

/// `history`.
pub(crate) static HISTORY: &[Field] = &[
    field("enabled", Kind::Flag, "true", "Whether conversations are kept."),
    field(
        "store",
        Kind::Choice(STORES),
        "sqlite",
        "What they are kept in: a file, or the database of `postgres`, where all who share it read them.",
    ),
    field("path", Kind::Text("an absolute path"), "`history.sqlite` in the state folder", "The file."),
    integer("keep_days", 1, 36_500, "365", "Days after whose last exchange a conversation is forgotten."),
    integer("keep_mb", 1, 1_048_576, "512", "MiB that they may have; the oldest conversations make way."),
    field("attachments", Kind::Flag, "true", "Keeps attachments with their content, which `-c` needs; `false`: name, type, size and hash."),
];

/// What rows are kept in.
const STORES: &[&str] = &["sqlite", "postgres"];

/// `postgres`.
pub(crate) static POSTGRES: &[Field] = &[
    field(
        "host",
        Kind::Text("a name, an address or the absolute path of a folder"),
        "",
        "Where its server listens; of a folder the socket in it.",
    ),
    integer("port", 1, 65_535, "5432", "At which port."),
    field("database", Kind::Text("a name"), "aimux", "The database. Its encoding is UTF8; aimux makes the schema `aimux` in it."),
    field("user", Kind::Text("a name"), "aimux", "Who asks."),
    field("key", Kind::Key, "none", "Where the password is."),
    field(
        "tls",
        Kind::Choice(&["verify", "off"]),
        "`verify`; on this machine `off`",
        "`verify`: the server shows a certificate for `host` that is trusted; `off`: rows and password cross the network unencrypted.",
    ),
    field("ca", Kind::Text("an absolute path"), "the system's", "The file, in PEM form, of who signs the server's certificate."),
    field("instance", Kind::Text("a name"), "the machine's name", "What this instance's rows are marked with. Each has one of its own."),
    integer(
        "connect_s",
        1,
        60,
        "3",
        "Seconds that a connection may take to come about. No request waits for it; `aimux route` alone may, at its end.",
    ),
    integer("statement_s", 1, 600, "15", "Seconds that a statement may take, a report too."),
];

/// `mcp.NAME`.
pub(crate) static MCP: &[Field] = &[
    field(
        "command",
        Kind::Text("a program"),
        "",
        "The program that is the server: its name, which is looked for in `PATH`, or its absolute path.",
    ),
    field("args", Kind::List("arguments"), "[]", "Its arguments."),
    field(
        "env",
        Kind::Texts("variables to text"),
        "{}",
        "Variables for it. Of aimux's own it gets `PATH`, `HOME` and the like, and no provider's key.",
    ),
    field("cwd", Kind::Text("an absolute path"), "where aimux is run", "Its working folder."),
    field("url", Kind::Text("a URL"), "", "The address of a server that speaks HTTP; instead of `command`."),
    field("headers", Kind::Texts("header names to text"), "{}", "Headers sent to it. Credentials do not belong here."),
    field("plain_http", Kind::Flag, "false", "Allows `http://` to another machine."),
    field("key", Kind::Key, "", "A key that the server wants."),
    field(
        "key_in",
        Kind::Text("a name"),
        "`authorization`, as a bearer token",
        "The header that the key goes into; for a program the variable, which is then mandatory.",
    ),
    integer("start_s", 1, 600, "30", "Seconds that it may take to start and to name its tools."),
    integer("timeout_s", 1, 3600, "60", "Seconds that a call may take."),
    integer("output_kb", 1, 16_384, "64", "KiB of a result that the model is given; the rest is cut off, and said."),
    field(
        "sandbox",
        Kind::SectionOrOff(MCP_SANDBOX),
        "on",
        "What a program may do ([tools.md](tools.md#the-sandbox)): it reads, writes into its working folder, and has no network. `off`: all that you may.",
    ),
];

/// `mcp.NAME.sandbox`.
pub(crate) static MCP_SANDBOX: &[Field] = &[
    field("network", Kind::Flag, "false", "Whether it may use the network."),
    field("write", Kind::List("absolute paths"), "[]", "Further folders that it may write into."),
    field(
        "by",
        Kind::Choice(&["bubblewrap", "landlock"]),
        "the first that works here",
        "What holds it; where that does not work, it is not started.",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Limits;
    use crate::dialect::Dialect;
    use crate::route::sticky::Sticky;
    use crate::route::table::{Breaker, Retry};

    fn default(fields: &[Field], name: &str) -> u64 {
        fields.iter().find(|field| field.name == name).unwrap().default.parse().unwrap()
    }

    #[test]
    fn defaults_in_the_table_are_those_that_hold() {
        let limits = Limits::default();
        let (mb, kb) = (1 << 20, 1 << 10);
        for (name, value) in [
            ("body_mb", limits.body_bytes as u64 / mb),
            ("header_kb", limits.header_bytes as u64 / kb),
            ("json_depth", limits.json_depth as u64),
            ("header_read_s", limits.header_read_s),
            ("body_read_s", limits.body_read_s),
            ("connect_s", limits.connect_s),
            ("first_byte_s", limits.first_byte_s),
            ("first_byte_whole_s", limits.first_byte_whole_s),
            ("first_content_s", limits.first_content_s),
            ("stream_idle_s", limits.stream_idle_s),
            ("pace_bytes_per_s", limits.pace_bytes_per_s),
            ("pace_over_s", limits.pace_over_s),
            ("keep_alive_s", limits.keep_alive_s),
            ("frame_mb", limits.frame_bytes as u64 / mb),
            ("answer_mb", limits.answer_bytes as u64 / mb),
            ("buffered_mb", limits.buffered_bytes as u64 / mb),
            ("requests_in_flight", limits.requests_in_flight as u64),
            ("connections", limits.connections as u64),
            ("queue_wait_s", limits.queue_wait_s),
            ("queue_length", limits.queue_length as u64),
            ("drain_s", limits.drain_s),
            ("drain_stream_s", limits.drain_stream_s),
        ] {
            assert_eq!(default(LIMITS, name), value, "{name}");
        }
        let retry = Retry::default();
        assert_eq!(default(RETRY, "attempts_per_target"), u64::from(retry.attempts_per_target));
        assert_eq!(default(RETRY, "budget_percent") as f64 / 100.0, retry.budget_ratio);
        assert_eq!(default(RETRY, "budget_per_s") as f64, retry.budget_per_s);
        assert_eq!(default(RETRY, "deadline_s"), retry.deadline.as_secs());
        assert_eq!(default(RETRY, "wait_max_s"), retry.wait_max.as_secs());
        assert_eq!(default(RETRY, "key_rest_s"), retry.key_rest.as_secs());
        assert_eq!(default(RETRY, "continuations"), u64::from(retry.continuations));
        let ledger = crate::ledger::Settings::usual(std::path::Path::new("/state"));
        assert_eq!(default(LEDGER, "keep_days"), u64::from(ledger.keep_days));
        assert!(ledger.enabled && LEDGER[0].default == "true" && ledger.place.file() == Some(std::path::Path::new("/state/ledger.sqlite")));
        let sticky = Sticky::default();
        assert_eq!(default(STICKY, "idle_s"), sticky.idle.as_secs());
        assert_eq!(default(STICKY, "sessions_max"), sticky.sessions_max as u64);
        let history = crate::history::Settings::usual(std::path::Path::new("/state"));
        assert_eq!(default(HISTORY, "keep_days"), u64::from(history.keep_days));
        assert_eq!(default(HISTORY, "keep_mb"), u64::from(history.keep_mb));
        assert!(history.enabled && history.attachments && history.place.file() == Some(std::path::Path::new("/state/history.sqlite")));
        assert_eq!(default(POSTGRES, "connect_s"), crate::database::postgres::CONNECT_S);
        assert_eq!(default(POSTGRES, "statement_s"), crate::database::postgres::STATEMENT_S);
        assert_eq!(default(MCP, "start_s"), crate::config::mcp::START_S);
        assert_eq!(default(MCP, "timeout_s"), crate::config::mcp::TIMEOUT_S);
        assert_eq!(default(MCP, "output_kb"), crate::config::mcp::OUTPUT_KB);
        let Kind::Choice(words) = MCP_SANDBOX[2].kind else { panic!("a choice") };
        assert_eq!(words, crate::config::McpSandboxKind::ALL.map(|kind| kind.name()));
        let breaker = Breaker::default();
        assert_eq!(default(BREAKER, "failures"), u64::from(breaker.failures));
        assert_eq!(default(BREAKER, "rest_s"), breaker.rest.as_secs());
        assert_eq!(default(BREAKER, "rest_max_s"), breaker.rest_max.as_secs());
    }

    #[test]
    fn a_condition_may_name_every_fact_and_no_other() {
        use crate::route::facts::Role;
        use crate::route::rule::Fact;
        let names: Vec<&str> = WHEN.iter().map(|field| field.name).collect();
        assert_eq!(names, Fact::ALL.iter().map(|fact| fact.name()).collect::<Vec<_>>());
        for (name, wanted) in [("role", Role::ALL.map(|(_, name)| name).to_vec()), ("dialect", Dialect::ALL.map(Dialect::name).to_vec())] {
            let Some(Kind::Choices(words)) = WHEN.iter().find(|field| field.name == name).map(|field| &field.kind) else {
                panic!("{name}")
            };
            assert_eq!(words.to_vec(), wanted);
        }
    }

    #[test]
    fn every_way_of_going_on_may_be_chosen() {
        use crate::route::table::Continue;
        let Kind::Choice(words) = CONTINUE.kind else { panic!("a choice") };
        assert_eq!(words, Continue::ALL.map(|(_, word)| word));
    }

    #[test]
    fn every_dialect_may_be_chosen() {
        let Kind::Choice(words) = PROVIDER[1].kind else { panic!("a choice") };
        assert_eq!(words, Dialect::ALL.map(Dialect::name));
    }
}
