//! Asking for a jump, and asking what would become of one (`docs/domain.md#three-people`, `docs/domain.md#token`).

use concenter_gateway::proto::v1;
use concenter_gateway::proto::v1::person::Person as Named;
use concenter_gateway::proto::v1::{ActorRole, ErrorReason, JumpState, PersonKind, Segment};

use super::customers::calling_customer;
use super::resolve::{Decided, Decision, Order, Trace};
use super::{Deed, Expected, Refused, Seen, not_found};
use crate::call::{Answer, Call, Request, Who};
use crate::command::BROKERS;
use crate::state::{Delivery, Handled, Jump, Model, Proof, SECOND, Target, Thing, instant};

/// Most jumps of one person in a minute.
const JUMPS_A_MINUTE: usize = 30;

/// A jump as it is asked for, whichever RPC asks.
struct Wish<'c> {
    target: &'c str,
    wants_portal: Option<bool>,
    person: Option<&'c Named>,
    actor: Option<&'c String>,
    activation: Option<&'c String>,
    customer_context: Option<&'c String>,
    line: Option<&'c String>,
    provider: Option<&'c String>,
    context: Option<&'c String>,
    nonce: Option<&'c String>,
    return_url: Option<&'c String>,
    page: Option<&'c String>,
    ttl: Option<i64>,
}

/// Who the jump is for, and who acts if that is somebody else.
struct People {
    kind: PersonKind,
    person: String,
    stated: Option<Segment>,
    actor: Option<(String, ActorRole)>,
}

macro_rules! wish {
    ($request:expr, $wants_portal:expr) => {
        Wish {
            target: &$request.target_id,
            wants_portal: Some($wants_portal),
            person: $request.person.as_ref().and_then(|person| person.person.as_ref()),
            actor: $request.actor_id.as_ref(),
            activation: $request.activation_id.as_ref(),
            customer_context: $request.customer_context_id.as_ref(),
            line: $request.line_of_business.as_ref(),
            provider: $request.product_provider_id.as_ref(),
            context: $request.context.as_ref(),
            nonce: $request.nonce.as_ref(),
            return_url: $request.return_url.as_ref(),
            page: $request.target_page.as_ref(),
            ttl: $request.ttl.map(|ttl| ttl.seconds),
        }
    };
}

fn wish(request: &Request) -> Wish<'_> {
    match request {
        Request::JumpToTarif(request) => wish!(request, false),
        Request::JumpToPortal(request) => wish!(request, true),
        Request::ExplainJump(request) => Wish {
            target: &request.target_id,
            wants_portal: None,
            person: request.person.as_ref().and_then(|person| person.person.as_ref()),
            actor: request.actor_id.as_ref(),
            activation: request.activation_id.as_ref(),
            customer_context: request.customer_context_id.as_ref(),
            line: request.line_of_business.as_ref(),
            provider: request.product_provider_id.as_ref(),
            context: None,
            nonce: None,
            return_url: None,
            page: None,
            ttl: None,
        },
        other => panic!("{other:?} asks for no jump"),
    }
}

impl Model {
    pub(super) fn jump(&mut self, call: &Call, seen: &Seen) -> Expected {
        let wish = wish(&call.request);
        let people = match Self::settle(call, &wish) {
            Ok(people) => people,
            Err(refused) => {
                if refused.reason == "ROLE" {
                    self.deny(call, "ROLE");
                }
                return Err(refused);
            }
        };
        if self.sides[call.side].deleted_at.is_some() {
            return Err(self.deny(call, "TENANT_MISMATCH"));
        }
        if wish.wants_portal.is_none() {
            self.explain(call, &wish, &people, seen)
        } else {
            self.issue(call, &wish, people, seen)
        }
    }

    /// Who the jump is for, by the request or by the credential.
    fn settle(call: &Call, wish: &Wish<'_>) -> Result<People, Refused> {
        let by_credential = match call.who {
            Who::Broker(at) => Some((PersonKind::Broker, BROKERS[at].to_owned(), call.who)),
            _ => calling_customer(call).map(|id| (PersonKind::Customer, id.to_owned(), call.who)),
        };
        let people = match (by_credential, wish.person) {
            (Some(_), Some(_)) => return Err(Refused::plain("ROLE")),
            (Some(_), None) if wish.actor.is_some() => return Err(Refused::plain("ROLE")),
            (Some((kind, person, who)), None) => {
                let actor = matches!(who, Who::Staff(_)).then(|| ("staff".to_owned(), ActorRole::CustomerStaff));
                People { kind, person, stated: None, actor }
            }
            (None, None) => return Err(Refused::fields(&["person"])),
            (None, Some(named)) => {
                let (kind, person, stated) = match named {
                    Named::BrokerId(id) => (PersonKind::Broker, id.clone(), None),
                    Named::Customer(customer) => {
                        let stated = customer.segment.and_then(|segment| Segment::try_from(segment).ok());
                        (PersonKind::Customer, customer.customer_id.clone(), stated)
                    }
                };
                let actor = wish.actor.filter(|actor| **actor != person);
                let actor = actor.map(|actor| (actor.clone(), ActorRole::PortalUser));
                People { kind, person, stated, actor }
            }
        };
        if people.kind == PersonKind::Customer {
            let for_brokers = [("activation_id", wish.activation), ("customer_context_id", wish.customer_context)];
            let named: Vec<_> =
                for_brokers.iter().filter(|(_, named)| named.is_some()).map(|(path, _)| *path).collect();
            if !named.is_empty() {
                return Err(Refused::fields(&named));
            }
        }
        Ok(people)
    }

