//! The key store as a whole: what is added is read back, and what is unsafe is refused.

use std::os::unix::fs::PermissionsExt;

use super::*;

const KEY: &str = "sk-ant-api03-0123456789";

/// An empty store in a folder of its own.
pub(crate) struct Fixture {
    pub(crate) root: tempfile::TempDir,
    pub(crate) store: Store,
}

pub(crate) fn fixture() -> Fixture {
    let root = tempfile::tempdir().unwrap();
    let store = Store::new(&root.path().join("aimux"), None);
    Fixture { root, store }
}

fn never() -> Result<Secret, Error> {
    panic!("nobody should be asked")
}

fn secret(text: &str) -> Secret {
    Secret::new(text.into())
}

fn add(store: &Store, name: &str, text: &str) -> Result<Added, Error> {
    store.add(name, &secret(text), Existing::Refuse, 1_763_735_856, &mut never)
}

fn read(store: &Store, name: &str) -> String {
    store.read(name, &mut never).unwrap().expose().to_owned()
}

fn put(store: &Store, name: &str, plaintext: &[u8], format: Format) {
    let recipient: Recipient = store.recipients().unwrap()[0].parse().unwrap();
    let file = identity::seal(plaintext, &[recipient], Mixture::Refuse, &Plugins::default(), format).unwrap();
    Folder::open(&store.folder, Trust::Private).unwrap().unwrap().replace(&file_name(name), &file).unwrap();
}

#[test]
fn a_key_is_read_back_as_it_was_added() {
    let Fixture { store, .. } = fixture();
    let added = add(&store, "anthropic", KEY).unwrap();
    assert!(added.identity_made.is_some(), "the first key makes the identity");
    assert_eq!(read(&store, "anthropic"), KEY);
    assert!(add(&store, "openai", "sk-other").unwrap().identity_made.is_none());
    assert_eq!(store.names().unwrap(), ["anthropic", "openai"]);
    assert!(store.contains("openai") && !store.contains("zai") && !store.contains("../identity"));
    assert_eq!(store.opener(&mut never).unwrap().read("openai").unwrap().created, 1_763_735_856);
}

#[test]
fn no_file_on_the_disk_holds_the_key_and_each_is_0600() {
    let Fixture { store, root } = fixture();
    add(&store, "anthropic", KEY).unwrap();
    store.add("anthropic", &secret("sk-new"), Existing::Retire, 0, &mut never).unwrap();
    let mut folders = vec![root.path().join("aimux")];
    let mut files = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let (path, metadata) = entry.map(|entry| (entry.path(), entry.metadata().unwrap())).unwrap();
            if metadata.is_dir() {
                assert_eq!(metadata.permissions().mode() & 0o777, 0o700, "{}", path.display());
                folders.push(path);
                continue;
            }
            files += 1;
            assert_eq!(metadata.permissions().mode() & 0o777, 0o600, "{}", path.display());
            let bytes = std::fs::read(&path).unwrap();
            assert!(!bytes.windows(KEY.len()).any(|window| window == KEY.as_bytes()), "{}", path.display());
        }
    }
    assert_eq!(files, 5, "identity, recipients, lock, key, former key");
}

#[test]
fn a_taken_name_is_refused_and_replaced_only_when_asked_and_the_former_key_stays() {
    let Fixture { store, .. } = fixture();
    add(&store, "a", "sk-one").unwrap();
    assert_eq!(add(&store, "a", "sk-two").unwrap_err().message, "there is a key \"a\" already");
    assert_eq!(read(&store, "a"), "sk-one");
    for text in ["sk-two", "sk-three"] {
        let added = store.add("a", &secret(text), Existing::Retire, 1_763_735_856, &mut never).unwrap();
        assert!(added.retired.unwrap().is_file());
        assert_eq!(read(&store, "a"), text);
    }
    let former = store.folder.join(".retired/a.20251121T143736Z.age");
    let opener = store.opener(&mut never).unwrap();
    let plaintext = opener.decrypt(&std::fs::read(former).unwrap()).unwrap();
    assert!(plaintext.starts_with(b"sk-one\n"));
    assert!(store.folder.join(".retired/a.20251121T143736Z-1.age").is_file());
    assert_eq!(store.names().unwrap(), ["a"], "former keys are no keys");
}

