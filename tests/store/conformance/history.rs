//! The history of jumps: what is told of one, which are listed, and how it forgets a customer.

use std::collections::HashSet;
use std::time::Duration;

use concenter_gateway::domain::customer::Segment;
use concenter_gateway::domain::ids::{JumpId, LineOfBusiness, SubjectId, TenantId};
use concenter_gateway::domain::jump::{
    Actor, ActorRole, CLOCK_LEEWAY, Context, Jump, JumpFilter, JumpMarks, JumpOrder, JumpRecord, JumpSelection,
    JumpState, LONGEST_SESSION, Luggage, Nonce, PersonKind, ProofHash, RecordOutcome, RedeemAttempt, RedeemOutcome,
    Standing, Subject, TargetPage,
};
use concenter_gateway::domain::page::PageRequest;
use concenter_gateway::domain::provider::State;
use concenter_gateway::domain::resolve::Way;
use concenter_gateway::domain::tenant::TenantState;
use concenter_gateway::domain::time::Timestamp;
use concenter_gateway::store::MOST_JUMPS_SCANNED;

use crate::fixture::catalog::{new_calculator, new_return_url};
use crate::fixture::firm::{Firm, entry};
use crate::fixture::jump::{for_broker, for_customer, for_stranger, the_broker, the_customer};
use crate::fixture::{Harness, customer, first, provider, target, url, walks};

/// What the history tells of `jump` while nothing has become of it.
fn untouched(jump: &Jump, record: JumpRecord) -> JumpRecord {
    JumpRecord {
        jump_id: jump.jump_id,
        state: JumpState::Issued,
        actor: jump.order.actor.clone(),
        target_id: jump.order.target_id.clone(),
        user_id: Some(jump.user_id),
        way: jump.way,
        segment: jump.segment,
        activation_id: jump.order.activation_id,
        customer_context: jump.order.customer_context.clone(),
        line_of_business: jump.order.line_of_business,
        provider_id: jump.order.provider_id.clone(),
        issued_at: jump.issued_at,
        expires_at: jump.expires_at,
        redeemed_at: None,
        revoked_at: None,
        session_revoked_at: None,
        result: None,
        ..record
    }
}

/// `jump` with everything in it that leads to people.
fn personal(jump: Jump) -> Jump {
    let staff = Actor { id: SubjectId::parse("f.fischer@firma").expect("a subject"), role: ActorRole::CustomerStaff };
    Jump {
        order: JumpOrder { actor: Some(staff), ..jump.order },
        luggage: Luggage {
            context: Some(Context::parse("Angebot 7").expect("a context")),
            nonce: Some(Nonce::parse("n-once").expect("a nonce")),
            return_url: Some(url("https://portal.example/zurueck")),
            target_page: Some(TargetPage::parse("kunden/k-1").expect("a page")),
        },
        actor_subject: Some(Subject::from_computed("a".repeat(43))),
        ..jump
    }
}

async fn keep(h: &Harness, tenant: &TenantId, jump: Jump) -> Jump {
    assert_eq!(h.record(tenant, &jump).await, RecordOutcome::Recorded);
    jump
}

pub(crate) async fn the_history_tells_what_was_asked_and_decided(h: &Harness) {
    let firm = h.example().await;
    let bare = h.issue(&firm.tenant, for_broker("m.meier")).await;
    let record = h.history(&firm.tenant, &bare).await;
    assert_eq!((record.person_kind, record.person.clone()), (PersonKind::Broker, Some(the_broker("m.meier"))));
    assert_eq!(record.updated_at(), bare.issued_at);
    assert_eq!(record, untouched(&bare, record.clone()));

    let order = JumpOrder {
        activation_id: Some(firm.meiers),
        customer_context: Some(customer("k-2")),
        line_of_business: Some(LineOfBusiness::parse("050").expect("a line")),
        provider_id: Some(provider("sicher")),
        ..for_broker("m.meier")
    };
    let full = personal(h.decide(&firm.tenant, order).await);
    let full = keep(h, &firm.tenant, full).await;
    let record = h.history(&firm.tenant, &full).await;
    assert_eq!(record, untouched(&full, record.clone()));
    assert_eq!(record.actor.map(|actor| actor.role), Some(ActorRole::CustomerStaff));

    let customers = h.issue(&firm.tenant, for_customer("g-1")).await;
    let record = h.history(&firm.tenant, &customers).await;
    assert_eq!((record.person_kind, record.person.clone()), (PersonKind::Customer, Some(the_customer("g-1"))));
    assert_eq!((record.way, record.segment), (Way::SharedCommercial, Some(Segment::Commercial)));
    assert_eq!(record, untouched(&customers, record.clone()));
}

