//! `concenter serve`: the service, until it is told to stop.

use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::Path;

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::shell::quoted;
use crate::config::ServerSettings;
use crate::server::{Running, Server};

/// Run the service until it is told to stop
///
/// The data directory is made on the first start, with an empty database and a key file. Keep a
/// copy of the key file apart from the data: without it no stored password can be opened.
///
/// SIGINT and SIGTERM stop it: no new connections, 25 seconds for calls in flight. A second
/// signal ends it at once.
#[derive(Debug, clap::Args)]
#[command(
    verbatim_doc_comment,
    after_help = "Examples:\n  \
    concenter serve\n  \
    concenter serve --data-dir /var/lib/concenter --log-format json\n  \
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
pub async fn run(args: Args) -> anyhow::Result<()> {
    let Args { settings } = args;
    let data_dir = settings.data_dir.path.clone();
    // Before the start: a signal that comes during it must not leave a half-made directory behind.
    let mut signals = Signals::install()?;
    warn_if_open("gRPC", settings.grpc_addr);
    warn_if_open("HTTP", settings.http_addr);

    let mut running = Server::start(settings).await?;
    // Whoever closed standard output does not want to read it; the service runs all the same.
    let _ = greet(&running, &data_dir);
    tracing::info!(grpc = %running.grpc_addr, http = %running.http_addr, "serve.started");

    tokio::select! {
        () = signals.next() => {}
        error = running.failed() => return Err(error.into()),
    }
    tracing::info!("serve.stopping");
    tokio::select! {
        () = running.shutdown() => {}
        () = signals.next() => anyhow::bail!("a second signal ended the service before its calls were answered"),
    }
    tracing::info!("serve.stopped");
    Ok(())
}

/// Without TLS credentials and passwords cross the network as they are.
fn warn_if_open(listener: &str, address: SocketAddr) {
    if !address.ip().is_loopback() {
        tracing::warn!(
            listener,
            %address,
            advice = "other machines reach this address, and there is no TLS: tokens and passwords can be read on the \
                      way. Listen on 127.0.0.1, with a proxy in front that speaks TLS",
            "serve.listener.exposed"
        );
    }
}

fn greet(running: &Running, data_dir: &Path) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "con:center gateway {}", env!("CARGO_PKG_VERSION"))?;
    writeln!(out, "  gRPC  http://{}", running.grpc_addr)?;
    writeln!(out, "  HTTP  http://{}/.well-known/jwks.json", running.http_addr)?;
    writeln!(out, "  data  {}", data_dir.display())?;
    writeln!(
        out,
        "A token to begin with: concenter token --data-dir {} --role operator",
        quoted(&data_dir.display().to_string())
    )?;
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