#[test]
fn the_identity_is_never_overwritten() {
    let Fixture { store, .. } = fixture();
    let public = store.init(None, 0).unwrap();
    let before = std::fs::read(&store.identity).unwrap();
    assert_eq!(store.init(None, 0).unwrap_err().code, Code::KeyStore);
    assert_eq!(std::fs::read(&store.identity).unwrap(), before);
    assert_eq!(store.recipients().unwrap(), [public]);
}

#[test]
fn a_protected_identity_is_asked_for_to_read_but_not_to_add() {
    let Fixture { store, .. } = fixture();
    store.init(Some(&secret("correct horse")), 0).unwrap();
    assert_eq!(store.protected().unwrap(), Some(true));
    add(&store, "a", "sk-one").unwrap();
    assert_eq!(store.read("a", &mut || Ok(secret("correct horse"))).unwrap().expose(), "sk-one");
    assert_eq!(store.read("a", &mut || Ok(secret("wrong"))).unwrap_err().code, Code::KeyUnavailable);
    assert_eq!(store.read("b", &mut never).unwrap_err().message, "key \"b\" does not exist");
}

#[test]
fn lost_recipients_are_made_again_from_the_identity() {
    let Fixture { store, .. } = fixture();
    let public = store.init(Some(&secret("correct horse")), 0).unwrap();
    std::fs::remove_file(store.folder.join(RECIPIENTS)).unwrap();
    let mut asked = 0;
    let mut ask = || {
        asked += 1;
        Ok(secret("correct horse"))
    };
    store.add("a", &secret("sk-one"), Existing::Refuse, 0, &mut ask).unwrap();
    assert_eq!((asked, store.recipients().unwrap()), (1, vec![public]));
}

#[test]
fn a_key_that_the_identity_could_not_open_is_not_written() {
    let Fixture { store, .. } = fixture();
    add(&store, "a", "sk-one").unwrap();
    let (_, foreign) = identity::make(0);
    let folder = Folder::open(&store.folder, Trust::Private).unwrap().unwrap();
    folder.replace(RECIPIENTS, foreign.as_bytes()).unwrap();
    let error = store.add("a", &secret("sk-two"), Existing::Retire, 0, &mut never).unwrap_err();
    assert!(error.message.contains(".age-recipients does not name it"), "{error}");
    assert_eq!(read(&store, "a"), "sk-one");
}

#[test]
fn a_second_recipient_opens_new_keys_too() {
    let Fixture { store, root } = fixture();
    store.init(None, 0).unwrap();
    let other = Store::new(&root.path().join("other"), None);
    let foreign = other.init(None, 0).unwrap();
    let folder = Folder::open(&store.folder, Trust::Private).unwrap().unwrap();
    let both = format!("# mine\n{}\n\n# the other machine\n{foreign}\n", store.recipients().unwrap()[0]);
    folder.replace(RECIPIENTS, both.as_bytes()).unwrap();
    add(&store, "a", "sk-one").unwrap();
    std::fs::copy(store.folder.join("a.age"), other.folder.join("a.age")).unwrap();
    assert_eq!((read(&store, "a").as_str(), read(&other, "a").as_str()), ("sk-one", "sk-one"));
}

#[test]
fn files_of_the_age_program_are_read_in_every_shape() {
    let Fixture { store, .. } = fixture();
    store.init(None, 0).unwrap();
    for text in ["sk-one", "sk-one\n", " sk-one \r\n", "sk-one\ncreated: yesterday\nnote\n"] {
        for format in [Format::Binary, Format::AsciiArmor] {
            put(&store, "a", text.as_bytes(), format);
            assert_eq!(read(&store, "a"), "sk-one", "{text:?}");
        }
    }
}

#[test]
fn a_first_line_that_is_no_key_is_refused_without_its_words() {
    let Fixture { store, .. } = fixture();
    store.init(None, 0).unwrap();
    for text in [&b""[..], b"\nsk-one", b"sk-\x07bell", b"sk-\xff", "sk-\u{2022}\u{2022}".as_bytes()] {
        put(&store, "a", text, Format::Binary);
        let error = store.read("a", &mut never).unwrap_err();
        assert!(error.code == Code::KeyStore && !error.message.contains("sk-"), "{error}");
    }
}

