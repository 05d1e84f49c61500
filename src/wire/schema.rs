//! JSON Schema: whether a value fits one, and where it does not. What a schema refers to outside of itself is never fetched.
//!
//! It lacks any bound of time: a schema that is not ours may ask for more than a check is worth, so whoever takes one from
//! elsewhere waits for [`Schema::faults`] with a limit.

use serde_json::Value;

/// The most faults that are told, and the longest of them, in characters: a fault has the value in it.
const FAULTS_MAX: usize = 8;
const FAULT_MAX: usize = 300;

/// A schema that can be held against values.
#[derive(Debug)]
pub(crate) struct Schema {
    validator: jsonschema::Validator,
}

impl Schema {
    /// Takes a schema, of draft 2020-12 where it names no other.
    ///
    /// # Errors
    /// With the reason, where it is none, or refers to what is not in it.
    pub(crate) fn of(value: &Value) -> Result<Self, String> {
        let validator = jsonschema::options().offline().build(value).map_err(|error| cut(&error.to_string()))?;
        Ok(Self { validator })
    }

    /// What of a value does not fit, each place with its reason, for a model or a person to read; `None`: it fits.
    pub(crate) fn faults(&self, value: &Value) -> Option<String> {
        let told = |fault: jsonschema::ValidationError<'_>| {
            let (at, reason) = (fault.instance_path().to_string(), cut(&fault.to_string()));
            if at.is_empty() { reason } else { format!("{at}: {reason}") }
        };
        let faults: Vec<String> = self.validator.iter_errors(value).take(FAULTS_MAX).map(told).collect();
        (!faults.is_empty()).then(|| faults.join("; "))
    }
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(FAULT_MAX) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_place_that_does_not_fit_is_told_with_its_reason() {
        let schema = Schema::of(&json!({"type": "object", "required": ["path"], "properties": {"lines": {"items": {"type": "integer"}}}}));
        let schema = schema.unwrap();
        assert_eq!(schema.faults(&json!({"path": "a", "lines": [1]})), None);
        let faults = schema.faults(&json!({"lines": [1, "two"]})).unwrap();
        assert!(faults.contains("\"path\" is a required property") && faults.contains("/lines/1: \"two\" is not of type"), "{faults}");
        let long = schema.faults(&json!({"path": 1, "lines": ["x".repeat(5000)]})).unwrap();
        assert!(long.starts_with("/lines/0: ") && long.ends_with('…') && long.chars().count() < 400, "{long}");
    }

    #[test]
    fn many_faults_are_not_all_told() {
        let schema = Schema::of(&json!({"items": {"type": "string"}})).unwrap();
        let faults = schema.faults(&(0..1000).collect::<Value>()).unwrap();
        assert_eq!(faults.split("; ").count(), FAULTS_MAX, "{faults}");
    }

    #[test]
    fn what_is_no_schema_or_refers_outside_is_refused_and_nothing_is_fetched() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let there = format!("http://{}/schema.json", listener.local_addr().unwrap());
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("schema.json");
        std::fs::write(&file, r#"{"type":"object"}"#).unwrap();
        for schema in [
            json!({"$ref": there}),
            json!({"properties": {"a": {"$ref": format!("file://{}", file.display())}}}),
            json!({"$ref": file}),
            json!({"$schema": there, "type": "object"}),
            json!({"$id": there, "$ref": "other.json"}),
            json!({"$ref": "#/$defs/absent"}),
            json!({"type": "nothing"}),
            json!({"properties": 1}),
            json!({"pattern": "("}),
            json!(1),
        ] {
            let refused = Schema::of(&schema);
            assert!(refused.as_ref().is_err_and(|reason| !reason.is_empty()), "{schema}: {refused:?}");
        }
        assert!(listener.accept().is_err(), "somebody came for the schema");
    }

    #[test]
    fn a_schema_that_refers_to_itself_ends() {
        for schema in [
            json!({"$ref": "#"}),
            json!({"allOf": [{"$ref": "#"}]}),
            json!({"not": {"$ref": "#"}}),
            json!({"if": {"$ref": "#"}, "then": {"$ref": "#"}}),
            json!({"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"}),
            json!({"$defs": {"a": {"anyOf": [{"$ref": "#/$defs/b"}]}, "b": {"oneOf": [{"$ref": "#/$defs/a"}, true]}}, "$ref": "#/$defs/a"}),
            json!({"$dynamicAnchor": "x", "allOf": [{"$dynamicRef": "#x"}]}),
            json!({"$schema": "https://json-schema.org/draft/2019-09/schema", "$recursiveAnchor": true, "allOf": [{"$recursiveRef": "#"}]}),
            json!({"unevaluatedProperties": {"$ref": "#"}, "allOf": [{"$ref": "#"}]}),
            json!({"propertyNames": {"$ref": "#"}, "properties": {"a": {"$ref": "#"}}}),
        ] {
            if let Ok(compiled) = Schema::of(&schema) {
                let mut nested = json!({"a": 1});
                (0..100).for_each(|_| nested = json!({"a": nested.take()}));
                let _ = (compiled.faults(&nested), compiled.faults(&json!(1)));
            }
        }
    }
}
