//! The store: what is kept, and the rules that every engine keeps it by.
//!
//! The traits speak the domain's types and may use nothing else of this crate; an engine may use this
//! module beside. Only an engine knows SQL; only `relocate`, which moves everything from one to the other, knows both
//! engines. The rules, the same for each engine:
//!
//! - One method is one use case's effect, atomic, with its audit row in the same transaction. No
//!   transaction handle leaves the store.
//! - The tenant is the first argument and stands in every WHERE and every key. Only tenants themselves, the
//!   catalogue and the service's own state are global; a method that crosses tenants says so by its
//!   name (`.._all_tenants`).
//! - What must hold at commit stands in the SQL (`docs/adr/0001-rules-as-rows.md`): constraints refuse
//!   the bad row, a check in the same transaction finds the reason and the dependents before that.
//! - Whatever a decision may rest on moves the tenant's `config_version`, the customer's `jump_version` or the
//!   global `catalog_version`; recording and redeeming a jump compare all three.
//! - Instants are parameters; no statement asks the database for the time.
//! - Lists are keyset-paged by the id that names their rows.
//!
//! What deciding and redeeming read is asked by many callers at once; `reader` gathers their questions for each engine.
//!
//! To add a method: its trait below, both engines under the same file and function name, a case in
//! the conformance suite (`tests/store`).

mod batches;
mod checkpoints;
mod codes;
mod location;
pub mod postgres;
mod reader;
pub mod relocate;
mod reports;
pub mod sqlite;

use std::sync::Arc;

use async_trait::async_trait;

use crate::domain::activation::{ActivationChange, BrokerActivation, NewActivation};
use crate::domain::audit::{AuditEntry, AuditOutcome, AuditedPerson, Salt};
use crate::domain::audit_log::{
    AuditFloor, AuditRecord, ChainEnd, EntryFilter, EntryMark, LogSeals, SealedEntry, Unsealed, UnsealedQuery,
};
use crate::domain::customer::{AccessChange, Customer, CustomerAccess, CustomerEntry, PutCounts};
use crate::domain::error::{Refusal, Version};
use crate::domain::ids::{
    ActivationId, AuditId, BrokerId, CustomerId, JumpId, ProviderId, ReturnUrlId, SubjectId, TargetId, TenantId, UserId,
};
use crate::domain::isolation::IsolationReport;
use crate::domain::jump::{
    Jump, JumpFilter, JumpInputs, JumpQuery, JumpRecord, JumpSelection, LoginReport, PersonInputs, PersonQuery,
    RecordOutcome, RedeemAttempt, RedeemInputs, RedeemOutcome, RedeemQuery, RequestKey, RevokedCounts, SeenCustomer,
    Session,
};
use crate::domain::kek::{KekId, KnownKek, Rewrapped};
use crate::domain::load::StoreLoad;
use crate::domain::page::{Page, PageRequest};
use crate::domain::provider::{ProductProvider, State};
use crate::domain::service::{SealedSigningKey, ServiceState};
use crate::domain::settings::{Settings, SettingsChange};
use crate::domain::signing::{KeyId, Rotation};
use crate::domain::simulation::{Simulated, SimulationQuery};
use crate::domain::target::{ReturnUrl, Target};
use crate::domain::tenant::{Tenant, TenantState, WrappedKeys};
use crate::domain::text::Line;
use crate::domain::time::Timestamp;
use crate::domain::user::{ConcenterUser, EndCustomerChange, NewUser, SecretChange, UserChange};

pub use self::checkpoints::CheckpointDirectory;
pub use self::location::{
    DatabaseUrl, InvalidDatabaseUrl, InvalidMostInABatch, Location, Migrated, MostInABatch, OpenError, Opened,
};

/// Most con:center users of one tenant.
pub const MOST_USERS: u32 = 10_000;
/// Most activations that one broker is in.
pub const MOST_ACTIVATIONS_OF_BROKER: u32 = 100;
/// Most jumps that one page of a list looks at.
pub const MOST_JUMPS_SCANNED: u32 = 10_000;
/// Most jumps that a page of the isolation report looks at, the newest ones of the tenant.
pub const MOST_JUMPS_REPORTED: u32 = 100_000;
/// Most rows of the audit log that one page of a list looks at.
pub const MOST_ENTRIES_SCANNED: u32 = 10_000;
/// Most brokers that a simulation reads in one go, each with all of his activations.
pub const BROKERS_AT_ONCE: u32 = 2_000;
/// Most kinds of assignment that a simulation looks up one by one, to list who differs. More of them are looked for among all
/// customers of the tenant.
pub const MOST_ASSIGNMENTS_LOOKED_UP: usize = 200;
/// Most customers in one batch.
pub const MOST_CUSTOMERS_AT_ONCE: usize = 1_000;

