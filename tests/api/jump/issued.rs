//! Issuing: targets, lives, deliveries, and the same request again.

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use concenter_gateway::proto::v1;
use concenter_gateway::proto::v1::redeem_jump_request::Proof;
use prost_types::Duration;
use serde_json::Value;
use tonic::{Code, Status};

use crate::harness::*;

const fn refused(reason: &str) -> (Code, &str) {
    (Code::FailedPrecondition, reason)
}

/// Asks A's portal for a jump of `c-1`, which must be made.
async fn jump(world: &World, target: &str) -> v1::JumpToTarifResponse {
    world.a.jump(target, customer(C1)).await.expect("a jump").into_inner()
}

/// J01
#[tokio::test]
async fn an_unknown_target_is_not_found() {
    let world = World::example().await;
    let jump = world.a.jump("rechner-fehlt", customer(C1));
    let status = world.service.refuses("jump.issue", (Code::NotFound, "NOT_FOUND"), jump).await;
    assert!(!everything(&status).contains("rechner-fehlt"));
    let named = v1::JumpToTarifRequest { product_provider_id: Some("fehlt".to_owned()), ..to(X, Some(customer(C1))) };
    world
        .service
        .refuses("jump.issue", (Code::NotFound, "NOT_FOUND"), world.a.portal.jumps().jump_to_tarif(named))
        .await;
}

/// J01
#[tokio::test]
async fn a_disabled_target_or_provider_takes_no_jump() {
    let world = World::example().await;
    disable_target(&world, X).await;
    world.service.refuses("jump.issue", refused("TARGET_DISABLED"), world.a.jump(X, customer(C1))).await;
    disable_provider(&world, COMPARATOR).await;
    world.service.refuses("jump.issue", refused("PROVIDER_DISABLED"), world.a.jump(Y, customer(C1))).await;
    assert!(world.a.jump(P, customer(K1)).await.is_ok(), "another provider's target");
}

/// J02
#[tokio::test]
async fn a_life_out_of_bounds_is_refused() {
    let world = World::example().await;
    for (seconds, nanos) in [
        (0, 0),
        (-1, 0),
        (-60, 0),
        (9, 0),
        (9, 999_999_999),
        (121, 0),
        (120, 1),
        (60, 500_000_000),
        (60, -1),
        (60, 1_000_000_000),
        (60, i32::MAX),
        (i64::MAX, 0),
        (i64::MIN, i32::MIN),
    ] {
        let wish = v1::JumpToTarifRequest { ttl: Some(Duration { seconds, nanos }), ..to(X, Some(customer(C1))) };
        world.service.refuses_fields(&["ttl"], world.a.portal.jumps().jump_to_tarif(wish)).await;
    }
}

/// J02
#[tokio::test]
async fn a_jump_lives_as_long_as_asked_for_and_60_seconds_otherwise() {
    let world = World::example().await;
    for (asked, lives) in [(None, 60), (Some(10), 10), (Some(60), 60), (Some(120), 120)] {
        let ttl = asked.map(|seconds| Duration { seconds, nanos: 0 });
        let wish = v1::JumpToTarifRequest { ttl, ..to(X, Some(customer(C1))) };
        let jump = world.a.portal.jumps().jump_to_tarif(wish).await.expect("a jump").into_inner();
        assert_eq!(jump.expires_at, Some(prost_types::Timestamp { seconds: world.service.now() + lives, nanos: 0 }));
        let claims = Token::read(&token(&jump)).payload;
        assert_eq!(claims["exp"].as_i64(), Some(world.service.now() + lives));
        assert_eq!(claims["iat"].as_i64(), Some(world.service.now()));
    }
}

#[tokio::test]
async fn all_fields_that_cannot_be_taken_are_named_at_once() {
    let world = World::example().await;
    let wish = v1::JumpToTarifRequest {
        request_id: "x".to_owned(),
        target_id: "Rechner X".to_owned(),
        person: Some(customer("c 1")),
        actor_id: Some(String::new()),
        activation_id: Some("x".to_owned()),
        customer_context_id: Some("' OR 1=1 --".to_owned()),
        line_of_business: Some("50".to_owned()),
        product_provider_id: Some("Sicher AG".to_owned()),
        context: Some("\u{1b}[2J".to_owned()),
        nonce: Some("a b".to_owned()),
        return_url: Some("javascript:alert(1)".to_owned()),
        ttl: Some(Duration { seconds: 0, nanos: 0 }),
        target_page: Some("../admin".to_owned()),
    };
    let fields = [
        "activation_id",
        "actor_id",
        "context",
        "customer_context_id",
        "line_of_business",
        "nonce",
        "person.customer.customer_id",
        "product_provider_id",
        "request_id",
        "return_url",
        "target_id",
        "target_page",
        "ttl",
    ];
    let status = world.service.refuses_fields(&fields, world.a.portal.jumps().jump_to_tarif(wish)).await;
    for sent in ["Rechner X", "c 1", "OR 1=1", "Sicher AG", "[2J", "a b", "alert", "admin"] {
        assert!(!everything(&status).contains(sent), "{sent} is echoed");
    }
}

