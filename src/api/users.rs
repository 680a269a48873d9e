//! `UserService`: the con:center users of a tenant.

use tonic::Request;

use super::convert::{
    Fields, Read, both, etag, non_empty, provider_scope, provider_scope_out, state_out, timestamp, user_kind,
    user_kind_out,
};
use super::desk::{Answer, Desk};
use crate::app::pages::List;
use crate::app::users::{Password, UserDraft};
use crate::app::{Secret, StandardMoved};
use crate::domain::error::Version;
use crate::domain::ids::UserId;
use crate::domain::page::Page;
use crate::domain::provider::State;
use crate::domain::text::{EmailAddress, Line, UserName};
use crate::domain::user::{ConcenterUser, EndCustomerChange};
use crate::proto::v1;
use crate::proto::v1::user_service_server::UserService;

/// The service.
pub(super) struct Users {
    pub(super) desk: Desk,
}

#[tonic::async_trait]
impl UserService for Users {
    async fn create_user(&self, request: Request<v1::CreateUserRequest>) -> Answer<v1::CreateUserResponse> {
        let (call, draft) = self.desk.effect(request, draft)?;
        let made = self.desk.checked(self.desk.app.create_user(&call, draft).await)?;
        Ok(v1::CreateUserResponse { user: Some(user_out(made)) }.into())
    }

    async fn get_user(&self, request: Request<v1::GetUserRequest>) -> Answer<v1::GetUserResponse> {
        let (call, message) = self.desk.open(request)?;
        let user = self.desk.read(|fields| fields.uuid("user_id", UserId::parse(&message.user_id)))?;
        let found = self.desk.checked(self.desk.app.get_user(&call, &user).await)?;
        Ok(v1::GetUserResponse { user: Some(user_out(found)) }.into())
    }

    async fn list_users(&self, request: Request<v1::ListUsersRequest>) -> Answer<v1::ListUsersResponse> {
        let (call, message) = self.desk.open(request)?;
        let list = List { caller: &call.caller, name: "/concenter.v1.UserService/ListUsers", filter: "" };
        let page = self.desk.read(|fields| self.desk.page(fields, &list, message.page_size, &message.page_token))?;
        let Page { rows, next } = self.desk.checked(self.desk.app.list_users(&call, &page).await)?;
        let next_page_token = self.desk.next_page(&list, next.as_deref());
        Ok(v1::ListUsersResponse { users: rows.into_iter().map(user_out).collect(), next_page_token }.into())
    }

    async fn set_user_secret(&self, request: Request<v1::SetUserSecretRequest>) -> Answer<v1::SetUserSecretResponse> {
        let (call, ((user, version), password)) = self.desk.effect(request, |fields, message| {
            let user = user_and_etag(fields, &message.user_id, &message.etag);
            both(user, password(fields, message.password))
        })?;
        let changed = self.desk.checked(self.desk.app.set_user_secret(&call, &user, version, &password).await)?;
        Ok(v1::SetUserSecretResponse { user: Some(user_out(changed)) }.into())
    }

    async fn set_standard_user(
        &self,
        request: Request<v1::SetStandardUserRequest>,
    ) -> Answer<v1::SetStandardUserResponse> {
        let (call, (user, version)) =
            self.desk.effect(request, |fields, message| user_and_etag(fields, &message.user_id, &message.etag))?;
        let moved = self.desk.app.set_standard_user(&call, &user, version).await;
        let StandardMoved { user, previous } = self.desk.checked(moved)?;
        Ok(v1::SetStandardUserResponse { user: Some(user_out(user)), previous: previous.map(user_out) }.into())
    }

    async fn set_end_customer(
        &self,
        request: Request<v1::SetEndCustomerRequest>,
    ) -> Answer<v1::SetEndCustomerResponse> {
        let (call, ((user, version), change)) = self.desk.effect(request, |fields, message| {
            let user = user_and_etag(fields, &message.user_id, &message.etag);
            let end_customer = fields.needed("end_customer", message.end_customer, "must be set to true or false");
            let scope = message.provider_scope.map(|scope| provider_scope(fields, Some(scope))).transpose();
            let change = both(end_customer, scope);
            both(user, change.map(|(end_customer, scope)| EndCustomerChange { end_customer, scope }))
        })?;
        let changed = self.desk.app.set_end_customer(&call, &user, version, &change).await;
        Ok(v1::SetEndCustomerResponse { user: Some(user_out(self.desk.checked(changed)?)) }.into())
    }

