//! Tokens that are bound to a certificate.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use concenter_gateway::proto::admin::v1::ListTenantsRequest;
use concenter_gateway::proto::admin::v1::tenant_service_client::TenantServiceClient;
use serde_json::json;
use tonic::metadata::AsciiMetadataKey;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};
use tonic_types::StatusExt as _;

use super::authority::Good;
use super::issuer::{ISSUERS, Issuer};
use super::program::{Office, channel};

pub(crate) const BINDING: (Code, &str) = (Code::Unauthenticated, "CREDENTIAL_BINDING");

/// The code and the reason of a refusal.
pub(crate) fn reason(status: &Status) -> (Code, String) {
    let reason = status.get_details_error_info().map(|info| info.reason).unwrap_or_default();
    (status.code(), reason)
}

pub(crate) fn refused((code, reason): (Code, &str)) -> Result<(), (Code, String)> {
    Err((code, reason.to_owned()))
}

/// A request with this token.
pub(crate) fn with_token<T>(message: T, token: &str) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().expect("a value"));
    request
}

/// A call of an operator, with metadata beside the token.
async fn call_with(channel: &Channel, token: &str, more: &[(&'static str, String)]) -> Result<(), (Code, String)> {
    let mut request = with_token(ListTenantsRequest::default(), token);
    for (name, value) in more {
        let name = AsciiMetadataKey::from_static(name);
        request.metadata_mut().insert(name, value.parse().expect("a value"));
    }
    let called = TenantServiceClient::new(channel.clone()).list_tenants(request).await;
    called.map(drop).map_err(|status| reason(&status))
}

pub(crate) async fn call(channel: &Channel, token: &str) -> Result<(), (Code, String)> {
    call_with(channel, token, &[]).await
}

/// A06
#[tokio::test]
async fn a_bound_token_is_good_over_a_connection_with_its_certificate_alone() {
    let office = Office::open();
    let issuer = Issuer::of(&office);
    let mut program = office.serve(&[ISSUERS]);
    let at = program.listening().await;
    let embedded = office.token(&["--role", "operator", "--client-certificate", "client.pem"]);
    let foreign = issuer.token(&json!({ "roles": ["operator"] }), Some(office.client.thumbprint()));
    let colleague = office.theirs.client(Good::Now);
    let own = channel(at.grpc, &office.ours, Some(&office.client));
    let without = channel(at.grpc, &office.ours, None);
    let other = channel(at.grpc, &office.ours, Some(&colleague));
    for token in [&embedded, &foreign] {
        // The second time it is known already.
        for _ in 0..2 {
            assert_eq!(call(&without, token).await, refused(BINDING));
            assert_eq!(call(&own, token).await, Ok(()));
            assert_eq!(call(&other, token).await, refused(BINDING));
        }
    }
    // Who has a certificate may come with a token that is bound to none.
    let unbound = office.token(&["--role", "operator"]);
    for channel in [&own, &without, &other] {
        assert_eq!(call(channel, &unbound).await, Ok(()));
    }
}

/// A06: a service that asks nobody for a certificate.
#[tokio::test]
async fn a_bound_token_is_of_no_use_where_no_certificate_is_asked_for() {
    let office = Office::open();
    for words in [super::program::TLS, &[]] {
        let mut program = office.serve_with(words);
        let at = program.listening().await;
        let channel = match words {
            [] => Channel::from_shared(format!("http://{}", at.grpc)).expect("an address").connect_lazy(),
            _ => channel(at.grpc, &office.ours, Some(&office.client)),
        };
        let token = office.token(&["--role", "operator", "--client-certificate", "client.pem"]);
        assert_eq!(call(&channel, &token).await, refused(BINDING), "{words:?}");
    }
}

/// A14
#[tokio::test]
async fn a_certificate_that_a_client_only_tells_of_is_none() {
    let office = Office::open();
    let mut program = office.serve(&[]);
    let at = program.listening().await;
    let token = office.token(&["--role", "operator", "--client-certificate", "client.pem"]);
    let without = channel(at.grpc, &office.ours, None);
    let thumbprint = office.client.thumbprint().0;
    let hex: String = thumbprint.iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
    let whole = STANDARD.encode(&office.client.der);
    for (name, value) in [
        ("x-forwarded-client-cert", format!("Hash={hex}")),
        ("x-forwarded-client-cert", format!("Hash={hex};Cert=\"{whole}\"")),
        ("x-forwarded-client-cert", URL_SAFE_NO_PAD.encode(thumbprint)),
        ("x-forwarded-tls-client-cert", whole.clone()),
        ("x-ssl-client-cert", whole.clone()),
        ("client-cert", format!(":{whole}:")),
        ("x-client-cert-thumbprint", hex.clone()),
    ] {
        assert_eq!(call_with(&without, &token, &[(name, value)]).await, refused(BINDING), "{name}");
    }
}

#[test]
fn a_token_is_bound_to_a_certificate_that_can_be_read() {
    let office = Office::open();
    let refused = office.refused(&["token", "--role", "operator", "--client-certificate", "client.key"]);
    assert_eq!(refused, "client.key (--client-certificate) must hold certificates (PEM)");
    let refused = office.refused(&["token", "--role", "operator", "--client-certificate", "nothing.pem"]);
    assert!(refused.starts_with("cannot read nothing.pem (--client-certificate): "), "{refused}");
}
