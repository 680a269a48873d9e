//! Signed checkpoints of the audit log, and signed floors of it (`docs/audit.md`).
//!
//! Both say that a chain had this hash at this place. A checkpoint lies where others can take it, and must never let anybody
//! drop what is below it: hence the two kinds.

use serde::{Deserialize, Serialize};

use super::TokenError;
use super::base64url;
use super::front_door::{Header, InvalidCause, decode_claims, enter, read_object};
use super::keyring::{ALGORITHM, KeyRing};
use crate::domain::audit_log::{ChainHash, Checkpoint};
use crate::domain::ids::TenantId;
use crate::domain::time::Timestamp;

/// The kind of a checkpoint. It has no audience, no subject and no end: nobody gets in by it.
const TYPE: &str = "cc-audit+jwt";

/// The kind of a floor.
const FLOOR_TYPE: &str = "cc-audit-floor+jwt";

/// The claims of a checkpoint or a floor.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct CheckpointWire<'a> {
    iat: i64,
    tid: &'a str,
    seq: i64,
    hash: &'a str,
}

/// Signs a checkpoint under the key of `ring` that signs at its instant, which loses its fraction of a second. Less than 500
/// bytes.
///
/// # Errors
/// [`TokenError::NoKey`] if no key signs; [`TokenError::Signing`] if the cryptographic library refuses.
pub fn sign_checkpoint(ring: &KeyRing, checkpoint: &Checkpoint) -> Result<String, TokenError> {
    sign(ring, TYPE, checkpoint)
}

/// Signs that a log may be dropped up to a place, as [`sign_checkpoint`] does.
///
/// # Errors
/// As [`sign_checkpoint`].
pub fn sign_floor(ring: &KeyRing, floor: &Checkpoint) -> Result<String, TokenError> {
    sign(ring, FLOOR_TYPE, floor)
}

/// Opens a checkpoint at `now`. One of long ago is as good as a new one, also if the time of its key is over since: it lets nobody
/// in. Under a key that was revoked anybody may have signed it.
///
/// # Errors
/// [`InvalidCause`] if none of the keys of `ring` signed it, or if it is something else.
pub fn open_checkpoint(ring: &KeyRing, token: &str, now: Timestamp) -> Result<Checkpoint, InvalidCause> {
    open(ring, TYPE, token, now)
}

/// Opens a floor, as [`open_checkpoint`] does.
///
/// # Errors
/// [`InvalidCause`] if none of the keys of `ring` signed it, or if it is something else.
pub fn open_floor(ring: &KeyRing, token: &str, now: Timestamp) -> Result<Checkpoint, InvalidCause> {
    open(ring, FLOOR_TYPE, token, now)
}

fn sign(ring: &KeyRing, typ: &'static str, checkpoint: &Checkpoint) -> Result<String, TokenError> {
    let key = ring.current(checkpoint.at).ok_or(TokenError::NoKey)?;
    let header = encode_json(&Header { alg: ALGORITHM, kid: key.kid(), typ })?;
    let (tenant, hash) = (checkpoint.tenant.to_string(), base64url::encode(checkpoint.hash.0));
    let claims = CheckpointWire { iat: checkpoint.at.unix_seconds(), tid: &tenant, seq: checkpoint.seq, hash: &hash };
    let signed = format!("{header}.{}", encode_json(&claims)?);
    let signature = key.sign(signed.as_bytes()).ok_or(TokenError::Signing)?;
    Ok(format!("{signed}.{}", base64url::encode(signature)))
}

fn open(ring: &KeyRing, typ: &'static str, token: &str, now: Timestamp) -> Result<Checkpoint, InvalidCause> {
    let entered = enter(token, typ, |kid| ring.find_of_any_time(kid, now))?;
    if !entered.key.has_signed(entered.signed.as_bytes(), &entered.signature) {
        return Err(InvalidCause::Signature);
    }
    let json = decode_claims(&entered)?;
    let wire: CheckpointWire<'_> = read_object(&json).ok_or(InvalidCause::Claims)?;
    let hash = base64url::decode_exact(wire.hash).ok_or(InvalidCause::Claims)?;
    // Unlike in other tokens it may be the nil id: what belongs to no tenant has a log, too.
    let tenant = TenantId::parse(wire.tid).map_err(|_| InvalidCause::Claims)?;
    Ok(Checkpoint { tenant, seq: wire.seq, hash: ChainHash(hash), at: Timestamp::from_unix_seconds(wire.iat) })
}

