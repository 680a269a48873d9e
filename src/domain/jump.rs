//! Jumps (Absprünge): what is asked for, what is decided and kept, and what is handed over.

use std::fmt;
use std::time::Duration;

use super::audit::{AuditedPerson, Salt};
use super::customer::Segment;
use super::ids::{
    ActivationId, AttemptId, BrokerId, CustomerId, JumpId, LineOfBusiness, ProviderId, RequestId, SubjectId, TargetId,
    TenantId, UserId,
};
use super::provider::ProviderScope;
use super::resolve::{Candidates, Way};
use super::target::{Target, TargetKind, WebUrl};
use super::tenant::{TenantState, WrappedKeys};
use super::text::UserName;
use super::time::Timestamp;
use super::user::{SealedSecret, UserKind};

/// The person that a jump is made for: he decides user, segment, subject and session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Person {
    /// A broker; he is his own person also when he works for a customer.
    Broker(BrokerId),
    /// A customer.
    Customer {
        /// The portal's id.
        customer_id: CustomerId,
        /// The segment that the portal states; only heeded as `docs/domain.md#customer-jump` says.
        stated: Option<Segment>,
    },
}

/// A kind of person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PersonKind {
    /// A broker.
    Broker,
    /// A customer.
    Customer,
}

impl PersonKind {
    /// The longest sessions that a person of this kind may have at a target (`docs/domain.md#sessions`).
    #[must_use]
    pub const fn session_limits(self) -> SessionLimits {
        match self {
            Self::Customer => SessionLimits { idle: Duration::from_mins(15), absolute: Duration::from_mins(30) },
            Self::Broker => SessionLimits { idle: Duration::from_mins(30), absolute: Duration::from_hours(8) },
        }
    }
}

impl Person {
    /// His kind.
    #[must_use]
    pub const fn kind(&self) -> PersonKind {
        match self {
            Self::Broker(_) => PersonKind::Broker,
            Self::Customer { .. } => PersonKind::Customer,
        }
    }

    /// His id, as the portal chose it.
    #[must_use]
    pub fn id(&self) -> &str {
        match self {
            Self::Broker(id) => id.as_str(),
            Self::Customer { customer_id, .. } => customer_id.as_str(),
        }
    }
}

/// What the human at the screen is. He is recorded, nothing more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ActorRole {
    /// Named by the portal; what he is there is not known here.
    PortalUser,
    /// Staff of the customer that the jump is made for.
    CustomerStaff,
    /// Staff of the broker that the jump is made for.
    BrokerStaff,
}

/// The human at the screen, where he is not the person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// His id: the portal's, or the subject of his token.
    pub id: SubjectId,
    /// What he is.
    pub role: ActorRole,
}

/// Longest idle and absolute time of a session at a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionLimits {
    /// Without a click.
    pub idle: Duration,
    /// In all.
    pub absolute: Duration,
}

/// How long a jump can be redeemed: 10 to 120 seconds, 60 unless asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenLife(Duration);

/// A token's life is not a whole number of seconds from 10 to 120.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be 10 to 120 whole seconds")]
pub struct InvalidTokenLife;

impl TokenLife {
    /// The life of a token whose request asks for none: 60 s.
    pub const DEFAULT: Self = Self(Duration::from_secs(60));
    /// The longest life: 120 s.
    pub const LONGEST: Self = Self(Duration::from_secs(120));

    /// Reads a life.
    ///
    /// # Errors
    /// [`InvalidTokenLife`] below 10 s, above 120 s, or with a fraction of a second.
    pub fn parse(life: Duration) -> Result<Self, InvalidTokenLife> {
        let whole = life.subsec_nanos() == 0;
        if whole && (10..=120).contains(&life.as_secs()) { Ok(Self(life)) } else { Err(InvalidTokenLife) }
    }

    /// The life.
    #[must_use]
    pub const fn span(self) -> Duration {
        self.0
    }
}

