//! What can be tried on PostgreSQL alone: TRUNCATE, which has no rows to look at, and arrays with holes.

use super::Shell;
use super::Wall::{Check, Trigger};

pub(crate) async fn the_audit_log_is_not_emptied(shell: &mut Shell) {
    shell.refuses(Trigger, "the audit log is only appended to", "TRUNCATE audit_entry", &[]).await;
}

pub(crate) async fn the_chain_of_seals_is_not_emptied(shell: &mut Shell) {
    shell.refuses(Trigger, "the chain of seals is only appended to", "TRUNCATE audit_seal", &[]).await;
}

pub(crate) async fn the_audit_log_is_not_touched_where_nothing_is_found(shell: &mut Shell) {
    let says = "the audit log is only appended to";
    shell.refuses(Trigger, says, "UPDATE audit_entry SET at = 2 WHERE FALSE", &[]).await;
    shell.refuses(Trigger, says, "DELETE FROM audit_entry WHERE FALSE", &[]).await;
}

pub(crate) async fn the_service_is_not_emptied(shell: &mut Shell) {
    shell.refuses(Trigger, "there is one service", "TRUNCATE service", &[]).await;
}

pub(crate) async fn a_list_has_no_hole(shell: &mut Shell) {
    let providers = "UPDATE concenter_user SET providers = ARRAY['sicher', NULL] WHERE user_name = 'privat'";
    shell.refuses(Trigger, "a user names an unknown product provider", providers, &[]).await;
    let lines = "UPDATE target SET lines = ARRAY['050', NULL] WHERE target_id = 'rechner'";
    shell.refuses(Check, "array_position(lines, NULL) IS NULL", lines, &[]).await;
}
