//! What becomes of rows while the shared database is away, dies, is slow, full or refuses: nobody waits, nothing is there twice.

mod real_postgres {
    use std::io::Read as _;
    use std::net::TcpListener;
    use std::time::{Duration, Instant};

    use aimux::database::postgres::{Host, Password, Server, Trust};
    use aimux::ledger::{By, Ledger, Place, Settings, Span, usage};
    use aimux::secret::Secret;

    use crate::ledger::{entry, flushed};
    use crate::postgres::Postgres;
    use crate::store::until;

    fn ledger(server: Server) -> Ledger {
        Ledger::start(&Settings { enabled: true, place: Place::Postgres(Box::new(server)), keep_days: 90 }).unwrap()
    }

    fn count(postgres: &Postgres) -> u64 {
        postgres.sql("SELECT count(*) FROM aimux.requests").parse().unwrap()
    }

    /// Puts rows while something is wrong: nobody waits, and they are there, once, when it is over.
    fn delayed(postgres: &Postgres, ledger: &Ledger, before: u64) {
        until("it is written", || ledger.counters().queued == 0);
        assert_eq!((ledger.counters().dropped, count(postgres)), (0, before));
        assert_eq!(postgres.sql("SELECT count(DISTINCT request_id) FROM aimux.requests"), before.to_string());
    }

    fn put(ledger: &Ledger, from: u64, to: u64) {
        let started = Instant::now();
        (from..to).for_each(|id| ledger.put(entry(&id.to_string())));
        assert!(started.elapsed() < Duration::from_secs(1), "who puts never waits: {:?}", started.elapsed());
    }

    #[test]
    fn a_server_that_is_killed_under_writes_loses_and_doubles_no_row() {
        let mut postgres = Postgres::start();
        let (one, two) = (ledger(postgres.server()), ledger(Server { instance: "two".to_owned(), ..postgres.server() }));
        let mut acknowledged = 0;
        for round in 0..4_u64 {
            let numbers = |of: u64| (round * 1000 + of * 250, round * 1000 + of * 250 + 250);
            for (ledger, of) in [(&one, 0), (&two, 1)] {
                put(ledger, numbers(of).0, numbers(of).1);
            }
            until("some is written", || one.counters().queued + two.counters().queued == 0);
            for (ledger, of) in [(&one, 2), (&two, 3)] {
                put(ledger, numbers(of).0, numbers(of).1);
            }
            // About when the next batch is written: a little earlier or later each time.
            std::thread::sleep(Duration::from_millis(140 + round * 10));
            postgres.kill();
            acknowledged = one.counters().written + two.counters().written;
            std::thread::sleep(Duration::from_millis(300));
            postgres.up();
            assert!(count(&postgres) >= acknowledged, "what was called written is there");
        }
        assert!(acknowledged > 0, "some was written in between");
        delayed(&postgres, &one, {
            until("the other has written", || two.counters().queued == 0);
            4000
        });
        assert_eq!(two.counters().dropped, 0);
        let shares = postgres.sql("SELECT instance, count(*) FROM aimux.requests GROUP BY instance ORDER BY instance");
        assert_eq!(shares, "one 2000\ntwo 2000");
        assert_eq!(
            postgres
                .sql("SELECT count(*) FROM aimux.requests r WHERE attempts <> (SELECT count(*) FROM aimux.attempts WHERE request = r.id)"),
            "0"
        );
    }

    #[test]
    fn a_batch_whose_answer_was_lost_is_not_written_twice() {
        let postgres = Postgres::start();
        let server = postgres.server();
        let through = Severed::before(&postgres);
        let ledger = ledger(Server { host: Host::Name("127.0.0.1".to_owned()), port: through.port, ..server });
        put(&ledger, 0, 1);
        flushed(&ledger);
        through.cut_answers();
        put(&ledger, 1, 30);
        until("the server has committed", || count(&postgres) == 30);
        assert_eq!(ledger.counters().written, 1, "nobody told the writer so");
        through.mend();
        put(&ledger, 30, 40);
        delayed(&postgres, &ledger, 40);
    }

    #[test]
    fn a_server_that_is_away_at_the_start_gets_the_rows_when_it_comes() {
        let mut postgres = Postgres::start();
        postgres.down();
        let started = Instant::now();
        let ledger = ledger(postgres.server());
        put(&ledger, 0, 300);
        assert!(!ledger.flush(Duration::from_millis(200)) && started.elapsed() < Duration::from_secs(2));
        let error = usage(&postgres.place(), By::Model, Span::default()).unwrap_err();
        assert!(error.message.contains("postgres://aimux@"), "{}", error.message);
        postgres.up();
        delayed(&postgres, &ledger, 300);
    }

