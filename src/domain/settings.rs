//! The settings of a tenant (Einstellungen), within the bounds that every tenant has.

use std::time::Duration;

use super::change::Change;
use super::error::Version;
use super::ids::MvpUserId;
use super::jump::{PersonKind, SessionLimits, TokenLife};

/// Seconds in a minute.
const MINUTE: u64 = 60;
/// The share of con:center users that an import changes without being told so, unless it was set.
const IMPORT_CHANGE_LIMIT: u8 = 20;

/// How long a session may last, in whole minutes: 1 to the most of its kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionSpan(Duration);

/// The span is not in whole minutes, or out of bounds: tenants may only shorten what is theirs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be whole minutes, from 1 up to the longest that is allowed")]
pub struct InvalidSessionSpan;

impl SessionSpan {
    /// Checks a span against the longest of its kind.
    ///
    /// # Errors
    /// [`InvalidSessionSpan`] below one minute, above `longest`, and for anything but whole minutes.
    pub const fn new(span: Duration, longest: Duration) -> Result<Self, InvalidSessionSpan> {
        let is_whole = span.subsec_nanos() == 0 && span.as_secs().is_multiple_of(MINUTE);
        if !is_whole || span.as_secs() < MINUTE || span.as_secs() > longest.as_secs() {
            return Err(InvalidSessionSpan);
        }
        Ok(Self(span))
    }

    /// The span.
    #[must_use]
    pub const fn span(self) -> Duration {
        self.0
    }
}

/// A share in per cent, 1 to 100.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Percent(u8);

/// The share is not 1 to 100 per cent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to 100")]
pub struct InvalidPercent;

impl Percent {
    /// Reads a share.
    ///
    /// # Errors
    /// [`InvalidPercent`] outside 1 to 100.
    pub fn parse(percent: i32) -> Result<Self, InvalidPercent> {
        u8::try_from(percent).ok().filter(|percent| (1..=100).contains(percent)).map(Self).ok_or(InvalidPercent)
    }

    /// The share, 1 to 100.
    #[must_use]
    pub const fn number(self) -> u8 {
        self.0
    }
}

/// How long the sessions of one kind of person may last at a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionSettings {
    /// Without a click.
    pub idle: SessionSpan,
    /// In all.
    pub absolute: SessionSpan,
}

impl SessionSettings {
    /// The longest that a kind of person may have; also what counts unless it was set.
    #[must_use]
    pub const fn longest(kind: PersonKind) -> Self {
        let SessionLimits { idle, absolute } = kind.session_limits();
        Self { idle: SessionSpan(idle), absolute: SessionSpan(absolute) }
    }

    /// What a target is told: idle is never longer than absolute.
    #[must_use]
    pub fn limits(self) -> SessionLimits {
        SessionLimits { idle: self.idle.0.min(self.absolute.0), absolute: self.absolute.0 }
    }
}

/// The settings of a tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Life of a jump whose request names none; a decision rests on it.
    pub jump_life: TokenLife,
    /// The sessions of customers; a decision rests on them.
    pub customer_session: SessionSettings,
    /// The sessions of brokers; a decision rests on them.
    pub broker_session: SessionSettings,
    /// The share of con:center users up to which an import changes them without being told so.
    pub import_change_limit: Percent,
    /// The MVP user who gets a Vorgang where several hold the Standard user.
    pub default_mvp_user: Option<MvpUserId>,
    /// The etag.
    pub version: Version,
}

impl Settings {
    /// What a tenant begins with.
    pub const INITIAL: Self = Self {
        jump_life: TokenLife::DEFAULT,
        customer_session: SessionSettings::longest(PersonKind::Customer),
        broker_session: SessionSettings::longest(PersonKind::Broker),
        import_change_limit: Percent(IMPORT_CHANGE_LIMIT),
        default_mvp_user: None,
        version: Version::FIRST,
    };

    /// How long the session of a kind of person may last.
    #[must_use]
    pub fn session_limits(&self, kind: PersonKind) -> SessionLimits {
        match kind {
            PersonKind::Customer => self.customer_session.limits(),
            PersonKind::Broker => self.broker_session.limits(),
        }
    }

    /// The settings after a change; the version is the old one.
    #[must_use]
    pub fn changed_by(self, change: SettingsChange) -> Self {
        let session = |current: SessionSettings, change: SessionChange| SessionSettings {
            idle: change.idle.applied_to(current.idle),
            absolute: change.absolute.applied_to(current.absolute),
        };
        Self {
            jump_life: change.jump_life.applied_to(self.jump_life),
            customer_session: session(self.customer_session, change.customer_session),
            broker_session: session(self.broker_session, change.broker_session),
            import_change_limit: change.import_change_limit.applied_to(self.import_change_limit),
            default_mvp_user: change.default_mvp_user.applied_to(self.default_mvp_user),
            version: self.version,
        }
    }

    /// Tells whether jumps that rest on these settings would rest on `others` as well.
    #[must_use]
    pub fn decide_like(&self, others: &Self) -> bool {
        self.jump_life == others.jump_life
            && self.customer_session == others.customer_session
            && self.broker_session == others.broker_session
    }
}

/// A change of [`SessionSettings`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SessionChange {
    /// Without a click.
    pub idle: Change<SessionSpan>,
    /// In all.
    pub absolute: Change<SessionSpan>,
}

/// A change of [`Settings`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SettingsChange {
    /// Life of a jump whose request names none.
    pub jump_life: Change<TokenLife>,
    /// The sessions of customers.
    pub customer_session: SessionChange,
    /// The sessions of brokers.
    pub broker_session: SessionChange,
    /// The share of con:center users that an import may change.
    pub import_change_limit: Change<Percent>,
    /// The MVP user who gets a Vorgang where several hold the Standard user.
    pub default_mvp_user: Change<Option<MvpUserId>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONGEST: Duration = Duration::from_secs(30 * 60);

    #[test]
    fn a_session_span_is_whole_minutes_up_to_the_longest() {
        for good in [60, 120, 1_800] {
            assert!(SessionSpan::new(Duration::from_secs(good), LONGEST).is_ok(), "{good}");
        }
        for bad in [0, 1, 59, 61, 1_799, 1_801, 1_860, u64::MAX] {
            assert_eq!(SessionSpan::new(Duration::from_secs(bad), LONGEST), Err(InvalidSessionSpan), "{bad}");
        }
        assert!(SessionSpan::new(Duration::new(60, 1), LONGEST).is_err());
    }

    #[test]
    fn a_percent_is_1_to_100() {
        assert_eq!([1, 20, 100].map(|percent| Percent::parse(percent).map(Percent::number)), [Ok(1), Ok(20), Ok(100)]);
        for bad in [i32::MIN, -1, 0, 101, 256, 257, i32::MAX] {
            assert_eq!(Percent::parse(bad), Err(InvalidPercent), "{bad}");
        }
    }

    #[test]
    fn a_target_is_never_told_an_idle_time_longer_than_the_whole_session() {
        let span = |minutes: u64| SessionSpan(Duration::from_secs(minutes * MINUTE));
        let limits = SessionSettings { idle: span(15), absolute: span(5) }.limits();
        assert_eq!((limits.idle, limits.absolute), (span(5).0, span(5).0));
    }

    #[test]
    fn initial_settings_are_the_longest_sessions() {
        for kind in [PersonKind::Broker, PersonKind::Customer] {
            assert_eq!(Settings::INITIAL.session_limits(kind), kind.session_limits());
        }
    }
}
