//! Transactions: the one place where they begin and end, so that no function of the engine can read or write another way.
//!
//! The driver loses writes that it has acknowledged when the future that waits for its BEGIN is dropped: the BEGIN that
//! nobody heard of swallows the next statement on that connection. Hence three walls
//! (`docs/adr/0006-postgresql-for-many-replicas.md`):
//!
//! 1. every statement stands in an explicit transaction, which swallows nothing;
//! 2. the transaction runs in a task of its own, which a caller who hangs up does not end;
//! 3. a connection that is in a transaction already is thrown away before it is used ([`super::open`]).
//!
//! A transaction says which tenants it is about; row level security shows it no others.

use std::time::Duration;

use futures_core::future::BoxFuture;
use sqlx::postgres::PgConnection;
use sqlx::{Connection as _, Postgres, Transaction};
use tokio::sync::{Mutex, MutexGuard};

use super::PostgresStore;
use super::error::{Failure, Gone, Step};
use crate::domain::ids::TenantId;
use crate::store::StoreError;

/// Begins a transaction that reads: one snapshot for all its statements.
pub(super) const READ_ONLY: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY";
/// Begins a transaction that writes: each statement sees what was committed before it.
pub(super) const READ_WRITE: &str = "BEGIN ISOLATION LEVEL READ COMMITTED, READ WRITE";
/// How often a transaction is run that others got in the way of, the first time included.
pub(super) const ATTEMPTS: u32 = 4;
/// How long a transaction may take in all. Longer than the database's own limit for a statement, so that usually the
/// database says what was too slow; a connection that is silent for as long is given up.
const TRANSACTION_DEADLINE: Duration = Duration::from_secs(30);

/// Whose rows a transaction is about: row level security shows it these only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Rows {
    /// Nobody's: the catalogue and the service's own.
    Global,
    /// Those of these tenants.
    Of(Vec<TenantId>),
    /// Those of all tenants, in the role of the workers and as far as that may.
    AllTenants,
}

impl Rows {
    /// The rows of one tenant.
    pub(super) fn of(tenant: &TenantId) -> Self {
        Self::Of(vec![*tenant])
    }
}

/// The turns of tenants within this replica: whoever would wait for the row of his tenant waits here, where he has no
/// connection yet. One busy tenant could else take all of them.
#[derive(Debug)]
pub(super) struct Turns([Mutex<()>; Self::NUMBER]);

impl Turns {
    /// How many tenants are written for at once, a few of which share a turn.
    const NUMBER: usize = 64;

    pub(super) fn new() -> Self {
        Self(std::array::from_fn(|_| Mutex::new(())))
    }

    /// Waits for the tenant's turn, which ends when it is dropped.
    async fn take(&self, tenant: &TenantId) -> Option<MutexGuard<'_, ()>> {
        // The last byte of an id is random.
        let [.., last] = tenant.as_bytes();
        let turn = self.0.get(usize::from(*last) % Self::NUMBER)?;
        Some(turn.lock().await)
    }
}

/// What becomes of a transaction that could not be committed for sure.
pub(super) enum Committed<T> {
    /// It is in the database.
    Yes(T),
    /// The connection went away during COMMIT: it may be there or not.
    Unknown(Failure),
}

