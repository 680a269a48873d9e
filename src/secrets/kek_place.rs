//! Where the files of key-encryption keys are: beside the data, or in files of their own that are kept apart from them.

use std::path::{Path, PathBuf};

use super::kek_file::{self, KekFileError};
use super::keys::Kek;
use crate::domain::ids::Random;

/// Where the files of key-encryption keys are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KekPlace {
    /// In `keys/` of the data directory, each in a file that is named after its id.
    DataDirectory(PathBuf),
    /// In these files, whatever they are called: on another volume, or where a store of secrets puts them. At least one; which of
    /// them is which key stands in them, so their order says nothing.
    Files(Vec<PathBuf>),
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
    /// [`KekFileError`]; [`KekFileError::ManyToBeginWith`] unless one file is named alone.
    pub fn create(&self, random: &dyn Random) -> Result<Kek, KekFileError> {
        match self {
            Self::DataDirectory(data_dir) => kek_file::create(data_dir, random),
            Self::Files(paths) => match paths.as_slice() {
                [path] => kek_file::load_or_create_at(path, random),
                _ => Err(KekFileError::ManyToBeginWith { setting: "--kek-file" }),
            },
        }
    }

    /// Reads the key of this id.
    ///
    /// # Errors
    /// One of [`KekFileError`] for each thing that can be wrong with a file; it is never made anew. Where several are named, a
    /// file that cannot be read counts only if no other one is that of this key.
    pub fn load(&self, kek_id: &str) -> Result<Kek, KekFileError> {
        match self {
            Self::DataDirectory(data_dir) => kek_file::load(data_dir, kek_id),
            Self::Files(paths) => match paths.as_slice() {
                [path] => kek_file::load_at(path, kek_id),
                _ => load_among(paths, kek_id),
            },
        }
    }

    /// Names the file of the key of this id, or those that it may be in.
    #[must_use]
    pub fn describe(&self, kek_id: &str) -> String {
        match self {
            Self::DataDirectory(data_dir) => kek_file::path_of(data_dir, kek_id).display().to_string(),
            Self::Files(paths) => listed(paths),
        }
    }
}

fn load_among(paths: &[PathBuf], kek_id: &str) -> Result<Kek, KekFileError> {
    let mut failed = None;
    for path in paths {
        match kek_file::load_at(path, kek_id) {
            Ok(kek) => return Ok(kek),
            Err(KekFileError::OtherId { .. }) => {}
            Err(error) => failed = failed.or(Some(error)),
        }
    }
    Err(failed.unwrap_or_else(|| KekFileError::NotAmong { paths: listed(paths), kek_id: kek_id.to_owned() }))
}

fn listed(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
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
        let place = KekPlace::Files(vec![path.clone()]);
        let made = place.create(&SystemRandom).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "nothing else is left");
        assert_eq!(place.load(made.id()).unwrap().id(), made.id());
        // A second database under the same key, or the first start of one whose key was put there by hand.
        assert_eq!(place.create(&SystemRandom).unwrap().id(), made.id());
        assert_eq!(place.describe(made.id()), path.display().to_string());
    }

    #[test]
    fn a_key_file_of_a_data_directory_may_be_moved_elsewhere() {
        let directory = TempDir::new().unwrap();
        let beside = KekPlace::from(directory.path());
        let kek = beside.create(&SystemRandom).unwrap();
        let path = directory.path().join("elsewhere");
        fs::rename(kek_file::path_of(directory.path(), kek.id()), &path).unwrap();
        assert_eq!(KekPlace::Files(vec![path]).load(kek.id()).unwrap().id(), kek.id());
    }

    #[test]
    fn the_checks_of_a_file_are_those_of_one_in_the_data_directory() {
        let directory = TempDir::new().unwrap();
        let path = directory.path().join("concenter.kek");
        let place = KekPlace::Files(vec![path.clone()]);
        assert!(matches!(place.load("0123456789abcdef"), Err(KekFileError::Missing { path: p }) if p == path));
        assert!(!path.exists(), "nothing is made for data that are there");
        let kek = place.create(&SystemRandom).unwrap();
        let refused = place.load("0123456789abcdef").unwrap_err();
        assert!(matches!(&refused, KekFileError::OtherId { path: p, found, .. } if *p == path && found == kek.id()));
        assert!(refused.to_string().contains("0123456789abcdef is needed"), "{refused}");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        for refused in [place.load(kek.id()), place.create(&SystemRandom)] {
            assert!(matches!(refused, Err(KekFileError::TooOpen { .. })));
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
        assert!(place.load(kek.id()).is_ok());
        let nowhere = KekPlace::Files(vec![directory.path().join("missing/concenter.kek")]);
        assert!(nowhere.create(&SystemRandom).is_err());
        assert!(matches!(KekPlace::Files(vec!["/".into()]).create(&SystemRandom), Err(KekFileError::NotAFile { .. })));
    }

    #[test]
    fn of_several_files_the_one_that_holds_the_key_is_taken_whatever_their_order() {
        let directory = TempDir::new().unwrap();
        let paths = ["one", "two"].map(|name| directory.path().join(name));
        let keks = paths.clone().map(|path| kek_file::create_at(&path, &SystemRandom).unwrap());
        for order in [paths.to_vec(), paths.iter().rev().cloned().collect()] {
            let place = KekPlace::Files(order);
            for kek in &keks {
                assert_eq!(place.load(kek.id()).unwrap().id(), kek.id());
            }
            let refused = place.load("0123456789abcdef").unwrap_err();
            assert!(matches!(&refused, KekFileError::NotAmong { kek_id, .. } if kek_id == "0123456789abcdef"));
            assert!(matches!(place.create(&SystemRandom), Err(KekFileError::ManyToBeginWith { .. })));
        }
        // A file that is of no use is no matter of those who need another one.
        fs::write(&paths[0], "mine").unwrap();
        let place = KekPlace::Files(paths.to_vec());
        assert!(place.load(keks[1].id()).is_ok());
        assert!(matches!(place.load(keks[0].id()), Err(KekFileError::Corrupt { path }) if path == paths[0]));
    }
}
