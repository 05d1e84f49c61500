//! Inputs as clients and providers send them, one for each shape that a decoder knows.

pub(crate) const ANTHROPIC_REQUESTS: &[&str] = &[
    r#"{"model":"claude-opus-4-8","max_tokens":32000,"stream":true,"temperature":1,"top_k":5,"top_p":0.9,"stop_sequences":["END"],"metadata":{"user_id":"u"},"system":[{"type":"text","text":"Be brief.","cache_control":{"type":"ephemeral","ttl":"1h"}}],"thinking":{"type":"enabled","budget_tokens":1024},"tool_choice":{"type":"tool","name":"read","disable_parallel_tool_use":true},"tools":[{"name":"read","description":"Reads.","input_schema":{"type":"object","properties":{"path":{"type":"string"}},"required":["path"]}},{"type":"web_search_20250305","name":"web_search","max_uses":3}],"messages":[{"role":"user","content":"hello"},{"role":"assistant","content":[{"type":"thinking","thinking":"hm","signature":"EqoBCkg="},{"type":"redacted_thinking","data":"abcd"},{"type":"text","text":"I read."},{"type":"tool_use","id":"toolu_1","name":"read","input":{"path":"/a","n":1.50}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"toolu_1","is_error":true,"content":[{"type":"text","text":"no"},{"type":"image","source":{"type":"base64","media_type":"image/png","data":"AAAA"}}]},{"type":"text","text":"again"}]}]}"#,
    r#"{"model":"m","max_tokens":1,"messages":[{"role":"assistant","content":[{"type":"thinking","thinking":"t","signature":"aimux1.zai.00"},{"type":"text","text":""}]},{"role":"user","content":[{"type":"image","source":{"type":"url","url":"https://example.com/a.png"}},{"type":"document","title":"t","context":"c","citations":{"enabled":true},"source":{"type":"text","media_type":"text/plain","data":"d"}},{"type":"search_result","source":"s","title":"t","content":[{"type":"text","text":"x"}]}]}],"system":"s","tool_choice":{"type":"any"},"output_config":{"effort":"high","format":{"type":"json_schema","schema":{"type":"object"}}},"thinking":{"type":"adaptive"}}"#,
    r#"{"model":"m","max_tokens":9,"messages":[{"role":"assistant","content":[{"type":"server_tool_use","id":"srvtoolu_1","name":"web_search","input":{"query":"q"}},{"type":"web_search_tool_result","tool_use_id":"srvtoolu_1","content":[{"type":"web_search_result","url":"u","title":"t","encrypted_content":"e"}]},{"type":"text","text":"a","citations":[]}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"none","content":"orphan"}]},{"role":"system","content":"mid"}],"context_management":{"edits":[]},"service_tier":"auto"}"#,
    r#"{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"q"},{"role":"assistant","content":[{"type":"text","text":"a","citations":[{"type":"web_search_result_location","url":"u","title":null,"cited_text":"c","encrypted_index":"E"},{"type":"web_search_result_location","url":"v","title":"t","cited_text":"","encrypted_index":"aimux1.zai.302d31"},{"type":"char_location"}]}]}]}"#,
];

pub(crate) const CHAT_REQUESTS: &[&str] = &[
    r#"{"model":"m","messages":[{"role":"user","content":"q"},{"role":"assistant","content":"a b c","annotations":[{"type":"url_citation","url_citation":{"url":"u","title":"t","start_index":2,"end_index":3,"encrypted_index":"aimux1.other.45"}},{"type":"url_citation","url_citation":{"url":"v","start_index":9,"end_index":1}},{"type":"file"}],"reasoning_details":[{"type":"reasoning.encrypted","data":"aimux1.zai.00","index":0,"length":1}]}]}"#,
    r#"{"model":"gpt-5","stream":true,"stream_options":{"include_usage":true},"temperature":0.5,"top_p":1,"n":1,"seed":7,"stop":["a","b"],"max_completion_tokens":100,"presence_penalty":0.1,"logit_bias":{"50256":-100},"user":"u","reasoning_effort":"low","parallel_tool_calls":false,"tool_choice":{"type":"function","function":{"name":"read"}},"tools":[{"type":"function","function":{"name":"read","description":"Reads.","strict":true,"parameters":{"type":"object","properties":{"path":{"type":"string"}}}}}],"response_format":{"type":"json_schema","json_schema":{"name":"out","strict":true,"schema":{"type":"object"}}},"messages":[{"role":"system","content":"Be brief."},{"role":"developer","content":[{"type":"text","text":"Really."}]},{"role":"user","name":"n","content":[{"type":"text","text":"see"},{"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA","detail":"low"}},{"type":"file","file":{"filename":"a.pdf","file_data":"data:application/pdf;base64,AAAA"}}]},{"role":"assistant","content":null,"reasoning_content":"hm","tool_calls":[{"id":"call_1","type":"function","function":{"name":"read","arguments":"{\"path\":\"/a\"}"}}]},{"role":"tool","tool_call_id":"call_1","content":"text"},{"role":"user","content":"go on"}]}"#,
    r#"{"model":"m","max_tokens":5,"stop":"x","tool_choice":"auto","functions":[{"name":"f","parameters":{}}],"function_call":"auto","response_format":{"type":"json_object"},"messages":[{"role":"user","content":"hi"},{"role":"assistant","content":[{"type":"text","text":"a"},{"type":"refusal","refusal":"no"}]},{"role":"assistant","content":"","function_call":{"name":"f","arguments":"{"}},{"role":"function","name":"f","content":"1"},{"role":"tool","tool_call_id":"none","content":[{"type":"text","text":"orphan"}]}]}"#,
    r#"{"model":"m","messages":[{"role":"user","content":[{"type":"input_audio","input_audio":{"data":"AAAA","format":"wav"}}]},{"role":"assistant","refusal":"no","audio":{"id":"a"}}],"modalities":["text"],"prediction":{"type":"content","content":"x"},"logprobs":true,"top_logprobs":3,"service_tier":"flex","store":true}"#,
];

