//! What comes behind a redeem: sessions, how logins went, and what follows from it (`docs/domain.md#sessions`).

use std::time::Duration;

use concenter_gateway::domain::audit::Action;
use concenter_gateway::domain::change::Change;
use concenter_gateway::domain::customer::AccessChange;
use concenter_gateway::domain::error::Reason;
use concenter_gateway::domain::ids::{AuditId, JumpId, TargetId, TenantId, UserId};
use concenter_gateway::domain::jump::{
    Jump, JumpFilter, JumpOrder, JumpResult, JumpSelection, LoginReport, PersonKind, RedeemOutcome, ReportedResult,
    Session, SessionState,
};
use concenter_gateway::domain::provider::State;
use concenter_gateway::domain::resolve::resolve;
use concenter_gateway::domain::session::SessionUser;
use concenter_gateway::domain::settings::{SessionChange, SessionSpan, SettingsChange};
use concenter_gateway::domain::tenant::TenantState;
use concenter_gateway::domain::user::{LoginHealth, SecretChange, UserChange, UserKind};
use concenter_gateway::store::{Effect, Outcome, StoreError};

use crate::fixture::firm::Firm;
use crate::fixture::jump::{for_broker, for_customer};
use crate::fixture::{AuditRow, Harness, done, reason, target, user_name};

const SUCCEEDED: JumpResult = JumpResult::LoginSucceeded;
const FAILED: JumpResult = JumpResult::LoginFailed;

async fn session(h: &Harness, tenant: &TenantId, jump: &JumpId, at: &TargetId) -> Option<Session> {
    h.store.get_session(tenant, jump, at).await.expect("an answer")
}

/// The session that a redeemed jump has.
async fn its_session(h: &Harness, firm: &Firm, jump: &Jump) -> Session {
    session(h, &firm.tenant, &jump.jump_id, &jump.order.target_id).await.expect("a session")
}

async fn redeemed(h: &Harness, firm: &Firm, order: JumpOrder) -> Jump {
    let jump = h.issue(&firm.tenant, order).await;
    assert_eq!(h.redeem(&firm.tenant, &jump).await, RedeemOutcome::Redeemed);
    jump
}

fn effect(h: &Harness, firm: &Firm, result: JumpResult) -> Effect {
    let action = match result {
        JumpResult::LoginSucceeded => Action::ReportLoginSucceeded,
        JumpResult::LoginFailed => Action::ReportLoginFailed,
    };
    h.effect(firm.tenant, action)
}

/// What the target of a jump tells of it.
fn told(h: &Harness, jump: &Jump, result: JumpResult) -> LoginReport {
    let (jump_id, target_id) = (jump.jump_id, jump.order.target_id.clone());
    LoginReport { jump_id, target_id, result, mark_id: h.id(AuditId::new) }
}

async fn report(
    h: &Harness,
    firm: &Firm,
    jump: &Jump,
    result: JumpResult,
) -> Result<Outcome<Option<UserId>>, StoreError> {
    h.store.report_result(&firm.tenant, &effect(h, firm, result), &told(h, jump, result)).await
}

/// So many jumps of the first private customer that are redeemed and whose logins fail.
async fn failed_logins(h: &Harness, firm: &Firm, count: usize) {
    for _ in 0..count {
        let jump = redeemed(h, firm, for_customer("k-1")).await;
        done(report(h, firm, &jump, FAILED).await);
    }
}

async fn logins(h: &Harness, firm: &Firm, user: &UserId) -> LoginHealth {
    h.user(&firm.tenant, user).await.logins
}

async fn set_secret(h: &Harness, firm: &Firm, user: &UserId) {
    let known = h.user(&firm.tenant, user).await;
    let change = SecretChange { sealed: h.sealed(), version: known.secret.version + 1 };
    let effect = h.effect(firm.tenant, Action::SetUserSecret);
    done(h.store.set_user_secret(&firm.tenant, &effect, user, known.version, &change).await);
}

/// What a jump of an order would be refused for.
async fn refused_for(h: &Harness, firm: &Firm, order: JumpOrder) -> Option<Reason> {
    let inputs = h.inputs(&firm.tenant, &order).await;
    resolve(&order, &inputs.candidates).outcome.err().map(|refusal| refusal.reason)
}