#[tokio::test]
async fn a_segment_that_the_api_does_not_know_is_refused() {
    let world = World::example().await;
    for segment in [0, 99, -1] {
        let reference = v1::CustomerRef { customer_id: C1.to_owned(), segment: Some(segment) };
        let person = v1::Person { person: Some(v1::person::Person::Customer(reference)) };
        world.service.refuses_fields(&["person.customer.segment"], world.a.jump(X, person)).await;
    }
}

/// J20, T13
#[tokio::test]
async fn a_return_url_that_is_not_registered_is_refused() {
    let world = World::example().await;
    for url in [
        "https://portal.example/",
        "https://portal.example/zurueck?von=rechner&x=1",
        "http://portal.example/zurueck?von=rechner",
        "https://user@portal.example/zurueck?von=rechner",
        "//evil.example/zurueck",
        "https://portal.example/zurueck?von=rechner#x",
        "https://portal.example/zurueck?von=rechner\r\nLocation: https://evil.example",
        "https://portal.example/zurueck?von=rechner\u{85}",
        "https://portal.example\\@evil.example/zurueck?von=rechner",
        "https://portal.example.evil.example/zurueck?von=rechner",
        "https://portal.example/x/../zurueck?von=rechner",
        "https://portal.example/zurueck?von=%72echner",
        "https://portal.example:443/zurueck?von=rechner",
        "https://PORTAL.example/zurueck?von=rechner",
        "javascript:alert(1)",
        "{portal}",
        "",
    ] {
        let wish = v1::JumpToTarifRequest { return_url: Some(url.to_owned()), ..to(X, Some(customer(C1))) };
        let status = world.service.refuses_fields(&["return_url"], world.a.portal.jumps().jump_to_tarif(wish)).await;
        assert!(url.is_empty() || !everything(&status).contains(url), "{url} is echoed");
    }
    let wish = v1::JumpToTarifRequest { return_url: Some(RETURN_URL.to_owned()), ..to(X, Some(customer(C1))) };
    assert!(world.a.portal.jumps().jump_to_tarif(wish).await.is_ok());
}

#[tokio::test]
async fn a_fragment_target_gets_the_token_behind_its_own_url() {
    let world = World::example().await;
    let jump = jump(&world, X).await;
    assert_eq!(jump.deep_link, format!("{}#token={}", url_of(X), token(&jump)));
    assert_eq!(jump.form_post, None);
}

#[tokio::test]
async fn a_get_target_gets_an_opaque_handle_and_never_the_token() {
    let world = World::example().await;
    let jump = jump(&world, Y).await;
    let Proof::Handle(handle) = proof(&jump) else { panic!("a handle") };
    assert_eq!(jump.deep_link, format!("{}?j={handle}", url_of(Y)));
    let (tenant, secret) = handle.split_once('.').expect("a handle");
    assert_eq!(tenant, world.a.tenant);
    assert_eq!(secret.len(), 43, "256 bits");
    assert_eq!(jump.form_post, None);
}

#[tokio::test]
async fn a_form_target_gets_a_link_to_the_landing_page_and_what_to_post() {
    let world = World::example().await;
    let jump = world.a.jump(P, customer(K1)).await.expect("a jump").into_inner();
    assert_eq!(jump.deep_link, format!("{}/j/{P}#{}", world.service.public_url(), token(&jump)));
    let form = jump.form_post.expect("a form");
    assert_eq!(form.action_url, url_of(P));
    assert!(form.token.len() <= 700);
}

