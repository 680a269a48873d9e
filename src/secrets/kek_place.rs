//! Where the key-encryption key is: beside the data, or in a file of its own that is kept apart from them.

use std::path::{Path, PathBuf};

use super::kek_file::{self, KekFileError};
use super::keys::Kek;
use crate::domain::ids::Random;

/// Where the key-encryption key is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KekPlace {
    /// In `keys/` of the data directory, in a file that is named after its id.
    DataDirectory(PathBuf),
    /// In this file, whatever it is called: on another volume, or where a store of secrets puts it.
    File(PathBuf),
}

impl From<&Path> for KekPlace {
    /// The place in a data directory.
    fn from(data_dir: &Path) -> Self {
        Self::DataDirectory(data_dir.to_owned())
    }
}

impl KekPlace {
    /// The key for an empty database: a new one, or that of the file which is there already and was named by a person.
    ///
    /// # Errors
    /// [`KekFileError`].
    pub fn create(&self, random: &dyn Random) -> Result<Kek, KekFileError> {
        match self {
            Self::DataDirectory(data_dir) => kek_file::create(data_dir, random),
            Self::File(path) => kek_file::load_or_create_at(path, random),
        }
    }

    /// Reads the key of this id.
    ///
    /// # Errors
    /// One of [`KekFileError`] for each thing that can be wrong with the file; it is never made anew.
    pub fn load(&self, kek_id: &str) -> Result<Kek, KekFileError> {
        match self {
            Self::DataDirectory(data_dir) => kek_file::load(data_dir, kek_id),
            Self::File(path) => kek_file::load_at(path, kek_id),
        }
    }

    /// The file of the key of this id.
    #[must_use]
    pub fn path_of(&self, kek_id: &str) -> PathBuf {
        match self {
            Self::DataDirectory(data_dir) => kek_file::path_of(data_dir, kek_id),
            Self::File(path) => path.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use tempfile::TempDir;

    use super::*;
    use crate::secrets::SystemRandom;

    #[test]
    fn a_file_is_made_once_and_then_used() {
        let directory = TempDir::new().unwrap();
        let path = directory.path().join("concenter.kek");
        let place = KekPlace::File(path.clone());
        let made = place.create(&SystemRandom).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "nothing else is left");
        assert_eq!(place.load(made.id()).unwrap().id(), made.id());
        // A second database under the same key, or the first start of one whose key was put there by hand.
        assert_eq!(place.create(&SystemRandom).unwrap().id(), made.id());
        assert_eq!(place.path_of(made.id()), path);
    }

    #[test]
    fn a_key_file_of_a_data_directory_may_be_moved_elsewhere() {
        let directory = TempDir::new().unwrap();
        let beside = KekPlace::from(directory.path());
        let kek = beside.create(&SystemRandom).unwrap();
        let path = directory.path().join("elsewhere");
        fs::rename(beside.path_of(kek.id()), &path).unwrap();
        assert_eq!(KekPlace::File(path).load(kek.id()).unwrap().id(), kek.id());
    }

    #[test]
    fn the_checks_of_a_file_are_those_of_one_in_the_data_directory() {
        let directory = TempDir::new().unwrap();
        let path = directory.path().join("concenter.kek");
        let place = KekPlace::File(path.clone());
        assert!(matches!(place.load("0123456789abcdef"), Err(KekFileError::Missing { path: p }) if p == path));
        assert!(!path.exists(), "nothing is made for data that are there");
        let kek = place.create(&SystemRandom).unwrap();
        assert!(matches!(place.load("0123456789abcdef"), Err(KekFileError::Corrupt { .. })), "another id");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        for refused in [place.load(kek.id()), place.create(&SystemRandom)] {
            assert!(matches!(refused, Err(KekFileError::TooOpen { .. })));
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
        assert!(place.load(kek.id()).is_ok());
        let nowhere = KekPlace::File(directory.path().join("missing/concenter.kek"));
        assert!(nowhere.create(&SystemRandom).is_err());
        assert!(matches!(KekPlace::File("/".into()).create(&SystemRandom), Err(KekFileError::NotAFile { .. })));
    }
}