/// Why the store could not do what it was asked to. Never a text of the caller's or of a driver's for the caller.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// More writes wait than the queue takes. Trying again later may work.
    #[error("too many writes are waiting")]
    Busy,
    /// The volume is full. Nothing was lost; it goes on when there is room.
    #[error("no space is left for the database")]
    Full(#[source] Cause),
    /// The database cannot be reached or answers with a failure of its own.
    #[error("the database is not available")]
    Down(#[source] Cause),
    /// A row does not read as what it should be: somebody else wrote it.
    #[error("a row of {table} does not read")]
    Corrupt {
        /// The table.
        table: &'static str,
    },
    /// Other writes got in the way, again and again. Trying again may work.
    #[error("the write was overtaken by others too often")]
    Contended(#[source] Cause),
    /// A constraint refused a row that the checks before it let through.
    #[error("a constraint refused the row")]
    Constraint(#[source] Cause),
}

/// What the driver said; for the log, never for the caller.
pub type Cause = Arc<dyn std::error::Error + Send + Sync>;

/// What came of an effect that the rules may refuse.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome<T> {
    /// It is done, and committed. Also when the same request had done it before.
    Done(T),
    /// Nothing changed but the audit log.
    Refused(Refusal),
}

/// What every effect brings along: whose request it is, and what the audit log gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effect {
    /// When it happens.
    pub at: Timestamp,
    /// In whose log of requests it stands: the caller's tenant, [`TenantId::SYSTEM`] for an operator.
    pub scope: TenantId,
    /// The request. The same request a second time changes nothing and answers with the state now; the same id
    /// with another content is refused (`REQUEST_ID_REUSED`).
    pub request: RequestKey,
    /// The subject of the caller's credential, where a row says by whom something was done.
    pub by: SubjectId,
    /// The audit row, but for its outcome.
    pub audit: AuditEntry,
}

/// What a new tenant starts with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTenant {
    /// Its id.
    pub tenant_id: TenantId,
    /// For people.
    pub display_name: Line,
    /// Its keys.
    pub keys: WrappedKeys,
    /// Its Standard user, unless it starts without one.
    pub standard_user: Option<NewUser>,
}

/// What moving Standard did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StandardMoved {
    /// The user that is Standard now.
    pub user: ConcenterUser,
    /// The one that was before, now a broker's user; `None` if there was none, or if it is the same.
    pub previous: Option<ConcenterUser>,
}

/// Everything that the service keeps.
pub trait Store:
    ServiceStore
    + KeyStore
    + KekStore
    + TenantStore
    + SettingsStore
    + CatalogStore
    + UserStore
    + ActivationStore
    + CustomerStore
    + JumpStore
    + SimulationStore
    + IsolationStore
    + AuditStore
    + ChainStore
    + FloorStore
    + RetentionStore
{
}

impl<T> Store for T where
    T: ServiceStore
        + KeyStore
        + KekStore
        + TenantStore
        + SettingsStore
        + CatalogStore
        + UserStore
        + ActivationStore
        + CustomerStore
        + JumpStore
        + SimulationStore
        + IsolationStore
        + AuditStore
        + ChainStore
        + FloorStore
        + RetentionStore
{
}

/// The service's own state: one row.
#[async_trait]
pub trait ServiceStore: Send + Sync {
    /// Reads the service's state; `None` in a database that nobody initialised yet. One that has data but no state is
    /// [`StoreError::Corrupt`].
    async fn load_service(&self) -> Result<Option<ServiceState>, StoreError>;

    /// Writes the state of a new service. Does nothing if there is one already: read it then.
    async fn initialise_service(&self, state: &ServiceState) -> Result<(), StoreError>;

    /// Answers if the database can be read and written.
    async fn check(&self) -> Result<(), StoreError>;

    /// Answers if the database can be read.
    async fn check_reachable(&self) -> Result<(), StoreError>;

    /// How busy the store is now. Asks nobody and waits for nobody.
    fn load(&self) -> StoreLoad;

    /// Lets the writes that wait finish and closes the database, for everybody who has it. Later calls answer
    /// [`StoreError::Down`].
    async fn close(&self);
}

/// Signing keys. What each may do at an instant follows from their rows ([`crate::domain::signing`]); all of them are read with
/// the service's state.
#[async_trait]
pub trait KeyStore: Send + Sync {
    /// Adds a key unless its purpose has one that begins to sign later than `after` and is not revoked: then somebody else
    /// was quicker, and the answer is `false`. The audit row is written only with the key.
    async fn add_signing_key(
        &self,
        key: &SealedSigningKey,
        after: Timestamp,
        audit: &AuditEntry,
    ) -> Result<bool, StoreError>;

    /// Lets the next key of a purpose begin earlier, as soon as `rotation` allows; where there is none, adds `new`, which
    /// begins when it says. Answers with the next key. No change if it begins as early already.
    async fn rotate_signing_key(
        &self,
        effect: &Effect,
        rotation: &Rotation,
        new: &SealedSigningKey,
    ) -> Result<Outcome<SealedSigningKey>, StoreError>;

