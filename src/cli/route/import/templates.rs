//! `templates/*.yaml`: most of a template is the same in both programs; what ours has no place for is named.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::args::LlmArgs;
use super::taken::{Leads, line};
use crate::cli::route::options::Choice;
use crate::cli::route::template::{Place, Template, is_name};
use crate::config::Environment;
use crate::error::{Code, Error};

/// The longest template, in bytes.
const LENGTH_MAX: u64 = 1 << 20;

/// A template as `llm` writes it. What is not named here is lost, and told.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Theirs {
    prompt: Option<String>,
    system: Option<String>,
    model: Option<String>,
    defaults: Option<BTreeMap<String, Value>>,
    options: Option<BTreeMap<String, Value>>,
    extract: Option<bool>,
    extract_last: Option<bool>,
    schema_object: Option<Value>,
}

/// Members that ours has no place for.
const UNKNOWN: [&str; 6] = ["fragments", "system_fragments", "attachments", "attachment_types", "tools", "functions"];

#[derive(Debug, Default, Serialize)]
pub(super) struct Taken {
    taken: Vec<String>,
    replaced: Vec<String>,
    /// Ours is the same.
    there: Vec<String>,
    /// Ours is another one.
    left: Vec<String>,
    /// Not ours to have: why.
    refused: Vec<String>,
    /// What of those that were taken is not in ours.
    lost: Vec<String>,
    /// Those that were taken, and ask for a model that nothing in the config serves.
    unserved: Vec<String>,
}

/// A small text file; `None`: there is none.
pub(super) fn read(path: &Path, most: u64) -> Result<Option<String>, Error> {
    let mut text = String::new();
    match std::fs::File::open(path).and_then(|file| file.take(most).read_to_string(&mut text)) {
        Ok(_) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::new(Code::Usage, format!("{}: {error}", path.display())).caused_by(error)),
    }
}

/// Takes all that there are; `None`: there is no folder of them.
pub(super) fn take(folder: &Path, args: &LlmArgs, leads: Leads<'_>, environment: &Environment) -> Result<Option<Taken>, Error> {
    let Ok(entries) = std::fs::read_dir(folder.join("templates")) else { return Ok(None) };
    let mut names: Vec<String> =
        entries.flatten().filter_map(|entry| Some(entry.file_name().to_str()?.strip_suffix(".yaml")?.to_owned())).collect();
    names.sort();
    let mut taken = Taken::default();
    for name in names {
        let text = match read(&folder.join("templates").join(format!("{name}.yaml")), LENGTH_MAX) {
            Ok(text) => text.unwrap_or_default(),
            Err(error) => {
                taken.refused.push(format!("{name} ({error})"));
                continue;
            }
        };
        taken.one(&name, &text, args, leads, environment)?;
    }
    Ok(Some(taken))
}

impl Taken {
    fn one(&mut self, name: &str, text: &str, args: &LlmArgs, leads: Leads<'_>, environment: &Environment) -> Result<(), Error> {
        if !is_name(name) {
            self.refused.push(format!("{name} (no name of a template)"));
            return Ok(());
        }
        let (template, lost) = match ours(text) {
            Ok(found) => found,
            Err(why) => {
                self.refused.push(format!("{name} ({why})"));
                return Ok(());
            }
        };
        let list = match template.place(name, environment) {
            Place::Free => &mut self.taken,
            Place::Other if args.overwrite => &mut self.replaced,
            Place::Same => {
                self.there.push(name.to_owned());
                return Ok(());
            }
            Place::Other => {
                self.left.push(name.to_owned());
                return Ok(());
            }
        };
        if !args.dry_run {
            template.write(name, environment)?;
        }
        list.push(name.to_owned());
        if !lost.is_empty() {
            self.lost.push(format!("{name} ({})", lost.join(", ")));
        }
        if let Some(model) = template.model.filter(|model| leads(model).is_none()) {
            self.unserved.push(format!("{name} ({model})"));
        }
        Ok(())
    }

