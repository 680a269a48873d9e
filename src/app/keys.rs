//! Signing keys: read again and again, made before they are needed, overwritten when their time is over, and revoked.
//!
//! Which key signs and which verify follows from the rows and the instant (`domain::signing`), so a change of keys is a row
//! that every replica has read long before it counts. [`App::keep_signing_keys`] does that every five seconds. A token whose
//! key is not known has the rows read at once ([`App::learn_signing_key`]), at most once a second for all who bring one.
//!
//! A key whose row does not open is in no ring: nobody signs with it, and what it signed is not accepted. The others go on.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use moka::sync::Cache;
use tokio::sync::{Mutex as TurnLock, Semaphore};
use tokio::time::{Instant, sleep_until};

use super::{App, Call, Failure, done, service_entry};
use crate::domain::audit::{Action, AuditObject};
use crate::domain::ids::{Random, TenantId};
use crate::domain::page::{Page, PageRequest};
use crate::domain::service::{SealedSigningKey, ServiceState, rows_of};
use crate::domain::signing::{Due, KeyId, KeyLife, KeyPurpose, KeyRow, KeyState, KeyTimes, lives};
use crate::domain::time::Timestamp;
use crate::secrets::{OpenError, Place, SealError, TenantKeys};
use crate::token::{KeyError, KeyHalves, KeyRing, PublicKey, RingKey, SigningKey};

/// The fields of a signing key's row that hold its halves.
const PRIVATE_FIELD: &str = "private";
const PUBLIC_FIELD: &str = "public";
/// The least time between two readings for tokens whose key is not known.
const BETWEEN: Duration = Duration::from_secs(1);
/// For how long the id of a key is remembered that is not there, and how many of them.
const UNKNOWN_FOR: Duration = Duration::from_secs(30);
const MOST_UNKNOWN: u64 = 1_024;
/// Most calls that wait for such a reading. Anybody can make up the id of a key: he must not keep all others waiting.
const MOST_WAITING: usize = 64;

/// A signing key, as its operator sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SigningKeyRecord {
    /// Its id.
    pub kid: KeyId,
    /// What it signs.
    pub purpose: KeyPurpose,
    /// Where it is in its life.
    pub state: KeyState,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it begins or began to sign.
    pub activate_at: Timestamp,
    /// When the key after it begins or began to.
    pub replaced_at: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
    /// Whether it opens, so that it can sign and verify. `false` also for one that is overwritten.
    pub is_usable: bool,
}

/// What is remembered of reading keys.
pub(super) struct KeyWatch {
    /// One reads at a time, so that nobody puts older rows in the place of newer ones; when the last reading began.
    turn: TurnLock<Option<Instant>>,
    waiting: Semaphore,
    /// Ids that no key had when they were looked for last.
    unknown: Cache<String, ()>,
    /// What the log was told of.
    told: Mutex<BTreeSet<Alarm>>,
}

/// Something that an operator has to look after.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Alarm {
    /// The row of a key does not open.
    Unreadable(KeyId),
    /// No key of jumps signs, or the one that does should have been replaced long ago.
    JumpsLate,
    /// The same of callers.
    CallersLate,
}

impl Default for KeyWatch {
    fn default() -> Self {
        Self {
            turn: TurnLock::default(),
            waiting: Semaphore::new(MOST_WAITING),
            unknown: Cache::builder().max_capacity(MOST_UNKNOWN).time_to_live(UNKNOWN_FOR).build(),
            told: Mutex::default(),
        }
    }
}

impl KeyWatch {
    /// Tells the log what is new of all that is the matter.
    fn tell(&self, alarms: BTreeSet<Alarm>) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        for alarm in alarms.difference(&told) {
            match alarm {
                Alarm::Unreadable(kid) => tracing::error!(%kid, "app.keys.unreadable"),
                Alarm::JumpsLate => tracing::error!(purpose = "jump", "app.keys.late"),
                Alarm::CallersLate => tracing::error!(purpose = "caller", "app.keys.late"),
            }
        }
        *told = alarms;
    }
}

