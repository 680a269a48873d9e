//! Hostile tokens: taken apart, changed, and signed by keys that we have no right to, or by the service's own.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom as CryptoRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use concenter_gateway::domain::ids::TenantId;
use concenter_gateway::domain::signing::KeyPurpose;
use concenter_gateway::secrets::{Place, TenantKeys, kek_file};
use serde_json::{Value, json};

use super::Service;

/// A compact token, taken apart.
#[derive(Clone)]
pub struct Token {
    pub header: Value,
    pub payload: Value,
    /// Still encoded.
    pub signature: String,
}

impl Token {
    /// Takes a good token apart.
    pub fn read(compact: &str) -> Self {
        let parts: Vec<_> = compact.split('.').collect();
        let [header, payload, signature] = parts[..] else { panic!("no compact token") };
        let json = |part| serde_json::from_slice(&decode(part)).expect("JSON");
        Self { header: json(header), payload: json(payload), signature: signature.to_owned() }
    }

    /// Puts it together again, with the signature that it has.
    pub fn compact(&self) -> String {
        format!("{}.{}", self.signed(), self.signature)
    }

    /// The same token with another member in its header.
    pub fn with_header(&self, member: &str, value: Value) -> Self {
        let mut changed = self.clone();
        changed.header[member] = value;
        changed
    }

    /// The same token without a member of its header.
    pub fn without_header(&self, member: &str) -> Self {
        let mut changed = self.clone();
        changed.header.as_object_mut().expect("an object").remove(member);
        changed
    }

    /// The same token with another claim.
    pub fn with_claim(&self, claim: &str, value: Value) -> Self {
        let mut changed = self.clone();
        changed.payload[claim] = value;
        changed
    }

    /// Signs it with ES256.
    pub fn signed_by(&self, key: &EcdsaKeyPair) -> String {
        let signed = self.signed();
        let signature = key.sign(&CryptoRandom::new(), signed.as_bytes()).expect("a signature");
        format!("{signed}.{}", encode(signature.as_ref()))
    }

    /// Signs it with HS256.
    pub fn mac_with(&self, secret: &[u8]) -> String {
        let signed = self.signed();
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), signed.as_bytes());
        format!("{signed}.{}", encode(tag.as_ref()))
    }

    /// What a signature is over.
    fn signed(&self) -> String {
        format!("{}.{}", encode(self.header.to_string().as_bytes()), encode(self.payload.to_string().as_bytes()))
    }
}

/// Somebody with a good key of his own that nobody asked for.
pub struct Attacker {
    pub key: EcdsaKeyPair,
    pub kid: String,
    pub jwk: Value,
}

impl Attacker {
    pub fn new() -> Self {
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key");
        let (x, y) = key.public_key().as_ref()[1..].split_at(32);
        let jwk = json!({ "crv": "P-256", "kty": "EC", "x": encode(x), "y": encode(y) });
        // RFC 7638: the required members in lexicographic order, which is how this map writes them.
        let kid = encode(digest(&SHA256, jwk.to_string().as_bytes()).as_ref());
        Self { key, kid, jwk }
    }
}

/// The service's own keys, stolen.
pub struct Forge {
    /// Signs jumps.
    pub jump: EcdsaKeyPair,
    /// Signs callers' tokens.
    pub caller: EcdsaKeyPair,
}

impl Forge {
    /// Opens the keys as whoever reads both database and key file can, beside the running service.
    pub async fn of(service: &Service) -> Self {
        let location = service.place().settings().location().expect("a location");
        let store = location.open_read_only().await.expect("the database opens");
        let state = store.load_service().await.expect("a read").expect("a service");
        let kek = kek_file::load(&service.directory(), &state.keys.kek_id).expect("the key file");
        let system = TenantKeys::open(&kek, TenantId::SYSTEM, &state.keys).await.expect("the service's keys");
        let key = |purpose: KeyPurpose| {
            let sealed = state.signing_keys.iter().find(|key| key.purpose == purpose).expect("a key");
            let place = Place { tenant: TenantId::SYSTEM, row: sealed.kid.as_str(), field: "private", version: 1 };
            let private = system.data.open(&place, &sealed.sealed_private).expect("the key opens");
            EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, private.expose()).expect("a key")
        };
        Self { jump: key(KeyPurpose::Jump), caller: key(KeyPurpose::Caller) }
    }
}

pub fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

pub fn decode(text: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(text).expect("base64url")
}
