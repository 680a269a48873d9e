//! The chain of seals over the audit log.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use async_trait::async_trait;
use serde::Serialize;
use sqlx::sqlite::SqliteRow;
use sqlx::{Connection as _, SqliteConnection};

use super::SqliteStore;
use super::error::{Failure, Step};
use super::row::{Cells, hex, page_of, rows_to_ask};
use crate::domain::audit_log::{
    AuditRecord, AuditSeal, ChainEnd, ChainHash, EntryFilter, EntryMark, LogSeals, SealedEntry, Unsealed, UnsealedQuery,
};
use crate::domain::ids::{AuditId, TenantId};
use crate::domain::page::{Page, PageRequest};
use crate::domain::time::Timestamp;
use crate::store::codes::outcome_word;
use crate::store::{ChainStore, MOST_ENTRIES_SCANNED, StoreError};

pub(super) const LIST: &str = "
SELECT e.audit_id, e.at, e.role, e.caller, e.actor, e.person, e.action, e.object, e.outcome, e.reason, e.request_id
FROM (
    -- LIMIT here bounds the work, whatever the filter lets through.
    SELECT *
    FROM audit_entry
    WHERE tenant_id = ?1
      AND audit_id < ?2
      AND audit_id >= ?3
    ORDER BY audit_id DESC
    LIMIT ?4
) AS e
WHERE (?5 IS NULL OR e.action = ?5)
  AND (?6 IS NULL OR e.outcome = ?6)
  AND (?7 IS NULL OR e.reason = ?7)
  AND (?8 IS NULL OR e.request_id = ?8)
  AND (?9 IS NULL OR e.object = ?9)
  AND (?10 IS NULL OR e.person = ?10)
  -- To the microsecond, which an id does not tell.
  AND (?11 IS NULL OR e.at >= ?11)
  AND (?12 IS NULL OR e.at < ?12)
ORDER BY e.audit_id DESC
LIMIT ?13
";

pub(super) const LAST_SCANNED: &str = "
SELECT audit_id
FROM audit_entry
WHERE tenant_id = ?1
  AND audit_id < ?2
  AND audit_id >= ?3
ORDER BY audit_id DESC
LIMIT 1
OFFSET ?4 - 1
";

/// An id tells no more of its instant.
const MILLISECOND: Duration = Duration::from_millis(1);
/// Sorts after every id: a page begins with the newest.
const AFTER_ALL: &str = "g";

/// Steps from tenant to tenant, and reads nothing in between. Binds: after, whether that one too, rows.
pub(super) const CHAINS: &str = "
WITH RECURSIVE known (id) AS (
    SELECT ?1
    UNION ALL
    -- The smaller one; the other one where there is but one.
    SELECT coalesce(
        min(
            (SELECT e.tenant_id FROM audit_entry AS e WHERE e.tenant_id > known.id ORDER BY e.tenant_id LIMIT 1),
            (SELECT s.tenant_id FROM audit_seal AS s WHERE s.tenant_id > known.id ORDER BY s.tenant_id LIMIT 1)
        ),
        (SELECT e.tenant_id FROM audit_entry AS e WHERE e.tenant_id > known.id ORDER BY e.tenant_id LIMIT 1),
        (SELECT s.tenant_id FROM audit_seal AS s WHERE s.tenant_id > known.id ORDER BY s.tenant_id LIMIT 1)
    )
    FROM known
    WHERE known.id IS NOT NULL
)
SELECT
    known.id AS tenant_id,
    (SELECT e.audit_id FROM audit_entry AS e WHERE e.tenant_id = known.id ORDER BY e.audit_id DESC LIMIT 1)
        AS newest_entry,
    (SELECT s.audit_id FROM audit_seal AS s WHERE s.tenant_id = known.id ORDER BY s.audit_id DESC LIMIT 1)
        AS newest_sealed
FROM known
WHERE known.id > ?1
   OR (known.id = ?1 AND ?2)
-- Found in their order: to sort them would be to find them all first.
LIMIT ?3
";

pub(super) const CHAIN_ENDS: &str = "
SELECT
    (SELECT e.audit_id FROM audit_entry AS e WHERE e.tenant_id = q.value ORDER BY e.audit_id DESC LIMIT 1)
        AS newest_entry,
    (SELECT s.audit_id FROM audit_seal AS s WHERE s.tenant_id = q.value ORDER BY s.audit_id DESC LIMIT 1)
        AS newest_sealed
FROM json_each(?1) AS q
ORDER BY q.key
";

