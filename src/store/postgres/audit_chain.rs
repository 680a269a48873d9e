//! The chain of seals over the audit log.

use std::time::Duration;

use async_trait::async_trait;
use sqlx::postgres::{PgConnection, PgRow};
use uuid::Uuid;

use super::PostgresStore;
use super::error::Step;
use super::row::{Cells, after_id, page_of, rows_to_ask, uuid};
use super::session::Rows;
use crate::domain::audit_log::{
    AuditRecord, AuditSeal, ChainEnd, ChainHash, EntryFilter, EntryMark, SealedEntry, Unsealed,
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

pub(super) const CHAIN: &str = "
SELECT
    (SELECT audit_id FROM audit_entry WHERE tenant_id = $1 ORDER BY audit_id DESC LIMIT 1) AS newest_entry,
    (SELECT audit_id FROM audit_seal WHERE tenant_id = $1 ORDER BY audit_id DESC LIMIT 1) AS newest_sealed
";

pub(super) const UNSEALED: &str = "
SELECT e.audit_id, e.at, e.role, e.caller, e.actor, e.person, e.action, e.object, e.outcome, e.reason, e.request_id
FROM audit_entry AS e
-- LIMIT has each row looked up by its key, whatever the planner thinks of the tables' sizes.
LEFT JOIN LATERAL (
    SELECT s.seq
    FROM audit_seal AS s
    WHERE s.tenant_id = $1
      AND s.audit_id = e.audit_id
    LIMIT 1
) AS s ON TRUE
WHERE e.tenant_id = $1
  AND e.audit_id > $2
  AND s.seq IS NULL
ORDER BY e.audit_id
LIMIT $3
";

pub(super) const LAST_SEAL: &str = "
SELECT seq, audit_id, prev, hash
FROM audit_seal
WHERE tenant_id = $1
ORDER BY seq DESC
LIMIT 1
";

/// Names the turns of those who seal, one for each tenant, in this engine: there is no row of a tenant that is gone to take.
const SEALS_TURN: i64 = 0x7365_616c_7365_616c;

/// All or none: where another one sealed meanwhile the first place is taken.
pub(super) const APPEND: &str = "
INSERT INTO audit_seal (tenant_id, seq, audit_id, prev, hash)
SELECT $1, item.seq, item.audit_id, item.prev, item.hash
FROM unnest($2::BIGINT[], $3::UUID[], $4::BYTEA[], $5::BYTEA[]) AS item (seq, audit_id, prev, hash)
WHERE $6 = (
    SELECT coalesce(max(seq), 0) + 1
    FROM audit_seal
    WHERE tenant_id = $1
)
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

    async fn chain_end(&self, tenant: &TenantId) -> Result<ChainEnd, StoreError> {
        let tenant = *tenant;
        self.read(Rows::of(&tenant), move |tx| {
            Box::pin(async move {
                let row = sqlx::query(CHAIN).bind(uuid(tenant.as_bytes())).fetch_one(tx).await?;
                let cells = Cells::of(&row, "audit_entry");
                Ok(ChainEnd {
                    tenant,
                    newest_entry: text_or_null(cells, "newest_entry")?,
                    newest_sealed: text_or_null(cells, "newest_sealed")?,
                })
            })
        })
        .await
    }

    async fn unsealed_entries(&self, tenant: &TenantId, after: &AuditId, most: u32) -> Result<Unsealed, StoreError> {
        let (tenant, after) = (*tenant, *after);
        self.read(Rows::of(&tenant), move |tx| Box::pin(read_unsealed(tx, tenant, after, most))).await
    }

    async fn append_seals(&self, tenant: &TenantId, seals: &[AuditSeal]) -> Result<bool, StoreError> {
        let (tenant, seals) = (*tenant, seals.to_vec());
        let settled = seals.clone();
        self.write(
            Rows::of(&tenant),
            move |tx| Box::pin(async move { append(tx, &tenant, &seals).await }),
            move |tx| Box::pin(async move { is_appended(tx, &tenant, &settled).await }),
        )
        .await
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
        Step::Ok(ChainEnd {
            tenant: cells.id("tenant_id", TenantId::parse)?,
            newest_entry: text_or_null(cells, "newest_entry")?,
            newest_sealed: text_or_null(cells, "newest_sealed")?,
        })
    });
    Ok(page_of(chains.collect::<Step<_>>()?, page, |chain| chain.tenant.to_string()))
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

async fn read_unsealed(tx: &mut PgConnection, tenant: TenantId, after: AuditId, most: u32) -> Step<Unsealed> {
    let last = sqlx::query(LAST_SEAL).bind(uuid(tenant.as_bytes())).fetch_optional(&mut *tx).await?;
    let entries = sqlx::query(UNSEALED)
        .bind(uuid(tenant.as_bytes()))
        .bind(uuid(after.as_bytes()))
        .bind(i64::from(most))
        .fetch_all(tx)
        .await?;
    Ok(Unsealed {
        last: last.as_ref().map(|row| seal_of(row, "audit_id")).transpose()?,
        entries: entries.iter().map(record_of).collect::<Step<_>>()?,
    })
}

async fn append(tx: &mut PgConnection, tenant: &TenantId, seals: &[AuditSeal]) -> Step<bool> {
    let Some(first) = seals.first().map(|seal| seal.seq) else {
        return Ok(true);
    };
    // Whoever seals the same log is at the end before, and then seen by the statement that follows.
    sqlx::query("SELECT pg_advisory_xact_lock(hashtextextended($1, $2))")
        .bind(tenant.to_string())
        .bind(SEALS_TURN)
        .execute(&mut *tx)
        .await?;
    let ids: Result<Vec<_>, _> = seals.iter().map(|seal| Uuid::try_parse(&seal.audit_id)).collect();
    let ids = ids.map_err(|_| StoreError::Corrupt { table: "audit_entry" })?;
    let appended = sqlx::query(APPEND)
        .bind(uuid(tenant.as_bytes()))
        .bind(seals.iter().map(|seal| seal.seq).collect::<Vec<_>>())
        .bind(ids)
        .bind(seals.iter().map(|seal| seal.prev.0.as_slice()).collect::<Vec<_>>())
        .bind(seals.iter().map(|seal| seal.hash.0.as_slice()).collect::<Vec<_>>())
        .bind(first)
        .execute(tx)
        .await?;
    Ok(appended.rows_affected() > 0)
}

/// Tells whether the seals are there, where nobody answered whether they were committed.
async fn is_appended(tx: &mut PgConnection, tenant: &TenantId, seals: &[AuditSeal]) -> Step<Option<bool>> {
    let Some(last) = seals.last() else {
        return Ok(Some(true));
    };
    let found = sqlx::query(
        "
        SELECT 1
        FROM audit_seal
        WHERE tenant_id = $1
          AND seq = $2
          AND hash = $3
        ",
    )
    .bind(uuid(tenant.as_bytes()))
    .bind(last.seq)
    .bind(last.hash.0.as_slice())
    .fetch_optional(tx)
    .await?;
    Ok(found.map(|_| true))
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
