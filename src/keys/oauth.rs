//! Logging in to a provider by a browser: OAuth 2.0's authorisation code with PKCE (RFC 6749, 7636, 8252), and OpenRouter's
//! shorter form of it, which gives a lasting key. Pure: texts in, texts out.
//!
//! It lacks sockets, files and clocks: the redirect is received by `server`, tokens are fetched by `upstream` and kept by the
//! store. Start with [`Attempt::begin`].

use std::sync::Arc;

use serde::Deserialize;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::date;
use crate::error::{Code, Error};
use crate::secret::Secret;
use crate::wire::{base64, percent};

/// The longest code that is taken, in bytes.
const CODE_MAX: usize = 4096;
/// The longest token or key, in bytes: it travels in a header.
const TOKEN_MAX: usize = 16 * 1024;
/// The longest time that a token may be good for: ten years. What says more says nonsense.
const LIFE_MAX_S: u64 = 3_660 * 86_400;
/// The part of a provider's words that is told, in characters.
const WORDS_MAX: usize = 200;

/// What a login ends with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gives {
    /// A key that lasts until it is revoked, by OpenRouter's form: JSON, neither client nor state
    /// (openrouter.ai/docs, OAuth PKCE, 2026-07).
    Key,
    /// A token that expires, as a rule with one to refresh it.
    Tokens,
}

/// How a provider is logged in to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OAuth {
    /// What it gives.
    pub gives: Gives,
    /// Where the browser goes.
    pub auth_url: String,
    /// Where a code is exchanged.
    pub token_url: String,
    /// The name under which aimux is registered there; empty where none is asked for.
    pub client_id: String,
    /// How it proves to be that client, where the provider gave it a secret.
    pub client_secret: Option<ClientSecret>,
    /// What is asked for.
    pub scopes: Vec<String>,
    /// Where the browser comes back to.
    pub redirect: Redirect,
}

/// The secret that some providers give even to programs on their users' machines, and how it is sent.
#[derive(Debug, Clone)]
pub struct ClientSecret {
    /// The secret.
    pub secret: Secret,
    /// Where it goes.
    pub proof: Proof,
}

/// How a client's secret is sent (RFC 6749, section 2.3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// As HTTP's basic authorization, which every provider should take.
    Basic,
    /// In the body, which some want.
    Post,
}

impl PartialEq for ClientSecret {
    fn eq(&self, other: &Self) -> bool {
        self.proof == other.proof && self.secret.matches(other.secret.expose())
    }
}

impl Eq for ClientSecret {}

/// An address of this machine that a browser is sent to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redirect {
    /// `127.0.0.1`, `[::1]` or `localhost`: the word that the provider is told.
    pub host: &'static str,
    /// 0: any that is free, which providers must allow (RFC 8252, section 7.3).
    pub port: u16,
    /// Begins with a slash.
    pub path: String,
}

impl Redirect {
    /// Reads `http://127.0.0.1:8765/callback`; without a port, any.
    ///
    /// # Errors
    /// With what is wrong about it, in a few words.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let rest = text.strip_prefix("http://").ok_or("it does not begin with http://")?;
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let hosts = ["127.0.0.1", "[::1]", "localhost"];
        let known = hosts.into_iter().find_map(|host| authority.strip_prefix(host).map(|port| (host, port)));
        let (host, port) = known.filter(|(_, port)| port.is_empty() || port.starts_with(':')).ok_or("its host is not this machine")?;
        let port = match port.strip_prefix(':') {
            None => 0,
            Some(digits) => {
                let number = digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse::<u16>().ok()).flatten();
                number.filter(|port| *port > 0).ok_or("its port is not a number from 1 to 65535")?
            }
        };
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'-' | b'.' | b'_' | b'~');
        if path.len() > 256 || !path.bytes().all(allowed) {
            return Err("its path has more than letters, digits and /-._~");
        }
        Ok(Self { host, port, path: if path.is_empty() { "/".to_owned() } else { path.to_owned() } })
    }
}

