//! Callers and tenants: who is let in, and what an id of somebody else answers.

use concenter_gateway::domain::caller::Role;
use concenter_gateway::proto::admin::v1 as operators;
use concenter_gateway::proto::v1;
use concenter_gateway::token::CallerGrant;
use serde_json::json;
use std::time::Duration;
use tonic::{Code, Response, Status};

use crate::harness::*;

const INVALID: (Code, &str) = (Code::Unauthenticated, "CREDENTIAL_INVALID");
const NOT_FOUND: (Code, &str) = (Code::NotFound, "NOT_FOUND");
const ROLE: (Code, &str) = (Code::PermissionDenied, "ROLE");
const TENANT_MISMATCH: (Code, &str) = (Code::PermissionDenied, "TENANT_MISMATCH");
/// Under which the audit log keeps who belongs to no tenant.
const NO_TENANT: &str = "00000000-0000-0000-0000-000000000000";

/// Asks for a jump of `c-1` with this bearer token, which is refused; gives the reason.
async fn refused(world: &World, bearer: &str) -> (Code, String) {
    let before = world.service.state().await;
    let client = world.service.bearer(bearer);
    let status = status_of(client.jumps().jump_to_tarif(to(X, Some(customer(C1)))).await);
    assert_eq!(world.service.state().await, before, "a refused call changed something");
    reason(&status)
}

/// A token of A's portal, taken apart.
fn portal_token(world: &World) -> Token {
    Token::read(&world.service.mint(&within(&world.a.tenant, grant(Role::Portal, "portal"))))
}

/// A02
#[tokio::test]
async fn a_call_without_a_credential_is_unauthenticated() {
    let world = World::example().await;
    let (state, audit) = (world.service.state().await, world.service.audit().await);
    let status = status_of(world.service.anonymous().jumps().jump_to_tarif(to(X, Some(customer(C1)))).await);
    assert_eq!(reason(&status), (Code::Unauthenticated, "CREDENTIAL_MISSING".to_owned()));
    assert_eq!(world.service.state().await, state);
    assert_eq!(world.service.audit().await, audit, "nobody in particular must not fill the audit log");
}

/// A03
#[tokio::test]
async fn a_callers_token_is_good_for_5_seconds_beyond_its_end() {
    let world = World::example().await;
    let grant = CallerGrant { life: Duration::from_mins(1), ..grant(Role::Portal, "portal") };
    let token = world.service.mint(&within(&world.a.tenant, grant));
    world.service.clock.advance(64);
    let jump = world.service.bearer(&token).jumps().jump_to_tarif(to(X, Some(customer(C1)))).await;
    assert!(jump.is_ok(), "four seconds late");
    world.service.clock.advance(2);
    assert_eq!(refused(&world, &token).await, (Code::Unauthenticated, "CREDENTIAL_EXPIRED".to_owned()));
}

/// A04
#[tokio::test]
async fn a_callers_token_of_an_unknown_key_is_refused() {
    let world = World::example().await;
    let (token, attacker) = (portal_token(&world), Attacker::new());
    let forged = [
        token.signed_by(&attacker.key),
        token.with_header("kid", json!(attacker.kid)).signed_by(&attacker.key),
        token.with_header("jwk", attacker.jwk.clone()).signed_by(&attacker.key),
    ];
    for bearer in forged {
        assert_eq!(refused(&world, &bearer).await, (INVALID.0, INVALID.1.to_owned()));
    }
}

/// A04
#[tokio::test]
async fn a_callers_token_without_an_algorithm_is_refused() {
    let world = World::example().await;
    let (token, forge) = (portal_token(&world), Forge::of(&world.service).await);
    for alg in ["none", "None", "nOnE"] {
        let unsigned = token.with_header("alg", json!(alg));
        for signature in ["", &token.signature] {
            let bearer = Token { signature: signature.to_owned(), ..unsigned.clone() }.compact();
            assert_eq!(refused(&world, &bearer).await, (INVALID.0, INVALID.1.to_owned()), "{alg}");
        }
        let signed = unsigned.signed_by(&forge.caller);
        assert_eq!(refused(&world, &signed).await, (INVALID.0, INVALID.1.to_owned()), "{alg}, signed");
    }
}

