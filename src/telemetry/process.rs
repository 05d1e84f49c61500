//! What the system says of this process, where it says it in `/proc`.

/// Figures of this process.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Process {
    /// CPU time, in hundredths of a second.
    pub cpu_cs: u64,
    /// Resident memory, in bytes.
    pub memory: u64,
    /// Open file descriptors.
    pub fds: u64,
    /// File descriptors that may be open; `None`: no limit.
    pub fds_max: Option<u64>,
    /// Threads.
    pub threads: u64,
}

impl Process {
    /// Reads them; `None` where the system does not tell. Blocks a little.
    #[must_use]
    pub fn read() -> Option<Self> {
        let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
        // The second field is the program's name, which may hold anything; the third begins after its bracket.
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
        let status = std::fs::read_to_string("/proc/self/status").ok()?;
        let memory_kib = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?.split_whitespace().next()?.parse::<u64>().ok()?;
        // The folder that is being read is one of them.
        let fds = std::fs::read_dir("/proc/self/fd").ok()?.count().saturating_sub(1);
        Some(Self {
            // Linux counts in hundredths of a second for all programs, whatever its own clock does.
            cpu_cs: field(14)? + field(15)?,
            memory: memory_kib * 1024,
            fds: fds as u64,
            fds_max: rustix::process::getrlimit(rustix::process::Resource::Nofile).current,
            threads: field(20)?,
        })
    }
}
