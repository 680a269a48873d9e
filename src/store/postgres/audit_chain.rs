//! The chain of seals over the audit log.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use async_trait::async_trait;
use sqlx::postgres::{PgConnection, PgRow};
use uuid::Uuid;

use super::PostgresStore;
use super::error::Step;
use super::row::{Cells, after_id, page_of, rows_to_ask, uuid};
use super::session::Rows;
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
    WHERE tenant_id = $1
      AND audit_id < $2
      AND audit_id >= $3
    ORDER BY audit_id DESC
    LIMIT $4
) AS e
WHERE ($5::TEXT IS NULL OR e.action = $5)
  AND ($6::TEXT IS NULL OR e.outcome = $6)
  AND ($7::TEXT IS NULL OR e.reason = $7)
  AND ($8::UUID IS NULL OR e.request_id = $8)
  AND ($9::TEXT IS NULL OR e.object = $9)
  AND ($10::BYTEA IS NULL OR e.person = $10)
  -- To the microsecond, which an id does not tell.
  AND ($11::BIGINT IS NULL OR e.at >= $11)
  AND ($12::BIGINT IS NULL OR e.at < $12)
ORDER BY e.audit_id DESC
LIMIT $13
";

pub(super) const LAST_SCANNED: &str = "
SELECT audit_id
FROM audit_entry
WHERE tenant_id = $1
  AND audit_id < $2
  AND audit_id >= $3
ORDER BY audit_id DESC
LIMIT 1
OFFSET $4::BIGINT - 1
";

/// An id tells no more of its instant.
const MILLISECOND: Duration = Duration::from_millis(1);

/// A function of the schema: nobody who serves may read the logs of all tenants. Binds: after, whether that one too, rows.
const CHAINS: &str = "
SELECT tenant_id, newest_entry, newest_sealed
FROM concenter_audit_chains($1, $2, $3)
";

pub(super) const CHAIN_ENDS: &str = "
SELECT
    (SELECT e.audit_id FROM audit_entry AS e WHERE e.tenant_id = q.tenant_id ORDER BY e.audit_id DESC LIMIT 1)
        AS newest_entry,
    (SELECT s.audit_id FROM audit_seal AS s WHERE s.tenant_id = q.tenant_id ORDER BY s.audit_id DESC LIMIT 1)
        AS newest_sealed
FROM unnest($1::UUID[]) WITH ORDINALITY AS q (tenant_id, place)
ORDER BY q.place
";

pub(super) const UNSEALED: &str = "
SELECT
    q.tenant_id,
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
FROM unnest($1::UUID[], $2::UUID[]) AS q (tenant_id, after)
-- So many of each log.
CROSS JOIN LATERAL (
    SELECT u.*
    FROM audit_entry AS u
    -- LIMIT has each row looked up by its key, whatever the planner thinks of the tables' sizes.
    LEFT JOIN LATERAL (
        SELECT s.seq
        FROM audit_seal AS s
        WHERE s.tenant_id = u.tenant_id
          AND s.audit_id = u.audit_id
        LIMIT 1
    ) AS s ON TRUE
    WHERE u.tenant_id = q.tenant_id
      AND u.audit_id > q.after
      AND s.seq IS NULL
    ORDER BY u.audit_id
    LIMIT $3
) AS e
ORDER BY e.audit_id
";

pub(super) const LAST_SEALS: &str = "
SELECT q.tenant_id, s.seq, s.audit_id, s.prev, s.hash
FROM unnest($1::UUID[]) AS q (tenant_id)
CROSS JOIN LATERAL (
    SELECT *
    FROM audit_seal
    WHERE tenant_id = q.tenant_id
    ORDER BY seq DESC
    LIMIT 1
) AS s
";

/// Names the turns of those who seal, one for each tenant, in this engine: there is no row of a tenant that is gone to take.
const SEALS_TURN: i64 = 0x7365_616c_7365_616c;

