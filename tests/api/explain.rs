//! Explanations: the rules in their order, the same decision as a real jump, and nothing written but an audit row.

use concenter_gateway::proto::v1;
use concenter_gateway::proto::v1::explain_jump_response::Result as Explained;
use concenter_gateway::proto::v1::{ErrorReason, ResolutionRule as Rule, ResolutionWay, StepOutcome as Outcome};
use tonic::Code;

use crate::harness::*;

/// Asks for an explanation as A's portal; it has status OK, changes nothing and leaves one audit row.
async fn explain(world: &World, question: v1::ExplainJumpRequest) -> v1::ExplainJumpResponse {
    let (state, audit) = (world.service.state().await, world.service.audit().await);
    let answer = world.a.portal.jumps().explain_jump(question).await.expect("an explanation").into_inner();
    assert_eq!(world.service.state().await, state, "an explanation changed something");
    let rows = world.service.audit_since(&audit).await;
    let seen: Vec<_> = rows.iter().map(|row| (row.action.as_str(), row.reason.as_deref())).collect();
    assert_eq!(seen, [("jump.explain", None)]);
    answer
}

fn question(target: &str, person: v1::Person) -> v1::ExplainJumpRequest {
    v1::ExplainJumpRequest { target_id: target.to_owned(), person: Some(person), ..Default::default() }
}

/// The trace as rules that passed, up to the end.
fn steps(answer: &v1::ExplainJumpResponse) -> Vec<(Rule, Outcome)> {
    answer.trace.iter().map(|step| (step.rule(), step.outcome())).collect()
}

fn resolved(answer: &v1::ExplainJumpResponse) -> &v1::ResolvedJump {
    match answer.result.as_ref().expect("a result") {
        Explained::Resolved(resolved) => resolved,
        Explained::Refusal(refusal) => panic!("refused: {refusal:?}"),
    }
}

fn refusal(answer: &v1::ExplainJumpResponse) -> &v1::JumpRefusal {
    match answer.result.as_ref().expect("a result") {
        Explained::Refusal(refusal) => refusal,
        Explained::Resolved(resolved) => panic!("resolved: {resolved:?}"),
    }
}

/// The rules about the target, which come first, and those about the user, which come last.
const TARGET: [Rule; 5] =
    [Rule::TenantActive, Rule::TargetKind, Rule::TargetEnabled, Rule::ProviderEnabled, Rule::TargetTakesPerson];
const USER: [Rule; 4] = [Rule::UserActive, Rule::UserHasSecret, Rule::UserCredentialTrusted, Rule::ProviderInScope];

fn passed(rules: &[Rule]) -> Vec<(Rule, Outcome)> {
    rules.iter().map(|rule| (*rule, Outcome::Passed)).collect()
}

#[tokio::test]
async fn a_brokers_trace_goes_by_his_activation() {
    let world = World::example().await;
    let answer = explain(&world, question(X, broker(MEIER))).await;
    let rules = [&TARGET[..], &[Rule::Activation, Rule::UserNotStandard, Rule::UserKindFits], &USER[..]].concat();
    assert_eq!(steps(&answer), passed(&rules));
    let found = resolved(&answer);
    assert_eq!((found.user_id.as_str(), found.user_name.as_str()), (world.a.meier.as_str(), "meier"));
    assert_eq!((found.kind(), found.way()), (v1::UserKind::Broker, ResolutionWay::Activation));
}

#[tokio::test]
async fn a_private_customers_trace_goes_by_the_shared_user() {
    let world = World::example().await;
    let answer = explain(&world, question(X, customer(C1))).await;
    let expected = [
        passed(&TARGET),
        passed(&[Rule::Segment]),
        vec![(Rule::OwnUser, Outcome::NotSet)],
        passed(&[Rule::SharedPrivateUser, Rule::UserNotStandard, Rule::UserKindFits, Rule::UserReportedEndCustomer]),
        passed(&USER),
    ];
    assert_eq!(steps(&answer), expected.concat());
    assert_eq!(resolved(&answer).user_name, "privatkunden");
    assert_eq!(resolved(&answer).way(), ResolutionWay::SharedPrivate);
}

