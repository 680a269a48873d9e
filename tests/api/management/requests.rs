//! What every change has in common: etags, request ids, audit rows; and what every list has: pages.

use std::collections::BTreeSet;

use concenter_gateway::proto::v1;
use concenter_gateway::proto::v1::UserKind;
use tonic::Code;

use crate::harness::*;

const STALE: (Code, &str) = (Code::Aborted, "ETAG_MISMATCH");

/// U11
#[tokio::test]
async fn a_change_under_a_stale_etag_is_aborted() {
    let world = World::example().await;
    let etag = world.a.user(&world.a.private).await.etag;
    world.a.set_secret(&world.a.private, "neu").await;
    let disable = v1::DisableUserRequest { request_id: request_id(), user_id: world.a.private.clone(), etag };
    world.service.refuses("user.disable", STALE, world.a.admin.users().disable_user(disable)).await;

    let etag = world.a.access().await.etag;
    world.a.share(None, None, Some(true)).await;
    let change = v1::UpdateCustomerAccessRequest {
        request_id: request_id(),
        etag,
        commercial_falls_back_to_private: Some(false),
        ..Default::default()
    };
    world
        .service
        .refuses("customer_access.update", STALE, world.a.admin.customers().update_customer_access(change))
        .await;

    let etag = world.a.customer(C1).await.etag;
    world.a.assign(C1, Some(&world.a.private)).await;
    let assign = v1::AssignUserRequest { request_id: request_id(), customer_id: C1.to_owned(), etag, user_id: None };
    world.service.refuses("customer.assign_user", STALE, world.a.admin.customers().assign_user(assign)).await;
}

/// U11
#[tokio::test]
async fn a_change_without_an_etag_is_refused() {
    let world = World::example().await;
    for etag in ["", "x", "v", "v0", "v-1", "v01", "v99999999999999999999", " v1"] {
        let disable = v1::DisableUserRequest {
            request_id: request_id(),
            user_id: world.a.private.clone(),
            etag: etag.to_owned(),
        };
        world.service.refuses_fields(&["etag"], world.a.admin.users().disable_user(disable)).await;
    }
    let change = v1::UpdateCustomerAccessRequest { request_id: request_id(), ..Default::default() };
    world.service.refuses_fields(&["etag"], world.a.admin.customers().update_customer_access(change)).await;
}

/// T40
#[tokio::test]
async fn the_same_request_has_one_effect_and_one_audit_row() {
    let world = World::example().await;
    let new = user("A", "neu", UserKind::Broker, all());
    let first = world.a.admin.users().create_user(new.clone()).await.expect("a user").into_inner();
    let (state, audit) = (world.service.state().await, world.service.audit().await);
    let again = world.a.admin.users().create_user(new.clone()).await.expect("the same user").into_inner();
    assert_eq!(again, first);
    assert_eq!(world.service.state().await, state);
    assert_eq!(world.service.audit().await, audit);

    // It answers with the user as it is now.
    let user_id = first.user.expect("a user").user_id;
    world.a.disable(&user_id).await;
    let later = world.a.admin.users().create_user(new).await.expect("the same user").into_inner();
    assert_eq!(later.user.map(|user| (user.user_id.clone(), user.state())), Some((user_id, v1::State::Disabled)));
}

#[tokio::test]
async fn the_same_change_sent_twice_is_not_stale() {
    let world = World::example().await;
    let disable = v1::DisableUserRequest {
        request_id: request_id(),
        user_id: world.a.private.clone(),
        etag: world.a.user(&world.a.private).await.etag,
    };
    let first = world.a.admin.users().disable_user(disable.clone()).await.expect("disabled").into_inner();
    let again = world.a.admin.users().disable_user(disable).await.expect("disabled").into_inner();
    assert_eq!(first, again);
}

/// T40
#[tokio::test]
async fn a_request_id_under_which_something_else_was_asked_is_refused() {
    let world = World::example().await;
    let new = user("A", "neu", UserKind::Broker, all());
    world.a.admin.users().create_user(new.clone()).await.expect("a user");
    let reused = (Code::InvalidArgument, "REQUEST_ID_REUSED");
    let other_name = v1::CreateUserRequest { user_name: "anders".to_owned(), ..new.clone() };
    let other_password = v1::CreateUserRequest { password: Some("anders".to_owned()), ..new.clone() };
    for other in [other_name, other_password] {
        world.service.refuses("user.create", reused, world.a.admin.users().create_user(other)).await;
    }
    // Another method with the same bytes of the same id.
    let (user_id, etag) = (world.a.meier.clone(), world.a.user(&world.a.meier).await.etag);
    let disable = v1::DisableUserRequest { request_id: new.request_id.clone(), user_id, etag };
    world.service.refuses("user.disable", reused, world.a.admin.users().disable_user(disable)).await;
    // Another tenant knows nothing of it.
    world.b.new_user(new).await;
}

