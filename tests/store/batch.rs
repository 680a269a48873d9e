//! What happens when many writes share one transaction of the SQLite engine.

use std::fmt::Debug;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use concenter_gateway::domain::audit::{Action, AuditOutcome};
use concenter_gateway::domain::customer::Segment;
use concenter_gateway::domain::error::{Reason, Version};
use concenter_gateway::domain::ids::{JumpId, TenantId};
use concenter_gateway::domain::jump::{JUMPS_A_MINUTE, Jump, ProofHash, RecordOutcome, RedeemAttempt, RedeemOutcome};
use concenter_gateway::domain::provider::State;
use concenter_gateway::domain::user::{ConcenterUser, UserKind};
use concenter_gateway::store::sqlite::{SqliteStore, WriterHold};
use concenter_gateway::store::{CatalogStore as _, JumpStore as _, Outcome, StoreError, UserStore as _};
use tokio::task::JoinHandle;

use crate::fixture::catalog::new_portal;
use crate::fixture::firm::Firm;
use crate::fixture::jump::{for_broker, for_stranger};
use crate::fixture::{Harness, done, target};
use crate::sqlite::opened;

/// As many as wait in the classic attack: one link, clicked everywhere at once.
const MANY: usize = 64;

type Answer<T> = Result<T, StoreError>;

/// Waits until all of `works` stand in the queue of the writer that is held.
async fn all_wait<T>(hold: &WriterHold, works: &[JoinHandle<T>]) {
    while hold.waiting() < works.len() {
        assert!(works.iter().all(|work| !work.is_finished()), "answered before it was written");
        tokio::task::yield_now().await;
    }
}

/// Makes `works` one batch: all are queued while the writer stands still.
async fn in_one_batch<T: Send + 'static>(
    store: &SqliteStore,
    works: Vec<impl Future<Output = T> + Send + 'static>,
) -> Vec<T> {
    let hold = store.hold_writer().await.expect("the writer stands still");
    let works: Vec<_> = works.into_iter().map(tokio::spawn).collect();
    all_wait(&hold, &works).await;
    drop(hold);
    let mut answers = Vec::with_capacity(works.len());
    for work in works {
        answers.push(work.await.expect("it ends"));
    }
    answers
}

/// A work of a batch: it owns everything that it needs.
type Work<T> = Pin<Box<dyn Future<Output = Answer<T>> + Send>>;

fn record(h: &Harness, store: &Arc<SqliteStore>, tenant: TenantId, jump: Jump) -> Work<RecordOutcome> {
    let (store, audit) = (Arc::clone(store), h.audit(Action::IssueJump, None));
    Box::pin(async move { store.record_jump(&tenant, &jump, &audit).await })
}

fn redeem(h: &Harness, store: &Arc<SqliteStore>, tenant: TenantId, attempt: RedeemAttempt) -> Work<RedeemOutcome> {
    let (store, audit) = (Arc::clone(store), h.audit(Action::RedeemJump, None));
    Box::pin(async move { store.redeem_jump(&tenant, &attempt, &audit).await })
}

fn create_user(h: &Harness, store: &Arc<SqliteStore>, firm: &Firm, name: &str) -> Work<Outcome<ConcenterUser>> {
    let (store, tenant) = (Arc::clone(store), firm.tenant);
    let (effect, new) = (h.effect(tenant, Action::CreateUser), h.new_user(name, UserKind::Broker));
    Box::pin(async move { store.create_user(&tenant, &effect, &new).await })
}

/// The same work, with its answer as text: so that works of different kinds go into one batch.
fn told<T: Debug + 'static>(work: Work<T>) -> Pin<Box<dyn Future<Output = String> + Send>> {
    Box::pin(async move { format!("{:?}", work.await) })
}

/// `jump` as a caller decides it who sends the same request at the same time.
fn twin(h: &Harness, jump: &Jump) -> Jump {
    Jump { jump_id: h.id(JumpId::new), jti_hash: ProofHash(h.bytes()), ..jump.clone() }
}

fn count<T: PartialEq>(answers: &[Answer<T>], wanted: &T) -> usize {
    answers.iter().filter(|answer| answer.as_ref().is_ok_and(|got| got == wanted)).count()
}

