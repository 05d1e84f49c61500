//! The models: context, limits, prices and capabilities, as publicly listed in July 2026.
//!
//! A model is one row. The rows are sorted by provider and id, which a test checks, since [`model`] searches them by
//! halves. A model that is missing here still works; only its limits, its price and its place in listings are unknown.
//! A config may know better: [`Known`] is what holds after it has been asked.

use crate::chat::Usage;

/// A model of a provider.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Model {
    /// The preset's catalog name.
    pub provider: &'static str,
    /// The id that the provider takes.
    pub id: &'static str,
    /// Tokens of input and output together; 0: unknown.
    pub context: u64,
    /// The most output tokens; 0: unknown.
    pub output_max: u64,
    /// US dollars per million tokens.
    pub price: Price,
    /// Takes tools.
    pub tools: bool,
    /// Thinks.
    pub reasoning: bool,
    /// Enforces output schemas.
    pub structured: bool,
    /// Sees images.
    pub images: bool,
    /// Reads PDF.
    pub pdf: bool,
}

/// US dollars per million tokens; `None`: unknown.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Price {
    /// Fresh input.
    pub input: Option<f64>,
    /// Output.
    pub output: Option<f64>,
    /// Input read from a cache.
    pub cache_read: Option<f64>,
    /// Input written to a cache.
    pub cache_write: Option<f64>,
}

impl Price {
    /// What the usage costs, in millionths of a US dollar, rounded to the nearest. What is read from or written to a cache
    /// and has no price of its own costs what fresh input costs; what Anthropic's API writes for an hour costs twice that
    /// (their page on prompt caching, July 2026). `None`: a price is missing for something that was used.
    #[must_use]
    pub fn micro_usd(&self, usage: &Usage) -> Option<u64> {
        let long = usage.cache_write_1h.unwrap_or(0);
        let parts = [
            (usage.input, self.input),
            (usage.output, self.output),
            (usage.cache_read, self.cache_read.or(self.input)),
            (usage.cache_write.map(|all| all.saturating_sub(long)), self.cache_write.or(self.input)),
            (Some(long), self.input.map(|input| 2.0 * input)),
        ];
        let mut sum: u128 = 0;
        for (tokens, price) in parts {
            let tokens = u128::from(tokens.unwrap_or(0));
            if tokens > 0 {
                // In millionths of the result's unit: prices have six decimals at most, and their sum is then exact.
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "prices of the table, checked by a test")]
                let price = (price? * 1e6).round() as u128;
                sum = sum.saturating_add(tokens.saturating_mul(price));
            }
        }
        u64::try_from(sum.saturating_add(500_000) / 1_000_000).ok()
    }
}

/// Millionths of a dollar as dollars with four decimals, so that a small request is no zero.
pub(crate) fn usd(micro: u64) -> String {
    let tenths = micro.saturating_add(50) / 100;
    format!("${}.{:04}", tenths / 10_000, tenths % 10_000)
}

/// When the rows were true, year and month.
pub const AS_OF: &str = "2026-07";

/// What is known of a model, be it from a row or from the config; `None`: unknown.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Known {
    /// Tokens of input and output together.
    pub context: Option<u64>,
    /// The most output tokens.
    pub output_max: Option<u64>,
    /// US dollars per million tokens.
    pub price: Price,
    /// Takes tools.
    pub tools: Option<bool>,
    /// Thinks.
    pub reasoning: Option<bool>,
    /// Enforces output schemas.
    pub structured: Option<bool>,
    /// Sees images.
    pub images: Option<bool>,
    /// Reads PDF.
    pub pdf: Option<bool>,
}

impl Known {
    /// Nothing.
    pub const NOTHING: Self = Self {
        context: None,
        output_max: None,
        price: Price { input: None, output: None, cache_read: None, cache_write: None },
        tools: None,
        reasoning: None,
        structured: None,
        images: None,
        pdf: None,
    };

    /// What is known of a model, by a config's own words, else by the catalog.
    #[must_use]
    pub fn of(catalog: &str, own: &[(String, Self)], id: &str) -> Self {
        Self::said(own, id).or(model(catalog, id).map_or(Self::NOTHING, Self::from))
    }

    /// What a config's own words say of a model.
    #[must_use]
    pub fn said(own: &[(String, Self)], id: &str) -> Self {
        own.iter().find(|(model, _)| model == id).map_or(Self::NOTHING, |(_, known)| *known)
    }

    /// The same, with what is unknown taken from another.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            context: self.context.or(other.context),
            output_max: self.output_max.or(other.output_max),
            price: Price {
                input: self.price.input.or(other.price.input),
                output: self.price.output.or(other.price.output),
                cache_read: self.price.cache_read.or(other.price.cache_read),
                cache_write: self.price.cache_write.or(other.price.cache_write),
            },
            tools: self.tools.or(other.tools),
            reasoning: self.reasoning.or(other.reasoning),
            structured: self.structured.or(other.structured),
            images: self.images.or(other.images),
            pdf: self.pdf.or(other.pdf),
        }
    }
}

impl From<&Model> for Known {
    fn from(model: &Model) -> Self {
        Self {
            context: Some(model.context).filter(|tokens| *tokens > 0),
            output_max: Some(model.output_max).filter(|tokens| *tokens > 0),
            price: model.price,
            tools: Some(model.tools),
            reasoning: Some(model.reasoning),
            structured: Some(model.structured),
            images: Some(model.images),
            pdf: Some(model.pdf),
        }
    }
}

/// Takes tools.
const T: u8 = 1;
/// Thinks.
const R: u8 = 2;
/// Enforces output schemas.
const S: u8 = 4;
/// Sees images.
const I: u8 = 8;
/// Reads PDF.
const P: u8 = 16;
/// No figure is known.
const X: f64 = -1.0;

/// A row: provider, id, context, most output, prices (input, output, cache read, cache write), abilities.
const fn row(provider: &'static str, id: &'static str, context: u64, output_max: u64, prices: [f64; 4], abilities: u8) -> Model {
    let [input, output, cache_read, cache_write] = prices;
    Model {
        provider,
        id,
        context,
        output_max,
        price: Price { input: known(input), output: known(output), cache_read: known(cache_read), cache_write: known(cache_write) },
        tools: abilities & T != 0,
        reasoning: abilities & R != 0,
        structured: abilities & S != 0,
        images: abilities & I != 0,
        pdf: abilities & P != 0,
    }
}

const fn known(price: f64) -> Option<f64> {
    if price < 0.0 { None } else { Some(price) }
}