pub(crate) async fn a_session_is_that_of_a_redeemed_jump_at_its_target(h: &Harness) {
    let firm = h.example().await;
    let other = h.firm().await;
    let jump = h.issue(&firm.tenant, for_customer("k-1")).await;
    let its_own = &jump.order.target_id;
    assert_eq!(session(h, &firm.tenant, &jump.jump_id, its_own).await, None, "it is not redeemed");
    let attempt = h.attempt(&jump);
    assert_eq!(h.redeem_by(&firm.tenant, &attempt).await, RedeemOutcome::Redeemed);
    let expected = Session {
        person_kind: PersonKind::Customer,
        is_of_epoch: true,
        redeemed_at: attempt.at,
        revoked_at: None,
        limits: PersonKind::Customer.session_limits(),
        tenant: TenantState::Active,
        user: Some(SessionUser { state: State::Active, kind: UserKind::EndCustomer, reported_end_customer: None }),
    };
    assert_eq!(session(h, &firm.tenant, &jump.jump_id, its_own).await, Some(expected));
    assert_eq!(session(h, &firm.tenant, &jump.jump_id, &target("auskunft")).await, None);
    assert_eq!(session(h, &other.tenant, &jump.jump_id, its_own).await, None);
    assert_eq!(session(h, &firm.tenant, &h.id(JumpId::new), its_own).await, None);
    assert_eq!(session(h, &h.id(TenantId::new), &jump.jump_id, its_own).await, None);
}

pub(crate) async fn a_session_tells_what_it_rests_on_now(h: &Harness) {
    let firm = h.example().await;
    let brokers = redeemed(h, &firm, for_broker("m.meier")).await;
    let customers = redeemed(h, &firm, for_customer("k-1")).await;
    let minutes = Duration::from_mins;
    let absolute = SessionSpan::new(minutes(7), minutes(30)).expect("a span");
    let customer_session = SessionChange { absolute: Change::Set(absolute), ..SessionChange::default() };
    h.change_settings(&firm, SettingsChange { customer_session, ..SettingsChange::default() }).await;
    assert_eq!(its_session(h, &firm, &customers).await.limits.absolute, minutes(7));
    assert_eq!(its_session(h, &firm, &brokers).await.limits, PersonKind::Broker.session_limits());

    assert_eq!(h.redeem(&firm.tenant, &customers).await, RedeemOutcome::AlreadyRedeemed);
    assert!(its_session(h, &firm, &customers).await.revoked_at.is_some());
    assert_eq!(its_session(h, &firm, &brokers).await.revoked_at, None);

    h.set_user_state(&firm, &firm.meier, State::Disabled).await;
    assert_eq!(its_session(h, &firm, &brokers).await.user.map(|user| user.state), Some(State::Disabled));
    h.delete_activation(&firm, &firm.meiers).await;
    h.delete_user(&firm, &firm.meier).await;
    assert_eq!(its_session(h, &firm, &brokers).await.user, None);
    h.set_tenant_state(&firm.tenant, TenantState::Stopped).await;
    assert_eq!(its_session(h, &firm, &customers).await.tenant, TenantState::Stopped);
}

async fn state(h: &Harness, firm: &Firm, jump: &Jump) -> SessionState {
    its_session(h, firm, jump).await.state(h.now())
}

/// What was revoked after a backup was made nobody knows any more once it came back.
pub(crate) async fn no_session_outlives_its_epoch(h: &Harness) {
    let firm = h.example().await;
    let before = redeemed(h, &firm, for_broker("m.meier")).await;
    assert_eq!(state(h, &firm, &before).await, SessionState::Active);
    h.inspect.begin_next_epoch().await;
    assert!(!its_session(h, &firm, &before).await.is_of_epoch);
    assert_eq!(state(h, &firm, &before).await, SessionState::Revoked);
    let after = redeemed(h, &firm, for_broker("m.meier")).await;
    assert_eq!(state(h, &firm, &after).await, SessionState::Active);
}

