//! What git has of a folder: its files, and every line that a commit of any branch ever brought.
//!
//! The `git` program is run without what a repository's own config could make it start (pagers, diff drivers, hooks of a
//! file monitor) and without the network; its output is read line by line, to a limit. The content that only a merge brought is
//! not looked at. Start with [`Repository::open`].

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::Found;
use crate::error::{Code, Error};

/// The most bytes of a history that are read.
const HISTORY_MAX: u64 = 4 << 30;
/// The most bytes of a list of files.
const LIST_MAX: u64 = 256 << 20;
/// The part of a line that is looked at; the rest of it is passed over.
const LINE_MAX: usize = 1 << 20;
/// A line that begins a commit, followed by its hash. Lines of a diff begin otherwise.
const COMMIT: &str = "commit ";

/// A folder inside a git repository.
pub(super) struct Repository {
    root: PathBuf,
}

impl Repository {
    /// The repository that `root` is in; what is in the way is noted.
    pub(super) fn open(root: &Path, notes: &mut Vec<String>) -> Option<Self> {
        let repository = Self { root: root.to_path_buf() };
        let asked = repository.git(&["rev-parse", "--is-inside-work-tree"]).stdout(Stdio::piped()).stderr(Stdio::null()).output();
        match asked {
            Ok(output) if output.status.success() && output.stdout.starts_with(b"true") => return Some(repository),
            Ok(_) => notes.push("no git repository: all files were looked at, and no history".to_owned()),
            Err(error) => notes.push(format!("git could not be run ({error}): all files were looked at, and no history")),
        }
        None
    }

    fn git(&self, args: &[&str]) -> Command {
        let mut command = Command::new("git");
        command.arg("-C").arg(&self.root);
        for setting in ["core.fsmonitor=false", "core.pager=cat", "core.quotePath=false", "log.showSignature=false", "diff.renames=false"] {
            command.args(["-c", setting]);
        }
        command.args(args).stdin(Stdio::null());
        for (name, value) in [("GIT_TERMINAL_PROMPT", "0"), ("GIT_OPTIONAL_LOCKS", "0"), ("GIT_NO_LAZY_FETCH", "1"), ("LC_ALL", "C")] {
            command.env(name, value);
        }
        // What would lead git to another repository than the one asked about, or start a program for each file.
        for name in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_EXTERNAL_DIFF", "GIT_PAGER"] {
            command.env_remove(name);
        }
        command
    }

    /// The files below the folder that are tracked, or would be: what is ignored is not committed by mistake.
    pub(super) fn files(&self) -> Result<Vec<String>, Error> {
        let (child, output) = self.start(&["ls-files", "-z", "--cached", "--others", "--exclude-standard"])?;
        let mut list = Vec::new();
        output.take(LIST_MAX).read_to_end(&mut list).map_err(failed)?;
        ended(child)?;
        let mut files: Vec<String> =
            list.split(|byte| *byte == 0).filter(|name| !name.is_empty()).map(|name| String::from_utf8_lossy(name).into_owned()).collect();
        files.sort();
        files.dedup();
        Ok(files)
    }

    /// Looks through every line that a commit brought below the folder.
    pub(super) fn scan(&self, found: &mut Found) -> Result<(), Error> {
        let log = [
            "log",
            "--all",
            "--patch",
            "--unified=0",
            "--no-color",
            "--no-ext-diff",
            "--no-textconv",
            "--no-renames",
            "--relative",
            "--diff-filter=AM",
            "--src-prefix=a/",
            "--dst-prefix=b/",
            "--format=commit %H",
            "--",
            ".",
        ];
        let (mut child, output) = self.start(&log)?;
        let mut reader = BufReader::with_capacity(1 << 16, output.take(HISTORY_MAX));
        let mut place = Place::default();
        let (mut line, mut bytes) = (Vec::new(), 0_u64);
        while read_line(&mut reader, &mut line, &mut bytes).map_err(failed)? {
            place.take(&String::from_utf8_lossy(&line), found);
        }
        if bytes >= HISTORY_MAX {
            found.notes.push("the history is longer than 4 GiB; its older part was not looked at".to_owned());
            // It has more to say, and nobody listens.
            let _ = child.kill();
            let _ = child.wait();
            return Ok(());
        }
        ended(child)
    }

    fn start(&self, args: &[&str]) -> Result<(Child, std::process::ChildStdout), Error> {
        let mut child = self.git(args).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().map_err(failed)?;
        match child.stdout.take() {
            Some(output) => Ok((child, output)),
            None => Err(Error::new(Code::Bug, "git has no output")),
        }
    }
}

