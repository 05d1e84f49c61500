//! What the disk holds after each failure, and who gets the turn.

use super::*;
use crate::keys::Existing;
use crate::keys::folder::faults::{self, Fault};

const NOW: u64 = 1_763_735_856;

fn secret(text: &str) -> Secret {
    Secret::new(text.to_owned())
}

fn never() -> Result<Secret, Error> {
    panic!("nobody should be asked")
}

fn grant(number: usize) -> Grant {
    Grant { secret: secret(&format!("access-{number}")), refresh: Some(secret(&format!("refresh-{number}"))), expires: Some(NOW + 3600) }
}

fn store() -> (tempfile::TempDir, Store) {
    let root = tempfile::tempdir().unwrap();
    let store = Store::new(&root.path().join("aimux"), None);
    store.add_grant("a", &grant(0), Existing::Refuse, NOW, &mut never).unwrap();
    (root, store)
}

fn kept(store: &Store) -> (String, String) {
    let key = store.opener(&mut never).unwrap().read("a").unwrap();
    (key.secret.expose().to_owned(), key.refresh.unwrap().expose().to_owned())
}

fn due(store: &Store) -> Box<Due> {
    match store.renewal("a", &secret("access-0"), NOW, &mut never).unwrap() {
        Renewal::Due(due) => due,
        Renewal::Done(_) => panic!("it is done"),
    }
}

#[test]
fn tokens_are_read_back_with_their_end() {
    let (_root, store) = store();
    let key = store.opener(&mut never).unwrap().read("a").unwrap();
    assert_eq!((key.created, key.expires), (NOW, Some(NOW + 3600)));
    assert_eq!(kept(&store), ("access-0".to_owned(), "refresh-0".to_owned()));
}

#[test]
fn what_is_kept_is_what_the_next_one_begins_with() {
    let (_root, store) = store();
    let first = due(&store);
    assert_eq!(first.refresh.expose(), "refresh-0");
    first.keep(&grant(1), NOW + 60, &mut never).unwrap();
    drop(first);
    assert_eq!(kept(&store), ("access-1".to_owned(), "refresh-1".to_owned()));
    let key = store.opener(&mut never).unwrap().read("a").unwrap();
    assert_eq!((key.created, key.refreshed, key.fetched()), (NOW, Some(NOW + 60), NOW + 60), "the login stays what it was");
    // Who still has the former one takes over what is there.
    match store.renewal("a", &secret("access-0"), NOW, &mut never).unwrap() {
        Renewal::Done(key) => assert_eq!(key.secret.expose(), "access-1"),
        Renewal::Due(_) => panic!("it would be spent twice"),
    }
    // It has expired as well.
    assert!(matches!(store.renewal("a", &secret("access-0"), NOW + 4000, &mut never).unwrap(), Renewal::Due(_)));
}

#[test]
fn a_refresh_token_that_is_not_given_anew_stays() {
    let (_root, store) = store();
    let grant = Grant { refresh: None, ..grant(1) };
    due(&store).keep(&grant, NOW, &mut never).unwrap();
    assert_eq!(kept(&store), ("access-1".to_owned(), "refresh-0".to_owned()));
}

#[test]
fn who_has_the_turn_makes_others_wait() {
    let (_root, store) = store();
    let first = due(&store);
    let other = store.clone();
    let second = std::thread::spawn(move || other.renewal("a", &secret("access-0"), NOW, &mut never).unwrap());
    std::thread::sleep(std::time::Duration::from_millis(100));
    assert!(!second.is_finished(), "two would spend one token");
    first.keep(&grant(1), NOW, &mut never).unwrap();
    drop(first);
    assert!(matches!(second.join().unwrap(), Renewal::Done(key) if key.secret.expose() == "access-1"));
}

#[test]
fn a_key_that_was_exchanged_meanwhile_stays() {
    let (_root, store) = store();
    let due = due(&store);
    store.add("a", &secret("sk-by-hand"), Existing::Retire, NOW, &mut never).unwrap();
    assert_eq!(due.keep(&grant(1), NOW, &mut never).unwrap_err().code, Code::KeyUnavailable);
    assert_eq!(store.read("a", &mut never).unwrap().expose(), "sk-by-hand");
}

#[test]
fn a_key_without_a_refresh_token_says_so() {
    let (_root, store) = store();
    store.add("a", &secret("sk-lasting"), Existing::Retire, NOW, &mut never).unwrap();
    let error = store.renewal("a", &secret("sk-lasting"), NOW, &mut never).unwrap_err();
    assert_eq!(error.code, Code::TokenExpired);
    assert_eq!(store.renewal("b", &secret("x"), NOW, &mut never).unwrap_err().code, Code::KeyUnavailable);
}

#[test]
fn whatever_fails_the_file_has_the_former_tokens_or_the_next_and_the_write_can_be_repeated() {
    for fault in [Fault::Once, Fault::Dead] {
        let mut failed = 0;
        for step in 0..40 {
            let (_root, store) = store();
            let due = due(&store);
            let (broken, _) = faults::at(step, fault, || due.keep(&grant(1), NOW, &mut never));
            let (secret, refresh) = kept(&store);
            assert!(matches!((secret.as_str(), refresh.as_str()), ("access-0", "refresh-0") | ("access-1", "refresh-1")), "step {step}");
            if broken.is_ok() {
                assert_eq!(secret, "access-1", "step {step}");
                continue;
            }
            failed += 1;
            // The disk is back: what was fetched is not lost.
            if secret == "access-0" {
                due.keep(&grant(1), NOW, &mut never).unwrap();
            }
            assert_eq!(kept(&store), ("access-1".to_owned(), "refresh-1".to_owned()), "step {step}");
        }
        assert!(failed > 3, "{fault:?}: {failed}");
    }
}

#[test]
fn a_disk_that_fails_is_noticed_before_the_token_is_spent() {
    for step in 0..4 {
        let (_root, store) = store();
        let (refused, _) = faults::at(step, Fault::Once, || store.renewal("a", &secret("access-0"), NOW, &mut never));
        assert!(refused.is_err() || step > 2, "step {step}");
        drop(refused);
        assert_eq!(kept(&store), ("access-0".to_owned(), "refresh-0".to_owned()));
        assert!(matches!(store.renewal("a", &secret("access-0"), NOW, &mut never).unwrap(), Renewal::Due(_)), "the turn was given back");
    }
}
