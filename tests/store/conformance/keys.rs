//! Signing keys.

use std::time::Duration;

use concenter_gateway::domain::audit::{Action, AuditEntry, AuditedRole};
use concenter_gateway::domain::error::Reason;
use concenter_gateway::domain::ids::TenantId;
use concenter_gateway::domain::service::{SealedSigningKey, ServiceState};
use concenter_gateway::domain::signing::{KeyDays, KeyId, KeyLife, KeyPurpose, Rotation};
use concenter_gateway::domain::time::Timestamp;

use crate::fixture::{Harness, done, key_id, reason};

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 3_600);
/// The key of jumps that every service begins with.
const FIRST: char = 'J';

fn rotation() -> Rotation {
    Rotation::of(KeyDays::DEFAULT)
}

fn by_service(h: &Harness, action: Action) -> AuditEntry {
    AuditEntry { role: AuditedRole::Service, ..h.audit(action, None) }
}

async fn state(h: &Harness) -> ServiceState {
    h.store.load_service().await.expect("an answer").expect("a service")
}

async fn key(h: &Harness, kid: char) -> Option<SealedSigningKey> {
    state(h).await.signing_keys.into_iter().find(|key| key.kid == key_id(kid))
}

/// Adds the key of jumps after [`FIRST`], which begins after a day. Gives when it does.
async fn with_next(h: &Harness) -> Timestamp {
    h.service().await;
    let newest = h.now();
    h.advance(DAY);
    let next = h.signing_key('N', KeyPurpose::Jump, h.now().plus(DAY));
    assert!(add(h, &next, newest).await);
    next.times.activate_at
}

async fn add(h: &Harness, key: &SealedSigningKey, after: Timestamp) -> bool {
    h.store.add_signing_key(key, after, &by_service(h, Action::CreateKey)).await.expect("an answer")
}

async fn revoke(h: &Harness, kid: char, heir: char) -> SealedSigningKey {
    let effect = h.effect(TenantId::SYSTEM, Action::RevokeKey);
    let heirs = [h.signing_key(heir, KeyPurpose::Jump, effect.at), h.signing_key('X', KeyPurpose::Caller, effect.at)];
    done(h.store.revoke_signing_key(&effect, &key_id(kid), &heirs).await)
}

async fn remove(h: &Harness, kid: &KeyId, public: Option<&[u8]>) -> bool {
    let before = KeyLife::is_over_before(KeyPurpose::Jump, h.now());
    let audit = by_service(h, Action::RemoveKey);
    h.store.remove_signing_key(kid, public, before, &audit).await.expect("an answer")
}

/// Bytes as [`crate::fixture::Inspect::tables_with`] takes them.
fn hex(bytes: &[u8]) -> String {
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 0x0f]);
    digits.map(|digit| char::from_digit(u32::from(digit), 16).expect("a digit").to_ascii_uppercase()).collect()
}

pub(crate) async fn of_many_who_add_the_next_key_one_does(h: &Harness) {
    h.service().await;
    let newest = h.now();
    h.advance(MINUTE);
    let keys = ['A', 'B', 'D', 'E'].map(|kid| h.signing_key(kid, KeyPurpose::Jump, h.now().plus(DAY)));
    let [first, second, third, fourth] = &keys;
    let added: [bool; 4] =
        tokio::join!(add(h, first, newest), add(h, second, newest), add(h, third, newest), add(h, fourth, newest))
            .into();
    assert_eq!(added.iter().filter(|added| **added).count(), 1, "{added:?}");
    let winner = added.iter().position(|added| *added).expect("one");
    let kept: Vec<_> = state(h).await.signing_keys.into_iter().filter(|key| keys.contains(key)).collect();
    assert_eq!(kept, [keys[winner].clone()], "it reads back as it was added, and no other");
    assert_eq!(h.accepted(&TenantId::SYSTEM, Action::CreateKey).await, 1);

    let callers = h.signing_key('K', KeyPurpose::Caller, h.now().plus(DAY));
    assert!(add(h, &callers, newest).await, "the keys of another purpose are no matter of these");
}

