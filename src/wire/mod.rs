//! Bytes on the wire, below any dialect: JSON text that stays escaped, a shallow look into a body, server-sent events.
//!
//! Start with [`sse`] for streams and [`peek`] for request bodies.

pub(crate) mod base64;
pub(crate) mod json;
pub(crate) mod object;
pub mod peek;
pub(crate) mod percent;
pub mod prefix;
pub(crate) mod read;
pub(crate) mod scan;
pub(crate) mod schema;
pub mod splice;
pub mod sse;
pub mod text;

pub use text::Text;
