//! `concenter token`: mints a caller's token of the embedded issuer, beside a running service or without one.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser as _};
use clap::error::ErrorKind;
use clap::{CommandFactory as _, Parser};

use super::duration::parse_duration;
use super::out::print;
use super::remote::UUID;
use crate::app::startup::{self, UnlockError};
use crate::config::DataSettings;
use crate::domain::caller::Role;
use crate::domain::ids::{BrokerId, CustomerId, SubjectId, TargetId, TenantId};
use crate::server::{Outside, TlsError, embedded_issuer, keks, read_thumbprint};
use crate::store::Store;
use crate::token::{CallerGrant, LONGEST_CALLER_LIFE, TokenError};

/// Mint a caller's token
///
/// Prints the token and nothing else. Whoever has it is who it says until it ends: pass it on
/// through a file or a pipe, not as an argument. The data is only read; a service may run on it.
///
/// What goes with which role:
///   operator          nothing
///   admin, portal     --tenant
///   broker            --tenant and --broker-id
///   customer          --tenant and --customer-id
///   target            --target
///
/// A service with --profile production takes no token of these.
#[derive(Debug, Clone, Parser)]
#[command(
    name = "concenter token",
    verbatim_doc_comment,
    after_help = "Examples:\n  \
        concenter token --role operator\n  \
        concenter token --role portal --tenant 019a0b6e-6a00-7000-8000-000000000001\n  \
        concenter token --role broker --tenant 019a0b6e-6a00-7000-8000-000000000001 --broker-id b-17 --life 30m\n  \
        concenter token --role target --target tarif-rechner > target.token\n  \
        concenter token --role target --target tarif-rechner --client-certificate rechner.pem > target.token"
)]
pub struct Args {
    /// Where the data is.
    #[command(flatten)]
    pub data: DataSettings,

    /// What the caller is
    #[arg(long, value_name = "ROLE", value_parser = role_parser())]
    pub role: Role,

    /// Tenant that the caller belongs to
    #[arg(long, value_name = "UUID", value_parser = parse_tenant)]
    pub tenant: Option<TenantId>,

    /// Broker that the caller is: the portal's id of him
    #[arg(long, value_name = "ID", value_parser = BrokerId::parse)]
    pub broker_id: Option<BrokerId>,

    /// Customer that the caller is, or is staff of: the portal's id of him
    #[arg(long, value_name = "ID", value_parser = CustomerId::parse)]
    pub customer_id: Option<CustomerId>,

    /// Target that the caller is
    #[arg(long, value_name = "KEY", value_parser = TargetId::parse)]
    pub target: Option<TargetId>,

    /// Who holds the token, for the audit log; otherwise the id of broker, customer or target, or the name of the role
    #[arg(long, value_name = "ID", value_parser = SubjectId::parse)]
    pub subject: Option<SubjectId>,

    /// Bind the token to a client's certificate: the first one of this file (PEM)
    ///
    /// Then it is good over a connection with that certificate alone, and useless to whoever steals it.
    #[arg(long, value_name = "FILE")]
    pub client_certificate: Option<PathBuf>,

    /// How long the token is good for: 1s to 24h, in s, m or h
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = parse_life)]
    pub life: Duration,
}

/// The tenant of the token is deleted.
#[derive(Debug, thiserror::Error)]
#[error(
    "the tenant is deleted, so that a token for it would be refused: take that back with `concenter tenant undelete {0}`"
)]
pub(super) struct TenantDeleted(TenantId);

/// Prints a token.
///
/// # Errors
/// A usage error if the claims do not fit the role, or name what the database does not have; that the tenant is deleted;
/// why the certificate cannot be read, or the database or its keys do not open.
pub async fn run(args: Args) -> anyhow::Result<()> {
    let grant = bound(grant(&args)?, args.client_certificate.as_deref())?;
    let store = args.data.location()?.open_read_only().await?;
    let (_, caller_ring) = startup::unlock_existing(&*store, &keks(&args.data)?).await?;
    check_known(&*store, &grant).await?;
    store.close().await;
    let Outside { clock, random, .. } = Outside::system();
    let token = embedded_issuer(caller_ring).mint(&grant, clock.now(), &*random).map_err(of_mint)?;
    print(&format!("{token}\n"))
}

