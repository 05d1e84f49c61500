//! Rotations with the disk failing at each step in turn: every key opens afterwards, and is the old one or the new one.

use std::os::unix::fs::PermissionsExt;

use crate::keys::folder::faults::{self, Fault};
use crate::keys::*;

const NOW: u64 = 1_763_735_856;
const KEYS: [(&str, &str); 2] = [("a", "sk-a-old"), ("b", "sk-b-old")];

fn secret(text: &str) -> Secret {
    Secret::new(text.to_owned())
}

fn never() -> Result<Secret, Error> {
    panic!("nobody should be asked")
}

/// In memory where there is such a folder: syncing costs nothing there, and is counted all the same.
fn tempdir() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

/// Two keys, and a former one: copies of files that are made once, for encrypting takes its time.
fn fixture() -> (tempfile::TempDir, Store) {
    static MADE: std::sync::LazyLock<Vec<(PathBuf, Vec<u8>)>> = std::sync::LazyLock::new(|| {
        let root = tempdir();
        let store = Store::new(&root.path().join("aimux"), None);
        store.add("a", &secret("sk-former"), Existing::Refuse, NOW, &mut never).unwrap();
        for (name, text) in KEYS {
            store.add(name, &secret(text), Existing::Retire, NOW, &mut never).unwrap();
        }
        snapshot(&store).into_iter().map(|(path, bytes)| (path.strip_prefix(root.path()).unwrap().to_owned(), bytes)).collect()
    });
    let root = tempdir();
    let store = Store::new(&root.path().join("aimux"), None);
    for folder in ["aimux", "aimux/keys", "aimux/keys/.retired"] {
        std::fs::create_dir(root.path().join(folder)).unwrap();
        std::fs::set_permissions(root.path().join(folder), std::fs::Permissions::from_mode(0o700)).unwrap();
    }
    for (path, bytes) in MADE.iter() {
        let path = root.path().join(path);
        std::fs::write(&path, bytes).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    }
    (root, store)
}

fn read(store: &Store, name: &str) -> String {
    store.read(name, &mut never).unwrap().expose().to_owned()
}

/// A world in which everything is well, but for what is set otherwise.
#[derive(Default)]
struct World {
    refuses_probe: bool,
    refuses_tell: usize,
    refuses_record: Option<&'static str>,
    told: usize,
    steps: Vec<&'static str>,
}

fn no(message: &str) -> Result<(), Error> {
    Err(Error::new(Code::UpstreamAuth, message))
}

impl Surroundings for World {
    fn probe(&mut self, _: &Secret) -> Result<(), Error> {
        if self.refuses_probe { no("the provider refuses the key") } else { Ok(()) }
    }

    fn tell(&mut self) -> Result<Heard, Error> {
        self.told += 1;
        if self.told <= self.refuses_tell { no("the server refuses").map(|()| Heard::Server) } else { Ok(Heard::Server) }
    }

    fn record(&mut self, step: &'static str) -> Result<(), Error> {
        self.steps.push(step);
        if self.refuses_record == Some(step) { no("the log is full") } else { Ok(()) }
    }
}

fn rotate(store: &Store, text: &str, keep: Keep, world: &mut World) -> Result<Rotated, Error> {
    store.rotate(&Rotation { name: "a", grant: &secret(text).into(), keep, now: NOW }, world, &mut never)
}

const DAY: Keep = Keep::Seconds(86_400);

