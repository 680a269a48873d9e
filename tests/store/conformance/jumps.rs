//! Keeping a jump.

use std::time::Duration;

use concenter_gateway::domain::audit::Action;
use concenter_gateway::domain::change::Change;
use concenter_gateway::domain::customer::{AccessChange, Segment};
use concenter_gateway::domain::ids::{JumpId, LineOfBusiness, SubjectId, TenantId, UserId};
use concenter_gateway::domain::jump::{
    Actor, ActorRole, Context, JUMP_RATE_WINDOW, JUMPS_A_MINUTE, Jump, JumpOrder, JumpQuery, JumpState, Luggage, Nonce,
    Person, ProofHash, RecordOutcome, RedeemOutcome, RequestKey, Subject, TargetPage,
};
use concenter_gateway::domain::provider::State;
use concenter_gateway::domain::resolve::Way;
use concenter_gateway::domain::target::TargetKind;
use concenter_gateway::domain::time::Timestamp;
use concenter_gateway::domain::user::UserKind;
use concenter_gateway::store::StoreError;

use crate::fixture::firm::entry;
use crate::fixture::jump::{for_broker, for_customer, for_stranger};
use crate::fixture::{Harness, customer, done, provider, url};

/// `jump` with something in every field that may be empty.
fn filled(h: &Harness, jump: Jump, role: ActorRole) -> Jump {
    Jump {
        handle_hash: Some(ProofHash(h.bytes())),
        order: JumpOrder {
            actor: Some(Actor { id: SubjectId::parse("f.fischer@firma").expect("a subject"), role }),
            wanted: Some(TargetKind::TariffCalculator),
            customer_context: Some(customer("k-2")),
            line_of_business: Some(LineOfBusiness::parse("050").expect("a line")),
            provider_id: Some(provider("sicher")),
            ..jump.order
        },
        luggage: Luggage {
            context: Some(Context::parse("Angebot 7\n\"Kfz\" ünd mehr").expect("a context")),
            nonce: Some(Nonce::parse("n-once_1.~").expect("a nonce")),
            return_url: Some(url("https://portal.example/zurueck?a=1&b=2")),
            target_page: Some(TargetPage::parse("kfz/antrag-1.html").expect("a page")),
        },
        subject: Subject::from_computed("p".repeat(43)),
        actor_subject: Some(Subject::from_computed("a".repeat(43))),
        expires_at: jump.issued_at.plus(Duration::from_secs(120)),
        ..jump
    }
}

pub(crate) async fn a_bare_jump_reads_back(h: &Harness) {
    let firm = h.example().await;
    let jump = h.issue(&firm.tenant, for_broker("m.meier")).await;
    assert_eq!(h.earlier(&firm.tenant, &jump).await, Some((jump, JumpState::Issued)));
}

pub(crate) async fn a_full_jump_of_a_broker_reads_back(h: &Harness) {
    let firm = h.example().await;
    let order = JumpOrder { activation_id: Some(firm.meiers), ..for_broker("m.meier") };
    for role in [ActorRole::PortalUser, ActorRole::BrokerStaff] {
        let jump = filled(h, h.decide(&firm.tenant, order.clone()).await, role);
        assert_eq!(h.record(&firm.tenant, &jump).await, RecordOutcome::Recorded);
        assert_eq!(h.earlier(&firm.tenant, &jump).await, Some((jump, JumpState::Issued)));
    }
}

pub(crate) async fn a_full_jump_of_a_customer_reads_back(h: &Harness) {
    let firm = h.example().await;
    let stated = Person::Customer { customer_id: customer("g-1"), stated: Some(Segment::Commercial) };
    let order = JumpOrder { person: stated, ..for_customer("g-1") };
    let jump = filled(h, h.decide(&firm.tenant, order).await, ActorRole::CustomerStaff);
    assert_eq!(h.record(&firm.tenant, &jump).await, RecordOutcome::Recorded);
    assert_eq!(h.earlier(&firm.tenant, &jump).await, Some((jump, JumpState::Issued)));
}

