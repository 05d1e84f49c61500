//! `providers.NAME.oauth`: how `aimux keys login` logs in, where the provider has no form of its own, and where its tokens
//! are refreshed.
//!
//! A secret of the client is named, never written here: a program on many machines cannot keep one (RFC 8252, section 8.5),
//! but some providers want it all the same.

use super::diagnostic::{Diagnostic, Finding};
use super::fields;
use super::key_sources::{self, Source};
use super::mask;
use super::reader::{Reader, Section, Text};
use super::url;
use crate::keys::oauth::{ClientSecret, Gives, OAuth, Proof, Redirect};
use crate::provider::{Login, Preset};
use crate::secret::Secret;

/// Reads the section of a provider, over what its preset says. `sources`: where its keys are.
pub(crate) fn read(reader: &mut Reader<'_>, section: &Section<'_>, preset: Option<&'static Preset>, sources: &[Source]) -> Option<OAuth> {
    let login = preset.and_then(|preset| preset.login.as_ref());
    let section = reader.inner(section, "oauth");
    // Nothing in it says nothing, as in every section.
    let Some(section) = section.filter(|section| fields::OAUTH.iter().any(|field| !section.lacks(field.name))) else {
        return login.map(of_preset);
    };
    let (auth_url, token_url) = (address(reader, &section, "auth_url"), address(reader, &section, "token_url"));
    let client_id = reader.text(&section, "client_id").filter(|text| is_no_secret(reader, &section, "client_id", text));
    let client_secret = client_secret(reader, &section);
    let scopes = scopes(reader, &section);
    let redirect = redirect(reader, &section);
    if let Some(login) = login {
        for name in ["client_id", "client_secret", "client_proof", "scopes"] {
            if let Some(node) = section.get(name) {
                let path = section.at(name);
                let message = format!("{path} has no effect: this provider's login asks for none");
                reader.found(Finding::NotEnforced, node.span, &path, message, "without effect");
            }
        }
        let known = of_preset(login);
        let (auth_url, token_url) = (auth_url.unwrap_or(known.auth_url), token_url.unwrap_or(known.token_url));
        return Some(OAuth { auth_url, token_url, redirect: redirect.unwrap_or(known.redirect), ..known });
    }
    let missing: Vec<&str> = ["client_id", "auth_url", "token_url"].into_iter().filter(|name| section.lacks(name)).collect();
    if !missing.is_empty() {
        let names = missing.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" and ");
        let message = format!("{} lacks {names}", section.path);
        reader.found(Finding::Missing, section.span, &section.path, message, "cannot be logged in to");
    }
    if !sources.iter().any(|source| matches!(source, Source::File(_))) {
        let message = format!("{} has no effect: a login is kept in a key file, and the provider has none", section.path);
        let diagnostic = Diagnostic::new(Finding::NotEnforced, section.span, &section.path, message, "without effect");
        reader.found_with(diagnostic.help("give it one: `key: NAME`"));
    }
    let redirect = redirect.or_else(|| Redirect::parse(fields::REDIRECT).ok())?;
    Some(OAuth {
        gives: Gives::Tokens,
        auth_url: auth_url?,
        token_url: token_url?,
        client_id: client_id?.text,
        client_secret,
        scopes,
        redirect,
    })
}

/// How a preset is logged in to.
pub(crate) fn of_preset(login: &Login) -> OAuth {
    OAuth {
        gives: Gives::Key,
        auth_url: login.auth_url.to_owned(),
        token_url: login.token_url.to_owned(),
        client_id: String::new(),
        client_secret: None,
        scopes: Vec::new(),
        redirect: Redirect { host: login.redirect_host, port: 0, path: "/callback".to_owned() },
    }
}

/// The client's secret, from its variable; one that is not set is noted.
fn client_secret(reader: &mut Reader<'_>, section: &Section<'_>) -> Option<ClientSecret> {
    let proof = if reader.choice(section, "client_proof") == Some("post") { Proof::Post } else { Proof::Basic };
    let Some(node) = section.get("client_secret") else {
        if let Some(proof) = section.get("client_proof") {
            let path = section.at("client_proof");
            let message = format!("{path} has no effect: there is no client_secret to send");
            reader.found(Finding::NotEnforced, proof.span, &path, message, "without effect");
        }
        return None;
    };
    let name = key_sources::variable(reader, node, &section.at("client_secret"))?;
    let secret = reader.environment().get(&name).map(|secret| Secret::new(secret.trim().to_owned()))?;
    Some(ClientSecret { secret, proof })
}

/// A URL that codes and tokens travel to: encrypted, but on this machine.
fn address(reader: &mut Reader<'_>, section: &Section<'_>, name: &str) -> Option<String> {
    let given = reader.text(section, name)?;
    let path = section.at(name);
    if !is_no_secret(reader, section, name, &given) {
        return None;
    }
    let bad = |reason: &'static str, shown: &str| {
        let message = format!("{path} is \"{shown}\", which cannot be used: {reason}");
        Diagnostic::new(Finding::BadUrl, given.span, &path, message, reason)
            .help("give the address as the provider's documentation has it: https, without a query")
    };
    let shown = reader.written(given.span);
    match url::parse(&given.text) {
        Err(reason) => reader.found_with(bad(reason, &shown)),
        Ok(base) if base.is_plain && !base.is_loopback => {
            reader.found_with(bad("plain http would carry codes and tokens over the network", &shown));
        }
        Ok(base) => return Some(base.text),
    }
    None
}

fn redirect(reader: &mut Reader<'_>, section: &Section<'_>) -> Option<Redirect> {
    let given = reader.text(section, "redirect")?;
    let reason = match Redirect::parse(&given.text) {
        Ok(redirect) => return Some(redirect),
        Err(reason) => reason,
    };
    let (path, shown) = (section.at("redirect"), reader.written(given.span));
    let message = format!("{path} is \"{shown}\", which no browser may be sent back to: {reason}");
    let diagnostic = Diagnostic::new(Finding::BadUrl, given.span, &path, message, reason);
    reader.found_with(
        diagnostic.help("write `http://127.0.0.1/callback`, or the port that the provider knows: `http://127.0.0.1:8765/callback`"),
    );
    None
}

fn scopes(reader: &mut Reader<'_>, section: &Section<'_>) -> Vec<String> {
    let given = reader.texts(section, "scopes");
    let path = section.at("scopes");
    let mut scopes = Vec::new();
    for text in given {
        // RFC 6749, section 3.3.
        let is_scope = text.text.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\'));
        if is_scope {
            scopes.push(text.text);
        } else {
            let message = format!("{path} holds \"{}\", which is no scope", reader.written(text.span));
            let diagnostic = Diagnostic::new(Finding::BadValue, text.span, &path, message, "a blank, a quote or no ASCII");
            reader.found_with(diagnostic.help("write each scope as an entry of its own: `[one, two]`"));
        }
    }
    scopes
}

/// Notes a key that stands where none belongs.
fn is_no_secret(reader: &mut Reader<'_>, section: &Section<'_>, name: &str, text: &Text) -> bool {
    let is_secret = match name {
        "client_id" => mask::begins_as_key(&text.text),
        _ => mask::looks_like_key(&text.text) || text.text.split('/').nth(2).is_some_and(|authority| authority.contains('@')),
    };
    if is_secret {
        reader.report.secrets.push(text.span);
        let path = section.at(name);
        let message = format!("{path} holds a user, password or key");
        reader.found(Finding::ClearKey, text.span, &path, message, "a secret in clear");
        return false;
    }
    true
}
