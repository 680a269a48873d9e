//! Jumps: what deciding and redeeming read. What they write stands in [`super::hot`], what is told of them afterwards in
//! [`super::jump_history`].

use std::collections::HashSet;

use async_trait::async_trait;
use sqlx::sqlite::SqliteRow;
use sqlx::{Connection as _, Row as _, SqliteConnection};

use super::SqliteStore;
use super::audit::read_salts;
use super::catalog::target_of;
use super::error::{Failure, Step};
use super::hot::{RecordWork, RedeemWork, minute_before};
use super::jump_history;
pub(super) use super::jump_history::forget_customer;
use super::row::Cells;
use super::settings::settings_of;
use super::tenants::keys_of;
use super::users::scope_of;
use crate::domain::audit::AuditEntry;
use crate::domain::ids::{
    ActivationId, BrokerId, CustomerId, JumpId, LineOfBusiness, ProviderId, RequestId, SubjectId, TargetId, TenantId,
    UserId,
};
use crate::domain::jump::{
    Actor, Context, JUMPS_A_MINUTE, Jump, JumpFilter, JumpInputs, JumpMarks, JumpOrder, JumpQuery, JumpRecord,
    JumpSelection, JumpState, JumpVersions, Luggage, Nonce, Person, PersonKind, ProofHash, RecordOutcome,
    RedeemAttempt, RedeemInputs, RedeemOutcome, RedeemUser, RequestKey, RevokedCounts, Standing, Subject,
};
use crate::domain::page::{Page, PageRequest};
use crate::domain::provider::State;
use crate::domain::resolve::{
    Assignments, CandidateActivation, CandidateCustomer, CandidateTarget, CandidateUser, Candidates,
};
use crate::domain::target::{Target, WebUrl};
use crate::domain::text::UserName;
use crate::domain::time::Timestamp;
use crate::domain::user::SealedSecret;
use crate::store::codes::Code as _;
use crate::store::{Effect, JumpStore, Outcome, StoreError};

#[async_trait]
impl JumpStore for SqliteStore {
    async fn jump_inputs(&self, tenant: &TenantId, query: JumpQuery<'_>) -> Result<Option<JumpInputs>, StoreError> {
        let mut reader = self.readers().acquire().await.map_err(Failure::from)?;
        Ok(Question { tenant, query }.read(&mut reader).await?)
    }

    async fn record_jump(
        &self,
        tenant: &TenantId,
        jump: &Jump,
        audit: &AuditEntry,
    ) -> Result<RecordOutcome, StoreError> {
        self.writer()?.record(RecordWork::new(tenant, jump, audit)?).await
    }

    async fn redeem_inputs(
        &self,
        tenant: &TenantId,
        proof: &ProofHash,
        now: Timestamp,
    ) -> Result<Option<RedeemInputs>, StoreError> {
        let row = sqlx::query(REDEEM_INPUTS)
            .bind(tenant.to_string())
            .bind(proof.0.as_slice())
            .fetch_optional(self.readers())
            .await
            .map_err(Failure::from)?;
        Ok(row.as_ref().map(|row| redeem_inputs_of(row, now)).transpose()?)
    }

    async fn redeem_jump(
        &self,
        tenant: &TenantId,
        attempt: &RedeemAttempt,
        audit: &AuditEntry,
    ) -> Result<RedeemOutcome, StoreError> {
        self.writer()?.redeem(RedeemWork::new(tenant, attempt, audit)?).await
    }

    async fn get_jump(
        &self,
        tenant: &TenantId,
        jump: &JumpId,
        now: Timestamp,
    ) -> Result<Option<JumpRecord>, StoreError> {
        Ok(jump_history::get(self.readers(), tenant, jump, now).await?)
    }

    async fn list_jumps(
        &self,
        tenant: &TenantId,
        filter: &JumpFilter,
        page: &PageRequest,
        now: Timestamp,
    ) -> Result<Page<JumpRecord>, StoreError> {
        Ok(jump_history::list(self.readers(), tenant, filter, page, now).await?)
    }

    async fn revoke_jumps(
        &self,
        tenant: &TenantId,
        effect: &Effect,
        selection: &JumpSelection,
    ) -> Result<Outcome<RevokedCounts>, StoreError> {
        jump_history::revoke(self, tenant, effect, selection).await
    }
}

/// What is asked before a decision, and of which tenant.
struct Question<'q> {
    tenant: &'q TenantId,
    query: JumpQuery<'q>,
}