pub(crate) async fn an_unknown_jump_has_no_history(h: &Harness) {
    let firm = h.example().await;
    let jump = h.issue(&firm.tenant, for_broker("m.meier")).await;
    assert_eq!(h.told(&firm.tenant, &h.id(JumpId::new)).await, None);
    assert_eq!(h.told(&h.id(TenantId::new), &jump.jump_id).await, None);
}

pub(crate) async fn another_tenants_jumps_are_not_told(h: &Harness) {
    let firm = h.example().await;
    let other = h.firm().await;
    let own = h.issue(&firm.tenant, for_broker("m.meier")).await;
    let foreign = h.issue(&other.tenant, for_broker("m.meier")).await;
    assert_eq!(h.told(&firm.tenant, &foreign.jump_id).await, None);
    let of_person = JumpFilter { person: Some(the_broker("m.meier")), ..JumpFilter::default() };
    let of_target = JumpFilter { target_id: Some(target("rechner")), ..JumpFilter::default() };
    for filter in [JumpFilter::default(), of_person, of_target] {
        assert_eq!(h.listed(&firm.tenant, &filter).await, [own.jump_id]);
        assert_eq!(h.listed(&other.tenant, &filter).await, [foreign.jump_id]);
    }
    let foreign_user = JumpFilter { user_id: Some(other.meier), ..JumpFilter::default() };
    assert_eq!(h.listed(&firm.tenant, &foreign_user).await, []);
}

/// Asserts that history, list and redeem say of `jump` what the rules say, now, just before its end and at its end.
async fn agrees(h: &Harness, firm: &Firm, jump: &Jump) -> HashSet<JumpState> {
    let end = jump.expires_at.plus(CLOCK_LEEWAY);
    let inputs = h.inputs(&firm.tenant, &jump.order).await;
    let standing = Standing { tenant: inputs.candidates.tenant, epoch: inputs.epoch, versions: inputs.versions };
    let mut seen = HashSet::new();
    for now in [h.now(), Timestamp::from_unix_micros(end.unix_micros() - 1), end] {
        let record = h.store.get_jump(&firm.tenant, &jump.jump_id, now).await.expect("an answer").expect("a jump");
        let marks = JumpMarks { redeemed_at: record.redeemed_at, revoked_at: record.revoked_at };
        assert_eq!(record.state, JumpState::of(jump, marks, &standing, now), "{standing:?} {marks:?}");
        for state in [JumpState::Issued, JumpState::Redeemed, JumpState::Expired, JumpState::Revoked] {
            let filter = JumpFilter { state: Some(state), ..JumpFilter::default() };
            let page = h.store.list_jumps(&firm.tenant, &filter, &first(500), now).await.expect("an answer");
            let is_listed = page.rows.iter().any(|row| row == &record);
            assert_eq!(is_listed, state == record.state, "listed as {state:?}");
        }
        let redeem = h.redeem_inputs_at(&firm.tenant, &jump.jti_hash, now).await.expect("an answer");
        assert_eq!(redeem.map(|inputs| inputs.state), Some(record.state), "as redeeming reads it");
        seen.insert(record.state);
    }
    seen
}

