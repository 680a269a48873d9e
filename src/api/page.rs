//! Pages of lists: size and token on the way in, rows and token on the way out.

use prost::Message;
use prost::encoding::{encoded_len_varint, key_len};

use super::convert::{Fields, Read, non_empty};
use super::desk::Desk;
use crate::app::pages::List;
use crate::domain::page::{Page, PageRequest, PageSize};

/// Most bytes of an answer with a page: 3 MiB, as many a client takes no more than 4 MiB.
const PAGE_BYTES: usize = 3 * 1024 * 1024;
/// What is kept of that for the token of the next page, which has at most 256 characters.
const TOKEN_BYTES: usize = 1024;

impl Desk {
    /// Reads which page of `list` is wanted. An empty token is the first one.
    pub(super) fn page(&self, fields: &mut Fields, list: &List<'_>, size: i32, token: &str) -> Read<PageRequest> {
        page(fields, size, token, |token| self.app.open_page_token(list, token))
    }

    /// The rows of a page that fit into one answer, at least one if there is any, and the token of the page after
    /// them; empty where the list ends. `key` is the id of a row, which the list is sorted by.
    pub(super) fn page_out<R: Message>(
        &self,
        list: &List<'_>,
        page: Page<R>,
        key: impl Fn(&R) -> &str,
    ) -> (Vec<R>, String) {
        let Page { rows, next } = fitting(page, PAGE_BYTES - TOKEN_BYTES, key);
        let token = next.map(|last| self.app.seal_page_token(list, &last)).unwrap_or_default();
        (rows, token)
    }

    /// The same of rows that are so small that [`PageSize::LARGEST`] of them fit into one answer, at most 6 KiB each, and that
    /// need not carry the key that they are sorted by.
    pub(super) fn small_page_out<R>(&self, list: &List<'_>, page: Page<R>) -> (Vec<R>, String) {
        let Page { rows, next } = page;
        let token = next.map(|last| self.app.seal_page_token(list, &last)).unwrap_or_default();
        (rows, token)
    }
}

fn page(fields: &mut Fields, size: i32, token: &str, open: impl FnOnce(&str) -> Option<String>) -> Read<PageRequest> {
    let size = fields.keep("page_size", PageSize::parse(size));
    // One problem for all of them: it is nobody's business whether the token is good elsewhere.
    let after = fields.optional(non_empty(token), |fields, token| {
        fields.needed("page_token", open(token), "must be a token of the same list and filter")
    });
    Ok(PageRequest { size: size?, after: after? })
}

/// The page without the rows that do not fit into `most` bytes; they are on the next one then. The first row always
/// fits: a page without rows would be asked for again and again.
fn fitting<R: Message>(page: Page<R>, most: usize, key: impl Fn(&R) -> &str) -> Page<R> {
    let Page { mut rows, next } = page;
    let mut bytes = 0;
    let fits = |row: &R| {
        bytes += encoded_len(row);
        bytes <= most
    };
    let count = rows.iter().map(fits).take_while(|fits| *fits).count().max(1);
    if count >= rows.len() {
        return Page { rows, next };
    }
    rows.truncate(count);
    let last = rows.last().map(|row| key(row).to_owned());
    Page { rows, next: last }
}

/// Bytes of a row in an answer, with its tag and its length. Every list has its rows in the first field.
fn encoded_len<R: Message>(row: &R) -> usize {
    let content = row.encoded_len();
    // A length of memory always fits 64 bits.
    key_len(1) + encoded_len_varint(u64::try_from(content).unwrap_or(u64::MAX)) + content
}

/// The filter of a list as one text that is the same for the same filter only: each part with its length before it, or a
/// dash for one that is absent. The parts of a list always stand in the same order.
pub(super) fn filter(parts: &[Option<&str>]) -> String {
    let part = |part: Option<&str>| part.map_or_else(|| "-".to_owned(), |text| format!("{}:{text}", text.len()));
    parts.iter().copied().map(part).collect()
}

#[cfg(test)]
mod tests {
    use prost_types::FieldDescriptorProto;
    use prost_types::field_descriptor_proto::Label;

    use super::*;
    use crate::app::Failure;
    use crate::proto::v1;

    fn read(size: i32, token: &str) -> Result<PageRequest, Vec<String>> {
        let mut fields = Fields::default();
        let open = |token: &str| (token == "good").then(|| "row-7".to_owned());
        let page = page(&mut fields, size, token, open);
        fields.finish(page).map_err(|failure| match failure {
            Failure::Invalid(violations) => violations.into_iter().map(|violation| violation.field).collect(),
            other => panic!("{other}"),
        })
    }

    #[test]
    fn no_token_is_the_first_page() {
        assert_eq!(read(0, "").map(|page| (page.size.rows(), page.after)), Ok((50, None)));
    }

    #[test]
    fn a_token_begins_where_it_says() {
        assert_eq!(read(7, "good").map(|page| (page.size.rows(), page.after)), Ok((7, Some("row-7".to_owned()))));
    }

    #[test]
    fn size_and_token_are_refused_together() {
        assert_eq!(read(-1, "bad"), Err(vec!["page_size".to_owned(), "page_token".to_owned()]));
    }

