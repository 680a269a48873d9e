//! Con:center users (`docs/domain.md#users`).

use super::Wall::{Check, ForeignKey, Statement, Trigger, Type, Unique};
use super::{A, B, COMMERCIAL, FRESH, MEIER, NULL, OWN, PRIVATE, SCHULZE, STANDARD, Shell};

/// Binds: tenant, user, name, kind, providers.
const INSERT: &str = "
    INSERT INTO concenter_user (
        tenant_id, user_id, user_name, user_name_key, kind, state, providers, secret_version, version, created_at, updated_at
    )
    VALUES (?1, ?2, ?3, lower(?3), ?4, 'active', ?5, 0, 1, 1, 1)";
/// Binds: user, kind.
const SET_KIND: &str = "UPDATE concenter_user SET kind = ?2 WHERE user_id = ?1";
/// Binds: user, providers.
const SET_PROVIDERS: &str = "UPDATE concenter_user SET providers = ?2 WHERE user_id = ?1";
/// Binds: user.
const DELETE: &str = "DELETE FROM concenter_user WHERE user_id = ?1";
/// Makes the Standard user of A a broker's user, so that only other walls are left.
const NO_STANDARD: &str = "UPDATE concenter_user SET kind = 'broker' WHERE user_id = ?1";

pub(crate) async fn a_tenant_has_at_most_one_standard_user(shell: &mut Shell) {
    shell.refuses(Unique, "concenter_user.tenant_id", INSERT, &[A, FRESH, "zweiter", "standard", NULL]).await;
    shell.refuses(Unique, "concenter_user.tenant_id", SET_KIND, &[SCHULZE, "standard"]).await;
    shell.takes(INSERT, &[B, FRESH, "erster", "standard", NULL]).await;
}

pub(crate) async fn a_user_name_is_unique_within_its_tenant(shell: &mut Shell) {
    let columns = "concenter_user.tenant_id, concenter_user.user_name_key";
    shell.refuses(Unique, columns, INSERT, &[A, FRESH, "MEIER", "broker", NULL]).await;
    shell.takes(INSERT, &[B, FRESH, "schulze", "broker", NULL]).await;
}

