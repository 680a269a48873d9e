//! The gateway, as a target calls it: server to server, with a credential of its own.
//!
//! What comes back is checked here, once, so that the rest of the program works with what fits together. No redeem is
//! tried twice, as a lost answer may have used the jump up; but where the gateway did not take our credential.

use std::error::Error;
use std::time::Duration;

use tonic::transport::{Channel, ClientTlsConfig, Endpoint};
use tonic::{Code, Request, Response, Status};
use tonic_types::StatusExt as _;
use url::{Origin, Url};
use zeroize::{Zeroize as _, Zeroizing};

use crate::clock::Clock;
use crate::credential::{Bearer, Credential, ReadCredential};
use crate::proto::jump_service_client::JumpServiceClient;
use crate::proto::provider_scope::Scope;
use crate::proto::redeem_jump_request::Proof;
use crate::proto::{
    ActorRole, IntrospectJumpRequest, JumpResult, PersonKind, RedeemJumpRequest, RedeemJumpResponse,
    ReportJumpResultRequest, Segment, SessionLimits, SessionState,
};

/// Patience with one call. The gateway itself gives up after 10 s.
const PATIENCE: Duration = Duration::from_secs(12);
/// Patience with a connection.
const CONNECT: Duration = Duration::from_secs(5);
/// Who gives the reasons of refusals that are read here: `domain` of `google.rpc.ErrorInfo`.
const DOMAIN: &str = "concenter";

/// How long a report waits that did not arrive, before each time that it is tried again.
const REPORT_PAUSES: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(10), Duration::from_mins(1)];

/// Calls the gateway.
pub struct Gateway {
    jumps: JumpServiceClient<Channel>,
    credential: Credential,
}