#[test]
fn unsafe_keys_and_identities_are_refused() {
    let Fixture { store, .. } = fixture();
    add(&store, "a", "sk-one").unwrap();
    let chmod = |path: &Path, mode| std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    for path in [store.folder.join("a.age"), store.identity.clone()] {
        chmod(&path, 0o644);
        let error = store.read("a", &mut never).unwrap_err();
        assert_eq!((error.code, error.hint), (Code::Permission, Some(format!("chmod 600 {}", path.display()))));
        chmod(&path, 0o600);
        let elsewhere = path.with_extension("elsewhere");
        std::fs::rename(&path, &elsewhere).unwrap();
        std::os::unix::fs::symlink(&elsewhere, &path).unwrap();
        assert_eq!(store.read("a", &mut never).unwrap_err().code, Code::Permission);
        std::fs::remove_file(&path).unwrap();
        std::fs::rename(&elsewhere, &path).unwrap();
    }
    assert_eq!(read(&store, "a"), "sk-one");
}

#[test]
fn keys_for_another_identity_and_without_any_are_told_apart() {
    let Fixture { store, .. } = fixture();
    add(&store, "a", "sk-one").unwrap();
    std::fs::remove_file(&store.identity).unwrap();
    assert_eq!(store.read("a", &mut never).unwrap_err().code, Code::KeyUnavailable);
    store.init(None, 0).unwrap();
    assert_eq!(store.read("a", &mut never).unwrap_err().message, "key \"a\" is encrypted for another identity");
    assert_eq!(store.recipients().unwrap().len(), 2, "the former recipient stays");
}

#[test]
fn a_removed_key_is_gone_and_removing_it_again_fails() {
    let Fixture { store, .. } = fixture();
    assert!(store.names().unwrap().is_empty());
    assert_eq!(store.remove("a").unwrap_err().code, Code::KeyUnavailable);
    add(&store, "a", "sk-one").unwrap();
    store.remove("a").unwrap();
    assert!(!store.contains("a"));
    assert_eq!(store.remove("a").unwrap_err().message, "key \"a\" does not exist");
}

#[test]
fn many_writers_at_once_lose_nothing() {
    let Fixture { store, .. } = fixture();
    std::thread::scope(|scope| {
        for number in 0..8 {
            let store = &store;
            scope.spawn(move || add(store, &format!("key-{number}"), &format!("sk-{number}")).unwrap());
        }
    });
    assert_eq!(store.names().unwrap().len(), 8);
    assert_eq!(read(&store, "key-7"), "sk-7");
    assert_eq!(store.recipients().unwrap().len(), 1, "one identity was made");
}

#[test]
fn a_server_is_asked_for_a_protected_identity_once_and_again_for_another() {
    let root = tempfile::tempdir().unwrap();
    let store = Store::new(&root.path().join("aimux"), None).remembering();
    let phrase = Secret::new("correct horse".into());
    let mut asked = 0;
    let mut ask = || {
        asked += 1;
        Ok(phrase.clone())
    };
    store.init(Some(&phrase), 0).unwrap();
    for (round, name) in ["one", "two"].into_iter().enumerate() {
        store.add(name, &Secret::new("sk-some-key".into()), Existing::Refuse, 0, &mut ask).unwrap();
        assert_eq!(store.clone().read(name, &mut ask).unwrap().expose(), "sk-some-key", "{round}");
    }
    std::fs::remove_file(&store.identity).unwrap();
    store.init(Some(&phrase), 1).unwrap();
    store.add("three", &Secret::new("sk-some-key".into()), Existing::Refuse, 0, &mut ask).unwrap();
    store.read("three", &mut ask).unwrap();
    assert_eq!(asked, 2);
    assert!(!format!("{store:?}").contains("AGE-SECRET-KEY"));
}

/// What may lie in the place of a file that only its owner should have made.
fn spoil(path: &Path, kind: &str) {
    let chmod = |mode| std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    let elsewhere = path.with_extension("elsewhere");
    match kind {
        "readable by the group" => chmod(0o640),
        "writable by all" => chmod(0o602),
        "empty" => std::fs::write(path, b"").unwrap(),
        "cut" => std::fs::write(path, &std::fs::read(path).unwrap()[..20]).unwrap(),
        "zeros" => std::fs::write(path, [0; 300]).unwrap(),
        "text" => std::fs::write(path, "hunter2\n").unwrap(),
        "huge" => std::fs::write(path, vec![b'a'; 70_000]).unwrap(),
        "a link" | "a link to nowhere" => {
            std::fs::rename(path, &elsewhere).unwrap();
            std::os::unix::fs::symlink(if kind == "a link" { elsewhere.as_path() } else { Path::new("/nonexistent") }, path).unwrap();
        }
        "a pipe" => {
            std::fs::remove_file(path).unwrap();
            rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR, 0).unwrap();
        }
        "a folder" => {
            std::fs::remove_file(path).unwrap();
            std::fs::create_dir(path).unwrap();
        }
        _ => panic!("{kind}"),
    }
}

