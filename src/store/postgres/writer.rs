//! The writers of jumps, and of rows of the audit log that stand for themselves: two tasks, each with a connection of its own.
//!
//! Works wait in a bounded queue for each writer. A batch is what waited while the last one committed; there is no timer.
//! One transaction holds the batch, and callers are answered after its COMMIT only. While one writer waits for its
//! COMMIT the other one fills the server; a third gained nothing. The jumps of one person go to the same writer, and all
//! attempts to redeem one jump, so that they seldom wait for each other in the database.
//!
//! A caller may go away at any time: his work lives in the queue, not in his future.

use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher, Hash};
use std::sync::Arc;
use std::time::Duration;

use sqlx::Connection as _;
use sqlx::postgres::PgConnection;
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::error::{Failure, Gone, Step};
use super::hot::{self, NoteWork, RecordWork, RedeemWork};
use super::pulse::Pulse;
use super::session::{self, Rows};
use super::timeline::Connector;
use crate::domain::jump::{RecordOutcome, RedeemOutcome};
use crate::domain::load::BatchSizes;
use crate::store::batches::BatchCount;
use crate::store::{MostInABatch, StoreError};

/// Writers, each with its queue and its connection.
const WRITERS: usize = 2;
/// Most works that wait for one writer; one more is refused as [`StoreError::Busy`].
const MOST_WAITING: usize = 1_024;
/// How long a batch may take before its connection is given up: longer than the database's own limits for its
/// statements and locks.
const BATCH_DEADLINE: Duration = Duration::from_secs(20);
/// How long a connection may take to come up.
const CONNECT_DEADLINE: Duration = Duration::from_secs(2);

/// What a caller gets.
type Answer<T> = Result<T, StoreError>;
/// Where a caller waits for it.
type Reply<T> = oneshot::Sender<Answer<T>>;

/// The store's end of the queues.
#[derive(Debug)]
pub(super) struct Writer {
    queues: [mpsc::Sender<Work>; WRITERS],
    batches: BatchCount,
    tasks: Mutex<Vec<JoinHandle<()>>>,
    pulse: Pulse,
}

/// A work that waits for a writer.
enum Work {
    Record(Box<RecordWork>, Reply<RecordOutcome>),
    Redeem(Box<RedeemWork>, Reply<RedeemOutcome>),
    Note(Box<NoteWork>, Reply<()>),
    Hold(Hold),
    Close,
}

/// Somebody wants a writer to stand still.
struct Hold {
    begun: oneshot::Sender<()>,
    until_dropped: oneshot::Receiver<()>,
}

/// Keeps the writers still until it is dropped: whatever is recorded and redeemed meanwhile waits, up to the bounds of the
/// queues, and then goes into one batch (of at most 512) a writer.
#[derive(Debug)]
pub struct WriterHold {
    queues: [mpsc::Sender<Work>; WRITERS],
    _until_dropped: Vec<oneshot::Sender<()>>,
}

impl WriterHold {
    /// How many writes wait now.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.queues.iter().map(|queue| queue.max_capacity() - queue.capacity()).sum()
    }
}

impl Writer {
    /// Starts the tasks. They connect when there is something to write, and end when the store is closed or
    /// dropped and the queues have drained.
    pub(super) fn start(connector: &Connector, pulse: Pulse, most: MostInABatch) -> Self {
        let mut tasks = Vec::with_capacity(WRITERS);
        let batches = BatchCount::default();
        let queues = std::array::from_fn(|_| {
            let (queue, inbox) = mpsc::channel(MOST_WAITING);
            let serving = Serving {
                inbox,
                connection: None,
                connector: connector.clone(),
                most: most.number(),
                batches: batches.clone(),
            };
            tasks.push(tokio::spawn(supervise(serving)));
            queue
        });
        Self { queues, batches, tasks: Mutex::new(tasks), pulse }
    }

    /// Records a jump.
    pub(super) async fn record(&self, work: RecordWork) -> Answer<RecordOutcome> {
        let queue = self.queue_of(&work.person());
        self.submit(queue, |reply| Work::Record(Box::new(work), reply)).await
    }

    /// Redeems a jump.
    pub(super) async fn redeem(&self, work: RedeemWork) -> Answer<RedeemOutcome> {
        let queue = self.queue_of(&work.jump_id());
        self.submit(queue, |reply| Work::Redeem(Box::new(work), reply)).await
    }

    /// Appends a row to the audit log.
    pub(super) async fn note(&self, work: NoteWork) -> Answer<()> {
        let queue = self.queue_of(&work.audit_id());
        self.submit(queue, |reply| Work::Note(Box::new(work), reply)).await
    }

