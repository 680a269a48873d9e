//! The two languages of the pages, and which of them a browser wants.

use axum::http::HeaderMap;
use axum::http::header::ACCEPT_LANGUAGE;

/// Most ranges of `Accept-Language` that are looked at; browsers send a handful.
const MOST_RANGES: usize = 16;

/// A language of the pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Language {
    /// German, unless the browser prefers English.
    German,
    /// English.
    English,
}

impl Language {
    /// The one that the browser prefers (RFC 9110, section 12.5.4). Of two that it likes alike, the first.
    pub(crate) fn wanted(headers: &HeaderMap) -> Self {
        let ranges = headers.get(ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let mut best = (Self::German, 0);
        for range in ranges.split(',').take(MOST_RANGES) {
            let (tag, parameters) = range.split_once(';').unwrap_or((range, ""));
            let weight = weight(parameters);
            if let Some(language) = Self::of_tag(tag.trim())
                && weight > best.1
            {
                best = (language, weight);
            }
        }
        best.0
    }

    /// The tag of pages in it (BCP 47).
    pub(crate) const fn tag(self) -> &'static str {
        match self {
            Self::German => "de",
            Self::English => "en",
        }
    }

    fn of_tag(tag: &str) -> Option<Self> {
        let primary = tag.split('-').next().unwrap_or_default();
        [Self::German, Self::English].into_iter().find(|language| primary.eq_ignore_ascii_case(language.tag()))
    }
}

/// The quality of a range in thousandths; 0 for one that does not read, so that it counts for nothing.
fn weight(parameters: &str) -> u16 {
    let parameters = parameters.trim();
    if parameters.is_empty() {
        return 1000;
    }
    let Some(quality) = parameters.strip_prefix("q=").or_else(|| parameters.strip_prefix("Q=")) else { return 0 };
    let (whole, fraction) = quality.split_once('.').unwrap_or((quality, ""));
    let is_fraction = fraction.len() <= 3 && fraction.bytes().all(|byte| byte.is_ascii_digit());
    match (whole, is_fraction) {
        ("1", true) => 1000,
        ("0", true) => format!("{fraction:0<3}").parse().unwrap_or(0),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn the_language_is_the_one_that_is_liked_best() {
        let cases = [
            ("", Language::German),
            ("en", Language::English),
            ("en-GB,en;q=0.9", Language::English),
            ("de-DE,de;q=0.9,en;q=0.8", Language::German),
            ("de;q=0.5, en;q=0.8", Language::English),
            ("fr, en;q=0.3", Language::English),
            ("fr", Language::German),
            ("*", Language::German),
            ("de;q=0,en;q=0.001", Language::English),
            ("en;q=2", Language::German),
            ("en;q=x", Language::German),
            ("EN", Language::English),
        ];
        for (accepted, language) in cases {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT_LANGUAGE, HeaderValue::from_static(accepted));
            assert_eq!(Language::wanted(&headers), language, "{accepted}");
        }
        assert_eq!(Language::wanted(&HeaderMap::new()), Language::German);
    }
}
