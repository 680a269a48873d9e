//! Con:center users.
//!
//! What keeps a user from changing its kind is a foreign key of whoever depends on it; the checks here come first and
//! name the dependents.

use async_trait::async_trait;
use sqlx::sqlite::SqliteRow;
use sqlx::{SqliteConnection, SqliteExecutor};

use super::SqliteStore;
use super::error::{Failure, Step};
use super::notices;
use super::requests::{Changed, Stop, unreadable_resource};
use super::row::{Cells, page_of, rows_to_ask};
use super::versions::{check_etag, move_config, tenant_exists};
use super::{activations, customers};
use crate::domain::error::{Reason, Refusal, Related, Version};
use crate::domain::ids::{AuditId, ProviderId, SubjectId, TenantId, UserId};
use crate::domain::page::{Page, PageRequest};
use crate::domain::provider::{ProviderList, ProviderScope, State};
use crate::domain::text::{EmailAddress, Line, UserName};
use crate::domain::time::Timestamp;
use crate::domain::user::{
    ConcenterUser, EndCustomerChange, EndCustomerMark, LoginHealth, NewUser, Report, ReportSource, SecretChange,
    SecretState, UserChange, UserKind,
};
use crate::store::codes::{Code as _, NoticeCause};
use crate::store::{Effect, MOST_USERS, Outcome, StandardMoved, StoreError, UserStore};

#[async_trait]
impl UserStore for SqliteStore {
    async fn create_user(
        &self,
        tenant: &TenantId,
        effect: &Effect,
        new: &NewUser,
    ) -> Result<Outcome<ConcenterUser>, StoreError> {
        let (tenant, new, by) = (*tenant, new.clone(), effect.by.clone());
        self.change(
            tenant,
            effect,
            move |tx, at| Box::pin(async move { create(tx, at, &tenant, &new, &by).await }),
            move |tx, resource| Box::pin(load_resource(tx, tenant, resource)),
        )
        .await
    }

    async fn get_user(&self, tenant: &TenantId, user: &UserId) -> Result<Option<ConcenterUser>, StoreError> {
        Ok(load(self.readers(), tenant, user).await?)
    }

    async fn list_users(&self, tenant: &TenantId, page: &PageRequest) -> Result<Page<ConcenterUser>, StoreError> {
        let rows = sqlx::query(
            "
            SELECT
                user_id, user_name, kind, state, providers, display_name, notification_email,
                reported_end_customer, reported_at, reported_source, reported_by, end_customer_at, end_customer_by,
                last_login_succeeded_at, last_login_failed_at, credential_suspect_since,
                secret_version, secret_set_at, created_at, updated_at, version
            FROM concenter_user
            WHERE tenant_id = ?1
              AND user_id > ?2
            ORDER BY user_id
            LIMIT ?3
            ",
        )
        .bind(tenant.to_string())
        .bind(page.after.as_deref().unwrap_or_default())
        .bind(rows_to_ask(page))
        .fetch_all(self.readers())
        .await
        .map_err(Failure::from)?;
        let users = rows.iter().map(user_of).collect::<Step<Vec<_>>>()?;
        Ok(page_of(users, page, |user| user.user_id.to_string()))
    }

    async fn update_user(
        &self,
        tenant: &TenantId,
        effect: &Effect,
        user: &UserId,
        version: Version,
        change: &UserChange,
    ) -> Result<Outcome<ConcenterUser>, StoreError> {
        let (tenant, user, change) = (*tenant, *user, change.clone());
        self.change(
            tenant,
            effect,
            move |tx, at| {
                Box::pin(async move {
                    let current = load_known(tx, &tenant, &user, version).await?;
                    update(tx, at, &tenant, &current, change).await
                })
            },
            move |tx, resource| Box::pin(load_resource(tx, tenant, resource)),
        )
        .await
    }

