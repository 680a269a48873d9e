//! Jumps: explained, listed, revoked.

use concenter_gateway::proto::v1::jump_service_client::JumpServiceClient;
use concenter_gateway::proto::v1::{JumpToTarifRequest, Person, person};
use tonic::Request;
use tonic::transport::Channel;

use super::client::{Caller, Firm, Office, field};

/// A firm in which broker b-17 and private customers can jump; gives the ids of their users.
fn with_users(office: &Office) -> (Firm<'_>, String, String) {
    let firm = Firm::of(office);
    let (broker, shared) = (firm.broker_user("vm.meier"), firm.shared_user("privatkunden"));
    firm.admin.text(&["activation", "create", "--broker", "b-17", "--user", &broker]);
    firm.admin.text(&["access", "set", "--private-user", &shared]);
    firm.portal.text(&["customer", "put", "c-1", "private"]);
    (firm, broker, shared)
}

/// Makes a jump for broker b-17, as a portal does; gives its id.
async fn jump(office: &Office, portal: &Caller<'_>, request_id: &str) -> String {
    let channel =
        Channel::from_shared(office.service.grpc()).expect("an address").connect().await.expect("a connection");
    let mut request = Request::new(JumpToTarifRequest {
        request_id: request_id.to_owned(),
        target_id: "insurer-a-rechner".to_owned(),
        person: Some(Person { person: Some(person::Person::BrokerId("b-17".to_owned())) }),
        ..Default::default()
    });
    let credential = format!("Bearer {}", portal.token()).parse().expect("a credential");
    request.metadata_mut().insert("authorization", credential);
    JumpServiceClient::new(channel).jump_to_tarif(request).await.expect("a jump").into_inner().jump_id
}

#[test]
fn an_explanation_names_the_user_and_the_way() {
    let office = Office::open();
    let (firm, broker, shared) = with_users(&office);
    let text = firm.admin.text(&["jump", "explain", "--target", "insurer-a-rechner", "--broker", "b-17"]);
    assert!(text.starts_with("Rule ") && text.contains("TENANT_ACTIVE") && text.contains(" passed "), "{text}");
    assert!(text.contains(&format!("vm.meier ({broker})")) && text.contains("ACTIVATION"), "{text}");

    let words = ["jump", "explain", "--target", "vergleicher-rechner", "--customer", "c-1"];
    let explained = firm.portal.json(&words);
    assert_eq!(explained["resolved"]["userId"], shared.as_str());
    assert_eq!(explained["resolved"]["way"], "RESOLUTION_WAY_SHARED_PRIVATE");
}

#[test]
fn a_refusal_is_explained_rule_by_rule_and_is_no_failure() {
    let office = Office::open();
    let (firm, _, _) = with_users(&office);
    let text = firm.admin.text(&["jump", "explain", "--target", "insurer-a-rechner", "--customer", "c-1"]);
    let failed = text.lines().find(|line| line.contains("FAILED")).expect("a failed rule");
    assert!(failed.contains("PROVIDER_IN_SCOPE") && failed.contains("PROVIDER_NOT_ALLOWED"), "{failed}");
    assert!(text.contains("Decision  the jump would be refused: PROVIDER_NOT_ALLOWED\nAdvice    "), "{text}");
    let unknown = firm.admin.text(&[
        "jump",
        "explain",
        "--target",
        "vergleicher-rechner",
        "--customer",
        "c-9",
        "--segment",
        "private",
    ]);
    assert!(unknown.contains("SHARED_PRIVATE"), "{unknown}");
}

#[test]
fn a_change_is_thought_through_and_not_made() {
    let office = Office::open();
    let (firm, broker, shared) = with_users(&office);
    let text = firm.admin.text(&["simulate", "disable-user", &shared]);
    assert!(text.starts_with("Who        Same  Other user  Loses user  Gains user\n"), "{text}");
    let told = text.lines().find(|line| line.starts_with("customer c-1")).expect("the customer");
    assert!(told.contains("LOSES_USER") && told.contains("privatkunden") && told.ends_with("USER_DISABLED"), "{told}");
    assert_eq!(firm.admin.json(&["user", "get", &shared])["state"], "STATE_ACTIVE");

    let refused = firm.admin.text(&["simulate", "standard", &broker]);
    assert!(refused.contains("The change  would be refused: ASSIGNED\nAdvice      "), "{refused}");
}

#[test]
fn how_customers_are_kept_apart_is_reported() {
    let office = Office::open();
    let (firm, _, shared) = with_users(&office);
    let text = firm.admin.text(&["report", "isolation"]);
    assert!(text.contains("SHARED_PRIVATE 1") && text.contains("MEDIUM    REMOTE_UNKNOWN  privatkunden"), "{text}");
    assert!(text.ends_with("\n0 critical, 0 high, 1 medium, 0 low\n"), "{text}");
    firm.admin.text(&["user", "attest", &shared, "yes"]);
    assert!(firm.admin.text(&["report", "isolation"]).ends_with("\nNo findings.\n"));
}

#[tokio::test]
async fn jumps_are_listed_by_their_filters_and_revoked() {
    let office = Office::open();
    let (firm, user, _) = with_users(&office);
    let first = jump(&office, &firm.portal, "5b0c9c2e-4d1f-4a57-9a43-3f1f5a2d8e10").await;
    let second = jump(&office, &firm.portal, "5b0c9c2e-4d1f-4a57-9a43-3f1f5a2d8e11").await;
    let ids = |words: &[&str]| {
        let listed = firm.admin.objects(&[&["jump", "list"], words].concat());
        listed.iter().map(|jump| field(jump, "jumpId")).collect::<Vec<_>>()
    };
    assert_eq!(ids(&[]), [second.clone(), first.clone()]);
    assert_eq!(ids(&["--limit", "1", "--user", &user]), std::slice::from_ref(&second));
    assert_eq!(ids(&["--broker", "b-17", "--state", "issued", "--target", "insurer-a-rechner"]).len(), 2);
    assert_eq!(ids(&["--customer", "c-1"]), Vec::<String>::new());
    assert_eq!(ids(&["--updated-after", "2999-01-01T00:00:00Z"]), Vec::<String>::new());

    let revoked = firm.admin.text(&["jump", "revoke", "--jump", &first]);
    assert_eq!(revoked, "Open jumps revoked       1\nSessions marked revoked  0\n");
    assert_eq!(field(&firm.admin.json(&["jump", "get", &first]), "state"), "JUMP_STATE_REVOKED");
    assert_eq!(firm.portal.json(&["jump", "revoke", "--broker", "b-17"])["revokedJumps"], 1);
    assert_eq!(ids(&["--state", "revoked"]), [second, first]);
    let table = firm.admin.text(&["jump", "list"]);
    assert!(table.contains("REVOKED") && table.contains("b-17") && table.contains(&user), "{table}");
}

#[tokio::test]
async fn a_disabled_user_stops_the_jumps_that_were_decided_on_it() {
    let office = Office::open();
    let (firm, user, _) = with_users(&office);
    let id = jump(&office, &firm.portal, "5b0c9c2e-4d1f-4a57-9a43-3f1f5a2d8e10").await;
    firm.admin.text(&["user", "disable", &user]);
    assert_eq!(field(&firm.admin.json(&["jump", "get", &id]), "state"), "JUMP_STATE_REVOKED");
    let text = firm.admin.text(&["jump", "explain", "--target", "insurer-a-rechner", "--broker", "b-17"]);
    assert!(text.contains("refused: USER_DISABLED"), "{text}");
}
