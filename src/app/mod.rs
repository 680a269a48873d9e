//! The use cases: what a caller can have done, step by step.
//!
//! One file per group of use cases. A use case takes a [`Call`] and a checked request in the domain's types, and
//! reaches out through the ports: `store`, `token` and `secrets`. It knows neither gRPC nor SQL. To add one: a
//! function here, its effect in the store, a row in the policy table, a handler that converts.

pub mod activations;
pub mod audit;
mod audit_floor;
pub mod catalog;
pub mod chains;
pub mod checkpoints;
pub mod clock;
pub mod customers;
mod effects;
pub mod history;
pub mod isolation;
pub mod jump;
pub mod keks;
pub mod keys;
pub mod landing;
pub mod pages;
pub mod redeem;
pub mod restore;
pub mod retention;
pub mod sealing;
pub mod session;
pub mod settings;
pub mod simulation;
mod snapshot;
pub mod startup;
pub mod tenants;
pub mod users;
mod walks;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use zeroize::Zeroizing;

use crate::domain::audit::{Action, AuditEntry, AuditObject, AuditedKind, AuditedPerson, AuditedRole, Salt};
use crate::domain::caller::{Caller, TenantRole};
use crate::domain::error::{Reason, Refusal, Violation};
use crate::domain::ids::{AuditId, Random, RequestId, SubjectId, TenantId};
use crate::domain::load::StoreLoad;
use crate::domain::signing::Rotation;
use crate::domain::target::Origin;
use crate::domain::tenant::{Tenant, WrappedKeys};
use crate::domain::time::{Clock, Timestamp};
use crate::secrets::{KekError, KekProvider, OpenedKeys, SealError, TenantKeys, person_pseudonym};
use crate::store::{CheckpointDirectory, Outcome, Store};
use crate::token::{JumpTokens, KeyError, KeyRing, TokenError};

pub use crate::domain::signing::JWKS_MAX_AGE;
// What an `App` takes and answers with, for rooms that may not name the ports.
pub use crate::secrets::Secret;
pub use crate::store::{MOST_CUSTOMERS_AT_ONCE, StandardMoved, StoreError};

use checkpoints::Checkpoints;
use clock::{ClockBehind, ClockWatch};
use keks::{KekLost, KekWatch};
use keys::KeyWatch;
use sealing::Written;
use snapshot::Snapshot;
use startup::{Keys, OpenedService};
use walks::Walks;

/// The name that the service goes by in the audit log, where it does something by itself.
const SERVICE: &str = "service";

/// The service without its listeners: everything that a use case needs.
pub struct App {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    /// Who has the key-encryption keys.
    keks: Arc<dyn KekProvider>,
    kek_watch: KekWatch,
    /// The service's own keys, for what belongs to no tenant.
    system: TenantKeys,
    jump_tokens: JumpTokens,
    /// The keys of callers' tokens, which are read again with those of jumps.
    caller_ring: Arc<KeyRing>,
    /// How often signing keys change.
    rotation: Rotation,
    /// Where browsers reach the service.
    public_url: Origin,
    key_watch: KeyWatch,
    /// Tenants' keys that were opened lately.
    opened: OpenedKeys,
    /// What jumps were decided on lately.
    snapshot: Snapshot,
    /// Where checkpoints of the audit log go; nowhere unless it was set.
    checkpoints: Option<Checkpoints>,
    /// To whose logs was written lately.
    written: Written,
    /// Who goes through all people of a tenant.
    walks: Walks,
    /// The newest instant seen.
    clock_watch: ClockWatch,
    /// The newest epoch seen. Only a hint that saves work: the database has the last word.
    epoch: AtomicI64,
    /// Passwords that became suspect by what targets told.
    suspect_credentials: AtomicU64,
}

/// What an [`App`] is made of.
pub struct Parts {
    /// Where everything is kept.
    pub store: Arc<dyn Store>,
    /// What tells the time.
    pub clock: Arc<dyn Clock>,
    /// Where random bytes come from.
    pub random: Arc<dyn Random>,
    /// The opened keys.
    pub keys: Keys,
    /// The issuer of jump tokens (`iss`), 1 to 64 characters.
    pub issuer: String,
    /// Where signed checkpoints of the audit log go; nowhere if `None`.
    pub checkpoints: Option<CheckpointDirectory>,
    /// How often signing keys change.
    pub rotation: Rotation,
    /// Where browsers reach the service.
    pub public_url: Origin,
}