    async fn set_user_secret(
        &self,
        tenant: &TenantId,
        effect: &Effect,
        user: &UserId,
        version: Version,
        change: &SecretChange,
    ) -> Result<Outcome<ConcenterUser>, StoreError> {
        let (tenant, user, change) = (*tenant, *user, change.clone());
        self.change(
            tenant,
            effect,
            move |tx, at| {
                Box::pin(async move {
                    let current = load_known(tx, &tenant, &user, version).await?;
                    set_secret(tx, at, &tenant, &current, &change).await
                })
            },
            move |tx, resource| Box::pin(load_resource(tx, tenant, resource)),
        )
        .await
    }

    async fn set_standard_user(
        &self,
        tenant: &TenantId,
        effect: &Effect,
        user: &UserId,
        version: Version,
    ) -> Result<Outcome<StandardMoved>, StoreError> {
        let (tenant, user) = (*tenant, *user);
        self.change(
            tenant,
            effect,
            move |tx, at| {
                Box::pin(async move {
                    let current = load_known(tx, &tenant, &user, version).await?;
                    move_standard(tx, at, &tenant, &current).await
                })
            },
            move |tx, resource| Box::pin(load_moved(tx, tenant, resource)),
        )
        .await
    }

    async fn set_end_customer(
        &self,
        tenant: &TenantId,
        effect: &Effect,
        user: &UserId,
        version: Version,
        change: &EndCustomerChange,
    ) -> Result<Outcome<ConcenterUser>, StoreError> {
        let (tenant, user, change, author) = (*tenant, *user, change.clone(), Author::of(effect));
        self.change(
            tenant,
            effect,
            move |tx, _| {
                Box::pin(async move {
                    let current = load_known(tx, &tenant, &user, version).await?;
                    set_end_customer(tx, &author, &tenant, &current, change).await
                })
            },
            move |tx, resource| Box::pin(load_resource(tx, tenant, resource)),
        )
        .await
    }

    async fn attest_end_customer(
        &self,
        tenant: &TenantId,
        effect: &Effect,
        user: &UserId,
        version: Version,
        reported: Option<bool>,
    ) -> Result<Outcome<ConcenterUser>, StoreError> {
        let (tenant, user, author) = (*tenant, *user, Author::of(effect));
        self.change(
            tenant,
            effect,
            move |tx, _| {
                Box::pin(async move {
                    let current = load_known(tx, &tenant, &user, version).await?;
                    attest(tx, &author, &tenant, &current, reported).await
                })
            },
            move |tx, resource| Box::pin(load_resource(tx, tenant, resource)),
        )
        .await
    }

    async fn set_user_state(
        &self,
        tenant: &TenantId,
        effect: &Effect,
        user: &UserId,
        version: Version,
        state: State,
    ) -> Result<Outcome<ConcenterUser>, StoreError> {
        let (tenant, user) = (*tenant, *user);
        self.change(
            tenant,
            effect,
            move |tx, at| {
                Box::pin(async move {
                    let current = load_known(tx, &tenant, &user, version).await?;
                    set_state(tx, at, &tenant, &current, state).await
                })
            },
            move |tx, resource| Box::pin(load_resource(tx, tenant, resource)),
        )
        .await
    }

    async fn delete_user(
        &self,
        tenant: &TenantId,
        effect: &Effect,
        user: &UserId,
        version: Version,
    ) -> Result<Outcome<()>, StoreError> {
        let (tenant, user) = (*tenant, *user);
        self.change(
            tenant,
            effect,
            move |tx, _| {
                Box::pin(async move {
                    let current = load_known(tx, &tenant, &user, version).await?;
                    delete(tx, &tenant, &current).await
                })
            },
            |_, _| Box::pin(async { Ok(Some(())) }),
        )
        .await
    }
}

/// Who does something to a user, when, and the audit row that tells of it.
#[derive(Clone)]
struct Author {
    at: Timestamp,
    by: SubjectId,
    audit_id: AuditId,
}

impl Author {
    fn of(effect: &Effect) -> Self {
        Self { at: effect.at, by: effect.by.clone(), audit_id: effect.audit.audit_id }
    }
}

/// What depends on a user: at least the first [`RELATED_SHOWN`](crate::domain::error::RELATED_SHOWN), and how much it is
/// in all.
#[derive(Default)]
pub(super) struct Dependents {
    pub(super) shown: Vec<Related>,
    pub(super) total: u64,
}