/// How late a token may still come, for clocks that differ: 5 s.
pub const CLOCK_LEEWAY: Duration = Duration::from_secs(5);

/// Most bytes of a jump's context.
const CONTEXT_BYTES: usize = 4_096;
/// Most bytes of a target's nonce.
const NONCE_BYTES: usize = 64;

/// Free text for the target, handed over at the redeem: at most 4 096 bytes, no control characters but line breaks and tabs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Context(String);

/// The context is too long or holds a control character.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be at most 4096 bytes without control characters")]
pub struct InvalidContext;

impl Context {
    /// Reads a context.
    ///
    /// # Errors
    /// [`InvalidContext`] if it is too long or holds a control character.
    pub fn parse(text: &str) -> Result<Self, InvalidContext> {
        let readable = |c: char| !c.is_control() || matches!(c, '\n' | '\t');
        if text.len() <= CONTEXT_BYTES && text.chars().all(readable) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidContext)
        }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A target's nonce: 1 to 64 of `[A-Za-z0-9_.~-]`. It ties a jump to the browser that the target gave it to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nonce(String);

/// The nonce is empty, too long or holds another character.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to 64 letters, digits, '.', '_', '~' or '-'")]
pub struct InvalidNonce;

impl Nonce {
    /// Reads a nonce.
    ///
    /// # Errors
    /// [`InvalidNonce`] if it is empty, too long or holds another character.
    pub fn parse(text: &str) -> Result<Self, InvalidNonce> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'~' | b'-');
        if !text.is_empty() && text.len() <= NONCE_BYTES && text.bytes().all(allowed) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidNonce)
        }
    }

    /// The nonce.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The pairwise, opaque name of a person at one target: 43 characters of base64url.
///
/// The same person has another one at every target, in every tenant and as another kind of person.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Subject(String);

impl Subject {
    /// Wraps what the token room computed.
    #[must_use]
    pub const fn from_computed(text: String) -> Self {
        Self(text)
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The unguessable id that makes a jump single use: 24 bytes, 32 characters of base64url in a token.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Jti(pub [u8; 24]);

impl fmt::Debug for Jti {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Half of what redeems a jump: it is not for logs.
        f.write_str("Jti(..)")
    }
}

/// SHA-256 of what makes a jump single use: of its `jti`, or of its handle. This is what the store keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ProofHash(pub [u8; 32]);

/// Who acts, as a token says it: pairwise, like its subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActorClaim {
    /// His pairwise name at the target.
    pub subject: Subject,
    /// What he is.
    pub role: ActorRole,
}

/// What a jump token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JumpClaims {
    /// `tid`.
    pub tenant: TenantId,
    /// `aud`: the one target that it is for.
    pub target: TargetId,
    /// `sub`.
    pub subject: Subject,
    /// `jti`.
    pub jti: Jti,
    /// `iat` and `nbf`, whole seconds.
    pub issued_at: Timestamp,
    /// `exp`, whole seconds.
    pub expires_at: Timestamp,
    /// `ek`: the person is a customer.
    pub end_customer: bool,
    /// `seg`: the customer's segment; `None` for a broker.
    pub segment: Option<Segment>,
    /// `ep`: a token of an older epoch is dead.
    pub epoch: i64,
    /// `act`: only where the human at the screen is not the person.
    pub actor: Option<ActorClaim>,
    /// `n`: the target's nonce.
    pub nonce: Option<Nonce>,
}

/// A jump as it is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JumpOrder {
    /// The person that it is made for.
    pub person: Person,
    /// The human at the screen, where he is not the person.
    pub actor: Option<Actor>,
    /// Where to.
    pub target_id: TargetId,
    /// The kind of target that the caller asked for; `None` takes either.
    pub wanted: Option<TargetKind>,
    /// Which activation of the broker.
    pub activation_id: Option<ActivationId>,
    /// The customer that a broker works for; context only.
    pub customer_context: Option<CustomerId>,
    /// For which line of business.
    pub line_of_business: Option<LineOfBusiness>,
    /// For which product provider.
    pub provider_id: Option<ProviderId>,
}

