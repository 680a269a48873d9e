//! What the audit log keeps of an effect: who, what, on what, with what outcome. Never a secret or a name.

use std::fmt;

use super::caller::Role;
use super::error::Reason;
use super::ids::{AuditId, RequestId};
use super::time::Timestamp;

/// A human, in the audit log: HMAC(his salt, his id).
///
/// Whoever has the salt can find a person's rows; with the salt deleted nobody can, and the log stays whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Pseudonym(pub [u8; 32]);

/// The random salt of one person, 32 bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Salt(pub [u8; 32]);

impl fmt::Debug for Salt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // With it a person's rows can be found: it is not for logs.
        f.write_str("Salt(..)")
    }
}

/// A kind of name that somebody goes by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum AuditedKind {
    /// A portal's id of a broker.
    Broker,
    /// A portal's id of a customer.
    Customer,
    /// The subject of a credential, or a portal's id of the human at the screen.
    Subject,
}

/// Somebody whom the audit log must be able to tell apart, and to forget.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AuditedPerson {
    /// What kind of name it is.
    pub kind: AuditedKind,
    /// The name, 1 to 128 characters.
    pub id: String,
}

/// What was done or tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// A tenant was made.
    CreateTenant,
    /// A tenant got another name.
    UpdateTenant,
    /// A tenant was stopped.
    StopTenant,
    /// A tenant was started again.
    StartTenant,
    /// A tenant was deleted.
    DeleteTenant,
    /// The deletion of a tenant was taken back.
    UndeleteTenant,
    /// The keys of a deleted tenant were destroyed.
    DestroyTenant,
    /// A product provider was put.
    PutProvider,
    /// A product provider was disabled.
    DisableProvider,
    /// A product provider was enabled.
    EnableProvider,
    /// A target was put.
    PutTarget,
    /// A target was disabled.
    DisableTarget,
    /// A target was enabled.
    EnableTarget,
    /// A return URL was put.
    PutReturnUrl,
    /// A return URL was disabled.
    DisableReturnUrl,
    /// A return URL was enabled.
    EnableReturnUrl,
    /// A con:center user was made.
    CreateUser,
    /// A con:center user was changed.
    UpdateUser,
    /// A con:center user got a secret.
    SetUserSecret,
    /// Standard was moved to a con:center user.
    SetStandardUser,
    /// A con:center user was marked Endkunde: the caller vouches for how it is set up at con:center.
    MarkEndCustomer,
    /// A con:center user lost the mark Endkunde.
    UnmarkEndCustomer,
    /// It was noted that con:center itself has a user as Endkunde: the caller vouches for it, here and below.
    AttestEndCustomerYes,
    /// It was noted that con:center itself does not have a user as Endkunde.
    AttestEndCustomerNo,
    /// It was noted that nobody knows what con:center itself says of a user.
    AttestEndCustomerUnknown,
    /// A con:center user was disabled.
    DisableUser,
    /// A con:center user was enabled.
    EnableUser,
    /// A con:center user was deleted.
    DeleteUser,
    /// A broker activation was made.
    CreateActivation,
    /// A broker activation was changed.
    UpdateActivation,
    /// A broker activation was disabled.
    DisableActivation,
    /// A broker activation was enabled.
    EnableActivation,
    /// A broker activation was deleted.
    DeleteActivation,
    /// Records of customers were put.
    PutCustomers,
    /// A customer got an own con:center user, or lost it.
    AssignUser,
    /// A customer was forgotten.
    EraseCustomer,
    /// The shared users were changed.
    UpdateCustomerAccess,
    /// The tenant's settings were changed.
    UpdateSettings,
    /// A jump was issued.
    IssueJump,
    /// A repeated request got the token of its jump again.
    RepeatJump,
    /// A decision was explained.
    ExplainJump,
    /// It was thought through what another Standard user would do.
    SimulateStandardUser,
    /// It was thought through what another shared private user would do, or none.
    SimulatePrivateUser,
    /// It was thought through what another shared commercial user would do, or none.
    SimulateCommercialUser,
    /// It was thought through what a user without the mark Endkunde would do.
    SimulateUnmarkEndCustomer,
    /// It was thought through what disabling a user would do.
    SimulateDisableUser,
    /// It was thought through what a user without one of its product providers would do.
    SimulateRemoveProvider,
    /// It was thought through what disabling a product provider would do.
    SimulateDisableProvider,
    /// The isolation report was read.
    ReportIsolation,
    /// A jump was redeemed.
    RedeemJump,
    /// The target told that the login of a redeemed jump succeeded.
    ReportLoginSucceeded,
    /// The target told that the login of a redeemed jump failed.
    ReportLoginFailed,
    /// The password of a con:center user became suspect by what a target told: a row of its own, beside that of the report.
    SuspectCredential,
    /// Jumps were revoked.
    RevokeJumps,
    /// A signing key was made, because it is time.
    CreateKey,
    /// The next signing key signs as soon as it may.
    RotateKey,
    /// A signing key was revoked, and with it every open jump.
    RevokeKey,
    /// The private half of a signing key was overwritten, because its time is over.
    RemoveKey,
    /// A key-encryption key was made known to the database.
    AddKek,
    /// A key-encryption key was made the one that wraps whatever is new.
    ActivateKek,
    /// Data keys were wrapped anew under the key-encryption key that is the object.
    RewrapKeys,
    /// A key-encryption key was retired: nothing is under it any more.
    RetireKek,
    /// The database came back from a backup, and every tenant with it.
    RestoreService,
    /// Rows of the log were dropped because their time was over; the object is the last place of the chain that went.
    DropAuditEntries,
    /// A credential was used for a method, tenant or resource that it is not for.
    Call,
}

