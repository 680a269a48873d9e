//! What tells how long a session lasts, and waits. A parameter, so that tests move it.

use std::time::Duration;

use async_trait::async_trait;
use tokio::time::{Instant, sleep};

/// Tells time that only goes forward.
#[async_trait]
pub trait Clock: Send + Sync {
    /// How long ago some fixed moment was. Only differences mean anything.
    fn now(&self) -> Duration;

    /// Waits for so long.
    async fn pause(&self, time: Duration);
}

/// The operating system's monotonic clock, from the start of the program on.
#[derive(Debug)]
pub struct SystemClock(Instant);

impl SystemClock {
    /// A clock that begins now.
    #[must_use]
    pub fn start() -> Self {
        Self(Instant::now())
    }
}

#[async_trait]
impl Clock for SystemClock {
    fn now(&self) -> Duration {
        self.0.elapsed()
    }

    async fn pause(&self, time: Duration) {
        sleep(time).await;
    }
}
