//! Who calls: what a credential proved, and nothing that a request says of itself.

use std::time::Duration;

use super::ids::{BrokerId, CustomerId, SubjectId, TargetId, TenantId};

/// SHA-256 of a client's certificate in DER: what a credential can be bound to (RFC 8705, section 3.1). Nothing secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CertificateThumbprint(pub [u8; 32]);

/// A role that a credential can carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// Runs the service: tenants and the catalogue.
    Operator,
    /// A firm's administrator.
    Admin,
    /// The portal's backend, for the people logged in there.
    Portal,
    /// A broker, for himself.
    Broker,
    /// A customer, for himself.
    Customer,
    /// A target, for what is addressed to it.
    Target,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 6] = [Self::Operator, Self::Admin, Self::Portal, Self::Broker, Self::Customer, Self::Target];

    /// The role as tokens and the audit log spell it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Admin => "admin",
            Self::Portal => "portal",
            Self::Broker => "broker",
            Self::Customer => "customer",
            Self::Target => "target",
        }
    }

    /// Reads a role as tokens spell it; `None` if there is no such role.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == text)
    }
}

/// What a caller within a tenant is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TenantRole {
    /// The firm's administrator.
    Admin,
    /// The portal's backend; it names the person of each jump.
    Portal,
    /// This broker; he is the person of his jumps.
    Broker(BrokerId),
    /// This customer, or staff that he invited; the customer is the person of the jumps.
    Customer(CustomerId),
}

/// The caller of one RPC, from its credential alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Caller {
    /// Nobody in particular.
    Anonymous,
    /// Somebody of the service itself; belongs to no tenant.
    Operator {
        /// The subject of the credential.
        subject: SubjectId,
    },
    /// Somebody of a tenant.
    Tenant {
        /// The tenant that the credential is for.
        tenant: TenantId,
        /// What he is there.
        role: TenantRole,
        /// The subject of the credential: the human at the screen, or a machine.
        subject: SubjectId,
    },
    /// A target that redeems what is addressed to it.
    Target {
        /// The target.
        audience: TargetId,
        /// The subject of the credential.
        subject: SubjectId,
    },
}

impl Caller {
    /// The role that the caller acts in; `None` for nobody in particular.
    #[must_use]
    pub const fn role(&self) -> Option<Role> {
        match self {
            Self::Anonymous => None,
            Self::Operator { .. } => Some(Role::Operator),
            Self::Target { .. } => Some(Role::Target),
            Self::Tenant { role, .. } => Some(match role {
                TenantRole::Admin => Role::Admin,
                TenantRole::Portal => Role::Portal,
                TenantRole::Broker(_) => Role::Broker,
                TenantRole::Customer(_) => Role::Customer,
            }),
        }
    }

    /// The subject of the credential; `None` for nobody in particular.
    #[must_use]
    pub const fn subject(&self) -> Option<&SubjectId> {
        match self {
            Self::Anonymous => None,
            Self::Operator { subject } | Self::Tenant { subject, .. } | Self::Target { subject, .. } => Some(subject),
        }
    }
}

/// How a call ended, in words of the contract: fit for logs and for labels of metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ending {
    /// The name of the status code: `OK`, `NOT_FOUND`.
    pub code: &'static str,
    /// The reason, as it stands in the status; `None` where all is well, and where the library refused by itself.
    pub reason: Option<&'static str>,
}

impl Ending {
    /// The word for why it was not answered well: its reason, else its code. `None` where all is well.
    #[must_use]
    pub fn refusal(&self) -> Option<&'static str> {
        self.reason.or_else(|| (self.code != Self::OK).then_some(self.code))
    }

    /// The code of a call that was answered well.
    pub const OK: &str = "OK";
}

/// Why a call ends before its handler answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Denial {
    /// There is no metadata `authorization`.
    #[error("there is no credential")]
    CredentialMissing,
    /// The credential is not one bearer token, or not one that we accept.
    #[error("the credential is not acceptable")]
    CredentialInvalid,
    /// The credential was good once.
    #[error("the credential has expired")]
    CredentialExpired,
    /// The credential is bound to a client's certificate, and the connection has another one or none.
    #[error("the credential is bound to another certificate than that of the connection")]
    CredentialBinding,
    /// The credential may be good, but the keys of its issuer cannot be had.
    #[error("the keys of the credential's issuer cannot be had")]
    IssuerUnavailable,
    /// The caller is known, and the method is not for his role.
    #[error("the role may not call this method")]
    Role,
    /// The caller is known, and names a tenant that his credential is not for.
    #[error("the credential is not for this tenant")]
    Tenant,
    /// The policy table has no such method.
    #[error("there is no such method")]
    UnknownMethod,
    /// The request says that it is compressed; none is unpacked.
    #[error("compressed requests are not taken")]
    EncodingUnsupported,
    /// The refusal of a known caller could not be written to the audit log; he does not learn more than that.
    #[error("the refusal could not be written to the audit log")]
    AuditUnavailable,
    /// The database was not reached yet since the service started.
    #[error("the database was not reached yet")]
    StorageUnavailable,
    /// The clock stands before what was seen already: nothing that rests on time is to be believed.
    #[error("the clock stands before what was seen")]
    ClockBehind {
        /// By how much.
        by: Duration,
    },
    /// The tenant, target or operator calls this method too often.
    #[error("the method is called too often")]
    TooOften {
        /// How long to wait for the next call.
        wait: Duration,
    },
    /// More calls are in flight than the service takes.
    #[error("more calls are in flight than are taken")]
    Overloaded,
    /// Our time for the call is over. An effect that was under way may still happen.
    #[error("the time for the call is over")]
    Deadline,
}
