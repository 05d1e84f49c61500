//! The texts that a login sends and takes, and the ones that it does not take.

use super::*;

fn oauth(gives: Gives) -> Arc<OAuth> {
    Arc::new(OAuth {
        gives,
        auth_url: "https://login.example/authorize".to_owned(),
        token_url: "https://login.example/token".to_owned(),
        client_id: if gives == Gives::Key { String::new() } else { "aimux & co".to_owned() },
        client_secret: None,
        scopes: if gives == Gives::Key { Vec::new() } else { vec!["llm".to_owned(), "offline_access".to_owned()] },
        redirect: Redirect::parse("http://127.0.0.1/back").unwrap(),
    })
}

/// The query of a URL, decoded.
fn query(url: &str) -> std::collections::BTreeMap<String, String> {
    let pairs = url.split_once('?').unwrap().1.split('&').map(|pair| pair.split_once('=').unwrap());
    pairs.map(|(name, value)| (name.to_owned(), percent::decode(value).unwrap())).collect()
}

#[test]
fn a_url_has_the_challenge_and_never_the_verifier() {
    for gives in [Gives::Key, Gives::Tokens] {
        let oauth = oauth(gives);
        let attempt = Attempt::begin(&oauth, 4711).unwrap();
        let url = attempt.url();
        assert!(url.starts_with("https://login.example/authorize?") && !url.contains(attempt.verifier.expose()), "{url}");
        let query = query(&url);
        assert_eq!(query["code_challenge_method"], "S256");
        assert_eq!(query["code_challenge"], base64::encode_url(&Sha256::digest(attempt.verifier.expose().as_bytes())));
        assert_eq!(attempt.verifier.expose().len(), 43, "RFC 7636 wants 43 to 128");
        let state = attempt.state.expose();
        if gives == Gives::Key {
            assert_eq!(query["callback_url"], format!("http://127.0.0.1:4711/back/{state}"));
            assert_eq!(query.len(), 3);
        } else {
            assert_eq!((query["redirect_uri"].as_str(), query["state"].as_str()), ("http://127.0.0.1:4711/back", state));
            assert_eq!((query["client_id"].as_str(), query["scope"].as_str()), ("aimux & co", "llm offline_access"));
            assert_eq!(query["response_type"], "code");
        }
    }
}

