//! The directory of signed checkpoints: a folder for each tenant, a file for each checkpoint (`docs/audit.md`).
//!
//! It belongs on another volume than the database, best where whoever can change the database can only add.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::StoreError;
use crate::domain::ids::TenantId;
use crate::domain::time::Timestamp;

/// How the name of a checkpoint ends.
const SUFFIX: &str = ".jws";
/// Most checkpoints of a tenant that are read, the newest: those of a day. An older one says nothing that a newer one does not.
const MOST_READ: usize = 300;
/// Most bytes of a file that are read.
const MOST_BYTES: usize = 4_096;

/// How many checkpoints this process has begun to write.
static WRITTEN: AtomicU64 = AtomicU64::new(0);

/// A directory of signed checkpoints.
#[derive(Debug, Clone)]
pub struct CheckpointDirectory(Arc<Path>);

impl CheckpointDirectory {
    /// The directory at `path`, which is made with the first checkpoint.
    #[must_use]
    pub fn new(path: &Path) -> Self {
        Self(path.into())
    }

    /// Adds a checkpoint: the file is there whole or not at all, and for its owner only.
    ///
    /// # Errors
    /// [`StoreError::Down`] if it cannot be written.
    pub async fn add(&self, tenant: &TenantId, at: Timestamp, text: String) -> Result<(), StoreError> {
        let folder = self.0.join(tenant.to_string());
        blocking(move || add(&folder, at, &text)).await
    }

    /// Reads the newest 300 checkpoints of a tenant, the oldest first; none where there is no folder.
    ///
    /// # Errors
    /// [`StoreError::Down`] if they cannot be read.
    pub async fn newest(&self, tenant: &TenantId) -> Result<Vec<String>, StoreError> {
        let folder = self.0.join(tenant.to_string());
        blocking(move || newest(&folder)).await
    }

    /// Lists the tenants that have checkpoints, in no order.
    ///
    /// # Errors
    /// [`StoreError::Down`] if the directory cannot be read.
    pub async fn tenants(&self) -> Result<Vec<TenantId>, StoreError> {
        let directory = Arc::clone(&self.0);
        blocking(move || {
            let names = names_in(&directory)?;
            Ok(names.iter().filter_map(|name| TenantId::parse(name).ok()).collect())
        })
        .await
    }
}

/// Does file work where it holds nobody up.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> Result<T, StoreError> {
    let done = tokio::task::spawn_blocking(work).await.unwrap_or_else(|ended| Err(io::Error::other(ended)));
    done.map_err(|error| StoreError::Down(Arc::new(error)))
}

fn add(folder: &Path, at: Timestamp, text: &str) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    // As many digits for every instant: the names sort as the instants do.
    let name = format!("{:020}{SUFFIX}", at.unix_micros().max(0));
    // Of this call alone, and no checkpoint by its name: one that was killed leaves nothing that counts.
    let number = WRITTEN.fetch_add(1, Ordering::Relaxed);
    let temporary = folder.join(format!(".{name}.{}.{number}", std::process::id()));
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&temporary, folder.join(name))?;
    File::open(folder)?.sync_all()
}

fn newest(folder: &Path) -> io::Result<Vec<String>> {
    let mut names = names_in(folder)?;
    names.retain(|name| name.ends_with(SUFFIX) && !name.starts_with('.'));
    names.sort_unstable();
    let first = names.len().saturating_sub(MOST_READ);
    names.iter().skip(first).map(|name| read(folder.join(name))).collect()
}

/// Reads a file. One that is too large, or no text, was not written here: it reads as a text that is no checkpoint.
fn read(path: PathBuf) -> io::Result<String> {
    let bytes = fs::read(path)?;
    if bytes.len() > MOST_BYTES {
        return Ok(String::new());
    }
    Ok(String::from_utf8(bytes).unwrap_or_default())
}

fn names_in(directory: &Path) -> io::Result<Vec<String>> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    // What is no text is nothing of ours.
    entries.map(|entry| Ok(entry?.file_name().into_string().unwrap_or_default())).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    const TENANT: TenantId = TenantId::SYSTEM;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_unix_seconds(seconds)
    }

    #[tokio::test]
    async fn checkpoints_are_read_in_the_order_of_their_instants() {
        let place = tempfile::tempdir().unwrap();
        let directory = CheckpointDirectory::new(&place.path().join("made"));
        assert_eq!(directory.newest(&TENANT).await.unwrap(), [""; 0]);
        assert_eq!(directory.tenants().await.unwrap(), []);
        for seconds in [1_000, 9, 20] {
            directory.add(&TENANT, at(seconds), format!("at {seconds}")).await.unwrap();
        }
        assert_eq!(directory.newest(&TENANT).await.unwrap(), ["at 9", "at 20", "at 1000"]);
        assert_eq!(directory.tenants().await.unwrap(), [TENANT]);
    }

    #[tokio::test]
    async fn a_checkpoint_is_for_its_owner_only() {
        let place = tempfile::tempdir().unwrap();
        CheckpointDirectory::new(place.path()).add(&TENANT, at(1), "x".to_owned()).await.unwrap();
        let folder = place.path().join(TENANT.to_string());
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
        assert_eq!(mode(&folder), 0o700);
        let names = names_in(&folder).unwrap();
        assert_eq!(names, ["00000000000001000000.jws"]);
        assert_eq!(mode(&folder.join(&names[0])), 0o600);
    }

    #[tokio::test]
    async fn what_a_killed_process_left_is_no_checkpoint() {
        let place = tempfile::tempdir().unwrap();
        let directory = CheckpointDirectory::new(place.path());
        directory.add(&TENANT, at(1), "whole".to_owned()).await.unwrap();
        fs::write(place.path().join(TENANT.to_string()).join(".00000000000002000000.jws.1"), "hal").unwrap();
        assert_eq!(directory.newest(&TENANT).await.unwrap(), ["whole"]);
    }

    #[tokio::test]
    async fn only_the_newest_are_read_and_no_file_without_end() {
        let place = tempfile::tempdir().unwrap();
        let directory = CheckpointDirectory::new(place.path());
        let folder = place.path().join(TENANT.to_string());
        fs::create_dir(&folder).unwrap();
        for number in 0..=MOST_READ {
            fs::write(folder.join(format!("{number:020}{SUFFIX}")), number.to_string()).unwrap();
        }
        fs::write(folder.join(format!("{:020}{SUFFIX}", 7)), "x".repeat(MOST_BYTES + 1)).unwrap();
        fs::write(folder.join(format!("{:020}{SUFFIX}", 8)), [0xff]).unwrap();
        let read = directory.newest(&TENANT).await.unwrap();
        assert_eq!((read.len(), read[0].as_str(), read[6].as_str(), read[7].as_str()), (MOST_READ, "1", "", ""));
    }
}
