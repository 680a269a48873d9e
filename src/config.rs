//! Settings: each with its type, its bounds, its default, one flag and one environment variable.
//!
//! The one place where settings are read; other code takes what it needs as a parameter. Secrets come from files with
//! their own checks; the one that may stand in a setting, the password in a database's URL, is never shown. One more
//! setting: a field here, with a `value_parser` that refuses what is out of bounds, so that it is found before anything
//! starts.
//!
//! Uses the types of `domain`, which know their bounds, and of `store` those that say where the data is.

mod browsers;
mod issuers;
mod kek_text;
mod limits;
mod profile;
mod telemetry;
mod tls;

use std::ffi::OsStr;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::{fs, io};

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::error::ErrorKind;
use clap::{Args, ValueEnum};
use zeroize::Zeroizing;

use crate::domain::issuer::IssuerEntry;
use crate::domain::profile::Profile;
use crate::domain::retention::{AuditMonths, JumpDays, RequestHours, Retention};
use crate::domain::signing::{KeyDays, Rotation};
use crate::store::{CheckpointDirectory, DatabaseUrl, Location, MostInABatch};

pub use self::browsers::BrowserSettings;
pub use self::issuers::IssuersFileError;
pub use self::kek_text::KekText;
pub use self::limits::{LimitSettings, RateSettings};
pub use self::profile::{ProfileError, Violation};
pub use self::telemetry::{MetricsSwitch, TelemetrySettings};
pub use self::tls::{ClientCertificates, NamedFile, TlsFiles, TlsSettings};

/// The issuer of jump tokens if nobody says otherwise.
pub const DEFAULT_ISSUER: &str = "urn:concenter:gateway";
/// Most characters of an issuer. It travels in every jump token.
const ISSUER_CHARACTERS: usize = 64;

/// The directory of the data.
#[derive(Debug, Clone, Args)]
pub struct DataDir {
    /// Directory of the database, its lock and the key file; with --database-url of the key file alone
    ///
    /// A path, relative to the working directory or absolute. Made with mode 0700 on the first start.
    #[arg(
        id = "data_dir",
        long = "data-dir",
        env = "CONCENTER_DATA_DIR",
        value_name = "DIR",
        default_value = "concenter-data"
    )]
    pub path: PathBuf,
}

/// Where the data is: in the directory, or in a PostgreSQL that replicas share. The key file is in the directory either way,
/// unless one is named.
#[derive(Debug, Clone, Args)]
pub struct DataSettings {
    /// The directory.
    #[command(flatten)]
    pub dir: DataDir,

    /// PostgreSQL instead of the embedded database: postgres://USER@HOST:PORT/DATABASE
    ///
    /// The user is one that `concenter migrate --create-role` made. `?sslmode=verify-full&sslrootcert=FILE` asks for TLS. Other
    /// users of this machine can read the arguments of a process: give a password in a file, or the URL in the environment.
    #[arg(
        long,
        env = "CONCENTER_DATABASE_URL",
        value_name = "URL",
        hide_env_values = true,
        value_parser = DatabaseUrlParser
    )]
    pub database_url: Option<DatabaseUrl>,

    /// File with the password of the user of --database-url
    ///
    /// One line break at the end is dropped.
    #[arg(long, env = "CONCENTER_DATABASE_PASSWORD_FILE", value_name = "PATH", requires = "database_url")]
    pub database_password_file: Option<PathBuf>,

    /// File of a key-encryption key, instead of those in `keys/` of the data directory; may be given several times
    ///
    /// Several: `--kek-file A --kek-file B`, or A:B; which of them is active the database knows, not their order. The directory must
    /// be there. The first start on an empty database makes the file where one alone is named and there is none; later they must
    /// be those of this database. 0600 or 0400, of the user that the service runs as.
    #[arg(
        long = "kek-file",
        env = "CONCENTER_KEK_FILE",
        value_name = "FILE",
        value_delimiter = ':',
        action = clap::ArgAction::Append
    )]
    pub kek_files: Vec<PathBuf>,

    /// Key-encryption keys of the environment alone (`CONCENTER_KEK`): an argument would be everybody's to read.
    #[arg(skip = KekText::of_environment())]
    pub kek_text: Option<KekText>,
}

