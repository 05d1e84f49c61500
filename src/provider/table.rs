//! The providers. One row each; what differs from the dialect stands in a `Quirks` constant above the rows.
//!
//! Start with [`PRESETS`]. A base URL is what the provider's own SDK takes. A comment names the page or report that states
//! a fact and when it was current; none of the facts has been tested against the live service by this project.

use super::{Auth, Check, Endpoint, Login, Preset};
use crate::dialect::quirks::{Prefill, ReasoningBack, Structured, ThinkingSwitch, ToolIds};
use crate::dialect::{Dialect, Quirks};

const ANTHROPIC: Quirks = Quirks {
    family: "anthropic",
    // Native output schemas and strict tools: Claude 4.5 and later (platform.claude.com, structured outputs, 2026-07).
    structured: Structured::Native,
    strict_tools: true,
    full_anthropic: true,
    count_tokens: true,
    // Behind the beta `mid-conversation-system-2026-04-07`, which Claude Code sends (2026-07).
    mid_conversation_system: true,
    // Until Claude 4.6, which refuses it: langchain-ai/deepagents#1585 (2026-03), vercel/ai#12296 (2026-09).
    prefill: Prefill::Plain,
    ..Quirks::ANTHROPIC
};

const OPENAI: Quirks = Quirks {
    family: "openai",
    // platform.openai.com, chat completions reference, 2026-07: these refuse `max_tokens`, `temperature` other than 1 …
    reasoning_models: &["gpt-5", "o1", "o3", "o4"],
    // `none` and `minimal` are known to some of them only, `low` to all but the pro models.
    thinking_switch: ThinkingSwitch::Effort("low"),
    thinking_always: &["gpt-5", "o1", "o3", "o4"],
    stop_max: Some(4),
    // Descriptions may be long since May 2025: run-llama/llama_index#18784.
    tool_description_max: None,
    ..Quirks::CHAT
};

const CEREBRAS: Quirks = Quirks {
    family: "cerebras",
    // Refuses `reasoning_content` on input, takes `reasoning`: QwenLM/qwen-code#11045, maximhq/bifrost#4544 (2026).
    reasoning_back: ReasoningBack::Reasoning,
    // All models that think know `low`; `none` is refused by some: egoist/chatwise-releases#1325 (2026-03).
    thinking_switch: ThinkingSwitch::Effort("low"),
    thinking_always: &["gpt-oss"],
    // inference-docs.cerebras.ai, chat completions, 2026-07; other members are refused with `wrong_api_format`.
    annotations: false,
    temperature: (0.0, 1.5),
    penalties: false,
    images: false,
    documents: false,
    stop_max: Some(4),
    ..Quirks::CHAT
};

const ZAI: Quirks = Quirks {
    family: "zai",
    // docs.z.ai, chat completion reference, 2026-07: `thinking: {type}`, one stop word, temperature up to 1.
    thinking_switch: ThinkingSwitch::ThinkingType,
    reasoning_back: ReasoningBack::ReasoningContent,
    // earendil-works/pi#2025 (2026).
    thinking_always: &["glm-5.3"],
    temperature: (0.0, 1.0),
    stop_max: Some(1),
    // Every choice but `auto` is refused: vectorize-io/hindsight#4246 (2026-09).
    tool_choice_object: false,
    tool_choice_any: "auto",
    // `response_format` is `text` or `json_object`: docs.z.ai, chat completion reference, 2026-07.
    structured: Structured::JsonMode,
    parallel_tool_calls: false,
    seed: None,
    penalties: false,
    logprobs: false,
    user_max: None,
    strict_tools: false,
    documents: false,
    // A stream that is silent while a tool call is made is cut after 30 s: NousResearch/hermes-agent#85890 (2026).
    tool_stream: true,
    ..Quirks::CHAT
};

const ZAI_ANTHROPIC: Quirks = Quirks { family: "zai", documents: false, ..Quirks::ANTHROPIC };

