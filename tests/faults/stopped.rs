//! A data directory with one firm in it, and a jump of its broker that waits to be redeemed.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use concenter_gateway::app::startup::UnlockError;
use concenter_gateway::config::ServerSettings;
use concenter_gateway::domain::time::{Clock, Timestamp};
use concenter_gateway::secrets::SystemRandom;
use concenter_gateway::server::{Outside, Running, Server, StartError};
use tempfile::TempDir;
use tonic::transport::Channel;

use crate::firm::{Callers, Firm, PASSWORD, request_id};
use crate::postgres::{self, TestDatabase};

/// A clock that stands still at 2026-03-02T09:00:00Z, so that no jump ends however slow the machine is.
struct StoppedClock;

impl Clock for StoppedClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix_seconds(1_772_442_000)
    }
}

/// The data of a service that was stopped in order.
pub(crate) struct Stopped {
    directory: TempDir,
    /// `None` where the database is in the directory.
    database: Option<TestDatabase>,
    firm: Option<Firm>,
    /// What the broker's browser holds.
    token: String,
}

/// Every entry below a directory: its mode, and a file's content or a link's aim.
type Entries = BTreeMap<PathBuf, (u32, Vec<u8>)>;

impl Stopped {
    /// A firm in each of the stores that there are.
    pub(crate) async fn on_each_store() -> Vec<Self> {
        let mut stopped = vec![Self::after_a_jump_in(tempfile::tempdir().expect("a directory")).await];
        if let Some(database) = postgres::database().await {
            stopped.push(Self::after_a_jump_on(tempfile::tempdir().expect("a directory"), Some(database)).await);
        }
        stopped
    }

    /// A firm on the data directory that [`data_in`] names in `directory`.
    pub(crate) async fn after_a_jump_in(directory: TempDir) -> Self {
        Self::after_a_jump_on(directory, None).await
    }

    async fn after_a_jump_on(directory: TempDir, database: Option<TestDatabase>) -> Self {
        let mut stopped = Self { directory, database, firm: None, token: String::new() };
        let running = stopped.start().await.expect("the service starts");
        let channel = connect(&running).await;
        let callers = Callers::new(&running.caller_tokens, Arc::new(StoppedClock));
        let firm = Firm::make(&channel, callers).await;
        stopped.token = firm.jump(&channel, &request_id(), 0).await.expect("a jump");
        stopped.firm = Some(firm);
        drop(channel);
        running.shutdown().await;
        stopped
    }

    /// Where the data is.
    pub(crate) fn data_dir(&self) -> PathBuf {
        data_in(&self.directory)
    }

    /// How a service finds the database; `None` where it is in the directory.
    pub(crate) fn url(&self) -> Option<String> {
        self.database.as_ref().map(TestDatabase::service_url)
    }

    /// Has the next start serve from a PostgreSQL, with the key file of the directory.
    pub(crate) fn serve_from(&mut self, database: TestDatabase) {
        self.database = Some(database);
    }

    /// Where the keys are.
    pub(crate) fn keys(&self) -> PathBuf {
        data_in(&self.directory).join("keys")
    }

    /// The one key file.
    pub(crate) fn key_file(&self) -> PathBuf {
        let files: Vec<_> = entries(&self.keys()).into_keys().collect();
        let [file] = files.as_slice() else { panic!("one key file: {files:?}") };
        file.clone()
    }

    /// A place outside the data directory, which ends with it.
    pub(crate) fn elsewhere(&self) -> PathBuf {
        self.directory.path().join("elsewhere")
    }

    /// Asserts that the service does not start, for its keys, and that the attempt left every byte and every mode of the
    /// data directory as it was; no entry came or went. Gives why it does not start.
    pub(crate) async fn refuses_to_start(&self) -> UnlockError {
        let data_dir = data_in(&self.directory);
        let before = entries(&data_dir);
        let error = match self.start().await {
            Ok(_) => panic!("the service started"),
            Err(StartError::Unlock(error)) => error,
            Err(error) => panic!("not for its keys: {error}"),
        };
        assert!(entries(&data_dir) == before, "the refused start changed something: {:?}", entries(&data_dir).keys());
        error
    }

    /// Asserts that the service starts, and that the jump from before still hands the password over.
    pub(crate) async fn starts_and_redeems(&self) {
        let running = self.start().await.expect("the service starts");
        let channel = connect(&running).await;
        let firm = self.firm.as_ref().expect("a firm");
        assert_eq!(firm.redeem(&channel, &self.token).await.expect("a redemption"), PASSWORD);
        drop(channel);
        running.shutdown().await;
    }

    async fn start(&self) -> Result<Running, StartError> {
        let outside = Outside { clock: Arc::new(StoppedClock), random: Arc::new(SystemRandom), keks: None };
        let mut settings = ServerSettings::local(data_in(&self.directory));
        settings.data.database_url = self.url().map(|url| url.parse().expect("a URL"));
        Server::start_with(settings, outside).await
    }
}

/// The data directory in a temporary one. The service makes it, so that nobody else may enter it.
pub(crate) fn data_in(directory: &TempDir) -> PathBuf {
    directory.path().join("data")
}

/// Sets the rights of a file or directory.
pub(crate) fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).expect("other rights");
}

fn entries(directory: &Path) -> Entries {
    let mut found = Entries::new();
    for entry in fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        let metadata = path.symlink_metadata().expect("an entry");
        let content = if metadata.is_dir() {
            found.extend(entries(&path));
            Vec::new()
        } else if metadata.is_symlink() {
            fs::read_link(&path).expect("a link").into_os_string().into_encoded_bytes()
        } else {
            fs::read(&path).expect("a file")
        };
        found.insert(path, (metadata.permissions().mode(), content));
    }
    found
}

async fn connect(running: &Running) -> Channel {
    let endpoint = Channel::from_shared(format!("http://{}", running.grpc_addr)).expect("an address");
    endpoint.connect().await.expect("the service listens")
}
