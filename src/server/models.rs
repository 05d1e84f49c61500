//! `GET /v1/models`: one list that clients of both dialects read, since their fields do not collide.

use serde::Serialize;

use crate::error::{Code, Error};
use crate::route::plan::{Listed, listing};
use crate::route::table::Table;

#[derive(Serialize)]
struct ModelList<'a> {
    object: &'static str,
    data: Vec<ModelRecord<'a>>,
    has_more: bool,
    first_id: Option<&'a str>,
    last_id: Option<&'a str>,
}

#[derive(Serialize)]
struct ModelRecord<'a> {
    id: &'a str,
    r#type: &'static str,
    display_name: &'a str,
    created_at: &'static str,
    object: &'static str,
    created: u64,
    owned_by: &'a str,
}

impl<'a> From<&'a Listed> for ModelRecord<'a> {
    fn from(listed: &'a Listed) -> Self {
        Self {
            id: &listed.id,
            r#type: "model",
            display_name: &listed.display_name,
            // aimux does not know when a model was made; both dialects want a date.
            created_at: "2026-01-01T00:00:00Z",
            object: "model",
            created: 1_767_225_600,
            owned_by: &listed.provider,
        }
    }
}

/// Every model that a client may name.
pub(super) fn list(table: &Table) -> Vec<u8> {
    let listed = listing(table);
    let list = ModelList {
        object: "list",
        data: listed.iter().map(ModelRecord::from).collect(),
        has_more: false,
        first_id: listed.first().map(|model| model.id.as_str()),
        last_id: listed.last().map(|model| model.id.as_str()),
    };
    serde_json::to_vec(&list).unwrap_or_default()
}

/// One of them.
pub(super) fn one(table: &Table, id: &str) -> Result<Vec<u8>, Error> {
    let listed = listing(table);
    let found = listed.iter().find(|model| model.id == id);
    let model = found.ok_or_else(|| Error::new(Code::UnknownModel, format!("model {id:?} is not configured")))?;
    Ok(serde_json::to_vec(&ModelRecord::from(model)).unwrap_or_default())
}
