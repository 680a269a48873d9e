//! Jumps (Absprünge): what is asked for, what is decided and kept, and what is handed over.

use std::time::Duration;

use super::audit::{AuditedKind, AuditedPerson, Salt};
pub use super::claims::{
    ActorClaim, CLOCK_LEEWAY, Context, InvalidContext, InvalidNonce, InvalidTargetPage, InvalidTokenLife, Jti,
    JumpClaims, Nonce, ProofHash, Subject, TargetPage, TokenLife,
};
use super::customer::Segment;
use super::ids::{
    ActivationId, AttemptId, BrokerId, CustomerId, JumpId, LineOfBusiness, ProviderId, RequestId, SubjectId, TargetId,
    TenantId, UserId,
};
use super::provider::ProviderScope;
use super::resolve::{Assignments, CandidateUser, Candidates, Way};
pub use super::session::{JumpResult, LoginReport, Session, SessionId, SessionState};
use super::settings::Settings;
use super::target::{Target, TargetKind, WebUrl};
use super::tenant::{TenantState, WrappedKeys};
use super::text::UserName;
use super::time::Timestamp;
use super::user::{SealedSecret, UserKind};

/// Most jumps of one person within a minute (`docs/catalogue.md#jump-and-redeem`): nobody clicks faster.
pub const JUMPS_A_MINUTE: u32 = 30;
/// The minute that [`JUMPS_A_MINUTE`] counts in.
pub const JUMP_RATE_WINDOW: Duration = Duration::from_secs(60);
/// The longest that a session lasts at a target, whatever the kind of person.
pub const LONGEST_SESSION: Duration = Duration::from_hours(8);

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

impl From<PersonKind> for AuditedKind {
    fn from(kind: PersonKind) -> Self {
        match kind {
            PersonKind::Broker => Self::Broker,
            PersonKind::Customer => Self::Customer,
        }
    }
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

    /// He, as the audit log knows him.
    #[must_use]
    pub fn audited(&self) -> AuditedPerson {
        AuditedPerson { kind: self.kind().into(), id: self.id().to_owned() }
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

impl JumpOrder {
    /// Who is the jump's own for the audit log: the actor, where there is one, and then the person.
    #[must_use]
    pub fn people(&self) -> Vec<AuditedPerson> {
        let subject = |actor: &Actor| AuditedPerson { kind: AuditedKind::Subject, id: actor.id.as_str().to_owned() };
        self.actor.as_ref().map(subject).into_iter().chain([self.audited_person()]).collect()
    }

    /// The person, as the audit log knows him.
    #[must_use]
    pub fn audited_person(&self) -> AuditedPerson {
        self.person.audited()
    }
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
    /// Which page the target opens.
    pub target_page: Option<TargetPage>,
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

/// What a decision found of a customer's record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenCustomer {
    /// Whose.
    pub customer_id: CustomerId,
    /// As in [`JumpVersions::customer`].
    pub jump_version: Option<i64>,
}

impl SeenCustomer {
    /// Tells whether the audit log has him as this person.
    #[must_use]
    pub fn is(&self, person: &AuditedPerson) -> bool {
        person.kind == AuditedKind::Customer && person.id == self.customer_id.as_str()
    }
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

/// What was written about a jump after it was issued.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct JumpMarks {
    /// When it was redeemed.
    pub redeemed_at: Option<Timestamp>,
    /// When it was revoked by itself, and not by what it rests on.
    pub revoked_at: Option<Timestamp>,
}

/// What became of a jump.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
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
    /// What became of `jump`, about which `marks` were written, at `now`.
    ///
    /// What was redeemed stays redeemed, and what is too late is not looked at any further: the first answer of
    /// redeemed, expired, revoked, issued. Time is over [`CLOCK_LEEWAY`] after the jump expired.
    #[must_use]
    pub fn of(jump: &Jump, marks: JumpMarks, standing: &Standing, now: Timestamp) -> Self {
        if marks.redeemed_at.is_some() {
            Self::Redeemed
        } else if now >= jump.expires_at.plus(CLOCK_LEEWAY) {
            Self::Expired
        } else if marks.revoked_at.is_none()
            && standing.tenant == TenantState::Active
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
    /// When the person made the first of his last [`JUMPS_A_MINUTE`] jumps; `None` unless all of them are from the last
    /// minute.
    pub crowded_since: Option<Timestamp>,
    /// The tenant's settings.
    pub settings: Settings,
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

/// What deciding a jump asks the store about the person, where all else is known.
#[derive(Debug, Clone, Copy)]
pub struct PersonQuery<'a> {
    /// Who jumps.
    pub person: &'a Person,
    /// Whose salts are wanted, at most 3.
    pub people: &'a [AuditedPerson],
}

/// What one read finds of a person: all that leads him to a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PersonInputs {
    /// What could lead to a user.
    pub assignments: Assignments,
    /// The users that it names.
    pub users: Vec<CandidateUser>,
    /// The number of the customer's record; `None` for a broker, and where there is no record.
    pub customer: Option<i64>,
    /// The salts of the people asked about, in their order; `None` for one who has none yet.
    pub salts: Vec<Option<Salt>>,
}

/// What redeeming a jump asks the store, in one read.
#[derive(Debug, Clone, Copy)]
pub struct RedeemQuery<'a> {
    /// The hash of the token's `jti` or of the handle.
    pub proof: &'a ProofHash,
    /// Whose salts are wanted beside those of the jump's own people.
    pub people: &'a [AuditedPerson],
    /// The instant that tells whether the jump is expired.
    pub now: Timestamp,
}

