//! The canonical model that every dialect translates to and from: requests as turns of ordered blocks, answers as
//! start, delta and stop of indexed blocks.
//!
//! It is as rich as the richest dialect and belongs to none. It performs no I/O and knows no provider.
//! Start with [`request::ChatRequest`], then [`event::Event`].

pub mod citation;
pub mod event;
pub mod failure;
pub mod loss;
pub mod opaque;
pub mod request;
pub mod response;
pub(crate) mod seam;
pub mod unread;

pub use citation::{Citation, ForeignCitation, UrlCitation};
pub use event::{BlockStart, Delta, Event, StopReason, Usage};
pub use failure::{Failure, FailureKind, RetryAfter};
pub(crate) use loss::lose;
pub use loss::{Loss, Outcome};
pub use opaque::Opaque;
pub use request::ChatRequest;
pub use response::ChatResponse;
pub use unread::Unread;
