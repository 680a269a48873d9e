//! Redeeming: once, by the right target, in time; and what it hands over.

use std::sync::Arc;

use concenter_gateway::domain::caller::Role;
use concenter_gateway::proto::v1;
use concenter_gateway::proto::v1::redeem_jump_request::Proof;
use concenter_gateway::proto::v1::{ActorRole, PersonKind, Segment};
use prost_types::Duration;
use tonic::Code;

use crate::harness::*;

const INVALID: (Code, &str) = (Code::PermissionDenied, "JUMP_INVALID");

const fn refused(reason: &str) -> (Code, &str) {
    (Code::FailedPrecondition, reason)
}

/// Asks A's portal for a jump that must be made, and gives its proof.
async fn issued(world: &World, wish: v1::JumpToTarifRequest) -> Proof {
    proof(world.a.portal.jumps().jump_to_tarif(wish).await.expect("a jump").get_ref())
}

/// J10
#[tokio::test]
async fn a_token_for_one_target_is_invalid_for_another_and_stays_good() {
    let world = World::example().await;
    for (target, others) in [(X, [Y, P, V]), (Y, [X, P, V])] {
        let proof = issued(&world, to(target, Some(customer(C1)))).await;
        let before = world.service.state().await;
        for other in others {
            let status = status_of(world.redeem(other, proof.clone()).await);
            assert_eq!(reason(&status), (INVALID.0, INVALID.1.to_owned()), "{target} at {other}");
        }
        assert_eq!(world.service.state().await, before);
        assert!(world.redeem(target, proof).await.is_ok(), "{target} can still redeem");
    }
}

/// J10: a forgery leaves no row, but this token is authentic and a known caller had no right to it.
#[tokio::test]
async fn a_token_at_the_wrong_target_is_written_down() {
    let world = World::example().await;
    for (target, other) in [(Y, X), (X, Y)] {
        let proof = issued(&world, to(target, Some(customer(C1)))).await;
        world.service.refuses("jump.redeem", INVALID, world.redeem(other, proof)).await;
    }
}

/// J11, I5
#[tokio::test]
async fn a_redeemed_jump_is_refused_written_down_and_its_session_revoked() {
    let world = World::example().await;
    for target in [X, Y] {
        let proof = issued(&world, to(target, Some(customer(C1)))).await;
        world.redeem(target, proof.clone()).await.expect("a redemption");
        let before = world.service.audit().await;
        let status = status_of(world.redeem(target, proof).await);
        assert_eq!(reason(&status), (Code::FailedPrecondition, "JUMP_ALREADY_REDEEMED".to_owned()));
        assert!(!everything(&status).contains("geheim"));
        let rows = world.service.audit_since(&before).await;
        let seen: Vec<_> = rows.iter().map(|row| (row.action.as_str(), row.reason.as_deref())).collect();
        assert_eq!(seen, [("jump.redeem", Some("JUMP_ALREADY_REDEEMED"))]);
        assert!(rows[0].object.is_some(), "the row names the jump");
    }
    let revoked = "SELECT count(*) FROM jump WHERE session_revoked_at IS NOT NULL";
    assert_eq!(world.service.reader().await.integer(revoked, &[]).await, 2);
}

/// J11: out of the history of a browser, long after its minute, while the session that it opened may still run.
#[tokio::test]
async fn a_redeemed_jump_that_comes_back_late_still_revokes_its_session() {
    let world = World::example().await;
    for target in [X, Y] {
        let proof = issued(&world, to(target, Some(customer(C1)))).await;
        world.redeem(target, proof.clone()).await.expect("a redemption");
        world.service.clock.advance(600);
        let status = status_of(world.redeem(target, proof).await);
        assert_eq!(reason(&status), (Code::FailedPrecondition, "JUMP_ALREADY_REDEEMED".to_owned()), "{target}");
    }
    let revoked = "SELECT count(*) FROM jump WHERE session_revoked_at IS NOT NULL";
    assert_eq!(world.service.reader().await.integer(revoked, &[]).await, 2);
}

