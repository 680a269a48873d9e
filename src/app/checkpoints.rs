//! Signed checkpoints of the audit log: what a chain was at some instant, written down elsewhere (`docs/audit.md`).

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use super::chains::{Chains, Tally};
use super::{App, Failure};
use crate::domain::audit_log::{ChainEnd, Checkpoint};
use crate::domain::ids::TenantId;
use crate::domain::time::Timestamp;
use crate::store::{CheckpointDirectory, StoreError};
use crate::token::{KeyRing, open_checkpoint, sign_checkpoint};

/// Where checkpoints go, and what was written there.
pub(super) struct Checkpoints {
    directory: CheckpointDirectory,
    /// The last place of each chain that this process wrote down. Only a hint that saves files.
    written: Mutex<HashMap<TenantId, i64>>,
}

impl Checkpoints {
    pub(super) fn new(directory: CheckpointDirectory) -> Self {
        Self { directory, written: Mutex::default() }
    }

    pub(super) const fn directory(&self) -> &CheckpointDirectory {
        &self.directory
    }

    /// Tells whether this place was not written down by this process.
    fn is_new(&self, tenant: &TenantId, seq: i64) -> bool {
        let written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        written.get(tenant) != Some(&seq)
    }

    /// Of two who wrote at once the one who was further counts.
    fn wrote(&self, tenant: TenantId, seq: i64) {
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        let last = written.entry(tenant).or_insert(seq);
        *last = seq.max(*last);
    }
}

impl App {
    /// Writes a signed checkpoint of each chain that grew since the last one. Tells how many; none if no directory was set.
    ///
    /// # Errors
    /// Only when the store or the directory fails, or a signature. A chain that it failed on does not keep those beside it.
    pub async fn write_checkpoints(&self) -> Result<u64, Failure> {
        let Some(checkpoints) = &self.checkpoints else {
            return Ok(0);
        };
        let (mut tally, mut chains) = (Tally::default(), Chains::of(&*self.store));
        while let Some(page) = chains.next().await? {
            for chain in &page {
                tally.add(self.write_checkpoint(checkpoints, chain).await.map(u64::from));
            }
        }
        tally.ended()
    }

    async fn write_checkpoint(&self, checkpoints: &Checkpoints, chain: &ChainEnd) -> Result<bool, Failure> {
        if chain.newest_sealed.is_none() {
            return Ok(false);
        }
        let now = self.now();
        let last = self.last_seal(&chain.tenant).await?;
        let Some(last) = last.filter(|last| checkpoints.is_new(&chain.tenant, last.seq)) else {
            return Ok(false);
        };
        let checkpoint = Checkpoint { tenant: chain.tenant, seq: last.seq, hash: last.hash, at: now };
        let signed = sign_checkpoint(self.jump_tokens.ring(), &checkpoint)?;
        checkpoints.directory.add(&chain.tenant, now, signed).await?;
        checkpoints.wrote(chain.tenant, last.seq);
        Ok(true)
    }
}

/// What the newest checkpoints of a log say.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SignedCheckpoints {
    /// Those that the service signed for this log, the oldest first.
    pub signed: Vec<Checkpoint>,
    /// How many files are something else.
    pub forged: usize,
}

/// Reads the newest checkpoints of a log, signed by a key of `ring` that is not revoked.
///
/// # Errors
/// [`StoreError::Down`] if the directory cannot be read.
pub async fn read_checkpoints(
    directory: &CheckpointDirectory,
    ring: &KeyRing,
    tenant: &TenantId,
    now: Timestamp,
) -> Result<SignedCheckpoints, StoreError> {
    let texts = directory.newest(tenant).await?;
    let read = texts.iter().filter_map(|text| open_checkpoint(ring, text, now).ok());
    let signed: Vec<_> = read.filter(|checkpoint| checkpoint.tenant == *tenant).collect();
    Ok(SignedCheckpoints { forged: texts.len().saturating_sub(signed.len()), signed })
}
