//! `BrokerActivationService`: with which con:center user a broker jumps.

use tonic::Request;

use super::convert::{Fields, Read, both, etag, non_empty, state_out, timestamp};
use super::desk::{Answer, Desk};
use crate::app::activations::ActivationDraft;
use crate::app::pages::List;
use crate::domain::activation::{BrokerActivation, BrokerList};
use crate::domain::error::Version;
use crate::domain::ids::{ActivationId, BrokerId, UserId};
use crate::domain::page::Page;
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
        let (call, draft) = self.desk.effect(request, draft)?;
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
        let Page { rows, next } = self.desk.checked(rows)?;
        let activations = rows.into_iter().map(activation_out).collect();
        let next_page_token = self.desk.next_page(&list, next.as_deref());
        Ok(v1::ListBrokerActivationsResponse { activations, next_page_token }.into())
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
}

fn activation_and_etag(fields: &mut Fields, activation_id: &str, etag: &str) -> Read<(ActivationId, Version)> {
    both(fields.uuid("activation_id", ActivationId::parse(activation_id)), fields.etag(etag))
}

fn draft(fields: &mut Fields, message: v1::CreateBrokerActivationRequest) -> Read<ActivationDraft> {
    let display_name = fields
        .optional(non_empty(&message.display_name), |fields, text| fields.keep("display_name", Line::parse(text)));
    let brokers = fields.each(message.broker_ids, |fields, place, id| {
        fields.portal_id(format_args!("broker_ids[{place}]"), BrokerId::parse(&id))
    });
    let brokers = brokers.and_then(|ids| fields.keep("broker_ids", BrokerList::new(ids)));
    let user_id = fields.uuid("user_id", UserId::parse(&message.user_id));
    let sharing_reason = fields
        .optional(non_empty(&message.sharing_reason), |fields, text| fields.keep("sharing_reason", Line::parse(text)));
    Ok(ActivationDraft {
        display_name: display_name?,
        brokers: brokers?,
        user_id: user_id?,
        sharing_reason: sharing_reason?,
    })
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
    use super::*;
    use crate::app::Failure;

    fn read(broker_ids: &[&str], user_id: &str) -> Result<ActivationDraft, Vec<String>> {
        let message = v1::CreateBrokerActivationRequest {
            broker_ids: broker_ids.iter().map(|id| (*id).to_owned()).collect(),
            user_id: user_id.to_owned(),
            ..Default::default()
        };
        let mut fields = Fields::default();
        let draft = draft(&mut fields, message);
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

    #[test]
    fn an_activation_needs_a_broker_and_a_user() {
        assert_eq!(read(&[], "").err(), Some(vec!["broker_ids".to_owned(), "user_id".to_owned()]));
        assert_eq!(read(&["a", ""], "x").err(), Some(vec!["broker_ids[1]".to_owned(), "user_id".to_owned()]));
    }
}
