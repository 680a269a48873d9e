//! What goes wrong: one line, what to do next, and the code of its kind.

use std::time::Duration;

use concenter_gateway::app::startup;
use concenter_gateway::domain::caller::Role;
use concenter_gateway::domain::ids::SubjectId;
use concenter_gateway::domain::time::Timestamp;
use concenter_gateway::secrets::LocalKeks;
use concenter_gateway::server::{Outside, embedded_issuer};
use concenter_gateway::store::ServiceStore as _;
use concenter_gateway::store::sqlite::SqliteStore;
use concenter_gateway::token::CallerGrant;

use super::client::{Firm, Office, put_target};
use super::place::{Ended, Place};

const UNKNOWN: &str = "99999999-0000-7000-8000-000000000009";

#[test]
fn a_service_that_is_not_there_may_be_there_later() {
    let office = Office::open();
    let operator = office.operator();
    // Nobody listens on port 1 of a machine for tests.
    let failed = operator.run(&["tenant", "list", "--server", "http://127.0.0.1:1"]);
    assert!(failed.error(1).starts_with("http://127.0.0.1:1 cannot be reached: check --server"), "{failed:?}");
    let failed = operator.run(&["tenant", "list", "--server", &office.service.grpc().replace("http:", "https:")]);
    assert!(failed.error(1).contains("cannot be reached"), "{failed:?}");
}

#[test]
fn plain_http_is_refused_for_other_machines_before_the_token_is_read() {
    let place = Place::new();
    for server in ["http://192.0.2.1:50051", "http://gateway.example.com"] {
        let refused = place.run(&["user", "list", "--server", server, "--token-file", "/nowhere"]);
        assert!(refused.error(2).contains("use https"), "{refused:?}");
    }
    let refused = place.run(&["user", "list", "--server", "https://x:geheim@gateway.example.com"]);
    assert!(refused.error(2).starts_with("--server is no address") && !refused.err.contains("geheim"), "{refused:?}");
}

#[test]
fn without_a_token_the_error_says_where_one_comes_from() {
    let place = Place::new();
    let refused = place.run(&["user", "list"]);
    assert!(refused.error(78).contains("concenter token") && refused.err.contains("--token-file"), "{refused:?}");
    let refused = place.run(&["user", "list", "--token-file", "/nowhere/token"]);
    assert!(refused.error(78).contains("/nowhere/token"), "{refused:?}");
}

#[test]
fn a_token_of_another_role_is_refused() {
    let office = Office::open();
    let firm = Firm::of(&office);
    for (caller, words) in [(&firm.operator, ["user", "list"]), (&firm.admin, ["tenant", "list"])] {
        let refused = caller.run(&words);
        assert!(refused.error(78).ends_with("(ROLE)"), "{refused:?}");
    }
}

#[tokio::test]
async fn an_expired_token_is_told_to_be_renewed() {
    let office = Office::open();
    let operator = office.operator();
    let data = office.place.data();
    let store = SqliteStore::open_read_only(&data).await.expect("the database");
    let (_, ring) = startup::unlock_existing(&store, &LocalKeks::beside(&data)).await.expect("the keys");
    store.close().await;
    let grant = CallerGrant {
        subject: SubjectId::parse("operator").expect("an id"),
        roles: vec![Role::Operator],
        tenant: None,
        broker_id: None,
        customer_id: None,
        target_audience: None,
        bound_to: None,
        life: Duration::from_secs(60),
    };
    let long_ago = Timestamp::from_unix_micros(1_700_000_000_000_000);
    let expired = embedded_issuer(ring).mint(&grant, long_ago, &*Outside::system().random).expect("a token");
    let refused = operator.run_with(&["tenant", "list", "--token-file", "-"], &expired);
    assert!(refused.error(78).ends_with("mint a new one with `concenter token` (CREDENTIAL_EXPIRED)"), "{refused:?}");
}

#[test]
fn what_is_no_token_of_this_service_is_refused() {
    let office = Office::open();
    let operator = office.operator();
    let refused = operator.run_with(&["tenant", "list", "--token-file", "-"], "a.b.c");
    assert!(refused.error(78).ends_with("(CREDENTIAL_INVALID)"), "{refused:?}");
    let refused = operator.run_with(&["tenant", "list", "--token-file", "-"], "two lines\nof text");
    assert!(refused.error(78).starts_with("this is no token"), "{refused:?}");
}