/// J11, I5
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_64_redemptions_at_once_exactly_one_wins() {
    let world = Arc::new(World::example().await);
    let proof = issued(&world, to(X, Some(customer(C1)))).await;
    let (x, start) = (world.service.target(X), Arc::new(tokio::sync::Barrier::new(64)));
    let racers = (0..64).map(|_| {
        let (x, proof, start) = (x.clone(), proof.clone(), Arc::clone(&start));
        tokio::spawn(async move {
            start.wait().await;
            x.jumps().redeem_jump(redeem(proof)).await.map(|answer| answer.get_ref().password.clone())
        })
    });
    let (mut passwords, mut refusals) = (Vec::new(), Vec::new());
    for racer in racers.collect::<Vec<_>>() {
        match racer.await.expect("a racer") {
            Ok(password) => passwords.push(password),
            Err(status) => refusals.push(reason(&status)),
        }
    }
    assert_eq!(passwords, [Some(password("A", "privatkunden"))]);
    assert_eq!(refusals, vec![(Code::FailedPrecondition, "JUMP_ALREADY_REDEEMED".to_owned()); 63]);
    let rows = world.service.audit().await;
    let accepted = rows.iter().filter(|row| row.action == "jump.redeem" && row.reason.is_none());
    assert_eq!(accepted.count(), 1);
}

/// J12
#[tokio::test]
async fn a_jump_is_good_for_5_seconds_beyond_its_end() {
    let world = World::example().await;
    for target in [X, Y] {
        let [first, second, third] = [
            issued(&world, to(target, Some(customer(C1)))).await,
            issued(&world, to(target, Some(customer(C1)))).await,
            issued(&world, to(target, Some(customer(C1)))).await,
        ];
        let end = world.service.now() + 60;
        world.service.clock.set(end + 4);
        assert!(world.redeem(target, first).await.is_ok(), "{target}: four seconds late");
        world.service.clock.set(end + 5);
        world.service.refuses("jump.redeem", refused("JUMP_EXPIRED"), world.redeem(target, second)).await;
        world.service.clock.set(end + 6);
        world.service.refuses("jump.redeem", refused("JUMP_EXPIRED"), world.redeem(target, third)).await;
    }
}

/// J12
#[tokio::test]
async fn a_jump_of_an_old_epoch_is_revoked() {
    let world = World::example().await;
    let before = [issued(&world, to(X, Some(customer(C1)))).await, issued(&world, to(Y, Some(customer(C1)))).await];
    let sql = "UPDATE service SET epoch = epoch + 1";
    world.service.shell().await.execute(sql, &[]).await.expect(sql);
    for (target, proof) in [X, Y].into_iter().zip(before) {
        world.service.refuses("jump.redeem", refused("JUMP_REVOKED"), world.redeem(target, proof)).await;
    }
    // The service has seen the new epoch by now; what it issues is of that one.
    let after = issued(&world, to(X, Some(customer(C1)))).await;
    assert!(world.redeem(X, after).await.is_ok());
}

#[tokio::test]
async fn a_password_is_handed_over_only_where_the_targets_entry_says_so() {
    let world = World::example().await;
    let x = world.arrive(X, customer(C1)).await;
    assert_eq!(x.password, Some(password("A", "privatkunden")));
    assert_eq!(world.arrive(P, broker(MEIER)).await.password, Some(password("A", "meier")));
    assert_eq!(world.arrive(Y, customer(C1)).await.password, None);

    let jump = world.a.portal.jumps().jump_to_insurer_portal(into_portal(V, Some(broker(MEIER)))).await;
    let token = jump.expect("a jump").into_inner().deep_link;
    let token = token.split_once("#token=").expect("a token").1.to_owned();
    let v = world.redeem(V, Proof::Token(token)).await.expect("a redemption").into_inner();
    assert_eq!((v.password.as_ref(), v.concenter_user_name.as_str()), (None, "meier"));
}