impl Action {
    /// The action as the log spells it: noun, dot, verb.
    #[must_use]
    #[expect(clippy::too_many_lines, reason = "a table: a line for each action")]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CreateTenant => "tenant.create",
            Self::UpdateTenant => "tenant.update",
            Self::StopTenant => "tenant.stop",
            Self::StartTenant => "tenant.start",
            Self::DeleteTenant => "tenant.delete",
            Self::UndeleteTenant => "tenant.undelete",
            Self::DestroyTenant => "tenant.destroy",
            Self::DropAuditEntries => "audit.drop",
            Self::PutProvider => "provider.put",
            Self::DisableProvider => "provider.disable",
            Self::EnableProvider => "provider.enable",
            Self::PutTarget => "target.put",
            Self::DisableTarget => "target.disable",
            Self::EnableTarget => "target.enable",
            Self::PutReturnUrl => "return_url.put",
            Self::DisableReturnUrl => "return_url.disable",
            Self::EnableReturnUrl => "return_url.enable",
            Self::CreateUser => "user.create",
            Self::UpdateUser => "user.update",
            Self::SetUserSecret => "user.set_secret",
            Self::SetStandardUser => "user.set_standard",
            Self::MarkEndCustomer => "user.mark_end_customer",
            Self::UnmarkEndCustomer => "user.unmark_end_customer",
            Self::AttestEndCustomerYes => "user.attest_end_customer_yes",
            Self::AttestEndCustomerNo => "user.attest_end_customer_no",
            Self::AttestEndCustomerUnknown => "user.attest_end_customer_unknown",
            Self::DisableUser => "user.disable",
            Self::EnableUser => "user.enable",
            Self::DeleteUser => "user.delete",
            Self::CreateActivation => "activation.create",
            Self::UpdateActivation => "activation.update",
            Self::DisableActivation => "activation.disable",
            Self::EnableActivation => "activation.enable",
            Self::DeleteActivation => "activation.delete",
            Self::PutCustomers => "customer.put",
            Self::AssignUser => "customer.assign_user",
            Self::EraseCustomer => "customer.erase",
            Self::UpdateCustomerAccess => "customer_access.update",
            Self::UpdateSettings => "settings.update",
            Self::IssueJump => "jump.issue",
            Self::RepeatJump => "jump.repeat",
            Self::ExplainJump => "jump.explain",
            Self::SimulateStandardUser => "user.simulate_standard",
            Self::SimulatePrivateUser => "customer_access.simulate_private",
            Self::SimulateCommercialUser => "customer_access.simulate_commercial",
            Self::SimulateUnmarkEndCustomer => "user.simulate_unmark_end_customer",
            Self::SimulateDisableUser => "user.simulate_disable",
            Self::SimulateRemoveProvider => "user.simulate_remove_provider",
            Self::SimulateDisableProvider => "provider.simulate_disable",
            Self::ReportIsolation => "tenant.report_isolation",
            Self::RedeemJump => "jump.redeem",
            Self::ReportLoginSucceeded => "jump.report_succeeded",
            Self::ReportLoginFailed => "jump.report_failed",
            Self::SuspectCredential => "user.credential_suspect",
            Self::RevokeJumps => "jump.revoke",
            Self::CreateKey => "key.create",
            Self::RotateKey => "key.rotate",
            Self::RevokeKey => "key.revoke",
            Self::RemoveKey => "key.remove",
            Self::AddKek => "kek.add",
            Self::ActivateKek => "kek.activate",
            Self::RewrapKeys => "kek.rewrap",
            Self::RetireKek => "kek.retire",
            Self::RestoreService => "service.restore",
            Self::Call => "call",
        }
    }
}

/// What an effect is on. Objects are ids of ours or keys of the catalogue, never a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditObject(String);

impl AuditObject {
    /// The object of an id that the service made or of a key of the catalogue.
    #[must_use]
    pub fn new(id: &impl ToString) -> Self {
        Self(id.to_string())
    }

    /// The id or key.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// In what role something was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AuditedRole {
    /// By a caller, in this role.
    Caller(Role),
    /// By the service itself, because it was time.
    Service,
}

impl AuditedRole {
    /// The role as the log spells it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Caller(role) => role.as_str(),
            Self::Service => "service",
        }
    }
}

impl From<Role> for AuditedRole {
    fn from(role: Role) -> Self {
        Self::Caller(role)
    }
}

/// A row of the audit log before its outcome is known; the store adds that, in the effect's transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    /// Its id.
    pub audit_id: AuditId,
    /// When.
    pub at: Timestamp,
    /// The role that it was done in.
    pub role: AuditedRole,
    /// The subject of the caller's credential.
    pub caller: Pseudonym,
    /// The human at the screen, where he is not the person.
    pub actor: Option<Pseudonym>,
    /// The person that the effect is about.
    pub person: Option<Pseudonym>,
    /// What was done or tried.
    pub action: Action,
    /// What it is on.
    pub object: Option<AuditObject>,
    /// The caller's id of the request.
    pub request_id: Option<RequestId>,
}

impl AuditEntry {
    /// The row of something else that the same call did, to another object.
    #[must_use]
    pub fn beside(&self, audit_id: AuditId, action: Action, object: AuditObject) -> Self {
        Self { audit_id, action, object: Some(object), ..self.clone() }
    }
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuditOutcome {
    /// It was done.
    Accepted,
    /// Nothing was changed, for this reason.
    Refused(Reason),
}
