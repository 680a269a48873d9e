//! Jumps: what deciding and redeeming read. What they write stands in [`super::hot`], what comes behind the redeem in
//! [`super::results`], what is told of them afterwards in [`super::jump_history`].

use async_trait::async_trait;
use sqlx::postgres::PgRow;

use super::PostgresStore;
use super::error::{Gone, Step};
use super::hot::{RecordWork, RedeemWork};
use super::jump_history;
pub(super) use super::jump_history::forget_customer;
use super::results;
use super::row::Cells;
use super::session::Rows;
use super::settings::settings_of;
use super::tenants::keys_of;
use super::users::scope_of;
use crate::domain::audit::AuditEntry;
use crate::domain::ids::{
    ActivationId, BrokerId, CustomerId, JumpId, LineOfBusiness, ProviderId, RequestId, SubjectId, TargetId, TenantId,
    UserId,
};
use crate::domain::jump::{
    Actor, Context, Jump, JumpFilter, JumpInputs, JumpMarks, JumpOrder, JumpQuery, JumpRecord, JumpSelection,
    JumpState, JumpVersions, LoginReport, Luggage, Nonce, Person, PersonInputs, PersonKind, PersonQuery, ProofHash,
    RecordOutcome, RedeemAttempt, RedeemInputs, RedeemOutcome, RedeemQuery, RedeemUser, RequestKey, RevokedCounts,
    Session, Standing, Subject, TargetPage,
};
use crate::domain::page::{Page, PageRequest};
use crate::domain::target::WebUrl;
use crate::domain::text::UserName;
use crate::domain::time::Timestamp;
use crate::domain::user::SealedSecret;
use crate::store::{Effect, JumpStore, Outcome, StoreError};

#[async_trait]
impl JumpStore for PostgresStore {
    async fn jump_inputs(&self, tenant: &TenantId, query: JumpQuery<'_>) -> Result<Option<JumpInputs>, StoreError> {
        self.unless_silent(self.reader().jump_inputs(tenant, query)).await
    }

    async fn person_inputs(
        &self,
        tenant: &TenantId,
        query: PersonQuery<'_>,
    ) -> Result<Option<PersonInputs>, StoreError> {
        self.unless_silent(self.reader().person_inputs(tenant, query)).await
    }

    async fn record_jump(
        &self,
        tenant: &TenantId,
        jump: &Jump,
        audit: &AuditEntry,
    ) -> Result<RecordOutcome, StoreError> {
        self.writer()?.record(RecordWork::new(tenant, jump, audit)).await
    }

    async fn redeem_inputs(
        &self,
        tenant: &TenantId,
        query: RedeemQuery<'_>,
    ) -> Result<Option<RedeemInputs>, StoreError> {
        self.unless_silent(self.reader().redeem_inputs(tenant, query)).await
    }

    async fn redeem_jump(
        &self,
        tenant: &TenantId,
        attempt: &RedeemAttempt,
        audit: &AuditEntry,
    ) -> Result<RedeemOutcome, StoreError> {
        self.writer()?.redeem(RedeemWork::new(tenant, attempt, audit)).await
    }

    async fn get_session(
        &self,
        tenant: &TenantId,
        jump: &JumpId,
        target: &TargetId,
    ) -> Result<Option<Session>, StoreError> {
        let (tenant, jump, target) = (*tenant, *jump, target.clone());
        self.read(Rows::of(&tenant), move |tx| {
            Box::pin(async move { results::get_session(tx, &tenant, &jump, &target).await })
        })
        .await
    }

    async fn report_result(
        &self,
        tenant: &TenantId,
        effect: &Effect,
        report: &LoginReport,
    ) -> Result<Outcome<Option<UserId>>, StoreError> {
        results::report(self, tenant, effect, report).await
    }

    async fn get_jump(
        &self,
        tenant: &TenantId,
        jump: &JumpId,
        now: Timestamp,
    ) -> Result<Option<JumpRecord>, StoreError> {
        let (tenant, jump) = (*tenant, *jump);
        self.read(Rows::of(&tenant), move |tx| {
            Box::pin(async move { jump_history::get(tx, &tenant, &jump, now).await })
        })
        .await
    }

    async fn list_jumps(
        &self,
        tenant: &TenantId,
        filter: &JumpFilter,
        page: &PageRequest,
        now: Timestamp,
    ) -> Result<Page<JumpRecord>, StoreError> {
        let (tenant, filter, page) = (*tenant, filter.clone(), page.clone());
        self.read(Rows::of(&tenant), move |tx| {
            Box::pin(async move { jump_history::list(tx, &tenant, &filter, &page, now).await })
        })
        .await
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

impl PostgresStore {
    /// Waits for an answer, but no longer than the database answers at all.
    async fn unless_silent<T>(&self, answer: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
        if self.pulse().is_silent() {
            return Err(Gone::Silent.into());
        }
        tokio::select! {
            answer = answer => answer,
            () = self.pulse().falls_silent() => Err(Gone::Silent.into()),
        }
    }
}

/// What a row of [`super::questions::REDEEM_INPUTS`] tells, but for the salts.
pub(super) fn redeem_inputs_of(row: &PgRow, now: Timestamp) -> Step<RedeemInputs> {
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
        salts: Vec::new(),
    })
}

fn redeem_user_of(row: &PgRow) -> Step<Option<RedeemUser>> {
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
pub(super) fn jump_of(row: &PgRow, standing: &Standing, now: Timestamp) -> Step<(Jump, JumpState)> {
    let cells = Cells::of(row, "jump");
    let jump = Jump {
        jump_id: cells.id("jump_id", JumpId::parse)?,
        jti_hash: ProofHash(cells.bytes32("jti_hash")?),
        handle_hash: cells.bytes32_or_null("handle_hash")?.map(ProofHash),
        request: RequestKey {
            caller: cells.bytes32("caller")?,
            request_id: cells.id("request_id", RequestId::parse)?,
            content: cells.bytes32("content")?,
        },
        order: order_of(cells)?,
        luggage: Luggage {
            context: cells.parsed_or_null("context", Context::parse)?,
            nonce: cells.parsed_or_null("nonce", Nonce::parse)?,
            return_url: cells.parsed_or_null("return_url", WebUrl::parse_known)?,
            target_page: cells.parsed_or_null("target_page", TargetPage::parse)?,
        },
        user_id: cells.id("user_id", UserId::parse)?,
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
        activation_id: cells.id_or_null("activation_id", ActivationId::parse)?,
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