#[tokio::test]
async fn a_customer_hands_over_his_segment_a_scope_and_short_sessions() {
    let world = World::example().await;
    let redeemed = world.arrive(X, customer(K1)).await;
    assert_eq!(redeemed.person_kind(), PersonKind::Customer);
    assert_eq!(redeemed.segment(), Segment::Commercial);
    assert!(redeemed.end_customer);
    assert_eq!(redeemed.provider_scope, Some(only(&[INSURER, COMPARATOR])));
    assert_eq!(redeemed.session_limits, Some(limits(15, 30)));
    assert_eq!(redeemed.tenant_id, world.a.tenant);
    assert_eq!(redeemed.subject.len(), 43);
}

#[tokio::test]
async fn a_broker_hands_over_no_segment_and_longer_sessions() {
    let world = World::example().await;
    let redeemed = world.arrive(X, broker(MEIER)).await;
    assert_eq!(redeemed.person_kind(), PersonKind::Broker);
    assert_eq!(redeemed.segment(), Segment::Unspecified);
    assert!(!redeemed.end_customer);
    assert_eq!(redeemed.provider_scope, Some(all()));
    assert_eq!(redeemed.session_limits, Some(limits(30, 8 * 60)));
}

/// So many minutes without activity, and so many at all.
fn limits(idle: i64, absolute: i64) -> v1::SessionLimits {
    let minutes = |minutes: i64| Some(Duration { seconds: minutes * 60, nanos: 0 });
    v1::SessionLimits { idle: minutes(idle), absolute: minutes(absolute) }
}

#[tokio::test]
async fn what_the_portal_packed_arrives_as_it_was() {
    let world = World::example().await;
    let wish = v1::JumpToTarifRequest {
        line_of_business: Some("050".to_owned()),
        product_provider_id: Some(INSURER.to_owned()),
        context: Some("Fahrzeug: Käfer\n\tTür links, \"rot\" <b>&amp;".to_owned()),
        return_url: Some(RETURN_URL.to_owned()),
        ..to(X, Some(broker(MEIER)))
    };
    let proof = issued(&world, wish.clone()).await;
    let redeemed = world.redeem(X, proof).await.expect("a redemption").into_inner();
    assert_eq!(redeemed.line_of_business, wish.line_of_business);
    assert_eq!(redeemed.product_provider_id, wish.product_provider_id);
    assert_eq!(redeemed.context, wish.context);
    assert_eq!(redeemed.return_url, wish.return_url);

    let bare = world.arrive(X, broker(MEIER)).await;
    assert_eq!((&bare.line_of_business, &bare.product_provider_id), (&None, &None));
    assert_eq!((&bare.context, &bare.return_url, &bare.customer_context), (&None, &None, &None));
    assert_eq!(bare.actor, None);
}

#[tokio::test]
async fn an_actor_is_handed_over_pairwise_and_decides_nothing() {
    let world = World::example().await;
    let by = |actor: &str, target| v1::JumpToTarifRequest {
        actor_id: Some(actor.to_owned()),
        ..to(target, Some(customer(C1)))
    };
    let plain = world.arrive(X, customer(C1)).await;
    let mut seen = Vec::new();
    for target in [X, Y] {
        let proof = issued(&world, by("m.muster", target)).await;
        let redeemed = world.redeem(target, proof).await.expect("a redemption").into_inner();
        let actor = redeemed.actor.clone().expect("an actor");
        assert_eq!(actor.role(), ActorRole::PortalUser);
        assert!(actor.subject.len() == 43 && actor.subject != redeemed.subject);
        seen.push(actor.subject);
        if target == X {
            assert_eq!(redeemed.subject, plain.subject);
        }
    }
    assert_ne!(seen[0], seen[1], "pairwise");
    // Who names the person himself names no actor.
    let proof = issued(&world, by(C1, X)).await;
    assert_eq!(world.redeem(X, proof).await.expect("a redemption").into_inner().actor, None);
}