#[tokio::test]
async fn a_commercial_customers_trace_shows_the_fallback() {
    let world = World::example().await;
    world.a.share(None, Some(""), Some(true)).await;
    let named = v1::ExplainJumpRequest {
        line_of_business: Some("050".to_owned()),
        product_provider_id: Some(COMPARATOR.to_owned()),
        ..question(X, customer(K1))
    };
    let answer = explain(&world, named).await;
    let expected = [
        passed(&TARGET[..4]),
        passed(&[Rule::NamedProviderEnabled, Rule::TargetTakesPerson, Rule::TargetLineOfBusiness, Rule::Segment]),
        vec![(Rule::OwnUser, Outcome::NotSet), (Rule::SharedCommercialUser, Outcome::NotSet)],
        passed(&[Rule::FallbackAllowed, Rule::SharedPrivateUser]),
        passed(&[Rule::UserNotStandard, Rule::UserKindFits, Rule::UserReportedEndCustomer]),
        passed(&USER),
        passed(&[Rule::NamedProviderInScope]),
    ];
    assert_eq!(steps(&answer), expected.concat());
    assert_eq!(resolved(&answer).way(), ResolutionWay::FallbackPrivate);
}

#[tokio::test]
async fn an_own_user_decides_and_nothing_after_it_is_looked_at() {
    let world = World::example().await;
    let own = world.a.new_user(user("A", "eigener", v1::UserKind::EndCustomer, only(&[COMPARATOR]))).await;
    world.a.assign(C1, Some(&own)).await;
    world.a.disable(&own).await;
    let answer = explain(&world, question(X, customer(C1))).await;
    let rules: Vec<_> = answer.trace.iter().map(v1::TraceStep::rule).collect();
    assert!(rules.contains(&Rule::OwnUser) && !rules.contains(&Rule::SharedPrivateUser));
    assert_eq!(refusal(&answer).reason(), ErrorReason::UserDisabled);
}

#[tokio::test]
async fn a_refusal_is_an_answer_whose_first_failed_step_says_why() {
    let world = World::example().await;
    world.a.disable(&world.a.commercial).await;
    let cases = [
        (question(X, broker("n.neu")), Rule::Activation, ErrorReason::NoUserAssigned),
        (question(V, customer(C1)), Rule::TargetKind, ErrorReason::InsurerPortalForbidden),
        (question(P, customer(C1)), Rule::ProviderInScope, ErrorReason::ProviderNotAllowed),
        (question(X, customer("c-neu")), Rule::Segment, ErrorReason::SegmentUnknown),
        (question(X, customer_of(C1, Some(v1::Segment::Commercial))), Rule::Segment, ErrorReason::SegmentMismatch),
        (question(X, customer(K1)), Rule::UserActive, ErrorReason::UserDisabled),
    ];
    for (question, rule, why) in cases {
        let answer = explain(&world, question.clone()).await;
        let failed = answer.trace.iter().find(|step| step.outcome() == Outcome::Failed).expect("a failed step");
        assert_eq!((failed.rule(), failed.reason()), (rule, why));
        for step in &answer.trace {
            let failed = step.outcome() == Outcome::Failed;
            assert_eq!(
                (step.reason() != ErrorReason::Unspecified, step.advice.len() > 10),
                (failed, failed),
                "{why:?}"
            );
        }
        assert_eq!(refusal(&answer).reason(), why);
        assert!(refusal(&answer).advice.len() > 10, "what an administrator can do");

        // A real jump says the same.
        let jump = if question.target_id == V {
            let jump = into_portal(V, question.person);
            status_of(world.a.portal.jumps().jump_to_insurer_portal(jump).await)
        } else {
            status_of(world.a.portal.jumps().jump_to_tarif(to(&question.target_id, question.person)).await)
        };
        let expected = why.as_str_name().trim_start_matches("ERROR_REASON_").to_owned();
        assert_eq!(reason(&jump), (Code::FailedPrecondition, expected));
    }
}

/// J28: whoever settles one thing after the other need not ask again after each.
#[tokio::test]
async fn an_explanation_tells_all_that_is_in_the_way_at_once() {
    let world = World::example().await;
    world.a.disable(&world.a.private).await;
    let answer = explain(&world, question(P, customer(C1))).await;
    let failed = answer.trace.iter().filter(|step| step.outcome() == Outcome::Failed);
    let failed: Vec<_> = failed.map(|step| (step.rule(), step.reason())).collect();
    let expected =
        [(Rule::UserActive, ErrorReason::UserDisabled), (Rule::ProviderInScope, ErrorReason::ProviderNotAllowed)];
    assert_eq!(failed, expected);
    assert_eq!(refusal(&answer).reason(), ErrorReason::UserDisabled, "a jump says the first");
    assert_ne!(answer.trace[answer.trace.len() - 1].advice, refusal(&answer).advice, "each has its own advice");
}

