//! What administrators, portals and operators keep: con:center users, activations, customers, tenants, the catalogue.

mod assignments;
mod catalog;
mod kinds;
mod requests;
mod users;
