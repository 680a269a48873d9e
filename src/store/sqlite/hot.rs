//! Recording and redeeming jumps, and rows of the audit log that stand for themselves, many at once: one statement a table,
//! whatever the number.
//!
//! Each statement carries its guards in WHERE and says by RETURNING who passed them. The numbers that a jump was
//! decided on are compared here and nowhere else: a decision may come from memory, this is what makes it true
//! (`docs/adr/0007-decisions-from-memory.md`).
//!
//! The works bring their rows as JSON: encoded by the callers, in parallel, not by the one writer.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::time::Duration;

use serde::Serialize;
use sqlx::{Row as _, SqliteConnection};

use super::audit::{self, AuditRow};
use super::error::Step;
use super::row::{Cells, hex, json_array, micros};
use crate::domain::audit::{AuditEntry, AuditOutcome};
use crate::domain::error::Reason;
use crate::domain::ids::{AttemptId, CustomerId, JumpId, ProviderId, TenantId};
use crate::domain::jump::{
    CLOCK_LEEWAY, Context, JUMP_RATE_WINDOW, JUMPS_A_MINUTE, Jump, Nonce, Person, PersonKind, RecordOutcome,
    RedeemAttempt, RedeemOutcome, Subject, TargetPage,
};
use crate::domain::target::WebUrl;
use crate::domain::time::Timestamp;
use crate::store::codes::Code;

/// A jump to record.
pub(super) struct RecordWork {
    tenant: TenantId,
    jump_id: JumpId,
    person: (PersonKind, String),
    row: String,
    audit: AuditRow,
}

/// A jump to redeem.
pub(super) struct RedeemWork {
    attempt_id: AttemptId,
    row: String,
    audit: AuditRow,
}

/// A row of the audit log to append, of what changes nothing else.
pub(super) struct NoteWork(String);

/// What came of the works, in their order.
pub(super) struct Outcomes {
    pub(super) records: Vec<RecordOutcome>,
    pub(super) redeems: Vec<RedeemOutcome>,
}

impl RecordWork {
    /// The work of recording `jump`.
    pub(super) fn new(tenant: &TenantId, jump: &Jump, entry: &AuditEntry) -> Step<Self> {
        let row = serde_json::to_string(&JumpRow::of(tenant, jump))?;
        let person = (jump.order.person.kind(), jump.order.person.id().to_owned());
        Ok(Self { tenant: *tenant, jump_id: jump.jump_id, person, row, audit: AuditRow::new(tenant, entry)? })
    }

