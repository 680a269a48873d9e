//! The production profile.

use concenter_gateway::proto::v1::jump_service_client::JumpServiceClient;
use concenter_gateway::proto::v1::{RedeemJumpRequest, redeem_jump_request};
use serde_json::json;
use tonic::Code;
use tonic::transport::Channel;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;

use super::authority::Good;
use super::bound::{BINDING, call, reason, refused, with_token};
use super::issuer::{ISSUERS, Issuer};
use super::program::{Office, channel};

const PRODUCTION: &[&str] =
    &["--profile=production", "--kek-file=concenter.kek", "--public-url=https://jump.example.de", ISSUERS];

/// Redeems something that is no jump: whoever is let in gets as far as to hear that.
async fn redeem(channel: &Channel, token: &str) -> (Code, String) {
    let proof = Some(redeem_jump_request::Proof::Token("a.b.c".to_owned()));
    let request = with_token(RedeemJumpRequest { proof, ..RedeemJumpRequest::default() }, token);
    let refused = JumpServiceClient::new(channel.clone()).redeem_jump(request).await.expect_err("it is no jump");
    reason(&refused)
}

async fn reflects(channel: &Channel) -> Result<(), Code> {
    let request = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let called =
        ServerReflectionClient::new(channel.clone()).server_reflection_info(tokio_stream::iter([request])).await;
    called.map(drop).map_err(|status| status.code())
}

#[test]
fn all_that_production_does_not_allow_is_told_at_once() {
    let office = Office::open();
    let told = office.refused(&["serve", "--profile=production"]);
    for setting in [
        "--tls-cert-file",
        "--http-tls-cert-file",
        "--tls-client-ca-file",
        "--issuers-file",
        "--kek-file",
        "--public-url",
    ] {
        assert!(told.contains(setting), "{setting}: {told}");
    }
    assert_eq!(told.matches("; ").count(), 5, "{told}");
    super::authority::write(office.path(), "issuers.toml", "");
    let public_url = "--public-url=http://localhost:8080";
    let words = ["serve", "--profile=production", ISSUERS, "--kek-file=data/concenter.kek", public_url];
    let told = office.refused(&[&words, super::program::TLS, super::program::CLIENTS].concat());
    assert_eq!(
        told,
        "--profile production does not allow these settings: callers' tokens have no issuer, and those of `concenter \
         token` are not taken (--issuers-file); the key-encryption key is in the data directory (--kek-file); browsers have \
         no https URL to reach HTTP at (--public-url)"
    );
    assert!(!office.path().join("data").exists(), "nothing was begun");
}

#[tokio::test]
async fn production_believes_issuers_of_the_settings_and_not_the_embedded_one() {
    let office = Office::open();
    let issuer = Issuer::of(&office);
    let mut program = office.serve(PRODUCTION);
    let at = program.listening().await;
    let own = channel(at.grpc, &office.ours, Some(&office.client));
    let kek = ["--kek-file", "concenter.kek"];
    let bound = ["--client-certificate", "client.pem"];
    for more in [&kek[..], &[kek, bound].concat()] {
        let token = office.token(&[&["--role", "operator"], more].concat());
        assert_eq!(call(&own, &token).await, refused((Code::Unauthenticated, "CREDENTIAL_INVALID")));
    }
    let operator = issuer.token(&json!({ "roles": ["operator"] }), None);
    assert_eq!(call(&own, &operator).await, Ok(()));
    assert_eq!(call(&channel(at.grpc, &office.ours, None), &operator).await, Ok(()), "no target");
}

/// D03
#[tokio::test]
async fn production_has_no_reflection() {
    let office = Office::open();
    let _issuer = Issuer::of(&office);
    let mut program = office.serve(PRODUCTION);
    let at = program.listening().await;
    assert_eq!(reflects(&channel(at.grpc, &office.ours, None)).await, Err(Code::Unimplemented));
    drop(program);
    let mut program = office.serve(&["--kek-file=concenter.kek"]);
    let at = program.listening().await;
    assert_eq!(reflects(&channel(at.grpc, &office.ours, None)).await, Ok(()));
}

/// J23, A06
#[tokio::test]
async fn production_takes_a_target_with_its_own_certificate_alone() {
    let office = Office::open();
    let issuer = Issuer::of(&office);
    let mut program = office.serve(PRODUCTION);
    let at = program.listening().await;
    let claims = json!({ "roles": ["target"], "target_audience": "tarif-rechner" });
    let unbound = issuer.token(&claims, None);
    let bound = issuer.token(&claims, Some(office.client.thumbprint()));
    let own = channel(at.grpc, &office.ours, Some(&office.client));
    let without = channel(at.grpc, &office.ours, None);
    let other = channel(at.grpc, &office.ours, Some(&office.theirs.client(Good::Now)));
    let role = (Code::PermissionDenied, "ROLE".to_owned());
    let binding = (BINDING.0, BINDING.1.to_owned());
    for channel in [&own, &without, &other] {
        assert_eq!(redeem(channel, &unbound).await, role);
    }
    assert_eq!(redeem(&own, &bound).await, (Code::PermissionDenied, "JUMP_INVALID".to_owned()));
    assert_eq!(redeem(&without, &bound).await, binding);
    assert_eq!(redeem(&other, &bound).await, binding);
}

#[tokio::test]
async fn the_key_is_where_the_settings_say_and_nowhere_else() {
    let office = Office::open();
    let _issuer = Issuer::of(&office);
    let mut program = office.serve(PRODUCTION);
    program.listening().await;
    assert!(office.path().join("concenter.kek").is_file());
    assert!(!office.path().join("data/keys").exists());
    let checked = office.run(&["check", "--kek-file=concenter.kek"]);
    assert!(checked.status.success(), "{checked:?}");
    assert!(office.refused(&["check"]).contains("is missing"));
    drop(program);
    // A copy of the key opens the data elsewhere, and no other key does.
    assert!(office.refused(&["serve", "--kek-file=other.kek"]).contains("other.kek is missing"));
    assert!(!office.path().join("other.kek").exists(), "no new key for data that are there");
}
