//! What the cases make things with: a store of their own, a clock that only they move, dice that always fall the same.

pub(crate) mod catalog;
pub(crate) mod firm;
pub(crate) mod jump;

use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use concenter_gateway::domain::audit::{Action, AuditEntry, Pseudonym};
use concenter_gateway::domain::caller::Role;
use concenter_gateway::domain::error::{Reason, Refusal, Version};
use concenter_gateway::domain::ids::{
    AuditId, BrokerId, CustomerId, JumpId, ProviderId, Random, RequestId, ReturnUrlId, SubjectId, TargetId, TenantId,
    UserId,
};
use concenter_gateway::domain::jump::RequestKey;
use concenter_gateway::domain::kek::{KekId, KnownKek};
use concenter_gateway::domain::page::{Page, PageRequest, PageSize};
use concenter_gateway::domain::provider::{ProviderList, ProviderScope};
use concenter_gateway::domain::service::{SealedSigningKey, ServiceState};
use concenter_gateway::domain::signing::{KeyId, KeyPurpose, KeyTimes};
use concenter_gateway::domain::target::WebUrl;
use concenter_gateway::domain::tenant::WrappedKeys;
use concenter_gateway::domain::text::{Line, UserName};
use concenter_gateway::domain::time::{Clock, Timestamp};
use concenter_gateway::domain::user::{NewUser, SealedSecret, UserKind};
use concenter_gateway::store::{Effect, Outcome, Store, StoreError};

/// What the traits do not show, and a case has to see or to prepare. Each engine looks into its own tables.
#[async_trait]
pub(crate) trait Inspect: Send + Sync {
    /// Reads the audit log of a tenant in the order it was written in.
    async fn audit_log(&self, tenant: &TenantId) -> Vec<AuditRow>;

    /// Counts the jumps of a tenant.
    async fn count_jumps(&self, tenant: &TenantId) -> i64;

    /// Tells when the session of a jump was revoked.
    async fn session_revoked_at(&self, tenant: &TenantId, jump: &JumpId) -> Option<Timestamp>;

    /// What somebody of a tenant is to be told of and was not yet: causes and users, sorted.
    async fn notices(&self, tenant: &TenantId) -> Vec<(String, String)>;

    /// Adds so many users to a tenant.
    async fn add_users(&self, tenant: &TenantId, count: u32);

    /// Counts the requests that are remembered, of all tenants.
    async fn count_requests(&self) -> i64;

    /// Names the tables that hold `text` in any cell, bytes as upper-case hexadecimal digits.
    async fn tables_with(&self, text: &str) -> Vec<String>;

    /// Adds so many jumps to a tenant, all newer than `like` and but for ids and hashes the same.
    async fn add_jumps(&self, tenant: &TenantId, like: &JumpId, count: u32);

    /// Makes the next epoch begin, as revoking a signing key does.
    async fn begin_next_epoch(&self);

    /// Executes a statement as somebody at a SQL shell who has switched the foreign keys off; tells how many rows it changed.
    async fn change_by_hand(&self, change: &'static str) -> u64;

    /// The same as somebody who has taken away what guards the audit log.
    async fn forge_log(&self, change: &'static str) -> u64;

    /// Makes the writers of jumps stand still until the hold is dropped.
    async fn hold_writers(&self) -> Box<dyn Hold>;
}

/// Keeps writers still.
pub(crate) trait Hold: Send + Sync {
    /// Counts the writes that wait.
    fn waiting(&self) -> usize;
}

/// A row of the audit log as it stands in the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AuditRow {
    pub(crate) audit_id: String,
    pub(crate) at: i64,
    pub(crate) role: String,
    pub(crate) caller: Vec<u8>,
    pub(crate) actor: Option<Vec<u8>>,
    pub(crate) person: Option<Vec<u8>>,
    pub(crate) action: String,
    pub(crate) object: Option<String>,
    pub(crate) outcome: String,
    pub(crate) reason: Option<String>,
    pub(crate) request_id: Option<String>,
}

/// One store on an empty database, and what a case needs beside it.
pub(crate) struct Harness {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) inspect: Box<dyn Inspect>,
    dice: Dice,
    clock: SetClock,
}

/// Who does what an effect does.
pub(crate) fn admin() -> SubjectId {
    SubjectId::parse("verwalter").expect("a subject")
}

