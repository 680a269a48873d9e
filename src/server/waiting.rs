//! The start while the database cannot be reached: both listeners answer, and say that there is nothing to be had yet.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpSocket;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tonic_health::ServingStatus;
use tonic_health::pb::health_server::HealthServer;
use tonic_health::server::HealthService;

use super::connections::{AGE, note_calls};
use super::tls::ListenersTls;
use super::{StartError, WORDS, call_layer, end_health_streams, grpc, health, http, metrics, told_to_stop};
use crate::config::ServerSettings;
use crate::domain::ids::Random;
use crate::edge::ClosedGate;
use crate::store::{Location, Opened};
use crate::web;

/// How long after the first failure the next attempt comes; each pause is twice the one before, up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// So that a database that came back is in use within 5 s.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Most connections that wait to be accepted; the operating system may allow fewer.
const BACKLOG: u32 = 1_024;

/// The sockets of both listeners. A clone is the same sockets.
pub(super) struct Sockets {
    grpc: TcpListener,
    http: TcpListener,
}

impl Sockets {
    /// Binds the addresses of the settings.
    pub(super) fn bind(settings: &ServerSettings) -> Result<Self, StartError> {
        let bind = |listener, address| bind(address).map_err(|source| StartError::bind(listener, address, source));
        Ok(Self { grpc: bind("gRPC", settings.grpc_addr)?, http: bind("HTTP", settings.http_addr)? })
    }

    /// Where HTTP is bound; with the port that was found if 0 was asked for.
    pub(super) fn http_addr(&self, settings: &ServerSettings) -> Result<SocketAddr, StartError> {
        self.http.local_addr().map_err(|source| StartError::bind("HTTP", settings.http_addr, source))
    }

    /// The same sockets once more: what one listener has not taken when it ends, the next one takes.
    fn share(&self, settings: &ServerSettings) -> Result<Self, StartError> {
        let share = |listener, address, socket: &TcpListener| {
            socket.try_clone().map_err(|source| StartError::bind(listener, address, source))
        };
        Ok(Self {
            grpc: share("gRPC", settings.grpc_addr, &self.grpc)?,
            http: share("HTTP", settings.http_addr, &self.http)?,
        })
    }

    /// What listens.
    pub(super) fn listen(
        self,
        settings: &ServerSettings,
    ) -> Result<(tokio::net::TcpListener, tokio::net::TcpListener), StartError> {
        let listen = |listener, address, socket| {
            tokio::net::TcpListener::from_std(socket).map_err(|source| StartError::bind(listener, address, source))
        };
        Ok((listen("gRPC", settings.grpc_addr, self.grpc)?, listen("HTTP", settings.http_addr, self.http)?))
    }
}

/// Binds an address, with room for those who wait to be accepted.
fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // Connections of a service that has just ended do not keep the address from the next one.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)?.into_std()
}

/// Opens the database, however long it takes until it can be reached, and meanwhile answers on `sockets`.
///
/// May be dropped at any time; then nothing is left running.
pub(super) async fn until_open(
    location: &Location,
    sockets: &Sockets,
    settings: &ServerSettings,
    tls: &ListenersTls,
    random: Arc<dyn Random>,
) -> Result<Opened, StartError> {
    let (grpc, http) = sockets.share(settings)?.listen(settings)?;
    tell_where(&grpc, &http);
    let (stop, stopped) = watch::channel(false);
    let (mut health, services) = health(ServingStatus::NotServing).await?;
    let router = grpc::transport(AGE)
        .layer(note_calls())
        .layer(call_layer(random, &settings.limits, &Arc::new(metrics::metrics())))
        .layer(ClosedGate { words: WORDS })
        .add_service(HealthServer::new(HealthService::from_health_reporter(health.clone())));
    let grpc = grpc::connections(grpc, tls.grpc.clone(), settings.limits.connections);
    let grpc = router.serve_with_incoming_shutdown(grpc, told_to_stop(stopped.clone()));
    let mut listeners = JoinSet::new();
    // One that fails leaves callers waiting; the start goes on all the same.
    listeners.spawn(async move { drop(grpc.await) });
    let http = http::connections(http, tls.http.clone(), settings.limits.http_connections);
    listeners.spawn(http::serve(http, web::closed_router(), stopped.clone()));
    // A database may be away for longer than a certificate is good for.
    listeners.spawn(tls.clone().follow(stopped));

    let opened = attempts(location, settings).await;
    end_health_streams(&mut health, &services).await;
    // Fails only if both have ended already. Whoever is connected gets a GOAWAY, and finds the service when he comes back.
    let _ = stop.send(true);
    while listeners.join_next().await.is_some() {}
    opened
}

/// Says in the log where it listens meanwhile, which is not plain where port 0 was asked for.
fn tell_where(grpc: &tokio::net::TcpListener, http: &tokio::net::TcpListener) {
    if let (Ok(grpc), Ok(http)) = (grpc.local_addr(), http.local_addr()) {
        tracing::warn!(%grpc, %http, "server.start.listening");
    }
}

async fn attempts(location: &Location, settings: &ServerSettings) -> Result<Opened, StartError> {
    let mut pause = FIRST_PAUSE;
    loop {
        match location.open(settings.most_in_a_batch).await {
            Ok(opened) => return Ok(opened),
            Err(error) if error.may_pass() => {
                tracing::warn!(error = &error as &dyn std::error::Error, "server.start.waiting");
            }
            Err(error) => return Err(error.into()),
        }
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}