    /// The row of a work that comes after so many others of the same person.
    fn row_after(&self, others: u32) -> Cow<'_, str> {
        match self.row.strip_prefix('{') {
            Some(members) if others > 0 => Cow::Owned(format!(r#"{{"others":{others},{members}"#)),
            _ => Cow::Borrowed(&self.row),
        }
    }
}

impl RedeemWork {
    /// The work of redeeming by `attempt`.
    pub(super) fn new(tenant: &TenantId, attempt: &RedeemAttempt, entry: &AuditEntry) -> Step<Self> {
        let row = serde_json::to_string(&AttemptRow {
            tenant_id: tenant.to_string(),
            jump_id: attempt.jump_id.to_string(),
            target_id: attempt.target_id.as_str(),
            attempt_id: attempt.attempt_id.to_string(),
            at: attempt.at.unix_micros(),
        })?;
        Ok(Self { attempt_id: attempt.attempt_id, row, audit: AuditRow::new(tenant, entry)? })
    }
}

impl NoteWork {
    /// The work of writing down what came of `entry`.
    pub(super) fn new(tenant: &TenantId, entry: &AuditEntry, outcome: AuditOutcome) -> Step<Self> {
        Ok(Self(AuditRow::new(tenant, entry)?.with(outcome)))
    }
}

/// Where the ids of jumps begin that count for one made at `at`: those of the minute before it. One that is a whole minute
/// old does not count any more.
pub(super) fn minute_before(at: Timestamp) -> JumpId {
    JumpId::floor(at.minus(JUMP_RATE_WINDOW).plus(Duration::from_millis(1)))
}

/// Records and redeems, with the audit rows of both, and appends `notes` to the log. What fails leaves a part of it behind:
/// the caller rolls back.
pub(super) async fn write(
    connection: &mut SqliteConnection,
    records: &[&RecordWork],
    redeems: &[&RedeemWork],
    notes: &[&NoteWork],
) -> Step<Outcomes> {
    let recorded = record(connection, records).await?;
    let redeemed = redeem(connection, redeems).await?;
    let of_records = records.iter().zip(&recorded).filter(|(_, outcome)| **outcome == RecordOutcome::Recorded);
    let of_records = of_records.map(|(work, _)| work.audit.with(AuditOutcome::Accepted));
    let of_redeems = redeems.iter().zip(&redeemed).map(|(work, outcome)| work.audit.with(audited(*outcome)));
    let notes = notes.iter().map(|work| work.0.clone());
    audit::append(connection, of_records.chain(of_redeems).chain(notes)).await?;
    Ok(Outcomes { records: recorded, redeems: redeemed })
}

const fn audited(outcome: RedeemOutcome) -> AuditOutcome {
    match outcome {
        RedeemOutcome::Redeemed => AuditOutcome::Accepted,
        RedeemOutcome::AlreadyRedeemed => AuditOutcome::Refused(Reason::JumpAlreadyRedeemed),
        RedeemOutcome::Expired => AuditOutcome::Refused(Reason::JumpExpired),
        RedeemOutcome::Revoked => AuditOutcome::Refused(Reason::JumpRevoked),
        RedeemOutcome::Unknown => AuditOutcome::Refused(Reason::JumpInvalid),
    }
}

// Each statement turns its works into JSONB first, once each: `json_each` would write a work out as text again, and
// `->>` read it again, for every single member.

pub(super) const RECORD: &str = "
WITH item AS MATERIALIZED (
    SELECT jsonb(value) AS work
    FROM json_each(?1)
)
INSERT INTO jump (
    tenant_id, jump_id, jti_hash, handle_hash, caller, request_id, content,
    person_kind, person_id, stated_segment, actor_role, actor_id, target_id, wanted_kind, activation_id,
    customer_context, line_of_business, provider_id, context, nonce, return_url, target_page,
    user_id, way, segment, subject, actor_subject, issued_at, expires_at,
    epoch, config_version, customer_version, catalog_version
)
SELECT
    item.work ->> 'tenant_id',
    item.work ->> 'jump_id',
    unhex(item.work ->> 'jti_hash'),
    unhex(item.work ->> 'handle_hash'),
    unhex(item.work ->> 'caller'),
    item.work ->> 'request_id',
    unhex(item.work ->> 'content'),
    item.work ->> 'person_kind',
    item.work ->> 'person_id',
    item.work ->> 'stated_segment',
    item.work ->> 'actor_role',
    item.work ->> 'actor_id',
    item.work ->> 'target_id',
    item.work ->> 'wanted_kind',
    item.work ->> 'activation_id',
    item.work ->> 'customer_context',
    item.work ->> 'line_of_business',
    item.work ->> 'provider_id',
    item.work ->> 'context',
    item.work ->> 'nonce',
    item.work ->> 'return_url',
    item.work ->> 'target_page',
    item.work ->> 'user_id',
    item.work ->> 'way',
    item.work ->> 'segment',
    item.work ->> 'subject',
    item.work ->> 'actor_subject',
    item.work ->> 'issued_at',
    item.work ->> 'expires_at',
    item.work ->> 'epoch',
    item.work ->> 'config_version',
    item.work ->> 'customer_version',
    item.work ->> 'catalog_version'
FROM item
-- CROSS JOIN keeps the order: the jumps outside, each guard a look-up by key.
CROSS JOIN service AS s ON s.singleton = 1
CROSS JOIN tenant AS t ON t.tenant_id = item.work ->> 'tenant_id'
CROSS JOIN target AS g ON g.target_id = item.work ->> 'target_id'
CROSS JOIN concenter_user AS u
    ON u.tenant_id = t.tenant_id
    AND u.user_id = item.work ->> 'user_id'
WHERE s.epoch = item.work ->> 'epoch'
  AND s.catalog_version = item.work ->> 'catalog_version'
  AND t.state = 'active'
  AND t.config_version = item.work ->> 'config_version'
  AND g.state = 'active'
  AND u.state = 'active'
  AND u.kind = CASE item.work ->> 'person_kind' WHEN 'customer' THEN 'end_customer' ELSE 'broker' END
  AND (u.kind = 'broker' OR u.reported_end_customer IS NOT 0)
  AND u.credential_suspect_since IS NULL
  -- IS, not =: decided on no record, and there is still none.
  AND (
      item.work ->> 'person_kind' = 'broker'
      OR (
          SELECT c.jump_version
          FROM customer AS c
          WHERE c.tenant_id = t.tenant_id
            AND c.customer_id = item.work ->> 'person_id'
      ) IS item.work ->> 'customer_version'
  )
  -- The same request id had another effect.
  AND NOT EXISTS (
      SELECT 1
      FROM request_log AS r
      WHERE r.tenant_id = t.tenant_id
        AND r.caller = unhex(item.work ->> 'caller')
        AND r.request_id = item.work ->> 'request_id'
  )
  -- Nobody clicks faster. The others of the batch are not in the table yet.
  AND (
      SELECT count(*)
      FROM jump AS j
      WHERE j.tenant_id = t.tenant_id
        AND j.person_kind = item.work ->> 'person_kind'
        AND j.person_id = item.work ->> 'person_id'
        AND j.jump_id >= item.work ->> 'counts_from'
  ) + coalesce(item.work ->> 'others', 0) < ?2
ON CONFLICT DO NOTHING
RETURNING tenant_id, jump_id
";

pub(super) const REPEATED: &str = "
WITH item AS MATERIALIZED (
    SELECT key, jsonb(value) AS work
    FROM json_each(?1)
)
SELECT
    EXISTS (
        SELECT 1
        FROM jump AS j
        WHERE j.tenant_id = item.work ->> 'tenant_id'
          AND j.caller = unhex(item.work ->> 'caller')
          AND j.request_id = item.work ->> 'request_id'
    ) AS is_repeated
FROM item
ORDER BY item.key
";

async fn record(connection: &mut SqliteConnection, works: &[&RecordWork]) -> Step<Vec<RecordOutcome>> {
    if works.is_empty() {
        return Ok(Vec::new());
    }
    let items = ranked(works);
    let rows = sqlx::query(RECORD)
        .bind(json_array(items.iter().map(AsRef::as_ref)))
        .bind(JUMPS_A_MINUTE)
        .fetch_all(&mut *connection)
        .await?;
    let mut recorded = HashSet::with_capacity(rows.len());
    for row in &rows {
        let cells = Cells::of(row, "jump");
        recorded.insert((cells.parsed("tenant_id", TenantId::parse)?, cells.parsed("jump_id", JumpId::parse)?));
    }
    // Taken out as they are given away: a jump that is in the batch twice was recorded once.
    let mut outcomes: Vec<_> = works
        .iter()
        .map(|work| recorded.remove(&(work.tenant, work.jump_id)).then_some(RecordOutcome::Recorded))
        .collect();

    let others = works.iter().zip(&outcomes).filter(|(_, outcome)| outcome.is_none());
    let others: Vec<_> = others.map(|(work, _)| work.row.as_str()).collect();
    if !others.is_empty() {
        let rows = sqlx::query(REPEATED).bind(json_array(others.into_iter())).fetch_all(&mut *connection).await?;
        for (outcome, row) in outcomes.iter_mut().filter(|outcome| outcome.is_none()).zip(&rows) {
            let is_repeated: bool = row.try_get("is_repeated")?;
            *outcome = is_repeated.then_some(RecordOutcome::Repeated);
        }
    }
    Ok(outcomes.into_iter().map(|outcome| outcome.unwrap_or(RecordOutcome::Stale)).collect())
}

/// The rows of works, each of which tells how many before it are of the same person.
fn ranked<'w>(works: &[&'w RecordWork]) -> Vec<Cow<'w, str>> {
    let mut seen: HashMap<_, u32> = HashMap::with_capacity(works.len());
    let row = |work: &&'w RecordWork| {
        let others = seen.entry((work.tenant, &work.person)).or_default();
        let row = work.row_after(*others);
        *others += 1;
        row
    };
    works.iter().map(row).collect()
}

