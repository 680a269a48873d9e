//! The decision as tables, one row a refusal, and as properties over random tenants.

use proptest::prelude::*;

use super::*;
use crate::domain::ids::{BrokerId, LineOfBusiness, Random, TargetId};
use crate::domain::provider::ProviderList;
use crate::domain::target::LineList;
use crate::domain::time::Timestamp;

/// Random bytes that are the same in every run: all `0`, or all of one number.
struct Same(u8);

impl Random for Same {
    fn fill(&self, destination: &mut [u8]) {
        destination.fill(self.0);
    }
}

fn user_id(n: u8) -> UserId {
    UserId::new(Timestamp::from_unix_seconds(0), &Same(n))
}

fn activation_id(n: u8) -> ActivationId {
    ActivationId::new(Timestamp::from_unix_seconds(0), &Same(n))
}

fn provider(key: &str) -> ProviderId {
    ProviderId::parse(key).expect("a key")
}

fn only(keys: &[&str]) -> ProviderScope {
    ProviderScope::Only(ProviderList::new(keys.iter().map(|key| provider(key)).collect()).expect("providers"))
}

const OWN: u8 = 1;
const PRIVATE: u8 = 2;
const COMMERCIAL: u8 = 3;
const PERSONAL: u8 = 4;
const OTHER: u8 = 5;

fn user(n: u8, kind: UserKind) -> CandidateUser {
    CandidateUser {
        user_id: user_id(n),
        kind,
        state: State::Active,
        has_secret: true,
        is_suspect: false,
        scope: only(&["comparator", "insurer"]),
        reported_end_customer: None,
    }
}

fn order(person: Person) -> JumpOrder {
    JumpOrder {
        person,
        actor: None,
        target_id: TargetId::parse("calculator").expect("a key"),
        wanted: Some(TargetKind::TariffCalculator),
        activation_id: None,
        customer_context: None,
        line_of_business: None,
        provider_id: None,
    }
}

fn customer(stated: Option<Segment>) -> Person {
    Person::Customer { customer_id: CustomerId::parse("c-1").expect("an id"), stated }
}

fn broker() -> Person {
    Person::Broker(BrokerId::parse("b-1").expect("an id"))
}

fn candidates(assignments: Assignments, users: Vec<CandidateUser>) -> Candidates {
    Candidates {
        tenant: TenantState::Active,
        target: Some(CandidateTarget {
            kind: TargetKind::TariffCalculator,
            state: State::Active,
            provider_id: provider("comparator"),
            provider_state: State::Active,
            accepts: AcceptedPersons { brokers: true, customers: true },
            lines: LineScope::All,
        }),
        named_provider: None,
        assignments,
        users,
    }
}

/// A broker with one activation that leads to his personal user.
fn for_broker() -> (JumpOrder, Candidates) {
    let activation =
        CandidateActivation { activation_id: activation_id(1), user_id: user_id(PERSONAL), state: State::Active };
    (order(broker()), candidates(Assignments::Broker(vec![activation]), vec![user(PERSONAL, UserKind::Broker)]))
}

/// A customer of a segment in a tenant where both shared users are set.
fn for_customer(segment: Segment) -> (JumpOrder, Candidates) {
    let record = CandidateCustomer { customer_id: CustomerId::parse("c-1").expect("an id"), segment, user_id: None };
    let assignments = Assignments::Customer {
        record: Some(record),
        private_user: Some(user_id(PRIVATE)),
        commercial_user: Some(user_id(COMMERCIAL)),
        commercial_falls_back: false,
    };
    let users = [OWN, PRIVATE, COMMERCIAL].map(|n| user(n, UserKind::EndCustomer)).to_vec();
    (order(customer(None)), candidates(assignments, users))
}

fn target(candidates: &mut Candidates) -> &mut CandidateTarget {
    candidates.target.as_mut().expect("there is a target")
}

fn reason(decision: &Decision) -> Option<Reason> {
    decision.outcome.as_ref().err().map(|refusal| refusal.reason)
}

fn got(decision: &Decision) -> Option<(UserId, Way)> {
    decision.outcome.as_ref().ok().map(|resolution| (resolution.user_id, resolution.way))
}