/// Everything of one row each: tenant, settings, service, target, providers, return URL, how crowded it is.
pub(super) const FRAME: &str = "
SELECT
    t.state AS tenant_state,
    t.config_version,
    t.kek_id,
    t.dek_version,
    t.wrapped_dek,
    t.sealed_mac_key,
    x.jump_life,
    x.customer_idle,
    x.customer_absolute,
    x.broker_idle,
    x.broker_absolute,
    x.import_change_limit,
    x.default_mvp_user,
    x.version AS settings_version,
    s.epoch,
    s.catalog_version,
    g.target_id,
    g.provider_id,
    g.kind,
    g.display_name,
    g.state,
    g.url,
    g.delivery,
    g.accepts_brokers,
    g.accepts_customers,
    g.lines,
    g.hands_over_secret,
    g.nonce_required,
    g.version,
    p.state AS provider_state,
    n.state AS named_state,
    ?4 IS NULL OR EXISTS (
        SELECT 1
        FROM return_url AS r
        WHERE r.url = ?4
          AND r.state = 'active'
    ) AS return_url_allowed,
    EXISTS (
        SELECT 1
        FROM request_log AS l
        WHERE l.tenant_id = ?1
          AND l.caller = ?5
          AND l.request_id = ?6
    ) AS had_other_effect,
    -- The first of as many jumps of the person as a minute takes, if all of them are from the last one.
    (
        SELECT j.jump_id
        FROM jump AS j
        WHERE j.tenant_id = ?1
          AND j.person_kind = ?7
          AND j.person_id = ?8
          AND j.jump_id >= ?9
        ORDER BY j.jump_id DESC
        LIMIT 1
        OFFSET ?10 - 1
    ) AS crowding_jump_id
FROM tenant AS t
CROSS JOIN service AS s ON s.singleton = 1
LEFT JOIN tenant_settings AS x ON x.tenant_id = t.tenant_id
LEFT JOIN target AS g ON g.target_id = ?2
LEFT JOIN product_provider AS p ON p.provider_id = g.provider_id
LEFT JOIN product_provider AS n ON n.provider_id = ?3
WHERE t.tenant_id = ?1
  AND t.deleted_at IS NULL
";

/// All activations of the broker with their users, at most [`crate::store::MOST_ACTIVATIONS_OF_BROKER`]: leaving one out could
/// choose silently.
pub(super) const OF_BROKER: &str = "
SELECT
    a.activation_id,
    a.state AS activation_state,
    u.user_id,
    u.kind,
    u.state,
    u.providers,
    u.reported_end_customer,
    u.sealed_secret IS NOT NULL AS has_secret
FROM activation_broker AS b
CROSS JOIN broker_activation AS a
    ON a.tenant_id = b.tenant_id
    AND a.activation_id = b.activation_id
CROSS JOIN concenter_user AS u
    ON u.tenant_id = a.tenant_id
    AND u.user_id = a.user_id
WHERE b.tenant_id = ?1
  AND b.broker_id = ?2
";

/// The tenant's shared users, and the customer's record if there is one.
pub(super) const OF_CUSTOMER: &str = "
SELECT
    a.private_user_id,
    a.commercial_user_id,
    a.commercial_falls_back,
    c.segment,
    c.user_id,
    c.jump_version
FROM customer_access AS a
LEFT JOIN customer AS c
    ON c.tenant_id = a.tenant_id
    AND c.customer_id = ?2
WHERE a.tenant_id = ?1
";

pub(super) const USERS_OF_CUSTOMER: &str = "
SELECT
    u.user_id,
    u.kind,
    u.state,
    u.providers,
    u.reported_end_customer,
    u.sealed_secret IS NOT NULL AS has_secret
FROM concenter_user AS u
WHERE u.tenant_id = ?1
  AND u.user_id IN (?2, ?3, ?4)
";

pub(super) const EARLIER: &str = "
SELECT
    jump.*,
    (
        SELECT c.jump_version
        FROM customer AS c
        WHERE jump.person_kind = 'customer'
          AND c.tenant_id = jump.tenant_id
          AND c.customer_id = jump.person_id
    ) AS current_customer_version
FROM jump
WHERE jump.tenant_id = ?1
  AND jump.caller = ?2
  AND jump.request_id = ?3
  -- Not one that has forgotten its customer.
  AND jump.person_id <> ''
";

