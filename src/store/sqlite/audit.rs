//! The audit log and the salts that it forgets people by.

use std::collections::{HashMap, HashSet};

use async_trait::async_trait;
use serde::Serialize;
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;

use super::SqliteStore;
use super::error::{Failure, Step};
use super::hot::NoteWork;
use super::row::{Cells, hex, json_array};
use crate::domain::audit::{AuditEntry, AuditObject, AuditOutcome, AuditedPerson, Salt};
use crate::domain::ids::TenantId;
use crate::domain::jump::SeenCustomer;
use crate::store::codes::{Code as _, outcome_codes};
use crate::store::reader::PersonKey;
use crate::store::{AuditStore, StoreError};

/// An audit row that waits for its outcome, as JSON.
pub(super) struct AuditRow(String);

impl AuditRow {
    /// The row of `entry` in the log of `tenant`.
    pub(super) fn new(tenant: &TenantId, entry: &AuditEntry) -> Step<Self> {
        let columns = EntryColumns {
            tenant_id: tenant.to_string(),
            audit_id: entry.audit_id.to_string(),
            at: entry.at.unix_micros(),
            role: entry.role.as_str(),
            caller: hex(&entry.caller.0),
            actor: entry.actor.map(|actor| hex(&actor.0)),
            person: entry.person.map(|person| hex(&person.0)),
            action: entry.action.as_str(),
            object: entry.object.as_ref().map(AuditObject::as_str),
            request_id: entry.request_id.map(|id| id.to_string()),
        };
        Ok(Self(serde_json::to_string(&columns)?))
    }

    /// The row with its outcome.
    pub(super) fn with(&self, outcome: AuditOutcome) -> String {
        let (word, reason) = outcome_codes(outcome);
        // Both are words of ours, without a character that JSON would escape.
        let reason = reason.map_or_else(|| "null".to_owned(), |reason| format!("\"{reason}\""));
        format!(r#"{{"entry":{},"outcome":"{word}","reason":{reason}}}"#, self.0)
    }
}

#[derive(Serialize)]
struct EntryColumns<'a> {
    tenant_id: String,
    audit_id: String,
    at: i64,
    role: &'static str,
    caller: String,
    actor: Option<String>,
    person: Option<String>,
    action: &'static str,
    object: Option<&'a str>,
    request_id: Option<String>,
}

const APPEND: &str = "
WITH item AS MATERIALIZED (
    SELECT jsonb(value) AS row
    FROM json_each(?1)
)
INSERT INTO audit_entry (
    tenant_id, audit_id, at, role, caller, actor, person, action, object, request_id, outcome, reason
)
SELECT
    item.row ->> '$.entry.tenant_id',
    item.row ->> '$.entry.audit_id',
    item.row ->> '$.entry.at',
    item.row ->> '$.entry.role',
    unhex(item.row ->> '$.entry.caller'),
    unhex(item.row ->> '$.entry.actor'),
    unhex(item.row ->> '$.entry.person'),
    item.row ->> '$.entry.action',
    item.row ->> '$.entry.object',
    item.row ->> '$.entry.request_id',
    item.row ->> '$.outcome',
    item.row ->> '$.reason'
FROM item
";

/// Appends rows, all by one statement.
pub(super) async fn append(connection: &mut SqliteConnection, rows: impl Iterator<Item = String>) -> Step<()> {
    let rows: Vec<_> = rows.collect();
    if !rows.is_empty() {
        let rows = json_array(rows.iter().map(String::as_str));
        sqlx::query(APPEND).bind(rows).execute(connection).await.map_err(Failure::of_log)?;
    }
    Ok(())
}

#[async_trait]
impl AuditStore for SqliteStore {
    async fn record_audit(
        &self,
        tenant: &TenantId,
        entry: &AuditEntry,
        outcome: AuditOutcome,
    ) -> Result<(), StoreError> {
        self.writer()?.note(NoteWork::new(tenant, entry, outcome)?).await
    }

    async fn ensure_salts(&self, tenant: &TenantId, people: &[(AuditedPerson, Salt)]) -> Result<Vec<Salt>, StoreError> {
        let (tenant, people) = (*tenant, people.to_vec());
        self.writer()?.effect(move |tx| Box::pin(async move { keep_salts(tx, &tenant, &people).await })).await
    }

    async fn ensure_salts_of_jump(
        &self,
        tenant: &TenantId,
        people: &[(AuditedPerson, Salt)],
        seen: &SeenCustomer,
    ) -> Result<Vec<Salt>, StoreError> {
        let (tenant, people, seen) = (*tenant, people.to_vec(), seen.clone());
        self.writer()?
            .effect(move |tx| Box::pin(async move { keep_salts_of_jump(tx, &tenant, &people, &seen).await }))
            .await
    }

