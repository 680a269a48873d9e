//! The keys around the envelope: the key-encryption key, and what each tenant has of its own.

use std::fmt;
use std::fmt::Write as _;

use aws_lc_rs::hmac;

use super::envelope::{Binding, DataKey, OpenError, Place, SealError, open, seal};
use super::provider::{KekError, KekProvider};
use super::secret::{Key, Secret};
use crate::domain::ids::{Random, TenantId};
use crate::domain::kek::{KekId, Rewrapped};
use crate::domain::tenant::WrappedKeys;

/// What a canary says. Whether it can be read is all that counts.
const CANARY: &[u8] = b"con:center gateway canary";
/// The version of a new tenant's data key.
const FIRST_DATA_KEY: u32 = 1;

/// A key-encryption key: it wraps data keys and never touches a secret itself.
pub struct Kek {
    id: String,
    key: Key,
}

impl Kek {
    /// Draws a new key with a new id.
    #[must_use]
    pub fn generate(random: &dyn Random) -> Self {
        let mut id = [0_u8; 8];
        random.fill(&mut id);
        let id = id.iter().fold(String::with_capacity(16), |mut text, byte| {
            // Writing to a string cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        });
        Self { id, key: Key::generate(random) }
    }

    /// Takes a key that a provider read.
    pub(super) const fn from_parts(id: String, key: Key) -> Self {
        Self { id, key }
    }

    /// Its id: 16 lower-case hexadecimal digits, random; not a secret.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The key, for the provider that keeps it.
    pub(super) const fn key(&self) -> &Key {
        &self.key
    }

    /// Wraps a tenant's data key: 146 bytes, bound to the tenant, the key's version and this key's id.
    ///
    /// # Errors
    /// [`SealError::Cipher`] if the cryptographic library refuses.
    pub fn wrap(&self, tenant: TenantId, data_key: &DataKey, random: &dyn Random) -> Result<Vec<u8>, SealError> {
        let binding = Binding::of_data_key(tenant, data_key.version(), &self.id).ok_or(SealError::InvalidPlace)?;
        seal(&self.key, &binding, data_key.key().expose(), random)
    }

    /// Unwraps a tenant's data key.
    ///
    /// # Errors
    /// [`OpenError::KeyMismatch`] if it was wrapped under another key, for another tenant or as another version,
    /// [`OpenError::Corrupt`] if it is damaged.
    pub fn unwrap_key(&self, tenant: TenantId, dek_version: u32, wrapped: &[u8]) -> Result<DataKey, OpenError> {
        let binding = Binding::of_data_key(tenant, dek_version, &self.id).ok_or(OpenError::KeyMismatch)?;
        let bytes = open(&self.key, &binding, wrapped)?;
        let key = Key::from_slice(bytes.expose()).ok_or(OpenError::Corrupt)?;
        Ok(DataKey::from_key(dek_version, key))
    }

    /// Seals a known text, which only this key opens: the database keeps it to know its key again.
    ///
    /// # Errors
    /// [`SealError::Cipher`] if the cryptographic library refuses.
    pub fn canary(&self, random: &dyn Random) -> Result<Vec<u8>, SealError> {
        let binding = Binding::of_canary(&self.id).ok_or(SealError::InvalidPlace)?;
        seal(&self.key, &binding, CANARY, random)
    }

    /// Checks that `blob` is a canary of this key.
    ///
    /// # Errors
    /// [`OpenError::KeyMismatch`] if another key made it: this one belongs to another database.
    /// [`OpenError::Corrupt`] if it is damaged.
    pub fn check_canary(&self, blob: &[u8]) -> Result<(), OpenError> {
        let binding = Binding::of_canary(&self.id).ok_or(OpenError::KeyMismatch)?;
        let text = open(&self.key, &binding, blob)?;
        if text.expose() == CANARY { Ok(()) } else { Err(OpenError::Corrupt) }
    }
}

impl fmt::Debug for Kek {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kek").field("id", &self.id).finish_non_exhaustive()
    }
}

/// A key for HMAC-SHA-256: whoever does not have it can neither guess nor check what was computed.
pub struct MacKey(Key);

impl MacKey {
    /// Draws a new key.
    #[must_use]
    pub fn generate(random: &dyn Random) -> Self {
        Self(Key::generate(random))
    }

