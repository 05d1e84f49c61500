//! `aimux config init`: the first config, from a few questions or from the keys at hand. What it writes has passed the validator.

use std::io::{self, IsTerminal as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::backup::now;
use super::{CliError, output, store};
use crate::config::{
    Candidate, Environment, KeyPlace, Options, Placing, SCHEMA_FILE, candidates, check_text, first_config, locate, place_config, schema,
};
use crate::error::{Code, Error};
use crate::keys::{Existing, Store};
use crate::provider::models::models_of;
use crate::secret::Secret;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  aimux config init\n  aimux config init --yes\n  aimux config init --from-env --dry-run\n\nA schema for editors is \
written beside the config. A config that is replaced is backed up first."
)]
pub(super) struct InitArgs {
    /// Take the providers whose variables are set, and ask nothing
    #[arg(long)]
    from_env: bool,
    /// Take every provider whose key is at hand, and ask nothing
    #[arg(long)]
    yes: bool,
    /// Replace a config that is there
    #[arg(long)]
    force: bool,
    /// Print the config instead of writing it
    #[arg(long)]
    dry_run: bool,
}

/// Runs `aimux config init`.
pub(super) fn run(args: &InitArgs, path: Option<PathBuf>, environment: &Environment) -> Result<ExitCode, CliError> {
    let options = Options { path, listen: None };
    let path = locate(&options, environment).unwrap_or_else(|| environment.config_folder().join("config.yaml"));
    let store = store(environment);
    // Nobody should answer questions to learn that the answers are not wanted.
    if path.symlink_metadata().is_ok() && !args.force && !args.dry_run {
        return Err(Error::new(Code::Usage, format!("there is a config already: {}", path.display()))
            .hint("put --force to replace it; the former one is backed up")
            .into());
    }
    let text = if args.yes || args.from_env {
        at_hand(args.from_env, environment, &store)?
    } else if io::stdin().is_terminal() {
        asked(&mut Terminal, environment, &store, args.dry_run)?
    } else {
        return Err(Error::new(Code::Usage, "there is no terminal to ask on").hint("put --yes or --from-env").into());
    };
    let rendered = check_text(&path.display().to_string(), &text, environment, &store)?;
    output::error(&rendered);
    if args.dry_run {
        output::print(&text);
        return Ok(ExitCode::SUCCESS);
    }
    let placing = Placing { environment, store: &store, replace: args.force, now: now() };
    let former = place_config(&path, text.as_bytes(), &placing)?;
    write_schema(&path)?;
    let mut said = format!("wrote {}\n", path.display());
    if let Some(former) = former {
        said.push_str(&format!("the former one is the backup {former}\n"));
    }
    said.push_str("next: aimux run claude\n");
    output::print(&output::printable(&said));
    Ok(ExitCode::SUCCESS)
}

/// The schema beside the config, where its first line says that it is.
fn write_schema(config: &Path) -> Result<(), Error> {
    crate::config::write_beside(config, SCHEMA_FILE, schema().as_bytes())
}

fn at_hand(variables_only: bool, environment: &Environment, store: &Store) -> Result<String, CliError> {
    let wanted = |one: &Candidate| match one.key {
        KeyPlace::Variable(_) => true,
        KeyPlace::File(_) => !variables_only,
        KeyPlace::None => false,
    };
    // A variable counts also where a key file of the name is there.
    let nowhere = Store::new(Path::new("/nonexistent"), None);
    let chosen: Vec<Candidate> =
        candidates(environment, if variables_only { &nowhere } else { store }).into_iter().filter(wanted).collect();
    let Some(first) = chosen.first() else {
        let what = if variables_only { "no provider's variable is set" } else { "no provider's key is at hand" };
        return Err(Error::new(Code::ConfigMissing, what).hint("set ANTHROPIC_API_KEY, or add a key: `aimux keys add anthropic`").into());
    };
    let preset = first.preset;
    Ok(first_config(&chosen, &format!("{}/{}", preset.name, preset.main), &format!("{}/{}", preset.name, preset.fast)))
}

