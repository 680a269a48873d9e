//! Jumps: deciding, signing, keeping; and explaining without doing.
//!
//! [`App::issue_jump`], from the checked request to the answer:
//!
//! 1. the person comes from the request (portal) or from the credential (broker, customer);
//! 2. `store.jump_inputs`: one read finds candidates, versions and an earlier jump of the same request;
//! 3. an earlier jump answers again, as it was;
//! 4. [`resolve`] decides; a refusal is audited and ends it;
//! 5. the token is signed and passes our own front door;
//! 6. `store.record_jump`: one transaction in which everything that step 4 rested on still holds. If it does not, back
//!    to 2, at most twice;
//! 7. only then the token leaves this function: no commit, no token.
//!
//! Before all that, steps 4 to 7 are tried on what was read for others (`snapshot.rs`). Step 6 is what makes that
//! as good as a read; what is refused, or not kept, is decided afresh from step 2.
//!
//! [`App::explain_jump`] takes steps 1, 2 and 4 and writes nothing but an audit row.

use tracing::{Instrument as _, debug_span};

use super::effects::{Deed, Introduced, Involved};
use super::snapshot::{Frame, Recalled};
use super::{App, Call, Failure};
use crate::domain::audit::{Action, AuditObject, AuditOutcome, AuditedPerson};
use crate::domain::caller::TenantRole;
use crate::domain::error::{Reason, Refusal, Violation};
use crate::domain::ids::{ActivationId, CustomerId, JumpId, LineOfBusiness, ProviderId, SubjectId, TargetId, TenantId};
use crate::domain::jump::{
    Actor, ActorRole, JUMP_RATE_WINDOW, Jump, JumpInputs, JumpOrder, JumpQuery, JumpState, Luggage, Person,
    PersonQuery, RecordOutcome, RequestKey, SeenCustomer, TokenLife,
};
use crate::domain::resolve::{Decision, Resolution, TraceStep, Way, resolve, resolve_whole};
use crate::domain::target::{Delivery, Target, TargetKind};
use crate::domain::time::Timestamp;
use crate::domain::user::ConcenterUser;
use crate::secrets::TenantKeys;
use crate::token::{self, SubjectKind};

/// How often a decision is made at most before it is given up as overtaken.
const MOST_DECISIONS: usize = 3;

/// What a caller asks for. Who it is for is settled by [`App::issue_jump`], with the credential in hand.
#[derive(Debug, Clone)]
pub struct JumpWish {
    /// The person that a portal (or, for an explanation, an administrator) names; others must name none.
    pub person: Option<Person>,
    /// The human at the screen that a portal names.
    pub actor_id: Option<SubjectId>,
    /// Where to.
    pub target_id: TargetId,
    /// The kind of target that the call is for; `None` takes either.
    pub wanted: Option<TargetKind>,
    /// Which activation of the broker.
    pub activation_id: Option<ActivationId>,
    /// The customer that a broker works for.
    pub customer_context: Option<CustomerId>,
    /// For which line of business.
    pub line_of_business: Option<LineOfBusiness>,
    /// For which product provider.
    pub provider_id: Option<ProviderId>,
    /// What the jump carries.
    pub luggage: Luggage,
}

/// A jump that was kept: its token may leave.
pub struct IssuedJump {
    /// Its id.
    pub jump_id: JumpId,
    /// When its token expires.
    pub expires_at: Timestamp,
    /// What the browser needs.
    pub passage: Passage,
}

/// What brings the browser to the target. All of it redeems the jump, so none of it is for logs.
pub enum Passage {
    /// A form with the token is posted to the target: by our landing page, or by a portal that does so itself.
    Post {
        /// The link to the landing page, with the token in its fragment.
        landing_page: String,
        /// Where to.
        action_url: String,
        /// The signed token.
        token: String,
    },
    /// The browser opens a link.
    Link(String),
}

/// What would become of a jump, and why.
pub struct Explanation {
    /// The way and the user that would be taken, or why the jump would be refused.
    pub outcome: Result<(Way, ConcenterUser), Refusal>,
    /// All rules that could be looked at.
    pub trace: Vec<TraceStep>,
    /// Whether the request names an activation.
    pub names_activation: bool,
}

/// A jump that is being decided: what stays the same from try to try.
struct Attempt<'a> {
    call: &'a Call,
    tenant: TenantId,
    order: JumpOrder,
    luggage: Luggage,
    /// `None`: as the tenant's settings say.
    life: Option<TokenLife>,
    request: RequestKey,
}

