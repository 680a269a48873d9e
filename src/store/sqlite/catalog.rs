//! The catalogue: providers, targets and return URLs. Every change of it moves the `catalog_version`.

use async_trait::async_trait;
use sqlx::sqlite::SqliteRow;
use sqlx::{SqliteConnection, SqliteExecutor};

use super::SqliteStore;
use super::error::{Failure, Step};
use super::requests::{Changed, Stop, unreadable_resource};
use super::row::{Cells, page_of, rows_to_ask};
use super::versions::{check_etag, move_catalog};
use crate::domain::error::{Reason, Refusal, Version};
use crate::domain::ids::{LineOfBusiness, ProviderId, ReturnUrlId, TargetId, TenantId};
use crate::domain::page::{Page, PageRequest};
use crate::domain::provider::{ProductProvider, State};
use crate::domain::target::{AcceptedPersons, LineList, LineScope, Origin, RedirectOrigins, ReturnUrl, Target, WebUrl};
use crate::domain::text::Line;
use crate::store::codes::Code as _;
use crate::store::{CatalogStore, Effect, Outcome, StoreError};

#[async_trait]
impl CatalogStore for SqliteStore {
    async fn put_provider(
        &self,
        effect: &Effect,
        provider: &ProductProvider,
        known: Option<Version>,
    ) -> Result<Outcome<ProductProvider>, StoreError> {
        let provider = provider.clone();
        self.change(
            TenantId::SYSTEM,
            effect,
            move |tx, _| Box::pin(async move { put_provider(tx, &provider, known).await }),
            |tx, resource| Box::pin(provider_resource(tx, resource)),
        )
        .await
    }

    async fn set_provider_state(
        &self,
        effect: &Effect,
        provider: &ProviderId,
        version: Version,
        state: State,
    ) -> Result<Outcome<ProductProvider>, StoreError> {
        let provider = provider.clone();
        self.change(
            TenantId::SYSTEM,
            effect,
            move |tx, _| Box::pin(async move { set_provider_state(tx, &provider, version, state).await }),
            |tx, resource| Box::pin(provider_resource(tx, resource)),
        )
        .await
    }

    async fn get_provider(&self, provider: &ProviderId) -> Result<Option<ProductProvider>, StoreError> {
        Ok(load_provider(self.readers(), provider).await?)
    }

    async fn list_providers(&self, page: &PageRequest) -> Result<Page<ProductProvider>, StoreError> {
        let rows = sqlx::query(
            "
            SELECT provider_id, display_name, kind, state, version
            FROM product_provider
            WHERE provider_id > ?1
            ORDER BY provider_id
            LIMIT ?2
            ",
        )
        .bind(page.after.as_deref().unwrap_or_default())
        .bind(rows_to_ask(page))
        .fetch_all(self.readers())
        .await
        .map_err(Failure::from)?;
        let providers = rows.iter().map(provider_of).collect::<Step<Vec<_>>>()?;
        Ok(page_of(providers, page, |provider| provider.provider_id.to_string()))
    }

    async fn put_target(
        &self,
        effect: &Effect,
        target: &Target,
        known: Option<Version>,
    ) -> Result<Outcome<Target>, StoreError> {
        let target = target.clone();
        self.change(
            TenantId::SYSTEM,
            effect,
            move |tx, _| Box::pin(async move { put_target(tx, &target, known).await }),
            |tx, resource| Box::pin(target_resource(tx, resource)),
        )
        .await
    }

    async fn set_target_state(
        &self,
        effect: &Effect,
        target: &TargetId,
        version: Version,
        state: State,
    ) -> Result<Outcome<Target>, StoreError> {
        let target = target.clone();
        self.change(
            TenantId::SYSTEM,
            effect,
            move |tx, _| Box::pin(async move { set_target_state(tx, &target, version, state).await }),
            |tx, resource| Box::pin(target_resource(tx, resource)),
        )
        .await
    }

    async fn get_target(&self, target: &TargetId) -> Result<Option<Target>, StoreError> {
        Ok(load_target(self.readers(), target).await?)
    }

    async fn list_targets(&self, page: &PageRequest) -> Result<Page<Target>, StoreError> {
        let rows = sqlx::query(
            "
            SELECT
                target_id, provider_id, kind, display_name, state, url, delivery,
                accepts_brokers, accepts_customers, lines, hands_over_secret, nonce_required, redirect_origins, version
            FROM target
            WHERE target_id > ?1
            ORDER BY target_id
            LIMIT ?2
            ",
        )
        .bind(page.after.as_deref().unwrap_or_default())
        .bind(rows_to_ask(page))
        .fetch_all(self.readers())
        .await
        .map_err(Failure::from)?;
        let targets = rows.iter().map(target_of).collect::<Step<Vec<_>>>()?;
        Ok(page_of(targets, page, |target| target.target_id.to_string()))
    }

