//! Keeps a stream's `reasoning_details`, so that they go back as one list: pieces of an item are joined by type and index.

use serde_json::value::RawValue;
use serde_json::{Map, Value};

/// The items so far.
#[derive(Debug, Default)]
pub(super) struct Details {
    items: Vec<Map<String, Value>>,
}

impl Details {
    /// Takes the items of one delta.
    pub(super) fn push(&mut self, raw: &RawValue) {
        let Ok(Value::Array(list)) = serde_json::from_str(raw.get()) else { return };
        for item in list {
            if let Value::Object(item) = item {
                self.item(item);
            }
        }
    }

    fn item(&mut self, item: Map<String, Value>) {
        let is_same = |known: &&mut Map<String, Value>| ["type", "index"].iter().all(|name| known.get(*name) == item.get(*name));
        match self.items.last_mut().filter(|known| item.contains_key("index") && is_same(known)) {
            Some(known) => {
                for (name, value) in item {
                    match (known.get_mut(&name), value) {
                        (_, Value::Null) => {}
                        (Some(Value::String(old)), Value::String(more)) if matches!(&*name, "text" | "summary" | "data") => {
                            old.push_str(&more);
                        }
                        (_, value) => {
                            known.insert(name, value);
                        }
                    }
                }
            }
            None => self.items.push(item),
        }
    }

    /// The visible text of one delta's items.
    pub(super) fn text(raw: &RawValue) -> Option<String> {
        let Ok(Value::Array(list)) = serde_json::from_str(raw.get()) else { return None };
        let text: String = list.iter().filter_map(|item| item.get("text").or_else(|| item.get("summary"))?.as_str()).collect();
        (!text.is_empty()).then_some(text)
    }

    /// The list as JSON, empty when there is none; the next one begins.
    pub(super) fn take(&mut self) -> String {
        let items: Vec<Value> = std::mem::take(&mut self.items).into_iter().map(Value::Object).collect();
        if items.is_empty() { String::new() } else { Value::Array(items).to_string() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }
}
