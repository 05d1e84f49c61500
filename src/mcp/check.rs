//! Whether a call's arguments fit the tool's own schema, before anybody is asked about it.
//!
//! The schema is a server's, and nothing is believed of it: it may be none, refer to places that are not asked, or be made to
//! take for ever. Then its tool's arguments are not checked, which is said once; the server checks them itself.

use std::collections::HashSet;
use std::sync::mpsc::channel;
use std::time::Duration;

use serde_json::Value;

use super::{Tool, arguments};
use crate::wire::schema::Schema;

/// How long a check may take.
const CHECK_MAX: Duration = Duration::from_secs(2);
/// What a check may put on its stack: schemas and arguments are nested.
const STACK: usize = 8 << 20;

/// How a call's arguments are.
#[derive(Debug, PartialEq, Eq)]
pub enum Fit {
    /// They may go to the server.
    Fits,
    /// They may not: what is wrong where, for a model or a person to read.
    Misfit(String),
    /// They may, unchecked, as all of this tool from now on; why.
    Unchecked(String),
}

/// The checks of one command.
#[derive(Debug, Default)]
pub struct Checks {
    /// Tools whose schema is of no use, by the names that they are offered by.
    without: HashSet<String>,
}

impl Checks {
    /// Holds the JSON text of arguments against the tool's schema.
    pub fn fit(&mut self, tool: &Tool, arguments: &str) -> Fit {
        let value = match arguments::object(arguments) {
            Ok(object) => Value::Object(object),
            Err(reason) => return Fit::Misfit(reason),
        };
        if self.without.contains(&tool.offered) {
            return Fit::Fits;
        }
        let fit = in_time(tool.schema.get().to_owned(), value);
        if matches!(fit, Fit::Unchecked(_)) {
            self.without.insert(tool.offered.clone());
        }
        fit
    }
}

/// A check on a thread of its own. One that takes too long is left to itself, until the command ends.
fn in_time(schema: String, value: Value) -> Fit {
    let (tell, told) = channel();
    // Whoever asked may have gone.
    let work = move || drop(tell.send(fit(&schema, &value)));
    let thread = std::thread::Builder::new().name("check".to_owned()).stack_size(STACK).spawn(work);
    let late = || Fit::Unchecked(format!("it takes more than {} s", CHECK_MAX.as_secs()));
    match thread {
        Ok(_) => told.recv_timeout(CHECK_MAX).unwrap_or_else(|_| late()),
        Err(error) => Fit::Unchecked(format!("there is no thread for it: {error}")),
    }
}

fn fit(schema: &str, value: &Value) -> Fit {
    let schema = serde_json::from_str(schema).map_err(|error| error.to_string()).and_then(|schema| Schema::of(&schema));
    match schema.map(|schema| schema.faults(value)) {
        Ok(None) => Fit::Fits,
        Ok(Some(faults)) => Fit::Misfit(faults),
        Err(reason) => Fit::Unchecked(reason),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use serde_json::value::to_raw_value;

    use super::*;

    fn tool(schema: &Value) -> Tool {
        Tool {
            server: "box".to_owned(),
            name: "open".to_owned(),
            offered: "open".to_owned(),
            description: String::new(),
            schema: to_raw_value(schema).unwrap(),
            at: 0,
        }
    }

    #[test]
    fn arguments_fit_or_it_is_told_what_is_wrong_where() {
        let schema = json!({"type": "object", "required": ["path"], "additionalProperties": false,
            "properties": {"path": {"type": "string", "minLength": 1}, "depth": {"type": "integer"}, "mode": {"enum": ["r", "w"]}}});
        let (tool, mut checks) = (tool(&schema), Checks::default());
        for fits in
            [r#"{"path":"a"}"#, r#" {"path":"a","depth":3.0,"mode":"r"} "#, r#"{"path":"a","depth":123456789012345678901234567890}"#]
        {
            assert_eq!(checks.fit(&tool, fits), Fit::Fits, "{fits}");
        }
        for (arguments, words) in [
            ("", "\"path\" is a required property"),
            ("{}", "\"path\" is a required property"),
            (r#"{"path":1}"#, "/path: 1 is not of type \"string\""),
            (r#"{"path":""}"#, "/path: "),
            (r#"{"path":"a","mode":"x"}"#, "/mode: "),
            (r#"{"path":"a","depth":"1"}"#, "/depth: "),
            (r#"{"path":"a","dept":1}"#, "dept"),
            ("[1]", "no JSON object"),
            ("null", "no JSON object"),
            ("\"{}\"", "no JSON object"),
            (r#"{"path":"a""#, "no JSON object"),
            (r#"{"path":"a"}{}"#, "no JSON object"),
        ] {
            let fit = checks.fit(&tool, arguments);
            assert!(matches!(&fit, Fit::Misfit(reason) if reason.contains(words)), "{arguments}: {fit:?}");
        }
        let deep = format!("{{\"path\":{}1{}}}", "[".repeat(1000), "]".repeat(1000));
        assert!(matches!(checks.fit(&tool, &deep), Fit::Misfit(_)));
    }

    #[test]
    fn a_schema_of_no_use_is_told_once_and_no_call_is_kept_from_it() {
        for schema in
            [json!({"type": "nothing"}), json!({"$ref": "https://schemas.example/open.json"}), json!({"$ref": "file:///etc/hostname"})]
        {
            let (tool, mut checks) = (tool(&schema), Checks::default());
            let first = checks.fit(&tool, r#"{"a":1}"#);
            assert!(matches!(&first, Fit::Unchecked(reason) if !reason.is_empty()), "{schema}: {first:?}");
            assert_eq!(checks.fit(&tool, r#"{"a":1}"#), Fit::Fits, "{schema}");
            assert!(matches!(checks.fit(&tool, "[]"), Fit::Misfit(_)), "{schema}: no object is none without a schema, too");
        }
    }

    #[test]
    fn a_schema_made_to_take_for_ever_holds_nobody_up() {
        let both = |next: usize| json!({"oneOf": [{"$ref": format!("#/$defs/d{next}")}, {"$ref": format!("#/$defs/d{next}")}]});
        let mut defs: serde_json::Map<String, Value> = (0..60).map(|at| (format!("d{at}"), both(at + 1))).collect();
        defs.insert("d60".to_owned(), json!({"type": "array"}));
        let tool = tool(&json!({"$defs": defs, "$ref": "#/$defs/d0"}));
        let began = std::time::Instant::now();
        let fit = Checks::default().fit(&tool, "{}");
        assert!(began.elapsed() < CHECK_MAX * 3, "{:?}", began.elapsed());
        assert_ne!(fit, Fit::Fits);
    }
}
