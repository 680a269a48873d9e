//! How one secret is sealed: AES-256-GCM under a key that is derived for it alone and bound to its place.
//!
//! The blob describes itself, so that keys and algorithms can change without a flag day:
//!
//! ```text
//! ver=1 | alg=1 | key_version u32be | salt[32] | commit[16] | nonce[12] | ciphertext | tag[16]
//! info  = "ccjump/field/v1" | L(tenant) | L(row) | L(field) | version u64be | key_version u32be | alg
//! okm   = HKDF-SHA-256(data key, salt, info, 48)        key = okm[0..32], commit = okm[32..48]
//! aad   = ver | alg | key_version | info
//! plain = u16be length | secret | zeros up to a multiple of 64      L(x) = u16be length | x
//! ```
//!
//! A key derived from a fresh salt makes a repeated nonce harmless (a cloned machine repeats both or neither). The
//! commitment binds a blob to one key, and tells a wrong key or place from a damaged ciphertext. Padding hides how
//! long a password is. The tenant stands as its 16 bytes.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Salt};
use zeroize::Zeroizing;

use super::secret::{Key, Secret};
use crate::domain::ids::{Random, TenantId};

/// The layout of a blob.
const BLOB_VERSION: u8 = 1;
/// AES-256-GCM under a key derived with HKDF-SHA-256.
const ALGORITHM: u8 = 1;
const HEADER_BYTES: usize = 6;
const SALT_BYTES: usize = 32;
const COMMIT_BYTES: usize = 16;
const TAG_BYTES: usize = 16;
/// A plaintext grows to a multiple of this, its length included.
const PADDING: usize = 64;
const LENGTH_BYTES: usize = 2;

/// Most bytes of a plaintext: its length is written as 16 bits.
pub const PLAINTEXT_BYTES: usize = 65_535;

/// Where a sealed value belongs. It opens there and nowhere else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place<'a> {
    /// The tenant; [`TenantId::SYSTEM`] for what is the service's own.
    pub tenant: TenantId,
    /// The row, unique within the tenant: 0 to 65 535 bytes.
    pub row: &'a str,
    /// The field of the row: 0 to 65 535 bytes.
    pub field: &'a str,
    /// How often the value was set, from 0: an older value does not open in the place of a newer one.
    pub version: i64,
}

/// A value could not be sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// It has more than [`PLAINTEXT_BYTES`].
    #[error("a value to seal has more than 65535 bytes")]
    TooLong,
    /// The place has a negative version, or a row or field of more than 65 535 bytes.
    #[error("the place of a value to seal is out of bounds")]
    InvalidPlace,
    /// The cryptographic library refused; it never does with keys and lengths like ours.
    #[error("the cryptographic library could not seal a value")]
    Cipher,
}

/// A sealed value did not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// It was sealed under another key or for another place. If all values say so, the key is the wrong one.
    #[error("a sealed value was made with another key or for another place")]
    KeyMismatch,
    /// It is damaged, or no sealed value at all.
    #[error("a sealed value is damaged")]
    Corrupt,
}

/// A tenant's data key: every secret of the tenant is sealed under a key derived from it.
pub struct DataKey {
    version: u32,
    key: Key,
}

impl DataKey {
    /// Draws a new key; `version` counts a tenant's data keys, from 1.
    #[must_use]
    pub fn generate(version: u32, random: &dyn Random) -> Self {
        Self { version, key: Key::generate(random) }
    }

    /// Takes a key that was unwrapped.
    pub(super) const fn from_key(version: u32, key: Key) -> Self {
        Self { version, key }
    }

    /// Which of the tenant's data keys it is, from 1.
    #[must_use]
    pub const fn version(&self) -> u32 {
        self.version
    }

    /// The bytes, for wrapping.
    pub(super) const fn key(&self) -> &Key {
        &self.key
    }

    /// Seals `plaintext` for `place`: 146 bytes for a plaintext of up to 62, then 64 more for each further 64.
    ///
    /// # Errors
    /// [`SealError::TooLong`] above [`PLAINTEXT_BYTES`]; [`SealError::InvalidPlace`] if the place is out of bounds.
    pub fn seal(&self, place: &Place<'_>, plaintext: &[u8], random: &dyn Random) -> Result<Vec<u8>, SealError> {
        let binding = Binding::of_field(place, self.version).ok_or(SealError::InvalidPlace)?;
        seal(&self.key, &binding, plaintext, random)
    }

    /// Opens what was sealed for `place`.
    ///
    /// # Errors
    /// [`OpenError::KeyMismatch`] if it was sealed for another place or under another key, [`OpenError::Corrupt`] if
    /// it is damaged.
    pub fn open(&self, place: &Place<'_>, blob: &[u8]) -> Result<Secret, OpenError> {
        // Nothing was ever sealed for a place that is out of bounds.
        let binding = Binding::of_field(place, self.version).ok_or(OpenError::KeyMismatch)?;
        open(&self.key, &binding, blob)
    }
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DataKey").field("version", &self.version).finish_non_exhaustive()
    }
}

