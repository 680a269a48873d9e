//! The database beside the service: what stands in it, and who gets in at a SQL shell.

use tonic::{Code, Response, Status};

use super::Service;
use super::shell::{Row, Shell};
use super::status::{reason, status_of};

/// Every table of state. The audit log grows by refusals too, and with it the salts.
const TABLES: &[(&str, &str)] = &[
    ("service", "SELECT * FROM service"),
    ("signing_key", "SELECT * FROM signing_key ORDER BY kid"),
    ("kek", "SELECT * FROM kek ORDER BY kek_id"),
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

impl Service {
    /// Somebody who only looks.
    pub async fn reader(&self) -> Shell {
        self.place.reader().await
    }

    /// Somebody at a SQL shell, held by every rule of the database as the service is.
    pub async fn shell(&self) -> Shell {
        self.place.shell().await
    }

    /// Somebody at a SQL shell who switched the rules off: foreign keys and triggers, on SQLite checks too.
    pub async fn lawless_shell(&self) -> Shell {
        self.place.lawless_shell().await
    }

    /// Reads by the one connection that looks on and on: on PostgreSQL another one costs more than what it is for.
    async fn look(&self, sql: &'static str) -> Vec<Row> {
        let mut onlooker = self.onlooker.lock().await;
        let shell = match &mut *onlooker {
            Some(shell) => shell,
            none => none.insert(self.reader().await),
        };
        shell.rows(sql, &[]).await
    }

    /// Everything that the database holds beside the audit log, as one line for each row.
    pub async fn state(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for (table, sql) in TABLES {
            lines.extend(self.look(sql).await.iter().map(|row| format!("{table}: {row}")));
        }
        lines
    }

    /// The audit log, sorted.
    pub async fn audit(&self) -> Vec<AuditRow> {
        let rows = self.look("SELECT tenant_id, role, action, object, reason FROM audit_entry").await;
        let row = |row: &Row| AuditRow {
            tenant: row.text("tenant_id"),
            role: row.text("role"),
            action: row.text("action"),
            object: row.text_or_null("object"),
            reason: row.text_or_null("reason"),
        };
        let mut rows: Vec<_> = rows.iter().map(row).collect();
        rows.sort();
        rows
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