impl Harness {
    pub(crate) fn new(store: Arc<dyn Store>, inspect: Box<dyn Inspect>) -> Self {
        Self { store, inspect, dice: Dice(AtomicU64::new(1)), clock: SetClock(AtomicI64::new(1_800_000_000_000_000)) }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(crate) fn advance(&self, span: Duration) {
        self.clock.0.fetch_add(i64::try_from(span.as_micros()).expect("a short time"), Ordering::Relaxed);
    }

    /// A fresh id; ids that are made later sort later.
    pub(crate) fn id<T>(&self, new: fn(Timestamp, &dyn Random) -> T) -> T {
        self.advance(Duration::from_millis(1));
        new(self.now(), &self.dice)
    }

    pub(crate) fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.dice.fill(&mut bytes);
        bytes
    }

    /// A request that nobody made yet, of a caller of its own.
    pub(crate) fn request(&self) -> RequestKey {
        RequestKey { caller: self.bytes(), request_id: self.id(RequestId::new), content: self.bytes() }
    }

    pub(crate) fn audit(&self, action: Action, request: Option<RequestId>) -> AuditEntry {
        AuditEntry {
            audit_id: self.id(AuditId::new),
            at: self.now(),
            role: Role::Admin.into(),
            caller: Pseudonym(self.bytes()),
            actor: None,
            person: None,
            action,
            object: None,
            request_id: request,
        }
    }

    /// An effect of a request that nobody made yet.
    pub(crate) fn effect(&self, scope: TenantId, action: Action) -> Effect {
        self.effect_of(scope, action, self.request())
    }

    pub(crate) fn effect_of(&self, scope: TenantId, action: Action, request: RequestKey) -> Effect {
        let audit = self.audit(action, Some(request.request_id));
        Effect { at: self.now(), scope, request, by: admin(), audit }
    }

    /// The same request once more: later, and with an audit row of its own.
    pub(crate) fn again(&self, effect: &Effect) -> Effect {
        self.effect_of(effect.scope, effect.audit.action, effect.request.clone())
    }

    /// The id of an earlier request with another content.
    pub(crate) fn reusing(&self, effect: &Effect) -> Effect {
        let request = RequestKey { content: self.bytes(), ..effect.request.clone() };
        self.effect_of(effect.scope, effect.audit.action, request)
    }

    /// Counts the accepted rows of `action` in a tenant's audit log.
    pub(crate) async fn accepted(&self, tenant: &TenantId, action: Action) -> usize {
        let log = self.inspect.audit_log(tenant).await;
        log.iter().filter(|row| row.action == action.as_str() && row.outcome == "accepted").count()
    }

    /// Counts the rows of `action` refused for `reason` in a tenant's audit log.
    pub(crate) async fn refused(&self, tenant: &TenantId, action: Action, reason: Reason) -> usize {
        let log = self.inspect.audit_log(tenant).await;
        let of_reason = |row: &&AuditRow| row.outcome == "refused" && row.reason.as_deref() == Some(reason.as_str());
        log.iter().filter(|row| row.action == action.as_str()).filter(of_reason).count()
    }

    pub(crate) fn keys(&self) -> WrappedKeys {
        WrappedKeys {
            kek_id: KEK.to_owned(),
            dek_version: 1,
            wrapped_dek: self.bytes::<60>().to_vec(),
            sealed_mac_key: self.bytes::<61>().to_vec(),
        }
    }

    /// A service in its first epoch, with one key of each purpose.
    pub(crate) fn service_state(&self) -> ServiceState {
        let key = |kid, purpose| self.signing_key(kid, purpose, self.now());
        ServiceState {
            epoch: 1,
            active_kek: kek_id(KEK),
            keks: vec![self.kek(KEK)],
            keys: self.keys(),
            signing_keys: vec![key('C', KeyPurpose::Caller), key('J', KeyPurpose::Jump)],
        }
    }

    /// A key-encryption key that is made known now.
    pub(crate) fn kek(&self, id: &str) -> KnownKek {
        KnownKek { kek_id: kek_id(id), canary: self.bytes::<44>().to_vec(), added_at: self.now(), retired_at: None }
    }

    /// A signing key that is made now, with the id of so many times this character.
    pub(crate) fn signing_key(&self, kid: char, purpose: KeyPurpose, activate_at: Timestamp) -> SealedSigningKey {
        SealedSigningKey {
            kid: key_id(kid),
            purpose,
            times: KeyTimes::new(self.now(), activate_at),
            sealed_private: self.bytes::<48>().to_vec(),
            sealed_public: None,
        }
    }

    /// What a user starts with: all providers for a broker, the two of the catalogue for customers; a secret.
    pub(crate) fn new_user(&self, name: &str, kind: UserKind) -> NewUser {
        NewUser {
            user_id: self.id(UserId::new),
            name: user_name(name),
            kind,
            scope: if kind == UserKind::EndCustomer { only(&["sicher", "vergleich"]) } else { ProviderScope::All },
            display_name: None,
            notification_email: None,
            sealed_secret: Some(self.sealed()),
        }
    }

