//! Revoking jumps by hand: one, those with a con:center user, those of a person.

use std::time::Duration;

use concenter_gateway::domain::audit::Action;
use concenter_gateway::domain::customer::Segment;
use concenter_gateway::domain::error::Reason;
use concenter_gateway::domain::ids::{JumpId, TenantId, UserId};
use concenter_gateway::domain::jump::{
    CLOCK_LEEWAY, Jump, JumpSelection, JumpState, LONGEST_SESSION, RecordOutcome, RedeemAttempt, RedeemOutcome,
    RevokedCounts, TokenLife,
};
use concenter_gateway::domain::provider::State;
use concenter_gateway::domain::time::Timestamp;
use concenter_gateway::domain::user::UserKind;

use crate::fixture::firm::{Firm, entry};
use crate::fixture::jump::{for_broker, for_customer, for_stranger, the_broker, the_customer};
use crate::fixture::{Harness, done, reason};

/// Counts that are expected.
const fn counts(jumps: u32, sessions: u32) -> RevokedCounts {
    RevokedCounts { jumps, sessions }
}

async fn redeemed(h: &Harness, firm: &Firm, id: &str) -> Jump {
    let jump = h.issue(&firm.tenant, for_broker(id)).await;
    assert_eq!(h.redeem(&firm.tenant, &jump).await, RedeemOutcome::Redeemed);
    jump
}

pub(crate) async fn a_revoked_jump_is_not_redeemed(h: &Harness) {
    let firm = h.example().await;
    for order in [for_broker("m.meier"), for_customer("k-1"), for_stranger("neu", Segment::Private)] {
        let jump = h.issue(&firm.tenant, order.clone()).await;
        let anothers = h.issue(&firm.tenant, order).await;
        assert_eq!(h.revoke(&firm.tenant, &JumpSelection::Jump(jump.jump_id)).await, counts(1, 0));
        let revoked_at = h.now();
        let record = h.history(&firm.tenant, &jump).await;
        assert_eq!((record.state, record.revoked_at), (JumpState::Revoked, Some(revoked_at)));
        let inputs = h.redeem_inputs(&firm.tenant, &jump.jti_hash).await;
        assert_eq!(inputs.map(|inputs| inputs.state), Some(JumpState::Revoked));
        assert_eq!(h.earlier(&firm.tenant, &jump).await.map(|(_, state)| state), Some(JumpState::Revoked));
        assert_eq!(h.redeem(&firm.tenant, &jump).await, RedeemOutcome::Revoked);
        assert_eq!(h.redeem(&firm.tenant, &anothers).await, RedeemOutcome::Redeemed);
    }
    assert_eq!(h.refused(&firm.tenant, Action::RedeemJump, Reason::JumpRevoked).await, 3);
    assert_eq!(h.accepted(&firm.tenant, Action::RevokeJumps).await, 3);
}

pub(crate) async fn revoking_moves_nothing_that_others_rest_on(h: &Harness) {
    let firm = h.example().await;
    let revoked = h.issue(&firm.tenant, for_broker("m.meier")).await;
    let decided = h.decide(&firm.tenant, for_broker("m.meier")).await;
    let others = h.open_jumps(&firm, for_customer("k-1")).await;
    h.revoke(&firm.tenant, &JumpSelection::Jump(revoked.jump_id)).await;
    others.are_open(h).await;
    assert_eq!(h.record(&firm.tenant, &decided).await, RecordOutcome::Recorded);
}

pub(crate) async fn a_revoked_jump_is_revoked_once(h: &Harness) {
    let firm = h.example().await;
    let jump = h.issue(&firm.tenant, for_broker("m.meier")).await;
    h.revoke(&firm.tenant, &JumpSelection::Jump(jump.jump_id)).await;
    let first = h.history(&firm.tenant, &jump).await;
    for selection in [
        JumpSelection::Jump(jump.jump_id),
        JumpSelection::User(firm.meier),
        JumpSelection::Person(the_broker("m.meier")),
    ] {
        assert_eq!(h.revoke(&firm.tenant, &selection).await, counts(0, 0), "{selection:?}");
    }
    assert_eq!(h.history(&firm.tenant, &jump).await, first);
}

