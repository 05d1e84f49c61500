//! How commands ask for secrets and tell: a hidden prompt on a terminal, else one line of standard input.

use std::io::{self, IsTerminal, Read};
use std::sync::Arc;

use zeroize::Zeroizing;

use super::output;
use crate::error::{Code, Error};
use crate::keys::Person;
use crate::secret::Secret;

/// The longest secret that is read, in bytes.
const SECRET_MAX: usize = 16 * 1024;
/// How the command speaks with the user.
pub(crate) trait Console {
    fn say(&mut self, text: &str);
    fn ask(&mut self, question: &Question<'_>) -> Result<Secret, Error>;
}

pub(crate) struct Question<'a> {
    pub(crate) prompt: &'a str,
    pub(crate) wanted: Wanted,
    /// Asked a second time, where a slip would only be noticed when it is too late.
    pub(crate) confirm: Option<&'a str>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// What goes into an HTTP header: ASCII.
    Key,
    /// What a person can remember, in whatever script.
    Passphrase,
}

/// Asks for the passphrase of a protected identity, on the terminal only: what `Store::read` wants as its callback.
pub(crate) fn ask_passphrase() -> Result<Secret, Error> {
    if !io::stdin().is_terminal() {
        return Err(Error::new(Code::KeyUnavailable, "the identity is protected by a passphrase, and there is no terminal to ask on")
            .hint("run it on a terminal, or name an unprotected identity in AIMUX_IDENTITY"));
    }
    prompt(&Question { prompt: "Passphrase of the identity", wanted: Wanted::Passphrase, confirm: None })
}

/// Asks for the passphrase of one file, on the terminal only.
pub(crate) fn ask_passphrase_of(what: &str) -> Result<Secret, Error> {
    if !io::stdin().is_terminal() {
        return Err(
            Error::new(Code::KeyUnavailable, "a passphrase protects it, and there is no terminal to ask on").hint("run it on a terminal")
        );
    }
    prompt(&Question { prompt: what, wanted: Wanted::Passphrase, confirm: None })
}

/// All that comes on standard input; `None`: it is more than `limit` bytes.
///
/// # Errors
/// When it cannot be read.
pub(crate) fn piped(limit: usize) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    io::stdin().lock().take(most).read_to_end(&mut bytes)?;
    Ok((bytes.len() <= limit).then_some(bytes))
}

/// The passphrase that `aimux run` hands to the server it starts, through a pipe: neither argv nor the environment has it.
pub(crate) fn piped_passphrase() -> Result<Secret, Error> {
    read_secret(&mut io::stdin().lock(), Wanted::Passphrase)
}

/// Whoever sits at the terminal, for age's plugins; `None`: nobody does.
pub(crate) fn person() -> Option<Arc<dyn Person>> {
    let is_there = io::stdin().is_terminal() && io::stderr().is_terminal();
    if is_there { Some(Arc::new(AtTerminal)) } else { None }
}

struct AtTerminal;

impl Person for AtTerminal {
    fn tell(&self, message: &str) {
        output::error(&format!("{}\n", output::printable(message)));
    }

    fn ask(&self, message: &str, secret: bool) -> Option<Secret> {
        let message = output::printable(message);
        let typed = if secret {
            dialoguer::Password::new().with_prompt(message).allow_empty_password(true).interact()
        } else {
            dialoguer::Input::new().with_prompt(message).allow_empty(true).interact_text()
        };
        typed.ok().map(Secret::new)
    }

    fn choose(&self, message: &str, yes: &str, no: Option<&str>) -> Option<bool> {
        let choices: Vec<String> = [Some(yes), no].into_iter().flatten().map(output::printable).collect();
        let chosen = dialoguer::Select::new().with_prompt(output::printable(message)).items(&choices).default(0).interact_opt();
        chosen.ok().flatten().map(|index| index == 0)
    }
}

