//! The catalogue, as its operator keeps it and as others see it.

use super::client::{Firm, Office, field, put_target};

#[test]
fn an_entry_is_made_replaced_disabled_and_enabled() {
    let office = Office::open();
    let operator = office.operator();
    let put = ["provider", "put", "insurer-a", "--kind", "insurer", "--name"];
    operator.text(&[&put[..], &["A"]].concat());
    assert_eq!(field(&operator.json(&[&put[..], &["B"]].concat()), "displayName"), "B");
    operator.text(&put_target("rechner", "insurer-a"));
    operator.text(&["return-url", "put", "portal", "--url", "https://portal.example.com/back"]);
    for (noun, id) in [("provider", "insurer-a"), ("target", "rechner"), ("return-url", "portal")] {
        assert_eq!(field(&operator.json(&[noun, "disable", id]), "state"), "STATE_DISABLED", "{noun}");
        assert_eq!(field(&operator.json(&[noun, "enable", id]), "state"), "STATE_ACTIVE", "{noun}");
        let listed = operator.objects(&[noun, "list"]);
        assert_eq!(listed, [operator.json(&[noun, "get", id])], "{noun}");
        assert!(operator.text(&[noun, "list"]).contains(id), "{noun}");
    }
}

#[test]
fn the_redirects_of_a_target_are_named_and_shown() {
    let office = Office::open();
    let operator = office.operator();
    operator.text(&["provider", "put", "insurer-a", "--kind", "insurer", "--name", "A"]);
    let put = put_target("rechner", "insurer-a");
    let redirects = ["--redirect-origin", "https://b.example,https://a.example:8443"];
    let made = operator.json(&[&put[..], &redirects].concat());
    assert_eq!(made["redirectOrigins"], serde_json::json!(["https://a.example:8443", "https://b.example"]));
    let shown = operator.text(&["target", "get", "rechner"]);
    assert!(shown.contains("Redirects to       https://a.example:8443, https://b.example\n"), "{shown}");
    // Putting replaces everything.
    assert_eq!(operator.json(&put).get("redirectOrigins"), None);
}

#[test]
fn an_entry_that_must_be_new_is_not_replaced() {
    let office = Office::open();
    let operator = office.operator();
    let put = ["provider", "put", "insurer-a", "--kind", "insurer", "--name", "A", "--etag", ""];
    operator.text(&put);
    let again = operator.run(&put);
    assert_ne!(again.code, Some(0), "{again:?}");
    assert_eq!(operator.objects(&["provider", "list"]).len(), 1);
}

#[test]
fn callers_of_a_tenant_see_the_catalogue_without_what_is_the_operators() {
    let office = Office::open();
    let firm = Firm::of(&office);
    let refused = firm.admin.run(&["target", "list"]);
    assert!(refused.error(78).ends_with("(ROLE)"), "{refused:?}");
    let targets = firm.admin.objects(&["target", "list", "--as-tenant"]);
    assert_eq!(targets.len(), 2);
    assert!(targets.iter().all(|target| target.get("url").is_none() && target.get("etag").is_none()), "{targets:?}");
    assert_eq!(firm.portal.objects(&["provider", "list", "--as-tenant", "--limit", "1"]).len(), 1);
}
