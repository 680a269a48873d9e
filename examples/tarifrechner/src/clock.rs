//! What tells how long a session lasts. A parameter, so that tests move it.

use std::time::Duration;

use tokio::time::Instant;

/// Tells time that only goes forward.
pub trait Clock: Send + Sync {
    /// How long ago some fixed moment was. Only differences mean anything.
    fn now(&self) -> Duration;
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

impl Clock for SystemClock {
    fn now(&self) -> Duration {
        self.0.elapsed()
    }
}