#[tokio::test]
async fn the_published_keys_verify_a_token_that_carries_ids_of_nobody() {
    let world = World::example().await;
    // Long enough that it does not stand in random letters by chance.
    let id = "kunde-nummer-4711";
    let person = customer_of(id, Some(v1::Segment::Private));
    let token = token(&world.a.jump(X, person).await.expect("a jump").into_inner());
    let answer = world.service.anonymous().jumps().get_jwks(v1::GetJwksRequest {}).await.expect("keys").into_inner();
    let jwks: Value = serde_json::from_str(&answer.jwks).expect("JSON");
    let claims = Token::read(&token);
    let key = jwks["keys"].as_array().expect("keys").iter().find(|key| key["kid"] == claims.header["kid"]);
    let key = key.expect("the key of the token");
    let coordinate = |name: &str| decode(key[name].as_str().expect("a coordinate"));
    let point = [vec![4], coordinate("x"), coordinate("y")].concat();
    let (signed, signature) = token.rsplit_once('.').expect("a compact token");
    let public = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point);
    public.verify(signed.as_bytes(), &decode(signature)).expect("the published key made the signature");

    assert!(token.len() <= 700, "{}", token.len());
    let mut names: Vec<_> = claims.payload.as_object().expect("claims").keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["aud", "ek", "ep", "exp", "iat", "iss", "jti", "nbf", "seg", "sub", "tid"]);
    assert_eq!((&claims.payload["aud"], &claims.payload["seg"]), (&X.into(), &"private".into()));
    assert_eq!((&claims.payload["ek"], &claims.payload["tid"]), (&true.into(), &world.a.tenant.as_str().into()));
    assert_eq!(claims.header["typ"], "cc-jump+jwt");
    for private in [id, "privatkunden", &password("A", "privatkunden"), &world.a.private] {
        assert!(!claims.payload.to_string().contains(private), "{private}");
    }
}

/// J19
#[tokio::test]
async fn the_same_request_gets_the_same_jump_while_it_is_open() {
    let world = World::example().await;
    for target in [X, Y] {
        let wish = to(target, Some(customer(C1)));
        let first = world.a.portal.jumps().jump_to_tarif(wish.clone()).await.expect("a jump").into_inner();
        let state = world.service.state().await;
        world.service.clock.advance(30);
        let again = world.a.portal.jumps().jump_to_tarif(wish).await.expect("the same jump").into_inner();
        assert_eq!((&again.jump_id, &again.expires_at), (&first.jump_id, &first.expires_at));
        match (proof(&first), proof(&again)) {
            (Proof::Token(first), Proof::Token(again)) => {
                assert_eq!(Token::read(&first).payload, Token::read(&again).payload);
            }
            (first, again) => assert!(first == again, "the same handle"),
        }
        assert_eq!(world.service.state().await, state, "a repeated request changed something");
        assert!(world.redeem(target, proof(&again)).await.is_ok());
    }
}

/// J19
#[tokio::test]
async fn the_same_request_after_the_redeem_never_gets_a_second_credential() {
    let world = World::example().await;
    let wish = to(X, Some(customer(C1)));
    let first = world.a.portal.jumps().jump_to_tarif(wish.clone()).await.expect("a jump").into_inner();
    world.redeem(X, proof(&first)).await.expect("a redemption");
    world.service.refuses("jump.issue", refused("JUMP_ALREADY_REDEEMED"), repeat(&world, &wish)).await;
    world.service.clock.advance(600);
    world.service.refuses("jump.issue", refused("JUMP_ALREADY_REDEEMED"), repeat(&world, &wish)).await;
}

/// J19
#[tokio::test]
async fn the_same_request_after_its_jump_died_says_so() {
    let world = World::example().await;
    let (expiring, revoked) = (to(X, Some(customer(C1))), to(X, Some(customer(C2))));
    repeat(&world, &expiring).await.expect("a jump");
    world.service.clock.advance(66);
    world.service.refuses("jump.issue", refused("JUMP_EXPIRED"), repeat(&world, &expiring)).await;
    repeat(&world, &revoked).await.expect("a jump");
    world.a.set_secret(&world.a.private, "neu").await;
    world.service.refuses("jump.issue", refused("JUMP_REVOKED"), repeat(&world, &revoked)).await;
}

