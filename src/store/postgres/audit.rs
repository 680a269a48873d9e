//! The audit log and the salts that it forgets people by.

use std::collections::{HashMap, HashSet};

use async_trait::async_trait;
use sqlx::postgres::PgConnection;
use uuid::Uuid;

use super::PostgresStore;
use super::error::{Failure, Step};
use super::hot::{HOLD_TENANTS, NoteWork};
use super::row::{Cells, uuid};
use super::session::Rows;
use crate::domain::audit::{AuditEntry, AuditObject, AuditOutcome, AuditedKind, AuditedPerson, Salt};
use crate::domain::ids::{AuditId, TenantId};
use crate::domain::jump::SeenCustomer;
use crate::store::codes::{Code as _, outcome_codes};
use crate::store::{AuditStore, StoreError};

/// An audit row that waits for its outcome.
#[derive(Debug, Clone)]
pub(super) struct AuditRow {
    tenant: TenantId,
    entry: AuditEntry,
}

impl AuditRow {
    /// The row of `entry` in the log of `tenant`.
    pub(super) fn new(tenant: &TenantId, entry: &AuditEntry) -> Self {
        Self { tenant: *tenant, entry: entry.clone() }
    }

    /// In whose log it stands.
    pub(super) const fn tenant(&self) -> TenantId {
        self.tenant
    }

    /// Its id.
    pub(super) const fn audit_id(&self) -> AuditId {
        self.entry.audit_id
    }

    /// The row with its outcome.
    pub(super) const fn with(&self, outcome: AuditOutcome) -> FinishedRow<'_> {
        FinishedRow { row: self, outcome }
    }
}

/// An audit row with its outcome.
pub(super) struct FinishedRow<'r> {
    row: &'r AuditRow,
    outcome: AuditOutcome,
}

const APPEND: &str = "
INSERT INTO audit_entry (
    tenant_id, audit_id, at, role, caller, actor, person, action, object, request_id, outcome, reason
)
SELECT *
FROM unnest(
    $1::UUID[], $2::UUID[], $3::BIGINT[], $4::TEXT[], $5::BYTEA[], $6::BYTEA[], $7::BYTEA[], $8::TEXT[], $9::TEXT[],
    $10::UUID[], $11::TEXT[], $12::TEXT[]
)
";

/// The columns of several rows.
#[derive(Default)]
struct Columns<'r> {
    tenant_id: Vec<Uuid>,
    audit_id: Vec<Uuid>,
    at: Vec<i64>,
    role: Vec<&'static str>,
    caller: Vec<&'r [u8]>,
    actor: Vec<Option<&'r [u8]>>,
    person: Vec<Option<&'r [u8]>>,
    action: Vec<&'static str>,
    object: Vec<Option<&'r str>>,
    request_id: Vec<Option<Uuid>>,
    outcome: Vec<&'static str>,
    reason: Vec<Option<&'static str>>,
}

impl<'r> Columns<'r> {
    fn push(&mut self, finished: &FinishedRow<'r>) {
        let AuditRow { tenant, entry } = finished.row;
        let (outcome, reason) = outcome_codes(finished.outcome);
        self.tenant_id.push(uuid(tenant.as_bytes()));
        self.audit_id.push(uuid(entry.audit_id.as_bytes()));
        self.at.push(entry.at.unix_micros());
        self.role.push(entry.role.as_str());
        self.caller.push(&entry.caller.0);
        self.actor.push(entry.actor.as_ref().map(|actor| actor.0.as_slice()));
        self.person.push(entry.person.as_ref().map(|person| person.0.as_slice()));
        self.action.push(entry.action.as_str());
        self.object.push(entry.object.as_ref().map(AuditObject::as_str));
        self.request_id.push(entry.request_id.map(|id| uuid(id.as_bytes())));
        self.outcome.push(outcome);
        self.reason.push(reason);
    }
}