const MINIMAX: Quirks = Quirks {
    family: "minimax",
    // platform.minimax.io, OpenAI-compatible API, 2026-07: thinking stands in the text unless `reasoning_split` is set, and
    // must come back unchanged; temperature in (0, 1]; penalties and logit bias are ignored.
    thinking_switch: ThinkingSwitch::ReasoningSplit,
    reasoning_back: ReasoningBack::ReasoningDetails,
    thinking_always: &["MiniMax-M2"],
    inline_think: true,
    // `response_format` is ignored (MiniMax-AI/MiniMax-M2.5#4, 2026-02, MiniMax-AI/MiniMax-M2#114, 2026-04), and no tool can be
    // forced upon a model that thinks (openclaw/openclaw#36195, 2026-03): only words are left.
    structured: Structured::JsonMode,
    temperature: (0.01, 1.0),
    penalties: false,
    logprobs: false,
    documents: false,
    strict_tools: false,
    ..Quirks::CHAT
};

const MINIMAX_ANTHROPIC: Quirks = Quirks {
    family: "minimax",
    // platform.minimax.io, Anthropic-compatible API, 2026-07: `top_k` and `stop_sequences` are ignored.
    thinking_always: &["MiniMax-M2"],
    temperature: (0.01, 1.0),
    // `output_config.format` is refused with 400 (MiniMax-AI/MiniMax-M2.5#28, 2026-03), a forced tool not called (see above).
    structured: Structured::JsonMode,
    top_k: false,
    stop_max: Some(0),
    documents: false,
    ..Quirks::ANTHROPIC
};

// dev.synthetic.new, 2026-07; `reasoning_content` is given and taken back.
const SYNTHETIC: Quirks = Quirks {
    family: "synthetic",
    reasoning_back: ReasoningBack::ReasoningContent,
    // Its own list of models says which of them enforce schemas: anomalyco/models.dev#5649 (2026-08).
    structured: Structured::ByModel,
    documents: false,
    ..Quirks::CHAT
};

const SYNTHETIC_ANTHROPIC: Quirks = Quirks { family: "synthetic", documents: false, ..Quirks::ANTHROPIC };

const XAI: Quirks = Quirks {
    family: "xai",
    // docs.x.ai, reasoning, 2026-07: reasoning models refuse penalties and `stop`, Grok 4.3 too (mnfst/modelparams.dev#20,
    // 2026-05); `reasoning_effort` is refused by most, so none is sent.
    penalties: false,
    stop_max: Some(0),
    documents: false,
    ..Quirks::CHAT
};

const GROQ: Quirks = Quirks {
    family: "groq",
    // console.groq.com, OpenAI compatibility, 2026-07: `logprobs` and `logit_bias` are refused with 400. The words of
    // `reasoning_effort` differ from model to model, so none is sent.
    // Members that it does not know are refused: SimonSchubert/Kai#265 (2026-05), run-llama/llama_index#14701 (2024-07).
    annotations: false,
    penalties: false,
    logprobs: false,
    documents: false,
    stop_max: Some(4),
    // `json_schema` is known to some models only, and not beside tools or in a stream: console.groq.com, structured outputs
    // (by jgravelle/GroqApiLibrary#31, 2026-07), vercel/ai#16540 (2026-07). A forced tool is possible at all times.
    structured: Structured::ForcedTool,
    ..Quirks::CHAT
};

const MISTRAL: Quirks = Quirks {
    family: "mistral",
    // docs.mistral.ai, chat completions, 2026-07: `prefix` of an assistant message; the answer begins with it.
    prefill: Prefill::Prefix,
    // docs.mistral.ai, chat completions, 2026-07: unknown members are refused with 422.
    annotations: false,
    tool_ids: ToolIds::Nine,
    tool_choice_any: "any",
    seed: Some("random_seed"),
    stream_options: false,
    penalties: false,
    logprobs: false,
    user_max: None,
    temperature: (0.0, 1.5),
    // "Unexpected role 'user' after role 'tool'": a 400 of the API's own.
    user_after_tool: false,
    alternate_roles: true,
    documents: false,
    ..Quirks::CHAT
};

