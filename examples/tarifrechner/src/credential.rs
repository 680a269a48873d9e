//! The credential by which the gateway knows this target. Credentials live for hours, and programs for months: so it is read at
//! the start, and again when the gateway does not take it any more.

use std::error::Error;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tonic::metadata::{Ascii, MetadataValue};
use zeroize::Zeroizing;

use crate::gateway::GatewayError;

/// Reads the credential from where it is kept; calls wait for it meanwhile.
pub type ReadCredential = dyn Fn() -> Result<Zeroizing<String>, Box<dyn Error + Send + Sync>> + Send + Sync;

/// The credential, as a call carries it.
pub(crate) type Bearer = MetadataValue<Ascii>;

/// The credential, and where another one comes from.
pub(crate) struct Credential {
    read: Box<ReadCredential>,
    current: Mutex<Bearer>,
}

impl Credential {
    /// What is there now.
    ///
    /// # Errors
    /// [`GatewayError::NoCredential`] and [`GatewayError::Credential`].
    pub(crate) fn new(read: Box<ReadCredential>) -> Result<Self, GatewayError> {
        let current = Mutex::new(bearer(&*read)?);
        Ok(Self { read, current })
    }

    /// The one that was read last.
    pub(crate) fn current(&self) -> Bearer {
        self.lock().clone()
    }

    /// Reads it again; `None` if there is no other one than the one that was refused.
    pub(crate) fn renewed(&self, refused: &Bearer) -> Option<Bearer> {
        match bearer(&*self.read) {
            Ok(same) if same == *refused => None,
            Ok(renewed) => {
                tracing::info!("gateway.credential.renewed");
                self.lock().clone_from(&renewed);
                Some(renewed)
            }
            Err(error) => {
                tracing::error!(error = &error as &dyn Error, "gateway.credential.unreadable");
                None
            }
        }
    }

    /// Nothing is left half done under the lock.
    fn lock(&self) -> MutexGuard<'_, Bearer> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn bearer(read: &ReadCredential) -> Result<Bearer, GatewayError> {
    let credential = read().map_err(GatewayError::NoCredential)?;
    let mut bearer: Bearer =
        format!("Bearer {}", credential.trim_end()).parse().map_err(|_| GatewayError::Credential)?;
    bearer.set_sensitive(true);
    Ok(bearer)
}
