//! Redeeming a jump (`docs/domain.md#redeem`).

use concenter_gateway::domain::audit::{Action, AuditedKind, AuditedPerson, Salt};
use concenter_gateway::domain::customer::Segment;
use concenter_gateway::domain::error::Reason;
use concenter_gateway::domain::ids::{JumpId, SubjectId};
use concenter_gateway::domain::jump::{
    Actor, ActorRole, CLOCK_LEEWAY, Jump, JumpOrder, JumpSelection, JumpState, Luggage, ProofHash, RecordOutcome,
    RedeemAttempt, RedeemInputs, RedeemOutcome, RedeemQuery, RedeemUser, Subject,
};
use concenter_gateway::domain::provider::{ProviderScope, State};
use concenter_gateway::domain::settings::Settings;
use concenter_gateway::domain::target::WebUrl;
use concenter_gateway::domain::time::Timestamp;
use concenter_gateway::domain::user::{NewUser, SecretChange, UserKind};

use super::decisions::other_settings;
use crate::fixture::jump::{for_broker, for_customer, for_stranger};
use crate::fixture::{Harness, done, only, target, user_name};

pub(crate) async fn a_jump_is_redeemed_once(h: &Harness) {
    let firm = h.example().await;
    for order in [for_broker("m.meier"), for_customer("k-1"), for_stranger("neu", Segment::Commercial)] {
        let jump = h.issue(&firm.tenant, order).await;
        assert_eq!(h.redeem(&firm.tenant, &jump).await, RedeemOutcome::Redeemed);
        assert_eq!(h.redeem(&firm.tenant, &jump).await, RedeemOutcome::AlreadyRedeemed);
        assert_eq!(h.redeem(&firm.tenant, &jump).await, RedeemOutcome::AlreadyRedeemed);
    }
    assert_eq!(h.accepted(&firm.tenant, Action::RedeemJump).await, 3);
    assert_eq!(h.refused(&firm.tenant, Action::RedeemJump, Reason::JumpAlreadyRedeemed).await, 6);
}

pub(crate) async fn redeeming_reads_what_is_handed_over(h: &Harness) {
    let firm = h.example().await;
    let new = NewUser { scope: only(&["vergleich"]), ..h.new_user("Eigener", UserKind::EndCustomer) };
    let effect = h.effect(firm.tenant, Action::CreateUser);
    done(h.store.create_user(&firm.tenant, &effect, &new).await);
    h.assign(&firm, "k-1", Some(&new.user_id)).await;
    let jump = h.issue(&firm.tenant, for_customer("k-1")).await;
    let expected = RedeemInputs {
        state: JumpState::Issued,
        user: Some(RedeemUser {
            name: user_name("Eigener"),
            kind: UserKind::EndCustomer,
            scope: only(&["vergleich"]),
            secret: Some((new.sealed_secret.expect("it has one"), 1)),
        }),
        settings: Settings::INITIAL,
        hands_over_secret: true,
        keys: h.store.tenant_keys(&firm.tenant).await.expect("an answer").expect("a tenant"),
        jump: jump.clone(),
        salts: vec![None],
    };
    assert_eq!(h.redeem_inputs(&firm.tenant, &jump.jti_hash).await, Some(expected));
}

pub(crate) async fn redeeming_reads_salts_in_the_order_caller_actor_person(h: &Harness) {
    let firm = h.example().await;
    let actor = Actor { id: SubjectId::parse("s-1").expect("a subject"), role: ActorRole::BrokerStaff };
    let order = JumpOrder { actor: Some(actor), ..for_broker("m.meier") };
    let actor_subject = Some(Subject::from_computed("a".repeat(43)));
    let jump = Jump { actor_subject, ..h.decide(&firm.tenant, order).await };
    assert_eq!(h.record(&firm.tenant, &jump).await, RecordOutcome::Recorded);
    let audited = |kind, id: &str| AuditedPerson { kind, id: id.to_owned() };
    let caller = audited(AuditedKind::Subject, "rechner");
    let people = [caller.clone(), audited(AuditedKind::Subject, "s-1"), audited(AuditedKind::Broker, "m.meier")];
    let salts = people.map(|person| (person, Salt(h.bytes())));
    let query = RedeemQuery { proof: &jump.jti_hash, people: &[caller], now: h.now() };
    for (known, expected) in [
        (&salts[..0], [None, None, None]),
        (&salts[2..], [None, None, Some(salts[2].1)]),
        (&salts[..2], [Some(salts[0].1), Some(salts[1].1), Some(salts[2].1)]),
    ] {
        h.store.ensure_salts(&firm.tenant, known).await.expect("salts");
        let inputs = h.store.redeem_inputs(&firm.tenant, query).await.expect("an answer").expect("a jump");
        assert_eq!(inputs.salts, expected);
    }
}