/// The lines that come on standard input, one by one, each of limited length. They are shown as they are typed: meant for
/// codes that are worth nothing elsewhere. Ends with the input.
pub(crate) fn pasted_lines() -> tokio::sync::mpsc::Receiver<Secret> {
    let (tell, told) = tokio::sync::mpsc::channel(1);
    std::thread::spawn(move || {
        let mut input = io::BufReader::new(io::stdin());
        let limit = u64::try_from(SECRET_MAX).unwrap_or(u64::MAX);
        loop {
            let mut line = Zeroizing::new(String::with_capacity(SECRET_MAX));
            match io::BufRead::read_line(&mut (&mut input).take(limit), &mut line) {
                Ok(1..) if !line.trim().is_empty() => {
                    if tell.blocking_send(Secret::new(line.trim().to_owned())).is_err() {
                        return;
                    }
                }
                Ok(1..) => {}
                Ok(0) | Err(_) => return,
            }
        }
    });
    told
}

/// The process's own terminal, or whatever standard input and output are.
pub(crate) struct Terminal;

impl Console for Terminal {
    fn say(&mut self, text: &str) {
        crate::cli::output::print(&format!("{}\n", crate::cli::output::printable(text)));
    }

    fn ask(&mut self, question: &Question<'_>) -> Result<Secret, Error> {
        if io::stdin().is_terminal() { prompt(question) } else { read_secret(&mut io::stdin().lock(), question.wanted) }
    }
}

fn prompt(question: &Question<'_>) -> Result<Secret, Error> {
    let mut password = dialoguer::Password::new().with_prompt(question.prompt).allow_empty_password(true);
    if let Some(again) = question.confirm {
        password = password.with_confirmation(again, "they differ, once more");
    }
    let typed = password.interact().map_err(|error| Error::new(Code::Usage, "nothing was typed").caused_by(error.to_string()))?;
    usable(&Zeroizing::new(typed), question.wanted)
}

/// Reads one secret from a pipe: all of it, one line.
fn read_secret(input: &mut dyn Read, wanted: Wanted) -> Result<Secret, Error> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(SECRET_MAX + 1));
    let limit = u64::try_from(SECRET_MAX).unwrap_or(u64::MAX).saturating_add(1);
    input.take(limit).read_to_end(&mut bytes).map_err(|error| Error::new(Code::Usage, "cannot read standard input").caused_by(error))?;
    if bytes.len() > SECRET_MAX {
        return Err(Error::new(Code::Usage, format!("standard input is longer than {SECRET_MAX} bytes; a key is one line")));
    }
    let text = std::str::from_utf8(&bytes).map_err(|_| Error::new(Code::Usage, "standard input is no text; a key is one line"))?;
    usable(text, wanted)
}

pub(crate) fn usable(text: &str, wanted: Wanted) -> Result<Secret, Error> {
    let text = text.trim();
    let problem = if text.is_empty() {
        "nothing was given"
    } else if text.contains('\n') {
        "more than one line was given"
    } else if text.len() > SECRET_MAX {
        "what was given is too long"
    } else if text.chars().any(char::is_control) {
        "what was given holds control characters"
    } else if wanted == Wanted::Key && !text.is_ascii() {
        "what was given holds characters that are not ASCII: was it copied in its masked form?"
    } else {
        return Ok(Secret::new(text.to_owned()));
    };
    Err(Error::new(Code::Usage, problem).hint("type or paste it at the prompt, or pipe it in: one line"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piped_secret_is_one_line_of_limited_length() {
        let read =
            |text: &[u8]| read_secret(&mut &text[..], Wanted::Key).map(|secret| secret.expose().to_owned()).map_err(|error| error.message);
        assert_eq!(read(b" sk-one \r\n\n").unwrap(), "sk-one");
        assert_eq!(read(b"").unwrap_err(), "nothing was given");
        assert_eq!(read(b"sk-one\nsk-two\n").unwrap_err(), "more than one line was given");
        assert_eq!(read(b"sk-\x1b[1m").unwrap_err(), "what was given holds control characters");
        assert!(read("sk-••••".as_bytes()).unwrap_err().contains("not ASCII"));
        assert!(read(b"\xff").unwrap_err().contains("no text"));
        assert_eq!(read(&[b'x'; SECRET_MAX]).unwrap().len(), SECRET_MAX);
        assert!(read(&[b'x'; SECRET_MAX + 1]).unwrap_err().contains("longer than 16384 bytes"));
    }
}
