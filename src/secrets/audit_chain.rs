//! How a row of the audit log is sealed: the hash that makes a chain of the rows (`docs/audit.md`).

use aws_lc_rs::digest::{Context, SHA256};

use crate::domain::audit_log::{AuditRecord, AuditSeal, ChainHash};
use crate::domain::ids::TenantId;

/// Which form is hashed. Another form gets another number: what was sealed in this one stays so.
const FORM: u8 = 1;

/// Seals `entry` at place `seq` of the chain of `tenant`, behind the seal of the hash `prev`.
///
/// SHA-256 over the form and all fields, in the order of `docs/audit.md`. Each field begins with one byte that says whether it is
/// there and, if it is, its length in 8 bytes: no two rows read the same. Texts are hashed as they stand in the
/// row, ids in their 36 characters: both engines of the store give the same.
#[must_use]
pub fn seal_entry(tenant: &TenantId, seq: i64, prev: ChainHash, entry: &AuditRecord) -> AuditSeal {
    // Whole, so that no new field is forgotten here.
    let AuditRecord { audit_id, at, role, caller, actor, person, action, object, outcome, reason, request_id } = entry;
    let mut hash = Hasher::new();
    hash.field(Some(tenant.to_string().as_bytes()));
    hash.field(Some(&seq.to_be_bytes()));
    hash.field(Some(&prev.0));
    hash.field(Some(audit_id.as_bytes()));
    hash.field(Some(&at.unix_micros().to_be_bytes()));
    hash.field(Some(role.as_bytes()));
    hash.field(Some(caller));
    hash.field(actor.as_deref());
    hash.field(person.as_deref());
    hash.field(Some(action.as_bytes()));
    hash.field(object.as_deref().map(str::as_bytes));
    hash.field(Some(outcome.as_bytes()));
    hash.field(reason.as_deref().map(str::as_bytes));
    hash.field(request_id.as_deref().map(str::as_bytes));
    AuditSeal { seq, audit_id: audit_id.clone(), prev, hash: hash.finish() }
}

struct Hasher(Context);

impl Hasher {
    fn new() -> Self {
        let mut context = Context::new(&SHA256);
        context.update(&[FORM]);
        Self(context)
    }

    fn field(&mut self, bytes: Option<&[u8]>) {
        let Some(bytes) = bytes else {
            self.0.update(&[0]);
            return;
        };
        self.0.update(&[1]);
        self.0.update(&u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_be_bytes());
        self.0.update(bytes);
    }

    fn finish(self) -> ChainHash {
        let mut hash = [0; 32];
        // The lengths are equal: SHA-256 has 32 bytes.
        hash.copy_from_slice(self.0.finish().as_ref());
        ChainHash(hash)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::domain::time::Timestamp;

    fn entry() -> AuditRecord {
        AuditRecord {
            audit_id: "018bcfe5-687b-7fff-bfff-ffffffffffff".to_owned(),
            at: Timestamp::from_unix_micros(1_700_000_000_123_456),
            role: "admin".to_owned(),
            caller: vec![1; 32],
            actor: Some(vec![2; 32]),
            person: Some(vec![3; 32]),
            action: "user.create".to_owned(),
            object: Some("object".to_owned()),
            outcome: "refused".to_owned(),
            reason: Some("ROLE".to_owned()),
            request_id: Some("0190f5fe-7c00-7a8d-8d2e-5b1d3f4a5b6c".to_owned()),
        }
    }

    fn hash(entry: &AuditRecord) -> [u8; 32] {
        seal_entry(&TenantId::SYSTEM, 1, ChainHash::START, entry).hash.0
    }

    #[test]
    fn every_field_counts_and_so_do_tenant_place_and_the_seal_before() {
        let other = TenantId::parse("00000000-0000-7000-8000-00000000000a").unwrap();
        let mut hashes = vec![
            hash(&entry()),
            seal_entry(&other, 1, ChainHash::START, &entry()).hash.0,
            seal_entry(&TenantId::SYSTEM, 2, ChainHash::START, &entry()).hash.0,
            seal_entry(&TenantId::SYSTEM, 1, ChainHash([1; 32]), &entry()).hash.0,
        ];
        let changes: [fn(&mut AuditRecord); 18] = [
            |row| row.audit_id.push('0'),
            |row| row.at = Timestamp::from_unix_micros(1),
            |row| row.role = "portal".to_owned(),
            |row| row.caller = vec![9; 32],
            |row| row.actor = None,
            |row| row.actor = Some(vec![]),
            |row| row.person = None,
            |row| row.person = Some(vec![9; 32]),
            |row| std::mem::swap(&mut row.actor, &mut row.person),
            |row| row.action = "user.delete".to_owned(),
            |row| row.object = None,
            |row| row.object = Some(String::new()),
            |row| row.object = Some("OBJECT".to_owned()),
            |row| row.outcome = "accepted".to_owned(),
            |row| row.reason = None,
            |row| row.reason = Some("TENANT".to_owned()),
            |row| row.request_id = None,
            // Where one field ends and the next begins counts, too.
            |row| {
                row.role = "adminuser".to_owned();
                row.action = ".create".to_owned();
            },
        ];
        for change in changes {
            let mut row = entry();
            change(&mut row);
            hashes.push(hash(&row));
        }
        assert_eq!(hashes.iter().collect::<HashSet<_>>().len(), hashes.len());
    }

    /// The same by hand, with Python's `hashlib`: a chain that was sealed once must verify for ever.
    #[test]
    fn the_form_never_changes() {
        let digits = hash(&entry()).into_iter().flat_map(|byte| [byte >> 4, byte & 0x0f]);
        let hex: String = digits.filter_map(|digit| char::from_digit(digit.into(), 16)).collect();
        assert_eq!(hex, "5277d9583ca06cb8a0ebe22582a3411f83ea97e666dd2f3272c3a0b413e7bb90");
    }
}
