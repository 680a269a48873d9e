//! Why something is refused: one closed list, told apart by what a caller can do about it.

use std::time::Duration;

use super::customer::Segment;
use super::ids::{ActivationId, CustomerId};

/// A reason for saying no, in the words of the API (`ErrorReason`).
///
/// `docs/catalogue.md` says which call answers which; [`crate::domain::resolve`] which rule finds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The call needs another role.
    Role,
    /// The credential is for other tenants.
    TenantMismatch,
    /// The id is unknown, or another tenant's: nobody can tell which.
    NotFound,
    /// The name is taken.
    AlreadyExists,
    /// The resource changed since the caller read it.
    EtagMismatch,
    /// The request id was used for another request, at least within the last 24 hours.
    RequestIdReused,
    /// A fixed limit on how many there may be is reached.
    LimitReached,
    /// More is asked for than one person needs in so short a time.
    RateLimited,

    /// No activation or assignment leads to a con:center user.
    NoUserAssigned,
    /// Several activations with different users; the request must name one.
    AmbiguousActivation,
    /// The activation is disabled.
    ActivationDisabled,
    /// The customer has no record, and nobody who may state his segment did.
    SegmentUnknown,
    /// The stated segment contradicts the customer's record.
    SegmentMismatch,
    /// Customers never get an insurer's portal.
    InsurerPortalForbidden,
    /// The con:center user is disabled.
    UserDisabled,
    /// The con:center user has no secret yet.
    SecretMissing,
    /// Logins with the secret failed, again and again: it must be set again.
    CredentialSuspect,
    /// The Standard user is for transfers, never for a jump.
    StandardNotForJumps,
    /// Customers may only get a con:center user marked Endkunde.
    EndkundeRequired,
    /// A con:center user marked Endkunde is for customers only.
    EndkundeConflict,
    /// con:center itself reports that the user is not set up as Endkunde.
    EndkundeRemoteMismatch,
    /// A product provider is outside the scope of the con:center user.
    ProviderNotAllowed,
    /// The target is disabled.
    TargetDisabled,
    /// The product provider is disabled.
    ProviderDisabled,
    /// The target does not take this line of business.
    LineOfBusinessNotSupported,
    /// The target is of the other kind; call the other RPC.
    TargetKindMismatch,
    /// The target does not take this kind of person.
    PersonNotAccepted,
    /// The tenant is stopped.
    TenantStopped,
    /// The tenant is deleted; that must be taken back first.
    TenantDeleted,

    /// Customers of a segment use the user.
    SlotInUse,
    /// Something depends on the user.
    Assigned,
    /// Another activation has the user, and no reason for sharing it was given.
    UserAlreadyAssigned,
    /// A user marked Endkunde must name its product providers.
    ProviderScopeRequired,
    /// The Standard user stays until another one is.
    StandardRequired,

    /// Data keys are wrapped under the key-encryption key, or whatever is new is.
    KekInUse,

    /// The jump token or handle is not authentic, or not for this target.
    JumpInvalid,
    /// The jump was redeemed before.
    JumpAlreadyRedeemed,
    /// The jump's minute is over.
    JumpExpired,
    /// Something that the jump was decided on changed.
    JumpRevoked,
    /// The stored secret does not open; it must be set again.
    SecretCorrupt,
    /// The login of the jump was reported to have gone otherwise.
    ResultAlreadyReported,
}

