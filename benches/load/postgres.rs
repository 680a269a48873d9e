//! A PostgreSQL that ends with the run, from the binaries that are installed.
//!
//! It runs as PostgreSQL does by default, most of all with `fsync`: what was answered survives a loss of power, as with the
//! embedded database.

#[path = "../../tests/support/postgres/binaries.rs"]
mod binaries;

use std::ffi::OsString;
use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, anyhow, ensure};
use concenter_gateway::domain::ids::{Random as _, TenantId};
use concenter_gateway::secrets::SystemRandom;
use concenter_gateway::store::Location;
use rustix::process::Signal;
use sqlx::{Connection as _, PgConnection};
use tempfile::TempDir;
use tokio::time::Instant;

use self::binaries::Binaries;
use super::data::Stored;
use super::fill::hex;
use super::guard::{Guarded, Runs};
use super::service::PROGRAM;

/// The superuser, who also owns the databases: whose they are changes nothing for those who connect as another.
const SUPERUSER: &str = "postgres";
/// The role that services connect as.
const ROLE: &str = "concenter";

/// How long it may take to start.
const READY_WITHIN: Duration = Duration::from_secs(30);

/// Names of databases.
pub(crate) const GROUPED: &str = "grouped";
pub(crate) const ONE_BY_ONE: &str = "one_by_one";

/// A running server.
pub(crate) struct PostgresServer {
    port: u16,
    password: String,
    /// `None` once it has been asked to end.
    process: Option<Guarded>,
    // Last: it is removed after the process has ended.
    directory: TempDir,
}

/// A database on it, with the schema of this program.
pub(crate) struct PostgresDatabase {
    owner_url: String,
    service_url: String,
    password_file: PathBuf,
}

/// A program that is to be run as the user that PostgreSQL runs as.
pub(crate) fn as_database_user(command: Command) -> anyhow::Result<Command> {
    Ok(Binaries::find().map_err(|reason| anyhow!(reason))?.as_user(command))
}

impl PostgresServer {
    /// Starts one, or says why there is none.
    pub(crate) fn start() -> anyhow::Result<Self> {
        let binaries = Binaries::find().map_err(|reason| anyhow!(reason))?;
        let directory = tempfile::tempdir().context("a directory")?;
        let mut password = [0; 16];
        SystemRandom.fill(&mut password);
        let password = hex(&password)?;
        let password_file = password_file(directory.path());
        fs::write(&password_file, &password).context("keep a password")?;
        for path in [directory.path(), &password_file] {
            binaries.hand_over(path).map_err(|reason| anyhow!(reason))?;
        }
        let data = directory.path().join("data");
        let mut initdb = binaries.command("initdb");
        initdb.args([
            "--no-instructions",
            "--encoding=UTF8",
            "--locale=C",
            "--auth=scram-sha-256",
            "--username",
            SUPERUSER,
        ]);
        run(initdb.arg("--pwfile").arg(&password_file).arg("--pgdata").arg(&data))?;

        // PostgreSQL takes no port 0.
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let mut arguments: Vec<OsString> = vec!["-D".into(), data.into(), "-p".into(), port.to_string().into()];
        for setting in ["listen_addresses=127.0.0.1", "unix_socket_directories=", "fsync=on", "synchronous_commit=on"] {
            arguments.extend(["-c".into(), setting.into()]);
        }
        let program = binaries.folder().join("postgres");
        let process = Guarded::start(Runs::AsDatabaseUser, &program, &arguments, &directory.path().join("log"))?;
        Ok(Self { port, password, process: Some(process), directory })
    }

    /// Makes a database of that name. The service that uses it keeps its key file elsewhere.
    pub(crate) async fn database(&self, name: &'static str) -> anyhow::Result<PostgresDatabase> {
        let mut shell = self.connect().await?;
        // A name takes no bind.
        let make = match name {
            GROUPED => "CREATE DATABASE grouped",
            _ => "CREATE DATABASE one_by_one",
        };
        sqlx::query(make).execute(&mut shell).await.context("make a database")?;
        shell.close().await?;
        let database = PostgresDatabase {
            owner_url: self.url_of(SUPERUSER, name),
            service_url: self.url_of(ROLE, name),
            password_file: password_file(self.directory.path()),
        };
        database.migrate()?;
        Ok(database)
    }