/// In one order, so that no two wait for each other.
const TAKE_TURNS: &str = "
SELECT pg_advisory_xact_lock(turns.turn)
FROM (
    SELECT DISTINCT hashtextextended(q.tenant_id::TEXT, $2) AS turn
    FROM unnest($1::UUID[]) AS q (tenant_id)
    ORDER BY turn
) AS turns
";

/// All or none of a log: where another one sealed meanwhile the first place is taken.
const APPEND: &str = "
WITH log AS MATERIALIZED (
    SELECT l.tenant_id
    FROM unnest($1::UUID[], $2::BIGINT[]) AS l (tenant_id, first)
    WHERE l.first = (
        SELECT coalesce(max(s.seq), 0) + 1
        FROM audit_seal AS s
        WHERE s.tenant_id = l.tenant_id
    )
)
INSERT INTO audit_seal (tenant_id, seq, audit_id, prev, hash)
SELECT item.tenant_id, item.seq, item.audit_id, item.prev, item.hash
FROM unnest($3::UUID[], $4::BIGINT[], $5::UUID[], $6::BYTEA[], $7::BYTEA[]) AS item (tenant_id, seq, audit_id, prev, hash)
JOIN log ON log.tenant_id = item.tenant_id
-- Each follows the one before.
ORDER BY item.tenant_id, item.seq
RETURNING tenant_id
";

/// Those of the logs whose last seal is there.
const ARE_APPENDED: &str = "
SELECT q.tenant_id
FROM unnest($1::UUID[], $2::BIGINT[], $3::BYTEA[]) AS q (tenant_id, seq, hash)
JOIN audit_seal AS s
    ON s.tenant_id = q.tenant_id
    AND s.seq = q.seq
    AND s.hash = q.hash
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
LEFT JOIN LATERAL (
    SELECT *
    FROM audit_entry
    WHERE tenant_id = $1
      AND audit_id = s.audit_id
    LIMIT 1
) AS e ON TRUE
WHERE s.tenant_id = $1
  AND s.seq > $2
ORDER BY s.seq
LIMIT $3
";

pub(super) const MARKS: &str = "
SELECT
    e.audit_id,
    s.seq IS NOT NULL AS is_sealed
FROM audit_entry AS e
LEFT JOIN LATERAL (
    SELECT s.seq
    FROM audit_seal AS s
    WHERE s.tenant_id = $1
      AND s.audit_id = e.audit_id
    LIMIT 1
) AS s ON TRUE
WHERE e.tenant_id = $1
  AND e.audit_id > $2
ORDER BY e.audit_id
LIMIT $3
";

#[async_trait]
impl ChainStore for PostgresStore {
    async fn list_audit_entries(
        &self,
        tenant: &TenantId,
        filter: &EntryFilter,
        page: &PageRequest,
    ) -> Result<Page<AuditRecord>, StoreError> {
        let (tenant, filter, page) = (*tenant, filter.clone(), page.clone());
        self.read(Rows::of(&tenant), move |tx| Box::pin(async move { list_entries(tx, &tenant, &filter, &page).await }))
            .await
    }

    async fn list_chains_all_tenants(&self, page: &PageRequest) -> Result<Page<ChainEnd>, StoreError> {
        let page = page.clone();
        self.read(Rows::AllTenants, move |tx| Box::pin(async move { list_chains(tx, &page).await })).await
    }

    async fn chain_ends(&self, tenants: &[TenantId]) -> Result<Vec<ChainEnd>, StoreError> {
        let tenants = tenants.to_vec();
        self.read(Rows::Of(tenants.clone()), move |tx| {
            Box::pin(async move {
                let ids: Vec<_> = tenants.iter().map(|tenant| uuid(tenant.as_bytes())).collect();
                let rows = sqlx::query(CHAIN_ENDS).bind(ids).fetch_all(tx).await?;
                let chain = |(tenant, row): (&TenantId, _)| chain_end(*tenant, Cells::of(row, "audit_entry"));
                tenants.iter().zip(&rows).map(chain).collect()
            })
        })
        .await
    }

