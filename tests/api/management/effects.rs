//! Every RPC that changes something under a request id, once each, so that what holds of all of them is shown of all.
//!
//! One more RPC: a row in the table of its owner; a test here finds a missing one.

use std::collections::BTreeSet;

use concenter_gateway::proto::admin::v1 as admin;
use concenter_gateway::proto::v1;
use concenter_gateway::proto::v1::UserKind;
use prost::Message;
use prost_reflect::{DynamicMessage, ReflectMessage as _, Value};
use tonic::{Response, Status};

use crate::harness::*;

const USERS: &str = "/concenter.v1.UserService";
const ACTIVATIONS: &str = "/concenter.v1.BrokerActivationService";
const CUSTOMERS: &str = "/concenter.v1.CustomerService";
const TENANTS: &str = "/concenter.admin.v1.TenantService";
const KEYS: &str = "/concenter.admin.v1.KeyService";
const CATALOG: &str = "/concenter.admin.v1.CatalogAdminService";
/// Jumps have rules of their own for repeated requests; the tests of jumps show them.
const JUMPS: [&str; 2] = ["/concenter.v1.JumpService/JumpToTarif", "/concenter.v1.JumpService/JumpToInsurerPortal"];

/// A change that can be made: nothing stands in its way, and no other row touches what it is about.
pub(super) struct Effect {
    pub(super) path: String,
    /// What the audit log calls it.
    pub(super) action: &'static str,
    /// The same, of what [`Effect::send_altered`] sends.
    pub(super) altered_action: &'static str,
    message: DynamicMessage,
}

impl Effect {
    fn new<M: Message>(service: &str, rpc: &str, action: &'static str, message: &M) -> Self {
        let path = format!("{service}/{rpc}");
        let input = method_at(&path).input();
        let message =
            DynamicMessage::decode(input, message.encode_to_vec().as_slice()).expect("a request of the method");
        Self { path, action, altered_action: action, message }
    }

    /// Sends it under a request id.
    pub(super) async fn send(&self, caller: &Client, request_id: &str) -> Result<Response<DynamicMessage>, Status> {
        caller.send_dynamic(&self.path, &Self::under(request_id, self.message.clone())).await
    }

    /// Sends something else to the same method under a request id.
    pub(super) async fn send_altered(
        &self,
        caller: &Client,
        request_id: &str,
    ) -> Result<Response<DynamicMessage>, Status> {
        let mut message = self.message.clone();
        assert!(alter(&mut message), "nothing in {} can be altered", self.path);
        caller.send_dynamic(&self.path, &Self::under(request_id, message)).await
    }

    fn under(request_id: &str, mut message: DynamicMessage) -> DynamicMessage {
        message.set_field_by_name("request_id", Value::String(request_id.to_owned()));
        message
    }

    /// Whether the caller must say which version of the resource he knows.
    pub(super) fn wants_etag(&self) -> bool {
        etag_in(&self.message).is_some()
    }

    /// Whether nothing is left of the resource afterwards.
    pub(super) fn deletes(&self) -> bool {
        self.path == format!("{USERS}/DeleteUser") || self.path == format!("{ACTIVATIONS}/DeleteBrokerActivation")
    }
}

/// Changes the first thing in a message that it can be told from others by, so that each field can still be read.
fn alter(message: &mut DynamicMessage) -> bool {
    let mut fields: Vec<_> = message.descriptor().fields().filter(|field| field.name() != "request_id").collect();
    // To set another one of a `oneof` would take the one that is set away.
    fields.retain(|field| field.containing_oneof().is_none() || message.has_field(field));
    if let Some(etag) = fields.iter().find(|field| field.name() == "etag") {
        message.set_field(etag, Value::String("v77".to_owned()));
        return true;
    }
    if let Some(kid) = fields.iter().find(|field| field.name() == "kid") {
        message.set_field(kid, Value::String("x".repeat(43)));
        return true;
    }
    if let Some(kek_id) = fields.iter().find(|field| field.name() == "kek_id") {
        message.set_field(kek_id, Value::String(SECOND_SPARE_KEK.to_owned()));
        return true;
    }
    // What is no session any more could not be read.
    fields.retain(|field| field.name() != "session");
    let is_altered = fields.iter().any(|field| match message.get_field_mut(field) {
        Value::String(text) => {
            text.push('x');
            true
        }
        Value::Message(inner) => alter(inner),
        Value::List(items) => items.iter_mut().filter_map(Value::as_message_mut).any(alter),
        _ => false,
    });
    // Where there is nothing but a choice, the other one.
    is_altered
        || fields.iter().any(|field| match message.get_field_mut(field) {
            Value::EnumNumber(number) => {
                *number = if *number == 1 { 2 } else { 1 };
                true
            }
            _ => false,
        })
}