/// What a blob is bound to: the two inputs that are not in the blob, or not to be believed there.
pub(super) struct Binding {
    header: [u8; HEADER_BYTES],
    info: Vec<u8>,
    aad: Vec<u8>,
}

impl Binding {
    /// The binding of a stored field; `None` if the place is out of bounds.
    fn of_field(place: &Place<'_>, key_version: u32) -> Option<Self> {
        let header = header(key_version);
        let mut info = b"ccjump/field/v1".to_vec();
        put(&mut info, place.tenant.as_bytes())?;
        put(&mut info, place.row.as_bytes())?;
        put(&mut info, place.field.as_bytes())?;
        info.extend_from_slice(&u64::try_from(place.version).ok()?.to_be_bytes());
        info.extend_from_slice(&key_version.to_be_bytes());
        info.push(ALGORITHM);
        let aad = [header.as_slice(), &info].concat();
        Some(Self { header, info, aad })
    }

    /// The binding of a wrapped data key; `None` if the id has more than 65 535 bytes.
    pub(super) fn of_data_key(tenant: TenantId, key_version: u32, kek_id: &str) -> Option<Self> {
        let mut info = b"ccjump/dek/v1".to_vec();
        put(&mut info, tenant.as_bytes())?;
        info.extend_from_slice(&key_version.to_be_bytes());
        put(&mut info, kek_id.as_bytes())?;
        Some(Self { header: header(key_version), aad: info.clone(), info })
    }

    /// The binding of a key's canary; `None` if the id has more than 65 535 bytes.
    pub(super) fn of_canary(kek_id: &str) -> Option<Self> {
        let mut info = b"ccjump/canary/v1".to_vec();
        put(&mut info, kek_id.as_bytes())?;
        Some(Self { header: header(0), aad: info.clone(), info })
    }
}

fn header(key_version: u32) -> [u8; HEADER_BYTES] {
    let [a, b, c, d] = key_version.to_be_bytes();
    [BLOB_VERSION, ALGORITHM, a, b, c, d]
}

/// Appends `part` with its length before it, so that no two lists of parts give the same bytes.
fn put(info: &mut Vec<u8>, part: &[u8]) -> Option<()> {
    info.extend_from_slice(&u16::try_from(part.len()).ok()?.to_be_bytes());
    info.extend_from_slice(part);
    Some(())
}

/// Seals `plaintext` under a key derived from `key`, bound to `binding`.
pub(super) fn seal(key: &Key, binding: &Binding, plaintext: &[u8], random: &dyn Random) -> Result<Vec<u8>, SealError> {
    let mut padded = pad(plaintext).ok_or(SealError::TooLong)?;
    let mut salt = [0; SALT_BYTES];
    let mut nonce = [0; NONCE_LEN];
    random.fill(&mut salt);
    random.fill(&mut nonce);
    let sub_key = SubKey::derive(key, &salt, &binding.info).map_err(|_| SealError::Cipher)?;
    let tag = sub_key
        .cipher
        .seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), Aad::from(&binding.aad), &mut padded)
        .map_err(|_| SealError::Cipher)?;
    Ok([binding.header.as_slice(), &salt, &sub_key.commit, &nonce, &padded, tag.as_ref()].concat())
}

/// Opens a blob that was sealed under a key derived from `key` and bound to `binding`.
pub(super) fn open(key: &Key, binding: &Binding, blob: &[u8]) -> Result<Secret, OpenError> {
    let parts = Parts::of(blob).ok_or(OpenError::Corrupt)?;
    let [layout, algorithm, ..] = parts.header;
    if (*layout, *algorithm) != (BLOB_VERSION, ALGORITHM) {
        return Err(OpenError::Corrupt);
    }
    if parts.header != &binding.header {
        return Err(OpenError::KeyMismatch);
    }
    let sub_key = SubKey::derive(key, parts.salt, &binding.info).map_err(|_| OpenError::Corrupt)?;
    // Before decrypting: a ciphertext that opens under two keys must not be told apart by what it decrypts to.
    verify_slices_are_equal(sub_key.commit.as_slice(), parts.commit).map_err(|_| OpenError::KeyMismatch)?;
    let mut sealed = Zeroizing::new(parts.sealed.to_vec());
    let padded = sub_key
        .cipher
        .open_in_place(Nonce::assume_unique_for_key(*parts.nonce), Aad::from(&binding.aad), &mut sealed)
        .map_err(|_| OpenError::Corrupt)?;
    unpad(padded).map(|plaintext| Secret::new(plaintext.to_vec())).ok_or(OpenError::Corrupt)
}

