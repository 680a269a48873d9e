//! Behind the redeem: whether the session may go on, and how its login went.

use concenter_gateway::proto::v1;
use concenter_gateway::proto::v1::revoke_jump_request::Jumps;
use concenter_gateway::proto::v1::{JumpResult, SessionState};
use prost_types::Duration;
use tonic::{Code, Response, Status};

use crate::harness::*;

const NOT_FOUND: (Code, &str) = (Code::NotFound, "NOT_FOUND");

const fn refused(reason: &str) -> (Code, &str) {
    (Code::FailedPrecondition, reason)
}

async fn introspected(
    world: &World,
    target: &str,
    session: &str,
) -> Result<Response<v1::IntrospectJumpResponse>, Status> {
    let request = v1::IntrospectJumpRequest { session: session.to_owned() };
    world.service.target(target).jumps().introspect_jump(request).await
}

/// The session of somebody who arrived at a target, as that is told.
async fn told(world: &World, target: &str, arrived: &v1::RedeemJumpResponse) -> v1::IntrospectJumpResponse {
    introspected(world, target, &arrived.session).await.expect("a session").into_inner()
}

async fn state(world: &World, target: &str, arrived: &v1::RedeemJumpResponse) -> SessionState {
    told(world, target, arrived).await.state()
}

fn report(session: &str, result: JumpResult) -> v1::ReportJumpResultRequest {
    v1::ReportJumpResultRequest { request_id: request_id(), session: session.to_owned(), result: result.into() }
}

async fn reported(
    world: &World,
    target: &str,
    session: &str,
    result: JumpResult,
) -> Result<Response<v1::ReportJumpResultResponse>, Status> {
    world.service.target(target).jumps().report_jump_result(report(session, result)).await
}

/// So many people who arrive at [`X`] and whose logins fail there.
async fn failed_logins(world: &World, person: &v1::Person, count: usize) {
    for _ in 0..count {
        let arrived = world.arrive(X, person.clone()).await;
        reported(world, X, &arrived.session, JumpResult::LoginFailed).await.expect("noted");
    }
}

/// T01
#[tokio::test]
async fn a_replay_is_refused_raises_an_alarm_and_ends_the_first_session() {
    let log = Log::listen();
    let world = World::example().await;
    for target in [X, Y] {
        let jump = world.a.jump(target, customer(C1)).await.expect("a jump").into_inner();
        let arrived = world.redeem(target, proof(&jump)).await.expect("a redemption").into_inner();
        assert_eq!(state(&world, target, &arrived).await, SessionState::Active);
        let before = world.service.audit().await;
        let status = status_of(world.redeem(target, proof(&jump)).await);
        assert_eq!(reason(&status), (Code::FailedPrecondition, "JUMP_ALREADY_REDEEMED".to_owned()));
        let rows = world.service.audit_since(&before).await;
        let seen: Vec<_> = rows.iter().map(|row| (row.action.as_str(), row.reason.as_deref())).collect();
        assert_eq!(seen, [("jump.redeem", Some("JUMP_ALREADY_REDEEMED"))]);
        let text = log.text();
        let alarm = text.lines().find(|line| line.contains("app.redeem.replayed") && line.contains(&jump.jump_id));
        assert!(alarm.is_some_and(|line| line.contains("WARN")), "{text}");
        assert_eq!(state(&world, target, &arrived).await, SessionState::Revoked);
    }
}