/// Appends rows, all by one statement.
pub(super) async fn append<'r>(connection: &mut PgConnection, rows: impl Iterator<Item = FinishedRow<'r>>) -> Step<()> {
    let mut columns = Columns::default();
    rows.for_each(|row| columns.push(&row));
    if columns.audit_id.is_empty() {
        return Ok(());
    }
    sqlx::query(APPEND)
        .bind(columns.tenant_id)
        .bind(columns.audit_id)
        .bind(columns.at)
        .bind(columns.role)
        .bind(columns.caller)
        .bind(columns.actor)
        .bind(columns.person)
        .bind(columns.action)
        .bind(columns.object)
        .bind(columns.request_id)
        .bind(columns.outcome)
        .bind(columns.reason)
        .execute(connection)
        .await
        .map_err(Failure::of_log)?;
    Ok(())
}

#[async_trait]
impl AuditStore for PostgresStore {
    async fn record_audit(
        &self,
        tenant: &TenantId,
        entry: &AuditEntry,
        outcome: AuditOutcome,
    ) -> Result<(), StoreError> {
        self.writer()?.note(NoteWork::new(tenant, entry, outcome)).await
    }

    async fn ensure_salts(&self, tenant: &TenantId, people: &[(AuditedPerson, Salt)]) -> Result<Vec<Salt>, StoreError> {
        let (tenant, people) = (*tenant, people.to_vec());
        let again = people.clone();
        self.write(
            Rows::of(&tenant),
            move |tx| Box::pin(async move { keep_salts(tx, &tenant, &people).await }),
            move |tx| Box::pin(async move { kept_salts(tx, &tenant, &again).await }),
        )
        .await
    }

    async fn ensure_salts_of_jump(
        &self,
        tenant: &TenantId,
        people: &[(AuditedPerson, Salt)],
        seen: &SeenCustomer,
    ) -> Result<Vec<Salt>, StoreError> {
        let (tenant, people, seen) = (*tenant, people.to_vec(), seen.clone());
        let again = people.clone();
        self.write(
            Rows::of(&tenant),
            move |tx| Box::pin(async move { keep_salts_of_jump(tx, &tenant, &people, &seen).await }),
            move |tx| Box::pin(async move { kept_salts(tx, &tenant, &again).await }),
        )
        .await
    }

    async fn known_salts(&self, tenant: &TenantId, people: &[AuditedPerson]) -> Result<Vec<Option<Salt>>, StoreError> {
        let (tenant, people) = (*tenant, people.to_vec());
        self.read(Rows::of(&tenant), move |tx| Box::pin(async move { read_salts(tx, &tenant, people.iter()).await }))
            .await
    }
}

/// Which of these rows are in their logs.
pub(super) async fn appended(
    tx: &mut PgConnection,
    rows: impl Iterator<Item = (TenantId, AuditId)> + Clone,
) -> Step<HashSet<AuditId>> {
    let found = sqlx::query(
        "
        SELECT e.audit_id
        FROM unnest($1::UUID[], $2::UUID[]) AS item (tenant_id, audit_id)
        JOIN audit_entry AS e
            ON e.tenant_id = item.tenant_id
            AND e.audit_id = item.audit_id
        ",
    )
    .bind(rows.clone().map(|(tenant, _)| uuid(tenant.as_bytes())).collect::<Vec<_>>())
    .bind(rows.map(|(_, row)| uuid(row.as_bytes())).collect::<Vec<_>>())
    .fetch_all(tx)
    .await?;
    found.iter().map(|row| Cells::of(row, "audit_entry").id("audit_id", AuditId::parse)).collect()
}

