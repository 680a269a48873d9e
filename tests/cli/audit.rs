//! The audit log: listed by its administrator, verified by whoever has the data.

use std::fs;

use serde_json::Value;
use sqlx::{Connection as _, SqliteConnection};

use super::client::{Firm, Office};
use super::place::Place;

/// Changes the database as somebody who has its file.
async fn change(place: &Place, changes: &'static str) {
    let url = format!("sqlite://{}", place.data().join("concenter.db").display());
    let mut shell = SqliteConnection::connect(&url).await.expect("the database");
    sqlx::raw_sql(changes).execute(&mut shell).await.expect("changed");
}

#[test]
fn an_administrator_lists_the_log() {
    let office = Office::open();
    let firm = Firm::of(&office);
    let user = firm.broker_user("vm.meier");
    let text = firm.admin.text(&["audit", "list", "--object", &user]);
    assert!(text.starts_with("Written ") && text.contains("user.create") && text.contains("ACCEPTED"), "{text}");
    let entries = firm.admin.objects(&["audit", "list", "--action", "user.create", "--outcome", "accepted"]);
    assert!(entries.iter().all(|entry| entry["action"] == "user.create"), "{entries:?}");
    assert!(entries.iter().any(|entry| entry["object"] == user.as_str()), "{entries:?}");
    assert_eq!(firm.admin.objects(&["audit", "list", "--limit", "2"]).len(), 2);
    let refused = firm.admin.run(&["audit", "list", "--reason", "not a reason"]);
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(refused.err.contains("FIELD_INVALID") && refused.err.contains("reason: must be"), "{refused:?}");
}

#[tokio::test]
async fn whoever_has_the_data_learns_where_the_log_was_changed() {
    let place = Place::new();
    let checkpoints = place.path().join("checkpoints");
    let words = |more: &[&'static str]| -> Vec<String> {
        let directory = checkpoints.display().to_string();
        let all = ["audit", "verify", "--audit-checkpoint-dir", &directory];
        all.iter().chain(more).map(|word| (*word).to_owned()).collect()
    };
    let run = |more: &[&'static str]| {
        let words = words(more);
        place.run(&words.iter().map(String::as_str).collect::<Vec<_>>())
    };
    assert_eq!(place.serve().stop(), Some(0));
    let system = "00000000-0000-0000-0000-000000000000";
    change(
        &place,
        "INSERT INTO audit_entry (tenant_id, audit_id, at, role, caller, action, outcome)
         SELECT
             '00000000-0000-0000-0000-000000000000', '0190f5fe-7c00-7a8d-8d2e-00000000000' || value, 1, 'operator',
             zeroblob(32), 'target.put', 'accepted'
         FROM json_each('[1, 2, 3]')",
    )
    .await;
    // The service finds and seals them: it is not told when.
    let service = place.serve();
    let sealed = || {
        let ended = run(&["--json"]);
        let logs: Value = serde_json::from_str(&ended.out).expect("JSON");
        (ended.code, logs)
    };
    let (code, logs) = loop {
        let (code, logs) = sealed();
        if logs[0]["unsealed"] == 0 {
            break (code, logs);
        }
    };
    assert_eq!((code, &logs[0]["tenantId"], &logs[0]["sealed"]), (Some(0), &system.into(), &3.into()), "{logs}");
    assert_eq!((&logs[0]["fault"], logs.as_array().map(Vec::len)), (&Value::Null, Some(1)));
    assert_eq!(service.stop(), Some(0), "it went on meanwhile");

    change(
        &place,
        "DROP TRIGGER audit_entry_is_never_changed;
         UPDATE audit_entry SET role = 'admin' WHERE audit_id LIKE '%2'",
    )
    .await;
    let ended = run(&[]);
    assert_eq!(ended.error(78), "1 of 1 audit logs are not as they were written");
    assert!(ended.out.contains("ROW_CHANGED: seal 2, row 0190f5fe-7c00-7a8d-8d2e-000000000002\n"), "{ended:?}");
    let ended = run(&["--tenant", system, "--json"]);
    let logs: Value = serde_json::from_str(&ended.out).expect("JSON");
    assert_eq!((ended.code, &logs[0]["fault"]["seq"]), (Some(78), &2.into()), "{logs}");
    let ended = run(&["--tenant", "99999999-0000-7000-8000-000000000009"]);
    assert!(ended.error(1).contains("has no audit log here"), "{ended:?}");

    // Somebody else's checkpoint.
    fs::create_dir_all(checkpoints.join(system)).expect("a folder");
    fs::write(checkpoints.join(system).join("1.jws"), "a.b.c").expect("a file");
    change(&place, "UPDATE audit_entry SET role = 'operator' WHERE audit_id LIKE '%2'").await;
    let ended = run(&[]);
    assert!(ended.out.contains("CHECKPOINT_FORGED"), "{ended:?}");
    fs::remove_file(place.key_file()).expect("no key file");
    assert!(run(&[]).error(78).contains("key"), "who signed cannot be told without the keys");
}
