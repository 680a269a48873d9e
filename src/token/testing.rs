//! What the tests of this room share.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use aws_lc_rs::hmac;
use serde_json::{Value, json};

use super::base64url;
use super::keyring::{KeyRing, SigningKey};
use crate::domain::ids::Random;

/// A random source that counts up: no two draws are equal, and each run gives the same.
pub(super) struct Counting(AtomicU64);

impl From<u64> for Counting {
    fn from(start: u64) -> Self {
        Self(AtomicU64::new(start))
    }
}

impl Random for Counting {
    fn fill(&self, destination: &mut [u8]) {
        let draw = self.0.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        for (byte, source) in destination.iter_mut().rev().zip(draw.iter().rev().cycle()) {
            *byte = *source;
        }
    }
}

/// A code as a tenant's keys compute it, under a fixed key.
pub(super) fn test_mac(label: &'static str, parts: &[&[u8]]) -> [u8; 32] {
    let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, &[7; 32]));
    for part in std::iter::once(&label.as_bytes()).chain(parts) {
        context.update(&u32::try_from(part.len()).unwrap().to_be_bytes());
        context.update(part);
    }
    context.sign().as_ref().try_into().unwrap()
}

/// A ring with one new key, and the key once more for signing by hand.
pub(super) fn ring() -> (Arc<KeyRing>, SigningKey) {
    let (key, pkcs8) = SigningKey::generate().unwrap();
    let ring = Arc::new(KeyRing::of(key));
    (ring, SigningKey::from_pkcs8(&pkcs8).unwrap())
}

/// The header that a token of this kind has.
pub(super) fn header(key: &SigningKey, typ: &str) -> Value {
    json!({ "alg": "ES256", "kid": key.kid(), "typ": typ })
}

/// A correctly signed token of any header and payload, whatever sense they make.
pub(super) fn signed(key: &SigningKey, header: &str, payload: &str) -> String {
    let signed = format!("{}.{}", base64url::encode(header), base64url::encode(payload));
    let signature = base64url::encode(key.sign(signed.as_bytes()).unwrap());
    format!("{signed}.{signature}")
}

/// Header and payload of a token, decoded.
pub(super) fn opened(token: &str) -> [String; 2] {
    let parts: Vec<&str> = token.split('.').collect();
    [0, 1].map(|at| String::from_utf8(base64url::decode(parts[at]).unwrap()).unwrap())
}

/// Sets a member of an object, or removes it.
pub(super) fn with(object: &Value, member: &str, value: Option<Value>) -> Value {
    let mut object = object.clone();
    let members = object.as_object_mut().unwrap();
    match value {
        Some(value) => members.insert(member.to_owned(), value),
        None => members.remove(member),
    };
    object
}

/// The other signature that every ECDSA signature has: (r, n - s).
pub(super) fn twin(token: &str) -> String {
    // The order of P-256 (FIPS 186-5).
    const ORDER: [u8; 32] = [
        0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6,
        0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
    ];
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let mut signature: [u8; 64] = base64url::decode_exact(signature).unwrap();
    let mut borrow = 0;
    for at in (0..32).rev() {
        let difference = i16::from(ORDER[at]) - i16::from(signature[32 + at]) - borrow;
        borrow = i16::from(difference < 0);
        signature[32 + at] = u8::try_from(difference.rem_euclid(256)).unwrap();
    }
    format!("{signed}.{}", base64url::encode(signature))
}
