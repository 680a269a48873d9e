//! Who gets which con:center user: resolution and Endkunde, by real jumps.

use concenter_gateway::proto::FILE_DESCRIPTOR_SET;
use concenter_gateway::proto::v1;
use concenter_gateway::proto::v1::UserKind;
use prost::Message;
use prost_types::FileDescriptorSet;
use sqlx::error::DatabaseError;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::{Code, Request};
use tonic_prost::ProstCodec;

use crate::harness::*;

const fn refused(reason: &str) -> (Code, &str) {
    (Code::FailedPrecondition, reason)
}

/// The same for every refusal of a jump through A's portal.
async fn refuses(world: &World, reason: &str, wish: v1::JumpToTarifRequest) -> tonic::Status {
    world.service.refuses("jump.issue", refused(reason), world.a.portal.jumps().jump_to_tarif(wish)).await
}

/// R01
#[tokio::test]
async fn a_customer_without_a_shared_user_gets_none_and_never_standard() {
    let world = World::example().await;
    // Standard could be used, if anybody tried.
    world.a.set_secret(&world.a.standard, "geheim").await;
    world.a.share(Some(""), None, None).await;
    refuses(&world, "NO_USER_ASSIGNED", to(X, Some(customer(C1)))).await;
}

/// R01
#[tokio::test]
async fn a_private_customer_never_gets_the_commercial_user() {
    let world = World::example().await;
    world.a.share(Some(""), None, Some(true)).await;
    refuses(&world, "NO_USER_ASSIGNED", to(X, Some(customer(C1)))).await;
}

/// R02
#[tokio::test]
async fn the_database_refuses_to_take_endkunde_from_a_shared_user() {
    let world = World::example().await;
    let before = world.service.state().await;
    let sql = "UPDATE concenter_user SET kind = 'broker' WHERE CAST(user_id AS TEXT) = $1";
    let edit = world.service.shell().await.execute(sql, &[&world.a.private]).await;
    let refusal = edit.expect_err("a user that customers share stays Endkunde");
    assert!(refusal.as_database_error().is_some_and(DatabaseError::is_foreign_key_violation), "{refusal}");
    assert_eq!(world.service.state().await, before);
}

/// R02
#[tokio::test]
async fn a_shared_user_that_lost_endkunde_by_force_is_not_jumped_with() {
    let world = World::example().await;
    for kind in ["broker", "standard"] {
        force_kind(&world, kind).await;
        let reason = if kind == "broker" { "ENDKUNDE_REQUIRED" } else { "STANDARD_NOT_FOR_JUMPS" };
        refuses(&world, reason, to(X, Some(customer(C1)))).await;
    }
}

/// R02
#[tokio::test]
async fn a_shared_user_that_lost_endkunde_by_force_raises_an_alarm() {
    let world = World::example().await;
    force_kind(&world, "broker").await;
    let log = Log::listen();
    status_of(world.a.jump(X, customer(C1)).await);
    let alarms = log.text().lines().filter(|line| line.contains(" ERROR ")).count();
    assert_eq!(alarms, 1, "rows that no call can make are for the operator to look at: {}", log.text());
}

/// R02, behind the decision: the redeem looks for itself.
#[tokio::test]
async fn a_jump_whose_user_lost_endkunde_by_force_is_not_redeemed() {
    let world = World::example().await;
    let jump = world.a.jump(X, customer(C1)).await.expect("a jump").into_inner();
    force_kind(&world, "broker").await;
    let redeem = world.redeem(X, proof(&jump));
    world.service.refuses("jump.redeem", refused("JUMP_REVOKED"), redeem).await;
}

/// Gives A's shared private user another kind, past every constraint and every version.
async fn force_kind(world: &World, kind: &str) {
    let mut shell = world.service.lawless_shell().await;
    if kind == "standard" {
        let other = "UPDATE concenter_user SET kind = 'broker' WHERE CAST(user_id AS TEXT) = $1";
        shell.execute(other, &[&world.a.standard]).await.expect("by force");
    }
    let sql = "UPDATE concenter_user SET kind = $1 WHERE CAST(user_id AS TEXT) = $2";
    assert_eq!(shell.execute(sql, &[kind, &world.a.private]).await.expect("by force"), 1);
}

