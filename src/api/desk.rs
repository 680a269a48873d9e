//! The desk: what every handler does first and last.
//!
//! First the caller, the key of the request and its fields; last the status, where there was a failure. One more RPC
//! that changes something: a row in `effects!`.

use std::sync::Arc;

use prost::Message;
use tonic::{Request, Response, Status};
use tracing::Span;
use zeroize::Zeroizing;

use super::convert::{Fields, Read, both};
use super::status::status;
use crate::app::{App, Call, Failure};
use crate::domain::caller::Caller;
use crate::domain::ids::RequestId;
use crate::proto::admin::v1 as admin;
use crate::proto::v1;

/// What a handler answers with.
pub(super) type Answer<T> = Result<Response<T>, Status>;

/// What every service works with.
#[derive(Clone)]
pub(super) struct Desk {
    pub(super) app: Arc<App>,
}

impl Desk {
    pub(super) const fn new(app: Arc<App>) -> Self {
        Self { app }
    }

    /// Takes a call that changes something: its caller, the key of its request, and what `read` makes of its fields.
    ///
    /// # Errors
    /// The status of every field that cannot be taken, the request id among them; `INTERNAL` without a caller.
    pub(super) fn effect<M: EffectRequest, T>(
        &self,
        request: Request<M>,
        read: impl FnOnce(&mut Fields, M) -> Read<T>,
    ) -> Result<(Call, T), Status> {
        self.checked(open(request).and_then(|(call, message)| read_effect(call, message, read)))
    }

    /// Takes a call that changes nothing.
    ///
    /// # Errors
    /// `INTERNAL` without a caller.
    pub(super) fn open<M>(&self, request: Request<M>) -> Result<(Call, M), Status> {
        self.checked(open(request))
    }

    /// Takes an operator's call that changes nothing and that `app` does not ask who makes it.
    ///
    /// # Errors
    /// `INTERNAL` for every other caller: the policy table lets none through.
    pub(super) fn open_operators<M>(&self, request: Request<M>) -> Result<(Call, M), Status> {
        self.checked(open(request).and_then(|(call, message)| match call.caller {
            Caller::Operator { .. } => Ok((call, message)),
            Caller::Anonymous | Caller::Tenant { .. } | Caller::Target { .. } => Err(Failure::CallerUnfit),
        }))
    }

    /// Takes a call from within a tenant that changes nothing and that `app` does not ask who makes it.
    ///
    /// # Errors
    /// `INTERNAL` for every other caller: the policy table lets none through.
    pub(super) fn open_tenants<M>(&self, request: Request<M>) -> Result<(Call, M), Status> {
        self.checked(open(request).and_then(|(call, message)| match call.caller {
            Caller::Tenant { .. } => Ok((call, message)),
            Caller::Anonymous | Caller::Operator { .. } | Caller::Target { .. } => Err(Failure::CallerUnfit),
        }))
    }

    /// Reads the fields of a call that changes nothing.
    ///
    /// # Errors
    /// The status of every field that cannot be taken.
    pub(super) fn read<T>(&self, read: impl FnOnce(&mut Fields) -> Read<T>) -> Result<T, Status> {
        let mut fields = Fields::default();
        let value = read(&mut fields);
        self.checked(fields.finish(value))
    }

    /// Turns the failure of a use case into its status.
    pub(super) fn checked<T>(&self, outcome: Result<T, Failure>) -> Result<T, Status> {
        outcome.map_err(|failure| status(&failure, self.app.random()))
    }
}

/// Takes message and caller out of a request. A request without a known caller did not come through the gate.
fn open<M>(request: Request<M>) -> Result<(Call, M), Failure> {
    let (_, mut extensions, message) = request.into_parts();
    match extensions.remove::<Caller>() {
        Some(caller @ (Caller::Operator { .. } | Caller::Tenant { .. } | Caller::Target { .. })) => {
            Ok((Call { caller, request_id: None, content: Zeroizing::default() }, message))
        }
        Some(Caller::Anonymous) | None => Err(Failure::CallerUnfit),
    }
}

fn read_effect<M: EffectRequest, T>(
    call: Call,
    message: M,
    read: impl FnOnce(&mut Fields, M) -> Read<T>,
) -> Result<(Call, T), Failure> {
    let mut fields = Fields::default();
    let content = content(&message);
    let request_id = fields.uuid("request_id", RequestId::parse(message.request_id()));
    let value = read(&mut fields, message);
    let (request_id, value) = fields.finish(both(request_id, value))?;
    Span::current().record("request_id", tracing::field::display(&request_id));
    Ok((Call { request_id: Some(request_id), content, ..call }, value))
}