#[tokio::test]
async fn of_64_redeems_of_one_jump_in_one_batch_one_wins() {
    let (h, store, _directory) = opened().await;
    let firm = h.example().await;
    let jump = h.issue(&firm.tenant, for_broker("m.meier")).await;
    let works = (0..MANY).map(|_| redeem(&h, &store, firm.tenant, h.attempt(&jump))).collect();
    let answers = in_one_batch(&store, works).await;
    assert_eq!(count(&answers, &RedeemOutcome::Redeemed), 1);
    assert_eq!(count(&answers, &RedeemOutcome::AlreadyRedeemed), MANY - 1);
    assert_eq!(h.accepted(&firm.tenant, Action::RedeemJump).await, 1);
    assert_eq!(h.refused(&firm.tenant, Action::RedeemJump, Reason::JumpAlreadyRedeemed).await, MANY - 1);
    assert!(h.inspect.session_revoked_at(&firm.tenant, &jump.jump_id).await.is_some());
}

#[tokio::test]
async fn of_64_records_of_one_request_in_one_batch_one_is_kept() {
    let (h, store, _directory) = opened().await;
    let firm = h.example().await;
    let jump = h.decide(&firm.tenant, for_broker("m.meier")).await;
    let twins: Vec<_> = (0..MANY).map(|_| twin(&h, &jump)).collect();
    let works = twins.iter().map(|twin| record(&h, &store, firm.tenant, twin.clone())).collect();
    let answers = in_one_batch(&store, works).await;
    assert_eq!(count(&answers, &RecordOutcome::Recorded), 1);
    assert_eq!(count(&answers, &RecordOutcome::Repeated), MANY - 1);
    assert_eq!(h.inspect.count_jumps(&firm.tenant).await, 1);
    assert_eq!(h.accepted(&firm.tenant, Action::IssueJump).await, 1);
    // Whoever was told so has the jump that is there.
    let winner = answers.iter().position(|answer| matches!(answer, Ok(RecordOutcome::Recorded))).expect("one");
    assert_eq!(h.redeem(&firm.tenant, &twins[winner]).await, RedeemOutcome::Redeemed);
}

#[tokio::test]
async fn one_jump_recorded_64_times_in_one_batch_is_kept_once() {
    let (h, store, _directory) = opened().await;
    let firm = h.example().await;
    let jump = h.decide(&firm.tenant, for_broker("m.meier")).await;
    let works = (0..MANY).map(|_| record(&h, &store, firm.tenant, jump.clone())).collect();
    let answers = in_one_batch(&store, works).await;
    assert_eq!(count(&answers, &RecordOutcome::Recorded), 1);
    assert_eq!(count(&answers, &RecordOutcome::Repeated), MANY - 1);
    assert_eq!(h.accepted(&firm.tenant, Action::IssueJump).await, 1);
}

#[tokio::test]
async fn of_64_jumps_of_one_person_in_one_batch_as_many_are_kept_as_a_minute_takes() {
    let (h, store, _directory) = opened().await;
    let firm = h.example().await;
    let kept = usize::try_from(JUMPS_A_MINUTE).expect("a small number");
    let mut works = Vec::new();
    // Somebody else's, one after each of his: nobody pays for the crowd.
    for place in 0..MANY {
        let his = h.decide(&firm.tenant, for_broker("m.meier")).await;
        works.push(record(&h, &store, firm.tenant, his));
        let others = h.decide(&firm.tenant, for_stranger(&format!("k-{place}-neu"), Segment::Private)).await;
        works.push(record(&h, &store, firm.tenant, others));
    }
    let answers = in_one_batch(&store, works).await;
    let (his, others): (Vec<_>, Vec<_>) = answers.chunks(2).map(|pair| (&pair[0], &pair[1])).unzip();
    let recorded = |answer: &&&Answer<RecordOutcome>| matches!(answer, Ok(RecordOutcome::Recorded));
    let stale = |answer: &&&Answer<RecordOutcome>| matches!(answer, Ok(RecordOutcome::Stale));
    assert_eq!(his.iter().filter(recorded).count(), kept);
    assert_eq!(his.iter().filter(stale).count(), MANY - kept);
    assert_eq!(others.iter().filter(recorded).count(), MANY);
    assert_eq!(h.accepted(&firm.tenant, Action::IssueJump).await, kept + MANY);
}

#[tokio::test]
async fn what_is_kept_of_one_batch_counts_in_the_next() {
    let (h, store, _directory) = opened().await;
    let firm = h.example().await;
    let mut recorded = Vec::new();
    for _ in 0..3 {
        let mut works = Vec::new();
        for _ in 0..20 {
            let jump = h.decide(&firm.tenant, for_broker("m.meier")).await;
            works.push(record(&h, &store, firm.tenant, jump));
        }
        recorded.push(count(&in_one_batch(&store, works).await, &RecordOutcome::Recorded));
    }
    assert_eq!(recorded, [20, 10, 0]);
}