    pub(crate) fn sealed(&self) -> SealedSecret {
        SealedSecret(self.bytes::<40>().to_vec())
    }
}

/// The key-encryption key that every service begins with.
pub(crate) const KEK: &str = "0000000000000001";

/// The id of a key-encryption key.
pub(crate) fn kek_id(text: &str) -> KekId {
    KekId::parse(text).expect("an id")
}

/// The id of a signing key: so many times this character.
pub(crate) fn key_id(character: char) -> KeyId {
    KeyId::parse(&character.to_string().repeat(43)).expect("an id")
}

/// A seeded random source (SplitMix64): a case that fails fails the same way again.
struct Dice(AtomicU64);

impl Random for Dice {
    fn fill(&self, destination: &mut [u8]) {
        for chunk in destination.chunks_mut(8) {
            let mut z = self.0.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed);
            z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            chunk.copy_from_slice(&(z ^ (z >> 31)).to_le_bytes()[..chunk.len()]);
        }
    }
}

/// Microseconds since the epoch, moved by the cases.
struct SetClock(AtomicI64);

impl Clock for SetClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix_micros(self.0.load(Ordering::Relaxed))
    }
}

/// The result of an effect that must have been done.
#[track_caller]
pub(crate) fn done<T: Debug>(result: Result<Outcome<T>, StoreError>) -> T {
    match result {
        Ok(Outcome::Done(value)) => value,
        other => panic!("not done: {other:?}"),
    }
}

/// The refusal of an effect that must have been refused.
#[track_caller]
pub(crate) fn refusal<T: Debug>(result: Result<Outcome<T>, StoreError>) -> Refusal {
    match result {
        Ok(Outcome::Refused(refusal)) => refusal,
        other => panic!("not refused: {other:?}"),
    }
}

/// The reason of a refusal that says no more than that.
#[track_caller]
pub(crate) fn reason<T: Debug>(result: Result<Outcome<T>, StoreError>) -> Reason {
    let refusal = refusal(result);
    assert_eq!(refusal, Refusal::plain(refusal.reason), "it says more");
    refusal.reason
}

/// A version that nothing in these cases ever gets to.
pub(crate) const STALE: Version = Version::from_number(999);

pub(crate) const fn next(version: Version) -> Version {
    Version::from_number(version.number() + 1)
}

/// The first page of so many rows.
pub(crate) fn first(rows: i32) -> PageRequest {
    PageRequest { size: PageSize::parse(rows).expect("a size"), after: None }
}

/// Asserts that a walk page by page shows every row of `expected` once and in order, each page but the last full.
pub(crate) async fn walks<T: Debug + PartialEq>(
    expected: &[T],
    rows: usize,
    list: impl AsyncFn(PageRequest) -> Page<T>,
) {
    let mut request = first(i32::try_from(rows).expect("a small page"));
    let mut pages = expected.chunks(rows).peekable();
    assert!(pages.peek().is_some(), "nothing to walk over");
    while let Some(chunk) = pages.next() {
        let page = list(request.clone()).await;
        assert_eq!(page.rows, chunk);
        assert_eq!(page.next.is_some(), pages.peek().is_some(), "a page goes on exactly where rows are left");
        request.after = page.next;
    }
}

pub(crate) fn user_name(text: &str) -> UserName {
    UserName::parse(text).expect("a user name")
}

pub(crate) fn line(text: &str) -> Line {
    Line::parse(text).expect("a line")
}

pub(crate) fn broker(text: &str) -> BrokerId {
    BrokerId::parse(text).expect("a broker id")
}

pub(crate) fn customer(text: &str) -> CustomerId {
    CustomerId::parse(text).expect("a customer id")
}

pub(crate) fn provider(text: &str) -> ProviderId {
    ProviderId::parse(text).expect("a provider key")
}

pub(crate) fn target(text: &str) -> TargetId {
    TargetId::parse(text).expect("a target key")
}

pub(crate) fn return_url(text: &str) -> ReturnUrlId {
    ReturnUrlId::parse(text).expect("a return URL key")
}

pub(crate) fn url(text: &str) -> WebUrl {
    WebUrl::parse(text).expect("a URL")
}

pub(crate) fn only(providers: &[&str]) -> ProviderScope {
    let named = providers.iter().map(|text| provider(text)).collect();
    ProviderScope::Only(ProviderList::new(named).expect("one provider or more"))
}
