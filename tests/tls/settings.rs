//! Files that the service refuses to start with.

use std::fs;

use super::program::{CLIENTS, Office, TLS};

#[test]
fn a_file_that_cannot_be_used_is_named_with_its_setting() {
    let office = Office::open();
    fs::create_dir(office.path().join("directory")).expect("a directory");
    let long = "x".repeat(1024 * 1024 + 1);
    super::authority::write(office.path(), "long.pem", &long);
    let cert = |file: &str| vec![format!("--tls-cert-file={file}"), "--tls-key-file=server.key".to_owned()];
    let key = |file: &str| vec!["--tls-cert-file=server.pem".to_owned(), format!("--tls-key-file={file}")];
    let http =
        |cert: &str, key: &str| vec![format!("--http-tls-cert-file={cert}"), format!("--http-tls-key-file={key}")];
    let clients = |file: &str| {
        let own = TLS.iter().map(|word| (*word).to_owned());
        own.chain([format!("--tls-client-ca-file={file}")]).collect::<Vec<_>>()
    };
    let no_key = "must hold a private key (PEM: PKCS#8, SEC1 or PKCS#1, without a password)";
    for (words, refused) in [
        (cert("server.key"), "server.key (--tls-cert-file) must hold certificates (PEM)".to_owned()),
        (cert("directory"), "directory (--tls-cert-file) is no file of at most 1 MiB".to_owned()),
        (cert("long.pem"), "long.pem (--tls-cert-file) is no file of at most 1 MiB".to_owned()),
        (cert("nothing.pem"), "cannot read nothing.pem (--tls-cert-file): No such file or directory (os error 2)".to_owned()),
        (key("server.pem"), format!("server.pem (--tls-key-file) {no_key}")),
        (
            key("client.key"),
            "the certificate of server.pem (--tls-cert-file) and the key of client.key (--tls-key-file) do not belong \
             together"
                .to_owned(),
        ),
        (
            http("client.pem", "server.key"),
            "the certificate of client.pem (--http-tls-cert-file) and the key of server.key (--http-tls-key-file) do not \
             belong together"
                .to_owned(),
        ),
        (clients("client.key"), "client.key (--tls-client-ca-file) must hold certificates (PEM)".to_owned()),
    ] {
        let words: Vec<_> = ["serve".to_owned()].into_iter().chain(words).collect();
        let words: Vec<_> = words.iter().map(String::as_str).collect();
        assert_eq!(office.refused(&words), refused);
    }
    assert!(!office.path().join("data").exists(), "nothing was begun");
}

#[test]
fn half_of_the_settings_is_a_wrong_command_line() {
    let office = Office::open();
    for words in [&TLS[..1], &TLS[1..], CLIENTS, &["--tls-client-certificates=required"]] {
        let output = office.run(&[&["serve"], words].concat());
        assert_eq!(output.status.code(), Some(2), "{words:?}");
    }
}