/// A blob cut into its parts; `sealed` is ciphertext and tag.
struct Parts<'a> {
    header: &'a [u8; HEADER_BYTES],
    salt: &'a [u8; SALT_BYTES],
    commit: &'a [u8; COMMIT_BYTES],
    nonce: &'a [u8; NONCE_LEN],
    sealed: &'a [u8],
}

impl<'a> Parts<'a> {
    /// Cuts a blob; `None` if it has a length that no blob has.
    fn of(blob: &'a [u8]) -> Option<Self> {
        let (header, rest) = blob.split_first_chunk()?;
        let (salt, rest) = rest.split_first_chunk()?;
        let (commit, rest) = rest.split_first_chunk()?;
        let (nonce, sealed) = rest.split_first_chunk()?;
        let padded = sealed.len().checked_sub(TAG_BYTES)?;
        let is_padded = padded > 0 && padded.is_multiple_of(PADDING);
        is_padded.then_some(Self { header, salt, commit, nonce, sealed })
    }
}

/// What is derived for one blob.
struct SubKey {
    cipher: LessSafeKey,
    commit: [u8; COMMIT_BYTES],
}

/// The bytes to derive: key and commitment.
struct DerivedLength;

impl KeyType for DerivedLength {
    fn len(&self) -> usize {
        32 + COMMIT_BYTES
    }
}

impl SubKey {
    fn derive(key: &Key, salt: &[u8; SALT_BYTES], info: &[u8]) -> Result<Self, Unspecified> {
        let mut derived = Zeroizing::new([0_u8; 32 + COMMIT_BYTES]);
        Salt::new(HKDF_SHA256, salt)
            .extract(key.expose())
            .expand(&[info], DerivedLength)?
            .fill(derived.as_mut_slice())?;
        let (cipher_key, commit) = derived.split_first_chunk::<32>().ok_or(Unspecified)?;
        let cipher = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, cipher_key)?);
        Ok(Self { cipher, commit: commit.try_into().map_err(|_| Unspecified)? })
    }
}

/// Writes the length before the plaintext and zeros behind it; `None` above [`PLAINTEXT_BYTES`].
fn pad(plaintext: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let length = u16::try_from(plaintext.len()).ok()?;
    let padded_length = (LENGTH_BYTES + plaintext.len()).next_multiple_of(PADDING);
    // At its full capacity from the start: growing would leave a copy of the plaintext behind.
    let mut padded = Zeroizing::new(Vec::with_capacity(padded_length));
    padded.extend_from_slice(&length.to_be_bytes());
    padded.extend_from_slice(plaintext);
    padded.resize(padded_length, 0);
    Some(padded)
}

