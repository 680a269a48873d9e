//! Text that people write: names and e-mail addresses, checked once and valid from then on.

use std::fmt;
use std::str::FromStr as _;

use icu_casemap::CaseMapper;
use icu_normalizer::ComposingNormalizer;

/// Why a text was refused. It never repeats the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TextProblem {
    /// Nothing is left after trimming.
    #[error("must not be empty")]
    Empty,
    /// More characters or bytes than the field takes.
    #[error("is too long")]
    TooLong,
    /// A control, bidirectional, zero-width or otherwise invisible character.
    #[error("contains a control, bidirectional or invisible character")]
    InvisibleCharacter,
    /// Not an address that a mail could be sent to.
    #[error("is not a single e-mail address")]
    NotAnAddress,
}

/// Most characters of a user name.
const USER_NAME_CHARACTERS: usize = 256;
/// Most bytes of a user name; con:center's own field is no longer.
const USER_NAME_BYTES: usize = 1_024;
/// Most characters of a display name or a sharing reason.
const LINE_CHARACTERS: usize = 200;
/// Most bytes of an e-mail address (RFC 5321, section 4.5.3.1.3, less the angle brackets).
const ADDRESS_BYTES: usize = 254;

/// Tells whether a reader would not see `c`, or see something else than what stands there.
///
/// Control characters break log lines, bidirectional ones turn text around (CVE-2021-42574), zero-width
/// ones make two names look alike.
fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{00AD}' | '\u{034F}' | '\u{061C}' | '\u{115F}'..='\u{1160}' | '\u{17B4}'..='\u{17B5}'
            | '\u{180B}'..='\u{180F}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}'
            | '\u{2060}'..='\u{206F}' | '\u{3164}' | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{FFA0}'
            | '\u{FFF0}'..='\u{FFFB}' | '\u{1D173}'..='\u{1D17A}' | '\u{E0000}'..='\u{E0FFF}')
}

fn check_line(text: &str, characters: usize, bytes: usize) -> Result<&str, TextProblem> {
    // Length first: nothing below may cost more than the field is allowed to hold.
    if text.len() > bytes {
        return Err(TextProblem::TooLong);
    }
    let trimmed = text.trim();
    if trimmed.is_empty() {
        return Err(TextProblem::Empty);
    }
    if trimmed.chars().count() > characters {
        return Err(TextProblem::TooLong);
    }
    // The whole text, not the trimmed one: a trailing line break is no accident of typing.
    if text.chars().any(is_invisible) {
        return Err(TextProblem::InvisibleCharacter);
    }
    Ok(trimmed)
}

/// The name of a con:center user, as con:center knows it.
///
/// Two names are the same when they are equal after NFKC, case folding and trimming
/// (`docs/domain.md#users`); [`UserName::key`] is that form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserName {
    typed: String,
    key: String,
}

impl UserName {
    /// Reads a name of 1 to 256 characters; white space around it is dropped.
    ///
    /// # Errors
    /// A [`TextProblem`] if it is empty, too long or holds an invisible character.
    pub fn parse(text: &str) -> Result<Self, TextProblem> {
        let typed = check_line(text, USER_NAME_CHARACTERS, USER_NAME_BYTES)?;
        let normalizer = ComposingNormalizer::new_nfkc();
        // Folding can undo the normal form (for example for U+0345), so it is restored afterwards.
        let folded = CaseMapper::new().fold_string(&normalizer.normalize(typed)).into_owned();
        let key = normalizer.normalize(&folded).trim().to_owned();
        if key.is_empty() {
            return Err(TextProblem::Empty);
        }
        Ok(Self { typed: typed.to_owned(), key })
    }

    /// The name as it was typed, trimmed: what con:center gets.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.typed
    }

    /// The form that is compared.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }
}

impl fmt::Display for UserName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.typed)
    }
}

/// One line of free text for people: a display name, or the reason why a user is shared. 1 to 200 characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line(String);

impl Line {
    /// Reads a line of 1 to 200 characters; white space around it is dropped.
    ///
    /// # Errors
    /// A [`TextProblem`] if it is empty, too long or holds an invisible character.
    pub fn parse(text: &str) -> Result<Self, TextProblem> {
        check_line(text, LINE_CHARACTERS, LINE_CHARACTERS * 4).map(|line| Self(line.to_owned()))
    }

    /// The line.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// An e-mail address that notices go to: one address, at most 254 bytes, ASCII.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmailAddress(String);

impl EmailAddress {
    /// Reads one bare address (RFC 5321 mailbox); no display name, no list, no comment.
    ///
    /// # Errors
    /// A [`TextProblem`] if it is empty, too long or not an address.
    pub fn parse(text: &str) -> Result<Self, TextProblem> {
        if text.is_empty() {
            return Err(TextProblem::Empty);
        }
        if text.len() > ADDRESS_BYTES {
            return Err(TextProblem::TooLong);
        }
        if !text.is_ascii() || text.bytes().any(|byte| !byte.is_ascii_graphic()) {
            return Err(TextProblem::NotAnAddress);
        }
        // The parser of the library that will send the mail: what it takes is what it can send.
        lettre::Address::from_str(text).map_err(|_| TextProblem::NotAnAddress)?;
        Ok(Self(text.to_owned()))
    }

    /// The address.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_look_alike_are_the_same() {
        let key = |text: &str| UserName::parse(text).map(|name| name.key().to_owned());
        for (one, other) in [
            ("Meier", " mEIER "),
            ("Straße", "STRASSE"),
            ("ﬁrma", "FIRMA"),
            ("Mu\u{0308}ller", "MÜLLER"),
            ("ＡＢＣ", "abc"),
        ] {
            assert_eq!(key(one), key(other), "{one} and {other}");
        }
        assert_ne!(key("Meier"), key("Maier"));
    }

    #[test]
    fn a_name_is_kept_as_it_was_typed() {
        assert_eq!(UserName::parse("  Meier ").map(|name| name.to_string()), Ok("Meier".to_owned()));
    }

    #[test]
    fn an_unfit_name_is_refused() {
        for (text, problem) in [
            (String::new(), TextProblem::Empty),
            ("   ".to_owned(), TextProblem::Empty),
            ("x".repeat(257), TextProblem::TooLong),
            ("x".repeat(5_000), TextProblem::TooLong),
            ("a\0b".to_owned(), TextProblem::InvisibleCharacter),
            ("a\r\n".to_owned(), TextProblem::InvisibleCharacter),
            ("\u{1b}[2J".to_owned(), TextProblem::InvisibleCharacter),
            ("a\u{202e}b".to_owned(), TextProblem::InvisibleCharacter),
            ("a\u{200b}b".to_owned(), TextProblem::InvisibleCharacter),
        ] {
            assert_eq!(UserName::parse(&text), Err(problem), "{text:?}");
        }
        assert!(UserName::parse(&"ü".repeat(256)).is_ok());
    }

    #[test]
    fn only_one_bare_address_is_an_address() {
        assert!(EmailAddress::parse("backoffice@makler.example").is_ok());
        for text in ["", "a", "a@", "a@b.de\r\nBcc: x@y", "a@b.de,c@d.de", "A <a@b.de>", "ä@b.de"] {
            assert!(EmailAddress::parse(text).is_err(), "{text:?}");
        }
        let long = format!("{}@example.org", "a".repeat(300));
        assert_eq!(EmailAddress::parse(&long), Err(TextProblem::TooLong));
    }
}
