//! Who calls: from the metadata `authorization` alone, and the certificate of the connection where a token is bound to one. Of
//! several tenants of his the metadata `concenter-tenant` picks one.

use std::sync::Arc;

use http::HeaderMap;
use http::header::AUTHORIZATION;

use super::Denial;
use crate::domain::caller::CertificateThumbprint;
use crate::domain::time::Timestamp;
use crate::token::{CallerTokenError, Callers, TenantNotOfToken, VerifiedCaller};

/// Most bytes of a credential with its scheme. Checked before anything is decoded.
const CREDENTIAL_BYTES: usize = 8 * 1024;
/// The metadata that names a tenant.
const TENANT: &str = "concenter-tenant";
/// The only authentication scheme (RFC 6750, section 2.1).
const SCHEME: &str = "bearer";

/// Verifies the bearer token of a call over a connection with this certificate.
///
/// # Errors
/// [`Denial::CredentialMissing`] without one, [`Denial::CredentialExpired`] for one that was good once,
/// [`Denial::CredentialBinding`] for one that is bound to another certificate,
/// [`Denial::IssuerUnavailable`] if the keys of its issuer are not there,
/// [`Denial::CredentialInvalid`] for everything else.
pub(super) fn authenticate(
    headers: &HeaderMap,
    certificate: Option<CertificateThumbprint>,
    callers: &Callers,
    now: Timestamp,
) -> Result<Arc<VerifiedCaller>, Denial> {
    let verified = callers.verify(bearer_token(headers)?, now).map_err(|error| match error {
        CallerTokenError::Expired => Denial::CredentialExpired,
        CallerTokenError::Invalid(_) => Denial::CredentialInvalid,
        CallerTokenError::KeysMissing => Denial::IssuerUnavailable,
    })?;
    // Here and not where tokens are verified: what was verified is remembered, and the next call may come by another connection.
    if verified.bound_to.is_some_and(|bound_to| certificate != Some(bound_to)) {
        return Err(Denial::CredentialBinding);
    }
    Ok(verified)
}

/// The tenant that a call names; `None` if it names none.
///
/// # Errors
/// [`TenantNotOfToken`] if it names two, or something that is no text.
pub(super) fn named_tenant(headers: &HeaderMap) -> Result<Option<&str>, TenantNotOfToken> {
    let mut values = headers.get_all(TENANT).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(only), None) => only.to_str().map(Some).map_err(|_| TenantNotOfToken),
        (Some(_), Some(_)) => Err(TenantNotOfToken),
    }
}

/// The token of the only `authorization` of a call.
pub(super) fn bearer_token(headers: &HeaderMap) -> Result<&str, Denial> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let value = values.next().ok_or(Denial::CredentialMissing)?;
    // Of two credentials a proxy in front of us may have checked the other one.
    if values.next().is_some() || value.len() > CREDENTIAL_BYTES {
        return Err(Denial::CredentialInvalid);
    }
    let text = value.to_str().map_err(|_| Denial::CredentialInvalid)?;
    let (scheme, token) = text.split_once(' ').ok_or(Denial::CredentialInvalid)?;
    if !scheme.eq_ignore_ascii_case(SCHEME) {
        return Err(Denial::CredentialInvalid);
    }
    match token.trim_start_matches(' ') {
        "" => Err(Denial::CredentialInvalid),
        token => Ok(token),
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn headers(values: &[&[u8]]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(AUTHORIZATION, HeaderValue::from_bytes(value).unwrap());
        }
        headers
    }

    #[test]
    fn a_call_without_authorization_has_no_credential() {
        assert_eq!(bearer_token(&HeaderMap::new()), Err(Denial::CredentialMissing));
    }

    #[test]
    fn the_scheme_is_read_in_any_case() {
        for value in ["Bearer a.b.c", "bearer a.b.c", "BEARER a.b.c", "Bearer   a.b.c"] {
            assert_eq!(bearer_token(&headers(&[value.as_bytes()])), Ok("a.b.c"), "{value}");
        }
    }

    #[test]
    fn what_is_not_one_bearer_token_is_invalid() {
        let long = format!("Bearer {}", "x".repeat(CREDENTIAL_BYTES));
        for values in [
            &[&b""[..]][..],
            &[b"Bearer"],
            &[b"Bearer "],
            &[b"Bearera.b.c"],
            &[b"Basic dXNlcjpwYXNz"],
            &[b" Bearer a.b.c"],
            &[b"Bearer a.b.\xff"],
            &[long.as_bytes()],
            &[b"Bearer a.b.c", b"Bearer a.b.c"],
            &[b"Bearer a.b.c", b""],
        ] {
            assert_eq!(bearer_token(&headers(values)), Err(Denial::CredentialInvalid), "{values:?}");
        }
    }

    #[test]
    fn a_credential_of_just_the_most_bytes_is_read() {
        let token = "x".repeat(CREDENTIAL_BYTES - "Bearer ".len());
        assert_eq!(bearer_token(&headers(&[format!("Bearer {token}").as_bytes()])), Ok(token.as_str()));
    }
}