/// A05
#[tokio::test]
async fn a_callers_token_for_another_service_is_refused() {
    let world = World::example().await;
    let (token, forge) = (portal_token(&world), Forge::of(&world.service).await);
    let again = world.service.bearer(&token.signed_by(&forge.caller));
    assert!(again.jumps().jump_to_tarif(to(X, Some(customer(C1)))).await.is_ok(), "the forger's signature is good");

    for claim in [json!("another-service"), json!(""), json!(["another-service"]), json!([token.payload["aud"]])] {
        let bearer = token.with_claim("aud", claim).signed_by(&forge.caller);
        assert_eq!(refused(&world, &bearer).await, (INVALID.0, INVALID.1.to_owned()));
    }
    let foreign = token.with_claim("iss", json!("https://issuer.example")).signed_by(&forge.caller);
    assert_eq!(refused(&world, &foreign).await, (INVALID.0, INVALID.1.to_owned()));
}

#[tokio::test]
async fn a_jumps_token_is_no_callers_token() {
    let world = World::example().await;
    let jump = world.a.jump(X, customer(C1)).await.expect("a jump").into_inner();
    assert_eq!(refused(&world, &token(&jump)).await, (INVALID.0, INVALID.1.to_owned()));
}

#[tokio::test]
async fn a_token_of_a_tenant_that_never_was_opens_nothing_and_is_written_down() {
    let world = World::example().await;
    let (service, audit) = (&world.service, world.service.audit().await);
    let (portal, admin) = (service.portal(NOBODY), service.admin(NOBODY));

    let wish = to(X, Some(customer_of(C1, Some(v1::Segment::Private))));
    service.refuses("call", TENANT_MISMATCH, portal.jumps().jump_to_tarif(wish)).await;
    let new = user("A", "neu", v1::UserKind::Broker, all());
    service.refuses("call", TENANT_MISMATCH, admin.users().create_user(new)).await;

    let list = v1::ListUsersRequest::default();
    service.refuses("call", TENANT_MISMATCH, admin.users().list_users(list)).await;
    let get = v1::GetUserRequest { user_id: NOBODY.to_owned() };
    service.refuses("call", TENANT_MISMATCH, admin.users().get_user(get)).await;
    let list = v1::ListTargetsRequest::default();
    service.refuses("call", TENANT_MISMATCH, portal.catalog().list_targets(list)).await;

    let rows = [("admin", NOBODY), ("admin", NOBODY), ("admin", NOBODY), ("portal", NOBODY), ("portal", NOBODY)];
    assert_eq!(callers(&service.audit_since(&audit).await), rows);
}

#[tokio::test]
async fn metadata_in_which_a_client_says_who_he_is_changes_nothing() {
    let world = World::example().await;
    let admin = world.a.admin.clone();
    let injected = admin
        .clone()
        .with("x-tenant-id", &world.b.tenant)
        .with("x-forwarded-client-cert", "URI=spiffe://concenter/operator")
        .with("x-actor", "somebody");
    let list = v1::ListUsersRequest::default;
    let plain = admin.users().list_users(list()).await.expect("a list").into_inner();
    assert_eq!(injected.users().list_users(list()).await.expect("a list").into_inner(), plain);

    let portal = world.a.portal.clone().with("x-tenant-id", &world.b.tenant).with("x-actor", "somebody");
    let jump = portal.jumps().jump_to_tarif(to(X, Some(customer(C1)))).await.expect("a jump").into_inner();
    let redeemed = world.redeem(X, proof(&jump)).await.expect("a redemption").into_inner();
    assert_eq!(redeemed.tenant_id, world.a.tenant);
    assert_eq!(redeemed.actor, None);
}

/// Two calls that differ in one id: one of B's, and one that nothing has. Both get the same bytes and change nothing.
/// Gives what the audit log got.
async fn same_answer<F>(
    world: &World,
    rpc: &str,
    foreign: &str,
    nobody: &str,
    call: impl Fn(String) -> F,
) -> Vec<AuditRow>
where
    F: Future<Output = Result<(), Status>>,
{
    let (state, audit) = (world.service.state().await, world.service.audit().await);
    let [theirs, nobodys] = [call(foreign.to_owned()).await, call(nobody.to_owned()).await]
        .map(|answer| status_of(answer.map(Response::new)));
    assert_eq!(reason(&theirs), (NOT_FOUND.0, NOT_FOUND.1.to_owned()), "{rpc}");
    same_bytes(&theirs, &nobodys, rpc);
    assert!(!everything(&theirs).contains(foreign), "{rpc} echoes the id");
    assert_eq!(world.service.state().await, state, "{rpc} changed something");
    world.service.audit_since(&audit).await
}

/// The same for a change, which leaves an audit row for either of them.
async fn indistinguishable<F>(world: &World, rpc: &str, foreign: &str, nobody: &str, call: impl Fn(String) -> F)
where
    F: Future<Output = Result<(), Status>>,
{
    let rows = same_answer(world, rpc, foreign, nobody, call).await;
    assert_both_written_down(world, rpc, &rows);
}

