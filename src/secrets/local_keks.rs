//! Key-encryption keys of this machine: those of the environment, and those in files.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use async_trait::async_trait;

use super::envelope::DataKey;
use super::kek_file::{self, KekFileError};
use super::kek_place::KekPlace;
use super::keys::Kek;
use super::provider::{KekError, KekProvider};
use crate::domain::ids::{Random, TenantId};
use crate::domain::kek::KekId;

/// The variable of the environment that may hold keys; `config` reads it.
const KEK_VARIABLE: &str = "CONCENTER_KEK";
/// Most keys in it.
const MOST_GIVEN: usize = 16;

/// The variable does not hold keys. It says nothing of what stands there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "CONCENTER_KEK must hold the line of a key file, cckek1:<id>:<key>:<checksum>, or 1 to 16 of them with white space between"
)]
pub struct InvalidGivenKeks;

/// Reads the lines of key files.
fn read_given(text: &str) -> Result<Vec<Kek>, InvalidGivenKeks> {
    let keks: Option<Vec<_>> = text.split_ascii_whitespace().map(kek_file::read_line).collect();
    let keks = keks.filter(|keks| (1..=MOST_GIVEN).contains(&keks.len())).ok_or(InvalidGivenKeks)?;
    let ids: BTreeSet<_> = keks.iter().map(Kek::id).collect();
    if ids.len() == keks.len() { Ok(keks) } else { Err(InvalidGivenKeks) }
}

/// The keys of this machine. A file is read when its key is asked for first, and then kept open: who takes it away takes it
/// from the next start.
pub struct LocalKeks {
    /// The files, if there are any.
    place: Option<KekPlace>,
    /// Those of the environment, which come first.
    given: BTreeMap<String, Arc<Kek>>,
    /// Those of files that were read, by id.
    read: RwLock<BTreeMap<String, Arc<Kek>>>,
}

impl LocalKeks {
    /// The keys in files alone.
    #[must_use]
    pub const fn in_files(place: KekPlace) -> Self {
        Self { place: Some(place), given: BTreeMap::new(), read: RwLock::new(BTreeMap::new()) }
    }

    /// The keys in `keys/` of a data directory.
    #[must_use]
    pub fn beside(data_dir: &Path) -> Self {
        Self::in_files(data_dir.into())
    }

    /// The keys whose lines stand in a text of the environment, with white space between, and those in files, if files are named.
    ///
    /// # Errors
    /// [`InvalidGivenKeks`].
    pub fn of_environment(text: &str, place: Option<KekPlace>) -> Result<Self, InvalidGivenKeks> {
        let given = read_given(text)?.into_iter().map(|kek| (kek.id().to_owned(), Arc::new(kek))).collect();
        Ok(Self { place, given, read: RwLock::default() })
    }

    fn find(&self, kek_id: &str) -> Result<Arc<Kek>, KekError> {
        if let Some(kek) = self.given.get(kek_id) {
            return Ok(Arc::clone(kek));
        }
        // What a panic of another thread left behind is whole: each entry goes in by one call.
        if let Some(kek) = self.read.read().unwrap_or_else(PoisonError::into_inner).get(kek_id) {
            return Ok(Arc::clone(kek));
        }
        let Some(place) = &self.place else {
            return Err(KekError::Missing { kek_id: kek_id.to_owned(), place: self.place_of(kek_id) });
        };
        // 77 bytes of a file of this machine, at the start and when a key is new.
        let kek = Arc::new(place.load(kek_id)?);
        let mut read = self.read.write().unwrap_or_else(PoisonError::into_inner);
        Ok(Arc::clone(read.entry(kek_id.to_owned()).or_insert(kek)))
    }
}

impl fmt::Debug for LocalKeks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let given: Vec<_> = self.given.keys().collect();
        f.debug_struct("LocalKeks").field("place", &self.place).field("given", &given).finish_non_exhaustive()
    }
}

#[async_trait]
impl KekProvider for LocalKeks {
    async fn first(&self, random: &dyn Random) -> Result<KekId, KekError> {
        let mut given = self.given.values();
        match (given.next(), given.next(), &self.place) {
            (Some(kek), None, _) => kek.checked_id(),
            (Some(_), Some(_), _) => Err(KekFileError::ManyToBeginWith { setting: KEK_VARIABLE }.into()),
            (None, _, Some(place)) => place.create(random)?.checked_id(),
            (None, _, None) => Err(KekError::Missing { kek_id: String::new(), place: KEK_VARIABLE.to_owned() }),
        }
    }

    async fn wrap(
        &self,
        kek_id: &str,
        tenant: TenantId,
        data_key: &DataKey,
        random: &dyn Random,
    ) -> Result<Vec<u8>, KekError> {
        Ok(self.find(kek_id)?.wrap(tenant, data_key, random)?)
    }

    async fn unwrap_key(
        &self,
        kek_id: &str,
        tenant: TenantId,
        dek_version: u32,
        wrapped: &[u8],
    ) -> Result<DataKey, KekError> {
        Ok(self.find(kek_id)?.unwrap_key(tenant, dek_version, wrapped)?)
    }

    async fn canary(&self, kek_id: &str, random: &dyn Random) -> Result<Vec<u8>, KekError> {
        Ok(self.find(kek_id)?.canary(random)?)
    }

