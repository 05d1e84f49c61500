//! What the folder refuses, and what a write leaves when it is cut short.

use super::*;

fn folder(root: &tempfile::TempDir) -> Folder {
    Folder::open_or_make(&root.path().join("keys"), Trust::Private).unwrap()
}

fn text(folder: &Folder, name: &str) -> String {
    String::from_utf8(folder.read(name).unwrap().unwrap().bytes.to_vec()).unwrap()
}

#[test]
fn a_new_folder_is_0700_and_a_new_file_0600() {
    let root = tempfile::tempdir().unwrap();
    let folder = folder(&root);
    folder.replace("a", b"one").unwrap();
    let mode = |path: PathBuf| std::fs::metadata(path).unwrap().mode() & 0o777;
    assert_eq!((mode(root.path().join("keys")), mode(root.path().join("keys/a"))), (0o700, 0o600));
}

#[test]
fn a_writer_that_dies_before_the_rename_leaves_the_old_content() {
    let root = tempfile::tempdir().unwrap();
    let folder = folder(&root);
    folder.replace("a", b"old").unwrap();
    // A killed process runs no destructors.
    std::mem::forget(folder.stage(b"new").unwrap());
    assert_eq!(text(&folder, "a"), "old");
    assert_eq!(folder.list().unwrap().len(), 2, "the staged file is still there");
    let lock = folder.lock().unwrap();
    assert_eq!(text(&folder, "a"), "old");
    assert!(folder.list().unwrap().iter().all(|name| !name.starts_with(STAGED)), "the next writer clears it away");
    drop(lock);
}

#[test]
fn a_writer_that_fails_half_way_leaves_the_old_content_and_nothing_else() {
    let root = tempfile::tempdir().unwrap();
    let folder = folder(&root);
    folder.replace("a", b"old").unwrap();
    drop(folder.stage(b"new").unwrap());
    assert_eq!((text(&folder, "a").as_str(), folder.list().unwrap().len()), ("old", 1));
}

#[test]
fn a_reader_during_many_replacements_sees_whole_contents_only() {
    let root = tempfile::tempdir().unwrap();
    let folder = folder(&root);
    let (one, two) = ("1".repeat(5000), "2".repeat(7000));
    folder.replace("a", one.as_bytes()).unwrap();
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for round in 0..60 {
                folder.replace("a", if round % 2 == 0 { two.as_bytes() } else { one.as_bytes() }).unwrap();
            }
        });
        while !writer.is_finished() {
            let seen = text(&folder, "a");
            assert!(seen == one || seen == two);
        }
    });
}

#[test]
fn files_that_others_can_read_links_and_pipes_are_refused() {
    let root = tempfile::tempdir().unwrap();
    let folder = folder(&root);
    folder.replace("a", b"one").unwrap();
    for mode in [0o640, 0o604, 0o620, 0o601] {
        std::fs::set_permissions(folder.path_of("a"), Permissions::from_mode(mode)).unwrap();
        assert_eq!(folder.read("a").unwrap_err().code, Code::Permission, "{mode:o}");
    }
    std::fs::set_permissions(folder.path_of("a"), Permissions::from_mode(0o600)).unwrap();
    std::os::unix::fs::symlink(folder.path_of("a"), folder.path_of("link")).unwrap();
    assert_eq!(folder.read("link").unwrap_err().message, format!("{} is a symlink", folder.path_of("link").display()));
    std::fs::create_dir(folder.path_of("dir")).unwrap();
    assert_eq!(folder.read("dir").unwrap_err().code, Code::Permission);
    rustix::fs::mknodat(&folder.handle, "pipe", rustix::fs::FileType::Fifo, Mode::RUSR, 0).unwrap();
    assert_eq!(folder.read("pipe").unwrap_err().code, Code::Permission);
}

#[test]
fn a_file_of_another_user_is_refused() {
    let other = rustix::process::geteuid().as_raw().wrapping_add(1);
    assert_eq!(check_owner(Path::new("a"), other, Trust::Given).unwrap_err().code, Code::Permission);
}