impl Dependents {
    /// The dependents of several kinds, in their order.
    fn joined(kinds: impl IntoIterator<Item = Self>) -> Self {
        kinds.into_iter().fold(Self::default(), |mut all, kind| {
            all.shown.extend(kind.shown);
            all.total = all.total.saturating_add(kind.total);
            all
        })
    }

    /// Refuses for `reason`, with what depends on the user, if there is anything.
    pub(super) fn refuse(self, reason: Reason) -> Result<(), Refusal> {
        if self.total == 0 { Ok(()) } else { Err(Refusal::with_related(reason, self.shown, self.total)) }
    }
}

/// Reads a user from a row that has its columns under their names.
pub(super) fn user_of(row: &SqliteRow) -> Step<ConcenterUser> {
    let cells = Cells::of(row, "concenter_user");
    Ok(ConcenterUser {
        user_id: cells.parsed("user_id", UserId::parse)?,
        name: cells.parsed("user_name", UserName::parse)?,
        kind: cells.code("kind")?,
        state: cells.code("state")?,
        scope: scope_of(cells)?,
        display_name: cells.parsed_or_null("display_name", Line::parse)?,
        notification_email: cells.parsed_or_null("notification_email", EmailAddress::parse)?,
        reported_end_customer: cells.plain("reported_end_customer")?,
        report: report_of(cells)?,
        end_customer_mark: mark_of(cells)?,
        logins: LoginHealth {
            last_succeeded_at: cells.instant_or_null("last_login_succeeded_at")?,
            last_failed_at: cells.instant_or_null("last_login_failed_at")?,
            suspect_since: cells.instant_or_null("credential_suspect_since")?,
        },
        secret: SecretState {
            version: cells.plain("secret_version")?,
            set_at: cells.instant_or_null("secret_set_at")?,
        },
        created_at: cells.instant("created_at")?,
        updated_at: cells.instant("updated_at")?,
        version: cells.version()?,
    })
}

fn report_of(cells: Cells<'_>) -> Step<Option<Report>> {
    let Some(at) = cells.instant_or_null("reported_at")? else {
        return Ok(None);
    };
    let by = cells.parsed("reported_by", SubjectId::parse)?;
    Ok(Some(Report { at, source: cells.code("reported_source")?, by }))
}

fn mark_of(cells: Cells<'_>) -> Step<Option<EndCustomerMark>> {
    match cells.instant_or_null("end_customer_at")? {
        Some(at) => Ok(Some(EndCustomerMark { at, by: cells.parsed("end_customer_by", SubjectId::parse)? })),
        None => Ok(None),
    }
}

/// Reads which providers a user supports.
pub(super) fn scope_of(cells: Cells<'_>) -> Step<ProviderScope> {
    match cells.list_or_null("providers", ProviderId::parse)? {
        None => Ok(ProviderScope::All),
        Some(providers) => ProviderList::new(providers).map(ProviderScope::Only).map_err(|_| cells.corrupt()),
    }
}

fn scope_json(scope: &ProviderScope) -> Step<Option<String>> {
    match scope {
        ProviderScope::All => Ok(None),
        ProviderScope::Only(list) => {
            let providers: Vec<_> = list.as_slice().iter().map(ProviderId::as_str).collect();
            Ok(Some(serde_json::to_string(&providers)?))
        }
    }
}

/// Reads a user.
pub(super) async fn load(
    executor: impl SqliteExecutor<'_>,
    tenant: &TenantId,
    user: &UserId,
) -> Step<Option<ConcenterUser>> {
    let row = sqlx::query(
        "
        SELECT
            user_id, user_name, kind, state, providers, display_name, notification_email,
            reported_end_customer, reported_at, reported_source, reported_by, end_customer_at, end_customer_by,
            last_login_succeeded_at, last_login_failed_at, credential_suspect_since,
            secret_version, secret_set_at, created_at, updated_at, version
        FROM concenter_user
        WHERE tenant_id = ?1
          AND user_id = ?2
        ",
    )
    .bind(tenant.to_string())
    .bind(user.to_string())
    .fetch_optional(executor)
    .await?;
    row.as_ref().map(user_of).transpose()
}

