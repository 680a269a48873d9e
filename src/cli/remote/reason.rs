//! The reasons of refusals, as they stand on the wire.

use tonic::Status;
use tonic_types::StatusExt as _;

use crate::proto::v1::ErrorReason;

/// `domain` of every `ErrorInfo` of ours.
const DOMAIN: &str = "concenter";
/// How the service's reasons begin in the proto files, and nowhere else.
const PREFIX: &str = "ERROR_REASON_";

/// The reason of a refusal as it stands on the wire; `None` if the status carries none of ours.
pub(in crate::cli) fn reason_of(status: &Status) -> Option<String> {
    status.get_details_error_info().filter(|info| info.domain == DOMAIN).map(|info| info.reason)
}

/// A reason of the proto files as it stands on the wire.
pub(in crate::cli) fn wire_name(reason: ErrorReason) -> &'static str {
    let name = reason.as_str_name();
    name.strip_prefix(PREFIX).unwrap_or(name)
}

/// The reason of the proto files for one from the wire; `None` if this program does not know it.
pub(super) fn from_wire(reason: &str) -> Option<ErrorReason> {
    ErrorReason::from_str_name(&format!("{PREFIX}{reason}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_reads_back_from_the_wire() {
        assert_eq!(wire_name(ErrorReason::EtagMismatch), "ETAG_MISMATCH");
        assert_eq!(from_wire("ETAG_MISMATCH"), Some(ErrorReason::EtagMismatch));
        assert_eq!(from_wire("ERROR_REASON_ROLE"), None);
        assert_eq!(from_wire("OF_TOMORROW"), None);
    }
}
