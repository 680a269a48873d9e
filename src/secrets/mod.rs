//! Secrets at rest: how they are sealed, under which keys, and where the outermost key comes from.
//!
//! Three layers. A [`Kek`] comes from outside the database (here: [`kek_file`]). It wraps one [`DataKey`] for each
//! tenant, and every stored secret is sealed under a key of its own that is derived from the data key. What is sealed
//! is bound to its [`Place`], so a cell that is copied to another row, tenant or version does not open.
//!
//! May use: [`crate::domain`]. It knows neither the store nor tokens; all bytes come in and go out as parameters.
//!
//! One more provider of key-encryption keys: a [`KekPlace`], in a file of its own beside [`kek_file`], with a function that gives a
//! [`Kek`] and a closed error enum that says what an operator can do. A missing key is always an error there: a new
//! key over existing data would make every stored secret unreadable for good.

mod audit_chain;
mod envelope;
pub mod kek_file;
mod kek_place;
mod keys;
mod opened;
mod pseudonym;
mod random;
mod secret;

pub use audit_chain::seal_entry;
pub use envelope::{DataKey, OpenError, PLAINTEXT_BYTES, Place, SealError};
pub use kek_file::KekFileError;
pub use kek_place::KekPlace;
pub use keys::{Kek, MacKey, TenantKeys};
pub use opened::OpenedKeys;
pub use pseudonym::person_pseudonym;
pub use random::SystemRandom;
pub use secret::Secret;
