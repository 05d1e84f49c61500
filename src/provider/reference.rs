//! The reference of providers and models, written from the tables: `docs/providers.md` is this text.

use std::fmt::Write as _;

use super::models::{Model, models_of};
use super::table::PRESETS;
use super::{Auth, Endpoint, Preset};
use crate::dialect::Dialect;

const HEAD: &str = "<!-- Generated from src/provider; `AIMUX_TEST_BLESS=1 cargo test providers_page` writes it again. -->

# Providers and models

A provider of this list needs only its name and a key: `providers: { anthropic: { key: anthropic } }`. `preset:` gives an
entry of another name the same settings; `base_url` and `dialect` replace them. Any other server of a known dialect needs
`dialect` and `base_url`; a local one is better named by its preset (`preset: vllm`), whose answers are searched for tool calls
that the server left in the text.

A provider with two addresses is asked in the client's own dialect. Its base URL is what its own SDK takes; aimux appends
`/v1/messages` for Anthropic and `/chat/completions` for OpenAI. With no config at all, the variable makes an entry.

";

/// The page, in Markdown.
#[must_use]
pub fn reference() -> String {
    let mut page = HEAD.to_owned();
    page.push_str(
        "## Providers\n\n| name | provider | key | address | dialect | main model | fast model |\n|---|---|---|---|---|---|---|\n",
    );
    for preset in PRESETS {
        for (at, endpoint) in preset.endpoints.iter().enumerate() {
            page.push_str(&address(preset, endpoint, at == 0));
        }
    }
    page.push_str(MODELS_HEAD);
    for preset in PRESETS.iter().filter(|preset| !preset.catalog.is_empty()) {
        let _ = write!(page, "\n### {}\n\n{COLUMNS}", preset.title);
        page.extend(models_of(preset.catalog).map(|model| line(preset.name, model)));
    }
    page
}

const MODELS_HEAD: &str = "
## Models

Limits are tokens, prices US dollars per million tokens, both as publicly listed in July 2026; `–` is unknown, and 0
is free or part of a plan. A model that is not listed is served as well; only its limits and its price are unknown.
t: takes tools, r: thinks, s: enforces output schemas, i: sees images, p: reads PDF.
";

const COLUMNS: &str = "| model | context | output | in | out | cache read | cache write | can |\n|---|---:|---:|---:|---:|---:|---:|---|\n";

fn address(preset: &Preset, endpoint: &Endpoint, is_first: bool) -> String {
    let key = match endpoint.auth {
        Auth::None => "none".to_owned(),
        Auth::Bearer | Auth::XApiKey => preset.env.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" or "),
    };
    let dialect = match endpoint.dialect {
        Dialect::AnthropicMessages => "Anthropic",
        Dialect::OpenAiChat => "OpenAI",
    };
    let code = |text: &str| if text.is_empty() { "–".to_owned() } else { format!("`{text}`") };
    let row = if is_first {
        [code(preset.name), preset.title.to_owned(), key, code(endpoint.base_url), dialect.to_owned(), code(preset.main), code(preset.fast)]
    } else {
        ["", "", "", &code(endpoint.base_url), dialect, "", ""].map(str::to_owned)
    };
    format!("| {} |\n", row.join(" | "))
}

fn line(provider: &str, model: &Model) -> String {
    let abilities = [(model.tools, 't'), (model.reasoning, 'r'), (model.structured, 's'), (model.images, 'i'), (model.pdf, 'p')];
    let can: String = abilities.iter().filter(|(has, _)| *has).map(|(_, letter)| *letter).collect();
    let prices = [model.price.input, model.price.output, model.price.cache_read, model.price.cache_write];
    let [input, output, read, write] = prices.map(|price| price.map_or("–".to_owned(), |price| price.to_string()));
    let (context, most) = (tokens(model.context), tokens(model.output_max));
    format!("| `{provider}/{}` | {context} | {most} | {input} | {output} | {read} | {write} | {can} |\n", model.id)
}

/// Thousands apart; 0 is unknown.
fn tokens(count: u64) -> String {
    match count {
        0 => "–".to_owned(),
        1..=999 => count.to_string(),
        1_000..=999_999 => format!("{},{:03}", count / 1000, count % 1000),
        _ => format!("{},{:03},{:03}", count / 1_000_000, count / 1000 % 1000, count % 1000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::models::MODELS;
    use std::path::Path;

    #[test]
    fn the_providers_page_is_what_the_tables_say() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/providers.md");
        let page = reference();
        if std::env::var_os("AIMUX_TEST_BLESS").is_some() {
            std::fs::write(&path, &page).unwrap();
        }
        let stored = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(stored == page, "docs/providers.md is stale: run the test once with AIMUX_TEST_BLESS=1");
    }

    #[test]
    fn every_model_and_provider_has_its_line() {
        let page = reference();
        assert_eq!(page.matches("\n| `").count(), MODELS.len() + PRESETS.len());
        assert!(page.contains("| `anthropic/claude-opus-4-8` | 1,000,000 | 128,000 | 5 | 25 | 0.5 | 6.25 | trip |"));
        assert_eq!([0, 7, 8192, 131_072, 1_050_000].map(tokens), ["–", "7", "8,192", "131,072", "1,050,000"]);
    }
}