pub(crate) async fn a_customers_session_ends_with_endkunde_and_a_brokers_does_not(h: &Harness) {
    let firm = h.example().await;
    let (private, commercial) =
        (redeemed(h, &firm, for_customer("k-1")).await, redeemed(h, &firm, for_customer("g-1")).await);
    let brokers = redeemed(h, &firm, for_broker("m.meier")).await;
    for user in [&firm.private, &firm.meier] {
        h.attest(&firm, user, Some(false)).await;
    }
    assert_eq!(state(h, &firm, &private).await, SessionState::Revoked);
    assert_eq!(state(h, &firm, &commercial).await, SessionState::Active, "another user");
    assert_eq!(state(h, &firm, &brokers).await, SessionState::Active, "a broker's user need not be Endkunde");
    h.attest(&firm, &firm.private, None).await;
    assert_eq!(state(h, &firm, &private).await, SessionState::Active);

    let none = AccessChange { private_user_id: Change::Set(None), ..AccessChange::default() };
    h.change_access(&firm, none).await;
    h.mark_end_customer(&firm, &firm.private, false).await;
    assert_eq!(state(h, &firm, &private).await, SessionState::Revoked);
}

pub(crate) async fn whoever_is_erased_leaves_a_revoked_session(h: &Harness) {
    let firm = h.example().await;
    let jump = redeemed(h, &firm, for_customer("k-1")).await;
    h.erase(&firm, "k-1").await;
    assert_eq!(its_session(h, &firm, &jump).await.state(h.now()), SessionState::Revoked);
    // It tells how it went all the same.
    done(report(h, &firm, &jump, SUCCEEDED).await);
}

pub(crate) async fn a_login_is_noted_at_its_user_and_revokes_nothing(h: &Harness) {
    let firm = h.example().await;
    let (one, other) = (redeemed(h, &firm, for_customer("k-1")).await, redeemed(h, &firm, for_customer("k-2")).await);
    let before = h.user(&firm.tenant, &firm.private).await;
    assert_eq!(before.logins, LoginHealth::default());
    let open = h.open_jumps(&firm, for_customer("k-1")).await;
    // However late it is told.
    h.advance(Duration::from_secs(1));
    done(report(h, &firm, &one, FAILED).await);
    done(report(h, &firm, &other, SUCCEEDED).await);
    let expected = LoginHealth {
        last_succeeded_at: Some(its_session(h, &firm, &other).await.redeemed_at),
        last_failed_at: Some(its_session(h, &firm, &one).await.redeemed_at),
        suspect_since: None,
    };
    let after = h.user(&firm.tenant, &firm.private).await;
    assert_eq!(after.logins, expected);
    assert_eq!((after.version, after.updated_at), (before.version, before.updated_at), "nobody edited him");
    assert_eq!(logins(h, &firm, &firm.commercial).await, LoginHealth::default());
    open.are_open(h).await;
    assert!(h.inspect.notices(&firm.tenant).await.is_empty());
}

pub(crate) async fn the_third_failed_login_in_a_row_makes_the_password_suspect(h: &Harness) {
    let firm = h.example().await;
    failed_logins(h, &firm, 2).await;
    assert_eq!(logins(h, &firm, &firm.private).await.suspect_since, None);
    let third = redeemed(h, &firm, for_customer("k-2")).await;
    let open = h.open_jumps(&firm, for_customer("k-1")).await;
    let version = h.user(&firm.tenant, &firm.private).await.version;
    let effect = effect(h, &firm, FAILED);
    let report = told(h, &third, FAILED);
    let marks = done(h.store.report_result(&firm.tenant, &effect, &report).await);
    assert_eq!(marks, Some(firm.private));
    let marked = h.user(&firm.tenant, &firm.private).await;
    assert_eq!((marked.logins.suspect_since, marked.version), (Some(effect.at), version));
    open.are_revoked(h).await;
    assert_eq!(refused_for(h, &firm, for_customer("k-1")).await, Some(Reason::CredentialSuspect));
    assert_eq!(refused_for(h, &firm, for_broker("m.meier")).await, None);
    let notice = ("credential_suspect".to_owned(), firm.private.to_string());
    assert_eq!(h.inspect.notices(&firm.tenant).await, [notice]);
    assert_eq!(h.accepted(&firm.tenant, Action::ReportLoginFailed).await, 3);
    let log = h.inspect.audit_log(&firm.tenant).await;
    let row = |id: AuditId| log.iter().find(|row| row.audit_id == id.to_string()).expect("a row").clone();
    let (of_report, of_user) = (row(effect.audit.audit_id), row(report.mark_id));
    let expected = AuditRow {
        audit_id: report.mark_id.to_string(),
        action: "user.credential_suspect".to_owned(),
        object: Some(firm.private.to_string()),
        ..of_report
    };
    assert_eq!(of_user, expected);
    // Whoever asks again is told of it no second time.
    let again = told(h, &third, FAILED);
    assert_eq!(done(h.store.report_result(&firm.tenant, &h.again(&effect), &again).await), None);
    let fourth = redeemed(h, &firm, for_broker("m.meier")).await;
    assert_eq!(done(self::report(h, &firm, &fourth, FAILED).await), None);
    assert_eq!(h.accepted(&firm.tenant, Action::SuspectCredential).await, 1);
}

