//! Product providers (Produktgeber) and which of them a con:center user supports.

use super::error::Version;
use super::ids::ProviderId;
use super::text::Line;

/// Whether something may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// In use.
    Active,
    /// Kept, but refused for every jump.
    Disabled,
}

/// What a product provider is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProviderKind {
    /// An insurer (Versicherer).
    Insurer,
    /// A comparator of many insurers' tariffs (Vergleicher).
    Comparator,
}

/// A product provider of the catalogue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProductProvider {
    /// The operator's key.
    pub provider_id: ProviderId,
    /// For people.
    pub display_name: Line,
    /// Insurer or comparator.
    pub kind: ProviderKind,
    /// A disabled provider takes no jump, to any of its targets.
    pub state: State,
    /// The etag.
    pub version: Version,
}

/// Most product providers that a scope names.
pub const MOST_PROVIDERS: usize = 200;

/// The product providers that a con:center user supports: all, or only those named.
///
/// There is no "empty means all" (`docs/domain.md#users`): a list has at least one entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProviderScope {
    /// Every product provider.
    All,
    /// Only these.
    Only(ProviderList),
}

/// 1 to 200 product providers, sorted and unique.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderList(Vec<ProviderId>);

/// A list of product providers is empty, or longer than 200.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must name 1 to 200 product providers")]
pub struct InvalidProviderList;

impl ProviderList {
    /// Sorts the list; entries that are named twice count once.
    ///
    /// # Errors
    /// [`InvalidProviderList`] if it is empty or names more than 200.
    pub fn new(mut providers: Vec<ProviderId>) -> Result<Self, InvalidProviderList> {
        providers.sort_unstable();
        providers.dedup();
        if providers.is_empty() || providers.len() > MOST_PROVIDERS {
            return Err(InvalidProviderList);
        }
        Ok(Self(providers))
    }

    /// The providers, sorted and unique, at least one.
    #[must_use]
    pub fn as_slice(&self) -> &[ProviderId] {
        &self.0
    }
}

impl ProviderScope {
    /// Tells whether the scope holds `provider`.
    #[must_use]
    pub fn allows(&self, provider: &ProviderId) -> bool {
        match self {
            Self::All => true,
            Self::Only(list) => list.0.binary_search(provider).is_ok(),
        }
    }

    /// The scope of one that either holds a product provider or does not, for questions about that one alone. It may be empty,
    /// as no scope that is kept ever is.
    #[must_use]
    pub const fn of_one(holds_it: bool) -> Self {
        if holds_it { Self::All } else { Self::Only(ProviderList(Vec::new())) }
    }

    /// The scope without `provider`, for a what-if; of all providers those of `known` are left. It may come out empty, as no
    /// scope that is kept ever is: that one allows nothing.
    #[must_use]
    pub(super) fn without<'p>(&self, provider: &ProviderId, known: impl Iterator<Item = &'p ProviderId>) -> Self {
        let mut left: Vec<_> = match self {
            Self::All => known.cloned().collect(),
            Self::Only(list) => list.0.clone(),
        };
        left.sort_unstable();
        left.retain(|named| named != provider);
        Self::Only(ProviderList(left))
    }

    /// The providers named, none if the scope is [`ProviderScope::All`].
    #[must_use]
    pub fn named(&self) -> &[ProviderId] {
        match self {
            Self::All => &[],
            Self::Only(list) => list.as_slice(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> ProviderId {
        ProviderId::parse(text).expect("a key")
    }

    #[test]
    fn a_scope_allows_what_it_names() {
        let scope = ProviderScope::Only(ProviderList::new(vec![id("b"), id("a"), id("b")]).expect("two providers"));
        assert!(scope.allows(&id("a")) && scope.allows(&id("b")));
        assert!(!scope.allows(&id("c")));
        assert_eq!(scope.named(), [id("a"), id("b")]);
        assert!(ProviderScope::All.allows(&id("c")));
    }

    #[test]
    fn an_empty_list_is_not_a_scope() {
        assert_eq!(ProviderList::new(Vec::new()), Err(InvalidProviderList));
    }

    #[test]
    fn a_list_of_201_is_too_long() {
        let many = |n: usize| (0..n).map(|i| id(&format!("p{i}"))).collect();
        assert!(ProviderList::new(many(200)).is_ok());
        assert_eq!(ProviderList::new(many(201)), Err(InvalidProviderList));
    }
}
