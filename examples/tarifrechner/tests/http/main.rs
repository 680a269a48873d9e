//! The calculator over HTTP, with a gateway that the tests play: every rule of `docs/token.md`, from the outside.
#![cfg(test)]
#![expect(unreachable_pub, reason = "one binary: what the harness shows to its neighbours is reachable nowhere else")]

mod arrive;
mod begin;
mod fake;
mod harness;
mod leave;
mod pages;
mod program;
mod quotes;
mod sessions;
mod tls;