pub(crate) async fn every_way_to_a_user_reads_back(h: &Harness) {
    let firm = h.example().await;
    let own = h.create_user(&firm.tenant, "eigener", UserKind::EndCustomer).await;
    h.assign(&firm, "k-2", Some(&own)).await;
    let mut ways = Vec::new();
    for order in [for_broker("m.meier"), for_customer("k-1"), for_customer("k-2"), for_customer("g-1")] {
        let jump = h.issue(&firm.tenant, order).await;
        let (kept, _) = h.earlier(&firm.tenant, &jump).await.expect("a jump");
        ways.push((kept.way, kept.user_id));
    }
    let fall_back = AccessChange {
        commercial_user_id: Change::Set(None),
        commercial_falls_back: Change::Set(true),
        ..AccessChange::default()
    };
    h.change_access(&firm, fall_back).await;
    let jump = h.issue(&firm.tenant, for_stranger("neu", Segment::Commercial)).await;
    ways.push((h.earlier(&firm.tenant, &jump).await.expect("a jump").0.way, jump.user_id));
    let expected = [
        (Way::Activation, firm.meier),
        (Way::SharedPrivate, firm.private),
        (Way::OwnUser, own),
        (Way::SharedCommercial, firm.commercial),
        (Way::FallbackPrivate, firm.private),
    ];
    assert_eq!(ways, expected);
}

pub(crate) async fn a_request_that_made_no_jump_finds_none(h: &Harness) {
    let firm = h.example().await;
    let jump = h.issue(&firm.tenant, for_broker("m.meier")).await;
    let other_caller = RequestKey { caller: h.bytes(), ..jump.request.clone() };
    assert_eq!(h.earlier_of(&firm.tenant, &jump.order, &other_caller).await, None);
    assert_eq!(h.earlier_of(&firm.tenant, &jump.order, &h.request()).await, None);
}

pub(crate) async fn the_same_request_makes_one_jump(h: &Harness) {
    let firm = h.example().await;
    let first = h.issue(&firm.tenant, for_broker("m.meier")).await;
    let again = Jump { request: first.request.clone(), ..h.decide(&firm.tenant, for_broker("m.meier")).await };
    assert_eq!(h.record(&firm.tenant, &again).await, RecordOutcome::Repeated);
    assert_eq!(h.record(&firm.tenant, &first).await, RecordOutcome::Repeated, "the very same jump");
    assert_eq!(h.inspect.count_jumps(&firm.tenant).await, 1);
    assert_eq!(h.accepted(&firm.tenant, Action::IssueJump).await, 1);
    assert_eq!(h.redeem(&firm.tenant, &again).await, RedeemOutcome::Unknown);
    assert_eq!(h.redeem(&firm.tenant, &first).await, RedeemOutcome::Redeemed);
}

pub(crate) async fn a_repeated_request_is_repeated_also_when_it_is_stale(h: &Harness) {
    let firm = h.example().await;
    let first = h.issue(&firm.tenant, for_broker("m.meier")).await;
    h.activate(&firm.tenant, "n.neu", h.create_user(&firm.tenant, "neu", UserKind::Broker).await).await;
    let again = Jump { request: first.request.clone(), jump_id: h.id(JumpId::new), ..first };
    assert_eq!(h.record(&firm.tenant, &again).await, RecordOutcome::Repeated);
}

pub(crate) async fn a_request_of_another_effect_makes_no_jump(h: &Harness) {
    let firm = h.example().await;
    let effect = h.effect(firm.tenant, Action::CreateUser);
    let made = h.store.create_user(&firm.tenant, &effect, &h.new_user("neu", UserKind::Broker)).await;
    done(made);
    let jump = Jump { request: effect.request, ..h.decide(&firm.tenant, for_broker("m.meier")).await };
    assert_ne!(h.record(&firm.tenant, &jump).await, RecordOutcome::Recorded);
    assert_eq!(h.inspect.count_jumps(&firm.tenant).await, 0);
}

pub(crate) async fn an_earlier_jump_tells_what_became_of_it(h: &Harness) {
    let firm = h.example().await;
    let state = async |jump: &Jump| h.earlier(&firm.tenant, jump).await.expect("a jump").1;
    let redeemed = h.issue(&firm.tenant, for_broker("m.meier")).await;
    let open = h.issue(&firm.tenant, for_broker("m.meier")).await;
    assert_eq!(h.redeem(&firm.tenant, &redeemed).await, RedeemOutcome::Redeemed);
    assert_eq!((state(&redeemed).await, state(&open).await), (JumpState::Redeemed, JumpState::Issued));
    h.set_user_state(&firm, &firm.schulze, State::Disabled).await;
    assert_eq!((state(&redeemed).await, state(&open).await), (JumpState::Redeemed, JumpState::Revoked));
    h.advance(Duration::from_secs(66));
    assert_eq!((state(&redeemed).await, state(&open).await), (JumpState::Redeemed, JumpState::Expired));
}

