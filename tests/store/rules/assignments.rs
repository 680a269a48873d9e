//! Activations, shared users and customers' own users (`docs/domain.md#broker-jump`, `#customer-jump`).

use super::Wall::{Check, ForeignKey, NotNull, PrimaryKey, Trigger, Type, Unique};
use super::{
    A, ACTIVATION, B, COMMERCIAL, FRESH, MEIER, MEIER_OF_B, NULL, OWN, PRIVATE, PRIVATE_OF_B, SCHULZE, STANDARD, Shell,
};

/// Binds: tenant, activation, user, sharing reason.
const ACTIVATE: &str = "
    INSERT INTO broker_activation (
        tenant_id, activation_id, user_id, state, sharing_reason, version, created_at, updated_at
    )
    VALUES (?1, ?2, ?3, 'active', ?4, 1, 1, 1)";
/// Binds: tenant, broker, activation.
const ADD_BROKER: &str = "INSERT INTO activation_broker (tenant_id, broker_id, activation_id) VALUES (?1, ?2, ?3)";
/// Binds: tenant, user.
const SET_PRIVATE_SLOT: &str = "UPDATE customer_access SET private_user_id = ?2 WHERE tenant_id = ?1";
/// Binds: tenant, user.
const SET_COMMERCIAL_SLOT: &str = "UPDATE customer_access SET commercial_user_id = ?2 WHERE tenant_id = ?1";
/// Binds: tenant, user.
const SET_OWN_USER: &str = "UPDATE customer SET user_id = ?2 WHERE tenant_id = ?1 AND customer_id = 'k-2'";

pub(crate) async fn an_activation_has_a_brokers_user(shell: &mut Shell) {
    for unfit in [STANDARD, PRIVATE, OWN, FRESH] {
        shell.refuses(ForeignKey, "", ACTIVATE, &[A, FRESH, unfit, NULL]).await;
    }
    shell.takes(ACTIVATE, &[A, FRESH, SCHULZE, NULL]).await;
}

pub(crate) async fn an_activation_does_not_move_to_an_unfit_user(shell: &mut Shell) {
    let set_user = "UPDATE broker_activation SET user_id = ?2 WHERE activation_id = ?1";
    for unfit in [STANDARD, PRIVATE, OWN, MEIER_OF_B, FRESH] {
        shell.refuses(ForeignKey, "", set_user, &[ACTIVATION, unfit]).await;
    }
    shell.takes(set_user, &[ACTIVATION, SCHULZE]).await;
}

pub(crate) async fn an_activation_has_a_user_of_its_own_tenant(shell: &mut Shell) {
    shell.refuses(ForeignKey, "", ACTIVATE, &[A, FRESH, MEIER_OF_B, NULL]).await;
    shell.refuses(ForeignKey, "", ACTIVATE, &[B, FRESH, SCHULZE, NULL]).await;
    shell.takes(ACTIVATE, &[B, FRESH, MEIER_OF_B, NULL]).await;
}

pub(crate) async fn a_reference_cannot_claim_another_kind(shell: &mut Shell) {
    let activation = "UPDATE broker_activation SET user_kind = 'end_customer', user_id = ?2 WHERE tenant_id = ?1";
    shell.refuses(Check, "user_kind = 'broker'", activation, &[A, PRIVATE]).await;
    let private = "UPDATE customer_access SET private_user_kind = 'broker', private_user_id = ?2 WHERE tenant_id = ?1";
    shell.refuses(Check, "private_user_kind = 'end_customer'", private, &[A, MEIER]).await;
    let commercial =
        "UPDATE customer_access SET commercial_user_kind = 'broker', commercial_user_id = ?2 WHERE tenant_id = ?1";
    shell.refuses(Check, "commercial_user_kind = 'end_customer'", commercial, &[A, MEIER]).await;
    let own = "UPDATE customer SET user_kind = 'broker', user_id = ?2 WHERE tenant_id = ?1";
    shell.refuses(Check, "user_kind = 'end_customer'", own, &[A, MEIER]).await;
}

