//! Sessions whose user wants another model than their client asks: `aimux switch`. In memory alone; a restart forgets them.
//!
//! It lacks what the name leads to, which is routing's. Start with [`Switches::asked`].

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::route::Facts;
use crate::route::facts::Role;

/// So many sessions are switched at a time; one more, and the others ask what their clients do.
const SWITCHES_MAX: usize = 1024;

/// A session, and what it is to ask.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Switch {
    /// The client's session; `None`: the one that asked last.
    pub session: Option<String>,
    /// What it asks from now on: a name that a client may ask; `None`: what its client says.
    pub model: Option<String>,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Switches {
    models: HashMap<String, String>,
    /// The session that asked last.
    last: Option<String>,
}

impl Switches {
    /// A request comes: notes its session, and gives the facts the model that the session was switched to. What the client does
    /// in the background, and its subagents, ask what they did.
    pub(super) fn asked(&mut self, facts: &mut Facts) {
        let (Some(session), Role::Main | Role::Plan) = (&facts.session, facts.role) else { return };
        if let Some(model) = self.models.get(session) {
            facts.model.clone_from(model);
        }
        if self.last.as_ref() != Some(session) {
            self.last = Some(session.clone());
        }
    }

    /// Switches. Gives what was done; `None`: there is no session.
    pub(super) fn put(&mut self, wish: Switch) -> Option<Switch> {
        let session = wish.session.or_else(|| self.last.clone())?;
        match &wish.model {
            Some(model) => {
                if self.models.len() >= SWITCHES_MAX && !self.models.contains_key(&session) {
                    self.models.clear();
                }
                self.models.insert(session.clone(), model.clone());
            }
            None => drop(self.models.remove(&session)),
        }
        Some(Switch { session: Some(session), model: wish.model })
    }

    /// What a session was switched to.
    pub(super) fn of(&self, session: &str) -> Option<String> {
        self.models.get(session).cloned()
    }
}
