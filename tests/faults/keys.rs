//! Signing keys that change and that are revoked, on two replicas at once.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use concenter_gateway::domain::signing::Rotation;
use concenter_gateway::proto::admin::v1::key_service_client::KeyServiceClient;
use concenter_gateway::proto::admin::v1::{KeyPurpose, KeyState, ListKeysRequest, RevokeKeyRequest};
use concenter_gateway::proto::v1::GetJwksRequest;
use concenter_gateway::proto::v1::jump_service_client::JumpServiceClient;
use serde_json::Value;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tonic::Code;
use tonic::transport::Channel;

use crate::chance::number;
use crate::firm::{BROKERS, Firm, request_id};
use crate::gateway::{AT_MOST, Gateway, until};
use crate::postgres;

/// In which a revoked key is out of use everywhere.
const OUT_OF_USE_WITHIN: Duration = Duration::from_secs(7);
/// A key signs for a second, and the next one is made a second before it signs: the other replica, which reads the keys every
/// five seconds, has not heard of most of them when it gets their first token.
const EVERY_SECOND: Rotation =
    Rotation { life: Duration::from_secs(1), ahead: Duration::from_secs(1), published: Duration::from_secs(1) };
/// How often the one replica looks whether a key is due.
const LOOKS_EVERY: Duration = Duration::from_millis(100);
/// Who jumps and redeems meanwhile.
const CLIENTS: usize = 4;
/// How often each of them does: a person gets 30 jumps a minute, and so makes 24.
const JUMPS_EVERY: Duration = Duration::from_millis(100);

fn kid_of(token: &str) -> String {
    let header = token.split('.').next().expect("a header");
    let header: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).expect("base64url")).expect("JSON");
    header["kid"].as_str().expect("an id").to_owned()
}

