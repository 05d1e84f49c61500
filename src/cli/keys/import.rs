//! `aimux keys import`: keys from an age file, a folder of them as `passage` keeps, or lines of an `.env` file.
//!
//! It reports names, never values. Start with [`run`]; `Found` is what a source holds, before anything is opened.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use zeroize::Zeroizing;

use crate::audit::{Action, Entry, Log};
use crate::cli::console::{Wanted, ask_passphrase, ask_passphrase_of, usable};
use crate::cli::output;
use crate::error::{Code, Error};
use crate::keys::{Existing, Opener, Store, is_age_file, unseal_with, wants_passphrase};
use crate::provider::table::PRESETS;
use crate::secret::Secret;

/// The most bytes of one source.
const BYTES_MAX: usize = 1 << 20;
/// The most files of a folder, and how deep they may lie.
const FILES_MAX: usize = 1000;
const DEPTH_MAX: usize = 4;
/// Exit code where something that was asked for was not imported.
const PARTLY: u8 = 1;

#[derive(Debug, clap::Args)]
pub(super) struct ImportArgs {
    /// An age file, a folder of them, or an .env file; `-` is standard input
    source: PathBuf,
    /// What a single age file's key is called here; else the file's own name
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Replace keys of the same names; the former ones are kept in keys/.retired
    #[arg(long)]
    force: bool,
}

/// A key that a source holds.
enum Found {
    Clear(Secret),
    Sealed(Zeroizing<Vec<u8>>),
}

/// What a source holds, and what of it is no key, with why.
#[derive(Default)]
struct Source {
    keys: Vec<(String, Found)>,
    left_out: Vec<(String, &'static str)>,
}

/// Runs the command.
pub(super) fn run(args: &ImportArgs, store: &Store, log: &Log, now: u64) -> Result<ExitCode, Error> {
    let source = read(args)?;
    if source.keys.is_empty() && source.left_out.is_empty() {
        return Err(Error::new(Code::Usage, "there are no keys in it")
            .hint("an .env file has lines such as ANTHROPIC_API_KEY=…, a folder has files such as anthropic.age"));
    }
    let existing = if args.force { Existing::Retire } else { Existing::Refuse };
    let (mut opener, mut said, mut is_partial) = (None, String::new(), false);
    for (name, found) in &source.keys {
        match import(name, found, existing, store, log, now, &mut opener) {
            Ok(masked) => said.push_str(&format!("imported \"{name}\" ({masked})\n")),
            Err(error) => {
                is_partial = true;
                said.push_str(&format!("left out \"{name}\": {}\n", error.message));
            }
        }
    }
    for (name, why) in &source.left_out {
        said.push_str(&format!("left out {name}: {why}\n"));
    }
    output::print(&output::printable(&said));
    Ok(if is_partial { ExitCode::from(PARTLY) } else { ExitCode::SUCCESS })
}

fn import<'a>(
    name: &str,
    found: &Found,
    existing: Existing,
    store: &'a Store,
    log: &Log,
    now: u64,
    opener: &mut Option<Opener<'a>>,
) -> Result<String, Error> {
    store.may_add(name, existing)?;
    let secret = match found {
        Found::Clear(secret) => secret.clone(),
        Found::Sealed(file) if wants_passphrase(file) => unseal_with(file, &ask_passphrase_of(&format!("Passphrase of {name}"))?)?,
        Found::Sealed(file) => {
            let opener = match opener {
                Some(opener) => opener,
                None => opener.insert(store.opener(&mut ask_passphrase)?),
            };
            opener.unseal(file)?
        }
    };
    let entry = Entry::new(Action::KeyImported, name);
    log.record(&entry, || store.add(name, &secret, existing, now, &mut ask_passphrase))?;
    Ok(secret.masked())
}

fn read(args: &ImportArgs) -> Result<Source, Error> {
    let failed =
        |error: std::io::Error| Error::new(Code::Usage, format!("cannot read {}: {error}", args.source.display())).caused_by(error);
    if args.source.is_dir() {
        let mut source = Source::default();
        folder(&args.source, "", 0, &mut source).map_err(failed)?;
        source.keys.sort_by(|one, other| one.0.cmp(&other.0));
        return Ok(source);
    }
    let is_stdin = args.source == Path::new("-");
    let bytes =
        if is_stdin { limited(&mut std::io::stdin().lock()) } else { File::open(&args.source).and_then(|mut file| limited(&mut file)) };
    let bytes = bytes.map_err(failed)?;
    if is_age_file(&bytes) {
        let own = args.source.file_stem().and_then(|stem| stem.to_str()).filter(|_| !is_stdin);
        let name = args
            .name
            .as_deref()
            .or(own)
            .ok_or_else(|| Error::new(Code::Usage, "the key needs a name").hint("as in `aimux keys import - --name anthropic`"))?;
        crate::keys::check_name(name)?;
        return Ok(Source { keys: vec![(name.to_owned(), Found::Sealed(bytes))], left_out: Vec::new() });
    }
    if args.name.is_some() {
        return Err(Error::new(Code::Usage, "--name is for a single age file").hint("the lines of an .env file name their keys"));
    }
    let text = std::str::from_utf8(&bytes).map_err(|_| Error::new(Code::Usage, "it is neither an age file nor text"))?;
    Ok(lines(text))
}

