//! Who signs certificates, and what it signs.

use std::fs;
use std::path::{Path, PathBuf};

use concenter_gateway::domain::caller::CertificateThumbprint;
use concenter_gateway::token::certificate_thumbprint;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    date_time_ymd,
};
use rustls::pki_types::CertificateDer;

/// An authority, with its certificate in PEM.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub(crate) pem: String,
}

/// A certificate and its key, in PEM.
pub(crate) struct Identity {
    pub(crate) certificate: String,
    pub(crate) key: String,
    pub(crate) der: CertificateDer<'static>,
}

/// When a certificate is good.
#[derive(Clone, Copy)]
pub(crate) enum Good {
    Now,
    LongAgo,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate().expect("a key");
        let pem = params.self_signed(&key).expect("a certificate").pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// A certificate for the service on this machine.
    pub(crate) fn server(&self) -> Identity {
        self.sign(&["127.0.0.1", "localhost"], ExtendedKeyUsagePurpose::ServerAuth, Good::Now)
    }

    /// A certificate for the service that is over.
    pub(crate) fn expired_server(&self) -> Identity {
        self.sign(&["127.0.0.1"], ExtendedKeyUsagePurpose::ServerAuth, Good::LongAgo)
    }

    /// A certificate for a client.
    pub(crate) fn client(&self, good: Good) -> Identity {
        self.sign(&["rechner.example.de"], ExtendedKeyUsagePurpose::ClientAuth, good)
    }

    fn sign(&self, names: &[&str], purpose: ExtendedKeyUsagePurpose, good: Good) -> Identity {
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).expect("names");
        params.extended_key_usages = vec![purpose];
        (params.not_before, params.not_after) = match good {
            Good::Now => (date_time_ymd(2020, 1, 1), date_time_ymd(4_000, 1, 1)),
            Good::LongAgo => (date_time_ymd(2019, 1, 1), date_time_ymd(2020, 1, 1)),
        };
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        Identity { certificate: certificate.pem(), key: key.serialize_pem(), der: certificate.der().clone() }
    }
}

impl Identity {
    /// What tokens are bound to.
    pub(crate) fn thumbprint(&self) -> CertificateThumbprint {
        certificate_thumbprint(&self.der)
    }

    /// Writes both files, in this order; gives where they are.
    pub(crate) fn write(&self, directory: &Path, name: &str) -> (PathBuf, PathBuf) {
        let certificate = write(directory, &format!("{name}.pem"), &self.certificate);
        (certificate, write(directory, &format!("{name}.key"), &self.key))
    }
}

/// Writes a file; gives where it is.
pub(crate) fn write(directory: &Path, name: &str, text: &str) -> PathBuf {
    let path = directory.join(name);
    fs::write(&path, text).expect("a file");
    path
}
