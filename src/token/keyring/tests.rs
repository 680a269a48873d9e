//! Keys, and which of them a ring lets sign, verify and be seen.

use std::time::Duration;

use super::*;
use crate::domain::signing::{KeyId, KeyPurpose, KeyTimes, lives};

const NOW: Timestamp = Timestamp::from_unix_seconds(1_800_000_000);

fn key() -> SigningKey {
    SigningKey::generate().unwrap().0
}

fn again(key: &SigningKey) -> SigningKey {
    SigningKey::from_pkcs8(&key.to_pkcs8().unwrap()).unwrap()
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix_seconds(NOW.unix_seconds() + seconds)
}

/// Keys that begin to sign so many seconds after [`NOW`], and perhaps are revoked.
fn ring_of(keys: &[(&SigningKey, i64, Option<i64>)]) -> Vec<RingKey> {
    let ids: Vec<_> = keys.iter().map(|(key, ..)| KeyId::parse(key.kid()).unwrap()).collect();
    let times = keys.iter().map(|(_, activate, revoked)| KeyTimes {
        revoked_at: revoked.map(at),
        ..KeyTimes::new(at(*activate), at(*activate))
    });
    let rows: Vec<_> = ids.iter().zip(times).collect();
    let halves = keys.iter().map(|(key, ..)| KeyHalves::Both(Arc::new(again(key))));
    halves.zip(lives(KeyPurpose::Jump, &rows)).map(|(halves, life)| RingKey { halves, made_at: None, life }).collect()
}

fn published(ring: &KeyRing, now: Timestamp) -> Vec<String> {
    let json: Value = serde_json::from_str(&ring.jwks_json(now)).unwrap();
    json["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_key_comes_back_from_its_pkcs8() {
    let (key, pkcs8) = SigningKey::generate().unwrap();
    let read = SigningKey::from_pkcs8(&pkcs8).unwrap();
    assert_eq!(read.kid(), key.kid());
    assert!(key.public().has_signed(b"message", &read.sign(b"message").unwrap()));
    assert!(!key.public().has_signed(b"massage", &read.sign(b"message").unwrap()));
}

#[test]
fn a_public_half_comes_back_from_its_point() {
    let key = key();
    let read = PublicKey::from_point(key.public().point()).unwrap();
    assert_eq!(read.kid(), key.kid());
    assert!(read.has_signed(b"message", &key.sign(b"message").unwrap()));
    assert_eq!(PublicKey::from_point(&key.public().point()[1..]).err(), Some(KeyError::Malformed));
}

#[test]
fn a_key_on_another_curve_is_refused() {
    let other = EcdsaKeyPair::generate(&aws_lc_rs::signature::ECDSA_P384_SHA384_FIXED_SIGNING).unwrap();
    let pkcs8 = other.to_pkcs8v1().unwrap();
    assert_eq!(SigningKey::from_pkcs8(pkcs8.as_ref()).err(), Some(KeyError::Malformed));
    assert_eq!(SigningKey::from_pkcs8(b"").err(), Some(KeyError::Malformed));
}

#[test]
fn a_kid_is_the_thumbprint_of_rfc_7638() {
    let key = key();
    let jwk: jsonwebtoken::jwk::Jwk = serde_json::from_value(key.public().jwk()).unwrap();
    // A second implementation of the same RFC.
    assert_eq!(jwk.thumbprint(jsonwebtoken::jwk::ThumbprintHash::SHA256).unwrap(), key.kid());
    assert!(KeyId::parse(key.kid()).is_ok());
}

#[test]
fn a_published_key_has_public_members_only() {
    let jwk = key().public().jwk();
    let mut members: Vec<_> = jwk.as_object().unwrap().keys().map(String::as_str).collect();
    members.sort_unstable();
    assert_eq!(members, ["alg", "crv", "key_ops", "kid", "kty", "use", "x", "y"]);
    assert_eq!(jwk["key_ops"], json!(["verify"]));
    assert_eq!(jwk["use"], "sig");
}

#[test]
fn a_ring_publishes_next_current_and_retired_keys_the_current_one_first() {
    let (retired, current, next, revoked) = (key(), key(), key(), key());
    let keys = [(&retired, -200, None), (&current, -100, None), (&next, 100, None), (&revoked, 200, Some(-50))];
    let ring = KeyRing::new(ring_of(&keys));
    assert_eq!(published(&ring, NOW), [current.kid(), next.kid(), retired.kid()]);
    assert_eq!(ring.current(NOW).unwrap().kid(), current.kid());
    assert!([&retired, &current].iter().all(|key| ring.find(key.kid(), NOW).is_some()));
    assert!([&next, &revoked].iter().all(|key| ring.find(key.kid(), NOW).is_none()));
    assert!(ring.find("", NOW).is_none());
}

#[test]
fn the_next_key_signs_when_its_time_has_come_and_is_accepted_within_the_leeway() {
    let (current, next) = (key(), key());
    let ring = KeyRing::new(ring_of(&[(&current, -100, None), (&next, 100, None)]));
    assert_eq!(ring.current(at(99)).unwrap().kid(), current.kid());
    assert_eq!(ring.current(at(100)).unwrap().kid(), next.kid());
    assert!(ring.find(next.kid(), at(94)).is_none());
    assert!(ring.find(next.kid(), at(95)).is_some(), "another clock is a little ahead");
    assert!(ring.find(current.kid(), at(100 + 899)).is_some());
    assert!(ring.find(current.kid(), at(100 + 900)).is_none());
    assert!(ring.find_of_any_time(current.kid(), at(100 + 900)).is_some());
}

#[test]
fn a_clock_that_is_a_little_late_signs_with_the_heir_of_a_revoked_key() {
    let (revoked, heir) = (key(), key());
    let ring = KeyRing::new(ring_of(&[(&revoked, -100, Some(0)), (&heir, 0, None)]));
    assert_eq!(ring.current(at(-1)).unwrap().kid(), heir.kid());
    assert!(ring.current(at(-6)).is_none());
    assert!(ring.find(revoked.kid(), at(-1)).is_none());
    assert!(ring.find_of_any_time(revoked.kid(), at(-1)).is_none());
}

#[test]
fn a_public_half_alone_signs_nothing() {
    let key = key();
    let halves = KeyHalves::Public(Arc::clone(key.public()));
    let ring = KeyRing::new(vec![RingKey { halves, made_at: None, life: KeyLife::ALONE }]);
    assert!(ring.current(NOW).is_none());
    assert!(ring.find(key.kid(), NOW).is_some());
}

#[test]
fn a_key_that_is_lost_is_noticed_and_one_whose_time_is_over_is_not() {
    let (one, other) = (key(), key());
    let ring = KeyRing::new(ring_of(&[(&one, -100, None)]));
    let losses = ring.losses();
    ring.replace(ring_of(&[(&one, -100, None), (&other, 100, None)]), NOW);
    assert_eq!(ring.losses(), losses);
    ring.replace(ring_of(&[(&one, -100, None), (&other, 100, None)]), NOW.plus(Duration::from_secs(100_000)));
    assert_eq!(ring.losses(), losses);
    ring.replace(ring_of(&[(&one, -100, Some(150)), (&other, 100, None)]), at(150));
    assert_ne!(ring.losses(), losses);
}

#[test]
fn debug_shows_the_kid_alone() {
    let key = key();
    assert_eq!(format!("{key:?}"), format!("SigningKey {{ kid: {:?}, .. }}", key.kid()));
    assert_eq!(format!("{:?}", key.public()), format!("PublicKey {{ kid: {:?}, .. }}", key.kid()));
}