    async fn unsealed_entries(&self, logs: &[UnsealedQuery], most: u32) -> Result<Vec<Unsealed>, StoreError> {
        let logs = logs.to_vec();
        let tenants = logs.iter().map(|log| log.tenant).collect();
        self.read(Rows::Of(tenants), move |tx| Box::pin(async move { read_unsealed(tx, &logs, most).await })).await
    }

    async fn append_seals(&self, logs: &[LogSeals]) -> Result<Vec<bool>, StoreError> {
        // Nothing always follows.
        let sealed: Vec<_> = logs.iter().filter(|log| !log.seals.is_empty()).cloned().collect();
        if sealed.is_empty() {
            return Ok(vec![true; logs.len()]);
        }
        let (tenants, settled) = (sealed.iter().map(|log| log.tenant).collect(), sealed.clone());
        let appended = self
            .write(
                Rows::Of(tenants),
                move |tx| Box::pin(async move { append(tx, &sealed).await }),
                move |tx| Box::pin(async move { are_appended(tx, &settled).await }),
            )
            .await?;
        Ok(logs.iter().map(|log| log.seals.is_empty() || appended.contains(&log.tenant)).collect())
    }

    async fn sealed_entries(&self, tenant: &TenantId, after: i64, most: u32) -> Result<Vec<SealedEntry>, StoreError> {
        let tenant = *tenant;
        self.read(Rows::of(&tenant), move |tx| {
            Box::pin(async move {
                let rows = sqlx::query(SEALED)
                    .bind(uuid(tenant.as_bytes()))
                    .bind(after)
                    .bind(i64::from(most))
                    .fetch_all(tx)
                    .await?;
                rows.iter().map(sealed_entry).collect()
            })
        })
        .await
    }

    async fn entry_marks(
        &self,
        tenant: &TenantId,
        after: Option<&str>,
        most: u32,
    ) -> Result<Vec<EntryMark>, StoreError> {
        let tenant = *tenant;
        // What is no id comes from nobody who was shown a row.
        let after = after.map_or(Uuid::nil(), |text| Uuid::try_parse(text).unwrap_or(Uuid::max()));
        self.read(Rows::of(&tenant), move |tx| {
            Box::pin(async move {
                let rows = sqlx::query(MARKS)
                    .bind(uuid(tenant.as_bytes()))
                    .bind(after)
                    .bind(i64::from(most))
                    .fetch_all(tx)
                    .await?;
                let mark = |row: &PgRow| {
                    let cells = Cells::of(row, "audit_entry");
                    Ok(EntryMark { audit_id: text_of(cells, "audit_id")?, is_sealed: cells.plain("is_sealed")? })
                };
                rows.iter().map(mark).collect()
            })
        })
        .await
    }
}

async fn list_chains(tx: &mut PgConnection, page: &PageRequest) -> Step<Page<ChainEnd>> {
    let rows = sqlx::query(CHAINS)
        .bind(after_id(page))
        .bind(page.after.is_none())
        .bind(rows_to_ask(page))
        .fetch_all(tx)
        .await?;
    let chains = rows.iter().map(|row| {
        let cells = Cells::of(row, "audit_entry");
        chain_end(cells.id("tenant_id", TenantId::parse)?, cells)
    });
    Ok(page_of(chains.collect::<Step<_>>()?, page, |chain| chain.tenant.to_string()))
}

fn chain_end(tenant: TenantId, cells: Cells<'_>) -> Step<ChainEnd> {
    Ok(ChainEnd {
        tenant,
        newest_entry: text_or_null(cells, "newest_entry")?,
        newest_sealed: text_or_null(cells, "newest_sealed")?,
    })
}

