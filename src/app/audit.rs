//! Reading the audit log, and proving that nobody changed it (`docs/audit.md`).

use super::checkpoints::{SignedCheckpoints, read_checkpoints};
use super::{App, Call, Failure};
use crate::domain::audit::AuditedPerson;
use crate::domain::audit_log::{
    AuditFloor, AuditRecord, AuditSeal, ChainHash, Checkpoint, EntryFilter, FoundFault, LATEST_ENTRY, LogFault,
    LogReport, SealedEntry, made_at,
};
use crate::domain::ids::TenantId;
use crate::domain::jump::PersonId;
use crate::domain::page::{Page, PageRequest};
use crate::domain::time::Timestamp;
use crate::secrets::{person_pseudonym, seal_entry};
use crate::store::{Store, StoreError};
use crate::token::open_floor;

/// Most rows that are read at once.
const STEP_ROWS: u32 = 500;

impl App {
    /// Lists rows of the log of the caller's tenant, the newest first; with a person only those about him. Whoever has no
    /// pseudonym, since he was erased or never stood there, has no rows, and gets none by being asked for.
    ///
    /// # Errors
    /// Only when the store fails.
    pub async fn list_audit_entries(
        &self,
        call: &Call,
        person: Option<&PersonId>,
        filter: EntryFilter,
        page: &PageRequest,
    ) -> Result<Page<AuditRecord>, Failure> {
        let tenant = self.known_tenant(call).await?;
        let Some(person) = person else {
            return Ok(self.store.list_audit_entries(tenant, &filter, page).await?);
        };
        let person = AuditedPerson { kind: person.kind().into(), id: person.as_str().to_owned() };
        let salts = self.store.known_salts(tenant, std::slice::from_ref(&person)).await?;
        let Some(salt) = salts.first().copied().flatten() else {
            return Ok(Page { rows: Vec::new(), next: None });
        };
        let filter = EntryFilter { person: Some(person_pseudonym(&salt, &person)), ..filter };
        Ok(self.store.list_audit_entries(tenant, &filter, page).await?)
    }

    /// Verifies the whole log of the caller's tenant.
    ///
    /// # Errors
    /// Only when the store fails.
    pub async fn verify_audit_log(&self, call: &Call) -> Result<LogReport, Failure> {
        let tenant = self.known_tenant(call).await?;
        let checkpoints = match &self.checkpoints {
            Some(checkpoints) => {
                read_checkpoints(checkpoints.directory(), self.jump_tokens.ring(), tenant, self.now()).await?
            }
            None => SignedCheckpoints::default(),
        };
        Ok(verify_log(&*self.store, tenant, &checkpoints, &|text| self.open_floor(text)).await?)
    }

    /// What a floor says that this service signed; `None` for anything else.
    pub(super) fn open_floor(&self, signed: &str) -> Option<Checkpoint> {
        open_floor(self.jump_tokens.ring(), signed, self.now()).ok()
    }
}

/// Opens the signature of a floor; `None` if the service did not make it.
pub type OpenFloor<'a> = &'a (dyn Fn(&str) -> Option<Checkpoint> + Sync);

/// Verifies the log of one tenant, row by row from the first one on, or from its floor, whose signature `open` checks, and
/// compares it with `checkpoints` of it. A service may write meanwhile.
///
/// # Errors
/// [`StoreError`] if the log cannot be read, most of all [`StoreError::Corrupt`] where a cell has not even its type.
pub async fn verify_log(
    store: &dyn Store,
    tenant: &TenantId,
    checkpoints: &SignedCheckpoints,
    open: OpenFloor<'_>,
) -> Result<LogReport, StoreError> {
    let mut floor = store.audit_floor(tenant).await?;
    loop {
        let report = verify_from(store, tenant, checkpoints, floor.as_ref(), open).await?;
        let floor_now = store.audit_floor(tenant).await?;
        // If it rose meanwhile, part of what was read is gone, and part of what is gone was read.
        let has_risen = floor_now.as_ref().map(|floor| floor.seq) > floor.as_ref().map(|floor| floor.seq);
        if report.fault.is_none() || !has_risen {
            return Ok(report);
        }
        floor = floor_now;
    }
}