/// A file with the password of a user or role of the database cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PasswordFileError {
    /// It does not read.
    #[error("cannot read {} ({setting})", path.display())]
    Read {
        /// The setting that names it.
        setting: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It holds nothing, or more than a password.
    #[error("{} ({setting}) must hold one line: the password", path.display())]
    NotALine {
        /// The setting that names it.
        setting: &'static str,
        /// The file.
        path: PathBuf,
    },
}

impl DataSettings {
    /// A directory with an embedded database.
    #[must_use]
    pub const fn in_directory(path: PathBuf) -> Self {
        Self {
            dir: DataDir { path },
            database_url: None,
            database_password_file: None,
            kek_files: Vec::new(),
            kek_text: None,
        }
    }

    /// Where the database is.
    ///
    /// # Errors
    /// [`PasswordFileError`].
    pub fn location(&self) -> Result<Location, PasswordFileError> {
        let Some(url) = self.database_url.clone() else {
            return Ok(Location::Directory(self.dir.path.clone()));
        };
        let Some(path) = &self.database_password_file else {
            return Ok(Location::Server(url));
        };
        let password = read_password("--database-password-file", path)?;
        Ok(Location::Server(url.with_password(&password)))
    }
}

/// Reads a password that a file holds as its one line; `setting` is what names the file.
///
/// # Errors
/// [`PasswordFileError`].
pub fn read_password(setting: &'static str, path: &Path) -> Result<Zeroizing<String>, PasswordFileError> {
    let read = |source| PasswordFileError::Read { setting, path: path.to_owned(), source };
    let text = Zeroizing::new(fs::read_to_string(path).map_err(read)?);
    let line = text.strip_suffix('\n').map_or(text.as_str(), |line| line.strip_suffix('\r').unwrap_or(line));
    if line.is_empty() || line.contains(['\n', '\r', '\0']) {
        return Err(PasswordFileError::NotALine { setting, path: path.to_owned() });
    }
    Ok(Zeroizing::new(line.to_owned()))
}

/// Reads a database's URL, and unlike clap's own parsers never repeats it: it may hold a password.
#[derive(Debug, Clone)]
pub struct DatabaseUrlParser;

impl TypedValueParser for DatabaseUrlParser {
    type Value = DatabaseUrl;

    fn parse_ref(
        &self,
        command: &clap::Command,
        argument: Option<&clap::Arg>,
        value: &OsStr,
    ) -> Result<Self::Value, clap::Error> {
        let name = argument.map_or_else(
            || "--database-url".to_owned(),
            |argument| format!("--{}", argument.get_id()).replace('_', "-"),
        );
        let refused =
            |why: &str| clap::Error::raw(ErrorKind::ValueValidation, format!("{name} {why}\n")).with_cmd(command);
        let text = value.to_str().ok_or_else(|| refused("is not UTF-8"))?;
        text.parse().map_err(|why: crate::store::InvalidDatabaseUrl| refused(&why.to_string()))
    }
}

/// What the service needs to run.
#[derive(Debug, Clone, Args)]
pub struct ServerSettings {
    /// Where the data is.
    #[command(flatten)]
    pub data: DataSettings,

