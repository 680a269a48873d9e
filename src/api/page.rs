//! Pages of lists: size and token on the way in, token on the way out.

use super::convert::{Fields, Read, non_empty};
use super::desk::Desk;
use crate::app::pages::List;
use crate::domain::page::{PageRequest, PageSize};

impl Desk {
    /// Reads which page of `list` is wanted. An empty token is the first one.
    pub(super) fn page(&self, fields: &mut Fields, list: &List<'_>, size: i32, token: &str) -> Read<PageRequest> {
        page(fields, size, token, |token| self.app.open_page_token(list, token))
    }

    /// The token of the page after `last`, the key of a page's last row; empty where the list ends.
    pub(super) fn next_page(&self, list: &List<'_>, last: Option<&str>) -> String {
        last.map(|last| self.app.seal_page_token(list, last)).unwrap_or_default()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::Failure;

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
}
