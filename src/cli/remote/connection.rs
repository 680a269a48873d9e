//! Where the service is, and the credential of the caller.

use std::fs::File;
use std::io::{self, Read, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic::{Request, Status};
use url::{Host, Url};
use zeroize::Zeroizing;

use super::failure::Failure;
use crate::cli::table::plain;
use crate::server::{read_authorities, read_identity};

/// Patience with the way to the service.
const CONNECT_PATIENCE: Duration = Duration::from_secs(10);
/// Most bytes of a token: what the service takes.
const TOKEN_BYTES: usize = 8_192;
/// The path that means standard input.
const INPUT: &str = "-";
/// The variable that holds a token.
const TOKEN_VARIABLE: &str = "CONCENTER_TOKEN";

/// Where the service is, and who calls.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Connection {
    /// Address of the service: http:// for this machine only, else https://
    #[arg(
        long,
        env = "CONCENTER_SERVER",
        hide_env_values = true,
        value_name = "URL",
        default_value = "http://127.0.0.1:50051",
        global = true,
        help_heading = "Connection"
    )]
    server: String,

    /// File that holds the caller's token, or - for standard input
    ///
    /// Without it the token is taken from the environment variable `CONCENTER_TOKEN`. It is never an argument. A
    /// file that others may read is used, with a warning.
    #[arg(
        long,
        env = "CONCENTER_TOKEN_FILE",
        hide_env_values = true,
        value_name = "PATH",
        global = true,
        help_heading = "Connection"
    )]
    token_file: Option<PathBuf>,

    /// File (PEM) with the authorities that vouch for the service, instead of the system's
    #[arg(
        long,
        env = "CONCENTER_CA_FILE",
        hide_env_values = true,
        value_name = "FILE",
        global = true,
        help_heading = "Connection"
    )]
    ca_file: Option<PathBuf>,

    /// File (PEM) with the certificate that is shown to the service, for a token that is bound to it
    #[arg(
        long,
        env = "CONCENTER_CLIENT_CERTIFICATE",
        hide_env_values = true,
        value_name = "FILE",
        global = true,
        help_heading = "Connection"
    )]
    client_certificate: Option<PathBuf>,

    /// File (PEM) with the private key of --client-certificate
    #[arg(
        long,
        env = "CONCENTER_CLIENT_KEY",
        hide_env_values = true,
        value_name = "FILE",
        global = true,
        help_heading = "Connection"
    )]
    client_key: Option<PathBuf>,

    /// Print canonical JSON of the protos: one object a line, for a list one line for each entry
    #[arg(long, global = true)]
    json: bool,
}

impl Connection {
    /// Tells whether the answer is for machines.
    pub(super) const fn json(&self) -> bool {
        self.json
    }

    /// The address, as it may be shown.
    pub(super) fn server(&self) -> &str {
        &self.server
    }

    /// Refuses a second use of standard input.
    ///
    /// # Errors
    /// [`Failure::InputTwice`] if the token stands there and something else does, too.
    pub(in crate::cli) fn share_input(&self, is_used: bool) -> Result<(), Failure> {
        let reads_token = self.token_file.as_deref().is_some_and(is_input);
        if is_used && reads_token { Err(Failure::InputTwice) } else { Ok(()) }
    }

    /// Reads the credential and connects. The address is looked at first: nothing is read for one that is refused.
    pub(super) async fn connect(&self) -> Result<(Channel, Credential), Failure> {
        let url = parse_server(&self.server)?;
        let credential = Credential::new(&self.token()?)?;
        let unreachable = |source| Failure::Unreachable { server: self.server.clone(), source };
        let endpoint = Endpoint::from_shared(url.to_string()).map_err(|_| Failure::ServerUrl)?;
        let mut endpoint = endpoint.connect_timeout(CONNECT_PATIENCE);
        if url.scheme() == "https" {
            endpoint = endpoint.tls_config(self.tls()?).map_err(unreachable)?;
        }
        let channel = endpoint.connect().await.map_err(unreachable)?;
        Ok((channel, credential))
    }

