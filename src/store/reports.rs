//! What the request log keeps of the report of a login, in either engine.

use crate::domain::ids::{AuditId, InvalidId, UserId};
use crate::domain::jump::LoginReport;

/// The resource of a report: the jump; and where it marked a user, he, and the id of the row that tells of that.
pub(super) fn resource_of(report: &LoginReport, marked: Option<&UserId>) -> String {
    match marked {
        None => report.jump_id.to_string(),
        Some(user) => format!("{} {user} {}", report.jump_id, report.mark_id),
    }
}

/// Whom the request marked whose row would have this id. One that is repeated has another id, and marks nobody.
///
/// # Errors
/// [`InvalidId`] if what stands there for him is no id.
pub(super) fn marked_in(resource: &str, mark_id: &AuditId) -> Result<Option<UserId>, InvalidId> {
    let mut words = resource.split(' ').skip(1);
    match (words.next(), words.next()) {
        (Some(user), Some(id)) if id == mark_id.to_string() => UserId::parse(user).map(Some),
        _ => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::{JumpId, TargetId};
    use crate::domain::jump::JumpResult;

    const ID: &str = "0190f5fe-7c00-7a8d-8d2e-5b1d3f4a5b6c";
    const OTHER: &str = "0190f5fe-7c00-7a8d-8d2e-5b1d3f4a5b6d";

    #[test]
    fn only_the_request_that_marked_a_user_reads_whom() {
        let [mark_id, another] = [ID, OTHER].map(|id| AuditId::parse(id).unwrap());
        let user = UserId::parse(OTHER).unwrap();
        let report = LoginReport {
            jump_id: JumpId::parse(ID).unwrap(),
            target_id: TargetId::parse("rechner").unwrap(),
            result: JumpResult::LoginFailed,
            mark_id,
        };
        let marked = resource_of(&report, Some(&user));
        assert_eq!(marked_in(&marked, &mark_id), Ok(Some(user)));
        assert_eq!(marked_in(&marked, &another), Ok(None));
        assert_eq!(marked_in(&resource_of(&report, None), &mark_id), Ok(None));
        assert!(marked_in(&format!("{ID} somebody {ID}"), &mark_id).is_err());
    }
}
