//! THE table: which role may call which method, and how often.
//!
//! A method without a row is refused. One more RPC: a row here, under its service. The roles of a row stand in the
//! order of preference: a credential with several of them acts in the first one that it can
//! (`docs/domain.md#three-people`).

use crate::domain::caller::Role;
use crate::domain::profile::Profile;

/// Who may call a method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Whoever comes; a credential is not even looked at.
    Anyone,
    /// Callers with one of these roles: at least one, each once, the preferred one first.
    Roles(&'static [Role]),
}

/// How often one tenant may call a method, by what the method costs; the numbers are settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rate {
    /// Makes a jump.
    Jump,
    /// Redeems one.
    Redeem,
    /// Reads.
    Read,
    /// Changes something.
    Change,
    /// Changes or reads a thousand things.
    Batch,
    /// As often as one likes: nobody knows who calls, so that a bound would let whoever floods shut out everybody. All that it
    /// costs is bounded by the calls in flight.
    Free,
}

use Access::{Anyone, Roles};
use Rate::{Batch, Change, Free, Jump, Read, Redeem};
use Role::{Admin, Broker, Customer, Operator, Portal, Target};

/// A method of the API and who may call it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// `/package.Service/Method`, as it stands in the `:path` of a call.
    pub method: &'static str,
    /// Who may call it.
    pub access: Access,
    /// How often.
    pub rate: Rate,
}