#[tokio::test]
async fn everybody_in_a_batch_gets_his_own_answer() {
    let (h, store, _directory) = opened().await;
    let firm = h.example().await;
    let stranger = h.firm().await;
    let late = h.issue(&firm.tenant, for_broker("m.meier")).await;
    let revoked = h.issue(&stranger.tenant, for_broker("m.meier")).await;
    let redeemed = h.issue(&firm.tenant, for_broker("m.meier")).await;
    let good = h.issue(&firm.tenant, for_broker("m.meier")).await;
    h.redeem(&firm.tenant, &redeemed).await;
    h.set_user_state(&stranger, &stranger.schulze, State::Disabled).await;
    let at_the_end = RedeemAttempt { at: late.expires_at.plus(Duration::from_secs(5)), ..h.attempt(&late) };
    let elsewhere = RedeemAttempt { target_id: target("auskunft"), ..h.attempt(&good) };
    let works = vec![
        redeem(&h, &store, firm.tenant, elsewhere),
        redeem(&h, &store, firm.tenant, at_the_end),
        redeem(&h, &store, stranger.tenant, h.attempt(&revoked)),
        redeem(&h, &store, firm.tenant, h.attempt(&redeemed)),
        redeem(&h, &store, stranger.tenant, h.attempt(&good)),
        redeem(&h, &store, firm.tenant, h.attempt(&good)),
    ];
    let answers: Vec<_> = in_one_batch(&store, works).await.into_iter().map(|answer| answer.expect("one")).collect();
    let expected = [
        RedeemOutcome::Unknown,
        RedeemOutcome::Expired,
        RedeemOutcome::Revoked,
        RedeemOutcome::AlreadyRedeemed,
        RedeemOutcome::Unknown,
        RedeemOutcome::Redeemed,
    ];
    assert_eq!(answers, expected);
}

#[tokio::test]
async fn a_user_disabled_in_a_batch_is_not_jumped_with_in_that_batch() {
    let (h, store, _directory) = opened().await;
    let firm = h.example().await;
    let open = h.issue(&firm.tenant, for_broker("m.meier")).await;
    let decided = h.decide(&firm.tenant, for_broker("m.meier")).await;
    let disable: Work<Outcome<ConcenterUser>> = {
        let (store, effect) = (Arc::clone(&store), h.effect(firm.tenant, Action::DisableUser));
        Box::pin(async move {
            store.set_user_state(&firm.tenant, &effect, &firm.meier, Version::FIRST, State::Disabled).await
        })
    };
    let works = vec![
        told(redeem(&h, &store, firm.tenant, h.attempt(&open))),
        told(record(&h, &store, firm.tenant, decided)),
        told(disable),
    ];
    let answers = in_one_batch(&store, works).await;
    assert_eq!(answers[..2], ["Ok(Revoked)", "Ok(Stale)"]);
    assert!(answers[2].starts_with("Ok(Done("), "{}", answers[2]);
}

#[tokio::test]
async fn a_bad_jump_fails_alone() {
    let (h, store, _directory) = opened().await;
    let firm = h.example().await;
    let open = h.issue(&firm.tenant, for_broker("m.meier")).await;
    let jump = h.decide(&firm.tenant, for_broker("m.meier")).await;
    let fresh = || Jump { request: h.request(), ..twin(&h, &jump) };
    // Nobody decides one like this; the schema refuses it, and with it the statement that it is in.
    let bad = Jump { expires_at: jump.issued_at, ..fresh() };
    let works = vec![
        told(record(&h, &store, firm.tenant, fresh())),
        told(record(&h, &store, firm.tenant, bad)),
        told(redeem(&h, &store, firm.tenant, h.attempt(&open))),
        told(record(&h, &store, firm.tenant, fresh())),
        told(create_user(&h, &store, &firm, "neu")),
    ];
    let answers = in_one_batch(&store, works).await;
    assert_eq!([&answers[0], &answers[2], &answers[3]], ["Ok(Recorded)", "Ok(Redeemed)", "Ok(Recorded)"]);
    assert!(answers[1].starts_with("Err(Constraint("), "{}", answers[1]);
    assert!(answers[4].starts_with("Ok(Done("), "{}", answers[4]);
    assert_eq!(h.inspect.count_jumps(&firm.tenant).await, 3);
    assert_eq!(h.accepted(&firm.tenant, Action::IssueJump).await, 3);
    assert_eq!(h.accepted(&firm.tenant, Action::RedeemJump).await, 1);
}

