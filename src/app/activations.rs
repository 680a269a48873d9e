//! Broker activations.

use super::{App, Call, Failure, done};
use crate::domain::activation::{ActivationChange, BrokerActivation, BrokerList, NewActivation};
use crate::domain::audit::{Action, AuditObject};
use crate::domain::error::Version;
use crate::domain::ids::{ActivationId, BrokerId, UserId};
use crate::domain::page::{Page, PageRequest};
use crate::domain::provider::State;
use crate::domain::text::Line;

/// A broker activation to be made.
pub struct ActivationDraft {
    /// For people.
    pub display_name: Option<Line>,
    /// The brokers who will jump with the user.
    pub brokers: BrokerList,
    /// The con:center user.
    pub user_id: UserId,
    /// Why the user may be in another activation too.
    pub sharing_reason: Option<Line>,
}

impl App {
    /// Makes an activation.
    ///
    /// # Errors
    /// Refused: `NotFound`, `EndkundeConflict`, `StandardNotForJumps`, `UserAlreadyAssigned`.
    pub async fn create_activation(&self, call: &Call, draft: ActivationDraft) -> Result<BrokerActivation, Failure> {
        let activation_id = ActivationId::new(self.now(), &*self.random);
        let object = Some(AuditObject::new(&activation_id));
        let effect = self.tenant_effect(call, Action::CreateActivation, object).await?;
        let ActivationDraft { display_name, brokers, user_id, sharing_reason } = draft;
        let new = NewActivation { activation_id, display_name, brokers, user_id, sharing_reason };
        done(self.store.create_activation(call.tenant()?, &effect, &new).await?)
    }

    /// Reads an activation.
    ///
    /// # Errors
    /// Refused: `NotFound`.
    pub async fn get_activation(&self, call: &Call, activation: &ActivationId) -> Result<BrokerActivation, Failure> {
        self.found(call, self.store.get_activation(self.known_tenant(call).await?, activation).await?).await
    }

    /// Lists activations, the oldest first, of one broker or of all.
    ///
    /// # Errors
    /// Only when the store fails.
    pub async fn list_activations(
        &self,
        call: &Call,
        broker: Option<&BrokerId>,
        page: &PageRequest,
    ) -> Result<Page<BrokerActivation>, Failure> {
        Ok(self.store.list_activations(self.known_tenant(call).await?, broker, page).await?)
    }

    /// Changes an activation's brokers, user, display name or sharing reason.
    ///
    /// # Errors
    /// Refused: as [`App::create_activation`], and `EtagMismatch`.
    pub async fn update_activation(
        &self,
        call: &Call,
        activation: &ActivationId,
        version: Version,
        change: &ActivationChange,
    ) -> Result<BrokerActivation, Failure> {
        let effect = self.tenant_effect(call, Action::UpdateActivation, Some(AuditObject::new(activation))).await?;
        done(self.store.update_activation(call.tenant()?, &effect, activation, version, change).await?)
    }

    /// Disables or enables an activation.
    ///
    /// # Errors
    /// Refused: `NotFound`, `EtagMismatch`.
    pub async fn set_activation_state(
        &self,
        call: &Call,
        activation: &ActivationId,
        version: Version,
        state: State,
    ) -> Result<BrokerActivation, Failure> {
        let action = match state {
            State::Active => Action::EnableActivation,
            State::Disabled => Action::DisableActivation,
        };
        let effect = self.tenant_effect(call, action, Some(AuditObject::new(activation))).await?;
        done(self.store.set_activation_state(call.tenant()?, &effect, activation, version, state).await?)
    }

    /// Deletes an activation.
    ///
    /// # Errors
    /// Refused: `NotFound`, `EtagMismatch`.
    pub async fn delete_activation(
        &self,
        call: &Call,
        activation: &ActivationId,
        version: Version,
    ) -> Result<(), Failure> {
        let effect = self.tenant_effect(call, Action::DeleteActivation, Some(AuditObject::new(activation))).await?;
        done(self.store.delete_activation(call.tenant()?, &effect, activation, version).await?)
    }
}
