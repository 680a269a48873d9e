//! `AuditService`: the audit log, for those who must answer for it.

use std::fmt::Write as _;

use tonic::Request;

use super::convert::{Fields, Read, both, parse_timestamp, timestamp};
use super::desk::{Answer, Desk};
use super::page;
use crate::app::pages::List;
use crate::domain::audit_log::{AuditRecord, EntryFilter, LogFault, LogReport};
use crate::domain::ids::{BrokerId, CustomerId, RequestId};
use crate::domain::jump::PersonId;
use crate::domain::time::Timestamp;
use crate::proto::v1;
use crate::proto::v1::audit_service_server::AuditService;
use crate::proto::v1::list_audit_entries_request::Person as WirePerson;

/// The service.
pub(super) struct AuditLog {
    pub(super) desk: Desk,
}

#[tonic::async_trait]
impl AuditService for AuditLog {
    async fn list_audit_entries(
        &self,
        request: Request<v1::ListAuditEntriesRequest>,
    ) -> Answer<v1::ListAuditEntriesResponse> {
        let (call, message) = self.desk.open(request)?;
        let filter = filter_text(&message);
        let list = List { caller: &call.caller, name: "/concenter.v1.AuditService/ListAuditEntries", filter: &filter };
        let ((person, filter), page) = self.desk.read(|fields| {
            let page = self.desk.page(fields, &list, message.page_size, &message.page_token);
            both(filter_of(fields, &message), page)
        })?;
        let rows = self.desk.app.list_audit_entries(&call, person.as_ref(), filter, &page).await;
        let rows = self.desk.checked(rows)?.map(v1::AuditEntry::from);
        let (entries, next_page_token) = self.desk.page_out(&list, rows, |entry| &entry.audit_id);
        Ok(v1::ListAuditEntriesResponse { entries, next_page_token }.into())
    }

    async fn verify_audit_log(
        &self,
        request: Request<v1::VerifyAuditLogRequest>,
    ) -> Answer<v1::VerifyAuditLogResponse> {
        let (call, _) = self.desk.open(request)?;
        let report = self.desk.checked(self.desk.app.verify_audit_log(&call).await)?;
        Ok(v1::VerifyAuditLogResponse::from(report).into())
    }
}

/// Reads which entries are listed, and about whom.
fn filter_of(fields: &mut Fields, message: &v1::ListAuditEntriesRequest) -> Read<(Option<PersonId>, EntryFilter)> {
    let action = fields.optional(message.action.as_deref(), |fields, text| {
        let is_action = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'.');
        fields.needed("action", word(text, 64, is_action), "must be 1 to 64 of a-z 0-9 _ .")
    });
    let outcome = message.outcome.map(|number| fields.word("outcome", number, accepted)).transpose();
    let reason = fields.optional(message.reason.as_deref(), |fields, text| {
        let is_reason = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
        fields.needed("reason", word(text, 64, is_reason), "must be 1 to 64 of A-Z 0-9 _")
    });
    let request_id =
        fields.optional(message.request.as_deref(), |fields, text| fields.uuid("request", RequestId::parse(text)));
    let object = fields.optional(message.object.as_deref(), |fields, text| {
        let is_printable = |byte: u8| byte.is_ascii_graphic() || byte == b' ';
        fields.needed("object", word(text, 128, is_printable), "must be 1 to 128 printable characters of ASCII")
    });
    let person = message.person.as_ref().map(|person| match person {
        WirePerson::BrokerId(id) => fields.portal_id("broker_id", BrokerId::parse(id)).map(PersonId::Broker),
        WirePerson::CustomerId(id) => fields.portal_id("customer_id", CustomerId::parse(id)).map(PersonId::Customer),
    });
    let not_before = instant(fields, "not_before", message.not_before);
    let before = instant(fields, "before", message.before);
    let filter = EntryFilter {
        action: action?,
        accepted: outcome?,
        reason: reason?,
        request_id: request_id?,
        object: object?,
        person: None,
        not_before: not_before?,
        before: before?,
    };
    Ok((person.transpose()?, filter))
}

/// A text of 1 to `most` characters, all of which `allowed` accepts.
fn word(text: &str, most: usize, allowed: impl Fn(u8) -> bool) -> Option<String> {
    let is_word = !text.is_empty() && text.len() <= most && text.bytes().all(allowed);
    is_word.then(|| text.to_owned())
}