#[test]
fn an_unknown_id_is_not_found_by_any_noun() {
    let office = Office::open();
    let firm = Firm::of(&office);
    for (caller, words) in [
        (&firm.admin, &["user", "get", UNKNOWN][..]),
        (&firm.admin, &["user", "disable", UNKNOWN]),
        (&firm.admin, &["activation", "get", UNKNOWN]),
        (&firm.admin, &["customer", "get", "nobody"]),
        (&firm.admin, &["jump", "get", UNKNOWN]),
        (&firm.operator, &["tenant", "get", UNKNOWN]),
        (&firm.operator, &["provider", "get", "nobody"]),
        (&firm.operator, &["target", "get", "nobody"]),
        (&firm.operator, &["return-url", "get", "nobody"]),
    ] {
        let refused = caller.run(words);
        assert!(refused.error(78).ends_with("(NOT_FOUND)"), "{words:?}: {refused:?}");
        assert_eq!(refused.out, "", "{words:?}");
    }
}

#[test]
fn what_is_not_found_is_named_with_the_command_that_shows_it() {
    let office = Office::open();
    let firm = Firm::of(&office);
    firm.portal.text(&["customer", "put", "c-1", "private"]);
    let user = firm.broker_user("vm.meier");
    for (caller, words, shown_by) in [
        (&firm.admin, &["user", "get", UNKNOWN][..], &["`concenter user list`"][..]),
        (
            &firm.admin,
            &["user", "create", "x", "--kind", "broker", "--provider", "y"],
            &["provider", "`concenter provider list --as-tenant`"],
        ),
        (
            &firm.admin,
            &["user", "update", &user, "--provider", "y"],
            &["`concenter user list`", "`concenter provider list --as-tenant`"],
        ),
        (&firm.admin, &["activation", "create", "--broker", "b-1", "--user", UNKNOWN], &["`concenter user list`"]),
        (&firm.admin, &["customer", "assign-user", "c-2", "--user", &user], &["`concenter customer put`"]),
        (&firm.admin, &["customer", "assign-user", "c-1", "--user", UNKNOWN], &["`concenter user list`"]),
        (&firm.admin, &["access", "set", "--private-user", UNKNOWN], &["`concenter user list`"]),
        (
            &firm.admin,
            &["jump", "explain", "--target", "nobody", "--broker", "b-1"],
            &["`concenter target list --as-tenant`"],
        ),
        (&firm.admin, &["jump", "get", UNKNOWN], &["`concenter jump list`"]),
        (&firm.operator, &["tenant", "stop", UNKNOWN], &["`concenter tenant list`"]),
        (&firm.operator, &put_target("rechner", "nobody"), &["`concenter provider list`"]),
    ] {
        let refused = caller.run(words);
        let error = refused.error(78);
        assert!(error.ends_with("(NOT_FOUND)"), "{words:?}: {error}");
        assert!(shown_by.iter().all(|command| error.contains(command)), "{words:?}: {error}");
    }
}

#[test]
fn what_is_no_id_is_told_what_one_looks_like() {
    let office = Office::open();
    let firm = Firm::of(&office);
    let refused = firm.admin.run(&["user", "get", "vm.meier"]);
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(refused.err.contains("like 0190f5fe-") && refused.err.contains("as `list` shows it"), "{refused:?}");
}

#[test]
fn usage_names_what_is_needed() {
    let place = Place::new();
    for (words, named) in [
        (&["user", "create", "x", "--kind", "end-customer"][..], "--provider"),
        (&["customer", "assign-user", "c-1"], "--none"),
        (&["settings", "set", "--customer-idle", "16m"], "1m to 15m"),
        (&["settings", "set", "--customer-absolute", "31m"], "1m to 30m"),
        (&["settings", "set", "--broker-absolute", "9h"], "1m to 480m"),
        (&["settings", "set", "--jump-ttl", "9s"], "10s to 120s"),
        (&["jump", "explain", "--target", "t", "--broker", "b", "--segment", "private"], "--segment"),
    ] {
        let refused = place.run(words);
        assert_eq!((refused.code, refused.out.as_str()), (Some(2), ""), "{words:?}");
        assert!(refused.err.contains(named), "{words:?}: {}", refused.err);
    }
}

