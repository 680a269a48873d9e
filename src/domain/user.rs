//! Con:center users (con:center Benutzer): the accounts that a tenant jumps with.

use super::change::Change;
use super::error::Version;
use super::ids::{SubjectId, UserId};
use super::provider::{ProviderScope, State};
use super::text::{EmailAddress, Line, UserName};
use super::time::Timestamp;

/// What a con:center user is for. One value, because Standard and Endkunde exclude each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum UserKind {
    /// Carries the transfers (radio button Standard). At most one of a tenant; never jumps.
    Standard,
    /// A broker's personal user.
    Broker,
    /// Shared by customers (check box Endkunde).
    EndCustomer,
}

/// What is known of a user's secret. Never the secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SecretState {
    /// How often it was set; 0 means never.
    pub version: i64,
    /// When it was last set; `None` means that there is none.
    pub set_at: Option<Timestamp>,
}

impl SecretState {
    /// The state of a user whose secret was never set.
    pub const NONE: Self = Self { version: 0, set_at: None };

    /// Tells whether there is a secret to jump with.
    #[must_use]
    pub const fn is_set(self) -> bool {
        self.set_at.is_some()
    }
}

/// From where it is known what con:center itself says of a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ReportSource {
    /// From an import.
    Import,
    /// From an administrator, who looked it up there.
    Attestation,
}

/// From where, since when and by whom it is known what con:center itself says of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// When it was last said.
    pub at: Timestamp,
    /// From where it is known.
    pub source: ReportSource,
    /// The subject of his credential who said it.
    pub by: SubjectId,
}

/// When and by whom a user was marked Endkunde.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndCustomerMark {
    /// When.
    pub at: Timestamp,
    /// The subject of his credential who did.
    pub by: SubjectId,
}

/// How logins with a user's secret went under his name, as targets tell it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LoginHealth {
    /// When the jump was redeemed whose login succeeded last.
    pub last_succeeded_at: Option<Timestamp>,
    /// When the jump was redeemed whose login failed last.
    pub last_failed_at: Option<Timestamp>,
    /// Since when the secret is suspect: [`MOST_FAILED_LOGINS`](super::session::MOST_FAILED_LOGINS) in a row failed with it.
    pub suspect_since: Option<Timestamp>,
}

/// A con:center user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConcenterUser {
    /// Its id; never used again.
    pub user_id: UserId,
    /// Its name at con:center, unique within the tenant.
    pub name: UserName,
    /// What it is for.
    pub kind: UserKind,
    /// A disabled user is refused for every jump, at once.
    pub state: State,
    /// The product providers that it supports. Of an Endkunde user always a list.
    pub scope: ProviderScope,
    /// For people.
    pub display_name: Option<Line>,
    /// Where notices about its transfers go.
    pub notification_email: Option<EmailAddress>,
    /// Whether con:center itself reports the user as Endkunde; `None` if it has not said.
    pub reported_end_customer: Option<bool>,
    /// Who says so; `None` if nobody ever did, or it is not known.
    pub report: Option<Report>,
    /// Who marked it Endkunde; `None` if it is not, or it is not known.
    pub end_customer_mark: Option<EndCustomerMark>,
    /// How logins with its secret went. They do not move the etag.
    pub logins: LoginHealth,
    /// What is known of its secret.
    pub secret: SecretState,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last edited.
    pub updated_at: Timestamp,
    /// The etag.
    pub version: Version,
}

impl ConcenterUser {
    /// Tells whether what con:center says of the user is unknown again once it is called `name`: another name is another account
    /// there. That one is no Endkunde stays, since it only ever refuses.
    #[must_use]
    pub fn forgets_report_as(&self, name: &UserName) -> bool {
        self.is_another_account_as(name) && self.reported_end_customer != Some(false)
    }

    /// Tells whether the user is Endkunde here, and con:center says that it is not.
    #[must_use]
    pub fn is_denied_endkunde(&self) -> bool {
        self.kind == UserKind::EndCustomer && self.reported_end_customer == Some(false)
    }

    /// Tells whether the user is another account at con:center once it is called `name`.
    #[must_use]
    pub fn is_another_account_as(&self, name: &UserName) -> bool {
        name.key() != self.name.key()
    }
}

/// What a new con:center user starts with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewUser {
    /// Its id.
    pub user_id: UserId,
    /// Its name at con:center.
    pub name: UserName,
    /// What it is for.
    pub kind: UserKind,
    /// The product providers that it supports.
    pub scope: ProviderScope,
    /// For people.
    pub display_name: Option<Line>,
    /// Where notices go.
    pub notification_email: Option<EmailAddress>,
    /// Its secret, sealed for version 1 of this user; `None` if it is set later.
    pub sealed_secret: Option<SealedSecret>,
}

/// A change of a con:center user. State, secret, Standard and Endkunde are changed by themselves.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UserChange {
    /// Its name at con:center; a decision rests on it.
    pub name: Change<UserName>,
    /// The product providers that it supports; a decision rests on them.
    pub scope: Change<ProviderScope>,
    /// For people.
    pub display_name: Change<Option<Line>>,
    /// Where notices go.
    pub notification_email: Change<Option<EmailAddress>>,
}

/// A new secret for a con:center user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretChange {
    /// The secret, sealed for `version`.
    pub sealed: SealedSecret,
    /// Which one it is; must be the user's next.
    pub version: i64,
}

/// A change of whether a con:center user is marked Endkunde.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndCustomerChange {
    /// The mark afterwards.
    pub end_customer: bool,
    /// The scope afterwards; `None` leaves it.
    pub scope: Option<ProviderScope>,
}

/// A secret as the store keeps it: encrypted, bound to its row and version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedSecret(pub Vec<u8>);