fn limited(input: &mut dyn Read) -> std::io::Result<Zeroizing<Vec<u8>>> {
    // The capacity is fixed beforehand: a vector that grows leaves copies of its content behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(BYTES_MAX + 1));
    input.take(u64::try_from(BYTES_MAX).unwrap_or(u64::MAX).saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() > BYTES_MAX {
        return Err(std::io::Error::other(format!("it is longer than {BYTES_MAX} bytes")));
    }
    Ok(bytes)
}

/// Every `*.age` below a folder; `a/b.age` is called `a-b`. Hidden files and symlinks are none of ours.
fn folder(path: &Path, front: &str, depth: usize, source: &mut Source) -> std::io::Result<()> {
    for entry in std::fs::read_dir(path)? {
        let entry = entry?;
        let (kind, file) = (entry.file_type()?, entry.file_name());
        let Some(file) = file.to_str().filter(|file| !file.starts_with('.')) else { continue };
        if kind.is_dir() && depth < DEPTH_MAX {
            folder(&entry.path(), &format!("{front}{file}-"), depth + 1, source)?;
        }
        let Some(stem) = file.strip_suffix(".age").filter(|_| kind.is_file()) else { continue };
        if source.keys.len() >= FILES_MAX {
            return Err(std::io::Error::other(format!("it has more than {FILES_MAX} files")));
        }
        let name = format!("{front}{stem}").to_ascii_lowercase();
        if crate::keys::check_name(&name).is_err() {
            source.left_out.push((format!("a file of {}", path.display()), "its name is none that a key may have"));
            continue;
        }
        source.keys.push((name, Found::Sealed(limited(&mut File::open(entry.path())?)?)));
    }
    Ok(())
}

/// The lines of an `.env` file whose variables are some provider's.
fn lines(text: &str) -> Source {
    let mut source = Source::default();
    for line in text.lines() {
        let line = line.trim();
        let line = line.strip_prefix("export ").unwrap_or(line);
        let Some((variable, value)) = line.split_once('=').filter(|_| !line.starts_with('#')) else { continue };
        let variable = variable.trim();
        if variable.is_empty() || !variable.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            continue;
        }
        let Some(preset) = PRESETS.iter().find(|preset| preset.env.contains(&variable)) else {
            // What else an .env file holds is not ours to list.
            if variable.ends_with("_API_KEY") {
                source.left_out.push((variable.to_owned(), "no provider is known that has it; add it with `aimux keys add NAME`"));
            }
            continue;
        };
        match usable(unquoted(value), Wanted::Key) {
            Ok(_) if source.keys.iter().any(|(name, _)| name == preset.name) => {
                source.left_out.push((variable.to_owned(), "there is a line for the same key before it"));
            }
            Ok(secret) => source.keys.push((preset.name.to_owned(), Found::Clear(secret))),
            Err(_) => source.left_out.push((variable.to_owned(), "its value is no key")),
        }
    }
    source
}

/// A value without its quotes, or without the comment after it.
fn unquoted(value: &str) -> &str {
    let value = value.trim();
    for quote in ['"', '\''] {
        if let Some((inner, _)) = value.strip_prefix(quote).and_then(|rest| rest.split_once(quote)) {
            return inner;
        }
    }
    value.split(" #").next().unwrap_or_default().trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_an_env_file_are_read_as_shells_do() {
        let text = "\
# OPENAI_API_KEY=commented
export ANTHROPIC_API_KEY=\"sk-ant-1\" # mine
OPENAI_API_KEY = 'sk-2'
ZHIPU_API_KEY=zz.3 # note
ZAI_API_KEY=again
GROQ_API_KEY=
FOO_API_KEY=what
DATABASE_URL=postgres://x
nonsense
";
        let source = lines(text);
        let keys: Vec<(&str, &str)> = source
            .keys
            .iter()
            .map(|(name, found)| match found {
                Found::Clear(secret) => (name.as_str(), secret.expose()),
                Found::Sealed(_) => panic!("{name}"),
            })
            .collect();
        assert_eq!(keys, [("anthropic", "sk-ant-1"), ("openai", "sk-2"), ("zai", "zz.3")]);
        let left_out: Vec<&str> = source.left_out.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(left_out, ["ZAI_API_KEY", "GROQ_API_KEY", "FOO_API_KEY"]);
    }
}
