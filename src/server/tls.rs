//! TLS of the listeners: TLS 1.3 with rustls, from files that are read again when they change.
//!
//! A [`Tls`] belongs to one listener and holds what the next connection is accepted with; [`Wires`] are its connections, with TLS or
//! without. Nothing outlives a connection: no session is resumed, so a client's certificate is looked at each time, by the
//! authorities of now.

mod files;
mod wire;

use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::{default_provider, kx_group};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::version::TLS13;
use rustls::{RootCertStore, ServerConfig};
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::{MissedTickBehavior, interval};
use tokio_rustls::TlsAcceptor;

use self::files::{Contents, certificates, private_key, unfit, warn_if_others_read};
use super::told_to_stop;
use crate::config::{ClientCertificates, NamedFile, TlsFiles, TlsSettings};

pub use self::files::{Pair, TlsError, read_authorities, read_identity, read_thumbprint};
pub(super) use self::wire::{WireInfo, Wires};

/// How often the files are looked at. They are small, and whoever renewed them waits for it.
const EVERY: Duration = Duration::from_secs(3);
/// The protocols of the listeners, as the handshake names them (RFC 7301).
const HTTP_2: &[u8] = b"h2";
const HTTP_1: &[u8] = b"http/1.1";

/// TLS of both listeners, as far as they have it.
#[derive(Clone)]
pub(super) struct ListenersTls {
    pub(super) grpc: Option<Arc<Tls>>,
    pub(super) http: Option<Arc<Tls>>,
}

impl ListenersTls {
    /// Reads the files of the settings.
    ///
    /// # Errors
    /// [`TlsError`].
    pub(super) fn open(settings: &TlsSettings) -> Result<Self, TlsError> {
        let open = |listener, protocol, files: Option<TlsFiles>| {
            files.map(|files| Tls::open(listener, protocol, files).map(Arc::new)).transpose()
        };
        Ok(Self { grpc: open("gRPC", HTTP_2, settings.grpc())?, http: open("HTTP", HTTP_1, settings.http())? })
    }

    /// Follows the files until told to stop.
    pub(super) async fn follow(self, stopped: watch::Receiver<bool>) {
        let listeners: Vec<_> = self.grpc.into_iter().chain(self.http).collect();
        let mut times = interval(EVERY);
        times.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut stop = pin!(told_to_stop(stopped));
        loop {
            let listeners = listeners.clone();
            let look = async {
                times.tick().await;
                // A volume that hangs holds up a thread of its own, and nobody who waits for the end. An error means that it
                // panicked; the next look is another one.
                let _ = spawn_blocking(move || listeners.iter().for_each(|tls| tls.look())).await;
            };
            tokio::select! {
                biased;
                () = &mut stop => return,
                () = look => {}
            }
        }
    }
}

/// TLS of one listener.
pub(super) struct Tls {
    listener: &'static str,
    protocol: &'static [u8],
    files: TlsFiles,
    /// What the next connection is accepted with.
    current: RwLock<Arc<ServerConfig>>,
    seen: Mutex<Seen>,
}

/// What was seen of the files.
struct Seen {
    /// What they held when they were taken.
    taken: Contents,
    /// What was said about them since then.
    complaint: Option<String>,
}

impl Tls {
    fn open(listener: &'static str, protocol: &'static [u8], files: TlsFiles) -> Result<Self, TlsError> {
        let taken = Contents::read(&files)?;
        let config = server_config(&taken, &files, protocol)?;
        warn_if_others_read(&files.key);
        let seen = Mutex::new(Seen { taken, complaint: None });
        Ok(Self { listener, protocol, files, current: RwLock::new(Arc::new(config)), seen })
    }

    fn acceptor(&self) -> TlsAcceptor {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner)).into()
    }

    /// Takes what the files hold now, if it is another thing than before. What cannot be used is told once, and what was
    /// taken before goes on.
    fn look(&self) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        match self.read_other_than(&seen.taken) {
            Ok(None) => seen.complaint = None,
            Ok(Some((taken, config))) => {
                *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(config);
                *seen = Seen { taken, complaint: None };
                tracing::info!(listener = self.listener, "server.tls.renewed");
            }
            Err(error) => {
                let complaint = error.to_string();
                if seen.complaint.as_ref() != Some(&complaint) {
                    tracing::warn!(
                        listener = self.listener,
                        error = &error as &dyn std::error::Error,
                        advice = "the certificate, key and authorities of before go on",
                        "server.tls.not_renewed"
                    );
                    seen.complaint = Some(complaint);
                }
            }
        }
    }

    /// What the files hold now; `None` if that is what was taken.
    fn read_other_than(&self, taken: &Contents) -> Result<Option<(Contents, ServerConfig)>, TlsError> {
        let contents = Contents::read(&self.files)?;
        if contents == *taken {
            return Ok(None);
        }
        let config = server_config(&contents, &self.files, self.protocol)?;
        Ok(Some((contents, config)))
    }
}

/// What connections are accepted with.
fn server_config(contents: &Contents, files: &TlsFiles, protocol: &[u8]) -> Result<ServerConfig, TlsError> {
    let chain = certificates(&files.certificate, &contents.certificate)?;
    let key = private_key(&files.key, &contents.key)?;
    let provider = Arc::new(provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&TLS13])
        .map_err(TlsError::Library)?;
    let builder = match files.clients.as_ref().zip(contents.authorities.as_ref()) {
        Some(((file, whether), pem)) => {
            builder.with_client_cert_verifier(client_verifier(file, pem, *whether, provider)?)
        }
        None => builder.with_no_client_auth(),
    };
    let mut config = builder
        .with_single_cert(chain, key)
        .map_err(|source| unfit(files.certificate.clone(), files.key.clone(), source))?;
    config.alpn_protocols = vec![protocol.to_vec()];
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(config)
}

/// The cryptography. What is recorded today must not be opened by a quantum computer later, so the hybrid key exchange comes
/// first (BSI TR-02102-2); the others are for clients that do not know it yet.
fn provider() -> CryptoProvider {
    let kx_groups = vec![kx_group::X25519MLKEM768, kx_group::X25519, kx_group::SECP256R1, kx_group::SECP384R1];
    CryptoProvider { kx_groups, ..default_provider() }
}

/// What looks at clients' certificates.
fn client_verifier(
    file: &NamedFile,
    pem: &[u8],
    whether: ClientCertificates,
    provider: Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    let no_authority = |source| TlsError::Authorities { file: file.clone(), source };
    let mut authorities = RootCertStore::empty();
    for authority in certificates(file, pem)? {
        authorities.add(authority).map_err(|error| no_authority(error.into()))?;
    }
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(authorities), provider);
    let verifier = match whether {
        ClientCertificates::Optional => verifier.allow_unauthenticated(),
        ClientCertificates::Required => verifier,
    };
    verifier.build().map_err(|error| no_authority(error.into()))
}