pub(crate) async fn the_history_says_what_the_rules_say(h: &Harness) {
    let firm = h.example().await;
    let orders =
        || [for_broker("m.meier"), for_customer("k-1"), for_customer("g-1"), for_stranger("neu", Segment::Private)];
    let mut jumps = Vec::new();
    for order in orders() {
        let [open, redeemed, revoked, marked] = [
            h.issue(&firm.tenant, order.clone()).await,
            h.issue(&firm.tenant, order.clone()).await,
            h.issue(&firm.tenant, order.clone()).await,
            h.issue(&firm.tenant, order).await,
        ];
        h.redeem(&firm.tenant, &redeemed).await;
        h.redeem(&firm.tenant, &marked).await;
        h.revoke(&firm.tenant, &JumpSelection::Jump(revoked.jump_id)).await;
        h.revoke(&firm.tenant, &JumpSelection::Jump(marked.jump_id)).await;
        jumps.extend([open, redeemed, revoked, marked]);
    }
    let mut seen = HashSet::new();
    for jump in &jumps {
        seen.extend(agrees(h, &firm, jump).await);
    }
    assert_eq!(seen.len(), 4, "every state: {seen:?}");
    // Whatever a jump rests on moves, one after the other: the customers' records, the configuration, the catalogue, ..
    h.put_customers(&firm, &[entry("k-1", Segment::Commercial), entry("neu", Segment::Private)]).await;
    for jump in &jumps {
        agrees(h, &firm, jump).await;
    }
    h.set_user_state(&firm, &firm.schulze, State::Disabled).await;
    for jump in &jumps {
        agrees(h, &firm, jump).await;
    }
    let after_config = h.issue(&firm.tenant, for_customer("k-1")).await;
    h.put_return_url(&new_return_url("neu", "https://portal.example/neu")).await;
    agrees(h, &firm, &after_config).await;
    // .. the epoch, and the tenant itself.
    let after_catalog = h.issue(&firm.tenant, for_customer("k-1")).await;
    h.inspect.begin_next_epoch().await;
    agrees(h, &firm, &after_catalog).await;
    let last = h.issue(&firm.tenant, for_broker("m.meier")).await;
    agrees(h, &firm, &last).await;
    h.set_tenant_state(&firm.tenant, TenantState::Stopped).await;
    agrees(h, &firm, &last).await;
}

pub(crate) async fn jumps_are_listed_page_by_page_the_newest_first(h: &Harness) {
    let firm = h.example().await;
    let other = h.firm().await;
    let mut expected = Vec::new();
    for order in [for_broker("m.meier"), for_customer("k-1")].iter().cycle().take(13) {
        let jump = h.issue(&firm.tenant, order.clone()).await;
        h.issue(&other.tenant, order.clone()).await;
        expected.push(h.history(&firm.tenant, &jump).await);
    }
    expected.reverse();
    let all = JumpFilter::default();
    for rows in [1, 4, 13, 50] {
        walks(&expected, rows, async |page| h.page_of_jumps(&firm.tenant, &all, &page).await).await;
    }
    let meiers = JumpFilter { person: Some(the_broker("m.meier")), ..JumpFilter::default() };
    expected.retain(|record| record.person == Some(the_broker("m.meier")));
    for rows in [1, 3, 7] {
        walks(&expected, rows, async |page| h.page_of_jumps(&firm.tenant, &meiers, &page).await).await;
    }
}

pub(crate) async fn a_tenant_without_jumps_has_an_empty_list(h: &Harness) {
    let tenant = h.empty_tenant().await;
    assert_eq!(h.listed(&tenant, &JumpFilter::default()).await, []);
}

