//! The writer: one task that owns the one connection that writes.
//!
//! Works wait in a bounded queue. A batch is what waited while the last one committed; there is no timer. One
//! transaction holds the batch, and callers are answered after its COMMIT only. See
//! `docs/adr/0002-embedded-sqlite-with-one-writer.md`.
//!
//! A caller may go away at any time: his work lives in the queue, not in his future.

use std::sync::Arc;

use futures_core::future::BoxFuture;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection};
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::task::JoinHandle;

use super::error::{Failure, Step, WriterGone};
use super::hot::{self, NoteWork, RecordWork, RedeemWork};
use super::open::LockFile;
use crate::domain::jump::{RecordOutcome, RedeemOutcome};
use crate::domain::load::BatchSizes;
use crate::store::batches::BatchCount;
use crate::store::{MostInABatch, StoreError};

/// Most works that wait; one more is refused as [`StoreError::Busy`].
const MOST_WAITING: usize = 1_024;

/// What a caller gets.
type Answer<T> = Result<T, StoreError>;
/// Where a caller waits for it.
type Reply<T> = oneshot::Sender<Answer<T>>;

/// The store's end of the queue.
#[derive(Debug)]
pub(super) struct Writer {
    queue: mpsc::Sender<Work>,
    batches: BatchCount,
    task: Mutex<Option<JoinHandle<()>>>,
}

/// A work that waits for the writer.
enum Work {
    Record(RecordWork, Reply<RecordOutcome>),
    Redeem(RedeemWork, Reply<RedeemOutcome>),
    Note(NoteWork, Reply<()>),
    Effect(Box<dyn QueuedEffect>),
    Checkpoint(Reply<bool>),
    Hold(Hold),
    Close,
}

/// Somebody wants the writer to stand still.
struct Hold {
    begun: oneshot::Sender<()>,
    until_dropped: oneshot::Receiver<()>,
}

/// Keeps the writer still until it is dropped: whatever is written meanwhile waits, up to the bound of the queue, and
/// then goes into one batch (of at most 512).
#[derive(Debug)]
pub struct WriterHold {
    queue: mpsc::Sender<Work>,
    _until_dropped: oneshot::Sender<()>,
}

impl WriterHold {
    /// How many writes wait now.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.queue.max_capacity() - self.queue.capacity()
    }
}

impl Writer {
    /// Starts the task. It takes over `connection` and opens it anew by `options` after a failure; `lock` is released
    /// when it ends, which it does when the store is closed or dropped and the queue has drained.
    pub(super) fn start(
        connection: SqliteConnection,
        options: SqliteConnectOptions,
        lock: LockFile,
        most: MostInABatch,
    ) -> Self {
        let (queue, inbox) = mpsc::channel(MOST_WAITING);
        let batches = BatchCount::default();
        let counted = batches.clone();
        let serving = Serving { inbox, connection: Some(connection), options, most: most.number(), batches: counted };
        let task = tokio::spawn(supervise(serving, lock));
        Self { queue, batches, task: Mutex::new(Some(task)) }
    }

    /// Records a jump.
    pub(super) async fn record(&self, work: RecordWork) -> Answer<RecordOutcome> {
        self.submit(|reply| Work::Record(work, reply)).await
    }

    /// Redeems a jump.
    pub(super) async fn redeem(&self, work: RedeemWork) -> Answer<RedeemOutcome> {
        self.submit(|reply| Work::Redeem(work, reply)).await
    }

    /// Appends a row to the audit log.
    pub(super) async fn note(&self, work: NoteWork) -> Answer<()> {
        self.submit(|reply| Work::Note(work, reply)).await
    }

    /// Runs `body` in a savepoint of its own. What it wrote is undone if it fails.
    pub(super) async fn effect<T, B>(&self, body: B) -> Answer<T>
    where
        T: Send + 'static,
        B: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Step<T>> + Send + 'static,
    {
        self.submit(|reply| Work::Effect(Box::new(EffectWork { body: Some(body), result: None, reply }))).await
    }

