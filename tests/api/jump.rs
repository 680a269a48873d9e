//! Jumps: how they are issued and delivered, what forgeries get, what a redemption hands over, what revokes it, and what comes
//! behind it.

mod forged;
mod issued;
mod redeemed;
mod remembered;
mod revoked;
mod sessions;
