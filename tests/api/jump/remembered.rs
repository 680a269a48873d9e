//! Jumps that are decided on what was read for others: as good as those that ask the database, and never better.

use concenter_gateway::proto::v1;
use tonic::Code;

use crate::harness::*;

const fn refused(reason: &str) -> (Code, &str) {
    (Code::FailedPrecondition, reason)
}

/// Takes away what only a read needs: recording a jump compares numbers, and looks at neither settings nor assignments.
const NOTHING_TO_READ: [&str; 2] = [
    "ALTER TABLE tenant_settings RENAME TO tenant_settings_gone",
    "ALTER TABLE customer_access RENAME TO customer_access_gone",
];

/// What another replica does to A: it changes a row and moves the number that tells of it.
async fn elsewhere(world: &World, sql: impl Into<Sql>, parameter: &str) {
    let mut shell = world.service.lawless_shell().await;
    assert!(shell.execute(sql, &[parameter]).await.expect("a change") > 0);
    let moved = Sql {
        sqlite: "UPDATE tenant SET config_version = config_version + 1 WHERE tenant_id = $1",
        postgres: "UPDATE tenant SET config_version = config_version + 1 WHERE tenant_id = $1::UUID",
    };
    assert_eq!(shell.execute(moved, &[&world.a.tenant]).await.expect("a tenant"), 1);
}

const DISABLE: Sql = Sql {
    sqlite: "UPDATE concenter_user SET state = 'disabled' WHERE user_id = $1",
    postgres: "UPDATE concenter_user SET state = 'disabled' WHERE user_id = $1::UUID",
};
const ENABLE: Sql = Sql {
    sqlite: "UPDATE concenter_user SET state = 'active' WHERE user_id = $1",
    postgres: "UPDATE concenter_user SET state = 'active' WHERE user_id = $1::UUID",
};

#[tokio::test]
async fn who_jumped_before_jumps_without_a_read() {
    let world = World::example().await;
    let return_url = Some(RETURN_URL.to_owned());
    let portal = &world.a.portal;
    let wish = |person| v1::JumpToTarifRequest { return_url: return_url.clone(), ..to(X, Some(person)) };
    for person in [broker(MEIER), customer(C1)] {
        portal.jumps().jump_to_tarif(wish(person)).await.expect("a jump");
    }
    let mut shell = world.service.lawless_shell().await;
    for sql in NOTHING_TO_READ {
        shell.execute(sql, &[]).await.expect(sql);
    }
    for person in [broker(MEIER), customer(C1)] {
        portal.jumps().jump_to_tarif(wish(person)).await.expect("a jump from memory");
    }
    let unknown = portal.jumps().jump_to_tarif(wish(customer(C2))).await;
    assert!(unknown.is_err(), "somebody who never jumped is read");
}

#[tokio::test]
async fn a_disable_on_another_replica_is_final_and_an_enable_is_too() {
    let world = World::example().await;
    for (person, user) in [(customer(C1), &world.a.private), (broker(MEIER), &world.a.meier)] {
        world.a.jump(X, person.clone()).await.expect("a jump");
        elsewhere(&world, DISABLE, user).await;
        for _ in 0..2 {
            world.service.refuses("jump.issue", refused("USER_DISABLED"), world.a.jump(X, person.clone())).await;
        }
        elsewhere(&world, ENABLE, user).await;
        world.arrive(X, person).await;
    }
}

#[tokio::test]
async fn a_catalogue_that_another_replica_changed_counts_at_once() {
    let world = World::example().await;
    world.a.jump(X, customer(C1)).await.expect("a jump");
    let mut shell = world.service.lawless_shell().await;
    let target = "UPDATE target SET state = 'disabled' WHERE target_id = $1";
    assert_eq!(shell.execute(target, &[X]).await.expect("a target"), 1);
    let moved = "UPDATE service SET catalog_version = catalog_version + 1";
    assert_eq!(shell.execute(moved, &[]).await.expect("a version"), 1);
    world.service.refuses("jump.issue", refused("TARGET_DISABLED"), world.a.jump(X, customer(C1))).await;
}

/// E04: his new record is another one, and nothing that is kept from now on leads to what was.
#[tokio::test]
async fn who_was_erased_is_not_remembered() {
    let world = World::example().await;
    world.a.jump(X, customer(C1)).await.expect("a jump");
    let erase = v1::EraseCustomerRequest { request_id: request_id(), customer_id: C1.to_owned() };
    world.a.portal.customers().erase_customer(erase).await.expect("an erasure");
    world.service.refuses("jump.issue", refused("SEGMENT_UNKNOWN"), world.a.jump(X, customer(C1))).await;
    let customers = vec![record(C1, v1::Segment::Private)];
    let put = v1::PutCustomersRequest { request_id: request_id(), customers };
    world.a.portal.customers().put_customers(put).await.expect("a record");
    for _ in 0..2 {
        world.arrive(X, customer(C1)).await;
    }
    let mut shell = world.service.shell().await;
    let people = "
        SELECT person, count(*) AS jumps
        FROM audit_entry
        WHERE action = 'jump.issue'
          AND outcome = 'accepted'
          AND person IS NOT NULL
        GROUP BY person";
    assert_eq!(shell.rows(people, &[]).await.len(), 2, "one name before the erasure, and one for both jumps after it");
}

/// Nobody without a record is remembered: no number would tell that he was erased.
#[tokio::test]
async fn who_has_no_record_is_read_each_time() {
    let world = World::example().await;
    let visitor = customer_of("gast-1", Some(v1::Segment::Private));
    world.a.jump(X, visitor.clone()).await.expect("a jump");
    let erase = v1::EraseCustomerRequest { request_id: request_id(), customer_id: "gast-1".to_owned() };
    world.a.portal.customers().erase_customer(erase).await.expect("an erasure");
    world.a.jump(X, visitor).await.expect("a jump");
    let mut shell = world.service.shell().await;
    let salts = "SELECT salt FROM person_salt WHERE person_id = 'gast-1'";
    assert_eq!(shell.rows(salts, &[]).await.len(), 1, "the second jump stands in the log under a name that is kept");
}