    #[test]
    fn a_server_that_does_not_answer_is_waited_for_no_longer_than_was_said() {
        // The kernel takes the connection; nobody speaks.
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let postgres = Postgres::start();
        let connect = Duration::from_secs(1);
        let server =
            Server { host: Host::Name("127.0.0.1".to_owned()), port: silent.local_addr().unwrap().port(), connect, ..postgres.server() };
        let started = Instant::now();
        let error = usage(&Place::Postgres(Box::new(server)), By::Model, Span::default()).unwrap_err();
        assert!(error.message.contains("no connection within 1 s") && started.elapsed() < Duration::from_secs(3), "{}", error.message);
    }

    #[test]
    fn a_slow_server_ends_the_statement_and_the_rows_come_later() {
        let postgres = Postgres::start();
        let ledger = ledger(Server { statement: Duration::from_secs(1), ..postgres.server() });
        flushed(&ledger);
        let place = Place::Postgres(Box::new(Server { statement: Duration::from_secs(1), ..postgres.server() }));
        std::thread::scope(|scope| {
            let holder =
                scope.spawn(|| postgres.sql("BEGIN; LOCK TABLE aimux.requests IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(4); COMMIT"));
            until("it is locked", || {
                postgres.sql("SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND granted AND relation = 'aimux.requests'::regclass") == "1"
            });
            put(&ledger, 0, 500);
            let started = Instant::now();
            let error = usage(&place, By::Model, Span::default()).unwrap_err();
            assert!(error.message.contains("timeout") && started.elapsed() < Duration::from_secs(3), "{}", error.message);
            assert_eq!(ledger.counters().written, 0);
            holder.join().unwrap();
        });
        delayed(&postgres, &ledger, 500);
    }

    #[test]
    fn what_the_server_refuses_is_said_and_costs_no_row() {
        let postgres = Postgres::start();
        flushed(&ledger(postgres.server()));
        for (wrong, right, reason) in [
            (
                "ALTER DATABASE aimux SET default_transaction_read_only = on",
                "ALTER DATABASE aimux RESET default_transaction_read_only",
                "read-only",
            ),
            ("REVOKE INSERT ON aimux.requests FROM aimux", "GRANT INSERT ON aimux.requests TO aimux", "permission denied"),
            ("ALTER ROLE aimux CONNECTION LIMIT 0", "ALTER ROLE aimux CONNECTION LIMIT -1", "too many connections"),
            ("ALTER ROLE aimux NOLOGIN", "ALTER ROLE aimux LOGIN", "not permitted to log in"),
        ] {
            let before = count(&postgres);
            postgres.sql(wrong);
            let ledger = ledger(postgres.server());
            put(&ledger, before, before + 100);
            assert!(!ledger.flush(Duration::from_secs(2)), "{reason}");
            assert_eq!((ledger.counters().written, count(&postgres)), (0, before), "{reason}");
            if !["read-only", "permission denied"].contains(&reason) {
                let error = usage(&postgres.place(), By::Model, Span::default()).unwrap_err();
                assert!(error.message.contains(reason), "{}", error.message);
            }
            postgres.sql(right);
            delayed(&postgres, &ledger, before + 100);
        }
    }

    #[test]
    fn what_is_too_much_for_the_queue_is_dropped_and_counted() {
        let mut postgres = Postgres::start();
        let ledger = ledger(postgres.server());
        flushed(&ledger);
        postgres.down();
        put(&ledger, 0, 20_000);
        let counters = ledger.counters();
        assert_eq!((counters.written, counters.dropped + counters.queued), (0, 20_000));
        assert!(counters.queued >= 8192 && counters.dropped > 10_000, "{counters:?}");
        postgres.up();
        until("what waited is written", || ledger.counters().queued == 0);
        assert_eq!(count(&postgres), counters.queued);
    }

    #[test]
    fn instances_that_start_at_once_make_the_tables_once() {
        let postgres = Postgres::start();
        let ledgers: Vec<Ledger> = (0..8).map(|n| ledger(Server { instance: n.to_string(), ..postgres.server() })).collect();
        ledgers.iter().for_each(|ledger| put(ledger, 0, 50));
        ledgers.iter().for_each(flushed);
        assert_eq!(count(&postgres), 400);
        assert_eq!(postgres.sql("SELECT count(*) FROM aimux.formats"), "1");
    }