pub(crate) const ANTHROPIC_STREAMS: &[&str] = &[
    include_str!("../fixtures/anthropic/web_search.sse"),
    concat!(
        "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"m\",\"content\":[],\"stop_reason\":null,\"usage\":{\"input_tokens\":10,\"cache_read_input_tokens\":5,\"cache_creation_input_tokens\":1,\"output_tokens\":1}}}\n\n",
        "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"\"}}\n\n",
        "event: ping\ndata: {\"type\":\"ping\"}\n\n",
        "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"thinking_delta\",\"thinking\":\"hm\"}}\n\n",
        "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"signature_delta\",\"signature\":\"EqoB\"}}\n\n",
        "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n",
        "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":1,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n",
        "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":1,\"delta\":{\"type\":\"text_delta\",\"text\":\"Hi\"}}\n\n",
        "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":1}\n\n",
        "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":2,\"content_block\":{\"type\":\"tool_use\",\"id\":\"toolu_1\",\"name\":\"read\",\"input\":{}}}\n\n",
        "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":2,\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":\"{\\\"a\\\":\"}}\n\n",
        "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":2,\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":\"1}\"}}\n\n",
        "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":2}\n\n",
        "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"tool_use\",\"stop_sequence\":null},\"usage\":{\"output_tokens\":30}}\n\n",
        "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
    ),
    concat!(
        "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"model\":\"m\",\"usage\":{\"input_tokens\":1}}}\n\n",
        "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"redacted_thinking\",\"data\":\"abc\"}}\n\n",
        "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}\n\n",
    ),
];

pub(crate) const CHAT_STREAMS: &[&str] = &[
    include_str!("../fixtures/openai_chat/web_search.sse"),
    concat!(
        "data: {\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"finish_reason\":null}]}\n\n",
        "data: {\"id\":\"c1\",\"choices\":[{\"index\":0,\"delta\":{\"reasoning_content\":\"hm\"}}]}\n\n",
        "data: {\"id\":\"c1\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hi\"}}]}\n\n: keep-alive\n\n",
        "data: {\"id\":\"c1\",\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"call_1\",\"type\":\"function\",\"function\":{\"name\":\"read\",\"arguments\":\"\"}}]}}]}\n\n",
        "data: {\"id\":\"c1\",\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"{\\\"a\\\":1}\"}},{\"index\":1,\"id\":\"call_2\",\"function\":{\"name\":\"read\",\"arguments\":\"{}\"}}]}}]}\n\n",
        "data: {\"id\":\"c1\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"tool_calls\"}]}\n\n",
        "data: {\"id\":\"c1\",\"choices\":[],\"usage\":{\"prompt_tokens\":10,\"completion_tokens\":5,\"prompt_tokens_details\":{\"cached_tokens\":4},\"completion_tokens_details\":{\"reasoning_tokens\":2}}}\n\n",
        "data: [DONE]\n\n",
    ),
    concat!(
        "data: {\"id\":\"c1\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"<think>a</th\"}}]}\n\n",
        "data: {\"id\":\"c1\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"ink>b\",\"reasoning\":\"r\",\"reasoning_details\":[{\"type\":\"reasoning.text\",\"text\":\"r\",\"signature\":\"s\"}]}}]}\n\n",
        "data: {\"error\":{\"message\":\"rate limited\",\"type\":\"rate_limit_error\",\"code\":429}}\n\n",
    ),
    concat!(
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"I read.\\n<tool_call>{\\\"name\\\":\\\"read\\\",\\\"argu\"}}]}\n\n",
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"ments\\\":{\\\"n\\\":1}}</tool_call>\\n<function=read><parameter=n>\\n2</para\"}}]}\n\n",
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"meter></function>\\n</tool_call>\"},\"finish_reason\":\"stop\"}]}\n\n",
    ),
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"x\"},\"finish_reason\":\"length\"}],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":1}}\n\ndata: [DONE]\n\n",
];

