//! Opening the database: who connects, what he may, and the schema.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use sqlx::error::DatabaseError;
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPoolOptions};
use sqlx::{ConnectOptions as _, Connection as _, Executor as _, PgPool, Row as _};
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::error::Failure;
use super::pulse::{Pulse, PulseTask};
use super::timeline::Connector;
use crate::store::{Cause, DatabaseUrl, Migrated};

/// Connections for all but the writers of jumps and the pulse.
const CONNECTIONS: u32 = 16;
/// How long a call waits for a connection: less than the 3 s in which it is to hear that the database is gone.
const ACQUIRE_TIMEOUT: Duration = Duration::from_millis(2_500);
/// How long an attempt to connect may take at the start.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Statements that a connection keeps prepared; more than the engine has.
const STATEMENTS_KEPT: usize = 256;
/// What the server holds every transaction of ours to.
const SESSION: [(&str, &str); 9] = [
    ("statement_timeout", "8s"),
    ("lock_timeout", "3s"),
    ("idle_in_transaction_session_timeout", "15s"),
    // Nobody's own schema stands before the one of the service.
    ("search_path", "public"),
    // Every statement finds its rows by keys, at whatever size of the tables. A plan that was made while they were small and
    // that walks through them would be kept while they grow.
    ("enable_seqscan", "off"),
    ("enable_hashjoin", "off"),
    ("enable_mergejoin", "off"),
    // Hence a plan is made once, not for every batch again, and is never worth compiling.
    ("plan_cache_mode", "force_generic_plan"),
    ("jit", "off"),
];
/// The oldest server that the statements are written for.
const OLDEST_SERVER: i32 = 150_000;

static MIGRATIONS: Migrator = sqlx::migrate!("migrations/postgres");

/// Why a database was not opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The driver does not take the URL.
    #[error("--database-url: a parameter of it is not known or cannot be used")]
    Url(#[source] Cause),
    /// Nobody answers there, or not yet.
    #[error("{url} cannot be reached: does the server run, and is that its address (--database-url)?")]
    Unreachable {
        /// Server and database.
        url: DatabaseUrl,
        /// Why.
        #[source]
        source: Cause,
    },
    /// The server does not know the user, or takes another password.
    #[error(
        "{url} does not let the user of --database-url in: check its name, its password \
         (--database-password-file) and the server's pg_hba.conf"
    )]
    Credentials {
        /// Server and database.
        url: DatabaseUrl,
        /// Why.
        #[source]
        source: Cause,
    },
    /// The server has no such database.
    #[error("there is no database {url}: make it (createdb), then run `concenter migrate` as its owner")]
    NoDatabase {
        /// Server and database.
        url: DatabaseUrl,
    },
    /// The server is too old.
    #[error("{url} is older than PostgreSQL 15: use a newer server")]
    ServerTooOld {
        /// Server and database.
        url: DatabaseUrl,
    },
    /// The server takes no writes.
    #[error("{url} is a read-only replica, or its transactions are read-only: name the primary (--database-url)")]
    ReadOnly {
        /// Server and database.
        url: DatabaseUrl,
    },
    /// The user could switch the second lock off.
    #[error(
        "the user of --database-url {may}, so row level security would not hold it: connect as a user made by \
         `concenter migrate --create-role`"
    )]
    RoleTooMighty {
        /// What he is or may.
        may: &'static str,
    },
    /// The user lacks the rights that the service needs.
    #[error(
        "the user of --database-url has not the rights of the service here: run `concenter migrate --create-role` \
         with its name, as the owner of the database"
    )]
    RoleUnfit,
    /// The user may not make roles, or one of that name is something else.
    #[error("the role cannot be made: connect as a user with CREATEROLE who owns the database, or choose another name")]
    Role(#[source] Cause),
    /// The user does not own the tables, so that row level security would hide what he is to mark.
    #[error("the user of --database-url does not own the tables in {url}: connect as the owner of the database")]
    NotOwner {
        /// Server and database.
        url: DatabaseUrl,
    },
    /// The database has no tables of this program.
    #[error("there is nothing of this program in {url}: restore its backup into it first, by PostgreSQL's own tools")]
    NothingThere {
        /// Server and database.
        url: DatabaseUrl,
    },
    /// A newer program has changed the schema.
    #[error("the database {url} has schema {version}, which this program does not know: use the newer program")]
    SchemaNewer {
        /// Server and database.
        url: DatabaseUrl,
        /// The first migration that is not known.
        version: i64,
    },
    /// The schema lacks migrations of this program.
    #[error("the database {url} has an older schema than this program: run `concenter migrate` as its owner")]
    SchemaOlder {
        /// Server and database.
        url: DatabaseUrl,
    },
    /// A migration failed, or one that was applied is not the one that this program knows.
    #[error("cannot bring the schema of {url} up to date: does the user of --database-url own the database?")]
    Migration {
        /// Server and database.
        url: DatabaseUrl,
        /// Why.
        #[source]
        source: Cause,
    },
    /// The database cannot be opened.
    #[error("cannot open the database {url}")]
    Database {
        /// Server and database.
        url: DatabaseUrl,
        /// Why.
        #[source]
        source: Cause,
    },
}