/// Why there is no token: where its key is the reason, a person has to act.
fn of_mint(error: TokenError) -> anyhow::Error {
    match error {
        TokenError::NoKey => UnlockError::NoSigningKey.into(),
        other => other.into(),
    }
}

/// Reads the claims of the command line; exactly those that the role needs.
fn grant(args: &Args) -> Result<CallerGrant, clap::Error> {
    check_claims(args)?;
    Ok(CallerGrant {
        subject: args.subject.clone().map_or_else(|| default_subject(args), Ok)?,
        roles: vec![args.role],
        tenant: args.tenant,
        broker_id: args.broker_id.clone(),
        customer_id: args.customer_id.clone(),
        target_audience: args.target.clone(),
        bound_to: None,
        life: args.life,
    })
}

/// The grant, bound to the certificate in a file if one is named.
fn bound(grant: CallerGrant, certificate: Option<&Path>) -> Result<CallerGrant, TlsError> {
    let bound_to = certificate.map(|path| read_thumbprint("--client-certificate", path)).transpose()?;
    Ok(CallerGrant { bound_to, ..grant })
}

/// Refuses a claim that the role lacks, and one that it has no use for: either is a slip of whoever typed it.
fn check_claims(args: &Args) -> Result<(), clap::Error> {
    let role = args.role.as_str();
    let needed: &[&str] = match args.role {
        Role::Operator => &[],
        Role::Admin | Role::Portal => &["--tenant"],
        Role::Broker => &["--tenant", "--broker-id"],
        Role::Customer => &["--tenant", "--customer-id"],
        Role::Target => &["--target"],
    };
    let claims = [
        ("--tenant", args.tenant.is_some()),
        ("--broker-id", args.broker_id.is_some()),
        ("--customer-id", args.customer_id.is_some()),
        ("--target", args.target.is_some()),
    ];
    for (flag, is_given) in claims {
        match (needed.contains(&flag), is_given) {
            (true, false) => {
                let problem = format!("a token of role {role} needs {flag}");
                return Err(Args::command().error(ErrorKind::MissingRequiredArgument, problem));
            }
            (false, true) => {
                let problem = format!("{flag} does not go with role {role}");
                return Err(Args::command().error(ErrorKind::ArgumentConflict, problem));
            }
            (true, true) | (false, false) => {}
        }
    }
    Ok(())
}

/// Refuses a tenant or target that the database does not have, and a tenant that is deleted: a token for it would be refused at every call, and why
/// is not told there.
async fn check_known(store: &dyn Store, grant: &CallerGrant) -> anyhow::Result<()> {
    let unknown = |what: &str| {
        let problem = format!("the database has no such {what}: `concenter {what} list` shows them");
        Args::command().error(ErrorKind::ValueValidation, problem)
    };
    if let Some(id) = &grant.tenant {
        let tenant = store.get_tenant(id).await?.ok_or_else(|| unknown("tenant"))?;
        if tenant.deleted_at.is_some() {
            return Err(TenantDeleted(*id).into());
        }
    }
    if let Some(target) = &grant.target_audience
        && store.get_target(target).await?.is_none()
    {
        return Err(unknown("target").into());
    }
    Ok(())
}

/// Who holds a token if nobody says so: whoever it speaks for.
fn default_subject(args: &Args) -> Result<SubjectId, clap::Error> {
    let name = match args.role {
        Role::Operator | Role::Admin | Role::Portal => None,
        Role::Broker => args.broker_id.as_ref().map(BrokerId::as_str),
        Role::Customer => args.customer_id.as_ref().map(CustomerId::as_str),
        Role::Target => args.target.as_ref().map(TargetId::as_str),
    };
    SubjectId::parse(name.unwrap_or_else(|| args.role.as_str()))
        .map_err(|error| Args::command().error(ErrorKind::ValueValidation, error))
}