const DEEPSEEK: Quirks = Quirks {
    family: "deepseek",
    // api-docs.deepseek.com, thinking mode, 2026-07; the thinking of a tool loop must come back: earendil-works/pi#3636.
    reasoning_back: ReasoningBack::ReasoningContent,
    thinking_switch: ThinkingSwitch::ThinkingType,
    thinking_always: &["deepseek-reasoner"],
    // "Thinking mode does not support this tool_choice", and it is on where nothing is said:
    // deepseek-ai/DeepSeek-V3#1376 (2026-08), osaurus-ai/osaurus#1940 (2026-07).
    forced_tool_thinks: false,
    stop_max: Some(16),
    // `json_schema` is refused: llm-exe/llm-exe#662 (2026-07), ItzCrazyKns/Vane#969 (2026-01).
    structured: Structured::JsonMode,
    images: false,
    documents: false,
    seed: None,
    user_max: None,
    parallel_tool_calls: false,
    ..Quirks::CHAT
};

const DEEPSEEK_ANTHROPIC: Quirks = Quirks {
    family: "deepseek",
    // api-docs.deepseek.com, Anthropic API, 2026-07: no images or documents; `top_k`, metadata and cache_control are ignored.
    temperature: (0.0, 2.0),
    top_k: false,
    user_max: None,
    images: false,
    documents: false,
    ..Quirks::ANTHROPIC
};

/// Any temperature but the one that goes with their thinking mode is refused, so none is sent: odysseus-dev/odysseus#3959,
/// HKUDS/nanobot#4967 (2026-07).
const KIMI_FIXED: &[&str] = &["kimi-k2.5", "kimi-k2.6", "kimi-k2.7"];

const MOONSHOT: Quirks = Quirks {
    family: "moonshot",
    // platform.kimi.ai, partial mode, 2026-09: the answer does not repeat what it was given.
    prefill: Prefill::Partial,
    reasoning_models: KIMI_FIXED,
    // platform.moonshot.ai, chat API and thinking models, 2026-07: `reasoning_content` must come back within a tool loop.
    reasoning_back: ReasoningBack::ReasoningContent,
    thinking_switch: ThinkingSwitch::ThinkingType,
    // `disabled` is an error for K2.7: platform.kimi.ai, thinking models, 2026-09.
    thinking_always: &["kimi-k2-thinking", "kimi-k2.7"],
    // "tool_choice specified is incompatible with thinking enabled", and it is enabled where nothing is said:
    // can1357/oh-my-pi#1077 (2026-05), simstudioai/sim#5716 (2026-07).
    forced_tool_thinks: false,
    // `json_schema` is known, in a dialect of its own that says what it refuses: murtaza-nasir/maestro#34 (2025-09).
    structured: Structured::Native,
    temperature: (0.0, 1.0),
    stop_max: Some(5),
    logprobs: false,
    documents: false,
    ..Quirks::CHAT
};

const MOONSHOT_ANTHROPIC: Quirks = Quirks { family: "moonshot", reasoning_models: KIMI_FIXED, documents: false, ..Quirks::ANTHROPIC };

const OPENROUTER: Quirks = Quirks {
    family: "openrouter",
    // openrouter.ai/docs, API reference and reasoning tokens, 2026-07.
    reasoning_back: ReasoningBack::ReasoningDetails,
    thinking_switch: ThinkingSwitch::ReasoningObject,
    top_k: true,
    user_max: Some(128),
    cache_control: true,
    ..Quirks::CHAT
};

const OPENROUTER_ANTHROPIC: Quirks = Quirks { family: "openrouter", ..Quirks::ANTHROPIC };

