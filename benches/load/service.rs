//! The real program, serving as a child process.

use std::ffi::OsString;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use concenter_gateway::proto::v1::jump_service_client::JumpServiceClient;
use rustix::process::Signal;
use tokio::time::Instant;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};

use super::data::{Data, Stored};
use super::guard::{Guarded, Runs};

/// The program, built in the profile of this bench.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_concenter");

/// What is measured is how fast it is, not how fast it lets itself be called.
const UNLIMITED: [&str; 5] = [
    "--rate-jumps=1000000",
    "--rate-redeems=1000000",
    "--rate-reads=1000000",
    "--rate-changes=1000000",
    "--rate-batches=1000000",
];

/// Calls the jumps of a service, or a floor.
pub(crate) type Client = JumpServiceClient<Channel>;

/// Where somebody is called.
#[derive(Debug, Clone)]
pub(crate) struct Address {
    /// The URL.
    url: String,
    /// Who vouches for it, where TLS is spoken.
    authority: Option<Certificate>,
}

impl Address {
    /// One without TLS.
    pub(crate) const fn plain(url: String) -> Self {
        Self { url, authority: None }
    }
}

/// A running service, with its data.
pub(crate) struct Service {
    /// Its address.
    pub(crate) grpc: Address,
    /// Where HTTP says that it serves the keys.
    http: String,
    /// How long it took from the start of the process until it said that it serves.
    pub(crate) started_in: Duration,
    process: Guarded,
    // Last: it is removed after the process has ended.
    data: Data,
}

impl Service {
    /// Starts it on `data`, with arguments beyond those that say where.
    pub(crate) fn start(data: Data, more: &[&str]) -> anyhow::Result<Self> {
        let mut arguments: Vec<OsString> =
            ["serve", "--grpc-addr", "127.0.0.1:0", "--http-addr", "127.0.0.1:0"].map(OsString::from).into();
        let is_said = |rate: &str| more.iter().any(|said| said.split('=').next() == rate.split('=').next());
        arguments.extend(UNLIMITED.into_iter().filter(|rate| !is_said(rate)).map(OsString::from));
        arguments.extend(data.arguments());
        arguments.extend(more.iter().map(OsString::from));
        let authority = data.authority()?;
        let mut process = Guarded::start(Runs::AsWe, Path::new(PROGRAM), &arguments, &data.log())?;
        // Its guard says at once that it has begun.
        let begun = Instant::now();
        let served = process.line("gRPC").with_context(|| data.read_log());
        let started_in = begun.elapsed();
        let grpc = Address { url: served?, authority };
        let http = process.line("HTTP")?;
        Ok(Self { grpc, http, started_in, process, data })
    }

    /// Where HTTP listens.
    pub(crate) fn http_addr(&self) -> anyhow::Result<SocketAddr> {
        let address = self.http.strip_prefix("http://").and_then(|rest| rest.split('/').next());
        address.context("no HTTP without TLS")?.parse().context("an address")
    }

    /// Its data.
    pub(crate) const fn data(&self) -> &Data {
        &self.data
    }

    /// Ends it in order. Whoever is connected holds that up.
    pub(crate) fn stop(self) -> anyhow::Result<Data> {
        let Self { process, data, .. } = self;
        process.stop(Signal::TERM).with_context(|| data.read_log())?;
        Ok(data)
    }

    /// Counts what it has stored.
    pub(crate) async fn stored(&self) -> anyhow::Result<Stored> {
        self.data.stored().await
    }

    /// What it holds in memory now, and at most so far: resident KiB.
    pub(crate) fn resident_kib(&self) -> anyhow::Result<(u32, u32)> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.pid().as_raw_nonzero()))?;
        let number = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).context("a line of /proc")?;
            line.trim().trim_end_matches(" kB").parse().context("a number of /proc")
        };
        Ok((number("VmRSS:")?, number("VmHWM:")?))
    }
}

/// Opens connections to a service or a floor.
pub(crate) async fn connect(grpc: &Address, connections: usize) -> anyhow::Result<Vec<Client>> {
    let mut clients = Vec::with_capacity(connections);
    for _ in 0..connections {
        clients.push(JumpServiceClient::new(connect_channel(grpc).await?));
    }
    Ok(clients)
}

/// Opens one connection.
pub(crate) async fn connect_channel(grpc: &Address) -> anyhow::Result<Channel> {
    let Address { url, authority } = grpc;
    let mut endpoint = Endpoint::from_shared(url.clone())?;
    if let Some(authority) = authority {
        endpoint = endpoint.tls_config(ClientTlsConfig::new().ca_certificate(authority.clone()))?;
    }
    endpoint.connect().await.with_context(|| format!("connect to {url}"))
}