    /// Revokes a key: overwrites its private half and, if what it signed was accepted, moves the epoch, so that every open jump
    /// dies. If nobody would sign then,
    /// the next key of its purpose begins at once, or, where there is none, that one of `heirs` which is of its purpose. No
    /// change if it is revoked already.
    ///
    /// Refused: `NotFound`.
    async fn revoke_signing_key(
        &self,
        effect: &Effect,
        kid: &KeyId,
        heirs: &[SealedSigningKey],
    ) -> Result<Outcome<SealedSigningKey>, StoreError>;

    /// Overwrites the private half of a key by the sealed public one, if there is one, at the audit row's instant; only if the
    /// key was replaced at `before` or earlier, and is neither removed nor revoked. Tells whether it was, and writes the
    /// audit row only then.
    async fn remove_signing_key(
        &self,
        kid: &KeyId,
        sealed_public: Option<&[u8]>,
        before: Timestamp,
        audit: &AuditEntry,
    ) -> Result<bool, StoreError>;
}

/// Key-encryption keys, as far as the database knows them, and what is wrapped under them. All of them are read with the service's
/// state; what one that is retired may do, the database itself refuses.
#[async_trait]
pub trait KekStore: Send + Sync {
    /// Makes a key known, which wraps nothing yet. No change if it is known already, retired or not.
    async fn add_kek(&self, effect: &Effect, kek: &KnownKek) -> Result<Outcome<KnownKek>, StoreError>;

    /// Makes a key the one that wraps whatever is new. No change if it is.
    ///
    /// Refused: `NotFound` (also one that is retired).
    async fn activate_kek(&self, effect: &Effect, kek_id: &KekId) -> Result<Outcome<KnownKek>, StoreError>;

    /// Retires a key, at the effect's instant and for good. No change if it is retired already.
    ///
    /// Refused: `NotFound`, `KekInUse` (something is wrapped under it, or it is the active one), with how many things are.
    async fn retire_kek(&self, effect: &Effect, kek_id: &KekId) -> Result<Outcome<KnownKek>, StoreError>;

    /// Counts the data keys under a key, that of the service included.
    async fn count_data_keys_all_tenants(&self, kek_id: &KekId) -> Result<u64, StoreError>;

    /// Lists tenants whose data keys are under a key, by id, those behind `after` or from the first one on; at most `most`.
    async fn tenants_under_kek_all_tenants(
        &self,
        kek_id: &KekId,
        after: Option<&TenantId>,
        most: u32,
    ) -> Result<Vec<TenantId>, StoreError>;

    /// Reads the keys of some tenants, those that have any, by id.
    async fn keys_of_tenants(&self, tenants: &[TenantId]) -> Result<Vec<(TenantId, WrappedKeys)>, StoreError>;

    /// Lets data keys that were wrapped anew under `to` take the place of those that they were opened from, in one transaction:
    /// each only where exactly those bytes are still there, and all only while `to` is the active key. Tells how many did, and
    /// writes the audit row, into the log of [`TenantId::SYSTEM`], if any did.
    async fn rewrap_keys(&self, to: &KekId, keys: &[Rewrapped], audit: &AuditEntry) -> Result<u64, StoreError>;
}

/// Tenants.
#[async_trait]
pub trait TenantStore: Send + Sync {
    /// Makes a tenant, with its keys, an empty customer access and, unless it starts without one, its Standard user.
    async fn create_tenant(&self, effect: &Effect, new: &NewTenant) -> Result<Outcome<Tenant>, StoreError>;

    /// Reads a tenant.
    async fn get_tenant(&self, tenant: &TenantId) -> Result<Option<Tenant>, StoreError>;

    /// Lists all tenants by id.
    async fn list_tenants_all_tenants(&self, page: &PageRequest) -> Result<Page<Tenant>, StoreError>;

    /// Gives a tenant another name. Refused: `NotFound`, `EtagMismatch`.
    async fn update_tenant(
        &self,
        tenant: &TenantId,
        effect: &Effect,
        version: Version,
        display_name: &Line,
    ) -> Result<Outcome<Tenant>, StoreError>;

    /// Stops or starts a tenant; either way all its open jumps are revoked. No change if it is in `state` already.
    ///
    /// Refused: `NotFound`, `EtagMismatch`, `TenantDeleted` (starting a deleted one).
    async fn set_tenant_state(
        &self,
        tenant: &TenantId,
        effect: &Effect,
        version: Version,
        state: TenantState,
    ) -> Result<Outcome<Tenant>, StoreError>;

    /// Deletes a tenant at the effect's instant, which stops it as well; or takes that back, and it stays stopped. No change if
    /// it is so already.
    ///
    /// Refused: `NotFound`, `EtagMismatch`.
    async fn set_tenant_deleted(
        &self,
        tenant: &TenantId,
        effect: &Effect,
        version: Version,
        deleted: bool,
    ) -> Result<Outcome<Tenant>, StoreError>;

