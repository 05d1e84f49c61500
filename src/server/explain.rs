//! What would be done with a request, told to whom asks: clients at `POST /api/explain`, the command line at the control
//! socket. Nobody is called.

use std::time::Instant;

use http::HeaderMap;

use super::Shared;
use crate::dialect::Dialect;
use crate::error::{Code, Error};
use crate::route::trial::{Asked, Trial};

/// The dialect that the query names, `dialect=anthropic` or `dialect=openai-chat`; without a word Anthropic's.
///
/// # Errors
/// At anything else.
pub(super) fn dialect(query: Option<&str>) -> Result<Dialect, Error> {
    let known = match query.filter(|query| !query.is_empty()) {
        None => Some(Dialect::AnthropicMessages),
        Some(query) => query.strip_prefix("dialect=").and_then(Dialect::from_name),
    };
    known.ok_or_else(|| {
        let names = Dialect::ALL.map(|dialect| format!("`dialect={}`", dialect.name()));
        Error::new(Code::BadRequest, format!("the query of /api/explain is {}", names.join(" or ")))
    })
}

/// What would be done with the request now, as JSON.
///
/// # Errors
/// When the body is no request.
pub(super) fn explain(shared: &Shared, dialect: Dialect, headers: &HeaderMap, body: &[u8]) -> Result<Vec<u8>, Error> {
    let current = shared.current();
    let asked = Asked { dialect, headers, body };
    let trial = Trial::of(&current.table, &mut shared.upstreams.health(), &asked, current.limits.json_depth, Instant::now())?;
    serde_json::to_vec(&trial).map_err(|error| Error::new(Code::Bug, "the decision cannot be written").caused_by(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_names_one_of_the_dialects_or_is_refused() {
        assert_eq!(dialect(None).unwrap(), Dialect::AnthropicMessages);
        assert_eq!(dialect(Some("")).unwrap(), Dialect::AnthropicMessages);
        for known in Dialect::ALL {
            assert_eq!(dialect(Some(&format!("dialect={}", known.name()))).unwrap(), known);
        }
        for wrong in ["dialect=gemini", "dialect", "dialect=", "beta=true", "dialect=anthropic&x"] {
            assert_eq!(dialect(Some(wrong)).unwrap_err().code, Code::BadRequest, "{wrong}");
        }
    }
}
