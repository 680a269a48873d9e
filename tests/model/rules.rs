//! What a call answers and changes, by `docs/domain.md` and `docs/catalogue.md` alone.
//!
//! One file per group of RPCs. [`Model::step`] is the way in: who may call, what is out of bounds, what was asked before; then
//! the rule of the call, and the row of the audit log.

mod activations;
mod catalog;
mod customers;
mod history;
mod jumps;
mod redeem;
mod resolve;
mod sessions;
mod settings;
mod tenants;
mod users;

use concenter_gateway::proto::v1;
use tonic::Code;

use crate::call::{Answer, Call, Request, Who};
use crate::harness::AuditRow;
use crate::state::{Handled, Model, Proof, RequestKey, SYSTEM, Tenant, Thing, etag};

/// A refusal, as far as callers may rely on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    pub code: Code,
    pub reason: String,
    /// The fields of a `BadRequest`, sorted.
    pub fields: Vec<String>,
    /// The subjects of a `PreconditionFailure`, sorted.
    pub dependents: Vec<String>,
    /// How many dependents there are; 0 if none is listed.
    pub total: usize,
    /// The etag that the resource has now.
    pub etag: Option<String>,
}

/// What a call must be answered with.
pub type Expected = Result<Answer, Refused>;

/// What only the service can choose: ids, and what brings a browser to a target. Taken from its answer, and each of it must
/// be new.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    pub id: Option<String>,
    pub proof: Option<Proof>,
    /// The answer, for texts that are free.
    pub answer: Option<Answer>,
}

/// What an effect came to.
type Done = Result<Thing, Refused>;

/// An effect: what the audit log calls it, and on what.
struct Deed {
    action: &'static str,
    object: Option<String>,
}

impl Refused {
    /// A refusal that its reason says all about.
    pub fn plain(reason: &str) -> Self {
        let code = match reason {
            "ROLE" | "TENANT_MISMATCH" | "JUMP_INVALID" => Code::PermissionDenied,
            "NOT_FOUND" => Code::NotFound,
            "ALREADY_EXISTS" => Code::AlreadyExists,
            "ETAG_MISMATCH" => Code::Aborted,
            "FIELD_INVALID" | "REQUEST_ID_REUSED" => Code::InvalidArgument,
            "RATE_LIMITED" | "LIMIT_REACHED" => Code::ResourceExhausted,
            _ => Code::FailedPrecondition,
        };
        let reason = reason.to_owned();
        Self { code, reason, fields: Vec::new(), dependents: Vec::new(), total: 0, etag: None }
    }

    fn fields(fields: &[&str]) -> Self {
        let mut fields: Vec<_> = fields.iter().map(|field| (*field).to_owned()).collect();
        fields.sort();
        Self { fields, ..Self::plain("FIELD_INVALID") }
    }

    /// Refuses with what stands in the way: the first 20.
    fn related(reason: &str, related: Vec<String>) -> Self {
        let total = related.len();
        let mut dependents: Vec<_> = related.into_iter().take(20).collect();
        dependents.sort();
        Self { dependents, total, ..Self::plain(reason) }
    }
}

/// Refuses with what stands in the way, if anything does.
fn nothing_in_the_way(reason: &str, related: Vec<String>) -> Result<(), Refused> {
    if related.is_empty() { Ok(()) } else { Err(Refused::related(reason, related)) }
}

/// Refuses a change by somebody who knows another version.
fn check_etag(version: i64, known: &str) -> Result<(), Refused> {
    let now = etag(version);
    if now == known { Ok(()) } else { Err(Refused { etag: Some(now), ..Refused::plain("ETAG_MISMATCH") }) }
}

fn not_found() -> Refused {
    Refused::plain("NOT_FOUND")
}

