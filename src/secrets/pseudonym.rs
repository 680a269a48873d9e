//! How a person stands in the audit log.

use super::keys::mac;
use crate::domain::audit::{AuditedKind, AuditedPerson, Pseudonym, Salt};

/// HMAC-SHA-256 under a person's salt over kind and id, each with its length before it.
///
/// The salt is the key: with the salt deleted, nobody can find the person in the log or try out ids.
#[must_use]
pub fn person_pseudonym(salt: &Salt, person: &AuditedPerson) -> Pseudonym {
    let kind: &[u8] = match person.kind {
        AuditedKind::Broker => b"broker",
        AuditedKind::Customer => b"customer",
        AuditedKind::Subject => b"subject",
    };
    Pseudonym(mac(&salt.0, "ccjump/pseudonym/v1", &[kind, person.id.as_bytes()]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person(kind: AuditedKind, id: &str) -> AuditedPerson {
        AuditedPerson { kind, id: id.to_owned() }
    }

    #[test]
    fn a_person_has_one_pseudonym_under_one_salt() {
        let broker = person(AuditedKind::Broker, "b-1");
        assert_eq!(person_pseudonym(&Salt([1; 32]), &broker), person_pseudonym(&Salt([1; 32]), &broker));
    }

    #[test]
    fn salt_kind_and_id_all_count() {
        let of = |salt: u8, kind, id| person_pseudonym(&Salt([salt; 32]), &person(kind, id));
        let base = of(1, AuditedKind::Broker, "b-1");
        assert_ne!(base, of(2, AuditedKind::Broker, "b-1"));
        assert_ne!(base, of(1, AuditedKind::Customer, "b-1"));
        assert_ne!(base, of(1, AuditedKind::Subject, "b-1"));
        assert_ne!(base, of(1, AuditedKind::Broker, "b-2"));
    }
}
