//! `BrokerActivationService`: with which con:center user a broker jumps.

use tonic::Request;

use super::convert::{Fields, Mask, Read, Resource, both, etag, line, state_out, timestamp, update};
use super::desk::{Answer, Desk};
use crate::app::activations::ActivationDraft;
use crate::app::pages::List;
use crate::domain::activation::{ActivationChange, BrokerActivation, BrokerList};
use crate::domain::error::Version;
use crate::domain::ids::{ActivationId, BrokerId, UserId};
use crate::domain::provider::State;
use crate::domain::text::Line;
use crate::proto::v1;
use crate::proto::v1::broker_activation_service_server::BrokerActivationService;

/// The service.
pub(super) struct Activations {
    pub(super) desk: Desk,
}

#[tonic::async_trait]
impl BrokerActivationService for Activations {
    async fn create_broker_activation(
        &self,
        request: Request<v1::CreateBrokerActivationRequest>,
    ) -> Answer<v1::CreateBrokerActivationResponse> {
        let (call, draft) = self.desk.effect(request, |fields, message| draft(fields, &message))?;
        let made = self.desk.checked(self.desk.app.create_activation(&call, draft).await)?;
        Ok(v1::CreateBrokerActivationResponse { activation: Some(activation_out(made)) }.into())
    }

    async fn get_broker_activation(
        &self,
        request: Request<v1::GetBrokerActivationRequest>,
    ) -> Answer<v1::GetBrokerActivationResponse> {
        let (call, message) = self.desk.open(request)?;
        let activation =
            self.desk.read(|fields| fields.uuid("activation_id", ActivationId::parse(&message.activation_id)))?;
        let found = self.desk.checked(self.desk.app.get_activation(&call, &activation).await)?;
        Ok(v1::GetBrokerActivationResponse { activation: Some(activation_out(found)) }.into())
    }

    async fn list_broker_activations(
        &self,
        request: Request<v1::ListBrokerActivationsRequest>,
    ) -> Answer<v1::ListBrokerActivationsResponse> {
        let (call, message) = self.desk.open(request)?;
        let list = List {
            caller: &call.caller,
            name: "/concenter.v1.BrokerActivationService/ListBrokerActivations",
            filter: message.broker_id.as_deref().unwrap_or_default(),
        };
        let (broker, page) = self.desk.read(|fields| {
            let broker = fields.optional(message.broker_id.as_deref(), |fields, text| {
                fields.portal_id("broker_id", BrokerId::parse(text))
            });
            both(broker, self.desk.page(fields, &list, message.page_size, &message.page_token))
        })?;
        let rows = self.desk.app.list_activations(&call, broker.as_ref(), &page).await;
        let rows = self.desk.checked(rows)?.map(activation_out);
        let (activations, next_page_token) = self.desk.page_out(&list, rows, |activation| &activation.activation_id);
        Ok(v1::ListBrokerActivationsResponse { activations, next_page_token }.into())
    }

    async fn update_broker_activation(
        &self,
        request: Request<v1::UpdateBrokerActivationRequest>,
    ) -> Answer<v1::UpdateBrokerActivationResponse> {
        let (call, ((activation, version), change)) = self.desk.effect(request, |fields, message| {
            update(fields, message.activation.as_ref(), message.update_mask.as_ref(), change)
        })?;
        let changed = self.desk.app.update_activation(&call, &activation, version, &change).await;
        let activation = Some(activation_out(self.desk.checked(changed)?));
        Ok(v1::UpdateBrokerActivationResponse { activation }.into())
    }

    async fn disable_broker_activation(
        &self,
        request: Request<v1::DisableBrokerActivationRequest>,
    ) -> Answer<v1::DisableBrokerActivationResponse> {
        let (call, (activation, version)) = self
            .desk
            .effect(request, |fields, message| activation_and_etag(fields, &message.activation_id, &message.etag))?;
        let changed = self.desk.app.set_activation_state(&call, &activation, version, State::Disabled).await;
        let activation = Some(activation_out(self.desk.checked(changed)?));
        Ok(v1::DisableBrokerActivationResponse { activation }.into())
    }

    async fn enable_broker_activation(
        &self,
        request: Request<v1::EnableBrokerActivationRequest>,
    ) -> Answer<v1::EnableBrokerActivationResponse> {
        let (call, (activation, version)) = self
            .desk
            .effect(request, |fields, message| activation_and_etag(fields, &message.activation_id, &message.etag))?;
        let changed = self.desk.app.set_activation_state(&call, &activation, version, State::Active).await;
        let activation = Some(activation_out(self.desk.checked(changed)?));
        Ok(v1::EnableBrokerActivationResponse { activation }.into())
    }

    async fn delete_broker_activation(
        &self,
        request: Request<v1::DeleteBrokerActivationRequest>,
    ) -> Answer<v1::DeleteBrokerActivationResponse> {
        let (call, (activation, version)) = self
            .desk
            .effect(request, |fields, message| activation_and_etag(fields, &message.activation_id, &message.etag))?;
        self.desk.checked(self.desk.app.delete_activation(&call, &activation, version).await)?;
        Ok(v1::DeleteBrokerActivationResponse {}.into())
    }
}

