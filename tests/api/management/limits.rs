//! How many there may be, and how fast.

use concenter_gateway::proto::v1;
use concenter_gateway::proto::v1::UserKind;
use std::time::Duration;
use tokio::task::JoinSet;
use tonic::Code;

use crate::harness::*;

const LIMIT_REACHED: (Code, &str) = (Code::ResourceExhausted, "LIMIT_REACHED");
const RATE_LIMITED: (Code, &str) = (Code::ResourceExhausted, "RATE_LIMITED");
/// Most jumps of a person within a minute.
const RATE: usize = 30;

/// Gives A `count` more users, by a SQL shell: so many calls would take too long.
async fn fill_with_users(world: &World, count: u64) {
    let fill = Sql {
        sqlite: "
            WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < CAST($2 AS INTEGER))
            INSERT INTO concenter_user (
                tenant_id, user_id, user_name, user_name_key, kind, state, secret_version, created_at, updated_at, version
            )
            SELECT $1, printf('00000000-0000-7000-8000-%012x', n), printf('fill-%d', n), printf('fill-%d', n),
                'broker', 'active', 0, 0, 0, 1
            FROM number
        ",
        postgres: "
            INSERT INTO concenter_user (
                tenant_id, user_id, user_name, user_name_key, kind, state, secret_version, created_at, updated_at, version
            )
            SELECT $1::UUID, ('00000000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::UUID, 'fill-' || n, 'fill-' || n,
                'broker', 'active', 0, 0, 0, 1
            FROM generate_series(1, $2::BIGINT) AS n
        ",
    };
    let filled = world.service.shell().await.execute(fill, &[&world.a.tenant, &count.to_string()]).await;
    assert_eq!(filled.expect("users"), count);
}

/// U14
#[tokio::test]
async fn the_10_001st_user_of_a_tenant_is_refused() {
    let world = World::example().await;
    fill_with_users(&world, 9_994).await;
    let last = world.a.new_user(user("A", "letzter", UserKind::Broker, all())).await;
    let more = || user("A", "zu-viel", UserKind::Broker, all());
    let status = world.service.refuses("user.create", LIMIT_REACHED, world.a.admin.users().create_user(more())).await;
    assert_eq!(retry_after(&status), None, "waiting does not help");
    world.b.new_user(user("B", "zu-viel", UserKind::Broker, all())).await;
    world.a.delete_user(&last).await.expect("deleted");
    world.a.new_user(more()).await;
}

/// U16, I10
#[tokio::test]
async fn a_page_of_users_has_500_at_most_and_50_unless_it_is_said() {
    let world = World::example().await;
    fill_with_users(&world, 600).await;
    for (page_size, rows) in [(0, 50), (1, 1), (500, 500), (501, 500), (100_000, 500), (i32::MAX, 500)] {
        let list = v1::ListUsersRequest { page_size, page_token: String::new() };
        let page = world.a.admin.users().list_users(list).await.expect("a page").into_inner();
        assert_eq!(page.users.len(), rows, "{page_size}");
        assert_ne!(page.next_page_token, "");
    }
}

/// Makes jumps of a person until there are as many as he may make within a minute.
async fn jump_until_crowded(world: &World, person: &v1::Person, before: usize) {
    for n in before..RATE {
        let jump = world.a.jump(X, person.clone()).await;
        assert!(jump.is_ok(), "jump {}: {jump:?}", n + 1);
    }
}

/// J18
#[tokio::test]
async fn the_31st_jump_of_a_person_within_a_minute_is_told_when_to_come_again() {
    let world = World::example().await;
    let first = to(X, Some(customer(C1)));
    world.a.portal.jumps().jump_to_tarif(first.clone()).await.expect("the first jump");
    world.service.clock.advance(10);
    jump_until_crowded(&world, &customer(C1), 1).await;
    let status = world.service.refuses("jump.issue", RATE_LIMITED, world.a.jump(X, customer(C1))).await;
    assert_eq!(retry_after(&status), Some(Duration::from_secs(50)));
    let repeated = world.a.portal.jumps().jump_to_tarif(first).await;
    assert!(repeated.is_ok(), "a repeated request makes no jump");

    world.service.clock.advance(49);
    let status = world.service.refuses("jump.issue", RATE_LIMITED, world.a.jump(X, customer(C1))).await;
    assert_eq!(retry_after(&status), Some(Duration::from_secs(1)));
    world.service.clock.advance(1);
    assert!(world.a.jump(X, customer(C1)).await.is_ok(), "the first one is a minute old");
    let status = world.service.refuses("jump.issue", RATE_LIMITED, world.a.jump(X, customer(C1))).await;
    assert_eq!(retry_after(&status), Some(Duration::from_secs(10)), "the others are 50 seconds old");
}

/// J18: by whatever way he comes, a person is one; and nobody pays for another.
#[tokio::test]
async fn a_person_is_limited_whoever_asks_and_nobody_else_is() {
    let world = World::example().await;
    jump_until_crowded(&world, &customer(C1), 0).await;
    let himself = world.service.customer(&world.a.tenant, C1, C1);
    world.service.refuses("jump.issue", RATE_LIMITED, himself.jumps().jump_to_tarif(to(Y, None))).await;
    assert!(world.a.jump(X, customer(C2)).await.is_ok());
    assert!(world.a.jump(X, broker(MEIER)).await.is_ok());
    assert!(world.b.jump(X, customer(C1)).await.is_ok(), "of another tenant");
    // A broker who works for him is a person of his own.
    let wish = v1::JumpToTarifRequest { customer_context_id: Some(C1.to_owned()), ..to(X, Some(broker(MEIER))) };
    assert!(world.a.portal.jumps().jump_to_tarif(wish).await.is_ok());
    let activated = world.a.activate(C1, &world.a.meier).await;
    assert_ne!(activated, "");
    assert!(world.a.jump(X, broker(C1)).await.is_ok(), "a broker with the id of a customer");

    world.service.clock.advance(60);
    jump_until_crowded(&world, &customer(C1), 0).await;
    world.service.refuses("jump.issue", RATE_LIMITED, world.a.jump(X, customer(C1))).await;
}

/// J18
#[tokio::test]
async fn redeemed_and_revoked_jumps_count_too_and_refused_ones_do_not() {
    let world = World::example().await;
    for _ in 0..40 {
        status_of(world.a.jump(V, customer(C1)).await);
    }
    for _ in 0..15 {
        world.arrive(X, customer(C1)).await;
    }
    world.a.set_secret(&world.a.private, "neu").await;
    jump_until_crowded(&world, &customer(C1), 15).await;
    world.service.refuses("jump.issue", RATE_LIMITED, world.a.jump(X, customer(C1))).await;
}

/// J18
#[tokio::test]
async fn of_64_jumps_of_a_person_at_once_30_are_made() {
    let world = World::example().await;
    let mut calls = JoinSet::new();
    for _ in 0..64 {
        let portal = world.a.portal.clone();
        calls.spawn(async move { portal.jumps().jump_to_tarif(to(X, Some(customer(C1)))).await });
    }
    let answers = calls.join_all().await;
    let made = answers.iter().filter(|answer| answer.is_ok()).count();
    for status in answers.into_iter().filter_map(Result::err) {
        assert_eq!(reason(&status), (RATE_LIMITED.0, RATE_LIMITED.1.to_owned()));
        assert_eq!(retry_after(&status), Some(Duration::from_secs(60)));
    }
    assert_eq!(made, RATE);
    let kept = world.service.reader().await.integer("SELECT count(*) FROM jump", &[]).await;
    assert_eq!(usize::try_from(kept), Ok(RATE));
}
