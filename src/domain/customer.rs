//! Customers (Versicherungsnehmer) and the con:center users they share.

use super::change::Change;
use super::error::Version;
use super::ids::{CustomerId, UserId};
use super::time::Timestamp;

/// The segment of a customer; it decides which shared user he gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Segment {
    /// Private customer (Privatkunde).
    Private,
    /// Commercial customer (Gewerbekunde).
    Commercial,
}

/// The record of a customer. There is no name in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Customer {
    /// The portal's id.
    pub customer_id: CustomerId,
    /// His segment.
    pub segment: Segment,
    /// His own con:center user, if an administrator assigned one; always of kind `EndCustomer`.
    pub user_id: Option<UserId>,
    /// When the record was made.
    pub created_at: Timestamp,
    /// When it was last edited.
    pub updated_at: Timestamp,
    /// The etag.
    pub version: Version,
}

/// What a portal tells of a customer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CustomerEntry {
    /// The portal's id.
    pub customer_id: CustomerId,
    /// His segment.
    pub segment: Segment,
}

/// What putting a batch of customers did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PutCounts {
    /// Records that were not there before.
    pub created: u64,
    /// Records whose segment is another one now.
    pub changed: u64,
    /// Records that were the same already; they were not touched.
    pub unchanged: u64,
}

/// The tenant's con:center users for customers (Kundenzugang).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CustomerAccess {
    /// The user that all private customers share.
    pub private_user_id: Option<UserId>,
    /// The user that all commercial customers share.
    pub commercial_user_id: Option<UserId>,
    /// Whether commercial customers get the private one where no commercial one is set.
    pub commercial_falls_back: bool,
    /// The etag.
    pub version: Version,
}

/// A change of [`CustomerAccess`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AccessChange {
    /// The user that all private customers share; `Set(None)` takes it out.
    pub private_user_id: Change<Option<UserId>>,
    /// The user that all commercial customers share; `Set(None)` takes it out.
    pub commercial_user_id: Change<Option<UserId>>,
    /// Whether commercial customers fall back to the private one.
    pub commercial_falls_back: Change<bool>,
}
