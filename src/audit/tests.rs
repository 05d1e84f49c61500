//! The chain under every kind of tampering, under several writers, and after a writer that was ended half-way.

use super::*;

struct Fixture {
    root: tempfile::TempDir,
    log: Log,
}

fn fixture(lines: usize) -> Fixture {
    let root = tempfile::tempdir().unwrap();
    let log = Log::new(&root.path().join("state"), "test");
    for index in 0..lines {
        log.append(&Entry::new(Action::KeyAdded, format!("key{index}"))).unwrap();
    }
    Fixture { root, log }
}

impl Fixture {
    fn text(&self) -> String {
        std::fs::read_to_string(self.log.path()).unwrap()
    }

    fn write(&self, lines: &[String]) {
        std::fs::write(self.log.path(), lines.concat()).unwrap();
    }

    fn lines(&self) -> Vec<String> {
        self.text().split_inclusive('\n').map(str::to_owned).collect()
    }

    fn head(&self) -> PathBuf {
        self.root.path().join("state").join("audit.head")
    }
}

fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata(path).unwrap().mode() & 0o777
}

#[test]
fn a_log_grows_line_by_line_and_is_for_its_owner_alone() {
    let fixture = fixture(0);
    assert_eq!(fixture.log.verify(None).unwrap(), Verified { lines: 0, hash: "0".repeat(64), uncounted: 0 });
    let changes = vec![Change { field: "limits.body_mb".to_owned(), old: Some("32".to_owned()), new: None }];
    fixture.log.append(&Entry::new(Action::KeyAdded, "anthropic")).unwrap();
    fixture.log.append(&Entry::new(Action::ConfigReloaded, "c.yaml").note("by signal").changes(changes.clone())).unwrap();
    let verified = fixture.log.verify(None).unwrap();
    assert_eq!((verified.lines, verified.hash.len(), verified.uncounted), (2, 64, 0));
    let last = fixture.log.last(1).unwrap();
    let record = last[0].1.as_ref().unwrap();
    assert_eq!((record.n, record.action.as_str(), &record.changes), (2, "config.reloaded", &changes));
    assert_eq!((record.by.as_str(), record.pid, record.note.as_str()), ("test", std::process::id(), "by signal"));
    let state = fixture.root.path().join("state");
    assert_eq!((mode(&state), mode(&fixture.log.path()), mode(&fixture.head())), (0o700, 0o600, 0o600));
}

#[test]
fn an_edit_anywhere_is_found_at_its_line() {
    let fixture = fixture(3);
    let whole = fixture.text();
    for index in 0..whole.len() {
        let mut bytes = whole.clone().into_bytes();
        bytes[index] ^= 1;
        std::fs::write(fixture.log.path(), &bytes).unwrap();
        let line = whole[..index].matches('\n').count() + 1;
        let error = fixture.log.verify(None).unwrap_err();
        assert_eq!(error.code, Code::AuditLog);
        assert!(error.message.starts_with(&format!("line {line} ")), "byte {index} is in line {line}: {}", error.message);
    }
}

#[test]
fn lines_cut_out_moved_doubled_or_inserted_are_found() {
    let fixture = fixture(5);
    let whole = fixture.lines();
    let broken_at = |lines: &[String], line: usize, words: &str| {
        fixture.write(lines);
        let message = fixture.log.verify(None).unwrap_err().message;
        assert!(message.starts_with(&format!("line {line} ")) && message.contains(words), "{message}");
    };
    let mut lines = whole.clone();
    lines.remove(1);
    broken_at(&lines, 2, "it is entry 3");
    lines = whole.clone();
    lines.swap(2, 3);
    broken_at(&lines, 3, "it is entry 4");
    lines = whole.clone();
    lines.insert(2, whole[1].clone());
    broken_at(&lines, 3, "it is entry 2");
    lines = whole.clone();
    lines.insert(2, "{}\n".to_owned());
    broken_at(&lines, 3, "it is no entry");
    lines = whole.clone();
    lines[2] = lines[2].replace("\"n\":3", "\"n\":4");
    lines.remove(3);
    broken_at(&lines, 3, "it is entry 4");
    // The front: a chain begins with entry 1 and no other.
    broken_at(&whole[1..], 1, "it is entry 2");
    // The end: only the head knows how many there were.
    broken_at(&whole[..4], 5, "cut off");
    broken_at(&[], 1, "cut off");
    fixture.write(&whole);
    assert_eq!(fixture.log.verify(None).unwrap().lines, 5);
}

#[test]
fn a_forged_chain_is_found_by_its_head_or_by_a_hash_noted_elsewhere() {
    let fixture = fixture(3);
    let seen = fixture.log.verify(None).unwrap().hash;
    let other = self::fixture(0);
    (0..3).for_each(|index| other.log.append(&Entry::new(Action::KeyLent, format!("other{index}"))).unwrap());
    std::fs::copy(other.log.path(), fixture.log.path()).unwrap();
    assert!(fixture.log.verify(None).unwrap_err().message.starts_with("line 3 "));
    // With the head forged too the chain is sound, and only the noted hash tells.
    std::fs::copy(other.head(), fixture.head()).unwrap();
    assert_eq!(fixture.log.verify(None).unwrap().lines, 3);
    assert!(fixture.log.verify(Some(&seen)).unwrap_err().message.contains("another chain"));
    assert!(fixture.log.verify(Some(&"f".repeat(64))).is_err());
    let now = fixture.log.verify(None).unwrap().hash;
    fixture.log.append(&Entry::new(Action::KeyRemoved, "key1")).unwrap();
    assert_eq!(fixture.log.verify(Some(&now)).unwrap().lines, 4, "an older hash is still in it");
}

