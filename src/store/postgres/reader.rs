//! The readers of jumps: what deciding and redeeming ask, of several callers at once.
//!
//! A read costs its round trips, whatever it reads. So questions wait in one bounded queue, and a reader takes all that
//! wait: one transaction, one statement for each kind of row, however many ask. There is no timer; alone, nobody waits
//! longer than before. Nothing is kept: every answer is fresh.

use std::sync::Arc;
use std::time::Duration;

use sqlx::PgPool;
use sqlx::postgres::PgConnection;
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::time::timeout;

use super::error::{Gone, Step};
use super::jumps::{self, Proof};
use super::pulse::Pulse;
use super::questions::{self, Question};
use super::session::{self, Rows};
use crate::domain::ids::TenantId;
use crate::domain::jump::{JumpInputs, RedeemInputs};
use crate::store::StoreError;

/// Readers; while one waits for the server another one asks.
const READERS: usize = 2;
/// Most questions that wait; one more is refused as [`StoreError::Busy`].
const MOST_WAITING: usize = 2_048;
/// Most questions in one transaction.
const MOST_AT_ONCE: usize = 128;
/// How long a transaction may take: longer than the database's own limit for a statement.
const DEADLINE: Duration = Duration::from_secs(20);

/// What a caller gets.
type Answer<T> = Result<Option<T>, StoreError>;
/// Where a caller waits for it.
type Reply<T> = oneshot::Sender<Answer<T>>;

/// The store's end of the queue. When it is dropped the readers end.
#[derive(Debug)]
pub(super) struct Reader {
    queue: mpsc::Sender<Asked>,
    pulse: Pulse,
}

/// A question that waits for a reader.
enum Asked {
    Jump(Box<Question>, Reply<JumpInputs>),
    Redeem(Proof, Reply<RedeemInputs>),
}

impl Reader {
    /// Starts the tasks, which take their connections from `pool`.
    pub(super) fn start(pool: &PgPool, pulse: Pulse) -> Self {
        let (queue, inbox) = mpsc::channel(MOST_WAITING);
        let inbox = Arc::new(Mutex::new(inbox));
        for _ in 0..READERS {
            tokio::spawn(supervise(pool.clone(), Arc::clone(&inbox)));
        }
        Self { queue, pulse }
    }

    /// Asks what a decision needs.
    pub(super) async fn jump_inputs(&self, question: Question) -> Answer<JumpInputs> {
        self.ask(|reply| Asked::Jump(Box::new(question), reply)).await
    }

    /// Asks what a redemption needs.
    pub(super) async fn redeem_inputs(&self, proof: Proof) -> Answer<RedeemInputs> {
        self.ask(|reply| Asked::Redeem(proof, reply)).await
    }

    /// Waits for the answer, but no longer than the database answers at all.
    async fn ask<T>(&self, asked: impl FnOnce(Reply<T>) -> Asked) -> Answer<T> {
        if self.pulse.is_silent() {
            return Err(Gone::Silent.into());
        }
        let (reply, answer) = oneshot::channel();
        self.queue.try_send(asked(reply)).map_err(|refused| match refused {
            mpsc::error::TrySendError::Full(_) => StoreError::Busy,
            mpsc::error::TrySendError::Closed(_) => Gone::Closed.into(),
        })?;
        tokio::select! {
            answer = answer => answer.map_err(|_| Gone::Ended)?,
            () = self.pulse.falls_silent() => Err(Gone::Silent.into()),
        }
    }
}

/// Reads until the store is dropped. A question that panics costs those that are read with it, not the reader.
async fn supervise(pool: PgPool, inbox: Arc<Mutex<mpsc::Receiver<Asked>>>) {
    loop {
        match tokio::spawn(serve(pool.clone(), Arc::clone(&inbox))).await {
            Err(ended) if ended.is_panic() => tracing::error!("store.reader.panicked"),
            Ok(()) | Err(_) => break,
        }
    }
}

async fn serve(pool: PgPool, inbox: Arc<Mutex<mpsc::Receiver<Asked>>>) {
    let mut asked = Vec::with_capacity(MOST_AT_ONCE);
    // One reader waits for questions, the other one for its turn.
    while inbox.lock().await.recv_many(&mut asked, MOST_AT_ONCE).await > 0 {
        let mut batch = Batch::default();
        for one in asked.drain(..) {
            match one {
                Asked::Jump(question, reply) => {
                    batch.questions.push(*question);
                    batch.jump_replies.push(reply);
                }
                Asked::Redeem(proof, reply) => {
                    batch.proofs.push(proof);
                    batch.redeem_replies.push(reply);
                }
            }
        }
        let read = timeout(DEADLINE, batch.read(&pool)).await;
        batch.answer(read.unwrap_or_else(|_| Err(Gone::Silent.into())));
    }
}

/// Questions that are read together, and where their answers go.
#[derive(Default)]
struct Batch {
    questions: Vec<Question>,
    jump_replies: Vec<Reply<JumpInputs>>,
    proofs: Vec<Proof>,
    redeem_replies: Vec<Reply<RedeemInputs>>,
}

/// Answers in the order of the questions.
struct Answers {
    jumps: Vec<Step<Option<JumpInputs>>>,
    redeems: Vec<Step<Option<RedeemInputs>>>,
}

impl Batch {
    async fn read(&self, pool: &PgPool) -> Step<Answers> {
        let mut connection = pool.acquire().await?;
        let begin = session::begin_statement(session::READ_ONLY, &Rows::Of(self.tenants()), "");
        let mut tx = session::begin_with(&mut connection, begin).await?;
        let answers = self.read_in(&mut tx).await?;
        tx.rollback().await?;
        Ok(answers)
    }

    async fn read_in(&self, tx: &mut PgConnection) -> Step<Answers> {
        let jumps = questions::read(tx, &self.questions).await?;
        let redeems = jumps::find(tx, &self.proofs).await?;
        Ok(Answers { jumps, redeems })
    }

    /// The tenants that are asked about, each once.
    fn tenants(&self) -> Vec<TenantId> {
        let of_questions = self.questions.iter().map(|question| question.tenant);
        let mut tenants: Vec<_> = of_questions.chain(self.proofs.iter().map(|proof| proof.tenant)).collect();
        tenants.sort_unstable();
        tenants.dedup();
        tenants
    }

    /// Answers everybody; with one failure if there is no answer for anybody.
    fn answer(self, read: Step<Answers>) {
        // Nobody listens where the caller went away.
        match read {
            Ok(answers) => {
                for (reply, answer) in self.jump_replies.into_iter().zip(answers.jumps) {
                    let _ = reply.send(answer.map_err(StoreError::from));
                }
                for (reply, answer) in self.redeem_replies.into_iter().zip(answers.redeems) {
                    let _ = reply.send(answer.map_err(StoreError::from));
                }
            }
            Err(failure) => {
                for reply in self.jump_replies {
                    let _ = reply.send(Err(failure.0.clone()));
                }
                for reply in self.redeem_replies {
                    let _ = reply.send(Err(failure.0.clone()));
                }
            }
        }
    }
}