pub(super) const REDEEM_INPUTS: &str = "
SELECT
    jump.*,
    t.state AS tenant_state,
    t.config_version AS current_config_version,
    t.kek_id,
    t.dek_version,
    t.wrapped_dek,
    t.sealed_mac_key,
    x.jump_life,
    x.customer_idle,
    x.customer_absolute,
    x.broker_idle,
    x.broker_absolute,
    x.import_change_limit,
    x.default_mvp_user,
    x.version AS settings_version,
    s.epoch AS current_epoch,
    s.catalog_version AS current_catalog_version,
    (
        SELECT c.jump_version
        FROM customer AS c
        WHERE jump.person_kind = 'customer'
          AND c.tenant_id = jump.tenant_id
          AND c.customer_id = jump.person_id
    ) AS current_customer_version,
    u.user_name,
    u.kind AS user_kind,
    u.providers,
    u.sealed_secret,
    u.secret_version,
    g.hands_over_secret
FROM jump
CROSS JOIN service AS s ON s.singleton = 1
CROSS JOIN tenant AS t ON t.tenant_id = jump.tenant_id
CROSS JOIN target AS g ON g.target_id = jump.target_id
LEFT JOIN tenant_settings AS x ON x.tenant_id = jump.tenant_id
LEFT JOIN concenter_user AS u
    ON u.tenant_id = jump.tenant_id
    AND u.user_id = jump.user_id
WHERE jump.tenant_id = ?1
  -- Not one that has forgotten its customer.
  AND jump.person_id <> ''
  -- Not jti_hash = .. OR handle_hash = ..: that would walk through all jumps of the tenant.
  AND jump.jump_id IN (
      SELECT j.jump_id
      FROM jump AS j
      WHERE j.tenant_id = ?1
        AND j.jti_hash = ?2
      UNION ALL
      SELECT j.jump_id
      FROM jump AS j
      WHERE j.tenant_id = ?1
        AND j.handle_hash = ?2
  )
";

