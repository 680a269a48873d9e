//! Calls that go through all people of a tenant: few at once.
//!
//! Each keeps a connection for reading busy for as long as it takes to go through a million customers, and jumps need the same
//! connections. So there are fewer places than connections, and whoever finds none is told to come back, not kept
//! waiting: a waiting call would hold a place among the calls in flight.

use tokio::sync::{Semaphore, SemaphorePermit};

use super::Failure;

/// How many at once, in one process: half of the connections that the embedded database reads with.
const MOST_AT_ONCE: usize = 2;

/// The places.
pub(super) struct Walks {
    places: Semaphore,
}

impl Default for Walks {
    fn default() -> Self {
        Self { places: Semaphore::new(MOST_AT_ONCE) }
    }
}

impl Walks {
    /// A place, until it is dropped: also when the call is given up.
    ///
    /// # Errors
    /// [`Failure::Overloaded`] if all are taken.
    pub(super) fn enter(&self) -> Result<SemaphorePermit<'_>, Failure> {
        self.places.try_acquire().map_err(|_| Failure::Overloaded)
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, poll_fn};
    use std::pin::pin;
    use std::task::Poll;

    use super::*;

    /// A call that never ends by itself.
    async fn walk(walks: &Walks) -> Result<(), Failure> {
        let _place = walks.enter()?;
        pending().await
    }

    #[tokio::test]
    async fn one_more_than_there_are_places_is_turned_away_until_another_is_given_up() {
        let walks = Walks::default();
        let mut under_way: Vec<_> = (0..MOST_AT_ONCE).map(|_| Box::pin(walk(&walks))).collect();
        poll_fn(|cx| {
            for call in &mut under_way {
                assert!(call.as_mut().poll(cx).is_pending());
            }
            Poll::Ready(())
        })
        .await;
        assert!(matches!(walk(&walks).await, Err(Failure::Overloaded)));
        drop(under_way.pop());
        let mut next = pin!(walk(&walks));
        poll_fn(|cx| {
            assert!(next.as_mut().poll(cx).is_pending());
            Poll::Ready(())
        })
        .await;
        assert!(matches!(walk(&walks).await, Err(Failure::Overloaded)));
    }
}
