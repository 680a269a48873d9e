//! What is gone is gone from the files of the database, too.
//!
//! On SQLite alone, whose files are the service's own: it empties its log every minute and overwrites what it deletes. A server
//! of PostgreSQL cleans up after itself, when autovacuum comes; when, and what backups and replicas keep, is a matter of
//! its operator (`docs/domain.md#retention`).

use concenter_gateway::proto::v1;
use concenter_gateway::worker::Outcome;
use concenter_gateway::worker::retention::{tick_log, tick_tenants};

use super::MONTH;
use crate::harness::*;

/// Tells whether the database has files that the service looks after.
fn has_files() -> bool {
    Engine::under_test() == Engine::Sqlite
}

/// In which files of the database something stands.
fn files_with(service: &Service, bytes: &[u8]) -> Vec<&'static str> {
    let stands_in = |name: &&str| {
        let file = std::fs::read(service.directory().join(name)).expect(name);
        file.windows(bytes.len()).any(|window| window == bytes)
    };
    ["concenter.db", "concenter.db-wal"].into_iter().filter(stands_in).collect()
}

/// Whoever is erased.
const GOES: &str = "vn.4711-geht-aus-den-dateien";

/// E01
#[tokio::test]
async fn an_erased_customer_stands_in_no_file_after_the_next_minute() {
    if !has_files() {
        return;
    }
    let world = World::example().await;
    let service = &world.service;
    world.a.put_private(&[GOES]).await;
    world.a.assign(GOES, Some(&world.a.private)).await;
    // In the database itself too, and not in its log only.
    assert_eq!(tick_log(service.app()).await, Outcome::Done(1));
    world.arrive(X, customer(GOES)).await;
    let for_him = v1::JumpToTarifRequest { customer_context_id: Some(GOES.to_owned()), ..to(X, Some(broker(MEIER))) };
    world.a.portal.jumps().jump_to_tarif(for_him).await.expect("a jump");
    assert_eq!(files_with(service, GOES.as_bytes()), ["concenter.db", "concenter.db-wal"]);

    world.a.erase(GOES).await.expect("erased");
    assert_eq!(tick_log(service.app()).await, Outcome::Done(1));
    assert!(files_with(service, GOES.as_bytes()).is_empty());
    assert!(world.a.jump(X, customer(C1)).await.is_ok(), "the service goes on");
}

#[tokio::test]
async fn a_log_that_somebody_reads_waits_for_the_next_minute() {
    if !has_files() {
        return;
    }
    let world = World::example().await;
    let service = &world.service;
    let mut reader = service.reader().await;
    reader.execute("BEGIN", &[]).await.expect("a snapshot");
    reader.integer("SELECT count(*) FROM tenant", &[]).await;
    world.a.put_private(&["vn.4711"]).await;
    assert_eq!(tick_log(service.app()).await, Outcome::Done(0));
    assert!(world.a.jump(X, customer(C1)).await.is_ok(), "nobody waits for him");
    reader.execute("ROLLBACK", &[]).await.expect("no snapshot");
    assert_eq!(tick_log(service.app()).await, Outcome::Done(1));
}

#[tokio::test]
async fn destroyed_keys_stand_in_no_file() {
    if !has_files() {
        return;
    }
    let world = World::example().await;
    let service = &world.service;
    let keys = "SELECT wrapped_dek, sealed_mac_key FROM tenant WHERE tenant_id = $1";
    let keys = service.reader().await.rows(keys, &[&world.a.tenant]).await;
    let keys = ["wrapped_dek", "sealed_mac_key"].map(|key| keys[0].bytes(key));
    world.delete(&world.a.tenant).await;
    service.clock.advance(MONTH + 1);
    for key in &keys {
        assert!(!files_with(service, key).is_empty(), "the search finds what is there");
    }
    assert_eq!(tick_tenants(service.app()).await, Outcome::Done(1));
    for key in &keys {
        assert!(files_with(service, key).is_empty());
    }
}