pub(crate) async fn a_reference_cannot_drop_the_kind_to_slip_through(shell: &mut Shell) {
    // A foreign key with a NULL in it is not checked at all.
    let activation = "UPDATE broker_activation SET user_kind = NULL, user_id = ?2 WHERE tenant_id = ?1";
    shell.refuses(NotNull, "broker_activation.user_kind", activation, &[A, PRIVATE]).await;
    let private = "UPDATE customer_access SET private_user_kind = NULL, private_user_id = ?2 WHERE tenant_id = ?1";
    shell.refuses(NotNull, "customer_access.private_user_kind", private, &[A, MEIER]).await;
    let commercial =
        "UPDATE customer_access SET commercial_user_kind = NULL, commercial_user_id = ?2 WHERE tenant_id = ?1";
    shell.refuses(NotNull, "customer_access.commercial_user_kind", commercial, &[A, MEIER]).await;
    let own = "UPDATE customer SET user_kind = NULL, user_id = ?2 WHERE tenant_id = ?1";
    shell.refuses(NotNull, "customer.user_kind", own, &[A, MEIER]).await;
}

pub(crate) async fn a_second_activation_of_a_user_says_why(shell: &mut Shell) {
    let columns = "broker_activation.tenant_id, broker_activation.user_id";
    shell.refuses(Unique, columns, ACTIVATE, &[A, FRESH, MEIER, NULL]).await;
    shell.refuses(Check, "length(sharing_reason)", ACTIVATE, &[A, FRESH, MEIER, ""]).await;
    shell.takes(ACTIVATE, &[A, FRESH, MEIER, "Urlaubsvertretung"]).await;
}

pub(crate) async fn a_sharing_reason_is_not_taken_away_while_it_is_needed(shell: &mut Shell) {
    shell.does(ACTIVATE, &[A, FRESH, MEIER, "Urlaubsvertretung"]).await;
    let forget = "UPDATE broker_activation SET sharing_reason = NULL WHERE activation_id = ?1";
    shell.refuses(Unique, "broker_activation.user_id", forget, &[FRESH]).await;
}

pub(crate) async fn a_broker_stands_in_an_activation_of_his_tenant_once(shell: &mut Shell) {
    shell.refuses(ForeignKey, "", ADD_BROKER, &[A, "m.neu", FRESH]).await;
    shell.refuses(ForeignKey, "", ADD_BROKER, &[B, "m.neu", ACTIVATION]).await;
    shell.refuses(PrimaryKey, "activation_broker.broker_id", ADD_BROKER, &[A, "m.meier", ACTIVATION]).await;
    shell.refuses(Check, "length(broker_id)", ADD_BROKER, &[A, "", ACTIVATION]).await;
    shell.takes(ADD_BROKER, &[A, "m.neu", ACTIVATION]).await;
}

pub(crate) async fn an_activation_with_brokers_is_not_deleted(shell: &mut Shell) {
    let delete = "DELETE FROM broker_activation WHERE activation_id = ?1";
    shell.refuses(ForeignKey, "", delete, &[ACTIVATION]).await;
    shell.does("DELETE FROM activation_broker WHERE activation_id = ?1", &[ACTIVATION]).await;
    shell.takes(delete, &[ACTIVATION]).await;
}

pub(crate) async fn a_slot_holds_an_endkunde_user(shell: &mut Shell) {
    for slot in [SET_PRIVATE_SLOT, SET_COMMERCIAL_SLOT] {
        for unfit in [STANDARD, MEIER, SCHULZE, FRESH] {
            shell.refuses(ForeignKey, "", slot, &[A, unfit]).await;
        }
        shell.takes(slot, &[A, OWN]).await;
    }
}

pub(crate) async fn a_slot_holds_a_user_of_its_own_tenant(shell: &mut Shell) {
    for slot in [SET_PRIVATE_SLOT, SET_COMMERCIAL_SLOT] {
        shell.refuses(ForeignKey, "", slot, &[A, PRIVATE_OF_B]).await;
        shell.refuses(ForeignKey, "", slot, &[B, PRIVATE]).await;
        shell.takes(slot, &[B, PRIVATE_OF_B]).await;
    }
}