/// How the wizard asks.
trait Ask {
    fn several(&mut self, prompt: &str, items: &[String], chosen: &[bool]) -> Result<Vec<usize>, Error>;
    fn one(&mut self, prompt: &str, items: &[String], default: usize) -> Result<usize, Error>;
    /// Empty: later.
    fn key(&mut self, prompt: &str) -> Result<String, Error>;
    fn text(&mut self, prompt: &str) -> Result<String, Error>;
}

struct Terminal;

fn unanswered(error: dialoguer::Error) -> Error {
    Error::new(Code::Usage, "the questions were not answered; nothing was written").caused_by(error.to_string())
}

impl Ask for Terminal {
    fn several(&mut self, prompt: &str, items: &[String], chosen: &[bool]) -> Result<Vec<usize>, Error> {
        dialoguer::MultiSelect::new().with_prompt(prompt).items(items).defaults(chosen).max_length(20).interact().map_err(unanswered)
    }

    fn one(&mut self, prompt: &str, items: &[String], default: usize) -> Result<usize, Error> {
        dialoguer::Select::new().with_prompt(prompt).items(items).default(default).max_length(15).interact().map_err(unanswered)
    }

    fn key(&mut self, prompt: &str) -> Result<String, Error> {
        dialoguer::Password::new().with_prompt(prompt).allow_empty_password(true).interact().map_err(unanswered)
    }

    fn text(&mut self, prompt: &str) -> Result<String, Error> {
        dialoguer::Input::<String>::new().with_prompt(prompt).interact_text().map_err(unanswered)
    }
}

fn asked(ask: &mut dyn Ask, environment: &Environment, store: &Store, dry_run: bool) -> Result<String, CliError> {
    let all = candidates(environment, store);
    let label = |one: &Candidate| match &one.key {
        KeyPlace::File(_) => format!("{} (key file)", one.preset.title),
        KeyPlace::Variable(name) => format!("{} ({name})", one.preset.title),
        KeyPlace::None if one.preset.is_local => format!("{} (on this machine)", one.preset.title),
        KeyPlace::None => one.preset.title.to_owned(),
    };
    let items: Vec<String> = all.iter().map(label).collect();
    let at_hand: Vec<bool> = all.iter().map(|one| one.key != KeyPlace::None).collect();
    let picked = ask.several("Who may answer? Space chooses, Enter goes on", &items, &at_hand)?;
    let mut chosen: Vec<Candidate> = picked.into_iter().filter_map(|index| all.get(index).cloned()).collect();
    if chosen.is_empty() {
        return Err(Error::new(Code::Usage, "no provider was chosen; nothing was written").into());
    }
    if chosen.len() > 1 {
        let names: Vec<String> = chosen.iter().map(|one| one.preset.title.to_owned()).collect();
        let first = ask.one("Who is asked first? The others step in when it fails", &names, 0)?;
        let first = chosen.remove(first.min(chosen.len() - 1));
        chosen.insert(0, first);
    }
    for one in chosen.iter_mut().filter(|one| one.key == KeyPlace::None && !one.preset.is_local && !dry_run) {
        let given = Secret::new(ask.key(&format!("Key of {} (hidden; empty: later)", one.preset.title))?);
        if given.expose().trim().is_empty() {
            continue;
        }
        let secret = Secret::new(given.expose().trim().to_owned());
        store.add(one.preset.name, &secret, Existing::Refuse, now(), &mut crate::cli::console::ask_passphrase)?;
        one.key = KeyPlace::File(one.preset.name.to_owned());
    }
    let main = model(ask, &chosen, "Which model is the main one (claude-opus, claude-sonnet)?", |one| one.preset.main)?;
    let fast = model(ask, &chosen, "Which model does the small things (claude-haiku)?", |one| one.preset.fast)?;
    Ok(first_config(&chosen, &main, &fast))
}