/// Method and message as bytes. A message that came with its fields in another order gives the same.
fn content<M: EffectRequest>(message: &M) -> Zeroizing<Vec<u8>> {
    // It may hold a password, so no copy stays behind: the first buffer is wiped, the second never grows.
    let encoded = Zeroizing::new(message.encode_to_vec());
    let mut content = Zeroizing::new(Vec::with_capacity(M::METHOD.len() + 1 + encoded.len()));
    content.extend_from_slice(M::METHOD.as_bytes());
    content.push(0);
    content.extend_from_slice(&encoded);
    content
}

/// The request of an RPC that changes something.
pub(super) trait EffectRequest: Message {
    /// The path of its method.
    const METHOD: &'static str;

    /// The caller's id of the request.
    fn request_id(&self) -> &str;
}

/// Lists the requests of the RPCs that change something, each with the path of its method.
macro_rules! effects {
    ($($message:ty => $method:literal,)+) => {
        $(impl EffectRequest for $message {
            const METHOD: &'static str = $method;

            fn request_id(&self) -> &str {
                &self.request_id
            }
        })+

        /// The paths of all methods that change something under a request id.
        #[cfg(test)]
        const METHODS: &[&str] = &[$($method),+];
    };
}

effects! {
    v1::CreateUserRequest => "/concenter.v1.UserService/CreateUser",
    v1::UpdateUserRequest => "/concenter.v1.UserService/UpdateUser",
    v1::SetUserSecretRequest => "/concenter.v1.UserService/SetUserSecret",
    v1::SetStandardUserRequest => "/concenter.v1.UserService/SetStandardUser",
    v1::SetEndCustomerRequest => "/concenter.v1.UserService/SetEndCustomer",
    v1::AttestEndCustomerRequest => "/concenter.v1.UserService/AttestEndCustomer",
    v1::DisableUserRequest => "/concenter.v1.UserService/DisableUser",
    v1::EnableUserRequest => "/concenter.v1.UserService/EnableUser",
    v1::DeleteUserRequest => "/concenter.v1.UserService/DeleteUser",
    v1::CreateBrokerActivationRequest => "/concenter.v1.BrokerActivationService/CreateBrokerActivation",
    v1::UpdateBrokerActivationRequest => "/concenter.v1.BrokerActivationService/UpdateBrokerActivation",
    v1::DisableBrokerActivationRequest => "/concenter.v1.BrokerActivationService/DisableBrokerActivation",
    v1::EnableBrokerActivationRequest => "/concenter.v1.BrokerActivationService/EnableBrokerActivation",
    v1::DeleteBrokerActivationRequest => "/concenter.v1.BrokerActivationService/DeleteBrokerActivation",
    v1::PutCustomersRequest => "/concenter.v1.CustomerService/PutCustomers",
    v1::AssignUserRequest => "/concenter.v1.CustomerService/AssignUser",
    v1::EraseCustomerRequest => "/concenter.v1.CustomerService/EraseCustomer",
    v1::UpdateCustomerAccessRequest => "/concenter.v1.CustomerService/UpdateCustomerAccess",
    v1::UpdateSettingsRequest => "/concenter.v1.SettingsService/UpdateSettings",
    v1::JumpToTarifRequest => "/concenter.v1.JumpService/JumpToTarif",
    v1::JumpToInsurerPortalRequest => "/concenter.v1.JumpService/JumpToInsurerPortal",
    v1::ReportJumpResultRequest => "/concenter.v1.JumpService/ReportJumpResult",
    v1::RevokeJumpRequest => "/concenter.v1.JumpService/RevokeJump",
    admin::CreateTenantRequest => "/concenter.admin.v1.TenantService/CreateTenant",
    admin::UpdateTenantRequest => "/concenter.admin.v1.TenantService/UpdateTenant",
    admin::StopTenantRequest => "/concenter.admin.v1.TenantService/StopTenant",
    admin::StartTenantRequest => "/concenter.admin.v1.TenantService/StartTenant",
    admin::DeleteTenantRequest => "/concenter.admin.v1.TenantService/DeleteTenant",
    admin::UndeleteTenantRequest => "/concenter.admin.v1.TenantService/UndeleteTenant",
    admin::PutProductProviderRequest => "/concenter.admin.v1.CatalogAdminService/PutProductProvider",
    admin::DisableProductProviderRequest => "/concenter.admin.v1.CatalogAdminService/DisableProductProvider",
    admin::EnableProductProviderRequest => "/concenter.admin.v1.CatalogAdminService/EnableProductProvider",
    admin::PutTargetRequest => "/concenter.admin.v1.CatalogAdminService/PutTarget",
    admin::DisableTargetRequest => "/concenter.admin.v1.CatalogAdminService/DisableTarget",
    admin::EnableTargetRequest => "/concenter.admin.v1.CatalogAdminService/EnableTarget",
    admin::PutReturnUrlRequest => "/concenter.admin.v1.CatalogAdminService/PutReturnUrl",
    admin::DisableReturnUrlRequest => "/concenter.admin.v1.CatalogAdminService/DisableReturnUrl",
    admin::EnableReturnUrlRequest => "/concenter.admin.v1.CatalogAdminService/EnableReturnUrl",
    admin::RotateKeyRequest => "/concenter.admin.v1.KeyService/RotateKey",
    admin::RevokeKeyRequest => "/concenter.admin.v1.KeyService/RevokeKey",
    admin::AddKekRequest => "/concenter.admin.v1.KeyService/AddKek",
    admin::ActivateKekRequest => "/concenter.admin.v1.KeyService/ActivateKek",
    admin::RetireKekRequest => "/concenter.admin.v1.KeyService/RetireKek",
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use prost_types::FileDescriptorSet;

    use super::*;
    use crate::domain::ids::SubjectId;
    use crate::proto::FILE_DESCRIPTOR_SET;

    const REQUEST_ID: &str = "0190f5fe-7c00-7a8d-8d2e-5b1d3f4a5b6c";

    fn operator() -> Caller {
        Caller::Operator { subject: SubjectId::parse("op").unwrap() }
    }

    fn from<M>(caller: Caller, message: M) -> Request<M> {
        let mut request = Request::new(message);
        request.extensions_mut().insert(caller);
        request
    }

    /// The path of every RPC whose request has a field `request_id`, from the contract.
    fn described() -> BTreeSet<String> {
        let files = FileDescriptorSet::decode(FILE_DESCRIPTOR_SET).unwrap().file;
        let with_id: BTreeSet<_> = files
            .iter()
            .flat_map(|file| file.message_type.iter().map(move |message| (file.package(), message)))
            .filter(|(_, message)| message.field.iter().any(|field| field.name() == "request_id"))
            .map(|(package, message)| format!(".{package}.{}", message.name()))
            .collect();
        let mut paths = BTreeSet::new();
        for file in &files {
            for service in &file.service {
                for method in service.method.iter().filter(|method| with_id.contains(method.input_type())) {
                    paths.insert(format!("/{}.{}/{}", file.package(), service.name(), method.name()));
                }
            }
        }
        paths
    }

    #[test]
    fn every_rpc_with_a_request_id_has_its_own_row() {
        let rows: BTreeSet<_> = METHODS.iter().map(|method| (*method).to_owned()).collect();
        assert_eq!(rows, described());
        assert_eq!(rows.len(), METHODS.len(), "a method has two rows");
    }

    #[test]
    fn a_request_without_a_caller_is_taken_for_nobody() {
        assert!(matches!(open(Request::new(())), Err(Failure::CallerUnfit)));
        assert!(matches!(open(from(Caller::Anonymous, ())), Err(Failure::CallerUnfit)));
        assert!(open(from(operator(), ())).is_ok());
    }

    fn stop(tenant_id: &str) -> admin::StopTenantRequest {
        admin::StopTenantRequest {
            request_id: REQUEST_ID.to_owned(),
            tenant_id: tenant_id.to_owned(),
            etag: "v1".to_owned(),
        }
    }

    #[test]
    fn content_tells_methods_and_messages_apart() {
        let start = admin::StartTenantRequest {
            request_id: REQUEST_ID.to_owned(),
            tenant_id: "a".to_owned(),
            etag: "v1".to_owned(),
        };
        assert_eq!(content(&stop("a")), content(&stop("a")));
        assert_ne!(content(&stop("a")), content(&stop("b")));
        assert_ne!(content(&stop("a")), content(&start));
    }

    #[test]
    fn a_request_id_is_refused_together_with_the_other_fields() {
        let message = admin::StopTenantRequest { request_id: "7".to_owned(), ..stop("a") };
        let (call, message) = open(from(operator(), message)).unwrap();
        let refused = read_effect(call, message, |fields, _| fields.refuse::<()>("etag", "is wrong"));
        let Err(Failure::Invalid(violations)) = refused else { panic!("must be refused") };
        let paths: Vec<_> = violations.iter().map(|violation| violation.field.as_str()).collect();
        assert_eq!(paths, ["request_id", "etag"]);
    }

    #[test]
    fn an_effect_brings_its_request_id_and_content_along() {
        let (call, message) = open(from(operator(), stop("a"))).unwrap();
        let Ok((call, ())) = read_effect(call, message, |_, _| Ok(())) else { panic!("must be read") };
        assert_eq!(call.request_id, RequestId::parse(REQUEST_ID).ok());
        assert_eq!(call.content, content(&stop("a")));
    }
}