    /// Reads a tenant's keys.
    async fn tenant_keys(&self, tenant: &TenantId) -> Result<Option<WrappedKeys>, StoreError>;
}

/// Settings of tenants.
#[async_trait]
pub trait SettingsStore: Send + Sync {
    /// Reads the settings; `None` only where there is no such tenant.
    async fn get_settings(&self, tenant: &TenantId) -> Result<Option<Settings>, StoreError>;

    /// Changes the settings. Open jumps are revoked if a decision rests on what changes ([`Settings::decide_like`]).
    ///
    /// Refused: `NotFound`, `EtagMismatch`.
    async fn update_settings(
        &self,
        tenant: &TenantId,
        effect: &Effect,
        version: Version,
        change: &SettingsChange,
    ) -> Result<Outcome<Settings>, StoreError>;
}

/// The catalogue, the same for all tenants. Every change of it revokes all open jumps.
#[async_trait]
pub trait CatalogStore: Send + Sync {
    /// Puts a provider: makes it (`known` is `None`) or changes it. `provider.state` and `provider.version` count only
    /// for a new one.
    ///
    /// Refused: `EtagMismatch` (also for a new one that is there already), `NotFound`.
    async fn put_provider(
        &self,
        effect: &Effect,
        provider: &ProductProvider,
        known: Option<Version>,
    ) -> Result<Outcome<ProductProvider>, StoreError>;

    /// Disables or enables a provider. Refused: `NotFound`, `EtagMismatch`.
    async fn set_provider_state(
        &self,
        effect: &Effect,
        provider: &ProviderId,
        version: Version,
        state: State,
    ) -> Result<Outcome<ProductProvider>, StoreError>;

    /// Reads a provider.
    async fn get_provider(&self, provider: &ProviderId) -> Result<Option<ProductProvider>, StoreError>;

    /// Lists providers by key.
    async fn list_providers(&self, page: &PageRequest) -> Result<Page<ProductProvider>, StoreError>;

    /// Puts a target, as [`CatalogStore::put_provider`] does. Refused beside: `NotFound` for its provider.
    async fn put_target(
        &self,
        effect: &Effect,
        target: &Target,
        known: Option<Version>,
    ) -> Result<Outcome<Target>, StoreError>;

    /// Disables or enables a target. Refused: `NotFound`, `EtagMismatch`.
    async fn set_target_state(
        &self,
        effect: &Effect,
        target: &TargetId,
        version: Version,
        state: State,
    ) -> Result<Outcome<Target>, StoreError>;

    /// Reads a target.
    async fn get_target(&self, target: &TargetId) -> Result<Option<Target>, StoreError>;

    /// Lists targets by key.
    async fn list_targets(&self, page: &PageRequest) -> Result<Page<Target>, StoreError>;

    /// Puts a return URL, as [`CatalogStore::put_provider`] does. Refused beside: `AlreadyExists` for a URL under
    /// another key.
    async fn put_return_url(
        &self,
        effect: &Effect,
        return_url: &ReturnUrl,
        known: Option<Version>,
    ) -> Result<Outcome<ReturnUrl>, StoreError>;

    /// Disables or enables a return URL. Refused: `NotFound`, `EtagMismatch`.
    async fn set_return_url_state(
        &self,
        effect: &Effect,
        return_url: &ReturnUrlId,
        version: Version,
        state: State,
    ) -> Result<Outcome<ReturnUrl>, StoreError>;

    /// Reads a return URL.
    async fn get_return_url(&self, return_url: &ReturnUrlId) -> Result<Option<ReturnUrl>, StoreError>;

    /// Lists return URLs by key.
    async fn list_return_urls(&self, page: &PageRequest) -> Result<Page<ReturnUrl>, StoreError>;
}

/// Con:center users.
#[async_trait]
pub trait UserStore: Send + Sync {
    /// Makes a user, of kind `Broker` or `EndCustomer`.
    ///
    /// Refused: `AlreadyExists` (the name), `NotFound` (a provider of its scope), `LimitReached` ([`MOST_USERS`]).
    async fn create_user(
        &self,
        tenant: &TenantId,
        effect: &Effect,
        new: &NewUser,
    ) -> Result<Outcome<ConcenterUser>, StoreError>;

    /// Reads a user.
    async fn get_user(&self, tenant: &TenantId, user: &UserId) -> Result<Option<ConcenterUser>, StoreError>;

    /// Lists users by id, the oldest first.
    async fn list_users(&self, tenant: &TenantId, page: &PageRequest) -> Result<Page<ConcenterUser>, StoreError>;

    /// Changes a user. Open jumps are revoked if name or scope change; nothing moves if nothing differs.
    ///
    /// Refused: `NotFound` (also a provider of the scope), `EtagMismatch`, `AlreadyExists` (the name),
    /// `ProviderScopeRequired` (Endkunde with all providers).
    async fn update_user(
        &self,
        tenant: &TenantId,
        effect: &Effect,
        user: &UserId,
        version: Version,
        change: &UserChange,
    ) -> Result<Outcome<ConcenterUser>, StoreError>;