pub(crate) async fn of_reports_at_once_exactly_one_makes_the_password_suspect(h: &Harness) {
    let firm = h.example().await;
    let mut jumps = Vec::new();
    for _ in 0..5 {
        jumps.push(redeemed(h, &firm, for_customer("k-1")).await);
    }
    let before = h.inputs(&firm.tenant, &for_customer("k-1")).await.versions.config;
    let [first, second, third, fourth, fifth] = &jumps[..] else { panic!("five jumps") };
    let report = |jump| report(h, &firm, jump, FAILED);
    let reports = tokio::join!(report(first), report(second), report(third), report(fourth), report(fifth));
    let marks = [reports.0, reports.1, reports.2, reports.3, reports.4].map(done);
    assert_eq!(marks.iter().flatten().collect::<Vec<_>>(), [&firm.private]);
    assert_eq!(h.accepted(&firm.tenant, Action::SuspectCredential).await, 1);
    assert_eq!(h.inputs(&firm.tenant, &for_customer("k-1")).await.versions.config, before + 1);
    assert_eq!(h.inspect.notices(&firm.tenant).await.len(), 1);
    assert!(logins(h, &firm, &firm.private).await.suspect_since.is_some());
}

pub(crate) async fn a_login_that_succeeds_ends_the_row_and_no_suspicion(h: &Harness) {
    let firm = h.example().await;
    let late = redeemed(h, &firm, for_customer("k-1")).await;
    failed_logins(h, &firm, 2).await;
    let good = redeemed(h, &firm, for_customer("k-1")).await;
    done(report(h, &firm, &good, SUCCEEDED).await);
    failed_logins(h, &firm, 2).await;
    assert_eq!(logins(h, &firm, &firm.private).await.suspect_since, None);
    failed_logins(h, &firm, 1).await;
    let suspect = logins(h, &firm, &firm.private).await.suspect_since;
    assert!(suspect.is_some());
    done(report(h, &firm, &late, SUCCEEDED).await);
    assert_eq!(logins(h, &firm, &firm.private).await.suspect_since, suspect, "only another password ends it");
}

/// So many jumps of the first private customer, each redeemed a second after the one before.
async fn one_after_the_other<const N: usize>(h: &Harness, firm: &Firm) -> [Jump; N] {
    let mut jumps = Vec::new();
    for _ in 0..N {
        h.advance(Duration::from_secs(1));
        jumps.push(redeemed(h, firm, for_customer("k-1")).await);
    }
    jumps.try_into().expect("so many")
}

pub(crate) async fn a_failed_login_that_is_told_late_does_not_count_behind_one_that_succeeded(h: &Harness) {
    let firm = h.example().await;
    let [first, second, third, good, last] = one_after_the_other(h, &firm).await;
    done(report(h, &firm, &good, SUCCEEDED).await);
    for jump in [&first, &last, &third, &second] {
        done(report(h, &firm, jump, FAILED).await);
    }
    let told = logins(h, &firm, &firm.private).await;
    assert_eq!(told.suspect_since, None, "one failed since");
    assert_eq!(
        told.last_failed_at,
        Some(its_session(h, &firm, &last).await.redeemed_at),
        "the last, not the last told"
    );
    failed_logins(h, &firm, 1).await;
    assert_eq!(logins(h, &firm, &firm.private).await.suspect_since, None);
    failed_logins(h, &firm, 1).await;
    assert!(logins(h, &firm, &firm.private).await.suspect_since.is_some());
}