const LOCAL: Quirks = Quirks {
    // Templates and parsers that do not fit the model: ollama/ollama#16686 (2026-06), lmstudio-ai/lmstudio-bug-tracker#2115,
    // waybarrios/vllm-mlx#163.
    text_calls: true,
    documents: false,
    strict_tools: false,
    ..Quirks::CHAT
};

const LMSTUDIO: Quirks = Quirks {
    // An object is refused: can1357/llm-git#13. Thinking stays in the text unless a setting of the program separates it.
    tool_choice_object: false,
    inline_think: true,
    top_k: true,
    ..LOCAL
};

// vllm docs and llama.cpp's server README, 2026-07: both read `chat_template_kwargs` and `top_k`.
const TEMPLATED: Quirks = Quirks { thinking_switch: ThinkingSwitch::ChatTemplate, top_k: true, ..LOCAL };

const fn chat(base_url: &'static str, quirks: &'static Quirks) -> Endpoint {
    Endpoint { dialect: Dialect::OpenAiChat, base_url, auth: Auth::Bearer, quirks, check: Check::Below("/models") }
}

const fn messages(base_url: &'static str, quirks: &'static Quirks) -> Endpoint {
    Endpoint { dialect: Dialect::AnthropicMessages, base_url, auth: Auth::Bearer, quirks, check: Check::Below("/v1/models") }
}

const fn local(base_url: &'static str, quirks: &'static Quirks) -> Endpoint {
    Endpoint { auth: Auth::None, ..chat(base_url, quirks) }
}

// Its list of models is public; this tells about the key: openrouter.ai/docs, limits, 2026-07.
const OPENROUTER_KEY: Check = Check::AtHost("/api/v1/key");

// openrouter.ai/docs, OAuth PKCE, 2026-07: on `localhost`, any port is sent back to; other names of this machine are not spoken of.
const OPENROUTER_LOGIN: Login =
    Login { auth_url: "https://openrouter.ai/auth", token_url: "https://openrouter.ai/api/v1/auth/keys", redirect_host: "localhost" };

// Answered without being counted: dev.synthetic.new, quotas, 2026-03.
const SYNTHETIC_QUOTAS: Check = Check::AtHost("/v2/quotas");

// llama.cpp's server README, 2026-07: with `--api-key`, its list of models stays public.
const LLAMA_CPP_PROPERTIES: Check = Check::AtHost("/props");