fn assert_both_written_down(world: &World, rpc: &str, rows: &[AuditRow]) {
    let reasons: Vec<_> = rows.iter().map(|row| (row.tenant.as_str(), row.reason.as_deref())).collect();
    assert_eq!(reasons, [(world.a.tenant.as_str(), Some("NOT_FOUND")); 2], "audit rows of {rpc}");
}

/// A08
#[tokio::test]
async fn reading_an_id_of_another_tenant_looks_like_one_that_never_was() {
    let world = World::example().await;
    let (admin, b) = (&world.a.admin, &world.b);
    put_customer(&world, "nur-bei-b").await;

    same_answer(&world, "GetUser", &b.meier, NOBODY, async |user_id| {
        admin.users().get_user(v1::GetUserRequest { user_id }).await.map(drop)
    })
    .await;
    same_answer(&world, "GetBrokerActivation", &b.meiers, NOBODY, async |activation_id| {
        let get = v1::GetBrokerActivationRequest { activation_id };
        admin.activations().get_broker_activation(get).await.map(drop)
    })
    .await;
    same_answer(&world, "GetCustomer", "nur-bei-b", "bei-niemand", async |customer_id| {
        admin.customers().get_customer(v1::GetCustomerRequest { customer_id }).await.map(drop)
    })
    .await;
}

/// A08
#[tokio::test]
async fn reading_an_id_that_is_not_there_is_written_down() {
    let world = World::example().await;
    let admin = &world.a.admin;
    let rows = same_answer(&world, "GetUser", &world.b.meier, NOBODY, async |user_id| {
        admin.users().get_user(v1::GetUserRequest { user_id }).await.map(drop)
    })
    .await;
    assert_both_written_down(&world, "GetUser", &rows);
}

/// A09
#[tokio::test]
async fn changing_a_user_of_another_tenant_looks_like_one_that_never_was() {
    let world = World::example().await;
    let admin = &world.a.admin;
    let foreign = &world.b.meier;
    // B's own etag, so that nothing but the tenant stands in the way.
    let etag = &world.b.user(foreign).await.etag;

    indistinguishable(&world, "SetUserSecret", foreign, NOBODY, async |user_id| {
        let (request_id, etag, password) = (request_id(), etag.clone(), "geheim".to_owned());
        let set = v1::SetUserSecretRequest { request_id, user_id, etag, password };
        admin.users().set_user_secret(set).await.map(drop)
    })
    .await;
    indistinguishable(&world, "SetStandardUser", foreign, NOBODY, async |user_id| {
        let set = v1::SetStandardUserRequest { request_id: request_id(), user_id, etag: etag.clone() };
        admin.users().set_standard_user(set).await.map(drop)
    })
    .await;
    indistinguishable(&world, "SetEndCustomer", foreign, NOBODY, async |user_id| {
        let (request_id, etag) = (request_id(), etag.clone());
        let provider_scope = Some(only(&[COMPARATOR]));
        let set = v1::SetEndCustomerRequest { request_id, user_id, etag, end_customer: Some(true), provider_scope };
        admin.users().set_end_customer(set).await.map(drop)
    })
    .await;
    indistinguishable(&world, "DisableUser", foreign, NOBODY, async |user_id| {
        let disable = v1::DisableUserRequest { request_id: request_id(), user_id, etag: etag.clone() };
        admin.users().disable_user(disable).await.map(drop)
    })
    .await;
    indistinguishable(&world, "EnableUser", foreign, NOBODY, async |user_id| {
        let enable = v1::EnableUserRequest { request_id: request_id(), user_id, etag: etag.clone() };
        admin.users().enable_user(enable).await.map(drop)
    })
    .await;
}