    async fn put_return_url(
        &self,
        effect: &Effect,
        return_url: &ReturnUrl,
        known: Option<Version>,
    ) -> Result<Outcome<ReturnUrl>, StoreError> {
        let return_url = return_url.clone();
        self.change(
            TenantId::SYSTEM,
            effect,
            move |tx, _| Box::pin(async move { put_return_url(tx, &return_url, known).await }),
            |tx, resource| Box::pin(return_url_resource(tx, resource)),
        )
        .await
    }

    async fn set_return_url_state(
        &self,
        effect: &Effect,
        return_url: &ReturnUrlId,
        version: Version,
        state: State,
    ) -> Result<Outcome<ReturnUrl>, StoreError> {
        let return_url = return_url.clone();
        self.change(
            TenantId::SYSTEM,
            effect,
            move |tx, _| Box::pin(async move { set_return_url_state(tx, &return_url, version, state).await }),
            |tx, resource| Box::pin(return_url_resource(tx, resource)),
        )
        .await
    }

    async fn get_return_url(&self, return_url: &ReturnUrlId) -> Result<Option<ReturnUrl>, StoreError> {
        Ok(load_return_url(self.readers(), return_url).await?)
    }

    async fn list_return_urls(&self, page: &PageRequest) -> Result<Page<ReturnUrl>, StoreError> {
        let rows = sqlx::query(
            "
            SELECT return_url_id, url, state, version
            FROM return_url
            WHERE return_url_id > ?1
            ORDER BY return_url_id
            LIMIT ?2
            ",
        )
        .bind(page.after.as_deref().unwrap_or_default())
        .bind(rows_to_ask(page))
        .fetch_all(self.readers())
        .await
        .map_err(Failure::from)?;
        let return_urls = rows.iter().map(return_url_of).collect::<Step<Vec<_>>>()?;
        Ok(page_of(return_urls, page, |return_url| return_url.return_url_id.to_string()))
    }
}

/// Checks that what is put is what the caller thinks: new, or there in the version that he knows.
fn check_known(current: Option<Version>, known: Option<Version>) -> Result<(), Refusal> {
    match (current, known) {
        (None, None) => Ok(()),
        (None, Some(_)) => Err(Reason::NotFound.into()),
        (Some(current), None) => Err(Refusal::etag_mismatch(current)),
        (Some(current), Some(known)) => check_etag(current, known),
    }
}

// Providers.

fn provider_of(row: &SqliteRow) -> Step<ProductProvider> {
    let cells = Cells::of(row, "product_provider");
    Ok(ProductProvider {
        provider_id: cells.parsed("provider_id", ProviderId::parse)?,
        display_name: cells.parsed("display_name", Line::parse)?,
        kind: cells.code("kind")?,
        state: cells.code("state")?,
        version: cells.version()?,
    })
}

async fn load_provider(executor: impl SqliteExecutor<'_>, provider: &ProviderId) -> Step<Option<ProductProvider>> {
    let row = sqlx::query(
        "
        SELECT provider_id, display_name, kind, state, version
        FROM product_provider
        WHERE provider_id = ?1
        ",
    )
    .bind(provider.as_str())
    .fetch_optional(executor)
    .await?;
    row.as_ref().map(provider_of).transpose()
}

async fn provider_resource(tx: &mut SqliteConnection, resource: String) -> Step<Option<ProductProvider>> {
    let provider = ProviderId::parse(&resource).map_err(|_| unreadable_resource())?;
    load_provider(tx, &provider).await
}

async fn put_provider(tx: &mut SqliteConnection, provider: &ProductProvider, known: Option<Version>) -> Changed {
    let current = load_provider(&mut *tx, &provider.provider_id).await?;
    check_known(current.as_ref().map(|current| current.version), known)?;
    let same = current.is_some_and(|current| {
        let wished = ProductProvider { state: current.state, version: current.version, ..provider.clone() };
        current == wished
    });
    if !same {
        sqlx::query(
            "
            INSERT INTO product_provider (provider_id, display_name, kind, state, version)
            VALUES (?1, ?2, ?3, ?4, ?5)
            ON CONFLICT (provider_id) DO UPDATE
            SET display_name = excluded.display_name,
                kind = excluded.kind,
                version = version + 1
            ",
        )
        .bind(provider.provider_id.as_str())
        .bind(provider.display_name.as_str())
        .bind(provider.kind.code())
        .bind(provider.state.code())
        .bind(provider.version.number())
        .execute(&mut *tx)
        .await?;
        move_catalog(tx).await?;
    }
    Ok(provider.provider_id.to_string())
}

