//! Scopes: everything, or a list that is never empty.

use super::{Fields, Read};
use crate::domain::ids::{LineOfBusiness, ProviderId};
use crate::domain::provider::{ProviderList, ProviderScope};
use crate::domain::target::{LineList, LineScope};
use crate::proto::v1;
use crate::proto::v1::line_of_business_scope as lines;
use crate::proto::v1::provider_scope as providers;

/// What an absent or empty scope gets: which one is meant is never guessed.
const ALL_OR_ONLY: &str = "must be either `all` or `only` with a list";

/// Reads the field `provider_scope`.
pub(in crate::api) fn provider_scope(fields: &mut Fields, wire: Option<v1::ProviderScope>) -> Read<ProviderScope> {
    match wire.and_then(|wire| wire.scope) {
        Some(providers::Scope::All(_)) => Ok(ProviderScope::All),
        Some(providers::Scope::Only(only)) => {
            let path = "provider_scope.only.product_provider_ids";
            let ids = fields.each(only.product_provider_ids, |fields, place, id| {
                fields.catalog_key(format_args!("{path}[{place}]"), ProviderId::parse(&id))
            })?;
            fields.keep(path, ProviderList::new(ids)).map(ProviderScope::Only)
        }
        None => fields.refuse("provider_scope", ALL_OR_ONLY),
    }
}

/// Says which product providers a scope holds.
pub(in crate::api) fn provider_scope_out(scope: &ProviderScope) -> v1::ProviderScope {
    let scope = match scope {
        ProviderScope::All => providers::Scope::All(providers::All {}),
        ProviderScope::Only(list) => providers::Scope::Only(providers::Only {
            product_provider_ids: list.as_slice().iter().map(ToString::to_string).collect(),
        }),
    };
    v1::ProviderScope { scope: Some(scope) }
}

/// Reads the field `lines_of_business`.
pub(in crate::api) fn line_scope(fields: &mut Fields, wire: Option<v1::LineOfBusinessScope>) -> Read<LineScope> {
    match wire.and_then(|wire| wire.scope) {
        Some(lines::Scope::All(_)) => Ok(LineScope::All),
        Some(lines::Scope::Only(only)) => {
            let path = "lines_of_business.only.lines_of_business";
            let codes = fields.each(only.lines_of_business, |fields, place, code| {
                fields.line(format_args!("{path}[{place}]"), LineOfBusiness::parse(&code))
            })?;
            fields.keep(path, LineList::new(codes)).map(LineScope::Only)
        }
        None => fields.refuse("lines_of_business", ALL_OR_ONLY),
    }
}

/// Says which lines of business a scope holds.
pub(in crate::api) fn line_scope_out(scope: &LineScope) -> v1::LineOfBusinessScope {
    let scope = match scope {
        LineScope::All => lines::Scope::All(lines::All {}),
        LineScope::Only(list) => lines::Scope::Only(lines::Only {
            lines_of_business: list.as_slice().iter().map(ToString::to_string).collect(),
        }),
    };
    v1::LineOfBusinessScope { scope: Some(scope) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::Failure;

    fn only(ids: &[&str]) -> v1::ProviderScope {
        let product_provider_ids = ids.iter().map(|id| (*id).to_owned()).collect();
        v1::ProviderScope { scope: Some(providers::Scope::Only(providers::Only { product_provider_ids })) }
    }

    fn read(wire: Option<v1::ProviderScope>) -> Result<ProviderScope, Vec<String>> {
        let mut fields = Fields::default();
        let scope = provider_scope(&mut fields, wire);
        fields.finish(scope).map_err(|failure| match failure {
            Failure::Invalid(violations) => violations.into_iter().map(|violation| violation.field).collect(),
            other => panic!("{other}"),
        })
    }

    #[test]
    fn a_list_comes_back_sorted_and_each_once() {
        let scope = read(Some(only(&["b", "a", "b"]))).unwrap();
        assert_eq!(provider_scope_out(&scope), only(&["a", "b"]));
    }

    #[test]
    fn nothing_and_an_empty_list_are_never_all() {
        let list = "provider_scope.only.product_provider_ids";
        assert_eq!(read(None), Err(vec!["provider_scope".to_owned()]));
        assert_eq!(read(Some(v1::ProviderScope { scope: None })), Err(vec!["provider_scope".to_owned()]));
        assert_eq!(read(Some(only(&[]))), Err(vec![list.to_owned()]));
        assert_eq!(read(Some(only(&["a", "A", ""]))), Err(vec![format!("{list}[1]"), format!("{list}[2]")]));
    }

    #[test]
    fn lines_of_business_read_back() {
        let lines_of_business = vec!["050".to_owned(), "010".to_owned()];
        let wire = v1::LineOfBusinessScope { scope: Some(lines::Scope::Only(lines::Only { lines_of_business })) };
        let scope = line_scope(&mut Fields::default(), Some(wire)).unwrap();
        let v1::LineOfBusinessScope { scope: Some(lines::Scope::Only(only)) } = line_scope_out(&scope) else {
            panic!("must be a list");
        };
        assert_eq!(only.lines_of_business, ["010", "050"]);
    }
}
