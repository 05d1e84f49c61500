//! The JSON Schema of the config, from the same table of fields: editors complete and check by it while a file is written.
//!
//! It is looser than the validator, which also knows names, URLs and circles.

use serde_json::{Value, json};

use super::fields::{Field, Kind, ROOT};
use crate::provider::table::PRESETS;

/// The schema, JSON with line breaks. Draft 2020-12.
#[must_use]
pub fn schema() -> String {
    let mut schema = object(ROOT, &["version", "providers"]);
    if let Value::Object(members) = &mut schema {
        members.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
        members.insert("title".to_owned(), json!("aimux config"));
    }
    format!("{schema:#}\n")
}

fn object(fields: &[Field], required: &[&str]) -> Value {
    let properties: serde_json::Map<String, Value> = fields.iter().map(|field| (field.name.to_owned(), property(field))).collect();
    json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false })
}

fn property(field: &Field) -> Value {
    let mut schema = of_kind(field);
    if let Value::Object(members) = &mut schema {
        members.insert("description".to_owned(), json!(field.doc));
        if let Some(default) = default(field) {
            members.insert("default".to_owned(), default);
        }
    }
    schema
}

/// The default, where it is a value and not a description of one.
fn default(field: &Field) -> Option<Value> {
    match field.kind {
        Kind::Integer { .. } | Kind::Flag => serde_json::from_str(field.default).ok(),
        _ => None,
    }
}

fn variable() -> Value {
    json!({ "type": "object", "properties": { "env": { "type": "string" } }, "required": ["env"], "additionalProperties": false })
}

fn key() -> Value {
    let words = json!({ "type": "array", "items": { "type": "string", "minLength": 1 }, "minItems": 1 });
    let command = json!({ "type": "object", "properties": { "cmd": words }, "required": ["cmd"], "additionalProperties": false });
    json!({ "oneOf": [{ "type": "string", "pattern": "^[a-z0-9][a-z0-9._-]{0,63}$" }, variable(), command] })
}

fn of_kind(field: &Field) -> Value {
    let texts = json!({ "type": "array", "items": { "type": "string" }, "minItems": 1 });
    // A section without anything in it reads as null.
    let section = |fields| {
        let mut schema = object(fields, &[]);
        if let Value::Object(members) = &mut schema {
            members.insert("type".to_owned(), json!(["object", "null"]));
        }
        schema
    };
    match &field.kind {
        // A number may come from a variable, `${NAME}`; the schema knows files, not environments.
        Kind::Integer { min, max } => json!({ "type": "integer", "minimum": min, "maximum": max }),
        Kind::Integers { min, max } => {
            json!({ "type": "array", "items": { "type": "integer", "minimum": min, "maximum": max }, "minItems": 1 })
        }
        Kind::Flag => json!({ "type": "boolean" }),
        Kind::Text(_) if field.name == "preset" => json!({ "enum": PRESETS.iter().map(|preset| preset.name).collect::<Vec<_>>() }),
        Kind::Text(_) => json!({ "type": "string", "minLength": 1 }),
        Kind::Choice(words) => json!({ "enum": words }),
        Kind::Variable => variable(),
        Kind::Key => key(),
        Kind::Keys => json!({ "type": "array", "items": key(), "minItems": 1 }),
        // One target needs no list.
        Kind::List(_) if field.name == "use" => json!({ "oneOf": [{ "type": "string", "minLength": 1 }, texts] }),
        Kind::List(_) => texts,
        Kind::Texts(_) => json!({ "type": ["object", "null"], "additionalProperties": { "type": "string" } }),
        Kind::Section(fields) | Kind::SectionOrNone(fields) => section(fields),
        Kind::SectionOrOff(fields) => json!({ "oneOf": [section(fields), { "enum": ["off", false] }] }),
        Kind::ListOrNamed(_, fields) => {
            json!({ "oneOf": [texts, { "type": "object", "additionalProperties": section(fields) }] })
        }
        Kind::Amount => json!({ "type": "number", "minimum": 0, "maximum": 100_000 }),
        Kind::Items(fields) => {
            let mandatory = ["name", "use", "request", "expect"];
            let required: Vec<&str> = mandatory.into_iter().filter(|name| fields.iter().any(|field| field.name == *name)).collect();
            json!({ "type": ["array", "null"], "items": object(fields, &required) })
        }
        Kind::Patience => json!({ "oneOf": [{ "enum": ["p95"] }, { "type": "number", "minimum": 0.1, "maximum": 600 }] }),
        Kind::Words(_) => json!({ "oneOf": [{ "type": "string", "minLength": 1 }, texts] }),
        Kind::Choices(words) => json!({ "oneOf": [{ "enum": words }, { "type": "array", "items": { "enum": words }, "minItems": 1 }] }),
        Kind::Numbers => {
            let one = json!({ "oneOf": [{ "type": "integer", "minimum": 0 }, { "type": "string", "minLength": 1 }] });
            json!({ "oneOf": [{ "type": "boolean" }, one, { "type": "array", "items": one, "minItems": 1 }] })
        }
        Kind::Named(fields) => json!({ "type": "object", "minProperties": 1, "additionalProperties": section(fields) }),
        Kind::Models(fields) => {
            let entry = json!({ "oneOf": [{ "type": "string", "minLength": 1 }, texts, object(fields, &["use"])] });
            json!({ "type": ["object", "null"], "additionalProperties": entry })
        }
    }
}
