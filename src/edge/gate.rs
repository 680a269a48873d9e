//! The gate: nothing passes without a row in the policy table and a caller that the row lets through.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{HeaderMap, Request, Response};
use tonic::body::Body;
use tower::{Layer, Service};
use tracing::Span;

use super::authenticate::{authenticate, bearer_token, named_tenant};
use super::issuers::Issuers;
use super::policy::{self, Access, Row};
use super::{Buckets, Denial, Words};
use crate::app::App;
use crate::app::clock::ClockBehind;
use crate::domain::caller::{Caller, CertificateThumbprint, Role};
use crate::domain::error::Reason;
use crate::domain::ids::TenantId;
use crate::domain::profile::Profile;
use crate::domain::time::{Clock, Timestamp};
use crate::telemetry::metrics::Metrics;
use crate::token::{Callers, VerifiedCaller};

/// What a [`Gate`] is made of.
pub struct GateParts {
    /// Verifies callers' tokens.
    pub callers: Arc<Callers>,
    /// Where the keys of foreign issuers come from.
    pub issuers: Arc<Issuers>,
    /// Where refusals of known callers are written down.
    pub app: Arc<App>,
    /// What tells the time.
    pub clock: Arc<dyn Clock>,
    /// How often each may call.
    pub buckets: Buckets,
    /// How strict it is.
    pub profile: Profile,
    /// Where is counted whom nobody knows.
    pub metrics: Arc<Metrics>,
    /// How a denial looks on the wire, and what it says there.
    pub words: Words,
}

/// The layer that lets a call through with its [`Caller`], or answers it.
#[derive(Clone)]
pub struct Gate {
    parts: Arc<GateParts>,
}

impl Gate {
    /// Puts the gate together.
    #[must_use]
    pub fn new(parts: GateParts) -> Self {
        Self { parts: Arc::new(parts) }
    }
}

impl<S> Layer<S> for Gate {
    type Service = Gated<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Gated { parts: Arc::clone(&self.parts), inner }
    }
}

/// A service behind the gate.
#[derive(Clone)]
pub struct Gated<S> {
    parts: Arc<GateParts>,
    inner: S,
}

impl<S> Service<Request<Body>> for Gated<S>
where
    S: Service<Request<Body>, Response = Response<Body>> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let parts = Arc::clone(&self.parts);
        // The one that was asked whether it is ready, and a fresh one for the next call.
        let fresh = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, fresh);
        Box::pin(async move {
            let row = policy::find_in(parts.profile, request.uri().path());
            let certificate = request.extensions().get::<CertificateThumbprint>().copied();
            match parts.admit(Asked { row, headers: request.headers(), certificate }).await {
                Ok(caller) => {
                    request.extensions_mut().insert(caller);
                    inner.call(request).await
                }
                Err(turned_away) => Ok(parts.answer(turned_away)),
            }
        })
    }
}

/// What is asked for, and what a call says of who asks.
#[derive(Clone, Copy)]
struct Asked<'a> {
    /// The row of the method; none if there is no such method.
    row: Option<Row>,
    headers: &'a HeaderMap,
    /// The certificate of the client at the other end of the connection.
    certificate: Option<CertificateThumbprint>,
}

impl GateParts {
    /// Finds out who calls, and writes down if he may not.
    async fn admit(&self, asked: Asked<'_>) -> Result<Caller, TurnedAway> {
        let row = asked.row;
        if row.is_some_and(|row| row.access != Access::Anyone) {
            // Before the credential: one that is over would be good again.
            self.app.check_clock().map_err(|ClockBehind { by }| TurnedAway::Stranger(Denial::ClockBehind { by }))?;
        }
        match self.judge_with_keys(asked).await {
            Verdict::Admitted(caller) => {
                note_caller(&caller);
                self.count(row, &caller).map_err(TurnedAway::Known)?;
                Ok(caller)
            }
            Verdict::Refused(caller, reason) => {
                note_caller(&caller);
                // First, because each refusal is a row.
                self.count(row, &caller).map_err(TurnedAway::Known)?;
                Err(TurnedAway::Known(self.refuse_known(&caller, reason).await))
            }
            Verdict::Denied(denial) => {
                // A line, not a row: whoever floods us with it must not fill the audit log.
                tracing::info!(kind = ?denial, "edge.denied");
                Err(TurnedAway::Stranger(denial))
            }
        }
    }

