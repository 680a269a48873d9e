//! Jumps in a real browser: headless Chromium between a portal, the gateway's landing page and the example of a target
//! (`examples/tarifrechner`), all of them real but the portal.
//!
//! Rust holds the services and what they know; what the person does is in `visits/`, a script for each visit, which Node plays
//! with `playwright-core`. Where Chromium, Node or a package is missing the tests say once that they are left out; with
//! `CONCENTER_TESTS_NEED_BROWSER=1` that is a failure instead. The packages come with `npm ci`, and Chromium with Debian.
#![cfg(test)]
#![expect(unreachable_pub, reason = "one binary: what is shown to its neighbours is reachable nowhere else")]

mod browser;
mod demo;
mod errors;
mod looks;
mod people;
mod place;
mod planted;
mod portal;
mod traces;

/// The gateway and its callers, as the tests of all calls have them.
#[path = "../api"]
#[expect(dead_code, unused_imports, reason = "the tests of all calls need more of it")]
mod api {
    pub mod harness;
}
#[path = "../support/postgres/mod.rs"]
#[expect(dead_code, unused_imports, reason = "these tests are about browsers, and not about databases")]
mod support;

use api::harness;