/// What a floor says of this log, if the service signed just that.
pub(super) fn opened_floor(floor: &AuditFloor, tenant: &TenantId, open: OpenFloor<'_>) -> Option<Checkpoint> {
    let says = |signed: &Checkpoint| (signed.tenant, signed.seq, signed.hash) == (*tenant, floor.seq, floor.hash);
    open(&floor.signed).filter(says)
}

/// Verifies a chain up to a place, from its beginning or its floor. Tells the hash there; `None` if anything is wrong.
///
/// # Errors
/// [`StoreError`] if the log cannot be read.
pub(super) async fn verify_until(
    store: &dyn Store,
    tenant: &TenantId,
    floor: Option<&Checkpoint>,
    place: i64,
) -> Result<Option<ChainHash>, StoreError> {
    let mut walk = Walk::new(tenant, &[], floor);
    let mut after = 0;
    while after < place {
        let sealed = store.sealed_entries(tenant, after, STEP_ROWS).await?;
        let Some(last) = sealed.last() else { return Ok(None) };
        after = last.seal.seq;
        for entry in sealed.iter().take_while(|entry| entry.seal.seq <= place) {
            walk.pass(entry);
        }
        if walk.report.fault.is_some() {
            return Ok(None);
        }
    }
    let (seq, hash) = walk.last;
    Ok((seq == place).then_some(hash))
}

async fn verify_from(
    store: &dyn Store,
    tenant: &TenantId,
    checkpoints: &SignedCheckpoints,
    floor: Option<&AuditFloor>,
    open: OpenFloor<'_>,
) -> Result<LogReport, StoreError> {
    let signed_floor = floor.and_then(|floor| opened_floor(floor, tenant, open));
    let mut walk = Walk::new(tenant, &checkpoints.signed, signed_floor.as_ref());
    if let Some(floor) = floor
        && signed_floor.is_none()
    {
        walk.found(LogFault::FloorForged, Some(floor.seq), None);
    }
    let mut after = 0;
    loop {
        let sealed = store.sealed_entries(tenant, after, STEP_ROWS).await?;
        let Some(last) = sealed.last() else { break };
        after = last.seal.seq;
        for entry in &sealed {
            walk.pass(entry);
        }
    }
    walk.end_chain();
    let mut after: Option<String> = None;
    loop {
        let marks = store.entry_marks(tenant, after.as_deref(), STEP_ROWS).await?;
        let Some(last) = marks.last() else { break };
        after = Some(last.audit_id.clone());
        for mark in marks.iter().filter(|mark| !mark.is_sealed) {
            walk.pass_unsealed(&mark.audit_id);
        }
    }
    if checkpoints.forged > 0 {
        walk.found(LogFault::CheckpointForged, None, None);
    }
    Ok(walk.report)
}

/// What was passed of a chain so far.
struct Walk<'a> {
    tenant: &'a TenantId,
    /// The floor that the chain stands on, until its first seal was passed.
    floor: Option<&'a Checkpoint>,
    /// Those that were not passed yet, by their places.
    checkpoints: std::iter::Peekable<std::vec::IntoIter<&'a Checkpoint>>,
    /// The place and the hash of the last seal.
    last: (i64, ChainHash),
    /// When the newest row was made that is sealed.
    newest: Option<Timestamp>,
    report: LogReport,
}