    /// What the service is for: in production it does not start without what real customers need
    ///
    /// That is TLS on both listeners, authorities of clients' certificates, issuers of callers' tokens, and a key-encryption key
    /// outside of the data directory; all that is missing is told at once. Tokens of `concenter token` are not taken then, targets'
    /// tokens must be bound to a certificate, and there is no reflection.
    #[arg(
        long,
        env = "CONCENTER_PROFILE",
        value_name = "PROFILE",
        default_value = Profile::Development.as_str(),
        value_parser = profile_parser()
    )]
    pub profile: Profile,

    /// Address and port for gRPC
    ///
    /// An IP address with a port; port 0 takes any free one.
    #[arg(long, env = "CONCENTER_GRPC_ADDR", value_name = "ADDR:PORT", default_value = "127.0.0.1:50051")]
    pub grpc_addr: SocketAddr,

    /// Address and port for HTTP: /.well-known/jwks.json, /healthz, /j/ and, where switched on, /metrics
    ///
    /// An IP address with a port; port 0 takes any free one.
    #[arg(long, env = "CONCENTER_HTTP_ADDR", value_name = "ADDR:PORT", default_value = "127.0.0.1:8080")]
    pub http_addr: SocketAddr,

    /// Where browsers reach the service, and where it leads them back to.
    #[command(flatten)]
    pub browsers: BrowserSettings,

    /// Issuer of jump tokens, their claim `iss`
    ///
    /// A URL or URN that targets compare byte by byte: 1 to 64 visible ASCII characters.
    #[arg(
        long,
        env = "CONCENTER_ISSUER",
        value_name = "URI",
        default_value = DEFAULT_ISSUER,
        value_parser = parse_issuer
    )]
    pub issuer: String,

    /// File (TOML) with the issuers of callers' tokens beside the embedded one
    ///
    /// An entry each: its name, issuer and audience, where its keys are, and the tenants and roles that it may speak for,
    /// which are none unless they are named. docs/operations.md has them all.
    #[arg(long, env = "CONCENTER_ISSUERS_FILE", value_name = "FILE")]
    pub issuers_file: Option<PathBuf>,

    /// Take the clock for right, although it stands before what the database has seen
    ///
    /// A clock that was set back would make good again what is over, so a service that finds that does nothing until it has
    /// caught up. For once, after the clock was wrong and ahead.
    #[arg(long)]
    pub accept_clock: bool,

    /// How long the service keeps what it needs for a while only.
    #[command(flatten)]
    pub retention: RetentionSettings,

    /// Where signed checkpoints of the audit log go.
    #[command(flatten)]
    pub audit_checkpoints: CheckpointSettings,

    /// How often signing keys change.
    #[command(flatten)]
    pub signing_keys: SigningKeySettings,

    /// How much it takes on at once, and how often somebody may call.
    #[command(flatten)]
    pub limits: LimitSettings,

    /// Certificates of the listeners.
    #[command(flatten)]
    pub tls: TlsSettings,

    /// What it tells of itself beside its log.
    #[command(flatten)]
    pub telemetry: TelemetrySettings,

    /// Most jumps that are written in one transaction: 1 to 512
    ///
    /// For measurements: less than 512 only costs speed.
    #[arg(
        long,
        env = "CONCENTER_MOST_IN_A_BATCH",
        value_name = "NUMBER",
        default_value = "512",
        value_parser = MostInABatch::parse,
        hide = true
    )]
    pub most_in_a_batch: MostInABatch,
}

/// Where signed checkpoints of the audit log are.
#[derive(Debug, Clone, Default, Args)]
pub struct CheckpointSettings {
    /// Directory for signed checkpoints of the audit log; without it there are none
    ///
    /// Every five minutes a file for each log that grew, 0600. They show that the end of a log is missing, or that another
    /// one took its place: keep them on another volume than the data, where nobody who can change that can change them.
    #[arg(long, env = "CONCENTER_AUDIT_CHECKPOINT_DIR", value_name = "PATH")]
    pub audit_checkpoint_dir: Option<PathBuf>,
}

impl CheckpointSettings {
    /// The directory, if there is one.
    #[must_use]
    pub fn directory(&self) -> Option<CheckpointDirectory> {
        self.audit_checkpoint_dir.as_deref().map(CheckpointDirectory::new)
    }
}

/// How often signing keys change.
#[derive(Debug, Clone, Copy, Args)]
pub struct SigningKeySettings {
    /// How many days a key signs before the next one does: 2 to 90
    ///
    /// The keys of jumps and those of `concenter token`. The next one is published a day before.
    #[arg(
        id = "signing_key_days",
        long = "signing-key-days",
        env = "CONCENTER_SIGNING_KEY_DAYS",
        value_name = "DAYS",
        default_value = "30",
        value_parser = KeyDays::parse
    )]
    pub days: KeyDays,

    /// Other spans, for tests, which cannot wait for days. No setting: whoever fetched the keys would not have the next one in
    /// time.
    #[arg(skip)]
    pub hurried: Option<Rotation>,
}

