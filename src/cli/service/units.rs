//! The texts of the units: systemd's `aimux.socket` and `aimux.service`, launchd's property list. Only strings; what is installed
//! where is `plan.rs`.
//!
//! Sources: `systemd.unit(5)`, `systemd.service(5)`, `systemd.socket(5)`, `systemd.exec(5)`, `launchd.plist(5)`.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// The first line of what we write, by which it is known again.
pub(super) const MARK: &str = "Written by `aimux service install`";

/// What the units say.
#[derive(Debug, Clone)]
pub(super) struct Facts {
    /// Our own program.
    pub(super) program: PathBuf,
    /// The config; `None`: it is made of the keys at hand.
    pub(super) config: Option<PathBuf>,
    /// The address that is listened on.
    pub(super) listen: SocketAddr,
    /// The identity's file, as a credential; `None`: there is none.
    pub(super) identity: Option<PathBuf>,
    /// Variables that say where files are.
    pub(super) variables: Vec<(String, String)>,
    /// The account of a system's unit; `None`: a user's own.
    pub(super) account: Option<String>,
    /// Where launchd's server logs to.
    pub(super) log: PathBuf,
}

/// `aimux.socket`.
pub(super) fn socket(facts: &Facts) -> String {
    format!(
        "# {MARK}; `aimux service uninstall` removes it.\n\
         [Unit]\nDescription=The address of aimux\nDocumentation=man:aimux(1)\n\n\
         [Socket]\nListenStream={}\nFileDescriptorName=http\nNoDelay=yes\n\n\
         [Install]\nWantedBy=sockets.target\n",
        facts.listen
    )
}

/// `aimux.service`.
pub(super) fn service(facts: &Facts) -> String {
    let program = quoted(&facts.program.to_string_lossy());
    let config = facts.config.as_ref().map_or_else(String::new, |path| format!(" --config {}", argument(&path.to_string_lossy())));
    let mut text = format!(
        "# {MARK}; `aimux service uninstall` removes it.\n\
         [Unit]\nDescription=aimux, between coding agents and language models\nDocumentation=man:aimux(1)\n\
         Requires=aimux.socket\nAfter=aimux.socket network.target\n\n\
         [Service]\nType=notify\nNotifyAccess=main\nExecStart={program} serve{config}\n\
         ExecReload={program} config reload{config}\n\
         Restart=on-failure\nRestartSec=1\n\
         # A config or a permission that is wrong does not mend itself.\n\
         RestartPreventExitStatus=64 77 78\n\
         # Requests that were cut off at the end of the drain.\n\
         SuccessExitStatus=143\n\
         WatchdogSec=30\nTimeoutStopSec=45\nKillMode=mixed\nLimitNOFILE=16384\nUMask=0077\n"
    );
    if let Some(account) = &facts.account {
        text += &format!("User={account}\n");
    }
    for (name, value) in &facts.variables {
        text += &format!("Environment={}\n", quoted(&format!("{name}={value}")));
    }
    if let Some(identity) = &facts.identity {
        text += &format!("LoadCredential=aimux-identity:{}\n", identity.to_string_lossy().replace('%', "%%"));
    }
    text += HARDENING;
    if facts.account.is_some() {
        text += SYSTEM_HARDENING;
    }
    text + "\n[Install]\nAlso=aimux.socket\n"
}

/// What works in a user's manager, too. Programs that print a key (`cmd:`) run under the same rules: no
/// `MemoryDenyWriteExecute`, since some of those compile as they go.
const HARDENING: &str = "\
NoNewPrivileges=yes
LockPersonality=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
RestrictNamespaces=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM
";

/// What needs the system's manager.
const SYSTEM_HARDENING: &str = "\
CapabilityBoundingSet=
AmbientCapabilities=
PrivateTmp=yes
PrivateDevices=yes
ProtectSystem=full
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectProc=invisible
RemoveIPC=yes
";

/// launchd's property list: launchd opens the socket and passes it on standard input at the first connection.
pub(super) fn plist(facts: &Facts) -> String {
    let mut words = vec![facts.program.to_string_lossy().into_owned()];
    words.extend(["serve", "--stdin-socket", "--log-file"].map(str::to_owned));
    words.push(facts.log.to_string_lossy().into_owned());
    if let Some(config) = &facts.config {
        words.extend(["--config".to_owned(), config.to_string_lossy().into_owned()]);
    }
    let words: String = words.iter().map(|word| format!("        <string>{}</string>\n", escaped(word))).collect();
    let variables: String = facts
        .variables
        .iter()
        .map(|(name, value)| format!("        <key>{}</key>\n        <string>{}</string>\n", escaped(name), escaped(value)))
        .collect();
    let (family, ip) = if facts.listen.is_ipv4() { ("IPv4", facts.listen.ip()) } else { ("IPv6", facts.listen.ip()) };
    let account = facts
        .account
        .as_ref()
        .map_or_else(String::new, |account| format!("    <key>UserName</key>\n    <string>{}</string>\n", escaped(account)));
    format!(
        r#"<?xml version="1.0" encoding="UTF-8"?>
<!-- {MARK}; `aimux service uninstall` removes it. -->
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
    <key>Label</key>
    <string>{LABEL}</string>
{account}    <key>ProgramArguments</key>
    <array>
{words}    </array>
    <key>EnvironmentVariables</key>
    <dict>
{variables}    </dict>
    <key>inetdCompatibility</key>
    <dict>
        <key>Wait</key>
        <true/>
    </dict>
    <key>Sockets</key>
    <dict>
        <key>http</key>
        <dict>
            <key>SockFamily</key>
            <string>{family}</string>
            <key>SockNodeName</key>
            <string>{ip}</string>
            <key>SockServiceName</key>
            <string>{}</string>
            <key>SockType</key>
            <string>stream</string>
        </dict>
    </dict>
    <key>Umask</key>
    <integer>63</integer>
    <key>ExitTimeOut</key>
    <integer>45</integer>
</dict>
</plist>
"#,
        facts.listen.port()
    )
}

/// launchd's name of the job.
pub(super) const LABEL: &str = "aimux";

/// The program that the text of a service starts; `None`: the text is none of ours.
pub(super) fn program_of(service: &str) -> Option<PathBuf> {
    let mut characters = service.lines().find_map(|line| line.strip_prefix("ExecStart=\""))?.chars();
    let mut path = String::new();
    loop {
        match characters.next()? {
            '"' => return Some(PathBuf::from(path)),
            '\\' | '%' => path.push(characters.next()?),
            character => path.push(character),
        }
    }
}

/// A word of a unit that `%` and white space mean nothing in.
fn quoted(word: &str) -> String {
    let mut text = String::from("\"");
    for character in word.chars() {
        match character {
            '"' | '\\' => text.extend(['\\', character]),
            '%' => text.push_str("%%"),
            _ => text.push(character),
        }
    }
    text + "\""
}

/// The same for an argument, in which variables would be expanded, too.
fn argument(word: &str) -> String {
    quoted(word).replace('$', "$$")
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// Whether no line or unit is ended by it.
pub(super) fn is_plain(path: &Path) -> bool {
    path.to_str().is_some_and(|text| !text.chars().any(char::is_control))
}