impl Question<'_> {
    async fn read(&self, reader: &mut SqliteConnection) -> Step<Option<JumpInputs>> {
        let mut snapshot = reader.begin().await?;
        let Some(frame) = self.frame(&mut snapshot).await? else {
            return Ok(None);
        };
        let (assignments, users, customer_version) = match &self.query.order.person {
            Person::Broker(broker) => self.of_broker(&mut snapshot, broker).await?,
            Person::Customer { customer_id, .. } => self.of_customer(&mut snapshot, customer_id).await?,
        };
        let cells = Cells::of(&frame, "tenant");
        let standing = Standing {
            tenant: cells.code("tenant_state")?,
            epoch: cells.plain("epoch")?,
            versions: JumpVersions {
                config: cells.plain("config_version")?,
                customer: customer_version,
                catalog: cells.plain("catalog_version")?,
            },
        };
        let earlier = match self.query.request {
            None => None,
            Some(request) => self.earlier(&mut snapshot, request, &standing).await?,
        };
        let salts = if self.query.people.is_empty() {
            Vec::new()
        } else {
            let people = self.query.people.iter();
            read_salts(&mut *snapshot, self.tenant, people).await?
        };
        snapshot.rollback().await?;
        let crowding = Cells::of(&frame, "jump").parsed_or_null("crowding_jump_id", JumpId::parse)?;
        let target = target_of_frame(&frame)?;
        let provider_state = cells.code_or_null("provider_state")?;
        let candidates = Candidates {
            tenant: standing.tenant,
            target: target.as_ref().zip(provider_state).map(|(target, state)| candidate_of(target, state)),
            named_provider: cells.code_or_null("named_state")?,
            assignments,
            users,
        };
        Ok(Some(JumpInputs {
            candidates,
            target,
            versions: standing.versions,
            epoch: standing.epoch,
            keys: keys_of(cells)?,
            return_url_allowed: cells.plain("return_url_allowed")?,
            earlier,
            had_other_effect: cells.plain("had_other_effect")?,
            crowded_since: crowding.map(|jump| jump.made_at()),
            settings: settings_of(Cells::of(&frame, "tenant_settings"))?,
            salts,
        }))
    }

    async fn frame(&self, snapshot: &mut SqliteConnection) -> Step<Option<SqliteRow>> {
        let frame = sqlx::query(FRAME)
            .bind(self.tenant.to_string())
            .bind(self.query.order.target_id.as_str())
            .bind(self.query.order.provider_id.as_ref().map(ProviderId::as_str))
            .bind(self.query.return_url.map(WebUrl::as_str))
            .bind(self.query.request.map(|request| request.caller.as_slice()))
            .bind(self.query.request.map(|request| request.request_id.to_string()))
            .bind(self.query.order.person.kind().code())
            .bind(self.query.order.person.id())
            .bind(minute_before(self.query.now).to_string())
            .bind(JUMPS_A_MINUTE)
            .fetch_optional(snapshot)
            .await?;
        Ok(frame)
    }

    async fn of_broker(&self, snapshot: &mut SqliteConnection, broker: &BrokerId) -> Step<Found> {
        let rows =
            sqlx::query(OF_BROKER).bind(self.tenant.to_string()).bind(broker.as_str()).fetch_all(snapshot).await?;
        let mut activations = Vec::with_capacity(rows.len());
        let mut users = Vec::new();
        let mut seen = HashSet::new();
        for row in &rows {
            let cells = Cells::of(row, "broker_activation");
            let user = user_of(row)?;
            activations.push(CandidateActivation {
                activation_id: cells.parsed("activation_id", ActivationId::parse)?,
                user_id: user.user_id,
                state: cells.code("activation_state")?,
            });
            if seen.insert(user.user_id) {
                users.push(user);
            }
        }
        Ok((Assignments::Broker(activations), users, None))
    }

    async fn of_customer(&self, snapshot: &mut SqliteConnection, customer: &CustomerId) -> Step<Found> {
        // Every tenant is made with its row.
        let row = sqlx::query(OF_CUSTOMER)
            .bind(self.tenant.to_string())
            .bind(customer.as_str())
            .fetch_optional(&mut *snapshot)
            .await?
            .ok_or(Failure(StoreError::Corrupt { table: "customer_access" }))?;
        let cells = Cells::of(&row, "customer");
        let own_user = cells.parsed_or_null("user_id", UserId::parse)?;
        let private_user = cells.parsed_or_null("private_user_id", UserId::parse)?;
        let commercial_user = cells.parsed_or_null("commercial_user_id", UserId::parse)?;
        let segment = cells.code_or_null("segment")?;
        let users = sqlx::query(USERS_OF_CUSTOMER)
            .bind(self.tenant.to_string())
            .bind(own_user.map(|user| user.to_string()))
            .bind(private_user.map(|user| user.to_string()))
            .bind(commercial_user.map(|user| user.to_string()))
            .fetch_all(snapshot)
            .await?;
        let assignments = Assignments::Customer {
            record: segment.map(|segment| CandidateCustomer {
                customer_id: customer.clone(),
                segment,
                user_id: own_user,
            }),
            private_user,
            commercial_user,
            commercial_falls_back: cells.plain("commercial_falls_back")?,
        };
        let users = users.iter().map(user_of).collect::<Step<_>>()?;
        Ok((assignments, users, cells.plain("jump_version")?))
    }

    async fn earlier(
        &self,
        snapshot: &mut SqliteConnection,
        request: &RequestKey,
        standing: &Standing,
    ) -> Step<Option<(Jump, JumpState)>> {
        let row = sqlx::query(EARLIER)
            .bind(self.tenant.to_string())
            .bind(request.caller.as_slice())
            .bind(request.request_id.to_string())
            .fetch_optional(snapshot)
            .await?;
        let Some(row) = &row else {
            return Ok(None);
        };
        // Its person may be another than this order's: then the request id was used for something else.
        let customer = row.try_get("current_customer_version")?;
        let standing = Standing { versions: JumpVersions { customer, ..standing.versions }, ..*standing };
        Ok(Some(jump_of(row, &standing, self.query.now)?))
    }
}

/// What could lead to a user, every user that it names, and the version of the customer's record.
type Found = (Assignments, Vec<CandidateUser>, Option<i64>);

fn target_of_frame(frame: &SqliteRow) -> Step<Option<Target>> {
    let is_there: Option<&str> = Cells::of(frame, "target").plain("target_id")?;
    is_there.map(|_| target_of(frame)).transpose()
}

fn candidate_of(target: &Target, provider_state: State) -> CandidateTarget {
    CandidateTarget {
        kind: target.kind,
        state: target.state,
        provider_id: target.provider_id.clone(),
        provider_state,
        accepts: target.accepts,
        lines: target.lines.clone(),
    }
}

fn user_of(row: &SqliteRow) -> Step<CandidateUser> {
    let cells = Cells::of(row, "concenter_user");
    Ok(CandidateUser {
        user_id: cells.parsed("user_id", UserId::parse)?,
        kind: cells.code("kind")?,
        state: cells.code("state")?,
        has_secret: cells.plain("has_secret")?,
        scope: scope_of(cells)?,
        reported_end_customer: cells.plain("reported_end_customer")?,
    })
}

