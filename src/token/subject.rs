//! What is computed for a jump: pairwise names, `jti`s and handles, and the hashes that the store keeps of them.
//!
//! All of it is a keyed code over ids, so a repeated request gets the same again while the database has neither the
//! code nor the key.

use aws_lc_rs::digest::{SHA256, digest};

use super::base64url;
use super::claims::read_tenant;
use crate::domain::ids::{JumpId, TargetId, TenantId};
use crate::domain::jump::{Jti, PersonKind, ProofHash, Subject};

/// HMAC-SHA-256 under the tenant's key over a label and parts, in which no two lists of parts give the same.
pub type Mac<'a> = &'a dyn Fn(&'static str, &[&[u8]]) -> [u8; 32];

/// Whose pairwise name it is. One text as a broker and as a customer are two people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SubjectKind {
    /// A broker.
    Broker,
    /// A customer.
    Customer,
    /// The human at the screen, where he is not the person.
    Actor,
}

impl From<PersonKind> for SubjectKind {
    fn from(kind: PersonKind) -> Self {
        match kind {
            PersonKind::Broker => Self::Broker,
            PersonKind::Customer => Self::Customer,
        }
    }
}

/// The pairwise name of somebody at one target (OIDC Core 1.0, section 8.1): 43 characters of base64url.
#[must_use]
pub fn subject(mac: Mac<'_>, tenant: TenantId, target: &TargetId, kind: SubjectKind, id: &str) -> Subject {
    let kind: &[u8] = match kind {
        SubjectKind::Broker => b"broker",
        SubjectKind::Customer => b"customer",
        SubjectKind::Actor => b"actor",
    };
    let parts = [tenant.as_bytes().as_slice(), target.as_str().as_bytes(), kind, id.as_bytes()];
    Subject::from_computed(base64url::encode(mac("ccjump/sub/v1", &parts)))
}

/// The `jti` of a jump: 192 bits, unguessable without the tenant's key.
#[must_use]
pub fn jti(mac: Mac<'_>, tenant: TenantId, jump: JumpId) -> Jti {
    let code = mac("ccjump/jti/v1", &[tenant.as_bytes(), jump.as_bytes()]);
    let mut jti = [0; 24];
    for (byte, code) in jti.iter_mut().zip(code) {
        *byte = code;
    }
    Jti(jti)
}

/// The handle of a jump, for targets that take only GET: the tenant's id, a dot, and 256 bits in 43 characters of
/// base64url; 80 characters in all. It redeems the jump like its token: it is not for logs.
#[must_use]
pub fn handle(mac: Mac<'_>, tenant: TenantId, jump: JumpId) -> String {
    let code = mac("ccjump/handle/v1", &[tenant.as_bytes(), jump.as_bytes()]);
    format!("{tenant}.{}", base64url::encode(code))
}

/// Reads a handle: whose it is, and the hash to look it up by. `None` if it has not the form of one.
#[must_use]
pub fn parse_handle(text: &str) -> Option<(TenantId, ProofHash)> {
    let (tenant, code) = text.split_once('.')?;
    base64url::decode_exact::<32>(code)?;
    let tenant = read_tenant(tenant).ok()?;
    Some((tenant, handle_hash(text)))
}

/// What the store keeps of a handle: SHA-256 of its text.
#[must_use]
pub fn handle_hash(handle: &str) -> ProofHash {
    sha_256(handle.as_bytes())
}

/// What the store keeps of a `jti`: SHA-256 of its 24 bytes.
#[must_use]
pub fn jti_hash(jti: &Jti) -> ProofHash {
    sha_256(&jti.0)
}