async fn set_provider_state(
    tx: &mut SqliteConnection,
    provider: &ProviderId,
    version: Version,
    state: State,
) -> Changed {
    let current = load_provider(&mut *tx, provider).await?.ok_or(Reason::NotFound)?;
    check_etag(current.version, version)?;
    if current.state != state {
        sqlx::query(
            "
            UPDATE product_provider
            SET state = ?2,
                version = version + 1
            WHERE provider_id = ?1
            ",
        )
        .bind(provider.as_str())
        .bind(state.code())
        .execute(&mut *tx)
        .await?;
        move_catalog(tx).await?;
    }
    Ok(provider.to_string())
}

// Targets.

/// Reads a target from a row that has its columns under their names.
pub(super) fn target_of(row: &SqliteRow) -> Step<Target> {
    let cells = Cells::of(row, "target");
    Ok(Target {
        target_id: cells.parsed("target_id", TargetId::parse)?,
        provider_id: cells.parsed("provider_id", ProviderId::parse)?,
        kind: cells.code("kind")?,
        display_name: cells.parsed("display_name", Line::parse)?,
        state: cells.code("state")?,
        url: cells.parsed("url", WebUrl::parse_known)?,
        delivery: cells.code("delivery")?,
        accepts: accepted_of(cells)?,
        lines: lines_of(cells)?,
        hands_over_secret: cells.plain("hands_over_secret")?,
        nonce_required: cells.plain("nonce_required")?,
        redirect_origins: redirect_origins_of(cells)?,
        version: cells.version()?,
    })
}

fn accepted_of(cells: Cells<'_>) -> Step<AcceptedPersons> {
    Ok(AcceptedPersons { brokers: cells.plain("accepts_brokers")?, customers: cells.plain("accepts_customers")? })
}

fn lines_of(cells: Cells<'_>) -> Step<LineScope> {
    match cells.list_or_null("lines", LineOfBusiness::parse)? {
        None => Ok(LineScope::All),
        Some(lines) => LineList::new(lines).map(LineScope::Only).map_err(|_| cells.corrupt()),
    }
}

fn redirect_origins_of(cells: Cells<'_>) -> Step<RedirectOrigins> {
    let origins = cells.list_or_null("redirect_origins", Origin::parse)?.unwrap_or_default();
    RedirectOrigins::new(origins).map_err(|_| cells.corrupt())
}

async fn load_target(executor: impl SqliteExecutor<'_>, target: &TargetId) -> Step<Option<Target>> {
    let row = sqlx::query(
        "
        SELECT
            target_id, provider_id, kind, display_name, state, url, delivery,
            accepts_brokers, accepts_customers, lines, hands_over_secret, nonce_required, redirect_origins, version
        FROM target
        WHERE target_id = ?1
        ",
    )
    .bind(target.as_str())
    .fetch_optional(executor)
    .await?;
    row.as_ref().map(target_of).transpose()
}

async fn target_resource(tx: &mut SqliteConnection, resource: String) -> Step<Option<Target>> {
    let target = TargetId::parse(&resource).map_err(|_| unreadable_resource())?;
    load_target(tx, &target).await
}

async fn put_target(tx: &mut SqliteConnection, target: &Target, known: Option<Version>) -> Changed {
    let current = load_target(&mut *tx, &target.target_id).await?;
    check_known(current.as_ref().map(|current| current.version), known)?;
    if load_provider(&mut *tx, &target.provider_id).await?.is_none() {
        return Err(Reason::NotFound.into());
    }
    let same = current.is_some_and(|current| {
        let wished = Target { state: current.state, version: current.version, ..target.clone() };
        current == wished
    });
    if !same {
        write_target(tx, target).await?;
        move_catalog(tx).await?;
    }
    Ok(target.target_id.to_string())
}