pub(crate) async fn a_key_is_added_in_the_place_of_a_next_one_that_was_revoked(h: &Harness) {
    with_next(h).await;
    revoke(h, 'N', 'H').await;
    let another = h.signing_key('O', KeyPurpose::Jump, h.now().plus(DAY));
    assert!(add(h, &another, h.now()).await);
    assert!(key(h, 'O').await.is_some() && key(h, 'H').await.is_none());
}

pub(crate) async fn the_next_key_signs_earlier_where_somebody_says_so(h: &Harness) {
    let planned = with_next(h).await;
    let created_at = key(h, 'N').await.expect("the key").times.created_at;
    let new = h.signing_key('M', KeyPurpose::Jump, h.now().plus(DAY));
    let effect = h.effect(TenantId::SYSTEM, Action::RotateKey);
    let next = done(h.store.rotate_signing_key(&effect, &rotation(), &new).await);
    assert_eq!((next.kid.clone(), next.times.activate_at), (key_id('N'), rotation().soonest(created_at, effect.at)));
    assert!(next.times.activate_at < planned);
    assert_eq!(key(h, 'M').await, None, "no other one was needed");

    // Again: the same request, and another one, which finds it early enough.
    let repeated = h.store.rotate_signing_key(&h.again(&effect), &rotation(), &new).await;
    assert_eq!(done(repeated), next);
    let later = h.effect(TenantId::SYSTEM, Action::RotateKey);
    assert_eq!(done(h.store.rotate_signing_key(&later, &rotation(), &new).await), next);
    assert_eq!(h.accepted(&TenantId::SYSTEM, Action::RotateKey).await, 2);
}

pub(crate) async fn where_there_is_no_next_key_one_is_made_when_it_is_asked_for(h: &Harness) {
    h.service().await;
    h.advance(MINUTE);
    let new = h.signing_key('N', KeyPurpose::Jump, rotation().soonest(h.now(), h.now()));
    let effect = h.effect(TenantId::SYSTEM, Action::RotateKey);
    assert_eq!(done(h.store.rotate_signing_key(&effect, &rotation(), &new).await), new);
    assert_eq!(key(h, 'N').await, Some(new));
}

pub(crate) async fn a_revoked_key_is_overwritten_and_the_next_one_signs_at_once(h: &Harness) {
    with_next(h).await;
    let before = state(h).await;
    let first = key(h, FIRST).await.expect("the key");
    let revoked = revoke(h, FIRST, 'H').await;
    let at = revoked.times.revoked_at.expect("revoked");
    assert_eq!((revoked.sealed_private.len(), revoked.sealed_public), (0, None));
    assert_eq!(key(h, 'N').await.expect("the next key").times.activate_at, at);
    assert_eq!(key(h, 'H').await, None, "no heir was needed");
    assert_eq!(state(h).await.epoch, before.epoch + 1);
    assert_eq!(h.inspect.tables_with(&hex(&first.sealed_private)).await, Vec::<String>::new());
}

pub(crate) async fn where_there_is_no_next_key_a_new_one_takes_the_place_of_a_revoked_one(h: &Harness) {
    h.service().await;
    h.advance(MINUTE);
    let revoked = revoke(h, FIRST, 'H').await;
    let heir = key(h, 'H').await.expect("an heir");
    assert_eq!(Some(heir.times.activate_at), revoked.times.revoked_at);
    assert_eq!(key(h, 'X').await, None, "the keys of callers are no matter of these");
}

pub(crate) async fn revoking_again_changes_nothing(h: &Harness) {
    h.service().await;
    h.advance(MINUTE);
    let revoked = revoke(h, FIRST, 'H').await;
    let before = state(h).await;
    h.advance(MINUTE);
    assert_eq!(revoke(h, FIRST, 'I').await, revoked);
    assert_eq!(state(h).await, before);
    assert_eq!(h.accepted(&TenantId::SYSTEM, Action::RevokeKey).await, 2);
}

