//! Redeeming: the mirror of issuing, for the target, server to server, at most once.
//!
//! [`App::redeem_jump`], from the proof to the answer:
//!
//! 1. the front door: a forged token costs no I/O;
//! 2. `store.redeem_inputs`: one read finds the jump, its user and his sealed secret;
//! 3. audience and nonce are compared; nothing is consumed by a request that is wrong;
//! 4. the credential is opened, so that a secret that does not open consumes nothing either;
//! 5. `store.redeem_jump`: one guarded UPDATE in which everything that the jump was decided on still holds. It alone
//!    says who has won;
//! 6. only then the credential leaves this function, at most once for a jump.

use tracing::{Instrument as _, debug_span};

use super::effects::{Deed, Introduced, Involved};
use super::users::with_place;
use super::{App, Call, Failure};
use crate::domain::audit::{Action, AuditEntry, AuditObject, AuditOutcome};
use crate::domain::caller::Caller;
use crate::domain::customer::Segment;
use crate::domain::error::Reason;
use crate::domain::ids::{AttemptId, JumpId, LineOfBusiness, ProviderId, TargetId, TenantId};
use crate::domain::jump::{
    ActorClaim, Context, JumpClaims, JumpState, Nonce, Person, PersonKind, ProofHash, RedeemAttempt, RedeemInputs,
    RedeemOutcome, RedeemQuery, RedeemUser, SessionLimits, Subject, TargetPage,
};
use crate::domain::provider::ProviderScope;
use crate::domain::target::WebUrl;
use crate::domain::text::UserName;
use crate::domain::time::Timestamp;
use crate::domain::user::UserKind;
use crate::secrets::{OpenError, Place, Secret, TenantKeys};
use crate::token::{self, InvalidCause, JumpTokenError, SubjectKind};

/// What a target presents.
pub enum Proof {
    /// The signed token, as it came out of the browser.
    Token(String),
    /// The opaque handle, as it came out of the browser.
    Handle(String),
}

/// What a target gets, once.
pub struct RedeemedJump {
    /// The jump.
    pub jump_id: JumpId,
    /// The tenant.
    pub tenant: TenantId,
    /// The name to log in with at con:center.
    pub user_name: UserName,
    /// The password to log in with; only for targets that it is handed to.
    pub password: Option<Secret>,
    /// The person's pairwise name at this target.
    pub subject: Subject,
    /// The human at the screen, where he is not the person.
    pub actor: Option<ActorClaim>,
    /// What the person is.
    pub person: PersonKind,
    /// The customer's segment; `None` for a broker.
    pub segment: Option<Segment>,
    /// For which line of business.
    pub line_of_business: Option<LineOfBusiness>,
    /// The product providers that may be offered.
    pub scope: ProviderScope,
    /// The product provider that was asked for.
    pub provider_id: Option<ProviderId>,
    /// Free text of the portal.
    pub context: Option<Context>,
    /// The pairwise name of the customer that a broker works for.
    pub customer_context: Option<Subject>,
    /// Where the browser goes in the end.
    pub return_url: Option<WebUrl>,
    /// Which page to open.
    pub target_page: Option<TargetPage>,
    /// How long the session may last.
    pub session: SessionLimits,
}

/// A proof that passed the front door: which jump it is for, and what it says.
struct Presented {
    tenant: TenantId,
    proof: ProofHash,
    /// What the token says; a handle says nothing.
    claims: Option<JumpClaims>,
    /// Why an authentic token comes too late, if it does. Its row is asked all the same: it may have been redeemed
    /// before, and then the session that it opened must end.
    too_late: Option<Reason>,
}

impl Presented {
    fn by(claims: JumpClaims, too_late: Option<Reason>) -> Self {
        let proof = token::jti_hash(&claims.jti);
        Self { tenant: claims.tenant, proof, claims: Some(claims), too_late }
    }
}

