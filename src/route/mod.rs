//! Where a request goes and what happens when that fails. Pure: no I/O, no clock of its own.
//!
//! Start with [`facts::Facts`] (what a request is), then [`decide::decide`] (which targets, in which order, and why), then
//! [`attempts::Attempts`] (what to do next), then [`health::Health`] (what is known of targets and keys).

pub mod ability;
pub mod analyse;
pub mod attempts;
mod breaker;
mod budget;
pub mod cache;
pub mod choice;
mod choose;
pub mod configured;
pub mod decide;
pub mod estimate;
pub mod explain;
pub mod facts;
mod figures;
pub mod glob;
pub mod health;
mod judge;
pub mod pace;
mod place;
pub mod plan;
pub mod policy;
pub mod quota;
mod race;
pub mod record;
pub mod registry;
mod resume;
pub mod room;
pub mod rule;
mod saved_sessions;
pub mod snapshot;
mod standing;
pub mod step;
pub mod sticky;
pub mod strategy;
pub mod table;
pub mod target;
#[cfg(test)]
mod tests;
pub mod trial;
pub mod why;
mod window;

pub use attempts::Attempts;
pub use decide::{Decision, decide};
pub use facts::Facts;
pub use figures::Form;
pub use health::Health;
pub use plan::{Listed, Plan, PlanError, Target, listing, plan};
pub use record::{Reason, Record, Refused};
pub use step::{Cut, Happened, Stay, Step, Verdict};
pub use table::{Key, Provider, Table, Token};