/// T11
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_that_change_every_second_fail_no_jump_and_no_redemption() {
    let Some(database) = postgres::database().await else { return };
    let (directory, url) = (Arc::new(tempfile::tempdir().expect("a directory")), database.service_url());
    let one = Gateway::start_hurried(Arc::clone(&directory), &url, EVERY_SECOND).await;
    let other = Gateway::start_hurried(directory, &url, EVERY_SECOND).await;
    let firm = one.firm().await;

    let wanted = usize::try_from(number("CONCENTER_ROTATIONS", 10)).expect("a number");
    let (is_over, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let mut clients = JoinSet::new();
    for client in 0..CLIENTS {
        let replicas = [one.channel.clone(), other.channel.clone()];
        let client = Client { firm: firm.clone(), replicas, first_broker: client * BROKERS / CLIENTS };
        clients.spawn(client.jump_until(Arc::clone(&is_over), Arc::clone(&done)));
    }
    let mut made = 0;
    let mut looks = interval(LOOKS_EVERY);
    while made < 2 * wanted {
        made += usize::try_from(one.app().keep_signing_keys().await.expect("the keys are kept")).expect("a number");
        looks.tick().await;
    }
    is_over.store(true, Ordering::Relaxed);
    let (mut failed, mut signed_by) = (Vec::new(), BTreeSet::new());
    for (failures, kids) in clients.join_all().await {
        failed.extend(failures);
        signed_by.extend(kids);
    }
    assert_eq!(failed, Vec::<String>::new(), "of {} jumps", done.load(Ordering::Relaxed));
    assert!(signed_by.len() > wanted / 2, "{} keys signed {} jumps", signed_by.len(), done.load(Ordering::Relaxed));
    one.stop().await;
    other.stop().await;
}

/// Somebody who jumps and redeems all the time, each on the other replica, and repeats nothing.
struct Client {
    firm: Firm,
    replicas: [Channel; 2],
    first_broker: usize,
}

impl Client {
    /// Gives what failed, and by which keys the tokens were signed.
    async fn jump_until(self, is_over: Arc<AtomicBool>, done: Arc<AtomicUsize>) -> (Vec<String>, BTreeSet<String>) {
        let (mut failed, mut signed_by) = (Vec::new(), BTreeSet::new());
        let brokers = BROKERS / CLIENTS;
        let mut pace = interval(JUMPS_EVERY);
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for number in 0.. {
            pace.tick().await;
            if is_over.load(Ordering::Relaxed) {
                break;
            }
            let (issues, redeems) = (&self.replicas[number % 2], &self.replicas[(number + 1) % 2]);
            let broker = self.first_broker + number % brokers;
            let redeemed =
                match timeout(AT_MOST, self.firm.jump(issues, &request_id(), broker)).await.expect("an answer") {
                    Ok(token) => {
                        signed_by.insert(kid_of(&token));
                        timeout(AT_MOST, self.firm.redeem(redeems, &token)).await.expect("an answer")
                    }
                    Err(status) => Err(status),
                };
            failed.extend(redeemed.err().map(|status| status.to_string()));
            done.fetch_add(1, Ordering::Relaxed);
        }
        (failed, signed_by)
    }
}

/// Two replicas, and a firm that the first one made.
async fn pair() -> Option<(Gateway, Gateway, Firm, postgres::TestDatabase)> {
    let database = postgres::database().await?;
    let one = Gateway::start(&database.service_url()).await;
    let other = one.start_replica(&database.service_url()).await;
    let firm = one.firm().await;
    Some((one, other, firm, database))
}

/// The key of a purpose that signs.
async fn current(firm: &Firm, channel: &Channel, purpose: KeyPurpose) -> String {
    let listed = KeyServiceClient::new(channel.clone()).list_keys(firm.as_operator(ListKeysRequest::default())).await;
    let mut keys = listed.expect("a list").into_inner().keys.into_iter();
    keys.find(|key| key.purpose() == purpose && key.state() == KeyState::Current).expect("a key").kid
}

async fn revoke(firm: &Firm, channel: &Channel, kid: &str) {
    let request = RevokeKeyRequest { request_id: request_id(), kid: kid.to_owned() };
    KeyServiceClient::new(channel.clone()).revoke_key(firm.as_operator(request)).await.expect("revoked");
}

async fn published(channel: &Channel) -> String {
    JumpServiceClient::new(channel.clone()).get_jwks(GetJwksRequest {}).await.expect("keys").into_inner().jwks
}

/// I6, T11
#[tokio::test]
async fn a_revoked_key_of_jumps_redeems_nowhere_and_is_gone_from_the_other_replica_within_seven_seconds() {
    let Some((one, other, firm, _database)) = pair().await else { return };
    let tokens = [
        firm.jump(&one.channel, &request_id(), 0).await.expect("a jump"),
        firm.jump(&other.channel, &request_id(), 1).await.expect("a jump"),
    ];
    let kid = current(&firm, &one.channel, KeyPurpose::Jump).await;
    revoke(&firm, &one.channel, &kid).await;
    // The other one may not have heard of it: the database has the last word.
    for (channel, token) in [(&other.channel, &tokens[0]), (&one.channel, &tokens[1])] {
        let refused = firm.redeem(channel, token).await.expect_err("a token of a revoked key");
        assert!(matches!(refused.code(), Code::FailedPrecondition | Code::PermissionDenied), "{refused:?}");
    }
    let took = until("the key is not published", async || !published(&other.channel).await.contains(&kid)).await;
    assert!(took <= OUT_OF_USE_WITHIN, "{took:?}");

    // Whoever asks the one and redeems at the other notices nothing but that.
    for [issues, redeems] in [[&one, &other], [&other, &one]] {
        let token = firm.jump(&issues.channel, &request_id(), 2).await.expect("a jump");
        assert_ne!(kid_of(&token), kid);
        firm.redeem(&redeems.channel, &token).await.expect("a redemption");
    }
    one.stop().await;
    other.stop().await;
}

#[tokio::test]
async fn a_revoked_key_of_callers_lets_nobody_in_at_the_other_replica_after_seven_seconds() {
    let Some((one, other, firm, _database)) = pair().await else { return };
    // Both believe him.
    let stolen = firm.as_operator(ListKeysRequest::default());
    let list = async |channel: &Channel| {
        let mut request = tonic::Request::new(ListKeysRequest::default());
        *request.metadata_mut() = stolen.metadata().clone();
        KeyServiceClient::new(channel.clone()).list_keys(request).await
    };
    for channel in [&one.channel, &other.channel] {
        list(channel).await.expect("a list");
    }
    let kid = current(&firm, &one.channel, KeyPurpose::Caller).await;
    revoke(&firm, &one.channel, &kid).await;
    let is_out = async |channel: &Channel| list(channel).await.is_err_and(|told| told.code() == Code::Unauthenticated);
    assert!(is_out(&one.channel).await, "at once where it was revoked");
    let took = until("he is not let in", async || is_out(&other.channel).await).await;
    assert!(took <= OUT_OF_USE_WITHIN, "{took:?}");
    // Whoever has a new token is.
    let token = firm.jump(&other.channel, &request_id(), 0).await.expect("a jump");
    firm.redeem(&one.channel, &token).await.expect("a redemption");
    one.stop().await;
    other.stop().await;
}
