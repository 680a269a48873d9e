//! An issuer of callers' tokens whose keys are in a file.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use concenter_gateway::domain::caller::CertificateThumbprint;
use concenter_gateway::domain::time::Clock as _;
use concenter_gateway::server::SystemClock;
use serde_json::{Value, json};

use super::authority::write;
use super::program::Office;

const NAME: &str = "https://login.example.de";
const AUDIENCE: &str = "https://gateway.example.de";

/// The setting that names it.
pub(crate) const ISSUERS: &str = "--issuers-file=issuers.toml";

/// The issuer, which may speak for everybody.
pub(crate) struct Issuer(EcdsaKeyPair);

impl Issuer {
    /// Makes it, and writes the files that tell the service of it.
    pub(crate) fn of(office: &Office) -> Self {
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key");
        let (x, y) = key.public_key().as_ref()[1..].split_at(32);
        let key_of_set = json!({ "kty": "EC", "crv": "P-256", "kid": "key", "x": encode(x), "y": encode(y) });
        write(office.path(), "keys.json", &json!({ "keys": [key_of_set] }).to_string());
        let entry = format!(
            "[[issuer]]\nname = \"login\"\nissuer = \"{NAME}\"\naudience = \"{AUDIENCE}\"\njwks_file = \"keys.json\"\n\
             tenants = [\"*\"]\nroles = [\"operator\", \"admin\", \"portal\", \"target\"]\n"
        );
        write(office.path(), "issuers.toml", &entry);
        Self(key)
    }

    /// A token with these claims more, bound to a certificate or not.
    pub(crate) fn token(&self, claims: &Value, bound_to: Option<CertificateThumbprint>) -> String {
        let now = SystemClock.now().unix_seconds();
        let mut all = json!({ "iss": NAME, "aud": AUDIENCE, "sub": "somebody", "iat": now, "exp": now + 600 });
        let members = all.as_object_mut().expect("an object");
        members.extend(claims.as_object().expect("an object").clone());
        if let Some(thumbprint) = bound_to {
            members.insert("cnf".to_owned(), json!({ "x5t#S256": encode(thumbprint.0) }));
        }
        let header = json!({ "alg": "ES256", "kid": "key", "typ": "at+jwt" });
        let signed = format!("{}.{}", encode(header.to_string()), encode(all.to_string()));
        let signature = self.0.sign(&SystemRandom::new(), signed.as_bytes()).expect("a signature");
        format!("{signed}.{}", encode(signature))
    }
}

fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}
