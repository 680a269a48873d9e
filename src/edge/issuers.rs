//! The keys of foreign issuers: fetched at the start, every five minutes, and when a token names one that is not known yet.
//!
//! Anybody can make up the name of a key, so an issuer is asked at most once a second, and a name that it does not know is
//! not asked for again for half a minute. Where it does not answer, the keys that it gave last go on for a day
//! (`token`). The place is that of the configuration and no other: no redirect is followed, no proxy of the environment
//! used, nothing of a token is part of the request.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use std::{fs, io};

use moka::sync::Cache;
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, StatusCode};
use tokio::sync::{Mutex, watch};
use tokio::time::{Instant, MissedTickBehavior, interval};
use url::Url;

use crate::domain::issuer::{IssuerEntry, IssuerName, KeySource};
use crate::domain::time::Clock;
use crate::token::{Callers, ForeignKeys, ForeignTokens, JWK_SET_BYTES, JwkSetError};

/// How often keys are fetched that nobody asked for: a key that its issuer took back is gone within it.
const EVERY: Duration = Duration::from_mins(5);
/// How long an issuer has for its answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// The least time between two requests to an issuer.
const BETWEEN: Duration = Duration::from_secs(1);
/// For how long a name is remembered that an issuer did not know, and how many of them.
const UNKNOWN_FOR: Duration = Duration::from_secs(30);
const MOST_UNKNOWN: u64 = 1_024;

/// Why an issuer of the configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum IssuerError {
    /// The file of its keys, or of the certificates that vouch for it, does not read.
    #[error("issuer {issuer}: the file {} cannot be read", path.display())]
    File {
        /// Its name.
        issuer: IssuerName,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file of its keys is no JWK Set that we take.
    #[error("issuer {issuer}: the keys in {} cannot be used", path.display())]
    Keys {
        /// Its name.
        issuer: IssuerName,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: JwkSetError,
    },
    /// The file of certificates has none, or they are no certificates.
    #[error("issuer {issuer}: {} is no file of certificates (PEM)", path.display())]
    Certificates {
        /// Its name.
        issuer: IssuerName,
        /// The file.
        path: PathBuf,
    },
    /// Nothing can be fetched on this machine.
    #[error("issuer {issuer}: its keys cannot be fetched from here")]
    Client {
        /// Its name.
        issuer: IssuerName,
        /// Why.
        #[source]
        source: reqwest::Error,
    },
}

