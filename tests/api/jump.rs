//! Jumps: how they are issued and delivered, what forgeries get, what a redemption hands over, and what revokes it.

mod forged;
mod issued;
mod redeemed;
mod remembered;
mod revoked;