    async fn check_canary(&self, kek_id: &str, blob: &[u8]) -> Result<(), KekError> {
        let checked = self.find(kek_id)?.check_canary(blob);
        if checked.is_err() {
            // The right file may take the place of a wrong one while this runs.
            self.forget(kek_id);
        }
        Ok(checked?)
    }

    fn forget(&self, kek_id: &str) {
        self.read.write().unwrap_or_else(PoisonError::into_inner).remove(kek_id);
    }

    fn place_of(&self, kek_id: &str) -> String {
        let files = self.place.as_ref().map(|place| place.describe(kek_id));
        match files {
            Some(files) if !self.given.contains_key(kek_id) => files,
            _ => KEK_VARIABLE.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tempfile::TempDir;

    use super::super::random::SystemRandom;
    use super::*;
    use crate::secrets::OpenError;

    /// A key file in a directory of its own, the line in it, and its id.
    fn made() -> (TempDir, String, String) {
        let directory = TempDir::new().unwrap();
        let kek = kek_file::create(directory.path(), &SystemRandom).unwrap();
        let line = fs::read_to_string(kek_file::path_of(directory.path(), kek.id())).unwrap();
        (directory, line, kek.id().to_owned())
    }

    #[tokio::test]
    async fn a_key_of_the_environment_is_that_of_the_file_with_the_same_line() {
        let (directory, line, kek_id) = made();
        let environment = LocalKeks::of_environment(&line, None).unwrap();
        let canary = environment.canary(&kek_id, &SystemRandom).await.unwrap();
        assert!(LocalKeks::beside(directory.path()).check_canary(&kek_id, &canary).await.is_ok());
        assert_eq!(environment.first(&SystemRandom).await.unwrap().as_str(), kek_id);
        assert_eq!(environment.place_of(&kek_id), "CONCENTER_KEK");
    }

    #[tokio::test]
    async fn several_keys_of_the_environment_are_told_apart_by_their_ids() {
        let ((_, one, one_id), (_, other, other_id)) = (made(), made());
        let both = LocalKeks::of_environment(&format!("{one}{other}"), None).unwrap();
        for kek_id in [&one_id, &other_id] {
            assert!(both.canary(kek_id, &SystemRandom).await.is_ok());
        }
        let begun = both.first(&SystemRandom).await;
        assert!(matches!(begun, Err(KekError::File(_))), "nobody knows with which one to begin");
        let third = both.canary("0123456789abcdef", &SystemRandom).await.unwrap_err();
        assert!(matches!(&third, KekError::Missing { kek_id, .. } if kek_id == "0123456789abcdef"), "{third}");
    }

    #[test]
    fn whatever_is_no_line_of_a_key_file_is_refused_and_not_repeated() {
        let (_, line, _) = made();
        let damaged = line.replace("cckek1", "cckek2");
        for text in ["", " ", "geheim", damaged.as_str(), &line[1..], &format!("{line}{line}"), &format!("{line} x")] {
            let refused = LocalKeks::of_environment(text, None).unwrap_err();
            assert_eq!(refused, InvalidGivenKeks, "{text}");
        }
        let key = line.split(':').nth(2).unwrap();
        assert!(!format!("{:?}", LocalKeks::of_environment(&line, None).unwrap()).contains(key));
    }

    #[tokio::test]
    async fn a_file_that_comes_later_is_found_and_one_that_goes_is_missed_at_the_next_start() {
        let (directory, line, kek_id) = made();
        let file = kek_file::path_of(directory.path(), &kek_id);
        let elsewhere = directory.path().join("elsewhere");
        fs::rename(&file, &elsewhere).unwrap();
        let keks = LocalKeks::beside(directory.path());
        assert!(matches!(keks.canary(&kek_id, &SystemRandom).await, Err(KekError::File(_))));
        fs::rename(&elsewhere, &file).unwrap();
        assert!(keks.canary(&kek_id, &SystemRandom).await.is_ok(), "without a restart");
        fs::remove_file(&file).unwrap();
        assert!(keks.canary(&kek_id, &SystemRandom).await.is_ok(), "it was read");
        keks.forget(&kek_id);
        assert!(keks.canary(&kek_id, &SystemRandom).await.is_err());
        drop(line);
    }

    #[tokio::test]
    async fn a_wrong_key_under_a_right_name_is_not_kept() {
        let (directory, line, kek_id) = made();
        let right = LocalKeks::beside(directory.path()).canary(&kek_id, &SystemRandom).await.unwrap();
        let file = kek_file::path_of(directory.path(), &kek_id);
        let (_, other, other_id) = made();
        let renamed = other.replace(&other_id, &kek_id);
        let (checked, _) = renamed.rsplit_once(':').unwrap();
        fs::write(&file, format!("{checked}:{:08x}\n", crc32c::crc32c(checked.as_bytes()))).unwrap();
        let keks = LocalKeks::beside(directory.path());
        let refused = keks.check_canary(&kek_id, &right).await;
        assert!(matches!(refused, Err(KekError::Open(OpenError::KeyMismatch))));
        fs::write(&file, line).unwrap();
        assert!(keks.check_canary(&kek_id, &right).await.is_ok(), "the right one took its place");
    }
}
