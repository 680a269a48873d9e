//! Reading rows: whatever does not read as what it should be makes the row corrupt, never a default.

use std::time::Duration;

use sqlx::postgres::PgRow;
use sqlx::{Decode, Postgres, Row as _, Type};
use uuid::Uuid;

use super::error::{Failure, Step};
use crate::domain::error::Version;
use crate::domain::page::{Page, PageRequest};
use crate::domain::time::Timestamp;
use crate::store::StoreError;
use crate::store::codes::Code;

/// The cells of one row, by column name.
#[derive(Clone, Copy)]
pub(super) struct Cells<'r> {
    row: &'r PgRow,
    table: &'static str,
}

impl<'r> Cells<'r> {
    /// The cells of `row`; `table` is named when one does not read.
    pub(super) const fn of(row: &'r PgRow, table: &'static str) -> Self {
        Self { row, table }
    }

    /// What to answer for a cell that does not read.
    pub(super) const fn corrupt(self) -> Failure {
        Failure(StoreError::Corrupt { table: self.table })
    }

    /// A text, bytes, a flag, an `i64`, or an `Option` of one.
    pub(super) fn plain<T>(self, column: &'static str) -> Step<T>
    where
        T: Decode<'r, Postgres> + Type<Postgres>,
    {
        self.row.try_get(column).map_err(|_| self.corrupt())
    }

    /// A number of another type than the one that rows keep.
    pub(super) fn number<T: TryFrom<i64>>(self, column: &'static str) -> Step<T> {
        self.plain::<i64>(column)?.try_into().map_err(|_| self.corrupt())
    }

    /// An id that is a UUID and that `parse` reads.
    pub(super) fn id<T, E>(self, column: &'static str, parse: impl FnOnce(&str) -> Result<T, E>) -> Step<T> {
        let mut text = Uuid::encode_buffer();
        parse(self.plain::<Uuid>(column)?.hyphenated().encode_lower(&mut text)).map_err(|_| self.corrupt())
    }

    /// An id that is a UUID and that `parse` reads, or NULL.
    pub(super) fn id_or_null<T, E>(
        self,
        column: &'static str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Step<Option<T>> {
        match self.plain::<Option<Uuid>>(column)? {
            Some(_) => self.id(column, parse).map(Some),
            None => Ok(None),
        }
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

    /// An array of texts, each of which `parse` reads, or NULL.
    pub(super) fn list_or_null<T, E>(
        self,
        column: &'static str,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Step<Option<Vec<T>>> {
        let Some(texts) = self.plain::<Option<Vec<String>>>(column)? else {
            return Ok(None);
        };
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

/// An id of ours as the driver binds it.
pub(super) const fn uuid(bytes: &[u8; 16]) -> Uuid {
    Uuid::from_bytes(*bytes)
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

/// The id that a page begins after; the nil id, which nothing has, where it begins at the start.
///
/// What is no id comes from nobody who was shown the page before: to him the list is at its end.
pub(super) fn after_id(page: &PageRequest) -> Uuid {
    match page.after.as_deref() {
        None => Uuid::nil(),
        Some(text) => Uuid::try_parse(text).unwrap_or(Uuid::max()),
    }
}
