//! The language of a page, as the browser wishes.

use axum::http::HeaderMap;
use axum::http::header::ACCEPT_LANGUAGE;

/// A language that pages are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Language {
    /// The usual one.
    German,
    /// For who asks for it.
    English,
}

/// How much a language is wished for, in thousandths.
type Weight = u16;

/// Of a language that is named without a weight.
const FULL: Weight = 1_000;

impl Language {
    /// Its tag (RFC 5646).
    pub(super) const fn tag(self) -> &'static str {
        match self {
            Self::German => "de",
            Self::English => "en",
        }
    }

    /// The one that the browser would rather have (RFC 9110, section 12.5.4); German where it has no wish that can be met.
    ///
    /// The one that is named first counts where both are wished for as much. What does not read is no wish.
    pub(super) fn accepted(headers: &HeaderMap) -> Self {
        let lines = headers.get_all(ACCEPT_LANGUAGE).into_iter().filter_map(|line| line.to_str().ok());
        let wishes = lines.flat_map(|line| line.split(',')).filter_map(wish);
        let (mut german, mut english, mut any) = (None, None, None);
        for (place, (range, weight)) in wishes.enumerate() {
            let wish = match range {
                _ if is_in(range, "de") => &mut german,
                _ if is_in(range, "en") => &mut english,
                "*" => &mut any,
                _ => continue,
            };
            if wish.is_none_or(|(known, _)| weight > known) {
                *wish = Some((weight, place));
            }
        }
        let Some((english, at)) = english.or(any) else {
            return Self::German;
        };
        let is_rather = |(german, place)| english > german || (english == german && at < place);
        if english > 0 && german.or(any).is_none_or(is_rather) { Self::English } else { Self::German }
    }
}

/// Reads one wish: a language range, and how much it is wished for.
fn wish(text: &str) -> Option<(&str, Weight)> {
    match text.split_once(';') {
        None => Some((text.trim(), FULL)),
        Some((range, weight)) => {
            let weight = weight.trim();
            let weight = weight.strip_prefix("q=").or_else(|| weight.strip_prefix("Q="))?;
            Some((range.trim(), parse_weight(weight)?))
        }
    }
}

/// Reads a weight: 0 to 1, with at most three digits behind the point.
fn parse_weight(text: &str) -> Option<Weight> {
    let (whole, digits) = text.split_once('.').unwrap_or((text, ""));
    if digits.len() > 3 || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let thousandths = format!("{digits:0<3}").parse().ok()?;
    match (whole, thousandths) {
        ("0", thousandths) => Some(thousandths),
        ("1", 0) => Some(FULL),
        _ => None,
    }
}

/// Tells whether a range is that of a language, whatever its region.
fn is_in(range: &str, language: &str) -> bool {
    range.split('-').next().is_some_and(|first| first.eq_ignore_ascii_case(language))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn accepted(lines: &[&'static str]) -> Language {
        let lines = lines.iter().map(|line| (ACCEPT_LANGUAGE, HeaderValue::from_static(line)));
        Language::accepted(&lines.collect())
    }

    #[test]
    fn the_language_is_the_one_wished_for_most() {
        for (line, language) in [
            ("de", Language::German),
            ("en", Language::English),
            ("de-AT", Language::German),
            ("EN-us", Language::English),
            ("en-US,en;q=0.9,de;q=0.8", Language::English),
            ("de-DE,de;q=0.9,en-US;q=0.8,en;q=0.7", Language::German),
            ("de;q=0.7, en;q=0.75", Language::English),
            ("de;q=0.7,en;q=0.7", Language::German),
            ("en;q=0.7,de;q=0.7", Language::English),
            ("fr,en;q=0.1", Language::English),
            ("fr;q=1.000 , de;q=0.001 , en;q=0", Language::German),
            ("de;q=0,en;q=0.1", Language::English),
            ("de;q=0,*", Language::English),
            ("de;q=0.5,*;q=0.4", Language::German),
            ("de;q=0.4,*;q=0.5", Language::English),
            ("en;q=0,*", Language::German),
        ] {
            assert_eq!(accepted(&[line]), language, "{line}");
        }
        assert_eq!(accepted(&["fr", "en;q=0.5"]), Language::English, "two lines are one");
    }

    #[test]
    fn who_wishes_nothing_that_can_be_had_gets_german() {
        for line in [
            "",
            "*",
            "fr",
            "fr,*;q=0.5",
            "*;q=0",
            "de;q=0,en;q=0",
            "english",
            "en;q=2",
            "en;q=1.001",
            "en;q=0.0001",
            "en;q=-1",
            "en;q=",
            "en;q=x",
            "en;level=1",
            "en;q=0.5;q=1",
            ",,;",
        ] {
            assert_eq!(accepted(&[line]), Language::German, "{line}");
        }
        assert_eq!(Language::accepted(&HeaderMap::new()), Language::German);
    }
}
