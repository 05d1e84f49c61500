//! What providers' keys look like: a table of forms, and where in a text one stands.
//!
//! Forms are from public documentation and from the rules of secret scanners, 2026-11; none of the providers publishes a
//! checksum, but some keys have a part that is always the same, and an age identity has bech32's. Keys without any form of
//! their own (MiniMax's, say) are not found. Start with [`keys_in`].

/// The form of one kind of key.
#[derive(Debug)]
pub(crate) struct Form {
    /// Whose key it is: a preset's name where there is one.
    pub(crate) provider: &'static str,
    /// How it begins.
    pub(crate) prefix: &'static str,
    /// The characters after the prefix.
    pub(crate) charset: Charset,
    /// How many, both ends included.
    pub(crate) length: (usize, usize),
    /// A part that every such key has, anywhere after the prefix; empty: none.
    pub(crate) mark: &'static str,
    /// How it ends; empty: any way.
    pub(crate) suffix: &'static str,
    /// What else must hold of the whole key.
    pub(crate) check: Check,
}

/// Which characters a key has after its prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Charset {
    /// `0-9`, `a-f`.
    Hex,
    /// Letters and digits.
    Alphanumeric,
    /// The same, `-` and `_`.
    Url,
}

/// What must hold of a whole key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Check {
    /// It does not look made up: its characters are spread as random ones are.
    Random,
    /// bech32's checksum.
    Bech32,
}

const fn form(provider: &'static str, prefix: &'static str, charset: Charset, length: (usize, usize)) -> Form {
    Form { provider, prefix, charset, length, mark: "", suffix: "", check: Check::Random }
}

/// Every form; of two that fit, the first counts.
pub(crate) static FORMS: &[Form] = &[
    Form { suffix: "AA", ..form("anthropic", "sk-ant-api03-", Charset::Url, (95, 95)) },
    Form { suffix: "AA", ..form("anthropic", "sk-ant-admin01-", Charset::Url, (95, 95)) },
    form("anthropic", "sk-ant-", Charset::Url, (60, 140)),
    form("openrouter", "sk-or-v1-", Charset::Hex, (64, 64)),
    // The mark is "OpenAI" in base64.
    Form { mark: "T3BlbkFJ", ..form("openai", "sk-proj-", Charset::Url, (40, 200)) },
    Form { mark: "T3BlbkFJ", ..form("openai", "sk-svcacct-", Charset::Url, (40, 200)) },
    Form { mark: "T3BlbkFJ", ..form("openai", "sk-admin-", Charset::Url, (40, 200)) },
    Form { mark: "T3BlbkFJ", ..form("openai", "sk-", Charset::Alphanumeric, (48, 48)) },
    form("moonshot", "sk-", Charset::Alphanumeric, (48, 48)),
    form("deepseek", "sk-", Charset::Hex, (32, 32)),
    form("groq", "gsk_", Charset::Alphanumeric, (52, 52)),
    form("cerebras", "csk-", Charset::Alphanumeric, (48, 48)),
    form("xai", "xai-", Charset::Alphanumeric, (80, 80)),
    form("synthetic", "syn_", Charset::Alphanumeric, (32, 64)),
    form("google", "AIza", Charset::Url, (35, 35)),
    form("huggingface", "hf_", Charset::Alphanumeric, (34, 34)),
    form("perplexity", "pplx-", Charset::Alphanumeric, (48, 48)),
    form("nvidia", "nvapi-", Charset::Url, (60, 70)),
    form("aimux client token", "aimux-", Charset::Hex, (64, 64)),
    Form { check: Check::Bech32, ..form("age identity", "AGE-SECRET-KEY-1", Charset::Alphanumeric, (58, 58)) },
];

/// Z.AI's keys have no prefix: 32 hexadecimal digits, a dot, 16 letters and digits.
static ZAI: Form = form("zai", "", Charset::Url, (49, 49));

/// The least entropy of a random key, in bits a character: 32 hexadecimal digits have 3.6, 48 letters and digits 4.8.
const ENTROPY_MIN: f64 = 3.0;

/// A key in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FoundKey<'a> {
    /// Whose key it seems to be.
    pub provider: &'static str,
    /// The key.
    pub text: &'a str,
    /// Where it begins, in bytes.
    pub start: usize,
}

/// The keys in a text, in order.
#[must_use]
pub fn keys_in(text: &str) -> Vec<FoundKey<'_>> {
    let mut found = Vec::new();
    let bytes = text.as_bytes();
    let in_word = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let mut start = 0;
    while start < bytes.len() {
        let length = bytes.iter().skip(start).take_while(|byte| in_word(byte)).count();
        // `\nsk-…` in a quoted text: the letter belongs to the escape.
        let escape = usize::from(length > 0 && start > 0 && bytes.get(start - 1) == Some(&b'\\'));
        let (from, to) = (start + escape, start + length);
        if let Some(key) = text.get(from..to).and_then(|word| in_word_of(word, text.get(to..).unwrap_or_default())) {
            let whole = text.get(from..from + key.1).unwrap_or_default();
            found.push(FoundKey { provider: key.0.provider, text: whole, start: from });
            start = from + key.1;
            continue;
        }
        start = to.max(start + 1);
    }
    found
}

