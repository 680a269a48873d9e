//! Signing keys: how they change, what an operator sees of them, and what a revoked or a damaged one does.

use concenter_gateway::app::sealing::Reach;
use concenter_gateway::config::ServerSettings;
use concenter_gateway::proto::admin::v1::{
    KeyPurpose, KeyState, ListKeysRequest, RevokeKeyRequest, RotateKeyRequest, SigningKey,
};
use concenter_gateway::proto::v1;
use concenter_gateway::proto::v1::AuditFault;
use concenter_gateway::proto::v1::redeem_jump_request::Proof;
use concenter_gateway::worker::{Outcome, sealing};
use serde_json::Value;
use tonic::{Code, Status};

use crate::harness::*;

const DAY: i64 = 24 * 3_600;
const NOT_FOUND: (Code, &str) = (Code::NotFound, "NOT_FOUND");
const REVOKED: (Code, &str) = (Code::FailedPrecondition, "JUMP_REVOKED");

impl World {
    /// All keys of a purpose, the one that signs last first.
    async fn keys(&self, purpose: KeyPurpose) -> Vec<SigningKey> {
        let listed = self.service.operator().keys().list_keys(ListKeysRequest::default()).await.expect("a list");
        listed.into_inner().keys.into_iter().filter(|key| key.purpose() == purpose).collect()
    }

    /// The key of jumps in this state.
    async fn key(&self, state: KeyState) -> SigningKey {
        let keys = self.keys(KeyPurpose::Jump).await;
        let mut found = keys.into_iter().filter(|key| key.state() == state);
        let key = found.next().unwrap_or_else(|| panic!("no key is {}", state.as_str_name()));
        assert!(found.next().is_none(), "two keys are {}", state.as_str_name());
        key
    }

    async fn rotate(&self, purpose: KeyPurpose) -> SigningKey {
        let request = RotateKeyRequest { request_id: request_id(), purpose: purpose.into() };
        let answer = self.service.operator().keys().rotate_key(request).await.expect("a key");
        answer.into_inner().key.expect("a key")
    }

    async fn revoke(&self, kid: &str) -> SigningKey {
        let request = RevokeKeyRequest { request_id: request_id(), kid: kid.to_owned() };
        let answer = self.service.operator().keys().revoke_key(request).await.expect("revoked");
        answer.into_inner().key.expect("a key")
    }

    /// Jumps as a portal that got its token just now.
    async fn jump_now(&self) -> Result<String, Status> {
        let portal = self.service.portal(&self.a.tenant);
        let wish = v1::JumpToTarifRequest {
            ttl: Some(prost_types::Duration { seconds: 120, nanos: 0 }),
            ..to(X, Some(broker(MEIER)))
        };
        Ok(token(portal.jumps().jump_to_tarif(wish).await?.get_ref()))
    }

    /// Lets so many seconds go by, and the service do what is due then.
    async fn pass(&self, seconds: i64) {
        self.service.clock.advance(seconds);
        self.service.app().keep_signing_keys().await.expect("the keys are kept");
    }

    /// The ids of the keys that are published, over gRPC.
    async fn published(&self) -> Vec<String> {
        let jwks = self.service.anonymous().jumps().get_jwks(v1::GetJwksRequest {}).await.expect("keys").into_inner();
        let jwks: Value = serde_json::from_str(&jwks.jwks).expect("JSON");
        let ids = jwks["keys"].as_array().expect("a list").iter().map(|key| key["kid"].as_str().expect("an id"));
        ids.map(str::to_owned).collect()
    }
}

/// The id of the key that signed a token.
fn kid_of(token: &str) -> String {
    let header: Value = serde_json::from_slice(&forge_decode(token)).expect("JSON");
    header["kid"].as_str().expect("an id").to_owned()
}

fn forge_decode(token: &str) -> Vec<u8> {
    decode(token.split('.').next().expect("a header"))
}

/// T11
#[tokio::test]
async fn a_key_is_published_a_day_before_it_signs_and_accepted_as_long_as_its_tokens_live() {
    let world = World::example().await;
    let first = world.key(KeyState::Current).await;
    world.pass(29 * DAY - 1).await;
    assert_eq!(world.published().await, [first.kid.as_str()]);
    world.pass(1).await;
    let next = world.key(KeyState::Next).await;
    assert_eq!(world.published().await, [first.kid.as_str(), next.kid.as_str()]);

    world.pass(DAY - 1).await;
    let old = world.jump_now().await.expect("a jump");
    assert_eq!(kid_of(&old), first.kid);
    // Nothing has to be read or done for it.
    world.service.clock.advance(1);
    let new = world.jump_now().await.expect("a jump");
    assert_eq!(kid_of(&new), next.kid);
    for token in [old, new] {
        assert!(world.redeem(X, Proof::Token(token)).await.is_ok());
    }
    assert_eq!(world.published().await, [next.kid.as_str(), first.kid.as_str()]);

    world.pass(15 * 60).await;
    assert_eq!(world.published().await, [next.kid.as_str()]);
    let removed = world.key(KeyState::Removed).await;
    assert_eq!((removed.kid, removed.usable), (first.kid, false));
    let written: Vec<_> = world.service.audit().await.into_iter().map(|row| row.action).collect();
    assert!(written.iter().any(|action| action == "key.create") && written.iter().any(|action| action == "key.remove"));
}

