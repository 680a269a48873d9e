//! Con:center users (`docs/domain.md#users`).

use std::collections::BTreeSet;

use concenter_gateway::proto::v1;
use concenter_gateway::proto::v1::UserKind;

use super::{Done, Refused, Seen, check_etag, not_found, nothing_in_the_way};
use crate::call::{Answer, Call, Request};
use crate::state::{Catalog, Model, Tenant, Thing, User, name_key, scope_in};

/// Whether a mask, or else what is set, chooses a field.
pub(super) fn chooses(mask: Option<&prost_types::FieldMask>, path: &str, is_set: bool) -> bool {
    match mask {
        Some(mask) if !mask.paths.is_empty() => mask.paths.iter().any(|one| one == path),
        _ => is_set,
    }
}

/// Checks that the catalogue has every provider of a scope.
fn check_scope(catalog: &Catalog, scope: Option<&BTreeSet<String>>) -> Result<(), Refused> {
    let known = scope.is_none_or(|ids| ids.iter().all(|id| catalog.providers.contains_key(id)));
    if known { Ok(()) } else { Err(not_found()) }
}

impl Model {
    /// `None` for a request that is not about users.
    pub(super) fn change_user(&mut self, call: &Call, seen: &Seen) -> Option<Done> {
        let Self { now, sides, catalog, .. } = self;
        let (now, side) = (*now, &mut sides[call.side]);
        Some(match &call.request {
            Request::CreateUser(request) => side.create_user(now, catalog, request, seen),
            Request::UpdateUser(request) => side.update_user(now, catalog, request),
            Request::SetUserSecret(request) => side.set_secret(now, request),
            Request::SetStandardUser(request) => side.set_standard(now, &request.user_id, &request.etag),
            Request::SetEndCustomer(request) => side.set_end_customer(now, catalog, request),
            Request::AttestEndCustomer(request) => side.attest(now, request),
            Request::DisableUser(request) => side.set_user_state(now, &request.user_id, &request.etag, false),
            Request::EnableUser(request) => side.set_user_state(now, &request.user_id, &request.etag, true),
            Request::DeleteUser(request) => side.delete_user(&request.user_id, &request.etag),
            _ => return None,
        })
    }
}

impl Tenant {
    /// Looks a user up that a change is about.
    pub(super) fn known_user(&self, id: &str, etag: &str) -> Result<User, Refused> {
        let user = self.users.get(id).ok_or_else(not_found)?;
        check_etag(user.version, etag)?;
        Ok(user.clone())
    }

    fn has_name(&self, name: &str, beside: &str) -> bool {
        self.users.iter().any(|(id, user)| id != beside && name_key(&user.name) == name_key(name))
    }

    fn create_user(&mut self, now: i64, catalog: &Catalog, request: &v1::CreateUserRequest, seen: &Seen) -> Done {
        if self.has_name(&request.user_name, "") {
            return Err(Refused::plain("ALREADY_EXISTS"));
        }
        let scope = scope_in(request.provider_scope.as_ref().expect("a scope"));
        check_scope(catalog, scope.as_ref())?;
        let id = seen.id.clone().unwrap_or_default();
        let user = User {
            name: request.user_name.trim().to_owned(),
            kind: request.kind(),
            active: true,
            scope,
            display_name: request.display_name.clone(),
            email: request.notification_email.clone(),
            passwords_set: i64::from(request.password.is_some()),
            password_set_at: request.password.as_ref().map(|_| now),
            password: request.password.clone(),
            failed_logins: 0,
            suspect_since: None,
            last_login_succeeded_at: None,
            last_login_failed_at: None,
            marked_at: (request.kind() == UserKind::EndCustomer).then_some(now),
            remote: v1::RemoteEndCustomer::Unknown,
            remote_at: None,
            created_at: now,
            updated_at: now,
            version: 1,
        };
        self.users.insert(id.clone(), user);
        self.made.users.push(id.clone());
        Ok(Thing::User(id))
    }

