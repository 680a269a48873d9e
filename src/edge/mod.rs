//! What a call meets before its handler: who calls, whether he may, how often, and how long it may take.
//!
//! Two layers around all services: [`CallLayer`] outside, [`Gate`] inside. The gate leaves a
//! [`crate::domain::caller::Caller`] in the extensions of every request that it lets through; handlers believe
//! nothing else. Before the database was reached [`ClosedGate`] stands in its place. Metadata in which a client says who he is (`x-actor`,
//! `x-tenant-id`, `x-forwarded-*`) is never read: the certificate of a connection is a
//! [`crate::domain::caller::CertificateThumbprint`] in the extensions, which the listener puts there after the handshake.
//!
//! May use `app`, `domain`, `telemetry` and `token`. It knows no gRPC code: how a [`Denial`] looks on the wire, and how an
//! answer ended its call, are functions that it is given ([`Words`]). One more RPC: a row in [`policy`], which a test of every RPC demands.

mod authenticate;
mod call;
mod closed;
mod flight;
mod gate;
mod issuers;
pub mod policy;
mod rate;

use http::Response;
use tonic::body::Body;

pub use call::CallLayer;
pub use closed::{Closed, ClosedGate};
pub use flight::InFlight;
pub use gate::{Gate, GateParts, Gated};
pub use issuers::{IssuerError, Issuers};
pub use rate::{Buckets, Rates};

pub use crate::domain::caller::{Denial, Ending};

/// What the edge says, and understands, through who knows gRPC codes.
#[derive(Debug, Clone, Copy)]
pub struct Words {
    /// Turns a denial into what goes over the wire.
    pub render: fn(Denial) -> Response<Body>,
    /// Tells how an answer ended its call.
    pub ending: fn(&Response<Body>) -> Ending,
}