pub(crate) async fn redeeming_at_a_portal_reads_that_it_gets_no_secret(h: &Harness) {
    let firm = h.example().await;
    let order = JumpOrder { target_id: target("auskunft"), ..for_broker("m.meier") };
    let jump = h.issue(&firm.tenant, order).await;
    let inputs = h.redeem_inputs(&firm.tenant, &jump.jti_hash).await.expect("a jump");
    assert!(!inputs.hands_over_secret);
    let user = inputs.user.expect("its user");
    assert_eq!((user.kind, user.scope), (UserKind::Broker, ProviderScope::All));
}

pub(crate) async fn the_newest_secret_is_read_with_its_version(h: &Harness) {
    let firm = h.example().await;
    let sealed = h.sealed();
    let version = h.user(&firm.tenant, &firm.meier).await.version;
    let effect = h.effect(firm.tenant, Action::SetUserSecret);
    done(
        h.store
            .set_user_secret(
                &firm.tenant,
                &effect,
                &firm.meier,
                version,
                &SecretChange { sealed: sealed.clone(), version: 2 },
            )
            .await,
    );
    let jump = h.issue(&firm.tenant, for_broker("m.meier")).await;
    let inputs = h.redeem_inputs(&firm.tenant, &jump.jti_hash).await.expect("a jump");
    assert_eq!(inputs.user.and_then(|user| user.secret), Some((sealed, 2)));
}

pub(crate) async fn a_jump_is_found_by_its_handle_too(h: &Harness) {
    let firm = h.example().await;
    let handle = ProofHash(h.bytes());
    let jump = Jump { handle_hash: Some(handle), ..h.decide(&firm.tenant, for_broker("m.meier")).await };
    assert_eq!(h.record(&firm.tenant, &jump).await, RecordOutcome::Recorded);
    for proof in [handle, jump.jti_hash] {
        assert_eq!(h.redeem_inputs(&firm.tenant, &proof).await.map(|inputs| inputs.jump), Some(jump.clone()));
    }
}

pub(crate) async fn an_unknown_proof_finds_nothing(h: &Harness) {
    let firm = h.example().await;
    h.issue(&firm.tenant, for_broker("m.meier")).await;
    assert_eq!(h.redeem_inputs(&firm.tenant, &ProofHash(h.bytes())).await, None);
}

pub(crate) async fn a_redeemed_jump_reads_as_redeemed(h: &Harness) {
    let firm = h.example().await;
    let jump = h.issue(&firm.tenant, for_broker("m.meier")).await;
    h.redeem(&firm.tenant, &jump).await;
    let inputs = h.redeem_inputs(&firm.tenant, &jump.jti_hash).await.expect("a jump");
    assert_eq!((inputs.state, inputs.jump), (JumpState::Redeemed, jump));
}

pub(crate) async fn an_unknown_jump_is_refused(h: &Harness) {
    let firm = h.example().await;
    let jump = h.issue(&firm.tenant, for_broker("m.meier")).await;
    let unknown = RedeemAttempt { jump_id: h.id(JumpId::new), ..h.attempt(&jump) };
    assert_eq!(h.redeem_by(&firm.tenant, &unknown).await, RedeemOutcome::Unknown);
    assert_eq!(h.refused(&firm.tenant, Action::RedeemJump, Reason::JumpInvalid).await, 1);
}

pub(crate) async fn another_target_neither_redeems_nor_burns_a_jump(h: &Harness) {
    let firm = h.example().await;
    let jump = h.issue(&firm.tenant, for_broker("m.meier")).await;
    let foreign = RedeemAttempt { target_id: target("auskunft"), ..h.attempt(&jump) };
    assert_eq!(h.redeem_by(&firm.tenant, &foreign).await, RedeemOutcome::Unknown);
    assert_eq!(h.refused(&firm.tenant, Action::RedeemJump, Reason::JumpInvalid).await, 1);
    assert_eq!(h.redeem(&firm.tenant, &jump).await, RedeemOutcome::Redeemed);
    // Nor does it learn, or do, more about one that is redeemed.
    let foreign = RedeemAttempt { target_id: target("auskunft"), ..h.attempt(&jump) };
    assert_eq!(h.redeem_by(&firm.tenant, &foreign).await, RedeemOutcome::Unknown);
    assert_eq!(h.inspect.session_revoked_at(&firm.tenant, &jump.jump_id).await, None);
}

