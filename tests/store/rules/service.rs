//! The service itself, its keys, its tenants with their settings, and the requests it remembers.

use super::Wall::{Check, ForeignKey, PrimaryKey, Trigger};
use super::{A, B, FRESH, Shell};

pub(crate) async fn there_is_one_service(shell: &mut Shell) {
    let copy = "
        INSERT INTO service (
            singleton, epoch, catalog_version, kek_canary, kek_id, dek_version, wrapped_dek, sealed_mac_key
        )
        SELECT ?1 + 0, epoch, catalog_version, kek_canary, kek_id, dek_version, wrapped_dek, sealed_mac_key FROM service";
    let by_trigger = (Trigger, "there is one service");
    let (wall, says) = shell.either(by_trigger, (PrimaryKey, "service.singleton"));
    shell.refuses(wall, says, copy, &["1"]).await;
    let (wall, says) = shell.either(by_trigger, (Check, "singleton = 1"));
    shell.refuses(wall, says, copy, &["2"]).await;
    shell.refuses(Check, "singleton = 1", "UPDATE service SET singleton = 2", &[]).await;
    shell.refuses(Trigger, "there is one service", "DELETE FROM service", &[]).await;
}

pub(crate) async fn the_epoch_and_the_catalogues_version_move_forward_only(shell: &mut Shell) {
    let says = "epoch and catalog_version move forward only";
    shell.refuses(Trigger, says, "UPDATE service SET epoch = epoch - 1", &[]).await;
    shell.refuses(Trigger, says, "UPDATE service SET catalog_version = catalog_version - 1", &[]).await;
    shell.refuses(Trigger, says, "UPDATE service SET epoch = epoch + 1, catalog_version = 1", &[]).await;
    shell.takes("UPDATE service SET epoch = epoch + 1, catalog_version = catalog_version + 1", &[]).await;
}

pub(crate) async fn a_tenants_configuration_version_moves_forward_only(shell: &mut Shell) {
    let set = "UPDATE tenant SET config_version = config_version + ?2 WHERE tenant_id = ?1";
    shell.refuses(Trigger, "config_version moves forward only", set, &[A, "-1"]).await;
    shell.takes(set, &[A, "1"]).await;
}

pub(crate) async fn a_revoked_or_removed_signing_key_has_no_private_half(shell: &mut Shell) {
    for (instant, check) in [
        ("revoked_at", "revoked_at IS NULL OR length(sealed_private) = 0"),
        ("removed_at", "removed_at IS NULL OR length(sealed_private) = 0"),
    ] {
        shell.refuses(Check, check, &format!("UPDATE signing_key SET {instant} = 2"), &[]).await;
    }
    shell.does("UPDATE signing_key SET removed_at = 2, sealed_private = x''", &[]).await;
    let comes_back = "UPDATE signing_key SET sealed_private = x'00'";
    shell.refuses(Check, "removed_at IS NULL OR length(sealed_private) = 0", comes_back, &[]).await;
}

pub(crate) async fn a_signing_key_that_is_there_or_revoked_has_no_public_half_of_its_own(shell: &mut Shell) {
    let check = "sealed_public IS NULL OR (removed_at IS NOT NULL AND revoked_at IS NULL)";
    let set = "UPDATE signing_key SET sealed_public = x'00'";
    shell.refuses(Check, check, set, &[]).await;
    shell.does("UPDATE signing_key SET removed_at = 2, sealed_private = x'', sealed_public = x'00'", &[]).await;
    shell.refuses(Check, check, "UPDATE signing_key SET revoked_at = 3", &[]).await;
    shell.does("UPDATE signing_key SET revoked_at = 3, sealed_public = NULL", &[]).await;
    shell.refuses(Check, check, set, &[]).await;
}

pub(crate) async fn a_revoked_signing_key_stays_so(shell: &mut Shell) {
    shell.does("UPDATE signing_key SET revoked_at = 2, sealed_private = x''", &[]).await;
    for back in ["NULL", "3"] {
        let set = format!("UPDATE signing_key SET revoked_at = {back}");
        shell.refuses(Trigger, "a revoked signing key stays so", &set, &[]).await;
    }
}

pub(crate) async fn a_tenant_is_active_or_stopped(shell: &mut Shell) {
    let set = "UPDATE tenant SET state = ?2 WHERE tenant_id = ?1";
    shell.refuses(Check, "state IN ('active', 'stopped')", set, &[A, "paused"]).await;
    shell.takes(set, &[A, "stopped"]).await;
}