async fn write_target(tx: &mut SqliteConnection, target: &Target) -> Result<(), Stop> {
    let lines = match &target.lines {
        LineScope::All => None,
        LineScope::Only(list) => {
            let lines: Vec<_> = list.as_slice().iter().map(LineOfBusiness::to_string).collect();
            Some(serde_json::to_string(&lines).map_err(Failure::from)?)
        }
    };
    let redirect_origins: Vec<_> = target.redirect_origins.as_slice().iter().map(Origin::as_str).collect();
    let redirect_origins = serde_json::to_string(&redirect_origins).map_err(Failure::from)?;
    sqlx::query(
        "
        INSERT INTO target (
            target_id, provider_id, kind, display_name, state, url, delivery,
            accepts_brokers, accepts_customers, lines, hands_over_secret, nonce_required, redirect_origins, version
        )
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)
        ON CONFLICT (target_id) DO UPDATE
        SET provider_id = excluded.provider_id,
            kind = excluded.kind,
            display_name = excluded.display_name,
            url = excluded.url,
            delivery = excluded.delivery,
            accepts_brokers = excluded.accepts_brokers,
            accepts_customers = excluded.accepts_customers,
            lines = excluded.lines,
            hands_over_secret = excluded.hands_over_secret,
            nonce_required = excluded.nonce_required,
            redirect_origins = excluded.redirect_origins,
            version = version + 1
        ",
    )
    .bind(target.target_id.as_str())
    .bind(target.provider_id.as_str())
    .bind(target.kind.code())
    .bind(target.display_name.as_str())
    .bind(target.state.code())
    .bind(target.url.as_str())
    .bind(target.delivery.code())
    .bind(target.accepts.brokers)
    .bind(target.accepts.customers)
    .bind(lines)
    .bind(target.hands_over_secret)
    .bind(target.nonce_required)
    .bind(redirect_origins)
    .bind(target.version.number())
    .execute(tx)
    .await?;
    Ok(())
}

async fn set_target_state(tx: &mut SqliteConnection, target: &TargetId, version: Version, state: State) -> Changed {
    let current = load_target(&mut *tx, target).await?.ok_or(Reason::NotFound)?;
    check_etag(current.version, version)?;
    if current.state != state {
        sqlx::query(
            "
            UPDATE target
            SET state = ?2,
                version = version + 1
            WHERE target_id = ?1
            ",
        )
        .bind(target.as_str())
        .bind(state.code())
        .execute(&mut *tx)
        .await?;
        move_catalog(tx).await?;
    }
    Ok(target.to_string())
}

// Return URLs.

fn return_url_of(row: &SqliteRow) -> Step<ReturnUrl> {
    let cells = Cells::of(row, "return_url");
    Ok(ReturnUrl {
        return_url_id: cells.parsed("return_url_id", ReturnUrlId::parse)?,
        url: cells.parsed("url", WebUrl::parse_known)?,
        state: cells.code("state")?,
        version: cells.version()?,
    })
}

async fn load_return_url(executor: impl SqliteExecutor<'_>, return_url: &ReturnUrlId) -> Step<Option<ReturnUrl>> {
    let row = sqlx::query(
        "
        SELECT return_url_id, url, state, version
        FROM return_url
        WHERE return_url_id = ?1
        ",
    )
    .bind(return_url.as_str())
    .fetch_optional(executor)
    .await?;
    row.as_ref().map(return_url_of).transpose()
}

async fn return_url_resource(tx: &mut SqliteConnection, resource: String) -> Step<Option<ReturnUrl>> {
    let return_url = ReturnUrlId::parse(&resource).map_err(|_| unreadable_resource())?;
    load_return_url(tx, &return_url).await
}

async fn put_return_url(tx: &mut SqliteConnection, return_url: &ReturnUrl, known: Option<Version>) -> Changed {
    let current = load_return_url(&mut *tx, &return_url.return_url_id).await?;
    check_known(current.as_ref().map(|current| current.version), known)?;
    let taken = sqlx::query_scalar(
        "
        SELECT EXISTS (
            SELECT 1
            FROM return_url
            WHERE url = ?1
              AND return_url_id <> ?2
        )
        ",
    );
    let taken = taken.bind(return_url.url.as_str()).bind(return_url.return_url_id.as_str());
    if taken.fetch_one(&mut *tx).await? {
        return Err(Reason::AlreadyExists.into());
    }
    if current.is_none_or(|current| current.url != return_url.url) {
        sqlx::query(
            "
            INSERT INTO return_url (return_url_id, url, state, version)
            VALUES (?1, ?2, ?3, ?4)
            ON CONFLICT (return_url_id) DO UPDATE
            SET url = excluded.url,
                version = version + 1
            ",
        )
        .bind(return_url.return_url_id.as_str())
        .bind(return_url.url.as_str())
        .bind(return_url.state.code())
        .bind(return_url.version.number())
        .execute(&mut *tx)
        .await?;
        move_catalog(tx).await?;
    }
    Ok(return_url.return_url_id.to_string())
}

async fn set_return_url_state(
    tx: &mut SqliteConnection,
    return_url: &ReturnUrlId,
    version: Version,
    state: State,
) -> Changed {
    let current = load_return_url(&mut *tx, return_url).await?.ok_or(Reason::NotFound)?;
    check_etag(current.version, version)?;
    if current.state != state {
        sqlx::query(
            "
            UPDATE return_url
            SET state = ?2,
                version = version + 1
            WHERE return_url_id = ?1
            ",
        )
        .bind(return_url.as_str())
        .bind(state.code())
        .execute(&mut *tx)
        .await?;
        move_catalog(tx).await?;
    }
    Ok(return_url.to_string())
}