impl Model {
    /// Takes a call, and says what it must be answered with.
    pub fn step(&mut self, call: &Call, seen: &Seen) -> Expected {
        if !call.request.roles().contains(&call.who.role()) {
            return Err(self.deny(call, "ROLE"));
        }
        if !call.spoiled.is_empty() {
            let fields: Vec<_> = call.spoiled.iter().map(String::as_str).collect();
            return Err(Refused::fields(&fields));
        }
        match &call.request {
            Request::JumpToTarif(_) | Request::JumpToPortal(_) | Request::ExplainJump(_) => {
                return self.jump(call, seen);
            }
            Request::RedeemJump(request) => return self.redeem(call, request, seen),
            Request::ReportJumpResult(request) => return self.report(call, request),
            Request::IntrospectJump(request) => return self.introspect(call, request),
            _ => {}
        }
        if call.who.is_within() && self.sides[call.side].deleted_at.is_some() {
            return Err(self.deny(call, "TENANT_MISMATCH"));
        }
        match self.read(call) {
            Some(Ok(answer)) => Ok(answer),
            Some(Err(refused)) => {
                // A read that is refused leaves a row, unless its fields could not be taken.
                self.deny(call, &refused.reason);
                Err(refused)
            }
            None => self.effect(call, seen),
        }
    }

    /// Answers a call that changes nothing; `None` for one that does.
    fn read(&self, call: &Call) -> Option<Expected> {
        let read = self.read_management(call).or_else(|| self.read_jumps(call));
        read.or_else(|| self.read_catalog(call))
    }

    /// Handles a call that changes something, once for each request id.
    fn effect(&mut self, call: &Call, seen: &Seen) -> Expected {
        let deed = self.deed(call, seen);
        let key = self.request_key(call);
        let earlier = self.requests.get(&key).cloned();
        if let Some(Handled { request, thing }) = earlier {
            if request.as_ref() != Some(&call.request) {
                return Err(self.refuse(call, deed, Refused::plain("REQUEST_ID_REUSED")));
            }
            // The same request again: no second effect, no second row, the state as it is now.
            return match self.answer(call, &thing) {
                Some(answer) => Ok(answer),
                None => Err(self.refuse(call, deed, not_found())),
            };
        }
        match self.change(call, seen) {
            Ok(thing) => {
                let tenant = match call.who {
                    _ if !deed.action.starts_with("tenant.") && call.who == Who::Operator => SYSTEM.to_owned(),
                    _ => self.sides[self.named_side(call)].id.clone(),
                };
                self.log(tenant, call.who, deed, None);
                self.requests.insert(key, Handled { request: Some(call.request.clone()), thing: thing.clone() });
                Ok(self.answer(call, &thing).expect("what was changed is there"))
            }
            Err(refused) => Err(self.refuse(call, deed, refused)),
        }
    }

    /// The side that a call is about: an operator may name either tenant.
    fn named_side(&self, call: &Call) -> usize {
        let named = self.sides.iter().position(|side| Some(&side.id) == tenants::named(&call.request).as_ref());
        named.unwrap_or(call.side)
    }

    fn change(&mut self, call: &Call, seen: &Seen) -> Done {
        if let Some(done) = self.change_user(call, seen) {
            return done;
        }
        if let Some(done) = self.change_activation(call, seen) {
            return done;
        }
        let now = self.now;
        let side = &mut self.sides[call.side];
        match &call.request {
            Request::PutCustomers(request) => Ok(side.put_customers(now, request)),
            Request::AssignUser(request) => side.assign_user(now, request),
            Request::EraseCustomer(request) => self.erase_customer(call.side, &request.customer_id),
            Request::UpdateAccess(request) => side.update_access(request),
            Request::UpdateSettings(request) => side.update_settings(request),
            Request::RevokeJump(request) => side.revoke(now, request),
            _ => self.change_by_operator(call),
        }
    }

