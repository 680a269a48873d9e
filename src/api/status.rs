//! From our failures to gRPC statuses: the one place that knows gRPC codes (`docs/catalogue.md#status-codes`).
//!
//! Each reason has one code, one text and one pause, in one table. The text is a constant that says what somebody can
//! do; nothing of the request and nothing of a driver stands in a status. What we failed at is logged here, once. One
//! more reason: its value in `error_reason.proto`, with its code in capitals at the end of the comment, and a line in
//! the table.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::time::Duration;

use tonic::metadata::MetadataValue;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, FieldViolation, PreconditionViolation, StatusExt as _};

use super::convert::{etag, segment_out};
use crate::app::{Failure, StoreError};
use crate::domain::caller::{Denial, Ending};
use crate::domain::error::{Reason, Refusal, Related, Violation};
use crate::domain::ids::Random;
use crate::proto::v1::ErrorReason;

/// `domain` of every `ErrorInfo`.
const DOMAIN: &str = "concenter";
/// What stands before a reason in the contract and not on the wire.
const PREFIX: &str = "ERROR_REASON_";
/// Beyond the largest number of a reason in the contract; a test looks.
const MOST_REASONS: i32 = 1_000;
/// `metadata` of an `ErrorInfo`: the etag that the resource has now.
const ETAG: &str = "etag";
/// `metadata` of an `ErrorInfo`: how many things stand in the way, listed or not.
const RELATED_TOTAL: &str = "related_total";

/// What a reason gets on the wire.
struct Entry {
    code: Code,
    /// How long to wait before trying again; `None` where waiting does not help.
    retry: Option<Duration>,
    /// What somebody can do about it.
    advice: &'static str,
}

/// The status of a failure. `random` gives the incident id of a fault of ours.
pub(super) fn status(failure: &Failure, random: &dyn Random) -> Status {
    match failure {
        Failure::Invalid(violations) => invalid(violations),
        Failure::Refused(refusal) => refused(refusal),
        Failure::Store(error) => match error {
            StoreError::Busy => unavailable(ErrorReason::StorageBusy, failure),
            StoreError::Full(_) => unavailable(ErrorReason::StorageFull, failure),
            StoreError::Down(_) => unavailable(ErrorReason::StorageDown, failure),
            StoreError::Contended(_) => unavailable(ErrorReason::Contended, failure),
            StoreError::Corrupt { .. } | StoreError::Constraint(_) => fault(failure, random),
        },
        Failure::Contended => unavailable(ErrorReason::Contended, failure),
        Failure::Overloaded => unavailable(ErrorReason::Overloaded, failure),
        Failure::Key(_) | Failure::NoSigningKey => unavailable(ErrorReason::KeyUnavailable, failure),
        Failure::Seal(_) | Failure::MakeKey(_) | Failure::ServiceLost | Failure::Token(_) | Failure::CallerUnfit => {
            fault(failure, random)
        }
    }
}

/// The status of a call that the edge ended.
pub fn denial(denial: &Denial) -> Status {
    let reason = match denial {
        Denial::CredentialMissing => ErrorReason::CredentialMissing,
        Denial::CredentialInvalid => ErrorReason::CredentialInvalid,
        Denial::CredentialExpired => ErrorReason::CredentialExpired,
        Denial::CredentialBinding => ErrorReason::CredentialBinding,
        Denial::IssuerUnavailable => ErrorReason::KeyUnavailable,
        Denial::Role => ErrorReason::Role,
        Denial::Tenant => ErrorReason::TenantMismatch,
        Denial::AuditUnavailable | Denial::StorageUnavailable => ErrorReason::StorageDown,
        Denial::ClockBehind { by } => return clock_behind(*by),
        Denial::TooOften { wait } => return too_often(*wait),
        Denial::Overloaded => ErrorReason::Overloaded,
        Denial::Deadline => ErrorReason::Deadline,
        // As the library answers for a service that it does not know: no reason, and not the name that was asked for.
        Denial::UnknownMethod => return Status::new(Code::Unimplemented, "there is no such method"),
        // As the library answers, but for the encoding that was asked for.
        Denial::EncodingUnsupported => {
            let mut status =
                Status::new(Code::Unimplemented, "compressed messages are not taken, send them as they are");
            status.metadata_mut().insert("grpc-accept-encoding", MetadataValue::from_static("identity"));
            return status;
        }
    };
    of(reason, HashMap::new(), |_| ())
}

