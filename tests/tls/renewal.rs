//! Files that change while the service runs.

use std::time::Duration;

use tokio::time::timeout;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use super::authority::{Authority, Good, Identity, write};
use super::bound::call;
use super::program::{Client, Listening, Office, Program, channel};

const RENEWED: &str = "server.tls.renewed";
const NOT_RENEWED: &str = "server.tls.not_renewed";
/// In which the service looks at its files twice.
const TWO_LOOKS: Duration = Duration::from_secs(7);

/// Waits until both listeners have said this.
async fn both_say(program: &mut Program, event: &str) {
    for _ in 0..2 {
        program.says(event).await;
    }
}

/// What both listeners show to somebody who connects now.
async fn shown(at: Listening, office: &Office) -> [Vec<u8>; 2] {
    let mut shown = [Vec::new(), Vec::new()];
    for (index, (client, address)) in [(Client::grpc(), at.grpc), (Client::http(), at.http)].into_iter().enumerate() {
        let stream = client.connect(address, &office.ours, None).await.expect("a handshake");
        shown[index] = stream.get_ref().1.peer_certificates().expect("a certificate")[0].to_vec();
    }
    shown
}

fn of(identity: &Identity) -> [Vec<u8>; 2] {
    [identity.der.to_vec(), identity.der.to_vec()]
}

#[tokio::test]
async fn a_new_certificate_is_shown_to_who_comes_and_who_is_there_stays() {
    let office = Office::open();
    let mut program = office.serve(&[]);
    let at = program.listening().await;
    let request = HealthCheckRequest { service: String::new() };
    let mut health = HealthClient::new(channel(at.grpc, &office.ours, None));
    let mut watch = health.watch(request).await.expect("a stream").into_inner();
    assert_eq!(watch.message().await.expect("open").expect("a status").status(), ServingStatus::Serving);
    assert_eq!(shown(at, &office).await, of(&office.server));

    let new = office.ours.server();
    new.write(office.path(), "server");
    both_say(&mut program, RENEWED).await;
    assert_eq!(shown(at, &office).await, of(&new));
    // The old connection hears of the end, like any other.
    program.terminate();
    assert_eq!(watch.message().await.expect("open").expect("a status").status(), ServingStatus::NotServing);
    assert_eq!(watch.message().await.expect("ended in order"), None);
}

#[tokio::test]
async fn a_broken_pair_is_told_once_and_the_one_before_goes_on() {
    let office = Office::open();
    let mut program = office.serve(&[]);
    let at = program.listening().await;
    write(office.path(), "server.pem", "no certificate");
    for _ in 0..2 {
        let line = program.says(NOT_RENEWED).await;
        assert!(line.contains("server.pem (--tls-cert-file) must hold certificates (PEM)"), "{line}");
    }
    assert_eq!(shown(at, &office).await, of(&office.server));
    assert!(timeout(TWO_LOOKS, program.says(NOT_RENEWED)).await.is_err(), "it was told before");

    // The key comes later.
    let new = office.ours.server();
    write(office.path(), "server.pem", &new.certificate);
    for _ in 0..2 {
        let line = program.says(NOT_RENEWED).await;
        assert!(line.contains("--tls-cert-file") && line.contains("--tls-key-file"), "{line}");
        assert!(line.contains("do not belong together"), "{line}");
    }
    assert_eq!(shown(at, &office).await, of(&office.server));
    write(office.path(), "server.key", &new.key);
    both_say(&mut program, RENEWED).await;
    assert_eq!(shown(at, &office).await, of(&new));
}

#[tokio::test]
async fn other_authorities_count_for_who_comes_and_who_is_there_stays() {
    let office = Office::open();
    let mut program = office.serve(&["--tls-client-certificates=required"]);
    let at = program.listening().await;
    let token = office.token(&["--role", "operator", "--client-certificate", "client.pem"]);
    let open = channel(at.grpc, &office.ours, Some(&office.client));
    assert_eq!(call(&open, &token).await, Ok(()));

    let successor = Authority::new("another authority");
    write(office.path(), "theirs.pem", &successor.pem);
    program.says(RENEWED).await;
    assert!(call(&channel(at.grpc, &office.ours, Some(&office.client)), &token).await.is_err());
    let new = successor.client(Good::Now);
    new.write(office.path(), "client");
    let token_of_new = office.token(&["--role", "operator", "--client-certificate", "client.pem"]);
    assert_eq!(call(&channel(at.grpc, &office.ours, Some(&new)), &token_of_new).await, Ok(()));
    assert_eq!(call(&open, &token).await, Ok(()));
}
