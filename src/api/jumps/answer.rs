//! What came of a jump, in the words of the contract.

use super::advice::advice;
use crate::api::convert::{
    count, duration, person_kind_out, provider_scope_out, segment_out, timestamp, user_kind_out,
};
use crate::api::status::{self, error_reason};
use crate::app::jump::{Explanation, IssuedJump, Passage};
use crate::app::redeem::RedeemedJump;
use crate::app::{Failure, Secret};
use crate::domain::error::{Reason, Refusal, Related};
use crate::domain::jump::{ActorClaim, ActorRole, PersonKind, SessionId, SessionLimits};
use crate::domain::resolve::{Rule, StepOutcome, TraceStep, Way};
use crate::domain::user::ConcenterUser;
use crate::proto::v1;
use crate::proto::v1::explain_jump_response::Result as Outcome;

impl From<IssuedJump> for v1::JumpToTarifResponse {
    fn from(issued: IssuedJump) -> Self {
        let (deep_link, form_post) = passage(issued.passage);
        let expires_at = Some(timestamp(issued.expires_at));
        Self { jump_id: issued.jump_id.to_string(), deep_link, expires_at, form_post }
    }
}

impl From<IssuedJump> for v1::JumpToInsurerPortalResponse {
    fn from(issued: IssuedJump) -> Self {
        let (deep_link, form_post) = passage(issued.passage);
        let expires_at = Some(timestamp(issued.expires_at));
        Self { jump_id: issued.jump_id.to_string(), deep_link, expires_at, form_post }
    }
}

/// The link, and where the target is posted to the form, for portals that post it themselves.
fn passage(passage: Passage) -> (String, Option<v1::FormPost>) {
    match passage {
        Passage::Link(link) => (link, None),
        Passage::Post { landing_page, action_url, token } => (landing_page, Some(v1::FormPost { action_url, token })),
    }
}

/// Says what would become of a jump. A refusal is an answer.
pub(super) fn explanation(explanation: Explanation) -> v1::ExplainJumpResponse {
    let Explanation { outcome, trace, names_activation } = explanation;
    let trace: Vec<_> = trace.into_iter().map(|looked_at| step(looked_at, names_activation)).collect();
    let result = match outcome {
        Ok((way, user)) => Outcome::Resolved(resolved(way, &user)),
        Err(refusal) => {
            // The first rule that refuses is the refusal. Where none does, its reason has to do.
            let first = trace.iter().find(|step| step.outcome() == v1::StepOutcome::Failed);
            let advice = first.map_or_else(|| status::advice(refusal.reason).to_owned(), |step| step.advice.clone());
            Outcome::Refusal(jump_refusal(&refusal, advice))
        }
    };
    v1::ExplainJumpResponse { result: Some(result), trace }
}

fn resolved(way: Way, user: &ConcenterUser) -> v1::ResolvedJump {
    v1::ResolvedJump {
        user_id: user.user_id.to_string(),
        user_name: user.name.to_string(),
        kind: user_kind_out(user.kind).into(),
        way: way_out(way).into(),
    }
}

pub(super) const fn way_out(way: Way) -> v1::ResolutionWay {
    match way {
        Way::Activation => v1::ResolutionWay::Activation,
        Way::OwnUser => v1::ResolutionWay::OwnUser,
        Way::SharedPrivate => v1::ResolutionWay::SharedPrivate,
        Way::SharedCommercial => v1::ResolutionWay::SharedCommercial,
        Way::FallbackPrivate => v1::ResolutionWay::FallbackPrivate,
    }
}

fn jump_refusal(refusal: &Refusal, advice: String) -> v1::JumpRefusal {
    let candidate = |related: &Related| match related {
        Related::Activation(id) => Some(id.to_string()),
        Related::Customer(_) | Related::SharedUser(_) => None,
    };
    let mut candidates: Vec<_> = refusal.related.iter().filter_map(candidate).collect();
    candidates.sort_unstable();
    v1::JumpRefusal {
        reason: error_reason(refusal.reason).into(),
        advice,
        candidates,
        candidate_count: count(refusal.related_total),
    }
}