/// A database that is open.
pub(super) struct Opened {
    /// How to connect once more.
    pub(super) connector: Connector,
    pub(super) pool: PgPool,
    pub(super) pulse: Pulse,
    pub(super) pulse_task: PulseTask,
    /// The quoted name of the role that crosses tenants.
    pub(super) worker_role: String,
}

/// Opens for a service; see [`super::PostgresStore::open`].
pub(super) async fn for_serving(url: &DatabaseUrl) -> Result<Opened, OpenError> {
    open(url, Connector { options: options_of(url)?, serves: true }).await
}

/// Opens beside services, or none; see [`super::PostgresStore::open_read_only`].
pub(super) async fn for_looking(url: &DatabaseUrl) -> Result<Opened, OpenError> {
    open(url, Connector { options: options_of(url)?, serves: false }).await
}

async fn open(url: &DatabaseUrl, connector: Connector) -> Result<Opened, OpenError> {
    let mut connection = connect(url, &connector.options).await?;
    check_server(&mut connection, url).await?;
    check_schema(&mut connection, url).await?;
    let worker_role = check_role(&mut connection, url).await?;
    connector.arrived(&mut connection).await.map_err(|error| why_no_answer(url, error))?;
    let begun = Pulse::start(connector.clone(), &mut connection).await;
    let (pulse, pulse_task) = begun.map_err(|Failure(error)| cannot_open(url, error))?;
    // It said all that was asked.
    let _ = connection.close().await;
    Ok(Opened { pool: pool(connector.clone()), connector, pulse, pulse_task, worker_role })
}

/// What every connection has.
pub(super) fn options_of(url: &DatabaseUrl) -> Result<PgConnectOptions, OpenError> {
    let options = PgConnectOptions::from_url(url.url()).map_err(|error| OpenError::Url(Arc::new(error)))?;
    Ok(options
        .application_name("concenter")
        .statement_cache_capacity(STATEMENTS_KEPT)
        .options(SESSION)
        .disable_statement_logging())
}

async fn connect(url: &DatabaseUrl, options: &PgConnectOptions) -> Result<PgConnection, OpenError> {
    match timeout(CONNECT_TIMEOUT, options.connect()).await {
        Ok(Ok(connection)) => Ok(connection),
        Ok(Err(error)) => Err(why_not_connected(url, error)),
        Err(silent) => Err(OpenError::Unreachable { url: url.clone(), source: Arc::new(silent) }),
    }
}

fn why_not_connected(url: &DatabaseUrl, error: sqlx::Error) -> OpenError {
    let url = url.clone();
    let code = error.as_database_error().and_then(DatabaseError::code).map(Cow::into_owned);
    let is_unreachable = matches!(error, sqlx::Error::Io(_));
    let source: Cause = Arc::new(error);
    match code.as_deref() {
        Some("28000" | "28P01") => OpenError::Credentials { url, source },
        Some("3D000") => OpenError::NoDatabase { url },
        // Starting up, shutting down, too many connections: it passes.
        Some("57P01" | "57P02" | "57P03" | "53300") => OpenError::Unreachable { url, source },
        None if is_unreachable => OpenError::Unreachable { url, source },
        Some(_) | None => OpenError::Database { url, source },
    }
}

