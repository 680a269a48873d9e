//! Backups and their way back, as an operator sees them.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use super::client::{Office, field};
use super::place::Place;

#[test]
fn a_backup_is_made_beside_a_running_service_for_its_owner_alone() {
    let office = Office::open();
    let out = office.place.path().join("out.db");
    let words = ["backup", out.to_str().expect("a path")];
    let made = office.place.run(&words);
    assert_eq!((made.code, made.err.as_str()), (Some(0), ""));
    assert!(made.out.contains("It holds no key") && made.out.contains("data/keys"), "{}", made.out);
    assert_eq!(out.metadata().expect("a file").permissions().mode() & 0o777, 0o600);

    let before = fs::read(&out).expect("the backup");
    let again = office.place.run(&words);
    assert!(again.error(78).contains("out.db is there already"), "{again:?}");
    assert!(fs::read(&out).expect("the backup") == before, "the refused backup changed something");
    assert!(!office.place.path().join("out.db.unfinished").exists());
}

#[test]
fn a_backup_of_nothing_leaves_no_file() {
    let place = Place::new();
    let out = place.path().join("out.db");
    let ended = place.run(&["backup", out.to_str().expect("a path")]);
    assert!(ended.error(78).contains("there is no database"), "{ended:?}");
    assert!(!out.exists());
}

#[test]
fn a_restore_beside_a_service_is_told_who_has_the_data() {
    let office = Office::open();
    let out = office.place.path().join("out.db");
    let out = out.to_str().expect("a path");
    assert_eq!(office.place.run(&["backup", out]).code, Some(0));
    let ended = office.place.run(&["restore", out, "--replace"]);
    assert!(ended.error(78).contains(&format!("process {}", office.service.pid())), "{ended:?}");
    let live = office.place.data().join("concenter.db");
    let ended = office.place.run(&["restore", live.to_str().expect("a path"), "--replace"]);
    assert!(ended.error(78).contains("and no backup"), "{ended:?}");
}

#[test]
fn a_tenant_that_came_back_says_so() {
    let office = Office::open();
    let id = field(&office.operator().json(&["tenant", "create", "Makler Nord"]), "tenantId");
    assert!(office.operator().json(&["tenant", "get", &id]).get("restoredAt").is_none());
    let out = office.place.path().join("out.db");
    let out = out.to_str().expect("a path");
    assert_eq!(office.place.run(&["backup", out]).code, Some(0));

    let office = office.after(|place| {
        let restored = place.run(&["restore", out, "--replace"]);
        assert_eq!((restored.code, restored.err.as_str()), (Some(0), ""));
    });
    let restored = office.operator().json(&["tenant", "get", &id]);
    assert!(field(&restored, "restoredAt").starts_with('2'), "{restored}");
    assert!(office.operator().text(&["tenant", "list"]).contains("Restored at"));
}

#[test]
fn a_backup_or_restore_without_its_file_is_wrong_usage() {
    for words in [
        &["backup"][..],
        &["restore"],
        &["backup", "out.db", "--database-url", "postgres://owner@db.example/makler"],
        &["restore", "--replace", "--database-url", "postgres://owner@db.example/makler"],
    ] {
        let ended = Place::new().run(words);
        assert_eq!((ended.code, ended.out.as_str()), (Some(2), ""), "{words:?}");
    }
}
