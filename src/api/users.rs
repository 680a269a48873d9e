//! `UserService`: the con:center users of a tenant.

use tonic::Request;

use super::convert::{
    Fields, Mask, Read, Resource, both, etag, line, non_empty, provider_scope, provider_scope_out, state_out,
    timestamp, update, user_kind, user_kind_out,
};
use super::desk::{Answer, Desk};
use crate::app::pages::List;
use crate::app::users::{Password, UserDraft};
use crate::app::{Secret, StandardMoved};
use crate::domain::error::Version;
use crate::domain::ids::UserId;
use crate::domain::provider::State;
use crate::domain::text::{EmailAddress, UserName};
use crate::domain::user::{ConcenterUser, EndCustomerChange, LoginHealth, ReportSource, UserChange};
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
        let rows = self.desk.checked(self.desk.app.list_users(&call, &page).await)?.map(user_out);
        let (users, next_page_token) = self.desk.page_out(&list, rows, |user| &user.user_id);
        Ok(v1::ListUsersResponse { users, next_page_token }.into())
    }

    async fn update_user(&self, request: Request<v1::UpdateUserRequest>) -> Answer<v1::UpdateUserResponse> {
        let (call, ((user, version), change)) = self.desk.effect(request, |fields, message| {
            update(fields, message.user.as_ref(), message.update_mask.as_ref(), change)
        })?;
        let changed = self.desk.checked(self.desk.app.update_user(&call, &user, version, &change).await)?;
        Ok(v1::UpdateUserResponse { user: Some(user_out(changed)) }.into())
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

    async fn attest_end_customer(
        &self,
        request: Request<v1::AttestEndCustomerRequest>,
    ) -> Answer<v1::AttestEndCustomerResponse> {
        let (call, ((user, version), reported)) = self.desk.effect(request, |fields, message| {
            let user = user_and_etag(fields, &message.user_id, &message.etag);
            both(user, fields.word("remote_end_customer", message.remote_end_customer, remote_end_customer))
        })?;
        let changed = self.desk.app.attest_end_customer(&call, &user, version, reported).await;
        Ok(v1::AttestEndCustomerResponse { user: Some(user_out(self.desk.checked(changed)?)) }.into())
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

    async fn delete_user(&self, request: Request<v1::DeleteUserRequest>) -> Answer<v1::DeleteUserResponse> {
        let (call, (user, version)) =
            self.desk.effect(request, |fields, message| user_and_etag(fields, &message.user_id, &message.etag))?;
        self.desk.checked(self.desk.app.delete_user(&call, &user, version).await)?;
        Ok(v1::DeleteUserResponse {}.into())
    }
}

impl Resource for v1::ConcenterUser {
    const NAME: &'static str = "user";

    fn updatable(&self) -> Vec<(&'static str, bool)> {
        vec![
            ("user_name", !self.user_name.is_empty()),
            ("provider_scope", self.provider_scope.is_some()),
            ("display_name", !self.display_name.is_empty()),
            ("notification_email", !self.notification_email.is_empty()),
        ]
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
    let display_name = line(fields, "display_name", &message.display_name);
    let notification_email = address(fields, "notification_email", &message.notification_email);
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

fn change(fields: &mut Fields, mask: &Mask, user: &v1::ConcenterUser) -> Read<((UserId, Version), UserChange)> {
    let known = user_and_etag(fields, &user.user_id, &user.etag);
    let name = mask.change(fields, "user_name", |fields, path| fields.keep(path, UserName::parse(&user.user_name)));
    let scope = mask.change(fields, "provider_scope", |fields, _| provider_scope(fields, user.provider_scope.clone()));
    let display_name = mask.change(fields, "display_name", |fields, path| line(fields, path, &user.display_name));
    let notification_email =
        mask.change(fields, "notification_email", |fields, path| address(fields, path, &user.notification_email));
    let change =
        UserChange { name: name?, scope: scope?, display_name: display_name?, notification_email: notification_email? };
    Ok((known?, change))
}

/// Reads an address for messages; empty is none.
fn address(fields: &mut Fields, path: &str, text: &str) -> Read<Option<EmailAddress>> {
    fields.optional(non_empty(text), |fields, text| fields.keep(path, EmailAddress::parse(text)))
}

/// Reads what con:center says: yes, no, or that nobody knows.
#[expect(clippy::option_option, reason = "what cannot be read is not what nobody knows")]
const fn remote_end_customer(word: v1::RemoteEndCustomer) -> Option<Option<bool>> {
    match word {
        v1::RemoteEndCustomer::Unspecified => None,
        v1::RemoteEndCustomer::Unknown => Some(None),
        v1::RemoteEndCustomer::Yes => Some(Some(true)),
        v1::RemoteEndCustomer::No => Some(Some(false)),
    }
}

const fn remote_end_customer_out(reported: Option<bool>) -> v1::RemoteEndCustomer {
    match reported {
        None => v1::RemoteEndCustomer::Unknown,
        Some(true) => v1::RemoteEndCustomer::Yes,
        Some(false) => v1::RemoteEndCustomer::No,
    }
}

const fn source_out(source: ReportSource) -> v1::RemoteEndCustomerSource {
    match source {
        ReportSource::Import => v1::RemoteEndCustomerSource::Import,
        ReportSource::Attestation => v1::RemoteEndCustomerSource::Attestation,
    }
}

/// A con:center user, as the contract tells of it.
pub(super) fn user_out(user: ConcenterUser) -> v1::ConcenterUser {
    let source =
        user.report.as_ref().map_or(v1::RemoteEndCustomerSource::Unspecified, |report| source_out(report.source));
    let LoginHealth { last_succeeded_at, last_failed_at, suspect_since } = user.logins;
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
        remote_end_customer: remote_end_customer_out(user.reported_end_customer).into(),
        remote_end_customer_at: user.report.as_ref().map(|report| timestamp(report.at)),
        remote_end_customer_source: source.into(),
        remote_end_customer_by: user.report.map(|report| report.by.to_string()).unwrap_or_default(),
        end_customer_at: user.end_customer_mark.as_ref().map(|mark| timestamp(mark.at)),
        end_customer_by: user.end_customer_mark.map(|mark| mark.by.to_string()).unwrap_or_default(),
        last_login_succeeded_at: last_succeeded_at.map(timestamp),
        last_login_failed_at: last_failed_at.map(timestamp),
        credential_suspect_since: suspect_since.map(timestamp),
    }
}

#[cfg(test)]
mod tests {
    use prost_types::FieldMask;

    use super::*;
    use crate::app::Failure;
    use crate::domain::change::Change;
    use crate::domain::ids::ProviderId;
    use crate::domain::provider::{ProviderList, ProviderScope};
    use crate::domain::text::Line;
    use crate::domain::user::UserKind;

    const USER: &str = "0190f5fe-7c00-7a8d-8d2e-5b1d3f4a5b6c";

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

    /// A user of whom nothing would change.
    fn bare() -> v1::ConcenterUser {
        v1::ConcenterUser { user_id: USER.to_owned(), etag: "v3".to_owned(), ..Default::default() }
    }

    /// A user of whom everything would change that can.
    fn full() -> v1::ConcenterUser {
        let only = v1::provider_scope::Only { product_provider_ids: vec!["b".to_owned(), "a".to_owned()] };
        v1::ConcenterUser {
            user_name: "Meier".to_owned(),
            provider_scope: Some(v1::ProviderScope { scope: Some(v1::provider_scope::Scope::Only(only)) }),
            display_name: "Herr Meier".to_owned(),
            notification_email: "meier@example.de".to_owned(),
            ..bare()
        }
    }

    fn read_change(user: Option<&v1::ConcenterUser>, paths: &[&str]) -> Result<UserChange, Vec<String>> {
        let mask = FieldMask { paths: paths.iter().map(|path| (*path).to_owned()).collect() };
        let mut fields = Fields::default();
        let read = update(&mut fields, user, Some(&mask), change);
        let ((user, version), change) = fields.finish(read).map_err(|failure| match failure {
            Failure::Invalid(violations) => violations.into_iter().map(|violation| violation.field).collect::<Vec<_>>(),
            other => panic!("{other}"),
        })?;
        assert_eq!((Ok(user), version), (UserId::parse(USER), Version::from_number(3)));
        Ok(change)
    }

    /// The change that [`full`] makes, field by field.
    fn changes() -> [(&'static str, UserChange); 4] {
        let list = ["a", "b"].map(|id| ProviderId::parse(id).unwrap()).to_vec();
        let scope = ProviderScope::Only(ProviderList::new(list).unwrap());
        let name = Change::Set(UserName::parse("Meier").unwrap());
        let display_name = Change::Set(Some(Line::parse("Herr Meier").unwrap()));
        let notification_email = Change::Set(Some(EmailAddress::parse("meier@example.de").unwrap()));
        [
            ("user_name", UserChange { name, ..UserChange::default() }),
            ("provider_scope", UserChange { scope: Change::Set(scope), ..UserChange::default() }),
            ("display_name", UserChange { display_name, ..UserChange::default() }),
            ("notification_email", UserChange { notification_email, ..UserChange::default() }),
        ]
    }

    #[test]
    fn each_field_of_a_user_changes_alone() {
        for (path, expected) in changes() {
            assert_eq!(read_change(Some(&full()), &[path]), Ok(expected), "{path}");
        }
    }

    #[test]
    fn without_a_mask_all_changes_that_is_set() {
        let [(_, name), (_, scope), (_, display_name), (_, email)] = changes();
        let expected = UserChange {
            name: name.name,
            scope: scope.scope,
            display_name: display_name.display_name,
            notification_email: email.notification_email,
        };
        assert_eq!(read_change(Some(&full()), &[]), Ok(expected));
        let named = v1::ConcenterUser { user_name: "Meier".to_owned(), ..bare() };
        assert_eq!(read_change(Some(&named), &[]), Ok(changes()[0].1.clone()));
        assert_eq!(read_change(Some(&bare()), &[]), Err(vec!["update_mask".to_owned()]));
    }

    #[test]
    fn a_mask_clears_what_may_be_empty_and_not_what_must_be_set() {
        let cleared = UserChange {
            display_name: Change::Set(None),
            notification_email: Change::Set(None),
            ..UserChange::default()
        };
        assert_eq!(read_change(Some(&bare()), &["display_name", "notification_email"]), Ok(cleared));
        let required = ["user_name", "provider_scope"];
        let expected = required.map(|path| format!("user.{path}")).to_vec();
        assert_eq!(read_change(Some(&bare()), &required), Err(expected));
    }

    /// What has an RPC of its own, or is the service's alone, is no field of an update.
    #[test]
    fn every_other_field_of_a_user_is_refused() {
        let set = v1::ConcenterUser { kind: 3, state: 2, secret_version: 7, ..full() };
        for path in [
            "user_id",
            "kind",
            "state",
            "secret_set_at",
            "remote_end_customer",
            "end_customer_by",
            "credential_suspect_since",
            "secret_version",
            "created_at",
            "updated_at",
            "etag",
            "secret",
            "password",
            "standard",
            "end_customer",
            "tenant_id",
            "provider_scope.only",
            "userName",
            "user.user_name",
            "*",
            "",
        ] {
            assert_eq!(
                read_change(Some(&set), &["user_name", path]),
                Err(vec!["update_mask.paths[1]".to_owned()]),
                "{path:?}"
            );
        }
    }

    #[test]
    fn every_bad_field_of_an_update_is_named_within_the_user() {
        let bad = v1::ConcenterUser {
            user_id: "x".to_owned(),
            etag: String::new(),
            user_name: " ".to_owned(),
            provider_scope: Some(v1::ProviderScope { scope: None }),
            display_name: "a\nb".to_owned(),
            notification_email: "nobody".to_owned(),
            ..v1::ConcenterUser::default()
        };
        let within = ["user_id", "etag", "user_name", "provider_scope", "display_name", "notification_email"];
        assert_eq!(read_change(Some(&bad), &[]), Err(within.map(|path| format!("user.{path}")).to_vec()));
        assert_eq!(read_change(None, &[]), Err(vec!["user".to_owned()]));
    }

    #[test]
    fn an_empty_password_is_not_an_absent_one() {
        let message = v1::CreateUserRequest { password: Some(String::new()), ..good() };
        assert_eq!(read(message).err(), Some(vec!["password".to_owned()]));
    }
}