pub(crate) async fn a_jump_of_an_old_epoch_is_not_kept(h: &Harness) {
    let firm = h.example().await;
    let jump = h.decide(&firm.tenant, for_broker("m.meier")).await;
    h.inspect.begin_next_epoch().await;
    assert_eq!(h.record(&firm.tenant, &jump).await, RecordOutcome::Stale);
    assert_eq!(h.inspect.count_jumps(&firm.tenant).await, 0);
}

pub(crate) async fn a_stale_jump_leaves_nothing_behind(h: &Harness) {
    let firm = h.example().await;
    let jump = h.decide(&firm.tenant, for_broker("m.meier")).await;
    h.set_user_state(&firm, &firm.schulze, State::Disabled).await;
    assert_eq!(h.record(&firm.tenant, &jump).await, RecordOutcome::Stale);
    assert_eq!(h.inspect.count_jumps(&firm.tenant).await, 0);
    let log = h.inspect.audit_log(&firm.tenant).await;
    assert!(log.iter().all(|row| row.action != Action::IssueJump.as_str()), "{log:?}");
    // The request is free: it was decided on old numbers, and is decided again.
    let again = Jump { request: jump.request, ..h.decide(&firm.tenant, for_broker("m.meier")).await };
    assert_eq!(h.record(&firm.tenant, &again).await, RecordOutcome::Recorded);
}

pub(crate) async fn a_jump_with_a_user_who_does_not_fit_is_not_kept(h: &Harness) {
    let firm = h.example().await;
    let brokers = h.decide(&firm.tenant, for_broker("m.meier")).await;
    let customers = h.decide(&firm.tenant, for_customer("k-1")).await;
    for (jump, unfit) in [
        (&brokers, firm.private),
        (&brokers, firm.standard),
        (&customers, firm.meier),
        (&customers, firm.standard),
        (&customers, h.id(UserId::new)),
    ] {
        let wrong = Jump { user_id: unfit, ..jump.clone() };
        let outcome = h.store.record_jump(&firm.tenant, &wrong, &h.audit(Action::IssueJump, None)).await;
        assert!(matches!(outcome, Ok(RecordOutcome::Stale) | Err(StoreError::Constraint(_))), "{outcome:?}");
    }
    assert_eq!(h.inspect.count_jumps(&firm.tenant).await, 0);
}

pub(crate) async fn a_jump_that_lives_too_long_is_not_kept(h: &Harness) {
    let firm = h.example().await;
    let jump = h.decide(&firm.tenant, for_broker("m.meier")).await;
    let long = Jump { expires_at: jump.issued_at.plus(Duration::from_secs(121)), ..jump };
    let outcome = h.store.record_jump(&firm.tenant, &long, &h.audit(Action::IssueJump, None)).await;
    assert!(matches!(outcome, Err(StoreError::Constraint(_))), "{outcome:?}");
    assert_eq!(h.inspect.count_jumps(&firm.tenant).await, 0);
    assert_eq!(h.accepted(&firm.tenant, Action::IssueJump).await, 0);
}

pub(crate) async fn a_person_may_have_several_open_jumps(h: &Harness) {
    let firm = h.example().await;
    let one = h.issue(&firm.tenant, for_customer("k-1")).await;
    let other = h.issue(&firm.tenant, for_customer("k-1")).await;
    assert_eq!(h.redeem(&firm.tenant, &other).await, RedeemOutcome::Redeemed);
    assert_eq!(h.redeem(&firm.tenant, &one).await, RedeemOutcome::Redeemed);
}

/// Issues as many jumps as a person may have in a minute; gives the first one.
async fn crowd(h: &Harness, tenant: &TenantId, order: &JumpOrder) -> Jump {
    let first = h.issue(tenant, order.clone()).await;
    for _ in 1..JUMPS_A_MINUTE {
        h.issue(tenant, order.clone()).await;
    }
    first
}

