//! `providers.NAME.models`: which models a provider serves, or what is known of some of them.
//!
//! Start with [`read`].

use super::diagnostic::{Diagnostic, Finding};
use super::fields;
use super::reader::{Reader, Section, join};
use super::tree::Value;
use crate::provider::models::{Known, Price};

/// The models of a list, or the facts of a mapping.
pub(crate) fn read(reader: &mut Reader<'_>, provider: &Section<'_>) -> (Vec<String>, Vec<(String, Known)>) {
    let Some(node) = provider.get("models") else { return (Vec::new(), Vec::new()) };
    if !matches!(node.value, Value::Map(_)) {
        return (reader.texts(provider, "models").into_iter().map(|text| text.text).collect(), Vec::new());
    }
    let path = provider.at("models");
    let mut facts = Vec::new();
    for (key, node) in reader.map(node, &path, "a mapping of models").unwrap_or_default() {
        let path = join(&path, &key.text);
        if key.text.is_empty() || key.text.contains('*') || key.text.chars().any(char::is_whitespace) {
            let message = format!("\"{}\" names no single model", key.text);
            let diagnostic = Diagnostic::new(Finding::BadValue, key.span, &path, message, "not a model");
            reader.found_with(diagnostic.help("write the id that the provider takes"));
        }
        let section = reader.section(node, &path, fields::MODEL_FACTS);
        facts.push((key.text.clone(), known(reader, &section)));
    }
    (Vec::new(), facts)
}

fn known(reader: &mut Reader<'_>, section: &Section<'_>) -> Known {
    Known {
        context: reader.integer(section, "context"),
        output_max: reader.integer(section, "output_max"),
        price: Price {
            input: reader.amount(section, "price_input"),
            output: reader.amount(section, "price_output"),
            cache_read: reader.amount(section, "price_cache_read"),
            cache_write: reader.amount(section, "price_cache_write"),
        },
        tools: reader.flag(section, "tools"),
        reasoning: reader.flag(section, "thinking"),
        structured: reader.flag(section, "structured"),
        images: reader.flag(section, "images"),
        pdf: reader.flag(section, "documents"),
    }
}