/// R03
#[tokio::test]
async fn a_disabled_shared_user_refuses_and_does_not_fall_through() {
    let world = World::example().await;
    world.a.share(None, None, Some(true)).await;
    world.a.disable(&world.a.private).await;
    refuses(&world, "USER_DISABLED", to(X, Some(customer(C1)))).await;
    world.a.disable(&world.a.commercial).await;
    refuses(&world, "USER_DISABLED", to(X, Some(customer(K1)))).await;
}

/// R04
#[tokio::test]
async fn a_broker_without_an_activation_gets_no_user() {
    let world = World::example().await;
    refuses(&world, "NO_USER_ASSIGNED", to(X, Some(broker("n.neu")))).await;
}

/// R05
#[tokio::test]
async fn an_endkunde_user_is_refused_in_an_activation_at_once() {
    let world = World::example().await;
    let activate = activation(MEIER, &world.a.private);
    world
        .service
        .refuses(
            "activation.create",
            refused("ENDKUNDE_CONFLICT"),
            world.a.admin.activations().create_broker_activation(activate),
        )
        .await;
}

#[tokio::test]
async fn the_standard_user_is_refused_in_an_activation_at_once() {
    let world = World::example().await;
    let activate = activation(MEIER, &world.a.standard);
    world
        .service
        .refuses(
            "activation.create",
            refused("STANDARD_NOT_FOR_JUMPS"),
            world.a.admin.activations().create_broker_activation(activate),
        )
        .await;
}

/// R07
#[test]
fn no_jump_request_has_a_field_for_a_user() {
    let files = FileDescriptorSet::decode(FILE_DESCRIPTOR_SET).expect("descriptors").file;
    let messages = files.iter().flat_map(|file| &file.message_type);
    let requests: Vec<_> = messages
        .filter(|message| ["JumpToTarifRequest", "JumpToInsurerPortalRequest"].contains(&message.name()))
        .collect();
    assert_eq!(requests.len(), 2);
    for field in requests.iter().flat_map(|message| &message.field) {
        assert!(!field.name().contains("user") && !field.name().contains("tenant"), "{}", field.name());
    }
}

/// A `JumpToTarifRequest` of a client that knows more fields than we do.
#[derive(Clone, PartialEq, Message)]
struct WishfulRequest {
    #[prost(string, tag = "1")]
    request_id: String,
    #[prost(string, tag = "2")]
    target_id: String,
    #[prost(message, optional, tag = "3")]
    person: Option<v1::Person>,
    #[prost(string, tag = "100")]
    user_id: String,
    #[prost(string, tag = "101")]
    concenter_user_name: String,
}

/// R07
#[tokio::test]
async fn an_unknown_field_changes_nothing() {
    let world = World::example().await;
    let wish = WishfulRequest {
        request_id: request_id(),
        target_id: X.to_owned(),
        person: Some(broker(MEIER)),
        user_id: world.a.schulze.clone(),
        concenter_user_name: "schulze".to_owned(),
    };

    let mut grpc = tonic::client::Grpc::new(world.a.portal.wire());
    grpc.ready().await.expect("a connection");
    let path = PathAndQuery::from_static("/concenter.v1.JumpService/JumpToTarif");
    let codec: ProstCodec<WishfulRequest, v1::JumpToTarifResponse> = ProstCodec::default();
    let jump = grpc.unary(Request::new(wish), path, codec).await.expect("a jump").into_inner();
    let redeemed = world.redeem(X, proof(&jump)).await.expect("a redemption").into_inner();
    assert_eq!(redeemed.concenter_user_name, "meier");
}

/// R08
#[tokio::test]
async fn a_stated_segment_that_contradicts_the_record_is_refused() {
    let world = World::example().await;
    for (customer, stated) in [(C1, v1::Segment::Commercial), (K1, v1::Segment::Private)] {
        refuses(&world, "SEGMENT_MISMATCH", to(X, Some(customer_of(customer, Some(stated))))).await;
    }
    let agreed = customer_of(C1, Some(v1::Segment::Private));
    assert_eq!(world.arrive(X, agreed).await.segment(), v1::Segment::Private);
}

#[tokio::test]
async fn a_portal_may_state_the_segment_of_a_customer_without_a_record_and_nothing_is_written() {
    let world = World::example().await;
    let stated = customer_of("c-neu", Some(v1::Segment::Commercial));
    let redeemed = world.arrive(X, stated).await;
    assert_eq!(redeemed.concenter_user_name, "gewerbekunden");
    assert_eq!(redeemed.segment(), v1::Segment::Commercial);
    let records = "SELECT count(*) FROM customer WHERE customer_id = 'c-neu'";
    assert_eq!(world.service.reader().await.integer(records, &[]).await, 0);
}