fn instant(fields: &mut Fields, path: &str, at: Option<prost_types::Timestamp>) -> Read<Option<Timestamp>> {
    at.map(|at| fields.needed(path, parse_timestamp(at), "must be an instant of the years 1 to 9999")).transpose()
}

const fn accepted(outcome: v1::AuditOutcome) -> Option<bool> {
    match outcome {
        v1::AuditOutcome::Unspecified => None,
        v1::AuditOutcome::Accepted => Some(true),
        v1::AuditOutcome::Refused => Some(false),
    }
}

/// The whole filter as it was sent, for the page tokens of the list.
fn filter_text(message: &v1::ListAuditEntriesRequest) -> String {
    // Whole, so that a new filter of the contract is not forgotten here.
    let v1::ListAuditEntriesRequest {
        page_size: _,
        page_token: _,
        action,
        outcome,
        reason,
        request,
        object,
        person,
        not_before,
        before,
    } = message;
    let (broker_id, customer_id) = match person {
        Some(WirePerson::BrokerId(id)) => (Some(id.as_str()), None),
        Some(WirePerson::CustomerId(id)) => (None, Some(id.as_str())),
        None => (None, None),
    };
    let outcome = outcome.map(|number| number.to_string());
    let [not_before, before] = [not_before, before].map(|at| at.map(|at| format!("{} {}", at.seconds, at.nanos)));
    page::filter(&[
        action.as_deref(),
        outcome.as_deref(),
        reason.as_deref(),
        request.as_deref(),
        object.as_deref(),
        broker_id,
        customer_id,
        not_before.as_deref(),
        before.as_deref(),
    ])
}

impl From<AuditRecord> for v1::AuditEntry {
    fn from(record: AuditRecord) -> Self {
        let outcome = match record.outcome.as_str() {
            "accepted" => v1::AuditOutcome::Accepted,
            "refused" => v1::AuditOutcome::Refused,
            // Somebody else wrote it; `VerifyAuditLog` says so.
            _ => v1::AuditOutcome::Unspecified,
        };
        Self {
            audit_id: record.audit_id,
            at: Some(timestamp(record.at)),
            role: record.role,
            caller: hex(&record.caller),
            actor: record.actor.as_deref().map(hex).unwrap_or_default(),
            person: record.person.as_deref().map(hex).unwrap_or_default(),
            action: record.action,
            object: record.object.unwrap_or_default(),
            outcome: outcome.into(),
            reason: record.reason.unwrap_or_default(),
            request: record.request_id.unwrap_or_default(),
        }
    }
}

/// Two lower-case digits a byte.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        // Nothing keeps a text from growing.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

impl From<LogReport> for v1::VerifyAuditLogResponse {
    fn from(LogReport { dropped, sealed, unsealed, checkpoints, fault }: LogReport) -> Self {
        let count = |number| i64::try_from(number).unwrap_or(i64::MAX);
        let word = fault.as_ref().map_or(v1::AuditFault::Unspecified, |found| fault_out(found.fault));
        Self {
            dropped_entries: count(dropped),
            sealed_entries: count(sealed),
            unsealed_entries: count(unsealed),
            checkpoints: count(checkpoints),
            fault: word.into(),
            fault_seq: fault.as_ref().and_then(|found| found.seq).unwrap_or_default(),
            fault_audit_id: fault.and_then(|found| found.audit_id).unwrap_or_default(),
        }
    }
}

