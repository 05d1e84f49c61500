//! The providers' own lists of models: what each says it serves, as `aimux models --refresh` was last told.
//!
//! [`read`] takes an answer apart; [`Lists`] is the file that keeps them, with the date of each. It lacks the asking, which is
//! the upstream's. A list adds what the catalog and the config leave open, for people who look: nothing is routed by it.

use std::io::{ErrorKind, Write as _};
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::models::{Known, Price};
use crate::error::{Code, Error};

/// The most models that are kept of a list.
const MODELS_MAX: usize = 5000;
/// The longest id that is kept, in bytes.
const ID_MAX: usize = 200;
/// The most bytes of the file.
const FILE_MAX: u64 = 64 << 20;
/// The form of the file.
const VERSION: u32 = 1;

/// A model that a provider lists.
#[derive(Debug, Clone, PartialEq)]
pub struct ListedModel {
    /// The id that the provider takes.
    pub id: String,
    /// What the list says of it.
    pub known: Known,
}

/// What a provider listed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct List {
    /// The provider's name in the config.
    pub provider: String,
    /// Where it was asked: another address is another list.
    pub base_url: String,
    /// When, in seconds since 1970.
    pub fetched_s: u64,
    /// The models, by id.
    models: Vec<Kept>,
}

/// The lists of all providers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Lists {
    version: u32,
    lists: Vec<List>,
}

/// A model in the file: [`ListedModel`], flat.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
struct Kept {
    id: String,
    context: Option<u64>,
    output_max: Option<u64>,
    price_input: Option<f64>,
    price_output: Option<f64>,
    price_cache_read: Option<f64>,
    price_cache_write: Option<f64>,
    tools: Option<bool>,
    thinking: Option<bool>,
    structured: Option<bool>,
    images: Option<bool>,
    documents: Option<bool>,
}

impl Default for Lists {
    fn default() -> Self {
        Self { version: VERSION, lists: Vec::new() }
    }
}

impl Lists {
    /// The lists that a file keeps; none where there is no file.
    ///
    /// # Errors
    /// When it cannot be read, or is not what [`Lists::save`] writes.
    pub fn load(path: &Path) -> Result<Self, Error> {
        let failed = |what: String| {
            Error::new(Code::StateFolder, format!("the lists of models, {}, cannot be read: {what}", path.display()))
                .hint("remove the file; `aimux models --refresh` asks anew")
        };
        let bytes = match std::fs::File::open(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(failed(error.to_string())),
            Ok(file) => {
                let mut bytes = Vec::new();
                std::io::Read::read_to_end(&mut std::io::Read::take(file, FILE_MAX), &mut bytes)
                    .map_err(|error| failed(error.to_string()))?;
                bytes
            }
        };
        let lists: Self = serde_json::from_slice(&bytes).map_err(|error| failed(error.to_string()))?;
        if lists.version == VERSION { Ok(lists) } else { Err(failed(format!("its form {} is not known", lists.version))) }
    }

    /// Replaces the file in one step, for its owner alone.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), Error> {
        let write = || -> std::io::Result<()> {
            let folder = path.parent().unwrap_or(Path::new("/"));
            std::os::unix::fs::DirBuilderExt::mode(std::fs::DirBuilder::new().recursive(true), 0o700).create(folder)?;
            let mut file = tempfile::NamedTempFile::new_in(folder)?;
            file.write_all(&serde_json::to_vec(self)?)?;
            file.as_file().sync_all()?;
            file.persist(path)?;
            Ok(())
        };
        write().map_err(|error| {
            Error::new(Code::StateFolder, format!("the lists of models, {}, cannot be written: {error}", path.display())).caused_by(error)
        })
    }

    /// Puts a list in the place of the provider's former one.
    pub fn put(&mut self, provider: &str, base_url: &str, fetched_s: u64, models: &[ListedModel]) {
        self.lists.retain(|list| list.provider != provider);
        let models = models.iter().map(Kept::from).collect();
        self.lists.push(List { provider: provider.to_owned(), base_url: base_url.to_owned(), fetched_s, models });
        self.lists.sort_by(|a, b| a.provider.cmp(&b.provider));
    }

    /// What a provider listed at one of these addresses.
    #[must_use]
    pub fn of<'a>(&self, provider: &str, mut base_urls: impl Iterator<Item = &'a str>) -> Option<&List> {
        self.lists.iter().find(|list| list.provider == provider && base_urls.any(|url| url == list.base_url))
    }
}

impl List {
    /// The ids of its models, sorted.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.models.iter().map(|model| model.id.as_str())
    }

    /// What it says of a model; `None`: it does not list it.
    #[must_use]
    pub fn known(&self, id: &str) -> Option<Known> {
        let at = self.models.binary_search_by(|model| model.id.as_str().cmp(id)).ok()?;
        self.models.get(at).map(Kept::known)
    }
}

impl From<&ListedModel> for Kept {
    fn from(model: &ListedModel) -> Self {
        let ListedModel { id, known } = model;
        let Known { context, output_max, price, tools, reasoning, structured, images, pdf } = *known;
        Self {
            id: id.clone(),
            context,
            output_max,
            price_input: price.input,
            price_output: price.output,
            price_cache_read: price.cache_read,
            price_cache_write: price.cache_write,
            tools,
            thinking: reasoning,
            structured,
            images,
            documents: pdf,
        }
    }
}