#[test]
fn a_broker_gets_the_user_of_his_activation() {
    let (order, candidates) = for_broker();
    let decision = resolve(&order, &candidates);
    assert_eq!(got(&decision), Some((user_id(PERSONAL), Way::Activation)));
    let rules: Vec<_> = decision.trace.iter().map(|step| step.rule).collect();
    assert_eq!(
        rules,
        [
            Rule::TenantActive,
            Rule::TargetKind,
            Rule::TargetEnabled,
            Rule::ProviderEnabled,
            Rule::TargetTakesPerson,
            Rule::Activation,
            Rule::UserNotStandard,
            Rule::UserKindFits,
            Rule::UserActive,
            Rule::UserHasSecret,
            Rule::UserCredentialTrusted,
            Rule::ProviderInScope,
        ]
    );
}

#[test]
fn the_first_assignment_that_is_set_decides() {
    let (order, shared) = for_customer(Segment::Private);
    assert_eq!(got(&resolve(&order, &shared)), Some((user_id(PRIVATE), Way::SharedPrivate)));

    let (order, shared) = for_customer(Segment::Commercial);
    assert_eq!(got(&resolve(&order, &shared)), Some((user_id(COMMERCIAL), Way::SharedCommercial)));

    let (order, mut own) = for_customer(Segment::Commercial);
    if let Assignments::Customer { record: Some(record), .. } = &mut own.assignments {
        record.user_id = Some(user_id(OWN));
    }
    assert_eq!(got(&resolve(&order, &own)), Some((user_id(OWN), Way::OwnUser)));
}

#[test]
fn only_a_commercial_customer_falls_back_and_only_where_it_is_switched_on() {
    let without_shared = |segment, falls_back, private| {
        let (order, mut candidates) = for_customer(segment);
        if let Assignments::Customer { commercial_user, commercial_falls_back, private_user, .. } =
            &mut candidates.assignments
        {
            *commercial_user = None;
            *commercial_falls_back = falls_back;
            *private_user = private;
        }
        resolve(&order, &candidates)
    };
    let fallen = without_shared(Segment::Commercial, true, Some(user_id(PRIVATE)));
    assert_eq!(got(&fallen), Some((user_id(PRIVATE), Way::FallbackPrivate)));
    let outcomes: Vec<_> = fallen.trace.iter().map(|step| (step.rule, step.outcome)).skip(5).take(5).collect();
    assert_eq!(
        outcomes,
        [
            (Rule::Segment, StepOutcome::Passed),
            (Rule::OwnUser, StepOutcome::NotSet),
            (Rule::SharedCommercialUser, StepOutcome::NotSet),
            (Rule::FallbackAllowed, StepOutcome::Passed),
            (Rule::SharedPrivateUser, StepOutcome::Passed),
        ]
    );
    assert_eq!(
        reason(&without_shared(Segment::Commercial, false, Some(user_id(PRIVATE)))),
        Some(Reason::NoUserAssigned)
    );
    assert_eq!(reason(&without_shared(Segment::Commercial, true, None)), Some(Reason::NoUserAssigned));
    assert_eq!(reason(&without_shared(Segment::Private, true, None)), Some(Reason::NoUserAssigned));
}

#[test]
fn a_private_customer_never_gets_the_commercial_user() {
    let (order, mut candidates) = for_customer(Segment::Private);
    if let Assignments::Customer { private_user, commercial_falls_back, .. } = &mut candidates.assignments {
        *private_user = None;
        *commercial_falls_back = true;
    }
    assert_eq!(reason(&resolve(&order, &candidates)), Some(Reason::NoUserAssigned));
}

#[test]
fn a_disabled_own_user_does_not_fall_through_to_the_shared_one() {
    let (order, mut candidates) = for_customer(Segment::Private);
    if let Assignments::Customer { record: Some(record), .. } = &mut candidates.assignments {
        record.user_id = Some(user_id(OWN));
    }
    candidates.users[0].state = State::Disabled;
    assert_eq!(reason(&resolve(&order, &candidates)), Some(Reason::UserDisabled));
}

