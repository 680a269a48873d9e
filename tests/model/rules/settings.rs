//! The settings of a tenant, and reads of what it manages.

use concenter_gateway::proto::v1;

use super::users::chooses;
use super::{Done, Expected, check_etag, not_found};
use crate::call::{Answer, Call, Request};
use crate::state::{Model, Settings, Tenant, Thing};

impl Tenant {
    pub(super) fn update_settings(&mut self, request: &v1::UpdateSettingsRequest) -> Done {
        let wish = request.settings.as_ref().expect("settings");
        check_etag(self.settings.version, &wish.etag)?;
        let mut after = self.settings.clone();
        let mask = request.update_mask.as_ref();
        let spans: [(&str, _, &mut i64); 5] = [
            ("jump_ttl", wish.jump_ttl, &mut after.jump_ttl),
            ("customer_session_idle", wish.customer_session_idle, &mut after.customer_idle),
            ("customer_session_absolute", wish.customer_session_absolute, &mut after.customer_absolute),
            ("broker_session_idle", wish.broker_session_idle, &mut after.broker_idle),
            ("broker_session_absolute", wish.broker_session_absolute, &mut after.broker_absolute),
        ];
        for (path, wished, field) in spans {
            if chooses(mask, path, wished.is_some()) {
                *field = wished.expect("a span").seconds;
            }
        }
        if chooses(mask, "import_change_limit_percent", wish.import_change_limit_percent != 0) {
            after.import_limit = wish.import_change_limit_percent;
        }
        if chooses(mask, "default_mvp_user_id", !wish.default_mvp_user_id.is_empty()) {
            after.default_mvp_user.clone_from(&wish.default_mvp_user_id);
        }
        if after != self.settings {
            let before = std::mem::replace(&mut self.settings, Settings { version: after.version + 1, ..after });
            // What an import may do, and who gets a Vorgang, no jump rests on.
            let beside = Settings {
                import_limit: before.import_limit,
                default_mvp_user: before.default_mvp_user.clone(),
                version: before.version,
                ..self.settings.clone()
            };
            if beside != before {
                self.kill_jumps();
            }
        }
        Ok(Thing::Settings)
    }

    /// The answer to an effect on settings.
    pub(super) fn answer_on_settings(&self, request: &Request, thing: &Thing) -> Option<Answer> {
        match (request, thing) {
            (Request::UpdateSettings(_), Thing::Settings) => {
                Some(Answer::UpdateSettings(v1::UpdateSettingsResponse { settings: Some(self.settings.out()) }))
            }
            _ => None,
        }
    }
}

impl Model {
    /// Answers a read of one thing that a tenant manages. The lists are what [`crate::observe`] reads.
    pub(super) fn read_management(&self, call: &Call) -> Option<Expected> {
        let side = &self.sides[call.side];
        Some(match &call.request {
            Request::GetUser(request) => {
                let user = side.users.get(&request.user_id).map(|user| user.out(&request.user_id));
                user.map(|user| Answer::GetUser(v1::GetUserResponse { user: Some(user) })).ok_or_else(not_found)
            }
            Request::GetActivation(request) => {
                let id = &request.activation_id;
                let found = side.activations.get(id).ok_or_else(not_found);
                found.map(|activation| {
                    let activation = Some(activation.out(id));
                    Answer::GetActivation(v1::GetBrokerActivationResponse { activation })
                })
            }
            Request::GetCustomer(request) => {
                let found = side.customers.get(&request.customer_id).ok_or_else(not_found);
                found.map(|customer| {
                    let customer = Some(customer.out(&request.customer_id));
                    Answer::GetCustomer(v1::GetCustomerResponse { customer })
                })
            }
            _ => return None,
        })
    }
}
