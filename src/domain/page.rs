//! Pages of a list: keyset-paged, so that the last page costs what the first one does.

/// Rows on a page that the caller did not size.
const DEFAULT_SIZE: u16 = 50;
/// Most rows on a page; a larger wish is clamped.
const LARGEST_SIZE: u16 = 500;

/// The size of a page: 1 to 500 rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageSize(u16);

/// A page cannot have a negative number of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("page size is negative")]
pub struct NegativePageSize;

impl PageSize {
    /// 500 rows.
    pub const LARGEST: Self = Self(LARGEST_SIZE);

    /// Reads a wished size: 0 is 50, more than 500 is 500.
    ///
    /// # Errors
    /// [`NegativePageSize`] below 0.
    pub fn parse(wish: i32) -> Result<Self, NegativePageSize> {
        match u16::try_from(wish) {
            Ok(0) => Ok(Self(DEFAULT_SIZE)),
            Ok(rows) => Ok(Self(rows.min(LARGEST_SIZE))),
            Err(_) if wish < 0 => Err(NegativePageSize),
            Err(_) => Ok(Self(LARGEST_SIZE)),
        }
    }

    /// How many rows, 1 to 500.
    #[must_use]
    pub const fn rows(self) -> u16 {
        self.0
    }
}

/// Where a page begins and how long it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageRequest {
    /// Most rows to return.
    pub size: PageSize,
    /// The key of the last row of the page before; `None` begins at the start.
    pub after: Option<String>,
}

/// One page, in the order of the list's key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// At most [`PageRequest::size`] rows.
    pub rows: Vec<T>,
    /// The key to go on after; `None` where the list ends.
    pub next: Option<String>,
}

impl<T> Page<T> {
    /// The same page with every row turned into something else.
    pub fn map<U>(self, turn: impl FnMut(T) -> U) -> Page<U> {
        Page { rows: self.rows.into_iter().map(turn).collect(), next: self.next }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_size_is_defaulted_clamped_or_refused() {
        let rows = |wish| PageSize::parse(wish).map(PageSize::rows);
        assert_eq!(rows(0), Ok(50));
        assert_eq!(rows(7), Ok(7));
        assert_eq!(rows(100_000), Ok(500));
        assert_eq!(rows(-1), Err(NegativePageSize));
    }
}