pub(crate) async fn the_same_revocation_again_answers_the_same(h: &Harness) {
    h.service().await;
    h.advance(MINUTE);
    let effect = h.effect(TenantId::SYSTEM, Action::RevokeKey);
    let heirs = [h.signing_key('H', KeyPurpose::Jump, effect.at)];
    let revoked = done(h.store.revoke_signing_key(&effect, &key_id(FIRST), &heirs).await);
    let repeated = h.store.revoke_signing_key(&h.again(&effect), &key_id(FIRST), &heirs).await;
    assert_eq!(done(repeated), revoked);
    assert_eq!(h.accepted(&TenantId::SYSTEM, Action::RevokeKey).await, 1);
}

pub(crate) async fn revoking_a_key_that_signed_nothing_leaves_jumps_alone(h: &Harness) {
    with_next(h).await;
    let before = state(h).await.epoch;
    revoke(h, 'N', 'H').await;
    assert_eq!(state(h).await.epoch, before);
    assert_eq!(key(h, 'H').await, None);
}

pub(crate) async fn revoking_a_retired_key_revokes_jumps_and_changes_nobody_who_signs(h: &Harness) {
    let activate_at = with_next(h).await;
    h.advance(activate_at.since(h.now()) + MINUTE);
    let before = state(h).await.epoch;
    revoke(h, FIRST, 'H').await;
    assert_eq!(state(h).await.epoch, before + 1);
    assert_eq!(key(h, 'H').await, None);
    assert_eq!(key(h, 'N').await.expect("the key").times.activate_at, activate_at);
}

pub(crate) async fn an_unknown_key_is_not_revoked(h: &Harness) {
    h.service().await;
    let before = state(h).await;
    let effect = h.effect(TenantId::SYSTEM, Action::RevokeKey);
    let refused = h.store.revoke_signing_key(&effect, &key_id('U'), &[]).await;
    assert_eq!(reason(refused), Reason::NotFound);
    assert_eq!(h.refused(&TenantId::SYSTEM, Action::RevokeKey, Reason::NotFound).await, 1);
    assert_eq!(state(h).await, before);
}

pub(crate) async fn a_key_is_removed_when_its_time_is_over_and_its_public_half_stays(h: &Harness) {
    let activate_at = with_next(h).await;
    let first = key(h, FIRST).await.expect("the key");
    let retired_for = KeyPurpose::Jump.retired_for();
    h.advance(activate_at.since(h.now()));
    h.advance(retired_for.saturating_sub(MINUTE));
    assert!(!remove(h, &first.kid, Some(b"public")).await, "what it signed is accepted still");
    h.advance(2 * MINUTE);
    assert!(!remove(h, &key_id('N'), Some(b"public")).await, "it signs");
    assert!(!remove(h, &key_id('U'), Some(b"public")).await, "there is none");
    assert!(remove(h, &first.kid, Some(b"public")).await);
    let removed = key(h, FIRST).await.expect("the key");
    assert_eq!((removed.sealed_private.len(), removed.sealed_public.as_deref()), (0, Some(b"public".as_slice())));
    assert!(removed.times.removed_at.is_some());
    assert!(!remove(h, &first.kid, None).await, "once");
    assert_eq!(h.accepted(&TenantId::SYSTEM, Action::RemoveKey).await, 1);
    assert_eq!(h.inspect.tables_with(&hex(&first.sealed_private)).await, Vec::<String>::new());

    // Somebody may have had it all the time.
    let epoch = state(h).await.epoch;
    revoke(h, FIRST, 'H').await;
    assert_eq!(key(h, FIRST).await.expect("the key").sealed_public, None);
    assert_eq!(state(h).await.epoch, epoch, "no jump of its time is open");
}

pub(crate) async fn a_revoked_key_is_not_removed(h: &Harness) {
    let activate_at = with_next(h).await;
    h.advance(activate_at.since(h.now()) + MINUTE);
    revoke(h, FIRST, 'H').await;
    h.advance(DAY);
    assert!(!remove(h, &key_id(FIRST), Some(b"public")).await);
    assert_eq!(key(h, FIRST).await.expect("the key").sealed_public, None);
}
