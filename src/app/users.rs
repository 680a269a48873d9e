//! Con:center users: making them, and every change that a jump notices.

use super::{App, Call, Failure, done};
use crate::domain::audit::{Action, AuditObject};
use crate::domain::error::Version;
use crate::domain::ids::{TenantId, UserId};
use crate::domain::page::{Page, PageRequest};
use crate::domain::provider::{ProviderScope, State};
use crate::domain::text::{EmailAddress, Line, UserName};
use crate::domain::user::{
    ConcenterUser, EndCustomerChange, NewUser, SealedSecret, SecretChange, UserChange, UserKind,
};
use crate::secrets::{Place, Secret, TenantKeys};
use crate::store::StandardMoved;

/// The field of a user's row that holds his password; part of what the ciphertext is bound to.
const PASSWORD_FIELD: &str = "password";
/// Most bytes of a password.
const PASSWORD_BYTES: usize = 512;

/// A password for con:center: 1 to 512 bytes without NUL.
pub struct Password(Secret);

/// A password is empty, too long or holds NUL. It never repeats the password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to 512 bytes without NUL")]
pub struct InvalidPassword;

impl Password {
    /// Checks a password.
    ///
    /// # Errors
    /// [`InvalidPassword`] if it is empty, longer than 512 bytes or holds NUL.
    pub fn new(secret: Secret) -> Result<Self, InvalidPassword> {
        let bytes = secret.expose();
        if bytes.is_empty() || bytes.len() > PASSWORD_BYTES || bytes.contains(&0) {
            return Err(InvalidPassword);
        }
        Ok(Self(secret))
    }
}

/// A con:center user to be made.
pub struct UserDraft {
    /// Its name at con:center.
    pub name: UserName,
    /// `Broker` or `EndCustomer`; Standard is moved, not made.
    pub kind: UserKind,
    /// What it supports.
    pub scope: ProviderScope,
    /// For people.
    pub display_name: Option<Line>,
    /// Where notices go.
    pub notification_email: Option<EmailAddress>,
    /// Its password, if it is known yet.
    pub password: Option<Password>,
}