/// Everything that one read finds for redeeming a jump.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedeemInputs {
    /// The jump.
    pub jump: Jump,
    /// What became of it so far.
    pub state: JumpState,
    /// Its con:center user as it is now; `None` if it is deleted, and then the jump is not issued any more.
    pub user: Option<RedeemUser>,
    /// The tenant's settings.
    pub settings: Settings,
    /// Whether the target gets the secret.
    pub hands_over_secret: bool,
    /// The tenant's keys.
    pub keys: WrappedKeys,
    /// The salts of the people asked about and then of the jump's own ([`JumpOrder::people`]), in their order; `None` for
    /// one who has none.
    pub salts: Vec<Option<Salt>>,
}

/// The con:center user of a jump, as redeeming needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedeemUser {
    /// Its name.
    pub name: UserName,
    /// What it is for.
    pub kind: UserKind,
    /// What it supports.
    pub scope: ProviderScope,
    /// Its secret and the secret's version.
    pub secret: Option<(SealedSecret, i64)>,
}

/// A jump as the history tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JumpRecord {
    /// Its id.
    pub jump_id: JumpId,
    /// What became of it.
    pub state: JumpState,
    /// The kind of person that it was made for.
    pub person_kind: PersonKind,
    /// The person; `None` once a customer was erased.
    pub person: Option<PersonId>,
    /// The human at the screen, where he was not the person.
    pub actor: Option<Actor>,
    /// Where it led.
    pub target_id: TargetId,
    /// The con:center user that was decided on; it may be deleted by now. `None` for whoever need not know.
    pub user_id: Option<UserId>,
    /// By which way.
    pub way: Way,
    /// The segment that was decided on; `None` for a broker.
    pub segment: Option<Segment>,
    /// The activation that was named.
    pub activation_id: Option<ActivationId>,
    /// The customer that a broker worked for; `None` also once he was erased.
    pub customer_context: Option<CustomerId>,
    /// The line of business that was named.
    pub line_of_business: Option<LineOfBusiness>,
    /// The product provider that was named.
    pub provider_id: Option<ProviderId>,
    /// When it was issued.
    pub issued_at: Timestamp,
    /// When its token expired.
    pub expires_at: Timestamp,
    /// When it was redeemed.
    pub redeemed_at: Option<Timestamp>,
    /// When it was revoked by itself.
    pub revoked_at: Option<Timestamp>,
    /// When the session that it opened was marked revoked.
    pub session_revoked_at: Option<Timestamp>,
    /// How its login went.
    pub result: Option<ReportedResult>,
}