#[tokio::test]
async fn a_redeem_that_cannot_be_audited_fails_alone() {
    let (h, store, _directory) = opened().await;
    let firm = h.example().await;
    let jumps =
        [h.issue(&firm.tenant, for_broker("m.meier")).await, h.issue(&firm.tenant, for_broker("m.meier")).await];
    let taken = h.audit(Action::RedeemJump, None);
    h.store.record_audit(&firm.tenant, &taken, AuditOutcome::Accepted).await.expect("it is written");
    let bad: Work<RedeemOutcome> = {
        let (store, attempt) = (Arc::clone(&store), h.attempt(&jumps[0]));
        Box::pin(async move { store.redeem_jump(&firm.tenant, &attempt, &taken).await })
    };
    let works = vec![bad, redeem(&h, &store, firm.tenant, h.attempt(&jumps[1]))];
    let answers = in_one_batch(&store, works).await;
    assert!(matches!(answers[0], Err(StoreError::Constraint(_))), "{:?}", answers[0]);
    assert!(matches!(answers[1], Ok(RedeemOutcome::Redeemed)), "{:?}", answers[1]);
    assert_eq!(h.redeem(&firm.tenant, &jumps[0]).await, RedeemOutcome::Redeemed, "nobody redeemed it before");
}

#[tokio::test]
async fn a_bad_effect_fails_alone() {
    let (h, store, _directory) = opened().await;
    let firm = h.example().await;
    let jump = h.decide(&firm.tenant, for_broker("m.meier")).await;
    let bad = {
        let (store, effect) = (Arc::clone(&store), h.effect(TenantId::SYSTEM, Action::PutTarget));
        let mut open = new_portal("offen");
        open.accepts.customers = true;
        Box::pin(async move { store.put_target(&effect, &open, None).await })
    };
    let works = vec![
        told(create_user(&h, &store, &firm, "erster")),
        told(bad),
        told(create_user(&h, &store, &firm, "zweiter")),
        told(record(&h, &store, firm.tenant, jump)),
    ];
    let answers = in_one_batch(&store, works).await;
    assert!(answers[1].starts_with("Err(Constraint("), "{}", answers[1]);
    assert!(answers[0].starts_with("Ok(Done(") && answers[2].starts_with("Ok(Done("), "{answers:?}");
    assert_eq!(answers[3], "Ok(Recorded)");
    assert_eq!(h.accepted(&firm.tenant, Action::CreateUser).await, 6);
}

#[tokio::test]
async fn a_write_whose_caller_went_away_is_done_all_the_same() {
    let (h, store, _directory) = opened().await;
    let firm = h.example().await;
    let jump = h.issue(&firm.tenant, for_broker("m.meier")).await;
    let hold = store.hold_writer().await.expect("the writer stands still");
    let gone = [
        tokio::spawn(told(create_user(&h, &store, &firm, "neu"))),
        tokio::spawn(told(redeem(&h, &store, firm.tenant, h.attempt(&jump)))),
    ];
    all_wait(&hold, &gone).await;
    for work in gone {
        work.abort();
        assert!(work.await.expect_err("it was dropped").is_cancelled());
    }
    drop(hold);
    // Behind both in the queue: when this one is answered, they are done.
    done(create_user(&h, &store, &firm, "danach").await);
    assert_eq!(h.accepted(&firm.tenant, Action::CreateUser).await, 6);
    assert_eq!(h.accepted(&firm.tenant, Action::RedeemJump).await, 1);
    assert_eq!(h.redeem(&firm.tenant, &jump).await, RedeemOutcome::AlreadyRedeemed);
}

#[tokio::test]
async fn a_full_queue_is_busy_and_loses_nobody() {
    let (h, store, _directory) = opened().await;
    let firm = h.example().await;
    let jump = h.issue(&firm.tenant, for_broker("m.meier")).await;
    let hold = store.hold_writer().await.expect("the writer stands still");
    let mut works = Vec::new();
    for _ in 0..1_024 {
        works.push(tokio::spawn(redeem(&h, &store, firm.tenant, h.attempt(&jump))));
    }
    all_wait(&hold, &works).await;
    let one_more = redeem(&h, &store, firm.tenant, h.attempt(&jump)).await;
    assert!(matches!(one_more, Err(StoreError::Busy)), "{one_more:?}");
    drop(hold);
    let mut answers = Vec::new();
    for work in works {
        answers.push(work.await.expect("it ends"));
    }
    assert_eq!(count(&answers, &RedeemOutcome::Redeemed), 1);
    assert_eq!(count(&answers, &RedeemOutcome::AlreadyRedeemed), 1_023);
    done(create_user(&h, &store, &firm, "neu").await);
}