fn encode_json(part: &impl Serialize) -> Result<String, TokenError> {
    // A struct of texts and numbers can always be written.
    serde_json::to_vec(part).map(base64url::encode).map_err(|_| TokenError::Signing)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use serde_json::json;

    use super::super::testing::{Counting, header, ring, signed};
    use super::super::{CallerGrant, CallerTokenError, CallerTokens, JumpTokenError, JumpTokens};
    use super::*;
    use crate::domain::caller::Role;
    use crate::domain::ids::{SubjectId, TargetId};
    use crate::token::SigningKey;

    const NOW: Timestamp = Timestamp::from_unix_seconds(1_800_000_000);

    fn checkpoint() -> Checkpoint {
        Checkpoint { tenant: TenantId::SYSTEM, seq: 7, hash: ChainHash([9; 32]), at: NOW }
    }

    /// The ring of another kind of token, with the same key: what a mistake in the start would make of it.
    fn same_ring(key: &SigningKey) -> Arc<KeyRing> {
        let copy = SigningKey::from_pkcs8(&key.to_pkcs8().unwrap()).unwrap();
        Arc::new(KeyRing::of(copy))
    }

    #[test]
    fn a_checkpoint_reads_back() {
        let (ring, _) = ring();
        let token = sign_checkpoint(&ring, &checkpoint()).unwrap();
        assert_eq!(open_checkpoint(&ring, &token, NOW), Ok(checkpoint()));
        assert!(token.len() < 500, "{}", token.len());
    }

    #[test]
    fn what_others_signed_or_changed_is_no_checkpoint() {
        let (own, key) = ring();
        let token = sign_checkpoint(&own, &checkpoint()).unwrap();
        let (other, _) = ring();
        assert_eq!(open_checkpoint(&other, &token, NOW), Err(InvalidCause::UnknownKey));
        let (head, rest) = token.split_once('.').unwrap();
        let (_, signature) = rest.split_once('.').unwrap();
        let claims =
            json!({ "iat": 1, "tid": TenantId::SYSTEM.to_string(), "seq": 8, "hash": base64url::encode([9; 32]) });
        let forged = format!("{head}.{}.{signature}", base64url::encode(claims.to_string()));
        assert_eq!(open_checkpoint(&own, &forged, NOW), Err(InvalidCause::Signature));
        for text in ["", "a.b", "a.b.c", &token[1..], &token.replace('.', " "), &format!("{token}.")] {
            assert!(open_checkpoint(&own, text, NOW).is_err(), "{text}");
        }
        for claims in [json!({}), json!({ "iat": 1, "tid": "x", "seq": 1, "hash": "" })] {
            let token = signed(&key, &header(&key, TYPE).to_string(), &claims.to_string());
            assert_eq!(open_checkpoint(&own, &token, NOW), Err(InvalidCause::Claims), "{claims}");
        }
    }

    #[test]
    fn a_checkpoint_is_no_floor_and_a_floor_no_checkpoint() {
        let (ring, _) = ring();
        let floor = sign_floor(&ring, &checkpoint()).unwrap();
        assert_eq!(open_floor(&ring, &floor, NOW), Ok(checkpoint()));
        assert_eq!(open_checkpoint(&ring, &floor, NOW), Err(InvalidCause::Type));
        let other = sign_checkpoint(&ring, &checkpoint()).unwrap();
        assert_eq!(open_floor(&ring, &other, NOW), Err(InvalidCause::Type));
    }

    #[test]
    fn a_checkpoint_is_no_token_of_a_jump_or_a_caller_even_under_their_key() {
        let (own, key) = ring();
        let token = sign_checkpoint(&own, &checkpoint()).unwrap();
        let jumps = JumpTokens::new(same_ring(&key), "urn:us".to_owned());
        let opened = jumps.open(&token, &TargetId::parse("rechner").unwrap(), 1, NOW);
        assert_eq!(opened, Err(JumpTokenError::Invalid(InvalidCause::Type)));
        let callers = CallerTokens::new(same_ring(&key), "urn:us".to_owned(), "urn:us".to_owned());
        assert_eq!(callers.verify(&token, NOW).err(), Some(CallerTokenError::Invalid(InvalidCause::Type)));
    }

    #[test]
    fn a_token_of_a_jump_or_a_caller_is_no_checkpoint_even_under_its_key() {
        let (own, key) = ring();
        let callers = CallerTokens::new(same_ring(&key), "urn:us".to_owned(), "urn:us".to_owned());
        let grant = CallerGrant {
            subject: SubjectId::parse("ops").unwrap(),
            roles: vec![Role::Operator],
            tenant: None,
            broker_id: None,
            customer_id: None,
            target_audience: None,
            bound_to: None,
            life: Duration::from_secs(60),
        };
        let token = callers.mint(&grant, NOW, &Counting::from(1)).unwrap();
        assert_eq!(open_checkpoint(&own, &token, NOW), Err(InvalidCause::Type));
        let claims =
            json!({ "iat": 1, "tid": TenantId::SYSTEM.to_string(), "seq": 8, "hash": base64url::encode([9; 32]) });
        let jump = signed(&key, &header(&key, "cc-jump+jwt").to_string(), &claims.to_string());
        assert_eq!(open_checkpoint(&own, &jump, NOW), Err(InvalidCause::Type));
    }
}
