//! The program `tarifrechner`: reads its arguments, and serves the calculator until Ctrl-C.

use std::fs;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use clap::Parser;
use tarifrechner::{
    Gateway, MOST_PEOPLE, MOST_SESSIONS, Outside, Provider, ReadCredential, SimulatedConCenter, Site, Tarifrechner,
    serve,
};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tonic::transport::{Certificate, ClientTlsConfig, Identity};
use tracing_subscriber::EnvFilter;
use url::Url;
use zeroize::Zeroizing;

/// A small tariff calculator that takes jumps from the con:center gateway
///
/// An example of a target. The premiums are invented, con:center is simulated, and nothing is kept beyond the end of the
/// program. TLS towards browsers is for a proxy in front of it.
#[derive(Debug, Parser)]
#[command(
    version,
    after_help = "Example, beside a gateway on this machine:\n  \
    tarifrechner --token-file target.token --origin http://127.0.0.1:8080 --provider vergleicher=Vergleicher"
)]
struct Args {
    /// Address and port to listen on
    #[arg(long, env = "TARIFRECHNER_LISTEN", value_name = "ADDR:PORT", default_value = "127.0.0.1:8090")]
    listen: SocketAddr,

    /// Where browsers reach it, https unless on this machine [default: http:// and the address that it listens on]
    #[arg(long, env = "TARIFRECHNER_PUBLIC_URL", value_name = "URL")]
    public_url: Option<Url>,

    /// Address of the gateway, https unless on this machine
    #[arg(long, env = "TARIFRECHNER_GATEWAY", value_name = "URL", default_value = "http://127.0.0.1:50051")]
    gateway: Url,

    /// File with the credential of this target at the gateway; read again when it is not taken any more
    #[arg(long, env = "TARIFRECHNER_TOKEN_FILE", value_name = "PATH", required_unless_present = "token")]
    token_file: Option<PathBuf>,

    /// The credential itself, from the environment alone: arguments are everybody's to read
    #[arg(long, env = "TARIFRECHNER_TOKEN", hide = true, hide_env_values = true, conflicts_with = "token_file")]
    token: Option<Token>,

    /// File with the authorities of the gateway's certificate [default: those of the system]
    #[arg(long, env = "TARIFRECHNER_CA_FILE", value_name = "PATH")]
    ca_file: Option<PathBuf>,

    /// File with the certificate to show to the gateway
    #[arg(long, env = "TARIFRECHNER_CLIENT_CERTIFICATE", value_name = "PATH", requires = "client_key")]
    client_certificate: Option<PathBuf>,

    /// File with the key of that certificate
    #[arg(long, env = "TARIFRECHNER_CLIENT_KEY", value_name = "PATH", requires = "client_certificate")]
    client_key: Option<PathBuf>,

    /// Origin that jumps are posted from: the gateway's landing page, and portals that post themselves; may be repeated
    #[arg(long = "origin", env = "TARIFRECHNER_ORIGINS", value_name = "URL", value_delimiter = ',', required = true)]
    origins: Vec<Url>,

    /// Page of a portal to which /begin may send a browser with a nonce; may be repeated
    #[arg(long = "portal", env = "TARIFRECHNER_PORTALS", value_name = "URL", value_delimiter = ',')]
    portals: Vec<Url>,

    /// Product provider to offer, by its id in the catalogue and its name; may be repeated
    #[arg(
        long = "provider",
        env = "TARIFRECHNER_PROVIDERS",
        value_name = "ID=NAME",
        value_delimiter = ',',
        value_parser = parse_provider,
        required = true
    )]
    providers: Vec<Provider>,

    /// File with the accounts of the simulated con:center, NAME=PASSWORD a line [default: it takes every password]
    #[arg(long, env = "TARIFRECHNER_ACCOUNTS_FILE", value_name = "PATH")]
    accounts_file: Option<PathBuf>,
}

/// The credential; it is never shown.
#[derive(Clone)]
struct Token(Zeroizing<String>);

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(..)")
    }
}

impl From<&str> for Token {
    fn from(text: &str) -> Self {
        Self(Zeroizing::new(text.to_owned()))
    }
}

fn parse_provider(text: &str) -> Result<Provider, &'static str> {
    let (id, name) = text.split_once('=').ok_or("give an id, `=` and a name")?;
    Ok(Provider { id: id.to_owned(), name: name.to_owned() })
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    tracing_subscriber::fmt().with_env_filter(EnvFilter::new("info")).with_writer(io::stderr).init();
    // Before the start, so that a signal during it counts.
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);

    let listener = TcpListener::bind(args.listen).await.with_context(|| format!("listen on {}", args.listen))?;
    let public_url = match &args.public_url {
        Some(url) => url.clone(),
        None => format!("http://{}", listener.local_addr()?).parse()?,
    };
    let calculator = calculator(args, public_url.clone())?;
    let running = serve(listener, calculator.router())?;
    // Whoever closed standard output does not want to read it; the calculator runs all the same.
    let _ = writeln!(io::stdout(), "tarifrechner  {public_url}");
    tracing::info!(addr = %running.addr, "tarifrechner.started");

    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    running.shutdown().await;
    tracing::info!("tarifrechner.stopped");
    Ok(())
}

fn calculator(args: Args, public_url: Url) -> anyhow::Result<Tarifrechner> {
    let concenter = match &args.accounts_file {
        None => SimulatedConCenter::taking_everything(),
        Some(path) => SimulatedConCenter::parse(&read(path)?).with_context(|| path.display().to_string())?,
    };
    let gateway = Gateway::new(&args.gateway, credential(&args), Some(tls(&args)?))?;
    let site = Site {
        public_url,
        jump_origins: args.origins,
        portals: args.portals,
        providers: args.providers,
        most_sessions: MOST_SESSIONS,
        most_people: MOST_PEOPLE,
    };
    Ok(Tarifrechner::new(site, gateway, Outside::system(Arc::new(concenter)))?)
}

/// A file may get a new credential while the program runs.
fn credential(args: &Args) -> Box<ReadCredential> {
    match (args.token_file.clone(), args.token.clone()) {
        (Some(path), _) => Box::new(move || Ok(read(&path)?)),
        (None, token) => {
            // The parser demands one of them.
            let Token(token) = token.unwrap_or(Token(Zeroizing::default()));
            Box::new(move || Ok(token.clone()))
        }
    }
}

fn tls(args: &Args) -> anyhow::Result<ClientTlsConfig> {
    let mut tls = match &args.ca_file {
        None => ClientTlsConfig::new().with_native_roots(),
        Some(path) => ClientTlsConfig::new().ca_certificate(Certificate::from_pem(read(path)?.as_bytes())),
    };
    if let (Some(certificate), Some(key)) = (&args.client_certificate, &args.client_key) {
        tls = tls.identity(Identity::from_pem(read(certificate)?.as_bytes(), read(key)?.as_bytes()));
    }
    Ok(tls)
}

fn read(path: &Path) -> anyhow::Result<Zeroizing<String>> {
    fs::read_to_string(path).map(Zeroizing::new).with_context(|| format!("read {}", path.display()))
}