impl Resource for v1::BrokerActivation {
    const NAME: &'static str = "activation";

    fn updatable(&self) -> Vec<(&'static str, bool)> {
        vec![
            ("display_name", !self.display_name.is_empty()),
            ("broker_ids", !self.broker_ids.is_empty()),
            ("user_id", !self.user_id.is_empty()),
            ("sharing_reason", !self.sharing_reason.is_empty()),
        ]
    }
}

fn activation_and_etag(fields: &mut Fields, activation_id: &str, etag: &str) -> Read<(ActivationId, Version)> {
    both(fields.uuid("activation_id", ActivationId::parse(activation_id)), fields.etag(etag))
}

fn draft(fields: &mut Fields, message: &v1::CreateBrokerActivationRequest) -> Read<ActivationDraft> {
    let display_name = line(fields, "display_name", &message.display_name);
    let brokers = brokers(fields, "broker_ids", &message.broker_ids);
    let user_id = fields.uuid("user_id", UserId::parse(&message.user_id));
    let sharing_reason = line(fields, "sharing_reason", &message.sharing_reason);
    Ok(ActivationDraft {
        display_name: display_name?,
        brokers: brokers?,
        user_id: user_id?,
        sharing_reason: sharing_reason?,
    })
}

fn change(
    fields: &mut Fields,
    mask: &Mask,
    activation: &v1::BrokerActivation,
) -> Read<((ActivationId, Version), ActivationChange)> {
    let known = activation_and_etag(fields, &activation.activation_id, &activation.etag);
    let display_name = mask.change(fields, "display_name", |fields, path| line(fields, path, &activation.display_name));
    let brokers = mask.change(fields, "broker_ids", |fields, path| brokers(fields, path, &activation.broker_ids));
    let user_id = mask.change(fields, "user_id", |fields, path| fields.uuid(path, UserId::parse(&activation.user_id)));
    let sharing_reason =
        mask.change(fields, "sharing_reason", |fields, path| line(fields, path, &activation.sharing_reason));
    let change = ActivationChange {
        display_name: display_name?,
        brokers: brokers?,
        user_id: user_id?,
        sharing_reason: sharing_reason?,
    };
    Ok((known?, change))
}

fn brokers(fields: &mut Fields, path: &str, ids: &[String]) -> Read<BrokerList> {
    let ids =
        fields.each(ids, |fields, place, id| fields.portal_id(format_args!("{path}[{place}]"), BrokerId::parse(id)))?;
    fields.keep(path, BrokerList::new(ids))
}

fn activation_out(activation: BrokerActivation) -> v1::BrokerActivation {
    let line = |line: Option<Line>| line.map(|line| line.as_str().to_owned()).unwrap_or_default();
    v1::BrokerActivation {
        activation_id: activation.activation_id.to_string(),
        display_name: line(activation.display_name),
        broker_ids: activation.brokers.as_slice().iter().map(ToString::to_string).collect(),
        user_id: activation.user_id.to_string(),
        state: state_out(activation.state).into(),
        sharing_reason: line(activation.sharing_reason),
        created_at: Some(timestamp(activation.created_at)),
        updated_at: Some(timestamp(activation.updated_at)),
        etag: etag(activation.version),
    }
}

#[cfg(test)]
mod tests {
    use prost_types::FieldMask;

    use super::*;
    use crate::app::Failure;
    use crate::domain::change::Change;

    const ID: &str = "0190f5fe-7c00-7a8d-8d2e-5b1d3f4a5b6c";

    fn read(broker_ids: &[&str], user_id: &str) -> Result<ActivationDraft, Vec<String>> {
        let message = v1::CreateBrokerActivationRequest {
            broker_ids: broker_ids.iter().map(|id| (*id).to_owned()).collect(),
            user_id: user_id.to_owned(),
            ..Default::default()
        };
        let mut fields = Fields::default();
        let draft = draft(&mut fields, &message);
        fields.finish(draft).map_err(|failure| match failure {
            Failure::Invalid(violations) => violations.into_iter().map(|violation| violation.field).collect(),
            other => panic!("{other}"),
        })
    }

    #[test]
    fn a_broker_that_is_named_twice_counts_once() {
        let draft = read(&["b", "a", "b"], "0190f5fe-7c00-7a8d-8d2e-5b1d3f4a5b6c");
        let brokers = draft.map(|draft| draft.brokers.as_slice().iter().map(ToString::to_string).collect::<Vec<_>>());
        assert_eq!(brokers, Ok(vec!["a".to_owned(), "b".to_owned()]));
    }

    /// An activation of which nothing would change.
    fn bare() -> v1::BrokerActivation {
        v1::BrokerActivation { activation_id: ID.to_owned(), etag: "v3".to_owned(), ..Default::default() }
    }

