//! An input longer than the model's window, told in any provider's words, and the numbers in them.

/// Whether an error says that the input is longer than the model's window, in any provider's words.
pub(super) fn is_overflow(message: &str, code: Option<&str>, kind_word: Option<&str>) -> bool {
    const WORDS: [&str; 4] = ["context_length_exceeded", "exceed_context_size_error", "model_context_window_exceeded", "1261"];
    if [code, kind_word].into_iter().flatten().any(|word| WORDS.contains(&word)) {
        return true;
    }
    // Each entry: all of its parts stand in the sentence. Collected from the providers' public error texts.
    const SENTENCES: [&[&str]; 26] = [
        &["prompt is too long"],
        &["context_length_exceeded"],
        &["maximum context length"],
        &["context window", "exceed"],
        &["context window", "too long"],
        &["context window", "larger than"],
        &["context length", "exceed"],
        &["context limit", "exceed"],
        &["context size", "exceed"],
        &["input is too long"],
        &["input token count", "exceeds"],
        &["prompt token count", "exceeds"],
        &["maximum prompt length"],
        &["prompt exceeds max length"],
        &["too many tokens", "prompt"],
        &["reduce the length of the messages"],
        &["exceeded model token limit"],
        &["prompt", "too large for model"],
        &["`inputs` tokens + `max_new_tokens` must be"],
        &["`inputs` must have less than"],
        // Alibaba, SGLang, Volcengine, LM Studio (their users' reports, 2025 and 2026).
        &["range of input length should be"],
        &["longer than the model's context length"],
        &["input length", "exceeds the maximum"],
        &["greater than the context length"],
        &["context length of only"],
        &["cannot truncate prompt with n_keep"],
    ];
    let lower = message.to_ascii_lowercase();
    SENTENCES.iter().any(|parts| parts.iter().all(|part| lower.contains(part)))
}

/// The tokens asked for and the limit, from an overflow message in any wording; `None` when they cannot be told apart.
pub(crate) fn context_numbers(message: &str) -> Option<(u64, u64)> {
    let lower = message.to_ascii_lowercase();
    let numbers = numbers_with_surroundings(&lower);
    let asked = numbers.iter().map(|(number, ..)| *number).max()?;
    let is_limit = |before: &str, after: &str| {
        let names = ["max", "limit", "allowed", "context size", "context length", "window", "must be <="];
        names.iter().any(|name| before.contains(name)) || after.trim_start().starts_with("max")
    };
    let named = numbers.iter().find(|(number, before, after)| *number < asked && is_limit(before, after)).map(|(number, ..)| *number);
    let other = || (numbers.len() == 2).then(|| numbers.iter().map(|(number, ..)| *number).min()).flatten();
    let limit = named.or_else(other)?;
    (asked > limit).then_some((asked, limit))
}

/// Every count in the text (256 or more, no part of a name), with what stands before it since the last one, and after it.
fn numbers_with_surroundings(text: &str) -> Vec<(u64, &str, &str)> {
    let mut found = Vec::new();
    let (mut at, mut before_from) = (0, 0);
    while let Some(start) = text.get(at..).and_then(|rest| rest.find(|c: char| c.is_ascii_digit())).map(|n| at + n) {
        let end = text
            .get(start..)
            .and_then(|rest| rest.find(|c: char| !c.is_ascii_digit() && c != ',' && c != '_'))
            .map_or(text.len(), |n| start + n);
        let digits: String = text.get(start..end).unwrap_or_default().chars().filter(char::is_ascii_digit).collect();
        let is_part = |c: char| c.is_alphanumeric() || c == '-' || c == '_';
        let in_name = text.get(..start).and_then(|head| head.chars().next_back()).is_some_and(is_part)
            || text.get(end..).and_then(|tail| tail.chars().next()).is_some_and(is_part);
        // Alibaba begins with the status, `<400>`.
        let is_status =
            text.get(..start).is_some_and(|head| head.ends_with('<')) && text.get(end..).is_some_and(|tail| tail.starts_with('>'));
        if let (Ok(number @ 256..), false) = (digits.parse::<u64>(), in_name || is_status) {
            found.push((number, text.get(before_from..start).unwrap_or_default(), text.get(end..).unwrap_or_default()));
            before_from = end;
        }
        at = end;
    }
    found
}
