//! The catalogue: providers, targets and return URLs.

use super::Shell;
use super::Wall::{Check, ForeignKey, Statement, Unique};

/// Binds: target, provider, kind, accepts customers (0 or 1), lines (empty for NULL).
const INSERT_TARGET: &str = "
    INSERT INTO target (
        target_id, provider_id, kind, display_name, state, url, delivery, accepts_brokers, accepts_customers, lines,
        hands_over_secret, nonce_required, version
    )
    VALUES (?1, ?2, ?3, 'Neu', 'active', 'https://n.example/', 'fragment', 1, ?4 + 0, nullif(?5, ''), 0, 0, 1)";
/// Binds: target, lines.
const SET_LINES: &str = "UPDATE target SET lines = ?2 WHERE target_id = ?1";

#[tokio::test]
async fn a_portal_takes_no_customers() {
    let mut shell = Shell::open().await;
    let rule = "kind <> 'insurer_portal' OR accepts_customers = 0";
    shell.refuses(Check, rule, INSERT_TARGET, &["neu", "sicher", "insurer_portal", "1", ""]).await;
    shell.refuses(Check, rule, "UPDATE target SET accepts_customers = 1 WHERE target_id = ?1", &["auskunft"]).await;
    shell.refuses(Check, rule, "UPDATE target SET kind = 'insurer_portal' WHERE target_id = ?1", &["rechner"]).await;
    shell.takes(INSERT_TARGET, &["neu", "sicher", "insurer_portal", "0", ""]).await;
    shell.takes(INSERT_TARGET, &["neu", "sicher", "tariff_calculator", "1", ""]).await;
}

#[tokio::test]
async fn a_target_belongs_to_a_known_provider() {
    let mut shell = Shell::open().await;
    shell.refuses(ForeignKey, "", INSERT_TARGET, &["neu", "nobody", "tariff_calculator", "1", ""]).await;
    let set_provider = "UPDATE target SET provider_id = ?2 WHERE target_id = ?1";
    shell.refuses(ForeignKey, "", set_provider, &["rechner", "nobody"]).await;
}

#[tokio::test]
async fn a_provider_with_targets_is_not_deleted() {
    let mut shell = Shell::open().await;
    let delete = "DELETE FROM product_provider WHERE provider_id = ?1";
    shell.refuses(ForeignKey, "", delete, &["sicher"]).await;
    shell.takes(delete, &["idle"]).await;
}

#[tokio::test]
async fn a_target_with_jumps_is_not_deleted() {
    let mut shell = Shell::open().await;
    let delete = "DELETE FROM target WHERE target_id = ?1";
    shell.refuses(ForeignKey, "", delete, &["rechner"]).await;
    shell.takes(delete, &["auskunft"]).await;
}

#[tokio::test]
async fn lines_of_business_are_one_to_100_in_an_array() {
    let mut shell = Shell::open().await;
    shell.refuses(Check, "json_array_length(lines)", SET_LINES, &["rechner", "[]"]).await;
    shell.refuses(Check, "json_type(lines) = 'array'", SET_LINES, &["rechner", r#""050""#]).await;
    shell.refuses(Statement, "malformed JSON", SET_LINES, &["rechner", "050"]).await;
    let many = |n: usize| format!("[{}]", vec![r#""050""#; n].join(","));
    shell.refuses(Check, "json_array_length(lines)", SET_LINES, &["rechner", &many(101)]).await;
    shell.takes(SET_LINES, &["rechner", &many(100)]).await;
}

#[tokio::test]
async fn words_of_the_catalogue_come_from_closed_lists() {
    let mut shell = Shell::open().await;
    for (rule, sql) in [
        ("kind IN", "UPDATE target SET kind = 'app' WHERE target_id = 'rechner'"),
        ("state IN", "UPDATE target SET state = 'gone' WHERE target_id = 'rechner'"),
        ("delivery IN", "UPDATE target SET delivery = 'query' WHERE target_id = 'rechner'"),
        ("accepts_brokers IN (0, 1)", "UPDATE target SET accepts_brokers = 2 WHERE target_id = 'rechner'"),
        ("hands_over_secret IN (0, 1)", "UPDATE target SET hands_over_secret = 2 WHERE target_id = 'rechner'"),
        ("nonce_required IN (0, 1)", "UPDATE target SET nonce_required = 2 WHERE target_id = 'rechner'"),
        ("kind IN", "UPDATE product_provider SET kind = 'broker' WHERE provider_id = 'sicher'"),
        ("state IN", "UPDATE product_provider SET state = 'gone' WHERE provider_id = 'sicher'"),
        ("state IN", "UPDATE return_url SET state = 'gone' WHERE return_url_id = 'zurueck'"),
    ] {
        shell.refuses(Check, rule, sql, &[]).await;
    }
}

#[tokio::test]
async fn a_return_url_stands_under_one_key() {
    let mut shell = Shell::open().await;
    let insert = "INSERT INTO return_url (return_url_id, url, state, version) VALUES ('neu', ?1, 'active', 1)";
    shell.refuses(Unique, "return_url.url", insert, &["https://portal.example/zurueck"]).await;
    shell.takes(insert, &["https://portal.example/anders"]).await;
}