#[test]
fn a_rotation_switches_keeps_the_former_key_and_writes_each_step_down() {
    let (_root, store) = fixture();
    let mut world = World::default();
    let done = rotate(&store, "sk-a-new", DAY, &mut world).unwrap();
    assert_eq!(read(&store, "a"), "sk-a-new");
    let retired = store.folder.join(".retired/a.20251121T143736Z.until-20251122T143736Z.age");
    assert_eq!(done, Rotated { retired: Some(retired.clone()), until: Some(NOW + 86_400), heard: Heard::Server });
    let opener = store.opener(&mut never).unwrap();
    assert!(opener.decrypt(&std::fs::read(&retired).unwrap()).unwrap().starts_with(b"sk-a-old\n"));
    assert_eq!((world.steps, world.told), (vec!["begun", "switched", "done"], 1));
    store.tidy(NOW + 86_399).unwrap();
    assert!(retired.exists(), "its time is not over");
    assert_eq!(store.tidy(NOW + 86_400).unwrap().expired, 1);
    assert!(!retired.exists());
    assert_eq!(store.retired().unwrap().len(), 1, "former keys without an end stay");
}

#[test]
fn a_former_key_that_is_not_to_be_kept_goes_at_once() {
    let (_root, store) = fixture();
    let done = rotate(&store, "sk-a-new", Keep::Seconds(0), &mut World::default()).unwrap();
    assert_eq!((done.retired, store.retired().unwrap().len()), (None, 1));
}

#[test]
fn what_is_refused_before_the_switch_writes_nothing() {
    let (_root, store) = fixture();
    let before = snapshot(&store);
    let mut world = World { refuses_probe: true, ..World::default() };
    assert_eq!(rotate(&store, "sk-a-new", DAY, &mut world).unwrap_err().message, "the provider refuses the key");
    assert_eq!((&world.steps[..], world.told), (&[][..], 0));
    let same = rotate(&store, "sk-a-old", DAY, &mut World::default()).unwrap_err();
    assert_eq!(same.message, "this is the key \"a\" that is in use already");
    assert_eq!(store.may_rotate("zai").unwrap_err().message, "key \"zai\" does not exist");
    assert_eq!(snapshot(&store), before);
}

#[test]
fn a_key_that_could_not_be_read_back_is_not_switched_to() {
    let (_root, store) = fixture();
    let (_, foreign) = identity::make(0);
    std::fs::write(store.folder.join(RECIPIENTS), foreign + "\n").unwrap();
    let before = snapshot(&store);
    let mut world = World::default();
    let error = rotate(&store, "sk-a-new", DAY, &mut world).unwrap_err();
    assert!(error.message.contains(".age-recipients does not name it"), "{error}");
    assert_eq!((snapshot(&store), world.steps, world.told), (before, Vec::new(), 0));
    assert_eq!(read(&store, "a"), "sk-a-old");
}

/// Whose public key a protected identity has is not known before it is opened: only reading back tells.
#[test]
fn a_key_that_a_protected_identity_could_not_read_back_is_not_switched_to() {
    let (_root, store) = fixture();
    let phrase = || Ok(secret("one"));
    store.rotate_identity(NewIdentity::Made(Some(&secret("one"))), Keep::Seconds(0), NOW, &mut never).unwrap();
    let (_, foreign) = identity::make(0);
    std::fs::write(store.folder.join(RECIPIENTS), foreign + "\n").unwrap();
    let before = snapshot(&store);
    let mut world = World::default();
    let rotation = Rotation { name: "a", grant: &secret("sk-a-new").into(), keep: DAY, now: NOW };
    let error = store.rotate(&rotation, &mut world, &mut phrase.clone()).unwrap_err();
    assert!(error.message.contains(".age-recipients does not name it"), "{error}");
    assert_eq!((snapshot(&store), world.steps, world.told), (before, Vec::new(), 0));
    assert_eq!(store.read("a", &mut phrase.clone()).unwrap().expose(), "sk-a-old");
}