impl SigningKeySettings {
    /// What counts unless it was set.
    pub const DEFAULT: Self = Self { days: KeyDays::DEFAULT, hurried: None };

    /// The spans.
    #[must_use]
    pub fn rotation(&self) -> Rotation {
        self.hurried.unwrap_or_else(|| Rotation::of(self.days))
    }
}

/// How long the service keeps what it needs for a while only.
#[derive(Debug, Clone, Copy, Args)]
pub struct RetentionSettings {
    /// How many days jumps stay in the history: 1 to 400
    ///
    /// Counted from when the jump was made. It goes within the hour after that.
    #[arg(
        long = "jump-retention-days",
        env = "CONCENTER_JUMP_RETENTION_DAYS",
        value_name = "DAYS",
        default_value = "30",
        value_parser = JumpDays::parse
    )]
    pub jumps: JumpDays,

    /// How many hours the ids of requests are known, so that a repeated one has no second effect: 24 to 720
    ///
    /// The ids of jumps are known as long as the jumps are.
    #[arg(
        long = "request-retention-hours",
        env = "CONCENTER_REQUEST_RETENTION_HOURS",
        value_name = "HOURS",
        default_value = "24",
        value_parser = RequestHours::parse
    )]
    pub requests: RequestHours,

    /// How many months the audit log is kept, and then to the end of the calendar year (UTC): 6 to 120
    ///
    /// What is older goes in the first days of a year. That it was there stays proven by a signature.
    #[arg(
        id = "audit_retention",
        long = "audit-retention",
        env = "CONCENTER_AUDIT_RETENTION",
        value_name = "MONTHS",
        default_value = "36",
        value_parser = AuditMonths::parse
    )]
    pub audit: AuditMonths,
}

impl From<RetentionSettings> for Retention {
    fn from(RetentionSettings { jumps, requests, audit }: RetentionSettings) -> Self {
        Self { jumps, requests, audit }
    }
}

impl RetentionSettings {
    /// What counts unless it was set.
    pub const DEFAULT: Self =
        Self { jumps: JumpDays::DEFAULT, requests: RequestHours::DEFAULT, audit: AuditMonths::DEFAULT };
}

impl ServerSettings {
    /// The foreign issuers of callers' tokens.
    ///
    /// # Errors
    /// [`IssuersFileError`].
    pub fn issuers(&self) -> Result<Vec<IssuerEntry>, IssuersFileError> {
        self.issuers_file.as_deref().map_or_else(|| Ok(Vec::new()), issuers::read_issuers)
    }

    /// A service for this machine alone, on two free ports: for the demonstration and for tests.
    #[must_use]
    pub fn local(data_dir: PathBuf) -> Self {
        let any_port = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self {
            data: DataSettings::in_directory(data_dir),
            profile: Profile::Development,
            grpc_addr: any_port,
            http_addr: any_port,
            browsers: BrowserSettings::default(),
            issuer: DEFAULT_ISSUER.to_owned(),
            issuers_file: None,
            accept_clock: false,
            retention: RetentionSettings::DEFAULT,
            signing_keys: SigningKeySettings::DEFAULT,
            limits: LimitSettings::DEFAULT,
            tls: TlsSettings::NONE,
            telemetry: TelemetrySettings::DEFAULT,
            audit_checkpoints: CheckpointSettings::default(),
            most_in_a_batch: MostInABatch::DEFAULT,
        }
    }
}

/// How the log is written. It goes to standard error; standard output is for answers.
#[derive(Debug, Clone, Args)]
pub struct LogSettings {
    /// Form of the log on standard error
    #[arg(
        long,
        env = "CONCENTER_LOG_FORMAT",
        value_name = "FORMAT",
        value_enum,
        default_value_t = LogFormat::Text,
        global = true,
        help_heading = "Log"
    )]
    pub log_format: LogFormat,

    /// What to log: a level (error, warn, info, debug, trace), or directives by module
    ///
    /// For example `warn,concenter_gateway::edge=debug`. Libraries are heard from info upwards only.
    #[arg(
        long,
        env = "CONCENTER_LOG",
        value_name = "FILTER",
        default_value = "info",
        global = true,
        help_heading = "Log"
    )]
    pub log: String,
}