const fn fault_out(fault: LogFault) -> v1::AuditFault {
    match fault {
        LogFault::RowChanged => v1::AuditFault::RowChanged,
        LogFault::RowMissing => v1::AuditFault::RowMissing,
        LogFault::SealMissing => v1::AuditFault::SealMissing,
        LogFault::OrderBroken => v1::AuditFault::OrderBroken,
        LogFault::RowInserted => v1::AuditFault::RowInserted,
        LogFault::Truncated => v1::AuditFault::Truncated,
        LogFault::Replaced => v1::AuditFault::Replaced,
        LogFault::CheckpointForged => v1::AuditFault::CheckpointForged,
        LogFault::FloorForged => v1::AuditFault::FloorForged,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::app::Failure;

    const ID: &str = "0190f5fe-7c00-7a8d-8d2e-5b1d3f4a5b6c";

    fn read(message: &v1::ListAuditEntriesRequest) -> Result<(Option<PersonId>, EntryFilter), Vec<String>> {
        let mut fields = Fields::default();
        let filter = filter_of(&mut fields, message);
        fields.finish(filter).map_err(|failure| match failure {
            Failure::Invalid(violations) => violations.into_iter().map(|violation| violation.field).collect(),
            other => panic!("{other}"),
        })
    }

    fn at(seconds: i64, nanos: i32) -> prost_types::Timestamp {
        prost_types::Timestamp { seconds, nanos }
    }

    /// A request with every filter that there is.
    fn filtered() -> v1::ListAuditEntriesRequest {
        v1::ListAuditEntriesRequest {
            page_size: 0,
            page_token: String::new(),
            action: Some("user.set_secret".to_owned()),
            outcome: Some(v1::AuditOutcome::Refused.into()),
            reason: Some("NOT_FOUND".to_owned()),
            request: Some(ID.to_owned()),
            object: Some("rechner".to_owned()),
            person: Some(WirePerson::CustomerId("c-1".to_owned())),
            not_before: Some(at(7, 1_999)),
            before: Some(at(8, 0)),
        }
    }

    #[test]
    fn every_filter_is_read() {
        let expected = EntryFilter {
            action: Some("user.set_secret".to_owned()),
            accepted: Some(false),
            reason: Some("NOT_FOUND".to_owned()),
            request_id: RequestId::parse(ID).ok(),
            object: Some("rechner".to_owned()),
            person: None,
            not_before: Some(Timestamp::from_unix_micros(7_000_001)),
            before: Some(Timestamp::from_unix_micros(8_000_000)),
        };
        let customer = PersonId::Customer(CustomerId::parse("c-1").unwrap());
        assert_eq!(read(&filtered()), Ok((Some(customer), expected)));
        assert_eq!(read(&v1::ListAuditEntriesRequest::default()), Ok((None, EntryFilter::default())));
    }

    #[test]
    fn every_bad_filter_is_named() {
        let (empty, long) = (Some(String::new()), Some("x".repeat(129)));
        for text in [empty, long] {
            let message = v1::ListAuditEntriesRequest {
                action: text.clone(),
                outcome: Some(0),
                reason: text.clone(),
                request: text.clone(),
                object: text.clone(),
                person: text.map(WirePerson::BrokerId),
                not_before: Some(at(0, -1)),
                before: Some(at(i64::MAX, 0)),
                ..Default::default()
            };
            let expected = ["action", "outcome", "reason", "request", "object", "broker_id", "not_before", "before"];
            assert_eq!(read(&message), Err(expected.map(str::to_owned).to_vec()));
        }
        let line = v1::ListAuditEntriesRequest { object: Some("a\nb".to_owned()), ..Default::default() };
        assert_eq!(read(&line), Err(vec!["object".to_owned()]));
    }

    #[test]
    fn each_filter_alone_gives_another_text() {
        let none = v1::ListAuditEntriesRequest { page_size: 7, page_token: "t".to_owned(), ..Default::default() };
        let same = Some("a".to_owned());
        let mut all = vec![
            v1::ListAuditEntriesRequest { action: same.clone(), ..none.clone() },
            v1::ListAuditEntriesRequest { reason: same.clone(), ..none.clone() },
            v1::ListAuditEntriesRequest { request: same.clone(), ..none.clone() },
            v1::ListAuditEntriesRequest { object: same, ..none.clone() },
            v1::ListAuditEntriesRequest { person: Some(WirePerson::BrokerId("a".to_owned())), ..none.clone() },
            v1::ListAuditEntriesRequest { person: Some(WirePerson::CustomerId("a".to_owned())), ..none.clone() },
            v1::ListAuditEntriesRequest { not_before: Some(at(1, 1)), ..none.clone() },
            v1::ListAuditEntriesRequest { before: Some(at(1, 1)), ..none.clone() },
        ];
        all.extend([1, 2].map(|outcome| v1::ListAuditEntriesRequest { outcome: Some(outcome), ..none.clone() }));
        all.push(none);
        let texts: HashSet<_> = all.iter().map(filter_text).collect();
        assert_eq!(texts.len(), all.len(), "{texts:?}");
    }
}
