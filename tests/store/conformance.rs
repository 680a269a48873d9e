//! The suite that every engine passes, written against `&dyn Store` alone.
//!
//! One case, one claim, on a fresh database. One more case: a function in the file of its noun and its name in the
//! list below; a case that is not listed is dead code, and the lints say so. One more engine: a module with
//! `play()`, which gives a case its fresh database, and a line in `main.rs`.

pub(crate) mod activations;
pub(crate) mod audit;
pub(crate) mod batch;
pub(crate) mod by_hand;
pub(crate) mod catalog;
pub(crate) mod chain;
pub(crate) mod customers;
pub(crate) mod decisions;
pub(crate) mod floor;
pub(crate) mod history;
pub(crate) mod isolation;
pub(crate) mod jumps;
pub(crate) mod keks;
pub(crate) mod keys;
pub(crate) mod redeems;
pub(crate) mod requests;
pub(crate) mod results;
pub(crate) mod retention;
pub(crate) mod revocation;
pub(crate) mod revoking;
pub(crate) mod separation;
pub(crate) mod service;
pub(crate) mod settings;
pub(crate) mod simulation;
pub(crate) mod tenants;
pub(crate) mod users;

/// Makes every case of the suite a test of its own, on one engine.
macro_rules! conformance {
    (on $engine:ident) => {
        $crate::conformance::conformance! {
            $engine:
            service {
                a_new_store_has_no_service
                the_service_reads_back_as_it_was_initialised
                a_second_initialisation_changes_nothing
                a_store_that_works_says_so
            }
            keys {
                of_many_who_add_the_next_key_one_does
                a_key_is_added_in_the_place_of_a_next_one_that_was_revoked
                the_next_key_signs_earlier_where_somebody_says_so
                where_there_is_no_next_key_one_is_made_when_it_is_asked_for
                a_revoked_key_is_overwritten_and_the_next_one_signs_at_once
                where_there_is_no_next_key_a_new_one_takes_the_place_of_a_revoked_one
                revoking_again_changes_nothing
                the_same_revocation_again_answers_the_same
                revoking_a_key_that_signed_nothing_leaves_jumps_alone
                revoking_a_retired_key_revokes_jumps_and_changes_nobody_who_signs
                an_unknown_key_is_not_revoked
                a_key_is_removed_when_its_time_is_over_and_its_public_half_stays
                a_revoked_key_is_not_removed
            }
            keks {
                a_key_that_is_added_is_known_and_wraps_nothing
                the_active_key_is_a_row
                a_key_that_nobody_knows_is_neither_activated_nor_retired
                a_data_key_is_wrapped_anew_in_the_place_of_the_very_bytes_that_were_opened
                a_batch_is_one_row_of_the_audit_log
                of_two_who_wrap_the_same_anew_one_does
                who_has_not_heard_of_the_active_key_wraps_nothing_back
                tenants_under_a_key_are_listed_by_id_behind_one_another
                a_key_that_something_is_under_is_not_retired_and_says_how_much
                a_retired_key_wraps_nothing_ever_again
                what_is_left_of_a_destroyed_tenant_is_under_no_key
            }
            tenants {
                a_new_tenant_reads_back
                a_new_tenant_has_its_standard_user
                a_tenant_may_start_without_a_user
                a_new_tenant_has_an_empty_customer_access
                the_keys_of_a_tenant_read_back
                an_unknown_tenant_is_absent
                tenants_are_listed_by_id_page_by_page
                a_stopped_tenant_can_be_started_again
                starting_an_active_tenant_changes_nothing
                stopping_a_tenant_that_changed_is_refused
                stopping_an_unknown_tenant_is_refused
                a_tenant_gets_another_name
                the_same_name_changes_nothing
                another_name_needs_its_tenant_and_its_etag
                another_name_leaves_open_jumps_alone
                a_deleted_tenant_is_stopped_and_stays_so_when_that_is_taken_back
                deleting_what_is_deleted_changes_nothing
                a_stopped_tenant_can_be_deleted
                a_deleted_tenant_is_not_started
                deleting_needs_its_tenant_and_its_etag
                a_deletion_that_is_taken_back_revokes_open_jumps
            }
            settings {
                a_new_tenant_has_the_settings_that_all_begin_with
                an_unknown_tenant_has_no_settings
                changed_settings_read_back
                the_bounds_of_settings_can_be_kept
                settings_that_stay_the_same_move_nothing
                changing_settings_needs_their_tenant_and_their_etag
                a_setting_that_a_decision_rests_on_revokes_open_jumps
                a_setting_that_no_decision_rests_on_leaves_open_jumps_alone
                settings_are_of_one_tenant
            }
            catalog {
                a_new_provider_reads_back
                a_changed_provider_keeps_its_state
                a_provider_that_is_there_is_not_made_again
                a_provider_that_changed_is_not_overwritten
                a_provider_that_is_not_there_is_not_changed
                a_provider_is_disabled_and_enabled
                the_state_of_a_provider_needs_its_etag
                providers_are_listed_by_key_page_by_page
                a_new_target_reads_back
                an_unknown_target_is_absent
                a_changed_target_keeps_its_state
                a_target_of_an_unknown_provider_is_refused
                putting_a_target_needs_its_etag
                a_portal_that_takes_customers_never_gets_in
                a_target_that_nobody_posts_to_redirects_nobody
                a_target_is_disabled_and_enabled
                the_state_of_a_target_needs_its_etag
                targets_are_listed_by_key_page_by_page
                what_was_registered_by_earlier_rules_is_read_listed_and_put_anew
                a_new_return_url_reads_back
                a_changed_return_url_keeps_its_state
                a_return_url_under_another_key_is_refused
                putting_a_return_url_needs_its_etag
                a_return_url_is_disabled_and_enabled
                the_state_of_a_return_url_needs_its_etag
                return_urls_are_listed_by_key_page_by_page
                a_provider_is_read_by_its_key
                a_return_url_is_read_by_its_key
            }
            users {
                what_con_center_says_is_noted_with_who_said_it
                another_answer_of_con_centers_revokes_and_the_same_one_does_not
                under_another_name_nobody_knows_what_con_center_says_unless_it_said_no
                whoever_is_endkunde_here_and_not_there_gets_no_jump_and_is_told_of_once
                nobody_is_told_of_a_mismatch_that_is_over
                who_marked_a_user_endkunde_is_known_while_he_is
                a_new_user_reads_back
                a_user_may_start_without_a_secret
                a_name_that_looks_the_same_is_taken
                a_new_user_names_known_providers_only
                a_new_endkunde_user_with_all_providers_never_gets_in
                a_tenant_has_a_limited_number_of_users
                an_unknown_user_is_absent
                users_are_listed_from_the_oldest_page_by_page
                a_secret_is_replaced
                a_secret_sealed_for_another_version_is_refused
                a_secret_needs_its_users_etag
                standard_is_moved
                the_first_standard_user_has_no_previous_one
                moving_standard_to_where_it_is_changes_nothing
                a_disabled_user_can_become_standard
                an_endkunde_user_does_not_become_standard
                an_assigned_user_does_not_become_standard
                moving_standard_needs_the_users_etag
                a_user_is_marked_endkunde_and_back
                endkunde_needs_a_list_of_providers
                the_scope_of_an_assigned_endkunde_user_can_change
                marking_what_is_marked_changes_nothing
                marking_names_known_providers_only
                the_standard_user_is_not_marked_endkunde
                a_user_of_an_activation_is_not_marked_endkunde
                a_shared_user_does_not_lose_endkunde
                a_customers_own_user_does_not_lose_endkunde
                a_user_that_nothing_uses_any_more_loses_endkunde
                a_refusal_lists_20_dependents_and_counts_all
                marking_needs_the_users_etag
                a_user_is_disabled_and_enabled
                the_standard_user_can_be_disabled
                the_state_of_a_user_needs_its_etag
                a_name_is_kept_as_it_was_typed
                a_user_is_changed
                a_change_keeps_what_it_does_not_name_and_empties_what_it_does
                a_change_of_a_user_that_changes_nothing_moves_nothing
                a_user_may_spell_its_own_name_differently
                a_changed_name_is_not_another_users
                a_changed_scope_names_known_providers_only
                a_changed_endkunde_user_keeps_a_list_of_providers
                changing_a_user_needs_it_and_its_etag
                another_name_and_another_scope_revoke_open_jumps
                another_label_of_a_user_leaves_open_jumps_alone
                a_user_is_deleted
                a_deleted_users_name_is_free_for_another_one
                the_standard_user_is_not_deleted
                a_user_that_something_depends_on_is_not_deleted
                what_depends_on_a_user_is_listed_together
                deleting_a_user_needs_it_and_its_etag
                a_deleted_user_makes_room_for_another_one
            }
            activations {
                a_new_activation_reads_back
                an_unknown_activation_is_absent
                an_activation_needs_a_user
                an_endkunde_user_is_not_activated
                the_standard_user_is_not_activated
                a_disabled_user_can_be_activated
                a_user_is_not_shared_without_a_reason
                a_user_is_shared_with_a_reason
                a_broker_has_a_limited_number_of_activations
                activations_are_listed_by_id_page_by_page
                the_activations_of_one_broker_are_listed
                an_activation_is_disabled_and_enabled
                the_state_of_an_activation_needs_its_etag
                an_activation_is_changed
                a_change_of_an_activation_keeps_what_it_does_not_name
                a_change_of_an_activation_that_changes_nothing_moves_nothing
                an_activation_moves_to_a_brokers_user_only
                an_activation_does_not_move_to_a_shared_user_without_a_reason
                a_sharing_reason_stays_while_the_user_is_shared
                a_broker_is_added_to_a_limited_number_of_activations
                changing_an_activation_needs_it_and_its_etag
                other_brokers_and_another_user_revoke_open_jumps
                another_label_of_an_activation_leaves_open_jumps_alone
                an_activation_is_deleted_with_its_brokers
                deleting_an_activation_needs_it_and_its_etag
            }
            customers {
                a_new_customer_reads_back
                an_unknown_customer_is_absent
                ids_of_customers_are_told_apart_by_case
                putting_customers_touches_only_those_that_differ
                another_segment_leaves_the_own_user
                a_whole_batch_of_customers_is_put
                an_empty_batch_puts_nobody
                a_customer_gets_an_own_user_and_loses_it
                an_own_user_is_endkunde
                assigning_needs_a_customer_a_user_and_the_etag
                shared_users_are_set_and_taken_out
                a_change_of_access_that_changes_nothing_moves_nothing
                a_shared_user_is_endkunde
                changing_access_needs_known_users_and_the_etag
                customers_are_listed_by_id_page_by_page
                the_customers_of_one_own_user_are_listed
                an_erased_customer_stands_nowhere_any_more
                whoever_left_but_one_trace_is_erased
                nobody_is_not_erased
                erasing_revokes_the_customers_own_jumps_only
                a_record_put_after_an_erasure_revives_nothing
                a_record_put_after_an_erasure_is_counted_once
                a_jump_makes_its_customer_known
                a_jump_that_an_erasure_overtook_makes_nobody_known
            }
            simulation {
                a_simulation_counts_everybody_and_lists_who_differs
                a_simulation_finds_brokers_by_the_user_and_sees_all_their_activations
                a_simulation_tells_what_stands_in_the_way_of_its_change
                a_simulation_goes_through_everybody_page_by_page
                a_simulation_counts_customers_of_a_user_who_is_no_longer_endkunde
                a_simulation_finds_customers_of_many_users
                a_simulation_is_of_one_tenant
            }
            isolation {
                whom_each_user_serves_is_counted
                whom_targets_took_customers_for_is_counted
                whom_a_target_took_for_another_is_seen_across_users
                what_was_changed_by_hand_is_found
                a_tenant_that_is_not_there_is_not_reported
            }
            decisions {
                an_unknown_tenant_decides_nothing
                a_person_alone_is_read_as_with_everything_else
                a_person_of_no_tenant_leads_to_no_user
                a_broker_sees_his_activations_and_their_users
                a_broker_sees_disabled_activations_and_users_too
                a_user_of_two_activations_is_seen_once
                a_broker_without_an_activation_sees_nothing
                a_customer_sees_his_record_and_the_users_it_can_lead_to
                a_user_of_two_slots_is_seen_once
                a_stranger_has_no_record_and_no_version
                a_decision_sees_the_target_and_its_provider
                a_decision_sees_the_provider_that_is_named
                a_decision_sees_tenant_keys_epoch_and_versions
                scopes_of_users_read_as_they_were_set
                only_an_enabled_return_url_is_allowed
                salts_are_read_in_the_order_asked_for
                who_asks_with_others_learns_what_he_learns_alone
                a_deleted_tenant_decides_nothing
                a_decision_sees_the_settings
            }
            jumps {
                a_bare_jump_reads_back
                a_full_jump_of_a_broker_reads_back
                a_full_jump_of_a_customer_reads_back
                every_way_to_a_user_reads_back
                a_request_that_made_no_jump_finds_none
                the_same_request_makes_one_jump
                a_repeated_request_is_repeated_also_when_it_is_stale
                a_request_of_another_effect_makes_no_jump
                an_earlier_jump_tells_what_became_of_it
                a_jump_of_an_old_epoch_is_not_kept
                a_stale_jump_leaves_nothing_behind
                a_jump_with_a_user_who_does_not_fit_is_not_kept
                a_jump_that_lives_too_long_is_not_kept
                a_person_may_have_several_open_jumps
                a_person_has_a_limited_number_of_jumps_in_a_minute
                a_decision_sees_since_when_it_is_crowded
                a_place_is_free_again_a_minute_after_it_was_taken
                a_crowd_is_one_persons
                a_repeated_request_is_repeated_also_when_it_is_crowded
                a_deleted_tenant_keeps_no_jump
            }
            redeems {
                a_jump_is_redeemed_once
                a_jump_with_a_return_url_of_earlier_rules_is_redeemed_and_its_replay_revokes
                redeeming_reads_what_is_handed_over
                redeeming_reads_salts_in_the_order_caller_actor_person
                redeeming_at_a_portal_reads_that_it_gets_no_secret
                the_newest_secret_is_read_with_its_version
                a_jump_is_found_by_its_handle_too
                an_unknown_proof_finds_nothing
                a_redeemed_jump_reads_as_redeemed
                an_unknown_jump_is_refused
                another_target_neither_redeems_nor_burns_a_jump
                a_jump_ends_five_seconds_after_it_expires
                redeemed_is_told_before_expired_and_revoked
                expired_is_told_before_revoked
                a_second_redemption_revokes_the_first_session_once
                a_refused_first_redemption_revokes_no_session
                a_jump_of_an_old_epoch_is_revoked
                redeeming_reads_the_settings
                a_jump_is_found_without_its_user
                a_deleted_tenants_jump_is_found_as_revoked
                a_jump_revoked_by_itself_is_revoked_until_it_expires
            }
            results {
                a_session_is_that_of_a_redeemed_jump_at_its_target
                a_session_tells_what_it_rests_on_now
                no_session_outlives_its_epoch
                a_customers_session_ends_with_endkunde_and_a_brokers_does_not
                whoever_is_erased_leaves_a_revoked_session
                a_login_is_noted_at_its_user_and_revokes_nothing
                the_third_failed_login_in_a_row_makes_the_password_suspect
                of_reports_at_once_exactly_one_makes_the_password_suspect
                a_login_that_succeeds_ends_the_row_and_no_suspicion
                a_failed_login_that_is_told_late_does_not_count_behind_one_that_succeeded
                a_login_that_succeeded_and_is_told_late_ends_no_row_that_began_behind_it
                under_another_name_failed_logins_are_another_accounts
                a_new_password_is_trusted_and_what_failed_before_it_does_not_count
                a_login_without_our_password_tells_nothing_of_it
                a_jump_has_one_result
                the_history_tells_how_the_login_went
                only_the_target_that_redeemed_a_jump_tells_how_it_went
                notices_go_when_they_were_sent_long_ago
            }
            history {
                the_history_tells_what_was_asked_and_decided
                an_unknown_jump_has_no_history
                another_tenants_jumps_are_not_told
                the_history_says_what_the_rules_say
                jumps_are_listed_page_by_page_the_newest_first
                a_tenant_without_jumps_has_an_empty_list
                each_filter_lets_through_what_it_names
                filters_together_let_through_what_meets_all_of_them
                a_jump_is_updated_by_whatever_is_written_about_it
                a_revoked_jump_is_updated_when_it_is_revoked
                a_page_looks_at_a_limited_number_of_jumps
                a_page_looks_at_a_limited_number_of_one_persons_jumps
                a_full_page_begins_the_next_one_behind_its_last_row
                a_deleted_users_jumps_are_still_told
                an_erased_customers_jumps_are_told_without_him
                an_erased_customers_jumps_are_neither_redeemed_nor_repeated
                erasing_marks_the_sessions_that_may_still_last
                a_broker_jump_forgets_the_customer_that_it_was_for
                a_customers_jump_forgets_another_customer_that_it_was_for
                a_customer_of_the_same_id_in_another_tenant_is_not_forgotten
            }
            revocation {
                a_disabled_user_revokes_open_jumps
                a_change_that_is_taken_back_revokes_all_the_same
                an_enabled_user_revokes_open_jumps
                a_new_secret_revokes_open_jumps
                a_moved_standard_revokes_open_jumps
                an_endkunde_mark_revokes_open_jumps
                another_scope_revokes_open_jumps
                a_new_activation_revokes_open_jumps
                a_disabled_activation_revokes_open_jumps
                an_enabled_activation_revokes_open_jumps
                a_changed_customer_access_revokes_open_jumps
                a_stopped_tenant_revokes_open_jumps
                a_tenant_that_was_stopped_meanwhile_revokes_open_jumps
                another_segment_revokes_the_customers_own_jumps_only
                an_own_user_revokes_the_customers_own_jumps_only
                a_first_record_revokes_the_jumps_decided_without_one
                a_customer_who_stays_the_same_keeps_his_jumps
                a_changed_catalogue_revokes_the_jumps_of_all_tenants
                a_disabled_target_revokes_its_open_jumps
                a_disabled_provider_revokes_the_open_jumps_to_its_targets
                a_change_in_one_tenant_leaves_the_jumps_of_others_open
                what_changes_nothing_leaves_open_jumps_alone
                a_refused_change_leaves_open_jumps_alone
                a_repeated_request_leaves_open_jumps_alone
                an_audit_row_leaves_open_jumps_alone
            }
            revoking {
                a_revoked_jump_is_not_redeemed
                revoking_moves_nothing_that_others_rest_on
                a_revoked_jump_is_revoked_once
                a_redeemed_jump_keeps_its_state_and_loses_its_session
                a_session_lasts_eight_hours_at_most
                an_expired_jump_is_not_revoked
                the_oldest_jump_that_is_open_is_revoked
                a_jump_that_a_change_revoked_is_marked_as_well
                the_jumps_with_a_user_are_revoked_and_no_others
                the_jumps_of_a_person_are_revoked_and_no_others
                a_person_without_jumps_has_none_revoked
                an_unknown_jump_or_user_is_not_found
                another_tenants_jumps_are_not_revoked
                a_deleted_users_jumps_are_revoked_by_that
                an_erased_customers_jump_can_be_named
                a_repeated_revocation_counts_as_it_did_and_revokes_nothing
            }
            requests {
                a_repeated_create_tenant_makes_no_second_one
                a_repeated_change_of_a_tenants_state_changes_nothing
                a_repeated_put_of_the_catalogue_changes_nothing
                a_repeated_change_of_the_catalogues_states_changes_nothing
                a_repeated_create_user_makes_no_second_one
                a_repeated_secret_is_not_set_again
                a_repeated_move_of_standard_moves_nothing
                a_repeated_endkunde_mark_changes_nothing
                a_repeated_disable_does_not_undo_an_enable
                a_repeated_create_activation_makes_no_second_one
                a_repeated_change_of_an_activations_state_changes_nothing
                a_repeated_batch_of_customers_counts_as_it_did
                a_repeated_assignment_changes_nothing
                a_repeated_change_of_access_changes_nothing
                a_repeated_request_is_accepted_in_the_audit_log_once
                a_request_id_with_another_content_is_refused
                a_request_id_of_another_method_is_refused_by_every_effect
                a_request_id_of_a_jump_is_refused_by_other_effects
                two_callers_may_use_the_same_request_id
                requests_are_logged_for_the_callers_tenant
                a_refused_request_may_come_again
                a_repeated_change_of_a_tenant_changes_nothing
                a_repeated_change_of_settings_changes_nothing
                a_repeated_change_of_a_user_changes_nothing
                a_repeated_change_of_an_activation_changes_nothing
                a_repeated_deletion_is_done_and_deletes_nothing_more
                a_repeated_request_whose_user_is_gone_is_refused
                a_repeated_move_of_standard_tells_of_no_deleted_user
                a_repeated_request_whose_activation_is_gone_is_refused
                a_repeated_request_whose_customer_is_gone_is_refused
                a_repeated_request_whose_tenant_is_gone_is_refused
            }
            separation {
                another_tenants_user_is_absent
                another_tenants_user_is_not_changed
                another_tenants_user_is_not_assigned
                another_tenants_activation_is_absent
                another_tenants_activation_is_not_changed
                another_tenants_customer_is_absent
                the_same_ids_of_a_portal_are_other_people_in_another_tenant
                another_tenants_users_are_no_candidates
                a_jump_with_another_tenants_user_is_not_kept
                another_tenants_jump_is_absent
                the_same_request_of_another_tenant_makes_its_own_jump
                people_of_another_tenant_have_other_salts
                the_same_name_is_free_in_another_tenant
                an_audit_row_stands_in_the_tenant_of_its_method
                another_tenants_user_is_not_deleted
                another_tenants_customers_are_not_listed
                erasing_a_customer_erases_nobody_in_another_tenant
            }
            audit {
                an_entry_is_written_as_it_is
                an_entry_of_no_tenant_is_written_too
                an_accepted_effect_writes_its_row
                a_refused_effect_writes_its_row_with_the_reason
                an_effect_that_fails_writes_no_row
                an_effect_whose_row_cannot_be_written_is_not_done
                every_effect_of_a_tenant_stands_in_its_log
                effects_on_the_catalogue_stand_in_no_tenants_log
                jumps_and_redeems_write_their_rows_as_they_are
                a_person_gets_the_salt_offered_first
                salts_come_in_the_order_asked_for
                somebody_named_twice_has_one_salt
                nobody_needs_no_salt
                operators_have_salts_of_their_own
                a_tenant_that_is_not_there_keeps_no_salts
                looking_for_salts_makes_none
            }
            chain {
                a_log_as_it_was_written_verifies
                a_checkpoint_that_the_service_did_not_sign_shows
                a_log_without_rows_verifies
                rows_are_sealed_in_the_order_of_their_ids
                a_row_that_comes_late_is_sealed_too
                what_does_not_follow_the_last_seal_is_not_appended
                of_two_who_seal_at_once_one_starts_over
                many_logs_are_sealed_at_once
                seals_that_do_not_follow_keep_all_logs_as_they_are
                the_chains_of_all_logs_are_listed
                a_changed_row_shows
                a_row_without_its_reason_shows
                swapped_rows_show
                swapped_seals_show
                a_deleted_row_shows
                a_row_that_is_deleted_with_its_seal_shows
                an_emptied_log_shows
                a_row_that_was_put_in_shows
                a_log_that_lost_its_end_is_shorter_than_its_checkpoint
                a_log_that_was_replaced_is_not_that_of_its_checkpoint
            }
            floor {
                a_log_goes_up_to_its_floor_and_verifies_from_there
                without_a_floor_nothing_goes
                a_floor_only_rises
                a_floor_stands_on_a_seal_that_is_not_the_last
                a_floor_that_nobody_signed_shows
                a_floor_that_was_signed_for_another_place_shows
                a_floor_that_is_gone_shows
                what_is_changed_or_taken_out_above_the_floor_shows
                a_row_that_was_put_in_below_the_floor_shows
                a_checkpoint_is_compared_with_the_floor
                the_first_place_of_a_time_is_found
            }
            by_hand {
                a_shared_user_who_is_reported_not_to_be_endkunde_stops_jumps
                a_user_whose_password_is_suspect_stops_jumps
                a_stopped_tenant_stops_jumps
                a_disabled_user_stops_jumps
                a_shared_user_who_lost_endkunde_stops_jumps
                a_brokers_user_who_became_endkunde_stops_jumps
                a_deleted_user_stops_jumps
                a_jump_that_looks_open_without_its_user_does_not_read
                a_disabled_target_stops_jumps
                a_disabled_provider_stops_redeems
                a_secret_that_is_gone_stops_redeems
            }
            batch {
                of_64_redeems_of_one_jump_in_one_batch_one_wins
                of_64_records_of_one_request_in_one_batch_one_is_kept
                one_jump_recorded_64_times_in_one_batch_is_kept_once
                of_64_jumps_of_one_person_in_one_batch_as_many_are_kept_as_a_minute_takes
                what_is_kept_of_one_batch_counts_in_the_next
                everybody_in_a_batch_gets_his_own_answer
                a_batch_of_two_tenants_is_written_for_both
                a_bad_jump_fails_alone
                a_redeem_that_cannot_be_audited_fails_alone
                a_redeem_whose_caller_went_away_is_done_all_the_same
                a_full_queue_is_busy_and_loses_nobody
            }
            retention {
                requests_are_deleted_by_their_age
                only_so_many_requests_are_deleted_at_once_and_the_oldest_first
                the_ids_of_all_tenants_are_listed
                jumps_of_one_tenant_are_deleted_by_their_age
                tenants_are_listed_that_were_deleted_long_enough_ago
                the_keys_of_a_deleted_tenant_are_destroyed_once
                the_keys_of_a_tenant_that_may_come_back_stay
                a_destroyed_tenant_does_not_come_back
                the_data_of_a_destroyed_tenant_goes_step_by_step
                a_tenant_half_of_which_is_gone_answers_as_one_that_is_not_there
            }
        }
    };
    ($engine:ident: $($noun:ident { $($case:ident)+ })+) => {$(
        mod $noun {$(
            #[tokio::test]
            async fn $case() {
                crate::$engine::play(crate::conformance::$noun::$case).await;
            }
        )+}
    )+};
}

pub(crate) use conformance;