    /// Replaces a user's secret; logins that failed with the one before do not count any more, and nobody need be told of it.
    ///
    /// Refused: `NotFound`, `EtagMismatch` (also when the secret's version is not the next one).
    async fn set_user_secret(
        &self,
        tenant: &TenantId,
        effect: &Effect,
        user: &UserId,
        version: Version,
        change: &SecretChange,
    ) -> Result<Outcome<ConcenterUser>, StoreError>;

    /// Moves Standard to a user; the one before becomes a broker's user. Nothing moves if it is Standard already.
    ///
    /// Refused: `NotFound`, `EtagMismatch`, `EndkundeConflict` (the user is marked Endkunde), `Assigned` (with
    /// dependents).
    async fn set_standard_user(
        &self,
        tenant: &TenantId,
        effect: &Effect,
        user: &UserId,
        version: Version,
    ) -> Result<Outcome<StandardMoved>, StoreError>;

    /// Marks a user Endkunde, or takes the mark away; with a scope, his is replaced in the same step. Somebody is to be told
    /// where con:center says otherwise of one that is marked now and was not before; nobody any more of one that no longer is.
    ///
    /// Refused: `NotFound` (also a provider), `EtagMismatch`, `EndkundeConflict` (the Standard user),
    /// `ProviderScopeRequired` (Endkunde with all providers), `Assigned` (activations or customers depend on it),
    /// `SlotInUse` (it is a segment's shared user); the last two with dependents.
    async fn set_end_customer(
        &self,
        tenant: &TenantId,
        effect: &Effect,
        user: &UserId,
        version: Version,
        change: &EndCustomerChange,
    ) -> Result<Outcome<ConcenterUser>, StoreError>;

    /// Notes what con:center itself says of a user, by the effect's caller; `None`: nobody knows. Open jumps are revoked if that
    /// is another answer than before; somebody is to be told if it is no, and the user is marked Endkunde, and else nobody any more.
    ///
    /// Refused: `NotFound`, `EtagMismatch`.
    async fn attest_end_customer(
        &self,
        tenant: &TenantId,
        effect: &Effect,
        user: &UserId,
        version: Version,
        reported: Option<bool>,
    ) -> Result<Outcome<ConcenterUser>, StoreError>;

    /// Disables or enables a user. Refused: `NotFound`, `EtagMismatch`.
    async fn set_user_state(
        &self,
        tenant: &TenantId,
        effect: &Effect,
        user: &UserId,
        version: Version,
        state: State,
    ) -> Result<Outcome<ConcenterUser>, StoreError>;

    /// Deletes a user, with his secret; open jumps are revoked, and nobody is told of him who was not yet.
    ///
    /// Refused: `NotFound`, `EtagMismatch`, `StandardRequired` (the Standard user), `Assigned` (with all dependents:
    /// activations, customers, segments that share it).
    async fn delete_user(
        &self,
        tenant: &TenantId,
        effect: &Effect,
        user: &UserId,
        version: Version,
    ) -> Result<Outcome<()>, StoreError>;
}

/// Broker activations.
#[async_trait]
pub trait ActivationStore: Send + Sync {
    /// Makes an activation.
    ///
    /// Refused: `NotFound` (the user), `EndkundeConflict` (it is marked Endkunde), `StandardNotForJumps`,
    /// `UserAlreadyAssigned` (with the activations that have it; not where a sharing reason is given), `LimitReached`
    /// (one of the brokers is in [`MOST_ACTIVATIONS_OF_BROKER`] already).
    async fn create_activation(
        &self,
        tenant: &TenantId,
        effect: &Effect,
        new: &NewActivation,
    ) -> Result<Outcome<BrokerActivation>, StoreError>;

    /// Reads an activation.
    async fn get_activation(
        &self,
        tenant: &TenantId,
        activation: &ActivationId,
    ) -> Result<Option<BrokerActivation>, StoreError>;

    /// Lists activations by id, of one broker or of all.
    async fn list_activations(
        &self,
        tenant: &TenantId,
        broker: Option<&BrokerId>,
        page: &PageRequest,
    ) -> Result<Page<BrokerActivation>, StoreError>;

    /// Changes an activation. Open jumps are revoked if brokers or user change; nothing moves if nothing differs.
    ///
    /// Refused: as [`ActivationStore::create_activation`] does, and `EtagMismatch`.
    async fn update_activation(
        &self,
        tenant: &TenantId,
        effect: &Effect,
        activation: &ActivationId,
        version: Version,
        change: &ActivationChange,
    ) -> Result<Outcome<BrokerActivation>, StoreError>;

    /// Disables or enables an activation. Refused: `NotFound`, `EtagMismatch`.
    async fn set_activation_state(
        &self,
        tenant: &TenantId,
        effect: &Effect,
        activation: &ActivationId,
        version: Version,
        state: State,
    ) -> Result<Outcome<BrokerActivation>, StoreError>;