pub(super) const UNSEALED: &str = "
WITH item AS MATERIALIZED (
    SELECT jsonb(value) AS log
    FROM json_each(?1)
)
SELECT
    e.tenant_id,
    e.audit_id,
    e.at,
    e.role,
    e.caller,
    e.actor,
    e.person,
    e.action,
    e.object,
    e.outcome,
    e.reason,
    e.request_id
FROM item
CROSS JOIN audit_entry AS e
    ON e.tenant_id = item.log ->> 'tenant_id'
    -- So many of each log.
    AND e.audit_id IN (
        SELECT u.audit_id
        FROM audit_entry AS u
        WHERE u.tenant_id = item.log ->> 'tenant_id'
          AND u.audit_id > item.log ->> 'after'
          AND NOT EXISTS (
              SELECT 1
              FROM audit_seal AS s
              WHERE s.tenant_id = u.tenant_id
                AND s.audit_id = u.audit_id
          )
        ORDER BY u.audit_id
        LIMIT ?2
    )
ORDER BY e.audit_id
";

pub(super) const LAST_SEALS: &str = "
SELECT s.tenant_id, s.seq, s.audit_id, s.prev, s.hash
FROM json_each(?1) AS q
CROSS JOIN audit_seal AS s
    ON s.tenant_id = q.value ->> 'tenant_id'
    AND s.seq = (
        SELECT max(l.seq)
        FROM audit_seal AS l
        WHERE l.tenant_id = q.value ->> 'tenant_id'
    )
";

/// All or none of a log: where another one sealed meanwhile the first place is taken.
const APPEND: &str = "
WITH item AS MATERIALIZED (
    SELECT key, jsonb(value) AS seal
    FROM json_each(?1)
)
INSERT INTO audit_seal (tenant_id, seq, audit_id, prev, hash)
SELECT
    item.seal ->> 'tenant_id',
    item.seal ->> 'seq',
    item.seal ->> 'audit_id',
    unhex(item.seal ->> 'prev'),
    unhex(item.seal ->> 'hash')
FROM item
WHERE item.seal ->> 'first' = (
    SELECT coalesce(max(s.seq), 0) + 1
    FROM audit_seal AS s
    WHERE s.tenant_id = item.seal ->> 'tenant_id'
)
-- Each follows the one before.
ORDER BY item.key
RETURNING tenant_id
";

pub(super) const SEALED: &str = "
SELECT
    s.seq,
    s.audit_id AS sealed_id,
    s.prev,
    s.hash,
    e.audit_id,
    e.at,
    e.role,
    e.caller,
    e.actor,
    e.person,
    e.action,
    e.object,
    e.outcome,
    e.reason,
    e.request_id
FROM audit_seal AS s
LEFT JOIN audit_entry AS e
    ON e.tenant_id = s.tenant_id
    AND e.audit_id = s.audit_id
WHERE s.tenant_id = ?1
  AND s.seq > ?2
ORDER BY s.seq
LIMIT ?3
";

pub(super) const MARKS: &str = "
SELECT
    e.audit_id,
    EXISTS (
        SELECT 1
        FROM audit_seal AS s
        WHERE s.tenant_id = e.tenant_id
          AND s.audit_id = e.audit_id
    ) AS is_sealed
FROM audit_entry AS e
WHERE e.tenant_id = ?1
  AND e.audit_id > ?2
ORDER BY e.audit_id
LIMIT ?3
";

#[async_trait]
impl ChainStore for SqliteStore {
    async fn list_audit_entries(
        &self,
        tenant: &TenantId,
        filter: &EntryFilter,
        page: &PageRequest,
    ) -> Result<Page<AuditRecord>, StoreError> {
        let mut reader = self.readers().acquire().await.map_err(Failure::from)?;
        Ok(list_entries(&mut reader, tenant, filter, page).await?)
    }

    async fn list_chains_all_tenants(&self, page: &PageRequest) -> Result<Page<ChainEnd>, StoreError> {
        let first = TenantId::SYSTEM.to_string();
        let rows = sqlx::query(CHAINS)
            .bind(page.after.as_ref().unwrap_or(&first))
            .bind(page.after.is_none())
            .bind(rows_to_ask(page))
            .fetch_all(self.readers())
            .await
            .map_err(Failure::from)?;
        let chains = rows.iter().map(|row| {
            let cells = Cells::of(row, "audit_entry");
            chain_end(cells.parsed("tenant_id", TenantId::parse)?, cells)
        });
        Ok(page_of(chains.collect::<Step<_>>()?, page, |chain| chain.tenant.to_string()))
    }

