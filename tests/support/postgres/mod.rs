//! PostgreSQL under test: a server that a test process starts for itself, and a fresh database for each test.
//!
//! A test binary takes it in by `#[path = "../support/postgres/mod.rs"] pub mod ..`: `pub`, because no binary uses all of
//! it. The server is the one that `TEST_POSTGRES_URL` names, as a superuser, or a throw-away one from the binaries that
//! are installed; it is started by the first test that asks, and ends with the process. Without either, [`database`] gives
//! nothing and the test returns: nobody needs PostgreSQL to build and test this crate. With
//! `CONCENTER_TESTS_NEED_POSTGRES=1` that is a failure instead.
//!
//! [`PrivateServer`] is a server of one test alone, which it may stop and freeze.

mod binaries;
mod cluster;
mod server;

use std::io::Write as _;
use std::process::Command;
use std::sync::{Arc, Weak};

use tokio::sync::Mutex;
use url::Url;

pub use self::cluster::{Cluster, TestDatabase};
pub use self::server::PrivateServer;

use self::binaries::Binaries;
use self::cluster::Leftovers;
use self::server::Server;

/// Gives a fresh database with the schema of this program, or nothing where there is no PostgreSQL.
///
/// # Panics
/// Where there is none and `CONCENTER_TESTS_NEED_POSTGRES` says that there must be, or a database cannot be made.
pub async fn database() -> Option<TestDatabase> {
    Some(Cluster::database(&cluster().await?).await)
}

/// Gives a fresh database of the owner's without any table, or nothing where there is no PostgreSQL.
///
/// # Panics
/// As [`database`].
pub async fn empty_database() -> Option<TestDatabase> {
    Some(Cluster::empty_database(&cluster().await?).await)
}

/// One of PostgreSQL's own tools, or nothing where none is installed.
pub fn tool(program: &str) -> Option<Command> {
    Binaries::find().ok().map(|binaries| binaries.command(program))
}

/// What the tests of this process share.
enum Shared {
    /// Nobody asked yet.
    Unasked,
    /// A server of our own. It goes with the process, and everything on it goes with it.
    Ours { _server: Server, cluster: Arc<Cluster> },
    /// Somebody else's server. What was made on it goes with the last test that uses it.
    Theirs { url: Url, cluster: Weak<Cluster> },
    /// There is none, and the process has said why.
    None,
}

static SHARED: Mutex<Shared> = Mutex::const_new(Shared::Unasked);

/// The server of this process with its roles and its template, made by whoever asks first.
async fn cluster() -> Option<Arc<Cluster>> {
    let mut shared = SHARED.lock().await;
    if let Shared::Unasked = *shared {
        *shared = begin().await.unwrap_or_else(|reason| left_out(&reason));
    }
    match &mut *shared {
        Shared::Unasked | Shared::None => None,
        Shared::Ours { cluster, .. } => Some(Arc::clone(cluster)),
        Shared::Theirs { url, cluster } => {
            if let Some(cluster) = cluster.upgrade() {
                return Some(cluster);
            }
            let made = Arc::new(Cluster::make(url.clone(), Leftovers::Dropped, None).await);
            *cluster = Arc::downgrade(&made);
            Some(made)
        }
    }
}

/// Finds or starts the server. A reason is why there is none; what fails on a server that is there is a failure.
async fn begin() -> Result<Shared, String> {
    if let Some(url) = setting("TEST_POSTGRES_URL") {
        let url = Url::parse(&url).expect("TEST_POSTGRES_URL is a URL: postgres://USER:PASSWORD@HOST:PORT/postgres");
        return Ok(Shared::Theirs { url, cluster: Weak::new() });
    }
    let server = Server::start()?;
    let cluster = Arc::new(Cluster::make(server.url().clone(), Leftovers::DroppedLater, Some(server.log())).await);
    Ok(Shared::Ours { _server: server, cluster })
}

/// Says once that the tests with PostgreSQL are left out; past the capture of output, which a passing test never shows.
fn left_out(reason: &str) -> Shared {
    assert!(setting("CONCENTER_TESTS_NEED_POSTGRES").as_deref() != Some("1"), "there is no PostgreSQL: {reason}");
    // Nothing to do about a closed stream.
    let _ = writeln!(std::io::stderr(), "tests with PostgreSQL are left out: {reason}");
    Shared::None
}

#[expect(clippy::disallowed_methods, reason = "which server is tested with is said by who runs the tests")]
fn setting(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// So many random bytes as hexadecimal digits: names that are nobody else's, and passwords.
fn hex<const BYTES: usize>() -> String {
    use std::fmt::Write as _;
    use std::io::Read as _;

    let mut bytes = [0; BYTES];
    let mut random = std::fs::File::open("/dev/urandom").expect("a source of random bytes");
    random.read_exact(&mut bytes).expect("random bytes");
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a string takes it");
        text
    })
}
