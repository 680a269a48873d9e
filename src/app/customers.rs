//! Customers, their own users and the users they share.

use super::{App, Call, Failure, done};
use crate::domain::audit::{Action, AuditObject};
use crate::domain::customer::{AccessChange, Customer, CustomerAccess, CustomerEntry, PutCounts};
use crate::domain::error::Version;
use crate::domain::ids::{CustomerId, UserId};
use crate::domain::jump::PersonId;
use crate::domain::page::{Page, PageRequest};

impl App {
    /// Puts records of customers, at most 1 000, each id once.
    ///
    /// # Errors
    /// Only when the store fails.
    pub async fn put_customers(&self, call: &Call, entries: &[CustomerEntry]) -> Result<PutCounts, Failure> {
        let effect = self.tenant_effect(call, Action::PutCustomers, None).await?;
        done(self.store.put_customers(call.tenant()?, &effect, entries).await?)
    }

    /// Reads a customer's record.
    ///
    /// # Errors
    /// Refused: `NotFound`.
    pub async fn get_customer(&self, call: &Call, customer: &CustomerId) -> Result<Customer, Failure> {
        self.found(call, self.store.get_customer(self.known_tenant(call).await?, customer).await?).await
    }

    /// Lists customers by id, those with one own user or all.
    ///
    /// # Errors
    /// Only when the store fails.
    pub async fn list_customers(
        &self,
        call: &Call,
        own_user: Option<&UserId>,
        page: &PageRequest,
    ) -> Result<Page<Customer>, Failure> {
        Ok(self.store.list_customers(self.known_tenant(call).await?, own_user, page).await?)
    }

    /// Forgets a customer (`docs/domain.md#erasure`). A repeated request changes nothing and makes nobody known.
    ///
    /// # Errors
    /// Refused: `NotFound`.
    pub async fn erase_customer(&self, call: &Call, customer: &CustomerId) -> Result<(), Failure> {
        let person = PersonId::Customer(customer.clone());
        let effect = self.tenant_effect_leaving_no_trace_of(call, &person, Action::EraseCustomer, None).await?;
        done(self.store.erase_customer(call.tenant()?, &effect, customer).await?)
    }

    /// Gives a customer an own user, or takes it away.
    ///
    /// # Errors
    /// Refused: `NotFound`, `EtagMismatch`, `EndkundeRequired`.
    pub async fn assign_user(
        &self,
        call: &Call,
        customer: &CustomerId,
        version: Version,
        user: Option<&UserId>,
    ) -> Result<Customer, Failure> {
        // The object is the con:center user; the customer stands in the log as a pseudonym.
        let object = user.map(AuditObject::new);
        let person = PersonId::Customer(customer.clone());
        // Whoever has no record, erased or never there, is refused, and must not be kept by that.
        let has_record = self.store.get_customer(call.tenant()?, customer).await?.is_some();
        let effect = if has_record {
            self.tenant_effect_on(call, &person, Action::AssignUser, object).await?
        } else {
            self.tenant_effect_leaving_no_trace_of(call, &person, Action::AssignUser, object).await?
        };
        done(self.store.assign_user(call.tenant()?, &effect, customer, version, user).await?)
    }

    /// Reads the shared users.
    ///
    /// # Errors
    /// Refused: `NotFound`.
    pub async fn get_customer_access(&self, call: &Call) -> Result<CustomerAccess, Failure> {
        self.found(call, self.store.get_customer_access(self.known_tenant(call).await?).await?).await
    }

    /// Changes the shared users.
    ///
    /// # Errors
    /// Refused: `NotFound`, `EtagMismatch`, `EndkundeRequired`.
    pub async fn update_customer_access(
        &self,
        call: &Call,
        version: Version,
        change: &AccessChange,
    ) -> Result<CustomerAccess, Failure> {
        let effect = self.tenant_effect(call, Action::UpdateCustomerAccess, None).await?;
        done(self.store.update_customer_access(call.tenant()?, &effect, version, change).await?)
    }
}
