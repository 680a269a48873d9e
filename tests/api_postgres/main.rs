//! The cases of `tests/api` on PostgreSQL: the same modules. The name of this binary says which engine they are played on.
#![cfg(test)]

#[path = "../api/main.rs"]
pub mod api;

use api::{canary, harness, http, issuer, otlp, support};
