//! Others are in the way: in the same rows, at the same time.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::firm::{Firm, reason, request_id};
use crate::gateway::{AT_MOST, Gateway, until};
use crate::postgres::{self, TestDatabase};

/// Writers on one row.
const WRITERS: usize = 50;
/// In which somebody hears that another one holds a lock: the database's own limit, and as much again.
const TOLD_WITHIN: Duration = Duration::from_secs(6);

/// Asserts that a call may be repeated, and says when.
#[track_caller]
fn is_contended(status: &Status) {
    assert_eq!((status.code(), reason(status).as_str()), (Code::Aborted, "CONTENDED"), "{status:?}");
    assert!(status.get_details_retry_info().is_some(), "{status:?}");
}

async fn scene() -> Option<(TestDatabase, Gateway, Firm)> {
    let database = postgres::database().await?;
    let gateway = Gateway::start(&database.service_url()).await;
    let firm = gateway.firm().await;
    Some((database, gateway, firm))
}

/// F14: whoever is told to come back comes back with the same request, and is done once.
#[tokio::test]
async fn fifty_writers_on_one_row_are_all_done_once() {
    let Some((_database, gateway, firm)) = scene().await else { return };
    let mut writers = JoinSet::new();
    for number in 0..WRITERS {
        let (channel, firm) = (gateway.channel.clone(), firm.clone());
        // Each takes the row of the tenant.
        writers.spawn(async move {
            let (id, name) = (request_id(), format!("user-{number}"));
            loop {
                match firm.create_user(&channel, &id, &name).await {
                    Ok(user) => return user.user_name,
                    Err(status) if status.code() == Code::DeadlineExceeded => {}
                    Err(status) => is_contended(&status),
                }
            }
        });
    }
    let done: BTreeSet<_> = timeout(AT_MOST, writers.join_all()).await.expect("they end").into_iter().collect();
    assert_eq!(done.len(), WRITERS, "each by his own name");
    let found = firm.user_names(&gateway.channel).await.expect("a list");
    assert_eq!(found.len(), WRITERS + 2, "once each, and the two users that were there");
    gateway.stop().await;
}

/// F14: whoever was the victim of a deadlock tries again, and nobody hears of it.
#[tokio::test]
async fn a_deadlock_is_tried_again() {
    let Some((database, gateway, firm)) = scene().await else { return };
    let (mut shell, mut admin) = (database.admin().await, database.admin().await);
    // The service takes the tenant, then the user; this shell the other way around, and later.
    sqlx::raw_sql("BEGIN; SELECT 1 FROM concenter_user FOR UPDATE")
        .execute(&mut shell)
        .await
        .expect("the users are held");
    let disabled = {
        let (firm, channel) = (firm.clone(), gateway.channel.clone());
        tokio::spawn(async move { firm.set_usable(&channel, false).await })
    };
    until("the service waits for the user", async || waiting(&mut admin).await > 0).await;
    let taken = sqlx::raw_sql("SELECT 1 FROM tenant FOR UPDATE; COMMIT").execute(&mut shell);
    timeout(AT_MOST, taken).await.expect("one of the two goes on").expect("the service gives way");
    let user = timeout(AT_MOST, disabled).await.expect("an answer").expect("it ends").expect("disabled");
    assert_eq!(user.user_id, firm.user);
    let deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";
    until("the server counts its deadlock", async || {
        sqlx::query_scalar::<_, i64>(deadlocks).fetch_one(&mut admin).await.expect("a number") > 0
    })
    .await;
    gateway.stop().await;
}

/// F14: somebody holds the tenant and does not let go.
#[tokio::test]
async fn a_lock_that_is_held_holds_nobody_up_for_long() {
    let Some((database, gateway, firm)) = scene().await else { return };
    let channel = &gateway.channel;
    let mut shell = database.admin().await;
    sqlx::raw_sql("BEGIN; SELECT 1 FROM tenant FOR UPDATE").execute(&mut shell).await.expect("the tenant is held");
    let (user, jump) = (request_id(), request_id());
    let timed = async |call: &mut (dyn Future<Output = Option<Status>> + Unpin)| {
        let begun = Instant::now();
        let told = timeout(AT_MOST, call).await.expect("an answer").expect("it cannot be done");
        assert!(begun.elapsed() < TOLD_WITHIN, "told after {:?} only", begun.elapsed());
        is_contended(&told);
    };
    let mut created = Box::pin(async { firm.create_user(channel, &user, "late").await.err() });
    let mut jumped = Box::pin(async { firm.jump(channel, &jump, 1).await.err() });
    tokio::join!(timed(&mut created), timed(&mut jumped));
    drop((created, jumped));

    sqlx::raw_sql("COMMIT").execute(&mut shell).await.expect("the tenant is free");
    assert_eq!(firm.create_user(channel, &user, "late").await.expect("a user").user_name, "late");
    let token = firm.jump(channel, &jump, 1).await.expect("a jump");
    firm.redeem(channel, &token).await.expect("a redemption");
    gateway.stop().await;
}

/// How many wait for a lock of this database.
pub(crate) async fn waiting(admin: &mut sqlx::PgConnection) -> i64 {
    let waiting = "
        SELECT count(*)
        FROM pg_stat_activity
        WHERE wait_event_type = 'Lock'
          AND datname = current_database()
    ";
    sqlx::query_scalar(waiting).fetch_one(admin).await.expect("a number")
}