/// The form of a word, which `rest` follows, and the key's length.
fn in_word_of(word: &str, rest: &str) -> Option<(&'static Form, usize)> {
    if word.len() < 32 {
        return None;
    }
    if word.len() == 32 && is_all(word, Charset::Hex) {
        let tail = rest.strip_prefix('.')?;
        let end = tail.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))).unwrap_or(tail.len());
        let is_key = end == 16 && is_all(tail.get(..end)?, Charset::Alphanumeric) && entropy(word) >= ENTROPY_MIN;
        return is_key.then_some((&ZAI, 49));
    }
    FORMS.iter().find(|form| form.fits(word)).map(|form| (form, word.len()))
}

impl Form {
    fn fits(&self, word: &str) -> bool {
        let Some(rest) = word.strip_prefix(self.prefix) else { return false };
        let (least, most) = self.length;
        (least..=most).contains(&rest.len())
            && is_all(rest, self.charset)
            && rest.contains(self.mark)
            && rest.ends_with(self.suffix)
            && match self.check {
                Check::Random => entropy(rest) >= ENTROPY_MIN,
                Check::Bech32 => word.parse::<age::x25519::Identity>().is_ok(),
            }
    }
}

fn is_all(text: &str, charset: Charset) -> bool {
    text.bytes().all(|byte| match charset {
        Charset::Hex => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
        Charset::Alphanumeric => byte.is_ascii_alphanumeric(),
        Charset::Url => byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'),
    })
}

/// Shannon's entropy, in bits a character.
fn entropy(text: &str) -> f64 {
    let mut counts = [0_u32; 256];
    for byte in text.bytes() {
        if let Some(count) = counts.get_mut(usize::from(byte)) {
            *count += 1;
        }
    }
    let all = f64::from(u32::try_from(text.len()).unwrap_or(u32::MAX));
    let share = |count: u32| f64::from(count) / all;
    counts.iter().filter(|count| **count > 0).map(|count| -share(*count) * share(*count).log2()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A text that looks random, of characters from `alphabet`.
    fn random(alphabet: &str, length: usize) -> String {
        let letters: Vec<char> = alphabet.chars().collect();
        let mut state = 88_172_645_463_325_252_u64;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            letters[usize::try_from(state >> 33).unwrap() % letters.len()]
        };
        (0..length).map(|_| next()).collect()
    }

    const ALPHANUMERIC: &str = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    const HEX: &str = "0123456789abcdef";

    fn example(form: &Form) -> String {
        if form.check == Check::Bech32 {
            let (text, _) = crate::keys::identity::make(0);
            return text.lines().last().unwrap().to_owned();
        }
        let length = form.length.0 - form.mark.len() - form.suffix.len();
        let alphabet = if form.charset == Charset::Hex { HEX } else { ALPHANUMERIC };
        let body = random(alphabet, length);
        format!("{}{}{}{}{}", form.prefix, &body[..length / 2], form.mark, &body[length / 2..], form.suffix)
    }

    #[test]
    fn a_key_of_each_form_is_found_in_every_surrounding() {
        let zai = format!("{}.{}", random(HEX, 32), random(ALPHANUMERIC, 16));
        let all = FORMS.iter().map(|form| (form.provider, example(form))).chain([("zai", zai)]);
        for (provider, key) in all {
            for (before, after) in
                [("", ""), ("KEY=", "\n"), ("key: \"", "\","), ("'", "'"), ("Bearer ", "\r\n"), ("\\n", "\\n"), ("ü(", ")"), ("x=", ".")]
            {
                let text = format!("{before}{key}{after}");
                let found: Vec<(&str, &str, usize)> =
                    keys_in(&text).iter().map(|found| (found.provider, found.text, found.start)).collect();
                assert_eq!(found, [(provider, key.as_str(), before.len())], "{text}");
            }
        }
    }

    #[test]
    fn what_only_resembles_a_key_is_none() {
        let body = random(ALPHANUMERIC, 95);
        for text in [
            "sk-ant-api03-...",
            "sk-ant-api03-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxAA",
            "sk-or-v1-0000000000000000000000000000000000000000000000000000000000000000",
            "AGE-SECRET-KEY-1QQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQ",
            "d41d8cd98f00b204e9800998ecf8427e",
            "d41d8cd98f00b204e9800998ecf8427e.js",
            "task-0123456789abcdef0123456789abcdef",
            "your-key-goes-here-your-key-goes-here-your-key-goes-here",
            &format!("xsk-ant-api03-{}AA", &body[..93]),
            &format!("gsk_{}", &body[..51]),
        ] {
            assert!(keys_in(text).is_empty(), "{text}");
        }
    }

    #[test]
    fn several_keys_of_one_line_are_all_found() {
        let keys: Vec<String> = FORMS.iter().map(example).collect();
        let line = keys.join(",");
        let found: Vec<&str> = keys_in(&line).iter().map(|found| found.text).collect();
        assert_eq!(found, keys);
    }
}