/// Why the gateway cannot be called.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// The address is none. It is not repeated: somebody may have put a password into it.
    #[error("the gateway's address is none: give http://HOST:PORT or https://HOST:PORT")]
    Url,
    /// The credential and the passwords would cross the network as they are.
    #[error("plain http carries passwords in the open, so the gateway is called by it on this machine only: use https")]
    PlainHttp,
    /// The credential is none.
    #[error("the credential is none: it is one line of visible characters")]
    Credential,
    /// The credential is not to be had.
    #[error("the credential cannot be read")]
    NoCredential(#[source] Box<dyn Error + Send + Sync>),
    /// The certificates do not fit.
    #[error("the certificates for the gateway cannot be used")]
    Tls(#[source] tonic::transport::Error),
}

impl Gateway {
    /// A gateway at this address. The connection is made when it is first needed, and again when it broke.
    ///
    /// # Errors
    /// [`GatewayError`].
    pub fn new(
        url: &Url,
        read_credential: Box<ReadCredential>,
        tls: Option<ClientTlsConfig>,
    ) -> Result<Self, GatewayError> {
        let is_https = match url.scheme() {
            "https" => true,
            "http" => false,
            _ => return Err(GatewayError::Url),
        };
        let is_bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
        if !is_bare || !url.username().is_empty() || url.password().is_some() {
            return Err(GatewayError::Url);
        }
        if !is_https && !is_loopback(url) {
            return Err(GatewayError::PlainHttp);
        }
        let mut endpoint = Endpoint::from_shared(url.as_str().to_owned()).map_err(|_| GatewayError::Url)?;
        if is_https {
            let tls = tls.unwrap_or_else(|| ClientTlsConfig::new().with_native_roots());
            endpoint = endpoint.tls_config(tls).map_err(GatewayError::Tls)?;
        }
        Self::over(endpoint.timeout(PATIENCE).connect_timeout(CONNECT).connect_lazy(), read_credential)
    }

    /// A gateway at the end of a connection that somebody else answers for.
    ///
    /// # Errors
    /// [`GatewayError`], of the credential.
    pub fn over(channel: Channel, read_credential: Box<ReadCredential>) -> Result<Self, GatewayError> {
        Ok(Self { jumps: JumpServiceClient::new(channel), credential: Credential::new(read_credential)? })
    }

    /// Redeems what the browser brought, with the nonce of its session if it has one.
    ///
    /// # Errors
    /// [`RedeemError`]; then nothing may be shown, set or stored for it.
    pub(crate) async fn redeem(&self, token: String, nonce: Option<String>) -> Result<Redeemed, RedeemError> {
        let request = RedeemJumpRequest { proof: Some(Proof::Token(token)), nonce };
        let answer = self.call(request, async |mut jumps, request| jumps.redeem_jump(request).await).await;
        Redeemed::read(answer.map_err(|status| RedeemError::of(&status))?).ok_or_else(|| {
            tracing::error!("gateway.redeem.unreadable");
            RedeemError::Unavailable
        })
    }

    /// Asks whether a session may go on.
    ///
    /// # Errors
    /// [`Unreachable`]: nobody knows.
    pub(crate) async fn introspect(&self, session: &str) -> Result<Standing, Unreachable> {
        let request = IntrospectJumpRequest { session: session.to_owned() };
        let answer = match self.call(request, async |mut jumps, request| jumps.introspect_jump(request).await).await {
            Ok(answer) => answer,
            // To us it is gone, for whatever reason.
            Err(status) if status.code() == Code::NotFound => return Ok(Standing::Over),
            Err(status) => {
                tracing::warn!(code = ?status.code(), "gateway.introspect.failed");
                return Err(Unreachable);
            }
        };
        Ok(match (answer.state(), answer.session_limits.as_ref().and_then(Limits::read)) {
            (SessionState::Active, Some(limits)) => Standing::Active(limits),
            // A state that nobody knows yet is none to go on with.
            _ => Standing::Over,
        })
    }

    /// Tells how the login of a jump went, several times if it must be. That it does not arrive changes nothing for the person,
    /// so it is only logged.
    pub(crate) async fn report(&self, request_id: String, session: String, succeeded: bool, clock: &dyn Clock) {
        let result = if succeeded { JumpResult::LoginSucceeded } else { JumpResult::LoginFailed };
        let request = ReportJumpResultRequest { request_id, session, result: result.into() };
        let mut pauses = REPORT_PAUSES.into_iter();
        loop {
            let answer = self.call(request.clone(), async |mut jumps, request| jumps.report_jump_result(request).await);
            let Err(status) = answer.await else { return };
            tracing::warn!(code = ?status.code(), "gateway.report.failed");
            // The other refusals are the gateway's last word.
            let may_pass = matches!(
                status.code(),
                Code::Unavailable
                    | Code::DeadlineExceeded
                    | Code::Cancelled
                    | Code::ResourceExhausted
                    | Code::Unauthenticated
            );
            match pauses.next() {
                Some(pause) if may_pass => clock.pause(pause).await,
                _ => return,
            }
        }
    }

    /// Calls with our credential. If it is not taken, nothing was done but to look at it: then once more with the one that has
    /// taken its place.
    async fn call<Q: Clone, A>(
        &self,
        message: Q,
        call: impl AsyncFn(JumpServiceClient<Channel>, Request<Q>) -> Result<Response<A>, Status>,
    ) -> Result<A, Status> {
        let credential = self.credential.current();
        let mut answer = call(self.jumps.clone(), signed(message.clone(), credential.clone())).await;
        if is_unauthenticated(&answer)
            && let Some(renewed) = self.credential.renewed(&credential)
        {
            answer = call(self.jumps.clone(), signed(message, renewed)).await;
        }
        if let Err(status) = &answer
            && status.code() == Code::Unauthenticated
        {
            // Until somebody mints another one nobody gets in.
            tracing::error!(reason = reason(status), "gateway.credential.refused");
        }
        answer.map(Response::into_inner)
    }
}

fn signed<T>(message: T, credential: Bearer) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("authorization", credential);
    request
}

fn is_unauthenticated<T>(answer: &Result<T, Status>) -> bool {
    answer.as_ref().is_err_and(|status| status.code() == Code::Unauthenticated)
}

/// The gateway's reason for a refusal, if it is one of its own.
fn reason(status: &Status) -> String {
    let info = status.get_details_error_info().filter(|info| info.domain == DOMAIN);
    info.map(|info| info.reason).unwrap_or_default()
}

/// Tells whether the URL names this machine.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// The gateway did not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unreachable;

/// Whether a session may go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It may, within these limits; they may have become shorter.
    Active(Limits),
    /// It was revoked, or its time is over.
    Over,
}

/// Why a jump was not redeemed; each has a page of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RedeemError {
    /// Not authentic, not for us, or with another nonce.
    Invalid,
    /// Used before.
    Used,
    /// Too late.
    Expired,
    /// What it was decided on has changed.
    Revoked,
    /// The password does not open, or con:center no longer takes it.
    Password,
    /// Nothing was handed over, and perhaps the jump is used up.
    Unavailable,
}

impl RedeemError {
    /// All of them.
    pub(crate) const ALL: [Self; 6] =
        [Self::Invalid, Self::Used, Self::Expired, Self::Revoked, Self::Password, Self::Unavailable];

