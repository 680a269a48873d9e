//! HTTP/2 by hand (RFC 9113): frames that no library would send.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedReadHalf;
use tokio::time::timeout;

use super::program::AT_MOST;

/// What a client begins with.
pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const CONTINUATION: u8 = 9;

pub(crate) const ACK: u8 = 1;
pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;

/// The error code of a stream that was not looked at.
pub(crate) const REFUSED_STREAM: u32 = 7;

/// One frame: its kind, flags, stream and payload.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) payload: Vec<u8>,
}

/// The bytes of a frame.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a length").to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// The preface, and settings that say nothing.
pub(crate) fn opening() -> Vec<u8> {
    [PREFACE, &frame(SETTINGS, 0, 0, &[])].concat()
}

/// The stream of the `number`th call, from 0.
pub(crate) const fn stream(number: u32) -> u32 {
    2 * number + 1
}

/// The head of a call of a method, each field written out (RFC 7541, section 6.2.2).
pub(crate) fn head(path: &str) -> Vec<u8> {
    let fields = [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", path),
        (":authority", "here"),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
    ];
    fields.iter().flat_map(|(name, value)| field(name, value)).collect()
}

/// One field of a head, both of whose parts are shorter than 127 bytes.
pub(crate) fn field(name: &str, value: &str) -> Vec<u8> {
    let text = |text: &str| [&[u8::try_from(text.len()).expect("a short text")], text.as_bytes()].concat();
    [vec![0], text(name), text(value)].concat()
}

/// Reads one frame; `None` once the connection is closed.
pub(crate) async fn read_frame(reader: &mut OwnedReadHalf) -> Option<Frame> {
    let mut head = [0; 9];
    reader.read_exact(&mut head).await.ok()?;
    let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
    let mut payload = vec![0; usize::try_from(length).expect("a length")];
    reader.read_exact(&mut payload).await.ok()?;
    Some(Frame { kind: head[3], flags: head[4], payload })
}

/// Sends bytes, one after the other, until they are all sent or the service closes the connection, which it must; gives
/// how many went out.
pub(crate) async fn send_until_closed(address: SocketAddr, chunks: impl Iterator<Item = Vec<u8>>) -> usize {
    let (mut reader, mut writer) = TcpStream::connect(address).await.expect("the listener").into_split();
    // GOAWAY, or the end: a socket that is closed with bytes that were not read is reset, and what was said is lost.
    let closed = tokio::spawn(async move {
        while let Some(frame) = read_frame(&mut reader).await {
            if frame.kind == GOAWAY {
                return;
            }
        }
    });
    let mut sent = 0;
    for chunk in chunks {
        if closed.is_finished() || !matches!(timeout(AT_MOST, writer.write_all(&chunk)).await, Ok(Ok(()))) {
            break;
        }
        sent += chunk.len();
    }
    timeout(AT_MOST, closed).await.expect("the connection is closed").expect("a reader");
    sent
}