pub(crate) async fn a_redeemed_jump_keeps_its_state_and_loses_its_session(h: &Harness) {
    let firm = h.example().await;
    let jump = redeemed(h, &firm, "m.meier").await;
    assert_eq!(h.revoke(&firm.tenant, &JumpSelection::Jump(jump.jump_id)).await, counts(0, 1));
    let record = h.history(&firm.tenant, &jump).await;
    assert_eq!((record.state, record.revoked_at), (JumpState::Redeemed, None));
    assert_eq!(record.session_revoked_at, Some(h.now()));
    assert_eq!(h.revoke(&firm.tenant, &JumpSelection::Jump(jump.jump_id)).await, counts(0, 0), "the first time counts");
    assert_eq!(h.history(&firm.tenant, &jump).await, record);
    assert_eq!(h.redeem(&firm.tenant, &jump).await, RedeemOutcome::AlreadyRedeemed);
    assert_eq!(h.history(&firm.tenant, &jump).await, record);
}

/// Revokes at an instant of the case's own.
async fn revoke_at(h: &Harness, tenant: &TenantId, selection: &JumpSelection, at: Timestamp) -> RevokedCounts {
    let mut effect = h.effect(*tenant, Action::RevokeJumps);
    effect.at = at;
    done(h.store.revoke_jumps(tenant, &effect, selection).await)
}

/// A jump with the longest life that there is.
async fn longest_open(h: &Harness, firm: &Firm) -> Jump {
    let jump = h.decide(&firm.tenant, for_broker("m.meier")).await;
    let jump = Jump { expires_at: jump.issued_at.plus(TokenLife::LONGEST.span()), ..jump };
    assert_eq!(h.record(&firm.tenant, &jump).await, RecordOutcome::Recorded);
    jump
}

pub(crate) async fn a_session_lasts_eight_hours_at_most(h: &Harness) {
    let firm = h.example().await;
    // Redeemed as late as can be after it was made: the jump is older than the session.
    for selection in [None, Some(JumpSelection::Person(the_broker("m.meier")))] {
        let jump = longest_open(h, &firm).await;
        let end = jump.expires_at.plus(CLOCK_LEEWAY);
        let attempt = RedeemAttempt { at: Timestamp::from_unix_micros(end.unix_micros() - 1), ..h.attempt(&jump) };
        assert_eq!(h.redeem_by(&firm.tenant, &attempt).await, RedeemOutcome::Redeemed);
        let selection = selection.unwrap_or(JumpSelection::Jump(jump.jump_id));
        let over = attempt.at.plus(LONGEST_SESSION);
        assert_eq!(revoke_at(h, &firm.tenant, &selection, over).await, counts(0, 0), "{selection:?}");
        let lasting = Timestamp::from_unix_micros(over.unix_micros() - 1);
        assert_eq!(revoke_at(h, &firm.tenant, &selection, lasting).await, counts(0, 1), "{selection:?}");
        h.advance(LONGEST_SESSION * 2);
    }
}

pub(crate) async fn an_expired_jump_is_not_revoked(h: &Harness) {
    let firm = h.example().await;
    let jump = h.issue(&firm.tenant, for_broker("m.meier")).await;
    let end = jump.expires_at.plus(CLOCK_LEEWAY);
    for selection in [
        JumpSelection::Jump(jump.jump_id),
        JumpSelection::User(firm.meier),
        JumpSelection::Person(the_broker("m.meier")),
    ] {
        assert_eq!(revoke_at(h, &firm.tenant, &selection, end).await, counts(0, 0), "{selection:?}");
    }
    let just_before = Timestamp::from_unix_micros(end.unix_micros() - 1);
    let selection = JumpSelection::User(firm.meier);
    assert_eq!(revoke_at(h, &firm.tenant, &selection, just_before).await, counts(1, 0));
}

pub(crate) async fn the_oldest_jump_that_is_open_is_revoked(h: &Harness) {
    let firm = h.example().await;
    for selection in [None, Some(JumpSelection::User(firm.meier)), Some(JumpSelection::Person(the_broker("m.meier")))] {
        let jump = longest_open(h, &firm).await;
        let selection = selection.unwrap_or(JumpSelection::Jump(jump.jump_id));
        let end = jump.expires_at.plus(CLOCK_LEEWAY);
        let just_before = Timestamp::from_unix_micros(end.unix_micros() - 1);
        assert_eq!(revoke_at(h, &firm.tenant, &selection, just_before).await, counts(1, 0), "{selection:?}");
        h.advance(Duration::from_secs(300));
    }
}