/// Reads a user that a change is about, in the version that the caller knows.
async fn load_known(
    tx: &mut SqliteConnection,
    tenant: &TenantId,
    user: &UserId,
    version: Version,
) -> Result<ConcenterUser, Stop> {
    let current = load(tx, tenant, user).await?.ok_or(Reason::NotFound)?;
    check_etag(current.version, version)?;
    Ok(current)
}

async fn load_resource(tx: &mut SqliteConnection, tenant: TenantId, resource: String) -> Step<Option<ConcenterUser>> {
    let user = UserId::parse(&resource).map_err(|_| unreadable_resource())?;
    load(tx, &tenant, &user).await
}

async fn load_moved(tx: &mut SqliteConnection, tenant: TenantId, resource: String) -> Step<Option<StandardMoved>> {
    let (user, previous) = match resource.split_once(' ') {
        None => (resource, None),
        Some((user, previous)) => (user.to_owned(), Some(previous.to_owned())),
    };
    let Some(user) = load_resource(&mut *tx, tenant, user).await? else {
        return Ok(None);
    };
    let previous = match previous {
        None => None,
        // He may be deleted since.
        Some(previous) => load_resource(tx, tenant, previous).await?,
    };
    Ok(Some(StandardMoved { user, previous }))
}

async fn create(tx: &mut SqliteConnection, at: Timestamp, tenant: &TenantId, new: &NewUser, by: &SubjectId) -> Changed {
    if !tenant_exists(&mut *tx, tenant).await? {
        return Err(Reason::NotFound.into());
    }
    check_name(tx, tenant, &new.user_id, &new.name).await?;
    check_providers(tx, &new.scope).await?;
    let users = sqlx::query_scalar(
        "
        SELECT count(*)
        FROM concenter_user
        WHERE tenant_id = ?1
        ",
    );
    let users: i64 = users.bind(tenant.to_string()).fetch_one(&mut *tx).await?;
    if users >= i64::from(MOST_USERS) {
        return Err(Reason::LimitReached.into());
    }
    let marked_by = (new.kind == UserKind::EndCustomer).then_some(by);
    insert(tx, at, tenant, new, new.kind, marked_by).await?;
    Ok(new.user_id.to_string())
}

/// Makes a user, of the kind given and not that of `new`; its checks are done. `marked_by`: who marks it Endkunde, and nobody
/// if it is none.
pub(super) async fn insert(
    tx: &mut SqliteConnection,
    at: Timestamp,
    tenant: &TenantId,
    new: &NewUser,
    kind: UserKind,
    marked_by: Option<&SubjectId>,
) -> Step<()> {
    sqlx::query(
        "
        INSERT INTO concenter_user (
            tenant_id, user_id, user_name, user_name_key, kind, state, providers, display_name,
            notification_email, sealed_secret, secret_version, secret_set_at, version, created_at, updated_at,
            end_customer_at, end_customer_by
        )
        VALUES (
            ?1, ?2, ?3, ?4, ?5, 'active', ?6, ?7,
            ?8, ?9, iif(?9 IS NULL, 0, 1), iif(?9 IS NULL, NULL, ?10), 1, ?10, ?10,
            iif(?11 IS NULL, NULL, ?10), ?11
        )
        ",
    )
    .bind(tenant.to_string())
    .bind(new.user_id.to_string())
    .bind(new.name.as_str())
    .bind(new.name.key())
    .bind(kind.code())
    .bind(scope_json(&new.scope)?)
    .bind(new.display_name.as_ref().map(Line::as_str))
    .bind(new.notification_email.as_ref().map(EmailAddress::as_str))
    .bind(new.sealed_secret.as_ref().map(|sealed| sealed.0.as_slice()))
    .bind(at.unix_micros())
    .bind(marked_by.map(SubjectId::as_str))
    .execute(tx)
    .await?;
    Ok(())
}