    /// Who vouches for the service, and what is shown to it.
    fn tls(&self) -> Result<ClientTlsConfig, Failure> {
        let tls = match &self.ca_file {
            Some(path) => ClientTlsConfig::new().ca_certificate(Certificate::from_pem(read_authorities(path)?)),
            None => ClientTlsConfig::new().with_native_roots(),
        };
        match (&self.client_certificate, &self.client_key) {
            (None, None) => Ok(tls),
            (Some(certificate), Some(key)) => {
                let (certificate, key) = read_identity(certificate, key)?;
                Ok(tls.identity(Identity::from_pem(certificate, key)))
            }
            (Some(_), None) | (None, Some(_)) => Err(Failure::HalfIdentity),
        }
    }

    fn token(&self) -> Result<Zeroizing<String>, Failure> {
        match &self.token_file {
            Some(path) if is_input(path) => read_token(&mut io::stdin().lock(), standard_input()),
            Some(path) => {
                warn_if_readable_by_others(path);
                read_token(&mut open(path)?, path)
            }
            None => token_of_environment(),
        }
    }
}

/// Puts the credential on every call. It has no `Debug`.
#[derive(Clone)]
pub(in crate::cli) struct Credential(MetadataValue<Ascii>);

impl Credential {
    fn new(token: &str) -> Result<Self, Failure> {
        let header = Zeroizing::new(format!("Bearer {token}"));
        let mut value: MetadataValue<Ascii> = header.parse().map_err(|_| Failure::TokenForm)?;
        // Keeps it out of `Debug` and of the compression tables of HTTP/2.
        value.set_sensitive(true);
        Ok(Self(value))
    }
}

impl Interceptor for Credential {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request.metadata_mut().insert("authorization", self.0.clone());
        Ok(request)
    }
}

/// Reads an address: a scheme and an authority, nothing else; plain http for this machine only.
fn parse_server(text: &str) -> Result<Url, Failure> {
    let url = Url::parse(text).map_err(|_| Failure::ServerUrl)?;
    let has_more = url.path() != "/"
        || url.query().is_some()
        || url.fragment().is_some()
        || !url.username().is_empty()
        || url.password().is_some();
    if has_more {
        return Err(Failure::ServerUrl);
    }
    match (url.scheme(), url.host()) {
        ("https", Some(_)) => Ok(url),
        ("http", Some(host)) if is_loopback(&host) => Ok(url),
        ("http", Some(_)) => Err(Failure::PlainHttp),
        _ => Err(Failure::ServerUrl),
    }
}

fn is_loopback(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => *name == "localhost",
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "clap reads a variable only for what can be an argument, too; a token never is"
)]
fn token_of_environment() -> Result<Zeroizing<String>, Failure> {
    let token = std::env::var(TOKEN_VARIABLE).map(Zeroizing::new).map_err(|error| match error {
        std::env::VarError::NotPresent => Failure::NoToken,
        std::env::VarError::NotUnicode(_) => Failure::TokenForm,
    })?;
    // As of a file: what a shell leaves when it is empty.
    if token.is_empty() { Err(Failure::NoToken) } else { read_token(&mut token.as_bytes(), Path::new(TOKEN_VARIABLE)) }
}

/// Reads a token: one line of visible ASCII characters.
fn read_token(source: &mut dyn Read, path: &Path) -> Result<Zeroizing<String>, Failure> {
    let bytes = read_secret(source, path, TOKEN_BYTES)?.ok_or(Failure::TokenForm)?;
    let token = std::str::from_utf8(bytes.trim_ascii()).map_err(|_| Failure::TokenForm)?;
    let fits = !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic());
    if fits { Ok(Zeroizing::new(token.to_owned())) } else { Err(Failure::TokenForm) }
}

/// Reads all that there is, if it is at most `most` bytes.
pub(super) fn read_secret(
    source: &mut dyn Read,
    path: &Path,
    most: usize,
) -> Result<Option<Zeroizing<Vec<u8>>>, Failure> {
    // All of it at once, with room to see that there is more: a buffer that grows would leave copies behind.
    let mut bytes = Zeroizing::new(vec![0; most + 1]);
    let mut length = 0;
    while let Some(free) = bytes.get_mut(length..).filter(|free| !free.is_empty()) {
        match source.read(free) {
            Ok(0) => break,
            Ok(read) => length += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(source) => return Err(Failure::Unreadable { path: path.to_owned(), source }),
        }
    }
    bytes.truncate(length);
    Ok((length <= most).then_some(bytes))
}