/// Every provider with a name of its own.
pub static PRESETS: &[Preset] = &[
    Preset {
        name: "anthropic",
        title: "Anthropic",
        env: &["ANTHROPIC_API_KEY"],
        endpoints: &[Endpoint { auth: Auth::XApiKey, ..messages("https://api.anthropic.com", &ANTHROPIC) }],
        main: "claude-opus-4-8",
        fast: "claude-haiku-4-5",
        is_local: false,
        catalog: "anthropic",
        login: None,
    },
    Preset {
        name: "openai",
        title: "OpenAI",
        env: &["OPENAI_API_KEY"],
        endpoints: &[chat("https://api.openai.com/v1", &OPENAI)],
        main: "gpt-5.5",
        fast: "gpt-5.4-mini",
        is_local: false,
        catalog: "openai",
        login: None,
    },
    Preset {
        name: "cerebras",
        title: "Cerebras",
        env: &["CEREBRAS_API_KEY"],
        endpoints: &[chat("https://api.cerebras.ai/v1", &CEREBRAS)],
        main: "zai-glm-4.7",
        fast: "gpt-oss-120b",
        is_local: false,
        catalog: "cerebras",
        login: None,
    },
    Preset {
        name: "zai",
        title: "Z.AI",
        env: &["ZAI_API_KEY", "ZHIPU_API_KEY"],
        endpoints: &[chat("https://api.z.ai/api/paas/v4", &ZAI), messages("https://api.z.ai/api/anthropic", &ZAI_ANTHROPIC)],
        main: "glm-5.2",
        fast: "glm-4.7-flashx",
        is_local: false,
        catalog: "zai",
        login: None,
    },
    Preset {
        name: "zai-coding",
        title: "Z.AI Coding Plan",
        // The same variables as `zai`: which of the two a key belongs to cannot be told from it.
        env: &["ZAI_API_KEY", "ZHIPU_API_KEY"],
        endpoints: &[messages("https://api.z.ai/api/anthropic", &ZAI_ANTHROPIC), chat("https://api.z.ai/api/coding/paas/v4", &ZAI)],
        main: "glm-5.2",
        fast: "glm-4.7",
        is_local: false,
        catalog: "zai-coding",
        login: None,
    },
    Preset {
        name: "minimax",
        title: "MiniMax",
        env: &["MINIMAX_API_KEY"],
        // The Anthropic endpoint first: it keeps thinking apart from the text.
        endpoints: &[messages("https://api.minimax.io/anthropic", &MINIMAX_ANTHROPIC), chat("https://api.minimax.io/v1", &MINIMAX)],
        main: "MiniMax-M3",
        fast: "MiniMax-M2.7-highspeed",
        is_local: false,
        catalog: "minimax",
        login: None,
    },
    Preset {
        name: "synthetic",
        title: "Synthetic",
        env: &["SYNTHETIC_API_KEY"],
        endpoints: &[
            Endpoint { check: SYNTHETIC_QUOTAS, ..chat("https://api.synthetic.new/openai/v1", &SYNTHETIC) },
            Endpoint { check: SYNTHETIC_QUOTAS, ..messages("https://api.synthetic.new/anthropic", &SYNTHETIC_ANTHROPIC) },
        ],
        main: "hf:zai-org/GLM-5.2",
        fast: "hf:zai-org/GLM-4.7-Flash",
        is_local: false,
        catalog: "synthetic",
        login: None,
    },
    Preset {
        name: "xai",
        title: "xAI",
        env: &["XAI_API_KEY"],
        endpoints: &[chat("https://api.x.ai/v1", &XAI)],
        main: "grok-4.3",
        fast: "grok-build-0.1",
        is_local: false,
        catalog: "xai",
        login: None,
    },
    Preset {
        name: "groq",
        title: "Groq",
        env: &["GROQ_API_KEY"],
        endpoints: &[chat("https://api.groq.com/openai/v1", &GROQ)],
        main: "openai/gpt-oss-120b",
        fast: "openai/gpt-oss-20b",
        is_local: false,
        catalog: "groq",
        login: None,
    },
    Preset {
        name: "mistral",
        title: "Mistral",
        env: &["MISTRAL_API_KEY"],
        endpoints: &[chat("https://api.mistral.ai/v1", &MISTRAL)],
        main: "mistral-medium-2604",
        fast: "mistral-small-latest",
        is_local: false,
        catalog: "mistral",
        login: None,
    },
    Preset {
        name: "deepseek",
        title: "DeepSeek",
        env: &["DEEPSEEK_API_KEY"],
        endpoints: &[
            chat("https://api.deepseek.com", &DEEPSEEK),
            Endpoint { auth: Auth::XApiKey, ..messages("https://api.deepseek.com/anthropic", &DEEPSEEK_ANTHROPIC) },
        ],
        main: "deepseek-v4-pro",
        fast: "deepseek-v4-flash",
        is_local: false,
        catalog: "deepseek",
        login: None,
    },
    Preset {
        name: "moonshot",
        title: "Moonshot AI",
        env: &["MOONSHOT_API_KEY"],
        endpoints: &[chat("https://api.moonshot.ai/v1", &MOONSHOT), messages("https://api.moonshot.ai/anthropic", &MOONSHOT_ANTHROPIC)],
        main: "kimi-k2.7-code",
        fast: "kimi-k2.5",
        is_local: false,
        catalog: "moonshot",
        login: None,
    },
    Preset {
        name: "openrouter",
        title: "OpenRouter",
        env: &["OPENROUTER_API_KEY"],
        endpoints: &[
            Endpoint { check: OPENROUTER_KEY, ..chat("https://openrouter.ai/api/v1", &OPENROUTER) },
            Endpoint { check: OPENROUTER_KEY, ..messages("https://openrouter.ai/api", &OPENROUTER_ANTHROPIC) },
        ],
        main: "anthropic/claude-opus-4.8",
        fast: "anthropic/claude-haiku-4.5",
        is_local: false,
        catalog: "openrouter",
        login: Some(OPENROUTER_LOGIN),
    },
    Preset {
        name: "ollama",
        title: "Ollama",
        env: &[],
        endpoints: &[local("http://127.0.0.1:11434/v1", &LOCAL)],
        main: "",
        fast: "",
        is_local: true,
        catalog: "",
        login: None,
    },
    Preset {
        name: "lmstudio",
        title: "LM Studio",
        env: &[],
        endpoints: &[local("http://127.0.0.1:1234/v1", &LMSTUDIO)],
        main: "",
        fast: "",
        is_local: true,
        catalog: "",
        login: None,
    },
    Preset {
        name: "llama.cpp",
        title: "llama.cpp server",
        env: &[],
        endpoints: &[Endpoint { check: LLAMA_CPP_PROPERTIES, ..local("http://127.0.0.1:8080/v1", &TEMPLATED) }],
        main: "",
        fast: "",
        is_local: true,
        catalog: "",
        login: None,
    },
    Preset {
        name: "vllm",
        title: "vLLM",
        env: &[],
        endpoints: &[local("http://127.0.0.1:8000/v1", &TEMPLATED)],
        main: "",
        fast: "",
        is_local: true,
        catalog: "",
        login: None,
    },
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::models::model;

    #[test]
    fn a_provider_is_a_row_and_a_constant_of_a_few_lines() {
        let source = include_str!("table.rs");
        let longest = |begin: &str, end: &str| {
            source.split(begin).skip(1).filter_map(|text| text.find(end).map(|at| text[..at].lines().count())).max()
        };
        let (row, quirks) = (longest("\n    Preset {\n", "\n    },\n"), longest(": Quirks = Quirks {\n", "};\n"));
        assert!(row < Some(20) && quirks < Some(40), "{row:?} {quirks:?}");
    }

    #[test]
    fn names_are_unique_and_usable_as_key_files() {
        for (at, preset) in PRESETS.iter().enumerate() {
            assert!(PRESETS[..at].iter().all(|other| other.name != preset.name), "{}", preset.name);
            assert!(preset.name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b)), "{}", preset.name);
        }
    }

    #[test]
    fn main_and_fast_models_exist() {
        for preset in PRESETS.iter().filter(|preset| !preset.is_local) {
            for id in [preset.main, preset.fast] {
                assert!(model(preset.catalog, id).is_some_and(|model| model.tools), "{} {id}", preset.name);
            }
        }
    }

    #[test]
    fn base_urls_are_what_the_sdks_take() {
        for (preset, endpoint) in PRESETS.iter().flat_map(|preset| preset.endpoints.iter().map(move |endpoint| (preset, endpoint))) {
            let url = endpoint.base_url;
            assert!(!url.ends_with('/'), "{url}");
            assert!(url.starts_with(if preset.is_local { "http://127.0.0.1:" } else { "https://" }), "{url}");
            assert!(endpoint.dialect != Dialect::AnthropicMessages || !url.ends_with("/v1"), "{url}");
            assert_eq!(preset.is_local, endpoint.auth == Auth::None, "{}", preset.name);
        }
    }

    #[test]
    fn a_provider_speaks_a_dialect_once_and_is_one_family() {
        for preset in PRESETS {
            for (at, endpoint) in preset.endpoints.iter().enumerate() {
                assert!(preset.endpoints[..at].iter().all(|other| other.dialect != endpoint.dialect), "{}", preset.name);
                assert_eq!(endpoint.quirks.family, preset.endpoints[0].quirks.family, "{}", preset.name);
            }
        }
    }
}
