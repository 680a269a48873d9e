//! The list of con:center users as a person would see it.

use super::script::UserRow;
use crate::cli::table::{self, NOTHING, check_box, radio};
use crate::proto::v1::provider_scope::{All, Scope};
use crate::proto::v1::{BrokerActivation, ConcenterUser, CustomerAccess, UserKind};

/// The headings of the columns, German where the administration says it in German.
const HEADINGS: [&str; 7] =
    ["Row", "con:center Benutzer", "Password", "Standard", "Endkunde", "Produktgeber", "Used by"];

/// A row of the list, with who uses it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Row {
    name: String,
    kind: UserKind,
    has_password: bool,
    /// Product providers that it reaches; `None` is all of them.
    only: Option<Vec<String>>,
    used_by: String,
}

/// The rows, in the order of their creation.
pub(super) fn rows(users: &[ConcenterUser], activations: &[BrokerActivation], access: &CustomerAccess) -> Vec<Row> {
    users
        .iter()
        .map(|user| Row {
            name: user.user_name.clone(),
            kind: user.kind(),
            has_password: user.secret_set_at.is_some(),
            only: match user.provider_scope.as_ref().and_then(|scope| scope.scope.as_ref()) {
                Some(Scope::All(All {})) => None,
                Some(Scope::Only(only)) => Some(only.product_provider_ids.clone()),
                None => Some(Vec::new()),
            },
            used_by: used_by(user, activations, access),
        })
        .collect()
}

fn used_by(user: &ConcenterUser, activations: &[BrokerActivation], access: &CustomerAccess) -> String {
    let mut users = Vec::new();
    if user.kind() == UserKind::Standard {
        users.push("Datentransfer to the MVP".to_owned());
    }
    for activation in activations.iter().filter(|activation| activation.user_id == user.user_id) {
        users.push(format!("Vermittler {}", activation.broker_ids.join(", ")));
    }
    if access.private_user_id == user.user_id {
        users.push("all Privatkunden".to_owned());
    }
    if access.commercial_user_id == user.user_id {
        users.push("all Gewerbekunden".to_owned());
    }
    users.join("; ")
}

/// What differs from the script; a password must be set on all rows but Standard.
pub(super) fn differences(expected: &[&UserRow], rows: &[Row]) -> Vec<String> {
    if expected.len() != rows.len() {
        return vec![format!("expected {} rows, was {}", expected.len(), rows.len())];
    }
    let mut wrong = Vec::new();
    for (number, (expected, row)) in (1..).zip(expected.iter().zip(rows)) {
        let only = row.only.as_deref().unwrap_or_default();
        let is_as_told = row.name == expected.name
            && row.kind == expected.kind
            && row.has_password == (expected.kind != UserKind::Standard)
            && row.only.is_none() == expected.only.is_empty()
            && only == expected.only
            && !row.used_by.is_empty();
        if !is_as_told {
            wrong.push(format!("row {number} is not as told"));
        }
    }
    wrong
}

/// The table, each line ended, columns aligned.
pub(super) fn render(rows: &[Row]) -> String {
    let mut lines = vec![HEADINGS.map(str::to_owned).to_vec()];
    lines.extend((1..).zip(rows).map(|(number, row)| cells(number, row)));
    table::render(&lines)
}

fn cells(number: u32, row: &Row) -> Vec<String> {
    vec![
        number.to_string(),
        row.name.clone(),
        if row.has_password { "set" } else { NOTHING }.to_owned(),
        radio(row.kind == UserKind::Standard),
        check_box(row.kind == UserKind::EndCustomer),
        row.only.as_ref().map_or_else(|| "all".to_owned(), |only| only.join(", ")),
        row.used_by.clone(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::demo::script::{ROW_4, STANDARD};

    fn rows() -> Vec<Row> {
        let standard = Row {
            name: "cloudtransfer".to_owned(),
            kind: UserKind::Standard,
            has_password: false,
            only: None,
            used_by: "Datentransfer to the MVP".to_owned(),
        };
        let shared = Row {
            name: "privatkunden".to_owned(),
            kind: UserKind::EndCustomer,
            has_password: true,
            only: Some(vec!["vergleicher".to_owned()]),
            used_by: "all Privatkunden".to_owned(),
        };
        vec![standard, shared]
    }

    #[test]
    fn a_table_shows_ticks_and_never_a_password() {
        let expected = "\
Row  con:center Benutzer  Password  Standard  Endkunde  Produktgeber  Used by
1    cloudtransfer        -         (o)       [ ]       all           Datentransfer to the MVP
2    privatkunden         set       ( )       [x]       vergleicher   all Privatkunden
";
        assert_eq!(render(&rows()), expected);
    }

    #[test]
    fn rows_that_differ_from_the_script_are_named() {
        assert!(differences(&[&STANDARD, &ROW_4], &rows()).is_empty());
        assert_eq!(differences(&[&ROW_4, &STANDARD], &rows()), ["row 1 is not as told", "row 2 is not as told"]);
        assert_eq!(differences(&[&STANDARD], &rows()), ["expected 1 rows, was 2"]);
        let without_password = rows().into_iter().map(|row| Row { has_password: false, ..row }).collect::<Vec<_>>();
        assert_eq!(differences(&[&STANDARD, &ROW_4], &without_password), ["row 2 is not as told"]);
    }
}
