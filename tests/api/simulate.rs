//! Simulations: they tell what the change then does, and nothing is written but an audit row.

use std::collections::BTreeMap;
use std::time::Duration;

use concenter_gateway::proto::admin::v1 as admin;
use concenter_gateway::proto::v1;
use concenter_gateway::proto::v1::explain_jump_response::Result as Explained;
use concenter_gateway::proto::v1::simulate_change_request::Change;
use concenter_gateway::proto::v1::simulated_outcome::Outcome;
use concenter_gateway::proto::v1::simulated_person::Person;
use tokio::task::JoinSet;
use tonic::Code;

use crate::harness::*;

const CUSTOMERS: [&str; 3] = [C1, C2, K1];
const BROKERS: [&str; 2] = [MEIER, SCHULZE];

fn asked(change: Change) -> v1::SimulateChangeRequest {
    v1::SimulateChangeRequest { change: Some(change), ..Default::default() }
}

/// Simulates as A's administrator; it changes nothing and leaves one audit row of this action.
async fn simulate(world: &World, action: &str, change: Change) -> v1::SimulateChangeResponse {
    let (state, audit) = (world.service.state().await, world.service.audit().await);
    let told = world.a.admin.jumps().simulate_change(asked(change)).await.expect("a simulation").into_inner();
    assert_eq!(world.service.state().await, state, "a simulation changed something");
    let rows = world.service.audit_since(&audit).await;
    let seen: Vec<_> = rows.iter().map(|row| (row.action.as_str(), row.reason.as_deref())).collect();
    assert_eq!(seen, [(action, None)]);
    told
}

/// The user that everybody gets at the calculators now, by person and target, or why none.
async fn everybody(world: &World) -> BTreeMap<(String, &'static str), Result<String, v1::ErrorReason>> {
    let people = BROKERS.map(|id| (format!("b{id}"), broker(id))).into_iter();
    let people = people.chain(CUSTOMERS.map(|id| (format!("c{id}"), customer(id))));
    let mut outcomes = BTreeMap::new();
    for (key, person) in people {
        for target in [X, Y, P, V] {
            let question = v1::ExplainJumpRequest {
                target_id: target.to_owned(),
                person: Some(person.clone()),
                ..Default::default()
            };
            let told = world.a.admin.jumps().explain_jump(question).await.expect("an explanation").into_inner();
            let outcome = match told.result.expect("a result") {
                Explained::Resolved(resolved) => Ok(resolved.user_id),
                Explained::Refusal(refusal) => Err(refusal.reason()),
            };
            outcomes.insert((key.clone(), target), outcome);
        }
    }
    outcomes
}

fn outcome(outcome: Option<v1::SimulatedOutcome>) -> Result<String, v1::ErrorReason> {
    match outcome.and_then(|outcome| outcome.outcome).expect("an outcome") {
        Outcome::User(user) => Ok(user.user_id),
        Outcome::Refusal(refusal) => {
            assert!(refusal.advice.len() > 10, "what can be done");
            Err(refusal.reason())
        }
    }
}

