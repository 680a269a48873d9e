//! Behind the redeem: whether the session at the target may go on, and how its login went.
//!
//! Only the target that redeemed a jump knows its session: another one's looks like one that never was.

use std::sync::atomic::Ordering;

use super::{App, Call, Failure, done};
use crate::domain::audit::{Action, AuditObject};
use crate::domain::caller::Caller;
use crate::domain::ids::{AuditId, TargetId};
use crate::domain::jump::{JumpResult, LoginReport, Session, SessionId, SessionState};

/// A session as its target is told of it.
pub struct Introspection {
    /// Whether it may go on.
    pub state: SessionState,
    /// What it rests on.
    pub session: Session,
}

impl App {
    /// Tells whether a session may go on. What a tenant shortened counts at once.
    ///
    /// # Errors
    /// Refused: `NotFound`.
    pub async fn introspect_jump(&self, call: &Call, session: &SessionId) -> Result<Introspection, Failure> {
        let session = self.known_session(call, session).await?;
        Ok(Introspection { state: session.state(self.now()), session })
    }

    /// Notes how the login of a redeemed jump went; too many that failed in a row make the password suspect.
    ///
    /// # Errors
    /// Refused: `NotFound`, `ResultAlreadyReported`.
    pub async fn report_jump_result(
        &self,
        call: &Call,
        session: &SessionId,
        result: JumpResult,
    ) -> Result<(), Failure> {
        // First: whoever names a tenant that he has no session of must not write into its log.
        self.known_session(call, session).await?;
        let SessionId { tenant, jump_id } = session;
        let action = match result {
            JumpResult::LoginSucceeded => Action::ReportLoginSucceeded,
            JumpResult::LoginFailed => Action::ReportLoginFailed,
        };
        let effect = self.target_effect(call, tenant, action, AuditObject::new(jump_id)).await?;
        let report = LoginReport {
            jump_id: *jump_id,
            target_id: target_of(call)?.clone(),
            result,
            mark_id: AuditId::new(effect.at, &*self.random),
        };
        if let Some(user_id) = done(self.store.report_result(tenant, &effect, &report).await?)? {
            self.suspect_credentials.fetch_add(1, Ordering::Relaxed);
            self.written.note(*tenant);
            tracing::warn!(
                %tenant, %user_id, %jump_id, target_id = %report.target_id,
                "app.session.credential_suspect"
            );
        }
        Ok(())
    }

    /// How many passwords of con:center users became suspect by what targets told this process.
    #[must_use]
    pub fn suspect_credentials(&self) -> u64 {
        self.suspect_credentials.load(Ordering::Relaxed)
    }

    async fn known_session(&self, call: &Call, session: &SessionId) -> Result<Session, Failure> {
        let found = self.store.get_session(&session.tenant, &session.jump_id, target_of(call)?).await?;
        self.found(call, found).await
    }
}

/// The target that calls.
fn target_of(call: &Call) -> Result<&TargetId, Failure> {
    match &call.caller {
        Caller::Target { audience, .. } => Ok(audience),
        Caller::Anonymous | Caller::Operator { .. } | Caller::Tenant { .. } => Err(Failure::CallerUnfit),
    }
}