/// Where a user's password of one version stands.
pub(super) fn with_place<T>(tenant: TenantId, user: &UserId, version: i64, use_it: impl FnOnce(&Place<'_>) -> T) -> T {
    let row = user.to_string();
    use_it(&Place { tenant, row: &row, field: PASSWORD_FIELD, version })
}

impl App {
    /// Makes a user.
    ///
    /// # Errors
    /// Refused: `EndkundeConflict` for kind `Standard`, `ProviderScopeRequired`, and as the store says.
    pub async fn create_user(&self, call: &Call, draft: UserDraft) -> Result<ConcenterUser, Failure> {
        let tenant = *call.tenant()?;
        if draft.kind == UserKind::Standard {
            return Err(Failure::field("kind", "Standard is moved by SetStandardUser"));
        }
        if draft.kind == UserKind::EndCustomer && draft.scope == ProviderScope::All {
            return Err(Failure::field("provider_scope", "a user marked Endkunde must name its product providers"));
        }
        let user_id = UserId::new(self.now(), &*self.random);
        let effect = self.tenant_effect(call, Action::CreateUser, Some(AuditObject::new(&user_id))).await?;
        let sealed_secret = match &draft.password {
            Some(password) => {
                let keys = self.caller_keys(call).await?;
                Some(self.seal_password(&keys, call, &user_id, 1, password)?)
            }
            None => None,
        };
        let new = NewUser {
            user_id,
            name: draft.name,
            kind: draft.kind,
            scope: draft.scope,
            display_name: draft.display_name,
            notification_email: draft.notification_email,
            sealed_secret,
        };
        done(self.store.create_user(&tenant, &effect, &new).await?)
    }

    /// Reads a user.
    ///
    /// # Errors
    /// Refused: `NotFound`.
    pub async fn get_user(&self, call: &Call, user: &UserId) -> Result<ConcenterUser, Failure> {
        self.found(call, self.store.get_user(self.known_tenant(call).await?, user).await?).await
    }

    /// Lists users, the oldest first.
    ///
    /// # Errors
    /// Only when the store fails.
    pub async fn list_users(&self, call: &Call, page: &PageRequest) -> Result<Page<ConcenterUser>, Failure> {
        Ok(self.store.list_users(self.known_tenant(call).await?, page).await?)
    }

    /// Changes a user's name, scope, display name or address.
    ///
    /// # Errors
    /// Refused: `NotFound`, `EtagMismatch`, `AlreadyExists`, `ProviderScopeRequired`.
    pub async fn update_user(
        &self,
        call: &Call,
        user: &UserId,
        version: Version,
        change: &UserChange,
    ) -> Result<ConcenterUser, Failure> {
        let effect = self.tenant_effect(call, Action::UpdateUser, Some(AuditObject::new(user))).await?;
        done(self.store.update_user(call.tenant()?, &effect, user, version, change).await?)
    }

    /// Replaces a user's password; what was decided on the old one is revoked.
    ///
    /// # Errors
    /// Refused: `NotFound`, `EtagMismatch`.
    pub async fn set_user_secret(
        &self,
        call: &Call,
        user: &UserId,
        version: Version,
        password: &Password,
    ) -> Result<ConcenterUser, Failure> {
        let tenant = *call.tenant()?;
        let effect = self.tenant_effect(call, Action::SetUserSecret, Some(AuditObject::new(user))).await?;
        // The ciphertext is bound to the version of the secret; the etag holds that version still until the commit.
        // A user that is not there is refused by the store, with its audit row.
        let known = self.store.get_user(&tenant, user).await?;
        let secret_version = known.map_or(0, |user| user.secret.version).saturating_add(1);
        let keys = self.caller_keys(call).await?;
        let sealed = self.seal_password(&keys, call, user, secret_version, password)?;
        done(
            self.store
                .set_user_secret(&tenant, &effect, user, version, &SecretChange { sealed, version: secret_version })
                .await?,
        )
    }

    fn seal_password(
        &self,
        keys: &TenantKeys,
        call: &Call,
        user: &UserId,
        version: i64,
        password: &Password,
    ) -> Result<SealedSecret, Failure> {
        let seal = |place: &Place<'_>| keys.data.seal(place, password.0.expose(), &*self.random);
        Ok(SealedSecret(with_place(*call.tenant()?, user, version, seal)?))
    }

    /// Moves Standard to a user.
    ///
    /// # Errors
    /// Refused: `NotFound`, `EtagMismatch`, `EndkundeConflict`, `Assigned`.
    pub async fn set_standard_user(
        &self,
        call: &Call,
        user: &UserId,
        version: Version,
    ) -> Result<StandardMoved, Failure> {
        let effect = self.tenant_effect(call, Action::SetStandardUser, Some(AuditObject::new(user))).await?;
        done(self.store.set_standard_user(call.tenant()?, &effect, user, version).await?)
    }

    /// Marks a user Endkunde, or takes the mark away.
    ///
    /// # Errors
    /// Refused: `NotFound`, `EtagMismatch`, `EndkundeConflict`, `ProviderScopeRequired`, `Assigned`, `SlotInUse`.
    pub async fn set_end_customer(
        &self,
        call: &Call,
        user: &UserId,
        version: Version,
        change: &EndCustomerChange,
    ) -> Result<ConcenterUser, Failure> {
        let action = if change.end_customer { Action::MarkEndCustomer } else { Action::UnmarkEndCustomer };
        let effect = self.tenant_effect(call, action, Some(AuditObject::new(user))).await?;
        done(self.store.set_end_customer(call.tenant()?, &effect, user, version, change).await?)
    }

    /// Notes what con:center itself says of a user; `None`: nobody knows.
    ///
    /// # Errors
    /// Refused: `NotFound`, `EtagMismatch`.
    pub async fn attest_end_customer(
        &self,
        call: &Call,
        user: &UserId,
        version: Version,
        reported: Option<bool>,
    ) -> Result<ConcenterUser, Failure> {
        let action = match reported {
            Some(true) => Action::AttestEndCustomerYes,
            Some(false) => Action::AttestEndCustomerNo,
            None => Action::AttestEndCustomerUnknown,
        };
        let effect = self.tenant_effect(call, action, Some(AuditObject::new(user))).await?;
        done(self.store.attest_end_customer(call.tenant()?, &effect, user, version, reported).await?)
    }

    /// Disables or enables a user.
    ///
    /// # Errors
    /// Refused: `NotFound`, `EtagMismatch`.
    pub async fn set_user_state(
        &self,
        call: &Call,
        user: &UserId,
        version: Version,
        state: State,
    ) -> Result<ConcenterUser, Failure> {
        let action = match state {
            State::Active => Action::EnableUser,
            State::Disabled => Action::DisableUser,
        };
        let effect = self.tenant_effect(call, action, Some(AuditObject::new(user))).await?;
        done(self.store.set_user_state(call.tenant()?, &effect, user, version, state).await?)
    }

    /// Deletes a user.
    ///
    /// # Errors
    /// Refused: `NotFound`, `EtagMismatch`, `StandardRequired`, `Assigned`.
    pub async fn delete_user(&self, call: &Call, user: &UserId, version: Version) -> Result<(), Failure> {
        let effect = self.tenant_effect(call, Action::DeleteUser, Some(AuditObject::new(user))).await?;
        done(self.store.delete_user(call.tenant()?, &effect, user, version).await?)
    }
}
