//! The fields of one request: read one after the other, refused all together.

use std::fmt::Display;

use super::problem::Problem;
use super::{non_empty, parse_etag};
use crate::app::Failure;
use crate::domain::error::{Version, Violation};
use crate::domain::ids::InvalidId;

/// Most violations that are listed. They travel in a trailer, and many a client takes only 8 KiB of those; who has so
/// many wrong fields does not miss the next one.
const MOST_VIOLATIONS: usize = 32;

/// Collects what is wrong with the fields of a request.
///
/// A reader gives the value or notes a violation, so that a conversion can read all fields first and only then take
/// them apart with `?`. It never notes a value: that may be a secret.
#[derive(Default)]
pub(in crate::api) struct Fields {
    noted: Vec<Violation>,
    /// The message of the request that the fields stand in which are read now; `None` for the request itself.
    message: Option<&'static str>,
}

/// A violation was noted. Only [`Fields::refuse`] makes one, so nothing is refused without saying why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::api) struct Noted(());

/// What reading a field came to.
pub(in crate::api) type Read<T> = Result<T, Noted>;

/// Both, if neither was refused. As a function it looks at the second one also where the first was refused.
pub(in crate::api) fn both<A, B>(one: Read<A>, other: Read<B>) -> Read<(A, B)> {
    Ok((one?, other?))
}

impl Fields {
    /// Gives what the fields came to.
    ///
    /// # Errors
    /// [`Failure::Invalid`] with the first 32 violations, in the order in which they were noted.
    pub(in crate::api) fn finish<T>(self, value: Read<T>) -> Result<T, Failure> {
        match value {
            Ok(value) if self.noted.is_empty() => Ok(value),
            Ok(_) | Err(Noted(())) => Err(Failure::Invalid(self.noted)),
        }
    }

    /// Reads the fields of a message within the request; their paths begin with its name.
    pub(in crate::api) fn within<T>(
        &mut self,
        message: &'static str,
        read: impl FnOnce(&mut Self) -> Read<T>,
    ) -> Read<T> {
        let outer = self.message.replace(message);
        let value = read(self);
        self.message = outer;
        value
    }

    /// Notes a violation.
    pub(in crate::api) fn refuse<T>(&mut self, path: impl Display, problem: &'static str) -> Read<T> {
        if self.noted.len() < MOST_VIOLATIONS {
            let path = match self.message {
                Some(message) => format!("{message}.{path}"),
                None => path.to_string(),
            };
            self.noted.push(Violation::new(path, problem));
        }
        Err(Noted(()))
    }

    /// Keeps what could be read.
    pub(in crate::api) fn keep<T, E: Problem>(&mut self, path: impl Display, parsed: Result<T, E>) -> Read<T> {
        parsed.or_else(|error| self.refuse(path, error.problem()))
    }

    /// Keeps what must be there.
    pub(in crate::api) fn needed<T>(&mut self, path: impl Display, value: Option<T>, problem: &'static str) -> Read<T> {
        value.map_or_else(|| self.refuse(path, problem), Ok)
    }

    /// Reads what may be absent.
    pub(in crate::api) fn optional<T>(
        &mut self,
        text: Option<&str>,
        read: impl FnOnce(&mut Self, &str) -> Read<T>,
    ) -> Read<Option<T>> {
        text.map(|text| read(self, text)).transpose()
    }

    /// Keeps an id that the service made, or the caller's of a request.
    pub(in crate::api) fn uuid<T>(&mut self, path: impl Display, parsed: Result<T, InvalidId>) -> Read<T> {
        self.needed(path, parsed.ok(), "must be a UUID of 36 characters")
    }

    /// Keeps an id that a portal chose.
    pub(in crate::api) fn portal_id<T>(&mut self, path: impl Display, parsed: Result<T, InvalidId>) -> Read<T> {
        self.needed(path, parsed.ok(), "must be 1 to 128 of A-Z a-z 0-9 . _ : @ -")
    }

    /// Keeps a key of the catalogue.
    pub(in crate::api) fn catalog_key<T>(&mut self, path: impl Display, parsed: Result<T, InvalidId>) -> Read<T> {
        self.needed(path, parsed.ok(), "must be 1 to 64 of a-z 0-9 -")
    }

    /// Keeps a line of business.
    pub(in crate::api) fn line<T>(&mut self, path: impl Display, parsed: Result<T, InvalidId>) -> Read<T> {
        self.needed(path, parsed.ok(), "must be three digits")
    }

