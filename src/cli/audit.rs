//! `concenter audit`: lists the audit log, and proves that nobody changed it.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Arc;

use anyhow::Context as _;
use clap::Subcommand;
use prost_types::Timestamp;
use serde::Serialize;

use super::jump::parse_instant;
use super::out::print;
use super::remote::{Connection, Field, ListArgs, Session, Shown, column, detail, instant, word};
use super::table::render;
use super::words::AuditOutcomeWord;
use crate::app::audit::verify_log;
use crate::app::chains::Chains;
use crate::app::checkpoints::{SignedCheckpoints, read_checkpoints};
use crate::app::startup;
use crate::config::{CheckpointSettings, DataSettings};
use crate::domain::audit_log::{FoundFault, LogReport};
use crate::domain::ids::TenantId;
use crate::proto::v1::audit_service_client::AuditServiceClient;
use crate::proto::v1::{AuditEntry, AuditOutcome, ListAuditEntriesRequest, list_audit_entries_request};
use crate::server::{Outside, keks};
use crate::store::{CheckpointDirectory, Store};
use crate::token::{KeyRing, open_floor};

/// List the audit log (Protokoll), and prove that nobody changed it
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    concenter audit list --limit 20 --token-file admin.token\n  \
    concenter audit verify --data-dir /var/lib/concenter")]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    List(ListEntriesArgs),
    Verify(VerifyArgs),
}

/// List what was done and what was refused, the newest first; for role admin
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    concenter audit list --action user.set_secret\n  \
    concenter audit list --customer c-1001 --not-before 2026-01-31T08:00:00Z")]
struct ListEntriesArgs {
    #[command(flatten)]
    connection: Connection,

    /// Only entries of this action, for example user.create
    #[arg(long, value_name = "ACTION")]
    action: Option<String>,

    /// Only entries of this outcome
    #[arg(long, value_enum)]
    outcome: Option<AuditOutcomeWord>,

    /// Only entries refused for this reason, for example ROLE
    #[arg(long, value_name = "REASON")]
    reason: Option<String>,

    /// Only entries of this request
    #[arg(long, value_name = "UUID")]
    request: Option<String>,

    /// Only entries on this object: an id, or a key of the catalogue
    #[arg(long, value_name = "ID")]
    object: Option<String>,

    /// Only entries about this broker
    #[arg(long, value_name = "ID", conflicts_with = "customer")]
    broker: Option<String>,

    /// Only entries about this customer
    #[arg(long, value_name = "ID")]
    customer: Option<String>,

    /// Only entries written at this instant or later (RFC 3339)
    #[arg(long, value_name = "INSTANT", value_parser = parse_instant)]
    not_before: Option<Timestamp>,

    /// Only entries written before this instant (RFC 3339)
    #[arg(long, value_name = "INSTANT", value_parser = parse_instant)]
    before: Option<Timestamp>,

    #[command(flatten)]
    list: ListArgs,
}

/// Verify the audit logs: of all tenants, those that are gone too, or of one
///
/// Reads each log and its chain of seals from the beginning, or from where it was dropped because its
/// time was over, to the end, and says of each where the
/// first thing is that is not as the service wrote it. The data is only read; a service may run on
/// it. Ends with 0 only if every log is as it was written. With --audit-checkpoint-dir it compares each
/// log with its signed checkpoints, too: without them nobody can tell that the end of one is missing.
#[derive(Debug, clap::Args)]
#[command(
    verbatim_doc_comment,
    after_help = "Examples:\n  \
        concenter audit verify --data-dir /var/lib/concenter --audit-checkpoint-dir /mnt/checkpoints\n  \
        concenter audit verify --tenant 019a0b6e-6a00-7000-8000-000000000001 --json"
)]
struct VerifyArgs {
    /// Where the data is.
    #[command(flatten)]
    data: DataSettings,

    /// Only the log of this tenant; 00000000-0000-0000-0000-000000000000 is what belongs to none
    #[arg(long, value_name = "ID", value_parser = parse_tenant)]
    tenant: Option<TenantId>,

    /// Where signed checkpoints are.
    #[command(flatten)]
    checkpoints: CheckpointSettings,

    /// Answer with JSON
    #[arg(long)]
    json: bool,
}

fn parse_tenant(text: &str) -> Result<TenantId, &'static str> {
    TenantId::parse(text).map_err(|_| "must be the id of a tenant, a UUID")
}

/// A log is not as it was written.
#[derive(Debug, thiserror::Error)]
#[error("{faulty} of {all} audit logs are not as they were written")]
pub(super) struct Tampered {
    faulty: usize,
    all: usize,
}