/// What a jump carries to the target beside the decision.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Luggage {
    /// Free text for the target.
    pub context: Option<Context>,
    /// The target's nonce.
    pub nonce: Option<Nonce>,
    /// Where the target sends the browser in the end; an entry of the allow-list.
    pub return_url: Option<WebUrl>,
}

/// The numbers that a decision rests on. A jump is good only while all of them still hold.
///
/// See `docs/adr/0001-rules-as-rows.md`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JumpVersions {
    /// The tenant's: users, activations, customer access, stopped or not.
    pub config: i64,
    /// The customer's record: segment, own user. `None`: there was no record, or the person is a broker.
    pub customer: Option<i64>,
    /// The catalogue's: providers, targets, return URLs.
    pub catalog: i64,
}

/// A request of one caller that must have one effect, however often it arrives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestKey {
    /// Who asks, as an HMAC: ids of people do not stand in the table.
    pub caller: [u8; 32],
    /// His id of the request.
    pub request_id: RequestId,
    /// HMAC of method and content: the same id with another content is another request.
    pub content: [u8; 32],
}

/// A jump as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Jump {
    /// Its id.
    pub jump_id: JumpId,
    /// SHA-256 of its `jti`.
    pub jti_hash: ProofHash,
    /// SHA-256 of its handle, where the target takes one.
    pub handle_hash: Option<ProofHash>,
    /// The request that asked for it.
    pub request: RequestKey,
    /// What was asked for.
    pub order: JumpOrder,
    /// What it carries.
    pub luggage: Luggage,
    /// The con:center user that was decided on.
    pub user_id: UserId,
    /// By which way.
    pub way: Way,
    /// The segment that was decided on; `None` for a broker.
    pub segment: Option<Segment>,
    /// The person's pairwise name at the target.
    pub subject: Subject,
    /// The actor's, where there is one.
    pub actor_subject: Option<Subject>,
    /// When it was issued, in whole seconds.
    pub issued_at: Timestamp,
    /// When its token expires, in whole seconds.
    pub expires_at: Timestamp,
    /// The epoch that it was issued in.
    pub epoch: i64,
    /// What it was decided on.
    pub versions: JumpVersions,
}

impl Jump {
    /// What the jump's token says. A token that says anything else is not this jump's.
    #[must_use]
    pub fn claims(&self, tenant: TenantId, jti: Jti) -> JumpClaims {
        let actor = self.order.actor.as_ref().zip(self.actor_subject.as_ref());
        JumpClaims {
            tenant,
            target: self.order.target_id.clone(),
            subject: self.subject.clone(),
            jti,
            issued_at: self.issued_at,
            expires_at: self.expires_at,
            end_customer: self.order.person.kind() == PersonKind::Customer,
            segment: self.segment,
            epoch: self.epoch,
            actor: actor.map(|(actor, subject)| ActorClaim { subject: subject.clone(), role: actor.role }),
            nonce: self.luggage.nonce.clone(),
        }
    }
}

/// What became of a jump.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JumpState {
    /// It can be redeemed.
    Issued,
    /// It was redeemed, once.
    Redeemed,
    /// Its time is over.
    Expired,
    /// Something that it was decided on changed.
    Revoked,
}

/// What jumps rest on, as it is now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Whether the tenant is in business.
    pub tenant: TenantState,
    /// The epoch.
    pub epoch: i64,
    /// The numbers; `customer` is that of the jump's own person.
    pub versions: JumpVersions,
}