/// What a login or a refresh gave.
#[derive(Debug, Clone)]
pub struct Grant {
    /// The key or access token.
    pub secret: Secret,
    /// What gets the next one; `None`: nothing does.
    pub refresh: Option<Secret>,
    /// When it expires, in seconds since 1970; `None`: it does not, or nobody knows.
    pub expires: Option<u64>,
}

/// When a key came to be what it is, in seconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Times {
    /// When somebody added it or logged in.
    pub(super) created: u64,
    /// When it was last refreshed; `None`: never.
    pub(super) refreshed: Option<u64>,
}

impl Times {
    /// A key that is new.
    pub(super) fn of_login(now: u64) -> Self {
        Self { created: now, refreshed: None }
    }
}

/// The field of a key file that says when it was added or logged in for.
pub(super) const CREATED: &str = "created";
/// The field that says when it was last refreshed.
pub(super) const REFRESHED: &str = "refreshed";
/// The field of a key file that holds the refresh token.
pub(super) const REFRESH: &str = "refresh";
/// The field that says when the first line expires.
pub(super) const EXPIRES: &str = "expires";

impl From<Secret> for Grant {
    /// A key that lasts.
    fn from(secret: Secret) -> Self {
        Self { secret, refresh: None, expires: None }
    }
}

impl Grant {
    /// What a key file holds of it: the secret on line one, then lines of `field: value`.
    pub(super) fn plaintext(&self, times: Times) -> Zeroizing<String> {
        let refresh = self.refresh.as_ref().map_or("", Secret::expose);
        // One allocation, so that no part of a secret stays behind in a shorter one.
        let mut text = Zeroizing::new(String::with_capacity(self.secret.expose().len() + refresh.len() + 160));
        text.push_str(self.secret.expose());
        text.push('\n');
        let mut line = |field: &str, value: &str| [field, ": ", value, "\n"].iter().for_each(|part| text.push_str(part));
        line(CREATED, &date::rfc3339(times.created));
        if let Some(refreshed) = times.refreshed {
            line(REFRESHED, &date::rfc3339(refreshed));
        }
        if !refresh.is_empty() {
            line(REFRESH, refresh);
        }
        if let Some(expires) = self.expires {
            line(EXPIRES, &date::rfc3339(expires));
        }
        text
    }
}

/// Why there is no grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Whether the same request will never be granted: only a new login helps.
    pub is_final: bool,
    /// A lower-case sentence without code, key or token.
    pub message: String,
}

/// A request for tokens, to be sent by POST. The body holds secrets.
pub struct TokenRequest {
    /// Where to.
    pub url: String,
    /// `application/json` or a form's.
    pub content_type: &'static str,
    /// The header `authorization`, where the client proves itself by one.
    pub authorization: Option<Secret>,
    /// The body.
    pub body: Zeroizing<String>,
    gives: Gives,
    secrets: Vec<Secret>,
}

impl std::fmt::Debug for TokenRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TokenRequest").field("url", &self.url).finish_non_exhaustive()
    }
}

/// One login under way: what only this process and the provider know. Good for one code.
pub struct Attempt {
    oauth: Arc<OAuth>,
    redirect_uri: String,
    verifier: Secret,
    state: Secret,
}

impl std::fmt::Debug for Attempt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Attempt(…)")
    }
}

/// What came back.
#[derive(Debug, Clone)]
pub enum Returned {
    /// The code to exchange.
    Code(Secret),
    /// The provider's or the user's no, in words that may be shown.
    Denied(String),
    /// Another address than the one that was asked for.
    Elsewhere,
    /// Not of this login: the state is missing or another one.
    Forged,
    /// Ours, and yet no code.
    Malformed,
}