impl Kept {
    fn known(&self) -> Known {
        Known {
            context: self.context,
            output_max: self.output_max,
            price: Price {
                input: self.price_input,
                output: self.price_output,
                cache_read: self.price_cache_read,
                cache_write: self.price_cache_write,
            },
            tools: self.tools,
            reasoning: self.thinking,
            structured: self.structured,
            images: self.images,
            pdf: self.documents,
        }
    }
}

/// The models of an answer to `GET /models`, sorted by id, each once: an object with `data`, or the array alone.
///
/// Beyond the ids each provider has members of its own: OpenRouter's and Synthetic's (openrouter.ai/docs, models; the list for
/// providers there), Groq's `context_window`, Mistral's `max_context_length` and `capabilities`, Anthropic's `max_input_tokens`
/// and `capabilities` (llm-anthropic 0.30), vLLM's `max_model_len`, llama.cpp's `meta`; all as of November 2026.
///
/// # Errors
/// With what is wrong, in a few words.
pub fn read(body: &[u8]) -> Result<Vec<ListedModel>, &'static str> {
    let value: Value = serde_json::from_slice(body).map_err(|_| "the answer is no JSON")?;
    let records = value.get("data").unwrap_or(&value).as_array().ok_or("the answer has no list of models")?;
    let is_id = |id: &&str| !id.is_empty() && id.len() <= ID_MAX && !id.chars().any(|c| c.is_control() || c.is_whitespace());
    let mut models: Vec<ListedModel> = records
        .iter()
        .take(MODELS_MAX)
        .filter_map(|record| {
            let id = record.get("id")?.as_str().filter(is_id)?;
            Some(ListedModel { id: id.to_owned(), known: known(record) })
        })
        .collect();
    models.sort_by(|a, b| a.id.cmp(&b.id));
    models.dedup_by(|a, b| a.id == b.id);
    Ok(models)
}

fn known(record: &Value) -> Known {
    let tokens = |paths: &[&str]| paths.iter().find_map(|path| record.pointer(path)?.as_u64()).filter(|tokens| *tokens > 0);
    let price = |paths: &[&str]| paths.iter().find_map(|path| per_million(record.pointer(path)?));
    let abilities = Abilities { record };
    Known {
        context: tokens(&[
            "/context_length",
            "/context_window",
            "/max_context_length",
            "/max_input_tokens",
            "/max_model_len",
            "/meta/n_ctx_train",
        ]),
        output_max: tokens(&["/top_provider/max_completion_tokens", "/max_output_length", "/max_completion_tokens", "/max_tokens"]),
        price: Price {
            input: price(&["/pricing/prompt"]),
            output: price(&["/pricing/completion"]),
            cache_read: price(&["/pricing/input_cache_read", "/pricing/input_cache_reads"]),
            cache_write: price(&["/pricing/input_cache_write", "/pricing/input_cache_writes"]),
        },
        tools: abilities.of(&["tools"], &["function_calling"], None),
        reasoning: abilities.of(&["reasoning"], &["thinking", "reasoning"], None),
        structured: abilities.of(&["structured_outputs"], &["structured_outputs"], None),
        images: abilities.of(&[], &["vision", "image_input"], Some("image")),
        pdf: abilities.of(&[], &["pdf_input"], Some("file")),
    }
}

/// A price per token, as text or number, as one per million; negative ones stand for "it depends".
fn per_million(value: &Value) -> Option<f64> {
    let per_token = match value {
        Value::String(text) => text.trim().trim_start_matches('$').parse().ok()?,
        other => other.as_f64()?,
    };
    let price = (per_token * 1e12).round() / 1e6;
    (0.0..1e6).contains(&price).then_some(price)
}

/// What a list says that a model can; where it has no words for that, nothing is known.
struct Abilities<'a> {
    record: &'a Value,
}