#[test]
fn a_server_or_a_log_that_refuses_undoes_it() {
    for mut world in [
        World { refuses_tell: 1, ..World::default() },
        World { refuses_record: Some("begun"), ..World::default() },
        World { refuses_record: Some("switched"), ..World::default() },
        World { refuses_record: Some("done"), ..World::default() },
    ] {
        let (_root, store) = fixture();
        let before = snapshot(&store);
        rotate(&store, "sk-a-new", DAY, &mut world).unwrap_err();
        assert_eq!(snapshot(&store), before, "{:?}", world.steps);
        assert_eq!(world.steps.last(), Some(&"undone"));
        let heard = world.refuses_tell > 0 || world.refuses_record == Some("done");
        assert_eq!(world.told, if heard { 2 } else { 0 }, "who was told is told again");
    }
    let mut world = World { refuses_tell: 2, ..World::default() };
    let (_root, store) = fixture();
    let error = rotate(&store, "sk-a-new", DAY, &mut world).unwrap_err();
    assert_eq!(error.message, "the server refuses", "it kept what it had");
}

/// Names and contents of all files but the lock.
fn snapshot(store: &Store) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files = Vec::new();
    for folder in [store.folder.clone(), store.folder.join(RETIRED), store.identity.parent().unwrap().to_owned()] {
        for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap).filter(|entry| entry.metadata().unwrap().is_file()) {
            files.push((entry.path(), std::fs::read(entry.path()).unwrap()));
        }
    }
    files.retain(|(path, _)| !path.ends_with(".lock"));
    files.sort();
    files
}

/// Whether nothing is left that is staged, journalled or copied in vain.
fn assert_clean(store: &Store, what: &str) {
    for (path, _) in snapshot(store) {
        let file = path.file_name().unwrap().to_str().unwrap();
        assert!(!file.contains(".aimux-") && file != ".rotation", "{what}: {file} is left");
    }
}

#[test]
fn a_rotation_whose_disk_fails_at_any_step_leaves_the_old_key_or_the_new_one() {
    for fault in [Fault::Once, Fault::Dead] {
        for step in 0.. {
            let (_root, store) = fixture();
            let what = format!("{fault:?} at {step}");
            let (done, reached) = faults::at(step, fault, || rotate(&store, "sk-a-new", DAY, &mut World::default()));
            let now = read(&store, "a");
            assert!(["sk-a-old", "sk-a-new"].contains(&now.as_str()), "{what}: {now}");
            assert_eq!(read(&store, "b"), "sk-b-old");
            if fault == Fault::Once {
                assert_eq!(now, if done.is_ok() { "sk-a-new" } else { "sk-a-old" }, "{what}: {done:?}");
            }
            // The next one works, and clears away what was left.
            rotate(&store, "sk-a-newer", DAY, &mut World::default()).unwrap_or_else(|error| panic!("{what}: {error}"));
            assert_eq!(read(&store, "a"), "sk-a-newer", "{what}");
            assert_clean(&store, &what);
            let former = if now == "sk-a-new" { 3 } else { 2 };
            assert_eq!(store.retired().unwrap().len(), former, "{what}: no copy in vain, none lost");
            if !reached {
                assert!(step >= 10, "only {step} steps can fail");
                break;
            }
        }
    }
}

#[test]
fn an_identity_rotation_whose_disk_fails_at_any_step_leaves_every_key_open() {
    for fault in [Fault::Once, Fault::Dead] {
        for step in 0.. {
            let (_root, store) = fixture();
            let old = store.recipients().unwrap();
            let what = format!("{fault:?} at {step}");
            let (done, reached) = faults::at(step, fault, || store.rotate_identity(NewIdentity::Made(None), DAY, NOW, &mut never));
            let opens = |moment: &str| {
                KEYS.iter().for_each(|(name, text)| assert_eq!(read(&store, name), *text, "{what}, {moment}"));
                let opener = store.opener(&mut never).unwrap();
                for retired in store.retired().unwrap().iter().filter(|retired| retired.name != retired::IDENTITY) {
                    assert!(opener.decrypt(&std::fs::read(&retired.path).unwrap()).is_ok(), "{what}, {moment}");
                }
            };
            opens("before anything is mended");
            store.tidy(NOW).unwrap_or_else(|error| panic!("{what}: {error}"));
            opens("when it is mended");
            assert_clean(&store, &what);
            let (now, own) = (store.recipients().unwrap(), store.opener(&mut never).unwrap().public_keys());
            assert_eq!(now, own, "{what}: one recipient, ours");
            if let Ok(done) = &done {
                assert_eq!(now, std::slice::from_ref(&done.public));
            }
            if now != old {
                only_the_new_identity_opens(&store, &what);
            }
            if !reached {
                assert!(done.is_ok() && step > 40, "only {step} steps can fail");
                break;
            }
        }
    }
}