    /// How many works wait now.
    pub(super) fn waiting(&self) -> usize {
        self.queues.iter().map(|queue| queue.max_capacity() - queue.capacity()).sum()
    }

    /// How many works shared a transaction so far.
    pub(super) fn batches(&self) -> BatchSizes {
        self.batches.read()
    }

    /// Makes the writers stand still.
    pub(super) async fn hold(&self) -> Answer<WriterHold> {
        let mut until_dropped = Vec::with_capacity(WRITERS);
        for queue in &self.queues {
            let (begun, has_begun) = oneshot::channel();
            let (drop_to_end, dropped) = oneshot::channel();
            enqueue(queue, Work::Hold(Hold { begun, until_dropped: dropped }))?;
            has_begun.await.map_err(|_| Gone::Ended)?;
            until_dropped.push(drop_to_end);
        }
        Ok(WriterHold { queues: self.queues.clone(), _until_dropped: until_dropped })
    }

    /// Ends the tasks when all that waits is done. A second call returns at once.
    pub(super) async fn close(&self) {
        let tasks = std::mem::take(&mut *self.tasks.lock().await);
        for queue in &self.queues {
            // Fails only if the task has ended already.
            let _ = queue.send(Work::Close).await;
        }
        for task in tasks {
            let _ = task.await;
        }
    }

    /// The queue for works about `subject`: always the same one.
    fn queue_of(&self, subject: &impl Hash) -> &mpsc::Sender<Work> {
        let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one(subject);
        let [first, second] = &self.queues;
        if hash % 2 == 0 { first } else { second }
    }

    /// Waits for the answer, but no longer than the database answers at all: the work may be done nevertheless.
    async fn submit<T>(&self, queue: &mpsc::Sender<Work>, work: impl FnOnce(Reply<T>) -> Work) -> Answer<T> {
        if self.pulse.is_silent() {
            return Err(Gone::Silent.into());
        }
        let (reply, answer) = oneshot::channel();
        enqueue(queue, work(reply))?;
        tokio::select! {
            answer = answer => answer.map_err(|_| Gone::Ended)?,
            () = self.pulse.falls_silent() => Err(Gone::Silent.into()),
        }
    }
}

fn enqueue(queue: &mpsc::Sender<Work>, work: Work) -> Answer<()> {
    queue.try_send(work).map_err(|refused| match refused {
        mpsc::error::TrySendError::Full(_) => StoreError::Busy,
        mpsc::error::TrySendError::Closed(_) => Gone::Closed.into(),
    })
}

/// The other end of a queue: what its task works with.
struct Serving {
    inbox: mpsc::Receiver<Work>,
    /// `None` after a failure: whatever the old connection was in the middle of must not be carried on.
    connection: Option<PgConnection>,
    connector: Connector,
    /// Most works in one transaction.
    most: usize,
    batches: BatchCount,
}

/// Serves until the store is closed. A work that panics costs its batch, not the writer.
async fn supervise(serving: Serving) {
    let serving = Arc::new(Mutex::new(serving));
    loop {
        match tokio::spawn(serve(Arc::clone(&serving))).await {
            Err(ended) if ended.is_panic() => tracing::error!("store.writer.panicked"),
            Ok(()) | Err(_) => break,
        }
    }
}

