//! Signing keys, as their operator sees and changes them.

use serde_json::Value;

use super::client::{Caller, Office, field};
use super::place::{Ended, Place};

fn keys(caller: &Caller<'_>, purpose: &str) -> Vec<Value> {
    let mut keys = caller.objects(&["keys", "list"]);
    keys.retain(|key| key["purpose"] == purpose);
    keys
}

#[test]
fn the_keys_are_listed_with_what_they_sign_and_until_when() {
    let office = Office::open();
    let operator = office.operator();
    let listed = operator.text(&["keys", "list"]);
    assert!(listed.starts_with("Id ") && listed.contains("JUMP") && listed.contains("CALLER"), "{listed}");
    for purpose in ["KEY_PURPOSE_JUMP", "KEY_PURPOSE_CALLER"] {
        let keys = keys(&operator, purpose);
        assert_eq!(keys.len(), 1, "{keys:?}");
        assert_eq!((field(&keys[0], "state").as_str(), &keys[0]["usable"]), ("KEY_STATE_CURRENT", &Value::Bool(true)));
    }
}

#[test]
fn a_change_says_which_key_signs_next_and_when() {
    let office = Office::open();
    let operator = office.operator();
    let next = operator.json(&["keys", "rotate", "--purpose", "jump"]);
    assert_eq!(field(&next, "state"), "KEY_STATE_NEXT");
    assert!(next["activateAt"].is_string(), "{next}");
    let keys = keys(&operator, "KEY_PURPOSE_JUMP");
    assert_eq!(keys[0], next);
    assert_eq!(keys[1]["replacedAt"], next["activateAt"], "the one of now says until when");
    let refused = operator.run(&["keys", "rotate"]);
    assert!(refused.code == Some(2) && refused.err.contains("--purpose"), "{refused:?}");
}

#[test]
fn a_key_is_revoked_by_whoever_says_that_he_means_it() {
    let office = Office::open();
    let operator = office.operator();
    let before = keys(&operator, "KEY_PURPOSE_JUMP");
    let kid = field(&before[0], "kid");
    let asked = operator.run(&["keys", "revoke", &kid]);
    assert_ne!(asked.code, Some(0), "{asked:?}");
    assert_eq!(keys(&operator, "KEY_PURPOSE_JUMP"), before);

    let revoked = operator.json(&["keys", "revoke", &kid, "--yes"]);
    assert_eq!(field(&revoked, "state"), "KEY_STATE_REVOKED");
    let after = keys(&operator, "KEY_PURPOSE_JUMP");
    assert_eq!(after.len(), 2);
    assert!(after.iter().any(|key| key["state"] == "KEY_STATE_CURRENT" && key["kid"] != kid.as_str()), "{after:?}");

    let unknown = operator.run(&["keys", "revoke", "--yes", &"x".repeat(43)]);
    assert!(unknown.error(78).contains("`concenter keys list` shows them"), "{unknown:?}");
    let no_id = operator.run(&["keys", "revoke", "--yes", "x"]);
    assert!(no_id.code == Some(2) && no_id.err.contains("kid: must be the id of a signing key"), "{no_id:?}");
}

#[test]
fn after_the_key_of_callers_is_revoked_everybody_needs_a_new_token() {
    let office = Office::open();
    let operator = office.operator();
    let kid = field(&keys(&operator, "KEY_PURPOSE_CALLER")[0], "kid");
    operator.text(&["keys", "revoke", &kid, "--yes"]);
    let refused = operator.run(&["keys", "list"]);
    assert!(refused.error(78).ends_with("(CREDENTIAL_INVALID)"), "{refused:?}");
    let renewed = office.operator();
    assert_eq!(keys(&renewed, "KEY_PURPOSE_CALLER").len(), 2);
}

/// Asserts what `list` says of a key-encryption key: its state, and how much is under it.
#[track_caller]
fn is_kek(operator: &Caller<'_>, kek_id: &str, state: &str, data_keys: u64) {
    let keks = operator.objects(&["keys", "kek", "list"]);
    let kek = keks.iter().find(|kek| kek["kekId"] == kek_id).expect("the key");
    let found = (field(kek, "state"), kek["dataKeys"].as_u64().unwrap_or_default());
    assert_eq!(found, (format!("KEK_STATE_{state}"), data_keys));
}

