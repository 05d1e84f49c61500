//! Backups, listings and restores on a disk of their own.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};

use super::*;
use crate::keys::Existing;

const NOW: u64 = 1_763_735_856;
const GOOD: &str = "\u{feff}version: 1\r\nproviders: { ollama: {} }\r\n# the end";

struct Fixture {
    _root: tempfile::TempDir,
    environment: Environment,
    store: Store,
    config: PathBuf,
}

fn fixture() -> Fixture {
    let root = tempfile::tempdir().unwrap();
    let environment = Environment::new([("XDG_CONFIG_HOME".to_owned(), root.path().to_str().unwrap().to_owned())]);
    let folder = environment.config_folder();
    std::fs::create_dir(&folder).unwrap();
    let config = folder.join(CONFIG);
    std::fs::write(&config, GOOD).unwrap();
    Fixture { store: Store::new(&folder, None), _root: root, environment, config }
}

impl Fixture {
    fn add(&self, name: &str, secret: &str) {
        let ask = &mut || Ok(Secret::new(String::new()));
        self.store.add(name, &Secret::new(secret.to_owned()), Existing::Retire, NOW, ask).unwrap();
    }

    fn key(&self, name: &str) -> String {
        self.store.read(name, &mut || Ok(Secret::new(String::new()))).unwrap().expose().to_owned()
    }

    fn backup(&self, keep: usize, now: u64) -> Made {
        backup(&self.wanted(keep, now)).unwrap()
    }

    fn wanted(&self, keep: usize, now: u64) -> Wanted<'_> {
        Wanted { config: &self.config, environment: &self.environment, store: &self.store, keep, now }
    }

    fn restore(&self, name: Option<&str>, parts: Parts) -> Result<Restored, LoadError> {
        let ask = &mut || Ok(Secret::new(String::new()));
        restore(name, parts, &self.wanted(10, NOW + 100), ask)
    }

    fn names(&self) -> Vec<String> {
        backups(&self.config, &self.environment).unwrap().into_iter().map(|backup| backup.name).collect()
    }
}

#[test]
fn the_version_before_comes_back_byte_for_byte_with_its_keys() {
    let fixture = fixture();
    fixture.add("zai", "sk-version-one");
    let made = fixture.backup(10, NOW);
    assert_eq!((made.backup.name.as_str(), made.backup.keys.as_slice()), ("20251121T143736Z", &["zai".to_owned()][..]));
    std::fs::write(&fixture.config, "version: 1\nproviders: { lmstudio: {} }\n").unwrap();
    fixture.add("zai", "sk-version-two");
    fixture.add("later", "sk-later");
    let restored = fixture.restore(None, Parts::ConfigAndKeys).unwrap();
    assert_eq!(std::fs::read(&fixture.config).unwrap(), GOOD.as_bytes());
    assert_eq!((fixture.key("zai").as_str(), fixture.key("later").as_str()), ("sk-version-one", "sk-later"));
    assert_eq!(restored.keys, ["zai"]);
    // And forward again: what was replaced is a backup itself.
    let former = restored.former.unwrap().name;
    fixture.restore(Some(&former), Parts::ConfigAndKeys).unwrap();
    assert!(std::fs::read_to_string(&fixture.config).unwrap().contains("lmstudio"));
    assert_eq!(fixture.key("zai"), "sk-version-two");
}

#[test]
fn a_replaced_key_stays_replaced_unless_keys_are_asked_for() {
    let fixture = fixture();
    fixture.add("zai", "sk-version-one");
    fixture.backup(10, NOW);
    fixture.add("zai", "sk-version-two");
    assert_eq!(fixture.restore(None, Parts::Config).unwrap().keys, Vec::<String>::new());
    assert_eq!(fixture.key("zai"), "sk-version-two");
}

#[test]
fn a_backup_is_for_its_owner_alone_and_holds_no_identity() {
    let fixture = fixture();
    fixture.add("zai", "sk-version-one");
    let place = backups_folder(&fixture.environment).join(fixture.backup(10, NOW).backup.name);
    let mode = |path: &Path| std::fs::metadata(path).unwrap().mode() & 0o777;
    for folder in [place.parent().unwrap(), &place, &place.join(KEYS)] {
        assert_eq!(mode(folder), 0o700, "{}", folder.display());
    }
    let files = ["config.yaml", "about.json", "keys/zai.age", "keys/.age-recipients"];
    for file in files {
        assert_eq!(mode(&place.join(file)), 0o600, "{file}");
    }
    assert!(!place.join("identity.txt").exists() && !place.join("keys/.retired").exists());
    assert_eq!(std::fs::read(place.join(CONFIG)).unwrap(), GOOD.as_bytes());
}

