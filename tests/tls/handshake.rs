//! Who gets as far as to say something.

use std::net::SocketAddr;

use rustls::crypto::aws_lc_rs::kx_group;
use rustls::version::TLS12;
use rustls::{CipherSuite, NamedGroup, ProtocolVersion, SupportedProtocolVersion};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tonic::transport::Channel;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use super::authority::{Authority, Good, Identity};
use super::program::{AT_MOST, Client, Office, TLS, channel};

/// What every client of HTTP/2 says first, and a SETTINGS frame.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// The version before.
const ONLY_1_2: &[&SupportedProtocolVersion] = &[&TLS12];

async fn serves(channel: Channel) -> bool {
    let request = HealthCheckRequest { service: String::new() };
    let checked = timeout(AT_MOST, HealthClient::new(channel).check(request)).await.expect("an end");
    checked.is_ok_and(|checked| checked.into_inner().status() == ServingStatus::Serving)
}

/// Whether the service speaks to this client. With TLS 1.3 he learns only behind the handshake that his certificate was refused.
async fn speaks(address: SocketAddr, authority: &Authority, identity: Option<&Identity>) -> bool {
    let Ok(mut stream) = Client::grpc().connect(address, authority, identity).await else { return false };
    let mut first = [0; 9];
    let answered = async {
        stream.write_all(PREFACE).await?;
        stream.read_exact(&mut first).await
    };
    timeout(AT_MOST, answered).await.expect("an end").is_ok()
}

#[tokio::test]
async fn both_listeners_speak_tls_1_3_with_a_key_exchange_that_outlives_quantum_computers() {
    let office = Office::open();
    let mut program = office.serve(&[]);
    let at = program.listening().await;
    for (client, address) in [(Client::grpc(), at.grpc), (Client::http(), at.http)] {
        let stream = client.connect(address, &office.ours, None).await.expect("a handshake");
        let (_, session) = stream.get_ref();
        assert_eq!(session.protocol_version(), Some(ProtocolVersion::TLSv1_3));
        assert_eq!(session.alpn_protocol(), Some(client.protocol.as_bytes()));
        let group = session.negotiated_key_exchange_group().expect("a group").name();
        assert_eq!(group, NamedGroup::X25519MLKEM768);
        let suite = session.negotiated_cipher_suite().expect("a suite").suite();
        assert_eq!(suite, CipherSuite::TLS13_AES_256_GCM_SHA384);
        assert_eq!(session.peer_certificates().expect("a certificate"), std::slice::from_ref(&office.server.der));
    }
}

#[tokio::test]
async fn a_client_that_knows_no_key_exchange_of_today_is_served_all_the_same() {
    let office = Office::open();
    let mut program = office.serve(&[]);
    let at = program.listening().await;
    for group in [kx_group::X25519, kx_group::SECP256R1] {
        let client = Client { groups: vec![group], ..Client::grpc() };
        let stream = client.connect(at.grpc, &office.ours, None).await.expect("a handshake");
        assert_eq!(stream.get_ref().1.negotiated_key_exchange_group().expect("a group").name(), group.name());
    }
}

#[tokio::test]
async fn an_older_tls_and_another_protocol_are_refused() {
    let office = Office::open();
    let mut program = office.serve(&[]);
    let at = program.listening().await;
    let older = Client { versions: ONLY_1_2, ..Client::grpc() };
    assert!(older.connect(at.grpc, &office.ours, None).await.is_err());
    assert!(Client::http().connect(at.grpc, &office.ours, None).await.is_err());
    assert!(Client::grpc().connect(at.http, &office.ours, None).await.is_err());
    assert!(serves(channel(at.grpc, &office.ours, None)).await);
}

#[tokio::test]
async fn a_certificate_of_the_service_that_is_over_or_of_somebody_else_is_refused_by_clients() {
    let office = Office::open();
    let mut program = office.serve(&[]);
    let at = program.listening().await;
    assert!(Client::grpc().connect(at.grpc, &office.theirs, None).await.is_err());
    drop(program);
    office.ours.expired_server().write(office.path(), "server");
    let mut program = office.serve(&[]);
    let at = program.listening().await;
    let refused = Client::grpc().connect(at.grpc, &office.ours, None).await.expect_err("it is over");
    assert!(refused.to_string().contains("expired"), "{refused}");
}

