//! `concenter report`: what an administrator shows to whoever asks how customers are kept apart.

use std::fmt::Write as _;

use clap::Subcommand;

use super::remote::{Connection, Service, Session, instant, word};
use super::table::render;
use crate::proto::v1::jump_service_client::JumpServiceClient;
use crate::proto::v1::provider_scope::Scope;
use crate::proto::v1::{
    ConcenterUser, FindingSeverity, GetIsolationReportRequest, GetIsolationReportResponse, IsolationFinding,
    IsolationSummary, IsolationUser,
};

/// What is meant where there is no such thing: nothing is named.
const MISSING: &str = "there is no such tenant: `concenter token --help` says how a credential names one";
/// Users on a page.
const PAGE: i32 = 500;

/// Report on a firm; for role admin
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  concenter report isolation\n  concenter report isolation --json")]
pub struct Args {
    #[command(flatten)]
    connection: Connection,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show how customers who share con:center users are kept apart, and what is wrong with it
    ///
    /// Ends with code 78 if a finding is high or critical.
    #[command(verbatim_doc_comment, after_help = "Examples:\n  concenter report isolation")]
    Isolation,
}

/// Customers are not kept apart as they should be.
#[derive(Debug, thiserror::Error)]
#[error("{0} findings are critical or high")]
pub(super) struct NotIsolated(i64);

/// Does what was asked for.
///
/// # Errors
/// Why it could not be done, or that a finding is high or critical.
pub async fn run(args: Args) -> anyhow::Result<()> {
    let session = Session::open(&args.connection, MISSING).await?;
    let Command::Isolation = args.command;
    let mut report = GetIsolationReportResponse::default();
    loop {
        let request = GetIsolationReportRequest { page_size: PAGE, page_token: report.next_page_token.clone() };
        let page = session.read(client(&session).get_isolation_report(request)).await?;
        report.users.extend(page.users);
        report.next_page_token = page.next_page_token;
        // Told on the first page only.
        report.summary = report.summary.or(page.summary);
        if report.next_page_token.is_empty() {
            break;
        }
    }
    session.show_answer("concenter.v1.GetIsolationReportResponse", &report, || text(&report))?;
    let IsolationSummary { critical, high, .. } = report.summary.unwrap_or_default();
    if critical + high > 0 { Err(NotIsolated(critical + high).into()) } else { Ok(()) }
}

fn client(session: &Session) -> JumpServiceClient<Service> {
    JumpServiceClient::new(session.service())
}

/// The users, what is wrong, and the numbers.
fn text(report: &GetIsolationReportResponse) -> String {
    let headings =
        ["User", "Kind", "State", "Providers", "Endkunde since", "At con:center", "Reached by", "Targets", "Subjects"];
    let mut rows = vec![headings.map(str::to_owned).to_vec()];
    rows.extend(report.users.iter().map(cells));
    let mut text = render(&rows);
    let findings: Vec<_> =
        report.users.iter().flat_map(|user| user.findings.iter().map(|finding| finding_cells(user, finding))).collect();
    text.push('\n');
    if findings.is_empty() {
        text.push_str("No findings.\n");
        return text;
    }
    let headings = vec![["Severity", "Finding", "User", "Target", "Advice"].map(str::to_owned).to_vec()];
    text.push_str(&render(&[headings, findings].concat()));
    let IsolationSummary { critical, high, medium, low, .. } = report.summary.unwrap_or_default();
    // Nothing keeps a text from growing.
    let _ = writeln!(text, "\n{critical} critical, {high} high, {medium} medium, {low} low");
    text
}

fn cells(row: &IsolationUser) -> Vec<String> {
    let user = row.user.clone().unwrap_or_default();
    let way = |way: &crate::proto::v1::IsolationWay| {
        format!("{} {}", word(way.way().as_str_name(), "RESOLUTION_WAY_"), way.customers)
    };
    let mut reached: Vec<_> = row.ways.iter().map(way).collect();
    if row.activations > 0 {
        reached.push(format!("{} brokers in {} activations", row.brokers, row.activations));
    }
    let open = row.targets.iter().filter(|target| target.open).map(|target| target.target_id.as_str());
    let subjects = row.targets.iter().filter(|target| target.subjects > 0);
    let subjects = subjects.map(|target| format!("{} {}", target.target_id, target.subjects));
    vec![
        user.user_name.clone(),
        word(user.kind().as_str_name(), "USER_KIND_").to_owned(),
        word(user.state().as_str_name(), "STATE_").to_owned(),
        providers(&user),
        marked(&user),
        at_con_center(&user),
        reached.join(", "),
        open.collect::<Vec<_>>().join(", "),
        subjects.collect::<Vec<_>>().join(", "),
    ]
}

