//! Passwords and tokens: how they come in, and that they never come out.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;

use super::client::{Firm, Office, PASSWORD, field, path};

#[test]
fn a_password_comes_from_a_file_or_from_standard_input() {
    let office = Office::open();
    let firm = Firm::of(&office);
    let file = office.secret_file("password", &format!("{PASSWORD}\n"));
    let create = ["user", "create", "vm.meier", "--kind", "broker", "--all-providers", "--password-file", path(&file)];
    let created = firm.admin.json(&create);
    let id = field(&created, "userId");
    assert_eq!(field(&created, "secretVersion"), "1");
    let set = firm.admin.run_with(&["user", "set-secret", &id, "--password-stdin", "--json"], PASSWORD);
    assert_eq!((set.code, set.err.as_str()), (Some(0), ""));
    let set = firm.admin.json(&["user", "set-secret", &id, "--password-file", path(&file)]);
    assert_eq!(field(&set, "secretVersion"), "3");
}

#[test]
fn neither_password_nor_token_is_ever_printed() {
    let office = Office::open();
    let firm = Firm::of(&office);
    let id = firm.broker_user("vm.meier");
    let file = office.secret_file("password", PASSWORD);
    firm.admin.text(&["user", "get", &id]);
    // With everything that is logged, on an answer and on refusals.
    for words in [
        &["user", "set-secret", &id, "--password-file", path(&file), "--log", "trace"][..],
        &["user", "set-secret", &id, "--password-file", path(&file), "--etag", "1", "--log", "trace"],
        &[
            "user",
            "set-secret",
            &id,
            "--password-file",
            path(&file),
            "--server",
            "http://127.0.0.1:1",
            "--log",
            "trace",
        ],
        &["tenant", "list", "--log", "trace"],
    ] {
        firm.admin.run(words);
    }
    let told = office.told();
    assert!(told.contains("vm.meier") && told.contains("(ROLE)"), "too little was told to be right: {told}");
    assert!(!told.contains(PASSWORD), "a password was printed");
    for caller in [&firm.admin, &firm.portal, &firm.operator] {
        assert!(!told.contains(&caller.token()), "a token was printed");
    }
}

#[test]
fn no_argument_takes_a_password_or_a_token() {
    let office = Office::open();
    let firm = Firm::of(&office);
    for words in [
        &["user", "create", "x", "--kind", "broker", "--all-providers", "--password", PASSWORD][..],
        &["user", "set-secret", "x", PASSWORD],
        &["user", "list", "--token", PASSWORD],
    ] {
        let refused = firm.admin.run(words);
        assert_eq!((refused.code, refused.out.as_str()), (Some(2), ""), "{words:?}");
    }
}

#[test]
fn a_user_is_made_without_a_password_only_where_nothing_was_said_of_one() {
    let office = Office::open();
    let firm = Firm::of(&office);
    let create = ["user", "create", "vm.meier", "--kind", "broker", "--all-providers"];
    let refused = firm.admin.run_with(&[&create[..], &["--password-stdin"]].concat(), "\n");
    assert!(refused.error(2).starts_with("the password is empty"), "{refused:?}");
    let refused = firm.admin.run(&[&create[..], &["--ask-password"]].concat());
    assert!(refused.error(2).starts_with("standard input is no terminal"), "{refused:?}");
    assert_eq!(firm.admin.objects(&["user", "list"]).len(), 1);

    let created = firm.admin.run(&create);
    assert_eq!(created.code, Some(0));
    assert!(created.err.starts_with("note: no jump goes through this user"), "{}", created.err);
    assert!(created.err.contains("concenter user set-secret "), "{}", created.err);
}

#[test]
fn a_password_that_must_be_asked_for_needs_a_terminal() {
    let office = Office::open();
    let firm = Firm::of(&office);
    let id = firm.broker_user("vm.meier");
    let refused = firm.admin.run_with(&["user", "set-secret", &id], PASSWORD);
    assert!(refused.error(2).starts_with("standard input is no terminal"), "{refused:?}");
    assert_eq!(field(&firm.admin.json(&["user", "get", &id]), "secretVersion"), "1");
}

#[test]
fn a_token_comes_from_standard_input_or_the_environment_as_well() {
    let office = Office::open();
    let firm = Firm::of(&office);
    let listed = firm.admin.run_with(&["user", "list", "--token-file", "-"], &firm.admin.token());
    assert_eq!((listed.code, listed.err.as_str()), (Some(0), ""));
    let mut command = office.place.command(&["user", "list"]);
    command.env("CONCENTER_SERVER", office.service.grpc()).env("CONCENTER_TOKEN", firm.admin.token());
    assert!(command.output().expect("the program runs").status.success());

    let words = ["user", "set-secret", "x", "--token-file", "-", "--password-stdin"];
    let refused = firm.admin.run_with(&words, &firm.admin.token());
    assert!(refused.error(2).starts_with("standard input holds one thing only"), "{refused:?}");
}

#[test]
fn a_token_file_that_others_can_read_is_used_with_a_warning() {
    let office = Office::open();
    let operator = office.operator();
    fs::set_permissions(&operator.token_file, Permissions::from_mode(0o644)).expect("other permissions");
    let listed = operator.run(&["tenant", "list"]);
    assert_eq!(listed.code, Some(0));
    let warning = format!("warning: others can read {0}: chmod 600 it\n", operator.token_file.display());
    assert_eq!(listed.err, warning);
}