impl<'a> Walk<'a> {
    fn new(tenant: &'a TenantId, checkpoints: &'a [Checkpoint], floor: Option<&'a Checkpoint>) -> Self {
        let lowest = floor.map_or(0, |floor| floor.seq);
        // Of those below the floor nothing is left to compare them with.
        let is_of_log = |checkpoint: &&Checkpoint| checkpoint.tenant == *tenant && checkpoint.seq >= lowest;
        let mut sorted: Vec<_> = checkpoints.iter().filter(is_of_log).collect();
        let compared = u64::try_from(sorted.len()).unwrap_or(u64::MAX);
        let is_another = |floor: &&Checkpoint| sorted.iter().any(|one| one.seq == floor.seq && one.hash != floor.hash);
        let replaced = floor.filter(is_another).map(|floor| floor.seq);
        // Where rows below the floor are still there, they must lead to it.
        sorted.extend(floor);
        sorted.sort_by_key(|checkpoint| checkpoint.seq);
        let dropped = u64::try_from(lowest).unwrap_or(0);
        let mut walk = Self {
            tenant,
            floor,
            checkpoints: sorted.into_iter().peekable(),
            last: floor.map_or((0, ChainHash::START), |floor| (floor.seq, floor.hash)),
            newest: None,
            report: LogReport { dropped, sealed: 0, unsealed: 0, checkpoints: compared, fault: None },
        };
        if let Some(seq) = replaced {
            walk.found(LogFault::Replaced, Some(seq), None);
        }
        walk
    }

    /// Looks at the next seal and its row.
    fn pass(&mut self, SealedEntry { seal, entry }: &SealedEntry) {
        self.report.sealed = self.report.sealed.saturating_add(1);
        if self.floor.take().is_some_and(|floor| seal.seq <= floor.seq) {
            // Not dropped yet. What is before it is gone; whether it leads to the floor shows there.
            self.last = (seal.seq.saturating_sub(1), seal.prev);
        }
        let (place, prev) = self.last;
        let expected = place.saturating_add(1);
        if seal.seq > expected {
            self.found(LogFault::SealMissing, Some(expected), None);
        } else if seal.seq < expected || seal.prev != prev {
            self.found_at(LogFault::OrderBroken, seal);
        }
        match entry {
            None => self.found_at(LogFault::RowMissing, seal),
            Some(entry) => {
                if seal_entry(self.tenant, seal.seq, seal.prev, entry).hash != seal.hash {
                    self.found_at(LogFault::RowChanged, seal);
                }
            }
        }
        while let Some(checkpoint) = self.checkpoints.next_if(|checkpoint| checkpoint.seq <= seal.seq) {
            if checkpoint.seq == seal.seq && checkpoint.hash != seal.hash {
                self.found_at(LogFault::Replaced, seal);
            }
        }
        self.last = (seal.seq, seal.hash);
        self.newest = self.newest.max(made_at(&seal.audit_id));
    }

    /// Looks whether the chain is as long as it ever was.
    fn end_chain(&mut self) {
        if let Some(checkpoint) = self.checkpoints.next() {
            let after = self.last.0.saturating_add(1);
            // The first place that is not there; a checkpoint says that it was.
            self.found(LogFault::Truncated, Some(after.min(checkpoint.seq)), None);
        }
    }

    /// Looks at a row that has no seal.
    fn pass_unsealed(&mut self, audit_id: &str) {
        self.report.unsealed = self.report.unsealed.saturating_add(1);
        let is_too_old = match (made_at(audit_id), self.newest) {
            (Some(at), Some(newest)) => at < newest.minus(LATEST_ENTRY),
            // The service writes no such id.
            (None, _) => true,
            (Some(_), None) => false,
        };
        if is_too_old {
            self.found(LogFault::RowInserted, None, Some(audit_id));
        }
    }

    fn found_at(&mut self, fault: LogFault, seal: &AuditSeal) {
        self.found(fault, Some(seal.seq), Some(&seal.audit_id));
    }

    /// Keeps the first fault: those behind it may be its consequences.
    fn found(&mut self, fault: LogFault, seq: Option<i64>, audit_id: Option<&str>) {
        let audit_id = audit_id.map(str::to_owned);
        self.report.fault.get_or_insert(FoundFault { fault, seq, audit_id });
    }
}
