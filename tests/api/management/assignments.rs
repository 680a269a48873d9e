//! Activations, customers' own users and the shared ones.

use concenter_gateway::proto::v1;
use concenter_gateway::proto::v1::UserKind;
use tonic::Code;

use crate::harness::*;

const fn refused(reason: &str) -> (Code, &str) {
    (Code::FailedPrecondition, reason)
}

#[tokio::test]
async fn a_user_is_shared_by_two_activations_only_for_a_reason() {
    let world = World::example().await;
    let second = activation("n.neu", &world.a.meier);
    world
        .service
        .refuses(
            "activation.create",
            refused("USER_ALREADY_ASSIGNED"),
            world.a.admin.activations().create_broker_activation(second.clone()),
        )
        .await;
    let shared = world.a.activate("n.neu", &world.a.meier).await;
    assert_eq!(world.a.activation(&shared).await.sharing_reason, "Vertretung");
    assert_eq!(world.arrive(X, broker("n.neu")).await.concenter_user_name, "meier");
}

#[tokio::test]
async fn an_activation_lists_its_brokers_sorted_and_each_once() {
    let world = World::example().await;
    let spare = world.a.new_user(user("A", "neu", UserKind::Broker, all())).await;
    let new = v1::CreateBrokerActivationRequest {
        broker_ids: ["b-2", "b-1", "b-2"].map(str::to_owned).to_vec(),
        ..activation("b-1", &spare)
    };
    let made = world.a.admin.activations().create_broker_activation(new).await.expect("an activation").into_inner();
    assert_eq!(made.activation.map(|activation| activation.broker_ids), Some(vec!["b-1".to_owned(), "b-2".to_owned()]));

    let of = v1::ListBrokerActivationsRequest { broker_id: Some("b-1".to_owned()), ..Default::default() };
    let listed = world.a.admin.activations().list_broker_activations(of).await.expect("a list").into_inner();
    assert_eq!(listed.activations.iter().map(|one| one.user_id.as_str()).collect::<Vec<_>>(), [spare.as_str()]);
}

#[tokio::test]
async fn an_activation_without_good_brokers_is_refused() {
    let world = World::example().await;
    let spare = world.a.new_user(user("A", "neu", UserKind::Broker, all())).await;
    let none = v1::CreateBrokerActivationRequest { broker_ids: Vec::new(), ..activation("x", &spare) };
    world.service.refuses_fields(&["broker_ids"], world.a.admin.activations().create_broker_activation(none)).await;
    let bad = v1::CreateBrokerActivationRequest {
        broker_ids: ["good", "b ad", ""].map(str::to_owned).to_vec(),
        user_id: "x".to_owned(),
        ..activation("x", &spare)
    };
    world
        .service
        .refuses_fields(
            &["broker_ids[1]", "broker_ids[2]", "user_id"],
            world.a.admin.activations().create_broker_activation(bad),
        )
        .await;
}

/// I1: the rule stands in the way when it is set, too.
#[tokio::test]
async fn customers_share_endkunde_users_only() {
    let world = World::example().await;
    for user in [&world.a.meier, &world.a.standard] {
        for for_private in [true, false] {
            let change = v1::UpdateCustomerAccessRequest {
                request_id: request_id(),
                etag: world.a.access().await.etag,
                private_user_id: for_private.then(|| user.clone()),
                commercial_user_id: (!for_private).then(|| user.clone()),
                commercial_falls_back_to_private: None,
            };
            world
                .service
                .refuses(
                    "customer_access.update",
                    refused("ENDKUNDE_REQUIRED"),
                    world.a.admin.customers().update_customer_access(change),
                )
                .await;
        }
    }
}

/// I1
#[tokio::test]
async fn a_customers_own_user_is_an_endkunde_user() {
    let world = World::example().await;
    for user in [&world.a.meier, &world.a.standard] {
        let assign = v1::AssignUserRequest {
            request_id: request_id(),
            customer_id: C1.to_owned(),
            etag: world.a.customer(C1).await.etag,
            user_id: Some(user.clone()),
        };
        world
            .service
            .refuses(
                "customer.assign_user",
                refused("ENDKUNDE_REQUIRED"),
                world.a.admin.customers().assign_user(assign),
            )
            .await;
    }
}

#[tokio::test]
async fn an_empty_own_user_is_refused_and_takes_nothing_away() {
    let world = World::example().await;
    world.a.assign(C1, Some(&world.a.private)).await;
    let assign = v1::AssignUserRequest {
        request_id: request_id(),
        customer_id: C1.to_owned(),
        etag: world.a.customer(C1).await.etag,
        user_id: Some(String::new()),
    };
    world.service.refuses_fields(&["user_id"], world.a.admin.customers().assign_user(assign)).await;
    assert_eq!(world.a.customer(C1).await.user_id, world.a.private);
}

#[tokio::test]
async fn what_an_update_of_the_access_does_not_say_stays_as_it_is() {
    let world = World::example().await;
    world.a.share(None, None, Some(true)).await;
    let access = world.a.access().await;
    assert_eq!((&access.private_user_id, &access.commercial_user_id), (&world.a.private, &world.a.commercial));
    assert!(access.commercial_falls_back_to_private);
    world.a.share(None, Some(""), None).await;
    let access = world.a.access().await;
    assert_eq!((access.private_user_id.as_str(), access.commercial_user_id.as_str()), (world.a.private.as_str(), ""));
    assert!(access.commercial_falls_back_to_private, "absent is not false");
}

/// U13
#[tokio::test]
async fn a_batch_of_customers_is_taken_as_a_whole_or_not_at_all() {
    let world = World::example().await;
    let put = async |customers: Vec<v1::CustomerRecord>| {
        let put = v1::PutCustomersRequest { request_id: request_id(), customers };
        world.a.portal.customers().put_customers(put).await
    };
    let bad = vec![
        record("gut", v1::Segment::Private),
        record("nicht gut", v1::Segment::Private),
        record("ohne", v1::Segment::Unspecified),
        v1::CustomerRecord { customer_id: "99".to_owned(), segment: 99 },
    ];
    let fields = ["customers[1].customer_id", "customers[2].segment", "customers[3].segment"];
    let status = world.service.refuses_fields(&fields, put(bad)).await;
    assert!(!everything(&status).contains("nicht gut"));

    let twice = vec![record("c-9", v1::Segment::Private), record("c-9", v1::Segment::Commercial)];
    let status = status_of(put(twice).await);
    assert_eq!(reason(&status), (Code::InvalidArgument, "FIELD_INVALID".to_owned()), "each customer once");
    world.service.refuses_fields(&["customers"], put(Vec::new())).await;
    let too_many = (0..1001).map(|n| record(&format!("n-{n}"), v1::Segment::Private)).collect();
    world.service.refuses_fields(&["customers"], put(too_many)).await;

    let most = (0..1000).map(|n| record(&format!("n-{n}"), v1::Segment::Private)).collect();
    assert_eq!(put(most).await.expect("records").into_inner().created, 1000);
}

#[tokio::test]
async fn a_customers_own_user_survives_what_the_portal_writes() {
    let world = World::example().await;
    world.a.assign(C1, Some(&world.a.private)).await;
    let customers = vec![record(C1, v1::Segment::Commercial)];
    let put = v1::PutCustomersRequest { request_id: request_id(), customers };
    world.a.portal.customers().put_customers(put).await.expect("records");
    let record = world.a.customer(C1).await;
    assert_eq!((record.segment(), &record.user_id), (v1::Segment::Commercial, &world.a.private));
}