    async fn disable_user(&self, request: Request<v1::DisableUserRequest>) -> Answer<v1::DisableUserResponse> {
        let (call, (user, version)) =
            self.desk.effect(request, |fields, message| user_and_etag(fields, &message.user_id, &message.etag))?;
        let changed = self.desk.checked(self.desk.app.set_user_state(&call, &user, version, State::Disabled).await)?;
        Ok(v1::DisableUserResponse { user: Some(user_out(changed)) }.into())
    }

    async fn enable_user(&self, request: Request<v1::EnableUserRequest>) -> Answer<v1::EnableUserResponse> {
        let (call, (user, version)) =
            self.desk.effect(request, |fields, message| user_and_etag(fields, &message.user_id, &message.etag))?;
        let changed = self.desk.checked(self.desk.app.set_user_state(&call, &user, version, State::Active).await)?;
        Ok(v1::EnableUserResponse { user: Some(user_out(changed)) }.into())
    }
}

fn user_and_etag(fields: &mut Fields, user_id: &str, etag: &str) -> Read<(UserId, Version)> {
    both(fields.uuid("user_id", UserId::parse(user_id)), fields.etag(etag))
}

/// Takes a password over, so that no copy of it stays in the message.
fn password(fields: &mut Fields, text: String) -> Read<Password> {
    fields.keep("password", Password::new(Secret::new(text.into_bytes())))
}

fn draft(fields: &mut Fields, message: v1::CreateUserRequest) -> Read<UserDraft> {
    let name = fields.keep("user_name", UserName::parse(&message.user_name));
    let kind = fields.word("kind", message.kind, user_kind);
    let scope = provider_scope(fields, message.provider_scope);
    let display_name = fields
        .optional(non_empty(&message.display_name), |fields, text| fields.keep("display_name", Line::parse(text)));
    let notification_email = fields.optional(non_empty(&message.notification_email), |fields, text| {
        fields.keep("notification_email", EmailAddress::parse(text))
    });
    let password = message.password.map(|text| password(fields, text)).transpose();
    Ok(UserDraft {
        name: name?,
        kind: kind?,
        scope: scope?,
        display_name: display_name?,
        notification_email: notification_email?,
        password: password?,
    })
}

fn user_out(user: ConcenterUser) -> v1::ConcenterUser {
    v1::ConcenterUser {
        user_id: user.user_id.to_string(),
        user_name: user.name.to_string(),
        kind: user_kind_out(user.kind).into(),
        state: state_out(user.state).into(),
        provider_scope: Some(provider_scope_out(&user.scope)),
        display_name: user.display_name.map(|line| line.as_str().to_owned()).unwrap_or_default(),
        notification_email: user.notification_email.map(|email| email.as_str().to_owned()).unwrap_or_default(),
        secret_set_at: user.secret.set_at.map(timestamp),
        secret_version: user.secret.version,
        created_at: Some(timestamp(user.created_at)),
        updated_at: Some(timestamp(user.updated_at)),
        etag: etag(user.version),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::Failure;
    use crate::domain::user::UserKind;

    fn good() -> v1::CreateUserRequest {
        let all = v1::provider_scope::Scope::All(v1::provider_scope::All {});
        v1::CreateUserRequest {
            user_name: "Meier".to_owned(),
            kind: v1::UserKind::Broker.into(),
            provider_scope: Some(v1::ProviderScope { scope: Some(all) }),
            ..Default::default()
        }
    }

    fn read(message: v1::CreateUserRequest) -> Result<UserDraft, Vec<String>> {
        let mut fields = Fields::default();
        let draft = draft(&mut fields, message);
        fields.finish(draft).map_err(|failure| match failure {
            Failure::Invalid(violations) => violations.into_iter().map(|violation| violation.field).collect(),
            other => panic!("{other}"),
        })
    }

    #[test]
    fn what_may_be_empty_is_absent_then() {
        let draft = read(good()).unwrap_or_else(|paths| panic!("{paths:?}"));
        assert_eq!(draft.kind, UserKind::Broker);
        assert!(draft.display_name.is_none() && draft.notification_email.is_none() && draft.password.is_none());
    }

    #[test]
    fn every_bad_field_is_named() {
        let message = v1::CreateUserRequest {
            request_id: String::new(),
            user_name: " ".to_owned(),
            kind: 0,
            provider_scope: None,
            display_name: "a\nb".to_owned(),
            notification_email: "nobody".to_owned(),
            password: Some(String::new()),
        };
        let expected = ["user_name", "kind", "provider_scope", "display_name", "notification_email", "password"];
        assert_eq!(read(message).err(), Some(expected.map(str::to_owned).to_vec()));
    }

    #[test]
    fn an_empty_password_is_not_an_absent_one() {
        let message = v1::CreateUserRequest { password: Some(String::new()), ..good() };
        assert_eq!(read(message).err(), Some(vec!["password".to_owned()]));
    }
}
