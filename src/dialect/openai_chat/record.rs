//! The records of a Chat request as aimux writes them. They borrow; text that came escaped leaves escaped.

use std::borrow::Cow;

use serde::ser::{SerializeSeq, Serializer};
use serde::{Serialize, ser};
use serde_json::value::RawValue;

use super::annotation::Annotation;
use crate::wire::Text;

/// The body, without members that are passed on verbatim.
#[derive(Serialize, Default)]
pub(super) struct Body<'a> {
    pub(super) model: &'a str,
    pub(super) messages: Vec<Message<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) tools: Vec<ToolRecord<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tool_choice: Option<Choice<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) parallel_tool_calls: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) max_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) max_completion_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) top_p: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) top_k: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) seed: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) random_seed: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) presence_penalty: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) frequency_penalty: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) logit_bias: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) stop: Vec<&'a Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) response_format: Option<ResponseFormat<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) user: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) service_tier: Option<&'a Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reasoning_effort: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) thinking: Option<Typed>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reasoning: Option<Reasoning>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) chat_template_kwargs: Option<TemplateArguments>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reasoning_split: Option<bool>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) stream: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) stream_options: Option<StreamOptions>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tool_stream: Option<bool>,
}

/// `{"type": …}`.
#[derive(Serialize)]
pub(super) struct Typed {
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
}

#[derive(Serialize, Default)]
pub(super) struct Reasoning {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) effort: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) max_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) enabled: Option<bool>,
}

#[derive(Serialize)]
pub(super) struct TemplateArguments {
    pub(super) enable_thinking: bool,
}

#[derive(Serialize)]
pub(super) struct StreamOptions {
    pub(super) include_usage: bool,
}

#[derive(Serialize)]
pub(super) struct ResponseFormat<'a> {
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) json_schema: Option<JsonSchema<'a>>,
}

#[derive(Serialize)]
pub(super) struct JsonSchema<'a> {
    pub(super) name: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) description: Option<&'a Text<'a>>,
    pub(super) schema: &'a RawValue,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) strict: Option<bool>,
}

/// A function, or a declaration passed on as it came.
pub(super) enum ToolRecord<'a> {
    Function(Function<'a>),
    Verbatim(&'a RawValue),
}

#[derive(Serialize)]
pub(super) struct Function<'a> {
    pub(super) name: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) description: Option<Cow<'a, Text<'a>>>,
    pub(super) parameters: &'a RawValue,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) strict: Option<bool>,
    #[serde(skip)]
    pub(super) cache: Option<&'a RawValue>,
}

impl Serialize for ToolRecord<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use ser::SerializeStruct;
        let function = match self {
            Self::Verbatim(raw) => return raw.serialize(serializer),
            Self::Function(function) => function,
        };
        let mut record = serializer.serialize_struct("Tool", 3)?;
        record.serialize_field("type", "function")?;
        record.serialize_field("function", function)?;
        if let Some(cache) = function.cache {
            record.serialize_field("cache_control", cache)?;
        }
        record.end()
    }
}

/// A tool choice: a word, or one function.
pub(super) enum Choice<'a> {
    Word(&'static str),
    Function(Cow<'a, str>),
}

impl Serialize for Choice<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Named<'a> {
            name: &'a str,
        }
        #[derive(Serialize)]
        struct Object<'a> {
            #[serde(rename = "type")]
            kind: &'static str,
            function: Named<'a>,
        }
        match self {
            Self::Word(word) => serializer.serialize_str(word),
            Self::Function(name) => Object { kind: "function", function: Named { name } }.serialize(serializer),
        }
    }
}

#[derive(Serialize, Default)]
pub(super) struct Message<'a> {
    pub(super) role: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) name: Option<&'a Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tool_call_id: Option<Cow<'a, str>>,
    pub(super) content: Content<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reasoning_content: Option<Cow<'a, Text<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reasoning: Option<Cow<'a, Text<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reasoning_details: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) tool_calls: Vec<Call<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) annotations: Vec<Annotation<'a>>,
}

/// Content: written as a string where it is one text without cache mark (or where `is_text`), else as a list of parts.
#[derive(Default)]
pub(super) struct Content<'a> {
    pub(super) parts: Vec<Part<'a>>,
    /// Between texts that become one string; `None`: several texts stay parts.
    pub(super) joint: Option<&'static str>,
}

impl<'a> Content<'a> {
    /// One text.
    pub(super) fn text(text: impl Into<Text<'a>>) -> Self {
        Self { parts: vec![Part::text(text.into())], joint: None }
    }
}

impl Serialize for Content<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let is_text = |part: &Part<'_>| part.cache.is_none() && matches!(part.kind, PartKind::Text(_));
        let texts = self.parts.iter().filter_map(|part| match &part.kind {
            PartKind::Text(text) => Some(&**text),
            _ => None,
        });
        match self.parts.as_slice() {
            [] => serializer.serialize_str(""),
            [only] if is_text(only) => texts.take(1).next().serialize(serializer),
            parts if self.joint.is_some() && parts.iter().all(is_text) => {
                joined(texts, self.joint.unwrap_or_default()).map_err(ser::Error::custom)?.serialize(serializer)
            }
            parts => {
                let mut list = serializer.serialize_seq(Some(parts.len()))?;
                for part in parts {
                    list.serialize_element(part)?;
                }
                list.end()
            }
        }
    }
}

