//! The list of customers.

use concenter_gateway::proto::v1;

use crate::harness::*;

/// A page of A's customers.
async fn page(world: &World, list: v1::ListCustomersRequest) -> v1::ListCustomersResponse {
    world.a.admin.customers().list_customers(list).await.expect("a page").into_inner()
}

fn ids(page: &v1::ListCustomersResponse) -> Vec<&str> {
    page.customers.iter().map(|customer| customer.customer_id.as_str()).collect()
}

/// K01
#[tokio::test]
async fn customers_are_listed_sorted_by_id_as_they_are() {
    let world = World::example().await;
    world.a.put_private(&["z", "a:1", "Z"]).await;
    world.b.put_private(&["nur-bei-b"]).await;
    world.a.assign(C1, Some(&world.a.private)).await;
    let listed = page(&world, v1::ListCustomersRequest::default()).await;
    assert_eq!(
        (ids(&listed).as_slice(), listed.next_page_token.as_str()),
        (["Z", "a:1", C1, C2, K1, "z"].as_slice(), "")
    );
    for customer in &listed.customers {
        assert_eq!(*customer, world.a.customer(&customer.customer_id).await);
    }
}

/// K01
#[tokio::test]
async fn customers_are_listed_by_their_own_user() {
    let world = World::example().await;
    world.a.assign(C1, Some(&world.a.private)).await;
    world.a.assign(K1, Some(&world.a.private)).await;
    world.a.assign(C2, Some(&world.a.commercial)).await;
    let of = |user: &str| v1::ListCustomersRequest { user_id: Some(user.to_owned()), ..Default::default() };
    assert_eq!(ids(&page(&world, of(&world.a.private)).await), [C1, K1]);
    assert_eq!(ids(&page(&world, of(&world.a.commercial)).await), [C2]);
    let nobodys = page(&world, of(NOBODY)).await;
    assert_eq!(nobodys, page(&world, of(&world.b.private)).await, "another tenant's user looks like nobody");
    assert_eq!(ids(&nobodys), Vec::<&str>::new());
    for bad in ["", "x", "%", "' OR 1=1 --"] {
        let call = of(bad);
        world.service.refuses_fields(&["user_id"], world.a.admin.customers().list_customers(call)).await;
    }
}

/// K02
#[tokio::test]
async fn the_list_of_customers_is_paged_without_gaps_and_repeats() {
    let world = World::example().await;
    let names: Vec<_> = (0..20).map(|n| format!("n-{n}")).collect();
    world.a.put_private(&names.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let whole = page(&world, v1::ListCustomersRequest::default()).await;
    assert_eq!(whole.customers.len(), 23);
    let (mut customers, mut page_token) = (Vec::new(), String::new());
    loop {
        let next = page(&world, v1::ListCustomersRequest { page_size: 7, page_token, user_id: None }).await;
        assert!(next.customers.len() <= 7);
        customers.extend(next.customers);
        page_token = next.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    assert_eq!(customers, whole.customers);
}

/// K02, U16
#[tokio::test]
async fn a_page_of_customers_is_bounded_and_its_token_is_bound_to_tenant_and_filter() {
    let world = World::example().await;
    let list = |page_size, page_token: &str, user: Option<&str>| v1::ListCustomersRequest {
        page_size,
        page_token: page_token.to_owned(),
        user_id: user.map(str::to_owned),
    };
    for size in [-1, i32::MIN] {
        let mut customers = world.a.admin.customers();
        world.service.refuses_fields(&["page_size"], customers.list_customers(list(size, "", None))).await;
    }
    let names: Vec<_> = (0..600).map(|n| format!("n-{n}")).collect();
    world.a.put_private(&names.iter().map(String::as_str).collect::<Vec<_>>()).await;
    assert_eq!(page(&world, list(i32::MAX, "", None)).await.customers.len(), 500, "clamped");
    let first = page(&world, list(0, "", None)).await;
    assert_eq!(first.customers.len(), 50);

    let token = first.next_page_token.as_str();
    for (admin, list) in [
        (&world.b.admin, list(0, token, None)),
        (&world.a.admin, list(0, token, Some(&world.a.private))),
        (&world.a.admin, list(0, &format!("{token}x"), None)),
    ] {
        world.service.refuses_fields(&["page_token"], admin.customers().list_customers(list)).await;
    }
    let users = v1::ListUsersRequest { page_size: 0, page_token: token.to_owned() };
    world.service.refuses_fields(&["page_token"], world.a.admin.users().list_users(users)).await;
}