    async fn chain_ends(&self, tenants: &[TenantId]) -> Result<Vec<ChainEnd>, StoreError> {
        let ids = serde_json::to_string(&tenants.iter().map(TenantId::to_string).collect::<Vec<_>>());
        let ids = ids.map_err(Failure::from)?;
        let rows = sqlx::query(CHAIN_ENDS).bind(ids).fetch_all(self.readers()).await.map_err(Failure::from)?;
        let chains = tenants.iter().zip(&rows).map(|(tenant, row)| chain_end(*tenant, Cells::of(row, "audit_entry")));
        Ok(chains.collect::<Step<_>>()?)
    }

    async fn unsealed_entries(&self, logs: &[UnsealedQuery], most: u32) -> Result<Vec<Unsealed>, StoreError> {
        let mut reader = self.readers().acquire().await.map_err(Failure::from)?;
        Ok(read_unsealed(&mut reader, logs, most).await?)
    }

    async fn append_seals(&self, logs: &[LogSeals]) -> Result<Vec<bool>, StoreError> {
        let rows = seals_json(logs)?;
        let appended: HashSet<TenantId> = self
            .writer()?
            .effect(move |tx| {
                Box::pin(async move {
                    let rows = sqlx::query(APPEND).bind(rows).fetch_all(tx).await?;
                    let tenant = |row| Cells::of(row, "audit_seal").parsed("tenant_id", TenantId::parse);
                    rows.iter().map(tenant).collect()
                })
            })
            .await?;
        // Nothing always follows.
        Ok(logs.iter().map(|log| log.seals.is_empty() || appended.contains(&log.tenant)).collect())
    }

    async fn sealed_entries(&self, tenant: &TenantId, after: i64, most: u32) -> Result<Vec<SealedEntry>, StoreError> {
        let rows = sqlx::query(SEALED)
            .bind(tenant.to_string())
            .bind(after)
            .bind(most)
            .fetch_all(self.readers())
            .await
            .map_err(Failure::from)?;
        Ok(rows.iter().map(sealed_entry).collect::<Step<_>>()?)
    }

    async fn entry_marks(
        &self,
        tenant: &TenantId,
        after: Option<&str>,
        most: u32,
    ) -> Result<Vec<EntryMark>, StoreError> {
        let rows = sqlx::query(MARKS)
            .bind(tenant.to_string())
            .bind(after.unwrap_or_default())
            .bind(most)
            .fetch_all(self.readers())
            .await
            .map_err(Failure::from)?;
        let mark = |row: &SqliteRow| {
            let cells = Cells::of(row, "audit_entry");
            Ok(EntryMark { audit_id: cells.plain("audit_id")?, is_sealed: cells.plain("is_sealed")? })
        };
        Ok(rows.iter().map(mark).collect::<Step<_>>()?)
    }
}

async fn list_entries(
    reader: &mut SqliteConnection,
    tenant: &TenantId,
    filter: &EntryFilter,
    page: &PageRequest,
) -> Step<Page<AuditRecord>> {
    let tenant = tenant.to_string();
    let (first, end) = ids_of(filter);
    let end = end.as_deref().into_iter().chain(page.after.as_deref()).min().unwrap_or(AFTER_ALL);
    // Both reads see the same window.
    let mut snapshot = reader.begin().await?;
    let rows = sqlx::query(LIST)
        .bind(&tenant)
        .bind(end)
        .bind(&first)
        .bind(MOST_ENTRIES_SCANNED)
        .bind(filter.action.as_deref())
        .bind(filter.accepted.map(outcome_word))
        .bind(filter.reason.as_deref())
        .bind(filter.request_id.map(|id| id.to_string()))
        .bind(filter.object.as_deref())
        .bind(filter.person.as_ref().map(|person| person.0.as_slice()))
        .bind(filter.not_before.map(Timestamp::unix_micros))
        .bind(filter.before.map(Timestamp::unix_micros))
        .bind(rows_to_ask(page))
        .fetch_all(&mut *snapshot)
        .await?;
    let mut rows: Vec<_> = rows.iter().map(record_of).collect::<Step<_>>()?;
    let size = usize::from(page.size.rows());
    let next = if rows.len() > size {
        rows.truncate(size);
        rows.last().map(|row| row.audit_id.clone())
    } else {
        // The last of those that were looked at, if they were as many as that: there may be more behind it.
        let last = sqlx::query_scalar(LAST_SCANNED).bind(&tenant).bind(end).bind(&first).bind(MOST_ENTRIES_SCANNED);
        last.fetch_optional(&mut *snapshot).await?
    };
    snapshot.rollback().await?;
    Ok(Page { rows, next })
}

