//! The history of jumps: which ones are listed or revoked, and what is told of each.

use super::answer::{actor_role_out, way_out};
use crate::api::convert::{Fields, Read, parse_timestamp, person_kind_out, segment_out, timestamp};
use crate::api::page;
use crate::domain::ids::{BrokerId, CustomerId, JumpId, TargetId, UserId};
use crate::domain::jump::{JumpFilter, JumpRecord, JumpResult, JumpSelection, JumpState, PersonId};
use crate::proto::v1;
use crate::proto::v1::list_jumps_request::Person as WirePerson;
use crate::proto::v1::revoke_jump_request::Jumps as WireJumps;

/// Reads which jumps are listed.
pub(super) fn filter(fields: &mut Fields, message: &v1::ListJumpsRequest) -> Read<JumpFilter> {
    let user_id =
        fields.optional(message.user_id.as_deref(), |fields, text| fields.uuid("user_id", UserId::parse(text)));
    let person = message.person.as_ref().map(|person| match person {
        WirePerson::BrokerId(id) => broker(fields, id),
        WirePerson::CustomerId(id) => customer(fields, id),
    });
    let person = person.transpose();
    let target_id = fields
        .optional(message.target_id.as_deref(), |fields, text| fields.catalog_key("target_id", TargetId::parse(text)));
    let state = message.state.map(|number| fields.word("state", number, state)).transpose();
    let updated_after = message
        .updated_after
        .map(|at| fields.needed("updated_after", parse_timestamp(at), "must be an instant of the years 1 to 9999"));
    Ok(JumpFilter {
        user_id: user_id?,
        person: person?,
        target_id: target_id?,
        state: state?,
        updated_after: updated_after.transpose()?,
    })
}

/// The whole filter as it was sent, for the page tokens of the list.
pub(super) fn filter_text(message: &v1::ListJumpsRequest) -> String {
    // Whole, so that a new filter of the contract is not forgotten here.
    let v1::ListJumpsRequest { page_size: _, page_token: _, user_id, person, target_id, state, updated_after } =
        message;
    let (broker_id, customer_id) = match person {
        Some(WirePerson::BrokerId(id)) => (Some(id.as_str()), None),
        Some(WirePerson::CustomerId(id)) => (None, Some(id.as_str())),
        None => (None, None),
    };
    let state = state.map(|number| number.to_string());
    let updated_after = updated_after.map(|at| format!("{} {}", at.seconds, at.nanos));
    page::filter(&[
        user_id.as_deref(),
        broker_id,
        customer_id,
        target_id.as_deref(),
        state.as_deref(),
        updated_after.as_deref(),
    ])
}

/// Reads which jumps are revoked.
pub(super) fn selection(fields: &mut Fields, jumps: Option<WireJumps>) -> Read<JumpSelection> {
    match jumps {
        Some(WireJumps::JumpId(id)) => fields.uuid("jump_id", JumpId::parse(&id)).map(JumpSelection::Jump),
        Some(WireJumps::UserId(id)) => fields.uuid("user_id", UserId::parse(&id)).map(JumpSelection::User),
        Some(WireJumps::BrokerId(id)) => broker(fields, &id).map(JumpSelection::Person),
        Some(WireJumps::CustomerId(id)) => customer(fields, &id).map(JumpSelection::Person),
        None => fields.refuse("jumps", "must be one of `jump_id`, `user_id`, `broker_id` and `customer_id`"),
    }
}

fn broker(fields: &mut Fields, id: &str) -> Read<PersonId> {
    fields.portal_id("broker_id", BrokerId::parse(id)).map(PersonId::Broker)
}

fn customer(fields: &mut Fields, id: &str) -> Read<PersonId> {
    fields.portal_id("customer_id", CustomerId::parse(id)).map(PersonId::Customer)
}

const fn state(word: v1::JumpState) -> Option<JumpState> {
    match word {
        v1::JumpState::Unspecified => None,
        v1::JumpState::Issued => Some(JumpState::Issued),
        v1::JumpState::Redeemed => Some(JumpState::Redeemed),
        v1::JumpState::Expired => Some(JumpState::Expired),
        v1::JumpState::Revoked => Some(JumpState::Revoked),
    }
}