/// Every model, sorted by provider and id.
pub static MODELS: &[Model] = &[
    row("anthropic", "claude-fable-5", 1_000_000, 128_000, [10.0, 50.0, 1.0, 12.5], T | R | I | P),
    row("anthropic", "claude-haiku-4-5", 200_000, 64_000, [1.0, 5.0, 0.1, 1.25], T | R | I | P),
    row("anthropic", "claude-haiku-4-5-20251001", 200_000, 64_000, [1.0, 5.0, 0.1, 1.25], T | R | I | P),
    row("anthropic", "claude-opus-4-0", 200_000, 32_000, [15.0, 75.0, 1.5, 18.75], T | R | I | P),
    row("anthropic", "claude-opus-4-1", 200_000, 32_000, [15.0, 75.0, 1.5, 18.75], T | R | I | P),
    row("anthropic", "claude-opus-4-1-20250805", 200_000, 32_000, [15.0, 75.0, 1.5, 18.75], T | R | I | P),
    row("anthropic", "claude-opus-4-20250514", 200_000, 32_000, [15.0, 75.0, 1.5, 18.75], T | R | I | P),
    row("anthropic", "claude-opus-4-5", 200_000, 64_000, [5.0, 25.0, 0.5, 6.25], T | R | I | P),
    row("anthropic", "claude-opus-4-5-20251101", 200_000, 64_000, [5.0, 25.0, 0.5, 6.25], T | R | I | P),
    row("anthropic", "claude-opus-4-6", 1_000_000, 128_000, [5.0, 25.0, 0.5, 6.25], T | R | I | P),
    row("anthropic", "claude-opus-4-7", 1_000_000, 128_000, [5.0, 25.0, 0.5, 6.25], T | R | I | P),
    row("anthropic", "claude-opus-4-8", 1_000_000, 128_000, [5.0, 25.0, 0.5, 6.25], T | R | I | P),
    row("anthropic", "claude-sonnet-4-0", 200_000, 64_000, [3.0, 15.0, 0.3, 3.75], T | R | I | P),
    row("anthropic", "claude-sonnet-4-20250514", 200_000, 64_000, [3.0, 15.0, 0.3, 3.75], T | R | I | P),
    row("anthropic", "claude-sonnet-4-5", 200_000, 64_000, [3.0, 15.0, 0.3, 3.75], T | R | I | P),
    row("anthropic", "claude-sonnet-4-5-20250929", 200_000, 64_000, [3.0, 15.0, 0.3, 3.75], T | R | I | P),
    row("anthropic", "claude-sonnet-4-6", 1_000_000, 64_000, [3.0, 15.0, 0.3, 3.75], T | R | I | P),
    row("anthropic", "claude-sonnet-5", 1_000_000, 128_000, [2.0, 10.0, 0.2, 2.5], T | R | I | P),
    row("cerebras", "gpt-oss-120b", 131_072, 40_960, [0.35, 0.75, X, X], T | R | S),
    row("cerebras", "zai-glm-4.7", 131_072, 40_960, [2.25, 2.75, 0.0, 0.0], T | R | S),
    row("deepseek", "deepseek-chat", 1_000_000, 384_000, [0.14, 0.28, 0.0028, X], T),
    row("deepseek", "deepseek-reasoner", 1_000_000, 384_000, [0.14, 0.28, 0.0028, X], T | R),
    row("deepseek", "deepseek-v4-flash", 1_000_000, 384_000, [0.14, 0.28, 0.0028, X], T | R | S),
    row("deepseek", "deepseek-v4-pro", 1_000_000, 384_000, [0.435, 0.87, 0.003625, X], T | R | S),
    row("groq", "groq/compound", 131_072, 8192, [X, X, X, X], 0),
    row("groq", "groq/compound-mini", 131_072, 8192, [X, X, X, X], 0),
    row("groq", "llama-3.1-8b-instant", 131_072, 131_072, [0.05, 0.08, X, X], T),
    row("groq", "llama-3.3-70b-versatile", 131_072, 32_768, [0.59, 0.79, X, X], T),
    row("groq", "meta-llama/llama-4-scout-17b-16e-instruct", 131_072, 8192, [0.11, 0.34, X, X], T | S | I),
    row("groq", "openai/gpt-oss-120b", 131_072, 65_536, [0.15, 0.6, 0.075, X], T | R | S),
    row("groq", "openai/gpt-oss-20b", 131_072, 65_536, [0.075, 0.3, 0.0375, X], T | R | S),
    row("groq", "openai/gpt-oss-safeguard-20b", 131_072, 65_536, [0.075, 0.3, X, X], T | R | S),
    row("groq", "qwen/qwen3-32b", 131_072, 40_960, [0.29, 0.59, X, X], T | R),
    row("minimax", "MiniMax-M2", 196_608, 128_000, [0.3, 1.2, X, X], T | R),
    row("minimax", "MiniMax-M2.1", 204_800, 131_072, [0.3, 1.2, X, X], T | R),
    row("minimax", "MiniMax-M2.5", 204_800, 131_072, [0.3, 1.2, 0.03, 0.375], T | R),
    row("minimax", "MiniMax-M2.5-highspeed", 204_800, 131_072, [0.6, 2.4, 0.06, 0.375], T | R),
    row("minimax", "MiniMax-M2.7", 204_800, 131_072, [0.3, 1.2, 0.06, 0.375], T | R),
    row("minimax", "MiniMax-M2.7-highspeed", 204_800, 131_072, [0.6, 2.4, 0.06, 0.375], T | R),
    row("minimax", "MiniMax-M3", 1_000_000, 128_000, [0.3, 1.2, 0.06, X], T | R | I),
    row("mistral", "codestral-latest", 256_000, 4096, [0.3, 0.9, X, X], T),
    row("mistral", "magistral-medium-latest", 128_000, 16_384, [2.0, 5.0, X, X], T | R),
    row("mistral", "magistral-small", 128_000, 128_000, [0.5, 1.5, X, X], T | R),
    row("mistral", "ministral-3b-latest", 128_000, 128_000, [0.04, 0.04, X, X], T),
    row("mistral", "ministral-8b-latest", 128_000, 128_000, [0.1, 0.1, X, X], T),
    row("mistral", "mistral-large-2411", 131_072, 16_384, [2.0, 6.0, X, X], T),
    row("mistral", "mistral-large-2512", 262_144, 262_144, [0.5, 1.5, X, X], T | I),
    row("mistral", "mistral-large-latest", 262_144, 262_144, [0.5, 1.5, X, X], T | I),
    row("mistral", "mistral-medium-2505", 131_072, 131_072, [0.4, 2.0, X, X], T | I),
    row("mistral", "mistral-medium-2508", 262_144, 262_144, [0.4, 2.0, X, X], T | I),
    row("mistral", "mistral-medium-2604", 262_144, 262_144, [1.5, 7.5, X, X], T | R | S | I),
    row("mistral", "mistral-medium-latest", 262_144, 262_144, [0.4, 2.0, X, X], T | I),
    row("mistral", "mistral-nemo", 128_000, 128_000, [0.15, 0.15, X, X], T),
    row("mistral", "mistral-small-2506", 128_000, 16_384, [0.1, 0.3, X, X], T | I),
    row("mistral", "mistral-small-2603", 256_000, 256_000, [0.15, 0.6, X, X], T | R | I),
    row("mistral", "mistral-small-latest", 256_000, 256_000, [0.15, 0.6, X, X], T | R | I),
    row("mistral", "open-mistral-7b", 8000, 8000, [0.25, 0.25, X, X], T),
    row("mistral", "open-mixtral-8x22b", 64_000, 64_000, [2.0, 6.0, X, X], T),
    row("mistral", "open-mixtral-8x7b", 32_000, 32_000, [0.7, 0.7, X, X], T),
    row("mistral", "pixtral-12b", 128_000, 128_000, [0.15, 0.15, X, X], T | I),
    row("mistral", "pixtral-large-latest", 128_000, 128_000, [2.0, 6.0, X, X], T | I),
    row("moonshot", "kimi-k2-0711-preview", 131_072, 16_384, [0.6, 2.5, 0.15, X], T),
    row("moonshot", "kimi-k2-0905-preview", 262_144, 262_144, [0.6, 2.5, 0.15, X], T),
    row("moonshot", "kimi-k2-thinking", 262_144, 262_144, [0.6, 2.5, 0.15, X], T | R),
    row("moonshot", "kimi-k2-thinking-turbo", 262_144, 262_144, [1.15, 8.0, 0.15, X], T | R),
    row("moonshot", "kimi-k2-turbo-preview", 262_144, 262_144, [2.4, 10.0, 0.6, X], T),
    row("moonshot", "kimi-k2.5", 262_144, 262_144, [0.6, 3.0, 0.1, X], T | R | S | I),
    row("moonshot", "kimi-k2.6", 262_144, 262_144, [0.95, 4.0, 0.16, X], T | R | S | I),
    row("moonshot", "kimi-k2.7-code", 262_144, 262_144, [0.95, 4.0, 0.19, X], T | R | S | I),
    row("moonshot", "kimi-k2.7-code-highspeed", 262_144, 262_144, [1.9, 8.0, 0.38, X], T | R | S | I),
    row("openai", "gpt-3.5-turbo", 16_385, 4096, [0.5, 1.5, 0.0, X], 0),
    row("openai", "gpt-4", 8192, 8192, [30.0, 60.0, X, X], T),
    row("openai", "gpt-4-turbo", 128_000, 4096, [10.0, 30.0, X, X], T | I),
    row("openai", "gpt-4.1", 1_047_576, 32_768, [2.0, 8.0, 0.5, X], T | S | I | P),
    row("openai", "gpt-4.1-mini", 1_047_576, 32_768, [0.4, 1.6, 0.1, X], T | S | I | P),
    row("openai", "gpt-4.1-nano", 1_047_576, 32_768, [0.1, 0.4, 0.025, X], T | S | I),
    row("openai", "gpt-4o", 128_000, 16_384, [2.5, 10.0, 1.25, X], T | S | I | P),
    row("openai", "gpt-4o-2024-05-13", 128_000, 4096, [5.0, 15.0, X, X], T | S | I),
    row("openai", "gpt-4o-2024-08-06", 128_000, 16_384, [2.5, 10.0, 1.25, X], T | S | I),
    row("openai", "gpt-4o-2024-11-20", 128_000, 16_384, [2.5, 10.0, 1.25, X], T | S | I),
    row("openai", "gpt-4o-mini", 128_000, 16_384, [0.15, 0.6, 0.075, X], T | S | I | P),
    row("openai", "gpt-5", 400_000, 128_000, [1.25, 10.0, 0.125, X], T | R | S | I),
    row("openai", "gpt-5-chat-latest", 400_000, 128_000, [1.25, 10.0, 0.125, X], R | S | I),
    row("openai", "gpt-5-codex", 400_000, 128_000, [1.25, 10.0, 0.125, X], T | R | S | I),
    row("openai", "gpt-5-mini", 400_000, 128_000, [0.25, 2.0, 0.025, X], T | R | S | I),
    row("openai", "gpt-5-nano", 400_000, 128_000, [0.05, 0.4, 0.005, X], T | R | S | I),
    row("openai", "gpt-5-pro", 400_000, 272_000, [15.0, 120.0, X, X], T | R | S | I),
    row("openai", "gpt-5.1", 400_000, 128_000, [1.25, 10.0, 0.125, X], T | R | S | I),
    row("openai", "gpt-5.1-chat-latest", 128_000, 16_384, [1.25, 10.0, 0.125, X], T | R | S | I),
    row("openai", "gpt-5.1-codex", 400_000, 128_000, [1.25, 10.0, 0.125, X], T | R | S | I),
    row("openai", "gpt-5.1-codex-max", 400_000, 128_000, [1.25, 10.0, 0.125, X], T | R | S | I),
    row("openai", "gpt-5.1-codex-mini", 400_000, 128_000, [0.25, 2.0, 0.025, X], T | R | S | I),
    row("openai", "gpt-5.2", 400_000, 128_000, [1.75, 14.0, 0.175, X], T | R | S | I),
    row("openai", "gpt-5.2-chat-latest", 128_000, 16_384, [1.75, 14.0, 0.175, X], T | R | S | I),
    row("openai", "gpt-5.2-codex", 400_000, 128_000, [1.75, 14.0, 0.175, X], T | R | S | I | P),
    row("openai", "gpt-5.2-pro", 400_000, 128_000, [21.0, 168.0, X, X], T | R | I),
    row("openai", "gpt-5.3-chat-latest", 128_000, 16_384, [1.75, 14.0, 0.175, X], T | S | I),
    row("openai", "gpt-5.3-codex", 400_000, 128_000, [1.75, 14.0, 0.175, X], T | R | S | I | P),
    row("openai", "gpt-5.3-codex-spark", 128_000, 32_000, [1.75, 14.0, 0.175, X], T | R | S | I | P),
    row("openai", "gpt-5.4", 1_050_000, 128_000, [2.5, 15.0, 0.25, X], T | R | S | I | P),
    row("openai", "gpt-5.4-mini", 400_000, 128_000, [0.75, 4.5, 0.075, X], T | R | S | I),
    row("openai", "gpt-5.4-nano", 400_000, 128_000, [0.2, 1.25, 0.02, X], T | R | S | I),
    row("openai", "gpt-5.4-pro", 1_050_000, 128_000, [30.0, 180.0, X, X], T | R | I),
    row("openai", "gpt-5.5", 1_050_000, 128_000, [5.0, 30.0, 0.5, X], T | R | S | I | P),
    row("openai", "gpt-5.5-pro", 1_050_000, 128_000, [30.0, 180.0, X, X], T | R | S | I | P),
    row("openai", "o1", 200_000, 100_000, [15.0, 60.0, 7.5, X], T | R | S | I | P),
    row("openai", "o1-pro", 200_000, 100_000, [150.0, 600.0, X, X], T | R | S | I),
    row("openai", "o3", 200_000, 100_000, [2.0, 8.0, 0.5, X], T | R | S | I | P),
    row("openai", "o3-deep-research", 200_000, 100_000, [10.0, 40.0, 2.5, X], T | R | I),
    row("openai", "o3-mini", 200_000, 100_000, [1.1, 4.4, 0.55, X], T | R | S),
    row("openai", "o3-pro", 200_000, 100_000, [20.0, 80.0, X, X], T | R | S | I),
    row("openai", "o4-mini", 200_000, 100_000, [1.1, 4.4, 0.275, X], T | R | S | I),
    row("openai", "o4-mini-deep-research", 200_000, 100_000, [2.0, 8.0, 0.5, X], T | R | I),
    row("openrouter", "anthropic/claude-haiku-4.5", 200_000, 64_000, [1.0, 5.0, 0.1, 1.25], T | R | S | I | P),
    row("openrouter", "anthropic/claude-opus-4", 200_000, 32_000, [15.0, 75.0, 1.5, 18.75], T | R | I | P),
    row("openrouter", "anthropic/claude-opus-4.1", 200_000, 32_000, [15.0, 75.0, 1.5, 18.75], T | R | S | I | P),
    row("openrouter", "anthropic/claude-opus-4.5", 200_000, 64_000, [5.0, 25.0, 0.5, 6.25], T | R | S | I | P),
    row("openrouter", "anthropic/claude-opus-4.6", 1_000_000, 128_000, [5.0, 25.0, 0.5, 6.25], T | R | S | I | P),
    row("openrouter", "anthropic/claude-opus-4.7", 1_000_000, 128_000, [5.0, 25.0, 0.5, 6.25], T | R | S | I | P),
    row("openrouter", "anthropic/claude-opus-4.7-fast", 1_000_000, 128_000, [30.0, 150.0, 3.0, 37.5], T | R | S | I | P),
    row("openrouter", "anthropic/claude-opus-4.8", 1_000_000, 128_000, [5.0, 25.0, 0.5, 6.25], T | R | S | I | P),
    row("openrouter", "anthropic/claude-opus-4.8-fast", 1_000_000, 128_000, [10.0, 50.0, 1.0, 12.5], T | R | S | I | P),
    row("openrouter", "anthropic/claude-sonnet-4", 1_000_000, 64_000, [3.0, 15.0, 0.3, 3.75], T | R | I | P),
    row("openrouter", "anthropic/claude-sonnet-4.5", 1_000_000, 64_000, [3.0, 15.0, 0.3, 3.75], T | R | S | I | P),
    row("openrouter", "anthropic/claude-sonnet-4.6", 1_000_000, 128_000, [3.0, 15.0, 0.3, 3.75], T | R | S | I | P),
    row("openrouter", "anthropic/claude-sonnet-5", 1_000_000, 128_000, [2.0, 10.0, 0.2, 2.5], T | R | S | I | P),
    row("openrouter", "deepseek/deepseek-chat", 128_000, 16_000, [0.2002, 0.8001, X, X], T | S),
    row("openrouter", "deepseek/deepseek-chat-v3-0324", 163_840, 16_384, [0.2, 0.77, 0.135, X], T | S),
    row("openrouter", "deepseek/deepseek-chat-v3.1", 163_840, 32_768, [0.21, 0.79, 0.13, X], T | R | S),
    row("openrouter", "deepseek/deepseek-r1", 64_000, 16_000, [0.7, 2.5, X, X], T | R | S),
    row("openrouter", "deepseek/deepseek-r1-0528", 163_840, 32_768, [0.5, 2.15, 0.35, X], T | R | S),
    row("openrouter", "deepseek/deepseek-r1-distill-llama-70b", 8192, 8192, [0.8, 0.8, X, X], R),
    row("openrouter", "deepseek/deepseek-v3.1-terminus", 163_840, 32_768, [0.27, 0.95, 0.13, X], T | R | S),
    row("openrouter", "deepseek/deepseek-v3.2", 128_000, 64_000, [0.2288, 0.3432, 0.02288, X], T | R | S),
    row("openrouter", "deepseek/deepseek-v3.2-exp", 163_840, 65_536, [0.27, 0.41, X, X], T | R | S),
    row("openrouter", "deepseek/deepseek-v4-flash", 1_048_575, 65_536, [0.098, 0.196, 0.02, X], T | R | S),
    row("openrouter", "deepseek/deepseek-v4-pro", 1_048_576, 384_000, [0.435, 0.87, 0.003625, X], T | R | S),
    row("openrouter", "google/gemini-2.5-flash", 1_048_576, 65_535, [0.3, 2.5, 0.03, 0.083333], T | R | S | I | P),
    row("openrouter", "google/gemini-2.5-flash-lite", 1_048_576, 65_535, [0.1, 0.4, 0.01, 0.083333], T | R | S | I | P),
    row("openrouter", "google/gemini-2.5-flash-lite-preview-09-2025", 1_048_576, 65_535, [0.1, 0.4, 0.01, 0.083333], T | R | S | I | P),
    row("openrouter", "google/gemini-2.5-pro", 1_048_576, 65_536, [1.25, 10.0, 0.125, 0.375], T | R | S | I | P),
    row("openrouter", "google/gemini-2.5-pro-preview", 1_048_576, 65_536, [1.25, 10.0, 0.125, 0.375], T | R | S | I | P),
    row("openrouter", "google/gemini-2.5-pro-preview-05-06", 1_048_576, 65_535, [1.25, 10.0, 0.125, 0.375], T | R | S | I | P),
    row("openrouter", "google/gemini-3-flash-preview", 1_048_576, 65_535, [0.5, 3.0, 0.05, 0.083333], T | R | S | I | P),
    row("openrouter", "google/gemini-3.1-flash-lite", 1_048_576, 65_536, [0.25, 1.5, 0.025, 0.083333], T | R | S | I | P),
    row("openrouter", "google/gemini-3.1-flash-lite-preview", 1_048_576, 65_536, [0.25, 1.5, 0.025, 0.083333], T | R | S | I | P),
    row("openrouter", "google/gemini-3.1-pro-preview", 1_048_576, 65_536, [2.0, 12.0, 0.2, 0.375], T | R | S | I | P),
    row("openrouter", "google/gemini-3.1-pro-preview-customtools", 1_048_576, 65_536, [2.0, 12.0, 0.2, 0.375], T | R | S | I | P),
    row("openrouter", "google/gemini-3.5-flash", 1_048_576, 65_536, [1.5, 9.0, 0.15, 0.083333], T | R | S | I | P),
    row("openrouter", "minimax/minimax-01", 1_000_192, 1_000_192, [0.2, 1.1, X, X], I),
    row("openrouter", "minimax/minimax-m1", 1_000_000, 40_000, [0.4, 2.2, X, X], T | R),
    row("openrouter", "minimax/minimax-m2", 196_608, 196_608, [0.255, 1.0, 0.03, X], T | R | S),
    row("openrouter", "minimax/minimax-m2-her", 65_536, 2048, [0.3, 1.2, 0.03, X], 0),
    row("openrouter", "minimax/minimax-m2.1", 196_608, 196_608, [0.29, 0.95, 0.03, X], T | R | S),
    row("openrouter", "minimax/minimax-m2.5", 196_608, 196_608, [0.12, 0.48, X, X], T | R | S),
    row("openrouter", "minimax/minimax-m2.7", 196_608, 196_608, [0.18, 0.72, X, X], T | R | S),
    row("openrouter", "minimax/minimax-m3", 524_288, 512_000, [0.3, 1.2, 0.06, X], T | R | S | I),
    row("openrouter", "mistralai/codestral-2508", 256_000, 256_000, [0.3, 0.9, 0.03, X], T | S | P),
    row("openrouter", "mistralai/mistral-large", 128_000, 128_000, [2.0, 6.0, 0.2, X], T | S | P),
    row("openrouter", "mistralai/mistral-large-2407", 131_072, 131_072, [2.0, 6.0, 0.2, X], T | S | P),
    row("openrouter", "mistralai/mistral-large-2512", 262_144, 262_144, [0.5, 1.5, 0.05, X], T | S | I | P),
    row("openrouter", "mistralai/mistral-medium-3", 131_072, 131_072, [0.4, 2.0, 0.04, X], T | S | I | P),
    row("openrouter", "mistralai/mistral-medium-3-5", 262_144, 262_144, [1.5, 7.5, X, X], T | R | S | I | P),
    row("openrouter", "mistralai/mistral-medium-3.1", 131_072, 262_144, [0.4, 2.0, 0.04, X], T | S | I | P),
    row("openrouter", "moonshotai/kimi-k2", 131_072, 100_352, [0.57, 2.3, X, X], T),
    row("openrouter", "moonshotai/kimi-k2-0905", 262_144, 100_352, [0.6, 2.5, X, X], T | S),
    row("openrouter", "moonshotai/kimi-k2-thinking", 262_144, 262_144, [0.6, 2.5, 0.6, X], T | R | S),
    row("openrouter", "moonshotai/kimi-k2.5", 256_000, 256_000, [0.375, 2.025, X, X], T | R | S | I),
    row("openrouter", "moonshotai/kimi-k2.6", 262_144, 262_144, [0.55, 3.2, 0.11, X], T | R | S | I),
    row("openrouter", "moonshotai/kimi-k2.7-code", 262_144, 16_384, [0.74, 3.5, 0.15, X], T | R | S | I),
    row("openrouter", "openai/gpt-5", 400_000, 128_000, [1.25, 10.0, 0.125, X], T | R | S | I | P),
    row("openrouter", "openai/gpt-5-chat", 128_000, 16_384, [1.25, 10.0, 0.125, X], S | I | P),
    row("openrouter", "openai/gpt-5-codex", 400_000, 128_000, [1.25, 10.0, 0.125, X], T | R | S | I),
    row("openrouter", "openai/gpt-5-mini", 400_000, 128_000, [0.25, 2.0, 0.025, X], T | R | S | I | P),
    row("openrouter", "openai/gpt-5-nano", 400_000, 128_000, [0.05, 0.4, 0.01, X], T | R | S | I | P),
    row("openrouter", "openai/gpt-5-pro", 400_000, 128_000, [15.0, 120.0, X, X], T | R | S | I | P),
    row("openrouter", "openai/gpt-5.1", 400_000, 128_000, [1.25, 10.0, 0.13, X], T | R | S | I | P),
    row("openrouter", "openai/gpt-5.1-chat", 128_000, 32_000, [1.25, 10.0, 0.13, X], T | S | I | P),
    row("openrouter", "openai/gpt-5.1-codex", 400_000, 128_000, [1.25, 10.0, 0.13, X], T | R | S | I),
    row("openrouter", "openai/gpt-5.1-codex-max", 400_000, 128_000, [1.25, 10.0, 0.125, X], T | R | S | I),
    row("openrouter", "openai/gpt-5.1-codex-mini", 400_000, 100_000, [0.25, 2.0, 0.025, X], T | R | S | I),
    row("openrouter", "openai/gpt-5.2", 400_000, 128_000, [1.75, 14.0, 0.175, X], T | R | S | I | P),
    row("openrouter", "openai/gpt-5.2-chat", 128_000, 16_384, [1.75, 14.0, 0.175, X], T | S | I | P),
    row("openrouter", "openai/gpt-5.2-codex", 400_000, 128_000, [1.75, 14.0, 0.175, X], T | R | S | I),
    row("openrouter", "openai/gpt-5.2-pro", 400_000, 128_000, [21.0, 168.0, X, X], T | R | S | I | P),
    row("openrouter", "openai/gpt-5.3-chat", 128_000, 16_384, [1.75, 14.0, 0.175, X], T | S | I | P),
    row("openrouter", "openai/gpt-5.3-codex", 400_000, 128_000, [1.75, 14.0, 0.175, X], T | R | S | I | P),
    row("openrouter", "openai/gpt-5.4", 1_050_000, 128_000, [2.5, 15.0, 0.25, X], T | R | S | I | P),
    row("openrouter", "openai/gpt-5.4-mini", 400_000, 128_000, [0.75, 4.5, 0.075, X], T | R | S | I | P),
    row("openrouter", "openai/gpt-5.4-nano", 400_000, 128_000, [0.2, 1.25, 0.02, X], T | R | S | I | P),
    row("openrouter", "openai/gpt-5.4-pro", 1_050_000, 128_000, [30.0, 180.0, X, X], T | R | S | I | P),
    row("openrouter", "openai/gpt-5.5", 1_050_000, 128_000, [5.0, 30.0, 0.5, X], T | R | S | I | P),
    row("openrouter", "openai/gpt-5.5-pro", 1_050_000, 128_000, [30.0, 180.0, X, X], T | R | S | I | P),
    row("openrouter", "openai/gpt-oss-120b", 131_072, 131_072, [0.03, 0.15, X, X], T | R | S),
    row("openrouter", "openai/gpt-oss-120b:free", 131_072, 131_072, [0.0, 0.0, X, X], T | R),
    row("openrouter", "openai/gpt-oss-20b", 131_072, 131_072, [0.029, 0.14, X, X], T | R | S),
    row("openrouter", "openai/gpt-oss-20b:free", 131_072, 32_768, [0.0, 0.0, X, X], T | R | S),
    row("openrouter", "openai/gpt-oss-safeguard-20b", 131_072, 65_536, [0.075, 0.3, 0.0375, X], T | R | S),
    row("openrouter", "qwen/qwen3-14b", 40_960, 40_960, [0.1, 0.24, X, X], T | R | S),
    row("openrouter", "qwen/qwen3-235b-a22b", 131_072, 8192, [0.455, 1.82, X, X], T | R),
    row("openrouter", "qwen/qwen3-235b-a22b-2507", 262_144, 16_384, [0.09, 0.1, X, X], T | S),
    row("openrouter", "qwen/qwen3-235b-a22b-thinking-2507", 131_072, 262_144, [0.1495, 1.495, X, X], T | R | S),
    row("openrouter", "qwen/qwen3-30b-a3b", 40_960, 16_384, [0.12, 0.5, X, X], T | R | S),
    row("openrouter", "qwen/qwen3-30b-a3b-instruct-2507", 128_000, 32_000, [0.04815, 0.19305, X, X], T | S),
    row("openrouter", "qwen/qwen3-30b-a3b-thinking-2507", 131_072, 131_072, [0.08, 0.4, 0.08, X], T | R | S),
    row("openrouter", "qwen/qwen3-32b", 40_960, 16_384, [0.08, 0.28, X, X], T | R | S),
    row("openrouter", "qwen/qwen3-8b", 40_960, 8192, [0.05, 0.4, 0.05, X], T | R | S),
    row("openrouter", "qwen/qwen3-coder", 262_144, 65_536, [0.22, 1.8, X, X], T | S),
    row("openrouter", "qwen/qwen3-coder-30b-a3b-instruct", 160_000, 32_768, [0.07, 0.27, X, X], T | S),
    row("openrouter", "qwen/qwen3-coder-flash", 1_000_000, 65_536, [0.195, 0.975, 0.039, 0.24375], T),
    row("openrouter", "qwen/qwen3-coder-next", 262_144, 262_144, [0.11, 0.8, 0.07, X], T | S),
    row("openrouter", "qwen/qwen3-coder-plus", 1_000_000, 65_536, [0.65, 3.25, 0.13, 0.8125], T | S),
    row("openrouter", "qwen/qwen3-coder:free", 262_000, 262_000, [0.0, 0.0, X, X], T),
    row("openrouter", "qwen/qwen3-max", 262_144, 32_768, [0.78, 3.9, 0.156, 0.975], T | S),
    row("openrouter", "qwen/qwen3-max-thinking", 262_144, 32_768, [0.78, 3.9, X, X], T | R | S),
    row("openrouter", "qwen/qwen3-next-80b-a3b-instruct", 262_144, 16_384, [0.09, 1.1, X, X], T | S),
    row("openrouter", "qwen/qwen3-next-80b-a3b-instruct:free", 262_144, 262_144, [0.0, 0.0, X, X], T | S),
    row("openrouter", "qwen/qwen3-next-80b-a3b-thinking", 131_072, 32_768, [0.0975, 0.78, X, X], T | R | S),
    row("openrouter", "qwen/qwen3-vl-235b-a22b-instruct", 262_144, 16_384, [0.2, 0.88, 0.11, X], T | S | I),
    row("openrouter", "qwen/qwen3-vl-235b-a22b-thinking", 131_072, 32_768, [0.26, 2.6, X, X], T | R | S | I),
    row("openrouter", "qwen/qwen3-vl-30b-a3b-instruct", 131_072, 32_768, [0.13, 0.52, X, X], T | S | I),
    row("openrouter", "qwen/qwen3-vl-30b-a3b-thinking", 131_072, 32_768, [0.13, 1.56, X, X], T | R | S | I),
    row("openrouter", "qwen/qwen3-vl-32b-instruct", 131_072, 32_768, [0.104, 0.416, X, X], T | S | I),
    row("openrouter", "qwen/qwen3-vl-8b-instruct", 131_072, 32_768, [0.08, 0.5, X, X], T | S | I),
    row("openrouter", "qwen/qwen3-vl-8b-thinking", 131_072, 32_768, [0.117, 1.365, X, X], T | R | S | I),
    row("openrouter", "qwen/qwen3.5-122b-a10b", 262_144, 262_144, [0.26, 2.08, X, X], T | R | S | I),
    row("openrouter", "qwen/qwen3.5-27b", 262_144, 65_536, [0.195, 1.56, X, X], T | R | S | I),
    row("openrouter", "qwen/qwen3.5-35b-a3b", 262_144, 81_920, [0.14, 1.0, 0.05, X], T | R | S | I),
    row("openrouter", "qwen/qwen3.5-397b-a17b", 131_072, 64_000, [0.385, 2.45, X, X], T | R | S | I),
    row("openrouter", "qwen/qwen3.5-9b", 262_144, 262_144, [0.1, 0.15, X, X], T | R | S | I),
    row("openrouter", "qwen/qwen3.5-flash-02-23", 1_000_000, 65_536, [0.065, 0.26, X, X], T | R | S | I),
    row("openrouter", "qwen/qwen3.5-plus-02-15", 1_000_000, 65_536, [0.26, 1.56, X, X], T | R | S | I),
    row("openrouter", "qwen/qwen3.5-plus-20260420", 1_000_000, 65_536, [0.3, 1.8, X, 0.375], T | R | S | I),
    row("openrouter", "qwen/qwen3.6-27b", 262_140, 262_140, [0.285, 2.4, X, X], T | R | S | I),
    row("openrouter", "qwen/qwen3.6-35b-a3b", 262_144, 262_144, [0.14, 1.0, X, X], T | R | S | I),
    row("openrouter", "qwen/qwen3.6-flash", 1_000_000, 65_536, [0.1875, 1.125, X, 0.234375], T | R | S | I),
    row("openrouter", "qwen/qwen3.6-max-preview", 262_144, 65_536, [1.04, 6.24, X, 1.3], T | R | S),
    row("openrouter", "qwen/qwen3.6-plus", 1_000_000, 65_536, [0.325, 1.95, X, 0.40625], T | R | S | I),
    row("openrouter", "qwen/qwen3.7-max", 1_000_000, 65_536, [1.25, 3.75, 0.25, 1.5625], T | R | S),
    row("openrouter", "qwen/qwen3.7-plus", 1_000_000, 65_536, [0.32, 1.28, 0.064, 0.4], T | R | S | I),
    row("openrouter", "x-ai/grok-4.20", 2_000_000, 2_000_000, [1.25, 2.5, 0.2, X], T | R | S | I | P),
    row("openrouter", "x-ai/grok-4.20-multi-agent", 2_000_000, 2_000_000, [1.25, 2.5, 0.2, X], R | S | I | P),
    row("openrouter", "x-ai/grok-4.3", 1_000_000, 1_000_000, [1.25, 2.5, 0.2, X], T | R | S | I | P),
    row("openrouter", "z-ai/glm-4.5", 131_072, 98_304, [0.6, 2.2, 0.11, X], T | R),
    row("openrouter", "z-ai/glm-4.5-air", 131_072, 98_304, [0.13, 0.85, 0.025, X], T | R),
    row("openrouter", "z-ai/glm-4.5v", 65_536, 16_384, [0.6, 1.8, 0.11, X], T | R | I),
    row("openrouter", "z-ai/glm-4.6", 202_752, 131_072, [0.43, 1.74, 0.08, X], T | R | S),
    row("openrouter", "z-ai/glm-4.6v", 131_072, 32_768, [0.3, 0.9, 0.055, X], T | R | I),
    row("openrouter", "z-ai/glm-4.7", 202_752, 131_072, [0.4, 1.75, 0.08, X], T | R | S),
    row("openrouter", "z-ai/glm-4.7-flash", 202_752, 16_384, [0.06, 0.4, 0.01, X], T | R | S),
    row("openrouter", "z-ai/glm-5", 202_752, 128_000, [0.6, 1.92, 0.12, X], T | R | S),
    row("openrouter", "z-ai/glm-5-turbo", 262_144, 131_072, [1.2, 4.0, 0.24, X], T | R),
    row("openrouter", "z-ai/glm-5.1", 65_536, 128_000, [0.975, 4.3, X, X], T | R | S),
    row("openrouter", "z-ai/glm-5.2", 1_048_576, 32_768, [0.93, 3.0, 0.18, X], T | R | S),
    row("openrouter", "z-ai/glm-5v-turbo", 202_752, 131_072, [1.2, 4.0, 0.24, X], T | R | I),
    row("synthetic", "hf:MiniMaxAI/MiniMax-M3", 524_288, 65_536, [0.6, 1.2, 0.6, X], T | R | S | I),
    row("synthetic", "hf:Qwen/Qwen3.5-397B-A17B", 262_144, 65_536, [0.6, 3.6, 0.6, X], T | R | S | I),
    row("synthetic", "hf:Qwen/Qwen3.6-27B", 262_144, 65_536, [0.45, 3.6, 0.45, X], T | R | S | I),
    row("synthetic", "hf:moonshotai/Kimi-K2.6", 262_144, 65_536, [0.95, 4.0, 0.95, X], T | R | S | I),
    row("synthetic", "hf:nvidia/NVIDIA-Nemotron-3-Super-120B-A12B-NVFP4", 262_144, 65_536, [0.3, 1.0, 0.3, X], T | R),
    row("synthetic", "hf:openai/gpt-oss-120b", 131_072, 32_768, [0.1, 0.1, 0.1, X], T | R),
    row("synthetic", "hf:zai-org/GLM-4.7", 202_752, 65_536, [0.45, 2.19, 0.45, X], T | R),
    row("synthetic", "hf:zai-org/GLM-4.7-Flash", 196_608, 65_536, [0.1, 0.5, 0.1, X], T | R),
    row("synthetic", "hf:zai-org/GLM-5.1", 196_608, 65_536, [1.0, 3.0, 1.0, X], T | R | S),
    row("synthetic", "hf:zai-org/GLM-5.2", 524_288, 65_536, [1.4, 4.4, 1.4, X], T | R | S),
    row("xai", "grok-4.20-0309-non-reasoning", 1_000_000, 30_000, [1.25, 2.5, 0.2, X], T | S | I | P),
    row("xai", "grok-4.20-0309-reasoning", 1_000_000, 30_000, [1.25, 2.5, 0.2, X], T | R | S | I | P),
    row("xai", "grok-4.20-multi-agent-0309", 1_000_000, 30_000, [1.25, 2.5, 0.2, X], R | S | I | P),
    row("xai", "grok-4.3", 1_000_000, 30_000, [1.25, 2.5, 0.2, X], T | R | S | I | P),
    row("xai", "grok-build-0.1", 256_000, 256_000, [1.0, 2.0, 0.2, X], T | R | S | I | P),
    row("zai", "glm-4.5", 131_072, 98_304, [0.6, 2.2, 0.11, 0.0], T | R),
    row("zai", "glm-4.5-air", 131_072, 98_304, [0.2, 1.1, 0.03, 0.0], T | R),
    row("zai", "glm-4.5-flash", 131_072, 98_304, [0.0, 0.0, 0.0, 0.0], T | R),
    row("zai", "glm-4.5v", 64_000, 16_384, [0.6, 1.8, X, X], T | R | I),
    row("zai", "glm-4.6", 204_800, 131_072, [0.6, 2.2, 0.11, 0.0], T | R),
    row("zai", "glm-4.6v", 128_000, 32_768, [0.3, 0.9, X, X], T | R | I),
    row("zai", "glm-4.7", 204_800, 131_072, [0.6, 2.2, 0.11, 0.0], T | R),
    row("zai", "glm-4.7-flash", 200_000, 131_072, [0.0, 0.0, 0.0, 0.0], T | R),
    row("zai", "glm-4.7-flashx", 200_000, 131_072, [0.07, 0.4, 0.01, 0.0], T | R),
    row("zai", "glm-5", 204_800, 131_072, [1.0, 3.2, 0.2, 0.0], T | R),
    row("zai", "glm-5-turbo", 200_000, 131_072, [1.2, 4.0, 0.24, 0.0], T | R | S),
    row("zai", "glm-5.1", 200_000, 131_072, [1.4, 4.4, 0.26, 0.0], T | R | S),
    row("zai", "glm-5.2", 1_000_000, 131_072, [1.4, 4.4, 0.26, 0.0], T | R | S),
    row("zai", "glm-5v-turbo", 200_000, 131_072, [1.2, 4.0, 0.24, 0.0], T | R | I | P),
    row("zai-coding", "glm-4.5-air", 131_072, 98_304, [0.0, 0.0, 0.0, 0.0], T | R),
    row("zai-coding", "glm-4.7", 204_800, 131_072, [0.0, 0.0, 0.0, 0.0], T | R),
    row("zai-coding", "glm-5-turbo", 200_000, 131_072, [0.0, 0.0, 0.0, 0.0], T | R | S),
    row("zai-coding", "glm-5.1", 200_000, 131_072, [0.0, 0.0, 0.0, 0.0], T | R | S),
    row("zai-coding", "glm-5.2", 1_000_000, 131_072, [0.0, 0.0, 0.0, 0.0], T | R | S),
    row("zai-coding", "glm-5v-turbo", 200_000, 131_072, [0.0, 0.0, 0.0, 0.0], T | R | I | P),
];

