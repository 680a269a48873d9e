//! Calls in flight, over all connections: one more than the service can take is answered at once.
//!
//! Without this bound whoever floods fills the memory with calls that wait for each other, and all of them end at their
//! deadline. Health is not counted: who asks whether we live must not hear that we do not, because we are busy.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{Denial, policy};

/// The places of calls in flight.
#[derive(Debug)]
pub struct InFlight {
    places: Arc<Semaphore>,
    most: u32,
    /// While calls are turned away, so that the log says so once.
    is_full: AtomicBool,
}

impl InFlight {
    /// Room for so many calls at once.
    #[must_use]
    pub fn new(most: u32) -> Self {
        let places = usize::try_from(most).unwrap_or(Semaphore::MAX_PERMITS).min(Semaphore::MAX_PERMITS);
        Self { places: Arc::new(Semaphore::new(places)), most, is_full: AtomicBool::new(false) }
    }

    /// How many places are taken now.
    #[must_use]
    pub fn taken(&self) -> u64 {
        let free = u64::try_from(self.places.available_permits()).unwrap_or(u64::MAX);
        u64::from(self.most).saturating_sub(free)
    }

    /// A place for a call to `path`, until it is dropped; `None` where none is needed.
    ///
    /// # Errors
    /// [`Denial::Overloaded`] if all places are taken.
    pub(super) fn enter(&self, path: &str) -> Result<Option<OwnedSemaphorePermit>, Denial> {
        if path.starts_with(policy::HEALTH) {
            return Ok(None);
        }
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| Denial::Overloaded);
        // Written only where it changes: all calls look at it.
        if self.is_full.load(Ordering::Relaxed) != place.is_err() {
            self.is_full.store(place.is_err(), Ordering::Relaxed);
            tracing::warn!(most = self.most, is_full = place.is_err(), "edge.calls.cap");
        }
        place.map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const JWKS: &str = "/concenter.v1.JumpService/GetJwks";

    #[test]
    fn one_more_than_there_is_room_for_is_denied_until_another_has_ended() {
        let in_flight = InFlight::new(2);
        let (first, second) = (in_flight.enter(JWKS).unwrap(), in_flight.enter("/no/method").unwrap());
        assert_eq!(in_flight.taken(), 2);
        assert_eq!(in_flight.enter(JWKS).unwrap_err(), Denial::Overloaded);
        drop(first);
        assert_eq!(in_flight.taken(), 1);
        assert!(in_flight.enter(JWKS).is_ok_and(|place| place.is_some()));
        drop(second);
    }

    #[test]
    fn health_needs_no_place() {
        let in_flight = InFlight::new(1);
        let _only = in_flight.enter(JWKS).unwrap();
        assert!(in_flight.enter("/grpc.health.v1.Health/Check").is_ok_and(|place| place.is_none()));
        assert!(in_flight.enter("/grpc.health.v1.Health").is_err());
    }
}
