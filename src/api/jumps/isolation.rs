//! The isolation report, in the words of the contract.

use super::answer::way_out;
use crate::api::users::user_out;
use crate::domain::isolation::{Finding, FindingCode, IsolationSummary, IsolationTarget, IsolationUser, Severity};
use crate::proto::v1;

impl From<IsolationUser> for v1::IsolationUser {
    fn from(user: IsolationUser) -> Self {
        let IsolationUser { user, reached_by, activated, targets, findings } = user;
        let way = |(way, customers)| v1::IsolationWay { way: way_out(way).into(), customers: number(customers) };
        Self {
            user: Some(user_out(user)),
            ways: reached_by.into_iter().map(way).collect(),
            activations: number(activated.activations),
            brokers: number(activated.brokers),
            targets: targets.iter().map(target).collect(),
            findings: findings.into_iter().map(finding).collect(),
        }
    }
}

/// The id that rows of the report are sorted by.
pub(super) fn user_id(row: &v1::IsolationUser) -> &str {
    row.user.as_ref().map_or("", |user| user.user_id.as_str())
}

/// The numbers of the first page.
pub(super) fn summary(summary: IsolationSummary) -> v1::IsolationSummary {
    v1::IsolationSummary {
        users: number(summary.users),
        critical: number(summary.critical),
        high: number(summary.high),
        medium: number(summary.medium),
        low: number(summary.low),
    }
}

fn number(of: u64) -> i64 {
    i64::try_from(of).unwrap_or(i64::MAX)
}

fn target(target: &IsolationTarget) -> v1::IsolationTarget {
    v1::IsolationTarget {
        target_id: target.target_id.to_string(),
        open: target.is_open,
        customers: number(target.subjects.customers),
        subjects: number(target.subjects.subjects),
    }
}

fn finding(finding: Finding) -> v1::IsolationFinding {
    v1::IsolationFinding {
        code: code(finding.code).into(),
        severity: severity(finding.code.severity()).into(),
        advice: advice(finding.code).to_owned(),
        target_id: finding.target_id.map(|target| target.to_string()).unwrap_or_default(),
    }
}

const fn code(code: FindingCode) -> v1::FindingCode {
    match code {
        FindingCode::NotEndCustomer => v1::FindingCode::NotEndCustomer,
        FindingCode::RemoteNotEndCustomer => v1::FindingCode::RemoteNotEndCustomer,
        FindingCode::RemoteUnknown => v1::FindingCode::RemoteUnknown,
        FindingCode::SubjectOfSeveralCustomers => v1::FindingCode::SubjectOfSeveralCustomers,
        FindingCode::CustomerWithSeveralSubjects => v1::FindingCode::CustomerWithSeveralSubjects,
        FindingCode::CustomersAndBrokers => v1::FindingCode::CustomersAndBrokers,
        FindingCode::SharedWithoutReason => v1::FindingCode::SharedWithoutReason,
        FindingCode::SharedWithReason => v1::FindingCode::SharedWithReason,
        FindingCode::CredentialSuspect => v1::FindingCode::CredentialSuspect,
        FindingCode::UserDisabled => v1::FindingCode::UserDisabled,
        FindingCode::SecretMissing => v1::FindingCode::SecretMissing,
    }
}

const fn severity(severity: Severity) -> v1::FindingSeverity {
    match severity {
        Severity::Critical => v1::FindingSeverity::Critical,
        Severity::High => v1::FindingSeverity::High,
        Severity::Medium => v1::FindingSeverity::Medium,
        Severity::Low => v1::FindingSeverity::Low,
    }
}

const fn advice(code: FindingCode) -> &'static str {
    match code {
        FindingCode::NotEndCustomer => {
            "tick Endkunde at con:center and mark the user here, or give the customers another one"
        }
        FindingCode::RemoteNotEndCustomer => "tick Endkunde for this user at con:center, then attest it here",
        FindingCode::RemoteUnknown => "look at con:center whether Endkunde is ticked for this user, and attest it here",
        FindingCode::SubjectOfSeveralCustomers => {
            "tell the operator, and the target: it has taken different customers for one"
        }
        FindingCode::CustomerWithSeveralSubjects => "tell the operator: the target has taken one customer for several",
        FindingCode::CustomersAndBrokers => "give the brokers a con:center user of their own",
        FindingCode::SharedWithoutReason => "give each broker a con:center user of his own, or say why they share it",
        FindingCode::SharedWithReason => "ask from time to time whether the reason for sharing the user still holds",
        FindingCode::CredentialSuspect => "set the password of the user again as it is at con:center",
        FindingCode::UserDisabled => "enable the user, or give its customers another one",
        FindingCode::SecretMissing => "set the password of the user",
    }
}
