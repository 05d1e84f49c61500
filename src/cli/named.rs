//! Whose names an argument takes, said where the argument is: `#[arg(add = Named::Models)]`. `complete/names.rs` has the names.

/// Whose names an argument takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Named {
    /// Models that a client may ask for: names of the config, and `provider/model`.
    Models,
    /// The same, and rules.
    ModelsAndRules,
    /// The same as [`Named::Models`], patterns and providers too.
    AllModels,
    /// Keys that are there.
    Keys,
    /// What a key may be called: by the providers that need one.
    NewKeys,
    /// Providers that can be logged in to.
    Logins,
    /// Templates of prompts.
    Templates,
    /// Conversations.
    Conversations,
    /// Sessions of clients.
    Sessions,
    /// Servers of tools.
    Tools,
    /// Backups of the config.
    Backups,
}

impl clap::builder::ArgExt for Named {}
