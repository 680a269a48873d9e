//! The life of a signing key: `next -> current -> retired -> removed`, and the side exit `revoked`.
//!
//! No row holds a state. Rows hold instants, and what a key may do at some instant follows from the rows of its purpose
//! and nothing else ([`lives`]): replicas that read the same rows cannot disagree, however late one of them looks.
//!
//! - *next*: published, so that everybody has it when it begins to sign at its `activate_at`;
//! - *current*: signs, from its `activate_at` until that of the key after it;
//! - *retired*: published, and what it signed is accepted as long as anything of it may be about;
//! - *removed*: its private half is overwritten, or is about to be; nothing that it signed lets anybody in;
//! - *revoked*: the same, at once and for good, in whatever state it was.

use std::fmt;
use std::time::Duration;

use super::jump::CLOCK_LEEWAY;
use super::time::Timestamp;

/// How long the public keys of jump tokens may be kept by whoever fetched them: 5 min.
pub const JWKS_MAX_AGE: Duration = Duration::from_secs(300);
/// How long a key is published at least before it signs: twice [`JWKS_MAX_AGE`] and [`CLOCK_LEEWAY`]. Whoever keeps the
/// keys through a proxy that keeps them too has it by then.
pub const PUBLISHED_BEFORE: Duration = Duration::from_secs(605);
/// How long before it signs a key is made, unless somebody is in a hurry.
const MADE_BEFORE: Duration = Duration::from_secs(24 * 3_600);
/// How long what a key of jumps signed is accepted after it was replaced: the longest life of a token, the clocks' leeway and
/// [`JWKS_MAX_AGE`] are 7 min together.
const JUMPS_RETIRED_FOR: Duration = Duration::from_secs(15 * 60);
/// The same for callers, whose tokens live for a day.
const CALLERS_RETIRED_FOR: Duration = Duration::from_secs(24 * 3_600 + 15 * 60);
/// How much later than it should be a change of keys shows as a fault.
const LATE: Duration = Duration::from_secs(5 * 24 * 3_600);
/// Characters of a key's id: base64url of SHA-256.
const KEY_ID_CHARACTERS: usize = 43;

/// A signing key's id (`kid`): the thumbprint of its public half (RFC 7638), 43 characters of base64url. Not a secret.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(String);

/// A text is no id of a signing key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be the id of a signing key, 43 characters of A-Z a-z 0-9 _ -")]
pub struct InvalidKeyId;

impl KeyId {
    /// Reads an id.
    ///
    /// # Errors
    /// [`InvalidKeyId`] unless it has exactly its form.
    pub fn parse(text: &str) -> Result<Self, InvalidKeyId> {
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        if text.len() == KEY_ID_CHARACTERS && text.bytes().all(is_allowed) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidKeyId)
        }
    }

    /// The id as it stands in a token's header.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a signing key signs. Keys of different purposes never stand in for one another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyPurpose {
    /// Jump tokens, and checkpoints of the audit log.
    Jump,
    /// Callers' tokens of the embedded issuer.
    Caller,
}

impl KeyPurpose {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Jump, Self::Caller];

    /// How long what a key signed is accepted after it was replaced.
    #[must_use]
    pub const fn retired_for(self) -> Duration {
        match self {
            Self::Jump => JUMPS_RETIRED_FOR,
            Self::Caller => CALLERS_RETIRED_FOR,
        }
    }
}

/// Where a signing key is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyState {
    /// It is published and signs nothing yet.
    Next,
    /// It signs, and what it signed is accepted. At most one of each purpose.
    Current,
    /// It signs no more, but what it signed is accepted.
    Retired,
    /// What it signed lets nobody in any more, and nobody can sign with it.
    Removed,
    /// The same, because somebody said so.
    Revoked,
}

/// The instants of a signing key, as its row holds them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyTimes {
    /// When it was made.
    pub created_at: Timestamp,
    /// When it begins to sign. Only ever moved while it lies ahead, and then to an earlier instant that lies ahead.
    pub activate_at: Timestamp,
    /// When it was revoked, which is final.
    pub revoked_at: Option<Timestamp>,
    /// When its private half was overwritten because its time was over.
    pub removed_at: Option<Timestamp>,
}

impl KeyTimes {
    /// Those of a key that is made now and begins to sign at an instant.
    #[must_use]
    pub const fn new(created_at: Timestamp, activate_at: Timestamp) -> Self {
        Self { created_at, activate_at, revoked_at: None, removed_at: None }
    }

    /// Tells whether it ever signs or signed: not one that was revoked before that.
    fn takes_its_turn(&self) -> bool {
        self.revoked_at.is_none_or(|revoked_at| revoked_at > self.activate_at)
    }
}

/// A key's id and its instants.
pub type KeyRow<'a> = (&'a KeyId, KeyTimes);

