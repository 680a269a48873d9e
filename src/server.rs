//! THE stack: how the service is put together. Read this first.
//!
//! ```text
//! location -> store -> keys -> App -+-> gRPC: CallLayer -> Gate -> services, health, reflection
//!                                   +-> HTTP: /.well-known/jwks.json, /j/{target_id}, /healthz, /metrics
//!                                   +-> worker: what is due because it is time
//!                                   +-> readiness: whether the store answers, as health tells it
//! ```
//!
//! A database that cannot be reached at the start is waited for: see `server/waiting.rs`.
//!
//! `serve`, the demonstration and the tests all start it here, so what is tested is what runs. One more listener: bind
//! it in `Server::start_on`, and let it end when `stop` says so.
//!
//! May use everything.

mod connections;
mod grpc;
mod http;
mod metrics;
mod readiness;
mod tls;
mod waiting;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Router;
use prost::Message as _;
use prost_types::FileDescriptorSet;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tonic_health::ServingStatus;
use tonic_health::pb::health_server::HealthServer;
use tonic_health::server::{HealthReporter, HealthService};

use crate::app::startup::{self, UnlockError};
use crate::app::{App, Parts};
use crate::config::{
    DataSettings, IssuersFileError, LimitSettings, MetricsSwitch, PasswordFileError, ProfileError, RateSettings,
    ServerSettings,
};
use crate::domain::ids::Random;
use crate::domain::issuer::IssuerEntry;
use crate::domain::profile::Profile;
use crate::domain::target::Origin;
use crate::domain::time::{Clock, Timestamp};
use crate::edge::{Buckets, CallLayer, Gate, GateParts, InFlight, IssuerError, Issuers, Rates, Words};
use crate::secrets::{InvalidGivenKeks, KekPlace, KekProvider, LocalKeks, SystemRandom};
use crate::store::{OpenError, Opened, Store};
use crate::telemetry::metrics::{CONTENT_TYPE, Metrics};
use crate::token::{CallerTokens, Callers, IssuerTwice, KeyRing};
use crate::web::MetricsPage;
use crate::{api, proto, web, worker};

use self::connections::{AGE, Capped, note_calls};
use self::tls::{ListenersTls, Wires};
use self::waiting::Sockets;

pub use self::tls::{Pair, TlsError, read_authorities, read_identity, read_thumbprint};

/// How long a call may take before it gets `DEADLINE_EXCEEDED`.
const CALL_DEADLINE: Duration = Duration::from_secs(10);
/// How long running calls may take once the service is told to stop; a supervisor's usual patience is 30 s.
const DRAIN: Duration = Duration::from_secs(25);

/// The name of the embedded issuer in callers' tokens (`iss`), and that of the service there (`aud`). Not settings: a
/// token that `concenter token` minted must fit the service that runs on the same data, however that was started.
const EMBEDDED_ISSUER: &str = "urn:concenter:embedded-issuer";
const EMBEDDED_AUDIENCE: &str = "urn:concenter:gateway";

/// The issuer of callers' tokens that comes with the service.
#[must_use]
pub fn embedded_issuer(ring: Arc<KeyRing>) -> CallerTokens {
    CallerTokens::new(ring, EMBEDDED_ISSUER.to_owned(), EMBEDDED_AUDIENCE.to_owned())
}

/// The key-encryption keys of these data: those of the environment and of the files that are named, or those beside the data.
///
/// # Errors
/// [`InvalidGivenKeks`].
pub fn keks(data: &DataSettings) -> Result<LocalKeks, InvalidGivenKeks> {
    let named = (!data.kek_files.is_empty()).then(|| KekPlace::Files(data.kek_files.clone()));
    match &data.kek_text {
        Some(given) => LocalKeks::of_environment(given.expose(), named),
        None => Ok(LocalKeks::in_files(named.unwrap_or_else(|| KekPlace::DataDirectory(data.dir.path.clone())))),
    }
}

