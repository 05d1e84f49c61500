//! What is known of targets and keys: breakers, rests, the retry budget, requests in flight.

/// The memory that all requests share. A driver keeps it behind a lock that is held for one step.
#[derive(Debug, Default)]
pub struct Health {}