impl Abilities<'_> {
    fn of(&self, features: &[&str], capabilities: &[&str], modality: Option<&str>) -> Option<bool> {
        let named = |path: &str, words: &[&str]| {
            let list = self.record.pointer(path)?.as_array()?;
            (!words.is_empty()).then(|| list.iter().filter_map(Value::as_str).any(|word| words.contains(&word)))
        };
        let flag = |name: &&str| {
            let flag = self.record.get("capabilities")?.get(name)?;
            flag.as_bool().or_else(|| flag.get("supported")?.as_bool())
        };
        let modality: Vec<&str> = modality.into_iter().collect();
        named("/supported_features", features)
            .or_else(|| named("/supported_parameters", features))
            .or_else(|| named("/architecture/input_modalities", &modality))
            .or_else(|| named("/input_modalities", &modality))
            .or_else(|| capabilities.iter().find_map(flag))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(record: &str) -> Known {
        let listed = read(format!(r#"{{"data":[{record}]}}"#).as_bytes()).unwrap();
        assert_eq!(listed.len(), 1, "{record}");
        listed[0].known
    }

    #[test]
    fn each_providers_own_words_are_read() {
        let router = one(
            r#"{"id":"a/b","context_length":204800,"architecture":{"input_modalities":["text","image"]},"pricing":{"prompt":"0.0000006",
            "completion":"0.0000022","input_cache_read":"0.00000011"},"top_provider":{"max_completion_tokens":131072},
            "supported_parameters":["tools","reasoning","temperature"]}"#,
        );
        assert_eq!((router.context, router.output_max), (Some(204_800), Some(131_072)));
        let Price { input, output, cache_read, cache_write } = router.price;
        assert_eq!((input, output, cache_read, cache_write), (Some(0.6), Some(2.2), Some(0.11), None));
        assert_eq!((router.tools, router.reasoning, router.structured), (Some(true), Some(true), Some(false)));
        assert_eq!((router.images, router.pdf), (Some(true), Some(false)));
        let synthetic =
            one(r#"{"id":"hf:a/B","max_output_length":65536,"input_modalities":["text"],"supported_features":["structured_outputs"],
            "pricing":{"prompt":"$0.00000055","completion":0.00000219}}"#);
        assert_eq!((synthetic.output_max, synthetic.price.input, synthetic.price.output), (Some(65_536), Some(0.55), Some(2.19)));
        assert_eq!((synthetic.tools, synthetic.structured, synthetic.images), (Some(false), Some(true), Some(false)));
        let groq = one(r#"{"id":"x","context_window":131072,"max_completion_tokens":8192}"#);
        assert_eq!((groq.context, groq.output_max, groq.tools), (Some(131_072), Some(8192), None));
        let mistral = one(r#"{"id":"x","max_context_length":32768,"capabilities":{"function_calling":true,"vision":false}}"#);
        assert_eq!((mistral.context, mistral.tools, mistral.images, mistral.pdf), (Some(32_768), Some(true), Some(false), None));
        let anthropic = one(r#"{"id":"x","max_input_tokens":1000000,"max_tokens":128000,
            "capabilities":{"image_input":{"supported":true},"pdf_input":{"supported":true},"thinking":{"supported":true,"types":{}}}}"#);
        assert_eq!((anthropic.context, anthropic.output_max), (Some(1_000_000), Some(128_000)));
        assert_eq!(
            (anthropic.images, anthropic.pdf, anthropic.reasoning, anthropic.structured),
            (Some(true), Some(true), Some(true), None)
        );
        assert_eq!(one(r#"{"id":"x","max_model_len":4096}"#).context, Some(4096));
        assert_eq!(one(r#"{"id":"x","meta":{"n_ctx_train":8192}}"#).context, Some(8192));
        assert_eq!(one(r#"{"id":"x","object":"model"}"#), Known::NOTHING);
    }

    #[test]
    fn what_makes_no_sense_is_left_out_and_never_panics() {
        let odd = one(r#"{"id":"x","context_length":0,"pricing":{"prompt":"-1","completion":"free"},"capabilities":[1],"architecture":7}"#);
        assert_eq!(odd, Known::NOTHING);
        let ids = |body: &str| read(body.as_bytes()).map(|models| models.into_iter().map(|model| model.id).collect::<Vec<_>>());
        assert_eq!(ids(r#"[{"id":"b"},{"id":"a"},{"id":"b"},{"id":7},{"id":""},{"id":"a b"},{"id":"\u001b["},{},3]"#).unwrap(), ["a", "b"]);
        assert_eq!(ids(r#"{"object":"list","data":[]}"#).unwrap(), Vec::<String>::new());
        for body in ["", "{}", "[", "7", r#"{"data":{}}"#, "\u{0}"] {
            assert!(read(body.as_bytes()).is_err(), "{body}");
        }
    }

    #[test]
    fn lists_are_kept_with_their_dates_and_belong_to_an_address() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state/model-lists.json");
        assert_eq!(Lists::load(&path).unwrap(), Lists::default());
        let known =
            Known { context: Some(7), tools: Some(true), price: Price { output: Some(0.5), ..Known::NOTHING.price }, ..Known::NOTHING };
        let mut lists = Lists::default();
        lists.put("b", "http://b/v1", 9, &[ListedModel { id: "m".to_owned(), known }]);
        lists.put("a", "http://a/v1", 8, &[]);
        lists.put("b", "http://b/v1", 10, &[ListedModel { id: "m".to_owned(), known }]);
        lists.save(&path).unwrap();
        let kept = Lists::load(&path).unwrap();
        assert_eq!(kept, lists);
        let list = kept.of("b", ["http://other", "http://b/v1"].into_iter()).unwrap();
        assert_eq!((list.fetched_s, list.ids().collect::<Vec<_>>(), list.known("m"), list.known("n")), (10, vec!["m"], Some(known), None));
        assert_eq!(kept.of("b", ["http://elsewhere/v1"].into_iter()), None);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        for broken in ["", "{", "[]", r#"{"version":2,"lists":[]}"#] {
            std::fs::write(&path, broken).unwrap();
            assert_eq!(Lists::load(&path).unwrap_err().code, Code::StateFolder, "{broken}");
        }
    }
}
