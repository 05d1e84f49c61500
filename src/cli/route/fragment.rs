//! `-f`: files beside the prompt, each with its name: one file, a folder with all that is in it, or a pattern.
//!
//! Of a folder and a pattern, what is hidden or no text is left out; a file that is named must be text. Symbolic links are
//! followed only where they are named. Start with [`read`].

use std::io::Read as _;
use std::path::{Path, PathBuf};

use super::attach::too_long;
use crate::error::{Code, Error};
use crate::route::glob::Glob;

/// Files in all.
const FILES_MAX: usize = 1000;
/// Files that a pattern is held against.
const LOOKED_AT_MAX: usize = 100_000;
/// Folders in each other.
const DEPTH_MAX: usize = 32;

/// Reads what `-f` names, of `limit` bytes at most in all. Each text says which file it is.
///
/// # Errors
/// When something named is not there, is no text, or it is too much.
pub(super) fn read(named: &[String], limit: usize) -> Result<Vec<String>, Error> {
    let mut texts = Vec::new();
    let mut left = limit;
    for named in named {
        let is_one = !Path::new(named).is_dir();
        let paths = found(named)?;
        let is_pattern = is_one && paths.first().is_none_or(|path| path != Path::new(named));
        for path in paths {
            let Some(text) = text(&path, left, limit)? else {
                if is_one && !is_pattern {
                    return Err(Error::new(Code::Usage, format!("{} is no text", path.display())).hint("attach it with -a"));
                }
                continue;
            };
            left = left.saturating_sub(text.len());
            texts.push(labelled(&path, &text));
            if texts.len() > FILES_MAX {
                return Err(Error::new(Code::Usage, format!("-f {named}: more than {FILES_MAX} files")).hint("name fewer"));
            }
        }
    }
    Ok(texts)
}

fn labelled(path: &Path, text: &str) -> String {
    let name = path.display().to_string().replace(['"', '\n', '\r'], "_");
    let gap = if text.ends_with('\n') { "" } else { "\n" };
    format!("<file name=\"{name}\">\n{text}{gap}</file>")
}

/// The files that a name stands for, sorted.
fn found(named: &str) -> Result<Vec<PathBuf>, Error> {
    let path = Path::new(named);
    let mut paths = Vec::new();
    if path.is_dir() {
        walk(path, DEPTH_MAX, FILES_MAX + 1, &mut paths);
    } else if path.exists() || !named.contains(['*', '?']) {
        return Ok(vec![path.to_path_buf()]);
    } else {
        matching(named, &mut paths);
    }
    paths.sort();
    if paths.is_empty() {
        return Err(Error::new(Code::Usage, format!("-f {named}: there is no such file")));
    }
    Ok(paths)
}

/// The files below a folder, so deep and so many at most; what cannot be listed is left out.
fn walk(folder: &Path, depth: usize, most: usize, out: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let is_hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
        let Ok(kind) = entry.file_type() else { continue };
        if is_hidden || out.len() >= most {
            continue;
        }
        if kind.is_dir() && depth > 0 {
            walk(&entry.path(), depth - 1, most, out);
        } else if kind.is_file() {
            out.push(entry.path());
        }
    }
}

/// The files that a pattern fits: `*` and `?` within a name, `**` for folders in any number.
fn matching(pattern: &str, out: &mut Vec<PathBuf>) {
    let parts: Vec<&str> = pattern.split('/').collect();
    let fixed = parts.iter().take_while(|part| !part.contains(['*', '?'])).count();
    let root: PathBuf = match parts.get(..fixed).unwrap_or_default() {
        [] => PathBuf::from("."),
        [""] => PathBuf::from("/"),
        head => head.join("/").into(),
    };
    let rest = parts.get(fixed..).unwrap_or_default();
    let depth = if rest.contains(&"**") { DEPTH_MAX } else { rest.len().saturating_sub(1) };
    let mut below = Vec::new();
    walk(&root, depth, LOOKED_AT_MAX, &mut below);
    for path in below {
        let Ok(relative) = path.strip_prefix(&root) else { continue };
        let names: Vec<String> = relative.iter().map(|name| name.to_string_lossy().into_owned()).collect();
        if fits(rest, &names) {
            out.push(if fixed == 0 { relative.to_path_buf() } else { path });
        }
    }
}