/// Checks that nobody else of the tenant has a name.
async fn check_name(tx: &mut SqliteConnection, tenant: &TenantId, user: &UserId, name: &UserName) -> Result<(), Stop> {
    let taken = sqlx::query_scalar(
        "
        SELECT EXISTS (
            SELECT 1
            FROM concenter_user
            WHERE tenant_id = ?1
              AND user_name_key = ?2
              AND user_id <> ?3
        )
        ",
    );
    let taken = taken.bind(tenant.to_string()).bind(name.key()).bind(user.to_string());
    if taken.fetch_one(tx).await? { Err(Reason::AlreadyExists.into()) } else { Ok(()) }
}

/// Checks that the catalogue has every provider of a scope.
async fn check_providers(tx: &mut SqliteConnection, scope: &ProviderScope) -> Result<(), Stop> {
    let Some(named) = scope_json(scope)? else {
        return Ok(());
    };
    let unknown = sqlx::query_scalar(
        "
        SELECT EXISTS (
            SELECT 1
            FROM json_each(?1) AS named
            WHERE NOT EXISTS (
                SELECT 1
                FROM product_provider
                WHERE provider_id = named.value
            )
        )
        ",
    );
    if unknown.bind(named).fetch_one(tx).await? { Err(Reason::NotFound.into()) } else { Ok(()) }
}

async fn update(
    tx: &mut SqliteConnection,
    at: Timestamp,
    tenant: &TenantId,
    current: &ConcenterUser,
    change: UserChange,
) -> Changed {
    let wished = ConcenterUser {
        name: change.name.applied_to(current.name.clone()),
        scope: change.scope.applied_to(current.scope.clone()),
        display_name: change.display_name.applied_to(current.display_name.clone()),
        notification_email: change.notification_email.applied_to(current.notification_email.clone()),
        ..current.clone()
    };
    check_name(tx, tenant, &current.user_id, &wished.name).await?;
    check_providers(tx, &wished.scope).await?;
    if current.kind == UserKind::EndCustomer && wished.scope == ProviderScope::All {
        return Err(Reason::ProviderScopeRequired.into());
    }
    if wished != *current {
        sqlx::query(
            "
            UPDATE concenter_user
            SET user_name = ?3,
                user_name_key = ?4,
                providers = ?5,
                display_name = ?6,
                notification_email = ?7,
                version = version + 1,
                updated_at = ?8,
                reported_end_customer = CASE WHEN ?9 THEN NULL ELSE reported_end_customer END,
                reported_at = CASE WHEN ?9 THEN NULL ELSE reported_at END,
                reported_source = CASE WHEN ?9 THEN NULL ELSE reported_source END,
                reported_by = CASE WHEN ?9 THEN NULL ELSE reported_by END,
                -- Of another account.
                last_login_succeeded_at = CASE WHEN ?10 THEN NULL ELSE last_login_succeeded_at END,
                last_login_failed_at = CASE WHEN ?10 THEN NULL ELSE last_login_failed_at END,
                failed_logins = CASE WHEN ?10 THEN 0 ELSE failed_logins END
            WHERE tenant_id = ?1
              AND user_id = ?2
            ",
        )
        .bind(tenant.to_string())
        .bind(current.user_id.to_string())
        .bind(wished.name.as_str())
        .bind(wished.name.key())
        .bind(scope_json(&wished.scope)?)
        .bind(wished.display_name.as_ref().map(Line::as_str))
        .bind(wished.notification_email.as_ref().map(EmailAddress::as_str))
        .bind(at.unix_micros())
        .bind(current.forgets_report_as(&wished.name))
        .bind(current.is_another_account_as(&wished.name))
        .execute(&mut *tx)
        .await?;
    }
    if wished.name != current.name || wished.scope != current.scope {
        move_config(tx, tenant).await?;
    }
    Ok(current.user_id.to_string())
}

