//! Where a service keeps its rows: a fresh directory or database, which ends with the run.

use std::ffi::OsString;
use std::fs::{self, DirBuilder};
use std::net::Ipv4Addr;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use concenter_gateway::app::startup;
use concenter_gateway::domain::caller::Role;
use concenter_gateway::domain::ids::{SubjectId, TargetId, TenantId};
use concenter_gateway::secrets::{LocalKeks, SystemRandom};
use concenter_gateway::server::{Outside, embedded_issuer};
use concenter_gateway::store::Location;
use concenter_gateway::token::{CallerGrant, CallerTokens};
use rcgen::{CertificateParams, KeyPair};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, PgConnection, SqliteConnection};
use tempfile::TempDir;
use tonic::metadata::AsciiMetadataValue;
use tonic::transport::Certificate;

use super::postgres::PostgresDatabase;

/// How long a caller's token is good for: longer than any run.
const CALLER_LIFE: Duration = Duration::from_hours(2);

/// The data of a service, with the service on it or without.
pub(crate) struct Data {
    directory: TempDir,
    /// `None` where the database is in the directory.
    database: Option<PostgresDatabase>,
    /// Whether the service speaks TLS, with a certificate in the directory.
    has_tls: bool,
}

/// What a database holds of what was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub(crate) struct Stored {
    /// Jumps.
    pub(crate) jumps: i64,
    /// Those of them that were redeemed.
    pub(crate) redeemed: i64,
}

impl Data {
    /// Data that no service has run on, with the embedded database.
    pub(crate) fn in_directory() -> anyhow::Result<Self> {
        Ok(Self { directory: tempfile::tempdir().context("a directory")?, database: None, has_tls: false })
    }

    /// The same, for a service that speaks TLS.
    pub(crate) fn with_tls(self) -> anyhow::Result<Self> {
        let key = KeyPair::generate().context("a key")?;
        let names = vec![Ipv4Addr::LOCALHOST.to_string()];
        let certificate = CertificateParams::new(names).and_then(|names| names.self_signed(&key));
        fs::write(self.certificate(), certificate.context("a certificate")?.pem()).context("write the certificate")?;
        fs::write(self.key(), key.serialize_pem()).context("write the key")?;
        Ok(Self { has_tls: true, ..self })
    }

    fn certificate(&self) -> PathBuf {
        self.directory.path().join("certificate.pem")
    }

    fn key(&self) -> PathBuf {
        self.directory.path().join("key.pem")
    }

    /// Who vouches for the service, where it speaks TLS: itself.
    pub(crate) fn authority(&self) -> anyhow::Result<Option<Certificate>> {
        let read = || fs::read(self.certificate()).context("read the certificate").map(Certificate::from_pem);
        self.has_tls.then(read).transpose()
    }

    /// Likewise, with a database of PostgreSQL.
    pub(crate) fn in_postgres(database: PostgresDatabase) -> anyhow::Result<Self> {
        let data = Self { database: Some(database), ..Self::in_directory()? };
        // Of the key file alone.
        DirBuilder::new().mode(0o700).create(data.path()).context("a directory")?;
        Ok(data)
    }

