//! The database file beside the service: what stands in it, and what somebody at a SQL shell does to it.

use sqlx::sqlite::{SqliteConnectOptions, SqliteRow};
use sqlx::{Column as _, ConnectOptions as _, Row as _, SqliteConnection, TypeInfo as _, ValueRef as _};
use tonic::{Code, Response, Status};

use super::Service;
use super::status::{reason, status_of};

/// Every table of state. The audit log grows by refusals too, and with it the salts.
const TABLES: &[(&str, &str)] = &[
    ("service", "SELECT * FROM service"),
    ("signing_key", "SELECT * FROM signing_key ORDER BY kid"),
    ("tenant", "SELECT * FROM tenant ORDER BY tenant_id"),
    ("tenant_settings", "SELECT * FROM tenant_settings ORDER BY tenant_id"),
    ("request_log", "SELECT * FROM request_log ORDER BY tenant_id, caller, request_id"),
    ("product_provider", "SELECT * FROM product_provider ORDER BY provider_id"),
    ("target", "SELECT * FROM target ORDER BY target_id"),
    ("return_url", "SELECT * FROM return_url ORDER BY return_url_id"),
    ("concenter_user", "SELECT * FROM concenter_user ORDER BY tenant_id, user_id"),
    ("broker_activation", "SELECT * FROM broker_activation ORDER BY tenant_id, activation_id"),
    ("activation_broker", "SELECT * FROM activation_broker ORDER BY tenant_id, activation_id, broker_id"),
    ("customer_access", "SELECT * FROM customer_access ORDER BY tenant_id"),
    ("customer", "SELECT * FROM customer ORDER BY tenant_id, customer_id"),
    ("jump", "SELECT * FROM jump ORDER BY tenant_id, jump_id"),
];

/// A row of the audit log, without the people in it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct AuditRow {
    pub tenant: String,
    pub role: String,
    pub action: String,
    pub object: Option<String>,
    pub reason: Option<String>,
}

/// Reads one number.
pub async fn integer(connection: &mut SqliteConnection, sql: &'static str) -> i64 {
    sqlx::query_scalar(sql).fetch_one(connection).await.expect(sql)
}

impl Service {
    /// Somebody who only looks.
    pub async fn reader(&self) -> SqliteConnection {
        self.connect(SqliteConnectOptions::new().read_only(true)).await
    }

    /// Somebody at a SQL shell, with foreign keys on as in the service.
    pub async fn shell(&self) -> SqliteConnection {
        self.connect(SqliteConnectOptions::new().foreign_keys(true)).await
    }

    /// Somebody at a SQL shell who switched foreign keys and checks off.
    pub async fn lawless_shell(&self) -> SqliteConnection {
        let options = SqliteConnectOptions::new().foreign_keys(false).pragma("ignore_check_constraints", "ON");
        self.connect(options).await
    }

    async fn connect(&self, options: SqliteConnectOptions) -> SqliteConnection {
        options.filename(self.directory().join("concenter.db")).connect().await.expect("the database opens")
    }

    /// Everything that the database holds beside the audit log, as one line for each row.
    pub async fn state(&self) -> Vec<String> {
        let mut connection = self.reader().await;
        let mut lines = Vec::new();
        for (table, sql) in TABLES {
            let rows = sqlx::query(*sql).fetch_all(&mut connection).await.expect(sql);
            lines.extend(rows.iter().map(|row| format!("{table}: {}", cells(row))));
        }
        lines
    }

    /// The audit log, sorted.
    pub async fn audit(&self) -> Vec<AuditRow> {
        let sql = "SELECT tenant_id, role, action, object, reason FROM audit_entry ORDER BY 1, 2, 3, 4, 5";
        let rows = sqlx::query(sql).fetch_all(&mut self.reader().await).await.expect(sql);
        let row = |row: &SqliteRow| AuditRow {
            tenant: row.get(0),
            role: row.get(1),
            action: row.get(2),
            object: row.get(3),
            reason: row.get(4),
        };
        rows.iter().map(row).collect()
    }

    /// The rows that the audit log has beyond `before`.
    pub async fn audit_since(&self, before: &[AuditRow]) -> Vec<AuditRow> {
        let mut rows = self.audit().await;
        for old in before {
            let at = rows.iter().position(|row| row == old).expect("the audit log keeps its rows");
            rows.remove(at);
        }
        rows
    }

    /// Asserts what every refusal of a known caller has: its code and reason, nothing changed, and one audit row of
    /// `action` with the reason. Gives the status for more.
    pub async fn refuses<T>(
        &self,
        action: &str,
        expected: (Code, &str),
        call: impl Future<Output = Result<Response<T>, Status>>,
    ) -> Status {
        let (state, audit) = (self.state().await, self.audit().await);
        let status = status_of(call.await);
        assert_eq!(reason(&status), (expected.0, expected.1.to_owned()), "{status:?}");
        assert_eq!(self.state().await, state, "a refused call changed something");
        let rows = self.audit_since(&audit).await;
        let seen: Vec<_> = rows.iter().map(|row| (row.action.as_str(), row.reason.as_deref())).collect();
        assert_eq!(seen, [(action, Some(expected.1))], "the audit rows of the refusal");
        status
    }

    /// Asserts that a call is refused for its fields, all of which are named, and that nothing changed.
    pub async fn refuses_fields<T>(
        &self,
        expected: &[&str],
        call: impl Future<Output = Result<Response<T>, Status>>,
    ) -> Status {
        let state = self.state().await;
        let status = status_of(call.await);
        assert_eq!(reason(&status), (Code::InvalidArgument, "FIELD_INVALID".to_owned()), "{status:?}");
        assert_eq!(super::fields(&status), expected, "{status:?}");
        assert_eq!(self.state().await, state, "a refused call changed something");
        status
    }
}

fn cells(row: &SqliteRow) -> String {
    let mut cells = Vec::new();
    for column in row.columns() {
        let value = row.try_get_raw(column.ordinal()).expect("a cell");
        let text = match (value.is_null(), value.type_info().name()) {
            (true, _) => "NULL".to_owned(),
            (false, "INTEGER") => row.get::<i64, _>(column.ordinal()).to_string(),
            (false, "BLOB") => format!("{:02x?}", row.get::<Vec<u8>, _>(column.ordinal())),
            (false, _) => row.get::<String, _>(column.ordinal()),
        };
        cells.push(format!("{}={text}", column.name()));
    }
    cells.join(" ")
}