#[test]
fn the_segment_comes_from_the_record_or_else_from_the_portal() {
    let decide = |recorded: Option<Segment>, stated| {
        let (mut order, mut candidates) = for_customer(Segment::Private);
        order.person = customer(stated);
        if let Assignments::Customer { record, .. } = &mut candidates.assignments {
            match recorded {
                Some(segment) => record.as_mut().expect("there is a record").segment = segment,
                None => *record = None,
            }
        }
        let decision = resolve(&order, &candidates);
        (got(&decision).map(|(_, way)| way), reason(&decision))
    };
    let (private, commercial) = (Segment::Private, Segment::Commercial);
    assert_eq!(decide(None, None), (None, Some(Reason::SegmentUnknown)));
    assert_eq!(decide(None, Some(commercial)), (Some(Way::SharedCommercial), None));
    assert_eq!(decide(Some(private), None), (Some(Way::SharedPrivate), None));
    assert_eq!(decide(Some(private), Some(private)), (Some(Way::SharedPrivate), None));
    assert_eq!(decide(Some(private), Some(commercial)), (None, Some(Reason::SegmentMismatch)));
}

/// One way to spoil a jump, and the reason that it must be refused for.
type Spoil = (Reason, fn(&mut JumpOrder, &mut Candidates));

/// Whatever the person, these spoil his jump.
const SPOILS: [Spoil; 12] = [
    (Reason::TenantStopped, |_, c| c.tenant = TenantState::Stopped),
    (Reason::NotFound, |_, c| c.target = None),
    (Reason::TargetKindMismatch, |o, _| o.wanted = Some(TargetKind::InsurerPortal)),
    (Reason::TargetDisabled, |_, c| target(c).state = State::Disabled),
    (Reason::ProviderDisabled, |_, c| target(c).provider_state = State::Disabled),
    (Reason::PersonNotAccepted, |_, c| target(c).accepts = AcceptedPersons { brokers: false, customers: false }),
    (Reason::LineOfBusinessNotSupported, |o, c| {
        o.line_of_business = LineOfBusiness::parse("050").ok();
        let other = LineOfBusiness::parse("010").expect("a code");
        target(c).lines = LineScope::Only(LineList::new(vec![other]).expect("one line"));
    }),
    (Reason::UserDisabled, |_, c| c.users.iter_mut().for_each(|user| user.state = State::Disabled)),
    (Reason::SecretMissing, |_, c| c.users.iter_mut().for_each(|user| user.has_secret = false)),
    (Reason::CredentialSuspect, |_, c| c.users.iter_mut().for_each(|user| user.is_suspect = true)),
    (Reason::StandardNotForJumps, |_, c| c.users.iter_mut().for_each(|user| user.kind = UserKind::Standard)),
    (Reason::ProviderNotAllowed, |_, c| c.users.iter_mut().for_each(|user| user.scope = only(&["insurer"]))),
];

#[test]
fn each_rule_refuses_with_its_own_reason_and_ends_the_trace() {
    for (expected, spoil) in SPOILS {
        for (mut order, mut candidates) in [for_broker(), for_customer(Segment::Private)] {
            spoil(&mut order, &mut candidates);
            let decision = resolve(&order, &candidates);
            assert_eq!(reason(&decision), Some(expected));
            if expected != Reason::NotFound {
                let last = decision.trace.last().map(|step| step.outcome);
                assert_eq!(last, Some(StepOutcome::Failed(expected)));
            }
        }
    }
}

#[test]
fn a_named_provider_is_known_enabled_and_in_scope() {
    let decide = |key, state| {
        let (mut order, mut candidates) = for_broker();
        order.provider_id = Some(provider(key));
        candidates.named_provider = state;
        reason(&resolve(&order, &candidates))
    };
    assert_eq!(decide("insurer", Some(State::Active)), None);
    assert_eq!(decide("insurer", None), Some(Reason::NotFound));
    assert_eq!(decide("insurer", Some(State::Disabled)), Some(Reason::ProviderDisabled));
    assert_eq!(decide("other", Some(State::Active)), Some(Reason::ProviderNotAllowed));
}

#[test]
fn the_trace_says_which_provider_is_disabled() {
    let failed = |own, named| {
        let (mut order, mut candidates) = for_broker();
        order.provider_id = Some(provider("insurer"));
        candidates.named_provider = Some(named);
        target(&mut candidates).provider_state = own;
        let trace = resolve_whole(&order, &candidates).trace;
        let failed = trace.into_iter().filter(|step| matches!(step.outcome, StepOutcome::Failed(_)));
        failed.map(|step| step.rule).collect::<Vec<_>>()
    };
    assert_eq!(failed(State::Disabled, State::Active), [Rule::ProviderEnabled]);
    assert_eq!(failed(State::Active, State::Disabled), [Rule::NamedProviderEnabled]);
    assert_eq!(failed(State::Disabled, State::Disabled), [Rule::ProviderEnabled, Rule::NamedProviderEnabled]);
}

