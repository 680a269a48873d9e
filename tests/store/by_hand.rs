//! Changes made at a SQL shell, which move no version: the statements that keep and redeem a jump look at the rows too.

use concenter_gateway::domain::jump::{JumpOrder, RecordOutcome, RedeemOutcome};
use concenter_gateway::store::StoreError;

use crate::fixture::jump::{for_broker, for_customer};
use crate::sqlite::{opened, shell};

/// What becomes of a recorded and of a decided jump of `order` after `change`, made with foreign keys off.
async fn after(order: JumpOrder, change: &'static str) -> (RedeemOutcome, RecordOutcome) {
    let (h, _store, directory) = opened().await;
    let firm = h.example().await;
    let open = h.issue(&firm.tenant, order.clone()).await;
    let decided = h.decide(&firm.tenant, order).await;
    let mut shell = shell(directory.path(), false).await;
    let changed = sqlx::query(change).execute(&mut shell).await.expect(change);
    assert!(changed.rows_affected() > 0, "{change}");
    (h.redeem(&firm.tenant, &open).await, h.record(&firm.tenant, &decided).await)
}

/// Asserts that after `change` a jump of `order` is neither kept nor redeemed.
async fn stops(order: JumpOrder, change: &'static str) {
    assert_eq!(after(order, change).await, (RedeemOutcome::Revoked, RecordOutcome::Stale), "{change}");
}

#[tokio::test]
async fn a_stopped_tenant_stops_jumps() {
    stops(for_broker("m.meier"), "UPDATE tenant SET state = 'stopped'").await;
}

#[tokio::test]
async fn a_disabled_user_stops_jumps() {
    stops(for_broker("m.meier"), "UPDATE concenter_user SET state = 'disabled' WHERE user_name = 'meier'").await;
}

#[tokio::test]
async fn a_shared_user_who_lost_endkunde_stops_jumps() {
    stops(for_customer("k-1"), "UPDATE concenter_user SET kind = 'broker' WHERE user_name = 'privat'").await;
}

#[tokio::test]
async fn a_brokers_user_who_became_endkunde_stops_jumps() {
    let change =
        r#"UPDATE concenter_user SET kind = 'end_customer', providers = '["sicher"]' WHERE user_name = 'meier'"#;
    stops(for_broker("m.meier"), change).await;
}

#[tokio::test]
async fn a_deleted_user_stops_jumps() {
    stops(for_broker("m.meier"), "DELETE FROM concenter_user WHERE user_name = 'meier'").await;
}

#[tokio::test]
async fn a_jump_that_looks_open_without_its_user_does_not_read() {
    let (h, _store, directory) = opened().await;
    let firm = h.example().await;
    let jump = h.issue(&firm.tenant, for_broker("m.meier")).await;
    let delete = "DELETE FROM concenter_user WHERE user_name = 'meier'";
    sqlx::query(delete).execute(&mut shell(directory.path(), false).await).await.expect(delete);
    let inputs = h.store.redeem_inputs(&firm.tenant, &jump.jti_hash, h.now()).await;
    assert!(matches!(inputs, Err(StoreError::Corrupt { table: "jump" })), "{inputs:?}");
}

#[tokio::test]
async fn a_disabled_target_stops_jumps() {
    stops(for_broker("m.meier"), "UPDATE target SET state = 'disabled' WHERE target_id = 'rechner'").await;
}

#[tokio::test]
async fn a_disabled_provider_stops_redeems() {
    let change = "UPDATE product_provider SET state = 'disabled' WHERE provider_id = 'vergleich'";
    assert_eq!(after(for_broker("m.meier"), change).await.0, RedeemOutcome::Revoked);
}

#[tokio::test]
async fn a_secret_that_is_gone_stops_redeems() {
    let change = "UPDATE concenter_user SET sealed_secret = NULL, secret_set_at = NULL WHERE user_name = 'meier'";
    assert_eq!(after(for_broker("m.meier"), change).await.0, RedeemOutcome::Revoked);
}
