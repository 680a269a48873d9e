//! What comes behind a redemption: whether the session may go on, and how its login went (`docs/domain.md#sessions`).

use concenter_gateway::proto::v1;
use concenter_gateway::proto::v1::{JumpResult, PersonKind, SessionState};

use super::{Deed, Expected, Refused, not_found};
use crate::call::{Answer, Call, Who};
use crate::command::TARGETS;
use crate::state::{Handled, Jump, Model, SECOND, Tenant, Thing, User, instant, span};

/// Failed logins in a row that make a password suspect.
const MOST_FAILED: u32 = 3;

impl Model {
    /// Finds the session of a redeemed jump, for the target that redeemed it.
    fn session_of(&self, call: &Call, session: &str) -> Option<(usize, String)> {
        let Who::Target(at) = call.who else { panic!("only a target has sessions") };
        let (tenant, jump) = session.split_once('.')?;
        let side = self.sides.iter().position(|side| side.id == tenant)?;
        let found = self.sides[side].jumps.get(jump)?;
        (found.target == TARGETS[at] && found.redeemed_at.is_some()).then(|| (side, jump.to_owned()))
    }

    pub(super) fn introspect(&mut self, call: &Call, request: &v1::IntrospectJumpRequest) -> Expected {
        let Some((side, id)) = self.session_of(call, &request.session) else {
            return Err(self.deny(call, "NOT_FOUND"));
        };
        let tenant = &self.sides[side];
        let jump = &tenant.jumps[&id];
        let redeemed_at = jump.redeemed_at.expect("a redeemed jump");
        let (idle, absolute) = tenant.settings.session(jump.person_kind);
        let ends_at = redeemed_at + absolute * SECOND;
        let serves = |user: &User| match jump.person_kind {
            PersonKind::Customer => user.kind == v1::UserKind::EndCustomer && !is_denied(user),
            _ => true,
        };
        let stands = !tenant.stopped && tenant.users.get(&jump.user).is_some_and(|user| user.active && serves(user));
        let state = if jump.session_revoked_at.is_some() || !stands {
            SessionState::Revoked
        } else if self.now >= ends_at {
            SessionState::Ended
        } else {
            SessionState::Active
        };
        Ok(Answer::IntrospectJump(v1::IntrospectJumpResponse {
            state: state.into(),
            redeemed_at: instant(redeemed_at),
            ends_at: instant(ends_at),
            session_limits: Some(v1::SessionLimits { idle: span(idle), absolute: span(absolute) }),
        }))
    }

    /// Takes how a login went, once for each request id of the target and tenant.
    pub(super) fn report(&mut self, call: &Call, request: &v1::ReportJumpResultRequest) -> Expected {
        let answer = Ok(Answer::ReportJumpResult(v1::ReportJumpResultResponse {}));
        let Some((side, id)) = self.session_of(call, &request.session) else {
            return Err(self.deny(call, "NOT_FOUND"));
        };
        let tenant = self.sides[side].id.clone();
        let action = match request.result() {
            JumpResult::LoginSucceeded => "jump.report_succeeded",
            _ => "jump.report_failed",
        };
        let deed = Deed { action, object: Some(id.clone()) };
        let key = (tenant.clone(), call.who, request.request_id.clone());
        if let Some(Handled { request: before, .. }) = self.requests.get(&key) {
            if before.as_ref() == Some(&call.request) {
                return answer;
            }
            self.log(tenant, call.who, deed, Some("REQUEST_ID_REUSED".to_owned()));
            return Err(Refused::plain("REQUEST_ID_REUSED"));
        }
        match self.sides[side].note_result(self.now, &id, request.result()) {
            Err(refused) => {
                self.log(tenant, call.who, deed, Some(refused.reason.clone()));
                return Err(refused);
            }
            Ok(marked) => {
                self.log(tenant.clone(), call.who, deed, None);
                if marked.is_some() {
                    self.log(tenant, call.who, Deed { action: "user.credential_suspect", object: marked }, None);
                }
            }
        }
        self.requests.insert(key, Handled { request: Some(call.request.clone()), thing: Thing::Nothing });
        answer
    }
}

impl Tenant {
    /// Gives the user whose password becomes suspect by it.
    fn note_result(&mut self, now: i64, id: &str, result: JumpResult) -> Result<Option<String>, Refused> {
        let jump = self.jumps.get_mut(id).ok_or_else(not_found)?;
        match jump.result {
            Some((known, _)) if known == result => return Ok(None),
            Some(_) => return Err(Refused::plain("RESULT_ALREADY_REPORTED")),
            None => jump.result = Some((result, now)),
        }
        let Jump { user: id, used_password, redeemed_at, .. } = jump.clone();
        let login = redeemed_at.expect("a redeemed jump");
        // Another password is not what was tried.
        let Some(user) = self.users.get_mut(&id).filter(|user| Some(user.passwords_set) == used_password) else {
            return Ok(None);
        };
        if result == JumpResult::LoginSucceeded {
            if user.last_login_succeeded_at.is_none_or(|last| last <= login) {
                let failed_since = user.last_login_failed_at.is_some_and(|last| last > login);
                user.failed_logins = user.failed_logins.min(failed_since.into());
                user.last_login_succeeded_at = Some(login);
            }
            return Ok(None);
        }
        user.last_login_failed_at = user.last_login_failed_at.max(Some(login));
        if user.last_login_succeeded_at.is_none_or(|last| last <= login) {
            user.failed_logins += 1;
        }
        if user.failed_logins >= MOST_FAILED && user.suspect_since.is_none() {
            user.suspect_since = Some(now);
            self.kill_jumps();
            self.notices.insert(("credential_suspect", id.clone()));
            return Ok(Some(id));
        }
        Ok(None)
    }

    /// Takes what con:center says of a user.
    pub(super) fn attest(&mut self, now: i64, request: &v1::AttestEndCustomerRequest) -> super::Done {
        let mut user = self.known_user(&request.user_id, &request.etag)?;
        let changes = user.remote != request.remote_end_customer();
        (user.remote, user.remote_at) = (request.remote_end_customer(), Some(now));
        user.touch(now);
        self.users.insert(request.user_id.clone(), user);
        if changes {
            self.kill_jumps();
            self.follow_mismatch(&request.user_id);
        }
        Ok(Thing::User(request.user_id.clone()))
    }

    /// Somebody is told once, until it was sent, and only while it is so.
    pub(super) fn follow_mismatch(&mut self, user: &str) {
        let notice = ("end_customer_mismatch", user.to_owned());
        if self.users.get(user).is_some_and(is_denied) {
            self.notices.insert(notice);
        } else {
            self.notices.remove(&notice);
        }
    }
}

/// Whether a user is Endkunde here, and con:center says that he is not.
fn is_denied(user: &User) -> bool {
    user.kind == v1::UserKind::EndCustomer && user.remote == v1::RemoteEndCustomer::No
}
