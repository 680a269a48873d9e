//! TLS of the listeners, certificates of clients, tokens that are bound to them, and the production profile. Against the real
//! program, as a process of its own, with certificates that are made for the test.
//!
//! What waits for the service to look at its files, or for a handshake to run out of time, takes as long as that does.
#![cfg(test)]

mod authority;
mod bound;
mod command_line;
mod handshake;
mod issuer;
mod production;
mod program;
mod renewal;
mod settings;
mod trickle;
