//! Signing keys.

use async_trait::async_trait;
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;

use super::SqliteStore;
use super::audit::{self, AuditRow};
use super::error::{Failure, Step};
use super::requests::{Changed, unreadable_resource};
use super::row::Cells;
use crate::domain::audit::{AuditEntry, AuditOutcome};
use crate::domain::error::Reason;
use crate::domain::ids::TenantId;
use crate::domain::service::{SealedSigningKey, rows_of};
use crate::domain::signing::{Heir, KeyId, KeyPurpose, KeyTimes, Rotation, heir, is_accepted};
use crate::domain::time::Timestamp;
use crate::store::codes::Code as _;
use crate::store::{Effect, KeyStore, Outcome, StoreError};

#[async_trait]
impl KeyStore for SqliteStore {
    async fn add_signing_key(
        &self,
        key: &SealedSigningKey,
        after: Timestamp,
        audit: &AuditEntry,
    ) -> Result<bool, StoreError> {
        let key = key.clone();
        let row = AuditRow::new(&TenantId::SYSTEM, audit)?.with(AuditOutcome::Accepted);
        self.writer()?.effect(move |tx| Box::pin(async move { add(tx, &key, after, row).await })).await
    }

    async fn rotate_signing_key(
        &self,
        effect: &Effect,
        rotation: &Rotation,
        new: &SealedSigningKey,
    ) -> Result<Outcome<SealedSigningKey>, StoreError> {
        let (rotation, new) = (*rotation, new.clone());
        self.change(
            TenantId::SYSTEM,
            effect,
            move |tx, at| Box::pin(async move { rotate(tx, at, &rotation, &new).await }),
            |tx, resource| Box::pin(load_resource(tx, resource)),
        )
        .await
    }

    async fn revoke_signing_key(
        &self,
        effect: &Effect,
        kid: &KeyId,
        heirs: &[SealedSigningKey],
    ) -> Result<Outcome<SealedSigningKey>, StoreError> {
        let (kid, heirs) = (kid.clone(), heirs.to_vec());
        self.change(
            TenantId::SYSTEM,
            effect,
            move |tx, at| Box::pin(async move { revoke(tx, at, &kid, &heirs).await }),
            |tx, resource| Box::pin(load_resource(tx, resource)),
        )
        .await
    }

    async fn remove_signing_key(
        &self,
        kid: &KeyId,
        sealed_public: Option<&[u8]>,
        before: Timestamp,
        audit: &AuditEntry,
    ) -> Result<bool, StoreError> {
        let (kid, sealed_public) = (kid.clone(), sealed_public.map(<[u8]>::to_vec));
        let row = AuditRow::new(&TenantId::SYSTEM, audit)?.with(AuditOutcome::Accepted);
        let audit = (audit.at, row);
        self.writer()?
            .effect(move |tx| Box::pin(async move { remove(tx, &kid, sealed_public, before, audit).await }))
            .await
    }
}

/// Reads all keys, the oldest first.
pub(super) async fn load_all(tx: &mut SqliteConnection) -> Step<Vec<SealedSigningKey>> {
    let rows = sqlx::query(
        "
        SELECT kid, purpose, sealed_private, created_at, activate_at, revoked_at, removed_at, sealed_public
        FROM signing_key
        ORDER BY created_at, kid
        ",
    )
    .fetch_all(tx)
    .await?;
    rows.iter().map(key_of).collect()
}

/// Reads one key.
async fn load(tx: &mut SqliteConnection, kid: &KeyId) -> Step<Option<SealedSigningKey>> {
    let row = sqlx::query(
        "
        SELECT kid, purpose, sealed_private, created_at, activate_at, revoked_at, removed_at, sealed_public
        FROM signing_key
        WHERE kid = ?1
        ",
    )
    .bind(kid.as_str())
    .fetch_optional(tx)
    .await?;
    row.as_ref().map(key_of).transpose()
}

async fn load_resource(tx: &mut SqliteConnection, resource: String) -> Step<Option<SealedSigningKey>> {
    let kid = KeyId::parse(&resource).map_err(|_| unreadable_resource())?;
    load(tx, &kid).await
}

/// Reads the keys of one purpose, revoked and removed ones too.
async fn load_purpose(tx: &mut SqliteConnection, purpose: KeyPurpose) -> Step<Vec<SealedSigningKey>> {
    let mut keys = load_all(tx).await?;
    keys.retain(|key| key.purpose == purpose);
    Ok(keys)
}

fn key_of(row: &SqliteRow) -> Step<SealedSigningKey> {
    let cells = Cells::of(row, "signing_key");
    Ok(SealedSigningKey {
        kid: cells.parsed("kid", KeyId::parse)?,
        purpose: cells.code("purpose")?,
        times: KeyTimes {
            created_at: cells.instant("created_at")?,
            activate_at: cells.instant("activate_at")?,
            revoked_at: cells.instant_or_null("revoked_at")?,
            removed_at: cells.instant_or_null("removed_at")?,
        },
        sealed_private: cells.plain("sealed_private")?,
        sealed_public: cells.plain("sealed_public")?,
    })
}

