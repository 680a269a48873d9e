//! Reading a refusal: the details that every status of the service carries.

use std::collections::HashMap;
use std::time::Duration;

use concenter_gateway::proto::v1::ErrorReason;
use tonic::metadata::MetadataMap;
use tonic::{Code, Response, Status};
use tonic_types::{ErrorDetail, StatusExt as _};

/// Code and reason. Every status of ours carries exactly one `ErrorInfo`, of our domain and with a reason of the API.
pub fn reason(status: &Status) -> (Code, String) {
    let mut infos = details(status).into_iter().filter_map(|detail| match detail {
        ErrorDetail::ErrorInfo(info) => Some(info),
        _ => None,
    });
    let info = infos.next().unwrap_or_else(|| panic!("no ErrorInfo in {status:?}"));
    assert_eq!(infos.next().map(|info| info.reason), None, "a second ErrorInfo");
    assert_eq!(info.domain, "concenter");
    let known = ErrorReason::from_str_name(&format!("ERROR_REASON_{}", info.reason));
    assert!(known.is_some(), "{} is no reason of the API", info.reason);
    (status.code(), info.reason)
}

/// The fields of a `BadRequest`, sorted; each violation says something.
pub fn fields(status: &Status) -> Vec<String> {
    let mut fields = Vec::new();
    for detail in details(status) {
        if let ErrorDetail::BadRequest(request) = detail {
            for violation in request.field_violations {
                assert_ne!(violation.description, "", "nothing is said of {}", violation.field);
                fields.push(violation.field);
            }
        }
    }
    fields.sort();
    fields
}

/// The subjects of a `PreconditionFailure`, sorted.
pub fn dependents(status: &Status) -> Vec<String> {
    let mut subjects = Vec::new();
    for detail in details(status) {
        if let ErrorDetail::PreconditionFailure(failure) = detail {
            subjects.extend(failure.violations.into_iter().map(|violation| violation.subject));
        }
    }
    subjects.sort();
    subjects
}

/// What the `ErrorInfo` says beside its reason: names and values.
pub fn error_metadata(status: &Status) -> HashMap<String, String> {
    let info = details(status).into_iter().find_map(|detail| match detail {
        ErrorDetail::ErrorInfo(info) => Some(info.metadata),
        _ => None,
    });
    info.unwrap_or_else(|| panic!("no ErrorInfo in {status:?}"))
}

/// After how long the caller may try again; `None` if nothing is said of that.
pub fn retry_after(status: &Status) -> Option<Duration> {
    details(status).into_iter().find_map(|detail| match detail {
        ErrorDetail::RetryInfo(info) => info.retry_delay,
        _ => None,
    })
}

fn details(status: &Status) -> Vec<ErrorDetail> {
    status.check_error_details_vec().expect("the details decode")
}

/// Everything that a status tells, as one text, to search it for what it must not tell.
pub fn everything(status: &Status) -> String {
    let details = String::from_utf8_lossy(status.details()).into_owned();
    format!("{} {} {:?}", status.message(), details, status.metadata())
}

/// The status of a call that must not be answered. It does not print the answer: that may hold a password.
pub fn status_of<T>(answer: Result<Response<T>, Status>) -> Status {
    match answer {
        Ok(_) => panic!("the call was answered"),
        Err(status) => status,
    }
}

/// Asserts that two statuses are the same on the wire: code, message, details and every trailer.
pub fn same_bytes(one: &Status, other: &Status, what: &str) {
    assert_eq!(one.code(), other.code(), "{what}");
    assert_eq!(one.message(), other.message(), "{what}");
    assert_eq!(one.details(), other.details(), "{what}");
    assert_eq!(trailers(one.metadata()), trailers(other.metadata()), "{what}");
}

/// Asserts that two answers came with the same headers and trailers.
pub fn same_metadata(one: &MetadataMap, other: &MetadataMap, what: &str) {
    assert_eq!(trailers(one), trailers(other), "{what}");
}

/// Trailers and headers but `date`, which is the time of the machine.
fn trailers(metadata: &MetadataMap) -> Vec<String> {
    let mut lines: Vec<_> = metadata
        .clone()
        .into_headers()
        .iter()
        .filter(|(name, _)| *name != "date")
        .map(|(name, value)| format!("{name}: {value:?}"))
        .collect();
    lines.sort();
    lines
}