/// The product providers that it supports.
fn providers(user: &ConcenterUser) -> String {
    match user.provider_scope.as_ref().and_then(|scope| scope.scope.as_ref()) {
        Some(Scope::All(_)) => "all".to_owned(),
        Some(Scope::Only(only)) => only.product_provider_ids.join(", "),
        None => String::new(),
    }
}

/// Since when it is marked Endkunde, and by whom.
fn marked(user: &ConcenterUser) -> String {
    let since = instant(user.end_customer_at.as_ref());
    if user.end_customer_by.is_empty() { since } else { format!("{since} by {}", user.end_customer_by) }
}

/// What con:center says, and who said so.
fn at_con_center(user: &ConcenterUser) -> String {
    let said = word(user.remote_end_customer().as_str_name(), "REMOTE_END_CUSTOMER_");
    if user.remote_end_customer_by.is_empty() {
        return said.to_owned();
    }
    format!("{said} {} by {}", instant(user.remote_end_customer_at.as_ref()), user.remote_end_customer_by)
}

fn finding_cells(row: &IsolationUser, finding: &IsolationFinding) -> Vec<String> {
    let name = row.user.as_ref().map(|user| user.user_name.clone()).unwrap_or_default();
    let severity = word(FindingSeverity::as_str_name(&finding.severity()), "FINDING_SEVERITY_").to_owned();
    let code = word(finding.code().as_str_name(), "FINDING_CODE_").to_owned();
    vec![severity, code, name, finding.target_id.clone(), finding.advice.clone()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::v1::provider_scope::Only;
    use crate::proto::v1::{FindingCode, IsolationWay, ProviderScope, RemoteEndCustomer, ResolutionWay};

    #[test]
    fn a_report_says_what_a_user_supports_and_who_marked_and_attested_it() {
        let at = Some(prost_types::Timestamp { seconds: 1_800_000_000, nanos: 0 });
        let only = Only { product_provider_ids: vec!["sicher".to_owned(), "vergleich".to_owned()] };
        let user = ConcenterUser {
            user_name: "privatkunden".to_owned(),
            provider_scope: Some(ProviderScope { scope: Some(Scope::Only(only)) }),
            end_customer_at: at,
            end_customer_by: "admin.a".to_owned(),
            remote_end_customer: RemoteEndCustomer::Yes.into(),
            remote_end_customer_at: at,
            remote_end_customer_by: "admin.b".to_owned(),
            ..Default::default()
        };
        let row = IsolationUser { user: Some(user), ..Default::default() };
        let told = text(&GetIsolationReportResponse { users: vec![row], ..Default::default() });
        let since = instant(at.as_ref());
        for cell in ["sicher, vergleich".to_owned(), format!("{since} by admin.a"), format!("YES {since} by admin.b")] {
            assert!(told.contains(&cell), "{cell}: {told}");
        }
    }

    #[test]
    fn a_report_without_findings_says_so() {
        let user = ConcenterUser { user_name: "privatkunden".to_owned(), ..Default::default() };
        let ways = vec![IsolationWay { way: ResolutionWay::SharedPrivate.into(), customers: 2 }];
        let row = IsolationUser { user: Some(user), ways, ..Default::default() };
        let mut report = GetIsolationReportResponse { users: vec![row], ..Default::default() };
        let told = text(&report);
        assert!(told.contains("SHARED_PRIVATE 2") && told.ends_with("\nNo findings.\n"), "{told}");

        report.users[0].findings.push(IsolationFinding {
            code: FindingCode::RemoteUnknown.into(),
            severity: FindingSeverity::Medium.into(),
            advice: "look it up".to_owned(),
            ..Default::default()
        });
        report.summary = Some(IsolationSummary { users: 1, medium: 1, ..Default::default() });
        let told = text(&report);
        assert!(told.contains("MEDIUM    REMOTE_UNKNOWN  privatkunden  -       look it up"), "{told}");
        assert!(told.ends_with("\n0 critical, 0 high, 1 medium, 0 low\n"), "{told}");
    }
}