#[test]
fn a_customer_never_gets_an_insurers_portal() {
    for wanted in [Some(TargetKind::InsurerPortal), Some(TargetKind::TariffCalculator), None] {
        let (mut order, mut candidates) = for_customer(Segment::Private);
        order.wanted = wanted;
        target(&mut candidates).kind = TargetKind::InsurerPortal;
        assert_eq!(reason(&resolve(&order, &candidates)), Some(Reason::InsurerPortalForbidden));
    }
}

#[test]
fn a_customer_needs_a_user_that_nobody_says_is_no_endkunde() {
    let with = |kind, reported| {
        let (order, mut candidates) = for_customer(Segment::Private);
        for user in &mut candidates.users {
            user.kind = kind;
            user.reported_end_customer = reported;
        }
        reason(&resolve(&order, &candidates))
    };
    assert_eq!(with(UserKind::EndCustomer, None), None);
    assert_eq!(with(UserKind::EndCustomer, Some(true)), None);
    assert_eq!(with(UserKind::EndCustomer, Some(false)), Some(Reason::EndkundeRemoteMismatch));
    assert_eq!(with(UserKind::Broker, None), Some(Reason::EndkundeRequired));
}

#[test]
fn a_broker_never_gets_an_endkunde_user() {
    let (order, mut candidates) = for_broker();
    candidates.users[0].kind = UserKind::EndCustomer;
    assert_eq!(reason(&resolve(&order, &candidates)), Some(Reason::EndkundeConflict));
}

#[test]
fn several_activations_are_never_chosen_from_silently() {
    let activation =
        |n, user, state| CandidateActivation { activation_id: activation_id(n), user_id: user_id(user), state };
    let decide = |wanted: Option<u8>, activations: Vec<CandidateActivation>| {
        let (mut order, mut candidates) = for_broker();
        order.activation_id = wanted.map(activation_id);
        candidates.assignments = Assignments::Broker(activations);
        candidates.users.push(user(OTHER, UserKind::Broker));
        resolve(&order, &candidates)
    };
    let (on, off) = (State::Active, State::Disabled);
    let (one, other) = (activation(1, PERSONAL, on), activation(2, OTHER, on));

    let ambiguous = decide(None, vec![other, one]).outcome.expect_err("two different users");
    assert_eq!(ambiguous.reason, Reason::AmbiguousActivation);
    let (first, second) = (Related::Activation(activation_id(1)), Related::Activation(activation_id(2)));
    assert_eq!((ambiguous.related, ambiguous.related_total), (vec![first, second], 2));

    let same_user = activation(2, PERSONAL, on);
    assert_eq!(got(&decide(None, vec![one, same_user])), Some((user_id(PERSONAL), Way::Activation)));
    assert_eq!(got(&decide(Some(2), vec![one, other])), Some((user_id(OTHER), Way::Activation)));
    assert_eq!(got(&decide(None, vec![one, activation(2, OTHER, off)])), Some((user_id(PERSONAL), Way::Activation)));
    assert_eq!(reason(&decide(Some(2), vec![one, activation(2, OTHER, off)])), Some(Reason::ActivationDisabled));
    assert_eq!(reason(&decide(None, vec![activation(1, PERSONAL, off)])), Some(Reason::ActivationDisabled));
    assert_eq!(reason(&decide(Some(9), vec![one])), Some(Reason::NoUserAssigned));
    assert_eq!(reason(&decide(None, Vec::new())), Some(Reason::NoUserAssigned));
}

#[test]
fn twenty_candidates_are_shown_and_all_are_counted() {
    let (order, mut candidates) = for_broker();
    candidates.assignments = Assignments::Broker(
        (1..=50)
            .map(|n| CandidateActivation { activation_id: activation_id(n), user_id: user_id(n), state: State::Active })
            .collect(),
    );
    let refusal = resolve(&order, &candidates).outcome.expect_err("50 different users");
    assert_eq!((refusal.related.len(), refusal.related_total), (20, 50));
}

