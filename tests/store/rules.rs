//! Every rule that stands in the schema, tried from plain SQL on a database that the service made.
//!
//! What is shown here holds against the next RPC, an import and a repair by hand at night alike. A case says which
//! wall stands in the way, not only that something did; and what is close to a refused row but good is taken, so
//! that a wall in the wrong place shows too.
//!
//! A case is written once, in the SQL that all engines have and in SQLite's words where their spelling differs: `?1` for a
//! bind, `x'00'` for bytes, a list as JSON. Each engine's shell spells them its own way. One more rule in a migration: a
//! case in the file of its noun and its name in the list below. What can be tried on one engine alone stands in a file
//! of its own.

pub(crate) mod assignments;
pub(crate) mod audit;
pub(crate) mod catalog;
pub(crate) mod jumps;
pub(crate) mod on_postgres;
pub(crate) mod on_sqlite;
pub(crate) mod postgres_own;
pub(crate) mod service;
pub(crate) mod sqlite_own;
pub(crate) mod users;

use async_trait::async_trait;

/// Makes every case a test of its own, on one engine: those of all engines and its own ones.
macro_rules! rules {
    (on sqlite) => {
        $crate::rules::rules! {
            on_sqlite:
            sqlite_own {
                the_service_is_not_replaced
                a_tenant_is_not_replaced
                settings_are_not_replaced
                a_redeemed_or_revoked_jump_is_not_replaced_by_an_open_one
                an_entry_of_the_audit_log_is_not_replaced
                a_seal_is_not_replaced
                a_value_of_another_type_is_not_kept
                a_page_is_not_left_behind_by_whoever_is_forgotten
            }
        }
        $crate::rules::rules!(all on_sqlite);
    };
    (on postgres) => {
        $crate::rules::rules! {
            on_postgres:
            postgres_own {
                the_audit_log_is_not_emptied
                the_chain_of_seals_is_not_emptied
                the_audit_log_is_not_touched_where_nothing_is_found
                the_service_is_not_emptied
                a_list_has_no_hole
            }
        }
        $crate::rules::rules!(all on_postgres);
    };
    (all $engine:ident) => {
        $crate::rules::rules! {
            $engine:
            service {
                there_is_one_service
                the_epoch_and_the_catalogues_version_move_forward_only
                a_tenants_configuration_version_moves_forward_only
                a_revoked_or_removed_signing_key_has_no_private_half
                a_signing_key_that_is_there_or_revoked_has_no_public_half_of_its_own
                a_revoked_signing_key_stays_so
                a_retired_key_encryption_key_wraps_nothing
                a_key_encryption_key_that_wraps_something_is_not_retired
                a_tenant_is_active_or_stopped
                a_request_is_logged_once
                a_deleted_tenant_is_stopped
                the_keys_of_a_tenant_go_together_and_only_with_a_deleted_one
                a_new_tenant_begins_with_settings
                settings_keep_to_their_bounds
            }
            catalog {
                a_portal_takes_no_customers
                a_target_belongs_to_a_known_provider
                a_provider_with_targets_is_not_deleted
                a_target_with_jumps_is_not_deleted
                lines_of_business_are_one_to_100_in_an_array
                redirects_are_at_most_ten_origins_of_a_target_that_is_posted_to
                words_of_the_catalogue_come_from_closed_lists
                what_a_target_takes_is_yes_or_no
                a_return_url_stands_under_one_key
            }
            users {
                a_tenant_has_at_most_one_standard_user
                a_user_name_is_unique_within_its_tenant
                an_endkunde_user_names_its_providers
                an_empty_list_of_providers_is_not_all_of_them
                a_list_of_providers_ends_at_200
                providers_are_a_list
                a_user_names_known_providers_only
                kind_and_state_are_words_of_a_closed_list
                a_user_belongs_to_a_tenant_that_is_there
                a_secret_a_version_and_its_instant_come_together
                what_con_center_says_comes_with_when_whence_and_by_whom
                nobody_is_told_twice_of_what_he_was_not_told_yet
                an_assigned_user_keeps_its_kind
                an_assigned_user_does_not_become_standard
                an_assigned_user_is_not_deleted
                an_assigned_user_keeps_its_id_and_its_tenant
                a_number_is_not_kept_as_text
            }
            assignments {
                an_activation_has_a_brokers_user
                an_activation_does_not_move_to_an_unfit_user
                an_activation_has_a_user_of_its_own_tenant
                a_reference_cannot_claim_another_kind
                a_reference_cannot_drop_the_kind_to_slip_through
                a_second_activation_of_a_user_says_why
                a_sharing_reason_is_not_taken_away_while_it_is_needed
                a_broker_stands_in_an_activation_of_his_tenant_once
                an_activation_with_brokers_is_not_deleted
                a_slot_holds_an_endkunde_user
                a_slot_holds_a_user_of_its_own_tenant
                a_new_customer_access_is_checked_as_a_changed_one
                a_tenant_has_one_customer_access
                a_customers_own_user_is_endkunde
                a_customers_own_user_is_of_his_tenant
                a_customer_is_private_or_commercial
                a_customer_who_is_recorded_after_an_erasure_begins_above_it
            }
            jumps {
                a_customers_jump_has_an_endkunde_user
                a_brokers_jump_has_a_brokers_user
                a_jump_has_a_user_of_its_own_tenant
                a_jump_lives_for_120_seconds_at_most
                a_customer_has_a_segment_and_a_broker_has_none
                a_broker_goes_by_his_activation_and_nobody_else_does
                a_jump_is_redeemed_once
                a_redeemed_jump_stays_redeemed
                what_was_decided_is_never_changed
                a_redeemed_jump_knows_its_attempt
                only_a_redeemed_jump_has_a_session_to_revoke
                a_redeemed_jump_has_one_result_and_no_other_has_one
                a_jti_a_handle_and_a_request_make_one_jump_each
                hashes_and_subjects_have_their_length
                an_actor_is_whole_or_absent
                a_jump_goes_to_a_target_of_the_catalogue
                a_jump_is_redeemed_or_revoked_and_never_both
                what_was_revoked_stays_revoked
                a_customer_is_forgotten_whole_or_not_at_all
                a_redeemed_jump_forgets_its_customer_without_being_revoked
                a_jump_forgets_whole_whom_it_was_made_for
                a_jump_forgets_no_broker
                what_leads_to_a_person_leads_to_no_other
            }
            audit {
                an_entry_is_never_changed
                an_entry_is_never_deleted
                an_entry_stands_once
                a_refusal_has_a_reason_and_nothing_else_has
                a_person_is_never_kept_as_more_than_a_hash
                a_person_has_one_salt
                a_seal_is_never_changed
                a_seal_is_never_deleted
                a_seal_follows_the_last_one
                a_row_is_sealed_once
            }
        }
    };
    ($engine:ident: $($noun:ident { $($case:ident)+ })+) => {$(
        mod $noun {$(
            #[tokio::test]
            async fn $case() {
                crate::rules::$engine::play(crate::rules::$noun::$case).await;
            }
        )+}
    )+};
}