/// Runs the subcommand.
///
/// # Errors
/// Whatever stopped it, or that a log is not as it was written.
pub async fn run(args: Args) -> anyhow::Result<()> {
    match args.command {
        Command::List(args) => list(args).await,
        Command::Verify(args) => verify(args).await,
    }
}

async fn list(args: ListEntriesArgs) -> anyhow::Result<()> {
    let session = Session::open(&args.connection, "There is no such log.").await?;
    let client = AuditServiceClient::new(session.service());
    let person = args
        .broker
        .map(list_audit_entries_request::Person::BrokerId)
        .or(args.customer.map(list_audit_entries_request::Person::CustomerId));
    let wanted = ListAuditEntriesRequest {
        page_size: 0,
        page_token: String::new(),
        action: args.action,
        outcome: args.outcome.map(|word| AuditOutcome::from(word).into()),
        reason: args.reason,
        request: args.request,
        object: args.object,
        person,
        not_before: args.not_before,
        before: args.before,
    };
    let page = async |page_size, page_token| {
        let request = ListAuditEntriesRequest { page_size, page_token, ..wanted.clone() };
        let answer = session.read(client.clone().list_audit_entries(request)).await?;
        Ok((answer.entries, answer.next_page_token))
    };
    session.list(&args.list, page).await
}

impl Shown for AuditEntry {
    const NAME: &'static str = "concenter.v1.AuditEntry";

    fn fields(&self) -> Vec<Field> {
        vec![
            column("Written", instant(self.at.as_ref())),
            column("Role", self.role.as_str()),
            column("Action", self.action.as_str()),
            column("Object", self.object.as_str()),
            column("Outcome", word(self.outcome().as_str_name(), "AUDIT_OUTCOME_")),
            column("Reason", self.reason.as_str()),
            detail("Id", self.audit_id.as_str()),
            detail("Caller", self.caller.as_str()),
            detail("Actor", self.actor.as_str()),
            detail("Person", self.person.as_str()),
            detail("Request", self.request.as_str()),
        ]
    }
}

async fn verify(args: VerifyArgs) -> anyhow::Result<()> {
    let store = args.data.location()?.open_read_only().await?;
    let verified = verify_all(&*store, &args).await;
    store.close().await;
    let logs = verified.context("read the audit log")?;
    print(&if args.json { json(&logs)? } else { told(&logs) })?;
    match logs.iter().filter(|log| log.report.fault.is_some()).count() {
        0 => Ok(()),
        faulty => Err(Tampered { faulty, all: logs.len() }.into()),
    }
}

/// A log that was verified.
struct Verified {
    tenant: TenantId,
    report: LogReport,
}

async fn verify_all(store: &dyn Store, args: &VerifyArgs) -> anyhow::Result<Vec<Verified>> {
    let directory = args.checkpoints.directory();
    let mut wanted = tenants(store, directory.as_ref()).await?;
    wanted.retain(|tenant| args.tenant.is_none_or(|only| only == *tenant));
    // The keys are asked for only where there is a signature to check.
    let ring = if directory.is_some() || has_floor(store, &wanted).await? {
        Some(ring(store, &args.data).await?)
    } else {
        None
    };
    let now = Outside::system().clock.now();
    let open = |text: &str| ring.as_ref().and_then(|ring| open_floor(ring, text, now).ok());
    let mut logs = Vec::new();
    for tenant in wanted {
        let signed = match (&directory, &ring) {
            (Some(directory), Some(ring)) => read_checkpoints(directory, ring, &tenant, now).await?,
            (None, _) | (_, None) => SignedCheckpoints::default(),
        };
        logs.push(Verified { tenant, report: verify_log(store, &tenant, &signed, &open).await? });
    }
    if let Some(tenant) = &args.tenant
        && logs.is_empty()
    {
        anyhow::bail!("tenant {tenant} has no audit log here");
    }
    Ok(logs)
}

