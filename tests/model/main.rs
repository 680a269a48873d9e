//! What holds after every sequence of calls (`docs/catalogue.md#invariants`), shown by a model.
//!
//! Beside the real service, over a socket and with a real database, runs a model of two tenants: maps, and the rules of
//! `docs/domain.md` written a second time without a look at the service's own. Random sequences of commands are played on
//! both. After each step the answer, everything that reads tell of both tenants, and the audit log must be what the model
//! says.
//!
//! - [`command`]: what may be tried, and the random sequences of it; [`aim`] makes a call of a command, in the state that the
//!   model is in; [`spoil`] puts a call out of bounds.
//! - [`state`] is the model, [`rules`] how a call changes it and what it answers.
//! - [`play`] makes the calls and compares; [`observe`] reads everything; [`run`] plays many sequences at once and makes a
//!   failing one short.
//!
//! `CONCENTER_SEQUENCES` says how many sequences are played, `CONCENTER_SEED` with which they begin: a failure tells its
//! seed. On SQLite; `tests/model_postgres` is the same on PostgreSQL. One more RPC: a line in [`call`], a command, its rule, and what is read of it in [`observe`].
#![cfg(test)]
#![expect(unreachable_pub, reason = "one binary: what the harness shows to its neighbours is reachable nowhere else")]

pub(crate) mod aim;
#[expect(dead_code, unused_imports, reason = "the harness has more for the tests of the API")]
#[path = "../api"]
mod api {
    pub mod harness;
}
pub(crate) mod call;
pub(crate) mod command;
mod failing;
pub(crate) mod observe;
pub(crate) mod play;
mod properties;
pub(crate) mod rules;
pub(crate) mod run;
pub(crate) mod spoil;
pub(crate) mod state;

#[path = "../support/postgres/mod.rs"]
pub mod support;

pub(crate) use api::harness;