    /// The data directory. The service makes it.
    pub(crate) fn path(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// Where the log of the service goes.
    pub(crate) fn log(&self) -> PathBuf {
        self.directory.path().join("log")
    }

    /// What the service has logged.
    pub(crate) fn read_log(&self) -> String {
        fs::read_to_string(self.log()).unwrap_or_default()
    }

    /// What tells the program where its data is, and its certificate.
    pub(crate) fn arguments(&self) -> Vec<OsString> {
        let mut arguments = vec!["--data-dir".into(), self.path().into()];
        arguments.extend(self.database.iter().flat_map(PostgresDatabase::arguments));
        if self.has_tls {
            arguments.extend(["--tls-cert-file".into(), self.certificate().into()]);
            arguments.extend(["--tls-key-file".into(), self.key().into()]);
        }
        arguments
    }

    /// Who mints the tokens of callers. A service may run beside it.
    pub(crate) async fn issuer(&self) -> anyhow::Result<Issuer> {
        let location = match &self.database {
            Some(database) => database.location()?,
            None => Location::Directory(self.path()),
        };
        let store = location.open_read_only().await?;
        let (_, ring) = startup::unlock_existing(&*store, &LocalKeks::beside(&self.path())).await?;
        store.close().await;
        Ok(Issuer { tokens: embedded_issuer(ring), outside: Outside::system() })
    }

    /// A connection past the service, to its embedded database.
    pub(crate) async fn shell(&self) -> anyhow::Result<SqliteConnection> {
        let path = self.path().join("concenter.db");
        Ok(SqliteConnectOptions::new().filename(path).foreign_keys(true).connect().await?)
    }

    /// A connection past the service that counts a tenant's customers.
    pub(crate) async fn counter(&self, tenant: TenantId) -> anyhow::Result<Counter> {
        let shell = match &self.database {
            Some(database) => Shell::Postgres(database.shell().await?),
            None => Shell::Sqlite(self.shell().await?),
        };
        Ok(Counter { shell, tenant })
    }

    /// Lets the database come to rest, after many rows were written.
    pub(crate) async fn settle(&self) -> anyhow::Result<()> {
        match &self.database {
            Some(database) => database.settle().await,
            None => Ok(()),
        }
    }

    /// Gives each private customer of a tenant one of its users whose names begin with `eigener.`, in turns. No service runs on it: it
    /// assigns them one by one.
    pub(crate) async fn give_own_users(&self, tenant: TenantId) -> anyhow::Result<()> {
        if let Some(database) = &self.database {
            return database.give_own_users(tenant).await;
        }
        let mut shell = self.shell().await?;
        for statement in [
            "CREATE TEMP TABLE own (place INTEGER PRIMARY KEY, user_id TEXT NOT NULL)",
            "INSERT INTO own
            SELECT row_number() OVER (ORDER BY user_id) - 1, user_id
            FROM concenter_user
            WHERE user_name LIKE 'eigener.%'",
        ] {
            sqlx::query(statement).execute(&mut shell).await?;
        }
        // Their ids end with their numbers.
        let give = sqlx::query(
            "UPDATE customer
            SET user_id = (
                SELECT user_id
                FROM own
                WHERE place = CAST(substr(customer_id, 7) AS INTEGER) % (SELECT count(*) FROM own)
            )
            WHERE tenant_id = ?1
              AND segment = 'private'",
        );
        give.bind(tenant.to_string()).execute(&mut shell).await?;
        // As the service leaves it when it ends.
        sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&mut shell).await?;
        shell.close().await?;
        Ok(())
    }

    /// Counts what is stored.
    pub(crate) async fn stored(&self) -> anyhow::Result<Stored> {
        if let Some(database) = &self.database {
            return database.stored().await;
        }
        let mut shell = self.shell().await?;
        let count = sqlx::query_as("SELECT COUNT(*), COUNT(redeemed_at) FROM jump");
        let (jumps, redeemed) = count.fetch_one(&mut shell).await?;
        shell.close().await?;
        Ok(Stored { jumps, redeemed })
    }
}

/// Counts the customers of a tenant, over one connection.
pub(crate) struct Counter {
    shell: Shell,
    tenant: TenantId,
}

enum Shell {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

impl Counter {
    /// Counts them once.
    pub(crate) async fn count(&mut self) -> anyhow::Result<i64> {
        let tenant = self.tenant.to_string();
        Ok(match &mut self.shell {
            Shell::Sqlite(shell) => {
                let count = sqlx::query_scalar("SELECT count(*) FROM customer WHERE tenant_id = ?1");
                count.bind(tenant).fetch_one(shell).await?
            }
            Shell::Postgres(shell) => {
                let count = sqlx::query_scalar("SELECT count(*) FROM customer WHERE tenant_id = $1::TEXT::UUID");
                count.bind(tenant).fetch_one(shell).await?
            }
        })
    }
}

/// Mints the tokens of callers.
pub(crate) struct Issuer {
    tokens: CallerTokens,
    outside: Outside,
}

impl Issuer {
    /// The credential of us.
    pub(crate) fn operator(&self) -> anyhow::Result<AsciiMetadataValue> {
        self.credential(&grant(Role::Operator)?)
    }

    /// The credential of a firm's administrator.
    pub(crate) fn admin(&self, tenant: TenantId) -> anyhow::Result<AsciiMetadataValue> {
        self.credential(&CallerGrant { tenant: Some(tenant), ..grant(Role::Admin)? })
    }

    /// The credential of a firm's portal.
    pub(crate) fn portal(&self, tenant: TenantId) -> anyhow::Result<AsciiMetadataValue> {
        self.credential(&CallerGrant { tenant: Some(tenant), ..grant(Role::Portal)? })
    }

    /// The credential of a target.
    pub(crate) fn target(&self, target: &str) -> anyhow::Result<AsciiMetadataValue> {
        self.credential(&CallerGrant { target_audience: Some(TargetId::parse(target)?), ..grant(Role::Target)? })
    }

    fn credential(&self, grant: &CallerGrant) -> anyhow::Result<AsciiMetadataValue> {
        let token = self.tokens.mint(grant, self.outside.clock.now(), &SystemRandom)?;
        Ok(format!("Bearer {token}").parse()?)
    }
}

/// What a token in one role says, before it says where.
fn grant(role: Role) -> anyhow::Result<CallerGrant> {
    Ok(CallerGrant {
        subject: SubjectId::parse(role.as_str())?,
        roles: vec![role],
        tenant: None,
        broker_id: None,
        customer_id: None,
        target_audience: None,
        bound_to: None,
        life: CALLER_LIFE,
    })
}