#[test]
fn nothing_is_appended_to_a_log_that_was_changed_at_its_end() {
    let fixture = fixture(3);
    let whole = fixture.lines();
    let refused = |what: &str| {
        let before = std::fs::read(fixture.log.path()).ok();
        let error = fixture.log.append(&Entry::new(Action::KeyAdded, "x")).unwrap_err();
        assert_eq!(error.code, Code::AuditLog, "{what}");
        assert_eq!(std::fs::read(fixture.log.path()).ok(), before, "{what}: nothing was written");
    };
    fixture.write(&whole[..2]);
    refused("cut");
    fixture.write(&[whole[0].clone(), whole[1].clone(), whole[2].replace("\"}\n", "\"]\n")]);
    refused("edited");
    fixture.write(&[whole.concat(), "{\"n\":4}\n".to_owned()]);
    refused("inserted at the end");
    std::fs::remove_file(fixture.log.path()).unwrap();
    refused("deleted");
    assert!(fixture.log.verify(None).is_err());
    fixture.log.append(&Entry::new(Action::KeyAdded, "x")).unwrap_err();
    fixture.write(&whole);
    std::fs::set_permissions(fixture.log.path(), std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    std::fs::remove_file(fixture.head()).unwrap();
    refused("without its head");
    assert!(fixture.log.verify(None).unwrap_err().message.contains("head"));
}

#[test]
fn what_a_killed_writer_left_is_counted_if_whole_and_cut_if_not() {
    let fixture = fixture(2);
    let head = std::fs::read(fixture.head()).unwrap();
    fixture.log.append(&Entry::new(Action::KeyAdded, "third")).unwrap();
    // Killed between the line and the head.
    std::fs::write(fixture.head(), &head).unwrap();
    assert_eq!(fixture.log.verify(None).unwrap().uncounted, 1);
    // Killed within the next line.
    let whole = fixture.text();
    std::fs::write(fixture.log.path(), whole.clone() + "{\"n\":4,\"at\":\"20").unwrap();
    assert!(fixture.log.verify(None).unwrap_err().message.starts_with("line 4 of the audit log: it has no end"));
    fixture.log.append(&Entry::new(Action::KeyAdded, "fourth")).unwrap();
    let verified = fixture.log.verify(None).unwrap();
    assert_eq!((verified.lines, verified.uncounted), (4, 0));
    assert!(fixture.text().starts_with(&whole));
}

#[test]
fn several_writers_at_once_make_one_chain() {
    let fixture = fixture(0);
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let log = fixture.log.clone();
            scope.spawn(move || (0..10).for_each(|index| log.append(&Entry::new(Action::KeyLent, format!("{writer}-{index}"))).unwrap()));
        }
    });
    assert_eq!(fixture.log.verify(None).unwrap().lines, 40);
}

#[test]
fn nothing_is_done_that_cannot_be_recorded_and_a_failure_is_recorded_too() {
    let fixture = fixture(1);
    let entry = Entry::new(Action::KeyRemoved, "key0");
    assert_eq!(fixture.log.record(&entry, || Ok(7)).unwrap(), 7);
    fixture.log.record(&entry, || Err::<(), _>(Error::new(Code::KeyStore, "no"))).unwrap_err();
    let last = fixture.log.last(2).unwrap();
    let record = last[1].1.as_ref().unwrap();
    assert_eq!((record.failed, record.note.as_str()), (true, "AIMUX-E0601"));
    std::fs::set_permissions(fixture.log.path(), std::os::unix::fs::PermissionsExt::from_mode(0o640)).unwrap();
    let mut done = false;
    let refused = fixture.log.record(&entry, || {
        done = true;
        Ok(())
    });
    assert_eq!((refused.unwrap_err().code, done), (Code::AuditLog, false));
}

#[test]
fn a_link_a_pipe_or_a_folder_in_the_logs_place_is_refused() {
    for make in [
        |path: &Path| std::os::unix::fs::symlink("/dev/null", path).unwrap(),
        |path: &Path| rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR, 0).unwrap(),
        |path: &Path| std::fs::create_dir(path).unwrap(),
    ] {
        let fixture = fixture(1);
        std::fs::remove_file(fixture.log.path()).unwrap();
        make(&fixture.log.path());
        assert_eq!(fixture.log.append(&Entry::new(Action::KeyAdded, "x")).unwrap_err().code, Code::AuditLog);
        assert_eq!(fixture.log.verify(None).unwrap_err().code, Code::AuditLog);
    }
}

#[test]
fn a_text_is_cut_and_fields_are_counted_rather_than_dropped() {
    let fixture = fixture(0);
    let change = |index| Change { field: format!("f{index}"), old: Some("x".repeat(1000)), new: None };
    fixture.log.append(&Entry::new(Action::ConfigReloaded, "é".repeat(1000)).changes((0..150).map(change).collect())).unwrap();
    let last = fixture.log.last(1).unwrap();
    let record = last[0].1.as_ref().unwrap();
    assert_eq!((record.changes.len(), record.subject.chars().count()), (101, 257));
    assert_eq!(record.changes[100].new.as_deref(), Some("50 more fields"));
    assert_eq!(fixture.log.verify(None).unwrap().lines, 1);
}