fn failed(error: std::io::Error) -> Error {
    Error::new(Code::ClientMissing, format!("git could not be run: {error}")).caused_by(error).hint("try `aimux keys scan --no-history`")
}

fn ended(mut child: Child) -> Result<(), Error> {
    let status = child.wait().map_err(failed)?;
    if status.success() {
        return Ok(());
    }
    Err(Error::new(Code::ClientMissing, format!("git failed ({status})")).hint("is the repository whole? try `git fsck`"))
}

/// Reads a line without its end, at most [`LINE_MAX`] bytes of it; `false` at the end of all.
fn read_line(reader: &mut impl BufRead, line: &mut Vec<u8>, bytes: &mut u64) -> std::io::Result<bool> {
    line.clear();
    let mut is_any = false;
    loop {
        let buffer = reader.fill_buf()?;
        if buffer.is_empty() {
            return Ok(is_any);
        }
        is_any = true;
        let end = memchr::memchr(b'\n', buffer);
        let part = buffer.get(..end.unwrap_or(buffer.len())).unwrap_or_default();
        line.extend_from_slice(part.get(..part.len().min(LINE_MAX.saturating_sub(line.len()))).unwrap_or_default());
        let used = end.map_or(buffer.len(), |at| at + 1);
        *bytes = bytes.saturating_add(u64::try_from(used).unwrap_or(u64::MAX));
        reader.consume(used);
        if end.is_some() {
            return Ok(true);
        }
    }
}

/// Where in the log a line stands.
#[derive(Default)]
struct Place {
    commit: String,
    path: String,
    line: usize,
    /// Added and removed lines that the hunk still has: within it, a line is content whatever it looks like.
    left: (usize, usize),
}

impl Place {
    fn take(&mut self, text: &str, found: &mut Found) {
        match (self.left, text.as_bytes().first()) {
            ((1.., _), Some(b'+')) => {
                self.left.0 -= 1;
                found.line(text.get(1..).unwrap_or_default(), &self.path, self.line, Some(&self.commit));
                self.line += 1;
                return;
            }
            ((_, 1..), Some(b'-')) => {
                self.left.1 -= 1;
                return;
            }
            _ => {}
        }
        if let Some(hash) = text.strip_prefix(COMMIT) {
            self.commit = hash.to_owned();
            found.commits += 1;
        } else if let Some(path) = text.strip_prefix("+++ ") {
            let path = path.trim_end_matches('\t').trim_matches('"');
            self.path = path.strip_prefix("b/").unwrap_or(path).to_owned();
        } else if let Some((removed, (line, added))) = text.strip_prefix("@@ -").and_then(hunk) {
            self.line = line;
            self.left = (added, removed);
        }
    }
}

/// Of `a,b +c,d @@`: b, c and d. A count that is not there is one.
fn hunk(text: &str) -> Option<(usize, (usize, usize))> {
    let (old, rest) = text.split_once(" +")?;
    let (new, _) = rest.split_once(" @@")?;
    let pair = |text: &str| {
        let (start, count) = text.split_once(',').unwrap_or((text, "1"));
        Some((start.parse::<usize>().ok()?, count.parse::<usize>().ok()?))
    };
    Some((pair(old)?.1, pair(new)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hunks_are_read() {
        assert_eq!(hunk("1,2 +3,4 @@ fn x()"), Some((2, (3, 4))));
        assert_eq!(hunk("0,0 +1 @@"), Some((0, (1, 1))));
        assert_eq!(hunk("what"), None);
    }

    #[test]
    fn a_line_longer_than_the_limit_is_cut_and_the_next_one_is_whole() {
        let text = format!("{}\nnext", "x".repeat(LINE_MAX + 10));
        let (mut reader, mut line, mut bytes) = (BufReader::with_capacity(7, text.as_bytes()), Vec::new(), 0);
        assert!(read_line(&mut reader, &mut line, &mut bytes).unwrap());
        assert_eq!(line.len(), LINE_MAX);
        assert!(read_line(&mut reader, &mut line, &mut bytes).unwrap());
        assert_eq!(line, b"next");
        assert!(!read_line(&mut reader, &mut line, &mut bytes).unwrap());
        assert_eq!(bytes, text.len() as u64);
    }
}
