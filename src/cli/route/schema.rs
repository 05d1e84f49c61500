//! `--schema`: the form of the answer, as JSON Schema or in the short form `name, age int, bio: one sentence`, and whether an
//! answer fits it. No model's word is taken for that: what comes is parsed and held against the schema here.

use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use crate::config::near::nearest;
use crate::error::{Code, Error};
use crate::wire;

/// The longest schema, in bytes.
const LENGTH_MAX: u64 = 1 << 20;

/// The types of the short form.
const TYPES: [(&str, &str); 8] = [
    ("str", "string"),
    ("string", "string"),
    ("int", "integer"),
    ("integer", "integer"),
    ("float", "number"),
    ("number", "number"),
    ("bool", "boolean"),
    ("boolean", "boolean"),
];

/// The form of an answer.
#[derive(Debug)]
pub(super) struct Schema {
    /// As it is sent.
    pub(super) raw: Box<RawValue>,
    /// It is ours, and fit to be enforced to the letter.
    pub(super) is_strict: bool,
    fits: wire::schema::Schema,
}

impl Schema {
    /// Reads what `--schema` names: JSON, a file of JSON, or the short form.
    ///
    /// # Errors
    /// When it is none of them.
    pub(super) fn read(text: &str) -> Result<Self, Error> {
        let wrong = |what: String| Error::new(Code::Usage, format!("--schema: {what}"));
        let trimmed = text.trim();
        let (value, is_strict) = if trimmed.starts_with('{') {
            (serde_json::from_str(trimmed).map_err(|error| wrong(format!("it is no JSON: {error}")))?, false)
        } else if std::path::Path::new(trimmed).is_file() {
            let bytes = file(trimmed).map_err(|error| wrong(format!("{trimmed}: {error}")))?;
            (serde_json::from_slice::<Value>(&bytes).map_err(|error| wrong(format!("{trimmed} is no JSON: {error}")))?, false)
        } else if trimmed.ends_with(".json") {
            return Err(wrong(format!("there is no file {trimmed}")));
        } else {
            (short(trimmed)?, true)
        };
        if !value.is_object() {
            return Err(wrong("a schema is a JSON object".to_owned()));
        }
        let fits = wire::schema::Schema::of(&value).map_err(|reason| wrong(format!("it is no JSON Schema: {reason}")))?;
        let raw = serde_json::value::to_raw_value(&value).map_err(|error| wrong(error.to_string()))?;
        Ok(Self { raw, is_strict, fits })
    }

    /// The JSON of an answer, without the fence that some models put around it.
    ///
    /// # Errors
    /// With what does not fit, for the model to read.
    pub(super) fn check(&self, answer: &str) -> Result<String, String> {
        let text = bare(answer);
        let value: Value = serde_json::from_str(text).map_err(|error| format!("it is no JSON: {error}"))?;
        match self.fits.faults(&value) {
            None => Ok(text.to_owned()),
            Some(faults) => Err(faults),
        }
    }
}

fn file(path: &str) -> std::io::Result<Vec<u8>> {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(LENGTH_MAX).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The answer without a fence around all of it.
fn bare(answer: &str) -> &str {
    let trimmed = answer.trim();
    let inner = trimmed.strip_prefix("```").and_then(|rest| rest.strip_suffix("```")).and_then(|rest| rest.split_once('\n'));
    inner.map_or(trimmed, |(_, body)| body.trim())
}

/// `name, age int, bio: one sentence`: fields parted by commas or, where there are several lines, by lines; a type behind the
/// name, else text; a description behind a colon.
fn short(text: &str) -> Result<Value, Error> {
    let parted: Vec<&str> = if text.contains('\n') { text.lines().collect() } else { text.split(',').collect() };
    let (mut properties, mut required) = (Map::new(), Vec::new());
    for field in parted.into_iter().map(str::trim).filter(|field| !field.is_empty()) {
        let (head, description) = field.split_once(':').map_or((field, ""), |(head, rest)| (head.trim(), rest.trim()));
        let mut words = head.split_whitespace();
        let name = words.next().unwrap_or_default();
        let is_name = !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.'));
        let wrong = |what: String| Error::new(Code::Usage, format!("--schema: {what}")).hint("name, age int, bio: one sentence");
        if !is_name || words.clone().count() > 1 {
            return Err(wrong(format!("\"{field}\" is no field")));
        }
        let kind = match words.next() {
            None => "string",
            Some(word) => match TYPES.iter().find(|(known, _)| *known == word) {
                Some((_, kind)) => kind,
                None => {
                    let near = nearest(word, TYPES.iter().map(|(known, _)| *known));
                    let error = wrong(format!("\"{word}\" is no type: str, int, float and bool are"));
                    return Err(if let Some(near) = near { error.hint(format!("did you mean {near}?")) } else { error });
                }
            },
        };
        let mut property = json!({ "type": kind });
        if !description.is_empty() {
            property["description"] = description.into();
        }
        if properties.insert(name.to_owned(), property).is_some() {
            return Err(wrong(format!("the field \"{name}\" stands there twice")));
        }
        required.push(Value::from(name));
    }
    if properties.is_empty() {
        return Err(Error::new(Code::Usage, "--schema: there is no field in it").hint("name, age int, bio: one sentence"));
    }
    Ok(json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_short_form_says_name_type_and_description() {
        let schema = Schema::read("name, age int, bio: one sentence: short").unwrap();
        let value: Value = serde_json::from_str(schema.raw.get()).unwrap();
        assert_eq!(
            value,
            json!({"type": "object", "required": ["name", "age", "bio"], "additionalProperties": false, "properties": {
                "name": {"type": "string"}, "age": {"type": "integer"}, "bio": {"type": "string", "description": "one sentence: short"}}})
        );
        assert!(schema.is_strict && !Schema::read(r#"{"type":"array"}"#).unwrap().is_strict);
        assert_eq!(short("a float\nb: x, y\n").unwrap()["properties"]["b"]["description"], "x, y");
    }

    #[test]
    fn what_is_no_schema_is_told() {
        for (text, words) in [
            ("age nit", "did you mean int?"),
            ("a b c", "no field"),
            ("a, a", "twice"),
            (", ,", "no field"),
            ("{", "no JSON"),
            (r#"{"type":"nothing"}"#, "no JSON Schema"),
            ("absent.json", "no file"),
        ] {
            let error = Schema::read(text).unwrap_err();
            assert!((error.message.clone() + &error.advice()).contains(words), "{text}: {error:?}");
        }
    }

    #[test]
    fn an_answer_fits_or_is_told_why_not() {
        let schema = Schema::read("name, age int").unwrap();
        for answer in [r#"{"name":"a","age":1}"#, "```json\n{\"name\":\"a\",\"age\":1}\n```\n"] {
            assert_eq!(schema.check(answer).unwrap(), r#"{"name":"a","age":1}"#);
        }
        for (answer, words) in [
            ("sure!", "no JSON"),
            (r#"{"name":"a"}"#, "age"),
            (r#"{"name":"a","age":"x"}"#, "/age: "),
            (r#"{"name":"a","age":1,"more":2}"#, "more"),
            (r#"{"name":"a","age":1.5}"#, "/age"),
        ] {
            assert!(schema.check(answer).unwrap_err().contains(words), "{answer}: {:?}", schema.check(answer));
        }
    }
}
