//! The service itself, its keys, its tenants and the requests it remembers.

use super::Wall::{Check, PrimaryKey, Trigger, Type, Unique};
use super::{A, FRESH, Shell};

#[tokio::test]
async fn there_is_one_service() {
    let mut shell = Shell::open().await;
    for copy in [
        "
        INSERT INTO service
        SELECT ?1 + 0, epoch, catalog_version, kek_canary, kek_id, dek_version, wrapped_dek, sealed_mac_key FROM service",
        "
        INSERT OR REPLACE INTO service
        SELECT ?1 + 0, 1, 1, kek_canary, kek_id, dek_version, wrapped_dek, sealed_mac_key FROM service",
    ] {
        for singleton in ["1", "2"] {
            shell.refuses(Trigger, "there is one service", copy, &[singleton]).await;
        }
    }
    shell.refuses(Check, "singleton = 1", "UPDATE service SET singleton = 2", &[]).await;
    shell.refuses(Trigger, "there is one service", "DELETE FROM service", &[]).await;
}

#[tokio::test]
async fn the_epoch_and_the_catalogues_version_move_forward_only() {
    let mut shell = Shell::open().await;
    let says = "epoch and catalog_version move forward only";
    shell.refuses(Trigger, says, "UPDATE service SET epoch = epoch - 1", &[]).await;
    shell.refuses(Trigger, says, "UPDATE service SET catalog_version = catalog_version - 1", &[]).await;
    shell.refuses(Trigger, says, "UPDATE service SET epoch = epoch + 1, catalog_version = 1", &[]).await;
    shell.takes("UPDATE service SET epoch = epoch + 1, catalog_version = catalog_version + 1", &[]).await;
}

#[tokio::test]
async fn a_tenants_configuration_version_moves_forward_only() {
    let mut shell = Shell::open().await;
    let replace = "
        INSERT OR REPLACE INTO tenant
        SELECT tenant_id, display_name, state, 1, kek_id, dek_version, wrapped_dek, sealed_mac_key, 1, 1, 1
        FROM tenant
        WHERE tenant_id = ?1";
    shell.refuses(Trigger, "a tenant is made once", replace, &[A]).await;
    let set = "UPDATE tenant SET config_version = config_version + ?2 WHERE tenant_id = ?1";
    shell.refuses(Trigger, "config_version moves forward only", set, &[A, "-1"]).await;
    shell.takes(set, &[A, "1"]).await;
}

#[tokio::test]
async fn one_signing_key_of_a_purpose_is_current() {
    let mut shell = Shell::open().await;
    let insert = "
        INSERT INTO signing_key (kid, purpose, state, sealed_private, created_at)
        VALUES ('another-jump-key-00000000000000000000000000', ?1, ?2, x'00', 1)";
    shell.refuses(Unique, "signing_key.purpose", insert, &["jump", "current"]).await;
    shell.takes(insert, &["jump", "retired"]).await;
    shell.takes(insert, &["caller", "current"]).await;
}

#[tokio::test]
async fn a_tenant_is_active_or_stopped() {
    let mut shell = Shell::open().await;
    let set = "UPDATE tenant SET state = ?2 WHERE tenant_id = ?1";
    shell.refuses(Check, "state IN ('active', 'stopped')", set, &[A, "paused"]).await;
    shell.takes(set, &[A, "stopped"]).await;
}

#[tokio::test]
async fn a_request_is_logged_once() {
    let mut shell = Shell::open().await;
    let insert = "
        INSERT INTO request_log (tenant_id, caller, request_id, content, resource, created_at)
        VALUES (?1, zeroblob(32), ?2, randomblob(32), 'x', 1)";
    shell.does(insert, &[A, FRESH]).await;
    shell.refuses(PrimaryKey, "request_log.request_id", insert, &[A, FRESH]).await;
}

#[tokio::test]
async fn a_version_is_a_number() {
    let mut shell = Shell::open().await;
    let set = "UPDATE tenant SET config_version = 'six' WHERE tenant_id = ?1";
    shell.refuses(Type, "cannot store TEXT value in INTEGER column tenant.config_version", set, &[A]).await;
    let set = "UPDATE service SET epoch = 5.5";
    shell.refuses(Type, "cannot store REAL value in INTEGER column service.epoch", set, &[]).await;
}