#[test]
fn what_is_unsafe_or_malformed_is_never_used_whichever_file_it_is() {
    let kinds = [
        "readable by the group",
        "writable by all",
        "empty",
        "cut",
        "zeros",
        "text",
        "huge",
        "a link",
        "a link to nowhere",
        "a pipe",
        "a folder",
    ];
    for kind in kinds {
        let Fixture { store, .. } = fixture();
        add(&store, "a", "sk-one").unwrap();
        spoil(&store.folder.join("a.age"), kind);
        let error = store.read("a", &mut never).unwrap_err();
        assert!([Code::Permission, Code::KeyStore].contains(&error.code) && !error.message.contains("hunter2"), "key, {kind}: {error}");
        let Fixture { store, .. } = fixture();
        add(&store, "a", "sk-one").unwrap();
        let before = std::fs::read(store.folder.join("a.age")).unwrap();
        spoil(&store.identity, kind);
        let error = store.read("a", &mut never).unwrap_err();
        assert!(
            [Code::Permission, Code::KeyStore].contains(&error.code) && !error.message.contains("hunter2"),
            "identity, {kind}: {error}"
        );
        assert!(store.add("b", &secret("sk-two"), Existing::Refuse, 0, &mut never).is_err(), "identity, {kind}");
        assert_eq!(std::fs::read(store.folder.join("a.age")).unwrap(), before);
        // Whom a key is encrypted to is not taken from such a file; an empty one is the same as none.
        let Fixture { store, .. } = fixture();
        add(&store, "a", "sk-one").unwrap();
        spoil(&store.folder.join(RECIPIENTS), kind);
        let added = store.add("b", &secret("sk-two"), Existing::Refuse, 0, &mut never);
        assert_eq!(added.is_ok(), kind == "empty", "recipients, {kind}: {added:?}");
        assert!(store.contains("b") == added.is_ok() && read(&store, "a") == "sk-one");
    }
}

/// Small, fast and the same everywhere: a failure can be played again.
fn roll(state: &mut u64, sides: usize) -> usize {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    usize::try_from(*state % sides.max(1) as u64).unwrap()
}

#[test]
fn mutated_files_never_panic_and_never_give_another_key() {
    let Fixture { store, .. } = fixture();
    add(&store, "a", "sk-one").unwrap();
    let opener = store.opener(&mut never).unwrap();
    let texts = [
        std::fs::read(store.folder.join("a.age")).unwrap(),
        include_bytes!("../../tests/fixtures/age/armored.age").to_vec(),
        std::fs::read(&store.identity).unwrap(),
        include_bytes!("../../tests/fixtures/age/protected.txt").to_vec(),
        std::fs::read(store.folder.join(RECIPIENTS)).unwrap(),
        include_bytes!("../../tests/fixtures/age/tagpq.txt").to_vec(),
        b"# public key: age1se1x\nAGE-PLUGIN-SE-1QQQQ\nAGE-SECRET-KEY-PQ-1QQQQ\n".to_vec(),
    ];
    let mut state = 0x5eed_u64;
    for round in 0..3000 {
        let mut bytes = texts[roll(&mut state, texts.len())].clone();
        for _ in 0..=roll(&mut state, 4) {
            let at = roll(&mut state, bytes.len() + 1);
            let end = (at + roll(&mut state, 30)).min(bytes.len());
            match roll(&mut state, 4) {
                0 => drop(bytes.drain(at..end)),
                1 => {
                    let copy = bytes[at..end].to_vec();
                    bytes.splice(at..at, copy);
                }
                2 if at < bytes.len() => bytes[at] = u8::try_from(roll(&mut state, 256)).unwrap(),
                _ => bytes.truncate(at),
            }
        }
        let _ = (identity::parse(&bytes), identity::recipients(&bytes), wants_passphrase(&bytes), parse_key("a", &bytes, 0));
        if let Ok(plaintext) = opener.decrypt(&bytes) {
            assert!(plaintext.starts_with(b"sk-one\n"), "round {round}");
        }
    }
}
