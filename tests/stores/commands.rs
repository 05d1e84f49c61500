//! Commands of several instances over a database that they share.

mod real_postgres {
    use std::io::{BufRead, BufReader, Read, Write};
    use std::net::TcpListener;
    use std::path::Path;
    use std::process::{Command, Output, Stdio};
    use std::time::{Duration, Instant};

    use serde_json::Value;
    use tempfile::TempDir;

    use crate::postgres::Postgres;

    /// A model that says `pong` to whatever comes.
    fn upstream() -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            for mut client in listener.incoming().map_while(Result::ok) {
                let mut reader = BufReader::new(client.try_clone().unwrap());
                let (mut line, mut length) = (String::new(), 0);
                while reader.read_line(&mut line).is_ok_and(|read| read > 2) {
                    if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                        length = value.trim().parse().unwrap();
                    }
                    line.clear();
                }
                let _ = reader.read_exact(&mut vec![0; length]);
                let body = concat!(
                    "data: {\"id\":\"1\",\"object\":\"chat.completion.chunk\",\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"pong\"}}]}\n\n",
                    "data: {\"id\":\"1\",\"object\":\"chat.completion.chunk\",\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}],",
                    "\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":2}}\n\ndata: [DONE]\n\n"
                );
                let _ = write!(
                    client,
                    "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                    body.len()
                );
            }
        });
        port
    }

    /// A home of an instance of that name.
    fn home(postgres: &Postgres, upstream: u16, instance: &str) -> TempDir {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join(".config/aimux");
        std::fs::create_dir_all(&folder).unwrap();
        let config = format!(
            "version: 1\nproviders:\n  local: {{ dialect: openai-chat, base_url: \"http://127.0.0.1:{upstream}/v1\" }}\nmodels: {{ \"*\": [local/m] }}\n\
             postgres: {{ host: {:?}, instance: {instance}, key: {{ env: AIMUX_DATABASE }}, connect_s: 1 }}\nledger: {{ store: postgres }}\nhistory: {{ store: postgres }}\n",
            postgres.data()
        );
        std::fs::write(folder.join("config.yaml"), config).unwrap();
        home
    }

    fn aimux(home: &Path, args: &[&str]) -> Output {
        let mut command = Command::new(assert_cmd::cargo::cargo_bin("aimux"));
        command.env_clear().env("HOME", home).env("AIMUX_DATABASE", "only for a test").args(args).current_dir(home);
        command.stdin(Stdio::null()).output().unwrap()
    }

    fn text(bytes: &[u8]) -> String {
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    fn said(home: &Path, args: &[&str]) -> String {
        let output = aimux(home, args);
        assert!(output.status.success() && output.stderr.is_empty(), "{args:?}: {}{}", text(&output.stdout), text(&output.stderr));
        text(&output.stdout)
    }

    fn json(home: &Path, args: &[&str]) -> Value {
        serde_json::from_str(&said(home, args)).unwrap()
    }

    #[test]
    fn what_one_instance_writes_the_others_read() {
        let (postgres, upstream) = (Postgres::start(), upstream());
        let [one, two] = ["one", "two"].map(|instance| home(&postgres, upstream, instance));
        assert_eq!(said(one.path(), &["route", "-m", "x", "about ledgers"]), "pong\n");
        assert_eq!(said(two.path(), &["route", "-m", "x", "about trains"]), "pong\n");
        assert_eq!(postgres.sql("SELECT instance, count(*) FROM aimux.requests GROUP BY 1 ORDER BY 1"), "one 1\ntwo 1");
        for home in [&one, &two] {
            let told = json(home.path(), &["usage", "--json", "--by", "day"]);
            assert_eq!(
                (&told["total"]["requests"], &told["total"]["input_tokens"], told["groups"].as_array().unwrap().len()),
                (&2.into(), &6.into(), 1)
            );
            assert!(told["ledger"].as_str().unwrap().starts_with("postgres://aimux@"), "{told}");
            assert_eq!(json(home.path(), &["logs", "--json"])["conversations"].as_array().unwrap().len(), 2);
            assert!(said(home.path(), &["logs", "search", "train*"]).contains("about trains"));
        }
        // Each goes on with what was last said to it.
        assert_eq!(said(one.path(), &["route", "-m", "x", "-c", "and then?"]), "pong\n");
        let prompts = "SELECT string_agg(prompt, ', ' ORDER BY id) FROM aimux.exchanges GROUP BY conversation ORDER BY 1";
        assert_eq!(postgres.sql(prompts), "about ledgers, and then?\nabout trains");
        let found = text(&aimux(one.path(), &["doctor", "--offline"]).stdout);
        assert!(found.contains("the ledger, postgres://aimux@") && found.contains("can be written by \"one\""), "{found}");
        assert!(!one.path().join(".local/state/aimux/ledger.sqlite").exists(), "no file is made beside it");
        assert!(!found.contains("only for a test"));
    }

    #[test]
    fn a_database_that_is_away_costs_the_shell_a_line_and_no_answer() {
        let (mut postgres, upstream) = (Postgres::start(), upstream());
        let home = home(&postgres, upstream, "one");
        postgres.down();
        let started = Instant::now();
        let output = aimux(home.path(), &["route", "-m", "x", "hello"]);
        let stderr = text(&output.stderr);
        assert!(output.status.success() && text(&output.stdout) == "pong\n", "{stderr}");
        assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
        assert!(stderr.contains("AIMUX-E0604") && stderr.contains("AIMUX-E0606") && stderr.lines().count() == 2, "{stderr}");
        for args in [&["usage"][..], &["logs"]] {
            let output = aimux(home.path(), args);
            assert!(output.status.code() == Some(74) && text(&output.stderr).contains("postgres://aimux@"), "{}", text(&output.stderr));
        }
        let found = text(&aimux(home.path(), &["doctor", "--offline"]).stdout);
        assert!(found.contains("cannot be used: ") && found.contains("waits in memory"), "{found}");
        postgres.up();
        assert!(said(home.path(), &["usage"]).contains("no requests in postgres://"));
    }

    #[test]
    fn a_replica_and_a_database_without_rights_are_told_of() {
        let (postgres, upstream) = (Postgres::start(), upstream());
        let home = home(&postgres, upstream, "one");
        said(home.path(), &["route", "-m", "x", "hello"]);
        for (wrong, right, reason) in [
            (
                "ALTER DATABASE aimux SET default_transaction_read_only = on",
                "ALTER DATABASE aimux RESET default_transaction_read_only",
                "it only reads",
            ),
            ("REVOKE INSERT ON aimux.requests FROM aimux", "GRANT INSERT ON aimux.requests TO aimux", "may not insert into aimux.requests"),
        ] {
            postgres.sql(wrong);
            let found = text(&aimux(home.path(), &["doctor", "--offline"]).stdout);
            assert!(found.contains(reason), "{found}");
            postgres.sql(right);
        }
    }
}
