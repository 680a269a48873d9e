//! Spans of time as they are typed: a number with its unit.

use std::time::Duration;

/// What a span of time looks like.
pub(super) const PROBLEM: &str = "must be a whole number with s, m or h, as in 90s, 30m or 1h";

/// Reads a whole number with its unit: `90s`, `30m`, `1h`.
///
/// # Errors
/// [`PROBLEM`] for anything else.
pub(super) fn parse_duration(text: &str) -> Result<Duration, &'static str> {
    let unit = text.chars().next_back().ok_or(PROBLEM)?;
    let seconds_each: u64 = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        _ => return Err(PROBLEM),
    };
    let number = text.strip_suffix(unit).unwrap_or_default();
    // `parse` alone would take a plus sign.
    if !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(PROBLEM);
    }
    let seconds = number.parse::<u64>().ok().and_then(|number| number.checked_mul(seconds_each)).ok_or(PROBLEM)?;
    Ok(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_a_number_with_its_unit() {
        for (text, seconds) in [("0s", 0), ("90s", 90), ("30m", 1_800), ("25h", 90_000)] {
            assert_eq!(parse_duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "h", "1", "1d", "+1h", "-1h", "1.5h", "99999999999999999999h", "9999999999999999999h", "1hh"] {
            assert_eq!(parse_duration(text), Err(PROBLEM), "{text}");
        }
    }
}