fn step(step: TraceStep, names_activation: bool) -> v1::TraceStep {
    let (outcome, reason, advice) = match step.outcome {
        StepOutcome::Passed => (v1::StepOutcome::Passed, v1::ErrorReason::Unspecified, ""),
        StepOutcome::NotSet => (v1::StepOutcome::NotSet, v1::ErrorReason::Unspecified, ""),
        StepOutcome::Failed(reason) => {
            (v1::StepOutcome::Failed, error_reason(reason), advice(step.rule, reason, names_activation))
        }
    };
    v1::TraceStep {
        rule: rule(step.rule).into(),
        outcome: outcome.into(),
        reason: reason.into(),
        advice: advice.to_owned(),
    }
}

const fn rule(rule: Rule) -> v1::ResolutionRule {
    match rule {
        Rule::TenantActive => v1::ResolutionRule::TenantActive,
        Rule::TargetKind => v1::ResolutionRule::TargetKind,
        Rule::TargetEnabled => v1::ResolutionRule::TargetEnabled,
        Rule::ProviderEnabled => v1::ResolutionRule::ProviderEnabled,
        Rule::NamedProviderEnabled => v1::ResolutionRule::NamedProviderEnabled,
        Rule::TargetTakesPerson => v1::ResolutionRule::TargetTakesPerson,
        Rule::TargetLineOfBusiness => v1::ResolutionRule::TargetLineOfBusiness,
        Rule::Activation => v1::ResolutionRule::Activation,
        Rule::Segment => v1::ResolutionRule::Segment,
        Rule::OwnUser => v1::ResolutionRule::OwnUser,
        Rule::SharedCommercialUser => v1::ResolutionRule::SharedCommercialUser,
        Rule::FallbackAllowed => v1::ResolutionRule::FallbackAllowed,
        Rule::SharedPrivateUser => v1::ResolutionRule::SharedPrivateUser,
        Rule::UserNotStandard => v1::ResolutionRule::UserNotStandard,
        Rule::UserKindFits => v1::ResolutionRule::UserKindFits,
        Rule::UserReportedEndCustomer => v1::ResolutionRule::UserReportedEndCustomer,
        Rule::UserActive => v1::ResolutionRule::UserActive,
        Rule::UserHasSecret => v1::ResolutionRule::UserHasSecret,
        Rule::UserCredentialTrusted => v1::ResolutionRule::UserCredentialTrusted,
        Rule::ProviderInScope => v1::ResolutionRule::ProviderInScope,
        Rule::NamedProviderInScope => v1::ResolutionRule::NamedProviderInScope,
    }
}

/// Hands a redeemed jump over.
///
/// # Errors
/// Refused: `SecretCorrupt` if the password is no text; it came as one.
pub(super) fn redeemed(jump: RedeemedJump) -> Result<v1::RedeemJumpResponse, Failure> {
    let session = SessionId { tenant: jump.tenant, jump_id: jump.jump_id };
    let password = jump.password.as_ref().map(password).transpose()?;
    Ok(v1::RedeemJumpResponse {
        jump_id: jump.jump_id.to_string(),
        concenter_user_name: jump.user_name.to_string(),
        password,
        subject: jump.subject.as_str().to_owned(),
        actor: jump.actor.as_ref().map(actor),
        person_kind: person_kind_out(jump.person).into(),
        end_customer: jump.person == PersonKind::Customer,
        segment: jump.segment.map_or(v1::Segment::Unspecified, segment_out).into(),
        line_of_business: jump.line_of_business.map(|line| line.to_string()),
        provider_scope: Some(provider_scope_out(&jump.scope)),
        product_provider_id: jump.provider_id.map(|provider| provider.to_string()),
        context: jump.context.map(|context| context.as_str().to_owned()),
        customer_context: jump.customer_context.map(|subject| subject.as_str().to_owned()),
        return_url: jump.return_url.map(|url| url.as_str().to_owned()),
        session_limits: Some(session_limits(jump.session)),
        tenant_id: jump.tenant.to_string(),
        session: session.to_string(),
        target_page: jump.target_page.map(|page| page.as_str().to_owned()),
    })
}