    /// The answer to who was turned away; a stranger is counted, as he has no row in anybody's log.
    fn answer(&self, turned_away: TurnedAway) -> Response<Body> {
        let Words { render, ending } = self.words;
        match turned_away {
            TurnedAway::Known(denial) => render(denial),
            TurnedAway::Stranger(denial) => {
                let answer = render(denial);
                if let Some(reason) = ending(&answer).refusal() {
                    self.metrics.refused_anonymous(reason);
                }
                answer
            }
        }
    }

    /// Judges a call, and once more if the key of its credential was not known and its issuer knows it.
    async fn judge_with_keys(&self, asked: Asked<'_>) -> Verdict {
        let verdict = judge(asked, &self.callers, self.profile, self.clock.now());
        let is_about_a_key = matches!(verdict, Verdict::Denied(Denial::CredentialInvalid | Denial::IssuerUnavailable));
        if is_about_a_key
            && let Ok(token) = bearer_token(asked.headers)
            && self.learn_key_of(token).await
        {
            return judge(asked, &self.callers, self.profile, self.clock.now());
        }
        verdict
    }

    /// Asks whoever knows for the key that a token names, if that is not known. Tells whether it is now.
    async fn learn_key_of(&self, token: &str) -> bool {
        match self.callers.unknown_kid(token, self.clock.now()) {
            Some(kid) => self.app.learn_signing_key(&kid).await,
            None => self.issuers.learn_key_of(token, &self.callers).await,
        }
    }

    /// Counts a call of somebody known. One too many is a line and a number, and no row: whoever floods us must not fill the
    /// audit log, and to refuse him must cost less than to serve him.
    fn count(&self, row: Option<Row>, caller: &Caller) -> Result<(), Denial> {
        let Some(row) = row else { return Ok(()) };
        self.buckets.take(&row, caller).map_err(|wait| {
            let millis = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
            tracing::info!(millis, refused = self.buckets.refused(), "edge.rate.refused");
            Denial::TooOften { wait }
        })
    }

    /// The answer to a known caller who may not. The audit row comes first; without it he is not told.
    async fn refuse_known(&self, caller: &Caller, refusal: Refusal) -> Denial {
        let (reason, denial) = match refusal {
            Refusal::Role => (Reason::Role, Denial::Role),
            Refusal::Tenant => (Reason::TenantMismatch, Denial::Tenant),
        };
        match self.app.record_denial(caller, reason).await {
            Ok(()) => denial,
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "edge.denial.not_recorded");
                Denial::AuditUnavailable
            }
        }
    }
}

/// What the table and the credential say of a call.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    /// He may.
    Admitted(Caller),
    /// He is known, and may not.
    Refused(Caller, Refusal),
    /// Nobody knows who it is, or what he wants.
    Denied(Denial),
}

/// Who was turned away, and with what.
#[derive(Debug, Clone, Copy)]
enum TurnedAway {
    /// Somebody known.
    Known(Denial),
    /// Nobody knows who.
    Stranger(Denial),
}

/// Why a known caller may not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refusal {
    /// The method is not for his role, or the role not for a credential like his.
    Role,
    /// He names a tenant that his credential is not for, or none of several.
    Tenant,
}

/// Looks up the method, then who calls it, then for which tenant.
fn judge(asked: Asked<'_>, callers: &Callers, profile: Profile, now: Timestamp) -> Verdict {
    let Asked { row, headers, certificate } = asked;
    let Some(row) = row else {
        return Verdict::Denied(Denial::UnknownMethod);
    };
    let Access::Roles(roles) = row.access else {
        return Verdict::Admitted(Caller::Anonymous);
    };
    let verified = match authenticate(headers, certificate, callers, now) {
        Ok(verified) => verified,
        Err(denial) => return Verdict::Denied(denial),
    };
    let chosen = named_tenant(headers).and_then(|named| verified.tenant(named));
    let (tenant, refusal) = match chosen {
        Ok(tenant) => (tenant, Refusal::Role),
        // Written down in the log of the first of his own: that of another one is not his to write to.
        Err(_) => (verified.tenants.first().copied(), Refusal::Tenant),
    };
    match (first_fitting(&verified, roles, tenant), first_fitting(&verified, &verified.roles, tenant)) {
        (Some(caller), _) if refusal == Refusal::Role && is_bound_enough(&verified, &caller, profile) => {
            Verdict::Admitted(caller)
        }
        (Some(caller), _) | (None, Some(caller)) => Verdict::Refused(caller, refusal),
        // Not one role that has what it needs: the credential says nothing of anybody.
        (None, None) => Verdict::Denied(Denial::CredentialInvalid),
    }
}

