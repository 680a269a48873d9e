//! The readers of jumps: what deciding and redeeming ask, of several callers at once.
//!
//! A read costs its statements, whatever they find. So questions wait in one bounded queue, and a reader takes all that
//! wait: one transaction, one statement for each kind of row, however many ask. There is no timer; alone, nobody waits
//! longer than before. Nothing is kept: every answer is fresh.
//!
//! How they are read is the engine's ([`Reads`]).

use std::collections::{HashMap, HashSet};
use std::iter;
use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::{Mutex, mpsc, oneshot};

use super::StoreError;
use crate::domain::audit::{AuditedPerson, Salt};
use crate::domain::customer::Segment;
use crate::domain::ids::{CustomerId, TenantId, UserId};
use crate::domain::jump::{
    JumpInputs, JumpOrder, JumpQuery, Person, PersonInputs, PersonQuery, ProofHash, RedeemInputs, RedeemQuery,
    RequestKey,
};
use crate::domain::resolve::{Assignments, CandidateCustomer};
use crate::domain::target::WebUrl;
use crate::domain::time::Timestamp;

/// Most questions that wait; one more is refused as [`StoreError::Busy`].
const MOST_WAITING: usize = 2_048;
/// Most questions that are read together.
const MOST_AT_ONCE: usize = 128;

/// What is asked before a decision, and of which tenant.
pub(super) struct JumpQuestion {
    pub(super) tenant: TenantId,
    pub(super) order: JumpOrder,
    pub(super) return_url: Option<WebUrl>,
    pub(super) request: Option<RequestKey>,
    pub(super) people: Vec<AuditedPerson>,
    pub(super) now: Timestamp,
}

/// What is asked of a person before a decision, where all else is known, and of which tenant.
pub(super) struct PersonQuestion {
    pub(super) tenant: TenantId,
    pub(super) person: Person,
    pub(super) people: Vec<AuditedPerson>,
}

/// What is asked before a redemption, and of which tenant.
pub(super) struct RedeemQuestion {
    pub(super) tenant: TenantId,
    pub(super) proof: ProofHash,
    pub(super) people: Vec<AuditedPerson>,
    pub(super) now: Timestamp,
}

/// What is asked at once.
#[derive(Default)]
pub(super) struct Questions {
    pub(super) jumps: Vec<JumpQuestion>,
    pub(super) persons: Vec<PersonQuestion>,
    pub(super) redeems: Vec<RedeemQuestion>,
}

/// What one of them is answered; `None` where there is no such tenant or jump.
pub(super) type Answer<T> = Result<Option<T>, StoreError>;

/// What all of them are answered, in the order of the questions. One whose rows do not read fails alone.
pub(super) struct Answers {
    pub(super) jumps: Vec<Answer<JumpInputs>>,
    pub(super) persons: Vec<Answer<PersonInputs>>,
    pub(super) redeems: Vec<Answer<RedeemInputs>>,
}

/// A person of a tenant.
pub(super) type PersonKey = (TenantId, AuditedPerson);

impl Questions {
    /// Those whose way to a user is asked for: of the jumps, and then of the persons, in the order of the questions.
    pub(super) fn persons(&self) -> Vec<(TenantId, &Person)> {
        let of_jumps = self.jumps.iter().map(|question| (question.tenant, &question.order.person));
        of_jumps.chain(self.persons.iter().map(|question| (question.tenant, &question.person))).collect()
    }
}

impl Answers {
    /// Everybody whose salt is wanted, each once.
    pub(super) fn people(&self, questions: &Questions) -> HashSet<PersonKey> {
        let of_jumps = questions.jumps.iter().map(|question| (question.tenant, &question.people));
        let of_persons = questions.persons.iter().map(|question| (question.tenant, &question.people));
        let named = of_jumps.chain(of_persons).flat_map(|(tenant, people)| keys(tenant, people.iter().cloned()));
        let of_redeems = questions.redeems.iter().zip(&self.redeems);
        let of_redeems = of_redeems.flat_map(|(question, answer)| keys(question.tenant, question.people_of(answer)));
        named.chain(of_redeems).collect()
    }

    /// Puts the salts into the answers.
    pub(super) fn with_salts(mut self, questions: &Questions, salts: &HashMap<PersonKey, Salt>) -> Self {
        let of_all = |tenant, people: Vec<AuditedPerson>| {
            keys(tenant, people).map(|person| salts.get(&person).copied()).collect()
        };
        for (question, answer) in questions.jumps.iter().zip(&mut self.jumps) {
            if let Ok(Some(inputs)) = answer {
                inputs.salts = of_all(question.tenant, question.people.clone());
            }
        }
        for (question, answer) in questions.persons.iter().zip(&mut self.persons) {
            if let Ok(Some(inputs)) = answer {
                inputs.salts = of_all(question.tenant, question.people.clone());
            }
        }
        for (question, answer) in questions.redeems.iter().zip(&mut self.redeems) {
            let people = question.people_of(answer);
            if let Ok(Some(inputs)) = answer {
                inputs.salts = of_all(question.tenant, people);
            }
        }
        self
    }
}