/// The copy of a password that travels; the message that carries it wipes it.
fn password(secret: &Secret) -> Result<String, Failure> {
    let text = std::str::from_utf8(secret.expose()).map_err(|_| Reason::SecretCorrupt)?;
    Ok(text.to_owned())
}

fn actor(actor: &ActorClaim) -> v1::Actor {
    v1::Actor { subject: actor.subject.as_str().to_owned(), role: actor_role_out(actor.role).into() }
}

pub(super) const fn actor_role_out(role: ActorRole) -> v1::ActorRole {
    match role {
        ActorRole::PortalUser => v1::ActorRole::PortalUser,
        ActorRole::CustomerStaff => v1::ActorRole::CustomerStaff,
        ActorRole::BrokerStaff => v1::ActorRole::BrokerStaff,
    }
}

pub(super) fn session_limits(limits: SessionLimits) -> v1::SessionLimits {
    v1::SessionLimits { idle: Some(duration(limits.idle)), absolute: Some(duration(limits.absolute)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::ActivationId;

    const LOW: &str = "0190f5fe-7c00-7a8d-8d2e-5b1d3f4a5b6c";
    const HIGH: &str = "0190f5fe-7c00-7a8d-8d2e-5b1d3f4a5b6d";

    fn activation(id: &str) -> Related {
        Related::Activation(ActivationId::parse(id).unwrap())
    }

    #[test]
    fn there_is_always_a_link_and_a_form_where_the_target_is_posted_to() {
        let link = "https://a.example/#token=t".to_owned();
        assert_eq!(passage(Passage::Link(link.clone())), (link, None));
        let landing_page = "https://jump.example/j/a#t".to_owned();
        let form = v1::FormPost { action_url: "https://a.example/".to_owned(), token: "t".to_owned() };
        let v1::FormPost { action_url, token } = form.clone();
        let post = Passage::Post { landing_page: landing_page.clone(), action_url, token };
        assert_eq!(passage(post), (landing_page, Some(form)));
    }

    #[test]
    fn a_refusal_is_explained_with_reason_advice_candidates_and_trace() {
        let refusal = Refusal::with_related(Reason::AmbiguousActivation, vec![activation(HIGH), activation(LOW)], 2);
        let failed = TraceStep { rule: Rule::Activation, outcome: StepOutcome::Failed(Reason::AmbiguousActivation) };
        let passed = TraceStep { rule: Rule::TenantActive, outcome: StepOutcome::Passed };
        let trace = vec![passed, failed];
        let answer = explanation(Explanation { outcome: Err(refusal), trace, names_activation: false });

        let Some(Outcome::Refusal(refusal)) = answer.result else { panic!("must be a refusal") };
        assert_eq!(refusal.reason(), v1::ErrorReason::AmbiguousActivation);
        let what_to_do = advice(Rule::Activation, Reason::AmbiguousActivation, false);
        assert_eq!(refusal.advice, what_to_do);
        assert_eq!((refusal.candidates, refusal.candidate_count), (vec![LOW.to_owned(), HIGH.to_owned()], 2));
        let steps: Vec<_> = answer
            .trace
            .iter()
            .map(|step| (step.rule(), step.outcome(), step.reason(), step.advice.as_str()))
            .collect();
        let why = v1::ErrorReason::AmbiguousActivation;
        let expected = [
            (v1::ResolutionRule::TenantActive, v1::StepOutcome::Passed, v1::ErrorReason::Unspecified, ""),
            (v1::ResolutionRule::Activation, v1::StepOutcome::Failed, why, what_to_do),
        ];
        assert_eq!(steps, expected);
    }
}