fn role_parser() -> impl clap::builder::TypedValueParser<Value = Role> {
    PossibleValuesParser::new(Role::ALL.map(Role::as_str))
        .try_map(|name| Role::parse(&name).ok_or("there is no such role"))
}

/// Reads the id of a tenant.
fn parse_tenant(text: &str) -> Result<TenantId, String> {
    TenantId::parse(text).map_err(|_| format!("must be a UUID like {UUID}, as `concenter tenant list` shows it"))
}

/// Reads how long a token lives.
fn parse_life(text: &str) -> Result<Duration, &'static str> {
    const PROBLEM: &str = "must be 1s to 24h: a number and s, m or h";
    let life = parse_duration(text).map_err(|_| PROBLEM)?;
    if life.is_zero() || life > LONGEST_CALLER_LIFE { Err(PROBLEM) } else { Ok(life) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TENANT: &str = "019a0b6e-6a00-7000-8000-000000000001";

    fn parsed(arguments: &str) -> Result<CallerGrant, clap::Error> {
        let words = ["concenter token"].into_iter().chain(arguments.split_whitespace());
        grant(&Args::try_parse_from(words)?)
    }

    /// What the command line gets wrong.
    fn problem(arguments: &str) -> ErrorKind {
        parsed(arguments).map(|_| ()).unwrap_err().kind()
    }

    #[test]
    fn each_role_takes_exactly_its_claims() {
        for arguments in [
            "--role operator".to_owned(),
            format!("--role admin --tenant {TENANT}"),
            format!("--role portal --tenant {TENANT}"),
            format!("--role broker --tenant {TENANT} --broker-id b-1"),
            format!("--role customer --tenant {TENANT} --customer-id c-1"),
            "--role target --target tarif".to_owned(),
        ] {
            assert!(parsed(&arguments).is_ok(), "{arguments}");
        }
    }

    #[test]
    fn a_missing_claim_is_a_usage_error() {
        for arguments in [
            "--role admin".to_owned(),
            "--role portal".to_owned(),
            format!("--role broker --tenant {TENANT}"),
            "--role broker --broker-id b-1".to_owned(),
            format!("--role customer --tenant {TENANT}"),
            "--role target".to_owned(),
            String::new(),
        ] {
            assert_eq!(problem(&arguments), ErrorKind::MissingRequiredArgument, "{arguments}");
        }
    }

    #[test]
    fn a_claim_of_another_role_is_a_usage_error() {
        for arguments in [
            format!("--role operator --tenant {TENANT}"),
            format!("--role admin --tenant {TENANT} --broker-id b-1"),
            format!("--role broker --tenant {TENANT} --broker-id b-1 --customer-id c-1"),
            format!("--role target --target tarif --tenant {TENANT}"),
            format!("--role portal --tenant {TENANT} --target tarif"),
        ] {
            assert_eq!(problem(&arguments), ErrorKind::ArgumentConflict, "{arguments}");
        }
    }

    #[test]
    fn a_usage_error_ends_with_code_2() {
        assert_eq!(parsed("--role admin").map(|_| ()).unwrap_err().exit_code(), 2);
    }

    #[test]
    fn the_subject_is_whoever_the_token_speaks_for() {
        let subject = |arguments: &str| parsed(arguments).unwrap().subject.to_string();
        assert_eq!(subject("--role operator"), "operator");
        assert_eq!(subject(&format!("--role broker --tenant {TENANT} --broker-id b-1")), "b-1");
        assert_eq!(subject("--role target --target tarif"), "tarif");
        assert_eq!(subject("--role operator --subject ops@example"), "ops@example");
    }

    #[test]
    fn a_life_is_a_number_with_its_unit() {
        for (text, seconds) in [("1s", 1), ("90s", 90), ("30m", 1_800), ("1h", 3_600), ("24h", 86_400)] {
            assert_eq!(parse_life(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "h", "0s", "1", "1d", "25h", "+1h", "-1h", "1.5h", "86401s", "99999999999999999999h", "1hh"] {
            assert!(parse_life(text).is_err(), "{text}");
        }
    }
}
