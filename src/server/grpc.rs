//! The connections of gRPC: how many there may be, and what one of them may take. What the library does not bound itself,
//! `connections.rs` bounds.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tonic::transport::Server;

use super::connections::{Capped, Patience};
use super::tls::{Tls, Wires};

/// How often a silent connection is asked whether its peer is still there, and how long it may take to answer.
const KEEPALIVE: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(10));
/// Most calls in flight on one connection.
const STREAMS_PER_CONNECTION: u32 = 100;
/// Most calls of one connection that were taken back before we came to look at them.
const RESETS_PER_CONNECTION: usize = 20;
/// Most bytes of a call's metadata: a credential of 8 KiB, and as much again for everything else.
const METADATA_BYTES: u32 = 16 * 1024;

/// What one connection may take, and how old it may become.
pub(super) fn transport(age: Duration) -> Server {
    let (keepalive_every, keepalive_answer) = KEEPALIVE;
    Server::builder()
        // A peer that vanished without a word is noticed within 40 s, and so is one that stops within a frame.
        .http2_keepalive_interval(Some(keepalive_every))
        .http2_keepalive_timeout(Some(keepalive_answer))
        // One connection cannot take more than its share.
        .max_concurrent_streams(STREAMS_PER_CONNECTION)
        // Who opens calls and takes them back before they are answered is sent away after so many.
        .http2_max_pending_accept_reset_streams(Some(RESETS_PER_CONNECTION))
        // Metadata beyond this is refused before anything looks at it.
        .http2_max_header_list_size(METADATA_BYTES)
        // GOAWAY. With a grace the library would say nothing and cut off what is under way at its end, so that end is in
        // `connections.rs`.
        .max_connection_age(age)
}

/// The connections, at most `most` at once, with TLS if there is any.
pub(super) fn connections(listener: TcpListener, tls: Option<Arc<Tls>>, most: u32) -> Capped<Wires> {
    Capped::new("gRPC", Wires::new(listener, tls), most, Patience::GRPC)
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpStream;

    use super::*;

    /// The kind of a frame by which a connection is told to go (RFC 9113, section 6.8).
    const GOAWAY: u8 = 7;

    #[tokio::test]
    async fn a_connection_that_is_old_is_told_to_go() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (_, health) = tonic_health::server::health_reporter();
        let server = transport(Duration::from_millis(100)).add_service(health);
        tokio::spawn(server.serve_with_incoming(connections(listener, None, 1)));

        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
        loop {
            let mut head = [0; 9];
            stream.read_exact(&mut head).await.expect("a frame before the end");
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
            let mut payload = vec![0; usize::try_from(length).unwrap()];
            stream.read_exact(&mut payload).await.unwrap();
            if head[3] == GOAWAY {
                return;
            }
        }
    }
}