    /// Takes a key that was opened.
    ///
    /// # Errors
    /// [`OpenError::Corrupt`] unless it has 32 bytes.
    pub fn from_secret(secret: &Secret) -> Result<Self, OpenError> {
        Key::from_slice(secret.expose()).map(Self).ok_or(OpenError::Corrupt)
    }

    /// The 32 bytes, for sealing.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        self.0.expose()
    }

    /// HMAC-SHA-256 over `label` and `parts`, each with its length before it, so that no two lists of parts give the
    /// same. `label` says what is computed; each part has less than 4 GiB.
    #[must_use]
    pub fn mac(&self, label: &'static str, parts: &[&[u8]]) -> [u8; 32] {
        mac(self.0.expose(), label, parts)
    }
}

impl fmt::Debug for MacKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MacKey(..)")
    }
}

/// HMAC-SHA-256 under `key` over `label` and `parts`, each as its length in 4 bytes and itself.
pub(super) fn mac(key: &[u8; 32], label: &'static str, parts: &[&[u8]]) -> [u8; 32] {
    let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, key));
    let mut put = |part: &[u8]| {
        // Parts are ids and small messages; one of 4 GiB would not fit the service's memory.
        let length = u32::try_from(part.len()).unwrap_or(u32::MAX);
        context.update(&length.to_be_bytes());
        context.update(part);
    };
    put(label.as_bytes());
    for part in parts {
        put(part);
    }
    let mut code = [0; 32];
    // The lengths are equal: HMAC-SHA-256 has 32 bytes.
    code.copy_from_slice(context.sign().as_ref());
    code
}

/// The keys of one tenant, opened.
#[derive(Debug)]
pub struct TenantKeys {
    /// Under which its secrets are sealed.
    pub data: DataKey,
    /// With which its subjects, `jti`s, handles and request hashes are computed.
    pub mac: MacKey,
}

impl TenantKeys {
    /// Draws the keys of a new tenant, and wraps them for the store.
    ///
    /// # Errors
    /// [`KekError`] if the key-encryption key of this id is of no use.
    pub async fn generate(
        keks: &dyn KekProvider,
        kek_id: &KekId,
        tenant: TenantId,
        random: &dyn Random,
    ) -> Result<(Self, WrappedKeys), KekError> {
        let data = DataKey::generate(FIRST_DATA_KEY, random);
        let mac = MacKey::generate(random);
        let wrapped = WrappedKeys {
            kek_id: kek_id.to_string(),
            dek_version: data.version(),
            wrapped_dek: keks.wrap(kek_id.as_str(), tenant, &data, random).await?,
            sealed_mac_key: data.seal(&mac_key_place(tenant), mac.expose(), random)?,
        };
        Ok((Self { data, mac }, wrapped))
    }

    /// Opens the keys of a tenant.
    ///
    /// # Errors
    /// [`KekError::Open`] if they belong to another tenant or another key-encryption key, or are damaged; every other one if the
    /// key-encryption key is of no use.
    pub async fn open(keks: &dyn KekProvider, tenant: TenantId, keys: &WrappedKeys) -> Result<Self, KekError> {
        let data = keks.unwrap_key(&keys.kek_id, tenant, keys.dek_version, &keys.wrapped_dek).await?;
        let mac = MacKey::from_secret(&data.open(&mac_key_place(tenant), &keys.sealed_mac_key)?)?;
        Ok(Self { data, mac })
    }

    /// Wraps the data key of a tenant anew, under the key-encryption key `to`. The data key stays the same, and with it
    /// everything that is sealed under it.
    ///
    /// # Errors
    /// As [`TenantKeys::open`].
    pub async fn rewrap(
        keks: &dyn KekProvider,
        to: &KekId,
        tenant: TenantId,
        keys: &WrappedKeys,
        random: &dyn Random,
    ) -> Result<Rewrapped, KekError> {
        // Opened to the end: what does not open must not get a wrapping that looks sound.
        let opened = Self::open(keks, tenant, keys).await?;
        let wrapped_dek = keks.wrap(to.as_str(), tenant, &opened.data, random).await?;
        Ok(Rewrapped { tenant, from: keys.clone(), wrapped_dek })
    }
}

const fn mac_key_place(tenant: TenantId) -> Place<'static> {
    Place { tenant, row: "tenant", field: "mac_key", version: 1 }
}

#[cfg(test)]
mod tests {
    use super::super::kek_file;
    use super::super::local_keks::LocalKeks;
    use super::super::random::SystemRandom;
    use super::*;
    use crate::domain::time::Timestamp;