/// The model `id` of the catalog's provider.
#[must_use]
pub fn model(provider: &str, id: &str) -> Option<&'static Model> {
    let at = MODELS.binary_search_by(|model| (model.provider, model.id).cmp(&(provider, id))).ok()?;
    MODELS.get(at)
}

/// The models of a provider, by id.
pub fn models_of(provider: &str) -> impl Iterator<Item = &'static Model> + use<> {
    let start = MODELS.partition_point(|model| model.provider < provider);
    let end = MODELS.partition_point(|model| model.provider <= provider);
    MODELS.get(start..end).unwrap_or_default().iter()
}

/// What begins a model's name in the manner of Hugging Face, `hf:zai-org/GLM-5.2` say, which Synthetic uses.
pub const HUB: &str = "hf:";

/// A provider's own id of a model that is named in the manner of Hugging Face, or the other way round; `None` for all else.
#[must_use]
pub fn own_id(provider: &str, id: &str) -> Option<&'static str> {
    let last = |id: &str| id.rsplit('/').next().unwrap_or_default().to_ascii_lowercase();
    let is_same = |own: &&'static str| own.starts_with(HUB) != id.starts_with(HUB) && last(own) == last(id);
    models_of(provider).map(|model| model.id).find(is_same)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_sorted_and_unique() {
        for pair in MODELS.windows(2) {
            assert!((pair[0].provider, pair[0].id) < (pair[1].provider, pair[1].id), "{} {}", pair[1].provider, pair[1].id);
        }
    }

    #[test]
    fn every_row_belongs_to_a_preset_and_is_plausible() {
        for model in MODELS {
            assert!(crate::provider::table::PRESETS.iter().any(|preset| preset.catalog == model.provider), "{}", model.provider);
            assert!(model.context > 0, "{}", model.id);
            for price in [model.price.input, model.price.output, model.price.cache_read, model.price.cache_write].into_iter().flatten() {
                assert!((0.0..1000.0).contains(&price), "{}", model.id);
            }
        }
    }

    #[test]
    fn a_model_is_found_with_its_figures() {
        let opus = model("anthropic", "claude-opus-4-8").unwrap();
        assert_eq!((opus.context, opus.output_max), (1_000_000, 128_000));
        assert_eq!(opus.price.input, Some(5.0));
        assert!(opus.tools && opus.reasoning && opus.images && opus.pdf && !opus.structured);
        assert_eq!(model("anthropic", "claude-nothing"), None);
        assert_eq!(model("openai", "gpt-4").unwrap().price.cache_read, None);
    }

    #[test]
    fn prices_have_six_decimals_at_most() {
        for model in MODELS {
            for price in [model.price.input, model.price.output, model.price.cache_read, model.price.cache_write].into_iter().flatten() {
                assert_eq!((price * 1e6).round() / 1e6, price, "{}", model.id);
            }
        }
    }

    #[test]
    fn a_cost_is_exact_and_an_unknown_price_is_no_zero() {
        let price = |input, output, cache_read, cache_write| Price { input, output, cache_read, cache_write };
        let usage = |input, output, cache_read, cache_write, cache_write_1h| Usage {
            input,
            output,
            cache_read,
            cache_write,
            cache_write_1h,
            reasoning: Some(9),
        };
        let opus = model("anthropic", "claude-opus-4-8").unwrap().price;
        // 5, 25, 0.5 and 6.25 dollars a million.
        let all = usage(Some(1_000_003), Some(2_000_000), Some(10_000_000), Some(400_000), None);
        assert_eq!(opus.micro_usd(&all), Some(5_000_015 + 50_000_000 + 5_000_000 + 2_500_000));
        // A quarter of what is written stays for an hour, and costs 10 dollars a million.
        assert_eq!(opus.micro_usd(&usage(None, None, None, Some(400_000), Some(100_000))), Some(1_875_000 + 1_000_000));
        assert_eq!(opus.micro_usd(&Usage::default()), Some(0));
        let deepseek = model("deepseek", "deepseek-chat").unwrap().price;
        assert_eq!(deepseek.micro_usd(&usage(None, None, Some(1000), None, None)), Some(3), "2.8 is rounded");
        assert_eq!(deepseek.micro_usd(&usage(None, None, Some(178), None, None)), Some(0), "0.4984 is rounded");
        assert_eq!(deepseek.micro_usd(&usage(None, None, Some(179), None, None)), Some(1), "0.5012 is rounded");
        assert_eq!(deepseek.micro_usd(&usage(Some(100), None, None, Some(100), None)), Some(28), "a write without a price is input");
        let partly = price(None, Some(2.0), Some(0.0), None);
        assert_eq!(partly.micro_usd(&usage(Some(0), Some(3), Some(7), Some(0), None)), Some(6), "what was not used needs no price");
        for used in
            [usage(Some(1), None, None, None, None), usage(None, None, None, Some(1), None), usage(None, None, None, Some(1), Some(1))]
        {
            assert_eq!(partly.micro_usd(&used), None);
        }
        assert_eq!(price(Some(1.0), None, None, None).micro_usd(&usage(Some(1), Some(1), None, None, None)), None);
        let free = price(Some(0.0), Some(0.0), Some(0.0), Some(0.0));
        assert_eq!(free.micro_usd(&all), Some(0));
        assert_eq!(price(Some(900.0), None, None, None).micro_usd(&usage(Some(u64::MAX), None, None, None, None)), None, "beyond counting");
    }

    #[test]
    fn a_providers_models_are_a_slice_of_the_table() {
        assert_eq!(models_of("cerebras").map(|model| model.id).collect::<Vec<_>>(), ["gpt-oss-120b", "zai-glm-4.7"]);
        assert_eq!(models_of("zai").filter(|model| model.provider != "zai").count(), 0);
        assert_eq!(models_of("").count(), 0);
        assert_eq!(models_of("nobody").count(), 0);
    }
}
