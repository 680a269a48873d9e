//! The audit log as it is read: rows as they stand there, and the chain of seals over them (`docs/audit.md`).

use std::time::Duration;

use super::audit::Pseudonym;
use super::ids::{AuditId, RequestId, TenantId};
use super::time::Timestamp;

/// How much later than another one a row may reach the log and still be sealed: longer than any write may take. A row that is
/// not sealed and older than the newest sealed one by more than that was put there by somebody else.
pub const LATEST_ENTRY: Duration = Duration::from_secs(300);

/// A row of the audit log, with the words that stand in it.
///
/// Nothing of it is believed: whoever verifies the log must see what others made of it, so a word that the service never
/// writes is kept as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRecord {
    /// Its id, in 36 characters where the service wrote it.
    pub audit_id: String,
    /// When.
    pub at: Timestamp,
    /// The role that it was done in.
    pub role: String,
    /// The pseudonym of the caller.
    pub caller: Vec<u8>,
    /// The pseudonym of the human at the screen, where he is not the person.
    pub actor: Option<Vec<u8>>,
    /// The pseudonym of the person that it is about.
    pub person: Option<Vec<u8>>,
    /// What was done or tried.
    pub action: String,
    /// What it is on.
    pub object: Option<String>,
    /// What came of it.
    pub outcome: String,
    /// Why nothing was changed.
    pub reason: Option<String>,
    /// The caller's id of the request.
    pub request_id: Option<String>,
}

/// Which rows of a log are wanted: those that meet every filter that is set.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EntryFilter {
    /// Of this action.
    pub action: Option<String>,
    /// Accepted ones, or refused ones.
    pub accepted: Option<bool>,
    /// Refused for this reason.
    pub reason: Option<String>,
    /// Of this request.
    pub request_id: Option<RequestId>,
    /// On this object.
    pub object: Option<String>,
    /// About this person.
    pub person: Option<Pseudonym>,
    /// Written at this instant or later.
    pub not_before: Option<Timestamp>,
    /// Written before this instant.
    pub before: Option<Timestamp>,
}

/// The hash of a seal: SHA-256 over the row that it seals and the hash of the seal before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ChainHash(pub [u8; 32]);

impl ChainHash {
    /// What the first seal has before it: 32 zero bytes.
    pub const START: Self = Self([0; 32]);
}

/// A seal of a tenant's chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditSeal {
    /// Its place: 1, 2, 3, without a gap.
    pub seq: i64,
    /// The row that it seals.
    pub audit_id: String,
    /// The hash of the seal before.
    pub prev: ChainHash,
    /// Its own hash.
    pub hash: ChainHash,
}

/// A seal and the row that it seals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedEntry {
    /// The seal.
    pub seal: AuditSeal,
    /// The row; `None` if it is not there any more.
    pub entry: Option<AuditRecord>,
}

/// A log in which rows without a seal are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnsealedQuery {
    /// Whose log it is.
    pub tenant: TenantId,
    /// Behind which id it is looked for them.
    pub after: AuditId,
}

/// What sealing a log goes on from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsealed {
    /// Whose log it is.
    pub tenant: TenantId,
    /// The last seal; `None` where there is none yet.
    pub last: Option<AuditSeal>,
    /// Rows without a seal, in the order of their ids.
    pub entries: Vec<AuditRecord>,
}

/// Seals for a log, which follow one another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogSeals {
    /// Whose log it is.
    pub tenant: TenantId,
    /// The seals, in their order.
    pub seals: Vec<AuditSeal>,
}

/// A row of the log, and whether it is sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryMark {
    /// Its id.
    pub audit_id: String,
    /// Whether a seal names it.
    pub is_sealed: bool,
}

/// Up to where a log was dropped because its time was over. What is at or below it may be there or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditFloor {
    /// The last place of the chain that may go, 1 or more. There is always one behind it.
    pub seq: i64,
    /// The hash of the seal there.
    pub hash: ChainHash,
    /// Both, signed by the service: less than 500 bytes where it did.
    pub signed: String,
}

/// How far the log of a tenant and its chain reach.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainEnd {
    /// The tenant; one that is gone, too, as long as there is a row of his log.
    pub tenant: TenantId,
    /// The largest id of a row; `None` if there is none.
    pub newest_entry: Option<String>,
    /// The largest id of a row that is sealed; `None` if there is none.
    pub newest_sealed: Option<String>,
}

/// When the row of this id was made, in whole milliseconds; `None` for what is no id.
#[must_use]
pub fn made_at(audit_id: &str) -> Option<Timestamp> {
    AuditId::parse(audit_id).ok().map(|id| id.made_at())
}

/// What is wrong with a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LogFault {
    /// A row is not what was sealed.
    RowChanged,
    /// A row that was sealed is not there.
    RowMissing,
    /// There is no seal at this place, and there are later ones.
    SealMissing,
    /// A seal does not follow the one before it.
    OrderBroken,
    /// A row was put in that was never sealed: it is older than the newest sealed one by more than [`LATEST_ENTRY`].
    RowInserted,
    /// The chain ends before a place that a checkpoint names.
    Truncated,
    /// The chain has another hash than a checkpoint at the same place: it is another chain.
    Replaced,
    /// Among the checkpoints is one that the service did not sign, or not for this log.
    CheckpointForged,
    /// The service did not sign that the log begins where it does.
    FloorForged,
}

impl LogFault {
    /// The fault in one word, as it is printed and sent.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RowChanged => "ROW_CHANGED",
            Self::RowMissing => "ROW_MISSING",
            Self::SealMissing => "SEAL_MISSING",
            Self::OrderBroken => "ORDER_BROKEN",
            Self::RowInserted => "ROW_INSERTED",
            Self::Truncated => "TRUNCATED",
            Self::Replaced => "REPLACED",
            Self::CheckpointForged => "CHECKPOINT_FORGED",
            Self::FloorForged => "FLOOR_FORGED",
        }
    }
}

/// A fault, and where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundFault {
    /// What is wrong.
    pub fault: LogFault,
    /// The place in the chain; `None` for a row that has none.
    pub seq: Option<i64>,
    /// The row; `None` where it is not known which one stood there.
    pub audit_id: Option<String>,
}

/// What verifying a log found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogReport {
    /// Up to which place the log was dropped because its time was over; 0 if it never was.
    pub dropped: u64,
    /// How many seals there are.
    pub sealed: u64,
    /// How many rows have none yet.
    pub unsealed: u64,
    /// How many checkpoints were compared.
    pub checkpoints: u64,
    /// The first fault; `None` if all is as it was written.
    pub fault: Option<FoundFault>,
}

/// A place in a chain that was written down elsewhere, and its hash there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Whose chain.
    pub tenant: TenantId,
    /// The place, 1 or more.
    pub seq: i64,
    /// The hash of the seal there.
    pub hash: ChainHash,
    /// When it was written down.
    pub at: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_tells_when_its_row_was_made() {
        assert_eq!(
            made_at("018bcfe5-687b-7fff-bfff-ffffffffffff"),
            Some(Timestamp::from_unix_micros(1_700_000_000_123_000))
        );
        assert_eq!(made_at("somewhen"), None);
    }
}