/// The status of a call that comes too often, whoever's. It shares its reason with jumps of a person that do: what to do
/// about either is to wait.
fn too_often(wait: Duration) -> Status {
    let advice = "this method is called too often: wait as long as this says, then call more slowly";
    later_by(ErrorReason::RateLimited, wait, advice)
}

/// The status of whatever is asked for while the clock has to catch up.
fn clock_behind(by: Duration) -> Status {
    let reason = ErrorReason::ClockRegression;
    later_by(reason, by, entry(reason).advice)
}

/// The status of a reason that is over after `wait`.
fn later_by(reason: ErrorReason, wait: Duration, advice: &'static str) -> Status {
    let mut details = ErrorDetails::with_error_info(word(reason), DOMAIN, HashMap::new());
    details.set_retry_info(Some(whole_seconds(wait)));
    Status::with_error_details(entry(reason).code, advice, details)
}

/// How an answer ended its call. A status in its headers is a refusal or a failure; without one it has begun well.
pub fn ending<B>(answer: &http::Response<B>) -> Ending {
    if let Some(status) = answer.extensions().get::<Status>() {
        return Ending { code: code_name(status.code()), reason: reason_of(status) };
    }
    let code = answer.headers().get("grpc-status").map_or(Code::Ok, |code| Code::from_bytes(code.as_bytes()));
    Ending { code: code_name(code), reason: None }
}

/// Every word that [`ending`] may tell as a code.
pub fn code_names() -> impl Iterator<Item = &'static str> {
    (0..=16).map(|number| code_name(Code::from_i32(number)))
}

/// Every word that [`ending`] may tell as a reason.
pub fn reason_names() -> impl Iterator<Item = &'static str> {
    (1..=MOST_REASONS).filter_map(|number| ErrorReason::try_from(number).ok()).map(word)
}

/// The reason in a status of ours.
fn reason_of(status: &Status) -> Option<&'static str> {
    let info = status.get_details_error_info()?;
    ErrorReason::from_str_name(&format!("{PREFIX}{}", info.reason)).map(word)
}

/// The name of a code, as the specification of gRPC spells it.
const fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => Ending::OK,
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

/// What an administrator can do about a refusal: one sentence, the text of its status.
pub(super) fn advice(reason: Reason) -> &'static str {
    entry(error_reason(reason)).advice
}

fn invalid(violations: &[Violation]) -> Status {
    of(ErrorReason::FieldInvalid, HashMap::new(), |details| {
        let violation = |violation: &Violation| FieldViolation::new(&violation.field, violation.problem);
        details.set_bad_request(violations.iter().map(violation).collect::<Vec<_>>());
    })
}

fn refused(refusal: &Refusal) -> Status {
    let mut metadata = HashMap::new();
    if let Some(current) = refusal.current {
        metadata.insert(ETAG.to_owned(), etag(current));
    }
    if refusal.related_total > 0 {
        metadata.insert(RELATED_TOTAL.to_owned(), refusal.related_total.to_string());
    }
    of(error_reason(refusal.reason), metadata, |details| {
        if let Some(wait) = refusal.retry_after {
            details.set_retry_info(Some(whole_seconds(wait)));
        }
        if !refusal.related.is_empty() {
            details.set_precondition_failure(refusal.related.iter().map(precondition).collect::<Vec<_>>());
        }
    })
}

/// A pause in whole seconds, rounded up and at least one: who comes back a moment too early is refused again.
fn whole_seconds(wait: Duration) -> Duration {
    let begun = u64::from(wait.subsec_nanos() > 0);
    Duration::from_secs(wait.as_secs().saturating_add(begun).max(1))
}

/// What stands in the way: its kind, its id within that kind, and what it does there.
fn precondition(related: &Related) -> PreconditionViolation {
    match related {
        Related::Activation(id) => {
            PreconditionViolation::new("ACTIVATION", id.to_string(), "a broker activation with this con:center user")
        }
        Related::Customer(id) => {
            PreconditionViolation::new("CUSTOMER", id.as_str(), "a customer whose own con:center user this is")
        }
        Related::SharedUser(segment) => {
            let segment = segment_out(*segment).as_str_name().trim_start_matches("SEGMENT_");
            PreconditionViolation::new("SHARED_USER", segment, "the con:center user that these customers share")
        }
    }
}

/// Something that we need is not usable now.
fn unavailable(reason: ErrorReason, failure: &Failure) -> Status {
    tracing::warn!(error = failure as &dyn std::error::Error, reason = word(reason), "api.unavailable");
    of(reason, HashMap::new(), |_| ())
}