/// Every method of our own services, each once.
// One line a method, or it is no table.
#[rustfmt::skip]
const TABLE: &[Row] = &[
    // Con:center users: the firm's administrator alone.
    row("/concenter.v1.UserService/CreateUser", Roles(&[Admin]), Change),
    row("/concenter.v1.UserService/GetUser", Roles(&[Admin]), Read),
    row("/concenter.v1.UserService/ListUsers", Roles(&[Admin]), Read),
    row("/concenter.v1.UserService/UpdateUser", Roles(&[Admin]), Change),
    row("/concenter.v1.UserService/SetUserSecret", Roles(&[Admin]), Change),
    row("/concenter.v1.UserService/SetStandardUser", Roles(&[Admin]), Change),
    row("/concenter.v1.UserService/SetEndCustomer", Roles(&[Admin]), Change),
    row("/concenter.v1.UserService/AttestEndCustomer", Roles(&[Admin]), Change),
    row("/concenter.v1.UserService/DisableUser", Roles(&[Admin]), Change),
    row("/concenter.v1.UserService/EnableUser", Roles(&[Admin]), Change),
    row("/concenter.v1.UserService/DeleteUser", Roles(&[Admin]), Change),
    // Broker activations: likewise.
    row("/concenter.v1.BrokerActivationService/CreateBrokerActivation", Roles(&[Admin]), Change),
    row("/concenter.v1.BrokerActivationService/GetBrokerActivation", Roles(&[Admin]), Read),
    row("/concenter.v1.BrokerActivationService/ListBrokerActivations", Roles(&[Admin]), Read),
    row("/concenter.v1.BrokerActivationService/UpdateBrokerActivation", Roles(&[Admin]), Change),
    row("/concenter.v1.BrokerActivationService/DisableBrokerActivation", Roles(&[Admin]), Change),
    row("/concenter.v1.BrokerActivationService/EnableBrokerActivation", Roles(&[Admin]), Change),
    row("/concenter.v1.BrokerActivationService/DeleteBrokerActivation", Roles(&[Admin]), Change),
    // Customers: the portal writes their records; which con:center user they get, the administrator decides.
    row("/concenter.v1.CustomerService/PutCustomers", Roles(&[Portal, Admin]), Batch),
    row("/concenter.v1.CustomerService/GetCustomer", Roles(&[Portal, Admin]), Read),
    row("/concenter.v1.CustomerService/ListCustomers", Roles(&[Admin]), Read),
    row("/concenter.v1.CustomerService/EraseCustomer", Roles(&[Portal, Admin]), Change),
    row("/concenter.v1.CustomerService/AssignUser", Roles(&[Admin]), Change),
    row("/concenter.v1.CustomerService/GetCustomerAccess", Roles(&[Admin]), Read),
    row("/concenter.v1.CustomerService/UpdateCustomerAccess", Roles(&[Admin]), Change),
    // Settings: the firm's administrator alone.
    row("/concenter.v1.SettingsService/GetSettings", Roles(&[Admin]), Read),
    row("/concenter.v1.SettingsService/UpdateSettings", Roles(&[Admin]), Change),
    // The audit log: likewise. To verify it reads all of it.
    row("/concenter.v1.AuditService/ListAuditEntries", Roles(&[Admin]), Read),
    row("/concenter.v1.AuditService/VerifyAuditLog", Roles(&[Admin]), Batch),
    // The catalogue, for whoever offers a choice of it. Portals and administrators need the providers' names, for what
    // a user's scope and a jump may name.
    row("/concenter.v1.CatalogService/ListProductProviders", Roles(&[Portal, Admin]), Read),
    row("/concenter.v1.CatalogService/ListTargets", Roles(&[Portal, Broker, Customer, Admin]), Read),
    // Jumps. No customer gets an insurer's portal; a portal that names one there is refused by the rules.
    row("/concenter.v1.JumpService/JumpToTarif", Roles(&[Portal, Broker, Customer]), Jump),
    row("/concenter.v1.JumpService/JumpToInsurerPortal", Roles(&[Portal, Broker]), Jump),
    row("/concenter.v1.JumpService/ExplainJump", Roles(&[Portal, Admin]), Read),
    row("/concenter.v1.JumpService/RedeemJump", Roles(&[Target]), Redeem),
    // Once for each redeem.
    row("/concenter.v1.JumpService/ReportJumpResult", Roles(&[Target]), Redeem),
    row("/concenter.v1.JumpService/IntrospectJump", Roles(&[Target]), Read),
    // Their history. A broker or customer sees his own; which one that is, the use case says.
    row("/concenter.v1.JumpService/GetJump", Roles(&[Portal, Broker, Customer, Admin]), Read),
    row("/concenter.v1.JumpService/ListJumps", Roles(&[Portal, Broker, Customer, Admin]), Read),
    row("/concenter.v1.JumpService/RevokeJump", Roles(&[Portal, Admin]), Change),
    // What a change would do to everybody: reads all of them.
    row("/concenter.v1.JumpService/SimulateChange", Roles(&[Admin]), Batch),
    // How they are kept apart: likewise.
    row("/concenter.v1.JumpService/GetIsolationReport", Roles(&[Admin]), Batch),
    // Public keys.
    row("/concenter.v1.JumpService/GetJwks", Anyone, Free),
    // The operator's own.
    row("/concenter.admin.v1.TenantService/CreateTenant", Roles(&[Operator]), Change),
    row("/concenter.admin.v1.TenantService/GetTenant", Roles(&[Operator]), Read),
    row("/concenter.admin.v1.TenantService/ListTenants", Roles(&[Operator]), Read),
    row("/concenter.admin.v1.TenantService/UpdateTenant", Roles(&[Operator]), Change),
    row("/concenter.admin.v1.TenantService/StopTenant", Roles(&[Operator]), Change),
    row("/concenter.admin.v1.TenantService/StartTenant", Roles(&[Operator]), Change),
    row("/concenter.admin.v1.TenantService/DeleteTenant", Roles(&[Operator]), Change),
    row("/concenter.admin.v1.TenantService/UndeleteTenant", Roles(&[Operator]), Change),
    row("/concenter.admin.v1.CatalogAdminService/PutProductProvider", Roles(&[Operator]), Change),
    row("/concenter.admin.v1.CatalogAdminService/DisableProductProvider", Roles(&[Operator]), Change),
    row("/concenter.admin.v1.CatalogAdminService/EnableProductProvider", Roles(&[Operator]), Change),
    row("/concenter.admin.v1.CatalogAdminService/GetProductProvider", Roles(&[Operator]), Read),
    row("/concenter.admin.v1.CatalogAdminService/ListProductProviders", Roles(&[Operator]), Read),
    row("/concenter.admin.v1.CatalogAdminService/PutTarget", Roles(&[Operator]), Change),
    row("/concenter.admin.v1.CatalogAdminService/DisableTarget", Roles(&[Operator]), Change),
    row("/concenter.admin.v1.CatalogAdminService/EnableTarget", Roles(&[Operator]), Change),
    row("/concenter.admin.v1.CatalogAdminService/GetTarget", Roles(&[Operator]), Read),
    row("/concenter.admin.v1.CatalogAdminService/ListTargets", Roles(&[Operator]), Read),
    row("/concenter.admin.v1.CatalogAdminService/PutReturnUrl", Roles(&[Operator]), Change),
    row("/concenter.admin.v1.CatalogAdminService/DisableReturnUrl", Roles(&[Operator]), Change),
    row("/concenter.admin.v1.CatalogAdminService/EnableReturnUrl", Roles(&[Operator]), Change),
    row("/concenter.admin.v1.CatalogAdminService/GetReturnUrl", Roles(&[Operator]), Read),
    row("/concenter.admin.v1.CatalogAdminService/ListReturnUrls", Roles(&[Operator]), Read),
    row("/concenter.admin.v1.KeyService/ListKeys", Roles(&[Operator]), Read),
    row("/concenter.admin.v1.KeyService/RotateKey", Roles(&[Operator]), Change),
    row("/concenter.admin.v1.KeyService/RevokeKey", Roles(&[Operator]), Change),
    row("/concenter.admin.v1.KeyService/ListKeks", Roles(&[Operator]), Read),
    row("/concenter.admin.v1.KeyService/AddKek", Roles(&[Operator]), Change),
    row("/concenter.admin.v1.KeyService/ActivateKek", Roles(&[Operator]), Change),
    row("/concenter.admin.v1.KeyService/RetireKek", Roles(&[Operator]), Change),
];

