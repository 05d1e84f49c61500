//! `-t` and `--save`: a prompt that is kept, with its variables. One YAML file each in the config folder's `templates/`.
//!
//! `$input` is the prompt and what is piped, `$name` what `-p name=value` says; `$$` is a dollar. Start with [`Template`].

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::args::RouteArgs;
use super::extract::Which;
use super::options::Choice;
use crate::config::Environment;
use crate::config::near::nearest;
use crate::error::{Code, Error};

/// The longest template, in bytes.
const LENGTH_MAX: u64 = 1 << 20;

/// A prompt that is kept.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Template {
    /// The prompt, with variables. What is given besides goes behind it, unless `$input` stands somewhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) prompt: Option<String>,
    /// The system text, with variables.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) system: Option<String>,
    /// The model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) model: Option<String>,
    /// As `-o` takes them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) options: Vec<String>,
    /// As `--schema` takes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) schema: Option<String>,
    /// Print the `first` or the `last` block of code alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) extract: Option<String>,
    /// What variables are where nothing is said.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) defaults: BTreeMap<String, String>,
}

/// What stands where a template would be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Free,
    /// The same template.
    Same,
    /// Another, or what is none.
    Other,
}

fn folder(environment: &Environment) -> PathBuf {
    environment.config_folder().join("templates")
}

pub(super) fn is_name(name: &str) -> bool {
    let is_plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'));
    (1..=64).contains(&name.len()) && is_plain && !name.starts_with('.')
}

impl Template {
    /// Reads one by its name, or by its path where that has a slash.
    ///
    /// # Errors
    /// When there is none, or it has mistakes.
    pub(super) fn load(name: &str, environment: &Environment) -> Result<Self, Error> {
        let path = if name.contains('/') { PathBuf::from(name) } else { folder(environment).join(format!("{name}.yaml")) };
        let mut text = String::new();
        let read = std::fs::File::open(&path).and_then(|file| file.take(LENGTH_MAX).read_to_string(&mut text));
        if let Err(error) = read {
            if error.kind() != std::io::ErrorKind::NotFound {
                return Err(Error::new(Code::Usage, format!("template {}: {error}", path.display())).caused_by(error));
            }
            let names = saved(environment);
            let error = Error::new(Code::Usage, format!("there is no template \"{name}\""));
            return Err(match nearest(name, names.iter().map(String::as_str)) {
                Some(near) => error.hint(format!("did you mean {near}?")),
                None if names.is_empty() => error.hint("--save NAME keeps one"),
                None => error.hint(format!("there are {}", names.join(", "))),
            });
        }
        let wrong = |what: String| Error::new(Code::Usage, format!("template {}: {what}", path.display()));
        let template: Self = serde_yaml::from_str(&text).map_err(|error| wrong(error.to_string()))?;
        if template.extract.as_deref().is_some_and(|which| which_of(which).is_none()) {
            return Err(wrong("extract is first or last".to_owned()));
        }
        Ok(template)
    }

    /// Keeps what the arguments say under a name; nobody is asked. Gives the file.
    ///
    /// # Errors
    /// When there is nothing to keep, or it cannot be written.
    pub(super) fn save(name: &str, args: &RouteArgs, environment: &Environment) -> Result<PathBuf, Error> {
        if !is_name(name) {
            return Err(Error::new(Code::Usage, format!("\"{name}\" is no name of a template")).hint("letters, digits, `-`, `_` and `.`"));
        }
        let extract = if args.extract {
            Some("first")
        } else if args.extract_last {
            Some("last")
        } else {
            None
        };
        let template = Self {
            prompt: args.prompt.clone(),
            system: args.system.clone(),
            model: args.model.clone(),
            options: args.options.iter().map(|text| Choice::parse(text).map(|_| text.clone())).collect::<Result<_, _>>()?,
            schema: args.schema.clone(),
            extract: extract.map(str::to_owned),
            defaults: variables(&args.parameters)?,
        };
        if template == Self::default() {
            return Err(Error::new(Code::Usage, "there is nothing to save").hint("give a prompt, -s, -m, -o or --schema with it"));
        }
        template.write(name, environment)
    }

