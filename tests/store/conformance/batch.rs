//! Jumps that are recorded and redeemed at the same time: engines write them together, in one transaction.
//!
//! The writers are held until all works wait; then they go in as few batches as the engine makes of them.

use std::fmt::Debug;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use concenter_gateway::domain::audit::{Action, AuditOutcome};
use concenter_gateway::domain::customer::Segment;
use concenter_gateway::domain::error::Reason;
use concenter_gateway::domain::ids::{JumpId, TenantId};
use concenter_gateway::domain::jump::{JUMPS_A_MINUTE, Jump, ProofHash, RecordOutcome, RedeemAttempt, RedeemOutcome};
use concenter_gateway::domain::provider::State;
use concenter_gateway::store::StoreError;
use tokio::task::JoinHandle;

use crate::fixture::jump::{for_broker, for_stranger};
use crate::fixture::{Harness, Hold, target};

/// As many as wait in the classic attack: one link, clicked everywhere at once.
const MANY: usize = 64;

type Answer<T> = Result<T, StoreError>;

/// Waits until all of `works` stand in the queues of the writers that are held.
pub(crate) async fn all_wait<T>(hold: &dyn Hold, works: &[JoinHandle<T>]) {
    while hold.waiting() < works.len() {
        assert!(works.iter().all(|work| !work.is_finished()), "answered before it was written");
        tokio::task::yield_now().await;
    }
}

/// Makes `works` one batch: all are queued while the writers stand still.
pub(crate) async fn in_one_batch<T: Send + 'static>(
    h: &Harness,
    works: Vec<impl Future<Output = T> + Send + 'static>,
) -> Vec<T> {
    let hold = h.inspect.hold_writers().await;
    let works: Vec<_> = works.into_iter().map(tokio::spawn).collect();
    all_wait(hold.as_ref(), &works).await;
    drop(hold);
    let mut answers = Vec::with_capacity(works.len());
    for work in works {
        answers.push(work.await.expect("it ends"));
    }
    answers
}

/// A work of a batch: it owns everything that it needs.
pub(crate) type Work<T> = Pin<Box<dyn Future<Output = Answer<T>> + Send>>;

pub(crate) fn record(h: &Harness, tenant: TenantId, jump: Jump) -> Work<RecordOutcome> {
    let (store, audit) = (Arc::clone(&h.store), h.audit(Action::IssueJump, None));
    Box::pin(async move { store.record_jump(&tenant, &jump, &audit).await })
}

pub(crate) fn redeem(h: &Harness, tenant: TenantId, attempt: RedeemAttempt) -> Work<RedeemOutcome> {
    let (store, audit) = (Arc::clone(&h.store), h.audit(Action::RedeemJump, None));
    Box::pin(async move { store.redeem_jump(&tenant, &attempt, &audit).await })
}

/// The same work, with its answer as text: so that works of different kinds go into one batch.
pub(crate) fn told<T: Debug + 'static>(work: Work<T>) -> Pin<Box<dyn Future<Output = String> + Send>> {
    Box::pin(async move { format!("{:?}", work.await) })
}

/// `jump` as a caller decides it who sends the same request at the same time.
fn twin(h: &Harness, jump: &Jump) -> Jump {
    Jump { jump_id: h.id(JumpId::new), jti_hash: ProofHash(h.bytes()), ..jump.clone() }
}

fn count<T: PartialEq>(answers: &[Answer<T>], wanted: &T) -> usize {
    answers.iter().filter(|answer| answer.as_ref().is_ok_and(|got| got == wanted)).count()
}

pub(crate) async fn of_64_redeems_of_one_jump_in_one_batch_one_wins(h: &Harness) {
    let firm = h.example().await;
    let jump = h.issue(&firm.tenant, for_broker("m.meier")).await;
    let works = (0..MANY).map(|_| redeem(h, firm.tenant, h.attempt(&jump))).collect();
    let answers = in_one_batch(h, works).await;
    assert_eq!(count(&answers, &RedeemOutcome::Redeemed), 1);
    assert_eq!(count(&answers, &RedeemOutcome::AlreadyRedeemed), MANY - 1);
    assert_eq!(h.accepted(&firm.tenant, Action::RedeemJump).await, 1);
    assert_eq!(h.refused(&firm.tenant, Action::RedeemJump, Reason::JumpAlreadyRedeemed).await, MANY - 1);
    assert!(h.inspect.session_revoked_at(&firm.tenant, &jump.jump_id).await.is_some());
}