#[test]
fn the_key_encryption_key_is_changed_in_five_steps() {
    let office = Office::open();
    let operator = office.operator();
    let first = field(&operator.objects(&["keys", "kek", "list"])[0], "kekId");
    is_kek(&operator, &first, "ACTIVE", 1);

    // Of nobody is asked for a token here.
    let made = office.place.run(&["keys", "kek", "new"]);
    assert_eq!((made.code, made.err.as_str()), (Some(0), ""), "{made:?}");
    let new = made.out.split(' ').nth(3).expect("an id").to_owned();
    assert!(made.out.contains(&format!("keys/kek-{new}.key")) && made.out.contains(&format!("keys kek add {new}")));

    let too_early = operator.run(&["keys", "kek", "activate", &new, "--yes"]);
    assert!(too_early.error(78).contains("`concenter keys kek list` shows them"), "{too_early:?}");
    assert_eq!(field(&operator.json(&["keys", "kek", "add", &new]), "state"), "KEK_STATE_DECRYPT_ONLY");
    let asked = operator.run(&["keys", "kek", "activate", &new]);
    assert!(asked.code == Some(2), "{asked:?}");
    is_kek(&operator, &first, "ACTIVE", 1);
    assert_eq!(field(&operator.json(&["keys", "kek", "activate", &new, "--yes"]), "state"), "KEK_STATE_ACTIVE");
    let in_use = operator.run(&["keys", "kek", "retire", &new, "--yes"]);
    assert_eq!(in_use.code, Some(78), "{in_use:?}");
    assert!(in_use.err.contains("(KEK_IN_USE)") && in_use.err.contains("wrapped under it"), "{in_use:?}");
}

#[test]
fn a_key_that_is_not_at_hand_or_has_no_id_is_not_added() {
    let office = Office::open();
    let operator = office.operator();
    let missing = operator.run(&["keys", "kek", "add", "0123456789abcdef"]);
    assert!(missing.code == Some(1) && missing.err.contains("(KEY_UNAVAILABLE)"), "{missing:?}");
    let no_id = operator.run(&["keys", "kek", "add", "x"]);
    assert!(no_id.code == Some(2) && no_id.err.contains("kek_id: must be the id of a key-encryption key"), "{no_id:?}");
}

#[test]
fn a_new_key_file_overwrites_nothing() {
    let office = Office::open();
    let out = office.place.path().join("second.kek");
    let out = out.to_str().expect("a path");
    let made = office.place.run(&["keys", "kek", "new", "--out", out]);
    assert_eq!(made.code, Some(0), "{made:?}");
    let before = std::fs::read(out).expect("a key file");
    let again = office.place.run(&["keys", "kek", "new", "--out", out]);
    assert!(again.error(78).contains("nothing was overwritten"), "{again:?}");
    assert_eq!(std::fs::read(out).expect("a key file"), before);
}

#[test]
fn the_key_may_stand_in_the_environment_or_in_one_of_several_files() {
    let place = Place::served();
    let file = place.key_file();
    let line = std::fs::read_to_string(&file).expect("a key file");
    let first = line.split(':').nth(1).expect("an id");
    let (here, other) = (place.path().join("here.kek"), place.path().join("other.kek"));
    std::fs::rename(&file, &here).expect("the file is moved");
    assert_eq!(place.run(&["keys", "kek", "new", "--out", other.to_str().expect("a path")]).code, Some(0));
    let check = |files: &[&std::path::Path], text: Option<&str>| {
        let mut command = place.command(&["check"]);
        for file in files {
            command.arg("--kek-file").arg(file);
        }
        command.envs(text.map(|text| ("CONCENTER_KEK", text)));
        Ended::of(command.output().expect("the program runs"))
    };
    let others = std::fs::read_to_string(&other).expect("a key file");
    for (files, text) in [
        (vec![here.as_path()], None),
        (vec![other.as_path(), &here], None),
        (vec![here.as_path(), &other], None),
        (vec![], Some(line.clone())),
        (vec![], Some(format!("{others}{line}"))),
        (vec![here.as_path()], Some(others.clone())),
    ] {
        let checked = check(&files, text.as_deref());
        assert_eq!((checked.code, checked.err.as_str()), (Some(0), ""), "{files:?}");
    }
    for (files, text, says) in [
        (vec![], None, "is missing"),
        (vec![other.as_path()], None, "is needed"),
        (vec![], Some(others.as_str()), "is not in CONCENTER_KEK"),
    ] {
        let refused = check(&files, text);
        assert!(refused.error(78).contains(first) && refused.error(78).contains(says), "{refused:?}");
    }
    for text in ["", "geheim", &line[1..]] {
        let refused = check(&[], Some(text));
        assert!(refused.error(78).starts_with("CONCENTER_KEK must hold the line of a key file"), "{refused:?}");
        assert!(text.is_empty() || !refused.err.contains(text), "{refused:?}");
    }
}
