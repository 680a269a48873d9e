//! What is left to chance, so that it can be played again; and how much of it is played.

use std::time::Duration;

use proptest::prelude::Rng as _;
use proptest::test_runner::{RngAlgorithm, TestRng};

/// Numbers that look random and are the same for the same seed.
pub(crate) struct Dice(TestRng);

impl Dice {
    pub(crate) fn of(seed: u64) -> Self {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        Self(TestRng::from_seed(RngAlgorithm::ChaCha, &bytes))
    }

    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0.next_u64() % bound
    }

    /// A time shorter than `bound`, in microseconds.
    pub(crate) fn time_below(&mut self, bound: Duration) -> Duration {
        Duration::from_micros(self.below(u64::try_from(bound.as_micros()).expect("a short time")))
    }
}

/// Reads from the environment how much is played.
#[expect(clippy::disallowed_methods, reason = "how much is tested is said by who runs the tests")]
pub(crate) fn number(name: &str, default: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name} is no number")),
        Err(_) => default,
    }
}
