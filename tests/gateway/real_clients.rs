//! The unmodified clients.
