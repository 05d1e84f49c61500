//! A login in the browser, as `keys login` and `keys rotate --login` have it: opens one, waits for it to come back or for the
//! user to paste what it ended at, and exchanges the code.
//!
//! The address that is shown holds no secret that could be used: the code that comes back is worth nothing without a value
//! that never leaves this process. Start with [`log_in`].

use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::mpsc;

use crate::cli::console::pasted_lines;
use crate::cli::output;
use crate::config::Environment;
use crate::error::{Code, Error};
use crate::keys::oauth::{Attempt, Grant, OAuth, Returned};
use crate::secret::Secret;
use crate::server::redirect::{Arrived, Callback};

/// How the user logs in.
#[derive(Debug, clap::Args)]
pub(super) struct LoginHow {
    /// Open no browser: show the address, and take what the browser of any machine ends at
    #[arg(long)]
    no_browser: bool,
    /// How long the login may take, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 300, value_parser = clap::value_parser!(u64).range(1..=3600))]
    login_timeout: u64,
}

impl LoginHow {
    /// Whether it asks for anything.
    pub(super) fn is_given(&self) -> bool {
        self.no_browser
    }
}

/// Logs in at a provider. `name` is its name in the config.
pub(super) fn log_in(oauth: &Arc<OAuth>, name: &str, how: &LoginHow, environment: &Environment) -> Result<Grant, Error> {
    let callback = Callback::bind(&oauth.redirect)?;
    let attempt = Arc::new(Attempt::begin(oauth, callback.port())?);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Error::new(Code::Bug, "the async runtime could not be started").caused_by(error))?;
    let granted = runtime.block_on(async {
        let limit = Duration::from_secs(how.login_timeout);
        let arrived = tokio::time::timeout(limit, arrive(callback, &attempt, name, how, environment));
        let (returned, browser) = arrived.await.map_err(|_| {
            Error::new(Code::LoginFailed, format!("nobody logged in to {name} within {} seconds", how.login_timeout))
                .hint("try again, with --login-timeout for more time or --no-browser where no browser can come back")
        })??;
        let granted = match returned {
            Returned::Code(code) => exchange(&attempt, code, name).await,
            Returned::Denied(words) => {
                Err(Error::new(Code::LoginFailed, format!("{name} did not let you in: {words}")).hint("nothing was changed"))
            }
            _ => Err(Error::new(Code::Bug, "what is no code came through")),
        };
        if let Some(browser) = browser {
            browser.tell(granted.is_ok()).await;
        }
        granted
    });
    // The thread that waits for a line to be pasted ends with the process.
    runtime.shutdown_background();
    granted
}

/// What came back, and the browser that brought it.
async fn arrive(
    callback: Callback,
    attempt: &Arc<Attempt>,
    name: &str,
    how: &LoginHow,
    environment: &Environment,
) -> Result<(Returned, Option<Browser>), Error> {
    let url = attempt.url();
    let mut opened = if how.no_browser { None } else { open(&url, environment) };
    let mut pasted = None;
    match &opened {
        Some(_) => say(&format!("log in to {name} in the browser; if none opened, go to\n\n  {url}\n")),
        None => pasted = Some(ask_for_it(name, &url)),
    }
    let mut back = std::pin::pin!(callback.wait(Arc::clone(attempt)));
    loop {
        tokio::select! {
            arrived = &mut back => {
                let mut arrived = arrived?;
                let returned = std::mem::replace(&mut arrived.returned, Returned::Elsewhere);
                return Ok((returned, Some(Browser(arrived))));
            }
            line = next(&mut pasted) => match line {
                Some(line) => match attempt.pasted(line.expose()) {
                    returned @ (Returned::Code(_) | Returned::Denied(_)) => return Ok((returned, None)),
                    Returned::Forged => say("this belongs to another login; paste what the browser ended at for the address above\n"),
                    Returned::Elsewhere | Returned::Malformed => say("there is no code in this; paste the whole address that the browser ended at\n"),
                },
                // Nobody pastes any more: only a browser can come back.
                None => pasted = None,
            },
            has_opened = has_opened(&mut opened) => {
                opened = None;
                if !has_opened {
                    pasted = Some(ask_for_it(name, &url));
                }
            }
        }
    }
}

/// A browser that waits for the last page.
struct Browser(Arrived);

impl Browser {
    async fn tell(self, worked: bool) {
        self.0.tell(worked).await;
    }
}

fn say(text: &str) {
    output::error(text);
}

fn ask_for_it(name: &str, url: &str) -> mpsc::Receiver<Secret> {
    say(&format!(
        "log in to {name} in a browser, at\n\n  {url}\n\n\
        A browser of this machine comes back by itself. One of another machine ends at an address that it cannot open:\n\
        paste that address here, or the code if the page shows one\n"
    ));
    pasted_lines()
}

async fn next(pasted: &mut Option<mpsc::Receiver<Secret>>) -> Option<Secret> {
    match pasted {
        Some(pasted) => pasted.recv().await,
        None => std::future::pending().await,
    }
}

/// Whether the program that was to open a browser says that it did.
async fn has_opened(opened: &mut Option<mpsc::Receiver<bool>>) -> bool {
    match opened {
        // One that runs for as long as its browser says nothing, which is fine.
        Some(ended) => ended.recv().await.unwrap_or(true),
        None => std::future::pending().await,
    }
}

/// Exchanges the code for what it stands for. Never twice: it is good once.
async fn exchange(attempt: &Arc<Attempt>, code: Secret, name: &str) -> Result<Grant, Error> {
    let attempt = Arc::clone(attempt);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs());
    let fetched = tokio::task::spawn_blocking(move || crate::upstream::fetch(&attempt.exchange(&code), now)).await;
    let fetched = fetched.map_err(|error| Error::new(Code::Bug, "the exchange ended unexpectedly").caused_by(error))?;
    fetched.map_err(|refused| {
        let error = Error::new(Code::LoginFailed, format!("{name} gave no key for the login: {}", refused.message));
        error.hint("nothing was changed; log in again")
    })
}

/// Opens the user's browser, where there is one. What comes out of the channel is whether that worked.
fn open(url: &str, environment: &Environment) -> Option<mpsc::Receiver<bool>> {
    let named = environment.get("BROWSER").and_then(|list| list.split(':').find(|name| !name.is_empty()));
    let has_screen =
        cfg!(target_os = "macos") || ["DISPLAY", "WAYLAND_DISPLAY", "WSL_DISTRO_NAME"].iter().any(|name| environment.get(name).is_some());
    // Without a screen, `xdg-open` would start a browser for text in this terminal.
    let usual: &[&str] = match (has_screen, cfg!(target_os = "macos")) {
        (false, _) => &[],
        (true, true) => &["open"],
        (true, false) => &["xdg-open", "wslview"],
    };
    let start = |program: &str| {
        let mut command = Command::new(program);
        // A group of its own: who interrupts the login does not mean the browser.
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        command.arg(url).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().ok()
    };
    let mut child = named.into_iter().chain(usual.iter().copied()).find_map(start)?;
    let (tell, told) = mpsc::channel(1);
    std::thread::spawn(move || {
        let worked = child.wait().is_ok_and(|status| status.success());
        // Whoever waited may have what it waited for.
        let _ = tell.blocking_send(worked);
    });
    Some(told)
}