    /// What the audit log calls an effect.
    fn deed(&mut self, call: &Call, seen: &Seen) -> Deed {
        let made = || seen.id.clone();
        let (action, object) = match &call.request {
            Request::CreateUser(_) => ("user.create", made()),
            Request::UpdateUser(request) => ("user.update", request.user.as_ref().map(|user| user.user_id.clone())),
            Request::SetUserSecret(request) => ("user.set_secret", Some(request.user_id.clone())),
            Request::SetStandardUser(request) => ("user.set_standard", Some(request.user_id.clone())),
            Request::SetEndCustomer(request) if request.end_customer == Some(true) => {
                ("user.mark_end_customer", Some(request.user_id.clone()))
            }
            Request::SetEndCustomer(request) => ("user.unmark_end_customer", Some(request.user_id.clone())),
            Request::AttestEndCustomer(request) => {
                let action = match request.remote_end_customer() {
                    v1::RemoteEndCustomer::Yes => "user.attest_end_customer_yes",
                    v1::RemoteEndCustomer::No => "user.attest_end_customer_no",
                    _ => "user.attest_end_customer_unknown",
                };
                (action, Some(request.user_id.clone()))
            }
            Request::DisableUser(request) => ("user.disable", Some(request.user_id.clone())),
            Request::EnableUser(request) => ("user.enable", Some(request.user_id.clone())),
            Request::DeleteUser(request) => ("user.delete", Some(request.user_id.clone())),
            Request::CreateActivation(_) => ("activation.create", made()),
            Request::UpdateActivation(request) => {
                ("activation.update", request.activation.as_ref().map(|one| one.activation_id.clone()))
            }
            Request::DisableActivation(request) => ("activation.disable", Some(request.activation_id.clone())),
            Request::EnableActivation(request) => ("activation.enable", Some(request.activation_id.clone())),
            Request::DeleteActivation(request) => ("activation.delete", Some(request.activation_id.clone())),
            Request::PutCustomers(_) => ("customer.put", None),
            Request::AssignUser(request) => {
                // The row is about him, so he gets a pseudonym; whoever has no record is not made known by that.
                let side = &mut self.sides[call.side];
                if side.customers.contains_key(&request.customer_id) {
                    side.salted.insert(request.customer_id.clone());
                }
                ("customer.assign_user", request.user_id.clone())
            }
            Request::EraseCustomer(_) => ("customer.erase", None),
            Request::UpdateAccess(_) => ("customer_access.update", None),
            Request::UpdateSettings(_) => ("settings.update", None),
            Request::RevokeJump(request) => ("jump.revoke", history::revoked_object(request)),
            _ => Self::operators_deed(call),
        };
        Deed { action, object }
    }

    /// The answer to an effect on `thing`, as it is now; `None` if it is not there any more.
    fn answer(&self, call: &Call, thing: &Thing) -> Option<Answer> {
        let side = &self.sides[call.side];
        side.answer_on_user(&call.request, thing)
            .or_else(|| side.answer_on_activation(&call.request, thing))
            .or_else(|| side.answer_on_customers(&call.request, thing))
            .or_else(|| side.answer_on_settings(&call.request, thing))
            .or_else(|| Tenant::answer_on_revoked(&call.request, thing))
            .or_else(|| self.answer_to_operator(call, thing))
    }

    /// Whose request it is: the same id means another request for another caller, and in another tenant.
    fn request_key(&self, call: &Call) -> RequestKey {
        let scope = if call.who.is_within() { self.sides[call.side].id.clone() } else { SYSTEM.to_owned() };
        (scope, call.who, call.request.request_id())
    }

    /// Refuses an effect, and writes that down in the caller's own log.
    fn refuse(&mut self, call: &Call, deed: Deed, refused: Refused) -> Refused {
        let tenant = if call.who.is_within() { self.sides[call.side].id.clone() } else { SYSTEM.to_owned() };
        self.log(tenant, call.who, deed, Some(refused.reason.clone()));
        refused
    }

    /// Refuses a call before any effect, and writes that down.
    fn deny(&mut self, call: &Call, reason: &str) -> Refused {
        self.refuse(call, Deed { action: "call", object: None }, Refused::plain(reason))
    }

    fn log(&mut self, tenant: String, who: Who, deed: Deed, reason: Option<String>) {
        let Deed { action, object } = deed;
        // The id of something that was never made is nobody's business.
        let object = object.filter(|_| !(action.ends_with(".create") && reason.is_some()));
        self.log.push(AuditRow { tenant, role: who.role().to_owned(), action: action.to_owned(), object, reason });
    }

    /// Kills the open jumps of both tenants: the catalogue has changed.
    fn kill_all_jumps(&mut self) {
        self.catalog.changed = true;
        self.sides.iter_mut().for_each(Tenant::kill_jumps);
    }
}
