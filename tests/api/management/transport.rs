//! What is no message of ours: garbage, foreign encodings, methods that are not there.

use tonic::{Code, Status};

use crate::harness::*;

const LIST_USERS: &str = "/concenter.v1.UserService/ListUsers";
const CREATE_USER: &str = "/concenter.v1.UserService/CreateUser";

/// A message in a frame of gRPC: a flag for compression, the length, the bytes.
fn framed(flag: u8, message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).expect("a length").to_be_bytes();
    [[flag].as_slice(), &length, message].concat()
}

/// Asserts that a status is of this code and tells nothing of what was sent, that nothing changed, and that the connection
/// goes on.
async fn stays_calm(world: &World, before: &[String], status: &Status, code: Code, sent: &str) {
    assert_eq!(status.code(), code, "{status:?}");
    assert!(!everything(status).contains(sent), "{status:?}");
    assert_eq!(world.service.state().await, before, "it changed something");
    assert_eq!(world.a.user(&world.a.meier).await.user_name, "meier", "the connection goes on");
}

/// D01
#[tokio::test]
async fn bytes_that_are_no_message_tell_nothing_back() {
    let world = World::example().await;
    let state = world.service.state().await;
    // A length beyond the end, a wire type that there is not, a field number of 0, a group without an end.
    let garbage: [&[u8]; 6] = [
        b"\x12\x7fKANARIENVOGEL",
        b"\x17KANARIENVOGEL",
        b"\x02\x0dKANARIENVOGEL",
        b"\x13KANARIENVOGEL",
        b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xffKANARIENVOGEL",
        &[0xff; 1000],
    ];
    for bytes in garbage {
        for path in [CREATE_USER, LIST_USERS] {
            let status = world.a.admin.send(path, bytes.to_vec()).await.expect_err("garbage");
            stays_calm(&world, &state, &status, Code::Internal, "KANARIENVOGEL").await;
        }
    }
}

/// D01
#[tokio::test]
async fn a_text_that_is_not_utf_8_tells_nothing_back() {
    let world = World::example().await;
    let state = world.service.state().await;
    // `user_name`, with a byte that no text has.
    let name = b"KANARIENVOGEL\xc3\x28";
    let message = [b"\x12".as_slice(), &[u8::try_from(name.len()).expect("a length")], name].concat();
    let status = world.a.admin.send(CREATE_USER, message).await.expect_err("no text");
    stays_calm(&world, &state, &status, Code::Internal, "KANARIENVOGEL").await;
}

/// D01, R07: what is good protobuf and not of this message is skipped, and what is needed is missing then.
#[tokio::test]
async fn fields_that_the_message_does_not_have_are_no_message() {
    let world = World::example().await;
    let state = world.service.state().await;
    // Field 999, a text.
    let message = [b"\xba\x3e\x0d".as_slice(), b"KANARIENVOGEL"].concat();
    let status = world.a.admin.send(CREATE_USER, message).await.expect_err("an empty message");
    assert_eq!(reason(&status), (Code::InvalidArgument, "FIELD_INVALID".to_owned()));
    stays_calm(&world, &state, &status, Code::InvalidArgument, "KANARIENVOGEL").await;
}

/// D02
#[tokio::test]
async fn a_message_that_claims_to_be_compressed_is_not_unpacked() {
    let world = World::example().await;
    let state = world.service.state().await;
    let body = framed(1, b"KANARIENVOGEL");
    let status = world.a.admin.post(LIST_USERS, &[], body.clone()).await;
    stays_calm(&world, &state, &status, Code::Internal, "KANARIENVOGEL").await;
    // Neither the flag alone nor an encoding that the service knows of and does not take.
    for encoding in ["zstd", "gzip", "deflate", "br"] {
        for body in [body.clone(), framed(0, b"")] {
            let status = world.a.admin.post(LIST_USERS, &[("grpc-encoding", encoding)], body).await;
            stays_calm(&world, &state, &status, Code::Unimplemented, "KANARIENVOGEL").await;
        }
    }
}

/// D02
#[tokio::test]
async fn an_encoding_that_nobody_knows_is_not_named_back() {
    let world = World::example().await;
    let state = world.service.state().await;
    let status = world.a.admin.post(LIST_USERS, &[("grpc-encoding", "KANARIENVOGEL")], framed(0, b"")).await;
    stays_calm(&world, &state, &status, Code::Unimplemented, "KANARIENVOGEL").await;
}

/// D02, I10
#[tokio::test]
async fn a_frame_that_is_longer_than_it_may_be_is_refused_before_it_is_read() {
    let world = World::example().await;
    let state = world.service.state().await;
    // It says 4 GiB, and 13 bytes follow.
    let body = [b"\x00\xff\xff\xff\xff".as_slice(), b"KANARIENVOGEL"].concat();
    let status = world.a.admin.post(LIST_USERS, &[], body).await;
    stays_calm(&world, &state, &status, Code::OutOfRange, "KANARIENVOGEL").await;
    let large = vec![b'x'; 65 * 1024];
    let message = [b"\x12\x80\x88\x04".as_slice(), &large].concat();
    let status = world.a.admin.send(CREATE_USER, message).await.expect_err("too large");
    stays_calm(&world, &state, &status, Code::OutOfRange, "xxx").await;
}

/// D03
#[tokio::test]
async fn a_method_that_is_not_there_is_unimplemented_for_everybody() {
    let world = World::example().await;
    let state = world.service.state().await;
    let audit = world.service.audit().await;
    let callers = [world.a.admin.clone(), world.service.operator(), world.service.anonymous()];
    for path in [
        "/concenter.v1.UserService/KANARIENVOGEL",
        "/concenter.v1.KANARIENVOGEL/ListUsers",
        "/KANARIENVOGEL",
        "/concenter.v1.UserService/",
        "/concenter.v1.UserService/listusers",
        "/concenter.v1.UserService/ListUsers/",
        "//concenter.v1.UserService/ListUsers",
        "/concenter.v2.UserService/ListUsers",
        "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
    ] {
        for caller in &callers {
            let status = caller.send(path, Vec::new()).await.expect_err(path);
            stays_calm(&world, &state, &status, Code::Unimplemented, "KANARIENVOGEL").await;
        }
    }
    assert_eq!(world.service.audit().await, audit, "whoever asks for anything must not fill the audit log");
}

/// D04
#[tokio::test]
async fn metadata_of_20_kib_is_refused_and_the_connection_goes_on() {
    let world = World::example().await;
    let (state, audit) = (world.service.state().await, world.service.audit().await);
    for caller in [world.a.admin.clone(), world.service.anonymous()] {
        let heavy = caller.with("x-ballast", &"KANARIENVOGEL".repeat(20 * 1024 / 13));
        let status = heavy.send(LIST_USERS, Vec::new()).await.expect_err("too much");
        // HTTP says it, before there is a call that a status could be of; a client makes its own of that.
        assert!(status.message().contains("431"), "{status:?}");
        stays_calm(&world, &state, &status, Code::Unknown, "KANARIENVOGEL").await;
    }
    assert_eq!(world.service.audit().await, audit);
}