    fn tenant() -> TenantId {
        TenantId::new(Timestamp::from_unix_seconds(1), &SystemRandom)
    }

    #[test]
    fn a_kek_id_is_16_lower_case_hexadecimal_digits() {
        let kek = Kek::generate(&SystemRandom);
        assert_eq!(kek.id().len(), 16);
        assert!(kek.id().bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte)));
    }

    #[test]
    fn a_wrapped_key_comes_back() {
        let (kek, tenant, data) = (Kek::generate(&SystemRandom), tenant(), DataKey::generate(3, &SystemRandom));
        let wrapped = kek.wrap(tenant, &data, &SystemRandom).unwrap();
        let unwrapped = kek.unwrap_key(tenant, 3, &wrapped).unwrap();
        assert_eq!(unwrapped.key().expose(), data.key().expose());
        assert_eq!(unwrapped.version(), 3);
    }

    #[test]
    fn a_wrapped_key_is_bound_to_tenant_version_and_kek() {
        let (kek, tenant_a, data) = (Kek::generate(&SystemRandom), tenant(), DataKey::generate(3, &SystemRandom));
        let wrapped = kek.wrap(tenant_a, &data, &SystemRandom).unwrap();
        let renamed = Kek::from_parts("0123456789abcdef".to_owned(), Key::from_slice(kek.key().expose()).unwrap());
        for refused in [
            kek.unwrap_key(tenant(), 3, &wrapped),
            kek.unwrap_key(tenant_a, 4, &wrapped),
            Kek::generate(&SystemRandom).unwrap_key(tenant_a, 3, &wrapped),
            renamed.unwrap_key(tenant_a, 3, &wrapped),
        ] {
            assert_eq!(refused.err(), Some(OpenError::KeyMismatch));
        }
    }

    #[test]
    fn a_damaged_wrapped_key_is_refused_bit_by_bit() {
        let (kek, tenant, data) = (Kek::generate(&SystemRandom), tenant(), DataKey::generate(1, &SystemRandom));
        let wrapped = kek.wrap(tenant, &data, &SystemRandom).unwrap();
        for bit in 0..wrapped.len() * 8 {
            let mut flipped = wrapped.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(kek.unwrap_key(tenant, 1, &flipped).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn a_canary_opens_with_its_own_key_only() {
        let kek = Kek::generate(&SystemRandom);
        let mut canary = kek.canary(&SystemRandom).unwrap();
        assert_eq!(kek.check_canary(&canary), Ok(()));
        let renamed = Kek::from_parts(kek.id().to_owned(), Key::generate(&SystemRandom));
        assert_eq!(renamed.check_canary(&canary), Err(OpenError::KeyMismatch));
        *canary.last_mut().unwrap() ^= 1;
        assert_eq!(kek.check_canary(&canary), Err(OpenError::Corrupt));
        assert_eq!(kek.check_canary(&[]), Err(OpenError::Corrupt));
    }

    #[test]
    fn a_wrapped_key_is_no_canary() {
        let kek = Kek::generate(&SystemRandom);
        let wrapped = kek.wrap(TenantId::SYSTEM, &DataKey::generate(0, &SystemRandom), &SystemRandom).unwrap();
        assert_eq!(kek.check_canary(&wrapped), Err(OpenError::KeyMismatch));
    }

    async fn generated(kek: &Kek, tenant: TenantId) -> (TenantKeys, WrappedKeys) {
        TenantKeys::generate(kek, &kek.checked_id().unwrap(), tenant, &SystemRandom).await.unwrap()
    }

    #[tokio::test]
    async fn a_tenants_keys_come_back() {
        let (kek, tenant) = (Kek::generate(&SystemRandom), tenant());
        let (keys, wrapped) = generated(&kek, tenant).await;
        let opened = TenantKeys::open(&kek, tenant, &wrapped).await.unwrap();
        assert_eq!(opened.data.key().expose(), keys.data.key().expose());
        assert_eq!(opened.mac.expose(), keys.mac.expose());
        assert_ne!(keys.data.key().expose().as_slice(), keys.mac.expose());
    }

    #[tokio::test]
    async fn a_tenants_keys_are_no_other_tenants() {
        let (kek, tenant_a) = (Kek::generate(&SystemRandom), tenant());
        let (_, wrapped) = generated(&kek, tenant_a).await;
        let (_, other) = generated(&kek, tenant()).await;
        let swapped = WrappedKeys { sealed_mac_key: other.sealed_mac_key, ..wrapped.clone() };
        let same_id = Kek::from_parts(kek.id().to_owned(), Key::generate(&SystemRandom));
        for refused in [
            TenantKeys::open(&kek, tenant(), &wrapped).await,
            TenantKeys::open(&same_id, tenant_a, &wrapped).await,
            TenantKeys::open(&kek, tenant_a, &swapped).await,
        ] {
            assert!(matches!(refused, Err(KekError::Open(OpenError::KeyMismatch))), "{refused:?}");
        }
        let renamed = WrappedKeys { kek_id: "0123456789abcdef".to_owned(), ..wrapped.clone() };
        for refused in [
            TenantKeys::open(&Kek::generate(&SystemRandom), tenant_a, &wrapped).await,
            TenantKeys::open(&kek, tenant_a, &renamed).await,
        ] {
            assert!(matches!(refused, Err(KekError::Missing { .. })), "{refused:?}");
        }
    }

    #[tokio::test]
    async fn a_data_key_that_is_wrapped_anew_is_the_same_under_the_other_key_alone() {
        let directory = tempfile::TempDir::new().unwrap();
        let keks = LocalKeks::beside(directory.path());
        let [old, new] = [(), ()].map(|()| kek_file::create(directory.path(), &SystemRandom).unwrap());
        let (tenant, to) = (tenant(), new.checked_id().unwrap());
        let (keys, wrapped) = generated(&old, tenant).await;
        let rewrapped = TenantKeys::rewrap(&keks, &to, tenant, &wrapped, &SystemRandom).await.unwrap();
        assert_eq!(rewrapped.from, wrapped);
        let now = WrappedKeys { kek_id: to.to_string(), wrapped_dek: rewrapped.wrapped_dek, ..wrapped.clone() };
        let opened = TenantKeys::open(&new, tenant, &now).await.unwrap();
        assert_eq!(opened.data.key().expose(), keys.data.key().expose());
        assert!(TenantKeys::open(&old, tenant, &now).await.is_err());

        let mut damaged = wrapped;
        damaged.sealed_mac_key.pop();
        let refused = TenantKeys::rewrap(&keks, &to, tenant, &damaged, &SystemRandom).await;
        assert!(matches!(refused, Err(KekError::Open(_))), "what does not open is left as it is");
    }

    #[test]
    fn no_two_lists_of_parts_have_the_same_mac() {
        let key = MacKey::generate(&SystemRandom);
        let lists: [&[&[u8]]; 8] =
            [&[], &[b""], &[b"", b""], &[b"ab"], &[b"a", b"b"], &[b"", b"ab"], &[b"ab", b""], &[b"\0\0\0\x01a"]];
        for (i, one) in lists.iter().enumerate() {
            for other in &lists[i + 1..] {
                assert_ne!(key.mac("x", one), key.mac("x", other), "{one:?} {other:?}");
            }
        }
        assert_ne!(key.mac("x", &[b"ab"]), key.mac("xa", &[b"b"]));
    }

    #[test]
    fn a_mac_is_hmac_sha_256_over_length_prefixed_parts() {
        let key = MacKey::from_secret(&Secret::new(vec![7; 32])).unwrap();
        let plain = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &[7; 32]), b"\0\0\0\x01x\0\0\0\x02ab");
        assert_eq!(key.mac("x", &[b"ab"]), plain.as_ref());
    }

    #[test]
    fn another_key_gives_another_mac() {
        let (one, other) = (MacKey::generate(&SystemRandom), MacKey::generate(&SystemRandom));
        assert_ne!(one.mac("x", &[b"a"]), other.mac("x", &[b"a"]));
    }

    #[test]
    fn a_mac_key_has_32_bytes() {
        assert!(MacKey::from_secret(&Secret::new(vec![0; 31])).is_err());
    }

    #[tokio::test]
    async fn debug_shows_nothing_of_a_key() {
        let kek = Kek::from_parts("0123456789abcdef".to_owned(), Key::generate(&SystemRandom));
        assert_eq!(format!("{kek:?}"), r#"Kek { id: "0123456789abcdef", .. }"#);
        let (keys, _) = generated(&kek, tenant()).await;
        assert_eq!(format!("{keys:?}"), "TenantKeys { data: DataKey { version: 1, .. }, mac: MacKey(..) }");
    }
}