    async fn known_salts(&self, tenant: &TenantId, people: &[AuditedPerson]) -> Result<Vec<Option<Salt>>, StoreError> {
        let mut reader = self.readers().acquire().await.map_err(Failure::from)?;
        Ok(salts_of(&mut reader, tenant, people.iter()).await?)
    }
}

/// Gives whoever has no salt the one offered. It is kept where there is such a tenant: nothing would ever delete it with
/// one that is gone.
async fn keep_salts(tx: &mut SqliteConnection, tenant: &TenantId, people: &[(AuditedPerson, Salt)]) -> Step<Vec<Salt>> {
    sqlx::query(
        "
        INSERT INTO person_salt (tenant_id, kind, person_id, salt)
        SELECT ?1, item.value ->> 'kind', item.value ->> 'person_id', unhex(item.value ->> 'salt')
        FROM json_each(?2) AS item
        WHERE ?1 = ?3
           OR EXISTS (
               SELECT 1
               FROM tenant
               WHERE tenant_id = ?1
           )
        ON CONFLICT DO NOTHING
        ",
    )
    .bind(tenant.to_string())
    .bind(people_json(people)?)
    .bind(TenantId::SYSTEM.to_string())
    .execute(&mut *tx)
    .await?;
    let salts = salts_of(tx, tenant, people.iter().map(|(person, _)| person)).await?;
    Ok(salts.into_iter().zip(people).map(|(kept, (_, offered))| kept.unwrap_or(*offered)).collect())
}

/// Gives salts as [`keep_salts`] does, but to the customer only if his record is still as it was seen.
async fn keep_salts_of_jump(
    tx: &mut SqliteConnection,
    tenant: &TenantId,
    people: &[(AuditedPerson, Salt)],
    seen: &SeenCustomer,
) -> Step<Vec<Salt>> {
    let record: Option<i64> = sqlx::query_scalar(
        "
        SELECT jump_version
        FROM customer
        WHERE tenant_id = ?1
          AND customer_id = ?2
        ",
    )
    .bind(tenant.to_string())
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

/// Reads the salts of people of one tenant, in the order asked for.
async fn salts_of<'p>(
    connection: &mut SqliteConnection,
    tenant: &TenantId,
    people: impl Iterator<Item = &'p AuditedPerson> + Clone,
) -> Step<Vec<Option<Salt>>> {
    let key = |person: &AuditedPerson| (*tenant, person.clone());
    let salts = read_salts(connection, &people.clone().map(key).collect()).await?;
    Ok(people.map(|person| salts.get(&key(person)).copied()).collect())
}

pub(super) const SALTS: &str = "
WITH item AS MATERIALIZED (
    SELECT jsonb(value) AS asked
    FROM json_each(?1)
)
SELECT p.tenant_id, p.kind, p.person_id, p.salt
FROM item
CROSS JOIN person_salt AS p
    ON p.tenant_id = item.asked ->> 0
    AND p.kind = item.asked ->> 1
    AND p.person_id = item.asked ->> 2
";

/// Reads the salts of all of `people` who have one.
pub(super) async fn read_salts(
    connection: &mut SqliteConnection,
    people: &HashSet<PersonKey>,
) -> Step<HashMap<PersonKey, Salt>> {
    if people.is_empty() {
        return Ok(HashMap::new());
    }
    let keys = people.iter().map(|(tenant, person)| (tenant.to_string(), person.kind.code(), person.id.as_str()));
    let keys = serde_json::to_string(&keys.collect::<Vec<_>>())?;
    let salt = |row: &SqliteRow| {
        let cells = Cells::of(row, "person_salt");
        let person = AuditedPerson { kind: cells.code("kind")?, id: cells.plain("person_id")? };
        Ok(((cells.parsed("tenant_id", TenantId::parse)?, person), Salt(cells.bytes32("salt")?)))
    };
    sqlx::query(SALTS).bind(keys).fetch_all(connection).await?.iter().map(salt).collect()
}

#[derive(Serialize)]
struct PersonRow<'a> {
    kind: &'static str,
    person_id: &'a str,
    salt: String,
}

fn people_json(people: &[(AuditedPerson, Salt)]) -> Step<String> {
    let rows = people.iter().map(|(person, salt)| PersonRow {
        kind: person.kind.code(),
        person_id: &person.id,
        salt: hex(&salt.0),
    });
    Ok(serde_json::to_string(&rows.collect::<Vec<_>>())?)
}
