//! The gateway, played: it answers what a test told it to, and remembers what it was asked.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tarifrechner::proto;
use tarifrechner::proto::provider_scope::{Only, Scope};
use tarifrechner::proto::redeem_jump_request::Proof;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::{Server, ServerTlsConfig};
use tonic::{Code, Request, Response, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

/// The generated server, over the messages of the calculator's own client.
#[expect(
    clippy::pedantic,
    clippy::allow_attributes,
    clippy::allow_attributes_without_reason,
    reason = "the generators write in their own style"
)]
mod server {
    include!(concat!(env!("OUT_DIR"), "/fake/concenter.v1.rs"));
}

use server::jump_service_server::{JumpService, JumpServiceServer};

/// The credential that the gateway wants.
pub const CREDENTIAL: &str = "credential-4f1d";
/// The password that a redeem hands over.
pub const PASSWORD: &str = "password-77aa";
/// The con:center user of a redeem.
pub const USER: &str = "privatkunden-33bb";

/// What the gateway was asked, and what it is to answer.
#[derive(Default)]
struct Told {
    /// By token; a jump is redeemed once.
    jumps: HashMap<String, Result<proto::RedeemJumpResponse, Refusal>>,
    redeems: Vec<(String, Option<String>)>,
    standings: VecDeque<Result<proto::IntrospectJumpResponse, Refusal>>,
    introspects: Vec<String>,
    reports: Vec<proto::ReportJumpResultRequest>,
    reports_fail: bool,
}

/// A refusal: its code, and its reason if it is one of the gateway's.
pub type Refusal = (Code, Option<&'static str>);

/// The gateway, running.
pub struct FakeGateway {
    told: Arc<Mutex<Told>>,
    pub url: String,
    _stop: oneshot::Sender<()>,
}

impl FakeGateway {
    /// Starts on any free port; ends when it is dropped.
    pub async fn start() -> Self {
        Self::start_on("http", Server::builder()).await
    }

    /// The same over TLS.
    pub async fn start_with_tls(tls: ServerTlsConfig) -> Self {
        Self::start_on("https", Server::builder().tls_config(tls).expect("good certificates")).await
    }

    async fn start_on(scheme: &str, mut server: Server) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("{scheme}://{}", listener.local_addr().expect("an address"));
        let told = Arc::new(Mutex::new(Told::default()));
        let (stop, stopped) = oneshot::channel::<()>();
        let service = JumpServiceServer::new(Service(Arc::clone(&told)));
        tokio::spawn(async move {
            let until = async { drop(stopped.await) };
            server
                .add_service(service)
                .serve_with_incoming_shutdown(TcpListenerStream::new(listener), until)
                .await
                .expect("the gateway runs");
        });
        Self { told, url, _stop: stop }
    }

    /// This token is a jump that hands this over.
    pub fn put_jump(&self, token: &str, answer: proto::RedeemJumpResponse) {
        self.told().jumps.insert(token.to_owned(), Ok(answer));
    }

    /// This token is refused.
    pub fn put_refusal(&self, token: &str, code: Code, reason: Option<&'static str>) {
        self.told().jumps.insert(token.to_owned(), Err((code, reason)));
    }

    /// What the next introspections answer, in turn; after that sessions are active.
    pub fn put_standing(&self, standing: Result<proto::IntrospectJumpResponse, Refusal>) {
        self.told().standings.push_back(standing);
    }

    /// No report is taken any more.
    pub fn fail_reports(&self) {
        self.told().reports_fail = true;
    }

    /// Tokens and nonces that came to be redeemed.
    pub fn redeems(&self) -> Vec<(String, Option<String>)> {
        self.told().redeems.clone()
    }

    /// Sessions that were asked about.
    pub fn introspects(&self) -> Vec<String> {
        self.told().introspects.clone()
    }

    /// Results that were reported.
    pub fn reports(&self) -> Vec<proto::ReportJumpResultRequest> {
        self.told().reports.clone()
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().expect("nobody panicked")
    }
}

