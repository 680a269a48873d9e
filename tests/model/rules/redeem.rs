//! Redeeming a jump (`docs/domain.md#redeem`).

use concenter_gateway::proto::v1;
use concenter_gateway::proto::v1::redeem_jump_request::Proof as Presented;
use concenter_gateway::proto::v1::{JumpState, PersonKind, Segment};

use super::{Deed, Expected, Refused, Seen};
use crate::call::{Answer, Call};
use crate::command::TARGETS;
use crate::state::{Jump, Model, Proof, SYSTEM, scope_out, span};

/// I5, I6: what a redemption of a jump in this state gets, if it is not the one that consumes it.
const fn refusal_of(state: JumpState) -> Option<&'static str> {
    match state {
        JumpState::Redeemed => Some("JUMP_ALREADY_REDEEMED"),
        JumpState::Expired => Some("JUMP_EXPIRED"),
        JumpState::Revoked => Some("JUMP_REVOKED"),
        _ => None,
    }
}

impl Model {
    /// Finds the jump of a proof, erased or not.
    fn jump_of(&self, presented: Option<&Presented>) -> Option<(usize, String, Jump)> {
        let proof = match presented? {
            Presented::Token(token) => Proof::Token(token.clone()),
            Presented::Handle(handle) => Proof::Handle(handle.clone()),
        };
        self.sides.iter().enumerate().find_map(|(at, side)| {
            side.jumps.iter().find(|(_, jump)| jump.proof == proof).map(|(id, jump)| (at, id.clone(), jump.clone()))
        })
    }

    pub(super) fn redeem(&mut self, call: &Call, request: &v1::RedeemJumpRequest, seen: &Seen) -> Expected {
        let crate::call::Who::Target(at) = call.who else { panic!("only a target redeems") };
        // Not authentic: no row, or whoever forges could fill the log.
        let Some((side, id, jump)) = self.jump_of(request.proof.as_ref()) else {
            return Err(Refused::plain("JUMP_INVALID"));
        };
        let is_token = matches!(jump.proof, Proof::Token(_));
        let tenant = self.sides[side].id.clone();
        let is_erased = jump.person.is_empty();
        if jump.target != TARGETS[at] {
            // A token says whom it is for; a handle says nothing, so only its row does.
            let log = if is_token { Some(SYSTEM.to_owned()) } else { Some(tenant).filter(|_| !is_erased) };
            return Err(self.refuse_redeem(call, log, None, "JUMP_INVALID"));
        }
        if is_erased {
            // Nothing leads from the proof to a jump any more.
            let too_late = is_token && matches!(Jump { redeemed_at: None, ..jump }.state(self.now), JumpState::Expired);
            let reason = if too_late { "JUMP_EXPIRED" } else { "JUMP_INVALID" };
            return Err(self.refuse_redeem(call, is_token.then_some(tenant), None, reason));
        }
        if jump.nonce != request.nonce {
            return Err(self.refuse_redeem(call, Some(tenant), None, "JUMP_INVALID"));
        }
        let now = self.now;
        let used = self.sides[side].users.get(&jump.user).map(|user| user.passwords_set);
        let used = used.filter(|_| self.catalog.targets[&jump.target].gets_password);
        let kept = self.sides[side].jumps.get_mut(&id).expect("the jump");
        if let Some(reason) = refusal_of(jump.state(now)) {
            if reason == "JUMP_ALREADY_REDEEMED" {
                kept.session_revoked_at = kept.session_revoked_at.or(Some(now));
            }
            return Err(self.refuse_redeem(call, Some(tenant), Some(id), reason));
        }
        kept.redeemed_at = Some(now);
        kept.used_password = used;
        self.log(tenant, call.who, Deed { action: "jump.redeem", object: Some(id.clone()) }, None);
        Ok(self.hand_over(side, id, &jump, seen))
    }

    fn refuse_redeem(&mut self, call: &Call, log: Option<String>, object: Option<String>, reason: &str) -> Refused {
        if let Some(tenant) = log {
            self.log(tenant, call.who, Deed { action: "jump.redeem", object }, Some(reason.to_owned()));
        }
        Refused::plain(reason)
    }

    fn hand_over(&mut self, side: usize, id: String, jump: &Jump, seen: &Seen) -> Answer {
        let told = match &seen.answer {
            Some(Answer::RedeemJump(told)) => told.clone(),
            _ => v1::RedeemJumpResponse::default(),
        };
        let kind = if jump.person_kind == PersonKind::Customer { "customer" } else { "broker" };
        let subject = self.subject(side, (&jump.target, kind, &jump.person), &told.subject);
        let actor = jump.actor.clone().map(|(id, role)| {
            let told = told.actor.as_ref().map(|actor| actor.subject.clone()).unwrap_or_default();
            v1::Actor { subject: self.subject(side, (&jump.target, "actor", &id), &told), role: role.into() }
        });
        let customer_context = jump.customer_context.clone().map(|customer| {
            let told = told.customer_context.clone().unwrap_or_default();
            self.subject(side, (&jump.target, "customer", &customer), &told)
        });
        let tenant = &self.sides[side];
        let user = &tenant.users[&jump.user];
        let (idle, absolute) = tenant.settings.session(jump.person_kind);
        let gets_password = self.catalog.targets[&jump.target].gets_password;
        Answer::RedeemJump(v1::RedeemJumpResponse {
            session: format!("{}.{id}", tenant.id),
            target_page: jump.page.clone(),
            jump_id: id,
            concenter_user_name: user.name.clone(),
            password: user.password.clone().filter(|_| gets_password),
            subject,
            actor,
            person_kind: jump.person_kind.into(),
            end_customer: jump.person_kind == PersonKind::Customer,
            segment: jump.segment.unwrap_or(Segment::Unspecified).into(),
            line_of_business: jump.line.clone(),
            provider_scope: Some(scope_out(user.scope.as_ref())),
            product_provider_id: jump.provider.clone(),
            context: jump.context.clone(),
            customer_context,
            return_url: jump.return_url.clone(),
            session_limits: Some(v1::SessionLimits { idle: span(idle), absolute: span(absolute) }),
            tenant_id: tenant.id.clone(),
        })
    }

    /// I12: the pairwise name of somebody at a target: always the same, and nobody else's.
    fn subject(&mut self, side: usize, (target, kind, id): (&str, &'static str, &str), told: &str) -> String {
        let key = (self.sides[side].id.clone(), target.to_owned(), kind, id.to_owned());
        if let Some(known) = self.subjects.get(&key) {
            return known.clone();
        }
        if told.len() != 43 || self.subjects.values().any(|other| other == told) {
            return format!("a pairwise name of its own for {key:?}");
        }
        self.subjects.insert(key, told.to_owned());
        told.to_owned()
    }
}