pub(crate) async fn each_filter_lets_through_what_it_names(h: &Harness) {
    let firm = h.example().await;
    h.put_target(&new_calculator("zweiter")).await;
    // A customer with a broker's id is somebody else.
    h.put_customers(&firm, &[entry("m.meier", Segment::Private)]).await;
    let elsewhere = JumpOrder { target_id: target("zweiter"), ..for_customer("k-1") };
    let brokers = h.issue(&firm.tenant, for_broker("m.meier")).await;
    let namesakes = h.issue(&firm.tenant, for_customer("m.meier")).await;
    let customers = h.issue(&firm.tenant, for_customer("k-1")).await;
    let at_another = h.issue(&firm.tenant, elsewhere).await;
    h.redeem(&firm.tenant, &namesakes).await;
    let all = JumpFilter::default();
    let listed = async |filter: JumpFilter| h.listed(&firm.tenant, &filter).await;
    let ids = |jumps: &[&Jump]| jumps.iter().map(|jump| jump.jump_id).collect::<Vec<_>>();

    let of_user = |user| JumpFilter { user_id: Some(user), ..all.clone() };
    assert_eq!(listed(of_user(firm.meier)).await, ids(&[&brokers]));
    assert_eq!(listed(of_user(firm.private)).await, ids(&[&at_another, &customers, &namesakes]));
    assert_eq!(listed(of_user(firm.schulze)).await, []);

    let of_person = |person| JumpFilter { person: Some(person), ..all.clone() };
    assert_eq!(listed(of_person(the_broker("m.meier"))).await, ids(&[&brokers]));
    assert_eq!(listed(of_person(the_customer("m.meier"))).await, ids(&[&namesakes]));
    assert_eq!(listed(of_person(the_customer("k-1"))).await, ids(&[&at_another, &customers]));
    assert_eq!(listed(of_person(the_customer("niemand"))).await, []);

    let of_target = |key| JumpFilter { target_id: Some(target(key)), ..all.clone() };
    assert_eq!(listed(of_target("zweiter")).await, ids(&[&at_another]));
    assert_eq!(listed(of_target("rechner")).await, ids(&[&customers, &namesakes, &brokers]));

    let of_state = |state| JumpFilter { state: Some(state), ..all.clone() };
    assert_eq!(listed(of_state(JumpState::Redeemed)).await, ids(&[&namesakes]));
    assert_eq!(listed(of_state(JumpState::Issued)).await, ids(&[&at_another, &customers, &brokers]));
    assert_eq!(listed(of_state(JumpState::Revoked)).await, []);
}

pub(crate) async fn filters_together_let_through_what_meets_all_of_them(h: &Harness) {
    let firm = h.example().await;
    h.put_target(&new_calculator("zweiter")).await;
    let start = h.now();
    let wanted = h.issue(&firm.tenant, for_customer("k-1")).await;
    let elsewhere = JumpOrder { target_id: target("zweiter"), ..for_customer("k-1") };
    for order in [for_customer("k-2"), for_broker("m.meier"), elsewhere] {
        let near = h.issue(&firm.tenant, order).await;
        h.redeem(&firm.tenant, &near).await;
    }
    h.issue(&firm.tenant, for_customer("k-1")).await;
    h.redeem(&firm.tenant, &wanted).await;
    let all = JumpFilter {
        user_id: Some(firm.private),
        person: Some(the_customer("k-1")),
        target_id: Some(target("rechner")),
        state: Some(JumpState::Redeemed),
        updated_after: Some(start),
    };
    assert_eq!(h.listed(&firm.tenant, &all).await, [wanted.jump_id]);
    for other in [
        JumpFilter { user_id: Some(firm.commercial), ..all.clone() },
        JumpFilter { person: Some(the_customer("g-1")), ..all.clone() },
        JumpFilter { target_id: Some(target("auskunft")), ..all.clone() },
        JumpFilter { state: Some(JumpState::Expired), ..all.clone() },
        JumpFilter { updated_after: Some(h.now()), ..all.clone() },
    ] {
        assert_eq!(h.listed(&firm.tenant, &other).await, [], "{other:?}");
    }
}

pub(crate) async fn a_jump_is_updated_by_whatever_is_written_about_it(h: &Harness) {
    let firm = h.example().await;
    let jump = h.issue(&firm.tenant, for_broker("m.meier")).await;
    let is_listed_after = async |instant: Timestamp| {
        let filter = JumpFilter { updated_after: Some(instant), ..JumpFilter::default() };
        h.listed(&firm.tenant, &filter).await == [jump.jump_id]
    };
    let just_before = |at: Timestamp| Timestamp::from_unix_micros(at.unix_micros() - 1);
    h.advance(Duration::from_secs(10));
    let attempt = h.attempt(&jump);
    h.redeem_by(&firm.tenant, &attempt).await;
    assert_eq!(h.history(&firm.tenant, &jump).await.updated_at(), attempt.at);
    assert!(is_listed_after(just_before(attempt.at)).await);
    assert!(!is_listed_after(attempt.at).await, "written then, not after it");
    h.advance(Duration::from_secs(10));
    let second = h.attempt(&jump);
    h.redeem_by(&firm.tenant, &second).await;
    assert_eq!(h.history(&firm.tenant, &jump).await.updated_at(), second.at);
    assert!(is_listed_after(attempt.at).await);
    assert!(!is_listed_after(second.at).await);
}