const fn state_out(state: JumpState) -> v1::JumpState {
    match state {
        JumpState::Issued => v1::JumpState::Issued,
        JumpState::Redeemed => v1::JumpState::Redeemed,
        JumpState::Expired => v1::JumpState::Expired,
        JumpState::Revoked => v1::JumpState::Revoked,
    }
}

const fn result_out(result: JumpResult) -> v1::JumpResult {
    match result {
        JumpResult::LoginSucceeded => v1::JumpResult::LoginSucceeded,
        JumpResult::LoginFailed => v1::JumpResult::LoginFailed,
    }
}

impl From<JumpRecord> for v1::Jump {
    fn from(jump: JumpRecord) -> Self {
        let updated_at = jump.updated_at();
        let actor_role = jump.actor.as_ref().map_or(v1::ActorRole::Unspecified, |actor| actor_role_out(actor.role));
        Self {
            jump_id: jump.jump_id.to_string(),
            state: state_out(jump.state).into(),
            person_kind: person_kind_out(jump.person_kind).into(),
            person_id: jump.person.map(|person| person.as_str().to_owned()).unwrap_or_default(),
            actor_id: text(jump.actor.map(|actor| actor.id)),
            actor_role: actor_role.into(),
            target_id: jump.target_id.to_string(),
            user_id: text(jump.user_id),
            way: way_out(jump.way).into(),
            segment: jump.segment.map_or(v1::Segment::Unspecified, segment_out).into(),
            activation_id: text(jump.activation_id),
            customer_context_id: text(jump.customer_context),
            line_of_business: text(jump.line_of_business),
            product_provider_id: text(jump.provider_id),
            issued_at: Some(timestamp(jump.issued_at)),
            expires_at: Some(timestamp(jump.expires_at)),
            redeemed_at: jump.redeemed_at.map(timestamp),
            revoked_at: jump.revoked_at.map(timestamp),
            session_revoked_at: jump.session_revoked_at.map(timestamp),
            updated_at: Some(timestamp(updated_at)),
            result: jump.result.map_or(v1::JumpResult::Unspecified, |reported| result_out(reported.result)).into(),
            result_at: jump.result.map(|reported| timestamp(reported.at)),
        }
    }
}

