//! Where the data is: in a directory of this machine, or in a PostgreSQL that many replicas share.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use url::Url;

use super::{Store, postgres, sqlite};
use crate::domain::time::Clock;

/// The URL of a PostgreSQL database, `postgres://USER@HOST:PORT/DATABASE`. It may hold a password, so it never shows itself.
#[derive(Clone, PartialEq, Eq)]
pub struct DatabaseUrl(Url);

/// The text is no URL of a PostgreSQL database. It says nothing of the text itself: there may be a password in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidDatabaseUrl {
    /// It is no URL.
    #[error("must be a URL such as postgres://concenter@db.example:5432/concenter")]
    NotUrl,
    /// It is one of something else.
    #[error("must begin with postgres:// or postgresql://")]
    Scheme,
    /// It does not say who connects.
    #[error("must name the user that the service connects as: postgres://USER@HOST/DATABASE")]
    NoUser,
    /// It does not say to which database.
    #[error("must name the database: postgres://USER@HOST/DATABASE")]
    NoDatabase,
}

impl FromStr for DatabaseUrl {
    type Err = InvalidDatabaseUrl;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let url = Url::parse(text).map_err(|_| InvalidDatabaseUrl::NotUrl)?;
        if !matches!(url.scheme(), "postgres" | "postgresql") {
            return Err(InvalidDatabaseUrl::Scheme);
        }
        if url.username().is_empty() {
            return Err(InvalidDatabaseUrl::NoUser);
        }
        if url.path().trim_start_matches('/').is_empty() {
            return Err(InvalidDatabaseUrl::NoDatabase);
        }
        Ok(Self(url))
    }
}

impl DatabaseUrl {
    /// The same database, with this password.
    #[must_use]
    pub fn with_password(mut self, password: &str) -> Self {
        // Fails only for a URL without a host, which has a user all the same: then the socket asks for no password.
        let _ = self.0.set_password(Some(password));
        self
    }

    /// The URL for PostgreSQL's own tools, without a password and without what only this program understands.
    #[must_use]
    pub fn for_tools(&self) -> String {
        let mut url = self.0.clone();
        // Fails only for a URL without a host, which has no password either.
        let _ = url.set_password(None);
        let shared = ["host", "sslmode", "sslrootcert", "sslcert", "sslkey"];
        let kept: Vec<_> = self.0.query_pairs().filter(|(name, _)| shared.contains(&&**name)).collect();
        url.set_query(None);
        if !kept.is_empty() {
            url.query_pairs_mut().extend_pairs(kept);
        }
        url.set_fragment(None);
        url.into()
    }

    /// The URL itself, for the driver alone.
    pub(super) const fn url(&self) -> &Url {
        &self.0
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DatabaseUrl({self})")
    }
}

/// Server and database, without the user and what else may be secret.
impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = self.0.host_str().filter(|host| !host.is_empty()).unwrap_or("localhost");
        write!(f, "postgres://{host}:{}{}", self.0.port().unwrap_or(5432), self.0.path())
    }
}

/// Where the data is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// A directory that this process has for itself: SQLite.
    Directory(PathBuf),
    /// A database that replicas share: PostgreSQL.
    Server(DatabaseUrl),
}

/// Why a database was not opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// SQLite's reason.
    #[error(transparent)]
    Sqlite(#[from] sqlite::OpenError),
    /// PostgreSQL's reason.
    #[error(transparent)]
    Postgres(#[from] postgres::OpenError),
}

impl OpenError {
    /// Tells whether the same attempt a little later may end otherwise without that anybody does anything here.
    #[must_use]
    pub const fn may_pass(&self) -> bool {
        matches!(self, Self::Postgres(postgres::OpenError::Unreachable { .. }))
    }
}

/// What a migration found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Migrated {
    /// There was no schema.
    Made,
    /// It was an earlier one.
    BroughtUpToDate,
    /// Nothing was to be done.
    WasUpToDate,
}

/// A database that is open.
pub struct Opened {
    /// What is kept.
    pub store: Arc<dyn Store>,
    /// The database's own clock, where replicas share it.
    pub clock: Option<Arc<dyn Clock>>,
}

/// Most writes of jumps that share a transaction: 1 to 512.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MostInABatch(usize);