/// What a redeem hands over for a private customer of this subject.
pub fn private_customer(subject: &str) -> proto::RedeemJumpResponse {
    proto::RedeemJumpResponse {
        jump_id: "0190f5fe-7c00-7a8d-8d2e-5b1d3f4a5b6c".to_owned(),
        concenter_user_name: USER.to_owned(),
        password: Some(PASSWORD.to_owned()),
        subject: subject.to_owned(),
        person_kind: proto::PersonKind::Customer.into(),
        end_customer: true,
        segment: proto::Segment::Private.into(),
        provider_scope: Some(only(&["vergleicher"])),
        session_limits: Some(limits(900, 1800)),
        session: format!("session-of-{subject}"),
        ..Default::default()
    }
}

/// The same for a broker, who is offered everything.
pub fn broker(subject: &str) -> proto::RedeemJumpResponse {
    let mut answer = private_customer(subject);
    answer.person_kind = proto::PersonKind::Broker.into();
    answer.segment = proto::Segment::Unspecified.into();
    answer.end_customer = false;
    answer.provider_scope = Some(proto::ProviderScope { scope: Some(Scope::All(proto::provider_scope::All {})) });
    answer
}

/// These product providers and no other.
pub fn only(ids: &[&str]) -> proto::ProviderScope {
    let product_provider_ids = ids.iter().map(|id| (*id).to_owned()).collect();
    proto::ProviderScope { scope: Some(Scope::Only(Only { product_provider_ids })) }
}

/// Limits in seconds.
pub fn limits(idle: u64, absolute: u64) -> proto::SessionLimits {
    let seconds = |seconds| Duration::from_secs(seconds).try_into().ok();
    proto::SessionLimits { idle: seconds(idle), absolute: seconds(absolute) }
}

/// What an introspection answers of a session in this state.
pub fn standing(state: proto::SessionState, idle: u64, absolute: u64) -> proto::IntrospectJumpResponse {
    let session_limits = Some(limits(idle, absolute));
    proto::IntrospectJumpResponse { state: state.into(), session_limits, ..Default::default() }
}

fn status((code, reason): Refusal) -> Status {
    match reason {
        Some(reason) => {
            let details = ErrorDetails::with_error_info(reason, "concenter", HashMap::new());
            Status::with_error_details(code, "a refusal", details)
        }
        None => Status::new(code, "a refusal"),
    }
}

struct Service(Arc<Mutex<Told>>);

impl Service {
    /// What is told, for who has the credential.
    fn told<T>(&self, request: &Request<T>) -> Result<MutexGuard<'_, Told>, Status> {
        let wanted = format!("Bearer {CREDENTIAL}");
        let shown = request.metadata().get("authorization").and_then(|value| value.to_str().ok());
        if shown != Some(&wanted) {
            return Err(status((Code::Unauthenticated, Some("CREDENTIAL_MISSING"))));
        }
        Ok(self.0.lock().expect("nobody panicked"))
    }
}

#[tonic::async_trait]
impl JumpService for Service {
    async fn redeem_jump(
        &self,
        request: Request<proto::RedeemJumpRequest>,
    ) -> Result<Response<proto::RedeemJumpResponse>, Status> {
        let mut told = self.told(&request)?;
        let request = request.into_inner();
        let Some(Proof::Token(token)) = request.proof else { return Err(status((Code::InvalidArgument, None))) };
        told.redeems.push((token.clone(), request.nonce));
        let used = Err((Code::FailedPrecondition, Some("JUMP_ALREADY_REDEEMED")));
        match told.jumps.get_mut(&token) {
            None => Err(status((Code::PermissionDenied, Some("JUMP_INVALID")))),
            Some(Err(refusal)) => Err(status(*refusal)),
            Some(jump) => std::mem::replace(jump, used).map(Response::new).map_err(status),
        }
    }

    async fn report_jump_result(
        &self,
        request: Request<proto::ReportJumpResultRequest>,
    ) -> Result<Response<proto::ReportJumpResultResponse>, Status> {
        let mut told = self.told(&request)?;
        told.reports.push(request.into_inner());
        if told.reports_fail {
            return Err(status((Code::Unavailable, None)));
        }
        Ok(Response::new(proto::ReportJumpResultResponse {}))
    }

    async fn introspect_jump(
        &self,
        request: Request<proto::IntrospectJumpRequest>,
    ) -> Result<Response<proto::IntrospectJumpResponse>, Status> {
        let mut told = self.told(&request)?;
        told.introspects.push(request.into_inner().session);
        let active = || Ok(standing(proto::SessionState::Active, 900, 1800));
        told.standings.pop_front().unwrap_or_else(active).map(Response::new).map_err(status)
    }
}
