//! The records of customers.

use std::fmt::Write as _;

use serde_json::json;

use super::client::{Firm, Office, field, path};

/// A file of so many records, of both segments in turn.
fn lines(count: usize) -> String {
    (0..count).fold(String::new(), |mut lines, number| {
        let segment = if number % 2 == 0 { "private" } else { "commercial" };
        writeln!(lines, "c-{number};{segment}").expect("a line");
        lines
    })
}

#[test]
fn a_customer_is_put_assigned_and_erased() {
    let office = Office::open();
    let firm = Firm::of(&office);
    let user = firm.shared_user("eigener");
    assert_eq!(firm.portal.json(&["customer", "put", "c-1", "private"]), json!({"created": 1}));
    assert_eq!(firm.portal.json(&["customer", "put", "c-1", "commercial"]), json!({"changed": 1}));
    assert_eq!(
        firm.portal.text(&["customer", "put", "c-1", "commercial"]),
        "Created    0\nChanged    0\nUnchanged  1\n"
    );

    let assigned = firm.admin.json(&["customer", "assign-user", "c-1", "--user", &user]);
    assert_eq!((field(&assigned, "userId"), field(&assigned, "segment")), (user.clone(), "SEGMENT_COMMERCIAL".into()));
    assert_eq!(firm.admin.objects(&["customer", "list", "--user", &user]), [assigned]);
    let without = firm.admin.json(&["customer", "assign-user", "c-1", "--none"]);
    assert_eq!(without.get("userId"), None);

    assert_eq!(firm.portal.text(&["customer", "erase", "c-1", "--yes"]), "erased\n");
    let gone = firm.portal.run(&["customer", "get", "c-1"]);
    assert!(gone.error(78).ends_with("(NOT_FOUND)"), "{gone:?}");
}

#[test]
fn a_file_of_many_records_goes_in_batches_and_the_list_follows_its_pages() {
    let office = Office::open();
    let firm = Firm::of(&office);
    let lines = lines(2_001);
    let file = office.secret_file("customers.csv", &lines);
    assert_eq!(firm.portal.json(&["customer", "put", "--file", path(&file)]), json!({"created": 2_001}));
    let again = firm.portal.run_with(&["customer", "put", "--file", "-", "--json"], &lines);
    assert_eq!(again.out, "{\"unchanged\":2001}\n", "{again:?}");

    assert_eq!(firm.admin.objects(&["customer", "list"]).len(), 2_001);
    assert_eq!(firm.admin.objects(&["customer", "list", "--limit", "501"]).len(), 501);
    assert_eq!(firm.admin.text(&["customer", "list", "--limit", "3"]).lines().count(), 4);
}

#[test]
fn a_file_with_a_wrong_line_is_not_begun() {
    let office = Office::open();
    let firm = Firm::of(&office);
    let refused = firm.portal.run_with(&["customer", "put", "--file", "-"], "c-1;private\nc-2;geheim\nc-3\n");
    assert_eq!((refused.code, refused.out.as_str()), (Some(2), ""), "{refused:?}");
    let lines: Vec<_> = refused.err.lines().collect();
    assert!(lines[0].starts_with("error: the file has lines that cannot be taken"), "{refused:?}");
    assert_eq!(lines[1..], ["  line 2: the segment must be private or commercial", "  line 3: must be id;segment"]);
    assert_eq!(firm.admin.objects(&["customer", "list"]).len(), 0);
}

#[test]
fn several_requests_do_not_share_a_request_id() {
    let office = Office::open();
    let firm = Firm::of(&office);
    let lines = lines(1_001);
    let words = ["customer", "put", "--file", "-", "--request-id", "5b0c9c2e-4d1f-4a57-9a43-3f1f5a2d8e10"];
    let refused = firm.portal.run_with(&words, &lines);
    assert!(refused.error(2).contains("--request-id does not fit"), "{refused:?}");
    assert_eq!(firm.admin.objects(&["customer", "list"]).len(), 0);
}