/// The form of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people
    Text,
    /// One JSON object a line, for machines
    Json,
}

fn profile_parser() -> impl TypedValueParser<Value = Profile> {
    PossibleValuesParser::new(Profile::ALL.map(Profile::as_str))
        .try_map(|name| Profile::parse(&name).ok_or("there is no such profile"))
}

/// Reads an issuer: 1 to [`ISSUER_CHARACTERS`] visible ASCII characters.
fn parse_issuer(text: &str) -> Result<String, &'static str> {
    let is_visible = text.bytes().all(|byte| byte.is_ascii_graphic());
    if text.is_empty() || text.len() > ISSUER_CHARACTERS || !is_visible {
        return Err("must be 1 to 64 visible ASCII characters");
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        server: ServerSettings,
        #[command(flatten)]
        log: LogSettings,
    }

    fn parse(arguments: &[&str]) -> Result<Line, clap::Error> {
        Line::try_parse_from([&["concenter"], arguments].concat())
    }

    #[test]
    fn without_arguments_nothing_is_reachable_from_outside() {
        let settings = parse(&[]).unwrap().server;
        assert_eq!(settings.grpc_addr.to_string(), "127.0.0.1:50051");
        assert_eq!(settings.http_addr.to_string(), "127.0.0.1:8080");
        assert_eq!(settings.data.dir.path, PathBuf::from("concenter-data"));
        assert_eq!(settings.issuer, DEFAULT_ISSUER);
    }

    #[test]
    fn without_arguments_everything_is_kept_as_long_as_is_written_down() {
        let settings = parse(&[]).unwrap().server;
        assert_eq!(Retention::from(settings.retention), Retention::DEFAULT);
        let local = ServerSettings::local(PathBuf::from("x"));
        assert_eq!(Retention::from(local.retention), Retention::DEFAULT);
    }

    #[test]
    fn what_is_kept_is_set_within_its_bounds() {
        for (days, hours) in [("1", "24"), ("400", "720")] {
            let set = parse(&["--jump-retention-days", days, "--request-retention-hours", hours]).unwrap();
            let RetentionSettings { jumps, requests, .. } = set.server.retention;
            assert_eq!(
                (jumps.number().to_string(), requests.number().to_string()),
                (days.to_owned(), hours.to_owned())
            );
        }
    }

    #[test]
    fn who_sets_too_much_is_told_the_bounds() {
        for (arguments, bounds) in [
            (["--jump-retention-days", "401"], "1 to 400 days"),
            (["--request-retention-hours", "23"], "24 to 720 hours"),
            (["--signing-key-days", "1"], "2 to 90 days"),
            (["--audit-retention", "5"], "6 to 120 months"),
        ] {
            let told = parse(&arguments).err().unwrap().to_string();
            assert!(told.contains(bounds), "{told}");
        }
    }

    #[test]
    fn a_database_is_named_by_its_url() {
        let settings = parse(&["--database-url", "postgres://me@db.example/makler"]).unwrap().server;
        let url: DatabaseUrl = "postgres://me@db.example/makler".parse().unwrap();
        assert_eq!(settings.data.location().unwrap(), Location::Server(url));
        let settings = parse(&["--data-dir", "x"]).unwrap().server;
        assert_eq!(settings.data.location().unwrap(), Location::Directory(PathBuf::from("x")));
    }

    #[test]
    fn the_password_of_a_database_is_read_from_its_file() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let path = file.path().to_str().unwrap();
        let location = || {
            let words = ["--database-url", "postgres://me@db.example/makler", "--database-password-file", path];
            parse(&words).unwrap().server.data.location()
        };
        for (text, url) in [
            ("geheim\n", "postgres://me:geheim@db.example/makler"),
            ("a/b@c:d\r\n", "postgres://me:a%2Fb%40c%3Ad@db.example/makler"),
        ] {
            fs::write(path, text).unwrap();
            assert_eq!(location().unwrap(), Location::Server(url.parse().unwrap()), "{text}");
        }
        for text in ["", "\n", "two\nlines\n"] {
            fs::write(path, text).unwrap();
            assert!(matches!(location(), Err(PasswordFileError::NotALine { .. })), "{text}");
        }
        drop(file);
    }

    #[test]
    fn a_url_that_is_refused_is_not_repeated() {
        for text in ["postgres://me:geheim@", "mysql://me:geheim@here/there", "geheim"] {
            let told = parse(&["--database-url", text]).err().unwrap().to_string();
            assert!(told.contains("--database-url must"), "{told}");
            assert!(!told.contains("geheim"), "{told}");
        }
    }

    #[test]
    fn settings_out_of_bounds_are_refused() {
        let long = "x".repeat(65);
        for arguments in [
            ["--data-dir", ""],
            ["--grpc-addr", "localhost:1"],
            ["--grpc-addr", "127.0.0.1"],
            ["--http-addr", "127.0.0.1:65536"],
            ["--issuer", ""],
            ["--issuer", "urn:a b"],
            ["--issuer", "urn:ä"],
            ["--issuer", &long],
            ["--jump-retention-days", "0"],
            ["--jump-retention-days", "401"],
            ["--request-retention-hours", "23"],
            ["--request-retention-hours", "721"],
            ["--signing-key-days", "1"],
            ["--signing-key-days", "91"],
            ["--audit-retention", "0"],
            ["--audit-retention", "121"],
            ["--log-format", "xml"],
            ["--most-in-a-batch", "0"],
            ["--most-in-a-batch", "513"],
            ["--database-password-file", "without-a-url"],
            ["--max-connections", "0"],
            ["--max-connections", "1000001"],
            ["--max-http-connections", "0"],
            ["--max-http-connections", "-1"],
            ["--max-calls", "0"],
            ["--max-calls", "1000001"],
            ["--rate-jumps", "0"],
            ["--rate-redeems", "1000001"],
            ["--rate-reads", "4294967296"],
            ["--rate-changes", "1.5"],
            ["--rate-batches", ""],
            ["--metrics", "maybe"],
            ["--otlp-endpoint", "localhost:4317"],
            ["--otlp-percent", "101"],
        ] {
            assert!(parse(&arguments).is_err(), "{arguments:?}");
        }
    }

    #[test]
    fn limits_are_set_within_their_bounds() {
        for number in ["1", "1000000"] {
            let all = ["connections", "http-connections", "calls"].map(|name| format!("--max-{name}={number}"));
            let rates = ["jumps", "redeems", "reads", "changes", "batches"];
            let rates = rates.map(|name| format!("--rate-{name}={number}"));
            let words: Vec<_> = all.iter().chain(&rates).map(String::as_str).collect();
            let LimitSettings { connections, http_connections, calls, rates } = parse(&words).unwrap().server.limits;
            let RateSettings { jumps, redeems, reads, changes, batches } = rates;
            let rates = [jumps, redeems, reads, changes, batches].map(std::num::NonZeroU32::get);
            let set = [[connections, http_connections, calls].as_slice(), &rates].concat();
            assert!(set.iter().all(|set| set.to_string() == number), "{set:?}");
        }
    }

    #[test]
    fn limits_that_are_not_set_are_those_of_the_demonstration_and_the_tests() {
        let parsed = parse(&[]).unwrap().server.limits;
        let local = ServerSettings::local(PathBuf::from("x")).limits;
        assert_eq!(format!("{parsed:?}"), format!("{local:?}"));
    }

    #[test]
    fn without_arguments_nothing_is_told() {
        let TelemetrySettings { metrics, otlp_endpoint, .. } = parse(&[]).unwrap().server.telemetry;
        assert_eq!((metrics, otlp_endpoint), (MetricsSwitch::Off, None));
        let local = ServerSettings::local(PathBuf::from("x")).telemetry;
        assert_eq!(format!("{:?}", parse(&[]).unwrap().server.telemetry), format!("{local:?}"));
    }

    #[test]
    fn an_issuer_of_the_most_characters_is_taken() {
        assert_eq!(parse_issuer(&"x".repeat(64)).map(|issuer| issuer.len()), Ok(64));
    }
}