/// Opens a file for reading.
pub(in crate::cli) fn open(path: &Path) -> Result<File, Failure> {
    File::open(path).map_err(|source| Failure::Unreadable { path: path.to_owned(), source })
}

/// Tells whether the path means standard input.
pub(in crate::cli) fn is_input(path: &Path) -> bool {
    path.as_os_str() == INPUT
}

/// How standard input is named in an error.
pub(super) fn standard_input() -> &'static Path {
    Path::new("standard input")
}

/// Warns of a file with a secret that others may read. It is used all the same: a shell makes such files by itself, and
/// a token ends soon.
pub(super) fn warn_if_readable_by_others(path: &Path) {
    let others = |mode: u32| mode & 0o077 != 0;
    if path.metadata().is_ok_and(|metadata| metadata.is_file() && others(metadata.mode())) {
        let path = plain(&path.display().to_string());
        // Nothing is left to tell anybody if standard error is closed.
        let _ = writeln!(io::stderr(), "warning: others can read {path}: chmod 600 it");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_is_for_this_machine_alone() {
        for text in ["http://127.0.0.1:50051", "http://127.8.8.8:1/", "http://[::1]:2", "http://localhost:3"] {
            assert!(parse_server(text).is_ok(), "{text}");
        }
        for text in ["http://10.0.0.1:50051", "http://example.com", "http://[::2]:1", "http://localhost.example.com:1"]
        {
            assert!(matches!(parse_server(text), Err(Failure::PlainHttp)), "{text}");
        }
        assert!(parse_server("https://gateway.example.com").is_ok());
    }

    #[test]
    fn an_address_is_nothing_but_scheme_host_and_port() {
        for text in [
            "",
            "127.0.0.1:50051",
            "ftp://127.0.0.1",
            "unix:/run/x",
            "https://user@example.com",
            "https://user:geheim@example.com",
            "https://example.com/path",
            "https://example.com/?q",
            "https://example.com/#f",
        ] {
            assert!(matches!(parse_server(text), Err(Failure::ServerUrl)), "{text}");
        }
    }

    #[test]
    fn a_token_is_one_line() {
        let read = |text: &str| read_token(&mut text.as_bytes(), standard_input()).map(|token| token.to_string());
        assert_eq!(read("a.b.c\n").unwrap(), "a.b.c");
        assert_eq!(read(&"x".repeat(8_192)).unwrap().len(), 8_192);
        for text in ["", "\n", "a b", "a\nb", "ä", &"x".repeat(8_193)] {
            assert!(matches!(read(text), Err(Failure::TokenForm)), "{text}");
        }
        assert!(matches!(read_token(&mut &b"\xff"[..], standard_input()), Err(Failure::TokenForm)));
    }

    /// Gives a byte a time, and is disturbed before each.
    struct Dripping<'a>(&'a [u8], bool);

    impl Read for Dripping<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.1 = !self.1;
            let end = buffer.len().min(1);
            if self.1 { Err(io::ErrorKind::Interrupted.into()) } else { self.0.read(&mut buffer[..end]) }
        }
    }

    #[test]
    fn a_secret_is_read_whole_and_never_beyond_its_bound() {
        let read = |text: &str| {
            let bytes = read_secret(&mut Dripping(text.as_bytes(), false), standard_input(), 4).unwrap();
            bytes.map(|bytes| String::from_utf8(bytes.to_vec()).unwrap())
        };
        for text in ["", "a", "abcd"] {
            assert_eq!(read(text).as_deref(), Some(text));
        }
        assert_eq!(read("abcde"), None);
        assert_eq!(read("abcdefgh"), None);
        // Nothing was moved: the buffer still has the room that it was made with.
        let bytes = read_secret(&mut &b"ab"[..], standard_input(), 4).unwrap().unwrap();
        assert!(bytes.capacity() >= 5);
    }
}
