//! The PostgreSQL engine under test: a fresh database for each case, and a look into its tables.

use std::sync::Arc;

use async_trait::async_trait;
use concenter_gateway::domain::ids::{JumpId, TenantId};
use concenter_gateway::domain::time::Timestamp;
use concenter_gateway::store::postgres::{PostgresStore, WriterHold};
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row as _};

use crate::fixture::{AuditRow, Harness, Hold, Inspect};
use crate::support::{self, TestDatabase};

/// Plays a case on a fresh store, where there is PostgreSQL.
pub(crate) async fn play(case: impl AsyncFnOnce(&Harness)) {
    let Some(database) = support::database().await else { return };
    case(&opened(Arc::new(database)).await.0).await;
}

/// Opens `database` as the service does, with the engine itself.
pub(crate) async fn opened(database: Arc<TestDatabase>) -> (Harness, PostgresStore) {
    let url = database.service_url().parse().expect("a URL of the service");
    let store = PostgresStore::open(&url).await.expect("a store");
    let tables = Tables { database, store: store.clone() };
    (Harness::new(Arc::new(store.clone()), Box::new(tables)), store)
}

struct Tables {
    database: Arc<TestDatabase>,
    store: PostgresStore,
}

impl Tables {
    /// As the owner, who sees all tenants.
    async fn shell(&self) -> PgConnection {
        self.database.owner().await
    }
}

#[async_trait]
impl Inspect for Tables {
    async fn audit_log(&self, tenant: &TenantId) -> Vec<AuditRow> {
        let query = sqlx::query(
            "SELECT
                 audit_id::TEXT AS audit_id, at, role, caller, actor, person, action, object, outcome, reason,
                 request_id::TEXT AS request_id
             FROM audit_entry
             WHERE tenant_id = $1::UUID
             ORDER BY audit_entry.audit_id",
        );
        let rows = query.bind(tenant.to_string()).fetch_all(&mut self.shell().await).await.expect("the log");
        rows.iter().map(audit_row).collect()
    }

    async fn count_jumps(&self, tenant: &TenantId) -> i64 {
        let query = sqlx::query_scalar("SELECT count(*) FROM jump WHERE tenant_id = $1::UUID");
        query.bind(tenant.to_string()).fetch_one(&mut self.shell().await).await.expect("a number")
    }

    async fn session_revoked_at(&self, tenant: &TenantId, jump: &JumpId) -> Option<Timestamp> {
        let query =
            sqlx::query_scalar("SELECT session_revoked_at FROM jump WHERE tenant_id = $1::UUID AND jump_id = $2::UUID");
        let query = query.bind(tenant.to_string()).bind(jump.to_string());
        let at: Option<i64> = query.fetch_one(&mut self.shell().await).await.expect("the jump");
        at.map(Timestamp::from_unix_micros)
    }

    async fn notices(&self, tenant: &TenantId) -> Vec<(String, String)> {
        let query = sqlx::query_as(
            "SELECT cause, user_id::TEXT FROM notice WHERE tenant_id = $1::UUID AND sent_at IS NULL
             ORDER BY notice.cause, notice.user_id",
        );
        query.bind(tenant.to_string()).fetch_all(&mut self.shell().await).await.expect("the notices")
    }

    async fn add_users(&self, tenant: &TenantId, count: u32) {
        let query = sqlx::query(
            "INSERT INTO concenter_user (
                 tenant_id, user_id, user_name, user_name_key, kind, state, secret_version, version, created_at,
                 updated_at
             )
             SELECT
                 $1::UUID, (lpad(to_hex(i), 8, '0') || '-0000-7000-8000-000000000000')::UUID, 'viele-' || i,
                 'viele-' || i, 'broker', 'active', 0, 1, 1, 1
             FROM generate_series(1, $2) AS n (i)",
        );
        let query = query.bind(tenant.to_string()).bind(i64::from(count));
        query.execute(&mut self.shell().await).await.expect("so many users");
    }

    async fn count_requests(&self) -> i64 {
        let query = sqlx::query_scalar("SELECT count(*) FROM request_log");
        query.fetch_one(&mut self.shell().await).await.expect("a number")
    }

    async fn tables_with(&self, text: &str) -> Vec<String> {
        let mut shell = self.shell().await;
        let searches = sqlx::query(
            "SELECT
                 table_name::TEXT AS table_name,
                 format(
                     'SELECT EXISTS (SELECT 1 FROM %I WHERE strpos(concat_ws(E''\\n'', %s), $1) > 0)', table_name,
                     string_agg(
                         format(CASE data_type WHEN 'bytea' THEN 'upper(encode(%I, ''hex''))' ELSE '%I' END, column_name),
                         ', '
                     )
                 ) AS search
             FROM information_schema.columns
             WHERE table_schema = 'public'
             GROUP BY table_name
             ORDER BY table_name",
        );
        let searches = searches.fetch_all(&mut shell).await.expect("the schema");
        let mut tables = Vec::new();
        for row in &searches {
            #[expect(clippy::disallowed_methods, reason = "names out of the schema itself, in a test")]
            let search = sqlx::AssertSqlSafe(row.get::<String, _>("search"));
            let found: bool = sqlx::query_scalar(search).bind(text).fetch_one(&mut shell).await.expect("an answer");
            if found {
                tables.push(row.get("table_name"));
            }
        }
        tables
    }

    async fn add_jumps(&self, tenant: &TenantId, like: &JumpId, count: u32) {
        let query = sqlx::query(
            "INSERT INTO jump (
                 tenant_id, jump_id, jti_hash, caller, request_id, content, person_kind, person_id, target_id, user_id,
                 way, segment, subject, issued_at, expires_at, epoch, config_version, customer_version, catalog_version
             )
             SELECT
                 tenant_id, ('7fffffff-ffff-7000-8000-' || lpad(to_hex(i), 12, '0'))::UUID,
                 sha256(uuid_send(gen_random_uuid())), sha256(uuid_send(gen_random_uuid())), request_id, content,
                 person_kind, person_id, target_id, user_id, way, segment, subject, issued_at, expires_at, epoch,
                 config_version, customer_version, catalog_version
             FROM jump, generate_series(1, $3) AS n (i)
             WHERE tenant_id = $1::UUID
               AND jump_id = $2::UUID",
        );
        let query = query.bind(tenant.to_string()).bind(like.to_string()).bind(i64::from(count));
        query.execute(&mut self.shell().await).await.expect("so many jumps");
    }

    async fn begin_next_epoch(&self) {
        let query = sqlx::query("UPDATE service SET epoch = epoch + 1");
        query.execute(&mut self.shell().await).await.expect("the next epoch");
    }

    async fn change_by_hand(&self, change: &'static str) -> u64 {
        // Foreign keys are triggers here, and only a superuser switches them off.
        let mut shell = self.database.admin().await;
        let off = sqlx::query("SET session_replication_role = replica");
        off.execute(&mut shell).await.expect("no foreign keys");
        sqlx::query(change).execute(&mut shell).await.expect(change).rows_affected()
    }

    async fn forge_log(&self, change: &'static str) -> u64 {
        // Who switches foreign keys off switches all triggers off.
        self.change_by_hand(change).await
    }

    async fn hold_writers(&self) -> Box<dyn Hold> {
        Box::new(self.store.hold_writer().await.expect("the writers stand still"))
    }
}

impl Hold for WriterHold {
    fn waiting(&self) -> usize {
        self.waiting()
    }
}

fn audit_row(row: &PgRow) -> AuditRow {
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
