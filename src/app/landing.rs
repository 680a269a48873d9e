//! The landing page of a target: where it leads. It is no decision, so nobody is asked who he is, and nothing is written.

use super::App;
use crate::domain::ids::TargetId;
use crate::domain::provider::State;
use crate::domain::target::{Delivery, Origin, Target};
use crate::domain::text::Line;
use crate::store::StoreError;

/// Where the landing page of a target leads.
#[derive(Debug, PartialEq, Eq)]
pub enum Entrance {
    /// There is no such page: no such target, or one that browsers reach without it.
    Nowhere,
    /// To a target that takes no jump now, since it or its product provider is disabled.
    Closed {
        /// The target's name for people.
        name: Line,
    },
    /// To this target, by posting to its URL.
    Open(Box<Target>),
}

impl App {
    /// Where browsers reach the service.
    #[must_use]
    pub const fn public_url(&self) -> &Origin {
        &self.public_url
    }

    /// Finds out where the landing page of a target leads.
    ///
    /// # Errors
    /// Only when the store fails.
    pub async fn entrance(&self, target: &TargetId) -> Result<Entrance, StoreError> {
        let Some(target) = self.store.get_target(target).await? else {
            return Ok(Entrance::Nowhere);
        };
        if target.delivery != Delivery::FormPost {
            return Ok(Entrance::Nowhere);
        }
        let provider = self.store.get_provider(&target.provider_id).await?;
        let provider_is_active = provider.is_some_and(|provider| provider.state == State::Active);
        if target.state == State::Active && provider_is_active {
            Ok(Entrance::Open(Box::new(target)))
        } else {
            Ok(Entrance::Closed { name: target.display_name })
        }
    }
}
