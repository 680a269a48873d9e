//! `CustomerService`: customers, their own con:center users and those that they share.

use std::collections::HashSet;

use tonic::Request;

use super::convert::{Fields, Read, both, count, etag, segment, segment_out, timestamp};
use super::desk::{Answer, Desk};
use super::page::filter;
use crate::app::MOST_CUSTOMERS_AT_ONCE;
use crate::app::pages::List;
use crate::domain::change::Change;
use crate::domain::customer::{AccessChange, Customer, CustomerAccess, CustomerEntry};
use crate::domain::error::Version;
use crate::domain::ids::{CustomerId, UserId};
use crate::proto::v1;
use crate::proto::v1::customer_service_server::CustomerService;

/// The service.
pub(super) struct Customers {
    pub(super) desk: Desk,
}

#[tonic::async_trait]
impl CustomerService for Customers {
    async fn put_customers(&self, request: Request<v1::PutCustomersRequest>) -> Answer<v1::PutCustomersResponse> {
        let (call, entries) = self.desk.effect(request, |fields, message| entries(fields, &message.customers))?;
        let counts = self.desk.checked(self.desk.app.put_customers(&call, &entries).await)?;
        let answer = v1::PutCustomersResponse {
            created: count(counts.created),
            changed: count(counts.changed),
            unchanged: count(counts.unchanged),
        };
        Ok(answer.into())
    }

    async fn get_customer(&self, request: Request<v1::GetCustomerRequest>) -> Answer<v1::GetCustomerResponse> {
        let (call, message) = self.desk.open(request)?;
        let customer =
            self.desk.read(|fields| fields.portal_id("customer_id", CustomerId::parse(&message.customer_id)))?;
        let found = self.desk.checked(self.desk.app.get_customer(&call, &customer).await)?;
        Ok(v1::GetCustomerResponse { customer: Some(customer_out(&found)) }.into())
    }

    async fn list_customers(&self, request: Request<v1::ListCustomersRequest>) -> Answer<v1::ListCustomersResponse> {
        let (call, message) = self.desk.open(request)?;
        let filter = filter(&[message.user_id.as_deref()]);
        let name = "/concenter.v1.CustomerService/ListCustomers";
        let list = List { caller: &call.caller, name, filter: &filter };
        let (user, page) = self.desk.read(|fields| {
            let page = self.desk.page(fields, &list, message.page_size, &message.page_token);
            both(own_user(fields, message.user_id.as_deref()), page)
        })?;
        let rows = self.desk.app.list_customers(&call, user.as_ref(), &page).await;
        let rows = self.desk.checked(rows)?.map(|customer| customer_out(&customer));
        let (customers, next_page_token) = self.desk.page_out(&list, rows, |customer| &customer.customer_id);
        Ok(v1::ListCustomersResponse { customers, next_page_token }.into())
    }

    async fn assign_user(&self, request: Request<v1::AssignUserRequest>) -> Answer<v1::AssignUserResponse> {
        let (call, ((customer, version), user)) = self.desk.effect(request, |fields, message| {
            let customer = fields.portal_id("customer_id", CustomerId::parse(&message.customer_id));
            let version = fields.etag(&message.etag);
            both(both(customer, version), own_user(fields, message.user_id.as_deref()))
        })?;
        let changed = self.desk.app.assign_user(&call, &customer, version, user.as_ref()).await;
        Ok(v1::AssignUserResponse { customer: Some(customer_out(&self.desk.checked(changed)?)) }.into())
    }

    async fn erase_customer(&self, request: Request<v1::EraseCustomerRequest>) -> Answer<v1::EraseCustomerResponse> {
        let (call, customer) = self.desk.effect(request, |fields, message| {
            fields.portal_id("customer_id", CustomerId::parse(&message.customer_id))
        })?;
        self.desk.checked(self.desk.app.erase_customer(&call, &customer).await)?;
        Ok(v1::EraseCustomerResponse {}.into())
    }

    async fn get_customer_access(
        &self,
        request: Request<v1::GetCustomerAccessRequest>,
    ) -> Answer<v1::GetCustomerAccessResponse> {
        let (call, _) = self.desk.open(request)?;
        let found = self.desk.checked(self.desk.app.get_customer_access(&call).await)?;
        Ok(v1::GetCustomerAccessResponse { customer_access: Some(access_out(&found)) }.into())
    }

    async fn update_customer_access(
        &self,
        request: Request<v1::UpdateCustomerAccessRequest>,
    ) -> Answer<v1::UpdateCustomerAccessResponse> {
        let (call, (version, change)) = self.desk.effect(request, |fields, message| access_change(fields, &message))?;
        let changed = self.desk.checked(self.desk.app.update_customer_access(&call, version, &change).await)?;
        Ok(v1::UpdateCustomerAccessResponse { customer_access: Some(access_out(&changed)) }.into())
    }
}

fn entries(fields: &mut Fields, records: &[v1::CustomerRecord]) -> Read<Vec<CustomerEntry>> {
    // Before any of them is looked at: a megabyte holds very many empty records.
    if records.is_empty() || records.len() > MOST_CUSTOMERS_AT_ONCE {
        return fields.refuse("customers", "must be 1 to 1000 records");
    }
    let mut seen = HashSet::with_capacity(records.len());
    fields.each(records, |fields, place, record| {
        let path = format_args!("customers[{place}].customer_id");
        let mut customer_id = fields.portal_id(path, CustomerId::parse(&record.customer_id));
        if customer_id.is_ok() && !seen.insert(record.customer_id.as_str()) {
            customer_id = fields.refuse(path, "must not be the id of an earlier record");
        }
        let segment = fields.word(format_args!("customers[{place}].segment"), record.segment, segment);
        Ok(CustomerEntry { customer_id: customer_id?, segment: segment? })
    })
}