pub(super) const REDEEM: &str = "
WITH item AS MATERIALIZED (
    SELECT jsonb(value) AS work
    FROM json_each(?1)
)
UPDATE jump
SET redeemed_at = item.work ->> 'at',
    redeem_attempt_id = item.work ->> 'attempt_id',
    -- Which password leaves, if one does: how a login with it went is told later.
    redeemed_secret_version = iif(g.hands_over_secret, u.secret_version, NULL)
-- Each joined by its whole key: one row or none.
FROM item
JOIN service AS s ON s.singleton = 1
JOIN tenant AS t ON t.tenant_id = item.work ->> 'tenant_id'
JOIN target AS g ON g.target_id = item.work ->> 'target_id'
JOIN product_provider AS p ON p.provider_id = g.provider_id
JOIN concenter_user AS u
WHERE jump.tenant_id = item.work ->> 'tenant_id'
  AND jump.jump_id = item.work ->> 'jump_id'
  AND jump.target_id = item.work ->> 'target_id'
  AND jump.redeemed_at IS NULL
  AND jump.revoked_at IS NULL
  AND jump.expires_at + ?2 > item.work ->> 'at'
  AND s.epoch = jump.epoch
  AND s.catalog_version = jump.catalog_version
  AND t.state = 'active'
  AND t.config_version = jump.config_version
  -- IS, not =: decided on no record, and there is still none.
  AND (
      jump.person_kind = 'broker'
      OR (
          SELECT c.jump_version
          FROM customer AS c
          WHERE c.tenant_id = jump.tenant_id
            AND c.customer_id = jump.person_id
      ) IS jump.customer_version
  )
  -- The versions say the same of the rest; a row that was changed from a shell says it only here.
  AND g.state = 'active'
  AND p.state = 'active'
  AND u.tenant_id = jump.tenant_id
  AND u.user_id = jump.user_id
  AND u.state = 'active'
  AND u.kind = CASE jump.person_kind WHEN 'customer' THEN 'end_customer' ELSE 'broker' END
  AND (u.kind = 'broker' OR u.reported_end_customer IS NOT 0)
  AND u.credential_suspect_since IS NULL
  AND u.sealed_secret IS NOT NULL