/// What a key may do, and when; computed from the rows of its purpose by [`lives`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyLife {
    /// When it begins or began to sign.
    signs_from: Timestamp,
    /// When the key after it begins to sign.
    replaced_at: Option<Timestamp>,
    /// How long after that what it signed is accepted.
    retired_for: Duration,
    /// What it is now and ever.
    ended: Option<KeyState>,
}

impl KeyLife {
    /// The life of a key that is the only one of its purpose, since ever.
    pub const ALONE: Self = Self {
        signs_from: Timestamp::from_unix_micros(i64::MIN),
        replaced_at: None,
        retired_for: JUMPS_RETIRED_FOR,
        ended: None,
    };

    /// The state at `now`.
    #[must_use]
    pub fn state(&self, now: Timestamp) -> KeyState {
        if let Some(ended) = self.ended {
            return ended;
        }
        if now < self.signs_from {
            return KeyState::Next;
        }
        match self.replaced_at {
            Some(replaced_at) if now >= replaced_at.plus(self.retired_for) => KeyState::Removed,
            Some(replaced_at) if now >= replaced_at => KeyState::Retired,
            Some(_) | None => KeyState::Current,
        }
    }

    /// Tells whether what it signed is accepted at `now`. A replica whose clock is a little ahead signs with the next key a
    /// little early: that is accepted within the leeway that clocks have.
    #[must_use]
    pub fn verifies(&self, now: Timestamp) -> bool {
        matches!(self.state(now), KeyState::Current | KeyState::Retired) || self.is_about_to_sign(now)
    }

    /// Tells whether it will sign within the leeway that clocks have.
    #[must_use]
    pub fn is_about_to_sign(&self, now: Timestamp) -> bool {
        self.state(now) == KeyState::Next && self.signs_from <= now.plus(CLOCK_LEEWAY)
    }

    /// When the key after it begins or began to sign, if there is one.
    #[must_use]
    pub const fn replaced_at(&self) -> Option<Timestamp> {
        self.replaced_at
    }

    /// Tells whether its private half is still there at `now`, and its time is over.
    #[must_use]
    pub fn is_to_be_removed(&self, now: Timestamp) -> bool {
        self.ended.is_none() && self.state(now) == KeyState::Removed
    }

    /// Until when keys must have been replaced by one that is there already, for their time to be over at `now`.
    #[must_use]
    pub fn is_over_before(purpose: KeyPurpose, now: Timestamp) -> Timestamp {
        now.minus(purpose.retired_for())
    }
}

/// The lives of all keys of one purpose, in the order of `keys`. A pure function of the rows.
///
/// Each signs from its `activate_at` to that of the one after it; of two with the same instant the one with the greater id
/// comes after. The first one of all signs since ever: a service whose clock was ahead when it was made, and is put right, has
/// no other. A key that was revoked while it signed leaves the rest of its time to nobody: whoever revokes it sees to it
/// that another one begins ([`heir`]).
#[must_use]
pub fn lives(purpose: KeyPurpose, keys: &[KeyRow<'_>]) -> Vec<KeyLife> {
    let life = |&(id, times): &KeyRow<'_>| {
        let mine = (times.activate_at, id);
        let turns = keys.iter().filter(|(_, other)| other.takes_its_turn());
        let turns: Vec<_> = turns.map(|(other, times)| (times.activate_at, *other)).collect();
        let after = turns.iter().filter(|other| **other > mine).min();
        let is_first = turns.iter().all(|other| *other >= mine);
        let ended = match times {
            KeyTimes { revoked_at: Some(_), .. } => Some(KeyState::Revoked),
            KeyTimes { removed_at: Some(_), .. } => Some(KeyState::Removed),
            KeyTimes { revoked_at: None, removed_at: None, .. } => None,
        };
        KeyLife {
            signs_from: if is_first { Timestamp::from_unix_micros(i64::MIN) } else { times.activate_at },
            replaced_at: after.map(|(at, _)| *at),
            retired_for: purpose.retired_for(),
            ended,
        }
    };
    keys.iter().map(life).collect()
}

/// Tells whether what the key of this id signed is accepted at `at`, of all keys of one purpose.
#[must_use]
pub fn is_accepted(purpose: KeyPurpose, keys: &[KeyRow<'_>], id: &KeyId, at: Timestamp) -> bool {
    keys.iter().zip(lives(purpose, keys)).any(|((other, _), life)| *other == id && life.verifies(at))
}

/// Who signs after a revocation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heir {
    /// Whoever signed before: it was not the one that was revoked.
    Unchanged,
    /// The next key, which begins at once.
    Next(KeyId),
    /// Nobody yet: a new key has to be made.
    New,
}