/// Why keys were not fetched this time.
#[derive(Debug, thiserror::Error)]
enum FetchError {
    #[error("the file cannot be read")]
    File(#[source] io::Error),
    #[error("the issuer was not reached")]
    Unreached(#[source] reqwest::Error),
    #[error("the issuer answered {0}")]
    Status(StatusCode),
    #[error("the issuer's keys cannot be used")]
    Keys(#[from] JwkSetError),
}

/// The issuers of the configuration, with where their keys are.
pub struct Issuers {
    issuers: Vec<Issuer>,
    clock: Arc<dyn Clock>,
}

struct Issuer {
    tokens: Arc<ForeignTokens>,
    place: Place,
    asked: Mutex<Asked>,
    /// Names of keys that it did not know when it was asked last.
    unknown: Cache<String, ()>,
}

/// When an issuer was asked last, and what it said.
#[derive(Default)]
struct Asked {
    at: Option<Instant>,
    said: Vec<u8>,
}

enum Place {
    File(PathBuf),
    Url(Client, Url),
}

impl Issuers {
    /// Takes the issuers of the configuration. Keys in files are read at once, others are fetched by [`Issuers::keep_fresh`]
    /// or when they are needed: an issuer that is away does not hold up our start.
    ///
    /// # Errors
    /// [`IssuerError`].
    pub fn open(entries: Vec<IssuerEntry>, clock: Arc<dyn Clock>) -> Result<Self, IssuerError> {
        let issuers = entries.into_iter().map(Issuer::open).collect::<Result<Vec<_>, _>>()?;
        for issuer in &issuers {
            if let Place::File(path) = &issuer.place {
                let name = || issuer.tokens.name().clone();
                let json = fs::read(path).map_err(|source| IssuerError::File {
                    issuer: name(),
                    path: path.clone(),
                    source,
                })?;
                let keys = ForeignKeys::parse(&json).map_err(|source| IssuerError::Keys {
                    issuer: name(),
                    path: path.clone(),
                    source,
                })?;
                issuer.tokens.replace_keys(keys, clock.now());
            }
        }
        Ok(Self { issuers, clock })
    }

    /// Those who read their tokens.
    #[must_use]
    pub fn tokens(&self) -> Vec<Arc<ForeignTokens>> {
        self.issuers.iter().map(|issuer| Arc::clone(&issuer.tokens)).collect()
    }

    /// Asks the issuer of a token that was refused for the key that it names, if that is not known. Tells whether it is now.
    pub(super) async fn learn_key_of(&self, token: &str, callers: &Callers) -> bool {
        let claimed = callers.foreign_issuer_of(token);
        let claimed = claimed.and_then(|tokens| self.issuers.iter().find(|one| Arc::ptr_eq(&one.tokens, tokens)));
        match claimed {
            Some(issuer) => issuer.learn_key_of(token, callers, &*self.clock).await,
            None => false,
        }
    }

    /// Fetches the keys of all issuers now and again, until `stopped`.
    pub async fn keep_fresh(self: Arc<Self>, callers: Arc<Callers>, mut stopped: watch::Receiver<bool>) {
        let fetching = async {
            let mut times = interval(EVERY);
            times.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                times.tick().await;
                for issuer in &self.issuers {
                    issuer.refresh(&mut *issuer.asked.lock().await, &callers, &*self.clock).await;
                }
            }
        };
        tokio::select! {
            () = fetching => {}
            // An error means that the one who could tell is gone; that is a reason to stop too.
            _ = stopped.wait_for(|stop| *stop) => {}
        }
    }
}

impl Issuer {
    fn open(entry: IssuerEntry) -> Result<Self, IssuerError> {
        let name = entry.profile.name.clone();
        let place = match entry.keys {
            KeySource::File(path) => Place::File(path),
            KeySource::Url { url, ca_file } => Place::Url(client(&name, ca_file)?, url),
        };
        Ok(Self {
            tokens: Arc::new(ForeignTokens::new(entry.profile)),
            place,
            asked: Mutex::default(),
            unknown: Cache::builder().max_capacity(MOST_UNKNOWN).time_to_live(UNKNOWN_FOR).build(),
        })
    }

    async fn learn_key_of(&self, token: &str, callers: &Callers, clock: &dyn Clock) -> bool {
        let Some(kid) = self.tokens.unknown_kid(token, clock.now()) else { return false };
        if self.unknown.contains_key(&kid) {
            return false;
        }
        let mut asked = self.asked.lock().await;
        // Somebody else may have asked while we waited for our turn.
        let is_known = || self.tokens.unknown_kid(token, clock.now()).is_none();
        if is_known() {
            return true;
        }
        if asked.at.is_some_and(|at| at.elapsed() < BETWEEN) {
            return false;
        }
        if !self.refresh(&mut asked, callers, clock).await {
            return false;
        }
        let is_known = is_known();
        if !is_known {
            self.unknown.insert(kid, ());
        }
        is_known
    }

    /// Fetches the keys. Where that fails those before stay.
    async fn refresh(&self, asked: &mut Asked, callers: &Callers, clock: &dyn Clock) -> bool {
        let fetched = self.place.fetch().await;
        asked.at = Some(Instant::now());
        let issuer = self.tokens.name();
        let taken = fetched.and_then(|json| Ok((ForeignKeys::parse(&json)?, json)));
        match taken {
            Ok((keys, json)) => {
                self.tokens.replace_keys(keys, clock.now());
                if json != asked.said {
                    tracing::info!(%issuer, "edge.issuer.keys_changed");
                    asked.said = json;
                    // Who was verified by a key that is gone is verified again.
                    callers.forget_verified();
                }
                true
            }
            Err(error) => {
                tracing::warn!(%issuer, error = &error as &dyn std::error::Error, "edge.issuer.keys_not_fetched");
                false
            }
        }
    }
}

impl Place {
    async fn fetch(&self) -> Result<Vec<u8>, FetchError> {
        match self {
            Self::File(path) => tokio::fs::read(path).await.map_err(FetchError::File),
            Self::Url(client, url) => {
                let mut answer = client.get(url.clone()).send().await.map_err(FetchError::Unreached)?;
                if answer.status() != StatusCode::OK {
                    return Err(FetchError::Status(answer.status()));
                }
                let mut json = Vec::new();
                while let Some(chunk) = answer.chunk().await.map_err(FetchError::Unreached)? {
                    if json.len() + chunk.len() > JWK_SET_BYTES {
                        return Err(JwkSetError::TooLarge.into());
                    }
                    json.extend_from_slice(&chunk);
                }
                Ok(json)
            }
        }
    }
}

/// A client for one issuer alone.
fn client(issuer: &IssuerName, ca_file: Option<PathBuf>) -> Result<Client, IssuerError> {
    let mut builder = Client::builder().redirect(Policy::none()).no_proxy().timeout(PATIENCE).user_agent(concat!(
        env!("CARGO_PKG_NAME"),
        "/",
        env!("CARGO_PKG_VERSION")
    ));
    if let Some(path) = ca_file {
        let file = |source| IssuerError::File { issuer: issuer.clone(), path: path.clone(), source };
        let pem = fs::read(&path).map_err(file)?;
        let certificates = Certificate::from_pem_bundle(&pem).unwrap_or_default();
        if certificates.is_empty() {
            return Err(IssuerError::Certificates { issuer: issuer.clone(), path });
        }
        builder = builder.tls_certs_only(certificates);
    }
    builder.build().map_err(|source| IssuerError::Client { issuer: issuer.clone(), source })
}
