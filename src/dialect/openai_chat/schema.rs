//! Judges JSON Schemas: whether one is declared at all, and whether OpenAI's strict mode takes it.

use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::wire::json::{Members, items};

/// The schema of a tool without arguments.
pub(super) fn empty() -> &'static RawValue {
    // A constant that is JSON; the fallback is there for the type alone.
    serde_json::from_str(r#"{"type":"object","properties":{}}"#).unwrap_or(RawValue::NULL)
}

/// Whether there is a schema to speak of.
pub(super) fn is_declared(schema: &RawValue) -> bool {
    schema.get().starts_with('{') && schema.get().trim_start_matches('{').trim_start() != "}"
}

/// The properties that a string does not fit.
pub(super) fn not_strings(schema: &RawValue) -> Vec<String> {
    let properties = Members::of(schema).and_then(|members| members.get("properties")).and_then(Members::of);
    properties.into_iter().flatten().filter(|(_, schema)| !fits_string(schema)).map(|(name, _)| name.into_owned()).collect()
}

/// Whether a string may stand there. Without a type it may be anything: what reads as JSON is then taken for that.
fn fits_string(schema: &RawValue) -> bool {
    let Some(members) = Members::of(schema) else { return false };
    let variants = members.get("anyOf").or_else(|| members.get("oneOf")).and_then(items).unwrap_or_default();
    match members.get("type") {
        Some(kind) => kind.get().contains("\"string\""),
        None => variants.into_iter().any(fits_string),
    }
}

/// Whether every object lists all its properties as required and admits no other (OpenAI, structured outputs).
pub(super) fn is_strict(schema: &RawValue) -> bool {
    match serde_json::from_str(schema.get()) {
        Ok(Value::Object(schema)) => schema.get("type").and_then(Value::as_str) == Some("object") && is_strict_object(&schema),
        _ => false,
    }
}

fn is_strict_object(schema: &Map<String, Value>) -> bool {
    let is_object = schema.contains_key("properties") || schema.get("type").is_some_and(|kind| kind == "object");
    let properties = schema.get("properties").and_then(Value::as_object);
    if is_object {
        let required: Vec<&str> =
            schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
        let all_required = properties.into_iter().flatten().all(|(name, _)| required.contains(&name.as_str()));
        if !all_required || schema.get("additionalProperties") != Some(&Value::Bool(false)) {
            return false;
        }
    }
    let inner = ["properties", "$defs", "definitions"].iter().filter_map(|name| schema.get(*name)?.as_object()).flat_map(Map::values);
    let single = ["items", "anyOf"].iter().filter_map(|name| schema.get(*name));
    let list = |value: &'_ Value| match value {
        Value::Array(list) => list.iter().all(is_strict_value),
        other => is_strict_value(other),
    };
    !["oneOf", "allOf", "not", "if", "patternProperties", "propertyNames", "dependentRequired"]
        .iter()
        .any(|word| schema.contains_key(*word))
        && inner.into_iter().all(is_strict_value)
        && single.into_iter().all(list)
}

fn is_strict_value(value: &Value) -> bool {
    value.as_object().is_none_or(is_strict_object)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strict(schema: &str) -> bool {
        is_strict(serde_json::from_str(schema).expect("JSON"))
    }

    #[test]
    fn strict_means_all_required_and_nothing_else() {
        assert!(strict(r#"{"type":"object","properties":{"a":{"type":"string"}},"required":["a"],"additionalProperties":false}"#));
        assert!(!strict(r#"{"type":"object","properties":{"a":{"type":"string"}},"required":["a"]}"#));
        assert!(!strict(r#"{"type":"object","properties":{"a":{"type":"string"}},"additionalProperties":false}"#));
        assert!(!strict(
            r#"{"type":"object","properties":{"a":{"type":"array","items":{"type":"object"}}},"required":["a"],"additionalProperties":false}"#
        ));
        // A property may be called like a keyword.
        assert!(strict(r#"{"type":"object","properties":{"not":{"type":"string"}},"required":["not"],"additionalProperties":false}"#));
    }

    #[test]
    fn an_empty_schema_is_none() {
        let is = |text: &str| is_declared(serde_json::from_str(text).expect("JSON"));
        assert!(!is("{}") && !is("{ }") && !is("true"));
        assert!(is(r#"{"type":"object"}"#));
        assert_eq!(empty().get(), r#"{"type":"object","properties":{}}"#);
    }
}
