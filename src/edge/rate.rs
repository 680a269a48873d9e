//! How often a tenant may call each method: a bucket of calls for each of both, filled at a steady rate.
//!
//! So a firm whose portal went wild takes from itself alone. Whoever belongs to no tenant counts by himself: a target, and
//! all operators together. The time is that of the machine, as it has to run on where a database's clock is set back.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use governor::clock::{Clock, MonotonicClock};
use governor::middleware::NoOpMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use moka::sync::Cache;

use super::policy::{Rate, Row};
use crate::domain::caller::Caller;
use crate::domain::ids::{TargetId, TenantId};

/// Most buckets, of about 250 bytes each. Beyond that the one least asked for makes room, and is full when it comes back:
/// that forgives a moment, and only credentials that were verified get as far as to need one.
const MOST_BUCKETS: u64 = 65_536;
/// For how many seconds' worth a bucket has room: so many calls may come at once after a pause.
const BURST_SECONDS: u32 = 2;
/// For how long a bucket is kept that nobody takes from. It is full again long before that, so nothing is lost with it.
const KEPT_IDLE: Duration = Duration::from_secs(60);

/// How many calls of a method one tenant may make each second.
#[derive(Debug, Clone, Copy)]
pub struct Rates {
    /// Of a method that makes a jump.
    pub jumps: NonZeroU32,
    /// Of the one that redeems; counted by target.
    pub redeems: NonZeroU32,
    /// Of a method that reads.
    pub reads: NonZeroU32,
    /// Of a method that changes something.
    pub changes: NonZeroU32,
    /// Of one that changes a thousand things.
    pub batches: NonZeroU32,
}

impl Rates {
    /// The rate of a class; `None` where there is no bound.
    const fn of(&self, rate: Rate) -> Option<NonZeroU32> {
        match rate {
            Rate::Jump => Some(self.jumps),
            Rate::Redeem => Some(self.redeems),
            Rate::Read => Some(self.reads),
            Rate::Change => Some(self.changes),
            Rate::Batch => Some(self.batches),
            Rate::Free => None,
        }
    }
}

/// Who shares a bucket. Only what a credential proved.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Payer {
    Tenant(TenantId),
    Target(TargetId),
    Operators,
}

impl Payer {
    fn of(caller: &Caller) -> Option<Self> {
        match caller {
            Caller::Anonymous => None,
            Caller::Operator { .. } => Some(Self::Operators),
            Caller::Tenant { tenant, .. } => Some(Self::Tenant(*tenant)),
            Caller::Target { audience, .. } => Some(Self::Target(audience.clone())),
        }
    }
}

type Bucket<C> = RateLimiter<NotKeyed, InMemoryState, C, NoOpMiddleware<<C as Clock>::Instant>>;

