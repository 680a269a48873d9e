//! TLS of the listeners: which files, and whether clients show certificates.

use std::fmt;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

/// Certificates of the listeners. Without them a listener speaks in the clear.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "TLS")]
pub struct TlsSettings {
    /// File (PEM) with the certificate of the service, and behind it those that lead to its authority
    ///
    /// For both listeners, which then speak TLS 1.3 and nothing else. Files that change are read again within seconds;
    /// connections that are open stay as they are.
    #[arg(long, env = "CONCENTER_TLS_CERT_FILE", value_name = "FILE", requires = "tls_key_file")]
    pub tls_cert_file: Option<PathBuf>,

    /// File (PEM) with the private key of --tls-cert-file: PKCS#8, SEC1 or PKCS#1
    #[arg(long, env = "CONCENTER_TLS_KEY_FILE", value_name = "FILE", requires = "tls_cert_file")]
    pub tls_key_file: Option<PathBuf>,

    /// Certificate for HTTP instead of --tls-cert-file, where browsers reach it by another name
    #[arg(long, env = "CONCENTER_HTTP_TLS_CERT_FILE", value_name = "FILE", requires = "http_tls_key_file")]
    pub http_tls_cert_file: Option<PathBuf>,

    /// File (PEM) with the private key of --http-tls-cert-file
    #[arg(long, env = "CONCENTER_HTTP_TLS_KEY_FILE", value_name = "FILE", requires = "http_tls_cert_file")]
    pub http_tls_key_file: Option<PathBuf>,

    /// File (PEM) with the authorities that vouch for certificates of clients of gRPC
    ///
    /// A client's certificate is what a token can be bound to. HTTP, which browsers use, asks nobody for one.
    #[arg(long, env = "CONCENTER_TLS_CLIENT_CA_FILE", value_name = "FILE", requires = "tls_cert_file")]
    pub tls_client_ca_file: Option<PathBuf>,

    /// Whether a client of gRPC may connect without a certificate
    #[arg(
        long,
        env = "CONCENTER_TLS_CLIENT_CERTIFICATES",
        value_name = "WHETHER",
        value_enum,
        default_value_t = ClientCertificates::Optional,
        requires = "tls_client_ca_file"
    )]
    pub tls_client_certificates: ClientCertificates,
}

/// Whether a client may connect without a certificate. One that it shows must be good either way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ClientCertificates {
    /// It may; tokens that are bound to a certificate are of no use then
    Optional,
    /// It may not: the handshake ends
    Required,
}

/// A file, and the setting that names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedFile {
    /// The setting.
    pub setting: &'static str,
    /// The file.
    pub path: PathBuf,
}

/// The files of one listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate, and those that lead to its authority.
    pub certificate: NamedFile,
    /// Its private key.
    pub key: NamedFile,
    /// The authorities of clients, if clients are asked for certificates, and whether they must have one.
    pub clients: Option<(NamedFile, ClientCertificates)>,
}

impl fmt::Display for NamedFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.path.display(), self.setting)
    }
}

impl TlsSettings {
    /// Neither listener speaks TLS.
    pub const NONE: Self = Self {
        tls_cert_file: None,
        tls_key_file: None,
        http_tls_cert_file: None,
        http_tls_key_file: None,
        tls_client_ca_file: None,
        tls_client_certificates: ClientCertificates::Optional,
    };

    /// The files of the gRPC listener; `None` if it speaks in the clear.
    #[must_use]
    pub fn grpc(&self) -> Option<TlsFiles> {
        let clients = named("--tls-client-ca-file", self.tls_client_ca_file.as_deref());
        Some(TlsFiles { clients: clients.map(|file| (file, self.tls_client_certificates)), ..self.shared()? })
    }

    /// The files of the HTTP listener; `None` if it speaks in the clear.
    #[must_use]
    pub fn http(&self) -> Option<TlsFiles> {
        let certificate = named("--http-tls-cert-file", self.http_tls_cert_file.as_deref());
        let key = named("--http-tls-key-file", self.http_tls_key_file.as_deref());
        match certificate.zip(key) {
            Some((certificate, key)) => Some(TlsFiles { certificate, key, clients: None }),
            None => self.shared(),
        }
    }

    /// The pair that holds for both.
    fn shared(&self) -> Option<TlsFiles> {
        Some(TlsFiles {
            certificate: named("--tls-cert-file", self.tls_cert_file.as_deref())?,
            key: named("--tls-key-file", self.tls_key_file.as_deref())?,
            clients: None,
        })
    }
}

fn named(setting: &'static str, path: Option<&Path>) -> Option<NamedFile> {
    path.map(|path| NamedFile { setting, path: path.to_owned() })
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        tls: TlsSettings,
    }

    fn parse(arguments: &str) -> Result<TlsSettings, clap::Error> {
        Line::try_parse_from(["x"].into_iter().chain(arguments.split_whitespace())).map(|line| line.tls)
    }

    fn file(setting: &'static str, path: &str) -> NamedFile {
        NamedFile { setting, path: path.into() }
    }

    #[test]
    fn without_files_there_is_no_tls() {
        let tls = parse("").unwrap();
        assert_eq!((tls.grpc(), tls.http()), (None, None));
    }

    #[test]
    fn one_pair_is_for_both_listeners_and_only_grpc_asks_for_certificates() {
        let tls = parse("--tls-cert-file c --tls-key-file k --tls-client-ca-file ca").unwrap();
        let pair =
            TlsFiles { certificate: file("--tls-cert-file", "c"), key: file("--tls-key-file", "k"), clients: None };
        assert_eq!(tls.http(), Some(pair.clone()));
        let clients = Some((file("--tls-client-ca-file", "ca"), ClientCertificates::Optional));
        assert_eq!(tls.grpc(), Some(TlsFiles { clients, ..pair }));
    }

    #[test]
    fn http_may_have_a_pair_of_its_own() {
        let tls = parse("--http-tls-cert-file c --http-tls-key-file k").unwrap();
        assert_eq!(tls.grpc(), None);
        let certificate = file("--http-tls-cert-file", "c");
        let pair = TlsFiles { certificate, key: file("--http-tls-key-file", "k"), clients: None };
        assert_eq!(tls.http(), Some(pair.clone()));
        let both = parse("--http-tls-cert-file c --http-tls-key-file k --tls-cert-file a --tls-key-file b").unwrap();
        assert_eq!(both.http(), Some(pair));
        assert_eq!(both.grpc().unwrap().certificate, file("--tls-cert-file", "a"));
    }

    #[test]
    fn half_of_a_pair_is_refused_and_so_is_what_would_have_no_effect() {
        for arguments in [
            "--tls-cert-file c",
            "--tls-key-file k",
            "--http-tls-cert-file c",
            "--http-tls-key-file k",
            "--tls-client-ca-file ca",
            "--tls-client-certificates required",
            "--tls-cert-file c --tls-key-file k --tls-client-certificates required",
        ] {
            assert!(parse(arguments).is_err(), "{arguments}");
        }
        let tls = "--tls-cert-file c --tls-key-file k --tls-client-ca-file ca --tls-client-certificates required";
        assert_eq!(parse(tls).unwrap().grpc().unwrap().clients.unwrap().1, ClientCertificates::Required);
    }
}
