//! The properties.

use std::collections::BTreeSet;

use crate::call::NAMES;
use crate::harness::Engine;
use crate::run::{number, play_all};

/// How many sequences are played unless somebody says otherwise.
const SEQUENCES: u64 = 10_000;
/// The same on PostgreSQL, where each takes many times as long: enough to call every RPC, and the engine below has a suite
/// of its own.
const SEQUENCES_ON_POSTGRES: u64 = 100;
/// From how many sequences on they must show all there is.
const ENOUGH: u64 = 5_000;

/// Every reason that a call within bounds can be refused for, but those of limits that are out of reach here.
const REASONS: [&str; 37] = [
    "ROLE",
    "TENANT_MISMATCH",
    "NOT_FOUND",
    "FIELD_INVALID",
    "ALREADY_EXISTS",
    "ETAG_MISMATCH",
    "REQUEST_ID_REUSED",
    "NO_USER_ASSIGNED",
    "AMBIGUOUS_ACTIVATION",
    "ACTIVATION_DISABLED",
    "SEGMENT_UNKNOWN",
    "SEGMENT_MISMATCH",
    "INSURER_PORTAL_FORBIDDEN",
    "USER_DISABLED",
    "SECRET_MISSING",
    "CREDENTIAL_SUSPECT",
    "STANDARD_NOT_FOR_JUMPS",
    "ENDKUNDE_REQUIRED",
    "ENDKUNDE_CONFLICT",
    "ENDKUNDE_REMOTE_MISMATCH",
    "PROVIDER_NOT_ALLOWED",
    "TARGET_DISABLED",
    "PROVIDER_DISABLED",
    "LINE_OF_BUSINESS_NOT_SUPPORTED",
    "TARGET_KIND_MISMATCH",
    "PERSON_NOT_ACCEPTED",
    "TENANT_STOPPED",
    "TENANT_DELETED",
    "STANDARD_REQUIRED",
    "SLOT_IN_USE",
    "ASSIGNED",
    "USER_ALREADY_ASSIGNED",
    "PROVIDER_SCOPE_REQUIRED",
    "JUMP_INVALID",
    "JUMP_ALREADY_REDEEMED",
    "JUMP_REVOKED",
    "RESULT_ALREADY_REPORTED",
];

/// I1, I2, I3, I4, I5, I6, I8, I9, I10, I12
#[test]
fn the_service_answers_and_changes_as_the_model_says_after_every_step() {
    let usual = match Engine::under_test() {
        Engine::Sqlite => SEQUENCES,
        Engine::Postgres => SEQUENCES_ON_POSTGRES,
    };
    let sequences = number("CONCENTER_SEQUENCES", usual);
    let tally = play_all(number("CONCENTER_SEED", 0), sequences);
    if sequences < ENOUGH {
        return;
    }
    let done: BTreeSet<_> = tally.keys().filter(|(_, way)| way == "OK").map(|(name, _)| *name).collect();
    assert_eq!(done, NAMES.iter().copied().collect(), "some RPC was never answered");
    let seen: BTreeSet<_> = tally.keys().map(|(_, way)| way.as_str()).collect();
    let missing: Vec<_> = REASONS.iter().filter(|reason| !seen.contains(*reason)).collect();
    assert!(missing.is_empty(), "the sequences show too little: {missing:?} never seen in {tally:?}");
}