fn keys(tenant: TenantId, people: impl IntoIterator<Item = AuditedPerson>) -> impl Iterator<Item = PersonKey> {
    people.into_iter().map(move |person| (tenant, person))
}

/// What leads a customer to a user: his tenant's shared users, and his record if there is one.
pub(super) struct CustomerRow {
    pub(super) segment: Option<Segment>,
    pub(super) own_user: Option<UserId>,
    pub(super) private_user: Option<UserId>,
    pub(super) commercial_user: Option<UserId>,
    pub(super) commercial_falls_back: bool,
    pub(super) jump_version: Option<i64>,
}

impl CustomerRow {
    /// Every user that could be meant, each once, and always in the same order.
    pub(super) fn users(&self) -> impl Iterator<Item = UserId> {
        let mut seen = HashSet::new();
        let named = [self.own_user, self.private_user, self.commercial_user];
        named.into_iter().flatten().filter(move |user| seen.insert(*user))
    }

    /// What it assigns to `customer`, whose row it is.
    pub(super) fn assignments(&self, customer: &CustomerId) -> Assignments {
        let of_record = |segment| CandidateCustomer { customer_id: customer.clone(), segment, user_id: self.own_user };
        Assignments::Customer {
            record: self.segment.map(of_record),
            private_user: self.private_user,
            commercial_user: self.commercial_user,
            commercial_falls_back: self.commercial_falls_back,
        }
    }
}

/// An engine that reads for several callers at once.
#[async_trait]
pub(super) trait Reads: Clone + Send + Sync + 'static {
    /// Reads what all of them ask, at one point in time.
    async fn read(&self, questions: &Questions) -> Result<Answers, StoreError>;
}

/// Where a caller waits for his answer.
type Reply<T> = oneshot::Sender<Answer<T>>;

/// The store's end of the queue. When it is dropped the readers end.
#[derive(Debug)]
pub(super) struct Reader(mpsc::Sender<Asked>);

/// A question that waits for a reader.
enum Asked {
    Jump(Box<JumpQuestion>, Reply<JumpInputs>),
    Person(Box<PersonQuestion>, Reply<PersonInputs>),
    Redeem(Box<RedeemQuestion>, Reply<RedeemInputs>),
}

/// Why a question was not answered.
#[derive(Debug, Clone, Copy, thiserror::Error)]
enum ReaderGone {
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
    /// The runtime is shutting down, or a question panicked.
    #[error("the reader ended before it answered")]
    Ended,
}

impl From<ReaderGone> for StoreError {
    fn from(gone: ReaderGone) -> Self {
        Self::Down(Arc::new(gone))
    }
}

impl JumpQuestion {
    /// What `query` asks of `tenant`, for as long as it has to wait.
    fn of(tenant: &TenantId, query: JumpQuery<'_>) -> Self {
        let JumpQuery { order, return_url, request, people, now } = query;
        Self {
            tenant: *tenant,
            order: order.clone(),
            return_url: return_url.cloned(),
            request: request.cloned(),
            people: people.to_vec(),
            now,
        }
    }
}

impl PersonQuestion {
    fn of(tenant: &TenantId, query: PersonQuery<'_>) -> Self {
        let PersonQuery { person, people } = query;
        Self { tenant: *tenant, person: person.clone(), people: people.to_vec() }
    }
}

impl RedeemQuestion {
    fn of(tenant: &TenantId, query: RedeemQuery<'_>) -> Self {
        let RedeemQuery { proof, people, now } = query;
        Self { tenant: *tenant, proof: *proof, people: people.to_vec(), now }
    }

    /// Whose salts the answer is to tell: those of whom is asked about, and those of the jump's own people.
    fn people_of(&self, answer: &Answer<RedeemInputs>) -> Vec<AuditedPerson> {
        match answer {
            Ok(Some(inputs)) => self.people.iter().cloned().chain(inputs.jump.order.people()).collect(),
            Ok(None) | Err(_) => Vec::new(),
        }
    }
}