/// A09
#[tokio::test]
async fn assigning_a_user_of_another_tenant_looks_like_one_that_never_was() {
    let world = World::example().await;
    let admin = &world.a.admin;
    let (shared, personal) = (&world.b.private, &world.b.schulze);
    let (customer_etag, access_etag) = (&world.a.customer(C1).await.etag, &world.a.access().await.etag);

    indistinguishable(&world, "AssignUser", shared, NOBODY, async |user_id| {
        let (request_id, customer_id) = (request_id(), C1.to_owned());
        let etag = customer_etag.clone();
        let assign = v1::AssignUserRequest { request_id, customer_id, etag, user_id: Some(user_id) };
        admin.customers().assign_user(assign).await.map(drop)
    })
    .await;
    indistinguishable(&world, "UpdateCustomerAccess private", shared, NOBODY, async |user_id| {
        let (private_user_id, etag) = (Some(user_id), access_etag.clone());
        let update = v1::UpdateCustomerAccessRequest { request_id: request_id(), etag, private_user_id, ..no_change() };
        admin.customers().update_customer_access(update).await.map(drop)
    })
    .await;
    indistinguishable(&world, "UpdateCustomerAccess commercial", shared, NOBODY, async |user_id| {
        let (commercial_user_id, etag) = (Some(user_id), access_etag.clone());
        let update =
            v1::UpdateCustomerAccessRequest { request_id: request_id(), etag, commercial_user_id, ..no_change() };
        admin.customers().update_customer_access(update).await.map(drop)
    })
    .await;
    indistinguishable(&world, "CreateBrokerActivation", personal, NOBODY, async |user_id| {
        admin.activations().create_broker_activation(activation("n.neu", &user_id)).await.map(drop)
    })
    .await;
}

/// A09
#[tokio::test]
async fn changing_an_activation_or_a_customer_of_another_tenant_looks_like_one_that_never_was() {
    let world = World::example().await;
    let admin = &world.a.admin;
    put_customer(&world, "nur-bei-b").await;
    let customer_etag = &world.b.customer("nur-bei-b").await.etag;
    let etag = &world.b.activation(&world.b.meiers).await.etag;

    indistinguishable(&world, "DisableBrokerActivation", &world.b.meiers, NOBODY, async |activation_id| {
        let (request_id, etag) = (request_id(), etag.clone());
        let disable = v1::DisableBrokerActivationRequest { request_id, activation_id, etag };
        admin.activations().disable_broker_activation(disable).await.map(drop)
    })
    .await;
    indistinguishable(&world, "EnableBrokerActivation", &world.b.meiers, NOBODY, async |activation_id| {
        let (request_id, etag) = (request_id(), etag.clone());
        let enable = v1::EnableBrokerActivationRequest { request_id, activation_id, etag };
        admin.activations().enable_broker_activation(enable).await.map(drop)
    })
    .await;
    indistinguishable(&world, "AssignUser customer", "nur-bei-b", "bei-niemand", async |customer_id| {
        let (request_id, etag) = (request_id(), customer_etag.clone());
        let user_id = Some(world.a.private.clone());
        let assign = v1::AssignUserRequest { request_id, customer_id, etag, user_id };
        admin.customers().assign_user(assign).await.map(drop)
    })
    .await;
}

/// A09, at the jump: an activation of B's is as good as none.
#[tokio::test]
async fn a_jump_by_an_activation_of_another_tenant_looks_like_one_that_never_was() {
    let world = World::example().await;
    let mut statuses = Vec::new();
    for activation in [world.b.meiers.as_str(), NOBODY] {
        let wish = v1::JumpToTarifRequest { activation_id: Some(activation.to_owned()), ..to(X, Some(broker(MEIER))) };
        let refusal = (Code::FailedPrecondition, "NO_USER_ASSIGNED");
        statuses.push(world.service.refuses("jump.issue", refusal, world.a.portal.jumps().jump_to_tarif(wish)).await);
    }
    same_bytes(&statuses[0], &statuses[1], "JumpToTarif");
}

/// A09, at the redeem: a handle says whose it is, and that must fit.
#[tokio::test]
async fn a_handle_under_another_tenants_id_redeems_nothing() {
    let world = World::example().await;
    let jump = world.b.jump(Y, customer(C1)).await.expect("a jump").into_inner();
    let v1::redeem_jump_request::Proof::Handle(handle) = proof(&jump) else { panic!("a handle") };
    let (_, secret) = handle.split_once('.').expect("a handle");
    let mut statuses = Vec::new();
    for tenant in [world.a.tenant.as_str(), NOBODY] {
        let proof = v1::redeem_jump_request::Proof::Handle(format!("{tenant}.{secret}"));
        statuses.push(status_of(world.redeem(Y, proof).await));
    }
    assert_eq!(reason(&statuses[0]), (Code::PermissionDenied, "JUMP_INVALID".to_owned()));
    same_bytes(&statuses[0], &statuses[1], "RedeemJump");
    assert!(world.redeem(Y, proof(&jump)).await.is_ok(), "the jump was not consumed");
}

