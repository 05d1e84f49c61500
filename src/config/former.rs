//! What fields are called elsewhere: in earlier versions of aimux and in gateways whose users come to it.
//!
//! Each name leads to the field that means the same here. `config import` takes over whole files; this is for what was
//! carried along by hand. Start with [`called_here`].

/// Names of other programs and earlier versions, in lower case and without `_` and `-`, and what to write instead.
const FORMER: &[(&[&str], &str)] = &[
    (
        &["apikey", "apikeys", "apikeyenv", "token", "secret"],
        "no key stands in the config: store it with `aimux keys add`, or name its variable by `key: { env: … }`",
    ),
    (&["endpoint", "baseurl", "apibase", "apibaseurl", "url"], "an address is called `base_url` here"),
    (&["maxretries", "retryattempts", "numretries", "retries"], "how often and how long is tried again is set by `retry` of the file"),
    (&["timeout", "timeoutms", "requesttimeout", "apitimeoutms"], "times are set by `limits` and `retry` of the file"),
    (&["priority", "weight", "order"], "targets are asked in the order in which `models` or `routes` of the file name them"),
    (&["routing", "router", "loadbalancing", "routersettings", "fallbacks"], "who answers is set by `routes` and `models` of the file"),
    (&["modellist", "litellmparams"], "this is a file of LiteLLM: `aimux config import litellm FILE` takes it over"),
];

/// What to write instead of a field that is called otherwise elsewhere; `None`: nobody is known to call one so.
pub(super) fn called_here(key: &str) -> Option<&'static str> {
    let plain: String = key.chars().filter(|c| !matches!(c, '_' | '-')).flat_map(char::to_lowercase).collect();
    FORMER.iter().find(|(names, _)| names.contains(&plain.as_str())).map(|(_, instead)| *instead)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_of_elsewhere_is_known_however_it_is_written() {
        for key in ["apiKey", "api_key", "API-KEY"] {
            assert!(called_here(key).is_some_and(|instead| instead.contains("aimux keys add")), "{key}");
        }
        assert!(called_here("load_balancing").is_some_and(|instead| instead.contains("`routes`")));
        assert_eq!(called_here("body_mb"), None);
    }

    #[test]
    fn each_name_is_written_as_it_is_looked_for() {
        for name in FORMER.iter().flat_map(|(names, _)| *names) {
            assert!(name.chars().all(|c| c.is_ascii_lowercase()), "{name}");
        }
    }
}
