//! Key-encryption keys: looked after, changed, and everything wrapped anew (`docs/operations.md#changing-the-key-encryption-key`).
//!
//! Which key wraps what is new is a row, so that replicas agree. Each of them reads the rows again every five seconds, and looks
//! whether it has the keys: a file that came meanwhile is read then. One that lacks the active key, or a key that something is
//! under, is not ready. What is under another key than the active one is wrapped anew by whoever comes first, a hundred data keys
//! in one transaction, each only in the place of the very bytes that it was opened from: so it may be cut off at any point,
//! and two at once do no harm.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use tokio::time::Instant;

use super::{App, Call, Failure, done, service_entry};
use crate::domain::audit::{Action, AuditObject};
use crate::domain::ids::TenantId;
use crate::domain::kek::{KekId, KekState, KnownKek, Rewrapped};
use crate::domain::page::{Page, PageRequest};
use crate::domain::service::ServiceState;
use crate::domain::tenant::WrappedKeys;
use crate::domain::time::Timestamp;
use crate::secrets::{KekError, OPENED_KEPT_FOR, TenantKeys};

/// Most data keys that one transaction changes: about 10 ms of the writer's time.
const BATCH: u32 = 100;

/// A key-encryption key, as its operator sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KekRecord {
    /// Its id.
    pub kek_id: KekId,
    /// What it is for.
    pub state: KekState,
    /// How many data keys are under it, that of the service included.
    pub data_keys: u64,
    /// Whether it is at hand here, and the right one.
    pub is_available: bool,
    /// When the database came to know it.
    pub added_at: Timestamp,
    /// When it was retired.
    pub retired_at: Option<Timestamp>,
}

/// A key-encryption key that is needed is of no use here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a key-encryption key that is needed is not at hand")]
pub struct KekLost;

/// What is known of the key-encryption keys since they were last looked at.
#[derive(Debug, Default)]
pub(super) struct KekWatch(Mutex<Seen>);

#[derive(Debug, Default)]
struct Seen {
    /// The active key, and how many data keys were under each of the others.
    spread: Option<Spread>,
    /// What the log was told of.
    told: BTreeSet<(KekId, &'static str)>,
    /// Whether a key that is needed is not here, or is another one.
    is_lost: bool,
    /// Since when a key that is needed cannot be reached.
    unreachable_since: Option<Instant>,
}

impl KekWatch {
    /// Tells whether the keys that are needed are at hand, or were a moment ago: those of tenants that were opened serve for as
    /// long as that.
    pub(super) fn check(&self) -> Result<(), KekLost> {
        self.check_at(Instant::now())
    }

    fn check_at(&self, now: Instant) -> Result<(), KekLost> {
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_long = |since: Instant| now.duration_since(since) >= OPENED_KEPT_FOR;
        if seen.is_lost || seen.unreachable_since.is_some_and(is_long) { Err(KekLost) } else { Ok(()) }
    }

    /// Takes in what was found, and tells the log what is new of it.
    fn note(&self, found: &[Found], now: Instant) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut told = BTreeSet::new();
        let (mut is_lost, mut is_unreachable) = (false, false);
        for Found { kek_id, is_needed, error } in found {
            let Some((error, word)) = error.as_ref().map(|error| (error, word(error))) else { continue };
            told.insert((kek_id.clone(), word));
            match error {
                KekError::Unreachable { .. } => is_unreachable |= is_needed,
                _ => is_lost |= is_needed,
            }
            if seen.told.contains(&(kek_id.clone(), word)) {
                continue;
            }
            let error = error as &dyn std::error::Error;
            if *is_needed {
                tracing::error!(%kek_id, error, "app.keks.unavailable");
            } else {
                tracing::warn!(%kek_id, error, "app.keks.not_needed_yet");
            }
        }
        for (kek_id, _) in seen.told.iter().filter(|(kek_id, _)| !told.iter().any(|(other, _)| other == kek_id)) {
            tracing::info!(%kek_id, "app.keks.available_again");
        }
        let since = seen.unreachable_since.unwrap_or(now);
        seen.told = told;
        seen.is_lost = is_lost;
        seen.unreachable_since = is_unreachable.then_some(since);
    }