#[test]
fn usage_does_not_ask_for_what_the_environment_says() {
    let place = Place::new();
    let mut command = place.command(&["user", "create"]);
    command.env("CONCENTER_SERVER", "http://127.0.0.1:1").env("CONCENTER_TOKEN_FILE", "/nowhere");
    let refused = Ended::of(command.output().expect("the program runs"));
    assert_eq!(refused.code, Some(2), "{refused:?}");
    let usage = "Usage: concenter user create [OPTIONS] --kind <KIND> <--provider <ID>|--all-providers> <NAME>\n";
    assert!(refused.err.contains(usage), "{}", refused.err);
}

#[test]
fn no_token_is_minted_for_a_deleted_tenant() {
    let office = Office::open();
    let firm = Firm::of(&office);
    firm.operator.text(&["tenant", "delete", &firm.tenant, "--yes"]);
    let mint = ["token", "--role", "admin", "--tenant", &firm.tenant];
    let refused = office.place.run(&mint);
    let advice = format!("concenter tenant undelete {}", firm.tenant);
    assert!(refused.error(78).contains(&advice) && refused.out.is_empty(), "{refused:?}");
    firm.operator.text(&["tenant", "undelete", &firm.tenant]);
    assert_eq!(office.place.run(&mint).code, Some(0));
}

#[test]
fn a_stale_etag_changes_nothing_and_may_be_tried_again() {
    let office = Office::open();
    let firm = Firm::of(&office);
    let id = firm.broker_user("vm.meier");
    let etag = firm.admin.json(&["user", "get", &id])["etag"].as_str().expect("an etag").to_owned();
    firm.admin.text(&["user", "update", &id, "--name", "vm.maier", "--etag", &etag]);
    let refused = firm.admin.run(&["user", "disable", &id, "--etag", &etag]);
    assert!(refused.error(1).ends_with("(ETAG_MISMATCH)"), "{refused:?}");
    assert_eq!(firm.admin.json(&["user", "get", &id])["state"], "STATE_ACTIVE");
}

#[test]
fn fields_that_cannot_be_taken_are_listed_without_their_values() {
    let office = Office::open();
    let firm = Firm::of(&office);
    let words = ["user", "create", "a\u{202e}b", "--kind", "broker", "--provider", "X_Y", "--email", "geheim"];
    let refused = firm.admin.run(&words);
    assert_eq!((refused.code, refused.out.as_str()), (Some(2), ""), "{refused:?}");
    let mut lines = refused.err.lines();
    let error = lines.next().expect("a line");
    assert!(error.starts_with("error: ") && error.ends_with("(FIELD_INVALID)"), "{error}");
    let listed: Vec<_> = lines.map(|line| line.strip_prefix("  ").expect("indented")).collect();
    for field in ["user_name", "provider_scope", "notification_email"] {
        assert!(listed.iter().any(|line| line.starts_with(field)), "{field}: {listed:?}");
    }
    assert!(!refused.err.contains("geheim") && !refused.err.contains("X_Y"), "{refused:?}");
}

#[test]
fn what_cannot_be_taken_back_needs_yes_where_nobody_can_be_asked() {
    let office = Office::open();
    let firm = Firm::of(&office);
    let id = firm.broker_user("vm.meier");
    for (caller, words) in [
        (&firm.admin, ["user", "delete", &id]),
        (&firm.admin, ["activation", "delete", UNKNOWN]),
        (&firm.admin, ["customer", "erase", "c-1"]),
        (&firm.operator, ["tenant", "delete", &firm.tenant]),
    ] {
        // Not even if the answer stands there already.
        let refused = caller.run_with(&words, words[2]);
        assert!(refused.error(2).ends_with("add --yes"), "{refused:?}");
    }
    assert_eq!(firm.admin.json(&["user", "get", &id])["state"], "STATE_ACTIVE");
}

#[test]
fn a_change_that_names_nothing_is_wrong_usage() {
    let place = Place::new();
    for words in [
        &["user", "update", UNKNOWN][..],
        &["activation", "update", UNKNOWN],
        &["access", "set"],
        &["settings", "set"],
        &["tenant", "update", UNKNOWN],
        &["jump", "revoke"],
        &["customer", "put"],
        &["customer", "put", "c-1"],
        &["customer", "assign-user", "c-1"],
        &["user", "create", "x", "--kind", "broker", "--all-providers", "--provider", "a"],
    ] {
        let refused = place.run(words);
        assert_eq!((refused.code, refused.out.as_str()), (Some(2), ""), "{words:?}");
    }
}
