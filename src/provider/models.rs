//! The models: context, limits, prices and capabilities.

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

/// Every model, grouped by provider.
pub static MODELS: &[Model] = &[];

/// The model `id` of the catalog's provider.
#[must_use]
pub fn model(provider: &str, id: &str) -> Option<&'static Model> {
    MODELS.iter().find(|model| model.provider == provider && model.id == id)
}

/// The models of a provider.
pub fn models_of(provider: &str) -> impl Iterator<Item = &'static Model> {
    MODELS.iter().filter(move |model| model.provider == provider)
}