/// Asserts that what was told is what became of everybody.
async fn came_true(
    world: &World,
    told: v1::SimulateChangeResponse,
    before: &BTreeMap<(String, &'static str), Result<String, v1::ErrorReason>>,
) {
    let after = everybody(world).await;
    let differs = |was: &Result<String, v1::ErrorReason>, is: &Result<String, v1::ErrorReason>| match (was, is) {
        (Err(_), Err(_)) => false,
        (was, is) => was != is,
    };
    let mut expected: BTreeMap<String, i32> = BTreeMap::new();
    for (key, was) in before {
        if differs(was, &after[key]) {
            *expected.entry(key.0.clone()).or_default() += 1;
        }
    }
    let mut seen = BTreeMap::new();
    for person in told.persons {
        let key = match person.person.as_ref().expect("a person") {
            Person::BrokerId(id) => format!("b{id}"),
            Person::CustomerId(id) => format!("c{id}"),
        };
        let target = [X, Y, P, V].into_iter().find(|target| *target == person.target_id).expect("a target");
        let place = (key.clone(), target);
        assert_eq!((outcome(person.before), outcome(person.after)), (before[&place].clone(), after[&place].clone()));
        seen.insert(key, person.targets);
    }
    assert_eq!(seen, expected);
    let (brokers, customers) = (told.brokers.expect("the first page"), told.customers.expect("the first page"));
    let sum = |counts: v1::SimulationCounts| counts.same + counts.other_user + counts.loses_user + counts.gains_user;
    assert_eq!((sum(brokers), sum(customers)), (2, 3));
    let of = |kind: char| i64::try_from(expected.keys().filter(|key| key.starts_with(kind)).count()).expect("a few");
    assert_eq!((2 - brokers.same, 3 - customers.same), (of('b'), of('c')));
}

/// W01: what a simulation tells is what the change does.
#[tokio::test]
async fn what_a_simulation_tells_comes_true() {
    let world = World::example().await;
    let own = world.a.new_user(user("A", "eigener", v1::UserKind::EndCustomer, only(&[COMPARATOR, INSURER]))).await;
    let spare = world.a.new_user(user("A", "reserve", v1::UserKind::Broker, all())).await;
    world.a.assign(C2, Some(&own)).await;

    // One change after the other, each on what the one before left.
    let before = everybody(&world).await;
    let told = simulate(&world, "user.simulate_standard", Change::StandardUserId(spare.clone())).await;
    let (user_id, etag) = (spare.clone(), world.a.user(&spare).await.etag);
    let set = v1::SetStandardUserRequest { request_id: request_id(), user_id, etag };
    world.a.admin.users().set_standard_user(set).await.expect("another Standard user");
    assert_eq!(told.would_be_refused, None);
    came_true(&world, told, &before).await;

    let before = everybody(&world).await;
    let shared = v1::SharedUserChange { segment: v1::Segment::Commercial.into(), user_id: Some(own.clone()) };
    let told = simulate(&world, "customer_access.simulate_commercial", Change::SharedUser(shared)).await;
    world.a.share(None, Some(&own), None).await;
    assert_eq!(told.customers.map(|counts| counts.other_user), Some(1));
    came_true(&world, told, &before).await;

    let before = everybody(&world).await;
    let removed = v1::RemovedProvider { user_id: own.clone(), product_provider_id: INSURER.to_owned() };
    let told = simulate(&world, "user.simulate_remove_provider", Change::RemoveProvider(removed)).await;
    let update = v1::UpdateUserRequest {
        request_id: request_id(),
        user: Some(v1::ConcenterUser {
            user_id: own.clone(),
            etag: world.a.user(&own).await.etag,
            provider_scope: Some(only(&[COMPARATOR])),
            ..Default::default()
        }),
        update_mask: None,
    };
    world.a.admin.users().update_user(update).await.expect("a narrower scope");
    assert_eq!(told.customers.map(|counts| counts.loses_user), Some(2), "his own user, and the shared one");
    came_true(&world, told, &before).await;

    let before = everybody(&world).await;
    let told = simulate(&world, "user.simulate_disable", Change::DisableUserId(world.a.meier.clone())).await;
    world.a.disable(&world.a.meier).await;
    assert_eq!(told.brokers.map(|counts| counts.loses_user), Some(1));
    came_true(&world, told, &before).await;

    let before = everybody(&world).await;
    let shared = v1::SharedUserChange { segment: v1::Segment::Private.into(), user_id: None };
    let told = simulate(&world, "customer_access.simulate_private", Change::SharedUser(shared)).await;
    world.a.share(Some(""), None, None).await;
    came_true(&world, told, &before).await;

    let before = everybody(&world).await;
    let change = Change::EndCustomerOffUserId(world.a.private.clone());
    let told = simulate(&world, "user.simulate_unmark_end_customer", change).await;
    assert_eq!(told.would_be_refused, None, "nobody shares it any more");
    came_true(&world, told, &before).await;

    let before = everybody(&world).await;
    let change = Change::DisableProductProviderId(COMPARATOR.to_owned());
    let told = simulate(&world, "provider.simulate_disable", change).await;
    disable_provider(&world, COMPARATOR).await;
    came_true(&world, told, &before).await;
}

/// W02: a change that the service would refuse is told with the reason that the real one gets, and simulated all the same.
#[tokio::test]
async fn a_change_that_would_be_refused_is_simulated_with_its_reason() {
    let world = World::example().await;
    let own = world.a.new_user(user("A", "eigener", v1::UserKind::EndCustomer, only(&[COMPARATOR]))).await;
    world.a.assign(C2, Some(&own)).await;
    let why = |told: &v1::SimulateChangeResponse| told.would_be_refused.as_ref().map(v1::SimulatedRefusal::reason);
    let loses = |told: &v1::SimulateChangeResponse| {
        (told.brokers.map(|counts| counts.loses_user), told.customers.map(|counts| counts.loses_user))
    };

    for (user, reason, lost) in [
        (&world.a.private, v1::ErrorReason::EndkundeConflict, (Some(0), Some(1))),
        (&world.a.meier, v1::ErrorReason::Assigned, (Some(1), Some(0))),
    ] {
        let told = simulate(&world, "user.simulate_standard", Change::StandardUserId(user.clone())).await;
        assert_eq!((why(&told), loses(&told)), (Some(reason), lost));
        let (user_id, etag) = (user.clone(), world.a.user(user).await.etag);
        let set = v1::SetStandardUserRequest { request_id: request_id(), user_id, etag };
        let status = status_of(world.a.admin.users().set_standard_user(set).await);
        assert_eq!(format!("ERROR_REASON_{}", crate::harness::reason(&status).1), reason.as_str_name());
    }
    for (user, reason) in [(&world.a.private, v1::ErrorReason::SlotInUse), (&own, v1::ErrorReason::Assigned)] {
        let change = Change::EndCustomerOffUserId(user.clone());
        let told = simulate(&world, "user.simulate_unmark_end_customer", change).await;
        assert_eq!((why(&told), loses(&told)), (Some(reason), (Some(0), Some(1))));
    }
    let shared = v1::SharedUserChange { segment: v1::Segment::Private.into(), user_id: Some(world.a.meier.clone()) };
    let told = simulate(&world, "customer_access.simulate_private", Change::SharedUser(shared)).await;
    assert_eq!((why(&told), loses(&told)), (Some(v1::ErrorReason::EndkundeRequired), (Some(0), Some(1))));
    let listed = simulate(&world, "user.simulate_standard", Change::StandardUserId(world.a.meier.clone())).await;
    let advice = listed.would_be_refused.expect("a refusal").advice;
    assert!(!advice.contains("listed"), "nothing is listed here: {advice}");
}

/// W08: a scope that no request can say is refused as the request is that would say it: the last product provider of a broker's
/// user and of customers', and one of more than a list takes.
#[tokio::test]
async fn a_scope_that_cannot_be_written_would_be_refused_as_it_is() {
    let world = World::example().await;
    let of_customers = user("A", "eigener", v1::UserKind::EndCustomer, only(&[COMPARATOR]));
    let of_customers = world.a.new_user(of_customers).await;
    let of_broker = world.a.new_user(user("A", "einer", v1::UserKind::Broker, only(&[COMPARATOR]))).await;
    let of_all = world.a.new_user(user("A", "alle", v1::UserKind::Broker, all())).await;
    let operator = world.service.operator();
    let known = operator.catalog_admin().list_product_providers(admin::ListProductProvidersRequest::default()).await;
    let mut left: Vec<_> = known.expect("a list").into_inner().product_providers;
    let mut left: Vec<String> = left.drain(..).map(|provider| provider.product_provider_id).collect();
    for n in left.len()..202 {
        let id = format!("anbieter-{n}");
        put_provider(&operator, &id, v1::ProductProviderKind::Insurer).await;
        left.push(id);
    }
    left.retain(|provider| provider != COMPARATOR);
    let left: Vec<_> = left.iter().map(String::as_str).collect();
    for (user_id, left) in [(of_customers, &[][..]), (of_broker, &[]), (of_all, &left)] {
        let removed = v1::RemovedProvider { user_id: user_id.clone(), product_provider_id: COMPARATOR.to_owned() };
        let told = simulate(&world, "user.simulate_remove_provider", Change::RemoveProvider(removed)).await;
        let refusal = told.would_be_refused.expect("a refusal");
        assert_eq!(refusal.reason(), v1::ErrorReason::FieldInvalid);
        let update = v1::UpdateUserRequest {
            request_id: request_id(),
            user: Some(v1::ConcenterUser {
                etag: world.a.user(&user_id).await.etag,
                user_id,
                provider_scope: Some(only(left)),
                ..Default::default()
            }),
            update_mask: None,
        };
        let list = "user.provider_scope.only.product_provider_ids";
        world.service.refuses_fields(&[list], world.a.admin.users().update_user(update)).await;
    }
    // One fewer is a list.
    let removed =
        v1::RemovedProvider { user_id: world.a.private.clone(), product_provider_id: "anbieter-9".to_owned() };
    let told = simulate(&world, "user.simulate_remove_provider", Change::RemoveProvider(removed)).await;
    assert_eq!(told.would_be_refused, None);
}

/// W09: what goes through all people of a tenant leaves room for jumps.
#[tokio::test]
async fn simulations_and_reports_beyond_what_a_process_takes_are_told_to_come_back() {
    let world = World::example().await;
    let audit = world.service.audit().await;
    let mut calls = JoinSet::new();
    for n in 0..24 {
        let (admin, change) = (world.a.admin.clone(), Change::DisableProductProviderId(COMPARATOR.to_owned()));
        calls.spawn(async move {
            if n % 2 == 0 {
                admin.jumps().simulate_change(asked(change)).await.map(|_| ())
            } else {
                admin.jumps().get_isolation_report(v1::GetIsolationReportRequest::default()).await.map(|_| ())
            }
        });
    }
    let answers = calls.join_all().await;
    let (answered, turned_away): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
    for status in turned_away.into_iter().filter_map(Result::err) {
        assert_eq!(crate::harness::reason(&status), (Code::Unavailable, "OVERLOADED".to_owned()));
        assert_eq!(retry_after(&status), Some(Duration::from_secs(1)));
    }
    assert!(answered.len() >= 2, "as many as there are places");
    assert_eq!(world.service.audit_since(&audit).await.len(), answered.len(), "a row for each that was begun");
}

/// W03: everybody who differs stands on one page, brokers first, and only the first page counts.
#[tokio::test]
async fn a_simulation_is_paged_by_brokers_and_then_by_customers() {
    let world = World::example().await;
    let change = Change::DisableProductProviderId(COMPARATOR.to_owned());
    let mut seen = Vec::new();
    let mut page_token = String::new();
    loop {
        let wish = v1::SimulateChangeRequest { page_size: 2, page_token: page_token.clone(), ..asked(change.clone()) };
        let page = world.a.admin.jumps().simulate_change(wish).await.expect("a page").into_inner();
        assert_eq!(page.brokers.is_some() && page.customers.is_some(), page_token.is_empty());
        assert!(page.persons.len() <= 2);
        seen.extend(page.persons.into_iter().map(|person| person.person.expect("a person")));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
        // The token is of this change and target alone.
        for other in [
            asked(Change::DisableProductProviderId(INSURER.to_owned())),
            v1::SimulateChangeRequest { target_id: Some(X.to_owned()), ..asked(change.clone()) },
        ] {
            let other = v1::SimulateChangeRequest { page_token: page_token.clone(), ..other };
            world.service.refuses_fields(&["page_token"], world.a.admin.jumps().simulate_change(other)).await;
        }
    }
    let expected = [
        Person::BrokerId(MEIER.to_owned()),
        Person::BrokerId(SCHULZE.to_owned()),
        Person::CustomerId(C1.to_owned()),
        Person::CustomerId(C2.to_owned()),
        Person::CustomerId(K1.to_owned()),
    ];
    assert_eq!(seen, expected);
}

/// W04: what is not there is not found, and leaves its row; what is no change is no simulation.
#[tokio::test]
async fn a_simulation_of_what_is_not_there_is_refused() {
    let world = World::example().await;
    let not_found = (Code::NotFound, "NOT_FOUND");
    for user in [NOBODY, &world.b.private] {
        let disable = asked(Change::DisableUserId(user.to_owned()));
        world.service.refuses("user.simulate_disable", not_found, world.a.admin.jumps().simulate_change(disable)).await;
    }
    let nowhere = v1::SimulateChangeRequest {
        target_id: Some("nirgends".to_owned()),
        ..asked(Change::DisableUserId(world.a.meier.clone()))
    };
    world.service.refuses("user.simulate_disable", not_found, world.a.admin.jumps().simulate_change(nowhere)).await;

    for (field, change) in [
        ("change", None),
        ("disable_user_id", Some(Change::DisableUserId("x".to_owned()))),
        ("shared_user.segment", Some(Change::SharedUser(v1::SharedUserChange { segment: 0, user_id: None }))),
        ("disable_product_provider_id", Some(Change::DisableProductProviderId(String::new()))),
    ] {
        let wish = v1::SimulateChangeRequest { change, ..Default::default() };
        world.service.refuses_fields(&[field], world.a.admin.jumps().simulate_change(wish)).await;
    }
    for caller in [&world.a.portal, &world.service.customer(&world.a.tenant, C1, C1)] {
        let disable = asked(Change::DisableUserId(world.a.meier.clone()));
        let role = (Code::PermissionDenied, "ROLE");
        world.service.refuses("call", role, caller.jumps().simulate_change(disable)).await;
    }
}