pub(crate) async fn a_revoked_jump_is_updated_when_it_is_revoked(h: &Harness) {
    let firm = h.example().await;
    let jump = h.issue(&firm.tenant, for_broker("m.meier")).await;
    h.advance(Duration::from_secs(10));
    let before = h.now();
    h.revoke(&firm.tenant, &JumpSelection::Jump(jump.jump_id)).await;
    let record = h.history(&firm.tenant, &jump).await;
    assert_eq!(Some(record.updated_at()), record.revoked_at);
    let filter = JumpFilter { updated_after: Some(before), ..JumpFilter::default() };
    assert_eq!(h.listed(&firm.tenant, &filter).await, [jump.jump_id]);
}

pub(crate) async fn a_page_looks_at_a_limited_number_of_jumps(h: &Harness) {
    let firm = h.example().await;
    let sought = h.issue(&firm.tenant, for_customer("k-1")).await;
    let like = h.issue(&firm.tenant, for_broker("m.meier")).await;
    h.inspect.add_jumps(&firm.tenant, &like.jump_id, MOST_JUMPS_SCANNED).await;
    let filter = JumpFilter { user_id: Some(firm.private), ..JumpFilter::default() };
    let page = h.page_of_jumps(&firm.tenant, &filter, &first(50)).await;
    assert_eq!(page.rows, [], "it is behind all that one page looks at");
    let rest = PageRequest { after: page.next, ..first(50) };
    assert!(rest.after.is_some(), "there is more to look at");
    let page = h.page_of_jumps(&firm.tenant, &filter, &rest).await;
    assert_eq!((page.rows, page.next), (vec![h.history(&firm.tenant, &sought).await], None));
    // By person it is found at once: others are not looked at.
    let his = JumpFilter { person: Some(the_customer("k-1")), ..JumpFilter::default() };
    assert_eq!(h.listed(&firm.tenant, &his).await, [sought.jump_id]);
}

pub(crate) async fn a_page_looks_at_a_limited_number_of_one_persons_jumps(h: &Harness) {
    let firm = h.example().await;
    let sought = h.issue(&firm.tenant, for_broker("m.meier")).await;
    h.redeem(&firm.tenant, &sought).await;
    let like = h.issue(&firm.tenant, for_broker("m.meier")).await;
    // One less than the window: `like` is in it, what comes after it is not.
    h.inspect.add_jumps(&firm.tenant, &like.jump_id, MOST_JUMPS_SCANNED - 1).await;
    let state = Some(JumpState::Redeemed);
    let filter = JumpFilter { person: Some(the_broker("m.meier")), state, ..JumpFilter::default() };
    let page = h.page_of_jumps(&firm.tenant, &filter, &first(50)).await;
    assert_eq!((page.rows, page.next.clone()), (Vec::new(), Some(like.jump_id.to_string())));
    let page = h.page_of_jumps(&firm.tenant, &filter, &PageRequest { after: page.next, ..first(50) }).await;
    assert_eq!((page.rows, page.next), (vec![h.history(&firm.tenant, &sought).await], None));
}

pub(crate) async fn a_full_page_begins_the_next_one_behind_its_last_row(h: &Harness) {
    let firm = h.example().await;
    let like = h.issue(&firm.tenant, for_broker("m.meier")).await;
    h.inspect.add_jumps(&firm.tenant, &like.jump_id, MOST_JUMPS_SCANNED + 5).await;
    let mut request = first(500);
    let mut seen = Vec::new();
    loop {
        let page = h.page_of_jumps(&firm.tenant, &JumpFilter::default(), &request).await;
        seen.extend(page.rows.iter().map(|row| row.jump_id.to_string()));
        request.after = page.next;
        if request.after.is_none() {
            break;
        }
    }
    assert!(seen.is_sorted_by(|newer, older| newer > older), "each once, the newest first");
    assert_eq!(seen.len(), usize::try_from(MOST_JUMPS_SCANNED).expect("a small number") + 6);
}

