//! What the production profile demands of the other settings.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use super::ServerSettings;
use crate::domain::issuer::IssuerEntry;
use crate::domain::target::Origin;

/// The settings are not fit for production. All that is wrong with them, so that nobody starts six times to find it out.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub struct ProfileError {
    /// At least one, each once, in the order of [`Violation`].
    pub violations: Vec<Violation>,
}

/// One thing that production does not allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Violation {
    /// gRPC has no certificate.
    #[error("gRPC has no TLS (--tls-cert-file, --tls-key-file)")]
    GrpcInTheClear,
    /// HTTP has no certificate.
    #[error("HTTP has no TLS (--tls-cert-file, --tls-key-file, or --http-tls-cert-file, --http-tls-key-file)")]
    HttpInTheClear,
    /// Targets cannot show a certificate.
    #[error("no authority vouches for the certificates that targets must have (--tls-client-ca-file)")]
    NoClientAuthority,
    /// Nobody could call: the embedded issuer is not believed.
    #[error("callers' tokens have no issuer, and those of `concenter token` are not taken (--issuers-file)")]
    NoIssuer,
    /// Whoever has the data has their key.
    #[error("the key-encryption key is in the data directory (--kek-file)")]
    KeyBesideTheData,
    /// Deep links would lead nowhere, or through the clear.
    #[error("browsers have no https URL to reach HTTP at (--public-url)")]
    NoPublicUrl,
}

impl fmt::Display for ProfileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("--profile production does not allow these settings: ")?;
        for (index, violation) in self.violations.iter().enumerate() {
            if index > 0 {
                f.write_str("; ")?;
            }
            violation.fmt(f)?;
        }
        Ok(())
    }
}

impl ServerSettings {
    /// Checks that the settings, with the issuers that they name, are those that their profile demands.
    ///
    /// # Errors
    /// [`ProfileError`].
    pub fn check_profile(&self, issuers: &[IssuerEntry]) -> Result<(), ProfileError> {
        if !self.profile.is_production() {
            return Ok(());
        }
        let (grpc, http) = (self.tls.grpc(), self.tls.http());
        let has_authority = grpc.as_ref().is_some_and(|files| files.clients.is_some());
        let violations: Vec<_> = [
            (grpc.is_none(), Violation::GrpcInTheClear),
            (http.is_none(), Violation::HttpInTheClear),
            (!has_authority, Violation::NoClientAuthority),
            (issuers.is_empty(), Violation::NoIssuer),
            (self.has_key_beside_data(), Violation::KeyBesideTheData),
            (!self.browsers.public_url.as_ref().is_some_and(Origin::is_https), Violation::NoPublicUrl),
        ]
        .into_iter()
        .filter_map(|(is_violated, violation)| is_violated.then_some(violation))
        .collect();
        if violations.is_empty() { Ok(()) } else { Err(ProfileError { violations }) }
    }

    fn has_key_beside_data(&self) -> bool {
        let (files, data_dir) = (&self.data.kek_files, real(&self.data.dir.path));
        // Where no file is named and the environment has no key, it is in the data directory.
        let has_none_named = files.is_empty() && self.data.kek_text.is_none();
        // Of the directory: the file may be there only after the first start.
        has_none_named || files.iter().any(|file| real(file.parent().unwrap_or(file)).starts_with(&data_dir))
    }
}

