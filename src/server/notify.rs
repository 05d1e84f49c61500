//! What a service manager is told, by systemd's protocol: a datagram of `NAME=value` lines to the socket that
//! `NOTIFY_SOCKET` names. Without one, nothing is said. It lacks what only systemd's own services use.
//!
//! Source: systemd's `sd_notify(3)` and `sd_watchdog_enabled(3)`. Start with [`Notifier::of`].

use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::pin::Pin;
use std::time::Duration;

use crate::config::Environment;

/// Resolves when what is looked after has shown a sign of life.
pub type Pulse = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The way to the service manager, if there is one.
#[derive(Debug, Default)]
pub struct Notifier {
    socket: Option<(UnixDatagram, SocketAddr)>,
    watchdog: Option<Duration>,
}

impl Notifier {
    /// As the environment of this process says.
    #[must_use]
    pub fn of(environment: &Environment) -> Self {
        let socket = environment.get("NOTIFY_SOCKET").and_then(|name| {
            let socket = UnixDatagram::unbound().ok()?;
            // A manager that does not listen must not hold up a server.
            socket.set_nonblocking(true).ok()?;
            Some((socket, address(name)?))
        });
        let own = |pid: &str| pid.parse() == Ok(std::process::id());
        let is_meant = environment.get("WATCHDOG_PID").is_none_or(own);
        let time = environment.get("WATCHDOG_USEC").filter(|_| is_meant).and_then(|text| text.parse().ok());
        Self { socket, watchdog: time.filter(|time| *time > 0).map(Duration::from_micros) }
    }

    /// Whether a service manager wants to be told.
    #[must_use]
    pub fn is_there(&self) -> bool {
        self.socket.is_some()
    }

    /// The server serves; `status` is a line for people.
    pub fn ready(&self, status: &str) {
        self.say(&format!("READY=1\nSTATUS={}", one_line(status)));
    }

    /// The server reads its config anew, and will be [`Notifier::ready`] again.
    pub fn reloading(&self) {
        self.say("RELOADING=1\nSTATUS=reading the config anew");
    }

    /// The server ends, and may take as long as `drain`.
    pub fn stopping(&self, drain: Duration) {
        self.say(&format!("STOPPING=1\nSTATUS=answering what is under way\nEXTEND_TIMEOUT_USEC={}", drain.as_micros()));
    }

    /// Tells the manager's watchdog, twice in its time, that the server lives: each time that it showed a sign of that. A server
    /// that hangs says nothing, and is started anew. Without a watchdog, never resolves.
    pub async fn live(&self, pulse: impl Fn() -> Pulse) {
        let Some(time) = self.watchdog else { return std::future::pending().await };
        let mut ticks = tokio::time::interval((time / 2).max(Duration::from_millis(1)));
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            pulse().await;
            self.say("WATCHDOG=1");
        }
    }

    fn say(&self, what: &str) {
        if let Some((socket, address)) = &self.socket
            && let Err(error) = socket.send_to_addr(what.as_bytes(), address)
        {
            tracing::debug!(%error, "the service manager could not be told");
        }
    }
}

/// A path, or a name without one (`@…`), which is Linux's alone.
fn address(name: &str) -> Option<SocketAddr> {
    match name.as_bytes() {
        [b'/', ..] => SocketAddr::from_pathname(name).ok(),
        #[cfg(target_os = "linux")]
        [b'@', rest @ ..] => {
            use std::os::linux::net::SocketAddrExt;
            SocketAddr::from_abstract_name(rest).ok()
        }
        // `vsock:` is for whole machines.
        _ => None,
    }
}

/// A value ends with its line.
fn one_line(text: &str) -> String {
    text.chars().map(|character| if character.is_control() { ' ' } else { character }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notifier(variables: &[(&str, &str)]) -> Notifier {
        Notifier::of(&Environment::new(variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))))
    }

    #[test]
    fn a_manager_gets_each_word_as_a_datagram() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let manager = UnixDatagram::bind(&path).unwrap();
        let notifier = notifier(&[("NOTIFY_SOCKET", path.to_str().unwrap())]);
        notifier.ready("serving\nREADY=0");
        notifier.reloading();
        notifier.stopping(Duration::from_secs(3));
        let mut heard = Vec::new();
        for _ in 0..3 {
            let mut buffer = [0; 200];
            let length = manager.recv(&mut buffer).unwrap();
            heard.push(String::from_utf8_lossy(&buffer[..length]).into_owned());
        }
        assert_eq!(heard[0], "READY=1\nSTATUS=serving READY=0");
        assert!(heard[1].starts_with("RELOADING=1\n") && heard[2].ends_with("EXTEND_TIMEOUT_USEC=3000000"), "{heard:?}");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_socket_may_have_a_name_without_a_path() {
        use std::os::linux::net::SocketAddrExt;
        let name = format!("aimux-test-{}", std::process::id());
        let manager = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        notifier(&[("NOTIFY_SOCKET", &format!("@{name}"))]).ready("up");
        let mut buffer = [0; 200];
        assert_eq!(manager.recv(&mut buffer).unwrap(), "READY=1\nSTATUS=up".len());
    }

    #[test]
    fn a_watchdog_of_another_process_is_not_fed() {
        let own = std::process::id().to_string();
        let time = |variables: &[(&str, &str)]| notifier(variables).watchdog;
        assert_eq!(time(&[("WATCHDOG_USEC", "2000000"), ("WATCHDOG_PID", &own)]), Some(Duration::from_secs(2)));
        assert_eq!(time(&[("WATCHDOG_USEC", "2000000")]), Some(Duration::from_secs(2)));
        assert_eq!(time(&[("WATCHDOG_USEC", "2000000"), ("WATCHDOG_PID", "1")]), None);
        assert_eq!(time(&[("WATCHDOG_USEC", "0")]), None);
        assert_eq!(time(&[("WATCHDOG_USEC", "soon")]), None);
    }

    #[test]
    fn without_a_manager_nothing_happens() {
        for variables in
            [&[][..], &[("NOTIFY_SOCKET", "vsock:2:1")], &[("NOTIFY_SOCKET", "relative")], &[("NOTIFY_SOCKET", "/nonexistent")]]
        {
            notifier(variables).ready("up");
        }
    }
}
