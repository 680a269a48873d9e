//! Recording and redeeming jumps, many at once: one statement a table, whatever the number.
//!
//! Each statement carries its guards in WHERE and says by RETURNING who passed them. The numbers that a jump was
//! decided on are compared here and nowhere else: a decision may come from memory, this is what makes it true
//! (`docs/adr/0007-decisions-from-memory.md`).
//!
//! The rows of a batch come as one array a column. Other replicas write at the same time: all take tenants first, then
//! insert, then take jumps, each in the order of the keys, so that no two batches wait for each other.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use std::time::Duration;

use sqlx::postgres::{PgArguments, PgConnection};
use sqlx::query::Query;
use sqlx::{Postgres, Row as _};
use uuid::Uuid;

use super::audit::{self, AuditRow};
use super::error::Step;
use super::row::{Cells, micros, uuid};
use crate::domain::audit::{AuditEntry, AuditOutcome};
use crate::domain::error::Reason;
use crate::domain::ids::{AttemptId, AuditId, CustomerId, JumpId, ProviderId, TenantId};
use crate::domain::jump::{
    CLOCK_LEEWAY, Context, JUMP_RATE_WINDOW, JUMPS_A_MINUTE, Jump, Nonce, Person, RecordOutcome, RedeemAttempt,
    RedeemOutcome, Subject, TargetPage,
};
use crate::domain::target::WebUrl;
use crate::domain::time::Timestamp;
use crate::store::codes::Code;

/// A jump to record.
pub(super) struct RecordWork {
    tenant: TenantId,
    jump: Jump,
    audit: AuditRow,
}

/// A jump to redeem.
pub(super) struct RedeemWork {
    tenant: TenantId,
    attempt: RedeemAttempt,
    audit: AuditRow,
}

/// A row of the audit log to append, of what changes nothing else.
pub(super) struct NoteWork {
    audit: AuditRow,
    outcome: AuditOutcome,
}

/// What came of the works, in their order.
pub(super) struct Outcomes {
    pub(super) records: Vec<RecordOutcome>,
    pub(super) redeems: Vec<RedeemOutcome>,
}

/// Which works are in the database.
pub(super) struct Found {
    records: HashSet<(TenantId, JumpId)>,
    redeems: HashSet<AttemptId>,
    notes: HashSet<AuditId>,
}

impl RecordWork {
    /// The work of recording `jump`.
    pub(super) fn new(tenant: &TenantId, jump: &Jump, entry: &AuditEntry) -> Self {
        Self { tenant: *tenant, jump: jump.clone(), audit: AuditRow::new(tenant, entry) }
    }

    /// Whose jump it is.
    pub(super) const fn tenant(&self) -> TenantId {
        self.tenant
    }

    /// Who has its rate: the same for all jumps of one person.
    pub(super) fn person(&self) -> impl Copy + Eq + Hash {
        let person = &self.jump.order.person;
        (self.tenant, person.kind(), person.id())
    }
}

impl RedeemWork {
    /// The work of redeeming by `attempt`.
    pub(super) fn new(tenant: &TenantId, attempt: &RedeemAttempt, entry: &AuditEntry) -> Self {
        Self { tenant: *tenant, attempt: attempt.clone(), audit: AuditRow::new(tenant, entry) }
    }

    /// Whose jump it is.
    pub(super) const fn tenant(&self) -> TenantId {
        self.tenant
    }

    /// Its jump.
    pub(super) const fn jump_id(&self) -> JumpId {
        self.attempt.jump_id
    }
}

impl Found {
    /// Tells whether the jump was recorded.
    pub(super) fn recorded(&self, work: &RecordWork) -> bool {
        self.records.contains(&(work.tenant, work.jump.jump_id))
    }

    /// Tells whether the jump was redeemed, by this attempt.
    pub(super) fn redeemed(&self, work: &RedeemWork) -> bool {
        self.redeems.contains(&work.attempt.attempt_id)
    }

    /// Tells whether the row was appended.
    pub(super) fn noted(&self, work: &NoteWork) -> bool {
        self.notes.contains(&work.audit.audit_id())
    }
}