    /// Decides, with all rules where `whole` is wanted.
    fn decide(&self, call: &Call, wish: &Wish<'_>, people: &People, whole: bool) -> (Result<Decided, Refused>, Trace) {
        let order = Order {
            kind: people.kind,
            person: people.person.clone(),
            stated: people.stated,
            target: wish.target.to_owned(),
            wants_portal: wish.wants_portal,
            activation: wish.activation.cloned(),
            line: wish.line.cloned(),
            provider: wish.provider.cloned(),
        };
        let mut decision = Decision::of(&self.sides[call.side], &self.catalog);
        decision.whole = whole;
        (decision.decide(&order), decision.trace)
    }

    fn issue(&mut self, call: &Call, wish: &Wish<'_>, people: People, seen: &Seen) -> Expected {
        let refused = match self.try_issue(call, wish, people, seen) {
            Ok(answer) => return Ok(answer),
            // Nothing was decided: no row.
            Err(refused) if refused.reason == "FIELD_INVALID" => return Err(refused),
            Err(refused) => refused,
        };
        let deed = Deed { action: "jump.issue", object: Some(wish.target.to_owned()) };
        Err(self.refuse(call, deed, refused))
    }

    fn try_issue(&mut self, call: &Call, wish: &Wish<'_>, people: People, seen: &Seen) -> Expected {
        let key = self.request_key(call);
        if let Some(Handled { request, thing }) = self.requests.get(&key).cloned() {
            return match thing {
                Thing::Jump(id) if request.as_ref() == Some(&call.request) => self.repeat(call, &id, seen),
                _ => Err(Refused::plain("REQUEST_ID_REUSED")),
            };
        }
        let side = &self.sides[call.side];
        let lately = side.jumps.values().filter(|jump| {
            jump.person_kind == people.kind && jump.person == people.person && jump.made_at >= self.now - 60 * SECOND
        });
        if lately.count() >= JUMPS_A_MINUTE {
            return Err(Refused::plain("RATE_LIMITED"));
        }
        let decided = self.decide(call, wish, &people, false).0?;
        let target = self.catalog.targets[wish.target].clone();
        self.check_luggage(wish, &target)?;

        let id = seen.id.clone().unwrap_or_default();
        let issued_at = self.now - self.now.rem_euclid(SECOND);
        let ttl = wish.ttl.unwrap_or(side.settings.jump_ttl);
        let jump = Jump {
            person_kind: people.kind,
            person: people.person,
            actor: people.actor,
            target: wish.target.to_owned(),
            user: decided.user,
            way: decided.way,
            segment: decided.segment,
            activation: wish.activation.cloned().unwrap_or_default(),
            customer_context: wish.customer_context.cloned(),
            line: wish.line.cloned(),
            provider: wish.provider.cloned(),
            context: wish.context.cloned(),
            nonce: wish.nonce.cloned(),
            return_url: wish.return_url.cloned(),
            page: wish.page.cloned(),
            issued_at,
            expires_at: issued_at + ttl * SECOND,
            made_at: self.now,
            redeemed_at: None,
            revoked_at: None,
            session_revoked_at: None,
            used_password: None,
            result: None,
            dead: false,
            proof: seen.proof.clone().unwrap_or(Proof::Token(String::new())),
        };
        let side = &mut self.sides[call.side];
        if jump.person_kind == PersonKind::Customer {
            // Something is kept about him now, so he gets a pseudonym; a refusal makes nobody known.
            side.salted.insert(jump.person.clone());
        }
        side.jumps.insert(id.clone(), jump);
        side.made.jumps.push(id.clone());
        let tenant = side.id.clone();
        self.log(tenant, call.who, Deed { action: "jump.issue", object: Some(id.clone()) }, None);
        self.requests.insert(key, Handled { request: Some(call.request.clone()), thing: Thing::Jump(id.clone()) });
        Ok(self.issued(call, &id, seen))
    }

    /// The same jump again, while it is open.
    fn repeat(&mut self, call: &Call, id: &str, seen: &Seen) -> Expected {
        let side = &self.sides[call.side];
        let jump = side.jumps.get(id).ok_or_else(not_found)?;
        match jump.state(self.now) {
            JumpState::Redeemed => return Err(Refused::plain("JUMP_ALREADY_REDEEMED")),
            JumpState::Expired => return Err(Refused::plain("JUMP_EXPIRED")),
            JumpState::Revoked => return Err(Refused::plain("JUMP_REVOKED")),
            _ => {}
        }
        let tenant = side.id.clone();
        self.log(tenant, call.who, Deed { action: "jump.repeat", object: Some(id.to_owned()) }, None);
        Ok(self.issued(call, id, seen))
    }