pub(crate) async fn a_new_customer_access_is_checked_as_a_changed_one(shell: &mut Shell) {
    shell.does("DELETE FROM customer_access WHERE tenant_id = ?1", &[B]).await;
    let insert = "
        INSERT INTO customer_access (tenant_id, private_user_id, commercial_user_id, commercial_falls_back, version)
        VALUES (?1, ?2, ?3, FALSE, 1)";
    shell.refuses(ForeignKey, "", insert, &[B, MEIER_OF_B, PRIVATE_OF_B]).await;
    shell.refuses(ForeignKey, "", insert, &[B, PRIVATE_OF_B, MEIER_OF_B]).await;
    shell.refuses(ForeignKey, "", insert, &[B, PRIVATE_OF_B, COMMERCIAL]).await;
    shell.takes(insert, &[B, PRIVATE_OF_B, PRIVATE_OF_B]).await;
}

pub(crate) async fn a_tenant_has_one_customer_access(shell: &mut Shell) {
    let insert = "INSERT INTO customer_access (tenant_id, commercial_falls_back, version) VALUES (?1, FALSE, 1)";
    shell.refuses(PrimaryKey, "customer_access.tenant_id", insert, &[A]).await;
    shell.refuses(ForeignKey, "", insert, &[FRESH]).await;
    let neither = "UPDATE customer_access SET commercial_falls_back = 2 WHERE tenant_id = ?1";
    let (wall, says) = shell.either((Check, "commercial_falls_back IN (0, 1)"), (Type, "is of type boolean"));
    shell.refuses(wall, says, neither, &[A]).await;
}

pub(crate) async fn a_customers_own_user_is_endkunde(shell: &mut Shell) {
    for unfit in [STANDARD, MEIER, SCHULZE, FRESH] {
        shell.refuses(ForeignKey, "", SET_OWN_USER, &[A, unfit]).await;
    }
    shell.takes(SET_OWN_USER, &[A, PRIVATE]).await;
}

pub(crate) async fn a_customers_own_user_is_of_his_tenant(shell: &mut Shell) {
    shell.refuses(ForeignKey, "", SET_OWN_USER, &[A, PRIVATE_OF_B]).await;
    let insert = "
        INSERT INTO customer (tenant_id, customer_id, segment, user_id, jump_version, version, created_at, updated_at)
        VALUES (?1, 'k-1', 'private', ?2, 1, 1, 1, 1)";
    shell.refuses(ForeignKey, "", insert, &[B, OWN]).await;
    shell.takes(insert, &[B, PRIVATE_OF_B]).await;
}

pub(crate) async fn a_customer_is_private_or_commercial(shell: &mut Shell) {
    let segment = "UPDATE customer SET segment = ?2 WHERE tenant_id = ?1 AND customer_id = 'k-1'";
    shell.refuses(Check, "segment IN ('private', 'commercial')", segment, &[A, "unknown"]).await;
    shell.takes(segment, &[A, "commercial"]).await;
}

pub(crate) async fn a_customer_who_is_recorded_after_an_erasure_begins_above_it(shell: &mut Shell) {
    let says = "erased_jump_version moves forward only";
    let set = "UPDATE tenant SET erased_jump_version = ?2 + 0 WHERE tenant_id = ?1";
    shell.does(set, &[A, "7"]).await;
    shell.refuses(Trigger, says, set, &[A, "6"]).await;
    shell.takes(set, &[A, "8"]).await;
    let insert = "
        INSERT INTO customer (tenant_id, customer_id, segment, jump_version, version, created_at, updated_at)
        VALUES (?1, ?2, 'private', ?3 + 0, 1, 1, 1)";
    let stands_at =
        "UPDATE customer SET version = 2 WHERE tenant_id = ?1 AND customer_id = ?2 AND jump_version = ?3 + 0";
    for (tenant, id, wished, expected) in
        [(A, "neu-1", "1", "8"), (A, "neu-2", "7", "8"), (A, "neu-3", "9", "9"), (B, "neu-1", "1", "1")]
    {
        shell.does(insert, &[tenant, id, wished]).await;
        shell.takes(stands_at, &[tenant, id, expected]).await;
    }
    shell
        .takes(
            "UPDATE customer SET version = 2 WHERE tenant_id = ?1 AND customer_id = 'k-2' AND jump_version = 5",
            &[A],
        )
        .await;
}