impl App {
    /// Consumes a jump and hands over what its target needs.
    ///
    /// # Errors
    /// Refused: `JumpInvalid` (one answer for everything that is not authentic, not for this target, or with another
    /// nonce), `JumpAlreadyRedeemed`, `JumpExpired`, `JumpRevoked`, `SecretCorrupt`.
    pub async fn redeem_jump(
        &self,
        call: &Call,
        proof: &Proof,
        nonce: Option<&Nonce>,
    ) -> Result<RedeemedJump, Failure> {
        let Caller::Target { audience, .. } = &call.caller else {
            return Err(Failure::CallerUnfit);
        };
        let now = self.now();
        let presented = self.front_door(call, audience, proof, now).await?;
        let people = Involved::caller_of(call)?.people();
        let query = RedeemQuery { proof: &presented.proof, people: &people, now };
        let read = self.store.redeem_inputs(&presented.tenant, query).instrument(debug_span!("store.redeem.inputs"));
        let Some(inputs) = read.await? else {
            return self.without_row(call, &presented, now).await;
        };
        if let Some(reason) = mismatch(&presented, audience, nonce, &inputs) {
            return self.refuse(call, &presented.tenant, now, reason).await;
        }

        let keys = self.open_keys(&presented.tenant, &inputs.keys).await?;
        let password = match open_credential(&presented.tenant, &keys, &inputs) {
            Err(Failure::Refused(refusal)) => {
                return self.refuse(call, &presented.tenant, now, refusal.reason).await;
            }
            opened => opened?,
        };

        let attempt = RedeemAttempt {
            attempt_id: AttemptId::new(now, &*self.random),
            jump_id: inputs.jump.jump_id,
            target_id: audience.clone(),
            at: now,
        };
        let entry = self.redeem_entry(call, &presented.tenant, &inputs, now).await?;
        let redeem = self.store.redeem_jump(&presented.tenant, &attempt, &entry);
        let reason = match redeem.instrument(debug_span!("store.jump.redeem")).await? {
            // A jump that could not be redeemed at the read never can be later, so there is nothing to hand over.
            RedeemOutcome::Redeemed if inputs.state == JumpState::Issued => {
                return hand_over(presented.tenant, &keys, inputs, password);
            }
            RedeemOutcome::Redeemed | RedeemOutcome::Revoked => Reason::JumpRevoked,
            RedeemOutcome::AlreadyRedeemed => {
                // The store has revoked the session that the first redemption opened.
                tracing::warn!(
                    tenant = %presented.tenant, jump_id = %attempt.jump_id, target_id = %audience,
                    "app.redeem.replayed"
                );
                Reason::JumpAlreadyRedeemed
            }
            RedeemOutcome::Expired => Reason::JumpExpired,
            RedeemOutcome::Unknown => Reason::JumpInvalid,
        };
        Err(reason.into())
    }

    /// Checks what can be checked without the tenant's rows. Forgeries leave no row: they would let a caller fill the log.
    async fn front_door(
        &self,
        call: &Call,
        audience: &TargetId,
        proof: &Proof,
        now: Timestamp,
    ) -> Result<Presented, Failure> {
        let token = match proof {
            Proof::Handle(handle) => {
                let (tenant, proof) = token::parse_handle(handle).ok_or(Reason::JumpInvalid)?;
                return Ok(Presented { tenant, proof, claims: None, too_late: None });
            }
            Proof::Token(token) => token,
        };
        let mut opened = self.jump_tokens.open(token, audience, self.known_epoch(), now);
        // Another replica may sign with a key already that this one has not read yet.
        if let Err(JumpTokenError::Invalid(InvalidCause::UnknownKey)) = opened
            && let Some(kid) = self.jump_tokens.unknown_kid(token, now)
            && self.learn_signing_key(&kid).await
        {
            opened = self.jump_tokens.open(token, audience, self.known_epoch(), self.now());
        }
        match opened {
            Ok(claims) => Ok(Presented::by(claims, None)),
            Err(JumpTokenError::Expired(claims)) => Ok(Presented::by(*claims, Some(Reason::JumpExpired))),
            Err(JumpTokenError::OldEpoch(claims)) => Ok(Presented::by(*claims, Some(Reason::JumpRevoked))),
            // Authentic, and a known caller has no right to it: somebody should hear of that.
            Err(JumpTokenError::Invalid(InvalidCause::Audience)) => {
                self.refuse(call, &TenantId::SYSTEM, now, Reason::JumpInvalid).await
            }
            Err(JumpTokenError::Invalid(cause)) => {
                tracing::warn!(target_id = %audience, %cause, "app.redeem.not_authentic");
                Err(Reason::JumpInvalid.into())
            }
        }
    }

    /// Refuses what the tenant has no row for. Only an authentic token leaves a row of its own: a handle says which
    /// tenant it is for, and nobody vouches for that.
    async fn without_row<T>(&self, call: &Call, presented: &Presented, now: Timestamp) -> Result<T, Failure> {
        if presented.claims.is_none() {
            return Err(Reason::JumpInvalid.into());
        }
        let reason = presented.too_late.unwrap_or(Reason::JumpInvalid);
        self.refuse(call, &presented.tenant, now, reason).await
    }