fn model(ask: &mut dyn Ask, chosen: &[Candidate], prompt: &str, usual: fn(&Candidate) -> &'static str) -> Result<String, Error> {
    let Some(first) = chosen.first() else { return Ok(String::new()) };
    let of = |one: &Candidate| models_of(one.preset.catalog).map(|model| format!("{}/{}", one.preset.name, model.id)).collect::<Vec<_>>();
    let models = of(first);
    if models.is_empty() || usual(first).is_empty() {
        // A local server's models are known to its owner only.
        let named = ask.text(&format!("{prompt} Its name at {}", first.preset.title))?;
        return Ok(format!("{}/{}", first.preset.name, named.trim()));
    }
    let wanted = format!("{}/{}", first.preset.name, usual(first));
    let default = models.iter().position(|model| *model == wanted).unwrap_or(0);
    let index = ask.one(prompt, &models, default)?;
    Ok(models.get(index).cloned().unwrap_or(wanted))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Script {
        several: Vec<usize>,
        one: Vec<usize>,
        key: String,
        text: String,
        asked: Vec<String>,
    }

    impl Ask for Script {
        fn several(&mut self, prompt: &str, _items: &[String], _chosen: &[bool]) -> Result<Vec<usize>, Error> {
            self.asked.push(prompt.to_owned());
            Ok(self.several.clone())
        }

        fn one(&mut self, prompt: &str, _items: &[String], default: usize) -> Result<usize, Error> {
            self.asked.push(prompt.to_owned());
            Ok(self.one.pop().unwrap_or(default))
        }

        fn key(&mut self, prompt: &str) -> Result<String, Error> {
            self.asked.push(prompt.to_owned());
            Ok(self.key.clone())
        }

        fn text(&mut self, prompt: &str) -> Result<String, Error> {
            self.asked.push(prompt.to_owned());
            Ok(self.text.clone())
        }
    }

    fn index(name: &str) -> usize {
        crate::provider::table::PRESETS.iter().position(|preset| preset.name == name).unwrap()
    }

    fn run(script: &mut Script, folder: &Path) -> (Result<String, CliError>, Store) {
        let store = Store::new(folder, None);
        let environment = Environment::new([("XDG_CONFIG_HOME".to_owned(), folder.display().to_string())]);
        let text = asked(script, &environment, &store, false);
        if let Ok(text) = &text {
            assert_eq!(check_text("c", text, &environment, &store).map(|said| said.contains("error[")).ok(), Some(false), "{text}");
        }
        (text, store)
    }

    #[test]
    fn the_wizard_keeps_a_key_and_writes_none() {
        let folder = tempfile::tempdir().unwrap();
        let mut script =
            Script { several: vec![index("anthropic"), index("zai")], key: " sk-typed-0123456789 ".to_owned(), ..Script::default() };
        let (text, store) = run(&mut script, folder.path());
        let text = text.unwrap();
        assert!(text.contains("anthropic: { key: anthropic }") && text.contains("zai: { key: zai }"), "{text}");
        assert!(!text.contains("sk-typed") && text.contains("\"claude-*\": [anthropic/claude-opus-4-8, zai/glm-5.2]"), "{text}");
        assert_eq!(store.names().unwrap(), ["anthropic", "zai"]);
        assert_eq!(script.asked.len(), 6, "{:?}", script.asked);
    }

    #[test]
    fn a_key_may_come_later_and_a_local_model_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let mut script = Script { several: vec![index("ollama")], text: "qwen3:8b".to_owned(), ..Script::default() };
        let text = run(&mut script, folder.path()).0.unwrap();
        assert!(text.contains("ollama: {}") && text.contains("\"claude-*\": [\"ollama/qwen3:8b\"]"), "{text}");
        let mut script = Script { several: vec![index("anthropic")], ..Script::default() };
        let (text, store) = run(&mut script, folder.path());
        assert!(text.unwrap().contains("aimux keys add anthropic") && store.names().unwrap().is_empty());
        assert!(run(&mut Script::default(), folder.path()).0.is_err(), "nothing chosen");
    }
}