    /// Deletes an activation; open jumps are revoked. Refused: `NotFound`, `EtagMismatch`.
    async fn delete_activation(
        &self,
        tenant: &TenantId,
        effect: &Effect,
        activation: &ActivationId,
        version: Version,
    ) -> Result<Outcome<()>, StoreError>;
}

/// Customers and the users they share.
#[async_trait]
pub trait CustomerStore: Send + Sync {
    /// Puts records of customers, at most [`MOST_CUSTOMERS_AT_ONCE`], each id once; rows that do not differ are not
    /// touched.
    async fn put_customers(
        &self,
        tenant: &TenantId,
        effect: &Effect,
        entries: &[CustomerEntry],
    ) -> Result<Outcome<PutCounts>, StoreError>;

    /// Reads a customer's record.
    async fn get_customer(&self, tenant: &TenantId, customer: &CustomerId) -> Result<Option<Customer>, StoreError>;

    /// Lists customers by id, those with one own user or all.
    async fn list_customers(
        &self,
        tenant: &TenantId,
        own_user: Option<&UserId>,
        page: &PageRequest,
    ) -> Result<Page<Customer>, StoreError>;

    /// Forgets a customer: his record and his salt go, his open jumps are revoked, and his jumps and those in which a broker
    /// worked for him no longer lead to him. A record that is put later under the same id revives nothing.
    ///
    /// Refused: `NotFound` (nothing leads to him).
    async fn erase_customer(
        &self,
        tenant: &TenantId,
        effect: &Effect,
        customer: &CustomerId,
    ) -> Result<Outcome<()>, StoreError>;

    /// Gives a customer an own user, or takes it away (`None`).
    ///
    /// Refused: `NotFound` (customer or user), `EtagMismatch`, `EndkundeRequired`.
    async fn assign_user(
        &self,
        tenant: &TenantId,
        effect: &Effect,
        customer: &CustomerId,
        version: Version,
        user: Option<&UserId>,
    ) -> Result<Outcome<Customer>, StoreError>;

    /// Reads the shared users; `None` only where there is no such tenant.
    async fn get_customer_access(&self, tenant: &TenantId) -> Result<Option<CustomerAccess>, StoreError>;

    /// Changes the shared users. Refused: `NotFound` (a user), `EtagMismatch`, `EndkundeRequired`.
    async fn update_customer_access(
        &self,
        tenant: &TenantId,
        effect: &Effect,
        version: Version,
        change: &AccessChange,
    ) -> Result<Outcome<CustomerAccess>, StoreError>;
}