pub(crate) async fn a_deleted_users_jumps_are_still_told(h: &Harness) {
    let firm = h.example().await;
    let [open, redeemed] =
        [h.issue(&firm.tenant, for_broker("m.meier")).await, h.issue(&firm.tenant, for_broker("m.meier")).await];
    h.redeem(&firm.tenant, &redeemed).await;
    h.delete_activation(&firm, &firm.meiers).await;
    h.delete_user(&firm, &firm.meier).await;
    let filter = JumpFilter { user_id: Some(firm.meier), ..JumpFilter::default() };
    assert_eq!(h.listed(&firm.tenant, &filter).await, [redeemed.jump_id, open.jump_id]);
    assert_eq!(h.history(&firm.tenant, &open).await.state, JumpState::Revoked);
    assert_eq!(h.history(&firm.tenant, &redeemed).await.state, JumpState::Redeemed);
}

pub(crate) async fn an_erased_customers_jumps_are_told_without_him(h: &Harness) {
    let firm = h.example().await;
    let order = JumpOrder { line_of_business: LineOfBusiness::parse("050").ok(), ..for_customer("k-1") };
    let decided = personal(h.decide(&firm.tenant, order).await);
    let jump = keep(h, &firm.tenant, Jump { handle_hash: Some(ProofHash(h.bytes())), ..decided }).await;
    h.erase(&firm, "k-1").await;
    let record = h.history(&firm.tenant, &jump).await;
    assert!(record.revoked_at.is_some());
    let expected = JumpRecord {
        state: JumpState::Revoked,
        person: None,
        person_kind: PersonKind::Customer,
        actor: None,
        revoked_at: record.revoked_at,
        ..untouched(&jump, record.clone())
    };
    assert_eq!(record, expected);
    let of_user = JumpFilter { user_id: Some(firm.private), ..JumpFilter::default() };
    assert_eq!(h.listed(&firm.tenant, &of_user).await, [jump.jump_id]);
    let his = JumpFilter { person: Some(the_customer("k-1")), ..JumpFilter::default() };
    assert_eq!(h.listed(&firm.tenant, &his).await, []);
    for left in ["k-1", "fischer", "Angebot", "n-once"] {
        assert!(!h.inspect.tables_with(left).await.contains(&"jump".to_owned()), "{left} is left");
    }
}

pub(crate) async fn an_erased_customers_jumps_are_neither_redeemed_nor_repeated(h: &Harness) {
    let firm = h.example().await;
    let handle = Some(ProofHash(h.bytes()));
    let open = Jump { handle_hash: handle, ..h.decide(&firm.tenant, for_customer("k-1")).await };
    let open = keep(h, &firm.tenant, open).await;
    let decided = h.decide(&firm.tenant, for_customer("k-1")).await;
    h.erase(&firm, "k-1").await;
    for proof in [Some(open.jti_hash), handle].into_iter().flatten() {
        assert_eq!(h.redeem_inputs(&firm.tenant, &proof).await, None);
    }
    assert_eq!(h.earlier(&firm.tenant, &open).await, None);
    assert_eq!(h.redeem(&firm.tenant, &open).await, RedeemOutcome::Revoked);
    assert_eq!(h.record(&firm.tenant, &decided).await, RecordOutcome::Stale);
    // A record that is put later under the same id revives nothing.
    h.put_customers(&firm, &[entry("k-1", Segment::Private)]).await;
    assert_eq!(h.redeem_inputs(&firm.tenant, &open.jti_hash).await, None);
    assert_eq!(h.redeem(&firm.tenant, &open).await, RedeemOutcome::Revoked);
    assert_eq!(h.record(&firm.tenant, &decided).await, RecordOutcome::Stale);
    h.issue(&firm.tenant, for_customer("k-1")).await;
}

