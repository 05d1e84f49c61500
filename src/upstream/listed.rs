//! A provider's list of its models, asked for by a blocking client, as [`super::probe`] asks about keys.
//!
//! Start with [`Lister::list`].

use std::io::Read as _;

use http::{Request, Uri};

use super::headers::upward;
use super::probe::{Agents, unreachable_because};
use super::refusal::scrub;
use crate::dialect::Dialect;
use crate::dialect::failure::read_failure;
use crate::provider::Check;
use crate::provider::lists::{ListedModel, read};
use crate::route::table::{Endpoint, Key, Provider};
use crate::secret::Secret;

/// The most bytes of a list: OpenRouter's has some 600 KB.
const BODY_MAX: u64 = 16 << 20;
/// The part of a provider's sentence that is told, in characters.
const MESSAGE_MAX: usize = 200;

/// Asks providers for their lists. The TLS roots are read at the first one that needs them.
#[derive(Debug, Default)]
pub struct Lister {
    agents: Agents,
}

/// What a provider listed.
#[derive(Debug)]
pub struct Answered {
    /// The address that was asked: one of the provider's base URLs.
    pub base_url: String,
    /// The models, by id.
    pub models: Vec<ListedModel>,
}

impl Lister {
    /// Asks `provider` for its models, in 15 seconds at most. Blocks: not for the server's own threads.
    ///
    /// # Errors
    /// With why there is no list, without the key.
    pub fn list(&self, provider: &Provider, secret: Option<&Secret>) -> Result<Answered, String> {
        // OpenAI's list has more in it at those that speak both.
        let preferred = provider.endpoints.iter().find(|endpoint| endpoint.dialect == Dialect::OpenAiChat);
        let endpoint = preferred.or_else(|| provider.endpoints.first()).ok_or("it has no address")?;
        let uri = address(endpoint, &provider.query)?;
        let key = secret.map(|secret| Key { name: String::new(), secret: secret.clone(), token: None });
        let mut request = Request::new(());
        *request.headers_mut() = upward(None, provider, endpoint, key.as_ref());
        *request.uri_mut() = uri.clone();
        let response = self.agents.of(&uri).run(request).map_err(|error| unreachable_because(&error, &uri))?;
        let (head, body) = response.into_parts();
        let mut bytes = Vec::new();
        body.into_reader()
            .take(BODY_MAX + 1)
            .read_to_end(&mut bytes)
            .map_err(|error| unreachable_because(&ureq::Error::Io(error), &uri))?;
        if bytes.len() as u64 > BODY_MAX {
            return Err(format!("{} is answered with more than {BODY_MAX} bytes", uri.path()));
        }
        if !head.status.is_success() {
            let failure = read_failure(head.status.as_u16(), &scrub(bytes.into(), secret));
            let said: String = failure.message.chars().take(MESSAGE_MAX).collect();
            let said = secret.map_or(said.clone(), |secret| said.replace(secret.expose(), "[redacted]"));
            return Err(format!("{} is answered with {}: {said}", uri.path(), head.status.as_u16()));
        }
        let models = read(&bytes).map_err(|reason| format!("{}: {reason}", uri.path()))?;
        Ok(Answered { base_url: endpoint.base_url.clone(), models })
    }
}

fn address(endpoint: &Endpoint, query: &str) -> Result<Uri, String> {
    let Check::Below(path) = Check::usual(endpoint.dialect) else { return Err("its dialect has no list of models".to_owned()) };
    // Anthropic's gives 20 at a time unless asked for more, a thousand at most (docs.anthropic.com, models, 2026-07).
    let limit = if endpoint.dialect == Dialect::AnthropicMessages { "limit=1000" } else { "" };
    let query: Vec<&str> = [limit, query].into_iter().filter(|part| !part.is_empty()).collect();
    let query = if query.is_empty() { String::new() } else { format!("?{}", query.join("&")) };
    Uri::try_from(format!("{}{path}{query}", endpoint.base_url)).map_err(|error| format!("its base URL cannot be used: {error}"))
}