pub(crate) async fn a_person_has_a_limited_number_of_jumps_in_a_minute(h: &Harness) {
    let firm = h.example().await;
    for order in [for_broker("m.meier"), for_customer("k-1")] {
        let before = h.inspect.count_jumps(&firm.tenant).await;
        assert_eq!(h.inputs(&firm.tenant, &order).await.crowded_since, None, "nobody jumped yet");
        crowd(h, &firm.tenant, &order).await;
        let one_more = h.decide(&firm.tenant, order).await;
        assert_eq!(h.record(&firm.tenant, &one_more).await, RecordOutcome::Stale);
        assert_eq!(h.inspect.count_jumps(&firm.tenant).await - before, i64::from(JUMPS_A_MINUTE));
    }
    assert_eq!(h.accepted(&firm.tenant, Action::IssueJump).await, 60, "the refused ones left no row");
}

pub(crate) async fn a_decision_sees_since_when_it_is_crowded(h: &Harness) {
    let firm = h.example().await;
    let order = for_customer("k-1");
    let since = async || h.inputs(&firm.tenant, &order).await.crowded_since;
    let first = h.issue(&firm.tenant, order.clone()).await;
    for _ in 2..JUMPS_A_MINUTE {
        h.issue(&firm.tenant, order.clone()).await;
    }
    assert_eq!(since().await, None, "there is room for one");
    h.issue(&firm.tenant, order.clone()).await;
    assert_eq!(since().await, Some(first.jump_id.made_at()));
}

pub(crate) async fn a_place_is_free_again_a_minute_after_it_was_taken(h: &Harness) {
    let firm = h.example().await;
    let order = for_broker("m.meier");
    let since = async || h.inputs(&firm.tenant, &order).await.crowded_since;
    let first = crowd(h, &firm.tenant, &order).await.jump_id.made_at();
    let free = first.plus(JUMP_RATE_WINDOW);
    // Ids are made in whole milliseconds, and the clock of the cases moves one for each.
    h.advance(free.minus(Duration::from_millis(2)).since(h.now()));
    let early = h.decide(&firm.tenant, order.clone()).await;
    assert_eq!(early.jump_id.made_at().plus(Duration::from_millis(1)), free);
    let at = |now| JumpQuery { order: &order, return_url: None, request: None, people: &[], now };
    let just_before = h.store.jump_inputs(&firm.tenant, at(Timestamp::from_unix_micros(free.unix_micros() - 1))).await;
    assert_eq!(just_before.expect("an answer").expect("a tenant").crowded_since, Some(first));
    let by_then = h.store.jump_inputs(&firm.tenant, at(free)).await;
    assert_eq!(by_then.expect("an answer").expect("a tenant").crowded_since, None);
    assert_eq!(h.record(&firm.tenant, &early).await, RecordOutcome::Stale, "a millisecond too early");
    let in_time = Jump { jump_id: h.id(JumpId::new), request: h.request(), ..early };
    assert!(in_time.jump_id.made_at() >= free);
    assert_eq!(h.record(&firm.tenant, &in_time).await, RecordOutcome::Recorded);
    h.advance(JUMP_RATE_WINDOW);
    assert_eq!(since().await, None);
    crowd(h, &firm.tenant, &order).await;
}

pub(crate) async fn a_crowd_is_one_persons(h: &Harness) {
    let firm = h.example().await;
    let other = h.firm().await;
    h.put_customers(&firm, &[entry("m.meier", Segment::Private)]).await;
    crowd(h, &firm.tenant, &for_broker("m.meier")).await;
    for (tenant, order) in [
        (&firm.tenant, for_broker("s.schulze")),
        (&firm.tenant, for_customer("k-1")),
        (&firm.tenant, for_customer("m.meier")),
        (&other.tenant, for_broker("m.meier")),
    ] {
        assert_eq!(h.inputs(tenant, &order).await.crowded_since, None, "{order:?}");
        h.issue(tenant, order).await;
    }
}

pub(crate) async fn a_repeated_request_is_repeated_also_when_it_is_crowded(h: &Harness) {
    let firm = h.example().await;
    let first = crowd(h, &firm.tenant, &for_broker("m.meier")).await;
    let again = Jump { request: first.request.clone(), ..h.decide(&firm.tenant, for_broker("m.meier")).await };
    assert_eq!(h.record(&firm.tenant, &again).await, RecordOutcome::Repeated);
    assert_eq!(h.earlier(&firm.tenant, &first).await, Some((first, JumpState::Issued)));
}

pub(crate) async fn a_deleted_tenant_keeps_no_jump(h: &Harness) {
    let firm = h.example().await;
    let jumps = h.open_jumps(&firm, for_broker("m.meier")).await;
    h.delete_tenant(&firm.tenant).await;
    jumps.are_revoked(h).await;
}