async fn list_entries(
    tx: &mut PgConnection,
    tenant: &TenantId,
    filter: &EntryFilter,
    page: &PageRequest,
) -> Step<Page<AuditRecord>> {
    let tenant = uuid(tenant.as_bytes());
    let (first, end) = ids_of(filter);
    // What is no id comes from nobody who was shown the page before: to him the list is at its end.
    let after = page.after.as_deref().map(|text| Uuid::try_parse(text).unwrap_or(Uuid::nil()));
    let end = end.into_iter().chain(after).min().unwrap_or(Uuid::max());
    let rows = sqlx::query(LIST)
        .bind(tenant)
        .bind(end)
        .bind(first)
        .bind(i64::from(MOST_ENTRIES_SCANNED))
        .bind(filter.action.as_deref())
        .bind(filter.accepted.map(outcome_word))
        .bind(filter.reason.as_deref())
        .bind(filter.request_id.map(|id| uuid(id.as_bytes())))
        .bind(filter.object.as_deref())
        .bind(filter.person.as_ref().map(|person| person.0.as_slice()))
        .bind(filter.not_before.map(Timestamp::unix_micros))
        .bind(filter.before.map(Timestamp::unix_micros))
        .bind(rows_to_ask(page))
        .fetch_all(&mut *tx)
        .await?;
    let mut rows: Vec<_> = rows.iter().map(record_of).collect::<Step<_>>()?;
    let size = usize::from(page.size.rows());
    let next = if rows.len() > size {
        rows.truncate(size);
        rows.last().map(|row| row.audit_id.clone())
    } else {
        // The last of those that were looked at, if they were as many as that: there may be more behind it.
        let last: Option<Uuid> = sqlx::query_scalar(LAST_SCANNED)
            .bind(tenant)
            .bind(end)
            .bind(first)
            .bind(i64::from(MOST_ENTRIES_SCANNED))
            .fetch_optional(tx)
            .await?;
        last.map(|last| last.hyphenated().to_string())
    };
    Ok(Page { rows, next })
}

/// The first id of those within the time of a filter, and the first one behind them.
fn ids_of(filter: &EntryFilter) -> (Uuid, Option<Uuid>) {
    let floor = |at| uuid(AuditId::floor(at).as_bytes());
    let first = floor(filter.not_before.unwrap_or(Timestamp::from_unix_micros(0)));
    (first, filter.before.map(|before| floor(before.plus(MILLISECOND))))
}

async fn read_unsealed(tx: &mut PgConnection, logs: &[UnsealedQuery], most: u32) -> Step<Vec<Unsealed>> {
    let tenants: Vec<_> = logs.iter().map(|log| uuid(log.tenant.as_bytes())).collect();
    let seals = sqlx::query(LAST_SEALS).bind(&tenants).fetch_all(&mut *tx).await?;
    let entries = sqlx::query(UNSEALED)
        .bind(&tenants)
        .bind(logs.iter().map(|log| uuid(log.after.as_bytes())).collect::<Vec<_>>())
        .bind(i64::from(most))
        .fetch_all(tx)
        .await?;
    let mut last = HashMap::with_capacity(logs.len());
    for row in &seals {
        let tenant = Cells::of(row, "audit_seal").id("tenant_id", TenantId::parse)?;
        last.insert(tenant, seal_of(row, "audit_id")?);
    }
    let mut found: HashMap<_, Vec<_>> = HashMap::with_capacity(logs.len());
    for row in &entries {
        let tenant = Cells::of(row, "audit_entry").id("tenant_id", TenantId::parse)?;
        found.entry(tenant).or_default().push(record_of(row)?);
    }
    let unsealed = |UnsealedQuery { tenant, .. }: &UnsealedQuery| Unsealed {
        tenant: *tenant,
        last: last.remove(tenant),
        entries: found.remove(tenant).unwrap_or_default(),
    };
    Ok(logs.iter().map(unsealed).collect())
}

