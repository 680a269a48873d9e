//! Tenants' keys that were opened a moment ago, so that not every call opens them again.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use moka::sync::Cache;

use super::keys::TenantKeys;
use super::provider::{KekError, KekProvider};
use crate::domain::ids::TenantId;
use crate::domain::tenant::WrappedKeys;

/// For how long opened keys are kept: whoever takes the outermost key away has taken all of them within it.
pub const OPENED_KEPT_FOR: Duration = Duration::from_secs(3_600);
/// Most tenants whose keys are kept, of about 1 KiB each. The one least asked for makes room.
const MOST_TENANTS: u64 = 16_384;

/// Opened keys, by tenant. They hit only for the very bytes that they were opened from, so whose wrapped keys are gone, or
/// are others now, is not served by them.
pub struct OpenedKeys(Cache<TenantId, Opened>);

#[derive(Clone)]
struct Opened {
    from: Arc<WrappedKeys>,
    keys: Arc<TenantKeys>,
}

impl OpenedKeys {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self(Cache::builder().max_capacity(MOST_TENANTS).time_to_live(OPENED_KEPT_FOR).build())
    }

    /// The opened keys of `tenant`, by these wrapped ones.
    ///
    /// # Errors
    /// As [`TenantKeys::open`]; a failure is not remembered.
    pub async fn get_or_open(
        &self,
        keks: &dyn KekProvider,
        tenant: TenantId,
        wrapped: &WrappedKeys,
    ) -> Result<Arc<TenantKeys>, KekError> {
        if let Some(opened) = self.0.get(&tenant).filter(|opened| *opened.from == *wrapped) {
            return Ok(opened.keys);
        }
        let keys = Arc::new(TenantKeys::open(keks, tenant, wrapped).await?);
        self.0.insert(tenant, Opened { from: Arc::new(wrapped.clone()), keys: Arc::clone(&keys) });
        Ok(keys)
    }
}

impl Default for OpenedKeys {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for OpenedKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenedKeys").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::super::keys::Kek;
    use super::super::random::SystemRandom;
    use super::*;
    use crate::domain::time::Timestamp;

    const NOW: Timestamp = Timestamp::from_unix_seconds(1_800_000_000);

    async fn tenant_and_keys(kek: &Kek) -> (TenantId, WrappedKeys) {
        let tenant = TenantId::new(NOW, &SystemRandom);
        let kek_id = kek.checked_id().unwrap();
        let (_, wrapped) = TenantKeys::generate(kek, &kek_id, tenant, &SystemRandom).await.unwrap();
        (tenant, wrapped)
    }

    #[tokio::test]
    async fn the_same_bytes_are_opened_once() {
        let (kek, opened) = (Kek::generate(&SystemRandom), OpenedKeys::new());
        let (tenant, wrapped) = tenant_and_keys(&kek).await;
        let first = opened.get_or_open(&kek, tenant, &wrapped).await.unwrap();
        let second = opened.get_or_open(&kek, tenant, &wrapped).await.unwrap();
        assert!(Arc::ptr_eq(&first, &second));
    }

    #[tokio::test]
    async fn other_bytes_or_another_tenant_are_opened_by_themselves() {
        let (kek, opened) = (Kek::generate(&SystemRandom), OpenedKeys::new());
        let (tenant, wrapped) = tenant_and_keys(&kek).await;
        let (other, _) = tenant_and_keys(&kek).await;
        opened.get_or_open(&kek, tenant, &wrapped).await.unwrap();

        let mut damaged = wrapped.clone();
        damaged.sealed_mac_key.pop();
        assert!(opened.get_or_open(&kek, tenant, &damaged).await.is_err(), "opened keys hide that others are damaged");
        assert!(opened.get_or_open(&kek, other, &wrapped).await.is_err(), "keys of one tenant serve another one");
    }
}