    fn update_user(&mut self, now: i64, catalog: &Catalog, request: &v1::UpdateUserRequest) -> Done {
        let wish = request.user.as_ref().expect("a user");
        let mask = request.update_mask.as_ref();
        let mut user = self.known_user(&wish.user_id, &wish.etag)?;
        let before = user.clone();
        if chooses(mask, "user_name", !wish.user_name.is_empty()) {
            user.name = wish.user_name.trim().to_owned();
        }
        if chooses(mask, "provider_scope", wish.provider_scope.is_some()) {
            user.scope = scope_in(wish.provider_scope.as_ref().expect("a scope"));
        }
        if chooses(mask, "display_name", !wish.display_name.is_empty()) {
            user.display_name.clone_from(&wish.display_name);
        }
        if chooses(mask, "notification_email", !wish.notification_email.is_empty()) {
            user.email.clone_from(&wish.notification_email);
        }
        if self.has_name(&user.name, &wish.user_id) {
            return Err(Refused::plain("ALREADY_EXISTS"));
        }
        check_scope(catalog, user.scope.as_ref())?;
        if user.kind == UserKind::EndCustomer && user.scope.is_none() {
            return Err(Refused::plain("PROVIDER_SCOPE_REQUIRED"));
        }
        let decides_otherwise = user.name != before.name || user.scope != before.scope;
        if decides_otherwise || user.display_name != before.display_name || user.email != before.email {
            if name_key(&user.name) != name_key(&before.name) {
                user.forget_logins();
                if user.remote != v1::RemoteEndCustomer::No {
                    (user.remote, user.remote_at) = (v1::RemoteEndCustomer::Unknown, None);
                }
            }
            user.touch(now);
            self.users.insert(wish.user_id.clone(), user);
        }
        if decides_otherwise {
            self.kill_jumps();
        }
        Ok(Thing::User(wish.user_id.clone()))
    }

    fn set_secret(&mut self, now: i64, request: &v1::SetUserSecretRequest) -> Done {
        let mut user = self.known_user(&request.user_id, &request.etag)?;
        user.password = Some(request.password.clone());
        user.passwords_set += 1;
        user.password_set_at = Some(now);
        user.forget_logins();
        user.suspect_since = None;
        self.notices.remove(&("credential_suspect", request.user_id.clone()));
        user.touch(now);
        self.users.insert(request.user_id.clone(), user);
        self.kill_jumps();
        Ok(Thing::User(request.user_id.clone()))
    }

    /// I3: one step, from the one that had it to the one that gets it.
    fn set_standard(&mut self, now: i64, id: &str, etag: &str) -> Done {
        match self.known_user(id, etag)?.kind {
            UserKind::Standard => return Ok(Thing::Moved(id.to_owned(), None)),
            UserKind::EndCustomer => return Err(Refused::plain("ENDKUNDE_CONFLICT")),
            _ => nothing_in_the_way("ASSIGNED", self.dependents(id)[0].clone())?,
        }
        let previous = self.users.iter().find(|(_, user)| user.kind == UserKind::Standard).map(|(id, _)| id.clone());
        if let Some(previous) = self.users.get_mut(previous.as_deref().unwrap_or_default()) {
            previous.kind = UserKind::Broker;
            previous.touch(now);
        }
        let user = self.users.get_mut(id).expect("a user");
        user.kind = UserKind::Standard;
        user.touch(now);
        self.kill_jumps();
        Ok(Thing::Moved(id.to_owned(), previous))
    }