/// Serves until the queue is closed and empty.
async fn serve(serving: Arc<Mutex<Serving>>) {
    let mut serving = serving.lock().await;
    let most = serving.most;
    let mut works = Vec::with_capacity(most);
    while serving.inbox.recv_many(&mut works, most).await > 0 {
        let mut batch = Batch::default();
        let mut holds = Vec::new();
        for work in works.drain(..) {
            match work {
                Work::Record(work, reply) => batch.records.push((work, reply)),
                Work::Redeem(work, reply) => batch.redeems.push((work, reply)),
                Work::Note(work, reply) => batch.notes.push((work, reply)),
                Work::Hold(hold) => holds.push(hold),
                Work::Close => serving.inbox.close(),
            }
        }
        serving.run(batch).await;
        // Whoever was answered runs first: what he asks for next then joins those that wait, and not the batch after.
        tokio::task::yield_now().await;
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
    async fn run(&mut self, batch: Batch) {
        if batch.is_empty() {
            return;
        }
        self.batches.note(batch.number());
        let was_kept = self.connection.is_some();
        let mut written = self.attempts(&batch).await;
        // A connection that was kept since the last batch may have ended with the server meanwhile, which may be back.
        if was_kept && matches!(&written, Err(Lost::Before(failure)) if failure.is_disconnection()) {
            written = self.attempts(&batch).await;
        }
        match written {
            Ok(answers) => batch.answer(answers),
            Err(Lost::Before(failure)) => batch.lost(&failure),
            Err(Lost::AtCommit(failure)) => self.settle(batch, failure).await,
        }
    }

    /// Writes and commits a batch; again where others got in the way.
    async fn attempts(&mut self, batch: &Batch) -> Result<Answers, Lost> {
        let mut connection = self.take_connection().await.map_err(Lost::Before)?;
        let mut attempt = 1;
        let lost = loop {
            let lost = match timeout(BATCH_DEADLINE, batch.write(&mut connection)).await {
                Ok(Ok(answers)) => {
                    self.connection = Some(connection);
                    return Ok(answers);
                }
                Ok(Err(lost)) => lost,
                Err(_) => Lost::AtCommit(Gone::Silent.into()),
            };
            match &lost {
                Lost::Before(failure) if failure.may_be_retried() && attempt < session::ATTEMPTS => {
                    tracing::debug!(attempt, "store.batch.retried");
                    attempt += 1;
                }
                Lost::Before(_) | Lost::AtCommit(_) => break lost,
            }
        };
        // Not closed in order: it may be that nobody is there any more.
        drop(connection.close_hard());
        Err(lost)
    }

    /// Answers a batch whose COMMIT nobody answered: whoever's jump is there has it, the others may ask again.
    async fn settle(&mut self, batch: Batch, failure: Failure) {
        tracing::warn!(error = %failure.0, "store.commit.unknown");
        let looked = async {
            let mut connection = self.take_connection().await?;
            let found = batch.look(&mut connection).await?;
            self.connection = Some(connection);
            Step::Ok(found)
        };
        match timeout(BATCH_DEADLINE, looked).await.unwrap_or_else(|_| Err(Gone::Silent.into())) {
            Ok(found) => batch.answer_found(&found, &failure),
            Err(_) => batch.lost(&failure),
        }
    }

    /// The connection, taken out, so that a panic takes it along.
    async fn take_connection(&mut self) -> Step<PgConnection> {
        match self.connection.take() {
            Some(connection) => Ok(connection),
            None => match timeout(CONNECT_DEADLINE, self.connector.connect()).await {
                Ok(connected) => Ok(connected?),
                Err(_) => Err(Gone::Silent.into()),
            },
        }
    }
}

/// Where a batch was lost.
enum Lost {
    /// Before COMMIT was sent: nothing of it is in the database.
    Before(Failure),
    /// While COMMIT was under way: it may be there or not.
    AtCommit(Failure),
}

/// What goes into one transaction.
#[derive(Default)]
struct Batch {
    records: Vec<(Box<RecordWork>, Reply<RecordOutcome>)>,
    redeems: Vec<(Box<RedeemWork>, Reply<RedeemOutcome>)>,
    notes: Vec<(Box<NoteWork>, Reply<()>)>,
}

/// The works of a batch.
#[derive(Default)]
struct Works<'b> {
    records: Vec<&'b RecordWork>,
    redeems: Vec<&'b RedeemWork>,
    notes: Vec<&'b NoteWork>,
}

/// What came of the works, in their order.
#[derive(Default)]
struct Answers {
    records: Vec<Answer<RecordOutcome>>,
    redeems: Vec<Answer<RedeemOutcome>>,
    notes: Vec<Answer<()>>,
}

impl Batch {
    fn is_empty(&self) -> bool {
        self.number() == 0
    }

    /// How many works.
    fn number(&self) -> usize {
        self.records.len() + self.redeems.len() + self.notes.len()
    }