pub(crate) async fn erasing_marks_the_sessions_that_may_still_last(h: &Harness) {
    let firm = h.example().await;
    let redeem = async |at: Timestamp| {
        let jump = h.issue(&firm.tenant, for_customer("k-1")).await;
        let attempt = RedeemAttempt { at, ..h.attempt(&jump) };
        assert_eq!(h.redeem_by(&firm.tenant, &attempt).await, RedeemOutcome::Redeemed);
        jump
    };
    let over = redeem(h.now()).await;
    h.advance(LONGEST_SESSION);
    let lasting = redeem(h.now()).await;
    let anothers = h.issue(&firm.tenant, for_customer("k-2")).await;
    h.redeem(&firm.tenant, &anothers).await;
    h.erase(&firm, "k-1").await;
    let revoked = async |jump: &Jump| h.history(&firm.tenant, jump).await.session_revoked_at.is_some();
    assert_eq!((revoked(&over).await, revoked(&lasting).await, revoked(&anothers).await), (false, true, false));
    assert_eq!(h.history(&firm.tenant, &lasting).await.state, JumpState::Redeemed);
    assert_eq!(h.history(&firm.tenant, &lasting).await.revoked_at, None);
}

pub(crate) async fn a_broker_jump_forgets_the_customer_that_it_was_for(h: &Harness) {
    let firm = h.example().await;
    let order = |id: &str| JumpOrder { customer_context: Some(customer(id)), ..for_broker("m.meier") };
    let for_erased = async || {
        let jump = personal(h.decide(&firm.tenant, order("k-1")).await);
        keep(h, &firm.tenant, jump).await
    };
    let [open, redeemed] = [for_erased().await, for_erased().await];
    h.redeem(&firm.tenant, &redeemed).await;
    let other = h.issue(&firm.tenant, order("k-2")).await;
    let none = h.issue(&firm.tenant, for_broker("m.meier")).await;
    h.erase(&firm, "k-1").await;
    for (jump, state) in [(&open, JumpState::Revoked), (&redeemed, JumpState::Redeemed)] {
        let record = h.history(&firm.tenant, jump).await;
        assert_eq!((record.customer_context, record.state), (None, state));
        assert_eq!(record.person, Some(the_broker("m.meier")));
        assert_eq!(record.actor, jump.order.actor, "who acted is the broker's");
        assert_eq!(record.session_revoked_at, None, "the session is the broker's");
    }
    assert_eq!(h.redeem(&firm.tenant, &open).await, RedeemOutcome::Revoked);
    for kept in [&other, &none] {
        assert_eq!(h.history(&firm.tenant, kept).await.state, JumpState::Issued);
        assert_eq!(h.redeem(&firm.tenant, kept).await, RedeemOutcome::Redeemed);
    }
}

pub(crate) async fn a_customers_jump_forgets_another_customer_that_it_was_for(h: &Harness) {
    let firm = h.example().await;
    let order = JumpOrder { customer_context: Some(customer("k-2")), ..for_customer("g-1") };
    let jump = h.issue(&firm.tenant, order).await;
    h.erase(&firm, "k-2").await;
    let record = h.history(&firm.tenant, &jump).await;
    assert_eq!((record.person, record.customer_context), (Some(the_customer("g-1")), None));
    assert_eq!(record.state, JumpState::Revoked);
}

pub(crate) async fn a_customer_of_the_same_id_in_another_tenant_is_not_forgotten(h: &Harness) {
    let firm = h.example().await;
    let other = h.firm().await;
    let jump = h.issue(&other.tenant, for_customer("k-1")).await;
    let order = JumpOrder { customer_context: Some(customer("k-1")), ..for_broker("m.meier") };
    let brokers = h.issue(&other.tenant, order).await;
    h.issue(&firm.tenant, for_customer("k-1")).await;
    h.erase(&firm, "k-1").await;
    assert_eq!(h.history(&other.tenant, &jump).await.person, Some(the_customer("k-1")));
    assert_eq!(h.history(&other.tenant, &brokers).await.customer_context, Some(customer("k-1")));
    assert_eq!(h.redeem(&other.tenant, &jump).await, RedeemOutcome::Redeemed);
    assert_eq!(h.redeem(&other.tenant, &brokers).await, RedeemOutcome::Redeemed);
}
