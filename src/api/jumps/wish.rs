//! What is asked for: the same reading for a jump to a calculator, one to a portal and an explanation.

use prost_types::Duration;

use crate::api::convert::{Fields, Read, segment, token_life};
use crate::app::jump::JumpWish;
use crate::domain::ids::{ActivationId, BrokerId, CustomerId, LineOfBusiness, ProviderId, SubjectId, TargetId};
use crate::domain::jump::{Context, Luggage, Nonce, Person, TargetPage, TokenLife};
use crate::domain::target::{TargetKind, WebUrl};
use crate::proto::v1;
use crate::proto::v1::person::Person as WirePerson;

/// The fields that the requests have in common; those that a request does not have are absent.
#[derive(Default)]
pub(super) struct WireJump {
    target_id: String,
    person: Option<v1::Person>,
    actor_id: Option<String>,
    activation_id: Option<String>,
    customer_context_id: Option<String>,
    line_of_business: Option<String>,
    product_provider_id: Option<String>,
    context: Option<String>,
    nonce: Option<String>,
    return_url: Option<String>,
    ttl: Option<Duration>,
    target_page: Option<String>,
}

impl From<v1::JumpToTarifRequest> for WireJump {
    fn from(message: v1::JumpToTarifRequest) -> Self {
        // Whole, so that a new field of the contract is not forgotten here.
        let v1::JumpToTarifRequest {
            request_id: _,
            target_id,
            person,
            actor_id,
            activation_id,
            customer_context_id,
            line_of_business,
            product_provider_id,
            context,
            nonce,
            return_url,
            ttl,
            target_page,
        } = message;
        Self {
            target_id,
            person,
            actor_id,
            activation_id,
            customer_context_id,
            line_of_business,
            product_provider_id,
            context,
            nonce,
            return_url,
            ttl,
            target_page,
        }
    }
}

impl From<v1::JumpToInsurerPortalRequest> for WireJump {
    fn from(message: v1::JumpToInsurerPortalRequest) -> Self {
        let v1::JumpToInsurerPortalRequest {
            request_id: _,
            target_id,
            person,
            actor_id,
            activation_id,
            customer_context_id,
            line_of_business,
            product_provider_id,
            context,
            nonce,
            return_url,
            ttl,
            target_page,
        } = message;
        Self {
            target_id,
            person,
            actor_id,
            activation_id,
            customer_context_id,
            line_of_business,
            product_provider_id,
            context,
            nonce,
            return_url,
            ttl,
            target_page,
        }
    }
}

impl From<v1::ExplainJumpRequest> for WireJump {
    fn from(message: v1::ExplainJumpRequest) -> Self {
        let v1::ExplainJumpRequest {
            target_id,
            person,
            actor_id,
            activation_id,
            customer_context_id,
            line_of_business,
            product_provider_id,
        } = message;
        Self {
            target_id,
            person,
            actor_id,
            activation_id,
            customer_context_id,
            line_of_business,
            product_provider_id,
            ..Self::default()
        }
    }
}

/// Reads a jump and, unless that is left to the tenant's settings, its life. `wanted` is the kind of target that the
/// method is for.
pub(super) fn jump(
    fields: &mut Fields,
    wire: WireJump,
    wanted: Option<TargetKind>,
) -> Read<(JumpWish, Option<TokenLife>)> {
    let target_id = fields.catalog_key("target_id", TargetId::parse(&wire.target_id));
    let person = wire.person.map(|person| read_person(fields, person)).transpose();
    let actor_id =
        fields.optional(wire.actor_id.as_deref(), |fields, text| fields.portal_id("actor_id", SubjectId::parse(text)));
    let activation_id = fields.optional(wire.activation_id.as_deref(), |fields, text| {
        fields.uuid("activation_id", ActivationId::parse(text))
    });
    let customer_context = fields.optional(wire.customer_context_id.as_deref(), |fields, text| {
        fields.portal_id("customer_context_id", CustomerId::parse(text))
    });
    let line_of_business = fields.optional(wire.line_of_business.as_deref(), |fields, text| {
        fields.line("line_of_business", LineOfBusiness::parse(text))
    });
    let provider_id = fields.optional(wire.product_provider_id.as_deref(), |fields, text| {
        fields.catalog_key("product_provider_id", ProviderId::parse(text))
    });
    let context = fields.optional(wire.context.as_deref(), |fields, text| fields.keep("context", Context::parse(text)));
    let nonce = fields.optional(wire.nonce.as_deref(), |fields, text| fields.keep("nonce", Nonce::parse(text)));
    // It has to be an entry of the catalogue, letter by letter; what such a one may be was asked when it was put.
    let return_url = fields
        .optional(wire.return_url.as_deref(), |fields, text| fields.keep("return_url", WebUrl::parse_known(text)));
    let life = wire.ttl.map(|ttl| fields.keep("ttl", token_life(ttl))).transpose();

    let target_page = fields
        .optional(wire.target_page.as_deref(), |fields, text| fields.keep("target_page", TargetPage::parse(text)));

    let luggage = Luggage { context: context?, nonce: nonce?, return_url: return_url?, target_page: target_page? };
    let wish = JumpWish {
        person: person?,
        actor_id: actor_id?,
        target_id: target_id?,
        wanted,
        activation_id: activation_id?,
        customer_context: customer_context?,
        line_of_business: line_of_business?,
        provider_id: provider_id?,
        luggage,
    };
    Ok((wish, life?))
}

