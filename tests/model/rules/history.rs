//! The history of jumps, and revoking them (`docs/domain.md#open-jumps`).

use concenter_gateway::proto::v1;
use concenter_gateway::proto::v1::list_jumps_request::Person as Filter;
use concenter_gateway::proto::v1::revoke_jump_request::Jumps as Selection;
use concenter_gateway::proto::v1::{JumpState, PersonKind};

use super::customers::{calling_customer, may_last};
use super::{Done, Expected, Refused, not_found};
use crate::call::{Answer, Call, Request, Who};
use crate::command::BROKERS;
use crate::state::{Jump, Model, SECOND, Tenant, Thing};

/// What the row of a revocation is on; people stand there as pseudonyms only.
pub(super) fn revoked_object(request: &v1::RevokeJumpRequest) -> Option<String> {
    match request.jumps.as_ref()? {
        Selection::JumpId(id) | Selection::UserId(id) => Some(id.clone()),
        Selection::BrokerId(_) | Selection::CustomerId(_) => None,
    }
}

/// Whom a caller sees the jumps of; `None` for one who sees them all.
fn own(call: &Call) -> Option<(PersonKind, &'static str)> {
    match call.who {
        Who::Broker(at) => Some((PersonKind::Broker, BROKERS[at])),
        _ => calling_customer(call).map(|id| (PersonKind::Customer, id)),
    }
}

fn is_of(jump: &Jump, (kind, id): (PersonKind, &str)) -> bool {
    jump.person_kind == kind && jump.person == id
}

impl Tenant {
    pub(super) fn revoke(&mut self, now: i64, request: &v1::RevokeJumpRequest) -> Done {
        let selection = request.jumps.clone().expect("a selection");
        let is_there = match &selection {
            Selection::JumpId(id) => self.jumps.contains_key(id),
            Selection::UserId(id) => self.users.contains_key(id),
            Selection::BrokerId(_) | Selection::CustomerId(_) => true,
        };
        if !is_there {
            return Err(not_found());
        }
        let by_user = matches!(selection, Selection::UserId(_));
        let (mut jumps, mut sessions) = (0, 0);
        for (id, jump) in &mut self.jumps {
            let is_meant = match &selection {
                Selection::JumpId(meant) => id == meant,
                Selection::UserId(user) => jump.user == *user,
                Selection::BrokerId(broker) => is_of(jump, (PersonKind::Broker, broker)),
                Selection::CustomerId(customer) => is_of(jump, (PersonKind::Customer, customer)),
            };
            let has_time = jump.state(now) != JumpState::Expired;
            match jump.redeemed_at {
                _ if !is_meant => {}
                None if jump.revoked_at.is_none() && has_time => {
                    jump.revoked_at = Some(now);
                    jumps += 1;
                }
                // Of a con:center user only what is open: its jumps of 8 h may be all that a tenant has.
                Some(at) if !by_user && jump.session_revoked_at.is_none() && may_last(at, now) => {
                    jump.session_revoked_at = Some(now);
                    sessions += 1;
                }
                _ => {}
            }
        }
        Ok(Thing::Revoked(jumps, sessions))
    }

    /// The answer to a revocation; the same numbers for a repeated one.
    pub(super) fn answer_on_revoked(request: &Request, thing: &Thing) -> Option<Answer> {
        match (request, thing) {
            (Request::RevokeJump(_), Thing::Revoked(jumps, sessions)) => {
                let (revoked_jumps, revoked_sessions) = (*jumps, *sessions);
                Some(Answer::RevokeJump(v1::RevokeJumpResponse { revoked_jumps, revoked_sessions }))
            }
            _ => None,
        }
    }

    /// The jumps that a list answers with, the newest first.
    fn listed(&self, call: &Call, request: &v1::ListJumpsRequest, now: i64) -> Vec<v1::Jump> {
        let own = own(call);
        let updated_after = request.updated_after.map(|at| at.seconds * SECOND + i64::from(at.nanos / 1_000));
        let is_listed = |jump: &Jump| {
            own.is_none_or(|person| is_of(jump, person))
                && request.user_id.as_ref().is_none_or(|user| jump.user == *user)
                && request.person.as_ref().is_none_or(|person| match person {
                    Filter::BrokerId(id) => is_of(jump, (PersonKind::Broker, id)),
                    Filter::CustomerId(id) => is_of(jump, (PersonKind::Customer, id)),
                })
                && request.target_id.as_ref().is_none_or(|target| jump.target == *target)
                && request.state.is_none_or(|state| i32::from(jump.state(now)) == state)
                && updated_after.is_none_or(|after| jump.updated_at() > after)
        };
        let jumps = self.jumps.iter().rev().filter(|(_, jump)| is_listed(jump));
        jumps.map(|(id, jump)| seen_by(own, jump.out(id, now))).collect()
    }
}

/// A jump as its reader sees it: which con:center user it was is not for the person that it was made for.
fn seen_by(own: Option<(PersonKind, &str)>, jump: v1::Jump) -> v1::Jump {
    if own.is_some() { v1::Jump { user_id: String::new(), ..jump } } else { jump }
}

impl Model {
    /// Answers a read of the history.
    pub(super) fn read_jumps(&self, call: &Call) -> Option<Expected> {
        let side = &self.sides[call.side];
        Some(match &call.request {
            Request::GetJump(request) => {
                let own = own(call);
                let found =
                    side.jumps.get(&request.jump_id).filter(|jump| own.is_none_or(|person| is_of(jump, person)));
                found.ok_or_else(not_found).map(|jump| {
                    let jump = Some(seen_by(own, jump.out(&request.jump_id, self.now)));
                    Answer::GetJump(v1::GetJumpResponse { jump })
                })
            }
            Request::ListJumps(request) => {
                // He is the person by his credential, and which users there are is not his to ask.
                if own(call).is_some() && (request.person.is_some() || request.user_id.is_some()) {
                    return Some(Err(Refused::plain("ROLE")));
                }
                let jumps = side.listed(call, request, self.now);
                Ok(Answer::ListJumps(v1::ListJumpsResponse { jumps, next_page_token: String::new() }))
            }
            _ => return None,
        })
    }
}
