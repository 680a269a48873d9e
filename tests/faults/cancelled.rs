//! Callers who hang up in the middle.

use std::collections::BTreeSet;
use std::time::Duration;

use sqlx::Connection as _;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::chance::{Dice, number};
use crate::firm::{BROKERS, Firm, request_id};
use crate::gateway::{AT_MOST, Gateway, TOLD_WITHIN, until};
use crate::postgres;
use crate::proxy::Proxy;

/// How long each message between service and database takes: long enough that a call is hit in each of its steps.
const DELAY: Duration = Duration::from_millis(3);
/// Calls are cancelled within this time.
const CANCELLED_WITHIN: Duration = Duration::from_millis(50);
/// Writes that are waited for.
const AWAITED: usize = 300;
/// So many are under way at a time: as many as there are connections.
const AT_ONCE: usize = 16;

/// F13: after a storm of cancelled calls no connection is left in a transaction, and what is acknowledged then is there after
/// all connections have been killed. A driver that forgot a BEGIN whose caller went away would leave it open, and lose what
/// it swallows.
#[tokio::test]
async fn nothing_acknowledged_after_cancelled_calls_is_lost() {
    let Some(database) = postgres::database().await else { return };
    let mut admin = database.admin().await;
    let proxy = Proxy::in_front_of(&database.service_url()).await;
    let gateway = Gateway::start(&proxy.url(&database.service_url())).await;
    let firm = gateway.firm().await;

    proxy.delay(DELAY);
    storm(&gateway, &firm, number("CONCENTER_CANCELS", 200)).await;
    proxy.delay(Duration::ZERO);
    // Before others end it: whoever uses the connection next, some of whom work in the background, or the server, after 15 s.
    let ended_after = until("no transaction is left open", async || open_transactions(&mut admin).await == 0).await;
    assert!(ended_after < TOLD_WITHIN, "transactions were left open for {ended_after:?}");
    let acknowledged = awaited_writes(&gateway, &firm).await;
    kill_connections(&mut admin).await;

    let mut found = BTreeSet::new();
    until("the service has connected anew", async || {
        found = firm.user_names(&gateway.channel).await.into_iter().flatten().collect();
        !found.is_empty()
    })
    .await;
    let lost: Vec<_> = acknowledged.difference(&found).collect();
    assert!(lost.is_empty(), "{} of {AWAITED} acknowledged writes are lost: {lost:?}", lost.len());
    admin.close().await.expect("closed");
    gateway.stop().await;
}

/// Cancels so many calls of every kind at random times, several at once.
async fn storm(gateway: &Gateway, firm: &Firm, cancels: u64) {
    let mut dice = Dice::of(1);
    let mut calls = JoinSet::new();
    for number in 0..cancels {
        let (channel, firm) = (gateway.channel.clone(), firm.clone());
        let (kind, patience) = (dice.below(4), dice.time_below(CANCELLED_WITHIN));
        let broker = usize::try_from(dice.below(BROKERS as u64)).expect("a number");
        calls.spawn(async move {
            // Whatever is answered in time is as good.
            let _ = timeout(patience, async {
                match kind {
                    0 => drop(firm.get_user(&channel).await),
                    1 => drop(firm.create_user(&channel, &request_id(), &format!("cancelled-{number}")).await),
                    2 => drop(firm.jump(&channel, &request_id(), broker).await),
                    _ => {
                        if let Ok(token) = firm.jump(&channel, &request_id(), broker).await {
                            drop(firm.redeem(&channel, &token).await);
                        }
                    }
                }
            })
            .await;
        });
        while calls.len() >= AT_ONCE / 4 {
            calls.join_next().await;
        }
    }
    calls.join_all().await;
}

/// Writes users until all are acknowledged; gives their names.
async fn awaited_writes(gateway: &Gateway, firm: &Firm) -> BTreeSet<String> {
    let mut writes = JoinSet::new();
    let mut acknowledged = BTreeSet::new();
    for number in 0..AWAITED {
        let (channel, firm) = (gateway.channel.clone(), firm.clone());
        writes.spawn(async move {
            let (id, name) = (request_id(), format!("awaited-{number}"));
            // A slow machine may say that it is too much at once.
            while firm.create_user(&channel, &id, &name).await.is_err() {}
            name
        });
        if writes.len() >= AT_ONCE {
            let written = timeout(AT_MOST, writes.join_next()).await.expect("it is taken in time");
            acknowledged.insert(written.expect("one is under way").expect("it ends"));
        }
    }
    acknowledged.extend(timeout(AT_MOST, writes.join_all()).await.expect("they are taken in time"));
    assert_eq!(acknowledged.len(), AWAITED);
    acknowledged
}

/// How many connections to the database are in a transaction that waits for its next statement.
async fn open_transactions(admin: &mut sqlx::PgConnection) -> i64 {
    let open = "
        SELECT count(*)
        FROM pg_stat_activity
        WHERE state LIKE 'idle in transaction%'
          AND datname = current_database()
    ";
    sqlx::query_scalar(open).fetch_one(admin).await.expect("a number")
}

/// Ends every connection to the database but this one, in the middle of whatever it is in.
async fn kill_connections(admin: &mut sqlx::PgConnection) {
    let kill = "
        SELECT pg_terminate_backend(pid)
        FROM pg_stat_activity
        WHERE datname = current_database()
          AND pid <> pg_backend_pid()
    ";
    let killed = sqlx::query_scalar::<_, bool>(kill).fetch_all(&mut *admin).await.expect("they are killed");
    assert!(killed.len() > 2, "the service has connections");
}
