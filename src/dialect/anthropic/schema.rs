//! JSON Schemas as Messages takes them: the top level is a plain object.

use std::borrow::Cow;

use serde_json::value::RawValue;
use serde_json::{Map, Value};

const EMPTY: &str = r#"{"type":"object","properties":{}}"#;

/// The schema of a tool's input, verbatim where it is legal. The second part tells whether it had to be changed in meaning.
pub(super) fn input_schema(schema: Option<&RawValue>) -> (Cow<'_, str>, bool) {
    let Some(raw) = schema else { return (Cow::Borrowed(EMPTY), false) };
    let Ok(Value::Object(mut top)) = serde_json::from_str::<Value>(raw.get()) else { return (Cow::Borrowed(EMPTY), true) };
    let is_combined = ["anyOf", "oneOf", "allOf"].iter().any(|word| top.contains_key(*word));
    if top.get("type").and_then(Value::as_str) == Some("object") && !is_combined {
        return (Cow::Borrowed(raw.get()), false);
    }
    let is_object = match top.get("type") {
        None | Some(Value::Null) => true,
        Some(Value::String(word)) => word == "object",
        Some(Value::Array(words)) => words.iter().any(|word| word == "object"),
        Some(_) => false,
    };
    if is_combined {
        flatten(&mut top);
    }
    top.insert("type".to_owned(), "object".into());
    top.entry("properties").or_insert_with(|| Value::Object(Map::new()));
    (Cow::Owned(Value::Object(top).to_string()), is_combined || !is_object)
}

/// Joins the variants of a combined top level: all their properties, required where every variant (or, for `allOf`, any)
/// requires them. Wider than the original, never narrower.
fn flatten(top: &mut Map<String, Value>) {
    for word in ["allOf", "anyOf", "oneOf"] {
        let Some(Value::Array(variants)) = top.remove(word) else { continue };
        let names = |variant: &Value| -> Vec<String> {
            let list = variant.get("required").and_then(Value::as_array);
            list.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
        };
        let mut required: Vec<String> = variants.iter().flat_map(names).collect();
        if word != "allOf" {
            required.retain(|name| variants.iter().all(|variant| names(variant).contains(name)));
        }
        for variant in &variants {
            if let Some(Value::Object(properties)) = variant.get("properties")
                && let Value::Object(all) = top.entry("properties").or_insert_with(|| Value::Object(Map::new()))
            {
                for (name, schema) in properties {
                    all.entry(name.clone()).or_insert_with(|| schema.clone());
                }
            }
        }
        if let Value::Array(all) = top.entry("required").or_insert_with(|| Value::Array(Vec::new())) {
            for name in required {
                if !all.iter().any(|known| known == &name) {
                    all.push(name.into());
                }
            }
        }
    }
}

/// An output schema: every object in it closed, as the API demands.
pub(super) fn output_schema(schema: &RawValue) -> Cow<'_, str> {
    let Ok(mut value) = serde_json::from_str::<Value>(schema.get()) else { return Cow::Borrowed(schema.get()) };
    if close_objects(&mut value, 0) { Cow::Owned(value.to_string()) } else { Cow::Borrowed(schema.get()) }
}

/// Adds `additionalProperties: false` where an object lacks it; only at places that hold schemas, so a property of that
/// name stays what it is.
fn close_objects(schema: &mut Value, depth: u8) -> bool {
    let Value::Object(map) = schema else { return false };
    if depth > 64 {
        return false;
    }
    let mut has_changed = false;
    let is_object = map.get("type").and_then(Value::as_str) == Some("object") || map.contains_key("properties");
    if is_object && map.get("additionalProperties") != Some(&Value::Bool(false)) {
        map.insert("additionalProperties".to_owned(), false.into());
        has_changed = true;
    }
    for (word, value) in map.iter_mut() {
        match (word.as_str(), value) {
            ("properties" | "$defs" | "definitions", Value::Object(schemas)) => {
                for schema in schemas.values_mut() {
                    has_changed |= close_objects(schema, depth + 1);
                }
            }
            ("anyOf" | "oneOf" | "allOf", Value::Array(schemas)) => {
                for schema in schemas {
                    has_changed |= close_objects(schema, depth + 1);
                }
            }
            ("items", schema) => has_changed |= close_objects(schema, depth + 1),
            _ => {}
        }
    }
    has_changed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(schema: &str) -> String {
        let raw: &RawValue = serde_json::from_str(schema).expect("JSON");
        input_schema(Some(raw)).0.into_owned()
    }

    #[test]
    fn a_legal_schema_passes_verbatim() {
        let schema = r#"{"type" : "object","properties":{"anyOf":{"type":"integer","maximum":12345678901234567890123}}}"#;
        assert_eq!(input(schema), schema);
        assert_eq!(input_schema(None).0, EMPTY);
        assert_eq!(input("{}"), r#"{"properties":{},"type":"object"}"#);
    }

    #[test]
    fn a_combined_top_level_becomes_one_object() {
        let joined =
            input(r#"{"anyOf":[{"properties":{"a":{"type":"string"}},"required":["a"]},{"properties":{"b":{}},"required":["b"]}]}"#);
        let joined: Value = serde_json::from_str(&joined).expect("JSON");
        assert_eq!(joined, serde_json::json!({"type":"object","properties":{"a":{"type":"string"},"b":{}},"required":[]}));
    }

    #[test]
    fn output_objects_are_closed_but_properties_keep_their_names() {
        let raw: &RawValue =
            serde_json::from_str(r#"{"type":"object","properties":{"items":{"type":"array","items":{"type":"object"}}}}"#).expect("JSON");
        let closed: Value = serde_json::from_str(&output_schema(raw)).expect("JSON");
        assert_eq!(closed["additionalProperties"], false);
        assert_eq!(closed["properties"]["items"]["items"]["additionalProperties"], false);
        assert!(closed["properties"]["items"].get("additionalProperties").is_none());
    }
}