/// When `jump` cannot be redeemed any more.
fn over(jump: &Jump) -> Timestamp {
    jump.expires_at.plus(CLOCK_LEEWAY)
}

fn just_before(at: Timestamp) -> Timestamp {
    Timestamp::from_unix_micros(at.unix_micros() - 1)
}

pub(crate) async fn a_jump_ends_five_seconds_after_it_expires(h: &Harness) {
    let firm = h.example().await;
    let jump = h.issue(&firm.tenant, for_broker("m.meier")).await;
    let late = RedeemAttempt { at: over(&jump), ..h.attempt(&jump) };
    assert_eq!(h.redeem_by(&firm.tenant, &late).await, RedeemOutcome::Expired);
    let state = async |now| {
        let inputs = h.redeem_inputs_at(&firm.tenant, &jump.jti_hash, now).await.expect("an answer");
        inputs.expect("a jump").state
    };
    assert_eq!(state(over(&jump)).await, JumpState::Expired);
    assert_eq!(state(just_before(over(&jump))).await, JumpState::Issued);
    let in_time = RedeemAttempt { at: just_before(over(&jump)), ..h.attempt(&jump) };
    assert_eq!(h.redeem_by(&firm.tenant, &in_time).await, RedeemOutcome::Redeemed);
    assert_eq!(h.refused(&firm.tenant, Action::RedeemJump, Reason::JumpExpired).await, 1);
}

pub(crate) async fn redeemed_is_told_before_expired_and_revoked(h: &Harness) {
    let firm = h.example().await;
    let jump = h.issue(&firm.tenant, for_broker("m.meier")).await;
    h.redeem(&firm.tenant, &jump).await;
    h.set_user_state(&firm, &firm.meier, State::Disabled).await;
    let late = RedeemAttempt { at: over(&jump), ..h.attempt(&jump) };
    assert_eq!(h.redeem_by(&firm.tenant, &late).await, RedeemOutcome::AlreadyRedeemed);
}

pub(crate) async fn expired_is_told_before_revoked(h: &Harness) {
    let firm = h.example().await;
    let jump = h.issue(&firm.tenant, for_broker("m.meier")).await;
    h.set_user_state(&firm, &firm.meier, State::Disabled).await;
    let late = RedeemAttempt { at: over(&jump), ..h.attempt(&jump) };
    assert_eq!(h.redeem_by(&firm.tenant, &late).await, RedeemOutcome::Expired);
    assert_eq!(h.redeem(&firm.tenant, &jump).await, RedeemOutcome::Revoked);
    assert_eq!(h.refused(&firm.tenant, Action::RedeemJump, Reason::JumpRevoked).await, 1);
}

pub(crate) async fn a_second_redemption_revokes_the_first_session_once(h: &Harness) {
    let firm = h.example().await;
    let jump = h.issue(&firm.tenant, for_broker("m.meier")).await;
    h.redeem(&firm.tenant, &jump).await;
    let revoked_at = async || h.inspect.session_revoked_at(&firm.tenant, &jump.jump_id).await;
    assert_eq!(revoked_at().await, None);
    let second = h.attempt(&jump);
    assert_eq!(h.redeem_by(&firm.tenant, &second).await, RedeemOutcome::AlreadyRedeemed);
    assert_eq!(revoked_at().await, Some(second.at));
    assert_eq!(h.redeem(&firm.tenant, &jump).await, RedeemOutcome::AlreadyRedeemed);
    assert_eq!(revoked_at().await, Some(second.at), "the first time stays");
}

pub(crate) async fn a_refused_first_redemption_revokes_no_session(h: &Harness) {
    let firm = h.example().await;
    let jump = h.issue(&firm.tenant, for_broker("m.meier")).await;
    let late = RedeemAttempt { at: over(&jump), ..h.attempt(&jump) };
    h.redeem_by(&firm.tenant, &late).await;
    assert_eq!(h.inspect.session_revoked_at(&firm.tenant, &jump.jump_id).await, None);
}

