//! What a person at the command line does next about each reason: one sentence, and the code to end with.

use super::failure::Exit;
use crate::proto::v1::ErrorReason;

use Exit::{MustAct, TryAgain, Usage};

/// The code and the sentence for a reason. The sentence says what to do, with the words of the command line.
// No `_`: a new reason must get its sentence.
#[expect(clippy::too_many_lines, reason = "one table, a line for each reason")]
pub(super) const fn advice(reason: ErrorReason) -> (Exit, &'static str) {
    match reason {
        ErrorReason::CredentialMissing => (MustAct, "no token arrived: mint one with `concenter token`"),
        ErrorReason::CredentialInvalid => {
            (MustAct, "the token is not accepted: mint one with `concenter token` on the data of this very service")
        }
        ErrorReason::CredentialExpired => (MustAct, "the token has expired: mint a new one with `concenter token`"),
        ErrorReason::CredentialBinding => (
            MustAct,
            "the token is bound to a client's certificate: connect with that one, by --client-certificate and --client-key",
        ),
        ErrorReason::TenantMismatch => {
            (MustAct, "the tenant of the token is not there: look for it with `concenter tenant list`")
        }
        ErrorReason::Role => (
            MustAct,
            "the role of the token does not allow this: use a token of another role, see `concenter token --help`",
        ),

        ErrorReason::NotFound => (MustAct, "there is no such thing: look for its id with `list`"),
        ErrorReason::FieldInvalid => (Usage, "these fields cannot be taken: correct them and run it again"),
        ErrorReason::AlreadyExists => (MustAct, "it exists already: choose another name"),
        ErrorReason::EtagMismatch => {
            (TryAgain, "somebody changed it meanwhile: look at it with `get`, then run it again with its etag of now")
        }
        ErrorReason::RequestIdReused => {
            (Usage, "this request id was used for something else: repeat exactly that, or leave --request-id out")
        }
        ErrorReason::LimitReached => (MustAct, "there may be no more of these: ask the operator"),

        ErrorReason::NoUserAssigned => (
            MustAct,
            "no con:center user follows: see `concenter activation create`, `concenter customer assign-user` and \
             `concenter access set`",
        ),
        ErrorReason::AmbiguousActivation => {
            (MustAct, "several activations with different con:center users fit: name one of these by --activation")
        }
        ErrorReason::ActivationDisabled => {
            (MustAct, "the activation is disabled: enable it with `concenter activation enable`")
        }
        ErrorReason::SegmentUnknown => (
            MustAct,
            "nobody said whether the customer is private or commercial: put his record with `concenter customer put`",
        ),
        ErrorReason::SegmentMismatch => {
            (MustAct, "the segment contradicts the customer's record: correct the one that is wrong")
        }
        ErrorReason::InsurerPortalForbidden => {
            (MustAct, "customers never get an insurer's portal: choose a tariff calculator")
        }
        ErrorReason::UserDisabled => {
            (MustAct, "the con:center user is disabled: enable it with `concenter user enable`")
        }
        ErrorReason::SecretMissing => {
            (MustAct, "the con:center user has no password: set one with `concenter user set-secret`")
        }
        ErrorReason::CredentialSuspect => {
            (MustAct, "logins with the password failed again and again: set it again with `concenter user set-secret`")
        }
        ErrorReason::StandardNotForJumps => {
            (MustAct, "the Standard user is the mailbox of the transfer: choose another con:center user")
        }
        ErrorReason::EndkundeRequired => {
            (MustAct, "customers need a con:center user that is Endkunde: see `concenter user set-end-customer`")
        }
        ErrorReason::EndkundeConflict => {
            (MustAct, "the con:center user is Endkunde or Standard, which excludes this: choose another one")
        }
        ErrorReason::EndkundeRemoteMismatch => (
            MustAct,
            "con:center says that the user is no Endkunde: set the mark there, then see `concenter user attest`",
        ),
        ErrorReason::ProviderNotAllowed => {
            (MustAct, "the product provider is not in the con:center user's scope: see `concenter user update`")
        }
        ErrorReason::TargetDisabled => (MustAct, "the target is disabled: the operator can enable it"),
        ErrorReason::ProviderDisabled => (MustAct, "the product provider is disabled: the operator can enable it"),
        ErrorReason::LineOfBusinessNotSupported => {
            (MustAct, "the target does not take this line of business: choose another target")
        }
        ErrorReason::TargetKindMismatch => (MustAct, "the target is of the other kind: choose another target"),
        ErrorReason::PersonNotAccepted => {
            (MustAct, "the target does not take this kind of person: choose another target")
        }
        ErrorReason::TenantStopped => (MustAct, "the tenant is stopped: the operator can start it"),

        ErrorReason::SlotInUse => {
            (MustAct, "customers share this con:center user: set another one with `concenter access set` first")
        }
        ErrorReason::Assigned => (MustAct, "the con:center user is in use: take it out of these first"),
        ErrorReason::UserAlreadyAssigned => {
            (MustAct, "another activation has this con:center user: choose another one, or say why by --sharing-reason")
        }
        ErrorReason::ProviderScopeRequired => {
            (MustAct, "an Endkunde user needs a list of product providers: name them by --provider")
        }
        ErrorReason::StandardRequired => {
            (MustAct, "there must be a Standard user: move Standard with `concenter user set-standard` first")
        }
        ErrorReason::KekInUse => (
            MustAct,
            "the key-encryption key is in use: activate another one, and wait until `concenter keys kek list` shows no data keys \
             under this one",
        ),
        ErrorReason::TenantDeleted => {
            (MustAct, "the tenant is deleted: take that back with `concenter tenant undelete` first")
        }

        ErrorReason::JumpInvalid => (MustAct, "the jump is not authentic, or is not for this target: make another one"),
        ErrorReason::JumpAlreadyRedeemed => (MustAct, "the jump was redeemed before: make another one"),
        ErrorReason::JumpExpired => (MustAct, "the jump has expired: make another one"),
        ErrorReason::JumpRevoked => (MustAct, "the jump was revoked: make another one"),
        ErrorReason::SecretCorrupt => {
            (MustAct, "the stored password does not open: set it again with `concenter user set-secret`")
        }

        ErrorReason::ResultAlreadyReported => {
            (MustAct, "another result was reported for this jump: the first one counts")
        }

        ErrorReason::RateLimited => (
            TryAgain,
            "this was asked for too often, or a person has had his 30 jumps of this minute: wait, then ask again",
        ),
        ErrorReason::StorageDown => (TryAgain, "the database cannot be reached: wait a moment and run it again"),
        ErrorReason::StorageFull => {
            (TryAgain, "the disk of the database is full: tell the operator, then run it again")
        }
        ErrorReason::StorageBusy => (TryAgain, "too much is being changed at once: wait a moment and run it again"),
        ErrorReason::Contended => (TryAgain, "others change the same at this moment: run it again"),
        ErrorReason::KeyUnavailable => (TryAgain, "a key cannot be had: tell the operator, then run it again"),
        ErrorReason::ClockRegression => {
            (TryAgain, "the clock of the service was set back: tell the operator, then run it again")
        }
        ErrorReason::Overloaded => (TryAgain, "the service has too many calls: wait a moment and run it again"),
        ErrorReason::Deadline => (TryAgain, "the service took too long: run it again"),
        ErrorReason::Internal | ErrorReason::Unspecified => {
            (TryAgain, "a fault of the service: tell the operator what stands below")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_one_line_of_advice() {
        for number in 0..=64 {
            let Ok(reason) = ErrorReason::try_from(number) else { continue };
            let (_, text) = advice(reason);
            assert!(!text.is_empty() && !text.contains('\n') && !text.ends_with('.'), "{reason:?}");
        }
    }

    #[test]
    fn only_what_passes_by_itself_may_be_tried_again() {
        assert_eq!(advice(ErrorReason::StorageBusy).0, TryAgain);
        assert_eq!(advice(ErrorReason::EtagMismatch).0, TryAgain);
        assert_eq!(advice(ErrorReason::FieldInvalid).0, Usage);
        for reason in
            [ErrorReason::CredentialExpired, ErrorReason::Role, ErrorReason::Assigned, ErrorReason::LimitReached]
        {
            assert_eq!(advice(reason).0, MustAct, "{reason:?}");
        }
    }
}