/// The number is not from 1 to 512.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be from 1 to 512")]
pub struct InvalidMostInABatch;

impl MostInABatch {
    /// 512: what one statement carries without keeping the others waiting for long.
    pub const DEFAULT: Self = Self(512);

    /// Reads a number.
    ///
    /// # Errors
    /// [`InvalidMostInABatch`] for anything that is not from 1 to 512.
    pub fn parse(text: &str) -> Result<Self, InvalidMostInABatch> {
        let number = text.parse().map_err(|_| InvalidMostInABatch)?;
        if (1..=Self::DEFAULT.0).contains(&number) { Ok(Self(number)) } else { Err(InvalidMostInABatch) }
    }

    /// The number.
    #[must_use]
    pub const fn number(self) -> usize {
        self.0
    }
}

impl Location {
    /// Opens the database for a server.
    ///
    /// # Errors
    /// [`OpenError`].
    pub async fn open(&self, most: MostInABatch) -> Result<Opened, OpenError> {
        match self {
            Self::Directory(path) => {
                let store = sqlite::SqliteStore::open_with(path, most).await?;
                Ok(Opened { store: Arc::new(store), clock: None })
            }
            Self::Server(url) => {
                let store = postgres::PostgresStore::open_with(url, most).await?;
                Ok(Opened { clock: Some(store.clock()), store: Arc::new(store) })
            }
        }
    }

    /// Opens the database beside running servers, or none, and changes nothing. Every effect answers
    /// [`super::StoreError::Down`].
    ///
    /// # Errors
    /// [`OpenError`].
    pub async fn open_read_only(&self) -> Result<Arc<dyn Store>, OpenError> {
        match self {
            Self::Directory(path) => Ok(Arc::new(sqlite::SqliteStore::open_read_only(path).await?)),
            Self::Server(url) => Ok(Arc::new(postgres::PostgresStore::open_read_only(url).await?)),
        }
    }

    /// Reads the whole database where it is a file, and looks whether that is damaged. PostgreSQL does so by itself, as
    /// far as it was told to.
    ///
    /// # Errors
    /// [`OpenError`].
    pub async fn check_file(&self) -> Result<(), OpenError> {
        match self {
            Self::Directory(path) => Ok(sqlite::SqliteStore::check_file(path).await?),
            Self::Server(_) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_shows_neither_user_nor_password() {
        let url: DatabaseUrl = "postgres://meier:geheim@db.example:6432/makler?sslpassword=geheim".parse().unwrap();
        for shown in [url.to_string(), format!("{url:?}")] {
            assert!(!shown.contains("geheim") && !shown.contains("meier"), "{shown}");
            assert!(shown.contains("postgres://db.example:6432/makler"), "{shown}");
        }
    }

    #[test]
    fn a_url_for_tools_has_no_password() {
        let text =
            "postgres://owner:geheim@db.example/makler?sslmode=require&password=geheim&statement-cache-capacity=1";
        let url: DatabaseUrl = text.parse().unwrap();
        assert_eq!(url.for_tools(), "postgres://owner@db.example/makler?sslmode=require");
    }

    #[test]
    fn what_is_no_database_of_postgresql_is_refused() {
        for (text, why) in [
            ("", InvalidDatabaseUrl::NotUrl),
            ("concenter", InvalidDatabaseUrl::NotUrl),
            ("mysql://me@here/there", InvalidDatabaseUrl::Scheme),
            ("postgres://here/there", InvalidDatabaseUrl::NoUser),
            ("postgres://me@here", InvalidDatabaseUrl::NoDatabase),
            ("postgres://me@here/", InvalidDatabaseUrl::NoDatabase),
        ] {
            assert_eq!(text.parse::<DatabaseUrl>(), Err(why), "{text}");
        }
    }

    #[test]
    fn a_batch_has_1_to_512_writes() {
        assert_eq!(MostInABatch::parse("1").map(MostInABatch::number), Ok(1));
        assert_eq!(MostInABatch::parse("512"), Ok(MostInABatch::DEFAULT));
        for text in ["", "0", "513", "-1", "x"] {
            assert_eq!(MostInABatch::parse(text), Err(InvalidMostInABatch), "{text}");
        }
    }
}