    /// Connects once the server takes connections.
    async fn connect(&self) -> anyhow::Result<PgConnection> {
        let url = self.url_of(SUPERUSER, "postgres");
        let end = Instant::now() + READY_WITHIN;
        loop {
            match PgConnection::connect(&url).await {
                Ok(shell) => return Ok(shell),
                Err(error) if Instant::now() > end => {
                    let log = fs::read_to_string(self.directory.path().join("log")).unwrap_or_default();
                    return Err(anyhow::Error::new(error).context(log));
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    }

    fn url_of(&self, role: &str, database: &str) -> String {
        let Self { password, port, .. } = self;
        format!("postgres://{role}:{password}@127.0.0.1:{port}/{database}")
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        // In order, so that it removes what it shares with its processes; killed, it leaves that behind.
        if let Some(process) = self.process.take() {
            let _ = process.stop(Signal::INT);
        }
    }
}

impl PostgresDatabase {
    /// Brings the schema into it and makes the role of the service.
    fn migrate(&self) -> anyhow::Result<()> {
        let mut migrate = Command::new(PROGRAM);
        migrate.args(["migrate", "--create-role", ROLE, "--database-url", &self.owner_url]).env_clear();
        run(migrate.arg("--role-password-file").arg(&self.password_file))
    }

    /// What tells the program where the database is.
    pub(crate) fn arguments(&self) -> Vec<OsString> {
        vec!["--database-url".into(), self.service_url.clone().into()]
    }

    /// Where the database is.
    pub(crate) fn location(&self) -> anyhow::Result<Location> {
        Ok(Location::Server(self.service_url.parse()?))
    }

    /// A connection past the service, and past the wall between tenants.
    pub(crate) async fn shell(&self) -> anyhow::Result<PgConnection> {
        Ok(PgConnection::connect(&self.owner_url).await?)
    }

    /// Gives each private customer of a tenant one of its users whose names begin with `eigener.`, in turns.
    pub(crate) async fn give_own_users(&self, tenant: TenantId) -> anyhow::Result<()> {
        let mut shell = self.shell().await?;
        let own = "
            CREATE TEMP TABLE own AS
            SELECT row_number() OVER (ORDER BY user_id) - 1 AS place, user_id
            FROM concenter_user
            WHERE user_name LIKE 'eigener.%'";
        sqlx::query(own).execute(&mut shell).await?;
        // Their ids end with their numbers.
        let give = sqlx::query(
            "UPDATE customer
            SET user_id = own.user_id
            FROM own
            WHERE customer.tenant_id = $1::TEXT::UUID
              AND customer.segment = 'private'
              AND own.place = substr(customer.customer_id, 7)::BIGINT % (SELECT count(*) FROM own)",
        );
        give.bind(tenant.to_string()).execute(&mut shell).await?;
        shell.close().await?;
        self.settle().await
    }

    /// Does what the server does by itself sooner or later: clears dead rows, and looks at how many there are of what.
    pub(crate) async fn settle(&self) -> anyhow::Result<()> {
        let mut shell = self.shell().await?;
        sqlx::query("VACUUM (ANALYZE)").execute(&mut shell).await?;
        shell.close().await?;
        Ok(())
    }

    /// Counts what is stored, past the wall between tenants.
    pub(crate) async fn stored(&self) -> anyhow::Result<Stored> {
        let mut shell = PgConnection::connect(&self.owner_url).await?;
        let count = sqlx::query_as("SELECT COUNT(*), COUNT(redeemed_at) FROM jump");
        let (jumps, redeemed) = count.fetch_one(&mut shell).await?;
        shell.close().await?;
        Ok(Stored { jumps, redeemed })
    }
}

fn password_file(directory: &Path) -> PathBuf {
    directory.join("password")
}

/// Runs a program to its end; the error is what it says.
fn run(command: &mut Command) -> anyhow::Result<()> {
    let told = command.stdin(Stdio::null()).output()?;
    ensure!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr).trim());
    Ok(())
}