pub(crate) use rules;

const A: &str = "00000000-0000-7000-8000-00000000000a";
const B: &str = "00000000-0000-7000-8000-00000000000b";
const STANDARD: &str = "10000000-0000-7000-8000-00000000000a";
const MEIER: &str = "20000000-0000-7000-8000-00000000000a";
const SCHULZE: &str = "30000000-0000-7000-8000-00000000000a";
const PRIVATE: &str = "40000000-0000-7000-8000-00000000000a";
const COMMERCIAL: &str = "50000000-0000-7000-8000-00000000000a";
const OWN: &str = "60000000-0000-7000-8000-00000000000a";
const MEIER_OF_B: &str = "20000000-0000-7000-8000-00000000000b";
const PRIVATE_OF_B: &str = "40000000-0000-7000-8000-00000000000b";
const ACTIVATION: &str = "a0000000-0000-7000-8000-00000000000a";
const OPEN_JUMP: &str = "d0000000-0000-7000-8000-000000000001";
const REDEEMED_JUMP: &str = "d0000000-0000-7000-8000-000000000002";
/// An id that nothing has.
const FRESH: &str = "99999999-0000-7000-8000-000000000009";
/// A bind that is no text but NULL.
const NULL: &str = "NULL";

/// What stands in the way of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wall {
    Check,
    ForeignKey,
    NotNull,
    PrimaryKey,
    Trigger,
    Unique,
    /// A column takes no value of another type.
    Type,
    /// Not a constraint: the statement itself fails, for example on text that is not JSON.
    Statement,
}

