//! Revoking jumps: one, or all of a user or a person; and the sessions that they opened.

use concenter_gateway::proto::v1;
use concenter_gateway::proto::v1::JumpState;
use concenter_gateway::proto::v1::revoke_jump_request::Jumps;
use tonic::Code;

use crate::harness::*;

const REVOKED: (Code, &str) = (Code::FailedPrecondition, "JUMP_REVOKED");
const NOT_FOUND: (Code, &str) = (Code::NotFound, "NOT_FOUND");
/// Seconds of the longest session.
const LONGEST_SESSION: i64 = 8 * 3_600;

async fn made(world: &World, target: &str, person: v1::Person) -> v1::JumpToTarifResponse {
    world.a.jump(target, person).await.expect("a jump").into_inner()
}

/// How many jumps and sessions were revoked.
async fn counts(world: &World, jumps: Jumps) -> (i32, i32) {
    let answer = world.a.revoke(jumps).await.expect("revoked").into_inner();
    (answer.revoked_jumps, answer.revoked_sessions)
}

/// V01
#[tokio::test]
async fn a_revoked_jump_is_not_redeemed_and_the_others_are() {
    let world = World::example().await;
    let (one, other) = (made(&world, X, customer(C1)).await, made(&world, X, customer(C1)).await);
    world.service.clock.advance(1);
    assert_eq!(counts(&world, Jumps::JumpId(one.jump_id.clone())).await, (1, 0));
    let status = world.service.refuses("jump.redeem", REVOKED, world.redeem(X, proof(&one))).await;
    assert!(!everything(&status).contains("geheim"));
    assert!(world.redeem(X, proof(&other)).await.is_ok());
    let record = world.a.jump_record(&one.jump_id).await;
    assert_eq!(
        (record.state(), record.revoked_at.map(|at| at.seconds)),
        (JumpState::Revoked, Some(world.service.now()))
    );
    // Twice does no more than once.
    assert_eq!(counts(&world, Jumps::JumpId(one.jump_id.clone())).await, (0, 0));
    assert_eq!(world.a.jump_record(&one.jump_id).await, record);
}

/// V01, J19
#[tokio::test]
async fn the_request_of_a_revoked_jump_does_not_bring_it_back() {
    let world = World::example().await;
    let wish = to(Y, Some(customer(C1)));
    let jump = world.a.portal.jumps().jump_to_tarif(wish.clone()).await.expect("a jump").into_inner();
    counts(&world, Jumps::JumpId(jump.jump_id)).await;
    world.service.refuses("jump.issue", REVOKED, world.a.portal.jumps().jump_to_tarif(wish)).await;
}

/// V02
#[tokio::test]
async fn all_jumps_of_a_user_a_broker_or_a_customer_are_revoked_and_no_others() {
    let world = World::example().await;
    for (selection, revoked) in [
        (Jumps::UserId(world.a.private.clone()), [true, true, false, false]),
        (Jumps::CustomerId(C1.to_owned()), [true, false, false, false]),
        (Jumps::BrokerId(MEIER.to_owned()), [false, false, true, false]),
        (Jumps::CustomerId(MEIER.to_owned()), [false; 4]),
        (Jumps::BrokerId("n.niemand".to_owned()), [false; 4]),
        (Jumps::UserId(world.a.schulze.clone()), [false; 4]),
    ] {
        let people = [customer(C1), customer(C2), broker(MEIER), customer(K1)];
        let mut jumps = Vec::new();
        for person in people {
            jumps.push(made(&world, X, person).await);
        }
        let strangers = world.b.jump(X, customer(C1)).await.expect("a jump").into_inner();
        let expected = revoked.iter().filter(|revoked| **revoked).count();
        let counted = counts(&world, selection.clone()).await;
        assert_eq!(usize::try_from(counted.0), Ok(expected), "{selection:?}");
        for (jump, revoked) in jumps.iter().zip(revoked) {
            if revoked {
                world.service.refuses("jump.redeem", REVOKED, world.redeem(X, proof(jump))).await;
            } else {
                assert!(world.redeem(X, proof(jump)).await.is_ok(), "{selection:?}");
            }
        }
        assert!(world.redeem(X, proof(&strangers)).await.is_ok(), "{selection:?} revoked a jump of B");
        world.service.clock.advance(61);
    }
    assert!(world.a.jump(X, customer(C1)).await.is_ok(), "a new jump is possible at once");
}

/// V02: of a broker, also the ones in which he works for a customer; of a customer, only his own.
#[tokio::test]
async fn a_customers_jumps_are_those_made_for_him() {
    let world = World::example().await;
    let for_him = v1::JumpToTarifRequest { customer_context_id: Some(C1.to_owned()), ..to(X, Some(broker(MEIER))) };
    let for_him = world.a.portal.jumps().jump_to_tarif(for_him).await.expect("a jump").into_inner();
    assert_eq!(counts(&world, Jumps::CustomerId(C1.to_owned())).await, (0, 0));
    assert_eq!(counts(&world, Jumps::BrokerId(MEIER.to_owned())).await, (1, 0));
    world.service.refuses("jump.redeem", REVOKED, world.redeem(X, proof(&for_him))).await;
}