pub(crate) async fn of_64_records_of_one_request_in_one_batch_one_is_kept(h: &Harness) {
    let firm = h.example().await;
    let jump = h.decide(&firm.tenant, for_broker("m.meier")).await;
    let twins: Vec<_> = (0..MANY).map(|_| twin(h, &jump)).collect();
    let works = twins.iter().map(|twin| record(h, firm.tenant, twin.clone())).collect();
    let answers = in_one_batch(h, works).await;
    assert_eq!(count(&answers, &RecordOutcome::Recorded), 1);
    assert_eq!(count(&answers, &RecordOutcome::Repeated), MANY - 1);
    assert_eq!(h.inspect.count_jumps(&firm.tenant).await, 1);
    assert_eq!(h.accepted(&firm.tenant, Action::IssueJump).await, 1);
    // Whoever was told so has the jump that is there.
    let winner = answers.iter().position(|answer| matches!(answer, Ok(RecordOutcome::Recorded))).expect("one");
    assert_eq!(h.redeem(&firm.tenant, &twins[winner]).await, RedeemOutcome::Redeemed);
}

pub(crate) async fn one_jump_recorded_64_times_in_one_batch_is_kept_once(h: &Harness) {
    let firm = h.example().await;
    let jump = h.decide(&firm.tenant, for_broker("m.meier")).await;
    let works = (0..MANY).map(|_| record(h, firm.tenant, jump.clone())).collect();
    let answers = in_one_batch(h, works).await;
    assert_eq!(count(&answers, &RecordOutcome::Recorded), 1);
    assert_eq!(count(&answers, &RecordOutcome::Repeated), MANY - 1);
    assert_eq!(h.accepted(&firm.tenant, Action::IssueJump).await, 1);
}

pub(crate) async fn of_64_jumps_of_one_person_in_one_batch_as_many_are_kept_as_a_minute_takes(h: &Harness) {
    let firm = h.example().await;
    let kept = usize::try_from(JUMPS_A_MINUTE).expect("a small number");
    let mut works = Vec::new();
    // Somebody else's, one after each of his: nobody pays for the crowd.
    for place in 0..MANY {
        let his = h.decide(&firm.tenant, for_broker("m.meier")).await;
        works.push(record(h, firm.tenant, his));
        let others = h.decide(&firm.tenant, for_stranger(&format!("k-{place}-neu"), Segment::Private)).await;
        works.push(record(h, firm.tenant, others));
    }
    let answers = in_one_batch(h, works).await;
    let (his, others): (Vec<_>, Vec<_>) = answers.chunks(2).map(|pair| (&pair[0], &pair[1])).unzip();
    let recorded = |answer: &&&Answer<RecordOutcome>| matches!(answer, Ok(RecordOutcome::Recorded));
    let stale = |answer: &&&Answer<RecordOutcome>| matches!(answer, Ok(RecordOutcome::Stale));
    assert_eq!(his.iter().filter(recorded).count(), kept);
    assert_eq!(his.iter().filter(stale).count(), MANY - kept);
    assert_eq!(others.iter().filter(recorded).count(), MANY);
    assert_eq!(h.accepted(&firm.tenant, Action::IssueJump).await, kept + MANY);
}

pub(crate) async fn what_is_kept_of_one_batch_counts_in_the_next(h: &Harness) {
    let firm = h.example().await;
    let mut recorded = Vec::new();
    for _ in 0..3 {
        let mut works = Vec::new();
        for _ in 0..20 {
            let jump = h.decide(&firm.tenant, for_broker("m.meier")).await;
            works.push(record(h, firm.tenant, jump));
        }
        recorded.push(count(&in_one_batch(h, works).await, &RecordOutcome::Recorded));
    }
    assert_eq!(recorded, [20, 10, 0]);
}

pub(crate) async fn everybody_in_a_batch_gets_his_own_answer(h: &Harness) {
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
        redeem(h, firm.tenant, elsewhere),
        redeem(h, firm.tenant, at_the_end),
        redeem(h, stranger.tenant, h.attempt(&revoked)),
        redeem(h, firm.tenant, h.attempt(&redeemed)),
        redeem(h, stranger.tenant, h.attempt(&good)),
        redeem(h, firm.tenant, h.attempt(&good)),
    ];
    let answers: Vec<_> = in_one_batch(h, works).await.into_iter().map(|answer| answer.expect("one")).collect();
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

pub(crate) async fn a_batch_of_two_tenants_is_written_for_both(h: &Harness) {
    let (one, other) = (h.example().await, h.firm().await);
    let (mut records, mut redeems) = (Vec::new(), Vec::new());
    // Of each several, so that every writer of an engine gets some of both.
    for tenant in [one.tenant, other.tenant].repeat(8) {
        let open = h.issue(&tenant, for_broker("m.meier")).await;
        redeems.push(redeem(h, tenant, h.attempt(&open)));
        let decided = h.decide(&tenant, for_broker("m.meier")).await;
        records.push(record(h, tenant, decided));
    }
    let works = records.into_iter().map(told).chain(redeems.into_iter().map(told)).collect();
    let answers = in_one_batch(h, works).await;
    assert_eq!(answers[..16], ["Ok(Recorded)"; 16]);
    assert_eq!(answers[16..], ["Ok(Redeemed)"; 16]);
    for tenant in [one.tenant, other.tenant] {
        assert_eq!(h.inspect.count_jumps(&tenant).await, 16);
        assert_eq!(h.accepted(&tenant, Action::RedeemJump).await, 8);
    }
}

