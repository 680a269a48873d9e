//! Changes made at a SQL shell, which move no version: the statements that keep and redeem a jump look at the rows too.

use concenter_gateway::domain::jump::{JumpOrder, RecordOutcome, RedeemOutcome};
use concenter_gateway::store::StoreError;

use crate::fixture::Harness;
use crate::fixture::jump::{for_broker, for_customer};

/// What becomes of a recorded and of a decided jump of `order` after `change`.
async fn after(h: &Harness, order: JumpOrder, change: &'static str) -> (RedeemOutcome, RecordOutcome) {
    let firm = h.example().await;
    let open = h.issue(&firm.tenant, order.clone()).await;
    let decided = h.decide(&firm.tenant, order).await;
    assert!(h.inspect.change_by_hand(change).await > 0, "{change}");
    (h.redeem(&firm.tenant, &open).await, h.record(&firm.tenant, &decided).await)
}

/// Asserts that after `change` a jump of `order` is neither kept nor redeemed.
async fn stops(h: &Harness, order: JumpOrder, change: &'static str) {
    assert_eq!(after(h, order, change).await, (RedeemOutcome::Revoked, RecordOutcome::Stale), "{change}");
}

pub(crate) async fn a_stopped_tenant_stops_jumps(h: &Harness) {
    stops(h, for_broker("m.meier"), "UPDATE tenant SET state = 'stopped'").await;
}

pub(crate) async fn a_disabled_user_stops_jumps(h: &Harness) {
    stops(h, for_broker("m.meier"), "UPDATE concenter_user SET state = 'disabled' WHERE user_name = 'meier'").await;
}

pub(crate) async fn a_shared_user_who_lost_endkunde_stops_jumps(h: &Harness) {
    stops(h, for_customer("k-1"), "UPDATE concenter_user SET kind = 'broker' WHERE user_name = 'privat'").await;
}

pub(crate) async fn a_shared_user_who_is_reported_not_to_be_endkunde_stops_jumps(h: &Harness) {
    let change = "UPDATE concenter_user SET reported_end_customer = (1 = 0) WHERE user_name = 'privat'";
    stops(h, for_customer("k-1"), change).await;
}

pub(crate) async fn a_user_whose_password_is_suspect_stops_jumps(h: &Harness) {
    let change = "UPDATE concenter_user SET credential_suspect_since = 1 WHERE user_name = 'privat'";
    stops(h, for_customer("k-1"), change).await;
}

pub(crate) async fn a_brokers_user_who_became_endkunde_stops_jumps(h: &Harness) {
    let change = "
        UPDATE concenter_user
        SET kind = 'end_customer', providers = (SELECT providers FROM concenter_user WHERE user_name = 'privat')
        WHERE user_name = 'meier'";
    stops(h, for_broker("m.meier"), change).await;
}

pub(crate) async fn a_deleted_user_stops_jumps(h: &Harness) {
    stops(h, for_broker("m.meier"), "DELETE FROM concenter_user WHERE user_name = 'meier'").await;
}

pub(crate) async fn a_jump_that_looks_open_without_its_user_does_not_read(h: &Harness) {
    let firm = h.example().await;
    let jump = h.issue(&firm.tenant, for_broker("m.meier")).await;
    h.inspect.change_by_hand("DELETE FROM concenter_user WHERE user_name = 'meier'").await;
    let inputs = h.redeem_inputs_at(&firm.tenant, &jump.jti_hash, h.now()).await;
    assert!(matches!(inputs, Err(StoreError::Corrupt { table: "jump" })), "{inputs:?}");
}

pub(crate) async fn a_disabled_target_stops_jumps(h: &Harness) {
    stops(h, for_broker("m.meier"), "UPDATE target SET state = 'disabled' WHERE target_id = 'rechner'").await;
}

pub(crate) async fn a_disabled_provider_stops_redeems(h: &Harness) {
    let change = "UPDATE product_provider SET state = 'disabled' WHERE provider_id = 'vergleich'";
    assert_eq!(after(h, for_broker("m.meier"), change).await.0, RedeemOutcome::Revoked);
}

pub(crate) async fn a_secret_that_is_gone_stops_redeems(h: &Harness) {
    let change = "UPDATE concenter_user SET sealed_secret = NULL, secret_set_at = NULL WHERE user_name = 'meier'";
    assert_eq!(after(h, for_broker("m.meier"), change).await.0, RedeemOutcome::Revoked);
}