/// What deciding came to.
enum Decided {
    /// A jump that is not kept yet: its passage must not leave.
    New(Box<Jump>, Passage),
    /// The jump that the same request made before.
    Before(IssuedJump),
}

impl<'a> Attempt<'a> {
    /// Whom the audit row of the jump names.
    fn involved(&'a self) -> Result<Involved<'a>, Failure> {
        Ok(Involved::caller_of(self.call)?.with_people(&self.order.person, self.order.actor.as_ref()))
    }

    /// What deciding asks, of these people.
    fn query(&'a self, people: &'a [AuditedPerson], now: Timestamp) -> JumpQuery<'a> {
        let return_url = self.luggage.return_url.as_ref();
        JumpQuery { order: &self.order, return_url, request: Some(&self.request), people, now }
    }
}

impl IssuedJump {
    fn of(jump: &Jump, passage: Passage) -> Self {
        Self { jump_id: jump.jump_id, expires_at: jump.expires_at, passage }
    }
}

impl App {
    /// Decides a jump, keeps it, and hands out its token.
    ///
    /// # Errors
    /// Refused: `Role`, `TenantMismatch`, `NotFound`, `RequestIdReused`, `RateLimited`, every reason of [`resolve`], and for a
    /// repeated request `JumpAlreadyRedeemed`, `JumpExpired`, `JumpRevoked`. Invalid: `person`, `return_url`, `nonce`.
    pub async fn issue_jump(
        &self,
        call: &Call,
        wish: JumpWish,
        life: Option<TokenLife>,
    ) -> Result<IssuedJump, Failure> {
        let tenant = *call.tenant()?;
        let (order, luggage) = self.settled(call, wish).await?;
        let request = self.request_key(&tenant, call)?;
        let attempt = Attempt { call, tenant, order, luggage, life, request };
        if let Some(issued) = self.jump_from_memory(&attempt).await? {
            return Ok(issued);
        }
        for _ in 0..MOST_DECISIONS {
            if let Some(issued) = self.try_jump(&attempt).await? {
                return Ok(issued);
            }
        }
        Err(Failure::Contended)
    }

    /// Settles who the jump is for; a caller who names somebody he may not name is written down.
    async fn settled(&self, call: &Call, wish: JumpWish) -> Result<(JumpOrder, Luggage), Failure> {
        let settled = settle(call, wish);
        if let Err(Failure::Refused(refusal)) = &settled {
            self.record_denial(&call.caller, refusal.reason).await?;
        }
        settled
    }

    /// Decides on what is remembered, and of a person who is new to it on what is read of him. `None`: decide afresh, since too
    /// little is remembered, or what it came to rests on what may be over: a refusal, or a jump that the store does not take.
    async fn jump_from_memory(&self, attempt: &Attempt<'_>) -> Result<Option<IssuedJump>, Failure> {
        let Attempt { tenant, .. } = attempt;
        let now = self.now();
        let people = attempt.involved()?.people();
        let inputs = match self.snapshot.recall(tenant, &attempt.query(&people, now), self.known_epoch()) {
            Recalled::All(inputs) => *inputs,
            Recalled::AllButPerson(frame) => match self.read_person(attempt, &people, *frame).await? {
                Some(inputs) => inputs,
                None => return Ok(None),
            },
            Recalled::TooLittle => return Ok(None),
        };
        let Ok(keys) = self.open_keys(tenant, &inputs.keys).await else {
            // They may have been wrapped anew since.
            return Ok(None);
        };
        let Ok(Decided::New(jump, passage)) = self.decide(attempt, &keys, &inputs, now) else {
            return Ok(None);
        };
        self.keep(attempt, &people, &inputs, (&jump, passage), now).await
    }

    /// Reads of the person what `frame` lacks, and remembers it. `None` if there is no such tenant any more.
    async fn read_person(
        &self,
        Attempt { tenant, order, .. }: &Attempt<'_>,
        people: &[AuditedPerson],
        frame: Frame,
    ) -> Result<Option<JumpInputs>, Failure> {
        let query = PersonQuery { person: &order.person, people };
        let read = self.store.person_inputs(tenant, query).instrument(debug_span!("store.person.inputs"));
        let Some(person) = read.await? else {
            return Ok(None);
        };
        self.snapshot.remember_person(tenant, &query, &frame, &person);
        Ok(Some(frame.with(person)))
    }