    fn works(&self) -> Works<'_> {
        Works {
            records: self.records.iter().map(|(work, _)| &**work).collect(),
            redeems: self.redeems.iter().map(|(work, _)| &**work).collect(),
            notes: self.notes.iter().map(|(work, _)| &**work).collect(),
        }
    }

    /// The tenants that it is about, each once.
    fn rows(&self) -> Rows {
        let records = self.records.iter().map(|(work, _)| work.tenant());
        let redeems = self.redeems.iter().map(|(work, _)| work.tenant());
        let notes = self.notes.iter().map(|(work, _)| work.tenant());
        let mut tenants: Vec<_> = records.chain(redeems).chain(notes).collect();
        tenants.sort_unstable();
        tenants.dedup();
        Rows::Of(tenants)
    }

    /// Writes and commits. Fails only as a whole.
    async fn write(&self, connection: &mut PgConnection) -> Result<Answers, Lost> {
        let begin = session::begin_statement(session::READ_WRITE, &self.rows(), "");
        let mut tx = session::begin_with(connection, begin).await.map_err(Lost::Before)?;
        let answers = write_works(&mut tx, &self.works()).await.map_err(Lost::Before)?;
        match tx.commit().await.map_err(Failure::from) {
            Ok(()) => Ok(answers),
            Err(failure) if failure.leaves_commit_open() => Err(Lost::AtCommit(failure)),
            Err(failure) => Err(Lost::Before(failure)),
        }
    }

    /// Looks which of its works are in the database.
    async fn look(&self, connection: &mut PgConnection) -> Step<hot::Found> {
        let begin = session::begin_statement(session::READ_ONLY, &self.rows(), "");
        let mut tx = session::begin_with(connection, begin).await?;
        let Works { records, redeems, notes } = self.works();
        let found = hot::look(&mut tx, &records, &redeems, &notes).await?;
        tx.rollback().await?;
        Ok(found)
    }

    /// Answers everybody, after COMMIT.
    fn answer(self, answers: Answers) {
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

    /// Answers those whose works were found; the others hear of the failure.
    fn answer_found(self, found: &hot::Found, failure: &Failure) {
        for (work, reply) in self.records {
            let _ = reply.send(found.recorded(&work).then_some(RecordOutcome::Recorded).ok_or(failure.0.clone()));
        }
        for (work, reply) in self.redeems {
            let _ = reply.send(found.redeemed(&work).then_some(RedeemOutcome::Redeemed).ok_or(failure.0.clone()));
        }
        for (work, reply) in self.notes {
            let _ = reply.send(found.noted(&work).then_some(()).ok_or(failure.0.clone()));
        }
    }

    /// Tells everybody that nothing was written.
    fn lost(self, failure: &Failure) {
        let error = match &failure.0 {
            StoreError::Full(_) | StoreError::Down(_) | StoreError::Contended(_) => failure.0.clone(),
            // Somebody's own error, but the others could not be kept apart from it.
            StoreError::Constraint(cause) => StoreError::Down(Arc::clone(cause)),
            StoreError::Corrupt { .. } | StoreError::Busy => Gone::Ended.into(),
        };
        tracing::error!(error = %error, cause = ?std::error::Error::source(&error), "store.batch.lost");
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

/// Writes works: all at once, or if that fails one by one.
async fn write_works(tx: &mut PgConnection, works: &Works<'_>) -> Step<Answers> {
    match together(tx, works).await? {
        Ok(outcomes) => Ok(Answers {
            records: outcomes.records.into_iter().map(Ok).collect(),
            redeems: outcomes.redeems.into_iter().map(Ok).collect(),
            notes: works.notes.iter().map(|_| Ok(())).collect(),
        }),
        // Whoever was in the way will be gone when the whole batch is written again, or is in the way of each alone too.
        Err(failure) if failure.is_contention() => Err(failure),
        Err(failure) => {
            tracing::warn!(cause = ?std::error::Error::source(&failure.0), "store.batch.split");
            one_by_one(tx, works).await
        }
    }
}

/// Runs works that failed together again, each in a savepoint of its own, so that only the bad one fails.
async fn one_by_one(tx: &mut PgConnection, works: &Works<'_>) -> Step<Answers> {
    let mut answers = Answers::default();
    for record in &works.records {
        let own = together(tx, &Works { records: vec![record], ..Works::default() }).await?;
        answers.records.push(own.map_err(StoreError::from).and_then(|outcomes| first(outcomes.records)));
    }
    for redeem in &works.redeems {
        let own = together(tx, &Works { redeems: vec![redeem], ..Works::default() }).await?;
        answers.redeems.push(own.map_err(StoreError::from).and_then(|outcomes| first(outcomes.redeems)));
    }
    for note in &works.notes {
        let own = together(tx, &Works { notes: vec![note], ..Works::default() }).await?;
        answers.notes.push(own.map_err(StoreError::from).map(drop));
    }
    Ok(answers)
}

/// Writes works in a savepoint of their own. The outer result is that of the batch.
async fn together(tx: &mut PgConnection, works: &Works<'_>) -> Step<Result<hot::Outcomes, Failure>> {
    sqlx::query("SAVEPOINT work").execute(&mut *tx).await?;
    match hot::write(tx, &works.records, &works.redeems, &works.notes).await {
        Ok(outcomes) => {
            sqlx::query("RELEASE SAVEPOINT work").execute(tx).await?;
            Ok(Ok(outcomes))
        }
        Err(failure) => {
            // Where the connection is gone this fails too, and the batch with it.
            sqlx::query("ROLLBACK TO SAVEPOINT work").execute(&mut *tx).await.map_err(|_| failure.clone())?;
            sqlx::query("RELEASE SAVEPOINT work").execute(tx).await?;
            Ok(Err(failure))
        }
    }
}

/// The one outcome of one work.
fn first<T>(outcomes: Vec<T>) -> Answer<T> {
    outcomes.into_iter().next().ok_or_else(|| Gone::Ended.into())
}
