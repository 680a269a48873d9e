//! Secrets at rest: how they are sealed, under which keys, and where the outermost key comes from.
//!
//! Three layers. A [`Kek`] comes from outside the database, by a [`KekProvider`] (here: from files, [`kek_file`], and from the
//! environment). It wraps one [`DataKey`] for each tenant, and every stored secret is sealed under a key of its own that is derived from the data key. What is sealed
//! is bound to its [`Place`], so a cell that is copied to another row, tenant or version does not open.
//!
//! May use: [`crate::domain`]. It knows neither the store nor tokens; all bytes come in and go out as parameters.
//!
//! One more provider of key-encryption keys, a key management system: a [`KekProvider`] in a file of its own beside [`LocalKeks`],
//! whose errors say what an operator can do, and which of them may pass by themselves. A missing key is always an error
//! there: a new key over existing data would make every stored secret unreadable for good.

mod audit_chain;
mod envelope;
pub mod kek_file;
mod kek_place;
mod keys;
mod local_keks;
mod opened;
mod provider;
mod pseudonym;
mod random;
mod secret;

pub use audit_chain::seal_entry;
pub use envelope::{DataKey, OpenError, PLAINTEXT_BYTES, Place, SealError};
pub use kek_file::KekFileError;
pub use kek_place::KekPlace;
pub use keys::{Kek, MacKey, TenantKeys};
pub use local_keks::{InvalidGivenKeks, LocalKeks};
pub use opened::{OPENED_KEPT_FOR, OpenedKeys};
pub use provider::{KekError, KekProvider};
pub use pseudonym::person_pseudonym;
pub use random::SystemRandom;
pub use secret::Secret;
