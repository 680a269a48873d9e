//! The program, serving as a child process, what it says, and who connects to it.

use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rustls::crypto::aws_lc_rs::default_provider;
use rustls::crypto::{CryptoProvider, SupportedKxGroup};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::version::TLS13;
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};

use super::authority::{Authority, Good, Identity, write};

/// In which everything is over that has an end.
pub(crate) const AT_MOST: Duration = Duration::from_secs(60);

/// Two authorities, what they signed, and a directory with the files of it.
pub(crate) struct Office {
    /// Vouches for the service.
    pub(crate) ours: Authority,
    pub(crate) server: Identity,
    /// Vouches for clients.
    pub(crate) theirs: Authority,
    pub(crate) client: Identity,
    pub(crate) directory: TempDir,
}

impl Office {
    pub(crate) fn open() -> Self {
        let (ours, theirs) = (Authority::new("our authority"), Authority::new("their authority"));
        let (server, client) = (ours.server(), theirs.client(Good::Now));
        let directory = tempfile::tempdir().expect("a directory");
        server.write(directory.path(), "server");
        client.write(directory.path(), "client");
        write(directory.path(), "ours.pem", &ours.pem);
        write(directory.path(), "theirs.pem", &theirs.pem);
        Self { ours, server, theirs, client, directory }
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// The program with these words, in the directory of the office.
    pub(crate) fn program<W: AsRef<OsStr>>(&self, words: &[W]) -> Command {
        let mut program = Command::new(env!("CARGO_BIN_EXE_concenter"));
        program.args(words).current_dir(self.path()).env("CONCENTER_DATA_DIR", "data");
        program
    }

    /// What the program says to these words.
    pub(crate) fn run(&self, words: &[&str]) -> Output {
        self.program(words).output().expect("the program runs")
    }

    /// What the program refuses with exit code 78: its one line.
    pub(crate) fn refused(&self, words: &[&str]) -> String {
        let output = self.run(words);
        let said = String::from_utf8(output.stderr).expect("text");
        assert_eq!(output.status.code(), Some(78), "{said}");
        let line = said.lines().last().expect("a line").to_owned();
        line.strip_prefix("error: ").unwrap_or_else(|| panic!("no error: {said}")).to_owned()
    }

    /// A token of the embedded issuer.
    pub(crate) fn token(&self, words: &[&str]) -> String {
        let output = self.run(&[&["token"], words].concat());
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).expect("text").trim().to_owned()
    }

    /// The service with a certificate, that asks clients for theirs.
    pub(crate) fn serve(&self, more: &[&str]) -> Program {
        self.serve_with(&[TLS, CLIENTS, more].concat())
    }

    /// The service with these words alone.
    pub(crate) fn serve_with(&self, words: &[&str]) -> Program {
        let mut child = self
            .program(&["serve", "--grpc-addr=127.0.0.1:0", "--http-addr=127.0.0.1:0"])
            .args(words)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let (say, said) = unbounded_channel();
        let errors = BufReader::new(child.stderr.take().expect("its log"));
        // Ends with the process.
        thread::spawn(move || errors.lines().map_while(Result::ok).for_each(|line| drop(say.send(line))));
        Program { child, said }
    }
}

/// The certificate of the service.
pub(crate) const TLS: &[&str] = &["--tls-cert-file=server.pem", "--tls-key-file=server.key"];
/// The authority of its clients.
pub(crate) const CLIENTS: &[&str] = &["--tls-client-ca-file=theirs.pem"];

/// The program, which ends with the value.
pub(crate) struct Program {
    child: Child,
    said: UnboundedReceiver<String>,
}

/// Where the program listens.
#[derive(Clone, Copy)]
pub(crate) struct Listening {
    pub(crate) grpc: SocketAddr,
    pub(crate) http: SocketAddr,
}

impl Drop for Program {
    fn drop(&mut self) {
        // Gone already is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Program {
    /// What it says next about `event`: the line of the log, without its colours.
    pub(crate) async fn says(&mut self, event: &str) -> String {
        let line = async {
            loop {
                let line = self.said.recv().await.unwrap_or_else(|| panic!("it ended and never said {event}"));
                if line.contains(event) {
                    return line;
                }
            }
        };
        timeout(AT_MOST, line).await.unwrap_or_else(|_| panic!("it never said {event}"))
    }

    /// Where it listens, once it does.
    pub(crate) async fn listening(&mut self) -> Listening {
        self.listening_at("serve.started").await
    }

    /// Where it listens, by this line of the log.
    pub(crate) async fn listening_at(&mut self, event: &str) -> Listening {
        let line = self.says(event).await;
        let address = |name: &str| {
            let (_, rest) = line.split_once(&format!("{name}=")).unwrap_or_else(|| panic!("no {name}: {line}"));
            let address = rest.split_whitespace().next().expect("an address");
            address.parse().unwrap_or_else(|_| panic!("no address: {line}"))
        };
        Listening { grpc: address("grpc"), http: address("http") }
    }

    /// Stops it in order, by SIGTERM.
    pub(crate) fn terminate(&self) {
        let id = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(id, rustix::process::Signal::TERM).expect("it runs");
    }
}

/// The version that the service speaks.
const ONLY_1_3: &[&SupportedProtocolVersion] = &[&TLS13];

/// A client of TLS itself, below any protocol.
pub(crate) struct Client {
    pub(crate) versions: &'static [&'static SupportedProtocolVersion],
    pub(crate) protocol: &'static str,
    pub(crate) groups: Vec<&'static dyn SupportedKxGroup>,
}

impl Client {
    pub(crate) fn grpc() -> Self {
        Self { versions: ONLY_1_3, protocol: "h2", groups: default_provider().kx_groups }
    }

    pub(crate) fn http() -> Self {
        Self { protocol: "http/1.1", ..Self::grpc() }
    }

    /// Connects, and makes the handshake as far as the client is concerned.
    pub(crate) async fn connect(
        &self,
        address: SocketAddr,
        authority: &Authority,
        identity: Option<&Identity>,
    ) -> std::io::Result<TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        let pem = CertificateDer::from_pem_slice(authority.pem.as_bytes()).expect("a certificate");
        roots.add(pem).expect("an authority");
        let provider = CryptoProvider { kx_groups: self.groups.clone(), ..default_provider() };
        let config = ClientConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(self.versions)
            .expect("versions")
            .with_root_certificates(roots);
        let mut config = match identity {
            None => config.with_no_client_auth(),
            Some(identity) => {
                let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).expect("a key");
                config.with_client_auth_cert(vec![identity.der.clone()], key).expect("an identity")
            }
        };
        config.alpn_protocols = vec![self.protocol.as_bytes().to_vec()];
        let name = ServerName::try_from("127.0.0.1").expect("a name");
        let socket = TcpStream::connect(address).await?;
        timeout(AT_MOST, TlsConnector::from(Arc::new(config)).connect(name, socket)).await.expect("an end")
    }
}

/// A connection for gRPC, made with the first call.
pub(crate) fn channel(address: SocketAddr, authority: &Authority, identity: Option<&Identity>) -> Channel {
    let tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(&authority.pem));
    let tls = match identity {
        None => tls,
        Some(identity) => tls.identity(tonic::transport::Identity::from_pem(&identity.certificate, &identity.key)),
    };
    let endpoint = Endpoint::from_shared(format!("https://{address}")).expect("an address");
    endpoint.tls_config(tls).expect("TLS").connect_lazy()
}
