//! What is typed at a chat: a command, or a prompt. A command is a slash and a word of letters alone: a path is none.

use crate::config::near::nearest;
use crate::error::{Code, Error};

/// The commands: name, what may stand behind it, what it does.
pub(super) const COMMANDS: [(&str, &str, &str); 8] = [
    ("model", "[NAME]", "ask another model from now on; without a name, tell which"),
    ("system", "[TEXT]", "what the model is told before the prompts; `-` is nothing"),
    ("attach", "[FILE]", "an image, a PDF, sound or a text beside the next prompt; `-` takes all away"),
    ("explain", "[PROMPT]", "where the next prompt would go, why, and what it would cost; nobody is asked"),
    ("cost", "", "what this chat took and cost, and how full the window is"),
    ("save", "FILE", "write the conversation into a file, as Markdown"),
    ("help", "", "this"),
    ("exit", "", "end it; so does Ctrl-D"),
];

/// A line that was typed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Typed<'a> {
    Nothing,
    Prompt(&'a str),
    /// Its name, and what stands behind it.
    Command(&'static str, &'a str),
}

impl<'a> Typed<'a> {
    /// What a line is. Two slashes begin a prompt that begins with one.
    ///
    /// # Errors
    /// When it is a command that there is not.
    pub(super) fn read(line: &'a str) -> Result<Self, Error> {
        let trimmed = line.trim();
        if trimmed.is_empty() {
            return Ok(Self::Nothing);
        }
        let Some(rest) = trimmed.strip_prefix('/') else { return Ok(Self::Prompt(line)) };
        if rest.starts_with('/') {
            return Ok(Self::Prompt(rest));
        }
        let (name, behind) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
        if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphabetic()) {
            return Ok(Self::Prompt(line));
        }
        let names = || COMMANDS.iter().map(|(name, ..)| *name);
        let known = if name == "quit" { Some("exit") } else { names().find(|known| *known == name) };
        let missing = || {
            let error = Error::new(Code::Usage, format!("there is no command /{name}"));
            match nearest(name, names()) {
                Some(near) => error.hint(format!("did you mean /{near}? A prompt that begins with a slash is written with two")),
                None => error.hint("/help lists them; a prompt that begins with a slash is written with two"),
            }
        };
        Ok(Self::Command(known.ok_or_else(missing)?, behind.trim()))
    }
}

/// What `/help` says.
pub(super) fn help() -> String {
    let heads = COMMANDS.map(|(name, behind, _)| format!("/{name} {behind}"));
    let width = heads.iter().map(String::len).max().unwrap_or(0);
    let lines = heads.iter().zip(COMMANDS).map(|(head, (.., does))| format!("{head:width$}  {does}\n"));
    lines.collect::<String>()
        + "\nA line that ends with \\ goes on in the next; what stands between lines of \"\"\" is one prompt. Tab completes commands, models and\n\
           files. Ctrl-C ends an answer, which is kept as far as it came.\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_no_command_and_two_slashes_are_a_prompt() {
        for (line, typed) in [
            ("  ", Typed::Nothing),
            ("hello", Typed::Prompt("hello")),
            ("/etc/passwd is what?", Typed::Prompt("/etc/passwd is what?")),
            ("/ a", Typed::Prompt("/ a")),
            ("//model x", Typed::Prompt("/model x")),
            ("/model  zai/glm-5.1 ", Typed::Command("model", "zai/glm-5.1")),
            ("/system be brief\nand kind", Typed::Command("system", "be brief\nand kind")),
            ("/quit", Typed::Command("exit", "")),
        ] {
            assert_eq!(Typed::read(line).unwrap(), typed, "{line}");
        }
        assert!(Typed::read("/modle x").unwrap_err().advice().contains("did you mean /model?"));
        assert!(Typed::read("/zzzz").unwrap_err().advice().contains("/help"));
        assert!(COMMANDS.iter().all(|(name, ..)| help().contains(&format!("/{name}"))));
    }
}