#[tokio::test]
async fn staff_acts_for_the_company_or_the_broker_of_its_token() {
    let world = World::example().await;
    let tenant = &world.a.tenant;
    let cases = [
        (world.service.customer(tenant, K1, "e.mitarbeiter"), Some(ActorRole::CustomerStaff), "gewerbekunden"),
        (world.service.customer(tenant, K1, K1), None, "gewerbekunden"),
        (world.service.broker(tenant, MEIER, "i.nnendienst"), Some(ActorRole::BrokerStaff), "meier"),
        (world.service.broker(tenant, MEIER, MEIER), None, "meier"),
    ];
    let mut subjects = Vec::new();
    for (caller, role, user) in cases {
        let jump = caller.jumps().jump_to_tarif(to(X, None)).await.expect("a jump").into_inner();
        let act = Token::read(&token(&jump)).payload["act"].clone();
        let redeemed = world.redeem(X, proof(&jump)).await.expect("a redemption").into_inner();
        assert_eq!(redeemed.concenter_user_name, user);
        assert_eq!(redeemed.actor.as_ref().map(v1::Actor::role), role);
        assert_eq!(act["sub"].as_str(), redeemed.actor.as_ref().map(|actor| actor.subject.as_str()));
        subjects.push(redeemed.subject.clone());
    }
    assert_eq!(subjects[0], subjects[1], "the company, whoever acts for it");
    assert_eq!(subjects[2], subjects[3], "the broker, whoever acts for him");
}

#[tokio::test]
async fn a_customer_whom_a_broker_works_for_is_context_and_pairwise() {
    let world = World::example().await;
    let mut contexts = Vec::new();
    for (target, context) in [(X, C1), (X, C1), (X, C2), (Y, C1)] {
        let wish =
            v1::JumpToTarifRequest { customer_context_id: Some(context.to_owned()), ..to(target, Some(broker(MEIER))) };
        let proof = issued(&world, wish).await;
        let redeemed = world.redeem(target, proof).await.expect("a redemption").into_inner();
        assert_eq!((redeemed.concenter_user_name.as_str(), redeemed.end_customer), ("meier", false));
        contexts.push(redeemed.customer_context.clone().expect("a context"));
    }
    assert_eq!(contexts[0], contexts[1]);
    assert!(contexts[0] != contexts[2] && contexts[0] != contexts[3] && contexts[2] != contexts[3]);
    // It is the name that the customer himself has there.
    assert_eq!(contexts[0], world.arrive(X, customer(C1)).await.subject);
}

/// T03, J22
#[tokio::test]
async fn a_wrong_nonce_is_invalid_and_does_not_use_the_jump_up() {
    let world = World::example().await;
    let with = |nonce: Option<&str>, proof: Proof| v1::RedeemJumpRequest {
        proof: Some(proof),
        nonce: nonce.map(str::to_owned),
    };
    for target in [X, Y] {
        let client = world.service.target(target);
        let wish = v1::JumpToTarifRequest { nonce: Some("n-1".to_owned()), ..to(target, Some(customer(C1))) };
        let proof = issued(&world, wish).await;
        for wrong in [None, Some("n-2"), Some("N-1"), Some("n-1~")] {
            world.service.refuses("jump.redeem", INVALID, client.jumps().redeem_jump(with(wrong, proof.clone()))).await;
        }
        assert!(client.jumps().redeem_jump(with(Some("n-1"), proof)).await.is_ok());
        // And a nonce for a jump that was made without one.
        let proof = issued(&world, to(target, Some(customer(C1)))).await;
        world
            .service
            .refuses("jump.redeem", INVALID, client.jumps().redeem_jump(with(Some("n-1"), proof.clone())))
            .await;
        assert!(client.jumps().redeem_jump(with(None, proof)).await.is_ok());
    }
}