/// What is encrypted to one recipient is encrypted to ours, which opens it.
fn only_the_new_identity_opens(store: &Store, what: &str) {
    for (path, bytes) in snapshot(store).into_iter().filter(|(path, _)| path.extension().is_some_and(|extension| extension == "age")) {
        let header = String::from_utf8_lossy(&bytes);
        assert_eq!(header.matches("-> X25519 ").count(), 1, "{what}: {}", path.display());
    }
}

#[test]
fn a_change_of_recipients_whose_disk_fails_at_any_step_leaves_every_key_open() {
    let (text, other) = identity::make(0);
    let IdentityFile::Open(foreign) = identity::parse(text.as_bytes()).unwrap() else { panic!("it is protected") };
    for fault in [Fault::Once, Fault::Dead] {
        for step in 0.. {
            let (_root, store) = fixture();
            let (done, reached) = faults::at(step, fault, || store.change_recipients(Change::Add(&other), NOW, &mut never));
            let what = format!("{fault:?} at {step}");
            KEYS.iter().for_each(|(name, text)| assert_eq!(read(&store, name), *text, "{what}"));
            store.tidy(NOW).unwrap();
            assert_clean(&store, &what);
            let is_in = store.recipients().unwrap().contains(&other);
            assert!(is_in || done.is_err(), "{what}");
            for (name, _) in KEYS {
                let bytes = std::fs::read(store.folder.join(file_name(name))).unwrap();
                assert_eq!(identity::open(&bytes, &foreign, &Plugins::default()).is_ok(), is_in, "{what}: all or none");
            }
            if !reached {
                assert!(step > 15, "only {step} steps can fail");
                break;
            }
        }
    }
}

#[test]
fn a_new_identity_opens_all_the_old_one_nothing_and_lies_encrypted_beside() {
    let (_root, store) = fixture();
    let old_file = std::fs::read(&store.identity).unwrap();
    let IdentityFile::Open(old) = identity::parse(&old_file).unwrap() else { panic!("it is protected") };
    let done = store.rotate_identity(NewIdentity::Made(None), DAY, NOW, &mut never).unwrap();
    assert_eq!(done.files, 3);
    KEYS.iter().for_each(|(name, text)| assert_eq!(read(&store, name), *text));
    for (path, bytes) in snapshot(&store).iter().filter(|(path, _)| path.extension().is_some_and(|extension| extension == "age")) {
        assert!(identity::open(bytes, &old, &Plugins::default()).is_err(), "{}", path.display());
    }
    let opener = store.opener(&mut never).unwrap();
    let kept = std::fs::read(done.retired.unwrap()).unwrap();
    assert_eq!(opener.decrypt(&kept).unwrap().as_slice(), old_file);
    let again = store.rotate_identity(NewIdentity::Made(None), Keep::Seconds(0), NOW, &mut never).unwrap();
    assert_eq!((again.files, again.retired), (4, None), "the first identity is still there, for the third one");
}

#[test]
fn an_identity_gets_a_passphrase_and_another_one() {
    let (_root, store) = fixture();
    store.rotate_identity(NewIdentity::Made(Some(&secret("one"))), DAY, NOW, &mut never).unwrap();
    assert_eq!(store.protected().unwrap(), Some(true));
    assert_eq!(store.read("a", &mut || Ok(secret("one"))).unwrap().expose(), "sk-a-old");
    store.rotate_identity(NewIdentity::Made(Some(&secret("two"))), DAY, NOW, &mut || Ok(secret("one"))).unwrap();
    assert_eq!(store.read("a", &mut || Ok(secret("one"))).unwrap_err().code, Code::KeyUnavailable);
    assert_eq!(store.read("a", &mut || Ok(secret("two"))).unwrap().expose(), "sk-a-old");
}

