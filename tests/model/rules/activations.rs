//! Broker activations (`docs/domain.md#broker-jump`).

use concenter_gateway::proto::v1;
use concenter_gateway::proto::v1::UserKind;

use super::users::chooses;
use super::{Done, Refused, Seen, check_etag, not_found, nothing_in_the_way};
use crate::call::{Answer, Call, Request};
use crate::state::{Activation, Model, Tenant, Thing};

impl Model {
    /// `None` for a request that is not about activations.
    pub(super) fn change_activation(&mut self, call: &Call, seen: &Seen) -> Option<Done> {
        let (now, side) = (self.now, &mut self.sides[call.side]);
        Some(match &call.request {
            Request::CreateActivation(request) => side.create_activation(now, request, seen),
            Request::UpdateActivation(request) => side.update_activation(now, request),
            Request::DisableActivation(request) => {
                side.set_activation_state(now, &request.activation_id, &request.etag, false)
            }
            Request::EnableActivation(request) => {
                side.set_activation_state(now, &request.activation_id, &request.etag, true)
            }
            Request::DeleteActivation(request) => side.delete_activation(&request.activation_id, &request.etag),
            _ => return None,
        })
    }
}

impl Tenant {
    fn known_activation(&self, id: &str, etag: &str) -> Result<Activation, Refused> {
        let activation = self.activations.get(id).ok_or_else(not_found)?;
        check_etag(activation.version, etag)?;
        Ok(activation.clone())
    }

    /// Checks that a user is there and for brokers.
    fn check_brokers_user(&self, id: &str) -> Result<(), Refused> {
        match self.users.get(id).ok_or_else(not_found)?.kind {
            UserKind::EndCustomer => Err(Refused::plain("ENDKUNDE_CONFLICT")),
            UserKind::Standard => Err(Refused::plain("STANDARD_NOT_FOR_JUMPS")),
            _ => Ok(()),
        }
    }

    fn create_activation(&mut self, now: i64, request: &v1::CreateBrokerActivationRequest, seen: &Seen) -> Done {
        self.check_brokers_user(&request.user_id)?;
        if request.sharing_reason.is_empty() {
            nothing_in_the_way("USER_ALREADY_ASSIGNED", self.dependents(&request.user_id)[0].clone())?;
        }
        let id = seen.id.clone().unwrap_or_default();
        let activation = Activation {
            display_name: request.display_name.clone(),
            brokers: request.broker_ids.iter().cloned().collect(),
            user: request.user_id.clone(),
            active: true,
            sharing_reason: request.sharing_reason.clone(),
            created_at: now,
            updated_at: now,
            version: 1,
        };
        self.activations.insert(id.clone(), activation);
        self.made.activations.push(id.clone());
        self.kill_jumps();
        Ok(Thing::Activation(id))
    }

    fn update_activation(&mut self, now: i64, request: &v1::UpdateBrokerActivationRequest) -> Done {
        let wish = request.activation.as_ref().expect("an activation");
        let mask = request.update_mask.as_ref();
        let before = self.known_activation(&wish.activation_id, &wish.etag)?;
        let mut after = before.clone();
        if chooses(mask, "display_name", !wish.display_name.is_empty()) {
            after.display_name.clone_from(&wish.display_name);
        }
        if chooses(mask, "broker_ids", !wish.broker_ids.is_empty()) {
            after.brokers = wish.broker_ids.iter().cloned().collect();
        }
        if chooses(mask, "user_id", !wish.user_id.is_empty()) {
            after.user.clone_from(&wish.user_id);
        }
        if chooses(mask, "sharing_reason", !wish.sharing_reason.is_empty()) {
            after.sharing_reason.clone_from(&wish.sharing_reason);
        }
        self.check_brokers_user(&after.user)?;
        // Whoever takes a user that others have, or takes his reason back while they have it, must say why.
        let begins_to_share = after.user != before.user || !before.sharing_reason.is_empty();
        if after.sharing_reason.is_empty() && begins_to_share {
            let mut others = self.dependents(&after.user)[0].clone();
            others.retain(|id| *id != wish.activation_id);
            nothing_in_the_way("USER_ALREADY_ASSIGNED", others)?;
        }
        let decides_otherwise = after.brokers != before.brokers || after.user != before.user;
        if after != before {
            after.version += 1;
            after.updated_at = now;
            self.activations.insert(wish.activation_id.clone(), after);
        }
        if decides_otherwise {
            self.kill_jumps();
        }
        Ok(Thing::Activation(wish.activation_id.clone()))
    }

    fn set_activation_state(&mut self, now: i64, id: &str, etag: &str, active: bool) -> Done {
        let mut activation = self.known_activation(id, etag)?;
        if activation.active != active {
            activation.active = active;
            activation.version += 1;
            activation.updated_at = now;
            self.activations.insert(id.to_owned(), activation);
            self.kill_jumps();
        }
        Ok(Thing::Activation(id.to_owned()))
    }

    fn delete_activation(&mut self, id: &str, etag: &str) -> Done {
        self.known_activation(id, etag)?;
        self.activations.remove(id);
        self.kill_jumps();
        Ok(Thing::Nothing)
    }

    /// The answer to an effect on activations.
    pub(super) fn answer_on_activation(&self, request: &Request, thing: &Thing) -> Option<Answer> {
        let activation = match thing {
            Thing::Activation(id) => Some(self.activations.get(id)?.out(id)),
            _ => None,
        };
        Some(match (request, thing) {
            (Request::CreateActivation(_), Thing::Activation(_)) => {
                Answer::CreateActivation(v1::CreateBrokerActivationResponse { activation })
            }
            (Request::UpdateActivation(_), Thing::Activation(_)) => {
                Answer::UpdateActivation(v1::UpdateBrokerActivationResponse { activation })
            }
            (Request::DisableActivation(_), Thing::Activation(_)) => {
                Answer::DisableActivation(v1::DisableBrokerActivationResponse { activation })
            }
            (Request::EnableActivation(_), Thing::Activation(_)) => {
                Answer::EnableActivation(v1::EnableBrokerActivationResponse { activation })
            }
            (Request::DeleteActivation(_), Thing::Nothing) => {
                Answer::DeleteActivation(v1::DeleteBrokerActivationResponse {})
            }
            _ => return None,
        })
    }
}