/// A defect of ours. The caller gets a number to ask about; what happened stands in the log alone.
fn fault(failure: &Failure, random: &dyn Random) -> Status {
    let mut bytes = [0; 8];
    random.fill(&mut bytes);
    let incident = bytes.iter().fold(String::from("incident "), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    });
    tracing::error!(error = failure as &dyn std::error::Error, incident, "api.fault");
    let reason = ErrorReason::Internal;
    let details = ErrorDetails::with_error_info(word(reason), DOMAIN, HashMap::new());
    Status::with_error_details(entry(reason).code, incident, details)
}

/// The status of a reason, with one `ErrorInfo`, the pause if there is one, and what `add` puts beside.
fn of(reason: ErrorReason, metadata: HashMap<String, String>, add: impl FnOnce(&mut ErrorDetails)) -> Status {
    let Entry { code, retry, advice } = entry(reason);
    let mut details = ErrorDetails::with_error_info(word(reason), DOMAIN, metadata);
    if retry.is_some() {
        details.set_retry_info(retry);
    }
    add(&mut details);
    Status::with_error_details(code, advice, details)
}

/// The reason as it stands on the wire.
fn word(reason: ErrorReason) -> &'static str {
    let name = reason.as_str_name();
    name.strip_prefix(PREFIX).unwrap_or(name)
}

/// The reason of the contract for one of the domain.
pub(super) const fn error_reason(reason: Reason) -> ErrorReason {
    match reason {
        Reason::Role => ErrorReason::Role,
        Reason::TenantMismatch => ErrorReason::TenantMismatch,
        Reason::NotFound => ErrorReason::NotFound,
        Reason::AlreadyExists => ErrorReason::AlreadyExists,
        Reason::EtagMismatch => ErrorReason::EtagMismatch,
        Reason::RequestIdReused => ErrorReason::RequestIdReused,
        Reason::LimitReached => ErrorReason::LimitReached,
        Reason::RateLimited => ErrorReason::RateLimited,
        Reason::NoUserAssigned => ErrorReason::NoUserAssigned,
        Reason::AmbiguousActivation => ErrorReason::AmbiguousActivation,
        Reason::ActivationDisabled => ErrorReason::ActivationDisabled,
        Reason::SegmentUnknown => ErrorReason::SegmentUnknown,
        Reason::SegmentMismatch => ErrorReason::SegmentMismatch,
        Reason::InsurerPortalForbidden => ErrorReason::InsurerPortalForbidden,
        Reason::UserDisabled => ErrorReason::UserDisabled,
        Reason::SecretMissing => ErrorReason::SecretMissing,
        Reason::CredentialSuspect => ErrorReason::CredentialSuspect,
        Reason::StandardNotForJumps => ErrorReason::StandardNotForJumps,
        Reason::EndkundeRequired => ErrorReason::EndkundeRequired,
        Reason::EndkundeConflict => ErrorReason::EndkundeConflict,
        Reason::EndkundeRemoteMismatch => ErrorReason::EndkundeRemoteMismatch,
        Reason::ProviderNotAllowed => ErrorReason::ProviderNotAllowed,
        Reason::TargetDisabled => ErrorReason::TargetDisabled,
        Reason::ProviderDisabled => ErrorReason::ProviderDisabled,
        Reason::LineOfBusinessNotSupported => ErrorReason::LineOfBusinessNotSupported,
        Reason::TargetKindMismatch => ErrorReason::TargetKindMismatch,
        Reason::PersonNotAccepted => ErrorReason::PersonNotAccepted,
        Reason::TenantStopped => ErrorReason::TenantStopped,
        Reason::TenantDeleted => ErrorReason::TenantDeleted,
        Reason::SlotInUse => ErrorReason::SlotInUse,
        Reason::Assigned => ErrorReason::Assigned,
        Reason::UserAlreadyAssigned => ErrorReason::UserAlreadyAssigned,
        Reason::ProviderScopeRequired => ErrorReason::ProviderScopeRequired,
        Reason::StandardRequired => ErrorReason::StandardRequired,
        Reason::KekInUse => ErrorReason::KekInUse,
        Reason::JumpInvalid => ErrorReason::JumpInvalid,
        Reason::JumpAlreadyRedeemed => ErrorReason::JumpAlreadyRedeemed,
        Reason::JumpExpired => ErrorReason::JumpExpired,
        Reason::JumpRevoked => ErrorReason::JumpRevoked,
        Reason::SecretCorrupt => ErrorReason::SecretCorrupt,
        Reason::ResultAlreadyReported => ErrorReason::ResultAlreadyReported,
    }
}