impl NoteWork {
    /// The work of writing down what came of `entry`.
    pub(super) fn new(tenant: &TenantId, entry: &AuditEntry, outcome: AuditOutcome) -> Self {
        Self { audit: AuditRow::new(tenant, entry), outcome }
    }

    /// In whose log.
    pub(super) const fn tenant(&self) -> TenantId {
        self.audit.tenant()
    }

    /// Its row.
    pub(super) const fn audit_id(&self) -> AuditId {
        self.audit.audit_id()
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
    tx: &mut PgConnection,
    records: &[&RecordWork],
    redeems: &[&RedeemWork],
    notes: &[&NoteWork],
) -> Step<Outcomes> {
    let recorded = record(tx, records).await?;
    let redeemed = redeem(tx, redeems).await?;
    let of_records = records.iter().zip(&recorded).filter(|(_, outcome)| **outcome == RecordOutcome::Recorded);
    let of_records = of_records.map(|(work, _)| work.audit.with(AuditOutcome::Accepted));
    let of_redeems = redeems.iter().zip(&redeemed).map(|(work, outcome)| work.audit.with(audited(*outcome)));
    let notes = notes.iter().map(|work| work.audit.with(work.outcome));
    audit::append(tx, of_records.chain(of_redeems).chain(notes)).await?;
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

/// Waits for whoever erases a customer or deletes a tenant: he would not see the jumps that are about to come. Other effects do
/// not wait, they move versions.
pub(super) const HOLD_TENANTS: &str = "
SELECT 1
FROM tenant
WHERE tenant_id = ANY ($1)
ORDER BY tenant_id
FOR KEY SHARE
";

pub(super) const RECORD: &str = "
INSERT INTO jump (
    tenant_id, jump_id, jti_hash, handle_hash, caller, request_id, content,
    person_kind, person_id, stated_segment, actor_role, actor_id, target_id, wanted_kind, activation_id,
    customer_context, line_of_business, provider_id, context, nonce, return_url,
    user_id, way, segment, subject, actor_subject, issued_at, expires_at,
    epoch, config_version, customer_version, catalog_version, target_page
)
SELECT
    item.tenant_id, item.jump_id, item.jti_hash, item.handle_hash, item.caller, item.request_id, item.content,
    item.person_kind, item.person_id, item.stated_segment, item.actor_role, item.actor_id, item.target_id,
    item.wanted_kind, item.activation_id, item.customer_context, item.line_of_business, item.provider_id,
    item.context, item.nonce, item.return_url, item.user_id, item.way, item.segment, item.subject,
    item.actor_subject, item.issued_at, item.expires_at, item.epoch, item.config_version, item.customer_version,
    item.catalog_version, item.target_page
FROM unnest(
    $1::UUID[], $2::UUID[], $3::BYTEA[], $4::BYTEA[], $5::BYTEA[], $6::UUID[], $7::BYTEA[],
    $8::TEXT[], $9::TEXT[], $10::TEXT[], $11::TEXT[], $12::TEXT[], $13::TEXT[], $14::TEXT[], $15::UUID[],
    $16::TEXT[], $17::TEXT[], $18::TEXT[], $19::TEXT[], $20::TEXT[], $21::TEXT[],
    $22::UUID[], $23::TEXT[], $24::TEXT[], $25::TEXT[], $26::TEXT[], $27::BIGINT[], $28::BIGINT[],
    $29::BIGINT[], $30::BIGINT[], $31::BIGINT[], $32::BIGINT[], $33::TEXT[], $34::UUID[], $35::BIGINT[]
) AS item (
    tenant_id, jump_id, jti_hash, handle_hash, caller, request_id, content,
    person_kind, person_id, stated_segment, actor_role, actor_id, target_id, wanted_kind, activation_id,
    customer_context, line_of_business, provider_id, context, nonce, return_url,
    user_id, way, segment, subject, actor_subject, issued_at, expires_at,
    epoch, config_version, customer_version, catalog_version, target_page, counts_from, others
)
JOIN service AS s ON s.singleton = 1
JOIN tenant AS t ON t.tenant_id = item.tenant_id
JOIN target AS g ON g.target_id = item.target_id
WHERE s.epoch = item.epoch
  AND s.catalog_version = item.catalog_version
  AND t.state = 'active'
  AND t.config_version = item.config_version
  AND g.state = 'active'
  -- A subquery and no join: each user is looked up by his key.
  AND (
      SELECT u.kind
      FROM concenter_user AS u
      WHERE u.tenant_id = item.tenant_id
        AND u.user_id = item.user_id
        AND u.state = 'active'
        AND (u.kind = 'broker' OR u.reported_end_customer IS NOT FALSE)
        AND u.credential_suspect_since IS NULL
  ) = CASE item.person_kind WHEN 'customer' THEN 'end_customer' ELSE 'broker' END
  -- IS NOT DISTINCT FROM, not =: decided on no record, and there is still none.
  AND (
      item.person_kind = 'broker'
      OR (
          SELECT c.jump_version
          FROM customer AS c
          WHERE c.tenant_id = item.tenant_id
            AND c.customer_id = item.person_id
      ) IS NOT DISTINCT FROM item.customer_version
  )
  -- The same request id had another effect.
  AND NOT EXISTS (
      SELECT 1
      FROM request_log AS r
      WHERE r.tenant_id = item.tenant_id
        AND r.caller = item.caller
        AND r.request_id = item.request_id
  )
  -- Nobody clicks faster. The others of the batch are not in the table yet. Those that another replica is about to commit
  -- are not seen: whoever clicks on several replicas at the very same moment may have as many more as they have in
  -- flight, once; a minute later all of them count.
  AND (
      SELECT count(*)
      FROM jump AS j
      WHERE j.tenant_id = item.tenant_id
        AND j.person_kind = item.person_kind
        AND j.person_id = item.person_id
        AND j.jump_id >= item.counts_from
  ) + item.others < $36
-- In one order for everybody: two batches with the same requests do not wait for each other.
ORDER BY item.tenant_id, item.caller, item.request_id
ON CONFLICT DO NOTHING
RETURNING tenant_id, jump_id
";

pub(super) const REPEATED: &str = "
SELECT
    -- Not EXISTS: that could be answered by reading all jumps first.
    (
        SELECT j.jump_id
        FROM jump AS j
        WHERE j.tenant_id = item.tenant_id
          AND j.caller = item.caller
          AND j.request_id = item.request_id
    ) IS NOT NULL AS is_repeated
FROM unnest($1::UUID[], $2::BYTEA[], $3::UUID[]) WITH ORDINALITY AS item (tenant_id, caller, request_id, place)
ORDER BY item.place
";

async fn record(tx: &mut PgConnection, works: &[&RecordWork]) -> Step<Vec<RecordOutcome>> {
    if works.is_empty() {
        return Ok(Vec::new());
    }
    let tenants: Vec<_> = works.iter().map(|work| uuid(work.tenant.as_bytes())).collect();
    sqlx::query(HOLD_TENANTS).bind(tenants).execute(&mut *tx).await?;
    // A statement of its own: it sees what was committed while the tenants were waited for.
    let rows = JumpColumns::of(works).bound(RECORD).bind(i64::from(JUMPS_A_MINUTE)).fetch_all(&mut *tx).await?;
    let mut recorded = HashSet::with_capacity(rows.len());
    for row in &rows {
        let cells = Cells::of(row, "jump");
        recorded.insert((cells.id("tenant_id", TenantId::parse)?, cells.id("jump_id", JumpId::parse)?));
    }
    // Taken out as they are given away: a jump that is in the batch twice was recorded once.
    let mut outcomes: Vec<_> = works
        .iter()
        .map(|work| recorded.remove(&(work.tenant, work.jump.jump_id)).then_some(RecordOutcome::Recorded))
        .collect();

    let others = works.iter().zip(&outcomes).filter(|(_, outcome)| outcome.is_none());
    let others: Vec<_> = others.map(|(work, _)| *work).collect();
    if !others.is_empty() {
        let rows = sqlx::query(REPEATED)
            .bind(others.iter().map(|work| uuid(work.tenant.as_bytes())).collect::<Vec<_>>())
            .bind(others.iter().map(|work| work.jump.request.caller.as_slice()).collect::<Vec<_>>())
            .bind(others.iter().map(|work| uuid(work.jump.request.request_id.as_bytes())).collect::<Vec<_>>())
            .fetch_all(tx)
            .await?;
        for (outcome, row) in outcomes.iter_mut().filter(|outcome| outcome.is_none()).zip(&rows) {
            let is_repeated: bool = row.try_get("is_repeated")?;
            *outcome = is_repeated.then_some(RecordOutcome::Repeated);
        }
    }
    Ok(outcomes.into_iter().map(|outcome| outcome.unwrap_or(RecordOutcome::Stale)).collect())
}

/// Takes the jumps, in one order for everybody. Whoever waited sees in the next statement what became of them meanwhile.
pub(super) const HOLD_JUMPS: &str = "
SELECT 1
FROM unnest($1::UUID[], $2::UUID[]) AS item (tenant_id, jump_id)
JOIN jump AS j
    ON j.tenant_id = item.tenant_id
    AND j.jump_id = item.jump_id
ORDER BY j.tenant_id, j.jump_id
FOR NO KEY UPDATE OF j
";

pub(super) const REDEEM: &str = "
UPDATE jump
SET redeemed_at = item.at,
    redeem_attempt_id = item.attempt_id,
    -- Which password leaves, if one does: how a login with it went is told later.
    redeemed_secret_version = (
        SELECT u.secret_version
        FROM concenter_user AS u
        WHERE g.hands_over_secret
          AND u.tenant_id = jump.tenant_id
          AND u.user_id = jump.user_id
    )
-- Each joined by its whole key: one row or none.
FROM unnest($1::UUID[], $2::UUID[], $3::TEXT[], $4::UUID[], $5::BIGINT[])
    AS item (tenant_id, jump_id, target_id, attempt_id, at)
JOIN service AS s ON s.singleton = 1
JOIN tenant AS t ON t.tenant_id = item.tenant_id
JOIN target AS g ON g.target_id = item.target_id
JOIN product_provider AS p ON p.provider_id = g.provider_id
WHERE jump.tenant_id = item.tenant_id
  AND jump.jump_id = item.jump_id
  AND jump.target_id = item.target_id
  AND jump.redeemed_at IS NULL
  AND jump.revoked_at IS NULL
  AND jump.expires_at + $6 > item.at
  AND s.epoch = jump.epoch
  AND s.catalog_version = jump.catalog_version
  AND t.state = 'active'
  AND t.config_version = jump.config_version
  -- IS NOT DISTINCT FROM, not =: decided on no record, and there is still none.
  AND (
      jump.person_kind = 'broker'
      OR (
          SELECT c.jump_version
          FROM customer AS c
          WHERE c.tenant_id = jump.tenant_id
            AND c.customer_id = jump.person_id
      ) IS NOT DISTINCT FROM jump.customer_version
  )
  -- The versions say the same of the rest; a row that was changed from a shell says it only here.
  AND g.state = 'active'
  AND p.state = 'active'
  AND (
      SELECT u.kind
      FROM concenter_user AS u
      WHERE u.tenant_id = jump.tenant_id
        AND u.user_id = jump.user_id
        AND u.state = 'active'
        AND (u.kind = 'broker' OR u.reported_end_customer IS NOT FALSE)
        AND u.credential_suspect_since IS NULL
        AND u.sealed_secret IS NOT NULL
  ) = CASE jump.person_kind WHEN 'customer' THEN 'end_customer' ELSE 'broker' END
RETURNING jump.redeem_attempt_id
";

pub(super) const LOST_BECAUSE: &str = "
SELECT
    CASE
        WHEN j.jump_id IS NULL THEN 'unknown'
        WHEN j.redeemed_at IS NOT NULL THEN 'already_redeemed'
        WHEN j.expires_at + $6 <= item.at THEN 'expired'
        ELSE 'revoked'
    END AS because
FROM unnest($1::UUID[], $2::UUID[], $3::TEXT[], $4::UUID[], $5::BIGINT[]) WITH ORDINALITY
    AS item (tenant_id, jump_id, target_id, attempt_id, at, place)
LEFT JOIN jump AS j
    ON j.tenant_id = item.tenant_id
    AND j.jump_id = item.jump_id
    AND j.target_id = item.target_id
ORDER BY item.place
";

pub(super) const REVOKE_SESSIONS: &str = "
UPDATE jump
SET session_revoked_at = item.at
FROM unnest($1::UUID[], $2::UUID[], $3::TEXT[], $4::UUID[], $5::BIGINT[])
    AS item (tenant_id, jump_id, target_id, attempt_id, at)
WHERE jump.tenant_id = item.tenant_id
  AND jump.jump_id = item.jump_id
  AND jump.target_id = item.target_id
  AND jump.redeemed_at IS NOT NULL
  -- The first time counts.
  AND jump.session_revoked_at IS NULL
";

async fn redeem(tx: &mut PgConnection, works: &[&RedeemWork]) -> Step<Vec<RedeemOutcome>> {
    if works.is_empty() {
        return Ok(Vec::new());
    }
    let leeway = micros(CLOCK_LEEWAY);
    sqlx::query(HOLD_JUMPS)
        .bind(works.iter().map(|work| uuid(work.tenant.as_bytes())).collect::<Vec<_>>())
        .bind(works.iter().map(|work| uuid(work.attempt.jump_id.as_bytes())).collect::<Vec<_>>())
        .execute(&mut *tx)
        .await?;
    let rows = attempts(REDEEM, works).bind(leeway).fetch_all(&mut *tx).await?;
    let mut won = HashSet::with_capacity(rows.len());
    for row in &rows {
        won.insert(Cells::of(row, "jump").id("redeem_attempt_id", AttemptId::parse)?);
    }
    let mut outcomes: Vec<_> =
        works.iter().map(|work| won.remove(&work.attempt.attempt_id).then_some(RedeemOutcome::Redeemed)).collect();

    let lost = works.iter().zip(&outcomes).filter(|(_, outcome)| outcome.is_none());
    let lost: Vec<_> = lost.map(|(work, _)| *work).collect();
    if !lost.is_empty() {
        let rows = attempts(LOST_BECAUSE, &lost).bind(leeway).fetch_all(&mut *tx).await?;
        for (outcome, row) in outcomes.iter_mut().filter(|outcome| outcome.is_none()).zip(&rows) {
            *outcome = Some(match row.try_get("because")? {
                "unknown" => RedeemOutcome::Unknown,
                "already_redeemed" => RedeemOutcome::AlreadyRedeemed,
                "expired" => RedeemOutcome::Expired,
                _ => RedeemOutcome::Revoked,
            });
        }
        if outcomes.contains(&Some(RedeemOutcome::AlreadyRedeemed)) {
            attempts(REVOKE_SESSIONS, &lost).execute(tx).await?;
        }
    }
    Ok(outcomes.into_iter().map(|outcome| outcome.unwrap_or(RedeemOutcome::Unknown)).collect())
}

/// A statement about attempts: five arrays of their columns.
fn attempts<'w>(statement: &'static str, works: &[&'w RedeemWork]) -> Query<'w, Postgres, PgArguments> {
    sqlx::query(statement)
        .bind(works.iter().map(|work| uuid(work.tenant.as_bytes())).collect::<Vec<_>>())
        .bind(works.iter().map(|work| uuid(work.attempt.jump_id.as_bytes())).collect::<Vec<_>>())
        .bind(works.iter().map(|work| work.attempt.target_id.as_str()).collect::<Vec<_>>())
        .bind(works.iter().map(|work| uuid(work.attempt.attempt_id.as_bytes())).collect::<Vec<_>>())
        .bind(works.iter().map(|work| work.attempt.at.unix_micros()).collect::<Vec<_>>())
}

/// Looks which of the works are in the database.
pub(super) async fn look(
    tx: &mut PgConnection,
    records: &[&RecordWork],
    redeems: &[&RedeemWork],
    notes: &[&NoteWork],
) -> Step<Found> {
    let mut found = Found { records: HashSet::new(), redeems: HashSet::new(), notes: HashSet::new() };
    let recorded = sqlx::query(
        "
        SELECT j.tenant_id, j.jump_id
        FROM unnest($1::UUID[], $2::UUID[]) AS item (tenant_id, jump_id)
        JOIN jump AS j
            ON j.tenant_id = item.tenant_id
            AND j.jump_id = item.jump_id
        ",
    )
    .bind(records.iter().map(|work| uuid(work.tenant.as_bytes())).collect::<Vec<_>>())
    .bind(records.iter().map(|work| uuid(work.jump.jump_id.as_bytes())).collect::<Vec<_>>())
    .fetch_all(&mut *tx)
    .await?;
    for row in &recorded {
        let cells = Cells::of(row, "jump");
        found.records.insert((cells.id("tenant_id", TenantId::parse)?, cells.id("jump_id", JumpId::parse)?));
    }
    let redeemed = sqlx::query(
        "
        SELECT j.redeem_attempt_id
        FROM unnest($1::UUID[], $2::UUID[], $3::UUID[]) AS item (tenant_id, jump_id, attempt_id)
        JOIN jump AS j
            ON j.tenant_id = item.tenant_id
            AND j.jump_id = item.jump_id
            AND j.redeem_attempt_id = item.attempt_id
        ",
    )
    .bind(redeems.iter().map(|work| uuid(work.tenant.as_bytes())).collect::<Vec<_>>())
    .bind(redeems.iter().map(|work| uuid(work.attempt.jump_id.as_bytes())).collect::<Vec<_>>())
    .bind(redeems.iter().map(|work| uuid(work.attempt.attempt_id.as_bytes())).collect::<Vec<_>>())
    .fetch_all(&mut *tx)
    .await?;
    for row in &redeemed {
        found.redeems.insert(Cells::of(row, "jump").id("redeem_attempt_id", AttemptId::parse)?);
    }
    found.notes = audit::appended(tx, notes.iter().map(|work| (work.tenant(), work.audit_id()))).await?;
    Ok(found)
}

/// Jumps as `RECORD` reads them; members are named after the columns, but for the last two.
#[derive(Default)]
struct JumpColumns<'w> {
    tenant_id: Vec<Uuid>,
    jump_id: Vec<Uuid>,
    jti_hash: Vec<&'w [u8]>,
    handle_hash: Vec<Option<&'w [u8]>>,
    caller: Vec<&'w [u8]>,
    request_id: Vec<Uuid>,
    content: Vec<&'w [u8]>,
    person_kind: Vec<&'static str>,
    person_id: Vec<&'w str>,
    stated_segment: Vec<Option<&'static str>>,
    actor_role: Vec<Option<&'static str>>,
    actor_id: Vec<Option<&'w str>>,
    target_id: Vec<&'w str>,
    wanted_kind: Vec<Option<&'static str>>,
    activation_id: Vec<Option<Uuid>>,
    customer_context: Vec<Option<&'w str>>,
    line_of_business: Vec<Option<String>>,
    provider_id: Vec<Option<&'w str>>,
    context: Vec<Option<&'w str>>,
    nonce: Vec<Option<&'w str>>,
    return_url: Vec<Option<&'w str>>,
    user_id: Vec<Uuid>,
    way: Vec<&'static str>,
    segment: Vec<Option<&'static str>>,
    subject: Vec<&'w str>,
    actor_subject: Vec<Option<&'w str>>,
    issued_at: Vec<i64>,
    expires_at: Vec<i64>,
    epoch: Vec<i64>,
    config_version: Vec<i64>,
    customer_version: Vec<Option<i64>>,
    catalog_version: Vec<i64>,
    target_page: Vec<Option<&'w str>>,
    /// From which id on the jumps of the person count for its rate.
    counts_from: Vec<Uuid>,
    /// How many before it in the batch are of the same person.
    others: Vec<i64>,
}

impl<'w> JumpColumns<'w> {
    fn of(works: &[&'w RecordWork]) -> Self {
        let mut columns = Self::default();
        let mut seen: HashMap<_, i64> = HashMap::with_capacity(works.len());
        for work in works {
            let others = seen.entry(work.person()).or_default();
            columns.push(work, *others);
            *others += 1;
        }
        columns
    }

    fn push(&mut self, work: &'w RecordWork, others: i64) {
        let Jump { request, order, luggage, versions, .. } = &work.jump;
        let jump = &work.jump;
        let stated = match &order.person {
            Person::Customer { stated, .. } => *stated,
            Person::Broker(_) => None,
        };
        self.tenant_id.push(uuid(work.tenant.as_bytes()));
        self.jump_id.push(uuid(jump.jump_id.as_bytes()));
        self.jti_hash.push(&jump.jti_hash.0);
        self.handle_hash.push(jump.handle_hash.as_ref().map(|hash| hash.0.as_slice()));
        self.caller.push(&request.caller);
        self.request_id.push(uuid(request.request_id.as_bytes()));
        self.content.push(&request.content);
        self.person_kind.push(order.person.kind().code());
        self.person_id.push(order.person.id());
        self.stated_segment.push(stated.map(Code::code));
        self.actor_role.push(order.actor.as_ref().map(|actor| actor.role.code()));
        self.actor_id.push(order.actor.as_ref().map(|actor| actor.id.as_str()));
        self.target_id.push(order.target_id.as_str());
        self.wanted_kind.push(order.wanted.map(Code::code));
        self.activation_id.push(order.activation_id.map(|id| uuid(id.as_bytes())));
        self.customer_context.push(order.customer_context.as_ref().map(CustomerId::as_str));
        self.line_of_business.push(order.line_of_business.map(|line| line.to_string()));
        self.provider_id.push(order.provider_id.as_ref().map(ProviderId::as_str));
        self.context.push(luggage.context.as_ref().map(Context::as_str));
        self.nonce.push(luggage.nonce.as_ref().map(Nonce::as_str));
        self.return_url.push(luggage.return_url.as_ref().map(WebUrl::as_str));
        self.user_id.push(uuid(jump.user_id.as_bytes()));
        self.way.push(jump.way.code());
        self.segment.push(jump.segment.map(Code::code));
        self.subject.push(jump.subject.as_str());
        self.actor_subject.push(jump.actor_subject.as_ref().map(Subject::as_str));
        self.issued_at.push(jump.issued_at.unix_micros());
        self.expires_at.push(jump.expires_at.unix_micros());
        self.epoch.push(jump.epoch);
        self.config_version.push(versions.config);
        self.customer_version.push(versions.customer);
        self.catalog_version.push(versions.catalog);
        self.target_page.push(luggage.target_page.as_ref().map(TargetPage::as_str));
        self.counts_from.push(uuid(minute_before(jump.jump_id.made_at()).as_bytes()));
        self.others.push(others);
    }

    /// The statement with the columns bound to it, in their order.
    fn bound(self, statement: &'static str) -> Query<'w, Postgres, PgArguments> {
        sqlx::query(statement)
            .bind(self.tenant_id)
            .bind(self.jump_id)
            .bind(self.jti_hash)
            .bind(self.handle_hash)
            .bind(self.caller)
            .bind(self.request_id)
            .bind(self.content)
            .bind(self.person_kind)
            .bind(self.person_id)
            .bind(self.stated_segment)
            .bind(self.actor_role)
            .bind(self.actor_id)
            .bind(self.target_id)
            .bind(self.wanted_kind)
            .bind(self.activation_id)
            .bind(self.customer_context)
            .bind(self.line_of_business)
            .bind(self.provider_id)
            .bind(self.context)
            .bind(self.nonce)
            .bind(self.return_url)
            .bind(self.user_id)
            .bind(self.way)
            .bind(self.segment)
            .bind(self.subject)
            .bind(self.actor_subject)
            .bind(self.issued_at)
            .bind(self.expires_at)
            .bind(self.epoch)
            .bind(self.config_version)
            .bind(self.customer_version)
            .bind(self.catalog_version)
            .bind(self.target_page)
            .bind(self.counts_from)
            .bind(self.others)
    }
}