fn cannot_open(url: &DatabaseUrl, error: impl std::error::Error + Send + Sync + 'static) -> OpenError {
    OpenError::Database { url: url.clone(), source: Arc::new(error) }
}

/// Connections for reads and for all changes but jumps. They come up as they are needed.
fn pool(connector: Connector) -> PgPool {
    let options = connector.options.clone();
    PgPoolOptions::new()
        .max_connections(CONNECTIONS)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        // The guard below is a question too.
        .test_before_acquire(false)
        .after_connect(move |connection, _| {
            let connector = connector.clone();
            Box::pin(async move { connector.arrived(connection).await })
        })
        .before_acquire(|connection, _| Box::pin(is_clean(connection)))
        .connect_lazy_with(options)
}

/// Tells whether a connection is outside of any transaction. In one that begun earlier `now()` stands still: it would
/// swallow what is written next. The pool throws such a connection away.
///
/// As text, in one message: a prepared statement is bound at one instant, at which its transaction begins, and executed at
/// the next.
async fn is_clean(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    sqlx::raw_sql("SELECT now() = statement_timestamp()").fetch_one(connection).await?.try_get(0)
}

async fn check_server(connection: &mut PgConnection, url: &DatabaseUrl) -> Result<(), OpenError> {
    let told = sqlx::query_as(
        "
        SELECT
            current_setting('server_version_num')::INTEGER,
            pg_is_in_recovery() OR current_setting('default_transaction_read_only')::BOOLEAN
        ",
    );
    let (version, read_only): (i32, bool) =
        told.fetch_one(connection).await.map_err(|error| why_not_connected(url, error))?;
    match (version < OLDEST_SERVER, read_only) {
        (true, _) => Err(OpenError::ServerTooOld { url: url.clone() }),
        (false, true) => Err(OpenError::ReadOnly { url: url.clone() }),
        (false, false) => Ok(()),
    }
}

async fn check_schema(connection: &mut PgConnection, url: &DatabaseUrl) -> Result<(), OpenError> {
    let older = || OpenError::SchemaOlder { url: url.clone() };
    let exists: bool = sqlx::query_scalar("SELECT to_regclass('_sqlx_migrations') IS NOT NULL")
        .fetch_one(&mut *connection)
        .await
        .map_err(|error| why_not_connected(url, error))?;
    if !exists {
        return Err(older());
    }
    let applied = sqlx::query_scalar("SELECT version FROM _sqlx_migrations WHERE success ORDER BY version");
    let applied: Vec<i64> = applied.fetch_all(connection).await.map_err(|error| why_no_answer(url, error))?;
    if let Some(version) = applied.iter().find(|version| !MIGRATIONS.version_exists(**version)) {
        return Err(OpenError::SchemaNewer { url: url.clone(), version: *version });
    }
    if MIGRATIONS.iter().all(|migration| applied.contains(&migration.version)) { Ok(()) } else { Err(older()) }
}

fn why_no_answer(url: &DatabaseUrl, error: sqlx::Error) -> OpenError {
    match error.as_database_error().and_then(DatabaseError::code).as_deref() {
        Some("42501") => OpenError::RoleUnfit,
        Some(_) | None => why_not_connected(url, error),
    }
}

