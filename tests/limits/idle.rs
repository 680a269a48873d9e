//! Connections that take a place and are of no use.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, interval, timeout};

use super::frames::{
    ACK, DATA, END_HEADERS, END_STREAM, HEADERS, PING, PREFACE, frame, head, opening, read_frame, stream,
};
use super::program::{AT_MOST, Program, allow_descriptors};

/// As many as the service has places for, twice over.
const SOCKETS: usize = 2_000;
/// What the service has open at most: a place for each connection, and what it needs besides.
const DESCRIPTORS: usize = 1_024 + 128;
/// In which somebody who is connected is served.
const SOON: Duration = Duration::from_secs(20);

/// Connects, says nothing or every second a byte, and waits until the service has enough of it.
async fn idle(address: SocketAddr, says_nothing: bool) {
    let Ok(mut stream) = TcpStream::connect(address).await else { return };
    if !says_nothing {
        let mut seconds = interval(Duration::from_secs(1));
        // Not one more than the last but one: it never gets as far as to be a client.
        for byte in &PREFACE[..PREFACE.len() - 1] {
            seconds.tick().await;
            if stream.write_all(&[*byte]).await.is_err() {
                return;
            }
        }
    }
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest).await;
}

/// T29
#[tokio::test]
async fn two_thousand_sockets_that_say_little_or_nothing_keep_nobody_out() {
    allow_descriptors(SOCKETS as u64 + 256);
    let program = Program::start(&[]);
    let connected = program.client();
    connected.call().await;
    let before = program.resident_mib();

    let mut sockets = JoinSet::new();
    for number in 0..SOCKETS {
        sockets.spawn(idle(program.grpc, number % 2 == 0));
    }
    let mut slowest = Duration::ZERO;
    for _ in 0..100 {
        slowest = slowest.max(connected.call_within(SOON).await);
        assert!(program.descriptors() <= DESCRIPTORS, "{}", program.descriptors());
    }
    // Who comes now comes behind them all, and is served when their time is over.
    let waited = program.client().call_within(AT_MOST).await;
    let grown = program.resident_mib().saturating_sub(before);
    assert!(grown < 96, "{grown} MiB more");
    timeout(AT_MOST, async { while sockets.join_next().await.is_some() {} }).await.expect("all are closed");
    assert!(program.descriptors() < 64, "{}", program.descriptors());
    println!("connected: {slowest:?} at most; new: {waited:?}; {grown} MiB more");
}

/// Connects so often, says nothing, and stays.
async fn crowd(program: &Program, number: usize) -> Vec<TcpStream> {
    let mut crowd = Vec::with_capacity(number);
    for _ in 0..number {
        crowd.push(TcpStream::connect(program.grpc).await.expect("the listener"));
    }
    crowd
}

/// T29
#[tokio::test]
async fn a_process_that_begins_with_few_descriptors_takes_as_many_as_it_may() {
    let program = Program::start_within("ulimit -S -n 128", &[]);
    let crowd = crowd(&program, 300).await;
    let takes_more = async {
        while program.descriptors() <= 300 {
            program.client().call().await;
        }
    };
    timeout(AT_MOST, takes_more).await.expect("more than it began with");
    drop(crowd);
}

/// T29
#[tokio::test]
async fn without_descriptors_nobody_is_lost_and_who_waits_is_served_when_there_are_some() {
    let program = Program::start_within("ulimit -n 128", &[]);
    let connected = program.client();
    connected.call().await;
    let crowd = crowd(&program, 300).await;
    for _ in 0..20 {
        connected.call_within(SOON).await;
    }
    program.client().call_within(AT_MOST).await;
    drop(crowd);
}

/// T29
#[tokio::test]
async fn at_the_cap_a_connection_waits_until_another_is_closed() {
    let program = Program::start(&["--max-connections=2"]);
    let (first, second) = (program.client(), program.client());
    first.call().await;
    second.call().await;
    let third = program.client();
    let waiting = tokio::spawn(async move { third.call().await });
    for _ in 0..20 {
        first.call_within(SOON).await;
        second.call_within(SOON).await;
    }
    assert!(!waiting.is_finished(), "a third connection of two");
    drop(first);
    timeout(SOON, waiting).await.expect("there is a place now").expect("it is served");
}

/// T29: one that called and does not answer the question whether it is there.
#[tokio::test]
async fn a_peer_that_vanished_without_a_word_is_closed() {
    let program = Program::start(&[]);
    let (mut reader, mut writer) = TcpStream::connect(program.grpc).await.expect("the listener").into_split();
    let call = [
        frame(HEADERS, END_HEADERS, stream(0), &head("/concenter.v1.JumpService/GetJwks")),
        frame(DATA, END_STREAM, stream(0), &[0; 5]),
    ];
    writer.write_all(&[opening(), call.concat()].concat()).await.expect("sent");
    let begun = Instant::now();
    let asked = async {
        let mut asked = 0;
        while let Some(frame) = read_frame(&mut reader).await {
            asked += usize::from(frame.kind == PING && frame.flags & ACK == 0);
        }
        asked
    };
    assert_eq!(timeout(AT_MOST, asked).await.expect("it is closed"), 1);
    assert!(begun.elapsed() > Duration::from_secs(30), "{:?}", begun.elapsed());
}

/// T29: a browser that has its page keeps its connection, and somebody else may need the place.
#[tokio::test]
async fn who_has_his_page_makes_room_for_the_next() {
    let program = Program::start(&["--max-http-connections=1"]);
    let mut first = TcpStream::connect(program.http).await.expect("the listener");
    for _ in 0..3 {
        first.write_all(b"GET /healthz HTTP/1.1\r\nHost: here\r\n\r\n").await.expect("sent");
        assert_ne!(first.read(&mut [0; 1024]).await.expect("an answer"), 0, "it is closed");
    }
    let begun = Instant::now();
    let mut second = TcpStream::connect(program.http).await.expect("the listener");
    second.write_all(b"GET /healthz HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n").await.expect("sent");
    let mut answer = String::new();
    timeout(AT_MOST, second.read_to_string(&mut answer)).await.expect("an answer in time").expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    // Long before one that has asked for nothing is closed.
    assert!((1..8).contains(&begun.elapsed().as_secs()), "{:?}", begun.elapsed());
    assert_eq!(first.read(&mut [0; 1024]).await.expect("it is closed"), 0);
}

/// T29: the HTTP listener closes who does not ask, and takes the next one then.
#[tokio::test]
async fn who_does_not_ask_for_a_page_makes_room_for_who_does() {
    let program = Program::start(&["--max-http-connections=1"]);
    let mut idle = TcpStream::connect(program.http).await.expect("the listener");
    idle.write_all(b"GET /healthz HTTP/1.1\r\nHost:").await.expect("sent");
    let begun = Instant::now();
    let asks = async {
        let mut stream = TcpStream::connect(program.http).await.expect("the listener");
        stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n").await.expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("an answer");
        answer
    };
    let answer = timeout(AT_MOST, asks).await.expect("an answer in time");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(begun.elapsed() > Duration::from_secs(5), "it was not in its way");
    let mut rest = Vec::new();
    let _ = timeout(AT_MOST, idle.read_to_end(&mut rest)).await.expect("it is closed");
}