impl Reason {
    /// The reason as the API and the audit log spell it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Role => "ROLE",
            Self::TenantMismatch => "TENANT_MISMATCH",
            Self::NotFound => "NOT_FOUND",
            Self::AlreadyExists => "ALREADY_EXISTS",
            Self::EtagMismatch => "ETAG_MISMATCH",
            Self::RequestIdReused => "REQUEST_ID_REUSED",
            Self::LimitReached => "LIMIT_REACHED",
            Self::RateLimited => "RATE_LIMITED",
            Self::NoUserAssigned => "NO_USER_ASSIGNED",
            Self::AmbiguousActivation => "AMBIGUOUS_ACTIVATION",
            Self::ActivationDisabled => "ACTIVATION_DISABLED",
            Self::SegmentUnknown => "SEGMENT_UNKNOWN",
            Self::SegmentMismatch => "SEGMENT_MISMATCH",
            Self::InsurerPortalForbidden => "INSURER_PORTAL_FORBIDDEN",
            Self::UserDisabled => "USER_DISABLED",
            Self::SecretMissing => "SECRET_MISSING",
            Self::CredentialSuspect => "CREDENTIAL_SUSPECT",
            Self::StandardNotForJumps => "STANDARD_NOT_FOR_JUMPS",
            Self::EndkundeRequired => "ENDKUNDE_REQUIRED",
            Self::EndkundeConflict => "ENDKUNDE_CONFLICT",
            Self::EndkundeRemoteMismatch => "ENDKUNDE_REMOTE_MISMATCH",
            Self::ProviderNotAllowed => "PROVIDER_NOT_ALLOWED",
            Self::TargetDisabled => "TARGET_DISABLED",
            Self::ProviderDisabled => "PROVIDER_DISABLED",
            Self::LineOfBusinessNotSupported => "LINE_OF_BUSINESS_NOT_SUPPORTED",
            Self::TargetKindMismatch => "TARGET_KIND_MISMATCH",
            Self::PersonNotAccepted => "PERSON_NOT_ACCEPTED",
            Self::TenantStopped => "TENANT_STOPPED",
            Self::TenantDeleted => "TENANT_DELETED",
            Self::SlotInUse => "SLOT_IN_USE",
            Self::Assigned => "ASSIGNED",
            Self::UserAlreadyAssigned => "USER_ALREADY_ASSIGNED",
            Self::ProviderScopeRequired => "PROVIDER_SCOPE_REQUIRED",
            Self::StandardRequired => "STANDARD_REQUIRED",
            Self::KekInUse => "KEK_IN_USE",
            Self::JumpInvalid => "JUMP_INVALID",
            Self::JumpAlreadyRedeemed => "JUMP_ALREADY_REDEEMED",
            Self::JumpExpired => "JUMP_EXPIRED",
            Self::JumpRevoked => "JUMP_REVOKED",
            Self::SecretCorrupt => "SECRET_CORRUPT",
            Self::ResultAlreadyReported => "RESULT_ALREADY_REPORTED",
        }
    }
}

/// What an administrator can look at to get past a refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Related {
    /// An activation that uses the user, or one to choose from.
    Activation(ActivationId),
    /// A customer whose own user it is.
    Customer(CustomerId),
    /// The tenant's shared user of a segment.
    SharedUser(Segment),
}

/// Most [`Related`] things that a refusal lists.
pub const RELATED_SHOWN: usize = 20;

/// A refusal: nothing was changed, and the caller can act on the reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Why.
    pub reason: Reason,
    /// Dependents or candidates, at most [`RELATED_SHOWN`].
    pub related: Vec<Related>,
    /// How many there are in all, at least as many as are listed.
    pub related_total: u64,
    /// The version that the resource has now; with [`Reason::EtagMismatch`] only.
    pub current: Option<Version>,
    /// After how long the same request may be taken; with [`Reason::RateLimited`] only.
    pub retry_after: Option<Duration>,
}

impl Refusal {
    /// A refusal that its reason says all about.
    #[must_use]
    pub const fn plain(reason: Reason) -> Self {
        Self { reason, related: Vec::new(), related_total: 0, current: None, retry_after: None }
    }

    /// A refusal that names what stands in the way; only the first [`RELATED_SHOWN`] are kept.
    #[must_use]
    pub fn with_related(reason: Reason, mut related: Vec<Related>, total: u64) -> Self {
        related.truncate(RELATED_SHOWN);
        Self { reason, related, related_total: total, ..Self::plain(reason) }
    }

    /// The resource has another version than the caller knows.
    #[must_use]
    pub fn etag_mismatch(current: Version) -> Self {
        Self { current: Some(current), ..Self::plain(Reason::EtagMismatch) }
    }

    /// So much is asked for that it can be taken only after a while.
    #[must_use]
    pub fn rate_limited(retry_after: Duration) -> Self {
        Self { retry_after: Some(retry_after), ..Self::plain(Reason::RateLimited) }
    }
}

impl From<Reason> for Refusal {
    fn from(reason: Reason) -> Self {
        Self::plain(reason)
    }
}

/// A field of a request that cannot be taken, and what is wrong with it. Never its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The path of the field in the request, for example `customers[3].segment`.
    pub field: String,
    /// What is wrong, for a person: lower case, no full stop.
    pub problem: &'static str,
}

impl Violation {
    /// The violation of one field.
    #[must_use]
    pub fn new(field: impl Into<String>, problem: &'static str) -> Self {
        Self { field: field.into(), problem }
    }
}

/// The version of a resource, counted from 1: its etag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(i64);

impl Version {
    /// The version of something new.
    pub const FIRST: Self = Self(1);

    /// The version of so many edits.
    #[must_use]
    pub const fn from_number(number: i64) -> Self {
        Self(number)
    }

    /// How many edits there were, the first included.
    #[must_use]
    pub const fn number(self) -> i64 {
        self.0
    }
}