impl Attempt {
    /// A login that comes back to `port` of this machine.
    ///
    /// # Errors
    /// When the system gives no random numbers.
    pub fn begin(oauth: &Arc<OAuth>, port: u16) -> Result<Self, Error> {
        let (verifier, state) = (random()?, random()?);
        let Redirect { host, path, .. } = &oauth.redirect;
        // OpenRouter is not said to hand a state back, but keeps the address as it is.
        let own = match oauth.gives {
            Gives::Key => format!("{}/{}", path.trim_end_matches('/'), state.expose()),
            Gives::Tokens => path.clone(),
        };
        Ok(Self { oauth: Arc::clone(oauth), redirect_uri: format!("http://{host}:{port}{own}"), verifier, state })
    }

    /// Where the browser is to go.
    #[must_use]
    pub fn url(&self) -> String {
        let challenge = base64::encode_url(&Sha256::digest(self.verifier.expose().as_bytes()));
        let OAuth { gives, auth_url, client_id, scopes, .. } = &*self.oauth;
        let proof = [("code_challenge", challenge.as_str()), ("code_challenge_method", "S256")];
        let scope = scopes.join(" ");
        let mut pairs = match gives {
            Gives::Key => vec![("callback_url", self.redirect_uri.as_str())],
            Gives::Tokens => vec![
                ("response_type", "code"),
                ("client_id", client_id),
                ("redirect_uri", &self.redirect_uri),
                ("state", self.state.expose()),
            ],
        };
        if !scope.is_empty() {
            pairs.push(("scope", &scope));
        }
        pairs.extend(proof);
        format!("{auth_url}?{}", form(&pairs))
    }

    /// Reads the path and query that a browser came back to.
    #[must_use]
    pub fn returned(&self, target: &str) -> Returned {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let base = self.oauth.redirect.path.as_str();
        let is_of_key = self.oauth.gives == Gives::Key;
        if is_of_key {
            let Some(state) = path.strip_prefix(base.trim_end_matches('/')).and_then(|rest| rest.strip_prefix('/')) else {
                return Returned::Elsewhere;
            };
            if !self.state.matches(state) {
                return Returned::Forged;
            }
        } else if path != base {
            return Returned::Elsewhere;
        }
        let Some(parameters) = Parameters::read(query) else { return if is_of_key { Returned::Malformed } else { Returned::Forged } };
        if !is_of_key && !parameters.state.is_some_and(|state| self.state.matches(state.expose())) {
            return Returned::Forged;
        }
        if let Some(error) = parameters.error {
            let more = parameters.description.map_or_else(String::new, |words| format!(": {words}"));
            return Returned::Denied(plain(&format!("{error}{more}")));
        }
        parameters.code.filter(|code| is_code(code.expose())).map_or(Returned::Malformed, Returned::Code)
    }

    /// Reads what a user pastes: the address that the browser could not open, or the code that the provider shows, with or
    /// without `#` and the state behind it. A code alone needs no state: one that was made for another login fails the
    /// provider's check of the verifier.
    #[must_use]
    pub fn pasted(&self, text: &str) -> Returned {
        let text = text.trim();
        let address = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
        if let Some(address) = address {
            return address.find('/').and_then(|at| address.get(at..)).map_or(Returned::Elsewhere, |target| self.returned(target));
        }
        let (code, state) = text.split_once('#').map_or((text, None), |(code, state)| (code, Some(state)));
        match state {
            Some(state) if !self.state.matches(state) => Returned::Forged,
            _ if is_code(code) => Returned::Code(Secret::new(code.to_owned())),
            _ => Returned::Malformed,
        }
    }

