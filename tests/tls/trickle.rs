//! Handshakes that do not come to an end.

use std::iter::repeat;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, interval, timeout};

use super::bound::call;
use super::program::{AT_MOST, Client, Office, channel};

/// The beginning of a record of 508 bytes, with the beginning of a `ClientHello` in it (RFC 8446, sections 4.1.2 and 5.1).
const HELLO: &[u8] = &[22, 3, 1, 1, 252, 1, 0, 1, 248, 3, 3];
/// The 10 s that a handshake may take, with the first words behind it, less what a clock may be off; and less than that.
const PATIENCE: Duration = Duration::from_secs(9);
const MOST_OF_IT: Duration = Duration::from_secs(5);

/// Says a byte a second on a connection until it is closed; gives after how long that was.
async fn trickle(socket: TcpStream) -> Duration {
    let begun = Instant::now();
    let (mut reader, mut writer) = socket.into_split();
    let trickles = async {
        let mut seconds = interval(Duration::from_secs(1));
        for byte in HELLO.iter().chain(repeat(&0)) {
            seconds.tick().await;
            if writer.write_all(&[*byte]).await.is_err() {
                return;
            }
        }
    };
    let closed = async { drop(reader.read_to_end(&mut Vec::new()).await) };
    timeout(AT_MOST, async {
        tokio::select! { () = trickles => {}, () = closed => {} }
    })
    .await
    .expect("it is closed");
    begun.elapsed()
}

async fn connected(address: SocketAddr) -> TcpStream {
    TcpStream::connect(address).await.expect("the listener")
}

/// T29
#[tokio::test]
async fn a_handshake_that_trickles_keeps_its_place_for_10_s() {
    let office = Office::open();
    let mut program = office.serve(&["--max-connections=2", "--max-http-connections=1"]);
    let at = program.listening().await;
    let token = office.token(&["--role", "operator"]);
    let (grpc, http) = (connected(at.grpc).await, connected(at.http).await);
    let tricklers = tokio::spawn(async move { tokio::join!(trickle(grpc), trickle(http)) });

    let (second, third) = (channel(at.grpc, &office.ours, None), channel(at.grpc, &office.ours, None));
    assert_eq!(call(&second, &token).await, Ok(()), "the other place");
    let begun = Instant::now();
    let waits_for_grpc = async {
        assert_eq!(call(&third, &token).await, Ok(()));
        begun.elapsed()
    };
    let waits_for_http = async {
        let page = b"GET /healthz HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n";
        let mut stream = Client::http().connect(at.http, &office.ours, None).await.expect("a handshake");
        stream.write_all(page).await.expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("an answer");
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        begun.elapsed()
    };
    let waited = async { tokio::join!(waits_for_grpc, waits_for_http) };
    let (for_grpc, for_http) = timeout(AT_MOST, waited).await.expect("a place");
    assert!(for_grpc > MOST_OF_IT && for_http > MOST_OF_IT, "{for_grpc:?} {for_http:?}");
    let (grpc, http) = tricklers.await.expect("they end");
    assert!(grpc >= PATIENCE && http >= PATIENCE, "{grpc:?} {http:?}");
}

/// T29
#[tokio::test]
async fn handshakes_that_trickle_keep_nobody_waiting() {
    let office = Office::open();
    let mut program = office.serve(&[]);
    let at = program.listening().await;
    let token = office.token(&["--role", "operator"]);
    let mut tricklers = JoinSet::new();
    for _ in 0..200 {
        tricklers.spawn(trickle(connected(at.grpc).await));
    }
    for _ in 0..10 {
        let new = channel(at.grpc, &office.ours, None);
        let called = timeout(MOST_OF_IT, call(&new, &token)).await;
        assert_eq!(called.expect("before any of them ends"), Ok(()));
    }
    assert!(tricklers.try_join_next().is_none(), "they were there all the time");
}