pub(crate) async fn a_jump_that_a_change_revoked_is_marked_as_well(h: &Harness) {
    let firm = h.example().await;
    let jump = h.issue(&firm.tenant, for_broker("m.meier")).await;
    h.set_user_state(&firm, &firm.schulze, State::Disabled).await;
    assert_eq!(h.history(&firm.tenant, &jump).await.revoked_at, None);
    assert_eq!(h.revoke(&firm.tenant, &JumpSelection::User(firm.meier)).await, counts(1, 0));
    assert_eq!(h.history(&firm.tenant, &jump).await.revoked_at, Some(h.now()));
}

pub(crate) async fn the_jumps_with_a_user_are_revoked_and_no_others(h: &Harness) {
    let firm = h.example().await;
    let other = h.firm().await;
    let own = h.create_user(&firm.tenant, "eigener", UserKind::EndCustomer).await;
    h.assign(&firm, "k-2", Some(&own)).await;
    let his = [
        h.issue(&firm.tenant, for_customer("k-1")).await,
        h.issue(&firm.tenant, for_stranger("neu", Segment::Private)).await,
    ];
    let session = h.issue(&firm.tenant, for_customer("k-1")).await;
    h.redeem(&firm.tenant, &session).await;
    let kept = [
        (firm.tenant, h.issue(&firm.tenant, for_broker("m.meier")).await),
        (firm.tenant, h.issue(&firm.tenant, for_customer("k-2")).await),
        (firm.tenant, h.issue(&firm.tenant, for_customer("g-1")).await),
        (other.tenant, h.issue(&other.tenant, for_customer("k-1")).await),
    ];
    assert_eq!(h.revoke(&firm.tenant, &JumpSelection::User(firm.private)).await, counts(2, 0));
    for jump in &his {
        assert_eq!(h.redeem(&firm.tenant, jump).await, RedeemOutcome::Revoked);
    }
    let record = h.history(&firm.tenant, &session).await;
    assert_eq!((record.state, record.session_revoked_at), (JumpState::Redeemed, None), "its session goes on");
    for (tenant, jump) in &kept {
        assert_eq!(h.redeem(tenant, jump).await, RedeemOutcome::Redeemed);
    }
}

pub(crate) async fn the_jumps_of_a_person_are_revoked_and_no_others(h: &Harness) {
    let firm = h.example().await;
    let other = h.firm().await;
    // A customer with a broker's id is somebody else.
    h.put_customers(&firm, &[entry("m.meier", Segment::Private)]).await;
    let his =
        [h.issue(&firm.tenant, for_customer("m.meier")).await, h.issue(&firm.tenant, for_customer("m.meier")).await];
    let session = h.issue(&firm.tenant, for_customer("m.meier")).await;
    h.redeem(&firm.tenant, &session).await;
    let brokers_session = redeemed(h, &firm, "m.meier").await;
    let kept = [
        (firm.tenant, h.issue(&firm.tenant, for_broker("m.meier")).await),
        (firm.tenant, h.issue(&firm.tenant, for_customer("k-1")).await),
        (other.tenant, h.issue(&other.tenant, for_stranger("m.meier", Segment::Private)).await),
    ];
    let customers = JumpSelection::Person(the_customer("m.meier"));
    assert_eq!(h.revoke(&firm.tenant, &customers).await, counts(2, 1));
    for jump in &his {
        assert_eq!(h.redeem(&firm.tenant, jump).await, RedeemOutcome::Revoked);
    }
    assert!(h.history(&firm.tenant, &session).await.session_revoked_at.is_some());
    assert_eq!(h.history(&firm.tenant, &brokers_session).await.session_revoked_at, None);
    for (tenant, jump) in &kept {
        assert_eq!(h.redeem(tenant, jump).await, RedeemOutcome::Redeemed);
    }
}