    /// The request that exchanges a code.
    #[must_use]
    pub fn exchange(&self, code: &Secret) -> TokenRequest {
        let (verifier, code_text) = (self.verifier.expose(), code.expose());
        let secrets = vec![code.clone(), self.verifier.clone(), self.state.clone()];
        match self.oauth.gives {
            Gives::Key => {
                let quoted = |text: &str| Zeroizing::new(serde_json::Value::from(text).to_string());
                let (code, verifier) = (quoted(code_text), quoted(verifier));
                let body = format!(r#"{{"code":{},"code_verifier":{},"code_challenge_method":"S256"}}"#, *code, *verifier);
                TokenRequest {
                    url: self.oauth.token_url.clone(),
                    content_type: "application/json",
                    authorization: None,
                    body: Zeroizing::new(body),
                    gives: Gives::Key,
                    secrets,
                }
            }
            Gives::Tokens => self.oauth.request(
                &[
                    ("grant_type", "authorization_code"),
                    ("code", code_text),
                    ("redirect_uri", &self.redirect_uri),
                    ("code_verifier", verifier),
                ],
                secrets,
            ),
        }
    }
}

const FORM: &str = "application/x-www-form-urlencoded";

impl OAuth {
    /// The request that exchanges a refresh token for the next tokens.
    #[must_use]
    pub fn renewal(&self, refresh: &Secret) -> TokenRequest {
        self.request(&[("grant_type", "refresh_token"), ("refresh_token", refresh.expose())], vec![refresh.clone()])
    }

    /// A request for tokens, with what tells which client asks, and proves it.
    fn request(&self, pairs: &[(&str, &str)], mut secrets: Vec<Secret>) -> TokenRequest {
        let mut pairs = pairs.to_vec();
        let mut authorization = None;
        match &self.client_secret {
            Some(ClientSecret { secret, proof: Proof::Basic }) => {
                // Both are encoded as a form's values first.
                let [id, own] = [&self.client_id, secret.expose()].map(|text| Zeroizing::new(percent::encode(text)));
                let both = Zeroizing::new(format!("{}:{}", *id, *own));
                authorization = Some(Secret::new(format!("Basic {}", *base64::encode(both.as_bytes()))));
            }
            Some(ClientSecret { secret, proof: Proof::Post }) => {
                pairs.extend([("client_id", self.client_id.as_str()), ("client_secret", secret.expose())]);
            }
            None => pairs.push(("client_id", &self.client_id)),
        }
        let body = Zeroizing::new(form(&pairs));
        secrets.extend(self.client_secret.iter().map(|client| client.secret.clone()));
        TokenRequest { url: self.token_url.clone(), content_type: FORM, authorization, body, gives: Gives::Tokens, secrets }
    }
}

#[derive(Default)]
struct Parameters {
    code: Option<Secret>,
    state: Option<Secret>,
    error: Option<String>,
    description: Option<String>,
}

impl Parameters {
    /// `None` where one is given twice or cannot be decoded.
    fn read(query: &str) -> Option<Self> {
        let mut read = Self::default();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = percent::decode(value)?;
            let is_first = match name {
                "code" => read.code.replace(Secret::new(value)).is_none(),
                "state" => read.state.replace(Secret::new(value)).is_none(),
                "error" => read.error.replace(value).is_none(),
                "error_description" => read.description.replace(value).is_none(),
                _ => true,
            };
            if !is_first {
                return None;
            }
        }
        Some(read)
    }
}

/// The members that matter of an answer with tokens, or with an error.
#[derive(Deserialize)]
struct Answer {
    key: Option<String>,
    access_token: Option<String>,
    refresh_token: Option<String>,
    token_type: Option<String>,
    /// Seconds; some write them as text.
    expires_in: Option<serde_json::Value>,
    /// A word, or an object with a message.
    error: Option<serde_json::Value>,
    error_description: Option<String>,
}

