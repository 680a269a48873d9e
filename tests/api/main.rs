//! The catalogue of bad input (`docs/catalogue.md`), and what every caller may rely on, against the real service: over a
//! socket, with a database of its own for each test.
//!
//! A test is named after what it claims and cites the ids of the cases it shows. One more RPC: a case in the file of its
//! noun, and a good request in `harness/stage`.
//!
//! On SQLite; `tests/api_postgres` is the same on PostgreSQL.
#![cfg(test)]
#![expect(unreachable_pub, reason = "one binary: what the harness shows to its neighbours is reachable nowhere else")]

mod auth;
pub(crate) mod canary;
mod clock;
mod enumeration;
mod explain;
pub(crate) mod harness;
pub(crate) mod http;
mod isolation;
mod issuers;
mod jump;
mod keys;
mod landing;
mod limits;
mod management;
mod resolve;
mod retention;
mod simulate;
mod telemetry;

#[path = "../support/issuer/mod.rs"]
pub mod issuer;
#[path = "../support/otlp/mod.rs"]
pub mod otlp;
#[path = "../support/postgres/mod.rs"]
pub mod support;
