//! The random source of production.

use crate::domain::ids::Random;

/// The random generator of the cryptographic library, seeded by the operating system.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemRandom;

impl Random for SystemRandom {
    #[expect(clippy::disallowed_methods, reason = "this is the one place where the system's random bytes come in")]
    fn fill(&self, destination: &mut [u8]) {
        if aws_lc_rs::rand::fill(destination).is_err() {
            // Keys, nonces and ids made without entropy would look fine and be guessable. A panic could be caught
            // by the task that runs us and the next request would try again, so the process ends here.
            std::process::abort();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_draws_differ() {
        let (mut first, mut second) = ([0_u8; 32], [0_u8; 32]);
        SystemRandom.fill(&mut first);
        SystemRandom.fill(&mut second);
        assert_ne!(first, second);
    }
}