#[tokio::test]
async fn a_change_that_is_asked_for_waits_until_everybody_has_the_key() {
    let world = World::example().await;
    let begun = world.service.now();
    let first = world.key(KeyState::Current).await;
    let open = world.jump_now().await.expect("a jump");
    let next = world.rotate(KeyPurpose::Jump).await;
    assert_eq!((next.state(), next.activate_at.map(|at| at.seconds)), (KeyState::Next, Some(begun + 605)));
    assert_eq!(world.published().await, [first.kid.as_str(), next.kid.as_str()]);
    assert_eq!(world.rotate(KeyPurpose::Jump).await, next, "asked again it is the same");
    assert!(world.redeem(X, Proof::Token(open)).await.is_ok(), "nothing is revoked");
    world.service.clock.advance(604);
    assert_eq!(kid_of(&world.jump_now().await.expect("a jump")), first.kid);
    world.service.clock.advance(1);
    assert_eq!(kid_of(&world.jump_now().await.expect("a jump")), next.kid);
}

/// I6, T11
#[tokio::test]
async fn a_revoked_key_of_jumps_is_replaced_at_once_and_no_open_jump_is_redeemed() {
    let world = World::example().await;
    let first = world.key(KeyState::Current).await;
    let open = world.jump_now().await.expect("a jump");
    let revoked = world.revoke(&first.kid).await;
    assert_eq!((revoked.state(), revoked.usable), (KeyState::Revoked, false));
    let heir = world.key(KeyState::Current).await;
    assert_eq!(world.published().await, [heir.kid.as_str()]);
    // Nobody can tell it from one that somebody else signed with that key.
    let refused = status_of(world.redeem(X, Proof::Token(open)).await);
    assert_eq!(reason(&refused), (Code::PermissionDenied, "JUMP_INVALID".to_owned()));
    let again = world.jump_now().await.expect("a jump");
    assert_eq!(kid_of(&again), heir.kid);
    assert!(world.redeem(X, Proof::Token(again)).await.is_ok());
}

/// I6
#[tokio::test]
async fn a_revoked_key_takes_the_open_jumps_of_the_others_along() {
    let world = World::example().await;
    let first = world.key(KeyState::Current).await;
    world.rotate(KeyPurpose::Jump).await;
    world.service.clock.advance(605);
    let open = world.jump_now().await.expect("a jump");
    assert_ne!(kid_of(&open), first.kid);
    world.revoke(&first.kid).await;
    world.service.refuses("jump.redeem", REVOKED, world.redeem(X, Proof::Token(open))).await;
}

#[tokio::test]
async fn a_token_of_a_revoked_key_of_callers_is_not_taken_any_more_although_it_was_a_moment_ago() {
    let world = World::example().await;
    let before = world.service.operator();
    let keys = world.keys(KeyPurpose::Caller).await;
    let [first] = keys.as_slice() else { panic!("one key: {keys:?}") };
    before.keys().list_keys(ListKeysRequest::default()).await.expect("he is believed");
    world.revoke(&first.kid).await;
    let refused = status_of(before.keys().list_keys(ListKeysRequest::default()).await);
    assert_eq!(reason(&refused), (Code::Unauthenticated, "CREDENTIAL_INVALID".to_owned()));
    let states: Vec<_> = world.keys(KeyPurpose::Caller).await.iter().map(SigningKey::state).collect();
    assert!(states.contains(&KeyState::Current) && states.contains(&KeyState::Revoked), "{states:?}");
    assert!(!world.published().await.contains(&first.kid));
}

#[tokio::test]
async fn keys_that_are_not_there_or_no_ids_are_refused() {
    let world = World::example().await;
    let operator = world.service.operator();
    let revoke = |kid: &str| RevokeKeyRequest { request_id: request_id(), kid: kid.to_owned() };
    world.service.refuses("key.revoke", NOT_FOUND, operator.keys().revoke_key(revoke(&"x".repeat(43)))).await;
    for bad in ["", "x", &"x".repeat(44), &"' OR 1=1".repeat(6)] {
        world.service.refuses_fields(&["kid"], operator.keys().revoke_key(revoke(bad))).await;
    }
    for purpose in [0, 3] {
        let rotate = RotateKeyRequest { request_id: request_id(), purpose };
        world.service.refuses_fields(&["purpose"], operator.keys().rotate_key(rotate)).await;
    }
}