fn read_person(fields: &mut Fields, person: v1::Person) -> Read<Person> {
    match person.person {
        Some(WirePerson::BrokerId(id)) => {
            fields.portal_id("person.broker_id", BrokerId::parse(&id)).map(Person::Broker)
        }
        Some(WirePerson::Customer(customer)) => {
            let customer_id = fields.portal_id("person.customer.customer_id", CustomerId::parse(&customer.customer_id));
            // It may be absent, but if it is stated it must say something.
            let stated = customer.segment.map(|number| fields.word("person.customer.segment", number, segment));
            let stated = stated.transpose();
            Ok(Person::Customer { customer_id: customer_id?, stated: stated? })
        }
        None => fields.refuse("person", "must be either `broker_id` or `customer`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::Failure;
    use crate::domain::customer::Segment;

    fn read(wire: WireJump) -> Result<(JumpWish, Option<TokenLife>), Vec<String>> {
        let mut fields = Fields::default();
        let wish = jump(&mut fields, wire, Some(TargetKind::TariffCalculator));
        fields.finish(wish).map_err(|failure| match failure {
            Failure::Invalid(violations) => violations.into_iter().map(|violation| violation.field).collect(),
            other => panic!("{other}"),
        })
    }

    fn good() -> WireJump {
        WireJump { target_id: "rechner".to_owned(), ..WireJump::default() }
    }

    fn customer(customer_id: &str, segment: Option<i32>) -> v1::Person {
        let customer = v1::CustomerRef { customer_id: customer_id.to_owned(), segment };
        v1::Person { person: Some(WirePerson::Customer(customer)) }
    }

    #[test]
    fn a_target_alone_is_a_jump() {
        let (wish, life) = read(good()).unwrap();
        assert_eq!(wish.target_id.as_str(), "rechner");
        assert!(wish.person.is_none() && wish.luggage == Luggage::default());
        assert_eq!(life, None);
    }

    #[test]
    fn a_life_that_is_asked_for_is_read() {
        let life =
            |seconds| read(WireJump { ttl: Some(Duration { seconds, nanos: 0 }), ..good() }).map(|(_, life)| life);
        assert_eq!(life(60), Ok(Some(TokenLife::DEFAULT)));
        assert_eq!(life(0), Err(vec!["ttl".to_owned()]));
    }

    #[test]
    fn every_bad_field_is_named() {
        let bad = || Some("?\0".to_owned());
        let wire = WireJump {
            target_id: String::new(),
            person: Some(customer("", Some(0))),
            actor_id: bad(),
            activation_id: bad(),
            customer_context_id: bad(),
            line_of_business: bad(),
            product_provider_id: bad(),
            context: bad(),
            nonce: bad(),
            return_url: bad(),
            ttl: Some(Duration { seconds: 121, nanos: 0 }),
            target_page: bad(),
        };
        let expected = [
            "target_id",
            "person.customer.customer_id",
            "person.customer.segment",
            "actor_id",
            "activation_id",
            "customer_context_id",
            "line_of_business",
            "product_provider_id",
            "context",
            "nonce",
            "return_url",
            "ttl",
            "target_page",
        ];
        assert_eq!(read(wire).err(), Some(expected.map(str::to_owned).to_vec()));
    }

    #[test]
    fn an_empty_text_is_not_an_absent_one() {
        let wire = WireJump { nonce: Some(String::new()), actor_id: Some(String::new()), ..good() };
        assert_eq!(read(wire).err(), Some(vec!["actor_id".to_owned(), "nonce".to_owned()]));
    }

    #[test]
    fn a_person_is_one_or_the_other() {
        let read = |person| read(WireJump { person: Some(person), ..good() }).map(|(wish, _)| wish.person);
        assert_eq!(read(v1::Person { person: None }), Err(vec!["person".to_owned()]));
        let broker = v1::Person { person: Some(WirePerson::BrokerId("b-1".to_owned())) };
        assert_eq!(read(broker), Ok(Some(Person::Broker(BrokerId::parse("b-1").unwrap()))));
        let customer_id = CustomerId::parse("c-1").unwrap();
        let stated = Some(Segment::Commercial);
        assert_eq!(read(customer("c-1", Some(2))), Ok(Some(Person::Customer { customer_id, stated })));
    }
}
