//! The SQLite engine under test: a database in a directory of its own, and a look into its tables.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use concenter_gateway::domain::ids::{JumpId, TenantId};
use concenter_gateway::domain::time::Timestamp;
use concenter_gateway::store::ServiceStore as _;
use concenter_gateway::store::sqlite::{SqliteStore, WriterHold};
use sqlx::sqlite::{SqliteConnectOptions, SqliteRow};
use sqlx::{ConnectOptions as _, Row as _, SqliteConnection};
use tempfile::TempDir;

use crate::fixture::{AuditRow, Harness, Hold, Inspect};

/// The name of the database in its directory.
pub(crate) const DATABASE: &str = "concenter.db";

/// Plays a case on a fresh store.
pub(crate) async fn play(case: impl AsyncFnOnce(&Harness)) {
    case(&harness().await).await;
}

/// A fresh store for one case.
pub(crate) async fn harness() -> Harness {
    opened().await.0
}

/// The same, with the engine itself and the directory it is in.
pub(crate) async fn opened() -> (Harness, Arc<SqliteStore>, Arc<TempDir>) {
    let directory = Arc::new(tempfile::tempdir().expect("a directory"));
    let (harness, store) = reopened(&directory).await;
    (harness, store, directory)
}

/// Opens the database in `directory` again, or for the first time.
pub(crate) async fn reopened(directory: &Arc<TempDir>) -> (Harness, Arc<SqliteStore>) {
    let store = Arc::new(SqliteStore::open(directory.path()).await.expect("a store"));
    let tables = Tables { directory: Arc::clone(directory), store: Arc::clone(&store) };
    (Harness::new(store.clone(), Box::new(tables)), store)
}

/// The directory of a database that the service made and has closed.
pub(crate) async fn made_and_closed() -> TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    SqliteStore::open(directory.path()).await.expect("a store").close().await;
    directory
}

/// Connects to the database in `directory` as a SQL shell does.
pub(crate) async fn shell(directory: &Path, foreign_keys: bool) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(directory.join(DATABASE)).foreign_keys(foreign_keys);
    options.connect().await.expect("the database opens")
}

struct Tables {
    directory: Arc<TempDir>,
    store: Arc<SqliteStore>,
}

impl Tables {
    async fn shell(&self) -> SqliteConnection {
        shell(self.directory.path(), true).await
    }
}

#[async_trait]
impl Inspect for Tables {
    async fn audit_log(&self, tenant: &TenantId) -> Vec<AuditRow> {
        let query = sqlx::query(
            "SELECT audit_id, at, role, caller, actor, person, action, object, outcome, reason, request_id
             FROM audit_entry
             WHERE tenant_id = ?1
             ORDER BY audit_id",
        );
        let rows = query.bind(tenant.to_string()).fetch_all(&mut self.shell().await).await.expect("the log");
        rows.iter().map(audit_row).collect()
    }

    async fn count_jumps(&self, tenant: &TenantId) -> i64 {
        let query = sqlx::query_scalar("SELECT count(*) FROM jump WHERE tenant_id = ?1");
        query.bind(tenant.to_string()).fetch_one(&mut self.shell().await).await.expect("a number")
    }

    async fn session_revoked_at(&self, tenant: &TenantId, jump: &JumpId) -> Option<Timestamp> {
        let query = sqlx::query_scalar("SELECT session_revoked_at FROM jump WHERE tenant_id = ?1 AND jump_id = ?2");
        let query = query.bind(tenant.to_string()).bind(jump.to_string());
        let at: Option<i64> = query.fetch_one(&mut self.shell().await).await.expect("the jump");
        at.map(Timestamp::from_unix_micros)
    }

    async fn notices(&self, tenant: &TenantId) -> Vec<(String, String)> {
        let query = sqlx::query_as(
            "SELECT cause, user_id FROM notice WHERE tenant_id = ?1 AND sent_at IS NULL ORDER BY cause, user_id",
        );
        query.bind(tenant.to_string()).fetch_all(&mut self.shell().await).await.expect("the notices")
    }

