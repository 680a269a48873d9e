//! The life of a firm, command by command.

use super::client::{Firm, Office, field};

#[test]
fn a_tenant_is_made_renamed_stopped_started_deleted_and_taken_back() {
    let office = Office::open();
    let operator = office.operator();
    let id = field(&operator.json(&["tenant", "create", "Makler Nord"]), "tenantId");
    let state = |words: &[&str]| field(&operator.json(words), "state");

    let renamed = operator.json(&["tenant", "update", &id, "--name", "Makler Süd"]);
    assert_eq!(field(&renamed, "displayName"), "Makler Süd");
    assert_eq!(state(&["tenant", "stop", &id]), "TENANT_STATE_STOPPED");
    assert_eq!(state(&["tenant", "start", &id]), "TENANT_STATE_ACTIVE");
    let deleted = operator.json(&["tenant", "delete", &id, "--yes"]);
    assert_eq!(field(&deleted, "state"), "TENANT_STATE_DELETED");
    assert!(!field(&deleted, "destroyedAfter").is_empty());
    assert_eq!(state(&["tenant", "undelete", &id]), "TENANT_STATE_STOPPED");
    let table = operator.text(&["tenant", "list"]);
    assert!(table.starts_with("Id ") && table.contains(&id) && table.contains("Makler Süd"), "{table}");
}

#[test]
fn a_new_tenant_has_its_standard_user_unless_that_is_switched_off() {
    let office = Office::open();
    let operator = office.operator();
    for (words, users) in [(&["tenant", "create", "A"][..], 1), (&["tenant", "create", "B", "--no-standard-user"], 0)] {
        let tenant = field(&operator.json(words), "tenantId");
        let admin = office.caller(&["admin", "--tenant", &tenant]);
        assert_eq!(admin.objects(&["user", "list"]).len(), users, "{words:?}");
    }
}

#[test]
fn the_list_of_users_is_a_table_as_the_administration_shows_it() {
    let office = Office::open();
    let firm = Firm::of(&office);
    let (broker, shared) = (firm.broker_user("vm.meier"), firm.shared_user("privatkunden"));
    let table = firm.admin.text(&["user", "list"]);
    let rows: Vec<Vec<&str>> =
        table.lines().map(|line| line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect()).collect();
    assert_eq!(rows[0], ["Id", "con:center Benutzer", "Password", "Standard", "Endkunde", "Produktgeber", "State"]);
    assert_eq!(rows[1][1..], ["cloudtransfer", "-", "(o)", "[ ]", "all", "ACTIVE"]);
    assert_eq!(rows[2], [broker.as_str(), "vm.meier", "set", "( )", "[ ]", "all", "ACTIVE"]);
    assert_eq!(rows[3], [shared.as_str(), "privatkunden", "set", "( )", "[x]", "vergleicher", "ACTIVE"]);
    assert_eq!(rows.len(), 4);
}

#[test]
fn a_user_is_changed_field_by_field() {
    let office = Office::open();
    let firm = Firm::of(&office);
    let id = firm.user("vm.meier", &["--kind", "broker", "--all-providers", "--email", "meier@example.com"]);
    let renamed = firm.admin.json(&["user", "update", &id, "--name", "vm.maier", "--display-name", "Maier"]);
    assert_eq!(field(&renamed, "userName"), "vm.maier");
    assert_eq!(field(&renamed, "notificationEmail"), "meier@example.com");
    let cleared = firm.admin.json(&["user", "update", &id, "--email", "", "--provider", "insurer-a,vergleicher"]);
    assert_eq!((cleared.get("notificationEmail"), field(&cleared, "displayName")), (None, "Maier".to_owned()));
    assert_eq!(cleared["providerScope"]["only"]["productProviderIds"][1], "vergleicher");
    assert_eq!(firm.admin.json(&["user", "get", &id]), cleared);
}

#[test]
fn standard_and_endkunde_are_moved_and_set() {
    let office = Office::open();
    let firm = Firm::of(&office);
    let id = firm.broker_user("vm.meier");
    let kind = |words: &[&str]| field(&firm.admin.json(words), "kind");
    let endkunde = ["user", "set-end-customer", &id, "yes", "--provider", "vergleicher"];
    assert_eq!(kind(&endkunde), "USER_KIND_END_CUSTOMER");
    assert_eq!(kind(&["user", "set-end-customer", &id, "no"]), "USER_KIND_BROKER");
    assert_eq!(kind(&["user", "set-standard", &id]), "USER_KIND_STANDARD");
    let refused = firm.admin.run(&["user", "delete", &id, "--yes"]);
    assert!(refused.error(78).ends_with("(STANDARD_REQUIRED)"), "{refused:?}");
}