impl TokenRequest {
    /// Reads what the provider answered. `now` is in seconds since 1970. A refresh that gives no new refresh token leaves
    /// [`Grant::refresh`] empty: the old one stays good.
    ///
    /// # Errors
    /// When it gives nothing that can be used.
    pub fn read(&self, status: u16, body: &[u8], now: u64) -> Result<Grant, Refused> {
        let answer: Option<Answer> = serde_json::from_slice(body).ok();
        let token =
            answer.as_ref().and_then(|answer| if self.gives == Gives::Key { answer.key.as_ref() } else { answer.access_token.as_ref() });
        let (Some(answer), Some(token), 200..=299) = (&answer, token, status) else {
            return Err(self.refusal(status, answer.as_ref()));
        };
        let nonsense = |what: &str| Refused { is_final: false, message: format!("the answer makes no sense: {what}") };
        if answer.token_type.as_ref().is_some_and(|kind| !kind.eq_ignore_ascii_case("bearer")) {
            return Err(nonsense("its token is of a kind that is not sent as `Bearer`"));
        }
        if !is_token(token) || answer.refresh_token.as_ref().is_some_and(|token| !is_token(token)) {
            return Err(nonsense("its token is empty, too long or has characters that no token has"));
        }
        let life = match answer.expires_in.as_ref().filter(|_| self.gives == Gives::Tokens) {
            None | Some(serde_json::Value::Null) => None,
            Some(value) => {
                let life = value.as_u64().or_else(|| value.as_str()?.parse().ok()).filter(|life| *life <= LIFE_MAX_S);
                Some(life.ok_or_else(|| nonsense("`expires_in` is no number of seconds"))?)
            }
        };
        Ok(Grant {
            secret: Secret::new(token.clone()),
            refresh: answer.refresh_token.as_ref().filter(|_| self.gives == Gives::Tokens).map(|token| Secret::new(token.clone())),
            expires: life.map(|life| now.saturating_add(life)),
        })
    }

    fn refusal(&self, status: u16, answer: Option<&Answer>) -> Refused {
        let error = answer.and_then(|answer| answer.error.as_ref());
        let word = error.and_then(|error| error.as_str().or_else(|| error.get("message")?.as_str())).unwrap_or_default();
        let more = answer.and_then(|answer| answer.error_description.as_deref()).unwrap_or_default();
        let words = [word, more].into_iter().filter(|words| !words.is_empty()).collect::<Vec<_>>().join(": ");
        let words = self.secrets.iter().fold(words, |words, secret| words.replace(secret.expose(), "[redacted]"));
        let words = if words.is_empty() { String::new() } else { format!(" ({})", plain(&words)) };
        // Codes and refresh tokens are judged with 400 (RFC 6749, section 5.2), at OpenRouter with 403.
        let is_final = matches!(status, 400..=499) && !matches!(status, 408 | 425 | 429);
        let message = match status {
            200..=299 => format!("it answered with {status}, but without a token{words}"),
            300..=399 => format!("it answered with {status}, a redirect, which is not followed"),
            _ => format!("it answered with {status}{words}"),
        };
        Refused { is_final, message }
    }
}

fn form(pairs: &[(&str, &str)]) -> String {
    // One allocation, so that no part of a secret stays behind in a shorter one.
    let length = pairs.iter().map(|(name, value)| name.len() + 3 * value.len() + 2).sum();
    pairs.iter().fold(String::with_capacity(length), |mut out, (name, value)| {
        if !out.is_empty() {
            out.push('&');
        }
        out.push_str(name);
        out.push('=');
        out.push_str(&Zeroizing::new(percent::encode(value)));
        out
    })
}

/// 256 random bits, as RFC 7636 wants a verifier: 43 characters that need no encoding.
fn random() -> Result<Secret, Error> {
    let mut random = Zeroizing::new([0_u8; 32]);
    getrandom::fill(random.as_mut_slice())
        .map_err(|error| Error::new(Code::Bug, "the system gives no random numbers").caused_by(error.to_string()))?;
    Ok(Secret::new(base64::encode_url(random.as_slice())))
}

fn is_code(text: &str) -> bool {
    (1..=CODE_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

fn is_token(text: &str) -> bool {
    (1..=TOKEN_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// A stranger's words as they may be shown: one line, of limited length.
fn plain(text: &str) -> String {
    text.chars().take(WORDS_MAX).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests;
