//! What happens on SQLite when other effects share a transaction with jumps: there, one writer makes them all.

use std::sync::Arc;

use concenter_gateway::domain::audit::Action;
use concenter_gateway::domain::error::Version;
use concenter_gateway::domain::ids::TenantId;
use concenter_gateway::domain::jump::RedeemOutcome;
use concenter_gateway::domain::provider::State;
use concenter_gateway::domain::user::{ConcenterUser, UserKind};
use concenter_gateway::store::Outcome;

use crate::conformance::batch::{Work, all_wait, in_one_batch, record, redeem, told};
use crate::fixture::catalog::new_portal;
use crate::fixture::firm::Firm;
use crate::fixture::jump::for_broker;
use crate::fixture::{Harness, done};
use crate::sqlite::harness;

fn create_user(h: &Harness, firm: &Firm, name: &str) -> Work<Outcome<ConcenterUser>> {
    let (store, tenant) = (Arc::clone(&h.store), firm.tenant);
    let (effect, new) = (h.effect(tenant, Action::CreateUser), h.new_user(name, UserKind::Broker));
    Box::pin(async move { store.create_user(&tenant, &effect, &new).await })
}

#[tokio::test]
async fn a_user_disabled_in_a_batch_is_not_jumped_with_in_that_batch() {
    let h = &harness().await;
    let firm = h.example().await;
    let open = h.issue(&firm.tenant, for_broker("m.meier")).await;
    let decided = h.decide(&firm.tenant, for_broker("m.meier")).await;
    let disable: Work<Outcome<ConcenterUser>> = {
        let (store, effect) = (Arc::clone(&h.store), h.effect(firm.tenant, Action::DisableUser));
        Box::pin(async move {
            store.set_user_state(&firm.tenant, &effect, &firm.meier, Version::FIRST, State::Disabled).await
        })
    };
    let works =
        vec![told(redeem(h, firm.tenant, h.attempt(&open))), told(record(h, firm.tenant, decided)), told(disable)];
    let answers = in_one_batch(h, works).await;
    assert_eq!(answers[..2], ["Ok(Revoked)", "Ok(Stale)"]);
    assert!(answers[2].starts_with("Ok(Done("), "{}", answers[2]);
}

#[tokio::test]
async fn a_bad_effect_fails_alone() {
    let h = &harness().await;
    let firm = h.example().await;
    let jump = h.decide(&firm.tenant, for_broker("m.meier")).await;
    let bad = {
        let (store, effect) = (Arc::clone(&h.store), h.effect(TenantId::SYSTEM, Action::PutTarget));
        let mut open = new_portal("offen");
        open.accepts.customers = true;
        Box::pin(async move { store.put_target(&effect, &open, None).await })
    };
    let works = vec![
        told(create_user(h, &firm, "erster")),
        told(bad),
        told(create_user(h, &firm, "zweiter")),
        told(record(h, firm.tenant, jump)),
    ];
    let answers = in_one_batch(h, works).await;
    assert!(answers[1].starts_with("Err(Constraint("), "{}", answers[1]);
    assert!(answers[0].starts_with("Ok(Done(") && answers[2].starts_with("Ok(Done("), "{answers:?}");
    assert_eq!(answers[3], "Ok(Recorded)");
    assert_eq!(h.accepted(&firm.tenant, Action::CreateUser).await, 6);
}

#[tokio::test]
async fn an_effect_whose_caller_went_away_is_done_all_the_same() {
    let h = &harness().await;
    let firm = h.example().await;
    let jump = h.issue(&firm.tenant, for_broker("m.meier")).await;
    let hold = h.inspect.hold_writers().await;
    let gone = [
        tokio::spawn(told(create_user(h, &firm, "neu"))),
        tokio::spawn(told(redeem(h, firm.tenant, h.attempt(&jump)))),
    ];
    all_wait(hold.as_ref(), &gone).await;
    for work in gone {
        work.abort();
        assert!(work.await.expect_err("it was dropped").is_cancelled());
    }
    drop(hold);
    // Behind both in the queue: when this one is answered, they are done.
    done(create_user(h, &firm, "danach").await);
    assert_eq!(h.accepted(&firm.tenant, Action::CreateUser).await, 6);
    assert_eq!(h.accepted(&firm.tenant, Action::RedeemJump).await, 1);
    assert_eq!(h.redeem(&firm.tenant, &jump).await, RedeemOutcome::AlreadyRedeemed);
}