fn any_state() -> impl Strategy<Value = State> {
    prop_oneof![4 => Just(State::Active), 1 => Just(State::Disabled)]
}

fn any_user(n: u8) -> impl Strategy<Value = CandidateUser> {
    let kind = prop_oneof![Just(UserKind::Standard), Just(UserKind::Broker), Just(UserKind::EndCustomer)];
    let scope = prop_oneof![Just(ProviderScope::All), Just(only(&["comparator"])), Just(only(&["insurer"]))];
    (kind, any_state(), any::<bool>(), any::<bool>(), scope, any::<Option<bool>>()).prop_map(
        move |(kind, state, has_secret, is_suspect, scope, reported_end_customer)| CandidateUser {
            user_id: user_id(n),
            kind,
            state,
            has_secret,
            is_suspect,
            scope,
            reported_end_customer,
        },
    )
}

fn any_segment() -> impl Strategy<Value = Segment> {
    prop_oneof![Just(Segment::Private), Just(Segment::Commercial)]
}

fn any_customer_assignments() -> impl Strategy<Value = Assignments> {
    let an_id = || proptest::option::of((1_u8..=5).prop_map(user_id));
    let record = proptest::option::of((any_segment(), an_id()));
    (record, an_id(), an_id(), any::<bool>()).prop_map(|(record, private_user, commercial_user, falls_back)| {
        let customer_id = CustomerId::parse("c-1").expect("an id");
        Assignments::Customer {
            record: record.map(|(segment, user_id)| CandidateCustomer { customer_id, segment, user_id }),
            private_user,
            commercial_user,
            commercial_falls_back: falls_back,
        }
    })
}

fn any_activations() -> impl Strategy<Value = Assignments> {
    let activation = (1_u8..=5, 1_u8..=5, any_state()).prop_map(|(n, user, state)| CandidateActivation {
        activation_id: activation_id(n),
        user_id: user_id(user),
        state,
    });
    proptest::collection::vec(activation, 0..4).prop_map(Assignments::Broker)
}

fn any_users() -> impl Strategy<Value = Vec<CandidateUser>> {
    (any_user(1), any_user(2), any_user(3), any_user(4), any_user(5)).prop_map(|(a, b, c, d, e)| vec![a, b, c, d, e])
}

fn any_target() -> impl Strategy<Value = Option<CandidateTarget>> {
    let kind = prop_oneof![3 => Just(TargetKind::TariffCalculator), 1 => Just(TargetKind::InsurerPortal)];
    let accepts = (prop::bool::weighted(0.8), prop::bool::weighted(0.8));
    let lines = prop_oneof![
        Just(LineScope::All),
        Just(LineScope::Only(LineList::new(vec![LineOfBusiness::parse("010").expect("a code")]).expect("one line"))),
    ];
    let target = (kind, any_state(), any_state(), accepts, lines).prop_map(
        |(kind, state, provider_state, (brokers, customers), lines)| CandidateTarget {
            kind,
            state,
            provider_id: provider("comparator"),
            provider_state,
            accepts: AcceptedPersons { brokers, customers },
            lines,
        },
    );
    prop_oneof![9 => target.prop_map(Some), 1 => Just(None)]
}

/// Any order with anything that may have been read for it, or for somebody else.
fn any_question() -> impl Strategy<Value = (JumpOrder, Candidates)> {
    let person = prop_oneof![Just(broker()), proptest::option::of(any_segment()).prop_map(customer)];
    let wanted = proptest::option::of(prop_oneof![Just(TargetKind::TariffCalculator), Just(TargetKind::InsurerPortal)]);
    let named = proptest::option::of(prop_oneof![Just("comparator"), Just("insurer")]);
    let line = proptest::option::of(Just("050"));
    let order = (person, wanted, proptest::option::of(1_u8..=5), line, named).prop_map(
        |(person, wanted, activation, line, named)| JumpOrder {
            wanted,
            activation_id: activation.map(activation_id),
            line_of_business: line.map(|line| LineOfBusiness::parse(line).expect("a code")),
            provider_id: named.map(provider),
            ..order(person)
        },
    );
    let assignments = prop_oneof![any_customer_assignments(), any_activations()];
    let state = prop_oneof![5 => Just(TenantState::Active), 1 => Just(TenantState::Stopped)];
    let named_provider = proptest::option::of(any_state());
    (order, assignments, any_users(), state, any_target(), named_provider, 0_usize..=5).prop_map(
        |(order, assignments, mut users, tenant, target, named_provider, known)| {
            users.truncate(known);
            (order, Candidates { tenant, target, named_provider, assignments, users })
        },
    )
}