/// What every method of the standard health service begins with.
pub(super) const HEALTH: &str = "/grpc.health.v1.Health/";

/// What every method of the standard reflection service begins with.
const REFLECTION: &str = "/grpc.reflection.v1.ServerReflection/";

/// The services that are not ours, with all their methods. They tell nothing that is not public: whether we serve, and
/// what the published proto files say. This is the only place that lets them through.
const STANDARD_SERVICES: &[Row] = &[row(HEALTH, Anyone, Free), row(REFLECTION, Anyone, Free)];

const fn row(method: &'static str, access: Access, rate: Rate) -> Row {
    Row { method, access, rate }
}

/// Every method that a call may be counted under: ours, each once, and those of standard services by their services.
pub fn methods() -> impl Iterator<Item = &'static str> {
    TABLE.iter().chain(STANDARD_SERVICES).map(|row| row.method)
}

/// Finds the row of a call's path; `None` if the method is unknown.
///
/// For a standard service the row is that of the service, and its `method` ends with the slash.
#[must_use]
pub fn find(path: &str) -> Option<Row> {
    let ours = TABLE.iter().find(|row| row.method == path);
    let standard = || STANDARD_SERVICES.iter().find(|row| path.starts_with(row.method));
    ours.or_else(standard).copied()
}

/// The same for a service of this profile: in production there is no reflection.
#[must_use]
pub fn find_in(profile: Profile, path: &str) -> Option<Row> {
    find(path).filter(|row| !profile.is_production() || row.method != REFLECTION)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use prost::Message as _;
    use prost_types::FileDescriptorSet;

    use super::*;

    /// What the build made of `proto/`.
    const DESCRIPTORS: &[u8] = tonic::include_file_descriptor_set!("concenter_descriptor");

    /// One column a role: operator, admin, portal, broker, customer, target; the last one is a caller without a
    /// credential. Written down apart from the table, so that a slip in one of them shows.
    #[rustfmt::skip]
    const EXPECTED: &[(&str, &str)] = &[
        ("concenter.v1.UserService/CreateUser", ".A....."),
        ("concenter.v1.UserService/GetUser", ".A....."),
        ("concenter.v1.UserService/ListUsers", ".A....."),
        ("concenter.v1.UserService/UpdateUser", ".A....."),
        ("concenter.v1.UserService/SetUserSecret", ".A....."),
        ("concenter.v1.UserService/SetStandardUser", ".A....."),
        ("concenter.v1.UserService/SetEndCustomer", ".A....."),
        ("concenter.v1.UserService/AttestEndCustomer", ".A....."),
        ("concenter.v1.UserService/DisableUser", ".A....."),
        ("concenter.v1.UserService/EnableUser", ".A....."),
        ("concenter.v1.UserService/DeleteUser", ".A....."),
        ("concenter.v1.BrokerActivationService/CreateBrokerActivation", ".A....."),
        ("concenter.v1.BrokerActivationService/GetBrokerActivation", ".A....."),
        ("concenter.v1.BrokerActivationService/ListBrokerActivations", ".A....."),
        ("concenter.v1.BrokerActivationService/UpdateBrokerActivation", ".A....."),
        ("concenter.v1.BrokerActivationService/DisableBrokerActivation", ".A....."),
        ("concenter.v1.BrokerActivationService/EnableBrokerActivation", ".A....."),
        ("concenter.v1.BrokerActivationService/DeleteBrokerActivation", ".A....."),
        ("concenter.v1.CustomerService/PutCustomers", ".AP...."),
        ("concenter.v1.CustomerService/GetCustomer", ".AP...."),
        ("concenter.v1.CustomerService/ListCustomers", ".A....."),
        ("concenter.v1.CustomerService/EraseCustomer", ".AP...."),
        ("concenter.v1.CustomerService/AssignUser", ".A....."),
        ("concenter.v1.CustomerService/GetCustomerAccess", ".A....."),
        ("concenter.v1.CustomerService/UpdateCustomerAccess", ".A....."),
        ("concenter.v1.SettingsService/GetSettings", ".A....."),
        ("concenter.v1.SettingsService/UpdateSettings", ".A....."),
        ("concenter.v1.AuditService/ListAuditEntries", ".A....."),
        ("concenter.v1.AuditService/VerifyAuditLog", ".A....."),
        ("concenter.v1.CatalogService/ListProductProviders", ".AP...."),
        ("concenter.v1.CatalogService/ListTargets", ".APBC.."),
        ("concenter.v1.JumpService/JumpToTarif", "..PBC.."),
        ("concenter.v1.JumpService/JumpToInsurerPortal", "..PB..."),
        ("concenter.v1.JumpService/ExplainJump", ".AP...."),
        ("concenter.v1.JumpService/RedeemJump", ".....T."),
        ("concenter.v1.JumpService/ReportJumpResult", ".....T."),
        ("concenter.v1.JumpService/IntrospectJump", ".....T."),
        ("concenter.v1.JumpService/GetJump", ".APBC.."),
        ("concenter.v1.JumpService/ListJumps", ".APBC.."),
        ("concenter.v1.JumpService/RevokeJump", ".AP...."),
        ("concenter.v1.JumpService/SimulateChange", ".A....."),
        ("concenter.v1.JumpService/GetIsolationReport", ".A....."),
        ("concenter.v1.JumpService/GetJwks", "OAPBCT-"),
        ("concenter.admin.v1.TenantService/CreateTenant", "O......"),
        ("concenter.admin.v1.TenantService/GetTenant", "O......"),
        ("concenter.admin.v1.TenantService/ListTenants", "O......"),
        ("concenter.admin.v1.TenantService/UpdateTenant", "O......"),
        ("concenter.admin.v1.TenantService/StopTenant", "O......"),
        ("concenter.admin.v1.TenantService/StartTenant", "O......"),
        ("concenter.admin.v1.TenantService/DeleteTenant", "O......"),
        ("concenter.admin.v1.TenantService/UndeleteTenant", "O......"),
        ("concenter.admin.v1.CatalogAdminService/PutProductProvider", "O......"),
        ("concenter.admin.v1.CatalogAdminService/DisableProductProvider", "O......"),
        ("concenter.admin.v1.CatalogAdminService/EnableProductProvider", "O......"),
        ("concenter.admin.v1.CatalogAdminService/GetProductProvider", "O......"),
        ("concenter.admin.v1.CatalogAdminService/ListProductProviders", "O......"),
        ("concenter.admin.v1.CatalogAdminService/PutTarget", "O......"),
        ("concenter.admin.v1.CatalogAdminService/DisableTarget", "O......"),
        ("concenter.admin.v1.CatalogAdminService/EnableTarget", "O......"),
        ("concenter.admin.v1.CatalogAdminService/GetTarget", "O......"),
        ("concenter.admin.v1.CatalogAdminService/ListTargets", "O......"),
        ("concenter.admin.v1.CatalogAdminService/PutReturnUrl", "O......"),
        ("concenter.admin.v1.CatalogAdminService/DisableReturnUrl", "O......"),
        ("concenter.admin.v1.CatalogAdminService/EnableReturnUrl", "O......"),
        ("concenter.admin.v1.CatalogAdminService/GetReturnUrl", "O......"),
        ("concenter.admin.v1.CatalogAdminService/ListReturnUrls", "O......"),
        ("concenter.admin.v1.KeyService/ListKeys", "O......"),
        ("concenter.admin.v1.KeyService/RotateKey", "O......"),
        ("concenter.admin.v1.KeyService/RevokeKey", "O......"),
        ("concenter.admin.v1.KeyService/ListKeks", "O......"),
        ("concenter.admin.v1.KeyService/AddKek", "O......"),
        ("concenter.admin.v1.KeyService/ActivateKek", "O......"),
        ("concenter.admin.v1.KeyService/RetireKek", "O......"),
    ];

    /// The path of every RPC in the descriptor set.
    fn described() -> BTreeSet<String> {
        let files = FileDescriptorSet::decode(DESCRIPTORS).unwrap().file;
        let mut paths = BTreeSet::new();
        for file in &files {
            for service in &file.service {
                for method in &service.method {
                    paths.insert(format!("/{}.{}/{}", file.package(), service.name(), method.name()));
                }
            }
        }
        paths
    }

    /// What the table says of a method, in the letters of [`EXPECTED`].
    fn letters(path: &str) -> String {
        let access = find(path).map(|row| row.access);
        let by_role = Role::ALL.iter().zip("OAPBCT".chars()).map(|(role, letter)| match access {
            Some(Roles(roles)) if roles.contains(role) => letter,
            Some(Anyone) => letter,
            Some(Roles(_)) | None => '.',
        });
        by_role.chain([if access == Some(Anyone) { '-' } else { '.' }]).collect()
    }

    #[test]
    fn every_rpc_has_exactly_one_row_and_every_row_an_rpc() {
        let rows: Vec<String> = TABLE.iter().map(|row| row.method.to_owned()).collect();
        assert_eq!(rows.iter().cloned().collect::<BTreeSet<_>>(), described());
        assert_eq!(rows.len(), described().len(), "a method has two rows");
    }

    #[test]
    fn every_rpc_is_open_to_exactly_the_roles_that_are_expected() {
        let expected = EXPECTED.iter().map(|(method, _)| format!("/{method}")).collect::<BTreeSet<_>>();
        assert_eq!(expected, described());
        for (method, roles) in EXPECTED {
            assert_eq!(letters(&format!("/{method}")), *roles, "{method}");
        }
    }

    #[test]
    fn every_row_names_at_least_one_role_and_none_twice() {
        for row in TABLE {
            if let Roles(roles) = row.access {
                assert!(!roles.is_empty(), "{}", row.method);
                assert_eq!(roles.iter().collect::<BTreeSet<_>>().len(), roles.len(), "{}", row.method);
            }
        }
    }

    #[test]
    fn as_often_as_one_likes_is_for_anyone_and_for_nobody_else() {
        for row in TABLE.iter().chain(STANDARD_SERVICES) {
            assert_eq!(row.rate == Free, row.access == Anyone, "{}", row.method);
        }
    }

    #[test]
    fn every_rate_is_that_of_what_the_method_is_called() {
        for row in TABLE {
            let name = row.method.rsplit('/').next().unwrap();
            let expected = match name {
                "GetJwks" => Free,
                "JumpToTarif" | "JumpToInsurerPortal" => Jump,
                "RedeemJump" | "ReportJumpResult" => Redeem,
                "PutCustomers" | "VerifyAuditLog" | "SimulateChange" | "GetIsolationReport" => Batch,
                _ if ["Get", "List", "Explain", "Introspect"].iter().any(|reads| name.starts_with(reads)) => Read,
                _ => Change,
            };
            assert_eq!(row.rate, expected, "{name}");
        }
    }

    #[test]
    fn a_path_that_is_not_exactly_that_of_a_method_is_unknown() {
        for path in [
            "",
            "/",
            "/concenter.v1.UserService",
            "/concenter.v1.UserService/",
            "/concenter.v1.UserService/getuser",
            "/concenter.v1.UserService/GetUser/",
            "/concenter.v1.UserService/GetUser/../CreateUser",
            "concenter.v1.UserService/GetUser",
            "//concenter.v1.UserService/GetUser",
            "/concenter.v1.UserService/%47etUser",
            "/concenter.v1.JumpService/GetJwks ",
            "/grpc.health.v1.HealthX/Check",
            "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
        ] {
            assert_eq!(find(path), None, "{path}");
        }
    }

    #[test]
    fn health_and_reflection_are_for_anyone() {
        for path in ["/grpc.health.v1.Health/Check", "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"] {
            assert_eq!(find(path).map(|row| row.access), Some(Anyone), "{path}");
        }
    }

    #[test]
    fn in_production_everything_is_as_it_is_and_reflection_is_unknown() {
        let reflection = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
        assert_eq!(find_in(Profile::Development, reflection), find(reflection));
        assert_eq!(find_in(Profile::Production, reflection), None);
        for path in TABLE.iter().map(|row| row.method).chain(["/grpc.health.v1.Health/Check"]) {
            assert_eq!(find_in(Profile::Production, path), find(path), "{path}");
        }
    }
}
