//! The HTTP listener: public keys, health, and nothing else but the landing pages.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use concenter_gateway::proto::v1;
use serde_json::Value;

use crate::harness::*;

/// An answer of the listener.
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The headers, in lower case.
    pub headers: String,
    /// The body.
    pub body: String,
}

/// Sends one request of HTTP/1.1 and reads until the connection closes.
pub async fn request(address: SocketAddr, method: &str, path: &str) -> Answer {
    request_with(address, method, path, "").await
}

/// The same with more header lines, each with its line break.
pub async fn request_with(address: SocketAddr, method: &str, path: &str, headers: &str) -> Answer {
    let text = format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\n{headers}Connection: close\r\n\r\n");
    let exchange = move || {
        let mut stream = TcpStream::connect(address).expect("the listener");
        stream.write_all(text.as_bytes()).expect("sent");
        let mut text = String::new();
        stream.read_to_string(&mut text).expect("received");
        text
    };
    let text = tokio::task::spawn_blocking(exchange).await.expect("an exchange");
    let (head, body) = text.split_once("\r\n\r\n").expect("a head");
    let (first, headers) = head.split_once("\r\n").unwrap_or((head, ""));
    let status = first.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    Answer { status, headers: headers.to_lowercase(), body: body.to_owned() }
}

#[tokio::test]
async fn the_key_set_has_public_members_only_and_is_that_of_the_api() {
    let service = Service::start().await;
    let answer = request(service.http_addr(), "GET", "/.well-known/jwks.json").await;
    assert_eq!(answer.status, 200);
    assert!(answer.headers.contains("content-type: application/json"), "{}", answer.headers);
    assert!(answer.headers.contains("cache-control: public, max-age=300"), "{}", answer.headers);
    assert!(answer.headers.contains("x-content-type-options: nosniff"), "{}", answer.headers);
    let jwks: Value = serde_json::from_str(&answer.body).expect("JSON");
    let keys = jwks["keys"].as_array().expect("keys");
    assert_eq!(keys.len(), 1);
    let mut members: Vec<_> = keys[0].as_object().expect("a key").keys().map(String::as_str).collect();
    members.sort_unstable();
    assert_eq!(members, ["alg", "crv", "key_ops", "kid", "kty", "use", "x", "y"]);

    let rpc = service.anonymous().jumps().get_jwks(v1::GetJwksRequest {}).await.expect("keys").into_inner();
    assert_eq!(rpc.jwks, answer.body);
    assert_eq!(rpc.max_age.map(|age| age.seconds), Some(300));
}

#[tokio::test]
async fn a_service_that_works_is_healthy() {
    let service = Service::start().await;
    let answer = request(service.http_addr(), "GET", "/healthz").await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "ok"));
    assert!(answer.headers.contains("cache-control: no-store"), "{}", answer.headers);
}

/// L06
#[tokio::test]
async fn everything_else_is_not_there() {
    let service = Service::start().await;
    for (method, path) in [
        ("GET", "/"),
        ("GET", "/.well-known/"),
        ("GET", "/.well-known/jwks.json/"),
        ("GET", "/j"),
        ("GET", "/j/"),
        ("GET", "/j/rechner-x/"),
        ("POST", "/j/rechner-x"),
        ("PUT", "/j/rechner-x"),
        ("GET", "/concenter.v1.JumpService/GetJwks"),
        ("GET", "/../concenter.db"),
        ("GET", "/healthz/x"),
        ("GET", "/metrics"),
        ("POST", "/healthz"),
        ("DELETE", "/.well-known/jwks.json"),
    ] {
        let answer = request(service.http_addr(), method, path).await;
        assert_eq!((answer.status, answer.body.as_str()), (404, ""), "{method} {path}");
        assert!(answer.headers.contains("x-content-type-options: nosniff"), "{}", answer.headers);
        let names_the_server = answer.headers.lines().any(|header| header.starts_with("server:"));
        assert!(!names_the_server, "{}", answer.headers);
    }
}