/// The trace up to the first step that failed, with it.
fn up_to_the_first_failure(trace: &[TraceStep]) -> &[TraceStep] {
    let failed = trace.iter().position(|step| matches!(step.outcome, StepOutcome::Failed(_)));
    failed.map_or(trace, |place| &trace[..=place])
}

#[test]
fn a_whole_trace_tells_all_that_is_in_the_way() {
    let (mut order, mut candidates) = for_customer(Segment::Private);
    order.line_of_business = LineOfBusiness::parse("050").ok();
    let target = target(&mut candidates);
    target.state = State::Disabled;
    target.provider_state = State::Disabled;
    let other = LineOfBusiness::parse("010").expect("a code");
    target.lines = LineScope::Only(LineList::new(vec![other]).expect("one line"));
    for user in &mut candidates.users {
        user.state = State::Disabled;
        user.has_secret = false;
        user.scope = only(&["insurer"]);
        user.reported_end_customer = Some(false);
    }
    let decision = resolve_whole(&order, &candidates);
    assert_eq!(reason(&decision), Some(Reason::TargetDisabled));
    let failed: Vec<_> = decision
        .trace
        .iter()
        .filter_map(|step| match step.outcome {
            StepOutcome::Failed(reason) => Some((step.rule, reason)),
            StepOutcome::Passed | StepOutcome::NotSet => None,
        })
        .collect();
    assert_eq!(
        failed,
        [
            (Rule::TargetEnabled, Reason::TargetDisabled),
            (Rule::ProviderEnabled, Reason::ProviderDisabled),
            (Rule::TargetLineOfBusiness, Reason::LineOfBusinessNotSupported),
            (Rule::UserReportedEndCustomer, Reason::EndkundeRemoteMismatch),
            (Rule::UserActive, Reason::UserDisabled),
            (Rule::UserHasSecret, Reason::SecretMissing),
            (Rule::ProviderInScope, Reason::ProviderNotAllowed),
        ]
    );
}

#[test]
fn behind_a_way_that_is_closed_its_user_is_looked_at_where_it_is_one() {
    let last = |order: &JumpOrder, candidates: &Candidates| {
        let decision = resolve_whole(order, candidates);
        (reason(&decision), decision.trace.last().map(|step| step.rule))
    };
    let activation =
        |n, user, state| CandidateActivation { activation_id: activation_id(n), user_id: user_id(user), state };
    let (order, mut closed) = for_broker();
    closed.assignments = Assignments::Broker(vec![activation(1, PERSONAL, State::Disabled)]);
    assert_eq!(last(&order, &closed), (Some(Reason::ActivationDisabled), Some(Rule::ProviderInScope)));
    // Of two nobody knows which one it would be.
    let two = [activation(1, PERSONAL, State::Disabled), activation(2, OTHER, State::Disabled)];
    closed.assignments = Assignments::Broker(two.to_vec());
    assert_eq!(last(&order, &closed), (Some(Reason::ActivationDisabled), Some(Rule::Activation)));
    let named = JumpOrder { activation_id: Some(activation_id(1)), ..order };
    assert_eq!(last(&named, &closed), (Some(Reason::ActivationDisabled), Some(Rule::ProviderInScope)));
    // A record that says otherwise than the portal is the better of the two; without any there is no way at all.
    let (mut order, mut candidates) = for_customer(Segment::Private);
    order.person = customer(Some(Segment::Commercial));
    assert_eq!(last(&order, &candidates), (Some(Reason::SegmentMismatch), Some(Rule::ProviderInScope)));
    order.person = customer(None);
    if let Assignments::Customer { record, .. } = &mut candidates.assignments {
        *record = None;
    }
    assert_eq!(last(&order, &candidates), (Some(Reason::SegmentUnknown), Some(Rule::Segment)));
}

