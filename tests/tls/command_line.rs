//! The command line calls a service over TLS.

use std::process::Output;

use super::authority::{Authority, write};
use super::program::{Listening, Office};

/// The list of tenants, asked for at this service with more words.
fn list(office: &Office, at: Listening, more: &[&str]) -> Output {
    let server = format!("https://localhost:{}", at.grpc.port());
    office.run(&[&["tenant", "list", "--server", &server, "--token-file", "token"], more].concat())
}

fn said(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("text")
}

#[tokio::test]
async fn a_command_shows_its_certificate_and_checks_that_of_the_service() {
    let office = Office::open();
    let mut program = office.serve(&[]);
    let at = program.listening().await;
    let token = office.token(&["--role", "operator", "--client-certificate", "client.pem"]);
    write(office.path(), "token", &token);
    let ours = ["--ca-file", "ours.pem"];
    let own = ["--client-certificate", "client.pem", "--client-key", "client.key"];

    let listed = list(&office, at, &[ours.as_slice(), &own].concat());
    assert!(listed.status.success(), "{listed:?}");
    let without = list(&office, at, &ours);
    assert_eq!(without.status.code(), Some(78), "{without:?}");
    assert!(said(&without).contains("(CREDENTIAL_BINDING)"), "{without:?}");

    // Nobody knows who that is.
    write(office.path(), "stranger.pem", &Authority::new("our authority").pem);
    for more in [&[][..], &["--ca-file", "stranger.pem"]] {
        let refused = list(&office, at, &[more, &own].concat());
        assert_eq!(refused.status.code(), Some(1), "{refused:?}");
        assert!(said(&refused).contains("cannot be reached"), "{refused:?}");
    }
}

#[test]
fn files_that_cannot_be_used_are_told_before_anybody_is_called() {
    let office = Office::open();
    write(office.path(), "token", "a.b.c");
    let nowhere = "127.0.0.1:1".parse().expect("an address");
    let nowhere = Listening { grpc: nowhere, http: nowhere };
    for (more, code, text) in [
        (
            &["--client-certificate", "client.pem"][..],
            2,
            "error: --client-certificate and --client-key go together: give both",
        ),
        (
            &["--client-certificate", "client.pem", "--client-key", "server.key"],
            78,
            "error: the certificate of client.pem (--client-certificate) and the key of server.key (--client-key) do not \
             belong together",
        ),
        (&["--ca-file", "server.key"], 78, "error: server.key (--ca-file) must hold certificates (PEM)"),
    ] {
        let refused = list(&office, nowhere, more);
        assert_eq!((refused.status.code(), said(&refused).lines().last()), (Some(code), Some(text)));
    }
}