    #[test]
    fn one_instance_at_a_time_forgets_what_is_old() {
        let postgres = Postgres::start();
        let first = ledger(postgres.server());
        first.put(Box::new(aimux::ledger::Entry { time_ms: 1000, ..*entry("old") }));
        flushed(&first);
        std::thread::scope(|scope| {
            let other = scope.spawn(|| postgres.sql("SELECT pg_advisory_lock(x'61696d78'::bigint), pg_sleep(3)"));
            until("another one forgets", || postgres.sql("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") == "1");
            flushed(&ledger(postgres.server()));
            assert_eq!(count(&postgres), 1, "it is left to that one");
            other.join().unwrap();
        });
        flushed(&ledger(postgres.server()));
        assert_eq!(count(&postgres), 0);
    }

    #[test]
    fn characters_that_the_database_has_no_place_for_cost_no_row() {
        let postgres = Postgres::start();
        let ledger = ledger(postgres.server());
        ledger.put(Box::new(aimux::ledger::Entry {
            asked: "a\0b".to_owned(),
            session: "\\u0000 \" ' \u{1f600}".to_owned(),
            ..*entry("x")
        }));
        flushed(&ledger);
        assert_eq!(postgres.sql("SELECT asked, session FROM aimux.requests"), "a\u{fffd}b \\u0000 \" ' \u{1f600}");
    }

    #[test]
    fn a_password_and_a_certificate_are_checked() {
        let fixtures = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/tls");
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut postgres = Postgres::start();
        postgres.down();
        postgres.serve_tls(free, &format!("{fixtures}/good.pem"), &format!("{fixtures}/server.key"));
        postgres.up();
        postgres.sql("ALTER ROLE aimux PASSWORD 'only for a test'");
        let known = |text: &str| Password::Known(Secret::new(text.to_owned()));
        let server =
            |password, trust, host: &str| Server { host: Host::Name(host.to_owned()), port: free, password, trust, ..postgres.server() };
        let ca = || Trust::File(format!("{fixtures}/ca.pem").into());
        let right = ledger(server(known("only for a test"), ca(), "localhost"));
        put(&right, 0, 10);
        delayed(&postgres, &right, 10);
        assert_eq!(
            postgres.sql("SELECT count(*) FROM pg_stat_ssl s JOIN pg_stat_activity a USING (pid) WHERE s.ssl AND a.usename = 'aimux'"),
            "1"
        );
        for (wrong, reason) in [
            (server(known("another"), ca(), "localhost"), "password authentication failed"),
            (server(Password::None, ca(), "localhost"), "password"),
            (server(Password::Closed("nobody opened it".to_owned()), ca(), "localhost"), "nobody opened it"),
            (server(known("only for a test"), Trust::System, "localhost"), "certificate"),
            (server(known("only for a test"), ca(), "127.0.0.2"), "certificate"),
            (server(known("only for a test"), Trust::Plain, "localhost"), "no pg_hba.conf entry"),
        ] {
            let error = usage(&Place::Postgres(Box::new(wrong)), By::Model, Span::default()).unwrap_err();
            assert!(error.message.contains(reason) && !error.message.contains("only for a test"), "{reason}: {}", error.message);
        }
    }

    /// Stands between the writer and the server, and can keep the server's answers to itself.
    struct Severed {
        port: u16,
        is_cut: std::sync::Arc<std::sync::atomic::AtomicBool>,
    }

    impl Severed {
        fn before(postgres: &Postgres) -> Self {
            use std::io::Write as _;
            use std::net::Shutdown;
            use std::os::unix::net::UnixStream;
            use std::sync::Arc;
            use std::sync::atomic::{AtomicBool, Ordering};
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let port = listener.local_addr().unwrap().port();
            let (is_cut, socket) = (Arc::new(AtomicBool::new(false)), postgres.data().join(".s.PGSQL.5432"));
            let cut = Arc::clone(&is_cut);
            std::thread::spawn(move || {
                for client in listener.incoming().map_while(Result::ok) {
                    let Ok(server) = UnixStream::connect(&socket) else { return };
                    let (mut up, mut asks) = (server.try_clone().unwrap(), client.try_clone().unwrap());
                    std::thread::spawn(move || {
                        let _ = std::io::copy(&mut asks, &mut up);
                        let _ = up.shutdown(Shutdown::Both);
                    });
                    let (cut, mut server, mut client) = (Arc::clone(&cut), server, client);
                    std::thread::spawn(move || {
                        let mut piece = [0; 4096];
                        while let Ok(length @ 1..) = server.read(&mut piece) {
                            if cut.load(Ordering::Relaxed) || client.write_all(&piece[..length]).is_err() {
                                break;
                            }
                        }
                        let _ = client.shutdown(Shutdown::Both);
                    });
                }
            });
            Self { port, is_cut }
        }

        fn cut_answers(&self) {
            self.is_cut.store(true, std::sync::atomic::Ordering::Relaxed);
        }

        fn mend(&self) {
            self.is_cut.store(false, std::sync::atomic::Ordering::Relaxed);
        }
    }
}