    /// Writes it in the place of whatever is there. Gives the file.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn write(&self, name: &str, environment: &Environment) -> Result<PathBuf, Error> {
        let folder = folder(environment);
        let path = folder.join(format!("{name}.yaml"));
        let failed = |error: std::io::Error| Error::new(Code::StateFolder, format!("{}: {error}", path.display())).caused_by(error);
        let text = serde_yaml::to_string(self).map_err(|error| failed(std::io::Error::other(error.to_string())))?;
        write(&folder, &path, &text).map_err(failed)?;
        Ok(path)
    }

    /// What stands in its place.
    pub(super) fn place(&self, name: &str, environment: &Environment) -> Place {
        if folder(environment).join(format!("{name}.yaml")).symlink_metadata().is_err() {
            return Place::Free;
        }
        match Self::load(name, environment) {
            Ok(there) if there == *self => Place::Same,
            _ => Place::Other,
        }
    }

    /// The prompt and the system text, their variables put in.
    ///
    /// # Errors
    /// When a variable has no value.
    pub(super) fn filled(&self, input: &str, parameters: &[String]) -> Result<(String, Option<String>), Error> {
        let mut values = self.defaults.clone();
        values.extend(variables(parameters)?);
        values.insert("input".to_owned(), input.to_owned());
        let mut is_used = false;
        let system = self.system.as_deref().map(|text| fill(text, &values, &mut is_used)).transpose()?;
        let mut prompt = self.prompt.as_deref().map(|text| fill(text, &values, &mut is_used)).transpose()?.unwrap_or_default();
        if !is_used && !input.is_empty() {
            let gap = if prompt.is_empty() { "" } else { "\n\n" };
            prompt = format!("{prompt}{gap}{input}");
        }
        Ok((prompt, system))
    }

    /// The block of code that is wanted alone.
    pub(super) fn which(&self) -> Option<Which> {
        self.extract.as_deref().and_then(which_of)
    }
}

fn which_of(word: &str) -> Option<Which> {
    match word {
        "first" => Some(Which::First),
        "last" => Some(Which::Last),
        _ => None,
    }
}

/// The names of the templates that are kept.
/// The names of the templates, sorted.
pub(crate) fn saved(environment: &Environment) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder(environment)) else { return Vec::new() };
    let mut names: Vec<String> =
        entries.flatten().filter_map(|entry| Some(entry.file_name().to_str()?.strip_suffix(".yaml")?.to_owned())).collect();
    names.sort();
    names
}

fn write(folder: &Path, path: &Path, text: &str) -> std::io::Result<()> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let mut file = tempfile::NamedTempFile::with_prefix_in(".template-", folder)?;
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

/// `name=value`, each.
fn variables(parameters: &[String]) -> Result<BTreeMap<String, String>, Error> {
    let each = parameters.iter().map(|text| {
        let wrong = || Error::new(Code::Usage, format!("-p takes name=value, not \"{text}\""));
        let (name, value) = text.split_once('=').ok_or_else(wrong)?;
        Ok((name.trim().to_owned(), value.to_owned()))
    });
    each.collect()
}

/// The text with each `$name` and `${name}` replaced; a `$` before anything else stays.
fn fill(text: &str, values: &BTreeMap<String, String>, has_input: &mut bool) -> Result<String, Error> {
    let (mut out, mut rest) = (String::with_capacity(text.len()), text);
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        if let Some(after) = after.strip_prefix('$') {
            out.push('$');
            rest = after;
            continue;
        }
        let braced = after.strip_prefix('{').and_then(|inner| inner.split_once('}'));
        let (name, following) = braced.unwrap_or_else(|| {
            let end = after.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(after.len());
            after.split_at(end)
        });
        rest = following;
        if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
            out.push('$');
            out.push_str(name);
            continue;
        }
        *has_input |= name == "input";
        let missing =
            || Error::new(Code::Usage, format!("the template's ${name} has no value")).hint(format!("-p {name}=…; a dollar is $$"));
        out.push_str(values.get(name).ok_or_else(missing)?);
    }
    out.push_str(rest);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_put_in_and_dollars_stay() {
        let template = Template {
            prompt: Some("$$5, $5, ${lang}x: $input!".to_owned()),
            system: Some("speak $lang".to_owned()),
            defaults: BTreeMap::from([("lang".to_owned(), "French".to_owned())]),
            ..Template::default()
        };
        assert_eq!(template.filled("hi $x", &[]).unwrap(), ("$5, $5, Frenchx: hi $x!".to_owned(), Some("speak French".to_owned())));
        assert_eq!(template.filled("", &["lang=German".to_owned()]).unwrap().1.unwrap(), "speak German");
        let plain = Template { prompt: Some("Sum up:".to_owned()), ..Template::default() };
        assert_eq!(plain.filled("a text", &[]).unwrap().0, "Sum up:\n\na text");
        let open = Template { prompt: Some("$nobody".to_owned()), ..Template::default() };
        assert!(open.filled("", &[]).unwrap_err().message.contains("$nobody"));
        assert!(open.filled("", &["odd".to_owned()]).unwrap_err().message.contains("name=value"));
    }

    #[test]
    fn names_cannot_leave_the_folder() {
        for name in ["", "a/b", "..", ".x", "a b", &"x".repeat(65)] {
            assert!(!is_name(name), "{name}");
        }
        assert!(is_name("commit-message_1.0"));
    }
}