proptest! {
    /// I1, at the resolver: whatever the tenant looks like, a customer gets an Endkunde user or nothing.
    #[test]
    fn a_customer_is_only_ever_given_an_endkunde_user(
        assignments in any_customer_assignments(), users in any_users(), stated in proptest::option::of(any_segment()),
    ) {
        let candidates = candidates(assignments, users);
        let decision = resolve(&order(customer(stated)), &candidates);
        if let Ok(resolution) = &decision.outcome {
            let user = candidates.users.iter().find(|user| user.user_id == resolution.user_id).expect("a candidate");
            prop_assert_eq!(user.kind, UserKind::EndCustomer);
            prop_assert_ne!(user.reported_end_customer, Some(false));
            prop_assert_eq!(user.state, State::Active);
            prop_assert!(user.has_secret && !user.is_suspect);
            prop_assert!(user.scope.allows(&provider("comparator")));
            if resolution.segment == Some(Segment::Private) {
                prop_assert!(matches!(resolution.way, Way::OwnUser | Way::SharedPrivate));
            }
        }
    }

    /// I2, at the resolver: a broker gets the user of one of his own enabled activations or nothing.
    #[test]
    fn a_broker_is_only_ever_given_a_user_of_his_own_activation(
        assignments in any_activations(), users in any_users(), wanted in proptest::option::of(1_u8..=5),
    ) {
        let mut order = order(broker());
        order.activation_id = wanted.map(activation_id);
        let candidates = candidates(assignments, users);
        if let Ok(resolution) = resolve(&order, &candidates).outcome {
            let user = candidates.users.iter().find(|user| user.user_id == resolution.user_id).expect("a candidate");
            prop_assert_eq!(user.kind, UserKind::Broker);
            let Assignments::Broker(activations) = &candidates.assignments else { unreachable!("made for a broker") };
            let mut enabled = activations.iter().filter(|activation| activation.state == State::Active);
            prop_assert!(enabled.any(|activation| activation.user_id == resolution.user_id));
        }
    }

    /// The trace ends where the decision does: only its last step can have failed, and then for the reason given.
    #[test]
    fn the_trace_tells_the_outcome(assignments in any_customer_assignments(), users in any_users()) {
        let decision = resolve(&order(customer(None)), &candidates(assignments, users));
        let failed: Vec<_> = decision.trace.iter().filter(|step| matches!(step.outcome, StepOutcome::Failed(_))).collect();
        match &decision.outcome {
            Ok(_) => prop_assert!(failed.is_empty()),
            Err(refusal) => {
                prop_assert_eq!(failed.len(), usize::from(!failed.is_empty()));
                if let Some(last) = decision.trace.last().filter(|_| !failed.is_empty()) {
                    prop_assert_eq!(last.outcome, StepOutcome::Failed(refusal.reason));
                }
            }
        }
    }

    /// To go on behind the first refusal changes nothing before it: the same outcome, and the same trace up to there.
    #[test]
    fn the_whole_trace_begins_with_that_of_a_jump((order, candidates) in any_question()) {
        let (jump, whole) = (resolve(&order, &candidates), resolve_whole(&order, &candidates));
        prop_assert_eq!(&jump.outcome, &whole.outcome);
        let begun = up_to_the_first_failure(&whole.trace);
        // Where the refusal is none of a rule, the jump's trace ends there, and what follows is of the whole one only.
        prop_assert!(whole.trace.starts_with(&jump.trace));
        prop_assert!(jump.trace.len() <= begun.len());
        if jump.outcome.is_ok() {
            prop_assert_eq!(&jump.trace, &whole.trace);
        } else if jump.trace.iter().any(|step| matches!(step.outcome, StepOutcome::Failed(_))) {
            prop_assert_eq!(&jump.trace[..], begun);
        }
        for step in &whole.trace {
            if let StepOutcome::Failed(reason) = step.outcome {
                prop_assert!(step.rule.reasons().contains(&reason), "{:?}", step);
            }
        }
        let mut rules: Vec<_> = whole.trace.iter().map(|step| step.rule).collect();
        rules.sort_unstable_by_key(|rule| *rule as u8);
        rules.dedup();
        prop_assert_eq!(rules.len(), whole.trace.len(), "a rule stands there twice");
    }
}
