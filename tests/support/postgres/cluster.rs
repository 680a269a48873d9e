//! What the tests have on a server: an owner of databases, the service's roles, a template and its copies.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use concenter_gateway::store::postgres::{NewRole, PostgresStore, RoleName};
use sqlx::{Connection as _, PgConnection};
use url::Url;
use zeroize::Zeroizing;

use super::hex;

/// Roles and a template on one server, with names that nobody else has.
#[derive(Debug)]
pub struct Cluster {
    /// As a superuser.
    admin: Url,
    /// What all names begin with.
    prefix: String,
    password: String,
    made: AtomicU32,
    leftovers: Leftovers,
    /// What the server writes down, where it is ours.
    log: Option<PathBuf>,
}

/// What becomes of that which was made on the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Leftovers {
    /// It goes with the server.
    Kept,
    /// Databases go when their test has ended, behind its back; the rest with the server.
    DroppedLater,
    /// All of it has gone when the test has.
    Dropped,
}

/// A database of one test.
#[derive(Debug)]
pub struct TestDatabase {
    cluster: Arc<Cluster>,
    name: String,
}

impl Cluster {
    /// Makes roles and template.
    pub(super) async fn make(admin: Url, leftovers: Leftovers, log: Option<PathBuf>) -> Self {
        let prefix = format!("concenter_test_{}", hex::<6>());
        let cluster = Self { admin, prefix, password: hex::<16>(), made: AtomicU32::new(0), leftovers, log };
        let (owner, template) = (cluster.owner_role(), cluster.template());
        let mut admin = connect(&cluster.admin).await;
        // He makes the service's roles, and is no superuser: what he may do is what an owner of the service's may.
        let role = format!("CREATE ROLE {owner} LOGIN CREATEROLE PASSWORD '{}'", cluster.password);
        execute(&mut admin, role).await;
        cluster.make_template(&mut admin).await;
        cluster.migrate(&cluster.url_of(&owner, &template)).await;
        cluster
    }

    /// Makes the template, with the order of a language as that of its texts: what is not ordered by bytes in the SQL
    /// itself is then seen. A server that was built without ICU has its own order.
    async fn make_template(&self, admin: &mut PgConnection) {
        let (owner, template) = (self.owner_role(), self.template());
        let make = format!("CREATE DATABASE {template} OWNER {owner} TEMPLATE template0 ENCODING 'UTF8'");
        let german = format!("{make} LOCALE_PROVIDER icu ICU_LOCALE 'de-DE' LOCALE 'C'");
        if try_execute(admin, german).await.is_err() {
            execute(admin, make).await;
        }
    }

    /// Does what the operator of a service does: `concenter migrate --create-role`.
    async fn migrate(&self, owner: &Url) {
        let owner = owner.as_str().parse().expect("a URL of the owner");
        let name = RoleName::parse(&self.service_role()).expect("a name of a role");
        let role = NewRole { name, password: Some(Zeroizing::new(self.password.clone())) };
        PostgresStore::migrate(&owner, Some(&role)).await.expect("the schema");
    }

    /// Makes a copy of the template.
    pub(super) async fn database(cluster: &Arc<Self>) -> TestDatabase {
        let made = Self::copy(cluster, &cluster.template()).await;
        // Rights on the database itself are not copied along.
        let mut owner = made.owner().await;
        execute(&mut owner, format!("REVOKE TEMPORARY ON DATABASE {} FROM PUBLIC", made.name)).await;
        made
    }

    /// Makes a database without any table.
    pub(super) async fn empty_database(cluster: &Arc<Self>) -> TestDatabase {
        Self::copy(cluster, "template0").await
    }

    async fn copy(cluster: &Arc<Self>, template: &str) -> TestDatabase {
        let name = format!("{}_{}", cluster.prefix, cluster.made.fetch_add(1, Ordering::Relaxed));
        let owner = cluster.owner_role();
        let mut admin = connect(&cluster.admin).await;
        // Without fsync files are copied in a fifth of the time that it takes to log them.
        let strategy = if cluster.leftovers == Leftovers::Dropped { "WAL_LOG" } else { "FILE_COPY" };
        let make = format!("CREATE DATABASE {name} OWNER {owner} TEMPLATE {template} STRATEGY {strategy}");
        execute(&mut admin, make).await;
        TestDatabase { cluster: Arc::clone(cluster), name }
    }