/// Refuses a role that row level security does not hold, or that was not set up. Gives the quoted name of its workers' role.
async fn check_role(connection: &mut PgConnection, url: &DatabaseUrl) -> Result<String, OpenError> {
    let told = sqlx::query_as(
        "
        SELECT
            r.rolsuper,
            r.rolbypassrls,
            -- An owner, or somebody in his role, switches it off.
            EXISTS (
                SELECT 1
                FROM pg_class AS c
                WHERE c.relnamespace = 'public'::REGNAMESPACE
                  AND c.relkind IN ('r', 'p')
                  AND pg_has_role(r.oid, c.relowner, 'MEMBER')
            ) AS owns,
            EXISTS (
                SELECT 1
                FROM pg_class AS c
                JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attname = 'tenant_id'
                WHERE c.relnamespace = 'public'::REGNAMESPACE
                  AND c.relkind IN ('r', 'p')
                  AND NOT c.relrowsecurity
            ) AS switched_off,
            has_any_column_privilege(r.oid, 'service', 'UPDATE') AS has_rights,
            quote_ident(r.rolname || '_worker') AS worker,
            EXISTS (
                SELECT 1
                FROM pg_roles AS w
                WHERE w.rolname = r.rolname || '_worker'
                  AND pg_has_role(r.oid, w.oid, 'MEMBER')
            ) AS has_worker
        FROM pg_roles AS r
        WHERE r.rolname = current_user
        ",
    );
    let (is_super, bypasses, owns, switched_off, has_rights, worker, has_worker): (
        bool,
        bool,
        bool,
        bool,
        bool,
        String,
        bool,
    ) = told.fetch_one(connection).await.map_err(|error| why_no_answer(url, error))?;
    let mighty = [
        (is_super, "is a superuser"),
        (bypasses, "has BYPASSRLS"),
        (owns, "owns tables of the service"),
        (switched_off, "works on tables whose row level security was switched off"),
    ];
    if let Some((_, may)) = mighty.into_iter().find(|(is_so, _)| *is_so) {
        return Err(OpenError::RoleTooMighty { may });
    }
    if has_rights && has_worker { Ok(worker) } else { Err(OpenError::RoleUnfit) }
}

/// The name of a role of the database: 1 to 48 of `[a-z0-9_]`, the first a letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleName(String);

/// The text is no name of a role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to 48 lower-case letters, digits and underscores, the first a letter")]
pub struct InvalidRoleName;

impl RoleName {
    /// Most characters: the server takes 63 for a name, and others are made of this one.
    const MOST: usize = 48;

