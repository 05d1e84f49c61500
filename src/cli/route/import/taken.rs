//! What the three parts of an import share: where a model leads, and how what was taken is told.

/// Where a model leads by the config; `None`: nowhere, or there is no config.
pub(super) type Leads<'a> = &'a dyn Fn(&str) -> Option<String>;

/// A line of a report: what, how many, which.
pub(super) fn line(head: &str, what: &str, names: &[String]) -> String {
    if names.is_empty() { String::new() } else { format!("{head:<10} {} {what}: {}\n", names.len(), names.join(", ")) }
}
