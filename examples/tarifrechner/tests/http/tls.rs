//! The way to the gateway in production: over TLS, with a certificate of the calculator's own.

use std::fs;
use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use reqwest::header::LOCATION;
use tonic::transport::{Certificate, Identity, ServerTlsConfig};

use super::fake::{FakeGateway, private_customer};
use super::harness::LANDING;
use super::program::Program;

#[tokio::test]
async fn the_gateway_is_checked_and_shown_a_certificate() {
    let directory = tempfile::tempdir().expect("a directory");
    let files = Files::write(directory.path());
    let identity = Identity::from_pem(fs::read(&files.server.0).unwrap(), fs::read(&files.server.1).unwrap());
    let authority = Certificate::from_pem(fs::read(&files.authority).unwrap());
    let gateway =
        FakeGateway::start_with_tls(ServerTlsConfig::new().identity(identity).client_ca_root(authority)).await;

    let ours = ["--client-certificate", text(&files.client.0), "--client-key", text(&files.client.1)];
    let trusted = ["--ca-file", text(&files.authority)];
    let cases = [
        ("a.b.1", [&trusted[..], &ours].concat(), "/"),
        // Without a certificate of ours, and where nobody vouches for the gateway's.
        ("a.b.2", trusted.to_vec(), "/jump/unavailable"),
        ("a.b.3", ours.to_vec(), "/jump/unavailable"),
    ];
    for (token, words, place) in cases {
        gateway.put_jump(token, private_customer("s"));
        let program = Program::start(&[&["--gateway", &gateway.url][..], &words].concat());
        let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().expect("a client");
        let request = http.post(format!("{}/jump", program.url())).header("origin", LANDING).form(&[("token", token)]);
        assert_eq!(request.send().await.expect("an answer").headers()[LOCATION], place, "{words:?}");
    }
    let redeemed: Vec<_> = gateway.redeems().into_iter().map(|(token, _)| token).collect();
    assert_eq!(redeemed, ["a.b.1"]);
}

/// Certificates and keys, as files.
struct Files {
    authority: PathBuf,
    server: (PathBuf, PathBuf),
    client: (PathBuf, PathBuf),
}

impl Files {
    fn write(directory: &Path) -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate().expect("a key");
        let pem = params.self_signed(&key).expect("a certificate").pem();
        let issuer = Issuer::new(params, key);
        let put = |name: &str, text: &str| {
            let path = directory.join(name);
            fs::write(&path, text).expect("a file");
            path
        };
        let sign = |name: &str, host: &str, purpose| {
            let mut params = CertificateParams::new(vec![host.to_owned()]).expect("a name");
            params.extended_key_usages = vec![purpose];
            let key = KeyPair::generate().expect("a key");
            let pem = params.signed_by(&key, &issuer).expect("a certificate").pem();
            (put(&format!("{name}.pem"), &pem), put(&format!("{name}.key"), &key.serialize_pem()))
        };
        Self {
            authority: put("authority.pem", &pem),
            server: sign("server", "127.0.0.1", ExtendedKeyUsagePurpose::ServerAuth),
            client: sign("client", "rechner.example", ExtendedKeyUsagePurpose::ClientAuth),
        }
    }
}

fn text(path: &Path) -> &str {
    path.to_str().expect("text")
}