/// Gives whoever has no salt the one offered. It is kept where there is such a tenant: nothing would ever delete it with
/// one that is gone.
async fn keep_salts(tx: &mut PgConnection, tenant: &TenantId, people: &[(AuditedPerson, Salt)]) -> Step<Vec<Salt>> {
    sqlx::query(
        "
        INSERT INTO person_salt (tenant_id, kind, person_id, salt)
        SELECT $1, item.kind, item.person_id, item.salt
        FROM unnest($2::TEXT[], $3::TEXT[], $4::BYTEA[]) AS item (kind, person_id, salt)
        WHERE $1 = $5
           OR EXISTS (
               SELECT 1
               FROM tenant
               WHERE tenant_id = $1
           )
        -- In one order for everybody: two who offer salts for the same people do not wait for each other.
        ORDER BY item.kind, item.person_id
        ON CONFLICT DO NOTHING
        ",
    )
    .bind(uuid(tenant.as_bytes()))
    .bind(people.iter().map(|(person, _)| person.kind.code()).collect::<Vec<_>>())
    .bind(people.iter().map(|(person, _)| person.id.as_str()).collect::<Vec<_>>())
    .bind(people.iter().map(|(_, salt)| salt.0.as_slice()).collect::<Vec<_>>())
    .bind(uuid(TenantId::SYSTEM.as_bytes()))
    .execute(&mut *tx)
    .await?;
    let salts = read_salts(tx, tenant, people.iter().map(|(person, _)| person)).await?;
    Ok(salts.into_iter().zip(people).map(|(kept, (_, offered))| kept.unwrap_or(*offered)).collect())
}

/// Gives salts as [`keep_salts`] does, but to the customer only if his record is still as it was seen.
async fn keep_salts_of_jump(
    tx: &mut PgConnection,
    tenant: &TenantId,
    people: &[(AuditedPerson, Salt)],
    seen: &SeenCustomer,
) -> Step<Vec<Salt>> {
    // Whoever erases him is at the end before, or waits and finds his salt.
    sqlx::query(HOLD_TENANTS).bind(vec![uuid(tenant.as_bytes())]).execute(&mut *tx).await?;
    let record: Option<i64> = sqlx::query_scalar(
        "
        SELECT jump_version
        FROM customer
        WHERE tenant_id = $1
          AND customer_id = $2
        ",
    )
    .bind(uuid(tenant.as_bytes()))
    .bind(seen.customer_id.as_str())
    .fetch_optional(&mut *tx)
    .await?;
    if record == seen.jump_version {
        return keep_salts(tx, tenant, people).await;
    }
    let others: Vec<_> = people.iter().filter(|(person, _)| !seen.is(person)).cloned().collect();
    let mut kept = keep_salts(tx, tenant, &others).await?.into_iter();
    let salts = people.iter().map(|(person, offered)| if seen.is(person) { Some(*offered) } else { kept.next() });
    // There are as many as others.
    Ok(salts.flatten().collect())
}

/// The salts of people who all have one.
async fn kept_salts(
    tx: &mut PgConnection,
    tenant: &TenantId,
    people: &[(AuditedPerson, Salt)],
) -> Step<Option<Vec<Salt>>> {
    let salts = read_salts(tx, tenant, people.iter().map(|(person, _)| person)).await?;
    Ok(salts.into_iter().collect())
}

/// Reads salts in the order asked for.
pub(super) async fn read_salts<'p>(
    tx: &mut PgConnection,
    tenant: &TenantId,
    people: impl Iterator<Item = &'p AuditedPerson> + Clone,
) -> Step<Vec<Option<Salt>>> {
    let rows = sqlx::query(
        "
        SELECT p.kind, p.person_id, p.salt
        FROM unnest($2::TEXT[], $3::TEXT[]) AS item (kind, person_id)
        JOIN person_salt AS p
            ON p.tenant_id = $1
            AND p.kind = item.kind
            AND p.person_id = item.person_id
        ",
    )
    .bind(uuid(tenant.as_bytes()))
    .bind(people.clone().map(|person| person.kind.code()).collect::<Vec<_>>())
    .bind(people.clone().map(|person| person.id.as_str()).collect::<Vec<_>>())
    .fetch_all(tx)
    .await?;
    let mut salts: HashMap<(AuditedKind, &str), Salt> = HashMap::with_capacity(rows.len());
    for row in &rows {
        let cells = Cells::of(row, "person_salt");
        salts.insert((cells.code("kind")?, cells.plain("person_id")?), Salt(cells.bytes32("salt")?));
    }
    Ok(people.map(|person| salts.get(&(person.kind, person.id.as_str())).copied()).collect())
}