    pub(super) fn text(&self) -> String {
        let head = "templates";
        let text = [
            line(head, "taken", &self.taken),
            line(head, "replaced", &self.replaced),
            line(head, "there already", &self.there),
            line(head, "left, since yours of that name are others (--overwrite replaces them)", &self.left),
            line(head, "that cannot be taken", &self.refused),
            line(head, "taken without", &self.lost),
            line(head, "taken that ask for a model which nothing in the config serves", &self.unserved),
        ]
        .concat();
        if text.is_empty() { "templates  none\n".to_owned() } else { text }
    }
}

/// The template as ours, and what is not in it.
fn ours(text: &str) -> Result<(Template, Vec<String>), String> {
    let value: Value = serde_yaml::from_str(text).map_err(|error| error.to_string().lines().next().unwrap_or_default().to_owned())?;
    // A template may be its prompt alone.
    if let Value::String(prompt) = value {
        return Ok((Template { prompt: Some(prompt), ..Template::default() }, Vec::new()));
    }
    let Value::Object(members) = &value else { return Err("no template".to_owned()) };
    let mut lost: Vec<String> =
        UNKNOWN.iter().filter(|name| !members.get(**name).is_none_or(is_empty)).map(|name| (*name).to_owned()).collect();
    let theirs: Theirs = serde_json::from_value(value).map_err(|error| error.to_string())?;
    let Theirs { mut prompt, system, model, defaults, options, extract, extract_last, schema_object } = theirs;
    let has_input = |text: &String| text.contains("$input") || text.contains("${input}");
    if prompt.is_none() && system.as_ref().is_some_and(has_input) {
        // There, what is given is the prompt all the same.
        prompt = Some("$input".to_owned());
    }
    let mut given = Vec::new();
    for (name, value) in options.into_iter().flatten() {
        let option = format!("{name}={}", plain(&value).unwrap_or_default());
        if Choice::parse(&option).is_ok() { given.push(option) } else { lost.push(format!("option {name}")) }
    }
    let mut variables = BTreeMap::new();
    for (name, value) in defaults.into_iter().flatten() {
        match plain(&value) {
            Some(value) => drop(variables.insert(name, value)),
            None => lost.push(format!("default {name}")),
        }
    }
    let extract = if extract == Some(true) { Some("first") } else { (extract_last == Some(true)).then_some("last") };
    let schema = schema_object.map(|schema| schema.to_string());
    // Both at once are none with us.
    let extract = extract.filter(|_| schema.is_none()).map(str::to_owned);
    Ok((Template { prompt, system, model, options: given, schema, extract, defaults: variables }, lost))
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::String(text) => text.is_empty(),
        _ => false,
    }
}

/// A value as it is written for `-o` and `-p`; `None`: it is a list or a mapping.
fn plain(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Null => Some(String::new()),
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_is_the_same_but_for_what_is_named() {
        let (template, lost) = ours(
            "model: gpt-4o\nprompt: 'Say $x: $input'\ndefaults: {x: 5, y: [1]}\noptions: {temperature: 0.5, json_object: true}\nextract: true\n\
             fragments: [a]\ntools: []\nfunctions: 'def f(): pass'\n",
        )
        .unwrap();
        assert_eq!(template.prompt.as_deref(), Some("Say $x: $input"));
        assert_eq!((template.options, template.extract.as_deref()), (vec!["temperature=0.5".to_owned()], Some("first")));
        assert_eq!(template.defaults, BTreeMap::from([("x".to_owned(), "5".to_owned())]));
        assert_eq!(lost, ["fragments", "functions", "option json_object", "default y"]);
        assert_eq!(ours("just words").unwrap().0.prompt.as_deref(), Some("just words"));
        let (system, _) = ours("system: 'translate $input'").unwrap();
        assert_eq!(system.prompt.as_deref(), Some("$input"));
        let (schema, _) = ours("schema_object: {type: object, properties: {b: {type: string}, a: {}}}").unwrap();
        assert!(schema.schema.unwrap().starts_with("{\""));
        assert!(ours("[1]").is_err() && ours("a: [").is_err() && ours("prompt: {a: 1}").is_err());
    }
}