/// T04: whom a portal names is one of its own tenant, and who else has him makes no difference. The tenant comes from the
/// credential; metadata can only choose among what that holds.
#[tokio::test]
async fn a_portal_that_names_somebody_elses_customer_reaches_nobody() {
    let world = World::example().await;
    put_customer(&world, "theirs").await;
    let mut statuses = Vec::new();
    for person in ["theirs", "nobodys"] {
        let refusal = (Code::FailedPrecondition, "SEGMENT_UNKNOWN");
        let wish = to(X, Some(customer(person)));
        statuses.push(world.service.refuses("jump.issue", refusal, world.a.portal.jumps().jump_to_tarif(wish)).await);
    }
    same_bytes(&statuses[0], &statuses[1], "JumpToTarif");

    let into_theirs = world.a.portal.clone().with("concenter-tenant", &world.b.tenant);
    let wish = to(X, Some(customer("theirs")));
    world.service.refuses("call", TENANT_MISMATCH, into_theirs.jumps().jump_to_tarif(wish)).await;

    let arrived = world.arrive(X, customer(C1)).await;
    assert_eq!(arrived.tenant_id, world.a.tenant, "both have a customer of this id");
}

/// R08, T04
#[tokio::test]
async fn a_customer_or_broker_who_names_a_person_is_refused() {
    let world = World::example().await;
    let tenant = &world.a.tenant;
    let callers = [world.service.customer(tenant, C1, C1), world.service.broker(tenant, MEIER, MEIER)];
    let people = [customer(C1), customer(C2), customer_of(C1, Some(v1::Segment::Private)), broker(MEIER)];
    for caller in callers {
        for person in people.clone() {
            world.service.refuses("call", ROLE, caller.jumps().jump_to_tarif(to(X, Some(person)))).await;
        }
        let wish = v1::JumpToTarifRequest { actor_id: Some("somebody".to_owned()), ..to(X, None) };
        world.service.refuses("call", ROLE, caller.jumps().jump_to_tarif(wish)).await;
    }
}

#[tokio::test]
async fn a_portal_that_names_nobody_is_told_the_field() {
    let world = World::example().await;
    world.service.refuses_fields(&["person"], world.a.portal.jumps().jump_to_tarif(to(X, None))).await;
}

#[tokio::test]
async fn a_role_that_may_not_call_is_refused_and_written_down() {
    let world = World::example().await;
    let (service, tenant) = (&world.service, &world.a.tenant);
    let (customer, broker) = (service.customer(tenant, C1, C1), service.broker(tenant, MEIER, MEIER));
    let audit = service.audit().await;

    service.refuses("call", ROLE, customer.jumps().jump_to_insurer_portal(into_portal(V, None))).await;
    service.refuses("call", ROLE, customer.users().list_users(v1::ListUsersRequest::default())).await;
    let new = user("A", "neu", v1::UserKind::Broker, all());
    service.refuses("call", ROLE, broker.users().create_user(new.clone())).await;
    service.refuses("call", ROLE, world.a.portal.users().create_user(new)).await;
    let own = v1::AssignUserRequest { customer_id: C1.to_owned(), ..v1::AssignUserRequest::default() };
    service.refuses("call", ROLE, world.a.portal.customers().assign_user(own)).await;
    service.refuses("call", ROLE, world.a.admin.jumps().jump_to_tarif(to(X, None))).await;
    let get = operators::GetTenantRequest { tenant_id: world.b.tenant.clone() };
    service.refuses("call", ROLE, world.a.admin.tenants().get_tenant(get)).await;
    service.refuses("call", ROLE, service.target(X).jumps().jump_to_tarif(to(X, None))).await;
    service.refuses("call", ROLE, service.operator().users().list_users(v1::ListUsersRequest::default())).await;

    let mut rows = vec![("operator", NO_TENANT), ("target", NO_TENANT)];
    rows.extend(
        ["admin", "admin", "broker", "customer", "customer", "portal", "portal"].map(|role| (role, tenant.as_str())),
    );
    assert_eq!(callers(&service.audit_since(&audit).await), rows);
}

/// Who stands in these audit rows: role and tenant.
pub(crate) fn callers(rows: &[AuditRow]) -> Vec<(&str, &str)> {
    rows.iter().map(|row| (row.role.as_str(), row.tenant.as_str())).collect()
}

/// Writes the record of a customer whom only B has.
async fn put_customer(world: &World, id: &str) {
    let customers = vec![record(id, v1::Segment::Private)];
    let put = v1::PutCustomersRequest { request_id: request_id(), customers };
    world.b.portal.customers().put_customers(put).await.expect("a record");
}

fn no_change() -> v1::UpdateCustomerAccessRequest {
    v1::UpdateCustomerAccessRequest::default()
}
