//! Settings: each with its type, its bounds, its default, one flag and one environment variable.
//!
//! The one place where settings are read; other code takes what it needs as a parameter. A setting that is a secret
//! does not exist: secrets come from files with their own checks. One more setting: a field here, with a
//! `value_parser` that refuses what is out of bounds, so that it is found before anything starts.
//!
//! Uses the types of `domain`, which know their bounds, and nothing else of this crate.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::domain::retention::{JumpDays, RequestHours, Retention};

/// The issuer of jump tokens if nobody says otherwise.
pub const DEFAULT_ISSUER: &str = "urn:concenter:gateway";
/// Most characters of an issuer. It travels in every jump token.
const ISSUER_CHARACTERS: usize = 64;

/// Where the data is.
#[derive(Debug, Clone, Args)]
pub struct DataDir {
    /// Directory of the database, its lock and the key file
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

/// What the service needs to run.
#[derive(Debug, Clone, Args)]
pub struct ServerSettings {
    /// Where the data is.
    #[command(flatten)]
    pub data_dir: DataDir,

    /// Address and port for gRPC
    ///
    /// An IP address with a port; port 0 takes any free one.
    #[arg(long, env = "CONCENTER_GRPC_ADDR", value_name = "ADDR:PORT", default_value = "127.0.0.1:50051")]
    pub grpc_addr: SocketAddr,

    /// Address and port for HTTP: /.well-known/jwks.json and /healthz
    ///
    /// An IP address with a port; port 0 takes any free one.
    #[arg(long, env = "CONCENTER_HTTP_ADDR", value_name = "ADDR:PORT", default_value = "127.0.0.1:8080")]
    pub http_addr: SocketAddr,

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

    /// How long the service keeps what it needs for a while only.
    #[command(flatten)]
    pub retention: RetentionSettings,
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
}

impl From<RetentionSettings> for Retention {
    fn from(RetentionSettings { jumps, requests }: RetentionSettings) -> Self {
        Self { jumps, requests }
    }
}

impl RetentionSettings {
    /// What counts unless it was set.
    pub const DEFAULT: Self = Self { jumps: JumpDays::DEFAULT, requests: RequestHours::DEFAULT };
}

impl ServerSettings {
    /// A service for this machine alone, on two free ports: for the demonstration and for tests.
    #[must_use]
    pub fn local(data_dir: PathBuf) -> Self {
        let any_port = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self {
            data_dir: DataDir { path: data_dir },
            grpc_addr: any_port,
            http_addr: any_port,
            issuer: DEFAULT_ISSUER.to_owned(),
            retention: RetentionSettings::DEFAULT,
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
        assert_eq!(settings.data_dir.path, PathBuf::from("concenter-data"));
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
            let RetentionSettings { jumps, requests } = set.server.retention;
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
        ] {
            let told = parse(&arguments).err().unwrap().to_string();
            assert!(told.contains(bounds), "{told}");
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
            ["--log-format", "xml"],
        ] {
            assert!(parse(&arguments).is_err(), "{arguments:?}");
        }
    }

    #[test]
    fn an_issuer_of_the_most_characters_is_taken() {
        assert_eq!(parse_issuer(&"x".repeat(64)).map(|issuer| issuer.len()), Ok(64));
    }
}
