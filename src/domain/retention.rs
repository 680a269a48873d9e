//! How long the service keeps what it needs for a while only (`docs/domain.md#retention`).

use std::time::Duration;

use super::time::Timestamp;

/// Seconds of an hour and of a day.
const HOUR: u64 = 3_600;
const DAY: u64 = 24 * HOUR;

/// How long jumps are kept, for questions: 1 to 400 days.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JumpDays(u16);

/// How long the ids of requests are kept, so that a repeated one has no second effect: 24 to 720 hours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestHours(u16);

/// How long rows of the audit log are kept, beside the rest of the calendar year in which that is over: 6 to 120 months.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuditMonths(u16);

/// The span is out of bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRetention {
    /// Of jumps.
    #[error("must be 1 to 400 days")]
    Jumps,
    /// Of request ids. The contract promises a day.
    #[error("must be 24 to 720 hours")]
    Requests,
    /// Of the audit log.
    #[error("must be 6 to 120 months")]
    Audit,
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

impl AuditMonths {
    /// 36 months.
    pub const DEFAULT: Self = Self(36);

    /// Reads a number of months.
    ///
    /// # Errors
    /// [`InvalidRetention::Audit`] outside 6 to 120.
    pub fn parse(text: &str) -> Result<Self, InvalidRetention> {
        let months = text.parse().ok().filter(|months| (6..=120).contains(months));
        months.map(Self).ok_or(InvalidRetention::Audit)
    }

    /// The number of months.
    #[must_use]
    pub const fn number(self) -> u16 {
        self.0
    }
}

/// How long a notice is kept after it was sent: 90 days. One that was not sent is kept.
pub const NOTICES_KEPT: Duration = Duration::from_secs(90 * DAY);

/// How long everything is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Jumps.
    pub jumps: JumpDays,
    /// Ids of requests.
    pub requests: RequestHours,
    /// The audit log.
    pub audit: AuditMonths,
}

impl Retention {
    /// What counts unless it was set.
    pub const DEFAULT: Self =
        Self { jumps: JumpDays::DEFAULT, requests: RequestHours::DEFAULT, audit: AuditMonths::DEFAULT };

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

    /// The instant before which rows of the audit log go at `now`: so many months before the year began that it is, by UTC. A
    /// row is kept until the end of the year in which its months are over, so all of a year go at once.
    #[must_use]
    pub const fn audit_log_before(&self, now: Timestamp) -> Timestamp {
        first_of_month(year_of(now).saturating_mul(12).saturating_sub(self.audit.0 as i64))
    }
}

/// Days from the first of March of the year 0, with which the calendar repeats itself every 400 years, to the epoch.
const DAYS_TO_EPOCH: i64 = 719_468;
/// Days of 400 years.
const DAYS_OF_ERA: i64 = 146_097;

/// The calendar year of an instant, by UTC.
const fn year_of(instant: Timestamp) -> i64 {
    let days = instant.unix_seconds().div_euclid(86_400) + DAYS_TO_EPOCH;
    let (era, day) = (days.div_euclid(DAYS_OF_ERA), days.rem_euclid(DAYS_OF_ERA));
    // Years here begin with March, so that the day of a leap year is its last.
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day_of_year = day - (365 * year + year / 4 - year / 100);
    let is_january_or_february = day_of_year >= 306;
    era * 400 + year + is_january_or_february as i64
}

/// The instant at which a month begins, by UTC. `months`: since January of the year 0.
const fn first_of_month(months: i64) -> Timestamp {
    // Two months later in a year that begins with March.
    let since_march = months - 2;
    let (year, month) = (since_march.div_euclid(12), since_march.rem_euclid(12));
    let (era, year) = (year.div_euclid(400), year.rem_euclid(400));
    let day = 365 * year + year / 4 - year / 100 + (153 * month + 2) / 5;
    Timestamp::from_unix_seconds((era * DAYS_OF_ERA + day - DAYS_TO_EPOCH) * 86_400)
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
    fn the_audit_log_is_kept_half_a_year_to_ten() {
        assert_eq!(["6", "120"].map(|months| AuditMonths::parse(months).map(AuditMonths::number)), [Ok(6), Ok(120)]);
        for bad in ["", "0", "5", "121", "-36", "36m"] {
            assert_eq!(AuditMonths::parse(bad), Err(InvalidRetention::Audit), "{bad}");
        }
    }

    #[test]
    fn rows_are_kept_to_the_end_of_the_year_in_which_their_months_are_over() {
        // date --utc --date=2026-01-01 +%s, and so on.
        let (y2023, y2026, y2027, mid_2025) = (1_672_531_200, 1_767_225_600, 1_798_761_600, 1_751_328_000);
        let before = |months, now| {
            let retention = Retention { audit: AuditMonths(months), ..Retention::DEFAULT };
            retention.audit_log_before(Timestamp::from_unix_seconds(now)).unix_seconds()
        };
        assert_eq!(before(36, y2026), y2023);
        assert_eq!(before(36, y2027 - 1), y2023, "the whole year");
        assert_eq!(before(6, y2026), mid_2025);
        assert_eq!(before(12, y2027), y2026);
    }

    #[test]
    fn the_calendar_is_right_over_centuries() {
        // Each year's first instant and the one before it, across leap years that are and are not.
        let mut begins = first_of_month(12 * 1_970).unix_seconds();
        assert_eq!(begins, 0);
        for year in 1_970..2_500 {
            assert_eq!(first_of_month(12 * year).unix_seconds(), begins, "{year}");
            assert_eq!(year_of(Timestamp::from_unix_seconds(begins)), year);
            assert_eq!(year_of(Timestamp::from_unix_seconds(begins - 1)), year - 1);
            let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
            let march = begins + 86_400 * if is_leap { 60 } else { 59 };
            assert_eq!(first_of_month(12 * year + 2).unix_seconds(), march, "{year}");
            begins += 86_400 * if is_leap { 366 } else { 365 };
        }
    }

    #[test]
    fn spans_are_those_of_the_numbers() {
        assert_eq!(Retention::DEFAULT.of_jumps(), Duration::from_secs(2_592_000));
        assert_eq!(Retention::DEFAULT.of_requests(), Duration::from_secs(86_400));
    }
}
