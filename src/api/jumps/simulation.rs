//! What a change would do: what is asked, and what is told.

use super::answer::way_out;
use crate::api::convert::{Fields, Read, count, segment};
use crate::api::page;
use crate::api::status::{advice, error_reason};
use crate::domain::error::Reason;
use crate::domain::ids::{ProviderId, TargetId, UserId};
use crate::domain::jump::PersonId;
use crate::domain::simulation::{
    ChangeRefusal, Shift, ShiftCounts, SimulatedChange, SimulatedOutcome, SimulatedPerson,
};
use crate::proto::v1;
use crate::proto::v1::simulate_change_request::Change as WireChange;
use crate::proto::v1::simulated_outcome::Outcome as WireOutcome;
use crate::proto::v1::simulated_person::Person as WirePerson;

/// Reads the change, and the target that it is about.
pub(super) fn change(
    fields: &mut Fields,
    message: &v1::SimulateChangeRequest,
) -> Read<(SimulatedChange, Option<TargetId>)> {
    let change = match &message.change {
        Some(WireChange::StandardUserId(id)) => {
            fields.uuid("standard_user_id", UserId::parse(id)).map(SimulatedChange::Standard)
        }
        Some(WireChange::SharedUser(shared)) => fields.within("shared_user", |fields| {
            let segment = fields.word("segment", shared.segment, segment);
            let user =
                fields.optional(shared.user_id.as_deref(), |fields, text| fields.uuid("user_id", UserId::parse(text)));
            Ok(SimulatedChange::SharedUser { segment: segment?, user: user? })
        }),
        Some(WireChange::EndCustomerOffUserId(id)) => {
            fields.uuid("end_customer_off_user_id", UserId::parse(id)).map(SimulatedChange::EndCustomerOff)
        }
        Some(WireChange::DisableUserId(id)) => {
            fields.uuid("disable_user_id", UserId::parse(id)).map(SimulatedChange::DisableUser)
        }
        Some(WireChange::RemoveProvider(removed)) => fields.within("remove_provider", |fields| {
            let user = fields.uuid("user_id", UserId::parse(&removed.user_id));
            let provider = fields.catalog_key("product_provider_id", ProviderId::parse(&removed.product_provider_id));
            Ok(SimulatedChange::RemoveProvider { user: user?, provider: provider? })
        }),
        Some(WireChange::DisableProductProviderId(id)) => fields
            .catalog_key("disable_product_provider_id", ProviderId::parse(id))
            .map(SimulatedChange::DisableProvider),
        None => fields.refuse("change", "must be one of the changes that can be simulated"),
    };
    let target = fields
        .optional(message.target_id.as_deref(), |fields, text| fields.catalog_key("target_id", TargetId::parse(text)));
    Ok((change?, target?))
}

/// Change and target as they were sent, for the page tokens of the list.
pub(super) fn filter_text(message: &v1::SimulateChangeRequest) -> String {
    // Whole, so that a new field of the contract is not forgotten here.
    let v1::SimulateChangeRequest { change, target_id, page_size: _, page_token: _ } = message;
    let segment = |shared: &v1::SharedUserChange| shared.segment.to_string();
    let (kind, one, other) = match change {
        Some(WireChange::StandardUserId(id)) => ("standard", Some(id.clone()), None),
        Some(WireChange::SharedUser(shared)) => ("shared", Some(segment(shared)), shared.user_id.clone()),
        Some(WireChange::EndCustomerOffUserId(id)) => ("end_customer_off", Some(id.clone()), None),
        Some(WireChange::DisableUserId(id)) => ("disable", Some(id.clone()), None),
        Some(WireChange::RemoveProvider(removed)) => {
            ("remove", Some(removed.user_id.clone()), Some(removed.product_provider_id.clone()))
        }
        Some(WireChange::DisableProductProviderId(id)) => ("disable_provider", Some(id.clone()), None),
        None => ("", None, None),
    };
    page::filter(&[Some(kind), one.as_deref(), other.as_deref(), target_id.as_deref()])
}

impl From<SimulatedPerson> for v1::SimulatedPerson {
    fn from(person: SimulatedPerson) -> Self {
        let SimulatedPerson { person, difference } = person;
        Self {
            person: Some(match person {
                PersonId::Broker(id) => WirePerson::BrokerId(id.to_string()),
                PersonId::Customer(id) => WirePerson::CustomerId(id.to_string()),
            }),
            before: Some(outcome(difference.before)),
            after: Some(outcome(difference.after)),
            target_id: difference.target_id.to_string(),
            targets: count(difference.targets.into()),
            shift: shift(difference.shift).into(),
            activation_id: difference.activation_id.map(|activation| activation.to_string()),
        }
    }
}

/// The numbers of the first page.
pub(super) fn counts(counts: ShiftCounts) -> v1::SimulationCounts {
    let number = |people: u64| i64::try_from(people).unwrap_or(i64::MAX);
    v1::SimulationCounts {
        same: number(counts.same),
        other_user: number(counts.other_user),
        loses_user: number(counts.loses_user),
        gains_user: number(counts.gains_user),
    }
}

/// Why the change itself would be refused, with what can be done about it.
pub(super) fn refusal(refusal: ChangeRefusal) -> v1::SimulatedRefusal {
    let (reason, advice) = match refusal {
        ChangeRefusal::Rule(reason) => (error_reason(reason), advice_on_change(reason)),
        ChangeRefusal::NoProviderLeft => (
            v1::ErrorReason::FieldInvalid,
            "a con:center user keeps one product provider at least: disable the user instead",
        ),
        ChangeRefusal::TooManyProvidersLeft => (
            v1::ErrorReason::FieldInvalid,
            "more product providers are left than a scope can name: give the user a list of those that it needs",
        ),
    };
    v1::SimulatedRefusal { reason: reason.into(), advice: advice.to_owned() }
}

/// What can be done about a refusal of a change. Where the real one lists what stands in the way, nothing is listed here.
fn advice_on_change(reason: Reason) -> &'static str {
    match reason {
        Reason::Assigned => {
            "activations, or customers whose own user it is, have this con:center user: give them another one first"
        }
        reason => advice(reason),
    }
}

fn outcome(outcome: SimulatedOutcome) -> v1::SimulatedOutcome {
    let outcome = match outcome {
        SimulatedOutcome::User { user_id, name, way } => WireOutcome::User(v1::SimulatedUser {
            user_id: user_id.to_string(),
            user_name: name.to_string(),
            way: way_out(way).into(),
        }),
        SimulatedOutcome::Refused(reason) => WireOutcome::Refusal(v1::SimulatedRefusal {
            reason: error_reason(reason).into(),
            advice: advice(reason).to_owned(),
        }),
    };
    v1::SimulatedOutcome { outcome: Some(outcome) }
}

const fn shift(shift: Shift) -> v1::Shift {
    match shift {
        Shift::LosesUser => v1::Shift::LosesUser,
        Shift::OtherUser => v1::Shift::OtherUser,
        Shift::GainsUser => v1::Shift::GainsUser,
    }
}