#[tokio::test]
async fn a_customer_without_a_record_has_no_segment() {
    let world = World::example().await;
    refuses(&world, "SEGMENT_UNKNOWN", to(X, Some(customer("c-neu")))).await;
    let himself = world.service.customer(&world.a.tenant, "c-neu", "c-neu");
    world.service.refuses("jump.issue", refused("SEGMENT_UNKNOWN"), himself.jumps().jump_to_tarif(to(X, None))).await;
}

/// R09, I1
#[tokio::test]
async fn two_customers_share_the_user_and_never_the_subject() {
    let world = World::example().await;
    let (one, other) = (world.arrive(X, customer(C1)).await, world.arrive(X, customer(C2)).await);
    assert_eq!(one.concenter_user_name, "privatkunden");
    assert_eq!(other.concenter_user_name, one.concenter_user_name);
    assert_ne!(other.subject, one.subject);
    assert!(one.end_customer && other.end_customer);
    assert_eq!(world.arrive(X, customer(C1)).await.subject, one.subject, "the same again at the next jump");
}

/// R10, I12
#[tokio::test]
async fn a_customer_has_another_subject_at_every_target() {
    let world = World::example().await;
    let (x, y) = (world.arrive(X, customer(C1)).await, world.arrive(Y, customer(C1)).await);
    assert_eq!(x.concenter_user_name, y.concenter_user_name);
    assert_ne!(x.subject, y.subject);
}

/// I12
#[tokio::test]
async fn the_same_id_in_another_tenant_or_as_another_kind_of_person_is_another_subject() {
    let world = World::example().await;
    let ours = world.arrive(X, customer(C1)).await;
    let jump = world.b.jump(X, customer(C1)).await.expect("a jump").into_inner();
    let theirs = world.redeem(X, proof(&jump)).await.expect("a redemption").into_inner();
    assert_ne!(ours.subject, theirs.subject);
    assert_ne!(ours.tenant_id, theirs.tenant_id);

    world.a.activate(C1, &world.a.meier).await;
    assert_ne!(world.arrive(X, broker(C1)).await.subject, ours.subject);
}

/// I2
#[tokio::test]
async fn every_broker_jumps_with_his_own_user() {
    let world = World::example().await;
    for (id, name) in [(MEIER, "meier"), (SCHULZE, "schulze")] {
        let redeemed = world.arrive(X, broker(id)).await;
        assert_eq!(redeemed.concenter_user_name, name);
        assert_eq!(redeemed.person_kind(), v1::PersonKind::Broker);
        assert_eq!(redeemed.segment(), v1::Segment::Unspecified);
        assert!(!redeemed.end_customer);
    }
}

#[tokio::test]
async fn a_customers_own_user_comes_before_the_shared_one() {
    let world = World::example().await;
    let own = user("A", "eigener", UserKind::EndCustomer, only(&[COMPARATOR]));
    let own = world.a.new_user(own).await;
    world.a.assign(C1, Some(&own)).await;
    assert_eq!(world.arrive(X, customer(C1)).await.concenter_user_name, "eigener");
    assert_eq!(world.arrive(X, customer(C2)).await.concenter_user_name, "privatkunden");
    world.a.disable(&own).await;
    refuses(&world, "USER_DISABLED", to(X, Some(customer(C1)))).await;
    world.a.assign(C1, None).await;
    assert_eq!(world.arrive(X, customer(C1)).await.concenter_user_name, "privatkunden");
}

#[tokio::test]
async fn a_commercial_customer_falls_back_only_where_it_is_switched_on() {
    let world = World::example().await;
    assert_eq!(world.arrive(X, customer(K1)).await.concenter_user_name, "gewerbekunden");
    world.a.share(None, Some(""), None).await;
    refuses(&world, "NO_USER_ASSIGNED", to(X, Some(customer(K1)))).await;
    world.a.share(None, None, Some(true)).await;
    let fallen_back = world.arrive(X, customer(K1)).await;
    assert_eq!(fallen_back.concenter_user_name, "privatkunden");
    assert_eq!(fallen_back.segment(), v1::Segment::Commercial);
}