#[tokio::test]
async fn keys_are_listed_page_by_page() {
    let world = World::example().await;
    world.rotate(KeyPurpose::Jump).await;
    let operator = world.service.operator();
    let all = operator.keys().list_keys(ListKeysRequest::default()).await.expect("a list").into_inner().keys;
    assert_eq!(all.len(), 3);
    let (mut seen, mut page_token) = (Vec::new(), String::new());
    loop {
        let page = operator.keys().list_keys(ListKeysRequest { page_size: 1, page_token }).await.expect("a page");
        let page = page.into_inner();
        assert_eq!(page.keys.len(), 1);
        seen.extend(page.keys);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    assert_eq!(seen, all);
}

/// Damages the row of a key as somebody who has the database.
async fn damage(world: &World, kid: &str) {
    let sqlite = "UPDATE signing_key SET sealed_private = CAST('damaged' AS BLOB) WHERE kid = ?1";
    let postgres = "UPDATE signing_key SET sealed_private = 'damaged' WHERE kid = $1";
    let changed = world.service.shell().await.execute(Sql { sqlite, postgres }, &[kid]).await;
    assert_eq!(changed.expect("damaged"), 1);
    world.pass(0).await;
}

/// F27
#[tokio::test]
async fn in_the_place_of_a_damaged_key_another_one_signs_when_it_has_been_published_long_enough() {
    let world = World::example().await;
    damage(&world, &world.keys(KeyPurpose::Jump).await[0].kid).await;
    assert!(world.jump_now().await.is_err());
    damage(&world, &world.keys(KeyPurpose::Caller).await[0].kid).await;
    world.service.clock.advance(605);
    // Nobody could have asked for it: there was no token of an operator that would have been taken.
    let token = world.jump_now().await.expect("a jump");
    assert!(world.redeem(X, Proof::Token(token)).await.is_ok());
}

/// F27
#[tokio::test]
async fn a_damaged_key_signs_nothing_and_what_others_signed_is_redeemed() {
    let world = World::example().await;
    let next = world.rotate(KeyPurpose::Jump).await;
    world.service.clock.advance(604);
    let good = world.jump_now().await.expect("a jump");
    world.service.clock.advance(1);
    let bad = world.jump_now().await.expect("a jump");
    damage(&world, &next.kid).await;

    let portal = world.service.portal(&world.a.tenant);
    let refused = status_of(portal.jumps().jump_to_tarif(to(X, Some(broker(MEIER)))).await);
    assert_eq!(reason(&refused), (Code::Unavailable, "KEY_UNAVAILABLE".to_owned()));
    assert!(retry_after(&refused).is_some());
    assert!(world.redeem(X, Proof::Token(good)).await.is_ok());
    let refused = status_of(world.redeem(X, Proof::Token(bad)).await);
    assert_eq!(reason(&refused), (Code::PermissionDenied, "JUMP_INVALID".to_owned()));
    assert!(!world.key(KeyState::Current).await.usable);

    // It is so after a start, too, and what to do about it helps.
    let World { service, a, b } = world;
    let world = World { service: service.restart(|_| {}).await, a, b };
    assert!(world.jump_now().await.is_err());
    world.revoke(&next.kid).await;
    let token = world.jump_now().await.expect("a jump");
    assert!(world.redeem(X, Proof::Token(token)).await.is_ok());
}

/// T33
#[tokio::test]
async fn a_checkpoint_proves_as_much_when_the_time_of_its_key_is_over_and_nothing_once_it_is_revoked() {
    let World { service, a, b } = World::example().await;
    let checkpoints = service.directory().join("checkpoints");
    let set = move |settings: &mut ServerSettings| settings.audit_checkpoints.audit_checkpoint_dir = Some(checkpoints);
    let service = service.restart(set).await;
    let world = World { service, a, b };
    let first = world.key(KeyState::Current).await;
    assert!(matches!(sealing::tick(world.service.app(), Reach::Everybody).await, Outcome::Done(_)));
    assert!(matches!(sealing::tick_checkpoints(world.service.app()).await, Outcome::Done(1..)));
    let verified = async || {
        let admin = world.service.admin(&world.a.tenant);
        admin.audit().verify_audit_log(v1::VerifyAuditLogRequest {}).await.expect("a report").into_inner()
    };
    assert_eq!(verified().await.fault(), AuditFault::Unspecified);

    world.pass(29 * DAY).await;
    world.pass(DAY).await;
    world.pass(15 * 60).await;
    assert_eq!(world.key(KeyState::Removed).await.kid, first.kid);
    let report = verified().await;
    assert_eq!(report.fault(), AuditFault::Unspecified);
    assert!(report.checkpoints >= 1, "{report:?}");

    world.revoke(&first.kid).await;
    assert_eq!(verified().await.fault(), AuditFault::CheckpointForged);
}