pub(crate) async fn an_endkunde_user_names_its_providers(shell: &mut Shell) {
    let rule = "kind <> 'end_customer' OR providers IS NOT NULL";
    shell.refuses(Check, rule, INSERT, &[A, FRESH, "neu", "end_customer", NULL]).await;
    shell.refuses(Check, rule, SET_PROVIDERS, &[PRIVATE, NULL]).await;
    shell.refuses(Check, rule, SET_KIND, &[SCHULZE, "end_customer"]).await;
    shell.takes(INSERT, &[A, FRESH, "neu", "end_customer", r#"["sicher"]"#]).await;
    shell.takes(SET_PROVIDERS, &[MEIER, NULL]).await;
}

pub(crate) async fn an_empty_list_of_providers_is_not_all_of_them(shell: &mut Shell) {
    shell.refuses(Check, "json_array_length(providers)", INSERT, &[A, FRESH, "neu", "broker", "[]"]).await;
    shell.refuses(Check, "json_array_length(providers)", SET_PROVIDERS, &[PRIVATE, "[]"]).await;
}

pub(crate) async fn a_list_of_providers_ends_at_200(shell: &mut Shell) {
    let many = "
        WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 201)
        INSERT INTO product_provider (provider_id, display_name, kind, state, version)
        SELECT 'p-' || i, 'Viele', 'insurer', 'active', 1 FROM n";
    shell.does(many, &[]).await;
    let keys: Vec<String> = (1..=201).map(|i| format!(r#""p-{i}""#)).collect();
    shell.takes(SET_PROVIDERS, &[MEIER, &format!("[{}]", keys[..200].join(","))]).await;
    let all = format!("[{}]", keys.join(","));
    shell.refuses(Check, "json_array_length(providers)", SET_PROVIDERS, &[MEIER, &all]).await;
}

pub(crate) async fn providers_are_a_list(shell: &mut Shell) {
    let no_list = (Type, "malformed array literal");
    let (wall, says) = shell.either((Check, "json_type(providers) = 'array'"), no_list);
    for other in [r#""sicher""#, r#"{"a":"sicher"}"#] {
        shell.refuses(wall, says, SET_PROVIDERS, &[MEIER, other]).await;
    }
    let (wall, says) = shell.either((Statement, "malformed JSON"), no_list);
    shell.refuses(wall, says, SET_PROVIDERS, &[MEIER, "sicher"]).await;
}

pub(crate) async fn a_user_names_known_providers_only(shell: &mut Shell) {
    let says = "a user names an unknown product provider";
    shell.refuses(Trigger, says, INSERT, &[A, FRESH, "neu", "broker", r#"["sicher","nobody"]"#]).await;
    shell.refuses(Trigger, says, SET_PROVIDERS, &[MEIER, r#"["nobody"]"#]).await;
    shell.takes(SET_PROVIDERS, &[MEIER, r#"["idle","sicher"]"#]).await;
}

pub(crate) async fn kind_and_state_are_words_of_a_closed_list(shell: &mut Shell) {
    shell.refuses(Check, "kind IN", SET_KIND, &[SCHULZE, "both"]).await;
    shell.refuses(Check, "state IN", "UPDATE concenter_user SET state = 'gone' WHERE user_id = ?1", &[SCHULZE]).await;
}

pub(crate) async fn a_user_belongs_to_a_tenant_that_is_there(shell: &mut Shell) {
    shell.refuses(ForeignKey, "", INSERT, &[FRESH, FRESH, "neu", "broker", NULL]).await;
    shell.does("DELETE FROM customer_access WHERE tenant_id = ?1", &[B]).await;
    shell.refuses(ForeignKey, "", "DELETE FROM tenant WHERE tenant_id = ?1", &[B]).await;
}

pub(crate) async fn a_secret_a_version_and_its_instant_come_together(shell: &mut Shell) {
    let set = "UPDATE concenter_user SET sealed_secret = x'00', secret_set_at = ?2 + 0, secret_version = ?3 + 0 WHERE user_id = ?1";
    shell.takes(set, &[SCHULZE, "7", "1"]).await;
    shell.refuses(Check, "secret_version >= 1", set, &[SCHULZE, "7", "0"]).await;
    let set_secret = "UPDATE concenter_user SET sealed_secret = x'00', secret_version = 1 WHERE user_id = ?1";
    shell.refuses(Check, "(sealed_secret IS NULL) = (secret_set_at IS NULL)", set_secret, &[SCHULZE]).await;
    let forget_secret = "UPDATE concenter_user SET sealed_secret = NULL WHERE user_id = ?1";
    shell.refuses(Check, "(sealed_secret IS NULL) = (secret_set_at IS NULL)", forget_secret, &[MEIER]).await;
}

pub(crate) async fn what_con_center_says_comes_with_when_whence_and_by_whom(shell: &mut Shell) {
    let say =
        "UPDATE concenter_user SET reported_at = ?2 + 0, reported_source = ?3, reported_by = ?4 WHERE user_id = ?1";
    shell.takes(say, &[MEIER, "7", "attestation", "verwalter"]).await;
    shell.refuses(Check, "reported_source IN", say, &[MEIER, "7", "hearsay", "verwalter"]).await;
    let source = "(reported_source IS NULL) = (reported_at IS NULL)";
    shell.refuses(Check, source, say, &[MEIER, "7", NULL, "verwalter"]).await;
    let by = "(reported_by IS NULL) = (reported_at IS NULL)";
    shell.refuses(Check, by, say, &[MEIER, "7", "import", NULL]).await;
    let mark = "UPDATE concenter_user SET end_customer_at = 7, end_customer_by = ?2 WHERE user_id = ?1";
    shell.takes(mark, &[PRIVATE, "verwalter"]).await;
    shell.refuses(Check, "(end_customer_by IS NULL) = (end_customer_at IS NULL)", mark, &[PRIVATE, NULL]).await;
    let count = "UPDATE concenter_user SET failed_logins = -1 WHERE user_id = ?1";
    shell.refuses(Check, "failed_logins >= 0", count, &[MEIER]).await;
}

pub(crate) async fn nobody_is_told_twice_of_what_he_was_not_told_yet(shell: &mut Shell) {
    let tell = "
        INSERT INTO notice (tenant_id, notice_id, cause, user_id, created_at)
        VALUES (?1, ?2, ?3, ?4, 1)";
    shell.does(tell, &[A, FRESH, "credential_suspect", MEIER]).await;
    let columns = "notice.tenant_id, notice.cause, notice.user_id";
    shell.refuses(Unique, columns, tell, &[A, STANDARD, "credential_suspect", MEIER]).await;
    shell.refuses(Check, "cause IN", tell, &[A, STANDARD, "weather", MEIER]).await;
    shell.takes(tell, &[A, STANDARD, "end_customer_mismatch", MEIER]).await;
    shell.does("UPDATE notice SET sent_at = 2 WHERE notice_id = ?1", &[FRESH]).await;
    shell.takes(tell, &[A, STANDARD, "credential_suspect", MEIER]).await;
}

pub(crate) async fn an_assigned_user_keeps_its_kind(shell: &mut Shell) {
    // Of an activation, of both slots, of a customer.
    shell.does(SET_PROVIDERS, &[MEIER, r#"["sicher"]"#]).await;
    shell.refuses(ForeignKey, "", SET_KIND, &[MEIER, "end_customer"]).await;
    for assigned in [PRIVATE, COMMERCIAL, OWN] {
        shell.refuses(ForeignKey, "", SET_KIND, &[assigned, "broker"]).await;
    }
    shell.does(SET_PROVIDERS, &[SCHULZE, r#"["sicher"]"#]).await;
    shell.takes(SET_KIND, &[SCHULZE, "end_customer"]).await;
}

pub(crate) async fn an_assigned_user_does_not_become_standard(shell: &mut Shell) {
    shell.does(NO_STANDARD, &[STANDARD]).await;
    for assigned in [MEIER, PRIVATE, COMMERCIAL, OWN] {
        shell.refuses(ForeignKey, "", SET_KIND, &[assigned, "standard"]).await;
    }
    shell.takes(SET_KIND, &[SCHULZE, "standard"]).await;
}

pub(crate) async fn an_assigned_user_is_not_deleted(shell: &mut Shell) {
    for assigned in [MEIER, PRIVATE, COMMERCIAL, OWN] {
        shell.refuses(ForeignKey, "", DELETE, &[assigned]).await;
    }
    shell.takes(DELETE, &[SCHULZE]).await;
}

pub(crate) async fn an_assigned_user_keeps_its_id_and_its_tenant(shell: &mut Shell) {
    let move_id = "UPDATE concenter_user SET user_id = ?2 WHERE user_id = ?1";
    let move_tenant = "UPDATE concenter_user SET tenant_id = ?2, user_name_key = 'other' WHERE user_id = ?1";
    for assigned in [MEIER, PRIVATE, COMMERCIAL, OWN] {
        shell.refuses(ForeignKey, "", move_id, &[assigned, FRESH]).await;
        shell.refuses(ForeignKey, "", move_tenant, &[assigned, B]).await;
    }
}

pub(crate) async fn a_number_is_not_kept_as_text(shell: &mut Shell) {
    let says = shell.either(
        "cannot store TEXT value in INTEGER column concenter_user.version",
        "invalid input syntax for type bigint",
    );
    shell.refuses(Type, says, "UPDATE concenter_user SET version = 'two' WHERE user_id = ?1", &[MEIER]).await;
}