RETURNING redeem_attempt_id
";

pub(super) const LOST_BECAUSE: &str = "
WITH item AS MATERIALIZED (
    SELECT key, jsonb(value) AS work
    FROM json_each(?1)
)
SELECT
    CASE
        WHEN j.jump_id IS NULL THEN 'unknown'
        WHEN j.redeemed_at IS NOT NULL THEN 'already_redeemed'
        WHEN j.expires_at + ?2 <= item.work ->> 'at' THEN 'expired'
        ELSE 'revoked'
    END AS because
FROM item
LEFT JOIN jump AS j
    ON j.tenant_id = item.work ->> 'tenant_id'
    AND j.jump_id = item.work ->> 'jump_id'
    AND j.target_id = item.work ->> 'target_id'
ORDER BY item.key
";

pub(super) const REVOKE_SESSIONS: &str = "
WITH item AS MATERIALIZED (
    SELECT jsonb(value) AS work
    FROM json_each(?1)
)
UPDATE jump
SET session_revoked_at = item.work ->> 'at'
FROM item
WHERE jump.tenant_id = item.work ->> 'tenant_id'
  AND jump.jump_id = item.work ->> 'jump_id'
  AND jump.target_id = item.work ->> 'target_id'
  AND jump.redeemed_at IS NOT NULL
  -- The first time counts.
  AND jump.session_revoked_at IS NULL
";

async fn redeem(connection: &mut SqliteConnection, works: &[&RedeemWork]) -> Step<Vec<RedeemOutcome>> {
    if works.is_empty() {
        return Ok(Vec::new());
    }
    let leeway = micros(CLOCK_LEEWAY);
    let rows = sqlx::query(REDEEM)
        .bind(json_array(works.iter().map(|work| work.row.as_str())))
        .bind(leeway)
        .fetch_all(&mut *connection)
        .await?;
    let mut won = HashSet::with_capacity(rows.len());
    for row in &rows {
        won.insert(Cells::of(row, "jump").parsed("redeem_attempt_id", AttemptId::parse)?);
    }
    let mut outcomes: Vec<_> =
        works.iter().map(|work| won.remove(&work.attempt_id).then_some(RedeemOutcome::Redeemed)).collect();

    let lost = works.iter().zip(&outcomes).filter(|(_, outcome)| outcome.is_none());
    let lost: Vec<_> = lost.map(|(work, _)| work.row.as_str()).collect();
    if !lost.is_empty() {
        let lost = json_array(lost.into_iter());
        let rows = sqlx::query(LOST_BECAUSE).bind(&lost).bind(leeway).fetch_all(&mut *connection).await?;
        for (outcome, row) in outcomes.iter_mut().filter(|outcome| outcome.is_none()).zip(&rows) {
            *outcome = Some(match row.try_get("because")? {
                "unknown" => RedeemOutcome::Unknown,
                "already_redeemed" => RedeemOutcome::AlreadyRedeemed,
                "expired" => RedeemOutcome::Expired,
                _ => RedeemOutcome::Revoked,
            });
        }
        if outcomes.contains(&Some(RedeemOutcome::AlreadyRedeemed)) {
            sqlx::query(REVOKE_SESSIONS).bind(&lost).execute(&mut *connection).await?;
        }
    }
    Ok(outcomes.into_iter().map(|outcome| outcome.unwrap_or(RedeemOutcome::Unknown)).collect())
}