pub(crate) async fn a_login_that_succeeded_and_is_told_late_ends_no_row_that_began_behind_it(h: &Harness) {
    let firm = h.example().await;
    let [oldest, first, good, second, third] = one_after_the_other(h, &firm).await;
    for jump in [&first, &second] {
        done(report(h, &firm, jump, FAILED).await);
    }
    done(report(h, &firm, &good, SUCCEEDED).await);
    let told = logins(h, &firm, &firm.private).await;
    assert_eq!(told.last_succeeded_at, Some(its_session(h, &firm, &good).await.redeemed_at));
    done(report(h, &firm, &third, FAILED).await);
    done(report(h, &firm, &oldest, SUCCEEDED).await);
    let now = logins(h, &firm, &firm.private).await;
    assert_eq!((now.last_succeeded_at, now.suspect_since), (told.last_succeeded_at, None));
    failed_logins(h, &firm, 1).await;
    assert!(logins(h, &firm, &firm.private).await.suspect_since.is_some(), "the second and third count, and this one");
}

pub(crate) async fn under_another_name_failed_logins_are_another_accounts(h: &Harness) {
    let firm = h.example().await;
    let named = |name: &str| UserChange { name: Change::Set(user_name(name)), ..UserChange::default() };
    failed_logins(h, &firm, 2).await;
    let counted = logins(h, &firm, &firm.private).await;
    h.update_user(&firm, &firm.private, named("PRIVAT")).await;
    assert_eq!(logins(h, &firm, &firm.private).await, counted, "only spelled otherwise");
    h.update_user(&firm, &firm.private, named("privat-neu")).await;
    assert_eq!(logins(h, &firm, &firm.private).await, LoginHealth::default());
    failed_logins(h, &firm, 2).await;
    assert_eq!(logins(h, &firm, &firm.private).await.suspect_since, None, "the count began anew");
    failed_logins(h, &firm, 1).await;
    let suspect = logins(h, &firm, &firm.private).await.suspect_since;
    assert!(suspect.is_some());
    h.update_user(&firm, &firm.private, named("privat-2")).await;
    assert_eq!(logins(h, &firm, &firm.private).await.suspect_since, suspect, "only another password ends it");
}

pub(crate) async fn a_new_password_is_trusted_and_what_failed_before_it_does_not_count(h: &Harness) {
    let firm = h.example().await;
    let mut old = Vec::new();
    for _ in 0..4 {
        old.push(redeemed(h, &firm, for_customer("k-1")).await);
    }
    failed_logins(h, &firm, 3).await;
    assert_eq!(h.inspect.notices(&firm.tenant).await.len(), 1);
    set_secret(h, &firm, &firm.private).await;
    assert!(h.inspect.notices(&firm.tenant).await.is_empty(), "nobody need be told any more");
    assert_eq!(logins(h, &firm, &firm.private).await.suspect_since, None);
    assert_eq!(refused_for(h, &firm, for_customer("k-1")).await, None);
    assert_eq!(logins(h, &firm, &firm.private).await, LoginHealth::default(), "those were the old one's");
    for jump in &old {
        done(report(h, &firm, jump, FAILED).await);
    }
    assert_eq!(logins(h, &firm, &firm.private).await, LoginHealth::default(), "those tried the old password");
    failed_logins(h, &firm, 2).await;
    assert_eq!(logins(h, &firm, &firm.private).await.suspect_since, None, "the count began anew");
    failed_logins(h, &firm, 1).await;
    assert_eq!(h.inspect.notices(&firm.tenant).await.len(), 1, "that is news");
}

pub(crate) async fn a_login_without_our_password_tells_nothing_of_it(h: &Harness) {
    let firm = h.example().await;
    let order = JumpOrder { target_id: target("auskunft"), ..for_broker("m.meier") };
    for _ in 0..3 {
        let jump = redeemed(h, &firm, order.clone()).await;
        done(report(h, &firm, &jump, FAILED).await);
    }
    assert_eq!(logins(h, &firm, &firm.meier).await, LoginHealth::default());
}