/// I9
#[tokio::test]
async fn every_change_leaves_its_audit_row_and_no_name_in_it() {
    let world = World::example().await;
    let before = world.service.audit().await;
    world.a.disable(&world.a.private).await;
    world.a.share(None, None, Some(true)).await;
    world.a.assign(C1, Some(&world.a.private)).await;
    let rows = world.service.audit_since(&before).await;
    let mut seen: Vec<_> = rows.iter().map(|row| (row.action.as_str(), row.role.as_str())).collect();
    seen.sort_unstable();
    assert_eq!(
        seen,
        [("customer.assign_user", "admin"), ("customer_access.update", "admin"), ("user.disable", "admin")]
    );
    assert!(rows.iter().all(|row| row.tenant == world.a.tenant && row.reason.is_none()));
    assert!(rows.iter().all(|row| row.object.as_deref() != Some(C1)), "a customer is a pseudonym there");
}

#[tokio::test]
async fn a_list_is_paged_without_gaps_and_repeats() {
    let world = World::example().await;
    let whole = world.a.admin.users().list_users(v1::ListUsersRequest::default()).await.expect("a list").into_inner();
    assert_eq!((whole.users.len(), whole.next_page_token.as_str()), (5, ""));
    let (mut ids, mut page_token) = (Vec::new(), String::new());
    loop {
        let list = v1::ListUsersRequest { page_size: 2, page_token };
        let page = world.a.admin.users().list_users(list).await.expect("a page").into_inner();
        assert!(page.users.len() <= 2);
        ids.extend(page.users.into_iter().map(|user| user.user_id));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    assert!(ids.is_sorted(), "sorted by id");
    assert_eq!(ids, whole.users.into_iter().map(|user| user.user_id).collect::<Vec<_>>());
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len());
}

/// U16
#[tokio::test]
async fn a_page_size_is_bounded() {
    let world = World::example().await;
    for page_size in [-1, i32::MIN] {
        let list = v1::ListUsersRequest { page_size, page_token: String::new() };
        world.service.refuses_fields(&["page_size"], world.a.admin.users().list_users(list)).await;
    }
    let customers = v1::ListUsersRequest { page_size: i32::MAX, page_token: String::new() };
    assert!(world.a.admin.users().list_users(customers).await.is_ok(), "clamped");
}

#[tokio::test]
async fn a_page_token_is_good_for_its_own_list_only() {
    let world = World::example().await;
    let first = v1::ListUsersRequest { page_size: 2, page_token: String::new() };
    let page = world.a.admin.users().list_users(first).await.expect("a page").into_inner().next_page_token;
    for bad in ["x", "../..", "' OR 1=1 --", &format!("{page}x"), &page[1..]] {
        let list = v1::ListUsersRequest { page_size: 2, page_token: bad.to_owned() };
        let status = world.service.refuses_fields(&["page_token"], world.a.admin.users().list_users(list)).await;
        assert!(!everything(&status).contains("OR 1=1"));
    }
    // Of another tenant, and of another list.
    let list = v1::ListUsersRequest { page_size: 2, page_token: page.clone() };
    world.service.refuses_fields(&["page_token"], world.b.admin.users().list_users(list)).await;
    let list = v1::ListBrokerActivationsRequest { page_size: 2, page_token: page, broker_id: None };
    world.service.refuses_fields(&["page_token"], world.a.admin.activations().list_broker_activations(list)).await;
}

#[tokio::test]
async fn a_page_token_is_bound_to_its_filter() {
    let world = World::example().await;
    let spare = world.a.activate(MEIER, &world.a.schulze).await;
    let of = |broker: Option<&str>, page_token: String| v1::ListBrokerActivationsRequest {
        page_size: 1,
        page_token,
        broker_id: broker.map(str::to_owned),
    };
    let list = of(Some(MEIER), String::new());
    let page = world.a.admin.activations().list_broker_activations(list).await.expect("a page").into_inner();
    let next = of(Some(MEIER), page.next_page_token.clone());
    let second = world.a.admin.activations().list_broker_activations(next).await.expect("a page").into_inner();
    let ids: BTreeSet<_> =
        page.activations.iter().chain(&second.activations).map(|one| one.activation_id.as_str()).collect();
    assert_eq!(ids, BTreeSet::from([world.a.meiers.as_str(), spare.as_str()]));
    for broker in [None, Some(SCHULZE)] {
        world
            .service
            .refuses_fields(
                &["page_token"],
                world.a.admin.activations().list_broker_activations(of(broker, page.next_page_token.clone())),
            )
            .await;
    }
}
