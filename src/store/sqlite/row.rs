//! Reading rows: whatever does not read as what it should be makes the row corrupt, never a default.

use std::time::Duration;

use sqlx::sqlite::SqliteRow;
use sqlx::{Decode, Row as _, Sqlite, Type};

use super::error::{Failure, Step};
use crate::domain::error::Version;
use crate::domain::page::{Page, PageRequest};
use crate::domain::time::Timestamp;
use crate::store::StoreError;
use crate::store::codes::Code;

/// The cells of one row, by column name.
#[derive(Clone, Copy)]
pub(super) struct Cells<'r> {
    row: &'r SqliteRow,
    table: &'static str,
}

impl<'r> Cells<'r> {
    /// The cells of `row`; `table` is named when one does not read.
    pub(super) const fn of(row: &'r SqliteRow, table: &'static str) -> Self {
        Self { row, table }
    }

    /// What to answer for a cell that does not read.
    pub(super) const fn corrupt(self) -> Failure {
        Failure(StoreError::Corrupt { table: self.table })
    }

    /// A number, a text, a blob, or an `Option` of one.
    pub(super) fn plain<T>(self, column: &'static str) -> Step<T>
    where
        T: Decode<'r, Sqlite> + Type<Sqlite>,
    {
        self.row.try_get(column).map_err(|_| self.corrupt())
    }

    /// A text that `parse` reads.
    pub(super) fn parsed<T, E>(self, column: &'static str, parse: impl FnOnce(&str) -> Result<T, E>) -> Step<T> {
        parse(self.plain(column)?).map_err(|_| self.corrupt())
    }

    /// A text that `parse` reads, or NULL.
    pub(super) fn parsed_or_null<T, E>(
        self,
        column: &'static str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Step<Option<T>> {
        let text: Option<&str> = self.plain(column)?;
        text.map(parse).transpose().map_err(|_| self.corrupt())
    }

    /// A word.
    pub(super) fn code<T: Code>(self, column: &'static str) -> Step<T> {
        self.parsed(column, |word| T::from_code(word).ok_or(()))
    }

    /// A word, or NULL.
    pub(super) fn code_or_null<T: Code>(self, column: &'static str) -> Step<Option<T>> {
        self.parsed_or_null(column, |word| T::from_code(word).ok_or(()))
    }

    /// A JSON array of texts, each of which `parse` reads, or NULL.
    pub(super) fn list_or_null<T, E>(
        self,
        column: &'static str,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Step<Option<Vec<T>>> {
        let Some(json) = self.plain::<Option<&str>>(column)? else {
            return Ok(None);
        };
        let texts: Vec<String> = serde_json::from_str(json).map_err(|_| self.corrupt())?;
        let entries: Result<_, _> = texts.iter().map(|text| parse(text)).collect();
        entries.map(Some).map_err(|_| self.corrupt())
    }

    /// 32 bytes.
    pub(super) fn bytes32(self, column: &'static str) -> Step<[u8; 32]> {
        self.plain::<&[u8]>(column)?.try_into().map_err(|_| self.corrupt())
    }

    /// 32 bytes, or NULL.
    pub(super) fn bytes32_or_null(self, column: &'static str) -> Step<Option<[u8; 32]>> {
        let bytes: Option<&[u8]> = self.plain(column)?;
        bytes.map(TryInto::try_into).transpose().map_err(|_| self.corrupt())
    }

    /// An instant.
    pub(super) fn instant(self, column: &'static str) -> Step<Timestamp> {
        self.plain(column).map(Timestamp::from_unix_micros)
    }

    /// An instant, or NULL.
    pub(super) fn instant_or_null(self, column: &'static str) -> Step<Option<Timestamp>> {
        Ok(self.plain::<Option<i64>>(column)?.map(Timestamp::from_unix_micros))
    }

    /// The column `version`.
    pub(super) fn version(self) -> Step<Version> {
        self.plain("version").map(Version::from_number)
    }
}

/// How many rows to ask for: one more than the page takes, to learn whether another one follows.
pub(super) fn rows_to_ask(page: &PageRequest) -> i64 {
    i64::from(page.size.rows()) + 1
}

/// The page that `rows`, as many as [`rows_to_ask`] said, make; `key` names a row.
pub(super) fn page_of<T>(mut rows: Vec<T>, page: &PageRequest, key: impl Fn(&T) -> String) -> Page<T> {
    let size = usize::from(page.size.rows());
    let more = rows.len() > size;
    rows.truncate(size);
    let next = if more { rows.last().map(key) } else { None };
    Page { rows, next }
}

/// A span as rows count it: in microseconds.
pub(super) fn micros(span: Duration) -> i64 {
    i64::try_from(span.as_micros()).unwrap_or(i64::MAX)
}

/// Bytes as JSON carries them into `unhex()`: JSON has no blobs.
pub(super) fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for digit in bytes.iter().flat_map(|byte| [byte >> 4, byte & 0x0f]) {
        text.push(char::from(if digit < 10 { b'0' + digit } else { b'a' - 10 + digit }));
    }
    text
}

/// The JSON array of values that are JSON already.
pub(super) fn json_array<'v>(values: impl Iterator<Item = &'v str> + Clone) -> String {
    let mut array = String::with_capacity(2 + values.clone().map(|value| value.len() + 1).sum::<usize>());
    array.push('[');
    for (place, value) in values.enumerate() {
        if place > 0 {
            array.push(',');
        }
        array.push_str(value);
    }
    array.push(']');
    array
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_has_two_digits_a_byte() {
        assert_eq!(hex(&[0x00, 0x0f, 0xa0, 0xff]), "000fa0ff");
    }
}