/// The first id of those within the time of a filter, and the first one behind them.
fn ids_of(filter: &EntryFilter) -> (String, Option<String>) {
    let first = AuditId::floor(filter.not_before.unwrap_or(Timestamp::from_unix_micros(0)));
    let end = filter.before.map(|before| AuditId::floor(before.plus(MILLISECOND)).to_string());
    (first.to_string(), end)
}

fn chain_end(tenant: TenantId, cells: Cells<'_>) -> Step<ChainEnd> {
    Ok(ChainEnd { tenant, newest_entry: cells.plain("newest_entry")?, newest_sealed: cells.plain("newest_sealed")? })
}

async fn read_unsealed(reader: &mut SqliteConnection, logs: &[UnsealedQuery], most: u32) -> Step<Vec<Unsealed>> {
    let asked = logs.iter().map(|log| LogRow { tenant_id: log.tenant.to_string(), after: log.after.to_string() });
    let asked = serde_json::to_string(&asked.collect::<Vec<_>>())?;
    let mut snapshot = reader.begin().await?;
    let seals = sqlx::query(LAST_SEALS).bind(&asked).fetch_all(&mut *snapshot).await?;
    let entries = sqlx::query(UNSEALED).bind(&asked).bind(most).fetch_all(&mut *snapshot).await?;
    snapshot.rollback().await?;
    let mut last = HashMap::with_capacity(logs.len());
    for row in &seals {
        let tenant = Cells::of(row, "audit_seal").parsed("tenant_id", TenantId::parse)?;
        last.insert(tenant, seal_of(row, "audit_id")?);
    }
    let mut found: HashMap<_, Vec<_>> = HashMap::with_capacity(logs.len());
    for row in &entries {
        let tenant = Cells::of(row, "audit_entry").parsed("tenant_id", TenantId::parse)?;
        found.entry(tenant).or_default().push(record_of(row)?);
    }
    let unsealed = |UnsealedQuery { tenant, .. }: &UnsealedQuery| Unsealed {
        tenant: *tenant,
        last: last.remove(tenant),
        entries: found.remove(tenant).unwrap_or_default(),
    };
    Ok(logs.iter().map(unsealed).collect())
}

fn sealed_entry(row: &SqliteRow) -> Step<SealedEntry> {
    let is_there = Cells::of(row, "audit_entry").plain::<Option<&str>>("audit_id")?.is_some();
    Ok(SealedEntry { seal: seal_of(row, "sealed_id")?, entry: if is_there { Some(record_of(row)?) } else { None } })
}

fn seal_of(row: &SqliteRow, audit_id: &'static str) -> Step<AuditSeal> {
    let cells = Cells::of(row, "audit_seal");
    Ok(AuditSeal {
        seq: cells.plain("seq")?,
        audit_id: cells.plain(audit_id)?,
        prev: ChainHash(cells.bytes32("prev")?),
        hash: ChainHash(cells.bytes32("hash")?),
    })
}

/// Reads a row of the log as it stands there.
pub(super) fn record_of(row: &SqliteRow) -> Step<AuditRecord> {
    let cells = Cells::of(row, "audit_entry");
    Ok(AuditRecord {
        audit_id: cells.plain("audit_id")?,
        at: cells.instant("at")?,
        role: cells.plain("role")?,
        caller: cells.plain("caller")?,
        actor: cells.plain("actor")?,
        person: cells.plain("person")?,
        action: cells.plain("action")?,
        object: cells.plain("object")?,
        outcome: cells.plain("outcome")?,
        reason: cells.plain("reason")?,
        request_id: cells.plain("request_id")?,
    })
}

/// A log as `UNSEALED` and `LAST_SEALS` read it.
#[derive(Serialize)]
struct LogRow {
    tenant_id: String,
    after: String,
}

/// A seal as `APPEND` reads it; members are named after the columns, but for the last one.
#[derive(Serialize)]
struct SealRow<'a> {
    tenant_id: String,
    seq: i64,
    audit_id: &'a str,
    prev: String,
    hash: String,
    /// The place of the first of them in this log.
    first: i64,
}

fn seals_json(logs: &[LogSeals]) -> Step<String> {
    let rows = logs.iter().filter_map(|log| Some((log, log.seals.first()?.seq))).flat_map(|(log, first)| {
        log.seals.iter().map(move |seal| SealRow {
            tenant_id: log.tenant.to_string(),
            seq: seal.seq,
            audit_id: &seal.audit_id,
            prev: hex(&seal.prev.0),
            hash: hex(&seal.hash.0),
            first,
        })
    });
    Ok(serde_json::to_string(&rows.collect::<Vec<_>>())?)
}
