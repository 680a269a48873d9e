//! The files of a listener's TLS: read whole and bounded, and what can be wrong with them.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use zeroize::Zeroizing;

use crate::config::{NamedFile, TlsFiles};
use crate::domain::caller::CertificateThumbprint;
use crate::token::certificate_thumbprint;

/// Most bytes of a file: some hundred authorities.
const FILE_BYTES: u64 = 1024 * 1024;

/// A file of TLS cannot be used. Each says which setting names it.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// It does not read.
    #[error("cannot read {file}")]
    Read {
        /// The file.
        file: NamedFile,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It is a directory or the like, or longer than any certificate.
    #[error("{file} is no file of at most 1 MiB")]
    NotAFile {
        /// The file.
        file: NamedFile,
    },
    /// There is no certificate in it, or something that only looks like one.
    #[error("{file} must hold certificates (PEM)")]
    NoCertificate {
        /// The file.
        file: NamedFile,
    },
    /// There is no key in it that we know.
    #[error("{file} must hold a private key (PEM: PKCS#8, SEC1 or PKCS#1, without a password)")]
    NoKey {
        /// The file.
        file: NamedFile,
    },
    /// The key is that of another certificate.
    #[error("the certificate of {} and the key of {} do not belong together", .0.certificate, .0.key)]
    Mismatch(Box<Pair>),
    /// The library takes the certificate or the key for no good.
    #[error("the certificate of {} or the key of {} cannot be used", .pair.certificate, .pair.key)]
    Unusable {
        /// The files.
        pair: Box<Pair>,
        /// Why.
        #[source]
        source: rustls::Error,
    },
    /// A certificate in it cannot vouch for others.
    #[error("{file} holds a certificate that is no authority")]
    Authorities {
        /// The file.
        file: NamedFile,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The library was built without TLS 1.3. A defect of ours.
    #[error("there is no TLS 1.3")]
    Library(#[source] rustls::Error),
}

/// A certificate and its key.
#[derive(Debug)]
pub struct Pair {
    /// The file of the certificate.
    pub certificate: NamedFile,
    /// The file of the key.
    pub key: NamedFile,
}

/// What the files of a listener hold.
#[derive(PartialEq, Eq)]
pub(super) struct Contents {
    pub(super) certificate: Vec<u8>,
    pub(super) key: Zeroizing<Vec<u8>>,
    pub(super) authorities: Option<Vec<u8>>,
}

impl Contents {
    /// Reads all of them.
    pub(super) fn read(files: &TlsFiles) -> Result<Self, TlsError> {
        Ok(Self {
            certificate: read(&files.certificate)?,
            key: Zeroizing::new(read(&files.key)?),
            authorities: files.clients.as_ref().map(|(file, _)| read(file)).transpose()?,
        })
    }
}

/// Reads a file whole.
fn read(file: &NamedFile) -> Result<Vec<u8>, TlsError> {
    let unread = |source| TlsError::Read { file: file.clone(), source };
    // Before it is opened: a pipe would hold up whoever opens it.
    let metadata = fs::metadata(&file.path).map_err(unread)?;
    let not_a_file = || TlsError::NotAFile { file: file.clone() };
    if !metadata.is_file() || metadata.len() > FILE_BYTES {
        return Err(not_a_file());
    }
    // With room for all of it: a buffer that grows would leave copies of a key behind.
    let mut bytes = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or(usize::MAX).saturating_add(1));
    File::open(&file.path).and_then(|open| open.take(FILE_BYTES + 1).read_to_end(&mut bytes)).map_err(unread)?;
    if bytes.len() as u64 > FILE_BYTES { Err(not_a_file()) } else { Ok(bytes) }
}

/// The certificates of a file, in its order; at least one.
pub(super) fn certificates(file: &NamedFile, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    found.ok().filter(|found| !found.is_empty()).ok_or_else(|| TlsError::NoCertificate { file: file.clone() })
}

/// The first private key of a file.
pub(super) fn private_key(file: &NamedFile, pem: &[u8]) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_slice(pem).map_err(|_| TlsError::NoKey { file: file.clone() })
}

/// Warns of a key that everybody on the machine may read. It is used all the same: where secrets are mounted, their rights may
/// be those of the mount.
pub(super) fn warn_if_others_read(key: &NamedFile) {
    if fs::metadata(&key.path).is_ok_and(|metadata| metadata.mode() & 0o007 != 0) {
        tracing::warn!(file = %key, advice = "others can read the private key: chmod o= it", "server.tls.key_open");
    }
}

/// The thumbprint of the first certificate in a file that `setting` names: that of the client itself.
///
/// # Errors
/// [`TlsError`].
pub fn read_thumbprint(setting: &'static str, path: &Path) -> Result<CertificateThumbprint, TlsError> {
    let file = NamedFile { setting, path: path.to_owned() };
    let found = certificates(&file, &read(&file)?)?;
    found.first().map(|first| certificate_thumbprint(first)).ok_or(TlsError::NoCertificate { file })
}

/// The file (PEM) that a client names by `--ca-file`: authorities that vouch for the service, at least one.
///
/// # Errors
/// [`TlsError`].
pub fn read_authorities(path: &Path) -> Result<Vec<u8>, TlsError> {
    let file = NamedFile { setting: "--ca-file", path: path.to_owned() };
    let pem = read(&file)?;
    certificates(&file, &pem)?;
    Ok(pem)
}

/// The files (PEM) that a client names by `--client-certificate` and `--client-key`: what it shows to the service, and the key
/// of that.
///
/// # Errors
/// [`TlsError`].
pub fn read_identity(certificate: &Path, key: &Path) -> Result<(Vec<u8>, Zeroizing<Vec<u8>>), TlsError> {
    let certificate = NamedFile { setting: "--client-certificate", path: certificate.to_owned() };
    let key = NamedFile { setting: "--client-key", path: key.to_owned() };
    let (certificate_pem, key_pem) = (read(&certificate)?, Zeroizing::new(read(&key)?));
    let chain = certificates(&certificate, &certificate_pem)?;
    let private = private_key(&key, &key_pem)?;
    CertifiedKey::from_der(chain, private, &default_provider()).map_err(|source| unfit(certificate, key, source))?;
    Ok((certificate_pem, key_pem))
}

/// Why a certificate and a key are no pair.
pub(super) fn unfit(certificate: NamedFile, key: NamedFile, source: rustls::Error) -> TlsError {
    let pair = Box::new(Pair { certificate, key });
    match source {
        rustls::Error::InconsistentKeys(_) => TlsError::Mismatch(pair),
        source => TlsError::Unusable { pair, source },
    }
}