    /// Takes in how the data keys are spread. Tells whether that is otherwise than the last time, so that what is remembered may be
    /// old.
    fn has_moved(&self, spread: Spread) -> bool {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = seen.spread.replace(spread);
        before.is_some_and(|before| seen.spread.as_ref() != Some(&before))
    }
}

/// Which key is active, and how many data keys are under each other one that has any.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Spread {
    active: KekId,
    others: BTreeMap<KekId, u64>,
}

/// What became of looking at one key.
struct Found {
    kek_id: KekId,
    /// Whether it is the active one, or something is under it.
    is_needed: bool,
    error: Option<KekError>,
}

/// What is the matter, so that the log hears of it once.
const fn word(error: &KekError) -> &'static str {
    match error {
        KekError::Unreachable { .. } => "unreachable",
        KekError::Missing { .. } => "missing",
        KekError::File(_) => "file",
        KekError::Open(_) => "wrong",
        KekError::Seal(_) => "unfit",
    }
}

impl App {
    /// Reads which key-encryption keys there are, looks whether they are at hand, and wraps anew what is under another one than the
    /// active one, unless the clock cannot be believed. Tells how many data keys were.
    ///
    /// # Errors
    /// When the store fails; what was wrapped anew by then stays so. A data key that does not open keeps no other one from it.
    pub async fn keep_keks(&self) -> Result<u64, Failure> {
        let state = self.store.load_service().await?.ok_or(Failure::ServiceLost)?;
        let mut found = Vec::new();
        let mut others = BTreeMap::new();
        for kek in &state.keks {
            if kek.retired_at.is_some() {
                self.keks.forget(kek.kek_id.as_str());
                continue;
            }
            let is_active = kek.kek_id == state.active_kek;
            let count = if is_active { 0 } else { self.store.count_data_keys_all_tenants(&kek.kek_id).await? };
            let error = self.keks.check_canary(kek.kek_id.as_str(), &kek.canary).await.err();
            if count > 0 {
                others.insert(kek.kek_id.clone(), count);
            }
            found.push(Found { kek_id: kek.kek_id.clone(), is_needed: is_active || count > 0, error });
        }
        self.kek_watch.note(&found, Instant::now());
        let is_usable = |kek_id: &KekId| found.iter().any(|found| found.kek_id == *kek_id && found.error.is_none());
        let mut rewrapped = 0_u64;
        if is_usable(&state.active_kek) && self.check_clock().is_ok() {
            for old in others.keys().filter(|old| is_usable(old)) {
                rewrapped = rewrapped.saturating_add(self.rewrap(&state, old).await?);
            }
        }
        if self.kek_watch.has_moved(Spread { active: state.active_kek, others }) {
            // What is remembered of tenants holds their wrapped keys as they were.
            self.snapshot.forget_tenants();
        }
        Ok(rewrapped)
    }

    /// Wraps anew whatever is under a key.
    async fn rewrap(&self, state: &ServiceState, old: &KekId) -> Result<u64, Failure> {
        let mut all = 0_u64;
        if state.keys.kek_id == old.as_str() {
            let keys = [(TenantId::SYSTEM, state.keys.clone())];
            all = all.saturating_add(self.rewrap_batch(&state.active_kek, &keys).await?);
        }
        let mut after = None;
        loop {
            let tenants = self.store.tenants_under_kek_all_tenants(old, after.as_ref(), BATCH).await?;
            let Some(last) = tenants.last() else { return Ok(all) };
            after = Some(*last);
            let mut keys = self.store.keys_of_tenants(&tenants).await?;
            keys.retain(|(_, keys)| keys.kek_id == old.as_str());
            all = all.saturating_add(self.rewrap_batch(&state.active_kek, &keys).await?);
        }
    }