/// J19
#[tokio::test]
async fn a_request_id_is_used_for_one_request_of_one_caller() {
    let world = World::example().await;
    let wish = to(X, Some(customer(C1)));
    let first = repeat(&world, &wish).await.expect("a jump").into_inner();
    let reused = (Code::InvalidArgument, "REQUEST_ID_REUSED");
    let for_another = v1::JumpToTarifRequest { person: Some(customer(C2)), ..wish.clone() };
    world.service.refuses("jump.issue", reused, repeat(&world, &for_another)).await;
    let longer = v1::JumpToTarifRequest { ttl: Some(Duration { seconds: 120, nanos: 0 }), ..wish.clone() };
    world.service.refuses("jump.issue", reused, repeat(&world, &longer)).await;

    // Another caller, and another tenant, know nothing of it.
    let himself = world.service.customer(&world.a.tenant, C1, C1);
    let own = v1::JumpToTarifRequest { person: None, ..wish.clone() };
    let second = himself.jumps().jump_to_tarif(own).await.expect("his own jump").into_inner();
    let third = world.b.portal.jumps().jump_to_tarif(wish).await.expect("a jump of B").into_inner();
    assert!(first.jump_id != second.jump_id && first.jump_id != third.jump_id);
}

/// J19, I2: staff of two companies, by a credential of each, with one subject.
#[tokio::test]
async fn a_repeated_request_never_gets_the_jump_of_another_person() {
    let world = World::example().await;
    let staff = |customer: &str| world.service.customer(&world.a.tenant, customer, "s.buero");
    let wish = to(X, None);
    let for_k1 = staff(K1).jumps().jump_to_tarif(wish.clone()).await.expect("a jump").into_inner();
    let for_c1 = staff(C1).jumps().jump_to_tarif(wish).await.expect("another jump").into_inner();
    assert_ne!(for_k1.jump_id, for_c1.jump_id);
    let arrived = world.redeem(X, proof(&for_c1)).await.expect("a redemption").into_inner();
    assert_eq!(arrived.concenter_user_name, "privatkunden", "the private customer's own jump");
}

#[tokio::test]
async fn a_repeated_request_that_gets_its_token_again_is_written_down() {
    let world = World::example().await;
    let wish = to(X, Some(customer(C1)));
    let first = repeat(&world, &wish).await.expect("a jump").into_inner();
    let before = world.service.audit().await;
    repeat(&world, &wish).await.expect("the same jump");
    let rows = world.service.audit_since(&before).await;
    let seen: Vec<_> =
        rows.iter().map(|row| (row.action.as_str(), row.object.as_deref(), row.reason.as_deref())).collect();
    assert_eq!(seen, [("jump.repeat", Some(first.jump_id.as_str()), None)]);
}

/// At the target the context's name is the other customer's own `sub`.
#[tokio::test]
async fn a_customer_brings_no_other_customer_along() {
    let world = World::example().await;
    let with_context = |person| v1::JumpToTarifRequest {
        customer_context_id: Some(C2.to_owned()),
        activation_id: Some(world.a.meiers.clone()),
        ..to(X, person)
    };
    let fields = ["activation_id", "customer_context_id"];
    world.service.refuses_fields(&fields, repeat(&world, &with_context(Some(customer(C1))))).await;
    let himself = world.service.customer(&world.a.tenant, C1, C1);
    world.service.refuses_fields(&fields, himself.jumps().jump_to_tarif(with_context(None))).await;
}

/// A request id is for one request, whatever the method.
#[tokio::test]
async fn a_request_id_of_another_effect_makes_no_jump() {
    let world = World::example().await;
    let put =
        v1::PutCustomersRequest { request_id: request_id(), customers: vec![record("c-9", v1::Segment::Private)] };
    let wish = v1::JumpToTarifRequest { request_id: put.request_id.clone(), ..to(X, Some(customer(C1))) };
    world.a.portal.customers().put_customers(put).await.expect("a record");
    let reused = (Code::InvalidArgument, "REQUEST_ID_REUSED");
    world.service.refuses("jump.issue", reused, repeat(&world, &wish)).await;
}

#[tokio::test]
async fn a_request_without_an_id_is_refused() {
    let world = World::example().await;
    for id in ["", "1", "{00000000-0000-4000-8000-000000000001}", "00000000000040008000000000000001"] {
        let wish = v1::JumpToTarifRequest { request_id: id.to_owned(), ..to(X, Some(customer(C1))) };
        world.service.refuses_fields(&["request_id"], repeat(&world, &wish)).await;
    }
}

/// Sends a request as A's portal.
async fn repeat(
    world: &World,
    wish: &v1::JumpToTarifRequest,
) -> Result<tonic::Response<v1::JumpToTarifResponse>, Status> {
    world.a.portal.jumps().jump_to_tarif(wish.clone()).await
}