#[test]
fn the_challenge_is_that_of_the_rfc() {
    // RFC 7636, appendix B.
    let digest = Sha256::digest(b"dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
    assert_eq!(base64::encode_url(&digest), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
}

#[test]
fn only_a_code_with_the_own_state_is_taken() {
    let oauth = oauth(Gives::Tokens);
    let attempt = Attempt::begin(&oauth, 1).unwrap();
    let state = attempt.state.expose().to_owned();
    let kind = |target: &str| match attempt.returned(target) {
        Returned::Code(code) => format!("code {}", code.expose()),
        Returned::Denied(words) => format!("denied {words}"),
        other => format!("{other:?}"),
    };
    assert_eq!(kind(&format!("/back?code=a%2Fb&state={state}&extra=1")), "code a/b");
    assert_eq!(kind(&format!("/back?error=access_denied&error_description=not%0Anow&state={state}")), "denied access_denied: not now");
    for forged in ["/back?code=a", "/back?code=a&state=", "/back?code=a&state=other", "/back?error=no", "/back", "/back?code=%&state=x"] {
        assert_eq!(kind(forged), "Forged", "{forged}");
    }
    let twice = format!("/back?code=a&code=b&state={state}");
    assert_eq!(kind(&twice), "Forged");
    for malformed in [format!("/back?state={state}"), format!("/back?code=&state={state}"), format!("/back?code=a%20b&state={state}")] {
        assert_eq!(kind(&malformed), "Malformed", "{malformed}");
    }
    for elsewhere in ["/", "/back/", "/backs?code=a", "", "/favicon.ico"] {
        assert_eq!(kind(elsewhere), "Elsewhere", "{elsewhere}");
    }
}

#[test]
fn without_a_state_in_the_query_the_path_has_it() {
    let oauth = oauth(Gives::Key);
    let attempt = Attempt::begin(&oauth, 1).unwrap();
    let state = attempt.state.expose();
    assert!(matches!(attempt.returned(&format!("/back/{state}?code=abc")), Returned::Code(code) if code.expose() == "abc"));
    assert!(matches!(attempt.returned(&format!("/back/{state}?error=denied")), Returned::Denied(_)));
    assert!(matches!(attempt.returned(&format!("/back/{state}x?code=abc")), Returned::Forged));
    assert!(matches!(attempt.returned("/back/?code=abc"), Returned::Forged));
    assert!(matches!(attempt.returned("/back?code=abc"), Returned::Elsewhere));
    assert!(matches!(attempt.returned(&format!("/back/{state}?code=a&code=b")), Returned::Malformed));
}

#[test]
fn a_pasted_address_needs_the_state_and_a_pasted_code_does_not() {
    for gives in [Gives::Key, Gives::Tokens] {
        let oauth = oauth(gives);
        let attempt = Attempt::begin(&oauth, 99).unwrap();
        let state = attempt.state.expose();
        let address = match gives {
            Gives::Key => format!(" http://127.0.0.1:99/back/{state}?code=abc\n"),
            Gives::Tokens => format!(" http://127.0.0.1:99/back?state={state}&code=abc\n"),
        };
        for text in [address, "abc\n".to_owned(), format!("abc#{state}")] {
            assert!(matches!(attempt.pasted(&text), Returned::Code(code) if code.expose() == "abc"), "{text}");
        }
        for text in ["abc#other", "http://127.0.0.1:99/back/other?state=other&code=abc"] {
            assert!(!matches!(attempt.pasted(text), Returned::Code(_)), "{text}");
        }
        for text in ["", "two words", "https://login.example", &"x".repeat(CODE_MAX + 1)] {
            assert!(matches!(attempt.pasted(text), Returned::Malformed | Returned::Elsewhere), "{text}");
        }
    }
}

#[test]
fn an_exchange_proves_who_began() {
    let code = Secret::new("c\"&d".to_owned());
    let oauth_key = oauth(Gives::Key);
    let attempt = Attempt::begin(&oauth_key, 1).unwrap();
    let request = attempt.exchange(&code);
    let body: serde_json::Value = serde_json::from_str(&request.body).unwrap();
    let expected = serde_json::json!({ "code": "c\"&d", "code_verifier": attempt.verifier.expose(), "code_challenge_method": "S256" });
    assert_eq!((body, request.content_type), (expected, "application/json"));
    let oauth = oauth(Gives::Tokens);
    let attempt = Attempt::begin(&oauth, 1).unwrap();
    let request = attempt.exchange(&code);
    let pairs = query(&format!("?{}", *request.body));
    assert_eq!((pairs["grant_type"].as_str(), pairs["code"].as_str()), ("authorization_code", "c\"&d"));
    assert_eq!(pairs["code_verifier"], attempt.verifier.expose());
    assert_eq!((pairs["redirect_uri"].as_str(), pairs["client_id"].as_str()), ("http://127.0.0.1:1/back", "aimux & co"));
    assert!(!format!("{request:?}{attempt:?}").contains(attempt.verifier.expose()));
    let renewal = oauth.renewal(&Secret::new("r/1".to_owned()));
    assert_eq!(*renewal.body, "grant_type=refresh_token&refresh_token=r%2F1&client_id=aimux%20%26%20co");
}

#[test]
fn answers_are_read_strictly_and_never_repeat_a_secret() {
    let oauth = oauth(Gives::Tokens);
    let request = oauth.renewal(&Secret::new("refresh-me".to_owned()));
    let read = |status: u16, body: &str| request.read(status, body.as_bytes(), 1000);
    let grant = read(200, r#"{"access_token":"a1","token_type":"bearer","expires_in":3600,"refresh_token":"r2","scope":"llm"}"#).unwrap();
    assert_eq!((grant.secret.expose(), grant.refresh.unwrap().expose(), grant.expires), ("a1", "r2", Some(4600)));
    let grant = read(200, r#"{"access_token":"a1","expires_in":"60"}"#).unwrap();
    assert!(grant.refresh.is_none() && grant.expires == Some(1060));
    assert_eq!(read(200, r#"{"access_token":"a1"}"#).unwrap().expires, None);
    for (status, body, is_final, said) in [
        (
            400,
            r#"{"error":"invalid_grant","error_description":"refresh-me was used"}"#,
            true,
            "it answered with 400 (invalid_grant: [redacted] was used)",
        ),
        (403, r#"{"error":{"message":"Invalid code","code":403}}"#, true, "it answered with 403 (Invalid code)"),
        (500, "<html>", false, "it answered with 500"),
        (429, "{}", false, "it answered with 429"),
        (302, "", false, "it answered with 302, a redirect, which is not followed"),
        (200, r#"{"error":"slow\u001bdown"}"#, false, "it answered with 200, but without a token (slow down)"),
        (
            200,
            r#"{"access_token":""}"#,
            false,
            "the answer makes no sense: its token is empty, too long or has characters that no token has",
        ),
        (
            200,
            r#"{"access_token":"a b"}"#,
            false,
            "the answer makes no sense: its token is empty, too long or has characters that no token has",
        ),
        (
            200,
            r#"{"access_token":"a","refresh_token":"b\n"}"#,
            false,
            "the answer makes no sense: its token is empty, too long or has characters that no token has",
        ),
        (
            200,
            r#"{"access_token":"a","token_type":"mac"}"#,
            false,
            "the answer makes no sense: its token is of a kind that is not sent as `Bearer`",
        ),
        (200, r#"{"access_token":"a","expires_in":-1}"#, false, "the answer makes no sense: `expires_in` is no number of seconds"),
        (200, r#"{"access_token":"a","expires_in":1e99}"#, false, "the answer makes no sense: `expires_in` is no number of seconds"),
        (200, r#"{"key":"sk-or-v1-1"}"#, false, "it answered with 200, but without a token"),
    ] {
        let refused = read(status, body).unwrap_err();
        assert_eq!((refused.is_final, refused.message.as_str()), (is_final, said), "{status} {body}");
    }
}

#[test]
fn openrouters_answer_is_a_key_that_stays() {
    let oauth = oauth(Gives::Key);
    let request = Attempt::begin(&oauth, 1).unwrap().exchange(&Secret::new("c".to_owned()));
    let grant = request.read(200, br#"{"key":"sk-or-v1-1","user_id":"u","expires_in":5,"refresh_token":"x"}"#, 1).unwrap();
    assert!(grant.secret.expose() == "sk-or-v1-1" && grant.refresh.is_none() && grant.expires.is_none());
    assert!(request.read(200, br#"{"access_token":"a"}"#, 1).is_err());
}

#[test]
fn redirects_lead_to_this_machine_only() {
    for (text, host, port, path) in [
        ("http://127.0.0.1/callback", "127.0.0.1", 0, "/callback"),
        ("http://localhost:8765", "localhost", 8765, "/"),
        ("http://[::1]:1/a/b-c", "[::1]", 1, "/a/b-c"),
    ] {
        assert_eq!(Redirect::parse(text).unwrap(), Redirect { host, port, path: path.to_owned() });
    }
    for text in [
        "https://127.0.0.1/",
        "http://127.0.0.1.example/",
        "http://127.0.0.1@example/",
        "http://localhost.example/",
        "http://example/",
        "http://0.0.0.0/",
        "http://localhost:0/",
        "http://localhost:/",
        "http://localhost:65536/",
        "http://localhost:+1/",
        "http://localhost/?a=b",
        "http://localhost/#a",
        "http://localhost/ä",
        "urn:ietf:wg:oauth:2.0:oob",
        "",
    ] {
        assert!(Redirect::parse(text).is_err(), "{text}");
    }
}

#[test]
fn a_clients_secret_goes_where_the_provider_wants_it_and_is_told_nobody() {
    let with = |proof| {
        let client_secret = Some(ClientSecret { secret: Secret::new("s&cret-0123456789".to_owned()), proof });
        Arc::new(OAuth { client_secret, ..OAuth::clone(&oauth(Gives::Tokens)) })
    };
    for proof in [Proof::Basic, Proof::Post] {
        let oauth = with(proof);
        let attempt = Attempt::begin(&oauth, 1).unwrap();
        for request in [attempt.exchange(&Secret::new("code".to_owned())), oauth.renewal(&Secret::new("refresh-0123456789".to_owned()))] {
            let fields = query(&format!("?{}", *request.body));
            let sent = (fields.get("client_id").map(String::as_str), fields.get("client_secret").map(String::as_str));
            let header = request.authorization.as_ref().map(Secret::expose);
            match proof {
                // "aimux%20%26%20co:s%26cret-0123456789"
                Proof::Basic => {
                    assert_eq!((sent, header), ((None, None), Some("Basic YWltdXglMjAlMjYlMjBjbzpzJTI2Y3JldC0wMTIzNDU2Nzg5")));
                }
                Proof::Post => assert_eq!((sent, header), ((Some("aimux & co"), Some("s&cret-0123456789")), None)),
            }
            let refused = request.read(400, br#"{"error":"invalid_client","error_description":"s&cret-0123456789 is wrong"}"#, 0);
            assert_eq!(refused.unwrap_err().message, "it answered with 400 (invalid_client: [redacted] is wrong)");
            assert!(!format!("{request:?} {oauth:?}").contains("cret-0123"));
        }
    }
}