#[test]
fn a_protected_identity_that_was_killed_after_the_switch_waits_for_its_passphrase() {
    let mut waited = 0;
    for step in (0..).step_by(2) {
        let (_root, store) = fixture();
        let (done, reached) = faults::at(step, Fault::Dead, || {
            store.rotate_identity(NewIdentity::Made(Some(&secret("one"))), Keep::Seconds(0), NOW, &mut never)
        });
        let mended = store.tidy(NOW).unwrap();
        let mut one = || Ok(secret("one"));
        assert_eq!(store.read("a", &mut one).unwrap().expose(), "sk-a-old", "step {step}");
        if mended.change == Unfinished::Waits {
            waited += 1;
            assert!(done.is_err());
            store
                .rotate(&Rotation { name: "a", grant: &secret("sk-a-new").into(), keep: DAY, now: NOW }, &mut World::default(), &mut one)
                .unwrap();
            assert_clean(&store, &format!("step {step}"));
            only_the_new_identity_opens(&store, &format!("step {step}"));
        }
        if !reached {
            break;
        }
    }
    assert!(waited > 5, "{waited}");
}

#[test]
fn a_file_that_cannot_be_opened_stops_it_before_anything_is_written() {
    type Spoil = fn(&Store);
    let spoil: [(&str, Spoil); 6] = [
        ("is encrypted for another identity", |store| {
            let (text, _) = identity::make(0);
            let IdentityFile::Open(other) = identity::parse(text.as_bytes()).unwrap() else { panic!("it is protected") };
            let file =
                identity::seal(b"sk-x\n", &[Recipient::from(&other[0])], Mixture::Refuse, &Plugins::default(), Format::Binary).unwrap();
            put(store, "keys/b.age", &file);
        }),
        ("is damaged or no age file", |store| put(store, "keys/b.age", b"")),
        ("is damaged or no age file", |store| put(store, "keys/.retired/Old Key.age", b"age-encryption.org/v1\nx")),
        ("is open to others: its mode is 640", |store| {
            std::fs::set_permissions(store.folder.join("b.age"), std::fs::Permissions::from_mode(0o640)).unwrap();
        }),
        ("is a symlink", |store| std::os::unix::fs::symlink(store.folder.join("a.age"), store.folder.join("c.age")).unwrap()),
        ("is a folder: keys in it", |store| std::fs::create_dir(store.folder.join("team")).unwrap()),
    ];
    let (_, other) = identity::make(0);
    for (why, spoil) in spoil {
        let (_root, store) = fixture();
        spoil(&store);
        let before = snapshot(&store);
        let error = store.rotate_identity(NewIdentity::Made(None), DAY, NOW, &mut never).unwrap_err();
        assert!(error.message.contains(why), "{error}");
        if !why.contains("folder") {
            let error = store.change_recipients(Change::Add(&other), NOW, &mut never).unwrap_err();
            assert!(error.message.contains(why), "{error}");
        }
        assert_eq!(snapshot(&store), before, "{why}");
    }
}

