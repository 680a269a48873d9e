//! The certificate that a token is bound to (RFC 8705, section 3.1): whoever steals the token alone has nothing.
//!
//! What it is bound to is only read here. The edge compares it with the connection, with every call.

use aws_lc_rs::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::base64url;
use crate::domain::caller::CertificateThumbprint;

/// The one way of confirmation that we know.
const THUMBPRINT: &str = "x5t#S256";

/// The claim `cnf` (RFC 7800): this member and no other, since we could not check what else it asks for.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ConfirmationWire<'a> {
    #[serde(rename = "x5t#S256")]
    pub(super) thumbprint: &'a str,
}

/// The thumbprint of a certificate in DER.
#[must_use]
pub fn certificate_thumbprint(certificate: &[u8]) -> CertificateThumbprint {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest(&SHA256, certificate).as_ref());
    CertificateThumbprint(bytes)
}

/// The thumbprint as tokens spell it.
pub(super) fn thumbprint_text(thumbprint: CertificateThumbprint) -> String {
    base64url::encode(thumbprint.0)
}

/// Reads a thumbprint: 43 characters, which are 32 bytes.
pub(super) fn read_thumbprint(text: &str) -> Option<CertificateThumbprint> {
    base64url::decode_exact(text).map(CertificateThumbprint)
}

/// Reads a claim `cnf`; `None` if it is not exactly the thumbprint of a certificate.
pub(super) fn read_confirmation(claim: &Value) -> Option<CertificateThumbprint> {
    let members = claim.as_object().filter(|members| members.len() == 1)?;
    read_thumbprint(members.get(THUMBPRINT)?.as_str()?)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_thumbprint_is_the_sha_256_of_the_certificate() {
        // SHA-256 of nothing, as FIPS 180-4 has it.
        let text = thumbprint_text(certificate_thumbprint(b""));
        assert_eq!(text, "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU");
        assert_eq!(read_thumbprint(&text), Some(certificate_thumbprint(b"")));
    }

    #[test]
    fn only_the_thumbprint_of_a_certificate_confirms() {
        let good = thumbprint_text(certificate_thumbprint(b"a certificate"));
        assert_eq!(read_confirmation(&json!({ THUMBPRINT: good })), Some(certificate_thumbprint(b"a certificate")));
        for claim in [
            json!(null),
            json!({}),
            json!([good]),
            json!(good),
            json!({ THUMBPRINT: "abc" }),
            json!({ THUMBPRINT: format!("{good}=") }),
            json!({ THUMBPRINT: [good] }),
            json!({ THUMBPRINT: null }),
            json!({ "x5t": good }),
            json!({ THUMBPRINT: good, "jkt": good }),
            json!({ "jwk": {} }),
        ] {
            assert_eq!(read_confirmation(&claim), None, "{claim}");
        }
    }
}
