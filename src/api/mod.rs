//! The gRPC services: convert, call `app`, convert.
//!
//! One file per service. A handler takes the caller that the edge left in the request, reads every field with
//! `convert`, calls one use case of `app` and puts the answer into words of the contract; more than that belongs
//! in `app`. [`status`] is the one place that knows gRPC codes.
//!
//! May use `app`, `domain` and `proto`. One more RPC: its handler in the file of its service and, if it changes
//! something, its row in `desk`; a test there finds a missing one.

mod activations;
mod audit;
mod catalog;
mod catalog_admin;
mod convert;
mod customers;
mod desk;
mod jumps;
mod keys;
mod page;
mod settings;
pub mod status;
mod tenants;
mod users;

use std::sync::Arc;

use tonic::service::Routes;

use self::desk::Desk;
use crate::app::App;
use crate::proto::admin::v1::catalog_admin_service_server::CatalogAdminServiceServer;
use crate::proto::admin::v1::key_service_server::KeyServiceServer;
use crate::proto::admin::v1::tenant_service_server::TenantServiceServer;
use crate::proto::v1::audit_service_server::AuditServiceServer;
use crate::proto::v1::broker_activation_service_server::BrokerActivationServiceServer;
use crate::proto::v1::catalog_service_server::CatalogServiceServer;
use crate::proto::v1::customer_service_server::CustomerServiceServer;
use crate::proto::v1::jump_service_server::JumpServiceServer;
use crate::proto::v1::settings_service_server::SettingsServiceServer;
use crate::proto::v1::user_service_server::UserServiceServer;

/// Most bytes of a request: 64 KiB. The largest one is an activation of 100 brokers, about 13 KiB.
const REQUEST_BYTES: usize = 64 * 1024;
/// Most bytes of a request about customers: 1 MiB. A batch of 1 000 has at most about 135 KiB, so that one which
/// is too long still learns that by its field.
const BATCH_BYTES: usize = 1024 * 1024;

/// Every service of ours, each with the limit of its requests. None takes compressed ones: a small message that
/// unpacks to a large one must not cost more than it weighs.
pub fn services(app: Arc<App>) -> Routes {
    let desk = Desk::new(app);
    Routes::new(UserServiceServer::new(users::Users { desk: desk.clone() }).max_decoding_message_size(REQUEST_BYTES))
        .add_service(
            BrokerActivationServiceServer::new(activations::Activations { desk: desk.clone() })
                .max_decoding_message_size(REQUEST_BYTES),
        )
        .add_service(
            CustomerServiceServer::new(customers::Customers { desk: desk.clone() })
                .max_decoding_message_size(BATCH_BYTES),
        )
        .add_service(
            SettingsServiceServer::new(settings::TenantSettings { desk: desk.clone() })
                .max_decoding_message_size(REQUEST_BYTES),
        )
        .add_service(
            AuditServiceServer::new(audit::AuditLog { desk: desk.clone() }).max_decoding_message_size(REQUEST_BYTES),
        )
        .add_service(
            CatalogServiceServer::new(catalog::Catalog { desk: desk.clone() }).max_decoding_message_size(REQUEST_BYTES),
        )
        .add_service(
            JumpServiceServer::new(jumps::Jumps { desk: desk.clone() }).max_decoding_message_size(REQUEST_BYTES),
        )
        .add_service(
            TenantServiceServer::new(tenants::Tenants { desk: desk.clone() }).max_decoding_message_size(REQUEST_BYTES),
        )
        .add_service(
            CatalogAdminServiceServer::new(catalog_admin::CatalogAdmin { desk: desk.clone() })
                .max_decoding_message_size(REQUEST_BYTES),
        )
        .add_service(KeyServiceServer::new(keys::Keys { desk }).max_decoding_message_size(REQUEST_BYTES))
}