impl JumpState {
    /// What became of `jump`, of which `redeemed` tells whether it was consumed, at `now`.
    ///
    /// What was redeemed stays redeemed, and what is too late is not looked at any further: the first answer of
    /// redeemed, expired, revoked, issued. Time is over [`CLOCK_LEEWAY`] after the jump expired.
    #[must_use]
    pub fn of(jump: &Jump, redeemed: bool, standing: &Standing, now: Timestamp) -> Self {
        if redeemed {
            Self::Redeemed
        } else if now >= jump.expires_at.plus(CLOCK_LEEWAY) {
            Self::Expired
        } else if standing.tenant == TenantState::Active
            && standing.epoch == jump.epoch
            && standing.versions == jump.versions
        {
            Self::Issued
        } else {
            Self::Revoked
        }
    }
}

/// Everything that one read finds for deciding a jump.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JumpInputs {
    /// What to decide on.
    pub candidates: Candidates,
    /// The target that was asked for, whole; `None` if there is none of that key.
    pub target: Option<Target>,
    /// The numbers that the candidates are as old as.
    pub versions: JumpVersions,
    /// The epoch now.
    pub epoch: i64,
    /// The tenant's keys.
    pub keys: WrappedKeys,
    /// Whether the return URL that was asked about is an enabled entry of the allow-list.
    pub return_url_allowed: bool,
    /// The jump that this request made before, and what became of it.
    pub earlier: Option<(Jump, JumpState)>,
    /// Whether the request id had another effect than a jump before.
    pub had_other_effect: bool,
    /// The salts of the people asked about, in their order; `None` for one who has none yet.
    pub salts: Vec<Option<Salt>>,
}

/// What deciding a jump asks the store, in one read.
#[derive(Debug, Clone, Copy)]
pub struct JumpQuery<'a> {
    /// What is asked for.
    pub order: &'a JumpOrder,
    /// A return URL to look up in the allow-list; `None` is allowed.
    pub return_url: Option<&'a WebUrl>,
    /// Finds the jump that the same request made before; `None` where no jump will be made.
    pub request: Option<&'a RequestKey>,
    /// Whose salts are wanted, at most 3.
    pub people: &'a [AuditedPerson],
    /// The instant that tells whether the earlier jump is expired.
    pub now: Timestamp,
}

/// Everything that one read finds for redeeming a jump.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedeemInputs {
    /// The jump.
    pub jump: Jump,
    /// What became of it so far.
    pub state: JumpState,
    /// The name of its con:center user.
    pub user_name: UserName,
    /// What its user is now.
    pub user_kind: UserKind,
    /// What the user supports.
    pub scope: ProviderScope,
    /// The user's secret and its version.
    pub secret: Option<(SealedSecret, i64)>,
    /// Whether the target gets the secret.
    pub hands_over_secret: bool,
    /// The tenant's keys.
    pub keys: WrappedKeys,
}

/// One attempt to consume a jump.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedeemAttempt {
    /// Its id: of several attempts only the one that the database returns has won.
    pub attempt_id: AttemptId,
    /// The jump.
    pub jump_id: JumpId,
    /// The target that redeems.
    pub target_id: TargetId,
    /// When.
    pub at: Timestamp,
}

/// What became of an attempt to redeem.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RedeemOutcome {
    /// This attempt consumed the jump; no other ever will.
    Redeemed,
    /// Another attempt did. The session of the first is marked revoked.
    AlreadyRedeemed,
    /// Too late.
    Expired,
    /// Something that it was decided on changed.
    Revoked,
    /// No such jump of this tenant for this target.
    Unknown,
}