/// Says who signs at `at`, of all keys of one purpose, after one of them was revoked at that instant.
#[must_use]
pub fn heir(purpose: KeyPurpose, keys: &[KeyRow<'_>], at: Timestamp) -> Heir {
    let states: Vec<_> = keys.iter().zip(lives(purpose, keys)).map(|(key, life)| (key, life.state(at))).collect();
    if states.iter().any(|(_, state)| *state == KeyState::Current) {
        return Heir::Unchanged;
    }
    let next = states.iter().filter(|(_, state)| *state == KeyState::Next).map(|((id, times), _)| (times, *id));
    let next = next.min_by_key(|(times, id)| (times.activate_at, *id));
    next.map_or(Heir::New, |(_, id)| Heir::Next(id.clone()))
}

/// How many days a key signs: 2 to 90.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyDays(u16);

/// The span is out of bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be 2 to 90 days")]
pub struct InvalidKeyDays;

impl KeyDays {
    /// 30 days.
    pub const DEFAULT: Self = Self(30);

    /// Reads a number of days. Not less than two: the next key is made a day ahead.
    ///
    /// # Errors
    /// [`InvalidKeyDays`] outside 2 to 90.
    pub fn parse(text: &str) -> Result<Self, InvalidKeyDays> {
        let days = text.parse().ok().filter(|days| (2..=90).contains(days));
        days.map(Self).ok_or(InvalidKeyDays)
    }

    /// The number of days.
    #[must_use]
    pub const fn number(self) -> u16 {
        self.0
    }
}

/// How often keys change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rotation {
    /// How long a key signs.
    pub life: Duration,
    /// How long before it signs a key is made, at most `life`.
    pub ahead: Duration,
    /// How long it is published at least before it signs, at most `ahead`.
    pub published: Duration,
}

/// A key that is to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Due {
    /// When the newest key that is there begins or began to sign: there must be no newer one.
    pub after: Timestamp,
    /// When the one that is to be made begins to sign.
    pub activate_at: Timestamp,
}

impl Rotation {
    /// A key signs for so many days, and is made a day before.
    #[must_use]
    pub fn of(days: KeyDays) -> Self {
        let life = Duration::from_secs(u64::from(days.0) * 24 * 3_600);
        Self { life, ahead: MADE_BEFORE, published: PUBLISHED_BEFORE }
    }

    /// Says which key of a purpose is to be made at `now`, if one is: when the time of the newest is nearly over. A key that
    /// was put off, because no service ran, is published no shorter for that.
    #[must_use]
    pub fn due(&self, keys: &[KeyRow<'_>], now: Timestamp) -> Option<Due> {
        let usable = keys.iter().filter(|(_, times)| times.revoked_at.is_none());
        let newest = usable.map(|(_, times)| times.activate_at).max()?;
        let is_due = newest <= now && now >= newest.plus(self.life).minus(self.ahead);
        is_due.then(|| Due { after: newest, activate_at: now.plus(self.ahead) })
    }

    /// The same where the key that signs at `now` cannot be used: as soon as another one may, unless one is on its way.
    #[must_use]
    pub fn due_after_loss(&self, keys: &[KeyRow<'_>], now: Timestamp) -> Option<Due> {
        let usable = keys.iter().filter(|(_, times)| times.revoked_at.is_none());
        let after = usable.map(|(_, times)| times.activate_at).max().filter(|newest| *newest <= now)?;
        Some(Due { after, activate_at: self.soonest(now, now) })
    }

    /// The key of a purpose that is to sign after `at`, where somebody asks for it then, and to when that is to be moved, if it
    /// can be sooner than it is; `None` where there is none yet.
    #[must_use]
    pub fn hastened<'k>(&self, keys: &[KeyRow<'k>], at: Timestamp) -> Option<(&'k KeyId, Option<Timestamp>)> {
        let ahead = keys.iter().filter(|(_, times)| times.revoked_at.is_none() && times.activate_at > at);
        let (next, times) = ahead.min_by_key(|(_, times)| times.activate_at)?;
        let soonest = self.soonest(times.created_at, at);
        Some((next, (soonest < times.activate_at).then_some(soonest)))
    }

    /// When the next key signs at the earliest where somebody asks for it at `now`: published long enough by then, and not
    /// before every replica has heard of that.
    #[must_use]
    pub fn soonest(&self, created_at: Timestamp, now: Timestamp) -> Timestamp {
        let heard_of = self.published.min(CLOCK_LEEWAY.saturating_mul(2));
        created_at.plus(self.published).max(now.plus(heard_of))
    }

    /// Tells whether keys of a purpose should have changed long ago, or none signs.
    #[must_use]
    pub fn is_late(&self, purpose: KeyPurpose, keys: &[KeyRow<'_>], now: Timestamp) -> bool {
        let mut lives = keys.iter().zip(lives(purpose, keys));
        let current = lives.find(|(_, life)| life.state(now) == KeyState::Current);
        current.is_none_or(|((_, times), _)| now >= times.activate_at.plus(self.life).plus(LATE))
    }
}

#[cfg(test)]
mod tests;
