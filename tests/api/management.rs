//! What administrators, portals and operators keep: con:center users, activations, customers, tenants, the catalogue.

mod activations;
mod assignments;
mod attests;
mod audit;
mod catalog;
mod customers;
mod deletes;
mod effects;
mod erasure;
mod etags;
mod history;
mod kinds;
mod limits;
mod log;
mod masks;
mod replays;
mod requests;
mod revokes;
mod roles;
mod settings;
mod strangers;
mod switches;
mod tenants;
mod transport;
mod updates;
mod users;
