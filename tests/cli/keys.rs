//! Signing keys, as their operator sees and changes them.

use serde_json::Value;

use super::client::{Caller, Office, field};

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
