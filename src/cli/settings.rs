//! `concenter settings`: the settings of a firm, for its administrator.

use std::time::Duration;

use clap::{ArgGroup, Subcommand};

use super::duration::parse_duration;
use super::remote::{ChangeArgs, Connection, Failure, Field, Service, Session, Shown, column, detail, mask, span};
use crate::domain::jump::{PersonKind, SessionLimits, TokenLife};
use crate::domain::settings::SessionSpan;
use crate::proto::v1::settings_service_client::SettingsServiceClient;
use crate::proto::v1::{GetSettingsRequest, Settings, UpdateSettingsRequest};

/// The longest sessions of customers.
const CUSTOMER: SessionLimits = PersonKind::Customer.session_limits();
/// The longest sessions of brokers.
const BROKER: SessionLimits = PersonKind::Broker.session_limits();

/// What is meant where there is no such thing.
const MISSING: &str = "there are no such settings: `concenter tenant list` shows the tenants, for role operator";

/// Look at the tenant's settings (Einstellungen) and change them; for role admin
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  concenter settings get\n  concenter settings set --jump-ttl 30s")]
pub struct Args {
    #[command(flatten)]
    connection: Connection,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show the settings
    #[command(after_help = "Examples:\n  concenter settings get --json")]
    Get,
    Set(Box<SetArgs>),
}

/// Change settings
///
/// Only what is named changes. Spans of time are a whole number with s, m or h.
#[derive(Debug, clap::Args)]
#[command(
    verbatim_doc_comment,
    after_help = "Examples:\n  \
        concenter settings set --jump-ttl 30s --customer-idle 10m\n  \
        concenter settings set --default-mvp-user ''"
)]
#[command(group = ArgGroup::new("changes").required(true).multiple(true)
    .args([
        "jump_ttl", "customer_idle", "customer_absolute", "broker_idle", "broker_absolute", "import_limit",
        "default_mvp_user",
    ]))]
struct SetArgs {
    /// Life of a jump whose request names none: 10s to 120s
    #[arg(long, value_name = "TIME", value_parser = parse_jump_ttl)]
    jump_ttl: Option<Duration>,

    /// How long the session of a customer lasts without a click: 1m to 15m
    #[arg(long, value_name = "TIME", value_parser = |text: &str| parse_session(text, CUSTOMER.idle))]
    customer_idle: Option<Duration>,

    /// How long the session of a customer lasts in all: 1m to 30m
    #[arg(long, value_name = "TIME", value_parser = |text: &str| parse_session(text, CUSTOMER.absolute))]
    customer_absolute: Option<Duration>,

    /// How long the session of a broker lasts without a click: 1m to 30m
    #[arg(long, value_name = "TIME", value_parser = |text: &str| parse_session(text, BROKER.idle))]
    broker_idle: Option<Duration>,

    /// How long the session of a broker lasts in all: 1m to 8h
    #[arg(long, value_name = "TIME", value_parser = |text: &str| parse_session(text, BROKER.absolute))]
    broker_absolute: Option<Duration>,

    /// Share of the con:center users that an import changes without being told so: 1 to 100 per cent
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(i32).range(1..=100))]
    import_limit: Option<i32>,

    /// MVP user who gets a Vorgang where several hold the Standard user; an empty text takes him out
    #[arg(long, value_name = "ID")]
    default_mvp_user: Option<String>,

    #[command(flatten)]
    change: ChangeArgs,
}

/// Reads the life of a jump.
fn parse_jump_ttl(text: &str) -> Result<Duration, &'static str> {
    let life = parse_duration(text).ok().filter(|life| TokenLife::parse(*life).is_ok());
    life.ok_or("must be 10s to 120s")
}

/// Reads how long a session lasts, up to the longest of its kind.
fn parse_session(text: &str, longest: Duration) -> Result<Duration, String> {
    let session = parse_duration(text).ok().filter(|session| SessionSpan::new(*session, longest).is_ok());
    session.ok_or_else(|| format!("must be whole minutes, 1m to {}m", longest.as_secs() / 60))
}