/// A01
#[tokio::test]
async fn where_a_certificate_is_required_nobody_speaks_without_one() {
    let office = Office::open();
    let mut program = office.serve(&["--tls-client-certificates=required"]);
    let at = program.listening().await;
    assert!(!speaks(at.grpc, &office.ours, None).await, "no frame of gRPC");
    assert!(!serves(channel(at.grpc, &office.ours, None)).await);
    program.says("server.tls.refused").await;
    assert!(speaks(at.grpc, &office.ours, Some(&office.client)).await);
    assert!(serves(channel(at.grpc, &office.ours, Some(&office.client))).await);
    // Browsers have none.
    assert!(Client::http().connect(at.http, &office.ours, None).await.is_ok());
}

/// A01
#[tokio::test]
async fn a_certificate_that_is_not_good_is_refused_even_where_none_is_required() {
    let office = Office::open();
    let mut program = office.serve(&[]);
    let at = program.listening().await;
    let stranger = Authority::new("their authority");
    let no_client = office.theirs.server();
    for (why, identity) in [
        ("of another authority", stranger.client(Good::Now)),
        ("over", office.theirs.client(Good::LongAgo)),
        ("of our own authority", office.ours.client(Good::Now)),
        ("of a server", no_client),
    ] {
        assert!(!speaks(at.grpc, &office.ours, Some(&identity)).await, "{why}");
        assert!(!serves(channel(at.grpc, &office.ours, Some(&identity))).await, "{why}");
    }
    assert!(serves(channel(at.grpc, &office.ours, None)).await);
}

#[tokio::test]
async fn plain_text_gets_an_alert_and_no_answer() {
    let office = Office::open();
    let mut program = office.serve(&[]);
    let at = program.listening().await;
    for (address, says) in [(at.grpc, PREFACE), (at.http, b"GET /healthz HTTP/1.1\r\nHost: here\r\n\r\n".as_slice())] {
        let mut socket = TcpStream::connect(address).await.expect("the listener");
        socket.write_all(says).await.expect("sent");
        let mut answer = Vec::new();
        // However it ends.
        let _ = timeout(AT_MOST, socket.read_to_end(&mut answer)).await.expect("it is closed");
        // A record of the type alert (RFC 8446, section 5.1), or nothing at all.
        assert!(answer.is_empty() || (answer[0] == 21 && answer.len() < 16), "{answer:?}");
    }
    assert!(serves(channel(at.grpc, &office.ours, None)).await);
}

#[tokio::test]
async fn tls_on_a_listener_without_is_no_handshake() {
    let office = Office::open();
    let mut program = office.serve_with(&[]);
    let at = program.listening().await;
    assert!(Client::grpc().connect(at.grpc, &office.ours, None).await.is_err());
    assert!(Client::http().connect(at.http, &office.ours, None).await.is_err());
    let plain = Channel::from_shared(format!("http://{}", at.grpc)).expect("an address").connect_lazy();
    assert!(serves(plain).await);
}

#[tokio::test]
async fn a_service_that_waits_for_its_database_says_so_over_tls() {
    let office = Office::open();
    let nowhere = "--database-url=postgres://nobody@127.0.0.1:1/nothing";
    let mut program = office.serve_with(&[TLS, &[nowhere]].concat());
    let at = program.listening_at("server.start.listening").await;
    let request = HealthCheckRequest { service: String::new() };
    let checked = HealthClient::new(channel(at.grpc, &office.ours, None)).check(request).await.expect("an answer");
    assert_eq!(checked.into_inner().status(), ServingStatus::NotServing);
    let mut stream = Client::http().connect(at.http, &office.ours, None).await.expect("a handshake");
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n").await.expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
}
