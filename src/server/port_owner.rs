//! Who holds a port: for the message that a busy one deserves. Linux only; elsewhere nobody is named.

use std::fmt;
use std::fs;

/// A process that listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PortOwner {
    /// Its process.
    pub(crate) pid: u32,
    /// What it calls itself.
    pub(crate) name: String,
}

impl fmt::Display for PortOwner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (pid {})", self.name, self.pid)
    }
}

/// The process that listens on `port`, when the system lets us see it.
pub(crate) fn of(port: u16) -> Option<PortOwner> {
    let inodes: Vec<String> = ["/proc/net/tcp", "/proc/net/tcp6"]
        .into_iter()
        .filter_map(|table| fs::read_to_string(table).ok())
        .flat_map(|table| listening(&table, port))
        .collect();
    let links: Vec<String> = inodes.iter().map(|inode| format!("socket:[{inode}]")).collect();
    fs::read_dir("/proc").ok()?.flatten().find_map(|process| {
        let pid: u32 = process.file_name().to_str()?.parse().ok()?;
        let mut handles = fs::read_dir(process.path().join("fd")).ok()?.flatten();
        let holds =
            handles.any(|handle| fs::read_link(handle.path()).is_ok_and(|to| links.iter().any(|link| to.as_os_str() == link.as_str())));
        let name = fs::read_to_string(process.path().join("comm")).ok()?;
        holds.then(|| PortOwner { pid, name: name.trim().escape_default().to_string() })
    })
}

/// The inodes of the sockets of a `/proc/net/tcp` table that listen on `port` (state 0A).
fn listening(table: &str, port: u16) -> Vec<String> {
    let wanted = format!(":{port:04X}");
    let rows = table.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>());
    rows.filter(|row| row.get(1).is_some_and(|local| local.ends_with(&wanted)) && row.get(3) == Some(&"0A"))
        .filter_map(|row| row.get(9).map(|inode| (*inode).to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_owner_of_a_listening_port_is_this_process() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let owner = super::of(listener.local_addr().unwrap().port());
        if cfg!(target_os = "linux") {
            assert_eq!(owner.unwrap().pid, std::process::id());
        }
    }
}