    fn check_luggage(&self, wish: &Wish<'_>, target: &Target) -> Result<(), Refused> {
        let is_registered =
            |url: &String| self.catalog.return_urls.values().any(|entry| entry.url == *url && entry.active);
        if !wish.return_url.is_none_or(is_registered) {
            return Err(Refused::fields(&["return_url"]));
        }
        if target.nonce_required && wish.nonce.is_none() {
            return Err(Refused::fields(&["nonce"]));
        }
        Ok(())
    }

    /// The answer with a jump: whatever else a link holds, it leads to the target and carries the proof as that takes it.
    fn issued(&self, call: &Call, id: &str, seen: &Seen) -> Answer {
        let jump = &self.sides[call.side].jumps[id];
        let target = &self.catalog.targets[&jump.target];
        let proof = seen.proof.clone().unwrap_or(Proof::Token(String::new()));
        let (deep_link, form_post) = match (target.delivery, proof) {
            (Delivery::Post, Proof::Token(token)) => {
                let landing_page = format!("{}/j/{}#{token}", self.catalog.public_url, jump.target);
                (landing_page, Some(v1::FormPost { action_url: target.url.clone(), token }))
            }
            (Delivery::Fragment, Proof::Token(token)) => (format!("{}#token={token}", target.url), None),
            (Delivery::Handle, Proof::Handle(handle)) => (format!("{}?j={handle}", target.url), None),
            (delivery, proof) => (format!("{delivery:?} does not carry {proof:?}"), None),
        };
        let (jump_id, expires_at) = (id.to_owned(), instant(jump.expires_at));
        match &call.request {
            Request::JumpToTarif(_) => {
                Answer::JumpToTarif(v1::JumpToTarifResponse { jump_id, deep_link, expires_at, form_post })
            }
            _ => Answer::JumpToPortal(v1::JumpToInsurerPortalResponse { jump_id, deep_link, expires_at, form_post }),
        }
    }

    /// What would become of a jump. A refusal by the rules is an answer; what is not there is not.
    fn explain(&mut self, call: &Call, wish: &Wish<'_>, people: &People, seen: &Seen) -> Expected {
        let (decided, trace) = self.decide(call, wish, people, true);
        let deed = Deed { action: "jump.explain", object: Some(wish.target.to_owned()) };
        let is_known = |provider: &&String| self.catalog.providers.contains_key(*provider);
        if !self.catalog.targets.contains_key(wish.target) || !wish.provider.as_ref().is_none_or(is_known) {
            return Err(self.refuse(call, deed, super::not_found()));
        }
        let result = match decided {
            Ok(decided) => {
                let user = &self.sides[call.side].users[&decided.user];
                v1::explain_jump_response::Result::Resolved(v1::ResolvedJump {
                    user_id: decided.user.clone(),
                    user_name: user.name.clone(),
                    kind: user.kind.into(),
                    way: decided.way.into(),
                })
            }
            Err(refused) => v1::explain_jump_response::Result::Refusal(v1::JumpRefusal {
                reason: reason_out(&refused.reason).into(),
                advice: advice_in(seen),
                candidates: refused.dependents,
                candidate_count: i32::try_from(refused.total).expect("a small number"),
            }),
        };
        let tenant = self.sides[call.side].id.clone();
        self.log(tenant, call.who, deed, None);
        let trace = trace.into_iter().enumerate().map(|(at, (rule, outcome, reason))| v1::TraceStep {
            rule: rule.into(),
            outcome: outcome.into(),
            advice: if reason.is_some() { step_advice_in(seen, at) } else { String::new() },
            reason: reason.as_deref().map_or(ErrorReason::Unspecified, reason_out).into(),
        });
        Ok(Answer::ExplainJump(v1::ExplainJumpResponse { result: Some(result), trace: trace.collect() }))
    }
}

fn reason_out(reason: &str) -> ErrorReason {
    ErrorReason::from_str_name(&format!("ERROR_REASON_{reason}")).expect("a reason of the API")
}

/// The advice at a step that failed is as free.
fn step_advice_in(seen: &Seen, at: usize) -> String {
    match &seen.answer {
        Some(Answer::ExplainJump(answer)) => answer.trace.get(at).map(|step| step.advice.clone()),
        _ => None,
    }
    .filter(|advice| !advice.is_empty())
    .unwrap_or_else(|| "some advice".to_owned())
}

/// The advice is free, but there must be some.
fn advice_in(seen: &Seen) -> String {
    match &seen.answer {
        Some(Answer::ExplainJump(answer)) => match &answer.result {
            Some(v1::explain_jump_response::Result::Refusal(refusal)) if !refusal.advice.is_empty() => {
                refusal.advice.clone()
            }
            _ => "some advice".to_owned(),
        },
        _ => "some advice".to_owned(),
    }
}