fn fits(pattern: &[&str], names: &[String]) -> bool {
    match (pattern.split_first(), names.split_first()) {
        (None, None) => true,
        (Some((&"**", rest)), _) => fits(rest, names) || names.split_first().is_some_and(|(_, names)| fits(pattern, names)),
        (Some((part, rest)), Some((name, names))) => one_fits(part, name) && fits(rest, names),
        _ => false,
    }
}

fn one_fits(pattern: &str, name: &str) -> bool {
    if !pattern.contains('?') {
        return Glob::new(pattern).matches(name);
    }
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    chars_fit(&pattern, &name)
}

fn chars_fit(pattern: &[char], name: &[char]) -> bool {
    match (pattern.split_first(), name.split_first()) {
        (None, None) => true,
        (Some(('*', rest)), _) => chars_fit(rest, name) || name.split_first().is_some_and(|(_, name)| chars_fit(pattern, name)),
        (Some((part, rest)), Some((c, name))) => (*part == '?' || part == c) && chars_fit(rest, name),
        _ => false,
    }
}

/// The text of a file; `None` where it is none.
fn text(path: &Path, left: usize, limit: usize) -> Result<Option<String>, Error> {
    let failed = |error: std::io::Error| Error::new(Code::Usage, format!("{}: {error}", path.display())).caused_by(error);
    let mut bytes = Vec::new();
    let most = u64::try_from(left).unwrap_or(u64::MAX).saturating_add(1);
    std::fs::File::open(path).map_err(failed)?.take(most).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() > left {
        return Err(too_long("what -f names", limit));
    }
    Ok(String::from_utf8(bytes).ok().filter(|text| !text.contains('\0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_fits_names_and_folders() {
        let split = |path: &str| path.split('/').map(str::to_owned).collect::<Vec<_>>();
        for (pattern, path, is_fit) in [
            ("*.rs", "a.rs", true),
            ("*.rs", "b/a.rs", false),
            ("**/*.rs", "a.rs", true),
            ("**/*.rs", "b/c/a.rs", true),
            ("src/**", "src/a/b", true),
            ("src/*", "src/a/b", false),
            ("?.rs", "a.rs", true),
            ("?.rs", "ab.rs", false),
            ("a*c?", "abbcd", true),
        ] {
            assert_eq!(fits(&pattern.split('/').collect::<Vec<_>>(), &split(path)), is_fit, "{pattern} {path}");
        }
    }

    #[test]
    fn folders_and_patterns_leave_out_what_is_hidden_or_no_text() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::create_dir_all(at("sub")).unwrap();
        for (name, bytes) in [("a.txt", &b"one"[..]), ("sub/b.txt", b"two\n"), ("c.bin", b"\xff\0"), (".hidden", b"no")] {
            std::fs::write(at(name), bytes).unwrap();
        }
        let named = |name: &str| vec![at(name).display().to_string()];
        let texts = read(&named(""), 1000).unwrap();
        assert_eq!(texts.len(), 2, "{texts:?}");
        assert!(texts[0].starts_with("<file name=\"") && texts[0].ends_with("a.txt\">\none\n</file>"), "{}", texts[0]);
        assert_eq!(read(&named("**/*.txt"), 1000).unwrap(), texts);
        assert_eq!(read(&named("*.txt"), 1000).unwrap().len(), 1);
        for (name, code) in [("c.bin", Code::Usage), ("absent", Code::Usage), ("*.absent", Code::Usage)] {
            assert_eq!(read(&named(name), 1000).unwrap_err().code, code, "{name}");
        }
        assert_eq!(read(&named("a.txt"), 2).unwrap_err().code, Code::BodyTooLarge);
    }
}