pub(crate) async fn a_request_is_logged_once(shell: &mut Shell) {
    let insert = "
        INSERT INTO request_log (tenant_id, caller, request_id, content, resource, created_at)
        VALUES (?1, zeroblob(32), ?2, randomblob(32), 'x', 1)";
    shell.does(insert, &[A, FRESH]).await;
    shell.refuses(PrimaryKey, "request_log.request_id", insert, &[A, FRESH]).await;
}

pub(crate) async fn a_deleted_tenant_is_stopped(shell: &mut Shell) {
    let says = "deleted_at IS NULL OR state = 'stopped'";
    shell.refuses(Check, says, "UPDATE tenant SET deleted_at = 1 WHERE tenant_id = ?1", &[A]).await;
    shell.does("UPDATE tenant SET deleted_at = 1, state = 'stopped' WHERE tenant_id = ?1", &[A]).await;
    shell.refuses(Check, says, "UPDATE tenant SET state = 'active' WHERE tenant_id = ?1", &[A]).await;
    shell.takes("UPDATE tenant SET deleted_at = NULL WHERE tenant_id = ?1", &[A]).await;
    shell.takes("UPDATE tenant SET deleted_at = NULL, state = 'active' WHERE tenant_id = ?1", &[A]).await;
}

pub(crate) async fn the_keys_of_a_tenant_go_together_and_only_with_a_deleted_one(shell: &mut Shell) {
    let destroy = "UPDATE tenant SET wrapped_dek = x'', sealed_mac_key = x'' WHERE tenant_id = ?1";
    shell.refuses(Check, "deleted_at IS NOT NULL OR wrapped_dek", destroy, &[A]).await;
    shell.does("UPDATE tenant SET deleted_at = 1, state = 'stopped' WHERE tenant_id = ?1", &[A]).await;
    let says = "(wrapped_dek = x'') = (sealed_mac_key = x'')";
    shell.refuses(Check, says, "UPDATE tenant SET wrapped_dek = x'' WHERE tenant_id = ?1", &[A]).await;
    shell.refuses(Check, says, "UPDATE tenant SET sealed_mac_key = x'' WHERE tenant_id = ?1", &[A]).await;
    shell.does(destroy, &[A]).await;
    let says = "destroyed keys stay destroyed";
    let renew = "UPDATE tenant SET wrapped_dek = x'01', sealed_mac_key = x'01' WHERE tenant_id = ?1";
    shell.refuses(Trigger, says, renew, &[A]).await;
    let undelete = "UPDATE tenant SET deleted_at = NULL WHERE tenant_id = ?1";
    shell.refuses(Check, "deleted_at IS NOT NULL OR wrapped_dek", undelete, &[A]).await;
    shell.takes(destroy, &[A]).await;
    shell.takes(renew, &[B]).await;
}

pub(crate) async fn a_new_tenant_begins_with_settings(shell: &mut Shell) {
    let insert = "
        INSERT INTO tenant (
            tenant_id, display_name, state, config_version, kek_id, dek_version, wrapped_dek, sealed_mac_key, version,
            created_at, updated_at
        )
        VALUES (?1, 'Firma C', 'active', 1, 'kek', 1, x'00', x'00', 1, 1, 1)";
    shell.does(insert, &[FRESH]).await;
    let initial = "
        UPDATE tenant_settings
        SET version = version + 1
        WHERE tenant_id = ?1
          AND jump_life = 60
          AND customer_idle = 15
          AND customer_absolute = 30
          AND broker_idle = 30
          AND broker_absolute = 480
          AND import_change_limit = 20
          AND default_mvp_user IS NULL
          AND version = 1";
    shell.takes(initial, &[FRESH]).await;
    let second = "INSERT INTO tenant_settings (tenant_id) VALUES (?1)";
    let (wall, says) =
        shell.either((Trigger, "a tenant has its settings once"), (PrimaryKey, "tenant_settings.tenant_id"));
    shell.refuses(wall, says, second, &[FRESH]).await;
    shell.refuses(ForeignKey, "", second, &["00000000-0000-7000-8000-0000000000ff"]).await;
    shell.refuses(ForeignKey, "", "DELETE FROM tenant WHERE tenant_id = ?1", &[FRESH]).await;
}