    /// A user of about so many bytes.
    fn user(id: usize, bytes: usize) -> v1::ConcenterUser {
        v1::ConcenterUser { user_id: format!("u-{id}"), user_name: "x".repeat(bytes), ..Default::default() }
    }

    fn users(sizes: &[usize], next: Option<&str>) -> Page<v1::ConcenterUser> {
        let rows = sizes.iter().enumerate().map(|(id, bytes)| user(id, *bytes)).collect();
        Page { rows, next: next.map(str::to_owned) }
    }

    /// How many rows fit, and where the next page begins.
    fn fit(page: Page<v1::ConcenterUser>, most: usize) -> (usize, Option<String>) {
        let Page { rows, next } = fitting(page, most, |user| &user.user_id);
        (rows.len(), next)
    }

    fn answer_bytes(page: &Page<v1::ConcenterUser>) -> usize {
        v1::ListUsersResponse { users: page.rows.clone(), next_page_token: String::new() }.encoded_len()
    }

    #[test]
    fn a_page_that_fits_stays_as_it_is() {
        assert_eq!(fit(users(&[], None), 0), (0, None));
        assert_eq!(fit(users(&[100, 100], None), 1_000), (2, None));
        assert_eq!(fit(users(&[100, 100], Some("u-1")), 1_000), (2, Some("u-1".to_owned())));
    }

    #[test]
    fn rows_that_do_not_fit_come_after_the_last_one_that_does() {
        assert_eq!(fit(users(&[100, 100, 100], None), 250), (2, Some("u-1".to_owned())));
        assert_eq!(fit(users(&[100, 100, 100], Some("u-2")), 250), (2, Some("u-1".to_owned())));
        // A small row behind a large one must not be taken before it.
        assert_eq!(fit(users(&[100, 900, 1], None), 250), (1, Some("u-0".to_owned())));
    }

    #[test]
    fn at_least_one_row_fits() {
        assert_eq!(fit(users(&[5_000, 1], None), 250), (1, Some("u-0".to_owned())));
        assert_eq!(fit(users(&[5_000], None), 250), (1, None));
    }

    #[test]
    fn a_page_takes_all_bytes_that_it_may_and_not_one_more() {
        // Lengths around those where the length itself takes another byte.
        for sizes in [[1, 10, 100], [118, 119, 120], [127, 128, 129], [16_000, 16_383, 16_384]] {
            let whole = answer_bytes(&users(&sizes, None));
            assert_eq!(fit(users(&sizes, None), whole), (3, None), "{sizes:?}");
            assert_eq!(fit(users(&sizes, None), whole - 1), (2, Some("u-1".to_owned())), "{sizes:?}");
        }
    }

    #[test]
    fn the_largest_page_of_the_largest_users_stays_below_the_limit() {
        let page = users(&[14 * 1024; 500], None);
        assert!(answer_bytes(&page) > 2 * PAGE_BYTES);
        let page = fitting(page, PAGE_BYTES - TOKEN_BYTES, |user| &user.user_id);
        let answer = v1::ListUsersResponse { users: page.rows, next_page_token: "x".repeat(256) };
        assert!(answer.encoded_len() <= PAGE_BYTES);
        assert!(answer.users.len() > 200);
    }

    #[test]
    fn every_list_has_its_rows_in_the_first_field() {
        let set = prost_types::FileDescriptorSet::decode(crate::proto::FILE_DESCRIPTOR_SET).unwrap();
        let messages = set.file.iter().filter(|file| file.package().starts_with("concenter."));
        let pages = messages
            .flat_map(|file| &file.message_type)
            .filter(|message| message.field.iter().any(|field| field.name() == "next_page_token"));
        let mut count = 0;
        for message in pages {
            let lists: Vec<_> = message.field.iter().filter(|field| field.label() == Label::Repeated).collect();
            assert_eq!(lists.iter().map(|field| field.number()).collect::<Vec<_>>(), [1], "{}", message.name());
            // What stands beside the rows is told once for all of them, and small.
            let beside = message.field.iter().filter(|field| field.label() != Label::Repeated);
            let beside: Vec<_> = beside.map(FieldDescriptorProto::name).collect();
            let expected: &[_] = match message.name() {
                "GetIsolationReportResponse" => &["next_page_token", "summary"],
                "SimulateChangeResponse" => &["next_page_token", "brokers", "customers", "would_be_refused"],
                _ => &["next_page_token"],
            };
            assert_eq!(beside, expected, "{}", message.name());
            count += 1;
        }
        assert!(count >= 10, "the search finds too little to be right: {count}");
    }

    #[test]
    fn two_filters_never_give_the_same_text() {
        let all = [
            filter(&[None, None]),
            filter(&[Some(""), None]),
            filter(&[None, Some("")]),
            filter(&[Some("a"), None]),
            filter(&[None, Some("a")]),
            filter(&[Some("a"), Some("b")]),
            filter(&[Some("ab"), Some("")]),
            filter(&[Some("-"), None]),
            filter(&[Some("a-"), None]),
            filter(&[Some("a1:b"), None]),
            filter(&[Some("b"), Some("a")]),
        ];
        let different: std::collections::HashSet<_> = all.iter().collect();
        assert_eq!(different.len(), all.len(), "{all:?}");
        assert_eq!(filter(&[Some("a"), None]), filter(&[Some("a"), None]));
    }
}
