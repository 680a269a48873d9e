//! The service in this process, on a PostgreSQL: its settings, its listeners, its readiness.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use concenter_gateway::app::App;
use concenter_gateway::config::ServerSettings;
use concenter_gateway::domain::signing::Rotation;
use concenter_gateway::server::{Running, Server, SystemClock};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, interval, timeout};
use tonic::transport::{Channel, Endpoint};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::firm::{Callers, Firm};
use crate::stopped::data_in;

/// In which a lost database shows, and one that came back.
pub(crate) const SHOWS_WITHIN: Duration = Duration::from_secs(5);
/// In which a caller is to hear that the database is away.
pub(crate) const TOLD_WITHIN: Duration = Duration::from_secs(3);
/// How long anything may take that is to happen at all.
pub(crate) const AT_MOST: Duration = Duration::from_secs(30);
/// How often somebody looks who waits for something.
const LOOKS_EVERY: Duration = Duration::from_millis(20);

/// The service, running.
pub(crate) struct Gateway {
    running: Running,
    pub(crate) channel: Channel,
    /// With the keys.
    directory: Arc<TempDir>,
}

impl Gateway {
    /// Starts it with new keys.
    pub(crate) async fn start(url: &str) -> Self {
        Self::start_in(Arc::new(tempfile::tempdir().expect("a directory")), Some(url)).await
    }

    /// Starts it with the keys in `directory`; without a URL on the embedded database there.
    pub(crate) async fn start_in(directory: Arc<TempDir>, url: Option<&str>) -> Self {
        Self::start_with(directory, url, |_| {}).await
    }

    /// Starts it with the keys in `directory`, on a server, where signing keys change as `rotation` says.
    pub(crate) async fn start_hurried(directory: Arc<TempDir>, url: &str, rotation: Rotation) -> Self {
        Self::start_with(directory, Some(url), |settings| settings.signing_keys.hurried = Some(rotation)).await
    }

    async fn start_with(directory: Arc<TempDir>, url: Option<&str>, change: impl FnOnce(&mut ServerSettings)) -> Self {
        let mut settings = ServerSettings::local(data_in(&directory));
        settings.data.database_url = url.map(|url| url.parse().expect("a URL"));
        change(&mut settings);
        let running = Server::start(settings).await.expect("the service starts");
        let channel = channel_to(running.grpc_addr);
        Self { running, channel, directory }
    }

    /// Starts another replica, which finds the database by this URL.
    pub(crate) async fn start_replica(&self, url: &str) -> Self {
        Self::start_in(Arc::clone(&self.directory), Some(url)).await
    }

    /// Where its data is.
    pub(crate) fn data_dir(&self) -> PathBuf {
        data_in(&self.directory)
    }

    /// The service without its listeners.
    pub(crate) fn app(&self) -> &App {
        &self.running.app
    }

    /// Makes a firm.
    pub(crate) async fn firm(&self) -> Firm {
        Firm::make(&self.channel, Callers::new(&self.running.caller_tokens, Arc::new(SystemClock))).await
    }

    /// Waits until health and `/healthz` tell that it serves, or that it does not; gives how long that took.
    pub(crate) async fn until_ready(&self, is_ready: bool) -> Duration {
        until_ready(&self.channel, self.running.http_addr, is_ready).await
    }

    /// Where HTTP listens.
    pub(crate) const fn http_addr(&self) -> SocketAddr {
        self.running.http_addr
    }

    /// Stops it in order.
    pub(crate) async fn stop(self) {
        drop(self.channel);
        timeout(AT_MOST, self.running.shutdown()).await.expect("it ends");
    }
}

/// A connection that is made when it is needed, and made anew when it was lost.
pub(crate) fn channel_to(address: SocketAddr) -> Channel {
    Endpoint::from_shared(format!("http://{address}")).expect("an address").connect_lazy()
}

/// Waits until health and `/healthz` tell that it serves, or that it does not; gives how long that took.
pub(crate) async fn until_ready(channel: &Channel, http: SocketAddr, is_ready: bool) -> Duration {
    until("readiness", async || {
        let health = HealthClient::new(channel.clone()).check(HealthCheckRequest { service: String::new() }).await;
        let status = if is_ready { ServingStatus::Serving } else { ServingStatus::NotServing };
        let is_told = health.is_ok_and(|told| told.into_inner().status() == status);
        is_told && status_of_page(http, "/healthz").await == Some(if is_ready { 200 } else { 503 })
    })
    .await
}

/// Looks until it is so; gives how long that took.
///
/// # Panics
/// If it never comes.
pub(crate) async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) -> Duration {
    let begun = Instant::now();
    let mut looks = interval(LOOKS_EVERY);
    while !timeout(AT_MOST, is_so()).await.is_ok_and(|is_so| is_so) {
        assert!(begun.elapsed() < AT_MOST, "waited for in vain: {what}");
        looks.tick().await;
    }
    begun.elapsed()
}

/// The status of a page, if it answers.
pub(crate) async fn status_of_page(address: SocketAddr, path: &str) -> Option<u16> {
    let mut stream = TcpStream::connect(address).await.ok()?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).await.ok()?;
    text.split(' ').nth(1)?.parse().ok()
}