impl Reader {
    /// Starts so many readers of `engine`. Needs a Tokio runtime.
    pub(super) fn start(engine: &impl Reads, readers: usize) -> Self {
        let (queue, inbox) = mpsc::channel(MOST_WAITING);
        let inbox = Arc::new(Mutex::new(inbox));
        for _ in 0..readers {
            tokio::spawn(supervise(engine.clone(), Arc::clone(&inbox)));
        }
        Self(queue)
    }

    /// Asks what a decision needs.
    pub(super) async fn jump_inputs(&self, tenant: &TenantId, query: JumpQuery<'_>) -> Answer<JumpInputs> {
        self.ask(|reply| Asked::Jump(Box::new(JumpQuestion::of(tenant, query)), reply)).await
    }

    /// Asks what a decision needs of the person.
    pub(super) async fn person_inputs(&self, tenant: &TenantId, query: PersonQuery<'_>) -> Answer<PersonInputs> {
        self.ask(|reply| Asked::Person(Box::new(PersonQuestion::of(tenant, query)), reply)).await
    }

    /// Asks what a redemption needs.
    pub(super) async fn redeem_inputs(&self, tenant: &TenantId, query: RedeemQuery<'_>) -> Answer<RedeemInputs> {
        self.ask(|reply| Asked::Redeem(Box::new(RedeemQuestion::of(tenant, query)), reply)).await
    }

    /// How many questions wait now.
    pub(super) fn waiting(&self) -> usize {
        self.0.max_capacity() - self.0.capacity()
    }

    async fn ask<T>(&self, asked: impl FnOnce(Reply<T>) -> Asked) -> Answer<T> {
        let (reply, answer) = oneshot::channel();
        self.0.try_send(asked(reply)).map_err(|refused| match refused {
            mpsc::error::TrySendError::Full(_) => StoreError::Busy,
            mpsc::error::TrySendError::Closed(_) => ReaderGone::Closed.into(),
        })?;
        answer.await.map_err(|_| ReaderGone::Ended)?
    }
}

/// Reads until the store is dropped. A question that panics costs those that are read with it, not the reader.
async fn supervise(engine: impl Reads, inbox: Arc<Mutex<mpsc::Receiver<Asked>>>) {
    loop {
        match tokio::spawn(serve(engine.clone(), Arc::clone(&inbox))).await {
            Err(ended) if ended.is_panic() => tracing::error!("store.reader.panicked"),
            Ok(()) | Err(_) => break,
        }
    }
}

async fn serve(engine: impl Reads, inbox: Arc<Mutex<mpsc::Receiver<Asked>>>) {
    let mut asked = Vec::with_capacity(MOST_AT_ONCE);
    // One reader waits for questions, the others for their turn.
    while inbox.lock().await.recv_many(&mut asked, MOST_AT_ONCE).await > 0 {
        let mut batch = Batch::default();
        for one in asked.drain(..) {
            match one {
                Asked::Jump(question, reply) => {
                    batch.questions.jumps.push(*question);
                    batch.replies.jumps.push(reply);
                }
                Asked::Person(question, reply) => {
                    batch.questions.persons.push(*question);
                    batch.replies.persons.push(reply);
                }
                Asked::Redeem(question, reply) => {
                    batch.questions.redeems.push(*question);
                    batch.replies.redeems.push(reply);
                }
            }
        }
        let read = engine.read(&batch.questions).await;
        batch.replies.answer(read);
        // Whoever was answered runs first: what others ask meanwhile then joins those that wait, and not the batch after.
        tokio::task::yield_now().await;
    }
}

/// Questions that are read together, and where their answers go.
#[derive(Default)]
struct Batch {
    questions: Questions,
    replies: Replies,
}

/// Where answers go, in the order of the questions.
#[derive(Default)]
struct Replies {
    jumps: Vec<Reply<JumpInputs>>,
    persons: Vec<Reply<PersonInputs>>,
    redeems: Vec<Reply<RedeemInputs>>,
}

impl Replies {
    /// Answers everybody; with one failure if there is no answer for anybody.
    fn answer(self, read: Result<Answers, StoreError>) {
        match read {
            Ok(Answers { jumps, persons, redeems }) => {
                send(self.jumps, jumps);
                send(self.persons, persons);
                send(self.redeems, redeems);
            }
            Err(failure) => {
                send(self.jumps, iter::repeat_with(|| Err(failure.clone())));
                send(self.persons, iter::repeat_with(|| Err(failure.clone())));
                send(self.redeems, iter::repeat_with(|| Err(failure.clone())));
            }
        }
    }
}

fn send<T>(replies: Vec<Reply<T>>, answers: impl IntoIterator<Item = Answer<T>>) {
    for (reply, answer) in replies.into_iter().zip(answers) {
        // Nobody listens where the caller went away.
        let _ = reply.send(answer);
    }
}