/// The table. A pause is as long as the fault usually lasts: a queue, a restart, a person who must act.
#[expect(clippy::too_many_lines, reason = "one table, a line for each reason")]
const fn entry(reason: ErrorReason) -> Entry {
    const fn no(code: Code, advice: &'static str) -> Entry {
        Entry { code, retry: None, advice }
    }
    const fn later(code: Code, seconds: u64, advice: &'static str) -> Entry {
        Entry { code, retry: Some(Duration::from_secs(seconds)), advice }
    }
    use Code::{
        Aborted, AlreadyExists, DeadlineExceeded, FailedPrecondition, Internal, InvalidArgument, NotFound,
        PermissionDenied, ResourceExhausted, Unauthenticated, Unavailable,
    };
    match reason {
        ErrorReason::CredentialMissing => no(Unauthenticated, "send a bearer token in the metadata `authorization`"),
        ErrorReason::CredentialInvalid => no(Unauthenticated, "the credential is not accepted: get another one"),
        ErrorReason::CredentialExpired => no(Unauthenticated, "the credential has expired: get a new one"),
        ErrorReason::CredentialBinding => {
            no(Unauthenticated, "the credential is bound to a client's certificate: connect with that one")
        }
        ErrorReason::TenantMismatch => no(PermissionDenied, "the credential is not for this tenant"),
        ErrorReason::Role => no(PermissionDenied, "the role of the credential does not allow this"),
        ErrorReason::NotFound => no(NotFound, "there is no such thing: check the id"),
        ErrorReason::FieldInvalid => no(InvalidArgument, "fields cannot be taken: see the list of violations"),
        ErrorReason::AlreadyExists => no(AlreadyExists, "it exists already: choose another name"),
        ErrorReason::EtagMismatch => no(Aborted, "it has changed meanwhile: read it again and decide anew"),
        ErrorReason::RequestIdReused => {
            no(InvalidArgument, "the request id was used for another request: send a new one")
        }
        ErrorReason::LimitReached => no(ResourceExhausted, "there may be no more of these: ask the operator"),
        ErrorReason::RateLimited => {
            later(ResourceExhausted, 60, "a person gets 30 jumps a minute: wait as long as this says, then ask again")
        }

        ErrorReason::NoUserAssigned => no(
            FailedPrecondition,
            "no con:center user follows: activate one for the broker, or set the customer's own or shared one",
        ),
        ErrorReason::AmbiguousActivation => no(
            FailedPrecondition,
            "the broker has several activations with different con:center users: name one of those listed",
        ),
        ErrorReason::ActivationDisabled => {
            no(FailedPrecondition, "the broker activation is disabled: enable it or use another one")
        }
        ErrorReason::SegmentUnknown => {
            no(FailedPrecondition, "it is not known whether the customer is private or commercial: put his record")
        }
        ErrorReason::SegmentMismatch => no(
            FailedPrecondition,
            "the segment stated contradicts the customer's record: correct the one that is wrong",
        ),
        ErrorReason::InsurerPortalForbidden => {
            no(FailedPrecondition, "customers never get an insurer's portal: jump to a tariff calculator")
        }
        ErrorReason::UserDisabled => {
            no(FailedPrecondition, "the con:center user is disabled: enable it or assign another one")
        }
        ErrorReason::SecretMissing => no(FailedPrecondition, "the con:center user has no password: set it"),
        ErrorReason::CredentialSuspect => no(
            FailedPrecondition,
            "logins with the password of the con:center user failed again and again: set it again",
        ),
        ErrorReason::StandardNotForJumps => {
            no(FailedPrecondition, "the Standard user is for transfers only: assign another con:center user")
        }
        ErrorReason::EndkundeRequired => {
            no(FailedPrecondition, "customers need a con:center user marked Endkunde: mark this one or choose another")
        }
        ErrorReason::EndkundeConflict => no(
            FailedPrecondition,
            "the con:center user is Endkunde or Standard, which excludes this: choose another one",
        ),
        ErrorReason::EndkundeRemoteMismatch => no(
            FailedPrecondition,
            "con:center reports that the user is not Endkunde: set the mark at con:center, too, and attest it here",
        ),
        ErrorReason::ProviderNotAllowed => no(
            FailedPrecondition,
            "the product provider is out of the con:center user's scope: extend it or choose another target",
        ),
        ErrorReason::TargetDisabled => {
            no(FailedPrecondition, "the target is disabled: choose another one or ask the operator")
        }
        ErrorReason::ProviderDisabled => {
            no(FailedPrecondition, "the product provider is disabled: choose another one or ask the operator")
        }
        ErrorReason::LineOfBusinessNotSupported => {
            no(FailedPrecondition, "the target does not take this line of business: choose another one")
        }
        ErrorReason::TargetKindMismatch => no(
            FailedPrecondition,
            "the target is of the other kind: call JumpToTarif for calculators, JumpToInsurerPortal for portals",
        ),
        ErrorReason::PersonNotAccepted => {
            no(FailedPrecondition, "the target does not take this kind of person: choose another one")
        }
        ErrorReason::TenantStopped => no(FailedPrecondition, "the tenant is stopped: ask the operator"),
        ErrorReason::TenantDeleted => {
            no(FailedPrecondition, "the tenant is deleted: take that back first, with UndeleteTenant")
        }

        ErrorReason::SlotInUse => {
            no(FailedPrecondition, "customers share this con:center user: set another shared one first")
        }
        ErrorReason::Assigned => no(
            FailedPrecondition,
            "activations, customers or the customer access have this con:center user: give those listed another one first",
        ),
        ErrorReason::UserAlreadyAssigned => no(
            FailedPrecondition,
            "another activation has this con:center user: choose another one or give a reason for sharing",
        ),
        ErrorReason::ProviderScopeRequired => {
            no(FailedPrecondition, "a con:center user marked Endkunde must name its product providers: send a list")
        }
        ErrorReason::StandardRequired => {
            no(FailedPrecondition, "a tenant keeps its Standard user: move Standard to another con:center user first")
        }
        ErrorReason::KekInUse => no(
            FailedPrecondition,
            "the key-encryption key is in use: activate another one and wait until nothing is under it",
        ),

        ErrorReason::JumpInvalid => no(PermissionDenied, "the jump is not valid for this target"),
        ErrorReason::JumpAlreadyRedeemed => no(FailedPrecondition, "the jump was redeemed before: make a new one"),
        ErrorReason::JumpExpired => no(FailedPrecondition, "the jump has expired: make a new one"),
        ErrorReason::JumpRevoked => {
            no(FailedPrecondition, "something that the jump rests on has changed: make a new one")
        }
        ErrorReason::SecretCorrupt => {
            no(FailedPrecondition, "the stored password of the con:center user does not open: set it again")
        }
        ErrorReason::ResultAlreadyReported => {
            no(FailedPrecondition, "another result was reported for this jump: a jump has one, the first")
        }

        ErrorReason::StorageBusy => {
            later(ResourceExhausted, 1, "too much is being changed at once: send the same request again")
        }
        ErrorReason::Contended => {
            later(Aborted, 1, "other changes got in the way again and again: send the same request again")
        }
        ErrorReason::StorageDown => later(Unavailable, 5, "the database is not available: send the same request again"),
        ErrorReason::StorageFull => {
            later(Unavailable, 60, "the disk of the database is full: the operator must make room")
        }
        ErrorReason::KeyUnavailable => {
            later(Unavailable, 60, "a key is not available: the operator must look into the log")
        }
        ErrorReason::ClockRegression => {
            later(Unavailable, 60, "the clock of the service was set back: the operator must set it right")
        }
        ErrorReason::Overloaded => {
            later(Unavailable, 1, "the service has as many calls as it can take: send the same request again later")
        }
        ErrorReason::Deadline => {
            no(DeadlineExceeded, "the time for the request is over: send the same request again to learn its outcome")
        }
        ErrorReason::Internal | ErrorReason::Unspecified => no(Internal, "a fault of the service: tell the operator"),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Arc;

    use prost::Message as _;
    use prost_reflect::DescriptorPool;
    use prost_types::FileDescriptorSet;

    use super::*;
    use crate::domain::customer::Segment;
    use crate::domain::error::Version;
    use crate::domain::ids::{ActivationId, CustomerId};
    use crate::proto::FILE_DESCRIPTOR_SET;

    /// Stands in a place from which nothing may come out again.
    const CANARY: &str = "kanarie";

    struct Counting;

    impl Random for Counting {
        fn fill(&self, destination: &mut [u8]) {
            destination.iter_mut().zip(1..).for_each(|(byte, number)| *byte = number);
        }
    }

    /// Lists every reason; one that is missing here does not compile.
    macro_rules! reasons {
        ($($reason:ident)+) => {
            const REASONS: &[Reason] = &[$(Reason::$reason),+];

            const fn _all_are_listed(reason: Reason) {
                match reason {
                    $(Reason::$reason => ()),+
                }
            }
        };
    }

    reasons! {
        Role TenantMismatch NotFound AlreadyExists EtagMismatch RequestIdReused LimitReached RateLimited NoUserAssigned
        AmbiguousActivation ActivationDisabled SegmentUnknown SegmentMismatch InsurerPortalForbidden UserDisabled
        SecretMissing CredentialSuspect StandardNotForJumps EndkundeRequired EndkundeConflict EndkundeRemoteMismatch ProviderNotAllowed
        TargetDisabled ProviderDisabled LineOfBusinessNotSupported TargetKindMismatch PersonNotAccepted TenantStopped
        TenantDeleted SlotInUse Assigned UserAlreadyAssigned ProviderScopeRequired StandardRequired KekInUse JumpInvalid
        JumpAlreadyRedeemed JumpExpired JumpRevoked SecretCorrupt ResultAlreadyReported
    }

    fn cause() -> Arc<dyn std::error::Error + Send + Sync> {
        Arc::from(Box::<dyn std::error::Error + Send + Sync>::from(CANARY))
    }

    /// Every way to fail that can be made here, with the reason that it gets.
    fn failures() -> Vec<(Failure, ErrorReason)> {
        let mut all: Vec<(Failure, ErrorReason)> = vec![
            (Failure::Invalid(vec![Violation::new("etag", "is wrong")]), ErrorReason::FieldInvalid),
            (StoreError::Busy.into(), ErrorReason::StorageBusy),
            (StoreError::Full(cause()).into(), ErrorReason::StorageFull),
            (StoreError::Down(cause()).into(), ErrorReason::StorageDown),
            (StoreError::Corrupt { table: CANARY }.into(), ErrorReason::Internal),
            (StoreError::Constraint(cause()).into(), ErrorReason::Internal),
            (Failure::Contended, ErrorReason::Contended),
            (Failure::Overloaded, ErrorReason::Overloaded),
            (StoreError::Contended(cause()).into(), ErrorReason::Contended),
            (Failure::CallerUnfit, ErrorReason::Internal),
        ];
        all.extend(REASONS.iter().map(|reason| (Failure::from(*reason), error_reason(*reason))));
        all
    }

    /// The code that the contract writes behind each reason, in capitals at the end of its comment.
    fn documented_codes() -> Vec<(ErrorReason, String)> {
        let set = FileDescriptorSet::decode(FILE_DESCRIPTOR_SET).unwrap();
        let file = set.file.iter().find(|file| file.name().ends_with("error_reason.proto")).unwrap();
        let info = file.source_code_info.as_ref().unwrap();
        let comment = |place: usize| {
            // The path of a value: enum_type (5), the first of them, value (2), its place.
            let path = [5, 0, 2, i32::try_from(place).unwrap()];
            let location = info.location.iter().find(|location| location.path == path).unwrap();
            location.leading_comments().trim().to_owned()
        };
        let values = file.enum_type[0].value.iter().enumerate().skip(1);
        values
            .map(|(place, value)| {
                let reason = ErrorReason::from_str_name(value.name()).unwrap();
                let comment = comment(place);
                let code = comment.trim_end_matches('.').rsplit(char::is_whitespace).next().unwrap();
                (reason, code.to_owned())
            })
            .collect()
    }

    /// `FAILED_PRECONDITION` for `FailedPrecondition`.
    fn screaming(code: Code) -> String {
        let mut text = String::new();
        for c in format!("{code:?}").chars() {
            if c.is_ascii_uppercase() && !text.is_empty() {
                text.push('_');
            }
            text.push(c.to_ascii_uppercase());
        }
        text
    }

    #[test]
    fn every_reason_is_spelled_as_the_contract_spells_it() {
        for reason in REASONS {
            assert_eq!(word(error_reason(*reason)), reason.as_str());
        }
    }

    #[test]
    fn every_reason_gets_the_code_that_the_contract_says() {
        let documented = documented_codes();
        assert_eq!(documented.len(), 55);
        for (reason, code) in documented {
            assert_eq!(screaming(entry(reason).code), code, "{reason:?}");
        }
    }

    #[test]
    fn every_failure_gets_its_reason_in_exactly_one_error_info() {
        for (failure, reason) in failures() {
            let status = status(&failure, &Counting);
            let details = status.get_error_details_vec();
            let infos: Vec<_> = details
                .iter()
                .filter_map(|detail| match detail {
                    tonic_types::ErrorDetail::ErrorInfo(info) => Some((info.reason.as_str(), info.domain.as_str())),
                    _ => None,
                })
                .collect();
            assert_eq!(infos, [(word(reason), "concenter")], "{failure}");
            assert_eq!(status.code(), entry(reason).code, "{failure}");
        }
    }

    #[test]
    fn no_status_tells_what_a_driver_said() {
        for (failure, reason) in failures() {
            let status = status(&failure, &Counting);
            let details = String::from_utf8_lossy(status.details()).into_owned();
            assert!(!details.contains(CANARY) && !status.message().contains(CANARY), "{failure}");
            if reason != ErrorReason::Internal {
                assert_eq!(status.message(), entry(reason).advice, "{failure}");
            }
        }
    }

    #[test]
    fn a_fault_tells_its_incident_and_nothing_else() {
        let status = status(&Failure::CallerUnfit, &Counting);
        assert_eq!(status.code(), Code::Internal);
        assert_eq!(status.message(), "incident 0102030405060708");
    }

    #[test]
    fn where_waiting_helps_the_status_says_how_long() {
        for (reason, _) in documented_codes() {
            let status = of(reason, HashMap::new(), |_| ());
            let waits = matches!(status.code(), Code::Unavailable | Code::ResourceExhausted)
                || reason == ErrorReason::Contended;
            let told = status.get_details_retry_info().and_then(|info| info.retry_delay);
            // A quota does not go away by waiting.
            assert_eq!(told.is_some(), waits && reason != ErrorReason::LimitReached, "{reason:?}");
        }
    }

    #[test]
    fn who_asks_for_too_much_is_told_how_long_to_wait_in_whole_seconds() {
        for (wait, told) in [
            (Duration::ZERO, 1),
            (Duration::from_micros(1), 1),
            (Duration::from_secs(1), 1),
            (Duration::from_micros(1_000_001), 2),
            (Duration::from_secs(59), 59),
            (Duration::from_millis(59_999), 60),
        ] {
            let status = status(&Failure::Refused(Refusal::rate_limited(wait)), &Counting);
            assert_eq!(status.code(), Code::ResourceExhausted);
            let delays: Vec<_> = status
                .get_error_details_vec()
                .into_iter()
                .filter_map(|detail| match detail {
                    tonic_types::ErrorDetail::RetryInfo(info) => info.retry_delay,
                    _ => None,
                })
                .collect();
            assert_eq!(delays, [Duration::from_secs(told)], "{wait:?}");
        }
    }

    #[test]
    fn who_calls_too_often_is_told_how_long_to_wait_once() {
        let status = denial(&Denial::TooOften { wait: Duration::from_millis(2_001) });
        let waits: Vec<_> = status
            .get_error_details_vec()
            .into_iter()
            .filter_map(|detail| match detail {
                tonic_types::ErrorDetail::RetryInfo(info) => info.retry_delay,
                _ => None,
            })
            .collect();
        assert_eq!(waits, [Duration::from_secs(3)]);
    }

    #[test]
    fn all_violations_are_listed_with_their_fields() {
        let violations = vec![Violation::new("user_name", "is too long"), Violation::new("kind", "is wrong")];
        let status = status(&Failure::Invalid(violations), &Counting);
        let listed: Vec<_> = status.get_details_bad_request().unwrap().field_violations;
        let listed: Vec<_> = listed.iter().map(|one| (one.field.as_str(), one.description.as_str())).collect();
        assert_eq!(listed, [("user_name", "is too long"), ("kind", "is wrong")]);
    }

    #[test]
    fn a_stale_etag_is_told_the_one_of_now() {
        let refusal = Refusal::etag_mismatch(Version::from_number(7));
        let info = status(&Failure::Refused(refusal), &Counting).get_details_error_info().unwrap();
        assert_eq!(info.metadata, HashMap::from([("etag".to_owned(), "v7".to_owned())]));
    }

    #[test]
    fn dependents_are_listed_with_their_number() {
        let activation = ActivationId::parse("0190f5fe-7c00-7a8d-8d2e-5b1d3f4a5b6c").unwrap();
        let related = vec![
            Related::Activation(activation),
            Related::Customer(CustomerId::parse("c-1").unwrap()),
            Related::SharedUser(Segment::Commercial),
        ];
        let refusal = Refusal::with_related(Reason::Assigned, related, 40);
        let status = status(&Failure::Refused(refusal), &Counting);
        let listed = status.get_details_precondition_failure().unwrap().violations;
        let listed: Vec<_> = listed.iter().map(|one| (one.r#type.as_str(), one.subject.as_str())).collect();
        let expected = [
            ("ACTIVATION", "0190f5fe-7c00-7a8d-8d2e-5b1d3f4a5b6c"),
            ("CUSTOMER", "c-1"),
            ("SHARED_USER", "COMMERCIAL"),
        ];
        assert_eq!(listed, expected);
        assert_eq!(status.get_details_error_info().unwrap().metadata["related_total"], "40");
    }

    #[test]
    fn the_longest_list_of_dependents_fits_into_a_trailer() {
        let related = vec![Related::Customer(CustomerId::parse(&"x".repeat(128)).unwrap()); 100];
        let status = status(&Failure::Refused(Refusal::with_related(Reason::Assigned, related, 100)), &Counting);
        // Base64 makes 4 bytes of 3; many a client takes no more than 8 KiB of metadata.
        assert!(status.details().len() * 4 / 3 < 7 * 1024, "{}", status.details().len());
    }

    #[test]
    fn an_answer_tells_how_its_call_ended() {
        let refused = status(&Failure::Refused(Reason::NotFound.into()), &Counting).into_http::<()>();
        assert_eq!(ending(&refused), Ending { code: "NOT_FOUND", reason: Some("NOT_FOUND") });
        let strange = Status::new(Code::OutOfRange, "of the library").into_http::<()>();
        assert_eq!(ending(&strange), Ending { code: "OUT_OF_RANGE", reason: None });
        let header = http::Response::builder().header("grpc-status", "12").body(()).unwrap();
        assert_eq!(ending(&header), Ending { code: "UNIMPLEMENTED", reason: None });
        assert_eq!(ending(&http::Response::new(())), Ending { code: "OK", reason: None });
    }

    #[test]
    fn every_code_and_reason_is_among_those_that_may_be_told() {
        let names: BTreeSet<_> = code_names().collect();
        assert_eq!(names.len(), 17);
        let reasons: BTreeSet<_> = reason_names().collect();
        let pool = DescriptorPool::decode(crate::proto::FILE_DESCRIPTOR_SET).unwrap();
        let contract = pool.get_enum_by_name("concenter.v1.ErrorReason").unwrap();
        let listed = contract.values().filter(|value| value.number() != 0);
        let listed: BTreeSet<_> = listed.map(|value| value.name().trim_start_matches(PREFIX).to_owned()).collect();
        assert_eq!(reasons.iter().map(|reason| (*reason).to_owned()).collect::<BTreeSet<_>>(), listed);
    }

    #[test]
    fn every_denial_of_the_edge_has_its_status() {
        for (why, code, reason) in [
            (Denial::CredentialMissing, Code::Unauthenticated, Some("CREDENTIAL_MISSING")),
            (Denial::CredentialInvalid, Code::Unauthenticated, Some("CREDENTIAL_INVALID")),
            (Denial::CredentialExpired, Code::Unauthenticated, Some("CREDENTIAL_EXPIRED")),
            (Denial::CredentialBinding, Code::Unauthenticated, Some("CREDENTIAL_BINDING")),
            (Denial::Role, Code::PermissionDenied, Some("ROLE")),
            (Denial::AuditUnavailable, Code::Unavailable, Some("STORAGE_DOWN")),
            (Denial::StorageUnavailable, Code::Unavailable, Some("STORAGE_DOWN")),
            (Denial::ClockBehind { by: Duration::ZERO }, Code::Unavailable, Some("CLOCK_REGRESSION")),
            (Denial::TooOften { wait: Duration::ZERO }, Code::ResourceExhausted, Some("RATE_LIMITED")),
            (Denial::Overloaded, Code::Unavailable, Some("OVERLOADED")),
            (Denial::Deadline, Code::DeadlineExceeded, Some("DEADLINE")),
            (Denial::UnknownMethod, Code::Unimplemented, None),
            (Denial::EncodingUnsupported, Code::Unimplemented, None),
        ] {
            let status = denial(&why);
            let info = status.get_details_error_info();
            assert_eq!((status.code(), info.as_ref().map(|info| info.reason.as_str())), (code, reason), "{why}");
        }
    }
}