pub(crate) async fn the_history_tells_how_the_login_went(h: &Harness) {
    let firm = h.example().await;
    let jump = redeemed(h, &firm, for_customer("k-1")).await;
    assert_eq!(h.history(&firm.tenant, &jump).await.result, None);
    h.advance(Duration::from_secs(10));
    let before = h.now();
    let effect = effect(h, &firm, SUCCEEDED);
    done(h.store.report_result(&firm.tenant, &effect, &told(h, &jump, SUCCEEDED)).await);
    let record = h.history(&firm.tenant, &jump).await;
    assert_eq!(record.result, Some(ReportedResult { result: SUCCEEDED, at: effect.audit.at }));
    assert_eq!(record.updated_at(), effect.audit.at);
    let filter = JumpFilter { updated_after: Some(before), ..JumpFilter::default() };
    assert_eq!(h.listed(&firm.tenant, &filter).await, [jump.jump_id]);
}

pub(crate) async fn a_jump_has_one_result(h: &Harness) {
    let firm = h.example().await;
    let jump = redeemed(h, &firm, for_customer("k-1")).await;
    let (first, failed) = (effect(h, &firm, FAILED), told(h, &jump, FAILED));
    done(h.store.report_result(&firm.tenant, &first, &failed).await);
    let noted = logins(h, &firm, &firm.private).await;
    let record = h.history(&firm.tenant, &jump).await;
    h.advance(Duration::from_secs(1));
    done(h.store.report_result(&firm.tenant, &h.again(&first), &failed).await);
    assert_eq!(h.accepted(&firm.tenant, Action::ReportLoginFailed).await, 1, "the same request");
    for _ in 0..3 {
        done(report(h, &firm, &jump, FAILED).await);
    }
    assert_eq!(logins(h, &firm, &firm.private).await, noted, "the same result counts once");
    assert_eq!(reason(report(h, &firm, &jump, SUCCEEDED).await), Reason::ResultAlreadyReported);
    assert_eq!(logins(h, &firm, &firm.private).await, noted);
    assert_eq!(h.refused(&firm.tenant, Action::ReportLoginSucceeded, Reason::ResultAlreadyReported).await, 1);
    assert_eq!(h.history(&firm.tenant, &jump).await, record);
    let reused = h.reusing(&first);
    let reused = h.store.report_result(&firm.tenant, &reused, &failed).await;
    assert_eq!(reason(reused), Reason::RequestIdReused);
}

pub(crate) async fn only_the_target_that_redeemed_a_jump_tells_how_it_went(h: &Harness) {
    let firm = h.example().await;
    let open = h.issue(&firm.tenant, for_customer("k-1")).await;
    assert_eq!(reason(report(h, &firm, &open, FAILED).await), Reason::NotFound);
    let jump = redeemed(h, &firm, for_customer("k-1")).await;
    let effect = effect(h, &firm, FAILED);
    let others = LoginReport { target_id: target("auskunft"), ..told(h, &jump, FAILED) };
    let others = h.store.report_result(&firm.tenant, &effect, &others).await;
    assert_eq!(reason(others), Reason::NotFound);
    let other = h.firm().await;
    assert_eq!(reason(report(h, &other, &jump, FAILED).await), Reason::NotFound);
    assert_eq!(logins(h, &firm, &firm.private).await, LoginHealth::default());
    // What a revoked session's login was like is told, too.
    h.revoke(&firm.tenant, &JumpSelection::Jump(jump.jump_id)).await;
    done(report(h, &firm, &jump, FAILED).await);
    assert!(logins(h, &firm, &firm.private).await.last_failed_at.is_some());
}

pub(crate) async fn notices_go_when_they_were_sent_long_ago(h: &Harness) {
    let firm = h.example().await;
    failed_logins(h, &firm, 3).await;
    let before = h.now();
    assert_eq!(h.store.delete_notices_all_tenants(before.plus(Duration::from_secs(1)), 10).await.expect("a number"), 0);
    assert_eq!(h.inspect.notices(&firm.tenant).await.len(), 1, "what was not sent stays");
    assert_eq!(h.inspect.change_by_hand("UPDATE notice SET sent_at = created_at").await, 1);
    assert!(h.inspect.notices(&firm.tenant).await.is_empty(), "it was sent");
    let sent_at = logins(h, &firm, &firm.private).await.suspect_since.expect("an instant");
    assert_eq!(h.store.delete_notices_all_tenants(sent_at, 10).await.expect("a number"), 0);
    let later = sent_at.plus(Duration::from_micros(1));
    assert_eq!(h.store.delete_notices_all_tenants(later, 10).await.expect("a number"), 1);
}