    /// Keeps a jump that was decided on `inputs`, for the log about `people`; only then its passage may leave. `None`: what it
    /// rested on has moved.
    async fn keep(
        &self,
        attempt: &Attempt<'_>,
        people: &[AuditedPerson],
        inputs: &JumpInputs,
        (jump, passage): (&Jump, Passage),
        now: Timestamp,
    ) -> Result<Option<IssuedJump>, Failure> {
        let Attempt { call, tenant, order, .. } = attempt;
        let introduced = match &order.person {
            Person::Broker(_) => Introduced::Everybody,
            Person::Customer { customer_id, .. } => Introduced::WhoeverIsNotErased(SeenCustomer {
                customer_id: customer_id.clone(),
                jump_version: inputs.versions.customer,
            }),
        };
        let salts = self.salts_of(tenant, people, &inputs.salts, introduced).await?;
        let deed = Deed { action: Action::IssueJump, object: Some(AuditObject::new(&jump.jump_id)), at: now };
        let entry = self.audit_entry_with(tenant, call, attempt.involved()?, deed, (people, &salts))?;
        let record = self.store.record_jump(tenant, jump, &entry).instrument(debug_span!("store.jump.record"));
        match record.await? {
            RecordOutcome::Recorded => {
                if inputs.salts.iter().any(Option::is_none) {
                    // Not before: of a customer who was erased meanwhile no salt was kept.
                    self.snapshot.remember_salts(tenant, people, &salts);
                }
                Ok(Some(IssuedJump::of(jump, passage)))
            }
            RecordOutcome::Stale | RecordOutcome::Repeated => Ok(None),
        }
    }

    /// Decides once, on a fresh read. `None`: what it rested on has moved, decide again.
    async fn try_jump(&self, attempt: &Attempt<'_>) -> Result<Option<IssuedJump>, Failure> {
        let Attempt { call, tenant, order, .. } = attempt;
        let now = self.now();
        let involved = attempt.involved()?;
        let people = involved.people();
        let query = attempt.query(&people, now);
        let read = self.store.jump_inputs(tenant, query).instrument(debug_span!("store.jump.inputs"));
        let Some(inputs) = read.await? else {
            return self.unknown_tenant(call).await;
        };
        self.saw_epoch(inputs.epoch);
        self.snapshot.remember(tenant, &query, &inputs);
        let keys = self.open_keys(tenant, &inputs.keys).await?;
        let deed = |object| Deed { action: Action::IssueJump, object: Some(object), at: now };
        let entry_without_jump = async |deed| {
            let salts = self.salts_of(tenant, &people, &inputs.salts, Introduced::CallersOnly).await?;
            self.audit_entry_with(tenant, call, involved, deed, (&people, &salts))
        };

        let (jump, passage) = match self.decide(attempt, &keys, &inputs, now) {
            Ok(Decided::New(jump, passage)) => (jump, passage),
            Ok(Decided::Before(issued)) => {
                let deed =
                    Deed { action: Action::RepeatJump, object: Some(AuditObject::new(&issued.jump_id)), at: now };
                let entry = entry_without_jump(deed).await?;
                self.store.record_audit(tenant, &entry, AuditOutcome::Accepted).await?;
                return Ok(Some(issued));
            }
            Err(Failure::Refused(refusal)) => {
                raise_alarm(tenant, refusal.reason);
                let entry = entry_without_jump(deed(AuditObject::new(&order.target_id))).await?;
                self.store.record_audit(tenant, &entry, AuditOutcome::Refused(refusal.reason)).await?;
                return Err(Failure::Refused(refusal));
            }
            Err(failure) => return Err(failure),
        };
        self.keep(attempt, &people, &inputs, (&jump, passage), now).await
    }

    /// Decides on what was read: a new jump with its token, the one that this request made before, or a refusal.
    fn decide(
        &self,
        attempt: &Attempt<'_>,
        keys: &TenantKeys,
        inputs: &JumpInputs,
        now: Timestamp,
    ) -> Result<Decided, Failure> {
        if inputs.had_other_effect {
            return Err(Reason::RequestIdReused.into());
        }
        if let Some((earlier, state)) = &inputs.earlier {
            return self.repeat(attempt, keys, inputs, earlier, *state).map(Decided::Before);
        }
        if let Some(since) = inputs.crowded_since {
            let free_again = since.plus(JUMP_RATE_WINDOW);
            return Err(Failure::Refused(Refusal::rate_limited(free_again.since(now))));
        }
        let resolution = resolve(&attempt.order, &inputs.candidates).outcome.map_err(Failure::Refused)?;
        let target = inputs.target.as_ref().ok_or(Reason::NotFound)?;
        check_luggage(&attempt.luggage, target, inputs.return_url_allowed)?;
        let jump = self.new_jump(attempt, keys, inputs, resolution, now);
        let passage = self.passage(&attempt.tenant, keys, target, &jump)?;
        Ok(Decided::New(Box::new(jump), passage))
    }

