//! The catalogue: providers, targets and return URLs.

use super::Shell;
use super::Wall::{Check, ForeignKey, Statement, Type, Unique};

/// Binds: target, provider, kind, accepts customers (`yes` or `no`).
const INSERT_TARGET: &str = "
    INSERT INTO target (
        target_id, provider_id, kind, display_name, state, url, delivery, accepts_brokers, accepts_customers,
        hands_over_secret, nonce_required, version
    )
    VALUES (?1, ?2, ?3, 'Neu', 'active', 'https://n.example/', 'fragment', TRUE, ?4 = 'yes', FALSE, FALSE, 1)";
/// Binds: target, origins.
const SET_ORIGINS: &str = "UPDATE target SET redirect_origins = ?2 WHERE target_id = ?1";
/// Binds: target, lines.
const SET_LINES: &str = "UPDATE target SET lines = ?2 WHERE target_id = ?1";

pub(crate) async fn a_portal_takes_no_customers(shell: &mut Shell) {
    let rule = "kind <> 'insurer_portal' OR";
    shell.refuses(Check, rule, INSERT_TARGET, &["neu", "sicher", "insurer_portal", "yes"]).await;
    shell.refuses(Check, rule, "UPDATE target SET accepts_customers = TRUE WHERE target_id = ?1", &["auskunft"]).await;
    shell.refuses(Check, rule, "UPDATE target SET kind = 'insurer_portal' WHERE target_id = ?1", &["rechner"]).await;
    shell.takes(INSERT_TARGET, &["neu", "sicher", "insurer_portal", "no"]).await;
    shell.takes(INSERT_TARGET, &["neu", "sicher", "tariff_calculator", "yes"]).await;
}

pub(crate) async fn a_target_belongs_to_a_known_provider(shell: &mut Shell) {
    shell.refuses(ForeignKey, "", INSERT_TARGET, &["neu", "nobody", "tariff_calculator", "yes"]).await;
    let set_provider = "UPDATE target SET provider_id = ?2 WHERE target_id = ?1";
    shell.refuses(ForeignKey, "", set_provider, &["rechner", "nobody"]).await;
}

pub(crate) async fn a_provider_with_targets_is_not_deleted(shell: &mut Shell) {
    let delete = "DELETE FROM product_provider WHERE provider_id = ?1";
    shell.refuses(ForeignKey, "", delete, &["sicher"]).await;
    shell.takes(delete, &["idle"]).await;
}

pub(crate) async fn a_target_with_jumps_is_not_deleted(shell: &mut Shell) {
    let delete = "DELETE FROM target WHERE target_id = ?1";
    shell.refuses(ForeignKey, "", delete, &["rechner"]).await;
    shell.takes(delete, &["auskunft"]).await;
}

pub(crate) async fn lines_of_business_are_one_to_100_in_an_array(shell: &mut Shell) {
    shell.refuses(Check, "json_array_length(lines)", SET_LINES, &["rechner", "[]"]).await;
    let no_list = (Type, "malformed array literal");
    let (wall, says) = shell.either((Check, "json_type(lines) = 'array'"), no_list);
    shell.refuses(wall, says, SET_LINES, &["rechner", r#""050""#]).await;
    let (wall, says) = shell.either((Statement, "malformed JSON"), no_list);
    shell.refuses(wall, says, SET_LINES, &["rechner", "050"]).await;
    let many = |n: usize| format!("[{}]", vec![r#""050""#; n].join(","));
    shell.refuses(Check, "json_array_length(lines)", SET_LINES, &["rechner", &many(101)]).await;
    shell.takes(SET_LINES, &["rechner", &many(100)]).await;
}

pub(crate) async fn redirects_are_at_most_ten_origins_of_a_target_that_is_posted_to(shell: &mut Shell) {
    let of_posted = "delivery = 'form_post' OR json_array_length(redirect_origins) = 0";
    let origins = |n: usize| format!("[{}]", vec![r#""https://a.example""#; n].join(","));
    shell.refuses(Check, of_posted, SET_ORIGINS, &["rechner", &origins(1)]).await;
    shell.takes(SET_ORIGINS, &["rechner", "[]"]).await;
    shell.does("UPDATE target SET delivery = 'form_post' WHERE target_id = ?1", &["rechner"]).await;
    shell.refuses(Check, "json_array_length(redirect_origins)", SET_ORIGINS, &["rechner", &origins(11)]).await;
    shell.does(SET_ORIGINS, &["rechner", &origins(10)]).await;
    let both = "UPDATE target SET delivery = 'fragment', redirect_origins = ?2 WHERE target_id = ?1";
    shell.refuses(Check, of_posted, both, &["rechner", &origins(9)]).await;
    let no_list = (Type, "malformed array literal");
    let (wall, says) = shell.either((Check, "json_type(redirect_origins) = 'array'"), no_list);
    shell.refuses(wall, says, SET_ORIGINS, &["rechner", r#""https://a.example""#]).await;
}

pub(crate) async fn words_of_the_catalogue_come_from_closed_lists(shell: &mut Shell) {
    for (rule, sql) in [
        ("kind IN", "UPDATE target SET kind = 'app' WHERE target_id = 'rechner'"),
        ("state IN", "UPDATE target SET state = 'gone' WHERE target_id = 'rechner'"),
        ("delivery IN", "UPDATE target SET delivery = 'query' WHERE target_id = 'rechner'"),
        ("kind IN", "UPDATE product_provider SET kind = 'broker' WHERE provider_id = 'sicher'"),
        ("state IN", "UPDATE product_provider SET state = 'gone' WHERE provider_id = 'sicher'"),
        ("state IN", "UPDATE return_url SET state = 'gone' WHERE return_url_id = 'zurueck'"),
    ] {
        shell.refuses(Check, rule, sql, &[]).await;
    }
}

pub(crate) async fn what_a_target_takes_is_yes_or_no(shell: &mut Shell) {
    for (rule, sql) in [
        ("accepts_brokers IN (0, 1)", "UPDATE target SET accepts_brokers = 2 WHERE target_id = 'rechner'"),
        ("hands_over_secret IN (0, 1)", "UPDATE target SET hands_over_secret = 2 WHERE target_id = 'rechner'"),
        ("nonce_required IN (0, 1)", "UPDATE target SET nonce_required = 2 WHERE target_id = 'rechner'"),
    ] {
        let (wall, says) = shell.either((Check, rule), (Type, "is of type boolean"));
        shell.refuses(wall, says, sql, &[]).await;
    }
}

pub(crate) async fn a_return_url_stands_under_one_key(shell: &mut Shell) {
    let insert = "INSERT INTO return_url (return_url_id, url, state, version) VALUES ('neu', ?1, 'active', 1)";
    shell.refuses(Unique, "return_url.url", insert, &["https://portal.example/zurueck"]).await;
    shell.takes(insert, &["https://portal.example/anders"]).await;
}