/// J29: an administrator may ask for anybody, and what he is told is never remembered.
#[tokio::test]
async fn an_administrator_is_told_what_is_so_now() {
    let world = World::example().await;
    for person in [broker(MEIER), customer(C1)] {
        let asked = question(X, person.clone());
        let before = world.a.admin.jumps().explain_jump(asked.clone()).await.expect("an explanation").into_inner();
        let user = resolved(&before).user_id.clone();
        // The jump fills the memory that decisions of jumps may come from.
        world.arrive(X, person).await;
        world.a.disable(&user).await;
        let after = world.a.admin.jumps().explain_jump(asked).await.expect("an explanation").into_inner();
        assert_eq!(refusal(&after).reason(), ErrorReason::UserDisabled);
    }
}

#[tokio::test]
async fn an_explanation_names_the_user_that_a_jump_gets() {
    let world = World::example().await;
    for person in [broker(MEIER), broker(SCHULZE), customer(C1), customer(K1)] {
        let answer = explain(&world, question(X, person.clone())).await;
        assert_eq!(resolved(&answer).user_name, world.arrive(X, person).await.concenter_user_name);
    }
}

#[tokio::test]
async fn an_ambiguous_broker_is_told_his_candidates() {
    let world = World::example().await;
    let second = world.a.activate(MEIER, &world.a.schulze).await;
    let answer = explain(&world, question(X, broker(MEIER))).await;
    let mut candidates = vec![world.a.meiers.clone(), second.clone()];
    candidates.sort();
    assert_eq!(refusal(&answer).reason(), ErrorReason::AmbiguousActivation);
    assert_eq!((&refusal(&answer).candidates, refusal(&answer).candidate_count), (&candidates, 2));
    let named = v1::ExplainJumpRequest { activation_id: Some(second), ..question(X, broker(MEIER)) };
    assert_eq!(resolved(&explain(&world, named).await).user_name, "schulze");
}

#[tokio::test]
async fn an_explanation_of_what_is_not_there_is_not_found() {
    let world = World::example().await;
    world
        .service
        .refuses(
            "jump.explain",
            (Code::NotFound, "NOT_FOUND"),
            world.a.portal.jumps().explain_jump(question("rechner-fehlt", customer(C1))),
        )
        .await;
}

/// J30: whoever cleared what is in the way would come upon what is not there only then.
#[tokio::test]
async fn what_is_not_there_is_not_found_whatever_else_is_in_the_way() {
    let world = World::example().await;
    disable_target(&world, X).await;
    let not_found = (Code::NotFound, "NOT_FOUND");
    let unknown_provider =
        v1::ExplainJumpRequest { product_provider_id: Some("nirgends".to_owned()), ..question(X, customer(C1)) };
    let portal = &world.a.portal;
    world.service.refuses("jump.explain", not_found, portal.jumps().explain_jump(unknown_provider)).await;
    world.stop(&world.a.tenant).await;
    let unknown_target = question("rechner-fehlt", customer(C1));
    world.service.refuses("jump.explain", not_found, portal.jumps().explain_jump(unknown_target)).await;
}

/// J31: what can be done is about the rule, and not only about the reason.
#[tokio::test]
async fn each_rule_that_fails_says_what_to_do_about_it() {
    let world = World::example().await;
    let advice = async |question: v1::ExplainJumpRequest| {
        let answer = explain(&world, question).await;
        let failed = answer.trace.iter().find(|step| step.outcome() == Outcome::Failed).expect("a failed step");
        assert_eq!(failed.advice, refusal(&answer).advice, "the first that fails is the refusal");
        failed.advice.clone()
    };
    let without = advice(question(X, broker("n.neu"))).await;
    let another_ones =
        v1::ExplainJumpRequest { activation_id: Some(world.a.meiers.clone()), ..question(X, broker(SCHULZE)) };
    let of_another = advice(another_ones).await;
    assert!(of_another.contains("none of this broker's") && of_another != without, "{of_another}");
    world.a.share(None, Some(""), Some(false)).await;
    let no_fallback = advice(question(X, customer(K1))).await;
    assert!(no_fallback.contains("let them use that of private customers"), "{no_fallback}");
}

#[tokio::test]
async fn an_explanation_needs_a_person() {
    let world = World::example().await;
    for person in [None, Some(v1::Person { person: None })] {
        let nobody = v1::ExplainJumpRequest { person, ..question(X, customer(C1)) };
        world.service.refuses_fields(&["person"], world.a.admin.jumps().explain_jump(nobody)).await;
    }
    let role = (Code::PermissionDenied, "ROLE");
    let himself = world.service.customer(&world.a.tenant, C1, C1);
    world.service.refuses("call", role, himself.jumps().explain_jump(question(X, customer(C1)))).await;
}
