//! Tenants (Mandanten): one portfolio of one broker firm each.

use std::time::Duration;

use super::error::Version;
use super::ids::TenantId;
use super::text::Line;
use super::time::Timestamp;

/// How long a deleted tenant is kept before its keys are destroyed (`docs/domain.md#tenants`).
pub const DELETION_GRACE: Duration = Duration::from_hours(30 * 24);

/// Whether a tenant may jump.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TenantState {
    /// In business.
    Active,
    /// Every jump is refused and the open ones are dead; data stays.
    Stopped,
}

/// A tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tenant {
    /// Its id.
    pub tenant_id: TenantId,
    /// For people.
    pub display_name: Line,
    /// Whether it may jump.
    pub state: TenantState,
    /// When it was deleted; it is stopped then. `None` unless it is.
    pub deleted_at: Option<Timestamp>,
    /// When it last came back from a backup; `None` if it never did.
    pub restored_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last edited.
    pub updated_at: Timestamp,
    /// The etag.
    pub version: Version,
}

impl Tenant {
    /// When the keys of a deleted tenant may be destroyed.
    #[must_use]
    pub fn destroyed_after(&self) -> Option<Timestamp> {
        self.deleted_at.map(|deleted_at| deleted_at.plus(DELETION_GRACE))
    }
}

/// A tenant's own keys, as the store keeps them: each encrypted under another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrappedKeys {
    /// Which key-encryption key wraps the data key.
    pub kek_id: String,
    /// The version of the data key, from 1.
    pub dek_version: u32,
    /// The data key, wrapped under the key-encryption key.
    pub wrapped_dek: Vec<u8>,
    /// The key of everything that is computed with HMAC for this tenant, sealed under the data key.
    pub sealed_mac_key: Vec<u8>,
}