/// What is swapped after it was judged is not what was judged: the open file is.
#[test]
fn a_file_that_is_swapped_all_the_time_is_read_whole_and_ours_or_not_at_all() {
    let root = tempfile::tempdir().unwrap();
    let folder = folder(&root);
    folder.replace("good", b"ours").unwrap();
    let path = |name: &str| folder.path_of(name);
    std::fs::write(root.path().join("theirs"), b"theirs").unwrap();
    std::fs::set_permissions(root.path().join("theirs"), Permissions::from_mode(0o600)).unwrap();
    let is_over = std::sync::atomic::AtomicBool::new(false);
    /// Ends the other thread, whether this one fails or not.
    struct End<'a>(&'a std::sync::atomic::AtomicBool);
    impl Drop for End<'_> {
        fn drop(&mut self) {
            self.0.store(true, std::sync::atomic::Ordering::Relaxed);
        }
    }
    std::thread::scope(|scope| {
        let _end = End(&is_over);
        scope.spawn(|| {
            let put = |name: &str| std::fs::rename(path(name), path("a")).unwrap();
            while !is_over.load(std::sync::atomic::Ordering::Relaxed) {
                std::fs::hard_link(path("good"), path("1")).unwrap();
                put("1");
                std::os::unix::fs::symlink(root.path().join("theirs"), path("2")).unwrap();
                put("2");
                std::fs::write(path("3"), b"theirs").unwrap();
                std::fs::set_permissions(path("3"), Permissions::from_mode(0o644)).unwrap();
                put("3");
                rustix::fs::mknodat(&folder.handle, "4", rustix::fs::FileType::Fifo, Mode::RUSR, 0).unwrap();
                put("4");
            }
        });
        let (mut read, mut refused) = (0, 0);
        let end = Instant::now() + Duration::from_secs(100);
        while (read < 20 || refused < 20) && Instant::now() < end {
            match folder.read("a") {
                Ok(Some(content)) => {
                    assert_eq!(content.bytes.as_slice(), b"ours");
                    read += 1;
                }
                Ok(None) => {}
                Err(error) => {
                    assert_eq!(error.code, Code::Permission, "{error}");
                    refused += 1;
                }
            }
        }
        assert!(read >= 20 && refused >= 20, "{read} read, {refused} refused");
    });
}

#[test]
fn a_file_and_a_folder_that_were_given_away_are_refused() {
    if !rustix::process::geteuid().is_root() {
        // Only root can give a file away; the rule itself is tested above for everybody.
        return;
    }
    let root = tempfile::tempdir().unwrap();
    let folder = folder(&root);
    folder.replace("a", b"one").unwrap();
    std::os::unix::fs::chown(folder.path_of("a"), Some(12_345), None).unwrap();
    assert_eq!(folder.read("a").unwrap_err().message, format!("{} belongs to another user", folder.path_of("a").display()));
    std::os::unix::fs::chown(root.path().join("keys"), Some(12_345), None).unwrap();
    assert_eq!(Folder::open(&root.path().join("keys"), Trust::Private).unwrap_err().code, Code::Permission);
}

#[test]
fn a_folder_that_others_can_enter_or_a_link_to_one_is_refused() {
    let root = tempfile::tempdir().unwrap();
    drop(folder(&root));
    let path = root.path().join("keys");
    std::os::unix::fs::symlink(&path, root.path().join("link")).unwrap();
    assert_eq!(Folder::open(&root.path().join("link"), Trust::Private).unwrap_err().code, Code::Permission);
    std::fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
    assert_eq!(Folder::open(&path, Trust::Private).unwrap_err().code, Code::Permission);
    assert!(Folder::open(&path, Trust::Shared).unwrap().is_some());
    std::fs::set_permissions(&path, Permissions::from_mode(0o777)).unwrap();
    assert_eq!(Folder::open(&path, Trust::Shared).unwrap_err().code, Code::Permission);
}

#[test]
fn a_file_that_is_too_long_is_refused() {
    let root = tempfile::tempdir().unwrap();
    let folder = folder(&root);
    folder.replace("a", &vec![b'x'; usize::try_from(FILE_MAX).unwrap()]).unwrap();
    assert!(folder.read("a").unwrap().is_some());
    folder.replace("a", &vec![b'x'; usize::try_from(FILE_MAX).unwrap() + 1]).unwrap();
    assert_eq!(folder.read("a").unwrap_err().code, Code::KeyStore);
}