async fn set_secret(
    tx: &mut SqliteConnection,
    at: Timestamp,
    tenant: &TenantId,
    current: &ConcenterUser,
    change: &SecretChange,
) -> Changed {
    // A secret is sealed for its version; for another one it would never open again.
    if change.version != current.secret.version.saturating_add(1) {
        return Err(Refusal::etag_mismatch(current.version).into());
    }
    sqlx::query(
        "
        UPDATE concenter_user
        SET sealed_secret = ?3,
            secret_version = ?4,
            secret_set_at = ?5,
            -- Of another password.
            last_login_succeeded_at = NULL,
            last_login_failed_at = NULL,
            failed_logins = 0,
            credential_suspect_since = NULL,
            version = version + 1,
            updated_at = ?5
        WHERE tenant_id = ?1
          AND user_id = ?2
        ",
    )
    .bind(tenant.to_string())
    .bind(current.user_id.to_string())
    .bind(change.sealed.0.as_slice())
    .bind(change.version)
    .bind(at.unix_micros())
    .execute(&mut *tx)
    .await?;
    notices::withdraw(tx, tenant, NoticeCause::CredentialSuspect, &current.user_id).await?;
    move_config(tx, tenant).await?;
    Ok(current.user_id.to_string())
}

async fn move_standard(
    tx: &mut SqliteConnection,
    at: Timestamp,
    tenant: &TenantId,
    current: &ConcenterUser,
) -> Changed {
    match current.kind {
        UserKind::Standard => return Ok(current.user_id.to_string()),
        UserKind::EndCustomer => return Err(Reason::EndkundeConflict.into()),
        UserKind::Broker => {
            activations::dependents_of(tx, tenant, &current.user_id).await?.refuse(Reason::Assigned)?;
        }
    }
    let previous = sqlx::query(
        "
        SELECT user_id
        FROM concenter_user
        WHERE tenant_id = ?1
          AND kind = 'standard'
        ",
    );
    let previous = previous.bind(tenant.to_string()).fetch_optional(&mut *tx).await?;
    let mut resource = current.user_id.to_string();
    // The old one first: there is never more than one, not even between two statements.
    if let Some(row) = &previous {
        let previous = Cells::of(row, "concenter_user").parsed("user_id", UserId::parse)?;
        write_kind(tx, at, tenant, &previous, UserKind::Broker).await?;
        resource.push(' ');
        resource.push_str(&previous.to_string());
    }
    write_kind(tx, at, tenant, &current.user_id, UserKind::Standard).await?;
    move_config(tx, tenant).await?;
    Ok(resource)
}

async fn write_kind(
    tx: &mut SqliteConnection,
    at: Timestamp,
    tenant: &TenantId,
    user: &UserId,
    kind: UserKind,
) -> Step<()> {
    sqlx::query(
        "
        UPDATE concenter_user
        SET kind = ?3,
            version = version + 1,
            updated_at = ?4
        WHERE tenant_id = ?1
          AND user_id = ?2
        ",
    )
    .bind(tenant.to_string())
    .bind(user.to_string())
    .bind(kind.code())
    .bind(at.unix_micros())
    .execute(tx)
    .await?;
    Ok(())
}

async fn set_end_customer(
    tx: &mut SqliteConnection,
    author: &Author,
    tenant: &TenantId,
    current: &ConcenterUser,
    change: EndCustomerChange,
) -> Changed {
    let user = current.user_id;
    let EndCustomerChange { end_customer, scope } = change;
    let scope = scope.unwrap_or_else(|| current.scope.clone());
    check_providers(tx, &scope).await?;
    let kind = match (current.kind, end_customer) {
        (UserKind::Standard, true) => return Err(Reason::EndkundeConflict.into()),
        (_, true) => UserKind::EndCustomer,
        // Standard has no mark to take away.
        (UserKind::Standard, false) => UserKind::Standard,
        (UserKind::Broker | UserKind::EndCustomer, false) => UserKind::Broker,
    };
    if end_customer && scope == ProviderScope::All {
        return Err(Reason::ProviderScopeRequired.into());
    }
    if kind != current.kind && end_customer {
        activations::dependents_of(tx, tenant, &user).await?.refuse(Reason::Assigned)?;
    }
    if kind != current.kind && !end_customer {
        customers::dependents_of(tx, tenant, &user).await?.refuse(Reason::Assigned)?;
        customers::segments_of(tx, tenant, &user).await?.refuse(Reason::SlotInUse)?;
    }
    if kind != current.kind || scope != current.scope {
        sqlx::query(
            "
            UPDATE concenter_user
            SET kind = ?3,
                providers = ?4,
                end_customer_at = iif(?3 = 'end_customer', iif(kind = ?3, end_customer_at, ?5), NULL),
                end_customer_by = iif(?3 = 'end_customer', iif(kind = ?3, end_customer_by, ?6), NULL),
                version = version + 1,
                updated_at = ?5
            WHERE tenant_id = ?1
              AND user_id = ?2
            ",
        )
        .bind(tenant.to_string())
        .bind(user.to_string())
        .bind(kind.code())
        .bind(scope_json(&scope)?)
        .bind(author.at.unix_micros())
        .bind(author.by.as_str())
        .execute(&mut *tx)
        .await?;
        move_config(tx, tenant).await?;
    }
    if kind != current.kind {
        follow_mismatch(tx, author, tenant, &ConcenterUser { kind, ..current.clone() }).await?;
    }
    Ok(user.to_string())
}

