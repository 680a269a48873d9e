//! The programs of an installed PostgreSQL, and the OS user that they run as.

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where Debian and its like keep each version in a folder of its own.
const OF_DISTRIBUTION: &str = "/usr/lib/postgresql";

/// The programs of one installed version.
#[derive(Debug, Clone)]
pub(super) struct Binaries {
    folder: PathBuf,
    user: Option<OsUser>,
}

/// Whom the server runs as where the tests run as root, which PostgreSQL refuses.
#[derive(Debug, Clone, Copy)]
struct OsUser {
    uid: u32,
    gid: u32,
}

impl Binaries {
    /// Finds them: where `pg_config` says, on the path, or the distribution's newest.
    pub(super) fn find() -> Result<Self, String> {
        let folder = told_by_pg_config().or_else(on_the_path).or_else(newest_of_distribution);
        let folder = folder.ok_or("no initdb was found; install PostgreSQL or set TEST_POSTGRES_URL")?;
        let user = if rustix::process::geteuid().is_root() { Some(OsUser::find()?) } else { None };
        Ok(Self { folder, user })
    }

    /// The folder that they are in.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// One of them, to be run as the server's user and untouched by what the environment says of PostgreSQL.
    pub(super) fn command(&self, program: &str) -> Command {
        self.as_user(Command::new(self.folder.join(program)))
    }

    /// `command`, to be run as the server's user.
    pub(super) fn as_user(&self, mut command: Command) -> Command {
        command.env_clear().env("PATH", "/usr/bin:/bin").env("LC_ALL", "C").current_dir("/");
        if let Some(user) = self.user {
            command.uid(user.uid).gid(user.gid);
        }
        command
    }

    /// Gives `path` to the server's user.
    pub(super) fn hand_over(&self, path: &Path) -> Result<(), String> {
        let Some(user) = self.user else { return Ok(()) };
        std::os::unix::fs::chown(path, Some(user.uid), Some(user.gid)).map_err(|error| error.to_string())
    }
}

impl OsUser {
    fn find() -> Result<Self, String> {
        let users = fs::read_to_string("/etc/passwd").map_err(|error| error.to_string())?;
        let named = |name: &str| users.lines().find_map(|line| Self::parse(line, name));
        named("postgres").or_else(|| named("nobody")).ok_or_else(|| "no user to run it as instead of root".to_owned())
    }

    /// Reads a line of `/etc/passwd` if it is about `name`.
    fn parse(line: &str, name: &str) -> Option<Self> {
        let mut fields = line.split(':');
        if fields.next() != Some(name) {
            return None;
        }
        let mut number = fields.skip(1).map_while(|field| field.parse().ok());
        Some(Self { uid: number.next()?, gid: number.next()? })
    }
}

fn told_by_pg_config() -> Option<PathBuf> {
    let told = Command::new("pg_config").arg("--bindir").output().ok()?;
    let folder = PathBuf::from(String::from_utf8(told.stdout).ok()?.trim());
    has_server(&folder).then_some(folder)
}

#[expect(clippy::disallowed_methods, reason = "finds a program as a shell does")]
fn on_the_path() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).find(|folder| has_server(folder))
}

fn newest_of_distribution() -> Option<PathBuf> {
    let versions = fs::read_dir(OF_DISTRIBUTION).ok()?.filter_map(|entry| {
        let entry = entry.ok()?;
        let version: u32 = entry.file_name().to_str()?.parse().ok()?;
        let folder = entry.path().join("bin");
        has_server(&folder).then_some((version, folder))
    });
    versions.max().map(|(_, folder)| folder)
}

/// The client's package has a `pg_config` too, and no server.
fn has_server(folder: &Path) -> bool {
    folder.is_absolute() && ["initdb", "pg_ctl", "postgres"].iter().all(|program| folder.join(program).is_file())
}