fn redeem_inputs_of(row: &SqliteRow, now: Timestamp) -> Step<RedeemInputs> {
    let cells = Cells::of(row, "jump");
    let standing = Standing {
        tenant: cells.code("tenant_state")?,
        epoch: cells.plain("current_epoch")?,
        versions: JumpVersions {
            config: cells.plain("current_config_version")?,
            customer: cells.plain("current_customer_version")?,
            catalog: cells.plain("current_catalog_version")?,
        },
    };
    let (jump, state) = jump_of(row, &standing, now)?;
    let user = redeem_user_of(row)?;
    // Deleting a user revokes what was decided on it: whoever finds it otherwise must not redeem.
    if user.is_none() && state == JumpState::Issued {
        return Err(cells.corrupt());
    }
    Ok(RedeemInputs {
        jump,
        state,
        user,
        settings: settings_of(Cells::of(row, "tenant_settings"))?,
        hands_over_secret: Cells::of(row, "target").plain("hands_over_secret")?,
        keys: keys_of(Cells::of(row, "tenant"))?,
    })
}

fn redeem_user_of(row: &SqliteRow) -> Step<Option<RedeemUser>> {
    let cells = Cells::of(row, "concenter_user");
    let Some(name) = cells.parsed_or_null("user_name", UserName::parse)? else {
        return Ok(None);
    };
    let sealed: Option<Vec<u8>> = cells.plain("sealed_secret")?;
    let secret_version = cells.plain("secret_version")?;
    Ok(Some(RedeemUser {
        name,
        kind: cells.code("user_kind")?,
        scope: scope_of(cells)?,
        secret: sealed.map(|sealed| (SealedSecret(sealed), secret_version)),
    }))
}

/// Reads a jump and what became of it.
fn jump_of(row: &SqliteRow, standing: &Standing, now: Timestamp) -> Step<(Jump, JumpState)> {
    let cells = Cells::of(row, "jump");
    let jump = Jump {
        jump_id: cells.parsed("jump_id", JumpId::parse)?,
        jti_hash: ProofHash(cells.bytes32("jti_hash")?),
        handle_hash: cells.bytes32_or_null("handle_hash")?.map(ProofHash),
        request: RequestKey {
            caller: cells.bytes32("caller")?,
            request_id: cells.parsed("request_id", RequestId::parse)?,
            content: cells.bytes32("content")?,
        },
        order: order_of(cells)?,
        luggage: Luggage {
            context: cells.parsed_or_null("context", Context::parse)?,
            nonce: cells.parsed_or_null("nonce", Nonce::parse)?,
            return_url: cells.parsed_or_null("return_url", WebUrl::parse)?,
        },
        user_id: cells.parsed("user_id", UserId::parse)?,
        way: cells.code("way")?,
        segment: cells.code_or_null("segment")?,
        subject: Subject::from_computed(cells.plain("subject")?),
        actor_subject: cells.plain::<Option<String>>("actor_subject")?.map(Subject::from_computed),
        issued_at: cells.instant("issued_at")?,
        expires_at: cells.instant("expires_at")?,
        epoch: cells.plain("epoch")?,
        versions: JumpVersions {
            config: cells.plain("config_version")?,
            customer: cells.plain("customer_version")?,
            catalog: cells.plain("catalog_version")?,
        },
    };
    let marks = JumpMarks {
        redeemed_at: cells.instant_or_null("redeemed_at")?,
        revoked_at: cells.instant_or_null("revoked_at")?,
    };
    let state = JumpState::of(&jump, marks, standing, now);
    Ok((jump, state))
}

fn order_of(cells: Cells<'_>) -> Step<JumpOrder> {
    let person = match cells.code("person_kind")? {
        PersonKind::Broker => Person::Broker(cells.parsed("person_id", BrokerId::parse)?),
        PersonKind::Customer => Person::Customer {
            customer_id: cells.parsed("person_id", CustomerId::parse)?,
            stated: cells.code_or_null("stated_segment")?,
        },
    };
    Ok(JumpOrder {
        person,
        actor: actor_of(cells)?,
        target_id: cells.parsed("target_id", TargetId::parse)?,
        wanted: cells.code_or_null("wanted_kind")?,
        activation_id: cells.parsed_or_null("activation_id", ActivationId::parse)?,
        customer_context: cells.parsed_or_null("customer_context", CustomerId::parse)?,
        line_of_business: cells.parsed_or_null("line_of_business", LineOfBusiness::parse)?,
        provider_id: cells.parsed_or_null("provider_id", ProviderId::parse)?,
    })
}

/// Reads the human at the screen.
pub(super) fn actor_of(cells: Cells<'_>) -> Step<Option<Actor>> {
    match cells.parsed_or_null("actor_id", SubjectId::parse)? {
        None => Ok(None),
        Some(id) => Ok(Some(Actor { id, role: cells.code("actor_role")? })),
    }
}