impl App {
    /// Reads the keys again, makes the next one where it is time, and overwrites those whose time is over; only reads them with a
    /// clock that cannot be believed. Tells how many were made or overwritten.
    ///
    /// # Errors
    /// When the store fails, or a key cannot be made; what was done by then stays so.
    pub async fn keep_signing_keys(&self) -> Result<u64, Failure> {
        let state = self.read_signing_keys().await?;
        // What is revoked is revoked by any clock; what is due is not.
        if self.check_clock().is_err() {
            return Ok(0);
        }
        let now = self.now();
        let mut changed = 0_u64;
        for purpose in KeyPurpose::ALL {
            let keys: Vec<_> = state.signing_keys.iter().filter(|key| key.purpose == purpose).collect();
            let rows = rows_of(keys.iter().copied());
            let lives = lives(purpose, &rows);
            if let Some(due) = self.due_key(&keys, &rows, &lives, now) {
                let times = KeyTimes::new(now, due.activate_at);
                let key = new_signing_key(&self.system, purpose, times, &*self.random)?;
                let audit = service_entry(Action::CreateKey, Some(AuditObject::new(&key.kid)), now, &*self.random);
                changed = changed.saturating_add(self.store.add_signing_key(&key, due.after, &audit).await?.into());
            }
            for (key, life) in keys.into_iter().zip(lives) {
                if life.is_to_be_removed(now) {
                    changed = changed.saturating_add(self.remove_signing_key(key, now).await?.into());
                }
            }
        }
        if changed > 0 {
            self.read_signing_keys().await?;
        }
        Ok(changed)
    }

