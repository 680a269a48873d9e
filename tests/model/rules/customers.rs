//! Customers, their own users and those that they share (`docs/domain.md#customer-jump`), and forgetting one.

use concenter_gateway::proto::v1;
use concenter_gateway::proto::v1::{PersonKind, UserKind};

use super::{Done, Refused, check_etag, not_found};
use crate::call::{Answer, Call, Request, Who};
use crate::command::CUSTOMERS;
use crate::state::{Customer, Model, SECOND, Tenant, Thing};

/// The longest that a session lasts: 8 h.
const LONGEST_SESSION: i64 = 8 * 60 * 60 * SECOND;

/// Whether the session of a jump that was redeemed then may still last.
pub(super) const fn may_last(redeemed_at: i64, now: i64) -> bool {
    redeemed_at + LONGEST_SESSION > now
}

impl Tenant {
    pub(super) fn put_customers(&mut self, now: i64, request: &v1::PutCustomersRequest) -> Thing {
        let (mut created, mut changed, mut unchanged) = (0, 0, 0);
        for record in &request.customers {
            let segment = record.segment();
            match self.customers.get_mut(&record.customer_id) {
                Some(customer) if customer.segment == segment => {
                    unchanged += 1;
                    continue;
                }
                Some(customer) => {
                    changed += 1;
                    customer.segment = segment;
                    customer.version += 1;
                    customer.updated_at = now;
                }
                None => {
                    created += 1;
                    let new = Customer { segment, user: None, created_at: now, updated_at: now, version: 1 };
                    self.customers.insert(record.customer_id.clone(), new);
                }
            }
            self.kill_jumps_of(&record.customer_id);
        }
        Thing::Counts(created, changed, unchanged)
    }

    /// Checks that a user, if one is named, is there; gives whether customers may have it.
    fn is_for_customers(&self, user: Option<&str>) -> Result<bool, Refused> {
        match user {
            None => Ok(true),
            Some(id) => Ok(self.users.get(id).ok_or_else(not_found)?.kind == UserKind::EndCustomer),
        }
    }

    pub(super) fn assign_user(&mut self, now: i64, request: &v1::AssignUserRequest) -> Done {
        let id = &request.customer_id;
        let customer = self.customers.get(id).ok_or_else(not_found)?;
        let is_for_customers = self.is_for_customers(request.user_id.as_deref())?;
        check_etag(customer.version, &request.etag)?;
        if !is_for_customers {
            return Err(Refused::plain("ENDKUNDE_REQUIRED"));
        }
        if customer.user != request.user_id {
            let customer = self.customers.get_mut(id).expect("a customer");
            customer.user.clone_from(&request.user_id);
            customer.version += 1;
            customer.updated_at = now;
            self.kill_jumps_of(id);
        }
        Ok(Thing::Customer(id.clone()))
    }

    pub(super) fn update_access(&mut self, request: &v1::UpdateCustomerAccessRequest) -> Done {
        let mut access = self.access.clone();
        let slot = |id: &String| Some(id.clone()).filter(|id| !id.is_empty());
        if let Some(id) = &request.private_user_id {
            access.private = slot(id);
        }
        if let Some(id) = &request.commercial_user_id {
            access.commercial = slot(id);
        }
        if let Some(falls_back) = request.commercial_falls_back_to_private {
            access.falls_back = falls_back;
        }
        let private = self.is_for_customers(access.private.as_deref())?;
        let commercial = self.is_for_customers(access.commercial.as_deref())?;
        check_etag(self.access.version, &request.etag)?;
        if !private || !commercial {
            return Err(Refused::plain("ENDKUNDE_REQUIRED"));
        }
        if access != self.access {
            access.version += 1;
            self.access = access;
            self.kill_jumps();
        }
        Ok(Thing::Access)
    }

    /// The answer to an effect on customers.
    pub(super) fn answer_on_customers(&self, request: &Request, thing: &Thing) -> Option<Answer> {
        Some(match (request, thing) {
            (Request::PutCustomers(_), Thing::Counts(created, changed, unchanged)) => {
                let (created, changed, unchanged) = (*created, *changed, *unchanged);
                Answer::PutCustomers(v1::PutCustomersResponse { created, changed, unchanged })
            }
            (Request::AssignUser(_), Thing::Customer(id)) => {
                let customer = Some(self.customers.get(id)?.out(id));
                Answer::AssignUser(v1::AssignUserResponse { customer })
            }
            (Request::EraseCustomer(_), Thing::Nothing) => Answer::EraseCustomer(v1::EraseCustomerResponse {}),
            (Request::UpdateAccess(_), Thing::Access) => {
                let customer_access = Some(self.access_out());
                Answer::UpdateAccess(v1::UpdateCustomerAccessResponse { customer_access })
            }
            _ => return None,
        })
    }
}

impl Model {
    /// Forgets a customer: nothing that is kept leads to him, and nothing of his is open any more.
    pub(super) fn erase_customer(&mut self, side: usize, customer: &str) -> Done {
        let now = self.now;
        let tenant = &mut self.sides[side];
        let mut was_known = tenant.customers.remove(customer).is_some();
        was_known |= tenant.salted.remove(customer);
        for jump in tenant.jumps.values_mut() {
            let is_his = jump.person_kind == PersonKind::Customer && jump.person == customer;
            if !is_his && jump.customer_context.as_deref() != Some(customer) {
                continue;
            }
            was_known = true;
            if jump.redeemed_at.is_none() {
                jump.revoked_at = jump.revoked_at.or(Some(now));
            }
            if is_his {
                if jump.redeemed_at.is_some_and(|redeemed_at| may_last(redeemed_at, now)) {
                    jump.session_revoked_at = jump.session_revoked_at.or(Some(now));
                }
                jump.person = String::new();
                jump.actor = None;
                jump.nonce = None;
            }
            jump.customer_context = None;
            jump.context = None;
            jump.return_url = None;
            jump.page = None;
        }
        self.forget_requests(side, customer);
        if was_known { Ok(Thing::Nothing) } else { Err(not_found()) }
    }

    /// Forgets who asked for the jumps of a customer, and what was asked where somebody worked for him.
    fn forget_requests(&mut self, side: usize, customer: &str) {
        let scope = self.sides[side].id.clone();
        let jumps = &self.sides[side].jumps;
        let is_erased = |thing: &Thing| match thing {
            Thing::Jump(id) => {
                jumps.get(id).is_some_and(|jump| jump.person_kind == PersonKind::Customer && jump.person.is_empty())
            }
            _ => false,
        };
        self.requests.retain(|(tenant, ..), handled| *tenant != scope || !is_erased(&handled.thing));
        for ((tenant, ..), handled) in &mut self.requests {
            let context = match &handled.request {
                Some(Request::JumpToTarif(request)) => request.customer_context_id.as_deref(),
                Some(Request::JumpToPortal(request)) => request.customer_context_id.as_deref(),
                _ => None,
            };
            if *tenant == scope && context == Some(customer) {
                handled.request = None;
            }
        }
    }
}

/// The customer that a call comes from, if it does.
pub(super) const fn calling_customer(call: &Call) -> Option<&'static str> {
    match call.who {
        Who::Customer(at) | Who::Staff(at) => Some(CUSTOMERS[at]),
        _ => None,
    }
}