/// How an engine refused a statement.
#[derive(Debug)]
struct Refused {
    wall: Wall,
    /// The rule, the columns or the message, as far as the engine tells.
    says: String,
}

/// Somebody at the SQL shell of one engine, with foreign keys on.
#[async_trait]
trait Engine: Send {
    /// Executes a statement and tells how many rows it changed. Of one that is refused nothing is left.
    async fn execute(&mut self, sql: &str, binds: &[&str]) -> Result<u64, Refused>;

    /// Drops a trigger of a table.
    async fn drop_trigger(&mut self, trigger: &str, table: &str);
}

/// Where the engines differ in how they say no.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Sqlite,
    Postgres,
}

/// A shell in front of the rows of `rules/seed.sql`.
pub(crate) struct Shell {
    engine: Box<dyn Engine>,
    kind: Kind,
}

impl Shell {
    /// Picks what holds for this engine.
    fn either<T>(&self, sqlite: T, postgres: T) -> T {
        match self.kind {
            Kind::Sqlite => sqlite,
            Kind::Postgres => postgres,
        }
    }

    /// Asserts that `sql` is refused by `wall`, in words that hold `saying`.
    async fn refuses(&mut self, wall: Wall, saying: &str, sql: &str, binds: &[&str]) {
        let refused = self.engine.execute(sql, binds).await.expect_err(sql);
        assert_eq!(refused.wall, wall, "{sql}: {refused:?}");
        assert!(plain(&refused.says).contains(&plain(saying)), "{saying:?} for {sql}: {refused:?}");
    }

    /// Asserts that `sql` is taken and changes one row, then takes it back.
    async fn takes(&mut self, sql: &str, binds: &[&str]) {
        self.engine.execute("SAVEPOINT try", &[]).await.expect("a savepoint");
        assert_eq!(self.engine.execute(sql, binds).await.expect(sql), 1, "rows of {sql}");
        self.engine.execute("ROLLBACK TO try", &[]).await.expect("a way back");
    }

    /// Does what is only the way to a case.
    async fn does(&mut self, sql: &str, binds: &[&str]) {
        assert!(self.engine.execute(sql, binds).await.expect(sql) > 0, "rows of {sql}");
    }

    /// Takes a wall away, to try the one behind it.
    async fn without_trigger(&mut self, trigger: &str, table: &str) {
        self.engine.drop_trigger(trigger, table).await;
    }
}

/// A rule without that in which the engines' spellings of it differ.
fn plain(rule: &str) -> String {
    let spellings = [
        ("json_array_length", "cardinality"),
        (" = ANY (ARRAY", " IN ("),
        ("::text", ""),
        ("::bytea", ""),
        (r"'\x'", "x''"),
    ];
    let rule = spellings.iter().fold(rule.to_owned(), |rule, (one, other)| rule.replace(one, other));
    rule.chars().filter(|letter| !letter.is_whitespace() && !"()[]".contains(*letter)).collect()
}
