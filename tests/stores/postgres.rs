//! A Postgres of a test's own: in a folder, reached by a socket in it, gone with the test.

use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use aimux::database::postgres::{Host, Password, Server, Trust};
use aimux::ledger::Place;
use tempfile::TempDir;

/// Who runs it where the tests run as root, whom it refuses.
const NOBODY: u32 = 65_534;
const WAIT: Duration = Duration::from_secs(30);

pub(crate) struct Postgres {
    folder: TempDir,
    child: Option<Child>,
    extra: Vec<String>,
    /// Its number of a socket, where it is not the usual one.
    port: Option<String>,
}

fn programs() -> PathBuf {
    std::env::var_os("AIMUX_TEST_POSTGRES")
        .map(PathBuf::from)
        .expect("AIMUX_TEST_POSTGRES names the folder of Postgres' programs; tests/run sets it")
}

fn program(name: &str) -> Command {
    let mut command = Command::new(programs().join(name));
    command.current_dir("/").env("LC_ALL", "C").stdin(Stdio::null());
    if rustix::process::getuid().is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    command
}

impl Postgres {
    /// Runs, and has the database `aimux` of the user `aimux`.
    pub(crate) fn start() -> Self {
        Self::with(&[])
    }

    /// The same with more arguments for the server.
    pub(crate) fn with(extra: &[&str]) -> Self {
        let folder = tempfile::Builder::new().permissions(std::fs::Permissions::from_mode(0o755)).tempdir().unwrap();
        let data = folder.path().join("data");
        std::fs::create_dir(&data).unwrap();
        if rustix::process::getuid().is_root() {
            chown(&data, Some(NOBODY), Some(NOBODY)).unwrap();
        }
        let mut making = program("initdb");
        making.args([
            "-D",
            data.to_str().unwrap(),
            "-U",
            "postgres",
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--locale=C",
            "--no-sync",
            "--no-instructions",
        ]);
        let made = making.args(["--wal-segsize=1"]).output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let mut postgres = Self { folder, child: None, extra: extra.iter().map(|&word| word.to_owned()).collect(), port: None };
        postgres.up();
        postgres.sql_in("postgres", "CREATE USER aimux");
        postgres.sql_in("postgres", "CREATE DATABASE aimux OWNER aimux");
        postgres
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Starts it again, where it is down.
    pub(crate) fn up(&mut self) {
        let data = self.data();
        let log = std::fs::OpenOptions::new().append(true).create(true).open(self.folder.path().join("log")).unwrap();
        let mut server = program("postgres");
        server.args(["-D", data.to_str().unwrap(), "-k", data.to_str().unwrap()]);
        for setting in [
            "listen_addresses=",
            "unix_socket_permissions=0777",
            "shared_buffers=16MB",
            "max_connections=30",
            "fsync=off",
            "autovacuum=off",
            "min_wal_size=2MB",
            "max_wal_size=16MB",
        ] {
            server.args(["-c", setting]);
        }
        server.args(&self.extra).stdout(log.try_clone().unwrap()).stderr(log);
        // Clients are let through to the socket; what else is in the folder is nobody's.
        std::fs::set_permissions(&data, std::fs::Permissions::from_mode(0o750)).unwrap();
        let _ = std::fs::remove_file(data.join("postmaster.pid"));
        self.child = Some(server.spawn().unwrap());
        let end = Instant::now() + WAIT;
        while !std::fs::read_to_string(data.join("postmaster.pid")).is_ok_and(|text| text.contains("\nready")) {
            assert!(
                Instant::now() < end,
                "it does not start: {}",
                std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Has it listen on loopback too, from its next start: for who has a password, by TLS alone.
    pub(crate) fn serve_tls(&mut self, port: u16, certificate: &str, key: &str) {
        for (from, name) in [(certificate, "server.crt"), (key, "server.key")] {
            let to = self.data().join(name);
            std::fs::copy(from, &to).unwrap();
            std::fs::set_permissions(&to, std::fs::Permissions::from_mode(0o600)).unwrap();
            if rustix::process::getuid().is_root() {
                chown(&to, Some(NOBODY), Some(NOBODY)).unwrap();
            }
        }
        std::fs::write(self.data().join("pg_hba.conf"), "local all all trust\nhostssl all all 127.0.0.0/8 scram-sha-256\n").unwrap();
        let port = format!("port={port}");
        for setting in ["listen_addresses=127.0.0.1,127.0.0.2", "ssl=on", &port] {
            self.extra.extend(["-c".to_owned(), setting.to_owned()]);
        }
        self.port = Some(port);
    }

    fn signal(&self, signal: rustix::process::Signal) {
        if let Some(child) = &self.child {
            let _ = rustix::process::kill_process(rustix::process::Pid::from_child(child), signal);
        }
    }

    /// Ends it as a power cut would: nothing is said to anybody.
    pub(crate) fn kill(&mut self) {
        let children = self.sql("SELECT pid FROM pg_stat_activity");
        self.signal(rustix::process::Signal::KILL);
        for pid in children.lines().filter_map(|line| line.parse().ok()).filter_map(rustix::process::Pid::from_raw) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
        self.gone();
    }

    /// Ends it in good order, without waiting for who is connected.
    pub(crate) fn down(&mut self) {
        self.signal(rustix::process::Signal::INT);
        self.gone();
    }

    fn gone(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        let end = Instant::now() + WAIT;
        while child.try_wait().unwrap().is_none() {
            if Instant::now() > end {
                let _ = child.kill();
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// What a superuser's statement gives: a line a row.
    pub(crate) fn sql(&self, sql: &str) -> String {
        self.sql_in("aimux", sql)
    }

    fn sql_in(&self, database: &str, sql: &str) -> String {
        let mut psql = program("psql");
        psql.env("PGOPTIONS", "-c default_transaction_read_only=off")
            .args(["-X", "-q", "-At", "-F", " ", "-P", "null=NULL", "-U", "postgres", "-d", database, "-h"])
            .arg(self.data());
        if let Some(port) = &self.port {
            psql.args(["-p", port.trim_start_matches("port=")]);
        }
        let output = psql.args(["-v", "ON_ERROR_STOP=1", "-c", sql]).output().unwrap();
        assert!(output.status.success(), "{sql}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }

    pub(crate) fn server(&self) -> Server {
        Server {
            host: Host::Folder(self.data()),
            port: 5432,
            database: "aimux".to_owned(),
            user: "aimux".to_owned(),
            password: Password::None,
            trust: Trust::Plain,
            instance: "one".to_owned(),
            connect: Duration::from_secs(3),
            statement: Duration::from_secs(15),
        }
    }

    pub(crate) fn place(&self) -> Place {
        Place::Postgres(Box::new(self.server()))
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // At once: nobody needs what is in it any more.
        self.signal(rustix::process::Signal::QUIT);
        if let Some(mut child) = self.child.take() {
            let end = Instant::now() + WAIT;
            while matches!(child.try_wait(), Ok(None)) && Instant::now() < end {
                std::thread::sleep(Duration::from_millis(10));
            }
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