/// Jumps.
#[async_trait]
pub trait JumpStore: Send + Sync {
    /// Reads everything that deciding a jump needs, at one point in time. `None` if there is no such tenant.
    async fn jump_inputs(&self, tenant: &TenantId, query: JumpQuery<'_>) -> Result<Option<JumpInputs>, StoreError>;

    /// Reads what leads a person to a user, at one point in time. `None` if there is no such tenant, which of a broker need
    /// not be noticed.
    async fn person_inputs(
        &self,
        tenant: &TenantId,
        query: PersonQuery<'_>,
    ) -> Result<Option<PersonInputs>, StoreError>;

    /// Keeps a jump if everything that it was decided on still holds at commit. The audit row is written only if it
    /// does.
    async fn record_jump(
        &self,
        tenant: &TenantId,
        jump: &Jump,
        audit: &AuditEntry,
    ) -> Result<RecordOutcome, StoreError>;

    /// Reads everything that redeeming a jump needs, at one point in time. `None` if the tenant has no jump of that
    /// proof.
    async fn redeem_inputs(
        &self,
        tenant: &TenantId,
        query: RedeemQuery<'_>,
    ) -> Result<Option<RedeemInputs>, StoreError>;

    /// Consumes a jump if it is unredeemed, in time, for this target, and everything that it was decided on still holds
    /// at commit. Otherwise the refusal is audited, and a second redemption marks the first session revoked.
    async fn redeem_jump(
        &self,
        tenant: &TenantId,
        attempt: &RedeemAttempt,
        audit: &AuditEntry,
    ) -> Result<RedeemOutcome, StoreError>;

    /// Reads the session that a redeemed jump opened at a target; `None` if there is no such jump of the tenant for that target,
    /// or it was not redeemed.
    async fn get_session(
        &self,
        tenant: &TenantId,
        jump: &JumpId,
        target: &TargetId,
    ) -> Result<Option<Session>, StoreError>;

    /// Notes how the login of a jump went that the target redeemed; the same again changes nothing. If the password that was
    /// handed over is still the user's, one that failed counts, and one that succeeded ends the count of those redeemed before it;
    /// the third in a row that failed makes the password suspect: open jumps are revoked, somebody is to be told, and a second audit
    /// row tells of the user.
    ///
    /// Gives the user whose password became suspect by this very request, if one did.
    ///
    /// Refused: `NotFound` (as [`JumpStore::get_session`] finds none), `ResultAlreadyReported`.
    async fn report_result(
        &self,
        tenant: &TenantId,
        effect: &Effect,
        report: &LoginReport,
    ) -> Result<Outcome<Option<UserId>>, StoreError>;

    /// Reads a jump of the history, as it is at `now`.
    async fn get_jump(
        &self,
        tenant: &TenantId,
        jump: &JumpId,
        now: Timestamp,
    ) -> Result<Option<JumpRecord>, StoreError>;

    /// Lists jumps, the newest first, as they are at `now`. Looks at no more than [`MOST_JUMPS_SCANNED`]: a page may
    /// have fewer rows than asked for, and another one after it.
    async fn list_jumps(
        &self,
        tenant: &TenantId,
        filter: &JumpFilter,
        page: &PageRequest,
        now: Timestamp,
    ) -> Result<Page<JumpRecord>, StoreError>;

    /// Revokes the open jumps of a selection. Of one jump or a person, marks the sessions revoked that his other jumps opened
    /// within the last [`LONGEST_SESSION`](crate::domain::jump::LONGEST_SESSION); of a user, no sessions: his jumps of so
    /// long may be all that a tenant has. The same request again answers with the same counts.
    ///
    /// Refused: `NotFound` (the jump or the user).
    async fn revoke_jumps(
        &self,
        tenant: &TenantId,
        effect: &Effect,
        selection: &JumpSelection,
    ) -> Result<Outcome<RevokedCounts>, StoreError>;
}

/// What changes would do.
#[async_trait]
pub trait SimulationStore: Send + Sync {
    /// Works out what a change would do to the tenant's people, and counts and lists them as they are at one point in time; the
    /// next page may see another one. Holds no more of brokers than [`BROKERS_AT_ONCE`] and of customers than a page. `None` if
    /// there is no such tenant, or if it is deleted.
    async fn simulate_change(
        &self,
        tenant: &TenantId,
        query: &SimulationQuery,
    ) -> Result<Option<Simulated>, StoreError>;
}

/// How customers are kept apart.
#[async_trait]
pub trait IsolationStore: Send + Sync {
    /// Reads a page of the isolation report, as it is at one point in time. Goes through the tenant's users, its customers, and its
    /// newest [`MOST_JUMPS_REPORTED`] jumps; holds of them numbers for each user, and whole only the users of the page. `None` if
    /// there is no such tenant, or if it is deleted.
    async fn isolation_report(
        &self,
        tenant: &TenantId,
        page: &PageRequest,
    ) -> Result<Option<IsolationReport>, StoreError>;
}

/// The audit log.
#[async_trait]
pub trait AuditStore: Send + Sync {
    /// Writes the row of something that changes nothing else: a refusal before any effect, or an explanation.
    async fn record_audit(
        &self,
        tenant: &TenantId,
        entry: &AuditEntry,
        outcome: AuditOutcome,
    ) -> Result<(), StoreError>;

    /// Reads the salts of people, in the order asked for; whoever has none gets the one offered with him, for good. Where
    /// there is no such tenant nothing is kept.
    async fn ensure_salts(&self, tenant: &TenantId, people: &[(AuditedPerson, Salt)]) -> Result<Vec<Salt>, StoreError>;

    /// The same for a customer's jump, except that he is given none for good unless his record is still as `seen`. Somebody
    /// who was erased since would be made known again by a jump that is never recorded.
    async fn ensure_salts_of_jump(
        &self,
        tenant: &TenantId,
        people: &[(AuditedPerson, Salt)],
        seen: &SeenCustomer,
    ) -> Result<Vec<Salt>, StoreError>;

    /// Reads the salts of people, in the order asked for; `None` for one who has none, and he gets none. Writes nothing.
    async fn known_salts(&self, tenant: &TenantId, people: &[AuditedPerson]) -> Result<Vec<Option<Salt>>, StoreError>;
}

/// The chain of seals over the audit log of each tenant (`docs/audit.md`). What is read here is what stands in the tables, good
/// or not.
#[async_trait]
pub trait ChainStore: Send + Sync {
    /// Lists rows of a log, the newest first. Looks at no more than [`MOST_ENTRIES_SCANNED`]: a page may have fewer rows than
    /// asked for, and another one after it.
    async fn list_audit_entries(
        &self,
        tenant: &TenantId,
        filter: &EntryFilter,
        page: &PageRequest,
    ) -> Result<Page<AuditRecord>, StoreError>;

    /// Tells how far log and chain of each tenant reach, in the order of their ids. [`TenantId::SYSTEM`] is always among them,
    /// and so is a tenant that is gone and of whom the log is left.
    async fn list_chains_all_tenants(&self, page: &PageRequest) -> Result<Page<ChainEnd>, StoreError>;

    /// Tells how far log and chain of each of these tenants reach, in their order.
    async fn chain_ends(&self, tenants: &[TenantId]) -> Result<Vec<ChainEnd>, StoreError>;

