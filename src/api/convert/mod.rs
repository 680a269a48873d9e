//! Between the words of the contract and those of the domain.
//!
//! Inwards everything goes through [`Fields`], which collects every violation with its path; outwards nothing can
//! fail. What one service alone speaks of is converted in the file of that service.

mod fields;
mod problem;
mod scopes;
mod words;

use prost_types::{Duration, Timestamp};

pub(super) use self::fields::{Fields, Read, both};
pub(super) use self::scopes::{line_scope, line_scope_out, provider_scope, provider_scope_out};
pub(super) use self::words::{
    person_kind, person_kind_out, provider_kind, provider_kind_out, segment, segment_out, state_out, target_kind,
    target_kind_out, user_kind, user_kind_out,
};
use crate::domain::error::Version;
use crate::domain::time;

/// An instant, to the microsecond.
pub(super) fn timestamp(at: time::Timestamp) -> Timestamp {
    let micros = at.unix_micros().rem_euclid(1_000_000);
    // Less than a second, so it always fits.
    let nanos = i32::try_from(micros * 1_000).unwrap_or(0);
    Timestamp { seconds: at.unix_seconds(), nanos }
}

/// A span; one that is too long for the wire is as long as that can say.
pub(super) fn duration(span: std::time::Duration) -> Duration {
    let nanos = i32::try_from(span.subsec_nanos()).unwrap_or(0);
    Duration { seconds: i64::try_from(span.as_secs()).unwrap_or(i64::MAX), nanos }
}

/// A version as callers see it. They must not count on what stands in it.
pub(super) fn etag(version: Version) -> String {
    format!("v{}", version.number())
}

/// Reads an etag; `None` unless it is spelled as [`etag`] does.
fn parse_etag(text: &str) -> Option<Version> {
    let digits = text.strip_prefix('v')?;
    let version = Version::from_number(digits.parse().ok()?);
    // `v07` and `v+7` would read as well, but were never handed out.
    (version >= Version::FIRST && etag(version) == text).then_some(version)
}

/// The text, unless it is empty.
pub(super) fn non_empty(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

/// A count, at most as large as the wire can say.
pub(super) fn count(number: u64) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_etag_reads_back_as_its_version() {
        for number in [1, 7, 10, i64::MAX] {
            let version = Version::from_number(number);
            assert_eq!(parse_etag(&etag(version)), Some(version));
        }
    }

    #[test]
    fn what_was_never_an_etag_does_not_read() {
        let long = format!("v{}", "1".repeat(5_000));
        for text in ["", "v", "7", "v0", "v-1", "v+7", "v07", "V7", "v7 ", " v7", "v9223372036854775808", "v7\0", &long]
        {
            assert_eq!(parse_etag(text), None, "{text:?}");
        }
    }

    #[test]
    fn an_instant_before_the_epoch_keeps_its_nanos_positive() {
        let at = |micros| timestamp(time::Timestamp::from_unix_micros(micros));
        assert_eq!(at(1_500_000), Timestamp { seconds: 1, nanos: 500_000_000 });
        assert_eq!(at(-1), Timestamp { seconds: -1, nanos: 999_999_000 });
    }

    #[test]
    fn a_span_keeps_its_seconds_and_nanos() {
        let span = std::time::Duration::new(90, 7);
        assert_eq!(duration(span), Duration { seconds: 90, nanos: 7 });
    }
}
