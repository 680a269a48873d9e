//! Reading the audit log, and proving that nobody changed it (`docs/audit.md`).

use super::checkpoints::{SignedCheckpoints, read_checkpoints};
use super::{App, Call, Failure};
use crate::domain::audit::AuditedPerson;
use crate::domain::audit_log::{
    AuditRecord, AuditSeal, ChainHash, Checkpoint, EntryFilter, FoundFault, LATEST_ENTRY, LogFault, LogReport,
    SealedEntry, made_at,
};
use crate::domain::ids::TenantId;
use crate::domain::jump::PersonId;
use crate::domain::page::{Page, PageRequest};
use crate::domain::time::Timestamp;
use crate::secrets::{person_pseudonym, seal_entry};
use crate::store::{Store, StoreError};

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
        Ok(verify_log(&*self.store, tenant, &checkpoints).await?)
    }
}

/// Verifies the log of one tenant, row by row from the first one on, and compares it with `checkpoints` of it. A service may
/// write meanwhile.
///
/// # Errors
/// [`StoreError`] if the log cannot be read, most of all [`StoreError::Corrupt`] where a cell has not even its type.
pub async fn verify_log(
    store: &dyn Store,
    tenant: &TenantId,
    checkpoints: &SignedCheckpoints,
) -> Result<LogReport, StoreError> {
    let mut walk = Walk::new(tenant, &checkpoints.signed);
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
    /// Those that were not passed yet, by their places.
    checkpoints: std::iter::Peekable<std::vec::IntoIter<&'a Checkpoint>>,
    /// The place and the hash of the last seal.
    last: (i64, ChainHash),
    /// When the newest row was made that is sealed.
    newest: Option<Timestamp>,
    report: LogReport,
}

impl<'a> Walk<'a> {
    fn new(tenant: &'a TenantId, checkpoints: &'a [Checkpoint]) -> Self {
        let mut sorted: Vec<_> = checkpoints.iter().filter(|checkpoint| checkpoint.tenant == *tenant).collect();
        sorted.sort_by_key(|checkpoint| checkpoint.seq);
        let compared = u64::try_from(sorted.len()).unwrap_or(u64::MAX);
        Self {
            tenant,
            checkpoints: sorted.into_iter().peekable(),
            last: (0, ChainHash::START),
            newest: None,
            report: LogReport { sealed: 0, unsealed: 0, checkpoints: compared, fault: None },
        }
    }

    /// Looks at the next seal and its row.
    fn pass(&mut self, SealedEntry { seal, entry }: &SealedEntry) {
        self.report.sealed = self.report.sealed.saturating_add(1);
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
