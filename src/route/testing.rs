//! Providers for the tests of this module.

use super::table::{Endpoint, Key, Provider};
use crate::provider::preset;
use crate::secret::Secret;

/// A provider like the preset of that name, else like `openai`, with so many keys.
pub(super) fn provider(name: &str, keys: usize) -> Provider {
    let preset = preset(name).or_else(|| preset("openai")).unwrap();
    Provider {
        name: name.to_owned(),
        endpoints: preset
            .endpoints
            .iter()
            .map(|e| Endpoint { dialect: e.dialect, base_url: e.base_url.to_owned(), auth: e.auth, quirks: e.quirks.clone() })
            .collect(),
        keys: (0..keys).map(|n| Key { name: format!("{name}-{n}"), secret: Secret::new(format!("secret-{n}")) }).collect(),
        catalog: preset.catalog,
        models: Vec::new(),
        headers: Vec::new(),
        concurrent_max: None,
        requests_per_minute: None,
        http2: false,
    }
}