pub(crate) async fn settings_keep_to_their_bounds(shell: &mut Shell) {
    for (set, says, bad, good) in [
        (
            "UPDATE tenant_settings SET jump_life = ?2 + 0 WHERE tenant_id = ?1",
            "jump_life",
            ["9", "121"],
            ["10", "120"],
        ),
        (
            "UPDATE tenant_settings SET customer_idle = ?2 + 0 WHERE tenant_id = ?1",
            "customer_idle",
            ["0", "16"],
            ["1", "15"],
        ),
        (
            "UPDATE tenant_settings SET customer_absolute = ?2 + 0 WHERE tenant_id = ?1",
            "customer_absolute",
            ["0", "31"],
            ["1", "30"],
        ),
        (
            "UPDATE tenant_settings SET broker_idle = ?2 + 0 WHERE tenant_id = ?1",
            "broker_idle",
            ["0", "31"],
            ["1", "30"],
        ),
        (
            "UPDATE tenant_settings SET broker_absolute = ?2 + 0 WHERE tenant_id = ?1",
            "broker_absolute",
            ["0", "481"],
            ["1", "480"],
        ),
        (
            "UPDATE tenant_settings SET import_change_limit = ?2 + 0 WHERE tenant_id = ?1",
            "import_change_limit",
            ["0", "101"],
            ["1", "100"],
        ),
    ] {
        for value in bad {
            shell.refuses(Check, says, set, &[A, value]).await;
        }
        for value in good {
            shell.takes(set, &[A, value]).await;
        }
    }
    let user = "UPDATE tenant_settings SET default_mvp_user = ?2 WHERE tenant_id = ?1";
    for bad in ["", &"m".repeat(129)] {
        shell.refuses(Check, "length(default_mvp_user)", user, &[A, bad]).await;
    }
    shell.takes(user, &[A, &"m".repeat(128)]).await;
    let version = "UPDATE tenant_settings SET version = 0 WHERE tenant_id = ?1";
    shell.refuses(Check, "version >= 1", version, &[A]).await;
}

/// Two key-encryption keys beside that of the seed: one that may be used, and one that is retired.
async fn with_keks(shell: &mut Shell) {
    shell.does("INSERT INTO kek (kek_id, canary, added_at) VALUES ('used', x'00', 1), ('over', x'00', 1)", &[]).await;
    shell.does("UPDATE kek SET retired_at = 2 WHERE kek_id = 'over'", &[]).await;
}

pub(crate) async fn a_retired_key_encryption_key_wraps_nothing(shell: &mut Shell) {
    with_keks(shell).await;
    let says = "a retired key-encryption key wraps nothing";
    let set = |key: &str| format!("UPDATE tenant SET kek_id = '{key}' WHERE tenant_id = ?1");
    shell.refuses(Trigger, says, &set("over"), &[A]).await;
    shell.refuses(Trigger, says, "UPDATE service SET kek_id = 'over'", &[]).await;
    let insert = |key: &str| {
        format!(
            "
            INSERT INTO tenant (
                tenant_id, display_name, state, config_version, kek_id, dek_version, wrapped_dek, sealed_mac_key, version,
                created_at, updated_at
            )
            VALUES (?1, 'Firma C', 'active', 1, '{key}', 1, x'00', x'00', 1, 1, 1)"
        )
    };
    shell.refuses(Trigger, says, &insert("over"), &[FRESH]).await;
    shell.takes(&insert("used"), &[FRESH]).await;
    shell.takes(&set("used"), &[A]).await;
    shell.takes("UPDATE service SET kek_id = 'used'", &[]).await;
}

pub(crate) async fn a_key_encryption_key_that_wraps_something_is_not_retired(shell: &mut Shell) {
    with_keks(shell).await;
    let retire = "UPDATE kek SET retired_at = 2 WHERE kek_id = 'used'";
    let says = "a key-encryption key that wraps something is not retired";
    shell.does("UPDATE tenant SET kek_id = 'used' WHERE tenant_id = ?1", &[A]).await;
    shell.refuses(Trigger, says, retire, &[]).await;
    shell.does("UPDATE tenant SET kek_id = '' WHERE tenant_id = ?1", &[A]).await;
    shell.does("UPDATE service SET active_kek_id = 'used'", &[]).await;
    shell.refuses(Trigger, says, retire, &[]).await;
    shell.does("UPDATE service SET active_kek_id = NULL", &[]).await;
    shell.does(retire, &[]).await;
    for back in ["UPDATE kek SET retired_at = NULL", "UPDATE kek SET kek_id = 'other' WHERE kek_id = 'used'"] {
        shell.refuses(Trigger, "a key-encryption key keeps its id, and a retired one stays so", back, &[]).await;
    }
    shell.refuses(Trigger, "a key-encryption key is retired, not deleted", "DELETE FROM kek", &[]).await;
}