pub(crate) const ODD_STREAMS: &[&str] = &["\u{feff}: hello\r\n\r\ndata:1\rdata: 2\r\revent: a\n\n\n\ndata\n\ndata: \u{2028}é\r\n\r\ntail"];

/// Whole answers and error bodies of either dialect.
pub(crate) const WHOLE_ANSWERS: &[&str] = &[
    r#"{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[{"type":"thinking","thinking":"t","signature":"s"},{"type":"text","text":"a"},{"type":"tool_use","id":"toolu_1","name":"read","input":{"a":1.0}}],"stop_reason":"tool_use","stop_sequence":null,"usage":{"input_tokens":1,"output_tokens":2}}"#,
    r#"{"id":"c1","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"a","reasoning_content":"r","refusal":null,"tool_calls":[{"id":"call_1","type":"function","function":{"name":"read","arguments":"{}"}}]},"finish_reason":"tool_calls"}],"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}}"#,
    "{\"content\":[{\"type\":\"text\",\"text\":\"a\",\"citations\":[{\"type\":\"web_search_result_location\",\"url\":\"u\",\"encrypted_index\":\"E\"},\n{\"type\":\n\"char_location\"}]}]}",
    "{\"choices\":[{\"message\":{\"content\":\"a\",\"annotations\":[{\"type\":\"url_citation\",\"url_citation\":{\"url\":\"u\",\"start_index\":0,\"end_index\":9}},\n{\"type\":\n\"file_citation\"}]}}]}",
    r#"{"type":"error","error":{"type":"invalid_request_error","message":"max_tokens: too large"},"request_id":"req_1"}"#,
    r#"{"error":{"message":"no such model","type":"invalid_request_error","param":"model","code":"model_not_found"}}"#,
    r#"[{"error":{"code":429,"message":"quota","status":"RESOURCE_EXHAUSTED"}}]"#,
    r#"{"detail":[{"loc":["body","model"],"msg":"field required","type":"value_error"}],"message":"m","base_resp":{"status_code":1004,"status_msg":"x"}}"#,
    "<html><body>502 Bad Gateway</body></html>",
];

/// A key where none belongs.
pub(crate) const SECRET: &str = concat!("sk-ant-api03-", "Zm9vYmFyYmF6cXV4cXV1eGNvcmdlZ3JhdWx0");

pub(crate) const CONFIGS: &[&str] = &[
    "version: 1\nserver:\n  listen: 127.0.0.1:24689\nproviders:\n  anthropic: { key: anthropic }\n  zai: { preset: zai-coding, key: { env: ZAI_API_KEY } }\n  cerebras:\n    keys: [cerebras-a, cerebras-b]\n    limits: { requests_per_minute: 120, concurrent: 8 }\n  local: { dialect: openai-chat, base_url: \"http://127.0.0.1:11434/v1\" }\nmodels:\n  \"claude-opus-*\": [zai/glm-5.1, anthropic/claude-opus-4-8]\n  \"claude-haiku-*\": { use: [cerebras/zai-glm-4.7, \"local/qwen3:8b\"] }\nretry: { attempts_per_target: 2 }\nbreaker: off\n",
    "version: 1\nproviders: &all\n  anthropic:\n    key: ${KEY}\n    base_url: \"http://10.0.0.1/v1\"\n    plain_http: true\nlimits: { body_mb: 32, json_depth: 64, stream_idle_s: 1.5 }\nlog: |\n  text\nmore: *all\n",
    concat!("version: 1\nproviders:\n  anthropic:\n    key: ", "sk-ant-api03-", "Zm9vYmFyYmF6cXV4cXV1eGNvcmdlZ3JhdWx0", "\n"),
    "version: 2\n? [a, b]\n: !!binary aGk=\n--- \nsecond: document\n...\n",
    "{\"version\":1,\"models\":{\"*\":[\"anthropic/claude-opus-4-8\"]},\"providers\":{\"anthropic\":{}}}",
];

/// What stands in key files, identities and lists of recipients.
pub(crate) const KEY_FILES: &[&str] = &[
    include_str!("../fixtures/age/armored.age"),
    include_str!("../fixtures/age/identity.txt"),
    "sk-test-0123456789abcdef\ncreated: 2026-01-31T12:00:00Z\nrefreshed: 2026-02-01T12:00:00Z\nrefresh: rt-0123456789\nexpires: 2026-02-01T13:00:00Z\n",
    "# a team\nage1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p\n\nage1yubikey1qwt50d05nh5vutpdzmlg5wn80xq5negm4uj9ghv0snvdd3yysf5yw3rhl3t\n",
    "# public key: age1yubikey1qwt50d05nh5vutpdzmlg5wn80xq5negm4uj9ghv0snvdd3yysf5yw3rhl3t\nAGE-PLUGIN-YUBIKEY-1QQQQQQQQQQQQQQQQQQQQQ2HCU8E\n",
];