/// One call: who calls, and the request as it came.
pub struct Call {
    /// Who calls, from the credential alone.
    pub caller: Caller,
    /// The caller's id of the request; `None` where the request has none.
    pub request_id: Option<RequestId>,
    /// Method and content, so that the same id with another content is noticed. May hold a secret.
    pub content: Zeroizing<Vec<u8>>,
}

/// Why a use case did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Fields of the request cannot be taken; all of them are listed, at least one.
    #[error("the request has invalid fields")]
    Invalid(Vec<Violation>),
    /// The rules say no.
    #[error("refused: {}", .0.reason.as_str())]
    Refused(Refusal),
    /// The store failed. Nothing half-done is left.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What the decision rested on kept moving. Trying again may work.
    #[error("the decision was overtaken by changes too often")]
    Contended,
    /// As many calls of this kind are under way as the service takes at once. Nothing was begun.
    #[error("too many calls of this kind are under way")]
    Overloaded,
    /// A key does not open, or its key-encryption key is of no use, so nothing that needs it can be done.
    #[error("a key is not available")]
    Key(#[source] KekError),
    /// A secret could not be sealed.
    #[error("a secret could not be sealed")]
    Seal(#[from] SealError),
    /// A signing key could not be made.
    #[error("a signing key could not be made")]
    MakeKey(#[source] KeyError),
    /// No key signs, or the one that does cannot be read.
    #[error("there is no signing key that can be used")]
    NoSigningKey,
    /// The service's own row is gone, or one of its keys.
    #[error("the state of the service is gone")]
    ServiceLost,
    /// A token could not be made.
    #[error("a token could not be made")]
    Token(#[source] TokenError),
    /// The request is one that the policy table lets nobody make. A defect of ours.
    #[error("the caller does not fit the use case")]
    CallerUnfit,
}

/// Why the service cannot do its work.
#[derive(Debug, thiserror::Error)]
pub enum Unwell {
    /// The store cannot.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The clock is not to be believed.
    #[error(transparent)]
    Clock(#[from] ClockBehind),
    /// A key-encryption key that is needed is of no use.
    #[error(transparent)]
    Kek(#[from] KekLost),
}

impl From<Reason> for Failure {
    fn from(reason: Reason) -> Self {
        Self::Refused(reason.into())
    }
}

impl From<TokenError> for Failure {
    fn from(error: TokenError) -> Self {
        match error {
            TokenError::NoKey => Self::NoSigningKey,
            TokenError::TooLong
            | TokenError::Signing
            | TokenError::Refused(_)
            | TokenError::Life
            | TokenError::Unfit(_) => Self::Token(error),
        }
    }
}

impl Failure {
    /// One field cannot be taken.
    fn field(field: &str, problem: &'static str) -> Self {
        Self::Invalid(vec![Violation::new(field, problem)])
    }
}

/// Turns what the store answered into what the caller gets.
fn done<T>(outcome: Outcome<T>) -> Result<T, Failure> {
    match outcome {
        Outcome::Done(done) => Ok(done),
        Outcome::Refused(refusal) => Err(Failure::Refused(refusal)),
    }
}

/// The audit row of what the service does by itself. It is nobody, so nothing needs to forget it.
fn service_entry(action: Action, object: Option<AuditObject>, at: Timestamp, random: &dyn Random) -> AuditEntry {
    let service = AuditedPerson { kind: AuditedKind::Subject, id: SERVICE.to_owned() };
    AuditEntry {
        audit_id: AuditId::new(at, random),
        at,
        role: AuditedRole::Service,
        caller: person_pseudonym(&Salt([0; 32]), &service),
        actor: None,
        person: None,
        action,
        object,
        request_id: None,
    }
}

impl Call {
    /// The tenant that the caller belongs to.
    ///
    /// # Errors
    /// [`Failure::CallerUnfit`] if he belongs to none.
    fn tenant(&self) -> Result<&TenantId, Failure> {
        match &self.caller {
            Caller::Tenant { tenant, .. } => Ok(tenant),
            Caller::Anonymous | Caller::Operator { .. } | Caller::Target { .. } => Err(Failure::CallerUnfit),
        }
    }

    /// The tenant that the caller belongs to, what he is there, and the subject of his credential.
    fn tenant_caller(&self) -> Result<(&TenantId, &TenantRole, &SubjectId), Failure> {
        match &self.caller {
            Caller::Tenant { tenant, role, subject } => Ok((tenant, role, subject)),
            Caller::Anonymous | Caller::Operator { .. } | Caller::Target { .. } => Err(Failure::CallerUnfit),
        }
    }
}

impl App {
    /// Puts the service together.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        let Parts { store, clock, random, keys, issuer, checkpoints, rotation, public_url } = parts;
        let Keys { keks, opened: OpenedService { system, jump_ring, caller_ring, unreadable: _, epoch } } = keys;
        Self {
            clock_watch: ClockWatch::new(clock.now()),
            store,
            clock,
            random,
            keks,
            kek_watch: KekWatch::default(),
            system,
            jump_tokens: JumpTokens::new(jump_ring, issuer),
            caller_ring,
            rotation,
            public_url,
            key_watch: KeyWatch::default(),
            opened: OpenedKeys::new(),
            snapshot: Snapshot::new(),
            checkpoints: checkpoints.map(Checkpoints::new),
            written: Written::default(),
            walks: Walks::default(),
            epoch: AtomicI64::new(epoch),
            suspect_credentials: AtomicU64::new(0),
        }
    }

    /// The public keys that verify jump tokens: the JSON text of a JWK set (RFC 7517, section 5).
    #[must_use]
    pub fn jwks(&self) -> String {
        self.jump_tokens.ring().jwks_json(self.now())
    }

    /// Answers if the service can do its work.
    ///
    /// # Errors
    /// [`Unwell`] if it cannot.
    pub async fn check(&self) -> Result<(), Unwell> {
        self.check_clock()?;
        self.kek_watch.check()?;
        Ok(self.store.check().await?)
    }

    /// Tells whether calls are served: the store can be reached, the clock is to be believed, and the key-encryption keys that
    /// are needed are at hand. Cheaper than [`App::check`], which writes.
    pub async fn is_ready(&self) -> bool {
        self.check_clock().is_ok() && self.kek_watch.check().is_ok() && self.store.check_reachable().await.is_ok()
    }

    /// How busy the store is now.
    #[must_use]
    pub fn store_load(&self) -> StoreLoad {
        self.store.load()
    }

    /// How old the key is that signs jump tokens; `None` where nobody knows.
    #[must_use]
    pub fn signing_key_age(&self) -> Option<Duration> {
        let now = self.now();
        self.jump_tokens.ring().current_made_at(now).map(|made_at| now.since(made_at))
    }

    /// Where random bytes come from.
    pub fn random(&self) -> &dyn Random {
        &*self.random
    }

    /// The instant it is now, by the clock of the service.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn known_epoch(&self) -> i64 {
        self.epoch.load(Ordering::Relaxed)
    }

    fn saw_epoch(&self, epoch: i64) {
        self.epoch.fetch_max(epoch, Ordering::Relaxed);
    }

    async fn open_keys(&self, tenant: &TenantId, wrapped: &WrappedKeys) -> Result<Arc<TenantKeys>, Failure> {
        self.opened.get_or_open(&*self.keks, *tenant, wrapped).await.map_err(Failure::Key)
    }

    /// The tenant of the caller's credential. One that is not there, or is deleted, is refused like one that the
    /// credential is not for.
    async fn known_tenant<'c>(&self, call: &'c Call) -> Result<&'c TenantId, Failure> {
        let tenant = call.tenant()?;
        match self.store.get_tenant(tenant).await? {
            Some(Tenant { deleted_at: None, .. }) => Ok(tenant),
            Some(Tenant { deleted_at: Some(_), .. }) | None => self.unknown_tenant(call).await,
        }
    }

    /// The keys of the tenant of the caller's credential, for what is sealed under them. Whether it may be served was asked
    /// when the effect was built that they are for.
    async fn caller_keys(&self, call: &Call) -> Result<Arc<TenantKeys>, Failure> {
        let tenant = call.tenant()?;
        match self.store.tenant_keys(tenant).await? {
            Some(wrapped) => self.open_keys(tenant, &wrapped).await,
            None => self.unknown_tenant(call).await,
        }
    }

    /// Turns an absent resource into what the caller gets, the same for one that never was and one of another tenant,
    /// and writes it down: whoever tries ids leaves a trace.
    async fn found<T>(&self, call: &Call, found: Option<T>) -> Result<T, Failure> {
        if found.is_none() {
            self.record_denial(&call.caller, Reason::NotFound).await?;
        }
        found.ok_or_else(|| Reason::NotFound.into())
    }

    /// Writes down and answers that the tenant of the caller's credential is not there.
    async fn unknown_tenant<T>(&self, call: &Call) -> Result<T, Failure> {
        self.record_denial(&call.caller, Reason::TenantMismatch).await?;
        Err(Reason::TenantMismatch.into())
    }
}