    /// Writes the log back into the database and empties it; `false` if a reader keeps it from being emptied.
    pub(super) async fn checkpoint(&self) -> Answer<bool> {
        self.submit(Work::Checkpoint).await
    }

    /// How many works wait now.
    pub(super) fn waiting(&self) -> usize {
        self.queue.max_capacity() - self.queue.capacity()
    }

    /// How many works shared a transaction so far.
    pub(super) fn batches(&self) -> BatchSizes {
        self.batches.read()
    }

    /// Makes the writer stand still.
    pub(super) async fn hold(&self) -> Answer<WriterHold> {
        let (begun, has_begun) = oneshot::channel();
        let (drop_to_end, until_dropped) = oneshot::channel();
        self.enqueue(Work::Hold(Hold { begun, until_dropped }))?;
        has_begun.await.map_err(|_| WriterGone::Ended)?;
        Ok(WriterHold { queue: self.queue.clone(), _until_dropped: drop_to_end })
    }

    /// Ends the task when all that waits is done. A second call returns at once.
    pub(super) async fn close(&self) {
        let Some(task) = self.task.lock().await.take() else {
            return;
        };
        // Fails only if the task has ended already.
        let _ = self.queue.send(Work::Close).await;
        let _ = task.await;
    }

    async fn submit<T>(&self, work: impl FnOnce(Reply<T>) -> Work) -> Answer<T> {
        let (reply, answer) = oneshot::channel();
        self.enqueue(work(reply))?;
        answer.await.map_err(|_| WriterGone::Ended)?
    }

    fn enqueue(&self, work: Work) -> Answer<()> {
        self.queue.try_send(work).map_err(|refused| match refused {
            mpsc::error::TrySendError::Full(_) => StoreError::Busy,
            mpsc::error::TrySendError::Closed(_) => WriterGone::Closed.into(),
        })
    }
}

/// An effect whose type the queue need not know.
trait QueuedEffect: Send {
    /// Runs it and keeps its result; tells whether its savepoint has to be rolled back.
    fn run<'c>(&'c mut self, connection: &'c mut SqliteConnection) -> BoxFuture<'c, Step<()>>;

    /// Answers its caller: `lost` if the whole batch was, else with its own result.
    fn answer(self: Box<Self>, lost: Option<StoreError>);
}

struct EffectWork<T, B> {
    body: Option<B>,
    result: Option<Answer<T>>,
    reply: Reply<T>,
}

impl<T, B> QueuedEffect for EffectWork<T, B>
where
    T: Send,
    B: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Step<T>> + Send,
{
    fn run<'c>(&'c mut self, connection: &'c mut SqliteConnection) -> BoxFuture<'c, Step<()>> {
        Box::pin(async move {
            let Some(body) = self.body.take() else {
                return Err(WriterGone::Ended.into());
            };
            let result = body(connection).await;
            let told = result.as_ref().map(|_| ()).map_err(Failure::clone);
            self.result = Some(result.map_err(StoreError::from));
            told
        })
    }

    fn answer(self: Box<Self>, lost: Option<StoreError>) {
        let own = self.result.unwrap_or_else(|| Err(WriterGone::Ended.into()));
        // Nobody listens if the caller went away.
        let _ = self.reply.send(lost.map_or(own, Err));
    }
}

/// The other end of the queue: what the task works with.
struct Serving {
    inbox: mpsc::Receiver<Work>,
    /// `None` after a failure: whatever the old connection was in the middle of must not be carried on.
    connection: Option<SqliteConnection>,
    options: SqliteConnectOptions,
    /// Most works in one transaction.
    most: usize,
    batches: BatchCount,
}