    async fn rewrap_batch(&self, to: &KekId, keys: &[(TenantId, WrappedKeys)]) -> Result<u64, Failure> {
        let mut rewrapped: Vec<Rewrapped> = Vec::new();
        for (tenant, keys) in keys {
            match TenantKeys::rewrap(&*self.keks, to, *tenant, keys, &*self.random).await {
                Ok(anew) => rewrapped.push(anew),
                Err(error @ KekError::Open(_)) => {
                    // Its row is damaged: it stays for whoever restores it, and keeps the old key from being retired.
                    tracing::error!(%tenant, error = &error as &dyn std::error::Error, "app.keks.not_rewrapped");
                }
                Err(error) => return Err(Failure::Key(error)),
            }
        }
        if rewrapped.is_empty() {
            return Ok(0);
        }
        let entry = service_entry(Action::RewrapKeys, Some(AuditObject::new(to)), self.now(), &*self.random);
        self.written.note(TenantId::SYSTEM);
        Ok(self.store.rewrap_keys(to, &rewrapped, &entry).await?)
    }

    /// The active key-encryption key, as the database has it now.
    pub(super) async fn active_kek(&self) -> Result<KekId, Failure> {
        let state = self.store.load_service().await?.ok_or(Failure::ServiceLost)?;
        Ok(state.active_kek)
    }

    /// Lists the key-encryption keys, retired ones too, the oldest first.
    ///
    /// # Errors
    /// Only when the store fails.
    pub async fn list_keks(&self, page: &PageRequest) -> Result<Page<KekRecord>, Failure> {
        let state = self.store.load_service().await?.ok_or(Failure::ServiceLost)?;
        let begin = match &page.after {
            None => 0,
            Some(after) => {
                let last = state.keks.iter().position(|kek| kek.kek_id.as_str() == after);
                last.map_or(state.keks.len(), |last| last.saturating_add(1))
            }
        };
        let behind = state.keks.get(begin..).unwrap_or_default();
        let mut rows = Vec::new();
        for kek in behind.iter().take(page.size.rows().into()) {
            rows.push(self.kek_record(&state.active_kek, kek).await?);
        }
        let has_more = behind.len() > rows.len();
        let next = if has_more { rows.last().map(|row| row.kek_id.to_string()) } else { None };
        Ok(Page { rows, next })
    }

    /// Makes a key-encryption key known that is at hand here. Nothing is wrapped with it yet.
    ///
    /// # Errors
    /// [`Failure::Key`] if it is not at hand, or not the one that is known by its id.
    pub async fn add_kek(&self, call: &Call, kek_id: &KekId) -> Result<KekRecord, Failure> {
        let effect = self.operator_effect(call, Action::AddKek, Some(AuditObject::new(kek_id))).await?;
        let canary = self.keks.canary(kek_id.as_str(), &*self.random).await.map_err(Failure::Key)?;
        let kek = KnownKek { kek_id: kek_id.clone(), canary, added_at: effect.at, retired_at: None };
        let added = done(self.store.add_kek(&effect, &kek).await?)?;
        self.kek_record(&self.active_kek().await?, &added).await
    }

    /// Makes a key-encryption key the one that wraps whatever is new; the rest follows by itself ([`App::keep_keks`]).
    ///
    /// # Errors
    /// [`Failure::Key`] if it is not at hand here; refused: `NotFound`.
    pub async fn activate_kek(&self, call: &Call, kek_id: &KekId) -> Result<KekRecord, Failure> {
        let effect = self.operator_effect(call, Action::ActivateKek, Some(AuditObject::new(kek_id))).await?;
        let state = self.store.load_service().await?.ok_or(Failure::ServiceLost)?;
        if let Some(known) = state.kek(kek_id.as_str()).filter(|known| known.retired_at.is_none()) {
            self.keks.check_canary(kek_id.as_str(), &known.canary).await.map_err(Failure::Key)?;
        }
        let active = done(self.store.activate_kek(&effect, kek_id).await?)?;
        self.kek_record(&self.active_kek().await?, &active).await
    }