/// What the service takes from the world around it; tests bring their own.
#[derive(Clone)]
pub struct Outside {
    /// What tells the time.
    pub clock: Arc<dyn Clock>,
    /// Where random bytes come from. Signing keys alone come from the cryptographic library itself.
    pub random: Arc<dyn Random>,
    /// Who has the key-encryption keys; `None` for what the settings say.
    pub keks: Option<Arc<dyn KekProvider>>,
}

impl Outside {
    /// The clock and the random generator of the operating system.
    #[must_use]
    pub fn system() -> Self {
        Self { clock: Arc::new(SystemClock), random: Arc::new(SystemRandom), keks: None }
    }
}

/// The operating system's clock: the only place that asks it.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the one place where the system's time comes in")]
    fn now(&self) -> Timestamp {
        // A clock that stands before 1970 was never set. At the epoch every token is from the future and is refused.
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_unix_micros(0).plus(since_epoch)
    }
}

/// Why the service does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The file of the database's password cannot be used.
    #[error(transparent)]
    PasswordFile(#[from] PasswordFileError),
    /// The file of the foreign issuers cannot be used.
    #[error(transparent)]
    IssuersFile(#[from] IssuersFileError),
    /// The keys of the environment cannot be used.
    #[error(transparent)]
    GivenKeks(#[from] InvalidGivenKeks),
    /// The settings are not those that their profile demands.
    #[error(transparent)]
    Profile(#[from] ProfileError),
    /// A certificate or key of the listeners cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// A foreign issuer cannot be used.
    #[error(transparent)]
    ForeignIssuer(#[from] IssuerError),
    /// Two issuers of callers' tokens are the same.
    #[error("--issuers-file: two issuers have the same `issuer`, or one has that of the embedded issuer")]
    IssuerTwice(#[from] IssuerTwice),
    /// The database does not open.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// The keys do not open.
    #[error(transparent)]
    Unlock(#[from] UnlockError),
    /// An address cannot be listened on.
    #[error("{address} cannot be listened on for {listener}: is another process there, or is it not this machine's?")]
    Bind {
        /// What for.
        listener: &'static str,
        /// The address.
        address: SocketAddr,
        /// What the operating system said.
        source: io::Error,
    },
    /// The descriptors that the build made do not read. A defect of ours.
    #[error("the descriptors of the API do not read")]
    Descriptors(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl StartError {
    const fn bind(listener: &'static str, address: SocketAddr, source: io::Error) -> Self {
        Self::Bind { listener, address, source }
    }
}

/// Why a listener that was not told to ended.
#[derive(Debug, thiserror::Error)]
pub enum ListenerError {
    /// The gRPC listener failed.
    #[error("the gRPC listener failed")]
    Grpc(#[source] tonic::transport::Error),
    /// It ended for no reason that it could give, or it panicked.
    #[error("a listener ended unexpectedly")]
    Ended,
}

/// The service, before it runs.
#[derive(Debug)]
pub enum Server {}

impl Server {
    /// Starts the service with the random generator of the operating system and its clock, or that of a database that
    /// replicas share.
    ///
    /// # Errors
    /// [`StartError`]; then nothing is left running, and the data directory is free again.
    pub async fn start(settings: ServerSettings) -> Result<Running, StartError> {
        Self::start_by(settings, None).await
    }

    /// Starts the service. When this returns, both listeners answer.
    ///
    /// # Errors
    /// [`StartError`]; then nothing is left running, and the data directory is free again.
    pub async fn start_with(settings: ServerSettings, outside: Outside) -> Result<Running, StartError> {
        Self::start_by(settings, Some(outside)).await
    }

    /// Starts the service by the clock and the dice given, or by the usual ones. May be dropped while it waits for a
    /// database.
    async fn start_by(settings: ServerSettings, given: Option<Outside>) -> Result<Running, StartError> {
        let usual = Outside::system();
        // The store first: it takes the lock, and a second start must hear of that rather than of a port in use.
        let location = settings.data.location()?;
        // Before the store: what a person must put right is told without waiting for a database.
        let foreign = settings.issuers()?;
        settings.check_profile(&foreign)?;
        let tls = ListenersTls::open(&settings.tls)?;
        let (opened, sockets) = match location.open(settings.most_in_a_batch).await {
            Ok(opened) => (opened, None),
            Err(error) if error.may_pass() => {
                let sockets = Sockets::bind(&settings)?;
                let random = Arc::clone(&usual.random);
                let opened = waiting::until_open(&location, &sockets, &settings, &tls, random).await?;
                (opened, Some(sockets))
            }
            Err(error) => return Err(error.into()),
        };
        let Opened { store, clock } = opened;
        let outside = given.unwrap_or(Outside { clock: clock.unwrap_or(usual.clock), ..usual });
        match Self::start_on(&store, sockets, settings, Given { foreign, tls }, outside).await {
            Ok(running) => Ok(running),
            Err(error) => {
                // Dropped only, it would hold its lock a little longer than this call lasts.
                store.close().await;
                Err(error)
            }
        }
    }

    async fn start_on(
        store: &Arc<dyn Store>,
        sockets: Option<Sockets>,
        settings: ServerSettings,
        Given { foreign, tls }: Given,
        outside: Outside,
    ) -> Result<Running, StartError> {
        // Before the service is put together: its links begin with where it listens, unless they are told to begin otherwise.
        let sockets = sockets.map_or_else(|| Sockets::bind(&settings), Ok)?;
        let http_addr = sockets.http_addr(&settings)?;
        let public_url = settings.browsers.public_url.clone();
        let public_url = public_url.unwrap_or_else(|| Origin::of_listener(http_addr, tls.http.is_some()));
        let (app, caller_tokens) = unlock(Arc::clone(store), &settings, public_url, &outside).await?;
        let Outside { clock, random, keks: _ } = outside;

        let (grpc, http) = sockets.listen(&settings)?;
        let grpc_addr = grpc.local_addr().map_err(|source| StartError::bind("gRPC", settings.grpc_addr, source))?;

        let limits = settings.limits;
        let metrics = Arc::new(metrics::metrics());
        let calls = call_layer(random, &limits, &metrics);
        let issuers = Arc::new(Issuers::open(foreign, Arc::clone(&clock))?);
        let callers = Callers::new(Arc::clone(&caller_tokens), issuers.tokens())?;
        let callers = Arc::new(if settings.profile.is_production() { callers.foreign_only() } else { callers });
        let gate = Gate::new(GateParts {
            callers: Arc::clone(&callers),
            issuers: Arc::clone(&issuers),
            app: Arc::clone(&app),
            clock,
            buckets: Buckets::new(rates(limits.rates)),
            profile: settings.profile,
            metrics: Arc::clone(&metrics),
            words: WORDS,
        });
        let (health, services) = health(ServingStatus::Serving).await?;
        let (stop, stopped) = watch::channel(false);
        let mut listeners = JoinSet::new();
        let grpc = grpc::connections(grpc, tls.grpc.clone(), limits.connections);
        let http = http::connections(http, tls.http.clone(), limits.http_connections);
        let page = metrics_page(
            settings.telemetry.metrics,
            metrics::Sources {
                metrics,
                app: Arc::clone(&app),
                callers: Arc::clone(&callers),
                in_flight: Arc::clone(&calls.in_flight),
                connections: [("grpc", grpc.open()), ("http", http.open())],
            },
        );
        let (profile, grpc_app) = (settings.profile, Arc::clone(&app));
        let parts = GrpcParts { calls, gate, app: grpc_app, health: health.clone(), profile };
        listeners.spawn(serve_grpc(grpc, parts, stopped.clone())?);
        listeners.spawn(serve_http(
            http,
            web::router(Arc::clone(&app), page, settings.browsers.portal_url),
            stopped.clone(),
        ));
        let mut workers = JoinSet::new();
        workers.spawn(readiness::report(Arc::clone(&app), health.clone(), services.clone(), stopped.clone()));
        workers.spawn(issuers.keep_fresh(callers, stopped.clone()));
        workers.spawn(tls.follow(stopped.clone()));
        if !settings.accept_clock {
            workers.spawn(worker::learn_time(Arc::clone(&app), stopped.clone()));
        }
        workers.spawn(worker::run(Arc::clone(&app), settings.retention.into(), stopped));
        let store = Arc::clone(store);
        Ok(Running { grpc_addr, http_addr, app, caller_tokens, store, health, services, stop, listeners, workers })
    }
}

/// What the files of the settings hold.
struct Given {
    foreign: Vec<IssuerEntry>,
    tls: ListenersTls,
}

/// What gRPC is made of.
struct GrpcParts {
    calls: CallLayer,
    gate: Gate,
    app: Arc<App>,
    health: HealthReporter,
    profile: Profile,
}

/// Opens the keys, in an empty database makes them; puts the service together, without listeners yet.
async fn unlock(
    store: Arc<dyn Store>,
    settings: &ServerSettings,
    public_url: Origin,
    outside: &Outside,
) -> Result<(Arc<App>, Arc<CallerTokens>), StartError> {
    let Outside { clock, random, keks: given } = outside.clone();
    let keks = given.map_or_else(|| Ok(Arc::new(keks(&settings.data)?) as _), Ok::<_, StartError>)?;
    let (keys, caller_ring) = startup::unlock(&*store, keks, &*clock, &*random).await?;
    let checkpoints = settings.audit_checkpoints.directory();
    let rotation = settings.signing_keys.rotation();
    let parts =
        Parts { store, clock, random, keys, issuer: settings.issuer.clone(), checkpoints, rotation, public_url };
    Ok((Arc::new(App::new(parts)), Arc::new(embedded_issuer(caller_ring))))
}

/// gRPC until `stopped`, then until the calls in flight are answered. The layers, from the outside in, are one
/// expression.
fn serve_grpc(
    incoming: Capped<Wires>,
    GrpcParts { calls, gate, app, health, profile }: GrpcParts,
    stopped: watch::Receiver<bool>,
) -> Result<impl Future<Output = Result<(), ListenerError>> + Send + 'static, StartError> {
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(proto::FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .build_v1()
        .map_err(|error| StartError::Descriptors(error.into()))?;
    let router = grpc::transport(AGE)
        // The connection learns that it is of use, and stays.
        .layer(note_calls())
        // The call: a span with an id, its place among those in flight, and the deadline, so that nothing below can hold a
        // caller for longer.
        .layer(calls)
        // The caller: who it is, and whether the method is for him. Nothing below is reached without.
        .layer(gate)
        // Our services. Each limits its own messages, since a batch of customers is larger than a jump.
        .add_routes(api::services(app))
        // Whether we serve. Open to anyone, by the policy table.
        .add_service(HealthServer::new(HealthService::from_health_reporter(health)))
        // The published proto files, for `grpcurl` and `buf curl`. Open to anyone, likewise; in production there is none.
        .add_optional_service((!profile.is_production()).then_some(reflection));

    Ok(async move {
        router.serve_with_incoming_shutdown(incoming, told_to_stop(stopped)).await.map_err(ListenerError::Grpc)
    })
}

/// The outermost layer of every call.
fn call_layer(random: Arc<dyn Random>, limits: &LimitSettings, metrics: &Arc<Metrics>) -> CallLayer {
    let (in_flight, metrics) = (Arc::new(InFlight::new(limits.calls)), Arc::clone(metrics));
    CallLayer { deadline: CALL_DEADLINE, random, in_flight, metrics, words: WORDS }
}

/// What the edge says and understands.
const WORDS: Words =
    Words { render: |denial| api::status::denial(&denial).into_http(), ending: |answer| api::status::ending(answer) };

/// The page of metrics, where they are switched on.
fn metrics_page(switch: MetricsSwitch, sources: metrics::Sources) -> Option<MetricsPage> {
    let page = || MetricsPage { text: Arc::new(move || sources.text()), content_type: CONTENT_TYPE };
    (switch == MetricsSwitch::On).then(page)
}

/// The rates of the settings.
fn rates(RateSettings { jumps, redeems, reads, changes, batches }: RateSettings) -> Rates {
    Rates { jumps, redeems, reads, changes, batches }
}

/// HTTP until `stopped`, then until the requests in flight are answered.
async fn serve_http(
    incoming: Capped<Wires>,
    router: Router,
    stopped: watch::Receiver<bool>,
) -> Result<(), ListenerError> {
    http::serve(incoming, router, stopped).await;
    Ok(())
}

/// Waits until the service is told to stop, or is dropped.
async fn told_to_stop(mut stopped: watch::Receiver<bool>) {
    // An error means that the one who could tell is gone; that is a reason to stop too.
    let _ = stopped.wait_for(|stop| *stop).await;
}

/// A health service that reports `status` for all our services, and their names; the empty one stands for the whole.
async fn health(status: ServingStatus) -> Result<(HealthReporter, Vec<String>), StartError> {
    let descriptors =
        FileDescriptorSet::decode(proto::FILE_DESCRIPTOR_SET).map_err(|error| StartError::Descriptors(error.into()))?;
    let ours = descriptors
        .file
        .iter()
        .flat_map(|file| file.service.iter().map(|service| format!("{}.{}", file.package(), service.name())));
    let services: Vec<String> = std::iter::once(String::new()).chain(ours).collect();
    let health = HealthReporter::new();
    for service in &services {
        health.set_service_status(service, status).await;
    }
    Ok((health, services))
}

/// The service, running. Dropping it stops listeners and workers without waiting for anybody.
pub struct Running {
    /// Where gRPC listens; with the port that was found if 0 was asked for.
    pub grpc_addr: SocketAddr,
    /// Where HTTP listens; likewise.
    pub http_addr: SocketAddr,
    /// The service itself, for who wants to use it without a socket.
    pub app: Arc<App>,
    /// The embedded issuer, for who wants to mint a token without a file.
    pub caller_tokens: Arc<CallerTokens>,
    store: Arc<dyn Store>,
    health: HealthReporter,
    services: Vec<String>,
    stop: watch::Sender<bool>,
    listeners: JoinSet<Result<(), ListenerError>>,
    workers: JoinSet<()>,
}

impl Running {
    /// Waits until a listener ends, which none does unless it is told to. The future may be dropped at any time.
    pub async fn failed(&mut self) -> ListenerError {
        match self.listeners.join_next().await {
            Some(Ok(Err(error))) => error,
            Some(Ok(Ok(())) | Err(_)) | None => ListenerError::Ended,
        }
    }

    /// Stops in order: no new connections, GOAWAY to the open ones, 25 s for calls in flight, then the store closes. What
    /// the workers are at is cut off at once.
    pub async fn shutdown(mut self) {
        // Fails only if all of them have ended already.
        let _ = self.stop.send(true);
        end_health_streams(&mut self.health, &self.services).await;
        let drained = tokio::time::timeout(DRAIN, async { while self.listeners.join_next().await.is_some() {} }).await;
        if drained.is_err() {
            tracing::warn!(seconds = DRAIN.as_secs(), "server.drain.cut_off");
            self.listeners.abort_all();
        }
        // They were told with the listeners, and wait for nobody.
        while self.workers.join_next().await.is_some() {}
        self.store.close().await;
    }
}

/// Tells those who watch our health that it ends, and ends their streams: else they would hold up the whole drain.
async fn end_health_streams(health: &mut HealthReporter, services: &[String]) {
    for service in services {
        health.set_service_status(service, ServingStatus::NotServing).await;
        // The last status still reaches its watchers.
        health.clear_service_status(service).await;
    }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;
    use tonic::transport::Channel;
    use tonic_health::pb::health_check_response::ServingStatus as Reported;
    use tonic_health::pb::health_client::HealthClient;
    use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

    use super::*;
    use crate::domain::caller::Role;
    use crate::domain::ids::SubjectId;
    use crate::store::sqlite;
    use crate::token::CallerGrant;

    async fn started(directory: &TempDir) -> Running {
        Server::start(ServerSettings::local(directory.path().to_owned())).await.unwrap()
    }

    async fn health_of(running: &Running) -> HealthClient<Channel> {
        let endpoint = Channel::from_shared(format!("http://{}", running.grpc_addr)).unwrap();
        HealthClient::new(endpoint.connect().await.unwrap())
    }

    fn request(service: &str) -> HealthCheckRequest {
        HealthCheckRequest { service: service.to_owned() }
    }

    #[test]
    fn the_clock_tells_microseconds_of_this_century() {
        let year_2100 = Timestamp::from_unix_seconds(4_102_444_800);
        assert!((Timestamp::from_unix_seconds(1_700_000_000)..year_2100).contains(&SystemClock.now()));
    }

    #[tokio::test]
    async fn every_service_reports_that_it_serves() {
        let directory = TempDir::new().unwrap();
        let running = started(&directory).await;
        let mut client = health_of(&running).await;
        for service in ["", "concenter.v1.JumpService", "concenter.admin.v1.TenantService"] {
            let answer: HealthCheckResponse = client.check(request(service)).await.unwrap().into_inner();
            assert_eq!(answer.status(), Reported::Serving, "{service}");
        }
        drop(client);
        running.shutdown().await;
    }

    #[tokio::test]
    async fn who_watches_our_health_hears_of_the_end_and_does_not_hold_it_up() {
        let directory = TempDir::new().unwrap();
        let running = started(&directory).await;
        let mut watch = health_of(&running).await.watch(request("")).await.unwrap().into_inner();
        assert_eq!(watch.message().await.unwrap().unwrap().status(), Reported::Serving);

        let begun = tokio::time::Instant::now();
        let ((), heard) = tokio::join!(running.shutdown(), async move {
            let last = watch.message().await.unwrap().unwrap().status();
            (last, watch.message().await.unwrap())
        });
        assert_eq!(heard, (Reported::NotServing, None));
        assert!(begun.elapsed() < DRAIN);
    }

    #[tokio::test]
    async fn a_second_start_on_the_same_data_is_told_who_holds_it() {
        let directory = TempDir::new().unwrap();
        let running = started(&directory).await;
        let refused = Server::start(ServerSettings::local(directory.path().to_owned())).await.err();
        let holder = std::process::id();
        let Some(StartError::Store(OpenError::Sqlite(refused))) = refused else { panic!("not for its database") };
        assert!(matches!(refused, sqlite::OpenError::Held { pid: Some(pid), .. } if pid == holder));
        running.shutdown().await;
    }

    #[tokio::test]
    async fn a_token_is_good_after_a_restart() {
        let directory = TempDir::new().unwrap();
        let Outside { clock, random, keks: _ } = Outside::system();
        let grant = CallerGrant {
            subject: SubjectId::parse("ops").unwrap(),
            roles: vec![Role::Operator],
            tenant: None,
            broker_id: None,
            customer_id: None,
            target_audience: None,
            bound_to: None,
            life: Duration::from_secs(60),
        };
        let first = started(&directory).await;
        let token = first.caller_tokens.mint(&grant, clock.now(), &*random).unwrap();
        first.shutdown().await;

        let second = started(&directory).await;
        assert!(second.caller_tokens.verify(&token, clock.now()).is_ok());
        second.shutdown().await;
    }

    #[tokio::test]
    async fn an_address_in_use_is_refused_and_leaves_the_data_free() {
        let directory = TempDir::new().unwrap();
        let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let settings = ServerSettings {
            grpc_addr: other.local_addr().unwrap(),
            ..ServerSettings::local(directory.path().to_owned())
        };
        let refused = Server::start(settings).await.err();
        assert!(matches!(refused, Some(StartError::Bind { listener: "gRPC", .. })));
        started(&directory).await.shutdown().await;
    }
}
