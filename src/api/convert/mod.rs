//! Between the words of the contract and those of the domain.
//!
//! Inwards everything goes through [`Fields`], which collects every violation with its path; outwards nothing can
//! fail. What one service alone speaks of is converted in the file of that service.

mod fields;
mod mask;
mod problem;
mod scopes;
mod words;

use std::ops::RangeInclusive;

use prost_types::{Duration, Timestamp};

pub(super) use self::fields::{Fields, Read, both};
pub(super) use self::mask::{Mask, Resource, update};
pub(super) use self::scopes::{line_scope, line_scope_out, provider_scope, provider_scope_out};
pub(super) use self::words::{
    person_kind, person_kind_out, provider_kind, provider_kind_out, segment, segment_out, state_out, target_kind,
    target_kind_out, user_kind, user_kind_out,
};
use crate::domain::error::Version;
use crate::domain::jump::{InvalidTokenLife, TokenLife};
use crate::domain::text::Line;
use crate::domain::time;

/// Nanoseconds of a second.
const NANOS: u32 = 1_000_000_000;
/// The seconds of the first and of the last instant that a timestamp may say: the years 1 to 9999.
const TIMESTAMP_SECONDS: RangeInclusive<i64> = -62_135_596_800..=253_402_300_799;

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

/// Reads an instant, rounded down to the microsecond; `None` outside the years 1 to 9999, and for nanoseconds that are
/// not a part of a second.
pub(super) fn parse_timestamp(wire: Timestamp) -> Option<time::Timestamp> {
    let nanos = u32::try_from(wire.nanos).ok().filter(|nanos| *nanos < NANOS)?;
    let seconds = TIMESTAMP_SECONDS.contains(&wire.seconds).then_some(wire.seconds)?;
    let fraction = std::time::Duration::from_nanos(nanos.into());
    Some(time::Timestamp::from_unix_seconds(seconds).plus(fraction))
}

/// Reads a span that is not negative; `None` for any other, and for nanoseconds that are not a part of a second. Not by
/// the library's conversion: that carries nanoseconds over into seconds.
pub(super) fn parse_duration(wire: Duration) -> Option<std::time::Duration> {
    let nanos = u32::try_from(wire.nanos).ok().filter(|nanos| *nanos < NANOS)?;
    Some(std::time::Duration::new(u64::try_from(wire.seconds).ok()?, nanos))
}

/// Reads the life of a token.
pub(super) fn token_life(wire: Duration) -> Result<TokenLife, InvalidTokenLife> {
    parse_duration(wire).ok_or(InvalidTokenLife).and_then(TokenLife::parse)
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

/// Reads a line of text for people; empty is none.
pub(super) fn line(fields: &mut Fields, path: &str, text: &str) -> Read<Option<Line>> {
    fields.optional(non_empty(text), |fields, text| fields.keep(path, Line::parse(text)))
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
    fn an_instant_reads_back() {
        for micros in [0, -1, 1_500_000, -62_135_596_800_000_000, 253_402_300_799_999_999] {
            let at = time::Timestamp::from_unix_micros(micros);
            assert_eq!(parse_timestamp(timestamp(at)), Some(at), "{micros}");
        }
    }

    #[test]
    fn an_instant_is_rounded_down_to_the_microsecond() {
        let read = |seconds, nanos| parse_timestamp(Timestamp { seconds, nanos });
        assert_eq!(read(1, 1_999), Some(time::Timestamp::from_unix_micros(1_000_001)));
        assert_eq!(read(-1, 999_999_999), Some(time::Timestamp::from_unix_micros(-1)));
    }

    #[test]
    fn what_is_no_instant_does_not_read() {
        for (seconds, nanos) in [
            (-62_135_596_801, 0),
            (253_402_300_800, 0),
            (i64::MIN, 0),
            (i64::MAX, 0),
            (0, -1),
            (0, 1_000_000_000),
            (0, i32::MIN),
            (0, i32::MAX),
        ] {
            assert_eq!(parse_timestamp(Timestamp { seconds, nanos }), None, "{seconds} {nanos}");
        }
    }

    #[test]
    fn what_is_no_span_does_not_read() {
        for (seconds, nanos) in [(-1, 0), (i64::MIN, 0), (1, -1), (1, 1_000_000_000), (1, i32::MAX), (1, i32::MIN)] {
            assert_eq!(parse_duration(Duration { seconds, nanos }), None, "{seconds} {nanos}");
        }
        let longest = std::time::Duration::new(i64::MAX.unsigned_abs(), 999_999_999);
        assert_eq!(parse_duration(Duration { seconds: i64::MAX, nanos: 999_999_999 }), Some(longest));
    }

    /// Case J02 of `docs/catalogue.md`.
    #[test]
    fn a_life_out_of_bounds_is_refused() {
        for (seconds, nanos) in [
            (0, 0),
            (-60, 0),
            (9, 0),
            (121, 0),
            (i64::MIN, 0),
            (i64::MAX, 0),
            (60, 1_000_000_000),
            (60, i32::MAX),
            (60, -1),
            (61, -1_000_000_000),
            (60, 1),
        ] {
            assert_eq!(token_life(Duration { seconds, nanos }), Err(InvalidTokenLife), "{seconds} {nanos}");
        }
        for good in [10, 60, 120] {
            let life = token_life(Duration { seconds: good, nanos: 0 });
            assert_eq!(life.map(|life| life.span().as_secs()), Ok(good.unsigned_abs()));
        }
    }

    #[test]
    fn a_span_keeps_its_seconds_and_nanos() {
        let span = std::time::Duration::new(90, 7);
        assert_eq!(duration(span), Duration { seconds: 90, nanos: 7 });
    }
}