/// What an administrator of A can change, in an order in which all of it can be done.
pub(super) async fn of_administrators(world: &World) -> Vec<Effect> {
    let mut effects = of_users(world).await;
    effects.extend(of_activations(world).await);
    effects.extend(of_customers(world).await);
    effects
}

/// A broker's user of A's that nothing depends on, as it is now.
async fn spare(world: &World, name: &str) -> v1::ConcenterUser {
    let made = world.a.new_user(user("A", name, UserKind::Broker, only(&[COMPARATOR]))).await;
    world.a.user(&made).await
}

async fn of_users(world: &World) -> Vec<Effect> {
    let (id, etag) = (String::new, |user: &v1::ConcenterUser| (user.user_id.clone(), user.etag.clone()));
    let renamed = v1::ConcenterUser { display_name: "Neu".to_owned(), ..spare(world, "umbenannt").await };
    let update = v1::UpdateUserRequest { request_id: id(), user: Some(renamed), update_mask: mask(&["display_name"]) };
    let (user_id, tag) = etag(&spare(world, "kennwort").await);
    let secret = v1::SetUserSecretRequest { request_id: id(), user_id, etag: tag, password: "neu".to_owned() };
    let (user_id, tag) = etag(&spare(world, "standard").await);
    let standard = v1::SetStandardUserRequest { request_id: id(), user_id, etag: tag };
    let (user_id, tag) = etag(&spare(world, "endkunde").await);
    let (end_customer, provider_scope) = (Some(true), None);
    let end = v1::SetEndCustomerRequest { request_id: id(), user_id, etag: tag, end_customer, provider_scope };
    let (user_id, tag) = etag(&spare(world, "bescheinigt").await);
    let remote_end_customer = v1::RemoteEndCustomer::Yes.into();
    let attest = v1::AttestEndCustomerRequest { request_id: id(), user_id, etag: tag, remote_end_customer };
    let (user_id, tag) = etag(&spare(world, "an").await);
    let disable = v1::DisableUserRequest { request_id: id(), user_id, etag: tag };
    let disabled = spare(world, "aus").await.user_id;
    world.a.disable(&disabled).await;
    let (user_id, tag) = etag(&world.a.user(&disabled).await);
    let enable = v1::EnableUserRequest { request_id: id(), user_id, etag: tag };
    let (user_id, tag) = etag(&spare(world, "geht").await);
    let delete = v1::DeleteUserRequest { request_id: id(), user_id, etag: tag };
    vec![
        Effect::new(USERS, "CreateUser", "user.create", &user("A", "neu", UserKind::Broker, all())),
        Effect::new(USERS, "UpdateUser", "user.update", &update),
        Effect::new(USERS, "SetUserSecret", "user.set_secret", &secret),
        Effect::new(USERS, "SetStandardUser", "user.set_standard", &standard),
        Effect::new(USERS, "SetEndCustomer", "user.mark_end_customer", &end),
        Effect::new(USERS, "AttestEndCustomer", "user.attest_end_customer_yes", &attest),
        Effect::new(USERS, "DisableUser", "user.disable", &disable),
        Effect::new(USERS, "EnableUser", "user.enable", &enable),
        Effect::new(USERS, "DeleteUser", "user.delete", &delete),
    ]
}