    fn owner_role(&self) -> String {
        format!("{}_owner", self.prefix)
    }

    fn service_role(&self) -> String {
        format!("{}_service", self.prefix)
    }

    fn worker_role(&self) -> String {
        format!("{}_worker", self.service_role())
    }

    fn template(&self) -> String {
        format!("{}_template", self.prefix)
    }

    fn url_of(&self, role: &str, database: &str) -> Url {
        let mut url = self.admin.clone();
        url.set_username(role).expect("it takes a role");
        url.set_password(Some(&self.password)).expect("it takes a password");
        url.set_path(database);
        url
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if self.leftovers != Leftovers::Dropped {
            return;
        }
        let mut statements = vec![format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.template())];
        let roles = [self.worker_role(), self.service_role(), self.owner_role()];
        statements.extend(roles.iter().map(|role| format!("DROP ROLE IF EXISTS {role}")));
        aside(self.admin.clone(), statements, self.leftovers);
    }
}

impl TestDatabase {
    /// Names it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What its server has written down so far, of this database and of others; nothing where it is not ours to read.
    ///
    /// # Panics
    /// If it does not read.
    pub fn server_log(&self) -> Option<Vec<u8>> {
        self.cluster.log.as_ref().map(|log| std::fs::read(log).expect("the log of the server"))
    }

    /// How its owner gets in, who migrates it and is no superuser.
    pub fn owner_url(&self) -> String {
        self.url_of(&self.cluster.owner_role())
    }

    /// How the service gets in.
    pub fn service_url(&self) -> String {
        self.url_of(&self.cluster.service_role())
    }

    /// How a superuser gets in.
    pub fn admin_url(&self) -> String {
        let mut url = self.cluster.admin.clone();
        url.set_path(&self.name);
        url.into()
    }

    /// Names the role that owns it.
    pub fn owner_role(&self) -> String {
        self.cluster.owner_role()
    }

    /// Names the role that the service logs in as.
    pub fn service_role(&self) -> String {
        self.cluster.service_role()
    }

    /// Names the role in which the service crosses tenants.
    pub fn worker_role(&self) -> String {
        self.cluster.worker_role()
    }

    /// Opens a SQL shell as the owner.
    pub async fn owner(&self) -> PgConnection {
        shell(&self.owner_url()).await
    }

    /// Opens a SQL shell as the service.
    pub async fn service(&self) -> PgConnection {
        shell(&self.service_url()).await
    }

    /// Opens a SQL shell as a superuser.
    pub async fn admin(&self) -> PgConnection {
        shell(&self.admin_url()).await
    }

    fn url_of(&self, role: &str) -> String {
        self.cluster.url_of(role, &self.name).into()
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let leftovers = self.cluster.leftovers;
        if leftovers != Leftovers::Kept {
            let statement = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
            aside(self.cluster.admin.clone(), vec![statement], leftovers);
        }
    }
}

/// Executes `statements` on a thread and a runtime of their own: whoever drops something can wait for no future, and his
/// runtime may be ending.
fn aside(admin: Url, statements: Vec<String>, leftovers: Leftovers) {
    let work = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let mut admin = PgConnection::connect(admin.as_str()).await?;
            for statement in statements {
                try_execute(&mut admin, statement).await?;
            }
            Ok::<(), sqlx::Error>(())
        })
    });
    // On a server of our own nobody waits: it takes everything with it, and it may be gone already.
    if leftovers == Leftovers::Dropped {
        let done = work.join().expect("the thread ends");
        assert!(done.is_ok() || std::thread::panicking(), "what the test made is left on the server: {done:?}");
    }
}

async fn connect(url: &Url) -> PgConnection {
    shell(url.as_str()).await
}

async fn shell(url: &str) -> PgConnection {
    PgConnection::connect(url).await.expect("the server takes a connection")
}

async fn execute(connection: &mut PgConnection, statement: String) {
    try_execute(connection, statement).await.expect("the statement is taken");
}

async fn try_execute(connection: &mut PgConnection, statement: String) -> Result<(), sqlx::Error> {
    #[expect(clippy::disallowed_methods, reason = "names take no binds; these and the passwords were made up here")]
    let statement = sqlx::AssertSqlSafe(statement);
    sqlx::raw_sql(statement).execute(connection).await?;
    Ok(())
}