/// Whether a stolen credential would be of no use to somebody else where that is demanded: in production of a target, to whom
/// passwords go.
fn is_bound_enough(verified: &VerifiedCaller, caller: &Caller, profile: Profile) -> bool {
    !profile.is_production() || caller.role() != Some(Role::Target) || verified.bound_to.is_some()
}

/// The caller in the first of `roles` that his credential carries, with everything that the role needs.
fn first_fitting(verified: &VerifiedCaller, roles: &[Role], tenant: Option<TenantId>) -> Option<Caller> {
    roles.iter().find_map(|role| verified.as_caller(*role, tenant))
}

/// Puts role and tenant into the call's span; never the subject, which stands for a person.
fn note_caller(caller: &Caller) {
    let span = Span::current();
    if let Some(role) = caller.role() {
        span.record("role", role.as_str());
    }
    if let Caller::Tenant { tenant, .. } = caller {
        span.record("tenant", tracing::field::display(tenant));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::HeaderValue;
    use http::header::AUTHORIZATION;

    use super::*;
    use crate::domain::caller::TenantRole;
    use crate::domain::ids::{BrokerId, Random, SubjectId, TargetId, TenantId};
    use crate::token::{CallerGrant, CallerTokens, KeyRing, SigningKey};

    const NOW: Timestamp = Timestamp::from_unix_seconds(1_800_000_000);
    const JUMP: &str = "/concenter.v1.JumpService/JumpToTarif";
    const REDEEM: &str = "/concenter.v1.JumpService/RedeemJump";
    const JWKS: &str = "/concenter.v1.JumpService/GetJwks";

    struct Ones;

    impl Random for Ones {
        fn fill(&self, destination: &mut [u8]) {
            destination.fill(1);
        }
    }

    fn issuer() -> Arc<CallerTokens> {
        let (key, _) = SigningKey::generate().unwrap();
        let ring = Arc::new(KeyRing::of(key));
        Arc::new(CallerTokens::new(ring, "urn:test:issuer".to_owned(), "urn:test:service".to_owned()))
    }

    /// Those who may come with a token of `issuer`.
    fn callers(issuer: &Arc<CallerTokens>) -> Callers {
        Callers::new(Arc::clone(issuer), Vec::new()).unwrap()
    }

    fn tenant() -> TenantId {
        TenantId::parse("019a0b6e-6a00-7000-8000-000000000001").unwrap()
    }

    fn subject() -> SubjectId {
        SubjectId::parse("somebody").unwrap()
    }

    fn broker() -> BrokerId {
        BrokerId::parse("b-1").unwrap()
    }

    /// Somebody of the tenant, with these roles.
    fn grant(roles: &[Role]) -> CallerGrant {
        CallerGrant {
            subject: subject(),
            roles: roles.to_vec(),
            tenant: Some(tenant()),
            broker_id: Some(broker()),
            customer_id: None,
            target_audience: None,
            bound_to: None,
            life: Duration::from_secs(60),
        }
    }

    fn within(role: TenantRole) -> Caller {
        Caller::Tenant { tenant: tenant(), role, subject: subject() }
    }

    fn bearing(token: &str) -> HeaderMap {
        let value = HeaderValue::from_str(&format!("Bearer {token}")).unwrap();
        HeaderMap::from_iter([(AUTHORIZATION, value)])
    }

    /// A call to `path` over a connection without a certificate.
    fn asked<'a>(path: &str, headers: &'a HeaderMap) -> Asked<'a> {
        Asked { row: policy::find(path), headers, certificate: None }
    }

    /// What becomes of a call to `path` by whom `grant` describes.
    fn verdict(path: &str, grant: &CallerGrant) -> Verdict {
        let issuer = issuer();
        let token = issuer.mint(grant, NOW, &Ones).unwrap();
        judge(asked(path, &bearing(&token)), &callers(&issuer), Profile::Development, NOW)
    }

    #[test]
    fn a_caller_with_the_role_is_admitted() {
        assert_eq!(verdict(JUMP, &grant(&[Role::Portal])), Verdict::Admitted(within(TenantRole::Portal)));
    }

    #[test]
    fn a_caller_without_the_role_is_refused_by_name() {
        assert_eq!(
            verdict(REDEEM, &grant(&[Role::Portal])),
            Verdict::Refused(within(TenantRole::Portal), Refusal::Role)
        );
        let target = TargetId::parse("tarif").unwrap();
        let grant = CallerGrant {
            tenant: None,
            broker_id: None,
            target_audience: Some(target.clone()),
            ..grant(&[Role::Target])
        };
        let caller = Caller::Target { audience: target, subject: subject() };
        assert_eq!(verdict(REDEEM, &grant), Verdict::Admitted(caller.clone()));
        assert_eq!(verdict(JUMP, &grant), Verdict::Refused(caller, Refusal::Role));
    }

    #[test]
    fn of_several_roles_the_first_of_the_row_counts() {
        let both = grant(&[Role::Broker, Role::Admin, Role::Portal]);
        assert_eq!(verdict(JUMP, &both), Verdict::Admitted(within(TenantRole::Portal)));
        let broker_and_admin = grant(&[Role::Admin, Role::Broker]);
        assert_eq!(verdict(JUMP, &broker_and_admin), Verdict::Admitted(within(TenantRole::Broker(broker()))));
    }

    #[test]
    fn an_unknown_method_is_denied_whoever_calls() {
        let path = "/concenter.v1.JumpService/JumpAnywhere";
        assert_eq!(verdict(path, &grant(&[Role::Admin])), Verdict::Denied(Denial::UnknownMethod));
        assert_eq!(
            judge(asked(path, &HeaderMap::new()), &callers(&issuer()), Profile::Development, NOW),
            Verdict::Denied(Denial::UnknownMethod)
        );
    }

    #[test]
    fn a_call_without_a_credential_is_denied() {
        let verdict = judge(asked(JUMP, &HeaderMap::new()), &callers(&issuer()), Profile::Development, NOW);
        assert_eq!(verdict, Verdict::Denied(Denial::CredentialMissing));
    }

    #[test]
    fn a_token_of_another_issuer_is_denied() {
        let token = issuer().mint(&grant(&[Role::Portal]), NOW, &Ones).unwrap();
        let verdict = judge(asked(JUMP, &bearing(&token)), &callers(&issuer()), Profile::Development, NOW);
        assert_eq!(verdict, Verdict::Denied(Denial::CredentialInvalid));
    }

    #[test]
    fn a_token_is_denied_six_seconds_after_its_end() {
        let issuer = issuer();
        let token = issuer.mint(&grant(&[Role::Portal]), NOW, &Ones).unwrap();
        let late = NOW.plus(Duration::from_secs(66));
        assert_eq!(
            judge(asked(JUMP, &bearing(&token)), &callers(&issuer), Profile::Development, late),
            Verdict::Denied(Denial::CredentialExpired)
        );
    }

    #[test]
    fn where_anyone_may_call_a_credential_is_not_looked_at() {
        for headers in [HeaderMap::new(), bearing("not.a.token")] {
            assert_eq!(
                judge(asked(JWKS, &headers), &callers(&issuer()), Profile::Development, NOW),
                Verdict::Admitted(Caller::Anonymous)
            );
        }
    }

    #[test]
    fn what_a_client_says_of_himself_changes_nothing() {
        let issuer = issuer();
        let mut headers = bearing(&issuer.mint(&grant(&[Role::Portal]), NOW, &Ones).unwrap());
        let plain = judge(asked(JUMP, &headers), &callers(&issuer), Profile::Development, NOW);
        for name in ["x-tenant-id", "x-actor", "x-forwarded-client-cert", "x-role"] {
            headers.insert(name, HeaderValue::from_static("operator"));
        }
        assert_eq!(judge(asked(JUMP, &headers), &callers(&issuer), Profile::Development, NOW), plain);
    }

    fn thumbprint(byte: u8) -> CertificateThumbprint {
        CertificateThumbprint([byte; 32])
    }

    /// A06
    #[test]
    fn a_bound_credential_is_good_with_its_certificate_alone_however_often_it_was_verified() {
        let issuer = issuer();
        let callers = callers(&issuer);
        let bound = CallerGrant { bound_to: Some(thumbprint(1)), ..grant(&[Role::Portal]) };
        let headers = bearing(&issuer.mint(&bound, NOW, &Ones).unwrap());
        let admitted = Verdict::Admitted(within(TenantRole::Portal));
        let refused = Verdict::Denied(Denial::CredentialBinding);
        let cases = [(None, &refused), (Some(2), &refused), (Some(1), &admitted)];
        for (certificate, expected) in cases.into_iter().chain(cases) {
            let asked = Asked { certificate: certificate.map(thumbprint), ..asked(JUMP, &headers) };
            assert_eq!(judge(asked, &callers, Profile::Development, NOW), *expected, "{certificate:?}");
        }
    }

    /// J23
    #[test]
    fn in_production_a_target_is_taken_with_a_bound_credential_alone() {
        let issuer = issuer();
        let callers = callers(&issuer);
        let target = TargetId::parse("tarif").unwrap();
        let unbound = CallerGrant {
            tenant: None,
            broker_id: None,
            target_audience: Some(target.clone()),
            ..grant(&[Role::Target])
        };
        let bound = CallerGrant { bound_to: Some(thumbprint(1)), ..unbound.clone() };
        let verdict = |grant: &CallerGrant, profile| {
            let headers = bearing(&issuer.mint(grant, NOW, &Ones).unwrap());
            let asked = Asked { certificate: Some(thumbprint(1)), ..asked(REDEEM, &headers) };
            judge(asked, &callers, profile, NOW)
        };
        let caller = Caller::Target { audience: target, subject: subject() };
        assert_eq!(verdict(&unbound, Profile::Development), Verdict::Admitted(caller.clone()));
        assert_eq!(verdict(&unbound, Profile::Production), Verdict::Refused(caller.clone(), Refusal::Role));
        assert_eq!(verdict(&bound, Profile::Production), Verdict::Admitted(caller));
    }

    #[test]
    fn in_production_others_than_targets_need_no_certificate() {
        let issuer = issuer();
        let headers = bearing(&issuer.mint(&grant(&[Role::Portal]), NOW, &Ones).unwrap());
        let verdict = judge(asked(JUMP, &headers), &callers(&issuer), Profile::Production, NOW);
        assert_eq!(verdict, Verdict::Admitted(within(TenantRole::Portal)));
    }

    /// What becomes of a call with a token of A that names tenants in `concenter-tenant`.
    fn naming(names: &[&str]) -> Verdict {
        let issuer = issuer();
        let mut headers = bearing(&issuer.mint(&grant(&[Role::Portal]), NOW, &Ones).unwrap());
        for name in names {
            headers.append("concenter-tenant", HeaderValue::from_str(name).unwrap());
        }
        judge(asked(JUMP, &headers), &callers(&issuer), Profile::Development, NOW)
    }

    #[test]
    fn a_call_may_name_the_tenant_of_its_credential_and_no_other() {
        let own = tenant().to_string();
        assert_eq!(naming(&[&own]), Verdict::Admitted(within(TenantRole::Portal)));
        let other = "019a0b6e-6a00-7000-8000-000000000002";
        for names in [&[other][..], &[&own, &own], &[&own, other], &[""], &["*"]] {
            assert_eq!(naming(names), Verdict::Refused(within(TenantRole::Portal), Refusal::Tenant), "{names:?}");
        }
    }

    #[test]
    fn an_operator_has_no_tenant_to_name() {
        let issuer = issuer();
        let grant = CallerGrant { tenant: None, broker_id: None, ..grant(&[Role::Operator]) };
        let mut headers = bearing(&issuer.mint(&grant, NOW, &Ones).unwrap());
        let path = "/concenter.admin.v1.TenantService/GetTenant";
        let operator = Caller::Operator { subject: subject() };
        assert_eq!(
            judge(asked(path, &headers), &callers(&issuer), Profile::Development, NOW),
            Verdict::Admitted(operator.clone())
        );
        headers.insert("concenter-tenant", HeaderValue::from_str(&tenant().to_string()).unwrap());
        assert_eq!(
            judge(asked(path, &headers), &callers(&issuer), Profile::Development, NOW),
            Verdict::Refused(operator, Refusal::Tenant)
        );
    }
}