#[test]
fn only_so_many_are_kept_and_those_of_another_config_do_not_count() {
    let fixture = fixture();
    let other = fixture.config.with_file_name("other.yaml");
    std::fs::write(&other, GOOD).unwrap();
    backup(&Wanted { config: &other, ..fixture.wanted(1, NOW - 9) }).unwrap();
    for round in 0..4 {
        fixture.backup(3, NOW + round);
    }
    assert_eq!(fixture.names(), ["20251121T143737Z", "20251121T143738Z", "20251121T143739Z"]);
    assert_eq!(fixture.backup(1, NOW + 3).removed.len(), 3, "two of one second have names of their own");
    assert_eq!(fixture.names(), ["20251121T143739Z-001"]);
    assert_eq!(backups(&other, &fixture.environment).unwrap().len(), 1);
}

#[test]
fn a_backup_that_does_not_pass_changes_nothing() {
    let fixture = fixture();
    std::fs::write(&fixture.config, "version: 2\nnonsense: [").unwrap();
    fixture.backup(10, NOW);
    std::fs::write(&fixture.config, GOOD).unwrap();
    assert!(matches!(fixture.restore(None, Parts::Config), Err(LoadError::Invalid { errors: 1.., .. })));
    assert_eq!((std::fs::read(&fixture.config).unwrap(), fixture.names().len()), (GOOD.as_bytes().to_vec(), 1));
}

#[test]
fn keys_that_this_identity_cannot_open_change_nothing() {
    let fixture = fixture();
    fixture.add("zai", "sk-version-one");
    fixture.backup(10, NOW);
    std::fs::remove_file(&fixture.store.identity).unwrap();
    std::fs::remove_dir_all(&fixture.store.folder).unwrap();
    fixture.add("zai", "sk-of-another-identity");
    std::fs::write(&fixture.config, "version: 1\nproviders: { lmstudio: {} }\n").unwrap();
    assert!(matches!(fixture.restore(None, Parts::ConfigAndKeys), Err(LoadError::Other(error)) if error.code == Code::KeyStore));
    assert_eq!(fixture.key("zai"), "sk-of-another-identity");
    assert!(std::fs::read_to_string(&fixture.config).unwrap().contains("lmstudio"));
}

#[test]
fn symlinks_and_strange_names_lead_nowhere() {
    let fixture = fixture();
    fixture.backup(10, NOW);
    let target = fixture.config.with_file_name("target.yaml");
    std::fs::rename(&fixture.config, &target).unwrap();
    symlink(&target, &fixture.config).unwrap();
    assert_eq!(backup(&fixture.wanted(3, NOW)).unwrap_err().code, Code::ConfigUnreadable);
    assert!(fixture.restore(None, Parts::Config).is_err());
    assert_eq!(write_file(&fixture.config, b"x").unwrap_err().code, Code::Permission);
    assert_eq!(std::fs::read(&target).unwrap(), GOOD.as_bytes());
    for name in ["../keys", "/etc", ".new-1", "20251121T143736Z/..", ""] {
        assert!(matches!(fixture.restore(Some(name), Parts::Config), Err(LoadError::Other(error)) if error.code == Code::Usage), "{name}");
    }
    let root = backups_folder(&fixture.environment);
    std::fs::remove_dir_all(&root).unwrap();
    symlink(target.parent().unwrap(), &root).unwrap();
    assert!(backups(&fixture.config, &fixture.environment).is_err());
}

#[test]
fn what_a_killed_backup_left_is_no_backup_and_goes_away() {
    let fixture = fixture();
    fixture.backup(10, NOW);
    let root = backups_folder(&fixture.environment);
    let left = root.join(".new-20251121T143736Z");
    std::fs::create_dir(&left).unwrap();
    std::fs::write(left.join(CONFIG), "half").unwrap();
    std::fs::create_dir(root.join("20251121T999999Z")).unwrap();
    std::fs::set_permissions(root.join("20251121T999999Z"), std::fs::Permissions::from_mode(0o700)).unwrap();
    assert_eq!(fixture.names(), ["20251121T143736Z"]);
    fixture.backup(10, NOW + 1);
    assert!(!left.exists());
}