/// Serves until the store is closed. An effect that panics costs its batch, not the writer.
async fn supervise(serving: Serving, lock: LockFile) {
    let serving = Arc::new(Mutex::new(serving));
    loop {
        match tokio::spawn(serve(Arc::clone(&serving))).await {
            Err(ended) if ended.is_panic() => tracing::error!("store.writer.panicked"),
            Ok(()) | Err(_) => break,
        }
    }
    drop(lock);
}

/// Serves until the queue is closed and empty.
async fn serve(serving: Arc<Mutex<Serving>>) {
    let mut serving = serving.lock().await;
    let most = serving.most;
    let mut works = Vec::with_capacity(most);
    while serving.inbox.recv_many(&mut works, most).await > 0 {
        let mut batch = Batch::default();
        let (mut checkpoints, mut holds) = (Vec::new(), Vec::new());
        for work in works.drain(..) {
            match work {
                Work::Record(work, reply) => batch.records.push((work, reply)),
                Work::Redeem(work, reply) => batch.redeems.push((work, reply)),
                Work::Note(work, reply) => batch.notes.push((work, reply)),
                Work::Effect(effect) => batch.effects.push(effect),
                Work::Checkpoint(reply) => checkpoints.push(reply),
                Work::Hold(hold) => holds.push(hold),
                Work::Close => serving.inbox.close(),
            }
        }
        serving.run(batch).await;
        // Whoever was answered runs first: what he asks for next then joins those that wait, and not the batch after.
        tokio::task::yield_now().await;
        serving.checkpoint(checkpoints).await;
        for hold in holds {
            // Whoever asked for the hold may be gone; then there is nothing to wait for.
            if hold.begun.send(()).is_ok() {
                let _ = hold.until_dropped.await;
            }
        }
    }
    if let Some(connection) = serving.connection.take() {
        let _ = connection.close().await;
    }
}

impl Serving {
    /// Runs a batch and answers everybody in it.
    async fn run(&mut self, mut batch: Batch) {
        if batch.is_empty() {
            return;
        }
        self.batches.note(batch.works());
        let mut connection = match self.take_connection().await {
            Ok(connection) => connection,
            Err(failure) => return batch.lost(&failure),
        };
        match batch.write(&mut connection).await {
            Ok(outcomes) => {
                self.connection = Some(connection);
                batch.answer(outcomes);
            }
            Err(failure) => {
                // Closing undoes what the transaction did; dropping would leave its lock for a moment.
                let _ = connection.close().await;
                batch.lost(&failure);
            }
        }
    }

    /// Empties the log, once for all who asked.
    async fn checkpoint(&mut self, replies: Vec<Reply<bool>>) {
        if replies.is_empty() {
            return;
        }
        let emptied = match self.take_connection().await {
            Ok(mut connection) => match empty_log(&mut connection).await {
                Ok(is_empty) => {
                    self.connection = Some(connection);
                    Ok(is_empty)
                }
                // It may have kept the short wait.
                Err(failure) => {
                    let _ = connection.close().await;
                    Err(failure)
                }
            },
            Err(failure) => Err(failure),
        };
        let emptied = emptied.map_err(StoreError::from);
        for reply in replies {
            // Nobody listens where the caller went away.
            let _ = reply.send(emptied.clone());
        }
    }

    /// The connection, taken out, so that a panic takes it along.
    async fn take_connection(&mut self) -> Step<SqliteConnection> {
        match self.connection.take() {
            Some(connection) => Ok(connection),
            None => Ok(self.options.connect().await?),
        }
    }
}

/// Writes the log back into the database and cuts it to nothing. Outside of a transaction: SQLite refuses it inside.
///
/// Everybody who writes waits meanwhile, so it waits for a reader a tenth of a second only; with one that has an older
/// state open nothing is lost, and the next time comes.
async fn empty_log(connection: &mut SqliteConnection) -> Step<bool> {
    sqlx::query("PRAGMA busy_timeout = 100").execute(&mut *connection).await?;
    let told = sqlx::query_scalar("PRAGMA wal_checkpoint(TRUNCATE)").fetch_one(&mut *connection).await;
    // As every connection has it.
    sqlx::query("PRAGMA busy_timeout = 4000").execute(&mut *connection).await?;
    let is_blocked: bool = told?;
    Ok(!is_blocked)
}