pub(crate) async fn a_bad_jump_fails_alone(h: &Harness) {
    let firm = h.example().await;
    let open = h.issue(&firm.tenant, for_broker("m.meier")).await;
    let jump = h.decide(&firm.tenant, for_broker("m.meier")).await;
    let fresh = || Jump { request: h.request(), ..twin(h, &jump) };
    // Nobody decides one like this; the schema refuses it, and with it the statement that it is in.
    let bad = Jump { expires_at: jump.issued_at, ..fresh() };
    let works = vec![
        told(record(h, firm.tenant, fresh())),
        told(record(h, firm.tenant, bad)),
        told(redeem(h, firm.tenant, h.attempt(&open))),
        told(record(h, firm.tenant, fresh())),
    ];
    let answers = in_one_batch(h, works).await;
    assert_eq!([&answers[0], &answers[2], &answers[3]], ["Ok(Recorded)", "Ok(Redeemed)", "Ok(Recorded)"]);
    assert!(answers[1].starts_with("Err(Constraint("), "{}", answers[1]);
    assert_eq!(h.inspect.count_jumps(&firm.tenant).await, 3);
    assert_eq!(h.accepted(&firm.tenant, Action::IssueJump).await, 3);
    assert_eq!(h.accepted(&firm.tenant, Action::RedeemJump).await, 1);
}

pub(crate) async fn a_redeem_that_cannot_be_audited_fails_alone(h: &Harness) {
    let firm = h.example().await;
    let jumps =
        [h.issue(&firm.tenant, for_broker("m.meier")).await, h.issue(&firm.tenant, for_broker("m.meier")).await];
    let taken = h.audit(Action::RedeemJump, None);
    h.store.record_audit(&firm.tenant, &taken, AuditOutcome::Accepted).await.expect("it is written");
    let bad: Work<RedeemOutcome> = {
        let (store, attempt) = (Arc::clone(&h.store), h.attempt(&jumps[0]));
        Box::pin(async move { store.redeem_jump(&firm.tenant, &attempt, &taken).await })
    };
    let works = vec![bad, redeem(h, firm.tenant, h.attempt(&jumps[1]))];
    let answers = in_one_batch(h, works).await;
    assert!(matches!(answers[0], Err(StoreError::Constraint(_))), "{:?}", answers[0]);
    assert!(matches!(answers[1], Ok(RedeemOutcome::Redeemed)), "{:?}", answers[1]);
    assert_eq!(h.redeem(&firm.tenant, &jumps[0]).await, RedeemOutcome::Redeemed, "nobody redeemed it before");
}

pub(crate) async fn a_redeem_whose_caller_went_away_is_done_all_the_same(h: &Harness) {
    let firm = h.example().await;
    let jump = h.issue(&firm.tenant, for_broker("m.meier")).await;
    let hold = h.inspect.hold_writers().await;
    let gone = [tokio::spawn(redeem(h, firm.tenant, h.attempt(&jump)))];
    all_wait(hold.as_ref(), &gone).await;
    for work in gone {
        work.abort();
        assert!(work.await.expect_err("it was dropped").is_cancelled());
    }
    drop(hold);
    // The next hold begins behind it: then it is done.
    drop(h.inspect.hold_writers().await);
    assert_eq!(h.redeem(&firm.tenant, &jump).await, RedeemOutcome::AlreadyRedeemed);
    assert_eq!(h.accepted(&firm.tenant, Action::RedeemJump).await, 1);
}

pub(crate) async fn a_full_queue_is_busy_and_loses_nobody(h: &Harness) {
    let firm = h.example().await;
    let jump = h.issue(&firm.tenant, for_broker("m.meier")).await;
    let hold = h.inspect.hold_writers().await;
    let mut works = Vec::new();
    for _ in 0..1_024 {
        works.push(tokio::spawn(redeem(h, firm.tenant, h.attempt(&jump))));
    }
    all_wait(hold.as_ref(), &works).await;
    let one_more = redeem(h, firm.tenant, h.attempt(&jump)).await;
    assert!(matches!(one_more, Err(StoreError::Busy)), "{one_more:?}");
    drop(hold);
    let mut answers = Vec::new();
    for work in works {
        answers.push(work.await.expect("it ends"));
    }
    assert_eq!(count(&answers, &RedeemOutcome::Redeemed), 1);
    assert_eq!(count(&answers, &RedeemOutcome::AlreadyRedeemed), 1_023);
    assert_eq!(h.redeem(&firm.tenant, &jump).await, RedeemOutcome::AlreadyRedeemed, "there is room again");
}
