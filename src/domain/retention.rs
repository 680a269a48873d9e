//! How long the service keeps what it needs for a while only (`docs/domain.md#retention`).

use std::time::Duration;

/// Seconds of an hour and of a day.
const HOUR: u64 = 3_600;
const DAY: u64 = 24 * HOUR;

/// How long jumps are kept, for questions: 1 to 400 days.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JumpDays(u16);

/// How long the ids of requests are kept, so that a repeated one has no second effect: 24 to 720 hours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestHours(u16);

/// The span is out of bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRetention {
    /// Of jumps.
    #[error("must be 1 to 400 days")]
    Jumps,
    /// Of request ids. The contract promises a day.
    #[error("must be 24 to 720 hours")]
    Requests,
}

impl JumpDays {
    /// 30 days.
    pub const DEFAULT: Self = Self(30);

    /// Reads a number of days.
    ///
    /// # Errors
    /// [`InvalidRetention::Jumps`] outside 1 to 400.
    pub fn parse(text: &str) -> Result<Self, InvalidRetention> {
        let days = text.parse().ok().filter(|days| (1..=400).contains(days));
        days.map(Self).ok_or(InvalidRetention::Jumps)
    }

    /// The number of days.
    #[must_use]
    pub const fn number(self) -> u16 {
        self.0
    }
}

impl RequestHours {
    /// 24 hours.
    pub const DEFAULT: Self = Self(24);

    /// Reads a number of hours.
    ///
    /// # Errors
    /// [`InvalidRetention::Requests`] outside 24 to 720.
    pub fn parse(text: &str) -> Result<Self, InvalidRetention> {
        let hours = text.parse().ok().filter(|hours| (24..=720).contains(hours));
        hours.map(Self).ok_or(InvalidRetention::Requests)
    }

    /// The number of hours.
    #[must_use]
    pub const fn number(self) -> u16 {
        self.0
    }
}

/// How long everything is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Jumps.
    pub jumps: JumpDays,
    /// Ids of requests.
    pub requests: RequestHours,
}

impl Retention {
    /// What counts unless it was set.
    pub const DEFAULT: Self = Self { jumps: JumpDays::DEFAULT, requests: RequestHours::DEFAULT };

    /// How long jumps are kept.
    #[must_use]
    pub fn of_jumps(&self) -> Duration {
        Duration::from_secs(u64::from(self.jumps.0) * DAY)
    }

    /// How long the ids of requests are kept.
    #[must_use]
    pub fn of_requests(&self) -> Duration {
        Duration::from_secs(u64::from(self.requests.0) * HOUR)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jumps_are_kept_1_to_400_days() {
        assert_eq!(
            ["1", "30", "400"].map(|days| JumpDays::parse(days).map(JumpDays::number)),
            [Ok(1), Ok(30), Ok(400)]
        );
        for bad in ["", "0", "401", "-1", "1.5", "x", "65537"] {
            assert_eq!(JumpDays::parse(bad), Err(InvalidRetention::Jumps), "{bad}");
        }
    }

    #[test]
    fn request_ids_are_kept_at_least_as_long_as_the_contract_promises() {
        assert_eq!(["24", "720"].map(|hours| RequestHours::parse(hours).map(RequestHours::number)), [Ok(24), Ok(720)]);
        for bad in ["", "0", "23", "721", "-24"] {
            assert_eq!(RequestHours::parse(bad), Err(InvalidRetention::Requests), "{bad}");
        }
    }

    #[test]
    fn spans_are_those_of_the_numbers() {
        assert_eq!(Retention::DEFAULT.of_jumps(), Duration::from_secs(2_592_000));
        assert_eq!(Retention::DEFAULT.of_requests(), Duration::from_secs(86_400));
    }
}