/// What goes into one transaction.
#[derive(Default)]
struct Batch {
    effects: Vec<Box<dyn QueuedEffect>>,
    records: Vec<(RecordWork, Reply<RecordOutcome>)>,
    redeems: Vec<(RedeemWork, Reply<RedeemOutcome>)>,
    notes: Vec<(NoteWork, Reply<()>)>,
}

/// The works that are written many at once.
#[derive(Clone, Copy, Default)]
struct HotWorks<'b> {
    records: &'b [&'b RecordWork],
    redeems: &'b [&'b RedeemWork],
    notes: &'b [&'b NoteWork],
}

impl HotWorks<'_> {
    const fn is_empty(self) -> bool {
        self.records.is_empty() && self.redeems.is_empty() && self.notes.is_empty()
    }
}

/// What came of the hot works, in their order.
#[derive(Default)]
struct HotAnswers {
    records: Vec<Answer<RecordOutcome>>,
    redeems: Vec<Answer<RedeemOutcome>>,
    notes: Vec<Answer<()>>,
}

impl Batch {
    fn is_empty(&self) -> bool {
        self.works() == 0
    }

    fn works(&self) -> usize {
        self.effects.len() + self.records.len() + self.redeems.len() + self.notes.len()
    }

    /// Writes and commits. Fails only as a whole: then nothing of the batch is in the database.
    async fn write(&mut self, connection: &mut SqliteConnection) -> Step<HotAnswers> {
        sqlx::query("BEGIN IMMEDIATE").execute(&mut *connection).await?;
        // Before the jumps, so that a user who was disabled in this batch is not jumped with in this batch.
        for effect in &mut self.effects {
            savepoint(connection).await?;
            match effect.run(connection).await {
                Ok(()) => release(connection).await?,
                Err(failure) => roll_back(connection, failure).await?,
            }
        }
        let records: Vec<_> = self.records.iter().map(|(work, _)| work).collect();
        let redeems: Vec<_> = self.redeems.iter().map(|(work, _)| work).collect();
        let notes: Vec<_> = self.notes.iter().map(|(work, _)| work).collect();
        let works = HotWorks { records: &records, redeems: &redeems, notes: &notes };
        let answers = write_hot(connection, works).await?;
        sqlx::query("COMMIT").execute(&mut *connection).await?;
        Ok(answers)
    }

    /// Answers everybody, after COMMIT.
    fn answer(self, answers: HotAnswers) {
        for effect in self.effects {
            effect.answer(None);
        }
        // Nobody listens where the caller went away.
        for ((_, reply), answer) in self.records.into_iter().zip(answers.records) {
            let _ = reply.send(answer);
        }
        for ((_, reply), answer) in self.redeems.into_iter().zip(answers.redeems) {
            let _ = reply.send(answer);
        }
        for ((_, reply), answer) in self.notes.into_iter().zip(answers.notes) {
            let _ = reply.send(answer);
        }
    }

    /// Tells everybody that nothing was written.
    fn lost(self, failure: &Failure) {
        let error = match &failure.0 {
            StoreError::Full(_) | StoreError::Down(_) | StoreError::Contended(_) => failure.0.clone(),
            // Somebody's own error, but the others could not be kept apart from it.
            StoreError::Constraint(cause) => StoreError::Down(Arc::clone(cause)),
            StoreError::Corrupt { .. } | StoreError::Busy => WriterGone::Ended.into(),
        };
        tracing::error!(error = %error, cause = ?std::error::Error::source(&error), "store.batch.lost");
        for effect in self.effects {
            effect.answer(Some(error.clone()));
        }
        for (_, reply) in self.records {
            let _ = reply.send(Err(error.clone()));
        }
        for (_, reply) in self.redeems {
            let _ = reply.send(Err(error.clone()));
        }
        for (_, reply) in self.notes {
            let _ = reply.send(Err(error.clone()));
        }
    }
}

