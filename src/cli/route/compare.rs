//! `--compare a,b[,c]`: one prompt to several models at once; their answers one after the other, and a table of what each took.

use std::process::ExitCode;

use serde::Serialize;

use super::args::RouteArgs;
use super::prompt::Prompt;
use super::report::{Json, Report};
use super::signals::Signals;
use super::sink::Held;
use super::way::Way;
use super::{Asking, keep, planned, screen};
use crate::chat::ChatRequest;
use crate::cli::markdown::{self, Look};
use crate::cli::{CliError, output, visible};
use crate::config::Environment;
use crate::error::{Code, Error};
use crate::provider::models::usd;
use crate::upstream::blocking::Post;

/// Models at a time.
const MODELS_MAX: usize = 8;

/// The answers as `--json` prints them, in the order of the models.
#[derive(Serialize)]
struct Compared<'a> {
    answers: Vec<Json<'a>>,
}

/// Asks all of them, and prints. The exit code is that of the first that failed.
pub(super) fn run(args: &RouteArgs, mut way: Way, prompt: &Prompt, environment: &Environment) -> Result<ExitCode, CliError> {
    let models: Vec<&str> = args.compare.iter().map(|model| model.trim()).filter(|model| !model.is_empty()).collect();
    if !(2..=MODELS_MAX).contains(&models.len()) {
        let message = format!("--compare takes 2 to {MODELS_MAX} models, a,b say; there are {}", models.len());
        return Err(Error::new(Code::Usage, message).into());
    }
    let requests: Vec<ChatRequest<'_>> = models.iter().map(|model| prompt.request_of(model)).collect();
    let planned = planned(args, &mut way, environment, &requests.iter().collect::<Vec<_>>())?;
    let posts: Vec<Post> = models.iter().map(|_| Post::default()).collect();
    let signals = Signals::catch(posts.iter().map(Post::interrupter))?;
    let (shared_way, shared_signals) = (&way, &signals);
    let reports: Vec<Option<Report>> = std::thread::scope(|scope| {
        // Each channel goes to its own thread: a receiver is nobody else's.
        let calls = posts.into_iter().zip(&requests).zip(planned);
        let threads: Vec<_> = calls
            .map(|((post, request), planned)| {
                scope.spawn(move || {
                    let asking = Asking { args, environment, post: &post, signals: shared_signals };
                    asking.ask(shared_way, request, planned, Box::new(Held))
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().ok()).collect()
    });
    way.close();
    let reports: Vec<Report> = reports.into_iter().flatten().collect();
    if reports.len() < models.len() {
        return Err(Error::new(Code::Bug, "a comparison ended in a panic").into());
    }
    if !args.no_log {
        for report in &reports {
            keep::keep(way.history(), None, &report.kept(prompt.kept()));
        }
    }
    if args.json {
        output::print(&output::json(&Compared { answers: reports.iter().map(Report::json).collect() })?);
    } else {
        answers(&models, &reports, screen::look(args, environment));
        output::print(&table(&models, &reports));
    }
    let failed = reports.iter().find_map(Report::exit);
    Ok(failed.map_or(ExitCode::SUCCESS, ExitCode::from))
}

/// Prints what each has said, set as one answer would be.
fn answers(models: &[&str], reports: &[Report], look: Option<Look>) {
    for (model, report) in models.iter().zip(reports) {
        let json = report.json();
        output::print(&format!("\x1b[1m── {} ──\x1b[0m\n\n", visible::line(model)));
        let answer = json.answer.replace("\r\n", "\n");
        match look {
            Some(look) => output::print_exact(&markdown::set(answer.trim_end(), look)),
            None => output::print(&format!("{}\n", visible::prose(answer.trim_end()))),
        }
        let error = json.error.as_ref().map(|error| format!("[{}: {}]\n", error.code, visible::line(&error.message)));
        output::print(&format!("{}\n", error.unwrap_or_default()));
    }
}

fn table(models: &[&str], reports: &[Report]) -> String {
    let heading = ["MODEL", "ANSWERED BY", "FIRST TOKEN", "TOKENS/S", "TOKENS", "COST"];
    let mut lines: Vec<Vec<String>> = vec![heading.map(str::to_owned).into()];
    lines.extend(models.iter().zip(reports).map(|(model, report)| cells(model, &report.json())));
    let widths: Vec<usize> = (0..heading.len())
        .map(|column| lines.iter().filter_map(|line| line.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0))
        .collect();
    let mut text = String::new();
    for line in &lines {
        let cells = line.iter().zip(&widths).enumerate();
        let cells = cells.map(|(index, (cell, width))| if index < 2 { format!("{cell:width$}") } else { format!("{cell:>width$}") });
        text += cells.collect::<Vec<_>>().join("  ").trim_end();
        text.push('\n');
    }
    text
}

fn cells(model: &str, json: &Json<'_>) -> Vec<String> {
    let dash = || "–".to_owned();
    let seconds = |ms: u64| format!("{}.{:02} s", ms / 1000, ms % 1000 / 10);
    let output = json.usage.output_tokens;
    let pace = json.first_content_ms.zip(output).map(|(first, tokens)| {
        let ms = json.total_ms.saturating_sub(first).max(1);
        tokens.saturating_mul(1000) / ms
    });
    let by = match &json.error {
        Some(error) => error.code.clone(),
        None => json.target.map_or_else(dash, |target| visible::line(target).into_owned()),
    };
    vec![
        visible::line(model).into_owned(),
        by,
        json.first_content_ms.map_or_else(dash, seconds),
        pace.map_or_else(dash, |pace| pace.to_string()),
        output.map_or_else(dash, |tokens| tokens.to_string()),
        json.cost_micro_usd.map_or_else(dash, usd),
    ]
}