    async fn add_users(&self, tenant: &TenantId, count: u32) {
        let query = sqlx::query(
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?2)
             INSERT INTO concenter_user (
                 tenant_id, user_id, user_name, user_name_key, kind, state, secret_version, version, created_at,
                 updated_at
             )
             SELECT
                 ?1, printf('%08x-0000-7000-8000-000000000000', i), 'viele-' || i, 'viele-' || i, 'broker', 'active',
                 0, 1, 1, 1
             FROM n",
        );
        let query = query.bind(tenant.to_string()).bind(count);
        query.execute(&mut self.shell().await).await.expect("so many users");
    }

    async fn count_requests(&self) -> i64 {
        let query = sqlx::query_scalar("SELECT count(*) FROM request_log");
        query.fetch_one(&mut self.shell().await).await.expect("a number")
    }

    async fn tables_with(&self, text: &str) -> Vec<String> {
        let mut shell = self.shell().await;
        let columns = sqlx::query(
            "SELECT t.name AS table_name, c.name AS column_name
             FROM sqlite_schema AS t, pragma_table_info(t.name) AS c
             WHERE t.type = 'table'
             ORDER BY t.name",
        );
        let columns = columns.fetch_all(&mut shell).await.expect("the schema");
        let mut tables = Vec::new();
        for row in &columns {
            let (table, column): (String, &str) = (row.get("table_name"), row.get("column_name"));
            #[expect(clippy::disallowed_methods, reason = "names out of the schema itself, in a test")]
            let search = sqlx::AssertSqlSafe(format!(
                r#"SELECT EXISTS (SELECT 1 FROM "{table}" WHERE instr(quote("{column}"), ?1) > 0)"#
            ));
            let found: bool = sqlx::query_scalar(search).bind(text).fetch_one(&mut shell).await.expect("an answer");
            if found && tables.last() != Some(&table) {
                tables.push(table);
            }
        }
        tables
    }

    async fn add_jumps(&self, tenant: &TenantId, like: &JumpId, count: u32) {
        let query = sqlx::query(
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?3)
             INSERT INTO jump (
                 tenant_id, jump_id, jti_hash, caller, request_id, content, person_kind, person_id, target_id, user_id,
                 way, segment, subject, issued_at, expires_at, epoch, config_version, customer_version, catalog_version
             )
             SELECT
                 tenant_id, printf('7fffffff-ffff-7000-8000-%012x', i), randomblob(32), randomblob(32), request_id,
                 content, person_kind, person_id, target_id, user_id, way, segment, subject, issued_at, expires_at,
                 epoch, config_version, customer_version, catalog_version
             FROM jump, n
             WHERE tenant_id = ?1
               AND jump_id = ?2",
        );
        let query = query.bind(tenant.to_string()).bind(like.to_string()).bind(count);
        query.execute(&mut self.shell().await).await.expect("so many jumps");
    }

    async fn begin_next_epoch(&self) {
        let query = sqlx::query("UPDATE service SET epoch = epoch + 1");
        query.execute(&mut self.shell().await).await.expect("the next epoch");
    }

    async fn change_by_hand(&self, change: &'static str) -> u64 {
        let mut shell = shell(self.directory.path(), false).await;
        sqlx::query(change).execute(&mut shell).await.expect(change).rows_affected()
    }

    async fn forge_log(&self, change: &'static str) -> u64 {
        let mut shell = self.shell().await;
        let guards = "SELECT name FROM sqlite_schema WHERE type = 'trigger' AND tbl_name LIKE 'audit_%'";
        let guards: Vec<String> = sqlx::query_scalar(guards).fetch_all(&mut shell).await.expect("the schema");
        for guard in guards {
            #[expect(clippy::disallowed_methods, reason = "names out of the schema itself, in a test")]
            let drop = sqlx::AssertSqlSafe(format!("DROP TRIGGER {guard}"));
            sqlx::query(drop).execute(&mut shell).await.expect("no trigger");
        }
        sqlx::query(change).execute(&mut shell).await.expect(change).rows_affected()
    }

    async fn hold_writers(&self) -> Box<dyn Hold> {
        Box::new(self.store.hold_writer().await.expect("the writer stands still"))
    }
}

impl Hold for WriterHold {
    fn waiting(&self) -> usize {
        self.waiting()
    }
}

fn audit_row(row: &SqliteRow) -> AuditRow {
    AuditRow {
        audit_id: row.get("audit_id"),
        at: row.get("at"),
        role: row.get("role"),
        caller: row.get("caller"),
        actor: row.get("actor"),
        person: row.get("person"),
        action: row.get("action"),
        object: row.get("object"),
        outcome: row.get("outcome"),
        reason: row.get("reason"),
        request_id: row.get("request_id"),
    }
}
