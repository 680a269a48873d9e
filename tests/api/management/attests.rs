//! What con:center itself says about Endkunde, and who vouches for the mark here.

use concenter_gateway::proto::v1;
use concenter_gateway::proto::v1::{RemoteEndCustomer, RemoteEndCustomerSource, UserKind};
use tonic::{Code, Response, Status};

use crate::harness::*;

const MISMATCH: (Code, &str) = (Code::FailedPrecondition, "ENDKUNDE_REMOTE_MISMATCH");

async fn attest(
    world: &World,
    user: &str,
    said: RemoteEndCustomer,
) -> Result<Response<v1::AttestEndCustomerResponse>, Status> {
    let request = v1::AttestEndCustomerRequest {
        request_id: request_id(),
        user_id: user.to_owned(),
        etag: world.a.user(user).await.etag,
        remote_end_customer: said.into(),
    };
    world.a.admin.users().attest_end_customer(request).await
}

async fn attested(world: &World, user: &str, said: RemoteEndCustomer) -> v1::ConcenterUser {
    attest(world, user, said).await.expect("noted").into_inner().user.expect("a user")
}

/// The users of A about whom somebody is to be told for a cause.
async fn told_of(world: &World, cause: &str) -> Vec<String> {
    let sql = Sql {
        sqlite: "SELECT user_id FROM notice WHERE tenant_id = $1 AND cause = $2 AND sent_at IS NULL",
        postgres: "SELECT user_id::TEXT FROM notice WHERE tenant_id = $1::UUID AND cause = $2 AND sent_at IS NULL",
    };
    world.service.reader().await.texts(sql, &[&world.a.tenant, cause]).await
}

/// R06
#[tokio::test]
async fn a_user_that_con_center_does_not_take_for_endkunde_is_for_no_customer() {
    let world = World::example().await;
    let open = world.a.jump(X, customer(C1)).await.expect("a jump").into_inner();
    attested(&world, &world.a.private, RemoteEndCustomer::No).await;
    let revoked = (Code::FailedPrecondition, "JUMP_REVOKED");
    world.service.refuses("jump.redeem", revoked, world.redeem(X, proof(&open))).await;
    world.service.refuses("jump.issue", MISMATCH, world.a.jump(X, customer(C1))).await;
    assert_eq!(told_of(&world, "end_customer_mismatch").await, std::slice::from_ref(&world.a.private));
    assert!(world.a.jump(X, customer(K1)).await.is_ok(), "the other shared user is not meant");
    for said in [RemoteEndCustomer::No, RemoteEndCustomer::Yes, RemoteEndCustomer::No, RemoteEndCustomer::Unknown] {
        attested(&world, &world.a.private, said).await;
        let told = told_of(&world, "end_customer_mismatch").await;
        if said == RemoteEndCustomer::No {
            world.service.refuses("jump.issue", MISMATCH, world.a.jump(X, customer(C1))).await;
            assert_eq!(told.len(), 1, "nobody is told twice");
        } else {
            assert!(world.a.jump(X, customer(C1)).await.is_ok(), "{said:?} is no obstacle");
            assert!(told.is_empty(), "nor is anybody told of one");
        }
    }
}

/// R06
#[tokio::test]
async fn the_audit_log_tells_what_was_said_and_of_whom() {
    let world = World::example().await;
    for (said, action) in [
        (RemoteEndCustomer::Yes, "user.attest_end_customer_yes"),
        (RemoteEndCustomer::No, "user.attest_end_customer_no"),
        (RemoteEndCustomer::Unknown, "user.attest_end_customer_unknown"),
    ] {
        let before = world.service.audit().await;
        attested(&world, &world.a.private, said).await;
        let rows = world.service.audit_since(&before).await;
        let seen: Vec<_> = rows.iter().map(|row| (row.action.as_str(), row.object.as_deref())).collect();
        assert_eq!(seen, [(action, Some(world.a.private.as_str()))]);
    }
}

/// R06: it is known before he is marked.
#[tokio::test]
async fn a_user_that_is_marked_though_con_center_says_otherwise_is_told_of() {
    let world = World::example().await;
    let spare = world.a.new_user(user("A", "neu", UserKind::Broker, only(&[COMPARATOR]))).await;
    attested(&world, &spare, RemoteEndCustomer::No).await;
    assert!(told_of(&world, "end_customer_mismatch").await.is_empty());
    let (user_id, etag) = (spare.clone(), world.a.user(&spare).await.etag);
    let (end_customer, provider_scope) = (Some(true), None);
    let mark = v1::SetEndCustomerRequest { request_id: request_id(), user_id, etag, end_customer, provider_scope };
    let marked = world.a.admin.users().set_end_customer(mark).await.expect("marked").into_inner();
    let marked = marked.user.expect("a user");
    assert_eq!((marked.end_customer_by.as_str(), marked.end_customer_at), ("admin", marked.updated_at));
    assert_eq!(told_of(&world, "end_customer_mismatch").await, [spare]);
}

/// R06
#[tokio::test]
async fn who_says_what_con_center_says_is_told_and_only_another_answer_revokes() {
    let world = World::example().await;
    let before = world.a.user(&world.a.private).await;
    assert_eq!(before.remote_end_customer(), RemoteEndCustomer::Unknown);
    assert_eq!(before.remote_end_customer_source(), RemoteEndCustomerSource::Unspecified);
    assert_eq!((before.remote_end_customer_at, before.remote_end_customer_by.as_str()), (None, ""));
    assert_eq!((before.end_customer_by.as_str(), before.end_customer_at), ("admin", before.created_at));
    let first = attested(&world, &world.a.private, RemoteEndCustomer::Yes).await;
    assert_eq!(first.remote_end_customer(), RemoteEndCustomer::Yes);
    assert_eq!(first.remote_end_customer_source(), RemoteEndCustomerSource::Attestation);
    assert_eq!(first.remote_end_customer_by, "admin");

    let open = world.a.jump(X, customer(C1)).await.expect("a jump").into_inner();
    world.service.clock.advance(1);
    let again = v1::AttestEndCustomerRequest {
        request_id: request_id(),
        user_id: world.a.private.clone(),
        etag: first.etag.clone(),
        remote_end_customer: RemoteEndCustomer::Yes.into(),
    };
    let second = world.service.second_admin(&world.a.tenant);
    let second = second.users().attest_end_customer(again.clone()).await.expect("noted").into_inner();
    let second = second.user.expect("a user");
    assert_eq!(second.remote_end_customer_by, "admin-2");
    assert_ne!((&second.etag, second.remote_end_customer_at), (&first.etag, first.remote_end_customer_at));
    assert!(world.redeem(X, proof(&open)).await.is_ok(), "nothing is decided otherwise");
    let mut users = world.a.admin.users();
    let stale = users.attest_end_customer(v1::AttestEndCustomerRequest { request_id: request_id(), ..again });
    world.service.refuses("user.attest_end_customer_yes", (Code::Aborted, "ETAG_MISMATCH"), stale).await;
    for said in [0, 4, -1] {
        let request = v1::AttestEndCustomerRequest {
            request_id: request_id(),
            user_id: world.a.private.clone(),
            etag: second.etag.clone(),
            remote_end_customer: said,
        };
        world.service.refuses_fields(&["remote_end_customer"], users.attest_end_customer(request)).await;
    }
}
