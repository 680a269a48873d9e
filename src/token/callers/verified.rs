//! Callers who were verified a moment ago: a signature costs more than the rest of a short call, and a portal brings the
//! same token with each of its calls.
//!
//! Only what was good is remembered, by a hash of the whole token: nothing that was not verified byte for byte hits.
//! Time is asked with every hit, since a token ends between two calls.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use moka::sync::Cache;

use super::super::caller::VerifiedCaller;
use crate::domain::time::Timestamp;

/// For how long a verification is believed.
pub(super) const BELIEVED_FOR: Duration = Duration::from_secs(60);
/// Most callers remembered, of about 1 KiB each: more than there are portals of 10 000 tenants. The one least asked for makes room.
const MOST_CALLERS: u64 = 16_384;

/// How often a token was looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallerLookups {
    /// It was verified a moment ago.
    pub hits: u64,
    /// It had to be verified, whatever came of that.
    pub misses: u64,
}

/// Verified callers, by the SHA-256 of their tokens.
#[derive(Debug)]
pub(super) struct VerifiedCallers {
    kept: Cache<[u8; 32], Verified>,
    hits: AtomicU64,
    misses: AtomicU64,
}

/// A caller, and when his token was verified.
#[derive(Debug, Clone)]
struct Verified {
    caller: Arc<VerifiedCaller>,
    at: Timestamp,
    /// How often a key had been lost by then.
    losses: u64,
}

impl Verified {
    /// Whether it is still to be believed: not for long, not after the end of the token, and not where the clock has gone
    /// back behind it, for then it may not have begun.
    /// Nor where a key was lost since: it may have been the one that verified him.
    fn is_good(&self, now: Timestamp, losses: u64) -> bool {
        self.losses == losses && self.at <= now && now < self.at.plus(BELIEVED_FOR) && !self.caller.is_over(now)
    }
}

impl VerifiedCallers {
    /// Nobody yet.
    pub(super) fn new() -> Self {
        // The clock of the cache frees memory; whether somebody is believed is told by the clock of the service.
        let kept = Cache::builder().max_capacity(MOST_CALLERS).time_to_live(BELIEVED_FOR).build();
        Self { kept, hits: AtomicU64::new(0), misses: AtomicU64::new(0) }
    }

    /// How often somebody was believed, and how often he had to be verified.
    pub(super) fn lookups(&self) -> CallerLookups {
        CallerLookups { hits: self.hits.load(Ordering::Relaxed), misses: self.misses.load(Ordering::Relaxed) }
    }

    /// The caller whose token this is, as it was verified; if not, verifies it by `verify` and remembers him. `losses` is
    /// how often a key was lost, told before `verify` looks at the keys.
    pub(super) fn get_or_verify<E>(
        &self,
        token: &str,
        now: Timestamp,
        losses: u64,
        verify: impl FnOnce() -> Result<VerifiedCaller, E>,
    ) -> Result<Arc<VerifiedCaller>, E> {
        let mut key = [0; 32];
        key.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
        if let Some(verified) = self.kept.get(&key).filter(|verified| verified.is_good(now, losses)) {
            self.hits.fetch_add(1, Ordering::Relaxed);
            return Ok(verified.caller);
        }
        self.misses.fetch_add(1, Ordering::Relaxed);
        let caller = Arc::new(verify()?);
        self.kept.insert(key, Verified { caller: Arc::clone(&caller), at: now, losses });
        Ok(caller)
    }

    /// Forgets everybody.
    pub(super) fn forget_all(&self) {
        self.kept.invalidate_all();
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::domain::ids::SubjectId;

    const NOW: Timestamp = Timestamp::from_unix_seconds(1_800_000_000);

    /// Somebody whose token ends so many seconds after [`NOW`].
    fn caller(life: u64) -> VerifiedCaller {
        VerifiedCaller {
            subject: SubjectId::parse("somebody").unwrap(),
            roles: Vec::new(),
            tenants: Vec::new(),
            broker_id: None,
            customer_id: None,
            target_audience: None,
            bound_to: None,
            expires_at: NOW.plus(Duration::from_secs(life)),
        }
    }

    /// Asks for a token at each of these seconds after [`NOW`], and tells how often it was verified.
    fn verifications(life: u64, seconds: &[u64]) -> u32 {
        let (verified, callers) = (Cell::new(0), VerifiedCallers::new());
        for second in seconds {
            let verify = || {
                verified.set(verified.get() + 1);
                Ok::<_, ()>(caller(life))
            };
            let now = NOW.plus(Duration::from_secs(*second));
            assert_eq!(*callers.get_or_verify("a.b.c", now, 0, verify).unwrap(), caller(life));
        }
        let CallerLookups { hits, misses } = callers.lookups();
        let asked = u64::try_from(seconds.len()).unwrap();
        assert_eq!((hits + misses, misses), (asked, u64::from(verified.get())));
        verified.get()
    }

    #[test]
    fn a_token_is_verified_once_a_minute() {
        assert_eq!(verifications(3_600, &[0, 0, 1, 59]), 1);
        assert_eq!(verifications(3_600, &[0, 60, 61, 119]), 2, "the minute counts from its verification");
    }

    #[test]
    fn a_token_that_is_over_is_verified_and_not_believed() {
        assert_eq!(verifications(10, &[0, 14]), 1, "within the leeway");
        assert_eq!(verifications(10, &[0, 15]), 2);
    }

    #[test]
    fn a_clock_that_goes_back_is_not_believed_either() {
        assert_eq!(verifications(3_600, &[10, 9]), 2);
    }

    #[test]
    fn nobody_is_believed_any_more_once_a_key_is_lost() {
        let callers = VerifiedCallers::new();
        assert!(callers.get_or_verify("a.b.c", NOW, 0, || Ok::<_, ()>(caller(60))).is_ok());
        assert_eq!(callers.get_or_verify("a.b.c", NOW, 1, || Err("its key is gone")), Err("its key is gone"));
        // One who was verified with the keys of before, and is remembered late.
        assert!(callers.get_or_verify("a.b.c", NOW, 0, || Ok::<_, ()>(caller(60))).is_ok());
        assert_eq!(callers.get_or_verify("a.b.c", NOW, 1, || Err("its key is gone")), Err("its key is gone"));
    }

    #[test]
    fn another_token_is_another_caller() {
        let callers = VerifiedCallers::new();
        assert!(callers.get_or_verify("a.b.c", NOW, 0, || Ok::<_, ()>(caller(60))).is_ok());
        for token in ["a.b.d", "a.b.c ", "", "A.b.c"] {
            assert_eq!(callers.get_or_verify(token, NOW, 0, || Err(token)), Err(token));
        }
    }

    #[test]
    fn what_was_not_good_is_asked_again() {
        let callers = VerifiedCallers::new();
        assert_eq!(callers.get_or_verify("a.b.c", NOW, 0, || Err("forged")), Err("forged"));
        assert_eq!(callers.get_or_verify("a.b.c", NOW, 0, || Ok::<_, ()>(caller(60))).as_deref(), Ok(&caller(60)));
    }

    #[test]
    fn as_many_as_one_likes_take_bounded_room() {
        let callers = VerifiedCallers::new();
        for number in 0..3 * MOST_CALLERS {
            assert!(callers.get_or_verify(&number.to_string(), NOW, 0, || Ok::<_, ()>(caller(60))).is_ok());
        }
        callers.kept.run_pending_tasks();
        assert!(callers.kept.entry_count() <= MOST_CALLERS);
    }
}