/// T01, J20: also where the return URL was registered before braces were refused.
#[tokio::test]
async fn a_replay_raises_an_alarm_whatever_the_return_url_is() {
    let log = Log::listen();
    let world = World::example().await;
    let registered = "https://portal.example/zurueck?{von}";
    let known = "UPDATE return_url SET url = 'https://portal.example/zurueck?{von}'";
    assert!(world.service.shell().await.execute(known, &[]).await.expect("a URL of earlier rules") > 0);
    let wish = v1::JumpToTarifRequest { return_url: Some(registered.to_owned()), ..to(X, Some(customer(C1))) };
    let jump = world.a.portal.jumps().jump_to_tarif(wish).await.expect("a jump").into_inner();
    let arrived = world.redeem(X, proof(&jump)).await.expect("a redemption").into_inner();
    assert_eq!(arrived.return_url.as_deref(), Some(registered));
    let status = status_of(world.redeem(X, proof(&jump)).await);
    assert_eq!(reason(&status), (Code::FailedPrecondition, "JUMP_ALREADY_REDEEMED".to_owned()));
    assert!(log.text().lines().any(|line| line.contains("app.redeem.replayed") && line.contains(&jump.jump_id)));
    assert_eq!(state(&world, X, &arrived).await, SessionState::Revoked);
}

/// J24
#[tokio::test]
async fn a_session_goes_on_until_its_longest_time_is_over() {
    let world = World::example().await;
    for (person, minutes) in [(customer(C1), 30), (broker(MEIER), 8 * 60)] {
        let arrived = world.arrive(X, person).await;
        let redeemed_at = world.service.now();
        let told_at = told(&world, X, &arrived).await;
        assert_eq!(told_at.state(), SessionState::Active);
        assert_eq!(told_at.redeemed_at.map(|at| at.seconds), Some(redeemed_at));
        assert_eq!(told_at.ends_at.map(|at| at.seconds), Some(redeemed_at + minutes * 60));
        assert_eq!(told_at.session_limits, arrived.session_limits);
        world.service.clock.set(redeemed_at + minutes * 60 - 1);
        assert_eq!(state(&world, X, &arrived).await, SessionState::Active);
        // Within that second: the instant has a fraction.
        world.service.clock.set(redeemed_at + minutes * 60 + 1);
        assert_eq!(state(&world, X, &arrived).await, SessionState::Ended);
    }
}

/// J24: a tenant may shorten them, and that counts for sessions that run.
#[tokio::test]
async fn a_shorter_session_is_told_at_once() {
    let world = World::example().await;
    let arrived = world.arrive(X, customer(C1)).await;
    let shorter = v1::Settings {
        customer_session_absolute: Some(Duration { seconds: 5 * 60, nanos: 0 }),
        ..world.a.settings().await
    };
    world.a.update_settings(shorter, &["customer_session_absolute"]).await.expect("changed");
    let limits = told(&world, X, &arrived).await.session_limits.expect("limits");
    assert_eq!(limits.absolute, Some(Duration { seconds: 5 * 60, nanos: 0 }));
    assert_eq!(limits.idle, limits.absolute, "no longer than all of it");
    world.service.clock.advance(5 * 60);
    assert_eq!(state(&world, X, &arrived).await, SessionState::Ended);
}

/// J24
#[tokio::test]
async fn whatever_a_session_rests_on_revokes_it() {
    let world = World::example().await;
    let [revoked, own, erased, customers] = [
        world.arrive(X, customer(C1)).await,
        world.arrive(X, broker(MEIER)).await,
        world.arrive(X, customer(C2)).await,
        world.arrive(X, customer(K1)).await,
    ];
    world.a.revoke(Jumps::JumpId(revoked.jump_id.clone())).await.expect("revoked");
    assert_eq!(state(&world, X, &revoked).await, SessionState::Revoked);
    assert_eq!(state(&world, X, &own).await, SessionState::Active);

    world.a.disable(&world.a.meier).await;
    assert_eq!(state(&world, X, &own).await, SessionState::Revoked);
    world.a.delete_activation(&world.a.meiers).await.expect("deleted");
    world.a.delete_user(&world.a.meier).await.expect("deleted");
    assert_eq!(state(&world, X, &own).await, SessionState::Revoked, "he is gone");

    world.a.erase(C2).await.expect("erased");
    assert_eq!(state(&world, X, &erased).await, SessionState::Revoked);

    assert_eq!(state(&world, X, &customers).await, SessionState::Active);
    world.stop(&world.a.tenant).await;
    assert_eq!(state(&world, X, &customers).await, SessionState::Revoked);
    // Revoked comes before ended.
    world.service.clock.advance(9 * 60 * 60);
    assert_eq!(state(&world, X, &revoked).await, SessionState::Revoked);
}