    /// Answers a repeated request with the jump that it made before, while that can still be redeemed.
    fn repeat(
        &self,
        attempt: &Attempt<'_>,
        keys: &TenantKeys,
        inputs: &JumpInputs,
        earlier: &Jump,
        state: JumpState,
    ) -> Result<IssuedJump, Failure> {
        if earlier.request != attempt.request {
            return Err(Reason::RequestIdReused.into());
        }
        match state {
            JumpState::Issued => {}
            JumpState::Redeemed => return Err(Reason::JumpAlreadyRedeemed.into()),
            JumpState::Expired => return Err(Reason::JumpExpired.into()),
            JumpState::Revoked => return Err(Reason::JumpRevoked.into()),
        }
        let target = inputs.target.as_ref().ok_or(Reason::NotFound)?;
        Ok(IssuedJump::of(earlier, self.passage(&attempt.tenant, keys, target, earlier)?))
    }

    fn new_jump(
        &self,
        attempt: &Attempt<'_>,
        keys: &TenantKeys,
        inputs: &JumpInputs,
        resolution: Resolution,
        now: Timestamp,
    ) -> Jump {
        let Attempt { tenant, order, luggage, life, request, .. } = attempt;
        let jump_id = JumpId::new(now, &*self.random);
        let mac = |label, parts: &[&[u8]]| keys.mac.mac(label, parts);
        let kind = SubjectKind::from(order.person.kind());
        let actor_subject = order
            .actor
            .as_ref()
            .map(|actor| token::subject(&mac, *tenant, &order.target_id, SubjectKind::Actor, actor.id.as_str()));
        let takes_handle = inputs.target.as_ref().is_some_and(|target| target.delivery == Delivery::GetHandle);
        let handle_hash = takes_handle.then(|| token::handle_hash(&token::handle(&mac, *tenant, jump_id)));
        let issued_at = now.floor_to_second();
        let life = life.unwrap_or(inputs.settings.jump_life);
        Jump {
            jump_id,
            jti_hash: token::jti_hash(&token::jti(&mac, *tenant, jump_id)),
            handle_hash,
            request: request.clone(),
            order: order.clone(),
            luggage: luggage.clone(),
            user_id: resolution.user_id,
            way: resolution.way,
            segment: resolution.segment,
            subject: token::subject(&mac, *tenant, &order.target_id, kind, order.person.id()),
            actor_subject,
            issued_at,
            expires_at: issued_at.plus(life.span()),
            epoch: inputs.epoch,
            versions: inputs.versions,
        }
    }

    /// Makes what brings the browser to the target. The same jump always gives the same `jti` and handle.
    fn passage(&self, tenant: &TenantId, keys: &TenantKeys, target: &Target, jump: &Jump) -> Result<Passage, Failure> {
        let mac = |label, parts: &[&[u8]]| keys.mac.mac(label, parts);
        if target.delivery == Delivery::GetHandle {
            return Ok(Passage::Link(target.url.with_handle(&token::handle(&mac, *tenant, jump.jump_id))));
        }
        let token =
            self.jump_tokens.issue(&jump.claims(*tenant, token::jti(&mac, *tenant, jump.jump_id)), self.now())?;
        Ok(match target.delivery {
            Delivery::Fragment => Passage::Link(target.url.with_fragment(&token)),
            Delivery::FormPost | Delivery::GetHandle => {
                let landing_page = self.public_url.landing_page(&target.target_id, &token);
                Passage::Post { landing_page, action_url: target.url.as_str().to_owned(), token }
            }
        })
    }