async fn of_activations(world: &World) -> Vec<Effect> {
    let made = async |broker: &str| world.a.activation(&world.a.activate(broker, &world.a.schulze).await).await;
    let renamed = v1::BrokerActivation { display_name: "Neu".to_owned(), ..made("n.umbenannt").await };
    let update = v1::UpdateBrokerActivationRequest {
        request_id: String::new(),
        activation: Some(renamed),
        update_mask: mask(&["display_name"]),
    };
    let v1::BrokerActivation { activation_id, etag, .. } = made("n.an").await;
    let disable = v1::DisableBrokerActivationRequest { request_id: String::new(), activation_id, etag };
    let v1::BrokerActivation { activation_id, etag, .. } = made("n.aus").await;
    let first = v1::DisableBrokerActivationRequest { request_id: request_id(), activation_id, etag };
    let disabled = world.a.admin.activations().disable_broker_activation(first).await.expect("disabled").into_inner();
    let v1::BrokerActivation { activation_id, etag, .. } = disabled.activation.expect("an activation");
    let enable = v1::EnableBrokerActivationRequest { request_id: String::new(), activation_id, etag };
    let v1::BrokerActivation { activation_id, etag, .. } = made("n.geht").await;
    let delete = v1::DeleteBrokerActivationRequest { request_id: String::new(), activation_id, etag };
    let create = activation("n.neu", &spare(world, "freigeschaltet").await.user_id);
    let create = v1::CreateBrokerActivationRequest { sharing_reason: "Vertretung".to_owned(), ..create };
    vec![
        Effect::new(ACTIVATIONS, "CreateBrokerActivation", "activation.create", &create),
        Effect::new(ACTIVATIONS, "UpdateBrokerActivation", "activation.update", &update),
        Effect::new(ACTIVATIONS, "DisableBrokerActivation", "activation.disable", &disable),
        Effect::new(ACTIVATIONS, "EnableBrokerActivation", "activation.enable", &enable),
        Effect::new(ACTIVATIONS, "DeleteBrokerActivation", "activation.delete", &delete),
    ]
}

async fn of_customers(world: &World) -> Vec<Effect> {
    let put =
        v1::PutCustomersRequest { request_id: String::new(), customers: vec![record("c-9", v1::Segment::Private)] };
    let assign = v1::AssignUserRequest {
        request_id: String::new(),
        customer_id: C1.to_owned(),
        etag: world.a.customer(C1).await.etag,
        user_id: Some(world.a.private.clone()),
    };
    let erase = v1::EraseCustomerRequest { request_id: String::new(), customer_id: C2.to_owned() };
    let access = v1::UpdateCustomerAccessRequest {
        etag: world.a.access().await.etag,
        commercial_falls_back_to_private: Some(true),
        ..v1::UpdateCustomerAccessRequest::default()
    };
    let settings = v1::UpdateSettingsRequest {
        request_id: String::new(),
        settings: Some(v1::Settings { import_change_limit_percent: 30, ..world.a.settings().await }),
        update_mask: mask(&["import_change_limit_percent"]),
    };
    let revoke = v1::RevokeJumpRequest {
        request_id: String::new(),
        jumps: Some(v1::revoke_jump_request::Jumps::CustomerId(K1.to_owned())),
    };
    vec![
        Effect::new(CUSTOMERS, "PutCustomers", "customer.put", &put),
        Effect::new(CUSTOMERS, "AssignUser", "customer.assign_user", &assign),
        Effect::new(CUSTOMERS, "EraseCustomer", "customer.erase", &erase),
        Effect::new(CUSTOMERS, "UpdateCustomerAccess", "customer_access.update", &access),
        Effect::new("/concenter.v1.SettingsService", "UpdateSettings", "settings.update", &settings),
        Effect::new("/concenter.v1.JumpService", "RevokeJump", "jump.revoke", &revoke),
    ]
}

/// What the target [`X`] can change, likewise.
pub(super) async fn of_target_x(world: &World) -> Vec<Effect> {
    let jump = world.a.jump(X, customer(C1)).await.expect("a jump").into_inner();
    let session = world.redeem(X, proof(&jump)).await.expect("a redemption").into_inner().session.clone();
    let result = v1::JumpResult::LoginFailed.into();
    let report = v1::ReportJumpResultRequest { request_id: String::new(), session, result };
    let effect = Effect::new("/concenter.v1.JumpService", "ReportJumpResult", "jump.report_failed", &report);
    vec![Effect { altered_action: "jump.report_succeeded", ..effect }]
}

/// What an operator can change, likewise.
pub(super) async fn of_operators(world: &World) -> Vec<Effect> {
    let mut effects = of_tenants(world).await;
    effects.extend(of_providers(world).await);
    effects.extend(of_targets(world).await);
    effects.extend(of_return_urls(world).await);
    effects.extend(of_keys(world).await);
    effects
}

