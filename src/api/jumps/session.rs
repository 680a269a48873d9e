//! What comes behind the redeem: which session is meant, and what is told of it.

use super::answer::session_limits;
use crate::api::convert::{Fields, Read, both, timestamp};
use crate::app::session::Introspection;
use crate::domain::jump::{JumpResult, SessionId, SessionState};
use crate::proto::v1;

/// Reads which session is meant.
pub(super) fn session(fields: &mut Fields, text: &str) -> Read<SessionId> {
    fields.needed("session", SessionId::parse(text).ok(), "must be `session` as a redeem answered it")
}

/// Reads how the login of a session went.
pub(super) fn report(fields: &mut Fields, message: &v1::ReportJumpResultRequest) -> Read<(SessionId, JumpResult)> {
    let session = session(fields, &message.session);
    both(session, fields.word("result", message.result, result))
}

const fn result(word: v1::JumpResult) -> Option<JumpResult> {
    match word {
        v1::JumpResult::Unspecified => None,
        v1::JumpResult::LoginSucceeded => Some(JumpResult::LoginSucceeded),
        v1::JumpResult::LoginFailed => Some(JumpResult::LoginFailed),
    }
}

impl From<Introspection> for v1::IntrospectJumpResponse {
    fn from(Introspection { state, session }: Introspection) -> Self {
        Self {
            state: state_out(state).into(),
            redeemed_at: Some(timestamp(session.redeemed_at)),
            ends_at: Some(timestamp(session.ends_at())),
            session_limits: Some(session_limits(session.limits)),
        }
    }
}

const fn state_out(state: SessionState) -> v1::SessionState {
    match state {
        SessionState::Active => v1::SessionState::Active,
        SessionState::Revoked => v1::SessionState::Revoked,
        SessionState::Ended => v1::SessionState::Ended,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::Failure;

    #[test]
    fn every_bad_field_of_a_report_is_named() {
        for (text, number) in [("", 0), ("?", 3), ("0190f5fe-7c00-7a8d-8d2e-5b1d3f4a5b6c", -1)] {
            let message =
                v1::ReportJumpResultRequest { request_id: String::new(), session: text.to_owned(), result: number };
            let mut fields = Fields::default();
            let read = report(&mut fields, &message);
            let Err(Failure::Invalid(violations)) = fields.finish(read) else { panic!("must be refused") };
            let paths: Vec<_> = violations.iter().map(|violation| violation.field.as_str()).collect();
            assert_eq!(paths, ["session", "result"], "{text:?}");
        }
    }
}