/// J22
#[tokio::test]
async fn a_target_that_demands_a_nonce_gets_no_jump_without() {
    let world = World::example().await;
    let strict = concenter_gateway::proto::admin::v1::PutTargetRequest {
        nonce_required: Some(true),
        ..calculator("rechner-streng")
    };
    world.service.operator().catalog_admin().put_target(strict).await.expect("a target");
    let jump = world.a.jump("rechner-streng", customer(C1));
    world.service.refuses_fields(&["nonce"], jump).await;
    let wish = v1::JumpToTarifRequest { nonce: Some("n".to_owned()), ..to("rechner-streng", Some(customer(C1))) };
    assert!(world.a.portal.jumps().jump_to_tarif(wish).await.is_ok());
}

/// I8
#[tokio::test]
async fn no_secret_and_nobodys_id_stands_in_the_log() {
    let log = Log::listen();
    let world = World::example().await;
    let bearer = world.service.mint(&within(&world.a.tenant, grant(Role::Portal, "p.ortal")));
    let portal = world.service.bearer(&bearer);
    let wish = |target, person| v1::JumpToTarifRequest {
        context: Some("kanarie-context".to_owned()),
        nonce: Some("kanarie-nonce".to_owned()),
        actor_id: Some("kanarie-actor".to_owned()),
        ..to(target, Some(person))
    };
    let mut secrets = vec![bearer.clone(), password("A", "privatkunden"), password("A", "meier")];
    for (target, person) in [(X, customer(C1)), (Y, customer(C1)), (P, broker(MEIER))] {
        let jump = portal.jumps().jump_to_tarif(wish(target, person)).await.expect("a jump").into_inner();
        let nonce = Some("kanarie-nonce".to_owned());
        let once = v1::RedeemJumpRequest { proof: Some(proof(&jump)), nonce };
        let backend = world.service.target(target);
        backend.jumps().redeem_jump(once.clone()).await.expect("a redemption");
        status_of(backend.jumps().redeem_jump(once).await);
        let (Proof::Token(secret) | Proof::Handle(secret)) = proof(&jump);
        secrets.push(secret);
    }
    status_of(world.redeem(X, Proof::Token("kanarie-token".to_owned())).await);
    let bad = v1::CreateUserRequest { password: Some("kanarie\0".to_owned()), ..v1::CreateUserRequest::default() };
    status_of(world.a.admin.users().create_user(bad).await);

    let text = log.text();
    assert!(text.contains("edge.call"), "the log was heard: {text}");
    let people = [MEIER, SCHULZE, "p.ortal"].map(str::to_owned);
    for secret in secrets.iter().chain(&people).chain([&"kanarie".to_owned()]) {
        assert!(!text.contains(secret.as_str()), "{secret} stands in the log");
    }
}

/// I8: what the database holds is not what was told to it.
#[tokio::test]
async fn neither_password_nor_token_nor_handle_stands_in_the_database() {
    let world = World::example().await;
    let (x, y) = (world.a.jump(X, customer(C1)).await, world.a.jump(Y, customer(C1)).await);
    let (x, y) = (x.expect("a jump").into_inner(), y.expect("a jump").into_inner());
    let Proof::Handle(handle) = proof(&y) else { panic!("a handle") };
    let compact = token(&x);
    let jti = Token::read(&compact).payload["jti"].as_str().expect("a jti").to_owned();
    world.redeem(X, proof(&x)).await.expect("a redemption");

    let secret = handle.split_once('.').expect("a handle").1.to_owned();
    let canaries = [password("A", "privatkunden"), compact, jti.clone(), secret.clone()];
    let raw = [decode(&jti), decode(&secret)];
    for entry in std::fs::read_dir(world.service.directory()).expect("the directory") {
        let path = entry.expect("an entry").path();
        let Ok(bytes) = std::fs::read(&path) else { continue };
        let needles = canaries.iter().map(String::as_bytes).chain(raw.iter().map(Vec::as_slice));
        for (n, needle) in needles.enumerate() {
            let found = bytes.windows(needle.len()).any(|window| window == needle);
            assert!(!found, "canary {n} stands in {}", path.display());
        }
    }
}