/// Writes hot works: all at once, or if that fails one by one.
async fn write_hot(connection: &mut SqliteConnection, works: HotWorks<'_>) -> Step<HotAnswers> {
    if works.is_empty() {
        return Ok(HotAnswers::default());
    }
    match together(connection, works).await? {
        Ok(outcomes) => Ok(HotAnswers {
            records: outcomes.records.into_iter().map(Ok).collect(),
            redeems: outcomes.redeems.into_iter().map(Ok).collect(),
            notes: works.notes.iter().map(|_| Ok(())).collect(),
        }),
        Err(error) => {
            tracing::warn!(cause = ?std::error::Error::source(&error), "store.batch.split");
            one_by_one(connection, works).await
        }
    }
}

/// Runs works that failed together again, each in a savepoint of its own, so that only the bad one fails.
async fn one_by_one(connection: &mut SqliteConnection, works: HotWorks<'_>) -> Step<HotAnswers> {
    let mut answers = HotAnswers::default();
    for record in works.records {
        let own = together(connection, HotWorks { records: &[*record], ..HotWorks::default() }).await?;
        answers.records.push(own.and_then(|outcomes| first(outcomes.records)));
    }
    for redeem in works.redeems {
        let own = together(connection, HotWorks { redeems: &[*redeem], ..HotWorks::default() }).await?;
        answers.redeems.push(own.and_then(|outcomes| first(outcomes.redeems)));
    }
    for note in works.notes {
        let own = together(connection, HotWorks { notes: &[*note], ..HotWorks::default() }).await?;
        answers.notes.push(own.map(drop));
    }
    Ok(answers)
}

/// Writes hot works in a savepoint of their own. The outer result is that of the batch.
async fn together(connection: &mut SqliteConnection, works: HotWorks<'_>) -> Step<Answer<hot::Outcomes>> {
    savepoint(connection).await?;
    match hot::write(connection, works.records, works.redeems, works.notes).await {
        Ok(outcomes) => {
            release(connection).await?;
            Ok(Ok(outcomes))
        }
        Err(failure) => {
            let own = failure.clone().into();
            roll_back(connection, failure).await?;
            Ok(Err(own))
        }
    }
}

/// The one outcome of one work.
fn first<T>(outcomes: Vec<T>) -> Answer<T> {
    outcomes.into_iter().next().ok_or_else(|| WriterGone::Ended.into())
}

async fn savepoint(connection: &mut SqliteConnection) -> Step<()> {
    sqlx::query("SAVEPOINT work").execute(connection).await?;
    Ok(())
}

async fn release(connection: &mut SqliteConnection) -> Step<()> {
    sqlx::query("RELEASE work").execute(connection).await?;
    Ok(())
}