/// Tells whether any of these logs was ever dropped from.
async fn has_floor(store: &dyn Store, tenants: &BTreeSet<TenantId>) -> anyhow::Result<bool> {
    for tenant in tenants {
        if store.audit_floor(tenant).await?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The keys that checkpoints and floors are signed with.
async fn ring(store: &dyn Store, data: &DataSettings) -> anyhow::Result<Arc<KeyRing>> {
    let (keys, _) = startup::unlock_existing(store, &keks(data)?).await?;
    Ok(keys.jump_ring)
}

/// Whose logs there are, or were when there was a checkpoint of them.
async fn tenants(store: &dyn Store, checkpoints: Option<&CheckpointDirectory>) -> anyhow::Result<BTreeSet<TenantId>> {
    let mut tenants = BTreeSet::new();
    if let Some(directory) = checkpoints {
        tenants.extend(directory.tenants().await?);
    }
    let mut chains = Chains::of(store);
    while let Some(page) = chains.next().await? {
        tenants.extend(page.iter().map(|chain| chain.tenant));
    }
    Ok(tenants)
}

/// A table with a line for each log.
fn told(logs: &[Verified]) -> String {
    let header = ["Tenant", "Dropped", "Sealed", "Unsealed", "Checkpoints", "Log"].map(str::to_owned).to_vec();
    let lines = logs.iter().map(|Verified { tenant, report }| {
        vec![
            tenant.to_string(),
            report.dropped.to_string(),
            report.sealed.to_string(),
            report.unsealed.to_string(),
            report.checkpoints.to_string(),
            report.fault.as_ref().map_or_else(|| "ok".to_owned(), found),
        ]
    });
    render(&std::iter::once(header).chain(lines).collect::<Vec<_>>())
}

/// What was found, and where.
fn found(FoundFault { fault, seq, audit_id }: &FoundFault) -> String {
    let mut text = fault.as_str().to_owned();
    // Nothing keeps a text from growing.
    if let Some(seq) = seq {
        let _ = write!(text, ": seal {seq}");
    }
    if let Some(audit_id) = audit_id {
        let _ = write!(text, "{} row {audit_id}", if seq.is_some() { "," } else { ":" });
    }
    text
}

/// What machines read.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LogJson<'a> {
    tenant_id: String,
    dropped: u64,
    sealed: u64,
    unsealed: u64,
    checkpoints: u64,
    fault: Option<FaultJson<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct FaultJson<'a> {
    fault: &'static str,
    seq: Option<i64>,
    audit_id: Option<&'a str>,
}

/// A JSON array with an object for each log, in one line.
fn json(logs: &[Verified]) -> anyhow::Result<String> {
    let logs = logs.iter().map(|Verified { tenant, report }| LogJson {
        tenant_id: tenant.to_string(),
        dropped: report.dropped,
        sealed: report.sealed,
        unsealed: report.unsealed,
        checkpoints: report.checkpoints,
        fault: report.fault.as_ref().map(|FoundFault { fault, seq, audit_id }| FaultJson {
            fault: fault.as_str(),
            seq: *seq,
            audit_id: audit_id.as_deref(),
        }),
    });
    Ok(serde_json::to_string(&logs.collect::<Vec<_>>())? + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::audit_log::LogFault;

    fn verified(fault: Option<FoundFault>) -> Verified {
        Verified {
            tenant: TenantId::SYSTEM,
            report: LogReport { dropped: 3, sealed: 12, unsealed: 1, checkpoints: 2, fault },
        }
    }

    fn faults() -> [Verified; 4] {
        let fault = |fault, seq, audit_id: Option<&str>| {
            verified(Some(FoundFault { fault, seq, audit_id: audit_id.map(str::to_owned) }))
        };
        [
            verified(None),
            fault(LogFault::RowChanged, Some(7), Some("x")),
            fault(LogFault::SealMissing, Some(7), None),
            fault(LogFault::RowInserted, None, Some("\u{1b}x")),
        ]
    }

    #[test]
    fn each_log_says_what_is_wrong_and_where() {
        assert_eq!(
            told(&faults()),
            "Tenant                                Dropped  Sealed  Unsealed  Checkpoints  Log\n\
             00000000-0000-0000-0000-000000000000  3        12      1         2            ok\n\
             00000000-0000-0000-0000-000000000000  3        12      1         2            ROW_CHANGED: seal 7, row x\n\
             00000000-0000-0000-0000-000000000000  3        12      1         2            SEAL_MISSING: seal 7\n\
             00000000-0000-0000-0000-000000000000  3        12      1         2            ROW_INSERTED: row \u{fffd}x\n"
        );
    }

    #[test]
    fn machines_read_the_same() {
        let told: serde_json::Value = serde_json::from_str(&json(&faults()).unwrap()).unwrap();
        assert_eq!(told[0]["fault"], serde_json::Value::Null);
        assert_eq!(told[1]["fault"]["fault"], "ROW_CHANGED");
        assert_eq!((told[1]["fault"]["seq"].as_i64(), told[1]["fault"]["auditId"].as_str()), (Some(7), Some("x")));
        assert_eq!((told[0]["sealed"].as_u64(), told[0]["unsealed"].as_u64()), (Some(12), Some(1)));
    }
}
