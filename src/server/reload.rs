//! A new config, and new keys, for a running server: what is asked for and what comes of it.
//!
//! Start with [`Reloaded`]; `control::reload` asks a running server.

use serde::{Deserialize, Serialize};

use crate::audit::Change;
use crate::config::LoadError;
use crate::error::{Code, Error};

/// What a reload did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reloaded {
    /// How often the server has exchanged what it serves from; 0 at the start.
    pub generation: u64,
    /// The fields that changed, secrets masked; empty: nothing did, and nothing was exchanged.
    pub changes: Vec<Change>,
    /// Lines for the user: warnings, and what a restart is needed for.
    pub notes: Vec<String>,
    /// Whether no request uses a former config or key any more.
    pub drained: bool,
}

/// Why the server keeps what it has, as it stands in an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Refused {
    /// `E0102`.
    pub(crate) code: String,
    pub(crate) message: String,
    /// What to do.
    pub(crate) advice: String,
    /// The diagnostics, rendered; empty where it is not the config's form.
    pub(crate) rendered: String,
    /// How many of them are errors.
    pub(crate) errors: usize,
}

impl From<&LoadError> for Refused {
    fn from(error: &LoadError) -> Self {
        match error {
            LoadError::Invalid { rendered, errors } => Self {
                code: Code::ConfigInvalid.row().id.to_owned(),
                message: "the config has errors".to_owned(),
                advice: Code::ConfigInvalid.row().action.to_owned(),
                rendered: rendered.clone(),
                errors: *errors,
            },
            LoadError::Other(error) => Self {
                code: error.code.row().id.to_owned(),
                message: error.message.clone(),
                advice: error.advice(),
                rendered: String::new(),
                errors: 0,
            },
        }
    }
}

impl From<Refused> for LoadError {
    fn from(refused: Refused) -> Self {
        let Refused { code, message, advice, rendered, errors } = refused;
        if errors > 0 {
            return Self::Invalid { rendered, errors };
        }
        let code = Code::ALL.iter().copied().find(|known| known.row().id == code).unwrap_or(Code::Bug);
        Self::Other(Error::new(code, message).hint(advice))
    }
}
