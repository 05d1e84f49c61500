//! `aimux doctor --fix` and the question of `aimux bench` for money, on a terminal.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::gateway::{aimux, config};
use crate::replies::{Speaks, text};
use crate::terminal::Terminal;
use crate::upstream::Upstream;

/// A home in which two files and a folder can be read by others.
fn open_home() -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    let keys = home.path().join(".config/aimux/keys");
    std::fs::create_dir_all(&keys).unwrap();
    for (path, mode) in [(keys.join("a.age"), 0o644), (keys.join("b.age"), 0o644)] {
        std::fs::write(&path, "age").unwrap();
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }
    std::fs::set_permissions(&keys, std::fs::Permissions::from_mode(0o755)).unwrap();
    home
}

fn modes(home: &Path) -> [u32; 3] {
    ["", "a.age", "b.age"].map(|name| home.join(".config/aimux/keys").join(name).metadata().unwrap().permissions().mode() & 0o777)
}

#[test]
fn each_mend_is_asked_about_and_q_ends_the_questions() {
    for (keys, modes_after) in
        [(&["y", "n", "y"][..], [0o700, 0o644, 0o600]), (&["n", "y", "q"], [0o755, 0o600, 0o644]), (&["q"], [0o755, 0o644, 0o644])]
    {
        let home = open_home();
        let mut command = aimux(home.path());
        command.args(["doctor", "--offline", "--fix"]).current_dir(home.path());
        let mut terminal = Terminal::start(&command, 400, &[("LANG", "C.UTF-8")]);
        for (key, question) in keys.iter().zip(["chmod 700 ", "a.age`?", "b.age`?"]) {
            terminal.until(question);
            terminal.types(key);
        }
        let (_, screen, _) = terminal.end();
        assert_eq!(modes(home.path()), modes_after, "{keys:?}: {}", screen.contents());
        assert!(screen.contents().contains(" errors"), "the report follows: {}", screen.contents());
    }
}

#[test]
fn money_is_asked_for_on_a_terminal_and_nothing_is_spent_without_a_yes() {
    for (key, exit, asked) in [("n", 75, 0), ("y", 0, 4)] {
        let upstream = Upstream::start(|request, _| Speaks::Anthropic.answer(request, &[text("hi")]));
        let home = tempfile::tempdir().unwrap();
        let priced = config(&[(Speaks::Anthropic, &upstream)], "", "")
            .replace("UPSTREAM_KEY } }", "UPSTREAM_KEY }, models: { m: { price_input: 0, price_output: 50 } } }");
        std::fs::write(home.path().join("aimux.yaml"), priced).unwrap();
        let mut command = aimux(home.path());
        command.args(["bench", "up0/m", "-n", "3", "--via", "direct", "--config", "aimux.yaml"]).current_dir(home.path());
        let mut terminal = Terminal::start(&command, 200, &[]);
        terminal.until("Spend up to $0.0");
        terminal.types(key);
        let (code, screen, _) = terminal.end();
        assert_eq!((code, upstream.seen().len()), (Some(exit), asked), "{}", screen.contents());
        assert!(screen.contents().contains(" at most, $0.00"), "the price is shown first: {}", screen.contents());
    }
}