impl PostgresStore {
    /// Reads, in one snapshot for all statements of `body`.
    pub(super) async fn read<T, B>(&self, rows: Rows, body: B) -> Result<T, StoreError>
    where
        T: Send + 'static,
        B: for<'c> FnOnce(&'c mut PgConnection) -> BoxFuture<'c, Step<T>> + Send + 'static,
    {
        let store = self.clone();
        self.in_a_task(async move {
            let begin = store.begin_statement(READ_ONLY, &rows);
            let mut connection = store.pool().acquire().await?;
            let mut tx = begin_with(&mut connection, begin).await?;
            let told = body(&mut tx).await?;
            // There is nothing to commit, and a rollback cannot fail halfway.
            tx.rollback().await?;
            Ok(told)
        })
        .await
    }

    /// Writes: runs `body` in a transaction and commits it. Again, at most three times, where another transaction got in the
    /// way.
    ///
    /// Where nobody knows whether it was committed, `settle` looks, in a transaction of its own; `None` if it finds
    /// nothing.
    pub(super) async fn write<T, B, S>(&self, rows: Rows, body: B, settle: S) -> Result<T, StoreError>
    where
        T: Send + 'static,
        B: for<'c> FnOnce(&'c mut PgConnection) -> BoxFuture<'c, Step<T>> + Clone + Send + Sync + 'static,
        S: for<'c> FnOnce(&'c mut PgConnection) -> BoxFuture<'c, Step<Option<T>>> + Send + 'static,
    {
        self.write_in_turn(None, rows, body, settle).await
    }

    /// Writes as [`PostgresStore::write`] does, after whatever of the tenant is written in its turn.
    pub(super) async fn write_in_turn<T, B, S>(
        &self,
        tenant: Option<TenantId>,
        rows: Rows,
        body: B,
        settle: S,
    ) -> Result<T, StoreError>
    where
        T: Send + 'static,
        B: for<'c> FnOnce(&'c mut PgConnection) -> BoxFuture<'c, Step<T>> + Clone + Send + Sync + 'static,
        S: for<'c> FnOnce(&'c mut PgConnection) -> BoxFuture<'c, Step<Option<T>>> + Send + 'static,
    {
        // Only a store that writes jumps writes anything.
        self.writer()?;
        let store = self.clone();
        self.in_a_task(async move {
            let _turn = match &tenant {
                Some(tenant) => Some(store.turns().take(tenant).await),
                None => None,
            };
            let mut attempt = 1;
            loop {
                match store.attempt(&rows, body.clone()).await {
                    Ok(Committed::Yes(done)) => return Ok(done),
                    Ok(Committed::Unknown(failure)) => return store.settled(rows, settle, failure).await,
                    Err(failure) if failure.may_be_retried() && attempt < ATTEMPTS => {
                        tracing::debug!(attempt, "store.transaction.retried");
                        attempt += 1;
                    }
                    Err(failure) => return Err(failure),
                }
            }
        })
        .await
    }

    /// One transaction from BEGIN to COMMIT.
    async fn attempt<T, B>(&self, rows: &Rows, body: B) -> Step<Committed<T>>
    where
        B: for<'c> FnOnce(&'c mut PgConnection) -> BoxFuture<'c, Step<T>>,
    {
        let begin = self.begin_statement(READ_WRITE, rows);
        let mut connection = self.pool().acquire().await?;
        let mut tx = begin_with(&mut connection, begin).await?;
        let done = body(&mut tx).await?;
        match tx.commit().await.map_err(Failure::from) {
            Ok(()) => Ok(Committed::Yes(done)),
            Err(failure) if failure.leaves_commit_open() => {
                // Whatever it is in the middle of must not be carried on.
                connection.close_on_drop();
                Ok(Committed::Unknown(failure))
            }
            Err(failure) => Err(failure),
        }
    }

    /// What became of a transaction whose COMMIT nobody answered.
    async fn settled<T, S>(&self, rows: Rows, settle: S, failure: Failure) -> Step<T>
    where
        S: for<'c> FnOnce(&'c mut PgConnection) -> BoxFuture<'c, Step<Option<T>>>,
    {
        tracing::warn!(error = %failure.0, "store.commit.unknown");
        let looked = async {
            let begin = self.begin_statement(READ_ONLY, &rows);
            let mut connection = self.pool().acquire().await?;
            let mut tx = begin_with(&mut connection, begin).await?;
            let found = settle(&mut tx).await?;
            tx.rollback().await?;
            Step::Ok(found)
        };
        // Not found is no proof that it never will be, and not looked is none either: the same request again finds out.
        looked.await.ok().flatten().ok_or(failure)
    }

    /// Runs `work` in a task of its own, which goes on if the caller goes away; answers as soon as the database is known
    /// to be silent.
    async fn in_a_task<T: Send + 'static>(
        &self,
        work: impl Future<Output = Step<T>> + Send + 'static,
    ) -> Result<T, StoreError> {
        if self.pulse().is_silent() {
            return Err(Gone::Silent.into());
        }
        let work = tokio::spawn(tokio::time::timeout(TRANSACTION_DEADLINE, work));
        tokio::select! {
            ended = work => match ended {
                Ok(Ok(told)) => told.map_err(StoreError::from),
                Ok(Err(_)) => Err(Gone::Silent.into()),
                Err(_) => Err(Gone::Ended.into()),
            },
            () = self.pulse().falls_silent() => Err(Gone::Silent.into()),
        }
    }

    fn begin_statement(&self, begin: &'static str, rows: &Rows) -> String {
        begin_statement(begin, rows, self.worker_role())
    }
}

/// Shows a transaction that is about tenants the rows of one more.
pub(super) async fn add_tenant(tx: &mut PgConnection, tenant: &TenantId) -> Step<()> {
    sqlx::query(
        "SELECT set_config('concenter.tenants', concat_ws(',', current_setting('concenter.tenants'), $1), TRUE)",
    )
    .bind(tenant.to_string())
    .execute(tx)
    .await?;
    Ok(())
}

/// The statement that begins a transaction about `rows`, both in one message to the server; `worker_role` is the quoted
/// name of the role for [`Rows::AllTenants`].
pub(super) fn begin_statement(begin: &'static str, rows: &Rows, worker_role: &str) -> String {
    match rows {
        Rows::Global => begin.to_owned(),
        Rows::Of(tenants) => {
            let tenants: Vec<_> = tenants.iter().map(TenantId::to_string).collect();
            format!("{begin}; SET LOCAL concenter.tenants = '{}'", tenants.join(","))
        }
        Rows::AllTenants => format!("{begin}; SET LOCAL ROLE {worker_role}"),
    }
}

/// Begins a transaction by a statement of [`begin_statement`].
pub(super) async fn begin_with(connection: &mut PgConnection, statement: String) -> Step<Transaction<'_, Postgres>> {
    #[expect(
        clippy::disallowed_methods,
        reason = "SET LOCAL takes no binds; what is put in are ids of hexadecimal digits and a role's name that was quoted"
    )]
    let statement = sqlx::AssertSqlSafe(statement);
    Ok(connection.begin_with(statement).await?)
}
