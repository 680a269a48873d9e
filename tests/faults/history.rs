//! What was answered holds: histories of disabling, enabling, jumping and redeeming, played at random and then checked.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tonic::transport::Channel;

use crate::chance::{Dice, number};
use crate::firm::{Firm, request_id};
use crate::gateway::{AT_MOST, Gateway};
use crate::postgres;

/// People who jump and redeem while the user is disabled and enabled.
const JUMPERS: usize = 4;
/// How often each of them jumps.
const JUMPS: usize = 2;
/// How often the user is disabled and enabled.
const CHANGES: usize = 2;
/// Most looks at the list of users between two steps of anybody: so that steps come in every order.
const LOOKS: u64 = 6;
/// A history begins no sooner after the one before: five brokers play in each, and each of the hundred gets 30 jumps a minute.
const EACH: Duration = Duration::from_millis(250);

/// A call, from before it was sent until after its answer came: instants of one clock for all, each once.
#[derive(Debug, Clone, Copy)]
struct Span {
    begun: usize,
    ended: usize,
}

/// What was answered OK.
#[derive(Debug, Default)]
struct History {
    disabled: Vec<Span>,
    enabled: Vec<Span>,
    /// A jump and its redemption.
    redeemed: Vec<(Span, Span)>,
}

impl History {
    /// A redemption that no order of these calls explains: it began after a disable had been answered, and its jump had
    /// been answered before anybody began to enable again. Only one person disables and enables, one after the other.
    fn contradiction(&self) -> Option<(Span, Span)> {
        self.redeemed.iter().copied().find(|(jump, redeem)| {
            let disabled = self.disabled.iter().rfind(|disable| disable.ended < redeem.begun);
            disabled.is_some_and(|disable| {
                !self.enabled.iter().any(|enable| disable.ended < enable.begun && enable.begun < jump.ended)
            })
        })
    }

    fn add(&mut self, other: Self) {
        self.disabled.extend(other.disabled);
        self.enabled.extend(other.enabled);
        self.redeemed.extend(other.redeemed);
    }
}

/// Where a history is played.
#[derive(Clone)]
struct Stage {
    firm: Firm,
    replicas: Arc<Vec<Channel>>,
    clock: Arc<AtomicUsize>,
    next_broker: Arc<AtomicUsize>,
}

impl Stage {
    /// Calls one of the replicas; gives what it answered, if that was OK, and when.
    async fn timed<T, E>(&self, call: impl Future<Output = Result<T, E>>) -> Option<(T, Span)> {
        let begun = self.clock.fetch_add(1, Ordering::SeqCst);
        let told = timeout(AT_MOST, call).await.expect("an answer");
        let ended = self.clock.fetch_add(1, Ordering::SeqCst);
        told.ok().map(|told| (told, Span { begun, ended }))
    }

    fn replica(&self, dice: &mut Dice) -> &Channel {
        &self.replicas[usize::try_from(dice.below(self.replicas.len() as u64)).expect("a number")]
    }

    /// Lets some time go by, as much as a few calls take.
    async fn look_around(&self, dice: &mut Dice) {
        for _ in 0..dice.below(LOOKS) {
            self.firm.user_names(self.replica(dice)).await.expect("a list");
        }
    }

    /// Asserts that a jump is redeemed now that nobody disables anything.
    async fn gets_through(&self, dice: &mut Dice) {
        let broker = self.next_broker.fetch_add(1, Ordering::Relaxed);
        let token = self.firm.jump(self.replica(dice), &request_id(), broker).await.expect("a jump");
        self.firm.redeem(self.replica(dice), &token).await.expect("a redemption");
    }

    async fn change(self, mut dice: Dice) -> History {
        let mut history = History::default();
        for _ in 0..CHANGES {
            self.look_around(&mut dice).await;
            let disabled = self.timed(self.firm.set_usable(self.replica(&mut dice), false)).await;
            history.disabled.push(disabled.expect("disabled").1);
            self.look_around(&mut dice).await;
            let enabled = self.timed(self.firm.set_usable(self.replica(&mut dice), true)).await;
            history.enabled.push(enabled.expect("enabled").1);
        }
        history
    }

    async fn jump(self, mut dice: Dice) -> History {
        let mut history = History::default();
        let broker = self.next_broker.fetch_add(1, Ordering::Relaxed);
        for _ in 0..JUMPS {
            self.look_around(&mut dice).await;
            let id = request_id();
            let jumped = self.timed(self.firm.jump(self.replica(&mut dice), &id, broker)).await;
            let Some((token, jump)) = jumped else { continue };
            self.look_around(&mut dice).await;
            let redeemed = self.timed(self.firm.redeem(self.replica(&mut dice), &token)).await;
            history.redeemed.extend(redeemed.map(|(_, redeem)| (jump, redeem)));
        }
        history
    }

    /// Plays the history of a seed.
    async fn play(&self, seed: u64) -> History {
        let mut people = JoinSet::new();
        people.spawn(self.clone().change(Dice::of(seed)));
        for person in 1..=JUMPERS as u64 {
            people.spawn(self.clone().jump(Dice::of(seed + (person << 32))));
        }
        let mut history = History::default();
        for part in people.join_all().await {
            history.add(part);
        }
        history
    }
}

/// Plays histories; none may contradict itself.
async fn play_all(firm: Firm, replicas: Vec<Channel>) {
    let (clock, next_broker) = (Arc::default(), Arc::default());
    let stage = Stage { firm, replicas: Arc::new(replicas), clock, next_broker };
    let mut pace = interval(EACH);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for seed in 0..number("CONCENTER_SCHEDULES", 25) {
        pace.tick().await;
        let history = stage.play(seed).await;
        assert!(history.contradiction().is_none(), "seed {seed}: {:?} in {history:?}", history.contradiction());
        stage.gets_through(&mut Dice::of(seed)).await;
    }
}

/// I6: on two replicas with one database.
#[tokio::test]
async fn no_redemption_follows_a_disable_on_any_replica() {
    let Some(database) = postgres::database().await else { return };
    let one = Gateway::start(&database.service_url()).await;
    let other = one.start_replica(&database.service_url()).await;
    play_all(one.firm().await, vec![one.channel.clone(), other.channel.clone()]).await;
    one.stop().await;
    other.stop().await;
}

/// I6: on the embedded database.
#[tokio::test]
async fn no_redemption_follows_a_disable_in_one_directory() {
    let gateway = Gateway::start_in(Arc::new(tempfile::tempdir().expect("a directory")), None).await;
    play_all(gateway.firm().await, vec![gateway.channel.clone()]).await;
    gateway.stop().await;
}

#[test]
fn a_history_that_contradicts_itself_is_noticed() {
    let span = |begun, ended| Span { begun, ended };
    let redeemed = vec![(span(1, 2), span(9, 10))];
    let history = |disabled, enabled, redeemed| History { disabled, enabled, redeemed };
    // Revoked before it was redeemed, and enabling brings no jump back.
    assert!(history(vec![span(3, 4)], vec![], redeemed.clone()).contradiction().is_some());
    assert!(history(vec![span(3, 4)], vec![span(5, 6)], redeemed.clone()).contradiction().is_some());
    // The disable may have come first, or last; or the jump is a new one.
    assert!(history(vec![span(3, 11)], vec![], redeemed.clone()).contradiction().is_none());
    assert!(history(vec![span(3, 4)], vec![span(5, 6)], vec![(span(7, 8), span(9, 10))]).contradiction().is_none());
    assert!(history(vec![], vec![], redeemed).contradiction().is_none());
}