#[tokio::test]
async fn two_activations_with_different_users_are_never_chosen_from_silently() {
    let world = World::example().await;
    let second = world.a.activate(MEIER, &world.a.schulze).await;
    let status = refuses(&world, "AMBIGUOUS_ACTIVATION", to(X, Some(broker(MEIER)))).await;
    let mut candidates = vec![world.a.meiers.clone(), second.clone()];
    candidates.sort();
    assert_eq!(dependents(&status), candidates);

    let named = v1::JumpToTarifRequest { activation_id: Some(second), ..to(X, Some(broker(MEIER))) };
    let jump = world.a.portal.jumps().jump_to_tarif(named).await.expect("a jump").into_inner();
    let redeemed = world.redeem(X, proof(&jump)).await.expect("a redemption").into_inner();
    assert_eq!(redeemed.concenter_user_name, "schulze");
}

#[tokio::test]
async fn a_disabled_activation_is_not_used() {
    let world = World::example().await;
    let etag = world.a.activation(&world.a.meiers).await.etag;
    let activation_id = world.a.meiers.clone();
    let disable = v1::DisableBrokerActivationRequest { request_id: request_id(), activation_id, etag };
    world.a.admin.activations().disable_broker_activation(disable).await.expect("a disabled activation");
    refuses(&world, "ACTIVATION_DISABLED", to(X, Some(broker(MEIER)))).await;
}

#[tokio::test]
async fn a_user_without_a_password_is_not_jumped_with() {
    let world = World::example().await;
    let new = v1::CreateUserRequest { password: None, ..user("A", "neu", UserKind::Broker, all()) };
    let new = world.a.new_user(new).await;
    world.a.activate("n.neu", &new).await;
    refuses(&world, "SECRET_MISSING", to(X, Some(broker("n.neu")))).await;
}

#[tokio::test]
async fn customers_never_get_an_insurers_portal() {
    let world = World::example().await;
    for person in [customer(C1), customer(K1)] {
        world
            .service
            .refuses(
                "jump.issue",
                refused("INSURER_PORTAL_FORBIDDEN"),
                world.a.portal.jumps().jump_to_insurer_portal(into_portal(V, Some(person))),
            )
            .await;
    }
    let by_the_other_rpc = to(V, Some(customer(C1)));
    refuses(&world, "INSURER_PORTAL_FORBIDDEN", by_the_other_rpc).await;
}

#[tokio::test]
async fn a_target_of_the_other_kind_is_refused() {
    let world = World::example().await;
    refuses(&world, "TARGET_KIND_MISMATCH", to(V, Some(broker(MEIER)))).await;
    world
        .service
        .refuses(
            "jump.issue",
            refused("TARGET_KIND_MISMATCH"),
            world.a.portal.jumps().jump_to_insurer_portal(into_portal(X, Some(broker(MEIER)))),
        )
        .await;
}

#[tokio::test]
async fn a_provider_out_of_the_users_scope_is_refused() {
    let world = World::example().await;
    // The target's own provider, and one that the request names.
    refuses(&world, "PROVIDER_NOT_ALLOWED", to(P, Some(customer(C1)))).await;
    let named = v1::JumpToTarifRequest { product_provider_id: Some(INSURER.to_owned()), ..to(X, Some(customer(C1))) };
    refuses(&world, "PROVIDER_NOT_ALLOWED", named).await;
    assert_eq!(world.arrive(P, customer(K1)).await.concenter_user_name, "gewerbekunden");
}

#[tokio::test]
async fn a_target_refuses_lines_and_people_that_it_does_not_take() {
    let world = World::example().await;
    let narrow = concenter_gateway::proto::admin::v1::PutTargetRequest {
        accepted_persons: vec![v1::PersonKind::Broker.into()],
        lines_of_business: Some(only_lines(&["010", "050"])),
        ..calculator("rechner-eng")
    };
    world.service.operator().catalog_admin().put_target(narrow).await.expect("a target");
    let of_line = |line: &str, person| v1::JumpToTarifRequest {
        line_of_business: Some(line.to_owned()),
        ..to("rechner-eng", Some(person))
    };
    refuses(&world, "LINE_OF_BUSINESS_NOT_SUPPORTED", of_line("020", broker(MEIER))).await;
    refuses(&world, "PERSON_NOT_ACCEPTED", of_line("010", customer(C1))).await;
    assert!(world.a.portal.jumps().jump_to_tarif(of_line("050", broker(MEIER))).await.is_ok());
}