/// R06
#[test]
fn what_con_center_says_is_noted_and_shown_with_who_said_it() {
    let office = Office::open();
    let firm = Firm::of(&office);
    let id = firm.shared_user("privatkunden");
    let said = |word: &str| field(&firm.admin.json(&["user", "attest", &id, word]), "remoteEndCustomer");
    assert_eq!(said("no"), "REMOTE_END_CUSTOMER_NO");
    assert_eq!(said("unknown"), "REMOTE_END_CUSTOMER_UNKNOWN");
    assert_eq!(said("yes"), "REMOTE_END_CUSTOMER_YES");
    let user = firm.admin.text(&["user", "get", &id]);
    let shows = |heading: &str, value: &str| {
        let line = user.lines().find_map(|line| line.strip_prefix(heading)).map(str::trim);
        assert_eq!(line, Some(value), "{heading} in\n{user}");
    };
    shows("Endkunde at con:center", "YES");
    shows("Known from", "ATTESTATION");
    shows("Password suspect since", "-");
    for heading in ["Said by", "Said at", "Endkunde set by", "Endkunde set at"] {
        let line = user.lines().find_map(|line| line.strip_prefix(heading)).map(str::trim);
        assert!(line.is_some_and(|value| value != "-"), "{heading} in\n{user}");
    }
    let refused = firm.admin.run(&["user", "attest", &id, "perhaps"]);
    assert_eq!(refused.code, Some(2), "{refused:?}");
}

#[test]
fn a_user_in_use_is_not_deleted_until_nothing_depends_on_it() {
    let office = Office::open();
    let firm = Firm::of(&office);
    let user = firm.broker_user("vm.meier");
    let create = ["activation", "create", "--broker", "b-17,b-18", "--user", &user, "--name", "Team"];
    let activation = field(&firm.admin.json(&create), "activationId");

    let refused = firm.admin.run(&["user", "delete", &user, "--yes"]);
    assert_eq!((refused.code, refused.out.as_str()), (Some(78), ""), "{refused:?}");
    let (error, dependent) = refused.err.trim_end().split_once('\n').expect("two lines");
    assert!(error.starts_with("error: ") && error.ends_with("(ASSIGNED)"), "{error}");
    assert_eq!(dependent, format!("  ACTIVATION {activation}: a broker activation with this con:center user"));

    assert_eq!(field(&firm.admin.json(&["user", "disable", &user]), "state"), "STATE_DISABLED");
    assert_eq!(field(&firm.admin.json(&["user", "enable", &user]), "state"), "STATE_ACTIVE");
    assert_eq!(firm.admin.text(&["activation", "delete", &activation, "--yes"]), "deleted\n");
    assert_eq!(firm.admin.json(&["user", "delete", &user, "--yes"]), serde_json::json!({}));
    let gone = firm.admin.run(&["user", "get", &user]);
    assert!(gone.error(78).ends_with("(NOT_FOUND)"), "{gone:?}");
}

#[test]
fn an_activation_is_changed_disabled_and_enabled() {
    let office = Office::open();
    let firm = Firm::of(&office);
    let (meier, schulz) = (firm.broker_user("vm.meier"), firm.broker_user("vm.schulz"));
    let admin = &firm.admin;
    let created = admin.json(&["activation", "create", "--broker", "b-17", "--user", &meier]);
    let id = field(&created, "activationId");
    let changed = admin.json(&["activation", "update", &id, "--broker", "b-18,b-19", "--user", &schulz]);
    assert_eq!(changed["brokerIds"], serde_json::json!(["b-18", "b-19"]));
    assert_eq!(field(&changed, "userId"), schulz);
    assert_eq!(field(&admin.json(&["activation", "disable", &id]), "state"), "STATE_DISABLED");
    assert_eq!(field(&admin.json(&["activation", "enable", &id]), "state"), "STATE_ACTIVE");
    assert_eq!(admin.objects(&["activation", "list", "--broker", "b-18"]).len(), 1);
    assert_eq!(admin.objects(&["activation", "list", "--broker", "b-17"]).len(), 0);
    assert_eq!(field(&admin.json(&["activation", "get", &id]), "userId"), schulz);
}

#[test]
fn access_and_settings_keep_what_is_not_named() {
    let office = Office::open();
    let firm = Firm::of(&office);
    let (private, commercial) = (firm.shared_user("privatkunden"), firm.shared_user("gewerbekunden"));
    let admin = &firm.admin;
    admin.text(&["access", "set", "--private-user", &private, "--commercial-fallback", "yes"]);
    admin.text(&["access", "set", "--commercial-user", &commercial]);
    let access = admin.json(&["access", "get"]);
    assert_eq!((field(&access, "privateUserId"), field(&access, "commercialUserId")), (private, commercial));
    assert_eq!(access["commercialFallsBackToPrivate"], true);
    let access = admin.json(&["access", "set", "--commercial-user", ""]);
    assert_eq!(access.get("commercialUserId"), None);

    admin.text(&["settings", "set", "--jump-ttl", "30s", "--customer-idle", "10m"]);
    admin.text(&["settings", "set", "--default-mvp-user", "mvp.nord"]);
    let settings = admin.json(&["settings", "get"]);
    assert_eq!((field(&settings, "jumpTtl"), field(&settings, "customerSessionIdle")), ("30s".into(), "600s".into()));
    assert_eq!(field(&settings, "defaultMvpUserId"), "mvp.nord");
    let table = admin.text(&["settings", "get"]);
    assert!(table.contains("Customer's session without a click  10m\n"), "{table}");
}