/// An id; empty where there is none.
fn text(id: Option<impl ToString>) -> String {
    id.map(|id| id.to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use prost_types::Timestamp;

    use super::*;
    use crate::app::Failure;
    use crate::domain::customer::Segment;
    use crate::domain::ids::{ActivationId, LineOfBusiness, ProviderId, SubjectId};
    use crate::domain::jump::{Actor, ActorRole, PersonKind, ReportedResult};
    use crate::domain::resolve::Way;
    use crate::domain::time;

    const ID: &str = "0190f5fe-7c00-7a8d-8d2e-5b1d3f4a5b6c";

    fn finished<T>(fields: Fields, value: Read<T>) -> Result<T, Vec<String>> {
        fields.finish(value).map_err(|failure| match failure {
            Failure::Invalid(violations) => violations.into_iter().map(|violation| violation.field).collect(),
            other => panic!("{other}"),
        })
    }

    fn read(message: &v1::ListJumpsRequest) -> Result<JumpFilter, Vec<String>> {
        let mut fields = Fields::default();
        let filter = filter(&mut fields, message);
        finished(fields, filter)
    }

    fn at(seconds: i64, nanos: i32) -> Timestamp {
        Timestamp { seconds, nanos }
    }

    /// A request with every filter that there is.
    fn filtered() -> v1::ListJumpsRequest {
        v1::ListJumpsRequest {
            page_size: 0,
            page_token: String::new(),
            user_id: Some(ID.to_owned()),
            person: Some(WirePerson::CustomerId("c-1".to_owned())),
            target_id: Some("rechner".to_owned()),
            state: Some(v1::JumpState::Expired.into()),
            updated_after: Some(at(7, 1_999)),
        }
    }

    #[test]
    fn no_filter_is_every_jump() {
        assert_eq!(read(&v1::ListJumpsRequest::default()), Ok(JumpFilter::default()));
    }

    #[test]
    fn every_filter_is_read() {
        let expected = JumpFilter {
            user_id: UserId::parse(ID).ok(),
            person: Some(PersonId::Customer(CustomerId::parse("c-1").unwrap())),
            target_id: TargetId::parse("rechner").ok(),
            state: Some(JumpState::Expired),
            updated_after: Some(time::Timestamp::from_unix_micros(7_000_001)),
        };
        assert_eq!(read(&filtered()), Ok(expected));
        let broker = v1::ListJumpsRequest { person: Some(WirePerson::BrokerId("b-1".to_owned())), ..filtered() };
        assert_eq!(
            read(&broker).map(|filter| filter.person),
            Ok(Some(PersonId::Broker(BrokerId::parse("b-1").unwrap())))
        );
    }

    #[test]
    fn every_bad_filter_is_named() {
        let message = v1::ListJumpsRequest {
            user_id: Some(String::new()),
            person: Some(WirePerson::BrokerId(String::new())),
            target_id: Some("Rechner".to_owned()),
            state: Some(0),
            updated_after: Some(at(0, -1)),
            ..Default::default()
        };
        let expected = ["user_id", "broker_id", "target_id", "state", "updated_after"];
        assert_eq!(read(&message), Err(expected.map(str::to_owned).to_vec()));
        let customer = v1::ListJumpsRequest { person: Some(WirePerson::CustomerId("c 1".to_owned())), ..filtered() };
        assert_eq!(read(&customer), Err(vec!["customer_id".to_owned()]));
    }

    #[test]
    fn a_state_that_is_none_is_refused() {
        for number in [0, 5, -1, i32::MAX, i32::MIN] {
            let message = v1::ListJumpsRequest { state: Some(number), ..filtered() };
            assert_eq!(read(&message), Err(vec!["state".to_owned()]), "{number}");
        }
        let states = [JumpState::Issued, JumpState::Redeemed, JumpState::Expired, JumpState::Revoked];
        for expected in states {
            let message = v1::ListJumpsRequest { state: Some(state_out(expected).into()), ..filtered() };
            assert_eq!(read(&message).map(|filter| filter.state), Ok(Some(expected)));
        }
    }

    #[test]
    fn an_instant_that_is_none_is_refused() {
        for (seconds, nanos) in
            [(i64::MIN, 0), (i64::MAX, 0), (-62_135_596_801, 0), (253_402_300_800, 0), (0, -1), (0, 1_000_000_000)]
        {
            let message = v1::ListJumpsRequest { updated_after: Some(at(seconds, nanos)), ..filtered() };
            assert_eq!(read(&message), Err(vec!["updated_after".to_owned()]), "{seconds} {nanos}");
        }
    }

    #[test]
    fn each_filter_alone_gives_another_text() {
        let none = v1::ListJumpsRequest { page_size: 7, page_token: "t".to_owned(), ..Default::default() };
        let same = Some("a".to_owned());
        let mut all = vec![
            v1::ListJumpsRequest { user_id: same.clone(), ..none.clone() },
            v1::ListJumpsRequest { target_id: same, ..none.clone() },
            v1::ListJumpsRequest { person: Some(WirePerson::BrokerId("a".to_owned())), ..none.clone() },
            v1::ListJumpsRequest { person: Some(WirePerson::CustomerId("a".to_owned())), ..none.clone() },
        ];
        all.extend([1, 2, 11].map(|state| v1::ListJumpsRequest { state: Some(state), ..none.clone() }));
        let instants = [at(1, 1), at(1, 11), at(11, 1), at(-1, 1), at(1, 0)];
        all.extend(instants.map(|at| v1::ListJumpsRequest { updated_after: Some(at), ..none.clone() }));
        all.push(none);
        let texts: HashSet<_> = all.iter().map(filter_text).collect();
        assert_eq!(texts.len(), all.len(), "{texts:?}");
    }

    #[test]
    fn size_and_token_are_no_filter() {
        let other = v1::ListJumpsRequest { page_size: 7, page_token: "t".to_owned(), ..filtered() };
        assert_eq!(filter_text(&other), filter_text(&filtered()));
    }

    #[test]
    fn exactly_one_selection_is_revoked() {
        let read = |jumps| {
            let mut fields = Fields::default();
            let selection = selection(&mut fields, jumps);
            finished(fields, selection)
        };
        let text = || ID.to_owned();
        let person = JumpSelection::Person;
        assert_eq!(read(None), Err(vec!["jumps".to_owned()]));
        for (jumps, expected) in [
            (WireJumps::JumpId(text()), JumpSelection::Jump(JumpId::parse(ID).unwrap())),
            (WireJumps::UserId(text()), JumpSelection::User(UserId::parse(ID).unwrap())),
            (WireJumps::BrokerId(text()), person(PersonId::Broker(BrokerId::parse(ID).unwrap()))),
            (WireJumps::CustomerId(text()), person(PersonId::Customer(CustomerId::parse(ID).unwrap()))),
        ] {
            assert_eq!(read(Some(jumps)), Ok(expected));
        }
        for (jumps, path) in [
            (WireJumps::JumpId("x".to_owned()), "jump_id"),
            (WireJumps::UserId(String::new()), "user_id"),
            (WireJumps::BrokerId(String::new()), "broker_id"),
            (WireJumps::CustomerId("c 1".to_owned()), "customer_id"),
        ] {
            assert_eq!(read(Some(jumps)), Err(vec![path.to_owned()]));
        }
    }

    fn second(seconds: i64) -> time::Timestamp {
        time::Timestamp::from_unix_seconds(seconds)
    }

    fn full() -> JumpRecord {
        JumpRecord {
            jump_id: JumpId::parse(ID).unwrap(),
            state: JumpState::Redeemed,
            person_kind: PersonKind::Customer,
            person: Some(PersonId::Customer(CustomerId::parse("c-1").unwrap())),
            actor: Some(Actor { id: SubjectId::parse("staff").unwrap(), role: ActorRole::CustomerStaff }),
            target_id: TargetId::parse("rechner").unwrap(),
            user_id: UserId::parse(ID).ok(),
            way: Way::FallbackPrivate,
            segment: Some(Segment::Commercial),
            activation_id: ActivationId::parse(ID).ok(),
            customer_context: CustomerId::parse("c-2").ok(),
            line_of_business: LineOfBusiness::parse("050").ok(),
            provider_id: ProviderId::parse("vergleicher").ok(),
            issued_at: second(10),
            expires_at: second(70),
            redeemed_at: Some(second(20)),
            revoked_at: Some(second(15)),
            session_revoked_at: Some(second(30)),
            result: Some(ReportedResult { result: JumpResult::LoginFailed, at: second(25) }),
        }
    }

    #[test]
    fn a_jump_is_told_whole() {
        let expected = v1::Jump {
            jump_id: ID.to_owned(),
            state: v1::JumpState::Redeemed.into(),
            person_kind: v1::PersonKind::Customer.into(),
            person_id: "c-1".to_owned(),
            actor_id: "staff".to_owned(),
            actor_role: v1::ActorRole::CustomerStaff.into(),
            target_id: "rechner".to_owned(),
            user_id: ID.to_owned(),
            way: v1::ResolutionWay::FallbackPrivate.into(),
            segment: v1::Segment::Commercial.into(),
            activation_id: ID.to_owned(),
            customer_context_id: "c-2".to_owned(),
            line_of_business: "050".to_owned(),
            product_provider_id: "vergleicher".to_owned(),
            issued_at: Some(at(10, 0)),
            expires_at: Some(at(70, 0)),
            redeemed_at: Some(at(20, 0)),
            revoked_at: Some(at(15, 0)),
            session_revoked_at: Some(at(30, 0)),
            updated_at: Some(at(30, 0)),
            result: v1::JumpResult::LoginFailed.into(),
            result_at: Some(at(25, 0)),
        };
        assert_eq!(v1::Jump::from(full()), expected);
    }

    #[test]
    fn what_a_jump_has_not_is_empty() {
        let bare = JumpRecord {
            state: JumpState::Issued,
            person_kind: PersonKind::Broker,
            person: None,
            actor: None,
            user_id: None,
            way: Way::Activation,
            segment: None,
            activation_id: None,
            customer_context: None,
            line_of_business: None,
            provider_id: None,
            redeemed_at: None,
            revoked_at: None,
            session_revoked_at: None,
            result: None,
            ..full()
        };
        let expected = v1::Jump {
            jump_id: ID.to_owned(),
            state: v1::JumpState::Issued.into(),
            person_kind: v1::PersonKind::Broker.into(),
            target_id: "rechner".to_owned(),
            way: v1::ResolutionWay::Activation.into(),
            issued_at: Some(at(10, 0)),
            expires_at: Some(at(70, 0)),
            updated_at: Some(at(10, 0)),
            ..Default::default()
        };
        assert_eq!(v1::Jump::from(bare), expected);
    }
}