    /// Reads an etag that must be there; it stands in the field `etag`.
    pub(in crate::api) fn etag(&mut self, text: &str) -> Read<Version> {
        self.needed("etag", parse_etag(text), "must be an etag as it was last read")
    }

    /// Reads an etag that is empty for something new.
    pub(in crate::api) fn etag_or_new(&mut self, text: &str) -> Read<Option<Version>> {
        self.optional(non_empty(text), Self::etag)
    }

    /// Reads one of the words of an enum `W` of the contract; unset and unknown ones are refused, and so are those
    /// that `read` has nothing for.
    pub(in crate::api) fn word<W: TryFrom<i32>, T>(
        &mut self,
        path: impl Display,
        number: i32,
        read: impl FnOnce(W) -> Option<T>,
    ) -> Read<T> {
        let value = W::try_from(number).ok().and_then(read);
        self.needed(path, value, "must be one of the values that are listed, and not unspecified")
    }

    /// Reads every element of a list, also those after a bad one. `read` gets the place of the element, too.
    pub(in crate::api) fn each<I, T>(
        &mut self,
        elements: impl IntoIterator<Item = I>,
        mut read: impl FnMut(&mut Self, usize, I) -> Read<T>,
    ) -> Read<Vec<T>> {
        let elements = elements.into_iter().enumerate();
        // Not collected in one go: that would stop at the first bad one.
        let all: Vec<_> = elements.map(|(place, element)| read(self, place, element)).collect();
        all.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::{BrokerId, UserId};
    use crate::proto::v1;

    fn paths(failure: Failure) -> Vec<String> {
        match failure {
            Failure::Invalid(violations) => violations.into_iter().map(|violation| violation.field).collect(),
            other => panic!("{other}"),
        }
    }

    #[test]
    fn all_violations_are_collected_in_order() {
        let mut fields = Fields::default();
        let pair = both(fields.uuid("user_id", UserId::parse("x")), fields.etag("x"));
        assert_eq!(fields.finish(pair).map_err(paths), Err(vec!["user_id".to_owned(), "etag".to_owned()]));
    }

    #[test]
    fn a_violation_refuses_whatever_the_value_is() {
        let mut fields = Fields::default();
        assert!(fields.refuse::<()>("kind", "is wrong").is_err());
        assert_eq!(fields.finish(Ok(())).map_err(paths), Err(vec!["kind".to_owned()]));
    }

    #[test]
    fn a_bad_element_does_not_hide_the_next_one() {
        let mut fields = Fields::default();
        let read = fields.each(["a", "b b", "c", ""], |fields, place, text| {
            fields.portal_id(format_args!("broker_ids[{place}]"), BrokerId::parse(text))
        });
        let expected = vec!["broker_ids[1]".to_owned(), "broker_ids[3]".to_owned()];
        assert_eq!(fields.finish(read).map_err(paths), Err(expected));
    }

    #[test]
    fn no_more_violations_are_listed_than_a_trailer_takes() {
        let mut fields = Fields::default();
        let all = fields.each(0..1_000, |fields, place, _| {
            fields.refuse::<()>(format_args!("customers[{place}].segment"), "is wrong")
        });
        assert_eq!(fields.finish(all).map_err(|failure| paths(failure).len()), Err(MOST_VIOLATIONS));
    }

    #[test]
    fn a_field_of_a_message_is_named_with_the_message_and_one_beside_it_without() {
        let mut fields = Fields::default();
        let inner = fields.within("user", |fields| both(fields.uuid("user_id", UserId::parse("x")), fields.etag("x")));
        let outer = fields.uuid("request_id", UserId::parse("x"));
        let expected = ["user.user_id", "user.etag", "request_id"].map(str::to_owned).to_vec();
        assert_eq!(fields.finish(both(inner, outer)).map_err(paths), Err(expected));
    }

    #[test]
    fn an_unset_or_unknown_word_is_refused() {
        for number in [0, 3, -1, i32::MAX] {
            let mut fields = Fields::default();
            let word = fields.word("segment", number, super::super::segment);
            assert_eq!(fields.finish(word).map_err(paths), Err(vec!["segment".to_owned()]), "{number}");
        }
        let mut fields = Fields::default();
        assert!(fields.word("segment", v1::Segment::Private.into(), super::super::segment).is_ok());
    }

    #[test]
    fn an_empty_etag_is_new_only_where_that_is_allowed() {
        let mut fields = Fields::default();
        assert_eq!(fields.etag_or_new(""), Ok(None));
        assert_eq!(fields.etag_or_new("v7"), Ok(Some(Version::from_number(7))));
        assert!(fields.etag("").is_err());
    }
}