/// Appends to logs that all have seals to be appended; tells to which ones.
async fn append(tx: &mut PgConnection, logs: &[LogSeals]) -> Step<HashSet<TenantId>> {
    let tenants: Vec<_> = logs.iter().map(|log| uuid(log.tenant.as_bytes())).collect();
    // Whoever seals the same log is at the end before, and then seen by the statement that follows.
    sqlx::query(TAKE_TURNS).bind(&tenants).bind(SEALS_TURN).execute(&mut *tx).await?;
    let all = || logs.iter().flat_map(|log| log.seals.iter().map(|seal| (uuid(log.tenant.as_bytes()), seal)));
    let ids: Result<Vec<_>, _> = all().map(|(_, seal)| Uuid::try_parse(&seal.audit_id)).collect();
    let ids = ids.map_err(|_| StoreError::Corrupt { table: "audit_entry" })?;
    let rows = sqlx::query(APPEND)
        .bind(&tenants)
        .bind(logs.iter().map(|log| log.seals.first().map(|seal| seal.seq)).collect::<Vec<_>>())
        .bind(all().map(|(tenant, _)| tenant).collect::<Vec<_>>())
        .bind(all().map(|(_, seal)| seal.seq).collect::<Vec<_>>())
        .bind(ids)
        .bind(all().map(|(_, seal)| seal.prev.0.as_slice()).collect::<Vec<_>>())
        .bind(all().map(|(_, seal)| seal.hash.0.as_slice()).collect::<Vec<_>>())
        .fetch_all(tx)
        .await?;
    rows.iter().map(|row| Cells::of(row, "audit_seal").id("tenant_id", TenantId::parse)).collect()
}

/// Tells which logs have their seals, where nobody answered whether they were committed.
async fn are_appended(tx: &mut PgConnection, logs: &[LogSeals]) -> Step<Option<HashSet<TenantId>>> {
    let last = || logs.iter().filter_map(|log| Some((log.tenant, log.seals.last()?)));
    let rows = sqlx::query(ARE_APPENDED)
        .bind(last().map(|(tenant, _)| uuid(tenant.as_bytes())).collect::<Vec<_>>())
        .bind(last().map(|(_, seal)| seal.seq).collect::<Vec<_>>())
        .bind(last().map(|(_, seal)| seal.hash.0.as_slice()).collect::<Vec<_>>())
        .fetch_all(tx)
        .await?;
    let tenants = rows.iter().map(|row| Cells::of(row, "audit_seal").id("tenant_id", TenantId::parse));
    let appended: HashSet<_> = tenants.collect::<Step<_>>()?;
    Ok(if appended.is_empty() { None } else { Some(appended) })
}

fn sealed_entry(row: &PgRow) -> Step<SealedEntry> {
    let is_there = Cells::of(row, "audit_entry").plain::<Option<Uuid>>("audit_id")?.is_some();
    Ok(SealedEntry { seal: seal_of(row, "sealed_id")?, entry: if is_there { Some(record_of(row)?) } else { None } })
}

fn seal_of(row: &PgRow, audit_id: &'static str) -> Step<AuditSeal> {
    let cells = Cells::of(row, "audit_seal");
    Ok(AuditSeal {
        seq: cells.plain("seq")?,
        audit_id: text_of(cells, audit_id)?,
        prev: ChainHash(cells.bytes32("prev")?),
        hash: ChainHash(cells.bytes32("hash")?),
    })
}

/// Reads a row of the log as it stands there.
pub(super) fn record_of(row: &PgRow) -> Step<AuditRecord> {
    let cells = Cells::of(row, "audit_entry");
    Ok(AuditRecord {
        audit_id: text_of(cells, "audit_id")?,
        at: cells.instant("at")?,
        role: cells.plain("role")?,
        caller: cells.plain("caller")?,
        actor: cells.plain("actor")?,
        person: cells.plain("person")?,
        action: cells.plain("action")?,
        object: cells.plain("object")?,
        outcome: cells.plain("outcome")?,
        reason: cells.plain("reason")?,
        request_id: text_or_null(cells, "request_id")?,
    })
}

/// An id in the 36 characters that it is sealed in.
fn text_of(cells: Cells<'_>, column: &'static str) -> Step<String> {
    Ok(cells.plain::<Uuid>(column)?.hyphenated().to_string())
}

fn text_or_null(cells: Cells<'_>, column: &'static str) -> Step<Option<String>> {
    Ok(cells.plain::<Option<Uuid>>(column)?.map(|id| id.hyphenated().to_string()))
}