async fn attest(
    tx: &mut SqliteConnection,
    author: &Author,
    tenant: &TenantId,
    current: &ConcenterUser,
    reported: Option<bool>,
) -> Changed {
    let user = current.user_id;
    sqlx::query(
        "
        UPDATE concenter_user
        SET reported_end_customer = ?3,
            reported_at = ?4,
            reported_source = ?5,
            reported_by = ?6,
            version = version + 1,
            updated_at = ?4
        WHERE tenant_id = ?1
          AND user_id = ?2
        ",
    )
    .bind(tenant.to_string())
    .bind(user.to_string())
    .bind(reported)
    .bind(author.at.unix_micros())
    .bind(ReportSource::Attestation.code())
    .bind(author.by.as_str())
    .execute(&mut *tx)
    .await?;
    if reported != current.reported_end_customer {
        move_config(tx, tenant).await?;
        let now = ConcenterUser { reported_end_customer: reported, ..current.clone() };
        follow_mismatch(tx, author, tenant, &now).await?;
    }
    Ok(user.to_string())
}

/// Somebody is to be told that a user is Endkunde here and that con:center says otherwise, if that is so `now`; else nobody is.
async fn follow_mismatch(
    tx: &mut SqliteConnection,
    author: &Author,
    tenant: &TenantId,
    now: &ConcenterUser,
) -> Step<()> {
    let (cause, user) = (NoticeCause::EndCustomerMismatch, &now.user_id);
    if now.is_denied_endkunde() {
        notices::add(tx, tenant, &author.audit_id, (cause, user), author.at).await
    } else {
        notices::withdraw(tx, tenant, cause, user).await
    }
}

async fn set_state(
    tx: &mut SqliteConnection,
    at: Timestamp,
    tenant: &TenantId,
    current: &ConcenterUser,
    state: State,
) -> Changed {
    if current.state != state {
        sqlx::query(
            "
            UPDATE concenter_user
            SET state = ?3,
                version = version + 1,
                updated_at = ?4
            WHERE tenant_id = ?1
              AND user_id = ?2
            ",
        )
        .bind(tenant.to_string())
        .bind(current.user_id.to_string())
        .bind(state.code())
        .bind(at.unix_micros())
        .execute(&mut *tx)
        .await?;
        move_config(tx, tenant).await?;
    }
    Ok(current.user_id.to_string())
}

async fn delete(tx: &mut SqliteConnection, tenant: &TenantId, current: &ConcenterUser) -> Changed {
    let user = current.user_id;
    if current.kind == UserKind::Standard {
        return Err(Reason::StandardRequired.into());
    }
    let dependents = [
        activations::dependents_of(tx, tenant, &user).await?,
        customers::dependents_of(tx, tenant, &user).await?,
        customers::segments_of(tx, tenant, &user).await?,
    ];
    Dependents::joined(dependents).refuse(Reason::Assigned)?;
    for cause in NoticeCause::ALL {
        notices::withdraw(tx, tenant, *cause, &user).await?;
    }
    sqlx::query(
        "
        DELETE FROM concenter_user
        WHERE tenant_id = ?1
          AND user_id = ?2
        ",
    )
    .bind(tenant.to_string())
    .bind(user.to_string())
    .execute(&mut *tx)
    .await?;
    move_config(tx, tenant).await?;
    Ok(user.to_string())
}