fn put(store: &Store, place: &str, bytes: &[u8]) {
    let path = store.identity.parent().unwrap().join(place);
    std::fs::write(&path, bytes).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

#[test]
fn a_journal_of_another_identity_is_left_alone() {
    let (_root, store) = fixture();
    let (_, other) = identity::make(0);
    let before = store.recipients().unwrap();
    let journal = format!("identity: {other}\nadd: {other}\ndrop: {}\n", before[0]);
    put(&store, "keys/.rotation", journal.as_bytes());
    assert_eq!(store.tidy(NOW).unwrap().change, Unfinished::Waits);
    assert_eq!(store.recipients().unwrap(), before);
    let error = store.rotate_identity(NewIdentity::Made(None), DAY, NOW, &mut never).unwrap_err();
    assert!(error.message.contains("was cut short"), "{error}");
    rotate(&store, "sk-a-new", DAY, &mut World::default()).unwrap();
    assert_eq!(read(&store, "a"), "sk-a-new");
}

#[test]
fn recipients_are_added_and_taken_out_with_every_file() {
    let (_root, store) = fixture();
    let own = store.recipients().unwrap()[0].clone();
    let (text, other) = identity::make(0);
    let IdentityFile::Open(foreign) = identity::parse(text.as_bytes()).unwrap() else { panic!("it is protected") };
    put(&store, "keys/.age-recipients", format!("# me\n{own}\n").as_bytes());
    let opened = |place: &str| identity::open(&std::fs::read(store.folder.join(place)).unwrap(), &foreign, &Plugins::default()).is_ok();
    let done = store.change_recipients(Change::Add(&other), NOW, &mut never).unwrap();
    assert_eq!(done, Recipients { public: vec![own.clone(), other.clone()], files: 3 });
    assert!(opened("a.age") && opened(".retired/a.20251121T143736Z.age"));
    let text = std::fs::read_to_string(store.folder.join(RECIPIENTS)).unwrap();
    assert_eq!(text, format!("# me\n{own}\n{other}\n"));
    store.change_recipients(Change::Remove(&other), NOW, &mut never).unwrap();
    assert!(!opened("a.age") && !opened(".retired/a.20251121T143736Z.age"));
    assert_eq!(read(&store, "a"), "sk-a-old");
}

#[test]
fn recipients_that_make_no_sense_are_refused() {
    let (_root, store) = fixture();
    let own = store.recipients().unwrap()[0].clone();
    let (_, other) = identity::make(0);
    let refused = |change: Change<'_>| store.change_recipients(change, NOW, &mut never).unwrap_err().message;
    assert!(refused(Change::Add("age1nonsense")).contains("a public key age1"));
    let secret = "AGE-SECRET-KEY-1QQQQ";
    assert!(!refused(Change::Add(secret)).contains("QQQQ"));
    assert_eq!(refused(Change::Add(&own)), "this recipient is there already");
    assert_eq!(refused(Change::Remove(&other)), "there is no such recipient");
    assert_eq!(refused(Change::RemoveEvenOwn(&own)), "this is the last recipient: nobody could open the keys");
    store.change_recipients(Change::Add(&other), NOW, &mut never).unwrap();
    assert!(refused(Change::Remove(&own)).contains("this machine's own identity"));
    store.change_recipients(Change::RemoveEvenOwn(&own), NOW, &mut never).unwrap();
    assert_eq!(store.read("a", &mut never).unwrap_err().message, "key \"a\" is encrypted for another identity");
}

#[test]
fn rotations_at_once_wait_for_each_other() {
    let (_root, store) = fixture();
    std::thread::scope(|scope| {
        for number in 0..6 {
            let store = &store;
            scope.spawn(move || {
                if number % 3 == 0 {
                    store.rotate_identity(NewIdentity::Made(None), DAY, NOW, &mut never).map(drop)
                } else {
                    rotate(store, &format!("sk-a-{number}"), DAY, &mut World::default()).map(drop)
                }
                .unwrap();
            });
        }
    });
    assert!(read(&store, "a").starts_with("sk-a-"));
    assert_eq!(store.recipients().unwrap().len(), 1);
    assert_eq!(store.retired().unwrap().iter().filter(|retired| retired.name == "a").count(), 5);
    assert_clean(&store, "after six");
}

#[test]
fn a_reader_during_an_identity_rotation_always_opens() {
    let (_root, store) = fixture();
    std::thread::scope(|scope| {
        let writer =
            scope.spawn(|| (0..6).for_each(|_| drop(store.rotate_identity(NewIdentity::Made(None), DAY, NOW, &mut never).unwrap())));
        while !writer.is_finished() {
            assert_eq!(read(&store, "a"), "sk-a-old");
        }
    });
}