/// How a login went, as the target told it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReportedResult {
    /// How.
    pub result: JumpResult,
    /// When that was told.
    pub at: Timestamp,
}

impl JumpRecord {
    /// When something was last written about it.
    #[must_use]
    pub fn updated_at(&self) -> Timestamp {
        let result_at = self.result.map(|reported| reported.at);
        let marks = [self.redeemed_at, self.revoked_at, self.session_revoked_at, result_at];
        marks.into_iter().flatten().fold(self.issued_at, Timestamp::max)
    }
}

/// A person by his id alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PersonId {
    /// A broker.
    Broker(BrokerId),
    /// A customer.
    Customer(CustomerId),
}

impl PersonId {
    /// His kind.
    #[must_use]
    pub const fn kind(&self) -> PersonKind {
        match self {
            Self::Broker(_) => PersonKind::Broker,
            Self::Customer(_) => PersonKind::Customer,
        }
    }

    /// His id, as the portal chose it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Broker(id) => id.as_str(),
            Self::Customer(id) => id.as_str(),
        }
    }
}

/// Which jumps of a tenant are listed: those that meet all that is set.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct JumpFilter {
    /// With this con:center user.
    pub user_id: Option<UserId>,
    /// Made for this person.
    pub person: Option<PersonId>,
    /// To this target.
    pub target_id: Option<TargetId>,
    /// Of which this became.
    pub state: Option<JumpState>,
    /// About which something was written after this instant.
    pub updated_after: Option<Timestamp>,
}

/// Which jumps are revoked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JumpSelection {
    /// This one.
    Jump(JumpId),
    /// All with this con:center user.
    User(UserId),
    /// All that were made for this person.
    Person(PersonId),
}

/// How many jumps were revoked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RevokedCounts {
    /// Open jumps, which can no longer be redeemed.
    pub jumps: u32,
    /// Redeemed jumps, the session of which is marked revoked.
    pub sessions: u32,
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
        let at = |standing: Standing| JumpState::of(&jump, JumpMarks::default(), &standing, jump.issued_at);
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
    fn a_jump_that_was_revoked_by_itself_is_revoked_though_all_that_it_rests_on_holds() {
        let versions = JumpVersions { config: 3, customer: None, catalog: 5 };
        let jump = jump(versions);
        let holds = Standing { tenant: TenantState::Active, epoch: 1, versions };
        let marks = JumpMarks { revoked_at: Some(jump.issued_at), ..JumpMarks::default() };
        assert_eq!(JumpState::of(&jump, marks, &holds, jump.issued_at), JumpState::Revoked);
    }

    #[test]
    fn redeemed_comes_before_expired_and_expired_before_revoked() {
        let versions = JumpVersions { config: 3, customer: None, catalog: 5 };
        let jump = jump(versions);
        let holds = Standing { tenant: TenantState::Active, epoch: 1, versions };
        let moved = Standing { epoch: 2, ..holds };
        let end = jump.expires_at.plus(CLOCK_LEEWAY);
        let redeemed = JumpMarks { redeemed_at: Some(jump.issued_at), ..JumpMarks::default() };
        let just_before = Timestamp::from_unix_micros(end.unix_micros() - 1);
        assert_eq!(JumpState::of(&jump, JumpMarks::default(), &holds, just_before), JumpState::Issued);
        assert_eq!(JumpState::of(&jump, JumpMarks::default(), &moved, just_before), JumpState::Revoked);
        assert_eq!(JumpState::of(&jump, JumpMarks::default(), &moved, end), JumpState::Expired);
        assert_eq!(JumpState::of(&jump, redeemed, &moved, end), JumpState::Redeemed);
    }
}