    /// Says who would get which user, by the rules of a real jump on a fresh read, and what else is in the way.
    ///
    /// # Errors
    /// Refused: `TenantMismatch`, `NotFound` (target or provider). Invalid: `person`. A refusal by the rules is an
    /// answer. Contended: the user that was decided on is deleted meanwhile.
    pub async fn explain_jump(&self, call: &Call, wish: JumpWish) -> Result<Explanation, Failure> {
        let tenant = *call.tenant()?;
        let (order, _) = self.settled(call, wish).await?;
        let now = self.now();
        let involved = Involved::caller_of(call)?.with_people(&order.person, order.actor.as_ref());
        let people = involved.people();
        let query = JumpQuery { order: &order, return_url: None, request: None, people: &people, now };
        let Some(inputs) = self.store.jump_inputs(&tenant, query).await? else {
            return self.unknown_tenant(call).await;
        };
        let Decision { outcome, trace } = resolve_whole(&order, &inputs.candidates);
        // Whatever else is in the way: whoever clears that would come upon this, and no step of the trace says so.
        let names_unknown = order.provider_id.is_some() && inputs.candidates.named_provider.is_none();
        let not_found = inputs.candidates.target.is_none() || names_unknown;
        let outcome = match outcome {
            Ok(Resolution { user_id, way, .. }) => {
                // He is deleted only after what led to him: whoever asks again is told that.
                let user = self.store.get_user(&tenant, &user_id).await?.ok_or(Failure::Contended)?;
                Ok((way, user))
            }
            Err(refusal) => Err(refusal),
        };

        let salts = self.salts_of(&tenant, &people, &inputs.salts, Introduced::CallersOnly).await?;
        let deed = Deed { action: Action::ExplainJump, object: Some(AuditObject::new(&order.target_id)), at: now };
        let entry = self.audit_entry_with(&tenant, call, involved, deed, (&people, &salts))?;
        let noted = if not_found { AuditOutcome::Refused(Reason::NotFound) } else { AuditOutcome::Accepted };
        self.store.record_audit(&tenant, &entry, noted).await?;
        if not_found {
            return Err(Reason::NotFound.into());
        }
        Ok(Explanation { outcome, trace, names_activation: order.activation_id.is_some() })
    }
}

/// Settles who the jump is for and who acts, with the credential in hand (`docs/domain.md#three-people`).
fn settle(call: &Call, wish: JumpWish) -> Result<(JumpOrder, Luggage), Failure> {
    let (_, role, subject) = call.tenant_caller()?;
    let (person, actor) = match role {
        TenantRole::Portal | TenantRole::Admin => {
            let Some(person) = wish.person else {
                return Err(Failure::field("person", "must be named by this caller"));
            };
            let named = wish.actor_id.as_ref();
            let actor = named.and_then(|actor| staff(actor, person.id(), ActorRole::PortalUser));
            (person, actor)
        }
        TenantRole::Broker(_) | TenantRole::Customer(_) if wish.person.is_some() || wish.actor_id.is_some() => {
            // He is the person by his credential; naming anybody, even himself, is not his to do.
            return Err(Reason::Role.into());
        }
        TenantRole::Broker(broker) => {
            let actor = staff(subject, broker.as_str(), ActorRole::BrokerStaff);
            (Person::Broker(broker.clone()), actor)
        }
        TenantRole::Customer(customer) => {
            let actor = staff(subject, customer.as_str(), ActorRole::CustomerStaff);
            (Person::Customer { customer_id: customer.clone(), stated: None }, actor)
        }
    };
    if matches!(person, Person::Customer { .. }) {
        // At the target the context's pairwise name is that customer's own: no customer may bring another one's along.
        let for_brokers =
            [("activation_id", wish.activation_id.is_some()), ("customer_context_id", wish.customer_context.is_some())];
        let named = for_brokers.into_iter().filter(|(_, is_set)| *is_set);
        let violations: Vec<_> = named.map(|(field, _)| Violation::new(field, "is for brokers only")).collect();
        if !violations.is_empty() {
            return Err(Failure::Invalid(violations));
        }
    }
    let order = JumpOrder {
        person,
        actor,
        target_id: wish.target_id,
        wanted: wish.wanted,
        activation_id: wish.activation_id,
        customer_context: wish.customer_context,
        line_of_business: wish.line_of_business,
        provider_id: wish.provider_id,
    };
    Ok((order, wish.luggage))
}

/// The human at the screen, where he is not the person himself.
fn staff(subject: &SubjectId, person: &str, role: ActorRole) -> Option<Actor> {
    (subject.as_str() != person).then(|| Actor { id: subject.clone(), role })
}

/// Tells the operator of a refusal that no call of the API can bring about: somebody changed rows by hand.
fn raise_alarm(tenant: &TenantId, reason: Reason) {
    if matches!(reason, Reason::EndkundeRequired | Reason::EndkundeConflict | Reason::StandardNotForJumps) {
        tracing::error!(%tenant, reason = reason.as_str(), "app.jump.wrong_kind");
    }
}

fn check_luggage(luggage: &Luggage, target: &Target, return_url_allowed: bool) -> Result<(), Failure> {
    if !return_url_allowed {
        return Err(Failure::field("return_url", "is not a registered return URL"));
    }
    if target.nonce_required && luggage.nonce.is_none() {
        return Err(Failure::field("nonce", "is required by the target"));
    }
    Ok(())
}
