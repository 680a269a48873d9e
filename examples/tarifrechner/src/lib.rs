//! A small tariff calculator (Tarifrechner) that takes jumps from the con:center gateway: an example of a target.
//!
//! It keeps every rule of `docs/token.md`. Read `web/jump.rs` first: what happens when a jump arrives. `gateway.rs` is the
//! side towards the gateway, `session.rs` and `quotes.rs` are what is kept, in memory, and `web/guard.rs` decides whose
//! session a browser has. The tariff itself is invented.

mod clock;
mod concenter;
mod credential;
mod gateway;
mod language;
mod pages;
mod premium;
pub mod proto;
mod quotes;
mod random;
mod serve;
mod session;
mod settings;
mod texts;
mod web;

pub use self::clock::{Clock, SystemClock};
pub use self::concenter::{AccountsError, ConCenter, SimulatedConCenter};
pub use self::credential::ReadCredential;
pub use self::gateway::{Gateway, GatewayError};
pub use self::serve::{Outside, Running, Tarifrechner, serve};
pub use self::settings::{MOST_PEOPLE, MOST_SESSIONS, Provider, Site, SiteError};
