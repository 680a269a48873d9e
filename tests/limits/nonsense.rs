//! What is no client at all.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::frames::{DATA, END_HEADERS, HEADERS, SETTINGS, frame, opening, stream};
use super::program::{AT_MOST, Program};

/// What comes to a port that is open to the world.
fn nonsense() -> Vec<Vec<u8>> {
    let behind_the_opening = |bytes: Vec<u8>| [opening(), bytes].concat();
    vec![
        b"GET / HTTP/1.1\r\nHost: here\r\n\r\n".to_vec(),
        // The beginning of TLS.
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(),
        b"SSH-2.0-OpenSSH_9.2\r\n".to_vec(),
        vec![0; 64 * 1024],
        vec![0xff; 64 * 1024],
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\x00".to_vec(),
        behind_the_opening(vec![0xff; 64 * 1024]),
        // A frame that is longer than any may be.
        behind_the_opening(b"\xff\xff\xff\x00\x00\x00\x00\x00\x01".to_vec()),
        // Settings of a length that they do not have, and a head that does not decode.
        behind_the_opening(frame(SETTINGS, 0, 0, &[1, 2, 3])),
        behind_the_opening(frame(HEADERS, END_HEADERS, stream(0), &[0xff; 100])),
        // A body of a call that was never made.
        behind_the_opening(frame(DATA, 0, stream(7), b"KANARIENVOGEL")),
    ]
}

/// T29
#[tokio::test]
async fn nonsense_on_either_port_ends_its_connection_and_nothing_else() {
    let program = Program::start(&[]);
    let client = program.client();
    client.call().await;
    for address in [program.grpc, program.http] {
        for (number, bytes) in nonsense().into_iter().enumerate() {
            let exchange = async {
                let mut stream = TcpStream::connect(address).await.expect("the listener");
                // It may be gone before all of it is sent, or read.
                let _ = stream.write_all(&bytes).await;
                let mut answer = Vec::new();
                let _ = stream.read_to_end(&mut answer).await;
                answer
            };
            let answer = timeout(AT_MOST, exchange).await.unwrap_or_else(|_| panic!("{number} is not closed"));
            assert!(!answer.windows(13).any(|window| window == b"KANARIENVOGEL"), "{number}");
            client.call_within(AT_MOST).await;
        }
    }
    program.client().call_within(AT_MOST).await;
}