    /// Reads, at one point in time, for each of these logs the last seal and rows without a seal: those whose ids sort behind
    /// `after`, in the order of their ids, at most `most` of each log. Looks at all rows behind `after`.
    async fn unsealed_entries(&self, logs: &[UnsealedQuery], most: u32) -> Result<Vec<Unsealed>, StoreError>;

    /// Appends seals to logs, each of which is named once: all or none of a log, and none where the first one does not follow the
    /// last one that is there. Tells for each log whether they were taken. If not, somebody else sealed meanwhile: what is to be
    /// sealed has to be read again.
    ///
    /// # Errors
    /// Fails for all of them, and appends nothing.
    async fn append_seals(&self, logs: &[LogSeals]) -> Result<Vec<bool>, StoreError>;

    /// Reads seals behind place `after`, in their order, each with its row; at most `most`.
    async fn sealed_entries(&self, tenant: &TenantId, after: i64, most: u32) -> Result<Vec<SealedEntry>, StoreError>;

    /// Reads which rows behind the id `after`, or from the first one on, are sealed, in the order of their ids; at most `most`.
    async fn entry_marks(
        &self,
        tenant: &TenantId,
        after: Option<&str>,
        most: u32,
    ) -> Result<Vec<EntryMark>, StoreError>;
}

/// Up to where logs were dropped because their time was over (`docs/audit.md#the-floor`). What is read here is what stands in
/// the tables: whether the service signed it, the caller asks.
#[async_trait]
pub trait FloorStore: Send + Sync {
    /// Reads the floor of a log; `None` where nothing of it was ever dropped.
    async fn audit_floor(&self, tenant: &TenantId) -> Result<Option<AuditFloor>, StoreError>;

    /// The first place of a chain at which a row is sealed whose id is `since` or sorts behind it; `None` if there is none. Rows
    /// that came later to the log by up to [`LATEST_ENTRY`](crate::domain::audit_log::LATEST_ENTRY) count.
    async fn first_sealed_since(&self, tenant: &TenantId, since: &AuditId) -> Result<Option<i64>, StoreError>;

    /// Raises the floor of a log to a place whose seal is there, with another one behind it, and writes the audit row into that
    /// log. `false`, and nothing is done, if it is as high already.
    async fn raise_audit_floor(
        &self,
        tenant: &TenantId,
        floor: &AuditFloor,
        audit: &AuditEntry,
    ) -> Result<bool, StoreError>;

    /// Deletes rows of a log that are not above its floor, the oldest first, each with its seal: at most `most` in one
    /// transaction. Tells how many; fewer than `most` means that there are no more.
    async fn delete_dropped_entries(&self, tenant: &TenantId, most: u32) -> Result<u64, StoreError>;
}

/// What goes because its time is over. Each call that takes a `most` deletes at most so many rows in one transaction, so that
/// no other write waits long for it, and tells how many it deleted: fewer than `most` means that there are no more.
#[async_trait]
pub trait RetentionStore: Send + Sync {
    /// Deletes requests that were made before an instant.
    async fn delete_requests_all_tenants(&self, before: Timestamp, most: u32) -> Result<u64, StoreError>;

    /// Deletes notices that were sent before an instant.
    async fn delete_notices_all_tenants(&self, before: Timestamp, most: u32) -> Result<u64, StoreError>;

    /// Lists the ids of all tenants, in their order. One whose row does not read otherwise stands among them.
    async fn list_tenant_ids_all_tenants(&self, page: &PageRequest) -> Result<Page<TenantId>, StoreError>;

    /// Deletes a tenant's jumps that were made before an instant.
    async fn delete_jumps(&self, tenant: &TenantId, before: Timestamp, most: u32) -> Result<u64, StoreError>;

    /// Lists tenants by id, at most `most`, that were deleted before an instant.
    async fn deleted_tenants_all_tenants(&self, before: Timestamp, most: u32) -> Result<Vec<TenantId>, StoreError>;

    /// Destroys the keys of a tenant that was deleted before an instant: none of its secrets in this database opens ever
    /// again. Writes the audit row, into the log of [`TenantId::SYSTEM`], with the first call only; a tenant that
    /// is not deleted, or not for so long, is left alone.
    async fn destroy_tenant_keys(
        &self,
        tenant: &TenantId,
        before: Timestamp,
        audit: &AuditEntry,
    ) -> Result<(), StoreError>;

    /// Deletes data of a tenant whose keys are destroyed, and in the end the tenant itself. The audit log stays; the salts of
    /// its people go.
    async fn delete_tenant_data(&self, tenant: &TenantId, most: u32) -> Result<u64, StoreError>;

    /// Takes what was deleted and replaced out of what the engine keeps beside the tables for its own sake, a log of
    /// writes most of all. No other write waits for it longer than for a batch. `false` if somebody reads what was before
    /// and it is there until the next call.
    async fn checkpoint(&self) -> Result<bool, StoreError>;
}