/// V03
#[tokio::test]
async fn the_sessions_of_redeemed_jumps_are_marked_revoked_as_long_as_they_can_last() {
    let world = World::example().await;
    let old = made(&world, X, broker(MEIER)).await;
    world.redeem(X, proof(&old)).await.expect("a redemption");
    world.service.clock.advance(LONGEST_SESSION + 1);
    let used = made(&world, X, broker(MEIER)).await;
    world.redeem(X, proof(&used)).await.expect("a redemption");
    world.service.clock.advance(LONGEST_SESSION - 10);
    let open = made(&world, X, broker(MEIER)).await;
    assert_eq!(counts(&world, Jumps::BrokerId(MEIER.to_owned())).await, (1, 1));
    let record = world.a.jump_record(&used.jump_id).await;
    assert_eq!(record.state(), JumpState::Redeemed, "what was redeemed stays so");
    assert_eq!(record.session_revoked_at.map(|at| at.seconds), Some(world.service.now()));
    assert_eq!(record.revoked_at, None);
    assert_eq!(world.a.jump_record(&old.jump_id).await.session_revoked_at, None, "it cannot last any more");
    assert_eq!(world.a.jump_record(&open.jump_id).await.state(), JumpState::Revoked);
    assert_eq!(counts(&world, Jumps::UserId(world.a.meier.clone())).await, (0, 0), "twice does no more than once");
}

/// V03
#[tokio::test]
async fn revoking_by_user_leaves_the_sessions_alone() {
    let world = World::example().await;
    let used = made(&world, X, customer(C1)).await;
    world.redeem(X, proof(&used)).await.expect("a redemption");
    let open = made(&world, X, customer(C2)).await;
    let before = world.a.jump_record(&used.jump_id).await;
    assert_eq!(counts(&world, Jumps::UserId(world.a.private.clone())).await, (1, 0));
    assert_eq!(world.a.jump_record(&used.jump_id).await, before);
    world.service.refuses("jump.redeem", REVOKED, world.redeem(X, proof(&open))).await;
    // His own jumps end with their sessions.
    assert_eq!(counts(&world, Jumps::CustomerId(C1.to_owned())).await, (0, 1));
}

/// V03
#[tokio::test]
async fn an_expired_jump_is_not_counted_and_stays_expired() {
    let world = World::example().await;
    let jump = made(&world, X, customer(C1)).await;
    world.service.clock.advance(66);
    assert_eq!(counts(&world, Jumps::CustomerId(C1.to_owned())).await, (0, 0));
    let record = world.a.jump_record(&jump.jump_id).await;
    assert_eq!((record.state(), record.revoked_at), (JumpState::Expired, None));
}

/// V04, T40
#[tokio::test]
async fn a_repeated_revocation_answers_with_the_counts_of_the_first() {
    let world = World::example().await;
    let used = made(&world, X, customer(C1)).await;
    world.redeem(X, proof(&used)).await.expect("a redemption");
    made(&world, X, customer(C1)).await;
    made(&world, X, customer(C1)).await;
    let jumps = Some(Jumps::CustomerId(C1.to_owned()));
    let revoke = v1::RevokeJumpRequest { request_id: request_id(), jumps };
    let first = world.a.portal.jumps().revoke_jump(revoke.clone()).await.expect("revoked").into_inner();
    assert_eq!((first.revoked_jumps, first.revoked_sessions), (2, 1));
    let later = made(&world, X, customer(C1)).await;
    let again = world.a.portal.jumps().revoke_jump(revoke.clone()).await.expect("revoked").into_inner();
    assert_eq!(again, first);
    assert!(world.redeem(X, proof(&later)).await.is_ok(), "a repeated request revokes nothing anew");
    let jumps = Some(Jumps::CustomerId(C2.to_owned()));
    let other = v1::RevokeJumpRequest { jumps, ..revoke };
    let reused = (Code::InvalidArgument, "REQUEST_ID_REUSED");
    world.service.refuses("jump.revoke", reused, world.a.portal.jumps().revoke_jump(other)).await;
}

/// V04
#[tokio::test]
async fn what_is_not_there_or_anothers_is_not_revoked() {
    let world = World::example().await;
    let strangers = world.b.jump(X, customer(C1)).await.expect("a jump").into_inner();
    let mut statuses = Vec::new();
    for selection in [
        Jumps::JumpId(strangers.jump_id.clone()),
        Jumps::JumpId(NOBODY.to_owned()),
        Jumps::UserId(world.b.private.clone()),
        Jumps::UserId(NOBODY.to_owned()),
    ] {
        statuses.push(world.service.refuses("jump.revoke", NOT_FOUND, world.a.revoke(selection)).await);
    }
    for status in &statuses {
        same_bytes(&statuses[0], status, "RevokeJump");
    }
    assert!(world.redeem(X, proof(&strangers)).await.is_ok());
    for (field, bad) in [
        ("jump_id", Jumps::JumpId("x".to_owned())),
        ("user_id", Jumps::UserId(String::new())),
        ("broker_id", Jumps::BrokerId("m meier".to_owned())),
        ("customer_id", Jumps::CustomerId("' OR 1=1 --".to_owned())),
    ] {
        world.service.refuses_fields(&[field], world.a.revoke(bad)).await;
    }
    let nothing = v1::RevokeJumpRequest { request_id: request_id(), jumps: None };
    world.service.refuses_fields(&["jumps"], world.a.admin.jumps().revoke_jump(nothing)).await;
}

/// V02: a person of whom nothing is known is not made known by that.
#[tokio::test]
async fn revoking_the_jumps_of_nobody_keeps_nothing_of_him() {
    let world = World::example().await;
    let salts = "SELECT count(*) FROM person_salt WHERE person_id IN ('n.niemand', 'k.niemand')";
    counts(&world, Jumps::BrokerId("n.niemand".to_owned())).await;
    counts(&world, Jumps::CustomerId("k.niemand".to_owned())).await;
    assert_eq!(world.service.reader().await.integer(salts, &[]).await, 0);
}