/// Reads the field `user_id`, which may be absent.
fn own_user(fields: &mut Fields, text: Option<&str>) -> Read<Option<UserId>> {
    fields.optional(text, |fields, text| fields.uuid("user_id", UserId::parse(text)))
}

fn access_change(fields: &mut Fields, message: &v1::UpdateCustomerAccessRequest) -> Read<(Version, AccessChange)> {
    let version = fields.etag(&message.etag);
    let private_user_id = slot(fields, "private_user_id", message.private_user_id.as_deref());
    let commercial_user_id = slot(fields, "commercial_user_id", message.commercial_user_id.as_deref());
    let change = AccessChange {
        private_user_id: private_user_id?,
        commercial_user_id: commercial_user_id?,
        commercial_falls_back: message.commercial_falls_back_to_private.map_or(Change::Keep, Change::Set),
    };
    Ok((version?, change))
}

/// What becomes of a shared user: absent keeps it, empty takes it out.
fn slot(fields: &mut Fields, path: &str, text: Option<&str>) -> Read<Change<Option<UserId>>> {
    match text {
        None => Ok(Change::Keep),
        Some("") => Ok(Change::Set(None)),
        Some(text) => fields.uuid(path, UserId::parse(text)).map(|user| Change::Set(Some(user))),
    }
}

fn customer_out(customer: &Customer) -> v1::Customer {
    v1::Customer {
        customer_id: customer.customer_id.to_string(),
        segment: segment_out(customer.segment).into(),
        user_id: user_out(customer.user_id),
        created_at: Some(timestamp(customer.created_at)),
        updated_at: Some(timestamp(customer.updated_at)),
        etag: etag(customer.version),
    }
}

fn access_out(access: &CustomerAccess) -> v1::CustomerAccess {
    v1::CustomerAccess {
        private_user_id: user_out(access.private_user_id),
        commercial_user_id: user_out(access.commercial_user_id),
        commercial_falls_back_to_private: access.commercial_falls_back,
        etag: etag(access.version),
    }
}

/// The id of a user; empty where there is none.
fn user_out(user: Option<UserId>) -> String {
    user.map(|user| user.to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::Failure;

    const USER: &str = "0190f5fe-7c00-7a8d-8d2e-5b1d3f4a5b6c";

    fn record(customer_id: &str, segment: i32) -> v1::CustomerRecord {
        v1::CustomerRecord { customer_id: customer_id.to_owned(), segment }
    }

    fn paths(failure: Failure) -> Vec<String> {
        match failure {
            Failure::Invalid(violations) => violations.into_iter().map(|violation| violation.field).collect(),
            other => panic!("{other}"),
        }
    }

    fn read(records: &[v1::CustomerRecord]) -> Result<usize, Vec<String>> {
        let mut fields = Fields::default();
        let entries = entries(&mut fields, records);
        fields.finish(entries).map(|entries| entries.len()).map_err(paths)
    }

    #[test]
    fn every_bad_record_is_named_by_its_place() {
        let records = [record("c-1", 1), record("c 2", 0), record("c-3", 7), record("c-4", 2)];
        let expected = ["customers[1].customer_id", "customers[1].segment", "customers[2].segment"];
        assert_eq!(read(&records), Err(expected.map(str::to_owned).to_vec()));
    }

    #[test]
    fn a_customer_stands_in_a_batch_once() {
        let records = [record("c-1", 1), record("c-2", 1), record("c-1", 1)];
        assert_eq!(read(&records), Err(vec!["customers[2].customer_id".to_owned()]));
        // Ids are compared as they are: the portal chose them.
        assert_eq!(read(&[record("c-1", 1), record("C-1", 1)]), Ok(2));
    }

    #[test]
    fn a_batch_has_1_to_1000_records() {
        let many = |number: usize| (0..number).map(|i| record(&format!("c-{i}"), 1)).collect::<Vec<_>>();
        assert_eq!(read(&many(0)), Err(vec!["customers".to_owned()]));
        assert_eq!(read(&many(1_000)), Ok(1_000));
        assert_eq!(read(&many(1_001)), Err(vec!["customers".to_owned()]));
    }

    #[test]
    fn absent_keeps_a_shared_user_and_empty_takes_it_out() {
        let message = v1::UpdateCustomerAccessRequest {
            etag: "v1".to_owned(),
            private_user_id: Some(String::new()),
            commercial_user_id: None,
            commercial_falls_back_to_private: Some(false),
            ..Default::default()
        };
        let mut fields = Fields::default();
        let (_, change) = access_change(&mut fields, &message).unwrap();
        let expected = AccessChange {
            private_user_id: Change::Set(None),
            commercial_user_id: Change::Keep,
            commercial_falls_back: Change::Set(false),
        };
        assert_eq!(change, expected);

        let set = v1::UpdateCustomerAccessRequest { commercial_user_id: Some(USER.to_owned()), ..message };
        let (_, change) = access_change(&mut fields, &set).unwrap();
        assert_eq!(change.commercial_user_id, Change::Set(UserId::parse(USER).ok()));
    }

    #[test]
    fn a_change_without_an_etag_is_refused() {
        let mut fields = Fields::default();
        let change = access_change(&mut fields, &v1::UpdateCustomerAccessRequest::default());
        assert_eq!(fields.finish(change).map(|_| ()).map_err(paths), Err(vec!["etag".to_owned()]));
    }
}