/// Takes length and zeros away again; `None` if they are not what [`pad`] writes.
fn unpad(padded: &[u8]) -> Option<&[u8]> {
    let (length, rest) = padded.split_first_chunk::<LENGTH_BYTES>()?;
    let length = usize::from(u16::from_be_bytes(*length));
    let (plaintext, zeros) = rest.split_at_checked(length)?;
    let is_as_written = zeros.len() < PADDING && zeros.iter().all(|byte| *byte == 0);
    is_as_written.then_some(plaintext)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::random::SystemRandom;
    use super::*;
    use crate::domain::time::Timestamp;

    const PLACE: Place<'static> = Place { tenant: TenantId::SYSTEM, row: "row", field: "secret", version: 1 };

    fn key() -> DataKey {
        DataKey::generate(1, &SystemRandom)
    }

    fn sealed(key: &DataKey, plaintext: &[u8]) -> Vec<u8> {
        key.seal(&PLACE, plaintext, &SystemRandom).unwrap()
    }

    fn refusal(opened: Result<Secret, OpenError>) -> Option<OpenError> {
        opened.err()
    }

    #[test]
    fn what_was_sealed_opens() {
        let key = key();
        for plaintext in [&b""[..], b"geheim", &[0; 62], &[0; 63], &vec![0xff; PLAINTEXT_BYTES]] {
            assert_eq!(key.open(&PLACE, &sealed(&key, plaintext)).unwrap().expose(), plaintext);
        }
    }

    #[test]
    fn a_longer_plaintext_is_refused() {
        let too_long = vec![0; PLAINTEXT_BYTES + 1];
        assert_eq!(key().seal(&PLACE, &too_long, &SystemRandom), Err(SealError::TooLong));
    }

    #[test]
    fn a_place_out_of_bounds_is_refused() {
        let (key, long) = (key(), "x".repeat(65_536));
        let blob = sealed(&key, b"geheim");
        for place in [Place { version: -1, ..PLACE }, Place { row: &long, ..PLACE }, Place { field: &long, ..PLACE }] {
            assert_eq!(key.seal(&place, b"geheim", &SystemRandom), Err(SealError::InvalidPlace));
            assert_eq!(refusal(key.open(&place, &blob)), Some(OpenError::KeyMismatch));
        }
    }

    #[test]
    fn the_same_plaintext_never_gives_the_same_blob() {
        let key = key();
        assert_ne!(sealed(&key, b"geheim"), sealed(&key, b"geheim"));
    }

    #[test]
    fn padding_hides_the_length() {
        let key = key();
        for length in 0..=62 {
            assert_eq!(sealed(&key, &vec![7; length]).len(), 146, "{length}");
        }
        assert_eq!(sealed(&key, &[7; 63]).len(), 210);
    }

    #[test]
    fn every_single_flipped_bit_is_refused() {
        let key = key();
        let blob = sealed(&key, b"geheim");
        for bit in 0..blob.len() * 8 {
            let mut flipped = blob.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(key.open(&PLACE, &flipped).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn every_truncation_and_extension_is_refused() {
        let key = key();
        let blob = sealed(&key, &[7; 100]);
        for length in 0..blob.len() {
            assert!(key.open(&PLACE, &blob[..length]).is_err(), "{length}");
        }
        for extra in [1, 16, 64] {
            let longer = [blob.as_slice(), &vec![0; extra]].concat();
            assert_eq!(refusal(key.open(&PLACE, &longer)), Some(OpenError::Corrupt));
        }
    }

    #[test]
    fn a_damaged_ciphertext_is_told_from_a_wrong_key() {
        let key = key();
        let mut blob = sealed(&key, b"geheim");
        assert_eq!(refusal(DataKey::generate(1, &SystemRandom).open(&PLACE, &blob)), Some(OpenError::KeyMismatch));
        *blob.last_mut().unwrap() ^= 1;
        assert_eq!(refusal(key.open(&PLACE, &blob)), Some(OpenError::Corrupt));
    }

    #[test]
    fn a_value_opens_in_no_other_place() {
        let key = key();
        let blob = sealed(&key, b"geheim");
        let other = TenantId::new(Timestamp::from_unix_seconds(1), &SystemRandom);
        for place in [
            Place { tenant: other, ..PLACE },
            Place { row: "row2", ..PLACE },
            Place { field: "mac_key", ..PLACE },
            Place { version: 0, ..PLACE },
            Place { version: 2, ..PLACE },
            // The same bytes, cut elsewhere.
            Place { row: "rows", field: "ecret", ..PLACE },
        ] {
            assert_eq!(refusal(key.open(&place, &blob)), Some(OpenError::KeyMismatch), "{place:?}");
        }
    }

    #[test]
    fn a_value_of_another_key_version_is_a_mismatch() {
        let key = key();
        let blob = sealed(&key, b"geheim");
        let newer = DataKey::from_key(2, Key::from_slice(key.key().expose()).unwrap());
        assert_eq!(refusal(newer.open(&PLACE, &blob)), Some(OpenError::KeyMismatch));
    }

    #[test]
    fn an_unknown_layout_or_algorithm_is_corrupt() {
        let key = key();
        for at in [0, 1] {
            let mut blob = sealed(&key, b"geheim");
            blob[at] = 2;
            assert_eq!(refusal(key.open(&PLACE, &blob)), Some(OpenError::Corrupt));
        }
    }

    #[test]
    fn padding_other_than_ours_is_refused() {
        let mut padded = pad(b"geheim").unwrap();
        assert_eq!(unpad(&padded), Some(&b"geheim"[..]));
        *padded.last_mut().unwrap() = 1;
        assert_eq!(unpad(&padded), None);
        assert_eq!(unpad(&[0; 128]), None, "a whole block of padding");
        assert_eq!(unpad(&[0xff; 64]), None, "longer than there is");
    }

    #[test]
    fn debug_shows_nothing_of_a_key() {
        assert_eq!(format!("{:?}", key()), "DataKey { version: 1, .. }");
    }

    proptest! {
        #[test]
        fn no_other_bytes_ever_open(blob in prop::collection::vec(any::<u8>(), 0..400)) {
            prop_assert!(key().open(&PLACE, &blob).is_err());
        }

        #[test]
        fn any_plaintext_comes_back(plaintext in prop::collection::vec(any::<u8>(), 0..2_000), version in 0..i64::MAX) {
            let (key, place) = (key(), Place { version, ..PLACE });
            let blob = key.seal(&place, &plaintext, &SystemRandom).unwrap();
            let opened = key.open(&place, &blob).unwrap();
            prop_assert_eq!(opened.expose(), plaintext.as_slice());
        }
    }
}