#[derive(Serialize)]
struct AttemptRow<'a> {
    tenant_id: String,
    jump_id: String,
    target_id: &'a str,
    attempt_id: String,
    at: i64,
}

/// A jump as `RECORD` reads it; members are named after the columns, but for the last one.
#[derive(Serialize)]
struct JumpRow<'a> {
    tenant_id: String,
    jump_id: String,
    jti_hash: String,
    handle_hash: Option<String>,
    caller: String,
    request_id: String,
    content: String,
    person_kind: &'static str,
    person_id: &'a str,
    stated_segment: Option<&'static str>,
    actor_role: Option<&'static str>,
    actor_id: Option<&'a str>,
    target_id: &'a str,
    wanted_kind: Option<&'static str>,
    activation_id: Option<String>,
    customer_context: Option<&'a str>,
    line_of_business: Option<String>,
    provider_id: Option<&'a str>,
    context: Option<&'a str>,
    nonce: Option<&'a str>,
    return_url: Option<&'a str>,
    target_page: Option<&'a str>,
    user_id: String,
    way: &'static str,
    segment: Option<&'static str>,
    subject: &'a str,
    actor_subject: Option<&'a str>,
    issued_at: i64,
    expires_at: i64,
    epoch: i64,
    config_version: i64,
    customer_version: Option<i64>,
    catalog_version: i64,
    /// From which id on the jumps of the person count for its rate.
    counts_from: String,
}

impl<'a> JumpRow<'a> {
    fn of(tenant: &TenantId, jump: &'a Jump) -> Self {
        let Jump { request, order, luggage, versions, .. } = jump;
        let stated = match &order.person {
            Person::Customer { stated, .. } => *stated,
            Person::Broker(_) => None,
        };
        Self {
            tenant_id: tenant.to_string(),
            jump_id: jump.jump_id.to_string(),
            jti_hash: hex(&jump.jti_hash.0),
            handle_hash: jump.handle_hash.map(|hash| hex(&hash.0)),
            caller: hex(&request.caller),
            request_id: request.request_id.to_string(),
            content: hex(&request.content),
            person_kind: order.person.kind().code(),
            person_id: order.person.id(),
            stated_segment: stated.map(Code::code),
            actor_role: order.actor.as_ref().map(|actor| actor.role.code()),
            actor_id: order.actor.as_ref().map(|actor| actor.id.as_str()),
            target_id: order.target_id.as_str(),
            wanted_kind: order.wanted.map(Code::code),
            activation_id: order.activation_id.map(|id| id.to_string()),
            customer_context: order.customer_context.as_ref().map(CustomerId::as_str),
            line_of_business: order.line_of_business.map(|line| line.to_string()),
            provider_id: order.provider_id.as_ref().map(ProviderId::as_str),
            context: luggage.context.as_ref().map(Context::as_str),
            nonce: luggage.nonce.as_ref().map(Nonce::as_str),
            return_url: luggage.return_url.as_ref().map(WebUrl::as_str),
            target_page: luggage.target_page.as_ref().map(TargetPage::as_str),
            user_id: jump.user_id.to_string(),
            way: jump.way.code(),
            segment: jump.segment.map(Code::code),
            subject: jump.subject.as_str(),
            actor_subject: jump.actor_subject.as_ref().map(Subject::as_str),
            issued_at: jump.issued_at.unix_micros(),
            expires_at: jump.expires_at.unix_micros(),
            epoch: jump.epoch,
            config_version: versions.config,
            customer_version: versions.customer,
            catalog_version: versions.catalog,
            counts_from: minute_before(jump.jump_id.made_at()).to_string(),
        }
    }
}