async fn of_keys(world: &World) -> Vec<Effect> {
    let rotate =
        |purpose: admin::KeyPurpose, request_id| admin::RotateKeyRequest { request_id, purpose: purpose.into() };
    let next = world.service.operator().keys().rotate_key(rotate(admin::KeyPurpose::Jump, request_id())).await;
    let kid = next.expect("a key").into_inner().key.expect("a key").kid;
    let revoke = admin::RevokeKeyRequest { request_id: String::new(), kid };
    let mut keys = world.service.operator().keys();
    let known = keys.list_keks(admin::ListKeksRequest::default()).await.expect("a list").into_inner().keks;
    // The one that is active: nothing is wrapped anew, which would be more rows.
    let active = admin::ActivateKekRequest { request_id: String::new(), kek_id: known[0].kek_id.clone() };
    let kek_id = SPARE_KEK.to_owned();
    let retire = admin::RetireKekRequest { request_id: String::new(), kek_id: kek_id.clone() };
    keys.add_kek(admin::AddKekRequest { request_id: request_id(), kek_id: kek_id.clone() }).await.expect("a key");
    vec![
        Effect::new(KEYS, "AddKek", "kek.add", &admin::AddKekRequest { request_id: String::new(), kek_id }),
        Effect::new(KEYS, "ActivateKek", "kek.activate", &active),
        Effect::new(KEYS, "RetireKek", "kek.retire", &retire),
        Effect::new(KEYS, "RotateKey", "key.rotate", &rotate(admin::KeyPurpose::Caller, String::new())),
        Effect::new(KEYS, "RevokeKey", "key.revoke", &revoke),
    ]
}

async fn of_tenants(world: &World) -> Vec<Effect> {
    let id = String::new;
    let create =
        admin::CreateTenantRequest { request_id: id(), display_name: "Neu".to_owned(), create_standard_user: None };
    let tenant = Some(admin::Tenant { display_name: "Anders".to_owned(), ..world.new_tenant().await });
    let update = admin::UpdateTenantRequest { request_id: id(), tenant, update_mask: mask(&["display_name"]) };
    let admin::Tenant { tenant_id, etag, .. } = world.new_tenant().await;
    let stop = admin::StopTenantRequest { request_id: id(), tenant_id, etag };
    let admin::Tenant { tenant_id, etag, .. } = world.stop(&world.new_tenant().await.tenant_id).await;
    let start = admin::StartTenantRequest { request_id: id(), tenant_id, etag };
    let admin::Tenant { tenant_id, etag, .. } = world.new_tenant().await;
    let delete = admin::DeleteTenantRequest { request_id: id(), tenant_id, etag };
    let admin::Tenant { tenant_id, etag, .. } = world.delete(&world.new_tenant().await.tenant_id).await;
    let undelete = admin::UndeleteTenantRequest { request_id: id(), tenant_id, etag };
    vec![
        Effect::new(TENANTS, "CreateTenant", "tenant.create", &create),
        Effect::new(TENANTS, "UpdateTenant", "tenant.update", &update),
        Effect::new(TENANTS, "StopTenant", "tenant.stop", &stop),
        Effect::new(TENANTS, "StartTenant", "tenant.start", &start),
        Effect::new(TENANTS, "DeleteTenant", "tenant.delete", &delete),
        Effect::new(TENANTS, "UndeleteTenant", "tenant.undelete", &undelete),
    ]
}

async fn of_providers(world: &World) -> Vec<Effect> {
    let operator = world.service.operator();
    for id in ["geaendert", "an", "aus"] {
        put_provider(&operator, id, v1::ProductProviderKind::Insurer).await;
    }
    disable_provider(world, "aus").await;
    let known = world.provider("geaendert").await;
    let put = admin::PutProductProviderRequest {
        request_id: String::new(),
        product_provider_id: known.product_provider_id,
        etag: known.etag,
        display_name: "Anders".to_owned(),
        kind: known.kind,
    };
    let admin::ProductProvider { product_provider_id, etag, .. } = world.provider("an").await;
    let disable = admin::DisableProductProviderRequest { request_id: String::new(), product_provider_id, etag };
    let admin::ProductProvider { product_provider_id, etag, .. } = world.provider("aus").await;
    let enable = admin::EnableProductProviderRequest { request_id: String::new(), product_provider_id, etag };
    vec![
        Effect::new(CATALOG, "PutProductProvider", "provider.put", &put),
        Effect::new(CATALOG, "DisableProductProvider", "provider.disable", &disable),
        Effect::new(CATALOG, "EnableProductProvider", "provider.enable", &enable),
    ]
}

