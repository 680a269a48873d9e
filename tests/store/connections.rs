//! The connections of the PostgreSQL engine.

use std::collections::BTreeSet;
use std::sync::Arc;

use concenter_gateway::store::ServiceStore as _;

use crate::postgres::opened;
use crate::support::{TestDatabase, database};

/// The server's processes for the service in this database, one for each connection.
async fn processes(database: &TestDatabase) -> BTreeSet<i32> {
    let pids =
        sqlx::query_scalar("SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND usename = $1");
    let pids = pids.bind(database.service_role()).fetch_all(&mut database.admin().await).await;
    pids.expect("the processes").into_iter().collect()
}

/// A new one costs more than most of what is done on it.
#[tokio::test]
async fn a_connection_is_used_again() {
    let Some(database) = database().await else { return };
    let database = Arc::new(database);
    let (_harness, store) = opened(Arc::clone(&database)).await;
    store.load_service().await.expect("an answer");
    let first = processes(&database).await;
    assert!(!first.is_empty(), "nobody is connected");
    for _ in 0..20 {
        store.load_service().await.expect("an answer");
    }
    let last = processes(&database).await;
    assert!(first.is_subset(&last), "{first:?} were thrown away for {last:?}");
}
