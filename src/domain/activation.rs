//! Broker activations (VM-Freischaltungen): which brokers jump with which con:center user.

use super::change::Change;
use super::error::Version;
use super::ids::{ActivationId, BrokerId, UserId};
use super::provider::State;
use super::text::Line;
use super::time::Timestamp;

/// Most brokers of one activation.
const MOST_BROKERS: usize = 100;

/// 1 to 100 brokers, sorted and unique.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerList(Vec<BrokerId>);

/// A list of brokers is empty, or longer than 100.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must name 1 to 100 brokers")]
pub struct InvalidBrokerList;

impl BrokerList {
    /// Sorts the list; brokers that are named twice count once.
    ///
    /// # Errors
    /// [`InvalidBrokerList`] if it is empty or names more than 100.
    pub fn new(mut brokers: Vec<BrokerId>) -> Result<Self, InvalidBrokerList> {
        brokers.sort_unstable();
        brokers.dedup();
        if brokers.is_empty() || brokers.len() > MOST_BROKERS {
            return Err(InvalidBrokerList);
        }
        Ok(Self(brokers))
    }

    /// The brokers, sorted and unique, at least one.
    #[must_use]
    pub fn as_slice(&self) -> &[BrokerId] {
        &self.0
    }
}

/// A broker activation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerActivation {
    /// Its id.
    pub activation_id: ActivationId,
    /// For people.
    pub display_name: Option<Line>,
    /// The brokers who jump with the user.
    pub brokers: BrokerList,
    /// The con:center user that they jump with; always of kind `Broker`.
    pub user_id: UserId,
    /// A disabled activation is as if its brokers were locked out, at once.
    pub state: State,
    /// Why the user may be in another activation too.
    pub sharing_reason: Option<Line>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last edited.
    pub updated_at: Timestamp,
    /// The etag.
    pub version: Version,
}

/// What a new broker activation starts with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewActivation {
    /// Its id.
    pub activation_id: ActivationId,
    /// For people.
    pub display_name: Option<Line>,
    /// The brokers who jump with the user.
    pub brokers: BrokerList,
    /// The con:center user that they jump with.
    pub user_id: UserId,
    /// Why the user may be in another activation too.
    pub sharing_reason: Option<Line>,
}

/// A change of a broker activation. Its state is changed by itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ActivationChange {
    /// For people.
    pub display_name: Change<Option<Line>>,
    /// The brokers who jump with the user; a decision rests on them.
    pub brokers: Change<BrokerList>,
    /// The con:center user; a decision rests on it.
    pub user_id: Change<UserId>,
    /// Why the user may be in another activation too.
    pub sharing_reason: Change<Option<Line>>,
}