/// Writes a new key.
pub(super) async fn insert(tx: &mut SqliteConnection, key: &SealedSigningKey) -> Step<()> {
    sqlx::query(
        "
        INSERT INTO signing_key (kid, purpose, sealed_private, created_at, activate_at)
        VALUES (?1, ?2, ?3, ?4, ?5)
        ",
    )
    .bind(key.kid.as_str())
    .bind(key.purpose.code())
    .bind(key.sealed_private.as_slice())
    .bind(key.times.created_at.unix_micros())
    .bind(key.times.activate_at.unix_micros())
    .execute(tx)
    .await?;
    Ok(())
}

async fn add(tx: &mut SqliteConnection, key: &SealedSigningKey, after: Timestamp, audit: String) -> Step<bool> {
    let added = sqlx::query(
        "
        INSERT INTO signing_key (kid, purpose, sealed_private, created_at, activate_at)
        SELECT ?1, ?2, ?3, ?4, ?5
        -- Of several who found that it is time, one makes the key.
        WHERE NOT EXISTS (
            SELECT 1
            FROM signing_key
            WHERE purpose = ?2
              AND revoked_at IS NULL
              AND activate_at > ?6
        )
        ",
    )
    .bind(key.kid.as_str())
    .bind(key.purpose.code())
    .bind(key.sealed_private.as_slice())
    .bind(key.times.created_at.unix_micros())
    .bind(key.times.activate_at.unix_micros())
    .bind(after.unix_micros())
    .execute(&mut *tx)
    .await?;
    let is_added = added.rows_affected() > 0;
    if is_added {
        audit::append(tx, std::iter::once(audit)).await?;
    }
    Ok(is_added)
}

async fn rotate(tx: &mut SqliteConnection, at: Timestamp, rotation: &Rotation, new: &SealedSigningKey) -> Changed {
    let keys = load_purpose(&mut *tx, new.purpose).await?;
    let Some((next, sooner)) = rotation.hastened(&rows_of(&keys), at) else {
        insert(tx, new).await?;
        return Ok(new.kid.to_string());
    };
    if let Some(sooner) = sooner {
        activate(tx, next, sooner).await?;
    }
    Ok(next.to_string())
}

async fn activate(tx: &mut SqliteConnection, kid: &KeyId, at: Timestamp) -> Step<()> {
    sqlx::query(
        "
        UPDATE signing_key
        SET activate_at = ?2
        WHERE kid = ?1
        ",
    )
    .bind(kid.as_str())
    .bind(at.unix_micros())
    .execute(tx)
    .await?;
    Ok(())
}

async fn revoke(tx: &mut SqliteConnection, at: Timestamp, kid: &KeyId, heirs: &[SealedSigningKey]) -> Changed {
    let revoked = load(&mut *tx, kid).await?.ok_or(Reason::NotFound)?;
    if revoked.times.revoked_at.is_some() {
        return Ok(kid.to_string());
    }
    let before = load_purpose(&mut *tx, revoked.purpose).await?;
    let may_have_signed = is_accepted(revoked.purpose, &rows_of(&before), kid, at);
    sqlx::query(
        "
        UPDATE signing_key
        SET revoked_at = ?2,
            sealed_private = x'',
            sealed_public = NULL
        WHERE kid = ?1
        ",
    )
    .bind(kid.as_str())
    .bind(at.unix_micros())
    .execute(&mut *tx)
    .await?;
    if may_have_signed {
        sqlx::query("UPDATE service SET epoch = epoch + 1").execute(&mut *tx).await?;
    }

    let keys = load_purpose(&mut *tx, revoked.purpose).await?;
    match heir(revoked.purpose, &rows_of(&keys), at) {
        Heir::Unchanged => {}
        Heir::Next(next) => activate(tx, &next, at).await?,
        Heir::New => {
            let heir = heirs.iter().find(|heir| heir.purpose == revoked.purpose).ok_or_else(no_heir)?;
            insert(tx, heir).await?;
        }
    }
    Ok(kid.to_string())
}

/// Whoever revokes brings an heir for each purpose.
const fn no_heir() -> Failure {
    Failure(StoreError::Corrupt { table: "signing_key" })
}

async fn remove(
    tx: &mut SqliteConnection,
    kid: &KeyId,
    sealed_public: Option<Vec<u8>>,
    before: Timestamp,
    audit: (Timestamp, String),
) -> Step<bool> {
    let (at, audit) = audit;
    let removed = sqlx::query(
        "
        UPDATE signing_key
        SET removed_at = ?2,
            sealed_private = x'',
            sealed_public = ?3
        WHERE kid = ?1
          AND removed_at IS NULL
          AND revoked_at IS NULL
          -- Not the one that signs, whatever whoever says so believes.
          AND EXISTS (
              SELECT 1
              FROM signing_key AS later
              WHERE later.purpose = signing_key.purpose
                AND later.activate_at > signing_key.activate_at
                AND later.activate_at <= ?4
                AND (later.revoked_at IS NULL OR later.revoked_at > later.activate_at)
          )
        ",
    )
    .bind(kid.as_str())
    .bind(at.unix_micros())
    .bind(sealed_public)
    .bind(before.unix_micros())
    .execute(&mut *tx)
    .await?;
    let is_removed = removed.rows_affected() > 0;
    if is_removed {
        audit::append(tx, std::iter::once(audit)).await?;
    }
    Ok(is_removed)
}