/// Does what was asked for.
///
/// # Errors
/// Why it could not be done.
pub async fn run(args: Args) -> anyhow::Result<()> {
    let session = Session::open(&args.connection, MISSING).await?;
    let settings = match args.command {
        Command::Get => get(&session).await?,
        Command::Set(args) => set(&session, *args).await?,
    };
    session.show(&settings)
}

fn client(session: &Session) -> SettingsServiceClient<Service> {
    SettingsServiceClient::new(session.service())
}

async fn get(session: &Session) -> Result<Settings, Failure> {
    let answer = session.read(client(session).get_settings(GetSettingsRequest {})).await?;
    session.required(answer.settings)
}

async fn set(session: &Session, args: SetArgs) -> anyhow::Result<Settings> {
    let change = session.change(&args.change, async { Ok(get(session).await?.etag) }).await?;
    let changed = [
        ("jump_ttl", args.jump_ttl.is_some()),
        ("customer_session_idle", args.customer_idle.is_some()),
        ("customer_session_absolute", args.customer_absolute.is_some()),
        ("broker_session_idle", args.broker_idle.is_some()),
        ("broker_session_absolute", args.broker_absolute.is_some()),
        ("import_change_limit_percent", args.import_limit.is_some()),
        ("default_mvp_user_id", args.default_mvp_user.is_some()),
    ];
    let request = UpdateSettingsRequest {
        request_id: change.request_id(),
        settings: Some(Settings {
            jump_ttl: args.jump_ttl.map(seconds),
            customer_session_idle: args.customer_idle.map(seconds),
            customer_session_absolute: args.customer_absolute.map(seconds),
            broker_session_idle: args.broker_idle.map(seconds),
            broker_session_absolute: args.broker_absolute.map(seconds),
            import_change_limit_percent: args.import_limit.unwrap_or_default(),
            default_mvp_user_id: args.default_mvp_user.unwrap_or_default(),
            etag: change.etag(),
        }),
        update_mask: Some(mask(&changed)),
    };
    let answer = session.done(&change, client(session).update_settings(request)).await?;
    Ok(session.required(answer.settings)?)
}

/// Whole seconds; what no field takes becomes the most there is, which no field takes either.
fn seconds(span: Duration) -> prost_types::Duration {
    prost_types::Duration { seconds: i64::try_from(span.as_secs()).unwrap_or(i64::MAX), nanos: 0 }
}

impl Shown for Settings {
    const NAME: &'static str = "concenter.v1.Settings";

    fn fields(&self) -> Vec<Field> {
        vec![
            column("Life of a jump", span(self.jump_ttl.as_ref())),
            column("Customer's session without a click", span(self.customer_session_idle.as_ref())),
            column("Customer's session in all", span(self.customer_session_absolute.as_ref())),
            column("Broker's session without a click", span(self.broker_session_idle.as_ref())),
            column("Broker's session in all", span(self.broker_session_absolute.as_ref())),
            column("Import changes at most", format!("{} %", self.import_change_limit_percent)),
            column("MVP user of a Vorgang", &self.default_mvp_user_id),
            detail("etag", &self.etag),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_out_of_bounds_is_told_the_bounds() {
        for (longest, minutes) in
            [(CUSTOMER.idle, 15), (CUSTOMER.absolute, 30), (BROKER.idle, 30), (BROKER.absolute, 480)]
        {
            for good in ["1m".to_owned(), format!("{minutes}m")] {
                assert!(parse_session(&good, longest).is_ok(), "{good}");
            }
            for bad in ["0m".to_owned(), "90s".to_owned(), format!("{}m", minutes + 1), "x".to_owned()] {
                assert_eq!(
                    parse_session(&bad, longest),
                    Err(format!("must be whole minutes, 1m to {minutes}m")),
                    "{bad}"
                );
            }
        }
        assert_eq!(parse_jump_ttl("120s"), Ok(Duration::from_secs(120)));
        for bad in ["9s", "121s", "3m", ""] {
            assert_eq!(parse_jump_ttl(bad), Err("must be 10s to 120s"), "{bad}");
        }
    }
}