    /// Writes down a refusal before the consuming transaction, and answers it.
    async fn refuse<T>(&self, call: &Call, tenant: &TenantId, at: Timestamp, reason: Reason) -> Result<T, Failure> {
        let deed = Deed { action: Action::RedeemJump, object: None, at };
        let involved = Involved::caller_of(call)?;
        let entry = self.audit_entry(tenant, call, involved, deed, Introduced::CallersOnly).await?;
        self.store.record_audit(tenant, &entry, AuditOutcome::Refused(reason)).await?;
        Err(reason.into())
    }

    async fn redeem_entry(
        &self,
        call: &Call,
        tenant: &TenantId,
        inputs: &RedeemInputs,
        at: Timestamp,
    ) -> Result<AuditEntry, Failure> {
        let order = &inputs.jump.order;
        let involved = Involved::caller_of(call)?.with_people(&order.person, order.actor.as_ref());
        let people = involved.people();
        // The person has been known since the jump was issued, unless he was erased meanwhile.
        let salts = self.salts_of(tenant, &people, &inputs.salts, Introduced::CallersOnly).await?;
        let deed = Deed { action: Action::RedeemJump, object: Some(AuditObject::new(&inputs.jump.jump_id)), at };
        self.audit_entry_with(tenant, call, involved, deed, (&people, &salts))
    }
}

/// Why what was presented is not good for this jump, if it is not. One answer for all of it.
fn mismatch(
    presented: &Presented,
    audience: &TargetId,
    nonce: Option<&Nonce>,
    inputs: &RedeemInputs,
) -> Option<Reason> {
    let jump = &inputs.jump;
    let is_its_token = presented.claims.as_ref().is_none_or(|claims| *claims == jump.claims(claims.tenant, claims.jti));
    if jump.order.target_id != *audience || jump.luggage.nonce.as_ref() != nonce || !is_its_token {
        return Some(Reason::JumpInvalid);
    }
    // The last of the places that hold the rule: a customer never gets a user that is not Endkunde.
    let kind = inputs.user.as_ref().map(|user| user.kind);
    let fits = match jump.order.person {
        Person::Customer { .. } => kind == Some(UserKind::EndCustomer),
        Person::Broker(_) => kind == Some(UserKind::Broker),
    };
    // A jump that is dead already says so itself, in step 5.
    (!fits && inputs.state == JumpState::Issued).then_some(Reason::JumpRevoked)
}

/// Opens the credential of a jump that can still be redeemed, where its target gets one.
fn open_credential(tenant: &TenantId, keys: &TenantKeys, inputs: &RedeemInputs) -> Result<Option<Secret>, Failure> {
    if inputs.state != JumpState::Issued || !inputs.hands_over_secret {
        return Ok(None);
    }
    let Some((sealed, version)) = inputs.user.as_ref().and_then(|user| user.secret.as_ref()) else {
        return Err(Reason::JumpRevoked.into());
    };
    let open = |place: &Place<'_>| keys.data.open(place, &sealed.0);
    match with_place(*tenant, &inputs.jump.user_id, *version, open) {
        Ok(password) => Ok(Some(password)),
        Err(OpenError::Corrupt | OpenError::KeyMismatch) => Err(Reason::SecretCorrupt.into()),
    }
}

fn hand_over(
    tenant: TenantId,
    keys: &TenantKeys,
    inputs: RedeemInputs,
    password: Option<Secret>,
) -> Result<RedeemedJump, Failure> {
    let RedeemInputs { jump, user, settings, .. } = inputs;
    // A jump without its user has not passed step 3.
    let RedeemUser { name, scope, .. } = user.ok_or(Reason::JumpRevoked)?;
    let mac = |label, parts: &[&[u8]]| keys.mac.mac(label, parts);
    let customer_context =
        jump.order.customer_context.as_ref().map(|customer| {
            token::subject(&mac, tenant, &jump.order.target_id, SubjectKind::Customer, customer.as_str())
        });
    let actor = jump.order.actor.zip(jump.actor_subject);
    let person = jump.order.person.kind();
    Ok(RedeemedJump {
        jump_id: jump.jump_id,
        tenant,
        user_name: name,
        password,
        subject: jump.subject,
        actor: actor.map(|(actor, subject)| ActorClaim { subject, role: actor.role }),
        person,
        segment: jump.segment,
        line_of_business: jump.order.line_of_business,
        scope,
        provider_id: jump.order.provider_id,
        context: jump.luggage.context,
        customer_context,
        return_url: jump.luggage.return_url,
        target_page: jump.luggage.target_page,
        session: settings.session_limits(person),
    })
}