/// J24, R06
#[tokio::test]
async fn a_customers_session_ends_once_con_center_does_not_take_his_user_for_endkunde() {
    let world = World::example().await;
    let [private, commercial] = [world.arrive(X, customer(C1)).await, world.arrive(X, customer(K1)).await];
    let own = world.arrive(X, broker(MEIER)).await;
    for user in [&world.a.private, &world.a.meier] {
        let attest = v1::AttestEndCustomerRequest {
            request_id: request_id(),
            user_id: user.clone(),
            etag: world.a.user(user).await.etag,
            remote_end_customer: v1::RemoteEndCustomer::No.into(),
        };
        world.a.admin.users().attest_end_customer(attest).await.expect("noted");
    }
    assert_eq!(state(&world, X, &private).await, SessionState::Revoked);
    assert_eq!(state(&world, X, &commercial).await, SessionState::Active);
    assert_eq!(state(&world, X, &own).await, SessionState::Active, "it need not be Endkunde");
}

/// J24
#[tokio::test]
async fn a_session_of_somebody_else_looks_like_one_that_never_was() {
    let world = World::example().await;
    let open = world.a.jump(X, customer(C1)).await.expect("a jump").into_inner().jump_id;
    let arrived = world.arrive(X, customer(C1)).await;
    let never = format!("{}.{NOBODY}", world.a.tenant);
    let nowhere = format!("{NOBODY}.{}", arrived.jump_id);
    let not_redeemed = format!("{}.{open}", world.a.tenant);
    let other_tenant = format!("{}.{}", world.b.tenant, arrived.jump_id);
    let first = status_of(introspected(&world, X, &never).await);
    let cases = [(Y, &arrived.session), (P, &arrived.session), (X, &not_redeemed), (X, &nowhere), (X, &other_tenant)];
    for (target, session) in cases {
        let status = world.service.refuses("call", NOT_FOUND, introspected(&world, target, session)).await;
        same_bytes(&status, &first, session);
        let report = reported(&world, target, session, JumpResult::LoginFailed);
        let status = world.service.refuses("call", NOT_FOUND, report).await;
        same_bytes(&status, &first, session);
    }
    assert_eq!(state(&world, X, &arrived).await, SessionState::Active);
    let user = world.a.user(&world.a.private).await;
    assert_eq!(user.last_login_failed_at, None);
}

/// J24
#[tokio::test]
async fn what_is_no_session_is_a_bad_field() {
    let world = World::example().await;
    let long = "x".repeat(129);
    for text in ["", ".", "x", NOBODY, &format!("{NOBODY}.{NOBODY}.{NOBODY}"), &long, "' OR 1=1 --"] {
        world.service.refuses_fields(&["session"], introspected(&world, X, text)).await;
        world.service.refuses_fields(&["session"], reported(&world, X, text, JumpResult::LoginFailed)).await;
    }
    let arrived = world.arrive(X, customer(C1)).await;
    for result in [0, 3, -1] {
        let request = v1::ReportJumpResultRequest { result, ..report(&arrived.session, JumpResult::LoginFailed) };
        let backend = world.service.target(X);
        world.service.refuses_fields(&["result"], backend.jumps().report_jump_result(request)).await;
    }
}