    /// Reads a name.
    ///
    /// # Errors
    /// [`InvalidRoleName`].
    pub fn parse(text: &str) -> Result<Self, InvalidRoleName> {
        let is_name = text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
        let begins = text.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase());
        if is_name && begins && text.len() <= Self::MOST { Ok(Self(text.to_owned())) } else { Err(InvalidRoleName) }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A role that services connect as.
#[derive(Clone)]
pub struct NewRole {
    /// Its name.
    pub name: RoleName,
    /// Its password; `None` leaves it as it is.
    pub password: Option<Zeroizing<String>>,
}

/// Brings the schema up to date; see [`super::PostgresStore::migrate`].
pub(super) async fn migrate(owner: &DatabaseUrl, role: Option<&NewRole>) -> Result<Migrated, OpenError> {
    let mut connection = connect_owner(owner).await?;
    let found = match check_schema(&mut connection, owner).await {
        Ok(()) => Migrated::WasUpToDate,
        Err(OpenError::SchemaOlder { .. }) if has_schema(&mut connection, owner).await? => Migrated::BroughtUpToDate,
        Err(OpenError::SchemaOlder { .. }) => Migrated::Made,
        Err(error) => return Err(error),
    };
    // One at a time: it takes a lock of the server's.
    MIGRATIONS.run_direct(None, &mut connection, false).await.map_err(|error| match error {
        MigrateError::VersionMissing(version) => OpenError::SchemaNewer { url: owner.clone(), version },
        other => OpenError::Migration { url: owner.clone(), source: Arc::new(other) },
    })?;
    if let Some(role) = role {
        make_role(&mut connection, role).await.map_err(|error| OpenError::Role(Arc::new(error)))?;
    }
    // Tables that came now are granted too.
    let granted = connection.execute("SELECT concenter_grant(role_name) FROM service_role").await;
    granted.map_err(|error| OpenError::Migration { url: owner.clone(), source: Arc::new(error) })?;
    let _ = connection.close().await;
    Ok(found)
}

/// Connects to a database that a service is moved to; see [`super::RelocationTarget::open`]. An earlier schema may be
/// that of a service, which nobody wants migrated: that is refused.
pub(super) async fn for_moving(owner: &DatabaseUrl) -> Result<PgConnection, OpenError> {
    let mut connection = connect_owner(owner).await?;
    match check_schema(&mut connection, owner).await {
        Ok(()) => Ok(connection),
        Err(OpenError::SchemaOlder { .. }) if !has_schema(&mut connection, owner).await? => {
            migrate(owner, None).await?;
            Ok(connection)
        }
        Err(error) => Err(error),
    }
}

/// Connects as the owner. Without the limits of a service: what he does may take long.
async fn connect_owner(owner: &DatabaseUrl) -> Result<PgConnection, OpenError> {
    let options = PgConnectOptions::from_url(owner.url()).map_err(|error| OpenError::Url(Arc::new(error)))?;
    // A notice that something is there already is not for whoever migrates.
    let options = options.application_name("concenter migrate").options([("client_min_messages", "warning")]);
    let options = options.disable_statement_logging();
    let mut connection = connect(owner, &options).await?;
    check_server(&mut connection, owner).await?;
    Ok(connection)
}

/// Connects as the owner to a database of this program, whose schema may be that of an earlier one.
pub(super) async fn for_owner(owner: &DatabaseUrl) -> Result<PgConnection, OpenError> {
    let mut connection = connect_owner(owner).await?;
    let owns = sqlx::query_scalar(
        "
        SELECT pg_has_role(current_user, relowner, 'MEMBER')
        FROM pg_class
        WHERE oid = to_regclass('tenant')
        ",
    );
    let owns: Option<bool> =
        owns.fetch_optional(&mut connection).await.map_err(|error| why_not_connected(owner, error))?;
    match owns {
        None => return Err(OpenError::NothingThere { url: owner.clone() }),
        Some(false) => return Err(OpenError::NotOwner { url: owner.clone() }),
        Some(true) => {}
    }
    match check_schema(&mut connection, owner).await {
        Ok(()) | Err(OpenError::SchemaOlder { .. }) => Ok(connection),
        Err(error) => Err(error),
    }
}

async fn has_schema(connection: &mut PgConnection, url: &DatabaseUrl) -> Result<bool, OpenError> {
    let exists = sqlx::query_scalar("SELECT to_regclass('service') IS NOT NULL").fetch_one(connection).await;
    exists.map_err(|error| why_not_connected(url, error))
}

/// Makes the two roles of a service, where they are missing, and takes from them what a role of the service must not have.
async fn make_role(connection: &mut PgConnection, role: &NewRole) -> Result<(), sqlx::Error> {
    let name = role.name.as_str();
    let worker = format!("{name}_worker");
    let mut tx = connection.begin().await?;
    for (name, rights) in [(name, "LOGIN NOINHERIT"), (&worker, "NOLOGIN NOINHERIT")] {
        let exists = sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = $1)");
        let verb = if exists.bind(name).fetch_one(&mut *tx).await? { "ALTER" } else { "CREATE" };
        run_as_text(&mut tx, format!("{verb} ROLE \"{name}\" {rights}")).await?;
    }
    run_as_text(&mut tx, format!("GRANT \"{worker}\" TO \"{name}\"")).await?;
    if let Some(password) = &role.password {
        // Behind everything that may be refused: the server writes refused statements into its log.
        let quoted = sqlx::query_scalar("SELECT format('ALTER ROLE %I PASSWORD %L', $1, $2)");
        let statement: String = quoted.bind(name).bind(password.as_str()).fetch_one(&mut *tx).await?;
        run_as_text(&mut tx, statement).await?;
    }
    sqlx::query("SELECT concenter_grant($1)").bind(name).execute(&mut *tx).await?;
    tx.commit().await
}

async fn run_as_text(connection: &mut PgConnection, statement: String) -> Result<(), sqlx::Error> {
    #[expect(
        clippy::disallowed_methods,
        reason = "roles are named by no bind; what is put in is a `RoleName`, or was quoted by the server"
    )]
    connection.execute(sqlx::AssertSqlSafe(statement)).await?;
    Ok(())
}