/// Undoes what was done since the savepoint, because of `reason`.
///
/// A full volume or an I/O error makes SQLite end the whole transaction by itself; then there is no savepoint any more,
/// and `reason` is what the whole batch failed for.
async fn roll_back(connection: &mut SqliteConnection, reason: Failure) -> Step<()> {
    if sqlx::query("ROLLBACK TO work").execute(&mut *connection).await.is_err() {
        return Err(reason);
    }
    release(connection).await
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use crate::store::sqlite::SqliteStore;
    use crate::store::{RetentionStore as _, ServiceStore as _, StoreError};

    async fn opened() -> (TempDir, SqliteStore) {
        let directory = tempfile::tempdir().expect("a directory");
        let store = SqliteStore::open(directory.path()).await.expect("a store");
        (directory, store)
    }

    const ADD_PROVIDER: &str = "INSERT INTO product_provider VALUES ('half', 'Half', 'insurer', 'active', 1)";

    async fn add_provider(store: &SqliteStore) -> Result<(), StoreError> {
        let add = store.writer().expect("a writer").effect(|tx| {
            Box::pin(async move {
                sqlx::query(ADD_PROVIDER).execute(tx).await?;
                Ok(())
            })
        });
        add.await
    }

    async fn providers(store: &SqliteStore) -> i64 {
        let count = sqlx::query_scalar("SELECT count(*) FROM product_provider").fetch_one(store.readers()).await;
        count.expect("a number")
    }

    #[tokio::test]
    async fn a_panic_costs_its_batch_and_not_the_writer() {
        let (_directory, store) = opened().await;
        let writer = store.writer().expect("a writer");
        let lost: Result<(), _> = writer.effect(|_| Box::pin(async { panic!("on purpose") })).await;
        assert!(matches!(lost, Err(StoreError::Down(_))), "{lost:?}");
        store.check().await.expect("the next write");
    }

    #[tokio::test]
    async fn a_transaction_that_ended_by_itself_costs_its_batch_and_not_the_writer() {
        let (_directory, store) = opened().await;
        let writer = store.writer().expect("a writer");
        // As SQLite does on a full volume or an I/O error.
        let lost: Result<(), _> = writer
            .effect(|tx| {
                Box::pin(async move {
                    sqlx::query("ROLLBACK").execute(tx).await?;
                    Ok(())
                })
            })
            .await;
        assert!(matches!(lost, Err(StoreError::Down(_))), "{lost:?}");
        store.check().await.expect("the next write");
    }

    #[tokio::test]
    async fn a_checkpoint_empties_the_log_as_soon_as_no_reader_has_an_older_state() {
        let (directory, store) = opened().await;
        let log = || directory.path().join("concenter.db-wal").metadata().expect("a log").len();
        store.check().await.expect("a write");
        assert!(log() > 0);
        let mut reader = store.readers().begin().await.expect("a reader");
        sqlx::query("SELECT count(*) FROM service").fetch_one(&mut *reader).await.expect("a state");
        add_provider(&store).await.expect("a write that he does not see");
        assert!(!store.checkpoint().await.expect("no failure"), "he keeps it");
        assert!(log() > 0);
        store.check().await.expect("a write beside him");
        reader.rollback().await.expect("no reader");
        assert!(store.checkpoint().await.expect("an empty log"));
        assert_eq!(log(), 0);
        assert!(store.checkpoint().await.expect("an empty log"), "again");
        assert_eq!(providers(&store).await, 1, "nothing is lost");
    }

    #[tokio::test]
    async fn after_a_checkpoint_the_writer_waits_for_a_lock_as_long_as_before() {
        let (_directory, store) = opened().await;
        let wait = async || -> i64 {
            let ask = store.writer().expect("a writer").effect(|tx| {
                Box::pin(async move { Ok(sqlx::query_scalar("PRAGMA busy_timeout").fetch_one(tx).await?) })
            });
            ask.await.expect("a number")
        };
        let before = wait().await;
        assert!(store.checkpoint().await.expect("an empty log"));
        assert_eq!(wait().await, before);
    }

    #[tokio::test]
    async fn what_failed_leaves_nothing_behind() {
        let (_directory, store) = opened().await;
        let writer = store.writer().expect("a writer");
        let failed: Result<(), _> = writer
            .effect(|tx| {
                Box::pin(async move {
                    sqlx::query(ADD_PROVIDER).execute(&mut *tx).await?;
                    sqlx::query(ADD_PROVIDER).execute(&mut *tx).await?;
                    Ok(())
                })
            })
            .await;
        assert!(matches!(failed, Err(StoreError::Constraint(_))), "{failed:?}");
        assert_eq!(providers(&store).await, 0);
    }
}
