//! `concenter serve`: the service, until it is told to stop.

use std::io::{self, Write as _};
use std::net::SocketAddr;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::shell::quoted;
use crate::config::{DataSettings, LimitSettings, MetricsSwitch, ServerSettings};
use crate::server::{Running, Server};
use crate::telemetry::traces::Traces;

/// Run the service until it is told to stop
///
/// The data directory is made on the first start, with an empty database and a key file. Keep a
/// copy of the key file apart from the data: without it no stored password can be opened.
///
/// With --database-url many services run on one PostgreSQL, all with the same key file. One that
/// starts before its database waits for it, and says so by health and /healthz.
///
/// SIGINT and SIGTERM stop it: no new connections, 25 seconds for calls in flight. A second
/// signal ends it at once.
#[derive(Debug, clap::Args)]
#[command(
    verbatim_doc_comment,
    after_help = "Examples:\n  \
    concenter serve\n  \
    concenter serve --data-dir /var/lib/concenter --log-format json --metrics on\n  \
    concenter serve --database-url postgres://concenter@db.example/makler --database-password-file db.password\n  \
    concenter serve --tls-cert-file gateway.pem --tls-key-file gateway.key --tls-client-ca-file clients-ca.pem\n  \
    CONCENTER_GRPC_ADDR=127.0.0.1:0 concenter serve --data-dir /tmp/try"
)]
pub struct Args {
    /// What the service needs.
    #[command(flatten)]
    pub settings: ServerSettings,
}

/// Runs until a signal.
///
/// # Errors
/// [`crate::server::StartError`] if it does not start; if a listener fails; if a second signal cut the end short.
pub async fn run(args: Args, traces: Option<Traces>) -> anyhow::Result<()> {
    let Args { settings } = args;
    // Before the start: a signal that comes during it must not leave a half-made directory behind.
    let mut signals = Signals::install()?;
    let shown = Shown::of(&settings);
    warn_if_open("gRPC", settings.grpc_addr, shown.grpc_scheme);
    warn_if_open("HTTP", settings.http_addr, shown.http_scheme);
    warn_of_metrics(&settings);
    warn_of_kek_text(&settings);
    allow_descriptors(&settings.limits);

    let mut running = tokio::select! {
        started = Server::start(settings) => started?,
        // It waits for its database.
        () = signals.next() => return Ok(()),
    };
    // Whoever closed standard output does not want to read it; the service runs all the same.
    let _ = greet(&running, &shown);
    tracing::info!(grpc = %running.grpc_addr, http = %running.http_addr, "serve.started");

    tokio::select! {
        () = signals.next() => {}
        error = running.failed() => return Err(error.into()),
    }
    tracing::info!("serve.stopping");
    tokio::select! {
        () = end(running, traces) => {}
        () = signals.next() => anyhow::bail!("a second signal ended the service before its calls were answered"),
    }
    tracing::info!("serve.stopped");
    Ok(())
}

/// Stops the service, and then lets the traces of its last calls go.
async fn end(running: Running, traces: Option<Traces>) {
    running.shutdown().await;
    if let Some(traces) = traces {
        traces.end().await;
    }
}

/// Beside the connections: the database, its log, the lock, listeners and standard streams.
const OTHER_DESCRIPTORS: u64 = 128;

/// Takes as many descriptors as the process may have: what it begins with is often too few for its connections.
fn allow_descriptors(limits: &LimitSettings) {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let needed = u64::from(limits.connections) + u64::from(limits.http_connections) + OTHER_DESCRIPTORS;
    let wanted = maximum.map_or(needed, |maximum| needed.min(maximum));
    // `None` is without a bound.
    let has_enough = current.is_none_or(|current| current >= wanted);
    let is_set = has_enough || setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum }).is_ok();
    if !is_set || wanted < needed {
        tracing::warn!(
            needed,
            maximum,
            advice = "a process of this user may not have as many open files as connections are allowed: raise the \
                      limit of open files, or set --max-connections lower",
            "serve.descriptors.few"
        );
    }
}

/// The schemes of URLs without TLS and with it.
const HTTP: &str = "http";
const HTTPS: &str = "https";

/// What is told of the settings once the service runs.
struct Shown {
    data: DataSettings,
    grpc_scheme: &'static str,
    http_scheme: &'static str,
    /// Whether tokens of the command line are taken.
    takes_own_tokens: bool,
}

impl Shown {
    fn of(settings: &ServerSettings) -> Self {
        let scheme = |has_tls| if has_tls { HTTPS } else { HTTP };
        Self {
            data: settings.data.clone(),
            grpc_scheme: scheme(settings.tls.grpc().is_some()),
            http_scheme: scheme(settings.tls.http().is_some()),
            takes_own_tokens: !settings.profile.is_production(),
        }
    }
}

/// Without TLS credentials and passwords cross the network as they are.
fn warn_if_open(listener: &str, address: SocketAddr, scheme: &str) {
    if scheme == HTTP && !address.ip().is_loopback() {
        tracing::warn!(
            listener,
            %address,
            advice = "other machines reach this address, and there is no TLS: tokens and passwords can be read on the \
                      way. Give --tls-cert-file and --tls-key-file, or listen on 127.0.0.1",
            "serve.listener.exposed"
        );
    }
}

/// Whoever runs as this account reads the environment of a process, and what it starts inherits it.
fn warn_of_kek_text(settings: &ServerSettings) {
    if settings.data.kek_text.is_some() {
        tracing::warn!(
            advice = "whatever runs as the same user can read the environment of this process, and it stays there while it runs: \
                      name a key file with --kek-file instead where you can",
            "serve.kek.in_environment"
        );
    }
}

/// Metrics are for whoever watches the service, and the listener may be for everybody.
fn warn_of_metrics(settings: &ServerSettings) {
    if settings.telemetry.metrics == MetricsSwitch::On && !settings.http_addr.ip().is_loopback() {
        tracing::warn!(
            address = %settings.http_addr,
            advice = "other machines reach /metrics at this address: keep the proxy in front, or the network, from letting in \
                      anybody but who collects them",
            "serve.metrics.exposed"
        );
    }
}

fn greet(running: &Running, shown: &Shown) -> io::Result<()> {
    let Shown { data, grpc_scheme, http_scheme, takes_own_tokens } = shown;
    let mut out = io::stdout().lock();
    writeln!(out, "con:center gateway {}", env!("CARGO_PKG_VERSION"))?;
    writeln!(out, "  gRPC  {grpc_scheme}://{}", running.grpc_addr)?;
    writeln!(out, "  HTTP  {http_scheme}://{}/.well-known/jwks.json", running.http_addr)?;
    let dir = data.dir.path.display().to_string();
    let mut words = format!("--data-dir {}", quoted(&dir));
    match &data.database_url {
        None => writeln!(out, "  data  {dir}")?,
        Some(url) => {
            writeln!(out, "  data  {url}")?;
            if data.kek_files.is_empty() && data.kek_text.is_none() {
                writeln!(out, "  keys  {dir}")?;
            }
            // Without its user and password, which whoever set them knows.
            words.push_str(" --database-url ..");
        }
    }
    for path in &data.kek_files {
        words = format!("{words} --kek-file {}", quoted(&path.display().to_string()));
    }
    if *takes_own_tokens {
        writeln!(out, "A token to begin with: concenter token {words} --role operator")?;
    }
    out.flush()
}

/// The signals that mean: stop.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn install() -> io::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    /// Waits for the next one of either.
    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