pub(crate) async fn a_person_without_jumps_has_none_revoked(h: &Harness) {
    let firm = h.example().await;
    for person in [the_broker("niemand"), the_customer("niemand")] {
        assert_eq!(h.revoke(&firm.tenant, &JumpSelection::Person(person)).await, counts(0, 0));
    }
    assert_eq!(h.accepted(&firm.tenant, Action::RevokeJumps).await, 2);
}

pub(crate) async fn an_unknown_jump_or_user_is_not_found(h: &Harness) {
    let firm = h.example().await;
    for selection in [JumpSelection::Jump(h.id(JumpId::new)), JumpSelection::User(h.id(UserId::new))] {
        let effect = h.effect(firm.tenant, Action::RevokeJumps);
        let outcome = h.store.revoke_jumps(&firm.tenant, &effect, &selection).await;
        assert_eq!(reason(outcome), Reason::NotFound, "{selection:?}");
    }
    assert_eq!(h.refused(&firm.tenant, Action::RevokeJumps, Reason::NotFound).await, 2);
    assert_eq!(h.accepted(&firm.tenant, Action::RevokeJumps).await, 0);
}

pub(crate) async fn another_tenants_jumps_are_not_revoked(h: &Harness) {
    let firm = h.example().await;
    let other = h.firm().await;
    let foreign = h.issue(&other.tenant, for_broker("m.meier")).await;
    for selection in [JumpSelection::Jump(foreign.jump_id), JumpSelection::User(other.meier)] {
        let effect = h.effect(firm.tenant, Action::RevokeJumps);
        let outcome = h.store.revoke_jumps(&firm.tenant, &effect, &selection).await;
        assert_eq!(reason(outcome), Reason::NotFound, "{selection:?}");
    }
    assert_eq!(h.revoke(&firm.tenant, &JumpSelection::Person(the_broker("m.meier"))).await, counts(0, 0));
    assert_eq!(h.redeem(&other.tenant, &foreign).await, RedeemOutcome::Redeemed);
}

pub(crate) async fn a_deleted_users_jumps_are_revoked_by_that(h: &Harness) {
    let firm = h.example().await;
    let jump = h.issue(&firm.tenant, for_broker("m.meier")).await;
    h.delete_activation(&firm, &firm.meiers).await;
    h.delete_user(&firm, &firm.meier).await;
    let effect = h.effect(firm.tenant, Action::RevokeJumps);
    let outcome = h.store.revoke_jumps(&firm.tenant, &effect, &JumpSelection::User(firm.meier)).await;
    assert_eq!(reason(outcome), Reason::NotFound);
    assert_eq!(h.redeem(&firm.tenant, &jump).await, RedeemOutcome::Revoked);
}

pub(crate) async fn an_erased_customers_jump_can_be_named(h: &Harness) {
    let firm = h.example().await;
    let jump = h.issue(&firm.tenant, for_customer("k-1")).await;
    h.erase(&firm, "k-1").await;
    assert_eq!(h.revoke(&firm.tenant, &JumpSelection::Jump(jump.jump_id)).await, counts(0, 0));
}

pub(crate) async fn a_repeated_revocation_counts_as_it_did_and_revokes_nothing(h: &Harness) {
    let firm = h.example().await;
    h.issue(&firm.tenant, for_broker("m.meier")).await;
    redeemed(h, &firm, "m.meier").await;
    let selection = JumpSelection::Person(the_broker("m.meier"));
    let effect = h.effect(firm.tenant, Action::RevokeJumps);
    assert_eq!(done(h.store.revoke_jumps(&firm.tenant, &effect, &selection).await), counts(1, 1));
    let later = h.issue(&firm.tenant, for_broker("m.meier")).await;
    let again = h.again(&effect);
    assert_eq!(done(h.store.revoke_jumps(&firm.tenant, &again, &selection).await), counts(1, 1));
    assert_eq!(h.redeem(&firm.tenant, &later).await, RedeemOutcome::Redeemed);
    assert_eq!(h.accepted(&firm.tenant, Action::RevokeJumps).await, 1);
    let reused = h.store.revoke_jumps(&firm.tenant, &h.reusing(&effect), &selection).await;
    assert_eq!(reason(reused), Reason::RequestIdReused);
}