    /// The key of a purpose that is to be made, of whose keys these are the rows and the lives: the next one where it is time,
    /// or one in the place of a key that is to sign and does not open.
    fn due_key(
        &self,
        keys: &[&SealedSigningKey],
        rows: &[KeyRow<'_>],
        lives: &[KeyLife],
        now: Timestamp,
    ) -> Option<Due> {
        let is_lost = |(key, life): (&&SealedSigningKey, &KeyLife)| {
            life.state(now) == KeyState::Current && open_halves(&self.system, key).is_err()
        };
        let in_its_place = || {
            let current_is_lost = keys.iter().zip(lives).any(is_lost);
            self.rotation.due_after_loss(rows, now).filter(|_| current_is_lost)
        };
        self.rotation.due(rows, now).or_else(in_its_place)
    }

    /// Overwrites the private half of a key; the public one, where the key can be read, stays for what is to be provable.
    async fn remove_signing_key(&self, key: &SealedSigningKey, now: Timestamp) -> Result<bool, Failure> {
        let sealed_public = match open_halves(&self.system, key) {
            Ok(KeyHalves::Both(opened)) => Some(seal_public(&self.system, key, opened.public(), &*self.random)?),
            Ok(KeyHalves::Public(_)) | Err(Unreadable) => None,
        };
        let before = KeyLife::is_over_before(key.purpose, now);
        let audit = service_entry(Action::RemoveKey, Some(AuditObject::new(&key.kid)), now, &*self.random);
        Ok(self.store.remove_signing_key(&key.kid, sealed_public.as_deref(), before, &audit).await?)
    }

    /// Reads the keys, and lets them take the place of those before.
    ///
    /// # Errors
    /// Only when the store fails; the keys are those before then.
    async fn read_signing_keys(&self) -> Result<ServiceState, Failure> {
        let mut last = self.key_watch.turn.lock().await;
        *last = Some(Instant::now());
        self.read_in_turn().await
    }

    async fn read_in_turn(&self) -> Result<ServiceState, Failure> {
        let state = self.store.load_service().await?.ok_or(Failure::ServiceLost)?;
        self.saw_epoch(state.epoch);
        let now = self.now();
        let mut alarms = BTreeSet::new();
        for (purpose, ring, late) in [
            (KeyPurpose::Jump, self.jump_tokens.ring(), Alarm::JumpsLate),
            (KeyPurpose::Caller, &self.caller_ring, Alarm::CallersLate),
        ] {
            let (keys, unreadable) = open_keys(&self.system, &state.signing_keys, purpose);
            ring.replace(keys, now);
            alarms.extend(unreadable.into_iter().map(Alarm::Unreadable));
            let keys = state.signing_keys.iter().filter(|key| key.purpose == purpose);
            if self.rotation.is_late(purpose, &rows_of(keys), now) {
                alarms.insert(late);
            }
        }
        self.key_watch.tell(alarms);
        Ok(state)
    }

    /// Reads the keys because a token names one that verifies nothing here: another replica may know it already. Tells
    /// whether it verifies now. Waits a second at most beside the reading; with too many who wait it does not read.
    pub async fn learn_signing_key(&self, kid: &str) -> bool {
        let came = Instant::now();
        let watch = &self.key_watch;
        if KeyId::parse(kid).is_err() || watch.unknown.contains_key(kid) {
            return false;
        }
        let Ok(_place) = watch.waiting.try_acquire() else { return false };
        let mut last = watch.turn.lock().await;
        // Whoever came before may have read for this one too.
        if last.is_none_or(|last| last < came) {
            if let Some(last) = *last {
                sleep_until(last + BETWEEN).await;
            }
            *last = Some(Instant::now());
            if let Err(failure) = self.read_in_turn().await {
                tracing::warn!(error = &failure as &dyn std::error::Error, "app.keys.not_read");
                return false;
            }
        }
        let now = self.now();
        let is_known = [self.jump_tokens.ring(), &self.caller_ring].iter().any(|ring| ring.find(kid, now).is_some());
        if !is_known {
            watch.unknown.insert(kid.to_owned(), ());
        }
        is_known
    }

    /// Lists the signing keys, revoked and removed ones too: the one that begins or began to sign last comes first.
    ///
    /// # Errors
    /// Only when the store fails.
    pub async fn list_signing_keys(&self, page: &PageRequest) -> Result<Page<SigningKeyRecord>, Failure> {
        let state = self.read_signing_keys().await?;
        let mut records = self.records(&state);
        records.sort_by(|one, other| (other.activate_at, &other.kid).cmp(&(one.activate_at, &one.kid)));
        let begin = match &page.after {
            None => 0,
            Some(after) => {
                let last = records.iter().position(|record| record.kid.as_str() == after);
                last.map_or(records.len(), |last| last.saturating_add(1))
            }
        };
        let mut rows: Vec<_> = records.drain(begin..).collect();
        let has_more = rows.len() > usize::from(page.size.rows());
        rows.truncate(page.size.rows().into());
        let next = if has_more { rows.last().map(|row| row.kid.to_string()) } else { None };
        Ok(Page { rows, next })
    }

    /// Lets the next key of a purpose sign as soon as it has been published long enough; makes one where there is none.
    /// Answers with the key, which says when that is.
    ///
    /// # Errors
    /// Only when the store fails, or a key cannot be made.
    pub async fn rotate_signing_key(&self, call: &Call, purpose: KeyPurpose) -> Result<SigningKeyRecord, Failure> {
        let object = Some(AuditObject::new(&purpose_word(purpose)));
        let effect = self.operator_effect(call, Action::RotateKey, object).await?;
        let times = KeyTimes::new(effect.at, self.rotation.soonest(effect.at, effect.at));
        let new = new_signing_key(&self.system, purpose, times, &*self.random)?;
        let next = done(self.store.rotate_signing_key(&effect, &self.rotation, &new).await?)?;
        self.record_of(&next.kid).await
    }

    /// Revokes a key at once and for good: every open jump dies, and where nobody would sign the next key begins, or a new one.
    ///
    /// # Errors
    /// Refused: `NotFound`.
    pub async fn revoke_signing_key(&self, call: &Call, kid: &KeyId) -> Result<SigningKeyRecord, Failure> {
        let effect = self.operator_effect(call, Action::RevokeKey, Some(AuditObject::new(kid))).await?;
        let times = KeyTimes::new(effect.at, effect.at);
        let heirs: Vec<_> = KeyPurpose::ALL
            .into_iter()
            .map(|purpose| new_signing_key(&self.system, purpose, times, &*self.random))
            .collect::<Result<_, _>>()?;
        let revoked = done(self.store.revoke_signing_key(&effect, kid, &heirs).await?)?;
        self.record_of(&revoked.kid).await
    }

    /// Reads the keys, and gives the one that was just changed.
    async fn record_of(&self, kid: &KeyId) -> Result<SigningKeyRecord, Failure> {
        let state = self.read_signing_keys().await?;
        let record = self.records(&state).into_iter().find(|record| record.kid == *kid);
        // Keys are never deleted.
        record.ok_or(Failure::ServiceLost)
    }

    fn records(&self, state: &ServiceState) -> Vec<SigningKeyRecord> {
        let now = self.now();
        let of = |purpose| {
            let keys: Vec<_> = state.signing_keys.iter().filter(|key| key.purpose == purpose).collect();
            let lives = lives(purpose, &rows_of(keys.iter().copied()));
            keys.into_iter().zip(lives).map(move |(key, life)| SigningKeyRecord {
                kid: key.kid.clone(),
                purpose,
                state: life.state(now),
                created_at: key.times.created_at,
                activate_at: key.times.activate_at,
                replaced_at: life.replaced_at(),
                revoked_at: key.times.revoked_at,
                is_usable: matches!(open_halves(&self.system, key), Ok(KeyHalves::Both(_))),
            })
        };
        KeyPurpose::ALL.into_iter().flat_map(of).collect()
    }
}

/// A signing key could not be made.
#[derive(Debug, thiserror::Error)]
pub(super) enum NewKeyError {
    /// The key itself.
    #[error(transparent)]
    Make(#[from] KeyError),
    /// It could not be sealed.
    #[error(transparent)]
    Seal(#[from] SealError),
}

impl From<NewKeyError> for Failure {
    fn from(error: NewKeyError) -> Self {
        match error {
            NewKeyError::Make(error) => Self::MakeKey(error),
            NewKeyError::Seal(error) => Self::Seal(error),
        }
    }
}

/// A key of which nothing can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Unreadable;

/// How the log names the keys of a purpose: which of them is next is known only when it is done.
const fn purpose_word(purpose: KeyPurpose) -> &'static str {
    match purpose {
        KeyPurpose::Jump => "jump",
        KeyPurpose::Caller => "caller",
    }
}

/// Opens the keys of one purpose for its ring; gives the ids of those that should open and do not, too.
pub(super) fn open_keys(
    system: &TenantKeys,
    stored: &[SealedSigningKey],
    purpose: KeyPurpose,
) -> (Vec<RingKey>, Vec<KeyId>) {
    let stored: Vec<_> = stored.iter().filter(|key| key.purpose == purpose).collect();
    let lives = lives(purpose, &rows_of(stored.iter().copied()));
    let (mut keys, mut unreadable) = (Vec::new(), Vec::new());
    for (key, life) in stored.into_iter().zip(lives) {
        match open_halves(system, key) {
            Ok(halves) => keys.push(RingKey { halves, made_at: Some(key.times.created_at), life }),
            // Nothing of these is to be read any more.
            Err(Unreadable) if key.times.revoked_at.is_some() || key.times.removed_at.is_some() => {}
            Err(Unreadable) => unreadable.push(key.kid.clone()),
        }
    }
    (keys, unreadable)
}

/// The ring of one purpose, and the ids of keys that should open and do not.
pub(super) fn open_ring(
    system: &TenantKeys,
    stored: &[SealedSigningKey],
    purpose: KeyPurpose,
) -> (KeyRing, Vec<KeyId>) {
    let (keys, unreadable) = open_keys(system, stored, purpose);
    (KeyRing::new(keys), unreadable)
}

fn open_halves(system: &TenantKeys, key: &SealedSigningKey) -> Result<KeyHalves, Unreadable> {
    let open = |field, sealed: &[u8]| -> Result<_, OpenError> { system.data.open(&place(&key.kid, field), sealed) };
    let halves = if let Some(sealed) = &key.sealed_public {
        let point = open(PUBLIC_FIELD, sealed).map_err(|_| Unreadable)?;
        KeyHalves::Public(PublicKey::from_point(point.expose()).map_err(|_| Unreadable)?.into())
    } else {
        let private = open(PRIVATE_FIELD, &key.sealed_private).map_err(|_| Unreadable)?;
        KeyHalves::Both(SigningKey::from_pkcs8(private.expose()).map_err(|_| Unreadable)?.into())
    };
    let kid = match &halves {
        KeyHalves::Both(key) => key.kid(),
        KeyHalves::Public(key) => key.kid(),
    };
    if kid == key.kid.as_str() { Ok(halves) } else { Err(Unreadable) }
}

fn place<'k>(kid: &'k KeyId, field: &'static str) -> Place<'k> {
    Place { tenant: TenantId::SYSTEM, row: kid.as_str(), field, version: 1 }
}

fn seal_public(
    system: &TenantKeys,
    key: &SealedSigningKey,
    public: &PublicKey,
    random: &dyn Random,
) -> Result<Vec<u8>, SealError> {
    system.data.seal(&place(&key.kid, PUBLIC_FIELD), public.point(), random)
}

/// Makes a key, and seals it for its row.
///
/// # Errors
/// [`NewKeyError`] if the cryptographic library refuses.
pub(super) fn new_signing_key(
    system: &TenantKeys,
    purpose: KeyPurpose,
    times: KeyTimes,
    random: &dyn Random,
) -> Result<SealedSigningKey, NewKeyError> {
    let (key, private) = SigningKey::generate()?;
    let kid = KeyId::parse(key.kid()).map_err(|_| KeyError::Malformed)?;
    let sealed_private = system.data.seal(&place(&kid, PRIVATE_FIELD), &private, random)?;
    Ok(SealedSigningKey { kid, purpose, times, sealed_private, sealed_public: None })
}
