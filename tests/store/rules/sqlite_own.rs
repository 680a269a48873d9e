//! What can be tried on SQLite alone: REPLACE, which deletes without a word, and values of another type.

use super::Wall::{Trigger, Type};
use super::jumps::{FORGET_CONTEXT, FORGET_OWN, FORGOTTEN_WHOLE, FULL};
use super::{A, FRESH, MEIER, NULL, OPEN_JUMP, PRIVATE, REDEEMED_JUMP, Shell};

pub(crate) async fn the_service_is_not_replaced(shell: &mut Shell) {
    let replace = "
        INSERT OR REPLACE INTO service (
            singleton, epoch, catalog_version, kek_canary, kek_id, dek_version, wrapped_dek, sealed_mac_key
        )
        SELECT ?1 + 0, 1, 1, kek_canary, kek_id, dek_version, wrapped_dek, sealed_mac_key FROM service";
    for singleton in ["1", "2"] {
        shell.refuses(Trigger, "there is one service", replace, &[singleton]).await;
    }
}

pub(crate) async fn a_tenant_is_not_replaced(shell: &mut Shell) {
    let replace = "
        INSERT OR REPLACE INTO tenant (
            tenant_id, display_name, state, config_version, kek_id, dek_version, wrapped_dek, sealed_mac_key, version,
            created_at, updated_at
        )
        SELECT tenant_id, display_name, state, 1, kek_id, dek_version, wrapped_dek, sealed_mac_key, 1, 1, 1
        FROM tenant
        WHERE tenant_id = ?1";
    shell.refuses(Trigger, "a tenant is made once", replace, &[A]).await;
}

pub(crate) async fn settings_are_not_replaced(shell: &mut Shell) {
    let replace = "INSERT OR REPLACE INTO tenant_settings (tenant_id, jump_life) VALUES (?1, 120)";
    shell.refuses(Trigger, "a tenant has its settings once", replace, &[A]).await;
}

pub(crate) async fn a_redeemed_or_revoked_jump_is_not_replaced_by_an_open_one(shell: &mut Shell) {
    let replace = "
        INSERT OR REPLACE INTO jump (
            tenant_id, jump_id, jti_hash, caller, request_id, content, person_kind, person_id, segment, target_id,
            user_id, way, subject, issued_at, expires_at, epoch, config_version, catalog_version
        )
        SELECT tenant_id, ?2, iif(?2 = ?1, randomblob(32), jti_hash), caller, request_id, content, person_kind,
               person_id, segment, target_id, user_id, way, subject, issued_at, expires_at, 5, 5, 5
        FROM jump
        WHERE jump_id = ?1";
    let says = "a redeemed or revoked jump is not replaced";
    for same_id_or_jti in [REDEEMED_JUMP, FRESH] {
        shell.refuses(Trigger, says, replace, &[REDEEMED_JUMP, same_id_or_jti]).await;
    }
    shell.takes(replace, &[OPEN_JUMP, OPEN_JUMP]).await;
    shell.does("UPDATE jump SET revoked_at = 2 WHERE jump_id = ?1", &[OPEN_JUMP]).await;
    for same_id_or_jti in [OPEN_JUMP, FRESH] {
        shell.refuses(Trigger, says, replace, &[OPEN_JUMP, same_id_or_jti]).await;
    }
}

pub(crate) async fn an_entry_of_the_audit_log_is_not_replaced(shell: &mut Shell) {
    let replace = "
        INSERT OR REPLACE INTO audit_entry (tenant_id, audit_id, at, role, caller, action, outcome)
        VALUES (?1, 'c0000000-0000-7000-8000-000000000001', 1, 'admin', zeroblob(32), 'user.create', 'accepted')";
    shell.refuses(Trigger, "the audit log is only appended to", replace, &[A]).await;
}

pub(crate) async fn a_seal_is_not_replaced(shell: &mut Shell) {
    super::audit::seal_the_entry(shell).await;
    let says = "the chain of seals is only appended to";
    let replace = "
        INSERT OR REPLACE INTO audit_seal (tenant_id, seq, audit_id, prev, hash)
        VALUES (?1, 1, ?2, zeroblob(32), zeroblob(32))";
    for row in ["c0000000-0000-7000-8000-000000000001", FRESH] {
        shell.refuses(Trigger, says, replace, &[A, row]).await;
    }
    let by_its_row = "
        INSERT OR REPLACE INTO audit_seal (tenant_id, seq, audit_id, prev, hash)
        SELECT tenant_id, 2, audit_id, hash, zeroblob(32)
        FROM audit_seal";
    shell.refuses(Trigger, says, by_its_row, &[]).await;
}

pub(crate) async fn a_value_of_another_type_is_not_kept(shell: &mut Shell) {
    for (says, sql) in [
        ("cannot store TEXT value in INTEGER column tenant.config_version", "UPDATE tenant SET config_version = 'six'"),
        ("cannot store REAL value in INTEGER column service.epoch", "UPDATE service SET epoch = 5.5"),
        (
            "cannot store TEXT value in BLOB column jump.jti_hash",
            "UPDATE jump SET jti_hash = '00000000000000000000000000000000'",
        ),
        (
            "cannot store TEXT value in BLOB column concenter_user.sealed_secret",
            "UPDATE concenter_user SET sealed_secret = 'plain'",
        ),
        (
            "cannot store BLOB value in TEXT column concenter_user.user_name",
            "UPDATE concenter_user SET user_name = x'00'",
        ),
    ] {
        shell.refuses(Type, says, sql, &[]).await;
    }
}

/// On PostgreSQL it goes by itself, for the sake of the version before (`older.rs`).
pub(crate) async fn a_page_is_not_left_behind_by_whoever_is_forgotten(shell: &mut Shell) {
    shell.does(FULL, &["customer", "private", PRIVATE, "shared_private"]).await;
    shell.refuses(Trigger, FORGOTTEN_WHOLE, FORGET_OWN, &[FRESH, "target_page"]).await;
    shell.does("DELETE FROM jump WHERE jump_id = ?1", &[FRESH]).await;
    shell.does(FULL, &["broker", NULL, MEIER, "activation"]).await;
    shell.refuses(Trigger, FORGOTTEN_WHOLE, FORGET_CONTEXT, &[FRESH, "target_page", ""]).await;
}