fn sha_256(bytes: &[u8]) -> ProofHash {
    let mut hash = [0; 32];
    // The lengths are equal: SHA-256 has 32 bytes.
    hash.copy_from_slice(digest(&SHA256, bytes).as_ref());
    ProofHash(hash)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Counting, test_mac};
    use super::*;

    fn tenant(n: u64) -> TenantId {
        TenantId::new(crate::domain::time::Timestamp::from_unix_seconds(1), &Counting::from(n))
    }

    fn jump(n: u64) -> JumpId {
        JumpId::new(crate::domain::time::Timestamp::from_unix_seconds(1), &Counting::from(n))
    }

    fn target(key: &str) -> TargetId {
        TargetId::parse(key).unwrap()
    }

    #[test]
    fn a_subject_is_43_characters_and_always_the_same() {
        let of = || subject(&test_mac, tenant(1), &target("rechner"), SubjectKind::Customer, "k-1");
        assert_eq!(of(), of());
        assert_eq!(of().as_str().len(), 43);
    }

    #[test]
    fn a_subject_differs_by_tenant_target_kind_and_id() {
        let all = [
            subject(&test_mac, tenant(1), &target("rechner"), SubjectKind::Customer, "k-1"),
            subject(&test_mac, tenant(2), &target("rechner"), SubjectKind::Customer, "k-1"),
            subject(&test_mac, tenant(1), &target("portal"), SubjectKind::Customer, "k-1"),
            subject(&test_mac, tenant(1), &target("rechner"), SubjectKind::Broker, "k-1"),
            subject(&test_mac, tenant(1), &target("rechner"), SubjectKind::Actor, "k-1"),
            subject(&test_mac, tenant(1), &target("rechner"), SubjectKind::Customer, "k-2"),
        ];
        for (i, one) in all.iter().enumerate() {
            assert!(all[i + 1..].iter().all(|other| one != other), "{i}");
        }
    }

    #[test]
    fn a_jti_differs_by_tenant_and_jump() {
        let base = jti(&test_mac, tenant(1), jump(1));
        assert!(base == jti(&test_mac, tenant(1), jump(1)));
        assert!(base != jti(&test_mac, tenant(2), jump(1)));
        assert!(base != jti(&test_mac, tenant(1), jump(2)));
        assert!(base.0.iter().any(|byte| *byte != 0));
    }

    #[test]
    fn a_handle_leads_back_to_its_tenant_and_hash() {
        let handle = handle(&test_mac, tenant(1), jump(1));
        assert_eq!(handle.len(), 80);
        assert_eq!(parse_handle(&handle), Some((tenant(1), handle_hash(&handle))));
    }

    #[test]
    fn a_handle_does_not_contain_the_jti() {
        let code = base64url::encode(jti(&test_mac, tenant(1), jump(1)).0);
        assert!(!handle(&test_mac, tenant(1), jump(1)).contains(&code));
    }

    #[test]
    fn what_is_no_handle_is_not_read() {
        let good = handle(&test_mac, tenant(1), jump(1));
        let (id, code) = good.split_once('.').unwrap();
        for text in [
            "",
            ".",
            id,
            code,
            &format!("{id}.{code}="),
            &format!("{id}.{code}.{code}"),
            &format!("{id}.{}", &code[..42]),
            &format!("{}.{code}", &id[..35]),
            &format!(" {good}"),
            &format!("{good}\n"),
        ] {
            assert_eq!(parse_handle(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_handle_in_other_letters_finds_nothing() {
        let good = handle(&test_mac, tenant(1), jump(1));
        let (id, code) = good.split_once('.').unwrap();
        let upper = format!("{}.{code}", id.to_uppercase());
        assert_ne!(parse_handle(&upper).map(|(_, hash)| hash), Some(handle_hash(&good)));
    }

    #[test]
    fn a_proof_is_kept_as_its_sha_256() {
        // FIPS 180-2, appendix B.1.
        let expected = [0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea];
        assert_eq!(handle_hash("abc").0[..8], expected);
        assert_eq!(jti_hash(&Jti(*b"abcdefghijklmnopqrstuvwx")), handle_hash("abcdefghijklmnopqrstuvwx"));
    }
}