/// A path without links and without `..`, as far as it is there.
fn real(path: &Path) -> PathBuf {
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    fs::canonicalize(path).or_else(|_| std::path::absolute(path)).unwrap_or_else(|_| path.to_owned())
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;
    use zeroize::Zeroizing;

    use super::*;
    use crate::config::{KekText, TlsSettings};
    use crate::domain::profile::Profile;

    fn production(data_dir: &Path) -> ServerSettings {
        ServerSettings { profile: Profile::Production, ..ServerSettings::local(data_dir.to_owned()) }
    }

    fn key_beside_data(kek_file: &Path, data_dir: &Path) -> bool {
        let mut settings = production(data_dir);
        settings.data.kek_files = vec![kek_file.to_owned()];
        settings.has_key_beside_data()
    }

    #[test]
    fn in_development_everything_is_allowed() {
        assert_eq!(ServerSettings::local("data".into()).check_profile(&[]), Ok(()));
    }

    #[test]
    fn all_that_is_wrong_is_told_at_once_with_the_settings_that_put_it_right() {
        let error = production(Path::new("data")).check_profile(&[]).unwrap_err();
        assert_eq!(error.violations.len(), 6);
        assert!(error.violations.is_sorted());
        assert_eq!(
            error.to_string(),
            "--profile production does not allow these settings: gRPC has no TLS (--tls-cert-file, --tls-key-file); HTTP \
             has no TLS (--tls-cert-file, --tls-key-file, or --http-tls-cert-file, --http-tls-key-file); no authority \
             vouches for the certificates that targets must have (--tls-client-ca-file); callers' tokens have no issuer, \
             and those of `concenter token` are not taken (--issuers-file); the key-encryption key is in the data \
             directory (--kek-file); browsers have no https URL to reach HTTP at (--public-url)"
        );
    }

    #[test]
    fn each_thing_is_told_by_itself() {
        let mut settings = production(Path::new("data"));
        settings.tls = TlsSettings {
            http_tls_cert_file: Some("c".into()),
            http_tls_key_file: Some("k".into()),
            ..TlsSettings::NONE
        };
        settings.data.kek_files = vec!["/elsewhere/kek".into()];
        settings.browsers.public_url = Some(Origin::parse("https://jump.example").unwrap());
        let error = settings.check_profile(&[]).unwrap_err();
        assert_eq!(error.violations, [Violation::GrpcInTheClear, Violation::NoClientAuthority, Violation::NoIssuer]);
    }

    #[test]
    fn a_public_url_in_the_clear_is_none() {
        let mut settings = production(Path::new("data"));
        settings.browsers.public_url = Some(Origin::parse("http://localhost:8080").unwrap());
        let error = settings.check_profile(&[]).unwrap_err();
        assert_eq!(error.violations.last(), Some(&Violation::NoPublicUrl));
    }

    #[test]
    fn a_key_in_the_data_directory_is_found_whatever_the_way_there() {
        let parent = TempDir::new().unwrap();
        let data_dir = parent.path().join("data");
        let other = parent.path().join("other");
        for directory in [&data_dir, &other, &data_dir.join("keys")] {
            fs::create_dir(directory).unwrap();
        }
        std::os::unix::fs::symlink(&data_dir, other.join("link")).unwrap();
        for path in ["data/kek", "data/keys/kek", "other/../data/kek", "other/link/kek", "other/link/keys/kek"] {
            assert!(key_beside_data(&parent.path().join(path), &data_dir), "{path}");
        }
        for path in ["kek", "other/kek", "data/../kek", "other/link/../kek"] {
            assert!(!key_beside_data(&parent.path().join(path), &data_dir), "{path}");
        }
        assert!(!key_beside_data(Path::new("kek"), &data_dir));
        assert!(key_beside_data(Path::new("kek"), Path::new(".")));
        assert!(key_beside_data(Path::new("not-yet/kek"), Path::new("not-yet")));
    }

    #[test]
    fn a_key_of_the_environment_is_not_beside_the_data_but_a_file_with_it_may_be() {
        let directory = TempDir::new().unwrap();
        let mut settings = production(directory.path());
        assert!(settings.has_key_beside_data());
        settings.data.kek_text = Some(KekText::new(Zeroizing::new("cckek1".to_owned())));
        assert!(!settings.has_key_beside_data());
        settings.data.kek_files = vec!["/elsewhere/kek".into()];
        assert!(!settings.has_key_beside_data());
        settings.data.kek_files.push(directory.path().join("kek"));
        assert!(settings.has_key_beside_data(), "one of two");
    }
}