/// What became of an attempt to record a jump.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordOutcome {
    /// The jump is kept; its token may leave.
    Recorded,
    /// The numbers that it was decided on have moved; decide again.
    Stale,
    /// The same request made a jump before; look at that one.
    Repeated,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jump(versions: JumpVersions) -> Jump {
        let uuid = "0190f5fe-7c00-7a8d-8d2e-5b1d3f4a5b6c";
        Jump {
            jump_id: JumpId::parse(uuid).expect("an id"),
            jti_hash: ProofHash([0; 32]),
            handle_hash: None,
            request: RequestKey {
                caller: [0; 32],
                request_id: RequestId::parse(uuid).expect("an id"),
                content: [0; 32],
            },
            order: JumpOrder {
                person: Person::Broker(BrokerId::parse("m.meier").expect("an id")),
                actor: None,
                target_id: TargetId::parse("rechner").expect("a key"),
                wanted: None,
                activation_id: None,
                customer_context: None,
                line_of_business: None,
                provider_id: None,
            },
            luggage: Luggage::default(),
            user_id: UserId::parse(uuid).expect("an id"),
            way: Way::Activation,
            segment: None,
            subject: Subject::from_computed("s".repeat(43)),
            actor_subject: None,
            issued_at: Timestamp::from_unix_seconds(1_000),
            expires_at: Timestamp::from_unix_seconds(1_060),
            epoch: 1,
            versions,
        }
    }

    #[test]
    fn a_jump_is_issued_only_while_all_that_it_rests_on_holds() {
        let versions = JumpVersions { config: 3, customer: None, catalog: 5 };
        let jump = jump(versions);
        let holds = Standing { tenant: TenantState::Active, epoch: 1, versions };
        let at = |standing: Standing| JumpState::of(&jump, false, &standing, jump.issued_at);
        assert_eq!(at(holds), JumpState::Issued);
        for moved in [
            Standing { tenant: TenantState::Stopped, ..holds },
            Standing { epoch: 2, ..holds },
            Standing { versions: JumpVersions { config: 4, ..versions }, ..holds },
            Standing { versions: JumpVersions { customer: Some(1), ..versions }, ..holds },
            Standing { versions: JumpVersions { catalog: 6, ..versions }, ..holds },
        ] {
            assert_eq!(at(moved), JumpState::Revoked, "{moved:?}");
        }
    }

    #[test]
    fn redeemed_comes_before_expired_and_expired_before_revoked() {
        let versions = JumpVersions { config: 3, customer: None, catalog: 5 };
        let jump = jump(versions);
        let holds = Standing { tenant: TenantState::Active, epoch: 1, versions };
        let moved = Standing { epoch: 2, ..holds };
        let end = jump.expires_at.plus(CLOCK_LEEWAY);
        let just_before = Timestamp::from_unix_micros(end.unix_micros() - 1);
        assert_eq!(JumpState::of(&jump, false, &holds, just_before), JumpState::Issued);
        assert_eq!(JumpState::of(&jump, false, &moved, just_before), JumpState::Revoked);
        assert_eq!(JumpState::of(&jump, false, &moved, end), JumpState::Expired);
        assert_eq!(JumpState::of(&jump, true, &moved, end), JumpState::Redeemed);
    }

    #[test]
    fn a_life_is_10_to_120_whole_seconds() {
        for good in [10, 60, 120] {
            assert!(TokenLife::parse(Duration::from_secs(good)).is_ok());
        }
        for bad in [Duration::ZERO, Duration::from_secs(9), Duration::from_secs(121), Duration::from_millis(60_500)] {
            assert_eq!(TokenLife::parse(bad), Err(InvalidTokenLife));
        }
    }

    #[test]
    fn a_context_is_bounded_readable_text() {
        assert!(Context::parse("Zeile 1\nZeile 2\tä").is_ok());
        assert_eq!(Context::parse("\u{1b}[2J"), Err(InvalidContext));
        assert_eq!(Context::parse(&"x".repeat(4_097)), Err(InvalidContext));
    }

    #[test]
    fn a_nonce_keeps_to_its_alphabet_and_length() {
        assert!(Nonce::parse("aZ09_.~-").is_ok());
        for text in ["", "a b", "a\"", &"x".repeat(65)] {
            assert_eq!(Nonce::parse(text), Err(InvalidNonce), "{text:?}");
        }
    }
}
