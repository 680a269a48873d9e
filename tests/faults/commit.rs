//! The connection goes away while COMMIT is under way: nobody knows what became of it, until somebody looks.

use sqlx::PgConnection;
use tonic::Status;

use crate::firm::{Firm, TARGET, is_unavailable, reason, request_id};
use crate::gateway::Gateway;
use crate::postgres::{self, TestDatabase};
use crate::proxy::{CommitCut, Others, Proxy};

/// A service behind a network that cuts, and its firm.
struct Scene {
    gateway: Gateway,
    firm: Firm,
    proxy: Proxy,
    admin: PgConnection,
    _database: TestDatabase,
}

/// What is committed.
#[derive(Debug, Clone)]
enum Deed {
    Effect { id: String, name: String },
    Jump { id: String, broker: usize },
    Redeem { token: String },
}

impl Deed {
    /// What no other transaction sends that is committed. Whoever connects commits too, and so does whoever works in the
    /// background.
    fn sends(&self) -> &str {
        match self {
            Self::Effect { name, .. } => name,
            // Only who records or redeems a jump writes its target down.
            Self::Jump { .. } | Self::Redeem { .. } => TARGET,
        }
    }
}

/// How many users there are, jumps, and jumps that were redeemed.
type Counts = (i64, i64, i64);

impl Scene {
    async fn set() -> Option<Self> {
        let database = postgres::database().await?;
        let proxy = Proxy::in_front_of(&database.service_url()).await;
        let gateway = Gateway::start(&proxy.url(&database.service_url())).await;
        let firm = gateway.firm().await;
        // Everybody is known from now on: introducing somebody is a transaction of its own.
        for broker in [1, 2] {
            let token = firm.jump(&gateway.channel, &request_id(), broker).await.expect("a jump");
            firm.redeem(&gateway.channel, &token).await.expect("a redemption");
        }
        let admin = database.admin().await;
        Some(Self { gateway, firm, proxy, admin, _database: database })
    }

    async fn deeds(&self, name: &str) -> [Deed; 3] {
        let token = self.firm.jump(&self.gateway.channel, &request_id(), 1).await.expect("a jump");
        [
            Deed::Effect { id: request_id(), name: name.to_owned() },
            Deed::Jump { id: request_id(), broker: 2 },
            Deed::Redeem { token },
        ]
    }

    /// Gives what is the same whenever it is answered.
    async fn call(&self, deed: &Deed) -> Result<String, Status> {
        let channel = &self.gateway.channel;
        match deed {
            Deed::Effect { id, name } => self.firm.create_user(channel, id, name).await.map(|user| user.user_id),
            Deed::Jump { id, broker } => self.firm.jump(channel, id, *broker).await.map(|token| unsigned(&token)),
            Deed::Redeem { token } => self.firm.redeem(channel, token).await,
        }
    }

    /// Calls while the connection is cut that its COMMIT goes over.
    async fn call_cut(&self, deed: &Deed, cut: CommitCut, others: Others) -> Result<String, Status> {
        self.proxy.cut_commit_of(deed.sends(), cut, others);
        let told = self.call(deed).await;
        assert!(self.proxy.has_cut_commit(), "nothing was cut: {deed:?}, {told:?}");
        if others == Others::AreCut {
            // Before, or the readiness that is waited for below is still that of before the cut.
            self.gateway.until_ready(false).await;
            self.proxy.resume();
            self.gateway.until_ready(true).await;
        }
        told
    }

    async fn counts(&mut self) -> Counts {
        let counts = "
            SELECT
                (SELECT count(*) FROM concenter_user),
                (SELECT count(*) FROM jump),
                (SELECT count(*) FROM jump WHERE redeemed_at IS NOT NULL)
        ";
        sqlx::query_as(counts).fetch_one(&mut self.admin).await.expect("numbers")
    }
}

/// A token without its signature, which is another one each time.
fn unsigned(token: &str) -> String {
    token.rsplit_once('.').expect("a signature").0.to_owned()
}

/// What each deed adds to [`Scene::counts`]; one is for the token of the redemption.
const EACH_ONCE: Counts = (1, 2, 1);

async fn each_was_done_once(scene: &mut Scene, before: Counts) {
    let after = scene.counts().await;
    assert_eq!((after.0 - before.0, after.1 - before.1, after.2 - before.2), EACH_ONCE);
}

/// F12: the answer is read from the database.
#[tokio::test]
async fn what_was_committed_is_answered_although_nobody_heard_of_the_commit() {
    let Some(mut scene) = Scene::set().await else { return };
    let before = scene.counts().await;
    for deed in scene.deeds("once").await {
        let told = scene.call_cut(&deed, CommitCut::After, Others::GoOn).await;
        told.unwrap_or_else(|told| panic!("{deed:?}: {told}"));
    }
    each_was_done_once(&mut scene, before).await;
}

/// F12: nothing was done, and the same request does it.
#[tokio::test]
async fn what_was_never_committed_is_done_once_by_the_same_request_again() {
    let Some(mut scene) = Scene::set().await else { return };
    let before = scene.counts().await;
    for deed in scene.deeds("again").await {
        let undone = scene.counts().await;
        let told = scene.call_cut(&deed, CommitCut::Before, Others::GoOn).await;
        is_unavailable(&told.expect_err("it was not committed"));
        assert_eq!(scene.counts().await, undone, "{deed:?}");
        scene.call(&deed).await.unwrap_or_else(|told| panic!("{deed:?}: {told}"));
    }
    each_was_done_once(&mut scene, before).await;
}

/// F12: it was done, and nobody can look; the same request tells it as soon as somebody can.
#[tokio::test]
async fn what_was_committed_unheard_is_told_by_the_same_request_and_done_once() {
    let Some(mut scene) = Scene::set().await else { return };
    let before = scene.counts().await;
    for deed in scene.deeds("unheard").await {
        let undone = scene.counts().await;
        let told = scene.call_cut(&deed, CommitCut::After, Others::AreCut).await;
        is_unavailable(&told.expect_err("nobody could look"));
        let done = scene.counts().await;
        assert_ne!(done, undone, "it was committed: {deed:?}");
        let told = [scene.call(&deed).await, scene.call(&deed).await];
        assert_eq!(scene.counts().await, done, "{deed:?}");
        match (&deed, told) {
            // A password leaves at most once, though nobody got it.
            (Deed::Redeem { .. }, [Err(one), Err(other)]) => {
                assert_eq!([reason(&one), reason(&other)], ["JUMP_ALREADY_REDEEMED"; 2]);
            }
            (_, [Ok(one), Ok(other)]) => assert_eq!(one, other, "{deed:?}"),
            (_, told) => panic!("{deed:?}: {told:?}"),
        }
    }
    each_was_done_once(&mut scene, before).await;
}
