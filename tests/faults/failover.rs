//! A standby of PostgreSQL takes the place of the server, under the same address.

use std::collections::BTreeSet;

use tokio::task::JoinSet;

use crate::firm::{PASSWORD, reason, request_id};
use crate::gateway::{Gateway, until};
use crate::postgres::{PrivateServer, TestDatabase};

/// Who makes users while the server fails.
const CLIENTS: usize = 4;
/// Users that each has made by then, at least.
const MADE: usize = 5;

async fn epoch_of(database: &TestDatabase) -> i64 {
    let epoch = sqlx::query_scalar("SELECT epoch FROM service");
    epoch.fetch_one(&mut database.owner().await).await.expect("an epoch")
}

/// F11
#[tokio::test]
async fn a_redemption_that_an_asynchronous_standby_lacks_is_not_made_twice() {
    let Some(server) = PrivateServer::start_new().await else { return };
    let database = server.database().await;
    let gateway = Gateway::start(&database.service_url()).await;
    let firm = gateway.firm().await;
    let token = firm.jump(&gateway.channel, &request_id(), 0).await.expect("a jump");
    assert_eq!(epoch_of(&database).await, 1, "the first timeline is nothing new");
    server.make_standby();
    assert_eq!(firm.redeem(&gateway.channel, &token).await.expect("a redemption"), PASSWORD);

    server.stop();
    gateway.until_ready(false).await;
    server.put_standby_in_its_place();
    let redeemed = sqlx::query_scalar("SELECT count(*) FROM jump WHERE redeemed_at IS NOT NULL");
    let redeemed: i64 = redeemed.fetch_one(&mut database.owner().await).await.expect("a number");
    assert_eq!(redeemed, 0, "the standby has the redemption");
    let refused = firm.redeem(&gateway.channel, &token).await.expect_err("nobody redeems on a standby");
    assert_eq!(reason(&refused), "STORAGE_DOWN");

    server.promote();
    gateway.until_ready(true).await;
    let refused = firm.redeem(&gateway.channel, &token).await.expect_err("a second redemption");
    assert_eq!(reason(&refused), "JUMP_REVOKED");
    let token = firm.jump(&gateway.channel, &request_id(), 0).await.expect("a jump after the failover");
    assert_eq!(firm.redeem(&gateway.channel, &token).await.expect("a redemption"), PASSWORD);
    // However many connections came at once.
    assert_eq!(epoch_of(&database).await, 2);
    gateway.stop().await;
}

/// F10
#[tokio::test]
async fn what_was_acknowledged_with_a_synchronous_standby_is_there_after_a_failover() {
    let Some(server) = PrivateServer::start_new().await else { return };
    let database = server.database().await;
    let gateway = Gateway::start(&database.service_url()).await;
    let firm = gateway.firm().await;
    server.make_standby();
    server.start_standby();
    let mut admin = database.admin().await;
    sqlx::query("ALTER SYSTEM SET synchronous_standby_names = '*'").execute(&mut admin).await.expect("it is set");
    sqlx::query("SELECT pg_reload_conf()").execute(&mut admin).await.expect("it is read");
    until("a synchronous standby", async || {
        let synchronous = sqlx::query_scalar("SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'");
        let synchronous: i64 = synchronous.fetch_one(&mut admin).await.expect("a number");
        synchronous == 1
    })
    .await;

    let token = firm.jump(&gateway.channel, &request_id(), 0).await.expect("a jump");
    let mut clients = JoinSet::new();
    let (made, mut so_far) = tokio::sync::mpsc::unbounded_channel();
    for client in 0..CLIENTS {
        let (firm, channel, made) = (firm.clone(), gateway.channel.clone(), made.clone());
        clients.spawn(async move {
            for number in 0.. {
                let name = format!("vm.{client}-{number}");
                if firm.create_user(&channel, &request_id(), &name).await.is_err() {
                    return;
                }
                made.send(name).expect("somebody counts");
            }
        });
    }
    drop(made);
    let mut acknowledged = BTreeSet::new();
    while acknowledged.len() < CLIENTS * MADE {
        acknowledged.insert(so_far.recv().await.expect("they go on"));
    }
    server.stop();
    while let Some(name) = so_far.recv().await {
        acknowledged.insert(name);
    }
    clients.join_all().await;
    gateway.until_ready(false).await;

    server.stop_standby();
    server.put_standby_in_its_place();
    server.promote();
    gateway.until_ready(true).await;
    let found: BTreeSet<_> = firm.user_names(&gateway.channel).await.expect("a list").into_iter().collect();
    let lost: Vec<_> = acknowledged.difference(&found).collect();
    assert_eq!(lost, Vec::<&String>::new(), "of {} acknowledged", acknowledged.len());
    let refused = firm.redeem(&gateway.channel, &token).await.expect_err("a jump from before");
    assert_eq!(reason(&refused), "JUMP_REVOKED");
    gateway.stop().await;
}