    fn set_end_customer(&mut self, now: i64, catalog: &Catalog, request: &v1::SetEndCustomerRequest) -> Done {
        let mut user = self.known_user(&request.user_id, &request.etag)?;
        let end_customer = request.end_customer.expect("a mark");
        let before = (user.kind, user.scope.clone());
        if let Some(scope) = &request.provider_scope {
            user.scope = scope_in(scope);
        }
        check_scope(catalog, user.scope.as_ref())?;
        user.kind = match (user.kind, end_customer) {
            (UserKind::Standard, true) => return Err(Refused::plain("ENDKUNDE_CONFLICT")),
            (UserKind::Standard, false) => UserKind::Standard,
            (_, true) => UserKind::EndCustomer,
            (_, false) => UserKind::Broker,
        };
        if end_customer && user.scope.is_none() {
            return Err(Refused::plain("PROVIDER_SCOPE_REQUIRED"));
        }
        let [activations, customers, shared] = self.dependents(&request.user_id);
        if user.kind != before.0 && end_customer {
            nothing_in_the_way("ASSIGNED", activations)?;
        } else if user.kind != before.0 {
            nothing_in_the_way("ASSIGNED", customers)?;
            nothing_in_the_way("SLOT_IN_USE", shared)?;
        }
        if (user.kind, user.scope.clone()) != before {
            let changes_kind = user.kind != before.0;
            if changes_kind {
                user.marked_at = end_customer.then_some(now);
            }
            user.touch(now);
            self.users.insert(request.user_id.clone(), user);
            self.kill_jumps();
            if changes_kind {
                self.follow_mismatch(&request.user_id);
            }
        }
        Ok(Thing::User(request.user_id.clone()))
    }

    fn set_user_state(&mut self, now: i64, id: &str, etag: &str, active: bool) -> Done {
        let mut user = self.known_user(id, etag)?;
        if user.active != active {
            user.active = active;
            user.touch(now);
            self.users.insert(id.to_owned(), user);
            self.kill_jumps();
        }
        Ok(Thing::User(id.to_owned()))
    }

    fn delete_user(&mut self, id: &str, etag: &str) -> Done {
        if self.known_user(id, etag)?.kind == UserKind::Standard {
            return Err(Refused::plain("STANDARD_REQUIRED"));
        }
        nothing_in_the_way("ASSIGNED", self.dependents(id).concat())?;
        self.users.remove(id);
        self.notices.retain(|(_, about)| about != id);
        self.kill_jumps();
        Ok(Thing::Nothing)
    }

    /// The answer to an effect on users.
    pub(super) fn answer_on_user(&self, request: &Request, thing: &Thing) -> Option<Answer> {
        let user = |id: &String| self.users.get(id).map(|user| user.out(id));
        Some(match (request, thing) {
            (Request::CreateUser(_), Thing::User(id)) => {
                Answer::CreateUser(v1::CreateUserResponse { user: Some(user(id)?) })
            }
            (Request::UpdateUser(_), Thing::User(id)) => {
                Answer::UpdateUser(v1::UpdateUserResponse { user: Some(user(id)?) })
            }
            (Request::SetUserSecret(_), Thing::User(id)) => {
                Answer::SetUserSecret(v1::SetUserSecretResponse { user: Some(user(id)?) })
            }
            (Request::SetStandardUser(_), Thing::Moved(id, previous)) => {
                let previous = previous.as_ref().and_then(user);
                Answer::SetStandardUser(v1::SetStandardUserResponse { user: Some(user(id)?), previous })
            }
            (Request::SetEndCustomer(_), Thing::User(id)) => {
                Answer::SetEndCustomer(v1::SetEndCustomerResponse { user: Some(user(id)?) })
            }
            (Request::AttestEndCustomer(_), Thing::User(id)) => {
                Answer::AttestEndCustomer(v1::AttestEndCustomerResponse { user: Some(user(id)?) })
            }
            (Request::DisableUser(_), Thing::User(id)) => {
                Answer::DisableUser(v1::DisableUserResponse { user: Some(user(id)?) })
            }
            (Request::EnableUser(_), Thing::User(id)) => {
                Answer::EnableUser(v1::EnableUserResponse { user: Some(user(id)?) })
            }
            (Request::DeleteUser(_), Thing::Nothing) => Answer::DeleteUser(v1::DeleteUserResponse {}),
            _ => return None,
        })
    }
}