    /// An activation of which everything would change that can.
    fn full() -> v1::BrokerActivation {
        v1::BrokerActivation {
            display_name: "Team".to_owned(),
            broker_ids: vec!["b".to_owned(), "a".to_owned(), "b".to_owned()],
            user_id: ID.to_owned(),
            sharing_reason: "Urlaub".to_owned(),
            ..bare()
        }
    }

    fn read_change(activation: Option<&v1::BrokerActivation>, paths: &[&str]) -> Result<ActivationChange, Vec<String>> {
        let mask = FieldMask { paths: paths.iter().map(|path| (*path).to_owned()).collect() };
        let mut fields = Fields::default();
        let read = update(&mut fields, activation, Some(&mask), change);
        let ((activation, version), change) = fields.finish(read).map_err(|failure| match failure {
            Failure::Invalid(violations) => violations.into_iter().map(|violation| violation.field).collect::<Vec<_>>(),
            other => panic!("{other}"),
        })?;
        assert_eq!((Ok(activation), version), (ActivationId::parse(ID), Version::from_number(3)));
        Ok(change)
    }

    /// The change that [`full`] makes, field by field.
    fn changes() -> [(&'static str, ActivationChange); 4] {
        let list = ["a", "b"].map(|id| BrokerId::parse(id).unwrap()).to_vec();
        let brokers = Change::Set(BrokerList::new(list).unwrap());
        let user_id = Change::Set(UserId::parse(ID).unwrap());
        let set = |text| Change::Set(Some(Line::parse(text).unwrap()));
        [
            ("display_name", ActivationChange { display_name: set("Team"), ..ActivationChange::default() }),
            ("broker_ids", ActivationChange { brokers, ..ActivationChange::default() }),
            ("user_id", ActivationChange { user_id, ..ActivationChange::default() }),
            ("sharing_reason", ActivationChange { sharing_reason: set("Urlaub"), ..ActivationChange::default() }),
        ]
    }

    #[test]
    fn each_field_of_an_activation_changes_alone() {
        for (path, expected) in changes() {
            assert_eq!(read_change(Some(&full()), &[path]), Ok(expected), "{path}");
        }
    }

    #[test]
    fn without_a_mask_all_changes_that_is_set() {
        let [(_, display_name), (_, brokers), (_, user_id), (_, sharing_reason)] = changes();
        let expected = ActivationChange {
            display_name: display_name.display_name,
            brokers: brokers.brokers,
            user_id: user_id.user_id,
            sharing_reason: sharing_reason.sharing_reason,
        };
        assert_eq!(read_change(Some(&full()), &[]), Ok(expected));
        assert_eq!(read_change(Some(&bare()), &[]), Err(vec!["update_mask".to_owned()]));
    }

    #[test]
    fn a_mask_clears_what_may_be_empty_and_not_what_must_be_set() {
        let cleared = ActivationChange {
            display_name: Change::Set(None),
            sharing_reason: Change::Set(None),
            ..ActivationChange::default()
        };
        assert_eq!(read_change(Some(&bare()), &["display_name", "sharing_reason"]), Ok(cleared));
        let expected = ["activation.broker_ids", "activation.user_id"].map(str::to_owned).to_vec();
        assert_eq!(read_change(Some(&bare()), &["broker_ids", "user_id"]), Err(expected));
    }

    #[test]
    fn every_other_field_of_an_activation_is_refused() {
        for path in [
            "activation_id",
            "state",
            "created_at",
            "updated_at",
            "etag",
            "tenant_id",
            "broker_ids[0]",
            "brokerIds",
            "*",
            "",
        ] {
            let set = v1::BrokerActivation { state: 2, ..full() };
            let expected = Err(vec!["update_mask.paths[1]".to_owned()]);
            assert_eq!(read_change(Some(&set), &["display_name", path]), expected, "{path:?}");
        }
    }

    #[test]
    fn every_bad_field_of_an_update_is_named_within_the_activation() {
        let bad = v1::BrokerActivation {
            activation_id: "x".to_owned(),
            etag: "x".to_owned(),
            display_name: "a\nb".to_owned(),
            broker_ids: vec!["a".to_owned(), String::new()],
            user_id: "x".to_owned(),
            sharing_reason: " ".to_owned(),
            ..v1::BrokerActivation::default()
        };
        let within = ["activation_id", "etag", "display_name", "broker_ids[1]", "user_id", "sharing_reason"];
        assert_eq!(read_change(Some(&bad), &[]), Err(within.map(|path| format!("activation.{path}")).to_vec()));
        assert_eq!(read_change(None, &[]), Err(vec!["activation".to_owned()]));
    }

    #[test]
    fn an_activation_needs_a_broker_and_a_user() {
        assert_eq!(read(&[], "").err(), Some(vec!["broker_ids".to_owned(), "user_id".to_owned()]));
        assert_eq!(read(&["a", ""], "x").err(), Some(vec!["broker_ids[1]".to_owned(), "user_id".to_owned()]));
    }
}