/// T52
#[tokio::test]
async fn three_failed_logins_in_a_row_stop_jumps_until_the_password_is_set_again() {
    let log = Log::listen();
    let world = World::example().await;
    failed_logins(&world, &customer(C1), 2).await;
    let before = world.a.user(&world.a.private).await;
    assert!(before.last_login_failed_at.is_some() && before.credential_suspect_since.is_none());
    let third = world.arrive(X, customer(C2)).await;
    let open = world.a.jump(X, customer(C1)).await.expect("a jump").into_inner();
    let rows = world.service.audit().await;
    reported(&world, X, &third.session, JumpResult::LoginFailed).await.expect("noted");
    let rows = world.service.audit_since(&rows).await;
    let mut seen: Vec<_> = rows.iter().map(|row| (row.action.as_str(), row.object.as_deref())).collect();
    seen.sort_unstable();
    let expected = [("jump.report_failed", &third.jump_id), ("user.credential_suspect", &world.a.private)];
    assert_eq!(seen, expected.map(|(action, object)| (action, Some(object.as_str()))));
    let text = log.text();
    let lines = text.lines().filter(|line| line.contains("app.session.credential_suspect"));
    let lines: Vec<_> = lines.filter(|line| line.contains(&world.a.private)).collect();
    assert!(matches!(lines[..], [line] if line.contains("WARN") && line.contains(&world.a.tenant)), "{text}");

    let suspect = refused("CREDENTIAL_SUSPECT");
    let status = world.service.refuses("jump.issue", suspect, world.a.jump(X, customer(C1))).await;
    assert!(status.message().contains("set it again"), "{status:?}");
    world.service.refuses("jump.redeem", refused("JUMP_REVOKED"), world.redeem(X, proof(&open))).await;
    assert!(world.a.jump(X, broker(MEIER)).await.is_ok(), "of another password nobody said anything");
    let after = world.a.user(&world.a.private).await;
    assert_eq!(after.etag, before.etag, "nobody edited him");
    assert_eq!(after.credential_suspect_since.map(|at| at.seconds), Some(world.service.now()));
    let explain = v1::ExplainJumpRequest { target_id: X.to_owned(), person: Some(customer(C1)), ..Default::default() };
    let explained = world.a.admin.jumps().explain_jump(explain).await.expect("an answer").into_inner();
    let failed = explained.trace.iter().find(|step| step.outcome() == v1::StepOutcome::Failed).expect("a failed rule");
    assert_eq!(failed.rule(), v1::ResolutionRule::UserCredentialTrusted);
    assert_eq!(failed.reason(), v1::ErrorReason::CredentialSuspect);

    world.a.set_secret(&world.a.private, "neu").await;
    let renewed = world.a.user(&world.a.private).await;
    assert_eq!(renewed.last_login_failed_at, None, "that was the old password");
    let arrived = world.arrive(X, customer(C1)).await;
    assert_eq!(arrived.password.as_deref(), Some("neu"));
    reported(&world, X, &arrived.session, JumpResult::LoginSucceeded).await.expect("noted");
    let healed = world.a.user(&world.a.private).await;
    assert!(healed.last_login_succeeded_at.is_some() && healed.credential_suspect_since.is_none());
}

/// T52
#[tokio::test]
async fn logins_that_fail_with_pauses_of_success_make_nothing_suspect() {
    let world = World::example().await;
    for _ in 0..3 {
        failed_logins(&world, &customer(C1), 2).await;
        let arrived = world.arrive(X, customer(C1)).await;
        reported(&world, X, &arrived.session, JumpResult::LoginSucceeded).await.expect("noted");
    }
    assert_eq!(world.a.user(&world.a.private).await.credential_suspect_since, None);
    // Nor do those at a target that gets no password.
    for _ in 0..4 {
        let arrived = world.arrive(Y, customer(C1)).await;
        reported(&world, Y, &arrived.session, JumpResult::LoginFailed).await.expect("noted");
    }
    assert!(world.a.jump(X, customer(C1)).await.is_ok());
}

/// T52
#[tokio::test]
async fn logins_that_failed_before_one_that_succeeded_do_not_count_when_they_are_told_behind_it() {
    let world = World::example().await;
    let mut early = Vec::new();
    for _ in 0..3 {
        early.push(world.arrive(X, customer(C1)).await.session.clone());
    }
    world.service.clock.advance(1);
    let (redeemed_at, good) = (world.service.now(), world.arrive(X, customer(C2)).await);
    world.service.clock.advance(60);
    reported(&world, X, &good.session, JumpResult::LoginSucceeded).await.expect("noted");
    for session in early {
        reported(&world, X, &session, JumpResult::LoginFailed).await.expect("noted");
    }
    let user = world.a.user(&world.a.private).await;
    assert_eq!(
        user.last_login_succeeded_at.map(|at| at.seconds),
        Some(redeemed_at),
        "when it was, not when it was told"
    );
    assert_eq!(user.credential_suspect_since, None);
}

