//! The gateway, played: it answers what a test told it to, and remembers what it was asked.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tarifrechner::proto;
use tarifrechner::proto::provider_scope::{Only, Scope};
use tarifrechner::proto::redeem_jump_request::Proof;
use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch};
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
    /// What it wants now.
    credential: String,
    /// By token; a jump is redeemed once.
    jumps: HashMap<String, Result<proto::RedeemJumpResponse, Refusal>>,
    redeems: Vec<(String, Option<String>)>,
    standings: VecDeque<Result<proto::IntrospectJumpResponse, Refusal>>,
    introspects: Vec<String>,
    reports: Vec<proto::ReportJumpResultRequest>,
    /// How many of the next reports are not taken.
    reports_to_fail: usize,
}

/// A call that a test may hold up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    /// A redeem that hands something over.
    Redeem,
    Introspect,
    Report,
}

/// A refusal: its code, and its reason if it is one of the gateway's.
pub type Refusal = (Code, Option<&'static str>);

/// The gateway, running.
pub struct FakeGateway {
    told: Arc<Mutex<Told>>,
    held: watch::Sender<Option<Call>>,
    asked: watch::Sender<()>,
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
        let told = Arc::new(Mutex::new(Told { credential: CREDENTIAL.to_owned(), ..Told::default() }));
        let (held, asked) = (watch::Sender::new(None), watch::Sender::new(()));
        let (stop, stopped) = oneshot::channel::<()>();
        let service =
            JumpServiceServer::new(Service { told: Arc::clone(&told), held: held.clone(), asked: asked.clone() });
        tokio::spawn(async move {
            let until = async { drop(stopped.await) };
            server
                .add_service(service)
                .serve_with_incoming_shutdown(TcpListenerStream::new(listener), until)
                .await
                .expect("the gateway runs");
        });
        Self { told, held, asked, url, _stop: stop }
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

    /// The next reports are not taken, so many of them.
    pub fn fail_reports(&self, count: usize) {
        self.told().reports_to_fail = count;
    }

    /// Another credential is wanted from now on.
    pub fn want_credential(&self, credential: &str) {
        credential.clone_into(&mut self.told().credential);
    }

    /// Answers this call to nobody, until [`Self::let_go`].
    pub fn hold(&self, call: Call) {
        self.held.send_replace(Some(call));
    }

    /// Answers again.
    pub fn let_go(&self) {
        self.held.send_replace(None);
    }

    /// Waits until so many calls of this kind have come.
    pub async fn until(&self, call: Call, count: usize) {
        let mut asked = self.asked.subscribe();
        let come = || match call {
            Call::Redeem => self.told().redeems.len(),
            Call::Introspect => self.told().introspects.len(),
            Call::Report => self.told().reports.len(),
        };
        while come() < count {
            asked.changed().await.expect("the gateway runs");
        }
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

struct Service {
    told: Arc<Mutex<Told>>,
    held: watch::Sender<Option<Call>>,
    asked: watch::Sender<()>,
}

impl Service {
    /// What is told, for who has the credential.
    fn told<T>(&self, request: &Request<T>) -> Result<MutexGuard<'_, Told>, Status> {
        let told = self.told.lock().expect("nobody panicked");
        let wanted = format!("Bearer {}", told.credential);
        let shown = request.metadata().get("authorization").and_then(|value| value.to_str().ok());
        if shown != Some(&wanted) {
            return Err(status((Code::Unauthenticated, Some("CREDENTIAL_EXPIRED"))));
        }
        Ok(told)
    }

    /// Tells who waits that a call was noted, and answers as soon as it may.
    async fn answer<T>(&self, call: Call, answer: Result<T, Refusal>) -> Result<Response<T>, Status> {
        self.asked.send_replace(());
        if call != Call::Redeem || answer.is_ok() {
            self.held.subscribe().wait_for(|held| *held != Some(call)).await.expect("the gateway runs");
        }
        answer.map(Response::new).map_err(status)
    }
}

#[tonic::async_trait]
impl JumpService for Service {
    async fn redeem_jump(
        &self,
        request: Request<proto::RedeemJumpRequest>,
    ) -> Result<Response<proto::RedeemJumpResponse>, Status> {
        let answer = {
            let mut told = self.told(&request)?;
            let request = request.into_inner();
            let Some(Proof::Token(token)) = request.proof else { return Err(status((Code::InvalidArgument, None))) };
            told.redeems.push((token.clone(), request.nonce));
            let used = Err((Code::FailedPrecondition, Some("JUMP_ALREADY_REDEEMED")));
            match told.jumps.get_mut(&token) {
                None => Err((Code::PermissionDenied, Some("JUMP_INVALID"))),
                Some(Err(refusal)) => Err(*refusal),
                Some(jump) => std::mem::replace(jump, used),
            }
        };
        self.answer(Call::Redeem, answer).await
    }

    async fn report_jump_result(
        &self,
        request: Request<proto::ReportJumpResultRequest>,
    ) -> Result<Response<proto::ReportJumpResultResponse>, Status> {
        let answer = {
            let mut told = self.told(&request)?;
            told.reports.push(request.into_inner());
            let fails = told.reports_to_fail > 0;
            told.reports_to_fail = told.reports_to_fail.saturating_sub(1);
            if fails { Err((Code::Unavailable, None)) } else { Ok(proto::ReportJumpResultResponse {}) }
        };
        self.answer(Call::Report, answer).await
    }

    async fn introspect_jump(
        &self,
        request: Request<proto::IntrospectJumpRequest>,
    ) -> Result<Response<proto::IntrospectJumpResponse>, Status> {
        let answer = {
            let mut told = self.told(&request)?;
            told.introspects.push(request.into_inner().session);
            let active = || Ok(standing(proto::SessionState::Active, 900, 1800));
            told.standings.pop_front().unwrap_or_else(active)
        };
        self.answer(Call::Introspect, answer).await
    }
}
