//! Frames that cost their sender nothing (CVE-2023-44487 and its like): the connection is closed, and nobody else notices.

use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::frames::{
    ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, PING, REFUSED_STREAM, RST_STREAM, SETTINGS, field,
    frame, head, opening, read_frame, send_until_closed, stream,
};
use super::program::{AT_MOST, Program};

const JWKS: &str = "/concenter.v1.JumpService/GetJwks";
/// How many connections a flood comes over, at once.
const CONNECTIONS: usize = 16;
/// How many frames or pairs of them each one would send.
const FRAMES: u32 = 100_000;
/// By how much the memory of the service may grow.
const MORE_MIB: u64 = 64;
/// In which somebody else is served meanwhile.
const SOON: Duration = Duration::from_secs(20);

/// Floods the service over several connections; each is closed before it has sent all of it, somebody else is served
/// meanwhile, and memory stays.
async fn flood(what: &str, frames: impl Fn() -> Box<dyn Iterator<Item = Vec<u8>> + Send>) {
    let program = Program::start(&[]);
    let (client, late) = (program.client(), program.client());
    client.call().await;
    let before = program.resident_mib();
    let whole: usize = frames().map(|frame| frame.len()).sum();

    let mut floods = JoinSet::new();
    for _ in 0..CONNECTIONS {
        floods.spawn(send_until_closed(program.grpc, std::iter::once(opening()).chain(frames())));
    }
    let mut slowest = Duration::ZERO;
    for _ in 0..50 {
        slowest = slowest.max(client.call_within(SOON).await);
    }
    while let Some(sent) = timeout(AT_MOST, floods.join_next()).await.expect("it ends") {
        let sent = sent.expect("a flood");
        assert!(sent < whole, "{what}: all {whole} bytes were taken");
    }
    late.call_within(SOON).await;
    let grown = program.resident_mib().saturating_sub(before);
    assert!(grown < MORE_MIB, "{what}: {grown} MiB more");
    println!("{what}: somebody else: {slowest:?} at most; {grown} MiB more");
}

/// T30
#[tokio::test]
async fn calls_that_are_taken_back_at_once_end_the_connection() {
    flood("rapid reset", || {
        Box::new((0..FRAMES).map(|number| {
            let head = frame(HEADERS, END_HEADERS | END_STREAM, stream(number), &head(JWKS));
            [head, frame(RST_STREAM, 0, stream(number), &8_u32.to_be_bytes())].concat()
        }))
    })
    .await;
}

/// T30
#[tokio::test]
async fn a_head_that_never_ends_ends_the_connection() {
    flood("CONTINUATION", || {
        let begun = frame(HEADERS, END_STREAM, stream(0), &head(JWKS));
        let more = field("x-ballast", &"x".repeat(100)).repeat(100);
        Box::new(std::iter::once(begun).chain((0..FRAMES).map(move |_| frame(CONTINUATION, 0, stream(0), &more))))
    })
    .await;
}

/// T30
#[tokio::test]
async fn a_head_that_goes_on_with_nothing_ends_the_connection() {
    flood("empty CONTINUATION", || {
        let begun = frame(HEADERS, END_STREAM, stream(0), &head(JWKS));
        Box::new(std::iter::once(begun).chain((0..FRAMES).map(|_| frame(CONTINUATION, 0, stream(0), &[]))))
    })
    .await;
}

/// T30: what has to be answered is answered, and what was not asked for is read away; neither is kept.
#[tokio::test]
async fn a_peer_that_asks_and_asks_takes_no_memory_and_keeps_nobody_waiting() {
    let program = Program::start(&[]);
    let client = program.client();
    client.call().await;
    let before = program.resident_mib();
    let floods = [
        frame(PING, 0, 0, b"are you?"),
        frame(SETTINGS, 0, 0, &[]),
        // Of a call whose message does not come.
        frame(DATA, 0, stream(0), &[]),
    ];
    let mut peers = JoinSet::new();
    for flood in floods {
        let begun = [opening(), frame(HEADERS, END_HEADERS, stream(0), &head(JWKS))].concat();
        let bytes = [begun, flood.repeat(100_000)].concat();
        let address = program.grpc;
        peers.spawn(async move {
            // It reads nothing of what it is answered.
            let mut stream = TcpStream::connect(address).await.expect("the listener");
            let _ = timeout(SOON, stream.write_all(&bytes)).await;
            stream
        });
    }
    let mut slowest = Duration::ZERO;
    for _ in 0..50 {
        slowest = slowest.max(client.call_within(SOON).await);
    }
    let peers = timeout(AT_MOST, peers.join_all()).await.expect("they are taken or not");
    program.client().call_within(SOON).await;
    let grown = program.resident_mib().saturating_sub(before);
    assert!(grown < MORE_MIB, "{grown} MiB more");
    drop(peers);
    println!("PING, SETTINGS, DATA: somebody else: {slowest:?} at most; {grown} MiB more");
}

/// D05
#[tokio::test]
async fn of_two_hundred_calls_at_once_on_one_connection_half_is_refused_and_it_goes_on() {
    let program = Program::start(&[]);
    let (mut reader, mut writer) = TcpStream::connect(program.grpc).await.expect("the listener").into_split();
    let mut bytes = opening();
    bytes.extend(frame(SETTINGS, ACK, 0, &[]));
    // A message of five bytes is announced, and does not come: the calls stay.
    for number in 0..200 {
        bytes.extend(frame(HEADERS, END_HEADERS, stream(number), &head(JWKS)));
        bytes.extend(frame(DATA, 0, stream(number), &[0, 0, 0, 0, 5]));
    }
    bytes.extend(frame(PING, 0, 0, b"are you?"));
    timeout(AT_MOST, writer.write_all(&bytes)).await.expect("in time").expect("sent");

    let mut refused = 0;
    let reads = async {
        loop {
            let frame = read_frame(&mut reader).await.expect("the connection goes on");
            match frame.kind {
                RST_STREAM => {
                    assert_eq!(frame.payload, REFUSED_STREAM.to_be_bytes());
                    refused += 1;
                }
                PING if frame.flags & ACK != 0 => return,
                _ => {}
            }
        }
    };
    timeout(AT_MOST, reads).await.expect("an answer in time");
    assert_eq!(refused, 100);
    program.client().call_within(SOON).await;
}
