//! Completions and man pages, as committed, are what the program makes.

use std::collections::BTreeMap;
use std::path::Path;

use super::{aimux, assert_exit};

fn texts(folder: &Path) -> BTreeMap<String, String> {
    let Ok(entries) = std::fs::read_dir(folder) else { return BTreeMap::new() };
    entries
        .map(Result::unwrap)
        .map(|entry| (entry.file_name().into_string().unwrap(), std::fs::read_to_string(entry.path()).unwrap()))
        .collect()
}

#[test]
fn committed_completions_and_man_pages_are_not_stale() {
    let home = tempfile::tempdir().unwrap();
    for (what, folder) in [("completions", "completions"), ("man", "man")] {
        let made = home.path().join(what);
        std::fs::create_dir(&made).unwrap();
        assert_exit(&aimux(home.path()).args(["generate", what]).arg(&made).output().unwrap(), 0);
        let committed = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        if std::env::var_os("AIMUX_TEST_BLESS").is_some() {
            std::fs::remove_dir_all(&committed).ok();
            std::fs::create_dir(&committed).unwrap();
            for (name, text) in texts(&made) {
                std::fs::write(committed.join(name), text).unwrap();
            }
        }
        let (made, committed) = (texts(&made), texts(&committed));
        assert!(made.len() >= 3 && made.values().all(|text| text.contains("aimux")), "{:?}", made.keys());
        assert!(made == committed, "{folder}/ is stale: run the test once with AIMUX_TEST_BLESS=1");
    }
}
