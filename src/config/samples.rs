//! A config for each finding, as its page shows it. A test checks that it has this finding and nothing else.

use super::diagnostic::Finding;

/// A config that has the finding; empty: what the file says does not make it.
pub(crate) fn sample(finding: Finding) -> &'static str {
    match finding {
        Finding::Syntax => "version: 1\nproviders: { ollama: {}\n",
        Finding::Documents => "version: 1\nproviders: { ollama: {} }\n---\nversion: 1\n",
        Finding::TooMuch => {
            "version: 1\nproviders: { ollama: {} }\nmodels: [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[ollama/qwen3]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]\n"
        }
        Finding::DuplicateKey => "version: 1\nproviders:\n  ollama: {}\n  ollama: {}\n",
        Finding::UnknownKey => "version: 1\nproviders: { ollama: {} }\nlimits: { body_bm: 64 }\n",
        Finding::WrongType => "version: 1\nproviders: { ollama: {} }\nlimits: { body_mb: \"64\" }\n",
        Finding::OutOfRange => "version: 1\nproviders: { ollama: {} }\nlimits: { body_mb: 4096 }\n",
        Finding::BadValue => "version: 1\nproviders:\n  local: { dialect: openai, base_url: \"http://127.0.0.1:8000/v1\" }\n",
        Finding::Missing => "providers: { ollama: {} }\n",
        Finding::Version => "version: 2\nproviders: { ollama: {} }\n",
        Finding::BadUrl => "version: 1\nproviders:\n  local: { dialect: openai-chat, base_url: \"127.0.0.1:8000\" }\n",
        Finding::PlainHttp => "version: 1\nproviders:\n  office: { dialect: openai-chat, base_url: \"http://10.0.0.7:8000/v1\" }\n",
        Finding::BadAddress => "version: 1\nserver: { listen: localhost }\nproviders: { ollama: {} }\n",
        Finding::Exposed => "version: 1\nserver: { listen: \"0.0.0.0:24689\" }\nproviders: { ollama: {} }\n",
        Finding::ExposedBehindProxy => "version: 1\nserver: { listen: \"0.0.0.0:24689\", tls: terminated }\nproviders: { ollama: {} }\n",
        Finding::BadName => "version: 1\nproviders:\n  My Server: { dialect: openai-chat, base_url: \"http://127.0.0.1:8000/v1\" }\n",
        Finding::ClearKey => "version: 1\nproviders:\n  zai: { key: \"0123456789abcdef0123456789abcdef.Example\" }\n",
        Finding::BadHeader => "version: 1\nproviders:\n  ollama: { headers: { content-length: \"3\" } }\n",
        Finding::UnknownPreset => "version: 1\nproviders:\n  local: { preset: olama }\n",
        Finding::UnknownProvider => "version: 1\nproviders: { ollama: {} }\nmodels: { \"claude-*\": olama/qwen3 }\n",
        Finding::UnlistedModel => "version: 1\nproviders:\n  ollama: { models: [qwen3] }\nmodels: { \"claude-*\": ollama/qwen4 }\n",
        Finding::UnknownModel => "version: 1\nproviders:\n  zai: { key: { env: SET } }\nmodels: { \"claude-*\": zai/glm-0.1 }\n",
        Finding::Cycle => "version: 1\nproviders: { ollama: {} }\nmodels: { large: small, small: large }\n",
        Finding::Empty => "version: 1\nproviders: { ollama: {} }\nmodels: { \"claude-*\": [] }\n",
        Finding::Repeated => "version: 1\nproviders: { ollama: {} }\nmodels: { \"claude-*\": [ollama/qwen3, ollama/qwen3] }\n",
        Finding::Variable => "version: 1\nproviders: { ollama: {} }\nmodels: { \"claude-*\": \"ollama/${NOT_SET}\" }\n",
        Finding::KeyAbsent => "version: 1\nproviders:\n  zai: { key: not-there }\n",
        Finding::Incomplete => "version: 1\nproviders:\n  workshop: { dialect: openai-chat }\n",
        Finding::Contradiction => "version: 1\nproviders:\n  zai: { key: { env: SET }, keys: [{ env: SET_TOO }] }\n",
        Finding::NotEnforced => {
            "version: 1\nproviders:\n  office: { dialect: openai-chat, base_url: \"http://10.0.0.7:8000/v1\", plain_http: true, http2: true }\n"
        }
        Finding::Shadowed => {
            "version: 1\nproviders: { ollama: {} }\nmodels:\n  \"*claude*\": ollama/qwen3\n  \"claude*\": ollama/qwen3-coder\n"
        }
        Finding::NoPrice => "version: 1\nproviders:\n  groq: { key: { env: SET } }\nmodels: { \"claude-*\": groq/groq/compound }\n",
        Finding::Conflict => "version: 1\nproviders: { ollama: {} }\nretry: { deadline_s: 300 }\nlimits: { first_byte_whole_s: 900 }\n",
        Finding::RuleUnreached => {
            "version: 1\nproviders: { ollama: {} }\nroutes:\n  - { name: tools, when: { tools: \">0\" }, use: [ollama/qwen3] }\n  - { name: many, when: { tools: \">20\" }, use: [ollama/qwen3-coder] }\n"
        }
        Finding::RuleTools => {
            "version: 1\nproviders:\n  ollama: { models: { gemma3: { tools: false } } }\nroutes:\n  - { name: tools, when: { tools: true }, use: [ollama/gemma3] }\n"
        }
        Finding::RuleImages => {
            "version: 1\nproviders:\n  cerebras: { key: { env: SET } }\nroutes:\n  - { name: vision, when: { images: true }, use: [cerebras/gpt-oss-120b] }\n"
        }
        Finding::RuleContext => {
            "version: 1\nproviders:\n  cerebras: { key: { env: SET } }\nroutes:\n  - { name: long, when: { input_tokens: \">150k\" }, use: [cerebras/gpt-oss-120b] }\n"
        }
        Finding::Weights => {
            "version: 1\nproviders: { ollama: {} }\nmodels:\n  \"claude-*\": { use: [ollama/qwen3, ollama/gemma3], strategy: weighted, weights: [1] }\n"
        }
        Finding::IdleChoice => {
            "version: 1\nproviders: { ollama: {} }\nmodels:\n  \"claude-*\": { use: [ollama/qwen3, ollama/gemma3], weights: [3, 1] }\n"
        }
        Finding::CostBlind => {
            "version: 1\nproviders:\n  ollama: { models: { qwen3: { price_input: 0, price_output: 0 } } }\nmodels:\n  \"claude-*\": { use: [ollama/qwen3, ollama/gemma3], strategy: cost }\n"
        }
        Finding::PolicyBlind => "version: 1\nproviders: { ollama: {} }\npolicies:\n  - { name: eu-only, allow: { region: eu } }\n",
        Finding::TestFailed => {
            "version: 1\nproviders: { ollama: {} }\nmodels: { fast: ollama/qwen3 }\ntests:\n  - { request: { model: fast }, expect: ollama/qwen4 }\n"
        }
        Finding::IdleAllowance => "# aimux: allow E0133\nversion: 1\nproviders: { ollama: {} }\n",
        // These come from a variable's name and from a file beside the config.
        Finding::Override | Finding::KeyClosed => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::diagnostic::Severity;
    use crate::config::{Checks, Environment, Keys, Strict, validate_text};
    use crate::keys::Store;

    #[test]
    fn each_sample_has_its_finding_and_no_other() {
        let set = ["SET", "SET_TOO"].map(|name| (name.to_owned(), "x".to_owned()));
        let store = Store::new(std::path::Path::new("/nonexistent"), None);
        for finding in Finding::ALL.iter().filter(|finding| !sample(**finding).is_empty()) {
            let checks = Checks { strict: Strict::No, keys: Keys::Closed };
            let found = validate_text("c.yaml", sample(*finding).as_bytes(), &Environment::new(set.clone()), &store, checks);
            let codes: Vec<&str> = found.findings.iter().map(|found| found.code.as_str()).collect();
            assert_eq!(codes, [format!("AIMUX-{}", finding.row().id)], "{}", found.rendered);
            assert_eq!(found.errors, usize::from(finding.row().severity == Severity::Error));
        }
    }
}