    fn of(status: &Status) -> Self {
        let reason = reason(status);
        // Code and reason are names of the contract; nothing of the request is in them.
        tracing::info!(code = ?status.code(), reason, "gateway.redeem.refused");
        match reason.as_str() {
            "JUMP_INVALID" | "FIELD_INVALID" => Self::Invalid,
            "JUMP_ALREADY_REDEEMED" => Self::Used,
            "JUMP_EXPIRED" => Self::Expired,
            "JUMP_REVOKED" => Self::Revoked,
            "SECRET_CORRUPT" | "CREDENTIAL_SUSPECT" => Self::Password,
            _ => Self::Unavailable,
        }
    }
}

/// What a redeem hands over.
pub(crate) struct Redeemed {
    /// What to log in with. Absent where the target is not registered to get passwords.
    pub(crate) login: Option<Login>,
    /// What the session may do.
    pub(crate) grant: Grant,
}

/// A con:center user to log in with. It is used and dropped.
pub(crate) struct Login {
    pub(crate) user_name: String,
    pub(crate) password: Zeroizing<String>,
}

/// What a session may do, and for whom. Nothing of it opens anything.
#[derive(Debug, Clone)]
pub(crate) struct Grant {
    /// The gateway's name of the session.
    pub(crate) session: String,
    /// The person; data is kept apart by it and by nothing else.
    pub(crate) subject: String,
    /// What he is.
    pub(crate) person: Person,
    /// What the human at the screen is, where he is somebody else.
    pub(crate) actor: Option<ActorRole>,
    /// Line of business to open: three digits.
    pub(crate) line_of_business: Option<String>,
    /// Product providers that may be offered.
    pub(crate) providers: Providers,
    /// Product provider to open.
    pub(crate) provider: Option<String>,
    /// Page to open.
    pub(crate) page: Option<String>,
    /// Where to send the browser afterwards.
    pub(crate) return_url: Option<Url>,
    /// How long it may last.
    pub(crate) limits: Limits,
}

/// The person of a jump.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Person {
    Broker,
    PrivateCustomer,
    CommercialCustomer,
}

/// Product providers that may be offered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Providers {
    All,
    Only(Vec<String>),
}

impl Providers {
    /// Tells whether this one may be offered.
    pub(crate) fn allow(&self, provider: &str) -> bool {
        match self {
            Self::All => true,
            Self::Only(only) => only.iter().any(|id| id == provider),
        }
    }
}

/// How long a session may last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Without a click.
    pub(crate) idle: Duration,
    /// In all.
    pub(crate) absolute: Duration,
}

impl Limits {
    fn read(limits: &SessionLimits) -> Option<Self> {
        let length = |duration: Option<prost_types::Duration>| Duration::try_from(duration?).ok();
        Some(Self { idle: length(limits.idle)?, absolute: length(limits.absolute)? })
    }

    /// The shorter of each.
    pub(crate) fn shortened(self, other: Self) -> Self {
        Self { idle: self.idle.min(other.idle), absolute: self.absolute.min(other.absolute) }
    }
}

impl Redeemed {
    /// Reads an answer; `None` if something is missing without which there can be no session.
    fn read(mut answer: RedeemJumpResponse) -> Option<Self> {
        let password = answer.password.take().map(Zeroizing::new);
        let user_name = std::mem::take(&mut answer.concenter_user_name);
        // What the portal says for calculators that understand it; this one does not.
        answer.context.zeroize();
        let person = match (answer.person_kind(), answer.segment()) {
            (PersonKind::Broker, _) => Person::Broker,
            (PersonKind::Customer, Segment::Private) => Person::PrivateCustomer,
            (PersonKind::Customer, Segment::Commercial) => Person::CommercialCustomer,
            _ => return None,
        };
        let providers = match answer.provider_scope.and_then(|scope| scope.scope)? {
            Scope::All(_) => Providers::All,
            Scope::Only(only) => Providers::Only(only.product_provider_ids),
        };
        let return_url = match &answer.return_url {
            None => None,
            Some(url) => Some(Url::parse(url).ok().filter(|url| matches!(url.origin(), Origin::Tuple(..)))?),
        };
        let is_named = !answer.subject.is_empty() && !answer.session.is_empty();
        let grant = Grant {
            session: answer.session,
            subject: answer.subject,
            person,
            actor: answer.actor.map(|actor| actor.role()),
            line_of_business: answer.line_of_business,
            providers,
            provider: answer.product_provider_id,
            page: answer.target_page,
            return_url,
            limits: Limits::read(answer.session_limits.as_ref()?)?,
        };
        let login = password.map(|password| Login { user_name, password });
        is_named.then_some(Self { login, grant })
    }
}