pub(crate) async fn a_jump_of_an_old_epoch_is_revoked(h: &Harness) {
    let firm = h.example().await;
    let jump = h.issue(&firm.tenant, for_broker("m.meier")).await;
    h.inspect.begin_next_epoch().await;
    let inputs = h.redeem_inputs(&firm.tenant, &jump.jti_hash).await.expect("a jump");
    assert_eq!(inputs.state, JumpState::Revoked);
    assert_eq!(h.redeem(&firm.tenant, &jump).await, RedeemOutcome::Revoked);
}

pub(crate) async fn redeeming_reads_the_settings(h: &Harness) {
    let firm = h.example().await;
    let changed = h.change_settings(&firm, other_settings()).await;
    let jump = h.issue(&firm.tenant, for_broker("m.meier")).await;
    let inputs = h.redeem_inputs(&firm.tenant, &jump.jti_hash).await.expect("a jump");
    assert_eq!(inputs.settings, changed);
}

pub(crate) async fn a_jump_is_found_without_its_user(h: &Harness) {
    let firm = h.example().await;
    let [open, redeemed] =
        [h.issue(&firm.tenant, for_broker("m.meier")).await, h.issue(&firm.tenant, for_broker("m.meier")).await];
    h.redeem(&firm.tenant, &redeemed).await;
    h.delete_activation(&firm, &firm.meiers).await;
    h.delete_user(&firm, &firm.meier).await;
    for (jump, state, outcome) in [
        (open, JumpState::Revoked, RedeemOutcome::Revoked),
        (redeemed, JumpState::Redeemed, RedeemOutcome::AlreadyRedeemed),
    ] {
        let inputs = h.redeem_inputs(&firm.tenant, &jump.jti_hash).await.expect("a jump");
        assert_eq!((inputs.state, inputs.user), (state, None));
        assert_eq!(inputs.jump, jump);
        assert_eq!(h.redeem(&firm.tenant, &jump).await, outcome);
    }
}

pub(crate) async fn a_deleted_tenants_jump_is_found_as_revoked(h: &Harness) {
    let firm = h.example().await;
    let jump = h.issue(&firm.tenant, for_broker("m.meier")).await;
    h.delete_tenant(&firm.tenant).await;
    let inputs = h.redeem_inputs(&firm.tenant, &jump.jti_hash).await.expect("a jump");
    assert_eq!(inputs.state, JumpState::Revoked);
}

pub(crate) async fn a_jump_revoked_by_itself_is_revoked_until_it_expires(h: &Harness) {
    let firm = h.example().await;
    let jump = h.issue(&firm.tenant, for_broker("m.meier")).await;
    h.revoke(&firm.tenant, &JumpSelection::Jump(jump.jump_id)).await;
    let late = RedeemAttempt { at: over(&jump), ..h.attempt(&jump) };
    assert_eq!(h.redeem_by(&firm.tenant, &late).await, RedeemOutcome::Expired);
    assert_eq!(h.redeem(&firm.tenant, &jump).await, RedeemOutcome::Revoked);
    assert_eq!(h.redeem(&firm.tenant, &jump).await, RedeemOutcome::Revoked);
}

pub(crate) async fn a_jump_with_a_return_url_of_earlier_rules_is_redeemed_and_its_replay_revokes(h: &Harness) {
    let firm = h.example().await;
    let return_url = WebUrl::parse_known("https://portal.example/?{x}").expect("a URL of earlier rules");
    let luggage = Luggage { return_url: Some(return_url), ..Luggage::default() };
    let jump = Jump { luggage, ..h.decide(&firm.tenant, for_customer("k-1")).await };
    assert_eq!(h.record(&firm.tenant, &jump).await, RecordOutcome::Recorded);
    let inputs = h.redeem_inputs(&firm.tenant, &jump.jti_hash).await.expect("a jump");
    assert_eq!(inputs.jump, jump);
    assert_eq!(h.redeem(&firm.tenant, &jump).await, RedeemOutcome::Redeemed);
    let inputs = h.redeem_inputs(&firm.tenant, &jump.jti_hash).await.expect("a jump");
    assert_eq!(inputs.state, JumpState::Redeemed);
    assert_eq!(h.redeem(&firm.tenant, &jump).await, RedeemOutcome::AlreadyRedeemed);
    assert!(h.inspect.session_revoked_at(&firm.tenant, &jump.jump_id).await.is_some());
}
