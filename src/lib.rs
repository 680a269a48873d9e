//! The con:center gateway: decides which con:center user a person jumps with, and carries the jump.
//!
//! The map of the house, from the inside out. Arrows point inward; `tests/layering.rs` holds them. To follow one call,
//! begin with [`server`], then [`app::jump`].
//!
//! - [`domain`]: the words and rules: pure, synchronous, without I/O
//! - [`secrets`]: how secrets are sealed, and under which keys
//! - [`store`]: what is kept, and the rules that every engine keeps it by
//! - [`token`]: what leaves the service signed, and what comes back
//! - [`app`]: the use cases, one file a group
//! - [`edge`]: what a call meets before its handler: credential, policy, deadline
//! - [`api`]: the gRPC services: convert, call `app`, convert
//! - [`proto`]: the code generated from `proto/`
//! - [`web`]: what the HTTP listener serves
//! - [`worker`]: what the service does by itself, because it is time
//! - [`config`]: typed settings
//! - [`telemetry`]: the log, numbers and traces
//! - [`cli`]: the command line, one file a subcommand
//! - [`server`]: how it is all put together

// What tests beside the crate and tests in it share names it as its users do.
#[cfg(test)]
extern crate self as concenter_gateway;

pub mod api;
pub mod app;
pub mod cli;
pub mod config;
pub mod domain;
pub mod edge;
pub mod proto;
pub mod secrets;
pub mod server;
pub mod store;
pub mod telemetry;
pub mod token;
pub mod web;
pub mod worker;