/// The buckets of everybody.
pub struct Buckets<C: Clock = MonotonicClock> {
    rates: Rates,
    clock: C,
    kept: Cache<(Payer, &'static str), Arc<Bucket<C>>>,
    refused: AtomicU64,
}

impl Buckets {
    /// Full buckets.
    #[must_use]
    pub fn new(rates: Rates) -> Self {
        Self::with_clock(rates, MonotonicClock)
    }
}

impl<C> Buckets<C>
where
    C: Clock + Clone + Send + Sync + 'static,
    C::Instant: Send + Sync,
{
    fn with_clock(rates: Rates, clock: C) -> Self {
        let kept = Cache::builder().max_capacity(MOST_BUCKETS).time_to_idle(KEPT_IDLE).build();
        Self { rates, clock, kept, refused: AtomicU64::new(0) }
    }

    /// Takes a call out of the caller's bucket.
    ///
    /// # Errors
    /// How long it takes until there is one in it again.
    pub(super) fn take(&self, row: &Row, caller: &Caller) -> Result<(), Duration> {
        let (Some(rate), Some(payer)) = (self.rates.of(row.rate), Payer::of(caller)) else { return Ok(()) };
        let key = (payer, row.method);
        let bucket = self.kept.get(&key).unwrap_or_else(|| {
            let burst = rate.saturating_mul(NonZeroU32::MIN.saturating_add(BURST_SECONDS - 1));
            let quota = Quota::per_second(rate).allow_burst(burst);
            self.kept.get_with(key, || Arc::new(Bucket::direct_with_clock(quota, self.clock.clone())))
        });
        bucket.check().map_err(|not_until| {
            self.refused.fetch_add(1, Ordering::Relaxed);
            not_until.wait_time_from(self.clock.now())
        })
    }

    /// How many calls were refused since the start.
    pub(super) fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use governor::clock::FakeRelativeClock;

    use super::*;
    use crate::domain::caller::TenantRole;
    use crate::domain::ids::SubjectId;
    use crate::edge::policy;

    const JUMP: &str = "/concenter.v1.JumpService/JumpToTarif";
    const OTHER_JUMP: &str = "/concenter.v1.JumpService/JumpToInsurerPortal";
    const REDEEM: &str = "/concenter.v1.JumpService/RedeemJump";
    const CREATE_TENANT: &str = "/concenter.admin.v1.TenantService/CreateTenant";

    /// Ten calls a second of everything.
    fn buckets() -> (Buckets<FakeRelativeClock>, FakeRelativeClock) {
        let ten = NonZeroU32::new(10).unwrap();
        let rates = Rates { jumps: ten, redeems: ten, reads: ten, changes: ten, batches: ten };
        let clock = FakeRelativeClock::default();
        (Buckets::with_clock(rates, clock.clone()), clock)
    }

    fn subject(number: u32) -> SubjectId {
        SubjectId::parse(&format!("subject-{number}")).unwrap()
    }

    fn tenant(number: u32) -> Caller {
        let tenant = TenantId::parse(&format!("019a0b6e-6a00-7000-8000-{number:012}")).unwrap();
        Caller::Tenant { tenant, role: TenantRole::Portal, subject: subject(number) }
    }

    fn target(name: &str) -> Caller {
        Caller::Target { audience: TargetId::parse(name).unwrap(), subject: subject(0) }
    }

    fn row(path: &str) -> Row {
        policy::find(path).unwrap()
    }

    /// How many calls go through at once.
    fn taken(buckets: &Buckets<FakeRelativeClock>, path: &str, caller: &Caller) -> usize {
        (0..1_000).take_while(|_| buckets.take(&row(path), caller).is_ok()).count()
    }

    #[test]
    fn two_seconds_worth_goes_at_once_and_then_as_much_as_comes_in() {
        let (buckets, clock) = buckets();
        assert_eq!(taken(&buckets, JUMP, &tenant(1)), 20);
        clock.advance(Duration::from_millis(300));
        assert_eq!(taken(&buckets, JUMP, &tenant(1)), 3);
        clock.advance(Duration::from_secs(3_600));
        assert_eq!(taken(&buckets, JUMP, &tenant(1)), 20, "no more than there is room for");
    }

    #[test]
    fn who_waits_as_long_as_he_is_told_is_served() {
        let (buckets, clock) = buckets();
        taken(&buckets, JUMP, &tenant(1));
        let wait = buckets.take(&row(JUMP), &tenant(1)).unwrap_err();
        assert_eq!(wait, Duration::from_millis(100));
        clock.advance(Duration::from_millis(99));
        assert_eq!(buckets.take(&row(JUMP), &tenant(1)), Err(Duration::from_millis(1)));
        clock.advance(Duration::from_millis(1));
        assert_eq!(buckets.take(&row(JUMP), &tenant(1)), Ok(()));
    }

    #[test]
    fn one_tenant_takes_nothing_from_another_and_one_method_nothing_from_another() {
        let (buckets, _) = buckets();
        taken(&buckets, JUMP, &tenant(1));
        assert_eq!(taken(&buckets, JUMP, &tenant(2)), 20);
        assert_eq!(taken(&buckets, OTHER_JUMP, &tenant(1)), 20);
    }

    #[test]
    fn all_of_a_tenant_share_whatever_their_names_are() {
        let (buckets, _) = buckets();
        taken(&buckets, JUMP, &tenant(1));
        let Caller::Tenant { tenant, .. } = tenant(1) else { panic!("no tenant") };
        let colleague = Caller::Tenant { tenant, role: TenantRole::Admin, subject: subject(9) };
        assert_eq!(taken(&buckets, JUMP, &colleague), 0);
    }

    #[test]
    fn who_belongs_to_no_tenant_counts_by_himself() {
        let (buckets, _) = buckets();
        assert_eq!(taken(&buckets, REDEEM, &target("x")), 20);
        assert_eq!(taken(&buckets, REDEEM, &target("y")), 20);
        let [one, other] = [1, 2].map(|number| Caller::Operator { subject: subject(number) });
        assert_eq!(taken(&buckets, CREATE_TENANT, &one), 20);
        assert_eq!(taken(&buckets, CREATE_TENANT, &other), 0, "operators share");
    }

    #[test]
    fn nobody_in_particular_takes_what_he_likes() {
        let (buckets, _) = buckets();
        assert_eq!(taken(&buckets, "/concenter.v1.JumpService/GetJwks", &Caller::Anonymous), 1_000);
        assert_eq!(taken(&buckets, "/grpc.health.v1.Health/Check", &Caller::Anonymous), 1_000);
        assert_eq!(buckets.refused(), 0);
    }

    #[test]
    fn what_is_refused_is_counted() {
        let (buckets, _) = buckets();
        taken(&buckets, JUMP, &tenant(1));
        for _ in 0..4 {
            assert!(buckets.take(&row(JUMP), &tenant(1)).is_err());
        }
        assert_eq!(buckets.refused(), 5);
    }

    #[test]
    fn as_many_as_one_likes_take_bounded_room() {
        let (buckets, _) = buckets();
        for number in 0..u32::try_from(2 * MOST_BUCKETS).unwrap() {
            assert_eq!(buckets.take(&row(JUMP), &tenant(number)), Ok(()));
        }
        buckets.kept.run_pending_tasks();
        assert!(buckets.kept.entry_count() <= MOST_BUCKETS);
    }
}