/// Several texts as one JSON string; what came escaped is not decoded.
pub(super) fn joined<'t, 'a: 't>(texts: impl Iterator<Item = &'t Text<'a>>, between: &str) -> serde_json::Result<Box<RawValue>> {
    let mut token = "\"".to_owned();
    let between = serde_json::to_string(between)?;
    for (nth, text) in texts.enumerate() {
        if nth > 0 {
            token.push_str(unquoted(&between));
        }
        match text {
            Text::Escaped(raw) => token.push_str(unquoted(raw.get())),
            Text::Plain(text) => token.push_str(unquoted(&serde_json::to_string(text)?)),
        }
    }
    token.push('"');
    RawValue::from_string(token)
}

fn unquoted(token: &str) -> &str {
    token.get(1..token.len().saturating_sub(1)).unwrap_or_default()
}

/// A part of content, with its cache mark where the provider keeps it.
pub(super) struct Part<'a> {
    pub(super) kind: PartKind<'a>,
    pub(super) cache: Option<&'a RawValue>,
}

pub(super) enum PartKind<'a> {
    Text(Cow<'a, Text<'a>>),
    Image { url: Address<'a>, detail: Option<&'a Text<'a>> },
    File(File<'a>),
    Audio { data: &'a Text<'a>, format: &'a str },
}

impl<'a> Part<'a> {
    pub(super) fn text(text: Text<'a>) -> Self {
        Self { kind: PartKind::Text(Cow::Owned(text)), cache: None }
    }

    /// Characters of text.
    pub(super) fn chars(&self) -> usize {
        match &self.kind {
            PartKind::Text(text) => text.read().chars().count(),
            PartKind::Image { .. } | PartKind::File(_) | PartKind::Audio { .. } => 0,
        }
    }
}

#[derive(Serialize)]
pub(super) struct File<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) filename: Option<Cow<'a, Text<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) file_data: Option<Address<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) file_id: Option<&'a Text<'a>>,
}

/// A URL: as it came, or a data URL that is written without being put together first.
pub(super) enum Address<'a> {
    Url(&'a Text<'a>),
    Data { media_type: &'a str, data: &'a Text<'a> },
}

impl Serialize for Address<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Url(url) => url.serialize(serializer),
            Self::Data { media_type, data } => serializer.collect_str(&format_args!("data:{media_type};base64,{}", data.read())),
        }
    }
}

impl Serialize for Part<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use ser::SerializeStruct;
        #[derive(Serialize)]
        struct ImageUrl<'a> {
            url: &'a Address<'a>,
            #[serde(skip_serializing_if = "Option::is_none")]
            detail: Option<&'a Text<'a>>,
        }
        #[derive(Serialize)]
        struct InputAudio<'a> {
            data: &'a Text<'a>,
            format: &'a str,
        }
        let mut part = serializer.serialize_struct("Part", 3)?;
        match &self.kind {
            PartKind::Text(text) => {
                part.serialize_field("type", "text")?;
                part.serialize_field("text", text)?;
            }
            PartKind::Image { url, detail } => {
                part.serialize_field("type", "image_url")?;
                part.serialize_field("image_url", &ImageUrl { url, detail: *detail })?;
            }
            PartKind::File(file) => {
                part.serialize_field("type", "file")?;
                part.serialize_field("file", file)?;
            }
            PartKind::Audio { data, format } => {
                part.serialize_field("type", "input_audio")?;
                part.serialize_field("input_audio", &InputAudio { data, format })?;
            }
        }
        if let Some(cache) = self.cache {
            part.serialize_field("cache_control", cache)?;
        }
        part.end()
    }
}

/// A call in the history.
pub(super) struct Call<'a> {
    pub(super) id: Cow<'a, str>,
    pub(super) name: Cow<'a, str>,
    pub(super) arguments: CallArguments<'a>,
}

/// The arguments, always written as a JSON string.
pub(super) enum CallArguments<'a> {
    /// JSON text, to be put into a string.
    Json(&'a str),
    /// A string already.
    Encoded(&'a Text<'a>),
}

impl Serialize for Call<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use ser::SerializeStruct;
        #[derive(Serialize)]
        struct Named<'a> {
            name: &'a str,
            arguments: &'a CallArguments<'a>,
        }
        let mut call = serializer.serialize_struct("Call", 3)?;
        call.serialize_field("id", &self.id)?;
        call.serialize_field("type", "function")?;
        call.serialize_field("function", &Named { name: &self.name, arguments: &self.arguments })?;
        call.end()
    }
}

impl Serialize for CallArguments<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Json(text) => serializer.serialize_str(text),
            Self::Encoded(text) => text.serialize(serializer),
        }
    }
}
