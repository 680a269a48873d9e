//! The pulse of the database: whether it answers, and what time it is there.
//!
//! A server that hangs answers nothing, not even with an error, and a pool that cannot connect lets callers wait. So a
//! connection of its own asks twice a second; while it gets no answer every call is turned away at once, and those that
//! wait already are answered too: what they asked for may still be done, and the same request again finds out.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sqlx::Connection as _;
use sqlx::postgres::PgConnection;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use super::error::Step;
use super::timeline::Connector;
use crate::domain::time::{Clock, Timestamp};

/// How long after an answer the next question comes.
const EVERY: Duration = Duration::from_millis(500);
/// How long the database may take to answer. Together with [`EVERY`] less than the 3 s in which a caller is to hear of it.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long after a failure the next attempt comes.
const AGAIN_AFTER: Duration = Duration::from_millis(250);

/// What the database told last.
#[derive(Debug, Clone)]
pub(super) struct Pulse {
    answers: watch::Receiver<bool>,
    clock: Arc<DatabaseClock>,
}

/// Ends the questions when it is dropped.
#[derive(Debug)]
pub(super) struct PulseTask(JoinHandle<()>);

impl Drop for PulseTask {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The clock of the database, so that all replicas have one.
#[derive(Debug)]
pub(super) struct DatabaseClock(Mutex<Reading>);

/// What a clock told, and when.
#[derive(Debug, Clone, Copy)]
struct Reading {
    told: Timestamp,
    at: Instant,
}

impl Clock for DatabaseClock {
    fn now(&self) -> Timestamp {
        let Reading { told, at } = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        told.plus(at.elapsed())
    }
}

impl Pulse {
    /// Begins to ask. The first answer has been given: a database that does not answer is not opened.
    pub(super) async fn start(connector: Connector, connection: &mut PgConnection) -> Step<(Self, PulseTask)> {
        let first = ask(connection).await?;
        let (told, answers) = watch::channel(true);
        let clock = Arc::new(DatabaseClock(Mutex::new(first)));
        let pulse = Self { answers, clock: Arc::clone(&clock) };
        let task = tokio::spawn(async move {
            loop {
                if let Ok(Ok(connection)) = timeout(PATIENCE, connector.connect()).await {
                    while_answered(connection, &told, &clock).await;
                }
                if told.send_replace(false) {
                    tracing::error!("store.pulse.lost");
                }
                sleep(AGAIN_AFTER).await;
            }
        });
        Ok((pulse, PulseTask(task)))
    }

    /// Tells whether the last question got no answer.
    pub(super) fn is_silent(&self) -> bool {
        !*self.answers.borrow()
    }

    /// Waits until a question gets no answer.
    pub(super) async fn falls_silent(&self) {
        // An error means that nobody asks any more; then the store is closing and answers by itself.
        if self.answers.clone().wait_for(|answers| !answers).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// The clock of the database.
    pub(super) fn clock(&self) -> Arc<DatabaseClock> {
        Arc::clone(&self.clock)
    }
}

/// Asks until no answer comes.
async fn while_answered(mut connection: PgConnection, told: &watch::Sender<bool>, clock: &DatabaseClock) {
    while let Ok(Ok(reading)) = timeout(PATIENCE, ask(&mut connection)).await {
        *clock.0.lock().unwrap_or_else(PoisonError::into_inner) = reading;
        if !told.send_replace(true) {
            tracing::info!("store.pulse.back");
        }
        sleep(EVERY).await;
    }
    // Not closed in order: that would wait for an answer too.
    drop(connection.close_hard());
}

/// Asks what time it is.
async fn ask(connection: &mut PgConnection) -> Step<Reading> {
    let asked = Instant::now();
    let micros = sqlx::query_scalar("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::BIGINT");
    let micros: i64 = micros.fetch_one(connection).await?;
    // In the middle between question and answer.
    Ok(Reading { told: Timestamp::from_unix_micros(micros), at: asked + asked.elapsed() / 2 })
}