    /// Retires a key-encryption key, for good.
    ///
    /// # Errors
    /// Refused: `NotFound`, `KekInUse`.
    pub async fn retire_kek(&self, call: &Call, kek_id: &KekId) -> Result<KekRecord, Failure> {
        let effect = self.operator_effect(call, Action::RetireKek, Some(AuditObject::new(kek_id))).await?;
        let retired = done(self.store.retire_kek(&effect, kek_id).await?)?;
        self.kek_record(&self.active_kek().await?, &retired).await
    }

    async fn kek_record(&self, active: &KekId, kek: &KnownKek) -> Result<KekRecord, Failure> {
        Ok(KekRecord {
            kek_id: kek.kek_id.clone(),
            state: kek.state(active),
            data_keys: self.store.count_data_keys_all_tenants(&kek.kek_id).await?,
            is_available: self.keks.check_canary(kek.kek_id.as_str(), &kek.canary).await.is_ok(),
            added_at: kek.added_at,
            retired_at: kek.retired_at,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;

    fn kek_id() -> KekId {
        KekId::parse("0123456789abcdef").unwrap()
    }

    fn found(is_needed: bool, error: Option<KekError>) -> [Found; 1] {
        [Found { kek_id: kek_id(), is_needed, error }]
    }

    fn missing() -> KekError {
        KekError::Missing { kek_id: kek_id().to_string(), place: "here".to_owned() }
    }

    fn unreachable() -> KekError {
        let source = Arc::new(std::io::Error::from(std::io::ErrorKind::TimedOut));
        KekError::Unreachable { kek_id: kek_id().to_string(), place: "there".to_owned(), source }
    }

    #[test]
    fn a_needed_key_that_is_missing_is_told_at_once_and_one_that_is_not_needed_never() {
        let (watch, now) = (KekWatch::default(), Instant::now());
        assert_eq!(watch.check_at(now), Ok(()));
        watch.note(&found(false, Some(missing())), now);
        assert_eq!(watch.check_at(now), Ok(()));
        watch.note(&found(true, Some(missing())), now);
        assert_eq!(watch.check_at(now), Err(KekLost));
        watch.note(&found(true, None), now);
        assert_eq!(watch.check_at(now), Ok(()));
    }

    /// I11
    #[test]
    fn a_key_that_cannot_be_reached_is_told_when_no_opened_key_serves_any_more() {
        let (watch, begun) = (KekWatch::default(), Instant::now());
        let over = begun + OPENED_KEPT_FOR;
        let nearly = over.checked_sub(Duration::from_secs(1)).unwrap();
        watch.note(&found(true, Some(unreachable())), begun);
        watch.note(&found(true, Some(unreachable())), nearly);
        assert_eq!(watch.check_at(nearly), Ok(()));
        assert_eq!(watch.check_at(over), Err(KekLost));
        watch.note(&found(true, None), over);
        watch.note(&found(true, Some(unreachable())), over);
        assert_eq!(watch.check_at(over), Ok(()), "the hour begins anew");
    }

    #[test]
    fn what_is_remembered_is_old_whenever_data_keys_have_moved() {
        let (watch, one, other) = (KekWatch::default(), kek_id(), KekId::parse("fedcba9876543210").unwrap());
        let spread = |active: &KekId, others: &[(&KekId, u64)]| Spread {
            active: active.clone(),
            others: others.iter().map(|(kek_id, count)| ((*kek_id).clone(), *count)).collect(),
        };
        assert!(!watch.has_moved(spread(&one, &[])), "nothing is remembered yet");
        assert!(!watch.has_moved(spread(&one, &[])));
        assert!(watch.has_moved(spread(&other, &[(&one, 200)])), "another one is active");
        assert!(watch.has_moved(spread(&other, &[(&one, 1)])), "a batch was wrapped anew, here or elsewhere");
        assert!(!watch.has_moved(spread(&other, &[(&one, 1)])), "the last one is damaged, and stays");
        assert!(watch.has_moved(spread(&other, &[])));
        assert!(watch.has_moved(spread(&one, &[])), "somebody else was quicker");
    }
}
