//! The settings of a tenant.

use super::{App, Call, Failure, done};
use crate::domain::audit::Action;
use crate::domain::error::Version;
use crate::domain::settings::{Settings, SettingsChange};

impl App {
    /// Reads the settings.
    ///
    /// # Errors
    /// Only when the store fails: every tenant has settings.
    pub async fn get_settings(&self, call: &Call) -> Result<Settings, Failure> {
        self.found(call, self.store.get_settings(self.known_tenant(call).await?).await?).await
    }

    /// Changes the settings.
    ///
    /// # Errors
    /// Refused: `EtagMismatch`.
    pub async fn update_settings(
        &self,
        call: &Call,
        version: Version,
        change: &SettingsChange,
    ) -> Result<Settings, Failure> {
        let effect = self.tenant_effect(call, Action::UpdateSettings, None).await?;
        done(self.store.update_settings(call.tenant()?, &effect, version, change).await?)
    }
}
