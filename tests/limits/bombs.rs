//! Messages that are larger than they look, or as large as they look.

use axum::body::Body as Bytes;
use tonic::{Code, Status};
use tower::ServiceExt as _;

use super::program::{Client, Program};

const PUT_CUSTOMERS: &str = "/concenter.v1.CustomerService/PutCustomers";

/// Posts a message, whose frame says whether it is compressed, and gives the status.
async fn post(client: &Client, encoding: Option<&str>, message: &[u8]) -> Status {
    let length = u32::try_from(message.len()).expect("a length").to_be_bytes();
    let body = [&[u8::from(encoding.is_some())], length.as_slice(), message].concat();
    let mut request = http::Request::post(PUT_CUSTOMERS)
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .header("authorization", client.authorization());
    if let Some(encoding) = encoding {
        request = request.header("grpc-encoding", encoding);
    }
    let request = request.body(tonic::body::Body::new(Bytes::from(body))).expect("a request");
    let answer = client.channel.clone().oneshot(request).await.expect("an answer");
    Status::from_header_map(answer.headers()).unwrap_or_else(|| panic!("no status in {:?}", answer.headers()))
}

/// As much gzip (RFC 1951, 1952) as fits into `bytes`: a zero, and then 258 more of them with each 13 bits.
fn bomb(bytes: usize) -> Vec<u8> {
    // The last block, with the fixed codes; then the literal 0.
    let mut bits: Vec<bool> = [1, 1, 0, 0, 0, 1, 1, 0, 0, 0, 0].map(|bit| bit == 1).to_vec();
    // The code of length 258, and that of distance 1.
    let again = [1, 1, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0].map(|bit| bit == 1);
    while bits.len() < 8 * bytes {
        bits.extend(again);
    }
    let packed = bits.chunks(8).map(|bits| bits.iter().rev().fold(0, |byte, bit| byte << 1 | u8::from(*bit)));
    [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff].into_iter().chain(packed).collect()
}

/// T28
#[tokio::test]
async fn a_message_that_unpacks_to_two_hundredfold_is_not_unpacked() {
    let program = Program::start(&[]);
    let client = program.client();
    client.call().await;
    // Of 166 MiB, in a frame that is as long as one may be.
    let bomb = bomb(1024 * 1024 - 64);
    let before = program.resident_mib();
    for _ in 0..8 {
        assert_eq!(post(&client, Some("gzip"), &bomb).await.code(), Code::Unimplemented);
    }
    let grown = program.resident_mib().saturating_sub(before);
    assert!(grown < 16, "{grown} MiB more");
    client.call().await;
}
