//! The providers.

use super::Preset;

/// Every provider with a name of its own.
pub static PRESETS: &[Preset] = &[];
