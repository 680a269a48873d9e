//! What comes behind a redeemed jump: the session at the target, and how its login went.
//!
//! [`super::jump`] hands these out beside its own types.

use std::fmt;

use super::ids::{AuditId, InvalidId, JumpId, TargetId, TenantId};
use super::jump::{PersonKind, SessionLimits};
use super::provider::State;
use super::tenant::TenantState;
use super::time::Timestamp;
use super::user::UserKind;

/// Failed logins in a row with one password that make it suspect (`docs/domain.md#users`).
pub const MOST_FAILED_LOGINS: u32 = 3;

/// What a target calls the session by that a redeem opened: the tenant's id, a dot, and the jump's; 73 characters.
///
/// No secret: it is good for the target that redeemed the jump, and for nobody else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionId {
    /// Whose jump it was.
    pub tenant: TenantId,
    /// The jump.
    pub jump_id: JumpId,
}

impl SessionId {
    /// Reads the name of a session.
    ///
    /// # Errors
    /// [`InvalidId`] for what is none.
    pub fn parse(text: &str) -> Result<Self, InvalidId> {
        let (tenant, jump_id) = text.split_once('.').ok_or(InvalidId)?;
        Ok(Self { tenant: TenantId::parse(tenant)?, jump_id: JumpId::parse(jump_id)? })
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.tenant, self.jump_id)
    }
}

/// How the login of a redeemed jump went, as the target tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum JumpResult {
    /// con:center took name and password.
    LoginSucceeded,
    /// con:center took them for wrong.
    LoginFailed,
}

/// What a target tells of the login of a jump that it redeemed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoginReport {
    /// The jump.
    pub jump_id: JumpId,
    /// The target that tells it.
    pub target_id: TargetId,
    /// How it went.
    pub result: JumpResult,
    /// The id of the audit row of the con:center user, and of the notice about him, should this make his password suspect.
    pub mark_id: AuditId,
}

/// Whether a session may go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SessionState {
    /// It may.
    Active,
    /// It must end at once.
    Revoked,
    /// Its longest time is over.
    Ended,
}

/// What a session rests on, as it is now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Session {
    /// Whom its jump was made for.
    pub person_kind: PersonKind,
    /// Whether its jump is of the epoch that the service is in. What was revoked in an earlier one may be forgotten.
    pub is_of_epoch: bool,
    /// When its jump was redeemed.
    pub redeemed_at: Timestamp,
    /// When it was marked revoked.
    pub revoked_at: Option<Timestamp>,
    /// How long it may last, as its tenant has it now.
    pub limits: SessionLimits,
    /// Whether the tenant is in business.
    pub tenant: TenantState,
    /// Its con:center user; `None` if he is deleted.
    pub user: Option<SessionUser>,
}

/// The con:center user of a session, as he is now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionUser {
    /// Whether he may be used.
    pub state: State,
    /// What he is for.
    pub kind: UserKind,
    /// Whether con:center itself reports him as Endkunde; `None` if it has not said.
    pub reported_end_customer: Option<bool>,
}

impl SessionUser {
    /// Whether sessions of such a person may go on with him. Customers need him to be Endkunde, here and (where known) at con:center:
    /// else they could see each other's data from now on.
    #[must_use]
    pub fn serves(self, person: PersonKind) -> bool {
        let is_fit = match person {
            PersonKind::Broker => true,
            PersonKind::Customer => self.kind == UserKind::EndCustomer && self.reported_end_customer != Some(false),
        };
        is_fit && self.state == State::Active
    }
}

impl Session {
    /// When its longest time is over.
    #[must_use]
    pub fn ends_at(&self) -> Timestamp {
        self.redeemed_at.plus(self.limits.absolute)
    }

    /// Whether it may go on at `now`: the first answer of revoked, ended, active. It ends at the very instant of
    /// [`Session::ends_at`].
    #[must_use]
    pub fn state(&self, now: Timestamp) -> SessionState {
        let stands = self.is_of_epoch
            && self.tenant == TenantState::Active
            && self.user.is_some_and(|user| user.serves(self.person_kind));
        if self.revoked_at.is_some() || !stands {
            SessionState::Revoked
        } else if now >= self.ends_at() {
            SessionState::Ended
        } else {
            SessionState::Active
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const ID: &str = "0190f5fe-7c00-7a8d-8d2e-5b1d3f4a5b6c";

    const ENDKUNDE: SessionUser =
        SessionUser { state: State::Active, kind: UserKind::EndCustomer, reported_end_customer: None };

    fn session() -> Session {
        Session {
            person_kind: PersonKind::Customer,
            is_of_epoch: true,
            redeemed_at: Timestamp::from_unix_seconds(1_000),
            revoked_at: None,
            limits: SessionLimits { idle: Duration::from_secs(60), absolute: Duration::from_secs(600) },
            tenant: TenantState::Active,
            user: Some(ENDKUNDE),
        }
    }

    #[test]
    fn a_session_is_named_by_tenant_and_jump() {
        let text = format!("{ID}.{ID}");
        assert_eq!(SessionId::parse(&text).map(|session| session.to_string()), Ok(text));
        for bad in ["", ".", ID, &format!("{ID}."), &format!("{ID}.{ID}."), &format!("{ID}.{ID}.{ID}"), "a.b"] {
            assert_eq!(SessionId::parse(bad), Err(InvalidId), "{bad:?}");
        }
    }

    #[test]
    fn a_session_goes_on_to_the_very_end_and_no_longer() {
        let end = session().ends_at();
        assert_eq!(end, Timestamp::from_unix_seconds(1_600));
        let just_before = Timestamp::from_unix_micros(end.unix_micros() - 1);
        assert_eq!(session().state(just_before), SessionState::Active);
        assert_eq!(session().state(end), SessionState::Ended);
    }

    #[test]
    fn whatever_it_rests_on_ends_a_session_at_once_and_comes_before_its_end() {
        for revoked in [
            Session { revoked_at: Some(Timestamp::from_unix_seconds(1_001)), ..session() },
            Session { tenant: TenantState::Stopped, ..session() },
            Session { is_of_epoch: false, ..session() },
            Session { user: Some(SessionUser { state: State::Disabled, ..ENDKUNDE }), ..session() },
            Session { user: Some(SessionUser { kind: UserKind::Broker, ..ENDKUNDE }), ..session() },
            Session { user: Some(SessionUser { reported_end_customer: Some(false), ..ENDKUNDE }), ..session() },
            Session { user: None, ..session() },
        ] {
            assert_eq!(revoked.state(revoked.redeemed_at), SessionState::Revoked, "{revoked:?}");
            assert_eq!(revoked.state(revoked.ends_at()), SessionState::Revoked, "{revoked:?}");
        }
    }

    #[test]
    fn a_brokers_session_does_not_ask_for_endkunde_and_a_customers_does() {
        for reported_end_customer in [None, Some(true), Some(false)] {
            let endkunde = SessionUser { reported_end_customer, ..ENDKUNDE };
            let brokers = SessionUser { kind: UserKind::Broker, ..endkunde };
            assert!(brokers.serves(PersonKind::Broker) && !brokers.serves(PersonKind::Customer));
            assert_eq!(endkunde.serves(PersonKind::Customer), reported_end_customer != Some(false));
        }
    }
}