async fn of_targets(world: &World) -> Vec<Effect> {
    let operator = world.service.operator();
    for id in ["geaendert", "an", "aus"] {
        operator.catalog_admin().put_target(calculator(id)).await.expect("a target");
    }
    disable_target(world, "aus").await;
    let etag = world.target("geaendert").await.etag;
    let put = admin::PutTargetRequest { etag, display_name: "Anders".to_owned(), ..calculator("geaendert") };
    let admin::Target { target_id, etag, .. } = world.target("an").await;
    let disable = admin::DisableTargetRequest { request_id: String::new(), target_id, etag };
    let admin::Target { target_id, etag, .. } = world.target("aus").await;
    let enable = admin::EnableTargetRequest { request_id: String::new(), target_id, etag };
    vec![
        Effect::new(CATALOG, "PutTarget", "target.put", &put),
        Effect::new(CATALOG, "DisableTarget", "target.disable", &disable),
        Effect::new(CATALOG, "EnableTarget", "target.enable", &enable),
    ]
}

async fn of_return_urls(world: &World) -> Vec<Effect> {
    let operator = world.service.operator();
    let put = |id: &str, etag: String, url: &str| admin::PutReturnUrlRequest {
        request_id: request_id(),
        return_url_id: id.to_owned(),
        etag,
        url: url.to_owned(),
    };
    for id in ["geaendert", "an", "aus"] {
        let new = put(id, String::new(), &format!("https://portal.example/{id}"));
        operator.catalog_admin().put_return_url(new).await.expect("a return URL");
    }
    let admin::ReturnUrl { return_url_id, etag, .. } = world.return_url("aus").await;
    let first = admin::DisableReturnUrlRequest { request_id: request_id(), return_url_id, etag };
    operator.catalog_admin().disable_return_url(first).await.expect("disabled");
    let put = put("geaendert", world.return_url("geaendert").await.etag, "https://portal.example/anders");
    let admin::ReturnUrl { return_url_id, etag, .. } = world.return_url("an").await;
    let disable = admin::DisableReturnUrlRequest { request_id: String::new(), return_url_id, etag };
    let admin::ReturnUrl { return_url_id, etag, .. } = world.return_url("aus").await;
    let enable = admin::EnableReturnUrlRequest { request_id: String::new(), return_url_id, etag };
    vec![
        Effect::new(CATALOG, "PutReturnUrl", "return_url.put", &put),
        Effect::new(CATALOG, "DisableReturnUrl", "return_url.disable", &disable),
        Effect::new(CATALOG, "EnableReturnUrl", "return_url.enable", &enable),
    ]
}

#[tokio::test]
async fn every_rpc_that_changes_something_is_in_the_tables() {
    let world = World::example().await;
    let tables = [of_administrators(&world).await, of_target_x(&world).await, of_operators(&world).await];
    let rows: BTreeSet<_> = tables.iter().flatten().map(|effect| effect.path.clone()).collect();
    let changing = methods().filter(|method| method.input().get_field_by_name("request_id").is_some());
    let changing: BTreeSet<_> = changing.map(|method| path_of(&method)).collect();
    let rows: BTreeSet<_> = rows.into_iter().chain(JUMPS.map(str::to_owned)).collect();
    assert_eq!(rows, changing);
}

/// I9
#[tokio::test]
async fn every_change_leaves_exactly_one_audit_row() {
    let world = World::example().await;
    world.a.jump(X, customer(K1)).await.expect("a jump");
    let (admins, operators) = (of_administrators(&world).await, of_operators(&world).await);
    let (operator, target) = (world.service.operator(), world.service.target(X));
    let callers = [(&target, of_target_x(&world).await), (&world.a.admin, admins), (&operator, operators)];
    for (caller, effect) in callers.iter().flat_map(|(caller, effects)| effects.iter().map(move |e| (*caller, e))) {
        let before = world.service.audit().await;
        effect.send(caller, &request_id()).await.unwrap_or_else(|status| panic!("{}: {status:?}", effect.path));
        let rows = world.service.audit_since(&before).await;
        let seen: Vec<_> = rows.iter().map(|row| (row.action.as_str(), row.reason.as_deref())).collect();
        assert_eq!(seen, [(effect.action, None)], "{}", effect.path);
    }
}