/// T52, T40
#[tokio::test]
async fn a_jump_has_one_result_however_often_it_is_told() {
    let world = World::example().await;
    let backend = world.service.target(X);
    let arrived = world.arrive(X, customer(C1)).await;
    let first = report(&arrived.session, JumpResult::LoginFailed);
    backend.jumps().report_jump_result(first.clone()).await.expect("noted");
    let before = world.service.audit().await;
    backend.jumps().report_jump_result(first.clone()).await.expect("the same request");
    assert!(world.service.audit_since(&before).await.is_empty());
    for _ in 0..3 {
        let again = report(&arrived.session, JumpResult::LoginFailed);
        backend.jumps().report_jump_result(again).await.expect("the same result");
    }
    assert_eq!(world.a.user(&world.a.private).await.credential_suspect_since, None, "it counted once");
    let mut jumps = backend.jumps();
    let other = jumps.report_jump_result(report(&arrived.session, JumpResult::LoginSucceeded));
    world.service.refuses("jump.report_succeeded", refused("RESULT_ALREADY_REPORTED"), other).await;
    let told = world.a.jump_record(&arrived.jump_id).await;
    assert_eq!((told.result(), told.result_at.is_some()), (JumpResult::LoginFailed, true));
    let reused = v1::ReportJumpResultRequest { result: JumpResult::LoginSucceeded.into(), ..first };
    let reused = jumps.report_jump_result(reused);
    world.service.refuses("jump.report_succeeded", (Code::InvalidArgument, "REQUEST_ID_REUSED"), reused).await;
}

/// J25
#[tokio::test]
async fn a_page_arrives_as_it_was_named_and_no_other_can_be_named() {
    let world = World::example().await;
    let wish = |page: &str| v1::JumpToTarifRequest { target_page: Some(page.to_owned()), ..to(X, Some(customer(C1))) };
    for page in ["kfz", "/kfz/antrag-1/", "a.b~c_d-e", &"x".repeat(256)] {
        let jump = world.a.portal.jumps().jump_to_tarif(wish(page)).await.expect("a jump").into_inner();
        assert!(!jump.deep_link.contains(page), "it is not for the browser");
        let redeemed = world.redeem(X, proof(&jump)).await.expect("a redemption").into_inner();
        assert_eq!(redeemed.target_page.as_deref(), Some(page));
    }
    assert_eq!(world.arrive(X, customer(C1)).await.target_page, None);
    let long = "x".repeat(257);
    for page in ["", "//evil.example", "/a//b", "../admin", "a/./b", "a?b=c", "a#b", "a%2fb", "https:", "a b", &long] {
        world.service.refuses_fields(&["target_page"], world.a.portal.jumps().jump_to_tarif(wish(page))).await;
    }
    let portal =
        v1::JumpToInsurerPortalRequest { target_page: Some("..".to_owned()), ..into_portal(V, Some(broker(MEIER))) };
    world.service.refuses_fields(&["target_page"], world.a.portal.jumps().jump_to_insurer_portal(portal)).await;
}

/// J25
#[tokio::test]
async fn a_context_ends_at_4096_bytes() {
    let world = World::example().await;
    let wish = |bytes: usize| v1::JumpToTarifRequest { context: Some("x".repeat(bytes)), ..to(X, Some(customer(C1))) };
    assert!(world.a.portal.jumps().jump_to_tarif(wish(4_096)).await.is_ok());
    world.service.refuses_fields(&["context"], world.a.portal.jumps().jump_to_tarif(wish(4_097))).await;
}
